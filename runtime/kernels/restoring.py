"""Beginning an actor's life with what a snapshot has kept of another.

Input: an actor that is about to be launched, and a ``Snapshot``.  Output: the actor with the
variables, queues and counters of the snapshot; it goes on when it is activated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydotcompute.backends.base import InstanceState
from pydotcompute.compiler.host.coroutine import RETURNED
from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.durability.assemble import Assembler
from pydotcompute.durability.evolution import (
    KnownClasses,
    needed_of_prologue,
    static_prologue,
    variables_of_today,
)
from pydotcompute.durability.plain_values import Node
from pydotcompute.durability.snapshot import KernelSnapshot, Snapshot
from pydotcompute.errors import MessageTypeError, MessageValueError, SnapshotError, given
from pydotcompute.kernels.snapshots import COUNTERS
from pydotcompute.messages.header import HEADER, Received
from pydotcompute.messages.slots import Values
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.port import ObjectPort
from pydotcompute.support import notices

if TYPE_CHECKING:
    from pydotcompute.kernels.actor import Actor


@dataclass
class _Held:
    """What a snapshot holds of an actor, as objects.

    Args:
        instances: the states of its instances; of one actor one, or none if its loop had not
            begun.
        inputs, outputs: the messages of its queues, oldest first.
        unsent: messages that wait for room at targets of edges, and the ids of those.
        types: the classes that it took.
        known: what the text of today's prologue says.
        told: sentences about what was dropped.
    """

    instances: list[InstanceState]
    inputs: list[Any]
    outputs: list[Any]
    unsent: list[tuple[Any, list[str]]]
    types: tuple[type, ...]
    known: dict[str, Any]
    told: list[str]


async def restore(actor: Actor, snapshot: Snapshot) -> None:
    """Give an actor what it had; before ``Actor.launch``.

    Raises:
        SnapshotError: the snapshot has no such actor, or does not fit its code of today.
    """
    if not isinstance(snapshot, Snapshot):
        raise TypeError(
            f"restore= takes a Snapshot, not {given(snapshot)}; for a file, Snapshot.load(path)"
        )
    kept = snapshot.find(actor.kernel_id)
    label = f"{snapshot.name}, kernel {kept.kernel_id!r},"
    _check_key(actor, kept, label)
    held = await actor.options.pool.call(_read, actor, snapshot, kept, label)
    held.instances = await _today(actor, kept, label, held)
    for sentence in dict.fromkeys(held.told):
        notices.warn(sentence, UserWarning)
    snapshot.file.checked(_fill, actor, kept.node, label, held)


def _check_key(actor: Actor, kept: KernelSnapshot, label: str) -> None:
    """Refuse what is of a population, for what is none, and the other way round."""
    before, now = kept.key, None if actor.population is None else actor.population.fields
    if before != now:
        was, wanted = (
            "one actor" if key is None else f"a population by {', '.join(key)}"
            for key in (before, now)
        )
        raise SnapshotError(f"{label} is {was}, and {wanted} is to be launched")
    most = None if actor.population is None else actor.population.instances
    if most is not None and kept.instances > most:
        raise SnapshotError(
            f"{label} has {kept.instances} instances, and there may be {most} today"
        )


def _read(actor: Actor, snapshot: Snapshot, kept: KernelSnapshot, label: str) -> _Held:
    """On a worker thread: make objects of the columns."""
    told: list[str] = []
    spec, node = actor.spec, kept.node
    classes = KnownClasses(
        label, spec.function, (*spec.input_types, *spec.output_types), told.append
    )
    assembler = Assembler(snapshot.file, classes)

    def read() -> _Held:
        messages = assembler.column(node["unsent"]["messages"])
        targets = [list(map(str, each)) for each in node["unsent"]["targets"]]
        described = snapshot.file.description["classes"]
        types: tuple[type, ...] = spec.input_types
        if not types:
            types = tuple(classes.find(described[n]) for n in node["types"]["input"])
        return _Held(
            _states(assembler, kept), assembler.column(node["inputs"]),
            assembler.column(node["outputs"]), list(zip(messages, targets, strict=True)), types,
            static_prologue(spec.function), told,
        )  # fmt: skip

    held: _Held = snapshot.file.checked(read)
    return held


def _states(assembler: Assembler, kept: KernelSnapshot) -> list[InstanceState]:
    if not kept.begun:
        return []
    node = kept.node["instances"]
    names = [name for name, _ in node["variables"]]
    columns = [assembler.column(column) for _, column in node["variables"]]
    keys: list[Any] = [None] if kept.key is None else assembler.column(node["keys"])
    ended = set() if kept.key is None else set(node["ended"])
    if any(len(column) != len(keys) for column in columns):
        raise ValueError("a variable has another number of values than there are instances")
    rows = zip(*columns, strict=True) if columns else [()] * len(keys)
    return [
        InstanceState(
            key,
            {name: v for name, v in zip(names, row, strict=True) if v is not MISSING},
            n in ended,
        )
        for n, (key, row) in enumerate(zip(keys, rows, strict=True))
    ]


async def _today(
    actor: Actor, kept: KernelSnapshot, label: str, held: _Held
) -> list[InstanceState]:
    """The states, for the code of today."""
    if held.instances and actor.split.parts is None:
        raise SnapshotError(
            f"{label} cannot go on: its code has no receive loop at its top level today"
        )
    before = {str(name): str(kind) for name, kind in kept.node["names"]}
    names, found = actor.split.state_names, []
    told = needed_of_prologue(before, names) <= held.known.keys()
    for state in held.instances:
        prologue = held.known
        if not told and not state.ended and actor.split.parts is not None:
            # its text does not tell them all: run it, unheard
            made = await actor.split.parts.prologue(_Unheard(actor.kernel_id, state.key))
            prologue = {} if made is RETURNED else made
        variables = variables_of_today(
            label, state.variables, before, names, prologue, held.told.append
        )
        found.append(replace(state, variables=variables))
    return found


class _Unheard:
    """The context of a prologue that runs for the values of new variables: what it sends was sent
    in its first life, or is not sent."""

    should_terminate, is_active = False, True

    def __init__(self, kernel_id: str, key: Any) -> None:
        self.kernel_id, self.key = kernel_id, key

    async def wait_active(self) -> None:
        """It is active."""

    async def send(self, message: Any) -> None:
        """Nothing is sent."""


# --- into the actor --------------------------------------------------------------------------


def _fill(actor: Actor, node: Node, label: str, held: _Held) -> None:
    if len(held.inputs) > actor.spec.queue_size:
        raise SnapshotError(
            f"{label} has {len(held.inputs)} messages in its input queue, and queue_size is "
            f"{actor.spec.queue_size} today"
        )
    for message in held.outputs:
        header = getattr(message, HEADER, None)
        if isinstance(header, Received):  # what is sent has a header of its own
            object.__setattr__(message, HEADER, header.header)
    if not actor.spec.input_types:
        actor.spec = replace(actor.spec, input_types=held.types)
    counters = node["counters"]
    _fill_queue(actor, "input", actor.inbox, held.inputs, counters["input"], label)
    _fill_queue(actor, "output", actor.outbox, held.outputs, counters["output"], label)
    actor.listen()
    meter = actor.meter
    for name in COUNTERS:
        setattr(meter, name, counters[name])
    meter.begin_with(counters["busy_seconds"], counters["idle_seconds"])
    meter.latencies.begin_with(counters["latencies"])
    first = actor.inbox.port.tail
    actor.replies.begin_with(first + int(n) for n in node["given_up"])
    actor.restored_unsent = held.unsent
    if actor.population is not None:
        actor.restored_instances = held.instances
        assert actor.admission is not None
        actor.admission.begun = {each.key for each in held.instances}
    elif held.instances:
        actor.restored = held.instances[0].variables


def _fill_queue(
    actor: Actor, which: str, channel: Channel, messages: Sequence[Any], counted: Node, label: str
) -> None:
    port = actor.object_port(which, counted["taken"] + len(messages))
    assert isinstance(port, ObjectPort)
    port.restore(messages)
    for cls in dict.fromkeys(map(type, messages)):
        example = next(message for message in messages if type(message) is cls)
        try:
            Values.accept(port.values, example)  # of a population, its key has been admitted
        except (MessageTypeError, MessageValueError) as error:
            raise SnapshotError(f"{label} does not fit the code of today: {error}") from None
    port.dropped, port.peak = counted["dropped"], counted["peak"]
    channel.replace_port(port)
    channel.rejected, channel.timeouts = counted["rejected"], counted["timeouts"]
