"""``docs/language.md``: its tables are those of the compiler, and its examples do what it says."""

from __future__ import annotations

from random import Random

import pytest

from pydotcompute.actors.decorator import registry
from pydotcompute.compiler.diagnostics.diagnostic import CODES
from pydotcompute.testing import assert_backends_agree
from tests.fuzz.random_messages import random_message
from tests.support.differential import TIMEOUT, Subject, compare
from tests.support.language import PAGE, Example, examples, load, written

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = examples(TEXT)
(PRELUDE,) = [example for example in EXAMPLES if "prelude" in example.words]
LOWERING = [e for e in EXAMPLES if {"lowers", "deoptimises"} & set(e.words)]
REFUSED = [e for e in EXAMPLES if e.codes]
WITHOUT_EXAMPLE = {"PDC001", "PDC002", "PDC003"}
"""They are about functions without a text of their own, which a page cannot show."""


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_kernels", {})


def test_the_page_is_up_to_date(request: pytest.FixtureRequest) -> None:
    new = written(TEXT)
    if request.config.getoption("update_golden"):
        PAGE.write_text(new, encoding="utf-8")
    assert new == TEXT, "python -m tests.support.language --write"


def test_every_example_is_tested() -> None:
    assert [e for e in EXAMPLES if e not in (PRELUDE, *LOWERING, *REFUSED)] == []


def test_every_code_has_an_example() -> None:
    shown = {code for example in REFUSED for code in example.codes}
    assert CODES.keys() - shown == WITHOUT_EXAMPLE


@pytest.mark.parametrize("example", LOWERING, ids=lambda example: example.name)
def test_an_example_that_lowers(example: Example) -> None:
    actor, lowering = load(example, PRELUDE)
    assert lowering.ok, lowering.explain()
    assert actor.input_types is not None
    random = Random(example.name.partition("-")[0])

    def some(hard: float) -> object:
        cls = random.choice(actor.input_types)
        return random_message(cls, random, hard=random.random() < hard)

    kernel = lowering.kernel
    assert kernel is not None
    if not kernel.prints and not kernel.ir.headers:  # what needs no host, turn by turn
        items = [TIMEOUT if random.random() < 0.05 else some(0.3) for _ in range(60)]
        tally = compare(Subject(actor), items, terminate=True)
        assert tally.handled
        assert bool(tally.deoptimised) or "deoptimises" not in example.words
    assert_backends_agree(actor, [some(0.0) for _ in range(40)])


@pytest.mark.parametrize("example", REFUSED, ids=lambda example: example.name)
def test_an_example_that_does_not_lower(example: Example) -> None:
    _, lowering = load(example, PRELUDE)
    assert lowering.breaks or not lowering.ok
    found = tuple(dict.fromkeys(d.code for d in lowering.breaks or lowering.diagnostics))
    assert found == example.codes, lowering.explain()
