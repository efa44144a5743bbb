"""``MISSING``: no value, where ``None`` would be one."""

from __future__ import annotations

from typing import Final


class Missing:
    """The type of ``MISSING``."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What ``FunctionSource.lookup`` returns for a name that has no value."""
