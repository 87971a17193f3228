"""Random blocks with a time of their own: arms, resets, state machines (mixed into Program)."""
from region import Var
from scalars import tensor


class Blocks:
    def locals(self, inner, low, high):
        """New variables to define in a block, of its group."""
        vs = [Var(self.fresh(), *self.type(), inner.current) for _ in range(self.r.randrange(low, high + 1))]
        inner.groups[-1][1].extend(vs)
        return vs

    def defined_by(self, region, left, alone):
        """Variables of the region that a block defines: some that are waiting for a definition, or new ones."""
        waiting = self.r.sample(left, min(len(left), self.r.choice([0, 1, 1, 2])))
        if alone or not waiting: return [Var(self.fresh(), *self.type(), region.current) for _ in range(self.r.choice([1, 1, 2]))]
        return waiting

    def arm(self, region, own, alone, outs, remembered, depth):
        """A region in which `outs` are defined; `remembered`: variables u with `last u`."""
        inner = self.block(region, own, alone)
        inner.remembered = {u.name for u in remembered}
        inner.ready += [u.named(f"(last {u.name})") for u in remembered]
        vs = outs + [Var(self.fresh(), *self.type(), region.current) for _ in range(self.r.choice([0, 0, 1, 2]))]
        inner.groups[-1][1].extend(v for v in vs if not any(v is w for w in inner.groups[-1][1]))
        self.define(inner, depth - 1, vs)
        return inner

    def arms(self, region, count, own, depth, left, memory, alone="decide"):
        """(regions, variables visible outside) of arms of which one runs at a time; writes `last` statements to the region."""
        r = self.r
        if alone == "decide": alone = self.alone(region, own)
        direction = alone or region.direction
        outs = self.defined_by(region, left, alone)
        around = self.remembered_around(region)
        remembered = [u for u in outs if r.random() < memory and u.name not in around] if direction == "up" else []
        for u in remembered:
            self.features.add("last")
            region.lines.append(f"last {u.name} = {self.constant(u.scalar, u.shape)};")
        defining = {id(u): r.randrange(count) for u in remembered}
        regions = []
        for k in range(count):
            mine = [u for u in outs if u not in remembered or defining[id(u)] == k or r.random() < 0.5]
            regions.append(self.arm(region, own, alone, mine, remembered, depth))
        return regions, outs

    @staticmethod
    def remembered_around(region):
        """Names with `last` around: a second one would be another memory of the same variable."""
        found = set()
        while region:
            found |= region.remembered
            region = region.outer
        return found

    def finish(self, region, outs):
        for u in outs: u.made = frozenset(u.made | self.features.noted | set(self.features.around[-2:]))
        self.add(region, *[u for u in outs if u not in region.ready])

    def body(self, inner):
        return ["  " + line for line in self.shuffled(inner.lines)]

    def if_block(self, region, depth, left):
        c, own = self.condition(region)
        with self.features.inside("if block"):
            one = self.r.random() < 0.25 and region.direction == "up"
            regions, outs = self.arms(region, 1 if one else 2, own, depth, left, 1.0 if one else 0.2, alone=None if one else "decide")
            region.lines += [f"if {c} {{"] + self.body(regions[0])
            region.lines += ["}"] if one else ["} else {"] + self.body(regions[1]) + ["}"]
            self.finish(region, outs)
        return True

    def match_block(self, region, depth, left):
        if not self.enums: return False
        m, enum, own = self.selector(region)
        with self.features.inside("match block"):
            regions, outs = self.arms(region, len(self.enums[enum]), own, depth - 1, left, 0.2)
            region.lines.append(f"match {m} {{")
            for value, inner in zip(self.enums[enum], regions): region.lines += [f"  {value}: {{"] + ["  " + l for l in self.body(inner)] + ["  }"]
            region.lines.append("}")
            self.finish(region, outs)
        return True

    def reset_block(self, region, depth, left):
        c, own = self.condition(region)
        with self.features.inside("reset block"):
            alone = self.alone(region, own)
            outs = self.defined_by(region, left, alone)
            self.in_resets.update(u.name for u in outs)
            inner = self.arm(region, own, alone, outs, [], depth)
            region.lines += ["reset {"] + self.body(inner) + [f"}} every {c};"]
            self.finish(region, outs)
        return True

    def automaton(self, region, depth, left):
        r = self.r
        names = [self.fresh("S") for _ in range(r.choice([2, 2, 3]))]
        pure = r.random() < 0.3 or region.direction == "down"  # transitions of earlier variables only: then the states may look ahead
        with self.features.inside("automaton"):
            guards = self.beside(region, "up" if pure else None)
            alone = self.alone(region, not pure)
            if region.direction == "down": alone = alone or "up"
            regions, outs = self.arms(region, len(names), not pure, depth, left, 0.35, alone)
            lines = []
            for name, inner in zip(names, regions):
                weak = [self.transition(inner, guards, pure, names) for _ in range(r.choice([0, 1, 1, 2]))]
                strong = [self.transition(guards, guards, True, names) for _ in range(r.choice([0, 0, 0, 1, 2]) or int(self.presses("unless")))]
                if not weak and not strong: weak.append(self.transition(inner, guards, pure, names))
                if strong: self.features.add("unless")
                body = self.body(inner)
                for word, found in (("until", weak), ("unless", strong)):
                    if found: body.append(f"  {word} {' | '.join(found)};")
                lines += [f"  state {name} {{"] + ["  " + l for l in body] + ["  }"]
            region.lines += ["automaton {"] + lines + ["}"]
            self.finish(region, outs)
        return True

    def transition(self, inner, guards, pure, names):
        """`condition then State`, read in `inner` or in front of the state."""
        r = self.r
        kind = r.random()
        if pure or kind < 0.3: text = self.condition(guards)[0] if r.random() < 0.5 else self.expression(guards, "bool", (), 1)
        elif kind < 0.7:
            n = self.fresh("n")
            inner.lines.append(f"{n}: i32 = 1 -> pre {n} + 1;")
            text = f"{n} >= {r.choice([1, 2, 2, 3, 4])}"
        else: text = self.expression(inner, "bool", (), 2)
        how = r.choice(["then", "then", "continue"])
        if how == "continue": self.features.add("continue")
        return f"{text} {how} {r.choice(names)}"

    def monitor(self, region, depth, left):
        self.features.add("monitor")
        region.lines.append(f"{self.r.choice(['assert', 'assume', 'guarantee'])} {self.expression(region, 'bool', (), 2)};")
        self.features.equation()
        return True
