"""Generates the Python that checks and packs the messages of one class.

Input: a ``Schema``.  Output: lines in a ``Writer``, and the objects they mention.

Everything of fixed size in a message, nested messages included, becomes *one* ``struct.Struct``:
a message of scalars is packed by one C call after an identity check for each field.  Lists and
arrays are written behind it.  For

    @message
    class Request:
        value: int
        inner: Point | None

``pack_into`` reads::

    v1 = m.value
    if v1.__class__ is not int_: raise Bail
    v2 = m.inner
    if v2 is None:
        ...

The text handles values that need nothing done, or a cheap conversion.  Anything else raises
``Bail`` (or what ``struct`` raises), and ``fields.convert_message``, the definition, decides.
Names in the text never come from the user, except as attributes and inside of string literals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.message_schema import Schema, record_dtype, schema_of
from pydotcompute.compiler.types.storage import holds_strings
from pydotcompute.compiler.types.string_table import STRINGS
from pydotcompute.compiler.types.types import Type
from pydotcompute.messages.codec_writer import (
    CODES,
    Writer,
    check_array,
    helper,
    offset_of,
    simple_code,
    take_float,
    word_leaves,
)

SWEEP_BEFORE = "    sweep = sweeps_[0]"
SWEEP_AFTER = "    if sweeps_[0] != sweep: {}"
"""An id that was looked up may have been freed before it was stored: see ``string_table``."""


def pack_function(w: Writer, t: Type, name: str) -> None:
    """``name(buffer, offset, v)``: check and write one value of type ``t``."""
    body = w.fresh()
    pack_value(body, t, "v", 0)
    values = "".join(f", {value}" for value in body.values(record_dtype(t).itemsize))
    body.put(f"{body.struct}.pack_into(buffer, offset{values})")
    lines = [f"def {name}(buffer, offset, v):", *body.lines, *body.after]
    if holds_strings(t):
        again = SWEEP_AFTER.format(f"{name}(buffer, offset, v)")
        lines = [lines[0], SWEEP_BEFORE, *lines[1:], again]
    w.functions.append("\n".join(lines))


def pack_value(w: Writer, t: Type, v: str, at: int) -> None:
    """Check the local ``v`` and note what to write at ``offset + at``."""
    match t:
        case types.BoolType() | types.IntType():
            w.put(f"if {v}.__class__ is not {t}_: raise Bail")
            w.leaf(at, simple_code(t) or "", v)
        case types.FloatType():
            take_float(w, v)
            w.leaf(at, "d", v)
        case types.ScalarType():
            _check_scalar(w, t, v)
            w.leaf(at, CODES[t.name], v)
        case types.StrType():
            i = w.name("i")
            w.put(
                f"if {v}.__class__ is not str_: raise Bail",
                f"{i} = ids_get({v})",
                f"if {i} is None: {i} = intern_({v})",
            )
            w.leaf(at, "Q", i)
        case types.EnumType():
            i = w.name("i")
            indices = {id(member): number for number, member in enumerate(t.members)}
            w.put(
                f"{i} = {w.keep('index', indices.get)}(id_({v}))",
                f"if {i} is None: raise Bail",
            )
            w.leaf(at, "I", i)
        case types.LiteralType():
            _pack_literal(w, t, v, at)
        case types.AtomType():
            w.put(f"if {v}.__class__ is not {w.keep('Atom', t.cls)}: raise Bail")
            for (at_word, code), expression in zip(word_leaves(t), ATOMS[t].split, strict=True):
                w.leaf(at + at_word, code, expression.format(v=v))
        case types.OptionalType():
            _pack_optional(w, t, v, at)
        case types.ListType():
            _pack_list(w, t, v, at)
        case types.ArrayType():
            check_array(w, t, v)
            start = f"offset + {at}"
            w.later(f"buffer[{start}:{start} + {record_dtype(t).itemsize}] = {v}.tobytes()")
        case types.MessageType():
            w.put(f"if {v}.__class__ is not {w.keep('Class', t.cls)}: raise Bail")
            pack_fields(w, schema_of(t.cls), v, at)


def pack_fields(w: Writer, schema: Schema, v: str, at: int) -> None:
    """Pack every field of the message in the local ``v``."""
    for part in schema.fields:
        local = w.name("v")
        w.put(f"{local} = {v}.{part.name}")
        pack_value(w, part.type, local, at + part.offset)


def _check_scalar(w: Writer, t: types.ScalarType, v: str) -> None:
    wanted = [w.keep("Scalar", t.dtype.type)]
    wanted += {"b": ["bool_"], "f": ["float_", "int_"]}.get(t.dtype.kind, ["int_"])
    test = " and ".join(f"{v}.__class__ is not {name}" for name in wanted)
    w.put(f"if {test}: raise Bail")


def _pack_literal(w: Writer, t: types.LiteralType, v: str, at: int) -> None:
    w.put(f"if {v}.__class__ is not {t.base}_: raise Bail")
    values: Any = t.values
    if isinstance(t.base, types.StrType):
        known = {value: STRINGS.pin(value) for value in values}
        w.put(f"{v} = {w.keep('known', known.get)}({v})", f"if {v} is None: raise Bail")
        w.leaf(at, "Q", v)
    else:
        w.put(f"if {v} not in {w.keep('known', frozenset(values))}: raise Bail")
        w.leaf(at, simple_code(t.base) or "", v)


def _pack_optional(w: Writer, t: types.OptionalType, v: str, at: int) -> None:
    dtype = record_dtype(t)
    present = w.name("p")
    before, after = len(w.leaves), len(w.after)
    w.put(f"{present} = {v} is not None", f"if {present}:")
    w.depth += 1
    pack_value(w, t.item, v, at + offset_of(dtype, "value"))
    locals_ = []
    for number in range(before, len(w.leaves)):
        offset, code, expression = w.leaves[number]
        local = w.name("o")
        w.put(f"{local} = {expression}")
        w.leaves[number] = (offset, code, local)
        locals_.append(local)
    w.put("pass")
    w.depth -= 1
    if locals_:
        w.put(f"else: {' = '.join(locals_)} = 0")
    if len(w.after) > after:
        w.after.insert(after, "    " * w.depth + f"if {present}:")
    w.leaf(at + offset_of(dtype, "present"), "?", present)


def _pack_list(w: Writer, t: types.ListType, v: str, at: int) -> None:
    dtype, n = record_dtype(t), w.name("n")
    start = f"offset + {at + offset_of(dtype, 'items')}"
    w.put(
        f"if {v}.__class__ is not list_: raise Bail",
        f"{n} = len_({v})",
        f"if {n} > {t.capacity}: raise Bail",
    )
    w.leaf(at + offset_of(dtype, "size"), "I", n)
    code = simple_code(t.item)
    if code is not None:
        every: dict[str, set[type]] = {"?": {bool}, "q": {int}, "d": {float, int, np.float64}}
        known = w.keep("kinds", frozenset(every[code]).issuperset)
        w.put(f"if not {known}(map_(type_, {v})): raise Bail")
        w.later(f'pack_("<%d{code}" % {n}, buffer, {start}, *{v})')
        return
    item = helper(w, "pack", t.item, pack_function)
    place, each = w.name("at"), w.name("e")
    w.later(
        f"{place} = {start}",
        f"for {each} in {v}:",
        f"    {item}(buffer, {place}, {each})",
        f"    {place} += {record_dtype(t.item).itemsize}",
    )
