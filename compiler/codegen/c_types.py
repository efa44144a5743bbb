"""How types and names are spelled in C, and the structs that a kernel needs for them.

``CTypes().spell(UnionType((FLOAT, INT)))`` gives ``pdc_union1`` and remembers its definition.
Message structs keep the names of the Python classes; names that C++ or the runtime part of the
generated text uses get a trailing underscore, letters outside ASCII their code point.
"""

from __future__ import annotations

import itertools
import re
import struct
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from pydotcompute.compiler.ops.primitive import suffix
from pydotcompute.compiler.types.atoms import ATOMS, WORDS
from pydotcompute.compiler.types.limits import DICT_CAPACITY
from pydotcompute.compiler.types.message_schema import Schema, schema_of
from pydotcompute.compiler.types.storage import storage
from pydotcompute.compiler.types.types import (
    BOOL,
    ERROR,
    FLOAT,
    INT,
    NEVER,
    NONE,
    STR,
    TEXT,
    UNBOUND,
    WIDE,
    ArrayType,
    AtomType,
    DequeType,
    DictType,
    EnumType,
    ListType,
    LiteralType,
    MessageType,
    ObjectType,
    OptionalType,
    ScalarType,
    SetType,
    SnapshotType,
    TupleType,
    Type,
    UnionType,
    in_body,
    lowers,
    members_of,
)

_RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
    co_return co_yield decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq asm fortran restrict typeof main linux unix NULL
    i8 i16 i32 i64 u8 u16 u32 u64 f32 f64
    threadIdx blockIdx blockDim gridDim warpSize
    """.split()
)
_ASCII = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def identifier(name: str, taken: frozenset[str] | set[str] = frozenset()) -> str:
    """A C identifier that reads like a Python name and means nothing else.

    Two names never become one.  None begins with a capital letter, as the names of structs do, or
    with ``pdc_`` or ``py_``, as what the compiler and the templates add does.  Names that the
    compiler makes up contain ``%``, which no Python name does.
    """
    if name.startswith("%"):
        return f"pdc_t{name[1:]}"
    name = name.replace("%", "_")
    plain = _spelt(name)
    if plain != name or name[0].isupper() or name.lower().startswith(("pdc_", "py_", "v_", "__")):
        plain = f"v_{plain}"
    if plain.rstrip("_") in _RESERVED:
        plain += "_"
    while plain in taken:
        plain += "_"
    return plain


def struct_name(name: str, taken: set[str]) -> str:
    """A name for the struct of a class; it begins with a capital letter, and no other name does."""
    plain = _spelt(name)
    if plain != name or not name[0].isupper() or name.lower().startswith(("pdc_", "t_")):
        plain = f"T_{plain}"
    if plain in _RESERVED:
        plain += "_"
    while plain in taken:
        plain += "_"
    return plain


def _spelt(name: str) -> str:
    """A Python name in ASCII."""
    if _ASCII.fullmatch(name):
        return name
    return "".join(c if c.isascii() and c.isalnum() else "__" if c == "_" else f"_u{ord(c):x}_"
                   for c in name)  # fmt: skip


def file_name(text: str) -> str:
    """A Python file's name as ``#line`` takes it, and PTX after it, where no quote is escaped."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.replace("\\", "\\\\").replace('"', "'")


def comment(text: str) -> str:
    """``text`` in a form that a C comment cannot end or continue."""
    plain = "".join(c if c.isprintable() else " " for c in text).strip()
    return plain.replace("*/", "* /").replace("/*", "/ *").rstrip("\\?/ ")


_ODD = ("0x9e3779b97f4a7c15", "0xc2b2ae3d27d4eb4f")
"""Factors of hashes: of the golden ratio, and of xxHash."""


class CTypes:
    """The structs of one kernel, in an order in which each follows those it contains."""

    def __init__(self) -> None:
        self.definitions: list[str] = []
        self.struct_names: set[str] = set()
        self._known: dict[Type, str] = {}
        self._optionals: dict[OptionalType, str] = {}
        self._keys: set[str] = set()
        self._tables: dict[tuple[str, str], str] = {}

    def spell(self, type_: Type) -> str:
        """The C type of a local of ``type_``."""
        if (known := self._known.get(type_)) is None:
            known = self._known[type_] = self._define(type_)
        return known

    def table(self, c_type: str, values: Sequence[str]) -> str:
        """The name of a constant array."""
        text = textwrap.fill(", ".join(values), 96, initial_indent="    ",
                             subsequent_indent="    ")  # fmt: skip
        if (known := self._tables.get((c_type, text))) is None:
            known = self._tables[c_type, text] = f"pdc_table{len(self._tables) + 1}"
            self.definitions.append(
                f"PDC_TABLE {c_type} {known}[{len(values)}] = {{\n{text}\n}};"
            )
        return known

    def _define(self, type_: Type) -> str:
        if type_ in (BOOL, INT, FLOAT) or isinstance(type_, ScalarType):
            return suffix(type_)
        if type_ == WIDE:
            return "pdc_wide"
        if type_ in (STR, TEXT) or isinstance(type_, SnapshotType):
            return "u64"
        if isinstance(type_, EnumType):
            return "u32"
        if type_ in (NONE, UNBOUND, NEVER) or isinstance(type_, ObjectType):
            return "u8"
        if type_ == ERROR:
            return "i32"
        if isinstance(type_, AtomType):
            return self._atom(type_)
        if isinstance(type_, UnionType):
            return self._union(type_)
        if isinstance(type_, TupleType):
            return self._tuple(type_)
        if isinstance(type_, MessageType):
            return self._message(schema_of(type_.cls))
        if isinstance(type_, (ListType, DequeType)):
            kind = "list"
            if isinstance(type_, DequeType):
                kind = "deque" if type_.bounded else "queue"
            return f"pdc_{kind}<{self.spell(type_.item)}, {type_.capacity}>"
        if isinstance(type_, ArrayType):
            return f"pdc_array<{self.spell(type_.item)}, {int(np.prod(type_.shape))}>"
        if isinstance(type_, SetType):
            return self.spell(type_.entries)
        if isinstance(type_, DictType):
            key, value = self.spell(type_.key), self.spell(type_.value)
            self._key(type_.key)
            return f"pdc_dict<{key}, {value}, {DICT_CAPACITY}>"
        raise AssertionError(f"{type_} has no C type")

    def _key(self, type_: Type) -> None:
        """What a dict asks of its keys; all but tuples have it."""
        name = self.spell(type_)
        if not isinstance(type_, TupleType) or name in self._keys:
            return
        self._keys.add(name)
        for item in type_.items:
            self._key(item)
        places = range(len(type_.items))
        same = " && ".join(f"a.v{n} == b.v{n}" for n in places) or "true"
        mixed = " ".join(f"h = h * 0x01000193u ^ pdc_hash(key.v{n});" for n in places)
        self.definitions.append(
            f"PDC_FN bool operator==(const {name} &a, const {name} &b) {{ return {same}; }}\n"
            f"PDC_FN u32 pdc_hash(const {name} &key) {{ u32 h = 0; {mixed} return h; }}"
        )

    def _atom(self, type_: AtomType) -> str:
        """A struct of words, with what comparisons and dicts ask of it."""
        name, words = f"pdc_{type_}", ATOMS[type_].words
        fields = " ".join(f"{WORDS[code]} {word};" for word, code in words.items())
        same = " && ".join(f"a.{word} == b.{word}" for word in words)
        factors = zip(words, itertools.cycle(_ODD), strict=False)
        mixed = " ^ ".join(f"(u64)key.{word} * {odd}ULL" for word, odd in factors)
        self.definitions.append(
            f"struct {name} {{ {fields} }};\n"
            f"PDC_FN bool operator==(const {name} &a, const {name} &b) {{ return {same}; }}\n"
            f"PDC_FN bool operator!=(const {name} &a, const {name} &b) {{ return !(a == b); }}\n"
            f"PDC_FN u32 pdc_hash(const {name} &key) {{ return (u32)(({mixed}) >> 32); }}"
        )
        return name

    def _union(self, type_: UnionType) -> str:
        parts = [self.spell(member) for member in type_.members]
        name = f"pdc_union{sum(isinstance(t, UnionType) for t in self._known) + 1}"
        fields = " ".join(f"{part} v{n};" for n, part in enumerate(parts))
        lines = [f"/* {comment(str(type_))} */", f"struct {name} {{ u32 tag; {fields} }};"]
        lines += [
            f"PDC_FN {name} {name}_{n}({part} value) "
            f"{{ {name} u = {{}}; u.tag = {n}; u.v{n} = value; return u; }}"
            for n, part in enumerate(parts)
        ]
        self.definitions.append("\n".join(lines))
        return name

    def _tuple(self, type_: TupleType) -> str:
        parts = [self.spell(item) for item in type_.items]
        name = f"pdc_tuple{sum(isinstance(t, TupleType) for t in self._known) + 1}"
        fields = " ".join(f"{part} v{n};" for n, part in enumerate(parts)) or "u8 empty;"
        takes = ", ".join(f"{part} v{n}" for n, part in enumerate(parts))
        sets = " ".join(f"t.v{n} = v{n};" for n in range(len(parts)))
        self.definitions.append(
            f"/* {comment(str(type_))} */\nstruct {name} {{ {fields} }};\n"
            f"PDC_FN {name} {name}_of({takes}) {{ {name} t = {{}}; {sets} return t; }}"
        )
        return name

    # --- messages ------------------------------------------------------------------------------

    def _message(self, schema: Schema) -> str:
        fields = [(identifier(f.name), self.record(f.type), f.offset) for f in schema.fields]
        name = struct_name(schema.cls.__name__, self.struct_names)
        self.struct_names.add(name)
        body = "".join(f"\n    {declare(c_type, field)};" for field, c_type, _ in fields)
        checks = "".join(
            f"\nstatic_assert(__builtin_offsetof({name}, {field}) == {offset}, "
            f'"{name}.{field} is where its record has it");'
            for field, _, offset in fields
        )
        self.definitions.append(
            f"struct {name} {{{body or ' u8 empty;'}\n}};\n"
            f'static_assert(sizeof({name}) == {schema.dtype.itemsize}, "{name} is its record");'
            f"{checks}\n{self._maker(name, schema)}"
        )
        return name

    def _maker(self, name: str, schema: Schema) -> str:
        """A function that makes the record of the values of its fields, where all have one."""
        if not all(lowers(f.type) for f in schema.fields):
            return ""
        takes = ", ".join(f"const {self.spell(in_body(f.type))} &{identifier(f.name)}"
                          for f in schema.fields)  # fmt: skip
        sets = " ".join(
            f"pdc_m.{(n := identifier(f.name))} = {self.into_record(f.type, n)};"
            for f in schema.fields
        )
        head = f"PDC_FN {name} pdc_make_{name}({takes})"
        return f"{head} {{ {name} pdc_m = {{}}; {sets} return pdc_m; }}"

    def record(self, type_: Type) -> str:
        """The C type of a field in a record; ``[n]`` follows the name of an opaque one."""
        if isinstance(type_, LiteralType):
            return self.record(type_.base)
        if isinstance(type_, OptionalType):
            return self._optional(type_)
        if not lowers(type_):
            dtype = storage(type_)
            unit = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}[dtype.alignment]
            return f"{unit}[{dtype.itemsize // dtype.alignment}]"
        return self.spell(in_body(type_))

    def _optional(self, type_: OptionalType) -> str:
        if (known := self._optionals.get(type_)) is None:
            value = self.record(type_.item)
            known = self._optionals[type_] = f"pdc_optional{len(self._optionals) + 1}"
            lines = [f"/* {comment(str(type_))}, in a record */",
                     f"struct {known} {{ bool present; {declare(value, 'value')}; }};"]  # fmt: skip
            if lowers(type_):
                lines += self._optional_functions(type_, known)
            self.definitions.append("\n".join(lines))
        return known

    def _optional_functions(self, type_: OptionalType, name: str) -> list[str]:
        union = in_body(type_)
        assert isinstance(union, UnionType)
        members = members_of(union)
        wide = self.spell(union)
        none = members.index(NONE)
        some = 1 - none
        item = self.out_of_record(type_.item, "r.value")
        back = self.into_record(type_.item, f"u.v{some}")
        return [
            f"PDC_FN {wide} {name}_read(const {name} &r) "
            f"{{ return r.present ? {wide}_{some}({item}) : {wide}_{none}(0); }}",
            f"PDC_FN {name} {name}_write(const {wide} &u) {{ {name} r = {{}}; "
            f"if (u.tag == {some}) {{ r.present = true; r.value = {back}; }} return r; }}",
        ]

    def out_of_record(self, type_: Type, text: str) -> str:
        """The value of a record field."""
        return f"{self._optional(type_)}_read({text})" if isinstance(type_, OptionalType) else text

    def into_record(self, type_: Type, text: str) -> str:
        """A value as it stands in a record."""
        return f"{self._optional(type_)}_write({text})" if isinstance(type_, OptionalType) else text


def declare(c_type: str, name: str) -> str:
    """A declaration: ``i64 x``, or ``u8 x[16]`` for the type ``u8[16]``."""
    head, bracket, count = c_type.partition("[")
    return f"{head} {name}{bracket}{count}"


def literal(value: Any, type_: Type) -> str:
    """A constant in C."""
    if type_ in (NONE, UNBOUND):
        return "0"
    if type_ == BOOL or (isinstance(type_, ScalarType) and type_.dtype.kind == "b"):
        return "true" if value else "false"
    if isinstance(type_, EnumType):
        return f"{type_.members.index(value)}u"
    if type_ == FLOAT:
        return _float(float(value))
    if isinstance(type_, ScalarType):
        inner = _float(float(value)) if type_.is_float else _int(int(value))
        return f"({suffix(type_)}){inner}"
    if type_ == WIDE:
        return f"pdc_wide{{{value & (2**64 - 1):#x}ULL, {_int(value >> 64)}}}"
    assert type_ == INT, type_
    return _int(value)


def _int(value: int) -> str:
    if value == -(2**63):
        return "(-9223372036854775807LL - 1)"
    if value > 2**63 - 1:
        return f"{value}ULL"
    return f"{value}LL" if abs(value) > 2**31 - 1 else str(value)


def _float(value: float) -> str:
    if value != value:
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        return f"pdc_f64_of_bits({bits:#x}ULL)"
    if value in (float("inf"), float("-inf")):
        return "PDC_INF" if value > 0 else "(-PDC_INF)"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text
