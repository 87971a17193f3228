#!/usr/bin/env python3
"""The standard library against NumPy, SciPy and formulas written independently: every program here, NAME_test.mlr, runs in the
interpreter, the JIT and C, on a board too if one is named, which must agree to the bit; NAME_check.py compares its outputs. Each public node of std/NAME.mlr is
compared, else that is a failure too.
usage: check.py MLRC [--only NAME] [--board cortex-m4]"""
import argparse
import importlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402
import index  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("mlrc", type=pathlib.Path)
parser.add_argument("--only", default="")
parser.add_argument("--board", choices=["cortex-m4", "cortex-m7"], help="the first two instants on this emulated board too")
options = parser.parse_args()
failures, nodes = [], 0
for module in index.TESTED:
    if options.only not in module:
        continue
    checks = importlib.import_module(f"{module}_check")
    library = harness.Library(options.mlrc.resolve(), module, checks.AGAINST, board=options.board)
    try:
        checks.check(library)
    except harness.engines.EngineError as error:
        library.failures.append(f"{module}: {error}")
    public = {d.name for d in index.declarations(module) if d.kind != "struct"}
    library.failures += [f"{module}.{n} is not compared with anything" for n in sorted(public - library.checked)]
    library.failures += [f"{module}.{n} stands in AGAINST alone" for n in sorted(set(checks.AGAINST) - public)]
    failures += library.failures
    nodes += len(public)
for failure in failures:
    print(failure)
print(f"{nodes} nodes, {len(failures)} failures")
sys.exit(1 if failures else 0)
