"""Strings that the host makes, and the texts of exceptions."""

from __future__ import annotations

from pydotcompute.compiler.ops.primitive import Deoptimise, Primitive

ERROR_NAME = Primitive("error_name", lambda e: type(e).__name__)
"""``type(error).__name__``."""

ERROR_TEXT = Primitive("error_text", str, deoptimises=True)
"""``str(error)``; one whose text depends on values deoptimises."""

TEXT_ID = Primitive("text_id", str)
"""A string that the host makes, as the id that it will put in its place."""

TEXT_OF = Primitive("text_of", str)
"""A string of the table as one that the host makes."""


def length(most: int) -> Primitive:
    """An int that says how long a text is to be; of others, the interpreter makes the text."""

    def python(n: int) -> int:
        if not 0 <= n <= most:
            raise Deoptimise("the length of a text")
        return n

    return Primitive("length", python, deoptimises=True, given=(most,))
