"""What may import what: the layers of the package, and the cost of importing it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "templates": ("pydotcompute.templates",),
    "compiler": ("pydotcompute.templates", "pydotcompute.compiler"),
    "runtime": ("pydotcompute",),
    "examples": ("pydotcompute",),
}
"""Folder: the names of ours it may import.  ``runtime`` is the package itself, so what it may not
import (examples, tests) is said in ``FORBIDDEN``."""

READS_SYNTAX = (
    "compiler/diagnostics/*",
    "compiler/types/annotations.py",
    "compiler/frontend/*",
    "compiler/consteval/*",
    "compiler/irbuild/*",
    "compiler/host/*",
)
"""The front end: behind it there is typed IR and no Python syntax."""

TALKS_TO_COMPILED_CODE = (
    "runtime/toolchain/*.py",
    "runtime/backends/native/engine.py",
    "runtime/backends/native/block.py",
    "runtime/backends/program.py",
    "runtime/backends/python/coroutine_driver.py",
    "runtime/backends/cuda/emulated_device.py",
)
"""Toolchains, the native engine, and the one call that keeps an abandoned coroutine alive."""

ONLY_IN = {
    "ast": READS_SYNTAX,
    "jinja2": ("compiler/codegen/render.py",),
    "cupy": ("runtime/backends/cuda/*.py",),
    "cuda": ("runtime/toolchain/*.py", "runtime/backends/cuda/*.py"),
    "subprocess": ("runtime/toolchain/*.py",),
    "ctypes": TALKS_TO_COMPILED_CODE,
    "rich": ("runtime/tools/cli*.py",),
    "argparse": ("runtime/tools/cli*.py", "examples/*.py"),
    "hypothesis": ("runtime/testing*.py",),
    "prometheus_client": ("runtime/prometheus.py",),
    "pydotcompute.examples": ("runtime/tools/cli*.py", "examples/*.py"),
}
"""Module: the only files that may import it."""

FORBIDDEN = {
    "compiler/*": ("asyncio", "threading", "concurrent", "multiprocessing", "socket", "mmap"),
    "runtime/queues/ring.py": ("asyncio",),
    "*": ("tests", "pytest"),
}
"""Files: the modules they may not import."""

EXCEPTIONS = {
    ("compiler/types/message_schema.py", "threading"),  # one table of strings, so it has a lock
    ("compiler/host/coroutine.py", "asyncio"),  # the class CancelledError
}
"""A file and a module it may import all the same."""

FILES = sorted(
    path.relative_to(ROOT).as_posix() for folder in LAYERS for path in (ROOT / folder).rglob("*.py")
)


def imports(file: str) -> Iterator[tuple[str, int]]:
    """Every module a file imports, at any depth, under its full name, with the line."""
    path = Path(file)
    folders = ["pydotcompute", *path.parts[path.parts[0] == "runtime" : -1]]
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(folders[: len(folders) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module, node.lineno
            for name in node.names:
                yield f"{module}.{name.name}", node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            for given in node.args[:1]:
                if isinstance(given, ast.Constant):
                    yield str(given.value), node.lineno


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_the_rules_see_the_files() -> None:
    assert {file.split("/")[0] for file in FILES} == set(LAYERS)


@pytest.mark.parametrize("file", FILES)
def test_import_direction(file: str) -> None:
    allowed = LAYERS[file.split("/")[0]]
    wrong = []
    for module, line in imports(file):
        if module == "pydotcompute" and "pydotcompute" not in allowed:
            continue  # `from pydotcompute import x` is judged by its second name
        if within(module, "pydotcompute") and not any(within(module, name) for name in allowed):
            wrong.append(f"{file}:{line} imports {module}: {file.split('/')[0]} must not")
        for name, files in ONLY_IN.items():
            if within(module, name) and not any(fnmatch(file, pattern) for pattern in files):
                wrong.append(f"{file}:{line} imports {module}: only {', '.join(files)} may")
        for pattern, names in FORBIDDEN.items():
            kept = [name for name in names if (file, name) not in EXCEPTIONS]
            if fnmatch(file, pattern) and any(within(module, name) for name in kept):
                wrong.append(f"{file}:{line} imports {module}: {pattern} must not")
    assert not wrong, "\n".join(dict.fromkeys(wrong))


IMPORT = """
import asyncio, os, sys, time
import numpy
before = dict(os.environ), type(asyncio.get_event_loop_policy())
start = time.perf_counter()
import pydotcompute
seconds = time.perf_counter() - start
assert (dict(os.environ), type(asyncio.get_event_loop_policy())) == before, "global state changed"
unwanted = ("cupy", "cuda", "jinja2", "rich", "hypothesis", "ziglang", "pydotcompute.toolchain.")
loaded = [name for name in sys.modules if (name + ".").startswith(unwanted)]
assert not [name for name in loaded if name != "pydotcompute.toolchain"], loaded
print(seconds)
"""


def test_importing_is_cheap_and_leaves_no_trace() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False, cwd="/"
        )
        for _ in range(5)
    ]
    assert not [run.stderr for run in runs if run.returncode]
    assert min(float(run.stdout) for run in runs) <= 0.150
