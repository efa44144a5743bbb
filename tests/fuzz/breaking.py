"""Programs with statements that cannot be compiled, sprinkled in at random.

``breaking(program, seed)`` is the program of ``tests.fuzz.programs`` with some of ``SPRINKLES`` in
its loop and its helpers, most of them behind a test that a few messages pass.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tests.fuzz.programs import Program

SPRINKLES = (
    "hidden.add(frozenset((LIMIT, 2)))",
    "print(len(hidden))",
    "print(sorted({x % 3 for x in range(beat)}))",
    "total = total + len({1: 2}.items() | {(3, 4)})",
    "total = (lambda v: v + 1)(total)",
    "log.info('%s', [[beat], [2]])",
    "nested = [[total]]\nnested[0].append(beat)\ntotal = sum(nested[0]) % 1000",
    "with suppress(KeyError):\n    total += 1\n    {}[total]",
    "import string\nprint(string.digits)",
    "late = {'at': beat}",
    "print(late)",
    "del nothing\nhidden.clear()",
    "def inner():\n    return beat\ntotal = inner()",
    "print('%08.3f' % (total / 3,), b'x')",
)
"""None can be compiled; those that change something change what later messages see."""

_IN_HELPERS = (
    "print(sorted({1, 2} | {3}))",
    "list(map(lambda v: v, {4: 5}.items()))",
    "with suppress(ValueError):\n    raise ValueError",
)


def breaking(program: Program, seed: int) -> Program:
    """A program with a few of these in it."""
    random = Random(f"breaks {seed}")
    tree = ast.parse(program.text)
    for node in tree.body:
        helper = isinstance(node, ast.FunctionDef) and node.name.startswith("helper")
        if isinstance(node, ast.FunctionDef) and helper and random.random() < 0.5:
            test = f"{node.args.args[0].arg} == {random.choice((0, 1, True))}"
            node.body.insert(0, _tested(test, random.choice(_IN_HELPERS)))
        if isinstance(node, ast.AsyncFunctionDef):
            _sprinkle(node, random)
    head = "from contextlib import suppress\n"
    at = tree.body.index(next(n for n in tree.body if not isinstance(n, ast.ImportFrom)))
    tree.body[at:at] = ast.parse(head).body
    name = f"breaking_{program.name}"
    return replace(program, name=name, text=ast.unparse(ast.fix_missing_locations(tree)))


def _sprinkle(actor: ast.AsyncFunctionDef, random: Random) -> None:
    loop = next(n for n in actor.body if isinstance(n, ast.While))
    actor.body[:0] = ast.parse("hidden = set()\nlate = None\ntotal = beat = 0\nnothing = 0").body
    received = next(n for n, each in enumerate(loop.body) if _receives(each))
    blocks = [block for each in loop.body[received + 1 :] for block in _blocks(each)]
    for block in random.sample(blocks, min(len(blocks), random.randint(1, 4))):
        block.insert(random.randint(0, len(block) - 1), _chosen(random))
    if random.random() < 0.5 or not blocks:
        loop.body.insert(random.randint(received + 1, len(loop.body)), _chosen(random))
    loop.body[received + 1 : received + 1] = ast.parse("beat = (beat + 1) % 11").body
    loop.body += ast.parse("print(total)").body


def _chosen(random: Random) -> ast.stmt:
    return _tested(f"beat == {random.randrange(11)}", random.choice(SPRINKLES))


def _tested(test: str, text: str) -> ast.stmt:
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return ast.parse(f"if {test}:\n{body}").body[0]


def _receives(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "receive" for n in ast.walk(node))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks inside a statement."""
    for child in ast.walk(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(child, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block
