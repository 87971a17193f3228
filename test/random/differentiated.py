"""Random programs with derivatives (see gradients.py): a random node `f` of the whole language in f64, and a `main` that differentiates it."""
import re

import active
import expressions
import standard
from coverage import PAIRS
from generate import Program
from library import Node
from region import Var
from scalars import tensor

# Bounded and smooth almost everywhere; no texts of special values.
expressions.RAW = ["sin({})", "tanh({})", "exp(min({}, 2.0))", "erf({})", "sign({})", "asin(0.3 * sin({}))", "tan(0.5 * tanh({}))",
                   "log2(1.0 + abs({}))", "cosh(tanh({}))"]
expressions.BITS = {}
FLOATS = ("f32", "f64", "f16", "bf16")
# Pairs of what a derivative can go through.
WITHOUT = {"clocked input", "clocked output", "monitor", "random numbers", "bits", "isnan", "argmax", "enum", "count"}
SMOOTH_PAIRS = [p for p in PAIRS if not p & WITHOUT]
TIMES = {"scan", "resume", "until", "scan both ways", "when block", "flat clock", "every", "chain of every", "merge", "hold", "if block", "match block",
         "last", "reset block", "reset call", "automaton", "pack", "unpack", "pack until"}


def double(text):
    """All floats in f64."""
    return re.sub(r"\b(f32|f16|bf16)\b", "f64", text)


class Differentiated(Program):
    """`given`: inputs of f; `varied`: those with derivatives, all of floats; `fixed`: names of those that are parameters, the same at all instants of
    the scan; `length`: instants of the scan; `taken`: kinds of derivatives; `path`: features of what they go through."""

    def __init__(self, seed, attempt=0):
        super().__init__(seed + attempt * 10**9)
        r = self.r
        self.length = r.choice([1, 2, 3, 4])
        self.budget = r.choice([2, 4, 6, 8, 10])
        self.wanted = r.choice([p for p in SMOOTH_PAIRS if p & TIMES] if r.random() < 0.6 else SMOOTH_PAIRS)
        self.hot, self.parsed = set(), {}  # names that depend on an input of floats
        self.form = r.choice(["at instants"] * 3 + ["whole"] * 4 + ["batch"] * 2 + ["learning"] * 2)
        self.in_scan = self.form != "at instants" and r.random() < 0.6  # f itself may look ahead
        self.nested = r.random() < (0.15 if self.form == "learning" else 0.3)
        self.batch = r.choice([2, 3]) if self.form == "batch" else 0
        self.budgeted = r.random() < 0.2
        self.in_c = seed % 4 == 0
        self.directions = r.choice(["", "=2", "=2", "=2"])  # of dual numbers: all, or two random ones
        self.taken, self.fixed, self.wrappers, self.batched, self.jacobian = set(), set(), [], None, None

    @property
    def at_instants(self):
        return self.form == "at instants"

    # ---- what depends on the inputs -------------------------------------------------------------------------------------

    def heat(self, region):
        """Brings `hot` up to date with the equations of a region and of those around it."""
        regions = []
        while region:
            regions.append(region)
            region = region.outer
        for line in (l for region in regions[::-1] for l in region.lines):
            if line not in self.parsed: self.parsed[line] = active.Leaf(line.strip(), [], [])
            leaf = self.parsed[line]
            if leaf.reads & self.hot and not active.DISCRETE.match(leaf.text): self.hot |= leaf.defines

    def is_hot(self, v):
        name = active.NAME.search(v.name.replace("(last ", "("))
        return bool(name) and name.group() in self.hot

    def pick(self, region, scalar, shape):
        """Rather what depends on an input."""
        if scalar == "bool" or self.r.random() < 0.25: return super().pick(region, scalar, shape)
        self.heat(region)
        found = [v for v in region.ready + region.captured if v.scalar == scalar and len(v.shape) >= len(shape) and 0 not in v.shape
                 and v.shape[len(v.shape) - len(shape):] == tuple(shape) and self.is_hot(v)]
        exact = [v for v in found if len(v.shape) == len(shape)]
        if exact and self.r.random() < 0.5: found = exact
        if not found: return super().pick(region, scalar, shape)
        return self.read(region, self.r.choice(found[-6:] if self.r.random() < 0.6 else found), len(shape))

    def chosen(self, region, defined, most):
        """Of what leaves a region, rather what depends on an input."""
        self.heat(region)
        hot = [v for v in defined if self.is_hot(v) and v.scalar not in ("bool", "i32")]
        rest = [v for v in defined if not any(v is w for w in hot)]
        if region.outer is None:  # of a node, what most was done for
            body = region.lines
            names = [v for v in self.hot if v[0] == "x"]
            score = {v.name: len(active.features({"f": (names, [v.name], body)}, "f", names)) for v in hot if v.simple}
            hot = sorted(hot, key=lambda v: -score.get(v.name, 0) - 6 * self.r.random())
            return hot[:most] if hot else super().chosen(region, defined, most)
        kept = super().chosen(region, hot, most)
        return kept + super().chosen(region, rest, max(0, most - len(kept)) if self.r.random() < 0.3 else 0 if kept else most)

    # ---- the node f -----------------------------------------------------------------------------------------------------

    def palette(self):
        super().palette()
        self.shapes = [h for h in self.shapes if self.count(h) <= 12] + [(), (self.r.choice([1, 2, 3, 4]),)]
        self.scalars = ["f32", "f64", "f64"] + self.r.sample(["i32", "bool", "f64"], 2)

    STATEMENTS = {**Program.STATEMENTS, **{name: (weight, Program.STATEMENTS[name][1]) for name, weight in [
        ("scan", 12), ("call", 6), ("when_block", 5), ("if_block", 3), ("match_block", 2.5), ("reset_block", 3), ("automaton", 4), ("monitor", 0.1)]}}

    def type(self):
        floats = ["f64"] * 3 + [s for s in self.structs if self.all_floats(s)]
        scalar = self.r.choice(floats)
        return (scalar, () if scalar in self.structs else self.shape()) if self.r.random() < 0.6 else super().type()

    def inputs_of(self, name):
        if name != "f": return super().inputs_of(name)
        r = self.r
        floats = [s for s in self.structs if self.all_floats(s)]
        small = lambda: r.choice([h for h in self.shapes if self.count(h) <= 6])
        found = [(Var(self.fresh("x"), "f64", small(), -1), None) for _ in range(r.randrange(1, 3))]
        if floats and r.random() < 0.7: found.append((Var(self.fresh("x"), r.choice(floats), (), -1), None))
        found.append((Var(self.fresh("x"), *self.type(), -1), None))
        wanted = [h for _, ins, _ in self.wrappers for _, s, h in ins if s == "f64"]
        found += [(Var(self.fresh("x"), "f64", h, -1), None) for h in r.sample(wanted, min(len(wanted), r.choice([0, 1, 1, 2])))]
        self.hot = {v.name for v, _ in found if v.scalar in FLOATS or v.scalar in floats}
        return found

    def float_operator(self, scalar, sub, other, kind):
        """Without divisions by zero: the derivative of what is infinite and bounded again is none."""
        if 0.72 <= kind < 0.74: return f"({sub()} {self.r.choice(['/', '%'])} (1.5 + abs({other()})))"
        return super().float_operator(scalar, sub, other, kind)

    def outputs_on_clocks(self, name, region, inputs):
        return [] if name == "f" else super().outputs_on_clocks(name, region, inputs)

    def standard_calls(self):
        """Nodes around the standard library and around derivatives."""
        chosen = self.r.sample(standard.CALLS, self.r.choice([0, 0, 1, 1, 2, 2]))
        self.imports = set()
        if any("derivative" in label for label, *_ in chosen): self.text.append(standard.HELPERS)
        for label, ins, outs, body in chosen:
            name = f"{self.fresh('s')}_{re.sub(r'[. ]', '_', label)}"
            self.imports |= standard.imports(body)
            self.text.append(f"node {name}({ins}) -> ({outs}) {{ {body} }}\n")
            ins, outs = standard.ports(ins), standard.ports(outs)
            self.wrappers.append((name, ins, outs))
            self.shapes += [h for _, s, h in ins + outs if s == "f64"]
            self.nodes += [Node(name, [(Var(v, s, h, -1), None) for v, s, h in ins], [(Var(v, s, h, -1), None) for v, s, h in outs], False)] * 2
        if chosen and self.r.random() < 0.7: self.wanted = frozenset(["call"])

    def node_f(self):
        """Declares `f`; false where nothing that it gives has a derivative."""
        r = self.r
        self.declare_types()
        for _ in range(r.choice([0, 0, 1])): self.table()
        for _ in range(r.choice([0, 1, 2])): self.fun()
        self.library()
        self.uses_random = False
        self.standard_calls()
        most = self.budget
        for k in range(r.choice([0, 0, 0, 1])):
            self.budget = 2
            uses_end = r.random() < 0.35
            inputs, outputs, region = self.node(f"n{k}", uses_end)
            if outputs: self.nodes.append(Node(f"n{k}", inputs, self.declare(f"n{k}", inputs, outputs, region), uses_end))
        self.budget = most
        inputs, outputs, region = self.node("f", self.in_scan)
        if not outputs: return False
        self.given = [v for v, _ in inputs]
        self.outcomes = [v for v, _ in self.declare("f", inputs, outputs, region)]
        self.varied = [v for v in self.given if v.scalar in ("f32", "f64") or v.scalar in self.structs and self.all_floats(v.scalar)]
        self.values = [(f"z{i}{path}", f"y{i}_{k}", shape) for i, v in enumerate(self.outcomes)
                       for k, (path, scalar, shape) in enumerate(self.leaves(v.scalar, v.shape)) if scalar in FLOATS]
        self.fixed = {v.name for v in self.given if r.random() < 0.35}
        if not self.values: return False
        self.path = active.features(active.bodies("\n".join(self.text) + self.module_bodies()), "f", [v.name for v in self.varied])
        return bool(self.path)

    def module_bodies(self):
        return "\n".join(self.module_text)

    # ---- main: parts ----------------------------------------------------------------------------------------------------

    def rows(self, v):
        """Shape of an input of `main`: with the scan's instants in front, if it is no parameter."""
        return ((self.batch,) if v is self.batched else ()) + (() if v.name in self.fixed else (self.length,)) + tuple(v.shape)

    def of(self, v):
        return tensor(v.scalar, self.rows(v))

    def apply(self, names=None):
        """The call of f on variables of an instant."""
        names = names or (lambda v: v.name + "_t")
        left = [f"z{i}" for i in range(len(self.outcomes))]
        return f"{left[0] if len(left) == 1 else '(' + ', '.join(left) + ')'} = f({', '.join(names(v) for v in self.given)});"

    def sample(self, v):
        return f"{v.name}_t = {v.name}{'' if v.name in self.fixed else '[t]'};"

    def term(self, name, shape):
        """A scalar of one value."""
        if not shape: return f"tanh(0.5 * {name})"
        axes = ", ".join(f"k{i}" for i in range(len(shape)))
        return f"sum(tanh(0.5 * {name}[{axes}]) for {', '.join(f'k{i} < {n}' for i, n in enumerate(shape))})"

    def placed(self, lines):
        """The lines at the scan's time or in a block; what they define is `e` and `g_*` of every instant."""
        r, names = self.r, ["e"] + [f"g_{v.name}" for v in self.varied]
        body = lines
        kind = r.choice(["plain", "plain", "if", "when", "every", "reset", "automaton", "match"])
        if kind == "match" and not self.enums: kind = "if"
        other = ["e = 0.0;"] + [f"g_{v.name} = 0.0;" for v in self.varied]
        indent = lambda ls: ["  " + l for l in ls]
        self.taken.add({"plain": "at instants of a scan", "if": "in an arm", "when": "on a clock", "every": "on a periodic clock", "reset": "in a reset block",
                        "automaton": "in a state", "match": "in an arm of match"}[kind])
        if kind == "if": return ["if b {", *indent(body), "} else {", *indent(other), "}"]
        if kind == "match":
            enum = r.choice(list(self.enums))
            first, *rest = self.enums[enum]
            arms = [f"  {first}: {{", *indent(indent(body)), "  }"]
            for c in rest: arms += [f"  {c}: {{", *indent(indent(other)), "  }"]
            return [f"m_t = if b then {enum}.{first} else {enum}.{rest[0]};", "match m_t {", *arms, "}"]
        if kind == "reset": return ["reset {", *indent(body), "} every b;"]
        if kind == "automaton":
            return ["automaton {", "  state S {", *indent(indent(body)), "    until b then T;", "  }", "  state T {", *indent(indent(other)),
                    f"    until true {r.choice(['then', 'continue'])} S;", "  }", "}"]
        if kind in ("when", "every"):
            clock, on = ("b", "b") if kind == "when" else ("every 2 at 0", "t % 2 == 0")
            renamed = [re.sub(r"\b(e|g_x\d+)\b", r"\1_c", line) for line in body]
            return [f"when {clock} {{", *indent(renamed), "}"] + [f"{n} = if {on} then hold({n}_c, 0.0) else 0.0;" for n in names]
        return body

    def head(self):
        return "scan t < %d%s {" % (self.length, " until b" if self.ends else "")

    # ---- main: gradients at each instant of the scan ----------------------------------------------------------------------

    def main_at_instants(self):
        """The variable of the derivative is of the scan: x moved by d, which is zero."""
        r, n = self.r, self.length
        self.varied = moved = [v for v in self.varied if v.scalar == "f64"]
        self.fixed -= {v.name for v in moved}
        ins = [f"{v.name}: {self.of(v)}" for v in self.given] + [f"bs: bool[{n}]"] + [f"d_{v.name}: {self.of(v)}" for v in moved]
        samples = [f"{v.name}_t = {v.name}[t] + d_{v.name}[t];" if v in moved else self.sample(v) for v in self.given] + ["b = bs[t];"]
        body = [self.apply(), "e = " + " + ".join(self.term(name, shape) for name, _, shape in self.values) + ";"]
        if len(moved) > 1 and r.random() < 0.5:
            self.taken.add("tuple of variables")
            body.append(f"({', '.join('g_' + v.name for v in moved)}) = grad(e, ({', '.join(v.name + '_t' for v in moved)}));")
        else: body += [f"g_{v.name} = grad(e, {v.name}_t);" for v in moved]
        lines = samples + self.placed(body) + ["es[t] = e;"] + [f"gs_{v.name}[t] = g_{v.name};" for v in moved]
        outs = [f"es: f64[{n}]"] + [f"gs_{v.name}: {self.of(v)}" for v in moved]
        text = [self.head(), *("  " + line for line in lines), "}"]
        if self.nested:
            self.taken.add("gradient of gradients")
            text.append("m = " + " + ".join(f"sum(tanh(gs_{v.name}) * gs_{v.name})" for v in moved) + " + sum(es);")
            text += [f"h_{v.name} = grad(m, {v.name});" for v in moved]
            outs += ["m: f64"] + [f"h_{v.name}: {self.of(v)}" for v in moved]
        return ins, outs, text, ""

    # ---- main: gradients of what a scan has made ----------------------------------------------------------------------------

    def scan_of_f(self):
        """(lines, [(name, shape)] of the results)."""
        n, ys = self.length, [(y, (self.length, *shape)) for _, y, shape in self.values]
        ends = []
        if self.r.random() < 0.3:
            z, y, shape = self.r.choice(self.values)
            ends = [f"q = {self.r.choice(['final', 'initial'])} ({z});"]
            ys = ys + [("q", shape)]
        lines = [self.sample(v) for v in self.given] + ["b = bs[t];", self.apply()] + [f"{y}[t] = {z};" for z, y, _ in self.values] + ends
        return [self.head(), *("  " + line for line in lines), "}"], ys

    def batched_scan(self):
        """A node that runs the scan, in a comprehension over instances: (its text, lines, results)."""
        r = self.r
        scan, ys = self.scan_of_f()
        y, shape = ys[0]
        scan = [l for l in scan if not any(f" {o}[t]" in l or f" {o} = " in l for o, _ in ys[1:])]
        v = r.choice(self.varied)
        own = ""
        self.own_gradient = v.scalar == "f64" and r.random() < 0.5
        heads = ", ".join(f"{u.name}: {self.of(u)}" for u in self.given)
        if self.own_gradient:
            own = f", g: {self.of(v)}"
            scan += [f"l = {self.term(y, shape)};", f"g = grad(l, {v.name});"]
            self.taken.add("gradients of instances side by side")
        text = f"node side({heads}, bs: bool[{self.length}]) -> ({y}: {tensor('f64', shape)}{own}) {{\n  " + "\n  ".join(scan) + "\n}\n"
        call = f"side({', '.join(u.name + '[k]' * (u is v) for u in self.given)}, bs)"
        self.batched = v
        left = f"({y}, gs_own)" if self.own_gradient else y
        return text, [f"{left} = [{call} for k < {self.batch}];"], [(y, (self.batch, *shape))]

    def learning(self):
        """Steps of descent in an outer scan, each with a gradient through the inner one: (lines, results)."""
        r = self.r
        v = self.learnt = r.choice(self.varied)
        self.fixed.add(v.name)
        scan, ys = self.scan_of_f()
        w = f"{v.name}_w"
        scan = [line.replace(f"{v.name}_t = {v.name};", f"{v.name}_t = {w};") for line in scan]
        step = f"{w} - 0.1 * g"
        if r.random() < 0.3:
            step = f"optim.momentum({w}, g, 0.05)"
            self.imports.add("optim")
        loss = " + ".join(self.term(y, shape) for y, shape in ys)
        lines = [f"{w} = {v.name} fby {step};", *scan, f"e = {loss};", f"g = grad(e, {w});", "es[o] = e;", "w_end = final " + w + ";"]
        self.taken.add("learning in a scan")
        return ["scan o < %d {" % r.choice([2, 2, 3]), *("  " + l for l in lines), "}"]

    def axes_of(self, shape, prefix="a"):
        return [f"{prefix}{i}" for i in range(len(shape))]

    def rows_of_gradients(self, name, shape, v):
        """A comprehension of gradients of each element of a tensor."""
        axes = self.axes_of(shape)
        return f"[grad({name}[{', '.join(axes)}], {v.name}) for {', '.join(f'{a} < {n}' for a, n in zip(axes, shape))}]"

    def main_of_whole(self):
        r = self.r
        node = ""
        if self.form == "batch":
            node, text, ys = self.batched_scan()
            self.taken.add("instances side by side")
        elif self.form == "learning":
            text = self.learning()
            leaves = [(f"w_end{p}", h) for p, _, h in self.leaves(self.learnt.scalar, self.learnt.shape)]
            ys = [(f"u{i}", h) for i, (_, h) in enumerate(leaves)]
            text += [f"{u} = {w};" for (u, _), (w, _) in zip(ys, leaves)]
        else:
            text, ys = self.scan_of_f()
            self.taken.add("of a scan's results")
        total = " + ".join(self.term(y, shape) for y, shape in ys) + (" + sum(es)" if self.form == "learning" else "")
        text = text + [f"l = {total};"]
        ins = [f"{v.name}: {self.of(v)}" for v in self.given] + [f"bs: bool[{self.length}]"]
        outs = ["l: f64"] + [f"d_{v.name}: {self.of(v)}" for v in self.varied]
        if self.form == "batch" and self.own_gradient: outs.append(f"gs_own: {self.of(self.batched)}")
        self.taken |= {"a parameter" if v.name in self.fixed else "an input of all instants" for v in self.varied}
        self.taken |= {"a struct" for v in self.varied if v.scalar in self.structs}
        if len(self.varied) > 1 and r.random() < 0.4:
            self.taken.add("tuple of variables")
            text.append(f"({', '.join('d_' + v.name for v in self.varied)}) = grad(l, ({', '.join(v.name for v in self.varied)}));")
        else: text += [f"d_{v.name} = grad(l, {v.name});" for v in self.varied]
        y, shape = r.choice(ys)
        v = self.dot = r.choice(self.varied)
        ins += [f"cot: {tensor('f64', shape)}", f"tan: {self.of(v)}"]
        text += [f"v_dot = vjp({y}, {v.name}, cot);", f"j_dot = jvp({y}, {v.name}, tan);"]
        outs += [f"v_dot: {self.of(v)}", f"j_dot: {tensor('f64', shape)}"]
        self.taken |= {"vjp", "jvp"}
        size = self.count(shape)
        small = self.count(self.rows(v)) <= 12 and v.scalar == "f64"
        if small and shape and size <= 12 and r.random() < (0.3 if self.form == "learning" else 0.6):
            self.taken.add("Jacobian")
            self.jacobian = (shape, self.rows(v))
            text.append(f"jac = {self.rows_of_gradients(y, shape, v)};")
            outs.append(f"jac: {tensor('f64', (*shape, *self.rows(v)))}")
        if small and r.random() < 0.3: self.second(text, outs, v)
        if self.nested:
            self.taken.add("gradient of gradients")
            squares = " + ".join(f"sum(tanh(d_{v.name}{path}) * d_{v.name}{path})" for path, _, _ in self.leaves(v.scalar, ()))
            text += [f"m = {squares} + sum(j_dot * j_dot);", *(f"h_{w.name} = grad(m, {w.name});" for w in self.varied)]
            outs += ["m: f64"] + [f"h_{w.name}: {self.of(w)}" for w in self.varied]
        return ins, outs, text, node

    def second(self, text, outs, v):
        """The Hessian, or its product with a direction."""
        shape = self.rows(v)
        self.taken.add("jvp of a gradient")
        text.append(f"hv = jvp(d_{v.name}, {v.name}, tan);")
        outs.append(f"hv: {self.of(v)}")
        if shape and self.count(shape) <= 6 and self.form != "learning":
            self.taken.add("Hessian")
            text.append(f"hess = {self.rows_of_gradients('d_' + v.name, shape, v)};")
            outs.append(f"hess: {tensor('f64', (*shape, *shape))}")

    # ---- the whole ------------------------------------------------------------------------------------------------------

    def generate(self):
        """The text, or None where there is nothing to differentiate."""
        if not self.node_f(): return None
        self.ends = self.r.random() < 0.15
        if self.ends: self.taken.add("of an until scan")
        ins, outs, text, node = self.main_at_instants() if self.at_instants else self.main_of_whole()
        if not self.varied: return None
        head = f"node main({', '.join(ins)}) -> ({', '.join(outs)}) {{\n"
        imports = [f"import {m};\n" for m in sorted(self.imports | ({self.module} if self.module_text else set()))]
        return double("\n".join(imports + self.text + [node + head + "\n".join("  " + line for line in text) + "\n}\n"]))

    def files(self):
        """{name: text} of the modules beside the program."""
        found = {name: double(text) for name, text in super().files().items()}
        if "nn64" in self.imports: found["nn64.mlr"] = standard.nn64()
        return found


def differentiated(seed):
    """(program, text) of the first attempt with something to differentiate, or (None, None)."""
    for attempt in range(12):
        program = Differentiated(seed, attempt)
        text = program.generate()
        if text is not None: return program, text
    return None, None
