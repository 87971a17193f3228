#!/usr/bin/env python3
"""Every operation on f64 and f32, and every conversion, on the emulated boards against the host, to the bit: random operands at all
distances of their exponents, short ones that make ties, and all pairs of special values. On a board without instructions for f64 this
tests the library that the compiler calls. usage: arithmetic.py MLRC [--boards cortex-m4,..]"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cortex  # noqa: E402
import engines  # noqa: E402

N = 512
OPERATIONS = """
fun ops<<T: float, S: shape>>(a, b, c: T[S])
    -> (add, sub, mul, div, rem, mac, root, down, up, cut, near: T[S], less, same: bool[S]) {
  add = a + b;
  sub = a - b;
  mul = a * b;
  div = a / b;
  rem = a % b;
  mac = fma(a, b, c);
  root = sqrt(abs(a));
  down = floor(a);
  up = ceil(b);
  cut = trunc(a);
  near = round(b);
  less = a < b;
  same = a == b;
}
node main(a, b, c: f64[512], p, q, r: f32[512], i: i32[512], j: i64[512])
    -> (add, sub, mul, div, rem, mac, root, down, up, cut, near: f64[512], less, same: bool[512],
        fadd, fsub, fmul, fdiv, frem, fmac, froot, fdown, fup, fcut, fnear: f32[512],
        fless, fsame: bool[512], narrow: f32[512], wide, di, du, dj, dv: f64[512], fi, fj, fu, fv: f32[512], ti, ui: i32[512],
        tj: i64[512], uj: u64[512]) {
  (add, sub, mul, div, rem, mac, root, down, up, cut, near, less, same) = ops(a, b, c);
  (fadd, fsub, fmul, fdiv, frem, fmac, froot, fdown, fup, fcut, fnear, fless, fsame) = ops(p, q, r);
  narrow = f32(a);
  wide = f64(p);
  di = f64(i);
  du = f64(u32(i));
  dj = f64(j);
  dv = f64(u64(j));
  fi = f32(i);
  fj = f32(j);
  fu = f32(u32(i));
  fv = f32(u64(j));
  ti = i32(a);
  ui = i32(u32(a));
  tj = i64(a);
  uj = u64(p);
}
"""


def specials(dtype):
    info = np.finfo(dtype)
    values = [0, 1, 1 + info.eps, 1.5, 0.5, 2.0 ** 31, 2.0 ** 32, 2.0 ** 63, 1 / 3, info.max, info.tiny, info.smallest_subnormal,
              info.tiny - info.smallest_subnormal, np.inf, np.nan]
    return np.array([s * v for v in values for s in (1, -1)], dtype)


def operands(rng, dtype, steps):
    """Three arrays [steps, N]: random ones, near in exponent or up to 70 binary places apart, a third of them of few bits."""
    shape, bits = (steps, N), np.finfo(dtype).nmant
    def some():
        x = rng.standard_normal(shape)
        short = np.round(x * 2.0 ** rng.integers(0, 6, shape)) / 32
        long = 1 + rng.integers(0, 4, shape) * 2.0 ** -bits
        return np.choose(rng.integers(0, 3, shape), [x, short, long]) * np.where(rng.random(shape) < 0.5, 1, -1)
    with np.errstate(all="ignore"):
        a = some()
        b = some() * 2.0 ** -rng.integers(-70, 70, shape)
        c = some() * 2.0 ** -rng.integers(-70, 70, shape)
        small = rng.random(shape) < 0.1
        a, b = np.where(small, a * float(np.finfo(dtype).tiny), a), np.where(small, b * float(np.finfo(dtype).tiny), b)
        a, b, c = (x.astype(dtype) for x in (a, b, c))
    values = specials(dtype)
    pairs = np.array(np.meshgrid(values, values)).reshape(2, -1)
    k = min(a.size, pairs.shape[1])
    a.ravel()[:k], b.ravel()[:k] = pairs[0][:k], pairs[1][:k]
    return a, b, c


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--boards", default="cortex-m4:c,cortex-m4:obj,cortex-m7:c")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, failed = np.random.default_rng(options.seed), 0
    a, b, c = operands(rng, "f8", options.steps)
    p, q, r = operands(rng, "f4", options.steps)
    whole = rng.integers(-2 ** 63, 2 ** 63, a.shape) >> rng.integers(0, 63, a.shape)
    streams = dict(a=a, b=b, c=c, p=p, q=q, r=r, i=whole.astype("i4"), j=whole)
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "arithmetic.mlr"
        program.write_text(OPERATIONS)
        np.savez(f"{folder}/in.npz", **streams)
        host = engines.mlrc_run(options.mlrc, "run", program, inputs=[f"{folder}/in.npz"])
        for board in options.boards.split(","):
            machine, _, emit = board.partition(":")
            with tempfile.TemporaryDirectory() as out:
                there = cortex.run(options.mlrc, program, pathlib.Path(out), machine, streams, options.steps, emit or "c")
            for name, value in there.items():
                if not engines.same_bits(value, host[name]):
                    failed += 1
                    print(f"{board}: {name} differs {engines.first_difference(value, host[name])}")
            print(f"{board}: {len(there)} operations, {a.size} operands each")
    return 1 if failed else 0


sys.exit(main())
