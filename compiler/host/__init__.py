"""The actor's coroutine, cut at its loop, for the interpreter."""
