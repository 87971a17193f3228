#!/usr/bin/env python3
"""C functions (section 21 of the reference manual): a library that logs its calls, the same outputs and the same calls in the
same order in the interpreter, the JIT, generated C under gcc and clang (with sanitizers), and object code.

usage: extern.py MLRC [NAME..]
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()

LIBRARY = r"""
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *out(void) {
  static FILE *file;
  if (!file) {
    file = fopen(getenv("CALLS"), "w");
    setvbuf(file, NULL, _IONBF, 0);
  }
  return file;
}

/* Pure. */
float lut(float x) { return 2.0f * x + 0.25f; }
float dot4(const float *a, const float *b) { return ((a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]) + a[3] * b[3]; }
void two(const float *x, int32_t k, float *a, int32_t *n) {
  for (int i = 0; i < 3; ++i) a[i] = x[i] * (float)k;
  *n = k + 1;
}
void eachtype(bool a, int8_t b, uint8_t c, int16_t d, uint16_t e, int32_t f, uint32_t g, int64_t h, uint64_t i, uint16_t j, double k,
           bool *oa, int8_t *ob, uint8_t *oc, int16_t *od, uint16_t *oe, int32_t *of, uint32_t *og, int64_t *oh, uint64_t *oi,
           uint16_t *oj, double *ok) {
  *oa = !a; *ob = (int8_t)(b - 1); *oc = (uint8_t)(c + 1); *od = (int16_t)(d - 1); *oe = (uint16_t)(e + 1); *of = f - 1;
  *og = g + 1; *oh = h - 1; *oi = i + 1; *oj = j; *ok = k / 2;
}
int8_t negative(int8_t x, uint16_t y, bool b) { return (int8_t)(b ? -x : x - (int8_t)(y % 7)); }
bool larger(float x, float y) { return x > y; }
void turn(const bool *m, const uint8_t *x, bool *n, uint8_t *y) {
  for (int i = 0; i < 4; ++i) n[i] = !m[i], y[i] = (uint8_t)(255 - x[i]);
}

/* With effects. */
void camera(uint8_t *img, int32_t *stamp) {
  static int32_t t;
  fprintf(out(), "camera %d\n", t);
  for (int i = 0; i < 4; ++i) img[i] = (uint8_t)(t * 3 + i);
  *stamp = t++;
}
bool motor(float u) { fprintf(out(), "motor %g\n", (double)u); return u > 3; }
int32_t tick(int32_t who) { static int32_t n; fprintf(out(), "tick %d\n", who); return n++; }
"""

HEAD = """
enum Gear { Low, High }
extern fun lut(x: f32) -> (y: f32);
extern fun dot4(a, b: f32[4]) -> (y: f32);
extern fun two(x: f32[3], k: i32) -> (a: f32[3], n: i32);
extern fun negative(x: i8, y: u16, b: bool) -> (z: i8);
extern fun larger(x, y: f32) -> (c: bool);
extern fun turn(m: bool[4], x: u8[4]) -> (n: bool[4], y: u8[4]);
extern fun eachtype(a: bool, b: i8, c: u8, d: i16, e: u16, f: Gear, g: u32, h: i64, i: u64, j: f16, k: f64)
  -> (oa: bool, ob: i8, oc: u8, od: i16, oe: u16, of: i32, og: u32, oh: i64, oi: u64, oj: f16, ok: f64);
extern node camera() -> (img: u8[4], stamp: i32);
extern node motor(u: f32) -> (ok: bool);
extern node tick(who: i32) -> (n: i32);
"""

# name, program, streams, calls (None: equal in all engines only)
PROGRAMS = [
    ("values_of_every_type", """
node main(b: i8, c: u8, d: i16, e: u16, g: u32, h: i64, i: u64, k: f64)
  -> (oa: bool, ob: i8, oc: u8, od: i16, oe: u16, of: i32, og: u32, oh: i64, oi: u64, oj: f16, ok: f64, z: i8, n: bool[4], y: u8[4]) {
  (oa, ob, oc, od, oe, of, og, oh, oi, oj, ok) = eachtype(b > 0, b, c, d, e, Gear.High, g, h, i, f16(k), k);
  z = negative(b, e, oa);
  (n, y) = turn([b > i8(l) for l < 4], [c + u8(l) for l < 4]);
}""", {"b": np.array([-128, 127, 0], "i1"), "c": np.array([255, 0, 7], "u1"), "d": np.array([-32768, 5, 32767], "i2"),
       "e": np.array([65535, 0, 9], "u2"), "g": np.array([2**32 - 1, 0, 1], "u4"), "h": np.array([-2**63, 1, 0], "i8"),
       "i": np.array([2**64 - 1, 1, 0], "u8"), "k": np.array([1.5, -1e300, 0.1], "f8")}, []),
    ("funs_in_comprehensions_scans_and_arms", """
node main(x: f32[8], c: bool) -> (y: f32[8], s: f32, r: f32, d: f32, up: f32[8]) {
  y = [lut(x[i]) + 0 * lut(x[0]) for i < 8];
  s = sum(dot4(a[i], b[i]) for i < 2);
  a = split<<4>>(x);
  b = split<<4>>(y);
  (v, n) = two(x[0 .. 3], 3);
  r = if c then lut(v[2]) else f32(n);
  d = 0 fby lut(d);
  scan t < 8 {
    u = lut(x[t]) + (0 fby u);
    w = lut(u) + (w eby 0);
    up[t] = if larger(w, 3) then w else -w;
  }
}""", {"x": np.arange(24, dtype="f4").reshape(3, 8) / 4 - 2, "c": np.array([True, False, True])}, []),
    ("calls_in_a_program_with_derivatives", """
fun loss(x: f32) -> (y: f32) derivative slope { y = lut(x) * x; }
fun slope(x, y, c: f32) -> (d: f32) { d = c * (lut(x) + 2 * x); }
node main(x: f32[4], b: bool, k: i32) -> (l: f32, d: f32[4], n: i32[4], m, held: i32, ok: bool) {
  scan t < 4 until t > 0 and x[t] > 0.5 {
    n[t] = tick(k + t);
    e = loss(x[t]) + 0.5 * (0.25 fby e);
    s = final e;
    if x[t] > 0 { r = tick(100 + t); } else { r = 0 - 1; }
    w[t] = r;
  }
  m = tick(w[1]);
  l = s * s + sum([loss(x[i] * x[0]) for i < 4]);
  d = grad(l, x);
  if b { held = tick(200); u = d[0]; } else { held = 0; u = d[1]; }
  ok = motor(u);
}""", {"x": np.array([[0.25, -1, 2, 1], [1, 0.125, 0.5, -2], [0, -1, -2, 3]], "f4"), "b": np.array([True, False, True]),
       "k": np.array([0, 10, 20], "i4")}, None),
    ("calls_in_textual_order_and_by_data", """
node main() -> (a, b, c, d: i32) {
  a = tick(10 + c);            // needs c, which comes first
  b = tick(20);
  c = tick(30);
  d = tick(1) + tick(2);
}""", {}, ["tick 30", "tick 10", "tick 20", "tick 1", "tick 2", "tick 30", "tick 15", "tick 20", "tick 1", "tick 2",
        "tick 30", "tick 20", "tick 20", "tick 1", "tick 2"]),
    ("unused_equal_and_constant_calls_are_made", """
node main(x: f32) -> (y: f32) {
  a = motor(1);
  b = motor(1);
  z = motor(2);
  c = motor(x);
  y = if z then x else x + 0 * f32(c);
}""", {"x": np.array([4, 5], "f4")}, ["motor 1", "motor 1", "motor 2", "motor 4", "motor 1", "motor 1", "motor 2", "motor 5"]),
    ("only_where_active", """
node main(c: bool, x: i32) -> (y: i32 when c, z: i32, e: i32 every 2, g: i32) {
  when c { y = tick(x); }
  if c { z = tick(100); } else { z = 0; }
  e = tick(7) when every 2;             // each instant: it is sampled later
  when every 2 { f = tick(8); }
  g = hold(f, -1);
}""", {"c": np.array([True, False, False, True]), "x": np.array([1, 2, 3, 4], "i4")},
     ["tick 1", "tick 100", "tick 7", "tick 7", "tick 8", "tick 7", "tick 4", "tick 100", "tick 7", "tick 8"]),
    ("nodes_resets_and_automata", """
node counted(x: i32) -> (y: i32) { n = 1 -> pre n + 1; y = tick(10 * x + n); }
node main(r: bool) -> (a, b: i32, s: i32) {
  a = counted(1) every r;
  b = counted(2);
  automaton {
    state One { s = tick(91); until s > 4 then Two; }
    state Two { s = counted(3); until s > 12 then One; }
  }
}""", {"r": np.array([False, False, True, False, False])},
     ["tick 11", "tick 21", "tick 91", "tick 12", "tick 22", "tick 91", "tick 11", "tick 23", "tick 31", "tick 12", "tick 24", "tick 32",
      "tick 13", "tick 25", "tick 33"]),
    ("scans_forwards", """
node main(x: f32[4], c: bool) -> (z: f32[4], end, n, k: i32, y: f32[4]) {
  scan t < 4 {
    (im, st) = camera();
    a = f32(im[0]) + (0 fby a) + x[t];
    b = a + (b eby 0);                   // a second sweep, without calls
    z[t] = b - final a;
    g = tick(t);
    end = final st;
  }
  scan t < 5 until st % 3 == 2 {
    st = tick(50);
    h = tick(60 + t);
    n = count(t);
  }
  when c {
    scan t < 2 { m = tick(70 + t); q = final m; }
  }
  k = hold(q, 0);
  y = 2 * z;
}""", {"x": np.arange(12, dtype="f4").reshape(3, 4), "c": np.array([True, False, True])}, None),
    ("scans_in_scans_and_in_nodes", """
node inner(x: i32) -> (s: i32) {
  scan t < 2 { n = tick(100 * x + t) + (0 fby n); s = final n; }
}
node main(x: i32[3]) -> (y: i32[3], z: i32[2], w: i32[3, 2]) {
  scan t < 3 {
    y[t] = inner(x[t]) + tick(x[t]);
    scan u < 2 { v = tick(1000 + 10 * t + u); w2[u] = v + (v eby 0); }
    w[t] = w2;
  }
  scan t < 2 resume { z[t] = tick(5) + (0 fby inner(9)); }
}""", {"x": np.arange(6, dtype="i4").reshape(2, 3)}, None),
    ("a_comprehension_calls_in_index_order", """
node main(x: i32[3]) -> (y: i32[3], z: i32[3]) {
  y = [tick(x[i]) for i < 3];
  z = [tick(1) for i < 3];             // does not depend on i: one call
}""", {"x": np.array([[5, 6, 7], [8, 9, 10]], "i4")}, ["tick 5", "tick 6", "tick 7", "tick 1", "tick 8", "tick 9", "tick 10", "tick 1"]),
    ("instances_side_by_side_have_calls_of_their_own", """
node f(x: i32) -> (y: i32, z: i32) {
  a = tick(x);
  c = a % 2 == 0;
  y = tick(100) + (0 fby y);           // nothing of the instance in it: a call for each all the same
  if c { b = tick(200 + x); } else { b = 0; }
  scan t < 3 until g % 9 > 6 { g = tick(300 + x); h = final g; }
  z = b + h;
}
node main(x: i32[3]) -> (y, z: i32[3], w: i32[2, 3]) {
  (y, z) = [f(x[i]) for i < 3];
  scan t < 2 { w[t] = [tick(1000 * t + k + x[0]) + (0 fby x[k]) for k < 3]; }
}""", {"x": np.arange(1, 10, dtype="i4").reshape(3, 3)}, None),
    ("two_sensors_and_a_loop_over_the_world", """
node plant(u: f32) -> (y: f32) {
  ok = motor(u);
  (im, st) = camera();
  y = f32(im[1]) + (if ok then 1 else 0);
}
node control(y: f32) -> (u: f32) { u = 0 fby (0.5 * y - 0.25 * u); }
node main() -> (u: f32, y: f32) {
  y = plant(u);
  u = control(y);
}""", {}, None),
]

MAIN = engines.SANITIZED_MAIN


class Failure(Exception):
    pass


def run_binary(folder, description, sources, compiler, flags, streams, steps, name):
    main = folder / f"{name}_main.c"
    main.write_text(MAIN.format(node=description["node"], inbytes=f"(size_t){description['in']['bytes']}",
                                outbytes=f"(size_t){description['out']['bytes']}"))
    binary = folder / name
    command = [compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, f"-I{folder}", "-o", str(binary), str(main),
               *[str(s) for s in sources], str(folder / "library.o"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}\n{done.stderr[:3000]}")
    blocks = []
    for t in range(steps):
        block = np.zeros(description["in"]["bytes"], np.uint8)
        for f in description["in"]["fields"]:
            data = np.ascontiguousarray(streams[f["name"]][t], dtype=engines.DTYPES[f["type"]]).tobytes()
            block[f["offset"]:f["offset"] + len(data)] = np.frombuffer(data, np.uint8)
        blocks.append(block.tobytes())
    calls = folder / f"{name}.calls"
    done = subprocess.run([str(binary), str(steps)], input=b"".join(blocks), capture_output=True, timeout=100, env={**os.environ, "CALLS": str(calls)})
    if done.returncode != 0:
        raise Failure(f"{name}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')[:3000]}")
    size = description["out"]["bytes"]
    rows = [engines.read_fields(description, np.frombuffer(done.stdout[t * size:(t + 1) * size], np.uint8)) for t in range(steps)]
    return rows, calls.read_text().split("\n")[:-1] if calls.exists() else []


def present_rows(rows, flags):
    """By output: the values at the instants at which it was present."""
    names = [k for k in rows[0] if k not in flags.values()]
    return {k: np.array([r[k] for r in rows if k not in flags or r[flags[k]]]) for k in names}


def check(name, program, streams, expected, folder):
    source = folder / "program.mlr"
    source.write_text(HEAD + program)
    steps = len(next(iter(streams.values()))) if streams else 3
    inputs = []
    if streams:
        np.savez(folder / "in.npz", **streams)
        inputs = [folder / "in.npz"]
    outcome = {}
    for engine in ("interp", "run"):
        calls = folder / f"{engine}.calls"
        os.environ["CALLS"] = str(calls)
        values = engines.mlrc_run(MLRC, engine, source, "main", inputs=inputs, steps=steps, extra=["--link", str(folder / "library.so")])
        outcome[engine] = (values, calls.read_text().split("\n")[:-1] if calls.exists() else [])
    generated = folder / "c"
    description, sources = engines.generate_c(MLRC, source, generated, "main")
    for path in sources + [generated / "main.h"]:
        (folder / pathlib.Path(path).name).write_bytes(pathlib.Path(path).read_bytes())
    own = [folder / pathlib.Path(s).name for s in sources]
    subprocess.run([str(MLRC), "build", str(source), "--node", "main", "--emit=obj", "-o", str(folder / "obj")], check=True)
    flags = {f["name"][:-len("_present")]: f["name"] for f in description["out"]["fields"] if f["name"].endswith("_present")}
    for kind, compiler, options, files in (
            ("gcc", "gcc", ["-O1", *engines.SANITIZERS], own), ("clang", "clang-22", ["-O2"], own), ("object", "gcc", ["-O2"], [folder / "obj" / "main.o"])):
        rows, calls = run_binary(folder, description, files, compiler, options, streams, steps, kind)
        outcome[kind] = (present_rows(rows, flags), calls)
    reference, calls = outcome["interp"]
    if expected is not None and calls != expected:
        raise Failure(f"calls {calls}\nexpected {expected}")
    for engine, (values, own_calls) in outcome.items():
        if own_calls != calls:
            raise Failure(f"{engine} calls {own_calls}\ninterp {calls}")
        for key, value in reference.items():
            if not engines.same_bits(np.asarray(values[key], dtype=value.dtype).reshape(value.shape), value):
                raise Failure(f"{engine}: {key}: {engines.first_difference(np.asarray(values[key]), value)}\n{values[key]}\n{value}")


def expect_error(source, arguments, text):
    done = subprocess.run([str(MLRC), *arguments, str(source)], capture_output=True, text=True)
    if done.returncode != 1 or text not in done.stderr:
        raise Failure(f"{arguments}: exit code {done.returncode}, expected 1 and `{text}`:\n{done.stderr}")


def check_linking(folder):
    source = folder / "link.mlr"
    source.write_text(HEAD + "extern fun absent(x: f32) -> (y: f32);\nnode main(x: f32) -> (y: f32) { y = absent(x); }\n"
                      "node good() -> (y: f32) { y = lut(1); }\n")
    for engine in ("run", "interp"):
        expect_error(source, [engine, "--node", "main", "--steps", "1"], "the program calls the C function `absent`: give the library")
        expect_error(source, [engine, "--node", "main", "--steps", "1", "--link", str(folder / "library.so")],
                     "no file given by --link defines the C function `absent`")
        expect_error(source, [engine, "--node", "good", "--link", "nowhere.so"], "--link nowhere.so: there is no such file")
        done = subprocess.run([str(MLRC), engine, str(source), "--node", "good", "--link", str(folder / "library.c")], capture_output=True, text=True)
        if done.stdout != "y\n2.25\n":
            raise Failure(f"{engine} with a C file: {done.stdout}{done.stderr}")
    subprocess.run([str(MLRC), "build", str(source), "--node", "good", "--emit=shared", "--link", str(folder / "library.so"), "-o", str(folder / "shared")], check=True)
    program = ("import ctypes, sys; l = ctypes.CDLL(sys.argv[1]); o = (ctypes.c_float * 1)(); m = (ctypes.c_char * 64)(); "
               "l.good_reset(m); l.good_step(m, m, m, o); print(o[0])")
    done = subprocess.run([sys.executable, "-c", program, str(folder / "shared" / "libgood.so")], capture_output=True, text=True)
    if done.stdout != "2.25\n":
        raise Failure(f"shared: {done.stdout}{done.stderr}")


def check_example(folder):
    """examples/12-c-functions: interpreter, JIT and C."""
    example = pathlib.Path(__file__).resolve().parent.parent / "examples" / "12-c-functions"
    outputs = {e: engines.mlrc_run(MLRC, e, example / "sense.mlr", steps=14, extra=["--link", str(example / "board.c")]) for e in ("interp", "run")}
    generated = folder / "c"
    description, sources = engines.generate_c(MLRC, example / "sense.mlr", generated)
    library = generated / "libsense.so"
    subprocess.run(["gcc", *engines.C_FLAGS, "-ffp-contract=off", "-o", str(library), *sources, str(example / "board.c"), f"-I{generated}"], check=True)
    outputs["C"] = engines.c_run(library, description, {}, 14)
    for engine, values in outputs.items():
        for key, value in outputs["interp"].items():
            if not engines.same_bits(np.asarray(values[key]), value):
                raise Failure(f"{engine}: {key}: {engines.first_difference(np.asarray(values[key]), value)}")
    if outputs["run"]["lit"].tolist() != [t in (7, 8, 9) for t in range(14)]:
        raise Failure(f"lit: {outputs['run']['lit']}")


RULES = """
fun inner(x: f32) -> (y: f32) { y = lut(x) * 2; }
fun own(x: f32) -> (y: f32) derivative down { y = inner(x) + 1; }
fun down(x, y, c: f32) -> (d: f32) { d = 4 * c; }
fun square3(x: f32) -> (y: f32) derivative dsquare3 { y = 3 * x * x; }
fun dsquare3(x, y, c: f32) -> (d: f32) { d = c * lut(3 * x); }
node main(x: f32[3]) -> (y, g, h: f32[3]) {
  y = [if x[i] > 2 then own(x[i]) else 0 for i < 3];
  z = [square3(x[i]) for i < 3];
  g = grad(sum(y), x);
  h = grad(sum(z), x);
}
"""


def check_rules(folder):
    """Functions of one element that state their derivative, where they or the derivative call a C function."""
    source = folder / "rules.mlr"
    source.write_text(HEAD + RULES)
    x = np.array([[1, 2, 3], [4, 5, 6]], "f4")
    np.savez(folder / "in.npz", x=x)
    on = (x > 2).astype("f4")
    for engine in ("run", "interp"):
        values = engines.mlrc_run(MLRC, engine, source, "main", inputs=[folder / "in.npz"], steps=2, extra=["--link", str(folder / "library.so")])
        for name, expected in {"y": on * (4 * x + 1.5), "g": 4 * on, "h": 6 * x + 0.25}.items():
            if not np.array_equal(values[name], expected):
                raise Failure(f"{engine}: {name} is {values[name]}, expected {expected}")
    source.write_text(HEAD + "node main(x: f32) -> (g: f32, ok: bool) { y = x * x; g = grad(y, x); ok = motor(g); }")
    expect_error(source, ["interp", "--check-gradients", "--steps", "1", "--link", str(folder / "library.so")], "C functions with effects")


def main():
    wanted, failed, count = sys.argv[2:], 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        base = pathlib.Path(temporary)
        (base / "library.c").write_text(LIBRARY)
        subprocess.run(["gcc", "-std=c99", "-O1", "-ffp-contract=off", "-fPIC", "-c", "-o", str(base / "library.o"), str(base / "library.c")], check=True)
        subprocess.run(["gcc", "-shared", "-o", str(base / "library.so"), str(base / "library.o")], check=True)
        jobs = [(name, lambda folder, rest=rest, name=name: check(name, *rest, folder)) for name, *rest in PROGRAMS]
        jobs += [("linking", check_linking), ("example", check_example), ("derivatives_that_call_c_functions", check_rules)]
        for name, job in jobs:
            if wanted and name not in wanted:
                continue
            count += 1
            folder = base / name
            folder.mkdir()
            for file in ("library.c", "library.o", "library.so"):
                (folder / file).write_bytes((base / file).read_bytes())
            try:
                job(folder)
            except (Failure, engines.EngineError) as error:
                failed += 1
                print(f"FAILED {name}: {error}")
    print(f"{count - failed} of {count} programs with C functions behave alike in every engine")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
