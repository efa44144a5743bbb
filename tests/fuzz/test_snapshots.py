"""Snapshots of actors at random: the restored actor goes on exactly as the original does.

The actors are those of ``tests.fuzz.programs``, half of them with statements that cannot be
compiled.  Each is stopped in the middle, with messages in both queues, saved, and restored on the
other backend; from there on outputs, failures and texts must be the same, message for message.
``PYDOTCOMPUTE_TEST_EFFORT=25`` tries hundreds, ``PYDOTCOMPUTE_TEST_SEED`` says from where on.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pydotcompute import (
    ActorFailedError,
    KernelClosedError,
    KernelState,
    RingKernelRuntime,
    Snapshot,
    SnapshotError,
    ring_kernel,
)
from tests.fuzz import aliases
from tests.fuzz.breaking import breaking
from tests.fuzz.programs import Program, write
from tests.fuzz.random_messages import random_message
from tests.fuzz.test_programs import FIRST
from tests.support import defining
from tests.support.captured import Captured
from tests.support.contract import go, need_compiler
from tests.support.profiles import examples

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::SyntaxWarning",
    "ignore::pydotcompute.kernels.fallback.FallbackWarning",
)  # fmt: skip
BEFORE, WAITING, AFTER = 30, 15, 15
ROOM = 100_000


async def settled(kernel: Any) -> None:
    """Return when the input queue is empty; a failed actor is restarted."""
    while True:
        if kernel.state is KernelState.FAILED:
            await kernel.restart()
        seen = kernel.statistics()
        if not seen.input_depth or kernel.state is KernelState.TERMINATED:
            return
        await asyncio.sleep(0)


async def rest_of(kernel: Any) -> list[str]:
    """What an actor still does: its outputs, and what ends it."""
    ended = await kernel.terminate(timeout=30)
    found = []
    try:
        while True:
            found.append(repr(await kernel.receive()))
    except KernelClosedError:
        pass
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
    return [*found, repr(ended.unprocessed)]


async def compared(
    actor: Any, inputs: list[type], seed: int, ways: tuple[str, str], hard: float
) -> bool:
    """Whether a snapshot was taken and compared."""
    random = Random(seed)
    items = [
        random_message(random.choice(inputs), random, hard=random.random() < hard)
        for _ in range(BEFORE + WAITING + AFTER)
    ]
    source, target = ways
    async with RingKernelRuntime(fallback="allow") as runtime:
        kernel = await runtime.launch("original", actor, backend=source)
        await kernel.activate()
        for item in items[:BEFORE]:
            try:
                await kernel.send(item)
            except ActorFailedError:
                await kernel.restart()
            except KernelClosedError:  # its loop has ended
                return False
        await settled(kernel)
        if kernel.state is not KernelState.ACTIVE:
            return False
        await kernel.deactivate()
        for item in items[BEFORE:-AFTER]:
            await kernel.send(item)
        try:
            snapshot = await kernel.snapshot()
        except SnapshotError as error:
            assert "before it receives" in str(error) or "mid" in str(error), error  # noqa: PT017
            return False
        again = await runtime.launch(
            "original again", actor, backend=target, restore=Snapshot(bytes(snapshot))
        )
        counted = again.statistics()
        assert counted.processed == kernel.statistics().processed
        assert counted.input_depth == WAITING
        for item in items[-AFTER:]:
            await kernel.send(item)
            await again.send(item)
        await again.activate()
        await kernel.reactivate()
        one, two = await rest_of(kernel), await rest_of(again)
        assert [text.replace("original again", "original") for text in two] == one
    return True


def alike(actor: Any, inputs: list[type], seed: int, hard: float = 0.3) -> bool:
    """Compares an actor with what is restored of it, from one backend to the other.

    Args:
        actor, inputs: of a program.
        seed: for the messages, and the direction.
        hard: the share of messages with hard values.
    """
    actor = ring_kernel(
        kernel_id="original", input_type=actor.input_type, output_type=actor.output_type,
        queue_size=ROOM, auto_register=False,
    )(actor.__wrapped__)  # fmt: skip
    ways = ("auto", "python") if seed % 2 else ("python", "auto")
    with Captured():
        done: bool = go(lambda: compared(actor, inputs, seed, ways, hard))
    return done


def tried(program: Program, seed: int) -> bool:
    text = re.sub(r"receive\(timeout=[^)]*\)", "receive()", program.text)  # time is no input here
    program = replace(program, text=text)
    try:
        actor, inputs = program.load()
        return alike(actor, inputs, seed)
    except BaseException as problem:
        problem.add_note(text)
        raise
    finally:
        program.unload()


@pytest.mark.parametrize("batch", range(4))
def test_restored_actors_go_on_alike(batch: int) -> None:
    need_compiler("native")
    seeds = [FIRST + 1000 * batch + n for n in range(examples(6))]
    done = [
        tried(breaking(write(seed), seed) if seed % 3 == 0 else write(seed), seed)
        for seed in seeds
    ]
    assert sum(done) >= len(seeds) // 3  # the others end, or change something too early


@pytest.mark.parametrize("batch", range(2))
def test_names_that_share_objects_share_them_again(batch: int) -> None:
    """The actors of ``tests.fuzz.aliases``: lists, deques and messages of several names."""
    need_compiler("native")
    done = []
    for seed in range(FIRST + 100 * batch, FIRST + 100 * batch + examples(10)):
        text, name = aliases.write(seed), f"snapshot_aliases_{seed}"
        actor, kind = aliases.load(text, name)
        try:
            done.append(alike(actor, [kind], seed, hard=0.0))
        except BaseException as problem:
            problem.add_note(text)
            raise
        finally:
            defining.unload(name)
    assert sum(done) >= len(done) // 2
