"""How a compiled population begins, and how the interpreter takes over.

Input: a plan.  Output: memory and rings for bursts to work on; or all instances as an interpreted
population goes on with them.

Where the text does not tell the types of the variables, the first prologue that is run does: until
then the queues hold objects.
"""


from __future__ import annotations

from typing import Any

from pydotcompute.backends.barrier import guarded
from pydotcompute.backends.base import Failure, InstanceState
from pydotcompute.backends.compiled.lifecycle import (
    AWAY,
    DRAIN,
    NOW,
    REROUTED,
    STAY,
)
from pydotcompute.backends.compiled.queue_migration import rings_for, take_over
from pydotcompute.backends.kept_instance import KeptInstance
from pydotcompute.backends.native.instance_runner import InstanceRunner
from pydotcompute.backends.native.instances import BEGUN, BY_HOST, NEW
from pydotcompute.backends.native.key_check import TableCheck
from pydotcompute.backends.native.population_block import PopulationBlock
from pydotcompute.backends.native.population_instances import PopulationInstances
from pydotcompute.backends.program import NativeProgram
from pydotcompute.compiler.host.coroutine import RETURNED
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import ObjectPort


class PopulationStart(PopulationInstances):
    """The beginning of a population, and its end as a compiled one.

    Args:
        host, pool: as for ``PopulationInstances``.
    """

    @guarded
    def start(self) -> None:
        """Handle messages; each instance begins with its first one."""
        self.compiled()

    def resume(self, state: dict[str, Any]) -> None:
        """A population begins anew: its instances have their own states."""
        self.start()

    @guarded
    def compiled(self) -> None:
        """A plan has been made: go on by it."""
        host, plan = self.host, self.host.plan
        if self.block is not None or (self._first is not None and self._first.values is None):
            return
        if plan.program is not None:
            self._adopt({})
        elif plan.backend == "python":
            self._hand_over(plan.reason or "", told=True)
        elif self._first is None and host.spec.input_types:
            self._await_first()

    def _await_first(self) -> None:
        """The types of the variables show when the first instance begins."""
        port = self.host.inbox.port
        assert isinstance(port, ObjectPort)
        known = [each for each in self.host.restored_instances if not each.ended]
        if known:
            self._first_key = known[0].key
            self._first = KeptInstance(known[0].variables)
            self.host.recompile_later(known[0].variables)
        elif port.items:
            self._begin_first(self.spec.key_of(port.items[0]))
        elif self._exit != STAY:
            self._end_early()
        else:
            port.wake, port.wake_suppressed = self.compiled, 0

    def _begin_first(self, key: Any) -> None:
        """Run the first prologue while the queues hold objects, and compile for its values."""
        self._first, self._first_key = KeptInstance(), key
        port = self.host.inbox.port
        port.wake, port.wake_suppressed = self.host.inbox.notify, 1
        self._inner = runner = InstanceRunner(self.host, self)
        runner.use_objects()
        runner.key = key
        runner.begin_instance(self._first_begun, waits=True, exit_=self._exit)

    def _first_begun(self, values: Any, failure: Failure | None) -> None:
        if self._inner is not None and isinstance(self._inner, InstanceRunner):
            self._inner.retire()
        first, self._inner = self._first, None
        assert first is not None
        if failure is None and values is not RETURNED:
            first.values = values
            if self._exit == NOW:
                self._hand_over("it ends")
            else:
                self.host.recompile_later(values)
            return
        first.failure, first.ended = failure, failure is None
        self._first, self._early[self._first_key] = None, first
        self._put_aside(self._first_key, first)
        self._tell_refused(self._first_key, first)
        self.compiled()

    def _put_aside(self, key: Any, kept: KeptInstance) -> None:
        """Take the messages of an instance out of the queue of objects."""
        port, key_of = self.host.inbox.port, self.spec.key_of
        assert isinstance(port, ObjectPort)
        numbered = list(enumerate(port.items, port.head - len(port.items)))
        kept.waiting.extend(pair for pair in numbered if key_of(pair[1]) == key)
        left = [message for _, message in numbered if key_of(message) != key]
        port.items.clear()
        port.items.extend(left)
        port.tail = port.head - len(left)
        self.host.inbox.admit()

    def _end_early(self) -> None:
        """No instance has come to its loop."""
        self.run_flags |= AWAY
        self._return_waiting()
        self.host.ended()

    # --- memory and queues -----------------------------------------------------------------------

    def _new_block(self, program: NativeProgram) -> PopulationBlock:
        source, target = rings_for(self.host, program)
        return PopulationBlock(program, source, target, self.spec.instances)

    def _adopt(self, state: dict[str, Any]) -> None:
        program = self.host.plan.program
        assert program is not None
        self.memory = block = self._new_block(program)
        if program.host_variables:
            self._alike = None
        self._check = check = TableCheck(self.host, block)
        ring, out = take_over(self.host, block, self.consumer, check)
        check.inport = ring
        self.block = block
        for key, kept in self._early.items():
            number = block.instances.begin(block.instances.key.pack(key))
            self._apart[number] = kept
            block.instances.set_flags(number, BEGUN | BY_HOST)
        restored, self.host.restored_instances = self.host.restored_instances, []
        for each in restored:
            self._restore(each)
        if not restored and self._first is not None and self._first.values is not None:
            number = block.instances.begin(block.instances.key.pack(self._first_key))
            self._keep(number, self._first.values, first=True)
        self._first, self._early = None, {}
        self._begin(block, ring, out)
        self._tell_adopted()

    def _begin(self, block: Any, ring: HostProducer, out: HostConsumer) -> None:
        self._runner = InstanceRunner(self.host, self)
        self._turn_engine = self._runner
        super()._begin(block, ring, out)
        self._check.set_gate()

    def _restore(self, state: InstanceState) -> None:
        """Let an instance of an earlier life go on."""
        instances = self.block.instances
        number = instances.begin(instances.key.pack(state.key))
        instances.set_flags(number, BEGUN)
        if state.ended:
            self._refuse(number, KeptInstance(state.variables, ended=True))
        else:
            self._keep(number, state.variables, first=False)

    async def adopted(self) -> None:
        """Wait while the first instance begins and the population is compiled for its values."""
        while self.block is None and self._first is not None:
            self._adopting.append(future := self.host.loop.create_future())
            await future

    def _tell_adopted(self) -> None:
        waiting, self._adopting = self._adopting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # --- ending early ----------------------------------------------------------------------------

    @guarded
    def begin_exit(self, *, drain: bool) -> None:
        """End the population."""
        if self.block is not None or self._first is not None:
            super().begin_exit(drain=drain)
            return
        self._exit = DRAIN if drain else NOW
        if drain:
            self.compiled()
        else:
            self._end_early()

    @guarded
    def hurry(self) -> None:
        """End now, except for the message in hand."""
        self._exit = NOW
        if self.block is None and self._inner is None:
            if self._first is not None:
                self._hand_over("it ends")
            else:
                self._end_early()
        else:
            super().hurry()

    # --- the interpreter takes over --------------------------------------------------------------

    async def surrender(self, reason: str) -> None:
        """Let the interpreter take over, between two messages."""
        if self.block is None:
            return
        self.run_flags |= REROUTED
        await self.come_to_rest()
        self.run_flags &= ~REROUTED
        if self.block is not None:
            self._hand_over(reason)

    def _give_up(self, reason: str) -> None:
        self._hand_over(reason)

    def _hand_over(self, reason: str, *, told: bool = False) -> None:
        """The interpreter takes over for good, with every instance as it is."""
        kept: dict[Any, KeptInstance] = dict(self._early)
        if self.block is not None:
            instances = self.block.instances
            for number in instances.numbers(BEGUN | NEW).tolist():
                apart = self._apart.get(number) or KeptInstance()
                if apart.values is None and apart.failure is None:
                    apart.values = self._variables(number)
                kept[instances.key_of(number)] = apart
            self._depart()
        elif self._first is not None and not self.host.restored_instances:
            kept[self._first_key] = self._first
        self.run_flags |= AWAY
        self.host.hand_over(kept, reason, told=told)
        self.block = self._first = None
        self._tell_adopted()
