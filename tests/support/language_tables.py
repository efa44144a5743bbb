"""The tables of ``docs/language.md``, made of the tables that the compiler works by.

What an operation may raise is found by trying: its meaning, a Python function, is called with
values at which arithmetic turns.
"""

from __future__ import annotations

import builtins
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydotcompute.compiler.codegen.operation_text import operation_text
from pydotcompute.compiler.diagnostics.diagnostic import CODES
from pydotcompute.compiler.frontend.unsupported import TABLE as UNSUPPORTED
from pydotcompute.compiler.irbuild.containers.containers import METHODS as _METHODS
from pydotcompute.compiler.irbuild.objects.prelude_calls import CALLS as PRELUDE
from pydotcompute.compiler.irbuild.strings.formatting import _METHODS as STRING_METHODS
from pydotcompute.compiler.irbuild.syntax.builtins import BUILTINS
from pydotcompute.compiler.ops.error_codes import TABLE as ERRORS
from pydotcompute.compiler.ops.error_codes import describe
from pydotcompute.compiler.ops.functions import INTRINSICS, spelling
from pydotcompute.compiler.ops.numpy_operators import result_type
from pydotcompute.compiler.ops.operators import binary, unary
from pydotcompute.compiler.ops.primitive import Deoptimise, Signature
from pydotcompute.compiler.types.limits import (
    DICT_CAPACITY,
    GROWING_CAPACITY,
    LOCAL_CAPACITY,
    STATE_LIST_CAPACITY,
)
from pydotcompute.compiler.types.message_schema import MAX_RECORD_BYTES
from pydotcompute.compiler.types.types import BOOL, FLOAT, INT, STR, UUID, WIDE, ScalarType, Type
from pydotcompute.testing import HARD_FLOATS, HARD_INTS


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"
                   for row in lines)  # fmt: skip


def code(text: str) -> str:
    """Text as code, in Markdown."""
    return f"`{text}`"


_FEW = (-308, -2, -1, 0, 1, 3, 25, 70)
_SAMPLES: dict[Type, tuple[Any, ...]] = {
    BOOL: (False, True), INT: HARD_INTS, FLOAT: HARD_FLOATS, STR: ("a", "b"), UUID: (1, 2),
    WIDE: (-(2**127), -1, 0, 1, 2**64, 2**127 - 1),
}  # fmt: skip


def met(signature: Signature, *, few: bool = False) -> str:
    """What an operation may end with instead of a value.

    Args:
        signature: the operation.
        few: only the first operand may be large: the others are counts.
    """
    samples = [_SAMPLES[type_] for type_ in signature.operands]
    if few:
        large = signature.operands[0] != INT or signature.primitive.name != "factorial_i64"
        samples = [(*_FEW, *(pool if large and n == 0 else ())) if type_ == INT else pool
                   for n, (type_, pool) in enumerate(zip(signature.operands, samples, strict=True))]
    found: set[str] = set()
    for values in itertools.product(*samples):
        try:
            signature.primitive.python(*values)
        except Deoptimise:
            found.add("deoptimises")
        except Exception as error:
            found.add(type(error).__name__)
    return ", ".join(sorted(found, key=lambda word: (word == "deoptimises", word)))


# --- operators and functions -----------------------------------------------------------------


def operators(page: str) -> str:
    """Binary and unary operators by the types of their operands."""
    rows = []
    for symbol in ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"):
        for left, right in ((INT, INT), (FLOAT, FLOAT), (BOOL, BOOL)):
            signature = binary(symbol, left, right)
            if signature is not None and signature.operands == (left, right):
                rows.append(_operator(f"{left} {symbol} {right}", signature, "a", "b"))
    for symbol in ("*", ">>", "&"):
        signature = binary(symbol, WIDE, WIDE)
        assert signature is not None
        few = symbol == ">>"
        shown = f"{signature.operands[0]} {symbol} {signature.operands[1]}"
        rows.append(_operator(shown, signature, "a", "b", few=few))
    for symbol in ("-", "+", "~"):
        for operand in (INT, FLOAT):
            if (signature := unary(symbol, operand)) is not None:
                rows.append(_operator(f"{symbol}{operand}", signature, "a"))
    for symbol in ("<", "==", "is"):
        for left, right in ((INT, INT), (FLOAT, FLOAT), (INT, FLOAT), (STR, STR), (UUID, UUID)):
            if (signature := binary(symbol, left, right)) is not None:
                rows.append(_operator(f"{left} {symbol} {right}", signature, "a", "b"))
    return table(("Python", "result", "C", "instead of a value"), rows)


def _operator(text: str, signature: Signature, *names: str, few: bool = False) -> list[str]:
    made = operation_text(signature.primitive, names, "", error="e").strip("()")
    made = made + ")" if made.count("(") > made.count(")") else made
    return [code(text), code(str(signature.result)), code(made), met(signature, few=few)]


def functions(page: str) -> str:
    """``abs``, ``round``, ``math.sqrt`` and the like."""
    rows = []
    for function, signatures in INTRINSICS.items():
        for signature in signatures:
            operands = ", ".join(map(str, signature.operands))
            rows.append([code(f"{spelling(function)}({operands})"), code(str(signature.result)),
                         met(signature, few=True)])  # fmt: skip
    return table(("function", "result", "instead of a value"), rows)


def written_out(page: str) -> str:
    """Functions that are more than a table row."""
    plain = {f.__name__ for f in BUILTINS if f.__module__ == builtins.__name__}
    plain |= {spelling(f) for f in BUILTINS if f.__module__ == "math"}
    plain |= {"enumerate", "print", "range", "reversed", "zip"}
    scalars = [f"np.{cls.__name__}" for cls in BUILTINS if cls.__module__ == "numpy"]
    return (
        f"Built-in functions: {_listed(sorted(plain))}. numpy's scalar types, as conversions: "
        f"{_listed(scalars)}. Of `heapq` and `bisect`: {_listed(_of_modules(PRELUDE))}.\n"
    )


def _of_modules(functions: Iterable[Any]) -> list[str]:
    """Names with their modules, as their users spell them."""
    return sorted(f"{function.__module__.removeprefix('_')}.{function.__name__}"
                  for function in functions)  # fmt: skip


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))


def methods(page: str) -> str:
    """Methods of containers and of strings."""
    found: dict[str, list[str]] = defaultdict(list)
    for owner, name in _METHODS:
        found[str(owner.__name__).removesuffix("Type").lower()].append(name)
    found["dict"] += ["items", "keys", "values"]
    of_counters = {"most_common", "total"}
    found["dict"] = [name for name in found["dict"] if name not in of_counters]
    found["Counter"] = sorted(of_counters)
    found["str"] = list(STRING_METHODS)
    return table(("type", "methods"), [[code(owner), _listed(sorted(names))]
                                       for owner, names in found.items()])  # fmt: skip


def scalars(page: str) -> str:
    """What numpy makes of a scalar and its like, a Python int, a Python float."""
    rows = []
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                 "float32", "float64"):  # fmt: skip
        own = ScalarType(name)
        others = (("+", own), ("+", INT), ("+", FLOAT), ("//", own), ("/", own), ("<<", own))
        cells = [str(result_type(symbol, own, other) or "—") for symbol, other in others]
        rows.append([code(name), *cells])
    return table(("`x` and `y`", "`x + y`", "`x + 1`", "`x + 1.0`", "`x // y`", "`x / y`",
                  "`x << y`"), rows)  # fmt: skip


# --- limits, codes, syntax -------------------------------------------------------------------


def limits(page: str) -> str:
    """What compiled code has room for."""
    rows = [
        ("an `int`", "64 bits, or 128", "deoptimises"),
        ("entries of a `dict` or `set` in the state", f"{DICT_CAPACITY:,}", "deoptimises"),
        ("items of a list or queue in the state that grows and shrinks", f"{GROWING_CAPACITY:,}",
         "deoptimises"),
        ("items of a list made in a turn", f"{LOCAL_CAPACITY:,}", "deoptimises"),
        ("items of a list, deque or array in the state", f"{STATE_LIST_CAPACITY:,}", "PDC108"),
        ("bytes of a message", f"{MAX_RECORD_BYTES:,}", "`SchemaError` when the class is used"),
    ]
    return table(("what", "at most", "beyond that"), rows)


def errors(page: str) -> str:
    """The codes that compiled code reports."""
    rows = []
    for row in ERRORS:
        said = describe(row.code)
        what = said.text or "" if row.deoptimises else code(_exception(said.exception))
        rows.append((str(row.code), code(row.name), what))
    return table(("code", "name in C", "exception, or reason to hand over"), rows)


def _exception(cls: type[BaseException] | None) -> str:
    assert cls is not None
    return {"Exception": "QueueFullError", "TimeoutError": "QueueTimeoutError"}.get(
        cls.__name__, cls.__name__
    )


def syntax(page: str) -> str:
    """Syntax that never lowers."""
    rows = [(rule.name, rule.code, rule.why, rule.hint)
            for rules in UNSUPPORTED.values() for rule in rules]  # fmt: skip
    return table(("construct", "code", "why", "instead"), dict.fromkeys(rows))


def diagnostics(page: str) -> str:
    """Every diagnostic code, with the sections whose examples have it."""
    from tests.support.language import examples

    places: dict[str, dict[str, None]] = defaultdict(dict)
    for example in examples(page):
        for found in example.codes:
            places[found].setdefault(example.heading)
    rows = [(key, about, ", ".join(f"[{title}](#{_anchor(title)})" for title in places[key]))
            for key, about in CODES.items()]  # fmt: skip
    return table(("code", "about", "examples"), rows)


def _anchor(title: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


TABLES: dict[str, Callable[[str], str]] = {
    f.__name__: f
    for f in (
        operators, functions, written_out, methods, scalars, limits, errors, syntax, diagnostics,
    )
}
"""By the name in ``<!-- table: name -->``."""

