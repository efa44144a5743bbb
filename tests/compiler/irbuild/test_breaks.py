"""Statements that cannot be compiled, in actors that can: where they break, what that leaves."""

from __future__ import annotations

from typing import Any

import pytest

from pydotcompute import ring_kernel
from pydotcompute.actors.lowering import Lowering, lower_actor
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ops.error_codes import FIRST_BREAK
from tests.support import defining
from tests.support.differential import TIMEOUT, Subject, compare

MODULE = """\
from contextlib import suppress
from pydotcompute import message

TABLE = {{1: 2, 3: 4}}


@message
class In:
    kind: int
    value: float = 0.0


@message
class Out:
    value: float


def checked(value):
    if value < 0:
        with suppress(ValueError):
            raise ValueError
        return -1.0
    return value * 2


def counted(value):
    global TABLE
    TABLE = dict(TABLE)
    return value


def endless(value):
    return value + endless(value - 1)


async def actor(ctx):
{prologue}
    while not ctx.should_terminate:
{loop}
"""
RECEIVE = "m = await ctx.receive()\n"
SEND = "\nawait ctx.send(Out(total))\n"


def _indented(text: str, depth: int) -> str:
    return "\n".join(" " * 4 * depth + line for line in text.strip().splitlines())


class Actor:
    """An actor whose loop is given, and its module."""

    def __init__(self, loop: str, prologue: str = "total = 0.0") -> None:
        text = MODULE.format(prologue=_indented(prologue, 1), loop=_indented(loop, 2))
        self.lines = text.splitlines()
        self.module: Any = defining.load(text, "breaking_actor")
        self.function = ring_kernel(
            kernel_id="breaking", auto_register=False, input_type=self.module.In,
            output_type=self.module.Out,
        )(self.module.actor)  # fmt: skip

    def lower(self) -> Lowering:
        """Lowered, with the state that the prologue leaves."""
        return Subject(self.function).lowering

    def refused(self, **state: Any) -> list[str]:
        """The codes of what keeps the actor from being compiled."""
        lowering = lower_actor(self.function.spec, state={"total": 0.0, **state})
        assert not lowering.ok
        assert lowering.breaks == ()
        return [found.code for found in lowering.diagnostics]

    def broken(self) -> list[str]:
        """The lines that break."""
        return [self.lines[found.line - 1].strip() for found in self.lower().breaks]

    def host_variables(self) -> tuple[str, ...]:
        """What compiled code does not hold."""
        kernel = self.lower().kernel
        assert kernel is not None
        return kernel.host_variables

    def check(self, *kinds: int | None) -> None:
        """Compares Python, the IR and the library on messages of these kinds; None: a time-out."""
        items = [TIMEOUT if kind is None else self.module.In(kind, kind / 4) for kind in kinds]
        compare(Subject(self.function), items, 1)


ONE_IN_THREE = RECEIVE + """
if m.kind % 3 == 0:
    total += len({x for x in range(m.kind)})
total += m.value
""" + SEND  # fmt: skip


def test_a_statement_breaks_and_the_rest_is_compiled() -> None:
    actor = Actor(ONE_IN_THREE)
    (found,) = actor.lower().breaks
    assert (found.code, found.hint) == (
        "PDC021", "fill a `set` assigned before the loop, in a `for` loop",
    )  # fmt: skip
    assert actor.broken() == ["total += len({x for x in range(m.kind)})"]
    actor.check(1, 2, 3, 4, 5, 6, 6, 7)


def test_the_code_of_a_report_says_which_place_was_met() -> None:
    kernel = Actor(ONE_IN_THREE).lower().kernel
    assert kernel is not None
    (found,) = kernel.breaks
    assert kernel.break_at(FIRST_BREAK) == f"{found.file}:{found.line}"
    assert kernel.break_at(1000) is None
    assert kernel.why(FIRST_BREAK, 0) == f"{found.message} ({found.file}:{found.line})"


@pytest.mark.parametrize(
    "statement",
    ["total += sum({1, m.kind})", "with suppress(ValueError):\n        total += 1",
     "import string", "total = (lambda v: v + 1)(total)", "print([*{1}])",
     "await checked(ctx)", "del total", "m = b'x'", "total = undefined_name"],
)  # fmt: skip
def test_each_kind_of_statement_breaks(statement: str) -> None:
    loop = f"{RECEIVE}if m.kind == 1:\n    {statement}{SEND}"
    assert Actor(loop).broken() == [statement.splitlines()[0]]


def test_an_actor_whose_every_path_breaks_is_refused() -> None:
    assert Actor(f"{RECEIVE}total += len({{1}}){SEND}").refused() == ["PDC021"]


def test_a_time_out_that_is_compiled_is_no_message_that_is() -> None:
    loop = """
try:
    m = await ctx.receive(timeout=1.0)
except TimeoutError:
    continue
total += len({m.kind})
"""
    assert Actor(loop).refused() == ["PDC021"]


def test_what_breaks_before_it_has_received_keeps_the_actor_from_being_compiled() -> None:
    loop = f"if total > 3:\n    total += len({{1}})\n{RECEIVE}total += m.value"
    assert Actor(loop).refused() == ["PDC021"]


def test_the_handler_of_a_time_out_may_break() -> None:
    loop = """
try:
    m = await ctx.receive(timeout=1.0)
except TimeoutError:
    total += len({1})
    continue
total += m.value
""" + SEND  # fmt: skip
    actor = Actor(loop)
    assert actor.broken() == ["total += len({1})"]
    actor.check(1, None, 2, None, None, 3)


def test_a_break_in_a_handler_of_exceptions() -> None:
    loop = RECEIVE + """
try:
    total += 1 / m.kind
except ZeroDivisionError as error:
    print({str(error)})
""" + SEND  # fmt: skip
    actor = Actor(loop)
    assert actor.broken() == ["print({str(error)})"]
    actor.check(1, 0, 2, 0)


def test_no_handler_catches_a_break() -> None:
    loop = RECEIVE + """
try:
    if m.kind == 2:
        total += len({1})
except Exception:
    total = -1.0
finally:
    total += 0.5
""" + SEND  # fmt: skip
    Actor(loop).check(1, 2, 3, 2)


def test_a_helper_breaks_at_its_own_line() -> None:
    actor = Actor(f"{RECEIVE}total += checked(m.value - 1){SEND}")
    assert actor.broken() == ["with suppress(ValueError):"]
    actor.check(1, 8, 2, 9)


def test_a_global_of_a_helper_keeps_the_actor_from_being_compiled() -> None:
    loop = f"{RECEIVE}if m.kind == 2:\n    counted(total)\nawait ctx.send(Out(TABLE[1] + total))"
    assert "PDC025" in Actor(loop).refused()


def test_a_constant_that_an_interpreted_statement_may_change_is_none() -> None:
    loop = f"{RECEIVE}if m.kind == 2:\n    TABLE[5] = {{}}\nawait ctx.send(Out(TABLE[1] + total))"
    assert Actor(loop).refused()


def test_a_break_in_an_inner_loop_takes_the_whole_turn_back() -> None:
    loop = RECEIVE + """
for n in range(m.kind):
    total += n
    await ctx.send(Out(total))
    if n == 3:
        total += len({n})
"""
    actor = Actor(loop)
    assert actor.broken() == ["total += len({n})"]
    actor.check(1, 2, 5, 3, 4, 1)


def test_what_is_broken_gives_the_state_no_type() -> None:
    """`total` stays a float, though a statement behind the break would make a string of it."""
    loop = RECEIVE + """
if m.kind == 1:
    print({total})
    total = "many"
    total = 0.0
total += m.value
""" + SEND  # fmt: skip
    kernel = Actor(loop).lower().kernel
    assert kernel is not None
    assert [str(type_) for _, type_ in kernel.state.variables] == ["float"]


def test_what_only_a_break_reads_is_no_constant_of_the_compiled_code() -> None:
    loop = f"{RECEIVE}if m.kind == 2:\n    total += len({{*TABLE}})\ntotal += m.value{SEND}"
    kernel = Actor(loop).lower().kernel
    assert kernel is not None
    assert not any(isinstance(value, dict) for _, value in kernel.ir.constants)


def test_a_function_that_never_returns_ends_no_message() -> None:
    loop = f"{RECEIVE}total += endless(m.kind)" + SEND
    assert Actor(loop).refused() == ["PDC107", "PDC103"]


# --- host variables ------------------------------------------------------------------------------


def test_a_value_without_a_type_becomes_a_host_variable() -> None:
    loop = RECEIVE + """
if m.kind % 2:
    seen[m.kind] = {m.kind: 1}
total += m.value
""" + SEND  # fmt: skip
    actor = Actor(loop, "total = 0.0\nseen = {0: {}}")
    assert actor.host_variables() == ("seen",)
    assert actor.broken() == ["seen[m.kind] = {m.kind: 1}"]
    (found,) = actor.lower().breaks
    assert found.message == (
        "the variable 'seen': containers inside containers have no compiled form"
    )
    actor.check(1, 2, 3, 4)


SETS = """
if m.kind == 7:
    total += 0.5
elif m.kind == 0:
    seen.clear()
elif m.kind == 1:
    seen.discard(2)
    HOST
else:
    seen.add(m.kind)
    total += len(seen)
"""


def test_a_set_whose_order_may_show_stays_a_python_object() -> None:
    """What is the same in any order, in a statement that breaks as well, leaves it compiled."""
    prologue = "total = 0.0\nseen = {9}"
    for plain in ("print(type(2 in seen))", "if seen: print(type(m))",
                  "total += len(seen) + (lambda: 1)()",
                  "print(sorted(seen), type(seen.isdisjoint({3, m.kind})))"):  # fmt: skip
        actor = Actor(RECEIVE + SETS.replace("HOST", plain) + SEND, prologue)
        assert (actor.host_variables(), len(actor.broken())) == ((), 1), plain
        actor.check(3, 4, 1, 7, 0, 1, 2, 2, 1)
    for shown in ("print(seen)", "for n in seen: total += n", "kept = [*seen]",
                  "also = seen\n    for n in also: print(n)", "total += max(seen, key=str)"):
        actor = Actor(RECEIVE + SETS.replace("HOST", shown) + SEND, prologue)
        assert actor.host_variables() == ("seen",), shown
        actor.check(33, 65, 1, 7, 0, 1, 8, 16, 7, 1)


def test_every_statement_that_names_a_host_variable_breaks() -> None:
    loop = RECEIVE + """
if m.kind == 1:
    seen = None
elif m.kind == 3:
    if seen:
        total += 1
else:
    total += 2
""" + SEND  # fmt: skip
    prologue = "total = 0.0\nseen = {(1, 2): {3}}"
    assert Actor(loop, prologue).broken() == ["seen = None", "if seen:"]
    assert Actor(f"{RECEIVE}print(seen)", prologue).refused(seen={1: {3}}) == ["PDC108"]


def test_a_variable_whose_values_all_come_from_breaks_is_a_host_variable() -> None:
    loop = RECEIVE + """
if m.kind == 1:
    last = {m.kind}
elif m.kind == 2:
    total += len(last)
else:
    total += m.value
""" + SEND  # fmt: skip
    assert Actor(loop, "total = 0.0\nlast = None").host_variables() == ("last",)


def test_an_empty_list_that_only_breaks_fill_is_a_host_variable() -> None:
    loop = RECEIVE + """
if m.kind == 1:
    rows.append([m.kind, m.kind])
total += m.value
""" + SEND  # fmt: skip
    assert Actor(loop, "total = 0.0\nrows = []").host_variables() == ("rows",)


def test_a_string_made_in_the_loop_that_is_kept_is_a_host_variable() -> None:
    loop = RECEIVE + """
if m.kind == 1:
    print(text)
    text = f"{m.value:.3f}!"
total += m.value
""" + SEND  # fmt: skip
    actor = Actor(loop, 'total = 0.0\ntext = "none"')
    assert actor.host_variables() == ("text",)
    actor.check(1, 2, 1)


# --- what is said of them ------------------------------------------------------------------------


def test_explain_and_the_page_list_the_breaks() -> None:
    lowering = Actor(ONE_IN_THREE).lower()
    (found,) = lowering.breaks
    text = lowering.explain()
    assert "but for messages that come to 1 place." in text
    assert f"break[PDC021]: {found.message}\n" in text
    assert f"line {found.line}" in text
    assert f"hint: {found.hint}" in text
    assert "break[PDC021]" in lowering.html()


def test_the_ir_shows_them() -> None:
    lowering = Actor(ONE_IN_THREE).lower()
    assert "interpret: PDC021 set comprehension cannot be compiled" in lowering.ir
    assert lowering.kernel is not None
    nodes = [node for node in ir.walk(lowering.kernel.ir) if isinstance(node, ir.Interpret)]
    assert [node.problem for node in nodes] == list(lowering.breaks)
