"""The interpreter's share of a compiled population: prologues, epilogues and single messages.

Input: the key and the variables of one instance, between two bursts.  Output: what its coroutine
does, with the queues left as the rings that they are (``compiled.turn_engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from pydotcompute.backends.base import Failure
from pydotcompute.backends.compiled.lifecycle import STAY
from pydotcompute.backends.compiled.turn_engine import TurnEngine
from pydotcompute.backends.python.context import PythonContext
from pydotcompute.errors import ActorExit, InternalError

Done = Callable[[Any, Failure | None], None]


class InstanceRunner(TurnEngine):
    """Runs parts of an actor's function for one instance at a time.

    ``key`` is the key of that instance.
    """

    _told: Done | None = None

    def use_objects(self) -> None:
        """Work on the population's queues of objects: the rings are still to be made."""
        self.on_rings = False
        self._connect()

    def run_prologue(self, done: Callable[[Any], None]) -> None:
        """A population has a prologue for each instance."""
        raise InternalError("a population has no prologue of its own")

    def begin_instance(self, done: Done, *, waits: bool, exit_: int) -> None:
        """Run what precedes the loop.

        Args:
            done: told what the prologue returned, or the failure.
            waits: it may have to wait; else ``done`` is called before this returns.
            exit_: whether the population is to end, as ``lifecycle`` counts.
        """
        parts = self.host.split.parts
        assert parts is not None
        self._reached, self._exit = False, exit_
        self._run_part(parts.prologue(PythonContext(self)), done, waits)

    def end_instance(
        self, state: dict[str, Any], done: Done, *, waits: bool, exit_: int
    ) -> None:
        """Run what follows the loop.

        Args:
            state: the variables.
            done: told None, or the failure.
            waits, exit_: as for ``begin_instance``.
        """
        parts = self.host.split.parts
        assert parts is not None
        self._reached, self._exit, self.terminating = True, exit_, exit_ != STAY
        self._run_part(parts.epilogue(PythonContext(self), state), done, waits)

    def _run_part(self, part: Coroutine[Any, Any, Any], done: Done, waits: bool) -> None:
        self.holding = self._late_turn = False
        self._told, self._done = done, self._part_done
        if waits:
            self._run(part)
            return
        self._coroutine, failure, result = part, None, None
        try:
            part.send(None)
            raise InternalError("what awaits nothing has waited")
        except StopIteration as end:
            result = end.value
        except ActorExit:
            pass
        except Exception as error:
            failure = self._failure(error)
        self._tell(result, failure)

    def _part_done(self, result: Any) -> None:
        self._tell(result, None)

    def _tell(self, result: Any, failure: Failure | None) -> None:
        told, self._told = self._told, None
        assert told is not None
        told(result, failure)

    def _fail(self, error: BaseException) -> None:
        if self._told is None or self._given_up or not isinstance(error, Exception):
            super()._fail(error)
        else:
            self._tell(None, self._failure(error))
