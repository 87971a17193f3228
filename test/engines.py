"""Runs one program in every engine: interpreter, JIT, generated C under gcc and clang. Used by the examples and the
end-to-end tests."""
import ctypes
import json
import pathlib
import subprocess
import tempfile
import wave

import numpy as np

# What generated C promises of itself (R15.4).
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wdouble-promotion", "-Wshadow", "-Wundef",
            "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-align", "-Wcast-qual", "-Werror"]
C_FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-fPIC", "-shared"]
DTYPES = {"bool": np.bool_, "f16": np.float16, "bf16": np.uint16, "f32": np.float32, "f64": np.float64,
          "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
          "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64}


class EngineError(Exception):
    pass


def mlrc_run(mlrc, engine, program, node=None, params=None, inputs=(), steps=None, extra=(), timeout=300, reports=False):
    """Outputs as a dict of arrays, leading axis the instant; with `reports` also what `--checks` reports, as a string. engine: 'run' or 'interp'. A run of more than `timeout` seconds
    is an EngineError: a compiler that does not end is a failure of that program, not of the whole test."""
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
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise EngineError(f"{' '.join(command)}\nnot done after {timeout} s") from None
        if done.returncode != 0:
            raise EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
        with np.load(out) as z:
            found = {k: z[k] for k in z.files}
        if reports and "--checks" in extra: found["reports"] = done.stderr
        return found


def mlrc_print(mlrc, program, stage):
    """What a stage hands on, as text."""
    done = subprocess.run([str(mlrc), "build", str(program), f"--after={stage}"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise EngineError(f"{program} --after={stage}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


# Each struct in a heap block of exactly its size, so that the address sanitizer sees any access beside it. All memory is
# poisoned; scratch is another block at every step.
SANITIZED_MAIN = """#include "{node}.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *poisoned(size_t size) {{
  void *memory = malloc(size);
  if (!memory) exit(3);
  return memset(memory, 0xA5, size);
}}

int main(int argc, char **argv) {{
  long steps = argc > 1 ? atol(argv[1]) : 0;
  {node}_state *state = poisoned(sizeof *state);
  {node}_reset(state);
  for (long t = 0; t < steps; ++t) {{
    {node}_in *in = poisoned(sizeof *in);
    {node}_scratch *scratch = poisoned(sizeof *scratch);
    {node}_out *out = poisoned(sizeof *out);
    if (fread(in, 1, {inbytes}, stdin) != {inbytes}) return 4;
    {node}_step(state, scratch, in, out);
    fwrite(out, 1, {outbytes}, stdout);
    free(in);
    free(scratch);
    free(out);
  }}
  free(state);
  return 0;
}}
"""
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"]


def foreign(description, beside):
    """Arguments of a C compiler for files with C functions that generated code calls, which may include its header as GENERATED."""
    return [f'-DGENERATED="{description["node"]}.h"', *(str(pathlib.Path(f).resolve()) for f in beside)] if beside else []


def sanitized_run(mlrc, program, folder, compiler, streams, steps, node=None, extra=(), beside=()):
    """The generated C as a program of its own under the address and undefined behaviour sanitizers, with the C files `beside`; outputs as mlrc_run."""
    folder = pathlib.Path(folder)
    description, sources = generate_c(mlrc, program, folder, node, None, extra)
    own = folder / "sanitized"
    own.mkdir(exist_ok=True)
    main = own / "main.c"
    main.write_text(SANITIZED_MAIN.format(node=description["node"], inbytes=f"(size_t){description['in']['bytes']}",
                                          outbytes=f"(size_t){description['out']['bytes']}"))
    binary = own / "main"
    command = [compiler, *[f for f in C_FLAGS if f not in ("-O2", "-fPIC", "-shared")], "-O1", *SANITIZERS, "-iquote", str(folder), "-o", str(binary),
               str(main), *sources, *foreign(description, beside), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}\n{done.stderr[:4000]}")
    blocks = []
    for t in range(steps):
        block = np.zeros(description["in"]["bytes"], np.uint8)
        for f in description["in"]["fields"]:
            data = np.ascontiguousarray(streams[f["name"]][t], dtype=DTYPES[f["type"]]).tobytes()
            block[f["offset"]:f["offset"] + len(data)] = np.frombuffer(data, np.uint8)
        blocks.append(block.tobytes())
    done = subprocess.run([str(binary), str(steps)], input=b"".join(blocks), capture_output=True, timeout=300)
    if done.returncode != 0:
        raise EngineError(f"sanitized: exit code {done.returncode}\n{done.stderr.decode(errors='replace')[:4000]}")
    size = description["out"]["bytes"]
    rows = [read_fields(description, np.frombuffer(done.stdout[t * size:(t + 1) * size], np.uint8)) for t in range(steps)]
    return stacked(description, rows, steps)


def load_streams(path, description):
    """By name; a recording is the only input, in blocks of its size."""
    if path.suffix != ".wav":
        with np.load(path) as streams:
            return dict(streams)
    port = description["in"]["fields"][0]
    with wave.open(str(path)) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    block = int(np.prod(port["shape"], dtype=int))
    return {port["name"]: samples[:len(samples) // block * block].reshape([-1] + port["shape"])}


def generate_c(mlrc, program, folder, node=None, params=None, extra=()):
    """Generates C; (description, sources)."""
    command = [str(mlrc), "build", str(program), "--emit=c", "-o", str(folder), *extra]
    if node:
        command += ["--node", node]
    for key, value in (params or {}).items():
        command += ["--param", f"{key}={value}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise EngineError(f"{' '.join(command)}\nnot done after 300 s") from None
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
    description = json.loads(next(folder.glob("*.json")).read_text())
    return description, sorted(str(p) for p in folder.glob("*.c")) + sorted(str(p) for p in folder.glob("*.S"))


def build_c(mlrc, program, folder, compiler="gcc", node=None, params=None, flags=(), extra=(), beside=()):
    """Generates C, compiles it, and the C files `beside`, without warnings and returns (library, description)."""
    folder = pathlib.Path(folder)
    description, sources = generate_c(mlrc, program, folder, node, params, extra)
    library = folder / f"lib{compiler.replace('/', '_')}.so"
    command = [compiler, *C_FLAGS, *flags, "-iquote", str(folder.resolve()), "-o", str(library.resolve()),
               *(str(pathlib.Path(s).resolve()) for s in sources), *foreign(description, beside), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)  # large constants are included from there
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
        return read_fields(self.d, self.memory["out"])


def read_fields(description, memory):
    """The outputs of one instant, from the bytes of NODE_out."""
    out = {}
    for field in description["out"]["fields"]:
        dtype = np.dtype(DTYPES[field["type"]])
        count = int(np.prod(field["shape"], dtype=np.int64))
        value = np.frombuffer(memory[field["offset"]:field["offset"] + count * dtype.itemsize].tobytes(), dtype)
        if field["type"] == "bf16":  # .npz files hold bfloat16 as f32
            value = (value.astype(np.uint32) << 16).view(np.float32)
        out[field["name"]] = value.reshape(field["shape"])
    return out


def stacked(description, rows, steps):
    return {f["name"]: np.array([r[f["name"]] for r in rows], dtype=np.float32 if f["type"] == "bf16" else DTYPES[f["type"]]).reshape([steps, *f["shape"]])
            for f in description["out"]["fields"]}


def present_only(outputs):
    """Outputs of generated code as files hold them: those of slower clocks at their present instants, without the flags."""
    flags = {k: v.astype(bool) for k, v in outputs.items() if k.endswith("_present") and k[:-8] in outputs}
    return {k: v[flags[f"{k}_present"]] if f"{k}_present" in flags else v for k, v in outputs.items() if k not in flags}


def c_run(library, description, streams, steps):
    """Feeds `steps` instants of `streams` (leading axis the instant); outputs as mlrc_run."""
    instance = CInstance(library, description)
    rows = [instance.step({f["name"]: streams[f["name"]][t] for f in description["in"]["fields"]}) for t in range(steps)]
    return stacked(description, rows, steps)


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
