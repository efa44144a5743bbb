"""``KernelSource``: a lowered actor, as data; what the runtime needs to compile and feed it."""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pydotcompute.compiler.abi import MAX_LINES, Lanes
from pydotcompute.compiler.codegen.signature import signature
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic
from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.host_calls import Site, Texts, resolve
from pydotcompute.compiler.ir.host_calls import emit as emit_prints
from pydotcompute.compiler.ops.error_codes import FIRST_BREAK, describe
from pydotcompute.compiler.passes.nan_identity import asks_for_identity
from pydotcompute.compiler.types.atoms import ATOMS
from pydotcompute.compiler.types.identity import (
    LostIdentityError,
    holds_other_nan,
    shared_container,
)
from pydotcompute.compiler.types.message_schema import schema_of
from pydotcompute.compiler.types.state_layout import StateLayout
from pydotcompute.compiler.types.storage import holds_strings
from pydotcompute.compiler.types.types import UUID, MessageType


@dataclass(frozen=True)
class KernelSource:
    """A lowered actor: its text, and what is needed to feed it.

    Args:
        kernel_id: the actor's id.
        text: C++17, for NVRTC and for the host compiler.
        ir: what it was emitted from.
        state: the record of the actor's variables.
        input_types, output_types: message classes; of several, a slot is a tagged union.
        max_sends: how many outputs a turn makes at most; None if a loop sends.
        strings: the constant strings, in the order of ``actor.strings``.
        codes: exception class of each code that the text may report.
        lanes: what it has of a device.
        changed: the variables whose container the loop changes.
        host_variables: variables of the prologue that compiled code does not hold: they stay Python
            objects, and no record has them.
    """

    kernel_id: str
    text: str
    ir: ir.Kernel
    state: StateLayout
    input_types: tuple[type, ...]
    output_types: tuple[type, ...]
    max_sends: int | None
    strings: tuple[str, ...]
    codes: Mapping[int, type[BaseException]]
    lanes: Lanes
    changed: frozenset[str]
    host_variables: tuple[str, ...] = ()

    def is_current(self) -> bool:
        """Whether the constants it was compiled with still have the same values."""
        return all(read() is value for read, value in self.ir.constants)

    def shared(self, values: Mapping[str, Any]) -> str | None:
        """Which change a record of the state would miss, in words: see ``types.identity``."""
        kept = {name: values[name] for name, _ in self.state.variables if name in values}
        return shared_container(kept, self.changed, (value for _, value in self.ir.constants))

    @cached_property
    def _asks_for_identity(self) -> bool:
        return asks_for_identity(self.ir)

    @property
    def signature(self) -> str:
        """Its messages and variables in one line, as the text has it."""
        return signature(self.input_types, self.output_types, self.state.variables)

    @property
    def state_dtype(self) -> np.dtype[Any]:
        """The record of the state."""
        return self.state.dtype

    def pack_state(self, values: Mapping[str, Any], record: memoryview) -> None:
        """Writes the state into its record's bytes; raises if a value has no place there."""
        if self.state.parted and (why := self.shared(values)):
            raise LostIdentityError(why)
        if self._asks_for_identity and holds_other_nan(list(values.values())):
            raise LostIdentityError("its state begins with a NaN, and it uses floats as keys of a "
                                   "dict or searches for them; begin with `math.nan`, or `None`")
        self.state.pack(values, record)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether ``unpack_state`` would give these very values after ``pack_state``."""
        return self.state.holds(values)

    def unpack_state(self, record: memoryview) -> dict[str, Any]:
        """The state in a record's bytes; names that are not bound are left out."""
        return self.state.unpack(record)

    @property
    def prints(self) -> tuple[Site, ...]:
        """The calls of ``print`` and of loggers that the text carries to the host."""
        return self.ir.prints

    def emit(self, log: memoryview) -> None:
        """Makes the calls that a log holds."""
        emit_prints(self.ir.prints, log)

    @property
    def holds_strings(self) -> bool:
        """Whether messages, variables or the log may hold ids of strings."""
        messages = map(MessageType, (*self.input_types, *self.output_types))
        variables = (type_ for _, type_ in self.state.variables)
        carried = (site.values for site in self.ir.prints)
        return any(map(holds_strings, (*messages, *variables, *carried)))

    @property
    def makes_texts(self) -> bool:
        """Whether outputs may hold strings that the host has to make, and then publish."""
        return any(site.makes_text for site in self.ir.prints)

    def resolve(self, log: memoryview, slots: np.ndarray[Any, Any]) -> None:
        """Makes the strings that a log asks for, and puts their ids into outputs.

        Args:
            log: what the actor wrote.
            slots: output slots that can be written, one axis.
        """
        values = slots["value"] if self.ir.is_headed else slots
        resolve(self.output_types, values, Texts(self.ir.prints, log))

    @property
    def breaks(self) -> tuple[Diagnostic, ...]:
        """The places where a message leaves compiled code, and why, in the order of the file."""
        return self.ir.breaks

    def break_at(self, code: int) -> str | None:
        """The place of a break, ``"actors.py:12"``, by the code that was reported; None for the
        code of something else."""
        if code < FIRST_BREAK:
            return None
        found = self.breaks[code - FIRST_BREAK]
        return f"{found.file}:{found.line}"

    def why(self, code: int, place: int) -> str:
        """What a report of the compiled code means: ``an int beyond 64 bits (actors.py:12)``.

        Args:
            code: of an exception, or of a reason to leave compiled code.
            place: the number of a file of the kernel, times ``MAX_LINES``, plus a line.
        """
        if code >= FIRST_BREAK:
            return f"{self.breaks[code - FIRST_BREAK].message} ({self.break_at(code)})"
        number, line = divmod(place, MAX_LINES)
        file = ir.files(self.ir)[number]
        if code in self.codes:
            what = f"{self.codes[code].__name__}"
        else:
            reason = describe(code)
            what = reason.text or "a value that compiled code cannot represent"
            if reason.name == "PDC_DEOPT_CAPACITY":
                what = self.state.overfull(linecache.getline(file, line)) or what
        return f"{what} ({file}:{line})"

    @property
    def input_slot(self) -> np.dtype[Any]:
        """The record of a slot of the input ring."""
        return slot_dtype(self.input_types, headed=self.ir.is_headed, reads=self.ir.header_reads)

    @property
    def output_slot(self) -> np.dtype[Any]:
        """The record of a slot of the output ring."""
        return slot_dtype(self.output_types, headed=self.ir.is_headed)


def slot_dtype(classes: tuple[type, ...], *, headed: bool = False,
               reads: tuple[str, ...] = ()) -> np.dtype[Any]:  # fmt: skip
    """A message's record, or ``{"tag", "value"}`` with room for the largest of several.

    Args:
        classes: the message classes of the port.
        headed: the slot begins with the host's token of the message, a header's number and
            what is small in the message's header.
        reads: what compiled code reads of the message's header.
    """
    if headed:
        inner = slot_dtype(classes)
        ids = [(part, ATOMS[UUID].dtype) for part in reads if part != "priority"]
        fields = [("token", "<u8"), ("header", "<u4"), ("priority", "u1"), ("correlated", "u1"),
                  ("unused", "<u2"), *ids, ("value", inner)]  # fmt: skip
        return np.dtype(fields, align=True)
    dtypes = [schema_of(cls).dtype for cls in classes]
    if len(dtypes) == 1:
        return dtypes[0]
    if not dtypes:
        return np.dtype("u1")
    align = max(4, *(d.alignment for d in dtypes))
    size = max(d.itemsize for d in dtypes)
    size = -(-size // align) * align
    return np.dtype({"names": ["tag", "value"], "formats": ["<u4", f"V{size}"],
                     "offsets": [0, align], "itemsize": align + size})  # fmt: skip
