"""Whole actors at random, as text: typed messages, state, helpers, nesting, exceptions, sends.

Input: a source of choices (``Random``, or hypothesis, which then shrinks the program).  Output:
``Program``: the text of a module, and the module made of it.

Every program ends for every input: loops are counted by variables that nothing else assigns.
What it computes is nonsense, which is the point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from tests.support import defining

Choose = Callable[[int], int]
"""A number from 0 to below the argument."""

_HEAD = '''\
import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from pydotcompute import QueueTimeoutError, message


class Colour(Enum):
    RED = 1
    GREEN = 5
    BLUE = -7


class AppError(ValueError):
    pass


class LateError(AppError):
    pass

'''
FIELD_TYPES = {
    "int": "int", "float": "float", "bool": "bool", "str": "str", "enum": "Colour",
    "i32": "np.int32", "u8": "np.uint8", "f32": "np.float32", "u64": "np.uint64",
    "optint": "int | None", "optfloat": "float | None",
}  # fmt: skip
_WEIGHTED = ["int"] * 6 + ["float"] * 5 + ["bool"] * 2 + ["str", "enum", "i32", "u8", "f32", "u64",
                                                          "optint", "optfloat"]  # fmt: skip
_INTS = ["0", "1", "2", "3", "-1", "7", "10", "-5", "100", "255", "1000003", "2**31", "2**53 + 1",
         "9223372036854775807", "-(2**62)"]  # fmt: skip
_FLOATS = ["0.0", "1.0", "-0.0", "0.5", "2.5", "-1.5", "0.1", "1e16", "3.7", "-2.0", "1e308",
           "5e-324", "math.inf", "math.nan", "math.pi"]  # fmt: skip
_STRINGS = ['""', '"a"', '"b"', '"buy"', '"é"']
_ERRORS = ["ValueError", "ZeroDivisionError", "AppError", "LateError", "KeyError", "RuntimeError"]
_HANDLERS = ["ZeroDivisionError", "(ValueError, OverflowError)", "ArithmeticError", "Exception",
             "AppError", "(LateError, KeyError)", "LookupError", "AssertionError",
             "TypeError"]  # fmt: skip
_NUMPY = {"i32": "np.int32", "u8": "np.uint8", "f32": "np.float32", "u64": "np.uint64"}


@dataclass
class Program:
    """A generated actor.

    Args:
        text: the module.
        inputs, outputs: names of the message classes.
    """

    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    module: ModuleType | None = None

    def load(self) -> ModuleType:
        """Executes the text as a module of its own."""
        self.module = defining.load(self.text, f"generated_actor_{next(_numbers)}")
        return self.module

    def unload(self) -> None:
        """Forgets the module."""
        if self.module is not None:
            defining.unload(self.module.__name__)


_numbers = itertools.count()


@dataclass
class _Names:
    """The variables of the function being written, with their types."""

    typed: dict[str, str] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    """Counters, which only their loop assigns."""

    def of(self, type_: str) -> list[str]:
        return [name for name, have in self.typed.items() if have == type_]


class Generator:
    """Writes one program.

    Args:
        choose: where decisions come from.
        size: about how many statements the actor has.
    """

    def __init__(self, choose: Choose, size: int = 12) -> None:
        self.choose = choose
        self.budget = size
        self.names = _Names()
        self.helpers: dict[str, tuple[list[str], str]] = {}
        self.fields: dict[str, str] = {}
        self.outputs: dict[str, dict[str, str]] = {}
        self.in_helper = False
        self.loops = 0
        self.handling = 0
        self._fresh = 0

    # --- choices -------------------------------------------------------------------------------

    def one(self, options: list[Any]) -> Any:
        """One of them."""
        return options[self.choose(len(options))]

    def chance(self, percent: int) -> bool:
        """Whether, that often; hypothesis shrinks to False."""
        return self.choose(100) >= 100 - percent

    def fresh(self, stem: str) -> str:
        """A new name."""
        self._fresh += 1
        return f"{stem}{self._fresh}"

    # --- the program ---------------------------------------------------------------------------

    def program(self) -> Program:
        """A whole module."""
        text = [_HEAD]
        self.fields = {f"f{n}": self.one(_WEIGHTED) for n in range(1 + self.choose(5))}
        text += self._message("In", self.fields)
        for n in range(1 + self.chance(25)):
            fields = {f"r{i}": self.one(_WEIGHTED) for i in range(1 + self.choose(4))}
            self.outputs[f"Out{n}"] = fields
            text += self._message(f"Out{n}", fields)
        text.append("LIMIT = 50\nSCALE = 0.25\n")
        for n in range(self.choose(4)):
            text += self._helper(f"helper{n}")
        text += self._actor()
        return Program("\n".join(text) + "\n", ("In",), tuple(self.outputs))

    def _message(self, name: str, fields: dict[str, str]) -> list[str]:
        return ["", "@message", "@dataclass", f"class {name}:",
                *(f"    {n}: {FIELD_TYPES[t]}" for n, t in fields.items()), ""]  # fmt: skip

    def _helper(self, name: str) -> list[str]:
        """A function of plain values; it may raise, loop, and return from several places."""
        outer, self.names = self.names, _Names()
        outer_budget, self.budget, self.in_helper = self.budget, 3, True
        parameters = {f"p{n}": self.one(["int", "float", "int", "bool", "float"])
                      for n in range(1 + self.choose(3))}  # fmt: skip
        self.names.typed.update(parameters)
        result = self.one(["int", "float", "bool"])
        body = self._block(1, 2)
        body += ["    return " + self.expr(result, 2)]
        defaults = [f"{n}=1" if t == "int" and n == f"p{len(parameters) - 1}" else n
                    for n, t in parameters.items()]  # fmt: skip
        self.names, self.budget, self.in_helper = outer, outer_budget, False
        self.helpers[name] = (list(parameters.values()), result)
        return ["", f"def {name}({', '.join(defaults)}):", *body, ""]

    def _actor(self) -> list[str]:
        lines = ["", "async def actor(ctx):"]
        for n in range(self.choose(5)):
            type_ = self.one(["int", "int", "float", "float", "bool", "str", "enum", "optint",
                              "f32", "i32", "u64"])  # fmt: skip
            lines.append(f"    s{n} = {self._constant(type_)}")
            self.names.typed[f"s{n}"] = type_
        state = dict(self.names.typed)
        forever = self.chance(20)
        lines.append("    while True:" if forever else "    while not ctx.should_terminate:")
        form = self.choose(4)
        if form == 0:
            lines.append("        m = await ctx.receive()")
        elif form == 1:
            lines += ["        try:", "            m = await ctx.receive(timeout=0.5)",
                      "        except QueueTimeoutError:"]  # fmt: skip
            saved, self.budget = self.budget, 2
            lines += self._block(3, 1)
            lines.append("            continue")
            self.budget = saved
        elif form == 2:
            lines.append("        m = await ctx.receive(timeout=1.5)")
        else:
            return [*lines, *self._inside_try(), *self._epilogue(state)]
        self.loops = 0
        self.names.typed["m"] = "message"
        lines += self._block(2, 4, at_least=4)
        lines += self._send(2)
        return [*lines, *self._epilogue(state)]

    def _inside_try(self) -> list[str]:
        """The resilient form: everything in one ``try``."""
        lines = ["        try:", "            m = await ctx.receive(timeout=0.1)"]
        before = dict(self.names.typed)
        self.names.typed["m"] = "message"
        lines += self._block(3, 4, at_least=3) + self._send(3)
        self.names.typed = before
        lines += ["        except TimeoutError:", "            continue"]
        lines.append(f"        except {self.one(['Exception', 'ArithmeticError', 'ValueError'])}:")
        self.budget += 2
        lines += self._block(3, 1)
        return lines

    def _epilogue(self, state: dict[str, str]) -> list[str]:
        if not self.chance(60):
            return []
        self.names = _Names(dict(state))
        self.fields, saved = {}, self.fields
        lines = self._send(1)
        self.fields = saved
        return lines

    # --- statements ----------------------------------------------------------------------------

    def _block(self, depth: int, nesting: int, at_least: int = 1) -> list[str]:
        lines: list[str] = []
        count = at_least + self.choose(3)
        for _ in range(count):
            if self.budget <= 0:
                break
            self.budget -= 1
            lines += self._statement(depth, nesting)
        return lines or ["    " * depth + "pass"]

    def _statement(self, depth: int, nesting: int) -> list[str]:
        simple = [self._assign, self._assign, self._assign, self._augmented, self._several,
                  self._swap]  # fmt: skip
        if not self.in_helper:
            simple += [self._send, self._send]
        compound = [self._if, self._if, self._for, self._while, self._try, self._try, self._match]
        if nesting > 0 and self.choose(5) >= 2:
            return self.one(compound)(depth, nesting - 1)
        if self.chance(12):
            return self._exit(depth)
        return self.one(simple)(depth)

    def _scoped(self, build: Callable[[], list[str]]) -> list[str]:
        """Lines in which names may be bound that are not bound afterwards."""
        before = dict(self.names.typed)
        lines = build()
        after, self.names.typed = self.names.typed, before
        for name in after:
            # Sometimes a name stays in use though some path has not bound it.
            if name not in before and after[name] != "message" and self.chance(6):
                before[name] = after[name]
        return lines

    def _target(self, type_: str) -> str:
        known = [n for n in self.names.of(type_) if n not in self.names.fixed]
        if known and self.choose(3):
            return self.one(known)
        if self.chance(5) and not self.in_helper:
            # A name that changes its type.
            others = [n for n, t in self.names.typed.items()
                      if n not in self.names.fixed and t in ("int", "float")
                      and n[0] == "v"]  # fmt: skip
            if others and type_ in ("int", "float"):
                name = self.one(others)
                self.names.typed[name] = type_
                return name
        return self.fresh("v")

    def _assign(self, depth: int) -> list[str]:
        type_ = self.one(["int", "int", "int", "float", "float", "bool", "str", "enum", "i32", "u8",
                          "f32", "u64", "optint", "optfloat"])  # fmt: skip
        value = self.expr(type_, 3)
        target = self._target(type_)
        self.names.typed[target] = type_
        return ["    " * depth + f"{target} = {value}"]

    def _augmented(self, depth: int) -> list[str]:
        type_ = self.one(["int", "float"])
        known = [n for n in self.names.of(type_) if n not in self.names.fixed]
        if not known:
            return self._assign(depth)
        operators = ["+", "-", "*", "/"]
        if type_ == "int":
            operators = ["+", "-", "*", "//", "%", "&", "|", "^"]
        return ["    " * depth + f"{self.one(known)} {self.one(operators)}= {self.expr(type_, 2)}"]

    def _several(self, depth: int) -> list[str]:
        """``a = b = value`` and ``a, b = values``."""
        one, two = self.one(["int", "float", "bool"]), self.one(["int", "float", "bool"])
        if self.chance(30):
            value, names = self.expr(one, 2), [self._target(one), self._target(one)]
            self.names.typed.update(dict.fromkeys(names, one))
            return ["    " * depth + f"{names[0]} = {names[1]} = {value}"]
        values = f"{self.expr(one, 2)}, {self.expr(two, 2)}"
        first = self._target(one)
        second = self._target(two)
        if first == second:
            second = self.fresh("v")
        self.names.typed.update({first: one, second: two})
        return ["    " * depth + f"{first}, {second} = {values}"]

    def _swap(self, depth: int) -> list[str]:
        type_ = self.one(["int", "float"])
        known = [n for n in self.names.of(type_) if n not in self.names.fixed]
        if len(known) < 2:
            return self._assign(depth)
        a, b = known[0], known[-1]
        value = self.expr(type_, 1)
        return ["    " * depth + self.one([f"{a}, {b} = {b}, {a}", f"{a}, {b} = {b}, {value}"])]

    def _send(self, depth: int) -> list[str]:
        name = self.one(list(self.outputs))
        fields = self.outputs[name]
        values = [self.expr(self._sendable(t), 2) for t in fields.values()]
        if self.chance(30):
            values = [f"{n}={v}" for n, v in zip(fields, values, strict=True)]
        return ["    " * depth + f"await ctx.send({name}({', '.join(values)}))"]

    def _sendable(self, type_: str) -> str:
        """A type whose values a field of ``type_`` takes."""
        if type_ == "float":
            return self.one(["float", "float", "int", "bool"])
        if type_ == "optfloat":
            return self.one(["float", "optfloat", "optfloat"])
        if type_ == "int":
            return self.one(["int", "int", "int", "bool"])
        return type_

    def _exit(self, depth: int) -> list[str]:
        tab = "    " * depth
        options = [f"{tab}assert {self.expr('bool', 2)}"]
        if self.in_helper:
            options.append(f"{tab}if {self.expr('bool', 2)}: return {self.expr('int', 1)}")
        if self.loops and not self.in_helper:
            options += [f"{tab}if {self.expr('bool', 2)}: break",
                        f"{tab}if {self.expr('bool', 2)}: continue"] * 2  # fmt: skip
        elif not self.in_helper:
            options.append(f"{tab}if {self.expr('bool', 2)}: continue")
            if self.chance(10):
                options.append(f"{tab}if {self.expr('bool', 2)}: break")
                options.append(f"{tab}if {self.expr('bool', 2)}: return")
        if self.handling:
            options.append(f"{tab}raise")
        options.append(f"{tab}if {self.expr('bool', 2)}: raise {self.one(_ERRORS)}"
                       + self.one(["", '("text")', f"({self.expr('int', 1)})"]))  # fmt: skip
        return [self.one(options)]

    def _if(self, depth: int, nesting: int) -> list[str]:
        tab = "    " * depth
        lines = [f"{tab}if {self.expr('bool', 3)}:"]
        lines += self._scoped(lambda: self._block(depth + 1, nesting))
        if self.chance(30):
            lines.append(f"{tab}elif {self.expr('bool', 2)}:")
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
        if self.chance(50):
            lines.append(f"{tab}else:")
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
        return lines

    def _loop(self, depth: int, nesting: int) -> list[str]:
        self.loops += 1
        handling, self.handling = self.handling, 0
        lines = self._scoped(lambda: self._block(depth, nesting))
        self.handling = handling
        self.loops -= 1
        return lines

    def _for(self, depth: int, nesting: int) -> list[str]:
        tab, name = "    " * depth, self.fresh("i")
        bound = self.one(["3", "5", f"{self.expr('int', 1)} % 6", f"min({self.expr('int', 1)}, 4)"])
        span = self.one([f"range({bound})", f"range(1, {bound})", f"range({bound}, -2, -2)"])

        def body() -> list[str]:
            self.names.typed[name] = "int"
            return self._loop(depth + 1, nesting)

        lines = [f"{tab}for {name} in {span}:", *self._scoped(body)]
        if self.chance(25):
            lines.append(f"{tab}else:")
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
        return lines

    def _while(self, depth: int, nesting: int) -> list[str]:
        tab, name = "    " * depth, self.fresh("k")
        lines = [f"{tab}{name} = 0"]
        self.names.typed[name] = "int"
        self.names.fixed.add(name)
        test = self.one([f"{name} < 4", f"{name} < 6 and {self.expr('bool', 2)}",
                         f"not {name} > {self.choose(5)}"])  # fmt: skip
        lines += [f"{tab}while {test}:", f"{tab}    {name} += 1"]
        lines += self._loop(depth + 1, nesting)
        if self.chance(25):
            lines.append(f"{tab}else:")
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
        return lines

    def _try(self, depth: int, nesting: int) -> list[str]:
        tab = "    " * depth
        lines = [f"{tab}try:", *self._scoped(lambda: self._block(depth + 1, nesting))]
        handlers = self.choose(3)
        final = self.chance(25) or not handlers
        for _ in range(handlers):
            name = self.one(["", "", " as error"])
            lines.append(f"{tab}except {self.one(_HANDLERS)}{name}:")
            self.handling += 1
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
            self.handling -= 1
        if handlers and self.chance(30):
            lines.append(f"{tab}else:")
            lines += self._scoped(lambda: self._block(depth + 1, nesting))
        if final:
            lines.append(f"{tab}finally:")
            loops, self.loops = self.loops, 0
            handling, self.handling = self.handling, 0
            lines += self._scoped(lambda: self._assign(depth + 1) + self._augmented(depth + 1))
            self.loops, self.handling = loops, handling
        return lines

    def _match(self, depth: int, nesting: int) -> list[str]:
        tab = "    " * depth
        if self.chance(40):
            lines = [f"{tab}match {self.expr('enum', 1)}:"]
            patterns = ["Colour.RED", "Colour.GREEN | Colour.BLUE", "_"]
        else:
            lines = [f"{tab}match {self.expr('int', 2)}:"]
            patterns = ["0 | 1", f"{self.choose(9)}", "-1", "_"]
        first = self.choose(len(patterns))
        for pattern in patterns[first:]:
            guard = f" if {self.expr('bool', 1)}" if self.chance(30) else ""
            lines.append(f"{tab}    case {pattern}{guard}:")
            lines += self._scoped(lambda: self._block(depth + 2, nesting))
        return lines

    # --- expressions -----------------------------------------------------------------------------

    def _constant(self, type_: str) -> str:
        match type_:
            case "int":
                return self.one(_INTS[:10])
            case "float":
                return self.one(_FLOATS[:10])
            case "bool":
                return self.one(["False", "True"])
            case "str":
                return self.one(_STRINGS)
            case "enum":
                return self.one(["Colour.RED", "Colour.GREEN", "Colour.BLUE"])
            case "optint" | "optfloat":
                return "None"
            case "f32":
                return f"np.float32({self.one(['0', '1.5', '-2', '0.1'])})"
        return f"{_NUMPY[type_]}({self.one(['0', '1', '7', '100', '127'])})"

    def _leaves(self, type_: str) -> list[str]:
        found = list(self.names.of(type_))
        if "m" in self.names.typed:
            found += [f"m.{n}" for n, t in self.fields.items() if t == type_]
        return found

    def expr(self, type_: str, depth: int) -> str:
        """An expression of a type."""
        leaves = self._leaves(type_)
        if depth <= 0 or self.choose(4) == 0:
            if leaves and self.choose(4):
                return self.one(leaves)
            return self._literal(type_)
        if leaves and self.choose(3) == 0:
            return self.one(leaves)
        return self._compound(type_, depth - 1)

    def _literal(self, type_: str) -> str:
        if type_ == "int":
            return self.one([*_INTS[:9], *_INTS, "LIMIT"])
        if type_ == "float":
            return self.one([*_FLOATS[:9], *_FLOATS, "SCALE"])
        if type_ == "optint":
            return self.one(["None", "0", "5"])
        if type_ == "optfloat":
            return self.one(["None", "0.0", "2.5"])
        return self._constant(type_)

    def _compound(self, type_: str, depth: int) -> str:
        if self.chance(10):
            return f"({self.expr(type_, depth)} if {self.expr('bool', depth)} else " \
                   f"{self.expr(type_, depth)})"  # fmt: skip
        if self.chance(8) and not type_.startswith("opt") and type_ not in _NUMPY:
            left = self.expr(type_, depth)
            return f"({left} {self.one(['and', 'or'])} {self.expr(type_, depth)})"
        if self.chance(4) and not self.in_helper and type_ in ("int", "float", "bool"):
            value = self.expr(type_, depth)
            name = self.fresh("w")
            return f"({name} := {value})"
        rule = getattr(self, f"_{type_}", None)
        return rule(depth) if rule else self._scalar(type_, depth)

    def _call(self, type_: str, depth: int) -> str | None:
        options = [name for name, (_, result) in self.helpers.items() if result == type_]
        if not options:
            return None
        name = self.one(options)
        return f"{name}({', '.join(self.expr(t, depth) for t in self.helpers[name][0])})"

    def _int(self, depth: int) -> str:
        def sub(type_: str = "int") -> str:
            return self.expr(type_, depth)

        if self.chance(15) and (call := self._call("int", depth)):
            return call
        options: list[Callable[[], str]] = [
            lambda: f"({sub()} {self.one(['+', '-', '*', '+', '-'])} {sub()})",
            lambda: f"({sub()} {self.one(['//', '%'])} {sub()})",
            lambda: f"({sub()} {self.one(['&', '|', '^'])} {sub()})",
            lambda: f"({sub()} {self.one(['<<', '>>'])} ({sub()} & 7))",
            lambda: f"({sub()} % {self.one(['10', '7', '1000', '-13'])})",
            lambda: f"{self.one(['-', '~', 'abs', '+'])}({sub()})",
            lambda: f"{self.one(['min', 'max'])}({sub()}, {sub()})",
            lambda: f"{self.one(['int', 'round', 'math.floor', 'math.ceil'])}({sub('float')})",
            lambda: f"int({sub(self.one(['bool', 'i32', 'u8', 'u64']))})",
            lambda: f"({sub()} ** ({sub()} & 3))",
            lambda: f"math.gcd({sub()}, {sub()})",
            lambda: f"math.isqrt(abs({sub()}))",
            lambda: f"divmod({sub()}, {sub()})[{self.choose(2)}]",
            lambda: f"({sub('bool')} + {sub('bool')})",
            lambda: f"({sub('enum')}).value",
            lambda: f"({sub('optint')} or {sub()})",
            lambda: self._present("optint", depth),
        ]
        return self.one(options)()

    def _present(self, type_: str, depth: int) -> str:
        """An optional where it is known not to be ``None``."""
        names = self.names.of(type_)
        other = self.expr(type_.removeprefix("opt"), depth)
        if not names:
            return other
        name = self.one(names)
        return f"({name} if {name} is not None else {other})"

    def _float(self, depth: int) -> str:
        def sub(type_: str = "float") -> str:
            return self.expr(type_, depth)

        if self.chance(15) and (call := self._call("float", depth)):
            return call
        one = ["math.sqrt", "math.exp", "math.sin", "math.log", "math.fabs", "math.tanh", "abs",
               "-", "math.expm1", "math.atan", "math.trunc", "math.erf"]  # fmt: skip
        two = ["math.copysign", "math.fmod", "math.atan2", "min", "max", "math.hypot"]
        options: list[Callable[[], str]] = [
            lambda: f"({sub()} {self.one(['+', '-', '*', '/', '+', '*'])} {sub()})",
            lambda: f"({sub()} {self.one(['//', '%'])} {sub()})",
            lambda: f"({sub()} {self.one(['+', '-', '*', '/', '%'])} {sub('int')})",
            lambda: f"({sub('int')} {self.one(['+', '-', '*', '/', '//'])} {sub()})",
            lambda: f"({sub('int')} / {sub('int')})",
            lambda: f"float({sub(self.one(['int', 'bool', 'f32']))})",
            lambda: f"{self.one(one)}({sub()}) * 1.0",
            lambda: f"{self.one(two)}({sub()}, {sub()})",
            lambda: f"round({sub()}, {self.one(['2', '0', '-1', '5'])})",
            lambda: f"(abs({sub()}) ** {self.one(['2', '0.5', '-1', '3'])})",
            lambda: self._present("optfloat", depth),
        ]
        return self.one(options)()

    def _bool(self, depth: int) -> str:
        def sub(type_: str) -> str:
            return self.expr(type_, depth)

        def compare() -> str:
            return str(self.one(["<", "<=", "==", "!=", ">=", ">"]))

        if self.chance(10) and (call := self._call("bool", depth)):
            return call
        number = ["int", "float", "int", "float", "bool"]
        options: list[Callable[[], str]] = [
            lambda: f"({sub(self.one(number))} {compare()} {sub(self.one(number))})",
            lambda: f"({sub('int')} {compare()} {sub('int')})",
            lambda: f"({sub('int')} {compare()} {sub(self.one(number))} {compare()} {sub('int')})",
            lambda: f"(not {sub(self.one(['bool', 'int', 'float', 'str']))})",
            lambda: f"({sub('bool')} {self.one(['and', 'or', '&', '|', '^'])} {sub('bool')})",
            lambda: f"({sub('int')} in (1, 2, {sub('int')}))",
            lambda: f"bool({sub(self.one(['int', 'float', 'optint', 'str']))})",
            lambda: f"({sub('str')} {self.one(['==', '!='])} {sub('str')})",
            lambda: f"({sub('enum')} {self.one(['is', '==', 'is not'])} {sub('enum')})",
            lambda: f"({sub('optint')} {self.one(['is', 'is not'])} None)",
            lambda: f"({sub('optfloat')} == {sub('float')})",
            lambda: f"math.{self.one(['isnan', 'isinf', 'isfinite'])}({sub('float')})",
            lambda: self._scalar_test(depth),
        ]
        return self.one(options)()

    def _scalar_test(self, depth: int) -> str:
        type_ = self.one(list(_NUMPY))
        other = self.expr(type_, depth) if self.chance(60) else self.one(["1", "-1", "100"])
        return f"bool({self.expr(type_, depth)} {self.one(['<', '==', '>=', '!='])} {other})"

    def _str(self, depth: int) -> str:
        return f"({self.expr('str', depth)} if {self.expr('bool', depth)} else " \
               f"{self.expr('str', depth)})"  # fmt: skip

    def _enum(self, depth: int) -> str:
        return f"({self.expr('enum', depth)} if {self.expr('bool', depth)} else " \
               f"{self.expr('enum', depth)})"  # fmt: skip

    def _optint(self, depth: int) -> str:
        return f"({self.expr('int', depth)} if {self.expr('bool', depth)} else None)"

    def _optfloat(self, depth: int) -> str:
        return f"(None if {self.expr('bool', depth)} else {self.expr('float', depth)})"

    def _scalar(self, type_: str, depth: int) -> str:
        cls = _NUMPY[type_]

        def sub() -> str:
            return self.expr(type_, depth)

        if type_ == "f32":
            options: list[Callable[[], str]] = [
                lambda: f"({sub()} {self.one(['+', '-', '*', '/'])} {sub()})",
                lambda: f"{cls}({self.expr('float', depth)})",
                lambda: f"({sub()} * {self.one(['2', '0.5'])})",
                lambda: f"{self.one(['-', 'abs'])}({sub()})",
            ]
            return self.one(options)()
        options = [
            lambda: f"({sub()} {self.one(['+', '-', '*', '&', '|', '^'])} {sub()})",
            lambda: f"({sub()} {self.one(['//', '%'])} {sub()})",
            lambda: f"({sub()} {self.one(['<<', '>>'])} {cls}({self.choose(9)}))",
            lambda: f"({sub()} {self.one(['+', '*', '-'])} {self.one(['1', '3', '7'])})",
            lambda: f"{cls}({self.expr('int', depth)} & 127)",
            lambda: f"{cls}({self.expr('int', depth)})",
            lambda: f"{self.one(['~', '-', 'abs'])}({sub()})",
        ]
        return self.one(options)()


# --- sources of choices --------------------------------------------------------------------------


def by_random(random: Random) -> Choose:
    """Choices of a random generator."""
    return lambda count: random.randrange(count)


def by_hypothesis(data: st.DataObject) -> Choose:
    """Choices of hypothesis, which it shrinks."""
    return lambda count: data.draw(st.integers(0, count - 1)) if count > 1 else 0


__all__ = ["Generator", "Program", "by_hypothesis", "by_random"]
