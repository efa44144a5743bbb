"""Edited texts: what ``PYDOTCOMPUTE_OVERRIDE_DIR`` has in place of the generated ones.

Input: the lowered kernel.  Output: the text in the folder of its name, or one sentence that names
the file: a text that was made for other messages or variables would read their records wrongly.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from pydotcompute.actors.kernel_folder import folder_name
from pydotcompute.compiler.codegen.signature import MARK, signature_of
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.errors import BuildError
from pydotcompute.settings import settings
from pydotcompute.support import notices

_log = logging.getLogger("pydotcompute.kernel")


def edited_path(kernel_id: str) -> Path | None:
    """The edited text of a kernel, if the override folder has one."""
    root = settings().override_dir
    if root is None:
        return None
    path = root / folder_name(kernel_id) / "kernel.cu"
    try:
        return path if path.is_file() else None
    except OSError:  # the folder may not be looked into: reading it says so
        return path


def edited_text(kernel: KernelSource, kernel_id: str, path: Path) -> str:
    """An edited text, if it still fits its actor.

    Args:
        kernel: the lowered actor.
        kernel_id: its id.
        path: of the text.

    Raises:
        BuildError: it cannot be read, is empty, or was made for other messages or variables.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise _refused(
            f"the edited text {path} of kernel {kernel_id!r} cannot be read ({why}); correct "
            "that, or unset PYDOTCOMPUTE_OVERRIDE_DIR", path
        ) from None  # fmt: skip
    if not text.strip():
        raise _refused(
            f"the edited text {path} of kernel {kernel_id!r} is empty; delete the file to run "
            "the generated text", path
        )  # fmt: skip
    made_for = signature_of(text)
    if made_for is None:
        raise _refused(
            f"the edited text {path} of kernel {kernel_id!r} has no line `{MARK}...`, which says "
            "whether it fits the actor; dump it again, and keep that line", path
        )  # fmt: skip
    if made_for != kernel.signature:
        raise _refused(
            f"the text {path} of kernel {kernel_id!r} was edited from an earlier version of the "
            f"actor, which {made_for}, while it now {kernel.signature}; dump it again", path
        )  # fmt: skip
    return text


def _refused(sentence: str, path: Path) -> BuildError:
    return BuildError(sentence, source_path=path)


@contextlib.contextmanager
def named(path: Path | None) -> Iterator[None]:
    """Let a compiler's refusal name the edited text, if it is one."""
    try:
        yield
    except BuildError as error:
        if path is None or error.source_path == path:
            raise
        raise BuildError(f"{error} (in the edited text {path})", error.log, path) from None


def tell_edited(kernel_id: str, path: Path) -> None:
    """Say that a kernel runs an edited text: whoever forgot the variable has to see it."""
    _log.warning(
        "kernel %r runs the edited text %s", kernel_id, path, extra={"kernel_id": kernel_id}
    )


def check_folder() -> None:
    """Warn of an override folder that does not exist."""
    root = settings().override_dir
    if root is not None and not root.exists():
        notices.warn(
            f"PYDOTCOMPUTE_OVERRIDE_DIR is {str(root)!r}, which does not exist, so the generated "
            "texts are compiled", RuntimeWarning
        )  # fmt: skip
