"""Which backend runs an actor, and why not a better one.

Input: a ``KernelSpec``, what was asked for, and what is known of the actor's state.
Output: a ``Plan``.  Runs on a worker thread: it may compile.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from pydotcompute.actors.coroutine_parts import SplitActor
from pydotcompute.actors.spec import KernelSpec
from pydotcompute.backends.cuda import device_selection as devices
from pydotcompute.backends.device import Device, DeviceFault
from pydotcompute.backends.plan import Plan
from pydotcompute.backends.program import program_of
from pydotcompute.errors import BackendUnavailableError, BuildError, LoweringError
from pydotcompute.populations.spec import PopulationSpec
from pydotcompute.settings import settings
from pydotcompute.support.gc_pause import resting

log = logging.getLogger("pydotcompute.kernel")


def choose(
    spec: KernelSpec,
    split: SplitActor,
    backend: str,
    state: dict[str, Any] | None,
    fallback: str,
    population: PopulationSpec | None = None,
) -> Plan:
    """Choose a backend and compile for it.

    Args:
        spec: the actor.
        split: the actor for the interpreter.
        backend: ``"auto"``, ``"cuda"``, ``"native"`` or ``"python"``.
        state: values of its variables before the first message, if they are known.
        fallback: ``"error"`` forbids the interpreter unless it was asked for.
        population: what its instances are keyed by; None: it is one actor.

    Raises:
        LoweringError: the actor cannot be compiled and ``fallback`` is ``"error"``.
        BackendUnavailableError: the backend that was asked for by name cannot run here.
        BuildError: the text does not compile, and the user has edited it or forbids the
            interpreter.
    """
    if backend == "python":
        return Plan("python", "the python backend was asked for")
    plan = _choose(spec, split, backend, state, fallback, population)
    if plan.backend == "native" and state is None and population is None:
        _quick.setdefault(spec.function, set()).add(_key(spec, backend))
    return plan


_quick: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()
"""For each actor, what has been asked and needed nothing but what is remembered since."""


def _key(spec: KernelSpec, backend: str) -> tuple[Any, ...]:
    return spec.input_types, spec.output_types, backend, settings()


def is_quick(spec: KernelSpec, backend: str) -> bool:
    """Whether ``choose`` has nothing to compile: no thread is needed for it."""
    if backend == "python":
        return True
    if _key(spec, backend) not in _quick.get(spec.function, ()):
        return False
    from pydotcompute.actors.lowering import is_remembered

    return is_remembered(spec)


def _choose(
    spec: KernelSpec,
    split: SplitActor,
    backend: str,
    state: dict[str, Any] | None,
    fallback: str,
    population: PopulationSpec | None,
) -> Plan:
    device, key = devices.find(backend), None
    if population is not None:
        reason = _interpreted_population(spec, split)
        if reason is not None:
            return _interpret(None, reason, fallback)
        key = population.fields[0] if population.single else population.fields
    try:
        with resting():  # the compiler is imported here as well
            from pydotcompute.actors.lowering import lower_actor

            lowering = lower_actor(spec, state=state, key=key)
    except Warning:  # the user's filter made an error of it
        raise
    except Exception as error:  # the compiler is broken: the actor need not be
        log.exception("lowering kernel %r failed", spec.kernel_id)
        what = f"{type(error).__name__}: {error}"
        return _interpret(None, f"compiling it broke off ({what}); please report this", fallback)
    if not lowering.ok:
        if (
            lowering.pending
            and split.parts is not None
            and not (spec.input_types and state is not None)
        ):
            return Plan("pending", lowering=lowering, device=device)
        return _interpret(lowering, why_not(lowering), fallback)
    if lowering.breaks and fallback == "error":
        raise LoweringError(why_not(lowering), lowering.breaks)
    found: Plan | str | None = None
    if population is not None:
        found = None if device is None else "populations run on the host"
    elif device is not None:
        found = _on_device(lowering, split, device, backend, fallback)
    if isinstance(found, Plan):
        return found
    if backend == "cuda" and fallback == "error":
        raise LoweringError(found or "")
    return _on_host(lowering, split, backend, fallback, found)


def _interpreted_population(spec: KernelSpec, split: SplitActor) -> str | None:
    """Why a population is interpreted, whatever its loop holds; None: it need not be."""
    if split.parts is None:
        return None  # the compiler says why
    if not split.receives_first:
        return "it does something before it waits for a message, for each instance"
    if not split.silent_timeout:
        return "its time-outs do something, for each instance"
    return None


def without_device(
    plan: Plan, split: SplitActor, backend: str, fallback: str, reason: str
) -> Plan:
    """The plan for the host of an actor that a device cannot take after all.

    Args:
        plan: the one for the device.
        split, backend, fallback: as for ``choose``.
        reason: why not.

    Raises:
        LoweringError: ``cuda`` was asked for by name, and ``fallback`` is ``"error"``.
        BuildError: as for ``choose``.
    """
    if backend == "cuda" and fallback == "error":
        raise LoweringError(reason)
    return _on_host(plan.lowering, split, backend, fallback, reason)


def _on_device(
    lowering: Any, split: SplitActor, device: Device, backend: str, fallback: str
) -> Plan | str:
    """The plan for a device, or why it cannot be there."""
    reason = _inexact(lowering)
    if reason is not None:
        return reason
    try:
        program = program_of(lowering, split, device)
    except (BackendUnavailableError, DeviceFault) as error:  # no NVRTC; the device has died
        if backend == "cuda":
            raise BackendUnavailableError(str(error)) from error
        return str(error)
    except BuildError as error:
        return _refused(lowering, error, fallback)
    return Plan("cuda", None, lowering, program, device=device)


def _on_host(
    lowering: Any, split: SplitActor, backend: str, fallback: str, reason: str | None
) -> Plan:
    """The plan for the host: compiled, or else interpreted."""
    try:
        program = program_of(lowering, split)
    except BackendUnavailableError as error:
        if backend == "native":
            raise
        return _interpret(lowering, str(error), fallback)
    except BuildError as error:
        return _interpret(lowering, _refused(lowering, error, fallback), fallback)
    return Plan("native", reason, lowering, program, fell_back=backend == "cuda")


def _refused(lowering: Any, error: BuildError, fallback: str) -> str:
    """Why a compiler refused the text of an actor, which its interpreter can run all the same.

    Raises:
        BuildError: ``error``, where the user has edited the text, or wants no other backend.
    """
    if fallback == "error" or lowering.edited is not None:
        raise error
    ask = "; please report this" if "error:" in error.log else ""
    where = f" (the text is {error.source_path})" if error.source_path else ""
    log.error("%s%s%s", error, where, ask)
    return str(error)


def _inexact(lowering: Any) -> str | None:
    """Why an actor must not run on a device, or None."""
    from pydotcompute.compiler.codegen.helper_library import IMPRECISE_ON_DEVICE

    used = sorted(name for name in IMPRECISE_ON_DEVICE if f"{name}(" in lowering.source)
    if not used:
        return None
    shown = (name.removeprefix("pdc_").removesuffix("_f64") for name in used)
    names = ", ".join("math.log of a base" if n == "logb" else f"math.{n}" for n in shown)
    return f"it calls {names}, which a GPU computes less exactly than to 2 units in the last place"


def _interpret(lowering: Any, reason: str, fallback: str) -> Plan:
    if fallback == "error":
        raise LoweringError(reason, lowering.diagnostics if lowering is not None else ())
    return Plan("python", reason, lowering, fell_back=True)


def why_not(lowering: Any) -> str:
    """The first thing that kept an actor from being compiled, in one line."""
    problems = lowering.diagnostics or lowering.breaks
    if not problems:
        return "it cannot be compiled"
    first = problems[0]
    more = len(problems) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{first.message} ({first.file}:{first.line}){rest}"
