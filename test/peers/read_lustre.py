"""Reads the Lustre of the Vélus compiler (.lus)."""
from syntax import B, E, Node, Program, Q, State, Tokens, V, compile_pattern

WORDS = set("""assert automaton and case continue do done else end every external false fby if in initially land last let lnot
lor lsl lsr lxor merge mod node function not of on onot or otherwise reset restart returns state switch tel then true type
unless until var when whenot xor div const""".split())
PATTERN = compile_pattern([
    ("space", r"[ \t\r\n]+|--[^\n]*|//[^\n]*"),
    ("number", r"0[xX][0-9A-Fa-f]+[uUlL]*|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?[uUlLfF]*|\.[0-9]+(?:[eE][+-]?[0-9]+)?"),
    ("constructor", r"[A-Z][A-Za-z_0-9']*"),
    ("name", r"[a-z_][A-Za-z_0-9']*"),
    ("sign", r"<>|<=|>=|=>|->|::|[=#<>+\-*/:;(),.|_^]"),
])
TYPES = {"int": "int32", "uint": "uint32", "real": "float64", "float": "float32", "double": "float64"}
# Loosest first; the levels are those of C.
BINARY = [["or"], ["land"], ["lor"], ["lxor", "xor"], ["and"], ["=", "<>"], ["<", ">", "<=", ">="], ["when", "whenot"],
          ["lsl", "lsr"], ["+", "-"], ["*", "/", "mod", "div"]]
NAMES = {"land": "and", "lor": "or", "lxor": "xor", "mod": "%", "div": "/", "lsl": "shl", "lsr": "shr"}


class Reader:
    def __init__(self, text):
        self.t = Tokens(text, PATTERN, WORDS)

    def program(self):
        t, p = self.t, Program()
        while t.peek()[0] != "end":
            if t.take("type"):
                name = t.name()
                t.need("=")
                t.take("|")
                names = [self.constructor()]
                while t.take("|"):
                    names.append(self.constructor())
                p.types[name] = ("enum", names)
            elif t.take("external"):
                name = t.name()
                self.until_closed()
                t.need("returns")
                t.name()
                p.externals[name] = 1
            else:
                node = self.node()
                if node.name in p.nodes:
                    p.double.append(node.name)
                p.nodes[node.name] = node
        return p

    def until_closed(self):
        self.t.need("(")
        while not self.t.take(")"):
            self.t.at += 1

    def constructor(self):
        if self.t.see("true", "false"):
            return self.t.need("true", "false")
        name = self.t.name("constructor")
        return {"True": "true", "False": "false"}.get(name, name)

    def type(self):
        name = self.t.name()
        return TYPES.get(name, name)

    def clock(self):
        t = self.t
        if t.take("whenot"):
            return [("false", t.name())]
        if t.take("when"):
            if t.take("not"):
                return [("false", t.name())]
            return [self.on()]
        result = []
        if t.take("::"):
            t.need(".")
            while t.see("on", "onot"):
                result.append(self.on() if t.take("on") else (t.need("onot") and ("false", t.name())))
        return result

    def on(self):
        if self.t.peek()[0] == "name":
            return ("true", self.t.name())
        c = self.constructor()
        self.t.need("(")
        x = self.t.name()
        self.t.need(")")
        return (c, x)

    def variables(self, *closing):
        t, result = self.t, []
        while not t.see(*closing):
            names = [t.name()]
            while t.take(","):
                names.append(t.name())
            t.need(":")
            type_ = self.type()
            clock = self.clock()
            result += [V(n, type_, clock) for n in names]
            if not t.take(";"):
                break
        return result

    def node(self):
        t = self.t
        t.need("node", "function")
        name = t.name()
        t.need("(")
        inputs = self.variables(")")
        t.need(")")
        t.take(";")
        t.need("returns")
        t.need("(")
        outputs = self.variables(")")
        t.need(")")
        t.take(";")
        block = self.locals_and_body()
        t.take(";")
        return Node(name, [], inputs, outputs, block)

    def locals_and_body(self):
        t, variables = self.t, []
        while t.take("var"):
            variables += self.variables("let", "var", "do", "in")
        t.need("let")
        equations = self.equations()
        t.need("tel")
        return B(variables, equations)

    def equations(self):
        t, result = self.t, []
        while True:
            while t.take(";"):
                pass
            if t.see("tel", "end", "until", "unless", "every", "done", "|", "state") or t.peek()[0] == "end":
                return result
            if t.take("assert"):
                result.append(Q("assert", self.expression()))
            else:
                result.append(self.equation())
            if not t.take(";"):
                return result

    def equation(self):
        t = self.t
        if t.take("last"):
            x = t.name()
            t.need("=")
            return Q("last", x, self.expression())
        if t.take("reset"):
            block = B([], self.equations())
            t.need("every")
            return Q("reset", block, self.expression())
        if t.take("switch"):
            e = self.expression()
            arms = []
            while t.take("|"):
                c = self.constructor()
                t.need("do")
                arms.append((c, B([], self.equations())))
            t.need("end")
            return Q("switch", e, arms)
        if t.take("automaton"):
            return self.automaton()
        if t.take("do"):
            variables = []
            while t.take("var"):
                variables += self.variables("in", "var")
            t.need("in")
            equations = self.equations()
            t.need("done")
            return Q("block", B(variables, equations))
        if t.see("var"):
            return Q("block", self.locals_and_body())
        paren = t.take("(")
        names = []
        if not t.see(")"):
            names.append(t.name())
            while t.take(","):
                names.append(t.name())
        if paren:
            t.need(")")
        t.need("=")
        return Q("eq", names, self.expression())

    def automaton(self):
        t = self.t
        t.need("initially")
        initial = []
        while t.take("if"):
            c = self.expression()
            t.need("then")
            initial.append((c, t.name("constructor")))
            t.need(";")
        t.take("otherwise")
        first = t.name("constructor")
        states = []
        while t.take("state"):
            name = t.name("constructor")
            variables = []
            while t.take("var"):
                variables += self.variables("do", "var")
            t.need("do")
            block = B(variables, self.equations())
            until = self.escapes() if t.take("until") else []
            t.take(";")
            unless = self.escapes() if t.take("unless") else []
            t.take(";")
            states.append(State(name, block, until, unless))
        t.need("end")
        return Q("automaton", states, (initial, first) if initial else first)

    def escapes(self):
        t, result = self.t, []
        while True:
            e = self.expression()
            restarts = t.need("then", "continue") == "then"
            result.append((e, restarts, t.name("constructor")))
            if not t.take("|"):
                return result

    # Expressions

    def expression(self):
        t = self.t
        if t.take("if"):
            c = self.expression()
            t.need("then")
            a = self.expression()
            t.need("else")
            return E("if", c, a, self.expression())
        if t.take("case"):
            e = self.expression()
            t.need("of")
            arms, default = self.branches()
            return E("case", e, arms, default)
        if t.take("merge"):
            if t.take("("):
                x = t.name()
                t.need(";")
                a = self.expression()
                t.need(";")
                b = self.expression()
                t.need(")")
                return E("merge", x, [("true", a), ("false", b)])
            x = t.name()
            if t.see("(") and (t.peek(1)[0] == "constructor" or t.peek(1)[1] in ("true", "false")) \
                    and t.peek(2)[1] in ("=>", "->"):
                arms, _ = self.branches()
                return E("merge", x, arms)
            return E("merge", x, [("true", self.primary()), ("false", self.primary())])
        left = self.binary(0)
        if t.take("->"):
            return E("arrow", left, self.arrow_right())
        return left

    def arrow_right(self):
        t = self.t
        if t.see("if", "case", "merge"):
            return self.expression()
        left = self.binary(0)
        return E("arrow", left, self.arrow_right()) if t.take("->") else left

    def branches(self):
        t, arms, default = self.t, [], None
        while t.take("("):
            if t.take("_") or (t.peek()[:2] == ("name", "_") and t.name()):
                t.need("=>")
                default = self.expression()
            else:
                c = self.constructor()
                t.need("=>", "->")
                arms.append((c, self.expression()))
            t.need(")")
        return arms, default

    def binary(self, level):
        t = self.t
        if level == len(BINARY):
            return self.fby()
        left = self.binary(level + 1)
        while t.see(*BINARY[level]):
            sign = t.need(*BINARY[level])
            if sign in ("when", "whenot"):
                if sign == "whenot" or t.take("not"):
                    left = E("when", left, "false", t.name())
                else:
                    left = E("when", left, *self.on())
            else:
                left = E("op", NAMES.get(sign, sign), [left, self.binary(level + 1)])
        return left

    def fby(self):
        left = self.unary()
        return E("fby", left, self.fby()) if self.t.take("fby") else left

    def unary(self):
        t = self.t
        if t.take("-"):
            return E("op", "neg", [self.unary()])
        if t.take("not"):
            return E("op", "not", [self.unary()])
        if t.take("lnot"):
            return E("op", "bitnot", [self.unary()])
        if t.take("#"):
            t.need("(")
            return E("op", "#", self.items())
        return self.postfix()

    def items(self):
        """Expressions up to a closing parenthesis."""
        t, result = self.t, []
        while not t.see(")"):
            result.append(self.expression())
            if not t.take(","):
                break
        t.need(")")
        return result

    def postfix(self):
        t = self.t
        if t.see("(") and t.peek(1)[1] == "restart":
            t.need("(")
            t.need("restart")
            name = t.name()
            t.need("every")
            r = self.expression()
            t.need(")")
            t.need("(")
            return E("call", name, [], self.items(), r)
        if t.peek()[0] == "name" and t.peek(1)[1] == "(" and t.peek(1)[0] == "sign":
            name = t.name()
            t.need("(")
            return E("call", name, [], self.items(), None)
        return self.primary()

    def primary(self):
        t = self.t
        kind, value, line = t.peek()
        if kind == "name":
            t.at += 1
            return E("var", value, pos=line)
        if kind == "number":
            t.at += 1
            text = value.rstrip("uUlL")
            if text.lower().startswith("0x"):
                return E("lit", int(text, 16))
            text = text.rstrip("fF")
            return E("lit", float(text) if "." in text or "e" in text.lower() else int(text))
        if t.see("true", "false"):
            return E("lit", t.need("true", "false") == "true")
        if kind == "constructor":
            c = self.constructor()
            return E("lit", c == "true") if c in ("true", "false") else E("cons", c)
        if t.take("last"):
            return E("last", t.name())
        if t.take("("):
            e = self.expression()
            if t.take(":"):
                type_ = self.type()
                t.need(")")
                return E("cast", type_, e)
            items = [e]
            while t.take(","):
                items.append(self.expression())
            t.need(")")
            return items[0] if len(items) == 1 else E("tuple", items)
        t.fail("expected an expression")


def read(text):
    return Reader(text).program()
