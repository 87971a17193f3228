#!/usr/bin/env python3
"""Derivatives of random programs: the same bits in interpreter, JIT and, for every fourth, C; dual numbers, central differences, and the dot-product test.

usage: gradients.py MLRC [--count 40] [--seed 0] [--keep FOLDER] [--coverage]

A program (differentiated.py) is a random node `f` of the whole reactive language in f64, which may call the standard library and nodes that
take derivatives themselves, called in a scan of `main` that starts afresh at each instant of the base clock: one run over many instants
evaluates it at all places that the differences need. Of the outputs a scalar l is made, and `main` gives, in a shape drawn at random, gradients
of l with respect to inputs, parameters, tuples and structs, `vjp` and `jvp` of the outputs, their Jacobian, Hessians and their products with a
direction, gradients taken at each instant of the scan (under clocks, in arms, resets and states too), of instances side by side, in steps of
descent within an outer scan, and gradients of gradients. A fifth of the programs runs with the smallest memory budget (`--ram`) as well.

Dual numbers (`interp --check-gradients`) check each derivative at each instant. Of central differences a coordinate is compared only where two
step sizes agree on the quotient and both sides on the slope; the others are counted. With --coverage, prints what the derivatives went through.
"""
import argparse
import collections
import itertools
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
from differentiated import FLOATS, differentiated  # noqa: E402
from generate import random_stream  # noqa: E402

RELATIVE, DOT, SECOND = 1e-6, 1e-12, 1e-10
FLOOR = 1e-2  # magnitude below which a sum of products of numbers of the order of 1 may be what rounding left of them
OTHERS = 2  # points besides the one at which differences are taken; dual numbers are compared at all of these
# Where a derivative is refused: by the rule of causality, for want of sweeps, and by R20.7.
REFUSALS = {"error[causality-cycle]": "by the causality rule", "no sequence of sweeps": "for want of sweeps",
            "a derivative cannot be taken": "by rule R20.7"}


class Points:
    """Inputs of `main`: a base point, others, and moved copies of the base point."""

    def __init__(self, program, seed, text):
        self.rng, self.program = np.random.default_rng(seed), program
        self.rows, self.places = [], []
        for _ in range(1 + OTHERS):
            self.rows.append({})
            self.fill(self.rows[-1], text)
        self.base = self.rows[0]

    def fill(self, row, text):
        program = self.program
        for v in program.given:
            lead = program.rows(v)[:len(program.rows(v)) - len(v.shape)]
            for path, scalar, shape in program.leaves(v.scalar, v.shape):
                if scalar in FLOATS: row[v.name + path] = self.rng.normal(0, 1, (*lead, *shape))
                else: row[v.name + path] = random_stream(self.rng, program.enums, scalar, (*lead, *shape), 0) if lead + shape else self.one(scalar)
        row["bs"] = self.rng.random(program.length) < 0.6
        if program.at_instants:
            for v in program.varied: row[f"d_{v.name}"] = np.zeros(program.rows(v))
        else: self.directions(row, text)

    def one(self, scalar):
        return random_stream(self.rng, self.program.enums, scalar, (1,), 0)[0]

    def directions(self, row, text):
        """Cotangent and tangent of the dot-product test."""
        shape = re.search(r"\bcot: f64(?:\[([\d, ]*)\])?", text[text.index("node main("):]).group(1)
        row["cot"] = self.rng.normal(0, 1, [int(n) for n in shape.split(",")] if shape else [])
        for path, _, _ in self.program.leaves(self.program.dot.scalar, ()):
            row["tan" + path] = self.rng.normal(0, 1, np.shape(row[self.program.dot.name + path]))

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
        every = [(name, k) for name in names for k in range(np.size(self.base[name]))]
        for i in self.rng.permutation(len(every))[:most]:
            name, k = every[i]
            self.add(name, k, 2e-5 * max(1.0, abs(float(np.asarray(self.base[name]).flat[k]))))

    def streams(self):
        return {name: np.stack([row[name] for row in self.rows]) for name in self.base}


def slope(value, at, step):
    """(central difference quotient, whether it can be trusted, its scale)."""
    f0, up, down, half_up, half_down = (float(value[i]) for i in (0, at, at + 1, at + 2, at + 3))
    whole, half = (up - down) / (2 * step), (half_up - half_down) / step
    scale = max(abs(whole), abs(half), 1e-4 * (1 + abs(f0)))
    forward, backward = (half_up - f0) / (step / 2), (f0 - half_down) / (step / 2)
    good = np.isfinite([f0, whole, half]).all() and abs(whole - half) <= 2e-7 * scale and abs(forward - backward) <= 1e-3 * scale
    return half + (half - whole) / 3, good, scale


class Outcome:
    """What was compared; `nonzero`: differences of which the derivative is not zero."""
    COUNTS = ("compared", "skipped", "nonzero", "dots", "skipped_dots", "seconds", "duals", "without_duals")

    def __init__(self):
        for field in self.COUNTS: setattr(self, field, 0)
        self.worst = self.worst_dual = 0.0

    def add(self, other):
        for field in self.COUNTS: setattr(self, field, getattr(self, field) + getattr(other, field))
        self.worst, self.worst_dual = max(self.worst, other.worst), max(self.worst_dual, other.worst_dual)

    def compare(self, value, gradient, place, what):
        """None, or what is wrong."""
        name, k, step, at = place
        want, good, scale = slope(value, at, step)
        if not good:
            self.skipped += 1
            return None
        self.compared += 1
        self.nonzero += bool(gradient)
        error = abs(gradient - want) / scale
        if error <= RELATIVE:
            self.worst = max(self.worst, error)
            return None
        return f"{what} of {name} at {k}: {gradient!r}, by differences {want!r}"


def close(left, right, size, tolerance, what):
    """None where two sums of terms of magnitudes `size` are equal, else what is wrong."""
    finite = np.isfinite(size)
    wrong = finite & ~(np.abs(left - right) <= tolerance * (size + FLOOR))
    return f"{what}: {left[wrong][0]!r} and {right[wrong][0]!r}, terms {size[wrong][0]:.3g}" if wrong.any() else None


def compare(program, points, out, outcome):
    """What is wrong, or None."""
    for place in points.places:
        name, k, step, at = place
        if program.at_instants and name.startswith("d_"):
            t = k // (points.base[name].size // program.length)
            wrong = outcome.compare(out["es"][:, t], out["gs_" + name[2:]][0].flat[k], place, "gradient at an instant")
        elif not program.at_instants: wrong = outcome.compare(out["l"], out["d_" + name][0].flat[k], place, "gradient")
        else: wrong = None
        if not wrong and "m" in out and "h_" + name in out:
            wrong = outcome.compare(out["m"], out["h_" + name][0].flat[k], place, "gradient of gradients")
        if wrong: return wrong
    return None if program.at_instants else compare_forms(program, points.base, out, outcome)


def compare_forms(program, base, out, outcome):
    """The forms of derivatives with one another: `vjp` and `jvp`, the Jacobian with both, the Hessian and its product."""
    dot = program.dot
    paths = [path for path, _, _ in program.leaves(dot.scalar, ())]
    left = np.concatenate([(out["v_dot" + p][0] * base["tan" + p]).ravel() for p in paths])
    right = (out["j_dot"][0] * base["cot"]).ravel()
    size = np.abs(left).sum() + np.abs(right).sum()
    if np.isfinite(size): outcome.dots += 1
    else: outcome.skipped_dots += 1
    wrong = close(np.atleast_1d(left.sum()), np.atleast_1d(right.sum()), np.atleast_1d(size), DOT, "<vjp, t> and <c, jvp>")
    if not wrong and "jac" in out:
        rows, columns = np.size(base["cot"]), np.size(base["tan"])
        jac = out["jac"][0].reshape(rows, columns)
        sums = lambda m, x: (m @ x, np.abs(m) @ np.abs(x))
        (j_dot, j_size), (v_dot, v_size) = sums(jac, np.ravel(base["tan"])), sums(jac.T, np.ravel(base["cot"]))
        # what was cancelled within an element does not show in its size
        wrong = (close(j_dot, out["j_dot"][0].ravel(), j_size + j_size.max(initial=0), 100 * DOT, "Jacobian and jvp")
                 or close(v_dot, out["v_dot"][0].ravel(), v_size + v_size.max(initial=0), 100 * DOT, "Jacobian and vjp"))
    if not wrong and "hess" in out:
        outcome.seconds += 1
        n = np.size(base["tan"])
        hess = out["hess"][0].reshape(n, n)
        size = np.abs(hess).max(initial=0) + np.abs(out["l"][0]) + np.abs(out["hv"][0]).max(initial=0)
        sizes = np.full(n * n, size)
        wrong = (close(hess.ravel(), hess.T.ravel(), sizes, SECOND, "Hessian and its transpose")
                 or close(hess @ np.ravel(base["tan"]), out["hv"][0].ravel(), sizes[:n], SECOND, "Hessian and its product"))
    if not wrong and "gs_own" in out:  # of an instance, and of the sum of all
        every = "d_" + program.batched.name
        one, whole = out["gs_own"][0].ravel(), out[every][0].ravel()
        wrong = close(one, whole, np.full(one.size, np.abs(whole).max(initial=0)), DOT, "an instance's own gradient and that of the sum")
    return wrong


def dual_numbers(message, outcome):
    """Counts what the interpreter compared; what it found wrong."""
    for error, count in re.findall(r"agrees with dual numbers to ([\d.e+-]+), (\d+) compared", message):
        outcome.duals += int(count)
        outcome.worst_dual = max(outcome.worst_dual, float(error))
    return "\n".join(line for line in message.split("\n") if "is not what dual numbers say" in line)


def interpreted(mlrc, program, path, inputs, outcome):
    """Outputs of the interpreter at the first instants, with each derivative compared with dual numbers."""
    out = path.parent / "interp.npz"
    command = [str(mlrc), "interp", str(path), "--node", "main", "--input", str(inputs), "--output", str(out), "--quiet", "--steps", str(1 + OTHERS),
               f"--check-gradients{program.directions}"]
    try: done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:  # dual numbers of nested derivatives have as many coefficients as there are sets of tags
        outcome.without_duals += 1
        done = subprocess.run(command[:-1], capture_output=True, text=True, timeout=300)
    wrong = dual_numbers(done.stderr, outcome)
    if done.returncode or wrong: raise engines.EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{wrong or done.stderr}")
    with np.load(out) as z: return {k: z[k] for k in z.files}


def least_budget(mlrc, path):
    """The smallest memory budget of a program, in bytes."""
    refused = subprocess.run([str(mlrc), "build", str(path), "--after=buffers", "--ram=0"], capture_output=True, text=True, timeout=300)
    found = re.search(r"the least possible is (\d+)", refused.stderr)
    return found and found[1]


def outputs_of(mlrc, program, points, path, outcome):
    """{engine: outputs}"""
    folder, inputs = path.parent, path.parent / "in.npz"
    streams = points.streams()
    np.savez(inputs, **streams)
    found = {"run": engines.mlrc_run(mlrc, "run", path, "main", inputs=[inputs]), "interp": interpreted(mlrc, program, path, inputs, outcome)}
    if program.in_c:
        (folder / "c").mkdir(exist_ok=True)
        found["gcc"] = engines.c_run(*engines.build_c(mlrc, path, folder / "c", "gcc", "main", flags=["-O0"]), streams, len(points.rows))
        program.taken.add("in C")
    budget = least_budget(mlrc, path) if program.budgeted else None
    if budget:
        found[f"run --ram={budget}"] = engines.mlrc_run(mlrc, "run", path, "main", inputs=[inputs], extra=[f"--ram={budget}"])
        program.taken.add("with the smallest budget")
    return found


def one(mlrc, seed, folder):
    """('ok' | 'empty' | 'refused ..' | 'FAILED', message, Outcome, program)"""
    outcome = Outcome()
    program, text = differentiated(seed)
    if text is None: return "empty", "", outcome, program
    path = folder / "p.mlr"
    path.write_text(text)
    for name, module in program.files().items(): (folder / name).write_text(module)
    points = Points(program, seed, text)
    names = [v.name + p for v in program.varied for p, _, _ in program.leaves(v.scalar, ())]
    points.choose([f"d_{name}" for name in names] if program.at_instants else names, 6 if program.form == "learning" else 8)
    if program.at_instants and program.nested: points.choose(names, 6)
    try: found = outputs_of(mlrc, program, points, path, outcome)
    except engines.EngineError as error:
        refused = next((why for text, why in REFUSALS.items() if text in str(error) and "exit code 1\n" in str(error)), None)
        return f"refused {refused}" if refused else "FAILED", str(error)[:3000], outcome, program
    for engine, outputs in found.items():
        for key, value in found["run"].items():
            value = value[:len(outputs[key])]
            if not engines.same_bits(value, outputs[key]):
                return "FAILED", f"run and {engine} differ in {key} " + engines.first_difference(value, outputs[key]), outcome, program
    wrong = compare(program, points, found["run"], outcome)
    return ("FAILED", wrong, outcome, program) if wrong else ("ok", "", outcome, program)


class Coverage:
    """In how many programs a derivative that is not zero goes through a feature."""

    def __init__(self):
        self.path, self.taken, self.pairs, self.programs = collections.Counter(), collections.Counter(), set(), 0

    def add(self, program):
        path = {"standard library: " + re.sub(r"^s\d+_", "", f).replace("_", ".", 1) if re.match(r"s\d+_", f) else f for f in program.path}
        self.programs += 1
        self.path.update(path)
        self.taken.update(program.taken)
        self.pairs |= {frozenset(p) for p in itertools.combinations(sorted(f for f in path if ":" not in f), 2)}

    def text(self):
        listed = lambda counts: ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])))
        library = {k.split(": ")[1]: n for k, n in self.path.items() if ":" in k}
        own = {k: n for k, n in self.path.items() if ":" not in k}
        return (f"{self.programs} programs with derivatives that are not zero; through: {listed(own)}\n"
                f"pairs of these {len(own)} features in one differentiated function: {len(self.pairs)} of {len(own) * (len(own) - 1) // 2}\n"
                f"library and derivatives inside: {listed(library)}\nderivatives: {listed(self.taken)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    parser.add_argument("--coverage", action="store_true", help="print what the derivatives went through")
    options = parser.parse_args()
    tally, total, coverage, ended = collections.Counter(), Outcome(), Coverage(), []
    for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, lambda *_: ended.append(True))
    for seed in range(options.seed, options.seed + options.count):
        if ended: break
        with tempfile.TemporaryDirectory() as folder:
            try: outcome, message, found, program = one(options.mlrc.resolve(), seed, pathlib.Path(folder))
            except subprocess.TimeoutExpired as error: outcome, message, found, program = "FAILED", str(error), Outcome(), None
            if outcome == "FAILED" and options.keep:
                (options.keep / str(seed)).mkdir(parents=True, exist_ok=True)
                for file in pathlib.Path(folder).glob("*.*"): (options.keep / str(seed) / file.name).write_bytes(file.read_bytes())
        tally[outcome] += 1
        total.add(found)
        if outcome == "ok" and found.nonzero: coverage.add(program)
        if outcome == "FAILED": print(f"seed {seed}: {message}\n", flush=True)
    print(f"seeds {options.seed} to {options.seed + sum(tally.values()) - 1}; {tally['empty']} without anything to differentiate")
    if options.coverage: print(coverage.text())
    for why in REFUSALS.values(): print(f"{tally[f'refused {why}']} refused {why}")
    print(f"{total.duals} derivatives within {total.worst_dual:.1e} of dual numbers ({total.without_duals} programs too slow for these); {total.compared} coordinates within {total.worst:.1e} of differences, "
          f"{total.nonzero} of them not zero, {total.skipped} without a difference quotient to trust; {total.dots} dot products, {total.skipped_dots} of them "
          f"not finite; {total.seconds} Hessians")
    print(f"{tally['ok']} passed, {coverage.programs} of them with a derivative that is not zero, {tally['FAILED']} failed")
    return 1 if tally["FAILED"] or tally["ok"] < options.count // 3 else 0


if __name__ == "__main__":
    sys.exit(main())
