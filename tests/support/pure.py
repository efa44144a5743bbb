"""``pytest -p tests.support.pure``: the suite without the extension."""

from __future__ import annotations

import sys

assert "pydotcompute" not in sys.modules, "load this plugin before pydotcompute is imported"
sys.modules["pydotcompute.accel._fastpath"] = None  # type: ignore[assignment]
