"""From a syntax tree back to code: a definition compiled as if it stood where a function stands.

Input: a function and a tree.  Output: code with the function's file name, line numbers, free
variables and qualified names.  Also tells whether a text is what a function was compiled from.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_FUTURES = functools.reduce(
    lambda flags, name: flags | getattr(__future__, name).compiler_flag,
    __future__.all_feature_names,
    0,
)


def compile_node(
    source_of: FunctionType, node: FunctionNode, imported: frozenset[str] | None = None
) -> CodeType:
    """The code of a definition that stands where ``source_of`` stands.

    Free variables stay free (in the order of ``co_freevars``), file name and ``__future__``
    features are those of ``source_of``.

    Args:
        source_of: the function whose surroundings count.
        node: a definition; its decorators, defaults and annotations are not looked at.
        imported: global names bound by ``import``, by which CPython chooses instructions that do
            the same; None to go by their values.
    """
    code = source_of.__code__
    # ``global`` makes the qualified name just this name, dots and all; the qualified names of
    # what is nested inside begin with it.
    declared = ast.Global(names=[code.co_qualname])
    inner = _definition(node, code.co_qualname, _bare_arguments(node.args), node.body)
    # The enclosing function makes the free names free; its own code is thrown away.
    outer = ast.FunctionDef(
        name="outer", args=_parameters(code.co_freevars), body=[declared, inner],
        decorator_list=[], returns=None, type_comment=None, **_NO_TYPE_PARAMETERS,
    )  # fmt: skip
    ast.copy_location(outer, node)
    if imported is None:
        imported = _likely_imported(source_of)
    names = sorted(imported.intersection(_all_names(code)))
    imports = [ast.Import(names=[ast.alias(name=name)]) for name in names]
    module = ast.fix_missing_locations(ast.Module(body=[*imports, outer], type_ignores=[]))
    compiled = compile(
        module, code.co_filename, "exec", flags=code.co_flags & _FUTURES, dont_inherit=True
    )
    made = _nested(_nested(compiled, "outer"), code.co_qualname)
    return made.replace(co_name=code.co_name)  # not the first line: others are counted from it


def _all_names(code: CodeType) -> Iterator[str]:
    """The names of globals and attributes in a code and in what is nested in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_names(constant)


def _text(function: FunctionType) -> str:
    return "".join(linecache.getlines(function.__code__.co_filename, function.__globals__))


def _likely_imported(function: FunctionType) -> frozenset[str]:
    """The global names that stand for something made elsewhere."""
    home, names = function.__module__, function.__globals__
    return frozenset(
        name for name in _all_names(function.__code__)
        if name in names and getattr(names[name], "__module__", None) != home
    )  # fmt: skip


@functools.lru_cache(maxsize=16)
def _imported(text: str) -> frozenset[str]:
    """The names that ``import`` binds at the top level of a file; a large one takes long."""
    try:
        waiting: list[ast.AST] = [ast.parse(text)]
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[str] = set()
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.Import | ast.ImportFrom):
                names.update((a.asname or a.name).partition(".")[0] for a in child.names)
            elif not isinstance(child, ast.expr | FunctionNode | ast.ClassDef):
                waiting.append(child)
    return frozenset(names)


_NO_TYPE_PARAMETERS: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}


def _definition(
    like: FunctionNode, name: str, args: ast.arguments, body: list[ast.stmt]
) -> FunctionNode:
    """A bare definition of the kind and at the place of ``like``."""
    made = type(like)(
        name=name, args=args, body=body, decorator_list=[], returns=None, type_comment=None,
        **_NO_TYPE_PARAMETERS,
    )  # fmt: skip
    return ast.copy_location(made, like)


def _nested(code: CodeType, name: str) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


def _parameters(names: Sequence[str]) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=name) for name in names], vararg=None, kwonlyargs=[],
        kw_defaults=[], kwarg=None, defaults=[],
    )  # fmt: skip


def _bare_arguments(args: ast.arguments) -> ast.arguments:
    """The parameters without annotations and defaults: both belong to the definition's run."""

    def bare(arg: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(arg=arg.arg), arg)

    return ast.arguments(
        posonlyargs=[bare(arg) for arg in args.posonlyargs],
        args=[bare(arg) for arg in args.args],
        vararg=bare(args.vararg) if args.vararg else None,
        kwonlyargs=[bare(arg) for arg in args.kwonlyargs],
        kw_defaults=[None] * len(args.kwonlyargs),
        kwarg=bare(args.kwarg) if args.kwarg else None,
        defaults=[],
    )


def same_code(function: FunctionType, node: FunctionNode) -> bool:
    """Whether the text is what runs: a stale file must never be compiled in its place."""
    try:
        compiled = compile_node(function, node)
        if _equal(compiled, function.__code__):
            return True
        compiled = compile_node(function, node, _imported(_text(function)))
    except (SyntaxError, ValueError, StopIteration):
        return False
    if _equal(compiled, function.__code__):
        return True
    # pytest rewrites the assert statements of test modules, which adds names that start with "@".
    asserts = any(isinstance(child, ast.Assert) for child in ast.walk(node))
    return asserts and _names(compiled) == _names(function.__code__)


def _names(code: CodeType) -> tuple[Any, ...]:
    variables = frozenset(name for name in code.co_varnames if not name.startswith("@"))
    return code.co_argcount, variables, code.co_freevars, code.co_cellvars


def _equal(left: CodeType, right: CodeType) -> bool:
    """Whether two codes do the same, wherever they stand."""
    return all(
        getattr(left, part) == getattr(right, part)
        for part in ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars")
    ) and _constant(left.co_consts) == _constant(right.co_consts)


def _constant(value: Any) -> Any:
    """A key that tells ``1`` from ``1.0`` and ``True``, and ``0.0`` from ``-0.0``."""
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return frozenset(map(_constant, value))
    if isinstance(value, CodeType):
        return value.co_name, value.co_code, value.co_names, _constant(value.co_consts)
    return type(value), repr(value)
