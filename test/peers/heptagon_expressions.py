"""Reads the expressions of Heptagon."""
from syntax import E, SyntaxFailure, compile_pattern

WORDS = set("""node fun returns var val const let tel end fby switch type every true false pre and or not open automaton
present reset state unless until last if then else default continue do done in contract assume enforce reachable attractive
with inlined when whenot merge on onot map mapi fold foldi mapfold at init split reinit unsafe external quo mod land lor xor
lsl lsr asr""".split())
PATTERN = compile_pattern([
    ("space", r"[ \t\r\n]+|--[^\n]*"),
    ("string", r'"(?:[^"\\]|\\.)*"'),
    ("number", r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"),
    ("constructor", r"[A-Z](?:_?[A-Za-z'0-9])*"),
    ("name", r"[a-z](?:_?[A-Za-z'0-9])*"),
    ("sign", r"\.\.\.|\.\.|<\(|\)>|\[>|<\]|<<<|>>>|<<|>>|::|<>|->|-\.|~-\.|~-|~~|=>|==|<=\.|>=\.|<=|>=|<\.|>\.|&&&|&&|"
             r"\|\|\||\|\||\+\+|\+\.|\*\.|/\.|[-.()*{}:;=&,|^\[\]@+/%<>~]"),
])
# Binding powers, from the declarations of the language's grammar, loosest first.
LEVEL = {"@": (1, "r"), "or": (5, "l"), "and": (6, "l"), "&": (6, "l")}
LEVEL.update({s: (7, "l") for s in "= <> < > <= >= <. >. <=. >=. => ==".split()})
LEVEL.update({s: (7, "l") for s in ("&&&", "|||", "<<<", ">>>")})
LEVEL.update({"when": (9, "r"), "whenot": (9, "r")})
LEVEL.update({s: (10, "l") for s in "+ +. - -. lor xor ++".split()})
LEVEL.update({s: (11, "l") for s in "* *. / /. % quo mod land".split()})
LEVEL.update({s: (12, "l") for s in "lsl lsr asr".split()})
NOT, FBY, PRE, POWER, PREFIX, ARROW, ELSE, DEFAULT = 13, 14, 15, 16, 17, 4, 3, 2
OPERATORS = {"&": "and", "&&&": "bitand", "|||": "bitor", "<<<": "shl", ">>>": "shr", "quo": "/", "mod": "%",
             "land": "bitand", "lor": "bitor", "lsl": "shl", "lsr": "shr", "asr": "shr", "==": "=",
             "~-": "neg", "~-.": "neg", "-.": "-", "+.": "+", "*.": "*", "/.": "/", "<.": "<", ">.": ">", "<=.": "<=", ">=.": ">="}


def operator(sign):
    return OPERATORS.get(sign, sign)


class Expressions:
    """Over self.t, the tokens."""

    def exp(self, power=0):
        t = self.t
        left = self.prefix()
        while True:
            kind, sign, _ = t.peek()
            if kind not in ("sign", "word"):
                return left
            if sign == "^":
                if power >= POWER:
                    return left
                sizes = []
                while t.take("^"):
                    sizes.append(self.simple())
                left = E("fill", left, sizes)
                continue
            if sign not in LEVEL:
                return left
            level, side = LEVEL[sign]
            if level < power or (level == power and side == "l"):
                return left
            t.at += 1
            if sign in ("when", "whenot"):
                left = self.when(left, sign)
            elif sign == "@":
                left = E("concat", left, self.exp(level))
            else:
                right = self.exp(level)
                if sign == "<>":
                    left = E("op", "<>", [left, right])
                else:
                    left = E("op", operator(sign), [left, right])

    def when(self, e, sign):
        t = self.t
        if sign == "whenot" or t.take("not"):
            return E("when", e, "false", t.name())
        if t.see("true", "false") or t.peek()[0] == "constructor":
            c = self.constructor()
            t.need("(")
            x = t.name()
            t.need(")")
            return E("when", e, c, x)
        return E("when", e, "true", t.name())

    def prefix(self):
        t = self.t
        if t.take("pre"):
            return E("pre", self.exp(PRE))
        if t.take("not"):
            if t.see("(") and t.peek(-1)[1] == "(" and t.peek(1)[1] == ")":
                t.fail("expected an expression")
            return E("op", "not", [self.exp(NOT)])
        if t.see("~-", "~-.", "~~", "-", "-."):
            sign = t.need("~-", "~-.", "~~", "-", "-.")
            e = self.exp(PREFIX)
            return E("op", "bitnot" if sign == "~~" else "neg", [e])
        if t.take("if"):
            c = self.exp()
            t.need("then")
            a = self.exp()
            t.need("else")
            return E("if", c, a, self.exp(ELSE))
        if t.take("last"):
            return E("last", t.name())
        if t.take("merge"):
            return self.merge()
        if t.take("split"):
            x = t.name()
            t.need("(")
            e = self.exp()
            t.need(")")
            return E("split", x, e)
        if t.take("reinit"):
            t.need("(")
            self.exp()
            t.need(",")
            e = self.exp()
            t.need(")")
            return e
        if t.see("map", "mapi", "fold", "foldi", "mapfold"):
            return self.iterator()
        if t.take("inlined") or self.at_call():
            return self.call()
        if t.see("["):
            e = self.bracket()
        else:
            e = self.simple()
        return self.suffix(e)

    def suffix(self, e):
        """What may follow a simple expression only: fby, ->, indices."""
        t = self.t
        if t.take("fby"):
            return E("fby", e, self.exp(FBY))
        if t.take("->"):
            return E("arrow", e, self.exp(ARROW - 1))
        if t.see("[>"):
            indices = []
            while t.take("[>"):
                indices.append(self.exp())
                t.need("<]")
            return E("selecttrunc", e, indices)
        if t.see("[") :
            t.take("[")
            first = self.exp()
            if t.take(".."):
                last = self.exp()
                t.need("]")
                return E("slice", e, first, last)
            t.need("]")
            return E("select", e, [first] + self.indices())
        if t.see(".") and t.peek(1)[1] == "[":
            t.take(".")
            indices = self.indices()
            t.need("default")
            return E("selectdyn", e, indices, self.exp(DEFAULT))
        return e

    def indices(self):
        t, result = self.t, []
        while t.take("["):
            result.append(self.exp())
            t.need("]")
        return result

    def at_call(self):
        """NAME ( or NAME << or (operator) ( here?"""
        t = self.t
        start = t.at
        try:
            self.qualified()
            return t.see("(") or t.see("<<")
        except SyntaxFailure:
            return False
        finally:
            t.at = start

    def call(self):
        t = self.t
        name = self.qualified()
        static = self.static()
        args = self.arguments()
        return E("call", name, static, args, None)

    def static(self):
        t, result = self.t, []
        if t.take("<<"):
            result.append(self.exp())
            while t.take(","):
                result.append(self.exp())
            t.need(">>")
        return result

    def arguments(self, opening="(", closing=")"):
        t, args = self.t, []
        t.need(opening)
        while not t.see(closing):
            args.append(self.exp())
            if not t.take(","):
                break
        t.need(closing)
        return args

    def iterator(self):
        t = self.t
        kind = t.need("map", "mapi", "fold", "foldi", "mapfold")
        t.need("<<")
        sizes = [self.simple()]
        while t.take(","):
            sizes.append(self.simple())
        t.need(">>")
        start = t.at
        static = []
        try:
            name = self.qualified()
        except SyntaxFailure:
            t.at = start
            t.need("(")
            name = self.qualified()
            static = self.static()
            t.need(")")
        partial = self.arguments("<(", ")>") if t.see("<(") else []
        return E("iter", kind, sizes, name, static, partial, self.arguments())

    def merge(self):
        t = self.t
        x = t.name()
        arms = []
        while t.see("(") and (t.peek(1)[0] == "constructor" or t.peek(1)[1] in ("true", "false")) and t.peek(2)[1] == "->":
            t.take("(")
            c = self.constructor()
            t.need("->")
            arms.append((c, self.exp()))
            t.need(")")
        if not arms:
            arms = [("true", self.simple()), ("false", self.simple())]
        return E("merge", x, arms)

    def bracket(self):
        t = self.t
        t.need("[")
        first = self.exp()
        if t.take("with"):
            indices = self.indices()
            t.need("=")
            value = self.exp()
            t.need("]")
            return E("update", first, indices, value)
        items = [first]
        while t.take(","):
            items.append(self.exp())
        t.need("]")
        return E("array", items)

    def simple(self):
        e = self.primary()
        t = self.t
        while t.see(".") and t.peek(1)[0] in ("name", "constructor"):
            t.take(".")
            e = E("field", e, self.qualified().split(".")[-1])
        return e

    def primary(self):
        t = self.t
        kind, value, line = t.peek()
        if kind == "name":
            t.at += 1
            return E("var", value, pos=line)
        if kind == "number":
            t.at += 1
            text = value.lower()
            if text.startswith(("0x", "0o", "0b")):
                return E("lit", int(text, 0))
            return E("lit", float(text) if "." in text or "e" in text else int(text))
        if kind == "string":
            t.at += 1
            return E("lit", value)
        if t.see("true", "false"):
            return E("lit", t.need("true", "false") == "true")
        if kind == "constructor":
            start = t.at
            try:
                module = self.module()
                if t.take("."):
                    return E("var", module + "." + self.ident())
            except SyntaxFailure:
                pass
            t.at = start
            return E("cons", self.constructor())
        if t.see("["):
            return self.bracket()
        if t.take("{"):
            return self.braces()
        if t.take("("):
            items = [self.exp()]
            while t.take(","):
                items.append(self.exp())
            if t.see("::", "on"):
                self.clock()
            t.need(")")
            return items[0] if len(items) == 1 else E("tuple", items)
        t.fail("expected an expression")

    def braces(self):
        t = self.t
        start = t.at
        if t.peek()[0] in ("name", "constructor"):
            try:
                name = self.qualified()
                if t.take("="):
                    fields = [(name.split(".")[-1], self.exp())]
                    while t.take(";"):
                        if t.see("}"):
                            break
                        name = self.qualified().split(".")[-1]
                        t.need("=")
                        fields.append((name, self.exp()))
                    t.need("}")
                    return E("record", fields)
            except SyntaxFailure:
                pass
        t.at = start
        e = self.simple()
        t.need("with")
        t.need(".")
        name = self.qualified().split(".")[-1]
        t.need("=")
        value = self.exp()
        t.need("}")
        return E("withfield", e, name, value)
