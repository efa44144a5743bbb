"""Everything that is in the folders is in the package."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SETUP: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
    "setuptools"
]
FOLDERS = {folder: package for package, folder in SETUP["package-dir"].items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_is_a_listed_package(folder: str) -> None:
    found = {path.parent.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.py")}
    names = {".".join((FOLDERS[folder], *path.parts)) for path in found}
    assert names <= set(SETUP["packages"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_other_file_is_listed_as_data(folder: str) -> None:
    left_out = ["*.py", "*.so", "*.c", "*.pyc"]
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if not any(fnmatch(path.name, pattern) for pattern in left_out)
        and not is_data(path.relative_to(ROOT / folder), FOLDERS[folder])
    ]
    assert not missing


def is_data(file: Path, package: str) -> bool:
    """Whether a package that the file is in lists it."""
    while True:
        patterns = SETUP["package-data"].get(package, [])
        if any(fnmatch(file.as_posix(), pattern) for pattern in patterns):
            return True
        if len(file.parts) == 1:
            return False
        package = f"{package}.{file.parts[0]}"
        file = Path(*file.parts[1:])
