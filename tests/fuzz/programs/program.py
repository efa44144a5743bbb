"""Whole actors from seeds: ``write(seed)`` is a module with messages, helpers and an actor.

Made apart from ``tests.fuzz.generated``: programs of idioms rather than of grammar, with state of
every kind (numbers, strings, members, ``None``, lists, deques, dicts, arrays, messages), several
classes in and out, nested messages, helpers that raise and that return several values, time-outs
that do work, an epilogue.  What is written is inside section 5 of the contract, so each must lower.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from random import Random
from typing import Any

from pydotcompute import ring_kernel
from pydotcompute.actors.decorator import RingKernelFunction
from tests.fuzz.programs.scope import ANNOTATIONS, Helper, Scope
from tests.fuzz.programs.statements import Lines, Statements, indent
from tests.support import defining

Fields = dict[str, dict[str, str]]
"""Message classes: the types of their fields by name."""

HEAD = '''\
from __future__ import annotations

import asyncio
import bisect
import heapq
import logging
import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import numpy as np
from annotated_types import MaxLen
from numpy.typing import NDArray

from pydotcompute import KernelContext, Shape, message

log = logging.getLogger("programs")
LIMIT = 50
SCALE = 0.75
MASK = 0xFFFF_FFFF
NAME = "main"
WEIGHTS = (3, 1, 4, 1)


class Mode(Enum):
    OFF = 0
    SLOW = 1
    FAST = 5


NEXT = {Mode.OFF: Mode.SLOW, Mode.SLOW: Mode.FAST, Mode.FAST: Mode.OFF}
LABELS = {Mode.OFF: "off", Mode.SLOW: "slow", Mode.FAST: "fast"}


class Rejected(Exception):
    pass


class TooMany(Rejected):
    pass


@message
@dataclass
class Point:
    x: int
    y: float


def i32_of(value):
    return np.int32((value & 0xFFFF) - 1000)


def u8_of(value):
    return np.uint8(value & 0xFF)


def clamp(value, low=-100, high=100):
    """For numbers of any kind."""
    return low if value < low else high if value > high else value
'''
_IN = ["int"] * 5 + ["float"] * 4 + ["bool", "bool", "str", "str", "mode", "i32", "u8", "f32",
                                     "optint", "optfloat", "point", "items"]  # fmt: skip
_OUT = ["int"] * 4 + ["float"] * 3 + ["bool", "str", "str", "mode", "i32", "f32", "optint", "point",
                                      "items"]  # fmt: skip
_STATE = ["int"] * 4 + ["float"] * 3 + ["bool", "str", "mode", "i32", "u8", "f32", "optint",
                                        "optfloat", "point"]  # fmt: skip
_PLACES = {
    "ints": "[0, 1, 2, 3, 5]", "floats": "[0.0] * 4", "queue": "deque(maxlen=5)", "counts": "{}",
    "prices": "{}", "grid": "np.zeros((2, 3))", "waiting": "deque([1.5, 2.5])",
    "tallies": "defaultdict(int)", "votes": "Counter()", "seen": "{3, 5}", "heap": "[1, 3, 2]",
    "ranks": "[0.5, 1.5]",
}  # fmt: skip


@dataclass
class Program:
    """A program.

    Args:
        name: of its module.
        text: of its module.
        inputs, outputs: names of the message classes.
    """

    name: str
    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def load(self) -> tuple[RingKernelFunction, list[type]]:
        """The actor, decorated, and the classes that it receives."""
        module: Any = defining.load(self.text, self.name)
        inputs = [getattr(module, name) for name in self.inputs]
        outputs = [getattr(module, name) for name in self.outputs]
        decorate = ring_kernel(
            kernel_id=self.name, auto_register=False,
            input_type=functools.reduce(operator.or_, inputs),
            output_type=functools.reduce(operator.or_, outputs),
        )  # fmt: skip
        return decorate(module.actor), inputs

    def unload(self) -> None:
        """Forgets the module."""
        defining.unload(self.name)


def write(seed: int) -> Program:
    """The program of a seed."""
    return _Writer(seed).program()


class _Writer:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(f"program {seed}")
        self.helpers: list[Helper] = [
            Helper("clamp", ("int",), "int"), Helper("clamp", ("float", "float", "float"), "float"),
        ]  # fmt: skip
        self.count = 0

    def program(self) -> Program:
        """The whole."""
        inputs = {f"In{n}": self._fields(_IN) for n in range(self.random.choice((1, 1, 2, 3)))}
        outputs = {f"Out{n}": self._fields(_OUT) for n in range(self.random.choice((1, 1, 2)))}
        parts = [HEAD]
        for name, fields in {**inputs, **outputs}.items():
            lines = [f"    {field}: {ANNOTATIONS[type_]}" for field, type_ in fields.items()]
            parts.append("\n".join(["@message", "@dataclass", f"class {name}:", *lines, ""]))
        for number in range(self.random.randint(1, 4)):
            parts.append("\n".join([*self._helper(number), ""]))
        parts.append("\n".join([*self._actor(inputs, outputs), ""]))
        return Program(f"program_{self.seed}", "\n\n".join(parts), tuple(inputs), tuple(outputs))

    def _fields(self, kinds: list[str]) -> dict[str, str]:
        return {f"f{n}": self.random.choice(kinds) for n in range(self.random.randint(1, 4))}

    def _scope(self) -> Scope:
        scope = Scope(self.random, helpers=list(self.helpers))
        scope.counter = self.count
        return scope

    # --- helpers ----------------------------------------------------------------------------------

    def _helper(self, number: int) -> Lines:
        """A function: an expression, a loop, a check that raises, several results, a message."""
        random, scope, name = self.random, self._scope(), f"helper{number}"
        takes = tuple(random.choice(("int", "float", "int", "bool", "mode", "str"))
                      for _ in range(random.randint(1, 3)))  # fmt: skip
        names = [f"a{n}" for n in range(len(takes))]
        scope.names.update(zip(names, takes, strict=True))
        kind = random.choice(("plain", "plain", "raises", "tuple", "message"))
        gives = {"tuple": "int,float", "message": "point"}.get(kind) or random.choice(
            ("int", "float", "bool", "str")
        )
        statements = Statements(scope, {})
        body = statements.block(random.randint(0, 3), 1)
        if kind == "raises":
            error = random.choice(("Rejected", "TooMany", "ValueError"))
            text = random.choice(("", '"helper"', f'f"{{{names[0]}}}"'))
            body += [f"if {statements.expr('bool', 1)}:", f"    raise {error}({text})"]
        elif random.random() < 0.4 and kind == "plain":
            body += [f"if {statements.expr('bool', 1)}:",
                     f"    return {statements.bounded(gives)}"]  # fmt: skip
        results = [statements.bounded(t) for t in gives.split(",")]
        body.append(f"return {', '.join(results)}")
        hints = random.random() < 0.5
        parameters = ", ".join(
            f"{n}: {ANNOTATIONS[t]}" if hints else n for n, t in zip(names, takes, strict=True)
        )
        self.helpers.append(Helper(name, takes, gives, kind == "raises"))
        self.count = scope.counter
        return [f"def {name}({parameters}):", *indent(body)]

    # --- the actor --------------------------------------------------------------------------------

    def _actor(self, inputs: Fields, outputs: Fields) -> Lines:
        random, scope = self.random, self._scope()
        statements = Statements(scope, outputs)
        prologue: Lines = []
        for _ in range(random.randint(2, 6)):
            type_, name = random.choice(_STATE), scope.fresh("s")
            prologue.append(f"{name} = {statements.expressions.constant(type_)}")
            scope.names[name] = type_
        for kind in random.sample(sorted(_PLACES), random.randint(0, 4)):
            for _ in range(random.choice((1, 1, 2))):  # two may change places
                name = scope.fresh(kind[0])
                prologue.append(f"{name} = {_PLACES[kind]}")
                scope.places[name] = kind
        state = dict(scope.names)
        timed = random.random() < 0.4
        body = self._receive(statements, timed)
        body += self._handle(statements, inputs)
        scope.names, scope.message = dict(state), None
        loop = random.choice(("while not ctx.should_terminate:", "while True:"))
        epilogue = []
        if "not" in loop and random.random() < 0.5:
            shown = ", ".join(list(state)[:3])
            epilogue = [f'print("end", {shown})', *statements.send()]
        return ["async def actor(ctx):",
                *indent([*prologue, loop, *indent(body), *epilogue])]  # fmt: skip

    def _receive(self, statements: Statements, timed: bool) -> Lines:
        if not timed:
            return ["m = await ctx.receive()"]
        quiet = self.random.random() < 0.4
        with statements.scope.inner():
            work = [] if quiet else statements.block(2, 1)
        error = self.random.choice(("asyncio.TimeoutError", "TimeoutError"))
        return ["try:", "    m = await ctx.receive(timeout=0.05)", f"except {error}:",
                *indent([*work, "continue"])]  # fmt: skip

    def _handle(self, statements: Statements, inputs: Fields) -> Lines:
        """What is done with a message of each class."""
        scope, random = statements.scope, self.random
        size = random.randint(4, 9)
        if len(inputs) == 1:
            ((_, fields),) = inputs.items()
            with self._message(scope, "m", fields):
                return statements.block(size, 3)
        lines: Lines = []
        matching = random.random() < 0.5
        if matching:
            lines.append("match m:")
        for number, (cls, fields) in enumerate(inputs.items()):
            first = next(iter(fields))
            if matching:
                capture = f"c{number}"
                lines.append(f"    case {cls}({first}={capture}):")
            else:
                lines.append(f"{'if' if number == 0 else 'elif'} isinstance(m, {cls}):")
            with self._message(scope, "m", fields):
                if matching:
                    scope.names[capture] = fields[first]
                    if fields[first] == "items":
                        del scope.names[capture]
                block = indent(statements.block(max(2, size // 2), 2))
            lines += indent(block) if matching else block
        if random.random() < 0.6:
            lines += statements.block(2, 1)
        return lines

    @staticmethod
    def _message(scope: Scope, name: str, fields: dict[str, str]) -> Any:
        places = dict(scope.places)
        places.update({f"{name}.{f}": t for f, t in fields.items() if t == "items"})
        return scope.inner(message=(name, fields), places=places)
