"""A small pool of threads for what must not run on the event loop: compiling and long bursts.

Input: callables.  Output: their results, delivered on the event loop.

The pool grows beyond the number of cores when all its threads are taken, because one that runs an
actor's endless loop comes back only when that actor is stopped, and the others must not wait for
it.  Idle threads beyond the number of cores end by themselves.  Threads are daemons: a program
that forgets to close the pool still ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger("pydotcompute.support.worker_pool")

_MOST = 256
"""Threads at most; beyond that, work waits."""
Job = Callable[[], None]


class Pool:
    """Threads that are started when needed.

    Args:
        name: prefix of the threads' names.
    """

    def __init__(self, name: str = "pydotcompute") -> None:
        self._name = name
        self._keep = os.cpu_count() or 1
        self._jobs: deque[Job] = deque()
        self._ready = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False
        self._over: Callable[[], None] | None = None

    def submit(self, job: Job) -> None:
        """Run a callable on some thread; what it raises is logged."""
        with self._ready:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._ready.notify()
            elif len(self._threads) < _MOST:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function on some thread and wait for its result, on the event loop.

        The function sees the caller's context variables: ``settings.scope`` reaches it.

        Raises:
            Whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            result, error = None, None
            try:
                result = context.run(function, *args)
            except BaseException as caught:  # handed to the waiting coroutine
                error = caught
            tell(loop, _settle, future, result, error)

        self.submit(job)
        return await future

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._ready:
                while not self._jobs:
                    if self._closed or len(self._threads) > self._keep:
                        self._threads.discard(me)
                        if self._over is not None and not self._threads:
                            self._over()
                        return
                    self._idle += 1
                    self._ready.wait()
                    self._idle -= 1
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:
                log.exception("a job of thread %r failed", me.name)
            del job

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def close(self) -> None:
        """End the threads; those that are in the middle of something end when that is over."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    async def closed(self, timeout: float = 1.0) -> None:
        """Close the pool, and let the event loop run until its threads have ended.

        Args:
            timeout: seconds to wait for them.
        """
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        self.close()
        with self._ready:
            if not self._threads:
                return
            self._over = lambda: tell(loop, _settle, over, None, None)
        await asyncio.wait([over], timeout=timeout)


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Call something on the event loop from another thread; nothing if the loop is closed."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
