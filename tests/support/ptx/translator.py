"""PTX to C++: one function for each function, registers as variables, labels as labels.

Input: the text of a module.  Output: the text of a C++ file that ``ops.h`` and ``machine.h`` make
whole; its entry is ``ptx_run``.  An instruction, a modifier or an operand that is not known raises
``PtxError`` with its line; none is skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.support.ptx import instructions as table
from tests.support.ptx.parser import (
    Function,
    Module,
    PtxError,
    Statement,
    Variable,
    parse,
    variable,
)

_HERE = Path(__file__).parent
_REGISTER = re.compile(r"%?[A-Za-z_][\w]*")
_LOC = re.compile(r"\.loc\s+(\d+)\s+(\d+)\s+\d+(?:.*?inlined_at\s+(\d+)\s+(\d+))?")
_WIDTH = {"8": "u8", "16": "u16", "32": "u32", "64": "u64"}
_SPACES = {"global": "GLOBAL", "const": "GLOBAL", "shared": "SHARED", "local": "LOCAL"}
_CACHES = frozenset(
    "ca cg cs lu cv wb wt nc volatile weak relaxed acquire release sys gpu cta mmio".split()
)


def translate(text: str) -> str:
    """The C++ text of a module.

    Raises:
        PtxError: something in it is unknown; the text names the line and the statement.
    """
    module = parse(text)
    outer = _lay_out([v for v in module.variables if v.space == "shared"], 0)
    start = sum(-(-v.size // 256) * 256 for v in module.variables if v.space == "shared")
    parts = [(_HERE / name).read_text(encoding="utf-8") for name in ("ops.h", "machine.h")]
    held = [v for v in module.variables if v.space in ("global", "const")]
    parts += [_global(v) for v in held]
    parts += [f"static void {_name(f.name)}(lane &, u8 *, u8 **);" for f in module.functions]
    lines: dict[int, str] = {}
    entries = []
    for function in module.functions:
        made = _Translator(module, function, outer, start, lines)
        parts.append(made.translate())
        if function.is_kernel:
            entries.append((function.name, made.shared))
    parts.append(_entry(entries, held, lines))
    return "\n".join(parts)


def _name(text: str) -> str:
    return "f_" + text.replace("$", "_")


def _type(name: str) -> str:
    """What a register of a type is in C++: its bits."""
    return "bool" if name == "pred" else _WIDTH[name[1:]]


def _lay_out(variables: list[Variable], at: int) -> dict[str, int]:
    made = {}
    for item in variables:
        at = -(-at // max(16, item.align)) * max(16, item.align)
        made[item.name] = at
        at += item.size
    return made


def _global(item: Variable) -> str:
    data = ", ".join(map(str, item.data))
    align = max(16, item.align)
    return f"alignas({align}) static u8 {_name(item.name)}[{item.size}] = {{{data}}};"


def _entry(
    entries: list[tuple[str, int]], held: list[Variable], lines: dict[int, str]
) -> str:
    rows = "".join(f'    {{{line}, "{text}"}},\n' for line, text in sorted(lines.items()))
    places = "".join(f"    {{(u64){_name(v.name)}, {v.size}}},\n" for v in held)
    calls = "".join(
        f'    if (!strcmp(name, "{name}")) return run_grid(in, {_name(name)}, {shared});\n'
        for name, shared in entries
    )
    seen = 'extern "C" __attribute__((visibility("default")))'
    return (
        f'extern "C" const source_line ptx_lines[] = {{\n{rows}    {{0xffffffffu, ""}}}};\n'
        f'extern "C" const u32 ptx_line_count = {len(lines)};\n'
        f"{seen} u64 ptx_globals[][2] = {{\n{places}    {{0, 0}}}};\n"
        f"{seen} int ptx_run(const char *name, launch *in) {{\n{calls}    return 3;\n}}\n"
    )


@dataclass
class _Instruction:
    """An instruction taken apart.

    Args:
        line: in the PTX.
        text: all of it, for messages.
        name: the opcode without its types: ``setp.eq``.
        types: of the opcode.
        operands: as written.
    """

    line: int
    text: str
    name: str
    types: list[str]
    operands: list[str]

    @property
    def mods(self) -> list[str]:
        """What follows the first part of the name."""
        return self.name.split(".")[1:]

    def unknown(self, what: str = "instruction") -> PtxError:
        """The error for what is not known."""
        return PtxError(f"PTX line {self.line}: unknown {what}: {self.text}")


@dataclass
class _Translator:
    """Translates one function.

    Args:
        module: where it is.
        function: itself.
        outer: shared variables of the module, by name.
        shared: bytes of shared memory, of the module and then of the function as well.
        lines: what is known about where lines come from.
    """

    module: Module
    function: Function
    outer: dict[str, int]
    shared: int
    lines: dict[int, str]
    registers: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)

    def translate(self) -> str:
        """The C++ function."""
        function = self.function
        self.symbols |= {v.name: f"(u64){_name(v.name)}" for v in self.module.variables
                         if v.space in ("global", "const")}  # fmt: skip
        self.symbols |= {name: str(at) for name, at in self.outer.items()}
        for number, item in enumerate(function.parameters):
            self.parameters[item.name] = f"p[{number}]"
        if function.result is not None:
            self.parameters[function.result.name] = "result"
        body = function.body
        self.places = {s.text: s.line for s in body if s.kind == "label"}
        self._find_tables(body)
        head = self._declare([s for s in body if s.kind == "directive"])
        for statement in body:
            self._statement(statement)
        text = "\n    ".join(self.out)
        return (
            f"static void {_name(function.name)}(lane &l, u8 *result, u8 **p) {{\n"
            f"    u32 carry = 0; (void)carry;\n    {head}\n    {text}\n"
            "    l.used = before;\n}\n"
        )

    def _find_tables(self, body: list[Statement]) -> None:
        for label, after in pairwise(body):
            if after.kind == "directive" and after.text.startswith(".branchtargets"):
                names = after.text.removeprefix(".branchtargets").split(",")
                self.tables[label.text] = [name.strip() for name in names]

    def _declare(self, directives: list[Statement]) -> str:
        """Registers, memory of the function, and a frame of local memory."""
        text = " ".join(s.text for s in self.function.body)
        used = set(re.findall(r"%[A-Za-z_]\w*", text))
        made, local, shared = [], [], []
        for statement in directives:
            if statement.text.startswith(".reg "):
                made += self._registers(statement, used)
            elif statement.text.startswith((".local ", ".shared ")):
                item = variable(statement.text, statement.line)
                (local if item.space == "local" else shared).append(item)
        self.symbols |= {n: str(at) for n, at in _lay_out(shared, self.shared).items()}
        self.shared += sum(-(-v.size // 16) * 16 + max(16, v.align) for v in shared)
        places = _lay_out(local, 0)
        size = max((places[v.name] + v.size for v in local), default=0)
        align = max((v.align for v in local), default=1)
        self.symbols |= {name: f"(frame + {at})" for name, at in places.items()}
        frame = f"const u64 frame = enter(l, {size}, {max(16, align)}, {self.function.line});"
        made.append(f"const u32 before = l.used; {frame if size else ''}")
        return "\n    ".join(made)

    def _registers(self, statement: Statement, used: set[str]) -> list[str]:
        found = re.fullmatch(r"\.reg \.(\w+) (.+)", statement.text)
        if found is None or found[1] not in table.TYPES:
            raise PtxError(f"PTX line {statement.line}: unknown declaration: {statement.text}")
        names: list[str] = []
        for item in (part.strip() for part in found[2].split(",")):
            many = re.fullmatch(r"(%\w+?)<(\d+)>", item)
            if many is None:
                names.append(item)
            else:
                wanted = (f"{many[1]}{n}" for n in range(int(many[2])))
                names += [name for name in wanted if name in used]
        kind = _type(found[1])
        new = [name for name in names if name not in self.registers]
        self.registers |= dict.fromkeys(names, kind)
        poison = "true" if kind == "bool" else f"({kind})0xa5a5a5a5a5a5a5a5u"
        return [f"{kind} {self._register(name)} = {poison};" for name in new]

    @staticmethod
    def _register(name: str) -> str:
        return "v_" + name.lstrip("%")

    # --- statements ------------------------------------------------------------------------

    def _statement(self, statement: Statement) -> None:
        if statement.kind in "{}":
            self.out.append(statement.kind)
        elif statement.kind == "label":
            if statement.text not in self.tables:
                self.out.append(f"L_{statement.text.replace('$', '_')}:;")
        elif statement.kind == "directive":
            self._directive(statement)
        else:
            self.out.append(self._guarded(statement))

    def _directive(self, statement: Statement) -> None:
        text = statement.text
        if text.startswith(".loc"):
            found = _LOC.match(text)
            if found is not None:
                self._locate(statement.line, found)
        elif text.startswith(".param "):
            item = variable(text, statement.line)
            name = f"a_{item.name}"
            self.parameters[item.name] = name
            self.out.append(f"alignas(16) u8 {name}[{max(8, item.size)}];")
        elif not text.startswith((".reg ", ".local ", ".shared ", ".pragma", ".branchtargets")):
            raise PtxError(f"PTX line {statement.line}: unknown directive: {text}")

    def _locate(self, line: int, found: re.Match[str]) -> None:
        files = self.module.files
        text = f"{files.get(int(found[1]), '?')}:{found[2]}"
        if found[3] is not None:
            text += f", called at {files.get(int(found[3]), '?')}:{found[4]}"
        self.lines[line] = text.replace("\\", "/")

    def _guarded(self, statement: Statement) -> str:
        text, guard = statement.text, ""
        found = re.match(r"@(!?)(%\w+)\s+(.*)", text)
        if found is not None:
            guard, text = f"if ({found[1]}{self._register(found[2])}) ", found[3]
        opcode, _, rest = text.partition(" ")
        parts = opcode.split(".")
        types = [part for part in parts[1:] if part in table.TYPES]
        name = ".".join(part for part in parts if part not in types)
        operands = [item.strip() for item in re.split(r",(?![^{(\[]*[})\]])", rest) if item.strip()]
        made = _Instruction(statement.line, statement.text, name, types, operands)
        return f"{guard}{{ {self._instruction(made)} }}"

    def _instruction(self, ins: _Instruction) -> str:
        handler = getattr(self, f"_do_{ins.name.split('.')[0]}", None)
        made: str = self._arithmetic(ins) if handler is None else handler(ins)
        return made

    # --- operands --------------------------------------------------------------------------

    def _value(self, ins: _Instruction, operand: str, kind: str) -> str:
        """A source, as a value of a type."""
        kind = "bool" if kind == "pred" else kind
        if operand.startswith("!"):
            return f"!{self._value(ins, operand[1:], kind)}"
        if operand in self.registers:
            return f"as<{kind}>({self._register(operand)})"
        if operand in table.SPECIAL:
            return f"as<{kind}>({table.SPECIAL[operand]})"
        if operand in self.symbols:
            return f"as<{kind}>((u64){self.symbols[operand]})"
        number = re.fullmatch(r"(-?)(0[xX][0-9a-fA-F]+|0[fFdD][0-9a-fA-F]+|\d+)U?", operand)
        if number is None:
            raise ins.unknown(f"operand {operand}")
        digits = number[2]
        value = int(digits[2:], 16) if digits[1:2] in tuple("xXfFdD") else int(digits)
        value = -value if number[1] else value
        return f"as<{kind}>((u64){value % (1 << 64):#x}u)"

    def _to(self, ins: _Instruction, operand: str, value: str) -> str:
        if operand == "_":
            return f"{value};"
        if operand not in self.registers:
            raise ins.unknown(f"operand {operand}")
        return f"put({self._register(operand)}, {value});"

    def _address(self, ins: _Instruction, operand: str) -> tuple[str, str, int]:
        """Base and offset of ``[base+offset]``: its name, its C++, the offset."""
        found = re.fullmatch(r"\[([%$\w]+)(?:\+(-?\d+))?\]", operand)
        if found is None:
            raise ins.unknown(f"address {operand}")
        base, offset = found[1], int(found[2] or 0)
        if base in self.parameters:
            return base, self.parameters[base], offset
        kind = "u32" if self.registers.get(base) == "u32" else "u64"
        return base, self._value(ins, base, kind), offset

    def _vector(self, operand: str) -> list[str]:
        if operand.startswith("{"):
            return [item.strip() for item in operand.strip("{}").split(",")]
        return [operand]

    # --- arithmetic ------------------------------------------------------------------------

    def _arithmetic(self, ins: _Instruction) -> str:
        first = ins.types[0] if ins.types else "b32"
        kind = "p" if first == "pred" else first[0] if first[0] == "f" else "i"
        row = (table.FLOATS if kind == "f" else table.ROWS).get(ins.name)
        row = table.ROWS.get(ins.name) if row is None else row
        if row is None or kind not in row.kinds or len(ins.operands) != len(row.sources) + 1:
            raise ins.unknown()
        first = "bool" if first == "pred" else first
        second = ins.types[1] if len(ins.types) > 1 else first
        kinds = {"T": first, "N": "u32", "P": "bool", "S": second, "W": f"wide_of<{first}>"}
        pairs = zip(ins.operands[1:], row.sources, strict=True)
        given = [self._value(ins, operand, kinds[source]) for operand, source in pairs]
        return self._to(ins, ins.operands[0], row.call.format(*given, T=first, S=second))

    def _do_setp(self, ins: _Instruction) -> str:
        mods = ins.mods
        joins = {"and": "&&", "or": "||", "xor": "!="}
        if mods[0] not in table.COMPARISONS or mods[1:] not in ([], ["and"], ["or"], ["xor"]):
            raise ins.unknown()
        kind = ins.types[0]
        a, b = (self._value(ins, item, kind) for item in ins.operands[1:3])
        test, against = f"cmp_{mods[0]}<{kind}>({a}, {b})", ""
        if mods[1:]:
            against = f" {joins[mods[1]]} {self._value(ins, ins.operands[3], 'pred')}"
        to = ins.operands[0].split("|")
        made = f"const bool t = {test}; "
        made += self._to(ins, to[0], f"(bool)(t{against})")
        return made + (self._to(ins, to[1], f"(bool)(!t{against})") if to[1:] else "")

    def _do_mov(self, ins: _Instruction) -> str:
        if ins.mods:
            raise ins.unknown()
        kind, (to, source) = ins.types[0], ins.operands
        if source.startswith("{") or to.startswith("{"):
            return self._packed(ins, self._vector(to), self._vector(source))
        return self._to(ins, to, self._value(ins, source, _type(kind)))

    def _packed(self, ins: _Instruction, to: list[str], source: list[str]) -> str:
        bits = int(ins.types[0][1:]) // max(len(to), len(source))
        if len(to) == 1:
            parts = (f"((u64){self._value(ins, item, _WIDTH[str(bits)])} << {n * bits})"
                     for n, item in enumerate(source))  # fmt: skip
            return self._to(ins, to[0], " | ".join(parts))
        whole = self._value(ins, source[0], "u64")
        made = f"const u64 whole = {whole}; "
        return made + " ".join(
            self._to(ins, item, f"(u{bits})(whole >> {n * bits})") for n, item in enumerate(to)
        )

    def _do_cvt(self, ins: _Instruction) -> str:
        (to, source), mods = ins.types, ins.mods
        value = self._value(ins, ins.operands[1], source)
        rounds = [mod for mod in mods if re.fullmatch(r"r[nzmp]i?", mod)]
        rest = [mod for mod in mods if mod not in rounds]
        if len(rounds) > 1 or rest not in ([], ["sat"]):
            raise ins.unknown()
        mode = rounds[0][:2].upper() if rounds else "RN"
        if to[0] != "f" and source[0] == "f":
            made = f"float_to_int<{to}, {source}>({value}, {mode})"
        elif to[0] == "f":
            whole = rounds and rounds[0].endswith("i")
            made = f"whole<{source}>({value}, {mode})" if whole else value
            made = f"to_float<{to}, {source}>({made}, {mode})"
            made = f"unit<{to}>({made})" if rest else made
        else:
            made = f"saturated<{to}>({value})" if rest else f"({to}){value}"
        return self._to(ins, ins.operands[0], made)

    def _do_cvta(self, ins: _Instruction) -> str:
        back = ins.mods[0] == "to"
        base = {"global": "0", "const": "0", "shared": "(u64)l.of->shared",
                "local": "(u64)l.local"}.get(ins.mods[-1])  # fmt: skip
        if base is None or len(ins.mods) != 1 + back:
            raise ins.unknown()
        value = self._value(ins, ins.operands[1], ins.types[0])
        return self._to(ins, ins.operands[0], f"(u64)({value} {'-' if back else '+'} {base})")

    # --- memory ----------------------------------------------------------------------------

    def _access(self, ins: _Instruction) -> tuple[str, int, str]:
        """Space, number of values and order of a load or a store."""
        space, count, order = "GENERIC", 1, "WEAK"
        for mod in ins.mods:
            if mod in _SPACES:
                space = _SPACES[mod]
            elif mod in ("v2", "v4"):
                count = int(mod[1])
            elif mod in ("acquire", "release"):
                order = "ORDERED"
            elif mod in ("relaxed", "volatile", "mmio"):
                order = "RELAXED"
            elif mod not in _CACHES:
                raise ins.unknown()
        return space, count, order

    def _do_ld(self, ins: _Instruction) -> str:
        kind, to = ins.types[0], self._vector(ins.operands[0])
        base, address, offset = self._address(ins, ins.operands[1])
        if ins.mods[:1] == ["param"]:
            if base not in self.parameters:
                raise ins.unknown("parameter")
            size = int(kind[1:]) // 8
            return " ".join(
                self._to(ins, item, f"bits_at<{kind}>({address} + {offset + n * size})")
                for n, item in enumerate(to)
            )
        space, count, order = self._access(ins)
        if len(to) != count:
            raise ins.unknown()
        made = f"{kind} m[{count}]; load<{kind}, {count}, {space}, {order}>"
        made += f"(l, (u64)({address} + {offset}), {ins.line}, m); "
        return made + " ".join(self._to(ins, item, f"m[{n}]") for n, item in enumerate(to))

    def _do_st(self, ins: _Instruction) -> str:
        kind, given = ins.types[0], self._vector(ins.operands[1])
        base, address, offset = self._address(ins, ins.operands[0])
        values = ", ".join(self._value(ins, item, kind) for item in given)
        made = f"const {kind} m[] = {{{values}}}; "
        if ins.mods[:1] == ["param"]:
            if base not in self.parameters:
                raise ins.unknown("parameter")
            return made + f"__builtin_memcpy({address} + {offset}, m, sizeof m);"
        space, count, order = self._access(ins)
        if len(given) != count:
            raise ins.unknown()
        made += f"store<{kind}, {count}, {space}, {order}>"
        return made + f"(l, (u64)({address} + {offset}), {ins.line}, m);"

    def _do_atom(self, ins: _Instruction, *, wanted: bool = True) -> str:
        kind = ins.types[0]
        known = [mod for mod in ins.mods if mod in table.ATOMICS]
        left = [m for m in ins.mods if m not in known and m not in _SPACES and m not in _CACHES]
        if len(known) != 1 or [mod for mod in left if mod != "acq_rel"]:
            raise ins.unknown()
        space = next((_SPACES[mod] for mod in ins.mods if mod in _SPACES), "GENERIC")
        operands = ins.operands[1:] if wanted else ins.operands
        _, address, offset = self._address(ins, operands[0])
        given = [self._value(ins, item, kind) for item in operands[1:]]
        change = table.ATOMICS[known[0]].format(*given, T=kind)
        ordered = {"acq_rel", "release"} & set(ins.mods)
        made = (f"atomic<{kind}, {space}>(l, (u64)({address} + {offset}), {ins.line}, "
                f"[&]({kind} old) {{ return ({kind})({change}); }})")  # fmt: skip
        before = "order_stores(l); " if ordered else ""
        return before + (self._to(ins, ins.operands[0], made) if wanted else f"{made};")

    def _do_red(self, ins: _Instruction) -> str:
        return self._do_atom(ins, wanted=False)

    def _do_fence(self, ins: _Instruction) -> str:
        if ins.mods not in ([order, scope] for order in ("acq_rel", "sc")
                            for scope in ("sys", "gpu", "cta")):  # fmt: skip
            raise ins.unknown()
        return "" if ins.mods[1] == "cta" else "op_fence(l);"

    def _do_membar(self, ins: _Instruction) -> str:
        if ins.mods not in (["sys"], ["gl"], ["cta"]):
            raise ins.unknown()
        return "" if ins.mods == ["cta"] else "op_fence(l);"

    # --- control ---------------------------------------------------------------------------

    def _do_bra(self, ins: _Instruction) -> str:
        if ins.mods not in ([], ["uni"]) or ins.operands[0] not in self.places:
            raise ins.unknown()
        return self._jump(ins, ins.operands[0])

    def _jump(self, ins: _Instruction, label: str) -> str:
        back = "tick(l); " if self.places[label] <= ins.line else ""
        return f"{back}goto L_{label.replace('$', '_')};"

    def _do_brx(self, ins: _Instruction) -> str:
        if ins.operands[1] not in self.tables:
            raise ins.unknown()
        cases = " ".join(f"case {n}: {self._jump(ins, label)}"
                         for n, label in enumerate(self.tables[ins.operands[1]]))  # fmt: skip
        value = self._value(ins, ins.operands[0], "u32")
        wrong = f'default: fault(l, {ins.line}, "a branch to no target");'
        return f"switch ({value}) {{ {cases} {wrong} }}"

    def _do_call(self, ins: _Instruction) -> str:
        if ins.mods not in ([], ["uni"]):
            raise ins.unknown()
        operands, result = list(ins.operands), "nullptr"
        if operands[0].startswith("("):
            result = self._argument(ins, operands.pop(0).strip("() "))
        known = {function.name for function in self.module.functions}
        if operands[0] not in known:
            raise ins.unknown("function")
        listed = operands[1].strip("() ") if operands[1:] else ""
        given = [self._argument(ins, item.strip()) for item in listed.split(",") if item.strip()]
        return f"u8 *given[] = {{{', '.join([*given, 'nullptr'])}}}; " + (
            f"{_name(operands[0])}(l, {result}, given);"
        )

    def _argument(self, ins: _Instruction, name: str) -> str:
        if name not in self.parameters:
            raise ins.unknown(f"parameter {name}")
        return self.parameters[name]

    def _do_ret(self, ins: _Instruction) -> str:
        if ins.mods not in ([], ["uni"]):
            raise ins.unknown()
        return "l.used = before; return;"

    def _do_exit(self, ins: _Instruction) -> str:
        return "order_stores(l); l.state = ENDED; for (;;) leave(l);"

    def _do_trap(self, ins: _Instruction) -> str:
        return f'fault(l, {ins.line}, "the kernel trapped");'

    def _do_bar(self, ins: _Instruction) -> str:
        if ins.mods not in (["sync"], ["sync", "aligned"]) or len(ins.operands) != 1:
            raise ins.unknown()
        return f"op_barrier(l, {self._value(ins, ins.operands[0], 'u32')}, {ins.line});"

    _do_barrier = _do_bar

    def _do_nanosleep(self, ins: _Instruction) -> str:
        return "op_nanosleep(l);"
