"""Which C++ of ``ops.h`` an arithmetic instruction of PTX is: a table by opcode without its types.

A row has the call (``{T}`` is the instruction's first type, ``{S}`` its second), the type each
source is read as, and the kinds of types it is for: ``i`` whole numbers and bits, ``f`` floats,
``p`` predicates.  What has no row is unknown, and so is a modifier that no row names.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """An instruction.

    Args:
        call: C++; ``{0}`` and so on are the sources.
        sources: the types of the sources.
        kinds: the kinds of types it takes.
        carries: whether it reads or writes the carry.
    """

    call: str
    sources: str
    kinds: str = "i"


TYPES = frozenset(
    [f"{kind}{bits}" for kind in "usb" for bits in (8, 16, 32, 64)] + ["f32", "f64", "pred"]
)

ROWS: dict[str, Row] = {
    "add": Row("op_add<{T}>({0}, {1})", "TT"),
    "sub": Row("op_sub<{T}>({0}, {1})", "TT"),
    "mul.lo": Row("op_mul_lo<{T}>({0}, {1})", "TT"),
    "mul.hi": Row("op_mul_hi<{T}>({0}, {1})", "TT"),
    "mul.wide": Row("op_mul_wide<{T}>({0}, {1})", "TT"),
    "mad.lo": Row("op_mad_lo<{T}>({0}, {1}, {2})", "TTT"),
    "mad.hi": Row("op_mad_hi<{T}>({0}, {1}, {2})", "TTT"),
    "mad.wide": Row("op_add<wide_of<{T}>>(op_mul_wide<{T}>({0}, {1}), {2})", "TTW"),
    "div": Row("op_div<{T}>({0}, {1})", "TT"),
    "rem": Row("op_rem<{T}>({0}, {1})", "TT"),
    "abs": Row("op_abs<{T}>({0})", "T", "if"),
    "neg": Row("op_neg<{T}>({0})", "T", "if"),
    "min": Row("op_min<{T}>({0}, {1})", "TT", "if"),
    "max": Row("op_max<{T}>({0}, {1})", "TT", "if"),
    "copysign": Row("op_copysign<{T}>({0}, {1})", "TT", "f"),
    "and": Row("op_and<{T}>({0}, {1})", "TT", "ip"),
    "or": Row("op_or<{T}>({0}, {1})", "TT", "ip"),
    "xor": Row("op_xor<{T}>({0}, {1})", "TT", "ip"),
    "not": Row("op_not<{T}>({0})", "T", "ip"),
    "cnot": Row("op_cnot<{T}>({0})", "T"),
    "shl": Row("op_shl<{T}>({0}, {1})", "TN"),
    "shr": Row("op_shr<{T}>({0}, {1})", "TN"),
    "shf.l.wrap": Row("op_shf_l_wrap({0}, {1}, {2})", "NNN"),
    "shf.r.wrap": Row("op_shf_r_wrap({0}, {1}, {2})", "NNN"),
    "shf.l.clamp": Row("op_shf_l_clamp({0}, {1}, {2})", "NNN"),
    "shf.r.clamp": Row("op_shf_r_clamp({0}, {1}, {2})", "NNN"),
    "popc": Row("op_popc<{T}>({0})", "T"),
    "clz": Row("op_clz<{T}>({0})", "T"),
    "brev": Row("op_brev<{T}>({0})", "T"),
    "bfind": Row("op_bfind<{T}>({0})", "T"),
    "bfind.shiftamt": Row("op_bfind_shiftamt<{T}>({0})", "T"),
    "bfe": Row("op_bfe<{T}>({0}, {1}, {2})", "TNN"),
    "bfi": Row("op_bfi<{T}>({0}, {1}, {2}, {3})", "TTNN"),
    "prmt": Row("op_prmt({0}, {1}, {2})", "NNN"),
    "lop3": Row("op_lop3({0}, {1}, {2}, {3})", "NNNN"),
    "selp": Row("({2} ? {0} : {1})", "TTP", "if"),
    "slct": Row("({2} >= 0 ? {0} : {1})", "TTS", "if"),
    "ex2.approx.ftz": Row("op_ex2({0})", "T", "f"),
    "lg2.approx.ftz": Row("op_lg2({0})", "T", "f"),
    "rcp.approx.ftz": Row("op_rcp_approx({0})", "T", "f"),
    "rsqrt.approx.ftz": Row("op_rsqrt_approx({0})", "T", "f"),
    "testp.finite": Row("op_testp_finite<{T}>({0})", "T", "f"),
    "testp.infinite": Row("op_testp_infinite<{T}>({0})", "T", "f"),
    "testp.number": Row("op_testp_number<{T}>({0})", "T", "f"),
    "testp.notanumber": Row("op_testp_notanumber<{T}>({0})", "T", "f"),
    "add.cc": Row("carried<{T}>({0}, {1}, 0, &carry)", "TT"),
    "addc": Row("carried<{T}>({0}, {1}, carry, nullptr)", "TT"),
    "addc.cc": Row("carried<{T}>({0}, {1}, carry, &carry)", "TT"),
    "sub.cc": Row("borrowed<{T}>({0}, {1}, 0, &carry)", "TT"),
    "subc": Row("borrowed<{T}>({0}, {1}, carry, nullptr)", "TT"),
    "subc.cc": Row("borrowed<{T}>({0}, {1}, carry, &carry)", "TT"),
}
for _half in ("lo", "hi"):
    _product = f"op_mul_{_half}<{{T}}>({{0}}, {{1}})"
    ROWS[f"mad.{_half}.cc"] = Row(f"carried<{{T}}>({_product}, {{2}}, 0, &carry)", "TTT")
    ROWS[f"madc.{_half}"] = Row(f"carried<{{T}}>({_product}, {{2}}, carry, nullptr)", "TTT")
    ROWS[f"madc.{_half}.cc"] = Row(f"carried<{{T}}>({_product}, {{2}}, carry, &carry)", "TTT")

FLOATS: dict[str, Row] = {}
"""Instructions of floats that share their name with one of whole numbers, or round."""
for _name, _arguments in (
    ("add", "{0}, {1}, 0"), ("sub", "{0}, {1}, 0"), ("mul", "{0}, {1}, 1"),
    ("div", "{0}, {1}, 1"), ("fma", "{0}, {1}, {2}"), ("sqrt", "{0}, 1, 1"),
    ("rcp", "{0}, 1, 1"),
):  # fmt: skip
    _sources = "T" * sum(f"{{{n}}}" in _arguments for n in range(3))
    for _mode in ("rn", "rz", "rm", "rp"):
        _call = f"{_name}_r<{{T}}, {_mode.upper()}>({_arguments})"
        FLOATS[f"{_name}.{_mode}"] = Row(_call, _sources, "f")
    if _name in ("add", "sub", "mul"):
        FLOATS[_name] = FLOATS[f"{_name}.rn"]

COMPARISONS = frozenset(
    "eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan".split()
)

SPECIAL = {
    "%tid.x": "l.id", "%tid.y": "0", "%tid.z": "0", "%ctaid.x": "l.of->id", "%ctaid.y": "0",
    "%ctaid.z": "0", "%ntid.x": "l.of->in->lanes", "%ntid.y": "1", "%ntid.z": "1",
    "%nctaid.x": "l.of->in->grid", "%nctaid.y": "1", "%nctaid.z": "1", "%laneid": "(l.id & 31)",
    "%warpid": "(l.id / 32)", "%globaltimer": "op_globaltimer(l)", "%clock64": "host_ns()",
}  # fmt: skip
"""Registers that tell a lane who it is and what time it is."""

ATOMICS = {
    "add": "op_add<{T}>(old, {0})", "exch": "{0}", "min": "op_min<{T}>(old, {0})",
    "max": "op_max<{T}>(old, {0})", "and": "op_and<{T}>(old, {0})", "or": "op_or<{T}>(old, {0})",
    "xor": "op_xor<{T}>(old, {0})", "cas": "(old == {0} ? {1} : old)",
    "inc": "(old >= {0} ? 0 : old + 1)", "dec": "(old == 0 || old > {0} ? {0} : old - 1)",
}  # fmt: skip
"""What an atomic instruction makes of the value that was there."""
