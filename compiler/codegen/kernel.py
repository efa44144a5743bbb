"""C of a kernel: from ``ir.Kernel`` to the parts that the templates put together.

Input: a verified kernel.  Output: ``Emitted``: struct definitions, one text a function, the text
of the turn, the constant strings.  ``statements`` writes statements, ``expressions``
expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pydotcompute.compiler.codegen.c_types import CTypes, comment, declare, identifier
from pydotcompute.compiler.codegen.population import key_functions
from pydotcompute.compiler.codegen.statements import StatementEmitter
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.control_flow import falls_through
from pydotcompute.compiler.ops.error_codes import TABLE, describe
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.ops.texts import ERROR_NAME, ERROR_TEXT
from pydotcompute.compiler.types.types import CONTAINERS, UUID, MessageType


@dataclass(frozen=True)
class Variable:
    """A variable of the state."""

    c_type: str
    name: str
    in_place: bool
    """It is a container: turns change it where it is."""
    fixed: bool
    """No turn writes it."""

    @property
    def declaration(self) -> str:
        """As a member of the variables of a burst, and at the top of a turn."""
        if self.in_place:
            return f"{self.c_type} &{self.name}"
        return f"{'const ' * self.fixed}{self.c_type} {self.name}"

    @property
    def kept(self) -> bool:
        """A turn works on a copy, and hands it over at its end."""
        return not self.in_place and not self.fixed


@dataclass(frozen=True)
class Emitted:
    """The parts of a kernel in C."""

    structs: tuple[str, ...]
    functions: tuple[str, ...]
    turn: str
    state: tuple[Variable, ...]
    strings: tuple[str, ...]
    input_slot: str
    output_slot: str
    writers: tuple[str, ...]
    """Functions that put a message into an output slot, one for each class."""
    error_texts: tuple[tuple[int, int], ...]
    """Code and string number of the exceptions whose text is known; empty if nobody asks."""
    error_names: tuple[tuple[int, int], ...]
    """Code and string number of the name of each exception; empty if nobody asks."""
    key: str
    """Functions about the key of a population; empty for one actor."""


def emit(
    kernel: ir.Kernel,
    python: Callable[[str, int], str],
    codes: Mapping[int, type[BaseException]],
    written: Collection[str],
) -> Emitted:
    """The C parts of a kernel.

    Args:
        kernel: what was built.
        python: the text of a line by file and number.
        codes: exception class of every code the kernel may meet.
        written: names of the state variables that some turn writes.
    """
    c_types, strings = CTypes(), dict[str, int]()
    input_slot = _slot(c_types, kernel.inputs, "pdc_any_input")
    output_slot = _slot(c_types, kernel.outputs, "pdc_any_output")
    if kernel.is_headed:
        input_slot = _with_header(c_types, input_slot, "pdc_headed_input", kernel.header_reads)
        output_slot = _with_header(c_types, output_slot, "pdc_headed_output")
    writers = _writers(c_types, kernel, output_slot)
    files = ir.files(kernel)
    functions = [_function(c_types, strings, f, python, codes, files.index(f.loc.file),
                           kernel.breaks)
                 for f in kernel.functions]  # fmt: skip
    file = kernel.loc.file
    body = StatementEmitter(c_types, strings, lambda n: python(file, n), codes, file, kernel,
                            kernel.breaks)  # fmt: skip
    state = tuple(Variable(c_types.spell(v.type), body.name(v),
                           in_place=isinstance(v.type, CONTAINERS), fixed=v.name not in written)
                  for v in kernel.state)  # fmt: skip
    turn = _turn(body, kernel.turn, state)
    texts = _error_texts(kernel, strings) if _asks(kernel, ERROR_TEXT) else ()
    named = codes if _asks(kernel, ERROR_NAME) else {}
    names = tuple((code, strings.setdefault(cls.__name__, len(strings)))
                  for code, cls in named.items())  # fmt: skip
    key = key_functions(c_types, kernel)
    return Emitted(tuple(c_types.definitions), tuple(functions), turn, state, tuple(strings),
                   input_slot, output_slot, writers, texts, names, key)


def _asks(kernel: ir.Kernel, primitive: Primitive) -> bool:
    """Whether a kernel uses an operation."""
    return any(isinstance(n, ir.Op) and n.primitive == primitive for n in ir.walk(kernel))


def _error_texts(kernel: ir.Kernel, strings: dict[str, int]) -> tuple[tuple[int, int], ...]:
    """The texts that ``str(error)`` may give."""
    known = {row.code: describe(row.code).text for row in TABLE
             if not row.deoptimises and row.probes}  # fmt: skip
    known.update({code: text for code, _, text in kernel.errors})
    return tuple((code, strings.setdefault(text, len(strings)))
                 for code, text in known.items() if text is not None)  # fmt: skip


def _slot(c_types: CTypes, classes: tuple[type, ...], name: str) -> str:
    """The C type of a slot: the message's struct, or a tagged union of several."""
    structs = [c_types.spell(MessageType(cls)) for cls in classes]
    if not structs:
        c_types.definitions.append(f"struct {name} {{ u8 empty; }};")
        return name
    if len(structs) == 1:
        return structs[0]
    members = " ".join(f"{struct} {struct}_{n};" for n, struct in enumerate(structs))
    c_types.definitions.append(f"struct {name} {{ u32 tag; union {{ {members} }} value; }};")
    return name


def _with_header(c_types: CTypes, slot: str, name: str, reads: tuple[str, ...] = ()) -> str:
    """A slot behind the host's token of the message, the number of a header, and what the actor
    reads of the message's."""
    ids = "".join(f"{c_types.spell(UUID)} {part}; " for part in reads if part != "priority")
    c_types.definitions.append(f"struct {name} {{ u64 token; u32 header; u8 priority; "
                               f"u8 correlated; u16 unused; {ids}{slot} value; }};")  # fmt: skip
    return name


def _writers(c_types: CTypes, kernel: ir.Kernel, slot: str) -> tuple[str, ...]:
    """``pdc_write`` for each class of outputs: what a slot holds of a message."""
    many, made = len(kernel.outputs) > 1, []
    for tag, cls in enumerate(kernel.outputs):
        struct = c_types.spell(MessageType(cls))
        place = "slot.value" if kernel.is_headed else "slot"
        body = [f"{place}.tag = {tag};"] if many else []
        body.append(f"{place}.value.{struct}_{tag} = m;" if many else f"{place} = m;")
        if kernel.is_headed:
            body += ["slot.token = token;", "slot.header = header;"]
        named = ("u64 token", "u32 header") if kernel.is_headed else ("u64", "u32")
        head = f"PDC_FN void pdc_write({slot} &slot, const {struct} &m, {', '.join(named)})"
        made.append(f"{head} {{ {' '.join(body)} }}")
    return tuple(made)


def _turn(body: StatementEmitter, turn: ir.Block, state: Sequence[Variable]) -> str:
    """The function of one turn."""
    own = {v.name for v in state}
    body.kept = [v.name for v in state if v.kept]
    body.block(turn)
    if falls_through(turn):
        body.end("PDC_MORE")
    fuel = ["    i32 &pdc_fuel = pdc_out.fuel;"] if _loops(turn) else []
    return "\n".join([
        "PDC_FN i32 pdc_turn(pdc_variables &pdc_kept, const pdc_input_slot *pdc_in,",
        "                    pdc_sink &pdc_out, pdc_context *pdc_t)", "{",
        *(f"    {v.declaration} = pdc_kept.{v.name};" for v in state), *fuel,
        *_declared(body, own), *body.lines, _FRAME, "}",
    ])  # fmt: skip


def _loops(block: ir.Block) -> bool:
    return any(isinstance(n, (ir.While, ir.For)) for n in ir.walk(*block))


def _declared(body: StatementEmitter, own: Collection[str]) -> list[str]:
    """Declarations of the locals that are not declared otherwise."""
    return [f"    {declare(c, n)}{zero(c)};" for n, c in body.locals.items() if n not in own]


_FRAME = '#line 1 "pydotcompute/kernel.cu"'
"""What follows is no Python's."""


def _function(c_types: CTypes, strings: dict[str, int], function: ir.Function,
              python: Callable[[str, int], str],
              codes: Mapping[int, type[BaseException]], file_number: int,
              breaks: Sequence[Diagnostic]) -> str:  # fmt: skip
    file = function.loc.file
    body = StatementEmitter(c_types, strings, lambda n: python(file, n), codes, file, None,
                            breaks, file_number)  # fmt: skip
    places = {p.name for p in function.parameters if isinstance(p.type, CONTAINERS)}
    places.update(function.changes)
    parameters = [
        f"{c_types.spell(p.type)} {'&' if p.name in places else ''}{body.name(p)}"
        for p in function.parameters
    ]
    body.locals.clear()
    body.block(function.body)
    fuel = ["    i32 pdc_fuel = PDC_FUEL_CHUNK;"] if _loops(function.body) else []
    result = c_types.spell(function.result)
    head = f"PDC_PY {result} py_{identifier(function.name)}" \
           f"({', '.join(['pdc_context *pdc_t', *parameters])})"  # fmt: skip
    own = {body.name(p) for p in function.parameters}
    end = ["    return {};"] if falls_through(function.body) else []
    return "\n".join([f"/* {comment(function.python_name)} */", head, "{", *fuel,
                      *_declared(body, own), *body.lines, _FRAME, *end, "}"])  # fmt: skip


def zero(c_type: str) -> str:
    """The initialiser of a local; containers are made when they are."""
    if c_type.startswith(("pdc_list<", "pdc_array<")):
        return ""
    return " = 0" if c_type in _NUMBERS else " = {}"


_NUMBERS = frozenset("bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64".split())
