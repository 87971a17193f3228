#!/usr/bin/env python3
"""Checks the pages of docs/errors, one for each diagnostic kind, with the compiler itself.

    run.py MLRC [--update] [NAME ...]

A page is NAME.md. Each ```mlr block is a program, saved as example.mlr and given to `mlrc check` (a block ```mlr run to
`mlrc run --checks`):
  - followed by a ```text block, it must print exactly that text, and the first kind that it prints is NAME
    on the first such block of the page;
  - otherwise it must check clean: no output, exit code 0.
The first program provokes the kind, and at least one is clean: the corrected one. Two helpers for programs that
need more than text: `<repeat 3>ab</repeat>` stands for ababab, and a block ```csv file=x.csv (any language) is a
file beside all programs of its page. A kind that `mlrc explain --list` names and that has no page is an error, and
so is a page without a kind. --update writes the text blocks anew instead; look at the difference before you commit it.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "errors"
FENCE = re.compile(r"^```(.*)$")


class Block:
    """A fenced block: its info string and the lines [begin, end) of its contents."""

    def __init__(self, info, begin, end, lines):
        self.words = info.split()
        self.language = self.words[0] if self.words else ""
        self.begin, self.end = begin, end
        self.text = "".join(line + "\n" for line in lines[begin:end])

    def file_name(self):
        names = [w[len("file="):] for w in self.words if w.startswith("file=")]
        return names[0] if names else None


def blocks_of(lines):
    blocks, begin, info = [], None, ""
    for i, line in enumerate(lines):
        fence = FENCE.match(line)
        if not fence:
            continue
        if begin is None:
            begin, info = i + 1, fence.group(1)
        else:
            blocks.append(Block(info, begin, i, lines))
            begin = None
    if begin is not None:
        raise ValueError("a fenced block is not closed")
    return blocks


def expand(text):
    return re.sub(r"<repeat (\d+)>(.*?)</repeat>", lambda m: m.group(2) * int(m.group(1)), text, flags=re.S)


def check(mlrc, block, files):
    """Exit code and messages of `mlrc check example.mlr` in a folder with nothing else but `files`."""
    command = ["run", "example.mlr", "--checks", "--output", "out.csv"] if "run" in block.words[1:] else ["check", "example.mlr"]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text)
        (pathlib.Path(folder) / "example.mlr").write_text(expand(block.text))
        done = subprocess.run([mlrc, *command], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
    output = done.stdout.decode("utf-8", "replace")
    return done.returncode, "".join(line.rstrip() + "\n" for line in output.strip("\n").split("\n") if output.strip())


def check_program(mlrc, name, program, expected, first, files):
    """The problems of one program, and what it printed."""
    code, output = check(mlrc, program, files)
    where = f"{name}.md:{program.begin}"
    if expected is None:
        return ([] if code == 0 and not output else [f"{where}: does not check clean (exit code {code})\n{output}"]), output
    problems = []
    seen = re.search(r"^(error|warning)\[([^\]]*)\]", output, flags=re.M)
    if not seen:
        problems.append(f"{where}: reports nothing (exit code {code})\n{output}")
    elif first and seen.group(2) != name:
        problems.append(f"{where}: reports `{seen.group(2)}` first, not `{name}`\n{output}")
    elif code != (1 if re.search(r"^error\[", output, flags=re.M) else 0):
        problems.append(f"{where}: exit code {code}")
    if output != expected.text:
        problems.append(f"{where}: prints\n{output}instead of\n{expected.text}(run.py --update writes it anew)")
    return problems, output


def check_page(mlrc, path, update):
    lines = path.read_text().split("\n")
    blocks = blocks_of(lines)
    files = {b.file_name(): b.text for b in blocks if b.file_name()}
    blocks = [b for b in blocks if not b.file_name()]
    problems, replacements, provoked, clean = [], [], 0, 0
    for i, block in enumerate(blocks):
        if block.language != "mlr":
            continue
        follower = blocks[i + 1] if i + 1 < len(blocks) else None
        expected = follower if follower and follower.language == "text" else None
        found, output = check_program(mlrc, path.stem, block, expected, provoked == 0, files)
        if expected is None:
            clean += 1
            if provoked == 0:
                problems.append(f"{path.name}:{block.begin}: the first program has no text block: it must provoke the kind")
        else:
            provoked += 1
            if update and output and output != expected.text:
                replacements.append((expected, output))
                found = [f for f in found if "--update" not in f]
        problems += found
    if provoked == 0:
        problems.append(f"{path.name}: no program with its output")
    if clean == 0:
        problems.append(f"{path.name}: no corrected program")
    for block, output in reversed(replacements):
        lines[block.begin:block.end] = output.rstrip("\n").split("\n")
    if replacements:
        path.write_text("\n".join(lines))
        print(f"{path.name}: {len(replacements)} outputs updated")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrc")
    parser.add_argument("names", nargs="*", help="only these kinds")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    mlrc = str(pathlib.Path(options.mlrc).resolve())
    listed = subprocess.run([mlrc, "explain", "--list"], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    kinds = [line.strip() for line in listed.stdout.splitlines() if line.strip()]
    problems = []
    if not kinds:
        problems.append("`mlrc explain --list` names no kind")
    pages = {p.stem: p for p in sorted(PAGES.glob("*.md")) if p.stem != "README"}
    problems += [f"docs/errors/{kind}.md is missing" for kind in kinds if kind not in pages]
    problems += [f"{page}.md: no such kind" for page in pages if page not in kinds]
    for name, path in pages.items():
        if options.names and name not in options.names:
            continue
        try:
            problems += check_page(mlrc, path, options.update)
        except (ValueError, subprocess.TimeoutExpired) as e:
            problems.append(f"{path.name}: {e}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(pages)} pages, {len(kinds)} kinds, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
