"""What came of compiling an actor: ``actor.lower()`` and ``kernel.lowering``.

Input: a decorated actor, and the types or state values that are known.  Output: ``Lowering``,
which never raises for an actor that cannot be compiled: ``ok`` is false and ``diagnostics`` say
why.  Compilers run only when ``ptx``, ``cubin`` or ``native_library`` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pydotcompute.actors.dump import dump, note_build
from pydotcompute.actors.override import edited_path, edited_text, named
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.compiler.diagnostics.diagnostic import Diagnostic, DiagnosticError
from pydotcompute.compiler.ir.printer import to_text
from pydotcompute.compiler.kernel_source import KernelSource
from pydotcompute.compiler.pipeline import LoweringRequest, PendingError, lower
from pydotcompute.compiler.report.html_page import fragment, html
from pydotcompute.compiler.report.summary import explain, layout
from pydotcompute.errors import BuildError, LoweringError, QueueFullError, QueueTimeoutError
from pydotcompute.settings import settings
from pydotcompute.support.gc_pause import resting

SIGNALS: dict[str, type[BaseException]] = {
    "PDC_QUEUE_TIMEOUT": QueueTimeoutError,
    "PDC_QUEUE_FULL": QueueFullError,
}
"""The runtime's exceptions that compiled code raises, by code name."""


@dataclass(frozen=True)
class Lowering:
    """The result of lowering an actor.

    Args:
        kernel_id: the actor's id.
        kernel: the lowered actor; None if it cannot be compiled.
        diagnostics: why not, in the order of the file.
        function: the actor's Python.
        awaits: when it will be lowered, if only types are missing that are known later: "its first
            message arrives", "it is launched"; empty otherwise.
    """

    kernel_id: str
    kernel: KernelSource | None
    diagnostics: tuple[Diagnostic, ...] = ()
    function: Callable[..., Any] | None = None
    awaits: str = ""

    @property
    def pending(self) -> bool:
        """Whether it may lower once more types are known."""
        return bool(self.awaits)

    @property
    def ok(self) -> bool:
        """Whether the actor lowers: at least one path through its loop that ends a message."""
        return self.kernel is not None

    @property
    def breaks(self) -> tuple[Diagnostic, ...]:
        """The statements that cannot be compiled: a message that comes to one is interpreted."""
        return () if self.kernel is None else self.kernel.breaks

    @property
    def ir(self) -> str:
        """The typed intermediate representation as text; empty if the actor cannot be compiled."""
        return "" if self.kernel is None else to_text(self.kernel.ir)

    @property
    def source(self) -> str:
        """The generated C; the edited one where ``PYDOTCOMPUTE_OVERRIDE_DIR`` has it.

        Raises:
            BuildError: the edited one cannot be read, or does not fit the actor any more.
        """
        if self.kernel is None:
            return ""
        path = self.edited
        return self.kernel.text if path is None else edited_text(self.kernel, self.kernel_id, path)

    @property
    def edited(self) -> Path | None:
        """The file that is compiled in place of the generated text, if there is one."""
        return None if self.kernel is None else edited_path(self.kernel_id)

    @property
    def layout(self) -> str:
        """Records of state and messages: offsets, sizes and types, as text."""
        return "" if self.kernel is None else layout(self.kernel)

    def ptx(self, arch: str = "sm_90") -> str:
        """PTX of the persistent kernel, by NVRTC; needs no GPU and no driver.

        Args:
            arch: ``"sm_75"``, ``"sm_80"``, ``"sm_90"``...

        Raises:
            LoweringError: the actor cannot be compiled.
            ValueError: ``arch`` does not have that form.
            BackendUnavailableError: NVRTC is not installed, or does not know ``arch``.
            BuildError: NVRTC refused an edited source.
        """
        return self._nvrtc(arch, "ptx").decode()

    def cubin(self, arch: str = "sm_90") -> bytes:
        """Machine code of the persistent kernel; arguments and errors as for ``ptx``."""
        return self._nvrtc(arch, "cubin")

    def _nvrtc(self, arch: str, to: Any) -> bytes:
        from pydotcompute.toolchain import nvrtc

        self._require()
        with named(self.edited):
            return nvrtc.compile(self.source, arch, name=self.kernel_id, to=to)

    def native_library(self) -> Path:
        """The shared library for this machine, by the host compiler.

        Raises:
            LoweringError: the actor cannot be compiled.
            BackendUnavailableError: there is no C++ compiler; the text says how to get one.
            BuildError: the compiler refused an edited source, or could not be run.
        """
        from pydotcompute.toolchain.host_cc import find_compiler

        self._require()
        compiler = find_compiler()
        try:
            with named(self.edited):
                library = compiler.compile_shared(self.source, name=self.kernel_id)
        except BuildError as error:
            note_build(self.kernel_id, f"{error}\n\n{error.log}")
            raise
        command = " ".join((*compiler.command, *compiler.arguments()))
        note_build(self.kernel_id, f"{compiler.version}\n{command}\n{library}")
        return library

    def _require(self) -> KernelSource:
        if self.kernel is None:
            raise LoweringError(f"actor {self.kernel_id!r} cannot be compiled", self.diagnostics)
        return self.kernel

    def explain(self) -> str:
        """A summary for people: what runs, its state, its messages, and what blocked what."""
        edited = "" if self.edited is None else str(self.edited)
        return explain(self.kernel_id, self.kernel, self.diagnostics, self.awaits, edited)

    def html(self) -> str:
        """The Python beside the generated C, line by line, as an HTML page."""
        return html(self.kernel_id, self.kernel, self.diagnostics, self.function, self.awaits)

    def _repr_html_(self) -> str:
        return fragment(self.kernel_id, self.kernel, self.diagnostics, self.function, self.awaits)

    def __repr__(self) -> str:
        if self.kernel is not None:
            broken = f", {len(self.breaks)} breaks" if self.breaks else ""
            return f"<Lowering of {self.kernel_id!r}: ok{broken}>"
        if self.pending:
            return f"<Lowering of {self.kernel_id!r}: pending>"
        return f"<Lowering of {self.kernel_id!r}: {len(self.diagnostics)} problems>"


def lower_actor(
    spec: KernelSpec,
    *,
    state: Mapping[str, Any] | None = None,
    key: str | tuple[str, ...] | None = None,
) -> Lowering:
    """Lowers an actor as far as its source; compiles nothing.

    Args:
        spec: the actor as declared.
        state: the values its variables have before the loop, if the prologue has run.
        key: of a population, the field or the fields of its key.

    Returns:
        The result; problems of the actor are in it and not raised.
    """
    request = LoweringRequest(
        spec.kernel_id, spec.function, spec.input_types, spec.output_types or None, state, SIGNALS,
        settings().verify == "each", key,
    )  # fmt: skip
    result = _remembered(request) if state is None else _lower(request)
    if settings().dump_dir is not None:
        dump(result)
    return result


def _lower(request: LoweringRequest) -> Lowering:
    try:
        with resting():
            return Lowering(request.kernel_id, lower(request), (), request.function)
    except DiagnosticError as problems:
        awaits = problems.awaits if isinstance(problems, PendingError) else ""
        found = problems.diagnostics
        return Lowering(request.kernel_id, None, found, request.function, awaits)


_known: WeakKeyDictionary[Any, dict[Any, Lowering]] = WeakKeyDictionary()


def _remembered(request: LoweringRequest) -> Lowering:
    """Lowers a function once for the same types, as long as its constants stay what they are."""
    found = _current(request.function, request.inputs, request.outputs, request.key)
    if found is None:
        known = _known.setdefault(request.function, {})
        found = known[request.inputs, request.outputs, request.key] = _lower(request)
    kernel = found.kernel
    if kernel is None or kernel.kernel_id == request.kernel_id:
        return replace(found, kernel_id=request.kernel_id)
    kernel = copy(kernel)  # with what it has found out about itself
    object.__setattr__(kernel, "kernel_id", request.kernel_id)
    return replace(found, kernel_id=request.kernel_id, kernel=kernel)


def _current(function: Any, inputs: tuple[type, ...], outputs: tuple[type, ...] | None,
             key: str | tuple[str, ...] | None) -> Lowering | None:  # fmt: skip
    found = _known.get(function, {}).get((inputs, outputs, key))
    kernel = None if found is None else found.kernel
    return None if kernel is None or not kernel.is_current() else found


def is_remembered(spec: KernelSpec) -> bool:
    """Whether an actor has been lowered for these types before, and nothing has changed since."""
    return _current(spec.function, spec.input_types, spec.output_types or None, None) is not None
