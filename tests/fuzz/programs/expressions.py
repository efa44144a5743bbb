"""Expressions of a program: ``Expressions(scope).of("int", depth)`` is Python text of that type."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.programs.scope import Scope

INTS = ("0", "1", "2", "3", "5", "7", "10", "-1", "-3", "100", "0x7F", "1_000", "LIMIT",
        "0x7FFF_FFFF", "2**40", "-(2**62)")  # fmt: skip
FLOATS = ("0.0", "1.0", "0.5", "2.5", "-1.25", "0.1", "1e-3", "SCALE", "math.pi", "1e300", "-0.0",
          "5e-324", "math.inf")  # fmt: skip
STRINGS = ('"a"', '"b"', '""', '"buy"', '"é"', "NAME")
SCALARS = {"i32": "np.int32", "u8": "np.uint8", "f32": "np.float32"}
COMPARE = ("<", "<=", "==", "!=", ">", ">=")

Rule = Callable[[], str]


class Expressions:
    """Writes expressions from what a scope has.

    Args:
        scope: where they stand.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def of(self, type_: str, depth: int = 2) -> str:
        """An expression of a type."""
        scope = self.scope
        leaves = scope.of(type_)
        if leaves and scope.chance(35 if depth > 0 else 85):
            return scope.one(leaves)
        if depth <= 0 or scope.chance(12):
            return self.constant(type_)
        if type_ != "point" and scope.chance(9):
            return f"({self.of(type_, depth - 1)} if {self.of('bool', depth - 1)} " \
                   f"else {self.of(type_, depth - 1)})"  # fmt: skip
        if scope.chance(14):
            calls = [h for h in scope.helpers if h.gives == type_]
            if calls:
                helper = scope.one(calls)
                arguments = ", ".join(self.of(t, depth - 1) for t in helper.takes)
                return f"{helper.name}({arguments})"
        rules: list[Rule] = getattr(self, f"_{type_}")(depth - 1)
        return scope.one(rules)()

    def constant(self, type_: str) -> str:
        """A constant of a type."""
        scope = self.scope
        if type_ in SCALARS:
            value = scope.one(("0", "1", "3", "100", "127"))
            return f"{SCALARS[type_]}({value}{'.5' if type_ == 'f32' else ''})"
        if type_ == "point":
            return f"Point({scope.one(INTS[:9])}, {scope.one(FLOATS[:8])})"
        table = {"int": INTS, "float": FLOATS, "str": STRINGS, "bool": ("True", "False"),
                 "mode": ("Mode.OFF", "Mode.SLOW", "Mode.FAST"),
                 "optint": ("None", "None", "7"), "optfloat": ("None", "None", "0.5")}  # fmt: skip
        options = table[type_]
        return scope.one(options[:9] if scope.chance(70) else options)

    # --- one method a type: what makes a value of it ----------------------------------------------

    def _int(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        rules: list[Rule] = [
            lambda: f"({of('int', depth)} {one('+-*+-')} {of('int', depth)})",
            lambda: f"({of('int', depth)} {one('&|^')} {of('int', depth)})",
            lambda: f"({of('int', depth)} {one(('//', '%'))} ({of('int', depth)} or 1))",
            lambda: f"({of('int', depth)} {one(('//', '%'))} {one(('3', '10', '-7', '64'))})",
            lambda: f"({of('int', depth)} {one(('<<', '>>'))} ({of('int', depth)} & 5))",
            lambda: f"{one(('abs', '-', '~'))}({of('int', depth)})",
            lambda: f"{one(('min', 'max'))}({of('int', depth)}, {of('int', depth)}, "
                    f"{self.constant('int')})",
            lambda: f"(({of('int', depth)} * {one(('31', '1103515245', '0x9E3779B1'))}) & MASK)",
            lambda: f"divmod({of('int', depth)}, {one(('3', '10', '-7'))})[{one('01')}]",
            lambda: f"int({of('bool', depth)})",
            lambda: f"({of('bool', depth)} + {of('bool', depth)})",
            lambda: f"int({one(('i32', 'u8'))}_of({of('int', depth)}))",
            lambda: f"({of('optint', depth)} or {of('int', depth)})",
            lambda: f"WEIGHTS[{of('int', depth)} % 4]",
            lambda: f"({of('mode', depth)}).value",
            lambda: f"({of('int', depth)}).bit_length()",
            lambda: f"pow({of('int', depth)} % 97, {one(('2', '3', '5'))}, 101)",
            lambda: self._whole(depth),
            lambda: self._measured(),
            lambda: self._reduced("int"),
            lambda: self._looked_up(depth),
        ]  # fmt: skip
        return rules

    def _whole(self, depth: int) -> str:
        value = self.of("float", depth)
        how = self.scope.one(("int", "round", "math.floor", "math.ceil"))
        return f"{how}({value} % 1000.0 if math.isfinite({value}) else 0.0)"

    def _measured(self) -> str:
        places = list(self.scope.places)
        return f"len({self.scope.one(places)})" if places else "4"

    def _looked_up(self, depth: int) -> str:
        """What a container of ``collections``, a set, a heap or a sorted list tells."""
        found = self.scope.containers("tallies", "votes", "seen", "heap", "ranks")
        if not found:
            return self.constant("int")
        name, one = self.scope.one(found), self.scope.one
        match self.scope.places[name]:
            case "tallies":
                return one((f"{name}[{self.of('int', depth)} % 8]", f"{name}.get(3, 7)"))
            case "votes":
                return one((f"{name}[{self.of('str', depth)}]", f"{name}.total()",
                            f"len({name}.most_common(2))"))  # fmt: skip
            case "seen":
                return one((f"sum({name})", f"max({name}, default=2)",
                            f"sum(1 for v in {name} if v > {self.constant('int')})"))  # fmt: skip
            case "heap":
                return one((f"heapq.nsmallest(1, {name} + [9])[0]", f"min({name} + [4])"))
        return f"bisect.bisect{one(('', '_left'))}({name}, {self.of('float', depth)})"

    def _reduced(self, type_: str) -> str:
        """A reduction of a container."""
        scope, x = self.scope, self.scope.fresh("x")
        if type_ == "int":
            found = scope.containers("ints", "counts", "items", "heap", "tallies", "votes")
            if not found:
                return self.constant("int")
            name = scope.one(found)
            keyed = scope.places.get(name) in ("counts", "tallies", "votes")
            items = f"{name}.values()" if keyed else name
            return scope.one((
                f"sum({x} & 0xFFF for {x} in {items})",
                f"sum(1 for {x} in {items} if {x} > {self.constant('int')})",
                f"len([{x} for {x} in {items} if {x} % 2 == 0])",
            ))  # fmt: skip
        found = scope.containers("floats", "queue")
        if not found:
            return self.constant("float")
        name = scope.one(found)
        return scope.one((
            f"(sum({name}) / (len({name}) or 1))",
            f"sum([{x} * 0.5 for {x} in {name}]) * 1.0",
        ))  # fmt: skip

    def _float(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        return [
            lambda: f"({of('float', depth)} {one('+-*+-')} {of('float', depth)})",
            lambda: f"({of('float', depth)} {one('+-*')} {of('int', depth)})",
            lambda: f"({of('float', depth)} / ({of('float', depth)} or 1.0))",
            lambda: f"({of('int', depth)} / ({of('int', depth)} or 1))",
            lambda: f"({of('float', depth)} {one(('//', '%'))} {one(('0.7', '-2.5', '3.0'))})",
            lambda: f"float({of(one(('int', 'f32', 'bool')), depth)})",
            lambda: f"{one(('abs', '-', 'math.fabs'))}({of('float', depth)})",
            lambda: f"math.sqrt(abs({of('float', depth)}))",
            lambda: f"{one(('math.tanh', 'math.atan', 'math.erf'))}({of('float', depth)})",
            lambda: f"math.exp(-abs({of('float', depth)}))",
            lambda: f"math.log(1.0 + abs({of('float', depth)}))",
            lambda: f"math.copysign({of('float', depth)}, {of('float', depth)})",
            lambda: f"round({of('float', depth)}, {one(('0', '1', '3', '-2'))})",
            lambda: f"(abs({of('float', depth)}) ** {one(('2', '0.5', '3'))})",
            lambda: f"{one(('min', 'max'))}({of('float', depth)}, {of('float', depth)})",
            lambda: f"({of('optfloat', depth)} or {of('float', depth)})",
            lambda: self._reduced("float"),
        ]

    def _bool(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        return [
            lambda: f"({of('int', depth)} {one(COMPARE)} {of('int', depth)})",
            lambda: f"({of('float', depth)} {one(COMPARE)} {of(one(('float', 'int')), depth)})",
            lambda: f"({self.constant('int')} {one(COMPARE)} {of('int', depth)} {one(COMPARE)} "
                    f"{of('int', depth)})",
            lambda: f"({of('bool', depth)} {one(('and', 'or', '^', 'and not'))} "
                    f"{of('bool', depth)})",
            lambda: f"(not {of(one(('bool', 'int', 'str', 'float')), depth)})",
            lambda: f"({of('str', depth)} {one(('==', '!='))} {of('str', depth)})",
            lambda: f"({of('str', depth)} {one(('in', 'not in'))} (\"a\", \"buy\", NAME))",
            lambda: f"({of('mode', depth)} {one(('is', 'is not', '=='))} {of('mode', depth)})",
            lambda: f"({of('mode', depth)} in (Mode.OFF, Mode.FAST))",
            lambda: f"({of('optint', depth)} is {one(('None', 'not None'))})",
            lambda: f"({of('optfloat', depth)} is not None)",
            lambda: f"math.{one(('isnan', 'isinf', 'isfinite'))}({of('float', depth)})",
            lambda: f"({of('int', depth)} % 2 == 0)",
            lambda: f"bool({of('f32', depth)} < {of('f32', depth)})",
            lambda: f"bool({of('i32', depth)} {one(COMPARE)} {of('i32', depth)})",
            lambda: self._quantified(),
        ]  # fmt: skip

    def _quantified(self) -> str:
        scope, x = self.scope, self.scope.fresh("x")
        found = scope.containers("ints", "floats", "queue", "items", "heap", "ranks", "seen")
        keyed = scope.containers("counts", "tallies", "seen")
        if keyed and scope.chance(40):
            return f"({self.of('int', 1)} % 16 in {scope.one(keyed)})"
        if not found:
            return self.constant("bool")
        return f"{scope.one(('any', 'all'))}({x} {scope.one(COMPARE)} 3 for {x} in " \
               f"{scope.one(found)})"  # fmt: skip

    def _str(self, depth: int) -> list[Rule]:
        of = self.of
        return [
            lambda: f"({of('str', depth)} if {of('bool', depth)} else {of('str', depth)})",
            lambda: f"({of('str', depth)} or {self.constant('str')})",
            lambda: f"LABELS[{of('mode', depth)}]",
        ]

    def _mode(self, depth: int) -> list[Rule]:
        of = self.of
        return [
            lambda: f"({of('mode', depth)} if {of('bool', depth)} else {of('mode', depth)})",
            lambda: f"NEXT[{of('mode', depth)}]",
            lambda: f"({of('mode', depth)} if {of('int', depth)} > 0 else Mode.OFF)",
        ]

    def _optint(self, depth: int) -> list[Rule]:
        of = self.of
        return [
            lambda: f"({of('int', depth)} if {of('bool', depth)} else None)",
            lambda: f"(None if {of('int', depth)} < 0 else {of('int', depth)})",
        ]

    def _optfloat(self, depth: int) -> list[Rule]:
        return [lambda: f"({self.of('float', depth)} if {self.of('bool', depth)} else None)"]

    def _point(self, depth: int) -> list[Rule]:
        return [lambda: f"Point({self.of('int', depth)}, {self.of('float', depth)})"]

    def _i32(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        return [
            lambda: f"({of('i32', depth)} {one('+-*&|^')} {of('i32', depth)})",
            lambda: f"i32_of({of('int', depth)})",
            lambda: f"({of('i32', depth)} {one(('>>', '<<'))} np.int32({one('0135')}))",
            lambda: f"({of('i32', depth)} + {one(('1', '7', '-2'))})",
            lambda: f"({of('i32', depth)} // np.int32({one(('3', '-5'))}))",
        ]

    def _u8(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        return [
            lambda: f"({of('u8', depth)} {one('+-*&|^')} {of('u8', depth)})",
            lambda: f"u8_of({of('int', depth)})",
            lambda: f"({of('u8', depth)} % np.uint8({one('37')}))",
        ]

    def _f32(self, depth: int) -> list[Rule]:
        one, of = self.scope.one, self.of
        return [
            lambda: f"({of('f32', depth)} {one('+-*')} {of('f32', depth)})",
            lambda: f"np.float32({of('float', depth)})",
            lambda: f"({of('f32', depth)} * {one(('2', '0.5'))})",
            lambda: f"abs({of('f32', depth)})",
        ]
