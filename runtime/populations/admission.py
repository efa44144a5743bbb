"""Which messages a population takes: the checks of each send, before anything is queued.

Input: keys of messages.  Output: nothing, or the error of the ``send``: the instance has failed or
ended, or there may be no more instances.

Engines write ``begun`` and ``refused``.  A key counts from the moment its first message passes
here; keys whose messages have left the queue otherwise (dropped, cancelled) are found when there
seems to be no room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from pydotcompute.errors import CapacityError
from pydotcompute.messages.slots import Values
from pydotcompute.populations.spec import PopulationSpec, check_classes
from pydotcompute.queues.port import ObjectPort


class Admission:
    """Decides whether messages of a key may be sent.

    Args:
        kernel_id: for error texts.
        spec: the population.
        queued: the keys of all messages that wait in the input queue or for room in it.

    Attributes:
        begun: the keys of the instances there are, failed and ended ones included.
        refused: what makes the error, for each key whose instance has failed or ended.
        reserved: further keys that count: their first message is queued.
    """

    def __init__(
        self, kernel_id: str, spec: PopulationSpec, queued: Callable[[], Iterable[Any]]
    ) -> None:
        self.kernel_id, self.spec, self._queued = kernel_id, spec, queued
        self.begun: Collection[Any] = ()
        self.refused: dict[Any, Callable[[], Exception]] = {}
        self.reserved: set[Any] = set()

    def admit(self, key: Any) -> None:
        """Let a message of this key be sent.

        Raises:
            ActorFailedError, KernelClosedError: its instance has failed, or has ended.
            CapacityError: it would need one more instance than there may be.
        """
        if self.refused and key in self.refused:
            raise self.refused[key]()
        if self.spec.instances is not None and key not in self.begun and key not in self.reserved:
            self._reserve([key])

    def admit_all(self, keys: Iterable[Any]) -> None:
        """Let a batch with these keys be sent: all of it, or an error as of ``admit``."""
        keys = dict.fromkeys(keys)
        if self.refused:
            for key in keys:
                if key in self.refused:
                    raise self.refused[key]()
        if self.spec.instances is not None:
            begun, reserved = self.begun, self.reserved
            new = [key for key in keys if key not in begun and key not in reserved]
            if new:
                self._reserve(new)

    def has_begun(self, key: Any) -> None:
        """The instance of this key is there."""
        self.reserved.discard(key)

    def was_freed(self, key: Any) -> None:
        """The instance of this key is gone; messages of the key may wait for a new one."""
        self.refused.pop(key, None)
        if self.spec.instances is not None and key in set(self._queued()):
            self.reserved.add(key)

    def _reserve(self, keys: Sequence[Any]) -> None:
        most = self.spec.instances
        assert most is not None
        begun = len(self.begun)
        if begun + len(keys) <= most < begun + len(self.reserved) + len(keys):
            waiting = {key for key in self._queued() if key not in self.begun}
            keys = [key for key in keys if key not in waiting]
            self.reserved = waiting
        left = most - begun - len(self.reserved)
        if len(keys) > left:
            raise self.no_room(keys[max(0, left)])
        self.reserved.update(keys)

    def no_room(self, key: Any) -> CapacityError:
        """The error for a message of a key for which there is no room."""
        return CapacityError(
            f"kernel {self.kernel_id!r} has {self.spec.instances} instances, which is all it may "
            f"have: there is no room for {self.spec.describe(key)}", key,
        )  # fmt: skip


class KeyedValues(Values):
    """The checks of a population's input queue: those of its messages, then those of their keys.

    Args:
        kernel_id, classes: as for ``Values``.
        admission: decides about keys.
    """

    __slots__ = ("_admission", "_key_of")

    def __init__(self, kernel_id: str, classes: Sequence[type], admission: Admission) -> None:
        super().__init__(kernel_id, classes, "takes")
        self._admission, self._key_of = admission, admission.spec.key_of

    def accept(self, message: Any) -> Any:
        """Check a message and copy it; raises as ``Values.accept`` and ``Admission.admit``."""
        accepted = super().accept(message)
        self._admission.admit(self._key_of(accepted))
        return accepted

    def accept_batch(self, batch: Any) -> list[Any]:
        """Check a whole batch: all of it, or an error; returns checked copies."""
        accepted = super().accept_batch(batch)
        if not isinstance(accepted, list):
            accepted = self.messages(accepted, 0, len(accepted))
        self._admission.admit_all(map(self._key_of, accepted))
        return accepted

    def _learn(self, message: Any) -> Callable[[Any], Any]:
        copier = super()._learn(message)
        if type(message) not in self.classes:
            try:
                classes = (*self.classes, *self._copiers)
                check_classes(self.kernel_id, self._admission.spec, classes)
            except Exception:
                del self._copiers[type(message)]
                raise
        return copier


class KeyedPort(ObjectPort):
    """The input of a population.

    Attributes:
        aside: messages that have been taken out for an instance that is at work, and wait.
    """

    __slots__ = ("aside",)

    def __init__(self, bound: int, values: Values, *, drop_oldest: bool, head: int) -> None:
        super().__init__(bound, values, drop_oldest=drop_oldest, head=head)
        self.aside = 0

    def depth(self) -> int:
        """Messages that wait."""
        return len(self.items) + self.aside

    def takes_records(self, cls: type) -> bool:
        """No: each message is checked for its key."""
        return False
