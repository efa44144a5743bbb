"""A compiled actor as the native engine takes it: a library, and how its memory is laid out.

Input: a ``Lowering``, or by hand in tests.  Output: ``NativeProgram``.  This is the one place
where the runtime meets the compiler's results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pydotcompute.actors.coroutine_parts import SplitActor
from pydotcompute.actors.override import named
from pydotcompute.backends.device import Device
from pydotcompute.compiler.abi import IN_ORDER, Lanes
from pydotcompute.compiler.ir.nodes import HeaderSite
from pydotcompute.compiler.types.population_key import KeyLayout
from pydotcompute.compiler.types.state_layout import StateLayout


@dataclass(frozen=True)
class NativeProgram:
    """What the native engine needs to run an actor.

    Args:
        library: the shared library with ``pdc_burst``, or the cubin.
        input_types: message classes it takes, in the order of their tags.
        output_types: message classes it sends, in the order of their tags.
        input_slot: layout of a slot of the input ring.
        output_slot: layout of a slot of the output ring.
        state_size: bytes of the state record.
        pack_state: ``(state, record)``: write the variables into the record's bytes; raises
            if a value has no place there.
        unpack_state: ``(record)``: the variables.
        silent_timeout: a time-out of ``receive`` has no visible effect.
        max_sends: most messages sent for one message; None if not bounded.
        why: ``(code, line)``: what a report of the compiled code means, in words.
        break_at: ``(code)``: the place of a break, ``"actors.py:12"``; None for another code.
        is_current: whether the constants it was compiled with still have the same values.
        emit: ``(log bytes)``: print what the actor printed; None if it never prints.
        log_size: bytes of the log to begin with.
        strings: constant strings the actor uses; it is given their ids.
        headers: what the actor puts into the headers of what it sends; if anything, slots carry
            the host's tokens of messages.
        resolve: ``(log bytes, output slots)``: make the strings that the actor left to the host,
            which then publishes the outputs; None if it leaves none.
        holds_strings: messages, variables or the log may hold ids of strings.
        journal_size: bytes in which a turn notes what it changes in containers.
        lanes: what it has of a device.
        host_variables: variables that compiled code does not hold.
        holds: ``(state)``: whether ``unpack_state`` would give these very values back, each of its
            variable's type.
        key: of a population, the layout of its keys.
        state: of a population, the layout of its instances' variables.
    """

    library: Path
    input_types: tuple[type, ...]
    output_types: tuple[type, ...]
    input_slot: np.dtype[Any]
    output_slot: np.dtype[Any]
    state_size: int
    pack_state: Callable[[Mapping[str, Any], memoryview], None]
    unpack_state: Callable[[memoryview], dict[str, Any]]
    silent_timeout: bool
    max_sends: int | None
    why: Callable[[int, int], str]
    break_at: Callable[[int], str | None] = lambda code: None
    is_current: Callable[[], bool] = lambda: True
    emit: Callable[[memoryview], None] | None = None
    log_size: int = 1 << 12
    strings: tuple[str, ...] = ()
    holds_strings: bool = True
    journal_size: int = 0
    headers: tuple[HeaderSite, ...] = ()
    header_reads: tuple[str, ...] = ()
    resolve: Callable[[memoryview, Any], None] | None = None
    lanes: Lanes = IN_ORDER
    host_variables: tuple[str, ...] = ()
    holds: Callable[[Mapping[str, Any]], bool] = lambda state: True
    key: KeyLayout | None = None
    state: StateLayout | None = None

    @property
    def is_headed(self) -> bool:
        """Whether slots have a part of the messages' headers."""
        return bool(self.headers or self.header_reads)


def program_of(lowering: Any, split: SplitActor, device: Device | None = None) -> NativeProgram:
    """The program of a lowering; compiles it, and loads it if it is for a device.

    Args:
        lowering: what ``lower`` returned.
        split: the actor for the interpreter.
        device: where it is to run; None for the host.

    Raises:
        BackendUnavailableError: there is no host compiler.
        BuildError: the compiler refused the generated code.
    """
    kernel = lowering.kernel
    if device is None:
        library = lowering.native_library()
    else:
        with named(lowering.edited):
            library = device.compile(lowering.source, lowering.kernel_id)
        # Here, on a worker thread: it may have to wait for the device.
        device.load(library, kernel.lanes.count)
    return NativeProgram(
        library=library,
        input_types=kernel.input_types, output_types=kernel.output_types,
        input_slot=kernel.input_slot, output_slot=kernel.output_slot,
        state_size=kernel.state_dtype.itemsize,
        pack_state=kernel.pack_state, unpack_state=kernel.unpack_state,
        silent_timeout=split.silent_timeout, max_sends=kernel.max_sends,
        why=kernel.why, break_at=kernel.break_at,
        is_current=kernel.is_current, emit=kernel.emit if getattr(kernel, "prints", ()) else None,
        strings=kernel.strings, holds_strings=kernel.holds_strings,
        journal_size=kernel.state.journal_size, headers=kernel.ir.headers,
        header_reads=kernel.ir.header_reads,
        resolve=kernel.resolve if kernel.makes_texts else None,
        lanes=kernel.lanes,
        host_variables=_not_held(split, kernel), holds=kernel.holds,
        key=kernel.ir.key, state=kernel.state,
    )  # fmt: skip


def _not_held(split: SplitActor, kernel: Any) -> tuple[str, ...]:
    """Variables that live from message to message, and only interpreted messages use."""
    held = {name for name, _ in kernel.state.variables}
    return tuple(name for name in split.state_names if name not in held)
