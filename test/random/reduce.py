#!/usr/bin/env python3
"""Makes a program that shows a bug smaller.

usage: reduce.py PROGRAM 'COMMAND'      COMMAND, run by the shell with the program's path in $P, ends with 0 while the bug shows

Ends early, with what it has, on SIGTERM. Takes away statements, blocks, declarations, outputs and inputs, puts parts of expressions in their place, and prints what is left.
"""
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

OPEN, CLOSE = "([{", ")]}"


def closing(text, at):
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in OPEN) - (text[i] in CLOSE)
        if depth == 0: return i
    return -1


def without_lines(text):
    """The text without some lines, or without a block and its braces, longest parts first."""
    lines = text.split("\n")
    for size in (64, 16, 4, 1):
        for i in range(0, len(lines), size):
            part = lines[i:i + size]
            if sum(l.count("{") - l.count("}") for l in part) == 0: yield "\n".join(lines[:i] + lines[i + size:])
    for i, line in enumerate(lines):
        if not line.rstrip().endswith("{"): continue
        depth = 0
        for j in range(i, len(lines)):
            depth += lines[j].count("{") - lines[j].count("}")
            if depth == 0: break
        else: continue
        yield "\n".join(lines[:i] + lines[j + 1:])
        if not lines[i].startswith("node"): yield "\n".join(lines[:i] + lines[i + 1:j] + lines[j + 1:])


def smaller_expressions(text):
    """A bracket less, or an operand in the place of an operation."""
    for m in re.finditer(r"[(\[{]", text):
        end = closing(text, m.start())
        if end < 0 or "\n" in text[m.start():end]: continue
        inside = text[m.start() + 1:end]
        if not inside.strip(): continue
        parts, depth, start = [], 0, 0
        for i, c in enumerate(inside):
            depth += (c in OPEN) - (c in CLOSE)
            if depth == 0 and c == ",":
                parts.append(inside[start:i])
                start = i + 1
        parts.append(inside[start:])
        if len(parts) > 1:  # an argument, input, output or element less
            for k in range(len(parts)):
                yield text[:m.start() + 1] + ",".join(parts[:k] + parts[k + 1:]) + text[end + 1 - 1:]
        name = re.search(r"[\w.]*$", text[:m.start()]).start()
        for part in parts: yield text[:name] + "(" + part.strip() + ")" + text[end + 1:]
        for word in re.split(r" (?:[-+*/%@<>]|<=|>=|==|!=|and|or|then|else|fby|eby|when|with|->) |if ", inside):
            if word and word != inside: yield text[:m.start() + 1] + word + text[end:]
        if m.group() == "(" and re.fullmatch(r"[\w.]+(\[[\w, ]*\])?", inside) and name == m.start(): yield text[:m.start()] + inside + text[end + 1:]
    for m in re.finditer(r"= ([^=;\n]{12,});", text):
        for word in re.split(r" (?:[-+*/%@]|then|else|fby|eby|->) |if ", m.group(1)):
            yield text[:m.start(1)] + word + text[m.end(1):]


def reduce(text, bad, ended=()):
    """Smaller for as long as something changes, or until `ended` is not empty."""
    changed = True
    while changed:
        changed = False
        for changes in (without_lines, smaller_expressions):
            tried, again = 0, True
            while again:  # goes on where it was: what failed before mostly fails again
                again = False
                for smaller in itertools.islice(changes(text), tried, None):
                    if ended: return text
                    if len(smaller) < len(text) and bad(smaller):
                        text, again, changed = smaller, True, True
                        break
                    tried += 1
    return text


def main():
    path, command = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.NamedTemporaryFile("w", suffix=".mlr", dir=path.resolve().parent) as file:
        def bad(text):
            pathlib.Path(file.name).write_text(text)
            done = subprocess.run(command, shell=True, env={**os.environ, "P": file.name}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return done.returncode == 0

        text = path.read_text()
        if not bad(text): sys.exit("the command does not end with 0 for this program")
        ended = []
        for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, lambda *_: ended.append(True))
        print(reduce(text, bad, ended))


if __name__ == "__main__":
    main()
