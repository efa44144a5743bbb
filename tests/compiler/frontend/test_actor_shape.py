"""Receive loops: which are recognised, where they are cut, and what lives from turn to turn."""

# Actors stand here as their authors write them.
# ruff: noqa

from __future__ import annotations

import ast
import asyncio
import logging
from textwrap import dedent, indent
from typing import Any

import pytest
from tests.support.defining import define

from pydotcompute.compiler.frontend.actor_shape import ActorShape, find_shape
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, DiagnosticError
from pydotcompute.compiler.frontend.source import read_source

log = logging.getLogger("test")


class QueueTimeoutError(TimeoutError):
    """Known by its name and the package it says it is from."""

    __module__ = "pydotcompute.errors"


class OtherTimeout(TimeoutError):
    """Not what `receive` raises."""


def shape_of(text: str, parameters: str = "ctx") -> ActorShape:
    """The shape of an actor whose body is ``text``."""
    body = indent(dedent(text).strip(), "    ")
    names = {"asyncio": asyncio, "logging": logging, "log": log, "OtherTimeout": OtherTimeout,
             "QueueTimeoutError": QueueTimeoutError}  # fmt: skip
    actor = define(f"async def actor({parameters}):\n{body}\n", "actor", **names)
    return find_shape(read_source(actor))


def problems(text: str, parameters: str = "ctx") -> list[Diagnostic]:
    with pytest.raises(DiagnosticError) as caught:
        shape_of(text, parameters)
    return list(caught.value.diagnostics)


def problem(text: str, parameters: str = "ctx") -> Diagnostic:
    (found,) = problems(text, parameters)
    return found


def under(found: Diagnostic) -> str:
    """The text above the carets."""
    end = found.end_column - 1 if found.line == found.end_line else None
    return found.text[0][found.column - 1 : end]


# --- the seed page -------------------------------------------------------------------------------


async def my_actor(ctx):
    while not ctx.should_terminate:
        msg = await ctx.receive()
        result = process(msg)
        await ctx.send(result)


async def doubler(ctx):
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            request = await ctx.receive(timeout=0.1)
            response = Response(result=request.value * 2)
            await ctx.send(response)
        except:
            continue


async def high_throughput_actor(ctx):
    """Actor for high-volume streaming data."""
    while not ctx.should_terminate:
        try:
            msg = await ctx.receive(timeout=0.01)
            await ctx.send(process(msg))
        except:
            continue


async def resilient_actor(ctx):
    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            request = await ctx.receive(timeout=0.1)

            try:
                result = risky_operation(request)
                await ctx.send(SuccessResponse(data=result))
            except ValueError as e:
                await ctx.send(ErrorResponse(error=str(e)))
            except Exception as e:
                await ctx.send(ErrorResponse(error="Internal error"))

        except asyncio.TimeoutError:
            continue


async def counter_actor(ctx):
    """Actor that maintains state across messages."""
    count = 0

    while not ctx.should_terminate:
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            msg = await ctx.receive(timeout=0.1)

            if msg.action == "increment":
                count += 1
            elif msg.action == "decrement":
                count -= 1
            elif msg.action == "reset":
                count = 0

            await ctx.send(CountResponse(count=count))
        except:
            continue


async def template_actor(ctx):
    # Optional: One-time initialization
    print(f"[{ctx.kernel_id}] Starting...")

    while not ctx.should_terminate:
        # Handle deactivation
        if not ctx.is_active:
            await ctx.wait_active()
            continue

        try:
            # Receive with timeout for responsive shutdown
            msg = await ctx.receive(timeout=0.1)

            # Process message
            result = process(msg)

            # Send response
            await ctx.send(result)

        except asyncio.TimeoutError:
            # No message - loop back to check termination
            continue
        except Exception as e:
            # Log error but don't crash
            print(f"Error: {e}")
            continue

    # Optional: Cleanup
    print(f"[{ctx.kernel_id}] Terminated")


@pytest.mark.parametrize(
    ("actor", "before", "after", "state"),
    [
        (my_actor, 0, 0, ()),
        (doubler, 0, 0, ()),
        (high_throughput_actor, 0, 0, ()),
        (resilient_actor, 0, 0, ()),
        (counter_actor, 1, 0, ("count",)),
        (template_actor, 1, 1, ()),
    ],
)
def test_the_seed_page(actor: Any, before: int, after: int, state: tuple[str, ...]) -> None:
    shape = find_shape(read_source(actor))
    assert shape.ctx == "ctx"
    assert (len(shape.prologue), len(shape.epilogue)) == (before, after)
    assert (shape.state_names, shape.loop_only_state) == (state, ())
    assert shape.silent_timeout
    assert shape.receives == (shape.receive,)
    assert ast.unparse(shape.receive).startswith("await ctx.receive(")


# --- other forms of the loop ---------------------------------------------------------------------

FORMS = [
    "while True:\n    msg = await ctx.receive()",
    "while 1:\n    msg: object = await ctx.receive(0.5)",
    "n = 0\nwhile not ctx.should_terminate and n < 3:\n    msg = await ctx.receive()\n    n += 1",
    "while True:\n    match await ctx.receive():\n        case 1:\n            await ctx.send(1)",
    "while True:\n    await ctx.send(f(await ctx.receive()) + 1)",
    "while True:\n    await ctx.receive()",
    "while (msg := await ctx.receive()) is not None:\n    await ctx.send(msg)",
    "while True:\n    if (msg := await ctx.receive(timeout=1)).ok:\n        await ctx.send(msg)",
    "while True:\n    await ctx.wait_active()\n    a, b = (await ctx.receive()).pair",
    "while True:\n    try:\n        try:\n            msg = await ctx.receive(timeout=1)\n"
    "        except ValueError:\n            pass\n    except TimeoutError:\n        pass",
    "while True:\n    try:\n        msg = await ctx.receive(timeout=1)\n"
    "    except TimeoutError:\n        await ctx.send(0)\n    else:\n        await ctx.send(msg)",
    "while True:\n    x = (await ctx.receive()) if ctx.is_active else (await ctx.receive(timeout=1))",
]


@pytest.mark.parametrize("text", FORMS)
def test_forms_of_the_loop(text: str) -> None:
    shape = shape_of(text)
    assert isinstance(shape.loop, ast.While)
    assert shape.epilogue == ()


def test_exclusive_branches_may_each_receive() -> None:
    shape = shape_of(
        """
        waiting = True
        while True:
            if waiting:
                try:
                    first = await ctx.receive(timeout=1)
                except TimeoutError:
                    continue
                waiting = False
            else:
                second = await ctx.receive()
                await ctx.send(first + second)
                waiting = True
        """
    )
    assert len(shape.receives) == 2
    assert shape.state_names == ("waiting", "first")
    assert shape.loop_only_state == ("first",)
    assert shape.silent_timeout


def test_a_receive_behind_an_if_that_ends_the_turn() -> None:
    shape = shape_of(
        """
        n = 0
        while True:
            if n > 3:
                await ctx.send(n)
                n = 0
                continue
            n += await ctx.receive()
        """
    )
    assert shape.state_names == ("n",)


def test_the_docstring_is_no_part_of_the_prologue() -> None:
    shape = shape_of('"""Doc."""\n"not a docstring"\nwhile True:\n    await ctx.receive()')
    assert len(shape.prologue) == 1


def test_else_is_the_head_of_the_epilogue() -> None:
    shape = shape_of("n = 0\nwhile n < 2:\n    n += await ctx.receive()\nelse:\n    f(n)\ng()")
    assert [ast.unparse(node) for node in shape.epilogue] == ["f(n)", "g()"]


# --- state ---------------------------------------------------------------------------------------

LOOP = "while True:\n    msg = await ctx.receive()\n"

STATE = [
    # body, state_names, loop_only_state
    ("a = b = 0\nwhile True:\n    await ctx.send(a + await ctx.receive())", "a", ""),
    ("a = 0\nwhile True:\n    a = await ctx.receive()\n    await ctx.send(a)", "", ""),
    ("a, (b, *c) = 1, (2, 3)\n" + LOOP + "    await ctx.send((c, b, a, msg))", "a b c", ""),
    # read at a later turn before being bound
    (LOOP + "    if msg:\n        last = msg\n    await ctx.send(last)", "last", "last"),
    (LOOP + "    if msg:\n        x = 1\n    else:\n        x = 2\n    await ctx.send(x)", "", ""),
    (LOOP + "    if msg:\n        x = 1\n    else:\n        continue\n    f(x)", "", ""),
    (LOOP + "    if msg:\n        x = 1\n    else:\n        raise E\n    f(x)", "", ""),
    (LOOP + "    if msg:\n        x = 1\n    else:\n        return\n    f(x)", "", ""),
    # the epilogue
    (LOOP + "    last = msg\nawait ctx.send(last)", "last", "last"),
    (LOOP + "    last = msg\n    break\nawait ctx.send(last)", "last", "last"),
    ("n = 0\n" + LOOP + "    n = msg\nprint(n)", "n", ""),
    (LOOP + "    x = msg\nx = 1\nprint(x)", "", ""),
    (LOOP + "try:\n    x = f()\nexcept E:\n    g(x)", "", ""),
    (LOOP + "    x = msg\nif f():\n    x = 1\ng(x)", "x", "x"),
    # loops
    (LOOP + "    for i in range(3):\n        x = i\n    f(x, i)", "x i", "x i"),
    (LOOP + "    for i in range(3):\n        f(i)", "", ""),
    (LOOP + "    while msg:\n        msg -= 1\n        y = msg\n    else:\n        y = 0\n    f(y)", "", ""),
    (LOOP + "    while f():\n        if g():\n            y = 1\n            break\n    else:\n        y = 0\n    f(y)", "", ""),
    (LOOP + "    while True:\n        y = f()\n        if y:\n            break\n    f(y)", "", ""),
    (LOOP + "    for i in msg:\n        for j in i:\n            k = j\n    else:\n        k = 0\n    f(k)", "", ""),
    # try
    (LOOP + "    try:\n        x = f()\n    except E:\n        x = 0\n    g(x)", "", ""),
    (LOOP + "    try:\n        x = f()\n    except E:\n        pass\n    g(x)", "x", "x"),
    (LOOP + "    try:\n        x = f()\n    except E:\n        g(x)", "x", "x"),
    (LOOP + "    try:\n        x, y = f()\n    except E:\n        g(x)", "x", "x"),
    (LOOP + "    try:\n        f()\n        x = 1\n    finally:\n        g(x)", "x", "x"),
    (LOOP + "    try:\n        f()\n    finally:\n        x = 1\n    g(x)", "", ""),
    (LOOP + "    try:\n        f()\n    except E as e:\n        g(e)", "", ""),
    (LOOP + "    try:\n        f()\n    except E as e:\n        pass\n    g(e)", "e", "e"),
    (LOOP + "    try:\n        x = 1\n        f()\n    except E:\n        g(x)", "", ""),
    (LOOP + "    try:\n        return\n    finally:\n        g(x)\n    x = 1", "x", "x"),
    # receive raises nothing but a time-out
    ("while True:\n    try:\n        m = await ctx.receive(timeout=1)\n        f(m)\n"
     "    except asyncio.TimeoutError:\n        continue\n    except Exception:\n        g(m)", "", ""),
    ("while True:\n    try:\n        m = await ctx.receive(timeout=1)\n        f(m)\n"
     "    except Exception:\n        g(m)", "m", "m"),
    ("while True:\n    try:\n        m = await ctx.receive(timeout=t())\n        f(m)\n"
     "    except asyncio.TimeoutError:\n        continue\n    except Exception:\n        g(m)", "m", "m"),
    ("while True:\n    try:\n        m = await ctx.receive(timeout=1)\n"
     "    except asyncio.TimeoutError:\n        m = None\n    g(m)", "", ""),
    ("while True:\n    try:\n        m = await ctx.receive(timeout=1)\n"
     "    except asyncio.TimeoutError:\n        pass\n    g(m)", "m", "m"),
    ("while True:\n    try:\n        if not ctx.is_active:\n            await ctx.wait_active()\n"
     "            continue\n        m = await ctx.receive(timeout=1)\n        f(m)\n"
     "    except asyncio.TimeoutError:\n        continue\n    except Exception:\n        g(m)", "", ""),
    # expressions
    (LOOP + "    if msg and (y := f()):\n        g(y)", "", ""),
    (LOOP + "    if msg or (y := f()):\n        g(y)", "y", "y"),
    (LOOP + "    if not (msg or (y := f())):\n        g(y)", "", ""),
    (LOOP + "    z = y if msg and (y := f()) else 0", "", ""),
    (LOOP + "    while msg and (y := f()):\n        g(y)\n    else:\n        h(y)", "y", "y"),
    (LOOP + "    ok = msg and (y := f())\n    g(y)", "y", "y"),
    (LOOP + "    z = (y := msg) + y", "", ""),
    (LOOP + "    z = y + (y := msg)", "y", "y"),
    (LOOP + "    z = (y := 1) if msg else (y := 2)\n    f(y)", "", ""),
    (LOOP + "    z = 0 < (y := msg) < (w := 3)\n    f(y, w)", "w", "w"),
    (LOOP + "    x = [k for k in msg if k]\n    y = {a: b for a, b in x}\n    f(y)", "", ""),
    (LOOP + "    x = [(q := k) for k in msg]\n    f(q)", "q", "q"),
    (LOOP + "    x = [w for k in msg for w in k if v]\n    v = 1", "v", "v"),
    (LOOP + "    x = [[j for j in i] for i in msg]\n    j = i = 1", "", ""),
    (LOOP + "    x = sum(i for i in i)\n    i = msg", "i", "i"),
    (LOOP + "    f = lambda a, b=c: a + b + d\n    a = b = c = d = 1", "c d", "c d"),
    # other binding forms
    (LOOP + "    n += msg", "n", "n"),
    ("xs = [0]\n" + LOOP + "    xs[0] += msg", "xs", ""),
    (LOOP + "    xs[i], i = 1, msg\n    xs = [0]", "i xs", "i xs"),
    (LOOP + "    i, ys[i] = 1, msg\n    ys = [0]", "ys", "ys"),
    (LOOP + "    a, (b, *c) = msg\n    f(a, b, c)", "", ""),
    (LOOP + "    x: int\n    f(x)\n    x = 1", "x", "x"),
    (LOOP + "    x: int = msg\n    f(x)", "", ""),
    (LOOP + "    del x\n    x = msg", "x", "x"),
    (LOOP + "    with f() as x:\n        g(x)", "", ""),
    (LOOP + "    with f() as x:\n        y = f()\n    g(y)", "y", "y"),
    (LOOP + "    import math\n    math.sin(1)", "", ""),
    (LOOP + "    match msg:\n        case [a, *b]:\n            f(a, b)\n"
     "        case {'k': c, **d} | C(x=(c, d)):\n            f(c, d)", "", ""),
    (LOOP + "    match msg:\n        case int() as n if n:\n            pass\n    f(n)", "n", "n"),
    (LOOP + "    match msg:\n        case 1:\n            n = 1\n        case _:\n            n = 2\n    f(n)", "", ""),
    (LOOP + "    match msg:\n        case 1:\n            n = 1\n        case k if k:\n            n = 2\n    f(n)", "n", "n"),
    (LOOP + "    assert (x := msg), y\n    y = 1\n    f(x)", "y", "y"),
    # names that are no locals
    (LOOP + "    f(msg, g, len)", "", ""),
    ("global total\ntotal = 0\n" + LOOP + "    total += msg", "", ""),
    # the condition of the loop
    ("n = 0\nwhile n < 3:\n    n = await ctx.receive()", "n", ""),
    ("while ctx.is_active or x:\n    x = await ctx.receive()", "x", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "state", "loop_only"), STATE)
def test_state_is_what_a_later_turn_or_the_epilogue_may_read(
    text: str, state: str, loop_only: str
) -> None:
    shape = shape_of(text)
    assert set(shape.state_names) == set(state.split())
    assert set(shape.loop_only_state) == set(loop_only.split())


def test_state_is_in_the_order_of_first_binding() -> None:
    shape = shape_of(
        "b = 1\na = c = 2\n" + LOOP + "    f(a, b, c, d, p, q)\n    d = 1", "ctx, q=1, *, p=2"
    )
    assert shape.state_names == ("q", "p", "b", "a", "c", "d")
    assert shape.loop_only_state == ("d",)


def test_names_that_no_later_turn_reads_are_no_state() -> None:
    shape = shape_of("last = None\nn = k = 0\n" + LOOP + "    last = msg\n    n += 1")
    assert shape.state_names == ("n",)


# --- silent time-outs ----------------------------------------------------------------------------


def loop(handlers: str, before: str = "", after: str = "", test: str = "True") -> str:
    parts = [
        f"n = 0\nwhile {test}:\n",
        indent(before, "    "),
        "    try:\n        m = await ctx.receive(timeout=0.1)\n        n += m\n",
        indent(handlers, "    "),
        indent(after, "    "),
    ]
    return "".join(part if part.endswith("\n") or not part else f"{part}\n" for part in parts)


SILENT = [
    loop("except:\n    continue"),
    loop("except asyncio.TimeoutError:\n    pass"),
    loop("except (KeyError, TimeoutError):\n    ...\n    continue"),
    loop("except Exception as e:\n    continue"),
    loop("except QueueTimeoutError:\n    continue"),
    loop("except ValueError:\n    f()\nexcept OSError:\n    pass\nexcept Exception:\n    f()"),
    loop("except TimeoutError:\n    pass", after="pass"),
    loop("except TimeoutError:\n    continue", after="await ctx.send(n)"),
    loop("except TimeoutError:\n    pass\nelse:\n    await ctx.send(n)"),
    loop("except TimeoutError:\n    pass", test="not ctx.should_terminate and 0 <= n < 9"),
    loop("except TimeoutError:\n    pass", before="if ctx.should_terminate:\n    break"),
    loop("except TimeoutError:\n    pass", before="await ctx.wait_active()"),
    loop("except TimeoutError:\n    pass", before="scratch = None"),
    loop("except TimeoutError:\n    pass", before="n = 0"),
    loop("except TimeoutError:\n    pass", before="if n > 3:\n    n = 0\n    continue").replace(
        "    n = 0\n", "    pass\n"
    ),
    loop("except TimeoutError:\n    pass", before="m = None", after="if m is not None:\n    f(m)"),
    loop("except TimeoutError:\n    m = None", after="if m is None:\n    continue\nf(m)"),
    loop("except TimeoutError:\n    late = True", before="late = False",
         after="if not late:\n    await ctx.send(n)"),
    "while True:\n    m = await ctx.receive()",
    "while True:\n    m = await ctx.receive(timeout=None)\n    f(m)",
    "while True:\n    try:\n        try:\n            m = await ctx.receive(timeout=1)\n"
    "        except ValueError:\n            f()\n    except TimeoutError:\n        pass",
    "while True:\n    try:\n        match await ctx.receive(timeout=1):\n"
    "            case 1:\n                f()\n    except TimeoutError:\n        pass",
]

NOTICED = [
    loop("except TimeoutError:\n    await ctx.send(0)"),
    loop("except TimeoutError:\n    n = 0"),
    loop("except TimeoutError:\n    print('idle')"),
    loop("except TimeoutError:\n    m = None", after="if m is None:\n    f()"),
    loop("except TimeoutError:\n    m = None", after="if m:\n    continue\nf(m)"),
    loop("except TimeoutError:\n    pass", after="if m is None:\n    continue\nf(m)"),
    loop("except TimeoutError:\n    m = None", after="await ctx.send(m)"),
    loop("except TimeoutError:\n    m = f()", after="if m is None:\n    continue\nf(m)"),
    loop("except TimeoutError:\n    pass", before="m = None\nif ctx.is_active:\n    m = 1",
         after="if m is not None:\n    f(m)"),
    loop("except TimeoutError:\n    m = None\n    n = None", after="if n is None:\n    continue"),
    loop("except TimeoutError:\n    break"),
    loop("except TimeoutError:\n    return"),
    loop("except TimeoutError:\n    raise"),
    loop("except TimeoutError:\n    pass", after="n += 1"),
    loop("except TimeoutError:\n    pass", before="n += 1"),
    loop("except TimeoutError:\n    pass", before="n = 0") + "f(n)",
    loop("except TimeoutError:\n    pass", before="if n > 3:\n    n = 0"),
    loop("except TimeoutError:\n    pass", before="f()"),
    loop("except TimeoutError:\n    pass", test="f()"),
    loop("except TimeoutError:\n    pass", test="n.ready"),
    loop("except TimeoutError:\n    pass", test="(k := n)"),
    loop("except TimeoutError:\n    pass\nfinally:\n    f()"),
    loop("except ValueError:\n    pass"),
    loop("except OtherTimeout:\n    pass"),
    loop("except unknown.TimeoutError:\n    pass\nexcept:\n    f()"),
    loop("except unknown.TimeoutError:\n    pass"),
    "errors = ValueError\n" + loop("except errors:\n    f()\nexcept:\n    pass"),
    loop("except TimeoutError:\n    pass").replace("timeout=0.1", "timeout=f()"),
    "while True:\n    m = await ctx.receive(timeout=1)",
    "while True:\n    try:\n        f(await ctx.receive(timeout=1))\n    except:\n        pass",
    "while True:\n    with f():\n        m = await ctx.receive(timeout=1)",
    "while True:\n    try:\n        try:\n            m = await ctx.receive(timeout=1)\n"
    "        finally:\n            f()\n    except TimeoutError:\n        pass",
    "while True:\n    try:\n        f()\n    except:\n        m = await ctx.receive(timeout=1)",
    "while await ctx.receive(timeout=1):\n    pass",
]


@pytest.mark.parametrize("text", SILENT)
def test_silent_timeouts(text: str) -> None:
    assert shape_of(text).silent_timeout


@pytest.mark.parametrize("text", NOTICED)
def test_timeouts_that_may_be_noticed(text: str) -> None:
    assert not shape_of(text).silent_timeout


# --- what is refused -----------------------------------------------------------------------------

HINT_LOOP = "write `while not ctx.should_terminate:` with `await ctx.receive()` in it"
ONE_MESSAGE = "one turn of the actor's loop handles one message"

REFUSED = [
    ("pass", "PDC011", "async def actor", "`actor` has no receive loop", HINT_LOOP),
    ("while True:\n    m = await asyncio.wait_for(ctx.receive(), 1)", "PDC011", "ctx.receive()",
     "`receive` is given to something else that awaits it",
     "write `await ctx.receive(timeout=...)`, which raises TimeoutError"),
    ("m = await ctx.receive()", "PDC011", "await ctx.receive()",
     "`actor` has no receive loop: it receives only once", HINT_LOOP),
    ("for i in range(3):\n    m = await ctx.receive()", "PDC011", "for i in range(3)",
     "the receive loop is a `for`; it must be a `while`", HINT_LOOP),
    ("while True:\n    while f():\n        m = await ctx.receive()", "PDC012",
     "await ctx.receive()", "`receive` inside an inner loop",
     "collect in a variable that lives before the actor's loop, one message in each turn"),
    ("while True:\n    xs = [await ctx.receive() for _ in range(3)]", "PDC012",
     "await ctx.receive()", "`receive` inside an inner loop",
     "collect in a variable that lives before the actor's loop, one message in each turn"),
    ("first = await ctx.receive()\nwhile True:\n    m = await ctx.receive(0)", "PDC013",
     "await ctx.receive()", "`receive` outside the receive loop",
     "receive in the loop, and let a variable say whether the message is the first"),
    ("while True:\n    m = await ctx.receive(0)\nm = await ctx.receive()", "PDC013",
     "await ctx.receive()", "`receive` outside the receive loop",
     "receive in the loop, and let a variable say whether the message is the first"),
    ("while True:\n    a = await ctx.receive(0)\n    b = await ctx.receive()", "PDC014",
     "await ctx.receive()", "a second `receive` in one turn",
     "let a variable say what the next message is for, and receive at one place"),
    ("while True:\n    try:\n        a = await ctx.receive(0)\n    except TimeoutError:\n"
     "        a = await ctx.receive()", "PDC014", "await ctx.receive()",
     "a second `receive` in one turn",
     "let a variable say what the next message is for, and receive at one place"),
    ("while True:\n    if f():\n        a = await ctx.receive(0)\n    f(await ctx.receive())",
     "PDC014", "await ctx.receive()", "a second `receive` in one turn",
     "let a variable say what the next message is for, and receive at one place"),
    ("while True:\n    await ctx.send(1)\n    a = await ctx.receive()", "PDC015",
     "await ctx.send(1)", "`send` before `receive` in a turn",
     "do it after `receive`, or before the loop"),
    ("while True:\n    print('waiting')\n    a = await ctx.receive()", "PDC015",
     "print('waiting')", "`print` before `receive` in a turn",
     "do it after `receive`, or before the loop"),
    ("while True:\n    log.info('waiting')\n    a = await ctx.receive()", "PDC015",
     "log.info('waiting')", "logging before `receive` in a turn",
     "do it after `receive`, or before the loop"),
    ("mine = logging.getLogger()\nwhile True:\n    mine.debug('x')\n    a = await ctx.receive()",
     "PDC015", "mine.debug('x')", "logging before `receive` in a turn",
     "do it after `receive`, or before the loop"),
    ("while True:\n    for x in f():\n        print(x)\n    a = await ctx.receive()", "PDC015",
     "print(x)", "`print` before `receive` in a turn", "do it after `receive`, or before the loop"),
    ("while True:\n    a = await ctx.receive()\n    if a:\n        break\n"
     "while True:\n    f(await ctx.receive())", "PDC016", "await ctx.receive()",
     "a second receive loop", "use one loop, and a variable that says what to do next"),
    ("try:\n    while True:\n        await ctx.receive()\nfinally:\n    f()", "PDC017", "while True",
     "the receive loop stands inside `try`",
     "put the loop at the top level of the function, and what must happen at the end after it"),
    ("async with f():\n    while g(1):\n        await ctx.receive()", "PDC017", "while g(1)",
     "the receive loop stands inside `async with`",
     "put the loop at the top level of the function, and what must happen at the end after it"),
    ("n = 0\ndef bump():\n    nonlocal n\n    n += 1\nwhile True:\n    bump()\n    await ctx.receive()",
     "PDC018", "def bump", "`bump` shares the variable `n` with the loop",
     "pass `n` as an argument and return the new value"),
    ("n = 0\ng = lambda: n\nwhile True:\n    n += g()\n    await ctx.receive()", "PDC018",
     "lambda: n", "a `lambda` shares the variable `n` with the loop",
     "pass `n` as an argument and return the new value"),
    ("while True:\n    ctx = await ctx.receive()", "PDC019", "ctx",
     "`ctx` is the context and must stay so", "choose another name"),
    ("while f():\n    if await ctx.receive():\n        break\nelse:\n    g()", "PDC026", "break",
     "`break` in a receive loop that has an `else`",
     "drop the `else`, and test a variable after the loop"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "where", "message", "hint"), REFUSED)
def test_what_is_refused(text: str, code: str, where: str, message: str, hint: str) -> None:
    found = problem(text)
    assert (found.code, under(found), found.message, found.hint) == (code, where, message, hint)


def test_harmless_relatives_of_what_is_refused() -> None:
    shape_of("k = 2\ndef f(x):\n    return x * k\nwhile True:\n    f(await ctx.receive())")
    shape_of("while f():\n    for i in range(await ctx.receive()):\n        break\nelse:\n    g()")
    shape_of(
        "while True:\n    a = await ctx.receive()\n    while a:\n        print(a)\n        a -= 1"
    )
    shape_of("while True:\n    a = await ctx.receive()\n    a.log(1)\n    await ctx.send(a)")
    shape_of("def print(x): pass\nwhile True:\n    print(1)\n    a = await ctx.receive()")
    shape_of("while True:\n    await ctx.send(await ctx.receive())")


def test_several_problems_in_one_go() -> None:
    found = problems(
        """
        first = await ctx.receive()
        while True:
            print("waiting")
            a = await ctx.receive()
            b = await ctx.receive()
        """
    )
    assert [(d.code, d.line) for d in found] == [("PDC013", 2), ("PDC015", 4), ("PDC014", 6)]


def test_a_diagnostic_as_it_is_shown() -> None:
    found = problem("while True:\n    while f():\n        m = await ctx.receive()")
    assert str(found) == dedent(
        f"""\
        error[PDC012]: `receive` inside an inner loop
          File "{found.file}", line 4
          |
        4 |             m = await ctx.receive()
          |                 ^^^^^^^^^^^^^^^^^^^
          = note: one turn of the actor's loop handles one message
          = hint: collect in a variable that lives before the actor's loop, one message in each turn"""
    )


SIGNATURES = [
    ("", "an actor is called with one argument, the context; `actor` takes none"),
    ("ctx, other", "an actor is called with one argument, the context; `actor` takes 2"),
    ("ctx, *, other", "an actor is called with one argument, the context; `actor` takes 2"),
    ("*args", "an actor is called with one argument, the context; `actor` takes none"),
]


@pytest.mark.parametrize(("parameters", "message"), SIGNATURES)
def test_signatures(parameters: str, message: str) -> None:
    found = problem("while True:\n    await ctx.receive()", parameters)
    assert (found.code, found.message) == ("PDC010", message)
    assert found.hint == "write `async def actor(ctx):`"
    assert under(found) == "async def actor"


def test_defaults_and_any_name_of_the_context() -> None:
    text = "while True:\n    await self.receive()"
    assert shape_of(text, "self, a=1, *b, c=2, **d").ctx == "self"
    assert shape_of(text, "self, /, a=1").ctx == "self"


def test_a_plain_def_and_a_generator() -> None:
    with pytest.raises(DiagnosticError) as caught:
        find_shape(read_source(define("def actor(ctx):\n    pass\n", "actor")))
    (found,) = caught.value.diagnostics
    assert found.message == "`actor` is a plain `def`; an actor is an `async def`"
    found = problem("while True:\n    yield await ctx.receive()")
    assert found.message == "`yield` makes `actor` a generator; an actor is a coroutine"
    assert found.hint == "send with `await ctx.send(...)`"
