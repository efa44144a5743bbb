"""Kills a durable process at random, again and again, and checks what the next one finds.

Run as ``python -m tests.support.crashes FOLDER KILLS SEED SHAPE DURABILITY``.  Everything is
imported once; each life is a fork.  Prints ``ok KILLS SENDS RECEIVES`` or dies with an assertion.

The actors number what they are sent, so the state says how many messages were handled, and the sum
says whether these were the right ones.  A life writes down what has returned in a file that
survives it as the journal does (one ``write`` for each line).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pydotcompute import RingKernelRuntime
from tests.support.durable import Add, Total, fork, sums, twice
from tests.support.power import lose, watch

LIFE = 0.03
"""Seconds that a life has at most, before it is killed."""
LINES = 6000
"""Lines of the journal's code after which it kills itself at most."""


class Witness:
    """What has returned, by its own file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(self, what: str, *numbers: int) -> None:
        os.write(self._fd, f"{what} {' '.join(map(str, numbers))}\n".encode())


def triangle(count: int) -> int:
    return count * (count + 1) // 2


def wanted(shape: str, position: int) -> tuple[int, int]:
    """What output number ``position`` says."""
    if shape == "one":
        return triangle(position + 1), position + 1
    message, rest = divmod(position, 3)  # of two messages, the odd one is sent twice
    number = 2 * message + (1 if rest < 2 else 2)
    value = -number if rest == 1 else number
    # the counts before, each message as often as it was sent
    seen = sum(n * (2 if n % 2 else 1) for n in range(1, number)) if number < 50 else _seen(number)
    return 2 * value, seen + number * (2 if rest == 1 else 1)


def _seen(number: int) -> int:
    odd = (number - 1 + 1) // 2
    return triangle(number - 1) + odd * odd


async def live(
    folder: Path, shape: str, durability: str, dice: random.Random, begun: Callable[[], object]
) -> None:
    """One life: sends and receives for ever, once it has told that it has begun."""
    witness = Witness(folder / "witness")
    async with RingKernelRuntime(durable=folder / "journal", durability=durability) as runtime:
        first = await runtime.launch("first", sums if shape == "one" else fork)
        last = first
        if shape != "one":
            last = await runtime.launch("last", twice)
            await runtime.connect("first", "last")
        for kernel in {first, last}:
            await kernel.activate()
        held = runtime._journal.pasts["first"].inputs  # type: ignore[union-attr]
        witness.say("life", held, last.position)
        begun()
        while True:
            match dice.randrange(4):
                case 0:
                    await first.send(Add(held + 1))
                    held += 1
                case 1:
                    count = dice.randrange(1, 200)
                    batch = Add.array(value=[*range(held + 1, held + count + 1)])
                    sending = asyncio.ensure_future(first.send_many(batch))
                    while not sending.done():
                        await receive(last, shape, witness, dice)
                        await asyncio.sleep(0)
                    held += await sending
                case _:
                    await receive(last, shape, witness, dice)
                    continue
            witness.say("sent", held)


async def receive(kernel: Any, shape: str, witness: Witness, dice: random.Random) -> None:
    """One receive, checked."""
    if not kernel.statistics().output_depth:
        await asyncio.sleep(0)
        if not kernel.statistics().output_depth:
            return
    position = kernel.position
    if dice.randrange(2):
        got = [await kernel.receive()]
    else:
        got = Total.messages(await kernel.receive_many(dice.randrange(1, 50)))
    for number, each in enumerate(got, position):
        assert (each.total, each.count) == wanted(shape, number), (each, number)
    assert kernel.position == position + len(got)
    witness.say("got", position, kernel.position)


def child(folder: Path, shape: str, durability: str, seed: int, pipe: int) -> None:
    """A life, in a process of its own; some kill themselves after so many lines of the journal."""
    signal.alarm(5)  # which kills it as well
    dice = random.Random(seed)
    itself, early = seed % 2, seed % 8 == 1
    if durability == "power":
        watch(folder)

    def begun() -> None:
        os.write(pipe, b"!")
        if itself and not early:
            count_lines(dice.randrange(LINES))

    if early:
        count_lines(dice.randrange(LINES))
    try:
        asyncio.run(live(folder, shape, durability, dice, begun))
    except BaseException as error:
        Witness(folder / "witness").say(f"error {type(error).__name__}: {error}")
        os._exit(1)


def count_lines(left: int) -> None:
    """Die after so many lines of the code of queues and journal."""

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        return line if "durability" in name or "queues" in name else None

    sys.settrace(call)
    sys._getframe(1).f_trace = line


def check(folder: Path) -> tuple[int, int]:
    """Whether each life found what the ones before had been told; returns sends and receives."""
    sent = sends = receives = 0
    last = (0, 0)
    for text in (folder / "witness").read_text().splitlines():
        what, *rest = text.split(" ")
        assert what != "error", text
        numbers = [*map(int, rest)]
        if what == "life":
            held, position = numbers
            assert held >= sent, f"{sent} messages were acknowledged, {held} are there"
            assert last[0] <= position <= last[1], f"outputs begin at {position}, after {last}"
            sent = held
        elif what == "sent":
            sends += 1
            sent = numbers[0]
        else:
            receives += 1
            last = (numbers[0], numbers[1])
    return sends, receives


def main(folder: Path, kills: int, seed: int, shape: str, durability: str) -> None:
    dice = random.Random(seed)
    asyncio.run(warm(folder / "warm", shape))
    for number in range(kills):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(folder, shape, durability, seed * 1000 + number, theirs)
            os._exit(0)
        os.close(theirs)
        if number % 2 == 0:  # the others kill themselves
            os.read(ours, 1)
            time.sleep(dice.random() * LIFE)
            os.kill(pid, signal.SIGKILL)
        os.close(ours)
        _, status = os.waitpid(pid, 0)
        if durability == "power":
            lose(folder / "journal", folder, dice)
        assert os.WIFSIGNALED(status), (folder / "witness").read_text().splitlines()[-1]
    print("ok", kills, *check(folder))


async def warm(folder: Path, shape: str) -> None:
    """Compile the actors, so that each life begins at once."""
    async with RingKernelRuntime() as runtime:
        for actor in (sums,) if shape == "one" else (fork, twice):
            await runtime.launch("warm" + actor.kernel_id, actor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
