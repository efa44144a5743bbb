"""Statements: one function for each AST class, writing IR into the builder's block."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from pydotcompute.compiler import ir
from pydotcompute.compiler.build import (
    MAX_PASSES,
    Builder,
    LoopFrame,
    Static,
    TurnFrame,
    describe_static,
)
from pydotcompute.compiler.build_containers import (
    Run,
    delete,
    make_list,
    mutated_names,
    placed,
    run_over,
    store,
    store_slice,
)
from pydotcompute.compiler.build_expressions import apply, items_of, negate
from pydotcompute.compiler.build_match import match_statement
from pydotcompute.compiler.build_messages import assign_field, is_private
from pydotcompute.compiler.build_tests import condition
from pydotcompute.compiler.error_codes import BY_NAME
from pydotcompute.compiler.operators import binary
from pydotcompute.compiler.scope import Dropped, Env, OperandError, Restart, TryFrame, Var, view_of
from pydotcompute.compiler.types import BOOL, ERROR, INT, NONE, TupleType, Type, join

_AUGMENTED = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^",
}  # fmt: skip


# --- assignments ---------------------------------------------------------------------------------


def _assign(b: Builder, node: ast.Assign) -> None:
    target = node.targets[0]
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
        if len(node.targets) > 1:
            b.fail("PDC020", node, "a slice among several targets")
        store_slice(b, target, node.value)
        return
    # A message that is bound to one name and used for nothing but being sent is as good as sent.
    b.sending = (
        isinstance(node.value, ast.Call) and len(node.targets) == 1
        and isinstance(target, ast.Name) and is_private(b, target.id)
        and target.id not in b.unit.state
    )  # fmt: skip
    value = b.expression(node.value)
    b.sending = False
    if len(node.targets) > 1:
        value = b.stable(value)
    for target in node.targets:
        assign_to(b, target, value, sole=len(node.targets) == 1)


def assign_to(b: Builder, target: ast.expr, value: ir.Expr, *, sole: bool = False) -> None:
    """``target = value`` for a name or a tuple of targets; ``sole``: it is used nowhere else."""
    if isinstance(target, ast.Name):
        if target.id == b.ctx:
            b.fail("PDC019", target, f"the context parameter {b.ctx!r} is bound again")
        b.bind(target.id, value, sole=sole)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(b, target, value)
    elif isinstance(target, ast.Subscript):
        store(b, target, value)
    elif isinstance(target, ast.Attribute):
        assign_field(b, target, value)
    else:
        b.fail("PDC020", target, f"assignment to `{ast.unparse(target)}`")


def _unpack(b: Builder, target: ast.Tuple | ast.List, value: ir.Expr) -> None:
    if not isinstance(value.type, TupleType):
        b.fail("PDC102", target, f"a {value.type} is not unpacked in compiled code")
    items = items_of(b, value)
    starred = [n for n, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    if starred:
        _unpack_starred(b, target, items, starred[0])
        return
    if len(items) != len(target.elts):
        b.fail("PDC102", target, f"{len(items)} values are unpacked into {len(target.elts)} names")
    if len(items) > 1:
        # All values are there before the first name is bound: `a, b = b, a`.
        items = [item if isinstance(item, ir.Const) else _copy(b, item) for item in items]
    for part, item in zip(target.elts, items, strict=True):
        assign_to(b, part, item)


def _unpack_starred(b: Builder, target: ast.Tuple | ast.List, items: list[ir.Expr],
                    at: int) -> None:  # fmt: skip
    """``first, *rest = items``: the rest is a list."""
    after = len(target.elts) - at - 1
    if len(items) < at + after:
        b.fail("PDC102", target, f"{len(items)} values are not enough for these names")
    end = len(items) - after
    items = [item if isinstance(item, ir.Const) else _copy(b, item) for item in items]
    starred = target.elts[at]
    assert isinstance(starred, ast.Starred)
    rest = make_list(b, starred, items[at:end])
    values = [*items[:at], rest, *items[end:]]
    parts = [*target.elts[:at], starred.value, *target.elts[at + 1 :]]
    for part, value in zip(parts, values, strict=True):
        assign_to(b, part, value)


def _copy(b: Builder, value: ir.Expr) -> ir.Expr:
    if isinstance(value, ir.Local) and value.name.endswith("__"):
        return value  # a temporary is written once
    return b.temporary(value)


def _aug_assign(b: Builder, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Subscript):
        _aug_assign_item(b, node, node.target)
        return
    if isinstance(node.target, ast.Attribute):
        load = ast.copy_location(ast.Attribute(node.target.value, node.target.attr, ast.Load()),
                                 node.target)  # fmt: skip
        changed = ast.copy_location(ast.BinOp(load, node.op, node.value), node)
        assign_field(b, node.target, b.expression(changed))
        return
    if not isinstance(node.target, ast.Name):
        b.fail("PDC020", node.target, f"assignment to `{ast.unparse(node.target)}`")
    symbol = _AUGMENTED.get(type(node.op))
    if symbol is None:
        b.fail("PDC021", node, "`@=` does not lower")
    load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
    left, right = b.sequence([load, node.value])
    b.bind(node.target.id, apply(b, symbol, left, right, b.loc(node)))


def _aug_assign_item(b: Builder, node: ast.AugAssign, target: ast.Subscript) -> None:
    """``xs[i] += y``: the index is evaluated once, before ``y``."""
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    names: list[ast.expr] = []
    for part in parts:
        name = b.fresh_name("index")
        b.bind(name, b.stable(b.expression(part)))
        names.append(ast.Name(name, ast.Load()))
    index = names[0] if len(names) == 1 else ast.Tuple(names, ast.Load())
    load = placed(ast.Subscript(target.value, index, ast.Load()), node)
    value = b.expression(placed(ast.BinOp(load, node.op, node.value), node))
    store(b, placed(ast.Subscript(target.value, index, ast.Store()), node), value)


def _ann_assign(b: Builder, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign_to(b, node.target, b.expression(node.value), sole=True)


def _expr(b: Builder, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
        return
    value = b.evaluate(node.value)
    if isinstance(value, ir.Expr) and any(isinstance(n, (ir.Op, ir.Call)) for n in ir.walk(value)):
        b.block.append(ir.Evaluate(b.loc(node), value))


def _pass(b: Builder, node: ast.Pass) -> None:
    """Nothing."""


# --- branches ------------------------------------------------------------------------------------


def _if(b: Builder, node: ast.If) -> None:
    test, when_true, when_false = condition(b, node.test)
    if isinstance(test, ir.Const):
        b.env = when_true if test.value else when_false
        b.statements(node.body if test.value else node.orelse)
        return
    then = b.branch(when_true, lambda: b.statements(node.body))
    orelse = b.branch(when_false, lambda: b.statements(node.orelse))
    b.close([then, orelse], b.loc(node))
    b.block.append(ir.If(b.loc(node), test, tuple(then[1]), tuple(orelse[1])))


def _assert(b: Builder, node: ast.Assert) -> None:
    test, when_true, _ = condition(b, node.test)
    code = BY_NAME["PDC_ASSERTION"].code
    b.block.append(ir.If(b.loc(node), negate(test), (ir.Raise(b.loc(node), code),), ()))
    b.env = when_true


# --- loops ---------------------------------------------------------------------------------------

Round = Callable[[LoopFrame], tuple[Env | None, list[Env]]]
"""Builds the loop once for a frame: the environment at its end, and those where it exits."""


def _rounds(b: Builder, node: ast.stmt, build: Round) -> None:
    """Repeats ``build`` until the types at the head and the exit stand still."""
    loc = b.loc(node)
    entry, outer = dict(b.env or {}), b.block
    head: Env = entry
    exit_: Env | None = None
    final = False
    for _ in range(MAX_PASSES):
        frame = LoopFrame(head, exit_, final, len(b.cleanups))
        b.loops.append(frame)
        b.env, b.block = dict(head), []
        mark = b.unit.diagnostics.mark()
        try:
            end, exits = build(frame)
        finally:
            b.loops.pop()
            built, b.block = b.block, outer
        if final:
            b.env = entry
            b.adapt(head, loc)
            b.block += built
            b.env = None if exit_ is None else dict(exit_)
            return
        backs = [*frame.continues, *([end] if end is not None else [])]
        new_head = b.merge([entry, *backs], loc) if backs else entry
        alive = [*exits, *frame.breaks]
        new_exit = b.merge(alive, loc) if alive else None
        final = new_head == head and new_exit == exit_
        head, exit_ = new_head, new_exit
        if not final:
            b.unit.diagnostics.rewind(mark)
    b.fail("PDC101", node, "the types of this loop's variables do not settle")


def _finish(b: Builder, frame: LoopFrame, target: Env | None, node: ast.stmt) -> Env | None:
    """At the end of a path of a loop: its environment, adapted in the final round."""
    env = b.env
    if frame.final and target is not None:
        b.adapt(target, b.loc(node))
    return env


def _while(b: Builder, node: ast.While) -> None:
    def build(frame: LoopFrame) -> tuple[Env | None, list[Env]]:
        found: list[Any] = []
        setup: list[ir.Stmt] = []
        outer, b.block = b.block, setup
        found.append(condition(b, node.test))
        b.block = outer
        test, when_true, when_false = found[0]
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

    _rounds(b, node, build)


def _outside(b: Builder, build: Callable[[], None]) -> None:
    """Builds a loop's ``else``, whose jumps belong to the loop around it."""
    frame = b.loops.pop()
    try:
        build()
    finally:
        b.loops.append(frame)


def _for(b: Builder, node: ast.For) -> None:
    changed = mutated_names(node.body)
    looped = {n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name)}
    if changed & looped and not _is_range(b, node.iter):
        name = sorted(changed & looped)[0]
        b.fail("PDC021", node.iter, f"{name!r} changes while it is looped over",
               hint="collect the changes and make them after the loop")  # fmt: skip
    loc = b.loc(node)
    if _is_range(b, node.iter):
        start, stop, step = (b.stable(part) for part in range_bounds(b, node.iter))
        run = Run(start, lambda at: at)
    else:
        run = run_over(b, node.iter)
        start, step = ir.Const(loc, INT, 0), ir.Const(loc, INT, 1)
        stop = b.stable(run.length)
    counter = b.hole(loc, INT)

    again = ast.copy_location(ast.Continue(), node)

    def build(frame: LoopFrame) -> tuple[Env | None, list[Env]]:
        ends: list[Env | None] = []
        exits: list[Env | None] = []

        def body() -> None:
            if run.present is not None:
                absent = negate(run.present(counter))
                skip = b.branch(dict(b.env or {}), lambda: _jump(b, again))
                b.block.append(ir.If(loc, absent, tuple(skip[1]), ()))
            assign_to(b, node.target, run.item(counter))
            b.statements(node.body)
            ends.append(_finish(b, frame, frame.head, node))

        def orelse() -> None:
            _outside(b, lambda: b.statements(node.orelse))
            exits.append(_finish(b, frame, frame.exit, node))

        _, statements = b.branch(frame.head, body)
        _, after = b.branch(frame.head, orelse)
        b.block.append(ir.For(b.loc(node), counter, start, stop, step,
                              tuple(statements), tuple(after)))  # fmt: skip
        return ends[0], [env for env in exits if env is not None]

    _rounds(b, node, build)


def _is_range(b: Builder, node: ast.expr) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    callee = b.evaluate(node.func)
    return isinstance(callee, Static) and callee.value is range


def range_bounds(b: Builder, node: ast.expr) -> tuple[ir.Expr, ir.Expr, ir.Expr]:
    """Start, stop and step of a call of ``range``."""
    if not (isinstance(node, ast.Call) and not node.keywords and 1 <= len(node.args) <= 3):
        b.fail("PDC110", node, "`range` takes one to three ints")
    args = [b.convert(arg, INT) for arg in b.sequence(node.args)]
    loc = b.loc(node)
    zero, one = ir.Const(loc, INT, 0), ir.Const(loc, INT, 1)
    if len(args) == 1:
        return zero, args[0], one
    return args[0], args[1], args[2] if len(args) == 3 else one


def _jump(b: Builder, node: ast.Break | ast.Continue) -> None:
    frame, loc = b.loops[-1], b.loc(node)
    _run_cleanups(b, frame.cleanups if isinstance(frame, LoopFrame) else 0)
    if b.env is None:
        return
    if isinstance(frame, TurnFrame):
        end_turn(b, frame, ir.EndTurn(loc) if isinstance(node, ast.Continue) else ir.Leave(loc))
        return
    is_break = isinstance(node, ast.Break)
    (frame.breaks if is_break else frame.continues).append(dict(b.env))
    target = frame.exit if is_break else frame.head
    if frame.final and target is not None:
        b.adapt(target, loc)
    b.block.append(ir.Break(loc) if is_break else ir.Continue(loc))
    b.env = None


def end_turn(b: Builder, frame: TurnFrame, jump: ir.Stmt) -> None:
    """Ends the turn here: the state goes where the next turn expects it."""
    if b.env is None:
        return
    frame.ends.append(dict(b.env))
    if frame.final:
        b.adapt(frame.head, jump.loc)
    b.block.append(jump)
    b.env = None


def _return(b: Builder, node: ast.Return) -> None:
    turn = b.loops[0] if b.ctx is not None else None
    if isinstance(turn, TurnFrame):
        _run_cleanups(b, 0)
        end_turn(b, turn, ir.Return(b.loc(node), None))
        return
    value = ir.none(b.loc(node)) if node.value is None else b.expression(node.value)
    if b.cleanups:
        value = b.stable(value)
        _run_cleanups(b, 0)
    if b.env is None:
        return
    b.returns.append(value.type)
    if b.result is not None:
        value = b.convert(value, b.result)
    b.block.append(ir.Return(b.loc(node), value))
    b.env = None


# --- exceptions ----------------------------------------------------------------------------------


def _run_cleanups(b: Builder, depth: int) -> None:
    """Builds the ``finally`` clauses that a jump to ``depth`` passes, innermost first."""
    saved = b.cleanups
    for index in range(len(saved) - 1, depth - 1, -1):
        b.cleanups = saved[:index]
        b.statements(saved[index])
    b.cleanups = saved


def _raise(b: Builder, node: ast.Raise) -> None:
    loc = b.loc(node)
    if node.exc is None:
        b.block.append(ir.Raise(loc, None))
    else:
        b.block.append(ir.Raise(loc, _raised_code(b, node.exc)))
    b.env = None


def _raised_code(b: Builder, node: ast.expr) -> int | None:
    arguments: Sequence[ast.expr] = ()
    target = node
    if isinstance(node, ast.Call):
        arguments = [*node.args, *(k.value for k in node.keywords)]
        target = node.func
    found = b.evaluate(target)
    if isinstance(found, ir.Expr) and found.type == ERROR:
        return None
    if not (isinstance(found, Static) and isinstance(found.value, type)
            and issubclass(found.value, Exception)):  # fmt: skip
        b.fail("PDC112", node, f"`raise {ast.unparse(node)}` does not lower",
               hint="raise an Exception class, with its arguments if it takes any")  # fmt: skip
    for argument in arguments:
        _evaluate_for_errors(b, argument)
    return b.unit.code_of(found.value, _fixed_text(b, found.value, arguments))


def _fixed_text(b: Builder, cls: type[BaseException], arguments: Sequence[ast.expr]) -> str | None:
    """``str()`` of the exception, where its arguments are constants and its class is plain."""
    if cls.__init__ not in _PLAIN_INITS or cls.__str__ not in _PLAIN_TEXTS:
        return None
    values = []
    for argument in arguments:
        if isinstance(argument, ast.JoinedStr):
            return None
        value = b.evaluate(argument)
        if not isinstance(value, ir.Const):
            return None
        values.append(value.value)
    return str(cls(*values))


_PLAIN_INITS = {cls.__init__ for cls in (BaseException, Exception, ValueError, KeyError,
                                         ArithmeticError, LookupError, RuntimeError)}  # fmt: skip
_PLAIN_TEXTS = {BaseException.__str__, KeyError.__str__}


def _evaluate_for_errors(b: Builder, node: ast.expr) -> None:
    """The text of an exception is made by the interpreter; what computing it raises is ours."""
    parts = [node]
    if isinstance(node, ast.JoinedStr):
        parts = [p.value for p in node.values if isinstance(p, ast.FormattedValue)]
    for part in parts:
        value = b.evaluate(part)
        if isinstance(value, ir.Expr) and any(isinstance(n, (ir.Op, ir.Call)) for n in ir.walk(value)):
            b.block.append(ir.Evaluate(b.loc(part), value))


def _try(b: Builder, node: ast.Try) -> None:
    if node.finalbody:
        _with_cleanup(b, node)
    else:
        _protected(b, node, node.body, node.handlers, node.orelse)


def _with_cleanup(b: Builder, node: ast.Try) -> None:
    """``finally``: a handler that runs it and raises again, and a copy on every other way out."""
    inner: list[ast.stmt] = list(node.body)
    if node.handlers:
        inner = [ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)]
    again = ast.copy_location(ast.Raise(None, None), node)
    handler = ast.copy_location(ast.ExceptHandler(None, None, [*node.finalbody, again]), node)
    b.cleanups = [*b.cleanups, node.finalbody]
    _protected(b, node, inner, [handler], [], cleanup=True)
    if b.env is not None:
        b.statements(node.finalbody)


def _protected(b: Builder, node: ast.Try, body: list[ast.stmt],
               handlers: list[ast.ExceptHandler], orelse: list[ast.stmt],
               *, cleanup: bool = False) -> None:  # fmt: skip
    loc = b.loc(node)
    key = (node.lineno, -node.col_offset - 1 if cleanup else node.col_offset)
    entry = dict(b.env or {})
    frame = TryFrame(key, _shadows(b, key, loc))
    b.tries.append(frame)
    body_path = b.branch(entry, lambda: b.statements(body))
    b.tries.pop()
    if cleanup:
        b.cleanups = b.cleanups[:-1]
    caught_env = _at_any_point(b, entry, frame)
    else_path = (
        b.branch(body_path[0], lambda: b.statements(orelse))
        if body_path[0] is not None else (None, [])
    )  # fmt: skip
    built: list[tuple[ast.ExceptHandler, Any, ir.Local | None, Any]] = []
    for handler in handlers:
        classes = _handled(b, handler)
        name: ir.Local | None = None

        def run(handler: ast.ExceptHandler = handler, name: ir.Local | None = name) -> None:
            b.statements(handler.body)
            if handler.name and b.env is not None:
                b.env.pop(handler.name, None)

        env = dict(caught_env)
        if handler.name:
            name = b.local(handler.name, ERROR, b.loc(handler))
            env[handler.name] = Var(name, ERROR)
        built.append((handler, classes, name, b.branch(env, run)))
    b.close([else_path, *(path for *_, path in built)], loc)
    b.block.append(ir.Try(loc, tuple(body_path[1]), tuple(
        ir.Handler(b.loc(handler), classes, name, tuple(path[1]))
        for handler, classes, name, path in built
    ), tuple(else_path[1])))  # fmt: skip


def _shadows(b: Builder, key: tuple[int, int], loc: Any) -> dict[str, Var]:
    """Union locals for the names whose type changes in the body, set to the value before it."""
    shadows = {}
    for (owner, name), type_ in list(b.try_types.items()):
        if owner == key:
            wide = join(type_, view_of((b.env or {}).get(name)))
            if wide != type_:
                b.try_types[key, name] = wide
                raise Restart
            local = b.local(name, type_, loc)
            saved = dict(b.env or {})
            b.adapt({name: Var(local, type_)}, loc)
            b.env = saved
            shadows[name] = Var(local, type_)
    return shadows


def _at_any_point(b: Builder, entry: Env, frame: TryFrame) -> Env:
    """What is known where an error may have come from anywhere in the body."""
    env = dict(entry)
    for name, assigned in frame.assigned.items():
        before = entry.get(name)
        types: tuple[Type, ...] = tuple(dict.fromkeys([view_of(before), *assigned]))
        if isinstance(before, Var) and len(types) == 1 and before.local.type == types[0]:
            continue
        if name in frame.shadows:
            env[name] = frame.shadows[name]
        elif name in b.needed:
            wide = types[0]
            for other in types[1:]:
                wide = join(wide, other)
            b.try_types[frame.key, name] = wide
            raise Restart
        else:
            env[name] = Dropped(types if len(types) > 1 else (*types, *types))
    return env


def _handled(b: Builder, handler: ast.ExceptHandler) -> tuple[type[BaseException], ...] | None:
    if handler.type is None:
        return None
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    classes: tuple[Any, ...] = ()
    for node in named:
        found = b.evaluate(node)
        value = found.value if isinstance(found, Static) else None
        classes += value if isinstance(value, tuple) else (value,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            what = describe_static(cls) if cls is not None else ast.unparse(handler.type)
            b.fail("PDC112", handler.type, f"{what} is no exception class")
    return classes


def _match(b: Builder, node: ast.Match) -> None:
    match_statement(b, node)


STATEMENTS: dict[type[ast.stmt], Callable[[Builder, Any], None]] = {
    ast.Assign: _assign,
    ast.AugAssign: _aug_assign,
    ast.AnnAssign: _ann_assign,
    ast.Expr: _expr,
    ast.Pass: _pass,
    ast.If: _if,
    ast.Assert: _assert,
    ast.While: _while,
    ast.For: _for,
    ast.Break: _jump,
    ast.Continue: _jump,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Try: _try,
    ast.Match: _match,
    ast.Delete: delete,
}

__all__ = ["BOOL", "NONE", "STATEMENTS", "OperandError", "assign_to", "binary", "end_turn"]
