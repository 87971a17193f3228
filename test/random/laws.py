#!/usr/bin/env python3
"""The laws of time and space, to the bit, on random nodes and inputs in every engine: two nodes of one program that must agree.

usage: laws.py MLRC [--count 10] [--seed 0] [--engines interp,run,gcc] [--law NAME] [--keep FOLDER]
"""
import argparse
import collections
import pathlib
import re
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import engines  # noqa: E402
from generate import Program, random_stream  # noqa: E402
from region import Region, Var  # noqa: E402
from scalars import tensor  # noqa: E402


class Law(Program):
    """A program with nodes `a` and `b`. `as_blocks`: whether the inputs and outputs of a and b have the instants of a block in an axis."""

    as_blocks = {"a": False, "b": False}

    def __init__(self, seed):
        super().__init__(seed)
        self.wanted = frozenset()
        self.n = self.r.choice([1, 2, 3, 4, 5])
        self.budget = self.r.choice([2, 4, 6])
        self.declare_types()
        for _ in range(self.r.choice([0, 1])): self.table()
        for _ in range(self.r.choice([0, 1])): self.fun()
        self.library()

    def inputs_of(self, name):
        return [(Var(self.fresh("x"), *self.type(), -1), None) for _ in range(self.r.randrange(1, 4))]

    def outputs_on_clocks(self, name, region, inputs):
        return []

    def random_node(self):
        """Declares a random node `f` with state of all kinds; nothing where it has no outputs."""
        inputs, outputs, region = self.node("f", False)
        if not outputs: return False
        self.given = [v for v, _ in inputs]
        self.results = [v for v, _ in self.declare("f", inputs, outputs, region)]
        return True

    def head(self, name, rows=False, results=None, clock=""):
        """`node NAME(inputs) -> (outputs) {`, all with an axis of n in front if `rows`."""
        of = lambda v: tensor(v.scalar, (self.n, *v.shape) if rows else v.shape)
        outputs = self.results if results is None else results
        return (f"node {name}({', '.join(f'{v.name}: {of(v)}' for v in self.given)}) -> "
                f"({', '.join(f'y{i}: {of(v)}{clock}' for i, v in enumerate(outputs))}) {{")

    def called(self, arguments, targets="z", reset=""):
        names = ", ".join(f"{targets}{i}" for i in range(len(self.results)))
        return f"{names if len(self.results) == 1 else f'({names})'} = f({', '.join(arguments)}){reset};"

    def text_of(self):
        imports = [f"import {self.module};\n"] * bool(self.module_text) + ["import random;\n"] * self.uses_random
        return "\n".join(imports + self.text)

    def add_node(self, *lines):
        self.text.append("\n".join(lines) + "\n}\n")

    def scanned(self, name, resume):
        rows = [f"    y{i}[t] = z{i};" for i in range(len(self.results))]
        self.add_node(self.head(name, True), f"  scan t < {self.n}{resume} {{", "    " + self.called([f"{v.name}[t]" for v in self.given]), *rows, "  }")


class ScanIsReset(Law):
    """A scan over an array: the node is reset, fed its elements, and what it gives is collected."""
    as_blocks = {"a": True, "b": False}

    def make(self):
        if not self.random_node(): return False
        self.scanned("a", "")
        self.add_node(self.head("b"), f"  n: i32 = 0 fby (n + 1) % {self.n};", "  start = n == 0;",
                      "  " + self.called([v.name for v in self.given], "y", " every start"))
        return True


class ResumeIsNoReset(Law):
    """A resuming scan: the node is fed the elements and never reset."""
    as_blocks = {"a": True, "b": False}

    def make(self):
        if not self.random_node(): return False
        self.scanned("a", " resume")
        self.add_node(self.head("b"), "  " + self.called([v.name for v in self.given], "y"))
        return True


class BackwardIsReversed(Law):
    """A backward scan: reverse, forward scan, reverse."""
    as_blocks = {"a": True, "b": True}

    def make(self):
        r = self.r
        self.given = [v for v, _ in self.inputs_of("f")] + [Var(self.fresh("x"), "bool", (), -1)]
        condition = self.given[-1].name
        body = []
        variables = [Var(self.fresh(), *self.type(), 0) for _ in range(r.randrange(1, 4))]
        inside = [Var(self.fresh(), *self.type(), 0) for _ in range(r.randrange(0, 3))]
        chosen = [Var(self.fresh(), *self.type(), 0) for _ in range(r.randrange(0, 2))]
        ready = [v.named(f"{v.name}_at") for v in self.given]
        for v in variables: self.pure(body, ready, variables, v, "")
        around = list(ready)
        for word, close, vs in ((f"when {condition}_at {{", "}", inside), ("reset {", "} every cut;", chosen)):
            if vs: body.append(word)
            mine = list(around)
            for v in vs: self.pure(body, mine, variables + vs, v, "  ")
            if vs: body.append(close)
            if word.startswith("reset"): ready += vs
        if r.random() < 0.7:
            u = Var(self.fresh(), *self.type(), 0)
            body.append(f"if {condition}_at {{")
            self.pure(body, list(around), variables + [u], u, "  ")
            body.append("} else {")
            self.pure(body, list(around), variables + [u], u, "  ")
            body.append("}")
            ready.append(u)
        self.results = [v for v in ready if v not in around] + variables[:2]
        for name, place in (("a", "t"), ("b", f"{self.n - 1} - t")):
            delay = (lambda m: f"({m.group(2)} eby ({self.starts[m.group(1)]}))") if name == "a" else (lambda m: f"(({self.starts[m.group(1)]}) fby {m.group(2)})")
            lines = [re.sub(r"DELAY(\d+)_(\w+?)_END", delay, line) for line in body]
            samples = [f"    {v.name}_at = {v.name}[{place}];" for v in self.given]
            # In reversed time a segment begins at what was the last instant of one.
            samples.append(f"    cut = {condition + '_at' if name == 'a' else f'false fby {condition}_at'};")
            stack = [f"    {'y' if name == 'a' else 'z'}{i}[t] = {v.name};" for i, v in enumerate(self.results)]
            turned = [] if name == "a" else [f"  y{i} = [z{i}[{self.n - 1} - i] for i < {self.n}];" for i in range(len(self.results))]
            self.add_node(self.head(name, True), f"  scan t < {self.n} {{", *samples, *("    " + line for line in lines), *stack, "  }", *turned)
        return True

    starts = {}

    def pure(self, body, ready, delayed, v, indent):
        """An equation of what is ready and of delays, which stand as DELAYn_NAME_END."""
        region = Region()
        region.groups, region.current, region.stateless = [("up", [])], 0, True
        region.captured = list(self.constants)
        for u in ready: self.add(region, u)
        for u in delayed:
            key = str(len(self.starts))
            self.starts = {**self.starts, key: self.constant(u.scalar, u.shape)}
            region.ready += [u.named(f"DELAY{key}_{u.name}_END")] * 2
        body.append(f"{indent}{v.name}: {tensor(v.scalar, v.shape)} = {self.expression(region, v.scalar, v.shape)};")
        ready.append(v)


class PackIsBuffer(Law):
    """pack, then scan: a buffer that is filled by hand."""
    as_blocks = {"a": False, "b": False}

    def make(self):
        if not self.random_node(): return False
        n, rows = self.n, [f"      z{i}[t] = q{i};" for i in range(len(self.results))]
        stacked = [Var(v.name, v.scalar, (n, *v.shape), 0) for v in self.results]
        head = lambda name: self.head(name, results=stacked, clock=f" every {n}")
        scan = lambda of: [f"    scan t < {n} {{", "      " + self.called([f"{of}{i}[t]" for i in range(len(self.given))], "q"), *rows, "    }"]
        out = [f"  y{i} = z{i};" for i in range(len(self.results))]
        self.add_node(head("a"), *(f"  p{i} = pack<<{n}>>({v.name});" for i, v in enumerate(self.given)), f"  when every {n} {{", *scan("p"), "  }", *out)
        fill = []
        for i, v in enumerate(self.given):
            of = tensor(v.scalar, (n, *v.shape))
            fill += [f"  p{i}: {of} = [if i == n then {v.name} else l{i}[i] for i < {n}];", f"  l{i}: {of} = {self.constant(v.scalar, (n, *v.shape))} fby p{i};"]
        self.add_node(head("b"), f"  n: i32 = 0 fby (n + 1) % {n};", *fill, f"  when every {n} {{", *scan("p"), "  }", *out)
        return True


class UnpackIsDelay(Law):
    """unpack(pack(x)) is x, n - 1 instants late."""

    def make(self):
        self.given = [v for v, _ in self.inputs_of("f")]
        self.results = self.given
        starts = [f"({self.constant(v.scalar, v.shape)})" for v in self.given]
        self.add_node(self.head("a"), *(f"  y{i} = unpack<<{self.n}>>(pack<<{self.n}>>({v.name}), {c});" for i, (v, c) in enumerate(zip(self.given, starts))))
        self.add_node(self.head("b"), *(f"  y{i} = {''.join([c + ' fby '] * (self.n - 1))}{v.name};" for i, (v, c) in enumerate(zip(self.given, starts))))
        return True


class EachIsCopies(Law):
    """A comprehension over a node with state: as many copies of it."""
    as_blocks = {"a": True, "b": True}

    def make(self):
        if not self.random_node(): return False
        shared = [self.r.random() < 0.3 and len(self.given) > 1 for _ in self.given]
        argument = lambda b: [f"{v.name}[{0 if s else b}]" for v, s in zip(self.given, shared)]
        # One result at a time: a node of several is called once for each.
        for i, v in enumerate(self.results):
            names = [f"q{k}" for k in range(len(self.results))]
            call = f"{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'} = f({', '.join(u.name for u in self.given)});"
            ins = ", ".join(f"{u.name}: {tensor(u.scalar, u.shape)}" for u in self.given)
            self.add_node(f"node f{i}({ins}) -> (y: {tensor(v.scalar, v.shape)}) {{", "  " + call, f"  y = q{i};")
        n = range(len(self.results))
        self.add_node(self.head("a", True), *(f"  y{i} = [f{i}({', '.join(argument('b'))}) for b < {self.n}];" for i in n))
        self.add_node(self.head("b", True), *(f"  y{i} = [{', '.join(f'f{i}({chr(44).join(argument(b))})' for b in range(self.n))}];" for i in n))
        return True


class WindowIsStream(Law):
    """What is computed on a window: the same on values that are delayed one by one."""

    def make(self):
        r = self.r
        self.given = [v for v, _ in self.inputs_of("f")]
        v = self.given[0]
        start = f"({self.constant(v.scalar, v.shape)})"
        w = Var("w", v.scalar, (self.n, *v.shape), 0)
        self.results, lines = [], []
        for i in range(r.randrange(1, 4)):
            region = Region()
            region.groups, region.current, region.stateless = [("up", [])], 0, True
            region.captured = list(self.constants)
            self.add(region, w, w, w, *self.given)
            u = Var(f"y{i}", *self.type(), 0)
            lines.append(f"  y{i} = {self.expression(region, u.scalar, u.shape)};")
            self.results.append(u)
        self.results.append(w)
        lines.append(f"  y{len(self.results) - 1} = w;")
        late = [f"  d{k} = {start} fby {f'd{k - 1}' if k else v.name};" for k in range(self.n - 1)]
        row = ", ".join([f"d{k}" for k in reversed(range(self.n - 1))] + [v.name])
        self.add_node(self.head("a"), f"  w = window<<{self.n}>>({v.name}, {start});", *lines)
        self.add_node(self.head("b"), *late, f"  w = [{row}];", *lines)
        return True


LAWS = {law.__name__: law for law in (ScanIsReset, ResumeIsNoReset, BackwardIsReversed, PackIsBuffer, UnpackIsDelay, EachIsCopies, WindowIsStream)}


def outputs_of(mlrc, engine, law, node, folder, streams, steps):
    if engine in ("interp", "run"):
        np.savez(folder / "in.npz", **streams)
        return engines.mlrc_run(mlrc, engine, folder / "p.mlr", node, inputs=[folder / "in.npz"], steps=steps)
    target = folder / f"{engine}_{node}"
    target.mkdir(exist_ok=True)
    found = engines.c_run(*engines.build_c(mlrc, folder / "p.mlr", target, engine, node, flags=["-O1"]), streams, steps)
    return {k: a[found[f"{k}_present"]] if f"{k}_present" in found else a for k, a in found.items() if not k.endswith("_present")}


def one(mlrc, law, seed, chosen, folder):
    """(outcome, message)"""
    program = law(seed)
    if not program.make(): return "empty", ""
    (folder / "p.mlr").write_text(program.text_of())
    for name, text in program.files().items(): (folder / name).write_text(text)
    n, count = program.n, 3  # blocks
    found = {}
    for engine in chosen:
        for node, in_blocks in program.as_blocks.items():
            rng = np.random.default_rng(seed)
            mixed = len(set(program.as_blocks.values())) == 2
            instants = count * n * (1 if mixed or in_blocks else 2)
            streams = {}
            for v in program.given:
                for path, scalar, shape in program.leaves(v.scalar, v.shape):
                    a = random_stream(rng, program.enums, scalar, (instants, *shape), 0.05 if seed % 3 == 0 else 0)
                    streams[v.name + path] = a.reshape(-1, n, *shape) if in_blocks else a
            steps = instants // n if in_blocks else instants
            try:
                outputs = outputs_of(mlrc, engine, program, node, folder, streams, steps)
            except engines.EngineError as error:
                if "error[causality-cycle]" in str(error): return "refused", ""
                return "FAILED", str(error)[:2000]
            if mixed and in_blocks: outputs = {k: a.reshape(-1, *a.shape[2:]) for k, a in outputs.items()}
            found[engine, node] = outputs
    reference = found[chosen[0], "a"]
    for (engine, node), outputs in found.items():
        for name, values in reference.items():
            if not engines.same_bits(values, outputs[name]):
                return "FAILED", f"`a` in {chosen[0]} and `{node}` in {engine} differ in {name} {engines.first_difference(values, outputs[name])}"
    return "ok", ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=10, help="programs for each law")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engines", default="interp,run,gcc")
    parser.add_argument("--law", choices=LAWS)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    options = parser.parse_args()
    failed = False
    for name, law in LAWS.items():
        if options.law and name != options.law: continue
        tally = collections.Counter()
        for seed in range(options.seed, options.seed + options.count):
            with tempfile.TemporaryDirectory() as folder:
                outcome, message = one(options.mlrc.resolve(), law, seed, options.engines.split(","), pathlib.Path(folder))
            tally[outcome] += 1
            if outcome == "FAILED":
                print(f"{name}, seed {seed}: {message}\n", flush=True)
                if options.keep:
                    (options.keep / f"{name}{seed}").mkdir(parents=True, exist_ok=True)
                    one(options.mlrc.resolve(), law, seed, options.engines.split(","), options.keep / f"{name}{seed}")
        print(f"{name}: {law.__doc__} {tally['ok']} passed, {tally['FAILED']} failed, {tally['refused']} refused by the causality rule", flush=True)
        failed = failed or tally["FAILED"] > 0 or tally["ok"] < options.count // 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
