"""Models over a sequence in one call, beside JAX and NumPy: results compared first, then timed in turn."""
import shutil

import numpy as np

import models
from measure import ROOT, build_node, duration, interleaved, python_call, ratio, table

LENGTHS = (100, 10_000)
UNROLLED = 8  # lax.scan instants a turn of its loop, as a second JAX


def cases(work):
    """(name, program, node, parameters, inputs of T instants, JAX of an unrolling, NumPy, tolerance)"""
    random = np.random.default_rng(2)

    def nile(T):
        return 1000 + np.cumsum(40 * random.standard_normal(T)) + 120 * random.standard_normal(T)

    yield ("Rauch-Tung-Striebel, 2 states, f64", ROOT / "examples/03-kalman-smoother/smoother.mlr", "rts_smoother", {},
           lambda T: {"y": nile(T), "m0": np.array([1000.0, 0.0]), "p0": np.diag([1e6, 1e2]),
                      "q": np.diag([1469.1, 0.5]), "r": np.float64(15099.0)},
           models.smoother_jax, models.smoother_numpy, 1e-9)
    for K in (2, 8):
        a = random.uniform(0.1, 1, (K, K)) + 10 * np.eye(K)
        yield (f"forward-backward, {K} states, f64", ROOT / "examples/05-hidden-markov/hmm.mlr", "forward_backward", {"K": K},
               lambda T, a=a, K=K: {"x": random.uniform(0, K, T), "start": np.full(K, 1 / K),
                                    "a": a / a.sum(axis=1, keepdims=True), "mean": np.arange(K) + 0.5,
                                    "deviation": np.full(K, 0.8)},
               models.hmm_jax, models.hmm_numpy, 1e-9)
    program = shutil.copy(ROOT / "bench/bilstm.mlr", work / "bilstm.mlr")
    weights = {}
    for H, D in ((16, 12), (64, 40)):
        def uniform(*shape, H=H):
            return random.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(H))
        weights[H, D] = {"wx": uniform(2, 4 * H, D), "wh": uniform(2, 4 * H, H), "b": uniform(2, 4 * H)}
        np.savez(work / f"bilstm{H}.npz", **weights[H, D])
    for (H, D), w in weights.items():
        yield (f"bidirectional LSTM, H {H}, D {D}, f32", program, f"bilstm{H}", {},
               lambda T, D=D: {"xs": random.standard_normal((T, D)).astype(np.float32)},
               lambda unroll, w=w: models.bilstm_jax(unroll, **w), lambda xs, w=w: models.bilstm_numpy(xs, **w), 2e-5)


def largest_error(got, want):
    """The largest difference over the outputs, each relative to its largest value (at least 1)."""
    errors = []
    for name, value in want.items():
        value = np.asarray(value, np.float64)
        errors.append(np.max(np.abs(got[name] - value)) / max(1.0, np.max(np.abs(value))))
    return float(max(errors))


def one(mlrc, work, harness, case, T, quick):
    name, program, node, params, make, jax_model, numpy_model, tolerance = case
    inputs = make(T)
    instance = build_node(mlrc, work, program, node, {"T": T, **params})
    outputs = instance.step(inputs)
    on_device = {k: models.jnp.asarray(v) for k, v in inputs.items()}
    timed, errors = {"MLR": harness.instance(instance)}, []
    for key, unroll in (("JAX", 1), ("JAX unrolled", UNROLLED)):
        model = jax_model(unroll)
        errors.append(largest_error(outputs, model(**on_device)))
        timed[key] = python_call(lambda model=model: models.jax.block_until_ready(model(**on_device)))
    errors.append(largest_error(outputs, numpy_model(**inputs)))
    if not max(errors) <= tolerance:
        raise SystemExit(f"bench: {name}, T {T}: results differ by {max(errors)}, allowed {tolerance}")
    samples = interleaved(timed, 3 if quick else 15, 2 if quick else 15)
    by_numpy = interleaved({"MLR": timed["MLR"], "NumPy": python_call(lambda: numpy_model(**inputs))}, 1 if quick else 3, 2)
    slowest = min(("JAX", "JAX unrolled"), key=lambda k: ratio(samples, k, "MLR"))
    middle = {k: sorted(v)[len(v) // 2] for k, v in samples.items()}
    return [name, T, duration(min(samples["MLR"])), duration(middle["MLR"]), f"{middle['MLR'] / T:.1f}",
            duration(middle["JAX"]), duration(middle["JAX unrolled"]), duration(min(by_numpy["NumPy"])),
            f"{ratio(samples, slowest, 'MLR'):.1f}", f"{ratio(by_numpy, 'NumPy', 'MLR'):.0f}", f"{max(errors):.0e}"]


def sequences(mlrc, work, harness, quick):
    rows = []
    for case in cases(work):
        for T in LENGTHS[:1] if quick else LENGTHS:
            rows.append(one(mlrc, work, harness, case, T, quick))
    nothing = models.jax.jit(lambda x: x + 1)
    x = models.jnp.zeros(1)
    call = python_call(lambda: models.jax.block_until_ready(nothing(x)))
    samples = interleaved({"call": call}, 5, 5)
    table("Models over a sequence, one call: time a call and how many times faster than the faster JAX (aim: 1, or 3 where "
          "steps are small) and NumPy",
          ["model", "T", "MLR best", "MLR median", "MLR ns an instant", "JAX median", f"JAX, unroll {UNROLLED}, median",
           "NumPy best", "JAX : MLR", "NumPy : MLR", "largest difference"], rows)
    print(f"\nA call of a jitted JAX function that adds 1 to one number takes {duration(min(samples['call']))} of it.")
