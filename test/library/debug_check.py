"""debug against NumPy and loops."""
import numpy as np

AGAINST = {
    "finite": "numpy.isfinite", "all_finite": "numpy.isfinite", "count_nan": "numpy.isnan", "count_infinite": "numpy.isinf",
    "first_not_finite": "numpy.isfinite", "probe": "numpy.nanmin, nanmax, nanmean", "record": "a loop", "since": "a loop", "ever": "a loop",
    "always": "a loop", "stuck": "a loop", "digest": "FNV-1a in Python", "running_digest": "FNV-1a in Python",
}


def fnv(values):
    h = 0x811C9DC5
    for v in values:
        bits = 0x7FC00000 if np.isnan(v) else int(np.float32(v).view("u4"))
        h = (h ^ bits) * 0x01000193 & 0xFFFFFFFF
    return h


def check(lib):
    lib.refuse("stuck", "node main(x: f32) -> (y: bool) { y = debug.stuck<<0>>(x); }")
    n = 60
    x, y = lib.normal(3, 4, dtype="f4"), lib.normal(dtype="f4")
    flat = x.reshape(n, 12)
    flat[3, 5], flat[3, 7], flat[4, 11], flat[8, 0] = np.nan, np.inf, -np.inf, np.nan
    y[0], y[7], y[30] = np.inf, np.nan, -np.inf
    y[40:45] = y[39]
    e = np.zeros(n, bool)
    e[[12, 13, 20]] = True
    o = lib.run(dict(x=x, y=y, e=e))
    finite = np.isfinite(x)
    lib.expect("finite", o["f"], finite, 0)
    lib.expect("all_finite", o["all_f"], finite.all((1, 2)), 0)
    lib.expect("count_nan", o["nn"], np.isnan(x).sum((1, 2)), 0)
    lib.expect("count_infinite", o["ni"], np.isinf(x).sum((1, 2)), 0)
    bad = ~np.isfinite(flat)
    lib.expect("first_not_finite", o["first"], np.where(bad.any(1), bad.argmax(1), -1), 0)
    events = np.flatnonzero(e)
    lib.expect("since", o["since"], [min([t - k for k in events if k <= t], default=-1) for t in range(n)], 0)
    lib.expect("ever", o["ever"], np.arange(n) >= 12, 0)
    lib.expect("always", o["always"], np.arange(n) < 12, 0)
    lib.expect("stuck", o["stuck"], [t >= 3 and bool((y[t - 3:t + 1] == y[t]).all()) for t in range(n)], 0)
    past = np.concatenate([np.full(4, -1), y])
    for after, xs, held in ((0, "xs", "held"), (2, "xa", "helda")):
        stop = 12 + after
        lib.expect(f"record, {after} after", o[held], np.arange(n) >= stop, 0)
        lib.expect(f"record, {after} after: values", o[xs], np.array([past[min(t, stop) + 1:min(t, stop) + 5] for t in range(n)]), 0)
    lib.expect("digest", o["h"], [fnv(v) for v in flat], 0)
    lib.expect("running_digest", o["rh"], [fnv(y[:t + 1]) for t in range(n)], 0)
    ok = np.isfinite(y)
    seen = [y[:t + 1][ok[:t + 1]].astype("f8") for t in range(n)]
    first = [next((k for k in range(t + 1) if not ok[k]), -1) for t in range(n)]
    lib.expect("probe, n", o["s.n"], np.arange(1, n + 1), 0)
    lib.expect("probe, bad", o["s.bad"], np.cumsum(~ok), 0)
    lib.expect("probe, first", o["s.first_bad"], first, 0)
    lib.expect("probe, low", o["s.low"], [v.min(initial=np.inf) if len(v) else 0 for v in seen], 0)
    lib.expect("probe, high", o["s.high"], [v.max() if len(v) else 0 for v in seen], 0)
    lib.expect("probe, mean", o["s.mean"], [v.mean() if len(v) else 0 for v in seen], 1e-6)
