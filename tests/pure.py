"""``pytest -p tests.pure``: the whole suite without the extension, as where it was not built."""

from __future__ import annotations

import sys

assert "pydotcompute" not in sys.modules, "load this plugin before pydotcompute is imported"
sys.modules["pydotcompute._fastpath"] = None  # type: ignore[assignment]
