"""The cache of compiled kernels on disk: finds an entry by its key, or builds and publishes it.

In: the parts of a key (source text, flags, compiler, ...) and a function that builds the file.
Out: the path of a file whose content is known to be what was published.

Layout: ``<root>/<key>/<digest><suffix>``.  The name carries the digest of the content, so one
atomic rename publishes an entry together with what validates it, and a torn, truncated or edited
file is seen on reading and built anew.  Directories are private (0700): a cache that others can
write to would run their code.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from pydotcompute.errors import BuildError
from pydotcompute.settings import settings
from pydotcompute.support import notices

MAX_ENTRIES = 2000
"""Entries kept; beyond that the least recently used go."""


def key_of(parts: Iterable[str | bytes]) -> str:
    """The key of an entry.

    Args:
        parts: everything that decides the content; the boundaries between parts count.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


class BuildCache:
    """A directory of build results.

    Args:
        root: the directory, made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._fallback: Path | None = None

    def get_or_build(
        self, key: str, suffix: str, build: Callable[[Path], Path], *, keep: str = ""
    ) -> Path:
        """The entry of a key, built if there is no valid one.

        Args:
            key: from ``key_of``.
            suffix: of the file: ``".so"``, ``".cubin"``.
            build: gets an empty directory, makes the file anywhere in it, returns its path.
            keep: suffix of files in that directory to keep (under ``failed``) if it raises.

        Returns:
            The path of the published file.

        Raises:
            Exception: whatever ``build`` raises; nothing is published then.
            BuildError: no folder has room for it.
        """
        found = self._find(key, suffix)
        if found is not None:
            return found
        try:
            return self._build(key, suffix, build, keep)
        except (OSError, BuildError) as error:
            if not _is_full(error):
                raise
        try:
            if self._fallback is None:
                self._fall_back(os.strerror(errno.ENOSPC), "with room")
            return self._build(key, suffix, build, keep)
        except OSError as error:
            where = self._fallback or tempfile.gettempdir()
            raise BuildError(
                f"Compiled code cannot be written to {where} ({error.strerror or error}); make "
                "room there, or set PYDOTCOMPUTE_CACHE_DIR to a directory with room."
            ) from error

    def _build(self, key: str, suffix: str, build: Callable[[Path], Path], keep: str) -> Path:
        root = self._writable_root()
        with tempfile.TemporaryDirectory(prefix="build-", dir=root) as work:
            try:
                made = build(Path(work))
            except BaseException:
                self._keep(root, Path(work), key, keep)
                raise
            return self._publish(root, key, suffix, made)

    def kept_path(self, key: str, file_name: str) -> Path:
        """Where a file of a failing build is kept."""
        return self._writable_root() / "failed" / f"{key[:8]}-{file_name}"

    def _find(self, key: str, suffix: str) -> Path | None:
        for root in (self._fallback, self.root):
            if root is None or not _is_private(root):
                continue
            for path in sorted((root / key).glob(f"*{suffix}")):
                if _digest(path) == path.name.removesuffix(suffix):
                    _touch(path)
                    return path
                _discard(path)
        return None

    def _publish(self, root: Path, key: str, suffix: str, made: Path) -> Path:
        digest = _digest(made)
        assert digest is not None, made
        target = root / key / f"{digest}{suffix}"
        target.parent.mkdir(mode=0o700, exist_ok=True)
        made.chmod(0o700)
        made.replace(target)
        _prune(root, spare=key)
        return target

    def _keep(self, root: Path, work: Path, key: str, suffix: str) -> None:
        if not suffix:
            return
        for path in work.glob(f"*{suffix}"):
            target = self.kept_path(key, path.name)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            path.replace(target)

    def _writable_root(self) -> Path:
        if self._fallback is not None:
            return self._fallback
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self.root):
                return self._fall_back("other users can write to it")
            with tempfile.TemporaryFile(dir=self.root):
                return self.root
        except OSError as exc:
            return self._fall_back(exc.strerror or str(exc))

    def _fall_back(self, why: str, good: str = "that only you can write to") -> Path:
        """Use a private directory for this process, and say so once."""
        self._fallback = Path(tempfile.mkdtemp(prefix="pydotcompute-"))
        atexit.register(shutil.rmtree, self._fallback, ignore_errors=True)
        text = (
            f"The build cache {self.root} cannot be used ({why}), so compiled "
            "kernels are kept for this process only; set PYDOTCOMPUTE_CACHE_DIR to a directory "
            f"{good}."
        )
        notices.warn(text, RuntimeWarning)
        return self._fallback


def _is_full(error: OSError | BuildError) -> bool:
    """Whether there is no room on the disk, by the system's word or by a compiler's."""
    if isinstance(error, BuildError):
        return os.strerror(errno.ENOSPC) in error.log
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_private(root: Path) -> bool:
    """Whether nobody but the user (and root) can put files there."""
    if not hasattr(os, "geteuid"):
        return root.is_dir()
    try:
        status = root.stat()
    except OSError:
        return False
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & others


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except OSError:
        return None


def _touch(path: Path) -> None:
    """Mark an entry as used; a cache that is only readable stays as it is."""
    try:
        os.utime(path.parent)
    except OSError:
        return


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _prune(root: Path, *, spare: str) -> None:
    """Drop the least recently used entries.  Files that are loaded stay mapped; another process
    that loses the race for an entry builds it again."""
    entries = [entry for entry in os.scandir(root) if len(entry.name) == 32]
    if len(entries) <= MAX_ENTRIES:
        return
    dated = []
    for entry in entries:
        try:
            dated.append((entry.stat().st_mtime_ns, entry.name))
        except OSError:
            continue
    for _, name in sorted(dated)[: len(dated) - MAX_ENTRIES * 3 // 4]:
        if name != spare:
            shutil.rmtree(root / name, ignore_errors=True)


_caches: dict[Path, BuildCache] = {}


def default_cache() -> BuildCache:
    """The cache that the settings ask for now."""
    root = settings().cache_dir
    return _caches.setdefault(root, BuildCache(root))
