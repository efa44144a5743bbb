"""One actor run three ways on the same messages, and held against each other exactly.

Input: a decorated actor and a stream of messages (``TIMEOUT`` among them: an empty queue that lets
a ``receive(timeout=...)`` raise).  Output: nothing, or ``Disagreement``.

- ``Interpreter`` drives the actor's own coroutine with a hand-made context.  It is the measure.
- ``compiler.evaluate`` runs the IR.
- ``rings.Library`` calls ``pdc_burst`` of the compiled library over rings, in bursts of any
  length, with queues of any size.

What is compared after each message: outputs (to the last bit, and in type), printed and logged
text, the state, how the actor ended, the class of an exception.  Compiled code that fails or
deoptimises hands the message over; it is then set to the interpreter's state after it and goes on,
so that one overflow does not end a stream.
"""

from __future__ import annotations

import copy
import random
import struct
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pydotcompute.actors.decorator import RingKernelFunction
from pydotcompute.actors.lowering import lower_actor
from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.compiler.abi import Event, Status
from pydotcompute.compiler.frontend.actor_shape import ActorShape, find_shape
from pydotcompute.compiler.frontend.source import read_source
from pydotcompute.compiler.host.coroutine import CoroutineParts, split
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.interpreter import evaluate
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.types.message_schema import is_message
from pydotcompute.errors import ActorExit, LoweringError, QueueTimeoutError
from pydotcompute.messages.codec import copier_of
from pydotcompute.testing import same
from tests.support.captured import Captured
from tests.support.rings import Library, Resident


class Timeout:
    """The class of ``TIMEOUT`` and ``END``."""

    def __repr__(self) -> str:
        return "END" if self is END else "TIMEOUT"


TIMEOUT: Final = Timeout()
"""In a stream: the queue is empty for long enough."""

END: Final = Timeout()
"""After a stream: a last time-out, and then the end of the actor."""

Item = Any
"""A message, or ``TIMEOUT``; ``END`` at the end."""


class Disagreement(AssertionError):
    """Two ways of running an actor gave different results."""


@dataclass
class Step:
    """What the interpreter made of one item of the stream.

    Args:
        item: the item.
        before: the actor's variables before it.
        outputs: what it sent.
        after: its variables afterwards; those before it if an exception left the loop.
        error: the exception that left the loop.
        ended: the actor is over; ``outputs`` has what its epilogue sent as well.
    """

    item: Item
    before: dict[str, Any]
    outputs: list[Any] = field(default_factory=list)
    after: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    ended: bool = False
    printed: str = ""
    """What it printed and logged."""
    deoptimises: bool = False
    """The IR has no value for it."""


def kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """Variables as they are now: what may change is copied, names of one object stay so."""
    held = {
        n: v for n, v in state.items()
        if isinstance(v, (list, deque, dict, set, np.ndarray)) or is_message(type(v))
    }  # fmt: skip
    return {**state, **copy.deepcopy(held)}


# --- the coroutine -------------------------------------------------------------------------------


class _Park:
    """What a context awaits when it has no message."""

    def __await__(self) -> Any:
        return (yield self)


class _Context:
    """The context of an interpreted actor."""

    kernel_id = "differential"
    is_active = True

    def __init__(self, owner: Interpreter) -> None:
        self._owner = owner

    @property
    def should_terminate(self) -> bool:
        self._owner.look(at_test=True)
        return self._owner.terminating

    async def wait_active(self) -> None:
        return None

    async def receive(self, timeout: float | None = None) -> Any:
        owner = self._owner
        owner.look(at_test=False)
        if owner.terminating:
            raise ActorExit
        item = await _Park()
        while item is TIMEOUT and timeout is None:
            item = await _Park()
        if item is END:
            owner.terminating = True
            if timeout is None:
                raise ActorExit
        if item is TIMEOUT or item is END:
            raise QueueTimeoutError("the queue is empty")
        return item

    async def send(self, message: Any) -> None:
        self._owner.sent.append(copier_of(type(message))(message))


class Interpreter:
    """Drives an actor's coroutine, item by item.

    Args:
        subject: the actor.
        state: its variables before the loop.
    """

    def __init__(self, subject: Subject, state: Mapping[str, Any]) -> None:
        self.subject = subject
        self.terminating = False
        self.sent: list[Any] = []
        self.state = kept(state)
        self._seen: dict[str, Any] = {}
        self._has_test = False
        self.coroutine: Coroutine[Any, Any, Any] | None = None

    def look(self, *, at_test: bool) -> None:
        """Notes the actor's variables: where the loop has a condition, there."""
        if at_test or not self._has_test:
            frame: Any = self.coroutine.cr_frame  # type: ignore[union-attr]
            ctx = self.subject.shape.ctx
            self._has_test = at_test
            self._seen = kept({n: v for n, v in frame.f_locals.items() if n != ctx})

    def step(self, item: Item) -> Step:
        """Lets the actor handle one item."""
        step = Step(item, dict(self.state))
        self.sent = step.outputs
        captured = Captured()
        try:
            with captured:
                self._send(item)
        except StopIteration:
            step.ended = True
        except Exception as error:
            step.error = error
            step.after = dict(self.state)
            self.coroutine = None
            return step
        finally:
            step.printed = captured.text
        self.state = dict(self._seen)
        step.after = dict(self.state)
        return step

    def _send(self, item: Item) -> None:
        if self.coroutine is None:
            self.coroutine = self.subject.parts.resume(_Context(self), kept(self.state))
            self.coroutine.send(None)
        # An actor may change the message that it receives.
        self.coroutine.send(item if isinstance(item, Timeout) else copy.deepcopy(item))


def interpret(subject: Subject, items: Sequence[Item], *, terminate: bool = False) -> list[Step]:
    """What the coroutine makes of a stream.

    Args:
        subject: the actor.
        items: the stream.
        terminate: ask the actor to end after it.
    """
    interpreter = Interpreter(subject, subject.state)
    steps: list[Step] = []
    for item in items:
        steps.append(interpreter.step(item))
        if steps[-1].ended or any(map(_is_huge, steps[-1].after.values())):
            return steps
    if terminate:
        steps.append(interpreter.step(END))
    return steps


def _is_huge(value: Any) -> bool:
    """An int that doubles its digits with each message: compiled code has given up long ago, and
    the interpreter would never come to an end."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    return any(type(item) is int and item.bit_length() > 1000 for item in items)


def epilogue(
    subject: Subject, state: Mapping[str, Any]
) -> tuple[list[Any], str, Exception | None]:
    """What the epilogue sends and prints, from a state, and the exception that leaves it."""
    interpreter = Interpreter(subject, state)
    coroutine = subject.parts.epilogue(_Context(interpreter), kept(state))
    captured = Captured()
    try:
        with captured:
            coroutine.send(None)
    except StopIteration:
        return interpreter.sent, captured.text, None
    except Exception as error:
        return interpreter.sent, captured.text, error
    raise AssertionError("an epilogue that waits")


def _run_prologue(parts: CoroutineParts) -> dict[str, Any]:
    coroutine = parts.prologue(None)
    try:
        coroutine.send(None)
    except StopIteration as end:
        bound: dict[str, Any] = end.value
        return bound
    raise AssertionError("a prologue that waits")


# --- the actor -----------------------------------------------------------------------------------


class Subject:
    """An actor under test: its coroutine, its IR, its library.

    Args:
        actor: the decorated function.

    Raises:
        LoweringError: it cannot be compiled.
    """

    def __init__(self, actor: RingKernelFunction) -> None:
        self.actor = actor
        source = read_source(actor.function)
        self.shape: ActorShape = find_shape(source)
        self.parts = split(source, self.shape, (ActorExit,))
        self.state = _run_prologue(self.parts)
        known = {n: v for n, v in self.state.items() if n in self.shape.state_names}
        self.lowering = lower_actor(actor.spec, state=known)
        if self.lowering.kernel is None:
            found = self.lowering.diagnostics
            text = "\n".join(f"line {d.line}: {d.code} {d.message}" for d in found)
            raise LoweringError(f"{actor.kernel_id}:\n{text}", found)
        self.kernel: KernelSource = self.lowering.kernel
        self.names = tuple(name for name, _ in self.kernel.state.variables)
        self.has_try = any(isinstance(node, ir.Try) for node in ir.walk(self.kernel.ir))

    def compiled_state(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """The variables that compiled code keeps; None if it cannot hold one of them."""
        kept = {name: state[name] for name in self.names if name in state}
        record = bytearray(self.kernel.state_dtype.itemsize)
        try:
            self.kernel.pack_state(kept, memoryview(record))
        except (TypeError, ValueError, OverflowError, struct.error):
            return None
        return kept


@dataclass
class Tally:
    """How often compiled code did what."""

    handled: int = 0
    failed: int = 0
    deoptimised: int = 0

    def add(self, other: Tally) -> None:
        """Adds up."""
        self.handled += other.handled
        self.failed += other.failed
        self.deoptimised += other.deoptimised


# --- the IR --------------------------------------------------------------------------------------


def check_evaluator(subject: Subject, steps: Sequence[Step]) -> Tally:
    """Holds the IR's meaning against the coroutine, item by item."""
    tally = Tally()
    for number, step in enumerate(steps):
        state = subject.compiled_state(step.before)
        if state is None:
            continue
        last, empty = step.item is END, isinstance(step.item, Timeout)
        outcome = evaluate(
            subject.kernel.ir, state, [] if empty else [step.item], timeout_at_end=empty,
            terminating=last, queue_timeout=QueueTimeoutError,
        )  # fmt: skip
        where = f"evaluator, item {number} ({step.item})"
        most = subject.kernel.max_sends
        if most is not None and len(outcome.outputs) > most:
            raise Disagreement(f"{where}: sent {outcome.outputs}, and {most} is the most")
        if outcome.status == "deoptimise":
            tally.deoptimised += 1
            step.deoptimises = True
        elif outcome.status == "failed":
            tally.failed += 1
            _same_error(where, step, type(outcome.error))
        else:
            tally.handled += 1
            if last and outcome.status == "idle":
                outcome.status = "left"
            printed = _printed(subject, outcome.printed)
            if outcome.status == "left":
                _same_end(where, subject, step, outcome.outputs, printed, outcome.state)
            else:
                _same_step(where, subject, step, outcome.outputs, outcome.state,
                           ended=outcome.status == "returned")  # fmt: skip
                _same_text(where, printed, step.printed)
    return tally


def _same_error(where: str, step: Step, cls: type[BaseException]) -> None:
    if type(step.error) is not cls:
        raise Disagreement(f"{where}: raised {cls.__name__}, and Python {step.error!r}")


def _same_step(where: str, subject: Subject, step: Step, outputs: Sequence[Any],
               state: Mapping[str, Any], *, ended: bool) -> None:  # fmt: skip
    if step.error is not None:
        raise Disagreement(f"{where}: went on, and Python raised {step.error!r}")
    if ended != step.ended:
        raise Disagreement(f"{where}: ended is {ended}, and of Python {step.ended}")
    if not same(list(outputs), step.outputs):
        raise Disagreement(f"{where}: sent {outputs}, and Python {step.outputs}")
    if not ended:
        _same_state(where, subject, state, step.after)


def _printed(subject: Subject, calls: Sequence[tuple[int, tuple[Any, ...]]]) -> str:
    """What comes of the calls of ``print`` and ``logging`` that the IR makes."""
    with Captured() as captured:
        for site, values in calls:
            subject.kernel.ir.prints[site].call(values)
    return captured.text


def _same_text(where: str, text: str, python: str) -> None:
    if text != python:
        raise Disagreement(f"{where}: printed {text!r}, and Python {python!r}")


def _same_end(where: str, subject: Subject, step: Step, outputs: Sequence[Any], printed: str,
              state: Mapping[str, Any]) -> None:  # fmt: skip
    """The loop is left: then the epilogue runs, from the compiled code's state."""
    sent, text, error = epilogue(subject, {**step.before, **state})
    _same_text(where, printed + text, step.printed)
    if type(error) is not type(step.error) or (error is None and not step.ended):
        raise Disagreement(f"{where}: left, epilogue {error!r}, and Python {step.error!r}")
    if not same([*outputs, *sent], step.outputs):
        raise Disagreement(f"{where}: sent {[*outputs, *sent]}, and Python {step.outputs}")


def _as_sent(value: Any) -> Any:
    """A message's fields as sending would convert them: compiled code holds 0 in a float field as
    0.0, and refuses to compile where that would show."""
    try:
        return copier_of(type(value))(value) if is_message(type(value)) else value
    except (TypeError, ValueError):
        return value


def _same_state(where: str, subject: Subject, state: Mapping[str, Any],
                python: Mapping[str, Any]) -> None:  # fmt: skip
    kept = {name: _as_sent(python[name]) for name in subject.names if name in python}
    if state.keys() != kept.keys() or not all(same(_as_sent(state[n]), kept[n]) for n in kept):
        raise Disagreement(f"{where}: has the state {state}, and Python {kept}")


# --- the library ---------------------------------------------------------------------------------


def check_native(subject: Subject, steps: Sequence[Step], chance: random.Random) -> Tally:
    """Holds the compiled actor against the coroutine, in bursts of random length."""
    library = Library(subject.kernel, subject.lowering.native_library(), chance)
    return _check(subject, steps, library, chance)


def check_resident(subject: Subject, steps: Sequence[Step], chance: random.Random) -> Tally:
    """Holds the resident kernel against the coroutine, on the host."""
    path = Emulator().compile(subject.lowering.source, subject.lowering.kernel_id)
    return _check(subject, steps, Resident(subject.kernel, path, chance), chance)


def _check(subject: Subject, steps: Sequence[Step], library: Library,
           chance: random.Random) -> Tally:  # fmt: skip
    run = _NativeRun(subject, list(steps), library, chance)
    while run.next < len(steps):
        run.advance()
    return run.tally


class _NativeRun:
    """A stream through the library: which items are in its queue, and what it should have done."""

    def __init__(self, subject: Subject, steps: list[Step], library: Library,
                 chance: random.Random) -> None:  # fmt: skip
        self.subject, self.steps, self.chance = subject, steps, chance
        self.library = library
        self.next = 0
        self.tally = Tally()
        self.loaded = False
        self.expected: list[Any] = []
        self.text = ""

    def _load(self) -> bool:
        """Starts from the interpreter's state, if compiled code can hold it."""
        state = self.subject.compiled_state(self.steps[self.next].before)
        if state is None:
            self.next += 1
            return False
        self.library.load(state)
        self.loaded = True
        return True

    def advance(self) -> None:
        """A burst over a few items, and what came of it."""
        if not self.loaded and not self._load():
            return
        library, first = self.library, self.next
        if isinstance(self.steps[first].item, Timeout):
            self._timeout()
            return
        room = int(library.input.port["bound"])
        last = first
        while last < len(self.steps) and last - first < room:
            if isinstance(self.steps[last].item, Timeout):
                break
            library.input.put(self.steps[last].item)
            last += 1
        while library.input.depth and self.loaded:
            before = library.input.depth
            status = library.burst(self.chance.choice([1, 2, 3, 2**40]))
            self._note(status, before - library.input.depth)
        for _ in range(library.input.depth):
            library.input.port["tail"] += np.uint64(1)

    def _timeout(self) -> None:
        library, step = self.library, self.steps[self.next]
        last = step.item is END
        library.actor["terminating"] = last
        library.actor["event"] = Event.TIMEOUT
        status = library.burst(2**40)
        library.actor["event"] = Event.NONE
        if last and status is Status.IDLE:
            status = Status.LEFT
        self._note(status, 1 if status in (Status.IDLE, Status.LEFT, Status.RETURNED) else 0)
        library.actor["terminating"] = 0

    def _note(self, status: Status, handled: int) -> None:
        """Compares what a burst did with what the coroutine did."""
        steps = self.steps[self.next : self.next + handled]
        where = f"native, items {self.next} to {self.next + handled - 1}"
        self.next += handled
        self.tally.handled += handled
        if status in (Status.LEFT, Status.RETURNED):
            self._end(where, status, steps)
            return
        for step in steps:
            if step.error is not None or step.ended:
                raise Disagreement(f"{where}: {status!r}, and Python ended, {step.error!r}")
            self.expected += step.outputs
            self.text += step.printed
        self._outputs(where)
        if steps:
            _same_state(where, self.subject, self.library.variables(), steps[-1].after)
        if status in (Status.FAILED, Status.DEOPTIMISE):
            self._replay(status)

    def _outputs(self, where: str) -> None:
        self.library.drain_all()
        got, self.library.received = self.library.received, []
        if not same(got, self.expected):
            raise Disagreement(f"{where}: sent {got}, and Python {self.expected}")
        _same_text(where, self.library.take_printed(), self.text)
        self.expected, self.text = [], ""

    def _end(self, where: str, status: Status, steps: Sequence[Step]) -> None:
        """The last of ``steps`` ended the loop; the others did not."""
        for step in steps[:-1]:
            if step.error is not None or step.ended:
                raise Disagreement(f"{where}: went on where Python ended, {step.error!r}")
            self.expected += step.outputs
            self.text += step.printed
        self.library.drain_all()
        if not steps:
            raise Disagreement(f"{where}: {status!r}, and Python went on")
        sent, text = len(self.expected), len(self.text)
        got, printed = self.library.received, self.library.take_printed()
        self.library.received, self.library.printed = got[:sent], printed[:text]
        self._outputs(where)
        step, state = steps[-1], self.library.variables()
        if status is Status.LEFT:
            _same_end(where, self.subject, step, got[sent:], printed[text:], state)
        else:
            _same_step(where, self.subject, step, got[sent:], state, ended=True)
            _same_text(where, printed[text:], step.printed)
        self.loaded = False
        self.next = len(self.steps)

    def _replay(self, status: Status) -> None:
        """Compiled code gave a message back: it must have been right to."""
        step, code = self.steps[self.next], int(self.library.actor["code"])
        where = f"native, item {self.next} ({step.item})"
        if status is Status.FAILED:
            self.tally.failed += 1
            _same_error(where, step, self.subject.kernel.codes[code])
        else:
            self.tally.deoptimised += 1
            if not step.deoptimises and step.error is None and not self.subject.has_try:
                raise Disagreement(f"{where}: deoptimised with code {code}, and the IR does not")
        self.next += 1
        self.loaded = False


def compare(subject: Subject, items: Sequence[Item], seed: int = 0, *,
            terminate: bool = False) -> Tally:  # fmt: skip
    """Runs a stream three ways.

    Args:
        subject: the actor.
        items: messages and ``TIMEOUT``.
        seed: for the sizes of queues and bursts.
        terminate: ask the actor to end after the last item.

    Returns:
        What the library did.

    Raises:
        Disagreement: the results differ.
    """
    copies = [i if i is TIMEOUT else copier_of(type(i))(i) for i in items]
    steps = interpret(subject, copies, terminate=terminate)
    check_evaluator(subject, steps)
    return check_native(subject, steps, random.Random(seed))
