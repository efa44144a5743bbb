"""Single semantic decisions of the compiler, each turned into a plausible mistake.

A mutation is one replacement of a text that stands exactly once in its file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One mistake.

    Args:
        what: the mistake in a few words.
        file: where, from the root of the repository.
        old: the text there, which occurs once.
        new: what it becomes.
    """

    what: str
    file: str
    old: str
    new: str


_INT, _FLOAT = "templates/library/pyops/int.h", "templates/library/pyops/float.h"
_CONVERT, _ROUND = "templates/library/pyops/convert.h", "templates/library/pyops/round.h"
_NUMPY, _TEXTS = "templates/library/pyops/numpy.h", "compiler/codegen/operation_text.py"
_EXPRESSIONS = "compiler/codegen/expressions.py"
_BURST, _SINK = "templates/actor/burst.h", "templates/actor/sink.h"
_CONTEXT = "templates/actor/context.h"
_SCOPE, _STATEMENTS = "compiler/irbuild/core/scope.py", "compiler/codegen/statements.py"

HELPERS = (
    Mutation("floor division truncates", _INT, "return q - ((r != 0) & ((r ^ b) < 0));",
             "return q;"),
    Mutation("int modulo has the sign of the dividend", _INT,
             "return r + (((r != 0) & ((r ^ b) < 0)) ? b : 0);", "return r;"),
    Mutation("int addition wraps", _INT,
             "if (PDC_UNLIKELY(pdc_add_overflow(a, b, &r)))",
             "if (pdc_add_overflow(a, b, &r), false)"),
    Mutation("int subtraction wraps", _INT,
             "if (PDC_UNLIKELY(pdc_sub_overflow(a, b, &r)))",
             "if (pdc_sub_overflow(a, b, &r), false)"),
    Mutation("int multiplication wraps", _INT,
             "if (PDC_UNLIKELY(pdc_mul_overflow(a, b, &r)))",
             "if (pdc_mul_overflow(a, b, &r), false)"),
    Mutation("int division rounds twice", _INT,
             "if (PDC_LIKELY((ua | ub) <= (1ULL << 53)))", "if (true)"),
    Mutation("int division by zero is infinite", _INT,
             "pdc_raise(e, PDC_ZERO_DIVISION_TRUE);\n        return 0.0;",
             "return (f64)a * PDC_INF;"),
    Mutation("a left shift loses bits", _INT, "if (PDC_UNLIKELY((r >> b) != a))", "if (false)"),
    Mutation("a right shift takes the count modulo 64", _INT,
             "return a >> (b > 63 ? 63 : b);", "return a >> (b & 63);"),
    Mutation("an int power wraps", _INT, "if (over || pdc_mul_overflow(a, a, &a))",
             "if (pdc_mul_overflow(a, a, &a), false)"),
    Mutation("abs is the identity for negatives", _INT, "return a < 0 ? -a : a;", "return a;"),
    Mutation("float division by zero is infinite", _FLOAT,
             "pdc_raise(e, PDC_ZERO_DIVISION_FLOAT);\n        return 0.0;", "return a / b;"),
    Mutation("float modulo as C's fmod", _FLOAT,
             "return (b < 0.0) != (r < 0.0) ? r + b : r;", "return r;"),
    Mutation("a zero remainder loses its sign", _FLOAT,
             "if (r == 0.0) return pdc_copysign(0.0, b);", "if (r == 0.0) return 0.0;"),
    Mutation("float floor division truncates", _FLOAT, "        q -= 1.0;\n", ""),
    Mutation("float floor division does not snap", _FLOAT,
             "whole = pdc_floor(q);\n        if (q - whole > 0.5) whole += 1.0;",
             "whole = pdc_floor(a / b);"),
    Mutation("an infinite power is no error", _FLOAT,
             "    if (pdc_isinf(r)) {\n        pdc_raise(e, PDC_OVERFLOW_POWER);\n"
             "        return 0.0;\n    }\n", ""),
    Mutation("int(float) saturates", _CONVERT,
             "PDC_FN i64 pdc_int_f64(pdc_error *e, f64 a) {\n"
             "    if (PDC_UNLIKELY(!pdc_fits_i64(a))) return pdc_not_an_i64(e, a);",
             "PDC_FN i64 pdc_int_f64(pdc_error *e, f64 a) {\n"
             "    if (!pdc_fits_i64(a)) return a > 0 ? PDC_I64_MAX : PDC_I64_MIN;"),
    Mutation("math.floor truncates", _CONVERT, "return t - ((f64)t > a);", "return t;"),
    Mutation("round goes half up", _CONVERT, "i64 up = (rest > 0.5) | ((rest == 0.5) & t)",
             "i64 up = rest >= 0.5"),
    Mutation("an int is rounded to compare it with a float", _CONVERT,
             "    if (a != t) return a < t ? -1 : 1;\n",
             "    if ((f64)a != b) return a < b ? -1 : 1;\n    return 0;\n"),
    Mutation("NaN equals ints", _CONVERT,
             "return !pdc_isnan(b) && pdc_cmp_i64_f64(a, b) < 0;",
             "return pdc_cmp_i64_f64(a, b) < 0 || pdc_isnan(b);"),
    Mutation("numpy floor division truncates", _NUMPY,
             "return (T)(q - (r != T(0) && (r < T(0)) != (b < T(0))));", "return q;"),
    Mutation("numpy modulo of C", _NUMPY,
             "return (T)(r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r);", "return r;"),
    Mutation("numpy shifts take the count modulo the width", _NUMPY,
             "return (u64)b < 8 * sizeof(T) ? (T)((u64)a << (u64)b) : T(0);",
             "return (T)((u64)a << ((u64)b & (8 * sizeof(T) - 1)));"),
    Mutation("numpy compares as C does", _NUMPY,
             "if constexpr (pdc_is_signed<A> && !pdc_is_signed<B>) return a < A(0) || "
             "(u64)a < (u64)b;", "if constexpr (false) return false;"),
    Mutation("a Python int wraps into a numpy type", _NUMPY,
             "if (PDC_UNLIKELY(!pdc_np_fits<T>(v))) pdc_raise(e, PDC_OVERFLOW_NUMPY_RANGE);", ""),
    Mutation("a field wraps", _NUMPY,
             "if (PDC_UNLIKELY(!pdc_np_fits<T>(v))) pdc_raise(e, PDC_DEOPT_TYPE);", ""),
)  # fmt: skip

TABLES = (
    Mutation("<= for <", _TEXTS, '**{name: f"({{0}} {symbol} {{1}})" for',
             "**{name: f\"({{0}} {'<=' if symbol == '<' else symbol} {{1}})\" for"),
    Mutation("the truth of a float is its sign", _TEXTS, '"({0} != 0.0)"', '"({0} > 0.0)"'),
    Mutation("negation subtracts from zero", _TEXTS, '"(-{0})"', '"(0.0 - {0})"'),
    Mutation("& is |", _TEXTS, '"and": "({0} & {1})"', '"and": "({0} | {1})"'),
    Mutation("a cast changes the sign", _TEXTS, '"cast": "({type})({0})"',
             '"cast": "-({type})({0})"'),
    Mutation("max takes the last of equals", "compiler/irbuild/syntax/builtins.py",
             'max: _extreme(">")', 'max: _extreme(">=")'),
    Mutation("fast-math", "runtime/toolchain/host_cc.py", '"-fno-fast-math"', '"-ffast-math"'),
    Mutation("contraction", "runtime/toolchain/host_cc.py", '"-ffp-contract=off"',
             '"-ffp-contract=fast", "-mfma"'),
)  # fmt: skip

EMITTER = (
    Mutation("operands in C's order", _EXPRESSIONS,
             "if (may_raise(expr) or lines) and pending:", "if False:"),
    Mutation("and is not lazy", _EXPRESSIONS, 'test = name if symbol == "&&" else f"!{name}"',
             'test = "true"'),
    Mutation("or is and", _EXPRESSIONS, 'return self._short_circuit(node.left, node.right, "||")',
             'return self._short_circuit(node.left, node.right, "&&")'),
    Mutation("a conditional takes the wrong arm", _EXPRESSIONS,
             'return f"({test} ? {then} : {orelse})"', 'return f"({test} ? {orelse} : {then})"'),
    Mutation("terminating before the last time-out", _EXPRESSIONS,
             " && pdc_t->actor->event == 0)", ")"),
    Mutation("what raises is bound", _STATEMENTS,
             "if self.handlers and may_raise(node.value):\n            # A handler",
             "if False:\n            # A handler"),
    Mutation("a return leaves its try unseen", _STATEMENTS,
             "caught = bool(self.handlers) and may_raise(node.value)", "caught = False"),
    Mutation("the first handler catches all", _EXPRESSIONS,
             'return " || ".join(f"{code} == {known}" for known in codes) or "false"',
             'return "true"'),
    Mutation("handlers catch deoptimisation", _STATEMENTS,
             "if (pdc_t->error.code >= {DEOPTIMISE}) {self.handle()} //", "//"),
    Mutation("handlers match no subclass", _EXPRESSIONS, "if issubclass(cls, classes))",
             "if cls in classes)"),
    Mutation("break runs the else of the loop", _STATEMENTS, 'goto {self.loops[-1][1]};")',
             'goto {self.loops[-1][0]};")'),
    Mutation("range takes one step more", _CONTEXT,
             "return start < stop ? ((u64)stop - (u64)start - 1) / (u64)step + 1 : 0;",
             "return start <= stop ? ((u64)stop - (u64)start) / (u64)step + 1 : 0;"),
    Mutation("range does not count down", _CONTEXT,
             "return start > stop ? ((u64)start - (u64)stop - 1) / (0 - (u64)step) + 1 : 0;",
             "return 0;"),
    Mutation("a step of zero is an empty range", _CONTEXT,
             "        pdc_raise(e, PDC_VALUE_RANGE_STEP);\n", ""),
    Mutation("outputs of a failed turn are published", _BURST,
             "            out.produced = before;\n", ""),
    Mutation("a time-out is no exception", _SINK,
             "if (t->actor->event == 0) return true;", "return true;"),
)  # fmt: skip

BUILDER = (
    Mutation("a swap goes by the new values", "compiler/irbuild/syntax/assignments.py",
             'value.name.startswith("%") or isinstance(value.type, CONTAINERS)', "True"),
    Mutation("operands are computed again after effects", "compiler/irbuild/core/builder.py",
             "if later and any(not isinstance(v, ir.Const) for v in values):", "if False:"),
    Mutation("finally is forgotten on jumps", "compiler/irbuild/syntax/loops.py",
             "for index in range(len(saved) - 1, depth - 1, -1):", "for index in ():"),
    Mutation("a temporary is renamed while in use", _SCOPE,
             "sole and isinstance(value, ir.Local)", "isinstance(value, ir.Local)"),
    Mutation("and for or in values", "compiler/irbuild/syntax/expressions.py",
             "arms = (right, left) if is_and else (_without_none(b, left), right)",
             "arms = (left, right) if is_and else (right, left)"),
    Mutation("not in is in", "compiler/irbuild/syntax/comparisons.py",
             "return negate(result) if isinstance(node.ops[0], ast.NotIn) else result",
             "return result"),
    Mutation("a chain of comparisons needs one link", "compiler/irbuild/syntax/comparisons.py",
             "part if result is None else ir.And(b.loc(node), BOOL, result, part)",
             "part if result is None else ir.Or(b.loc(node), BOOL, result, part)"),
    Mutation("alternatives all have to match", "compiler/irbuild/syntax/match.py",
             "test = ir.Or(test.loc, BOOL, test, option.test)",
             "test = ir.And(test.loc, BOOL, test, option.test)"),
    Mutation("an unbound name is zero", "compiler/irbuild/core/convert.py",
             'refused.append((member, "PDC_UNBOUND_LOCAL"))', "pass"),
    Mutation("a handler sees no assignment of the body", _SCOPE,
             "self.block.append(ir.Assign(var.local.loc, shadow.local, wide))", "pass"),
    Mutation("one end of a turn counts", "compiler/irbuild/actor.py",
             "join(wide[variable], view_of(end.get(variable)))",
             "join(types[variable], view_of(end.get(variable)))"),
)  # fmt: skip

_SINGLE, _PROVED = "compiler/passes/single_use.py", "compiler/passes/proved_checks.py"

PASSES = (
    Mutation("a value moves past a change of what it reads", _SINGLE,
             "if aliased or local.name in names:", "if aliased:"),
    Mutation("what may fail moves into the operands of a call", _SINGLE,
             "ir.walk(value, *_roots(use)))", "ir.walk(value))"),
    Mutation("a loop ends one later than its range", _PROVED,
             "max(start[0], stop[1] - 1)", "max(start[0], stop[1] - 2)"),
    Mutation("a product of large ints has 64 bits", _PROVED,
             "for a in left for b in right]", "for a in left[:1] for b in right[:1]]"),
    Mutation("what fails is left out where nothing reads it", "compiler/passes/dead_code.py",
             "return ir.Evaluate(node.loc, value) if may_fail(value) else None", "return None"),
    Mutation("and with a known side is the known side", "compiler/passes/constants.py",
             "if node.right.value != decides:", "if node.right.value == decides:"),
)  # fmt: skip

MUTATIONS = (*HELPERS, *TABLES, *EMITTER, *BUILDER, *PASSES)
