"""PPO on Pendulum beside RLtools (C++) and JAX: whole training steps, a rollout of 4 x 1,024 instants and what is learned from it in 2
epochs of 16 minibatches of 256, two networks of 64-64. Environments, advantages, shuffling and updates included on all sides."""
import ctypes
import functools
import pathlib
import shutil
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import models  # noqa: F401 (turns on f64, as for the other models)
from measure import ROOT, build_node, interleaved, python_call, ratio, shell, table

RLTOOLS, COMMIT = "https://github.com/rl-tools/rl-tools", "9acdf5c83cf2e7f2871cc4c37d002d5e3666d723"
# As they build it (CMakeLists.txt of their tree).
FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffast-math", "-DRL_TOOLS_DISABLE_TENSORBOARD", "-fPIC", "-shared"]
BLAS = ["-DRL_TOOLS_BACKEND_ENABLE_OPENBLAS", "-lopenblas"]
E, T, K, M, H, LIMIT = 4, 1024, 2, 16, 64, 200
GAMMA, LAMBDA, SCALE, CLIP, RATE = 0.9, 0.95, 0.1, 0.2, 1e-3
TRAINING = 73  # rollouts: 299,008 instants


# ---- JAX: the algorithm of examples/13-ppo in one jitted function ---------------------------------------------------

def mlp(p, x, activation):
    for w, b in p[:-1]:
        x = activation(x @ w.T + b)
    w, b = p[-1]
    return (x @ w.T + b)[..., 0]


def layer(key, outputs, inputs, gain):
    return jax.nn.initializers.orthogonal(gain)(key, (outputs, inputs), jnp.float32), jnp.zeros(outputs, jnp.float32)


def network(key, gain):
    a, b, c = jax.random.split(key, 3)
    return [layer(a, H, 3, 2 ** 0.5), layer(b, H, H, 2 ** 0.5), layer(c, 1, H, gain)]


def begin(seed):
    a, b, c = jax.random.split(jax.random.key(seed), 3)
    p = {"policy": network(a, 0.01), "critic": network(b, 1.0), "log_std": jnp.zeros((), jnp.float32)}
    zero = jax.tree.map(jnp.zeros_like, p)
    return {"p": p, "m": zero, "v": zero, "n": jnp.float32(0), "key": c, "angle": jnp.zeros(E, jnp.float32),
            "speed": jnp.zeros(E, jnp.float32), "age": jnp.full(E, LIMIT, jnp.int32)}


def seen_of(angle, speed):
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), speed], axis=-1)


def moved(angle, speed, torque):
    """Pendulum-v1 of Gymnasium: the next state and the reward."""
    u = jnp.clip(torque, -2, 2)
    turned = jnp.mod(angle + jnp.float32(np.pi), jnp.float32(2 * np.pi)) - jnp.float32(np.pi)
    cost = turned ** 2 + 0.1 * speed ** 2 + 0.001 * u ** 2
    speed = jnp.clip(speed + (15 * jnp.sin(angle) + 3 * u) * 0.05, -8, 8)
    return angle + speed * 0.05, speed, -cost


def log_prob_of(x, center, log_std):
    return -0.5 * ((x - center) * jnp.exp(-log_std)) ** 2 - log_std - 0.9189385


def rollout(s, activation):
    p = s["p"]
    key, noise, fresh = jax.random.split(s["key"], 3)
    noise = jax.random.normal(noise, (T, E), jnp.float32)
    fresh = jax.random.uniform(fresh, (2, T, E), jnp.float32, -1, 1) * jnp.array([np.pi, 1], jnp.float32)[:, None, None]

    def instant(carry, given):
        angle, speed, age = carry
        noise, fresh_angle, fresh_speed = given
        over = age >= LIMIT
        angle, speed, age = (jnp.where(over, a, b) for a, b in ((fresh_angle, angle), (fresh_speed, speed), (0, age)))
        seen = seen_of(angle, speed)
        center = mlp(p["policy"], seen, activation)
        action = center + jnp.exp(p["log_std"]) * noise
        angle, speed, reward = moved(angle, speed, 2 * action)
        age = age + 1
        return (angle, speed, age), (seen, action, log_prob_of(action, center, p["log_std"]), seen_of(angle, speed), reward, age >= LIMIT)

    (angle, speed, age), (seen, action, log_prob, after, reward, done) = lax.scan(
        instant, (s["angle"], s["speed"], s["age"]), (noise, *fresh))
    value, after = mlp(p["critic"], seen, activation), mlp(p["critic"], after, activation)  # of all instants at once
    delta = SCALE * reward + GAMMA * after - value

    def back(later, given):
        delta, done = given
        a = delta + jnp.where(done, 0, GAMMA * LAMBDA * later)
        return a, a

    a = lax.scan(back, jnp.zeros(E, jnp.float32), (delta, done), reverse=True)[1]
    data = [x.reshape(T * E, *x.shape[2:]) for x in (seen, action, log_prob, a, a + value)]
    return {**s, "key": key, "angle": angle, "speed": speed, "age": age}, data, jnp.mean(reward)


def loss_of(p, data, activation):
    seen, action, old, a, target = data
    a = (a - a.mean()) / (jnp.sqrt(a.var()) + 1e-8)
    ratio = jnp.exp(log_prob_of(action, mlp(p["policy"], seen, activation), p["log_std"]) - old)
    surrogate = -jnp.minimum(ratio * a, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * a)
    return surrogate.mean() + 0.25 * jnp.mean((mlp(p["critic"], seen, activation) - target) ** 2)


def updated(s, data, activation):
    """One minibatch: the gradient clipped to a norm of 0.5, and Adam."""
    g = jax.grad(loss_of)(s["p"], data, activation)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
    g = jax.tree.map(lambda x: x * jnp.where(norm > 0.5, 0.5 / norm, 1), g)
    n = s["n"] + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, s["m"], g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, s["v"], g)
    a, b = 1 - 0.9 ** n, 1 - 0.999 ** n
    p = jax.tree.map(lambda p, m, v: p - RATE * (m / a) / (jnp.sqrt(v / b) + 1e-5), s["p"], m, v)
    return {**s, "p": p, "m": m, "v": v, "n": n}


@functools.partial(jax.jit, static_argnames="activation")
def learn(s, activation):
    s, data, reward = rollout(s, activation)

    def epoch(s, _):
        key, order = jax.random.split(s["key"])
        order = jax.random.permutation(order, T * E).reshape(M, T * E // M)
        s = lax.scan(lambda s, i: (updated(s, [x[i] for x in data], activation), None), {**s, "key": key}, order)[0]
        return s, None

    return lax.scan(epoch, s, length=K)[0], reward


class Jax:
    def __init__(self, activation):
        self.activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]
        self.state = begin(1)

    def __call__(self):
        self.state, reward = learn(self.state, self.activation)
        return 200 * float(reward)


# ---- the others -----------------------------------------------------------------------------------------------------

def rltools(work, tree, activation, blas):
    """Their learner as a library; functions begin, learn and score."""
    path = work / f"librltools_{activation}_{'openblas' if blas else 'loops'}.so"
    folder = tree / "src/rl/environments/pendulum/ppo/cpu"
    shell(["g++", *FLAGS, f"-DACTIVATION={activation.upper()}", f"-I{tree / 'include'}", f"-I{folder}", "-o", path,
           ROOT / "bench/ppo_rltools.cpp", *(BLAS if blas else [])])
    library = ctypes.CDLL(str(path))
    library.begin.argtypes, library.begin.restype = [ctypes.c_uint64], None
    library.learn.argtypes, library.learn.restype = [ctypes.c_int64], ctypes.c_int64
    library.score.restype = ctypes.c_double
    library.begin(1)
    return library


def tree_of_rltools(work):
    """A copy from its public address, at the commit that the table speaks of."""
    tree = work / "rl-tools"
    shell(["git", "init", "--quiet", tree])
    # HEAD moves when all files are there: a tree of another commit, or one left half written, is fetched again.
    if subprocess.run(["git", "-C", tree, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() != COMMIT:
        shell(["git", "-C", tree, "fetch", "--quiet", "--depth=1", RLTOOLS, COMMIT])
        shell(["git", "-C", tree, "checkout", "--quiet", "--force", "FETCH_HEAD"])
    return tree


def program(work, activation):
    """examples/13-ppo, or a copy of it with another activation."""
    example = ROOT / "examples/13-ppo"
    if activation == "tanh":
        return example / "pendulum.mlr"
    copy = work / f"ppo_{activation}"
    copy.mkdir(exist_ok=True)
    for name in ("pendulum.mlr", "environments.mlr"):
        shutil.copy(example / name, copy)
    text = (example / "networks.mlr").read_text()
    (copy / "networks.mlr").write_text(text.replace("tanh(nn.dense", f"{activation}(nn.dense"))
    return copy / "pendulum.mlr"


def ppo(mlrc, work, harness, quick, tree=None):
    tree = pathlib.Path(tree) if tree else tree_of_rltools(work)
    rounds = 3 if quick else 9
    rows = []
    for activation in ("tanh", "relu"):
        (work / activation).mkdir(exist_ok=True)
        source = program(work, activation)
        node = build_node(mlrc, work / activation, source, "main", {"K": K, "M": M, "N": 1000})  # no evaluation while it is timed
        trained = build_node(mlrc, work / activation, source, "main", {"K": K, "M": M, "N": TRAINING})
        score = [trained.step({}) for _ in range(TRAINING)][-1]["score"]
        libraries = {name: rltools(work, tree, activation, blas) for name, blas in (("OpenBLAS", True), ("loops", False))}
        peer = Jax(activation)
        scores = {name: library_score(lib) for name, lib in libraries.items()}
        rewards = [peer() for _ in range(TRAINING)]
        timed = {"mlr": harness.instance(node), "jax": python_call(peer), **{name: lib.learn for name, lib in libraries.items()}}
        samples = interleaved(timed, rounds, 100)
        per_second = {name: 1e9 * E * T / np.median(s) for name, s in samples.items()}
        rows.append([activation, *(f"{per_second[name]:,.0f}" for name in ("mlr", "jax", "OpenBLAS", "loops")),
                     *(f"{ratio(samples, name, 'mlr'):.2f}" for name in ("jax", "OpenBLAS", "loops")),
                     f"{score:.0f}", f"{rewards[-1]:.0f}", f"{scores['OpenBLAS']:.0f}"])
    table(f"PPO on Pendulum, {E} x {T:,} instants, {K} epochs of {M} minibatches, two networks of {H}-{H}: instants a CPU second, learning included, "
          "and how many times faster MLR is. RLtools is given OpenBLAS, or its own loops, as its example is built as it stands. Last columns: what "
          f"they have learned after {TRAINING} rollouts, as the sum of the rewards of an episode: MLR and RLtools by an evaluation, JAX in the last rollout",
          ["activation", "MLR", "JAX", "RLtools, OpenBLAS", "RLtools, loops", "JAX : MLR", "RLtools, OpenBLAS : MLR", "RLtools, loops : MLR",
           "MLR learned", "JAX", "RLtools"], rows)
    print(f"\nRLtools {COMMIT[:9]}, {shell(['g++', '--version']).splitlines()[0]} with {' '.join(FLAGS[1:4])}.")


def library_score(library):
    library.learn(TRAINING)
    return library.score()
