"""The receive loop: where an actor is cut, and what lives from turn to turn.

This is the only file that knows what a receive loop looks like.

Input: a ``FunctionSource``.  Output: an ``ActorShape``::

    async def counter(ctx):
        count = 0                                   # prologue
        while not ctx.should_terminate:             # loop: one round is one turn
            msg = await ctx.receive(timeout=0.1)
            count += msg.value                      # count is state
            await ctx.send(Count(count))
        print("done", count)                        # epilogue

A turn handles at most one message: on each way through the loop at most one ``receive`` runs, and
nothing that can be seen from outside happens before it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from pydotcompute.compiler.diagnostics.diagnostic import Diagnostics
from pydotcompute.compiler.frontend.effect_order import check_turn
from pydotcompute.compiler.frontend.liveness import Liveness
from pydotcompute.compiler.frontend.names import bound_names, parameters, read_names, walk_scope
from pydotcompute.compiler.frontend.source import FunctionSource, awaited_method
from pydotcompute.compiler.frontend.timeout_visibility import catches_timeout, is_silent


@dataclass(frozen=True)
class ActorShape:
    """An actor, cut at its loop.

    Args:
        source: the actor.
        ctx: the name of the context parameter.
        prologue: the statements before the loop.
        loop: the receive loop.  Its ``orelse`` belongs to the epilogue: a loop that has one has no
            ``break``.
        epilogue: the statements after the loop, ``loop.orelse`` first.
        state_names: whose value is needed in a later turn or in the epilogue, in the order of
            their first binding.
        loop_only_state: those of ``state_names`` that only the loop binds; they may be unbound.
        silent_timeout: whether the time-out of an empty ``receive`` has no visible effect.
        receives: the ``await ctx.receive(...)`` of the loop, in the order of the text.
    """

    source: FunctionSource
    ctx: str
    prologue: tuple[ast.stmt, ...]
    loop: ast.While
    epilogue: tuple[ast.stmt, ...]
    state_names: tuple[str, ...]
    loop_only_state: tuple[str, ...]
    silent_timeout: bool
    receives: tuple[ast.Await, ...]

    @property
    def receive(self) -> ast.Await:
        """The first ``receive`` of the loop."""
        return self.receives[0]

    @property
    def receives_first(self) -> bool:
        """Whether a turn changes nothing before it waits for its message."""
        return not any(
            isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
            or (isinstance(node, ast.Call) and self.ctx not in read_names(node.func))
            for node in walk_scope(self._before_receive())
        )

    @property
    def waits_first(self) -> frozenset[int]:
        """The lines of the ``ctx.wait_active()`` at which a turn that has changed nothing waits."""
        if not self.receives_first:
            return frozenset()
        return frozenset(
            line
            for node in walk_scope(self._before_receive())
            if isinstance(node, ast.Await) and awaited_method(node, self.ctx) == "wait_active"
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        )

    def _before_receive(self) -> list[ast.AST]:
        """What comes before the first ``receive``: whole statements, and tests around it."""
        before: list[ast.AST] = [self.loop.test]
        block = self.loop.body
        while block:
            at = next(n for n, each in enumerate(block) if self.receive in walk_scope([each]))
            before += block[:at]
            waits = block[at]
            if isinstance(waits, ast.If | ast.While):
                before.append(waits.test)
            inside = (getattr(waits, name, []) for name in ("body", "orelse", "finalbody"))
            block = next((each for each in inside if self.receive in walk_scope(each)), [])
        return before


def find_shape(source: FunctionSource) -> ActorShape:
    """Finds the receive loop of an actor and cuts the actor there.

    Raises:
        DiagnosticError: the function has no receive loop that can be cut out; every problem found
            is listed (PDC010 to PDC019, PDC026).
    """
    problems = Diagnostics(source)
    ctx = _context_parameter(source, problems)
    index = _find_loop(source, ctx, problems)
    body = source.node.body
    loop = body[index]
    assert isinstance(loop, ast.While)
    prologue, after = body[:index], body[index + 1 :]
    if prologue and _is_docstring(prologue[0]):
        prologue = prologue[1:]
    _check_else(source, loop, problems)
    _check_context_kept(source, ctx, problems)
    epilogue = [*loop.orelse, *after]
    _check_closures(source, prologue, [loop, *after], problems)
    check_turn(source, ctx, loop, problems)
    problems.raise_if_any()
    return _shape(source, ctx, prologue, loop, epilogue, after)


def _shape(
    source: FunctionSource,
    ctx: str,
    prologue: list[ast.stmt],
    loop: ast.While,
    epilogue: list[ast.stmt],
    after: list[ast.stmt],
) -> ActorShape:
    liveness = Liveness(ctx, lambda handler: catches_timeout(source, handler))
    before = {arg.arg for arg in parameters(source.node.args)} | set(bound_names(prologue))
    in_loop = set(bound_names([loop.test, *loop.body]))
    live = liveness.at_head(loop, after) | liveness.before(epilogue)
    known = (source.local_names - {ctx}) & (before | in_loop)
    state = tuple(name for name in _binding_order(source) if name in known and name in live)
    return ActorShape(
        source=source,
        ctx=ctx,
        prologue=tuple(prologue),
        loop=loop,
        epilogue=tuple(epilogue),
        state_names=state,
        loop_only_state=tuple(name for name in state if name not in before),
        silent_timeout=is_silent(source, ctx, loop, frozenset(state)),
        receives=tuple(_receives([loop.test, *loop.body], ctx)),
    )


# --- the parts -----------------------------------------------------------------------------------


def _context_parameter(source: FunctionSource, problems: Diagnostics) -> str:
    """The name of the first parameter; others need a default."""
    node, args = source.node, source.node.args
    hint = "write `async def actor(ctx):`"
    positional = [*args.posonlyargs, *args.args]
    if not isinstance(node, ast.AsyncFunctionDef):
        message = f"`{source.name}` is a plain `def`; an actor is an `async def`"
        problems.error("PDC010", source.header(), message, hint=hint)
    for child in walk_scope(node.body):
        if isinstance(child, ast.Yield | ast.YieldFrom):
            message = f"`yield` makes `{source.name}` a generator; an actor is a coroutine"
            problems.error("PDC010", child, message, hint="send with `await ctx.send(...)`")
            break
    needed = len(positional) - len(args.defaults) + sum(d is None for d in args.kw_defaults)
    if not positional or needed > 1:
        message = f"an actor is called with one argument, the context; `{source.name}` takes "
        message += "none" if not positional else str(needed)
        problems.error("PDC010", source.header(), message, hint=hint)
    problems.raise_if_any()
    return positional[0].arg


def _find_loop(source: FunctionSource, ctx: str, problems: Diagnostics) -> int:
    """The index of the receive loop in the function's body."""
    body = source.node.body
    found = [
        index
        for index, node in enumerate(body)
        if isinstance(node, ast.While) and _receives([node.test, *node.body], ctx)
    ]
    if not found:
        _explain_missing_loop(source, ctx, problems)
        problems.raise_if_any()
    loop = body[found[0]]
    inside = _receives([loop.test, *loop.body], ctx)  # type: ignore[attr-defined]
    later = {id(node) for i in found[1:] for node in _receives([body[i]], ctx)}
    for node in _receives(body, ctx):
        if id(node) in later:
            problems.error(
                "PDC016", node, "a second receive loop",
                notes=[f"the receive loop is the `while` in line {loop.lineno}"],
                hint="use one loop, and a variable that says what to do next",
            )  # fmt: skip
        elif node not in inside:
            problems.error(
                "PDC013", node, "`receive` outside the receive loop",
                notes=[f"the receive loop is the `while` in line {loop.lineno}"],
                hint="receive in the loop, and let a variable say whether the message is the first",
            )  # fmt: skip
    return found[0]


def _explain_missing_loop(source: FunctionSource, ctx: str, problems: Diagnostics) -> None:
    body = source.node.body
    hint = f"write `while not {ctx}.should_terminate:` with `await {ctx}.receive()` in it"
    receives = _receives(body, ctx)
    if not receives:
        message = f"`{source.name}` has no receive loop"
        wrapped = next((n for n in walk_scope(body) if _is_call(n, ctx, "receive")), None)
        if wrapped is not None:
            message = "`receive` is given to something else that awaits it"
            hint = f"write `await {ctx}.receive(timeout=...)`, which raises TimeoutError"
        problems.error("PDC011", wrapped or source.header(), message, hint=hint)
        return
    outer = next(node for node in body if _receives([node], ctx))
    for node in walk_scope([outer]):
        if isinstance(node, ast.While) and node is not outer and _receives([node], ctx):
            problems.error(
                "PDC017", source.head(node),
                f"the receive loop stands inside {_spelled(outer)}",
                notes=["the actor is cut at its loop, so nothing may stand around it"],
                hint="put the loop at the top level of the function, and what must happen at the "
                "end after it",
            )  # fmt: skip
            return
    if isinstance(outer, ast.For | ast.AsyncFor):
        message = "the receive loop is a `for`; it must be a `while`"
        problems.error("PDC011", source.head(outer), message, hint=hint)
        return
    message = f"`{source.name}` has no receive loop: it receives only once"
    problems.error("PDC011", receives[0], message, hint=hint)


def _is_call(node: ast.AST, owner: str, attr: str) -> bool:
    """Whether a node is ``owner.attr(...)``, awaited or not."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=found)):
            return (name, found) == (owner, attr)
    return False


def _spelled(node: ast.AST) -> str:
    """A statement by its keyword: `` `try` ``, `` `async with` ``."""
    name = type(node).__name__.removesuffix("Star")
    return f"`async {name[5:].lower()}`" if name.startswith("Async") else f"`{name.lower()}`"


def _receives(nodes: Iterable[ast.AST], ctx: str) -> list[ast.Await]:
    return [
        node
        for node in walk_scope(nodes)
        if isinstance(node, ast.Await) and awaited_method(node, ctx) == "receive"
    ]


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _binding_order(source: FunctionSource) -> list[str]:
    """The function's own names in the order in which the text binds them, parameters first."""
    places = {arg.arg: (0, index) for index, arg in enumerate(parameters(source.node.args))}
    for name, node in bound_names(source.node.body).items():
        line = getattr(node, "lineno", 0)
        places.setdefault(name, (line, getattr(node, "col_offset", 0)))
    return sorted(places, key=places.__getitem__)


# --- what must not be ----------------------------------------------------------------------------


def _check_else(source: FunctionSource, loop: ast.While, problems: Diagnostics) -> None:
    """``else`` is taken as the head of the epilogue, which is wrong if the loop may ``break``."""
    if loop.orelse and (found := _break_of(loop.body)) is not None:
        problems.error(
            "PDC026", found, "`break` in a receive loop that has an `else`",
            notes=[f"the `else` of the `while` in line {loop.lineno} would depend on how it ends"],
            hint="drop the `else`, and test a variable after the loop",
        )  # fmt: skip


def _break_of(statements: Iterable[ast.AST]) -> ast.Break | None:
    """A ``break`` that belongs to the loop around ``statements``."""
    for node in statements:
        if isinstance(node, ast.Break):
            return node
        inner = ast.iter_child_nodes(node)
        if isinstance(node, ast.While | ast.For | ast.AsyncFor):
            inner = iter(node.orelse)
        elif not isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = _break_of(inner)
            if found is not None:
                return found
    return None


def _check_context_kept(source: FunctionSource, ctx: str, problems: Diagnostics) -> None:
    node = bound_names(source.node.body).get(ctx)
    if node is not None:
        problems.error(
            "PDC019", node, f"`{ctx}` is the context and must stay so",
            hint="choose another name",
        )  # fmt: skip


def _check_closures(
    source: FunctionSource,
    prologue: list[ast.stmt],
    rest: list[ast.stmt],
    problems: Diagnostics,
) -> None:
    """A nested function of the prologue keeps the prologue's variables, not the loop's."""
    changing = set(bound_names(rest))
    for node in walk_scope(prologue):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        nonlocals = {
            name for n in ast.walk(node) if isinstance(n, ast.Nonlocal) for name in n.names
        }
        shared = (read_names(node) & changing | nonlocals) & source.local_names
        if shared:
            name = min(shared)
            what = "a `lambda`" if isinstance(node, ast.Lambda) else f"`{node.name}`"
            problems.error(
                "PDC018", source.head(node) if isinstance(node, ast.stmt) else node,
                f"{what} shares the variable `{name}` with the loop",
                notes=["state is kept by name between turns, a nested function would not see it"],
                hint=f"pass `{name}` as an argument and return the new value",
            )  # fmt: skip
