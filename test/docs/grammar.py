#!/usr/bin/env python3
"""Makes random sentences of the grammar in docs/reference.md and has the parser read them: what the manual allows, the compiler parses.

    grammar.py MLRC [--count N] [--seed N]

Every alternative of the grammar is used; the ones that were not are an error.
"""

import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKEN = re.compile(r'"[^"]+"|\w+°?|[{}\[\]()|;=]')
WORDS = {"ID": ["x", "y", "zed", "_w", "Mode", "at", "state", "with", "resume"], "NUMBER": ["0", "12", "1_000", "0.5", "1e-3", "0xff"],
         "STRING": ['"a.npy"', '"\\n\\x41"']}


# Sentences of a rule, with what stands around it in a program.
FRAMES = [("", "decl", ""), ("node f ( ) -> ( ) {", "stmt", "}"), ("node f ( ) -> ( ) { automaton {", "state", "} }"),
          ("node f ( ) -> ( ) { x =", "expr", "; }")]


# ---- the grammar: ("seq", parts), ("alt", parts), ("repeat", part), ("option", part), ("word", text), ("rule", name) ----


def read_grammar():
    text = re.search(r"```ebnf\n(.*?)```", (ROOT / "docs" / "reference.md").read_text(), re.S)[1]
    tokens = TOKEN.findall(text)
    rules, at = {}, 0

    def alternatives(end):
        nonlocal at
        parts = [sequence(end)]
        while tokens[at] == "|":
            at += 1
            parts.append(sequence(end))
        return ("alt", parts) if len(parts) > 1 else parts[0]

    def sequence(end):
        nonlocal at
        parts = []
        while tokens[at] not in ("|", end):
            token = tokens[at]
            at += 1
            if token in "{[(" and len(token) == 1:
                inner = alternatives({"{": "}", "[": "]", "(": ")"}[token])
                at += 1
                parts.append({"{": ("repeat", inner), "[": ("option", inner), "(": inner}[token])
            elif token.startswith('"'):
                parts.append(("word", token[1:-1]))
            else:
                parts.append(("rule", token))
        return ("seq", parts)

    while at < len(tokens):
        name = tokens[at]
        at += 2
        rules[name] = alternatives(";")
        at += 1
    return rules


def depths(rules):
    """The least number of rules in one another of each sentence of a rule."""
    least = {name: 99 for name in rules} | {name: 0 for name in WORDS}

    def depth(part):
        kind, value = part
        if kind == "word" or kind in ("repeat", "option"):
            return 0
        if kind == "rule":
            return least[value.rstrip("°")] + 1
        return (min if kind == "alt" else max)((depth(p) for p in value), default=0)

    for _ in rules:
        for name in rules:
            least[name] = min(least[name], depth(rules[name]))
    return depth


class Sentence:
    """A random sentence. `plain`: no struct literal may stand here (°)."""

    def __init__(self, rules, depth, rng, used):
        self.rules, self.depth, self.rng, self.used, self.words = rules, depth, rng, used, []

    def emit(self, part, fuel, plain, path):
        kind, value = part
        if kind == "word":
            self.words.append(value)
        elif kind == "rule":
            name = value.rstrip("°")
            if name in WORDS:
                self.words.append(self.rng.choice(WORDS[name]))
            else:
                self.emit(self.rules[name], fuel - 1, plain or value.endswith("°"), name)
        elif kind == "seq":
            brackets = 0
            for i, p in enumerate(value):
                brackets += p[0] == "word" and p[1] in ("(", "[", "{", "<<")
                self.emit(p, fuel, plain and brackets == 0, f"{path}.{i}")
                brackets -= p[0] == "word" and p[1] in (")", "]", "}", ">>")
        elif kind == "alt":
            able = [i for i, p in enumerate(value) if self.depth(p) <= fuel and not (plain and self.is_literal(p))]
            if not able:
                able = [min(range(len(value)), key=lambda i: self.depth(value[i]))]
            fresh = [i for i in able if (path, i) not in self.used]
            i = self.rng.choice(fresh or able)
            self.used.add((path, i))
            # An `if` extends as far to the right as it can; here it ends where the grammar says.
            is_if = value[i][0] == "seq" and value[i][1][0] == ("word", "if") and path == "unary"
            self.words += ["("] * is_if
            self.emit(value[i], fuel, plain and not is_if, f"{path}|{i}")
            self.words += [")"] * is_if
        elif kind == "option":
            if self.depth(value) <= fuel and (self.is_new(path) or self.rng.random() < 0.3):
                self.emit(value, fuel, plain, path + "?")
        else:
            while self.depth(value) <= fuel and (self.is_new(path) or self.rng.random() < 0.2):
                self.emit(value, fuel, plain, path + "*")

    def is_new(self, path):
        new = (path, "once") not in self.used
        self.used.add((path, "once"))
        return new

    @staticmethod
    def is_literal(part):
        return part[0] == "seq" and part[1][0] == ("rule", "qname") and ("word", "{") in part[1]


def alternatives_of(part, path):
    kind, value = part
    if kind == "alt":
        for i, p in enumerate(value):
            yield path, i
            yield from alternatives_of(p, f"{path}|{i}")
    elif kind == "seq":
        for i, p in enumerate(value):
            yield from alternatives_of(p, f"{path}.{i}")
    elif kind in ("option", "repeat"):
        yield from alternatives_of(value, path + ("?" if kind == "option" else "*"))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("mlrc")
    arguments.add_argument("--count", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    a = arguments.parse_args()
    rules = read_grammar()
    rng, used, depth = random.Random(a.seed), set(), depths(rules)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sentence.mlr"
        for _ in range(a.count):
            s = Sentence(rules, depth, rng, used)
            for before, rule, after in FRAMES:
                s.words += before.split()
                s.emit(("rule", rule), rng.choice((12, 15, 18, 22)), False, "")
                s.words += after.split()
            path.write_text(" ".join(s.words) + "\n")
            done = subprocess.run([a.mlrc, "fmt", path], capture_output=True, text=True, timeout=60)
            if done.returncode:
                failed += 1
                print(f"{' '.join(s.words)}\n{done.stderr[:600]}")
                if failed >= 5:
                    break
    missing = {where for name, rule in rules.items() for where in alternatives_of(rule, name)} - used
    used = {u for u in used if u[1] != "once"}
    print(f"{a.count} sentences, {failed} not parsed; {len(used)} alternatives used, {len(missing)} not")
    for where, i in sorted(missing)[:10]:
        print(f"  not used: alternative {i} of {where}")
    return 1 if failed or missing else 0


sys.exit(main())
