"""Messages as objects: methods, properties, constants, changed in place, compared, copied."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from pydotcompute import message
from tests.corpus.case import case


@message
@dataclass
class Trade:
    price: float
    size: int
    note: int | None = None

    def notional(self, factor: float = 1.0) -> float:
        return self.price * self.size * factor

    @property
    def is_buy(self) -> bool:
        return self.size > 0


@message
@dataclass
class Cancel:
    size: int
    price: float = 0.0

    def notional(self, factor: float = 1.0) -> float:
        return -factor * self.size


@message
@dataclass
class Book:
    bid: float = 0.0
    ask: float = 0.0
    trades: int = 0
    LIMIT: ClassVar[int] = 5
    STEP = 2

    @property
    def spread(self) -> float:
        return self.ask - self.bid

    def apply(self, trade: Trade) -> None:
        self.trades += 1
        if trade.is_buy:
            self.bid = trade.price
        else:
            self.ask = trade.price

    def is_full(self) -> bool:
        return self.trades >= self.LIMIT * Book.STEP

    @staticmethod
    def half(x: float) -> float:
        return x / 2

    @classmethod
    def around(cls, price: float) -> Book:
        return cls(price - 1.0, price + 1.0)


def settle(book: Book, size: int) -> None:
    """Changes its argument, and may fail half-way."""
    book.trades -= 1
    book.bid = 100 / size


def widened(book: Book, by: float) -> Book:
    made = Book(book.bid, book.ask)
    made.bid -= by
    made.ask += by
    return made


@case(Trade, output=Book)
async def order_book(ctx: Any) -> None:
    book = Book()
    while not ctx.should_terminate:
        trade = await ctx.receive()
        book.apply(trade)
        if book.is_full():
            book = Book.around(Book.half(trade.price))
        if trade.notional() > 100.0 or trade.notional(factor=2.0) < book.spread:
            book.ask += 0.5
        await ctx.send(book)


@case(Trade, output=Book)
async def settlement(ctx: Any) -> None:
    book = None
    while not ctx.should_terminate:
        trade = await ctx.receive()
        if book is None or trade.size == 7:
            book = Book()
        try:
            settle(book, trade.size)
        except ZeroDivisionError:
            book.ask = -1.0
        trade.size = 3
        await ctx.send(book)
        wide = widened(book, trade.price)
        wide.trades = trade.size
        await ctx.send(wide)


@case(Trade, Cancel, output=Trade)
async def either_notional(ctx: Any) -> None:
    last = Trade(0.0, 0)
    repeated = 0
    while not ctx.should_terminate:
        got = await ctx.receive()
        value = got.notional(0.5)
        if isinstance(got, Trade):
            if got == last:
                repeated += 1
            elif got != Trade(1.0, 1) and (got.size, 0) == (last.size, 0):
                repeated -= 1
            last = got
        await ctx.send(dataclasses.replace(last, price=value, size=repeated))


@case(Trade, output=Book)
async def ints_for_floats(ctx: Any) -> None:
    """An int in a field of floats stays an int until it is sent."""
    last = Trade(0, 0)
    total = 0.0
    while not ctx.should_terminate:
        trade = await ctx.receive()
        change = trade.price - last.price
        total += last.price
        if last.price > 3 or last.price == trade.price:
            change = change * 2 + last.price * 0.5
        rising = trade.price > last.price
        last = trade
        await ctx.send(Book(change, total, 1 if rising else 0))
