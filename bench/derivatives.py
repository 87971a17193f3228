#!/usr/bin/env python3
"""Derivatives in f32 beside JAX's, of operators and of small recurrent networks: gradients, directional derivatives, and derivatives of
gradients. Prints a table in Markdown of the largest differences, each relative to the largest element of JAX's; exit code 1 if one
exceeds 1e-5.

usage: bench/setup; build/bench/venv/bin/python bench/derivatives.py [MLRC]
"""
import pathlib
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 1e-5
N, T, D, H = 6, 12, 5, 7


def scan(step, init, *streams, reverse=False):
    return lax.scan(step, init, streams if len(streams) > 1 else streams[0], reverse=reverse)[1]


# name, equations of y: f32[6] by x: f32[6], the same in JAX
OPERATORS = [
    ("arithmetic", "y = x * x / (2.0 + x * x) - fma(x, x[0], -x) + abs(x) * sqrt(1.0 + x * x);",
     lambda x: x * x / (2 + x * x) - (x * x[0] - x) + abs(x) * jnp.sqrt(1 + x * x)),
    ("remainder, `floor`", "y = (x * x + 9.0) % 2.5 + floor(x) * x;", lambda x: (x * x + 9) % 2.5 + jnp.floor(x) * x),
    ("`max`, `min`, `where`", "y = max(x, x[0] * x) * min(x * x, 0.7) + where(x > 0.1, x * x, sin(x));",
     lambda x: jnp.maximum(x, x[0] * x) * jnp.minimum(x * x, 0.7) + jnp.where(x > 0.1, x * x, jnp.sin(x))),
    ("`exp`, `log`, `pow`", "p = x * x + 0.2;  y = exp(x) * log(p) + pow(p, x) + exp2(x) + expm1(x) + log1p(p);",
     lambda x: jnp.exp(x) * jnp.log(x * x + 0.2) + (x * x + 0.2) ** x + jnp.exp2(x) + jnp.expm1(x) + jnp.log1p(x * x + 0.2)),
    ("circular and hyperbolic functions", "y = sin(x) * cos(x) + tan(0.3 * x) + atan2(x, x[0] + 3.0) + sinh(x) * tanh(x) + asin(0.2 * x);",
     lambda x: jnp.sin(x) * jnp.cos(x) + jnp.tan(0.3 * x) + jnp.arctan2(x, x[0] + 3) + jnp.sinh(x) * jnp.tanh(x) + jnp.arcsin(0.2 * x)),
    ("`sigmoid`, `softplus`, `erf`", "y = sigmoid(x) * softplus(x) + erf(x) * x;",
     lambda x: jax.nn.sigmoid(x) * jax.nn.softplus(x) + lax.erf(x) * x),
    ("reductions", "y = x * sum(x * x) + mean(x * x * x) * prod(x) + x * max(x) - min(x) * x * x;",
     lambda x: x * jnp.sum(x * x) + jnp.mean(x ** 3) * jnp.prod(x) + x * jnp.max(x) - jnp.min(x) * x * x),
    ("products", "m = [x[i] * x[j] for i < 6, j < 6];  y = (m @ m) @ x;", lambda x: (jnp.outer(x, x) @ jnp.outer(x, x)) @ x),
    ("convolution", "y = [sum(at(x, i + d, 0.0) * x[d] for d < 3) for i < 6];",
     lambda x: jnp.stack([jnp.sum(jnp.pad(x, (0, 3))[i:i + 3] * x[:3]) for i in range(N)])),
    ("slices, gathers", "y = concat(x[1..4] * x[2..5], [x[5 - i] * x[i] for i < 3]);",
     lambda x: jnp.concatenate([x[1:4] * x[2:5], x[::-1][:3] * x[:3]])),
    ("softmax", "raised = exp(x - max(x));  y = raised / sum(raised);", jax.nn.softmax),
    ("recurrence forward", "scan t < 6 { s = x[t] * x[t] + 0.7 * (x[0] fby s) * x[t];  y[t] = s; }",
     lambda x: scan(lambda s, a: (a * a + 0.7 * s * a,) * 2, x[0], x)),
    ("recurrence backward", "scan t < 6 { s = x[t] * x[t] + 0.7 * (s eby x[0]) * x[t];  y[t] = s; }",
     lambda x: scan(lambda s, a: (a * a + 0.7 * s * a,) * 2, x[0], x, reverse=True)),
    ("forward, then backward", "scan t < 6 { a = sin(x[t]) + 0.5 * (0 fby a);  b = a * x[t] + 0.9 * (b eby 0);  y[t] = b * a; }",
     lambda x: (lambda a: scan(lambda s, i: (i + 0.9 * s,) * 2, 0.0, a * x, reverse=True) * a)(
         scan(lambda s, i: (jnp.sin(i) + 0.5 * s,) * 2, 0.0, x))),
    ("a step of gradient descent", "e = sum(x * x * x * x[0]);  y = x - 0.1 * grad(e, x);",
     lambda x: x - 0.1 * jax.grad(lambda v: jnp.sum(v * v * v * v[0]))(x)),
]
OPERATOR = """node main(x, c: f32[6]) -> (l: f32, g, directional, nested: f32[6]) {{
  {}
  l = sum(y * c);
  g = grad(l, x);
  directional = jvp(y, x, c);
  n = sum(g * c);
  nested = grad(n, x);
}}
"""


def lstm(p, xs, reverse=False):
    def step(carry, x):
        h, c = carry
        i, f, g, o = jnp.split(p["w"] @ x + p["u"] @ h + p["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h
    return scan(step, (jnp.zeros(H), jnp.zeros(H)), xs, reverse=reverse)


def plain(p, xs, reverse=False):
    def step(h, x):
        h = jnp.tanh(p["w"] @ x + p["u"] @ h + p["b"])
        return h, h
    return scan(step, jnp.zeros(H), xs, reverse=reverse)


CELL = {
    1: "fun cell<<D, H: size>>(w: f32[H, D], u: f32[H, H], b: f32[H], x: f32[D], h: f32[H]) -> (n: f32[H]) { n = tanh(w @ x + u @ h + b); }",
    4: "import nn;",
}
FORWARD = {1: "h = cell(w, u, b, xs[t], 0 fby h);",
           4: "(h, c) = nn.lstm_cell(nn.Lstm { w = w, u = u, b = b }, xs[t], 0 fby h, 0 fby c);"}
BACKWARD = {1: "k = cell(w, u, b, xs[t], k eby 0);",
            4: "(k, d) = nn.lstm_cell(nn.Lstm { w = w, u = u, b = b }, xs[t], k eby 0, d eby 0);"}
# name, gates, MLR's stacked value, JAX's states by parameters and streams
NETWORKS = [
    ("recurrent network", 1, lambda p, xs: plain(p, xs), False),
    ("bidirectional recurrent network", 1, lambda p, xs: plain(p, xs) * plain(p, xs, True), True),
    ("LSTM", 4, lambda p, xs: lstm(p, xs), False),
    ("bidirectional LSTM", 4, lambda p, xs: lstm(p, xs) * lstm(p, xs, True), True),
]
NETWORK = """{cell}
node main(xs: f32[{T}, {D}], w: f32[{G}, {D}], u: f32[{G}, {H}], b: f32[{G}]) -> (l: f32, g_xs: f32[{T}, {D}], g_w: f32[{G}, {D}],
                                                                                g_u: f32[{G}, {H}], g_b, n_b: f32[{G}]) {{
  scan t < {T} {{ {equations} ys[t] = {value}; }}
  l = sum(ys * ys * ys);
  (g_xs, g_w, g_u, g_b) = grad(l, (xs, w, u, b));
  s = sum(g_w * w);
  n_b = grad(s, b);
}}
"""


def run(mlrc, folder, program, inputs):
    (folder / "main.mlr").write_text(program)
    np.savez(folder / "in.npz", **{k: np.asarray(v)[None] for k, v in inputs.items()})
    subprocess.run([mlrc, "run", folder / "main.mlr", "--input", folder / "in.npz", "--output", folder / "out.npz", "--quiet"], check=True)
    with np.load(folder / "out.npz") as out:
        return {k: out[k][0] for k in out.files}


def difference(got, want):
    want = np.asarray(want)
    return float(np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-30))


def operator(mlrc, folder, equations, function):
    random = np.random.default_rng(11)
    x, c = (random.normal(size=N).astype(np.float32) for _ in range(2))
    out = run(mlrc, folder, OPERATOR.format(equations), {"x": x, "c": c})
    gradient = jax.grad(lambda v: jnp.sum(function(v) * c))
    return (difference(out["g"], jax.jit(gradient)(x)), difference(out["directional"], jax.jvp(function, (x,), (c,))[1]),
            difference(out["nested"], jax.grad(lambda v: jnp.sum(gradient(v) * c))(x)))


def network(mlrc, folder, gates, states, isBoth):
    random = np.random.default_rng(13)
    def uniform(*shape):
        return (random.uniform(-1, 1, shape) / np.sqrt(H)).astype(np.float32)
    g = gates * H
    p = {"w": uniform(g, D), "u": uniform(g, H), "b": uniform(g)}
    xs = random.normal(size=(T, D)).astype(np.float32)
    program = NETWORK.format(cell=CELL[gates], T=T, D=D, H=H, G=g, value="h * k" if isBoth else "h",
                             equations=FORWARD[gates] + (" " + BACKWARD[gates] if isBoth else ""))
    out = run(mlrc, folder, program, {"xs": xs, **p})
    loss = jax.jit(lambda q, z: jnp.sum(states(q, z) ** 3))
    (gp, gx) = jax.jit(jax.grad(loss, (0, 1)))(p, xs)
    nested = jax.grad(lambda b: jnp.sum(jax.grad(loss)({**p, "b": b}, xs)["w"] * p["w"]))(p["b"])
    first = max([difference(out["g_" + k], gp[k]) for k in p] + [difference(out["g_xs"], gx)])
    return first, None, difference(out["n_b"], nested)


def main():
    mlrc = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/bin/mlrc").resolve()
    print(f"Derivatives in f32 beside JAX {jax.__version__}: largest difference, relative to the largest element.\n")
    print("| | gradient | directional | gradient of a gradient |\n|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        rows = [(name, lambda e=e, f=f: operator(mlrc, folder, e, f)) for name, e, f in OPERATORS]
        rows += [(name, lambda a=rest: network(mlrc, folder, *a)) for name, *rest in NETWORKS]
        for name, measure in rows:
            errors = measure()
            worst = max([worst] + [e for e in errors if e is not None])
            print(f"| {name} | " + " | ".join("" if e is None else f"{e:.1e}" for e in errors) + " |", flush=True)
    print(f"\nLargest: {worst:.1e}; tolerated: {TOLERANCE:.0e}.")
    return 1 if not worst <= TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
