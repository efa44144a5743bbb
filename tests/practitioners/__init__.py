"""Actors written by practitioners of several trades; ``PRACTICE`` has them by name."""

from tests.practitioners import numerics, protocols, services, signals, trading
from tests.practitioners.practice import PRACTICE, Practice

__all__ = ["PRACTICE", "Practice", "numerics", "protocols", "services", "signals", "trading"]
