"""Actors in which the order of evaluation shows: every form with operands that do something."""

from tests.fuzz.order.write import Piece, pieces, subject_of

__all__ = ["Piece", "pieces", "subject_of"]
