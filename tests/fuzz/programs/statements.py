"""Statements of a program: ``Statements(scope, outputs).block(count)`` is lines of Python."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.programs.expressions import COMPARE, Expressions
from tests.fuzz.programs.scope import Scope

SIMPLE = ("int", "float", "bool", "str", "mode", "i32", "u8", "f32", "optint", "optfloat", "point")
ERRORS = ("ValueError", "KeyError", "Rejected", "TooMany", "ZeroDivisionError")
HANDLERS = ("ZeroDivisionError", "(ValueError, OverflowError)", "Rejected", "ArithmeticError",
            "LookupError", "Exception")  # fmt: skip

PATTERNS = {
    "int": ["0", "1 | 2", "-1 | 3"], "str": ['"a"', '"buy" | "b"', '""'],
    "mode": ["Mode.OFF", "Mode.SLOW | Mode.FAST", "Mode.SLOW"],
}  # fmt: skip

Lines = list[str]


def indent(lines: Lines) -> Lines:
    """One level further in."""
    return [f"    {line}" for line in lines]


class Statements:
    """Writes statements.

    Args:
        scope: where they stand.
        outputs: message classes that may be sent, with their fields; none in helpers.
        result: the type that ``return`` gives, in helpers.
    """

    def __init__(self, scope: Scope, outputs: dict[str, dict[str, str]],
                 result: str | None = None) -> None:  # fmt: skip
        self.scope, self.outputs, self.result = scope, outputs, result
        self.expressions = Expressions(scope)
        self.expr = self.expressions.of
        self.loops = 0
        self.looping = False
        self.sends = 0

    def block(self, count: int, depth: int = 2) -> Lines:
        """So many statements, at least one."""
        lines: Lines = []
        for _ in range(max(1, count)):
            lines += self.statement(depth)
        return lines

    def inner(self, depth: int) -> Lines:
        """An indented block of its own."""
        with self.scope.inner():
            return indent(self.block(self.scope.random.randint(1, 3), depth - 1))

    def statement(self, depth: int) -> Lines:
        """One statement."""
        plain: list[tuple[int, Callable[[], Lines]]] = [
            (8, self.assign), (6, self.augmented), (2, self.pair), (2, self.optional),
            (5, self.container), (2, self.walrus), (1, self.check),
        ]  # fmt: skip
        if self.outputs:
            plain += [(5, self.send), (2, self.tell)]
        if self.looping:
            plain.append((2, self.leave_loop))
        if depth > 0:
            nested: list[tuple[int, Callable[[int], Lines]]] = [
                (6, self.branch), (3, self.count_loop), (3, self.walk), (2, self.while_loop),
                (4, self.attempt), (3, self.match),
            ]  # fmt: skip
            plain += [(weight, lambda rule=rule: rule(depth)) for weight, rule in nested]  # type: ignore[misc]
        (rule,) = self.scope.random.choices([r for _, r in plain], [w for w, _ in plain])
        return rule()

    # --- without blocks ---------------------------------------------------------------------------

    def assign(self) -> Lines:
        """A variable gets a value of its type, or there is a new one."""
        type_ = self.scope.one(SIMPLE)
        known = self.scope.variables(type_)
        if known and self.scope.chance(75):
            name = self.scope.one(known)
            return [f"{name} = {self.bounded(type_)}"]
        value = self.bounded(type_)
        name = self.scope.fresh("v")
        self.scope.names[name] = type_
        return [f"{name} = {value}"]

    def bounded(self, type_: str) -> str:
        """A value that does not grow from turn to turn, mostly."""
        value = self.expr(type_, 2)
        if type_ == "int" and self.scope.chance(80):
            return f"{value} {self.scope.one(('% 1_000_003', '& 0xFFFF', '% -977'))}"
        if type_ == "float" and self.scope.chance(60):
            return f"math.fmod({value}, 1e6) if math.isfinite({value}) else 0.25"
        return value

    def augmented(self) -> Lines:
        """``x += ...``"""
        type_ = self.scope.one(("int", "float", "i32", "u8", "f32", "int"))
        known = self.scope.variables(type_)
        if not known:
            return self.assign()
        symbols = {"int": "+-^&|", "float": "+-*", "i32": "+-*^", "u8": "+-|", "f32": "+-*"}
        name, symbol = self.scope.one(known), self.scope.one(symbols[type_])
        lines = [f"{name} {symbol}= {self.expr(type_, 1)}"]
        if type_ == "int" and self.scope.chance(60):
            lines.append(f"{name} %= 65_521")
        return lines

    def pair(self) -> Lines:
        """Several names at once: a swap, or the results of a helper."""
        scope = self.scope
        tuples = [h for h in scope.helpers if "," in h.gives]
        if tuples and scope.chance(60):
            helper = scope.one(tuples)
            value = f"{helper.name}({', '.join(self.expr(t, 1) for t in helper.takes)})"
            names = [scope.fresh("p") for _ in helper.gives.split(",")]
            scope.names.update(zip(names, helper.gives.split(","), strict=True))
            return [f"{', '.join(names)} = {value}"]
        known = scope.variables(scope.one(("int", "float")))
        if len(known) < 2:
            return self.assign()
        a, b = scope.random.sample(known, 2)
        return [f"{a}, {b} = {b}, {a}"]

    def optional(self) -> Lines:
        """A test for ``None``, and the value behind it."""
        known = [n for n in self.scope.of("optint") if self.scope.of("int")]
        targets = self.scope.variables("int")
        if not known or not targets:
            return self.assign()
        name = self.scope.one(known)
        return [f"if {name} is not None:",
                f"    {self.scope.one(targets)} = {name} % 1009",
                *([f"    {self.count()}"] if self.scope.chance(30) else [])]  # fmt: skip

    def count(self) -> str:
        """Something small that happens."""
        known = self.scope.variables("int")
        return f"{self.scope.one(known)} ^= 5" if known else "pass"

    def walrus(self) -> Lines:
        """A value that is named where it is tested."""
        value, name = self.expr("int", 1), self.scope.fresh("w")
        test = f"({name} := {value}) {self.scope.one(COMPARE)} {self.expressions.constant('int')}"
        with self.scope.inner():
            self.scope.names[name] = "int"
            body = indent(self.assign())
        self.scope.names[name] = "int"
        return [f"if {test}:", *body]

    def check(self) -> Lines:
        """An assertion, or an exception that is raised now and then."""
        if self.scope.chance(50):
            return [f"assert {self.expr('int', 1)} != 13, \"thirteen\""]
        error = self.scope.one(ERRORS)
        text = self.scope.one(('"no"', '"too much"', f'f"bad {{{self.named()}}}"', ""))
        return [f"if {self.expr('int', 1)} == {self.scope.one(('7', '-3', '11'))}:",
                f"    raise {error}({text})"]  # fmt: skip

    def container(self) -> Lines:
        """Something happens to a container."""
        scope, expr = self.scope, self.expr
        places = [n for n, k in scope.places.items() if k != "items"]
        if not places:
            return self.assign()
        name = scope.one(places)
        alike = [n for n in places if n != name and scope.places[n] == scope.places[name]]
        if alike and scope.chance(25):
            other = scope.one(alike)
            return [f"{name}, {other} = {other}, {name}"]
        index = f"{expr('int', 1)} % len({name})"
        match scope.places[name]:
            case "ints":
                return [scope.one((
                    f"{name}[{index}] = {self.bounded('int')}",
                    f"{name}[{index}] ^= {expr('int', 1)} & 0xFFFF",
                    f"{name}[0], {name}[-1] = {name}[-1], {name}[0]",
                ))]  # fmt: skip
            case "floats":
                return [f"{name}[{index}] {scope.one(('=', '+=', '-='))} {expr('float', 1)}"]
            case "queue":
                if scope.chance(25):
                    return [f"if {name}:", f"    {name}.{scope.one(('pop', 'popleft'))}()"]
                how = scope.one(("append", "append", "appendleft"))
                return [f"{name}.{how}({expr('float', 1)})"]
            case "waiting":
                way, back = scope.one((("append", "popleft"), ("appendleft", "pop")))
                return [f"{name}.{way}({expr('float', 1)})",
                        f"if len({name}) > 8:", f"    {name}.{back}()"]  # fmt: skip
            case "counts":
                key = f"{expr('int', 1)} % 16"
                return scope.one((
                    [f"{name}[{key}] = {name}.get({key}, 0) + 1"],
                    [f"{name}.setdefault({key}, {expr('int', 0)} & 255)"],
                    [f"{name}.pop({key}, None)"],
                    [f"if {name} and ({key}) in {name}:", f"    del {name}[{key}]"],
                    [f"if len({name}) > 12:", f"    {name}.clear()"],
                ))  # fmt: skip
            case "tallies" | "votes" | "seen" | "heap" | "ranks" as kind:
                return self._collection(kind, name)
            case "prices":
                key = expr("str", 1)
                return [scope.one((
                    f"{name}[{key}] = {expr('float', 1)}",
                    f"{name}[{key}] = {name}.get({key}, 0.0) * 0.5 + {expr('float', 1)}",
                ))]  # fmt: skip
        row, column = f"{expr('int', 1)} % 2", f"{expr('int', 1)} % 3"
        return [f"{name}[{row}, {column}] {scope.one(('=', '+='))} {expr('float', 1)}"]

    def _collection(self, kind: str, name: str) -> Lines:
        """Something happens to a container of ``collections``, a set, a heap or a sorted list."""
        scope, expr = self.scope, self.expr
        key, item = f"{expr('int', 1)} % 8", expr("int", 1)
        match kind:
            case "tallies":
                return scope.one((
                    [f"{name}[{key}] += {item} & 255"],
                    [f"{name}[{key}] = {item} % 997"],
                    [f"if {name}[{key}] > 100:", f"    del {name}[min({name})]"],
                    [f"{name}.pop({key}, None)"],
                ))  # fmt: skip
            case "votes":
                word = expr("str", 1)
                return scope.one((
                    [f"{name}[{word}] += 1"],
                    [f"{name}[{word}] -= {item} & 3"],
                    [f"{name}.update([{word}, {expr('str', 1)}])"],
                    [f"del {name}[{word}]"],
                ))  # fmt: skip
            case "seen":
                return scope.one((
                    [f"{name}.add({key})"],
                    [f"{name}.discard({key})"],
                    [f"{name} |= {{{key}, {item} % 5}}"],
                    ["try:", f"    {name}.remove({key})",
                     "except KeyError:", f"    {self.count()}"],
                    [f"if len({name}) > 5:", f"    {name}.clear()"],
                ))  # fmt: skip
            case "heap":
                return scope.one((
                    [f"heapq.heappush({name}, {item})", f"if len({name}) > 9:",
                     f"    {scope.fresh('h')} = heapq.heappop({name})"],
                    [f"if {name}:", f"    heapq.heapreplace({name}, {item})"],
                    [f"{scope.fresh('h')} = heapq.heappushpop({name}, {item})"],
                ))  # fmt: skip
        return [f"bisect.insort({name}, {expr('float', 1)})", f"if len({name}) > 6:",
                f"    {name}.pop({scope.one(('0', '-1', '3'))})"]  # fmt: skip

    def send(self) -> Lines:
        """A message goes out."""
        if self.looping and self.sends > 3:
            return self.assign()
        self.sends += 1
        cls = self.scope.one(list(self.outputs))
        fields = self.outputs[cls]
        values = [self.sent(type_) for type_ in fields.values()]
        if self.scope.chance(50):
            values = [f"{n}={v}" for n, v in zip(fields, values, strict=True)]
        return [f"await ctx.send({cls}({', '.join(values)}))"]

    def sent(self, type_: str) -> str:
        """A value for a field."""
        scope = self.scope
        if type_ == "str" and scope.chance(40):
            return f'f"{scope.one(("n=", "", "{NAME}:"))}{{{self.named()}}}' \
                   f'{scope.one(("", "!", "/{" + self.shown() + "}"))}"'  # fmt: skip
        if type_ == "items":
            ints = scope.containers("ints")
            options = [f"[{self.expr('int', 1)} for _ in range({scope.random.randint(0, 3)})]",
                       f"[{self.expr('int', 1)}, {self.expr('int', 1)}]", "[]"]  # fmt: skip
            options += [f"list({name})" for name in ints] + [f"{name}[1:]" for name in ints]
            return scope.one(options)
        if type_ == "int":
            return f"{self.expr('int', 1)} % 2**40"
        return self.expr(type_, 1)

    def named(self) -> str:
        """A number that is safe inside quotes."""
        found = self.scope.of("int")
        return self.scope.one(found) if found else "LIMIT"

    def shown(self) -> str:
        """An expression as an f-string shows it."""
        type_, how = self.scope.one((("int", ":>6"), ("int", ":#x"), ("float", ":.3f"),
                                     ("float", "!r"), ("str", "!r"), ("bool", ""), ("int", ":+,"),
                                     ("float", ":.2e"), ("str", ":<5")))  # fmt: skip
        found = self.scope.of(type_)
        return f"{self.scope.one(found)}{how}" if found else "NAME"

    def tell(self) -> Lines:
        """Something is printed or logged."""
        scope = self.scope
        a, b = (self.expr(scope.one(("int", "float", "str", "bool", "optint")), 1)
                for _ in range(2))  # fmt: skip
        return [scope.one((
            f'print("{scope.fresh("at ")}", {a}, {b})',
            f"print({a}, {b}, sep=\"|\", end=\";\\n\")",
            f'print(f"{{{self.shown()}}} and {{{self.shown()}}}")',
            f'log.info("%s of %r", {a}, {b})',
            f'log.warning("%d", {self.expr("int", 1)})',
        ))]  # fmt: skip

    def leave_loop(self) -> Lines:
        """``break`` or ``continue``."""
        return [f"if {self.expr('bool', 1)}:", f"    {self.scope.one(('break', 'continue'))}"]

    # --- with blocks ------------------------------------------------------------------------------

    def branch(self, depth: int) -> Lines:
        """``if``, with ``elif`` and ``else`` at times."""
        lines = [f"if {self.expr('bool', 2)}:", *self.inner(depth)]
        if self.scope.chance(35):
            lines += [f"elif {self.expr('bool', 1)}:", *self.inner(depth)]
        if self.scope.chance(50):
            lines += ["else:", *self.inner(depth)]
        return lines

    def loop(self, head: str, depth: int, **names: str) -> Lines:
        """A loop whose head binds some names."""
        looping, self.looping = self.looping, True
        self.loops += 1
        with self.scope.inner():
            self.scope.names.update(names)
            self.scope.fixed |= set(names)
            body = indent(self.block(self.scope.random.randint(1, 3), depth - 1))
        self.looping = looping
        self.loops -= 1
        lines = [head, *body]
        if self.scope.chance(20):
            lines += ["else:", *self.inner(depth)]
        return lines

    def count_loop(self, depth: int) -> Lines:
        """``for`` over a range."""
        name, expr = self.scope.fresh("i"), self.expr
        head = self.scope.one((
            f"range({self.scope.random.randint(1, 5)})", f"range({expr('int', 1)} % 5)",
            f"range({expr('int', 1)} & 3, 6)", f"range(5, {expr('int', 1)} % 4, -2)",
        ))  # fmt: skip
        return self.loop(f"for {name} in {head}:", depth, **{name: "int"})

    def walk(self, depth: int) -> Lines:
        """``for`` over a container that the body leaves alone."""
        scope = self.scope
        if not scope.places:
            return self.count_loop(depth)
        place = scope.one(list(scope.places))
        kind = scope.places.pop(place)
        a, b = scope.fresh("k"), scope.fresh("e")
        if kind == "grid":
            head, names = f"for {a} in range(3):", {a: "int"}
        elif kind == "seen":
            head, names = f"for {a} in sorted({place}):", {a: "int"}
        elif kind in ("counts", "prices", "tallies", "votes"):
            types = {"prices": ("str", "float"), "votes": ("str", "int")}.get(kind, ("int", "int"))
            head, names = f"for {a}, {b} in {place}.items():", dict(zip((a, b), types, strict=True))
            if scope.chance(40):
                head, names = f"for {a} in {place}:", {a: types[0]}
        else:
            item = "int" if kind in ("ints", "items", "heap") else "float"
            head, names = f"for {a} in {place}:", {a: item}
            if scope.chance(35):
                head, names = f"for {a}, {b} in enumerate({place}):", {a: "int", b: item}
            elif scope.chance(25):
                head = f"for {a}, {b} in zip({place}, WEIGHTS):"
                names = {a: item, b: "int"}
            elif scope.chance(25):
                head = f"for {a} in reversed({place}):"
        lines = self.loop(head, depth, **names)
        scope.places[place] = kind
        return lines

    def while_loop(self, depth: int) -> Lines:
        """``while`` that counts down first of all."""
        name = self.scope.fresh("left")
        start = f"{name} = {self.scope.one(('3', '5', self.expr('int', 1) + ' % 6'))}"
        looping = self.loop(f"while {name} > 0:", depth, **{name: "int"})
        looping.insert(1, f"    {name} -= 1")
        return [start, *looping]

    def attempt(self, depth: int) -> Lines:
        """``try`` with handlers."""
        scope = self.scope
        risky = [h for h in scope.helpers if h.raises]
        lines = ["try:"]
        with scope.inner():
            body = self.block(1, depth - 1)
            if risky and scope.chance(70):
                helper = scope.one(risky)
                call = f"{helper.name}({', '.join(self.expr(t, 1) for t in helper.takes)})"
                body.append(f"{scope.fresh('r')} = {call}")
            else:
                name = scope.fresh("q")
                body.append(f"{name} = {self.expr('int', 1)} // ({self.expr('int', 1)} % 3)")
                scope.names[name] = "int"
                body += self.assign()
        lines += indent(body)
        for error in scope.random.sample(HANDLERS[:5], scope.random.randint(1, 2)):
            if self.outputs and scope.chance(35):
                lines += [f"except {error} as error:", '    print("caught", error)']
            else:
                lines.append(f"except {error}:")
            lines += self.inner(depth)
            if scope.chance(10):
                lines.append("    raise TooMany(\"again\") from None" if scope.chance(50)
                             else "    raise")  # fmt: skip
        lines += ["except Exception:", *self.inner(depth)] if scope.chance(60) else []
        lines += ["else:", *self.inner(depth)] if scope.chance(25) else []
        if scope.chance(25):
            looping, self.looping = self.looping, False
            lines += ["finally:", *self.inner(depth)]
            self.looping = looping
        return lines

    def match(self, depth: int) -> Lines:
        """``match`` over literals, members, or a pair."""
        scope = self.scope
        kind = scope.one(("int", "str", "mode", "pair", "int"))
        if kind == "pair":
            subject = f"({self.expr('int', 1)} % 3, {self.expr('bool', 1)})"
            patterns = ["(0, True)", "(1, _)", "(_, False)"]
        else:
            subject = self.expr(kind, 1) + (" % 5" if kind == "int" else "")
            patterns = PATTERNS[kind]
        lines = [f"match {subject}:"]
        for pattern in scope.random.sample(patterns, scope.random.randint(1, 3)):
            guard = f" if {self.expr('bool', 1)}" if scope.chance(30) else ""
            lines += [f"    case {pattern}{guard}:", *indent(self.inner(depth))]
        if scope.chance(20) and kind == "int":
            name = scope.fresh("other")
            lines += [f"    case {name} if {name} > 2:", *indent(self.inner(depth))]
        if scope.chance(60):
            lines += ["    case _:", *indent(self.inner(depth))]
        return lines
