#!/usr/bin/env python3
"""Trains five agents for each environment, draws their curves and writes the tables of README.md.
usage: train.py MLRC"""
import csv
import io
import pathlib
import re
import resource
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
MLRC = str(pathlib.Path(sys.argv[1]).resolve())
#          program, rollouts, instants of a rollout, aim
TRAININGS = [("cartpole", 390, 256, 475), ("pendulum", 73, 4096, -200)]


def run(*arguments):
    """Output and seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([MLRC, "run", *map(str, arguments), "--quiet"], cwd=HERE, capture_output=True, text=True, check=True)
    return done.stdout, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def speed(program, instants, **parameters):
    """Instants of the environment a second of processor time, without compilation: the difference of 201 rollouts and one."""
    options = [o for k, v in dict(parameters, N=1000).items() for o in ("--param", f"{k}={v}")]
    long, short = (run(program, "--steps", n, *options)[1] for n in (201, 1))
    return 200 * instants / (long - short)


scores = ["| | instants | scores of five seeds | median | aim | seconds of all five |", "|---|---|---|---|---|---|"]
for name, rollouts, instants, aim in TRAININGS:
    text, seconds = run(f"{name}.mlr", "--node", "seeds", "--steps", rollouts)
    rows = list(csv.DictReader(io.StringIO(text)))
    (HERE / f"{name}.csv").write_text(text)
    run(f"{name}.mlr", "--node", "figure", "--steps", rollouts, "--plot", f"{name}.svg")
    five = ", ".join(f"{float(rows[-1][f'scores[{s}]']):.1f}" for s in range(5))
    scores.append(f"| {name} | {rows[-1]['steps']} | {five} | {float(rows[-1]['median']):.1f} | {aim} | {seconds:.0f} |")
speeds = ["| pendulum, 4 x 1,024 instants, hidden 64 | instants a second |", "|---|---|",
          f"| 2 epochs of 16 minibatches | {speed('pendulum.mlr', 4096, K=2, M=16):,.0f} |",
          f"| 10 epochs of 64 minibatches, as trained here | {speed('pendulum.mlr', 4096):,.0f} |"]
page = (HERE / "README.md").read_text()
for mark, lines in (("scores", scores), ("speeds", speeds)):
    print("\n".join(lines))
    page = re.sub(f"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m: m[1] + "\n".join(lines) + "\n" + m[2], page, flags=re.S)
(HERE / "README.md").write_text(page)
