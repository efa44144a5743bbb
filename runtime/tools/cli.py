"""The ``pydotcompute`` command: ``inspect``, ``doctor``, ``journal``, ``snapshot``, ``demo``.

In: arguments.  Out: text on standard output, complaints on standard error, an exit status:
0 well, 1 the actor cannot be compiled or something is broken, 2 the command was used wrongly
(or the file it names cannot be run).  ``rich`` only paints, and only for a terminal.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydotcompute.errors import PyDotComputeError
from pydotcompute.tools.loading import LoadingError, load

if TYPE_CHECKING:
    from pydotcompute.actors.decorator import RingKernelFunction
    from pydotcompute.actors.lowering import Lowering

STAGES = ("explain", "ir", "source", "ptx", "layout", "html")
_LEXERS = {"ir": "python", "source": "c++", "ptx": "ptx"}
_MARKS = {
    "ok": ("ok", "green"),
    "missing": ("--", "yellow"),
    "broken": ("!!", "red"),
    "note": ("  ", "default"),
}


class UsageError(Exception):
    """The command cannot be carried out as given; the text says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit status.
    """
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command != "demo":
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "demo":
            return _demo(rest)
        status: int = options.run(options)
        return status
    except UsageError as exc:
        print(f"pydotcompute: {exc}", file=sys.stderr)
        return 2
    except PyDotComputeError as exc:
        print(f"pydotcompute: {exc}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pydotcompute", description="Look at actors and at what this machine can run."
    )
    version = metadata.version("pydotcompute")
    parser.add_argument("--version", action="version", version=f"pydotcompute {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    inspect = commands.add_parser(
        "inspect",
        help="show what becomes of an actor: its file is imported, the actor does not run",
        epilog="Exit status: 0 the actor lowers, 1 it does not, 2 the command was used wrongly",
    )
    inspect.add_argument("actor", metavar="FILE.py:ACTOR", help="function name or kernel_id")
    inspect.add_argument("--stage", choices=STAGES, default="explain")
    inspect.add_argument("--arch", default="sm_90", help="GPU for --stage ptx (default: sm_90)")
    inspect.add_argument(
        "--input", metavar="CLASS", help="message class of an actor without declared types"
    )
    inspect.add_argument("--output", metavar="CLASS", help="the same for what it sends")
    inspect.add_argument("-o", dest="file", type=Path, metavar="FILE", help="write it there")
    inspect.set_defaults(run=_inspect)

    doctor = commands.add_parser("doctor", help="what this machine can run, and why not more")
    doctor.set_defaults(run=_doctor)
    journal = commands.add_parser("journal", help="look at the journal of durable actors")
    journal.add_argument("action", choices=("verify",))
    journal.add_argument("folder", type=Path, metavar="DIR", help="what `durable=` was given")
    journal.set_defaults(run=_journal)
    snapshot = commands.add_parser("snapshot", help="look into snapshot files")
    actions = snapshot.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="what is in a snapshot; its code is not needed")
    show.add_argument("file", type=Path, metavar="FILE")
    show.set_defaults(run=_show_snapshot)
    commands.add_parser("demo", help="an anomaly detector on real data", add_help=False)
    return parser


def _demo(arguments: Sequence[str]) -> int:
    from pydotcompute.examples import anomaly_detector

    return anomaly_detector.main(arguments)


def _doctor(_options: argparse.Namespace) -> int:
    from pydotcompute.tools.doctor import examine

    findings = []
    for finding in examine():  # one by one: some take a moment
        findings.append(finding)
        mark, colour = _MARKS[finding.verdict]
        if sys.stdout.isatty():
            from rich import print as paint
            from rich.markup import escape

            paint(f"[{colour}]{mark}[/] [bold]{finding.topic:13}[/] {escape(finding.text)}")
        else:
            print(f"{mark} {finding.topic:13} {finding.text}")
    return int(any(finding.verdict == "broken" for finding in findings))


def _journal(options: argparse.Namespace) -> int:
    from pydotcompute.durability.journal import verify

    torn = verify(options.folder, print)
    if torn:
        print(f"{torn}; the next process will cut it off")
    return 0


def _show_snapshot(options: argparse.Namespace) -> int:
    from pydotcompute.tools.show_snapshot import lines

    for line in lines(options.file):
        print(line)
    return 0


def _inspect(options: argparse.Namespace) -> int:
    file, _, name = options.actor.rpartition(":")
    if not file:
        raise UsageError(
            f"{options.actor!r} names no actor; write FILE.py:ACTOR, for example actors.py:doubler"
        )
    try:
        module = load(Path(file))
    except LoadingError as exc:
        raise UsageError(str(exc)) from None
    actor = _find(module, file, name)
    lowering = actor.lower(
        *(_message_class(module, file, given) for given in (options.input, options.output))
    )
    if lowering.ok or options.stage in ("explain", "html"):  # these two tell the reasons, too
        produce: dict[str, Callable[[], str]] = {
            "explain": lowering.explain,
            "ir": lambda: lowering.ir,
            "source": lambda: lowering.source,
            "ptx": lambda: _ptx(lowering, options.arch),
            "layout": lambda: lowering.layout,
            "html": lowering.html,
        }
        _write(produce[options.stage](), options)
    else:
        print("\n\n".join(map(str, lowering.diagnostics)), file=sys.stderr)
    return 0 if lowering.ok else 1


def _ptx(lowering: Lowering, arch: str) -> str:
    try:
        return lowering.ptx(arch)
    except ValueError as exc:  # it is no name of an architecture
        raise UsageError(f"--{exc}") from None


def _write(text: str, options: argparse.Namespace) -> None:
    text = text if text.endswith("\n") else text + "\n"
    if options.file is not None:
        try:
            options.file.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise UsageError(f"cannot write {options.file}: {exc.strerror or exc}") from None
    elif sys.stdout.isatty() and options.stage in _LEXERS:
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(text, _LEXERS[options.stage], background_color="default"))
    else:
        sys.stdout.write(text)


def _find(module: ModuleType, file: str, name: str) -> RingKernelFunction:
    from pydotcompute.actors.decorator import RingKernelFunction

    actors = {key: v for key, v in vars(module).items() if isinstance(v, RingKernelFunction)}
    by_id = {actor.kernel_id: actor for actor in actors.values()}
    found = actors.get(name) or by_id.get(name)
    if found is not None:
        return found
    if hasattr(module, name):
        raise UsageError(f"{name} in {file} is not an actor: decorate it with @ring_kernel(...)")
    if not actors:
        raise UsageError(f"{file} defines no actor (an async def under @ring_kernel)")
    raise UsageError(f"{file} has no actor {name!r}; {_known(name, actors)}")


def _message_class(module: ModuleType, file: str, name: str | None) -> type | None:
    if name is None:
        return None
    classes = {key: value for key, value in vars(module).items() if isinstance(value, type)}
    if name not in classes:
        raise UsageError(f"{file} has no class {name!r}; {_known(name, classes)}")
    return classes[name]


def _known(name: str, names: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(names))}"
