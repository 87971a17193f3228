"""What the writers need to know of a program: types, sizes, state; automata in terms of switch and reset."""
from syntax import B, E, Q, Unsupported, V, everywhere

ARITHMETIC = {"+", "-", "*", "/", "%", "neg", "bitand", "bitor", "shl", "shr", "bitnot"}


class Info:
    """Facts of one program. real: the MLR type of the language's real numbers."""

    def __init__(self, program):
        self.program = program
        self.enum_of, self.record_of = {}, {}
        for name, definition in program.types.items():
            if definition[0] == "enum":
                for c in definition[1]:
                    self.enum_of.setdefault(c, name)
            elif definition[0] == "record":
                for field, _ in definition[1]:
                    self.record_of.setdefault(field, name)
        self._stateful = {}

    def resolve(self, type_):
        """Aliases replaced, to any depth of arrays."""
        if isinstance(type_, tuple):
            return ("array", self.resolve(type_[1]), type_[2])
        definition = self.program.types.get(type_)
        if definition and definition[0] == "alias":
            return self.resolve(definition[1])
        return type_

    def stateful_node(self, name):
        if name in self._stateful:
            return self._stateful[name]
        node = self.program.nodes.get(name)
        if node is None:
            return False
        self._stateful[name] = False
        self._stateful[name] = any(v.memory is not None for v in node.outputs) or self.stateful_block(node.block)
        return self._stateful[name]

    def stateful_block(self, block):
        if any(v.memory is not None for v in block.variables):
            return True
        for q in block.equations:
            if q.kind in ("automaton", "last", "reset"):
                return True
            if any(self.stateful(e) for e in expressions(q)):
                return True
            if any(self.stateful_block(b) for b in blocks(q)):
                return True
        return False

    def stateful(self, e):
        for x in everywhere(e):
            if x.kind in ("fby", "pre", "arrow"):
                return True
            if x.kind == "call" and (x.args[3] is not None or self.stateful_node(x.args[0])):
                return True
            if x.kind == "iter" and self.stateful_node(x.args[2]):
                return True
            if x.kind == "op" and self.stateful_node(x.args[0]):
                return True
        return False

    def outputs(self, name):
        """How many results a call has, None if nobody knows the name."""
        if name in self.program.nodes:
            return len(self.program.nodes[name].outputs)
        return self.program.externals.get(name)

    def type_of(self, e, types):
        """The type of a one-valued expression, None if unknown; types: of the variables in scope."""
        k, a = e.kind, e.args
        if k in ("var", "last"):
            t = types.get(a[0]) or self.program.constants.get(a[0], (None,))[0]
            return self.resolve(t) if t is not None else None
        if k == "lit":
            return {bool: "bool", int: "int", float: "float"}.get(type(a[0]))
        if k == "cons":
            return self.enum_of.get(a[0])
        if k == "op":
            return self.type_of(a[1][0], types) if a[0] in ARITHMETIC else "bool"
        if k in ("if", "fby", "arrow"):
            first, second = (a[1], a[2]) if k == "if" else (a[0], a[1])
            return self.type_of(first, types) or self.type_of(second, types)
        if k in ("pre", "when", "update", "withfield"):
            return self.type_of(a[0], types)
        if k == "merge":
            return next((t for t in (self.type_of(x, types) for _, x in a[1]) if t), None)
        if k == "case":
            return next((t for t in (self.type_of(x, types) for _, x in a[1]) if t), None)
        if k == "cast":
            return a[0]
        if k == "call" and self.outputs(a[0]) == 1 and a[0] in self.program.nodes:
            node = self.program.nodes[a[0]]
            return self.resolve(substituted(node.outputs[0].type, node, a[1]))
        if k == "record":
            return self.record_of.get(a[0][0][0])
        if k == "field":
            record = self.record_of.get(a[1])
            return self.resolve(dict(self.program.types[record][1])[a[1]]) if record else None
        if k == "array":
            return ("array", self.type_of(a[0][0], types), E("lit", len(a[0])))
        if k == "fill":
            t = self.type_of(a[0], types)
            for size in a[1]:
                t = ("array", t, size)
            return t
        if k in ("select", "selectdyn", "selecttrunc"):
            t = self.type_of(a[0], types)
            for _ in a[1]:
                t = t[1] if isinstance(t, tuple) else None
            return t
        if k == "slice":
            t = self.type_of(a[0], types)
            size = E("op", "+", [E("op", "-", [a[2], a[1]]), E("lit", 1)])
            return ("array", t[1], size) if isinstance(t, tuple) else None
        if k == "concat":
            x, y = self.type_of(a[0], types), self.type_of(a[1], types)
            if isinstance(x, tuple) and isinstance(y, tuple):
                return ("array", x[1], E("op", "+", [x[2], y[2]]))
            return None
        if k == "iter" and a[0] in ("map", "mapi"):
            node = self.program.nodes.get(a[2])
            if node and len(node.outputs) == 1:
                t = self.resolve(substituted(node.outputs[0].type, node, a[3]))
            elif not node and a[5]:
                t = self.type_of(a[5][0], types)
                for _ in a[1]:
                    t = t[1] if isinstance(t, tuple) else None
                t = "bool" if a[2] in ("=", "<", ">", "<=", ">=", "not", "or", "&") else t
            else:
                return None
            for size in a[1]:
                t = ("array", t, size)
            return t
        if k == "iter" and a[0] in ("fold", "foldi"):
            return self.type_of(a[5][-1], types)
        return None


def substituted(type_, node, static):
    """A type of the node's signature with its static parameters replaced."""
    if not isinstance(type_, tuple):
        return type_
    given = dict(zip([p.name for p in node.params], static))
    return ("array", substituted(type_[1], node, static), replaced(type_[2], given))


def replaced(e, given):
    if e.kind == "var":
        return given.get(e.args[0], e)
    if e.kind == "op":
        return E("op", e.args[0], [replaced(x, given) for x in e.args[1]])
    return e


def expressions(q):
    """The expressions of an equation itself, not those of its blocks."""
    if q.kind in ("eq", "last"):
        return [q.args[1]]
    if q.kind == "assert":
        return [q.args[0]]
    if q.kind == "switch":
        return [q.args[0]]
    if q.kind == "present":
        return [c for c, _ in q.args[0]]
    if q.kind == "reset":
        return [q.args[1]]
    if q.kind == "automaton":
        return [e for s in q.args[0] for e, _, _ in s.until + s.unless]
    return []


def blocks(q):
    if q.kind == "automaton":
        return [s.block for s in q.args[0]]
    if q.kind == "switch":
        return [b for _, b in q.args[1]]
    if q.kind == "present":
        return [b for _, b in q.args[0]] + ([q.args[1]] if q.args[1] else [])
    return [q.args[0]] if q.kind in ("reset", "block") else []


def all_expressions(block):
    for q in block.equations:
        yield from expressions(q)
        for b in blocks(q):
            yield from all_expressions(b)


def local(block):
    """The variables of a block and of those in it."""
    yield from block.variables
    for q in block.equations:
        for b in blocks(q):
            yield from local(b)


def size_parameters(program):
    """(node, parameter) for the static parameters that stand in types and sizes."""
    found = set()

    def of_type(node, t):
        if isinstance(t, tuple):
            of_size(node, t[2])
            of_type(node, t[1])

    def of_size(node, e):
        for x in everywhere(e):
            if x.kind == "var" and x.args[0] in {p.name for p in node.params}:
                found.add((node.name, x.args[0]))

    def visit(node, block):
        for v in block.variables:
            of_type(node, v.type)
        for q in block.equations:
            for e in expressions(q):
                for x in everywhere(e):
                    if x.kind in ("fill", "iter"):
                        for size in x.args[1]:
                            of_size(node, size)
                    elif x.kind == "slice":
                        of_size(node, x.args[1])
                        of_size(node, x.args[2])
                    if x.kind in ("call", "iter"):
                        callee, static = (x.args[0], x.args[1]) if x.kind == "call" else (x.args[2], x.args[3])
                        if callee in program.nodes:
                            for p, e1 in zip(program.nodes[callee].params, static):
                                if (callee, p.name) in found:
                                    of_size(node, e1)
            for b in blocks(q):
                visit(node, b)

    while True:
        before = len(found)
        for node in program.nodes.values():
            for v in node.inputs + node.outputs:
                of_type(node, v.type)
            visit(node, node.block)
        if len(found) == before:
            return found


class Desugar:
    """Automata as switch and reset: the definition of their meaning, and the only way to say in MLR what MLR's automata do not
    have: transitions `unless` with state of their own, and a first state that is computed."""

    def __init__(self, info, names):
        self.info, self.names, self.count = info, names, 0

    def needed(self, q):
        states, initial = q.args
        return not isinstance(initial, str) or any(self.info.stateful(e) for s in states for e, _, _ in s.unless)

    def fresh(self, base):
        self.count += 1
        name = f"{base}_{self.count}"
        while name in self.names:
            self.count += 1
            name = f"{base}_{self.count}"
        self.names.add(name)
        return name

    def automaton(self, q):
        """A block that means the automaton."""
        states, initial = q.args
        program = self.info.program
        enum = self.fresh("st")
        cons = {s.name: f"{enum.capitalize()}_{s.name}" for s in states}
        program.types[enum] = ("enum", list(cons.values()))
        for c in cons.values():
            self.info.enum_of[c] = enum
        cur, pnr, s, r, ns, nr = (self.fresh(x) for x in ("cur", "pnr", "sel", "res", "next", "nres"))
        variables = [V(x, enum) for x in (cur, s, ns)] + [V(x, "bool") for x in (pnr, r, nr)]

        def state(name):
            if name not in cons:
                raise Unsupported(f"unknown state {name}")
            return E("cons", cons[name])

        def chosen(transitions, default_state, default_reset):
            """Variables and equations for the conditions, and the two choices."""
            decls, eqs = [], []
            target, restart = default_state, default_reset
            for e, restarts, name in reversed(transitions):
                c = self.fresh("cond")
                decls.append(V(c, "bool"))
                eqs.append(Q("eq", [c], e))
                target = E("if", E("var", c), state(name), target)
                restart = E("if", E("var", c), E("lit", restarts), restart)
            return decls, eqs, target, restart

        first = state(initial if isinstance(initial, str) else initial[1])
        if not isinstance(initial, str):
            for c, name in reversed(initial[0]):
                first = E("if", c, state(name), first)
        equations = [Q("eq", [cur], E("fby", first, E("var", ns))),
                     Q("eq", [pnr], E("fby", E("lit", False), E("var", nr)))]
        if any(x.unless for x in states):
            arms = []
            for x in states:
                decls, eqs, target, restart = chosen(x.unless, state(x.name), E("var", pnr))
                inner = B(decls, eqs + [Q("eq", [s], target), Q("eq", [r], restart)])
                arms.append((cons[x.name], B([], [Q("reset", inner, E("var", pnr))])))
            equations.append(Q("switch", E("var", cur), arms))
        else:
            equations += [Q("eq", [s], E("var", cur)), Q("eq", [r], E("var", pnr))]
        arms = []
        for x in states:
            decls, eqs, target, restart = chosen(x.until, state(x.name), E("lit", False))
            inner = B(x.block.variables + decls,
                      x.block.equations + eqs + [Q("eq", [ns], target), Q("eq", [nr], restart)])
            arms.append((cons[x.name], B([], [Q("reset", inner, E("var", r))])))
        equations.append(Q("switch", E("var", s), arms))
        return B(variables, equations)
