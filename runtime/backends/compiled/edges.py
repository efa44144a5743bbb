"""The outputs of a compiled actor with edges: how far it may run, and where they go.

Input: the room at the targets before a burst, and the records in the output ring after it.  Output:
a number of turns, and every record in a target's queue or in the actor's own.

Compiled code cannot wait, or be refused a message, in the middle of a turn and go on as the
coroutine would.  So a turn is run only where all that it may send has room; until then the actor
waits in the line of the target (``routes.Seat``), with its message still in its own queue.  What
the coroutine would be raised (a target that has ended, REJECT beside other targets) the
interpreter raises: the actor moves there before that message.  One full REJECT queue alone is what
compiled code knows: its ring is shown that queue's room.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from pydotcompute.backends.base import Host
from pydotcompute.backends.compiled import actor_words as words
from pydotcompute.backends.compiled.block import Block
from pydotcompute.compiler.abi import Policy
from pydotcompute.messages.slots import RecordSlots
from pydotcompute.queues.backpressure import BackpressureStrategy
from pydotcompute.queues.channel import ROOM, SPECIAL, Channel
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.link import MANY, Link
from pydotcompute.queues.port_words import HEAD, TAIL
from pydotcompute.queues.routes import Routes, carried_on

_REJECT = BackpressureStrategy.REJECT
Destination: TypeAlias = Link | Channel
"""Where outputs go: along an edge, or to the actor's own output queue."""


class Engine(Protocol):
    """What is asked of the engine here."""

    host: Host
    block: Any
    outport: HostConsumer

    def come(self) -> None:
        """It is the actor's turn in the line of a queue."""
        ...

    def own_room(self) -> None:
        """A client took a message from the actor's own output queue."""
        ...

    def leave_compiled(self, reason: str) -> None:
        """Let the interpreter carry on."""
        ...


class Edges:
    """The outputs of one actor.

    Args:
        engine: runs it.
        routes: its edges.
    """

    def __init__(self, engine: Engine, routes: Routes) -> None:
        self._engine, self.routes = engine, routes
        self._block: Block = engine.block
        self._ring = self._block.output.ring
        self._need = self._block.program.max_sends
        self._asking = False
        self._destinations: tuple[Destination, ...] = ()
        self._only: Link | None = None
        self.refresh()

    def refresh(self) -> None:
        """Edges were opened or closed."""
        found: dict[Destination, None] = {}
        own = self._engine.host.outbox
        for cls in self._block.program.output_types:
            found.update(dict.fromkeys(self.routes.of(cls) or (own,)))
        self._destinations = tuple(found)
        only = self._destinations[0] if len(found) == 1 else None
        self._only = only if isinstance(only, Link) and only.policy is not _REJECT else None

    def end(self) -> None:
        """The actor has no edges any more: its ring is its output queue again."""
        self._ring.show_own()
        self._block.u4[words.RECORD_ORIGIN] = 0

    # --- before a burst --------------------------------------------------------------------

    def allowed(self, limit: int, *, worker: bool = False) -> int:
        """Before a burst: show the compiled code the room there is.

        Args:
            limit: how many messages it is meant to handle.
            worker: it runs while others may put messages too, and requests may come.

        Returns:
            How many it may handle; 0: it waits for room, or has left compiled code.
        """
        if self._asking or self.routes.backlog:
            return 0
        self._asking = True
        try:
            most = self._room_for(limit, worker)
        finally:
            self._asking = False
        if most:
            if worker:  # which may take long: what finds no room then waits in the backlog
                self.routes.leave_seat()
            self._block.u4[words.RECORD_ORIGIN] = worker or bool(self._engine.host.replies.pending)
        return most

    def _room_for(self, limit: int, worker: bool) -> int:
        need = self._need
        if need == 0:
            return limit
        if self._only is not None and need is not None:  # the usual case
            free: int = self._only.free()
            if free >= need:
                self._ring.show(min(free, self._ring.bound), Policy.BLOCK)
                most: int = free // need
                return min(limit, most)
        for link in self._links():
            error = link.error()
            if error is not None:
                self._leave(f"it sends to an actor that has ended ({error})")
                return 0
        rooms = self._rooms()
        refusing = [each for each in rooms if self._channel(each).policy is _REJECT]
        if any(need is None or rooms[each] < need for each in refusing):
            return self._refused(rooms, limit, worker)
        short = self._short(rooms)
        if isinstance(short, Link) and short.target.inbox.port.run_inline():
            rooms = self._rooms()
            short = self._short(rooms)
        if short is not None:
            self._wait(short)
            return 0
        least: int = min(rooms.values())
        self._ring.show(min(least, self._ring.bound), Policy.BLOCK)
        # what the last turn sends beyond that waits in the backlog
        return 1 if need is None or least < need else min(limit, least // need)

    def _refused(self, rooms: dict[Destination, int], limit: int, worker: bool) -> int:
        """A queue that refuses what finds no room may have too little for a turn."""
        need, ring = self._need, self._ring
        room: int = min(rooms.values())
        held: int = ring.mask if need is None else ring.bound + need
        if len(rooms) > 1 or (need is None and room > held):
            self._leave("it sends to a queue that is full and refuses messages")
            return 0
        ring.show(min(room, held), Policy.REJECT)
        if worker or need is None:
            return 1
        most: int = ring.bound // need
        return min(limit, max(1, most))

    def _leave(self, reason: str) -> None:
        self.routes.leave_seat()
        self._engine.leave_compiled(reason)

    def _short(self, rooms: dict[Destination, int]) -> Destination | None:
        """The first queue that has too little room for a turn; a small one is to be empty."""
        for each, room in rooms.items():
            if room < self._wanted(each):
                return each
        return None

    def _wanted(self, destination: Destination) -> int:
        return min(self._need or 1, self._channel(destination).size)

    def _wait(self, short: Destination) -> None:
        """Wait for room."""
        if isinstance(short, Link):
            self.routes.sit(short, self._wanted(short), self._engine.come)
        else:
            short.set_gate(get=ROOM)
            short.on_room = self._engine.own_room

    def _links(self) -> list[Link]:
        return [each for each in self._destinations if isinstance(each, Link)]

    def _channel(self, destination: Destination) -> Channel:
        return destination.target.inbox if isinstance(destination, Link) else destination

    def _rooms(self) -> dict[Destination, int]:
        """The room that there is for what a turn sends."""
        return {each: self._room(each) for each in self._destinations}

    def _room(self, destination: Destination) -> int:
        if isinstance(destination, Link):
            return destination.room(self.routes.seat)
        if self._ring.drop_oldest:
            return MANY
        bound: int = self._ring.bound
        return max(0, bound - len(self._engine.outport.overflow))

    # --- after a burst ---------------------------------------------------------------------

    def deliver(self) -> None:
        """Take every record out of the output ring, to where it goes."""
        port, first = self._engine.outport, self._engine.outport.tail
        end = self._block.output.written()
        if not self._engine.host.replies.pending and not self.routes.backlog:
            first += self._deliver_records(first, end - first)
            self._consume(first)
        while first < end and self._engine.block is self._block:
            message = port.slots.unpack(port.buffer, (first & port.mask) * port.size)
            self._consume(first + 1)  # no output is given out twice, whatever is raised
            self._deliver(self._ring.sources[first & port.mask], message)
            first += 1
        if not self.routes.backlog:
            self.routes.leave_seat()

    def _consume(self, end: int) -> None:
        """The records before this one are out of the ring."""
        port, counters = self._engine.outport, self._ring.port
        port.tail = port.cached_remote_cursor = end
        counters[HEAD] = max(counters[HEAD], end)
        counters[TAIL] = end

    def _deliver(self, source: int, message: Any) -> None:
        """Deliver a message, sent for the input of this ordinal."""
        replies, request = self._engine.host.replies, None
        if replies.pending and self._block.u4[words.RECORD_ORIGIN]:
            request = carried_on(replies, source, message)
            if request is None and replies.deliver(source, message):
                return
        if not self.routes.offer(message, request):
            self._engine.outport.put_last(message)

    def _deliver_records(self, first: int, count: int) -> int:
        """Copy records from ring to ring, as many as have room everywhere; returns how many."""
        port = self._engine.outport
        slots, cls = port.slots, port.slots.cls
        if not count or type(slots) is not RecordSlots or cls is None:
            return 0
        links = self.routes.of(cls)
        for link in links:
            inbox = link.target.inbox
            if link.error() is not None or inbox.port.put_slow_path & SPECIAL:
                return 0
            if not inbox.port.takes_records(cls):
                return 0
            count = min(count, link.room(self.routes.seat))
        if not links:
            return 0
        done = 0
        while done < count:
            at = (first + done) & port.mask
            piece = min(count - done, port.mask + 1 - at)
            records = port.buffer[at * port.size : (at + piece) * port.size]
            for link in links:
                link.put_records(slots, records, piece)
            done += piece
        return done
