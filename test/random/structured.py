"""Random structs and enums (mixed into Program)."""
from scalars import FLOATS, is_number, tensor


class Structured:
    def declare_types(self):
        """Enums and structs of this program: `self.enums` name -> constructors, `self.structs` type -> [(field, scalar, shape)]."""
        r = self.r
        for _ in range(r.choice([0, 1, 1, 2]) or int(self.presses("enum", "when enum", "match block", "merge of an enum"))):
            name = self.fresh("M")
            self.enums[name] = [f"{c}{name[1:]}" for c in "ABCD"[:r.choice([2, 3, 3, 4])]]
            self.text.append(f"enum {name} {{ {', '.join(self.enums[name])} }}\n")
        for _ in range(r.choice([0, 0, 1, 1, 2]) or int(self.presses("struct", "struct operator", "map", "reduce", "update"))): self.struct()
        self.scalars += list(self.enums) + list(self.structs)

    def struct(self):
        r, name = self.r, self.fresh("P")
        fields = []
        floats = r.random() < 0.5 or self.presses("struct operator")  # operators and some functions lift over these
        for _ in range(r.choice([1, 2, 2, 3])):
            nested = [s for s in self.structs if not floats or self.all_floats(s)]
            if nested and r.random() < 0.4: fields.append((self.fresh("w"), r.choice(nested), ()))
            elif self.enums and not floats and r.random() < 0.3: fields.append((self.fresh("w"), r.choice(list(self.enums)), ()))
            else: fields.append((self.fresh("w"), r.choice(FLOATS[:2]) if floats else self.number_type(), r.choice([(), *self.shapes])))
        vectors = [h[0] for _, _, h in fields if len(h) == 1]
        if not vectors or r.random() < 0.5:
            self.text.append(f"struct {name} {{ {', '.join(f'{f}: {tensor(s, h)}' for f, s, h in fields)} }}\n")
            self.structs[name] = fields
            return
        n = vectors[0]
        sized = ", ".join(f"{f}: {s}[N]" if h == (n,) else f"{f}: {tensor(s, h)}" for f, s, h in fields)
        self.text.append(f"struct {name}<<N: size>> {{ {sized} }}\n")
        self.structs[f"{name}<<{n}>>"] = fields

    def all_floats(self, scalar):
        return all(self.all_floats(s) if s in self.structs else s in FLOATS for _, s, _ in self.structs[scalar])

    def leaves(self, scalar, shape=()):
        """[(path, scalar, shape)] of the leaves of a value of this type; the path of what is no struct is empty."""
        if scalar not in self.structs: return [("", scalar, tuple(shape))]
        return [(f".{f}{path}", s, h) for f, fs, fh in self.structs[scalar] for path, s, h in self.leaves(fs, tuple(shape) + tuple(fh))]

    def add(self, region, *variables):
        """Makes variables usable, with their fields."""
        for v in variables:
            region.ready.append(v)
            region.ready += self.fields(v)

    def fields(self, v):
        found = []
        for f, s, h in self.structs.get(v.scalar, []):
            part = type(v)(f"{v.name}.{f}", s, v.shape + tuple(h), v.group, v.made | {"struct"})
            found += [part, *self.fields(part)]
        return found

    def struct_literal(self, scalar, value):
        """A literal of a struct; value(scalar, shape) makes the fields."""
        self.features.add("struct")
        fields = [f"{f} = {value(s, h)}" for f, s, h in self.r.sample(self.structs[scalar], len(self.structs[scalar]))]
        return f"{scalar} {{ {', '.join(fields)} }}"

    def structured(self, region, scalar, shape, depth):
        """An expression of a struct or enum type."""
        r = self.r
        sub = lambda s=scalar, h=shape: self.expression(region, s, h, depth - 1)
        self.features.add("enum" if scalar in self.enums else "struct")
        kinds = ["leaf", "if"]
        if shape and shape[0] <= 4: kinds.append("list")
        if scalar in self.structs and not shape:
            kinds += ["literal", "update", "update"] + ["lift", "lift"] * self.all_floats(scalar)
            kinds += ["map"] * (len(self.mappable(scalar)) > 0)
        kind = self.choice_of(kinds, lambda k: {"lift": "struct operator"}.get(k, k))
        if kind == "if":
            self.features.add("if")
            return f"(if {sub('bool', ())} then {sub()} else {sub()})"
        if kind == "list":
            self.features.add("list")
            return f"[{', '.join(sub(scalar, shape[1:]) for _ in range(shape[0]))}]"
        if kind == "literal": return f"({self.struct_literal(scalar, sub)})"
        if kind == "update":
            self.features.add("update")
            fields = r.sample(self.structs[scalar], r.randrange(1, len(self.structs[scalar]) + 1))
            return f"{{ {sub()} with {', '.join(f'{f} = {sub(s, h)}' for f, s, h in fields)} }}"
        if kind == "lift":
            self.features.add("struct operator")
            common = {s for _, s, _ in self.leaves(scalar)}
            number = f"{common.copy().pop()}({r.choice(['0.5', '-0.25', '2.0'])})" if len(common) == 1 else "0.5"
            form = r.choice(["({0} {op} {1})", "({n} * {0})", "({0} - {n} * {1})", "tanh({0})", "max({0}, {1})", "fma({0}, {1}, {0})", "abs({0})"])
            return form.format(sub(), sub(), n=number, op=r.choice(["+", "-", "*"]))
        if kind == "map":
            self.features.add("map")
            name, both = r.choice(self.mappable(scalar))
            return f"map({name}, {sub()}{', ' + sub() if both else ''})"
        return self.leaf(region, scalar, shape)

    def mappable(self, scalar):
        """(function, whether of two structs) that every leaf of the type admits."""
        scalars = [s for _, s, _ in self.leaves(scalar)]
        if not all(is_number(s) for s in scalars): return []
        found = [("max", True), ("min", True)] + [(g.call, False) for g in self.generics if g.kind == "any shape" and all(self.takes(g, s) for s in scalars)]
        if all(s in FLOATS for s in scalars): found += [("tanh", False), ("sqrt", False), ("hypot", True)]
        return found
