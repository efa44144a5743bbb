"""Actors written by practitioners of several trades; ``PRACTICE`` has them by name."""

from tests.corpus.practitioners import (
    bits,
    control,
    limits,
    machines,
    money,
    numerics,
    protocols,
    services,
    signals,
    stats,
    trading,
)
from tests.corpus.practitioners.practice import PRACTICE, Practice

__all__ = [
    "PRACTICE",
    "Practice",
    "bits",
    "control",
    "limits",
    "machines",
    "money",
    "numerics",
    "protocols",
    "services",
    "signals",
    "stats",
    "trading",
]
