"""Everything made on the way, as files: ``PYDOTCOMPUTE_DUMP_DIR``, and the way back.

In: a ``Lowering``.  Out: a folder a kernel with ``actor.py``, ``ir.txt``, ``kernel.cu``,
``layout.txt`` and ``build.log``.  An edited ``kernel.cu`` in the folder of the same name below
``PYDOTCOMPUTE_OVERRIDE_DIR`` is compiled in place of the generated one.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydotcompute import notices
from pydotcompute.settings import settings

if TYPE_CHECKING:
    from pydotcompute.lowering import Lowering


def folder_name(kernel_id: str) -> str:
    """A folder name for a kernel id: letters, digits, ``-`` and ``_`` stay."""
    return re.sub(r"[^\w-]+", "_", kernel_id, flags=re.ASCII)[:80] or "kernel"


def dump(lowering: Lowering) -> Path | None:
    """Writes the files of a kernel into the dump folder, replacing older ones.

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
        "kernel.cu": lowering.source,
        "layout.txt": lowering.layout,
        "build.log": problems or "lowered without problems\n",
    }
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


def _python(lowering: Lowering) -> str:
    try:
        return "" if lowering.function is None else inspect.getsource(lowering.function)
    except OSError:  # typed at a prompt
        return ""


def override(kernel_id: str) -> str | None:
    """The edited source of a kernel, if the override folder has one."""
    root = settings().override_dir
    if root is None:
        return None
    path = root / folder_name(kernel_id) / "kernel.cu"
    return path.read_text(encoding="utf-8") if path.is_file() else None
