"""Random well-typed expressions over the variables that a region has at hand (see generate.py)."""
from scalars import BITS, FLOATS, INTS, is_number
from structured import Structured

# Elementary functions in forms that keep ordinary numbers ordinary: a NaN hides what is wrong in its operands.
TAME = ["exp(min({}, 3.0))", "tanh({})", "sigmoid({})", "sin({})", "cos({})", "log(abs({}) + 0.5)", "sqrt(abs({}))", "floor({})",
        "ceil({})", "trunc({})", "round({})", "abs({})", "square({})", "atan({})", "expm1(min({}, 2.0))", "log1p(abs({}))",
        "softplus({})", "cbrt({})", "relu({})"]
RAW = ["exp({})", "log({})", "sqrt({})", "asin({})", "exp2({})", "sign({})", "erf({})"]


class Expressions(Structured):
    """Mixed into Program: `self.r` is its source of randomness, `self.features` counts what was used."""

    def literal(self, scalar):
        if scalar in self.enums: return f"{scalar}.{self.r.choice(self.enums[scalar])}"
        if scalar == "bool": return self.r.choice(["true", "false"])
        if scalar in FLOATS: return self.r.choice(["0.0", "1.0", "-1.5", "0.25", "3.0", "0.1", "-0.7", "0.5", "-0.3", "-0.0"])
        if self.wraps and self.r.random() < 0.3: return self.extreme(scalar)
        if scalar[0] == "u": return self.r.choice(["0", "1", "2", "7", "100"])
        return self.r.choice(["0", "1", "-1", "3", "-7", "100", "2"])

    def extreme(self, scalar):
        """An integer at the end of its type, where operations wrap around."""
        most = 2 ** (int(scalar[1:]) - (scalar[0] == "i")) - 1
        return self.r.choice([str(most), str(most - 1), f"-{most}" if scalar[0] == "i" else "1"])

    def wrapping(self, region, shape, depth):
        """A comparison that compilers decide beforehand where they take it that nothing wraps around."""
        r, scalar = self.r, self.r.choice(INTS)
        self.features.add("wrap around")
        x = lambda: self.pick(region, scalar, shape) or self.expression(region, scalar, shape, depth - 2)
        c, a, test = self.constant(scalar, ()), x(), r.choice(["<", ">", "<=", ">=", "==", "!="])
        form = r.choice(["({0} {o} {c}) {t} {0}", "({0} {o} {1}) {t} ({0} {o} {2})", "({0} * {c}) / {c} {t} {0}", "i64({0} {o} {c}) {t} i64({0}) {o} i64({c})", "-{0} {t} {0}"])
        if form[0] == "-" and scalar[0] == "u": form = "({0} {o} {c}) {t} {0}"
        return f"({form.format(a, x(), x(), o=r.choice('+-*'), t=test, c=c)})"

    def constant(self, scalar, shape):
        """A literal of exactly this type; elements often differ."""
        if not shape:
            if scalar in self.structs: return self.struct_literal(scalar, self.constant)
            return f"{scalar}({self.literal(scalar)})" if is_number(scalar) else self.literal(scalar)
        i = self.fresh("q")
        bounds = ", ".join(f"{i}{k} < {n}" for k, n in enumerate(shape))
        if scalar in self.enums: return f"[{', '.join(self.constant(scalar, shape[1:]) for _ in range(shape[0]))}]"
        if self.r.random() < 0.5 or scalar in self.structs: return f"[{self.constant(scalar, ())} for {bounds}]"
        return f"[{self.pattern(scalar, [f'{i}{k}' for k in range(len(shape))])} for {bounds}]"

    def pattern(self, scalar, indices):
        """A small value that differs from element to element."""
        flat = " + ".join(f"{i} * {self.r.choice([1, 2, 3, 5, 7])}" for i in indices)
        if scalar == "bool": return f"({flat} + {self.r.randrange(3)}) % 3 == 0"
        if scalar[0] == "u": return f"{scalar}(({flat} + {self.r.randrange(9)}) % 11)"
        value = f"{scalar}(({flat} + {self.r.randrange(9)}) % 11 - 5)"
        return f"{value} * {self.r.choice(['0.25', '0.3', '-0.5'])}" if scalar in FLOATS else value

    # ---- whole values ----------------------------------------------------------------------------------------------

    def pick(self, region, scalar, shape):
        """A usable expression of exactly this type from the variables at hand, or None."""
        pools = [region.ready, region.captured]
        for pool in pools if self.r.random() < 0.65 else pools[::-1]:
            candidates = [v for v in pool if v.scalar == scalar and len(v.shape) >= len(shape) and 0 not in v.shape
                          and v.shape[len(v.shape) - len(shape):] == tuple(shape)]
            if candidates: return self.read(region, self.r.choice(candidates), len(shape))
        return None

    def read(self, region, v, axes):
        """`v`, or an element or row of it."""
        self.features.reads(v)
        if len(v.shape) == axes: return v.name
        index = [self.place(region, n) for n in v.shape[:len(v.shape) - axes]]
        return f"{v.name}[{', '.join(index)}]"

    def place(self, region, n):
        """An index of an axis of n elements: of the scan, of its neighbours, constant, or data."""
        r = self.r
        indices = [(t, length) for t, length in region.times() if length <= n]
        if indices and r.random() < 0.75:
            t, length = r.choice(indices)
            if length == n and r.random() < 0.25: return f"{n - 1} - {t}"
            if n > length and r.random() < 0.5: return f"{t} + {r.randrange(n - length + 1)}"
            if r.random() < 0.15: return f"max(0, min({t} {r.choice(['+', '-'])} {r.randrange(1, 3)}, {n - 1}))"
            return t
        data = self.indices(region)
        if data and r.random() < 0.25:
            self.features.add("gather")
            return r.choice(data)
        return str(r.randrange(n))

    @staticmethod
    def indices(region):
        """Data that can be an index."""
        return [v.name for v in region.ready + region.captured if v.scalar in INTS and not v.shape and v.name.lstrip("(")[0] != "t"]

    def leaf(self, region, scalar, shape):
        r = self.r.random()
        if r < 0.3 or self.presses("hold", "merge", "merge of an enum") and r < 0.5:
            timed = self.timed(region, scalar, shape)
            if timed: return timed
        if r < 0.85:
            p = self.pick(region, scalar, shape)
            if p: return p
        source = self.r.choice(region.ready + region.captured) if region.ready + region.captured and r < 0.93 else None
        if source and source.shape == tuple(shape) and is_number(scalar) and is_number(source.scalar):
            self.features.add("convert")
            return f"{scalar}({source.name})"
        return self.constant(scalar, shape)

    def first(self, region, scalar, shape):
        """The first value of a recurrence (or its end): a constant, or something computed."""
        if region.plain or self.r.random() < 0.45: return f"({self.constant(scalar, shape)})"
        self.features.add("computed initial value")
        return f"({self.pick(region, scalar, shape) or self.expression(region, scalar, shape, 1)})"

    def timed(self, region, scalar, shape):
        """An expression that crosses instants, or None."""
        r = self.r
        same = lambda v: v.scalar == scalar and v.shape == tuple(shape)
        init = lambda: self.first(region, scalar, shape)
        direction, mine = region.groups[region.current]
        before = [v for _, vs in region.groups[:region.current] for v in vs if same(v)]
        own = [v for v in mine if same(v)]
        if own and r.random() < 0.6:
            v = r.choice(own)
            self.features.reads(v)
            if direction == "up":
                self.features.add("fby")
                if r.random() < 0.2:
                    self.features.add("pre")
                    return f"({self.constant(scalar, shape)} -> pre {v.name})"
                if r.random() < 0.15:
                    self.features.add("long delay")
                    return f"({init()} fby {init()} fby {v.name})"
                return f"({init()} fby {v.name})"
            self.features.add("eby")
            if r.random() < 0.15: return f"({v.name} eby {init()} eby {init()})"
            return f"({v.name} eby {init()})"
        choices = []
        if before:
            v = r.choice(before)
            choices.append(("fby", f"({init()} fby {v.name})"))
            if region.in_scan and not region.plain and not region.no_eby: choices.append(("eby", f"({v.name} eby {init()})"))
            if region.index and not region.plain: choices += [("final", f"(final {v.name})"), ("initial", f"(initial {v.name})")]
        if shape and shape[0] >= 1:
            row = lambda v: v.scalar == scalar and v.shape == tuple(shape[1:])
            rows = [v for v in region.ready if row(v) and region.delayable(v)]
            if rows:
                start = self.constant(scalar, shape[1:])
                fixed = [v.name for v in region.captured if row(v)]
                if fixed and r.random() < 0.4: start = r.choice(fixed)
                choices.append(("window", f"window<<{shape[0]}>>({r.choice(rows).name}, {start})"))
        if region.index and scalar == "i32" and not shape and not region.plain:
            choices.append(("count", f"count({region.index})"))
        choices += self.from_clocks(region, scalar, shape)
        if not choices: return None
        feature, text = self.choice_of(choices, lambda c: c[0])
        self.features.add(feature)
        return text() if callable(text) else text

    def expression(self, region, scalar, shape, depth=3):
        r = self.r
        if depth <= 0 or r.random() < 0.22: return self.leaf(region, scalar, shape)
        folded = r.random() < 0.04  # an operation of constants
        if folded: self.features.add("constants folded")
        sub = lambda s=scalar, h=shape: self.constant(s, h) if folded else self.expression(region, s, h, depth - 1)
        text = self.with_nodes(region, scalar, tuple(shape), depth)
        if text: return text
        if not is_number(scalar) and scalar != "bool": return self.structured(region, scalar, tuple(shape), depth)
        kind = r.random()
        if kind < 0.1:
            self.features.add("if")
            return f"(if {sub('bool', ())} then {sub()} else {sub()})"
        if kind < 0.18 and shape: return self.comprehension(region, scalar, shape, depth)
        if kind < 0.32 and shape:
            text = self.rearranged(region, scalar, tuple(shape), depth)
            if text: return text
        if kind < 0.3 and not shape:
            text = self.reduction(region, scalar, depth)
            if text: return text
        if kind < 0.35 and shape:
            self.features.add("where")
            return f"where({sub('bool', self.narrower(shape))}, {sub()}, {sub()})"
        other = lambda: sub(scalar, self.narrower(shape))  # broadcast
        if scalar == "bool":
            if self.wraps and r.random() < 0.4: return self.wrapping(region, shape, depth)
            if r.random() < 0.6:
                s = r.choice(["f32", "i32", "f64", "u8", "bool", *(() if shape else self.enums)])
                if s in self.enums:
                    self.features.add("enum")
                    return f"({sub(s)} {r.choice(['==', '!='])} {sub(s)})"
                if s == "bool": return f"({sub()} {r.choice(['==', '!='])} {other()})"
                return f"({sub(s)} {r.choice(['<', '>', '<=', '>=', '==', '!='])} {sub(s, self.narrower(shape))})"
            if r.random() < 0.1: return f"bool({sub(r.choice(['f32', 'i32', 'f16']))})"
            if r.random() < 0.15:
                self.features.add("isnan")
                return f"isnan({sub('f32')})"
            return f"({sub()} {r.choice(['and', 'or'])} {other()})" if r.random() < 0.7 else f"(not {sub()})"
        if kind < 0.4: return f"(-{sub()})" if scalar[0] != "u" else sub()
        if kind < 0.43:
            s = r.choice([s for s in self.scalars if is_number(s) or s == "bool" or scalar == "i32" and s in self.enums] + FLOATS + INTS)
            self.features.add("convert")
            return f"{scalar}({sub(s)})"
        if scalar in FLOATS: return self.float_operator(scalar, sub, other, kind)
        if kind < 0.5:
            self.features.add("bits")
            if r.random() < 0.2: return f"bitnot({sub()})"
            return f"{r.choice(['bitand', 'bitor', 'bitxor', 'shl', 'shr'])}({sub()}, {other()})"
        if kind < 0.54 and scalar in BITS.values() and not shape:
            self.features.add("bits of a float")
            return f"bits({sub(r.choice([f for f, u in BITS.items() if u == scalar]))})"
        if kind < 0.6: return f"{r.choice(['min', 'max'])}({sub()}, {other()})"
        if kind < 0.63 and scalar[0] == "i": return f"abs({sub()})"
        return f"({sub()} {r.choice(['+', '-', '*', '/', '%'])} {other()})"

    def float_operator(self, scalar, sub, other, kind):
        r = self.r
        if kind < 0.51:
            self.features.add("elementary")
            return r.choice(TAME if r.random() < 0.85 else RAW).format(sub())
        if kind < 0.57:
            self.features.add("fma")
            return f"fma({sub()}, {sub()}, {sub()})"
        if kind < 0.65: return f"{r.choice(['min', 'max'])}({sub()}, {other()})"
        if kind < 0.72: return f"({sub()} / (1.0 + abs({other()})))"
        if kind < 0.74: return f"({sub()} {r.choice(['/', '%'])} {other()})"
        if kind < 0.75: return f"{r.choice(['atan2', 'hypot'])}({sub()}, {sub()})"
        return f"({sub()} {r.choice(['+', '-', '*', '+', '*'])} {other()})"

    def narrower(self, shape):
        """A shape that broadcasts to `shape`, mostly itself."""
        shape = tuple(shape)
        if not shape or self.r.random() < 0.75: return shape
        self.features.add("broadcast")
        if len(shape) > 1 and self.r.random() < 0.6: return shape[1:]
        at = self.r.randrange(len(shape))
        return shape[:at] + (1,) + shape[at + 1:]

    def rearranged(self, region, scalar, shape, depth):
        """A tensor from other tensors: slices, joins, reshapes, products."""
        r = self.r
        sub = lambda h: self.expression(region, scalar, h, depth - 2)
        n, rest = shape[0], shape[1:]
        longer = [v for v in region.ready + region.captured
                  if v.scalar == scalar and len(v.shape) == len(shape) and v.shape[1:] == rest and v.shape[0] > n]
        kind = r.choice(["slice", "slice", "moving slice", "concat", "list", "reshape", "product", "transpose", "rows", "split", "join"])
        text = None
        if kind == "slice" and r.random() < 0.4:  # of a join or any other expression
            more = r.randrange(1, 4)
            a = r.randrange(more + 1)
            whole = f"concat({sub((more, *rest))}, {sub(shape)})" if r.random() < 0.6 else sub((n + more, *rest))
            text = f"({whole})[{a} .. {a + n}]"
        elif kind == "slice" and longer:
            v = r.choice(longer)
            a = r.randrange(v.shape[0] - n + 1)
            text = f"{v.name}[{a if a or r.random() < 0.5 else ''} .. {a + n}]"
        if kind == "moving slice" and longer: text = f"{r.choice(longer).name}[{self.expression(region, 'i32', (), 1)} ..+ {n}]"
        if kind == "concat" and n > 1:
            a = r.choice([v.shape[0] for v in region.ready + region.captured
                          if v.scalar == scalar and v.shape and v.shape[0] < n and v.shape[1:] == rest] or [r.randrange(1, n)])
            text = f"concat({sub((a, *rest))}, {sub((n - a, *rest))})"
        if kind == "list" and n <= 4: text = f"[{', '.join(sub(rest) for _ in range(n))}]"
        if kind == "reshape":
            count = self.count(shape)
            sources = [v.name for v in region.ready + region.captured
                       if v.scalar == scalar and v.shape and v.shape != shape and self.count(v.shape) == count]
            halves = [k for k in (2, 3) if count % k == 0]
            source = r.choice(sources) if sources else sub((halves[0], count // halves[0])) if halves else None
            text = source and f"reshape<<[{', '.join(map(str, shape))}]>>({source})"
        if kind == "product" and scalar != "bool" and len(shape) <= 2:
            k = r.choice([h[0] for h in self.shapes if h] + [2])
            if len(shape) == 2: text = f"({sub((n, k))} @ {sub((k, shape[1]))})"
            else: text = f"({sub((n, k))} @ {sub((k,))})" if r.random() < 0.5 else f"({sub((k,))} @ {sub((k, n))})"
        if kind == "split" and len(shape) >= 2: text = f"split<<{shape[1]}>>({sub((n * shape[1], *shape[2:]))})"
        if kind == "join":
            a = r.choice([k for k in range(1, n + 1) if n % k == 0] or [1])
            text = f"join({sub((n // a, a, *rest))})" if n else None
        if kind == "transpose" and len(shape) == 2: text = f"transpose({sub((shape[1], n))})"
        if kind == "rows" and rest and scalar != "bool":
            i = self.fresh("i")
            rows = [v for v in region.ready + region.captured if v.scalar == scalar and v.shape[1:] == rest and v.shape[0] >= n]
            if rows: text = f"[{r.choice(rows).name}[{i}] {r.choice(['+', '*'])} {sub(rest)} for {i} < {n}]"
        if text: self.features.add(kind)
        return text

    @staticmethod
    def count(shape):
        total = 1
        for n in shape: total *= n
        return total

    # ---- comprehensions ----------------------------------------------------------------------------------------------

    def comprehension(self, region, scalar, shape, depth):
        self.features.add("comprehension")
        i = [self.fresh("i") for _ in shape]
        bounds = list(zip(i, shape))
        body = self.inner(region, self.indexed(region, bounds), bounds, scalar, depth - 1)
        return f"[{body} for {', '.join(f'{a} < {n}' for a, n in bounds)}]"

    def indexed(self, region, bounds):
        """Elements of the variables at hand under comprehension indices: [(scalar, text)]."""
        out = []
        for v in region.ready + region.captured:
            if not is_number(v.scalar) and v.scalar != "bool": continue
            if not v.shape:
                out.append((v.scalar, v.name))
                continue
            text = f"{v.name}[{', '.join(self.affine(region, n, bounds) for n in v.shape)}]"
            out.append((v.scalar, text))
            if v.scalar != "bool" and bounds and self.r.random() < 0.25:
                self.features.add("padding")
                near = [self.near(n, bounds) for n in v.shape]
                out.append((v.scalar, f"at({v.name}, {', '.join(near)}, {self.constant(v.scalar, ())})"))
            if region.delayable(v) and self.r.random() < 0.2:
                self.features.add("delay in a comprehension")
                out.append((v.scalar, f"({self.constant(v.scalar, ())} fby {text})"))
        if bounds and self.r.random() < 0.85: out += self.compound(region, bounds, out)
        out += [("i32", a) for a, _ in bounds]
        return out

    def compound(self, region, bounds, elements):
        """Elements of tensors that are made on the spot: [(scalar, text)], one or none."""
        r = self.r
        tensors = [v for v in region.ready + region.captured if v.shape and (is_number(v.scalar) or v.scalar == "bool")]
        a, m = r.choice(bounds)
        kind = r.choice(["list", "list", "concat", "concat", "operator", "transpose", "reshape", "call of elements"])
        at = lambda shape: ", ".join(self.affine(region, n, bounds) for n in shape)
        if kind == "list":
            scalar = r.choice([s for s, _ in elements] or [self.number_type()])
            alike = [t for s, t in elements if s == scalar] + [self.constant(scalar, ())]
            sizes = r.choice([(2,), (3,), (1, 2), (2, 1), (2, 3)])
            parts, n = [f"[{', '.join(r.choice(alike) for _ in range(k))}]" for k in sizes], sum(sizes)
            made = f"concat({', '.join(parts)})" if len(parts) > 1 else parts[0]
            return [(scalar, f"{made}[{self.affine(region, n, bounds) if m <= n else f'{a} % {n}'}]")]
        if not tensors: return []
        v = r.choice(tensors)
        same = [w for w in tensors if w.scalar == v.scalar and w.shape[1:] == v.shape[1:]]
        alike = [w for w in same if w.shape == v.shape]
        self.features.add(f"element of {kind}")
        if kind == "concat":
            w = r.choice(same)
            if len(v.shape) > 1 and r.random() < 0.5:  # of rows that depend on an index
                rows = [f"{u.name}[{self.affine(region, u.shape[0], bounds)}]" for u in (v, w)]
                return [(v.scalar, f"concat({', '.join(rows)})[{at((2 * v.shape[1], *v.shape[2:]))}]")]
            return [(v.scalar, f"concat({v.name}, {w.name})[{at((v.shape[0] + w.shape[0], *v.shape[1:]))}]")]
        if kind == "operator" and v.scalar != "bool":
            return [(v.scalar, f"({v.name} {r.choice(['+', '-', '*'])} {r.choice(alike).name})[{at(v.shape)}]")]
        if kind == "transpose" and len(v.shape) == 2: return [(v.scalar, f"transpose({v.name})[{at(v.shape[::-1])}]")]
        if kind == "reshape":
            count = self.count(v.shape)
            divisors = [k for k in range(1, count + 1) if count % k == 0]
            k = r.choice(divisors)
            shape = r.choice([(count,), (k, count // k)])
            return [(v.scalar, f"reshape<<[{', '.join(map(str, shape))}]>>({v.name})[{at(shape)}]")]
        if v.scalar in FLOATS: return [(v.scalar, f"{r.choice(['tanh', 'abs', 'relu', 'square'])}({v.name})[{at(v.shape)}]")]
        return []

    def near(self, n, bounds):
        a, _ = self.r.choice(bounds)
        return self.r.choice([a, f"{a} - 1", f"{a} + 1", f"{a} - {n // 2}", f"{a} + {n // 2}", f"{n} - {a}", f"{self.r.randrange(n + 1)} - {a}", f"{self.r.choice([2, 3])} * {a} - {self.r.randrange(n + 1)}"])

    def affine(self, region, n, bounds):
        """An index of an axis of n elements, mostly within it by its form."""
        r = self.r
        fits = [(a, m) for a, m in bounds if m <= n]
        if not fits or r.random() < 0.1: return self.place(region, n)
        data = self.indices(region)
        if data and r.random() < 0.06: return f"{r.choice(fits)[0]} + i32({r.choice(data)}) % {n}"
        a, m = r.choice(fits)
        kind = r.random()
        if kind < 0.55: return a
        self.features.add("affine")
        if kind < 0.65: return f"{m - 1 + r.randrange(n - m + 1)} - {a}"
        if kind < 0.75 and n > m: return f"{a} + {r.randrange(n - m + 1)}"
        if kind < 0.8 and 2 * m - 1 <= n: return f"2 * {a} + {r.randrange(n - 2 * m + 2)}"
        pairs = [(b, k) for b, k in bounds if b != a and m + k - 1 <= n]
        if kind < 0.87 and pairs: return f"{a} + {r.choice(pairs)[0]}"
        blocks = [(b, k) for b, k in bounds if b != a and m * k <= n]
        if kind < 0.9 and blocks: return f"{a} * {r.choice(blocks)[1]} + {r.choice(blocks)[0]}" if len(blocks) == 1 else a
        if kind < 0.92: return f"{a} / 2"
        if kind < 0.94: return f"({a} + {r.randrange(1, 4)}) % {n}"
        if kind < 0.97: return f"max(0, min({a} {r.choice(['+', '-'])} {r.randrange(1, 3)}, {n - 1}))"
        return f"{a} * {a}"

    def inner(self, region, elements, bounds, scalar, depth):
        """A scalar at comprehension indices."""
        r = self.r
        fits = [t for s, t in elements if s == scalar]
        if depth <= 0 or r.random() < 0.3:
            if fits and r.random() < 0.85: return r.choice(fits)
            others = [t for s, t in elements if s != "bool"]
            if others and scalar != "bool" and r.random() < 0.5: return f"{scalar}({r.choice(others)})"
            return self.constant(scalar, ())
        sub = lambda s=scalar: self.inner(region, elements, bounds, s, depth - 1)
        if scalar == "bool":
            s = r.choice(["i32", "i32", "f32", "f32", "bool"])
            if s == "bool": return f"({sub()} {r.choice(['==', '!=', 'and', 'or'])} {sub()})"
            return f"({sub(s)} {r.choice(['<', '>=', '==', '!='])} {sub(s)})"
        if r.random() < 0.13: return f"(if {sub('bool')} then {sub()} else {sub()})"
        if scalar in FLOATS and r.random() < 0.1: return r.choice(TAME).format(sub())
        funs = [(name, inputs) for name, inputs, output in self.funs if output == scalar]
        if funs and r.random() < 0.15:
            self.features.add("fun in a comprehension")
            name, inputs = r.choice(funs)
            return f"{name}({', '.join(sub(s) for s in inputs)})"
        if r.random() < 0.22: return self.nested_reduction(region, elements, bounds, scalar, depth)
        if r.random() < 0.15: return f"{r.choice(['min', 'max'])}({sub()}, {sub()})"
        return f"({sub()} {r.choice(['+', '-', '*'])} {sub()})"

    def nested_reduction(self, region, elements, bounds, scalar, depth):
        r = self.r
        inner = [(self.fresh("k"), r.choice([1, 2, 3, 5] + [h[-1] for h in self.shapes if h]))]
        if r.random() < 0.2: inner.append((self.fresh("k"), r.choice([2, 3])))
        around = elements + self.indexed(region, bounds[:1] + inner) + self.indexed(region, inner)
        body = lambda s=scalar: self.inner(region, around, bounds + inner, s, depth - 1)
        self.features.add("nested reduction")
        ranges = ", ".join(f"{k} < {n}" for k, n in inner)
        if scalar == "i32" and r.random() < 0.3: return f"{r.choice(['argmax', 'argmin'])}({body(r.choice(['f32', 'i32']))} for {ranges})"
        f = r.choice(["sum"] * 6 + ["prod", "max", "min"] + (["mean"] if scalar in FLOATS else []))
        if f == "prod" and scalar in FLOATS: return f"prod(0.5 + abs({body()}) * 0.5 for {ranges})"
        return f"{f}({body()}{' * ' + body() if f == 'sum' and r.random() < 0.6 else ''} for {ranges})"

    def reduction(self, region, scalar, depth):
        """A scalar out of tensors, or None."""
        r = self.r
        have = [v for v in region.ready + region.captured if v.shape and 0 not in v.shape and (is_number(v.scalar) or v.scalar == "bool")]
        tensors = [v for v in have if v.scalar == scalar]
        if scalar == "bool":
            if tensors and r.random() < 0.6: return f"{r.choice(['all', 'any'])}({r.choice(tensors).name})"
            k, n = self.fresh("k"), r.choice([1, 3, 7, 17])
            body = self.inner(region, self.indexed(region, [(k, n)]), [(k, n)], "bool", depth - 1)
            return f"{r.choice(['all', 'any'])}({body} for {k} < {n})"
        if scalar == "i32" and r.random() < 0.5:
            numbers = [v for v in have if v.scalar != "bool"]
            if numbers:
                self.features.add("argmax")
                return f"{r.choice(['argmax', 'argmin'])}({r.choice(numbers).name})"
        if tensors and r.random() < 0.5:
            v = r.choice(tensors)
            same = [w for w in tensors if w.shape == v.shape]
            self.features.add("whole reduction")
            kind = r.random()
            if kind < 0.3: return f"sum({v.name} * {r.choice(same).name})"
            if kind < 0.45 and len(v.shape) == 1: return f"({v.name} @ {r.choice(same).name})"
            f = r.choice(["sum", "sum", "prod", "max", "min"] + (["mean"] if scalar in FLOATS else []))
            if f == "prod" and scalar in FLOATS: return f"prod(0.5 + abs({v.name}) * 0.5)"
            return f"{f}({v.name})"
        if have and scalar != "bool" and r.random() < 0.5:
            self.features.add("reduction of an expression")
            shape = r.choice(have).shape
            x = self.expression(region, scalar, shape, depth - 2)
            if r.random() < 0.5: return f"sum({x} * {self.expression(region, scalar, shape, depth - 2)})"
            return f"{r.choice(['sum', 'sum', 'max', 'min'] + (['mean'] if scalar in FLOATS else []))}({x})"
        self.features.add("reduction")
        return self.nested_reduction(region, self.indexed(region, []), [], scalar, depth)
