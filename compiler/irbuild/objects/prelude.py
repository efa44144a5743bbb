"""Functions of ``heapq`` and ``bisect`` as Python functions: a call of one is built as these.

They are written as CPython's C code is, which ``import heapq`` gives: the same comparisons in the
same order, so that a list has the same items at the same places afterwards.  Nothing here runs in
the interpreter.  Which call becomes which function is in ``prelude_calls``.
"""

from __future__ import annotations

from typing import Any


def sift_down(heap: list[Any], start: int, pos: int) -> None:
    """Move the item at ``pos`` towards ``start``, past all that are larger."""
    while pos > start:
        parent = (pos - 1) >> 1
        if not heap[pos] < heap[parent]:
            break
        kept = heap[pos]
        heap[pos] = heap[parent]
        heap[parent] = kept
        pos = parent


def sift_up(heap: list[Any], pos: int) -> None:
    """Move the item at ``pos`` to a leaf, always the smaller child up; then back to its place."""
    start, end = pos, len(heap)
    while pos < end >> 1:
        child = 2 * pos + 1
        if child + 1 < end and not heap[child] < heap[child + 1]:
            child += 1
        kept = heap[pos]
        heap[pos] = heap[child]
        heap[child] = kept
        pos = child
    sift_down(heap, start, pos)


def heappush(heap: list[Any], item: Any) -> None:
    """``heapq.heappush``."""
    heap.append(item)
    sift_down(heap, 0, len(heap) - 1)


def heappop(heap: list[Any]) -> Any:
    """``heapq.heappop``."""
    if len(heap) == 0:
        raise IndexError("index out of range")
    last = heap.pop()
    if len(heap) == 0:
        return last
    first = heap[0]
    heap[0] = last
    sift_up(heap, 0)
    return first


def heapreplace(heap: list[Any], item: Any) -> Any:
    """``heapq.heapreplace``."""
    if len(heap) == 0:
        raise IndexError("index out of range")
    first = heap[0]
    heap[0] = item
    sift_up(heap, 0)
    return first


def heappushpop(heap: list[Any], item: Any) -> Any:
    """``heapq.heappushpop``."""
    if len(heap) == 0 or not heap[0] < item:
        return item
    first = heap[0]
    heap[0] = item
    sift_up(heap, 0)
    return first


def heapify(heap: list[Any]) -> None:
    """``heapq.heapify``."""
    for pos in range((len(heap) >> 1) - 1, -1, -1):
        sift_up(heap, pos)


def bisect_left(a: Any, x: Any, lo: int = 0, hi: int | None = None) -> int:
    """``bisect.bisect_left``."""
    if lo < 0:
        raise ValueError("lo must be non-negative")
    high = len(a) if hi is None else hi
    while lo < high:
        middle = (lo + high) // 2
        if a[middle] < x:
            lo = middle + 1
        else:
            high = middle
    return lo


def bisect_right(a: Any, x: Any, lo: int = 0, hi: int | None = None) -> int:
    """``bisect.bisect_right``."""
    if lo < 0:
        raise ValueError("lo must be non-negative")
    high = len(a) if hi is None else hi
    while lo < high:
        middle = (lo + high) // 2
        if x < a[middle]:
            high = middle
        else:
            lo = middle + 1
    return lo


def insort_left(a: list[Any], x: Any, lo: int = 0, hi: int | None = None) -> None:
    """``bisect.insort_left``."""
    a.insert(bisect_left(a, x, lo, hi), x)


def insort_right(a: list[Any], x: Any, lo: int = 0, hi: int | None = None) -> None:
    """``bisect.insort_right``."""
    a.insert(bisect_right(a, x, lo, hi), x)
