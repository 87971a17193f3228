#!/usr/bin/env python3
"""Runs every example (examples/*/example.json) in every engine: interpreter, JIT, C by gcc and by clang, C and object on an
emulated Cortex-M4 and M7 (some instants) agree to the bit, and the outputs agree with the reference within the stated tolerance.

usage: examples.py MLRC [--only NAME] [--engines interp,run,gcc,clang-22,cortex-m4,cortex-m7:obj]
"""
import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "cortex"))
import cortex  # noqa: E402
import engines  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent / "examples"


def compare_with_bounds(name, values, bounds):
    """Problems where a value is greater than allowed, in size, over a range of instants."""
    for b in bounds:
        largest = float(np.max(np.abs(values[b["from"]:b["to"]])))
        print(f"    {name}, {b['from']} .. {b['to']}: at most {largest:.3g}, allowed {b['value']:g}")
        if not largest <= b["value"]:
            yield f"{name}: {largest} between {b['from']} and {b['to']}"


def compare_with_lower_bounds(name, values, bounds):
    """The same where a value is smaller, in size."""
    for b in bounds:
        smallest = float(np.min(np.abs(values[b["from"]:b["to"]])))
        print(f"    {name}, {b['from']} .. {b['to']}: at least {smallest:.3g}, required {b['value']:g}")
        if not smallest >= b["value"]:
            yield f"{name}: {smallest} between {b['from']} and {b['to']}"


def compare_with_array(name, got, expected, want):
    skip = want.get("skip", 0)
    got = got[skip:]
    if "column" in want:
        expected = expected[:, want["column"]]
    if got.shape != expected.shape:
        return [f"{name}: shape {got.shape}, reference {expected.shape}"]
    error = float(np.max(np.abs(got.astype(np.float64) - expected))) if got.size else 0.0
    print(f"    {name}: largest error {error:.3g}, allowed {want['tolerance']:g}")
    problems = [] if error <= want["tolerance"] else [f"{name}: off by {error} from the reference"]
    if want.get("classes") and not np.array_equal(np.argmax(got, axis=1), np.argmax(expected, axis=1)):
        problems.append(f"{name}: classes differ from the reference")
    return problems


def compare_with_reference(case, folder, outputs):
    problems, reference = [], {}
    if any("array" in want for want in case["expect"].values()):
        with np.load(folder / case.get("expected", "expected.npz")) as arrays:
            reference = dict(arrays)
    for name, want in case["expect"].items():
        if "true_at" in want and np.flatnonzero(outputs[name]).tolist() != want["true_at"]:
            problems.append(f"{name}: true at {np.flatnonzero(outputs[name])}, expected {want['true_at']}")
        problems += compare_with_bounds(name, outputs[name], want.get("at_most", []))
        problems += compare_with_lower_bounds(name, outputs[name], want.get("at_least", []))
        if "array" in want:
            problems += compare_with_array(name, outputs[name], reference[want["array"]], want)
    return problems


def describe(mlrc, program, folder, **arguments):
    """NODE.json of the generated C."""
    engines.generate_c(mlrc, program, pathlib.Path(folder), **arguments)
    return next(pathlib.Path(folder).glob("*.json")).read_text()


def run_case(mlrc, folder, name, case, chosen):
    """Runs one case; returns its outputs by the JIT and a list of problems."""
    chosen = [e for e in chosen if e in case.get("engines", chosen)]
    program, inputs = folder / case["program"], [folder / case["input"]] if "input" in case else []
    arguments = dict(node=case["node"], params=case.get("params"))
    epochs = case.get("epochs", 1)
    repeat = ["--epochs", str(epochs)] if epochs > 1 else []
    jit = engines.mlrc_run(mlrc, "run", program, inputs=inputs, steps=case.get("steps"), extra=repeat, **arguments)
    steps = case.get("steps", max(len(v) for v in jit.values()))  # stated where all outputs are on slower clocks
    print(f"  {name}: {steps} instants")
    problems = compare_with_reference(case, folder, jit)

    def agree(engine, outputs):
        for output, values in outputs.items():
            if not engines.same_bits(values, jit[output][:len(values)]):
                problems.append(f"{engine} and JIT differ in {output} "
                                + engines.first_difference(values, jit[output][:len(values)]))

    if "interp" in chosen:
        n = min(steps, case.get("interp_steps", steps))
        agree("interpreter", engines.mlrc_run(mlrc, "interp", program, inputs=inputs, steps=n, **arguments))
        if "check_gradients" in case:  # so many instants, each derivative in a random direction
            agree("interpreter with dual numbers", engines.mlrc_run(mlrc, "interp", program, inputs=inputs, steps=case["check_gradients"],
                                                                    extra=["--check-gradients=1"], **arguments))
    for engine in chosen:
        if not engine.startswith("cortex"):
            continue
        machine, _, emit = engine.partition(":")
        n = min(steps, case["cross_steps"] if "cross_steps" in case else min(case.get("interp_steps", 20), 20))
        with tempfile.TemporaryDirectory() as out:
            fields = json.loads(describe(mlrc, program, out, **arguments))
            streams = {k: v for i in inputs for k, v in engines.load_streams(i, fields).items()}
            outputs = cortex.run(mlrc, program, pathlib.Path(out), machine, streams, n, emit or "c", **arguments)
            if outputs is None:
                print(f"    {engine}: does not fit the board")
            else:
                agree(engine, engines.present_only(outputs))
    for compiler in chosen:
        if compiler in ("interp", "run") or compiler.startswith("cortex"):
            continue
        with tempfile.TemporaryDirectory() as out:
            library, description = engines.build_c(mlrc, program, out, compiler, **arguments)
            streams = {k: np.concatenate([v] * epochs) for i in inputs for k, v in engines.load_streams(i, description).items()}
            agree(f"C ({compiler})", engines.present_only(engines.c_run(library, description, streams, steps)))
    return jit, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--engines", default="interp,run,gcc,clang-22,cortex-m4,cortex-m7:obj")
    options = parser.parse_args()
    passed = failed = 0
    for manifest in sorted(ROOT.glob("*/example.json")):
        if options.only not in manifest.parent.name:
            continue
        print(manifest.parent.name)
        example, results = json.loads(manifest.read_text()), {}
        for name, case in example["cases"].items():
            try:
                results[name], problems = run_case(options.mlrc.resolve(), manifest.parent, name, case, options.engines.split(","))
            except engines.EngineError as error:
                problems = [str(error)]
            failed, passed = (failed + 1, passed) if problems else (failed, passed + 1)
            for p in problems:
                print(f"    FAILED {p}")
        for rule in example.get("equal", []):
            a, b = (results.get(c, {}).get(rule["output"]) for c in rule["cases"])
            equal = a is not None and b is not None and engines.same_bits(a[rule["skip"]:], b[rule["skip"]:])
            print(f"  {' = '.join(rule['cases'])}: {'equal to the bit' if equal else 'FAILED'}")
            failed, passed = (failed, passed + 1) if equal else (failed + 1, passed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
