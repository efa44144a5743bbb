"""Python's garbage collector, while an actor is being compiled.

Lowering makes many small objects that live until it is done.  The collector takes them for
survivors and goes through all objects of the process, holding the GIL: in a large process the
event loop would stand still for tens of milliseconds.  So it rests for as long as that.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_resting = 0
_was_enabled = False


@contextmanager
def resting() -> Iterator[None]:
    """No collections within; several threads may be within at once."""
    global _resting, _was_enabled
    with _lock:
        if not _resting:
            _was_enabled = gc.isenabled()
            gc.disable()
        _resting += 1
    try:
        yield
    finally:
        with _lock:
            _resting -= 1
            if not _resting and _was_enabled:
                gc.enable()
