#!/usr/bin/env python3
"""Random programs in every engine: interpreter, JIT and generated C agree to the bit on every one.

usage: run.py MLRC [--count 300] [--seed 0] [--engines interp,run,gcc] [--keep FOLDER]

Engines: interp, run, `cpu:NAME` for object code of another processor of this machine's kind (`cpu:x86-64` has neither fma nor
masks),
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
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cortex"))
import cortex  # noqa: E402
import engines  # noqa: E402
from generate import Program, random_inputs  # noqa: E402


def one(mlrc, seed, chosen, folder):
    """('ok' | 'refused' | 'FAILED', message, features)"""
    program = Program(seed)
    path = folder / "p.mlr"
    path.write_text(program.generate())
    checked = subprocess.run([mlrc, "check", path, "--node", "main"], capture_output=True, text=True, timeout=60)
    if checked.returncode == 1 and "error[causality-cycle]" in checked.stderr:
        return "refused", "", program.features
    if checked.returncode != 0:
        return "FAILED", f"check: exit code {checked.returncode}\n{checked.stderr[:3000]}", program.features
    steps, mode = program.steps(), program.options()
    streams = random_inputs(program, steps, seed)
    np.savez(folder / "in.npz", **streams)
    outputs = {}
    try:
        for engine in chosen:
            if engine in ("interp", "run"):
                outputs[engine] = engines.mlrc_run(mlrc, engine, path, "main", inputs=[folder / "in.npz"], extra=mode)
            elif engine.startswith("cortex"):
                machine, _, emit = engine.partition(":")
                target = folder / engine.replace(":", "_")
                target.mkdir(exist_ok=True)
                found = cortex.run(mlrc, path, target, machine, streams, steps, emit or "c", "main", extra=mode)
                if found is not None:
                    outputs[engine] = found
            elif engine.startswith("cpu:"):
                target = folder / engine[4:]
                target.mkdir(exist_ok=True)
                library, description = engines.build_shared(mlrc, path, target, engine[4:], "main", extra=mode)
                outputs[engine] = engines.c_run(library, description, streams, steps)
            else:
                target = folder / "c"
                target.mkdir(exist_ok=True)
                compiler, _, sanitizer = engine.partition("+")
                if sanitizer:
                    outputs[engine] = engines.sanitized_run(mlrc, path, target, compiler, streams, steps, "main", extra=mode)
                    continue
                library, description = engines.build_c(mlrc, path, target, compiler, "main", flags=["-O1"], extra=mode)
                outputs[engine] = engines.c_run(library, description, streams, steps)
    except engines.EngineError as error:
        return "FAILED", str(error)[:3000], program.features
    reference = outputs[chosen[0]]
    for engine in (e for e in chosen[1:] if e in outputs):
        for name, values in reference.items():
            if not engines.same_bits(values, outputs[engine][name]):
                return "FAILED", (f"{chosen[0]} and {engine} differ in {name} "
                                  + engines.first_difference(values, outputs[engine][name])), program.features
    return "ok", "", program.features


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engines", default="interp,run,gcc")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    parser.add_argument("--stop", action="store_true", help="end at the first failure")
    options = parser.parse_args()
    tally, features = collections.Counter(), collections.Counter()
    for seed in range(options.seed, options.seed + options.count):
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome, message, used = one(options.mlrc.resolve(), seed, options.engines.split(","), pathlib.Path(folder))
            except subprocess.TimeoutExpired as error:
                outcome, message, used = "FAILED", str(error), set()
        tally[outcome] += 1
        if outcome == "ok": features.update(used)
        if outcome == "FAILED":
            print(f"seed {seed}: {message}\n", flush=True)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{seed}.mlr").write_text(Program(seed).generate())
            if options.stop: break
    print("features:", ", ".join(f"{k} {n}" for k, n in sorted(features.items())))
    print(f"{tally['refused']} refused by the causality rule")
    print(f"{tally['ok']} passed, {tally['FAILED']} failed")
    return 1 if tally["FAILED"] or tally["ok"] < options.count // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
