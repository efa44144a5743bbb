"""Actors whose names share messages, lists and deques: ``write(seed)`` is the text of a module.

What is found here is a change seen through another name, or not seen: two names of one object come
from conditionals, tuples, helper functions, ``:=``, loops and assignments to the state.  Many such
programs are refused, because compiled code has no references; the others must be right.
"""

from __future__ import annotations

from random import Random
from typing import Any

from pydotcompute import ring_kernel
from pydotcompute.actors.decorator import RingKernelFunction
from tests.support import defining

HEAD = '''\
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pydotcompute import message


@message
@dataclass
class Order:
    n: int
    price: int = 0


@message
@dataclass
class Checked:
    n: int
    price: int = 0

    def __post_init__(self):
        self.price += 1


@message
@dataclass
class Seen:
    a: int
    b: int
    c: int
    d: int


def first(one, other, n):
    return one if n > 2 else other


def same(one):
    return one


def made(n):
    return Order(n, 5)


def bump(order, by):
    order.price += by
    return order


def push(items, value):
    items[1] = value


def put(items, value):
    items.append(value)
'''

Lines = list[str]


class _Writer:
    """Writes one actor.

    Args:
        seed: of the choices.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(f"aliases {seed}")
        self.kind = self.random.choice(("Order", "Order", "Checked"))
        self.orders = ["kept", "spare"]
        self.lists = self.random.choice((["xs", "ys"], ["xs", "ys"], []))
        self.deques = self.random.choice((["q", "r"], []))
        self.count = 0

    def one(self, options: Any) -> Any:
        """One of them."""
        return self.random.choice(list(options))

    def fresh(self, stem: str) -> str:
        """A name that is new."""
        self.count += 1
        return f"{stem}{self.count}"

    def test(self) -> str:
        """A condition, at times one that names a value."""
        number = self.random.randint(0, 4)
        return str(self.one((
            f"m.n > {number}", f"m.n % 2 == {number % 2}", f"{self.number()} > {number}",
            f"(j := m.n) > {number}", "(j := m.n)",
        )))  # fmt: skip

    def number(self) -> str:
        """An int."""
        options = ["m.n", str(self.random.randint(0, 9)), f"{self.one(self.orders)}.price % 97"]
        options += [f"{name}[{self.random.randint(0, 2)}]" for name in self.lists[:2]]
        return str(self.one(options))

    def order(self, depth: int = 2) -> str:
        """An expression whose value is a message."""
        name = str(self.one(self.orders))
        if depth == 0:
            return name
        one, other = self.order(depth - 1), self.order(depth - 1)
        return str(self.one((
            name, name, f"({one} if {self.test()} else {other})",
            f"({one} if {self.test()} else {one})", f"first({one}, {other}, m.n)", f"same({one})",
            f"({one}, {other})[{self.random.randint(0, 1)}]", f"({self.fresh('w')} := {one})",
            f"{self.kind}(m.n)", f"bump({one}, 2)", f"({one} or {other})",
            "made(m.n)" if self.kind == "Order" else name,
        )))  # fmt: skip

    def items(self, names: list[str], depth: int = 1) -> str:
        """An expression whose value is a list or deque."""
        name = str(self.one(names))
        if depth == 0:
            return name
        one, other = self.items(names, depth - 1), self.items(names, depth - 1)
        return str(self.one((
            name, f"({one} if {self.test()} else {other})", f"first({one}, {other}, m.n)",
            f"same({one})", f"({one}, {other})[{self.random.randint(0, 1)}]",
            f"({self.fresh('w')} := {one})",
        )))  # fmt: skip

    def block(self, count: int, depth: int) -> Lines:
        """So many statements."""
        return [line for _ in range(count) for line in self.statement(depth)]

    def statement(self, depth: int) -> Lines:
        """One of them."""
        rules = [self.bind, self.bind, self.change, self.change, self.send, self.several, self.keep]
        if self.lists:
            rules += [self.change_list] * 2
        if self.deques:
            rules.append(self.change_deque)
        if depth:
            rules += [lambda: self.branch(depth), lambda: self.loop(depth)]
        lines: Lines = self.one(rules)()
        return lines

    def bind(self) -> Lines:
        """A new name for a message."""
        value, name = self.order(), self.fresh("t")
        self.orders.append(name)
        return [f"{name} = {value}"]

    def keep(self) -> Lines:
        """The state gets another message."""
        return [f"{self.one(('kept', 'spare'))} = {self.order(1)}"]

    def several(self) -> Lines:
        """Several names at once."""
        if self.random.random() < 0.4:
            return ["kept, spare = spare, kept"]
        one, other = self.fresh("t"), self.fresh("t")
        line = f"{one}, {other} = {self.order(1)}, {self.order(1)}"
        self.orders += [one, other]
        return [line]

    def change(self) -> Lines:
        """A field changes."""
        name = self.one(self.orders)
        return [self.one((f"{name}.price = {self.number()}", f"{name}.price += {self.number()}",
                          f"bump({name}, {self.number()})", f"{name}.n ^= 1"))]  # fmt: skip

    def change_list(self) -> Lines:
        """An item changes, perhaps through another name."""
        place = self.random.randint(0, 2)
        if self.random.random() < 0.5:
            name = self.fresh("l")
            line = f"{name} = {self.items(self.lists)}"
            self.lists.append(name)
            return [line]
        name = self.one(self.lists)
        return [self.one((f"{name}[{place}] = {self.number()}", f"push({name}, {self.number()})",
                          f"{name}[{place}] += 1", f"{name}[0], {name}[1] = {name}[1], {name}[0]",
                          f"push({self.items(self.lists)}, m.n)"))]  # fmt: skip

    def change_deque(self) -> Lines:
        """A deque turns, perhaps through another name."""
        if self.random.random() < 0.4:
            name = self.fresh("d")
            line = f"{name} = {self.items(self.deques)}"
            self.deques.append(name)
            return [line]
        name = self.one(self.deques)
        return [self.one((f"{name}.append({self.number()})", f"put({name}, {self.number()})",
                          f"put({self.items(self.deques)}, m.n)"))]  # fmt: skip

    def inner(self, count: int, depth: int) -> Lines:
        """A block, indented; names bound in it are not read behind it."""
        saved = list(self.orders), list(self.lists), list(self.deques)
        lines = [f"    {line}" for line in self.block(count, depth)]
        self.orders, self.lists, self.deques = saved
        return lines

    def branch(self, depth: int) -> Lines:
        """``if``; at times both arms bind one name."""
        if self.random.random() < 0.5:
            one, other, name = self.order(1), self.order(1), self.fresh("t")
            self.orders.append(name)
            return [f"if {self.test()}:", f"    {name} = {one}", "else:", f"    {name} = {other}"]
        return [f"if {self.test()}:", *self.inner(2, depth - 1)]

    def loop(self, depth: int) -> Lines:
        """``for`` over a range or a tuple of messages; a name moves on at each round."""
        name = self.fresh("o")
        head = self.one((f"for {self.fresh('i')} in range(3):",
                         f"for {name} in ({self.order(0)}, {self.order(0)}):"))  # fmt: skip
        saved = list(self.orders)
        self.orders += [name] if "range" not in head else []
        lines = [head, *self.inner(2, depth - 1)]
        self.orders = saved
        return lines

    def send(self) -> Lines:
        """What there is now goes out."""
        return [f"await ctx.send({self.one(self.orders)})"]

    def second(self, name: str, first: str, value: str) -> str:
        """A variable of the state with a value of its own, or at times with another's."""
        return f"{name} = {first if self.random.random() < 0.1 else value}"

    def actor(self) -> Lines:
        """The whole."""
        lines = [f"kept = {self.kind}(7)", self.second("spare", "kept", f"{self.kind}(8)")]
        if self.lists:
            lines += ["xs = [1, 2, 3]", self.second("ys", "xs", "[4, 5, 6]")]
        if self.deques:
            lines += ["q = deque([1], maxlen=3)", self.second("r", "q", "deque([2, 3], maxlen=3)")]
        seen = ["kept.price", "spare.price"]
        seen += ["xs[0] * 100 + xs[1]", "ys[1] * 100 + ys[2]"] if self.lists else ["kept.n", "0"]
        if self.deques:
            seen[3] = "sum(q) * 1000 + sum(r)"
        self.orders.append("m")
        body = ["m = await ctx.receive()", *self.block(self.random.randint(2, 6), 2),
                f"await ctx.send(Seen({', '.join(seen)}))"]  # fmt: skip
        if self.lists and self.random.random() < 0.15:
            body.append(self.one(("xs = ys", "ys = xs", "xs = [m.n, 0, 1]", "xs, ys = ys, xs")))
        return [*lines, "while not ctx.should_terminate:", *(f"    {line}" for line in body)]


def write(seed: int) -> str:
    """The module of a seed."""
    lines = "\n".join(f"    {line}" for line in _Writer(seed).actor())
    return f"{HEAD}\n\nasync def actor(ctx):\n{lines}\n"


def load(text: str, name: str) -> tuple[RingKernelFunction, type]:
    """The actor of a module, decorated, and the class that it receives."""
    module: Any = defining.load(text, name)
    kind = module.Checked if "kept = Checked" in text else module.Order
    decorate = ring_kernel(kernel_id=name, input_type=kind, output_type=kind | module.Seen,
                           auto_register=False)  # fmt: skip
    return decorate(module.actor), kind
