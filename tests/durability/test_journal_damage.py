"""Damaged journals: refused with a sentence that names the file, or a torn tail cut back."""

from __future__ import annotations

import os
import resource
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pydotcompute import DurabilityError, RingKernelRuntime
from pydotcompute.durability.groups import GROUP_BYTES, SEGMENT_BYTES, Kind, later_groups
from pydotcompute.durability.journal import Journal, verify
from pydotcompute.durability.journaled_messages import Payload
from pydotcompute.durability.positions import NAME
from pydotcompute.durability.segments import segment_name
from pydotcompute.errors import MessageTypeError
from pydotcompute.tools.cli import main
from tests.support.contract import go
from tests.support.durable import Add, Total, life, sparse, sums

FIRST = segment_name(1)


def filled(folder: Path, *, clean: bool = True, size: int = 1 << 20) -> list[int]:
    """A journal of a few groups; returns where each ends in its only segment."""
    journal, ends = Journal(folder, segment_size=size), []
    journal.actor("a", {"inputs": [], "outputs": []})
    for number in range(5):
        past = journal.pasts["a"]
        journal.append(past.index, 2, bytes([number] * 8 * (number + 1)), count=number + 1)
        ends.append(journal.writer.end)
    journal.positions.set(1, 3)
    if clean:
        journal.close()
    else:
        _die(journal)
    return ends


def _die(journal: Journal) -> None:
    """As ``kill -9``: nothing is tidied up."""
    journal.writer.close(cut=False)
    journal.positions.close()
    journal._close_segments()
    os.close(journal._lock)
    journal.closed = True


def inputs(folder: Path) -> int:
    journal = Journal(folder)
    try:
        return journal.pasts["a"].inputs
    finally:
        journal.close()


@contextmanager
def quiet() -> Iterator[list[Any]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    filled(tmp_path / "b", clean=False)
    with quiet() as told:
        assert inputs(tmp_path / "a") == inputs(tmp_path / "b") == 15
    assert not told


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    files = (FIRST, NAME)
    for name in files:
        original = (tmp_path / "whole" / name).read_bytes()
        step = 1 if name == FIRST else 37
        for at in range(0, len(original), step):
            folder = tmp_path / "broken"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "whole", folder)
            damaged = bytearray(original)
            damaged[at] ^= 1 << at % 8
            (folder / name).write_bytes(damaged)
            with pytest.raises(DurabilityError, match=str(folder)):
                Journal(folder)


def test_a_file_that_ends_anywhere_is_cut_back_to_the_last_whole_group(tmp_path: Path) -> None:
    ends = filled(tmp_path / "whole")
    whole = (tmp_path / "whole" / FIRST).read_bytes()
    for end in range(ends[0], len(whole)):
        folder = tmp_path / "torn"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", folder)
        (folder / FIRST).write_bytes(whole[:end])
        groups = sum(each <= end for each in ends)
        with quiet() as told:
            assert inputs(folder) == groups * (groups + 1) // 2
        torn = end not in ends and any(whole[ends[groups - 1] : end])
        assert len(told) == torn
        with quiet() as told:
            assert inputs(folder) == groups * (groups + 1) // 2
        assert not told


def test_blocks_that_were_not_written_before_a_power_loss_are_cut_off(tmp_path: Path) -> None:
    def lose(power: bool) -> None:
        folder = tmp_path / str(power)
        journal = Journal(folder, "power" if power else "process")
        journal.actor("a", {"inputs": [], "outputs": []})
        journal.append(0, 2, b"safe" * 2, count=15)
        end = journal.writer.end
        journal._synced = journal.writer.sequence
        for _ in range(3):
            journal.append(0, 2, b"lost" * 500, count=1)
        _die(journal)
        data = bytearray((folder / FIRST).read_bytes())
        data[end + 512 : end + 2 * 512] = bytes(512)  # in the first of the three
        (folder / FIRST).write_bytes(data)

    lose(power=True)
    with quiet() as told:
        assert inputs(tmp_path / "True") == 15
    assert len(told) == 1
    lose(power=False)
    with pytest.raises(DurabilityError, match=FIRST):
        Journal(tmp_path / "False")


def test_a_batch_that_was_being_stored_is_cut_off(tmp_path: Path) -> None:
    """Memory is copied in any order: later groups of a batch may be there, and its first not."""

    def stored(folder: Path) -> tuple[Path, int, int]:
        journal = Journal(folder)
        journal.actor("a", {"inputs": [], "outputs": []})
        journal.append(0, Kind.MESSAGES, b"safe" * 2, count=15)
        begin = journal.writer.end
        batch = [Payload((bytes([number]) * 8,), 1, 0, 0, 0) for number in range(4)]
        journal.append_batch(0, batch, 0, 0)
        length = (journal.writer.end - begin) // 4
        _die(journal)
        return folder / FIRST, begin, length

    for missing in (8, GROUP_BYTES, 60, 120):  # bytes of the batch that had not been stored
        path, begin, _ = stored(tmp_path / str(missing))
        data = bytearray(path.read_bytes())
        data[begin : begin + missing] = bytes(missing)
        path.write_bytes(data)
        with quiet() as told:
            assert inputs(path.parent) == 15
        assert len(told) == 1
        with quiet() as told:
            assert inputs(path.parent) == 15
        assert not told
    for place in (0, 1, 2, 3):  # a bit of a header has flipped: that is damage
        path, begin, length = stored(tmp_path / f"bit {place}")
        data = bytearray(path.read_bytes())
        data[begin + place * length + 20] ^= 1
        path.write_bytes(data)
        with pytest.raises(DurabilityError, match=FIRST):
            Journal(path.parent)


def test_a_zeroed_group_in_the_middle_is_damage(tmp_path: Path) -> None:
    ends = filled(tmp_path)
    path = tmp_path / FIRST
    data = bytearray(path.read_bytes())
    data[ends[1] : ends[2]] = bytes(ends[2] - ends[1])
    path.write_bytes(data)
    assert len(later_groups(memoryview(data), ends[1], 4)) == 2
    with pytest.raises(DurabilityError, match=FIRST):
        Journal(tmp_path)


def test_a_missing_shortened_or_foreign_file_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "whole", size=100)
    filled(tmp_path / "other", size=100)
    names = sorted(each.name for each in (tmp_path / "whole").iterdir() if each.name != "lock")
    assert len(names) > 4
    for name in names:
        for damage in ("missing", "empty", "shorter", "foreign", "text"):
            if (name, damage) == (names[-2], "shorter"):
                continue  # the torn tail of the last segment
            folder = tmp_path / "broken"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "whole", folder)
            path = folder / name
            data = path.read_bytes()
            if damage == "missing":
                path.unlink()
            elif damage == "foreign":
                path.write_bytes((tmp_path / "other" / name).read_bytes())
            else:
                shorter = data[: max(SEGMENT_BYTES, len(data) - 8)]
                path.write_bytes({"empty": b"", "shorter": shorter, "text": b"x" * 100}[damage])
            if name != NAME and damage == "shorter" and shorter == data:
                continue
            with pytest.raises(DurabilityError, match=str(folder)):
                Journal(folder)


def test_two_runtimes_cannot_use_one_folder(tmp_path: Path) -> None:
    async def main() -> None:
        async with RingKernelRuntime(durable=tmp_path):
            with pytest.raises(DurabilityError, match="another runtime"):
                async with RingKernelRuntime(durable=tmp_path):
                    pass
        async with RingKernelRuntime(durable=tmp_path):
            pass

    go(main)


def test_another_actor_of_the_same_id_is_refused(tmp_path: Path) -> None:
    async def first() -> None:
        async with life(tmp_path) as runtime:
            await runtime.launch("sums", sums)

    async def second() -> None:
        async with life(tmp_path) as runtime:
            with pytest.raises(DurabilityError, match=r"inputs were Add\(value: int\)"):
                await runtime.launch("sums", sparse)
            await runtime.launch("sums", sums)

    go(first)
    go(second)


def test_segments_follow_each_other(tmp_path: Path) -> None:
    filled(tmp_path, size=100)
    assert inputs(tmp_path) == 15
    lines: list[str] = []
    assert verify(tmp_path, lines.append) == ""
    assert "a: 15 inputs, outputs acknowledged up to 3" in lines[1]


def test_the_command_line_looks_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = filled(tmp_path)
    assert main(["journal", "verify", str(tmp_path)]) == 0
    assert "15 inputs" in capsys.readouterr().out
    path = tmp_path / FIRST
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    assert main(["journal", "verify", str(tmp_path)]) == 0
    assert "ends in the middle of a write" in capsys.readouterr().out
    assert len(path.read_bytes()) == len(data) - 4
    path.write_bytes(data[:20] + b"?" + data[21:])
    assert main(["journal", "verify", str(tmp_path)]) == 1
    assert FIRST in capsys.readouterr().err
    assert ends
    assert main(["journal", "verify", str(tmp_path / "nothing")]) == 1


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may become longer."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("backend", ["native", "python"])
def test_a_full_disk_fails_the_send_and_nothing_else(tmp_path: Path, backend: str) -> None:
    async def main() -> int:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            await kernel.activate()
            await kernel.send(Add(1))
            size = (tmp_path / FIRST).stat().st_size
            taken = 1
            with full_disk(size):
                with pytest.raises(DurabilityError, match=str(tmp_path)):
                    while True:
                        await kernel.send(Add(1))
                        taken += 1
                        await kernel.receive()
                with pytest.raises(DurabilityError):
                    await kernel.send_many(Add.array(value=[1] * 100_000))
                with pytest.raises(DurabilityError):
                    await kernel.request(Add(1))
                assert (await kernel.receive()).count == taken  # the actor goes on
            assert await kernel.request(Add(1)) == Total(taken + 1, taken + 1)
            return taken + 1

    async def again() -> Total:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums, backend=backend)
            await kernel.activate()
            answer: Total = await kernel.request(Add(0))
            return answer

    taken = go(main)
    assert go(again) == Total(taken, taken + 1)


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("no folder")
    with pytest.raises(DurabilityError, match=str(target)):
        Journal(target)


def test_a_refused_message_is_not_journaled(tmp_path: Path) -> None:
    async def main() -> None:
        async with life(tmp_path) as runtime:
            kernel = await runtime.launch("sums", sums)
            with pytest.raises(MessageTypeError):
                await kernel.send(Add("one"))  # type: ignore[arg-type]
            with pytest.raises(MessageTypeError):
                await kernel.send(Total(1, 1))

    go(main)
    assert inputs_of(tmp_path, "sums") == 0


def inputs_of(folder: Path, kernel_id: str) -> int:
    journal = Journal(folder)
    try:
        return journal.pasts[kernel_id].inputs
    finally:
        journal.close()
