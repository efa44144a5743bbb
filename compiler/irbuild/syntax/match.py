"""``match``: patterns as tests, captures and narrowed names."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import OperandError
from pydotcompute.compiler.irbuild.core.scope import Env, Var
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.syntax.expressions import field_of
from pydotcompute.compiler.irbuild.values.conditions import condition, either
from pydotcompute.compiler.irbuild.values.operators import compare, items_of
from pydotcompute.compiler.irbuild.values.type_tests import class_of
from pydotcompute.compiler.types.types import (
    BOOL,
    UNBOUND,
    WIDE,
    MessageType,
    TupleType,
    Type,
    UnionType,
    holds_message,
    join,
    members_of,
)

_INTS: dict[type, tuple[Type, ...]] = {int: (BOOL, WIDE)}


@dataclass
class Pattern:
    """A pattern against a value: when it matches, and what it then binds."""

    test: ir.Expr
    captures: list[tuple[str, ir.Expr]] = field(default_factory=list)


def match_statement(b: Builder, node: ast.Match) -> None:
    """``match`` as nested ``if``: the first case that matches runs."""
    subject = b.duplicable(b.expression(node.subject))
    name = node.subject.id if isinstance(node.subject, ast.Name) else None
    guards = [part for case in node.cases if case.guard for part in ast.walk(case.guard)]
    if any(isinstance(part, ast.NamedExpr) and part.target.id == name for part in guards):
        name = None
    if any(isinstance(part, (ast.Call, ast.NamedExpr)) for part in guards):
        # What a guard changes is no news to the patterns behind it.
        subject = subject if holds_message(subject.type) else b.temporary(subject)
    _cases(b, node, subject, name, node.cases)


def _cases(b: Builder, node: ast.Match, subject: ir.Expr, name: str | None,
           cases: list[ast.match_case]) -> None:  # fmt: skip
    if not cases or b.env is None:
        return
    case, loc = cases[0], b.loc(node)
    found = _pattern(b, case.pattern, subject)
    matched = _narrowed(b, case.pattern, subject, name)

    def body() -> None:
        for captured, value in found.captures:
            b.bind(captured, value)
        b.statements(case.body)

    if case.guard is not None:
        _guarded(b, node, case.guard, found, matched, case.body,
                 lambda: _cases(b, node, subject, name, cases[1:]))  # fmt: skip
        return
    if isinstance(found.test, ir.Const) and found.test.value:
        b.env = matched
        body()
        return
    if isinstance(found.test, ir.Const):
        _cases(b, node, subject, name, cases[1:])
        return
    then = b.branch(matched, body)
    orelse = b.branch(b.env, lambda: _cases(b, node, subject, name, cases[1:]))
    b.close([then, orelse], loc)
    b.block.append(ir.If(loc, found.test, tuple(then[1]), tuple(orelse[1])))


def _guarded(b: Builder, node: ast.Match, guard: ast.expr, found: Pattern, matched: Env,
             body: list[ast.stmt], others: Callable[[], None]) -> None:  # fmt: skip
    """A case with a guard: whether both hold is kept in a flag, so that the other cases, which
    follow either way, are built once."""
    loc = b.loc(node)
    flag = b.fresh_local(loc, BOOL)
    b.block.append(ir.Assign(loc, flag, ir.Const(loc, BOOL, False)))
    before = dict(b.env or {})
    outcomes: list[tuple[Env, Env]] = []

    def look() -> None:
        for captured, value in found.captures:
            b.bind(captured, value)
        test, when_true, when_false = condition(b, guard)
        outcomes.append((when_true, when_false))
        b.block.append(ir.Assign(loc, flag, test))

    _, statements = b.branch(matched, look)
    b.block.append(ir.If(loc, found.test, tuple(statements), ()))
    when_true, when_false = outcomes[0]
    then = b.branch(when_true, lambda: b.statements(body))
    orelse = b.branch(either(before, when_false), others)
    b.close([then, orelse], loc)
    b.block.append(ir.If(loc, flag, tuple(then[1]), tuple(orelse[1])))


def _narrowed(b: Builder, pattern: ast.pattern, subject: ir.Expr, name: str | None) -> Env:
    """The environment of a case: a class pattern tells the type of the subject's name."""
    env = dict(b.env or {})
    var = env.get(name) if name else None
    while isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    if isinstance(pattern, ast.MatchClass) and isinstance(var, Var) and name:
        keep = _members(b, pattern, subject.type)
        if keep and len(keep) < len(members_of(subject.type)):
            env[name] = replace(var, view=keep[0] if len(keep) == 1 else UnionType(tuple(keep)))
    return env


def _members(b: Builder, pattern: ast.MatchClass, type_: Type) -> list[Type]:
    """The types of the subject that a class pattern takes."""
    found = b.evaluate(pattern.cls)
    if not isinstance(found, Static) or not isinstance(found.value, type):
        b.fail("PDC024", pattern.cls, f"`{ast.unparse(pattern.cls)}` is no class")
    return [m for m in members_of(type_) if m != UNBOUND and issubclass(class_of(m), found.value)]


def _pattern(b: Builder, pattern: ast.pattern, subject: ir.Expr) -> Pattern:
    loc = subject.loc
    true = ir.Const(loc, BOOL, True)
    match pattern:
        case ast.MatchAs(pattern=None, name=None):
            return Pattern(true)
        case ast.MatchAs(pattern=None, name=str(name)):
            return Pattern(true, [(name, subject)])
        case ast.MatchAs(pattern=inner, name=name) if inner is not None:
            found = _pattern(b, inner, subject)
            value = subject
            if isinstance(inner, ast.MatchClass) and isinstance(subject.type, UnionType):
                keep = _members(b, inner, subject.type)
                if len(keep) == 1:
                    value = ir.As(loc, keep[0], subject)
            return Pattern(found.test, [*found.captures, (str(name), value)])
        case ast.MatchValue(value=value_node):
            return Pattern(compare(b, "==", subject, b.expression(value_node)))
        case ast.MatchSingleton(value=constant):
            other = b.constant(constant, loc)
            assert isinstance(other, ir.Expr)
            return Pattern(compare(b, "is", subject, other))
        case ast.MatchOr(patterns=options):
            return _either(b, pattern, [_pattern(b, option, subject) for option in options])
        case ast.MatchClass():
            return _class(b, pattern, subject)
        case ast.MatchSequence(patterns=parts) if isinstance(subject.type, TupleType):
            return _sequence(b, parts, subject)
    b.fail("PDC024", pattern, f"the pattern `{ast.unparse(pattern)}` cannot be compiled")


def _sequence(b: Builder, parts: list[ast.pattern], subject: ir.Expr) -> Pattern:
    """``(a, "x", _)`` of a tuple: its items, from left to right."""
    values = items_of(b, subject)
    test: ir.Expr = ir.Const(subject.loc, BOOL, len(parts) == len(values))
    captures: list[tuple[str, ir.Expr]] = []
    if len(parts) != len(values):
        return Pattern(test)
    for part, value in zip(parts, values, strict=True):
        found, extra = _nested_pattern(b, part, value)
        if extra:
            raise OperandError("a pattern that takes statements to test")
        captures += found.captures
        test = _both(test, found.test)
    return Pattern(test, captures)


def _both(test: ir.Expr, other: ir.Expr) -> ir.Expr:
    """``test and other``, short where one of them is constant."""
    for one, rest in ((test, other), (other, test)):
        if isinstance(one, ir.Const):
            return rest if one.value else one
    return ir.And(test.loc, BOOL, test, other)


def _either(b: Builder, node: ast.pattern, options: list[Pattern]) -> Pattern:
    """``A(x=n) | B(y=n)``: each name has the value of the first alternative that matches."""
    names = {tuple(sorted(name for name, _ in option.captures)) for option in options}
    if len(names) > 1:
        b.fail("PDC024", node, "the alternatives bind different names")
    test = options[0].test
    for option in options[1:]:
        test = ir.Or(test.loc, BOOL, test, option.test)
    captures = []
    for name in names.pop():
        values = [dict(option.captures)[name] for option in options]
        result = values[0].type
        for value in values[1:]:
            result = join(result, value.type)
        chosen = b.convert(values[-1], result)
        for option, value in list(zip(options, values, strict=True))[-2::-1]:
            chosen = ir.Cond(test.loc, result, option.test, b.convert(value, result), chosen)
        captures.append((name, chosen))
    return Pattern(test, captures)


def _class(b: Builder, pattern: ast.MatchClass, subject: ir.Expr) -> Pattern:
    """``Order(price=p, side="buy")``: the type first, then each field's pattern."""
    keep = _members(b, pattern, subject.type)
    loc, members = subject.loc, members_of(subject.type)
    if not keep:
        return Pattern(ir.Const(loc, BOOL, False))
    test: ir.Expr = ir.Const(loc, BOOL, True)
    if len(keep) < len(members):
        test = ir.Is(loc, BOOL, subject, keep[0])
        for member in keep[1:]:
            test = ir.Or(loc, BOOL, test, ir.Is(loc, BOOL, subject, member))
    if not pattern.patterns and not pattern.kwd_patterns:
        return Pattern(test)
    if not any(isinstance(member, MessageType) for member in keep):
        return _builtin(b, pattern, subject, keep, test)
    if len(keep) != 1:
        b.fail("PDC024", pattern, "a class pattern with fields that several classes match")
    value = ir.As(loc, keep[0], subject) if len(members) > 1 else subject
    parts = _field_patterns(b, pattern, keep[0])
    captures: list[tuple[str, ir.Expr]] = []
    for name, inner in parts:
        attribute = ast.copy_location(ast.Attribute(ast.Name("_", ast.Load()), name, ast.Load()),
                                      inner)  # fmt: skip
        found, extra = _nested_pattern(b, inner, field_of(b, attribute, value))
        if extra:
            raise OperandError("a pattern that takes statements to test")
        captures += found.captures
        if isinstance(test, ir.Const):
            test = found.test
        elif not isinstance(found.test, ir.Const):
            test = ir.And(loc, BOOL, test, found.test)
    return Pattern(test, captures)


def _builtin(b: Builder, pattern: ast.MatchClass, subject: ir.Expr, keep: list[Type],
             test: ir.Expr) -> Pattern:  # fmt: skip
    """``int(n)``: the value itself, of that class."""
    if len(pattern.patterns) != 1 or pattern.kwd_patterns:
        b.fail("PDC024", pattern, f"`{ast.unparse(pattern)}` does not match anything that lowers")
    type_ = keep[0] if len(keep) == 1 else UnionType(tuple(keep))
    found, extra = _nested_pattern(b, pattern.patterns[0], b.narrow(subject, type_))
    if extra:
        raise OperandError("a pattern that takes statements to test")
    return Pattern(_both(test, found.test), found.captures)


def _nested_pattern(b: Builder, pattern: ast.pattern,
                    value: ir.Expr) -> tuple[Pattern, list[ir.Stmt]]:  # fmt: skip
    found: list[Pattern] = []

    def build() -> ir.Expr:
        found.append(_pattern(b, pattern, value))
        return value

    _, extra = b.nested(build)
    return found[0], extra


def _field_patterns(b: Builder, pattern: ast.MatchClass,
                    member: Type) -> list[tuple[str, ast.pattern]]:  # fmt: skip
    assert isinstance(member, MessageType)
    names = getattr(member.cls, "__match_args__", ())
    positional = list(zip(names, pattern.patterns, strict=False))
    return [*positional, *zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)]
