#!/usr/bin/env python3
"""Memory does not grow with the length of a run: the peak of the resident set of `mlrc run` and of generated C after ten thousand
and after a million steps. Two instances whose steps alternate, and resets in mid-run, change no bits.

usage: ram.py MLRC
"""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()
SLACK = 512  # KiB: pages that the library touches late

# Everything that has state: a segment with both directions of time, windows on clocks, an automaton, a reset block, a hold.
PROGRAM = """
node smooth(x: f32) -> (y: f32) {
  xs = pack<<8>>(x);
  when every 8 {
    scan t < 8 { s = 0.5 * xs[t] + 0.5 * (0 fby s); b = 0.5 * s + 0.5 * (b eby s); ys[t] = b; }
  }
  y = unpack<<8>>(ys, 0);
}
node source() -> (x: f32) { n = 0 fby (n * 17 + 5) % 1013; x = f32(n) / 1013; }
node level(x: f32) -> (y: f32) {
  high = x > 0.5;
  m = hold(sum(window<<20>>(x when high, 0)), 0);
  automaton {
    state Rise { y = m + (0 fby y); until y > 100 then Fall; }
    state Fall { y = (100 fby y) - 1; until y < 0 continue Rise; }
  }
}
node device(x: f32) -> (y: f32) {
  reset { z = level(x); } every x < 0.01;
  y = smooth(z) + sum([at(window<<64>>(z, 1), 5 * i, 0) for i < 12]);
}
node main() -> (y: f32) { y = device(source()); }
"""

MAIN = """#include "main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static main_state state;
static main_scratch scratch;
static main_in in;
static main_out out;
int main(int argc, char **argv) {
  long steps = argc > 1 ? atol(argv[1]) : 0;
  main_reset(&state);
  for (long t = 0; t < steps; ++t) main_step(&state, &scratch, &in, &out);
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  while (status && fgets(line, sizeof line, status))
    if (!strncmp(line, "VmHWM:", 6)) printf("%ld\\n", atol(line + 6));
  return 0;
}
"""


def peak_of_c(command):
    """Kilobytes of the resident set, at most."""
    return int(subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout)


def peak_of_run(command):
    with open(os.devnull, "w") as nothing:
        child = subprocess.Popen([str(c) for c in command], stdout=nothing)
        _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss


def a_long_run_takes_no_more_memory(folder):
    program = folder / "p.mlr"
    program.write_text(PROGRAM)
    engines.generate_c(MLRC, program, folder)
    (folder / "loop.c").write_text(MAIN)
    subprocess.run(["gcc", "-O2", f"-I{folder}", "-o", folder / "loop", folder / "loop.c", folder / "main.c", "-lm"], check=True)
    for name, peak, command in (("C", peak_of_c, [folder / "loop"]), ("run", peak_of_run, [MLRC, "run", program, "--quiet", "--steps"])):
        short, long = peak([*command, 10_000]), peak([*command, 1_000_000])
        print(f"  {name}: {short} KiB after 10,000 steps, {long} KiB after 1,000,000")
        assert long <= short + SLACK, (name, short, long)


def instances_and_resets_keep_apart(folder):
    program = folder / "p.mlr"
    program.write_text(PROGRAM)
    library, description = engines.build_c(MLRC, program, folder, node="device")
    x = (np.arange(500) * 7919 % 1013 / 1013).astype(np.float32)

    def alone(values):
        instance = engines.CInstance(library, description)
        return [instance.step({"x": v})["y"].tobytes() for v in values]

    first, second = engines.CInstance(library, description), engines.CInstance(library, description)
    a, b = [], []
    for v in x:
        a.append(first.step({"x": v})["y"].tobytes())
        b.append(second.step({"x": 1 - v})["y"].tobytes())
    assert a == alone(x) and b == alone(1 - x)
    for cut in (1, 7, 123, 255):
        for v in x[:cut]: first.step({"x": v})
        getattr(first.lib, "device_reset")(ctypes.c_void_p(first.address("state")))
        assert [first.step({"x": v})["y"].tobytes() for v in x] == a, cut


failed = 0
for test in (a_long_run_takes_no_more_memory, instances_and_resets_keep_apart):
    with tempfile.TemporaryDirectory() as name:
        try:
            test(pathlib.Path(name))
        except (AssertionError, engines.EngineError) as e:
            failed += 1
            print("FAILED", test.__name__, e)
print(f"{2 - failed} passed, {failed} failed")
sys.exit(failed != 0)
