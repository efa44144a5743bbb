"""Names that share objects (``tests.fuzz.aliases``): refused, or python = IR = native.

``PYDOTCOMPUTE_TEST_EFFORT=25 pytest tests/fuzz/test_aliases.py`` tries 2,500 programs.
"""

from __future__ import annotations

from random import Random

import pytest

from pydotcompute.errors import LoweringError
from tests.fuzz import aliases
from tests.support import defining
from tests.support.differential import Subject, compare
from tests.support.profiles import examples

GROUP = 25
"""Programs of one test; about a third of them are compiled."""


def check(seed: int) -> bool:
    """Compares a program three ways; False if it is refused."""
    text, name = aliases.write(seed), f"aliases_{seed}"
    actor, kind = aliases.load(text, name)
    try:
        subject = Subject(actor)
        random = Random(seed)
        items = [kind(random.randint(0, 5)) for _ in range(40)]
        compare(subject, items, seed, terminate=True)
    except LoweringError:
        return False
    except Exception as problem:
        problem.add_note(text)
        raise
    finally:
        defining.unload(name)
    return True


@pytest.mark.parametrize("group", range(examples(4)))
def test_names_that_share_objects_agree(group: int) -> None:
    compiled = [check(seed) for seed in range(group * GROUP, (group + 1) * GROUP)]
    assert any(compiled)


CHANGES = [
    "first(xs, ys, m.n)[0] = 4",
    "first(xs, ys, m.n)[0] += 4",
    "same(xs)[1] = 9",
    "push(same(xs), 9)",
    "push((xs if m.n > 2 else ys), 9)",
    "put(first(q, r, m.n), m.n)",
    "put(same(q), 3)",
    "put(q or r, 3)",
    "first(q, r, m.n).append(m.n)",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_one_of_several_containers_is_refused(change: str) -> None:
    """Compiled code would change its copy: the first six did so, and were not refused."""
    text = f"""{aliases.HEAD}

async def actor(ctx):
    kept = Order(7)
    xs, ys = [1, 2, 3], [1, 2, 3]
    q, r = deque([1], maxlen=3), deque([1], maxlen=3)
    while not ctx.should_terminate:
        m = await ctx.receive()
        {change}
        await ctx.send(Seen(sum(xs), sum(ys), sum(q), sum(r)))
"""
    actor, _ = aliases.load(text, "aliases_change")
    try:
        found = actor.lower().diagnostics
    finally:
        defining.unload("aliases_change")
    assert any("one of several containers" in d.message for d in found), found
