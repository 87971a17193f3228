"""Prints expressions in MLR: a list of texts, one for each component of a tuple; what needs a variable of its own goes to `out`."""
from heptagon_expressions import OPERATORS
from names import BITS, EXACT, INTEGERS, SIGNS, is_operator, mangle, node_name
from syntax import E, Unsupported


class Expressions:
    def constant_name(self, name):
        """Constants and nodes have their names in common in MLR, and a variable hides a constant."""
        return mangle(name) + "_c" if name in self.p.nodes or self.constants_win and name in self.variables else mangle(name)

    def variable(self, name, scope):
        if name in self.p.constants and self.constants_win:
            return self.constant_name(name)
        if name in scope.names:
            return scope.names[name]
        if name in self.p.constants:
            return self.constant_name(name)
        return "undeclared_" + mangle(name)

    def hoist(self, text, out, base="t"):
        if text.replace("_", "a").isalnum() and not text[0].isdigit():
            return text
        name = self.fresh(base)
        out.append(f"{name} = {text};")
        return name

    def one(self, e, scope, out):
        values = self.many(e, scope, out)
        return values[0] if len(values) == 1 else f"({', '.join(values)})"

    def condition(self, c, x, scope):
        x = self.variable(x, scope)
        return x if c == "true" else f"not {x}" if c == "false" else f"{x} == {mangle(c)}"

    def many(self, e, scope, out):
        """The components of a value."""
        return getattr(self, "e_" + e.kind)(e, scope, out)

    def zip(self, lists):
        """Componentwise; a single value beside several stays single and is a mistake of the source."""
        n = max(len(x) for x in lists)
        if any(len(x) != n for x in lists):
            lists = [[x[0] if len(x) == 1 else f"({', '.join(x)})"] for x in lists]
        return list(zip(*lists))

    def e_var(self, e, scope, out):
        return [self.variable(e.args[0], scope)]

    def e_lit(self, e, scope, out):
        v = e.args[0]
        if isinstance(v, bool):
            return ["true" if v else "false"]
        if isinstance(v, float):
            text = f"{v:.{self.decimals}f}" if self.decimals else repr(v)
            text = text.rstrip("0") + "0" if "." in text and "e" not in text else text
            return [text if self.real == "f32" else f"{self.real}({text})"]
        if isinstance(v, str):
            raise Unsupported("strings")
        return [str(v)]

    def e_cons(self, e, scope, out):
        enum = self.info.enum_of.get(e.args[0])
        return [f"E_{mangle(enum)}.{mangle(e.args[0])}" if enum else f"Undeclared.{mangle(e.args[0])}"]

    def e_op(self, e, scope, out):
        name, args = e.args
        if name in self.operators:
            return self.e_call(E("call", name, [], args, None), scope, out)
        values = [v for a in args for v in self.many(a, scope, out)]
        types = [self.info.type_of(a, scope.types) for a in args]
        compound = next((t for t in types if isinstance(t, tuple) or self.p.types.get(t, ("",))[0] == "record"), None)
        if name in ("=", "<>") and compound:
            same = self.same(*[self.hoist(v, out) for v in values], compound)
            return [same if name == "=" else f"(not {same})"]
        return [self.operator(name, values, types)]

    def same(self, a, b, type_, whole=False):
        """a = b, leaf by leaf; `whole`: of all elements."""
        t = self.info.resolve(type_)
        while isinstance(t, tuple):
            t, whole = self.info.resolve(t[1]), True
        d = self.p.types.get(t)
        if not d or d[0] != "record":
            return f"all({a} == {b})" if whole else f"({a} == {b})"
        return "(" + " and ".join(self.same(f"{a}.{mangle(f)}", f"{b}.{mangle(f)}", ft, whole) for f, ft in d[1]) + ")"

    def operator(self, name, v, types=()):
        if name in ("neg", "~-", "~-."):
            return f"(-{v[0]})"
        if name == "not":
            if types and types[0] in INTEGERS:
                return f"bitxor({v[0]}, -1)"
            return f"(not {v[0]})"
        if name == "=>":
            return f"(not {v[0]} or {v[1]})"
        if name == "#":
            return "((" + " + ".join(f"(if {x} then 1 else 0)" for x in v) + ") <= 1)"
        if name in ("bitand", "bitor", "shl", "shr"):
            return f"{name}({', '.join(v)})"
        if name == "bitnot":
            return f"bitxor({v[0]}, -1)"
        if len(v) != 2:   # a mistake of the source, left for MLR to find
            half = len(v) // 2
            return f"(({', '.join(v[:half])}) {SIGNS.get(name, name)} ({', '.join(v[half:])}))"
        numbers = [t for t in types if t in INTEGERS]
        if numbers and name in BITS:
            return f"{BITS[name]}({', '.join(v)})"
        return f"({v[0]} {SIGNS.get(name, name)} {v[1]})"

    def e_tuple(self, e, scope, out):
        return [v for x in e.args[0] for v in self.many(x, scope, out)]

    def e_if(self, e, scope, out):
        c = self.one(e.args[0], scope, out)
        pairs = self.zip([self.many(x, scope, out) for x in e.args[1:]])
        if len(pairs) > 1:
            c = self.hoist(c, out)
        return [f"(if {c} then {a} else {b})" for a, b in pairs]

    def e_fby(self, e, scope, out):
        return [f"({a} fby {b})" for a, b in self.zip([self.many(x, scope, out) for x in e.args])]

    def e_arrow(self, e, scope, out):
        return [f"({a} -> {b})" for a, b in self.zip([self.many(x, scope, out) for x in e.args])]

    def e_pre(self, e, scope, out):
        return [f"(pre {a})" for a in self.many(e.args[0], scope, out)]

    def e_last(self, e, scope, out):
        if e.args[0] in scope.bare:
            return [scope.bare[e.args[0]]]
        return [f"(last {self.variable(e.args[0], scope)})"]

    def e_when(self, e, scope, out):
        return [f"({a} when {self.condition(e.args[1], e.args[2], scope)})" for a in self.many(e.args[0], scope, out)]

    def e_split(self, e, scope, out):
        x = e.args[0]
        t = self.info.resolve(scope.types.get(x, "bool"))
        definition = self.p.types.get(t)
        names = definition[1] if definition and definition[0] == "enum" else ["true", "false"]
        value = self.one(e.args[1], scope, out)
        return [f"({value} when {self.condition(c, x, scope)})" for c in names]

    def e_merge(self, e, scope, out):
        x = self.variable(e.args[0], scope)
        arms = e.args[1]
        names = [c for c, _ in arms]
        rows = self.zip([self.many(a, scope, out) for _, a in arms])
        if sorted(names) == ["false", "true"]:
            i, j = names.index("true"), names.index("false")
            return [f"merge({x}, {row[i]}, {row[j]})" for row in rows]
        return [f"merge {x} {{ {', '.join(f'{mangle(c)}: {v}' for c, v in zip(names, row))} }}" for row in rows]

    def e_case(self, e, scope, out):
        value, arms, default = e.args
        v = self.hoist(self.one(value, scope, out), out)
        t = self.info.type_of(value, scope.types)
        names = [c for c, _ in arms]
        everything = self.p.types.get(t, ("", []))[1] if t != "bool" else ["true", "false"]
        if default is not None:
            arms = arms + [(c, default) for c in everything if c not in names]
        stateless = not any(self.info.stateful(a) for _, a in arms)
        if sorted(c for c, _ in arms) == ["false", "true"]:
            arms = dict(arms)
            return self.e_if(E("if", value, arms["true"], arms["false"]), scope, out)
        if not stateless and sorted(c for c, _ in arms) == sorted(everything):
            rows = self.zip([self.many(a, scope, out) for _, a in arms])
            results = []
            for row in rows:
                text = row[-1]
                for (c, _), x in reversed(list(zip(arms[:-1], row))):
                    text = f"(if {v} == E_{mangle(t)}.{mangle(c)} then {x} else {text})"
                results.append(text)
            return results
        lines, targets = [f"match {v} {{"], None
        for c, a in arms:
            body = []
            values = self.many(a, scope, body)
            targets = targets or [self.fresh("t") for _ in values]
            body += [f"{x} = {y};" for x, y in zip(targets, values)]
            lines += [f"  {mangle(c)}: {{ " + " ".join(body) + " }"]
        out += lines + ["}"]
        return targets

    def static(self, callee, args, scope, out):
        if not args:
            return ""
        node = self.p.nodes.get(callee)
        texts = []
        for i, a in enumerate(args):
            is_size = node and i < len(node.params) and (callee, node.params[i].name) in self.sizes
            texts.append(self.size(a) if is_size else self.one(a, scope, out))
        return f"<<{', '.join(texts)}>>"

    def call(self, e, scope, out):
        name, static, args, reset = e.args
        values = [v for a in args for v in self.many(a, scope, out)]
        text = f"{node_name(name)}{self.static(name, static, scope, out)}({', '.join(values)})"
        sampled = next((a for a in args if a.kind == "when"), None)
        if reset is not None and sampled is not None and reset.kind != "when":
            text += f" every {self.pending(reset, sampled, scope, out)}"
        elif reset is not None:
            text += f" every {self.hoist(self.one(reset, scope, out), out, 'r')}"
        return text

    def pending(self, reset, sampled, scope, out):
        """A reset on a faster clock than the call: remembered until the call runs next."""
        due, rest = self.fresh("due"), self.fresh("rest")
        _, c, x = sampled.args
        x = self.variable(x, scope)
        runs = x if c == "true" else f"not {x}" if c == "false" else f"{x} == {self.e_cons(E('cons', c), scope, out)[0]}"
        out.append(f"{due} = {self.one(reset, scope, out)} or (false fby {rest});")
        out.append(f"{rest} = if {runs} then false else {due};")
        return self.hoist(f"({due} when {self.condition(c, sampled.args[2], scope)})", out, "r")

    def e_call(self, e, scope, out):
        name = e.args[0]
        if name in self.p.nodes:
            n = self.info.outputs(name)
            text = self.call(e, scope, out)
            if n == 1:
                return [text]
            targets = [self.fresh("t") for _ in range(n)]
            out.append(f"({', '.join(targets)}) = {text};")
            return targets
        if is_operator(name):
            return self.e_op(E("op", OPERATORS.get(name, name), e.args[2]), scope, out)
        values = [v for a in e.args[2] for v in self.many(a, scope, out)]
        short = name.split(".")[-1]
        if short in ("float", "real") and (short in self.p.externals or "." in name):
            return [f"{self.real}({values[0]})"]
        if short in EXACT and (short in self.p.externals or "." in name):
            return [f"{EXACT[short]}({values[0]})"]
        if short in self.p.externals or "." in name or name in self.p.externals:
            raise Unsupported(f"a function written in C ({short})")
        return [f"{node_name(name)}({', '.join(values)})"]   # unknown: left for MLR to find
