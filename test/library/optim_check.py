"""optim against the formulas of the papers in f64, a list of leaves at a time."""
import numpy as np

AGAINST = {
    "sgd": "the formula in f64", "momentum": "the formula of PyTorch's SGD in f64, with and without Nesterov",
    "adam": "algorithm 1 of the paper in f64; a minimum of Rosenbrock's function", "adamw": "algorithm 2 of the paper in f64",
    "rmsprop": "the formula of PyTorch's RMSprop in f64", "average": "the weights written out", "global_norm": "numpy.linalg.norm",
    "clip_norm": "numpy.linalg.norm", "clip_value": "numpy.clip", "clip_finite": "numpy.isfinite", "steps": "numpy.arange",
    "progress": "numpy.clip", "constant": "its rate", "linear": "numpy.interp", "cosine": "the formula, in f64",
    "exponential": "numpy.power", "warm_up": "numpy.minimum",
}
LEAVES = {"first.w": (2, 3), "first.b": (2,), "gain": ()}


def flat(arrays, name=""):
    """The leaves of a struct of streams side by side: [instants, 9]."""
    return np.concatenate([arrays[f"{name}.{leaf}" if name else leaf].astype("f8").reshape(-1, max(1, int(np.prod(shape))))
                           for leaf, shape in LEAVES.items()], 1)


def trained(g, step):
    """The parameters from 0.5 before each update p = step(p, g, n)."""
    p, out = np.full(g.shape[1], 0.5), []
    for n, row in enumerate(g):
        out.append(p)
        p = step(p, row, n)
    return np.array(out)


class Adam:
    def __init__(self, rate, beta1=0.9, beta2=0.999, decay=0.0):
        self.rate, self.beta1, self.beta2, self.decay, self.m, self.v = rate, beta1, beta2, decay, 0.0, 0.0

    def __call__(self, p, g, n):
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m, v = self.m / (1 - self.beta1 ** (n + 1)), self.v / (1 - self.beta2 ** (n + 1))
        return p - self.rate * self.decay * p - self.rate * m / (np.sqrt(v) + 1e-8)


class Momentum:
    def __init__(self, mu, nesterov):
        self.mu, self.nesterov, self.v = mu, nesterov, 0.0

    def __call__(self, p, g, n):
        self.v = self.mu * self.v + g
        return p - 0.1 * (g + self.mu * self.v if self.nesterov else self.v)


class Rms:
    v = 0.0

    def __call__(self, p, g, n):
        self.v = 0.99 * self.v + 0.01 * g * g
        return p - 1e-2 * g / (np.sqrt(self.v) + 1e-8)


def averaged(g):
    mean = [g[0]]
    for row in g[1:]:
        mean.append(0.9 * mean[-1] + 0.1 * row)
    return np.array(mean)


class Slowed(Adam):
    """By half a cosine from 1e-2 to 1e-3 in 40 steps."""

    def __call__(self, p, g, n):
        self.rate = 1e-3 + 4.5e-3 * (1 + np.cos(np.pi * min(n, 40) / 40))
        return super().__call__(p, g, n)


def wide(lib):
    """In f64, with a tolerance that a rate rounded to f32 is far beyond; only `narrow` has such a rate."""
    streams = {f"g.{leaf}": lib.normal(*shape) for leaf, shape in LEAVES.items()}
    o, g = lib.run(streams, "wide"), flat(streams, "g")
    one = lib.normal()
    s = lib.run(dict(g=one), "scalar")
    for node, name, step in [("sgd", "sgd", lambda: lambda p, g, n: p - 0.1 * g), ("momentum", "heavy", lambda: Momentum(0.9, False)),
                             ("adam", "adam", lambda: Adam(1e-2)), ("adamw", "adamw", lambda: Adam(1e-2, beta1=0.8, decay=0.1)),
                             ("rmsprop", "rms", Rms)]:
        lib.expect(f"{node}, struct of f64", flat(o, name), trained(g, step()), 1e-13)
        lib.expect(f"{node}, scalar of f64", s[name], trained(one[:, None], step())[:, 0], 1e-13)
    lib.expect("momentum, Nesterov on a struct of f64", flat(o, "nesterov"), trained(g, Momentum(0.8, True)), 1e-13)
    lib.expect("average, struct of f64", flat(o, "mean"), averaged(g), 1e-14)
    lib.expect("average, scalar of f64", s["mean"], averaged(one), 1e-14)
    lib.expect("clip_value, struct of f64", flat(o, "limited"), np.clip(g, -0.75, 0.75), 0)
    lib.expect("clip_value, scalar of f64", s["limited"], np.clip(one, -0.75, 0.75), 0)
    norm = np.linalg.norm(g, axis=1)
    for node, name in [("clip_norm", "norm"), ("clip_finite", "length"), ("global_norm", "whole")]:
        lib.expect(f"{node}, norm of a struct of f64", o[name], norm, 1e-14)
    lib.expect("clip_norm, struct of f64", flat(o, "clipped"), g * np.minimum(1, 2.5 / norm)[:, None], 1e-14)
    lib.expect("clip_finite, struct of f64", flat(o, "kept"), g * np.minimum(1, 1 / norm)[:, None], 1e-14)
    lib.expect("adam by a schedule in f64", flat(o, "slowed"), trained(g, Slowed(0)), 1e-13)
    lib.expect("adam in f64 by a schedule in f32", flat(o, "narrow"), trained(g, Slowed(0)), 1e-6)


def check(lib):
    wide(lib)
    streams = {f"g.{leaf}": lib.normal(*shape, dtype="f4") for leaf, shape in LEAVES.items()}
    o, g = lib.run(streams), flat(streams, "g")
    lib.expect("sgd", flat(o, "sgd"), trained(g, lambda p, g, n: p - 0.1 * g), 1e-6)
    lib.expect("momentum", flat(o, "heavy"), trained(g, Momentum(0.9, False)), 1e-6)
    lib.expect("momentum, Nesterov", flat(o, "nesterov"), trained(g, Momentum(0.8, True)), 1e-6)
    lib.expect("adam", flat(o, "adam"), trained(g, Adam(1e-2)), 1e-5)
    lib.expect("adamw", flat(o, "adamw"), trained(g, Adam(1e-2, beta1=0.8, decay=0.1)), 1e-5)
    lib.expect("rmsprop", flat(o, "rms"), trained(g, Rms()), 1e-5)
    lib.expect("average", flat(o, "mean"), averaged(g), 1e-6)
    norm = np.linalg.norm(g, axis=1)
    lib.require("clip_norm", (norm > 2.5).any() and (norm < 2.5).any(), "the test has norms on one side only")
    lib.expect("clip_norm, norm", o["norm"], norm, 1e-6)
    lib.expect("clip_norm", flat(o, "clipped"), g * np.minimum(1, 2.5 / norm)[:, None], 1e-6)
    lib.expect("clip_value", flat(o, "limited"), np.clip(g, -0.75, 0.75), 0)
    descent(lib)
    finite(lib, streams, g)
    begin = np.arange(60) == 50
    o, n = lib.run(dict(r=begin), "rates"), np.where(np.arange(60) < 50, np.arange(60), np.arange(60) - 50)
    lib.expect("steps", o["n"], n, 0)
    lib.expect("progress", o["x"], np.clip((n - 5) / 40, 0, 1), 1e-7)
    lib.expect("constant", o["constant"], np.full(60, 0.3), 0)
    lib.expect("linear", o["linear"], np.interp(n, [0, 40], [1, 0.1]), 1e-15)
    lib.expect("cosine", o["cosine"], 0.1 + 0.45 * (1 + np.cos(np.pi * np.minimum(n, 40) / 40)), 1e-15)
    lib.expect("exponential", o["exponential"], 2 * 0.5 ** (n / 10), 1e-15)
    lib.expect("warm_up", o["warm"], np.minimum((n + 1) / 8, 1), 1e-7)


def descent(lib):
    """Steps of Adam from the gradient of Rosenbrock's function, begun afresh after 400 instants; the end is its minimum."""
    o = lib.run(dict(r=np.arange(1000) == 400), "descend", interp_steps=20)
    p, step = np.array([-1.5, 2.0]), Adam(0.05)
    expected = []
    for n in range(1000):
        expected.append(p)
        if n == 400:
            step = Adam(0.05)
        x, y = p
        p = step(p, np.array([-2 * (1 - x) - 40 * x * (y - x * x), 20 * (y - x * x)]), n if n < 400 else n - 400)
    lib.expect("adam, f64", o["p"], expected, 1e-9)
    lib.expect("adam, minimum", o["p"][-1], [1, 1], 1e-2)


def finite(lib, streams, g):
    streams = {k: v.copy() for k, v in streams.items()}
    streams["g.first.w"][3, 1, 2] = np.nan
    streams["g.gain"][5] = -np.inf
    o, bad = lib.run(streams, "finite"), np.isin(np.arange(60), [3, 5])
    norm = np.linalg.norm(g, axis=1)
    lib.expect("clip_finite, ok", o["ok"], ~bad, 0)
    lib.expect("clip_finite", flat(o, "clipped"), np.where(bad[:, None], 0, g * np.minimum(1, 1 / norm)[:, None]), 1e-6)
    lib.expect("clip_finite, norm", o["norm"][~bad], norm[~bad], 1e-6)
    lib.expect("global_norm", o["whole"][~bad], norm[~bad], 1e-6)
