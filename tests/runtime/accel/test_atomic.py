"""What fails inside the extension loses no message and doubles none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pydotcompute.accel import storage
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.port import EMPTY
from tests.runtime.accel.test_reentrancy import Watched, fresh_class, ring_of

pytestmark = pytest.mark.skipif(storage.extension is None, reason="not built")
ROOT = Path(__file__).parents[3]


def ring_with(cls: type[Any], *numbers: int) -> Any:
    """A ring whose slots hold these numbers."""
    ring = ring_of(HostConsumer, cls)
    ring.buffer.cast("q")[: len(numbers)] = memoryview(
        b"".join(n.to_bytes(8, "little") for n in numbers)
    ).cast("q")
    ring.words[0] = len(numbers)
    return ring


def test_a_message_that_cannot_be_made_stays() -> None:
    cls = fresh_class()
    ring = ring_with(cls, 7, 8)

    def interrupt() -> None:
        raise KeyboardInterrupt

    cls.value = Watched(on_set=interrupt)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            ring.try_get()
        assert (ring.tail, ring.words[8]) == (0, 0)
    cls.value = Watched()
    assert [ring.try_get().value, ring.try_get().value] == [7, 8]
    assert ring.try_get() is EMPTY
    assert (ring.tail, ring.words[8]) == (2, 2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_taking_a_message_whose_making_fails(error: type[BaseException]) -> None:
    """Making it takes it once more, and fails then: it has been taken by whoever got it."""
    cls = fresh_class()
    ring = ring_with(cls, 7, 8, 9)
    inner: list[int] = []

    def take() -> None:
        cls.value = Watched()
        inner.append(ring.try_get().value)
        raise error

    cls.value = Watched(on_set=take)
    outer: list[int] = []
    if error is KeyboardInterrupt:
        with pytest.raises(error):
            ring.try_get()
    while (taken := ring.try_get()) is not EMPTY:
        outer.append(taken.value)
    assert (inner, outer) == ([7], [8, 9])
    assert (ring.tail, ring.words[8]) == (3, 3)


def test_put_back_while_a_message_is_made() -> None:
    """What has been put back comes first."""
    cls = fresh_class()
    ring = ring_with(cls, 7, 8)
    ring.overflowed = lambda: setattr(ring, "get_slow_path", len(ring.overflow))

    def take_and_put_back() -> None:
        cls.value = Watched()
        ring.put_back([ring.try_get()])

    cls.value = Watched(on_set=take_and_put_back)
    assert [ring.try_get().value, ring.try_get().value] == [7, 8]
    assert ring.try_get() is EMPTY


NO_MEMORY = """
import _testcapi
from dataclasses import dataclass
from pydotcompute import message
from pydotcompute.kernels import accelerate
from pydotcompute.messages.slots import Values
from pydotcompute.queues.host_consumer import HostConsumer
from pydotcompute.queues.host_producer import HostProducer
from pydotcompute.queues.port import EMPTY, ObjectPort
from tests.runtime.accel.test_reentrancy import ring_of

accelerate.bind()
assert accelerate.use()

@message
@dataclass
class Wide:
    value: int
    ratio: float

def failing(after, call, *args):
    _testcapi.set_nomemory(after, after + 1)
    try:
        return call(*args)
    except MemoryError:
        return MemoryError
    finally:
        _testcapi.remove_mem_hooks()

BIG = 10**9  # so that counters are no small ints, which take no memory
failed = 0

def objects(after):
    '''One message more or none, and one message less or none, never anything else.'''
    global failed
    port = ObjectPort(4, VALUES, head=BIG)
    sent = Wide(after, 0.5)
    port.try_put(Wide(-1, 0.5))
    put = failing(after, port.try_put, sent)
    failed += put is MemoryError
    assert put in (True, MemoryError), put
    assert len(port.items) == port.head - port.tail == 1 + (put is True), (put, port.items)
    got = failing(after, port.try_get)
    failed += got is MemoryError
    assert len(port.items) == port.head - port.tail == (put is True) + (got is MemoryError)
    expected = ([] if got is not MemoryError else [-1]) + ([after] if put is True else [])
    if got is not MemoryError:
        assert got.value == -1
    rest = []
    while (taken := port.try_get()) is not EMPTY:
        rest.append(taken.value)
    assert rest == expected, (rest, expected)

def rings(after):
    global failed
    producer = ring_of(HostProducer, Wide)
    put = failing(after, producer.try_put, Wide(BIG, 0.5))
    failed += put is MemoryError
    assert put in (True, MemoryError), put
    assert producer.head == producer.words[0] == (put is True)

    consumer = ring_of(HostConsumer, Wide)
    numbers = consumer.buffer.cast("q")
    numbers[0], numbers[2] = BIG, BIG + 1
    del numbers
    consumer.words[0] = 2
    got = failing(after, consumer.try_get)
    failed += got is MemoryError
    assert consumer.tail == consumer.words[8] == (got is not MemoryError)
    taken = [] if got is MemoryError else [got.value]
    while (message := consumer.try_get()) is not EMPTY:
        taken.append(message.value)
    assert taken == [BIG, BIG + 1], taken

VALUES = Values("test", (Wide,), "takes")
for after in range(40):
    objects(after)
    rings(after)
assert failed, "nothing has failed"
print("done")
"""


def test_without_memory() -> None:
    """Each allocation of a put or get fails once."""
    pytest.importorskip("_testcapi")
    command = [sys.executable, "-c", NO_MEMORY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
