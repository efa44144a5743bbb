"""A file of the user's as a module, for ``pydotcompute inspect``: its actors are only looked at.

In: a path.  Out: the module.  The file is run as ``import`` would, but under a name of its own, so
that ``random.py`` takes nobody's place; files beside it can be imported by it all the same.  What
it prints goes to standard error: standard output is for what the command shows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class LoadingError(Exception):
    """The file cannot be imported; the text says what to do."""


def load(path: Path) -> ModuleType:
    """Run a file as a module.

    Raises:
        LoadingError: there is no such file, or it cannot be imported.
    """
    if not path.is_file():
        raise LoadingError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"inspected_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise LoadingError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where message classes look their annotations up
    try:
        with _as_its_own_script(path), _importable(path, module), \
                contextlib.redirect_stdout(sys.stderr):  # fmt: skip
            spec.loader.exec_module(module)
    except SystemExit:
        raise LoadingError(
            f"{path} ends the process when it is imported; put that under "
            '`if __name__ == "__main__":`'
        ) from None
    except Exception as exc:
        said = "".join(traceback.format_exception_only(exc)).strip()
        raise LoadingError(f"{path}{_place(path, exc)} cannot be run: {said}") from None
    return module


def _place(path: Path, error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path.resolve()]
    return f", line {lines[-1]}" if lines else ""


@contextlib.contextmanager
def _as_its_own_script(path: Path) -> Iterator[None]:
    """A file that reads its arguments finds none, and not those of this command."""
    kept, sys.argv = sys.argv, [str(path)]
    try:
        yield
    finally:
        sys.argv = kept


@contextlib.contextmanager
def _importable(path: Path, module: ModuleType) -> Iterator[None]:
    """Files beside it can be imported, and may import it by its name if nobody else has it."""
    beside = _Beside(path.resolve().parent, path.stem)
    alias = not beside.is_taken(path.stem)
    if alias:
        sys.modules[path.stem] = module
    sys.meta_path.insert(0, beside)
    try:
        yield
    finally:
        sys.meta_path.remove(beside)
        if alias:
            sys.modules.pop(path.stem, None)


class _Beside:
    """Finds modules in the folder of a script, as Python does, save those that others have.

    Args:
        folder: of the script.
        script: its own name, which is never looked for here.
    """

    def __init__(self, folder: Path, script: str) -> None:
        self._folder = str(folder)
        self._script = script

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As of every finder of ``sys.meta_path``."""
        if path is not None or name in sys.stdlib_module_names or name == self._script:
            return None
        found = PathFinder.find_spec(name, [self._folder])
        # A folder without `__init__.py` is one of data as often as not.
        bare = found is not None and found.loader is None
        return PathFinder.find_spec(name) or found if bare else found

    def is_taken(self, name: str) -> bool:
        """Whether a module of this name is somewhere else."""
        known = name in sys.stdlib_module_names or name in sys.modules
        return known or PathFinder.find_spec(name) is not None
