#!/usr/bin/env python3
"""Random well-typed, causal, initialised MLR programs.

A region (node or scan body) is a list of groups, each with a direction. A variable refers instantaneously to variables
before it; it refers to any variable of its own group through `fby` (group upwards) or `eby` (downwards), and to the groups
before its own through any operator of time. So every cycle of dependencies has one direction and the program is causal by
construction, while chains of groups need many sweeps.

usage: generate.py SEED        prints the program of that seed
"""
import random
import sys

FLOATS = ["f32", "f64", "f16", "bf16"]
INTS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
UNARY = ["exp", "tanh", "sigmoid", "sin", "cos", "log", "sqrt", "floor", "round", "abs"]


class Var:
    def __init__(self, name, scalar, shape, group):
        self.name, self.scalar, self.shape, self.group = name, scalar, tuple(shape), group

    def __repr__(self):
        return self.name


class Region:
    """The variables of one time that an expression under construction may use."""

    def __init__(self, program, outer=None, length=None, in_scan=False, resume=False):
        self.program, self.outer, self.length, self.in_scan, self.resume = program, outer, length, in_scan, resume
        self.groups = []          # [(direction, [Var])]
        self.current = -1
        self.ready = []           # variables defined so far, usable instantaneously
        self.lines = []
        self.index = None
        self.captured = []        # constants of this time


class Program:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.names = 0
        self.nodes = []           # (name, [(scalar, shape)] inputs, outputs, uses_end)
        self.text = []
        self.features = set()
        self.palette()

    def fresh(self, stem="v"):
        self.names += 1
        return f"{stem}{self.names}"

    # ---- types -----------------------------------------------------------------------------------------------

    def palette(self):
        """A few types a program, so that variables find one another."""
        r = self.r
        scalars = ["f32"] * 4 + ["f64"] * 2 + ["i32", "bool"]
        scalars += [r.choice(FLOATS + INTS)] * r.choice([0, 1, 2])
        self.scalars = r.sample(scalars, 3) + ["f32"]
        vector = (r.choice([1, 2, 3, 4, 5, 8, 17]),)
        self.shapes = [()] * 4 + [vector] * 2
        if r.random() < 0.5: self.shapes.append((r.choice([1, 2, 3]),) + vector)
        if r.random() < 0.3: self.shapes.append((r.choice([2, 3, 4, 7]),))

    def scalar_type(self):
        return self.r.choice(self.scalars)

    def shape(self):
        return self.r.choice(self.shapes)

    def literal(self, scalar):
        if scalar == "bool": return self.r.choice(["true", "false"])
        if scalar in FLOATS: return self.r.choice(["0.0", "1.0", "-1.5", "0.25", "3.0", "0.1", "-0.7"])
        if scalar[0] == "u": return self.r.choice(["0", "1", "2", "7", "100"])
        return self.r.choice(["0", "1", "-1", "3", "-7", "100"])

    def constant(self, scalar, shape):
        """A literal of exactly this type."""
        if not shape:
            return self.literal(scalar) if scalar == "bool" else f"{scalar}({self.literal(scalar)})"
        i = self.fresh("q")
        bounds = [f"{i}{k} < {n}" for k, n in enumerate(shape)]
        return f"[{self.constant(scalar, ())} for {', '.join(bounds)}]"

    # ---- expressions ---------------------------------------------------------------------------------------------

    def pick(self, region, scalar, shape):
        """A usable expression of exactly this type from the variables at hand, or None."""
        candidates = [v.name for v in region.ready + region.captured if v.scalar == scalar and v.shape == tuple(shape)]
        for v in region.captured + region.ready:  # elements and rows
            if v.scalar == scalar and len(v.shape) > len(shape) and v.shape[len(v.shape) - len(shape):] == tuple(shape):
                lead = v.shape[:len(v.shape) - len(shape)]
                if all(n > 0 for n in lead):
                    index = [region.index if region.index and n == region.length else str(self.r.randrange(n)) for n in lead]
                    candidates.append(f"{v.name}[{', '.join(index)}]")
        return self.r.choice(candidates) if candidates else None

    def leaf(self, region, scalar, shape):
        r = self.r.random()
        if r < 0.3:
            timed = self.timed(region, scalar, shape)
            if timed: return timed
        if r < 0.85:
            p = self.pick(region, scalar, shape)
            if p: return p
        source = self.r.choice(region.ready + region.captured) if region.ready + region.captured and r < 0.9 else None
        if source and not shape and not source.shape and scalar != "bool" and source.scalar != "bool":
            self.features.add("convert")
            return f"{scalar}({source.name})"
        return self.constant(scalar, shape)

    def timed(self, region, scalar, shape):
        """An expression that crosses instants, or None."""
        r = self.r
        same = lambda v: v.scalar == scalar and v.shape == tuple(shape)
        init = lambda: f"({self.constant(scalar, shape)})"
        direction, mine = region.groups[region.current]
        before = [v for _, vs in region.groups[:region.current] for v in vs if same(v)]
        own = [v for v in mine if same(v)]
        if own and r.random() < 0.6:
            v = r.choice(own)
            if direction == "up":
                self.features.add("fby")
                if r.random() < 0.2:
                    self.features.add("pre")
                    return f"({self.constant(scalar, shape)} -> pre {v.name})"
                return f"({init()} fby {v.name})"
            self.features.add("eby")
            return f"({v.name} eby {init()})"
        choices = []
        if before:
            v = r.choice(before)
            choices.append(("fby", f"({init()} fby {v.name})"))
            if region.in_scan: choices.append(("eby", f"({v.name} eby {init()})"))
            if region.index: choices += [("final", f"(final {v.name})"), ("initial", f"(initial {v.name})")]
        if len(shape) == 1 and shape[0] >= 1:
            rows = [v for _, vs in region.groups[:region.current] for v in vs if v.scalar == scalar and v.shape == ()]
            rows += [v for v in region.ready if v.scalar == scalar and v.shape == ()]
            if rows:
                choices.append(("window", f"window<<{shape[0]}>>({r.choice(rows).name}, {self.constant(scalar, ())})"))
        if region.index and scalar == "i32" and not shape:
            choices.append(("count", f"count({region.index})"))
        if not choices: return None
        feature, text = r.choice(choices)
        self.features.add(feature)
        return text

    def expression(self, region, scalar, shape, depth=3):
        r = self.r
        if depth == 0 or r.random() < 0.25: return self.leaf(region, scalar, shape)
        sub = lambda s=scalar, h=shape: self.expression(region, s, h, depth - 1)
        kind = r.random()
        if kind < 0.12:
            self.features.add("if")
            return f"(if {sub('bool', ())} then {sub()} else {sub()})"
        if kind < 0.2 and shape:
            return self.comprehension(region, scalar, shape, depth)
        if kind < 0.3 and not shape:
            text = self.reduction(region, scalar, depth)
            if text: return text
        if kind < 0.35 and shape:
            self.features.add("where")
            return f"where({sub('bool')}, {sub()}, {sub()})"
        if scalar == "bool":
            if r.random() < 0.6:
                s = r.choice(["f32", "i32", "f64", "u8"])
                return f"({sub(s)} {r.choice(['<', '>', '<=', '>=', '==', '!='])} {sub(s)})"
            return f"({sub()} {r.choice(['and', 'or'])} {sub()})" if r.random() < 0.7 else f"(not {sub()})"
        if kind < 0.42:
            return f"(-{sub()})" if scalar[0] != "u" else sub()
        if scalar in FLOATS:
            if kind < 0.52:
                f = r.choice(UNARY)
                self.features.add("elementary")
                return f"{f}({sub()})"
            if kind < 0.57:
                self.features.add("fma")
                return f"fma({sub()}, {sub()}, {sub()})"
            if kind < 0.66: return f"{r.choice(['min', 'max'])}({sub()}, {sub()})"
            return f"({sub()} {r.choice(['+', '-', '*', '/', '+', '*', '%'])} {sub()})"
        if kind < 0.5:
            self.features.add("bits")
            return f"{r.choice(['bitand', 'bitor', 'bitxor', 'shl', 'shr'])}({sub()}, {sub()})"
        if kind < 0.6: return f"{r.choice(['min', 'max'])}({sub()}, {sub()})"
        return f"({sub()} {r.choice(['+', '-', '*', '/', '%'])} {sub()})"

    def comprehension(self, region, scalar, shape, depth):
        self.features.add("comprehension")
        i = [self.fresh("i") for _ in shape]
        inner = self.indexed(region, i, shape)
        body = self.inner_expression(region, inner, scalar, depth - 1)
        return f"[{body} for {', '.join(f'{a} < {n}' for a, n in zip(i, shape))}]"

    def indexed(self, region, indices, sizes):
        """Elements of the variables at hand under comprehension indices: [(scalar, text)]."""
        out = []
        for v in region.ready + region.captured:
            if not v.shape:
                out.append((v.scalar, v.name))
                continue
            index = []
            for n in v.shape:
                fits = [a for a, m in zip(indices, sizes) if m <= n]
                if fits and self.r.random() < 0.85: index.append(self.r.choice(fits))
                elif n > 0: index.append(str(self.r.randrange(n)))
            if len(index) == len(v.shape): out.append((v.scalar, f"{v.name}[{', '.join(index)}]"))
            reverse = [f"{n - 1} - {a}" for a, n, m in zip(indices, v.shape, sizes) if m == n]
            if len(v.shape) == 1 and reverse:
                self.features.add("affine")
                out.append((v.scalar, f"{v.name}[{reverse[0]}]"))
        out += [("i32", a) for a in indices]
        return out

    def inner_expression(self, region, elements, scalar, depth):
        r = self.r
        fits = [t for s, t in elements if s == scalar]
        if depth <= 0 or r.random() < 0.3:
            if fits and r.random() < 0.85: return r.choice(fits)
            return self.constant(scalar, ())
        sub = lambda s=scalar: self.inner_expression(region, elements, s, depth - 1)
        if scalar == "bool": return f"({sub('i32')} < {sub('i32')})"
        if r.random() < 0.15: return f"(if {sub('bool')} then {sub()} else {sub()})"
        if scalar in FLOATS and r.random() < 0.1: return f"{r.choice(UNARY)}({sub()})"
        if r.random() < 0.2:
            k, n = self.fresh("k"), r.choice([1, 2, 3, 5])
            body = self.inner_expression(region, elements + self.indexed(region, [k], [n]), scalar, depth - 1)
            other = self.inner_expression(region, elements + self.indexed(region, [k], [n]), scalar, depth - 1)
            self.features.add("nested reduction")
            return f"sum({body}{' * ' + other if r.random() < 0.6 else ''} for {k} < {n})"
        return f"({sub()} {r.choice(['+', '-', '*'])} {sub()})"

    def reduction(self, region, scalar, depth):
        r = self.r
        tensors = [v for v in region.ready + region.captured if v.shape and v.scalar == scalar and all(n > 0 for n in v.shape)]
        if scalar == "bool":
            tensors = [v for v in region.ready + region.captured if v.shape and v.scalar == "bool"]
            return f"{r.choice(['all', 'any'])}({r.choice(tensors).name})" if tensors else None
        if scalar == "i32" and r.random() < 0.5:
            t = [v for v in region.ready + region.captured if v.shape and v.scalar != "bool" and all(n > 0 for n in v.shape)]
            if t:
                self.features.add("argmax")
                return f"{r.choice(['argmax', 'argmin'])}({r.choice(t).name})"
        if tensors and r.random() < 0.5:
            v = r.choice(tensors)
            same = [w for w in tensors if w.shape == v.shape]
            self.features.add("whole reduction")
            if r.random() < 0.4: return f"sum({v.name} * {r.choice(same).name})"
            f = r.choice(["sum", "prod", "max", "min"] + (["mean"] if scalar in FLOATS else []))
            return f"{f}({v.name})"
        k, n = self.fresh("k"), r.choice([1, 2, 3, 7])
        inner = self.indexed(region, [k], [n])
        a = self.inner_expression(region, inner, scalar, depth - 1)
        b = self.inner_expression(region, inner, scalar, depth - 1)
        self.features.add("reduction")
        f = r.choice(["sum", "sum", "sum", "prod", "max", "min"])
        return f"{f}({a}{' * ' + b if f == 'sum' and r.random() < 0.7 else ''} for {k} < {n})"

    # ---- equations -------------------------------------------------------------------------------------------------

    def fill(self, region, depth, count):
        """Adds groups of equations to a region whose ready/captured are set up."""
        r = self.r
        directions = ["up"] + [r.choice(["up", "down"] if region.in_scan else ["up"]) for _ in range(r.randrange(1, 4))]
        plan = []
        for d in directions:
            vs = [Var(self.fresh(), self.scalar_type(), self.shape(), len(plan)) for _ in range(r.randrange(1, max(2, count)))]
            plan.append((d, vs))
        for g, (d, vs) in enumerate(plan):
            region.groups.append((d, vs))
            region.current = g
            for v in vs:
                if depth > 0 and r.random() < 0.3: self.scan(region, depth - 1)
                if self.nodes and r.random() < 0.25: self.call(region)
                dims = f"[{', '.join(map(str, v.shape))}]" if v.shape else ""
                text = self.expression(region, v.scalar, v.shape)
                region.lines.append(f"{v.name}: {v.scalar}{dims} = {text};")
                region.ready.append(v)

    def call(self, region):
        name, inputs, outputs, uses_end = self.r.choice(self.nodes)
        if uses_end and not region.in_scan: return
        arguments = [self.expression(region, s, h, 1) for s, h in inputs]
        results = [Var(self.fresh(), s, h, region.current) for s, h in outputs]
        target = results[0].name if len(results) == 1 else f"({', '.join(v.name for v in results)})"
        region.lines.append(f"{target} = {name}({', '.join(arguments)});")
        region.ready += results
        self.features.add("call in scan" if region.in_scan else "call")

    def scan(self, region, depth):
        r = self.r
        length = r.choice([1, 1, 2, 3, 4, 7])
        inner = Region(self, region, length, in_scan=True)
        inner.index = self.fresh("t")
        inner.captured = list(region.ready) + list(region.captured)
        inner.ready = [Var(inner.index, "i32", (), -1)]
        resume = r.random() < 0.2
        until = not resume and r.random() < 0.2
        self.fill(inner, depth, 4)
        condition = ""
        if until:
            self.features.add("until")
            # only what does not depend on eby or end values: the index and captured values
            plain = [v.name for v in inner.captured if v.scalar == "i32" and not v.shape]
            bound = r.choice(plain) if plain and r.random() < 0.4 else str(r.randrange(length))
            condition = f" until {inner.index} >= {bound}"
        if resume: self.features.add("resume")
        if region.in_scan: self.features.add("nested scan")
        defined = [v for _, vs in inner.groups for v in vs]
        results, stacked = [], []
        for v in r.sample(defined, min(len(defined), r.randrange(1, 5))):
            kind = r.random()
            name = self.fresh("r")
            if kind < 0.55:
                inner.lines.append(f"{name}[{inner.index}] = {v.name};")
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
            dims = f"[{', '.join(map(str, s.shape[1:]))}]" if s.shape[1:] else ""
            inner.lines.append(f"{extra}: {s.scalar}{dims} = {s.name}[{length - 1} - {inner.index}];")
            inner.lines.append(f"{out}[{inner.index}] = {extra};")
            results.append(Var(out, s.scalar, s.shape, region.current))
            self.features.add("result used inside")
        if not results: return
        order = self.blocks(inner.lines)
        r.shuffle(order)
        order = [line for block in order for line in block]
        head = f"scan {inner.index} < {length}{' resume' if resume else ''}{condition} {{"
        region.lines += [head] + ["  " + line for line in order] + ["}"]
        region.ready += results

    def node(self, name, in_scan):
        region = Region(self, in_scan=in_scan)
        inputs = [Var(self.fresh("x"), self.scalar_type(), self.shape(), -1) for _ in range(self.r.randrange(1, 4))]
        if name == "main": inputs += [Var(self.fresh("x"), "f32", h, -1) for h in [(), self.shapes[4]]]
        region.ready = list(inputs)
        if in_scan:
            # no t of its own; eby is legal because every call stands in a scan
            region.in_scan = True
            region.index = None
        self.fill(region, 1 if not in_scan else 0, 4)
        defined = [v for _, vs in region.groups for v in vs]
        outputs = self.r.sample(defined, min(len(defined), self.r.randrange(1, 4)))
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
        dims = lambda v: f"[{', '.join(map(str, v.shape))}]" if v.shape else ""
        lines = self.blocks(region.lines)
        self.r.shuffle(lines)
        renamed = [f"o{k}" for k in range(len(outputs))]
        body = [line for block in lines for line in block] + [f"{o} = {v.name};" for o, v in zip(renamed, outputs)]
        ins = ", ".join(f"{v.name}: {v.scalar}{dims(v)}" for v in inputs)
        outs = ", ".join(f"{o}: {v.scalar}{dims(v)}" for o, v in zip(renamed, outputs))
        self.text.append(f"node {name}({ins}) -> ({outs}) {{\n" + "\n".join("  " + b for b in body) + "\n}\n")

    def generate(self):
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
    """Streams for the inputs of `main`: ordinary values with some special ones."""
    import numpy as np
    rng = np.random.default_rng(seed)
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
            a = np.where(rng.random(shape) < 0.05, rng.choice([0.0, -0.0, np.inf, np.nan, 1e30, 1e-40], shape), a)
            with np.errstate(over="ignore"):
                a = a.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[v.scalar])
        streams[v.name] = a
    return streams


if __name__ == "__main__":
    print(Program(int(sys.argv[1])).generate())
