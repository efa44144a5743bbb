"""The cache of compiled kernels: hits, healing, privacy, and what happens without a good folder."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from pydotcompute import BuildError
from pydotcompute.toolchain import build_cache
from pydotcompute.toolchain.build_cache import BuildCache, key_of

KEY = key_of(["some", "key"])


class Builder:
    """Builds a file and counts how often."""

    def __init__(self, content: bytes = b"content") -> None:
        self.content, self.calls = content, 0

    def __call__(self, work: Path) -> Path:
        self.calls += 1
        made = work / "made.so"
        made.write_bytes(self.content)
        return made


def get(cache: BuildCache, build: Callable[[Path], Path], key: str = KEY) -> Path:
    return cache.get_or_build(key, ".so", build)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_key_depends_on_every_part_and_its_boundaries() -> None:
    keys = {key_of(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""], [b"x"])}
    assert len(keys) == 5
    assert key_of(["ab"]) == key_of([b"ab"])


def test_built_once_and_found_by_another_process(root: Path) -> None:
    build = Builder()
    first = get(BuildCache(root), build)
    assert get(BuildCache(root), build) == first
    assert build.calls == 1
    assert first.read_bytes() == b"content"


def test_nothing_is_left_behind(root: Path) -> None:
    get(BuildCache(root), Builder())
    assert [path.name for path in root.iterdir()] == [KEY]


def test_directories_and_entries_are_private(root: Path) -> None:
    path = get(BuildCache(root), Builder())
    for item in (root, path.parent, path):
        assert stat.S_IMODE(item.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"conten", b"Content", b"content and more"])
def test_corrupt_entry_is_built_anew(root: Path, damage: bytes) -> None:
    build = Builder()
    path = get(BuildCache(root), build)
    path.write_bytes(damage)
    healed = get(BuildCache(root), build)
    assert healed.read_bytes() == b"content"
    assert build.calls == 2


def test_entry_that_is_no_file_is_built_anew(root: Path) -> None:
    (root / KEY / "0123.so").mkdir(parents=True)
    root.chmod(0o700)
    assert get(BuildCache(root), Builder()).read_bytes() == b"content"


def test_failing_build_publishes_nothing_and_keeps_the_source(root: Path) -> None:
    cache = BuildCache(root)

    def fail(work: Path) -> Path:
        (work / "kernel.cpp").write_text("int f(")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=r"^no$"):
        cache.get_or_build(KEY, ".so", fail, keep=".cpp")
    assert cache.kept_path(KEY, "kernel.cpp").read_text() == "int f("
    assert [path.name for path in root.iterdir()] == ["failed"]
    assert get(cache, Builder()).read_bytes() == b"content"


def test_root_that_cannot_be_made_falls_back_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = BuildCache(tmp_path / "file" / "cache")
    build = Builder()
    with pytest.warns(RuntimeWarning) as caught:
        path = get(cache, build)
    assert str(caught[0].message) == (
        f"The build cache {tmp_path / 'file' / 'cache'} cannot be used (Not a directory), so "
        "compiled kernels are kept for this process only; set PYDOTCOMPUTE_CACHE_DIR to a "
        "directory that only you can write to."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get(cache, build) == path
        get(cache, build, key_of(["another"]))
    assert build.calls == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_root_is_still_read(root: Path) -> None:
    path = get(BuildCache(root), Builder())
    root.chmod(0o500)
    try:
        assert get(BuildCache(root), Builder()) == path
        with pytest.warns(RuntimeWarning, match="cannot be used"):
            get(BuildCache(root), Builder(), key_of(["another"]))
    finally:
        root.chmod(0o700)


def test_unwritable_root_by_any_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = get(BuildCache(root), Builder())

    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(build_cache.tempfile, "TemporaryFile", refuse)
    assert get(BuildCache(root), Builder()) == path
    with pytest.warns(RuntimeWarning, match=r"cannot be used \(Read-only file system\)"):
        get(BuildCache(root), Builder(), key_of(["another"]))


class FullDisk(Builder):
    """Finds no room below some folders, by itself or by what a compiler says."""

    def __init__(self, *folders: Path, compiler: bool = False) -> None:
        super().__init__()
        self.folders, self.compiler = folders, compiler

    def __call__(self, work: Path) -> Path:
        made = super().__call__(work)
        if any(made.is_relative_to(folder) for folder in self.folders):
            if self.compiler:
                raise BuildError("it broke off", log="fatal error: ld: No space left on device")
            raise OSError(errno.ENOSPC, "No space left on device", str(made))
        return made


@pytest.mark.parametrize("compiler", [False, True])
def test_a_full_disk_is_left_with_one_warning(root: Path, compiler: bool) -> None:
    cache, build = BuildCache(root), FullDisk(root, compiler=compiler)
    with pytest.warns(RuntimeWarning) as caught:
        path = get(cache, build)
    assert path.read_bytes() == b"content"
    assert not path.is_relative_to(root)
    assert [str(each.message) for each in caught] == [
        f"The build cache {root} cannot be used (No space left on device), so compiled kernels "
        "are kept for this process only; set PYDOTCOMPUTE_CACHE_DIR to a directory with room."
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get(cache, build) == path


def test_no_room_anywhere(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cache.tempfile, "tempdir", str(tmp_path))
    cache = BuildCache(root)
    with pytest.warns(RuntimeWarning), pytest.raises(BuildError) as caught:
        get(cache, FullDisk(tmp_path))
    assert str(caught.value) == (
        f"Compiled code cannot be written to {cache._fallback} (No space left on device); make "
        "room there, or set PYDOTCOMPUTE_CACHE_DIR to a directory with room."
    )


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_root_that_others_can_write_to_is_not_trusted(root: Path, mode: int) -> None:
    planted = get(BuildCache(root), Builder(b"planted"))
    root.chmod(mode)
    with pytest.warns(RuntimeWarning, match="other users can write to it"):
        path = get(BuildCache(root), Builder())
    assert path != planted
    assert path.read_bytes() == b"content"


def test_least_recently_used_entries_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cache, "MAX_ENTRIES", 8)
    cache = BuildCache(root)
    keys = [key_of([str(n)]) for n in range(8)]
    for age, key in enumerate(keys):
        path = get(cache, Builder(), key)
        os.utime(path.parent, (1000 + age, 1000 + age))
    get(cache, Builder(), keys[0])  # used again: now the youngest
    get(cache, Builder(), KEY)
    left = {path.name for path in root.iterdir()}
    assert left == {keys[0], *keys[4:], KEY}


def test_many_processes_at_once_agree(root: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from pydotcompute.toolchain.build_cache import BuildCache

        def build(work):
            made = work / "made.so"
            made.write_bytes(b"content" * 100000)
            return made

        for n in range(20):
            path = BuildCache(Path(sys.argv[1])).get_or_build(f"{n:032}", ".so", build)
            assert path.read_bytes() == b"content" * 100000
        """
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(root)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        _, log = process.communicate()
        assert process.returncode == 0, log.decode()
    assert len(list(root.glob("*/*.so"))) == 20
