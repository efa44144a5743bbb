"""Where the words of an actor's record lie: indices of ``abi.ACTOR``, as of ``abi.word``."""

from __future__ import annotations

from pydotcompute.compiler.abi import ACTOR, word

INPUT, OUTPUT, STATE, LOG, LOG_SIZE, HEAP, WATCH, POPULATION, STRINGS_AT = (
    word(ACTOR, name)
    for name in (
        "input", "output", "state", "log", "log_size", "heap", "watch", "population", "strings",
    )
)  # fmt: skip
STOP, TERMINATING, RECORD_ORIGIN, EVENT, FUEL = (
    word(ACTOR, name) for name in ("stop", "terminating", "record_origin", "event", "fuel")
)
STATUS, CODE, LINE, STAGED, TIMEOUT, PRODUCED, LOG_USED = (
    word(ACTOR, name)
    for name in ("status", "code", "line", "staged", "timeout", "produced", "log_used")
)
PROCESSED, SENT, REJECTED, TIMEOUTS, SKIPPED = (
    word(ACTOR, name) for name in ("processed", "sent", "rejected", "timeouts", "skipped")
)
