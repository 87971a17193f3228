#!/usr/bin/env python3
"""Holds the documentation to the compiler.

    rules.py MLRC [--update] [--only TEXT]

1. Every rule number (R10.4) that stands anywhere in the repository exists in docs/reference.md, which numbers its rules
   without gaps or repetition, section by section.
2. Every link between the pages has its target.
3. The fenced blocks of the pages (PAGES below) are true:
     ```mlr              a program, example.mlr; `mlrc check` says nothing. `file=NAME` saves it as NAME instead.
     ```mlr-error KIND   a program whose first error is of that kind
     ```LANG file=NAME   a file beside the programs of the page
     ```console          `$ command` lines and what they print, run where the files above stand; `...` on a line of its own
                         stands for any lines. A page of an example runs in a copy of its folder.
   --update writes the console blocks anew (but for those with `...`); look at the difference before you commit it.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANUAL = ROOT / "docs" / "reference.md"
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/*.md", "examples/*/README.md"]
SOURCES = {".cpp", ".h", ".td", ".mlr", ".mlir", ".py", ".md", ".txt", ".json"}
FOLDERS = ["mlr", "driver", "runtime", "support", "std", "test", "examples", "docs", "bench", "tools"]
FENCE = re.compile(r"^( *)```(.*)$")
RULE = re.compile(r"\bR\d+\.\d+\b")


# ---- rule numbers ------------------------------------------------------------------------------------------------


def rules_of_manual(problems):
    rules, section, last = set(), 0, 0
    for number, line in enumerate(MANUAL.read_text().split("\n"), 1):
        where = f"docs/reference.md:{number}"
        heading = re.match(r"## (\d+)\. ", line)
        if heading:
            if int(heading[1]) != section + 1:
                problems.append(f"{where}: section {heading[1]} follows section {section}")
            section, last = int(heading[1]), 0
        rule = re.match(r"- \*\*R(\d+)\.(\d+)\*\* ", line)
        if not rule:
            continue
        if (int(rule[1]), int(rule[2])) != (section, last + 1):
            problems.append(f"{where}: R{rule[1]}.{rule[2]} where R{section}.{last + 1} is due")
        last = int(rule[2])
        rules.add(f"R{rule[1]}.{rule[2]}")
    return rules


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in SOURCES:
                yield path
    yield from sorted(ROOT.glob("*.md"))


def check_citations(rules, problems):
    cited = set()
    for path in sources():
        text = path.read_text(errors="replace")
        for found in RULE.finditer(text):
            if path != MANUAL:
                cited.add(found[0])
            if found[0] not in rules:
                line = text.count("\n", 0, found.start()) + 1
                problems.append(f"{path.relative_to(ROOT)}:{line}: there is no rule {found[0]} in the manual")
    return cited


# ---- pages -------------------------------------------------------------------------------------------------------


class Block:
    """A fenced block: its info string and the lines [begin, end) of its contents."""

    def __init__(self, indentation, info, begin, end, lines):
        words = info.split()
        self.language = words[0] if words else ""
        self.words = words[1:]
        self.begin, self.end = begin, end
        self.indentation = indentation
        self.lines = [line.removeprefix(indentation) for line in lines[begin:end]]
        self.text = "".join(line + "\n" for line in self.lines)

    def file_name(self):
        return next((w[len("file="):] for w in self.words if w.startswith("file=")), None)


def blocks_of(lines):
    blocks, begin, opening = [], None, None
    for i, line in enumerate(lines):
        fence = FENCE.match(line)
        if not fence:
            continue
        if begin is None:
            begin, opening = i + 1, fence
        else:
            blocks.append(Block(opening[1], opening[2], begin, i, lines))
            begin = None
    if begin is not None:
        raise ValueError(f"line {begin}: a fenced block is not closed")
    return blocks


def anchors(path):
    found = set()
    for line in path.read_text().split("\n"):
        if line.startswith("#"):
            title = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(title.replace(" ", "-"))
    return found


def check_links(path, problems):
    prose = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file) if file else path
        if not page.exists():
            problems.append(f"{path.relative_to(ROOT)}: the link {target} leads nowhere")
        elif anchor and page.suffix == ".md" and anchor not in anchors(page):
            problems.append(f"{path.relative_to(ROOT)}: the link {target} has no such heading")


def matches(got, want):
    """`...` on a line of its own stands for any lines; blanks at the ends of lines do not count."""
    parts = [part.strip("\n") for part in re.split(r"^\.\.\.$", "\n".join(l.rstrip() for l in want), flags=re.M)]
    pattern = r"(?:.*\n)*?".join(re.escape(p) + "\n" if p else "" for p in parts)
    return re.fullmatch(pattern + r"\n*", "\n".join(l.rstrip() for l in got) + "\n") is not None


def commands_of(block):
    """[(command, expected lines)]"""
    found = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


class Page:
    def __init__(self, path, environment, problems):
        self.path, self.environment, self.problems = path, environment, problems
        self.name = str(path.relative_to(ROOT))

    def shell(self, command, folder):
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def check_program(self, block, folder, file):
        code, output = self.shell(f"mlrc check {file}", folder)
        where = f"{self.name}:{block.begin}"
        if block.language == "mlr":
            if code != 0 or output.strip():
                self.problems.append(f"{where}: does not check\n{output}")
            return
        kind = re.search(r"^error\[([^\]]*)\]", output, flags=re.M)
        if code != 1 or not kind or kind[1] != block.words[0]:
            self.problems.append(f"{where}: does not give the error {block.words[0]} (exit code {code})\n{output}")

    def check_console(self, block, folder, update):
        """What the block should read."""
        lines = []
        for command, expected in commands_of(block):
            _, output = self.shell(command, folder)
            got = output.rstrip("\n").split("\n") if output.strip() else []
            elided = "..." in expected or "internal error" in output  # never recorded as what a command prints
            if not matches(got, expected) and (elided or not update):
                self.problems.append(f"{self.name}:{block.begin}: $ {command}\n{output}instead of\n" + "\n".join(expected))
            lines += ["$ " + command] + (expected if elided else [line.rstrip() for line in got])
        return lines

    def check(self, folder, update):
        lines = self.path.read_text().split("\n")
        replacements = []
        for block in blocks_of(lines):
            file = block.file_name() or ("example.mlr" if block.language in ("mlr", "mlr-error") else None)
            if file:
                (folder / file).unlink(missing_ok=True)
                (folder / file).write_text(block.text)
            if block.language in ("mlr", "mlr-error"):
                self.check_program(block, folder, file)
            elif block.language == "console":
                new = self.check_console(block, folder, update)
                if update and new != block.lines:
                    replacements.append((block, [block.indentation + line for line in new]))
        for block, new in reversed(replacements):
            lines[block.begin:block.end] = new
        if replacements:
            self.path.write_text("\n".join(lines))
            print(f"{self.name}: {len(replacements)} blocks updated")


def check_page(path, environment, update, problems):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        shutil.copytree(ROOT / "examples", folder / "examples")
        if path.parent.parent == ROOT / "examples":
            folder = folder / "examples" / path.parent.name
        Page(path, environment, problems).check(folder, update)
    check_links(path, problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only", default="", help="only pages whose path contains this")
    options = parser.parse_args()
    environment = dict(os.environ, PATH=f"{options.mlrc.resolve().parent}:{os.environ['PATH']}", NO_COLOR="1", LC_ALL="C.UTF-8")
    problems = []
    rules = rules_of_manual(problems)
    cited = check_citations(rules, problems)
    pages = [p for pattern in PAGES for p in sorted(ROOT.glob(pattern)) if options.only in str(p.relative_to(ROOT))]
    for page in pages:
        try:
            check_page(page, environment, options.update, problems)
        except (ValueError, subprocess.TimeoutExpired) as e:
            problems.append(f"{page.relative_to(ROOT)}: {e}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(rules)} rules, {len(cited)} of them cited; {len(pages)} pages; {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
