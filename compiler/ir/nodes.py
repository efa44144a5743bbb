"""The typed intermediate representation: the whole grammar on one screen.

::

    kernel    = Kernel(state, inputs, outputs, turn, functions)
    function  = Function(name, parameters, result, body)
    stmt      = Assign(target, value) | Receive(target, timeout) | Send(value)
              | If(test, body, orelse) | While(setup, test, body, orelse)
              | For(target, start, stop, step, body, orelse)
              | Break | Continue | EndTurn | Leave | Return(value)
              | SetField(target, name, value) | Raise(code) | Interpret(problem)
              | Try(body, handlers, orelse)
              | Fresh(target) | Mutate(target, primitive, args) | Print(site, value)
              | Carry(target, place)
              | Evaluate(value)
    expr      = Const(value) | Local(name) | Field(base, name) | Op(primitive, args)
              | Call(function, args) | And(left, right) | Or(left, right)
              | Cond(test, then, orelse) | New(fields) | Tuple(items) | Item(base, index)
              | Is(base, member) | As(base) | Wrap(value) | Context(what) | InHand(part)
    handler   = Handler(classes, name, body)

Every node has a ``loc`` (where in the Python file) and every expression a ``type``.
Expressions have no effect: whatever can be observed is a statement, so that an error inside an
expression may be looked at after it.  One ``turn`` is one round of the actor's loop and a
transaction; it ends with ``EndTurn`` (commit, go on), ``Leave`` (commit, epilogue) or ``Return``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, Location
from pydotcompute.compiler.ir.host_calls import Site
from pydotcompute.compiler.ops.primitive import Primitive
from pydotcompute.compiler.types.population_key import KeyLayout
from pydotcompute.compiler.types.types import NONE, Type


@dataclass(frozen=True, slots=True)
class HeaderSite:
    """The header of an output: each part from the message in hand, or a constant.

    Args:
        copied: pairs of a part of the output's header and a part of the input's.
        constants: pairs of a part and its value.
    """

    copied: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that stands at a place in the Python file; places do not count in ``==``."""

    loc: Location = field(compare=False)


# --- expressions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expr(Node):
    """A value; evaluating it changes nothing."""

    type: Type


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A value known when the kernel is compiled."""

    value: Any


@dataclass(frozen=True, slots=True)
class Local(Expr):
    """A local or state variable; ``name`` is unique for its type: ``x``, later ``x%2``.

    Of a container, ``origin`` is the state variable that it is, or ``site`` where in the Python
    it is made; ``part``: it is a copy of what a message holds, and does not change.
    """

    name: str
    origin: str | None = field(default=None, compare=False)
    site: tuple[int, int, str] | None = field(default=None, compare=False)
    part: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Field(Expr):
    """A field of a message."""

    base: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Op(Expr):
    """An operator, conversion or intrinsic function of the tables."""

    primitive: Primitive
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Table(Expr):
    """One of some constants, by a place that is in range."""

    values: tuple[Any, ...]
    index: Expr


@dataclass(frozen=True, slots=True)
class IsError(Expr):
    """Whether a caught exception is of some classes."""

    base: Expr
    classes: tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A call of a lowered Python function of this kernel."""

    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class And(Expr):
    """Of two bools; the right one is evaluated only if the left is true."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Or(Expr):
    """Of two bools; the right one is evaluated only if the left is false."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Cond(Expr):
    """``then if test else orelse``."""

    test: Expr
    then: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class New(Expr):
    """A new message; ``args`` in the order of the schema's fields, ``header`` counted from 1."""

    args: tuple[Expr, ...]
    header: int = 0


@dataclass(frozen=True, slots=True)
class Tuple(Expr):
    """A tuple of known length."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Item(Expr):
    """An item of a tuple, by constant index."""

    base: Expr
    index: int


@dataclass(frozen=True, slots=True)
class Is(Expr):
    """Whether a union holds a value of type ``member``."""

    base: Expr
    member: Type


@dataclass(frozen=True, slots=True)
class As(Expr):
    """The value of a union that is known to hold ``type``."""

    base: Expr


@dataclass(frozen=True, slots=True)
class Wrap(Expr):
    """A value as a member of the union ``type``."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Context(Expr):
    """A property of ``ctx``: ``should_terminate``, or ``key``."""

    what: str


@dataclass(frozen=True, slots=True)
class InHand(Expr):
    """Of the header of the message that the turn has received: ``priority``, ``message_id``,
    ``correlation_id``, or ``correlated``, whether it has that."""

    part: str


# --- statements ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stmt(Node):
    """Does something."""


Block = tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Assign(Stmt):
    """Binds a local."""

    target: Local
    value: Expr


@dataclass(frozen=True, slots=True)
class Receive(Stmt):
    """Takes the next message, raises ``QueueTimeoutError``, or gives the turn up."""

    target: Local
    timeout: Expr | None


@dataclass(frozen=True, slots=True)
class Send(Stmt):
    """Stages an output; it is published when the turn commits.  ``header`` is 0, or counts the
    kernel's headers from 1."""

    value: Expr
    header: int = 0


@dataclass(frozen=True, slots=True)
class If(Stmt):
    """``if``."""

    test: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True)
class While(Stmt):
    """``while``, with its ``else``."""

    setup: Block
    test: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True)
class For(Stmt):
    """``for`` over ``range(start, stop, step)``; all three are evaluated once."""

    target: Local
    start: Expr
    stop: Expr
    step: Expr
    body: Block
    orelse: Block


@dataclass(frozen=True, slots=True)
class Break(Stmt):
    """Of the innermost ``While`` or ``For``."""


@dataclass(frozen=True, slots=True)
class Continue(Stmt):
    """Of the innermost ``While`` or ``For``."""


@dataclass(frozen=True, slots=True)
class EndTurn(Stmt):
    """Commits the turn; the actor's loop goes on."""


@dataclass(frozen=True, slots=True)
class Leave(Stmt):
    """Commits the turn and leaves the actor's loop; the epilogue is next."""


@dataclass(frozen=True, slots=True)
class Return(Stmt):
    """Of a function; without a value, in the actor: it ends without its epilogue."""

    value: Expr | None


@dataclass(frozen=True, slots=True)
class Raise(Stmt):
    """Raises the exception with this code, or, with ``None``, the one being handled again."""

    code: int | None


@dataclass(frozen=True, slots=True)
class Interpret(Stmt):
    """Takes the turn back, and leaves its message to the interpreter: compiled code cannot do what
    comes here.  No handler sees it."""

    problem: Diagnostic


@dataclass(frozen=True, slots=True)
class Handler(Node):
    """``except``: runs for exceptions of the given classes; None: for all.

    A reason to deoptimise is no exception and reaches no handler.
    """

    classes: tuple[type[BaseException], ...] | None
    name: Local | None
    body: Block


@dataclass(frozen=True, slots=True)
class Try(Stmt):
    """``try``.  A ``finally`` is a handler that raises again, and copies of it on the other ways
    out."""

    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block


@dataclass(frozen=True, slots=True)
class SetField(Stmt):
    """Changes a field of the message in a local, or of the member of a union that it holds."""

    target: Expr
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Fresh(Stmt):
    """Makes a local container new and empty."""

    target: Local


@dataclass(frozen=True, slots=True)
class Mutate(Stmt):
    """Changes a container, the first of ``args``; may give a value."""

    target: Local | None
    primitive: Primitive
    args: tuple[Expr, ...]

    @property
    def changed(self) -> tuple[Expr, ...]:
        """The containers that it changes: the first of ``args``, or the first two."""
        return self.args[: 1 + self.primitive.both]


@dataclass(frozen=True, slots=True)
class Print(Stmt):
    """Carries a call to the host, of ``print``, of a logger, or one that makes a string, which
    ``target`` then stands for; ``site`` counts them."""

    site: int
    value: Expr
    target: Local | None = None


@dataclass(frozen=True, slots=True)
class Carry(Stmt):
    """Writes down the items that a container has now, for a ``Print`` to come."""

    target: Local
    place: Expr


@dataclass(frozen=True, slots=True)
class Evaluate(Stmt):
    """Evaluates for the errors it may raise."""

    value: Expr


# --- the whole -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function(Node):
    """A plain Python function, specialised for the types of its parameters."""

    name: str
    python_name: str
    parameters: tuple[Local, ...]
    result: Type
    body: Block
    effects: bool
    changes: tuple[str, ...] = ()
    """Names of the parameters whose message or container it changes: the caller's own."""


@dataclass(frozen=True, slots=True)
class Kernel(Node):
    """An actor: ``state`` lives between turns."""

    name: str
    state: tuple[Local, ...]
    inputs: tuple[type, ...]
    outputs: tuple[type, ...]
    turn: Block
    functions: tuple[Function, ...]
    errors: tuple[tuple[int, type[BaseException], str | None], ...]
    """Exceptions that ``raise`` names: code, class, and text where it is always the same."""
    prints: tuple[Site, ...] = field(default=(), compare=False, repr=False)
    headers: tuple[HeaderSite, ...] = ()
    """What the actor puts into the headers of what it sends."""
    header_reads: tuple[str, ...] = ()
    """What it reads of the headers of what it receives."""
    constants: tuple[tuple[Callable[[], Any], Any], ...] = field(
        default=(), compare=False, repr=False
    )
    """What the build read from modules and closures: how to read it again, and what it was."""
    breaks: tuple[Diagnostic, ...] = ()
    """The problems of its ``Interpret``, each once, in the order of the file."""
    key: KeyLayout | None = None
    """Of a population: the key of its messages."""

    @property
    def is_headed(self) -> bool:
        """Whether it has to do with headers, so that slots have them."""
        return bool(self.headers or self.header_reads)


_CHILD_FIELDS: dict[type[Node], tuple[str, ...]] = {}


def child_fields(cls: type[Node]) -> tuple[str, ...]:
    """The fields of a class that may hold nodes, in evaluation order."""
    known = _CHILD_FIELDS.get(cls)
    if known is None:
        plain = {"loc", "type", "code", "header", "classes", "primitive"}
        known = tuple(part.name for part in fields(cls) if part.name not in plain)
        _CHILD_FIELDS[cls] = known
    return known


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below ``node``, in evaluation order."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def walk(*nodes: Node) -> Iterator[Node]:
    """``nodes`` and everything below them, parents first."""
    waiting = [*reversed(nodes)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [*children(node)][::-1]


def files(kernel: Kernel) -> tuple[str, ...]:
    """The Python files of a kernel and its functions; the actor's is first."""
    return tuple(dict.fromkeys([kernel.loc.file, *(f.loc.file for f in kernel.functions)]))


def none(loc: Location) -> Const:
    """Python's ``None``."""
    return Const(loc, NONE, None)
