"""Contract, sections 7, 9.14, 9.16: looking inside, the environment, the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydotcompute import (
    BackendUnavailableError,
    KernelContext,
    LoweringError,
    RingKernelRuntime,
    ring_kernel,
)
from pydotcompute.testing import assert_backends_agree, messages
from tests.support.contract import Answer, Job, decorated, go, plain, tally

ROOT = Path(__file__).parents[2]


def test_a_lowering_of_an_actor_that_lowers() -> None:
    for function in (tally, plain):
        lowering = decorated(function).lower()
        assert lowering.ok, lowering.explain()
        assert not lowering.diagnostics
        assert "total" in lowering.ir
        assert "#line" in lowering.source
        assert "contract.py" in lowering.source
        assert Path(lowering.native_library()).is_file()
        text = lowering.explain()
        for word in ("total", "Job", "Answer"):
            assert word in text
        assert "<" in lowering.html()
        assert "await ctx.receive" in lowering.html()
        assert lowering._repr_html_()


async def reads_files(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        with open("x") as file:
            await ctx.send(Answer(job.value + len(file.read())))


def test_a_lowering_of_an_actor_that_does_not() -> None:
    lowering = decorated(reads_files).lower()
    assert not lowering.ok
    assert lowering.source == ""
    first = lowering.diagnostics[0]
    line = Path(first.file).read_text("utf-8").splitlines()[first.line - 1]
    assert "with open" in line
    assert 1 <= first.column <= len(line)
    assert (first.end_line, first.end_column) >= (first.line, first.column)
    assert line[first.column - 1] != " "
    for name in ("code", "message", "notes", "hint"):
        assert hasattr(first, name)
    assert first.code
    assert first.message
    assert f"line {first.line}" in lowering.explain()
    assert lowering.html()


def test_ptx_and_cubin_need_no_gpu() -> None:
    lowering = decorated(plain).lower()
    try:
        ptx = lowering.ptx(arch="sm_90")
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    assert ".target sm_90" in (ptx if isinstance(ptx, str) else ptx.decode())
    assert len(lowering.cubin("sm_90")) > 1000


def _run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pydotcompute", *command], capture_output=True, text=True,
        timeout=60, check=False, cwd=ROOT, env={**os.environ, **env},
    )  # fmt: skip


@pytest.mark.parametrize("stage", ["explain", "ir", "source", "layout", "html"])
def test_inspect(stage: str, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    done = _run("inspect", "examples/doubler.py:doubler", "--stage", stage, "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 50


def test_inspect_complains_in_a_sentence() -> None:
    for target in ("nowhere.py:x", "examples/doubler.py:nobody", "examples/doubler.py", "x"):
        done = _run("inspect", target)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


def test_doctor() -> None:
    done = _run("doctor")
    assert done.returncode == 0
    for word in ("python", "native", "cuda"):
        assert word in done.stdout
    bare = _run("doctor", PATH="/nonexistent", CXX="/nonexistent/c++")
    assert "Traceback" not in bare.stderr


SCRIPT = """
import asyncio, sys
from pydotcompute import RingKernelRuntime
from tests.support.contract import Job, plain, decorated
async def main():
    async with RingKernelRuntime() as runtime:
        kernel = await runtime.launch("plain", decorated(plain))
        await kernel.activate()
        print(kernel.backend, (await kernel.request(Job(21))).value)
        print(kernel.reason, file=sys.stderr)
asyncio.run(main())
"""


def _script(text: str = SCRIPT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False,
        cwd=ROOT, env={**os.environ, **env},
    )  # fmt: skip


def test_environment(tmp_path: Path) -> None:
    assert _script(PYDOTCOMPUTE_BACKEND="python").stdout.startswith("python 42\n")
    assert _script(PYDOTCOMPUTE_BACKEND="native").stdout.startswith("native 42\n")
    wrong = _script(PYDOTCOMPUTE_BACKEND="fortran")
    assert "PYDOTCOMPUTE_BACKEND" in wrong.stderr
    assert "fortran" in wrong.stderr
    done = _script(PYDOTCOMPUTE_CACHE_DIR=str(tmp_path / "cache"))
    assert done.stdout.startswith("native 42\n")
    assert any((tmp_path / "cache").rglob("*.so"))
    done = _script(PYDOTCOMPUTE_DUMP_DIR=str(tmp_path / "dump"))
    names = {each.name for each in (tmp_path / "dump").rglob("*") if each.is_file()}
    assert names == {"actor.py", "ir.txt", "kernel.cu", "layout.txt", "build.log"}


def test_without_a_compiler(tmp_path: Path) -> None:
    env = {
        "PATH": str(tmp_path), "CXX": "", "PYDOTCOMPUTE_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip
    hidden = 'import sys; sys.modules["ziglang"] = None\n' + SCRIPT
    done = _script(hidden, **env)
    assert done.stdout.startswith("python 42\n"), done.stderr
    assert "pip install" in done.stderr
    done = _script(hidden.replace("Runtime()", "Runtime(backend='native')"), **env)
    assert "BackendUnavailableError" in done.stderr
    assert "pip install" in done.stderr


def test_a_corrupt_cache_heals(tmp_path: Path) -> None:
    env = {"PYDOTCOMPUTE_CACHE_DIR": str(tmp_path)}
    assert _script(**env).stdout.startswith("native 42\n")
    libraries = list(tmp_path.rglob("*.so"))
    assert libraries
    for library in libraries:
        library.chmod(0o600)
        library.write_bytes(b"garbage")
    assert _script(**env).stdout.startswith("native 42\n")
    for library in libraries:
        library.chmod(0o600)
        library.write_bytes(b"")
    assert _script(**env).stdout.startswith("native 42\n")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = _script(PYDOTCOMPUTE_CACHE_DIR=str(tmp_path / "file" / "below"))
    assert done.stdout.startswith("native 42\n"), done.stderr


def test_testing_helpers() -> None:
    from hypothesis import find

    job = find(messages(Job), lambda job: job.value > 100)
    assert isinstance(job, Job)
    assert_backends_agree(decorated(plain), Job.array(value=np.arange(50)))
    assert_backends_agree(decorated(plain), [Job(n) for n in range(5)])


async def lying(ctx: KernelContext[Job, Answer]) -> None:
    while not ctx.should_terminate:
        job = await ctx.receive()
        await ctx.send(Answer(job.value))


def test_cuda_by_name() -> None:
    async def probe() -> None:
        for fallback in ("allow", "error"):
            async with RingKernelRuntime(fallback=fallback) as runtime:
                try:
                    kernel = await runtime.launch("lying", decorated(lying), backend="cuda")
                except BackendUnavailableError:
                    continue
                assert kernel.backend == "cuda"

    go(probe)
    for wrong in ({"backend": "fortran"}, {"fallback": "maybe"}):
        with pytest.raises(ValueError):
            RingKernelRuntime(**wrong)  # type: ignore[arg-type]


def test_a_registered_actor_is_launched_by_its_id(way: str) -> None:
    actor: Any = ring_kernel(kernel_id="contract inside")(lying)

    async def probe() -> None:
        async with RingKernelRuntime(backend=way) as runtime:
            kernel = await runtime.launch("contract inside")
            assert kernel.kernel_id == actor.kernel_id
            assert repr(kernel)
            if way != "python":
                assert kernel.lowering.ok
                assert kernel.reason is None
            else:
                assert kernel.reason

    go(probe)


def test_the_environment_gives_defaults_and_overrules_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_FALLBACK", "allow")

    async def probe() -> None:
        async with RingKernelRuntime(fallback="error") as runtime:
            with pytest.raises(LoweringError):
                await runtime.launch("reads_files", decorated(reads_files))
        async with RingKernelRuntime() as runtime:  # no warning
            kernel = await runtime.launch("reads_files", decorated(reads_files))
            assert kernel.backend == "python"

    go(probe)
