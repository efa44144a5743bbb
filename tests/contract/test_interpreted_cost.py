"""What an interpreted actor costs beside its bare coroutine over two ``asyncio.Queue``.

The goal is twice; ``python -m tests.bench.interpreted`` prints what it is.  Here the bound is
generous: an actor whose state is copied before each message misses it by far.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.interpreted import ACTORS, WAYS, compare

pytestmark = pytest.mark.alone

MOST = 3.0
"""Times the bare coroutine's cost that a message may cost."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ACTORS)
def test_an_interpreted_message_costs_little(name: str, way: str) -> None:
    """Copying the state took from 17 (a set) to 2,000 (messages) times the bare coroutine."""
    ratio = 0.0
    for _ in range(3):
        _, _, ratio = asyncio.run(compare(name, way, rounds=9))
        if ratio < MOST:
            return
    pytest.fail(f"an interpreted message took {ratio:.1f} times that of the bare coroutine")
