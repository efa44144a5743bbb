"""The ``pydotcompute`` command: what it prints, its complaints word for word, its exit status."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pydotcompute.actors.decorator import registry
from pydotcompute.tools import doctor
from pydotcompute.tools.cli import STAGES, main

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
    assert "error[PDC020]: `with` statement cannot be compiled" in told
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


@pytest.mark.usefixtures("actors")
def test_inspect_complains_of_an_architecture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "actors.py:doubler", "--stage", "ptx", "--arch", "banana"]) == 2
    assert capsys.readouterr().err == (
        "pydotcompute: --arch must have the form 'sm_90', not 'banana'\n"
    )


@pytest.mark.usefixtures("actors")
@pytest.mark.parametrize("ends", ["sys.exit()", "raise SystemExit(0)", "asyncio.run(main())"])
def test_inspect_complains_of_a_file_that_ends_the_process(
    ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ = "import asyncio, sys\n\nasync def main():\n    sys.exit(3)\n"
    Path("script.py").write_text(f"{main_}\n{ends}\n", encoding="utf-8")
    assert main(["inspect", "script.py:main"]) == 2
    assert capsys.readouterr().err == (
        "pydotcompute: script.py ends the process when it is imported; put that under "
        '`if __name__ == "__main__":`\n'
    )


@pytest.mark.usefixtures("actors")
def test_what_a_file_prints_and_reads_of_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = list(sys.argv)
    Path("script.py").write_text(f"import sys\nprint(sys.argv)\n{ACTORS}", encoding="utf-8")
    assert main(["inspect", "script.py:doubler", "--stage", "ir"]) == 0
    printed, complaints = capsys.readouterr()
    assert printed.startswith("kernel twice(Request)")
    assert complaints == "['script.py']\n"
    assert sys.argv == kept


@pytest.mark.parametrize("name", ["random", "jinja2", "numpy", "actors_of_my_own"])
def test_a_file_takes_nobodys_name(name: str, actors: Path) -> None:
    (actors / "helper_of_it.py").write_text("from others_of_it import FACTOR\n", encoding="utf-8")
    (actors / "others_of_it.py").write_text("FACTOR = 3\n", encoding="utf-8")
    (actors / "decimal.py").write_text("raise SystemExit('the wrong one')\n", encoding="utf-8")
    text = f"import random, decimal\nfrom helper_of_it import FACTOR\n{ACTORS}"
    (actors / f"{name}.py").write_text(text.replace("* 2", "* FACTOR"), encoding="utf-8")
    run = "from pydotcompute.tools.cli import main; sys.exit(main())"
    command = f"import sys; sys.path.pop(0); {run}"
    done = subprocess.run(
        [sys.executable, "-c", command, "inspect", f"{name}.py:doubler", "--stage", "source"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "pdc_mul_i64(&pdc_t->error, request.value, 3)" in done.stdout


def test_a_file_and_one_beside_it_import_each_other(actors: Path) -> None:
    (actors / "in_a_ring.py").write_text(f"{ACTORS}\nimport rest_of_ring\n", encoding="utf-8")
    (actors / "rest_of_ring.py").write_text("from in_a_ring import Request\n", encoding="utf-8")
    modules, paths = set(sys.modules), list(sys.path)
    assert main(["inspect", "in_a_ring.py:doubler", "-o", "out.txt"]) == 0
    assert set(sys.modules) - modules == {"inspected_in_a_ring", "rest_of_ring"}
    assert sys.path == paths


def test_help_says_what_the_exit_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith("0 the actor lowers, 1 it does not, 2 the command was used wrongly")


def test_doctor_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^ok +python +CPython 3\.\d+", printed, re.MULTILINE)
    assert re.search(r"^ok +c\+\+ compiler .* the native backend runs$", printed, re.MULTILINE)
    assert re.search(r"^ok +nvrtc .* with or without a GPU$", printed, re.MULTILINE)


def test_doctor_speaks_of_gpus_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verdict in ("ok", "missing"):
        monkeypatch.setattr(doctor, "_driver", lambda v=verdict: doctor.Finding("gpu", v, "one"))
        main(["doctor"])
        assert ("compute-sanitizer" in capsys.readouterr().out) == (verdict == "ok")


def test_doctor_with_an_emulated_device(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYDOTCOMPUTE_DEVICE", "emulated")
    assert main(["doctor"]) == 0
    assert (
        "   cuda backend  PYDOTCOMPUTE_DEVICE=emulated: threads of the host stand in for a GPU, "
        "for tests; unset it to use a GPU\n"
    ) in capsys.readouterr().out


def test_doctor_says_how_to_come_by_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)
    assert doctor._cupy().text == (
        'not installed; in the clone of pydotcompute, run `pip install ".[cuda13]"` '
        "(or `[cuda12]` for an older driver)"
    )


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
