"""What is known about a kernel before it runs: the frozen facts that ``launch`` works from.

Input: the arguments of ``@ring_kernel``, or a bare coroutine function.  Output: ``KernelSpec``.
Types left out of the decorator are taken from the annotation ``KernelContext[A, B]`` of the
actor's parameter.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from pydotcompute.compiler.types.annotations import evaluate
from pydotcompute.queues.backpressure import BackpressureStrategy

ActorFunction = Callable[[Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class KernelSpec:
    """A kernel as declared.

    Args:
        kernel_id: its name.
        function: the actor's coroutine function, undecorated.
        input_types: classes of the messages it takes; empty: not declared.
        output_types: classes of the messages it sends; empty: not declared.
        queue_size: messages each queue holds.
        backpressure: what a full queue does.
    """

    kernel_id: str
    function: ActorFunction
    input_types: tuple[type, ...] = ()
    output_types: tuple[type, ...] = ()
    queue_size: int = 1000
    backpressure: BackpressureStrategy = BackpressureStrategy.BLOCK


def members(annotation: Any) -> tuple[type, ...] | None:
    """The classes of a type or a union of types; None for anything else.

    Args:
        annotation: ``A``, ``A | B``, ``Union[A, B]``, or None, which gives ``()``.
    """
    if annotation is None:
        return ()
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = typing.get_args(annotation)
    else:
        parts = (annotation,)
    for part in parts:
        if not isinstance(part, type) or typing.get_origin(part) or part in (Any, type(None)):
            return None
    return parts


def context_types(function: Callable[..., Any], local: Mapping[str, Any]) -> tuple[Any, Any]:
    """``A`` and ``B`` from ``async def actor(ctx: KernelContext[A, B])``; None where not given.

    Args:
        function: the actor.
        local: names of the enclosing function that the annotation mentions.
    """
    try:
        parameter = next(iter(inspect.signature(function).parameters))
        annotation = inspect.get_annotations(function).get(parameter)
        names = {**local, **inspect.getclosurevars(function).nonlocals}
        evaluated = evaluate(annotation, function.__module__, names)
    except (NameError, AttributeError, TypeError, ValueError, SyntaxError, StopIteration):
        return None, None  # an annotation for other readers, or of names that are not there
    origin, args = typing.get_origin(evaluated), typing.get_args(evaluated)
    if getattr(origin, "__name__", None) != "KernelContext" or len(args) != 2:
        return None, None
    first, second = (arg if members(arg) else None for arg in args)
    return first, second
