"""Reads Heptagon (.ept, .epi)."""
from heptagon_expressions import PATTERN, WORDS, Expressions
from syntax import B, Contract, Node, Program, Q, State, Tokens, V


class Reader(Expressions):
    def __init__(self, text):
        self.t = Tokens(text, PATTERN, WORDS)

    def program(self):
        t, p = self.t, Program()
        while t.peek()[0] != "end":
            if t.take("open"):
                p.opened.append(self.module())
            elif t.take("const"):
                name = t.name()
                t.need(":")
                type_ = self.type()
                t.need("=")
                p.constants[name] = (type_, self.exp())
            elif t.take("type"):
                self.type_declaration(p)
            elif self.signature(p):
                pass
            else:
                node = self.node()
                if node.name in p.nodes:
                    p.double.append(node.name)
                p.nodes[node.name] = node
        return p

    def module(self):
        names = [self.t.name("constructor")]
        while self.t.see(".") and self.t.peek(1)[0] == "constructor":
            self.t.take(".")
            names.append(self.t.name("constructor"))
        return ".".join(names)

    def type_declaration(self, p):
        t = self.t
        name = t.name()
        if not t.take("="):
            p.types[name] = ("abstract",)
        elif t.peek()[0] == "constructor" and not (t.peek(1)[:2] == ("sign", ".")) or t.see("true", "false"):
            names = [self.constructor()]
            while t.take("|"):
                names.append(self.constructor())
            p.types[name] = ("enum", names)
        elif t.take("{"):
            fields = []
            while not t.take("}"):
                field = t.name()
                t.need(":")
                fields.append((field, self.type()))
                t.take(";")
            p.types[name] = ("record", fields)
        else:
            p.types[name] = ("alias", self.type())

    def signature(self, p):
        """`val fun f(..) returns (..)` of an interface."""
        t = self.t
        start = t.at
        external = bool(t.take("external"))
        t.take("unsafe")
        is_val = bool(t.take("val"))
        if not (external or is_val):
            t.at = start
            return False
        t.need("node", "fun")
        name = self.ident()
        if t.take("<<"):
            while not t.take(">>"):
                t.at += 1
        self.skip_parameters()
        t.need("returns", "=")
        p.externals[name] = self.skip_parameters()
        return True

    def skip_parameters(self):
        t = self.t
        t.need("(")
        depth, count, some = 1, 0, False
        while depth:
            kind, value, _ = t.peek()
            if kind == "end":
                t.fail("expected )")
            depth += (value == "(") - (value == ")") if kind == "sign" else 0
            count += value == ";" and t.peek(1)[1] != ")"
            some = some or depth > 0
            t.at += 1
        return count + 1 if some else 0

    def ident(self):
        t = self.t
        if t.peek()[0] == "name":
            return t.name()
        t.need("(")
        kind, value, _ = t.peek()
        t.at += 1
        t.need(")")
        return value

    def qualified(self):
        """A name, perhaps of a module; an operator in parentheses."""
        if self.t.peek()[0] == "constructor":
            module = self.module()
            self.t.need(".")
            return module + "." + self.ident()
        return self.ident()

    def type(self):
        t = self.t
        result = self.qualified()
        while t.take("^"):
            result = ("array", result, self.simple())
        return result

    def constructor(self):
        t = self.t
        if t.see("true", "false"):
            return t.take("true", "false")
        name = t.name("constructor")
        while t.see(".") and t.peek(1)[0] == "constructor":
            t.take(".")
            name = t.name("constructor")
        return name

    def clock(self):
        t = self.t
        if t.take("when"):
            if t.take("not"):
                return [("false", t.name())]
            return [self.on()]
        if t.take("::"):
            result = []
            if not t.take("."):
                result.append(self.on())
        elif t.take("on"):
            result = [self.on()]
        else:
            return []
        while t.see("on", "onot"):
            if t.take("onot"):
                result.append(("false", t.name()))
            else:
                t.take("on")
                result.append(self.on())
        return result

    def on(self):
        if self.t.peek()[0] == "name":
            return ("true", self.t.name())
        c = self.constructor()
        self.t.need("(")
        x = self.t.name()
        self.t.need(")")
        return (c, x)

    def variables(self, closing):
        """Declarations up to one of the closing words."""
        t, result = self.t, []
        while not t.see(*closing):
            memory = None
            if t.take("last"):
                memory = False
            names = [t.name()]
            while t.take(","):
                names.append(t.name())
            t.need(":")
            type_ = self.type()
            if t.take("at"):
                t.name()
            clock = self.clock()
            if memory is not None and t.take("="):
                memory = self.exp()
            result += [V(n, type_, clock, memory) for n in names]
            if not t.take(";"):
                break
        return result

    def node(self):
        t = self.t
        t.take("unsafe")
        t.need("node", "fun")
        name = self.ident()
        params = []
        if t.take("<<"):
            params = self.variables((">>", "|"))
            while not t.take(">>"):
                t.at += 1
        t.need("(")
        inputs = self.variables((")",))
        t.need(")")
        t.need("returns", "=")
        t.need("(")
        outputs = self.variables((")",))
        t.need(")")
        t.take(";")
        contract = self.contract() if t.take("contract") else None
        block = self.block("let")
        t.need("tel")
        t.take(";")
        return Node(name, params, inputs, outputs, block, contract)

    def contract(self):
        t, block, assume, enforce, controllables = self.t, B([], []), None, [], []
        if t.see("var", "let"):
            block = self.block("let")
            t.need("tel")
        if t.take("assume"):
            assume = self.exp()
        while t.see("enforce", "reachable", "attractive"):
            t.need("enforce", "reachable", "attractive")
            enforce.append(self.exp())
        if t.take("with"):
            t.need("(")
            controllables = self.variables((")",))
            t.need(")")
        return Contract(block, assume, enforce, controllables)

    def block(self, opening=None):
        """`var .. OPENING equations`; without an opening word, `in` stands behind variables only."""
        t, variables = self.t, []
        if t.take("var"):
            variables = self.variables((opening or "in",))
            t.need(opening or "in")
        elif opening:
            t.need(opening)
        return B(variables, self.equations())

    def equations(self):
        result = []
        while not self.t.see("tel", "end", "until", "unless", "every", "done", "else", "|", "default", "state") \
                and self.t.peek()[0] != "end":
            result.append(self.equation())
            if not self.t.take(";"):
                break
        return result

    def equation(self):
        t = self.t
        if t.take("automaton"):
            states = []
            while t.take("state"):
                name = t.name("constructor")
                block = self.block("do")
                until = self.escapes() if t.take("until") else []
                unless = self.escapes() if t.take("unless") else []
                states.append(State(name, block, until, unless))
            t.need("end")
            return Q("automaton", states, states[0].name if states else None)
        if t.take("switch"):
            e = self.exp()
            t.take("|")
            arms = [self.arm()]
            while t.take("|"):
                arms.append(self.arm())
            t.need("end")
            return Q("switch", e, arms)
        if t.take("present"):
            t.take("|")
            arms = [(self.exp(), self.block("do"))]
            while t.take("|"):
                arms.append((self.exp(), self.block("do")))
            default = None
            if t.take("default"):
                t.need("do")
                default = self.block()
            t.need("end")
            return Q("present", arms, default)
        if t.take("if"):
            c = self.exp()
            t.need("then")
            yes = self.block()
            t.need("else")
            no = self.block()
            t.need("end")
            return Q("switch", c, [("true", yes), ("false", no)])
        if t.take("reset"):
            block = self.block()
            t.need("every")
            return Q("reset", block, self.exp())
        if t.take("do"):
            block = self.block()
            t.need("done")
            return Q("block", block)
        names = self.pattern()
        t.need("=")
        return Q("eq", names, self.exp())

    def arm(self):
        c = self.constructor()
        return (c, self.block("do"))

    def escapes(self):
        t, result = self.t, []
        t.take("|")
        while True:
            e = self.exp()
            restarts = t.need("then", "continue") == "then"
            result.append((e, restarts, t.name("constructor")))
            if not t.take("|"):
                return result

    def pattern(self):
        t = self.t
        if t.take("init"):
            t.need("<<")
            t.name()
            t.need(">>")
            return [t.name()]
        if t.take("("):
            names = []
            while not t.take(")"):
                names += self.pattern()
                t.take(",")
            return names
        return [t.name()]


def read(text):
    return Reader(text).program()
