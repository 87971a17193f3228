#!/usr/bin/env python3
"""What generated C is to those who build it into firmware: no warnings (rule R15.4 of the reference manual), names that
clash with nothing in C or C++ (R15.9, R15.10).

usage: embedded.py MLRC [NAME..]
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "random"))
import engines  # noqa: E402
from generate import Program  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
MLRC = pathlib.Path(sys.argv[1]).resolve()

# Words that C or C++ has another use for, by type.
FLOATS = """register auto new restrict NULL isnan NAN INFINITY I memcpy sin main float unused in out state scratch l v0 i1 a0 stdin complex EOF
alignas namespace template wchar_t asm _Complex _x __x EDOM SIGINT CHAR_BIT FLT_MAX PRIu32 linux nullptr constexpr typeof thread_local M_PI
RAND_MAX this defined MLR_UNUSED register_in f_state class virtual typename delete friend mutable operator private explicit export
errno math_errhandling noreturn offsetof signgam unix uint8_t_ static_assert _Bool bitand""".split()
INTEGERS = "int INT32_MAX bool int32_t size_t long unsigned uint8_t short_ char short".split()
NAMES = f"""
struct P {{ b: f32, int: i32, I: f32 }}
fun helper(x: f32) -> (y: f32) {{ y = sin(x) + exp(x) * tanh(x); }}
node cell(x: f32) -> (y: f32) {{ h = 0 fby (0.5 * h + x); y = h; }}
node register({', '.join(f'{n}: f32' for n in FLOATS)}, {', '.join(f'{n}: i32' for n in INTEGERS)}, double: f64, a: P, a_b: f32)
  -> (y: f32, signed: P, z: f32 every 2, z_present: bool, register_out: f32, sizeof: f32, catch, do, short__: f32) {{
  y = helper({' + '.join(FLOATS)}) + f32({' + '.join(INTEGERS)}) + a.b * 3 + a_b * 5;
  signed = P {{ b = a_b, int = a.int, I = f32(double) }};
  char_: i32 = 0 fby (char_ + char);
  switch = 1 fby (switch * 0.5 + f32(char_));
  _h = 0 fby (_h + 1.0);
  v_h = 0 fby (v_h + 2.0);
  z = y when every 2;
  z_present = I > 0.5;
  register_out = cell(a.b) + cell(a_b) + cell(I);
  sizeof = switch; catch = _h; do = v_h; short__ = f32(short - short_);
}}
"""
USER = """
#include <cerrno>
#include <climits>
#include <cmath>
#include <complex.h>
#include <csignal>
#include <cstdio>
#include <cinttypes>
#include "{node}.h"
#include "{node}_state.h"
int main() {{
  static {node}_in in;
  static {node}_out out;
  static {node}_state state;
  static {node}_scratch scratch;
  {node}_reset(&state);
  {node}_step(&state, &scratch, &in, &out);
  static unsigned char file[{node}_STATE_FILE_BYTES];
  return {node}_save(&state, file, sizeof file) == sizeof file ? 0 : 1;
}}
"""


class Failure(Exception):
    pass


def run(command, folder=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{(done.stdout + done.stderr)[:3000]}")
    return done


def build(folder, text, node, arguments=()):
    source = folder / "p.mlr"
    source.write_text(text)
    out = folder / node
    done = run([MLRC, "build", source, "--node", node, "--emit=c", "--state", "-o", out, *arguments])
    return source, out, done.stderr


def compile_for_users(folder, node):
    """As C of several editions, and the headers as C++ after everything that a user may include."""
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for compiler, edition in (("gcc", "c99"), ("gcc", "c11"), ("gcc", "gnu17"), ("clang-22", "c99"), ("clang-22", "c2x")):
        run([compiler, *engines.WARNINGS, f"-std={edition}", "-fsyntax-only", "-iquote", folder, folder / f"{node}.c", folder / f"{node}_state.c"])
    (folder / "user.cpp").write_text(USER.format(node=node))
    for compiler, edition in (("g++", "c++17"), ("clang++-22", "gnu++20")):
        run([compiler, f"-std={edition}", *warnings, "-fsyntax-only", "-iquote", folder, folder / "user.cpp"])


def check_names_of_other_languages(folder):
    source, out, _ = build(folder, NAMES, "register")
    compile_for_users(out, "register")
    header = (out / "register.h").read_text()
    for line in ("float a_b;\n", "float a_b_2; /* a.b */", "float register_; /* register */", "float uint8_t_;\n", "int32_t uint8_t__2; /* uint8_t */",
                 "float v_h;", "float v_h_2; /* _h: "):
        if line not in header:
            raise Failure(f"no `{line}` in\n{header}")
    if len(set(re.findall(r"\w+(?=(?:\[\d+\])*;)", header.split("register_in {")[1].split("}")[0]))) != len(FLOATS) + len(INTEGERS) + 5:
        raise Failure(f"fields share names:\n{header}")
    paths = re.findall(r'^  \{"([^"]+)"', (out / "register_state.c").read_text(), re.M)
    if not set(paths) >= {"char_", "switch", "_h", "v_h", "cell.h"}:
        raise Failure(f"states by path: {paths}")
    again = folder / "again"
    run([MLRC, "build", source, "--node", "register", "--emit=c", "--state", "-o", again])
    for file in sorted(out.glob("register*")):
        if file.read_bytes() != (again / file.name).read_bytes():
            raise Failure(f"{file.name} differs from one build to the next")


def check_names_keep_their_values(folder):
    source, _, _ = build(folder, NAMES, "register")
    library, description = engines.build_c(MLRC, source, folder / "c", "gcc", "register")
    random = np.random.default_rng(3)
    streams = {f["name"]: random.integers(-3, 4, 5).astype(engines.DTYPES[f["type"]]) for f in description["in"]["fields"]}
    np.savez(folder / "in.npz", **streams)
    expected = engines.mlrc_run(MLRC, "interp", source, "register", inputs=[folder / "in.npz"], steps=5)
    found = engines.c_run(library, description, streams, 5)
    for name, values in expected.items():
        own = found[name][found["z_present_"]] if name == "z" else found[name]
        if not engines.same_bits(own, values):
            raise Failure(f"{name}: {engines.first_difference(own, values)}")


def check_nodes_side_by_side(folder):
    """Nodes whose names are one another's with a suffix, or in another case, in one C++ program."""
    names = ["f", "F", "f_state", "f_step", "f_in", "f_state_file", "f_fields"]
    text = "\n".join(f"node {n}(x: f32) -> (y: f32) {{ s = 0 fby (s + x); y = s * {k}; }}" for k, n in enumerate(names))
    folders, lines, objects = [], [], []
    for name in names:
        _, out, _ = build(folder, text, name)
        for file in (f"{name}.c", f"{name}_state.c"):
            objects.append(out / (file + ".o"))
            run(["gcc", "-std=c99", "-Wall", "-Werror", "-c", "-iquote", out, out / file, "-o", objects[-1]])
        folders.append(out)
        lines.append(USER.format(node=name).split("{", 1)[1].rsplit("}", 1)[0].replace("return", "ok = ok &&").replace("? 0 : 1", ""))
    includes = "".join(f'#include "{out}/{n}.h"\n#include "{out}/{n}_state.h"\n' for out, n in zip(folders, names))
    program = folder / "all.cpp"
    program.write_text(includes + "int main() {\nbool ok = true;\n" + "".join(f"{{{body}}}\n" for body in lines) + "return !ok;\n}\n")
    run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", program, *objects, "-o", folder / "all"])
    run([folder / "all"])


def check_c_functions(folder):
    """Names of C functions that generated code could want for itself: taken if it can avoid them, else refused."""
    words = ["copy", "take", "header", "text", "is", "number", "f_constant", "string_", "g_step", "fields", "FIELDS", "lut"]
    text = "struct P { x: f32 }\n" + "".join(f"extern fun {w}(p: P, p_x: f32, uint8_t: u8, {w}: i32) -> (y: f32);\n" for w in words)
    calls = " + ".join(f"{w}(P {{ x = x }}, s, u8(k), k)" for w in words)
    _, out, _ = build(folder, f"{text}node f(x: f32, k: i32) -> (y: f32) {{ a = [1.5, 2.5, 4, 8, 9]; s = 0 fby y; y = a[clamp(k, 0, 4)] + {calls}; }}", "f")
    compile_for_users(out, "f")
    for word in ("int", "nullptr", "NAN", "int32_t", "mlr_copy", "state", "v12", "main", "f_step", "f_in", "f_fields"):
        source = folder / "refused.mlr"
        source.write_text(f"extern fun {word}(x: f32) -> (y: f32);\nnode f(x: f32) -> (y: f32) {{ y = {word}(x); }}\n")
        done = subprocess.run([str(MLRC), "build", str(source), "--node", "f", "--emit=c", "-o", str(folder)], capture_output=True, text=True)
        if done.returncode != 1 or f"error[duplicate-definition]: a C function cannot be called `{word}`" not in done.stderr:
            raise Failure(f"{word}: exit code {done.returncode}\n{done.stderr}")


def check_headers_of_the_system(folder):
    for name, noted in (("math", True), ("features", True), ("string", True), ("filter", False)):
        _, out, said = build(folder, f"node {name}(x: f32) -> (y: f32) {{ y = tanh(x) + (0 fby y); }}", name)
        if (f"`{name}.h` has the name of a header of the C library" in said) != noted:
            raise Failure(f"{name}: {said!r}")
        compile_for_users(out, name)


def programs(folder):
    """(program, node, params, options): each node of the examples, and random programs."""
    seen = set()
    for manifest in sorted((ROOT / "examples").glob("*/example.json")):
        for case in json.loads(manifest.read_text())["cases"].values():
            key = (case["program"], case["node"], json.dumps(case.get("params")))
            if (manifest, key) not in seen: yield manifest.parent / case["program"], case["node"], case.get("params"), []
            seen.add((manifest, key))
    for seed in range(1100, 1110):
        own = folder / f"random{seed}"
        own.mkdir()
        program = Program(seed)
        (own / "p.mlr").write_text(program.generate())
        for name, text in program.files().items(): (own / name).write_text(text)
        yield own / "p.mlr", "main", None, program.options()


def check_warnings(folder):
    """None of the examples and of random programs, for this machine and for a Cortex-M4."""
    arm = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
    board = ["--target=thumbv7em-none-eabihf", "--cpu=cortex-m4"]
    forms = [(["gcc"], []), (["clang-22"], [])] + ([(arm, board)] if shutil.which(arm[0]) else [])

    def one(job):
        k, (program, node, params, options) = job
        for form in ([], board):
            out = folder / f"{k}{len(form)}"
            try:
                _, sources = engines.generate_c(MLRC, program, out, node, params, [*options, *form, "--state"])
            except engines.EngineError as error:
                if "error[causality-cycle]" in str(error) or "no sequence of sweeps" in str(error): return 0
                raise
            for compiler, own in forms:
                if own == form:
                    run([*compiler, *engines.WARNINGS, "-fsyntax-only", "-iquote", out, *(s for s in sources if s.endswith(".c"))])
        return 1

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = sum(pool.map(one, enumerate(programs(folder))))
    print(f"        {clean} programs without a warning")


def main():
    checks = {n[6:]: f for n, f in globals().items() if n.startswith("check_")}
    failed = 0
    for name, check in checks.items():
        if sys.argv[2:] and name not in sys.argv[2:]: continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder))
                print(f"ok      {name}")
            except (Failure, engines.EngineError) as failure:
                failed += 1
                print(f"FAILED  {name}\n{failure}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
