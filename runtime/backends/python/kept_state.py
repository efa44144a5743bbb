"""What an interpreted actor keeps of its state before each message, and copying variables.

Input: the actor's variables.  Output: copies, for ``ActorFailedError.state`` and ``restart``.

Numbers, strings and the like are kept always: they never change.  A container has to be copied,
before each message, and nearly all of these copies are never read.  ``StateKeeper`` therefore
measures: copies may take a tenth of the time that messages take.  What would take more is not
copied; after a failure it is shown as the message left it (``ActorFailedError.state_after``).
"""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import chain
from operator import itemgetter
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import numpy as np

SHARE = 0.1
"""Copies may take this share of the time that messages take."""
GRANT = 1e-3
"""Seconds that an actor may copy beyond its share: the first messages keep what is kept for all."""
_REFILL = 0.01
"""The grant grows by this share of the time that messages take, so that what was dear once is
tried again."""
_UNIT = 50e-9
"""Seconds an entry of a container takes, as long as no copy of it was measured."""
_LONGEST = 16
"""A decision holds for at most so many messages: measuring takes as long as a small copy."""
SMALL = 8
"""A container of at most so many numbers, strings and the like is kept always."""

_IMMUTABLE = frozenset({int, float, bool, str, bytes, complex, type(None), UUID})
_PLAIN = (int, float, bool, str, bytes, complex, type(None), UUID, np.generic, Enum, type)
_MAPPINGS = (dict, Counter, OrderedDict, defaultdict)
_CONTAINERS = frozenset({list, deque, set, *_MAPPINGS})


class _Unbound:
    """The type of ``_UNBOUND``."""


_UNBOUND: Final[Any] = _Unbound()
_NEED_NO_COPY = _IMMUTABLE | {_Unbound}


class StateKeeper:
    """Keeps the state before each message, at a bounded cost.

    Args:
        names: the variables that are the state.
        clock: seconds; read twice for each decision, and once for each copy that it measures.
    """

    __slots__ = (
        "_before", "_clock", "_dear", "_find", "_grant", "_kinds", "_left", "_live", "_names",
        "_rates", "_round", "_since", "_sizes", "_spent", "_work", "waited",
    )  # fmt: skip

    def __init__(self, names: tuple[str, ...], clock: Callable[[], float] = perf_counter) -> None:
        self._names, self._clock = names, clock
        self.waited = 0.0
        """Seconds the actor has waited for the runtime since the last decision."""
        self._rates = [_UNIT] * len(names)
        self._sizes = [0] * len(names)
        self._find = _finder(names)
        self._before: Sequence[Any] = ()
        self._live: Sequence[Any] = ()
        self._dear: set[int] = set()
        self._kinds: list[type] = []
        """The types of the variables, if all of them that would have to be copied are too dear."""
        self._round = self._left = 0
        self._since = self._spent = self._work = 0.0
        self._grant = GRANT

    def keep(self, variables: Mapping[str, Any]) -> None:
        """Keep what the variables are now, before a message.

        Args:
            variables: the actor's locals.
        """
        try:
            values = self._find(variables)
        except KeyError:
            values = tuple([variables.get(name, _UNBOUND) for name in self._names])
        self._before = self._live = values
        if self._left and self._kinds == list(map(type, values)):
            self._left -= 1  # nothing is copied
        elif _NEED_NO_COPY.issuperset(map(type, values)):
            return
        elif self._left and not self._has_grown(values):
            self._left -= 1
            self._before = self._copies(values, None)
        else:
            self._decide(values)

    def before(self) -> dict[str, Any]:
        """The variables before the message, without those that were too dear to keep."""
        named = zip(self._names, self._kept(), strict=False)
        return {name: value for name, value in named if value is not _UNBOUND}

    def not_kept(self) -> dict[str, Any]:
        """The variables that were too dear to keep: the objects themselves, not copies."""
        named = zip(self._names, self._kept(), self._live, strict=False)
        return {name: live for name, kept, live in named if kept is _UNBOUND and live is not kept}

    def _kept(self) -> Sequence[Any]:
        """What was kept: of variables of which none was copied, those that need no copy."""
        if self._before is not self._live:
            return self._before
        return [value if type(value) in _NEED_NO_COPY else _UNBOUND for value in self._live]

    def _has_grown(self, values: Sequence[Any]) -> bool:
        """Whether a variable that is kept has become much larger since the decision."""
        for index, value in enumerate(values):  # no generator: it runs before each message
            if (
                type(value) not in _NEED_NO_COPY and index not in self._dear
                and _size(value) > 2 * self._sizes[index] + SMALL
            ):  # fmt: skip
                return True
        return False

    def _decide(self, values: Sequence[Any]) -> None:
        """Decide which variables are kept for the next messages, and measure their copies."""
        now = self._clock()
        self._account(now)
        self._round = min(2 * self._round or 1, _LONGEST)
        self._left = self._round - 1
        self._since, self.waited, self._spent = now, 0.0, 0.0
        allowed = SHARE * self._work + max(0.0, self._grant) / self._round
        self._dear = set()
        estimates: list[tuple[float, int]] = []
        for index, value in enumerate(values):
            if type(value) not in _NEED_NO_COPY:
                self._sizes[index] = size = _size(value)
                estimates.append((size * self._rates[index], index))
        for seconds, index in sorted(estimates):
            if seconds > allowed and not _is_small(values[index]):
                self._dear.add(index)
            else:
                allowed -= seconds
        self._before = self._copies(values, self._clock)
        self._kinds = list(map(type, values)) if len(self._dear) == len(estimates) else []

    def _account(self, now: float) -> None:
        """What the messages since the last decision took, and what copying took of that."""
        handled = self._round - self._left
        if handled:
            each = (now - self._since - self.waited) / handled
            self._work = max(0.0, each - self._spent)
            beyond = max(0.0, self._spent - SHARE * self._work)
            grant = self._grant + handled * (_REFILL * self._work - beyond)
            self._grant = min(GRANT, grant)

    def _copies(self, values: Sequence[Any], clock: Callable[[], float] | None) -> list[Any]:
        """The values to keep: those too dear are unbound, as is what shares an object with them."""
        dear = {id(values[index]) for index in self._dear} if self._dear else self._dear
        memo: dict[int, Any] = {}
        kept: list[Any] = []
        for index, value in enumerate(values):
            if type(value) in _NEED_NO_COPY:
                kept.append(value)
            elif id(value) in dear:
                kept.append(_UNBOUND)
            else:
                began = 0.0 if clock is None else clock()
                kept.append(_copy_once(value, memo))
                if clock is not None:
                    self._measured(index, clock() - began)
        return kept

    def _measured(self, index: int, seconds: float) -> None:
        """A copy has been measured; one that something else held up counts as at most twice the
        one before."""
        self._spent += seconds
        self._rates[index] = min(2 * self._rates[index], seconds / (self._sizes[index] or 1))


def _finder(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """The values of some names, all of which are bound: the quickest way, before each message."""
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda variables: ()
    name = names[0]
    return lambda variables: (variables[name],)


def _size(value: Any) -> int:
    """About how much there is to copy: the entries of a container, 64 bytes of an array."""
    if type(value) in _CONTAINERS:
        return len(value)
    return value.nbytes >> 6 if isinstance(value, np.ndarray) else 1


def _is_small(value: Any) -> bool:
    kind = type(value)
    if kind not in _CONTAINERS or len(value) > SMALL:
        return False
    return _are_plain(value.values() if kind in _MAPPINGS else value)


def snapshot(variables: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Copies of variables: later changes do not show in them.

    Args:
        variables: values by name.
        names: which of them; those not bound are left out.
    """
    memo: dict[int, Any] = {}
    return {name: _copy_once(variables[name], memo) for name in names if name in variables}


def _copy_once(value: Any, memo: dict[int, Any]) -> Any:
    """A copy; what two variables share, their copies share as well.

    Args:
        value: what is to be copied.
        memo: copies by the ``id`` of the original, as ``copy.deepcopy`` takes them.
    """
    if type(value) in _IMMUTABLE:
        return value
    found = memo.get(id(value))
    if found is None:
        found = memo[id(value)] = _copy(value, memo)
    return found


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    """A copy as deep as it takes; of what is no data (a file, a lock), the object itself."""
    kind = type(value)
    if kind in _CONTAINERS:  # the usual case, and asked first: `isinstance` of many classes is slow
        if _are_plain(value.values() if kind in _MAPPINGS else value):
            return value.copy()
    elif isinstance(value, _PLAIN):
        return value
    elif isinstance(value, np.ndarray) and value.dtype != object:
        return value.copy()
    if isinstance(value, (list, dict, set, deque, tuple)) or is_copyable(value):
        try:
            return copy.deepcopy(value, memo)
        except Exception:
            return value
    return value


def _are_plain(items: Iterable[Any]) -> bool:
    """Whether the items never change, so that a copy of their container may share them."""
    if _IMMUTABLE.issuperset(map(type, items)):
        return True
    kinds = set(map(type, items)) - _IMMUTABLE
    if not all(kind is tuple or issubclass(kind, _PLAIN) for kind in kinds):
        return False
    return tuple not in kinds or _are_plain(
        list(chain.from_iterable(item for item in items if type(item) is tuple))
    )


def is_copyable(value: Any) -> bool:
    """Whether an instance is data rather than a handle: messages and dataclasses are."""
    return hasattr(type(value), "__dataclass_fields__")
