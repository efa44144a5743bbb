"""The host C++ compiler: finds one, and turns generated source into a shared library.

In: C++ text.  Out: the path of a library in the build cache.  Only here and in the native backend
do subprocesses start.

The flags keep floats as CPython computes them: no contraction, no fast-math, and no built-in
versions of the C library's functions, because compilers evaluate calls of constants with a
library of their own.  ``-fno-math-errno`` only allows ``sqrt`` as one (exact) instruction.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydotcompute.errors import BackendUnavailableError, BuildError
from pydotcompute.toolchain.build_cache import BuildCache, default_cache, key_of

FLAGS = (
    "-x", "c++", "-std=c++17", "-O2", "-fPIC", "-shared", "-w",
    "-fno-exceptions", "-fno-rtti", "-fwrapv", "-fno-strict-aliasing", "-fvisibility=hidden",
    "-ffp-contract=off", "-fno-fast-math", "-fno-math-errno", "-fno-builtin",
)  # fmt: skip
"""For every compiler.  ``-w``: generated code is not the place for warnings."""

_LINK = (
    ("-nostartfiles", "-nodefaultlibs", "-Wl,-z,defs", "-lm", "-lc")
    if sys.platform == "linux"
    else ()
)
"""The text needs the C library only, and leaving the rest out halves the time to link; should it
need more after all, linking fails rather than loading."""

_TIMEOUT = 300.0
"""Seconds for one compilation; the first of ``zig c++`` on a machine takes a minute."""

_MISSING = (
    "The native backend needs a C++ compiler and none was found; run `pip install ziglang`, "
    "or install g++ or clang++, or set CXX to one."
)


_MADE: dict[tuple[Any, ...], Path] = {}
"""Libraries that this process has asked for, by text, compiler, options and folder: a launch of a
known actor need not hash its text again."""
_REMEMBERED = 1024


@dataclass(frozen=True)
class HostCompiler:
    """A compiler that has been seen to run.

    Args:
        command: what starts it, without options.
        version: the first line of its ``--version``.
    """

    command: tuple[str, ...]
    version: str

    @cached_property
    def is_zig(self) -> bool:
        """Whether it is ``zig c++``, which needs to be told not to use the CPU at hand."""
        return "ziglang" in self.command or Path(self.command[0]).stem == "zig"

    def arguments(self, flags: Sequence[str] = ()) -> tuple[str, ...]:
        """All options of a compilation, files left out.

        Args:
            flags: options after the common ones.
        """
        own = ("-mcpu=baseline", "-fno-sanitize=all") if self.is_zig else ()
        return (*FLAGS, *own, *flags)

    def compile_shared(
        self,
        source_text: str,
        *,
        name: str,
        flags: Sequence[str] = (),
        cache: BuildCache | None = None,
    ) -> Path:
        """Compile C++ text to a shared library, or find it in the cache.

        Args:
            source_text: a whole translation unit.
            name: of the kernel, for file names and messages.
            flags: options after the common ones.
            cache: where to look and to publish; by default the user's cache.

        Returns:
            The path of the library.

        Raises:
            BuildError: the compiler rejected the text, could not be run, or took too long.
        """
        where = default_cache() if cache is None else cache
        arguments = self.arguments(flags)
        asked = (source_text, self, arguments, where.root)
        known = _MADE.get(asked)
        if known is not None and known.is_file():
            return known
        cpu = _cpu() if any(flag.startswith(("-march", "-mcpu")) for flag in flags) else ""
        key = key_of(
            [source_text, *arguments, *_LINK, *self.command, self.version, _machine(), cpu]
        )
        stem = re.sub(r"\W+", "_", name, flags=re.ASCII)[:64] or "kernel"

        def build(work: Path) -> Path:
            source, made = work / f"{stem}.cpp", work / f"{stem}.so"
            source.write_text(source_text, encoding="utf-8")
            command = [*self.command, *arguments, str(source), "-o", str(made), *_LINK]
            problem = _run(command, work)
            if problem is None and not made.is_file():
                problem = "The compiler reported success and wrote no library."
            if problem is not None:
                raise BuildError(
                    f"The C++ compiler {shlex.join(self.command)} could not compile kernel "
                    f"{name!r}: {_headline(problem)}",
                    log=problem,
                    source_path=where.kept_path(key, source.name),
                )
            return made

        made = where.get_or_build(key, ".so", build, keep=".cpp")
        if len(_MADE) >= _REMEMBERED:
            _MADE.clear()
        _MADE[asked] = made
        return made


def _run(command: Sequence[str], work: Path) -> str | None:
    """Run a compiler; None if it succeeded, else what it had to say."""
    try:
        done = subprocess.run(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"It did not end within {_TIMEOUT:.0f} seconds."
    except OSError as exc:
        return f"It could not be started: {exc.strerror or exc}."
    if done.returncode == 0:
        return None
    return done.stdout.strip() or f"It ended with exit status {done.returncode} and no message."


def _headline(log: str) -> str:
    """The line of a compiler's log that says most."""
    lines = log.splitlines()
    for line in lines:
        found = re.search(r"\berror: (?!ld returned)(.*)|(undefined (?:reference|symbol).*)", line)
        if found:
            return found.group(1) or found.group(2)
    return lines[0]


def _machine() -> str:
    return f"{sys.platform} {platform.machine()}"


@cache
def _cpu() -> str:
    """What distinguishes this CPU, for libraries compiled for the CPU at hand."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = [line for line, _ in zip(file, range(64), strict=False)]
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))


def find_compiler() -> HostCompiler:
    """The C++ compiler to use: ``$CXX`` if set, else ``c++``, ``g++``, ``clang++``, ``zig c++``.

    Returns:
        The first that runs.

    Raises:
        BackendUnavailableError: there is none, or ``$CXX`` does not run.
    """
    return _find(os.environ.get("CXX", "").strip(), os.environ.get("PATH", ""))


@cache
def _find(chosen: str, path: str) -> HostCompiler:
    if chosen:
        command = _split(chosen)
        version = _version(command)
        if version is None:
            raise BackendUnavailableError(
                f"CXX is set to {chosen!r}, which cannot be run as a C++ compiler; "
                "correct it or unset it."
            )
        return HostCompiler(command, version)
    for name in ("c++", "g++", "clang++"):
        found = shutil.which(name, path=path)
        if found is not None and (version := _version((found,))) is not None:
            return HostCompiler((found,), version)
    if find_spec("ziglang") is not None:
        command = (sys.executable, "-m", "ziglang", "c++")
        if (version := _version(command)) is not None:
            return HostCompiler(command, version)
    raise BackendUnavailableError(_MISSING)


def _split(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:  # an open quote: no command has that name
        return (text,)


def _version(command: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30.0,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return lines[0] if done.returncode == 0 and lines else None
