#!/usr/bin/env python3
"""Run-time checks (rule R14.9): the compiled program and the interpreter, which share nothing here (but in programs with derivatives), report the same indices, the
same first instant and the same number of instants; so do the hidden outputs of the generated C.

usage: checks.py MLRC
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()

# name: program, whose outputs do not matter, and the places (line:column) that are reported. Input i of seven instants.
INDEX = [0, 3, -1, 2, 9, 4, 1]
PROGRAMS = {
    "an index of a tensor": ("node main(i: i32) -> (y: i32) { x = [10, 20, 30, 40]; y = x[i]; }", 1),
    "two axes and a slice": ("node main(i: i32) -> (y: i32[2]) { x = [j * 10 + k for j < 3, k < 4]; y = x[i, i ..+ 2]; }", 2),
    "over comprehension indices": ("node main(i: i32) -> (y: i32[3]) { x = [10, 20, 30, 40]; y = [x[i + j * j] for j < 3]; }", 1),
    "only the chosen side of an if": ("node main(i: i32) -> (y: i32, z: i32) { x = [10, 20, 30]; y = if i >= 0 and i < 3 then x[i] else 0; "
                                      "z = if i > 2 then 0 else x[i]; }", 1),
    "only the sides that elements take": ("node main(i: i32) -> (y: i32[2]) { x = [10, 20, 30]; y = where([i > 0, i > 3], [x[i], x[1]], [x[0], x[2 - i]]); }", 2),
    "an accumulation over a scan": ("node main(i: i32) -> (y: i32) { x = [10, 20, 30, 40]; scan t < 3 { s = x[i + t - 1] + (0 fby s); y = final s; } }", 1),
    "a scan that looks ahead": ("node main(i: i32) -> (y: i32[3]) { x = [1, 2, 3, 4]; scan t < 3 { s = x[i + (t eby 5)]; y[t] = s; } }", 1),
    "a scan that stops": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3, 4]; scan t < 9 until t >= i { y = final x[i - t]; } }", 1),
    "a resuming scan": ("node main(i: i32) -> (y: i32[2]) { x = [1, 2, 3]; scan t < 2 resume { n = 0 fby n + i; y[t] = x[n]; } }", 1),
    "a nested scan": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3, 4]; scan t < 2 { scan u < 3 { s = x[i + t * u] + (0 fby s); r = final s; } y = final r; } }", 1),
    "a call with state": ("node f(i: i32) -> (y: i32) { x = [1, 2, 3]; n = 0 fby n + i; y = x[n]; } node main(i: i32) -> (y: i32) { y = f(i) + f(1); }", 1),
    "a fun in a comprehension": ("fun f(x: i32[4], i: i32) -> (y: i32) { y = x[i] + x[1]; } "
                                 "node main(i: i32) -> (y: i32[3]) { x = [1, 2, 3, 4]; y = [f(x, i * k) for k < 3]; }", 1),
    "a fun with a scan": ("fun f(x: i32[4], i: i32) -> (y: i32) { scan t < 3 { s = x[i + t] + (0 fby s); y = final s; } } "
                          "node main(i: i32) -> (y: i32) { y = f([1, 2, 3, 4], i); }", 1),
    "instances side by side": ("node f(i: i32) -> (y: i32) { x = [1, 2, 3]; if i > 0 { n = 0 fby n + 1; y = x[n]; assert n < 4; } else { y = 0; } } "
                               "node main(i: i32) -> (y: i32[3]) { y = [f(i - k) for k < 3]; }", 2),
    "instances that end apart": ("fun f(i: i32) -> (y: i32) { x = [1, 2, 3, 4]; scan t < 9 until n >= i { n = 0 fby n + 2; s = x[n] + (0 fby s); y = final s; } } "
                                 "node main(i: i32) -> (y: i32[3]) { y = [f(i - k) for k < 3]; }", 1),
    "what is remembered, whatever is chosen": ("node main(i: i32) -> (y: i32[2]) { x = [1, 2, 3]; z = if i > 2 then 0 else (1 fby (x[i] fby z) + x[i + 1]); "
                                              "scan t < 2 { c = (0 fby x[i + t]) -> (if i > 0 then 1 else x[i - t] eby 2); y[t] = z + c; } }", 3),
    "the first value of a stream": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3]; y = x[i - 5] fby x[i]; }", 2),
    "the default of at": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3]; y = at(x, i, x[i]); }", 1),
    "what nobody reads": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3]; z = x[i]; y = i; }", 1),
    "unsigned and narrow indices": ("node main(i: i32) -> (y: i32) { x = [k for k < 200]; y = x[u8(i)] + x[u64(i)] + x[i8(i)]; }", None),
    "monitors": ("node f(i: i32) -> (y: i32) { y = i + (0 fby y); guarantee y > 1; } "
                 "node main(i: i32) -> (y: i32) { y = f(i); assume i < 4; scan t < 3 { assert t + i != 3; s = t; z = final s; } }", 3),
    "a state of an automaton": ("node main(i: i32) -> (y: i32) { last y = 1; automaton { state A { y = last y + i; assert i < 4; until i > 3 then B; } "
                                "state B { assert i != 4; until y > 4 then A; } } }", 2),
    "a derivative, in the equations that it becomes": ("node main(i: i32) -> (l, g: f64) { x: f64[4] = [1, 2, 3, 4] fby 0.5 * x; v = x[i] * x[i]; l = v; "
                                                       "g = sum(grad(v, x)); assert g > 1; }", 3),
    "nothing to report": ("node main(i: i32) -> (y: i32) { x = [1, 2, 3]; y = x[1] + at(x, i, 0) + x[max(0, min(2, i))]; }", 0),
}


def mlrc(*arguments):
    done = subprocess.run([MLRC, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (arguments, done.stderr)
    return done


def engines_agree(folder, name, program, places):
    path, data = folder / "p.mlr", folder / "in.csv"
    path.write_text(program + "\n")
    data.write_text("i\n" + "".join(f"{i}\n" for i in INDEX))
    compiled, interpreted = (mlrc(e, path, "--checks", "--input", data) for e in ("run", "interp"))
    plain = mlrc("run", path, "--input", data)
    assert compiled.stdout == interpreted.stdout == plain.stdout, name
    assert compiled.stderr == interpreted.stderr, f"{name}: compiled\n{compiled.stderr}\ninterpreted\n{interpreted.stderr}"
    reported = sum(compiled.stderr.count(f"warning[{kind}]") for kind in ("index-clamped", "contract-violated"))
    assert places is None or reported == places, f"{name}: {reported} places\n{compiled.stderr}"
    # In C a check is an output that is false while it fails: as many instants as the run says.
    library, description = engines.build_c(MLRC, path, folder, extra=["--checks"])
    checks = [f for f in description["out"]["fields"] if "check" in f]
    out = engines.c_run(library, description, {"i": np.array(INDEX, np.int32)}, len(INDEX))
    failures = sorted((int(np.argmin(out[f["name"]])), int(np.sum(~out[f["name"]]))) for f in checks if not out[f["name"]].all())
    assert len(failures) == reported, (name, failures, compiled.stderr)
    for first, count in failures:
        says = f"at instant {first} of 7" if count == 1 else f"at {count} of 7 instants, first at instant {first}"
        assert says in compiled.stderr, (name, says, compiled.stderr)


def a_run_that_goes_on_counts_from_its_beginning(folder):
    path, data = folder / "p.mlr", folder / "in.csv"
    path.write_text("node main(x: i32) -> (y: i32) { y = x; guarantee y < 3; }\n")
    data.write_text("x\n1\n5\n2\n7\n")
    options = ("--checks", "--input", data, "--checkpoint", folder / "k.safetensors")
    assert "false at instant 1 of 2" in mlrc("run", path, *options, "--steps", "2").stderr
    resumed = mlrc("run", path, *options, "--resume").stderr
    assert "false at 1 of the 2 instants since instant 2, first at instant 3" in resumed, resumed


def off_changes_nothing(folder):
    """A program without clamped indices is the same to the byte with checks."""
    path = folder / "p.mlr"
    path.write_text(PROGRAMS["nothing to report"][0].replace("x[max(0, min(2, i))]", "0") + "\n")
    mlrc("build", path, "--emit=c", "-o", folder / "off")
    mlrc("build", path, "--emit=c", "-o", folder / "on", "--checks")
    for file in sorted((folder / "off").iterdir()):
        assert file.read_bytes() == (folder / "on" / file.name).read_bytes(), file.name


def ir_remembers_the_checks(folder):
    path, data, ir = folder / "p.mlr", folder / "in.csv", folder / "p.mlir"
    path.write_text(PROGRAMS["an index of a tensor"][0] + "\n")
    data.write_text("i\n9\n")
    for stage in ("dataflow", "simplify", "sweeps", "buffers", "loops"):
        ir.write_text(mlrc("run", path, "--checks", f"--after={stage}").stdout)
        done = mlrc("run", ir, f"--from={stage}", "--input", data)
        assert done.stdout.splitlines() == ["y", "40"] and "p.mlr:1:61: warning: an index left its axis" in done.stderr, (stage, done)


def names_avoid_those_of_the_source(folder):
    path = folder / "p.mlr"
    path.write_text("node main(i: i32) -> (check_x_1: i32) { x = [1, 2, 3]; check_x_1 = x[i]; }\n")
    mlrc("build", path, "--emit=c", "-o", folder, "--checks")
    header = (folder / "main.h").read_text()
    assert "bool check_x_2; /* false: " in header and "p.mlr:1:70: an index left its axis" in header, header


def main():
    failed = 0
    cases = [(name, lambda f, n=name, p=p: engines_agree(f, n, *p)) for name, p in PROGRAMS.items()]
    cases += [(f.__name__, f) for f in (off_changes_nothing, ir_remembers_the_checks, names_avoid_those_of_the_source,
                                              a_run_that_goes_on_counts_from_its_beginning)]
    for name, case in cases:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(pathlib.Path(folder))
            except (AssertionError, engines.EngineError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED {name}: {error}\n", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
