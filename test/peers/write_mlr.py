"""Prints a program in MLR."""
from analysis import Desugar, Info, all_expressions, local, size_parameters
from names import BASE, is_operator, mangle, node_name
from syntax import Q, Unsupported, everywhere
from write_arrays import Compound
from write_expressions import Expressions

class Scope:
    def __init__(self, names, types, parent=None):
        self.names, self.types, self.parent = dict(names), dict(types), parent
        self.bare = dict(parent.bare) if parent else {}   # variables with `last` and without a first value: their last values


class Writer(Expressions, Compound):
    """real: the MLR type of real numbers; decimals: digits after the point that the peer's C keeps of a constant. bare_last: `last x`
    without a first value is `pre x`, else a zero. constants_win: a constant hides a variable of its name, as in heptc."""

    def __init__(self, program, real="f32", decimals=6, clocks=None, split_automata=False, bare_last=False,
                 constants_win=False):
        self.p, self.real, self.decimals, self.clocks = program, real, decimals, clocks or {}
        self.info = Info(program)
        self.sizes = size_parameters(program)
        self.notes = []
        self.split_automata, self.bare_last = split_automata, bare_last
        self.desugar = Desugar(self.info, set(program.types))
        self.constants_win = constants_win
        self.variables = {v.name for n in program.nodes.values() for v in n.inputs + n.outputs + list(local(n.block))}
        self.operators = set()   # that the program has defined so far

    # Declarations

    def text(self):
        out = []
        for name, (type_, e) in self.p.constants.items():
            self.begin(None)
            out.append(f"const {self.constant_name(name)}: {self.type(type_)} = {self.one(e, Scope({}, {}), out)};")
        bodies = self.bodies()
        for name, definition in self.p.types.items():
            if definition[0] == "enum":
                out.append(f"enum E_{mangle(name)} {{ {', '.join(mangle(c) for c in definition[1])} }}")
            elif definition[0] == "record":
                fields = ", ".join(f"{mangle(f)}: {self.type(t)}" for f, t in definition[1])
                out.append(f"struct S_{mangle(name)} {{ {fields} }}")
        for name in self.p.double:
            out.append(f"node {node_name(name)}() -> (x: i32) {{ x = 0; }}")
        return "\n".join(out + bodies) + "\n"

    def bodies(self):
        """The nodes that can be said; the others, and those that call them, are in left_out with the reason."""
        self.left_out, texts = {}, {}
        for node in self.p.nodes.values():
            try:
                texts[node.name] = self.node(node)
                if is_operator(node.name):
                    self.operators.add(node.name)
            except Unsupported as reason:
                self.left_out[node.name] = str(reason)
        calls = {n.name: {x.args[0] if x.kind == "call" else x.args[2] for e in all_expressions(n.block)
                          for x in everywhere(e) if x.kind in ("call", "iter")} for n in self.p.nodes.values()}
        while True:
            more = {n: self.left_out[c] for n in texts if n not in self.left_out for c in calls[n] if c in self.left_out}
            if not more:
                return [line for n, lines in texts.items() if n not in self.left_out for line in lines]
            self.left_out.update(more)

    def base(self, name):
        if name in ("float", "real"):
            return self.real
        if name in BASE:
            return BASE[name]
        definition = self.p.types.get(name)
        if definition is None:
            if name == "string":
                raise Unsupported("strings")
            return mangle(name)
        if definition[0] == "abstract":
            raise Unsupported("a type that only C knows")
        return ("E_" if definition[0] == "enum" else "S_") + mangle(name)

    def type(self, type_):
        t, dims = self.info.resolve(type_), []
        while isinstance(t, tuple):
            dims.append(self.size(t[2]))
            t = t[1]
        return self.base(t) + (f"[{', '.join(dims)}]" if dims else "")

    def size(self, e):
        """A size as MLR's grammar has it: without a redundant pair of parentheses around all."""
        if e.kind == "lit":
            return str(e.args[0])
        if e.kind == "var":
            own = self.node_now and e.args[0] in {p.name for p in self.node_now.params}
            return mangle(e.args[0]) if own or e.args[0] not in self.p.constants else self.constant_name(e.args[0])
        if e.kind == "op" and e.args[0] in ("+", "-", "*", "/", "%") and len(e.args[1]) == 2:
            a, b = (self.size(x) for x in e.args[1])
            return f"({a} {e.args[0]} {b})"
        raise Unsupported("a size that is no arithmetic of constants")

    def clock(self, v, scope):
        if not v.clock:
            return ""
        c, x = v.clock[-1]
        return " when " + self.condition(c, x, scope)

    def begin(self, node):
        self.node_now, self.used, self.count = node, set(), 0
        if node:
            self.used |= {mangle(v.name) for v in node.inputs + node.outputs + node.params + node.block.variables}
            if node.contract:
                self.used |= {mangle(v.name) for v in node.contract.controllables}
            self.remembered = {x.args[0] for e in all_expressions(node.block) for x in everywhere(e) if x.kind == "last"}
            self.desugar.names |= {v.name for v in node.inputs + node.outputs}

    def node(self, node):
        self.begin(node)
        controllables = node.contract.controllables if node.contract else []
        variables = node.params + node.inputs + node.outputs + controllables
        scope = Scope({v.name: mangle(v.name) for v in variables}, {v.name: v.type for v in variables})
        for v in node.inputs + node.outputs:
            if not v.clock and (node.name, v.name) in self.clocks:
                v.clock = self.clocks[node.name, v.name]
        static = ", ".join(f"{mangle(p.name)}: {'size' if (node.name, p.name) in self.sizes else self.type(p.type)}"
                           for p in node.params)
        ins = ", ".join(f"{mangle(v.name)}: {self.type(v.type)}{self.clock(v, scope)}" for v in node.inputs)
        outs = ", ".join(f"{mangle(v.name)}: {self.type(v.type)}{self.clock(v, scope)}" for v in node.outputs)
        body = []
        for v in controllables:
            self.notes.append("controllers are replaced by constants")
            body.append(f"{mangle(v.name)}: {self.type(v.type)} = {self.zero(self.info.resolve(v.type))};")
        for v in node.outputs:
            self.memory(v, scope, body)
        inner = self.block(node.block, scope, body, top=True)
        if node.contract:
            self.contract(node.contract, inner, body)
        head = f"node {node_name(node.name)}{'<<' + static + '>>' if static else ''}({ins}) -> ({outs}) {{"
        return [head] + ["  " + line for line in body] + ["}"]

    def contract(self, contract, scope, out):
        scope = self.block(contract.block, scope, out)
        if contract.assume is not None:
            out.append(f"assume {self.one(contract.assume, scope, out)};")
        for e in contract.enforce:
            out.append(f"guarantee {self.one(e, scope, out)};")

    # Blocks and equations

    def fresh(self, base):
        while True:
            self.count += 1
            name = f"{base}{self.count}"
            if name not in self.used:
                self.used.add(name)
                return name

    def declare(self, variables, scope, top):
        inner = Scope(scope.names, scope.types, scope)
        for v in variables:
            name = mangle(v.name)
            if not top:
                while name in self.used:
                    name += "_"
                self.used.add(name)
            inner.names[v.name] = name
            inner.types[v.name] = v.type
        return inner

    def memory(self, v, scope, out):
        if v.memory is None:
            return
        if v.memory is False and self.bare_last and v.name in self.remembered:
            scope.bare[v.name] = self.fresh("before")
            out.append(f"{scope.bare[v.name]}: {self.type(v.type)} = pre {scope.names[v.name]};")
            return
        if v.memory is False:
            self.notes.append("`last` without a first value gets a zero")
            t, sizes = self.info.resolve(v.type), []
            while isinstance(t, tuple):
                sizes.append(t[2])
                t = t[1]
            first = self.zero(t)
            if sizes:
                first = f"[{first} for {self.indices(sizes)[1]}]"
        else:
            first = self.one(v.memory, scope, out)
        out.append(f"last {scope.names[v.name]} = {first};")

    def zero(self, t):
        definition = self.p.types.get(t)
        if t == "bool":
            return "false"
        if definition and definition[0] == "enum":
            return f"E_{mangle(t)}.{mangle(definition[1][0])}"
        return f"{self.real}(0.0)" if t in ("float", "real") else "0"

    def block(self, block, scope, out, top=False):
        inner = self.declare(block.variables, scope, top)
        for v in block.variables:
            self.memory(v, inner, out)
        annotated = {v.name: v for v in block.variables}
        for q in block.equations:
            self.equation(q, inner, out, annotated)
        return inner

    def nested(self, block, scope):
        """The lines of a block between braces."""
        out = []
        self.block(block, scope, out)
        return ["  " + line for line in out]

    def equation(self, q, scope, out, annotated):
        getattr(self, "q_" + q.kind)(q, scope, out, annotated)

    def q_eq(self, q, scope, out, annotated):
        names, e = q.args
        targets = [scope.names[n] if n in scope.names else self.variable(n, scope) for n in names]
        if e.kind == "call" and e.args[0].split(".")[-1] in ("printf", "fprintf"):
            self.notes.append("printing is left out")
            return
        if not targets:
            self.notes.append("calls without results are left out")
            return
        if e.kind == "call" and e.args[0] in self.p.nodes and len(targets) > 1 and self.info.outputs(e.args[0]) == len(targets):
            out.append(f"({', '.join(targets)}) = {self.call(e, scope, out)};")
            return
        values = self.many(e, scope, out)
        if len(values) != len(targets):
            if len(targets) == 1 or len(values) == 1:
                left = targets[0] if len(targets) == 1 else f"({', '.join(targets)})"
                right = values[0] if len(values) == 1 else f"({', '.join(values)})"
                out.append(f"{left} = {right};")   # a mistake of the source, left for MLR to find
                return
            out.append(f"({', '.join(targets)}) = ({', '.join(values)});")
            return
        if len(set(targets)) < len(targets):
            out.append(f"({', '.join(targets)}) = ({', '.join(values)});")
            return
        for name, target, value in zip(names, targets, values):
            v = annotated.get(name)
            note = f": {self.type(v.type)}{self.clock(v, scope)}" if v else ""
            out.append(f"{target}{note} = {value};")

    def q_last(self, q, scope, out, annotated):
        out.append(f"last {self.variable(q.args[0], scope)} = {self.one(q.args[1], scope, out)};")

    def q_assert(self, q, scope, out, annotated):
        out.append(f"assert {self.one(q.args[0], scope, out)};")

    def q_block(self, q, scope, out, annotated):
        self.block(q.args[0], scope, out)

    def q_reset(self, q, scope, out, annotated):
        r = self.one(q.args[1], scope, out)
        out += ["reset {"] + self.nested(q.args[0], scope) + [f"}} every {r};"]

    def q_switch(self, q, scope, out, annotated):
        e, arms = q.args
        value = self.one(e, scope, out)
        names = [c for c, _ in arms]
        if all(c in ("true", "false") for c in names) and len(set(names)) == len(names):
            arms = dict(arms)
            if "true" not in arms:
                out += [f"if not {value} {{"] + self.nested(arms["false"], scope) + ["}"]
                return
            out += [f"if {value} {{"] + self.nested(arms["true"], scope)
            if "false" in arms:
                out += ["} else {"] + self.nested(arms["false"], scope)
            out.append("}")
            return
        out.append(f"match {value} {{")
        for c, b in arms:
            out += [f"  {mangle(c)}: {{"] + ["  " + line for line in self.nested(b, scope)] + ["  }"]
        out.append("}")

    def q_present(self, q, scope, out, annotated):
        arms, default = q.args
        (c, b), rest = arms[0], arms[1:]
        out += [f"if {self.one(c, scope, out)} {{"] + self.nested(b, scope)
        if rest:
            inner = []
            self.q_present(Q("present", rest, default), scope, inner, {})
            out += ["} else {"] + ["  " + line for line in inner]
        elif default:
            out += ["} else {"] + self.nested(default, scope)
        out.append("}")

    def q_automaton(self, q, scope, out, annotated):
        if self.split_automata or self.desugar.needed(q):
            if not self.split_automata:
                self.notes.append("an automaton is written as match and reset")
            self.block(self.desugar.automaton(q), scope, out)
            return
        lines = ["automaton {"]
        states, initial = q.args
        for s in sorted(states, key=lambda x: x.name != initial):
            body = []
            inner = self.block(s.block, scope, body)
            for word, transitions, where in (("unless", s.unless, scope), ("until", s.until, inner)):
                if transitions:
                    hoisted = out if word == "unless" else body
                    body.append(word + " " + " | ".join(
                        f"{self.one(e, where, hoisted)} {'then' if restarts else 'continue'} {mangle(target)}"
                        for e, restarts, target in transitions) + ";")
            lines += [f"  state {mangle(s.name)} {{"] + ["    " + line for line in body] + ["  }"]
        out += lines + ["}"]
