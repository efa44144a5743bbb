"""One actor's side of the journal: what it was sent, and which of its outputs were received.

Input: messages on their way into its queue, time-outs, receives.  Output: groups of the journal,
and ``position``, the number of the output that the next receive returns.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pydotcompute.accel.storage import extension
from pydotcompute.durability.groups import FRESH, REQUEST, Kind
from pydotcompute.durability.journal import Journal, Past
from pydotcompute.durability.journaled_messages import MessageFormat, describe_types
from pydotcompute.errors import DurabilityError
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.journaling import Origin
from pydotcompute.support import notices


class Queue(Protocol):
    """What is asked of an output queue here."""

    def get(self, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Take the oldest message."""
        ...

    def put_back(self, messages: Any) -> None:
        """Undo a ``get``."""
        ...


class ActorLog:
    """The journal of one actor.

    Args:
        journal: of the runtime.
        past: what it holds of the actor.
        messages: how the actor's inputs are written.

    Attributes:
        position: the number of the output that the next receive returns.
        last: the number of the first output that belongs to the actor's end, and so has none; None
            before the end.
        origin: what the journals of others call a message of this actor.
    """

    def __init__(self, journal: Journal, past: Past, messages: MessageFormat) -> None:
        self.journal, self.past, self.format = journal, past, messages
        self._index, self._place = past.index, past.index + 1
        self.origin = Origin(past.index + 1)
        self._runs = past.fresh
        self.position = self.acknowledged = journal.positions.get(self._place)
        self.last: int | None = None

    # --- what it is sent -------------------------------------------------------------------

    def message(self, message: Any, origin: Origin) -> None:
        """Write one message; see ``InputJournal``."""
        payload, cls, flags, strings = self.format.one(message)
        if origin.request:
            flags |= REQUEST
        self.journal.append(
            self._index, Kind.MESSAGES, payload, flags, cls, origin.source, 1, strings
        )

    def attach(self, port: HostProducer) -> None:
        """Let the extension write the messages that it puts into a ring, where it can."""
        plain = len(self.format.classes) == 1 and self.format.is_plain
        if extension is not None and plain and not self.journal.power:
            port.tape, port.tape_actor = self.journal.writer, self._index

    def batch(self, accepted: Any, origin: Origin) -> int:
        """Write a batch; see ``InputJournal``."""
        payloads = self.format.batch(accepted)
        flags = REQUEST if origin.request else 0
        return self.journal.append_batch(self._index, payloads, flags, origin.source)

    def cut(self, entry: int, kept: int) -> None:
        """Take back a part of a batch; see ``InputJournal``."""
        self.journal.cut(self._index, entry, kept)

    def timed_out(self) -> bool:
        """A ``receive`` of the actor has timed out: whether it may be told, now that it is
        written."""
        try:
            self.journal.append(self._index, Kind.TIMEOUT)
        except DurabilityError:
            return False  # it waits on: a time-out that no replay knows must not happen
        return True

    def begun(self, content: bytes) -> None:
        """The actor's prologue is over.

        Raises:
            DurabilityError: it cannot be written.
        """
        self.journal.append(self._index, Kind.BEGINNING, content, count=self._runs)

    def restarted(self, *, fresh: bool) -> None:
        """The actor is about to be restarted.

        Raises:
            DurabilityError: it cannot be written.
        """
        self.journal.append(self._index, Kind.RESTART, flags=FRESH if fresh else 0)
        self._runs += fresh

    @property
    def numbered(self) -> int:
        """``position``, without the outputs of the actor's end."""
        return self.position if self.last is None else min(self.position, self.last)

    # --- what is received of it ------------------------------------------------------------

    def acknowledge(self) -> None:
        """A receive begins: what earlier ones returned need not be given again."""
        position = self.numbered
        if position != self.acknowledged:
            self.acknowledged = position
            self.journal.positions.set(self._place, position)

    async def receive(self, outbox: Queue, timeout: float | None) -> Any:
        """``receive`` of a client; raises as ``Channel.get`` does."""
        self.acknowledge()
        message = await outbox.get(timeout)
        self.position += 1
        if self.journal.power:
            try:
                await self.journal.synced()
            except BaseException:
                self.position -= 1
                outbox.put_back([message])
                raise
        return message

    async def received(self, batch: Any, undo: Callable[[Any], object]) -> None:
        """A client is about to be given a batch of outputs.

        Args:
            batch: what it gets.
            undo: puts it back, and takes it off the position.
        """
        self.position += len(batch)
        if self.journal.power:
            try:
                await self.journal.synced()
            except BaseException:
                undo(batch)
                raise


def log_of(
    journal: Journal, kernel_id: str, inputs: tuple[type, ...], outputs: tuple[type, ...],
    *, headed: bool, code: str = "",
) -> ActorLog:  # fmt: skip
    """The journal of an actor that is launched.

    Args:
        journal: of the runtime.
        kernel_id: the actor's id.
        inputs, outputs: its message classes.
        headed: it copies headers of its messages.
        code: stands for the text of the actor; the user is warned if it was another before.

    Raises:
        DurabilityError: the journal knows another actor under this id, or cannot be written.
    """
    definition = {"inputs": describe_types(inputs), "outputs": describe_types(outputs)}
    past = journal.actor(kernel_id, {**definition, "code": code})
    for which in ("inputs", "outputs"):
        old, new = past.definition.get(which), definition[which]
        if old != new:
            raise DurabilityError(
                f"{journal.folder} has the journal of another actor {kernel_id!r}: its {which} "
                f"were {_said(old)}, and are now {_said(new)}"
            )
    before = past.definition.get("code", code)
    if past.inputs and before != code:
        notices.warn(
            f"the code of kernel {kernel_id!r} is not what it was when {journal.folder} was begun: "
            f"its {past.inputs} messages are handled again by the code of today, and what comes of "
            "them may differ from what clients have seen", UserWarning,
        )  # fmt: skip
    return ActorLog(journal, past, MessageFormat(kernel_id, inputs, headed=headed))


def _said(described: Any) -> str:
    """Described classes in words."""
    said = []
    for each in described or ():
        if "message" in each:
            fields = ", ".join(f"{name}: {kind}" for name, kind, _ in each["fields"])
            said.append(f"{each['message']}({fields})")
        else:
            said.append(f"{each['enum']}({', '.join(each['members'])})")
    return " | ".join(said) or "none"
