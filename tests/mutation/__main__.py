"""Makes one mistake after the other in a copy of the compiler, and sees that the tests notice.

    python -m tests.mutation [WORD...]      those whose description has one of the words
    python -m tests.mutation --list

Exit status 1 if a mistake went unnoticed or its text is no longer there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
TESTS = ("tests/compiler/passes/test_passes.py", "tests/corpus/test_differential.py",
         "tests/fuzz/test_generated_actors.py")  # fmt: skip
CHOICE = "test_passes or three_ways or programs"


def copy_of_the_package(where: Path) -> None:
    """The package as it is imported, and the tests, without anything compiled."""
    skip = shutil.ignore_patterns("__pycache__", "*.so", "*.c", "bench", "mutation")
    package = where / "pydotcompute"
    shutil.copytree(ROOT / "runtime", package, ignore=skip)
    for part in ("compiler", "templates", "examples"):
        shutil.copytree(ROOT / part, package / part, ignore=skip)
    shutil.copytree(ROOT / "tests", where / "tests", ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", where)


def place(where: Path, mutation: Mutation) -> Path:
    """The file of a mutation in a copy."""
    part, _, rest = mutation.file.partition("/")
    package = where / "pydotcompute"
    return package / rest if part == "runtime" else package / part / rest


def is_there(mutation: Mutation) -> bool:
    """Whether the text to replace stands exactly once where it should."""
    return (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1


def verdict(mutation: Mutation | None, base: Path, cache: Path) -> str:
    """``caught``, ``SURVIVED``, or ``GONE`` where there is nothing to replace.

    Args:
        mutation: the mistake; None for none, which has to survive.
        base: the copy that all start from: the tree may change meanwhile.
        cache: for what is compiled.
    """
    if mutation is not None and not is_there(mutation):
        return "GONE"
    with tempfile.TemporaryDirectory(prefix="pydotcompute-mutation-") as folder:
        where = Path(folder) / "copy"
        shutil.copytree(base, where)
        if mutation is not None:
            file = place(where, mutation)
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1",
                       "PYDOTCOMPUTE_CACHE_DIR": str(cache)}  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                   "-k", CHOICE, *TESTS]  # fmt: skip
        done = subprocess.run(command, cwd=where, env=environment, check=False,
                              capture_output=True, text=True)  # fmt: skip
    if done.returncode > 1:
        return f"BROKEN: {done.stdout[-2000:]}{done.stderr[-500:]}"
    return "caught" if done.returncode else "SURVIVED"  # a negative one: it crashed


def main() -> int:
    """Runs the mutations that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    words = arguments.words or [""]
    chosen = [m for m in MUTATIONS if any(word in m.what for word in words)]
    if arguments.list:
        print("\n".join(f"{'' if is_there(m) else 'GONE '}{m.file}: {m.what}" for m in chosen))
        return not all(map(is_there, chosen))
    bad = 0
    with (tempfile.TemporaryDirectory(prefix="pydotcompute-mutation-") as folder,
          ThreadPoolExecutor(arguments.jobs) as pool):  # fmt: skip
        base, cache = Path(folder) / "base", Path(folder) / "cache"
        base.mkdir()
        copy_of_the_package(base)
        if (unchanged := verdict(None, base, cache)) != "SURVIVED":
            print(f"The tests fail without any mistake: {unchanged}")
            return 1
        results = pool.map(lambda m: verdict(m, base, cache), chosen)
        for mutation, result in zip(chosen, results, strict=True):
            bad += result != "caught"
            print(f"{result:9}{mutation.what}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} mistakes were caught")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
