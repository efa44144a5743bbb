"""Memory that stays where it is, for rings and for actors.

Input: a number of bytes.  Output: their address and a view of them.  ``Memory`` is the host's own;
whatever else satisfies ``Allocate`` (an arena of a device) can take its place.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pydotcompute.compiler.abi import CACHE_LINE


class Bytes(Protocol):
    """Memory that stays where it is."""

    address: int
    bytes: memoryview


class Allocate(Protocol):
    """Where memory comes from."""

    def __call__(self, size: int, *, zero: bool = True) -> Bytes:
        """So many bytes on a cache line."""
        ...


class Memory:
    """Bytes of the host that start on a cache line.

    Args:
        size: how many.
        zero: whether they start as zeros.
    """

    __slots__ = ("_array", "address", "bytes")

    def __init__(self, size: int, *, zero: bool = True) -> None:
        make = np.zeros if zero else np.empty
        self._array = make(size + CACHE_LINE, np.uint8)
        begin: int = self._array.__array_interface__["data"][0]
        start = -begin % CACHE_LINE
        self.address: int = begin + start
        self.bytes: memoryview = self._array[start : start + size].data
