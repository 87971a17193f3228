#!/usr/bin/env python3
"""What the compiler must stand up to: hostile programs and data give the right result, or a clear error with exit code 1; never a
crash, a hang, or a partial output file.

usage: robustness.py MLRC
"""
import pathlib
import platform
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()
SECONDS = 120  # generous: it only tells a hang from slow


class Failure(Exception):
    pass


def mlrc(*arguments):
    done = subprocess.run([MLRC, *map(str, arguments)], capture_output=True, timeout=SECONDS)
    if done.returncode not in (0, 1):
        raise Failure(f"exit code {done.returncode}: {done.stderr[-500:]!r}")
    if b"internal error" in done.stderr:
        raise Failure(done.stderr[:800].decode(errors="replace"))
    if done.returncode == 1 and not done.stderr:
        raise Failure("exit code 1 without a message")
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def fails(*arguments, says=""):
    code, _, err = mlrc(*arguments)
    if code != 1 or says not in err:
        raise Failure(f"expected an error with {says!r}, got exit code {code}: {err[:500]}")


def runs(*arguments):
    code, out, err = mlrc(*arguments)
    if code != 0:
        raise Failure(f"expected success: {err[:800]}")
    return out


def write(folder, text, name="p.mlr"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ---- programs ----------------------------------------------------------------------------------------------------

def ten_thousand_parentheses(folder):
    fails("check", write(folder, "node main(x: f32) -> (y: f32) { y = " + "(" * 10000 + "x" + ")" * 10000 + "; }"), says="too-deep")


def ten_thousand_open_braces(folder):
    fails("check", write(folder, "node main(x: f32) -> (y: f32) " + "{ scan t < 2 " * 10000))


def a_chain_of_100000_additions(folder):
    mlrc("check", write(folder, "node main(x: f32) -> (y: f32) { y = " + "x + " * 100000 + "x; }"))


def any_bytes_as_a_program(folder):
    source = random.Random(1)
    text = b"node main(x: f32) -> (y: f32) { scan t < 4 { h = 0 fby h + x; y = final h; } }"
    for k in range(60):
        mutated = bytearray(text)
        for _ in range(source.randrange(1, 12)):
            at = source.randrange(len(mutated))
            mutated[at:at + source.randrange(0, 4)] = bytes(source.randrange(256) for _ in range(source.randrange(0, 4)))
        mlrc("check", write(folder, bytes(mutated)))
    fails("check", write(folder, b"\x00\xff\xfe\x80" * 1000))
    mlrc("check", write(folder, b""))


def a_program_of_100000_lines(folder):
    lines = ["node main(x: f32) -> (y: f32) {", "  v0 = x;"]
    lines += [f"  v{k} = v{k - 1} * 0.5 + (0.0 fby v{k});" if k % 100 == 0 else f"  v{k} = v{k - 1} + x;" for k in range(1, 100000)]
    runs("check", write(folder, "\n".join(lines + ["  y = v99999;", "}"])))


def a_node_that_instantiates_itself(folder):
    fails("check", write(folder, "node main(x: f32) -> (y: f32) { y = main(x); }"), says="recursive-instantiation")
    fails("check", write(folder, "node f<<N: size>>(x: f32) -> (y: f32) { y = f<<N + 1>>(x); }\nnode main(x: f32) -> (y: f32) { y = f<<1>>(x); }"))


def nodes_that_double_at_every_level(folder):
    text = "node n0(x: f32) -> (y: f32) { y = 0 fby x; }\n"
    text += "".join(f"node n{k}(x: f32) -> (y: f32) {{ y = n{k - 1}(x) + n{k - 1}(x + 1); }}\n" for k in range(1, 60))
    program = write(folder, text + "node main(x: f32) -> (y: f32) { y = n59(x); }")
    mlrc("check", program)
    fails("run", program, "--steps", 0, "--input", write(folder, "x\n1\n", "in.csv"))


def a_chain_of_2000_nodes(folder):
    """Each calls the next; one in the middle is called twice."""
    text = "node n0(x: f32) -> (y: f32) { y = x + (0 fby y); }\n"
    text += "".join(f"node n{k}(x: f32) -> (y: f32) {{ y = n{k - 1}(x) + 1; }}\n" for k in range(1, 2000))
    program = write(folder, text + "node main(x: f32) -> (y, z: f32) { y = n1999(x); z = n1000(2 * x); }")
    outputs = runs("run", program, "--input", write(folder, "x\n1\n2\n", "in.csv"))
    if outputs != "y,z\n2000,1002\n2002,1006\n":
        raise Failure(outputs)


def long_scans(folder):
    program = write(folder, "node main<<T: size>>(x: f32) -> (y: f32, z: f32) { scan t < T { a = x fby a * 0.5 + 1.0; b = (b + a) * 0.5 eby a; "
                            "y = final a; z = initial b; } }")
    data = write(folder, "x\n3\n", "in.csv")
    for T in (1, 2, 100000):
        outputs = {runs(engine, program, "--param", f"T={T}", "--input", data) for engine in ("run", "interp")}
        if len(outputs) != 1:
            raise Failure(f"T = {T}: engines differ: {outputs}")
    fails("check", program, "--param", "T=0", "--node", "main")
    fails("check", program, "--param", "T=-1", "--node", "main")
    fails("check", program, "--param", "T=100000000000000000000", "--node", "main")


def a_chain_of_halves_in_a_scan_of_8(folder):
    chain = "".join(f"a{k} = a{k - 1} * a{k - 1} + bf16({k}.0); " for k in range(1, 14))
    program = write(folder, f"node main(x: bf16[8]) -> (y: bf16) {{ scan t < 8 {{ a0 = x[t]; {chain} y = initial a13; }} }}")
    runs("build", program, "--emit=obj", "-o", folder / "code")
    if platform.machine() == "x86_64": runs("build", program, "--emit=obj", "--cpu=x86-64", "-o", folder / "code")


def empty_and_single_tensors(folder):
    program = write(folder, "node main<<N: size>>(x: f32) -> (s: f32, p: f32, a: bool, v: f32[N], w: f32[N, 2]) { v = [x + f32(i) for i < N]; "
                            "s = sum(v); p = prod(v); a = all(v > 0); w = [v[i] * f32(j) for i < N, j < 2]; }")
    data = write(folder, "x\n3\n", "in.csv")
    for n in (0, 1):
        outputs = {runs(engine, program, "--param", f"N={n}", "--input", data) for engine in ("run", "interp")}
        if len(outputs) != 1:
            raise Failure(f"N = {n}: engines differ: {outputs}")


def lists_inside_comprehensions(folder):
    program = write(folder, "node main(x: f32) -> (y: f32[3, 2], z: f32[3, 3], s: f32) { v = [x + f32(i) for i < 3]; y = [[v[i], x] for i < 3]; "
                            "z = [concat([v[i]], [x, v[2 - i]]) for i < 3]; s = sum(sum([v[i], x, 1.0]) for i < 3); }")
    outputs = {runs(engine, program, "--input", write(folder, "x\n3\n", "in.csv")) for engine in ("run", "interp")}
    if len(outputs) != 1:
        raise Failure(f"engines differ: {outputs}")


def huge_tensors(folder):
    mlrc("check", write(folder, "node main(x: f32) -> (y: f32) { v = [x for i < 1000000000, j < 1000000000, k < 1000000000]; y = v[0, 0, 0]; }"))


# ---- data files --------------------------------------------------------------------------------------------------

def hostile_data_files(folder):
    np.savez(folder / "good.npz", w=np.arange(6, dtype=np.float32).reshape(2, 3))
    good = (folder / "good.npz").read_bytes()
    np.save(folder / "good.npy", np.arange(6, dtype=np.float32))
    header = b'{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    tensors = struct.pack("<Q", len(header)) + header + bytes(24)
    program = 'const W: f32[2, 3] = load("{}", "w");\nnode main(x: f32) -> (y: f32) {{ y = W[0, 1] * x; }}'
    runs("check", write(folder, program.format("good.npz")))
    write(folder, tensors, "good.safetensors")
    runs("check", write(folder, program.format("good.safetensors")))
    bad = {f"cut{k}.npz": good[:k] for k in range(0, len(good), 37)}
    bad |= {f"cut{k}.safetensors": tensors[:k] for k in range(0, len(tensors), 7)}
    bad["lying.safetensors"] = struct.pack("<Q", 1 << 62) + header
    bad["huge.safetensors"] = tensors.replace(b"[2,3]", b"[9,9]")
    bad["wrong.safetensors"] = tensors.replace(b"F32", b"F64")
    bad["noise.npz"] = bytes(random.Random(2).randrange(256) for _ in range(4000))
    for name, contents in bad.items():
        write(folder, contents, name)
        fails("check", write(folder, program.format(name)), says="load-failed")
    fails("check", write(folder, program.format("absent.npz")), says="load-failed")
    fails("check", write(folder, program.format("good.npz").replace('"w"', '"missing"')), says="load-failed")
    fails("check", write(folder, program.format("good.npz").replace("[2, 3]", "[3, 2]")))


def hostile_inputs(folder):
    program = write(folder, "node main(x: i32, v: f32[2]) -> (y: f32) { y = f32(x) + v[0]; }")
    for text in ("x\n1\n", "x,v[0],v[1]\n1,2\n", "x,v[0],v[1]\n1.5,2,3\n", "x,v[0],v[1]\n1,a,b\n", "", "\n", "x,x\n1,2\n",
                 "x,v[0],v[1]\n99999999999,2,3\n"):
        output = folder / "out.csv"
        fails("run", program, "--input", write(folder, text, "in.csv"), "--output", output)
        if output.exists():
            raise Failure(f"a failed run left an output file for {text!r}")
    good = write(folder, "x,v[0],v[1]\n1,nan,3\n", "in.csv")
    if "nan" not in runs("run", program, "--input", good):
        raise Failure("NaN was lost")
    fails("run", program, "--input", good, "--steps", 2)
    fails("run", program, "--input", good, "--output", folder / "no" / "such" / "folder.csv")
    fails("run", program, "--input", good, "--output", folder / "x.unknown")


AUTOMATON = """enum M { A, B, C }
struct P<<N: size>> { w: f32[N], m: M }
node f<<g: (f32) -> f32>>(x: f32) -> (y: f32) { y = g(x) + (0 fby y); }
node main(x: f32, c: bool, m: M) -> (u: f32, s: f32 every 4, t: f32 when m == B) {
  last u = 0.0;
  automaton {
    state Off { u = 0.0; unless c continue On; }
    state On { p = P { w = [x, 1], m = m }; u = p.w[0]; until x > 1 then Off | x < 0 continue On; }
  }
  s = x when every 4 at 3;
  match m { A: { k = f<<abs>>(x); } B: { k = 1; } C: { reset { k = 0 fby k + 1; } every c; } }
  t = merge(c, x when c, k when not c) when m == B;
  (xs, n, end) = pack<<3>>(x, until = c);
  assert hold(n, 0) < 4;
}
"""


def truncated_automata(folder):
    runs("check", write(folder, AUTOMATON))
    for cut in range(0, len(AUTOMATON), 7):
        mlrc("check", write(folder, AUTOMATON[:cut]))
        mlrc("check", write(folder, AUTOMATON[:cut] + AUTOMATON[cut + 9:]))
        mlrc("fmt", write(folder, AUTOMATON[:cut] + " } " + AUTOMATON[cut:]))


def clocks_that_cannot_be(folder):
    node = "node main(x: f32, c: bool) -> (y: f32) {{ {} }}".format
    for period in ("0", "-1", "4 at 4", "4 at -1", "x", "1.5", "99999999999999999999", "(1 / 0)"):
        fails("check", write(folder, node(f"y = hold(x when every {period}, 0);")))
    huge = node("y = hold(hold(hold(x when every 2147483647 when every 2147483647 when every 2147483647, 0), 1), 2);")
    runs("check", write(folder, huge))
    runs("run", write(folder, node("y = hold(x when every 2147483647, 7);")), "--input", write(folder, "x,c\n1,0\n2,1\n", "x.csv"))
    for text in ("y = hold(x, 0);", "y = x when c;", "y = merge(c, x, x);", "y = merge(x, x, x);", "y = x when x;", "when x { y = 1; }",
                 "y = hold(y when c, 0) when c;", "a = b when b; b = a > 0; y = hold(a, 0);", "a = x when b; b = c when a > 0; y = 1;",
                 "reset { y = x; } every x;", "reset { z = x when c; } every c; y = hold(z, 0);", "y = sin(x) every c;",
                 "if x { y = 1; } else { y = 2; }", "match x { A: { y = 1; } }", "automaton { } y = 1;",
                 "automaton { state A { y = 1; until c then B; } }", "automaton { state A { y = 1; } state A { y = 2; } }",
                 "last y = 0; last y = 1; y = x;", "y = last x;", "y = last z;", "unless c then A;", "until c then A; y = 1;",
                 "y = pack<<0>>(x)[0];", "y = unpack<<0>>(x, 0);", "(a, b) = pack<<3>>(x, until = c); y = x;", "y = pack(x);"):
        fails("check", write(folder, node(text)))


def declarations_that_cannot_be(folder):
    for text in ("enum E { }", "enum E { A, A }", "struct S { }", "struct S { a: f32, a: i32 }", "struct S { s: S }",
                 "struct S<<T: type>> { s: T } struct R { r: S<<R>> }", "enum A { X } enum A { Y }", "struct f32 { x: i32 } node m(x: f32) -> () {}",
                 "fun f(x: f32) -> (y: f32) { y = g(x); } fun g(x: f32) -> (y: f32) { y = f(x); }",
                 "node f<<g: (f32) -> f32>>(x: f32) -> (y: f32) { y = g(x); } node h(x: f32) -> (y: f32) { y = f<<h>>(x); }",
                 "node f<<g: (f32) -> f32>>(x: f32) -> (y: f32) { y = f<<f>>(x); } node m(x: f32) -> (y: f32) { y = f<<abs>>(x); }",
                 "node f<<g: (f32, f32) -> f32>>(x: f32) -> (y: f32) { y = g(x, x); } node m(x: f32) -> (y: f32) { y = f<<abs>>(x); }",
                 "node f<<g: (f32) -> f32>>(x: f32) -> (y: f32) { y = g(x); } node m(x: f32) -> (y: f32) { y = f<<3>>(x); }",
                 "node m(x: f32 when c, c: bool when x) -> () {}", "node m(x: f32 when y) -> (y: bool when x) { y = true; }",
                 "import nowhere;", "import p;", "import math; import math;", "const N: i32 = N;", "const A: i32 = B; const B: i32 = A;",
                 "const N: i32 = f(1); fun f(x: i32) -> (y: i32) { y = sum(i for i < N); }"):
        fails("check", write(folder, text + "\n"))
    runs("check", write(folder, "enum E { Only } node m(e: E, x: f32) -> (y: f32) { match e { Only: { y = x; } } }"))


def import_cycles(folder):
    write(folder, "import b; fun f(x: f32) -> (y: f32) { y = b.f(x); }", "a.mlr")
    write(folder, "import c; fun f(x: f32) -> (y: f32) { y = c.f(x); }", "b.mlr")
    write(folder, "import a; fun f(x: f32) -> (y: f32) { y = a.f(x); }", "c.mlr")
    fails("check", folder / "a.mlr")
    write(folder, "node broken(", "d.mlr")
    fails("check", write(folder, "import d; node m(x: f32) -> (y: f32) { y = d.broken(x); }"))
    write(folder, "\xff\xfe binary \x00", "e.mlr")
    fails("check", write(folder, "import e; node m(x: f32) -> (y: f32) { y = x; }"))


def deep_blocks(folder):
    for opening, closing in (("when c { ", "}"), ("if c { ", "} else { }"), ("reset { ", "} every c;"), ("scan i%d < 2 { ", "}"),
                             ("automaton { state A { ", " } }"), ("match m { A: { ", "} B: { } }")):
        for depth in (40, 3000):
            text = "".join(opening % i if "%" in opening else opening for i in range(depth)) + f"z = x; " + closing * depth
            source = "enum M { A, B } node main(x: f32, c: bool, m: M) -> (y: f32) { y = x; " + text + " }"
            code, _, _ = mlrc("check", write(folder, source))
            if depth == 3000 and code == 0:
                raise Failure(f"3000 blocks {opening!r} are accepted")
    arms = "".join(f"S{i}, " for i in range(2000))
    body = "".join(f"S{i}: {{ y = {i}; }} " for i in range(2000))
    runs("check", write(folder, f"enum E {{ {arms} }} node main(e: E) -> (y: i32) {{ match e {{ {body} }} }}"))
    states = "".join(f"state S{i} {{ y = {i}; until c then S{(i + 1) % 300}; }} " for i in range(300))
    runs("check", write(folder, f"node main(c: bool) -> (y: i32) {{ automaton {{ {states} }} }}"))


def reduced_random_programs(folder):
    reduced = pathlib.Path(__file__).resolve().parent / "random/reduced"
    rng = np.random.default_rng(3)
    inputs = {"inner-scans-in-a-selection.mlr": {"x": rng.integers(0, 3, (5, 2)).astype("i4"), "m": rng.integers(0, 3, 5).astype("i4")},
              "selection-of-structs.mlr": {"x": rng.normal(size=5).astype("f4"), "xs": rng.normal(size=(5, 17)).astype("f4"), "stop": np.arange(5) == 3}}
    for path in sorted(reduced.glob("*.mlr")):
        streams = inputs[path.name]
        np.savez(folder / "in.npz", **streams)
        try:
            found = {e: engines.mlrc_run(MLRC, e, path, "main", inputs=[folder / "in.npz"]) for e in ("interp", "run")}
            (folder / path.stem).mkdir()
            found["C"] = engines.c_run(*engines.build_c(MLRC, path, folder / path.stem, node="main"), streams, 5)
        except engines.EngineError as error:
            raise Failure(str(error)[:800]) from None
        for engine, outputs in found.items():
            for name, values in found["interp"].items():
                if not engines.same_bits(values, outputs[name]): raise Failure(f"{path.name}: interp and {engine} differ in {name}")


def main():
    checks = [f for name, f in globals().items() if callable(f) and getattr(f, "__module__", "") == "__main__"
              and name not in ("main", "mlrc", "fails", "runs", "write") and isinstance(f, type(main))]
    passed = failed = 0
    for check in checks:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder))
                passed += 1
                print(f"ok      {check.__name__}", flush=True)
            except (Failure, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED  {check.__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
