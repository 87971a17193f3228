"""Random nodes that others use: generic ones, nodes of nodes, modules, random numbers, calls (mixed into Program)."""
from region import Clock, Var
from scalars import FLOATS, INTS, is_number, tensor

# Bodies over x, of any shape, and numbers of one type; `{f}` is a bounded operation.
ANY_SHAPE = ["y = x + (0 fby y);", "y = x -> x - pre x;", "y = {f}(x, 0 fby y);", "s = x fby (1 fby s) + x; y = s - x;",
             "n: i32 = 1 -> pre n + 1; y = if n % 3 == 0 then x else (0 fby y) - x;",
             "k: bool = false fby not k; y = merge(k, x when k, 0 fby (x when not k));", "y = hold(x when every 2, 1);",
             "last y = 0; automaton {{ state A {{ y = x + last y; until true then B; }} state B {{ y = x; until n >= 2 then A; n: i32 = 1 -> pre n + 1; }} }}",
             "z = unpack<<2>>(pack<<2>>(x), 0); y = z + x;", "reset {{ s = x + (0 fby s); }} every n % 3 == 2; n: i32 = 0 fby n + 1; y = s;"]
VECTORS = ["scan t < N {{ s = x[t] + (k fby s); y[t] = s; z = final s; }}", "scan t < N {{ s = {f}(x[t], s eby k); y[t] = s; z = initial s; }}",
           "scan t < N resume {{ s = x[t] + (0 fby s); y[t] = s * k; z = final s; }}", "y = [{f}(x[i], k) for i < N]; z = max(x) + (0 fby z);",
           "scan t < N {{ b = {f}(x[t], b eby 0); s = b + (0 fby s); y[t] = s - initial b; z = final s; }}",
           "scan t < N until t >= N / 2 {{ s = x[t] - (k fby s); y[t] = s; z = final s; }}", "w = window<<3>>(x, 0); y = w[0] + w[2]; z = sum(w[1]) * k;"]
HIGHER = ["y = f(x);", "y = f(x + (0 fby y));", "y = f(f(x)) -> f(x fby x);", "y = 0 fby f(x);", "scan t < 3 {{ s = f(x + (0 fby s)); y = final s; }}",
          "c: bool = false fby not c; y = hold(f(x when c), 0);", "n: i32 = 0 fby n + 1; y = f(x) every (n % 3 == 2);"]


class Node:
    """A node that calls can use. Inputs and outputs are variables with a clock or None; `call` is its name for callers."""

    def __init__(self, call, inputs, outputs, uses_end):
        self.call, self.inputs, self.outputs, self.uses_end = call, inputs, outputs, uses_end

    @property
    def clocked(self):
        return any(k for _, k in self.inputs + self.outputs)


class Generic:
    def __init__(self, call, kind, scalar=None, shape=None):
        self.call, self.kind, self.scalar, self.shape = call, kind, scalar, shape


class Library:
    def library(self):
        """Generic nodes and nodes of nodes; some of them in a module."""
        r = self.r
        for _ in range(r.choice([0, 0, 1, 1, 2]) or int(self.presses("generic node", "higher-order node", "module", "map"))):
            target = self.text
            prefix = ""
            if r.random() < 0.3 or self.presses("module"): target, prefix = self.module_text, f"{self.module}."
            self.generic(target, prefix)
        if r.random() < 0.25 or self.presses("reduce"):
            name = self.fresh("u")
            self.text.append(f"fun {name}<<S: shape, T: num>>(a: f32, x: T[S]) -> (y: f32) {{ y = a * 0.5 + f32(sum(reshape<<[elements(S)]>>(x))); }}\n")
            self.reducers.append(name)
        self.uses_random = r.random() < 0.08 or self.presses("random numbers")

    def generic(self, target, prefix):
        r, name = self.r, self.fresh("g")
        operation = r.choice(["max", "min", "max", "hypot"])
        kind = r.choice(["any shape", "any shape", "vector", "higher", "higher"])
        if self.presses("map"): kind = "any shape"
        if self.presses("higher-order node"): kind = "higher"
        if operation == "hypot": limit = "float"
        else: limit = r.choice(["num", "float"])
        if kind == "any shape":
            target.append(f"node {name}<<S: shape, T: {limit}>>(x: T[S]) -> (y: T[S]) {{ {r.choice(ANY_SHAPE).format(f=operation)} }}\n")
        elif kind == "vector":
            body = r.choice(VECTORS)
            target.append(f"node {name}<<N: size, T: {limit}>>(x: T[N], k: T) -> (y: T[N], z: T) {{ {body.format(f=operation)} }}\n")
            if "eby" in body: kind = "vector"
        else:
            scalar, shape = r.choice([s for s in self.scalars if s in FLOATS]), r.choice([(), (), *self.shapes])
            of = tensor(scalar, shape)
            target.append(f"node {name}<<f: ({of}) -> {of}>>(x: {of}) -> (y: {of}) {{ {r.choice(HIGHER).format()} }}\n")
            self.generics.append(Generic(prefix + name, "higher", scalar, shape))
            return
        self.generics.append(Generic(prefix + name, kind, limit))

    def takes(self, g, scalar):
        return scalar in FLOATS or g.scalar == "num" and scalar in INTS

    def with_nodes(self, region, scalar, shape, depth):
        """An expression that calls a generic node or a library, or None."""
        r = self.r
        if region.stateless or region.plain or region.current < 0: return None
        pressed = self.presses("generic node", "higher-order node", "module", "random numbers", "reduce", "each")
        if r.random() > (0.25 if pressed else 0.08): return None
        down = region.direction == "down"
        sub = lambda s, h: self.expression(self.beside(region, "up") if down else region, s, h, depth - 2)
        if down and region.flat: return None
        options = []
        for g in self.generics:
            if g.kind == "any shape" and self.takes(g, scalar): options.append(("generic node", g, lambda g=g: f"{g.call}({sub(scalar, shape)})"))
            if g.kind == "higher" and (g.scalar, g.shape) == (scalar, shape): options.append(("higher-order node", g, lambda g=g: self.higher(g, sub, shape)))
            if g.kind == "vector" and self.takes(g, scalar) and (len(shape) == 1) and shape[0] > 0 and not region.flat:
                options.append(("generic node", g, lambda g=g: self.vector(region, g, sub, scalar, shape)))
        if shape and shape[0] > 0 and not region.flat:
            n, rest = shape[0], shape[1:]
            for g in self.generics:
                if g.kind == "any shape" and self.takes(g, scalar): options.append(("each", g, lambda g=g: self.side_by_side(region, g.call, [(scalar, rest)], n, sub)))
            for m in self.nodes:
                if (not m.clocked and [(v.scalar, v.shape) for v, _ in m.outputs] == [(scalar, rest)]
                        and (not m.uses_end or region.in_scan and not region.no_eby and not down)):
                    options.append(("each", None, lambda m=m: self.side_by_side(region, m.call, [(v.scalar, v.shape) for v, _ in m.inputs], n, sub)))
        if scalar == "f32" and not shape and self.reducers and self.structs:
            numeric = [s for s in self.structs if all(is_number(x) for _, x, _ in self.leaves(s))]
            if numeric: options.append(("reduce", None, lambda: f"reduce({r.choice(self.reducers)}, {sub('f32', ())}, {sub(r.choice(numeric), ())})"))
        if self.uses_random and scalar == "f32" and len(shape) <= 1 and (not shape or 0 < shape[0] <= 4):
            options.append(("random numbers", None, lambda: self.random_number(sub, shape)))
        if not options: return None
        feature, g, text = self.choice_of(options, lambda o: o[0])
        self.features.add(feature)
        if g and "." in g.call: self.features.add("module")
        return text()

    def higher(self, g, sub, shape):
        own = [h.call for h in self.generics if h.kind == "any shape"]
        return f"{g.call}<<{self.r.choice(own * 2 + ['tanh', 'abs', 'sin', 'sigmoid', 'floor'])}>>({sub(g.scalar, shape)})"

    def side_by_side(self, region, call, inputs, n, sub):
        """One instance for each value of an index; some inputs are shared."""
        b = self.fresh("i")
        usable = [v for v in region.ready + region.captured if region.direction == "up" or region.earlier(v)]
        arguments = []
        for s, h in inputs:
            rows = [v for v in usable if v.scalar == s and v.shape == (n, *h)]
            if rows and self.r.random() < 0.8:
                v = self.r.choice(rows)
                self.features.reads(v)
                arguments.append(f"{v.name}[{b}]")
            elif is_number(s) and self.r.random() < 0.6: arguments.append(f"({sub(s, h)} + {s}({b}))")
            else: arguments.append(sub(s, h))
        return f"[{call}({', '.join(arguments)}) for {b} < {n}]"

    def vector(self, region, g, sub, scalar, shape):
        """One of two results of a call; the equation of both goes in front."""
        y, z = Var(self.fresh(), scalar, shape, region.current), Var(self.fresh(), scalar, (), region.current)
        arguments = f"{sub(scalar, shape)}, {sub(scalar, ())}"
        region.lines.append(f"({y.name}, {z.name}) = {g.call}({arguments});")
        self.add(region, y, z)
        return y.name

    def random_number(self, sub, shape):
        r = self.r
        key = r.choice([f"random.keys({r.randrange(9)})", f"random.fold_in(random.key({r.randrange(9)}), u32({sub('i32', ())}))"])
        kind = r.choice(["uniform", "uniform", "normal"])
        return f"random.{kind}<<[{shape[0] if shape else 1}]>>({key}){'' if shape else '[0]'}"

    # ---- calls of nodes of this program --------------------------------------------------------------------------------

    def call(self, region, depth, left):
        nodes = [n for n in self.nodes if not n.uses_end or region.in_scan and not region.plain and not region.no_eby]
        if self.presses("clocked call") and any(n.clocked for n in nodes): nodes = [n for n in nodes if n.clocked]
        if self.presses("reset call") and any(not n.clocked for n in nodes): nodes = [n for n in nodes if not n.clocked]
        if not nodes: return False
        n = self.r.choice(nodes)
        reset, own = None, False
        if not n.clocked and (self.r.random() < 0.3 or self.presses("reset call")):
            reset, own = self.condition(region, own=not n.uses_end)
        source = self.beside(region, "up") if region.direction == "down" else region
        with self.features.inside("reset call" if reset else "clocked call" if n.clocked else "call"):
            self.features.add("call")
            made = self.called(region, source, n)
            if made is None: return False
            arguments, results = made
            target = results[0].name if len(results) == 1 else f"({', '.join(v.name for v in results)})"
            region.lines.append(f"{target} = {n.call}({', '.join(arguments)}){f' every {reset}' if reset else ''};")
            for v in results: v.made = frozenset(self.features.noted | set(self.features.around[-1:]))
        return True

    def called(self, region, source, n):
        """(arguments, results) of a call; the results are made usable on their clocks."""
        actual, arguments, owns = {}, {}, set()
        selecting = {k.condition: k for _, k in n.inputs + n.outputs if k and k.condition}
        for v, k in n.inputs:  # conditions first
            if v.name in selecting:
                if v.scalar == "bool": name, own = self.condition(source)
                else:
                    found = [w for w in source.ready if w.scalar == v.scalar and not w.shape and w.simple]
                    if not found: return None
                    w = self.r.choice(found)
                    name, own = w.name, not source.earlier(w)
                actual[v.name] = arguments[v.name] = name
                if own: owns.add(v.name)
        results = [Var(self.fresh(), v.scalar, v.shape, region.current) for v, _ in n.outputs]
        for (v, _), w in zip(n.outputs, results):
            if v.name in selecting: actual[v.name] = w.name
        here = lambda k: k if k.period else Clock(k.text.replace(k.condition, actual[k.condition], 1), actual[k.condition], k.value, own=True)
        for v, k in n.inputs:
            if v.name in arguments: continue
            arguments[v.name] = self.on(source, here(k), v.scalar, v.shape, 1) if k else self.expression(source, v.scalar, v.shape, 1)
        for (v, k), w in zip(n.outputs, results):
            if k: region.clocked.append((here(k), w))
            else: self.add(region, w)
        return [arguments[v.name] for v, _ in n.inputs], results
