"""The corpus, three ways: coroutine = evaluated IR = compiled library, exactly.

And: its cubins build for every architecture, and of a few actors the IR and the C are pinned word
for word (``pytest --update-golden`` writes them anew).
"""

from __future__ import annotations

import re
from copy import copy
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pydotcompute.errors import BackendUnavailableError
from pydotcompute.toolchain import nvrtc
from tests.corpus import CASES
from tests.fuzz.random_messages import random_message
from tests.support.device_compiler import quick_options
from tests.support.differential import (
    TIMEOUT,
    Disagreement,
    Subject,
    Tally,
    check_evaluator,
    check_native,
    check_resident,
    compare,
    interpret,
)
from tests.support.profiles import examples

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
GOLDEN = Path(__file__).parents[1] / "golden"
PINNED = ("ewma_zscore", "collatz", "nested_try", "account")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
"""numpy's: the actors of the corpus wrap and divide by zero on purpose."""

_lowering = [name for name, case in CASES.items() if case.lowers]


@cache
def subject(name: str) -> Subject:
    """An actor of the corpus, lowered once."""
    return Subject(CASES[name].actor)


@pytest.mark.parametrize("name", _lowering)
def test_three_ways(name: str) -> None:
    tally = Tally()

    @settings(max_examples=examples(20), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(CASES[name].stream, st.integers(0, 99), st.booleans())
    def check(items: list[object], seed: int, terminate: bool) -> None:
        tally.add(compare(subject(name), items, seed, terminate=terminate))

    check()
    assert tally.handled > 0, tally


@pytest.mark.parametrize("name", _lowering)
def test_three_ways_at_length(name: str) -> None:
    """Long streams, of which hypothesis makes few."""
    case, tally = CASES[name], Tally()
    for seed in range(examples(3)):
        random = Random(f"{name} {seed}")
        items = [random_item(case.actor.input_types, random) for _ in range(100)]
        tally.add(compare(subject(name), items, seed, terminate=seed % 2 == 0))
    assert tally.handled > 0


def random_item(classes: tuple[type, ...], random: Random) -> object:
    """A message or a time-out; one message in four has hard values."""
    dice = random.random()
    if dice < 0.05:
        return TIMEOUT
    return random_message(random.choice(classes), random, hard=dice < 0.3)


@pytest.mark.parametrize("name", _lowering[::3])
def test_the_resident_kernel(name: str) -> None:
    """Staging, copying and parking change nothing of what an actor does."""
    case, tally = CASES[name], Tally()
    for seed in range(examples(6)):
        random = Random(f"{name} resident {seed}")
        items = [random_item(case.actor.input_types, random) for _ in range(60)]
        steps = interpret(subject(name), items, terminate=seed % 2 == 0)
        check_evaluator(subject(name), steps)
        tally.add(check_resident(subject(name), steps, random))
    assert tally.handled > 0


@pytest.mark.parametrize(("number", "name"), list(enumerate(_lowering)))
def test_cubins(number: int, name: str) -> None:
    """Each kernel for one architecture, in turn; test_cuda_kernel has one for all of them.

    NVRTC reads and checks all of them; it optimises one in twelve, since that takes more than twice
    as long.
    """
    arch = ARCHITECTURES[number % len(ARCHITECTURES)]
    options = () if number % 12 == 0 else quick_options()
    try:
        made = nvrtc.compile(subject(name).lowering.source, arch, name=name, options=options)
    except BackendUnavailableError as missing:
        pytest.skip(str(missing))
    assert made[:4] == b"\x7fELF"


@pytest.mark.parametrize("name", PINNED)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    lowering = subject(name).lowering
    texts = {"ir.txt": lowering.ir, "c": actor_text(lowering.source)}
    for ending, text in texts.items():
        path = GOLDEN / f"{name}.{ending}"
        text = text.replace(str(Path(__file__).parents[1]), "tests").rstrip() + "\n"
        if request.config.getoption("update_golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"see `git diff {path.name}` after --update-golden"


def actor_text(source: str) -> str:
    """The part of the C that comes from the actor: functions, and the turn."""
    helpers, _, burst = source.partition("/* --- the actor --")
    functions = re.search(r"/\* --- functions .*", helpers, re.DOTALL)
    turn = burst[burst.index("PDC_FN i32 pdc_turn(") :].partition("\n}\n")[0] + "\n}\n"
    return (functions.group() if functions else "") + turn


def test_a_stream_of_nothing() -> None:
    assert compare(subject("running_mean"), []) == Tally()
    assert compare(subject("running_mean"), [TIMEOUT] * 3, terminate=True).handled == 4


def test_a_difference_is_found() -> None:
    """The comparison compares: outputs, state and exceptions of another actor are noticed."""
    items = [CASES["running_mean"].actor.input_type(value) for value in (1.5, 2.5, -3.0)]
    for name in ("welford", "slew_limiter", "median_of_three"):
        changed = copy(subject("running_mean"))
        changed.parts, changed.shape = subject(name).parts, subject(name).shape
        with pytest.raises(Disagreement):
            check_evaluator(changed, interpret(changed, items))
        with pytest.raises(Disagreement):
            check_native(changed, interpret(changed, items), Random(0))
