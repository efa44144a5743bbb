"""Every operation is whole: a row in ``ops``, one C text, a meaning, a case, a line in the page.

Whoever adds a row and forgets a part of it learns here which.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pydotcompute.compiler import ops
from pydotcompute.compiler.codegen.operation_text import TEXTS
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ops import (
    arrays,
    containers,
    error_codes,
    functions,
    numpy_operators,
    operators,
    texts,
)
from pydotcompute.compiler.ops.primitive import (
    COMPARISONS,
    Deoptimise,
    Primitive,
    Signature,
    member,
)
from pydotcompute.compiler.types.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    STR,
    UUID,
    WIDE,
    ListType,
    ScalarType,
    Type,
)
from pydotcompute.testing import HARD_FLOATS, HARD_INTS
from tests.corpus import CASES
from tests.corpus.test_differential import subject
from tests.support.pyops_cases import ALL
from tests.templates.test_pyops_wide import SIGNATURES

ROOT = Path(__file__).parents[2]
SCALARS = tuple(ScalarType(name) for name in ("bool", "int8", "int64", "uint8", "uint64",
                                              "float32", "float64"))  # fmt: skip
SYMBOLS = ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", *COMPARISONS)


def _signatures() -> Iterator[Signature]:
    types = (BOOL, INT, FLOAT, WIDE, STR, UUID, NONE, *SCALARS)
    for symbol, left, right in itertools.product(SYMBOLS, types, types):
        if (found := operators.binary(symbol, left, right)) is not None:
            yield found
    for symbol, type_ in itertools.product("-+~", types):
        if (found := operators.unary(symbol, type_)) is not None:
            yield found
    for rows in (*functions.INTRINSICS.values(), *functions.PARTS.values()):
        yield from rows


def _parts(value: object) -> Iterator[Primitive]:
    """The operations in a table."""
    if isinstance(value, Primitive):
        yield value
    elif isinstance(value, Signature):
        yield value.primitive
    elif isinstance(value, dict):
        yield from _parts(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _parts(item)


def _operations() -> dict[str, list[Primitive]]:
    found: dict[str, list[Primitive]] = defaultdict(list)
    tables = [vars(module) for module in (arrays, containers, functions, numpy_operators, operators,
                                          texts)]  # fmt: skip
    lists = ListType(INT, 2), ListType(INT, 4)
    families = (
        arrays.place(3, "PDC_INDEX_LIST"), arrays.axis(3), arrays.flat(3), arrays.modulo(3),
        arrays.rolled(3), arrays.part([(1, 3, 1)], [2], 0), texts.length(3), error_codes.raise_(
            "PDC_TYPE_NONE"), numpy_operators.rounded(2), containers.list_of(*lists),
        member("Colour", int),
        *(numpy_operators.cast(source, target) for source in (BOOL, INT, FLOAT, WIDE)
          for target in SCALARS),
        *(numpy_operators.field_cast(source, target) for source in (INT, FLOAT, WIDE)
          for target in SCALARS if target.dtype.kind != "b"),
        numpy_operators.truncation(ScalarType("int8")),
        *map(numpy_operators.to_python, SCALARS),
    )  # fmt: skip
    for operation in _parts((*tables, *_signatures(), *families)):
        found[operation.name].append(operation)
    return found


OPERATIONS = _operations()

UNMET = {
    "always_true": "its twin is met; both are constants",
    "np_field_of_wide": "np_field is met, of the same helper",
    "np_of_wide": "np_of_i64 is met, of the same helper",
}
if not functions.COMPENSATED:
    UNMET |= {"sum_end": "Python before 3.12 adds floats as they are", "sum_lost": "likewise"}
"""Operations that no actor of the corpus uses and no helper's case has, and why."""


def test_operations_are_rows() -> None:
    """No operation is made on the fly: those that are found here are all there are."""
    for path in (ROOT / "compiler").rglob("*.py"):
        if path.parent.name != Path(ops.__path__[0]).name:
            calls = [node.func.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                     if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]  # fmt: skip
            assert "Primitive" not in calls, path


def _helpers() -> set[str]:
    """The names that the library and the frame define."""
    folder = Path(str(files("pydotcompute.templates")))
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.*")
                   if path.suffix in (".h", ".j2"))
    return set(re.findall(r"\b(pdc_\w+)\(", text)) | set(re.findall(r"##(\w+)", text))


def test_each_operation_has_one_c_text() -> None:
    helpers = _helpers()
    lost = [name for name in OPERATIONS if name not in TEXTS and f"pdc_{name}" not in helpers]
    assert not lost
    assert set(TEXTS) <= set(OPERATIONS), "a text without an operation"


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_name_has_one_set_of_effects(name: str) -> None:
    assert len({(row.raises, row.deoptimises, row.mutates) for row in OPERATIONS[name]}) == 1


_SAMPLES: dict[Type, tuple[Any, ...]] = {
    BOOL: (False, True), INT: (*HARD_INTS, 3, -2, 70), FLOAT: HARD_FLOATS,
    WIDE: (-(2**127), -1, 0, 1, 2**64, 2**127 - 1),
}  # fmt: skip
_SLOW = frozenset({"factorial_i64", "comb_i64", "perm_i64", "pow_i64", "lshift_i64", "round_i64_n"})
"""What the interpreter itself cannot compute of large operands."""


def test_an_operation_ends_only_as_its_row_says() -> None:
    for signature in _signatures():
        row = signature.primitive
        if row.name in _SLOW or not set(signature.operands) <= set(_SAMPLES):
            continue
        for values in itertools.product(*(_SAMPLES[type_][:12] for type_ in signature.operands)):
            ended = _ending(row, values)
            if ended is not None:
                allowed = row.deoptimises if issubclass(ended, Deoptimise) else row.raises
                assert allowed, (row.name, values, ended)


def _ending(row: Primitive, values: tuple[Any, ...]) -> type[Exception] | None:
    """What an operation raises; None for a value."""
    try:
        row.python(*values)
    except Exception as error:
        return type(error)
    return None


def test_each_operation_is_compared_with_python() -> None:
    kernels = [subject(name).kernel.ir for name, case in CASES.items() if case.lowers]
    met = {part.primitive.name for kernel in kernels for part in ir.walk(kernel)
           if isinstance(part, (ir.Op, ir.Mutate))}  # fmt: skip
    met |= {case.name.removeprefix("pdc_") for case in ALL} | set(SIGNATURES)
    assert sorted(set(OPERATIONS) - met) == sorted(UNMET)


def test_each_function_is_in_the_page() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    names = {functions.spelling(function) for function in functions.INTRINSICS}
    assert not [name for name in names if f"`{name}(" not in page]
