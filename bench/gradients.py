"""Back-propagation through time beside JAX and PyTorch: gradients compared first, then timed in turn, and beside the loss alone."""
import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax

import models  # noqa: F401 (turns on f64, as for the other models)
from measure import ROOT, build_node, duration, interleaved, python_call, ratio, table

torch.set_num_threads(1)
H, D, K, BATCH = 64, 40, 8, 32
LENGTHS = (100, 10_000)
UNROLLED = 8  # lax.scan instants a turn of its loop, as a second JAX


def weights(random, *lead):
    def uniform(*shape):
        return (random.uniform(-1, 1, (*lead, *shape)) / np.sqrt(H)).astype(np.float32)
    return {"w": uniform(4 * H, D), "u": uniform(4 * H, H), "b": uniform(4 * H)}


def lstm_jax(xs, w, u, b, unroll, reverse=False):
    """Over xs[T, .., D], batches in the middle; the products with xs for all instants at once."""
    def step(carry, gx):
        h, c = carry
        i, f, g, o = jnp.split(gx + h @ u.T, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h
    zero = jnp.zeros((*xs.shape[1:-1], H), jnp.float32)
    return lax.scan(step, (zero, zero), xs @ w.T + b, reverse=reverse, unroll=unroll)[1]


def gradient_jax(loss, names):
    """A jitted function of all inputs by name, to the loss and its gradients as the nodes name them."""
    def run(**inputs):
        def of(variables):
            return loss(**{**inputs, **variables})
        value, gradients = jax.value_and_grad(of)({k: inputs[k] for k in names})
        return {"loss": value, **{f"d{k}": g for k, g in gradients.items()}}
    return jax.jit(run)


def sequence_jax(unroll):
    def loss(w, u, b, xs, ys):
        return jnp.mean(jnp.square(lstm_jax(xs, w, u, b, unroll) - ys))
    return gradient_jax(loss, ("w", "u", "b"))


def batch_jax(unroll):
    def loss(w, u, b, xs, ys):
        return jnp.mean(jnp.square(lstm_jax(xs.swapaxes(0, 1), w, u, b, unroll) - ys.swapaxes(0, 1)))
    return gradient_jax(loss, ("w", "u", "b"))


def tagger_jax(unroll):
    def loss(w, u, b, v, xs, labels):
        h, g = (lstm_jax(xs, w[d], u[d], b[d], unroll, reverse=d == 1) for d in range(2))
        z = jnp.concatenate([h, g], axis=1) @ v.T
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], axis=1))
    return gradient_jax(loss, ("w", "u", "b", "v"))


class Torch:
    """torch.nn.LSTM, the weights its own; its second bias, which MLR's cell lacks, is zero and learns nothing."""

    def __init__(self, inputs):
        self.inputs = {k: torch.from_numpy(np.array(v)) for k, v in inputs.items()}
        w, u, b = inputs["w"], inputs["u"], inputs["b"]
        self.directions = w.shape[0] if w.ndim == 3 else 1
        self.lstm = torch.nn.LSTM(D, H, batch_first=True, bidirectional=self.directions == 2)
        for d, suffix in enumerate(("", "_reverse")[:self.directions]):
            pick = (lambda a: a[d]) if self.directions == 2 else (lambda a: a)
            for name, value in (("weight_ih", pick(w)), ("weight_hh", pick(u)), ("bias_ih", pick(b)), ("bias_hh", 0 * pick(b))):
                getattr(self.lstm, f"{name}_l0{suffix}").data.copy_(torch.from_numpy(np.array(value)))
            getattr(self.lstm, f"bias_hh_l0{suffix}").requires_grad_(False)
        self.head = self.inputs["v"].clone().requires_grad_(True) if "v" in inputs else None

    def loss(self):
        hs = self.lstm(self.inputs["xs"])[0]
        if self.head is None:
            return torch.nn.functional.mse_loss(hs, self.inputs["ys"])
        return torch.nn.functional.cross_entropy(hs @ self.head.T, self.inputs["labels"].long())

    def step(self):
        self.lstm.zero_grad(set_to_none=True)
        if self.head is not None:
            self.head.grad = None
        loss = self.loss()
        loss.backward()
        return loss

    def results(self):
        out = {"loss": self.step().detach().numpy()}
        for key, name in (("dw", "weight_ih"), ("du", "weight_hh"), ("db", "bias_ih")):
            parts = [getattr(self.lstm, f"{name}_l0{s}").grad.numpy() for s in ("", "_reverse")[:self.directions]]
            out[key] = np.stack(parts) if self.directions == 2 else parts[0]
        if self.head is not None:
            out["dv"] = self.head.grad.numpy()
        return out


def cases():
    """(name, node without its ending, parameters, inputs of T instants, JAX of an unrolling)"""
    random = np.random.default_rng(4)

    def normal(*shape):
        return random.standard_normal(shape).astype(np.float32)

    w = weights(random)
    yield ("LSTM, batch 1", "lstm", {"D": D, "H": H},
           lambda T: {**w, "xs": normal(T, D), "ys": np.tanh(normal(T, H))}, sequence_jax)
    yield (f"LSTM, batch {BATCH}", "batch", {"B": BATCH, "D": D, "H": H},
           lambda T: {**w, "xs": normal(BATCH, T, D), "ys": np.tanh(normal(BATCH, T, H))}, batch_jax)
    both = weights(random, 2)
    head = normal(K, 2 * H) / np.float32(np.sqrt(2 * H))
    yield ("bidirectional LSTM tagger, batch 1", "tagger", {"D": D, "H": H, "K": K},
           lambda T: {**both, "v": head, "xs": normal(T, D), "labels": random.integers(0, K, T).astype(np.int32)}, tagger_jax)


def largest_error(got, want):
    """The largest difference over the outputs, each relative to its largest value."""
    return float(max(np.max(np.abs(got[k] - np.asarray(v))) / np.max(np.abs(np.asarray(v))) for k, v in want.items()))


def one(mlrc, work, harness, case, T, quick):
    name, node, params, make, jax_model = case
    inputs, program = make(T), ROOT / "bench/gradients.mlr"
    gradient, forward = (build_node(mlrc, work, program, f"{node}_{kind}", {"T": T, **params}) for kind in ("gradient", "forward"))
    outputs = gradient.step(inputs)
    forward.step(inputs)
    on_device = {k: jnp.asarray(v) for k, v in inputs.items()}
    timed = {"MLR": harness.instance(gradient), "forward": harness.instance(forward)}
    errors = []
    for key, unroll in (("JAX", 1), ("JAX unrolled", UNROLLED)):
        model = jax_model(unroll)
        errors.append(largest_error(outputs, model(**on_device)))
        timed[key] = python_call(lambda model=model: jax.block_until_ready(model(**on_device)))
    peer = Torch(inputs)
    errors.append(largest_error(outputs, peer.results()))
    # Sums of T (and batch) terms in f32, in another order by each.
    if not max(errors) <= 1e-3:
        raise SystemExit(f"bench: gradients, {name}, T {T}: results differ by {errors}")
    samples = interleaved(timed, 2 if quick else 7, 2 if quick else 15)
    slow = interleaved({"MLR": timed["MLR"], "PyTorch": python_call(peer.step)}, 1 if quick else 3, 2)
    faster = min(("JAX", "JAX unrolled"), key=lambda k: ratio(samples, k, "MLR"))
    instants = T * params.get("B", 1)
    return [name, T, duration(min(samples["MLR"])), f"{min(samples['MLR']) / instants:.0f}", duration(min(samples["JAX"])),
            duration(min(samples["JAX unrolled"])), duration(min(slow["PyTorch"])), f"{ratio(samples, faster, 'MLR'):.2f}",
            f"{ratio(slow, 'PyTorch', 'MLR'):.1f}", f"{ratio(samples, 'MLR', 'forward'):.2f}", f"{max(errors):.0e}"]


def embeddings(mlrc, work, harness, quick):
    """Gradients of a table of which some rows are read, which JAX scatters, too."""
    N, T = 10_000, 1_000
    random = np.random.default_rng(5)
    inputs = {"table": random.standard_normal((N, H)).astype(np.float32), "ids": random.integers(0, N, T).astype(np.int32)}

    def averaged(table, ids):
        def step(h, i):
            h = 0.5 * h + table[i]
            return h, h
        return jnp.sum(jnp.square(lax.scan(step, jnp.zeros(H, jnp.float32), ids)[1]))
    rows = []
    for name, node, loss in (("all rows at once", "read", lambda table, ids: jnp.sum(jnp.square(table[ids]))),
                             ("a row at each instant", "averaged", averaged)):
        instance, model = build_node(mlrc, work, ROOT / "bench/gradients.mlr", f"{node}_gradient", {"T": T, "N": N, "D": H}), gradient_jax(loss, ("table",))
        on_device = {k: jnp.asarray(v) for k, v in inputs.items()}
        error = largest_error(instance.step(inputs), model(**on_device))
        if not error <= 1e-3:
            raise SystemExit(f"bench: gradients of a table, {name}: results differ by {error}")
        samples = interleaved({"MLR": harness.instance(instance), "JAX": python_call(lambda: jax.block_until_ready(model(**on_device)))},
                              2 if quick else 7, 2 if quick else 15)
        rows.append([name, duration(min(samples["MLR"])), duration(min(samples["JAX"])), f"{ratio(samples, 'JAX', 'MLR'):.2f}", f"{error:.0e}"])
    table(f"Gradient of a table of {N} rows of {H}, of which {T} are read, one call", ["read", "MLR best", "JAX best", "JAX : MLR", "largest difference"], rows)


def gradients(mlrc, work, harness, quick):
    rows = []
    for case in cases():
        for T in LENGTHS[:1] if quick else LENGTHS:
            rows.append(one(mlrc, work, harness, case, T, quick))
    table(f"Gradients through time, one call: LSTM of {H} units, {D} inputs, f32, loss and gradients of all weights. Time a call and "
          "how many times faster than the faster JAX (aim: 2 at batch 1, 1 at batch 32) and PyTorch, and the cost over the loss alone "
          "(aim: 3 at most)",
          ["model", "T", "MLR best", "MLR ns an instant", "JAX best", f"JAX, unroll {UNROLLED}, best", "PyTorch best", "JAX : MLR",
           "PyTorch : MLR", "gradient : loss", "largest difference"], rows)
    embeddings(mlrc, work, harness, quick)
