#!/usr/bin/env python3
"""What the examples take on a microcontroller, as `mlrc report` says and as measured under qemu, from the object that LLVM made
and from the generated C (gcc -O2). Cases of examples/*/example.json that name a board, over their whole input.

usage: measure.py MLRC [--only NAME] [--check] [--update PAGE.md]

Measured: the outputs, compared with the JIT's to the bit; instructions of each step (count.c); state and scratch by sizeof; the
stack by paint (call.S); code and constants of the linked image by the linker's map; the library by an image of the node alone.
--check fails unless the report agrees: state, scratch, code and constants are equal, and the stack measured is at most the
reported bound plus what the C library may take, which the report leaves out. --update writes the tables into the page, between
the marks `<!-- measure -->` and `<!-- end of measure -->`.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))
import cortex  # noqa: E402
import engines  # noqa: E402

ROOT = HERE.parent.parent
LIBRARY_STACK = 64  # bytes that memcpy, memset and the like of newlib may take
SLACK = 64          # bytes of frames that a run need not touch


@dataclasses.dataclass
class Row:
    emit: str
    same: bool
    steps: int
    ran: cortex.Measured
    code: int
    constants: int
    library: int


def sections(image):
    """Bytes of code, and of constants, that the node's objects have in the linked image."""
    text = image.elf.with_suffix(".map").read_text().split("Linker script and memory map")[1]
    found = {".text": 0, ".rodata": 0}
    for section, size, path in re.findall(r"^ (\.[\w.]+)\s+0x\w+\s+0x(\w+) (.+)$", text, re.M):
        for kind in found:
            if section.startswith(kind) and path in image.generated:
                found[kind] += int(size, 16)
    return found[".text"], found[".rodata"]


def library(image):
    """Bytes of code that the node needs from the C library, on its own."""
    alone = image.elf.with_name("alone.elf")
    name = image.description["node"]
    flags = cortex.MACHINES[image.machine]["flags"]
    cortex._call(["arm-none-eabi-gcc", *flags, "--specs=nosys.specs", "-nostartfiles", f"-Wl,-e,{name}_step", f"-Wl,-u,{name}_reset", "-Wl,-Ttext=0",
                  *image.generated, "-lm", f"-Wl,-Map={alone.with_suffix('.map')}", "-o", alone], "arm-none-eabi-gcc")
    own = sum(sections(dataclasses.replace(image, elf=alone)))
    total = sum(int(line.split()[1]) for line in cortex._call(["arm-none-eabi-size", "-A", alone], "size").decode().splitlines()
                if line.startswith((".text", ".rodata")))
    return total - own


def report(mlrc, program, machine, arguments):
    command = [mlrc, "report", program, "--json", "--target=thumbv7em-none-eabihf", f"--cpu={machine}", "--node", arguments["node"]]
    for key, value in (arguments["params"] or {}).items():
        command += ["--param", f"{key}={value}"]
    return json.loads(cortex._call(command, "mlrc report"))


def measure(mlrc, folder, case, emit, jit):
    program = folder / case["program"]
    arguments = dict(node=case["node"], params=case.get("params"))
    with tempfile.TemporaryDirectory() as out:
        description, _ = cortex.generate(mlrc, program, pathlib.Path(out), case["board"], "c", **arguments)
        streams = engines.load_streams(folder / case["input"], description) if "input" in case else {}
    steps = len(next(iter(jit.values())))
    with tempfile.TemporaryDirectory() as out:
        image = cortex.build(mlrc, program, pathlib.Path(out), case["board"], streams, steps, emit, **arguments)
        outputs, ran = cortex.emulate(image, count=True)
        same = all(engines.same_bits(outputs[k], v) for k, v in jit.items())
        return Row(emit, same, steps, ran, *sections(image), library(image))


def disagreements(said, row):
    """What the report says wrongly of the object."""
    pairs = {k: (max(1, said["bytes"][k]), getattr(row.ran, k)) for k in ("state", "scratch")}  # C has no empty structs
    if row.emit == "obj":
        pairs |= {"code": (said["machine"]["code"], row.code), "constants": (said["machine"]["constants"], row.constants)}
        bound = said["machine"]["stack"]
        allowed = bound + (LIBRARY_STACK if said["machine"]["outside"] else 0)
        if not bound - SLACK <= row.ran.stack <= allowed:
            yield f"stack: reported {bound}, measured {row.ran.stack}"
    for what, (reported, measured) in pairs.items():
        if reported != measured:
            yield f"{what}: reported {reported}, measured {measured}"
    if not row.same:
        yield f"{row.emit}: the outputs differ from the JIT's"


def table(title, case, said, rows):
    lines = [f"{title}, {case['board']}, {rows[0].steps} instants", "",
             "| | reported | LLVM object | C, gcc -O2 |", "|---|---:|---:|---:|"]

    def line(what, reported, value):
        lines.append(f"| {what} | {reported} | " + " | ".join(str(value(r)) for r in rows) + " |")

    line("same bits as on the host", "", lambda r: "yes" if r.same else "NO")
    line("instructions a step, average", "", lambda r: f"{statistics.mean(r.ran.instructions):,.0f}")
    line("instructions a step, worst", "", lambda r: f"{max(r.ran.instructions):,}")
    period = case["period_ms"]
    line(f"at least MHz, for a step in {period} ms", "", lambda r: f"{max(r.ran.instructions) / period / 1000:.2f}")
    line("state, bytes", said["bytes"]["state"], lambda r: r.ran.state)
    line("scratch, bytes", said["bytes"]["scratch"], lambda r: r.ran.scratch)
    line("stack, bytes", said["machine"]["stack"], lambda r: r.ran.stack)
    line("code, bytes", said["machine"]["code"], lambda r: r.code)
    line("constants, bytes", said["machine"]["constants"], lambda r: r.constants)
    line("C library, bytes", "", lambda r: r.library)
    return lines + [""]


def cases(only):
    for manifest in sorted((ROOT / "examples").glob("*/example.json")):
        for name, case in json.loads(manifest.read_text())["cases"].items():
            if "board" in case and only in f"{manifest.parent.name} {name}":
                yield manifest.parent, name, case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", type=pathlib.Path)
    options = parser.parse_args()
    mlrc, lines, failed, passed = options.mlrc.resolve(), [], 0, 0
    for folder, name, case in cases(options.only):
        arguments = dict(node=case["node"], params=case.get("params"))
        streams = [folder / case["input"]] if "input" in case else []
        jit = engines.mlrc_run(mlrc, "run", folder / case["program"], inputs=streams, steps=case.get("steps"), **arguments)
        said = report(mlrc, folder / case["program"], case["board"], arguments)
        rows = [measure(mlrc, folder, case, emit, jit) for emit in ("obj", "c")]
        lines += table(f"{folder.name}, `{case['program']}`", case, said, rows)
        for problem in (p for row in rows for p in disagreements(said, row)):
            failed += 1
            lines.append(f"FAILED {folder.name} {name}: {problem}")
        passed += 1
    print("\n".join(lines))
    if options.update and not failed:
        page = options.update.read_text()
        begin, end = page.index("<!-- measure -->"), page.index("<!-- end of measure -->")
        options.update.write_text(page[:begin] + "<!-- measure -->\n" + "\n".join(lines) + page[end:])
    return 1 if options.check and (failed or not passed) else 0


if __name__ == "__main__":
    sys.exit(main())
