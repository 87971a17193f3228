#!/usr/bin/env python3
"""Random programs in every engine: interpreter, JIT and generated C agree to the bit on every one.

usage: run.py MLRC [--count 300] [--seed 0] [--engines interp,run,gcc] [--keep FOLDER]

Engines: interp, run, `cpu:NAME` for object code of another processor of this machine's kind (`cpu:x86-64` has neither fma nor
masks),
`least:ENGINE` for an engine with the smallest memory budget that the program accepts,
`cortex-m4`, `cortex-m7` and `cortex-m7:obj` for generated C or an object on an emulated board, or a C compiler; with
`+sanitizers` after its name the generated code runs under the address and the undefined
behaviour sanitizer, on structs in heap blocks of exactly their size. Every eighth program is compiled with `--unfused`.

Prints each difference with its seed; `generate.py SEED` shows the program. A program that the checker refuses counts
as refused (the causality rule refuses a few per cent of programs that would run); a crash, an internal error or a
difference fails.
"""
import argparse
import collections
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cortex"))
import cortex  # noqa: E402
import engines  # noqa: E402
from coverage import Coverage  # noqa: E402
from generate import Program, every_instant, present_only, random_inputs  # noqa: E402


# The rule of causality refuses a few per cent of programs that would run; the compiler does not find sweeps for each that passes.
REFUSALS = {"error[causality-cycle]": "by the causality rule", "no sequence of sweeps": "for want of sweeps"}


def prepare(seed, folder):
    """(program, its inputs); writes the program, its modules and its inputs."""
    program = Program(seed)
    (folder / "p.mlr").write_text(program.generate())
    for name, text in program.files().items(): (folder / name).write_text(text)
    streams = random_inputs(program, program.steps(), seed)
    np.savez(folder / "in.npz", **streams)
    return program, streams


def outputs_of(mlrc, engine, program, streams, folder, flags=("-O1",)):
    """Outputs of one engine, or None where it cannot run the program; flags of the C compiler."""
    path, steps, mode = folder / "p.mlr", program.steps(), program.options()
    links = [folder / name for name in program.links()]
    linked = [option for file in links for option in ("--link", str(file))]
    if engine.startswith("least:"):
        refused = subprocess.run([str(mlrc), "build", str(path), "--after=buffers", "--ram=0", *mode], capture_output=True, text=True)
        least = re.search(r"the least possible is (\d+)", refused.stderr)
        engine, mode = engine[6:], [*mode, f"--ram={least[1]}"] if least else mode
    if engine in ("interp", "run"):
        return engines.mlrc_run(mlrc, engine, path, "main", inputs=[folder / "in.npz"], steps=steps, extra=mode + linked, reports=True)
    full = every_instant(program, streams, steps)
    target = folder / re.sub(r"\W", "_", "_".join([engine, *mode]))
    target.mkdir(exist_ok=True)
    if engine.startswith("cortex"):
        machine, _, emit = engine.partition(":")
        found = cortex.run(mlrc, path, target, machine, full, steps, emit or "c", "main", extra=mode, beside=links)
    elif engine.startswith("cpu:"):
        found = engines.c_run(*engines.build_shared(mlrc, path, target, engine[4:], "main", extra=mode + linked), full, steps)
    elif "+" in engine:
        found = engines.sanitized_run(mlrc, path, target, engine.partition("+")[0], full, steps, "main", extra=mode, beside=links)
    else:
        found = engines.c_run(*engines.build_c(mlrc, path, target, engine, "main", flags=flags, extra=mode, beside=links), full, steps)
    return found and present_only(found)


def one(mlrc, seed, chosen, folder):
    """('ok' | 'refused ..' | 'FAILED', message, program)"""
    program, streams = prepare(seed, folder)
    outputs = {}
    for engine in chosen:
        try:
            found = outputs_of(mlrc, engine, program, streams, folder)
        except engines.EngineError as error:
            refused = next((why for text, why in REFUSALS.items() if text in str(error) and "exit code 1\n" in str(error)), None)
            return f"refused {refused}" if refused else "FAILED", str(error)[:3000], program
        if found is not None: outputs[engine] = found
    reference = outputs[chosen[0]]
    for engine in (e for e in chosen[1:] if e in outputs):
        for name, values in reference.items():
            if isinstance(values, str):
                if outputs[engine].get(name, values) != values: return "FAILED", f"reports differ:\n{values}\n{outputs[engine][name]}", program
            elif name not in outputs[engine] or not engines.same_bits(values, outputs[engine][name]):
                return "FAILED", (f"{chosen[0]} and {engine} differ in {name} " + engines.first_difference(values, outputs[engine][name])), program
    return "ok", "", program


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engines", default="interp,run,gcc")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    parser.add_argument("--coverage", action="store_true", help="print which pairs of features have met")
    parser.add_argument("--stop", action="store_true", help="end at the first failure")
    options = parser.parse_args()
    tally, coverage = collections.Counter(), Coverage()
    signal.signal(signal.SIGTERM, lambda *_: setattr(options, "ended", True))
    signal.signal(signal.SIGINT, lambda *_: setattr(options, "ended", True))
    for seed in range(options.seed, options.seed + options.count):
        if getattr(options, "ended", False): break  # the report of what was run so far
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome, message, program = one(options.mlrc.resolve(), seed, options.engines.split(","), pathlib.Path(folder))
            except subprocess.TimeoutExpired as error:
                outcome, message, program = "FAILED", str(error), None
        tally[outcome] += 1
        if outcome == "ok": coverage.update(program.features)
        if outcome == "FAILED":
            print(f"seed {seed}: {message}\n", flush=True)
            if options.keep: prepare_in(options.keep / str(seed), seed)
            if options.stop: break
    print(f"seeds {options.seed} to {options.seed + sum(tally.values()) - 1}")
    print(coverage.text() if options.coverage else coverage.text().splitlines()[0])
    for why in REFUSALS.values(): print(f"{tally[f'refused {why}']} refused {why}")
    print(f"{tally['ok']} passed, {tally['FAILED']} failed")
    return 1 if tally["FAILED"] or tally["ok"] < options.count // 2 else 0


def prepare_in(folder, seed):
    folder.mkdir(parents=True, exist_ok=True)
    prepare(seed, folder)


if __name__ == "__main__":
    sys.exit(main())
