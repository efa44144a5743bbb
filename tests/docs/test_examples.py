"""The scripts under ``examples/`` run and print what they promise."""

from __future__ import annotations

import asyncio
import importlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pydotcompute.actors.decorator import registry
from pydotcompute.examples import anomaly_detector, plot

EXPECTED = {
    "doubler": ["1 -> 2", "21 -> 42", "-7 -> -14"],
    "calculator": [
        "1.5 + 2.0 = 3.5",
        "1.5 - 2.0 = -0.5",
        "1.5 * 2.0 = 3.0",
        "1.0 / 3.0 = 0.3333333333333333",
        "1.0 / 0.0: ok=False",
    ],
    "counter": [
        "increment: 1",
        "increment: 2",
        "increment: 3",
        "decrement: 2",
        "paused: 1 message waits",
        "resumed: 3",
        "reset: 0",
    ],
    "resilient": [
        "Job(total=10, parts=2) -> SuccessResponse(data=5)",
        "Job(total=-1, parts=2) -> ErrorResponse(error='total must not be negative')",
        "Job(total=10, parts=0) -> ErrorResponse(error='Internal error')",
        "Job(total=9, parts=2) -> SuccessResponse(data=4)",
    ],
    "ledger": [
        "0 bookings are there, 0 cents",
        "the process was killed: True",
        "617 bookings are there, 1849 cents",
        "1000 bookings in the end, 3003 cents",
    ],
    "template": [
        "Result(value=0.25)",
        "Result(value=0.125)",
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_example(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_kernels", {})
    module = importlib.reload(importlib.import_module(f"pydotcompute.examples.{name}"))
    asyncio.run(module.main())
    lines = capsys.readouterr().out.splitlines()
    (backend,) = [line for line in lines if " runs on: " in line]
    assert backend == f"{name} runs on: native"
    assert [line for line in lines if line in EXPECTED[name]] == EXPECTED[name]
    rest = set(lines) - set(EXPECTED[name]) - {backend}
    if name == "template":
        error = next(line for line in rest if line.startswith("Error: "))
        assert rest == {"[template] Starting...", "[template] Terminated", error}
    elif name == "calculator":
        (refused,) = rest
        assert refused.startswith("refused: ")
    else:
        assert not rest


@pytest.mark.parametrize("backend", ["native", "python"])
def test_the_exchange(
    backend: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every order that makes sense is audited; the rest is the same on either backend."""
    monkeypatch.setattr(registry, "_kernels", {})
    monkeypatch.setenv("PYDOTCOMPUTE_BACKEND", backend)
    module = importlib.reload(importlib.import_module("pydotcompute.examples.exchange"))
    asyncio.run(module.main())
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if " runs on: " in line] == [
        f"{name} runs on: {backend}" for name in ("gate", "risk", "book", "audit")
    ]
    good = sum(order.amount > 0 for order in module.some_orders(3000))
    assert printed.endswith(f"3000 orders: {good} audited, 746 refused, 1138 trades\n")


def test_the_sensors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fault is found in its hour, on the backend that takes populations."""
    monkeypatch.setattr(registry, "_kernels", {})
    module = importlib.reload(importlib.import_module("pydotcompute.examples.sensors"))
    asyncio.run(module.main(tmp_path, 1000))
    printed = capsys.readouterr().out
    assert "1,000 sensors, 72,000 readings in " in printed
    assert "sensors with a fault: 1, found in the hour it happened: 1\n" in printed
    assert "sensors with an alarm and no fault: 0\n" in printed
    circles = ElementTree.parse(tmp_path / module.PICTURE).iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) >= 2


def test_the_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as a loop of five lines counts."""
    monkeypatch.setattr(registry, "_kernels", {})
    module = importlib.reload(importlib.import_module("pydotcompute.examples.sessions"))
    asyncio.run(module.main(tmp_path, 300))
    printed = capsys.readouterr().out
    (count,) = re.findall(r"300 visitors: ([\d,]+) sessions", printed)
    assert f"counted by hand: {count}\n" in printed
    assert int(count.replace(",", "")) > 300
    ElementTree.parse(tmp_path / module.PICTURE)


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert anomaly_detector.main(["--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^backend +native$", printed, re.MULTILINE)
    assert re.search(r"^native +[\d,]+ ms +[\d.,]+ [Mk]/s +[\d.,]+ [Mk]/s$", printed, re.MULTILINE)
    assert re.search(r"^python +[\d,]+ ms +[\d.,]+ [Mk]/s +[\d.,]+ [Mk]/s$", printed, re.MULTILINE)
    assert "(rates: median of 5 passes, each after a garbage collection)\n" in printed
    assert "verdicts of both backends identical, bit for bit: yes" in printed
    assert "34 anomalies (beyond 4 standard deviations):" in printed
    assert "1991-01-17    21.48 USD   -33.4 %   -9.0 sigma  the Gulf war begins" in printed
    assert "^" in printed.splitlines()[-4]

    picture = tmp_path / "anomalies.svg"
    assert f"plot          {picture}" in printed
    circles = ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) == 2 * 34

    (source,) = re.findall(r"^generated C   (.*)$", printed, re.MULTILINE)
    assert Path(source).is_relative_to(tmp_path)
    assert "pdc_burst" in Path(source).read_text(encoding="utf-8")


def test_the_demo_says_where_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert anomaly_detector.main(["-o", str(tmp_path / "file" / "demo")]) == 2
    assert capsys.readouterr().err == (
        f"pydotcompute demo: cannot write to {tmp_path / 'file' / 'demo'} (Not a directory); "
        "name another folder with --output\n"
    )


def test_the_data_is_what_its_readme_says() -> None:
    dates, values = anomaly_detector.load()
    assert (dates[0], dates[-1], len(dates)) == ("1986-01-02", "2019-01-03", 8321)
    assert dates == sorted(set(dates))
    assert (min(values), max(values)) == (10.25, 145.31)


def test_sparkline() -> None:
    assert plot.sparkline([0.0, 1.0, 2.0, 7.0], [3], width=4) == "▁▂▃█\n   ^"
    assert plot.sparkline([5.0, 5.0], [], width=10) == "▁▁\n"
