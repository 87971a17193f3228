"""The tree that the readers of Heptagon and of Vélus's Lustre make, and that the writers print.

An expression is E(kind, *args); a block B(variables, equations); an equation Q(kind, ..). Names are those of the source."""
import re


class Unsupported(Exception):
    """What cannot be said in the target language; the text is the reason that the table shows."""


class SyntaxFailure(Exception):
    pass


class E:
    """var(name) lit(value) cons(name) op(name, [args]) tuple([args]) if(c, a, b) fby(a, b) pre(a) arrow(a, b) last(name)
    when(e, constructor, variable) merge(variable, [(constructor, e)]) case(e, [(constructor, e)], default or None)
    call(name, [static], [args], reset or None) record([(field, e)]) field(e, name) withfield(e, name, value)
    array([e]) fill(e, [sizes]) select(e, [indices]) selectdyn(e, [indices], default) selecttrunc(e, [indices])
    update(e, [indices], value) slice(e, first, last) concat(a, b)
    iter(kind, [sizes], name, [static], [partial], [args]) cast(type, e) split(variable, e)"""
    __slots__ = ("kind", "args", "pos")

    def __init__(self, kind, *args, pos=None):
        self.kind, self.args, self.pos = kind, list(args), pos

    def __repr__(self):
        return f"{self.kind}{self.args}"


class V:
    """A declared variable. clock: [] is the base clock, else [(constructor, variable), ..] from the slowest outwards;
    memory: None, or the initial value of `last` (False when it has none)."""

    def __init__(self, name, type_, clock=(), memory=None):
        self.name, self.type, self.clock, self.memory = name, type_, list(clock), memory


class B:
    def __init__(self, variables, equations):
        self.variables, self.equations = variables, equations


class Q:
    """eq([names], e) automaton([State], initial) switch(e, [(constructor, B)]) present([(e, B)], B or None)
    reset(B, e) block(B) last(name, e)"""

    def __init__(self, kind, *args):
        self.kind, self.args = kind, list(args)


class State:
    def __init__(self, name, block, until, unless):
        self.name, self.block, self.until, self.unless = name, block, until, unless   # [(e, restarts, target)]


class Contract:
    def __init__(self, block, assume, enforce, controllables):
        self.block, self.assume, self.enforce, self.controllables = block, assume, enforce, controllables


class Node:
    def __init__(self, name, params, inputs, outputs, block, contract=None):
        self.name, self.params, self.inputs, self.outputs = name, params, inputs, outputs
        self.block, self.contract = block, contract


class Program:
    def __init__(self):
        self.types = {}      # name -> ("alias", type) | ("enum", [constructors]) | ("record", [(field, type)]) | ("abstract",)
        self.constants = {}  # name -> (type, e)
        self.nodes = {}      # name -> Node, in order
        self.externals = {}  # name -> number of results
        self.opened = []
        self.double = []     # names declared twice


def children(e):
    """The direct subexpressions of e."""
    def walk(x):
        if isinstance(x, E):
            yield x
        elif isinstance(x, (list, tuple)):
            for y in x:
                yield from walk(y)
    yield from walk(e.args)


def everywhere(e):
    yield e
    for c in children(e):
        yield from everywhere(c)


class Tokens:
    def __init__(self, text, pattern, keywords):
        self.items, self.keywords = [], keywords
        line = 1
        at = 0
        while at < len(text):
            if text.startswith("(*", at) or text.startswith("/*", at):
                end = self.skip(text, at)
                line += text.count("\n", at, end)
                at = end
                continue
            m = pattern.match(text, at)
            if not m:
                raise SyntaxFailure(f"line {line}: illegal character {text[at]!r}")
            kind = m.lastgroup
            value = m.group()
            if kind == "name" and value in keywords:
                kind = "word"
            if kind != "space":
                self.items.append((kind, value, line))
            line += value.count("\n")
            at = m.end()
        self.items.append(("end", "", line))
        self.at = 0

    @staticmethod
    def skip(text, at):
        opening = text[at:at + 2]
        closing = "*)" if opening == "(*" else "*/"
        depth = 0
        while at < len(text):
            if text.startswith(opening, at):
                depth, at = depth + 1, at + 2
            elif text.startswith(closing, at):
                depth, at = depth - 1, at + 2
                if depth == 0:
                    return at
            else:
                at += 1
        raise SyntaxFailure("a comment does not end")

    def peek(self, offset=0):
        return self.items[min(self.at + offset, len(self.items) - 1)]

    def see(self, *values):
        """Is the next token one of these (not a string, not a name of that spelling)?"""
        kind, value, _ = self.peek()
        return kind in ("sign", "word") and value in values

    def take(self, *values):
        if self.see(*values):
            self.at += 1
            return self.items[self.at - 1][1]
        return None

    def need(self, *values):
        got = self.take(*values)
        if got is None:
            self.fail(f"expected {' or '.join(values)}")
        return got

    def name(self, kind="name"):
        k, value, _ = self.peek()
        if k != kind:
            self.fail(f"expected a {kind}")
        self.at += 1
        return value

    def fail(self, what):
        kind, value, line = self.peek()
        raise SyntaxFailure(f"line {line}: {what}, found {value!r}")


def compile_pattern(parts):
    return re.compile("|".join(f"(?P<{k}>{v})" for k, v in parts))
