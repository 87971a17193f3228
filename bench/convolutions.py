"""Gradients of convolutional learners beside JAX: compared first, then timed in turn, and beside the loss alone."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from measure import ROOT, build_node, duration, interleaved, python_call, ratio, table

BATCH = 32


def conv2d(x, w, b):
    """3 x 3 with a border of zeros; kernels [out, in, height, width] as MLR's."""
    return lax.conv_general_dilated(x, w, (1, 1), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "OIHW", "NHWC")) + b


def conv1d(x, w, b, step=1, pad=0, groups=1):
    return lax.conv_general_dilated(x, w, (step,), [(pad, pad)], dimension_numbers=("NWC", "OIW", "NWC"), feature_group_count=groups) + b


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def cross_entropy(z, labels):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], axis=1))


def image_jax(p, xs, labels):
    h = max_pool(jax.nn.relu(conv2d(xs, p["a.w"], p["a.b"])))
    i = max_pool(jax.nn.relu(conv2d(h, p["b.w"], p["b.b"])))
    return cross_entropy(i.reshape(i.shape[0], -1) @ p["o.w"].T + p["o.b"], labels)


def keyword_jax(p, xs, labels):
    h = jax.nn.relu(conv1d(xs, p["a.w"], p["a.b"], 2, 2))
    d = jax.nn.relu(conv1d(h, p["dw"].T[:, None, :], p["db"], 1, 2, 32))
    u = jax.nn.relu(conv1d(d, p["b.w"], p["b.b"]))
    return cross_entropy(u.mean(1) @ p["o.w"].T + p["o.b"], labels)


def layer_jax(p, x, y):
    return jnp.sum(jnp.square(conv2d(x[None], p["w"], p["b"])[0] - y))


def cases(quick):
    """(name, node without its ending, parameters, inputs, loss of JAX, what it is differentiated by)"""
    random = np.random.default_rng(6)

    def normal(scale, *shape):
        return (scale * random.standard_normal(shape)).astype(np.float32)

    layer = {"p.w": normal(.1, 16, 8, 3, 3), "p.b": normal(.1, 16), "x": normal(1, 14, 14, 8), "y": normal(1, 14, 14, 16)}
    yield ("a layer, 14 x 14, 8 to 16 channels, by kernel and image", "layer", {}, layer, layer_jax, ("p", "x"))
    for B in (1,) if quick else (1, BATCH):
        image = {"p.a.w": normal(.3, 8, 1, 3, 3), "p.a.b": normal(.1, 8), "p.b.w": normal(.15, 16, 8, 3, 3), "p.b.b": normal(.1, 16),
                 "p.o.w": normal(.05, 10, 784), "p.o.b": normal(.1, 10), "xs": normal(1, B, 28, 28, 1),
                 "labels": random.integers(0, 10, B).astype(np.int32)}
        yield f"images of 28 x 28, batch {B}", "image", {"B": B}, image, image_jax, ("p",)
        keyword = {"p.a.w": normal(.07, 32, 40, 5), "p.a.b": normal(.1, 32), "p.dw": normal(.4, 5, 32), "p.db": normal(.1, 32),
                   "p.b.w": normal(.2, 32, 32, 1), "p.b.b": normal(.1, 32), "p.o.w": normal(.2, 12, 32), "p.o.b": normal(.1, 12),
                   "xs": normal(1, B, 100, 40), "labels": random.integers(0, 12, B).astype(np.int32)}
        yield f"keywords, 100 instants, batch {B}", "keyword", {"B": B}, keyword, keyword_jax, ("p",)


def arguments_of(inputs):
    """Inputs by name, the fields of p together."""
    p = {k[2:]: jnp.asarray(v) for k, v in inputs.items() if k.startswith("p.")}
    return {"p": p, **{k: jnp.asarray(v) for k, v in inputs.items() if not k.startswith("p.")}}


def one(mlrc, work, harness, case, quick):
    name, node, params, inputs, loss, by = case
    gradient, forward = (build_node(mlrc, work, ROOT / "bench/convolutions.mlr", f"{node}_{kind}", params) for kind in ("gradient", "forward"))
    outputs = gradient.step(inputs)
    forward.step(inputs)
    given = arguments_of(inputs)

    def of(variables, rest):
        return loss(**{**rest, **variables})
    both = jax.jit(jax.value_and_grad(of))
    variables, rest = {k: given[k] for k in by}, {k: v for k, v in given.items() if k not in by}
    value, gradients = both(variables, rest)
    want = {"loss": value, **{f"g.{k}": v for k, v in gradients["p"].items()}}
    if "x" in by:
        want["dx"] = gradients["x"]
    error = max(float(np.max(np.abs(outputs[k] - np.asarray(v))) / np.max(np.abs(np.asarray(v)))) for k, v in want.items())
    # Sums of up to 25,000 terms in f32, in another order by each.
    if not error <= 1e-3:
        raise SystemExit(f"bench: convolutions, {name}: results differ by {error}")
    alone = jax.jit(of)
    samples = interleaved({"MLR": harness.instance(gradient), "MLR loss": harness.instance(forward),
                           "JAX": python_call(lambda: jax.block_until_ready(both(variables, rest))),
                           "JAX loss": python_call(lambda: jax.block_until_ready(alone(variables, rest)))},
                          2 if quick else 9, 2 if quick else 15)
    return [name, *(duration(min(samples[k])) for k in ("MLR loss", "MLR", "JAX loss", "JAX")), f"{ratio(samples, 'JAX loss', 'MLR loss'):.1f}",
            f"{ratio(samples, 'JAX', 'MLR'):.1f}", f"{ratio(samples, 'MLR', 'MLR loss'):.1f}", f"{error:.0e}"]


def convolutions(mlrc, work, harness, quick):
    rows = [one(mlrc, work, harness, case, quick) for case in cases(quick)]
    table("Gradients of convolutions, one call, f32: the loss alone, and loss and gradients of all parameters; how many times faster than JAX, "
          "and the cost over the loss alone",
          ["model", "MLR loss", "MLR gradient", "JAX loss", "JAX gradient", "loss, JAX : MLR", "gradient, JAX : MLR", "gradient : loss",
           "largest difference"], rows)
