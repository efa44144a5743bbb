"""Everything made on the way, as files: ``PYDOTCOMPUTE_DUMP_DIR``.

In: a ``Lowering``.  Out: a folder a kernel with ``actor.py``, ``ir.txt``, ``kernel.cu``,
``layout.txt`` and ``build.log``.  The way back is ``override``.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydotcompute.actors.kernel_folder import folder_name
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.settings import settings
from pydotcompute.support import notices


class Dumped(Protocol):
    """The parts of a ``Lowering`` that are written."""

    @property
    def kernel_id(self) -> str: ...
    @property
    def kernel(self) -> KernelSource | None: ...
    @property
    def diagnostics(self) -> Sequence[Diagnostic]: ...
    @property
    def function(self) -> Callable[..., Any] | None: ...
    @property
    def ir(self) -> str: ...
    @property
    def layout(self) -> str: ...
    @property
    def edited(self) -> Path | None: ...


def dump(lowering: Dumped) -> Path | None:
    """Writes the files of a kernel into the dump folder, replacing older ones.

    The text is the generated one, and never takes the place of the edited one that is compiled.

    Returns:
        The folder; None if there is no dump folder, or it cannot be written (with a warning).
    """
    root = settings().dump_dir
    if root is None:
        return None
    folder = root / folder_name(lowering.kernel_id)
    problems = "\n\n".join(map(str, lowering.diagnostics))
    files = {
        "actor.py": _python(lowering),
        "ir.txt": lowering.ir,
        "kernel.cu": "" if lowering.kernel is None else lowering.kernel.text,
        "layout.txt": lowering.layout,
        "build.log": problems or "lowered without problems\n",
    }
    if lowering.edited == folder / "kernel.cu":
        del files["kernel.cu"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        notices.warn(f"PYDOTCOMPUTE_DUMP_DIR cannot be written: {error}", RuntimeWarning)
        return None
    return folder


def note_build(kernel_id: str, text: str) -> None:
    """Adds what a compiler said to a kernel's ``build.log``, if there is a dump folder.

    One that cannot be written is ``dump``'s to warn of.
    """
    root = settings().dump_dir
    if root is None:
        return
    with (
        contextlib.suppress(OSError),
        (root / folder_name(kernel_id) / "build.log").open("a", encoding="utf-8") as log,
    ):
        log.write(f"{text}\n")


def _python(lowering: Dumped) -> str:
    try:
        return "" if lowering.function is None else inspect.getsource(lowering.function)
    except OSError:  # typed at a prompt
        return ""
