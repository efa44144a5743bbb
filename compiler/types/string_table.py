"""The table of the strings that records carry, and its collector.

A record holds an id in place of a string: ``generation << 32 | slot``, where ``slot`` is the place
of the text in the table.  Equal strings have equal ids; id 0 is ``""``.  When a string is freed,
its slot gets another generation, so an id that was freed is never the id of another string.

**What keeps a string.**  Memory that may hold ids is either a *root* (the memory of a compiled
actor) or a *tracked* array (a batch); both are held by weak references.  A collection looks
through all of them as 64-bit words and frees the strings whose ids it does not find.  A number
that looks like an id keeps a string a little longer, and does no harm: generations start at a
random number, so that this is rare.

**When.**  ``intern`` collects when as many strings have been made as there were left after the
collection before.  An actor whose code is running (on a worker thread or a device) cannot be
looked through.  Then the collection stays open until that actor rests: ``ids`` is emptied into a
second dict, from which a string that is asked for comes back, so that it is known to be in use.

**Ids in hand.**  An id that is only in a local variable can be freed by the next ``intern``.
Whoever stores ids does it in this order: read ``sweeps[0]``, look the ids up, store them in memory
that is looked through, and do it again if ``sweeps[0]`` has changed.
"""

from __future__ import annotations

import gc
import secrets
import threading
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import compress
from typing import Any, Final, Protocol

import numpy as np

SLOT: Final = 0xFFFFFFFF
"""The bits of an id that are the place in the table."""
_NEXT: Final = 1 << 32
_FREE: Final = 1 << 63
"""Marks the slots of ``_current`` that hold no string.  No id has this bit: compiled code uses it
for strings that the host has yet to make."""
_CHUNK: Final = 1 << 14
"""Words looked at at once, so that they stay in the cache."""
_FOR_ROOT: Final = 16
"""New strings for each actor between collections: looking through one takes microseconds."""

Words = np.ndarray[Any, Any]


class Root(Protocol):
    """Memory that holds ids."""

    def words(self) -> Iterable[Words] | None:
        """All memory that may hold ids as ``uint64``; None while it cannot be looked through."""
        ...


class StringTable:
    """Strings and their ids.

    Args:
        young: the least number of new strings after which unused ones are looked for.
        characters: the same, counted in characters.

    Attributes:
        ids: the id by string.  A string that is not there may still have one: ask ``intern``.
        texts: the string by slot; None in a slot that is free.
        sweeps: one number, how many times strings have been freed.
    """

    def __init__(self, young: int = 1 << 15, characters: int = 1 << 22) -> None:
        self.young, self.characters = young, characters
        self.ids: dict[str, int] = {"": 0}
        self.texts: list[Any] = [""]
        self.sweeps = [0]
        self._current = array("Q", [0])  # the id of each slot
        self._first = (1 << 29 | secrets.randbits(29)) << 32
        self._free: list[int] = []
        self._pinned: list[int] = [0]
        self._made = self._made_characters = 0
        self._limit, self._limit_characters = young, characters
        self._old: dict[str, int] = {}
        self._marks: np.ndarray[Any, Any] | None = None  # by slot, while a collection is open
        self._roots: weakref.WeakSet[Any] = weakref.WeakSet()
        self._waiting: list[weakref.ref[Any]] = []
        self._arrays: dict[int, weakref.KeyedRef[int, Words]] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """How many strings are held."""
        return len(self.texts) - len(self._free)

    @property
    def collecting(self) -> bool:
        """Whether a collection waits for actors to rest."""
        return self._marks is not None

    def intern(self, text: str) -> int:
        """The id of a string, a new one for a string that has none.

        Args:
            text: a ``str``, exactly: an instance of a subclass could compare as it likes.
        """
        known = self.ids.get(text)
        if known is not None:
            return known
        with self._lock:
            known = self.ids.get(text)
            if known is None:
                known = self._old.pop(text, None)
            if known is None:
                if self._made >= self._limit or self._made_characters >= self._limit_characters:
                    self.collect()
                    known = self._old.pop(text, None)
                if known is None:
                    known = self._new(text)
            self.ids[text] = known
            return known

    def _new(self, text: str) -> int:
        self._made += 1
        self._made_characters += len(text)
        if self._free:
            slot = self._free.pop()
            made = (self._current[slot] ^ _FREE) + _NEXT
            self._current[slot] = made
            self.texts[slot] = text
            return made
        slot = len(self.texts)
        made = self._first | slot
        self._current.append(made)
        self.texts.append(text)  # the text first: whoever sees the id finds the text
        return made

    def pin(self, text: str) -> int:
        """As ``intern``, of a string that is never freed."""
        with self._lock:
            known = self.intern(text)
            self._pinned.append(known & SLOT)
            return known

    def text(self, number: int) -> str:
        """The string of an id."""
        found: str = self.texts[number & SLOT]
        return found

    def store(self, record: Any, place: Any, text: str) -> None:
        """Put the id of a string into memory that is looked through."""
        while True:
            sweep = self.sweeps[0]
            record[place] = self.intern(text)
            if self.sweeps[0] == sweep:
                return

    # --- who holds strings -----------------------------------------------------------------

    def add_root(self, root: Root) -> None:
        """Look through this memory, as long as ``root`` exists."""
        with self._lock:
            self._roots.add(root)

    def track(self, batch: Words) -> None:
        """Look through the memory of an array, as long as the array that owns it exists."""
        while isinstance(batch.base, np.ndarray):
            batch = batch.base
        key = id(batch)
        if key not in self._arrays:
            self._arrays[key] = weakref.KeyedRef(batch, self._gone, key)

    def _gone(self, reference: weakref.KeyedRef[int, Words]) -> None:
        self._arrays.pop(reference.key, None)

    def valid(self, ids: Words) -> Words:
        """Which values of an array are ids of strings; these are in use from now on.

        Args:
            ids: ``uint64``, of one axis.
        """
        good = np.empty(len(ids), np.bool_)
        with self._lock:
            for at in range(0, len(ids), _CHUNK):
                slots, found = self._find(ids[at : at + _CHUNK])
                good[at : at + _CHUNK] = found
                if self._marks is not None:
                    self._mark(slots[found])
        return good

    def all_valid(self, ids: Words, all_known: Callable[[Words, Any], bool]) -> bool:
        """As ``valid(ids).all()``, but it may say False of ids that are valid.

        Args:
            ids: ``uint64``, of one axis.
            all_known: looks at ids and at the ids of all slots.
        """
        with self._lock:
            return self._marks is None and all_known(ids, self._current)

    def _find(self, words: Words) -> tuple[Words, Words]:
        """The slot that each word names if it is an id, and whether it is one."""
        slots = (words & SLOT).view(np.int64)
        current = np.frombuffer(self._current, np.uint64)
        return slots, current.take(slots, mode="clip") == words

    # --- collecting ------------------------------------------------------------------------

    def collect(self) -> bool:
        """Free the strings that nothing holds.

        Returns:
            Whether this is done; else some actor is running, and it is done when that one rests.
        """
        with self._lock, _no_finalizers():
            began = self._marks is None
            if began:
                self._begin()
            self._waiting = [root for root in self._waiting if not self._look_through(root())]
            if self._waiting:
                self._limit = self._made + self.young
                self._limit_characters = self._made_characters + self.characters
                return False
            if not began:  # since then ids may have come into arrays out of actors
                self._look_through_arrays()
            self._finish()
            return True

    def _begin(self) -> None:
        self._marks = np.zeros(len(self.texts), np.bool_)
        self._marks[self._pinned] = True
        self._old = dict(self.ids)
        self.ids.clear()
        self._waiting = [weakref.ref(root) for root in self._roots]
        self._look_through_arrays()

    def _look_through(self, root: Root | None) -> bool:
        words = () if root is None else root.words()
        for part in words or ():
            self._keep(part)
        return words is not None

    def _look_through_arrays(self) -> None:
        for reference in list(self._arrays.values()):
            batch = reference()
            if batch is not None and batch.size:
                raw = np.ndarray.view(np.ravel(batch, order="K"), np.ndarray).view(np.uint8)
                self._keep(raw[: len(raw) // 8 * 8].view(np.uint64))

    def _keep(self, words: Words) -> None:
        words = words.reshape(-1)
        for at in range(0, len(words), _CHUNK):
            slots, found = self._find(words[at : at + _CHUNK])
            self._mark(slots[found])

    def _mark(self, slots: Words) -> None:
        assert self._marks is not None
        self._marks[slots[slots < len(self._marks)]] = True

    def _finish(self) -> None:
        """Free what has not been found, nor asked for since the collection began."""
        marks, old = self._marks, self._old
        assert marks is not None
        slots = np.fromiter((number & SLOT for number in old.values()), np.int64, len(old))
        kept = marks[slots]
        self.ids.update(compress(old.items(), kept.tolist()))
        self._marks, self._old = None, {}
        self._release(slots[~kept])
        self._made = self._made_characters = 0
        self._limit = max(self.young, len(self.ids), _FOR_ROOT * len(self._roots))
        self._limit_characters = max(self.characters, sum(map(len, self.ids)))

    def _release(self, slots: Words) -> None:
        self.sweeps[0] += 1
        np.frombuffer(self._current, np.uint64)[slots] |= np.uint64(_FREE)
        for slot in slots.tolist():
            self.texts[slot] = None
            if self._current[slot] + _NEXT < 2 * _FREE:  # else its generations are used up
                self._free.append(slot)


@contextmanager
def _no_finalizers() -> Iterator[None]:
    """The garbage collector waits: a finalizer of the user's might send a message just now."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


STRINGS = StringTable()
"""The table behind every string id of this process."""
