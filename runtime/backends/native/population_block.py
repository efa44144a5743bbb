"""The memory of a compiled population: one actor's, with an instance's state in place of its own.

Input: the population's program and two rings.  Output: ``PopulationBlock``.  The instance in hand
is the one whose message compiled code came to last; its state is the actor's state then, so breaks
and failures see it as that of any actor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydotcompute.backends.compiled.actor_words import POPULATION, STATE
from pydotcompute.backends.native.block import NativeBlock
from pydotcompute.backends.native.instances import AWAKE, MOST, NONE, RESERVED, Instances
from pydotcompute.backends.program import NativeProgram
from pydotcompute.queues.port_words import HEAD, MASK, SLOTS, TAIL
from pydotcompute.queues.ring import Ring


class PopulationBlock(NativeBlock):
    """A population's memory.

    Args:
        program: the compiled population.
        source, target: as for ``NativeBlock``.
        most: how many instances there may be; None: as many as there is memory for.

    Attributes:
        instances: their records.
        template: a state that new instances begin with.
    """

    def __init__(
        self, program: NativeProgram, source: Ring, target: Ring, most: int | None
    ) -> None:
        assert program.key is not None
        # The string table looks through ``words`` from the moment the memory is known to it.
        self.instances = Instances(
            program.library, program.key, program.state_size,
            MOST if most is None else min(most, MOST),
        )  # fmt: skip
        super().__init__(program, source, target)
        self.template = self.state
        self.q8[POPULATION] = self.instances.address

    def take_in_hand(self, number: int) -> None:
        """Make an instance's state the actor's; ``NONE``: the template."""
        self.instances.current = number
        if number == NONE:
            self.state, self.q8[STATE] = self.template, self._state.address
        else:
            self.state = self.instances.state(number)
            self.q8[STATE] = self.instances.state_address(number)

    def in_hand(self) -> int:
        """The number of the instance whose state is the actor's now, or ``NONE``."""
        number = self.instances.current
        self.take_in_hand(number)
        return number

    @property
    def awake(self) -> bool:
        """Whether the instance in hand has not been seen to wait for its next message."""
        return bool(self.instances.q8[AWAKE])

    def rest(self) -> None:
        """The instance in hand waits for its next message."""
        self.instances.q8[AWAKE] = 0

    def new_keys(self) -> list[tuple[int, ...]]:
        """The words of the keys of waiting messages that have no instance, in their order."""
        words = self.waiting_keys()
        numbers, flags = self.instances.find_all(words).tolist(), self.instances.flags
        new = (
            tuple(words[row].tolist()) for row, number in enumerate(numbers)
            if number == NONE or flags(number) & RESERVED
        )  # fmt: skip
        return list(dict.fromkeys(new))

    def waiting_keys(self) -> np.ndarray[Any, Any]:
        """The words of the keys of all messages in the ring, a row for each."""
        ring, slot = self.input.ring, self.program.input_slot
        port, found = ring.port, []
        first, last = port[TAIL], port[HEAD]
        if ring.drop_oldest:
            first = max(first, last - ring.bound)
        while first != last:
            at = first & port[MASK]
            count = min(last - first, port[MASK] + 1 - at)
            found.append(self.instances.keys_at(port[SLOTS] + at * slot.itemsize, count))
            first += count
        if not found:
            return np.empty((0, self.instances.key.words), np.uint64)
        return np.concatenate(found)

    def begin_waiting(self) -> int:
        """Give the template's state to the instances of the next messages that have none.

        Returns:
            How many instances that were.
        """
        port = self.input.port
        waiting = port[HEAD] - port[TAIL]
        return self.instances.begin_waiting(self.address, waiting, self.template)

    def words(self) -> list[np.ndarray[Any, Any]] | None:
        """As of ``Block``; keys and states of all instances as well."""
        own = super().words()
        if own is None or not self.program.holds_strings:
            return own
        return [*own, self.instances.words()]

    def values_of(self, number: int) -> dict[str, Any]:
        """The variables of an instance."""
        return self.program.unpack_state(self.instances.state(number))


