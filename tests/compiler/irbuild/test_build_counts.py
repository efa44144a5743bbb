"""How often the builder builds one expression: a few times, whatever is around it.

Time is not asserted, counts are: the builds of a whole actor are linear in its size.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from unittest import mock

import pytest

from pydotcompute import ring_kernel
from pydotcompute.compiler.irbuild.core.builder import Builder
from tests.support import defining

_numbers = itertools.count()

HEAD = """\
from dataclasses import dataclass
import numpy as np
from pydotcompute import message

@message
@dataclass
class Job:
    n: int
    x: float
    w: np.uint64

@message
@dataclass
class Done:
    total: float

def scaled(value, by):
    result = value * by
    for step in range(3):
        result += step
    return result

async def actor(ctx):
    total = 0
    while not ctx.should_terminate:
        m = await ctx.receive()
"""
TAIL = "        await ctx.send(Done(float(total)))\n"


def counted(body: str) -> tuple[int, int]:
    """Lowers an actor with ``body`` in its loop: the most builds of one expression, and of all.

    A name or an attribute of one is no expression worth counting: what is called, and the
    variables of a test, are looked at before they are built.
    """
    text = HEAD + "".join(f"        {line}\n" for line in body.splitlines()) + TAIL
    module = defining.load(text, f"counted_{next(_numbers)}")
    builds: Counter[int] = Counter()
    seen: list[ast.expr] = []  # or an id could be that of another node
    evaluate = Builder.evaluate

    def counting(self: Builder, node: ast.expr) -> object:
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Constant)):
            builds[id(node)] += 1
            seen.append(node)
        return evaluate(self, node)

    with mock.patch.object(Builder, "evaluate", counting):
        actor = ring_kernel(kernel_id="counted", input_type=module.Job, output_type=module.Done,
                            auto_register=False)(module.actor)  # fmt: skip
        lowering = actor.lower()
    assert lowering.ok, lowering.diagnostics
    return max(builds.values()), sum(builds.values())


def most_builds(body: str) -> int:
    """The most builds of one expression."""
    return counted(body)[0]


def nested(depth: int, kind: str = "for", *, widening: bool = False) -> str:
    """Loops in loops; with ``widening``, a variable of each of them becomes a float in it."""
    lines, margin = [], ""
    for level in range(depth):
        if widening:
            lines.append(f"{margin}v{level} = 0")
        if kind == "for":
            lines.append(f"{margin}for i{level} in range(m.n):")
        else:
            lines += [f"{margin}i{level} = 0", f"{margin}while i{level} < m.n:"]
            lines.append(f"{margin}    i{level} += 1")
        margin += "    "
        if widening:
            lines.append(f"{margin}v{level} = v{level} + 0.5")
    used = " + ".join(["1", *(f"v{level}" for level in range(depth) if widening)])
    return "\n".join([*lines, f"{margin}total = total + ({used}) * m.n"])


CONDITIONALS = """\
best = None
for i in range(m.n):
    if i % 2:
        best = i
    elif best is not None and best > 3:
        best = best * 0.5
    last = None
    for j in range(i):
        if last is None or j > last:
            last = j
        else:
            last = last - 0.5
            break
    if last is not None:
        total += last
if best is not None:
    total += best
"""

HELPERS = """\
for i in range(m.n):
    total += scaled(i, 2)
    for j in range(i):
        total += scaled(m.x, j) + scaled(j, 2)
"""

KINDS = {
    "assignments": "v{n} = m.n * {n} + 1\ntotal += v{n}",
    "joins": "if m.n > {n}:\n    v{n} = m.n\nelse:\n    v{n} = None\nif v{n} is not None:\n"
             "    total += v{n} * 2",
    "chain": "if m.n > {n}:\n    v{n} = {before}\nelse:\n    v{n} = None\nif v{n} is not None:\n"
             "    total += v{n} * 2",
    "loops": "v{n} = {before}\nfor i{n} in range(3):\n    v{n} = v{n} + i{n} * 0.5\ntotal += v{n}",
    "lists": "v{n} = []\nv{n}.append(m.n * 2)\nv{n}.append(m.x + 1)\ntotal += len(v{n})",
    "items": "v{n} = []\nv{n}.append({before}[0] if m.n else 1)\ntotal += v{n}[0]",
    "helpers": "total += scaled(m.n + 1, {n})",
}  # fmt: skip


def statements(count: int, kind: str) -> str:
    """An actor of ``count`` pieces of one kind."""
    first = "(0, 1)" if kind == "items" else "0"
    return "\n".join(KINDS[kind].format(n=n, before=f"v{n - 1}" if n else first)
                     for n in range(count))  # fmt: skip


def masks(depth: int) -> str:
    """Masks of products in each other, whose innermost operand is an int of numpy."""
    text = "m.w"
    for _ in range(depth):
        text = f"(({text} * 3) & 0xFFFFFFFF)"
    return f"total = int({text})"


@pytest.mark.parametrize("kind", ["for", "while"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_loops_in_loops(kind: str, depth: int) -> None:
    assert most_builds(nested(depth, kind)) <= 2


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_loops_that_widen_a_variable_each(depth: int) -> None:
    """A loop costs what its own variables ask for, not a multiple of what those around it do."""
    assert most_builds(nested(depth, widening=True)) <= 3 + 2 * depth


def test_conditionals_in_loops() -> None:
    assert most_builds(CONDITIONALS) <= 8


def test_functions_called_in_loops() -> None:
    """``scaled`` is built for three combinations of types, and its loop makes a float of an int."""
    assert most_builds(HELPERS) <= 6


def test_masks_in_masks() -> None:
    assert most_builds(masks(4)) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_builds_are_linear_in_the_size_of_an_actor(kind: str) -> None:
    most, few = counted(statements(10, kind))
    more, many = counted(statements(40, kind))
    assert more == most <= 5
    assert many <= 4 * few


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_large_actors(kind: str) -> None:
    """Once, an actor of 200 names that each need a type of two ended the compiler."""
    most, _ = counted(statements(200, kind))
    assert most <= 5
