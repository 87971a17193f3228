#!/usr/bin/env python3
"""Saved states (R14.11, R15.8): a run of N instants, its state saved and loaded, and a run of M more give the outputs of a run of
N + M, to the bit: compiled in memory, interpreted, in generated C, and from each to the others. States of other programs are refused by
path. Two
instances side by side, one of them reset in the middle, do not disturb each other.

usage: state.py MLRC [NAME..]
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()

# name, program (inputs x: i32, c: bool, r: bool where it has them)
PROGRAMS = [
    ("memories", """
node ema(x: f32) -> (y: f32) { y = x -> 0.5 * x + 0.5 * pre y; }
node main(x: i32) -> (a, b: f32, n: i32, e: bool, v: f32[3]) {
  a = ema(f32(x));
  b = ema(a + 1);
  n = 5 fby n + x;
  e = false -> n > pre n;
  v = [1.0, 2.0, 3.0] fby v * 0.5 + a;
}"""),
    ("types", """
enum Mode { A, B, C }
struct P { w: f16, k: u8[2], d: f64 }
node main(x: i32) -> (m: Mode, w: f16, k: u8[2], d: f64, h: bf16, l: i64, s: i16, q: u64) {
  m = Mode.B fby (if x % 3 == 0 then Mode.C else m);
  p = P { w = 0.5, k = [1, 2], d = 0.25 } fby P { w = p.w * 1.5, k = [p.k[1] + u8(x), p.k[0]], d = p.d + f64(x) };
  (w, k, d) = (p.w, p.k, p.d);
  h = 1 fby h * 1.25;
  l = 1 fby l * 3 + i64(x);
  s = 0 fby s - i16(x);
  q = 1 fby q * 7;
}"""),
    ("phases_of_clocks", """
node main(x: i32, c: bool) -> (a: i32 every 3, b: i32, d: i32 when c, e: i32, f: i32 every 6 at 5) {
  a = (0 fby a) + (x when every 3);
  b = hold(a, -1) + hold(x when every 4 at 2, 7);
  d = (0 fby d) + (x when c);
  e = hold(d, -9);
  f = x when every 2 when every 3;
}"""),
    ("automata_and_resets", """
node count(x: i32) -> (n: i32) { n = x -> pre n + 1; }
node main(x: i32, c: bool, r: bool) -> (u, k: i32, w: i32) {
  last u = 3;
  automaton {
    state One { u = last u + x; until u % 5 == 0 then Two | c continue Three; }
    state Two { n = count(x); until n > x + 2 then Three; }
    state Three { u = count(2) + last u; unless r then One; until c then Two; }
  }
  k = count(x) every r;
  reset { w = (0 fby w) + hold(x when every 3, 0); } every r;
}"""),
    ("windows_and_packs", """
node main(x: i32, c: bool) -> (w: i32[5], s: i32, p: i32[4] every 4, n: i32, u: i32, big: i32) {
  w = window<<5>>(x, -1);
  s = sum(window<<3>>(x, 0));
  p = pack<<4>>(x);
  (seg, len, end) = pack<<6>>(x, until = c);
  n = hold(sum(seg) + len, 0);
  u = unpack<<4>>(p, 100);
  big = sum(window<<300>>(x, 1));
}"""),
    ("resumed_scans", """
node main(x: i32, c: bool) -> (y: i32[4], f: f32, z: i32) {
  scan t < 4 resume { a = (0 fby a) + x + t; y[t] = a + (a eby 0); }
  scan t < 3 resume { g = 0.5 * (1 fby g) + f32(x); f = final g; }
  when c { scan t < 2 resume { m = (0 fby m) + 1 + x; q = final m; } }
  z = hold(q, -1);
}"""),
    ("keys", """
import random;
node main(x: i32) -> (u: f32[3], k: u32[2]) {
  k = random.keys(7);
  u = random.uniform<<[3]>>(k);
}"""),
    ("instances", """
node count(x: i32, c: bool) -> (n: i32, m: i32) { n = x -> pre n + 1; when c { k = (0 fby k) + x; } m = hold(k, -1); }
node main(x: i32, c: bool) -> (n: i32[3], m: i32[3]) { (n, m) = [count(x + i, c) for i < 3]; }"""),
    ("training", """
node main(x: i32) -> (p: f64[3], l: f64, m: f64) {
  p = [0.1, 0.2, 0.3] fby p - 0.01 * grad(l, p);
  scan t < 4 { s = p[0] * f64(x) * 0.1 + p[1] * (0 fby s) + p[2]; y[t] = s; }
  l = mean(y * y);
  scan t < 3 resume { q: f64 = 0.5 fby q - 0.1 * grad(e, q); e = (q * f64(x) - 1.0) * (q - 0.25); m = final q; }
}"""),
    ("none", "node main(x: i32) -> (y: i32) { y = x * 2; }"),
]

MAIN = """#include "main_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char file[1 << 20];

int main(int argc, char **argv) {
  long steps = atol(argv[1]);
  static main_state state;
  static main_scratch scratch;
  static main_in in;
  static main_out out;
  char problem[200];
  size_t size, i;
  (void)argc;
  memset(&state, 0xA5, sizeof state);
  main_reset(&state);
  if (strcmp(argv[2], "-")) {
    FILE *f = fopen(argv[2], "rb");
    size = fread(file, 1, sizeof file, f);
    fclose(f);
    if (!main_load(&state, file, size, problem, sizeof problem)) {
      fprintf(stderr, "%s\\n", problem);
      return 5;
    }
  }
  for (i = 0; (long)i < steps; ++i) {
    if (INBYTES && fread(&in, 1, INBYTES, stdin) != INBYTES) return 4;
    memset(&scratch, 0xA5, sizeof scratch);
    memset(&out, 0xA5, sizeof out);
    main_step(&state, &scratch, &in, &out);
    fwrite(&out, 1, OUTBYTES, stdout);
  }
  if (strcmp(argv[3], "-")) {
    FILE *f = fopen(argv[3], "wb");
    size = main_save(&state, file, sizeof file);
    if (size != main_STATE_FILE_BYTES || main_save(&state, file, size - 1) != 0) return 6;
    fwrite(file, 1, size, f);
    fclose(f);
  }
  for (i = 0; main_fields[i].path; ++i) fprintf(stderr, "%s %s %s\\n", main_fields[i].path, main_fields[i].type, main_fields[i].shape);
  return 0;
}
"""


class Failure(Exception):
    pass


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, **more)
    if done.returncode != 0:
        raise Failure(f"{' '.join(str(c) for c in command)}\nexit code {done.returncode}\n{done.stderr.decode(errors='replace')[:2000]}")
    return done


class Program:
    def __init__(self, folder, text):
        self.folder = folder
        self.source = folder / "main.mlr"
        self.source.write_text(text)
        generated = folder / "c"
        run([MLRC, "build", self.source, "--node", "main", "--emit=c", "--state", "-o", generated])
        self.description = engines.json.loads((generated / "main.json").read_text())
        (generated / "harness.c").write_text(MAIN)
        sizes = [f"-D{k.upper()}BYTES=((size_t){self.description[k]['bytes']})" for k in ("in", "out")]
        self.binary = folder / "main"
        for compiler, flags in (("clang-22", ["-O2"]), ("gcc", ["-O1", *engines.SANITIZERS])):
            run([compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, *sizes, "-o", self.binary,
                 *sorted(generated.glob("*.c")), *sorted(generated.glob("*.S")), "-lm"], cwd=generated)
        self.names = [f["name"] for f in self.description["in"]["fields"]]
        self.flags = {f["name"][:-len("_present")]: f["name"] for f in self.description["out"]["fields"] if f["name"].endswith("_present")}

    def jit(self, streams, first, last, load=None, save=None, engine="run"):
        extra = ([] if not load else ["--load-state", load]) + ([] if not save else ["--save-state", save])
        inputs = []
        if self.names:
            np.savez(self.folder / "in.npz", **{k: streams[k][first:last] for k in self.names})
            inputs = [self.folder / "in.npz"]
        return engines.mlrc_run(MLRC, engine, self.source, "main", inputs=inputs, steps=last - first, extra=[str(e) for e in extra])

    def c(self, streams, first, last, load=None, save=None):
        blocks = []
        for t in range(first, last):
            block = np.zeros(self.description["in"]["bytes"], np.uint8)
            for f in self.description["in"]["fields"]:
                data = np.ascontiguousarray(streams[f["name"]][t], dtype=engines.DTYPES[f["type"]]).tobytes()
                block[f["offset"]:f["offset"] + len(data)] = np.frombuffer(data, np.uint8)
            blocks.append(block.tobytes())
        done = run([self.binary, last - first, load or "-", save or "-"], input=b"".join(blocks))
        size = self.description["out"]["bytes"]
        rows = [engines.read_fields(self.description, np.frombuffer(done.stdout[k * size:(k + 1) * size], np.uint8)) for k in range(last - first)]
        values = {}
        for f in self.description["out"]["fields"]:
            name = f["name"]
            if name not in self.flags.values():
                values[name] = np.array([r[name] for r in rows if name not in self.flags or r[self.flags[name]]])
        return values


def joined(a, b):
    return {k: np.concatenate([a[k], b[k].astype(a[k].dtype).reshape([-1, *a[k].shape[1:]])]) if len(b[k]) else a[k] for k in a} if a else b


def same(what, got, wanted):
    for key, value in wanted.items():
        other = np.asarray(got[key]).astype(value.dtype).reshape(value.shape) if np.asarray(got[key]).size == value.size else np.asarray(got[key])
        if not engines.same_bits(other, value):
            raise Failure(f"{what}: {key}: {engines.first_difference(other, value)}\n{other}\n{value}")


def check(folder, text):
    program = Program(folder, text)
    rng = np.random.default_rng(5)
    total = 26
    streams = {"x": rng.integers(-20, 20, total).astype(np.int32), "c": rng.random(total) < 0.4, "r": rng.random(total) < 0.25}
    whole = program.jit(streams, 0, total)
    check_side_by_side(folder, program, streams, total)
    engines_of = {"run": program.jit, "interp": lambda *a, **k: program.jit(*a, engine="interp", **k), "C": program.c}
    for cut in (0, 1, 7, 11, 16):
        for a, before in engines_of.items():
            state = folder / f"{a}{cut}.safetensors"
            head = before(streams, 0, cut, save=state) if cut or a == "C" else None
            if head is None:
                before(streams, 0, 0, save=state)
            for b, after in engines_of.items():
                tail = after(streams, cut, total, load=state)
                same(f"{a} {cut}, then {b}", joined(head if cut else None, tail), whole)
        tensors = {e: engines_safetensors((folder / f"{e}{cut}.safetensors").read_bytes()) for e in engines_of}
        for e, found in tensors.items():
            if found != tensors["run"]:
                raise Failure(f"states after {cut} instants differ: {tensors['run']} and, of {e}, {found}")


def check_side_by_side(folder, program, streams, total):
    """Two instances in one process, step by step in turn on one scratch that is poisoned before each, the second one with other
    inputs and set back in the middle of the run: each as if it were alone."""
    library, description = engines.build_c(MLRC, program.source, folder / "shared", node="main")
    other = {k: v[::-1] for k, v in streams.items()}
    middle = 11
    instances = [engines.CInstance(library, description) for _ in range(2)]
    instances[1].memory["scratch"] = instances[0].memory["scratch"]
    rows = ([], [])
    for t in range(total):
        if t == middle:
            getattr(instances[1].lib, "main_reset")(engines.ctypes.c_void_p(instances[1].address("state")))
        for instance, inputs, out in zip(instances, (streams, other), rows):
            out.append(instance.step({k: inputs[k][t] for k in program.names}))
    present = lambda part: {k: np.array([r[k] for r in part if k not in program.flags or r[program.flags[k]]])
                            for k in part[0] if k not in program.flags.values()}
    same("the first of two instances", present(rows[0]), program.jit(streams, 0, total))
    same("the second instance", present(rows[1][:middle]), program.jit(other, 0, middle))
    same("the second instance, set back", present(rows[1][middle:]), program.jit(other, middle, total))


def engines_safetensors(data):
    length = int.from_bytes(data[:8], "little")
    header = engines.json.loads(data[8:8 + length])
    return {k: (v["dtype"], v["shape"], data[8 + length:][slice(*v["data_offsets"])]) for k, v in header.items() if k != "__metadata__"}


def check_refusals(folder):
    a, b, c = (folder / n for n in "abc")
    for f in (a, b, c):
        f.mkdir()
    one = Program(a, "node main(x: i32) -> (y, z: i32) { y = 0 fby y + x; z = 1 fby z - x; }")
    two = Program(b, "node main(x: i32) -> (y, q: i32) { y = 0 fby y + x; q = 1 fby q - x; }")
    three = Program(c, "node main(x: i32) -> (y, z: i32[2]) { y = 0 fby y + x; z = 1 fby z - x; }")
    streams = {"x": np.arange(4, dtype=np.int32)}
    state = folder / "one.safetensors"
    one.jit(streams, 0, 4, save=state)
    def expect(what, job, *texts):
        try:
            job()
        except (Failure, engines.EngineError) as e:
            missing = [t for t in texts if t not in str(e)]
            if missing:
                raise Failure(f"{what}: {e}\nlacks {missing}") from None
            return
        raise Failure(f"{what} is not refused")
    expect("other names", lambda: two.jit(streams, 0, 4, load=state), "is the state of another program", "it lacks `q`", "it has `z`")
    expect("other types", lambda: three.jit(streams, 0, 4, load=state), "it has other types for `y: i32, not i32[2]`")
    expect("other names in C", lambda: two.c(streams, 0, 4, load=state), "the program has no state z")
    expect("other types in C", lambda: three.c(streams, 0, 4, load=state), "of another type or shape: y")
    expect("no file", lambda: one.jit(streams, 0, 4, load=folder / "none.safetensors"), "none.safetensors")
    expect("no state", lambda: one.jit(streams, 0, 4, load=folder / "one.npz"), "states are .safetensors files")
    whole = state.read_bytes()
    short = folder / "short.safetensors"
    for size in (0, 4, 8, 20, len(whole) - 1):
        short.write_bytes(whole[:size])
        expect(f"{size} bytes", lambda: one.jit(streams, 0, 4, load=short))
        expect(f"{size} bytes in C", lambda: one.c(streams, 0, 4, load=short))
    for i in range(8, len(whole) - 8, 3):  # any byte changed: loaded or refused, never worse
        broken = bytearray(whole)
        broken[i] ^= 0x15
        short.write_bytes(broken)
        try:
            one.c(streams, 0, 1, load=short)
        except Failure as e:
            if "exit code 5" not in str(e):
                raise


BUDGETED = """
node main(p: f64, x: f64[57]) -> (s: f64, l: f64, g: f64) {
  s = 0 fby s + l;
  a = p * 1;
  @ram(800) scan t < 57 { h = 0.1 fby tanh(h * a + x[t]); y[t] = h * h; }
  l = sum(y);
  g = grad(l, a);
}"""


def check_budgets(folder):
    """R14.17: @ram is of compiled code. The interpreter saves and loads the same state without it."""
    (folder / "main.mlr").write_text(BUDGETED)
    rng = np.random.default_rng(6)
    streams = {"p": rng.normal(size=6), "x": rng.normal(size=(6, 57))}
    def part(engine, first, last, *extra):
        np.savez(folder / "in.npz", **{k: v[first:last] for k, v in streams.items()})
        return engines.mlrc_run(MLRC, engine, folder / "main.mlr", "main", inputs=[folder / "in.npz"], extra=[str(e) for e in extra])
    whole = part("run", 0, 6)
    for a in ("run", "interp"):
        head = part(a, 0, 4, "--save-state", folder / f"{a}.safetensors")
        for b in ("run", "interp"):
            same(f"{a}, then {b}", joined(head, part(b, 4, 6, "--load-state", folder / f"{a}.safetensors")), whole)


PLACES = """
enum Mode { Idle, Run }
node main(x: f32[9], go: bool) -> (m: f32, p: f32[4, 9] every 4, b: f32[5] when e, n: i32 when e, e: bool, s: Mode, before: bool) {
  w = window<<50>>(x, 0);
  m = w[3, 4];
  p = pack<<4>>(x);
  (b, n, e) = pack<<5>>(x[0], until = go);
  automaton {
    state Off { s = Mode.Idle; until go then On; }
    state On { s = Mode.Run; until go then Off; }
  }
  before = false fby go;
}"""


def check_places(folder):
    """Memories that positions are made of are loaded only with what a run may leave in them; in C bools too, else any byte is true."""
    program = Program(folder, PLACES)
    rng = np.random.default_rng(8)
    streams = {"x": rng.normal(size=(12, 9)).astype(np.float32), "go": rng.random(12) < 0.3}
    state = folder / "state.safetensors"
    program.jit(streams, 0, 6, save=state)
    whole = state.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    fields = {k: v for k, v in engines.json.loads(whole[8:8 + length]).items() if k != "__metadata__"}
    counts = [k for k, v in fields.items() if v["dtype"] in ("I32", "BOOL") and not v["shape"]]
    if len(counts) < 5:
        raise Failure(f"of {list(fields)} only {counts} are numbers")
    for path in counts:
        at = 8 + length + fields[path]["data_offsets"][0]
        size = fields[path]["data_offsets"][1] - fields[path]["data_offsets"][0]
        for value in (50, 1000000, -5) if size == 4 else (2,):
            damaged = folder / "damaged.safetensors"
            damaged.write_bytes(whole[:at] + int(value).to_bytes(size, "little", signed=True) + whole[at + size:])
            for engine, job in (("run", program.jit), ("interp", lambda *a, **k: program.jit(*a, engine="interp", **k)), ("C", program.c)):
                if size == 1 and engine != "C":
                    continue
                try:
                    job(streams, 6, 12, load=damaged)
                except (Failure, engines.EngineError) as e:
                    if "no run leaves such a value" in str(e) and path in str(e):
                        continue
                    raise Failure(f"{engine}, {path} = {value}: {e}") from None
                raise Failure(f"{engine}, {path} = {value}: loaded")


SLOW_INPUTS = """
node main(c: bool, y: i32 every 3, u: i32 every 2 at 1, v: i32 when c) -> (a: i32, b: i32 every 2 at 1) {
  a = hold(y, 1) + 100 * hold(v, 3);
  b = u + (0 fby b);
}"""


def check_slow_inputs(folder):
    """R14.11: inputs on periodic clocks go on where they are in their periods, also from a checkpoint's state."""
    (folder / "main.mlr").write_text(SLOW_INPUTS)
    total = 14
    c = np.random.default_rng(7).random(total) < 0.4
    on = {"c": np.ones(total, bool), "y": np.arange(total) % 3 == 2, "u": np.arange(total) % 2 == 1, "v": c}
    values = {"c": c, "y": 10 * np.arange(total, dtype=np.int32), "u": np.arange(total, dtype=np.int32), "v": -np.arange(total, dtype=np.int32)}
    def part(engine, first, last, *extra):
        np.savez(folder / "in.npz", **{k: v[first:last][on[k][first:last]] for k, v in values.items()})
        return engines.mlrc_run(MLRC, engine, folder / "main.mlr", "main", inputs=[folder / "in.npz"], extra=[str(e) for e in extra])
    whole = part("run", 0, total)
    state = folder / "state.safetensors"
    for engine in ("run", "interp"):
        for cut in (1, 4, 5, 9):
            head = part(engine, 0, cut, "--save-state", state)
            middle = part(engine, cut, cut + 2, "--load-state", state, "--save-state", state)
            tail = part(engine, cut + 2, total, "--load-state", state)
            same(f"{engine}, cut at {cut}", joined(joined(head, middle), tail), whole)
    data = state.read_bytes()
    for clocks, problem in ((b'[1, 2]', "for another clock"), (b'[-14]', "is damaged"), (b'14', "is damaged")):
        broken = data.replace(b'\\"y\\":[11]', b'\\"y\\":' + clocks)
        length = int.from_bytes(data[:8], "little") + len(broken) - len(data)
        state.write_bytes(length.to_bytes(8, "little") + broken[8:])
        try:
            part("run", 9, 11, "--load-state", state)
        except engines.EngineError as e:
            if problem in str(e):
                continue
            raise Failure(f"clocks {clocks}: {e}") from None
        raise Failure(f"clocks {clocks}: loaded")
    point = folder / "point.safetensors"
    head = part("run", 0, 4, "--checkpoint", point)
    same("from a checkpoint", joined(head, part("run", 4, total, "--load-state", point)), whole)


def main():
    wanted, failed, count = sys.argv[2:], 0, 0
    jobs = [(name, lambda folder, text=text: check(folder, text)) for name, text in PROGRAMS] + [("budgets", check_budgets), ("slow inputs", check_slow_inputs), ("places", check_places), ("refusals", check_refusals)]
    for name, job in jobs:
        if wanted and name not in wanted:
            continue
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                job(pathlib.Path(folder))
            except (Failure, engines.EngineError) as error:
                failed += 1
                print(f"FAILED {name}: {error}")
    print(f"{count - failed} of {count} programs go on from their saved states")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
