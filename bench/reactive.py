"""What a network costs within a reactive program, beside the network alone: time side by side, and instructions."""
import os
import re
import shutil
import subprocess

import numpy as np

from measure import ROOT, engines, interleaved, ratio, shell, table

STEPS = 200  # of the instruction counts, after one step that both runs share


def built(mlrc, work, node, emit, *extra):
    folder = work / f"reactive_{node}_{emit}"
    shell([mlrc, "build", ROOT / "bench/reactive.mlr", "--path", ROOT / "examples/01-wakeword", "--node", node, f"--emit={emit}", "-o",
           folder, *extra])
    return folder


def instance(mlrc, work, node):
    folder = built(mlrc, work, node, "shared")
    made = engines.CInstance(folder / f"lib{node}.so", engines.json.loads((folder / f"{node}.json").read_text()))
    values = {f["name"]: np.zeros(f["shape"]) for f in made.d["in"]["fields"]}
    values["x"] = 0.01 * np.arange(40)
    if "on" in values: values["on"] = np.array(True)
    made.step(values)
    return made


def instructions(mlrc, work, node):
    """Of one step, counted by valgrind on the same code for AVX2; None where there is no valgrind."""
    if not shutil.which("valgrind"): return None
    folder = built(mlrc, work, node, "obj", "--cpu=haswell")
    counts = []
    for steps in (1, 1 + STEPS):
        program = folder / f"count{steps}"
        switch = "in.on = 1" if node == "reactive" else ""
        shell(["clang-22", "-O2", f"-I{folder}", f"-DHEADER=\"{node}.h\"", f"-DNODE={node}", f"-DCOUNT={steps}", f"-DSWITCH={switch}",
               ROOT / "bench/reactive.c", folder / f"{node}.o", "-lm", "-o", program])
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", program], capture_output=True, text=True)
        counts.append(int(re.search(r"Collected : (\d+)", done.stderr)[1]))
    return (counts[1] - counts[0]) / STEPS


def reactive(mlrc, work, harness, quick):
    instances = {node: instance(mlrc, work, node) for node in ("bare", "reactive")}
    timed = {node: harness.instance(made) for node, made in instances.items()}
    samples = interleaved(timed, 5 if quick else 61, 2 if quick else 10)
    counted = {node: instructions(mlrc, work, node) for node in instances}
    rows = []
    for node, made in instances.items():
        count = counted[node]
        rows.append([f"`{node}`", f"{min(samples[node]):.0f} ns", f"{ratio(samples, node, 'bare'):.3f}",
                     "-" if count is None else f"{count:.0f}", "-" if count is None else f"{count / counted['bare']:.3f}",
                     made.d["state"]["bytes"], made.d["scratch"]["bytes"]])
    table("The wake-word network alone and in a program with an automaton, an activation block, a reset block and two clocks, the network "
          "active at every instant; ratios of times are medians of rounds side by side",
          ["node", "a step", "ratio", "instructions (AVX2)", "ratio", "state, bytes", "scratch, bytes"], rows)
