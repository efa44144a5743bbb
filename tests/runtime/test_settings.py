"""Settings: read when asked for, checked, and scoped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pydotcompute.errors import PyDotComputeError, SettingsError
from pydotcompute.settings import PREFIX, scope, settings

NAMES = ("BACKEND", "FALLBACK", "DUMP_DIR", "OVERRIDE_DIR", "CACHE_DIR")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(PREFIX + name, raising=False)


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    now = settings()
    assert (now.backend, now.fallback, now.dump_dir, now.override_dir) == ("auto", None, None, None)
    assert now.cache_dir == tmp_path / "pydotcompute"


def test_without_a_home_the_cache_is_in_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(homeless))
    assert settings().cache_dir.name.startswith("pydotcompute")


def test_the_environment_is_read_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", " native ")
    monkeypatch.setenv("PYDOTCOMPUTE_FALLBACK", "error")
    for name in NAMES[2:]:
        monkeypatch.setenv(PREFIX + name, str(tmp_path))
    now = settings()
    assert (now.backend, now.fallback) == ("native", "error")
    assert now.dump_dir == now.override_dir == now.cache_dir == tmp_path
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", "")
    assert settings().backend == "auto"


def test_values_that_mean_nothing_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", "gpu")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value) == (
        "PYDOTCOMPUTE_BACKEND is 'gpu'; it takes auto, cuda, native or python"
    )
    assert isinstance(caught.value, (PyDotComputeError, ValueError))
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", "auto")
    monkeypatch.setenv("PYDOTCOMPUTE_FALLBACK", "no")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value) == "PYDOTCOMPUTE_FALLBACK is 'no'; it takes allow, warn or error"
    monkeypatch.delenv("PYDOTCOMPUTE_FALLBACK")
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("PYDOTCOMPUTE_DUMP_DIR", str(file))
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value) == f"PYDOTCOMPUTE_DUMP_DIR is {str(file)!r}, which is not a folder"


def test_a_scope_overrides_and_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", "native")
    with scope(backend="python", dump_dir=tmp_path) as now:
        assert settings() == now
        assert (now.backend, now.dump_dir) == ("python", tmp_path)
        with scope(dump_dir=None):
            assert (settings().backend, settings().dump_dir) == ("python", None)
    assert (settings().backend, settings().dump_dir) == ("native", None)


def test_a_scope_is_seen_by_its_own_task_only() -> None:
    async def inside() -> str:
        with scope(backend="python"):
            await asyncio.sleep(0)
            return settings().backend

    async def both() -> tuple[str, str]:
        task = asyncio.create_task(inside())
        await asyncio.sleep(0)
        return settings().backend, await task

    assert asyncio.run(both()) == ("auto", "python")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            {"speed": 1},
            "there is no setting 'speed'; there are backend, cache_dir, debug_step, device, "
            "dump_dir, fallback, override_dir or verify",
        ),
        ({"backend": "gpu"}, "backend is 'gpu'; it takes auto, cuda, native or python"),
        ({"backend": None}, "backend is None; it takes auto, cuda, native or python"),
        ({"dump_dir": 5}, "dump_dir takes the path of a folder, not 5"),
    ],
)
def test_wrong_overrides(overrides: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as caught, scope(**overrides):
        pass
    assert str(caught.value) == text
