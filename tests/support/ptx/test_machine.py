"""What the PTX device checks: addresses, barriers, races, and the order in which stores show."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pydotcompute.backends.cuda.emulated_device import Emulator
from pydotcompute.errors import BackendUnavailableError
from pydotcompute.toolchain import nvrtc
from pydotcompute.toolchain.host_cc import find_compiler
from tests.support.ptx.device import ARCH, Program, build

try:
    find_compiler()
    nvrtc.find_nvrtc()
except BackendUnavailableError as error:
    pytest.skip(str(error), allow_module_level=True)

SOURCE = """
typedef unsigned long long u64;
typedef unsigned char u8;
#define KERNEL extern "C" __global__ void __launch_bounds__(32)
KERNEL reads(u64 *to, u64 *from) { *to = *from; }
KERNEL writes(u64 *to, u64 value) { *to = value; }
KERNEL narrow(u8 *to, u64 value) { *to = (u8)value; }
KERNEL sums(u64 *to, u64 rounds) {
    __shared__ u64 all[32];
    u64 mine = threadIdx.x;
    for (u64 n = 0; n < rounds; ++n) {
        all[threadIdx.x] = mine;
        __syncthreads();
        mine += all[(threadIdx.x + 1) % 32];
        __syncthreads();
    }
    to[threadIdx.x + 32 * blockIdx.x] = mine;
}
KERNEL no_barrier(u64 *to, u64) {
    __shared__ u64 all[32];
    all[threadIdx.x] = threadIdx.x;
    to[threadIdx.x] = all[(threadIdx.x + 1) % 32];
}
KERNEL some_return(u64 *to, u64 half) {
    if (threadIdx.x < half) return;
    __syncthreads();
    *to = 1;
}
KERNEL two_places(u64 *to, u64 half) {
    if (threadIdx.x < half) { asm volatile("bar.sync 0;"); *to = 1; }
    else { asm volatile("bar.sync 0;"); *to = 2; asm volatile("bar.sync 0;"); }
}
KERNEL one_spins(u64 *to, u64) {
    if (threadIdx.x == 7) while (*(volatile u64 *)to == 0) {}
    __syncthreads();
}
KERNEL dirty(u64 *to, u64 n) {
    __shared__ u64 all[32];
    u64 local[32];
    asm volatile("" :: "l"(local) : "memory");
    to[0] = ((volatile u64 *)all)[n];
    to[1] = ((volatile u64 *)local)[n];
}
KERNEL beyond_shared(u64 *to, u64 n) {
    __shared__ u64 all[32];
    all[n] = 5;
    __syncthreads();
    *to = all[0];
}
/* Writes a message, tells the host, and stays until the host answers. */
KERNEL publishes(u64 *to, u64 ordered) {
    if (threadIdx.x) return;
    to[0] = 42;
    if (ordered) asm volatile("st.release.sys.u64 [%0], 1;" :: "l"(to + 1) : "memory");
    else asm volatile("st.relaxed.sys.u64 [%0], 1;" :: "l"(to + 1) : "memory");
    u64 answer;
    do asm volatile("ld.relaxed.sys.u64 %0, [%1];" : "=l"(answer) : "l"(to + 2) : "memory");
    while (!answer);
    to[3] = to[0];
}
__device__ u64 table[4] = {3, 5, 7};
KERNEL counts(u64 *to, u64 n) { atomicAdd(to, table[n]); atomicMax(to + 1, (u64)threadIdx.x); }
"""


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(build(nvrtc.compile(SOURCE, ARCH, name="checks", to="ptx").decode(), "checks"))


def launch(
    program: Program, kernel: str, second: int = 0, *, visible: bool = False, at: int | None = None,
    memory: np.ndarray | None = None, lanes: int = 32, grid: int = 1, barrier: float = 30.0,
    seed: int = 1,
) -> str | None:  # fmt: skip
    """Run a kernel on some memory; returns what it died of."""
    held = np.zeros(128, np.uint64) if memory is None else memory
    start = held.ctypes.data
    return program.run(
        kernel, [start if at is None else at, second],
        [(start, start + held.nbytes, int(visible))], Emulator().machine,
        lanes=lanes, grid=grid, barrier=barrier, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_lanes_meet_at_barriers(program: Program, seed: int) -> None:
    memory = np.zeros(128, np.uint64)
    assert launch(program, "sums", 5, memory=memory, grid=3, seed=seed) is None
    lanes = np.arange(32, dtype=np.uint64)
    for _ in range(5):
        lanes = lanes + np.roll(lanes, -1)
    assert memory[:96].reshape(3, 32).tolist() == [lanes.tolist()] * 3


def test_bad_addresses_are_faults_that_say_where(program: Program) -> None:
    memory = np.zeros(128, np.uint64)
    at = memory.ctypes.data
    null = launch(program, "reads", 0, memory=memory)
    assert null is not None
    assert "null access of 8 bytes at 0x0 (PTX line" in null
    assert ".cu:5" in null
    assert "misaligned" in (launch(program, "writes", at=at + 4, memory=memory) or "")
    for outside in (at - 8, at + 1024):
        assert "out-of-bounds" in (launch(program, "writes", at=outside, memory=memory) or "")
    assert "out-of-bounds" in (launch(program, "narrow", at=at + 1024, memory=memory) or "")
    assert launch(program, "narrow", at=at + 1023, memory=memory) is None
    assert "out-of-bounds" in (launch(program, "beyond_shared", 5000, lanes=1) or "")
    assert launch(program, "beyond_shared", 31, lanes=1) is None


def test_a_removed_barrier_is_a_race(program: Program) -> None:
    died = launch(program, "no_barrier")
    assert "a race in shared memory" in (died or "")


def test_a_barrier_that_some_lanes_never_reach_is_a_fault(program: Program) -> None:
    died = launch(program, "some_return", 16)
    assert "16 lanes wait at a barrier and 16 have returned" in (died or "")
    assert ".cu:26" in (died or "")
    assert launch(program, "some_return", 0) is None
    assert "different barriers" in (launch(program, "two_places", 16) or "")
    assert "did not reach in time" in (launch(program, "one_spins", barrier=0.02) or "")


def test_memory_is_dirty(program: Program) -> None:
    memory = np.zeros(128, np.uint64)
    assert launch(program, "dirty", 3, memory=memory, lanes=1) is None
    assert memory[:2].tolist() == [0xA5A5A5A5A5A5A5A5] * 2


@pytest.mark.parametrize("ordered", [True, False])
def test_a_store_shows_when_a_release_has_ordered_it(program: Program, ordered: bool) -> None:
    memory = np.zeros(128, np.uint64)
    died: list[str | None] = []
    thread = threading.Thread(
        target=lambda: died.append(
            launch(program, "publishes", int(ordered), memory=memory, visible=True)
        )
    )
    thread.start()
    while memory[1] != 1:
        assert thread.is_alive()
    assert memory[0] == (42 if ordered else 0)
    memory[2] = 1
    thread.join()
    assert died == [None]
    assert memory[[0, 3]].tolist() == [42, 42]


def test_atomics_and_variables_of_the_module(program: Program) -> None:
    memory = np.zeros(128, np.uint64)
    assert launch(program, "counts", 2, memory=memory, grid=2) is None
    assert memory[:2].tolist() == [64 * 7, 31]


def test_a_device_that_is_told_to_die_gives_its_kernels_up(program: Program) -> None:
    memory, device = np.zeros(128, np.uint64), Emulator()
    start = memory.ctypes.data
    device.fault()
    died = program.run("publishes", [start, 1], [(start, start + 1024, 1)], device.machine)
    assert died is None
    assert memory[3] == 0
