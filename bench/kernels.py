"""Matrix products and matrix times vector, in several spellings, beside NumPy (OpenBLAS) and beside what the core can do:
a loop of fused multiply-adds in registers, and a loop that loads as many bytes as the matrix has."""
import ctypes

import numpy as np

from measure import C_FLAGS, ROOT, build_node, duration, engines, interleaved, python_call, ratio, shell, table

FUSED = 2 * 8192 * 16 * 16  # operations a call of `fused`

# name: (inputs, shape of the constant C, expression, NumPy's); n: the size
PRODUCTS = {
    "`a @ b`": ("a: f32[{n}, {n}], b: f32[{n}, {n}]", "", "a @ b", lambda v: v["a"] @ v["b"]),
    "`a @ C`, `C` constant": ("a: f32[{n}, {n}]", "{n}, {n}", "a @ C", lambda v: v["a"] @ v["C"]),
    "`C @ b`": ("b: f32[{n}, {n}]", "{n}, {n}", "C @ b", lambda v: v["C"] @ v["b"]),
    "`a[i, k] * b[k, j] .. + d[j]`": ("a: f32[{n}, {n}], b: f32[{n}, {n}], d: f32[{n}]", "",
                                      "[sum(a[i, k] * b[k, j] for k < {n}) + d[j] for i < {n}, j < {n}]",
                                      lambda v: v["a"] @ v["b"] + v["d"]),
    "`a[i, k] * b[j, k]`": ("a: f32[{n}, {n}], b: f32[{n}, {n}]", "",
                            "[sum(a[i, k] * b[j, k] for k < {n}) for i < {n}, j < {n}]", lambda v: v["a"] @ v["b"].T),
    "`a[k, i] * b[k, j]`": ("a: f32[{n}, {n}], b: f32[{n}, {n}]", "",
                            "[sum(a[k, i] * b[k, j] for k < {n}) for i < {n}, j < {n}]", lambda v: v["a"].T @ v["b"]),
    "`.. for j, i`": ("a: f32[{n}, {n}], b: f32[{n}, {n}]", "",
                      "[sum(a[i, k] * b[k, j] for k < {n}) for j < {n}, i < {n}]", lambda v: (v["a"] @ v["b"]).T),
    "`a[i, 2 * k] * b[k, j]`": ("a: f32[{n}, 2 * {n}], b: f32[{n}, {n}]", "",
                                "[sum(a[i, 2 * k] * b[k, j] for k < {n}) for i < {n}, j < {n}]",
                                lambda v: v["a"][:, ::2] @ v["b"]),
}
VECTORS = {
    "`C @ x`": ("x: f32[{n}]", "4 * {n}, {n}", "C @ x", lambda v: v["C"] @ v["x"]),
    "`w @ x`": ("w: f32[4 * {n}, {n}], x: f32[{n}]", "", "w @ x", lambda v: v["w"] @ v["x"]),
    "`x @ w`": ("w: f32[{n}, 4 * {n}], x: f32[{n}]", "", "x @ w", lambda v: v["x"] @ v["w"]),
}


class Bounds:
    """The two loops of bounds.c."""

    def __init__(self, work, harness):
        path = work / "libbounds.so"
        shell(["clang-22", *C_FLAGS, "-o", path, ROOT / "bench/bounds.c"])
        self.lib, self.harness = ctypes.CDLL(str(path)), harness

    def _memory(self, bytes_read):
        memory = {k: engines.CInstance._allocate(v)
                  for k, v in {"state": 8, "scratch": 8, "in": max(bytes_read, 2048), "out": 1024}.items()}
        memory["state"].view(np.int64)[0] = bytes_read
        memory["in"].view(np.float32)[:] = 0.5
        return memory

    def fused(self):
        return self.harness.step(self.lib.fused, self._memory(0))

    def loads(self, bytes_read):
        return self.harness.step(self.lib.loads, self._memory(bytes_read))


def build(mlrc, work, index, n, spelling):
    """The instance of a spelling, and what NumPy computes with."""
    arguments, constant, expression, peer = (x.format(n=n) if isinstance(x, str) else x for x in spelling)
    random = np.random.default_rng(n)
    values, folder = {}, work / f"kernel_{index}_{n}"
    folder.mkdir(exist_ok=True)
    text = ""
    if constant:
        values["C"] = random.standard_normal([eval(d) for d in constant.split(",")]).astype(np.float32)
        np.savez(folder / "c.npz", c=values["C"])
        text = f'const C: f32[{constant}] = load("c.npz", "c");\n'
    for name, shape in (part.split(": f32") for part in arguments.replace("], ", "]; ").split("; ")):
        values[name] = random.standard_normal([eval(d) for d in shape.strip("[]").split(",")]).astype(np.float32)
    result = ", ".join(map(str, peer(values).shape))
    (folder / "kernel.mlr").write_text(f"{text}node kernel({arguments}) -> (r: f32[{result}]) {{ r = {expression}; }}\n")
    return build_node(mlrc, folder, folder / "kernel.mlr", "kernel"), values, peer


def one(mlrc, work, harness, index, n, spelling, bound, quick):
    instance, values, peer = build(mlrc, work, index, n, spelling)
    got = instance.step({k: v for k, v in values.items() if k != "C"})["r"]
    want = peer({k: v.astype(np.float64) for k, v in values.items()})
    if not np.max(np.abs(got - want)) <= 1e-4 * np.sqrt(n):
        raise SystemExit(f"bench: {spelling[2]}, {n}: results differ by {np.max(np.abs(got - want))}")
    timed = {"MLR": harness.instance(instance), "bound": bound, "NumPy": python_call(lambda: peer(values))}
    return interleaved(timed, 3 if quick else 15, 2 if quick else 8)


def kernels(mlrc, work, harness, quick):
    bounds, rows = Bounds(work, harness), []
    for index, (name, spelling) in enumerate(PRODUCTS.items()):
        for n in (64, 128, 256, 512) if not quick else (64,):
            samples = one(mlrc, work, harness, index, n, spelling, bounds.fused(), quick)
            operations = 2 * n ** 3
            rows.append([name, n, duration(min(samples["MLR"])), f"{operations / min(samples['MLR']):.0f}",
                         f"{FUSED / min(samples['bound']):.0f}",
                         f"{100 * operations / FUSED / ratio(samples, 'MLR', 'bound'):.0f} %",
                         f"{100 * operations / FUSED / ratio(samples, 'NumPy', 'bound'):.0f} %"])
    table("Matrix products, f32, N x N, one core: best time and GFLOP/s, and the median share of the peak measured beside it "
          "(aim 85 %)", ["product", "N", "MLR best", "MLR GFLOP/s", "peak GFLOP/s", "MLR", "NumPy"], rows)
    rows = []
    for index, (name, spelling) in enumerate(VECTORS.items()):
        for n in (32, 64, 128, 256, 512) if not quick else (32,):
            size = 4 * n * n * 4
            samples = one(mlrc, work, harness, f"v{index}", n, spelling, bounds.loads(size), quick)
            rows.append([name, n, f"{size >> 10} KiB", duration(min(samples["MLR"])), f"{size / min(samples['MLR']):.0f}",
                         f"{size / min(samples['bound']):.0f}", f"{100 / ratio(samples, 'MLR', 'bound'):.0f} %",
                         f"{100 / ratio(samples, 'NumPy', 'bound'):.0f} %"])
    table("Matrix times vector, f32, 4H x H, one core: best time and GB/s of the matrix, and the median share of a loop that "
          "only loads as much", ["product", "H", "matrix", "MLR best", "MLR GB/s", "loads GB/s", "MLR", "NumPy"], rows)
