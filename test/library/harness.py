"""Runs a test program of the library in the interpreter, the JIT and generated C, which must agree to the bit, and compares outputs
with references. A module of checks (NAME_check.py) has a dict AGAINST, from each public node of std/NAME.mlr to what it is compared
with, and a function check(library)."""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "cortex"))
import cortex  # noqa: E402
import engines  # noqa: E402

T = 60  # instants


class Library:
    def __init__(self, mlrc, module, against, compiler="gcc", board=None):
        """board: cortex-m4 or cortex-m7, which then runs the first two instants too."""
        self.mlrc, self.module, self.against, self.compiler, self.board = mlrc, module, against, compiler, board
        self.failures, self.checked = [], set()
        self.rng = np.random.default_rng(7)

    def normal(self, *shape, dtype="f8", same=False, instants=T):
        """Random streams; `same`: one value at all instants."""
        x = self.rng.standard_normal((1 if same else instants,) + shape).astype(dtype)
        return np.repeat(x, instants, 0) if same else x

    def run(self, inputs, node="main", interp_steps=None):
        """Outputs of the JIT. The interpreter runs the first `interp_steps` instants (by default all), C all of them."""
        program = HERE / f"{self.module}_test.mlr"
        steps = len(next(iter(inputs.values()))) if inputs else 1
        n = steps if interp_steps is None else interp_steps
        with tempfile.TemporaryDirectory() as d:
            files = []
            if inputs:
                np.savez(f"{d}/in.npz", **inputs)
                files = [f"{d}/in.npz"]
            jit = engines.mlrc_run(self.mlrc, "run", program, node=node, inputs=files, steps=steps)
            others = {"interpreter": engines.mlrc_run(self.mlrc, "interp", program, node=node, inputs=files, steps=n)}
            library, description = engines.build_c(self.mlrc, program, d, self.compiler, node=node)
            others["C"] = engines.present_only(engines.c_run(library, description, inputs, steps))
            if self.board:
                with tempfile.TemporaryDirectory() as b:
                    outputs = cortex.run(self.mlrc, program, pathlib.Path(b), self.board, inputs, min(steps, 2), node=node)
                    print(f"  {self.module}.{node}: {'does not fit' if outputs is None else 'runs on'} {self.board}")
                    others[self.board] = engines.present_only(outputs or {})
        for engine, outputs in others.items():
            for name, value in outputs.items():
                if not engines.same_bits(value, jit[name][:len(value)]):
                    self.failures.append(f"{self.module}.{node}: {name} of JIT and {engine} differ "
                                         + engines.first_difference(value, jit[name][:len(value)]))
        return jit

    def expect(self, what, value, reference, tolerance):
        """The largest error, relative to the largest element of the reference where that is above 1, is at most the tolerance. `what`
        begins with the name of the node."""
        name = what.split(",")[0].split(" ")[0]
        if name not in self.against:
            self.failures.append(f"{self.module}: {name} is no node of AGAINST")
        self.checked.add(name)
        value, reference = np.asarray(value, "f8"), np.asarray(reference, "f8")
        if value.shape != reference.shape:
            self.failures.append(f"{self.module}.{what}: shape {value.shape}, reference {reference.shape}")
            return
        if not np.array_equal(np.isfinite(value), np.isfinite(reference)):
            self.failures.append(f"{self.module}.{what}: finite where the reference is not, or the other way round")
            return
        ok = np.isfinite(reference)
        error = np.abs(value[ok] - reference[ok]).max(initial=0) / max(1.0, np.abs(reference[ok]).max(initial=0))
        if os.environ.get("VERBOSE"):
            print(f"  {self.module}.{what}: {error:.3g} of {tolerance:g}")
        if not error <= tolerance:
            self.failures.append(f"{self.module}.{what}: off by {error:.3g}, allowed {tolerance:.3g}")

    def require(self, what, condition, message):
        self.checked.add(what)
        if not condition:
            self.failures.append(f"{self.module}.{what}: {message}")

    def refuse(self, what, text, kind="invalid-size"):
        """A program with this main is refused with that error, in the node `what`."""
        self.checked.add(what)
        with tempfile.TemporaryDirectory() as d:
            program = pathlib.Path(d) / "refused.mlr"
            program.write_text(f"import {self.module};\n{text}\n")
            done = subprocess.run([str(self.mlrc), "check", str(program)], capture_output=True, text=True)
        if done.returncode == 0 or f"error[{kind}]" not in done.stderr or f"in this instance: {what}<<" not in done.stderr:
            self.failures.append(f"{self.module}.{what}: {text} is not refused with {kind}: {done.stderr}")
