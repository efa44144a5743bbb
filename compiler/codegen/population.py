"""C of a population: the key of a message, and ``ctx.key``.

Input: a kernel with a key.  Output: two functions: ``pdc_key_of(slot)``, the words of the key of
the message in a slot, and ``pdc_key_value(context)``, the key of the instance in hand as a value.
"""

from __future__ import annotations

from pydotcompute.compiler.codegen.c_types import CTypes, identifier
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.population_key import KeyLayout
from pydotcompute.compiler.types.types import UUID, AtomType, MessageType, Type


def key_functions(c_types: CTypes, kernel: ir.Kernel) -> str:
    """The functions about keys; empty for an actor that is no population."""
    if kernel.key is None:
        return ""
    return f"{_key_of(c_types, kernel, kernel.key)}\n\n{_key_value(c_types, kernel.key)}"


def _key_of(c_types: CTypes, kernel: ir.Kernel, key: KeyLayout) -> str:
    place = "slot.value" if kernel.is_headed else "slot"
    lines = ["PDC_FN pdc_instance_key pdc_key_of(const pdc_input_slot &slot) {"]
    if len(kernel.inputs) == 1:
        lines.append(f"    return {_words(place, key)};")
    else:
        lines.append(f"    switch ({place}.tag) {{")
        for tag, cls in enumerate(kernel.inputs):
            message = f"{place}.value.{c_types.spell(MessageType(cls))}_{tag}"
            lines.append(f"        case {tag}: return {_words(message, key)};")
        lines += ["    }", "    return {};"]
    return "\n".join([*lines, "}"])


def _words(message: str, key: KeyLayout) -> str:
    """The words of the key of a message, as an initialiser."""
    words: list[str] = []
    for name, type_ in zip(key.names, key.types, strict=True):
        field = f"{message}.{identifier(name)}"
        if isinstance(type_, AtomType):
            words += [f"{field}.{word}" for word in ATOMS[type_].words]
        else:
            words.append(f"(u64){field}")
    return f"pdc_instance_key{{{{{', '.join(words)}}}}}"


def _key_value(c_types: CTypes, key: KeyLayout) -> str:
    values, at = [], 0
    for type_, width in zip(key.types, key.widths, strict=True):
        values.append(_value(c_types, type_, [f"words[{at + n}]" for n in range(width)]))
        at += width
    result = c_types.spell(key.type)
    made = values[0] if key.single else f"{result}_of({', '.join(values)})"
    return "\n".join([
        f"PDC_FN {result} pdc_key_value(const pdc_context *t) {{",
        "    const u8 *const state = (const u8 *)t->actor->state;",
        "    const u64 *const words = (const u64 *)(state - PDC_STATE_OFFSET);",
        f"    return {made};", "}",
    ])  # fmt: skip


def _value(c_types: CTypes, type_: Type, words: list[str]) -> str:
    c_type = c_types.spell(type_)
    if type_ == UUID:
        return f"{c_type}{{{', '.join(words)}}}"
    return f"({c_type}){words[0]}"
