"""Side by side with PyDotCompute 0.2.0: ``make bench``.

Each round runs ``workload.py`` once under our interpreter and once under the peer's (its own
virtual environment, because both packages have the same import name), in turns, so that whatever
else the machine does hits both.  Shown are medians over the rounds and their range.

Only ``--write`` touches the repository: it puts the table and the figures into ``docs/``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
OURS = (
    "round_trip",
    "streaming",
    "counter",
    "python_streaming",
    "counter_in_batches",
    "bare_queues",
    "array_sum",
)
THEIRS = ("round_trip", "streaming", "counter")
Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        label: what was measured.
        ours: the name of our figure.
        theirs: the name of the figure it is held against, or None.
        seconds: the figure is a time (less is better), otherwise messages a second.
        goal: what the ratio (ours to theirs) is to reach; or, without ``theirs``, our figure.
    """

    label: str
    ours: str
    theirs: str | None = None
    seconds: bool = False
    goal: float | None = None


ROWS = (
    Row("round trip, p50", "round_trip_p50", "round_trip_p50", seconds=True, goal=1 / 10),
    Row("round trip, p99", "round_trip_p99", "round_trip_p99", seconds=True),
    Row("streaming, one sender and one receiver", "streaming", "streaming", goal=6.0),
    Row("counter, one message at a time", "counter", "counter"),
    Row("streaming, `python` backend", "python_streaming", "streaming"),
    Row("counter in batches", "counter_in_batches", "counter", goal=None),
)
BATCH_GOAL = 100e6
"""Messages a second that the counter is to pass in batches."""


def measure(python: str, names: tuple[str, ...]) -> Figures:
    """Run one round under an interpreter."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [python, str(HERE / "workload.py"), *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{python} workload.py failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def collect(peer: str, rounds: int) -> tuple[list[Figures], list[Figures]]:
    """Measure in turns; the first to go changes from round to round."""
    ours: list[Figures] = []
    theirs: list[Figures] = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        turns = [(sys.executable, OURS, ours), (peer, THEIRS, theirs)]
        for python, names, into in turns if number % 2 == 0 else reversed(turns):
            into.append(measure(python, names))
    return ours, theirs


def show(value: float, seconds: bool) -> str:
    """A figure as people say it."""
    if seconds:
        return f"{value * 1e6:.2f} us"
    return f"{value / 1e6:,.1f} M/s" if value >= 1e6 else f"{value / 1e3:,.0f} k/s"


def ratio_text(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.1f}x"


def spread(rounds: list[Figures], name: str, seconds: bool) -> str:
    """Median and range over the rounds."""
    values = sorted(figures[name] for figures in rounds)
    low, high = show(values[0], seconds), show(values[-1], seconds)
    return f"{show(statistics.median(values), seconds)} ({low} to {high})"


def middle(rounds: list[Figures], name: str) -> float:
    return statistics.median(figures[name] for figures in rounds)


def lines(ours: list[Figures], theirs: list[Figures]) -> list[tuple[str, str, str, str, str]]:
    """The table: label, ours, theirs, ratio, goal."""
    table = []
    for row in ROWS:
        mine = middle(ours, row.ours)
        cells = [row.label, spread(ours, row.ours, row.seconds), "", "", ""]
        if row.theirs is not None:
            ratio = mine / middle(theirs, row.theirs)
            cells[2] = spread(theirs, row.theirs, row.seconds)
            cells[3] = f"{ratio:.3f}" if row.seconds else ratio_text(ratio)
            if row.goal is not None:
                met = ratio <= row.goal if row.seconds else ratio >= row.goal
                wanted = f"at most {row.goal:g}" if row.seconds else f"at least {row.goal:g}x"
                cells[4] = f"{wanted}: {'met' if met else 'NOT met'}"
        if row.ours == "counter_in_batches":
            wanted = f"at least {show(BATCH_GOAL, False)}"
            cells[4] = f"{wanted}: {'met' if mine >= BATCH_GOAL else 'NOT met'}"
        table.append(tuple(cells))
    for label, name in (
        ("for scale: two bare asyncio queues", "bare_queues"),
        ("for scale: numpy's cumsum, no queue", "array_sum"),
    ):
        table.append((label, spread(ours, name, False), "", "", ""))
    return table  # type: ignore[return-value]


def machine() -> str:
    """The machine in words, so that a reader can weigh the figures."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {sys.platform}, CPython {platform.python_version()}"


def write(table: list[tuple[str, ...]], ours: list[Figures], theirs: list[Figures]) -> None:
    """Put the table and every figure into ``docs/``."""
    DOCS.mkdir(exist_ok=True)
    heading = ("", "this version", "PyDotCompute 0.2.0", "ratio", "goal")
    rows = [heading, ("---",) * len(heading), *table]
    text = [
        "# Benchmarks",
        "",
        "Written by `make bench ARGS=--write`; the single figures are in `benchmarks.json`.",
        "Ratios travel to other machines, absolute figures do not.",
        "",
        f"Machine: {machine()}. Medians over {len(ours)} interleaved rounds, range in brackets.",
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    (DOCS / "benchmarks.md").write_text("\n".join(text), encoding="utf-8")
    data = {"machine": machine(), "ours": ours, "theirs": theirs}
    (DOCS / "benchmarks.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Measure and print; with ``--check``, 1 if a goal was not met."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--peer", required=True, help="interpreter with PyDotCompute 0.2.0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and .json")
    parser.add_argument("--check", action="store_true", help="fail if a goal is not met")
    options = parser.parse_args()

    ours, theirs = collect(options.peer, options.rounds)
    table = lines(ours, theirs)
    print(machine())
    print(f"medians over {options.rounds} interleaved rounds (range)\n")
    for row in [
        ("", "this version", f"PyDotCompute {theirs[0]['version']}", "ratio", "goal"),
        *table,
    ]:
        print(f"{row[0]:40}{row[1]:44}{row[2]:44}{row[3]:>10}  {row[4]}".rstrip())
    if options.json is not None:
        options.json.write_text(json.dumps({"ours": ours, "theirs": theirs}), encoding="utf-8")
    if options.write:
        write(table, ours, theirs)
    return int(options.check and any("NOT met" in row[4] for row in table))


if __name__ == "__main__":
    raise SystemExit(main())
