"""stats against NumPy and SciPy."""
import numpy as np
import scipy.stats

AGAINST = {
    "running": "numpy.mean, numpy.var of all values so far; f32 with a large mean", "running_covariance": "numpy.cov",
    "range": "numpy.minimum.accumulate", "exponential": "the weights written out", "moving": "numpy.mean, numpy.var",
    "histogram": "numpy.histogram", "bin": "numpy.histogram", "variance": "numpy.var", "deviation": "numpy.std", "covariance": "numpy.cov",
    "correlation": "numpy.corrcoef", "sort": "numpy.sort, with NaN", "rank": "numpy.argsort, stable", "quantile": "numpy.quantile",
    "median": "numpy.median", "histogram_of": "numpy.histogram",
}


def check(lib):
    streams(lib)
    x = (4096 + 0.01 * lib.rng.standard_normal(5000)).astype("f4")
    o = lib.run(dict(x=x), "offset", interp_steps=50)
    lib.expect("running, variance in f32", o["v"][-1] / x.astype("f8").var(), 1, 0.1)  # a difference of sums of squares has no digit here
    arrays(lib)


def counts(x, bins):
    """As numpy.histogram, with what is outside in the end bins, and without NaN."""
    edges = np.linspace(-1.5, 1.5, bins + 1)
    return np.histogram(np.clip(x[~np.isnan(x)], -1.5, 1.4999), edges)[0]


def streams(lib):
    x, y = lib.normal() + 3, lib.normal()
    o = lib.run(dict(x=x, y=y))
    grow = lambda f: np.array([f(t) for t in range(1, 61)])
    var = grow(lambda t: x[:t].var(ddof=1) if t > 1 else 0)
    lib.expect("running, mean", o["m"], grow(lambda t: x[:t].mean()), 1e-14)
    lib.expect("running, variance", o["v"], var, 1e-13)
    lib.expect("running, n", o["n"], np.arange(1, 61), 0)
    lib.expect("running_covariance", o["cv"], grow(lambda t: np.cov(x[:t], y[:t])[0, 1] if t > 1 else 0), 1e-13)
    lib.expect("running_covariance, means", o["mx"] + o["my"], grow(lambda t: x[:t].mean() + y[:t].mean()), 1e-13)
    lib.expect("range, low", o["lo"], np.minimum.accumulate(x), 0)
    lib.expect("range, high", o["hi"], np.maximum.accumulate(x), 0)

    def weighted(t):
        w = 0.2 * 0.8 ** np.arange(t)[::-1]
        w[0] = 0.8 ** (t - 1)
        m = (w * x[:t]).sum()
        return m, (w * (x[:t] - m) ** 2).sum()

    lib.expect("exponential", np.array([o["em"], o["ev"]]).T, grow(weighted), 1e-13)
    lib.expect("moving, mean", o["wm"], grow(lambda t: x[max(0, t - 8):t].mean()), 1e-13)
    lib.expect("moving, variance", o["wv"], grow(lambda t: x[max(0, t - 8):t].var(ddof=1) if t > 1 else 0), 1e-13)
    lib.expect("histogram", o["h"], grow(lambda t: counts(x[:t], 5)), 0)


def arrays(lib):
    x, e, t, q = lib.normal(11), lib.normal(10), lib.normal(11, 4), lib.rng.random(60)
    q[:2] = 0, 1
    x[5, 3], x[5, 7] = np.nan, np.nan
    x[6, 2] = x[6, 9]
    x[7, 4] = np.inf
    o = lib.run(dict(x=x, e=e, t=t, q=q), "arrays")
    ok = np.ones(60, bool)
    ok[[5, 7]] = False
    lib.expect("variance", o["v"][ok], x[ok].var(1, ddof=1), 1e-13)
    lib.expect("variance, of the values", o["v0"][ok], x[ok].var(1), 1e-13)
    lib.require("variance", np.isnan(o["v"][~ok]).all(), "NaN and infinity do not show")
    lib.expect("deviation", o["s"][ok], x[ok].std(1, ddof=1), 1e-13)
    lib.expect("covariance", o["c"], np.array([np.cov(m.T) for m in t]), 1e-13)
    lib.expect("correlation", o["r"], np.array([np.corrcoef(m.T) for m in t]), 1e-13)
    lib.expect("sort", o["so"], np.sort(x, 1), 0)
    lib.expect("rank", o["ra"], np.argsort(np.argsort(x, 1, kind="stable"), 1), 0)
    lib.expect("quantile", o["qu"][ok], np.array([np.quantile(a, p) for a, p in zip(x[ok], q[ok])]), 1e-13)
    lib.expect("median", o["md"][ok], np.median(x[ok], 1), 1e-14)
    lib.expect("median, even", o["me"], np.median(e, 1), 1e-14)
    lib.expect("histogram_of", o["h"], np.array([counts(a, 4) for a in x]), 0)
    lib.expect("bin", o["b"], np.array([np.argmax(counts(a[:1], 4)) for a in x]), 0)
