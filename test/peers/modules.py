"""Reads a program with the modules it uses into one tree; what a module declares is called Module.name there."""
import pathlib
import re

import read_heptagon
import read_lustre
from analysis import all_expressions, local
from syntax import Program, everywhere

STANDARD = {"Pervasives", "Iostream", "Mathlib"}


def read(path):
    reader = read_lustre if path.suffix == ".lus" else read_heptagon
    return reader.read(path.read_text(errors="replace"))


def file_of(module, folder):
    stem = module[0].lower() + module[1:]
    for name in (stem + ".ept", stem + ".epi"):
        if (folder / name).exists():
            return folder / name
    return None


def used_modules(path):
    """Named before a point or behind `open`, and in the folder."""
    text = re.sub(r"\(\*.*?\*\)", " ", path.read_text(errors="replace"), flags=re.S)
    names = re.findall(r"\bopen\s+([A-Z]\w*)", text) + re.findall(r"\b([A-Z]\w*)\s*\.\s*[a-z(]", text)
    return [m for m in dict.fromkeys(names) if m not in STANDARD and file_of(m, path.parent)]


def variables(program):
    for node in program.nodes.values():
        yield from node.params + node.inputs + node.outputs
        yield from local(node.block)
        if node.contract:
            yield from local(node.contract.block)


def load(path):
    """The whole program, and the files of its modules in an order in which they can be compiled."""
    path = pathlib.Path(path)
    order = []
    whole = Program()
    loaded = {}

    def visit(p, module):
        own = read(p)
        for m in used_modules(p):
            f = file_of(m, p.parent)
            if m not in loaded and f != path:
                loaded[m] = None
                visit(f, m)
        opened = {}
        for m in own.opened:
            for name in loaded.get(m) or ():
                opened[name] = f"{m}.{name}"
        declared = {n for table in (own.types, own.constants, own.nodes, own.externals) for n in table}
        loaded[module] = declared
        rename(own, {**opened, **({n: f"{module}.{n}" for n in declared} if p != path else {n: n for n in declared})})
        for table in ("types", "constants", "nodes", "externals"):
            getattr(whole, table).update(getattr(own, table))
        whole.double += own.double
        if p != path:
            order.append(p)
        return own

    own = visit(path, path.stem.capitalize())
    if "Mathlib" in own.opened:
        whole.externals.update({n: 1 for n in "float ceil floor sin cos tan asin acos atan min_float max_float".split()})
    return whole, order, set(own.nodes)


def rename(program, names):
    def of_type(t):
        if isinstance(t, tuple):
            of_size(t[2])
            return ("array", of_type(t[1]), t[2])
        return names.get(t, t)

    done = set()   # a type is shared by the variables that are declared together

    def of_size(e):
        for x in everywhere(e):
            if x.kind == "var" and id(x) not in done:
                done.add(id(x))
                x.args[0] = names.get(x.args[0], x.args[0])

    for v in variables(program):
        v.type = of_type(v.type)
        if v.memory not in (None, False):
            of_expression(v.memory, names, set())
    for node in program.nodes.values():
        # A variable or static parameter hides a constant.
        own = {v.name for v in node.params + node.inputs + node.outputs} | {v.name for v in local(node.block)}
        for e in list(all_expressions(node.block)) + contract_expressions(node):
            of_expression(e, names, own)
    for table in ("types", "constants", "nodes", "externals"):
        setattr(program, table, {names.get(k, k): x for k, x in getattr(program, table).items()})
    for node in program.nodes.values():
        node.name = names.get(node.name, node.name)
    for name, d in program.types.items():
        if d[0] == "record":
            program.types[name] = ("record", [(f, of_type(t)) for f, t in d[1]])
        elif d[0] == "alias":
            program.types[name] = ("alias", of_type(d[1]))
    for name, (t, e) in program.constants.items():
        of_expression(e, names, set())
        program.constants[name] = (of_type(t), e)


def contract_expressions(node):
    if not node.contract:
        return []
    c = node.contract
    return list(all_expressions(c.block)) + ([c.assume] if c.assume is not None else []) + list(c.enforce)


def of_expression(e, names, hidden):
    for x in everywhere(e):
        if x.kind == "call":
            x.args[0] = names.get(x.args[0], x.args[0])
        elif x.kind == "iter":
            x.args[2] = names.get(x.args[2], x.args[2])
        elif x.kind == "var" and x.args[0] not in hidden:
            x.args[0] = names.get(x.args[0], x.args[0])
