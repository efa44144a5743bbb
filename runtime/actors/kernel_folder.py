"""The folder of a kernel below the dump folder and the override folder.

``"doubler"`` gives ``doubler``, ``"温度"`` gives ``_-`` and eight digits of its hash: distinct ids
have distinct folders, on file systems that tell upper from lower case.
"""

from __future__ import annotations

import hashlib
import re

_LONGEST = 80
"""Characters of an id that are kept."""


def folder_name(kernel_id: str) -> str:
    """A folder name for a kernel id.

    Letters, digits, ``-`` and ``_`` of ASCII stay.  An id with anything else, or a very long one,
    gets eight digits of its SHA-256 behind what is left of it.
    """
    readable = re.sub(r"[^\w-]+", "_", kernel_id, flags=re.ASCII)[:_LONGEST]
    if readable == kernel_id:
        return readable
    digest = hashlib.sha256(kernel_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable}-{digest[:8]}"
