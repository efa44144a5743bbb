"""Names and texts that mean something in C, to the preprocessor, to Jinja, or in a comment."""

from __future__ import annotations

import builtins
import itertools
from functools import cache
from keyword import iskeyword
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pydotcompute.errors import BackendUnavailableError
from tests.support import defining
from tests.support.differential import Subject, compare
from tests.support.profiles import examples

TEXTS = [
    'say "hi"', "it's", "a\nb", "*/ int x; /*", "/*", "//", "{{ 1 + 1 }}", "{% raw %}", "\\",
    "ends in \\", "??/", "??=", "\x00", "\r", "\t", "%s%n", "#line 1", '#include "/etc/passwd"',
    "\N{SNOWMAN}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\u2028", "pdc_burst", "u8", ")\"", 'R"(', "",
    "x" * 5000, "${HOME}", "<!-- <script>x", "$(id)", "`id`", "../../etc", "//\\\nint x;",
]  # fmt: skip
NAMES = [
    "double", "double_", "double__", "int_", "i64", "u8", "f64", "char", "signed", "struct",
    "template", "typename", "this", "namespace", "operator", "union", "register", "volatile",
    "NULL", "linux", "unix", "main", "printf", "exp", "sqrt", "fmod", "acos", "floor", "min_",
    "pdc_burst", "pdc_turn", "pdc_t", "pdc_t1", "pdc_v1", "pdc_state", "pdc_kept", "pdc_in",
    "pdc_out", "pdc_port", "state", "from_", "slot", "v", "token", "header", "PDC_FAILED",
    "PDC_FN", "PDC_ON_DEVICE", "PDC_IDLE", "Pdc_Burst", "__LINE__", "__FILE__", "__attribute__",
    "__device__", "_", "_Bool", "_Atomic", "py_x", "v_x", "t_1",
    "float4", "dim3", "half", "threadIdx", "warpSize", "assert_", "tag", "value", "present",
    "items", "size", "unused", "Message", "Reply", "Kind", "N", "q" * 400,
    "\N{LATIN SMALL LETTER E WITH ACUTE}", "ue9", "\u65e5\u672c", "\u0e99x", "u65e5u672c",
    "h\N{LATIN SMALL LETTER E WITH ACUTE}llo", "\N{GREEK SMALL LETTER MU}s",
]  # fmt: skip
KEPT = {"ctx", "text", "m", "n", "last", "answer", "actor", "Colours", "annotations", "print",
        "kind", "number", "spare", "message", "ring_kernel", "dataclass", "Enum",
        "isinstance", "int", "float", "str", "len"}  # fmt: skip

_numbers = itertools.count()


def actor_of(
    cls: str, reply: str, fields: tuple[str, str], local: str, helper: str, member: str,
    texts: tuple[str, str, str], kernel_id: str, file: str,
) -> Any:  # fmt: skip
    """An actor of these names: it counts, compares texts, calls a helper and answers."""
    first, second = fields
    a, b, c = texts
    quoted = c.replace("{", "{{").replace("}", "}}")
    piece = "f" + repr(quoted)[:-1] + "{n}" + repr(quoted)[0]
    text = f'''\
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum
from pydotcompute import message, ring_kernel

class Colours(Enum):
    {member} = {a!r}
    spare = 1

@message
@dataclass
class {cls}:
    {first}: int
    {second}: int
    text: str
    kind: Colours

@message
@dataclass
class {reply}:
    {first}: int
    text: str
    {second}: {cls}

def {helper}({local}: int) -> int:
    if {local} > 3:  # {a.splitlines()[0] if a.splitlines() and a.isprintable() else ""}
        return {local} * 2
    return {local} - 1

@ring_kernel(kernel_id={kernel_id!r}, input_type={cls}, output_type={reply}, auto_register=False)
async def actor(ctx):
    {local} = 0
    last = {b!r}
    while True:
        m = await ctx.receive()
        {local} += {helper}(m.{first} % 10) + m.{second} % 7
        answer = {c!r}
        if m.text == {a!r} or m.kind is Colours.{member}:
            answer = {b!r}
        elif m.text == last:
            answer = {a!r}
        last = m.text
        n = {local} % 100
        if n == 13:
            print({a!r}, {piece}, last)
        await ctx.send({reply}({local}, answer, m))
'''
    scope = vars(defining.load(text, f"hostile_{next(_numbers)}", file))
    made = scope["actor"]
    colours = list(scope["Colours"])
    made.messages = [
        scope[cls](n * 7, n - 3, [a, b, c, "plain"][n % 4], colours[n % 3 == 0])
        for n in range(24)
    ]
    return made


def agree(actor: Any) -> Subject:
    """It lowers, compiles natively and does the same as its coroutine."""
    subject = Subject(actor)
    compare(subject, actor.messages)
    assert "<!-- " not in subject.lowering.html()
    assert subject.lowering.explain()
    return subject


PLAIN = {
    "cls": "Ask", "reply": "Tell", "fields": ("number", "other"), "local": "total",
    "helper": "change", "member": "red", "texts": ("a", "b", "c"), "kernel_id": "plain",
    "file": "plain.py",
}  # fmt: skip


@cache
def cubin(text: str) -> bytes:
    from pydotcompute.toolchain import nvrtc

    try:
        return nvrtc.compile(text, "sm_90", name="hostile")
    except BackendUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_everywhere(name: str) -> None:
    other = f"{name}_" if f"{name}_" not in KEPT else f"{name}__"
    actor = actor_of(**{
        **PLAIN, "cls": name, "fields": (name, other), "local": name, "helper": f"_{name}",
        "member": "red" if name.startswith("_") else name,
    })  # fmt: skip
    agree(actor)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_every_text_everywhere(text: str) -> None:
    file = text.replace("\0", "0")
    agree(actor_of(**{
        **PLAIN, "texts": (text, f"{text}{text}", f" {text}"), "kernel_id": f"k{text}",
        "file": f"<{file}",
    }))  # fmt: skip


def test_nvrtc_takes_the_same_text() -> None:
    """Four names to an actor, for the sake of time."""
    for n, name in enumerate(NAMES):
        if n % 4 == 0 or name in ("float4", "dim3", "printf", "exp", "half"):
            names = [NAMES[(n + k) % len(NAMES)] for k in range(4)]
            text = TEXTS[n % len(TEXTS)]
            actor = actor_of(**{
                **PLAIN, "cls": names[0], "fields": (names[0], "f" + names[1]),
                "local": names[2], "helper": names[3] + "_", "kernel_id": f"k{text}",
                "file": f"<{text}".replace("\0", "0"),
            })  # fmt: skip
            assert len(cubin(Subject(actor).kernel.text)) > 1000


letters = st.text("abcdefgiux_0123456789\u00e9\u00b5\u4e00N", min_size=1, max_size=6)
names = (st.sampled_from(NAMES) | letters).map(lambda name: normalize("NFKC", name))
texts = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=20)


def is_free(name: str) -> bool:
    """It can be a class, a field and a variable, and is not what the actor's own text uses."""
    mangled = name.startswith("__") and not name.endswith("__")
    return not (
        mangled or not name.isidentifier() or iskeyword(name) or hasattr(builtins, name)
        or name in KEPT
    )  # fmt: skip


@settings(max_examples=examples(15), deadline=None, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    st.lists(names.filter(is_free), min_size=6, max_size=6, unique=True),
    st.tuples(texts, texts, texts), texts,
)  # fmt: skip
def test_any_names_and_texts(six: list[str], three: tuple[str, str, str], other: str) -> None:
    cls, reply, first, second, local, helper = six
    agree(actor_of(cls, reply, (first, second), local, helper, "red", three, f"k{other}",
                   "<" + other.replace("\0", "0")))  # fmt: skip
