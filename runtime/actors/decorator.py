"""``@ring_kernel`` and the registry of decorated actors.

Input: a coroutine function ``async def actor(ctx)``.  Output: a ``RingKernelFunction``: the same
function to call, plus what the runtime has to know about it.  Wrong arguments fail here, at
decoration, each with one sentence.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pydotcompute.actors.spec import ActorFunction, KernelSpec, context_types, members
from pydotcompute.compiler.types.annotations import enclosing_names
from pydotcompute.errors import KernelAlreadyExistsError, KernelNotFoundError
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.support.arguments import count

if TYPE_CHECKING:
    from pydotcompute.actors.lowering import Lowering


class RingKernelFunction:
    """A decorated actor.  Calling it calls the actor, with a context made by hand.

    Args:
        function: the actor.
        kernel_id: its name.
        input_type, output_type: as given to the decorator.
        queue_size: messages each queue holds.
        backpressure: what a full queue does.
        auto_register: whether ``launch`` finds it by its id.
        local: names of the enclosing function that its annotation mentions.
    """

    def __init__(
        self,
        function: ActorFunction,
        *,
        kernel_id: str,
        input_type: Any = None,
        output_type: Any = None,
        queue_size: int = 1000,
        backpressure: BackpressureStrategy = BackpressureStrategy.BLOCK,
        auto_register: bool = True,
        local: dict[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.__qualname__: str = function.__qualname__
        self.function = function
        self.kernel_id = kernel_id
        self.queue_size = queue_size
        self.backpressure = backpressure
        self.auto_register = auto_register
        self._given = (input_type, output_type)
        self._local = local or {}
        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)

    def __call__(self, ctx: Any) -> Coroutine[Any, Any, None]:
        """The actor's coroutine, for a context made by hand."""
        return self.function(ctx)

    def __repr__(self) -> str:
        return f"<ring kernel {self.kernel_id!r}: {self.__qualname__}>"

    def __reduce__(self) -> str:
        return self.__qualname__

    @property
    def _is_coroutine(self) -> object:
        """What ``asyncio.iscoroutinefunction`` of Python 3.11 looks for."""
        import asyncio.coroutines

        return getattr(asyncio.coroutines, "_is_coroutine", None)

    @property
    def input_type(self) -> Any:
        """What it takes: a class, a union, or None if neither decorator nor annotation says."""
        return self._types()[0]

    @property
    def output_type(self) -> Any:
        """What it sends: a class, a union, or None if neither decorator nor annotation says."""
        return self._types()[1]

    @property
    def input_types(self) -> tuple[type, ...]:
        """The classes of ``input_type``; empty if it is not known."""
        return members(self.input_type) or ()

    @property
    def output_types(self) -> tuple[type, ...]:
        """The classes of ``output_type``; empty if it is not known."""
        return members(self.output_type) or ()

    @property
    def spec(self) -> KernelSpec:
        """The same facts, frozen, with the types as they can be told now."""
        taken, sent = self._types()
        return KernelSpec(
            self.kernel_id, self.function, members(taken) or (), members(sent) or (),
            self.queue_size, self.backpressure,
        )  # fmt: skip

    def lower(self, input_type: Any = None, output_type: Any = None) -> Lowering:
        """Compile the actor as far as C source, without running anything.

        Args:
            input_type, output_type: in place of what was declared; a class or a union.

        Returns:
            What came of it; ``ok`` is false, and ``diagnostics`` says why, if it cannot be.
        """
        from pydotcompute.actors.lowering import lower_actor

        spec = self.spec
        inputs = spec.input_types if input_type is None else members(input_type)
        outputs = spec.output_types if output_type is None else members(output_type)
        return lower_actor(replace(spec, input_types=inputs or (), output_types=outputs or ()))

    def _types(self) -> tuple[Any, Any]:
        # looked up each time: a name in the annotation may be defined after the actor
        given_in, given_out = self._given
        if given_in is not None and given_out is not None:
            return self._given
        found_in, found_out = context_types(self.function, self._local)
        return (
            found_in if given_in is None else given_in,
            found_out if given_out is None else given_out,
        )


def ring_kernel(
    function: None = None,
    /,
    *,
    kernel_id: str,
    input_type: Any = None,
    output_type: Any = None,
    queue_size: int = 1000,
    backpressure: BackpressureStrategy = BackpressureStrategy.BLOCK,
    auto_register: bool = True,
) -> Callable[[ActorFunction], RingKernelFunction]:
    """Make ``async def actor(ctx)`` into a ring kernel.

    Args:
        function: always left out; here so that ``@ring_kernel`` without arguments is told what
            is missing.
        kernel_id: the name it is launched and reached by; not empty.
        input_type: class of the messages it takes, or a union ``A | B``.  Left out: taken from
            ``KernelContext[A, B]``, else from the first message.
        output_type: the same for the messages it sends.
        queue_size: messages each of its two queues holds, at least 1.
        backpressure: what a full queue does.
        auto_register: whether ``launch(kernel_id)`` finds it; otherwise the function is passed.

    Returns:
        The decorator; it returns a ``RingKernelFunction``.

    Raises:
        TypeError, ValueError: an argument means nothing; the text says which and what to write.
        KernelAlreadyExistsError: the id belongs to another function.
    """
    if function is not None:
        raise TypeError("ring_kernel takes keywords only; write @ring_kernel(kernel_id=...)")
    _check_id(kernel_id)
    _check_settings(kernel_id, backpressure, auto_register)
    queue_size = count(queue_size, f"kernel {kernel_id!r}: queue_size")
    for name, given in (("input_type", input_type), ("output_type", output_type)):
        if members(given) is None:
            raise TypeError(
                f"kernel {kernel_id!r}: {name} takes a message class or a union of them "
                f"(A | B), not {given!r}"
            )

    def decorate(function: ActorFunction) -> RingKernelFunction:
        _check_function(kernel_id, function)
        annotated = getattr(function, "__annotations__", {}).values()
        made = RingKernelFunction(
            function, kernel_id=kernel_id, input_type=input_type, output_type=output_type,
            queue_size=queue_size, backpressure=backpressure, auto_register=auto_register,
            local=enclosing_names(annotated, sys._getframe(1)),
        )  # fmt: skip
        if auto_register:
            registry.register(made)
        return made

    return decorate


def _check_id(kernel_id: object) -> None:
    if not isinstance(kernel_id, str):
        raise TypeError(f"kernel_id takes a string, not {kernel_id!r}")
    if not kernel_id.strip():
        raise ValueError(f"kernel_id takes a string that is not empty, not {kernel_id!r}")


def _check_settings(kernel_id: str, backpressure: object, auto_register: object) -> None:
    who = f"kernel {kernel_id!r}:"
    if not isinstance(backpressure, BackpressureStrategy):
        raise TypeError(
            f"{who} backpressure takes BackpressureStrategy.BLOCK, .REJECT or .DROP_OLDEST, "
            f"not {backpressure!r}"
        )
    if type(auto_register) is not bool:
        raise TypeError(f"{who} auto_register takes True or False, not {auto_register!r}")


def _check_function(kernel_id: str, function: object) -> None:
    who = f"kernel {kernel_id!r}:"
    if isinstance(function, RingKernelFunction):
        raise TypeError(f"{who} {function.__qualname__} is decorated with @ring_kernel already")
    if not isinstance(function, FunctionType):
        raise TypeError(f"{who} @ring_kernel decorates an `async def`, not {function!r}")
    name = function.__name__
    if inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{who} {name} has a `yield`, which makes it a generator; "
            "send messages with `await ctx.send(...)`"
        )
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{who} {name} is a plain `def`; write `async def {name}(ctx):`")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise TypeError(
            f"{who} {name} takes one argument, the context; write `async def {name}(ctx):`"
        ) from None


class Registry:
    """Decorated actors by kernel id."""

    def __init__(self) -> None:
        self._kernels: dict[str, RingKernelFunction] = {}
        self._lock = threading.Lock()

    def register(self, kernel: RingKernelFunction) -> None:
        """Add an actor, or put it in the place of an earlier version of the same definition.

        Raises:
            KernelAlreadyExistsError: the id belongs to a function of another name or module.
        """
        with self._lock:
            old = self._kernels.get(kernel.kernel_id)
            if old is not None and _home(old) != _home(kernel):
                raise KernelAlreadyExistsError(
                    f"kernel id {kernel.kernel_id!r} belongs to {'.'.join(_home(old))} already; "
                    f"give {'.'.join(_home(kernel))} another kernel_id, or auto_register=False"
                )
            self._kernels[kernel.kernel_id] = kernel

    def get(self, kernel_id: str) -> RingKernelFunction:
        """The actor registered under an id.

        Raises:
            KernelNotFoundError: there is none; the text names the nearest ones.
        """
        try:
            return self._kernels[kernel_id]
        except KeyError:
            raise KernelNotFoundError(self._not_found(kernel_id)) from None

    def unregister(self, kernel_id: str) -> None:
        """Forget an actor; kernels launched from it go on."""
        with self._lock:
            self._kernels.pop(kernel_id, None)

    def __contains__(self, kernel_id: object) -> bool:
        return kernel_id in self._kernels

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._kernels))

    def _not_found(self, kernel_id: str) -> str:
        import difflib

        near = difflib.get_close_matches(str(kernel_id), self._kernels, n=3)
        if near:
            guess = " or ".join(map(repr, near))
            return f"no kernel {kernel_id!r} is registered; did you mean {guess}?"
        return (
            f"no kernel {kernel_id!r} is registered; decorate its function with "
            f"@ring_kernel(kernel_id={kernel_id!r}), or pass it to launch"
        )


def _home(kernel: RingKernelFunction) -> tuple[str, str]:
    return kernel.function.__module__, kernel.function.__qualname__


registry = Registry()
"""The actors of this process that were decorated with ``auto_register=True``."""


def spec_for(kernel_id: str, function: Any = None) -> KernelSpec:
    """What to launch.

    Args:
        kernel_id: the id to launch under.
        function: a decorated actor, whose settings are kept, a bare coroutine function, or None
            for the actor registered under the id.

    Raises:
        KernelNotFoundError: no function was given and none is registered.
        TypeError: the function is no actor.
    """
    _check_id(kernel_id)
    if function is None:
        return registry.get(kernel_id).spec
    if not isinstance(function, RingKernelFunction):
        _check_function(kernel_id, function)
        return RingKernelFunction(function, kernel_id=kernel_id, auto_register=False).spec
    spec = function.spec
    return KernelSpec(
        kernel_id, spec.function, spec.input_types, spec.output_types,
        spec.queue_size, spec.backpressure,
    )  # fmt: skip
