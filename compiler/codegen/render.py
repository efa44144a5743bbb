"""The one text of a kernel, from its parts and the templates.  The only user of Jinja.

``kernel.cu.j2`` loops over prepared lists and decides nothing; the other templates are C++ as it
is, which ``plain`` puts in.  Values are put in as they are: whatever comes from a user (names,
lines, ids) was made harmless where it was emitted.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jinja2

from pydotcompute.compiler import abi
from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.compiler.codegen.c_types import comment
from pydotcompute.compiler.codegen.kernel import Emitted
from pydotcompute.compiler.codegen.signature import MARK

ABI_VERSION = 4
_HELPER = re.compile(r"\bpdc_\w+")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pydotcompute.templates", "."),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals["plain"] = helpers.plain
    return environment


def _layout_checks() -> list[dict[str, Any]]:
    """The layout of the shared structs, as numpy has it, for the compiler to confirm."""
    checks = []
    layouts = (
        ("pdc_port", abi.PORT),
        ("pdc_actor", abi.ACTOR),
        ("pdc_population", abi.POPULATION),
        ("pdc_residency_record", abi.RESIDENCY_RECORD),
    )
    for struct, dtype in layouts:
        checks.append({"expression": f"sizeof({struct})", "value": dtype.itemsize, "what": struct})
        for name in dtype.names or ():
            checks.append({
                "expression": f"__builtin_offsetof({struct}, {name})",
                "value": dtype.fields[name][1],  # type: ignore[index]
                "what": f"{struct}.{name}",
            })  # fmt: skip
    return checks


def render(origin: str, signature: str, parts: Emitted, state_size: int, *,
           publishes: bool, most: int | None, lanes: abi.Lanes, key_words: int = 0,
           rests: bool = False) -> str:  # fmt: skip
    """The text of a kernel.

    Args:
        origin: function, file and line, for the headline.
        signature: its messages and variables, for the headline.
        parts: what was emitted.
        state_size: bytes of the state's numpy record, which the compiler confirms.
        publishes: whether a burst publishes its outputs, or leaves that to the host.
        most: outputs of a turn, at most; None if there is no bound.
        lanes: what it has of a device.
        key_words: words of the key of a population; 0 for one actor.
        rests: whether a turn behind a message surely waits for the next one.

    Returns:
        C++17 for NVRTC and for the host compiler.
    """
    state = parts.state
    text = "\n".join([*parts.structs, *parts.functions, *(v.c_type for v in state), parts.turn])
    used = sorted(set(_HELPER.findall(text)) & helpers.table().keys())
    places = [v for v in state if v.in_place]
    return _environment().get_template("kernel.cu.j2").render(
        origin=comment(origin),
        mark=MARK,
        signature=signature,
        platform=helpers.platform(),
        helpers=helpers.select(used),
        line=abi.CACHE_LINE,
        checks=_layout_checks(),
        statuses=list(abi.Status),
        structs=parts.structs,
        functions=parts.functions,
        state=state,
        kept=[v for v in state if v.kept],
        places=places,
        changing=[v for v in places if not v.fixed],
        independent=int(lanes == abi.SIDE_BY_SIDE),
        most=most or 0,
        lanes=lanes,
        containers="pdc_list<" in text or "pdc_dict<" in text or "pdc_deque<" in text
        or "pdc_array<" in text or "pdc_index(" in text or bool(places),
        state_size=state_size,
        turn=parts.turn,
        input_slot=parts.input_slot,
        output_slot=parts.output_slot,
        writers=parts.writers,
        error_texts=parts.error_texts,
        error_names=parts.error_names,
        abi_version=ABI_VERSION,
        publishes=int(publishes),
        key_words=key_words,
        key_functions=parts.key,
        rests=int(rests),
    )  # fmt: skip


def render_echo() -> str:
    """The text of the kernel by which a device shows that it runs beside the host."""
    return helpers.platform() + helpers.plain("device/echo.cu")
