"""Runs one program in every engine: interpreter, JIT, generated C under gcc and clang. Used by the examples and the
end-to-end tests."""
import ctypes
import json
import pathlib
import subprocess
import tempfile

import numpy as np

C_FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-fPIC", "-shared"]
DTYPES = {"bool": np.bool_, "f16": np.float16, "bf16": np.uint16, "f32": np.float32, "f64": np.float64,
          "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
          "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64}


class EngineError(Exception):
    pass


def mlrc_run(mlrc, engine, program, node=None, params=None, inputs=(), steps=None, extra=()):
    """Outputs as a dict of arrays, leading axis the instant. engine: 'run' or 'interp'."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.npz"
        command = [str(mlrc), engine, str(program), "--output", str(out), "--quiet", *extra]
        if node:
            command += ["--node", node]
        for key, value in (params or {}).items():
            command += ["--param", f"{key}={value}"]
        for i in inputs:
            command += ["--input", str(i)]
        if steps is not None:
            command += ["--steps", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
        with np.load(out) as z:
            return {k: z[k] for k in z.files}


def build_c(mlrc, program, folder, compiler="gcc", node=None, params=None, flags=(), extra=()):
    """Generates C, compiles it without warnings and returns (library, description)."""
    folder = pathlib.Path(folder)
    command = [str(mlrc), "build", str(program), "--emit=c", "-o", str(folder), *extra]
    if node:
        command += ["--node", node]
    for key, value in (params or {}).items():
        command += ["--param", f"{key}={value}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
    description = json.loads(next(folder.glob("*.json")).read_text())
    library = folder / f"lib{compiler.replace('/', '_')}.so"
    sources = sorted(str(p) for p in folder.glob("*.c")) + sorted(str(p) for p in folder.glob("*.S"))
    command = [compiler, *C_FLAGS, *flags, "-o", str(library), *sources, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}\n{done.stderr[:4000]}")
    return library, description


def build_shared(mlrc, program, folder, cpu, node=None, params=None, extra=()):
    """Generates object code for a processor of this machine's kind; returns (library, description)."""
    folder = pathlib.Path(folder)
    command = [str(mlrc), "build", str(program), "--emit=shared", f"--cpu={cpu}", "-o", str(folder), *extra]
    if node:
        command += ["--node", node]
    for key, value in (params or {}).items():
        command += ["--param", f"{key}={value}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
    return next(folder.glob("lib*.so")), json.loads(next(folder.glob("*.json")).read_text())


class CInstance:
    """An instance of a node in a shared library, on memory that is poisoned before use."""

    def __init__(self, library, description):
        self.lib = ctypes.CDLL(str(library))
        self.d = description
        name = description["node"]
        self.step_function = getattr(self.lib, f"{name}_step")
        self.memory = {k: self._allocate(description[k]["bytes"]) for k in ("state", "scratch", "in", "out")}
        getattr(self.lib, f"{name}_reset")(ctypes.c_void_p(self.address("state")))

    @staticmethod
    def _allocate(size, alignment=64):
        raw = np.full(max(size, 1) + alignment, 0xA5, dtype=np.uint8)
        start = -raw.ctypes.data % alignment
        return raw[start:start + max(size, 1)]

    def address(self, space):
        return self.memory[space].ctypes.data

    def step(self, values):
        for field in self.d["in"]["fields"]:
            data = np.ascontiguousarray(values[field["name"]], dtype=DTYPES[field["type"]]).tobytes()
            self.memory["in"][field["offset"]:field["offset"] + len(data)] = np.frombuffer(data, np.uint8)
        self.memory["scratch"][:] = 0xA5
        self.step_function(*(ctypes.c_void_p(self.address(k)) for k in ("state", "scratch", "in", "out")))
        out = {}
        for field in self.d["out"]["fields"]:
            dtype = np.dtype(DTYPES[field["type"]])
            count = int(np.prod(field["shape"], dtype=np.int64))
            raw = self.memory["out"][field["offset"]:field["offset"] + count * dtype.itemsize].tobytes()
            value = np.frombuffer(raw, dtype)
            if field["type"] == "bf16":  # .npz files hold bfloat16 as f32
                value = (value.astype(np.uint32) << 16).view(np.float32)
            out[field["name"]] = value.reshape(field["shape"])
        return out


def c_run(library, description, streams, steps):
    """Feeds `steps` instants of `streams` (leading axis the instant); outputs as mlrc_run."""
    instance = CInstance(library, description)
    rows = [instance.step({f["name"]: streams[f["name"]][t] for f in description["in"]["fields"]}) for t in range(steps)]
    return {f["name"]: np.array([r[f["name"]] for r in rows], dtype=np.float32 if f["type"] == "bf16" else DTYPES[f["type"]]).reshape([steps, *f["shape"]])
            for f in description["out"]["fields"]}


def same_bits(a, b):
    """Equality to the bit, all NaNs being one value, +0 and -0 two."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    unsigned = np.dtype(f"u{a.dtype.itemsize}")
    return bool(np.all((a.view(unsigned) == b.view(unsigned)) | (np.isnan(a) & np.isnan(b))))


def first_difference(a, b):
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{a.dtype}{list(a.shape)} against {b.dtype}{list(b.shape)}"
    for index in np.ndindex(a.shape):
        if not same_bits(a[index][None], b[index][None]):
            return f"at {list(index)}: {a[index]!r} against {b[index]!r}"
    return "none"
