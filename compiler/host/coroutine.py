"""The actor as coroutines: instrumented for the interpreter, and cut at its loop.

Input: a ``FunctionSource``, and its ``ActorShape`` where there is one.  Output: coroutine
functions made from the actor's own syntax tree, with its file name, line numbers, globals,
closure cells and names, so that tracebacks and ``frame.f_locals`` show what the user wrote.

Two things are changed (*instrumented*):

- ``except:`` and ``except BaseException:`` let the signals pass by which the runtime ends a
  coroutine; written out, ``except <signals>: raise`` comes before them;
- an exit signal that leaves a loop ends that loop, as if its condition had become false.

``split`` makes the parts that run around compiled code::

    prologue(ctx) -> {"count": 0}      then compiled code runs the loop
    resume(ctx, {"count": 7})          the loop from there on, and the epilogue
    turns(ctx, {"count": 7}, at_head)  the same, until ``at_head`` ends it between two messages
    epilogue(ctx, {"count": 7})        only what follows the loop
"""

from __future__ import annotations

import ast
import copy
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Final, TypeVar

from pydotcompute.compiler.frontend.actor_shape import ActorShape
from pydotcompute.compiler.frontend.code_objects import compile_node
from pydotcompute.compiler.frontend.names import walk_scope
from pydotcompute.compiler.frontend.source import FunctionSource
from pydotcompute.compiler.types.missing import MISSING

Signals = tuple[type[BaseException], ...]
Part = Callable[..., Coroutine[Any, Any, Any]]
_Node = TypeVar("_Node", bound=ast.AST)


class Returned:
    """The type of ``RETURNED``."""

    def __repr__(self) -> str:
        return "RETURNED"


RETURNED: Final = Returned()
"""What a prologue returns that executed ``return``: the actor is over, without its loop."""


class TurnOver(BaseException):
    """Raised by the ``at_head`` of ``CoroutineParts.turns``: compiled code goes on from here."""


# The compiled text refers to objects of ours by constants that are exchanged after compilation:
# a global or a free variable would show in the user's namespace.  The names hold a character that
# no identifier can hold.
_EXITS, _SIGNALS, _UNBOUND, _RETURNED, _TURN_OVER = (
    f"\0pydotcompute {what}" for what in ("exits", "signals", "unbound", "returned", "turn over")
)
_STATE, _AT_HEAD = ".state", ".at_head"
_COMPLETED = ".completed"


@dataclass(frozen=True)
class CoroutineParts:
    """The coroutine functions of an actor.

    Args:
        whole: ``await whole(ctx)`` runs the actor from beginning to end.
        prologue: runs what precedes the loop, and returns a dict of every name bound so far
            (parameters with defaults included, the context left out), or ``RETURNED``.
        resume: ``await resume(ctx, state)`` runs the loop, then the epilogue.  Names that
            ``state`` lacks are unbound.
        turns: ``await turns(ctx, state, at_head)`` does the same, and calls ``at_head()`` before
            each round of the loop.  If that raises ``TurnOver``, it returns True, with the loop
            and the epilogue undone; else None.
        epilogue: ``await epilogue(ctx, state)`` runs what follows the loop, its ``else`` first.
    """

    whole: Part
    prologue: Part
    resume: Part
    turns: Part
    epilogue: Part


def instrument(source: FunctionSource, exit_signals: Signals) -> Part:
    """The whole actor, of any shape, ready to be ended by a signal.

    Args:
        source: the actor.
        exit_signals: what ``ctx.receive`` raises to end the actor's loop.  Cancellation and
            ``GeneratorExit`` also pass bare handlers, but end no loop.
    """
    body = _Rewrite(source, exit_signals).statements(source.node.body)
    return _with_defaults(source, _function(source, source.node.args, body, exit_signals))


def split(source: FunctionSource, shape: ActorShape, exit_signals: Signals) -> CoroutineParts:
    """Cuts an actor at its loop.

    Args:
        source: the actor.
        shape: what ``find_shape`` found.
        exit_signals: as for ``instrument``.
    """
    rewrite = _Rewrite(source, exit_signals)
    names = sorted(source.local_names - {shape.ctx})

    def part(args: ast.arguments, *blocks: Sequence[ast.stmt]) -> FunctionType:
        body = [statement for block in (_scope(source, names), *blocks) for statement in block]
        return _function(source, args, body, exit_signals)

    def cut(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        return _hoist(rewrite.statements(statements))

    # The rewritten loop brings its ``else`` along, with which the epilogue begins.
    after = shape.epilogue[len(shape.loop.orelse) :]
    with_state = _parameters(shape.ctx, _STATE)
    restore = _restore(source, names)
    prologue = part(source.node.args, _returns(cut(shape.prologue)), _collect(source, names))
    args = _parameters(shape.ctx, _STATE, _AT_HEAD)
    turns = part(args, restore, _until_turn_over(cut([_watched(shape.loop)])), cut(after))
    return CoroutineParts(
        whole=instrument(source, exit_signals),
        prologue=_with_defaults(source, prologue),
        resume=part(with_state, restore, cut([shape.loop]), cut(after)),
        turns=turns,
        epilogue=part(with_state, restore, cut(shape.epilogue)),
    )


def _with_defaults(source: FunctionSource, made: FunctionType) -> FunctionType:
    made.__defaults__ = source.function.__defaults__
    made.__kwdefaults__ = source.function.__kwdefaults__
    return made


# --- instrumenting -------------------------------------------------------------------------------


class _Rewrite(ast.NodeTransformer):
    """Makes handlers transparent to signals, and lets exit signals end the outermost loops."""

    def __init__(self, source: FunctionSource, exit_signals: Signals) -> None:
        self._source = source
        self._signals = _transparent(exit_signals)
        self._depth = 0

    def statements(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        """Rewritten copies."""
        out: list[ast.stmt] = []
        for statement in statements:
            made = self.visit(copy.deepcopy(statement))
            out += made if isinstance(made, list) else [made]
        return out

    def visit_Try(self, node: ast.Try) -> ast.Try:
        self.generic_visit(node)
        handlers: list[ast.ExceptHandler] = []
        for handler in node.handlers:
            if self._catches_signals(handler):
                handlers.append(_handler(_SIGNALS, ast.Raise(), handler))
            handlers.append(handler)
        node.handlers = handlers
        return node

    def _catches_signals(self, handler: ast.ExceptHandler) -> bool:
        """Whether it catches a signal that it does not name (or if that cannot be told)."""
        if handler.type is None:
            return True
        value = self._source.resolve(handler.type)
        if value is MISSING:
            return True
        classes = value if isinstance(value, tuple) else (value,)
        return any(
            isinstance(cls, type) and cls is not signal and issubclass(signal, cls)
            for cls in classes
            for signal in self._signals
        )

    def visit_While(self, node: ast.While) -> ast.stmt | list[ast.stmt]:
        return self._loop(node)

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        return self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt | list[ast.stmt]:
        return self._loop(node)

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor) -> ast.stmt | list[ast.stmt]:
        outermost = self._depth == 0
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        waits = (ast.Await, ast.AsyncFor, ast.AsyncWith)
        if outermost and any(isinstance(child, waits) for child in walk_scope([node])):
            return _ended_by_signal(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node  # cannot await, so no signal is raised in it

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        self._depth += 1  # its loops end with the call, which the actor's own loop sees
        self.generic_visit(node)
        self._depth -= 1
        return node


def _transparent(exit_signals: Signals) -> Signals:
    return tuple(dict.fromkeys((*exit_signals, CancelledError, GeneratorExit)))


def _ended_by_signal(loop: ast.While | ast.For | ast.AsyncFor) -> list[ast.stmt]:
    """The loop in a ``try``; then its ``else``, outside so that no exception is its context."""
    orelse, loop.orelse = loop.orelse, []
    caught: list[ast.stmt] = [ast.Pass()]
    out: list[ast.stmt] = []
    if orelse:
        # ``else`` runs after a signal, too, and not after ``break``.
        out.append(_set_completed(False))
        loop.orelse = [_set_completed(True)]
        caught = [_set_completed(True)]
    handler = _handler(_EXITS, caught[0], loop)
    out.append(ast.Try(body=[loop], handlers=[handler], orelse=[], finalbody=[]))
    if orelse:
        test = ast.Name(id=_COMPLETED, ctx=ast.Load())
        out.append(ast.If(test=test, body=orelse, orelse=[]))
    return [_placed(node, loop) for node in out]


def _set_completed(value: bool) -> ast.stmt:
    target = ast.Name(id=_COMPLETED, ctx=ast.Store())
    return ast.Assign(targets=[target], value=ast.Constant(value=value))


def _handler(what: str, body: ast.stmt, at: ast.AST) -> ast.ExceptHandler:
    made = ast.ExceptHandler(type=ast.Constant(value=what), name=None, body=[body])
    return _placed(made, at)


def _placed(node: _Node, at: ast.AST) -> _Node:
    """``node`` with the place of ``at`` wherever it has none of its own."""
    for child in ast.walk(node):
        if "lineno" in child._attributes and not hasattr(child, "lineno"):
            ast.copy_location(child, at)
    return node


# --- cutting -------------------------------------------------------------------------------------


def _scope(source: FunctionSource, names: Sequence[str]) -> list[ast.stmt]:
    """What makes every name mean in a part what it means in the whole function.

    A name is local to a part, even if the part only reads it, and ``global`` and ``nonlocal``
    declarations hold wherever they stood.
    """
    declarations = (ast.Global, ast.Nonlocal)
    out: list[ast.stmt] = []
    for kind in declarations:
        found = [node for node in walk_scope(source.node.body) if isinstance(node, kind)]
        if declared := sorted({name for node in found for name in node.names}):
            out.append(kind(names=declared))
    if names:
        targets: list[ast.expr] = [ast.Name(id=name, ctx=ast.Store()) for name in names]
        never = ast.Assign(targets=targets, value=ast.Constant(value=None))
        out.append(ast.If(test=ast.Constant(value=False), body=[never], orelse=[]))
    return [_placed(node, source.node) for node in out]


def _hoist(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements without their scope declarations, which ``_scope`` has put in front."""

    class Hoist(_OwnScope):
        def visit_Global(self, node: ast.Global) -> ast.stmt:
            return ast.copy_location(ast.Pass(), node)

        def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.stmt:
            return ast.copy_location(ast.Pass(), node)

    return [Hoist().visit(statement) for statement in statements]


def _returns(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """A prologue's statements, whose ``return`` says so."""

    class Returns(_OwnScope):
        def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
            made: list[ast.stmt] = [ast.Return(value=ast.Constant(value=_RETURNED))]
            if node.value is not None:
                made.insert(0, ast.Expr(value=node.value))
            return [_placed(statement, node) for statement in made]

    out: list[ast.stmt] = []
    for statement in statements:
        made = Returns().visit(statement)
        out += made if isinstance(made, list) else [made]
    return out


class _OwnScope(ast.NodeTransformer):
    """A transformer that leaves nested functions and classes alone."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            return node
        return super().visit(node)


def _state(context: ast.expr_context) -> ast.Name:
    return ast.Name(id=_STATE, ctx=context)


def _entry(name: str, context: ast.expr_context) -> ast.Subscript:
    """``.state["name"]``."""
    return ast.Subscript(value=_state(ast.Load()), slice=ast.Constant(value=name), ctx=context)


def _collect(source: FunctionSource, names: Sequence[str]) -> list[ast.stmt]:
    """Returns a dict of the names that are bound."""
    out: list[ast.stmt] = [
        ast.Assign(targets=[_state(ast.Store())], value=ast.Dict(keys=[], values=[]))
    ]
    for name in names:
        value = ast.Name(id=name, ctx=ast.Load())
        store = ast.Assign(targets=[_entry(name, ast.Store())], value=value)
        unbound = _handler(_UNBOUND, ast.Pass(), source.node)
        out.append(ast.Try(body=[store], handlers=[unbound], orelse=[], finalbody=[]))
    out.append(ast.Return(value=_state(ast.Load())))
    return [_placed(node, source.node) for node in out]


def _restore(source: FunctionSource, names: Sequence[str]) -> list[ast.stmt]:
    """Binds the names that are in the dict, which is then gone: it is no local of the user's."""
    out: list[ast.stmt] = []
    for name in names:
        test = ast.Compare(
            left=ast.Constant(value=name), ops=[ast.In()], comparators=[_state(ast.Load())]
        )
        target = ast.Name(id=name, ctx=ast.Store())
        bind = ast.Assign(targets=[target], value=_entry(name, ast.Load()))
        out.append(ast.If(test=test, body=[bind], orelse=[]))
    out.append(ast.Delete(targets=[_state(ast.Del())]))
    return [_placed(node, source.node) for node in out]


def _watched(loop: ast.While) -> ast.While:
    """The loop, which calls ``.at_head`` before each round."""
    call = ast.Call(func=ast.Name(id=_AT_HEAD, ctx=ast.Load()), args=[], keywords=[])
    watched = copy.copy(loop)
    watched.test = ast.BoolOp(op=ast.And(), values=[call, loop.test])
    return _placed(watched, loop)


def _until_turn_over(loop: list[ast.stmt]) -> list[ast.stmt]:
    """The loop, and a return where ``TurnOver`` ends it."""
    returns: list[ast.stmt] = [ast.Return(value=ast.Constant(value=True))]
    handler = ast.ExceptHandler(type=ast.Constant(value=_TURN_OVER), name=None, body=returns)
    made = ast.Try(body=loop, handlers=[handler], orelse=[], finalbody=[])
    return [_placed(made, loop[0])]


def _parameters(*names: str) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=name) for name in names], vararg=None, kwonlyargs=[],
        kw_defaults=[], kwarg=None, defaults=[],
    )  # fmt: skip


# --- compiling -----------------------------------------------------------------------------------


def _function(
    source: FunctionSource,
    args: ast.arguments,
    body: list[ast.stmt],
    exit_signals: Signals,
) -> FunctionType:
    """A coroutine function that stands where the actor stands, with another body."""
    original = source.function
    node = copy.copy(source.node)
    node.args, node.body = args, body or [_placed(ast.Pass(), source.node)]
    ending = tuple(s for s in exit_signals if not issubclass(s, CancelledError | GeneratorExit))
    code = _exchange(
        compile_node(original, node),
        {
            _EXITS: ending,
            _SIGNALS: _transparent(exit_signals),
            _UNBOUND: NameError,
            _RETURNED: RETURNED,
            _TURN_OVER: TurnOver,
        },
    )
    cells = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(code, original.__globals__, original.__name__, None, closure)
    made.__qualname__, made.__module__ = original.__qualname__, original.__module__
    return made


def _exchange(code: CodeType, objects: Mapping[str, Any]) -> CodeType:
    """The code with placeholders among its constants exchanged for objects, nested code too."""
    return code.replace(
        co_consts=tuple(
            _exchange(value, objects)
            if isinstance(value, CodeType)
            else objects.get(value, value)
            if isinstance(value, str)
            else value
            for value in code.co_consts
        )
    )
