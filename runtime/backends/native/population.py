"""The ``native`` backend of a population: compiled code for messages of all keys, in one burst.

Input: the population's plan with its ``NativeProgram``.  Output: messages handled by compiled code,
in their order, whichever instances they are for.

Compiled code stops before a message that is the host's:

* of a key without an instance (``BEGIN``): the prologue is run, or its values are copied if they
  are the same for every key;
* of an instance *apart* (``OF_HOST``): one that has failed or ended, or whose variables have no
  compiled form.  Its messages wait, or are interpreted;
* that breaks: as for one actor.

What belongs here: how instances begin, break, fail and end.  What clients ask of single instances
is in ``members``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

from pydotcompute.backends.base import AT_LEISURE, Failure, Host
from pydotcompute.backends.compiled.breaks import INTERPRETING
from pydotcompute.backends.compiled.turn_engine import TurnEngine
from pydotcompute.backends.native.instances import BEGUN, BY_HOST, NONE, RESERVED
from pydotcompute.backends.native.population_block import PopulationBlock
from pydotcompute.backends.native.population_start import PopulationStart
from pydotcompute.backends.python.engine import STRETCH
from pydotcompute.compiler.abi import Status
from pydotcompute.compiler.host.coroutine import RETURNED
from pydotcompute.queues.port import ObjectPort
from pydotcompute.queues.port_words import CLAIMED, TAIL
from pydotcompute.support.worker_pool import Pool


class NativePopulation(PopulationStart):
    """Runs one compiled population.

    Args:
        host, pool: as for ``PopulationInstances``.
    """

    def __init__(self, host: Host, pool: Pool) -> None:
        super().__init__(host, pool)
        self._number = NONE  # the instance that is interpreted
        self._of_host = NONE  # the one whose message is to be interpreted, though nothing broke
        self._looping = False  # ``_end_next`` goes through the instances
        self._ending: Iterator[int] | None = None
        self._after |= {
            Status.BEGIN: self._begin_instances, Status.OF_HOST: self._special,
            Status.LEFT: self._left, Status.RETURNED: self._instance_returned,
        }  # fmt: skip

    # --- instances begin -------------------------------------------------------------------------

    def _begin_instances(self) -> None:
        """The next message is for a key without an instance."""
        block: PopulationBlock = self.block
        if self._alike is not None and self._has_template and self._alike():
            if not block.begin_waiting():
                self._no_room()
                return
            self._go_on()
            return
        until = perf_counter() + STRETCH
        for words in block.new_keys():
            number = block.instances.begin(words)
            if number == NONE:
                self._no_room()
                return
            if not block.instances.flags(number) & RESERVED:
                continue
            self._run_prologue(number)
            if self.run_flags & INTERPRETING:  # it waits
                return
            if self._has_template or perf_counter() > until:
                break
        self._go_on()

    def _go_on(self) -> None:
        """Records of instances have come or gone: handle messages."""
        self._check.set_gate()
        if not self.run_flags:
            self._step()

    def _no_room(self) -> None:
        """A message has come by another way than ``send``: its sender has been told of none."""
        raise RuntimeError("a message came for one more instance than there may be")

    def _run_prologue(self, number: int) -> None:
        runner = self._runner
        runner.key = self.block.instances.key_of(number)
        self._number = number
        waits = self._parts.prologue_awaits
        if waits:
            self._interpret_part()
        runner.begin_instance(self._prologue_over, waits=waits, exit_=self._exit)

    def _interpret_part(self) -> None:
        """The interpreter has the queues for a while."""
        self.run_flags |= INTERPRETING
        self.inport.wake, self.inport.wake_suppressed = self.host.inbox.notify, 1
        self._inner = self._runner

    def _prologue_over(self, values: Any, failure: Failure | None) -> None:
        number, waited = self._number, bool(self.run_flags & INTERPRETING)
        if failure is not None:
            self._set_failed(number, failure)
        elif values is RETURNED:
            self._set_ended(number)
        else:
            self._keep(number, values, first=True)
        if waited:
            self.turn_over(False)

    # --- messages that are the host's ------------------------------------------------------------

    def _special(self) -> None:
        """The next message is for an instance apart."""
        number = self.block.in_hand()
        apart = self._apart[number]
        if apart.refuses:
            ordinal, message = self._take_out()
            apart.waiting.append((ordinal, message))
            self.wake()
        else:
            self._of_host = number
            self._break()

    def _take_out(self) -> tuple[int, Any]:
        """Take the oldest message out of the ring; it is not handled."""
        ring = self.inport
        ordinal = ring.words[TAIL]
        message = ring.slots.unpack(ring.buffer, (ordinal & ring.mask) * ring.size)
        ring.words[TAIL] = ring.words[CLAIMED] = ring.cached_remote_cursor = ordinal + 1
        self._taken = ordinal + 1
        if self.host.inbox.putters:
            self.host.inbox.admit()
        return ordinal, message

    def _interpret(self) -> None:
        """The interpreter handles the next message of an instance."""
        block: PopulationBlock = self.block
        of_host, self._of_host = self._of_host, NONE
        if of_host != NONE:
            block.take_in_hand(of_host)
        number = self._number = block.in_hand()
        self._runner.key = block.instances.key_of(number)
        self.host_variables = self._beside.get(number, {})
        if of_host != NONE:
            self._interpret_apart(number)
        elif block.awake:  # in the loop's condition: the next message of this key will show
            block.rest()
            self._set_apart(number, self.host_variables | block.values())
            self._is_handled = True
        else:
            super()._interpret()

    def _interpret_apart(self, number: int) -> None:
        """The same, of an instance that compiled code does not come to."""
        self._broke_at, self._reported = perf_counter(), (0, 0)
        self.block.output.publish()
        apart = self._apart.get(number)
        values = None if apart is None else apart.values
        state = self.host_variables | self.block.values() if values is None else values
        self._lend(state, AT_LEISURE, kept=values is not None)

    def _new_turn_engine(self) -> TurnEngine:
        return self._runner

    def take_message(self, port: ObjectPort) -> Any:
        """As of ``turn_engine.Owner``."""
        apart = self._apart.get(self._number)
        if apart is not None and apart.waiting:
            ordinal, message = apart.waiting.popleft()
            port.tail, port.sample_at = ordinal + 1, self.inport.sample_at
            return message
        return super().take_message(port)

    def goes_on(self, variables: Mapping[str, Any]) -> bool:
        """As of ``turn_engine.Owner``."""
        self._spent()
        names = self.host.split.state_names
        values = {name: variables[name] for name in names if name in variables}
        apart = self._apart.get(self._number)
        waiting = apart is not None and bool(apart.waiting)
        self._keep(self._number, values, first=False)
        if waiting:  # until these are handled, the messages in the ring are not this instance's
            assert apart is not None
            apart.values = values
            self._apart[self._number] = apart
            self.block.instances.set_flags(self._number, BEGUN | BY_HOST)
        return False

    def turn_over(self, ended: bool) -> None:
        """As of ``turn_engine.Owner``."""
        if ended:
            self._set_ended(self._number)
        self._number = NONE
        super().turn_over(False)
        self._tell_quiet()

    def turn_failed(self, failure: Failure, *, exact: bool) -> None:
        """As of ``turn_engine.Owner``."""
        number = self._number
        if exact:
            self.block.take_in_hand(number)
            failure.state, failure.state_after = self.block.values(), self.host_variables
        self._set_failed(number, failure)
        self.turn_over(False)

    def _turn(self) -> None:
        while self._backlog and not self.run_flags:
            number = self._backlog[0]
            apart = self._apart.get(number)
            if apart is not None and apart.waiting and not apart.refuses:
                self._of_host = number
                self._break()
                if self._breaking:
                    return
                continue
            self._backlog.popleft()
        super()._turn()

    # --- instances end ---------------------------------------------------------------------------

    def _left(self) -> None:
        """The loop of the instance in hand is over: its epilogue is next."""
        self.block.rest()
        self._end_instance(self.block.in_hand())

    def _instance_returned(self) -> None:
        self.block.rest()
        self._set_ended(self.block.in_hand())
        self.wake()

    def _end_instance(self, number: int) -> None:
        """Run the epilogue of an instance, and go on."""
        if not self._parts.has_epilogue:
            self._epilogue_over(None, None, number)
            return
        self._number = number
        self._runner.key = self.block.instances.key_of(number)
        waits = self._parts.epilogue_awaits
        if waits:
            self._interpret_part()
        self._runner.end_instance(
            self._variables(number), self._epilogue_over, waits=waits, exit_=self._exit
        )

    def _epilogue_over(self, _: Any, failure: Failure | None, number: int = NONE) -> None:
        number = self._number if number == NONE else number
        waited = bool(self.run_flags & INTERPRETING)
        if failure is not None:
            self._set_failed(number, failure)
        elif self._ending is None:
            self._set_ended(number)
        self._number = NONE
        if self._ending is not None:
            self.run_flags &= ~INTERPRETING
            if waited and not self._looping:
                self._end_next()
        elif waited:
            self.turn_over(False)
        else:
            self.wake()

    # --- the end ---------------------------------------------------------------------------------

    def _drained(self) -> None:
        """The queue is empty for good."""
        if not self._backlog:
            self._finish()

    def _returned(self) -> None:
        self._finish()

    def _finish(self) -> None:
        """End all instances, then the population."""
        if self._ending is not None:
            return
        self._flushed = True
        instances = self.block.instances
        alive: list[int] = []
        if self._parts.has_epilogue:
            alive = instances.in_order(instances.numbers(BEGUN)).tolist()
        self._ending = iter(
            [n for n in alive if (a := self._apart.get(n)) is None or not a.refuses]
        )
        self._end_next()

    def _end_next(self) -> None:
        """Run the epilogues of the instances that are left."""
        assert self._ending is not None
        self._looping = True
        for number in self._ending:
            self._end_instance(number)
            if self.run_flags & INTERPRETING:  # it waits
                self._looping = False
                return
        self._looping = False
        self._conclude()

    def _conclude(self) -> None:
        """All instances have ended."""
        self._inner = None
        self.run_flags &= ~INTERPRETING
        self._depart()
        self.host.use_objects()
        self._return_waiting()
        self.block = None
        self._tell_quiet()
        self.host.ended()
