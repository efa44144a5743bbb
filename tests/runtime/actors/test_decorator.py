"""``@ring_kernel``: what the decorated object is, wrong arguments, the registry."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Union

import numpy as np
import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelAlreadyExistsError,
    KernelContext,
    KernelNotFoundError,
    KernelState,
    RingKernelFunction,
    message,
    ring_kernel,
)
from pydotcompute.actors.decorator import registry, spec_for
from pydotcompute.compiler.abi import Policy


@message
class Request:
    value: int


@message
class Response:
    result: int


async def actor(ctx: Any) -> None:
    """Says what it was given."""
    ctx.append("ran")


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    before = set(registry)
    yield
    for kernel_id in set(registry) - before:
        registry.unregister(kernel_id)


@ring_kernel(kernel_id="pickled", auto_register=False)
async def pickled(ctx: Any) -> None: ...


def test_the_object_has_what_was_given() -> None:
    made = ring_kernel(
        kernel_id="a",
        input_type=Request,
        output_type=Response | Request,
        queue_size=7,
        backpressure=BackpressureStrategy.REJECT,
        auto_register=False,
    )(actor)
    assert isinstance(made, RingKernelFunction)
    assert (made.kernel_id, made.queue_size) == ("a", 7)
    assert made.backpressure is BackpressureStrategy.REJECT
    assert made.input_type is Request
    assert made.output_type == Response | Request
    assert (made.input_types, made.output_types) == ((Request,), (Response, Request))
    assert made.function is actor
    assert repr(made) == "<ring kernel 'a': actor>"


def test_defaults() -> None:
    made = ring_kernel(kernel_id="a", auto_register=False)(actor)
    assert (made.input_type, made.output_type, made.queue_size) == (None, None, 1000)
    assert made.backpressure is BackpressureStrategy.BLOCK
    assert made.spec.input_types == made.spec.output_types == ()


def test_it_stays_the_coroutine_function() -> None:
    made = ring_kernel(kernel_id="a", auto_register=False)(actor)
    seen: list[str] = []
    asyncio.run(made(seen))
    assert seen == ["ran"]
    assert (made.__name__, made.__doc__) == ("actor", "Says what it was given.")
    assert made.__wrapped__ is actor
    assert list(inspect.signature(made).parameters) == ["ctx"]
    if sys.version_info >= (3, 12):
        assert inspect.iscoroutinefunction(made)
    else:
        assert asyncio.iscoroutinefunction(made)
    assert pickle.loads(pickle.dumps(pickled)) is pickled


def test_types_left_out_come_from_the_annotation() -> None:
    @message
    class Local:
        value: int

    @ring_kernel(kernel_id="a", auto_register=False)
    async def annotated(ctx: KernelContext[Local, Response | Request]) -> None: ...

    assert annotated.input_type is Local
    assert annotated.output_types == (Response, Request)


def test_types_given_come_before_the_annotation() -> None:
    @ring_kernel(kernel_id="a", auto_register=False, output_type=Request)
    async def annotated(ctx: KernelContext[Request, Response]) -> None: ...

    assert (annotated.input_type, annotated.output_type) == (Request, Request)


def test_an_annotation_may_name_what_comes_later() -> None:
    @ring_kernel(kernel_id="a", auto_register=False)
    async def annotated(ctx: KernelContext[Late, Late]) -> None: ...  # noqa: F821

    assert annotated.input_type is None
    globals()["Late"] = Request
    try:
        assert annotated.input_type is Request
    finally:
        del globals()["Late"]


@pytest.mark.parametrize(
    "annotation", ["Any", "KernelContext", "KernelContext[Any, Any]", "1 +", "x"]
)
def test_annotations_that_say_nothing(annotation: str) -> None:
    async def annotated(ctx): ...  # type: ignore[no-untyped-def]

    annotated.__annotations__["ctx"] = annotation
    made = ring_kernel(kernel_id="a", auto_register=False)(annotated)
    assert (made.input_type, made.output_type) == (None, None)


def test_a_union_may_be_written_either_way() -> None:
    union = Union[Request, Response]  # noqa: UP007
    made = ring_kernel(kernel_id="a", auto_register=False, input_type=union)(actor)
    assert made.input_types == (Request, Response)


def plain(ctx: Any) -> None: ...


async def without() -> None: ...


async def generator(ctx: Any) -> Any:
    yield 1


async def several(ctx: Any, other: int) -> None: ...


def test_a_queue_size_may_be_any_whole_number() -> None:
    made = ring_kernel(kernel_id="k", queue_size=np.int64(5), auto_register=False)(actor)
    assert made.queue_size == 5
    assert type(made.queue_size) is int


BAD_ARGUMENTS = [
    ({"kernel_id": ""}, ValueError, "kernel_id takes a string that is not empty, not ''"),
    ({"kernel_id": " "}, ValueError, "kernel_id takes a string that is not empty, not ' '"),
    ({"kernel_id": 5}, TypeError, "kernel_id takes a string, not 5"),
    ({"queue_size": 0}, ValueError, "kernel 'k': queue_size must be at least 1, not 0"),
    ({"queue_size": 1.5}, TypeError, "kernel 'k': queue_size takes an int, not 1.5"),
    ({"queue_size": True}, TypeError, "kernel 'k': queue_size takes an int, not True"),
    (
        {"backpressure": "block"},
        TypeError,
        "kernel 'k': backpressure takes BackpressureStrategy.BLOCK, .REJECT or .DROP_OLDEST, "
        "not 'block'",
    ),
    (
        {"input_type": "Request"},
        TypeError,
        "kernel 'k': input_type takes a message class or a union of them (A | B), not 'Request'",
    ),
    (
        {"output_type": Request | None},
        TypeError,
        "kernel 'k': output_type takes a message class or a union of them (A | B), "
        f"not {Request | None!r}",
    ),
    (
        {"input_type": list[int]},
        TypeError,
        "kernel 'k': input_type takes a message class or a union of them (A | B), not list[int]",
    ),
    ({"auto_register": 1}, TypeError, "kernel 'k': auto_register takes True or False, not 1"),
]


@pytest.mark.parametrize(("arguments", "kind", "text"), BAD_ARGUMENTS)
def test_wrong_arguments_fail_at_decoration(arguments: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind) as caught:
        ring_kernel(**{"kernel_id": "k", **arguments})
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (plain, "plain is a plain `def`; write `async def plain(ctx):`"),
        (without, "without takes one argument, the context; write `async def without(ctx):`"),
        (several, "several takes one argument, the context; write `async def several(ctx):`"),
        (
            generator,
            "generator has a `yield`, which makes it a generator; "
            "send messages with `await ctx.send(...)`",
        ),
        (pickled, "pickled is decorated with @ring_kernel already"),
        (Request, f"@ring_kernel decorates an `async def`, not {Request!r}"),
        (len, "@ring_kernel decorates an `async def`, not <built-in function len>"),
    ],
)
def test_wrong_functions_fail_at_decoration(function: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        ring_kernel(kernel_id="k")(function)
    assert str(caught.value) == f"kernel 'k': {text}"
    with pytest.raises(TypeError):
        ring_kernel(kernel_id="k")(functools.partial(actor, None))
    assert "k" not in registry


def test_without_arguments_python_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'kernel_id'"):
        ring_kernel(actor)  # type: ignore[call-arg, arg-type]


def test_the_registry_finds_kernels_and_knows_near_names() -> None:
    made = ring_kernel(kernel_id="registry-doubler")(actor)
    assert registry.get("registry-doubler") is made
    assert "registry-doubler" in registry
    with pytest.raises(KernelNotFoundError) as caught:
        registry.get("registry-doublr")
    assert str(caught.value) == (
        "no kernel 'registry-doublr' is registered; did you mean 'registry-doubler'?"
    )
    with pytest.raises(KernelNotFoundError) as caught:
        registry.get("zzz")
    assert str(caught.value) == (
        "no kernel 'zzz' is registered; decorate its function with "
        "@ring_kernel(kernel_id='zzz'), or pass it to launch"
    )


def test_without_auto_register_it_is_not_found() -> None:
    ring_kernel(kernel_id="registry-hidden", auto_register=False)(actor)
    assert "registry-hidden" not in registry


def test_an_id_belongs_to_one_definition() -> None:
    def define() -> RingKernelFunction:
        @ring_kernel(kernel_id="registry-cell")
        async def cell(ctx: Any) -> None: ...

        return cell

    first = define()
    second = define()
    assert first is not second
    assert registry.get("registry-cell") is second
    with pytest.raises(KernelAlreadyExistsError) as caught:
        ring_kernel(kernel_id="registry-cell")(actor)
    home = f"{__name__}.test_an_id_belongs_to_one_definition.<locals>.define.<locals>.cell"
    assert str(caught.value) == (
        f"kernel id 'registry-cell' belongs to {home} already; "
        f"give {__name__}.actor another kernel_id, or auto_register=False"
    )
    assert registry.get("registry-cell") is second


def test_what_launch_works_from() -> None:
    made = ring_kernel(kernel_id="registry-spec", queue_size=3, input_type=Request)(actor)
    assert spec_for("registry-spec") == made.spec
    renamed = spec_for("other", made)
    assert (renamed.kernel_id, renamed.queue_size, renamed.function) == ("other", 3, actor)
    bare = spec_for("bare", actor)
    assert (bare.queue_size, bare.input_types) == (1000, ())
    with pytest.raises(TypeError, match="is a plain `def`"):
        spec_for("bare", plain)
    with pytest.raises(KernelNotFoundError):
        spec_for("registry-nowhere")


def test_strategies_are_in_the_order_of_the_binary_interface() -> None:
    assert [s.name for s in BackpressureStrategy] == [p.name for p in Policy]
    assert [s.policy for s in BackpressureStrategy] == list(Policy)


def test_states() -> None:
    assert [s.name for s in KernelState] == [
        "CREATED", "LAUNCHED", "ACTIVE", "DEACTIVATED", "TERMINATING", "TERMINATED", "FAILED",
    ]  # fmt: skip


def _import() -> tuple[float, list[str]]:
    """Seconds that a fresh interpreter takes to import the package, and heavy modules it loads."""
    program = (
        "import numpy, sys, time\n"
        "start = time.perf_counter()\n"
        "import pydotcompute\n"
        "spent = time.perf_counter() - start\n"
        "assert pydotcompute.message.__name__ == 'message'\n"
        "heavy = {'cupy', 'jinja2', 'subprocess', 'asyncio', 'cuda', 'rich', 'hypothesis'}\n"
        "print(spent, *sorted(heavy & sys.modules.keys()))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seconds, *heavy = run.stdout.split()
    return float(seconds), heavy


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _import()[1] == []


@pytest.mark.alone
def test_importing_the_package_is_quick() -> None:
    assert min(_import()[0] for _ in range(5)) < 0.15


def test_public_names_are_all_there() -> None:
    import pydotcompute

    assert set(pydotcompute.__all__) <= set(dir(pydotcompute))
    with pytest.raises(AttributeError, match=r"^module 'pydotcompute' has no attribute 'nothing'$"):
        pydotcompute.nothing  # noqa: B018
    assert pydotcompute.KernelContext is KernelContext
