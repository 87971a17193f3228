#!/usr/bin/env python3
"""The public declarations of the standard library, from its sources.

    index.py            writes docs/library.md: a table of all nodes, with signatures, what they are, what they are compared with
    index.py --check    fails if docs/library.md is not what it would write"""
import ast
import collections
import difflib
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTED = ["math", "linalg", "signal", "nn", "optim", "control", "stats", "random", "rl", "debug"]
Declaration = collections.namedtuple("Declaration", "kind name signature doc")
HEAD = re.compile(r"^(?:extern )?(node|fun|struct) ([A-Za-z]\w*)", re.M)


def declarations(module):
    """Public nodes, funs and structs in the order of the file, with the text of the comment above."""
    text = (ROOT / "std" / f"{module}.mlr").read_text()
    found, before = [], ""
    for match in HEAD.finditer(text):
        if match[2].startswith("_") or re.search("_f(32|64)$", match[2]):  # the elementary functions: docs/math.md
            continue
        lines = text[:match.start()].rstrip("\n").split("\n")
        comment = []
        while lines and lines[-1].startswith("///"):
            comment.insert(0, lines.pop()[3:].strip())
        end = text.index("{", match.end())
        signature = re.sub(r"\s+", " ", text[match.start():end]).strip()
        if match[1] == "struct":
            signature = re.sub(r"\s+", " ", text[match.start():text.index("}", end) + 1])
        # A declaration without a comment right behind another one shares its comment.
        doc = " ".join(comment) or (before if text[:match.start()].rstrip("\n ").endswith("}") else "")
        before = doc
        found.append(Declaration(match[1], match[2], signature, doc))
    return found


def header(module):
    """The comment at the top of the file."""
    lines = []
    for line in (ROOT / "std" / f"{module}.mlr").read_text().split("\n"):
        if not line.startswith("//"):
            break
        lines.append(line[2:].strip())
    return " ".join(lines)


def against(module):
    """AGAINST of the module of checks, without running it."""
    tree = ast.parse((pathlib.Path(__file__).parent / f"{module}_check.py").read_text())
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "AGAINST":
            return ast.literal_eval(statement.value)
    return {}


def first_sentence(doc):
    """Up to the first full stop that ends a sentence."""
    match = re.search(r"(?<!etc)(?<! al)(?<![.])[.](?= [A-Z]|$)", doc)
    return doc[:match.start()] if match else doc


def cell(text):
    return text.replace("|", "\\|")


def page():
    out = ["# The standard library", "",
           "All of it is MLR, in [`std/`](../std): `import NAME;`, then `NAME.node(..)`. The comment at each declaration has the",
           "shapes, units, errors, cost and source of the formula; this page is made of them by `test/library/index.py`. Elementary",
           "functions (`exp`, `sin`, ..) need no import: [math](math.md).", "",
           "Every node runs in the interpreter, the JIT, C, and on an emulated Cortex-M4, which agree to the bit, and is compared with",
           "what the last column says (`test/library/check.py`).", ""]
    for module in TESTED:
        compared = against(module)
        out += [f"## {module}", "", *textwrap.wrap(header(module), 110), "", "| node | | compared with |", "|---|---|---|"]
        for d in declarations(module):
            if d.kind != "struct":
                out.append(f"| `{cell(d.signature)}` | {cell(first_sentence(d.doc))} | {cell(compared.get(d.name, ''))} |")
        structs = [d for d in declarations(module) if d.kind == "struct"]
        if structs:
            out += ["", "| struct | |", "|---|---|"]
            out += [f"| `{cell(d.signature)}` | {cell(first_sentence(d.doc))} |" for d in structs]
        out.append("")
    return "\n".join(out)


if __name__ == "__main__":
    target = ROOT / "docs" / "library.md"
    missing = [f"std/{m}.mlr: {d.name} has no comment" for m in TESTED for d in declarations(m) if not d.doc]
    if missing:
        sys.exit("\n".join(missing))
    if "--check" in sys.argv:
        old = target.read_text() if target.exists() else ""
        if old != page():
            print("".join(difflib.unified_diff(old.splitlines(True), page().splitlines(True), "docs/library.md", "as it would be")))
            sys.exit("docs/library.md is not current: run test/library/index.py")
    else:
        target.write_text(page())
