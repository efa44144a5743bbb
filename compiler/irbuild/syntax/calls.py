"""Calls: what is called decides which rule builds it."""

from __future__ import annotations

import ast
import dataclasses
import logging
import types as pytypes
from typing import Any

import numpy as np

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.irbuild.containers.containers import method
from pydotcompute.compiler.irbuild.containers.numpy_functions import call_numpy
from pydotcompute.compiler.irbuild.core.builder import Builder
from pydotcompute.compiler.irbuild.core.convert import NoAttributeError, OperandError
from pydotcompute.compiler.irbuild.core.enum_values import as_text
from pydotcompute.compiler.irbuild.core.quasiquote import placed
from pydotcompute.compiler.irbuild.core.unit import Static
from pydotcompute.compiler.irbuild.objects.functions import call_function
from pydotcompute.compiler.irbuild.objects.messages import construct, replaced
from pydotcompute.compiler.irbuild.objects.methods import (
    call_method,
    call_static,
    has_method,
    initialised,
)
from pydotcompute.compiler.irbuild.objects.prelude_calls import CALLS
from pydotcompute.compiler.irbuild.strings.formatting import text_method
from pydotcompute.compiler.irbuild.strings.host_calls import carried, is_logging
from pydotcompute.compiler.irbuild.syntax.builtins import BUILTINS
from pydotcompute.compiler.irbuild.values.constant_tables import get
from pydotcompute.compiler.irbuild.values.enum_members import by_value, is_enum
from pydotcompute.compiler.irbuild.values.functions import apply_function, intrinsic
from pydotcompute.compiler.ops.functions import NUMBER_METHODS, known
from pydotcompute.compiler.types.types import (
    BOOL,
    CONTAINERS,
    FLOAT,
    INT,
    NONE,
    STR,
    TEXT,
    ScalarType,
    members_of,
)


def call(b: Builder, node: ast.Call) -> ir.Expr | Static:
    """A call outside ``await``."""
    if isinstance(node.func, ast.Attribute):
        base = _owner(b, node, node.func)
        if isinstance(base, ir.Expr):
            return _method(b, node, node.func, base)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        owner = b.evaluate(node.func.value)
        if isinstance(owner, Static) and isinstance(owner.value, dict) and owner.value:
            return get(b, node, owner.value)
    callee = b.evaluate(node.func)
    if not isinstance(callee, Static):
        b.fail("PDC103", node, f"`{ast.unparse(node.func)}` is not a function")
    function = callee.value
    if (special := BUILTINS.get(_key(function))) is not None:
        return special(b, node)
    if (own := CALLS.get(_key(function))) is not None:
        return own(b, node)
    if function is dataclasses.replace:
        return initialised(b, node, replaced(b, node))
    if function is super:
        b.fail("PDC103", node, "`super()` cannot be compiled",
               hint="call the method of the class it means, as in `Base.method(self)`")  # fmt: skip
    if function is getattr and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
        name = str(node.args[1].value)
        return b.evaluate(placed(ast.Attribute(node.args[0], name, ast.Load()), node))
    if function is logging.getLogger:
        return _logger(b, node)
    if function is print or is_logging(function):
        return carried(b, node, function)
    if (made := call_numpy(b, node, function)) is not None:
        return made
    if known(function):
        return intrinsic(b, node, function)
    if is_enum(function):
        return by_value(b, node, function)
    if isinstance(function, type):
        return initialised(b, node, construct(b, node, function))
    if isinstance(function, pytypes.FunctionType):
        return call_function(b, node, function)
    if isinstance(function, pytypes.MethodType) and isinstance(function.__self__, type):
        return call_static(b, node, function)
    b.fail("PDC103", node, f"`{ast.unparse(node.func)}` cannot be compiled",
           notes=["compiled code runs without the interpreter"],
           hint="do it outside the loop, or write what it does as a plain function")  # fmt: skip


def _logger(b: Builder, node: ast.Call) -> Static:
    """``logging.getLogger("name")``: always the same object."""
    names = [b.evaluate(arg) for arg in [*node.args, *(k.value for k in node.keywords)]]
    values = [name.value for name in names if isinstance(name, ir.Const)]
    if len(values) != len(names) or len(names) > 1:
        b.fail("PDC103", node, "`logging.getLogger` needs a constant name",
               hint="make the logger at module level, or before the loop")  # fmt: skip
    return Static(logging.getLogger(*values))


def _key(function: Any) -> Any:
    try:
        hash(function)
    except TypeError:
        return None
    return function


def _owner(b: Builder, node: ast.Call, func: ast.Attribute) -> ir.Expr | Static:
    if isinstance(func.value, ast.Name) and func.value.id == b.ctx:
        b.fail("PDC023", node, f"`{b.ctx}.{func.attr}()` without `await` cannot be compiled")
    base = b.evaluate(func.value)
    if isinstance(base, Static) and isinstance(base.value, np.ndarray):
        return b.expression(func.value)
    known = (pytypes.ModuleType, type, logging.Logger, logging.LoggerAdapter)
    if isinstance(base, Static) and not isinstance(base.value, (*known, list, tuple, dict)):
        b.fail("PDC103", node, f"`{ast.unparse(func)}` cannot be compiled",
               notes=[f"a {type(base.value).__name__} has no compiled form"],
               hint="do it outside the loop, or keep numbers, strings or messages")  # fmt: skip
    return base


def _method(b: Builder, node: ast.Call, func: ast.Attribute, base: ir.Expr) -> ir.Expr:
    base = b.container(base, NoAttributeError)
    if isinstance(base.type, CONTAINERS):
        return method(b, node, base, func.attr)
    if has_method(base.type, func.attr):
        return call_method(b, node, func, base)
    base = as_text(base)
    if set(members_of(base.type)) <= {STR, TEXT}:
        return text_method(b, node, func, b.convert(base, TEXT if base.type != STR else STR))
    if func.attr not in NUMBER_METHODS or node.args or node.keywords:
        raise OperandError(f"{base.type} has no method {func.attr!r} that lowers")
    return b.split(base, lambda value: _number_method(b, node, func.attr, value))


def _number_method(b: Builder, node: ast.Call, name: str, value: ir.Expr) -> ir.Expr:
    """``x.is_integer()`` and the like, of one type."""
    function, types = NUMBER_METHODS[name]
    if value.type in types:
        return apply_function(b, function, [value], node)
    if isinstance(value.type, ScalarType):
        b.fail("PDC103", node, f"`{name}` of a {value.type} cannot be compiled",
               hint="convert it with `int(x)` or `float(x)`")  # fmt: skip
    if value.type in (INT, BOOL) and hasattr(int, name):  # `is_integer`, from Python 3.12 on
        return ir.Const(b.loc(node), BOOL, True)
    refusal = NoAttributeError if value.type in (NONE, FLOAT, INT, BOOL) else OperandError
    raise refusal(f"{value.type} has no method {name!r}")
