"""``Layout`` and message classes that are made in unusual ways.

What could end the process runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import pytest

from pydotcompute import message
from pydotcompute.accel import storage

needs_extension = pytest.mark.skipif(storage.extension is None, reason="not built")
ROOT = Path(__file__).parents[3]

COMPUTED_NAMES = """
import dataclasses, gc
from pydotcompute import message
from pydotcompute.accel import storage

for n in range(2000):
    fields = [(f"field_{n}_{k}", int) for k in range(4)]
    cls = message(dataclasses.make_dataclass(f"Made{n}", fields))
    layout = storage.layout_of(cls)
    values = cls(*range(4))
    assert layout.message(layout.record(values)) == values
    del cls, layout, values, fields
    if n % 100 == 0:
        gc.collect()
print("done")
"""


@needs_extension
def test_computed_field_names() -> None:
    """The names of such fields are referenced by nothing but the class."""
    done = subprocess.run(
        [sys.executable, "-c", COMPUTED_NAMES], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@needs_extension
def test_layout_makes_no_instance() -> None:
    unmade: list[bool] = []

    @message
    @dataclass
    class Closing:
        value: int

        def __del__(self) -> None:
            unmade.append(hasattr(self, "value"))

    layout = storage.layout_of(Closing)
    assert layout is not None
    assert unmade == []
    assert layout.message(layout.record(Closing(5))).value == 5
    assert unmade == [True, True]


@needs_extension
def test_a_record_that_fails_leaves_no_half_built_message() -> None:
    unmade: list[bool] = []

    @message
    @dataclass
    class Named:
        value: int
        name: str

        def __del__(self) -> None:
            unmade.append(hasattr(self, "value"))

    layout = storage.layout_of(Named)
    record = bytearray(layout.record(Named(1, "")))
    record[8:16] = b"\xff" * 8
    unmade.clear()
    with pytest.raises(IndexError, match="index out of range"):
        layout.message(record)
    assert unmade == []


@needs_extension
def test_classes_that_object_new_does_not_make_are_for_the_codec() -> None:
    class Number(int):
        pass

    class Own:
        def __new__(cls) -> Own:
            raise AssertionError("not called")

    class Abstract(ABC):
        @abstractmethod
        def run(self) -> None: ...

    for cls in (Number, int, Own, Abstract):
        with pytest.raises(TypeError, match=r"object\.__new__"):
            storage.extension.Layout(cls, 8, ())
