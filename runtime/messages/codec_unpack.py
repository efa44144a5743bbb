"""Generates the Python that unpacks the messages of one class, and that copies them.

Input: a ``Schema``.  Output: lines in a ``Writer``, and the objects they mention.  Copying is
what a ``send`` does where no record is made (the ``python`` backend): the checks of
``codec_pack``, and the values as ``unpack_from`` would have given them.
"""

from __future__ import annotations

import numpy as np

from pydotcompute.compiler.types import types
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.int_ranges import INT_MAX, INT_MIN
from pydotcompute.compiler.types.message_schema import Schema, record_dtype, schema_of
from pydotcompute.compiler.types.types import Type
from pydotcompute.messages.codec_writer import (
    CODES,
    Writer,
    check_array,
    helper,
    offset_of,
    plain_setattr,
    simple_code,
    take_float,
    word_leaves,
)
from pydotcompute.messages.header import HEADER


def unpack_function(w: Writer, t: Type, name: str) -> None:
    """``name(buffer, offset)``: the value of type ``t`` that is there."""
    body = w.fresh()
    result = unpack_value(body, t, 0)
    targets = "".join(f"{target}, " for target in body.values(record_dtype(t).itemsize))
    head = [f"    {targets}= {body.struct}.unpack_from(buffer, offset)"] if targets else []
    lines = [f"def {name}(buffer, offset):", *head, *body.lines, f"    return {result}"]
    w.functions.append("\n".join(lines))


def unpack_value(w: Writer, t: Type, at: int) -> str:
    """Read what is at ``offset + at``; returns an expression for the value."""
    v = w.name("v")
    match t:
        case types.BoolType() | types.IntType():
            w.leaf(at, simple_code(t) or "", v)
            return v
        case types.FloatType():
            w.leaf(at, simple_code(t) or "", v)
            return shared(v)
        case types.ScalarType():
            w.leaf(at, CODES[t.name], v)
            return f"{w.keep('Scalar', t.dtype.type)}({v})"
        case types.StrType():
            w.leaf(at, "I", v)  # the slot: the lower half of the id
            return f"texts_[{v}]"
        case types.EnumType():
            w.leaf(at, "I", v)
            return f"{w.keep('members', t.members)}[{v}]"
        case types.LiteralType():
            return unpack_value(w, t.base, at)
        case types.AtomType():
            words = [w.name("v") for _ in ATOMS[t].words]
            for word, (at_word, code) in zip(words, word_leaves(t), strict=True):
                w.leaf(at + at_word, code, word)
            return f"{w.keep('join', ATOMS[t].join)}({', '.join(words)})"
        case types.OptionalType():
            return _unpack_optional(w, t, at)
        case types.ListType():
            return _unpack_list(w, t, at)
        case types.ArrayType():
            dtype, shape = w.keep("dtype", t.item.dtype), w.keep("shape", t.shape)
            count = int(np.prod(t.shape))
            w.moving = True
            read = f"frombuffer_(buffer, {dtype}, {count}, offset + {at})"
            w.put(f"{v} = {read}.reshape({shape}).copy()")
            return v
        case types.MessageType():
            return unpack_message(w, schema_of(t.cls), at)
        case _:
            raise AssertionError(t)


def shared(v: str) -> str:
    """An expression for the float in the local ``v``, its NaN shared."""
    return f"({v} if {v} == {v} else shared_nan_({v}))"


def unpack_message(w: Writer, schema: Schema, at: int) -> str:
    """Build a message from what is at ``offset + at``; returns the local that holds it."""
    values = [unpack_value(w, part.type, at + part.offset) for part in schema.fields]
    return build(w, schema, values)


def build(w: Writer, schema: Schema, values: list[str]) -> str:
    """A new message from expressions for its fields, without running its constructor."""
    made = w.name("m")
    w.put(f"{made} = new_({w.keep('Class', schema.cls)})")
    plain = plain_setattr(schema.cls)
    for part, value in zip(schema.fields, values, strict=True):
        w.put(f"{made}.{part.name} = {value}" if plain else f"set_({made}, {part.name!r}, {value})")
    return made


def _unpack_optional(w: Writer, t: types.OptionalType, at: int) -> str:
    dtype = record_dtype(t)
    present, result = w.name("p"), w.name("r")
    w.leaf(at + offset_of(dtype, "present"), "?", present)
    w.put(f"if {present}:")
    w.depth += 1
    w.put(f"{result} = {unpack_value(w, t.item, at + offset_of(dtype, 'value'))}")
    w.depth -= 1
    w.put(f"else: {result} = None")
    return result


def _unpack_list(w: Writer, t: types.ListType, at: int) -> str:
    dtype, n, result = record_dtype(t), w.name("n"), w.name("r")
    w.moving = True
    w.leaf(at + offset_of(dtype, "size"), "I", n)
    start = f"offset + {at + offset_of(dtype, 'items')}"
    code = simple_code(t.item)
    if code is not None:
        made = f'list_(unpack_("<%d{code}" % {n}, buffer, {start}))'
        w.put(f"{result} = share_nans_({made})" if t.item == types.FLOAT else f"{result} = {made}")
        return result
    item, size = helper(w, "unpack", t.item, unpack_function), record_dtype(t.item).itemsize
    w.put(
        f"{result} = [{item}(buffer, at) for at in range_({start}, {start} + {n} * {size}, {size})]"
    )
    return result


def copy_function(w: Writer, t: Type, name: str) -> None:
    """``name(v)``: the value as it is received."""
    body = w.fresh()
    result = copy_value(body, t, "v")
    lines = [f"def {name}(v):", *body.lines, f"    return {result}"]
    w.functions.append("\n".join(lines))


def copy_value(w: Writer, t: Type, v: str) -> str:
    """Check the local ``v``; returns an expression for the value as it is received."""
    match t:
        case types.BoolType() | types.StrType():
            w.put(f"if {v}.__class__ is not {t}_: raise Bail")
        case types.IntType():
            w.put(f"if {v}.__class__ is not int_ or not {INT_MIN} <= {v} <= {INT_MAX}: raise Bail")
        case types.FloatType():
            take_float(w, v)
            return shared(v)
        case types.ScalarType():
            w.put(f"if {v}.__class__ is not {w.keep('Scalar', t.dtype.type)}: raise Bail")
        case types.EnumType():
            members = frozenset(map(id, t.members))
            w.put(f"if id_({v}) not in {w.keep('members', members)}: raise Bail")
        case types.LiteralType():
            known = w.keep("known", frozenset(t.values))
            w.put(
                f"if {v}.__class__ is not {t.base}_ or {v} not in {known}: raise Bail",
            )
        case types.AtomType():
            w.put(f"if {v}.__class__ is not {w.keep('Atom', t.cls)}: raise Bail")
        case types.OptionalType():
            result = w.name("r")
            w.put(f"if {v} is None: {result} = None", "else:")
            w.depth += 1
            w.put(f"{result} = {copy_value(w, t.item, v)}")
            w.depth -= 1
            return result
        case types.ListType():
            return _copy_list(w, t, v)
        case types.ArrayType():
            check_array(w, t, v)
            return f"{v}.copy()"
        case types.MessageType():
            return copy_message(w, schema_of(t.cls), v)
    return v


def copy_message(w: Writer, schema: Schema, v: str, *, with_header: bool = False) -> str:
    """Copy the message in the local ``v``, header included if ``with_header`` (not one in a field).

    The local ``header`` says which header the copy gets.
    """
    w.put(f"if {v}.__class__ is not {w.keep('Class', schema.cls)}: raise Bail")
    values = []
    for part in schema.fields:
        local = w.name("v")
        w.put(f"{local} = {v}.{part.name}")
        values.append(copy_value(w, part.type, local))
    made, held = build(w, schema, values), w.name("h")
    if not with_header:
        return made
    plain = plain_setattr(schema.cls)
    default = schema.cls.__dict__.get(HEADER, 0) is None or getattr(schema.cls, HEADER) is None
    w.put(
        f"{held} = {v}.{HEADER}" if default else f"{held} = getattr_({v}, {HEADER!r}, None)",
        f"if {held} is None: {held} = {v}",
        f"else: {held} = header({held})",
        f"{made}.{HEADER} = {held}" if plain else f"set_({made}, {HEADER!r}, {held})",
    )
    return made


def _copy_list(w: Writer, t: types.ListType, v: str) -> str:
    w.put(
        f"if {v}.__class__ is not list_ or len_({v}) > {t.capacity}: raise Bail",
    )
    kinds = {types.BOOL: bool, types.FLOAT: float, types.INT: int, types.STR: str}
    kind = kinds.get(t.item)
    if kind is None:
        item = helper(w, "copy", t.item, copy_function)
        return f"[{item}(e) for e in {v}]"
    known = w.keep("kinds", frozenset({kind}).issuperset)
    w.put(f"if not {known}(map_(type_, {v})): raise Bail")
    if kind is int:
        w.put(f"if {v} and (min_({v}) < {INT_MIN} or max_({v}) > {INT_MAX}): raise Bail")
    return f"share_nans_({v}[:])" if kind is float else f"{v}[:]"
