"""``pytest -p tests.support.other_extension``: the suite with another build of the extension.

The environment variable ``PYDOTCOMPUTE_TEST_EXTENSION`` is the path of the build.
"""

from __future__ import annotations

import importlib.util
import os
import sys

NAME = "pydotcompute.accel._fastpath"

assert "pydotcompute" not in sys.modules, "load this plugin before pydotcompute is imported"
_spec = importlib.util.spec_from_file_location(NAME, os.environ["PYDOTCOMPUTE_TEST_EXTENSION"])
assert _spec is not None
assert _spec.loader is not None
_module = sys.modules[NAME] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

from pydotcompute.accel import storage  # noqa: E402

assert storage.extension is _module, "the build is of another version"
