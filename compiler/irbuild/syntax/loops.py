"""Loops and jumps: built again until the types at the head and the exit are those expected."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from pydotcompute.compiler.frontend.container_mutation import mutated_names
from pydotcompute.compiler.frontend.names import bound_names
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.comprehensions import lazy_loop
from pydotcompute.compiler.irbuild.containers.iteration import Run, is_range, range_bounds, run_over
from pydotcompute.compiler.irbuild.containers.mutation_guards import look
from pydotcompute.compiler.irbuild.core.attempts import MAX_PASSES, Snapshot
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.facts import LoopFacts
from pydotcompute.compiler.irbuild.core.loop_types import (
    is_exit,
    is_head,
    leads_to,
    recalled,
    recalled_exit,
    remembered,
    remembered_exit,
)
from pydotcompute.compiler.irbuild.core.scope import POISONED, Env, Var
from pydotcompute.compiler.irbuild.core.unit import LoopFrame, Static, TurnFrame, Watch
from pydotcompute.compiler.irbuild.syntax.assignments import assign_to
from pydotcompute.compiler.irbuild.values.conditions import condition
from pydotcompute.compiler.irbuild.values.operators import negate
from pydotcompute.compiler.types.types import BOOL, INT

Round = Callable[[LoopFrame], tuple[Env | None, list[Env]]]
"""Builds the loop once for a frame: the environment at its end, and those where it exits."""


def _build(b: Builder, node: ast.stmt, build: Round, watches: Sequence[Watch] = ()) -> None:
    """Builds a loop for the head and the exit that are expected, until they are those it has."""
    loc, made_up = b.loc(node), b.made_up
    entry, outer = dict(b.env or {}), b.block
    with b.nest.loop(node) as key:
        known = b.facts.loops.setdefault(key, LoopFacts())
        for number, watch in enumerate(watches):
            watch.changed = number in known.changed
        head = recalled(b, known.head, entry, made_up, loc)
        exit_ = recalled_exit(b, known.exit, head, made_up, loc)
        for _ in range(MAX_PASSES):
            before, changed = Snapshot(b), [watch.changed for watch in watches]
            frame = LoopFrame(head, exit_, len(b.cleanups))
            b.nest.begin()
            b.loops.append(frame)
            b.env, b.block = dict(head), []
            try:
                end, exits = build(frame)
            finally:
                b.loops.pop()
                built, b.block = b.block, outer
            backs = [*frame.continues, *([end] if end is not None else [])]
            alive = [*exits, *frame.breaks]
            new_head = _lasting(b, entry, b.merge([entry, *backs], loc)) if backs else entry
            new_exit = _lasting(b, entry, b.merge(alive, loc)) if alive else None
            if any(var is POISONED and entry.get(name) is not POISONED
                   for name, var in new_head.items()):  # fmt: skip
                b.env = new_head  # a problem that building it again would hide
                return
            known.changed |= {n for n, watch in enumerate(watches) if watch.changed}
            known.head = remembered(new_head, entry, made_up)
            known.exit = None if new_exit is None else remembered_exit(new_exit, new_head, made_up)
            if (is_head(b, head, new_head) and is_exit(exit_, new_exit, alive)
                    and changed == [watch.changed for watch in watches]):  # fmt: skip
                if frame.problems:
                    raise frame.problems[0]
                b.env = entry
                b.adapt(head, loc)
                b.block += built
                b.env = None if new_exit is None else dict(new_exit)
                return
            head, exit_ = new_head, new_exit
            before.restore(b)
    b.fail("PDC101", node, "the types of this loop's variables do not settle")


def _lasting(b: Builder, entry: Env, env: Env) -> Env:
    """Without the names that are made up anew in the loop, which nothing reads after it."""
    return {name: var for name, var in env.items() if name in entry or name not in b.synthetic}


def _finish(b: Builder, frame: LoopFrame, target: Env | None, node: ast.stmt) -> Env | None:
    """At the end of a path of a loop: its environment, before it is adapted to ``target``."""
    env = b.env
    try:
        if env is not None and target is not None and leads_to(b, env, target):
            b.adapt(target, b.loc(node))
    except OperandError as problem:  # which counts if the target is the right one
        frame.problems.append(problem)
    return env


def while_loop(b: Builder, node: ast.While) -> None:
    """``while``."""
    def build(frame: LoopFrame) -> tuple[Env | None, list[Env]]:
        setup: list[ir.Stmt] = []
        outer, b.block = b.block, setup
        test, when_true, when_false = condition(b, node.test)
        b.block = outer
        if b.env is None:  # it raises for certain
            b.block += setup
            return None, []
        endless = isinstance(test, ir.Const) and test.value

        def body() -> None:
            b.statements(node.body)
            ends.append(_finish(b, frame, frame.head, node))

        def orelse() -> None:
            _outside(b, lambda: b.statements(node.orelse))
            exits.append(_finish(b, frame, frame.exit, node))

        ends: list[Env | None] = []
        exits: list[Env | None] = []
        _, statements = b.branch(when_true, body)
        _, after = b.branch(when_false, orelse) if not endless else (None, [])
        b.block.append(ir.While(b.loc(node), tuple(setup), test, tuple(statements), tuple(after)))
        return ends[0], [env for env in exits if env is not None]

    _build(b, node, build)


def _outside(b: Builder, build: Callable[[], None]) -> None:
    """Builds a loop's ``else``, whose jumps belong to the loop around it."""
    frame = b.loops.pop()
    try:
        build()
    finally:
        b.loops.append(frame)


def for_loop(b: Builder, node: ast.For) -> None:
    """``for``."""
    if (lazy := lazy_loop(b, node)) is not None:
        for_loop(b, lazy)
        return
    changed = mutated_names(node.body)
    if not isinstance(node.iter, (ast.Attribute, ast.Tuple)):
        changed |= {*bound_names(node.body), *_field_owners(node.body)}
    looped = {n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name)}
    if changed & looped and not is_range(b, node.iter) and not _is_copy(b, node.iter):
        name = sorted(changed & looped)[0]
        b.fail("PDC021", node.iter, f"{name!r} changes while it is looped over",
               hint="collect the changes and make them after the loop")  # fmt: skip
    loc = b.loc(node)
    rebound = {*bound_names(node.body), *_field_owners(node.body)}
    if looped & rebound and isinstance(node.iter, (ast.Attribute, ast.Tuple)):
        # What the loop runs over is what there was before it.
        whole = b.fresh_name("items")
        b.bind(whole, b.expression(node.iter))
        iterable = ast.copy_location(ast.Name(whole, ast.Load()), node.iter)
        node = ast.copy_location(ast.For(node.target, iterable, node.body, node.orelse), node)
    if is_range(b, node.iter):
        start, stop, step = (b.duplicable(part) for part in range_bounds(b, node.iter))
        run = Run(start, lambda at: at)
    else:
        run = run_over(b, node.iter)
        start, step = ir.Const(loc, INT, 0), ir.Const(loc, INT, 1)
        stop = b.duplicable(run.length)
    counter = b.fresh_local(loc, INT)

    watches = [Watch(place, b.fresh_local(loc, BOOL), run.is_copy) for place in run.places]
    mark = len(b.block)
    again = ast.copy_location(ast.Continue(), node)

    def build(frame: LoopFrame) -> tuple[Env | None, list[Env]]:
        ends: list[Env | None] = []
        exits: list[Env | None] = []

        def body() -> None:
            look(b, watches, node)
            if run.present is not None:
                absent = negate(run.present(counter))
                skip = b.branch(dict(b.env or {}), lambda: jump(b, again))
                b.block.append(ir.If(loc, absent, tuple(skip[1]), ()))
            assign_to(b, node.target, run.item(counter))
            b.statements(node.body)
            ends.append(_finish(b, frame, frame.head, node))

        def orelse() -> None:
            look(b, watches, node)
            _outside(b, lambda: b.statements(node.orelse))
            exits.append(_finish(b, frame, frame.exit, node))

        around, b.watches = b.watches, [*b.watches, *watches]
        try:
            _, statements = b.branch(frame.head, body)
        finally:
            b.watches = around
        _, after = b.branch(frame.head, orelse)
        b.block.append(ir.For(b.loc(node), counter, start, stop, step,
                              tuple(statements), tuple(after)))  # fmt: skip
        return ends[0], [env for env in exits if env is not None]

    _build(b, node, build, watches)
    b.block[mark:mark] = [ir.Assign(loc, watch.flag, ir.Const(loc, BOOL, False))
                          for watch in watches if watch.changed]  # fmt: skip


def _field_owners(nodes: list[ast.stmt]) -> set[str]:
    """Names of the messages of which the statements assign fields."""
    stored = (n.value for node in nodes for n in ast.walk(node)
              if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))  # fmt: skip
    return {owner.id for owner in stored if isinstance(owner, ast.Name)}


def _is_copy(b: Builder, node: ast.expr) -> bool:
    """Whether a loop runs over a list of its own: ``for key in list(d)``."""
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return isinstance(node, ast.ListComp)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    callee = b.evaluate(node.func)
    return isinstance(callee, Static) and callee.value in (list, sorted)


def jump(b: Builder, node: ast.Break | ast.Continue) -> None:
    """``break`` and ``continue``."""
    frame, loc = b.loops[-1], b.loc(node)
    run_cleanups(b, frame.cleanups if isinstance(frame, LoopFrame) else 0)
    if b.env is None:
        return
    if isinstance(frame, TurnFrame):
        end_turn(b, frame, ir.EndTurn(loc) if isinstance(node, ast.Continue) else ir.Leave(loc))
        return
    is_break = isinstance(node, ast.Break)
    (frame.breaks if is_break else frame.continues).append(dict(b.env))
    _finish(b, frame, frame.exit if is_break else frame.head, node)
    b.block.append(ir.Break(loc) if is_break else ir.Continue(loc))
    b.env = None


def end_turn(b: Builder, frame: TurnFrame, jump: ir.Stmt) -> None:
    """Ends the turn here: the state goes where the next turn expects it."""
    if b.env is None:
        return
    env, b.env = b.env, None
    frame.ends.append(dict(env))
    if leads_to(b, env, frame.head):
        b.env = env
        try:
            b.adapt(frame.head, jump.loc)
        finally:
            b.env = None
    b.block.append(jump)


def return_statement(b: Builder, node: ast.Return) -> None:
    """``return``."""
    turn = b.loops[0] if b.ctx is not None else None
    if isinstance(turn, TurnFrame):
        run_cleanups(b, 0)
        end_turn(b, turn, ir.Return(b.loc(node), None))
        return
    value = ir.none(b.loc(node)) if node.value is None else b.expression(node.value)
    if b.cleanups:
        (value,), _ = b.before([value], lambda: run_cleanups(b, 0))
    if b.env is None:
        return
    b.returns.append(value.type)
    b.made_all = b.made_all and _is_made(b, node.value, value)
    if b.facts.result is not None:
        b.ending = "return"
        try:
            value = b.convert(value, b.facts.result)
        finally:
            b.ending = ""
    b.block.append(ir.Return(b.loc(node), value))
    b.env = None


def _is_made(b: Builder, node: ast.expr | None, value: ir.Expr) -> bool:
    """Whether a result is a message that this function made, and has not kept."""
    name = node.id if isinstance(node, ast.Name) else ""
    var = (b.env or {}).get(name)
    return b.is_made(value) or (isinstance(var, Var) and var.unique and name not in b.lent)


def run_cleanups(b: Builder, depth: int) -> None:
    """Builds the ``finally`` clauses that a jump to ``depth`` passes, innermost first."""
    saved = b.cleanups
    try:
        for index in range(len(saved) - 1, depth - 1, -1):
            b.cleanups = saved[:index]
            b.statements(saved[index])
    finally:
        b.cleanups = saved
