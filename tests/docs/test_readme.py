"""What README.md says is so."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pydotcompute.actors.decorator import registry
from pydotcompute.tools.cli import STAGES, main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_example_runs(tmp_path: Path) -> None:
    script = tmp_path / "doubler.py"
    script.write_text(blocks("python")[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("native Response(result=42)\n", "")


DRIVER = """

import numpy as np

async def readme():
    async with RingKernelRuntime() as runtime:
        await runtime.launch("doubler")
        await runtime.activate("doubler")
{block}
        print(answer, received, total)

asyncio.run(readme())
"""
"""The lines on messages stand in a coroutine."""


def run(script: Path, text: str) -> str:
    """What a script prints; it is imported, so what stands under ``__main__`` is not run."""
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", f"import runpy; runpy.run_path({str(script)!r})"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_every_block_of_python_is_run_by_a_test_here() -> None:
    begins = [block.splitlines()[0] for block in blocks("python")]
    assert begins == [
        "import asyncio",  # test_the_first_example_runs
        '@ring_kernel(kernel_id="archive")',  # test_the_diagnostic_is_what_the_compiler_says
        'await runtime.send("doubler", Request(21))                 # by the queue\'s backpressure',
        'await runtime.connect("parse", "risk")                     # what parse sends is what '
        "risk receives",  # test_the_lines_on_edges_run
        'accounts = await runtime.launch("account", key="account_id", instances=1_000_000)',
        '(await kernel.snapshot()).save("counter.pdc")              # variables, queues, counters',
        "lowering = doubler.lower()        # runs nothing, needs no GPU",
    ]


def test_the_lines_on_messages_run(tmp_path: Path) -> None:
    example, _, messages, *_ = blocks("python")
    block = textwrap.indent(messages, 8 * " ")
    printed = run(tmp_path / "messages.py", example + DRIVER.format(block=block))
    assert printed == f"Response(result=42) 1000000 {sum(range(0, 2_000_000, 2))}\n"


EDGES = """
import asyncio
from dataclasses import dataclass
from pydotcompute import KernelContext, RingKernelRuntime, message, ring_kernel

@message
@dataclass
class Raw:
    value: int

async def pass_on(ctx: KernelContext[Raw, Raw]):
    while not ctx.should_terminate:
        raw = await ctx.receive()
        await ctx.send(Raw(raw.value + 1))

async def readme():
    async with RingKernelRuntime(backend="python") as runtime:
        for name in ("parse", "risk", "orders", "audit"):
            actor = ring_kernel(kernel_id=name, auto_register=False)(pass_on)
            await runtime.launch(name, actor)
            await runtime.activate(name)
        raw = Raw(1)
{connect}
        await runtime.send("parse", Raw(10))
        print(reply, await runtime.receive("audit"), await runtime.receive("audit"))

asyncio.run(readme())
"""


def test_the_lines_on_edges_run(tmp_path: Path) -> None:
    """The pipeline needs an edge that the first line has made: it is another way to the same."""
    first, *rest = blocks("python")[3].splitlines()
    assert '"parse", "risk"' in first
    script = tmp_path / "edges.py"
    connect = textwrap.indent("\n".join(rest), 8 * " ")
    script.write_text(EDGES.format(connect=connect), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "Raw(value=4) Raw(value=4) Raw(value=13)\n"


POPULATIONS = (ROOT / "docs" / "populations.md").read_text(encoding="utf-8")


def test_the_lines_on_populations_run(tmp_path: Path) -> None:
    """With the actor of ``docs/populations.md``, whose example runs as well."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", POPULATIONS, re.MULTILINE | re.DOTALL)
    printed = run(tmp_path / "populations.py", example)
    comments = re.findall(r"print\(.*# (.*)$", example, re.MULTILINE)
    assert printed.splitlines() == comments
    head, _, _ = example.partition("async def main")
    lines = textwrap.indent(blocks("python")[4], 8 * " ")
    printed = run(tmp_path / "readme.py", (
        f"{head}async def main():\n    async with RingKernelRuntime() as runtime:\n{lines}\n"
        "        print(balance, states.total.tolist(), len(accounts))\n\n"
        "asyncio.run(main())\n"
    ))  # fmt: skip
    assert printed == "Balance(account_id='NL91', total=251) [251] 0\n"


SNAPSHOTS = """
import asyncio
from pydotcompute import KernelContext, RingKernelRuntime, Snapshot, message, ring_kernel

@message
class Number:
    value: int

@ring_kernel(kernel_id="counter", auto_register=False)
async def counter(ctx: KernelContext[Number, Number]):
    count = 0
    while not ctx.should_terminate:
        number = await ctx.receive()
        count += number.value
        await ctx.send(Number(count))

async def readme():
    async with RingKernelRuntime(backend="python") as runtime:
        kernel = await runtime.launch("counter", counter)
        await kernel.activate()
        await kernel.request(Number(40))
{lines}
        await again.activate()
        print(await again.request(Number(2)))

asyncio.run(readme())
"""


def test_the_lines_on_snapshots_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = textwrap.indent(blocks("python")[5], 8 * " ")
    printed = run(tmp_path / "snapshots.py", SNAPSHOTS.format(lines=lines))
    assert printed == "Number(value=42)\n"


def test_the_lines_on_looking_inside_run(tmp_path: Path) -> None:
    example, *_, inside = blocks("python")
    printed = run(tmp_path / "inside.py", f"{example}\n{inside}\nprint(len(lowering.html()))\n")
    for said in ("Actor 'doubler' lowers", "kernel doubler(Request) -> Response", "pdc_burst"):
        assert said in printed


def test_the_diagnostic_is_what_the_compiler_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "_kernels", {})
    definitions = blocks("python")[0].partition("async def main")[0]
    (archive,) = [block for block in blocks("python") if "archive" in block]
    script = tmp_path / "actors.py"
    script.write_text(definitions + archive, encoding="utf-8")
    assert main(["inspect", f"{script}:archive", "--stage", "ir"]) == 1
    said = capsys.readouterr().err.replace(str(script), "actors.py")
    assert blocks("text") == [said]


def test_the_stages_are_those_of_the_command() -> None:
    assert "|".join(STAGES) in README


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
