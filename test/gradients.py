#!/usr/bin/env python3
"""Derivatives (R20) against central differences in f64 and dual numbers, and the same bits in all engines.

Each program has a scalar output `l` and, for some of its inputs v, an output `d_v`: the gradient of l with respect to v. All nodes here keep
no state from one instant to the next, so that one run over many instants evaluates l at all the places that the differences need.

usage: gradients.py MLRC [--only NAME..]
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import engines  # noqa: E402
import gradient_cases  # noqa: E402
import gradient_library  # noqa: E402

RELATIVE = 1e-6

# name, program, inputs by name
CASES = []


def case(name, program, **inputs):
    CASES.append((name, program, {k: np.asarray(v) for k, v in inputs.items()}))


def numbers(*shape, seed=0):
    return np.random.default_rng([len(CASES), seed]).normal(size=shape)


case("arithmetic", """
node main(x, y: f64[5]) -> (l: f64, d_x, d_y: f64[5]) {
  z = x * y - x / (2.0 + y * y) + fma(x, y, x) - (-x) + abs(x * y) + sqrt(1.0 + x * x) + (x + 9.0) % 2.5;
  l = sum(z * z);
  d_x = grad(l, x);  d_y = grad(l, y);
}""", x=numbers(5), y=numbers(5, seed=1))
case("elementary_functions", """
node main(x: f64[4], y: f64[4]) -> (l: f64, d_x, d_y: f64[4]) {
  p = x * x + 0.2;
  z = exp(x) + exp2(x) + expm1(y) + sinh(x) + cosh(y) + log(p) + log2(p) + log10(p) + log1p(p) + softplus(x) + sigmoid(y)
    + sin(x) + cos(y) + tan(0.3 * x) + atan(y) + asin(0.2 * x) + acos(0.2 * y) + cbrt(p) + erf(x) + erfc(y) + tanh(x * y)
    + atan2(x, p) + hypot(x, y) + pow(p, y);
  l = sum(z * z);
  d_x = grad(l, x);  d_y = grad(l, y);
}""", x=numbers(4), y=numbers(4, seed=1))
case("selections_and_extremes", """
node main(x: f64[6], c: bool) -> (l: f64, d_x: f64[6]) {
  a = where(x > 0.1, x * x, sin(x));
  b = if c then max(x, a) else min(x, 0.5);
  l = sum(a * b) + max(b) * min(a) + sum(max(a[i] * x[j] for j < 6) for i < 6);
  d_x = grad(l, x);
}""", x=numbers(6), c=True)
case("products_without_division", """
node main(x: f64[3, 4]) -> (l: f64, d_x: f64[3, 4]) {
  l = sum([prod(x[i, j] for j < 4) for i < 3]) + prod(x[0]);
  d_x = grad(l, x);
}""", x=np.where(np.arange(12).reshape(3, 4) == 5, 0, numbers(3, 4)))
case("contractions_and_convolutions", """
node main(x: f64[9], k: f64[3], w: f64[4, 4]) -> (l: f64, d_x: f64[9], d_k: f64[3], d_w: f64[4, 4]) {
  y = [sum(x[2 * j + d] * k[d] for d < 3) for j < 4];
  z = tanh(w @ y) @ w;
  l = sum(z * z) + mean(y);
  d_x = grad(l, x);  d_k = grad(l, k);  d_w = grad(l, w);
}""", x=numbers(9), k=numbers(3, seed=1), w=numbers(4, 4, seed=2))
case("slices_and_rearrangements", """
node main(x: f64[6], y: f64[2]) -> (l: f64, d_x: f64[6], d_y: f64[2]) {
  z = concat(x[1..5] * x[2..6], y, x[..] * 2.0);
  m = reshape<<[3, 4]>>(z);
  t = [m[i, j] * m[i, i] for j < 4, i < 3];
  l = sum(t * t) + x[3] * y[1];
  d_x = grad(l, x);  d_y = grad(l, y);
}""", x=numbers(6), y=numbers(2, seed=1))
case("slices_of_later_axes", """
node main(x: f64[3, 8], y: f64[2, 3, 6]) -> (l: f64, d_x: f64[3, 8], d_y: f64[2, 3, 6]) {
  z = [x[i, j] * x[i, 7 - j] for i < 3, j < 8];
  a = [z[i, j] * z[i, j + 2] for i < 3, j < 2];
  b = [z[i, j + 4] * sin(z[i, j + 6]) for i < 3, j < 2];
  u = [y[k, i, j + 1] * y[k, 1, j + 3] + y[1, i, j] for k < 2, i < 3, j < 2];
  l = sum(a * b) + sum(u * u);
  d_x = grad(l, x);  d_y = grad(l, y);
}""", x=numbers(3, 8), y=numbers(2, 3, 6, seed=1))
case("jacobians_of_slices", """
node main(x: f64[4], w: f64[2, 4]) -> (l: f64, d_x: f64[4], d_w: f64[2, 4]) {
  z = [w[i, j] * x[j] for i < 2, j < 4];
  e = [sum([z[i, j] * z[i, j + 2] for j < 2]) + x[i] for i < 2];
  g = [grad(e[i], x) for i < 2];
  l = sum(g[0] * g[1]);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(4), w=numbers(2, 4, seed=1))
case("computed_indices", """
node main(x: f64[6], i: i32[5]) -> (l: f64, d_x: f64[6]) {
  y = [x[i[k]] * f64(k + 1) + at(x, i[k] + 1, 0.5) for k < 5];
  l = sum(y * y) + sum(square(x[i[0] ..+ 2]));
  d_x = grad(l, x);
}""", x=numbers(6), i=np.array([2, 5, 2, 0, 7], "i4"))
case("computed_places_of_several_axes", """
node main(x: f64[4, 3, 5], i, j: i32[6], k: i64, m: u8[2, 3]) -> (l: f64, d_x: f64[4, 3, 5]) {
  a = [x[i[n], d, j[n]] * f64(n + d) for n < 6, d < 3];
  b = [x[i[n], j[n + 1], e + 1] * x[2, j[n], e] for n < 5, e < 4];
  c = [x[d, d, i32(m[d, n])] + x[i32(k), n, 4 - n] for d < 2, n < 3];
  f = [at(x, i[n] - 1, n, j[n] - 2, 0.25) for n < 3] + [max(x[i[n], q, e] * f64(e + 1) for e < 5, q < 3) for n < 3];
  z = [x[(n * n) / 4, 1, n % 3] for n < 4];
  l = sum(a * a) + sum(b * b) + sum(c * c) + sum(f * f) + sum(square(x[i[0] ..+ 2, j[1]])) + prod(z) + sum(a[n, 1] * x[i[n], 0, 0] for n < 6);
  d_x = grad(l, x);
}""", x=numbers(4, 3, 5), i=np.array([2, 5, 2, 0, -7, 3], "i4"), j=np.array([1, 4, 2, 0, 9, -1], "i4"), k=np.int64(2**40),
     m=np.array([[1, 0, 200], [4, 1, 1]], "u1"))
case("a_table_read_at_each_instant", """
node main(x: f64[5, 3], w: f64[3], i: i32[7], j: i32[7, 2]) -> (l: f64, d_x: f64[5, 3], d_w: f64[3]) {
  e = x * tanh(x);
  scan t < 7 {
    u = e[i[t]] + e[j[t, 0]] * w + [sum(e[j[t, b], d] * f64(b + 1) for b < 2) for d < 3];
    h = 0.5 * (0 fby h) + tanh(u);
    g = 0.7 * (g eby w) + u * h;
    y[t] = g + e[1] * w;
  }
  scan t < 7 { r = 0.3 * (r eby w) + e[i[t]] * w; q = initial r; }
  l = sum(y * y) + sum(q * q) + sum(e[2] * e[i[0]]);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(5, 3), w=numbers(3, seed=1), i=np.array([2, 5, 2, 0, -7, 3, 2], "i4"),
     j=np.random.default_rng(3).integers(-1, 6, (7, 2)).astype("i4"))
case("a_table_read_in_nested_scans", """
node main(x: f64[5, 3], w: f64[3], i: i32[3, 4], v: f64[3, 4, 2]) -> (l: f64, d_x: f64[5, 3], d_w: f64[3], d_v: f64[3, 4, 2]) {
  scan a < 3 {
    scan b < 4 {
      h = 0.5 * (k fby h) + x[i[a, b]] * w;
      if i[a, b] > 1 { s = x[i[a, b] - 1] * (1.0 fby s) + v[a, b, i[a, 0]]; } else { s = h * w + v[a, b, i[b - b, b]]; }
      hs[b] = h + s;
      e = final h;
    }
    k = w fby e + x[i[a, 1]];
    scan b < 4 until z > 0.4 { z = sum(x[i[a, b]] * k) + (0 fby z); f = final z; }
    if i[a, 0] > 1 { scan b < 4 { o = x[i[a, b]] * 0.5 + (0 fby o); p = final o; } } else { p = x[i[a, 1]]; }
    y[a] = sum(hs) + f + sum(p * p);
  }
  l = sum(y * y);
  d_x = grad(l, x);  d_w = grad(l, w);  d_v = grad(l, v);
}""", x=0.4 * numbers(5, 3), w=0.5 * numbers(3, seed=1), i=np.array([[2, 4, 2, 0], [0, 3, 2, -1], [1, 5, 4, 2]], "i4"), v=numbers(3, 4, 2, seed=2))
case("derivatives_of_derivatives_of_reads_at_computed_places", """
node main(x: f64[5, 3], i: i32[6]) -> (l: f64, d_x: f64[5, 3]) {
  y = [x[i[k]] * x[i[5 - k]] * x[k / 2] for k < 6];
  e = sum(y * y * y);
  g = grad(e, x);
  scan t < 6 { h = 0.4 * (0 fby h) + sin(g[i[t]] * x[i[t]]); r = final h; }
  m = sum(r);
  j = [grad(y[n, 1], x) for n < 6];
  s = jvp(y, x, g * 0.01);
  p = grad(m, x);
  l = m + sum(j * j) + sum(s * s) + sum(p * x);
  d_x = grad(l, x);
}""", x=0.5 * numbers(5, 3), i=np.array([2, 5, 2, 0, -7, 3], "i4"))
case("padded_reads", """
node main(x: f64[5, 4], k: f64[4, 2]) -> (l: f64, d_x: f64[5, 4], d_k: f64[4, 2], d_s: f64[5, 4]) {
  y = [sum(at(x, 2 * i + a - 3, j - b + 1, 0.5) * k[a, b] for a < 4, b < 2) + at(x, j - 9, i, 0.25) for i < 5, j < 6];
  l = sum(y * y * y);
  (d_x, d_k) = grad(l, (x, k));
  d_s = grad(sum(d_x * d_x * x), x);
}""", x=numbers(5, 4), k=numbers(4, 2, seed=1))
case("recurrences_both_ways", """
node main(x: f64[6], p: f64) -> (l: f64, d_x: f64[6], d_p: f64) {
  scan t < 6 {
    up = p * x[t] + 0.5 * (p fby up);
    down = up * up * 0.3 + 0.7 * (down eby (p * p));
    acc = down * x[t] + (0 fby acc);
    y[t] = down * final acc;
    e = final acc;
    s = initial down;
  }
  l = sum(y * y) + e * s;
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(6), p=0.8)
case("nested_scans", """
node main(x: f64[3, 4], p: f64) -> (l: f64, d_x: f64[3, 4], d_p: f64) {
  scan i < 3 {
    scan j < 4 { s = sin(x[i, j] * p) + 0.9 * (q fby s); r[j] = s; e = final s; }
    q = 0.1 fby e * p;
    z[i] = sum(r) * q;
  }
  l = sum(z);
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(3, 4), p=1.3)
case("windows", """
node main(x: f64[6], i: f64) -> (l: f64, d_x: f64[6], d_i: f64) {
  scan t < 6 { w = window<<3>>(x[t] * x[t], i); y[t] = w[0] * w[1] + w[2] * w[2]; }
  l = sum(y);
  d_x = grad(l, x);  d_i = grad(l, i);
}""", x=numbers(6), i=0.4)
case("until", """
node main(x: f64[6], p: f64) -> (l: f64, d_x: f64[6], d_p: f64) {
  scan t < 6 until s > 1.0 { s = abs(x[t]) * p + (0 fby s); y[t] = s * s; f = final s; }
  l = sum(y) + f;
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=np.array([.3, .4, -.2, .5, .7, .1]), p=0.9)
case("clocks_arms_and_resets_inside_a_scan", """
node main(x: f64[12], p: f64) -> (l: f64, d_x: f64[12], d_p: f64) {
  scan t < 12 {
    c = t % 3 == 1;
    when c { a = p * x[t] + 0.5 * (0 fby a); }
    h = hold(a, p);
    if x[t] > 0 { b = x[t] * (1 fby b) * p; } else { b = x[t] + h; }
    reset { s = b + 0.7 * (p fby s); } every c;
    automaton {
      state Up { u = s * s; until t % 5 == 4 then Down; }
      state Down { u = s * (p fby u) * 0.1; until t % 4 == 3 continue Up; }
    }
    y[t] = u + h;
  }
  l = sum(y * y);
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(12), p=0.7)
case("instances_side_by_side", """
node f(x: f64[5], w: f64) -> (y: f64) { scan t < 5 { s = tanh(x[t] * w) + 0.5 * (0 fby s); y = final s; } }
node main(x: f64[3, 5], w: f64) -> (l: f64, d_x: f64[3, 5], d_w: f64) {
  y = [f(x[b], w) for b < 3];
  l = sum(y * y);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(3, 5), w=0.6)
case("structs", """
struct Net<<I, O: size>> { w: f64[O, I], b: f64[O] }
fun net(p: Net<<6, 4>>, x: f64[6]) -> (y: f64[4]) { y = relu(p.w @ x + p.b); }
node main(x: f64[6], w: f64[4, 6], b: f64[4]) -> (l: f64, d_w: f64[4, 6], d_b: f64[4], d_x: f64[6]) {
  p = Net { w = w, b = b };
  l = sum(square(net(p, x)));
  g = grad(l, p);
  d_w = g.w;  d_b = g.b;  d_x = grad(l, x);
}""", x=numbers(6), w=numbers(4, 6, seed=1), b=numbers(4, seed=2))
case("derivatives_of_derivatives", """
node main(x: f64[5]) -> (l: f64, d_x: f64[5]) {
  y = [sin(x[i]) * x[(i + 1) % 5] * x[i] for i < 5];
  e = sum(y * y);
  g = grad(e, x);
  h = [grad(g[i], x) for i < 5];
  l = sum(g * g) + h[0, 1] * h[2, 2];
  d_x = grad(l, x);
}""", x=numbers(5))
case("learning_inside_a_scan", """
node main(x: f64[6], p: f64) -> (l: f64, d_x: f64[6], d_p: f64) {
  scan t < 6 {
    q = p fby (q - 0.1 * grad(e, q));
    e = square(sin(q * x[t]) - 0.3) + 0.1 * q * q;
    r = final q;
  }
  l = r * r * r;
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(6), p=1.1)
case("directional_derivatives", """
node main(x: f64[6], w: f64[4, 6]) -> (l: f64, d_x: f64[6], d_w: f64[4, 6]) {
  y = tanh(w @ x);
  t = x * 0.5;
  l = sum(jvp(y, x, t) * y) + sum(vjp(y, w, y));
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(6), w=numbers(4, 6, seed=1))

case("several_derivatives_through_a_function_that_states_its_own", """
fun soft(x: f64[3]) -> (y: f64[3]) derivative dsoft { y = x / (1.0 + sum(x * x)); }
fun dsoft(x, y, g: f64[3]) -> (r: f64[3]) { s = 1.0 + sum(x * x); d = sum(x * g); r = [g[i] / s - 2.0 * x[i] * d / (s * s) for i < 3]; }
node main(x: f64[3], w: f64) -> (l: f64, d_x: f64[3], d_w: f64) {
  z = soft(soft(x * w) * x);
  e = sum(z * z);
  g = grad(e, x);
  t = x * 0.3;
  l = sum(g * g) + sum(jvp(z, x, t)) + e;
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(3), w=0.7)

# What no difference quotient shows: name, program, inputs, outputs.
EXACT = [
    ("what_is_not_selected_contributes_zero", """
node main(x: f64[4], c: bool) -> (g, h: f64[4]) {
  s = sqrt(x);
  l = sum(where(x > 0, s, 0.0));
  g = grad(l, x);
  r = if c then 1.0 / x * x else x;
  m = sum(r);
  h = grad(m, x);
}""", {"x": np.array([0., 1, 4, 0]), "c": np.bool_(False)},
     {"g": [0, .5, .25, 0], "h": [1, 1, 1, 1]}),
    ("what_no_use_selects_contributes_zero", """
fun f(a: f64) -> (y: f64) { y = if a > 0 then sqrt(a) else 0; }
node main(x: f64[3], u: f64, c: bool) -> (whole, chosen, scanned, each, computed: f64[3], part, forward: f64, jacobian: f64[3, 3]) {
  q = x * 1;
  l = sum(where(q > 0, sqrt(q), 0));  whole = grad(l, q);
  m = if c then sum(sqrt(q)) else 0;  chosen = grad(m, q);
  scan t < 3 { s = 0 fby s + sqrt(q[t]); last_s = final s; }
  n = if c then last_s else 0;  scanned = grad(n, q);
  o = sum(if q[i] > 0 then 1 / q[i] else 0 for i < 3);  each = grad(o, q);
  y = [f(q[i]) for i < 3];
  computed = vjp(y, q, [1, 1, 1]);
  jacobian = [grad(y[i], q) for i < 3];
  p = u * 1;  z = if p > 0 then sqrt(p) else 0;  part = grad(z, p);  forward = jvp(z, p, 1);
}""", {"x": np.array([0., 1, 4]), "u": np.float64(0), "c": np.bool_(False)},
     {"whole": [0, .5, .25], "chosen": [0, 0, 0], "scanned": [0, 0, 0], "each": [0, -1, -1 / 16], "computed": [0, .5, .25],
      "part": 0, "forward": 0, "jacobian": [[0, 0, 0], [0, .5, 0], [0, 0, .25]]}),
    ("a_sign_is_constant_by_pieces_and_so_is_a_power_zero", """
node main(x: f64[4]) -> (s, p, q: f64[4]) {
  s = grad(sum(sign(x)), x);
  p = grad(sum(sum(pow(x[i], f64(k)) for k < 3) for i < 4), x);
  q = [jvp(pow(x[i], 0.0), x, x * 0 + 1) for i < 4];
}""", {"x": np.array([0., 1, -2, -0.])}, {"s": [0, 0, 0, 0], "p": [1, 3, -3, 1], "q": [0, 0, 0, 0]}),
    ("elements_that_an_extreme_does_not_select_contribute_zero", """
node main(x: f64[3], p: f64[3, 2]) -> (whole, indexed, low, stored: f64[3], apart: f64[3, 2]) {
  q = x * 1;
  a = max(sqrt(q));  whole = grad(a, q);
  b = max(log(q[i]) for i < 3);  indexed = grad(b, q);
  c = min(if i == 0 then 9 else 1 / q[i] for i < 3);  low = grad(c, q);
  s = sqrt(q);  d = max(s) + min(s[i] + 1 for i < 2) * 0;  stored = grad(d, s);
  f = max(sqrt(sum(square(p[i, k] - p[j, k]) for k < 2)) for i < 3, j < 3);  apart = grad(f, p);
}""", {"x": np.array([0., 1, 4]), "p": np.array([[0., 0], [0, 1], [0, 4]])},
     {"whole": [0, 0, .25], "indexed": [0, 0, .25], "low": [0, 0, -1 / 16], "stored": [0, 0, 1],
      "apart": [[0, -1], [0, 0], [0, 1]]}),
    ("what_a_window_begins_with_is_of_the_first_instant", """
node main(x: f64, v: f64[2], c: bool) -> (g, k: f64, h: f64[2], s: f64[2]) {
  l = sum(window<<3>>(x, x * 2));  g = grad(l, x);
  w = window<<2>>(stop_gradient(v), v * v);  e = sum(w);  h = grad(e, v);
  reset { m = sum(window<<3>>(1.0, x * x)); } every c;  k = grad(m, x);
  scan t < 2 { z = sum(window<<3>>(x, x)) * v[t]; s[t] = grad(z, x); }
}""", {"x": np.float64(3), "v": np.array([1., 2]), "c": np.bool_(False)}, {"g": 5, "k": 12, "h": [2, 4], "s": [3, 2]}),
    ("the_newest_element_of_a_window_is_of_this_instant", """
node main(x: f64[4]) -> (g, h: f64[4]) {
  scan t < 4 {
    u = x[t] * 1;
    w = mean(window<<3>>(u, 0));  g[t] = grad(w, u);
    s = mean(window<<3>>(u, 0)) fby (s * 0.5);  h[t] = grad(s, u);
  }
}""", {"x": np.array([1., 2, 3, 4])}, {"g": [1 / 3] * 4, "h": [1 / 3, 0, 0, 0]}),
    ("ties_go_to_the_second_operand_and_to_the_first_element", """
node main(a, b: f64, x: f64[3]) -> (ga, gb: f64, gx: f64[3]) {
  m = max(a, b);  ga = grad(m, a);  gb = grad(m, b);
  n = max(x);  gx = grad(n, x);
}""", {"a": np.float64(2), "b": np.float64(2), "x": np.array([1., 3, 3])}, {"ga": 0, "gb": 1, "gx": [0, 1, 0]}),
    ("the_variable_is_cut_and_stop_gradient_is_a_constant", """
node main(x: f64) -> (g, h, z: f64) {
  y = 3.0 * x;  e = y * x;  h = grad(e, y);
  l = x * stop_gradient(x * x) + x;  g = grad(l, x);
  k = x * x;  z = grad(k, y);
}""", {"x": np.float64(1.5)}, {"g": 3.25, "h": 1.5, "z": 0}),
    ("a_tuple_is_cut_as_a_whole_and_variables_on_their_own", """
node main(x: f64) -> (a_of_tuple, x_of_tuple, forward, a_alone, x_alone, x_forward: f64) {
  a = x * 2;  e = a * a + x;
  (a_of_tuple, x_of_tuple) = grad(e, (a, x));
  forward = jvp(e, (a, x), (1, 1));
  a_alone = grad(e, a);  x_alone = grad(e, x);  x_forward = jvp(e, x, 1);
}""", {"x": np.float64(3)}, {"a_of_tuple": 12, "x_of_tuple": 1, "forward": 13, "a_alone": 12, "x_alone": 25, "x_forward": 25}),
    ("a_function_states_its_derivative", """
fun clipped(x: f64) -> (y: f64) derivative clip { y = x * x; }
fun clip(x, y, g: f64) -> (r: f64) { r = min(max(g, -0.5), 0.5); }
node main(x: f64[2]) -> (g: f64[2]) { l = sum([clipped(x[i]) * 3.0 for i < 2]); g = grad(l, x); }""",
     {"x": np.array([1., 2])}, {"g": [.5, .5]}),
]


# Gradients whose work grows as that of their loss does: name, program with N elements, N.
LINEAR = [
    ("of_windows_side_by_side", "node main(x: f64[N]) -> (g: f64[N]) { l = sum(square(sum(x[i * 4 + j] for j < 4)) for i < N / 4); g = grad(l, x); }", 256),
    ("of_windows_that_overlap", "node main(x: f64[N]) -> (g: f64[N]) { l = sum(square(sum(x[i * 2 + j] for j < 3)) for i < N / 2 - 1); g = grad(l, x); }", 256),
    ("of_pooled_images", "import nn;\nnode main(x: f32[N, 16, 2]) -> (g: f32[N, 16, 2]) { l = sum(square(nn.max_pool2d<<2>>(x))); g = grad(l, x); }", 16),
    ("of_products", "node main(x: f64[N]) -> (g: f64[N]) { l = prod(x); g = grad(l, x); }", 256),
    ("of_reads_at_computed_places", "node main(x: f64[N, 4], i: i32[N]) -> (g: f64[N, 4]) { l = sum(square([x[i[k]] for k < N])); g = grad(l, x); }", 64),
    ("of_a_table_read_at_each_instant", """node main(x: f64[N, 4], i: i32[N]) -> (g: f64[N, 4]) {
  scan t < N { h = 0.5 * (0 fby h) + x[i[t]]; r = final h; }  l = sum(square(r));  g = grad(l, x);
}""", 64),
    ("of_a_table_read_in_nested_scans", """node main(x: f64[N, 4], i: i32[N, 4]) -> (g: f64[N, 4]) {
  scan s < N { scan t < 4 { h = 0.5 * (k fby h) + x[i[s, t]]; r = final h; }  k = 0 fby r;  f = final r; }  l = sum(square(f));  g = grad(l, x);
}""", 64),
]


# Gradients without a comparison: slices that cover an axis, one after the other, are put together and not chosen element by element.
UNCOMPARED = [
    ("of_slices", "node main(x: f64[3, 8]) -> (g: f64[3, 8]) { y = x + x; l = sum(y[i, j] * y[i, j + 4] * y[i, j + 4] for i < 3, j < 4); g = grad(l, y); }"),
    ("of_gates_side_by_side", """import nn;
node main(w: f32[32, 4], u: f32[32, 8], b: f32[32], x: f32[5, 4], h: f32[5, 8], c: f32[5, 8]) -> (g: f32[32, 4]) {
  l = sum([loss(w, u, b, x[k], h[k], c[k]) for k < 5]);
  g = grad(l, w);
}
fun loss(w: f32[32, 4], u: f32[32, 8], b: f32[32], x: f32[4], h: f32[8], c: f32[8]) -> (l: f32) {
  z = w @ x + u @ h + b;
  d = z[8..16] * c + z[0..8] * z[16..24];
  l = sum(z[24..32] * d);
}"""),
]


def operations(mlrc, path):
    """Operations of a step by kind, and loads and stores."""
    report = subprocess.run([mlrc, "report", path, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(report.stdout)["operations"]


def work(mlrc, folder, name, program, size):
    """Operations and loads of a step."""
    path = folder / f"{name}.{size}.mlr"
    path.write_text(re.sub(r"\bN\b", str(size), program))
    return sum(operations(mlrc, path).values())


def comparisons(mlrc, folder, name, program):
    path = folder / f"{name}.mlr"
    path.write_text(program)
    return operations(mlrc, path).get("compare", 0)


def run_all(mlrc, folder, name, program, streams):
    """The outputs; the bits of all engines are compared, those of the interpreter at the first instants."""
    path = folder / f"{name}.mlr"
    path.write_text(program)
    data = folder / f"{name}.npz"
    np.savez(data, **streams)
    results = {"run": engines.mlrc_run(mlrc, "run", path, "main", inputs=[data])}
    results["interp"] = engines.mlrc_run(mlrc, "interp", path, "main", inputs=[data], steps=min(3, len(next(iter(streams.values())))))
    where = folder / name
    where.mkdir()
    library, description = engines.build_c(mlrc, path, where, node="main")
    printed = folder / f"{name}.mlir"
    printed.write_text(engines.mlrc_print(mlrc, path, "diff"))
    results["read back"] = engines.mlrc_run(mlrc, "run", printed, "main", inputs=[data], extra=["--from=diff"])
    steps = len(next(iter(streams.values())))
    results["gcc"] = engines.c_run(library, description, streams, steps)
    for engine, outputs in results.items():
        for key, value in outputs.items():
            if not engines.same_bits(np.asarray(value), np.asarray(results["run"][key])[:len(value)]):
                raise AssertionError(f"{engine} differs in {key}")
    return results["run"]


def compare_with_duals(mlrc, folder, name, inputs, outputs):
    """All derivatives of the program at the first instant, in all directions and in two random ones; its outputs keep their bits."""
    data = folder / f"{name}.one.npz"
    np.savez(data, **{key: np.asarray(value)[None] for key, value in inputs.items()})
    for option in ("--check-gradients", "--check-gradients=2"):
        done = subprocess.run([mlrc, "interp", folder / f"{name}.mlr", "--input", data, "--output", folder / "duals.npz", option],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode or not ("agrees with dual numbers" in done.stdout or "not linear" in done.stdout):
            raise AssertionError(f"{option}: {done.stdout}")
        with np.load(folder / "duals.npz") as checked:
            for key in checked.files:
                if not engines.same_bits(checked[key], np.asarray(outputs[key])[:1]):
                    raise AssertionError(f"{option} differs in {key}")


PLACES = 24  # elements of an input that are moved; of larger ones some are drawn


def differences(mlrc, folder, name, program, inputs, step=RELATIVE):
    """The largest distance from the difference quotients, relative to the largest of them (at least 1) of each input; the outputs."""
    rows = [inputs]
    places = {}
    for key, value in inputs.items():
        if f"d_{key}" not in program:
            continue
        chosen = range(value.size) if value.size <= PLACES else np.random.default_rng(0).permutation(value.size)[:PLACES]
        for k in chosen:
            at = []
            for sign in (1, -1):
                moved = dict(inputs)
                moved[key] = np.array(value, dtype=np.float32 if value.dtype == np.float32 else np.float64)
                moved[key].flat[k] += sign * step * max(1.0, abs(float(value.flat[k])))
                at.append(float(moved[key].flat[k]))
                rows.append(moved)
            places.setdefault(key, []).append((k, len(rows) - 2, at[0] - at[1]))
    streams = {key: np.stack([np.asarray(row[key]) for row in rows]) for key in inputs}
    out = run_all(mlrc, folder, name, program, streams)
    loss = np.asarray(out["l"], dtype=np.float64)
    worst = 0.0
    for key, moves in places.items():
        got = np.asarray(out[f"d_{key}"], dtype=np.float64)[0].ravel()
        want = np.array([(loss[row] - loss[row + 1]) / distance for _, row, distance in moves])
        worst = max(worst, np.max(np.abs(got[[k for k, _, _ in moves]] - want)) / max(1.0, np.max(np.abs(want))))
    return worst, out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    names = {c[0] for c in CASES + gradient_cases.CASES + gradient_library.CASES + EXACT + LINEAR + UNCOMPARED}
    if unknown := set(args.only or []) - names:
        parser.error(f"no case is called {', '.join(sorted(unknown))}")
    mlrc = args.mlrc.resolve()
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, program, inputs, tolerance, step in [(*c, RELATIVE, 1e-6) for c in CASES] + gradient_cases.CASES + gradient_library.CASES:
            if args.only and name not in args.only:
                continue
            try:
                error, outputs = differences(mlrc, folder, name, program, inputs, step)
                compare_with_duals(mlrc, folder, name, inputs, outputs)
                good = error < tolerance
                print(f"{'ok  ' if good else 'FAIL'} {name}: {error:.1e} of central differences")
            except (AssertionError, engines.EngineError) as e:
                good = False
                print(f"FAIL {name}: {e}")
            failed += not good
        for name, program, inputs, want in EXACT:
            if args.only and name not in args.only:
                continue
            try:
                out = run_all(mlrc, folder, name, program, {k: np.asarray(v)[None] for k, v in inputs.items()})
                compare_with_duals(mlrc, folder, name, inputs, out)
                good = all(np.array_equal(np.asarray(out[k])[0], np.asarray(v, dtype=np.float64)) for k, v in want.items())
                print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {out}"))
            except (AssertionError, engines.EngineError) as e:
                good = False
                print(f"FAIL {name}: {e}")
            failed += not good
        for name, program, size in LINEAR:
            if args.only and name not in args.only:
                continue
            small, large = (work(mlrc, folder, name, program, n) for n in (size, 4 * size))
            good = large < 5 * small
            print(f"{'ok  ' if good else 'FAIL'} work {name}: {small} for {size}, {large} for {4 * size}")
            failed += not good
        for name, program in UNCOMPARED:
            if args.only and name not in args.only:
                continue
            count = comparisons(mlrc, folder, name, program)
            print(f"{'FAIL' if count else 'ok  '} comparisons {name}: {count}")
            failed += count > 0
    print(f"{failed} failed" if failed else "all derivatives agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
