"""Actors as practitioners write them, each with its messages: what the backends are held against.

``CASES`` has them all by name.
"""

from tests.corpus import (
    arrays,
    beginnings,
    classes,
    containers,
    control,
    counting,
    dropped,
    errors,
    exchanges,
    fields,
    filters,
    finance,
    hashing,
    heaps,
    lent,
    messages,
    numbers,
    numpy_classes,
    numpy_scalars,
    operations,
    printing,
    queues,
    sequences,
    sets,
    states,
    wide,
    words,
)
from tests.corpus.case import CASES, Case

__all__ = [
    "CASES", "Case", "arrays", "beginnings", "classes", "containers", "control", "counting",
    "dropped", "errors", "exchanges", "fields", "filters", "finance", "hashing", "heaps", "lent",
    "messages", "numbers", "numpy_classes", "numpy_scalars", "operations", "printing", "queues",
    "sequences", "sets", "states", "wide", "words",
]  # fmt: skip
