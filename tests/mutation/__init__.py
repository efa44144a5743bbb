"""Proof that the differential tests bite: ``python -m tests.mutation``."""
