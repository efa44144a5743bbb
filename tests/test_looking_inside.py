"""Dump, edit, override: the way around that ``docs/looking-inside.md`` describes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import BuildError, RingKernelRuntime
from pydotcompute.examples import doubler
from pydotcompute.settings import scope


async def double(value: int) -> Any:
    async with RingKernelRuntime(backend="native") as runtime:
        kernel = await runtime.launch("doubler", doubler.doubler)
        await kernel.activate()
        await kernel.send(doubler.Request(value))
        return (await kernel.receive(timeout=20.0)).result


def edited(folder: Path, old: str, new: str) -> None:
    file = folder / "doubler" / "kernel.cu"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_dump_edit_override(tmp_path: Path) -> None:
    with scope(dump_dir=tmp_path):
        assert asyncio.run(double(21)) == 42
    written = sorted(os.listdir(tmp_path / "doubler"))
    assert written == ["actor.py", "build.log", "ir.txt", "kernel.cu", "layout.txt"]
    assert "async def doubler" in (tmp_path / "doubler" / "actor.py").read_text("utf-8")

    edited(tmp_path, "request.value, 2)", "request.value, 3)")
    with scope(override_dir=tmp_path):
        assert asyncio.run(double(21)) == 63
    assert asyncio.run(double(21)) == 42

    edited(tmp_path, "request.value, 3)", "request.value 3)")
    with scope(override_dir=tmp_path), pytest.raises(BuildError) as caught:
        asyncio.run(double(21))
    assert "could not compile kernel 'doubler'" in str(caught.value)
    assert "doubler.py:" in caught.value.log
    assert caught.value.source_path is not None
    assert caught.value.source_path.is_file()
