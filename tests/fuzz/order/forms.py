"""The tables: forms with two or more operands, and operands whose evaluation can be seen.

``A``, ``B``, ``C`` in a form stand for operands that are ints.  An operand reads what another one
changes, changes what another one reads, prints, or raises for some messages.
"""

from __future__ import annotations

OPERANDS = (
    "k", "(k := k + 1)", "q.popleft()", "len(q)", "say(k)", "(6 // m.n)", "xs[m.n]", "d[m.n]",
    "bump(s)", "s.t", "fails(m.n)", "q[0]", "add(d, k)", "len(d)", "ys.pop()", "poke(xs)",
    "maybe(m.n)",
)  # fmt: skip

EXPRESSIONS = (
    # operators
    "A + B", "A - B * C", "A // B", "A % B", "A << (B & 3)", "(A & 255) | B", "A ** (B & 3)",
    "A / B", "-A + ~B", "(A * B) % 1000003", "(A * B + C) & 0xFFFFFFFF",
    # comparisons
    "A < B", "A < B < C", "A == B != C", "A < B <= C < 9", "3 > A > B == C", "A != B",
    "A in (B, C)", "A not in (1, B)", "1 in (1, B)", "A in [B, C]", "A in range(B, C)",
    "A in xs", "A in d", "A < B in xs", "A < B in (C, 2)", "A in [B + i for i in range(2)]",
    "A in made(B)", "(A, B) == (C, 1)", "(1, A) == (2, B)", "(A, B) < (C, 1)", "(1, A) < (2, B)",
    "[A, B] == [C, 1]", "made(A) == made(B)",
    # decisions
    "A if B else C", "A and B", "A or B", "A and B or C", "not A or B", "A < B and C",
    "(A < B or C > 1) and A", "A if B and C else 7", "A if B < C < 3 else -1",
    # calls
    "two(A, B)", "two(y=A, x=B)", "two(A, y=B)", "three(A, z=B, y=C)", "say(A) + say(B)",
    "s.both(A, B)", "s.both(y=A, x=B)", "Pair(A, B).t", "Pair(u=A, t=B).u", "put(q, A)",
    "put(q, A) + B", "touch(s, A)", "touch(s, A) + B", "quiet(A, B)", "seen(s, A)",
    "seen(s, A) + B", "replace(s, t=A).t + B", "replace(s, u=A, t=B).u", "two(s.t, touch(s, A))",
    "Pair(A, u=B) == Pair(C, 1)", "Static.of(A, B)",
    # built-in functions
    "min(A, B)", "max(A, B, C)", "min(A, B, key=lambda v: -v)", "max([A, B])", "sum([A, B])",
    "sum([A], B)", "sum([A], start=B)", "sum((A for _ in range(2)), B)", "divmod(A, B)",
    "divmod(A, B)[C & 1]", "divmod(A, 2)[B % 2]", "pow(A, B & 3)", "pow(A, B & 3, 7)",
    "round(A / 3, B & 1)", "abs(A) + abs(B)", "math.gcd(A, B)", "math.gcd(A, B, C)",
    "math.hypot(A, B)", "math.isclose(A, B, rel_tol=C * 0.1)",
    "math.isclose(A, B, abs_tol=C * 1.0, rel_tol=0.5)", "int(A / 2) + B", "float(A) + B",
    "bool(A) + B", "isinstance(A, int) + B", "len([A, B])", "len((A, B))", "sorted([A, B])",
    "sorted([A, B])[:1]", "sorted(made(A))[:2]", "sorted([A, B], key=lambda v: v % 3)",
    "sorted([A, B], reverse=C > 1)", "any([A, B])", "all((A, B))", "any(v > A for v in ys)",
    "any(map(say, (0, A, B)))", "all(map(inverse, (1, A, B)))", "list(map(say, [A, B]))",
    "sum(map(inverse, [A, B]))", "list(filter(say, (A, B)))", "any(filter(inverse, (A, B)))",
    "list(range(A & 3, B & 7))", "list(zip([A], [B]))", "list(enumerate([A], B))",
    "list(reversed([A, B]))", "next((v for v in (1, A) if v), B)", "next((v for v in xs), A)",
    "next((v for v in xs if v > A), B)", "max(xs, default=A)", "math.prod([A, B])",
    "math.ldexp(A, B & 3)", "str(A) + str(B)", "format(A, 'd') + str(B)", "(A).bit_length() + B",
    # displays
    "(A, B, C)", "[A, B, C]", "[A] + [B]", "[A, B] * 2", "(A, B)[C & 1]", "[A, B][C & 1]",
    "[A, B][1:]", "[A, B, C][B & 1:]", "(A, B)[0]", "(A, B)[1]", "[v + A for v in ys[1:]]",
    "[v for v in (A, B) if v > C]", "[u + v for u in (A, 1) for v in (B, 2)]",
    # containers
    "xs[A & 3]", "xs[A & 3] + B", "xs[A & 1:B & 3]", "xs[A & 3:][:B & 3]", "made(A)[1:]",
    "made(A)[0] + B", "made(A & 3)[B & 1]", "held(A).xs[1:]", "held(A).xs[B & 1]", "q[A & 1] + B",
    "d[A] + B", "d.get(A, B)", "d.get(A)", "d.get(1, A)", "d.pop(A, B)", "d.pop(1, A)",
    "d.setdefault(A, B)", "d.setdefault(1, A)", "xs.index(A) + B", "xs.count(A) + B",
    "ys.pop(A & 1)",
    "TABLE[A & 1] + B", "MAP.get(A, B)", "MAP.get(1, A)", "MAP[A] + B", "GRID[A & 1][B & 1]",
    "GRID[A & 1][B & 1] + C", "made(A) + made(B)", "held(A).t + held(B).t", "arr[A % 3] + B",
    "arr[A % 3] * arr[B % 3]", "(arr + A).sum() + B", "np.array([A, B]).sum()",
    # strings
    "f'{A} {B}'", "f'{A} {B:>{C & 7}}'", "f'{xs} {A} {len(xs)}'", "'%d %d' % (A, B)",
    "'{} {}'.format(A, B)", "'{y} {x}'.format(x=A, y=B)", "','.join([str(A), str(B)])",
    "'x' * (A & 3) + str(B)", "str(A).rjust(B & 7)", "f'{s} {touch(s, A)}'", "f'{k} {A} {k}'",
    # types that are known only when it runs
    "maybe(A) or B", "(A if m.n else None) or B", "A + (B if m.n else 1.5)",
    "A < (B if m.n else 1.5)", "min(A, B if m.n else 1.5)", "(A, B if m.n else None)",
    "two(A, B if m.n else 1.5)", "(A if m.n > 1 else 0.5) + (B if m.n else 1.5)",
    "quiet(A, 0 if m.n else 1.5)", "(w := A) + w + (w := B)", "(w := A) if B else (w := C)",
)  # fmt: skip

STATEMENTS = (
    # assignments
    "xs[A & 3] = B", "d[A] = B", "d[A] = len(d) + B", "arr[A % 3] = B", "q[A & 1] = B",
    "xs[A & 3] += B", "d[A] += B", "arr[A % 3] += B", "k += A", "k -= A + B", "s.t = A",
    "s.t += A", "s.t, k = A, B", "k, xs[0] = A, B", "xs[A & 3], xs[B & 3] = C, 1",
    "xs[A & 3] = xs[B & 3] = C", "xs[A & 3] = k = B", "k = xs[A & 3] = B",
    "a, b = A, B; print(a, b)",
    "(a, b), c = (A, B), C; print(a, b, c)", "a, *b = A, B, C; print(a, b)",
    "a, b = made(A)[:2]; print(a, b)", "xs[0], d[A] = d.get(B, 1), C",
    "xs[A & 1:2] = [B]", "xs[:] = [A, B, C, 0]", "arr[A % 3], arr[B % 3] = 1, C", "arr += A",
    "arr[:2] = A", "(a := A) and (b := B); print(a)",
    "w = 0 if A else 1.5; print(w, B)",
    # methods that change something
    "q.append(A)", "q.appendleft(A + B)", "q.extend([A, B])",
    "q.extend(inverse(v) for v in (1, A, B))",
    "q.extend(6 // v for v in (1, 2, m.n, A))", "q.extendleft([A, B])", "ys.insert(A & 3, B)",
    "ys.remove(A)", "d.update({A: B})", "d.update({5: A, 6: B})", "d.setdefault(A, B)",
    "q.rotate(A & 3)",
    "del d[A]", "del ys[A & 3]", "ys.extend(made(A)[:1])", "ys += [A, B]",
    # helpers
    "put(q, A)", "touch(s, A)", "add(d, A)", "put(q, A); put(q, B)", "print(A, B)",
    "print(s, touch(s, A))", "print(A, xs, B)", "print(A, sep=str(B))", "raise ValueError(A, B)",
    "raise Odd(A)", "assert A, B", "assert A < B, C", "log.info('%s %s', A, B)",
    # loops and decisions
    "for v in (A, B): print(v)", "for v in [A, B]: print(v, q.popleft())",
    "for v in range(A & 3, B & 7): print(v)", "for v in map(say, (A, B)):\n    break",
    "for v in map(inverse, (1, A, B)):\n    print(v)", "for v in filter(say, (A, B)):\n    break",
    "for i, v in enumerate(map(say, (1, 2)), A):\n    print(i, v)\n    break",
    "for u, v in zip((1, A), (B, 2)): print(u, v)", "for v in reversed([A, B]): print(v)",
    "for v in made(A)[1:]: print(v, B)", "while (k := k + 1) < 6 and A: print(k)",
    "if A < B: print(1)\nelif C: print(2)\nelse: print(3)", "if A and B or C: print(1)",
    "if (w := A) and B: print(w)\nelse: print(w)",
    "match A:\n    case 1: print(1)\n    case v if v < B: print(v)\n    case _: print(2)",
    "match (A, B):\n    case (1, v): print(v)\n    case (v, w): print(v, w)",
    # what leaves the actor
    "await ctx.send(Pair(A, B))", "await ctx.send(Pair(u=A, t=B))", "r = two(A, B)",
    "await ctx.send(replace(s, t=A, u=B))",
)  # fmt: skip
