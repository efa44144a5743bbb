"""Bad input ends in one readable sentence that says what is wrong and what to do.

End to end, as a user meets it; the words are pinned.  More of each kind is beside what it tests
(``test_decorator``, ``test_schema``, ``test_fields``, ``test_toolchain``, ``test_build_cache``).
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import (
    BackendUnavailableError,
    KernelContext,
    LoweringError,
    MessageTypeError,
    MessageValueError,
    RingKernelRuntime,
    message,
    ring_kernel,
)
from pydotcompute.kernels.fallback import FallbackWarning

NO_COMPILER = (
    "The native backend needs a C++ compiler and none was found; run `pip install ziglang`, "
    "or install g++ or clang++, or set CXX to one."
)


@message
@dataclass
class Request:
    value: int


@message
@dataclass
class Response:
    result: int


@message
@dataclass
class Loose:
    value: object


@ring_kernel(kernel_id="bad_input.good", auto_register=False)
async def good(ctx: KernelContext[Request, Response]) -> None:
    while not ctx.should_terminate:
        request = await ctx.receive()
        await ctx.send(Response(result=request.value + 1))


@ring_kernel(kernel_id="bad_input.loose", auto_register=False)
async def loose(ctx: KernelContext[Loose, Response]) -> None:
    while not ctx.should_terminate:
        await ctx.receive()
        await ctx.send(Response(result=1))


@ring_kernel(kernel_id="bad_input.reader", auto_register=False)
async def reader(ctx: KernelContext[Request, Response]) -> None:
    while not ctx.should_terminate:
        await ctx.receive()
        with open(__file__) as file:
            await ctx.send(Response(result=len(file.read())))


def line_of(actor: Any, text: str) -> str:
    """``FILE:LINE`` of the first line of an actor that holds a text."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    start = actor.function.__code__.co_firstlineno
    return f"{__file__}:{next(n for n, line in enumerate(lines, 1) if n > start and text in line)}"


async def talk(actor: Any, sent: Any, **options: Any) -> tuple[str, Any]:
    """One message to an actor and back, and the backend that answered."""
    async with RingKernelRuntime(**options) as runtime:
        kernel = await runtime.launch(actor.kernel_id, actor)
        await kernel.activate()
        await kernel.send(sent)
        return kernel.backend, await kernel.receive(timeout=20.0)


def test_a_plain_def() -> None:
    with pytest.raises(TypeError) as caught:

        @ring_kernel(kernel_id="plain")  # type: ignore[arg-type]
        def actor(ctx: Any) -> None: ...

    assert str(caught.value) == (
        "kernel 'plain': actor is a plain `def`; write `async def actor(ctx):`"
    )


def test_a_field_of_type_object() -> None:
    where = line_of(loose, "ctx.receive()")
    sentence = (
        "field 'value' of Loose: object has no fixed record; use bool, int, float, str, a numpy "
        "scalar type, Enum, Literal, UUID, T | None, Annotated[list[T], MaxLen(n)], "
        f"Annotated[NDArray[T], Shape(n)] or an @message class ({where})"
    )
    with pytest.raises(LoweringError) as caught:
        asyncio.run(talk(loose, Loose(1), fallback="error"))
    assert str(caught.value) == sentence
    with pytest.warns(FallbackWarning) as warned:
        assert asyncio.run(talk(loose, Loose(1))) == ("python", Response(1))
    assert [str(warning.message) for warning in warned] == [
        f"kernel 'bad_input.loose' runs on the python backend: {sentence}"
    ]


def test_a_body_that_does_not_lower() -> None:
    with pytest.raises(LoweringError) as caught:
        asyncio.run(talk(reader, Request(1), fallback="error"))
    where = line_of(reader, "with open")
    assert str(caught.value) == f"`with` statement cannot be compiled ({where})"
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["PDC020"]


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(BackendUnavailableError) as caught:
        asyncio.run(talk(good, Request(1), backend="native"))
    assert str(caught.value) == NO_COMPILER
    with pytest.warns(FallbackWarning) as warned:
        assert asyncio.run(talk(good, Request(1))) == ("python", Response(2))
    assert [str(warning.message) for warning in warned] == [
        f"kernel 'bad_input.good' runs on the python backend: {NO_COMPILER}"
    ]


def test_a_cache_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", "/proc/pydotcompute")
    with pytest.warns(RuntimeWarning) as warned:
        assert asyncio.run(talk(good, Request(1))) == ("native", Response(2))
    assert [warning.filename for warning in warned] == [__file__]
    assert [str(warning.message) for warning in warned] == [
        "The build cache /proc/pydotcompute cannot be used (No such file or directory), so "
        "compiled kernels are kept for this process only; set PYDOTCOMPUTE_CACHE_DIR to a "
        "directory that only you can write to."
    ]


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder takes files, but nothing can be written into them."""
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", str(tmp_path))
    write = Path.write_text

    def refuse(self: Path, *args: Any, **kwargs: Any) -> int:
        if self.is_relative_to(tmp_path):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.warns(RuntimeWarning, match=r"cannot be used \(No space left on device\)"):
        assert asyncio.run(talk(good, Request(1))) == ("native", Response(2))


NO_DUMP = (
    "PYDOTCOMPUTE_DUMP_DIR cannot be written: [Errno 2] No such file or directory: "
    "'/proc/pydotcompute'"
)


def test_a_dump_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_DUMP_DIR", "/proc/pydotcompute")
    with pytest.warns(RuntimeWarning) as warned:
        assert asyncio.run(talk(good, Request(1))) == ("native", Response(2))
    assert [(str(w.message), w.filename) for w in warned] == [(NO_DUMP, __file__)]
    with pytest.warns(RuntimeWarning) as warned:
        good.lower()
    assert [(str(w.message), w.filename) for w in warned] == [(NO_DUMP, __file__)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the launch meets it, and not the compiler
        with pytest.raises(RuntimeWarning) as caught:
            asyncio.run(talk(good, Request(1)))
        assert str(caught.value) == NO_DUMP


def test_a_warning_is_printed_once(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\n"
        "from tests.contract.test_bad_input import Request, reader, talk\n"
        "print(asyncio.run(talk(reader, Request(1)))[0])\n"
    )
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout == "python\n"
    assert done.stderr.count("kernel 'bad_input.reader' runs on the python backend") == 1
    assert f"{__file__}:{reader.function.__code__.co_firstlineno}: FallbackWarning" in done.stderr


@pytest.mark.parametrize("backend", ["python", "native"])
@pytest.mark.parametrize(
    ("sent", "error", "sentence"),
    [
        (
            Request("one"),  # type: ignore[arg-type]
            MessageTypeError,
            "kernel 'bad_input.good': field 'value' of Request takes int, got str ('one')",
        ),
        (
            Response(1),
            MessageTypeError,
            "kernel 'bad_input.good' takes Request, not Response: Response(result=1)",
        ),
        (
            Request(2**64),
            MessageValueError,
            "kernel 'bad_input.good': field 'value' of Request takes int from -2**63 to "
            "2**63 - 1, got 18446744073709551616",
        ),
    ],
)
def test_a_message_that_does_not_fit(
    sent: Any, error: type[Exception], sentence: str, backend: str
) -> None:
    with pytest.raises(error) as caught:
        asyncio.run(talk(good, sent, backend=backend))
    assert str(caught.value) == sentence


def cell() -> Any:
    """What a notebook cell defines, each time it runs."""

    @message
    @dataclass
    class Question:
        value: int

    return Question


@pytest.mark.parametrize("backend", ["python", "native"])
def test_a_message_class_that_was_defined_anew(backend: str) -> None:
    old, new = cell(), cell()
    actor = ring_kernel(
        kernel_id="bad_input.cell", input_type=old, output_type=Response, auto_register=False
    )(good.function)

    async def main() -> None:
        async with RingKernelRuntime(backend=backend) as runtime:
            kernel = await runtime.launch("doubler", actor)
            await kernel.activate()
            for call in (
                kernel.send(new(4)), kernel.request(new(4)), kernel.send_many([old(1), new(4)]),
            ):  # fmt: skip
                with pytest.raises(MessageTypeError) as caught:
                    await call
                assert str(caught.value) == (
                    "kernel 'doubler' was launched with an earlier definition of Question, which "
                    "has been defined anew since; define the actor anew too, then terminate and "
                    "launch it"
                )
            await kernel.send_many(new.array(value=[5]))  # the same record: arrays have no class
            assert await kernel.receive(timeout=20.0) == Response(6)

    asyncio.run(main())


def test_an_inferred_class_that_was_defined_anew() -> None:
    @ring_kernel(kernel_id="bad_input.inferred", auto_register=False)
    async def inferred(ctx: Any) -> None:
        while not ctx.should_terminate:
            request = await ctx.receive()
            await ctx.send(Response(request.value + 1))

    old, new = cell(), cell()

    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await runtime.launch("inferred", inferred)
            await kernel.activate()
            assert await kernel.request(old(1)) == Response(2)
            with pytest.warns(FallbackWarning) as warned:
                assert await kernel.request(new(2)) == Response(3)
            assert [str(each.message) for each in warned] == [
                "kernel 'inferred' runs on the python backend: Question has been defined anew "
                "since it was compiled"
            ]

    asyncio.run(main())


def test_a_backend_that_does_not_exist() -> None:
    with pytest.raises(ValueError) as caught:
        asyncio.run(talk(good, Request(1), backend="gpu"))
    assert str(caught.value) == "backend is one of auto, cuda, native, python, not 'gpu'"

