"""What actors print and log, as one text.

Input: whatever runs inside ``with Captured() as captured``.  Output: ``captured.text``: what
``print`` wrote, and a line ``LEVEL logger file:line function: message`` for each log record, in
order.
"""

from __future__ import annotations

import io
import logging
import sys
from types import TracebackType
from typing import TextIO


class _Lines(logging.Handler):
    """Writes records where ``print`` writes."""

    def __init__(self, to: TextIO) -> None:
        super().__init__(logging.DEBUG)
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        where = f"{record.filename}:{record.lineno} {record.funcName}"
        self._to.write(f"{record.levelname} {record.name} {where}: {record.getMessage()}\n")


class Captured:
    """A context in which standard output and all logging go to ``text``."""

    def __init__(self) -> None:
        self._to = io.StringIO()
        self._handler = _Lines(self._to)

    @property
    def text(self) -> str:
        """What was printed and logged so far."""
        return self._to.getvalue()

    def __enter__(self) -> Captured:
        root = logging.getLogger()
        self._saved = sys.stdout, root.level, root.handlers[:]
        sys.stdout = self._to
        root.handlers[:] = [self._handler]
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        sys.stdout, level, handlers = self._saved
        root = logging.getLogger()
        root.handlers[:] = handlers
        root.setLevel(level)
