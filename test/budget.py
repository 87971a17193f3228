#!/usr/bin/env python3
"""Memory budgets (R14.17): the same bits with and without, in every engine; the bytes asked for, and those reported; the number
of instants that are executed again, counted by a C function, beside the binomial optimum.

usage: budget.py MLRC [--only NAME..]
"""
import argparse
import ctypes
import functools
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import engines  # noqa: E402

PROGRAMS = {}


def program(name, text, **shapes):
    PROGRAMS[name] = (text, shapes)


program("smoother", """
node main(x: f32[200]) -> (y: f32[200], e: f32) {
  scan t < 200 {
    a = 0.5 * (1 fby a) + sin(sin(sin(x[t] + (1 fby a))));
    w = sin(0.9 * (w eby 2) * exp(sin(a)) + a * a);
    y[t] = w;
    e = final (a + x[t]);
  }
}""", x=(200,))
program("previous_value", """
node main(x: f32[100, 3]) -> (y: f32[100, 3]) {
  scan t < 100 {
    a = sin(exp(sin(x[t] - (1 fby b))));
    b = cos(sin(exp(sin(a)))) + 0.1 * (0 fby a);
    c = exp(sin(b)) * tanh(a);
    w = 0.9 * (w eby 2) * c + (0 fby c) * a;
    y[t] = w;
  }
}""", x=(100, 3))
program("down_then_up", """
node main(x: f64[64, 2]) -> (y: f64[64, 2]) {
  scan t < 64 {
    k = sin(x[t] + exp(0.1 * sin(k eby 0.5)));
    g = exp(sin(k)) * (k eby 1);
    s = tanh((0 fby s) * exp(sin(g))) - g;
    y[t] = s;
  }
}""", x=(64, 2))
program("forward_backward", """
node main(x: f32[50, 4], a: f32[4, 4]) -> (posterior: f32[50, 4]) {
  scan t < 50 {
    e = [exp(sin(x[t, i])) for i < 4];
    f = [e[i] * sum(abs(a[j, i]) * p[j] for j < 4) for i < 4];
    p = 0.25 fby (f / sum(f));
    al = f / sum(f);
    bt = [sum(abs(a[i, j]) * ((be * bt) eby 1)[j] for j < 4) for i < 4];
    be = e / sum(e * al);
    g = exp(sin(al)) * bt;
    posterior[t] = g / sum(g);
  }
}""", x=(50, 4), a=(4, 4))
program("lstm_gradient", """
fun cell(wx: f32[32, 3], wh: f32[32, 8], b: f32[32], x: f32[3], h, c: f32[8]) -> (h1, c1: f32[8]) {
  g = wx @ x + wh @ h + b;
  c1 = sigmoid(g[8 .. 16]) * c + sigmoid(g[0 .. 8]) * tanh(g[16 .. 24]);
  h1 = sigmoid(g[24 .. 32]) * tanh(c1);
}
node main(xs: f32[40, 3], target: f32[40, 8], wx: f32[32, 3], wh: f32[32, 8], b: f32[32])
    -> (loss: f32, gx: f32[32, 3], gh: f32[32, 8], gb: f32[32]) {
  scan t < 40 {
    (h, c) = cell(wx, wh, b, xs[t], 0 fby h, 0 fby c);
    d = h - target[t];
    acc = sum(d * d) + (0 fby acc);
    loss = final acc;
  }
  (gx, gh, gb) = grad(loss, (wx, wh, b));
}""", xs=(40, 3), target=(40, 8), wx=(32, 3), wh=(32, 8), b=(32,))
program("gradient_with_resets", """
node track(x: f64[3], w: f64[3]) -> (s: f64[3]) { s = tanh(w * (0.5 fby s) + x) + sin(0 fby s); }
node main(x: f64[60, 3], w: f64[3]) -> (l: f64, d: f64[3]) {
  scan t < 60 {
    s = track(x[t], w) every (x[t, 0] > 1);
    acc = sum(s * s * s) + (0 fby acc);
    l = final acc;
  }
  d = grad(l, w);
}""", x=(60, 3), w=(3,))
program("gradient_until", """
node main(x: f64[60, 3], w: f64[3]) -> (l: f64, n: f64, d: f64[3]) {
  scan t < 60 until acc > 20 {
    s = tanh(w * (0.5 fby s) + x[t]) + sin(0 fby s);
    acc = sum(s * s) + (0 fby acc);
    l = final acc;
    k: f64 = 1 + (0 fby k);
    n = final k;
  }
  d = grad(l, w);
}""", x=(60, 3), w=(3,))
program("in_a_scan", """
node main(x: f64[30, 2], w: f64[2]) -> (l: f64, v: f64[2]) {
  scan k < 4 {
    p = w fby (p - 0.01 * g);
    scan t < 30 {
      s = tanh(p * (0.5 fby s) + x[t]) + sin(0 fby s);
      acc = sum(s * s) + (0 fby acc);
      e = final acc;
    }
    g = grad(e, p);
    l = final e;
    v = final p;
  }
}""", x=(30, 2), w=(2,))
program("inner_scan", """
node main(x: f64[40, 3], w: f64[3]) -> (l: f64, d: f64[3]) {
  scan t < 40 {
    scan i < 3 {
      r = sin(w[i] * x[t, i] + (0 fby r)) * exp(sin(p[i]));
      q[i] = r;
    }
    p = 0.1 fby (tanh(q + w * p));
    acc = sum(q * p) + (0 fby acc);
    l = final acc;
  }
  d = grad(l, w);
}""", x=(40, 3), w=(3,))
program("other_types", """
node main(x: f32[90]) -> (y: f32[90]) {
  scan t < 90 {
    n = (3 fby n) * 17 % 1013 + (if f then 1 else 2);
    f = not (true fby f) or x[t] > 0.5;
    h = f16(sin(exp(sin(x[t])))) + f16(0.5) * (f16(0) fby h);
    v = sin(sin(f32(n) + f32(h)) * exp(sin(x[t])));
    w = 0.9 * (w eby 2) * v + (if f then 1 else 0.5) * exp(sin(v));
    y[t] = w;
  }
}""", x=(90,))
program("kept_between_steps", """
node main(x: f32[50]) -> (y: f32) {
  scan t < 50 resume {
    a = 0.5 * (1 fby a) + sin(sin(sin(x[t] + (1 fby a))));
    v[t] = exp(sin(a));
  }
  scan t < 50 {
    w = sin(0.9 * (w eby 2) * exp(sin(v[t])));
    y = initial w;
  }
}""", x=(50,))

program("read_by_a_sweep_that_resumes", """
node main(p: f64, x: f64[64]) -> (y: f64[64], g: f64) {
  a = p * 1;
  scan t < 64 resume {
    u: f64 = tanh(a * pu + x[t]);
    pu: f64 = 0.1 fby u;
    r: f64 = tanh(pu + sin(nr));
    nr: f64 = r eby 0.1;
    y[t] = r * pu;
  }
  l = sum(y);
  g = grad(l, a);
}""", p=(), x=(64,))
program("kept_beside_what_is_read", """
node main(x: f64[48, 2]) -> (y: f64[48, 2]) {
  scan t < 48 resume {
    k = sin(x[t] + exp(0.1 * sin(k eby 0.5)));
    g = exp(sin(k)) * (k eby 1);
    s = tanh((0 fby s) * exp(sin(g))) - g;
    y[t] = s;
  }
}""", x=(48, 2))


@functools.cache
def advances(length, slots):
    """The optimum itself, by its recurrence."""
    if length <= 1:
        return 0
    if slots == 1:
        return length * (length - 1) // 2
    return min(m + advances(length - m, slots - 1) + advances(m, slots) for m in range(1, length))


def least_bytes(mlrc, path, command):
    """State and scratch at least: of `run`, or of generated C, which needs no places for vectors."""
    done = subprocess.run([str(mlrc), *command, str(path), "--ram=0"], capture_output=True, text=True)
    return int(re.search(r"the least possible is (\d+)", done.stderr)[1])


def reported_bytes(mlrc, path, ram):
    report = subprocess.run([str(mlrc), "report", str(path), f"--ram={ram}"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"state and scratch take (\d+)", report)[1])


def bytes_of_c(mlrc, path, folder, ram):
    """sizeof of the generated structs, and the bytes that NODE.json states, without what pads the end of a struct."""
    subprocess.run([str(mlrc), "build", str(path), "--emit=c", f"--ram={ram}", "-o", str(folder)], check=True)
    probe = pathlib.Path(folder) / "probe.c"
    probe.write_text('#include "main.h"\n#include <stdio.h>\nint main(void) {\n  unsigned long bytes = 0;\n#ifdef HAS_STATE\n'
                     "  bytes += sizeof(main_state);\n#endif\n#ifdef HAS_SCRATCH\n  bytes += sizeof(main_scratch);\n#endif\n"
                     '  printf("%lu", bytes);\n  return 0;\n}\n')
    header = (pathlib.Path(folder) / "main.json").read_text()
    bytes_of = {space: json.loads(header)[space]["bytes"] for space in ("state", "scratch")}
    flags = [f"-DHAS_{space.upper()}" for space, n in bytes_of.items() if n]
    subprocess.run(["gcc", *flags, f"-I{folder}", str(probe), "-o", str(probe.with_suffix(""))], check=True)
    measured = int(subprocess.run([str(probe.with_suffix(""))], capture_output=True, text=True, check=True).stdout)
    return measured, sum(bytes_of.values())


def same(name, what, got, expected):
    return [f"{name}: {what}: `{k}` differs" for k in expected if got[k].tobytes() != expected[k].tobytes()]


def check_program(mlrc, name, folder):
    text, shapes = PROGRAMS[name]
    path = folder / "main.mlr"
    path.write_text(text)
    random = np.random.default_rng(len(name))
    wide = "f64[" in text
    inputs = {k: random.normal(size=(2, *s)).astype(np.float64 if wide else np.float32) for k, s in shapes.items()}
    data = folder / "in.npz"
    np.savez(data, **inputs)
    run = functools.partial(engines.mlrc_run, mlrc, program=path, inputs=[data])
    expected = run(engine="run")
    problems = same(name, "interpreter", run(engine="interp"), expected)
    build = ["build", "--emit=c", "-o", str(folder)]
    least, run_least, plain = least_bytes(mlrc, path, build), least_bytes(mlrc, path, ["run"]), reported_bytes(mlrc, path, 1 << 30)
    print(f"{name}: {least} .. {plain} bytes", flush=True)
    if not least < plain:
        problems.append(f"{name}: no budget saves anything")
    for ram in sorted({least, least + (plain - least) // 8, (least + plain) // 2, plain}):
        own_ram = ram - least + run_least
        problems += same(name, f"--ram={own_ram}", run(engine="run", extra=[f"--ram={own_ram}"]), expected)
        with tempfile.TemporaryDirectory() as own:
            measured, reported = bytes_of_c(mlrc, path, own, ram)
        if not 0 <= measured - reported < 8 or measured > ram:
            problems.append(f"{name}: --ram={ram}: {measured} bytes, reported {reported}")
        if reported_bytes(mlrc, path, own_ram) > own_ram:
            problems.append(f"{name}: --ram={own_ram}: the report exceeds it")
    refused = subprocess.run([str(mlrc), *build, str(path), f"--ram={least - 1}"], capture_output=True, text=True)
    if refused.returncode == 0 or f"the least possible is {least}" not in refused.stderr:
        problems.append(f"{name}: a budget below the least is not refused")
    with tempfile.TemporaryDirectory() as own:
        got = engines.sanitized_run(mlrc, path, own, "gcc", inputs, 2, extra=[f"--ram={least}"])
    return problems + same(name, "C, sanitized", got, expected)


COUNTED = """
extern fun tick(x: f64) -> (y: f64);
node main(x: f64[{T}]) -> (y: f64) {{
  scan t < {T} {{
    a = tick(x[t] + 0.5 * (1 fby a));
    w = sin(exp(sin(a * (w eby 0))));
    y = initial w;
  }}
}}"""


def check_counts(mlrc, folder):
    """The instants that a C function sees, for many lengths and numbers of checkpoints."""
    problems = []
    for T in (2, 3, 7, 20, 61, 128):
        path = folder / "main.mlr"
        path.write_text(COUNTED.format(T=T))
        own = folder / f"T{T}"
        own.mkdir()
        (own / "tick.c").write_text("double ticks; double tick(double x) { ticks += 1; return 0.5 * x; }\n")
        report = subprocess.run([str(mlrc), "report", str(path)], capture_output=True, text=True, check=True).stdout
        rows = re.findall(r"^\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)x$", report, re.M)
        if T >= 20 and not rows:
            problems.append(f"counts: T = {T}: the report shows no trade")
        # The plan of C may fit more checkpoints than that of the machine that the report speaks of: what it has is in the IR.
        for ram, *_ in rows[:-1]:
            command = [str(mlrc), "build", str(path), "--emit=c", "--after=buffers", f"--ram={ram}"]
            ir = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            total, cell = re.search(r"mlr.total = (\d+)", ir), re.search(r"mlr.cell.*\"instants\".*tensor<(\d+)xi32>", ir)
            if not total:
                continue
            recomputed, slots = int(total[1]), int(cell[1]) - 1
            out = own / f"ram{ram}"
            description, sources = engines.generate_c(mlrc, path, out, extra=[f"--ram={ram}"])
            library = out / "lib.so"
            subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), *sources, str(own / "tick.c"), "-lm"], check=True)
            instance = engines.CInstance(library, description)
            instance.step({"x": np.zeros(T)})
            counted = int(ctypes.c_double.in_dll(instance.lib, "ticks").value) - T
            blocks = [-(-T // block) for block in range(1, T + 1)]
            optimum = {block * (advances(n, slots) - (n - 1)) + T for block, n in enumerate(blocks, 1)}
            if counted != recomputed or counted not in optimum:
                problems.append(f"counts: T = {T}, {slots} checkpoints: {counted} again, planned {recomputed}")
    return problems


def check_options(mlrc, folder):
    """@ram and --ram, and what is refused."""
    text = PROGRAMS["smoother"][0]

    def report(source, *options):
        path = folder / "main.mlr"
        path.write_text(source)
        done = subprocess.run([str(mlrc), "report", str(path), *options], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    annotated = text.replace("  scan t", "  @ram(64) scan t")
    wanted = [(text, ["--ram=64"], "budget of 64 bytes"), (text, ["--ram=1K"], "budget of 1024 bytes"),
              (text, ["--ram=2M"], "budget of 2097152 bytes"), (annotated, [], "budget of 64 bytes"),
              (annotated, ["--ram=100"], "budget of 100 bytes"),
              (annotated.replace("64", "1K").replace("    a =", "    @ram(80) a ="), [], "budget of 80 bytes")]
    problems = [f"options: {options} of {source}: no `{text}`" for source, options, text in wanted if text not in report(source, *options)[1]]
    for source, options in ((text, ["--ram=4"]), (text, ["--ram=1G"]), (text, ["--ram=-1"]), (text, ["--ram="]),
                            (annotated.replace("@ram(64)", "@ram(64Q)"), []), (annotated.replace("@ram(64)", "@ram(4 + 4)"), [])):
        code, said = report(source, *options)
        if code != 1 or "internal" in said:
            problems.append(f"options: {options} of {source}: exit code {code}: {said}")
    return problems


def check_json(mlrc, folder):
    """`report --json` holds what the text says."""
    path = folder / "main.mlr"
    path.write_text(PROGRAMS["smoother"][0])

    def report(*more):
        return subprocess.run([str(mlrc), "report", str(path), "--ram=400", *more], capture_output=True, text=True, check=True).stdout
    text, data = report(), json.loads(report("--json"))
    points = [(str(p["bytes"]), str(p["checkpoints"] or "none"), str(p["block"] or "-"), str(p["instants_again"]), f"{p['forward']:.2f}")
              for p in data["trade"]["points"]]
    rows = re.findall(r"^\s+(\d+)\s+(\d+|none)\s+(\d+|-)\s+(\d+)\s+([\d.]+)x$", text, re.M)
    stored = [f"`{s['name']}` (line {s['line']}, " for s in data["trade"]["stored"] if s["name"] and s["line"]]
    stored += [f"bytes stay stored ({s['why']}): " for s in data["trade"]["stored"]]
    budget, said = data["budget"], re.search(r"budget of (\d+) bytes: state and scratch take (\d+)\n  (\d+) checkpoints of (\d+) bytes", text)
    sweep = budget["sweeps"][0]
    problems = [] if points == rows and len(rows) > 3 else [f"json: the trade is {points}, in the text {rows}"]
    problems += [f"json: the text does not say: {s}" for s in stored if s not in text]
    if [str(n) for n in (budget["limit"], budget["bytes"], sweep["checkpoints"], sweep["bytes_each"])] != list(said.groups()):
        problems.append(f"json: the budget is {budget}, in the text {said[0]}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    mlrc = options.mlrc.resolve()
    problems = []
    for name in options.only or PROGRAMS:
        if name not in PROGRAMS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                problems += check_program(mlrc, name, pathlib.Path(folder))
            except (engines.EngineError, subprocess.CalledProcessError) as error:
                problems.append(f"{name}: {error}")
    for name, check in (("counts", check_counts), ("options", check_options), ("json", check_json)):
        if not options.only or name in options.only:
            with tempfile.TemporaryDirectory() as folder:
                problems += check(mlrc, pathlib.Path(folder))
    for p in problems:
        print("FAILED", p)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
