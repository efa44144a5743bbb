"""The IR interpreted in Python: the living definition of what generated code must do.

In: an ``ir.Kernel``, a state, messages.  Out: the outputs and the state after each turn, as the
compiled code has them.  It is slow and plain on purpose: tests hold the coroutine, this, and the
native library against each other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.dispatch import NodeMethod
from pydotcompute.compiler.ir.effects import root_of
from pydotcompute.compiler.ops.containers import (
    APPEND,
    APPENDLEFT,
    ASSIGN,
    empty,
    may_fill,
    room_of,
)
from pydotcompute.compiler.ops.primitive import Deoptimise
from pydotcompute.compiler.ops.texts import ERROR_TEXT
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.storage import is_of
from pydotcompute.compiler.types.types import (
    CONTAINERS,
    MISSING_VALUE,
    UNBOUND,
    ListType,
    MessageType,
    ScalarType,
)


@dataclass
class Outcome:
    """How a run ended.

    Args:
        status: ``"idle"``, ``"left"``, ``"returned"``, ``"failed"`` or ``"deoptimise"``.
        outputs: messages sent by committed turns.
        printed: site and values of what they printed.
        state: the state after the last committed turn.
        handled: messages consumed by committed turns.
        error: the exception of a failed turn.
    """

    status: str
    outputs: list[Any] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    handled: int = 0
    printed: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
    error: BaseException | None = None


class _Jump(Exception):
    """Control flow: ``break``, ``continue``, the end of a turn or a function."""

    def __init__(self, kind: str, value: Any = None) -> None:
        self.kind = kind
        self.value = value


_TEXT = "__text"
"""Where an exception that the kernel itself raises has its text, None if that varies."""


def _text_of(error: BaseException) -> str:
    text = error.__dict__.get(_TEXT, str(error))
    if text is None:
        raise Deoptimise("the text of an exception")
    return str(text)


def _name_of(place: ir.Expr) -> str:
    root = root_of(place)
    assert root is not None
    return root.name


class _Idle(Exception):
    """``receive`` finds no message and no time-out to raise."""


def evaluate(kernel: ir.Kernel, state: Mapping[str, Any], messages: Sequence[Any], *,
             timeout_at_end: bool = False, terminating: bool = False,
             queue_timeout: type[Exception] = TimeoutError,
             key: Any = None) -> Outcome:  # fmt: skip
    """Runs a kernel over messages.

    Args:
        kernel: the actor.
        state: its variables before the first turn; missing ones are not bound.
        messages: what arrives, in order.
        timeout_at_end: whether the receive after the last message raises a time-out, once.
        terminating: what ``ctx.should_terminate`` is once messages and time-out are used up.
        queue_timeout: the class of that time-out.
        key: what ``ctx.key`` is, of a population.
    """
    turn = _Turn(kernel, dict(state), list(messages), timeout_at_end, terminating, queue_timeout)
    turn.key = key
    outcome = Outcome("idle", state=dict(state))
    while True:
        try:
            kind = turn.run()
        except _Idle:
            return outcome
        except Deoptimise as error:
            outcome.status, outcome.error = "deoptimise", error
            return outcome
        except Exception as error:
            outcome.status, outcome.error = "failed", error
            return outcome
        outcome.state = turn.commit(outcome)
        if kind != "end":
            outcome.status = kind
            return outcome


class _Turn:
    """One turn at a time, on a copy of the state."""

    def __init__(self, kernel: ir.Kernel, state: dict[str, Any], messages: list[Any],
                 timeout_at_end: bool, terminating: bool,
                 queue_timeout: type[Exception]) -> None:  # fmt: skip
        self.kernel = kernel
        self.state = state
        self.messages = messages
        self.timeout_left = timeout_at_end
        self.terminating = terminating
        self.queue_timeout = queue_timeout
        self.functions = {f.name: f for f in kernel.functions}
        self.raised = {code: cls for code, cls, _ in kernel.errors}
        self.texts = {code: text for code, _, text in kernel.errors}
        self.variables: dict[str, Any] = {}
        self.key: Any = None
        self.outputs: list[Any] = []
        self.printed: list[tuple[int, tuple[Any, ...]]] = []
        self.taken = 0
        self.caught: list[BaseException] = []

    def run(self) -> str:
        """One turn; how it ended."""
        self.variables = {
            local.name: copy.deepcopy(self.state.get(local.name, MISSING_VALUE))
            if isinstance(local.type, CONTAINERS)
            else self.state.get(local.name, MISSING_VALUE)
            for local in self.kernel.state
        }
        self.outputs, self.printed, self.taken, self.caught = [], [], 0, []
        try:
            self.block(self.kernel.turn)
        except _Jump as jump:
            return jump.kind
        raise AssertionError("a turn without an end")

    def commit(self, outcome: Outcome) -> dict[str, Any]:
        """Makes the turn's changes the state."""
        outcome.outputs += self.outputs
        outcome.printed += self.printed
        outcome.handled += self.taken
        del self.messages[: self.taken]
        self.state = {
            local.name: self.variables[local.name]
            for local in self.kernel.state
            if self.variables[local.name] is not MISSING_VALUE
        }
        return dict(self.state)

    # --- statements ------------------------------------------------------------------------------

    def block(self, nodes: ir.Block) -> None:
        """Statements in order."""
        for node in nodes:
            self.stmt(node)

    @NodeMethod
    def stmt(self, node: ir.Stmt) -> None:
        """Does one statement."""
        raise AssertionError(f"no meaning for {type(node).__name__}")

    @stmt.register
    def _(self, node: ir.Assign) -> None:
        self.variables[node.target.name] = self.expr(node.value)

    @stmt.register
    def _(self, node: ir.SetField) -> None:
        value = self.expr(node.value)
        changed = copy.copy(self.expr(node.target))
        object.__setattr__(changed, node.name, value)
        self.variables[_name_of(node.target)] = changed

    @stmt.register
    def _(self, node: ir.Evaluate) -> None:
        self.expr(node.value)

    @stmt.register
    def _(self, node: ir.Fresh) -> None:
        self.variables[node.target.name] = empty(node.target.type)

    @stmt.register
    def _(self, node: ir.Mutate) -> None:
        place, *args = (self.expr(arg) for arg in node.args)
        local = node.args[0]
        full = may_fill(local.type) and len(place) >= room_of(local.type)
        if node.primitive == ASSIGN and isinstance(local.type, ListType):
            full = len(args[0]) > local.type.capacity
        if node.primitive in (APPEND, APPENDLEFT, ASSIGN) and full:
            raise Deoptimise("more items than the compiled code has room for")
        value = node.primitive.python(place, *args)
        if node.target is not None:
            self.variables[node.target.name] = value

    @stmt.register
    def _(self, node: ir.Print) -> None:
        values = self.expr(node.value)
        if node.target is None:
            self.printed.append((node.site, values))
        else:
            self.variables[node.target.name] = self.kernel.prints[node.site].call(values)

    @stmt.register
    def _(self, node: ir.Carry) -> None:
        self.variables[node.target.name] = copy.deepcopy(self.expr(node.place))

    @stmt.register
    def _(self, node: ir.Receive) -> None:
        if node.timeout is not None:
            self.expr(node.timeout)
        if self.messages:
            self.taken = 1
            self.variables[node.target.name] = self.messages[0]
        elif node.timeout is not None and self.timeout_left:
            self.timeout_left = False
            raise self.queue_timeout
        else:
            raise _Idle

    @stmt.register
    def _(self, node: ir.Send) -> None:
        self.outputs.append(self.expr(node.value))

    @stmt.register
    def _(self, node: ir.If) -> None:
        self.block(node.body if self.expr(node.test) else node.orelse)

    @stmt.register
    def _(self, node: ir.While) -> None:
        while True:
            self.block(node.setup)
            if not self.expr(node.test):
                self.block(node.orelse)
                return
            if not self._body(node.body):
                return

    @stmt.register
    def _(self, node: ir.For) -> None:
        bounds = [self.expr(part) for part in (node.start, node.stop, node.step)]
        for value in range(*bounds):
            self.variables[node.target.name] = value
            if not self._body(node.body):
                return
        self.block(node.orelse)

    def _body(self, body: ir.Block) -> bool:
        """One round of a loop; False after ``break``."""
        try:
            self.block(body)
        except _Jump as jump:
            if jump.kind not in ("break", "continue"):
                raise
            return jump.kind == "continue"
        return True

    @stmt.register
    def _(self, node: ir.Break) -> None:
        raise _Jump("break")

    @stmt.register
    def _(self, node: ir.Continue) -> None:
        raise _Jump("continue")

    @stmt.register
    def _(self, node: ir.EndTurn) -> None:
        raise _Jump("end")

    @stmt.register
    def _(self, node: ir.Leave) -> None:
        raise _Jump("left")

    @stmt.register
    def _(self, node: ir.Return) -> None:
        if node.value is None:
            raise _Jump("returned")
        raise _Jump("value", self.expr(node.value))

    @stmt.register
    def _(self, node: ir.Raise) -> None:
        if node.code is None:
            raise self.caught[-1]
        raise self._exception(node.code)

    @stmt.register
    def _(self, node: ir.Interpret) -> None:
        raise Deoptimise(node.problem.message)

    def _exception(self, code: int) -> BaseException:
        from pydotcompute.compiler.ops.error_codes import describe

        cls = self.raised.get(code) or describe(code).exception or Exception
        error = cls.__new__(cls)
        error.__dict__[_TEXT] = self.texts.get(code)
        return error

    @stmt.register
    def _(self, node: ir.Try) -> None:
        try:
            self.block(node.body)
        except (_Jump, _Idle, Deoptimise):
            raise
        except Exception as error:
            for handler in node.handlers:
                if handler.classes is None or isinstance(error, handler.classes):
                    if handler.name is not None:
                        self.variables[handler.name.name] = error
                    self.caught.append(error)
                    try:
                        self.block(handler.body)
                    finally:
                        self.caught.pop()
                    return
            raise
        self.block(node.orelse)

    # --- expressions -----------------------------------------------------------------------------

    @NodeMethod
    def expr(self, node: ir.Expr) -> Any:
        """The value of an expression."""
        raise AssertionError(f"no meaning for {type(node).__name__}")

    @expr.register
    def _(self, node: ir.Const) -> Any:
        return MISSING_VALUE if node.type == UNBOUND else node.value

    @expr.register
    def _(self, node: ir.Local) -> Any:
        return self.variables[node.name]

    @expr.register
    def _(self, node: ir.Field) -> Any:
        return getattr(self.expr(node.base), node.name)

    @expr.register
    def _(self, node: ir.Op) -> Any:
        if node.primitive == ERROR_TEXT:
            return _text_of(self.expr(node.args[0]))
        result = node.primitive.python(*[self.expr(arg) for arg in node.args])
        return node.type.dtype.type(result) if isinstance(node.type, ScalarType) else result

    @expr.register
    def _(self, node: ir.Call) -> Any:
        function = self.functions[node.function]
        values = [self.expr(arg) for arg in node.args]
        outer, caught = self.variables, self.caught
        self.variables = {p.name: v for p, v in zip(function.parameters, values, strict=True)}
        self.caught = []
        try:
            self.block(function.body)
        except _Jump as jump:
            return jump.value
        finally:
            for place, parameter in zip(node.args, function.parameters, strict=True):
                if parameter.name in function.changes and isinstance(place.type, MessageType):
                    outer[_name_of(place)] = self.variables[parameter.name]
            self.variables, self.caught = outer, caught
        raise AssertionError("a function without an end")

    @expr.register
    def _(self, node: ir.And) -> Any:
        return self.expr(node.left) and self.expr(node.right)

    @expr.register
    def _(self, node: ir.Or) -> Any:
        return self.expr(node.left) or self.expr(node.right)

    @expr.register
    def _(self, node: ir.IsError) -> Any:
        return isinstance(self.expr(node.base), node.classes)

    @expr.register
    def _(self, node: ir.Table) -> Any:
        return node.values[self.expr(node.index)]

    @expr.register
    def _(self, node: ir.Cond) -> Any:
        return self.expr(node.then if self.expr(node.test) else node.orelse)

    @expr.register
    def _(self, node: ir.New) -> Any:
        assert isinstance(node.type, MessageType)
        message: Any = object.__new__(node.type.cls)
        for part, arg in zip(schema_of(node.type.cls).fields, node.args, strict=True):
            object.__setattr__(message, part.name, self.expr(arg))
        return message

    @expr.register
    def _(self, node: ir.Tuple) -> Any:
        return tuple(self.expr(item) for item in node.items)

    @expr.register
    def _(self, node: ir.Item) -> Any:
        return self.expr(node.base)[node.index]

    @expr.register
    def _(self, node: ir.Is) -> Any:
        value = self.expr(node.base)
        if value is MISSING_VALUE:
            return node.member == UNBOUND
        return is_of(value, node.member)

    @expr.register
    def _(self, node: ir.As) -> Any:
        return self.expr(node.base)

    @expr.register
    def _(self, node: ir.Wrap) -> Any:
        return self.expr(node.value)

    @expr.register
    def _(self, node: ir.Context) -> Any:
        if node.what == "key":
            return self.key
        return self.terminating and not self.messages and not self.timeout_left

    @expr.register
    def _(self, node: ir.InHand) -> Any:
        message = self.messages[0]
        if node.part == "correlated":
            return message.correlation_id is not None
        return getattr(message, node.part)


__all__ = ["Outcome", "evaluate"]
