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
    "runtime/backends/compiled/block.py",
    "runtime/backends/native/block.py", "runtime/backends/native/instances.py",
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
    "runtime/queues/*_end.py": ("asyncio",),
    "runtime/queues/host_*.py": ("asyncio",),
    "*": ("tests", "pytest"),
}
"""Files: the modules they may not import."""

EXCEPTIONS = {
    ("compiler/types/string_table.py", "threading"),  # one table of strings, so it has a lock
    ("compiler/host/coroutine.py", "asyncio"),  # the class CancelledError
}
"""A file and a module it may import all the same."""

ORDER = """
runtime/testing runtime/prometheus runtime/__init__ runtime/__main__
runtime/tools
runtime/kernels
runtime/topology
runtime/durability
runtime/backends/engines runtime/backends/choice
runtime/backends/cuda | runtime/backends/native
runtime/backends/compiled
runtime/backends/python
runtime/backends/kept_instance
runtime/backends/base
runtime/backends/plan
runtime/backends/program
runtime/backends/device runtime/backends/barrier
runtime/populations
runtime/actors
runtime/queues
runtime/messages runtime/toolchain
runtime/accel runtime/support runtime/settings
runtime/errors
compiler/report compiler/pipeline
compiler/kernel_source
compiler/irbuild/actor | compiler/codegen | compiler/passes | compiler/host
compiler/irbuild/syntax
compiler/irbuild/strings
compiler/irbuild/objects
compiler/irbuild/containers
compiler/irbuild/values
compiler/irbuild/core
compiler/ir compiler/consteval
compiler/frontend compiler/ops
compiler/types
compiler/diagnostics
compiler/abi
templates
"""
"""Folders and files from the top of the package to its bottom.

A line may import the lines below it, never those above.  Names on one line may import each other,
as long as no circle comes of it; names with ``|`` between them may not.
"""

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


PLACES = {
    name: (line, side)
    for line, names in enumerate(ORDER.strip().splitlines())
    for side, alternatives in enumerate(names.split(" | "))
    for name in alternatives.split()
}


def place(file: str) -> tuple[str, int, int] | None:
    """The name in ``ORDER`` that a file belongs to, its line, and its side of a ``|``."""
    path = Path(file).with_suffix("")
    for name in (path, *path.parents):
        if name.as_posix() in PLACES:
            return (name.as_posix(), *PLACES[name.as_posix()])
    return None


def module_files() -> dict[str, str]:
    """The file of each module of ours but the examples."""
    found = {}
    for file in FILES:
        parts = [part for part in Path(file).with_suffix("").parts if part != "__init__"]
        parts = parts[1:] if parts[0] == "runtime" else parts
        found[".".join(["pydotcompute", *parts])] = file
    return {module: file for module, file in found.items() if not file.startswith("examples/")}


def file_imports() -> dict[str, set[str]]:
    """Which files each file imports, at any depth, for types only as well."""
    modules = module_files()
    found: dict[str, set[str]] = {}
    for file in modules.values():
        named = {module for module, _ in imports(file)}
        # `from a.b import c` names a.b and, if c is a module, a.b.c: that is the one imported
        named -= {name for name in named if any(n.startswith(name + ".") and n in modules
                                                for n in named)}  # fmt: skip
        found[file] = {modules[name] for name in named if name in modules} - {file}
    return found


GRAPH = file_imports()


def test_imports_go_downwards() -> None:
    wrong = []
    for file, imported in GRAPH.items():
        for other in imported:
            if Path(other).name == "__init__.py":
                continue
            above, below = place(file), place(other)
            if file == "compiler/__init__.py" or above is None or below is None:
                continue
            if above[0] != below[0] and (above[1] > below[1] or
                                         (above[1] == below[1] and above[2] != below[2])):
                wrong.append(f"{file} imports {other}")
    assert not wrong, sorted(wrong)


def circles() -> list[list[str]]:
    """Files that import each other, directly or not: Tarjan's strongly connected components."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(file: str) -> None:
        order[file] = lowest[file] = len(order)
        stack.append(file)
        for other in GRAPH[file]:
            if other not in order:
                visit(other)
                lowest[file] = min(lowest[file], lowest[other])
            elif other in stack:
                lowest[file] = min(lowest[file], order[other])
        if lowest[file] == order[file]:
            at = stack.index(file)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for file in GRAPH:
        if file not in order:
            visit(file)
    return found


def test_no_circles() -> None:
    assert not circles()


def test_every_file_has_a_place() -> None:
    assert not [file for file in GRAPH if not (place(file) or file.endswith("__init__.py"))]


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


@pytest.mark.alone
def test_importing_is_cheap_and_leaves_no_trace() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False, cwd="/"
        )
        for _ in range(5)
    ]
    assert not [run.stderr for run in runs if run.returncode]
    assert min(float(run.stdout) for run in runs) <= 0.150
