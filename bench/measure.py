"""Timing of steps and calls side by side, and tables of the results."""
import ctypes
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "test"))
import engines  # noqa: E402

C_FLAGS = ["-O3", "-march=native", "-fPIC", "-shared"]


def shell(command, **more):
    """Runs a command that must succeed; its standard output."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stderr}")
    return done.stdout


def build_node(mlrc, work, program, node, params=None, emit="shared", extra=()):
    """Builds a node; an instance of it on memory of its own, reset."""
    tag = "_".join([node, emit, *(f"{k}{v}" for k, v in (params or {}).items()), *(e.strip("-") for e in extra)])
    folder = work / tag
    command = [mlrc, "build", program, "--node", node, f"--emit={emit}", "-o", folder, *extra]
    for key, value in (params or {}).items():
        command += ["--param", f"{key}={value}"]
    shell(command)
    description = engines.json.loads((folder / f"{node}.json").read_text())
    library = folder / f"lib{node}.so"
    if emit == "c":
        shell(["clang-22", *C_FLAGS, "-o", library, folder / f"{node}.c", "-lm"])
    return engines.CInstance(library, description)


class Harness:
    """Nanoseconds a call of C functions with the signature of a step."""

    def __init__(self, work):
        self.path = work / "libharness.so"
        shell(["clang-22", *C_FLAGS, "-o", self.path, ROOT / "bench/harness.c"])
        self.lib = ctypes.CDLL(str(self.path))
        self.lib.time_steps.restype = ctypes.c_int64
        self.lib.time_steps.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int64]

    def step(self, function, memory):
        """A timed call on a dict of arrays, which it keeps alive: calls -> nanoseconds of all of them."""
        pointer = ctypes.cast(function, ctypes.c_void_p)
        arrays = [memory[k] for k in ("state", "scratch", "in", "out")]
        return lambda calls: self.lib.time_steps(pointer, *(x.ctypes.data for x in arrays), calls)

    def instance(self, node):
        """Times the step of a node."""
        return self.step(node.step_function, node.memory)


def python_call(function):
    """A timed call of a Python function: calls -> nanoseconds of all of them on the processor, all threads."""
    def timed(calls):
        begin = time.process_time_ns()
        for _ in range(calls):
            function()
        return time.process_time_ns() - begin
    return timed


def calls_for(timed, milliseconds):
    """How many calls take about this long."""
    calls = 1
    while True:
        spent = timed(calls)
        if spent > milliseconds * 2e5:
            return max(1, round(calls * milliseconds * 1e6 / spent))
        calls *= 4


def interleaved(timed, rounds, milliseconds):
    """Times all candidates in turn, `rounds` times, each for about `milliseconds` a turn, so that a change of the clock
    or of the load meets all of them. A dict of lists, nanoseconds a call."""
    calls = {name: calls_for(t, milliseconds) for name, t in timed.items()}
    samples = {name: [] for name in timed}
    for _ in range(rounds):
        for name, t in timed.items():
            samples[name].append(t(calls[name]) / calls[name])
    return samples


def ratio(samples, name, base):
    """The median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(samples[name], samples[base]))


def duration(ns):
    """Nanoseconds with a unit, three digits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def table(title, header, rows):
    """Prints a table in Markdown, columns aligned."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]

    def line(cells):
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"

    print(f"\n{title}\n\n{line(header)}\n|" + "|".join("-" * (w + 2) for w in widths) + "|")
    for row in rows:
        print(line(row))
    sys.stdout.flush()
