"""Random clocks: conditions, what stands on a clock, and what brings it back (mixed into Program)."""
from region import Clock, Region, Var
from scalars import FLOATS, INTS, tensor


class Clocked:
    def condition(self, region, own=True):
        with self.features.inside(): return self.make_condition(region, own)

    def make_condition(self, region, own):
        """(name of a bool variable on this region's clock, whether it is of the group being defined), often true and often false."""
        r = self.r
        own = own and region.direction == "up"
        bools = [v for v in region.ready if v.scalar == "bool" and not v.shape and (own or region.earlier(v)) and not v.name.startswith("(")]
        if bools and r.random() < 0.5:
            v = r.choice(bools)
            self.features.reads(v)
            return v.name, not region.earlier(v)
        with_time = [v for v in region.ready + region.captured if not v.shape and v.scalar in FLOATS + INTS and (own or region.earlier(v))]
        kind, is_own = r.random(), False
        v = Var(self.fresh("c"), "bool", (), -1)
        if region.index and kind < 0.3: text = f"{region.index} % {r.choice([2, 3, 4])} == {r.randrange(2)}"
        elif with_time and kind < 0.75:
            w = r.choice(with_time)
            self.features.reads(w)
            is_own = not region.earlier(w)
            text = f"{w.name} > {w.scalar}({r.choice(['0', '1', '2'])})" if w.scalar in INTS else f"{w.name} > {r.choice(['0.0', '0.25', '-0.25', '0.5'])}"
        elif own and kind < 0.85:
            is_own, text = True, self.expression(region, "bool", (), 2)
        else:
            n, m = self.fresh("n"), r.choice([2, 3, 4, 5])
            region.lines.append(f"{n}: i32 = {r.randrange(3)} fby {n} + 1;")
            text = f"{n} % {m} == {r.randrange(m)}" if r.random() < 0.6 else f"{n} % {m} >= {r.randrange(1, m)}"
        if is_own: v.group = region.current
        region.lines.append(f"{v.name}: bool = {text};")
        self.features.equation(v)
        region.ready.append(v)
        return v.name, is_own

    def selector(self, region, own=True):
        """(name of an enum variable, its type, whether it is of the group being defined)."""
        r, scalar = self.r, self.r.choice(list(self.enums))
        own = own and region.direction == "up"
        found = [v for v in region.ready if v.scalar == scalar and not v.shape and (own or region.earlier(v)) and not v.name.startswith("(")]
        if found and r.random() < 0.7:
            v = r.choice(found)
            self.features.reads(v)
            return v.name, scalar, not region.earlier(v)
        values, is_own, text = self.enums[scalar], False, ""
        for value in values[:-1]:
            c, mine = self.condition(region, own)
            is_own = is_own or mine
            text += f"if {c} then {scalar}.{value} else "
        v = Var(self.fresh("m"), scalar, (), region.current if is_own else -1)
        region.lines.append(f"{v.name}: {scalar} = {text}{scalar}.{values[-1]};")
        self.features.add("enum")
        v.made = frozenset(["enum", "if"])
        region.ready.append(v)
        return v.name, scalar, is_own

    def below(self, region):
        """A clock directly below that of the region."""
        r = self.r
        known = [k for k, v in region.clocked if k.condition and (region.direction == "up" or v.group < region.current)]
        if known and r.random() < 0.4: return r.choice(known)
        kinds = ["when", "when not", "every", "every"] + ["when enum"] * (len(self.enums) > 0)
        kind = "every" if self.presses("chain of every") else self.choice_of(kinds, lambda k: k)
        if kind == "every":
            n = r.choice([1, 2, 2, 3, 4])
            return Clock.every(n, r.choice([n - 1, r.randrange(n)]))
        if kind == "when enum":
            m, scalar, own = self.selector(region)
            value = r.choice(self.enums[scalar])
            return Clock(f"{m} == {value}", m, value, own=own)
        c, own = self.condition(region)
        return Clock(f"not {c}" if kind == "when not" else c, c, kind == "when", own=own)

    def note(self, clock):
        """Features of a clock."""
        if clock.period: return "chain of every" if clock.chain else "every"
        return "when not" if clock.text.startswith("not ") else "when enum" if "==" in clock.text else "when"

    @staticmethod
    def after_when(clock):
        """As an operator and an annotation: `when c`, `every 3 at 1`."""
        return clock.text if clock.period else f"when {clock.text}"

    def block(self, region, own=False, alone=None):
        """A region for a block in `region`. `alone`: it reads nothing that is being defined, and so may have a direction of its own;
        own: its condition is of the group being defined."""
        inner = Region(region, in_scan=region.in_scan)
        inner.captured, inner.no_eby, inner.stateless = list(region.captured), region.no_eby or own, region.stateless
        before = [(d, list(vs)) for d, vs in region.groups[:region.current]]
        inner.current = region.current
        if alone:
            inner.ready = [v for v in region.ready if region.earlier(v)]
            inner.groups = before + [(alone, [])]
        else:
            inner.ready = list(region.ready)
            inner.groups = before + [(region.direction, list(region.groups[region.current][1]))]
        return inner

    def beside(self, region, alone=None):
        """A region for expressions that stand in `region` and read nothing that is being defined, or no more than before."""
        inner = self.block(region, alone=alone)
        inner.lines = region.lines
        return inner

    def alone(self, region, own=False):
        """Direction of a block that stands for itself, or None: it takes part in the recurrences of its group."""
        looks_ahead = region.in_scan and not region.no_eby and not own
        if self.r.random() < (0.3 if looks_ahead else 0.1): return self.r.choice(["up", "down"] if looks_ahead else ["up"])
        return None

    def sampled(self, region, clock):
        """A region for expressions on `clock`, outside of a block."""
        inner = self.block(region, clock.own)
        inner.flat = True
        wrap = lambda v: v.named(f"({v.name} when {clock.text})")
        inner.ready = [wrap(v) for v in inner.ready]
        inner.groups = [(d, [wrap(v) for v in vs]) for d, vs in inner.groups]
        inner.ready += [v for k, v in region.clocked if k.key == clock.key and (region.direction == "up" or v.group < region.current)]
        return inner

    def from_clocks(self, region, scalar, shape):
        """[(feature, text)] of expressions that bring values of slower clocks to the region's clock."""
        if region.plain or region.stateless or region.flat or region.current < 0: return []
        choices = []
        for k, v in region.clocked:
            if v.scalar == scalar and v.shape == tuple(shape) and not k.chain and (region.direction == "up" or v.group < region.current):
                choices.append(("hold", lambda v=v: self.held(region, v)))
        if self.r.random() < 0.25 or self.presses("merge", "merge of an enum"):
            choices.append(("merge", lambda: self.merged(region, scalar, shape)))
            if self.enums: choices.append(("merge of an enum", lambda: self.merged_enum(region, scalar, shape)))
        return choices

    def held(self, region, v):
        self.features.reads(v)
        return f"hold({v.name}, {self.constant(v.scalar, v.shape)})"

    def on(self, region, clock, scalar, shape, depth=2):
        """An expression on a clock."""
        self.features.add(self.note(clock))
        return self.expression(self.sampled(region, clock), scalar, shape, depth)

    def merged(self, region, scalar, shape):
        c, own = self.condition(region)
        a, b = (self.on(region, Clock(t, c, v, own=own), scalar, shape) for t, v in ((c, True), (f"not {c}", False)))
        return f"merge({c}, {a}, {b})"

    def merged_enum(self, region, scalar, shape):
        m, enum, own = self.selector(region)
        arms = [f"{v}: {self.on(region, Clock(f'{m} == {v}', m, v, own=own), scalar, shape, 1)}" for v in self.enums[enum]]
        return f"merge {m} {{ {', '.join(arms)} }}"

    # ---- equations on clocks ----------------------------------------------------------------------------------------

    def flat_clock(self, region, depth, left):
        """Equations on a clock, outside of a block."""
        clock = self.below(region)
        inner = self.sampled(region, clock)
        with self.features.inside("flat clock", self.note(clock)):
            for _ in range(self.r.choice([1, 1, 2])):
                v = Var(self.fresh(), *self.type(), region.current)
                inner.groups[-1][1].append(v)
                text = self.expression(inner, v.scalar, v.shape)
                region.lines.append(f"{v.name}: {tensor(v.scalar, v.shape)} {self.after_when(clock)} = {text};")
                self.features.equation(v)
                self.add(inner, v)
                region.clocked.append((clock, v))
        return True

    def when_block(self, region, depth, left):
        chains = [k for k, v in region.clocked if k.chain and (region.direction == "up" or v.group < region.current)]
        clock = self.r.choice(chains) if chains and self.r.random() < (0.8 if self.presses("chain of every") else 0.3) else self.below(region)
        alone = self.alone(region, clock.own)
        inner = self.block(region, clock.own, alone)
        for k, v in region.clocked:
            if k.key == clock.key and (v.group < region.current or not alone and region.direction == "up"): self.add(inner, v)
        with self.features.inside("when block", self.note(clock)):
            vs = self.locals(inner, 1, 3)
            self.define(inner, depth - 1, vs)
            if not vs: return False
        region.lines += [f"when {clock.text} {{"] + ["  " + line for line in self.shuffled(inner.lines)] + ["}"]
        region.clocked += [(clock, v) for v in inner.ready if v.simple and v.group == region.current and v not in region.ready
                           and not any(v is w for _, w in region.clocked)]
        chains = [(k.composed(clock), v) for k, v in inner.clocked if clock.period and k.period]
        if chains: self.features.add("chain of every")
        for _, v in chains: v.made |= {"chain of every"}
        region.clocked += chains
        return True

    def pack(self, region, depth, left):
        r = self.r
        sources = [v for v in region.ready if region.direction == "up" or region.earlier(v)]
        sources = [v for v in sources if len(v.shape) < 2 and v.scalar in self.scalars]
        if not sources: return False
        v, n = r.choice(sources), r.choice([1, 2, 3, 4])
        self.features.reads(v)
        p = Var(self.fresh(), v.scalar, (n, *v.shape), region.current)
        if r.random() < 0.35 or self.presses("pack until"):
            c, own = self.condition(region)
            count, end = Var(self.fresh(), "i32", (), region.current), Var(self.fresh("e"), "bool", (), region.current)
            region.lines.append(f"({p.name}, {count.name}, {end.name}) = pack<<{n}>>({v.name}, until = {c});")
            self.features.add("pack until")
            self.features.equation(p)
            self.add(region, end)
            clock = Clock(end.name, end.name, True, own=True)
            region.clocked += [(clock, p), (clock, count)]
        else:
            clock = Clock.every(n, n - 1)
            region.lines.append(f"{p.name} = pack<<{n}>>({v.name});")
            self.features.add("pack")
            self.features.equation(p)
            region.clocked.append((clock, p))
        return True

    def unpack(self, region, depth, left):
        r = self.r
        usable = lambda: [v for k, v in region.clocked if k.period and not k.chain and v.shape[:1] == k.period[:1] and k.period[1] == k.period[0] - 1
                          and (region.direction == "up" or v.group < region.current)]
        packed = usable()
        if not packed:
            self.pack(region, depth, left)
            packed = usable()
        if not packed: return False
        v = r.choice(packed)
        u = Var(self.fresh(), v.scalar, v.shape[1:], region.current)
        self.features.add("unpack")
        self.features.reads(v)
        region.lines.append(f"{u.name} = unpack<<{v.shape[0]}>>({v.name}, {self.constant(u.scalar, u.shape)});")
        self.features.equation(u)
        self.add(region, u)
        return True
