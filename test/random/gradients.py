#!/usr/bin/env python3
"""Derivatives of random programs: the same bits in interpreter, JIT and C, central differences, and the dot-product test.

usage: gradients.py MLRC [--count 40] [--seed 0] [--keep FOLDER]

A program is a random node `f` of the whole reactive language in f64 (generate.py), called in a scan of `main` that starts afresh at each
instant of the base clock: one run over many instants evaluates it at all places that the differences need. Of the outputs a scalar l
is made, and `main` gives, in a shape drawn at random, gradients of l with respect to inputs, tuples and structs, `vjp` and `jvp` of the
outputs, their Jacobian, gradients taken at each instant of the scan (under clocks, in arms, resets and states too), and gradients of gradients.

A coordinate is compared only where two step sizes agree on the difference quotient and both sides on the slope; the others are counted.
"""
import argparse
import collections
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import engines  # noqa: E402
import expressions  # noqa: E402
import library  # noqa: E402
from generate import Program, random_stream  # noqa: E402
from region import Var  # noqa: E402
from scalars import tensor  # noqa: E402

RELATIVE, DOT = 1e-6, 1e-12
# Where a derivative is refused: by the rule of causality, for want of sweeps, and by R20.7.
REFUSALS = {"error[causality-cycle]": "by the causality rule", "no sequence of sweeps": "for want of sweeps",
            "a derivative cannot be taken": "by rule R20.7"}

# Bounded and smooth almost everywhere; no texts of special values.
expressions.RAW = ["sin({})", "tanh({})", "exp(min({}, 2.0))", "erf({})", "sign({})", "asin(0.3 * sin({}))", "tan(0.5 * tanh({}))",
                   "log2(1.0 + abs({}))", "cosh(tanh({}))"]
expressions.BITS = {}


def double(text):
    """All floats in f64."""
    return re.sub(r"\b(f32|f16|bf16)\b", "f64", text)


class Differentiated(Program):
    """`self.given`: inputs of f; `self.varied`: those with derivatives, all of floats; `self.length`: instants of the scan."""

    def __init__(self, seed):
        super().__init__(seed)
        self.length = self.r.choice([1, 2, 3, 4])
        self.budget = self.r.choice([2, 4, 6, 8])
        self.in_scan = self.r.random() < 0.5
        self.nested = self.r.random() < 0.3
        self.batch = self.r.choice([0, 0, 2, 3])

    def palette(self):
        super().palette()
        self.shapes = [h for h in self.shapes if self.count(h) <= 12] + [(), (self.r.choice([1, 2, 3, 4]),)]
        self.scalars = ["f32", "f64", "f64"] + self.r.sample(["i32", "bool", "f64"], 2)

    def inputs_of(self, name):
        floats = [s for s in self.structs if self.all_floats(s)]
        small = lambda: self.r.choice([h for h in self.shapes if self.count(h) <= 6])
        found = [(Var(self.fresh("x"), "f64", small(), -1), None) for _ in range(self.r.randrange(1, 3))]
        if floats and self.r.random() < 0.7: found.append((Var(self.fresh("x"), self.r.choice(floats), (), -1), None))
        found.append((Var(self.fresh("x"), *self.type(), -1), None))
        return found

    def float_operator(self, scalar, sub, other, kind):
        """Without divisions by zero: the derivative of what is infinite and bounded again is none."""
        if 0.72 <= kind < 0.74: return f"({sub()} {self.r.choice(['/', '%'])} (1.5 + abs({other()})))"
        return super().float_operator(scalar, sub, other, kind)

    def outputs_on_clocks(self, name, region, inputs):
        return []

    def node_f(self):
        """Declares `f`; false where nothing that it gives has a derivative."""
        self.declare_types()
        for _ in range(self.r.choice([0, 0, 1])): self.table()
        for _ in range(self.r.choice([0, 1, 2])): self.fun()
        self.library()
        self.uses_random = False
        inputs, outputs, region = self.node("f", self.in_scan)
        if not outputs: return False
        self.given = [v for v, _ in inputs]
        self.results = [v for v, _ in self.declare("f", inputs, outputs, region)]
        self.varied = [v for v in self.given if v.scalar in ("f32", "f64") or v.scalar in self.structs and self.all_floats(v.scalar)]
        self.values = [(f"z{i}{path}", f"y{i}_{k}", shape) for i, v in enumerate(self.results)
                       for k, (path, scalar, shape) in enumerate(self.leaves(v.scalar, v.shape)) if scalar in ("f32", "f64", "f16", "bf16")]
        return bool(self.values)

    def call(self, *rest):
        if rest: return super().call(*rest)
        names = [f"z{i}" for i in range(len(self.results))]
        return f"{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'} = f({', '.join(v.name + '_t' for v in self.given)});"

    def term(self, name, shape):
        """A scalar of one value."""
        if not shape: return f"tanh(0.5 * {name})"
        axes = ", ".join(f"k{i}" for i in range(len(shape)))
        return f"sum(tanh(0.5 * {name}[{axes}]) for {', '.join(f'k{i} < {n}' for i, n in enumerate(shape))})"

    def placed(self, lines):
        """The lines at the scan's time or in a block; what they define is `e` and `g_*` of every instant."""
        r, names = self.r, ["e"] + [f"g_{v.name}" for v in self.varied]
        body = lines
        kind = r.choice(["plain", "plain", "if", "when", "every", "reset", "automaton"])
        other = ["e = 0.0;"] + [f"g_{v.name} = 0.0;" for v in self.varied]
        indent = lambda ls: ["  " + l for l in ls]
        if kind == "if": return ["if b {", *indent(body), "} else {", *indent(other), "}"]
        if kind == "reset": return ["reset {", *indent(body), "} every b;"]
        if kind == "automaton":
            return ["automaton {", "  state S {", *indent(indent(body)), "    until b then T;", "  }", "  state T {", *indent(indent(other)),
                    f"    until true {r.choice(['then', 'continue'])} S;", "  }", "}"]
        if kind in ("when", "every"):
            clock, on = ("b", "b") if kind == "when" else ("every 2 at 0", "t % 2 == 0")
            renamed = [re.sub(r"\b(e|g_x\d+)\b", r"\1_c", line) for line in body]
            return [f"when {clock} {{", *indent(renamed), "}"] + [f"{n} = if {on} then hold({n}_c, 0.0) else 0.0;" for n in names]
        return body

    def main(self):
        """Text of `main`, and what is to be compared: self.outer, self.inner, self.pairs."""
        r, n = self.r, self.length
        rows = lambda v: tensor(v.scalar, (n, *v.shape))
        self.at_instants = not self.in_scan and not self.batch and r.random() < 0.6
        ins = [f"{v.name}: {rows(v)}" for v in self.given] + [f"bs: bool[{n}]"]
        samples = [f"{v.name}_t = {v.name}[t];" for v in self.given] + ["b = bs[t];"]
        scalar_of = " + ".join(self.term(name, shape) for name, _, shape in self.values)
        stacks = [f"{y}[t] = {z};" for z, y, _ in self.values]
        call = self.call()
        if self.at_instants:
            # The variable of the derivative is of the scan: x moved by d, which is zero.
            moved = [v for v in self.varied if v.scalar == "f64"]
            self.varied = moved
            ins += [f"d_{v.name}: {rows(v)}" for v in moved]
            samples = [s if not any(s.startswith(v.name + "_t") for v in moved) else s[:-1] + f" + d_{s.split('_t')[0]}[t];" for s in samples]
            body = [call, f"e = {scalar_of};"]
            if len(moved) > 1 and r.random() < 0.5:
                body.append(f"({', '.join('g_' + v.name for v in moved)}) = grad(e, ({', '.join(v.name + '_t' for v in moved)}));")
            else:
                body += [f"g_{v.name} = grad(e, {v.name}_t);" for v in moved]
            lines = samples + self.placed(body) + ["es[t] = e;"] + [f"gs_{v.name}[t] = g_{v.name};" for v in moved]
            outs = [f"es: f64[{n}]"] + [f"gs_{v.name}: {rows(v)}" for v in moved]
            text = ["scan t < %d {" % n, *("  " + line for line in lines), "}"]
            if self.nested:
                text.append("m = " + " + ".join(f"sum(tanh(gs_{v.name}) * gs_{v.name})" for v in moved) + " + sum(es);")
                text += [f"h_{v.name} = grad(m, {v.name});" for v in moved]
                outs += ["m: f64"] + [f"h_{v.name}: {rows(v)}" for v in moved]
            return ins, outs, text, ""
        scan = ["scan t < %d {" % n, *("  " + line for line in samples + [call] + stacks), "}"]
        ys = [(y, (n, *shape)) for _, y, shape in self.values]
        node = ""
        if self.batch:  # instances side by side: the first value of each
            y, shape = ys[0]
            heads = ", ".join(f"{v.name}: {rows(v)}" for v in self.given)
            node = f"node side({heads}, bs: bool[{n}]) -> ({y}: {tensor('f64', shape)}) {{\n  " + "\n  ".join(l for l in scan if not any(f"{o}[t]" in l for o, _ in ys[1:])) + "\n}\n"
            one = r.choice(self.varied)
            ins = [f"{v.name}: {tensor(v.scalar, (self.batch, n, *v.shape) if v is one else (n, *v.shape))}" for v in self.given] + [f"bs: bool[{n}]"]
            scan = [f"{y} = [side({', '.join(v.name + '[k]' * (v is one) for v in self.given)}, bs) for k < {self.batch}];"]
            ys = [(y, (self.batch, *shape))]
            self.batched = one
        else:
            self.batched = None
        of = lambda v: tensor(v.scalar, ((self.batch,) if v is self.batched else ()) + (n, *v.shape))
        text = scan + ["l = " + " + ".join(self.term(y, shape) for y, shape in ys) + ";"]
        outs = ["l: f64"] + [f"d_{v.name}: {of(v)}" for v in self.varied]
        if len(self.varied) > 1 and r.random() < 0.4:
            text.append(f"({', '.join('d_' + v.name for v in self.varied)}) = grad(l, ({', '.join(v.name for v in self.varied)}));")
        else:
            text += [f"d_{v.name} = grad(l, {v.name});" for v in self.varied]
        y, shape = r.choice(ys)
        v = r.choice(self.varied)
        ins += [f"cot: {tensor('f64', shape)}", f"tan: {of(v)}"]
        text += [f"v_dot = vjp({y}, {v.name}, cot);", f"j_dot = jvp({y}, {v.name}, tan);"]
        outs += [f"v_dot: {of(v)}", f"j_dot: {tensor('f64', shape)}"]
        self.dot = v
        if self.nested:
            leaves = self.leaves(v.scalar, ())
            squares = " + ".join(f"sum(tanh(d_{v.name}{path}) * d_{v.name}{path})" for path, _, _ in leaves)
            text += [f"m = {squares} + sum(j_dot * j_dot);", *(f"h_{w.name} = grad(m, {w.name});" for w in self.varied)]
            outs += ["m: f64"] + [f"h_{w.name}: {of(w)}" for w in self.varied]
        return ins, outs, text, node

    def generate(self):
        if not self.node_f(): return None
        ins, outs, text, node = self.main()
        if not self.varied: return None
        head = f"node main({', '.join(ins)}) -> ({', '.join(outs)}) {{\n"
        imports = [f"import {self.module};\n"] * bool(self.module_text)
        return double("\n".join(imports + self.text + [node + head + "\n".join("  " + line for line in text) + "\n}\n"]))


class Points:
    """Inputs of `main`: a base point, and moved copies of it."""

    def __init__(self, program, seed):
        self.rng, self.program = np.random.default_rng(seed), program
        self.base, n = {}, program.length
        for v in program.given:
            lead = ((program.batch,) if v is getattr(program, "batched", None) else ()) + (n,)
            for path, scalar, shape in program.leaves(v.scalar, v.shape):
                if scalar in ("f32", "f64", "f16", "bf16"): self.base[v.name + path] = self.rng.normal(0, 1, (*lead, *shape))
                else: self.base[v.name + path] = random_stream(self.rng, program.enums, scalar, (*lead, *shape), 0)
        self.base["bs"] = self.rng.random(n) < 0.6
        if program.at_instants:
            for v in program.varied: self.base[f"d_{v.name}"] = np.zeros((n, *v.shape))
        self.rows, self.places = [self.base], []

    def add(self, name, k, step):
        """Rows moved by step and half of it, to both sides."""
        at = len(self.rows)
        for h in (step, -step, step / 2, -step / 2):
            row = dict(self.base)
            row[name] = np.array(row[name])
            row[name].flat[k] += h
            self.rows.append(row)
        self.places.append((name, k, step, at))

    def choose(self, names, most):
        """Coordinates to vary: some of all of these inputs."""
        every = [(name, k) for name in names for k in range(self.base[name].size)]
        for i in self.rng.permutation(len(every))[:most]:
            name, k = every[i]
            self.add(name, k, 2e-5 * max(1.0, abs(float(self.base[name].flat[k]))))

    def streams(self):
        return {name: np.stack([row[name] for row in self.rows]) for name in self.base}


def slope(value, at, step):
    """(central difference quotient, whether it can be trusted)."""
    f0, up, down, half_up, half_down = (float(value[i]) for i in (0, at, at + 1, at + 2, at + 3))
    whole, half = (up - down) / (2 * step), (half_up - half_down) / step
    scale = max(abs(whole), abs(half), 1e-4 * (1 + abs(f0)))
    forward, backward = (half_up - f0) / (step / 2), (f0 - half_down) / (step / 2)
    good = np.isfinite([f0, whole, half]).all() and abs(whole - half) <= 2e-7 * scale and abs(forward - backward) <= 1e-3 * scale
    return half + (half - whole) / 3, good, scale


class Outcome:
    def __init__(self):
        self.compared, self.skipped, self.dots, self.skipped_dots = 0, 0, 0, 0
        self.worst = 0.0

    def compare(self, value, gradient, place, what):
        """None, or what is wrong."""
        name, k, step, at = place
        want, good, scale = slope(value, at, step)
        if not good:
            self.skipped += 1
            return None
        self.compared += 1
        error = abs(gradient - want) / scale
        if error <= RELATIVE:
            self.worst = max(self.worst, error)
            return None
        return f"{what} of {name} at {k}: {gradient!r}, by differences {want!r}"


def compare(program, points, out, outcome):
    """What is wrong, or None."""
    n = program.length
    for place in points.places:
        name, k, step, at = place
        if program.at_instants and name.startswith("d_"):
            t = k // (points.base[name].size // n)
            wrong = outcome.compare(out["es"][:, t], out["gs_" + name[2:]][0].flat[k], place, "gradient at an instant")
        elif not program.at_instants:
            wrong = outcome.compare(out["l"], out["d_" + name][0].flat[k], place, "gradient")
        else:
            wrong = None
        if not wrong and "m" in out and "h_" + name in out:
            wrong = outcome.compare(out["m"], out["h_" + name][0].flat[k], place, "gradient of gradients")
        if wrong: return wrong
    if "j_dot" not in out: return None
    dot = program.dot
    paths = [path for path, _, _ in program.leaves(dot.scalar, ())]
    left = np.concatenate([(out["v_dot" + p][0] * points.base["tan" + p]).ravel() for p in paths])
    right = (out["j_dot"][0] * points.base["cot"]).ravel()
    size = np.abs(left).sum() + np.abs(right).sum()
    if not np.isfinite(size):
        outcome.skipped_dots += 1
        return None
    outcome.dots += 1
    if abs(left.sum() - right.sum()) <= DOT * size: return None
    return f"<vjp, t> = {left.sum()!r}, <c, jvp> = {right.sum()!r}, terms {size:.3g}"


def one(mlrc, seed, folder):
    """('ok' | 'empty' | 'refused ..' | 'FAILED', message, Outcome)"""
    program, outcome = Differentiated(seed), Outcome()
    text = program.generate()
    if text is None: return "empty", "", outcome
    path = folder / "p.mlr"
    path.write_text(text)
    for name, module in program.files().items(): (folder / name).write_text(double(module))
    points = Points(program, seed)
    if not program.at_instants: add_directions(program, points, text)
    names = [v.name + p for v in program.varied for p, _, _ in program.leaves(v.scalar, ())]
    points.choose([f"d_{name}" for name in names] if program.at_instants else names, 12)
    if program.at_instants and program.nested: points.choose(names, 8)
    streams = points.streams()
    np.savez(folder / "in.npz", **streams)
    try:
        found = {e: engines.mlrc_run(mlrc, e, path, "main", inputs=[folder / "in.npz"]) for e in ("run", "interp")}
        (folder / "c").mkdir(exist_ok=True)
        found["gcc"] = engines.c_run(*engines.build_c(mlrc, path, folder / "c", "gcc", "main", flags=["-O1"]), streams, len(points.rows))
    except engines.EngineError as error:
        refused = next((why for text, why in REFUSALS.items() if text in str(error) and "exit code 1\n" in str(error)), None)
        return f"refused {refused}" if refused else "FAILED", str(error)[:3000], outcome
    for engine, outputs in found.items():
        for key, value in found["run"].items():
            if not engines.same_bits(value, outputs[key]):
                return "FAILED", f"run and {engine} differ in {key} " + engines.first_difference(value, outputs[key]), outcome
    wrong = compare(program, points, found["run"], outcome)
    return ("FAILED", wrong, outcome) if wrong else ("ok", "", outcome)


def add_directions(program, points, text):
    """Cotangent and tangent of the dot-product test."""
    head = text[text.index("node main("):]
    shape = re.search(r"\bcot: f64(?:\[([\d, ]*)\])?", head).group(1)
    points.base["cot"] = points.rng.normal(0, 1, [int(n) for n in shape.split(",")] if shape else [])
    for path, _, _ in program.leaves(program.dot.scalar, ()):
        points.base["tan" + path] = points.rng.normal(0, 1, points.base[program.dot.name + path].shape)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    options = parser.parse_args()
    tally, total, ended = collections.Counter(), Outcome(), []
    for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, lambda *_: ended.append(True))
    for seed in range(options.seed, options.seed + options.count):
        if ended: break
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome, message, found = one(options.mlrc.resolve(), seed, pathlib.Path(folder))
            except subprocess.TimeoutExpired as error:
                outcome, message, found = "FAILED", str(error), Outcome()
            if outcome == "FAILED" and options.keep:
                (options.keep / str(seed)).mkdir(parents=True, exist_ok=True)
                for file in pathlib.Path(folder).glob("*.*"): (options.keep / str(seed) / file.name).write_bytes(file.read_bytes())
        tally[outcome] += 1
        for field in ("compared", "skipped", "dots", "skipped_dots"): setattr(total, field, getattr(total, field) + getattr(found, field))
        total.worst = max(total.worst, found.worst)
        if outcome == "FAILED": print(f"seed {seed}: {message}\n", flush=True)
    print(f"seeds {options.seed} to {options.seed + sum(tally.values()) - 1}; {tally['empty']} without anything to differentiate")
    for why in REFUSALS.values(): print(f"{tally[f'refused {why}']} refused {why}")
    print(f"{total.compared} coordinates within {total.worst:.1e} of differences, {total.skipped} without a difference quotient to trust; "
          f"{total.dots} dot products, {total.skipped_dots} of them not finite")
    print(f"{tally['ok']} passed, {tally['FAILED']} failed")
    return 1 if tally["FAILED"] or tally["ok"] < options.count // 3 else 0


if __name__ == "__main__":
    sys.exit(main())
