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
from blocks import Blocks  # noqa: E402
from clocked import Clocked  # noqa: E402
from coverage import CONSTRUCTS, PAIRS, Features  # noqa: E402
from expressions import Expressions  # noqa: E402
from foreign import Foreign  # noqa: E402
from library import Library, Node  # noqa: E402
from region import Clock, Region, Var  # noqa: E402
from scalars import FLOATS, INTS, is_number, tensor  # noqa: E402


class Program(Expressions, Clocked, Blocks, Library, Foreign):
    def __init__(self, seed):
        self.r, self.seed = random.Random(seed), seed
        self.names = 0
        self.nodes, self.funs, self.generics, self.reducers = [], [], [], []  # funs: (name, scalars of the inputs, scalar of the output)
        self.constants, self.foreigns, self.c = [], [], ""
        self.enums, self.structs = {}, {}
        self.in_resets = set()    # names of variables that a reset block defines: the checker takes them for no clock of an output yet
        self.wraps = random.Random(f"{seed} integers that wrap around").random() < 0.25
        self.text, self.module_text, self.module = [], [], f"lib{seed}"
        self.features = Features()
        self.wanted = self.r.choice(PAIRS) if self.r.random() < 0.85 else frozenset()
        self.budget = self.r.choice([4, 8, 12, 20])  # constructs of one node
        self.palette()

    def presses(self, *features):
        """Whether this program is to have one of these features and has not yet enough of it."""
        return any(f in self.wanted for f in features) and self.r.random() < 0.5

    def choice_of(self, options, feature):
        """One of the options, rather one that is wanted; feature(option) is its name."""
        liked = [o for o in options if feature(o) in self.wanted]
        return self.r.choice(liked if liked and self.r.random() < 0.6 else options)

    def steps(self):
        """Instants to run."""
        return random.Random(self.seed).choice([1, 6, 12, 20, 20])

    def options(self):
        """Options of the compiler and the interpreter that this program is run with."""
        return ["--unfused"] * (self.seed % 8 == 7) + ["--checks"] * (self.seed % 5 == 3)

    def shuffled(self, lines):
        """Statements in another order."""
        blocks = self.blocks(lines)
        self.r.shuffle(blocks)
        return [line for block in blocks for line in block]

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
        self.shapes = [()] * 5 + [vector] * 2
        if r.random() < 0.5: self.shapes.append((r.choice([1, 2, 3, 5, 8, 16]),) + vector)
        if r.random() < 0.3: self.shapes.append((r.choice([2, 3, 4, 7]),))
        if r.random() < 0.3: self.shapes.append((r.choice(self.lengths),))
        if r.random() < 0.15: self.shapes.append((r.choice(self.lengths),) + vector)
        if r.random() < 0.1: self.shapes.append((2, r.choice([2, 3]), r.choice([1, 2, 5])))
        if r.random() < 0.25: self.shapes.append((2 * vector[0],))            # a concatenation of two
        if r.random() < 0.2: self.shapes += [(6,), (2, 3), (3, 2)]            # reshapes of one another
        if r.random() < 0.15: self.shapes += [(16, 16), (16,), (r.choice([16, 20, 24, 33]), 16)]  # large products

    def number_type(self):
        return self.r.choice([s for s in self.scalars if s not in self.enums and s not in self.structs])

    def type(self):
        """(scalar, shape) of a variable; structs and enums mostly alone."""
        scalar = self.r.choice(self.scalars)
        if scalar in self.enums or scalar in self.structs: return scalar, self.r.choice([(), (), (), (2,)])
        return scalar, self.shape()

    def shape(self):
        return self.r.choice(self.shapes)

    # ---- equations -------------------------------------------------------------------------------------------------

    def fill(self, region, depth, count, large=False):
        """Adds groups of equations to a region whose ready/captured are set up."""
        r = self.r
        directions = ["up"] + [r.choice(["up", "down"] if region.in_scan else ["up"]) for _ in range(r.randrange(1, 4))]
        plan = []
        for d in directions:
            vs = [Var(self.fresh(), *self.type(), len(plan)) for _ in range(r.randrange(1, max(2, count)))]
            plan.append((d, vs))
        if large:  # a block of thousands of instructions
            plan.append(("up", [Var(self.fresh(), "f32" if r.random() < 0.7 else self.number_type(), (), len(plan)) for _ in range(90)]))
        for g, (d, vs) in enumerate(plan, len(region.groups)):
            for v in vs: v.group = g
            region.groups.append((d, vs))
            region.current = g
            self.define(region, depth, vs, constructs=not large or g < len(plan) - 1)

    def define(self, region, depth, vs, constructs=True):
        """Equations and blocks until these variables of the current group are defined."""
        r = self.r
        rounds = 0
        while left := [v for v in vs if v not in region.ready]:
            rounds += 1
            if constructs and rounds < 6 and r.random() < (0.6 if self.wanted else 0.45): self.construct(region, depth, left)
            left = [v for v in vs if v not in region.ready]
            if not left: break
            if len(left) > 1 and r.random() < 0.15: self.pair(region, *left[:2])
            else: self.equation(region, left[0])

    STATEMENTS = {"scan": (5, ["scan", "resume", "until", "scan both ways", "result used inside"]), "call": (4, ["call", "reset call", "clocked call"]),
                  "mixed": (0.6, ["recurrence back and ahead"]), "flat_clock": (2.5, ["flat clock", "hold", "when not", "when enum", "every"]),
                  "when_block": (2.5, ["when block", "chain of every", "hold"]), "if_block": (2, ["if block", "last"]),
                  "match_block": (1.5, ["match block", "when enum"]), "reset_block": (1.5, ["reset block"]),
                  "automaton": (2.5, ["automaton", "unless", "continue", "last"]), "pack": (1.5, ["pack", "pack until"]),
                  "unpack": (1.5, ["unpack"]), "monitor": (0.7, ["monitor"])}

    def construct(self, region, depth, left):
        """A statement other than an equation, if one suits the place."""
        if self.budget <= 0 or region.plain or region.stateless: return
        weights = {name: weight * (6 if self.wanted.intersection(features) else 1) for name, (weight, features) in self.STATEMENTS.items()}
        if self.foreigns: weights["foreign_call"] = 4
        if depth <= 0: weights = {n: w for n, w in weights.items() if n in ("call", "flat_clock", "pack", "unpack", "monitor", "mixed", "foreign_call")}
        if not region.in_scan or region.direction == "down" or region.no_eby or not region.index: weights.pop("mixed", None)
        name = self.r.choices(list(weights), list(weights.values()))[0]
        self.budget -= 1
        getattr(self, name)(region, depth, left)

    def equation(self, region, v):
        text = self.expression(region, v.scalar, v.shape)
        if v.scalar in FLOATS and self.r.random() < 0.4:  # keep recurrences from growing without bound
            text = self.r.choice(["max(-8.0, min(8.0, {}))", "(0.5 * {})", "tanh({})", "({} * 0.25)"]).format(text)
        region.lines.append(f"{v.name}: {tensor(v.scalar, v.shape)} = {text};")
        self.features.equation(v)
        self.add(region, v)

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
        self.features.equation(v)
        w.made = v.made
        self.add(region, v, w)

    def mixed(self, region, depth, left):
        """A recurrence that looks further back than ahead."""
        self.features.add("recurrence back and ahead")
        scalar, shape = self.number_type(), self.shape()
        v, w = (Var(self.fresh(), scalar, shape, region.current) for _ in range(2))
        c = [self.constant(scalar, shape) for _ in range(3)]
        for u, text in ((v, f"({w.name} eby {c[0]})"), (w, f"({c[1]} fby {c[2]} fby {v.name})")):
            region.lines.append(f"{u.name}: {tensor(scalar, shape)} = {self.with_another(region, scalar, shape, text)};")
        self.features.equation(v)
        w.made = v.made
        region.ready += [v, w]

    def with_another(self, region, scalar, shape, text):
        """An operation of `text` and a constant of the scan. (Of a backward recurrence the compiler makes no sweeps yet, R16.)"""
        alike = [v.name for v in region.captured if v.scalar == scalar and v.shape == shape]
        other = self.r.choice(alike) if alike else self.constant(scalar, shape)
        if scalar == "bool": return f"({text} {self.r.choice(['and', 'or', '!='])} {other})"
        return f"({text} * {scalar}(0.5) + {other})" if scalar in FLOATS else f"({text} {self.r.choice(['+', '-'])} {other})"

    def scan(self, region, depth, left):
        r = self.r
        length = r.choice([1, 2, 3, 4] if region.times() else self.lengths * 2 + [1, 3])
        packed = [v for v in region.ready if v.shape and "pack" in v.made and v.shape[0] > 0]
        if packed: length = r.choice(packed).shape[0]
        resume = region.direction == "up" and (r.random() < 0.2 or self.presses("resume"))
        kinds = ["resume" if resume else "scan"]
        inner = Region(region, length, in_scan=True)
        inner.index = self.fresh("t")
        inner.captured = list(region.ready) + list(region.captured)
        inner.ready = [Var(inner.index, "i32", (), -1)]
        with self.features.inside(*kinds):
            condition = self.until(inner, length) if r.random() < (0.4 if resume else 0.3) or self.presses("until") else ""
            with self.features.inside(*["until"] * bool(condition)): self.fill(inner, depth - 1, 3)
            if {"up", "down"} <= {d for d, _ in inner.groups}: self.features.add("scan both ways")
            results = self.results(region, inner, length)
            if not resume and not condition and r.random() < 0.2: self.scans_of_one_another(region, inner, length, results)
            if length > 7 and not region.times() and r.random() < 0.5: results.append(self.sum_of_products(region, inner))
            for v in results: v.made = frozenset(self.features.noted | set(kinds) | ({"until"} if condition else set()))
        if not results: return
        head = f"scan {inner.index} < {length}{' resume' if resume else ''}{condition} {{"
        region.lines += [head] + ["  " + line for line in self.shuffled(inner.lines)] + ["}"]
        self.add(region, *results)

    def scans_of_one_another(self, region, inner, length, results):
        """A second scan over what this one gives, whose results this one reads."""
        r = self.r
        found = [v for v in results if v.shape and v.shape[0] == length and (is_number(v.scalar) or v.scalar == "bool")
                 and any(line.startswith(f"{v.name}[") for line in inner.lines)]
        if not found: return
        self.features.add("scans of one another")
        v = r.choice(found)
        t, a, b, given, back, scalar, rest = self.fresh("t"), self.fresh(), self.fresh(), self.fresh("r"), self.fresh("r"), v.scalar, v.shape[1:]
        both = lambda x, y: f"({x} != {y})" if scalar == "bool" else f"({x} * {scalar}(0.5) + {y} * {scalar}(0.25))" if scalar in FLOATS else f"({x} + {y})"
        start, of = self.constant(scalar, rest), tensor(scalar, rest)
        before = f"({start} fby {a})" if region.no_eby or r.random() < 0.5 else f"({a} eby {start})"
        region.lines += [f"scan {t} < {length} {{", f"  {a}: {of} = {both(f'{v.name}[{t}]', before)};", f"  {given}[{t}] = {a};", "}"]
        inner.lines += [f"{b}: {of} = {both(f'{v.name}[{inner.index}]', f'{given}[{inner.index}]')};", f"{back}[{inner.index}] = {b};"]
        results += [Var(given, scalar, v.shape, region.current), Var(back, scalar, v.shape, region.current)]

    def sum_of_products(self, region, inner):
        """m = m + x y' over the instants of a scan; only its last value is seen."""
        r, (n, k) = self.r, self.r.choice([(32, 32), (16, 70), (40, 27)])
        self.features.add("sum of products")
        inner.groups.append(("up", []))
        inner.current = len(inner.groups) - 1
        scalar, m, x, y, i, j, name = r.choice(["f32", "f64"]), *(self.fresh() for _ in range(5)), self.fresh("r")
        for v, size in ((x, n), (y, k)):
            inner.lines.append(f"{v}: {scalar}[{size}] = max(-8.0, min(8.0, {self.comprehension(inner, scalar, (size,), 2)}));")
        product = r.choice([f"{x}[{i}] * {y}[{j}]", f"{y}[{j}] * {x}[{i}]"])
        inner.lines.append(f"{m}: {scalar}[{n}, {k}] = ([{scalar}(0.0) for {i} < {n}, {j} < {k}] fby {m}) + [{product} for {i} < {n}, {j} < {k}];")
        inner.lines.append(f"{name} = final {m};")
        return Var(name, scalar, (n, k), region.current)

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
        defined = [v for _, vs in inner.groups for v in vs] + [v for v in inner.ready if v.simple and v.name not in (inner.index,) and v.group >= 0]
        defined = list(dict.fromkeys(defined))
        results, stacked = [], []
        for v in self.chosen(inner, defined, r.choice([2, 4, 12])):  # what nobody sees hides what is wrong with it
            kind = r.random()
            name = self.fresh("r")
            if kind < 0.55:
                value = v.name if r.random() < 0.7 else self.expression(inner, v.scalar, v.shape, 2)
                inner.lines.append(f"{name}[{inner.index}] = {value};")
                results.append(Var(name, v.scalar, (length,) + v.shape, region.current))
                stacked.append(results[-1])
                self.features.add("stack")
                if v.shape and r.random() < 0.3:  # the last of the rows beside them, of one memory
                    self.features.add("final")
                    last = self.fresh("r")
                    inner.lines.append(f"{last} = {r.choice(['final', 'initial'])} {v.name};")
                    results.append(Var(last, v.scalar, v.shape, region.current))
            elif kind < 0.85:
                self.features.add("final")
                inner.lines.append(f"{name} = {r.choice(['final', 'initial'])} {v.name};")
                results.append(Var(name, v.scalar, v.shape, region.current))
            else:
                self.features.add("count")
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

    def inputs_of(self, name):
        """[(variable, clock or None)]: the inputs of a node; some stand on a clock of another input."""
        r = self.r
        inputs = [(Var(self.fresh("x"), *self.type(), -1), None) for _ in range(r.randrange(1, 4))]
        if name == "main":
            inputs += [(Var(self.fresh("x"), "f32", h, -1), None) for h in [(), self.shapes[5], self.shapes[-1]]]
            inputs.append((Var(self.fresh("x"), "bool", (), -1), None))
            inputs += [(Var(self.fresh("x"), m, (), -1), None) for m in self.enums if r.random() < 0.5]
        if r.random() < 0.2 or self.presses("clocked input", "clocked call"):
            self.features.add("clocked input")
            clocks = [Clock.every(2, r.randrange(2)), Clock.every(3, 2)]
            c = Var(self.fresh("x"), "bool", (), -1)
            clocks += [Clock(c.name, c.name, True), Clock(f"not {c.name}", c.name, False)]
            m = Var(self.fresh("x"), r.choice(list(self.enums)), (), -1) if self.enums else None
            if m: clocks.append(Clock(f"{m.name} == {self.enums[m.scalar][0]}", m.name, self.enums[m.scalar][0]))
            found = [(Var(self.fresh("x"), *self.type(), -1), r.choice(clocks)) for _ in range(r.choice([1, 1, 2]))]
            inputs += [(v, None) for v in (c, m) if v and any(k.condition == v.name for _, k in found)] + found
        return inputs

    def node(self, name, in_scan):
        """Makes a body: ([(input, clock)], [(output, clock)], region)."""
        r = self.r
        region = Region(in_scan=in_scan)
        inputs = self.inputs_of(name)
        region.captured = list(self.constants)
        for v, k in inputs:
            v.made = frozenset(["clocked input"]) if k else frozenset()
            if k: region.clocked.append((k, v))
            else: self.add(region, v)
        given = [v for v, _ in inputs]
        large = name == "main" and r.random() < 0.02
        self.fill(region, (3 if name == "main" else 2) if not in_scan else 1, 3, large)
        defined = [v for v in region.ready if v.simple and v not in given and v.name[0] != "n"]
        outputs = self.chosen(region, defined, 80 if large else r.choice([4, 12, 30] if name == "main" else [1, 2, 4, 6]))
        if r.random() < 0.1: outputs.append(r.choice([v for v, k in inputs if not k]))
        clocked = self.outputs_on_clocks(name, region, inputs)
        return inputs, [(v, None) for v in outputs if all(v is not w for w, _ in clocked)] + clocked, region

    def outputs_on_clocks(self, name, region, inputs):
        """[(output, clock)] of some outputs on clocks, and of their conditions."""
        r = self.r
        if r.random() > (0.9 if name == "main" else 0.3) and not self.presses("clocked output", "clocked call"): return []
        found, conditions = [], {}
        given = {v.name: v for v, _ in inputs}
        for k, v in r.sample(region.clocked, len(region.clocked))[:r.choice([1, 2, 4])]:
            if v.name in given or not v.simple: continue
            if k.condition and k.condition not in given:
                at = [w for w in region.ready if w.name == k.condition and w.simple and w.name not in self.in_resets]
                if not at: continue
                conditions[k.condition] = (at[0], None)
            self.features.add("clocked output")
            found.append((v, k))
        return list(conditions.values()) + found

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
        """Writes a node. What selects a clock outside keeps its name, other outputs are called o0, o1, .."""
        selecting = {k.condition for _, k in outputs if k and k.condition} - {v.name for v, _ in inputs}
        lines, heads = self.shuffled(region.lines), []
        for i, (v, k) in enumerate(outputs):
            if v.name in selecting and not k:  # its type stands in the head
                lines = [re.sub(rf"^(\s*){v.name}: [^=]*= ", rf"\1{v.name} = ", line) for line in lines]
                heads.append(v)
                continue
            heads.append(v.named(f"o{i}"))
            lines.append(f"o{i} = {v.name};")
        clock = lambda k: f" {self.after_when(k)}" if k else ""
        ins = ", ".join(f"{v.name}: {tensor(v.scalar, v.shape)}{clock(k)}" for v, k in inputs)
        outs = ", ".join(f"{v.name}: {tensor(v.scalar, v.shape)}{clock(k)}" for v, (_, k) in zip(heads, outputs))
        self.text.append(f"node {name}({ins}) -> ({outs}) {{\n" + "\n".join("  " + b for b in lines) + "\n}\n")
        return [(v, k) for v, (_, k) in zip(heads, outputs)]

    def table(self):
        """A constant tensor, such as weights."""
        v = Var(self.fresh("W"), self.number_type(), self.r.choice([h for h in self.shapes if h]), -1)
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
        inputs = [Var(self.fresh("a"), self.r.choice(["f32", "f32", self.number_type()]), (), -1) for _ in range(self.r.randrange(1, 4))]
        elements, lines = [(v.scalar, v.name) for v in inputs], []
        for _ in range(self.r.randrange(0, 3)):
            name, scalar = self.fresh("b"), self.r.choice(["f32", self.number_type()])
            lines.append(f"  {name}: {scalar} = {self.inner(region, elements, [], scalar, 2)};")
            elements = elements + [(scalar, name)] * 2
        output, name = self.r.choice(["f32", self.number_type()]), self.fresh("f")
        lines.append(f"  y = {self.inner(region, elements, [], output, 3)};")
        self.r.shuffle(lines)
        ins = ", ".join(f"{v.name}: {v.scalar}" for v in inputs)
        self.text.append(f"fun {name}({ins}) -> (y: {output}) {{\n" + "\n".join(lines) + "\n}\n")
        self.funs.append((name, [v.scalar for v in inputs], output))

    def generate(self):
        """The text of the program; `files` has the others that it needs."""
        r = self.r
        self.declare_types()
        self.foreign()
        for _ in range(r.choice([0, 0, 1, 2])): self.table()
        for _ in range(r.choice([0, 0, 1, 2])): self.fun()
        self.library()
        most = self.budget
        for k in range(r.randrange(0, 3) or int(self.presses("call", "reset call", "clocked call"))):
            self.budget = r.choice([2, 4])
            uses_end = r.random() < 0.35
            inputs, outputs, region = self.node(f"n{k}", uses_end)
            if not outputs: continue
            outputs = self.declare(f"n{k}", inputs, outputs, region)
            self.nodes.append(Node(f"n{k}", inputs, outputs, uses_end))
        self.budget = most
        inputs, outputs, region = self.node("main", False)
        self.inputs = inputs
        self.outputs = self.declare("main", inputs, outputs, region)
        imports = [f"import {self.module};\n"] * bool(self.module_text) + ["import random;\n"] * self.uses_random
        return "\n".join(imports + self.text)

    def files(self):
        """{name: text} of the modules beside the program, and of its C functions."""
        found = {f"{self.module}.mlr": "\n".join(self.module_text)} if self.module_text else {}
        return {**found, **{name: self.c_file() for name in self.links()}}

    def links(self):
        """Files with the C functions that the program calls."""
        return ["functions.c"] if self.foreigns else []


def present(clock, streams, steps):
    """At which instants an input on this clock has a value; the condition of an enum is its number."""
    import numpy as np
    if clock is None: return np.ones(steps, np.bool_)
    if clock.period: return np.arange(steps) % clock.period[0] == clock.period[1]
    return streams[clock.condition] == clock.number


def random_inputs(program, steps, seed):
    """Streams for the inputs of `main`, one a leaf: ordinary values, in every third program with some special ones."""
    import numpy as np
    rng = np.random.default_rng(seed)
    streams = {}
    for v, k in program.inputs:
        if k and k.condition:
            enum = program.enums.get(next(w.scalar for w, _ in program.inputs if w.name == k.condition))
            k.number = enum.index(k.value) if enum else k.value
        count = int(present(k, streams, steps).sum())
        for path, scalar, shape in program.leaves(v.scalar, v.shape):
            streams[v.name + path] = random_stream(rng, program.enums, scalar, (count, *shape), 0.08 if seed % 3 == 0 else 0)
    return streams


def random_stream(rng, enums, scalar, shape, special):
    import numpy as np
    if scalar in enums: return rng.integers(0, len(enums[scalar]), shape).astype(np.int32)
    if scalar == "bool":
        keep = rng.random(shape) < rng.choice([0.0, 0.5])  # runs of one value
        a = rng.integers(0, 2, shape).astype(np.bool_)
        for i in range(1, shape[0]): a[i] = np.where(keep[i], a[i - 1], a[i])
        return a
    if scalar in INTS:
        info = np.iinfo(("u" if scalar[0] == "u" else "") + "int" + scalar[1:])
        a = rng.integers(-10 if info.min < 0 else 0, 20, shape).astype(info.dtype)
        extreme = np.where(rng.random(shape) < 0.5, np.array(info.min, info.dtype), np.array(info.max, info.dtype))
        return np.where(rng.random(shape) < 0.1, extreme, a)
    if scalar == "bf16": return (rng.normal(0, 2, shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    a = rng.normal(0, 2, shape)
    a = np.where(rng.random(shape) < special, rng.choice([0.0, -0.0, np.inf, np.nan, 1e30, 1e-40], shape), a)
    with np.errstate(over="ignore"):
        return a.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[scalar])


def every_instant(program, streams, steps):
    """The streams with something at the instants at which an input is absent, for generated code, which does not read it."""
    import numpy as np
    full = {}
    for v, k in program.inputs:
        at = present(k, streams, steps)
        for path, scalar, shape in program.leaves(v.scalar, v.shape):
            a = streams[v.name + path]
            whole = np.frombuffer(bytes([1 if scalar == "bool" else 0x5A]) * (steps * int(np.prod(shape)) * a.dtype.itemsize), a.dtype)
            full[v.name + path] = whole.reshape(steps, *shape).copy()
            full[v.name + path][at] = a
    return full


def present_only(outputs):
    """Outputs of generated code as files hold them: what is on a clock at its instants only."""
    return {name: values[outputs[f"{name}_present"]] if f"{name}_present" in outputs else values
            for name, values in outputs.items() if not name.endswith("_present")}


if __name__ == "__main__":
    program = Program(int(sys.argv[1]))
    print(program.generate())
    for name, text in program.files().items(): print(f"// {name}\n{text}")
