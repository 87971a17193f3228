#!/usr/bin/env python3
"""The law "a comprehension over a node is as many copies of it" (reference, R7.8): [f(x[b], w) for b < B] beside B calls written
out, to the bit, in every engine, where the calls stand in a node, in scans, in an arm, on a clock and in a reset block.

usage: instances.py MLRC [--engines interp,run,gcc] [--only NAME] [--place node|scan|..] [--keep FOLDER]

Engines: interp, run (compiled in memory), a C compiler, cpu:NAME (an object for a processor of this machine's kind), cortex-m4 and
cortex-m7, of generated C, and with :obj of an object.
"""
import argparse
import pathlib
import re
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "cortex"))
import cortex  # noqa: E402
import engines  # noqa: E402

STEPS = 12
SCAN = 4

# name, program with a node or fun `f`. An input called w.. is the same for all instances; the others have one value for each.
PROGRAMS = [
    ("a_filter", "node f(x: f32, wa: f32) -> (y: f32) { y = x -> wa * x + (1 - wa) * pre y; }"),
    ("state_that_no_argument_reaches", """
node f(x: f32) -> (y: f32, n: i32) { n = 1 fby n + 1; y = x * f32(n); }"""),
    ("several_results_of_several_types", """
node f(x: f32[3], k: i32) -> (y: f32[2], b: bool, n: i32, z: f32) {
  s = (0 fby s) + x;
  y = [s[0] * 2, s[k]];
  n = k + (0 fby n);
  b = n > 3;
  z = sum(s * x);
}"""),
    ("a_recurrent_cell_with_shared_weights", """
node f(x: f32[4], wi: f32[5, 4], wr: f32[5, 5]) -> (h: f32[5]) {
  before = 0 fby h;
  h = tanh(wi @ x + wr @ before);
}"""),
    ("a_window", """
node f(x: f32, wt: f32[3]) -> (y: f32, m: f32[3]) { m = window<<3>>(x, 0.5); y = sum(m * wt) + x; }"""),
    ("calls_in_calls", """
node g(x: f32) -> (y: f32) { y = x + (0 fby y) * 0.5; }
node f(x: f32, k: i32) -> (y: f32) { a = g(x); b = g(a + f32(k)); y = b - (a fby b); }"""),
    ("a_literal_by_a_fun_of_the_instance", """
fun g(x: f32) -> (a: f32, b: f32[2]) { a = x; b = 0.5; }
node f(x: f32) -> (y: f32) { (a, b) = g(x); p = b fby p + x; y = sum(p) + a; }"""),
    ("instances_in_instances", """
node g(x: f32, k: i32) -> (y: f32) { y = x * f32(k) + (0 fby y) * 0.5; }
node f(x: f32[3], k: i32) -> (y: f32[3], z: f32) {
  y = [g(x[i], k + i) for i < 3];
  z = sum(g(x[i] * 2, i) for i < 3);
}"""),
    ("the_count_of_a_scan_that_resumes_in_one_that_each_ends", """
node f(x: f32) -> (o: f32[3], n: i32) {
  v = 0.5 fby x;
  scan t < 3 until v > 0.3 {
    ns[t] = c;  q[t] = r;
    scan s < 2 resume { c = count(s); a = x; r = initial a; }
    o[t] = x + r;
  }
  n = ns[0] + ns[2] + i32(q[1]);
}"""),
    ("arms", """
node g(x: f32) -> (y: f32) { y = x + (0 fby y) * 0.5; }
node f(x: f32, c: bool) -> (y: f32, n: i32) {
  if c { y = g(x); n = 0 fby n + 1; } else { y = (x -> pre x) * 2; n = -1; }
}"""),
    ("arms_with_shared_state", """
node g() -> (n: i32) { n = 1 fby n + 1; }
node f(c: bool) -> (n: i32, m: i32) {
  if c { n = g(); } else { n = 0 - g(); }
  m = g();
}"""),
    ("one_condition_for_all", """
node g(x: f32) -> (y: f32) { y = x + (0 fby y) * 0.5; }
node f(x: f32, w: bool) -> (y: f32) { if w { y = g(x); } else { y = -g(x); } }"""),
    ("clocks_inside", """
node f(x: f32, c: bool) -> (y: f32, z: f32, e: f32) {
  a = (x when c) + (0 fby a);
  y = hold(a, -1);
  b = x when every 3;
  z = hold(b + (0 fby b), 0.5);
  d = (x when c) when every 2;
  e = hold(hold(d - (0 fby d), 0), 7);
}"""),
    ("an_automaton", """
node f(x: f32, c: bool) -> (y: f32, n: i32) {
  last y = 0.0;
  n = 0 fby n + 1;
  automaton {
    state Idle { unless c then Busy; }
    state Busy { y = x + (0 fby y) ; k = 0 fby k + 1; until k >= 2 then Idle | x > 1.0 continue Rest; }
    state Rest { y = last y * 0.5; m = 0 fby m + 1; until m % 3 == 2 continue Busy; }
  }
}"""),
    ("resets", """
node g(x: f32) -> (y: f32, n: i32) { y = x + (0 fby y) * 0.5; n = hold(count when every 2, -1); count = 0 fby count + 1; }
node f(x: f32, c: bool) -> (y: f32, n: i32, z: f32) {
  (y, n) = g(x) every c;
  reset { z = x -> (pre z) * 0.5 + window<<2>>(x, 1)[0]; } every (x > 1.0);
}"""),
    ("resets_on_a_clock", """
node f(x: f32, c: bool) -> (y: f32) {
  if c { reset { z = x + (0 fby z); } every (x > 0.5); y = z; } else { y = -(0 fby x); }
}"""),
    ("a_scan_forwards_and_backwards", """
node f(x: f32[6], wk: f32) -> (y: f32[6], e: f32) {
  scan t < 6 {
    a = x[t] * wk + (0 fby a);
    b = a + (b eby x[t]) * 0.5;
    y[t] = b / (1 + final a * final a);
    e = initial b;
  }
}"""),
    ("a_fun_with_scans", """
fun f(x: f32[5]) -> (y: f32[5], z: f32) {
  scan t < 5 { a = max(x[t], (x[t] fby a)); m = final a; }
  scan t < 5 { a2 = x[t] - m + (0 fby a2); y[t] = a2; }
  z = m;
}"""),
    ("a_bidirectional_net_over_a_batch", """
node cell(x: f32[3], wr: f32[4, 4], wi: f32[4, 3], before: f32[4]) -> (h: f32[4]) { h = tanh(wi @ x + wr @ before); }
fun f(x: f32[5, 3], wr: f32[4, 4], wi: f32[4, 3]) -> (y: f32[5, 8], h_end: f32[4]) {
  scan t < 5 {
    h = cell(x[t], wr, wi, 0 fby h);
    b = cell(x[t], wr, wi, b eby 0);
    y[t] = concat(h, b);
    h_end = final h;
  }
}"""),
    ("a_scan_that_resumes", """
node f(x: f32[3]) -> (y: f32[3], n: i32) {
  scan t < 3 resume { a = x[t] + (0 fby a) * 0.5; k = 0 fby k + 1; y[t] = a; n = final k; }
}"""),
    ("a_scan_that_resumes_in_an_arm", """
node f(x: f32[3], c: bool) -> (y: f32[3], n: i32, z: f32) {
  if c {
    scan t < 3 resume { a = x[t] + (0 fby a) * 0.5; k = 0 fby k + 1; y[t] = a; n = final k; }
    z = 0.0;
  } else {
    scan t < 3 { y[t] = x[t] + (0 fby x[t]); }
    n = -1;
    z = 1.0 -> pre z + 1.0;
  }
}"""),
    ("a_scan_that_resumes_with_resets", """
node g(x: f32[3]) -> (y: f32[3], n: i32) {
  scan t < 3 resume { a = x[t] -> (pre a) * 0.5 + x[t]; k = 0 fby k + 1; y[t] = a + (y1 eby 2.0); y1 = x[t]; n = final k; }
}
node f(x: f32[3], c: bool, d: bool) -> (y: f32[3], n: i32) {
  if c { (y, n) = g(x) every d; } else { y = zeros(); n = 0; }
}"""),
    ("scans_that_end_apart", """
fun f(x: f32[5], limit: f32) -> (n: i32, s: f32, i: f32, y: f32[5], e: f32[5], k: i32) {
  scan t < 5 until acc > limit {
    acc = x[t] * x[t] + (0 fby acc);
    n = count(t);
    s = final acc;
    i = initial acc;
    y[t] = acc / (1 + final acc) + f32(count(t));
    b = x[t] + (b eby 0.5);
    e[t] = b;
    m = 0 fby m + 1;
    k = final m;
  }
}"""),
    ("scans_that_end_apart_and_resume", """
node f(x: f32[4], limit: f32) -> (y: f32[4], n: i32, s: f32, k: i32) {
  scan t < 4 resume until x[t] > limit {
    acc = x[t] + (0 fby acc) * 0.5;
    y[t] = acc + (x[t] eby 1.0);
    n = count(t);
    s = final acc;
    m = 0 fby m + 1;
    k = final m;
  }
}"""),
    ("scans_that_end_apart_with_clocks", """
node g(x: f32) -> (y: f32) { y = x + (0 fby y) * 0.5; }
node f(x: f32[6], c: bool[6], limit: f32) -> (y: f32[6], z: f32[6], n: i32) {
  scan t < 6 resume until g2 > limit {
    g2 = g(x[t]);
    if c[t] { a = g(x[t]); } else { a = -g(g2); }
    y[t] = a;
    h = hold(x[t] when every 2, 0);
    z[t] = h + (h eby 3) + window<<2>>(x[t], 0)[0];
    n = count(t);
  }
}"""),
    ("scans_that_end_apart_in_an_arm", """
node f(x: f32[4], limit: f32, c: bool) -> (y: f32[4], n: i32) {
  if c {
    scan t < 4 resume until acc > limit { acc = x[t] * x[t] + (0 fby acc) * 0.5; y[t] = acc; n = count(t); }
  } else {
    scan t < 4 until x[t] > limit { y[t] = x[t] + (0 fby x[t]); k = count(t); }
    n = k + 10;
  }
}"""),
    ("scans_in_scans_that_end_apart", """
fun f(x: f32[3, 4], limit: f32) -> (y: f32[3, 4], n: i32[3], s: f32) {
  scan u < 3 until s1 > limit * 2 {
    scan t < 4 until acc > limit { acc = x[u, t] * x[u, t] + (0 fby acc); k = count(t); r = final acc; z[t] = acc + (acc eby 0); }
    s1 = r + (0 fby s1);
    n[u] = k;
    y[u] = z;
    s = final s1;
  }
}"""),
    ("resuming_scans_in_scans", """
fun f(x: f32[3, 4], c: bool[3]) -> (y: f32[3, 4]) {
  scan u < 3 {
    if c[u] { scan t < 4 resume { k = 0 fby k + 1; a = x[u, t] + (0 fby a) + f32(k); z[t] = a; } } else { z = x[u]; }
    y[u] = z;
  }
}"""),
    ("resets_of_each", """
node g(x: f32, k: i32) -> (y: f32, n: i32) { y = x -> pre y * 0.5 + x; n = 0 fby n + k; }
node h(x: f32) -> (y: f32) { y = x + (0 fby y); }
node f(x: f32[3], c: bool[3]) -> (y: f32[3], n: i32[3], z: f32, v: f32[3]) {
  (y, n) = [g(x[i], i) every c[i] for i < 3];
  z = sum(h(x[i]) every (c[i] and not c[2 - i]) for i < 3);
  if c[0] { v = [h(x[i]) every c[i] for i < 3]; } else { v = x; }
}"""),
    ("outputs_on_periodic_clocks", """
node g(x: f32, k: i32) -> (y: f32 every 3, n: i32, z: f32 every 2 at 0) {
  y = (x when every 3) + (0 fby y);
  z = (x when every 2 at 0) * f32(k when every 2 at 0);
  n = 0 fby n + k;
}
node f(x: f32[3]) -> (y: f32[3], n: i32[3], z: f32[3]) {
  (a, n, b) = [g(x[i], i) for i < 3];
  y = hold(a, [0.0 for i < 3]);
  z = hold(b * 2, [0.0 for i < 3]);
}"""),
    ("inputs_on_clocks", """
node g(c: bool, x: f32 when c, u: f32) -> (y: f32) { s = x + (0 fby s); y = hold(s, 0) + u; }
node f(x: f32[3], c: bool) -> (y: f32[3]) {
  a = x * 2 when c;
  y = [g(c, a[i], x[i]) for i < 3];
}"""),
    ("segments_that_end_early", """
node f(x: f32, c: bool) -> (y: f32, n: i32) {
  (p, m, end) = pack<<4>>(x, until = c);
  y = hold(sum(p), 0);
  n = hold(m, -1);
}"""),
    ("struct_arguments_and_results", """
struct Cell { w: f32[2, 3], b: f32[2] }
node g(p: Cell, x: f32[3]) -> (q: Cell) { y = p.w @ x + p.b; q = { p with b = y + (0 fby y) }; }
node f(x: f32[3], wp: f32[2, 3]) -> (y: f32[2, 2], z: f32[2, 2, 3]) {
  q = [g(Cell { w = wp * f32(i + 1), b = [x[i], x[2]] }, x * 2) for i < 2];
  y = q.b;
  z = q.w;
}"""),
    ("time_to_space", """
node f(x: f32) -> (y: f32, z: f32) {
  p = pack<<3>>(x);
  scan t < 3 { b = p[t] + (b eby 0); q[t] = b; }
  y = unpack<<3>>(q, 0.25);
  z = hold(sum(p), 0);
}"""),
    ("enums", """
enum Mode { Go, Wait, Stop }
node f(x: f32, k: i32) -> (m: Mode, y: f32) {
  m = if x > 1 then Mode.Go else if x < -1 then Mode.Stop else before;
  before = Mode.Wait fby m;
  match before { Go: { y = x + (0 fby y); } Wait: { y = f32(k); } Stop: { y = 0.5 -> pre y * 2; } }
}"""),
]

# How the equations that define the results of all instances stand in a node. {names} are the results.
PLACES = ["node", "scan", "resume", "arm", "clock", "reset"]


def signature(program):
    found = re.search(r"(?:node|fun) f\((.*?)\) -> \((.*?)\)", program, re.S)
    return [[tuple(p.split(": ")) for p in re.split(r", (?=\w+:)", part.strip())] for part in found.groups()]


def lead(type, *sizes):
    """The type with more axes in front."""
    name, _, rest = type.partition("[")
    return f"{name}[{', '.join(map(str, sizes))}" + (f", {rest}" if rest else "]")


def shared(name):
    return name.startswith("w")


def batched(inputs, outputs, sizes):
    """The equations with a comprehension, and those with every call written out."""
    indices = ["i", "j"][-len(sizes):] if len(sizes) > 1 else ["b"]
    at = ", ".join(indices)
    args = ", ".join(n if shared(n) else f"{n}_all[{at}]" for n, _ in inputs)
    names = [n for n, _ in outputs]
    target = f"{names[0]}_all" if len(names) == 1 else "(" + ", ".join(f"{n}_all" for n in names) + ")"
    loops = ", ".join(f"{i} < {s}" for i, s in zip(indices, sizes))
    one = f"  {target} = [f({args}) for {loops}];\n"
    copies = ""
    for place in np.ndindex(*sizes):
        at = ", ".join(map(str, place))
        args = ", ".join(n if shared(n) else f"{n}_all[{at}]" for n, _ in inputs)
        own = [f"{n}_{'_'.join(map(str, place))}" for n in names]
        target = own[0] if len(own) == 1 else "(" + ", ".join(own) + ")"
        copies += f"  {target} = f({args});\n"
    def nest(name, prefix, sizes):
        if not sizes:
            return f"{name}_{'_'.join(map(str, prefix))}"
        return "[" + ", ".join(nest(name, prefix + [k], sizes[1:]) for k in range(sizes[0])) + "]"
    for n in names:
        copies += f"  {n}_all = {nest(n, [], list(sizes))};\n"
    return one, copies


def node(place, inputs, outputs, sizes, equations):
    """A node `main` with the equations in a place, and the types of its inputs."""
    local_in = [(n if shared(n) else f"{n}_all", t if shared(t) or shared(n) else lead(t, *sizes)) for n, t in inputs]
    local_out = [(f"{n}_all", lead(t, *sizes)) for n, t in outputs]
    if place in ("scan", "resume"):
        ins = [(n, t) if shared(n) else (f"{n}_in", lead(t, SCAN)) for n, t in local_in]
        outs = [(f"{n}_out", lead(t, SCAN)) for n, t in local_out]
        body = f"  scan t < {SCAN}{' resume' if place == 'resume' else ''} {{\n"
        body += "".join(f"  {n} = {n}_in[t];\n" for n, _ in local_in if not shared(n)) + equations
        body += "".join(f"  {n}_out[t] = {n};\n" for n, _ in local_out) + "  }\n"
    elif place == "node":
        ins, outs, body = local_in, local_out, equations
    else:
        ins = local_in + [("here", "bool")]
        outs = local_out if place != "clock" else [(f"{n}_out", t) for n, t in local_out]
        if place == "reset": body = f"  reset {{\n{equations}  }} every here;\n"
        elif place == "arm":
            before = "".join(f"  {n} = {n}_before; \n" for n, _ in local_out)
            body = f"  if here {{\n{equations}  }} else {{\n{before}  }}\n"
            body += "".join(f"  {n}_before = {n}_zero fby {n};\n" for n, _ in local_out)
            body += "".join(f"  {n}_zero: {t} = {zero(t)};\n" for n, t in local_out)
        else:
            body = f"  when here {{\n{equations}  }}\n"
            body += "".join(f"  {n}_zero: {t} = {zero(t)};\n  {n}_out = hold({n}, {n}_zero);\n" for n, t in local_out)
    text = "node main(" + ", ".join(f"{n}: {t}" for n, t in ins) + ") -> (" + ", ".join(f"{n}: {t}" for n, t in outs) + ") {\n"
    return text + body + "}\n", ins


def zero(type):
    name, _, rest = type.partition("[")
    value = "Mode.Go" if name == "Mode" else "false" if name == "bool" else "0"
    sizes = rest.rstrip("]").split(", ") if rest else []
    loops = ", ".join(f"z{k} < {s}" for k, s in enumerate(sizes))
    return f"[{value} for {loops}]" if sizes else value


def stream(rng, type):
    name, _, rest = type.partition("[")
    shape = [STEPS] + [int(s) for s in rest.rstrip("]").split(", ") if s]
    if name == "bool": return rng.random(shape) < 0.6
    if name == "i32": return rng.integers(0, 3, shape).astype(np.int32)
    return (rng.standard_normal(shape) * 1.2).astype(np.float32)


def run_engines(mlrc, folder, program, streams, names):
    """Each engine with its outputs; what does not fit a board is left out."""
    np.savez(folder / "in.npz", **streams)
    for engine in names:
        where = folder / engine.replace(":", "_")
        where.mkdir(exist_ok=True)
        if engine in ("interp", "run"):
            yield engine, engines.mlrc_run(mlrc, engine, program, "main", inputs=[folder / "in.npz"], steps=STEPS)
        elif engine.startswith("cortex"):
            machine, _, emit = engine.partition(":")
            found = cortex.run(mlrc, program, where, machine, streams, STEPS, emit or "c", "main")
            if found is not None:
                yield engine, found
        elif engine.startswith("cpu:"):
            yield engine, engines.c_run(*engines.build_shared(mlrc, program, where, engine[4:], "main"), streams, STEPS)
        else:
            yield engine, engines.c_run(*engines.build_c(mlrc, program, where, engine, "main"), streams, STEPS)


def check(mlrc, folder, name, program, place, sizes, names, rng):
    inputs, outputs = signature(program)
    one, copies = batched(inputs, outputs, sizes)
    text, ins = node(place, inputs, outputs, sizes, one)
    reference, _ = node(place, inputs, outputs, sizes, copies)
    (folder / "batch.mlr").write_text(program + "\n" + text)
    (folder / "copies.mlr").write_text(program + "\n" + reference)
    streams = {n: stream(rng, t) for n, t in ins}
    expected = dict(run_engines(mlrc, folder, folder / "copies.mlr", streams, ["interp"]))["interp"]
    for engine, found in run_engines(mlrc, folder, folder / "batch.mlr", streams, names):
        for key, value in expected.items():
            if not engines.same_bits(value, found[key]):
                raise AssertionError(f"{engine}: {key} {engines.first_difference(value, found[key])}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc")
    parser.add_argument("--engines", default="interp,run,gcc")
    parser.add_argument("--only", default="")
    parser.add_argument("--place", default="")
    parser.add_argument("--keep")
    args = parser.parse_args()
    mlrc = pathlib.Path(args.mlrc).resolve()
    rng = np.random.default_rng(7)
    failed = done = 0
    with tempfile.TemporaryDirectory() as temporary:
        for k, (name, program) in enumerate(PROGRAMS):
            for place in PLACES:
                sizes = [(3,), (2, 2), (1,), (5,)][(k + PLACES.index(place)) % 4]
                if args.only not in name or args.place not in place:
                    continue
                folder = pathlib.Path(args.keep or temporary) / f"{name}-{place}"
                folder.mkdir(parents=True, exist_ok=True)
                done += 1
                try:
                    check(mlrc, folder, name, program, place, sizes, args.engines.split(","), rng)
                except (AssertionError, engines.EngineError, KeyError) as e:
                    failed += 1
                    print(f"FAILED {name} in {place}, {'x'.join(map(str, sizes))}: {str(e)[:1500]}")
    print(f"{done - failed} of {done} pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
