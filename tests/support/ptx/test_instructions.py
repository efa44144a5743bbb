"""Single instructions: PTX text, translated and run, against Python's own numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.errors import BackendUnavailableError
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.profiles import examples
from tests.support.ptx.device import Program, build
from tests.support.ptx.parser import PtxError
from tests.support.ptx.translator import translate

try:
    find_compiler()
except BackendUnavailableError:
    pytest.skip("no C++ compiler", allow_module_level=True)

HEAD = ".version 8.0\n.target sm_90\n.address_size 64\n"

Meaning = Callable[..., Any]


def signed(value: int, bits: int) -> int:
    """The number that bits mean in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def bits_of(value: float, kind: str) -> int:
    """How a float is written down."""
    with np.errstate(over="ignore"):
        number = np.float32(value) if kind == "f32" else np.float64(value)
    return int.from_bytes(number.tobytes(), "little")


def float_of(bits: int, kind: str) -> float:
    """The float that bits mean."""
    size = 4 if kind == "f32" else 8
    return float(np.frombuffer(bits.to_bytes(8, "little")[:size], kind[0] + str(size))[0])


def truncated(a: int, b: int) -> int:
    """Division as C has it."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _prmt(a: int, b: int, selector: int) -> int:
    data, made = (b << 32 | a).to_bytes(8, "little"), 0
    for n in range(4):
        nibble = selector >> 4 * n & 15
        byte = data[nibble & 7]
        made |= (255 * (byte >> 7) if nibble & 8 else byte) << 8 * n
    return made


def _bfe(a: int, at: int, count: int, bits: int, *, sign: bool) -> int:
    at, count = at & 255, count & 255
    if not count:
        return 0
    field = (signed(a, bits) if sign else a) >> at
    return signed(field, count) if sign and count < bits else field & ((1 << count) - 1)


def _bfi(a: int, b: int, at: int, count: int) -> int:
    mask = ((1 << (count & 255)) - 1) << (at & 255)
    return (b & ~mask) | ((a << (at & 255)) & mask)


WHOLE: dict[str, Meaning] = {
    "add.s32": lambda a, b, c: a + b, "add.u64": lambda a, b, c: a + b,
    "add.s16": lambda a, b, c: a + b, "sub.s64": lambda a, b, c: a - b,
    "mul.lo.s32": lambda a, b, c: a * b, "mul.lo.u64": lambda a, b, c: a * b,
    "mul.hi.u64": lambda a, b, c: (a * b) >> 64, "mul.hi.s64": lambda a, b, c: (a * b) >> 64,
    "mul.hi.u32": lambda a, b, c: (a * b) >> 32, "mul.hi.s32": lambda a, b, c: (a * b) >> 32,
    "mad.lo.s64": lambda a, b, c: a * b + c, "mad.lo.u32": lambda a, b, c: a * b + c,
    "mad.hi.u64": lambda a, b, c: ((a * b) >> 64) + c,
    "div.s64": lambda a, b, c: truncated(a, b) if b else -1,
    "div.u32": lambda a, b, c: a // b if b else -1,
    "rem.s64": lambda a, b, c: a - truncated(a, b) * b if b else a,
    "rem.u32": lambda a, b, c: a % b if b else a,
    "min.s64": lambda a, b, c: min(a, b), "max.u64": lambda a, b, c: max(a, b),
    "min.u32": lambda a, b, c: min(a, b), "max.s32": lambda a, b, c: max(a, b),
    "abs.s64": lambda a, b, c: abs(a), "neg.s32": lambda a, b, c: -a,
    "and.b64": lambda a, b, c: a & b, "or.b32": lambda a, b, c: a | b,
    "xor.b64": lambda a, b, c: a ^ b, "not.b64": lambda a, b, c: ~a,
    "not.b16": lambda a, b, c: ~a,
    "popc.b32": lambda a, b, c: a.bit_count(), "popc.b64": lambda a, b, c: a.bit_count(),
    "clz.b64": lambda a, b, c: 64 - a.bit_length(), "clz.b32": lambda a, b, c: 32 - a.bit_length(),
    "brev.b64": lambda a, b, c: int(f"{a:064b}"[::-1], 2),
    "brev.b32": lambda a, b, c: int(f"{a:032b}"[::-1], 2),
    "bfind.u64": lambda a, b, c: a.bit_length() - 1,
    "bfind.s32": lambda a, b, c: (a if a >= 0 else ~a).bit_length() - 1,
    "prmt.b32": lambda a, b, c: _prmt(a, b, c),
    "lop3.b32": lambda a, b, c: (a & b) | (~a & c),
    "shf.l.wrap.b32": lambda a, b, c: ((b << 32 | a) << (c & 31)) >> 32,
    "shf.r.clamp.b32": lambda a, b, c: (b << 32 | a) >> min(c, 32),
    "shl.b64": lambda a, b, c: a << b if b < 64 else 0,
    "shr.u64": lambda a, b, c: a >> b if b < 64 else 0,
    "shr.s64": lambda a, b, c: a >> min(b, 63), "shr.s32": lambda a, b, c: a >> min(b, 31),
    "bfe.u64": lambda a, b, c: _bfe(a, b, c, 64, sign=False),
    "bfe.s32": lambda a, b, c: _bfe(a, b, c, 32, sign=True),
    "bfi.b64": lambda a, b, c: _bfi(a, 0x123456789ABCDEF, b, c),
    "bfi.b32": lambda a, b, c: _bfi(a, 0x89ABCDEF, b, c),
}  # fmt: skip
"""Of up to three operands, read as the type says; the result is cut to its width."""

OPERANDS = {
    "abs": "A", "neg": "A", "not": "A", "popc": "A", "clz": "A", "brev": "A", "bfind": "A",
    "mad": "ABC", "prmt": "ABC", "shf": "ABC", "shl": "An", "shr": "An", "bfe": "Anm",
    "bfi": "Aknm", "lop3": "ABCi",
}  # fmt: skip
"""Letters: a register of the type (A, B, C), of 32 bits (n, m), constants (k, i)."""
NARROW = ("popc", "clz", "bfind")
"""Their result has 32 bits."""

FLOAT: dict[str, Meaning] = {
    "add.rn": lambda a, b, c: a + b, "sub.rn": lambda a, b, c: a - b,
    "mul.rn": lambda a, b, c: a * b, "div.rn": np.divide, "sqrt.rn": lambda a, b, c: np.sqrt(a),
    "neg": lambda a, b, c: -a, "abs": lambda a, b, c: abs(a),
    "copysign": lambda a, b, c: np.copysign(b, a),
    "min": lambda a, b, c: np.fmin(a, b), "max": lambda a, b, c: np.fmax(a, b),
}  # fmt: skip


def kernel(name: str, body: str) -> str:
    """A kernel with three operands in registers of each width, which leaves ``%rd9``."""
    return f""".visible .entry {name}(.param .u64 p0, .param .u64 p1)
{{
.reg .pred %p<4>; .reg .b16 %rs<9>; .reg .b32 %r<9>; .reg .f32 %f<9>;
.reg .f64 %fd<9>; .reg .b64 %rd<12>;
ld.param.u64 %rd0, [p0]; ld.param.u64 %rd10, [p1];
ld.global.u64 %rd1, [%rd0]; ld.global.u64 %rd2, [%rd0+8]; ld.global.u64 %rd3, [%rd0+16];
cvt.u32.u64 %r1, %rd1; cvt.u32.u64 %r2, %rd2; cvt.u32.u64 %r3, %rd3;
cvt.u16.u64 %rs1, %rd1; cvt.u16.u64 %rs2, %rd2; cvt.u16.u64 %rs3, %rd3;
mov.b64 %fd1, %rd1; mov.b64 %fd2, %rd2; mov.b64 %fd3, %rd3;
mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;
mov.u64 %rd9, 0;
{body}
st.global.u64 [%rd10], %rd9;
ret;
}}
"""


def whole(opcode: str) -> str:
    """A kernel of one instruction on whole numbers."""
    base, kind = opcode.split(".")[0], opcode.split(".")[-1]
    bits = int(kind[1:])
    register = {16: "%rs", 32: "%r", 64: "%rd"}
    letters = OPERANDS.get(base, "AB")
    constant = "0x123456789ABCDEF" if bits == 64 else "0x89ABCDEF"
    names = {"A": f"{register[bits]}1", "B": f"{register[bits]}2", "C": f"{register[bits]}3",
             "n": "%r2", "m": "%r3", "k": constant, "i": "0xCA"}  # fmt: skip
    width = 32 if base in NARROW else bits
    to = f"{register[width]}5"
    text = f"{opcode} {to}, {', '.join(names[letter] for letter in letters)};"
    return text + f" cvt.u64.u{width} %rd9, {to};"


def floating(opcode: str, kind: str) -> str:
    """A kernel of one instruction on floats."""
    base, register = opcode.split(".")[0], "%f" if kind == "f32" else "%fd"
    count = 1 if base in ("sqrt", "neg", "abs") else 2
    given = ", ".join(f"{register}{n + 1}" for n in range(count))
    last = "mov.b32 %r5, %f5; cvt.u64.u32 %rd9, %r5;" if kind == "f32" else "mov.b64 %rd9, %fd5;"
    return f"{opcode}.{kind} {register}5, {given}; {last}"


ROUND = {"rzi": math.trunc, "rni": round, "rmi": math.floor, "rpi": math.ceil}
SPECIAL = {
    "carry": "add.cc.u64 %rd4, %rd1, %rd2; addc.u64 %rd9, %rd3, 0;",
    "borrow": "sub.cc.u64 %rd4, %rd1, %rd2; subc.u64 %rd9, %rd3, 0;",
    "product": "mad.lo.cc.u64 %rd4, %rd1, %rd2, %rd3; madc.hi.u64 %rd9, %rd1, %rd2, 0;",
    "wide": "mul.wide.s32 %rd9, %r1, %r2;",
    "fused": "fma.rn.f64 %fd5, %fd1, %fd2, %fd3; mov.b64 %rd9, %fd5;",
    "halves": "mov.b64 {%r5, %r6}, %rd1; mov.b64 %rd9, {%r6, %r5};",
    "chosen": "setp.lt.s64 %p1, %rd1, %rd2; selp.b64 %rd9, %rd3, 7, %p1;",
    "joined": "setp.gt.u64 %p1, %rd2, %rd3; setp.lt.and.s64 %p2|%p3, %rd1, %rd2, %p1;"
    " selp.u64 %rd4, 1, 0, %p2; selp.u64 %rd9, 2, 0, %p3; or.b64 %rd9, %rd9, %rd4;",
}
SPECIAL |= {f"to_{mode}": f"cvt.{mode}.s64.f64 %rd9, %fd1;" for mode in ROUND}
SPECIAL |= {f"whole_{mode}": f"cvt.{mode}.f64.f64 %fd5, %fd1; mov.b64 %rd9, %fd5;"
            for mode in ROUND}  # fmt: skip
SPECIAL |= {f"from_{mode}": f"cvt.{mode}.f64.s64 %fd5, %rd1; mov.b64 %rd9, %fd5;"
            for mode in ("rn", "rz", "rm", "rp")}  # fmt: skip
COMPARED: dict[str, Meaning] = {
    "eq": lambda a, b: a == b, "lt": lambda a, b: a < b, "ge": lambda a, b: a >= b,
    "ne": lambda a, b: a != b and a == a and b == b,
    "equ": lambda a, b: a == b or a != a or b != b, "neu": lambda a, b: a != b,
    "ltu": lambda a, b: not a >= b, "geu": lambda a, b: not a < b,
    "num": lambda a, b: a == a and b == b, "nan": lambda a, b: a != a or b != b,
}  # fmt: skip


@cache
def program() -> Program:
    """One module with all kernels of this file."""
    parts = [kernel(f"w_{op.replace('.', '_')}", whole(op)) for op in WHOLE]
    parts += [kernel(f"{kind}_{op.replace('.', '_')}", floating(op, kind))
              for op in FLOAT for kind in ("f32", "f64")]  # fmt: skip
    parts += [kernel(name, body) for name, body in SPECIAL.items()]
    parts += [kernel(f"cmp_{op}", f"setp.{op}.f64 %p1, %fd1, %fd2; selp.u64 %rd9, 1, 0, %p1;")
              for op in COMPARED]  # fmt: skip
    return Program(build(HEAD + "\n".join(parts), "instructions"))


def run(name: str, *operands: int) -> int:
    """What a kernel leaves."""
    memory = np.zeros(4, np.uint64)
    memory[: len(operands)] = [value % (1 << 64) for value in operands]
    at = memory.ctypes.data
    died = program().run(name, [at, at + 24], [(at, at + 32, 0)], Emulator().machine, lanes=1)
    assert died is None
    return int(memory[3])


ints = st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(-130, 130) | st.builds(
    lambda n, d: (1 << n) + d, st.integers(0, 64), st.integers(-1, 1)
)
floats = st.floats() | st.integers(-(1 << 53), 1 << 53).map(float) | st.sampled_from(
    [0.5, 1.5, 2.5, -0.5, -2.5, 2.0**63, -(2.0**63), 2.0**64, 5e-324, -0.0]
)
often = settings(max_examples=examples(60), deadline=None, database=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip


@pytest.mark.parametrize("opcode", WHOLE)
def test_whole_numbers(opcode: str) -> None:
    base, kind = opcode.split(".")[0], opcode.split(".")[-1]
    bits = int(kind[1:])
    letters = OPERANDS.get(base, "AB")

    @often
    @given(ints, ints | st.integers(0, 70), ints | st.integers(0, 70))
    @example(-(1 << (bits - 1)), -1, 0)
    @example((1 << bits) - 1, (1 << bits) - 1, (1 << bits) - 1)
    def check(a: int, b: int, c: int) -> None:
        def read(value: int, letter: str) -> int:
            width = bits if letter.isupper() else 32
            return signed(value, width) if kind[0] == "s" and letter.isupper() else (
                value & ((1 << width) - 1)
            )  # fmt: skip

        small = "n" in letters
        expected = WHOLE[opcode](
            read(a, "A"), read(b, "n" if small else "B"), read(c, "m" if small else "C")
        )
        width = 32 if base in NARROW else bits
        name = f"w_{opcode.replace('.', '_')}"
        assert run(name, a, b, c) == expected & ((1 << width) - 1)

    check()


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("opcode", FLOAT)
def test_floats(opcode: str, kind: str) -> None:
    number = np.float32 if kind == "f32" else np.float64

    @often
    @given(floats, floats)
    def check(a: float, b: float) -> None:
        with np.errstate(all="ignore"):
            x, y = number(a), number(b)
            arguments = (x, y) if opcode == "div.rn" else (x, y, None)
            expected = float(FLOAT[opcode](*arguments))
        bits = run(f"{kind}_{opcode.replace('.', '_')}", bits_of(x, kind), bits_of(y, kind))
        found = float_of(bits, kind)
        if opcode in ("min", "max") and x == y:
            return  # which zero it is, numpy leaves open
        assert found == expected or (found != found and expected != expected)
        assert found != found or math.copysign(1, found) == math.copysign(1, expected)

    check()


@often
@given(ints, ints, ints)
@example((1 << 64) - 1, 1, (1 << 64) - 1)
@example((1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1)
def test_what_hands_a_carry_on(a: int, b: int, c: int) -> None:
    mask = (1 << 64) - 1
    a, b, c = a & mask, b & mask, c & mask
    assert run("carry", a, b, c) == (c + ((a + b) >> 64)) & mask
    assert run("borrow", a, b, c) == (c - (a < b)) & mask
    assert run("product", a, b, c) == (a * b + c) >> 64
    assert run("wide", a, b) == (signed(a, 32) * signed(b, 32)) & mask
    assert run("halves", a) == (a >> 32) | (a & 0xFFFFFFFF) << 32
    less = signed(a, 64) < signed(b, 64)
    assert run("chosen", a, b, c) == (c if less else 7)
    assert run("joined", a, b, c) == (less and b > c) + 2 * (not less and b > c)


@often
@given(floats, floats)
def test_comparisons_of_floats(a: float, b: float) -> None:
    given_bits = bits_of(a, "f64"), bits_of(b, "f64")
    for name, meaning in COMPARED.items():
        assert run(f"cmp_{name}", *given_bits) == meaning(a, b), name


@often
@given(floats, ints)
@example(math.nan, (1 << 53) + 1)
@example(math.inf, -(1 << 53) - 1)
def test_conversions(a: float, n: int) -> None:
    for mode, meaning in ROUND.items():
        if math.isfinite(a):
            exact = meaning(a)
            expected = max(-(1 << 63), min((1 << 63) - 1, exact))
        else:
            expected = (1 << 63) - 1 if a == math.inf else -(1 << 63)
        assert signed(run(f"to_{mode}", bits_of(a, "f64")), 64) == expected, mode
        found = float_of(run(f"whole_{mode}", bits_of(a, "f64")), "f64")
        assert found == (float(meaning(a)) if math.isfinite(a) else a) or a != a
    whole_number = signed(n, 64)
    for mode in ("rn", "rz", "rm", "rp"):
        found = float_of(run(f"from_{mode}", n), "f64")
        near = float(whole_number)
        if mode == "rn":
            assert found == near
            continue
        towards = {"rz": 0.0, "rm": -math.inf, "rp": math.inf}[mode]
        beyond = {"rz": abs(near) > abs(whole_number), "rm": near > whole_number,
                  "rp": near < whole_number}[mode]  # fmt: skip
        assert found == (math.nextafter(near, towards) if beyond else near), mode


@often
@given(floats, floats, floats)
def test_a_fused_product_rounds_once(a: float, b: float, c: float) -> None:
    from fractions import Fraction

    found = float_of(run("fused", *(bits_of(x, "f64") for x in (a, b, c))), "f64")
    if not all(map(math.isfinite, (a, b, c))):
        return
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    try:
        expected = exact.numerator / exact.denominator
    except OverflowError:
        expected = math.inf if exact > 0 else -math.inf
    assert found == expected


@pytest.mark.parametrize(
    "text",
    ["frobnicate.u32 %r1, %r2;", "add.rn.ftz.f32 %f1, %f1, %f2;", "mov.u32 %r1, %dynamic_size;",
     "ld.frozen.u32 %r1, [%rd1];", "cvt.ra.f32.f64 %f1, %fd1;", "bar.arrive 0, 32;",
     "shfl.sync.idx.b32 %r1, %r2, 0, 31, -1;", "call.uni elsewhere, ();"],
)  # fmt: skip
def test_what_is_unknown_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(PtxError, match="line 15") as raised:
        translate(HEAD + kernel("k", text))
    assert text.rstrip(";") in str(raised.value)


def test_a_float_is_read_as_written() -> None:
    assert struct.pack("<d", float_of(bits_of(0.1, "f64"), "f64")) == struct.pack("<d", 0.1)
