"""The means by which codecs are generated: lines of Python, and the objects they mention.

Input: lines, locals and fixed-size values, one by one.  Output: the text of one function and the
``struct.Struct`` of its fixed part.  What the functions do is in ``codec_pack`` and
``codec_unpack``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.shared_nan import share_nans, shared_nan
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import Type

CODES = {
    "bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
"""struct's code of every scalar record format, by numpy's name."""


class Bail(Exception):
    """Raised by generated code: this value needs the full rules."""


@dataclass
class Writer:
    """Lines of one function, and the objects that the text refers to.

    Args:
        space: name to object, shared by all functions of a codec.
        names: next free number for locals and objects.
        helpers: functions for items of lists already generated, by (kind, type).
        functions: finished texts.
        counter: the number last used in a name.
        lines, after: the text, and what comes behind reading or writing the fixed part.
        leaves: the fixed part: (offset, struct code, expression).
        depth: indentation.
        struct: name of the ``struct.Struct`` of the fixed part.
        moving: whether lines mention ``offset``.
    """

    space: dict[str, Any]
    helpers: dict[tuple[str, Type], str]
    functions: list[str]
    counter: list[int] = field(default_factory=lambda: [0])
    lines: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    leaves: list[tuple[int, str, str]] = field(default_factory=list)
    depth: int = 1
    struct: str = ""
    moving: bool = False

    def fresh(self) -> Writer:
        """A writer for another function of the same codec."""
        return Writer(self.space, self.helpers, self.functions, self.counter)

    def name(self, stem: str) -> str:
        """A name used nowhere else in the text."""
        self.counter[0] += 1
        return f"{stem}{self.counter[0]}"

    def keep(self, stem: str, value: Any) -> str:
        """A name for an object."""
        name = self.name(stem)
        self.space[name] = value
        return name

    def put(self, *lines: str) -> None:
        """Add lines at the present indentation."""
        self.lines += ["    " * self.depth + line for line in lines]

    def later(self, *lines: str) -> None:
        """Add lines that run when the fixed part has been written or read."""
        self.after += ["    " * self.depth + line for line in lines]

    def leaf(self, offset: int, code: str, expression: str) -> None:
        """One value of the fixed part."""
        self.leaves.append((offset, code, expression))

    def values(self, size: int) -> list[str]:
        """The leaves' expressions in order of offset; ``struct`` names the ``Struct`` for them.

        Args:
            size: bytes of the whole record.
        """
        self.leaves.sort()
        text, at = "<", 0
        for offset, code, _ in self.leaves:
            if offset > at:
                text += f"{offset - at}x"
            text += code
            at = offset + struct.calcsize(f"<{code}")
        self.struct = self.keep("fixed", struct.Struct(text + f"{size - at}x"))
        return [expression for _, _, expression in self.leaves]


def new_space() -> dict[str, Any]:
    """The objects every codec needs."""
    return {
        "Bail": Bail, "bool_": bool, "int_": int, "float_": float, "str_": str, "list_": list,
        "len_": len, "min_": min, "max_": max, "id_": id, "map_": map, "type_": type,
        "range_": range, "float64_": np.float64, "ndarray_": np.ndarray,
        "new_": object.__new__, "set_": object.__setattr__,
        "ids_get": STRINGS.ids.get, "intern_": STRINGS.intern, "texts_": STRINGS.texts,
        "sweeps_": STRINGS.sweeps, "shared_nan_": shared_nan, "share_nans_": share_nans,
        "pack_": struct.pack_into, "unpack_": struct.unpack_from, "frombuffer_": np.frombuffer,
        "slow_errors": (Bail, struct.error, OverflowError, AttributeError, TypeError),
        "getattr_": getattr,
    }  # fmt: skip


def plain_setattr(cls: type) -> bool:
    """Whether assigning an attribute does just that: not on frozen dataclasses, for one."""
    found: Any = cls.__setattr__
    return found is object.__setattr__


def offset_of(dtype: np.dtype[Any], name: str) -> int:
    """Bytes from the start of a record to one of its fields."""
    assert dtype.fields is not None
    return int(dtype.fields[name][1])


def word_leaves(t: types.AtomType) -> list[tuple[int, str]]:
    """Offset and struct's code of each word of a value of type ``t``."""
    words, dtype = ATOMS[t].words, ATOMS[t].dtype
    return [(offset_of(dtype, name), CODES[np.dtype(code).name]) for name, code in words.items()]


def simple_code(t: Type) -> str | None:
    """struct's code for values that ``struct`` takes and gives as they are, else None."""
    match t:
        case types.BoolType():
            return "?"
        case types.IntType():
            return "q"
        case types.FloatType():
            return "d"
        case _:
            return None


def helper(w: Writer, kind: str, t: Type, make: Any) -> str:
    known = w.helpers.get((kind, t))
    if known is None:
        known = w.helpers[kind, t] = w.name(f"{kind}_item")
        make(w, t, known)
    return known


def take_float(w: Writer, v: str) -> None:
    w.put(
        f"if {v}.__class__ is not float_:",
        f"    if {v}.__class__ is not int_ and {v}.__class__ is not float64_: raise Bail",
        f"    {v} = float_({v})",
    )


def check_array(w: Writer, t: types.ArrayType, v: str) -> None:
    dtype, shape = w.keep("dtype", t.item.dtype), w.keep("shape", t.shape)
    w.put(
        f"if {v}.__class__ is not ndarray_ or {v}.shape != {shape} or {v}.dtype != {dtype}: "
        "raise Bail"
    )
