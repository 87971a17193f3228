"""rl against sums written out, SciPy's distributions, and PPO in NumPy with derivatives by differences."""
import numpy as np
import scipy.special
import scipy.stats

AGAINST = {
    "returns": "the double sum", "gae": "the double sum, episode by episode", "gae_step": "gae, to the bit", "v_trace": "the sum of equation 1 of the paper",
    "normalised": "numpy.mean, numpy.std", "explained_variance": "numpy.var", "gaussian_log_prob": "scipy.stats.norm.logpdf",
    "gaussian_entropy": "scipy.stats.norm.entropy", "gaussian_sample": "moments; gaussian_log_prob", "categorical_log_prob": "scipy.special.log_softmax",
    "categorical_entropy": "scipy.stats.entropy", "categorical_sample": "frequencies; categorical_log_prob", "ppo_surrogate": "the formula in f64",
    "ppo_loss": "the formula in f64; its derivative by differences", "ppo": "the algorithm in NumPy, derivatives by differences",
}
GAMMA, LAMBDA = 0.9, 0.8


def check(lib):
    rollouts(lib)
    policies(lib)
    loss(lib)
    improve(lib)


def rollouts(lib):
    r, v, after, ratio = (lib.normal(16) for _ in range(4))
    terminal = lib.rng.random((60, 16)) < 0.1
    done = terminal | (lib.rng.random((60, 16)) < 0.1)
    o = lib.run(dict(reward=r, value=v, after=after, log_ratio=ratio, terminal=terminal, done=done), interp_steps=5)
    g, a, vt, va = (np.zeros((60, 16)) for _ in range(4))
    delta = r + GAMMA * np.where(terminal, 0, after) - v
    rho, c = np.minimum(np.exp(ratio), 1.5), np.minimum(np.exp(ratio), 0.75)
    for n in range(60):
        for t in range(16):
            end = next((k for k in range(t, 16) if done[n, k]), 15)
            g[n, t] = sum(GAMMA ** (k - t) * r[n, k] for k in range(t, end + 1))
            if not done[n, end]:
                g[n, t] += GAMMA ** (16 - t) * v[n, 0]
            a[n, t] = sum((GAMMA * LAMBDA) ** (k - t) * delta[n, k] for k in range(t, end + 1))
            vt[n, t] = v[n, t] + sum((GAMMA * LAMBDA) ** (k - t) * c[n, t:k].prod() * rho[n, k] * delta[n, k] for k in range(t, end + 1))
        later = np.where(done[n], after[n], np.append(vt[n, 1:], after[n, 15]))
        va[n] = rho[n] * (r[n] + GAMMA * np.where(terminal[n], 0, later) - v[n])
    lib.expect("returns", o["g"], g, 1e-13)
    lib.expect("gae", o["a"], a, 1e-13)
    lib.expect("gae, targets", o["t"], a + v, 1e-13)
    lib.expect("gae_step", o["re"], o["a"], 0)
    lib.expect("v_trace", o["vt"], vt, 1e-13)
    lib.expect("v_trace, advantages", o["va"], va, 1e-13)
    lib.expect("normalised", o["no"], (r - r.mean(1, keepdims=True)) / (r.std(1, keepdims=True) + 1e-8), 1e-13)
    lib.expect("explained_variance", o["ev"], 1 - (after - v).var(1) / after.var(1), 1e-12)
    lib.expect("explained_variance, equal targets", o["flat"], np.zeros(60), 0)


def policies(lib):
    x, mean, log_std, logits = lib.normal(3), lib.normal(3), lib.normal(3), 3 * lib.normal(4)
    i = lib.rng.integers(0, 4, 60).astype("i4")
    logits[0] = [1000, 0, 0, -1000]
    o = lib.run(dict(x=x, mean=mean, log_std=log_std, logits=logits, i=i), "policies")
    p = scipy.special.softmax(logits, 1)
    lib.expect("gaussian_log_prob", o["gp"], scipy.stats.norm.logpdf(x, mean, np.exp(log_std)).sum(1), 1e-13)
    lib.expect("gaussian_entropy", o["ge"], scipy.stats.norm.entropy(scale=np.exp(log_std)).sum(1), 1e-13)
    lib.expect("categorical_log_prob", o["cp"], scipy.special.log_softmax(logits, 1)[np.arange(60), i], 1e-13)
    lib.expect("categorical_entropy", o["ce"], scipy.stats.entropy(p, axis=1), 1e-13)
    n = 4000
    key = lib.rng.integers(0, 2 ** 32, (n, 2)).astype("u4")
    o = lib.run(dict(key=key), "samples", interp_steps=5)
    std = np.exp([0, -0.5])
    lib.expect("gaussian_sample, mean", (o["x"].mean(0) - [1, -2]) / std, [0, 0], 6 / np.sqrt(n))
    lib.expect("gaussian_sample, deviation", o["x"].std(0) / std, [1, 1], 6 * 0.71 / np.sqrt(n))
    lib.expect("gaussian_sample, log density", o["gp"], scipy.stats.norm.logpdf(o["x"], [1, -2], std).sum(1), 1e-6)
    p = scipy.special.softmax([0, 1, 2])
    lib.expect("categorical_sample", np.bincount(o["i"], minlength=3) / n, p, 6 * 0.5 / np.sqrt(n))
    lib.expect("categorical_sample, log probability", o["cp"], np.log(p)[o["i"]], 1e-6)


def surrogate(log_prob, old, a, clip=0.2):
    ratio = np.exp(log_prob - old)
    return -np.minimum(ratio * a, np.clip(ratio, 1 - clip, 1 + clip) * a)


def total(log_prob, old, a, value, target, entropy):
    return surrogate(log_prob, old, a).mean(-1) + 0.25 * ((value - target) ** 2).mean(-1) - 0.01 * entropy.mean(-1)


def loss(lib):
    names = ("log_prob", "old", "a", "value", "target", "entropy")
    x = {k: 0.3 * lib.normal(8) for k in names}
    o = lib.run(x, "losses")
    ratio = np.exp(x["log_prob"] - x["old"])
    lib.expect("ppo_surrogate", o["one"], surrogate(x["log_prob"], x["old"], x["a"])[:, 0], 1e-14)
    lib.expect("ppo_surrogate, clipped", o["over"], abs(ratio[:, 0] - 1) > 0.2, 0)
    kl = ratio - 1 - np.log(ratio)
    lib.expect("ppo_surrogate, kl", o["part"], kl[:, 0], 1e-14)
    lib.expect("ppo_loss", o["loss"], total(*x.values()), 1e-14)
    lib.expect("ppo_loss, kl", o["kl"], kl.mean(1), 1e-14)
    lib.expect("ppo_loss, clipped", o["clipped"], (abs(ratio - 1) > 0.2).mean(1), 1e-14)
    d = np.zeros((60, 8))
    for j in range(8):
        step = 1e-6 * (np.arange(8) == j)
        d[:, j] = (total(**{**x, "log_prob": x["log_prob"] + step}) - total(**{**x, "log_prob": x["log_prob"] - step})) / 2e-6
    lib.expect("ppo_loss, derivative", o["by_log_prob"], d, 1e-9)


def improve(lib):
    x, a, target = lib.normal(6, 3, dtype="f4"), lib.normal(6, dtype="f4"), lib.normal(6, dtype="f4")
    i = lib.rng.integers(0, 2, (60, 6)).astype("i4")
    old = np.full((60, 6), -0.7, "f4")
    o = lib.run(dict(x=x, i=i, old=old, a=a, target=target), "improve", interp_steps=3)

    def objective(p, n):
        logits, value = x[n] @ p[:6].reshape(2, 3).T, x[n] @ p[6:]
        z = scipy.special.log_softmax(logits, 1)
        scaled = (a[n] - a[n].mean()) / (a[n].std() + 1e-8)
        return total(z[np.arange(6), i[n]], old[n], scaled, value, target[n], -(np.exp(z) * z).sum(1))

    p, m, v, losses, norms, ps = np.array([0.1] * 6 + [-0.1] * 3), 0, 0, [], [], []
    for step in range(40):
        n = step // 2
        g = np.array([objective(p + d, n) - objective(p - d, n) for d in 1e-5 * np.eye(9)]) / 2e-5
        losses.append(objective(p, n))
        norms.append(np.linalg.norm(g))
        g = g * min(1, 0.5 / norms[-1])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - 0.01 * (m / (1 - 0.9 ** (step + 1))) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-5)
        ps.append(p)
    got = np.concatenate([o["p.w"].reshape(60, 6), o["p.v"]], 1)[:20]
    lib.expect("ppo", got, ps[1::2], 1e-4)
    lib.expect("ppo, loss", o["loss"][:20], losses[1::2], 1e-4)
    lib.expect("ppo, norm", o["norm"][:20], norms[1::2], 1e-4)
    # At ratio 1 the surrogate of normalised advantages is 0: the loss is that of the critic alone, 0.25 mean(target^2).
    a = np.tile(np.float32(10) ** np.arange(6), (60, 1)).astype("f4")
    o = lib.run(dict(key=lib.rng.integers(0, 2 ** 32, (60, 2)).astype("u4"), a=a), "minibatches", interp_steps=3)
    pairs = {(j, k): 0.25 * (10.0 ** (2 * j) + 10.0 ** (2 * k)) / 2 for j in range(6) for k in range(j)}
    found = {min(pairs, key=lambda p: abs(np.log(pairs[p] / value))) for value in o["loss"]}
    lib.require("ppo", len(found) > 12, f"minibatches are {found}")
