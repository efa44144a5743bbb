"""Batches of messages that have strings: arrays whose copies keep the strings too.

Input: an array of records with ids of strings.  Output: the same memory as a ``StringBatch``,
known to the table of strings.

The table frees a string when no actor and no array that it knows of holds its id.  It learns of
every array that this package makes or checks; ``StringBatch`` also tells it of the arrays that
numpy makes of them: ``batch.copy()``, ``batch[mask]``, ``np.concatenate(batches)``.  What numpy
makes without telling the class (``np.array(batch)``, ``plain[:] = batch``, ``np.load``) is known
from the first time that it is sent or read with ``messages``; an id that was freed before that is
refused there.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pydotcompute.compiler.types.storage import holds_strings
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import MessageType

Array = np.ndarray[Any, Any]


class StringBatch(Array):
    """An array of records with strings.  It differs from ``numpy.ndarray`` in nothing else."""

    __array_priority__ = 1.0
    """So that ``np.concatenate`` of batches is one too."""

    def __array_finalize__(self, source: Any) -> None:
        # numpy puts the result of batch[mask] behind a view: then the base is a plain array
        if self.dtype.names and not isinstance(self.base, StringBatch):
            STRINGS.track(self)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, StringBatch) and not found.dtype.names:
            return found.view(np.ndarray)  # a column of numbers
        return found


@functools.lru_cache(1024)
def has_strings(cls: type) -> bool:
    """Whether a field of a message class may hold a string."""
    return holds_strings(MessageType(cls))


def copy_into(out: Array, batch: Array) -> Array:
    """Write a batch to the beginning of another array of its dtype; returns the part written.

    Args:
        out: the array; what lies in it already is not copied.
        batch: at most as long.
    """
    if np.may_share_memory(out, batch):
        return batch
    part = out[: len(batch)]
    if isinstance(batch, StringBatch):
        STRINGS.track(out)
        part = part.view(StringBatch)
    if part.flags.c_contiguous:  # in one piece, not field by field
        np.asarray(part).view(np.uint8)[:] = np.asarray(batch).view(np.uint8)
    else:
        np.asarray(part)[:] = np.asarray(batch)
    return part


def as_string_batch(cls: type, records: Array) -> Array:
    """Records of a message class as users get them; those without strings come back as they are."""
    return records.view(StringBatch) if has_strings(cls) else records
