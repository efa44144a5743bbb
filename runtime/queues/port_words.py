"""Where the counters of a ring lie: indices of ``abi.PORT`` in a memoryview of 64-bit words."""

from __future__ import annotations

from pydotcompute.compiler.abi import PORT, word

HEAD, TAIL, CLAIMED = (word(PORT, name) for name in ("head", "tail", "claimed"))
"""Counters: messages published; consumed; consumed or in hand."""
SLOTS, MASK, BOUND, SOURCE, POLICY, CAPACITY = (
    word(PORT, name) for name in ("slots", "mask", "bound", "source", "policy", "capacity")
)
"""Constants between bursts."""
