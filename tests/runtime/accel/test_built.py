"""The extension is optional for users, not for us: a build that failed is silent."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from pydotcompute.accel import storage

CAN_BUILD = shutil.which("cc") and (Path(sysconfig.get_path("include")) / "Python.h").exists()


@pytest.mark.skipif(not CAN_BUILD, reason="no C compiler, or no headers of Python")
def test_the_extension_is_current() -> None:
    assert storage.extension is not None, "build it again: `pip install -e .` shows errors with -v"
