"""The states of all instances as one numpy record array.

Input: keys, and the variables of each instance.  Output: a column for each field of the key and
each variable: 8 bytes (a bool 1), by the values that are in it:

================================  ==================
values                            column
================================  ==================
bools                             ``bool``
ints of 64 bits                   ``int64``
floats (ints among them if exact) ``float64``
numpy scalars of 8 bytes or less  the widest of their kind
anything else, and mixtures       Python objects
================================  ==================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.populations.spec import PopulationSpec

_EXACT = 1 << 53
_BOOLS, _INTS, _FLOATS = {bool, np.bool_}, {int}, {int, float}


def record_array(
    spec: PopulationSpec, rows: Sequence[tuple[Any, dict[str, Any]]], names: Iterable[str]
) -> np.recarray[Any, Any]:
    """One row for each instance.

    Args:
        spec: the population.
        rows: key and variables of each; they are copied before.
        names: the variables; one that an instance has not bound is None.
    """
    values = [spec.values(key) for key, _ in rows]
    keys = {name: column([each[n] for each in values]) for n, name in enumerate(spec.fields)}
    return records(
        keys, {name: column([variables.get(name) for _, variables in rows]) for name in names}
    )


def records(
    keys: Mapping[str, np.ndarray[Any, Any]], variables: Mapping[str, np.ndarray[Any, Any]]
) -> np.recarray[Any, Any]:
    """One row for each instance.

    Args:
        keys: a column for each field of the key.
        variables: a column for each variable; one with the name of a key's field gets a ``_``.
    """
    columns = dict(keys)
    for name, values in variables.items():
        title = name
        while title in columns:
            title += "_"
        columns[title] = values
    rows = len(next(iter(columns.values())))
    made = np.empty(rows, [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        made[name] = values
    return made.view(np.recarray)


def column(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Values as an array of 8 bytes each, or of 1 byte each if they are bools."""
    kinds = set(map(type, values))
    if kinds and kinds <= _BOOLS:
        return np.array(values, np.bool_)
    if kinds == _INTS and _within(values, INT_MIN, INT_MAX):
        return np.array(values, np.int64)
    if float in kinds and kinds <= _FLOATS:
        ints = [value for value in values if type(value) is int]
        if _within(ints, -_EXACT, _EXACT):
            return np.array(values, np.float64)
    if kinds and all(issubclass(kind, np.number) for kind in kinds):
        common = np.result_type(*kinds)
        if common.kind in "iuf" and common.itemsize <= 8:
            return np.array(values, np.dtype(f"{common.kind}8"))
    made = np.empty(len(values), object)
    for index, value in enumerate(values):  # one by one: a list is one object
        made[index] = value
    return made


def _within(values: Sequence[int], least: int, most: int) -> bool:
    return not values or (min(values) >= least and max(values) <= most)

