"""How C spells each operation, by its name.

In: an operation, the texts of its operands, the C type of its result.  Out: its text.
``("axis", given 3)`` of ``["i"]`` gives ``pdc_axis(&pdc_t->error, i, 3)``.

A name without a row in ``TEXTS`` is that of a helper: ``pdc_<name>``, which takes the turn if the
operation changes its first operand, the error word if it may fail, then the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydotcompute.compiler.ops.arrays import SUM_FROM_ZERO
from pydotcompute.compiler.ops.primitive import COMPARISONS, Primitive

TURN, ERROR = "pdc_t", "&pdc_t->error"
_FROM_ZERO = " + 0" if SUM_FROM_ZERO else ""


def _part(terms: Sequence[tuple[int, int, int]], strides: Sequence[int], first: int) -> str:
    text = " + ".join(f"({{0}} / {inner} % {size}) * {by}" for inner, size, by in terms)
    text += "".join(f" + {{{n + 1}}} * {stride}" for n, stride in enumerate(strides))
    return f"({text} + {first})"


_MIRRORED = {"<": "gt", "<=": "ge", "==": "eq", "!=": "ne", ">=": "le", ">": "lt"}
_LIST_SUM = f"(pdc_list_sum({{e}}, {{0}}){_FROM_ZERO})"

TEXTS: dict[str, str | Callable[..., str]] = {
    # Numbers.
    "same": "{0}",
    "cast": "({type})({0})",
    "add_f64": "({0} + {1})", "sub_f64": "({0} - {1})", "mul_f64": "({0} * {1})",
    "div_f64": "({0} / {1})", "shift_right": "({0} >> {1})",
    "plus_i64": "({0} + {1})", "minus_i64": "({0} - {1})", "times_i64": "({0} * {1})",
    "neg_f64": "(-{0})", "invert_i64": "(~{0})", "not": "(!{0})",
    "and": "({0} & {1})", "or": "({0} | {1})", "xor": "({0} ^ {1})",
    **{name: f"({{0}} {symbol} {{1}})" for symbol, (name, _) in COMPARISONS.items()},
    **{f"{name}_f64_wide": f"pdc_{_MIRRORED[symbol]}_wide_f64({{1}}, {{0}})"
       for symbol, (name, _) in COMPARISONS.items()},
    "always_true": "((void){0}, (void){1}, true)",
    "always_false": "((void){0}, (void){1}, false)",
    "truth": "({0} != 0)", "truth_f64": "({0} != 0.0)", "truth_wide": "({0} != pdc_wide_u64(0))",
    "modf_first": "pdc_modf_f64({0}).first", "modf_second": "pdc_modf_f64({0}).second",
    "frexp_first": "pdc_frexp_f64({0}).first", "frexp_second": "pdc_frexp_f64({0}).second",
    # The low 64 bits of ints, and ints of 128.
    "low_wide": "{0}.lo", "low_i64": "({type})({0})",
    "and_low": "(i64)({0}.lo & (u64){1})", "shift_high": "({0}.hi >> ({1} - 64))",
    # numpy's scalars.
    "np_and": "({type})({0} & {1})", "np_or": "({type})({0} | {1})",
    "np_xor": "({type})({0} ^ {1})",
    "np_pos": "({type})(+{0})", "np_invert": "({type})(~{0})",
    "np_gt": "pdc_np_lt({1}, {0})", "np_le": "(!pdc_np_lt({1}, {0}))",
    "np_ge": "(!pdc_np_lt({0}, {1}))", "np_ne": "(!pdc_np_eq({0}, {1}))",
    "np_of_i64": "pdc_np_of_i64<{type}>({e}, {0})",
    "np_of_wide": "pdc_np_of_wide<{type}>({e}, {0})",
    "np_of_f64": "pdc_np_of_f64<{type}>({e}, (f64)({0}))",
    "np_float_of_wide": "({type})pdc_f64_of_wide({0})",
    "np_field": "pdc_np_field<{type}>({e}, {0})",
    "np_field_of_wide": "pdc_np_field<{type}>({e}, pdc_i64_of_wide({e}, {0}))",
    "float_of_np": "{0}", "bool_of_np": "{0}",
    "np_round": "pdc_np_round({0}, ({type})1e{given[0]})",
    "np_isnan": "({0} != {0})", "np_isinf": "pdc_isinf((f64){0})",
    "np_isfinite": "pdc_isfinite((f64){0})",
    # Places.
    "range_length": "(i64)pdc_range_length({e}, {0}, {1}, {2})",
    "range_item": "(i64)((u64){0} + (u64){1} * (u64){2})",
    "next": "({0} + 1)",
    "place": "pdc_index({e}, {0}, {given[0]}, {given[1]})",
    "axis": "pdc_axis({e}, {0}, {given[0]})",
    "flat": "({0} * {given[0]} + {1})",
    "modulo": "({0} % {given[0]})",
    "rolled": "(({0} + {given[0]} - {1}) % {given[0]})",
    "part": _part,
    "member": "({type})({0})",
    # Containers.
    "array_item": "pdc_item({0}, {1})",
    "count_of": "pdc_value_or({0}, {1})",
    "remove": "pdc_take({turn}, {0}, {1})",
    "array_sum": f"(pdc_np_sum({{0}}){_FROM_ZERO})",
    "array_total": "pdc_np_total<{type}>({0})",
    "list_of": "pdc_list_of<{type}>({e}, {0})",
    "list_sum": _LIST_SUM,
    "list_mean": f"pdc_list_mean({_LIST_SUM}, pdc_len({{0}}))",
    # Texts and errors.
    "text_id": "{0}", "text_of": "{0}",
    "error_name": "pdc_error_name({turn}, {0})", "error_text": "pdc_error_text({turn}, {0})",
    "length": "pdc_length({e}, {0}, {given[0]})",
    "raise": "pdc_raising<{type}>({e}, {given[0]})",
}  # fmt: skip
"""A text over ``{0}``, ``{1}``... for the operands, ``{type}`` for the result's C type, ``{e}``
for the error word, ``{turn}`` for the turn, ``{given[0]}`` for a constant; or a function that makes
such a text of the constants."""


def operation_text(operation: Primitive, operands: Sequence[str], type_: str, *,
                   error: str = ERROR) -> str:  # fmt: skip
    """The C text of an operation.

    Args:
        operation: what is spelled.
        operands: the texts of its operands.
        type_: the C type of its result.
        error: where it reports that it failed.
    """
    text: Any = TEXTS.get(operation.name)
    if text is None:
        first = [TURN] if operation.mutates else [error] if operation.fails else []
        return f"pdc_{operation.name}({', '.join([*first, *operands])})"
    if callable(text):
        text = text(*operation.given)
    return str(text.format(*operands, e=error, turn=TURN, type=type_, given=operation.given))
