"""Every example of the decorator's documentation page runs as it is written there.

``data/ring_kernel.txt`` is the page.  The code is cut out of it by its headings and not changed;
what the page leaves to its reader (``process``, message classes) is in ``READER``.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import types
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pydotcompute
from pydotcompute import QueueTimeoutError, RingKernelRuntime
from pydotcompute.actors.decorator import registry

PAGE = Path(__file__).parents[1] / "data" / "ring_kernel.txt"
HEADINGS = (
    "Overview",
    "Decorator Signature",
    "Parameters",
    "Actor Function Signature",
    "Usage Examples",
    "Basic Actor",
    "With Type Safety",
    "Custom Queue Configuration",
    "Without Auto-Registration",
    "Error Handling",
    "Stateful Actor",
    "Actor Loop Pattern",
    "Best Practices",
)
CODE = ("from ", "@", "def ", "async def ")

NAMES = """
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydotcompute import (
    BackpressureStrategy, KernelContext, RingKernelRuntime, message, ring_kernel,
)

TIn = TypeVar("TIn")
TOut = TypeVar("TOut")
F = TypeVar("F", bound=Callable[..., Any])
"""

PROCESS = """
@message
@dataclass
class Sample:
    value: float

@message
@dataclass
class Result:
    value: float

def process(sample):
    return Result(value=1.0 / sample.value)
"""

READER = {
    "Overview": PROCESS,
    "Custom Queue Configuration": PROCESS,
    "Actor Loop Pattern": PROCESS,
    "Without Auto-Registration": PROCESS,
    "With Type Safety": """
@message
@dataclass
class CalculationRequest:
    a: float
    b: float
    operation: int

@message
@dataclass
class CalculationResponse:
    result: float

def calculate(a, b, operation):
    if operation == 0:
        return a + b
    if operation == 1:
        return a - b
    if operation == 2:
        return a * b
    return a / b
""",
    "Error Handling": """
@message
@dataclass
class Job:
    total: int
    parts: int

@message
@dataclass
class SuccessResponse:
    data: int

@message
@dataclass
class ErrorResponse:
    error: str

def risky_operation(job):
    if job.total < 0:
        raise ValueError("negative total")
    return job.total // job.parts
""",
    "Stateful Actor": """
@message
@dataclass
class CountRequest:
    action: str

@message
@dataclass
class CountResponse:
    count: int
""",
}


def block(heading: str) -> str:
    """The code under a heading of the page, every line as it stands."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(heading) + 1
    following = (number for number in range(start, len(lines)) if lines[number] in HEADINGS)
    section = lines[start : next(following)]
    first = next(number for number, line in enumerate(section) if line.startswith(CODE))
    return "\n".join(section[first:]).rstrip() + "\n"


@dataclass(frozen=True)
class Page:
    """A block of the page, executed: its names, and what its top-level ``await`` is to run."""

    names: types.SimpleNamespace
    awaits: Callable[[], Coroutine[Any, Any, None]] | None


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Page]:
    """Run a block as the module of a reader who has written what the page leaves out."""
    monkeypatch.setattr(registry, "_kernels", {})

    def run(heading: str) -> Page:
        name = "page_" + heading.lower().replace(" ", "_").replace("-", "_")
        file = tmp_path / f"{name}.py"
        text = NAMES + READER.get(heading, "") + "\n\n" + block(heading)
        file.write_text(text, encoding="utf-8")
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        code = compile(text, str(file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        asynchronous = bool(code.co_flags & inspect.CO_COROUTINE)
        if asynchronous:  # definitions run at once, the block's own `async with` when called
            tree = ast.parse(text)
            tree.body = [node for node in tree.body if not isinstance(node, ast.AsyncWith)]
            exec(compile(tree, str(file), "exec"), module.__dict__)
            function = types.FunctionType(code, module.__dict__)
            return Page(types.SimpleNamespace(**module.__dict__), function)
        exec(code, module.__dict__)
        return Page(types.SimpleNamespace(**module.__dict__), None)

    return run


@dataclass(frozen=True)
class Case:
    """One example: what is sent, and what must come back.

    Attributes:
        heading: of the page.
        kernel_id: as the page has it.
        actor: the name of the function.
        sent: message class and arguments, in order.
        expected: message class and arguments, in order.
    """

    heading: str
    kernel_id: str
    actor: str
    sent: tuple[tuple[Any, ...], ...]
    expected: tuple[tuple[Any, ...], ...]

    def messages(self, names: types.SimpleNamespace, which: str) -> list[Any]:
        rows = getattr(self, which)
        return [getattr(names, row[0])(*row[1:]) for row in rows]


PROCESSED = (
    (("Sample", 4.0), ("Sample", -0.5), ("Sample", 8.0)),
    (("Result", 0.25), ("Result", -2.0), ("Result", 0.125)),
)
CASES = (
    Case("Overview", "my_actor", "my_actor", *PROCESSED),
    Case(
        "Basic Actor",
        "doubler",
        "doubler",
        sent=(("Request", 1), ("Request", 21), ("Request", -(2**62))),
        expected=(("Response", 2), ("Response", 42), ("Response", -(2**63))),
    ),
    Case(
        "With Type Safety",
        "calculator",
        "calculator",
        sent=tuple(
            ("CalculationRequest", a, b, operation)
            for a, b, operation in ((1.5, 2.0, 0), (1.5, 2.0, 1), (1.0, 0.0, 3), (1.0, 3.0, 3))
        ),
        expected=tuple(("CalculationResponse", value) for value in (3.5, -0.5, 1.0 / 3.0)),
    ),
    Case("Custom Queue Configuration", "high_throughput", "high_throughput_actor", *PROCESSED),
    Case(
        "Without Auto-Registration",
        "test_actor",
        "test_actor",
        sent=(("Sample", 1.5), ("Sample", -0.0)),
        expected=(("Sample", 1.5), ("Sample", -0.0)),
    ),
    Case(
        "Error Handling",
        "resilient",
        "resilient_actor",
        sent=(("Job", 10, 2), ("Job", -1, 2), ("Job", 10, 0), ("Job", 9, 2)),
        expected=(
            ("SuccessResponse", 5),
            ("ErrorResponse", "negative total"),
            ("ErrorResponse", "Internal error"),
            ("SuccessResponse", 4),
        ),
    ),
    Case(
        "Stateful Actor",
        "counter",
        "counter_actor",
        sent=tuple(
            ("CountRequest", action)
            for action in ("increment", "increment", "decrement", "shrug", "increment", "reset")
        ),
        expected=tuple(("CountResponse", count) for count in (1, 2, 1, 1, 2, 0)),
    ),
    Case(
        "Actor Loop Pattern",
        "template",
        "template_actor",
        sent=(("Sample", 4.0), ("Sample", 0.0), ("Sample", 8.0)),
        expected=(("Result", 0.25), ("Result", 0.125)),
    ),
)
IDS = [case.kernel_id for case in CASES]
BACKENDS = ("python", "native")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_example_runs_as_written(
    case: Case, backend: str, execute: Callable[[str], Page], capsys: pytest.CaptureFixture[str]
) -> None:
    names = execute(case.heading).names
    actor = getattr(names, case.actor)

    async def converse() -> None:
        async with RingKernelRuntime(backend=backend, fallback="error") as runtime:
            by_id = case.heading != "Without Auto-Registration"
            kernel = await runtime.launch(case.kernel_id, None if by_id else actor)
            await runtime.activate(case.kernel_id)
            for message in case.messages(names, "sent"):
                await runtime.send(case.kernel_id, message)
            expected = case.messages(names, "expected")
            received = [await runtime.receive(case.kernel_id, timeout=20.0) for _ in expected]
            assert received == expected
            assert [str(message) for message in received] == [str(message) for message in expected]
            assert kernel.backend == backend, kernel.reason

            # Idle for longer than the actor's own timeout, it still answers.
            with pytest.raises(QueueTimeoutError):
                await runtime.receive(case.kernel_id, timeout=0.15)
            await runtime.send(case.kernel_id, case.messages(names, "sent")[0])
            await runtime.receive(case.kernel_id, timeout=20.0)

            ended = await runtime.terminate(case.kernel_id)
            assert list(ended.unprocessed) == []

    asyncio.run(converse())
    printed = capsys.readouterr().out
    if case.kernel_id == "template":
        assert printed.splitlines() == [
            "[template] Starting...",
            "Error: float division by zero" if sys.version_info < (3, 14) else
            "Error: division by zero",
            "[template] Terminated",
        ]  # fmt: skip
    else:
        assert printed == ""


def test_the_pages_own_launch_by_function(execute: Callable[[str], Page]) -> None:
    page = execute("Without Auto-Registration")
    assert page.awaits is not None
    asyncio.run(page.awaits())


def test_an_actor_without_registration_needs_its_function(
    execute: Callable[[str], Page],
) -> None:
    execute("Without Auto-Registration")

    async def launch() -> None:
        async with RingKernelRuntime() as runtime:
            await runtime.launch("test_actor")

    with pytest.raises(pydotcompute.KernelNotFoundError):
        asyncio.run(launch())


def test_the_decorator_has_the_pages_signature(execute: Callable[[str], Page]) -> None:
    theirs = inspect.signature(execute("Decorator Signature").names.ring_kernel)
    ours = inspect.signature(pydotcompute.ring_kernel)

    def shape(signature: inspect.Signature) -> list[tuple[str, Any, Any]]:
        # ours also has a positional parameter, which catches `@ring_kernel` without parentheses
        given = [p for p in signature.parameters.values() if p.kind is not p.POSITIONAL_ONLY]
        return [(p.name, p.kind, p.default) for p in given]

    assert shape(ours) == shape(theirs)


def test_the_context_is_generic_as_on_the_page(execute: Callable[[str], Page]) -> None:
    assert inspect.iscoroutinefunction(execute("Actor Function Signature").names.my_actor)


def test_every_block_of_the_page_is_tested() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tested = {case.heading for case in CASES} | {"Decorator Signature", "Actor Function Signature"}
    definitions = sum(line.startswith(("async def ", "def ")) for line in text.splitlines())
    in_blocks = sum(
        line.startswith(("async def ", "def "))
        for name in tested
        for line in block(name).splitlines()
    )
    assert in_blocks == definitions
