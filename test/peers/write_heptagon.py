"""Prints a Lustre program of Vélus in Heptagon, so that Heptagon's compiler can run it."""
from analysis import Desugar, Info
from syntax import Q, Unsupported

KEYWORDS = set("""node fun returns var val const let tel end fby switch type every true false pre and or not open automaton present reset
state unless until last if then else default continue do done in contract assume enforce reachable attractive with inlined when
whenot merge on onot map mapi fold foldi mapfold at init split reinit unsafe external quo mod land lor xor lsl lsr asr int bool
float real string""".split())
TYPES = {"int32": "int", "bool": "bool", "float32": "float", "float64": "float"}
REAL = {"float", "float32", "float64"}
DOTTED = {"+", "-", "*", "/", "<", ">", "<=", ">="}


def mangle(name):
    parts = [p for p in name.split("_") if p]
    name = "_".join(parts) or "x"
    return name + "_v" if name in KEYWORDS else name


class Writer:
    def __init__(self, program):
        self.p, self.info = program, Info(program)
        self.desugar = Desugar(self.info, set(program.types))
        if len({t for t in self.real_types()}) > 1:
            raise Unsupported("real numbers of two sizes")

    def real_types(self):
        for node in self.p.nodes.values():
            for v in node.inputs + node.outputs + node.block.variables:
                if v.type in ("float32", "float64"):
                    yield v.type

    def text(self):
        nodes = [line for node in self.p.nodes.values() for line in self.node(node)]
        types = [f"type {mangle(n)} = {' | '.join(d[1])}" for n, d in self.p.types.items()]
        return "\n".join(types + nodes) + "\n"

    def type(self, t):
        if t in TYPES:
            return TYPES[t]
        if t in self.p.types:
            return mangle(t)
        raise Unsupported(f"numbers of type {t}")

    def path(self, v, clocks, depth=0):
        if not v.clock or depth > 20:
            return ""
        c, x = v.clock[-1]
        above = self.path(clocks[x], clocks, depth + 1) if x in clocks else ""
        return above + (f" on {mangle(x)}" if c == "true" else f" onot {mangle(x)}" if c == "false" else f" on {c}({mangle(x)})")

    def declaration(self, v, clocks):
        clock = self.path(v, clocks)
        last = "last " if v.memory is not None else ""
        first = f" = {self.one(v.memory, {}, [], [])}" if v.memory not in (None, False) else ""
        return f"{last}{mangle(v.name)} : {self.type(v.type)}{' :: .' + clock if clock else ''}{first}"

    def node(self, node):
        self.used = {mangle(v.name) for v in node.inputs + node.outputs + node.block.variables}
        self.count = 0
        clocks = {v.name: v for v in node.inputs + node.outputs + node.block.variables}
        types = {v.name: v.type for v in node.inputs + node.outputs + node.block.variables}
        self.memories(node.block, node.outputs)
        ins = "; ".join(self.declaration(v, clocks) for v in node.inputs)
        outs = "; ".join(self.declaration(v, clocks) for v in node.outputs)
        return [f"node {mangle(node.name)}({ins}) returns ({outs})"] + self.block(node.block, types, clocks, "let") + ["tel"]

    @staticmethod
    def memories(block, outputs=()):
        rest = []
        for q in block.equations:
            v = next((v for v in list(block.variables) + list(outputs) if q.kind == "last" and v.name == q.args[0]), None)
            if v:
                v.memory = q.args[1]
            else:
                rest.append(q)
        block.equations = rest

    def fresh(self, type_, decls):
        while True:
            self.count += 1
            name = f"t{self.count}"
            if name not in self.used:
                self.used.add(name)
                decls.append(f"{name} : {self.type(type_)}")
                return name

    def block(self, block, types, clocks, opening):
        self.memories(block)
        types = {**types, **{v.name: v.type for v in block.variables}}
        clocks = {**clocks, **{v.name: v for v in block.variables}}
        decls = [self.declaration(v, clocks) for v in block.variables]
        out = []
        for q in block.equations:
            getattr(self, "q_" + q.kind)(q, types, out, decls, clocks)
        lines = ["var " + "; ".join(decls) + ";"] if decls else []
        if opening != "in" or decls:
            lines.append(opening)
        return lines + ["  " + line for line in out]

    def q_eq(self, q, types, out, decls, clocks):
        names, e = q.args
        if e.kind == "call" and e.args[3] is None and len(names) > 1:
            left = ", ".join(mangle(n) for n in names)
            out.append(f"({left}) = {self.call(e, types, out, decls)};")
            return
        for n, v in zip(names, self.many(e, types, out, decls)):
            out.append(f"{mangle(n)} = {v};")

    def q_assert(self, q, types, out, decls, clocks):
        pass

    def q_block(self, q, types, out, decls, clocks):
        out += ["do"] + self.block(q.args[0], types, clocks, "in") + ["done;"]

    def q_reset(self, q, types, out, decls, clocks):
        r = self.one(q.args[1], types, out, decls)
        out += ["reset"] + self.block(q.args[0], types, clocks, "in") + [f"every {r};"]

    def q_switch(self, q, types, out, decls, clocks):
        out.append(f"switch {self.one(q.args[0], types, out, decls)}")
        for c, b in q.args[1]:
            out += [f"| {c}"] + self.block(b, types, clocks, "do")
        out.append("end;")

    def q_automaton(self, q, types, out, decls, clocks):
        states, initial = q.args
        if self.desugar.needed(q):   # Heptagon has neither
            self.q_block(Q("block", self.desugar.automaton(q)), types, out, decls, clocks)
            return
        out.append("automaton")
        for s in sorted(states, key=lambda x: x.name != initial):
            out += [f"state {s.name}"] + self.block(s.block, types, clocks, "do")
            inner = {**types, **{v.name: v.type for v in s.block.variables}}
            for word, transitions in (("until", s.until), ("unless", s.unless)):
                if transitions:
                    out.append(word + " " + " | ".join(
                        f"{self.one(e, inner, out, decls)} {'then' if r else 'continue'} {t}" for e, r, t in transitions))
        out.append("end;")

    # Expressions

    def one(self, e, types, out, decls):
        values = self.many(e, types, out, decls)
        if len(values) != 1:
            raise Unsupported("a tuple as an operand")
        return values[0]

    def many(self, e, types, out, decls):
        k, a = e.kind, e.args

        def one(x):
            return self.one(x, types, out, decls)

        def parts(*xs):
            lists = [self.many(x, types, out, decls) for x in xs]
            n = max(len(x) for x in lists)
            if any(len(x) != n for x in lists):
                raise Unsupported("tuples of different lengths")
            return list(zip(*lists))

        if k == "var":
            return [mangle(a[0])]
        if k == "lit":
            v = a[0]
            return [("true" if v else "false") if isinstance(v, bool) else f"{v:.20f}".rstrip("0") + "0" if isinstance(v, float) else str(v)]
        if k == "cons":
            return [a[0]]
        if k == "tuple":
            return [v for x in a[0] for v in self.many(x, types, out, decls)]
        if k == "op":
            if any(self.info.type_of(x, types) in REAL for x in a[1]):
                for x in a[1]:
                    self.real_literals(x)
            return [self.operator(a[0], a[1], [v for x in a[1] for v in self.many(x, types, out, decls)], types)]
        if k == "if":
            rows = parts(a[1], a[2])
            return [f"(if {one(a[0])} then {x} else {y})" for x, y in rows]
        if k == "fby":
            return [f"({x} fby {y})" for x, y in parts(*a)]
        if k == "arrow":
            # Not `->`: in a state, heptc takes a reset of the state for its first instant (see docs/peers.md).
            return [f"(if (true fby false) then {x} else {y})" for x, y in parts(*a)]
        if k == "last":
            return [f"(last {mangle(a[0])})"]
        if k == "when":
            c, x = a[1], mangle(a[2])
            return [f"({v} when {c}({x}))" for v in self.many(a[0], types, out, decls)]
        if k == "merge":
            rows = parts(*[x for _, x in a[1]])
            return ["(merge " + mangle(a[0]) + " " + " ".join(f"({c} -> {v})" for (c, _), v in zip(a[1], row)) + ")" for row in rows]
        if k == "case":
            return self.case(e, types, out, decls)
        if k == "call":
            return self.hoisted(e, types, out, decls)
        raise Unsupported(f"no Heptagon for {k}")

    def case(self, e, types, out, decls):
        value, arms, default = e.args
        v = self.one(value, types, out, decls)
        rows = [(c, self.many(x, types, out, decls)) for c, x in arms]
        last = self.many(default, types, out, decls) if default is not None else rows.pop()[1]
        results = []
        for i, x in enumerate(last):
            for c, row in reversed(rows):
                x = f"(if ({v} = {c}) then {row[i]} else {x})"
            results.append(x)
        return results

    def real_literals(self, e):
        """Literals are whole numbers only in Heptagon, where they stand for real ones in Lustre."""
        if e.kind == "lit" and isinstance(e.args[0], int) and not isinstance(e.args[0], bool):
            e.args[0] = float(e.args[0])
        elif e.kind == "op":
            for x in e.args[1]:
                self.real_literals(x)
        elif e.kind in ("if", "fby", "arrow"):
            for x in e.args[-2:]:
                self.real_literals(x)

    def operator(self, name, args, v, types):
        kinds = [self.info.type_of(x, types) for x in args]
        if any(k in ("int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64") for k in kinds):
            raise Unsupported("integers other than int32")
        dot = "." if any(k in REAL for k in kinds) else ""
        if name == "neg":
            return f"(~-{dot} {v[0]})"
        if name == "not":
            return f"(not {v[0]})"
        if name == "#":
            return "((" + " + ".join(f"(if {x} then 1 else 0)" for x in v) + ") <= 1)"
        if name == "xor":
            return f"({v[0]} <> {v[1]})"
        if len(v) != 2 or name in ("shl", "shr", "bitand", "bitor", "bitnot") or \
                name in ("and", "or") and any(k in TYPES and k != "bool" for k in kinds):
            raise Unsupported(f"operator {name}")
        return f"({v[0]} {name}{dot if name in DOTTED else ''} {v[1]})"

    def call(self, e, types, out, decls):
        values = [v for x in e.args[2] for v in self.many(x, types, out, decls)]
        return f"{mangle(e.args[0])}({', '.join(values)})"

    def hoisted(self, e, types, out, decls):
        node = self.p.nodes.get(e.args[0])
        if node is None:
            raise Unsupported(f"a function written in C ({e.args[0]})")
        text = self.call(e, types, out, decls)
        if e.args[3] is None and len(node.outputs) == 1:
            return [f"({text})"]
        names = [self.fresh(v.type, decls) for v in node.outputs]
        line = f"({', '.join(names)}) = {text};" if len(names) > 1 else f"{names[0]} = {text};"
        if e.args[3] is None:
            out.append(line)
        else:
            r = self.one(e.args[3], types, out, decls)
            out += ["reset", "  " + line, f"every {r};"]
        return names
