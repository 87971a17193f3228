"""Prints records, arrays and iterators in MLR: the part of Writer that Lustre has no need of."""
from heptagon_expressions import OPERATORS
from syntax import Unsupported
from names import BASE, is_operator, mangle, node_name

LIMIT = 20000   # copies of a node with state in one iterator


class Compound:
    # Records and arrays

    def e_record(self, e, scope, out):
        name = self.info.record_of.get(e.args[0][0][0], "undeclared")
        fields = ", ".join(f"{mangle(f)} = {self.one(x, scope, out)}" for f, x in e.args[0])
        return [f"(S_{mangle(name)} {{ {fields} }})"]

    def e_field(self, e, scope, out):
        return [f"{self.one(e.args[0], scope, out)}.{mangle(e.args[1])}"]

    def e_withfield(self, e, scope, out):
        return [f"{{ {self.one(e.args[0], scope, out)} with {mangle(e.args[1])} = {self.one(e.args[2], scope, out)} }}"]

    def e_array(self, e, scope, out):
        return ["[" + ", ".join(v for x in e.args[0] for v in self.many(x, scope, out)) + "]"]

    def indices(self, sizes):
        """Fresh comprehension indices for axes from the slowest: names and the text behind `for`."""
        names = [self.fresh("k") for _ in sizes]
        return names, ", ".join(f"{k} < {self.size(s)}" for k, s in zip(names, sizes))

    def e_fill(self, e, scope, out):
        value = self.one(e.args[0], scope, out)
        if self.info.stateful(e.args[0]):
            value = self.hoist(value, out)
        _, fors = self.indices(list(reversed(e.args[1])))
        return [f"[{value} for {fors}]"]

    def e_select(self, e, scope, out):
        return [f"{self.one(e.args[0], scope, out)}[{', '.join(self.one(i, scope, out) for i in e.args[1])}]"]

    e_selecttrunc = e_select

    def e_selectdyn(self, e, scope, out):
        items = [self.one(x, scope, out) for x in [e.args[0], *e.args[1], e.args[2]]]
        t = self.info.type_of(e.args[0], scope.types)
        element = t[1] if isinstance(t, tuple) else None
        if len(e.args[1]) == 1 and element and (isinstance(element, tuple) or self.p.types.get(element, ("",))[0] == "record"):
            a, i, d = self.hoist(items[0], out, "a"), self.hoist(items[1], out, "i"), items[2]
            return [f"(if {i} >= 0 and {i} < {self.size(t[2])} then {a}[{i}] else {d})"]
        return [f"at({', '.join(items)})"]

    def e_update(self, e, scope, out):
        a, indices, value = e.args
        t, sizes = self.info.type_of(a, scope.types), []
        for _ in indices:
            if not isinstance(t, tuple):
                raise Unsupported("an update of an array of unknown type")
            sizes.append(t[2])
            t = t[1]
        array = self.hoist(self.one(a, scope, out), out, "a") if out is not None else self.one(a, scope, out)
        at = [self.hoist(self.one(i, scope, out), out, "i") if i.kind != "lit" else self.one(i, scope, out) for i in indices]
        v = self.one(value, scope, out)
        v = v if value.kind == "lit" else self.hoist(v, out, "v")
        names, fors = self.indices(sizes)
        hit = " and ".join(f"{k} == {i}" for k, i in zip(names, at))
        return [f"[if {hit} then {v} else {array}[{', '.join(names)}] for {fors}]"]

    def e_slice(self, e, scope, out):
        a, first, last = e.args
        return [f"{self.one(a, scope, out)}[{self.size(first)} .. {self.size(last)} + 1]"]

    def e_concat(self, e, scope, out):
        return [f"concat({self.one(e.args[0], scope, out)}, {self.one(e.args[1], scope, out)})"]

    def e_cast(self, e, scope, out):
        return [f"{BASE.get(e.args[0], self.real)}({self.one(e.args[1], scope, out)})"]

    # Iterators

    def apply(self, name, static, values):
        """The text of f(values): of a node or an operator."""
        if name in self.p.nodes:
            return f"{node_name(name)}{static}({', '.join(values)})"
        if is_operator(name):
            return self.operator(OPERATORS.get(name, name), values)
        short = name.split(".")[-1]
        if short in self.p.externals or "." in name:
            raise Unsupported(f"a function written in C ({short})")
        return f"{node_name(name)}({', '.join(values)})"

    def e_iter(self, e, scope, out):
        kind, sizes, name, static, partial, args = e.args
        sizes = list(reversed(sizes))   # the last one is the outermost axis
        prefix = [v for a in partial for v in self.many(a, scope, out)]
        prefix = [v if v.replace("_", "a").isalnum() else self.hoist(v, out, "p") for v in prefix]
        values = []
        for a in args:
            for v in self.many(a, scope, out):
                values.append(self.hoist(v, out, "a"))
        accumulator = []
        if kind in ("fold", "foldi", "mapfold"):
            accumulator = [values.pop()]
        n = self.info.outputs(name) if name in self.p.nodes else 1
        function = (name, self.static(name, static, scope, out))
        if self.info.stateful_node(name):
            return self.unrolled(kind, sizes, function, prefix, values, accumulator, n, out)
        return self.looped(kind, sizes, function, prefix, values, accumulator, n, out)

    def looped(self, kind, sizes, function, prefix, values, accumulator, n, out):
        names, fors = self.indices(sizes)
        elements = prefix + [f"{v}[{', '.join(names)}]" for v in values]
        if kind in ("mapi", "foldi"):
            elements += list(reversed(names))
        if kind in ("map", "mapi") and n == 1:
            return [f"[{self.apply(*function, elements)} for {fors}]"]
        if len(sizes) > 1 and kind != "fold":
            raise Unsupported(f"{kind} over several axes with several results")
        results = [self.fresh("o") for _ in range(n)]
        inner = [self.fresh("e") for _ in range(n)]
        lines, acc = [], []
        if accumulator:
            previous = f"{accumulator[0]} fby {inner[-1]}"
            for k in names[1:]:
                previous = f"({previous})"
            acc = [f"({previous})"]
        if len(sizes) > 1:
            return self.fold_axes(sizes, names, function, elements, accumulator[0], out)
        left = inner[0] if n == 1 else f"({', '.join(inner)})"
        lines.append(f"{left} = {self.apply(*function, elements + acc)};")
        for i, (r, x) in enumerate(zip(results, inner)):
            last = accumulator and i == n - 1
            lines.append(f"{r} = final {x};" if last else f"{r}[{names[0]}] = {x};")
        out += [f"scan {names[0]} < {self.size(sizes[0])} {{"] + ["  " + line for line in lines] + ["}"]
        return results

    def fold_axes(self, sizes, names, function, elements, accumulator, out):
        """fold over several axes: one scan for each, the outermost first."""
        lines, start, depth = [], accumulator, 0
        results = [self.fresh("o") for _ in sizes]
        for i, (k, size) in enumerate(zip(names, sizes)):
            lines.append("  " * i + f"scan {k} < {self.size(size)} {{")
            if i < len(sizes) - 1:
                s = self.fresh("s")
                lines.append("  " * (i + 1) + f"{s} = {start} fby {results[i + 1]};")
                start = s
        inner = self.fresh("e")
        depth = len(sizes)
        lines.append("  " * depth + f"{inner} = {self.apply(*function, elements + [f'({start} fby {inner})'])};")
        for i in reversed(range(len(sizes))):
            lines.append("  " * (i + 1) + f"{results[i]} = final {inner if i == len(sizes) - 1 else results[i + 1]};")
            lines.append("  " * i + "}")
        out += lines
        return [results[0]]

    def unrolled(self, kind, sizes, function, prefix, values, accumulator, n, out):
        """One copy for each element: what MLR's comprehensions cannot say of nodes with state and several results."""
        if len(sizes) > 1:
            raise Unsupported(f"{kind} of a node with state over several axes")
        size = self.constant(sizes[0])
        if size is None or size > LIMIT:
            raise Unsupported(f"{kind} of a node with state over an axis of unknown size")
        rows = []
        for i in range(size):
            elements = prefix + [f"{v}[{i}]" for v in values] + ([str(i)] if kind in ("mapi", "foldi") else []) + accumulator
            names = [self.fresh("u") for _ in range(n)]
            left = names[0] if n == 1 else f"({', '.join(names)})"
            out.append(f"{left} = {self.apply(*function, elements)};")
            rows.append(names)
            if accumulator:
                accumulator = [names[-1]]
        maps = n - 1 if kind in ("fold", "foldi", "mapfold") else n
        results = ["[" + ", ".join(row[j] for row in rows) + "]" for j in range(maps)]
        return results + accumulator

    def constant(self, e):
        if e.kind == "lit":
            return e.args[0]
        if e.kind == "var" and e.args[0] in self.p.constants:
            return self.constant(self.p.constants[e.args[0]][1])
        if e.kind == "op":
            v = [self.constant(x) for x in e.args[1]]
            if None in v or len(v) != 2:
                return None
            a, b = v
            return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                    "/": lambda: a // b if b else None}.get(e.args[0], lambda: None)()
        return None
