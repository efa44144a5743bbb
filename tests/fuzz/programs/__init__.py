"""Whole actors from seeds, with state of every kind: see ``program``."""

from tests.fuzz.programs.program import Program, write

__all__ = ["Program", "write"]
