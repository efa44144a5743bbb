"""The ``python`` engine: the coroutine itself."""
