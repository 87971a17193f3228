"""Memory and work of back-propagation through time under a budget: MLR with --ram beside JAX with and without jax.checkpoint, and
PyTorch. Bytes beyond inputs and outputs: MLR's state and scratch as planned, JAX's temporaries as its compiler reports them,
PyTorch's tensors kept for the way back."""
import ctypes
import re

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from measure import ROOT, build_node, duration, python_call, shell, table

D, H = 40, 64
BUDGETS = (None, "16M", "4M", "1M", "256K", "128K", "64K", "16K")


def cell(w, u, b, carry, x):
    h, c = carry
    i, f, g, o = jnp.split(w @ x + u @ h + b, 4)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def jax_gradient(block, instant):
    """The loss and its gradients; jax.checkpoint around each instant, and around blocks of so many instants."""
    def loss(w, u, b, xs, ys):
        def step(carry, at):
            (h, c), total = carry
            h, c = cell(w, u, b, (h, c), at[0])
            return ((h, c), total + jnp.sum((h - at[1]) ** 2)), None
        inner = jax.checkpoint(step) if instant else step
        zero = ((jnp.zeros(H, jnp.float32), jnp.zeros(H, jnp.float32)), jnp.float32(0))
        if not block:
            return lax.scan(inner, zero, (xs, ys))[0][1] / ys.size

        def run(carry, part):
            return lax.scan(inner, carry, part)[0], None
        parts = jax.tree.map(lambda a: a.reshape(-1, block, *a.shape[1:]), (xs, ys))
        return lax.scan(jax.checkpoint(run), zero, parts)[0][1] / ys.size
    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


def torch_row(inputs, expected):
    """torch.nn.LSTM: bytes of the tensors that it keeps for the way back, parameters and inputs not counted."""
    try:
        import torch
    except ImportError:
        return None
    lstm = torch.nn.LSTM(D, H)
    for name, value in (("weight_ih_l0", inputs["w"]), ("weight_hh_l0", inputs["u"]), ("bias_ih_l0", inputs["b"]),
                        ("bias_hh_l0", 0 * inputs["b"])):
        getattr(lstm, name).data.copy_(torch.from_numpy(value))
    xs, ys = torch.from_numpy(inputs["xs"]), torch.from_numpy(inputs["ys"])
    given = {t.untyped_storage().data_ptr() for t in (*lstm.parameters(), xs, ys)}
    kept = {}

    def pack(t):
        storage = t.untyped_storage()
        if storage.data_ptr() not in given:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    def step():
        lstm.zero_grad(set_to_none=True)
        loss = torch.mean((lstm(xs)[0] - ys) ** 2)
        loss.backward()
        return loss
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = step()
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-3)
    return ["PyTorch, nn.LSTM", sum(kept.values()), "0", python_call(step)]


def mlr_rows(mlrc, work, T, inputs):
    rows, bits = [], None
    program, node, params = ROOT / "bench/checkpoints.mlr", "lstm_gradient", {"T": T, "D": D, "H": H}
    for ram in BUDGETS:
        extra = [f"--ram={ram}"] if ram else []
        built = build_node(mlrc, work, program, node, params, extra=extra)
        planned = built.d["state"]["bytes"] + built.d["scratch"]["bytes"]
        report = shell([mlrc, "report", program, "--node", node, *(f"--param={k}={v}" for k, v in params.items()), *extra])
        found = re.search(r"(\d+) checkpoints.* in blocks of (\d+),.*; (\d+) instants? again", report)
        results = built.step(inputs)
        now = b"".join(results[k].tobytes() for k in sorted(results))
        if bits not in (None, now):
            raise SystemExit(f"bench: --ram={ram} changes bits")
        bits = now
        again = f"{found[3]} ({int(found[3]) / T:.2f} T), {found[1]} checkpoints, blocks of {found[2]}" if found else "0"
        memory = [ctypes.c_void_p(built.address(k)) for k in ("state", "scratch", "in", "out")]
        rows.append([f"MLR, --ram={ram}" if ram else "MLR", planned, again,
                     python_call(lambda n=built, m=memory: n.step_function(*m))])
    return rows, float(results["loss"])


def budgets(mlrc, work, quick):
    T = 100 if quick else 10_000
    random = np.random.default_rng(5)
    inputs = {k: (random.uniform(-1, 1, s) / 8).astype(np.float32)
              for k, s in (("w", (4 * H, D)), ("u", (4 * H, H)), ("b", (4 * H,)))}
    inputs |= {k: random.normal(size=s).astype(np.float32) for k, s in (("xs", (T, D)), ("ys", (T, H)))}
    rows, loss = mlr_rows(mlrc, work, T, inputs)
    arguments = [jnp.asarray(inputs[k]) for k in ("w", "u", "b", "xs", "ys")]
    block = round(T ** 0.5)
    for name, again, options in (("JAX", "0", (0, False)), ("JAX, jax.checkpoint of the instant", f"{T} (1.00 T)", (0, True)),
                                 (f"JAX, jax.checkpoint of blocks of {block}", f"{T} (1.00 T)", (block, False)),
                                 (f"JAX, of blocks of {block} and of the instant", f"{2 * T} (2.00 T)", (block, True))):
        compiled = jax_gradient(*options).lower(*arguments).compile()
        np.testing.assert_allclose(float(compiled(*arguments)[0]), loss, rtol=1e-3)
        rows.append([name, compiled.memory_analysis().temp_size_in_bytes, again,
                     python_call(lambda f=compiled: jax.block_until_ready(f(*arguments)))])
    if row := torch_row(inputs, loss):
        rows.append(row)
    for row in rows:
        row[3](1)
        row[3] = duration(min(row[3](1) for _ in range(2 if quick else 3)))
        row[1] = f"{row[1]:,}"
    table(f"Gradient of an LSTM of {H} over {T} instants under a budget: bytes beyond inputs and outputs, instants of the forward "
          "sweep that are executed again, time of a call. All rows of MLR have the same bits",
          ["", "bytes", "executed again", "time"], rows)
