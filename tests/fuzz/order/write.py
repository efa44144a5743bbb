"""Actors made of the tables of ``forms``: one piece of text a branch, chosen by the message."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.order.forms import EXPRESSIONS, OPERANDS, STATEMENTS
from tests.fuzz.order.whole import LOOPS, NAMES
from tests.support import defining
from tests.support.differential import Subject

HEAD = '''\
import logging
import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import MaxLen
from pydotcompute import KernelContext, message, ring_kernel

TABLE = [3, 4]
MAP = {1: 5, 2: 7}
GRID = [[1, 2], [3, 4]]
log = logging.getLogger("order")


class Odd(Exception):
    pass


@message
@dataclass
class In:
    case: int
    n: int


@message
@dataclass
class Pair:
    t: int
    u: int = 0

    def both(self, x, y):
        print("both", x, y)
        return self.t + x * 10 + y


@message
@dataclass
class Held:
    xs: Annotated[list[int], MaxLen(4)]
    t: int = 0


class Static:
    def of(x, y):
        return x - y


def say(x):
    print("say", x)
    return x


def two(x, y):
    print("two", x, y)
    return x - y


def quiet(x, y):
    return x - y


def three(x, y=1, z=2):
    print("three", x, y, z)
    return x - y * z


def put(queue, x):
    print("put", x)
    queue[0] = x
    return len(queue)


def add(table, x):
    table[x & 7] = x
    return len(table)


def touch(pair, x):
    pair.t = pair.t + 1
    return pair.t * 2 + x


def bump(pair):
    pair.t = pair.t + 3
    return pair.t


def seen(pair, x):
    print("seen", pair.t, x)
    return pair.t


def poke(places):
    places[0] = (places[0] + 1) & 7
    return places[0]


def bad(table, x):
    table[x] = 1
    raise ValueError("bad")


def put2(table, x):
    table[x] = 1
    return len(table)


def both(one, other, n):
    for v in one:
        other[v + n] = 1
    return len(one)


def mine(table, n):
    for v in table:
        table[v + n] = 1
    return len(table)


def same(x):
    return x


def pick(x, y, first):
    return x if first else y


def keep(pair):
    return pair


def fin(k):
    try:
        return k
    finally:
        k = 5
        print(k)


def fin3(s):
    try:
        return s.t
    finally:
        s.t = 9


def fin4(q, n):
    try:
        return q[0] // n
    finally:
        q[0] = 7


def fin5(n):
    for v in (1, 2, 3):
        try:
            if v == n:
                break
            if v == n + 1:
                continue
            6 // n
        finally:
            n += 1
            print(v, n)
    return n


def early(q, n):
    for i, v in enumerate(q):
        if v == n:
            return i, say(v)
    return -1, len(q)


def deep(n):
    return say(n) + say(n + 1) * say(n + 2), say(n + 3)


def chain(n):
    return n < say(3) < say(5) and say(7) or say(8)


class Limit:
    LOW = 1


def inverse(x):
    return 6 // x


def fails(n):
    if n == 1:
        raise ValueError("one")
    return n + 1


def maybe(n):
    return None if n == 2 else n


def made(n):
    print("made", n)
    return [n, n + 1, n & 1]


def held(n):
    print("held", n)
    return Held([n, n + 1], n)

'''

_ACTOR = '''
@ring_kernel(kernel_id="order", input_type=In, output_type=Pair, auto_register=False)
async def order(ctx):
    k = 0
    xs = [1, 2, 0, 3]
    d = {1: 4, 2: 6}
    q = deque([3, 1, 2], maxlen=6)
    s = Pair(1, 2)
    arr = np.zeros(3, dtype=np.int64)
    while not ctx.should_terminate:
        m = await ctx.receive()
        q.extend((2, 1, 0))
        if len(d) > 12:
            d.clear()
        ys = [1, 2, 0, 3]
        k = k & 7
        try:
'''

_END = '''
        except (ArithmeticError, LookupError, ValueError, TypeError, Odd) as error:
            print("failed", str(type(error).__name__))
        print(k, xs, ys, d, q, s, arr)
'''


@dataclass(frozen=True)
class Piece:
    """A form with its operands, as statements."""

    text: str

    def lines(self, depth: int) -> str:
        """The text, indented."""
        return "".join(f"{' ' * depth}{line}\n" for line in self.text.splitlines())


_numbers = itertools.count()


def filled(form: str, operands: Sequence[str]) -> str:
    """A form with operands in the places of its letters."""
    given = dict(zip(_letters(form), operands, strict=True))
    return re.sub(r"\b([ABC])\b", lambda found: given[found[1]], form)


def _letters(form: str) -> list[str]:
    return sorted(set(re.findall(r"\b[ABC]\b", form)))


def pieces(random: Random) -> Iterator[Piece]:
    """Each form, with operands chosen at random."""
    for form in EXPRESSIONS + STATEMENTS + LOOPS + NAMES:
        operands = random.sample(OPERANDS, len(_letters(form)))
        if any(":=" in operand for operand in operands) and _BEFORE_WALRUS.search(form):
            operands = ["k" if ":=" in operand else operand for operand in operands]
        text = filled(form, operands)
        yield Piece(f"r = {text}\nprint(r)" if form in EXPRESSIONS else text)


_BEFORE_WALRUS = re.compile(r"\b(in|for) .*\bfor\b|\bfor \w+ in \(.*[ABC]")
"""Python refuses `:=` in what a comprehension runs over."""


def subject_of(group: Sequence[Piece]) -> tuple[Subject, type[Any]]:
    """The actor with a branch for each piece, and the class of its messages.

    Raises:
        LoweringError: it cannot be compiled.
    """
    body = ""
    for number, piece in enumerate(group):
        body += f"{' ' * 12}{'el' * bool(number)}if m.case == {number}:\n{piece.lines(16)}"
    text = HEAD + _ACTOR + body.rstrip("\n") + _END
    module = defining.load(text, f"order_{next(_numbers)}")
    return Subject(module.__dict__["order"]), module.__dict__["In"]
