#!/usr/bin/env python3
"""The training of examples/14-digits in JAX, from the same weights, batch by batch: the losses of the first 100 steps side by side, and
both trained to the end in the same order. Writes the losses of JAX for the example's test with --record.

usage: bench/digits.py [MLRC] [--record]      (needs bench/setup)
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

os.environ.update(XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", JAX_PLATFORMS="cpu")  # one core
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "14-digits"
arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
MLRC = pathlib.Path(arguments[0] if arguments else ROOT / "build/bin/mlrc").resolve()
H, B, STEPS, RATE = 32, 32, 100, 1e-2
TOTAL = 1683  # steps of the schedule: those of 40 epochs


def mlrc(*options):
    return subprocess.run([str(o) for o in (MLRC, "run", EXAMPLE / "digits.mlr", "--param", "drop=0", "--input", EXAMPLE / "train.npz", "--quiet",
                                            *options)], check=True, capture_output=True, text=True).stderr


def safetensors(path):
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:8 + size])
    return {k: np.frombuffer(blob[8 + size:][slice(*v["data_offsets"])], "<f4").reshape(v["shape"]) for k, v in header.items()}


def cell(p, x, state):
    h, c = state
    i, f, g, o = jnp.split(p["w"] @ x + p["u"] @ h + p["b"], 4)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def classify(p, image):
    start = (jnp.zeros(H), jnp.zeros(H))
    (up, _), _ = jax.lax.scan(lambda s, x: cell(p["up"], x, s), start, image)
    (down, _), _ = jax.lax.scan(lambda s, x: cell(p["down"], x, s), start, image[::-1])
    return p["out"]["w"] @ jnp.concatenate([up, down]) + p["out"]["b"]


def loss_of(p, images, labels):
    logits = jax.vmap(classify, (None, 0))(p, images)
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])


@jax.jit
def step(p, m, v, t, images, labels):
    """Adam (Kingma and Ba 2015) with a cosine schedule; t = 0, 1, .."""
    loss, g = jax.value_and_grad(loss_of)(p, images, labels)
    rate = 0.5 * RATE * (1 + jnp.cos(jnp.pi * jnp.minimum(t / TOTAL, 1)))
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    a, b = 1 - 0.9 ** (t + 1), 1 - 0.999 ** (t + 1)
    p = jax.tree.map(lambda p, m, v: p - rate * (m / a) / (jnp.sqrt(v / b) + 1e-8), p, m, v)
    return p, m, v, loss


def train(p, images, labels, steps):
    m = v = jax.tree.map(jnp.zeros_like, p)
    losses = []
    for t in range(steps):
        rows = np.arange(t * B, (t + 1) * B) % len(labels)
        p, m, v, loss = step(p, m, v, jnp.float32(t), images[rows], labels[rows])
        losses.append(loss)
    return p, np.array(losses)


def processor_seconds(job):
    """Of the programs that `job` runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    job()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    with np.load(EXAMPLE / "train.npz") as data:
        images, labels = data["image"].astype(np.float32) / 16, data["label"]
    with np.load(EXAMPLE / "test.npz") as data:
        test_images, test_labels = data["image"].astype(np.float32) / 16, data["label"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        mlrc("--steps", B, "--export", folder / "initial.safetensors")  # at the first step p is what it begins with
        flat = safetensors(folder / "initial.safetensors")
        p = {part: {k: jnp.array(flat[f"p.{part}.{k}"]) for k in keys} for part, keys in (("up", "wub"), ("down", "wub"), ("out", "wb"))}
        _, theirs = train(p, images, labels, STEPS)
        mlrc("--epochs", 3, "--steps", STEPS * B, "--select", "loss", "--output", folder / "o.npz")
        ours = np.load(folder / "o.npz")["loss"]
        print(f"losses of {STEPS} steps: largest difference {np.max(np.abs(ours - theirs)):.2g}; the last {ours[-1]:.6f} and {theirs[-1]:.6f}")
        if "--record" in sys.argv:
            np.savez(EXAMPLE / "expected.npz", loss=theirs.astype(np.float32))
        steps = 40 * len(labels) // B
        train(p, images, labels, 2)
        start = time.process_time()
        trained, _ = train(p, images, labels, steps)
        jax.block_until_ready(trained)
        seconds = time.process_time() - start
        right = np.mean(np.argmax(jax.vmap(classify, (None, 0))(trained, test_images), 1) == test_labels)
        print(f"JAX: {steps} steps in {seconds:.2f} CPU seconds, test accuracy {right:.4f}")
        compiling = processor_seconds(lambda: mlrc("--steps", B, "--export", folder / "net.safetensors"))
        whole = processor_seconds(lambda: mlrc("--epochs", 40, "--export", folder / "net.safetensors"))
        print(f"MLR: {steps} steps in {whole - compiling:.2f} CPU seconds, compiled in {compiling:.2f}")


main()
