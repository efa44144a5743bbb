"""The messages of actors that have several ways of handling one, for the tests of breaks."""

from __future__ import annotations

from pydotcompute import message


@message
class Step:
    """A number, and what to do with it."""

    n: int = 0
    way: int = 0


@message
class Sum:
    """What came of it."""

    total: int = 0
