"""Where the counters of a ring lie: indices of ``abi.PORT`` in a memoryview of 64-bit words."""

from __future__ import annotations

HEAD, TAIL, CLAIMED = 0, 8, 9
"""Counters: messages published; consumed; consumed or in hand."""
SLOTS, MASK, BOUND, SOURCE, POLICY, CAPACITY = 16, 17, 18, 19, 20, 21
"""Constants between bursts."""
