#!/usr/bin/env python3
"""Derivatives operator by operator (R20): forward (jvp), reverse (vjp) and nested (the gradient of a direction times a vjp), each against
central differences in f64 and against the interpreter's dual numbers, and forward against reverse by their dot product. The outcome is
the table in docs/derivatives.md.

usage: derivatives.py MLRC --write FILE     measures, and writes the table
       derivatives.py MLRC --check FILE     measures, and fails if an error is too large or the table has other rows
       derivatives.py MLRC --only NAME..    measures some
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import engines  # noqa: E402

DIFFERENCES, DUALS, DOT = 1e-6, 1e-9, 1e-12
N = 6  # elements of x and y
STEP = 1e-5

# section, rows: name in the table, equations that define y: f64[6] by x: f64[6], what is to be known of them
TABLE = [
    ("Arithmetic", [
        ("`+`, `-`, prefix `-`", "y = x + x[0] - (-x);"),
        ("`*`", "y = x * x[1] * x;"),
        ("`/`", "y = x / (2.0 + x * x) + 1.0 / (x[0] + 3.0);"),
        ("`%`", "y = (x * x + 9.0) % 2.5 + x * (7.1 % (x + 8.0));"),
        ("`fma`", "y = fma(x, x[2], x * x);"),
        ("`min`, `max` of two", "y = max(x, x[0] * x) + min(x * x, 0.7 * x);"),
        ("`abs`", "y = abs(x) * x;"),
        ("`sqrt`", "y = sqrt(1.0 + x * x);"),
        ("`floor`, `ceil`, `trunc`, `round`", "y = x * (floor(x) + ceil(x)) + trunc(3.0 * x) * x * x + round(x) * x;"),
        ("conversions", "y = x * x * f64(i32(3.0 * x)) + x;"),
        ("`where`", "y = where(x > 0.1, x * x, sin(x));"),
        ("`if`", "y = if x[0] > x[1] then x * x * x else x * x;"),
        ("`stop_gradient`", "y = x * x * stop_gradient(x);", "stop"),
    ]),
    ("Elementary functions", [
        (f"`{f}`", f"y = {f}({a});") for f, a in [
            ("exp", "x"), ("exp2", "x"), ("expm1", "x"), ("log", "x * x + 0.2"), ("log2", "x * x + 0.2"), ("log10", "x * x + 0.2"),
            ("log1p", "x * x"), ("sin", "x"), ("cos", "x"), ("tan", "0.3 * x"), ("asin", "0.2 * x"), ("acos", "0.2 * x"), ("atan", "x"),
            ("sinh", "x"), ("cosh", "x"), ("tanh", "x"), ("sigmoid", "x"), ("softplus", "x"), ("cbrt", "x * x + 0.2"), ("erf", "x"), ("erfc", "x")]
    ] + [
        ("`pow`", "y = pow(x * x + 0.2, x);"),
        ("`atan2`", "y = atan2(x, x * x + 0.2);"),
        ("`hypot`", "y = hypot(x, x[0] + 2.0);"),
        ("`square`, `relu`", "y = square(x) * relu(x) + x * square(x);"),
    ]),
    ("Reductions and products", [
        ("`sum` of a tensor", "y = x * sum(x * x);"),
        ("`mean` of a tensor", "y = x * mean(x * x * x);"),
        ("`prod` of a tensor", "y = x * prod(x);"),
        ("`max`, `min` of a tensor", "y = x * max(x) + x * x * min(x);"),
        ("`sum`, `mean` over indices", "y = [sum(x[i] * x[j] * x[j] for j < 6) + mean(x[i] * x[j] for j < 6) for i < 6];"),
        ("`prod` over indices", "y = [prod(x[j] + x[i] for j < 4) for i < 6];"),
        ("`max`, `min` over indices", "y = [max(x[i] * x[j] for j < 6) * min(x[i] + x[j] * x[j] for j < 6) for i < 6];"),
        ("`@`, matrix and vector", "m = [x[i] * x[j] for i < 6, j < 6];  y = m @ x;"),
        ("`@`, matrices", "m = reshape<<[2, 3]>>(x);  y = reshape<<[6]>>((m @ [m[j, i] for i < 3, j < 2]) @ m);"),
        ("convolution", "y = [sum(at(x, i + d, 0.0) * x[d] for d < 3) for i < 6];"),
    ]),
    ("Elements", [
        ("comprehension", "y = [x[i] * x[5 - i] for i < 6];"),
        ("index that is affine", "y = [x[(i + 2) % 6] * x[i] for i < 6];"),
        ("index that is computed", "y = [x[i32(abs(7.0 * x[i]))] * x[i] for i < 6];"),
        ("`at`", "y = [at(x, i + 2, x[0]) * at(x, i - 1, 0.5) for i < 6];"),
        ("slices", "y = concat(x[1..4] * x[2..5], x[0..3] * x[0]);"),
        ("slice from a computed place", "p = x[i32(abs(3.0 * x[0])) ..+ 3];  y = concat(p * p, p * x[1]);"),
        ("`concat`, `reshape`", "m = reshape<<[3, 2]>>(concat(x[3..6] * x[0], x[0..3]));  y = reshape<<[6]>>(m * m);"),
        ("broadcasting", "m = reshape<<[2, 3]>>(x) * x[0..3] + x[5];  y = reshape<<[6]>>(m * m);"),
        ("`split`, `join`", "y = join(split<<3>>(x * x) * x[0..3]) * x;"),
    ]),
    ("Recurrences in a scan", [
        ("`fby`", "scan t < 6 { s = x[t] * x[t] + 0.7 * (x[0] fby s) * x[t];  y[t] = s * s; }"),
        ("`eby`", "scan t < 6 { s = x[t] * x[t] + 0.7 * (s eby x[0]) * x[t];  y[t] = s * s; }"),
        ("`pre` and `->`", "scan t < 6 { s = x[t] -> 0.5 * pre s * x[t] + x[t];  y[t] = s * s; }"),
        ("both ways", "scan t < 6 { a = x[t] + 0.5 * (0 fby a) * a0;  b = a * a + 0.3 * (b eby x[1]);  y[t] = b * a; }  a0 = x[0] * x[1];"),
        ("`window`", "scan t < 6 { w = window<<3>>(x[t] * x[t], x[1]);  y[t] = w[0] * w[2] + w[1]; }"),
        ("stacked results used inside", "scan t < 6 { s = x[t] * x[t];  q[t] = s;  y[t] = q[5 - t] * s; }"),
        ("`final`, `initial`", "scan t < 6 { s = x[t] * x[t] + 0.5 * (0 fby s);  y[t] = x[t] * final s * initial s; }"),
        ("`until`", "scan t < 6 until t >= 3 { s = x[t] * x[t] + 0.5 * (x[5] fby s);  y[t] = s * s; }"),
        ("`resume`", "scan t < 6 resume { s = x[t] * x[t] + 0.5 * (0 fby s) * x[t];  y[t] = s * s; }", "remembers"),
        ("scan in a scan", "scan i < 6 { scan j < 3 { s = x[j] * x[i] + 0.5 * (q fby s);  e = final s; }  q = 0.1 fby e * x[i];  y[i] = q * e; }"),
        ("outer variable in a scan", "p = x[0] * x[1];  scan t < 6 { s = p * x[t] + (0 fby s) * p;  y[t] = s; }"),
    ]),
    ("Clocks in a scan", [
        ("`when`, `hold`", "scan t < 6 { c = t % 2 == 1;  when c { a = x[t] * x[t] + 0.5 * (0 fby a); }  y[t] = hold(a, x[0]) * x[t]; }"),
        ("`merge`", "scan t < 6 { c = t % 3 == 1;  when c { a = x[t] * x[t]; }  b = (x[t] * x[t] * x[0]) when not c;  y[t] = merge(c, a, b); }"),
        ("`every N`", "scan t < 6 { when every 2 { a = x[t] * x[t] + 0.5 * (0 fby a); }  y[t] = hold(a, x[0]) * x[t]; }"),
        ("arms", "scan t < 6 { if t % 2 == 0 { b = x[t] * (1 fby b) * x[0]; } else { b = x[t] * x[t]; }  y[t] = b; }"),
        ("`match`", "scan t < 6 { m = if t % 3 == 0 then Mode.A else Mode.B;  match m { A: { b = x[t] * (1 fby b); } B: { b = x[t] * x[t]; } }  y[t] = b * b; }"),
        ("automata", "scan t < 6 { automaton { state Up { u = x[t] * x[t];  until t % 3 == 2 then Down; } state Down { u = x[t] * (x[0] fby u);  until t % 2 == 1 "
                     "continue Up; } }  y[t] = u * u; }"),
        ("`last`", "scan t < 6 { last u = x[0];  if t % 2 == 1 { u = last u * x[t]; }  y[t] = u * u; }"),
        ("`reset`", "scan t < 6 { reset { s = x[t] * x[t] + 0.7 * (x[0] fby s); } every t % 3 == 2;  y[t] = s * s; }"),
        ("`pack`, `unpack`", "scan t < 6 { p = pack<<2>>(x[t] * x[t]);  y[t] = unpack<<2>>(p * p, x[0]) * x[t]; }"),
    ]),
    ("Calls", [
        ("`fun`", "y = [f(x[i], x[0]) for i < 6];"),
        ("node with state", "scan t < 6 { y[t] = g(x[t] * x[0]); }"),
        ("instances side by side", "scan t < 6 { s = [g(x[i] * x[t]) for i < 3];  y[t] = sum(s * s); }"),
        ("struct", "p = P { a = x[0..3] * x[3], b = x[5] };  q = { p with b = p.b * p.b };  y = concat(q.a * q.b, q.a * q.a);"),
        ("function that states its derivative", "y = soft(x * x[0]);"),
    ]),
    ("Derivatives", [
        ("`grad` of a `grad`", "e = sum(x * x * x * x[0]);  y = grad(e, x) * x;"),
        ("`grad` in a comprehension", "z = [x[i] * x[i] * x[(i + 1) % 6] for i < 6];  h = [grad(z[i], x) for i < 6];  y = h @ x;"),
        ("`grad` in a scan", "scan t < 6 { q = x[0] fby (q - 0.1 * grad(e, q));  e = square(q * x[t] - 0.3);  y[t] = q * q; }"),
        ("`jvp` of a `vjp`", "e = sum(x * x * x);  r = vjp(e, x, x[1]);  y = jvp(r, x, x * x);"),
    ]),
]

PRELUDE = """enum Mode { A, B }
struct P { a: f64[3], b: f64 }
fun f(a, b: f64) -> (c: f64) { c = sin(a * b) + a * a * b; }
node g(a: f64) -> (c: f64) { c = a * a + 0.5 * (0 fby c) * a; }
fun soft(x: f64[6]) -> (y: f64[6]) derivative dsoft { y = x / (1.0 + sum(x * x)); }
fun dsoft(x, y, g: f64[6]) -> (r: f64[6]) {
  s = 1.0 + sum(x * x);  d = sum(x * g);
  r = [g[i] / s - 2.0 * x[i] * d / (s * s) for i < 6];
}
node main(x, tangent, cotangent: f64[6]) -> (y, forward, reverse, nested: f64[6], along: f64) {
  EQUATIONS
  forward = jvp(y, x, tangent);
  reverse = vjp(y, x, cotangent);
  nested = grad(along, x);
  along = sum(reverse * tangent);
}
"""
AGREES = re.compile(r":(\d+):\d+: the derivative agrees with dual numbers to (\S+), (\d+) compared")


def relative(got, want):
    return float(np.max(np.abs(got - want)) / max(1.0, np.max(np.abs(want))))


def differences(mlrc, path, x, u, c, kind):
    """Largest errors against central differences, and of <c, J u> against <J' c, u>."""
    moved = [x] + [x + sign * STEP * np.eye(N)[k] for k in range(N) for sign in (1, -1)]
    data = path.with_suffix(".npz")
    parts = [[row] for row in moved] if kind == "remembers" else [moved]
    outs = []
    for part in parts:
        np.savez(data, x=np.stack(part), tangent=np.stack([u] * len(part)), cotangent=np.stack([c] * len(part)))
        outs.append(engines.mlrc_run(mlrc, "run", path, "main", inputs=[data]))
    out = {key: np.concatenate([o[key] for o in outs]) for key in outs[0]}
    quotient = {key: np.stack([(out[key][1 + 2 * k] - out[key][2 + 2 * k]) / (2 * STEP) for k in range(N)], axis=-1) for key in ("y", "along")}
    if kind == "stop":  # x * x * constant: differences see a cube
        quotient["y"], quotient["along"] = quotient["y"] * 2 / 3, quotient["along"] / 2
    forward, reverse, nested = (out[key][0] for key in ("forward", "reverse", "nested"))
    return (relative(forward, quotient["y"] @ u), relative(reverse, c @ quotient["y"]), relative(nested, quotient["along"]),
            relative(c @ forward, reverse @ u))


def duals(mlrc, path, x, u, c):
    """Largest differences from dual numbers."""
    data = path.with_suffix(".npz")
    np.savez(data, x=x[None], tangent=u[None], cotangent=c[None])
    done = subprocess.run([mlrc, "interp", path, "--input", data, "--output", path.with_suffix(".out.npz"), "--check-gradients"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AssertionError(done.stdout)
    found = {int(line): float(error) for line, error, count in AGREES.findall(done.stdout)}
    first = path.read_text().splitlines().index("  forward = jvp(y, x, tangent);") + 1
    return [found[first + k] for k in range(3)]


def measure(mlrc, folder, row, number):
    name, equations = row[:2]
    path = folder / f"row{number}.mlr"
    path.write_text(PRELUDE.replace("EQUATIONS", equations))
    random = np.random.default_rng(7)
    x, u, c = (random.normal(size=N) for _ in range(3))
    forward, reverse, nested, dot = differences(mlrc, path, x, u, c, row[2] if len(row) > 2 else None)
    dual = duals(mlrc, path, x, u, c)
    errors = [forward, dual[0], reverse, dual[1], nested, dual[2], dot]
    limits = [DIFFERENCES, DUALS] * 3 + [DOT]
    return errors, all(e <= limit for e, limit in zip(errors, limits))


def table(rows):
    head = "| | forward: differences | duals | reverse: differences | duals | nested: differences | duals | dot product |"
    lines = []
    for section, measured in rows:
        lines += ["", f"## {section}", "", head, "|---" * 8 + "|"]
        lines += [f"| {name} | " + " | ".join(f"{e:.1e}" if e else "0" for e in errors) + " |" for name, errors in measured]
    return "\n".join(lines) + "\n"


INTRODUCTION = f"""# Derivatives, operator by operator

What the differentiated program says of each operator (R20), against two others. *Differences*: central differences in f64, step {STEP:g},
which themselves are right to some 1e-10. *Duals*: forward-mode dual numbers of the reference interpreter on the typed program, which share
nothing with the transformation (`mlrc interp --check-gradients`). Each number is the largest error of a vector of {N} elements, relative to its largest
element or to 1 (for duals: 1e-3).

*Forward* is `jvp(y, x, u)`, *reverse* `vjp(y, x, c)`, *nested* the gradient of `sum(u * vjp(y, x, c))`; *dot product* compares `c . jvp` with
`vjp . u`. `x`, `u`, `c` are normal random numbers, the same in every row. An error is tolerated up to {DIFFERENCES:g} of differences, {DUALS:g} of duals,
{DOT:g} of the dot product.

Made by `test/derivatives.py build/bin/mlrc --write docs/derivatives.md`; a test measures again and compares the rows.
"""


def names(text):
    return [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ") and "differences" not in line] + \
           [line for line in text.splitlines() if line.startswith("## ")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--check", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    failed, rows = 0, []
    with tempfile.TemporaryDirectory() as temporary:
        for section, entries in TABLE:
            measured = []
            for number, row in enumerate(entries):
                if args.only and not any(o in row[0] for o in args.only):
                    continue
                try:
                    errors, good = measure(args.mlrc.resolve(), pathlib.Path(temporary), row, f"{len(rows)}_{number}")
                    measured.append((row[0], errors))
                    if not good:
                        print(f"FAIL {row[0]}: {' '.join(f'{e:.1e}' for e in errors)}")
                except (AssertionError, KeyError, engines.EngineError) as e:
                    good = False
                    print(f"FAIL {row[0]}: {e}")
                failed += not good
            rows.append((section, measured))
    text = INTRODUCTION + table(rows)
    if args.write:
        args.write.write_text(text)
    elif args.check:
        if names(args.check.read_text()) != names(text):
            print(f"FAIL {args.check} has other rows: write it anew with --write")
            failed += 1
    else:
        print(text)
    print(f"{failed} failed" if failed else "all derivatives agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
