#!/usr/bin/env python3
"""Random well-typed, causal, initialised MLR programs.

A region (node or scan body) is a list of groups, each with a direction. A variable refers instantaneously to variables
before it; it refers to any variable of its own group through `fby` (group upwards) or `eby` (downwards), and to the groups
before its own through any operator of time. So every cycle of dependencies has one direction and the program is causal by
construction, while chains of groups need many sweeps.

usage: generate.py SEED        prints the program of that seed
"""
import pathlib
import random
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from expressions import FLOATS, INTS, Expressions, Var, tensor  # noqa: E402


class Region:
    """The variables of one time that an expression under construction may use."""

    def __init__(self, outer=None, length=None, in_scan=False):
        self.outer, self.length, self.in_scan = outer, length, in_scan
        self.groups = []          # [(direction, [Var])]
        self.current = -1
        self.ready = []           # variables defined so far, usable instantaneously
        self.lines = []
        self.index = None
        self.captured = []        # constants of this time
        self.plain = False        # only what an `until` condition may need
        self.stateless = False    # the body of a fun

    def times(self):
        """(index, length) of this scan and those around it."""
        mine = [(self.index, self.length)] if self.index else []
        return mine + (self.outer.times() if self.outer else [])

    def delayable(self, v):
        """Whether `fby v` makes no cycle that looks both back and ahead."""
        if self.stateless or self.current < 0: return False
        if any(v is w for w in self.captured) or self.groups[self.current][0] == "up": return True
        return any(v is w for _, vs in self.groups[:self.current] for w in vs)


class Program(Expressions):
    def __init__(self, seed):
        self.r, self.seed = random.Random(seed), seed
        self.names = 0
        self.nodes = []           # (name, [(scalar, shape)] inputs, outputs, uses_end)
        self.funs = []            # (name, scalars of the inputs, scalar of the output)
        self.constants = []
        self.text = []
        self.features = set()
        self.palette()

    def steps(self):
        """Instants to run."""
        return random.Random(self.seed).choice([1, 2, 5, 9])

    def options(self):
        """Options of the compiler and the interpreter that this program is run with."""
        return ["--unfused"] if self.seed % 8 == 7 else []

    def fresh(self, stem="v"):
        """A name that hides nothing: no type is called so."""
        self.names += 1
        name = f"{stem}{self.names}"
        return self.fresh(stem) if name in FLOATS + INTS else name

    # ---- types -----------------------------------------------------------------------------------------------

    def palette(self):
        """A few types and lengths a program, so that variables find one another."""
        r = self.r
        scalars = ["f32"] * 2 + ["f64"] * 2 + ["i32"] * 2 + ["bool"] + r.sample(FLOATS + INTS, 4)
        self.scalars = r.sample(scalars, 3) + ["f32"]
        vector = (r.choice([1, 2, 3, 4, 5, 8, 16, 17, 20, 32, 33]),)
        self.lengths = [r.choice([1, 2, 3, 4, 7]), r.choice([2, 3, 4, 7, 10, 17, 24])]
        self.shapes = [()] * 4 + [vector] * 2
        if r.random() < 0.5: self.shapes.append((r.choice([1, 2, 3, 5, 8, 16]),) + vector)
        if r.random() < 0.3: self.shapes.append((r.choice([2, 3, 4, 7]),))
        if r.random() < 0.3: self.shapes.append((r.choice(self.lengths),))
        if r.random() < 0.15: self.shapes.append((r.choice(self.lengths),) + vector)
        if r.random() < 0.1: self.shapes.append((2, r.choice([2, 3]), r.choice([1, 2, 5])))
        if r.random() < 0.25: self.shapes.append((2 * vector[0],))            # a concatenation of two
        if r.random() < 0.2: self.shapes += [(6,), (2, 3), (3, 2)]            # reshapes of one another
        if r.random() < 0.15: self.shapes += [(16, 16), (16,), (r.choice([16, 20, 24, 33]), 16)]  # large products

    def scalar_type(self):
        return self.r.choice(self.scalars)

    def shape(self):
        return self.r.choice(self.shapes)

    # ---- equations -------------------------------------------------------------------------------------------------

    def fill(self, region, depth, count, large=False):
        """Adds groups of equations to a region whose ready/captured are set up."""
        r = self.r
        directions = ["up"] + [r.choice(["up", "down"] if region.in_scan else ["up"]) for _ in range(r.randrange(1, 4))]
        plan = []
        for d in directions:
            vs = [Var(self.fresh(), self.scalar_type(), self.shape(), len(plan)) for _ in range(r.randrange(1, max(2, count)))]
            plan.append((d, vs))
        if large:  # a block of thousands of instructions
            plan.append(("up", [Var(self.fresh(), "f32" if r.random() < 0.7 else self.scalar_type(), (), len(plan)) for _ in range(90)]))
        for g, (d, vs) in enumerate(plan, len(region.groups)):
            region.groups.append((d, vs))
            region.current = g
            while vs_left := [v for v in vs if v not in region.ready]:
                if depth > 0 and r.random() < 0.3: self.scan(region, depth - 1)
                if self.nodes and r.random() < 0.25: self.call(region)
                if region.in_scan and d == "up" and not region.plain and r.random() < 0.05: self.mixed(region)
                if len(vs_left) > 1 and r.random() < 0.15: self.pair(region, *vs_left[:2])
                else: self.equation(region, vs_left[0])

    def equation(self, region, v):
        text = self.expression(region, v.scalar, v.shape)
        if v.scalar in FLOATS and self.r.random() < 0.4:  # keep recurrences from growing without bound
            text = self.r.choice(["max(-8.0, min(8.0, {}))", "(0.5 * {})", "tanh({})", "({} * 0.25)"]).format(text)
        region.lines.append(f"{v.name}: {tensor(v.scalar, v.shape)} = {text};")
        region.ready.append(v)

    def pair(self, region, v, w):
        """Two variables of one equation: tuples go through if and fby."""
        self.features.add("tuple")
        sub = lambda u: self.expression(region, u.scalar, u.shape, 2)
        swaps = v.scalar == w.scalar and v.shape == w.shape and not region.groups[region.current][0] == "down"
        if swaps and self.r.random() < 0.7: text = f"({sub(v)}, {sub(w)}) fby ({w.name}, {v.name})"
        elif self.r.random() < 0.6 or region.groups[region.current][0] == "down":
            text = f"if {self.expression(region, 'bool', (), 1)} then ({sub(v)}, {sub(w)}) else ({sub(v)}, {sub(w)})"
        else:
            text = f"({sub(v)}, {sub(w)}) fby ({sub(v)}, {sub(w)})"
        region.lines.append(f"({v.name}, {w.name}) = {text};")
        region.ready += [v, w]

    def mixed(self, region):
        """A recurrence that looks further back than ahead."""
        self.features.add("recurrence back and ahead")
        scalar, shape = self.scalar_type(), self.shape()
        v, w = (Var(self.fresh(), scalar, shape, region.current) for _ in range(2))
        c = [self.constant(scalar, shape) for _ in range(3)]
        for u, text in ((v, f"({w.name} eby {c[0]})"), (w, f"({c[1]} fby {c[2]} fby {v.name})")):
            region.lines.append(f"{u.name}: {tensor(scalar, shape)} = {self.with_another(region, scalar, shape, text)};")
        region.ready += [v, w]

    def with_another(self, region, scalar, shape, text):
        """An operation of `text` and a constant of the scan. (Of a backward recurrence the compiler makes no sweeps yet, R16.)"""
        alike = [v.name for v in region.captured if v.scalar == scalar and v.shape == shape]
        other = self.r.choice(alike) if alike else self.constant(scalar, shape)
        if scalar == "bool": return f"({text} {self.r.choice(['and', 'or', '!='])} {other})"
        return f"({text} * {scalar}(0.5) + {other})" if scalar in FLOATS else f"({text} {self.r.choice(['+', '-'])} {other})"

    def call(self, region):
        name, inputs, outputs, uses_end = self.r.choice(self.nodes)
        if uses_end and (not region.in_scan or region.plain): return
        arguments = [self.expression(region, s, h, 1) for s, h in inputs]
        results = [Var(self.fresh(), s, h, region.current) for s, h in outputs]
        target = results[0].name if len(results) == 1 else f"({', '.join(v.name for v in results)})"
        region.lines.append(f"{target} = {name}({', '.join(arguments)});")
        region.ready += results
        self.features.add("call in scan" if region.in_scan else "call")

    def scan(self, region, depth):
        r = self.r
        length = r.choice([1, 2, 3, 4] if region.times() else self.lengths * 2 + [1, 3])
        inner = Region(region, length, in_scan=True)
        inner.index = self.fresh("t")
        inner.captured = list(region.ready) + list(region.captured)
        inner.ready = [Var(inner.index, "i32", (), -1)]
        resume = r.random() < 0.2
        condition = self.until(inner, length) if r.random() < (0.4 if resume else 0.3) else ""
        self.fill(inner, depth, 4)
        if resume: self.features.add("resume until" if condition else "resume")
        if region.in_scan: self.features.add("nested scan")
        results = self.results(region, inner, length)
        if not results: return
        order = self.blocks(inner.lines)
        r.shuffle(order)
        order = [line for block in order for line in block]
        head = f"scan {inner.index} < {length}{' resume' if resume else ''}{condition} {{"
        region.lines += [head] + ["  " + line for line in order] + ["}"]
        region.ready += results

    def until(self, inner, length):
        """A condition that depends on no eby and no end value: of the index, or of a group of recurrences of its own."""
        r = self.r
        self.features.add("until")
        if r.random() < 0.4:
            plain = [v.name for v in inner.captured if v.scalar == "i32" and not v.shape]
            bound = r.choice(plain) if plain and r.random() < 0.4 else str(r.randrange(length))
            return f" until {inner.index} >= {bound}"
        inner.plain = True
        vs = [Var(self.fresh(), r.choice(["f32", "i32"]), (), 0) for _ in range(r.randrange(1, 3))]
        inner.groups.append(("up", vs))
        inner.current = 0
        for v in vs: self.equation(inner, v)
        test = r.choice([self.expression(inner, "bool", (), 2), f"{vs[0].name} > {self.constant(vs[0].scalar, ())}"])
        condition = f" until ({test}) and {inner.index} >= {r.randrange(length)}" if r.random() < 0.6 else f" until {test}"
        inner.plain = False
        return condition

    def chosen(self, region, defined, most):
        """What leaves a region: first what nothing else needs, so that little is computed for nothing."""
        def is_needed(v):
            others = [line for line in region.lines if not re.match(rf"\s*(\([^=]*)?\b{v.name}\b[^=]*=", line)]
            return any(re.search(rf"\b{v.name}\b", line) for line in others)

        shuffled = self.r.sample(defined, len(defined))
        if self.r.random() < 0.8: shuffled.sort(key=is_needed)
        return shuffled[:most]

    def results(self, region, inner, length):
        """What leaves a scan; its lines are added to the scan."""
        r = self.r
        defined = [v for _, vs in inner.groups for v in vs]
        results, stacked = [], []
        for v in self.chosen(inner, defined, r.randrange(1, 6)):
            kind = r.random()
            name = self.fresh("r")
            if kind < 0.55:
                value = v.name if r.random() < 0.7 else self.expression(inner, v.scalar, v.shape, 2)
                inner.lines.append(f"{name}[{inner.index}] = {value};")
                results.append(Var(name, v.scalar, (length,) + v.shape, region.current))
                stacked.append(results[-1])
                self.features.add("stack")
            elif kind < 0.85:
                inner.lines.append(f"{name} = {r.choice(['final', 'initial'])} {v.name};")
                results.append(Var(name, v.scalar, v.shape, region.current))
            else:
                inner.lines.append(f"{name} = count({inner.index});")
                results.append(Var(name, "i32", (), region.current))
        if stacked and r.random() < 0.3:  # a stacked result used inside again
            s = stacked[0]
            extra, out = self.fresh(), self.fresh("r")
            row = r.choice([f"{length - 1} - {inner.index}", str(r.randrange(length)), inner.index])
            inner.lines.append(f"{extra}: {tensor(s.scalar, s.shape[1:])} = {s.name}[{row}];")
            inner.lines.append(f"{out}[{inner.index}] = {extra};")
            results.append(Var(out, s.scalar, s.shape, region.current))
            self.features.add("result used inside")
        return results

    # ---- declarations ------------------------------------------------------------------------------------------------

    def node(self, name, in_scan):
        region = Region(in_scan=in_scan)
        inputs = [Var(self.fresh("x"), self.scalar_type(), self.shape(), -1) for _ in range(self.r.randrange(1, 4))]
        if name == "main": inputs += [Var(self.fresh("x"), "f32", h, -1) for h in [(), self.shapes[4], self.shapes[-1]]]
        region.ready = list(inputs)
        region.captured = list(self.constants)
        large = name == "main" and self.r.random() < 0.03
        self.fill(region, 1 if not in_scan else 0, 4, large)
        defined = [v for v in region.ready if v not in inputs]
        outputs = self.chosen(region, defined, 80 if large else self.r.choice([2, 4, 8, 16] if name == "main" else [1, 2, 4, 6]))
        if self.r.random() < 0.1: outputs.append(self.r.choice(inputs))
        return inputs, outputs, region

    @staticmethod
    def blocks(lines):
        """Top-level statements of a body, a scan being one of them."""
        out, depth = [], 0
        for line in lines:
            if depth == 0: out.append([])
            out[-1].append(line)
            depth += line.count("{") - line.count("}")
        return out

    def declare(self, name, inputs, outputs, region):
        lines = self.blocks(region.lines)
        self.r.shuffle(lines)
        renamed = [f"o{k}" for k in range(len(outputs))]
        body = [line for block in lines for line in block] + [f"{o} = {v.name};" for o, v in zip(renamed, outputs)]
        ins = ", ".join(f"{v.name}: {tensor(v.scalar, v.shape)}" for v in inputs)
        outs = ", ".join(f"{o}: {tensor(v.scalar, v.shape)}" for o, v in zip(renamed, outputs))
        self.text.append(f"node {name}({ins}) -> ({outs}) {{\n" + "\n".join("  " + b for b in body) + "\n}\n")

    def table(self):
        """A constant tensor, such as weights."""
        v = Var(self.fresh("W"), self.scalar_type(), self.r.choice([h for h in self.shapes if h]), -1)
        if self.r.random() < 0.4: v.shape = (self.r.choice([2, 3, 16, 20]),) + v.shape[-1:]
        if self.r.random() < 0.02: v.shape = (self.r.choice([1031, 17000]),) + v.shape[1:2]  # too large for text of C
        indices = [f"i{k}" for k in range(len(v.shape))]
        bounds = ", ".join(f"{i} < {n}" for i, n in zip(indices, v.shape))
        self.text.append(f"const {v.name}: {tensor(v.scalar, v.shape)} = [{self.pattern(v.scalar, indices)} for {bounds}];\n")
        self.constants.append(v)

    def fun(self):
        """A fun of scalars, for comprehensions; its locals are used more than once."""
        region = Region()
        region.stateless, region.captured = True, list(self.constants)
        inputs = [Var(self.fresh("a"), self.r.choice(["f32", "f32", self.scalar_type()]), (), -1) for _ in range(self.r.randrange(1, 4))]
        elements, lines = [(v.scalar, v.name) for v in inputs], []
        for _ in range(self.r.randrange(0, 3)):
            name, scalar = self.fresh("b"), self.r.choice(["f32", self.scalar_type()])
            lines.append(f"  {name}: {scalar} = {self.inner(region, elements, [], scalar, 2)};")
            elements = elements + [(scalar, name)] * 2
        output, name = self.r.choice(["f32", self.scalar_type()]), self.fresh("f")
        lines.append(f"  y = {self.inner(region, elements, [], output, 3)};")
        self.r.shuffle(lines)
        ins = ", ".join(f"{v.name}: {v.scalar}" for v in inputs)
        self.text.append(f"fun {name}({ins}) -> (y: {output}) {{\n" + "\n".join(lines) + "\n}\n")
        self.funs.append((name, [v.scalar for v in inputs], output))

    def generate(self):
        for _ in range(self.r.choice([0, 0, 1, 2])): self.table()
        for _ in range(self.r.choice([0, 0, 1, 2])): self.fun()
        for k in range(self.r.randrange(0, 3)):
            uses_end = self.r.random() < 0.4
            inputs, outputs, region = self.node(f"n{k}", uses_end)
            self.declare(f"n{k}", inputs, outputs, region)
            self.nodes.append((f"n{k}", [(v.scalar, v.shape) for v in inputs], [(v.scalar, v.shape) for v in outputs], uses_end))
        inputs, outputs, region = self.node("main", False)
        self.inputs = inputs
        self.declare("main", inputs, outputs, region)
        return "\n".join(self.text)


def random_inputs(program, steps, seed):
    """Streams for the inputs of `main`: ordinary values, in every third program with some special ones."""
    import numpy as np
    rng = np.random.default_rng(seed)
    special = 0.08 if seed % 3 == 0 else 0
    streams = {}
    for v in program.inputs:
        shape = (steps, *v.shape)
        if v.scalar == "bool": a = rng.integers(0, 2, shape).astype(np.bool_)
        elif v.scalar in INTS:
            info = np.iinfo(("u" if v.scalar[0] == "u" else "") + "int" + v.scalar[1:])
            a = rng.integers(-10 if info.min < 0 else 0, 20, shape).astype(info.dtype)
            extreme = np.where(rng.random(shape) < 0.5, np.array(info.min, info.dtype), np.array(info.max, info.dtype))
            a = np.where(rng.random(shape) < 0.1, extreme, a)
        elif v.scalar == "bf16": a = (rng.normal(0, 2, shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        else:
            a = rng.normal(0, 2, shape)
            a = np.where(rng.random(shape) < special, rng.choice([0.0, -0.0, np.inf, np.nan, 1e30, 1e-40], shape), a)
            with np.errstate(over="ignore"):
                a = a.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[v.scalar])
        streams[v.name] = a
    return streams


if __name__ == "__main__":
    print(Program(int(sys.argv[1])).generate())
