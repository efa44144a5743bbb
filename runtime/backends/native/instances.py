"""The instances of a compiled population: their records in memory, found by key.

Input: the population's library and the layout of its keys.  Output: ``Instances``: the host's side
of ``templates/library/key_table.h``.  Records never move: address space for as many as there may be
is reserved at the beginning, and a page of it takes memory when the first record on it begins.

Everything here is called between bursts.
"""

from __future__ import annotations

import ctypes
import mmap
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pydotcompute.compiler.abi import POPULATION, word
from pydotcompute.compiler.types.population_key import KeyLayout
from pydotcompute.queues.memory import Memory

VACANT, NEW, BEGUN, BY_HOST, RESERVED = 0, 1, 2, 4, 8
"""Flags of an instance."""
NONE: Final = (1 << 64) - 1
"""In place of the number of an instance: there is none."""
MOST: Final = (1 << 32) - 2
"""Instances that numbers of 32 bits can tell apart."""
INSTANCES, BUCKETS, MASK, SECRET, FACTOR = (
    word(POPULATION, name) for name in ("instances", "buckets", "mask", "secret", "factor")
)
USED, VACANT_AT, COUNT, BEGUN_COUNT, CURRENT, AWAKE = (
    word(POPULATION, name) for name in ("used", "vacant", "count", "begun", "current", "awake")
)
_FIRST_BUCKETS = 64
_MANY: Final = 1 << 17
"""Buckets from which on memory is asked for in large pages."""
_MAP_NORESERVE = 0x4000
"""Linux: memory is not counted before it is used.  Python 3.11 has no name for it."""


class Pages:
    """Zeroed memory that takes room page by page, when it is written.

    Args:
        size: bytes.
    """

    __slots__ = ("_map", "address", "bytes")

    def __init__(self, size: int) -> None:
        if sys.platform == "linux":
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
            self._map = mmap.mmap(-1, size, flags=flags)
        else:
            self._map = mmap.mmap(-1, size)
        self.bytes = memoryview(self._map)
        self.address: int = ctypes.addressof(ctypes.c_char.from_buffer(self._map))


    def enlarge(self) -> None:
        """Ask for large pages from now on: with small ones, most of the time that it takes to look
        at instances here and there goes into finding their pages."""
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)


def _pages_for(most: int, stride: int) -> tuple[Pages, int]:
    """Room for so many records, or as many as there is address space for; and how many."""
    while True:
        try:
            return Pages(most * stride), most
        except (OSError, OverflowError, ValueError):
            if most < _MANY:
                raise
            most //= 2


class Instances:
    """The records of a population.

    Args:
        library: the compiled population.
        key: the layout of its keys.
        state_size: bytes of the state of an instance.
        most: how many instances there may be, up to ``MOST``; fewer if addresses run out.

    Attributes:
        address: of the population's record (``abi.POPULATION``).
        stride: bytes of an instance's record.
        most: how many instances there may be.
    """

    def __init__(self, library: Path, key: KeyLayout, state_size: int, most: int) -> None:
        self.key, self.state_size = key, state_size
        self._state_at = 8 * key.words + 8
        self.stride = self._state_at + -(-max(1, state_size) // 8) * 8
        calls = ctypes.PyDLL(str(library))
        size = ctypes.c_uint64.in_dll(calls, "pdc_instance_size").value
        assert size == self.stride, "records of instances are laid out as in C"
        self._calls = calls
        calls.pdc_reserve.restype = calls.pdc_begin_waiting.restype = ctypes.c_uint64
        calls.pdc_keys_of.restype = calls.pdc_find_keys.restype = None
        calls.pdc_forget.restype = calls.pdc_rehash.restype = None
        self._memory = Memory(POPULATION.itemsize)
        self.address, self.q8 = self._memory.address, self._memory.bytes.cast("Q")
        self._pages, self.most = _pages_for(most, self.stride)
        self._u4 = self._pages.bytes.cast("I")
        self.q8[INSTANCES] = self._pages.address
        self.q8[SECRET], self.q8[FACTOR] = secrets.randbits(64), secrets.randbits(64) | 1
        self.q8[CURRENT] = NONE
        self._words = (ctypes.c_uint64 * key.words)()
        self._number = ctypes.c_uint64()
        self._rehash(_FIRST_BUCKETS)

    # --- looking ---------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Instances that have a record."""
        return self.q8[COUNT]

    @property
    def begun(self) -> int:
        """Those that have had a message."""
        return self.q8[BEGUN_COUNT]

    @property
    def current(self) -> int:
        """The number of the instance in hand, or ``NONE``."""
        return self.q8[CURRENT]

    @current.setter
    def current(self, number: int) -> None:
        self.q8[CURRENT] = number

    def state(self, number: int) -> memoryview:
        """The bytes of an instance's state."""
        start = number * self.stride + self._state_at
        return self._pages.bytes[start : start + self.state_size]

    def state_address(self, number: int) -> int:
        """Where an instance's state lies."""
        return self._pages.address + number * self.stride + self._state_at

    def _flags_at(self, number: int) -> int:
        return (number * self.stride + 8 * self.key.words) // 4

    def flags(self, number: int) -> int:
        """What an instance is."""
        return self._u4[self._flags_at(number)]

    def set_flags(self, number: int, flags: int) -> None:
        """Make an instance something else; counts those that have begun."""
        at = self._flags_at(number)
        self.q8[BEGUN_COUNT] += bool(flags & BEGUN) - bool(self._u4[at] & BEGUN)
        self._u4[at] = flags

    def key_of(self, number: int) -> Any:
        """The key of an instance."""
        return self.key.unpack(self._rows()[number, : self.key.words].tolist())

    def find(self, words: Sequence[int]) -> int:
        """The number of the instance with a key, or ``NONE``.

        Args:
            words: of the key.
        """
        self._words[:] = list(words)
        self._calls.pdc_find_keys(
            ctypes.c_void_p(self.address), self._words, ctypes.c_uint64(1),
            ctypes.byref(self._number),
        )  # fmt: skip
        return self._number.value

    def find_all(self, words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The numbers of the instances with these keys, or ``NONE``.

        Args:
            words: of the keys, a row for each.
        """
        words = np.ascontiguousarray(words, np.uint64)
        numbers = np.empty(len(words), np.uint64)
        self._calls.pdc_find_keys(
            ctypes.c_void_p(self.address), ctypes.c_void_p(words.ctypes.data),
            ctypes.c_uint64(len(words)), ctypes.c_void_p(numbers.ctypes.data),
        )  # fmt: skip
        return numbers

    def keys_at(self, address: int, count: int) -> np.ndarray[Any, Any]:
        """The words of the keys of messages, a row for each.

        Args:
            address: of the first of their slots, which lie in a row.
            count: how many.
        """
        words = np.empty((count, self.key.words), np.uint64)
        self._calls.pdc_keys_of(
            ctypes.c_void_p(address), ctypes.c_uint64(count), ctypes.c_void_p(words.ctypes.data)
        )
        return words

    def _rows(self) -> np.ndarray[Any, Any]:
        """All records in use as 64-bit words."""
        used = self.q8[USED]
        words = np.ndarray((used * self.stride // 8,), np.uint64, self._pages.bytes)
        return words.reshape(used, self.stride // 8)

    def words(self) -> np.ndarray[Any, Any]:
        """The memory of all records in use, as 64-bit words."""
        return self._rows().reshape(-1)

    def numbers(self, flags: int = NEW | BEGUN | BY_HOST | RESERVED) -> np.ndarray[Any, Any]:
        """The numbers of the instances that have any of some flags, in order."""
        column = self._rows()[:, self.key.words] & 0xFFFF_FFFF
        return np.flatnonzero(column & flags)

    def in_order(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Numbers of instances in the order in which they began."""
        born = self._rows()[numbers, self.key.words] >> np.uint64(32)
        ordered: np.ndarray[Any, Any] = numbers[np.argsort(born, kind="stable")]
        return ordered

    def keys_of(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The words of the keys of some instances, a row for each."""
        words: np.ndarray[Any, Any] = self._rows()[numbers, : self.key.words]
        return words

    def states(self, numbers: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """Copies of the states of some instances.

        Args:
            numbers: which.
            dtype: the record of a state.
        """
        used = self.q8[USED]
        all_ = np.ndarray((used,), dtype, self._pages.bytes, self._state_at, (self.stride,))
        chosen: np.ndarray[Any, Any] = all_[numbers]
        return chosen

    def longest_probe(self) -> int:
        """The most buckets in a row without an empty one: how long a search may take."""
        buckets = np.ndarray((self.q8[MASK] + 1,), np.uint64, self._buckets.bytes)
        empty = np.flatnonzero(buckets == 0)
        return int(np.diff(empty, prepend=empty[-1] - len(buckets)).max()) - 1

    # --- changing --------------------------------------------------------------------------

    def reserve(self, words: np.ndarray[Any, Any]) -> int:
        """Records for those keys that have none, in order, as long as there is room.

        Args:
            words: of the keys, a row for each.

        Returns:
            How many of the keys have a record now; the next one found no room.
        """
        words, done = np.ascontiguousarray(words, np.uint64), 0
        while done < len(words):
            rows = words[done : done + _AT_ONCE]
            self._make_room(min(len(rows), self.most - self.count))
            found: int = self._calls.pdc_reserve(
                ctypes.c_void_p(self.address), ctypes.c_void_p(rows.ctypes.data),
                ctypes.c_uint64(len(rows)), ctypes.c_uint64(self.most),
            )  # fmt: skip
            done += found
            if found < len(rows):
                break
        return done

    def begin(self, words: Sequence[int]) -> int:
        """A record for a key.

        Args:
            words: of the key.

        Returns:
            Its number, or ``NONE`` if there is no room.
        """
        self._make_room(1)
        self._words[:] = list(words)
        self._calls.pdc_reserve(
            ctypes.c_void_p(self.address), self._words, ctypes.c_uint64(1),
            ctypes.c_uint64(self.most),
        )  # fmt: skip
        return self.find(words)

    def begin_waiting(self, actor: int, waiting: int, state: memoryview) -> int:
        """A state for the instances of the next messages that have none.

        Args:
            actor: address of the actor's record.
            waiting: how many messages there are, at most.
            state: what their states are to be; writable, and as large as a state is in C.

        Returns:
            How many instances that were.
        """
        most = min(waiting, _AT_ONCE)
        self._make_room(min(most, self.most - self.count))
        template = (ctypes.c_char * len(state)).from_buffer(state)
        begun: int = self._calls.pdc_begin_waiting(
            ctypes.c_void_p(actor), template, ctypes.c_uint64(most), ctypes.c_uint64(self.most)
        )
        return begun

    def forget(self, number: int) -> None:
        """Free an instance's record."""
        self._calls.pdc_forget(ctypes.c_void_p(self.address), ctypes.c_uint64(number))
        if self.current == number:
            self.current = NONE

    def _make_room(self, more: int) -> None:
        """Keep at least half of the buckets empty."""
        buckets = self.q8[MASK] + 1
        needed = self.count + more
        if 2 * needed > buckets:
            while 2 * needed > buckets:
                buckets *= 2
            self._rehash(buckets)

    def _rehash(self, buckets: int) -> None:
        self._buckets = Pages(8 * buckets)
        if buckets >= _MANY:
            self._buckets.enlarge()
            self._pages.enlarge()
        self._calls.pdc_rehash(
            ctypes.c_void_p(self.address), ctypes.c_void_p(self._buckets.address),
            ctypes.c_uint64(buckets - 1),
        )  # fmt: skip


_AT_ONCE = 4096
"""Instances begun in one call, at most."""
