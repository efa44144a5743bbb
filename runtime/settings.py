"""The environment variables of pydotcompute: all of them, typed and checked.

Input: ``PYDOTCOMPUTE_*``, read when asked for and never before.  Output: a frozen ``Settings``.

=============================  ==============================================================
``PYDOTCOMPUTE_BACKEND``       auto, cuda, native or python: what ``backend="auto"`` means
``PYDOTCOMPUTE_FALLBACK``      allow, warn or error: what an actor that cannot be lowered gets
``PYDOTCOMPUTE_DUMP_DIR``      folder for everything made on the way, a subfolder per kernel
``PYDOTCOMPUTE_OVERRIDE_DIR``  folder with edited ``kernel.cu`` files to load instead
``PYDOTCOMPUTE_CACHE_DIR``     folder for compiled code
``PYDOTCOMPUTE_DEVICE``        gpu; for tests also emulated, or module:class of another device
``PYDOTCOMPUTE_VERIFY``        each: check the IR before and after each pass, for tests; or end
``PYDOTCOMPUTE_DEBUG_STEP``    resident kernels end after so many looks at their queues (for tools)
=============================  ==============================================================
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydotcompute.errors import SettingsError

Backend = Literal["auto", "cuda", "native", "python"]
Fallback = Literal["allow", "warn", "error"]
_DEVICES = ("gpu", "emulated")
Verify = Literal["end", "each"]

PREFIX = "PYDOTCOMPUTE_"
_FACTORY = re.compile(r"[\w.]+:\w+")
_CHOICES: dict[str, tuple[str, ...]] = {
    "backend": get_args(Backend),
    "fallback": get_args(Fallback),
    "device": _DEVICES,
    "verify": get_args(Verify),
}


@dataclass(frozen=True)
class Settings:
    """What the environment asks for.

    Args:
        backend: what ``backend="auto"`` means.
        fallback: what happens to an actor that cannot be lowered; None: the variable is not
            set, and the runtime's own argument counts.
        dump_dir: where to write what is made on the way, or None.
        override_dir: where to look for edited sources, or None.
        cache_dir: where compiled code is kept.
        device: what the cuda backend runs on: ``"gpu"``, ``"emulated"``, or ``"module:class"``,
            which is called without arguments and gives a ``backends.device.Device``.
        verify: whether the IR is checked before and after each pass of the compiler, or once, at
            the end.
        debug_step: for compute-sanitizer, cuda-gdb and ncu: resident kernels end after so many
            visits, whatever the clock says; 0 for the clock.
    """

    backend: Backend = "auto"
    fallback: Fallback | None = None
    dump_dir: Path | None = None
    override_dir: Path | None = None
    cache_dir: Path = Path()
    device: str = "gpu"
    verify: Verify = "end"
    debug_step: int = 0


_scoped: ContextVar[Mapping[str, Any]] = ContextVar("pydotcompute_settings", default={})  # noqa: B039


def settings() -> Settings:
    """The settings as they are now: overrides of a ``scope``, then the environment, then defaults.

    Raises:
        SettingsError: a variable has a value that means nothing; the text names it.
    """
    found, overrides = _of_environment(tuple(map(os.environ.get, _VARIABLES))), _scoped.get()
    return replace(found, **overrides) if overrides else found


_VARIABLES = (*(f"{PREFIX}{each.name.upper()}" for each in fields(Settings)),
              "XDG_CACHE_HOME", "HOME", "USERPROFILE", "TMPDIR")  # fmt: skip


@lru_cache(maxsize=1)  # a launch asks six times
def _of_environment(values: tuple[str | None, ...]) -> Settings:
    """The settings for these values of ``_VARIABLES``."""
    found: dict[str, Any] = {"cache_dir": _default_cache(os.environ)}
    for field, name, value in zip(fields(Settings), _VARIABLES, values, strict=False):
        if value is not None and (text := value.strip()):
            found[field.name] = _read(field.name, text, name)
    return Settings(**found)


@contextmanager
def scope(**overrides: Any) -> Iterator[Settings]:
    """Settings for a block of code, in this task or thread only.

    Args:
        overrides: by field name of ``Settings``; folders as strings or paths.

    Raises:
        SettingsError: no such setting, or a value that means nothing.

    Example:
        >>> with scope(backend="python") as now:
        ...     now.backend
        'python'
    """
    known = {field.name: field.default for field in fields(Settings)}
    made = {}
    for name, value in overrides.items():
        if name not in known:
            raise SettingsError(f"there is no setting {name!r}; there are {_listed(sorted(known))}")
        unset = value is None and known[name] is None
        made[name] = None if unset else _read(name, value, name)
    token = _scoped.set({**_scoped.get(), **made})
    try:
        yield settings()
    finally:
        _scoped.reset(token)


def _read(name: str, value: Any, shown: str) -> Any:
    choices = _CHOICES.get(name)
    if name == "debug_step":
        if not str(value).isdecimal():
            raise SettingsError(f"{shown} is {value!r}; it takes a whole number, 0 or more")
        return int(value)
    if choices is None:
        if not isinstance(value, (str, os.PathLike)):
            raise SettingsError(f"{shown} takes the path of a folder, not {value!r}")
        path = Path(value).expanduser()
        if path.exists() and not path.is_dir():
            raise SettingsError(f"{shown} is {str(path)!r}, which is not a folder")
        return path
    if name == "device" and isinstance(value, str) and _FACTORY.fullmatch(value):
        return value
    if value not in choices:
        raise SettingsError(f"{shown} is {value!r}; it takes {_listed(choices)}")
    return value


def _listed(names: Any) -> str:
    *head, last = names
    return f"{', '.join(head)} or {last}"


def _default_cache(environ: Mapping[str, str]) -> Path:
    """The user's cache folder, by the XDG rules; a private temporary one without a home."""
    base = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "pydotcompute"
    try:
        return Path.home() / ".cache" / "pydotcompute"
    except RuntimeError:  # no home at all, as in some containers
        return Path(tempfile.gettempdir()) / f"pydotcompute-{os.getuid()}"
