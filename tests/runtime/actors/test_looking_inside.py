"""Dump, edit, override: the way around that ``docs/looking-inside.md`` describes."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import MaxLen

from pydotcompute import BuildError, KernelContext, RingKernelRuntime, message, ring_kernel
from pydotcompute.examples import doubler
from pydotcompute.settings import scope


async def double(value: int) -> Any:
    async with RingKernelRuntime(backend="native") as runtime:
        kernel = await runtime.launch("doubler", doubler.doubler)
        await kernel.activate()
        await kernel.send(doubler.Request(value))
        return (await kernel.receive(timeout=20.0)).result


def edited(folder: Path, old: str, new: str) -> None:
    file = folder / "doubler" / "kernel.cu"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_dump_edit_override(tmp_path: Path) -> None:
    with scope(dump_dir=tmp_path):
        assert asyncio.run(double(21)) == 42
    written = sorted(os.listdir(tmp_path / "doubler"))
    assert written == ["actor.py", "build.log", "ir.txt", "kernel.cu", "layout.txt"]
    assert "async def doubler" in (tmp_path / "doubler" / "actor.py").read_text("utf-8")

    edited(tmp_path, "request.value, 2)", "request.value, 3)")
    with scope(override_dir=tmp_path):
        assert asyncio.run(double(21)) == 63
    assert asyncio.run(double(21)) == 42

    edited(tmp_path, "request.value, 3)", "request.value 3)")
    with scope(override_dir=tmp_path), pytest.raises(BuildError) as caught:
        asyncio.run(double(21))
    file = tmp_path / "doubler" / "kernel.cu"
    assert "could not compile kernel 'doubler'" in str(caught.value)
    assert str(caught.value).endswith(f" (in the edited text {file})")
    assert "doubler.py:" in caught.value.log
    assert caught.value.source_path == file


@pytest.fixture
def dumped(tmp_path: Path) -> Path:
    """The folder of a dump of the doubler."""
    with scope(dump_dir=tmp_path):
        assert doubler.doubler.lower().ok
    return tmp_path


def refusal(folder: Path) -> str:
    """What a launch says of an edited text; it names the file."""
    with scope(override_dir=folder), pytest.raises(BuildError) as caught:
        asyncio.run(double(21))
    file = folder / "doubler" / "kernel.cu"
    assert caught.value.source_path == file
    return str(caught.value).replace(str(file), "FILE")


def test_an_edited_text_is_seen_to_run(dumped: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = dumped / "doubler" / "kernel.cu"
    with scope(override_dir=dumped):
        assert asyncio.run(double(21)) == 42
        assert f"Source    the edited text {file}\n" in doubler.doubler.lower().explain()
        assert doubler.doubler.lower().edited == file
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"kernel 'doubler' runs the edited text {file}"]
    assert doubler.doubler.lower().edited is None


def test_a_dump_leaves_the_edited_text_alone(dumped: Path, tmp_path: Path) -> None:
    edited(dumped, "request.value, 2)", "request.value, 3)")
    with scope(dump_dir=dumped, override_dir=dumped):
        assert asyncio.run(double(21)) == 63
    with scope(dump_dir=tmp_path / "again", override_dir=dumped):
        doubler.doubler.lower()
    generated = (tmp_path / "again" / "doubler" / "kernel.cu").read_text("utf-8")
    assert "request.value, 2)" in generated


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with scope(override_dir=missing), pytest.warns(RuntimeWarning) as warned:
        assert asyncio.run(double(21)) == 42
    assert [(str(each.message), each.filename) for each in warned] == [
        (
            f"PYDOTCOMPUTE_OVERRIDE_DIR is '{missing}', which does not exist, so the generated "
            "texts are compiled",
            __file__,
        )
    ]


def test_an_edited_text_that_is_empty(dumped: Path) -> None:
    (dumped / "doubler" / "kernel.cu").write_text(" \n")
    assert refusal(dumped) == (
        "the edited text FILE of kernel 'doubler' is empty; delete the file to run the generated "
        "text"
    )


def test_an_edited_text_that_cannot_be_read(dumped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def refuse(self: Path, *args: Any, **kwargs: Any) -> str:
        if self.name == "kernel.cu":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self, *args, **kwargs)

    (dumped / "doubler" / "kernel.cu").write_bytes(b"\xff\xfe")
    end = "; correct that, or unset PYDOTCOMPUTE_OVERRIDE_DIR"
    start = "the edited text FILE of kernel 'doubler' cannot be read"
    assert refusal(dumped) == f"{start} (it is not UTF-8){end}"
    monkeypatch.setattr(Path, "read_text", refuse)
    assert refusal(dumped) == f"{start} (Permission denied){end}"
    with scope(dump_dir=dumped, override_dir=dumped):
        assert doubler.doubler.lower().ok  # neither overwritten nor reported as the compiler's


def test_an_edited_text_of_an_earlier_actor(dumped: Path) -> None:
    edited(
        dumped,
        "// Made for: takes Request(value: int); sends Response(result: int); keeps nothing\n",
        "// Made for: takes Request(value: float); sends Response(result: int); keeps total: int\n",
    )
    assert refusal(dumped) == (
        "the text FILE of kernel 'doubler' was edited from an earlier version of the actor, which "
        "takes Request(value: float); sends Response(result: int); keeps total: int, while it now "
        "takes Request(value: int); sends Response(result: int); keeps nothing; dump it again"
    )
    edited(dumped, "// Made for: ", "// ")
    assert refusal(dumped) == (
        "the edited text FILE of kernel 'doubler' has no line `// Made for: ...`, which says "
        "whether it fits the actor; dump it again, and keep that line"
    )


class Level(Enum):
    LOW = 1
    HIGH = 2


@message
@dataclass
class Inner:
    level: Level
    size: float


@message
@dataclass
class Outer:
    parts: Annotated[list[Inner], MaxLen(3)]


@ring_kernel(kernel_id="looking.nested", auto_register=False)
async def nested(ctx: KernelContext[Outer | Inner, Inner]) -> None:
    seen = 0
    best = Inner(Level.LOW, 0.0)
    while not ctx.should_terminate:
        request = await ctx.receive()
        seen += 1
        if isinstance(request, Inner):
            best = request
        await ctx.send(Inner(best.level, best.size + seen))


def test_the_line_names_what_is_inside() -> None:
    assert (
        "// Made for: takes Outer(parts: list[Inner, <=3]) | Inner(level: Level, size: float); "
        "sends Inner(level: Level, size: float); keeps seen: int, best: Inner; with "
        "Inner(level: Level, size: float), Level(LOW, HIGH)"
    ) in nested.lower().source.splitlines()[:8]
