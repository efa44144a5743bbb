"""What the builders of one kernel share, and what they note of loops and of Python objects.

``Unit`` belongs to the kernel, ``LoopFrame`` and ``TurnFrame`` to the loops that are being built,
``Static`` stands for Python objects that are no values of compiled code.
"""

from __future__ import annotations

import ast
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostics
from pydotcompute.compiler.frontend.source import FunctionSource
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.host_calls import Site
from pydotcompute.compiler.irbuild.core.breaks import Breaks, loop_statements
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.facts import ActorFacts, LoopKey
from pydotcompute.compiler.irbuild.core.scope import Env
from pydotcompute.compiler.types.population_key import KeyLayout

FIRST_USER_CODE = 400
"""Codes from here on are the exception classes that the kernel's own ``raise`` names."""


@dataclass(frozen=True, slots=True)
class Static:
    """A Python object that is no value of compiled code: a module, function, class, method."""

    value: Any


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is known of the values of another type than theirs that a field was given.

    Args:
        in_hand: the message that a turn received was given one, too.
        exact: they are ints that a float holds exactly, in a field of floats.
    """

    in_hand: bool
    exact: bool

    def __or__(self, other: Conversion) -> Conversion:
        return Conversion(self.in_hand or other.in_hand, self.exact and other.exact)


@dataclass(frozen=True, slots=True)
class Read:
    """A field that is read: of which class, whether of the message in hand, and where."""

    cls: type
    name: str
    in_hand: bool
    source: FunctionSource
    node: ast.AST


@dataclass(frozen=True, slots=True)
class Lowered:
    """A function that the actor calls, and what its callers must know of it.

    Args:
        function: its IR.
        returns_fresh: each result is a message that it made, and has not kept.
        returns_alias: its result may be a container that it was given.
        never_returns: it always raises.
        keeps: the parameters that it keeps, or makes part of something.
    """

    function: ir.Function
    returns_fresh: bool
    returns_alias: bool
    never_returns: bool
    keeps: frozenset[str]


@dataclass
class Unit:
    """What the functions of one kernel share, however often its turn is built.

    It only ever widens: classes that are sent, functions that are called and calls that the host
    makes keep their numbers from attempt to attempt.  A helper function is built once.

    Args:
        diagnostics: where problems go.
        inputs: the message classes that may arrive.
        outputs: the declared classes, or None to take what the actor sends.
        signals: the runtime's exceptions by code name (``PDC_QUEUE_TIMEOUT``...).
        facts: what earlier attempts have taught.
        types_final: the types of the state change no more: what cannot be lowered now never can.
        waits: something cannot be lowered while a variable is ``None`` alone.
        state: names of the variables that live between turns.
        shrinking: names of the state's containers that the actor also makes shorter.
        breaks: which statements may leave compiled code.
        key: of a population, the key of its messages.
    """

    diagnostics: Diagnostics
    inputs: tuple[type, ...]
    outputs: tuple[type, ...] | None
    signals: Mapping[str, type[BaseException]]
    facts: ActorFacts
    types_final: bool = False
    waits: bool = False
    state: frozenset[str] = frozenset()
    shrinking: frozenset[str] = frozenset()
    breaks: Breaks = field(default_factory=Breaks)
    key: KeyLayout | None = None
    built: set[int] = field(default_factory=set)
    """The ``id`` of each statement that this attempt has built, and reaches."""
    sent: dict[type, None] = field(default_factory=dict)
    functions: dict[tuple[Any, ...], Lowered] = field(default_factory=dict)
    by_name: dict[str, Lowered] = field(default_factory=dict)
    """``functions`` by their names in the IR."""
    building: list[Any] = field(default_factory=list)
    left_out: int = 0
    """How often a statement with a problem was left out; its problem may be known already."""
    raised: dict[tuple[type[BaseException], str | None], int] = field(default_factory=dict)
    prints: list[Site] = field(default_factory=list)
    headers: list[ir.HeaderSite] = field(default_factory=list)
    header_reads: list[str] = field(default_factory=list)
    converted: dict[tuple[type, str], Conversion] = field(default_factory=dict)
    """Message fields that were given a value of another type than theirs."""
    read: dict[int | tuple[int, str], Read] = field(default_factory=dict)
    """Where message fields are read, by the ``id`` of the node, and the field where that shows all
    of them."""
    compared: dict[int, Read] = field(default_factory=dict)
    """Those of ``read`` where an int does as well as the float that it is equal to."""
    constants: dict[tuple[int, str], tuple[Callable[[], Any], Any]] = field(default_factory=dict)
    """What was read from modules and closures, by the ``id`` of the owner and the name: how to read
    it again, and what it was."""

    def interpreted(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements of the actor's loop that this attempt has left to the interpreter."""
        return [each for each in loop_statements(body) if id(each) not in self.built]

    def callee(self, name: str) -> Lowered:
        """A function that was built for this kernel, by its name in the IR."""
        return self.by_name[name]

    def called(self, block: ir.Block) -> tuple[ir.Function, ...]:
        """The functions that statements call, and those that these call, each before its callers.

        Others were built for types that turned out to be wider.
        """
        names: set[str] = set()
        waiting: list[ir.Node] = [*block]
        while waiting:
            for node in ir.walk(waiting.pop()):
                if isinstance(node, ir.Call) and node.function not in names:
                    names.add(node.function)
                    waiting += self.callee(node.function).function.body
        return tuple(f.function for name, f in self.by_name.items() if name in names)

    def note_constant(self, owner: object, name: str, read: Callable[[], Any], value: Any) -> None:
        """What is compiled depends on ``value``, a ``name`` of ``owner`` that ``read`` reads."""
        self.constants.setdefault((id(owner), name), (read, value))

    def code_of(self, cls: type[BaseException], text: str | None) -> int:
        """The code of an exception that ``raise`` names; ``text`` if it is always the same."""
        return self.raised.setdefault((cls, text), FIRST_USER_CODE + len(self.raised))


@dataclass
class Watch:
    """A container that a loop runs over, and where it is noted that its size has changed.

    Args:
        place: the container.
        flag: a bool.
        all_changes: whether any change counts: the loop runs over a copy of it.
        changed: whether something in the loop sets the flag.
    """

    place: ir.Local
    flag: ir.Local
    all_changes: bool = False
    changed: bool = False


@dataclass
class LoopFrame:
    """A ``while`` or ``for`` being built: the environments that its jumps are expected to lead to,
    and those that they come from."""

    head: Env
    exit: Env | None
    """None: no exit is known, or none needs copies."""
    cleanups: int
    """How many ``finally`` clauses are outside the loop."""
    continues: list[Env] = field(default_factory=list)
    breaks: list[Env] = field(default_factory=list)
    problems: list[OperandError] = field(default_factory=list)
    """Why paths cannot be led to where they go."""

    def lists(self) -> tuple[list[Any], ...]:
        """What grows while the loop is built."""
        return self.continues, self.breaks, self.problems


@dataclass
class TurnFrame:
    """The actor's own loop: ``continue`` ends the turn, ``break`` leaves."""

    head: Env
    ends: list[Env] = field(default_factory=list)

    def lists(self) -> tuple[list[Any], ...]:
        """What grows while the turn is built."""
        return (self.ends,)


class Nest:
    """Where the loop that is being built is among those of the function."""

    def __init__(self) -> None:
        self._loops: list[LoopKey] = [()]
        self._seen: list[Counter[tuple[object, ...]]] = [Counter()]

    @contextmanager
    def loop(self, node: ast.stmt) -> Iterator[LoopKey]:
        """While a loop is built; syntax that is built several times gets a key each time."""
        place = (node.lineno, node.col_offset, type(node))
        number = self._seen[-1][place] = self._seen[-1][place] + 1
        self._loops.append((self._loops[-1], *place, number))
        self._seen.append(Counter())
        try:
            yield self._loops[-1]
        finally:
            self._loops.pop()
            self._seen.pop()

    def begin(self) -> None:
        """The loop is built from its beginning, once more perhaps."""
        self._seen[-1].clear()


def describe_static(value: Any) -> str:
    """A Python object, as a user would name it.

    What an object or a container holds is not shown: it may be long, or secret (``os.environ``).
    """
    kind = {"builtin_function_or_method": "function", "type": "class", "ufunc": "function",
            "_ArrayFunctionDispatcher": "function"}.get(
        type(value).__name__, type(value).__name__
    )
    name = getattr(value, "__name__", None)
    if name:
        return f"the {kind} `{name}`"
    plain = isinstance(value, (bool, int, float, complex, str, bytes, Enum, Decimal, Fraction))
    return f"the {kind} {reprlib.repr(value)}" if plain or value is None else f"this {kind} object"
