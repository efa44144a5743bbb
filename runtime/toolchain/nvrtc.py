"""NVRTC: turns generated source into a cubin or PTX, with no GPU and no driver.

In: C++ text and an architecture.  Out: bytes, from the build cache where they are known.  The
compiler is a wheel (``nvidia-cuda-nvrtc``), reached through cuda-bindings or, where that is not
installed, through the copy inside CuPy.  CuPy's public wrapper is not used: it needs a driver and
forces flush-to-zero.

The flags keep floats as CPython computes them: no contraction, no flush to zero, exact division
and square root.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

from pydotcompute.errors import BackendUnavailableError, BuildError
from pydotcompute.toolchain.build_cache import BuildCache, default_cache, key_of

FLAGS = (
    "--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true",
    "--generate-line-info",
)  # fmt: skip

_MISSING = (
    "Compiling for CUDA needs NVRTC and it is not installed; run "
    "`pip install cuda-bindings nvidia-cuda-nvrtc`."
)

_ARCH = re.compile(r"sm_(\d+)[af]?")


class NVRTC(Protocol):
    """What the two ways to NVRTC have in common."""

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""

    def architectures(self) -> tuple[int, ...]:
        """The compute capabilities it compiles for: 90 is sm_90."""

    def compile(
        self, text: bytes, name: str, options: Sequence[str], to: str
    ) -> tuple[bytes | None, str]:
        """The result, or None if the text was rejected, and the log."""


@dataclass(frozen=True)
class _Bindings:
    """Through cuda-bindings."""

    api: ModuleType
    version: tuple[int, int]

    def _call(self, function: str, *arguments: Any) -> Any:
        status, *values = getattr(self.api, function)(*arguments)
        if status != self.api.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"{function}: {status.name}")
        return values[0] if len(values) == 1 else values

    def architectures(self) -> tuple[int, ...]:
        return tuple(self._call("nvrtcGetSupportedArchs"))

    def compile(
        self, text: bytes, name: str, options: Sequence[str], to: str
    ) -> tuple[bytes | None, str]:
        program = self._call("nvrtcCreateProgram", text, name.encode(), 0, [], [])
        try:
            encoded = [option.encode() for option in options]
            (status,) = self.api.nvrtcCompileProgram(program, len(encoded), encoded)
            log = bytearray(self._call("nvrtcGetProgramLogSize", program))
            self._call("nvrtcGetProgramLog", program, log)
            message = log.rstrip(b"\0").decode(errors="replace")
            if status != self.api.nvrtcResult.NVRTC_SUCCESS:
                return None, message or status.name
            kind = "CUBIN" if to == "cubin" else "PTX"
            result = bytearray(self._call(f"nvrtcGet{kind}Size", program))
            self._call(f"nvrtcGet{kind}", program, result)
            return bytes(result), message
        finally:
            self.api.nvrtcDestroyProgram(program)


@dataclass(frozen=True)
class _Cupy:
    """Through the module that CuPy carries."""

    api: Any
    version: tuple[int, int]

    def architectures(self) -> tuple[int, ...]:
        return tuple(self.api.getSupportedArchs())

    def compile(
        self, text: bytes, name: str, options: Sequence[str], to: str
    ) -> tuple[bytes | None, str]:
        program = self.api.createProgram(text.decode(), name, (), ())
        try:
            try:
                self.api.compileProgram(program, tuple(options))
            except self.api.NVRTCError as exc:
                return None, self.api.getProgramLog(program) or str(exc)
            get = self.api.getCUBIN if to == "cubin" else self.api.getPTX
            result = get(program)
            log = self.api.getProgramLog(program)
            return (result.encode() if isinstance(result, str) else bytes(result)), log
        finally:
            self.api.destroyProgram(program)


@cache
def find_nvrtc() -> NVRTC:
    """NVRTC, by whichever package is installed.

    Raises:
        BackendUnavailableError: neither package is installed, or the library is missing.
    """
    for make in (_find_bindings, _find_cupy):
        found = make()
        if found is not None:
            return found
    raise BackendUnavailableError(_MISSING)


def _find_bindings() -> NVRTC | None:
    try:
        api = import_module("cuda.bindings.nvrtc")
        status, major, minor = api.nvrtcVersion()
    except (ImportError, RuntimeError, OSError):
        return None
    if status != api.nvrtcResult.NVRTC_SUCCESS:
        return None
    return _Bindings(api, (major, minor))


def _find_cupy() -> NVRTC | None:
    try:
        api = import_module("cupy_backends.cuda.libs.nvrtc")
        return _Cupy(api, tuple(api.getVersion()))
    except (ImportError, RuntimeError, OSError):
        return None


def compile(
    source: str,
    arch: str,
    *,
    name: str,
    to: Literal["cubin", "ptx"] = "cubin",
    options: Sequence[str] = (),
    cache: BuildCache | None = None,
) -> bytes:
    """Compile generated source for a GPU, or find the result in the cache.

    Args:
        source: a whole translation unit.
        arch: ``"sm_90"`` and the like.
        name: of the kernel, for messages; actors of one text share the result.
        to: ``"cubin"`` (machine code) or ``"ptx"`` (text).
        options: for NVRTC, after the common ones.
        cache: where to look and to publish; by default the user's cache.

    Returns:
        The cubin, or the PTX without a trailing zero byte.

    Raises:
        ValueError: ``arch`` is not of the form ``sm_90``.
        BackendUnavailableError: NVRTC is not installed, or knows no such architecture.
        BuildError: the text was rejected.
    """
    made = compile_to_file(source, arch, name=name, to=to, options=options, cache=cache)
    return made.read_bytes()


def compile_to_file(
    source: str,
    arch: str,
    *,
    name: str,
    to: Literal["cubin", "ptx"] = "cubin",
    options: Sequence[str] = (),
    cache: BuildCache | None = None,
) -> Path:
    """As ``compile``; returns the path of the result in the cache."""
    found = _ARCH.fullmatch(arch)
    if found is None:
        raise ValueError(f"arch must have the form 'sm_90', not {arch!r}")
    nvrtc = find_nvrtc()
    _check_supported(nvrtc, arch, int(found.group(1)))
    arguments = (f"--gpu-architecture={arch}", *FLAGS, *options)
    key = key_of([source, to, "nvrtc", *map(str, nvrtc.version), *arguments])
    where = default_cache() if cache is None else cache

    def build(work: Path) -> Path:
        text = work / "kernel.cu"
        text.write_text(source, encoding="utf-8")
        result, log = nvrtc.compile(source.encode(), text.name, arguments, to)
        if result is None:
            raise BuildError(
                f"NVRTC could not compile kernel {name!r} for {arch}: {_headline(log)}",
                log=log,
                source_path=where.kept_path(key, text.name),
            )
        made = work / f"kernel.{to}"
        made.write_bytes(result.rstrip(b"\0") if to == "ptx" else result)
        return made

    return where.get_or_build(key, f".{to}", build, keep=".cu")


def _check_supported(nvrtc: NVRTC, arch: str, number: int) -> None:
    known = nvrtc.architectures()
    if number not in known:
        major, minor = nvrtc.version
        names = ", ".join(f"sm_{n}" for n in known)
        raise BackendUnavailableError(
            f"NVRTC {major}.{minor} cannot compile for {arch}; it can for {names}."
        )


def _headline(log: str) -> str:
    """The line of NVRTC's log that says most."""
    found = re.search(r"\b(?:error|catastrophic error): (.*)", log)
    return found.group(1) if found else log.strip().splitlines()[0]
