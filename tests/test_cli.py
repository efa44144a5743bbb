"""The ``pydotcompute`` command: what it prints, its complaints word for word, its exit status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pydotcompute.cli import STAGES, main
from pydotcompute.decorator import registry

ACTORS = """
from dataclasses import dataclass
from pydotcompute import KernelContext, message, ring_kernel

@message
@dataclass
class Request:
    value: int

@message
@dataclass
class Response:
    result: int

@ring_kernel(kernel_id="twice")
async def doubler(ctx: KernelContext[Request, Response]):
    while not ctx.should_terminate:
        request = await ctx.receive()
        await ctx.send(Response(result=request.value * 2))

@ring_kernel(kernel_id="untyped")
async def untyped(ctx):
    while not ctx.should_terminate:
        request = await ctx.receive()
        await ctx.send(Response(result=request.value + 1))

@ring_kernel(kernel_id="reader")
async def reader(ctx: KernelContext[Request, Response]):
    while not ctx.should_terminate:
        request = await ctx.receive()
        with open("numbers.txt") as file:
            await ctx.send(Response(result=len(file.read())))

def plain():
    pass
"""


@pytest.fixture
def actors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "_kernels", {})
    monkeypatch.chdir(tmp_path)
    Path("actors.py").write_text(ACTORS, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("actors")
@pytest.mark.parametrize("stage", STAGES)
def test_inspect_shows_every_stage(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "actors.py:doubler", "--stage", stage]) == 0
    seen = {
        "explain": "native",
        "ir": "value",
        "source": "pdc_burst",
        "ptx": ".target sm_90",
        "layout": "Request",
        "html": "<",
    }
    assert seen[stage] in capsys.readouterr().out


@pytest.mark.usefixtures("actors")
def test_inspect_finds_by_kernel_id_and_writes_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "actors.py:twice", "--stage", "source", "-o", "kernel.cu"]) == 0
    assert capsys.readouterr().out == ""
    assert "pdc_burst" in Path("kernel.cu").read_text(encoding="utf-8")


@pytest.mark.usefixtures("actors")
def test_inspect_takes_the_types_of_an_untyped_actor(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["inspect", "actors.py:untyped", "--input", "Request", "--output", "Response"]
    assert main([*command, "--stage", "source"]) == 0
    assert "pdc_burst" in capsys.readouterr().out


@pytest.mark.usefixtures("actors")
@pytest.mark.parametrize("stage", STAGES)
def test_inspect_says_why_an_actor_does_not_lower(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "actors.py:reader", "--stage", stage]) == 1
    printed, complaints = capsys.readouterr()
    told, silent = (printed, complaints) if stage in ("explain", "html") else (complaints, printed)
    assert "with open" in told
    assert "error[PDC020]: `with` statement does not lower" in told
    assert silent == ""


@pytest.mark.usefixtures("actors")
@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (
            "actors.py",
            "'actors.py' names no actor; write FILE.py:ACTOR, for example actors.py:doubler",
        ),
        ("missing.py:doubler", "there is no file missing.py"),
        ("actors.py:dubler", "actors.py has no actor 'dubler'; did you mean doubler?"),
        ("actors.py:xyz", "actors.py has no actor 'xyz'; it has doubler, reader, untyped"),
        (
            "actors.py:plain",
            "plain in actors.py is not an actor: decorate it with @ring_kernel(...)",
        ),
    ],
)
def test_inspect_complains(
    argument: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", argument]) == 2
    assert capsys.readouterr().err == f"pydotcompute: {sentence}\n"


@pytest.mark.usefixtures("actors")
def test_inspect_complains_of_a_file_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.py").write_text("\nx = 1 / 0\n", encoding="utf-8")
    assert main(["inspect", "broken.py:x"]) == 2
    assert capsys.readouterr().err == (
        "pydotcompute: broken.py, line 2 cannot be run: ZeroDivisionError: division by zero\n"
    )


@pytest.mark.usefixtures("actors")
def test_inspect_complains_of_unknown_classes_and_places(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect", "actors.py:untyped", "--input", "Reqest"]) == 2
    assert capsys.readouterr().err == (
        "pydotcompute: actors.py has no class 'Reqest'; did you mean Request?\n"
    )
    assert main(["inspect", "actors.py:doubler", "-o", "no/such/folder"]) == 2
    assert capsys.readouterr().err == (
        "pydotcompute: cannot write no/such/folder: No such file or directory\n"
    )


def test_doctor_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^ok +python +CPython 3\.\d+", printed, re.MULTILINE)
    assert re.search(r"^ok +c\+\+ compiler .* the native backend runs$", printed, re.MULTILINE)
    assert re.search(r"^ok +nvrtc .* with or without a GPU$", printed, re.MULTILINE)


def test_doctor_without_a_compiler(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert main(["doctor"]) == 0
    assert (
        "CXX is set to 'no-such-compiler', which cannot be run as a C++ compiler; "
        "correct it or unset it." in capsys.readouterr().out
    )


def test_doctor_with_a_cache_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PYDOTCOMPUTE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert main(["doctor"]) == 1
    assert "cannot be written to, so every process compiles anew" in capsys.readouterr().out


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["doctor", "--all"])
    assert exit_.value.code == 2
    assert "unrecognized arguments: --all" in capsys.readouterr().err
