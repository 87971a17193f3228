"""Start-up, check and JIT time of mlrc, as a user waits for them."""
import os
import re
import statistics
import subprocess

from measure import ROOT, table


def small(path):
    path.write_text("node main(x: f64) -> (y: f64) {\n  y = (0 fby y) + 0.1 * (x - (0 fby y));\n}\n")


def many_nodes(path, lines=100_000):
    """Nodes of five lines each; the last calls two of them."""
    node = "node f{0}(x, k: f64) -> (y: f64) {{\n  before = 0 fby y;\n  step = k * (x - before);\n  y = before + step;\n}}\n"
    main = "node main(x: f64) -> (y: f64) {\n  a = f0(x, 0.1);\n  b = f1(a, 0.1);\n  y = b;\n}\n"
    path.write_text("".join(node.format(i) for i in range(lines // 5 - 1)) + main)


def one_node(path, lines=100_000):
    """One node whose every line is a recurrence over the line before it."""
    chain = "".join(f"  v{i} = 0.5 * v{i - 1} + (0 fby v{i});\n" for i in range(1, lines - 3))
    path.write_text(f"node main(x: f64) -> (y: f64) {{\n  v0 = x;\n{chain}  y = v{lines - 4};\n}}\n")


def run_timed(command):
    """(seconds on the processor, seconds on the wall) of a command that must succeed, and its standard error."""
    import time
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"bench: {command}: {error[:2000]}")
    return usage.ru_utime + usage.ru_stime, wall, error


def frontend(mlrc, work, quick):
    programs = {"3 lines": small, "100,000 lines, 20,000 nodes": many_nodes, "100,000 lines, one node": one_node}
    wakeword = ROOT / "examples/01-wakeword/wakeword.mlr"
    jobs = [("start (`mlrc --help`)", [mlrc, "--help"], 15, "")]
    for name, write in programs.items():
        path = work / (write.__name__ + ".mlr")
        write(path)
        jobs.append((f"check, {name}", [mlrc, "check", path], 15 if write is small else 3, "0.1 s" if write is small else ""))
    jobs.append(("check, wake-word network", [mlrc, "check", wakeword], 9, "0.1 s"))
    run = ["--quiet", "--input", wakeword.with_name("expected.npz"), "--steps", "1", "--timing"]
    for node in ("main", "windowed"):
        jobs.append((f"JIT, wake-word network, `{node}`", [mlrc, "run", wakeword, "--node", node, *run], 5, "1 s"))
    rows = []
    for name, command, repeats, aim in jobs:
        samples = [run_timed(command) for _ in range(2 if quick else repeats)]
        compiled = [float(m[1]) for _, _, e in samples if (m := re.search(r"compile ([\d.]+) s", e))]
        rows.append([name, f"{statistics.median(s[0] for s in samples):.3f} s", f"{min(s[1] for s in samples):.3f} s",
                     f"{min(compiled):.3f} s" if compiled else "", aim])
    table("Front end and JIT: whole command, median on the processor and best on the wall; of it, compilation on the wall",
          ["job", "processor", "wall", "compile", "aim"], rows)
