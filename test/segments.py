#!/usr/bin/env python3
"""Segments and windows on all clocks (pack, window, scan): every engine gives the bits of the interpreter, `mlrc report` says what
runs as elements arrive, and what the average and the worst step cost.

usage: segments.py MLRC
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()

# name, program, what each segment computes as elements arrive (None: no segment is looked at)
PROGRAMS = [
    ("elements_of_sums_of_a_row_run_as_it_arrives", """
node main(x: f32[3]) -> (y: f32 every 8) {
  s = pack<<8>>(x);
  r = [sum(s[i, k] * f32(k + 1) for k < 3) + sum(tanh(s[i, k]) for k < 3) for i < 8];
  p = [r[i] * r[i] for i < 8];
  scan t < 8 { u = 0.5 * (0 fby u) + p[t] + r[t]; v = 0.25 * (0 fby v) + p[t] * final u; z = final v; }
  y = z;
}""", [["u"]]),
    ("what_reads_all_rows_waits_for_the_last", """
node main(x: f32) -> (y: f32 every 8) {
  s = pack<<8>>(x);
  r = [max(s[j] * f32(i + j) for j < 8) for i < 8];
  scan t < 8 { u = 0.5 * (0 fby u) + r[t]; z = final u; }
  y = z;
}""", []),
    ("batch_normalisation_sums_up_as_elements_arrive", """
node main(x: f32[3]) -> (y: f32[5, 3] every 5) {
  xs = pack<<5>>(x);
  when every 5 {
    scan t < 5 {
      s = xs[t] + (0 fby s);
      d = xs[t] - final s / 5;
      q = d * d + (0 fby q);
      y[t] = d / sqrt(final q / 5 + 1.0e-5);
    }
  }
}""", [["s"]]),
    ("advantages_look_ahead_and_wait", """
node gae<<T: size>>(r: f32[T], v: f32[T], end: f32) -> (a: f32[T]) {
  scan t < T {
    delta = r[t] + 0.99 * (v[t] eby end) - v[t];
    b = delta + 0.95 * 0.99 * (b eby 0);
    a[t] = b;
  }
}
node main(r: f32, v: f32) -> (a: f32[8] every 8) { a = gae(pack<<8>>(r), pack<<8>>(v), 0.0); }""", [[]]),
    ("values_of_a_critic_are_computed_as_elements_arrive", """
fun critic(x: f32[6]) -> (v: f32) { v = sum(max(sum(f32(i * 6 + j) * 0.01 * x[j] for j < 6), 0) for i < 8); }
node main(x: f32[6], r: f32) -> (a: f32[8] every 8) {
  xs = pack<<8>>(x); rs = pack<<8>>(r);
  when every 8 {
    scan t < 8 {
      v = critic(xs[t]);
      b = rs[t] + 0.9 * (v eby 0) - v + 0.8 * (b eby 0);
      a[t] = b;
    }
  }
}""", None),
    ("a_bidirectional_lstm_runs_forward_as_elements_arrive", """
import nn;
node main(x: f32[4]) -> (y: f32[8] every 6, z: f32[6, 8] every 6) {
  p = nn.Lstm { w = [f32((i * 7 + j * 3) % 11 - 5) * 0.1 for i < 32, j < 4],
                u = [f32((i * 5 + j * 3) % 13 - 6) * 0.05 for i < 32, j < 8], b = [f32(i) * 0.01 for i < 32] };
  xs = pack<<6>>(x);
  when every 6 {
    scan t < 6 {
      (h, c) = nn.lstm_cell(p, xs[t], 0 fby h, 0 fby c);
      (g, d) = nn.lstm_cell(p, xs[t], g eby 0, d eby 0);
      z[t] = h + g;
      y = final h;
    }
  }
}""", None),
    ("what_changes_at_the_ends_of_segments_is_known_before", """
node main(x: f32) -> (y: f32 every 4, w: f32 every 4) {
  xs = pack<<4>>(x);
  when every 4 {
    w = 0.5 fby (w + 0.1 * y);
    scan t < 4 { s = w * xs[t] + (w fby s); y = final s; }
  }
}""", [["s"]]),
    ("an_input_of_the_last_instant_is_not_known_before", """
node main(x: f32, g: f32) -> (y: f32 every 4) {
  xs = pack<<4>>(x);
  h = g when every 4;
  when every 4 { scan t < 4 { s = h * xs[t] + (0 fby s); y = final s; } }
}""", [[]]),
    ("ends_and_first_values_of_segments", """
node main(x: i32) -> (a: i32 every 5, b: i32[5] every 5, c: i32[5] every 5) {
  xs = pack<<5>>(x);
  when every 5 {
    scan t < 5 {
      s = xs[t] * (t + 1) + (7 fby s);
      k = window<<3>>(s, 1);
      a = initial s;
      b[t] = s + k[0] - initial s;
      c[t] = s - final s;
    }
  }
}""", None),
    ("two_layers", """
node main(x: f32) -> (y: f32[6] every 6) {
  xs = pack<<6>>(x);
  when every 6 {
    scan t < 6 { s = 0.9 * xs[t] + 0.5 * (0 fby s); u[t] = s; }
    scan t < 6 { r = 0.8 * u[t] + 0.5 * (0 fby r); q = r + 0.5 * (q eby 0); y[t] = q; }
  }
}""", None),
    ("segments_in_an_arm_and_in_reset_blocks", """
node seg(x: f32) -> (y: f32[3] every 3) {
  xs = pack<<3>>(x);
  when every 3 { scan t < 3 { s = xs[t] + 0.5 * (1 fby s); b = s + (b eby 0); y[t] = b; } }
}
node total(x: f32) -> (t: f32) { t = hold(sum(seg(x)), 0); }
node main(c: bool, r: bool, x: f32) -> (a: f32, b: f32, d: f32[3] every 3) {
  if c { a = total(x); } else { a = -x; }
  b = total(x) every r;
  d = seg(2 * x);
}""", None),
    ("windows_on_clocks_in_arms_and_resets", """
node recent<<n: size>>(x: f32) -> (y: f32[n]) { y = window<<n>>(x, x); }
node main(c: bool, r: bool, x: f32) -> (a: f32[20] when c, b: f32[20], d: f32, e: f32[3] when c, f: f32[17]) {
  a = window<<20>>(x when c, 0);
  b = recent<<20>>(x) every r;
  if c { d = sum(window<<18>>(x, 5)); } else { d = sum([at(window<<40>>(x, 1), i * 3 - 2, 0) for i < 9]); }
  e = window<<3>>(x when c, -1);
  f = recent<<17>>(x);
}""", None),
    ("windows_of_rows", """
node main(c: bool, x: f32[3]) -> (a: f32[4] when c, b: f32[24, 3], d: f32[3]) {
  a = [sum(w[3 * i + k, k % 3] for k < 9) for i < 4];
  w = window<<20>>(x when c, 0);
  b = window<<24>>(x, 1);
  d = [sum(w2[i, j] for i < 33) for j < 3];
  w2 = window<<33>>(x, 0);
}""", None),
    ("a_window_is_looked_at_when_an_element_of_another_one_says_so", """
node main(x: f32, b: bool) -> (y: f32) {
  c = window<<90>>(b, false)[80];
  v = window<<90>>(x, 0.0);
  when c { s = sum(v) + v[3]; }
  y = hold(s, 0.0);
}""", None),
    ("a_segment_ends_early", """
node main(x: f32, done: bool) -> (y: f32 when end, n: i32 when end, end: bool) {
  (xs, n, end) = pack<<20>>(x, until = done);
  y = sum(xs);
}""", None),
    ("segments_of_segments", """
node main(x: i32) -> (y: i32[2] every 6) {
  xs = pack<<3>>(x);
  when every 3 { scan t < 3 { s = xs[t] + (0 fby s); e = final s; } }
  ys = pack<<2>>(e);
  when every 6 { scan t < 2 { q = ys[t] * 3 + (1 fby q); y[t] = q; } }
}""", None),
    ("unpack_of_pack_is_a_delay", """
node main(x: f32) -> (y: f32, z: f32) { y = unpack<<32>>(pack<<32>>(x), 0); z = d[0]; d = window<<32>>(x, 0); }""", None),
]


def inputs_of(program, random, steps):
    declared = program.split("node main(")[1].split(")")[0]
    arrays = {}
    for port in filter(None, (p.strip() for p in declared.split(", "))):
        if ":" not in port: continue
        name, type = port.split(": ")
        scalar, _, shape = type.partition("[")
        shape = (steps, *(int(n) for n in shape.rstrip("]").split(",") if n))
        if scalar == "bool": arrays[name] = random.random(shape) < 0.4
        elif scalar == "i32": arrays[name] = random.integers(-9, 10, shape).astype(np.int32)
        else: arrays[name] = random.standard_normal(shape).astype(np.float32)
    return arrays


def bits(a):
    return a.view(np.uint32) if a.dtype == np.float32 else a


def report(path):
    done = subprocess.run([MLRC, "report", path, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(folder, name, program, early):
    path = folder / "p.mlr"
    path.write_text(program)
    arrays = inputs_of(program, np.random.default_rng(7), 97)
    np.savez(folder / "in.npz", **arrays)
    expected = engines.mlrc_run(MLRC, "interp", path, inputs=[folder / "in.npz"])
    actual = engines.mlrc_run(MLRC, "run", path, inputs=[folder / "in.npz"])
    for key, value in expected.items():
        assert np.array_equal(bits(value), bits(actual[key])), (name, key)
    if early is not None: assert [s["early"] for s in report(path)["segments"]] == early, report(path)["segments"]


def a_step_costs_what_its_instant_does(folder):
    path = folder / "p.mlr"
    path.write_text("""node main(c: bool, x: f32[8]) -> (y: f32[8] every 4, z: f32[8]) {
  s = x when every 4;
  y = [sum(f32(i + j) * s[j] for j < 8) for i < 8];
  if c { z = [sum(f32(i * j) * x[j] for j < 8) for i < 8]; } else { z = -x; }
}""")
    r = report(path)
    assert r["period"] == 4, r
    # The product on the slower clock at one of four instants, the arm that costs more at each.
    assert r["operations"]["fma"] == 128 and r["average"]["fma"] == 64 + 16, (r["operations"], r["average"])


def rings_keep_state_small(folder):
    path = folder / "p.mlr"
    path.write_text("node main(x: f32) -> (y: f32[1000] every 1000) { y = pack<<1000>>(x); }")
    assert report(path)["bytes"]["state"] == 4004, report(path)["bytes"]
    path.write_text("node main(x: f32) -> (y: f32) { w = window<<1000>>(x, 0); y = w[0] + w[500]; }")
    r = report(path)
    assert r["bytes"]["state"] == 8004 and r["operations"]["store"] <= 5, (r["bytes"], r["operations"])


with tempfile.TemporaryDirectory() as folder:
    failed = 0
    for name, program, early in PROGRAMS:
        try:
            check(pathlib.Path(folder), name, program, early)
        except (AssertionError, engines.EngineError) as e:
            failed += 1
            print("FAILED", name, e)
    for test in (a_step_costs_what_its_instant_does, rings_keep_state_small):
        try:
            test(pathlib.Path(folder))
        except AssertionError as e:
            failed += 1
            print("FAILED", test.__name__, e)
    print(f"{len(PROGRAMS) + 2 - failed} passed, {failed} failed")
    sys.exit(failed != 0)
