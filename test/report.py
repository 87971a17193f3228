#!/usr/bin/env python3
"""What `mlrc report` says of a machine is what the object holds (rule R14.5): code and constants against llvm-size, the stack
against the frames in the section .stack_sizes that llc writes.

usage: report.py MLRC LLVM_BINARIES
"""
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

MLRC, LLVM = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PROGRAM = """const W: f32[16, 24] = f32(load("w.csv"));
node main(x: f32[24], i: i32) -> (y: f32[16], z: f32) {
  y = W @ x + 0.5 * (0 fby y);
  scan t < 16 {
    b = y[t] + 0.5 * (b eby 1);
    a = fma(b, 0 fby a, W[t, i]);
    z = final a;
  }
}
"""
MACHINES = [("x86_64-linux-gnu", "x86-64"), ("x86_64-linux-gnu", "haswell"), ("aarch64-linux-gnu", "cortex-a72"),
            ("thumbv7em-none-eabihf", "cortex-m4"), ("riscv64-unknown-elf", "generic-rv64")]


def output(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def sections(object_file, prefix):
    lines = output(LLVM / "llvm-size", "-A", object_file).splitlines()
    return sum(int(l.split()[1]) for l in lines if l.startswith(prefix))


def frames(object_file):
    text = output(LLVM / "llvm-readobj", "--stack-sizes", object_file)
    return {name: int(size, 0) for name, size in re.findall(r"Functions: \[(.*?)\]\s+Size: (\w+)", text)}


def calls(ir):
    """Defined functions and what each calls."""
    found = {}
    for name, body in re.findall(r"^define [^\n]*@([\w.]+)\(.*?\{\n(.*?)^\}", ir, flags=re.S | re.M):
        found[name] = set(re.findall(r"call [^\n]*?@([\w.]+)\(", body))
    return found


def deepest(name, graph, sizes):
    return sizes.get(name, 0) + max((deepest(c, graph, sizes) for c in graph[name] if c in graph), default=0)


def measured(folder, triple, cpu):
    path = folder / "p.mlr"
    path.write_text(PROGRAM)
    rows = [[str(math.sin(24 * i + j)) for j in range(24)] for i in range(16)]
    (folder / "w.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    machine = [f"--target={triple}", f"--cpu={cpu}"]
    report = json.loads(output(MLRC, "report", path, "--json", *machine))["machine"]
    for emit in ("obj", "llvm"):
        output(MLRC, "build", path, f"--emit={emit}", "-o", folder, *machine)
    said = f"{triple} {cpu}: {report}"
    assert report["code"] == sections(folder / "main.o", ".text"), said
    assert report["constants"] == sections(folder / "main.o", ".rodata") + sections(folder / "main.o", ".srodata"), said
    assert report["constants"] >= 16 * 24 * 4, said
    pic = "static" if "none" in triple or "unknown" in triple else "pic"
    output(LLVM / "llc", "-stack-size-section", "-filetype=obj", f"-relocation-model={pic}", f"-mtriple={triple}", f"-mcpu={cpu}",
           *(["-code-model=medium"] if "riscv" in triple else []), *(["-float-abi=hard"] if triple.endswith("hf") else []),
           *(["-mattr=-prefer-256-bit"] if "x86" in triple else []), folder / "main.ll", "-o", folder / "frames.o")
    graph = calls((folder / "main.ll").read_text())
    expected = max(deepest(name, graph, frames(folder / "frames.o")) for name in graph)
    assert report["stack"] == expected, f"{said}: the frames of llc sum to {expected}"


def main():
    failed = 0
    for triple, cpu in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                measured(pathlib.Path(folder), triple, cpu)
            except AssertionError as error:
                failed += 1
                print(f"FAILED {error}")
    print(f"{len(MACHINES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
