"""A compiled actor on the host: its shared library, and its memory with what runs it.

Input: a ``NativeProgram`` and two rings.  Output: ``NativeBlock``, whose ``burst`` and
``burst_free`` run the actor.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydotcompute.backends.compiled.actor_words import HEAP, PRODUCED
from pydotcompute.backends.compiled.block import CRASHED, Block
from pydotcompute.backends.program import NativeProgram
from pydotcompute.errors import BuildError
from pydotcompute.queues.memory import Memory
from pydotcompute.queues.ring import Ring

ABI_VERSION = 4


@functools.lru_cache(maxsize=1024)
def load(library: Path) -> tuple[Callable[..., int], Callable[..., int], int]:
    """The entry point of a compiled actor: with the GIL held, without it, and its address.

    Raises:
        BuildError: the file is no library of this version.
    """
    try:
        held, free = ctypes.PyDLL(str(library)), ctypes.CDLL(str(library))
        version = ctypes.c_uint32.in_dll(held, "pdc_abi").value
    except (OSError, ValueError) as error:
        raise BuildError(
            f"the compiled actor {library.name} cannot be loaded ({error}); remove it from the "
            "cache folder and launch again"
        ) from None
    if version != ABI_VERSION:
        raise BuildError(
            f"the compiled actor {library.name} has binary interface {version}, not {ABI_VERSION};"
            " clear the cache folder and launch again"
        )
    address = ctypes.cast(held.pdc_burst, ctypes.c_void_p).value or 0
    return held.pdc_burst, free.pdc_burst, address


pointer, count = ctypes.c_void_p, ctypes.c_uint64
"""An address and a number as the entry point takes them."""


class NativeBlock(Block):
    """One actor's memory, and how to run the actor on it: ``burst``, ``burst_free``.

    Args:
        program: the compiled actor.
        source: the ring it reads.
        target: the ring it writes.
    """

    def __init__(self, program: NativeProgram, source: Ring, target: Ring) -> None:
        super().__init__(program, source, target)
        self.burst, self.burst_free, self.burst_address = load(program.library)
        if program.resolve is not None:
            self._leave_texts_to_host()
        self._journal = Memory(8 + program.journal_size, zero=False)
        self._journal.bytes[:8].cast("Q")[0] = program.journal_size
        self.q8[HEAP] = self._journal.address

    def _leave_texts_to_host(self) -> None:
        """Each burst ends with the strings its outputs wait for."""

        def finished(run: Callable[..., int]) -> Callable[..., int]:
            def burst(address: Any, limit: Any) -> int:
                first = self.q8[PRODUCED]
                status = run(address, limit)
                try:
                    self.make_texts(first)
                except Exception as error:  # C may have called: it takes a status only
                    self.fault = error
                    return CRASHED
                return status

            return burst

        self.burst, self.burst_free = finished(self.burst), finished(self.burst_free)
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64)(
            self.burst
        )
        self.burst_address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0
