"""What an actor's function is given: its mailbox, and what the runtime wants of it.

Input: nothing; engines subclass it.  Output: the type users annotate with,
``async def doubler(ctx: KernelContext[Request, Response])``.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class KernelContext(Generic[In, Out]):
    """The actor's side of its two queues.

    Calling a decorated function with a hand-made object that has these members is supported:
    that is how actors are unit-tested.
    """

    __slots__ = ()

    @property
    def kernel_id(self) -> str:
        """The id under which the actor was launched."""
        raise AttributeError("this context belongs to no kernel")

    @property
    def key(self) -> Any:
        """Of a population: the key of the instance, which is one value or a tuple of values.

        Raises:
            AttributeError: the kernel is no population.
        """
        raise AttributeError("this context belongs to no kernel")

    @property
    def should_terminate(self) -> bool:
        """Whether the loop ought to end now."""
        raise AttributeError("this context belongs to no kernel")

    @property
    def is_active(self) -> bool:
        """Whether the kernel is active, that is not paused."""
        raise AttributeError("this context belongs to no kernel")

    async def wait_active(self) -> None:
        """Wait until the kernel is active, or ought to end."""
        raise AttributeError("this context belongs to no kernel")

    async def receive(self, timeout: float | None = None) -> In:
        """Take the next message from the input queue.

        Args:
            timeout: seconds to wait; ``None`` waits for ever.

        Raises:
            QueueTimeoutError: nothing came in time; it is a ``TimeoutError``.
        """
        raise AttributeError("this context belongs to no kernel")

    async def send(self, message: Out) -> None:
        """Put a message into the output queue, by the queue's backpressure strategy.

        Args:
            message: an instance of the output type.

        Raises:
            QueueFullError: the queue is full and its strategy is REJECT.
            MessageTypeError: the message, or one of its fields, has the wrong type.
            MessageValueError: a field is out of range.
        """
        raise AttributeError("this context belongs to no kernel")
