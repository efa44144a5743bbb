"""Selects the helpers that a generated source uses, with everything they depend on.

In: names such as ``{"pdc_floordiv_i64", "pdc_round_f64_n"}``.  Out: the text of those helpers and
of the helpers they call, each once, in an order in which every one follows what it uses.

A file of ``templates/library/pyops`` is cut at lines ``//@ name ...``: the section that follows
defines those names.  What a section depends on is not written down but read from its text, so it
cannot go stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from pydotcompute.compiler.ops import error_codes

FILES = (
    "library/pyops/int.h",
    "library/pyops/float.h",
    "library/pyops/convert.h",
    "library/pyops/round.h",
    "library/pyops/math_int.h",
    "library/pyops/math.h",
    "library/pyops/math_special.h",
    "library/pyops/numpy.h",
    "library/pyops/wide.h",
)
"""In order: a section may only use sections before it."""

IMPRECISE_ON_DEVICE = frozenset({
    "pdc_acosh_f64", "pdc_asinh_f64", "pdc_erfc_f64", "pdc_gamma_f64", "pdc_lgamma_f64",
    "pdc_logb_f64",
})  # fmt: skip
"""Helpers that may be more than 2 units in the last place off on a GPU, because CUDA's function is
or because they combine several; on the host they are exact like all others."""

_MARKER = re.compile(r"^//@ (.+)\n", re.MULTILINE)
_NAME = re.compile(r"\bpdc_\w+")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """One helper, or a few that belong together.

    Args:
        index: position in the whole text.
        names: what it defines.
        text: C++.
        needs: names of other sections' helpers that the text uses.
    """

    index: int
    names: tuple[str, ...]
    text: str
    needs: frozenset[str]


def plain(name: str) -> str:
    """The text of a template that is C++ as it is, without Jinja.

    Args:
        name: its path in the folder of templates, such as ``"actor/sink.h"``.
    """
    return files("pydotcompute.templates").joinpath(name).read_text(encoding="utf-8")


@cache
def table() -> Mapping[str, Section]:
    """Every helper by name."""
    pieces: list[tuple[tuple[str, ...], str]] = []
    for name in FILES:
        parts = _MARKER.split(plain(name))
        pieces += [
            (tuple(names.split()), text.strip() + "\n")
            for names, text in zip(parts[1::2], parts[2::2], strict=True)
        ]
    known = {name for names, _ in pieces for name in names}
    sections: dict[str, Section] = {}
    for index, (names, text) in enumerate(pieces):
        needs = frozenset(_NAME.findall(_COMMENT.sub("", text))) & known - set(names)
        section = Section(index, names, text, needs)
        sections.update(dict.fromkeys(names, section))
    return MappingProxyType(sections)


def select(names: Iterable[str]) -> str:
    """The text of some helpers and of all they need.

    Args:
        names: names of helpers, as in the templates.

    Returns:
        C++ text to follow ``platform()``; empty for no names.

    Raises:
        KeyError: a name is not the name of a helper.
    """
    sections, chosen, waiting = table(), {}, list(names)
    while waiting:
        section = sections[waiting.pop()]
        if section.index not in chosen:
            chosen[section.index] = section.text
            waiting += section.needs
    return "\n".join(text for _, text in sorted(chosen.items()))


@cache
def platform() -> str:
    """The text of ``platform.h`` for the running interpreter: types, error codes, primitives."""
    version = f"0x{sys.version_info.major:02x}{sys.version_info.minor:02x}"
    return _INTERPRETER.format(version=version, codes=error_codes.enum_text(),
                               deoptimise=error_codes.DEOPTIMISE) + plain(
        "actor/platform.h"
    )


_INTERPRETER = """\
/* Version of the interpreter whose results are reproduced: 0x030b is 3.11. */
#define PDC_PYTHON {version}

/* Why compiled code gave up: codes below 1000 are Python exceptions, from 1000 on values that
   compiled code cannot represent. */
enum pdc_code {{
{codes}
}};
#define PDC_FIRST_DEOPT {deoptimise}

"""
