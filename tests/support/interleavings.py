"""Every interleaving of a few processes: an exhaustive explorer for small concurrent programs.

Input: a function that builds a ``World``: shared memory, and processes written as generators.
Output: how many states there are, or a ``Violation`` with the schedule that leads to it.

A process runs undisturbed from one ``yield`` to the next.  It yields

* None: others may run here;
* a function of the world: how many ways there are to go on (0: none, it is blocked), and is sent
  which of them was taken.

Processes are plain code that reads like what it models.  A generator cannot be copied, so a state
is reached again by replaying its schedule; two states are the same if memory, variables and the
places where all processes stand are the same.  Between two yields a process may hold values only
in its variables (``for`` keeps an iterator elsewhere).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

Process = Generator[Any, int, Any]
Step = tuple[int, int]
"""Which process goes on, and which way; process ``-1 - n``: a store of process n gets through."""


class Violation(Exception):
    """Something happened that must not."""


class World:
    """What the processes share.

    Args:
        words: how many words of memory; they start at 0.
        order: how stores reach memory: ``"sc"`` at once, ``"tso"`` each process's in order but
            later (x86), ``"pso"`` those to different words in any order (weaker processors).
    """

    def __init__(self, words: int, order: str = "sc") -> None:
        self.order = order
        self.memory = [0] * words
        self.processes: list[Process] = []
        self.under_way: list[list[tuple[int, int]]] = []
        self.me = 0

    def start(self, process: Process) -> None:
        """Add a process."""
        self.processes.append(process)
        self.under_way.append([])

    def read(self, at: int) -> int:
        """A load of the running process: its own stores are seen at once."""
        for place, value in reversed(self.under_way[self.me]):
            if place == at:
                return value
        return self.memory[at]

    def write(self, at: int, value: int) -> None:
        """A store of the running process."""
        if self.order == "sc":
            self.memory[at] = value
        else:
            self.under_way[self.me].append((at, value))

    def drained(self, _: Any) -> int:
        """What a fence yields: it passes when all stores of the running process are through."""
        return 0 if self.under_way[self.me] else 1

    def flushable(self, process: int) -> list[int]:
        """Which of a process's stores may get through next."""
        waiting = self.under_way[process]
        if self.order == "tso":
            return [0] if waiting else []
        first: dict[int, int] = {}
        for number, (at, _) in enumerate(waiting):
            first.setdefault(at, number)
        return list(first.values())

    def local(self) -> tuple[Any, ...]:
        """Everything else that makes two states differ."""
        raise AttributeError("a model says what its state is")

    def check(self) -> None:
        """Called in every state; raises ``Violation``."""

    def check_end(self) -> None:
        """Called where no process can go on; raises ``Violation``."""


@dataclass
class Result:
    """What was explored.

    Args:
        states: how many different states.
        ends: in how many of them nothing can go on.
    """

    states: int
    ends: int


class _Run:
    """One execution: the processes, and what each of them waits for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waits: list[Any] = []
        self.done: list[bool] = []
        for number in range(len(world.processes)):
            self.waits.append(None)
            self.done.append(False)
            self._go_on(number, None)

    def _go_on(self, number: int, way: int | None) -> None:
        self.world.me = number
        try:
            self.waits[number] = self.world.processes[number].send(way)  # type: ignore[arg-type]
        except StopIteration:
            self.done[number] = True

    def take(self, step: Step) -> None:
        """Make one step."""
        number, way = step
        if number < 0:
            at, value = self.world.under_way[-1 - number].pop(way)
            self.world.memory[at] = value
        else:
            self._go_on(number, way)

    def steps(self) -> list[Step]:
        """Every step that is possible now."""
        found: list[Step] = []
        world = self.world
        for number, wait in enumerate(self.waits):
            if world.under_way[number]:
                found.extend((-1 - number, way) for way in world.flushable(number))
            if self.done[number]:
                continue
            world.me = number
            ways = 1 if wait is None else wait(world)
            found.extend((number, way) for way in range(ways))
        return found

    def key(self) -> Any:
        """Equal for equal states."""
        world = self.world
        places: list[Any] = [tuple(world.memory), world.local()]
        places.extend(map(tuple, world.under_way))
        for process in world.processes:
            part: Any = process
            while part is not None and part.gi_frame is not None:
                frame = part.gi_frame
                variables = frame.f_locals
                places.append((frame.f_lasti, *[v for k, v in variables.items() if k != "w"]))
                part = part.gi_yieldfrom
        return tuple(places)


def explore(build: Callable[[], World], most: int = 2_000_000) -> Result:
    """Visit every state.

    Args:
        build: makes the world in its first state, the same each time.
        most: states after which to give up.

    Raises:
        Violation: a state breaks the rules; the schedule is in ``args``.
    """
    seen: set[Any] = set()
    todo: list[list[Step]] = [[]]
    ends = 0
    while todo:
        schedule = todo.pop()
        run = _Run(build())
        for step in schedule[:-1]:
            run.take(step)
        try:
            if schedule:
                run.take(schedule[-1])
            while True:
                run.world.check()
                key = run.key()
                if key in seen:
                    break
                seen.add(key)
                if len(seen) > most:
                    raise RuntimeError(f"more than {most} states")
                steps = run.steps()
                if not steps:
                    ends += 1
                    run.world.check_end()
                    break
                todo.extend([*schedule, other] for other in steps[1:])
                schedule.append(steps[0])
                run.take(steps[0])
        except Violation as wrong:
            raise Violation(str(wrong), tuple(schedule)) from None
    return Result(len(seen), ends)
