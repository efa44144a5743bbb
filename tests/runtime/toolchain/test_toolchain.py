"""The two compilers: what they make, what they refuse, and what they say when they are missing."""

from __future__ import annotations

import ctypes
import math
import re
import subprocess
from pathlib import Path

import pytest

from pydotcompute.compiler.codegen import helper_library as helpers
from pydotcompute.errors import BackendUnavailableError, BuildError
from pydotcompute.toolchain import host_cc, nvrtc
from pydotcompute.toolchain.build_cache import BuildCache
from pydotcompute.toolchain.host_cc import HostCompiler, find_compiler
from tests.support.device_compiler import quick_options
from tests.support.pyops_cases import ALL, EXPORT, source

ANSWER = 'extern "C" __attribute__((visibility("default"))) int answer() { return 42; }'
KERNEL = 'extern "C" __global__ void k(int *p) { *p = 42; }'
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    return BuildCache(tmp_path / "cache")


@pytest.fixture
def no_compiler_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which compilers were found, before and after the test."""
    host_cc._find.cache_clear()
    monkeypatch.delenv("CXX", raising=False)


def fake(tmp_path: Path, body: str) -> HostCompiler:
    """A compiler that is a shell script."""
    script = tmp_path / "fake-cc"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return HostCompiler((str(script),), "fake 1.0")


def test_library_runs_and_is_found_again(cache: BuildCache) -> None:
    compiler = find_compiler()
    path = compiler.compile_shared(ANSWER, name="my.actor <locals>", cache=cache)
    assert ctypes.CDLL(str(path)).answer() == 42
    assert compiler.compile_shared(ANSWER, name="my.actor <locals>", cache=cache) == path


def test_flags_and_compiler_are_part_of_the_key(cache: BuildCache) -> None:
    compiler = find_compiler()
    other = HostCompiler(compiler.command, "another version")
    paths = {
        compiler.compile_shared(ANSWER, name="k", cache=cache).parent,
        compiler.compile_shared(ANSWER, name="k", flags=["-DX=1"], cache=cache).parent,
        other.compile_shared(ANSWER, name="k", cache=cache).parent,
    }
    assert len(paths) == 3


def test_rejected_source_keeps_log_and_source(cache: BuildCache) -> None:
    with pytest.raises(BuildError) as caught:
        HostCompiler(find_compiler().command, "x").compile_shared(
            "int f() { return nonsense; }", name="bad", cache=cache
        )
    command = " ".join(find_compiler().command)
    assert str(caught.value).startswith(
        f"The C++ compiler {command} could not compile kernel 'bad': "
    )
    assert "nonsense" in str(caught.value)
    assert "nonsense" in caught.value.log
    assert caught.value.source_path is not None
    assert caught.value.source_path.read_text() == "int f() { return nonsense; }"


def test_undefined_symbol_is_an_error_of_the_build(cache: BuildCache) -> None:
    text = EXPORT + 'extern "C" int missing(); extern "C" PDC_EXPORT int f() { return missing(); }'
    with pytest.raises(BuildError, match=r"could not compile kernel 'k': undefined .*missing"):
        find_compiler().compile_shared(text, name="k", cache=cache)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 3", "It ended with exit status 3 and no message."),
        ("echo broken; exit 1", "broken"),
        ("exit 0", "The compiler reported success and wrote no library."),
    ],
)
def test_broken_compiler(cache: BuildCache, tmp_path: Path, body: str, said: str) -> None:
    compiler = fake(tmp_path, body)
    with pytest.raises(BuildError) as caught:
        compiler.compile_shared(ANSWER, name="k", cache=cache)
    assert str(caught.value) == (
        f"The C++ compiler {compiler.command[0]} could not compile kernel 'k': {said}"
    )


def test_compiler_that_vanished(cache: BuildCache, tmp_path: Path) -> None:
    compiler = HostCompiler((str(tmp_path / "gone"),), "1")
    with pytest.raises(BuildError) as caught:
        compiler.compile_shared(ANSWER, name="k", cache=cache)
    assert str(caught.value).endswith(
        "could not compile kernel 'k': It could not be started: No such file or directory."
    )


def test_compiler_that_never_ends(
    cache: BuildCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_cc, "_TIMEOUT", 0.1)
    with pytest.raises(BuildError, match=r": It did not end within 0 seconds\.$"):
        fake(tmp_path, "exec cat /dev/zero > /dev/null").compile_shared(
            ANSWER, name="k", cache=cache
        )


@pytest.mark.usefixtures("no_compiler_known")
def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(host_cc, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailableError) as caught:
        find_compiler()
    assert str(caught.value) == (
        "The native backend needs a C++ compiler and none was found; run "
        "`pip install ziglang`, or install g++ or clang++, or set CXX to one."
    )


@pytest.mark.usefixtures("no_compiler_known")
@pytest.mark.parametrize("value", ["/nowhere/c++", "false", "'unbalanced"])
def test_cxx_that_does_not_run(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CXX", value)
    with pytest.raises(BackendUnavailableError) as caught:
        find_compiler()
    assert str(caught.value) == (
        f"CXX is set to {value!r}, which cannot be run as a C++ compiler; correct it or unset it."
    )


@pytest.mark.usefixtures("no_compiler_known")
def test_cxx_may_have_arguments(monkeypatch: pytest.MonkeyPatch, cache: BuildCache) -> None:
    command = find_compiler().command
    monkeypatch.setenv("CXX", f"env {' '.join(command)}")
    found = find_compiler()
    assert found.command == ("env", *command)
    path = found.compile_shared(ANSWER, name="k", cache=cache)
    assert ctypes.CDLL(str(path)).answer() == 42


def test_calls_of_constants_are_left_to_the_c_library(cache: BuildCache) -> None:
    """The compiler's own library may round otherwise than the one the interpreter uses."""
    text = [helpers.platform(), helpers.select(["pdc_exp_f64", "pdc_pow_f64"]), EXPORT]
    text.append(
        'extern "C" PDC_EXPORT f64 f() { pdc_error e = {0, 0}; '
        "return pdc_exp_f64(&e, 1.25) + pdc_pow_f64(&e, 10.0, 15.5); }\n"
        'extern "C" PDC_EXPORT void g(f64 *v) { pdc_error e = {0, 0}; '
        "for (int i = 0; i < 1024; i++) v[i] = pdc_exp_f64(&e, v[i]); }"
    )
    path = find_compiler().compile_shared("\n".join(text), name="k", flags=["-O3"], cache=cache)
    dll = ctypes.CDLL(str(path))
    dll.f.restype = ctypes.c_double
    assert dll.f() == math.exp(1.25) + 10.0**15.5
    symbols = subprocess.run(["nm", "-D", str(path)], capture_output=True, text=True, check=False)
    if symbols.returncode == 0:
        assert re.search(r"\bU exp\b", symbols.stdout)
        assert re.search(r"\bU pow\b", symbols.stdout)
        assert "_ZGV" not in symbols.stdout  # vector versions


def test_products_and_sums_are_not_contracted(cache: BuildCache) -> None:
    text = EXPORT + 'extern "C" PDC_EXPORT double f(double a, double b, double c)'
    text += " { return a * b + c; }"
    path = find_compiler().compile_shared(text, name="k", flags=["-march=native"], cache=cache)
    function = ctypes.CDLL(str(path)).f
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 3
    a = 1.0 + 2.0**-30
    assert function(a, a, -1.0 - 2.0**-29) == a * a + (-1.0 - 2.0**-29) == 0.0


def device_text() -> str:
    """A kernel with every helper in it: the wrappers, as device functions that are called."""
    wrappers = source(ALL).replace('extern "C" PDC_EXPORT i32', "__device__ __noinline__ i32")
    wrapped = helpers.select(case.name for case in ALL)
    assert wrapped in wrappers
    wrappers = wrappers.replace(wrapped, helpers.select(helpers.table()))
    calls, number = [], {"i": "n", "f": "x", "b": "true"}
    for case in ALL:
        given = [number[kind] for kind in case.args]
        places = [f"&{'jyb'['ifb'.index(kind)]}{at}" for at, kind in enumerate(case.result)]
        calls.append(f"code += t_{case.name}({', '.join(given + places)});")
    numpy = [
        f"{{ {t} a = ({t})x, b = ({t})n; y0 += pdc_np_add(a, b) + pdc_np_sub(a, b)"
        " + pdc_np_mul(a, b) + pdc_np_mod(a, b) + pdc_np_floordiv(a, b) + pdc_np_truediv(a, b)"
        f" + pdc_np_pow(&e, a, b) + pdc_np_neg(a) + pdc_np_abs(a) + pdc_np_of_f64<{t}>(&e, x)"
        f" + pdc_np_of_i64<{t}>(&e, n); }}"
        for t in ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64")
    ]
    return "\n".join([
        wrappers,
        'extern "C" __global__ void k(i64 *ints, f64 *floats, u64 *words) {',
        "pdc_error e = {0, 0}; i64 n = *ints, j0 = 0, j1 = 0; f64 x = *floats, y0 = 0, y1 = 0;",
        "bool b0 = false; i32 code = 0;",
        *calls,
        *numpy,
        "pdc_store_release_u64(words, pdc_load_acquire_u64(words + 1)); pdc_pause();",
        "*ints = j0 + j1 + code + b0 + e.code; *floats = y0 + y1; }",
    ])  # fmt: skip


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_helper_compiles_for_the_device(cache: BuildCache, arch: str) -> None:
    """One of the architectures with all optimisation."""
    pytest.importorskip("cuda.bindings.nvrtc")
    options = () if arch == "sm_90" else quick_options()
    cubin = nvrtc.compile(device_text(), arch, name="helpers", cache=cache, options=options)
    assert cubin.startswith(b"\x7fELF")


def test_device_arithmetic_is_neither_contracted_nor_flushed(cache: BuildCache) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    text = (
        'extern "C" __global__ void k(float *f, double *d) '
        "{ f[0] = f[1] * f[2] + f[3]; f[4] = f[5] / f[6]; d[0] = d[1] * d[2] + d[3]; }"
    )
    ptx = nvrtc.compile(text, "sm_90", name="k", to="ptx", cache=cache).decode()
    assert "fma" not in ptx
    assert ".ftz" not in ptx
    assert "div.rn.f32" in ptx
    assert not ptx.endswith("\0")


def test_shared_words_are_read_and_written_with_order(cache: BuildCache) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    text = helpers.platform() + (
        'extern "C" __global__ void k(u64 *w, u32 *h) '
        "{ pdc_store_release_u64(w, pdc_load_acquire_u64(w + 1));"
        " pdc_store_release_u32(h, pdc_load_acquire_u32(h + 1)); }"
    )
    ptx = nvrtc.compile(text, "sm_90", name="k", to="ptx", cache=cache).decode()
    assert "ld.acquire.sys.u32" in ptx
    assert "st.release.sys.u32" in ptx
    assert "ld.acquire.sys.u64" in ptx
    assert "st.release.sys.u64" in ptx


def test_device_results_come_from_the_cache(
    cache: BuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    first = nvrtc.compile(KERNEL, "sm_90", name="k", cache=cache)
    monkeypatch.setattr(type(nvrtc.find_nvrtc()), "compile", None)
    assert nvrtc.compile(KERNEL, "sm_90", name="k", cache=cache) == first


def test_source_that_nvrtc_rejects(cache: BuildCache) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    text = 'extern "C" __global__ void k() { nonsense(); }'
    with pytest.raises(BuildError) as caught:
        nvrtc.compile(text, "sm_90", name="bad", cache=cache)
    assert str(caught.value) == (
        "NVRTC could not compile kernel 'bad' for sm_90: identifier \"nonsense\" is undefined"
    )
    assert "kernel.cu(1)" in caught.value.log
    assert caught.value.source_path is not None
    assert caught.value.source_path.read_text() == text


def test_architectures_that_do_not_exist(cache: BuildCache) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    with pytest.raises(BackendUnavailableError, match=r"cannot compile for sm_20; it can for sm_"):
        nvrtc.compile(KERNEL, "sm_20", name="k", cache=cache)
    with pytest.raises(ValueError, match=r"^arch must have the form 'sm_90', not 'compute_90'$"):
        nvrtc.compile(KERNEL, "compute_90", name="k", cache=cache)


def test_nvrtc_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(nvrtc, "import_module", missing)
    nvrtc.find_nvrtc.cache_clear()
    try:
        with pytest.raises(BackendUnavailableError) as caught:
            nvrtc.find_nvrtc()
    finally:
        nvrtc.find_nvrtc.cache_clear()
    assert str(caught.value) == (
        "Compiling for CUDA needs NVRTC and it is not installed; run "
        "`pip install cuda-bindings nvidia-cuda-nvrtc`."
    )


def test_actors_of_one_text_share_their_cubin(cache: BuildCache) -> None:
    """One module, so that one grid holds all of them: the id of an actor is not in its text."""
    pytest.importorskip("cuda.bindings.nvrtc")
    text = 'extern "C" __global__ void k() {}'
    first = nvrtc.compile_to_file(text, "sm_90", name="first", cache=cache)
    assert nvrtc.compile_to_file(text, "sm_90", name="second", cache=cache) == first
