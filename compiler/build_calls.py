"""Calls: of the context, of messages, of the tables' functions, and of plain Python functions."""

from __future__ import annotations

import ast
import inspect
import types as pytypes
import uuid
from collections.abc import Callable
from typing import Any

from pydotcompute.compiler import ir
from pydotcompute.compiler.build import Builder, Static, build_until_stable, describe_static
from pydotcompute.compiler.build_expressions import apply, compare, items_of
from pydotcompute.compiler.build_messages import construct
from pydotcompute.compiler.build_texts import (
    carried,
    is_logging,
    make_format,
    make_str,
    text_method,
)
from pydotcompute.compiler.containers import LENGTH
from pydotcompute.compiler.diagnostics import DiagnosticError
from pydotcompute.compiler.intrinsics import INTRINSICS, known, match, spelling
from pydotcompute.compiler.numpy_types import cast, quietly, to_python
from pydotcompute.compiler.operators import Deoptimise, Primitive, suffix
from pydotcompute.compiler.scope import OperandError, Var
from pydotcompute.compiler.source import read_source
from pydotcompute.compiler.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NONE,
    STR,
    TEXT,
    UUID,
    ArrayType,
    MessageType,
    NeverType,
    ScalarType,
    TupleType,
    Type,
    UnionType,
    in_body,
    join,
    members_of,
)


def call(b: Builder, node: ast.Call) -> ir.Expr | Static:
    """A call outside ``await``."""
    if isinstance(node.func, ast.Attribute) and not _is_static(b, node.func.value):
        return _method(b, node, node.func)
    callee = b.evaluate(node.func)
    if not isinstance(callee, Static):
        b.fail("PDC103", node, f"`{ast.unparse(node.func)}` is not a function")
    function = callee.value
    if (special := _SPECIAL.get(_key(function))) is not None:
        return special(b, node)
    if function is print or is_logging(function):
        return carried(b, node, function)
    if known(function):
        return _intrinsic(b, node, function)
    if isinstance(function, type):
        return construct(b, node, function)
    if isinstance(function, pytypes.FunctionType):
        return _helper(b, node, function)
    b.fail("PDC103", node, f"calls of {describe_static(function)} do not lower",
           hint="write what it does as a plain function of numbers")  # fmt: skip


def _key(function: Any) -> Any:
    try:
        hash(function)
    except TypeError:
        return None
    return function


def _is_static(b: Builder, node: ast.expr) -> bool:
    """Whether ``node`` names a module or class rather than a value."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id not in (b.env or {}) and node.id not in b.bound


def sort(b: Builder, node: ast.AST, place: ir.Expr, reverse: bool) -> None:
    """Sorts a local list of numbers."""
    from pydotcompute.compiler.build_containers import mutate
    from pydotcompute.compiler.types import ListType

    assert isinstance(place.type, ListType)
    item = place.type.item
    if item not in (INT, FLOAT, BOOL) and not isinstance(item, (ScalarType, NeverType)):
        raise OperandError(f"a list of {item} is not sorted in compiled code")
    primitive = Primitive(
        f"sort_{reverse}", f"pdc_sort(pdc_t, {{0}}, {str(reverse).lower()})",
        lambda xs: _sort_exactly(xs, reverse),
    )  # fmt: skip
    mutate(b, node, primitive, place)


def _sort_exactly(values: list[Any], reverse: bool) -> None:
    if any(value != value for value in values):
        raise Deoptimise("NaN among sorted values")
    values.sort(reverse=reverse)


def _method(b: Builder, node: ast.Call, func: ast.Attribute) -> ir.Expr:
    if isinstance(func.value, ast.Name) and func.value.id == b.ctx:
        b.fail("PDC023", node, f"`{b.ctx}.{func.attr}()` without `await` does not lower")
    base = b.expression(func.value)
    if isinstance(base.type, CONTAINERS):
        from pydotcompute.compiler.build_containers import method

        return method(b, node, base, func.attr)
    if base.type in (STR, TEXT):
        return text_method(b, node, func, base)
    function = {"is_integer": float.is_integer, "bit_length": int.bit_length,
                "bit_count": int.bit_count}.get(func.attr)  # fmt: skip
    if function is None or node.args:
        raise OperandError(f"{base.type} has no method {func.attr!r} that lowers")
    return b.split(base, lambda value: apply_function(b, function, [value], node))


# --- ctx -----------------------------------------------------------------------------------------


def context_call(b: Builder, node: ast.Await) -> ir.Expr:
    """``await ctx.receive(...)``, ``await ctx.send(...)``, ``await ctx.wait_active()``."""
    call_ = node.value
    if not (isinstance(call_, ast.Call) and isinstance(call_.func, ast.Attribute)
            and isinstance(call_.func.value, ast.Name) and call_.func.value.id == b.ctx):  # fmt: skip
        b.fail("PDC022", node, "`await` of something other than the context")
    rule = {"receive": _receive, "send": _send, "wait_active": _wait}.get(call_.func.attr)
    if rule is None:
        b.fail("PDC023", node, f"`{b.ctx}.{call_.func.attr}` does not lower")
    return rule(b, call_)


def _wait(b: Builder, node: ast.Call) -> ir.Expr:
    return ir.none(b.loc(node))


def _receive(b: Builder, node: ast.Call) -> ir.Expr:
    timeout = [*node.args, *(k.value for k in node.keywords)]
    limit: ir.Expr | None = None
    if timeout:
        value = b.expression(timeout[0])
        limit = None if value.type == NONE else b.convert(value, FLOAT)
    kinds = tuple(MessageType(cls) for cls in b.unit.inputs)
    for kind in kinds:
        b.schema(kind.cls, node)
    type_: Type = kinds[0] if len(kinds) == 1 else UnionType(kinds)
    target = b.temporary(ir.none(b.loc(node)))
    b.block.pop()
    target = ir.Local(b.loc(node), type_, target.name)
    b.block.append(ir.Receive(b.loc(node), target, limit))
    return target


def _send(b: Builder, node: ast.Call) -> ir.Expr:
    argument = node.args[0] if node.args else node.keywords[0].value
    b.sending = isinstance(argument, ast.Call)
    value = b.expression(argument)
    b.sending = False
    _send_value(b, argument, value)
    return ir.none(b.loc(node))


def _send_value(b: Builder, node: ast.expr, value: ir.Expr) -> None:
    if isinstance(value.type, UnionType):
        value = b.stable(value)
        _send_member(b, node, value, list(value.type.members))
        return
    if not isinstance(value.type, MessageType):
        b.fail("PDC102", node, f"`send` takes an @message, and this is a {value.type}")
    outputs = b.unit.outputs
    if outputs is not None and value.type.cls not in outputs:
        names = " | ".join(cls.__name__ for cls in outputs)
        b.fail("PDC102", node, f"sends {value.type}, but output_type is {names}")
    b.unit.sent.setdefault(value.type.cls)
    b.block.append(ir.Send(b.loc(node), value))


def _send_member(b: Builder, node: ast.expr, value: ir.Expr, members: list[Type]) -> None:
    part, saved = ir.As(value.loc, members[0], value), b.block
    b.block = []
    _send_value(b, node, part)
    then, b.block = b.block, []
    if len(members) > 1:
        _send_member(b, node, value, members[1:])
        orelse, b.block = b.block, saved
        test = ir.Is(value.loc, BOOL, value, members[0])
        b.block.append(ir.If(b.loc(node), test, tuple(then), tuple(orelse)))
    else:
        b.block = [*saved, *then]


# --- functions of the tables ---------------------------------------------------------------------


def _arguments(b: Builder, node: ast.Call) -> list[ir.Expr]:
    if node.keywords:
        names = ", ".join(str(k.arg) for k in node.keywords)
        b.fail("PDC103", node, f"the keyword arguments {names} of `{ast.unparse(node.func)}` "
               "do not lower", hint="pass them by position")  # fmt: skip
    return b.sequence(node.args)


def _intrinsic(b: Builder, node: ast.Call, function: Callable[..., Any]) -> ir.Expr:
    if function is round and [k.arg for k in node.keywords] == ["ndigits"]:
        args = b.sequence([*node.args, node.keywords[0].value])
    else:
        args = _arguments(b, node)
    if function is round and len(args) == 2 and args[1].type == NONE:
        args.pop()
    return _each(b, args, lambda parts: apply_function(b, function, parts, node))


def _each(b: Builder, args: list[ir.Expr],
          function: Callable[[list[ir.Expr]], ir.Expr]) -> ir.Expr:  # fmt: skip
    """``function`` for every combination of the types that ``args`` may have."""
    for index, arg in enumerate(args):
        if isinstance(arg.type, UnionType):
            args = [a if isinstance(a, ir.Const) else b.stable(a) for a in args]
            rest = args

            def with_part(part: ir.Expr, index: int = index) -> ir.Expr:
                return _each(b, [*rest[:index], part, *rest[index + 1 :]], function)

            return b.split(args[index], with_part)
    return function(args)


def apply_function(b: Builder, function: Callable[..., Any], args: list[ir.Expr],
                   node: ast.AST) -> ir.Expr:  # fmt: skip
    """A function of the tables; numpy scalars go in as the Python numbers they convert to."""
    if len(args) == 1 and isinstance(args[0].type, ScalarType):
        if function is abs:
            return _abs_scalar(b, args[0])
        if function in (round, divmod):
            raise OperandError(f"{spelling(function)}({args[0].type}) is not supported")
    plain = [_to_python(b, arg) for arg in args]
    signature = match(function, tuple(arg.type for arg in plain))
    if signature is None:
        types = ", ".join(str(arg.type) for arg in args)
        raise OperandError(f"{spelling(function)}({types}) is not supported")
    parts = tuple(b.convert(arg, type_) for arg, type_ in
                  zip(plain, signature.operands, strict=True))  # fmt: skip
    return ir.Op(b.loc(node), signature.result, signature.primitive, parts)


def _abs_scalar(b: Builder, value: ir.Expr) -> ir.Expr:
    assert isinstance(value.type, ScalarType)
    name = f"np_abs_{suffix(value.type)}"
    primitive = Primitive(name, "pdc_np_abs({0})", quietly(abs))
    return ir.Op(value.loc, value.type, primitive, (value,))


def _to_python(b: Builder, value: ir.Expr) -> ir.Expr:
    if not isinstance(value.type, ScalarType):
        return value
    signature = to_python(value.type)
    if signature is None:
        raise OperandError(f"{value.type} has no Python number")
    return ir.Op(value.loc, signature.result, signature.primitive, (value,))


# --- functions written out -----------------------------------------------------------------------


def _extreme(symbol: str) -> Callable[[Builder, ast.Call], ir.Expr]:
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        if len(node.args) == 1 and not isinstance(node.args[0], ast.Tuple):
            return _reduce("min" if symbol == "<" else "max")(b, node)
        args = _arguments(b, node)
        if len(args) == 1 and isinstance(args[0].type, TupleType):
            args = items_of(b, args[0])
        if len(args) < 2:
            raise OperandError(f"`{ast.unparse(node.func)}` needs two or more values here")
        args = [b.stable(arg) for arg in args]
        best = args[0]
        for arg in args[1:]:
            best = b.stable(best)
            better = compare(b, symbol, arg, best)
            result = join(best.type, arg.type)
            best = ir.Cond(b.loc(node), result, better, b.convert(arg, result),
                           b.convert(best, result))  # fmt: skip
        return best

    return rule


def _reduce(kind: str) -> Callable[[Builder, ast.Call], ir.Expr]:
    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        from pydotcompute.compiler.build_containers import reduction

        return reduction(kind)(b, node)

    return rule


def _len(b: Builder, node: ast.Call) -> ir.Expr:
    (value,) = _arguments(b, node)
    if isinstance(value.type, TupleType):
        return ir.Const(b.loc(node), INT, len(value.type.items))
    if not isinstance(value.type, CONTAINERS):
        raise OperandError(f"len({value.type}) is not supported")
    if isinstance(value.type, ArrayType):
        return ir.Const(b.loc(node), INT, value.type.shape[0])
    return ir.Op(b.loc(node), INT, LENGTH, (value,))


def _sorted(b: Builder, node: ast.Call) -> ir.Expr:
    """``sorted(xs)`` and ``sorted(xs, reverse=True)`` of numbers."""
    if len(node.args) != 1 or any(k.arg != "reverse" for k in node.keywords):
        raise OperandError("`sorted` with a key does not lower")
    reverse = b.expression(node.keywords[0].value) if node.keywords else None
    if reverse is not None and not isinstance(reverse, ir.Const):
        raise OperandError("`reverse` needs to be a constant")
    copy = ast.copy_location(ast.Call(node.func, node.args, []), node)
    result = _list(b, copy)
    sort(b, node, result, reverse is not None and bool(reverse.value))
    return result


def _list(b: Builder, node: ast.Call) -> ir.Expr:
    from pydotcompute.compiler.build_containers import comprehension, placed

    if not node.args:
        return b.expression(placed(ast.List([], ast.Load()), node))
    item = b.fresh_name("item")
    name = ast.Name(item, ast.Load())
    loop = ast.comprehension(ast.Name(item, ast.Store()), node.args[0], [], 0)
    return comprehension(b, placed(ast.ListComp(name, [loop]), node))


def _bool(b: Builder, node: ast.Call) -> ir.Expr:
    args = _arguments(b, node)
    return b.truth(args[0]) if args else ir.Const(b.loc(node), BOOL, False)


def _divmod(b: Builder, node: ast.Call) -> ir.Expr:
    left, right = (b.stable(arg) for arg in _arguments(b, node))
    parts = tuple(apply(b, symbol, left, right, b.loc(node)) for symbol in ("//", "%"))
    return ir.Tuple(b.loc(node), TupleType(tuple(p.type for p in parts)), parts)


def _pow(b: Builder, node: ast.Call) -> ir.Expr:
    args = _arguments(b, node)
    if len(args) != 2:
        raise OperandError("`pow` with a modulus does not lower")
    return apply(b, "**", args[0], args[1], b.loc(node))


def _isinstance(b: Builder, node: ast.Call) -> ir.Expr:
    if len(node.args) != 2:
        b.fail("PDC110", node, "isinstance takes two arguments")
    value, classes = b.stable(b.expression(node.args[0])), b.evaluate(node.args[1])
    if isinstance(classes, ir.Expr):
        b.fail("PDC103", node.args[1], "`isinstance` needs a class here")
    wanted = classes.value if isinstance(classes.value, tuple) else (classes.value,)
    loc = b.loc(node)
    result: ir.Expr = ir.Const(loc, BOOL, False)
    answers = {member: issubclass(_class_of(member), wanted) for member in members_of(value.type)}
    if len(set(answers.values())) == 1:
        return ir.Const(loc, BOOL, next(iter(answers.values())))
    for member in [m for m, yes in answers.items() if yes]:
        part = ir.Is(loc, BOOL, value, member)
        result = part if isinstance(result, ir.Const) else ir.Or(loc, BOOL, result, part)
    return result


def _class_of(type_: Type) -> type:
    plain: dict[Type, type] = {BOOL: bool, INT: int, FLOAT: float, STR: str, NONE: type(None),
                               UUID: uuid.UUID}  # fmt: skip
    if isinstance(type_, ScalarType):
        return type_.dtype.type
    if isinstance(type_, TupleType):
        return tuple
    cls: type | None = plain.get(type_) or getattr(type_, "cls", None)
    if cls is None:
        raise OperandError(f"`isinstance` of a {type_} does not lower")
    return cls


def _scalar_class(cls: type) -> Callable[[Builder, ast.Call], ir.Expr]:
    """``np.float32(x)``: a conversion, checked for Python ints."""

    def rule(b: Builder, node: ast.Call) -> ir.Expr:
        import numpy as np

        if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and not node.keywords:
            try:
                # Folded, as an unsigned constant may be beyond the range of a compiled int.
                return ir.Const(b.loc(node), ScalarType(np.dtype(cls).name), cls(node.args[0].value))
            except (OverflowError, TypeError, ValueError):
                pass
        (value,) = _arguments(b, node)
        target = ScalarType(np.dtype(cls).name)

        def convert(part: ir.Expr) -> ir.Expr:
            if part.type == target:
                return part
            if part.type == FLOAT and not target.is_float:
                part = apply_function(b, int, [part], node)
            if not (part.type in (BOOL, INT, FLOAT) or isinstance(part.type, ScalarType)):
                raise OperandError(f"{part.type} is no number")
            primitive = cast(part.type, target)
            assert primitive is not None
            return ir.Op(b.loc(node), target, primitive, (part,))

        return b.split(value, convert)

    return rule


def _numpy_classes() -> dict[Any, Callable[[Builder, ast.Call], ir.Expr]]:
    import numpy as np

    names = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()
    classes = [np.dtype(name).type for name in names]
    return {cls: _scalar_class(cls) for cls in classes}


_SPECIAL: dict[Any, Callable[[Builder, ast.Call], ir.Expr | Static]] = {
    min: _extreme("<"),
    max: _extreme(">"),
    bool: _bool,
    divmod: _divmod,
    sum: _reduce("sum"),
    any: _reduce("any"),
    all: _reduce("all"),
    len: _len,
    str: make_str,
    format: make_format,
    sorted: _sorted,
    list: _list,
    pow: _pow,
    isinstance: _isinstance,
    **_numpy_classes(),
}


# --- plain Python functions ----------------------------------------------------------------------


def _helper(b: Builder, node: ast.Call, function: pytypes.FunctionType) -> ir.Expr:
    """A call of a function whose source is at hand: lowered for these argument types."""
    try:
        signature = inspect.signature(function)
        slots: dict[str, ast.expr] = dict(
            signature.bind(*node.args, **{str(k.arg): k.value for k in node.keywords}).arguments
        )
    except TypeError as error:
        b.fail("PDC110", node, f"`{ast.unparse(node.func)}`: {error}")
    given = list(slots)
    values = dict(zip(given, b.sequence([slots[name] for name in given]), strict=True))
    args = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            b.fail("PDC103", node, f"{function.__name__} takes a variable number of arguments")
        if parameter.name in values:
            args.append(values[parameter.name])
            continue
        default = b.constant(parameter.default, b.loc(node))
        if isinstance(default, Static):
            b.fail("PDC111", node, f"the default of {parameter.name!r} does not lower")
        args.append(default)
    lowered = specialise(b, node, function, tuple(arg.type for arg in args))
    result = ir.Call(b.loc(node), lowered.result, lowered.name, tuple(args))
    return b.temporary(result) if lowered.effects else result


def specialise(b: Builder, node: ast.Call, function: pytypes.FunctionType,
               types: tuple[Type, ...]) -> ir.Function:  # fmt: skip
    """The function lowered for these parameter types, built once a kernel."""
    unit = b.unit
    if (function, types) in unit.functions:
        return unit.functions[function, types]
    if function in unit.building:
        b.fail("PDC107", node, f"{function.__name__} calls itself, which does not lower",
               hint="write the recursion as a loop")  # fmt: skip
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        b.fail("PDC103", node, f"{function.__name__} is no plain function")
    before = unit.diagnostics.mark()
    unit.building.append(function)
    try:
        lowered = _build_function(b, function, types)
    except DiagnosticError as problem:
        unit.diagnostics.extend(problem.diagnostics)
        lowered = None
    finally:
        unit.building.pop()
    if lowered is None or unit.diagnostics.mark() > before:
        b.fail("PDC103", node, f"{function.__name__} does not lower",
               notes=[d.message for d in unit.diagnostics.found[:3]])  # fmt: skip
    unit.functions[function, types] = lowered
    return lowered


def _build_function(b: Builder, function: pytypes.FunctionType,
                    types: tuple[Type, ...]) -> ir.Function:  # fmt: skip
    from pydotcompute.compiler.unsupported import scan

    unit = b.unit
    source = read_source(function)
    problems = scan(source.node.body, source)
    if problems:
        raise DiagnosticError(*problems)
    inner = Builder(unit, source)
    names = [arg.arg for arg in [*source.node.args.posonlyargs, *source.node.args.args,
                                 *source.node.args.kwonlyargs]]  # fmt: skip
    parameters: tuple[ir.Local, ...] = ()

    def build() -> None:
        nonlocal parameters
        loc = inner.loc(source.node)
        parameters = tuple(inner.local(name, type_, loc)
                           for name, type_ in zip(names, types, strict=True))  # fmt: skip
        inner.env = {name: Var(local, local.type)
                     for name, local in zip(names, parameters, strict=True)}  # fmt: skip
        inner.returns = []
        inner.statements(source.node.body)
        if inner.env is not None:
            inner.returns.append(NONE)
            value = ir.none(loc)
            if inner.result is not None:
                value = inner.convert(value, inner.result)  # type: ignore[assignment]
            inner.block.append(ir.Return(loc, value))

    build_until_stable(inner, build)
    while inner.returns and inner.result != (wide := _widest(inner.returns)):
        inner.result = wide
        build_until_stable(inner, build)
    name = _unique(function.__name__, {f.name for f in unit.functions.values()})
    return ir.Function(inner.loc(source.node), name, function.__qualname__, parameters,
                       inner.result or NONE, tuple(inner.block), inner.effects)  # fmt: skip


def _widest(types: list[Type]) -> Type:
    result = types[0]
    for other in types[1:]:
        result = join(result, other)
    return result


def _unique(name: str, taken: set[str]) -> str:
    count, candidate = 1, name
    while candidate in taken:
        count += 1
        candidate = f"{name}__{count}"
    return candidate


__all__ = ["INT", "INTRINSICS", "STR", "apply_function", "call", "context_call", "in_body"]
