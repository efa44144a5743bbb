"""How many examples the property tests try: few in each run, many on demand.

``PYDOTCOMPUTE_TEST_EFFORT=20 make test`` tries 20 times as many.
"""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """The number of examples for hypothesis.

    Args:
        few: what an everyday run tries.
    """
    return max(1, int(few * float(os.environ.get("PYDOTCOMPUTE_TEST_EFFORT", "1"))))
