"""Taking snapshots of actors: how they come to rest, and what is kept of each.

Input: launched actors.  Output: a ``Snapshot`` of the moment at which all of them were between two
messages.  Actors rest while their containers are walked through (``Shredder.column``); the bytes
are made on a worker thread, when they have gone on.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib import metadata
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydotcompute.compiler.types.missing import MISSING
from pydotcompute.durability.evolution import static_prologue
from pydotcompute.durability.exact import kind_of
from pydotcompute.durability.plain_values import NotPlainError
from pydotcompute.durability.shred import Shredder
from pydotcompute.durability.snapshot import Snapshot
from pydotcompute.errors import SnapshotError
from pydotcompute.kernels.lifecycle import check
from pydotcompute.queues.channel import Channel
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.port import ObjectPort

if TYPE_CHECKING:
    from pydotcompute.kernels.actor import Actor

PATIENCE = (0.02, 0.5)
"""Seconds that all actors get to come to rest before those that rest go on for a while, since
another may wait for them; and the longest, to which this doubles."""
COUNTERS = ("processed", "sent", "rejected", "errors", "timeouts", "fallbacks", "interpreted")
"""Attributes of ``Meter``."""


async def take(actors: Sequence[Actor]) -> Snapshot:
    """A snapshot of actors, all at one moment.

    Args:
        actors: of one runtime, and all that it is to be consistent with.

    Raises:
        KernelStateError: an actor has ended, or has failed.
        SnapshotError: an actor's variables are no plain data, or it cannot go on from them.
    """
    pool = actors[0].options.pool if actors else None
    kinds = {}
    for actor in actors:
        check("snapshot", actor.state, actor.kernel_id)
        if actor.engine is not None and actor.engine.runs_in(asyncio.current_task()):
            raise SnapshotError(
                f"kernel {actor.kernel_id!r} asks for a snapshot of itself, which would wait for "
                "the end of this very message; ask from outside, or in a task of its own"
            )
        kinds[actor] = await actor.options.pool.call(_kinds_of, actor)
    shredder = Shredder()
    async with at_rest(actors):
        for actor in actors:
            check("snapshot", actor.state, actor.kernel_id)
        kernels = [_describe(actor, shredder, kinds[actor]) for actor in actors]
        edges = [
            [link.source.kernel_id, link.target.kernel_id]
            for actor in actors for link in (actor.routes.links if actor.routes else ())
        ]  # fmt: skip
    description = {
        "format": "pydotcompute snapshot", "pydotcompute": metadata.version("pydotcompute"),
        "python": platform.python_version(), "kernels": kernels, "edges": edges,
    }  # fmt: skip
    content = shredder.write(description) if pool is None else (
        await pool.call(shredder.write, description)
    )  # fmt: skip
    return Snapshot(content)


def _kinds_of(actor: Actor) -> list[list[str]]:
    """The variables of an actor, and the types that its prologue gives them, if its text says."""
    known = static_prologue(actor.spec.function)
    return [[name, kind_of(known[name]) if name in known else ""]
            for name in actor.split.state_names]  # fmt: skip


# --- coming to rest --------------------------------------------------------------------------


@asynccontextmanager
async def at_rest(actors: Sequence[Actor]) -> AsyncIterator[None]:
    """All actors are between two messages inside of the block, which must not wait."""
    patience, longest = PATIENCE
    try:
        while not await _came_to_rest(actors, patience):
            # a message in hand may wait for an actor that rests (a request, room in a queue)
            for actor in actors:
                if actor.rests:
                    actor.go_on()
            await asyncio.sleep(0)
            await _first_rests([actor for actor in actors if not actor.rests], patience)
            patience = min(2 * patience, longest)
        yield
    finally:
        for actor in actors:
            actor.go_on()


async def _came_to_rest(actors: Sequence[Actor], patience: float) -> bool:
    """Ask all actors to rest; whether they all do, at this moment."""
    tasks = [asyncio.ensure_future(actor.rest()) for actor in actors]
    await _settled(tasks, patience, asyncio.ALL_COMPLETED)
    return all(actor.rests for actor in actors)


async def _first_rests(actors: Sequence[Actor], patience: float) -> None:
    tasks = [asyncio.ensure_future(actor.rest()) for actor in actors]
    await _settled(tasks, patience, asyncio.FIRST_COMPLETED)


async def _settled(tasks: Sequence[asyncio.Future[None]], patience: float, until: str) -> None:
    """Wait for tasks, at most for some seconds; raises what one of them raises."""
    try:
        done, _ = await asyncio.wait(tasks, timeout=patience, return_when=until) if tasks else (
            set(), set())  # fmt: skip
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


# --- what is kept ----------------------------------------------------------------------------


def _describe(actor: Actor, shredder: Shredder, kinds: list[list[str]]) -> dict[str, Any]:
    """One actor, as JSON with columns."""
    who = f"kernel {actor.kernel_id!r}"
    begun, instances = _instances(actor, shredder, who)
    numbered, written, unsent = actor.inputs_at_rest(), outputs_of(actor.outbox), actor.unsent()
    pending = actor.replies.pending
    return {
        "id": actor.kernel_id, "state": actor.state.name, "backend": actor.plan.backend,
        "begun": begun, "queue_size": actor.spec.queue_size,
        "backpressure": actor.spec.backpressure.name, "names": kinds,
        "types": {which: [shredder.class_number(cls) for cls in _messages(actor.types(which))]
                  for which in ("input", "output")},
        "counters": _counters(actor, len(numbered), len(written)),
        "position": 0 if actor.log is None else actor.log.position,
        "given_up": [n for n, (ordinal, _) in enumerate(numbered) if ordinal in pending],
        "instances": instances,
        "inputs": _column(shredder, [message for _, message in numbered],
                          f"a message in the input queue of {who}"),
        "outputs": _column(shredder, written, f"a message in the output queue of {who}"),
        "unsent": {
            "messages": _column(shredder, [each for each, _ in unsent], f"an output of {who}"),
            "targets": [targets for _, targets in unsent],
        },
    }  # fmt: skip


def _instances(actor: Actor, shredder: Shredder, who: str) -> tuple[bool, dict[str, Any]]:
    """Whether the loop has begun, and the variables: of one actor, or of each instance."""
    names = actor.split.state_names
    if actor.population is None:
        variables = actor.state_at_rest()
        held = {} if variables is None else variables
        columns = [
            [name, _column(shredder, [held[name]], f"the variable {name!r} of {who}")]
            for name in names if name in held
        ]  # fmt: skip
        return variables is not None, {"count": 1, "keys": None, "variables": columns}
    found = actor.instances_at_rest()
    keys = _column(shredder, [each.key for each in found], f"a key of {who}")
    columns = [
        [name, _column(shredder, [each.variables.get(name, MISSING) for each in found],
                       f"the variable {name!r} of an instance of {who}")]
        for name in names
    ]  # fmt: skip
    return True, {
        "count": len(found), "keys": keys, "key": list(actor.population.fields),
        "ended": [n for n, each in enumerate(found) if each.ended], "variables": columns,
    }  # fmt: skip


def _column(shredder: Shredder, values: Sequence[Any], what: str) -> Any:
    try:
        return shredder.column(values)
    except NotPlainError as error:
        raise SnapshotError(
            f"{what} is, or holds, {error}, which a snapshot cannot keep; it keeps numbers, "
            "strings, messages, enums, numpy arrays, and lists, dicts and sets of them"
        ) from None


def _messages(classes: Iterable[type]) -> list[type]:
    return [cls for cls in classes if hasattr(cls, "__dataclass_fields__")]


def outputs_of(channel: Channel) -> list[Any]:
    """The messages that an actor that rests has sent, oldest first, left where they are; those
    that find no room in the queue are among them."""
    port = channel.port
    if isinstance(port, HostConsumer):
        written = max([port.published(), *(each.written() for each in port.ring.workers)])
        first = max(port.tail, written - port.bound) if port.drop_oldest else port.tail
        return [*port.overflow, *port.read(first, written - first)]
    assert isinstance(port, ObjectPort)
    return list(port.items)


def _counters(actor: Actor, waiting: int, written: int) -> dict[str, Any]:
    """What has been counted, over all lives of the actor."""
    engine, meter = actor.engine, actor.meter
    if engine is not None:
        engine.settle()
    interprets = engine is not None and engine.interprets
    busy, idle = meter.shares(perf_counter(), interpreted=interprets)
    found: dict[str, Any] = {name: getattr(meter, name) for name in COUNTERS}
    found |= {"busy_seconds": busy, "idle_seconds": idle, "latencies": meter.latencies.counts()}
    for name, channel, depth in (
        ("input", actor.inbox, waiting), ("output", actor.outbox, written),
    ):  # fmt: skip
        port = channel.port
        head = port.head if name == "input" else port.tail + depth
        found[name] = {
            "head": head, "taken": head - depth,
            "dropped": port.dropped, "peak": port.peak, "rejected": channel.rejected,
            "timeouts": channel.timeouts,
        }  # fmt: skip
    return found
