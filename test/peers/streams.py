"""Random inputs, and the peers' C and MLR's three engines run over them. A stream is a list of numpy arrays, one for each leaf of
the variables in order: int64 or float64, the leading axis the instant."""
import json
import os
import re
import subprocess

import numpy as np

from names import mangle

REALS = {"float", "real", "float32", "float64"}
WORD = {"int": np.int32, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64, "uint8": np.uint8,
        "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64}
C_FLAGS = ["-std=gnu99", "-O1", "-w", "-fwrapv", "-ffp-contract=off", "-lm"]


class Failure(Exception):
    pass


def run(command, timeout=120, **options):
    try:
        return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{os.path.basename(str(command[0]))} {command[1] if len(command) > 1 else ''}: not done after {timeout} s") from None


class Shapes:
    """The leaves of types: what each scalar of a variable is."""

    def __init__(self, writer):
        self.w, self.info = writer, writer.info

    def leaves(self, type_):
        """[(steps, base)]: steps are ('index', size) and ('field', name)."""
        t = self.info.resolve(type_)
        if isinstance(t, tuple):
            size = self.w.constant(t[2])
            if size is None:
                raise Failure("an axis of unknown size")
            return [([("index", size)] + s, b) for s, b in self.leaves(t[1])]
        d = self.w.p.types.get(t)
        if d and d[0] == "record":
            return [([("field", f)] + s, b) for f, ft in d[1] for s, b in self.leaves(ft)]
        return [([], t)]

    def of(self, variables):
        return [(v, steps, base) for v in variables for steps, base in self.leaves(v.type)]

    def dims(self, steps):
        return [n for kind, n in steps if kind == "index"]

    def mlr_name(self, v, steps):
        return ".".join([mangle(v.name)] + [mangle(n) for kind, n in steps if kind == "field"])

    def random(self, variables, steps, rng):
        out = []
        for v, path, base in self.of(variables):
            shape = (steps, *self.dims(path))
            d = self.w.p.types.get(base)
            if base == "bool":
                # Long and short runs of both values, so that states are reached and left.
                p = rng.choice([0.05, 0.2, 0.5, 0.8, 0.95], size=(steps // 40 + 1, *shape[1:])).repeat(40, axis=0)[:steps]
                out.append((rng.random(shape) < p).astype(np.int64))
            elif d and d[0] == "enum":
                out.append(rng.integers(0, len(d[1]), shape))
            elif base in REALS:
                scale = rng.choice([1.0, 10.0, 1000.0], size=shape)
                x = np.where(rng.random(shape) < 0.3, np.round(rng.normal(size=shape) * 4) / 4, rng.normal(size=shape) * scale)
                out.append(x.astype(np.float32).astype(np.float64) if self.real(base) == "f32" else x)
            else:
                word = np.iinfo(WORD.get(base, np.int32))
                kind = rng.random(shape)
                x = np.where(kind < 0.7, rng.integers(-3, 13, shape), rng.integers(-130, 131, shape))
                wide = rng.integers(word.min, word.max, shape, dtype=np.int64 if word.max <= 2**63 - 1 else np.uint64, endpoint=True)
                x = np.where(kind < 0.97, x, wide.astype(np.int64))
                out.append(np.maximum(x, 0) % (int(word.max) + 1) if word.min == 0 else np.clip(x, word.min, word.max))
        return out

    def real(self, base):
        return {"float32": "f32", "float64": "f64"}.get(base, self.w.real)


def words(streams, steps):
    """One row an instant, 8 bytes a scalar."""
    rows = [s.reshape(steps, -1).astype(np.float64 if s.dtype.kind == "f" else np.int64).view(np.int64) for s in streams]
    return np.concatenate(rows, axis=1) if rows else np.zeros((steps, 0), np.int64)


def unwords(data, leaves, shapes):
    """The streams in the rows that a driver wrote."""
    widths = [int(np.prod(shapes.dims(path))) for _, path, _ in leaves]
    rows = np.frombuffer(data[:len(data) // 8 * 8], np.int64)
    n = rows.size // max(1, sum(widths))
    rows = rows[:n * sum(widths)].reshape(n, sum(widths))
    out, at = [], 0
    for (_, path, base), width in zip(leaves, widths):
        x = np.ascontiguousarray(rows[:, at:at + width])
        out.append((x.view(np.float64) if base in REALS else x).reshape(n, *shapes.dims(path)))
        at += width
    return out


DRIVER = """#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
{include}
static int64_t *row, *put, *get;
#define GET_I(x) (x) = *get++
#define GET_F(x) do {{ double t_; memcpy(&t_, get++, 8); (x) = t_; }} while (0)
#define PUT_I(x) *put++ = (x)
#define PUT_F(x) do {{ double t_ = (x); memcpy(put++, &t_, 8); }} while (0)
{state}
int main(int argc, char **argv) {{
  long steps = atol(argv[1]), times = argc > 2 ? atol(argv[2]) : 0;
  FILE *to = fdopen(dup(1), "wb"); /* the program may print */
  if (!to || !freopen("/dev/null", "w", stdout)) return 8;
  int64_t *all = calloc(steps * {wide_in} + 1, 8), *result = calloc({wide_out} + 1, 8);
  if (fread(all, 8, steps * {wide_in}, stdin) != (size_t)steps * {wide_in}) return 9;
  {reset}
  for (long i = 0; i < steps; ++i) {{
    get = all + i * {wide_in}; put = result;
    {read}
    {step}
    {write}
    fwrite(result, 8, {wide_out}, to);
    fflush(to);
  }}
  if (times) {{
    struct timespec a, b;
    double best = 1e30;
    for (int round = 0; round < 5; ++round) {{
      clock_gettime(CLOCK_MONOTONIC, &a);
      for (long i = 0; i < times; ++i) {{
        get = all + i % steps * {wide_in};
        {read}
        {step}
        __asm__ volatile("" ::: "memory");
      }}
      clock_gettime(CLOCK_MONOTONIC, &b);
      double s = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) * 1e-9;
      if (s < best) best = s;
    }}
    fprintf(stderr, "%.3f %ld\\n", best * 1e9 / times, (long){size});
  }}
  return 0;
}}
"""


def loops(leaf, lvalue, action):
    """C that reads or writes every scalar of a leaf."""
    _, path, base = leaf
    text, depth = lvalue, 0
    head = ""
    for kind, n in path:
        if kind == "index":
            head += f"for (int i{depth} = 0; i{depth} < {n}; ++i{depth}) "
            text += f"[i{depth}]"
            depth += 1
        else:
            text += "." + n
    return f"{head}{action}_{'F' if base in REALS else 'I'}({text});"


class Peer:
    """A node in the C that Heptagon's compiler made."""

    def __init__(self, folder, module, shapes, library, beside):
        self.folder, self.module, self.shapes, self.library, self.beside = folder, module, shapes, library, beside
        header = next(folder.glob(f"{module.lower()}_c/{module.lower()}.h"), None) or \
            next(p for p in folder.glob("*_c/*.h") if p.stem.lower() == module.lower())
        self.header = header
        self.text = header.read_text()

    def c_type(self, type_):
        t, dims = self.shapes.info.resolve(type_), ""
        while isinstance(t, tuple):
            dims += f"[{self.shapes.w.constant(t[2])}]"
            t = t[1]
        if t in ("int", "bool", "int32"):
            return "int", dims
        if t in REALS:
            return "float", dims
        return (t.replace(".", "__") if "." in t else f"{self.module}__{t}"), dims

    def build(self, node, flags, out):
        own = "".join(c if c.isalnum() or c == "_" else f"_lex{ord(c)}_" for c in node.name)
        own = "_".join(x for x in own.split("_") if x) + ("_" if own.endswith("_") else "") if own != node.name else own
        prefix = f"{self.module}__{own}"
        m = re.search(rf"void {re.escape(prefix)}_step\(([^)]*)\);", self.text)
        if not m:
            raise Failure("no such function in the peer's C")
        stateful = "* self" in m.group(1)
        fields = re.search(rf"typedef struct {re.escape(prefix)}_out {{(.*?)}} {re.escape(prefix)}_out;", self.text, re.S).group(1)
        names = re.findall(r"(\w+)(?:\[\d+\])*;", fields)
        ins, declarations, args = self.shapes.of(node.inputs), [], []
        for i, v in enumerate(node.inputs):
            c, dims = self.c_type(v.type)
            declarations.append(f"static {c} in{i}{dims};")
            args.append(f"in{i}")
        declarations.append(f"static {prefix}_out out;")
        args.append("&out")
        if stateful:
            declarations.append(f"static {prefix}_mem mem;")
            args.append("&mem")
        where = {id(v): f"in{i}" for i, v in enumerate(node.inputs)}
        where.update({id(v): f"out.{n}" for v, n in zip(node.outputs, names)})
        outs = self.shapes.of(node.outputs)
        count = [sum(int(np.prod(self.shapes.dims(p))) for _, p, _ in x) for x in (ins, outs)]
        text = DRIVER.format(include=f'#include "{self.header.name}"', state="\n".join(declarations), wide_in=count[0], wide_out=count[1],
                             reset=f"{prefix}_reset(&mem);" if stateful else "", step=f"{prefix}_step({', '.join(args)});",
                             read=" ".join(loops(x, where[id(x[0])], "GET") for x in ins),
                             write=" ".join(loops(x, where[id(x[0])], "PUT") for x in outs), size="sizeof mem" if stateful else "0")
        source = out.with_suffix(".peer.c")
        source.write_text(text)
        sources = [p for p in self.folder.glob("*_c/*.c") if p.name != "_main.c"]
        includes = [f"-I{p}" for p in {s.parent for s in sources}]
        if "mathlib.h" in self.text:
            sources.append(self.library / "mathlib.c")
        generated = "".join(p.read_text() for p in self.folder.glob("*_c/*.h"))
        sources += [p for p in self.beside.glob("*.c") if f'"{p.stem}.h"' in generated]
        includes.insert(0, f"-I{self.beside}")   # headers written by hand, not those made from interfaces
        # What a controller would decide, which nobody synthesised, is false in both languages.
        free = {v.name for n in self.shapes.w.p.nodes.values() if n.contract for v in n.contract.controllables}
        header = out.with_suffix(".free.h")
        header.write_text("".join(f"static int {name};\n" for name in sorted(free)))
        includes += ["-include", str(header)]
        done = run(["gcc", source, *sources, *includes, f"-I{self.library}", "-o", out, *C_FLAGS, *flags])
        if done.returncode:
            raise Failure("the peer's C does not compile: " + next((x for x in done.stderr.splitlines() if "error" in x), "")[-160:])


def build_mlr(mlrc, program, node, shapes, out, c_name, optimise="-O1"):
    """MLR's C with a driver; the size of the state."""
    folder = out.with_suffix(".c")
    done = run([mlrc, "build", program, "--node", c_name, "--emit=c", "-o", folder])
    if done.returncode:
        raise Failure("mlrc build: " + done.stderr.strip()[:300])
    layout = json.loads((folder / f"{c_name}.json").read_text())
    ins, outs = shapes.of(node.inputs), shapes.of(node.outputs)

    def accesses(leaves, side, struct, action):
        clocked = {mangle(v.name) + "_present" for v, _, _ in leaves if v.clock}
        fields = [f for f in layout[side]["fields"] if not (side == "out" and f["name"] in clocked)]
        lines = []
        if len(fields) != len(leaves):
            raise Failure(f"{len(fields)} fields in the layout, {len(leaves)} expected")
        for (v, path, base), f in zip(leaves, fields):
            ctype = {"bool": "bool", "f32": "float", "f64": "double"}.get(f["type"]) or \
                ("u" if f["type"][0] == "u" else "") + f"int{f['type'][1:]}_t"
            n = int(np.prod(f["shape"]))
            lines.append(f"for (int i = 0; i < {n}; ++i) {action}_{'F' if base in REALS else 'I'}"
                         f"((({ctype} *)((char *)&{struct} + {f['offset']}))[i]);")
        return " ".join(lines)

    count = [sum(int(np.prod(shapes.dims(p))) for _, p, _ in x) for x in (ins, outs)]
    c = c_name
    text = DRIVER.format(include=f'#include <stdbool.h>\n#include "{c}.h"', wide_in=count[0], wide_out=count[1],
                         state=f"static {c}_state mem; static {c}_scratch scratch; static {c}_in in; static {c}_out out;",
                         reset=f"{c}_reset(&mem);", step=f"{c}_step(&mem, &scratch, &in, &out);",
                         read=accesses(ins, "in", "in", "GET"), write=accesses(outs, "out", "out", "PUT"), size="sizeof mem")
    source = out.with_suffix(".main.c")
    source.write_text(text)
    done = run(["gcc", source, folder / f"{c}.c", *folder.glob("*.s"), *folder.glob("*.S"), f"-I{folder}", "-o", out, *C_FLAGS, optimise])
    if done.returncode:
        raise Failure("MLR's C does not compile: " + done.stderr.strip()[:300])
    return layout["state"]["bytes"]


def execute(binary, streams, steps, outs, shapes, timeout=60):
    """Output streams; shorter than `steps` where the program died, with the signal."""
    try:
        done = subprocess.run([str(binary), str(steps)], input=words(streams, steps).tobytes(), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failure(f"{binary.suffix[1:] or 'peer'}: not done after {timeout} s") from None
    return unwords(done.stdout, outs, shapes), done.returncode


def speed(binary, streams, steps, times):
    """Nanoseconds an instant and bytes of state; nothing of a program that dies on these streams."""
    done = subprocess.run([str(binary), str(steps), str(times)], input=words(streams, steps).tobytes(), capture_output=True, timeout=300)
    if done.returncode: return None
    ns, size = done.stderr.split()[-2:]
    return float(ns), int(size)


def presence(variables, known, steps):
    """For each variable the instants at which it is present; known: streams by name of the source."""
    by_name = {v.name: v for v in variables}
    masks = {}

    def of(v, depth=0):
        if v.name in masks:
            return masks[v.name]
        if not v.clock or depth > 20:
            return np.ones(steps, bool)
        c, x = v.clock[-1]
        value, number = known[x], {"false": 0, "true": 1}.get(c, c)
        mask = value == number if not isinstance(number, str) else value == known["#" + c]
        if x in by_name:
            mask = mask & of(by_name[x], depth + 1)
        masks[v.name] = mask
        return mask
    return {v.name: of(v) for v in variables}


def mlr_engine(mlrc, engine, program, c_name, node, streams, masks, steps, shapes, work, timeout=60):
    """Outputs of `run` or `interp`, with zeros where an output is absent."""
    arrays = {}
    for (v, path, base), s in zip(shapes.of(node.inputs), streams):
        s = s[masks[v.name]]
        real = {"f32": np.float32, "f64": np.float64}.get(shapes.real(base) if base in REALS else "")
        arrays[shapes.mlr_name(v, path)] = s.astype(np.bool_ if base == "bool" else real or WORD.get(base, np.int32))
    out = work / f"{engine}.npz"
    command = [mlrc, engine, program, "--node", c_name, "--steps", str(steps), "--output", out, "--quiet"]
    if arrays:
        np.savez(work / "in.npz", **arrays)
        command += ["--input", work / "in.npz"]
    done = run(command, timeout)
    if done.returncode:
        raise Failure(f"mlrc {engine}: " + done.stderr.strip()[:300])
    result = []
    with np.load(out) as z:
        for v, path, base in shapes.of(node.outputs):
            x = z[shapes.mlr_name(v, path)]
            x = x.astype(np.float64 if base in REALS else np.int64)
            full = np.zeros((steps, *shapes.dims(path)), x.dtype)
            if x.shape[0] != int(masks[v.name].sum()):
                raise Failure(f"mlrc {engine}: {v.name} has {x.shape[0]} instants, {int(masks[v.name].sum())} expected")
            full[masks[v.name]] = x
            result.append(full)
    return result


def difference(a, b, leaves, masks, limit):
    """The first difference in the first `limit` instants, as text."""
    for (v, _, base), x, y in zip(leaves, a, b):
        m = masks[v.name][:limit]
        x, y = x[:limit][m], y[:limit][m]
        if x.shape != y.shape:
            return f"{v.name}: {x.shape[0]} and {y.shape[0]} instants"
        bad = x != y if base not in REALS else (x.view(np.int64) != y.view(np.int64)) & ~(np.isnan(x) & np.isnan(y))
        if bad.any():
            at = tuple(int(i[0]) for i in np.nonzero(bad))
            return f"{v.name}: {y[at]}, not {x[at]}, at its instant {at[0]}"
    return None
