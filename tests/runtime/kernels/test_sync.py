"""``kernel.sync``: blocking twins for other threads."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pydotcompute import (
    BackpressureStrategy,
    KernelClosedError,
    KernelStateError,
    QueueTimeoutError,
    RingKernelRuntime,
)
from pydotcompute.kernels import sync
from tests.support.native_actor.kit import SEND, Task


def test_other_threads_may_call(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)

            def client(start: int) -> int:
                total = 0
                for n in range(start, start + 50):
                    total += kernel.sync.request(Task(SEND, n)).value
                return total

            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(4) as pool:
                sums = await asyncio.gather(
                    *(loop.run_in_executor(pool, client, 100 * n) for n in range(4))
                )
            assert sums == [sum(2 * n for n in range(s, s + 50)) for s in (0, 100, 200, 300)]

    run(main())


def test_every_call_has_a_twin(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False)

            def client() -> None:
                sync = kernel.sync
                sync.activate()
                sync.send(Task(SEND, 1), timeout=1)
                assert sync.receive(timeout=1).value == 2
                assert sync.statistics().received == 1
                sync.deactivate()
                sync.reactivate()
                assert sync.send_many([Task(SEND, n) for n in range(3)]) == 3
                assert len(sync.receive_many(1)) == 1
                with pytest.raises(KernelStateError):
                    sync.restart()
                sync.terminate()
                assert [result.value for result in sync.messages()] == [2, 4]
                with pytest.raises(KernelClosedError):
                    sync.send(Task(SEND))

            await asyncio.to_thread(client)

    run(main())


def test_errors_arrive(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(QueueTimeoutError):
                await asyncio.to_thread(kernel.sync.receive, timeout=0)

    run(main())


def test_the_loops_own_thread_is_refused_at_once(kit: Any, run: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            with pytest.raises(KernelStateError, match="write `await kernel.send"):
                kernel.sync.send(Task(SEND))

    run(main())


def test_after_the_loop_has_gone(kit: Any, run: Any) -> None:
    async def main() -> Any:
        async with RingKernelRuntime() as runtime:
            return await kit(runtime)

    kernel = run(main())
    with pytest.raises(KernelClosedError, match="event loop of kernel 'kit' is not running"):
        kernel.sync.send(Task(SEND))


class Interrupted(Exception):
    """What a signal handler raises."""


def interrupting(waited: Any, before: Any) -> Any:
    """``waited.ended`` whose ``wait`` runs ``before`` and is then interrupted, as by Ctrl-C."""

    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            before(self)
            raise Interrupted

    waited.ended = Ended()
    return waited


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``interrupt(before)``: the next blocking call runs ``before`` and is interrupted."""
    made = sync._Waited

    def arm(before: Any) -> None:
        def once(*args: Any) -> Any:
            monkeypatch.setattr(sync, "_Waited", made)
            return interrupting(made(*args), before)

        monkeypatch.setattr(sync, "_Waited", once)

    return arm


def nothing(ended: Any) -> None:
    """At once."""


def the_result(ended: Any) -> None:
    """When the call has its result already."""
    threading.Event.wait(ended)


def test_an_interrupted_receive_takes_no_message(kit: Any, run: Any, interrupt: Any) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)

            def client() -> None:
                for call in (kernel.sync.receive, lambda: kernel.sync.receive_many(3)):
                    interrupt(nothing)
                    with pytest.raises(Interrupted):
                        call()
                assert not kernel._actor.outbox.getters
                kernel.sync.send(Task(SEND, 1))
                assert kernel.sync.receive(timeout=5).value == 2

            await asyncio.to_thread(client)

    run(main())


@pytest.mark.parametrize("backpressure", list(BackpressureStrategy))
def test_a_message_that_an_interrupted_call_had_taken_comes_first_again(
    kit: Any, run: Any, interrupt: Any, backpressure: BackpressureStrategy, path: str
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, backpressure=backpressure)

            def client() -> None:
                kernel.sync.send_many([Task(SEND, n) for n in range(6)])
                interrupt(the_result)
                with pytest.raises(Interrupted):
                    kernel.sync.receive()
                assert kernel.sync.receive(timeout=5).value == 0
                interrupt(the_result)
                with pytest.raises(Interrupted):
                    kernel.sync.receive_many(3)
                got = [kernel.sync.receive(timeout=5).value for _ in range(5)]
                assert got == [2, 4, 6, 8, 10]
                figures = kernel.sync.statistics()
                assert (figures.sent, figures.dropped, figures.output_depth) == (6, 0, 0)

            await asyncio.to_thread(client)

    run(main())


def test_a_parked_receiver_gets_what_an_interrupted_one_had_taken(
    kit: Any, run: Any, interrupt: Any
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime)
            ready = threading.Event()

            def before(ended: Any) -> None:
                the_result(ended)
                ready.set()
                parked.wait()

            def client() -> None:
                interrupt(before)
                with pytest.raises(Interrupted):
                    kernel.sync.receive()

            parked = threading.Event()
            await kernel.send(Task(SEND, 4))
            calling = asyncio.create_task(asyncio.to_thread(client))
            await asyncio.to_thread(ready.wait)
            other = asyncio.create_task(kernel.receive())
            while not kernel._actor.outbox.getters:
                await asyncio.sleep(0)
            parked.set()
            assert (await other).value == 8
            await calling

    run(main())


def test_an_interrupted_send_and_request_leave_nothing_running(
    kit: Any, run: Any, interrupt: Any
) -> None:
    async def main() -> None:
        async with RingKernelRuntime() as runtime:
            kernel = await kit(runtime, active=False, queue_size=1)

            def client() -> None:
                kernel.sync.send(Task(SEND, 1))
                for call in (
                    lambda: kernel.sync.send(Task(SEND, 2)),
                    lambda: kernel.sync.request(Task(SEND, 3)),
                    lambda: kernel.sync.send_many([Task(SEND, 4)] * 3),
                ):
                    interrupt(nothing)
                    with pytest.raises(Interrupted):
                        call()
                kernel.sync.activate()
                assert kernel.sync.receive(timeout=5).value == 2
                assert kernel.sync.statistics().received == 1

            await asyncio.to_thread(client)
            assert not kernel._actor.replies.pending

    run(main())


def test_what_waits_when_the_event_loop_ends_is_told_so(kit: Any) -> None:
    outcomes: list[BaseException] = []

    async def main() -> Any:
        runtime = RingKernelRuntime()
        kernel = await kit(runtime)

        def client() -> None:
            try:
                kernel.sync.receive()
            except BaseException as error:
                outcomes.append(error)

        thread = threading.Thread(target=client)
        thread.start()
        while not kernel._actor.outbox.getters:
            await asyncio.sleep(0)
        return runtime, thread

    runtime, thread = asyncio.run(main())
    thread.join()
    assert [type(error) for error in outcomes] == [KernelClosedError]
    del runtime


def _kill_main() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
@pytest.mark.parametrize(
    "interrupt",
    [
        _kill_main,
        # as if the signal had come just before the thread blocked: nothing wakes it
        _thread.interrupt_main,
    ],
)
def test_ctrl_c_in_the_main_thread(kit: Any, interrupt: Callable[[], None]) -> None:
    # a shell that runs the tests in the background has them ignore the signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> tuple[Any, Any]:
        runtime = RingKernelRuntime()
        return runtime, await kit(runtime)

    async def ctrl_c(kernel: Any) -> None:
        while not kernel._actor.outbox.getters:
            await asyncio.sleep(0)
        interrupt()

    runtime, kernel = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    asyncio.run_coroutine_threadsafe(ctrl_c(kernel), loop)
    with pytest.raises(KeyboardInterrupt):
        kernel.sync.receive()
    assert not kernel._actor.outbox.getters
    kernel.sync.send(Task(SEND, 3))
    assert kernel.sync.receive(timeout=5).value == 6
    asyncio.run_coroutine_threadsafe(runtime.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
