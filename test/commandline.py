#!/usr/bin/env python3
"""What mlrc says of command lines that it cannot follow, and what its intermediate representation remembers.

usage: commandline.py MLRC
"""
import pathlib
import subprocess
import sys
import tempfile

MLRC = pathlib.Path(sys.argv[1]).resolve()
GENERIC = "node main<<N: size>>(x: f32) -> (y: f32) { y = x * f32(N); }\n"
PRODUCT = "node main(x: f32[3], w: f32[3]) -> (y: f32) { y = sum(x[i] * w[i] for i < 3); }\n"


def mlrc(folder, *arguments):
    done = subprocess.run([MLRC, *arguments], capture_output=True, text=True, timeout=120, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def says(folder, code, what, *arguments):
    got, out, error = mlrc(folder, *arguments)
    assert got == code and what in (out if code == 0 else error), (arguments, got, out, error)
    return error


def unknown_commands_and_missing_files(folder):
    says(folder, 1, "there is no command `foo`; the commands are check, run", "foo")
    says(folder, 1, "which file?", "run")
    says(folder, 1, "--help", "--nonsense")
    says(folder, 0, "mlrc 0.", "--version")


def stages_that_are_text_are_not_read(folder):
    (folder / "p.mlr").write_text(PRODUCT)
    lines = mlrc(folder, "run", "--after=list")[1].splitlines()
    assert [line.split()[0] for line in lines if "--from does not read it" in line] == ["tree", "check"], lines
    says(folder, 1, "--from=check: reads what one of these stages hands on: dataflow", "run", "p.mlr", "--from=check")


def a_wrong_parameter_is_shown_in_the_source(folder):
    (folder / "p.mlr").write_text(GENERIC)
    for value, why in [("x", "nothing called `x`"), ("3 4", "it is not one expression"), ("-3", "a size is negative"), ("", "`--param N=`")]:
        error = says(folder, 1, why, "check", "p.mlr", "--node", "main", "--param", f"N={value}")
        assert "--> p.mlr:1:12" in error and "const value" not in error, error


def a_parameter_that_its_type_cannot_hold_is_an_error(folder):
    (folder / "p.mlr").write_text("node main<<a: f32 = 0.5, b: i8 = 1>>() -> (y: f32, z: i8) { y = a; z = b; }\n")
    for value in ["b=300", "b=1.5", "a=1e39"]:
        says(folder, 1, f"`--param {value}`: ", "run", "p.mlr", "--steps", "1", "--param", value)
    says(folder, 1, "--param b is given twice", "run", "p.mlr", "--steps", "1", "--param", "b=1", "--param", "b=2")
    says(folder, 1, "say which with --node", "check", "p.mlr", "--param", "b=1")


def machines_that_llvm_does_not_know(folder):
    (folder / "p.mlr").write_text(PRODUCT)
    for option, why in [("--cpu=nonsense", "`nonsense` is no CPU of"), ("--features=+nonsense", "`+nonsense` is no feature of"),
                        ("--features=avx2", "`avx2` is no feature of"), ("--target=pdp11-dec-ultrix", "no back end")]:
        error = says(folder, 1, why, "build", "p.mlr", "--emit=obj", option)
        assert error.count("\n") == 1, error


def ir_remembers_that_it_is_unfused(folder):
    (folder / "p.mlr").write_text(PRODUCT)
    (folder / "in.csv").write_text("x[0],x[1],x[2],w[0],w[1],w[2]\n" + "0.1,0.7,-0.3,0.3,0.9,0.2\n1.1,0.77,-0.31,0.33,0.19,2.2\n")
    run = lambda *more: says_output(mlrc(folder, "run", *more, "--input", "in.csv"))
    unfused, fused = run("p.mlr", "--unfused"), run("p.mlr")
    assert unfused != fused
    for stage in ("dataflow", "inline", "normalize", "simplify", "sweeps", "buffers", "loops"):
        for extra, expected in ((["--unfused"], unfused), ([], fused)):
            (folder / "p.mlir").write_text(mlrc(folder, "run", "p.mlr", f"--after={stage}", *extra)[1])
            assert run("p.mlir", f"--from={stage}") == expected, (stage, extra)


def derivatives_leave_unfused_sums_unfused(folder):
    """A program with derivatives is interpreted as the equations that they become: these, too, multiply and then add."""
    (folder / "p.mlr").write_text("""const W: f32[3] = [-0.07, -0.94, -0.1];
const V: f32[3] = [0.1, 0.04, -0.51];
node main(x: f32[3], w: f32[3]) -> (y, start: f32, tree: f32, g: f32[3]) {
  y = sum(x[i] * w[i] for i < 3);
  a = W;  b = V;
  start = sum(a[i] * b[i] for i < 3) fby start;
  u = [x[i % 3] for i < 40];  v = [w[i % 3] for i < 40];
  tree = u @ v;
  g = grad(tree * y, x);
}
""")
    (folder / "in.csv").write_text("x[0],x[1],x[2],w[0],w[1],w[2]\n" + "-0.07,-0.94,-0.1,0.1,0.04,-0.51\n")
    run = lambda engine, *more: says_output(mlrc(folder, engine, "p.mlr", "--input", "in.csv", *more))
    unfused, fused = run("run", "--unfused"), run("run")
    assert all(a != b for a, b in zip(unfused.split()[1].split(",")[:3], fused.split()[1].split(",")[:3])), (unfused, fused)
    assert run("interp", "--unfused") == unfused and run("interp") == fused
    assert run("interp", "--unfused", "--check-gradients") == unfused


def says_output(result):
    assert result[0] == 0, result
    return result[1]


def directions_stand_behind_an_equals_sign(folder):
    """`--check-gradients FILE` checks the file in all directions."""
    (folder / "p.mlr").write_text("node main(x: f64) -> (y, g: f64) { y = x * x; g = grad(y, x); }\n")
    (folder / "in.csv").write_text("x\n1\n2\n")
    for arguments in (["--check-gradients", "p.mlr"], ["p.mlr", "--check-gradients"], ["--check-gradients=3", "p.mlr"]):
        code, out, error = mlrc(folder, "interp", *arguments, "--input", "in.csv")
        assert code == 0 and "the derivative agrees" in error, (arguments, code, out, error)
    for count in ("", "0", "-2", "x", "2x", "1.5", "99999999999999999999"):
        error = says(folder, 1, f"takes a number of directions, 1 or more, not `{count}`", "interp", "p.mlr", f"--check-gradients={count}")
        assert error.count("\n") == 1, error


def mixed_precision_is_compared_as_its_coarsest_type(folder):
    """f64 outside, f32 inside: R20.8."""
    (folder / "p.mlr").write_text("node main(x: f64[3]) -> (g: f64[3]) { y = f32(x); z = sin(y) * exp(y); g = grad(f64(sum(z * z)), x); }\n")
    (folder / "in.csv").write_text("x[0],x[1],x[2]\n0.1,0.7,1.3\n")
    code, _, error = mlrc(folder, "interp", "p.mlr", "--check-gradients", "--input", "in.csv")
    assert code == 0 and "the derivative agrees" in error, (code, error)


def checking_derivatives_changes_no_output(folder):
    """R20.8: derivatives are rounded as without the check, and each warning is said once."""
    (folder / "p.mlr").write_text("""import nn;
node main(x: f32[4, 3], u: f32[4]) -> (d: f32[4, 3]) {
  scan t < 4 { q = final [nn.cross_entropy(x[t] + f32(i), i32(u[t]) + i) for i < 3]; }
  d = grad(sum(q), x);
  jac = [grad(q[a], u) for a < 3];
}
""")
    names = [f'"x[{t},{i}]"' for t in range(4) for i in range(3)] + [f"u[{t}]" for t in range(4)]
    rows = [",".join(f"{((k * 16 + i) * 37 % 101) / 40 - 1.25:.3f}" for i in range(16)) for k in range(50)]
    (folder / "in.csv").write_text("\n".join([",".join(names), *rows]) + "\n")
    outputs = []
    for more in ([], ["--check-gradients"]):
        code, out, error = mlrc(folder, "interp", "p.mlr", "--input", "in.csv", *more)
        assert code == 0 and error.count("warning[") == 1, (code, error)
        outputs.append(out)
    assert outputs[0] == outputs[1]


def budgets_are_of_the_commands_that_compile(folder):
    """What no command would keep to is not taken: R14.17."""
    (folder / "p.mlr").write_text("node main() -> (y: f32) { y = 1 + (0 fby y); }\n")
    for command in ("check", "interp"):
        says(folder, 1, "--ram", command, "p.mlr", "--ram=64K")
    for command in ("run", "build", "report"):
        says(folder, 0, "", command, "p.mlr", "--ram=64K")
        says(folder, 1, "takes bytes, such as", command, "p.mlr", "--ram=64Q")
        says(folder, 1, "do not fit into 1 bytes", command, "p.mlr", "--ram=1")


def files_are_named_after_the_node(folder):
    (folder / "p.mlr").write_text(PRODUCT)
    for emit in ("mlr-ir", "mlir", "llvm", "obj", "c"):
        says(folder, 0, "", "build", "p.mlr", f"--emit={emit}", "-o", emit)
        assert all(f.stem.startswith("main") for f in (folder / emit).iterdir()), emit


def the_sign_of_a_negated_fma_is_kept(folder):
    """One instruction of Arm that negates the operands gives an exact 0 the other sign."""
    (folder / "p.mlr").write_text("node main(x, y, z: f32) -> (o: f32) { o = -fma(x, y, z); }\n")
    for target, cpu in [("thumbv7em-none-eabihf", "cortex-m4"), ("aarch64-linux-gnu", "cortex-a72")]:
        says(folder, 0, "", "build", "p.mlr", "--emit=llvm", f"--target={target}", f"--cpu={cpu}")
        assert "llvm.arithmetic.fence" in (folder / "main.ll").read_text(), target



def small_processors_need_no_roundeven(folder):
    """Their C libraries have none."""
    (folder / "p.mlr").write_text("node main(x: f32, y: f64) -> (o: f32, p: f64) { o = round(x); p = round(y); }\n")
    says(folder, 0, "", "build", "p.mlr", "--emit=llvm", "--target=thumbv7em-none-eabihf", "--cpu=cortex-m4")
    assert "roundeven" not in (folder / "main.ll").read_text()


def main():
    cases = [f for name, f in globals().items() if callable(f) and getattr(f, "__module__", "") == "__main__"
             and name not in ("main", "mlrc", "says", "says_output")]
    failed = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(pathlib.Path(folder))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED {case.__name__}: {error}\n")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
