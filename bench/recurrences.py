"""Scalar recurrences against hand-written C."""
import ctypes
import statistics

import numpy as np

from measure import C_FLAGS, ROOT, build_node, engines, interleaved, ratio, shell, table

T = 10_000
NODES = {"stream": 1, "biquad": 1, "up": T, "both": T, "both_fma": T, "energy": T}  # values a call


def by_hand(work, name, flags):
    library = work / f"librecurrences_{name}.so"
    shell(["clang-22", *C_FLAGS, *flags, "-o", library, ROOT / "bench/recurrences.c"])
    return ctypes.CDLL(str(library))


def hand_memory(node):
    """State, scratch, in and out for the hand-written functions."""
    sizes = {"state": 64, "scratch": 8 * T, "in": node.d["in"]["bytes"], "out": node.d["out"]["bytes"]}
    return {k: engines.CInstance._allocate(v) for k, v in sizes.items()}


def recurrences(mlrc, work, harness, quick):
    exact = by_hand(work, "exact", ["-ffp-contract=off"])
    fused = by_hand(work, "fused", ["-ffp-contract=fast"])
    rows = []
    for name, values in NODES.items():
        x = np.random.default_rng(1).standard_normal(values)
        instance = build_node(mlrc, work, ROOT / "bench/recurrences.mlr", name)
        as_c = build_node(mlrc, work, ROOT / "bench/recurrences.mlr", name, emit="c")
        stream = {"x": x if values > 1 else x[0]}
        y = instance.step(stream)["y"]
        as_c.step(stream)
        timed = {"MLR": harness.instance(instance), "MLR as C": harness.instance(as_c)}
        for key, library in (("C", exact), ("C fused", fused)):
            memory = hand_memory(instance)
            memory["in"][:] = instance.memory["in"]
            memory["state"][:] = 0
            addresses = [memory[k].ctypes.data for k in ("state", "scratch", "in", "out")]
            getattr(library, name)(*map(ctypes.c_void_p, addresses))
            got = np.frombuffer(memory["out"].tobytes(), np.float64).reshape(y.shape)
            if key == "C" and not engines.same_bits(got, y):
                raise SystemExit(f"bench: {name}: C and MLR differ {engines.first_difference(got, y)}")
            timed[key] = harness.step(getattr(library, name), memory)
        samples = interleaved(timed, 3 if quick else 31, 2 if quick else 10)
        rows.append([f"`{name}`", values] + [f"{min(s) / values:.2f} / {statistics.median(s) / values:.2f}" for s in samples.values()]
                    + [f"{ratio(samples, 'MLR', 'C'):.2f}", f"{ratio(samples, 'MLR', 'C fused'):.2f}"])
    table("Scalar recurrences (f64): nanoseconds a value, best / median, and the median ratio to C (aim 1.1)",
          ["node", "values a call", "MLR", "MLR as C99", "C", "C, fused", "MLR : C", "MLR : C, fused"], rows)
