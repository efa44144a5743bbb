"""The passes, in their order: each takes a kernel and gives one that means the same.

::

    kernel --keep_nan_identity--> --fold_constants--> ... --remove_dead_code--> kernel

A test evaluates every actor of the corpus before and after each pass; another verifies it.
"""

from __future__ import annotations

from collections.abc import Callable

from pydotcompute.compiler.ir import nodes as ir
from pydotcompute.compiler.ir.verifier import VerifyError, verify
from pydotcompute.compiler.passes.constants import fold_constants
from pydotcompute.compiler.passes.dead_code import remove_dead_code
from pydotcompute.compiler.passes.nan_identity import keep_nan_identity
from pydotcompute.compiler.passes.proved_checks import drop_checks
from pydotcompute.compiler.passes.single_use import use_values

Pass = Callable[[ir.Kernel], ir.Kernel]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("nan_identity", keep_nan_identity),
    ("constants", fold_constants),
    ("proved_checks", drop_checks),
    ("single_use", use_values),
    ("dead_code", remove_dead_code),
)
"""Name and function of each pass, in the order in which they run."""


def run_passes(kernel: ir.Kernel, *, verify_each: bool = False) -> ir.Kernel:
    """The kernel after all passes, verified.

    Args:
        kernel: what was built.
        verify_each: whether to verify what was built, and what each pass makes of it, too.

    Raises:
        VerifyError: it is not well-formed; the text names the pass that did it.
    """
    if verify_each:
        verified(kernel, "as built")
    for name, function in PASSES:
        kernel = function(kernel)
        if verify_each:
            verified(kernel, f"after the pass {name!r}")
    if not verify_each:
        verified(kernel, "after all passes")
    return kernel


def verified(kernel: ir.Kernel, when: str) -> None:
    """Verifies a kernel; a failure says when."""
    try:
        verify(kernel)
    except VerifyError as error:
        raise VerifyError(f"{when}: {error}") from None
