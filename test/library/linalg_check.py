"""linalg against NumPy and SciPy; ill-conditioned matrices by backward errors; what comes of singular and indefinite ones."""
import numpy as np
import scipy.linalg

AGAINST = {
    "eye": "numpy.eye", "diagonal": "numpy.diagonal", "trace": "numpy.trace", "outer": "numpy.outer", "norm": "numpy.linalg.norm",
    "cholesky": "numpy.linalg.cholesky; NaN if indefinite", "solve_lower": "scipy.linalg.solve_triangular",
    "solve_upper": "scipy.linalg.solve_triangular", "solve_positive": "numpy.linalg.solve; backward error on Hilbert's matrix",
    "eliminate": "triangular, and the same solution", "solve": "numpy.linalg.solve; backward error on ill-conditioned matrices, f64 and f32",
    "solve_vector": "solve, to the bit", "inv": "numpy.linalg.inv; not finite if singular", "det": "numpy.linalg.det; 0 if singular",
    "qr": "q r = a, q orthogonal, r triangular, also where a is singular", "lstsq": "numpy.linalg.lstsq",
    "inv_positive": "numpy.linalg.inv", "logdet_positive": "numpy.linalg.slogdet", "norm1": "numpy.linalg.norm(a, 1)",
    "cond": "numpy.linalg.cond(a, 1)", "expm": "scipy.linalg.expm, norms up to 100",
}


def check(lib):
    a, b, t, tb = lib.normal(5, 5), lib.normal(5, 3), lib.normal(7, 4), lib.normal(7, 2)
    o = lib.run(dict(a=a, b=b, t=t, tb=tb), interp_steps=10)
    p = a @ a.transpose(0, 2, 1) + np.eye(5)
    l = np.linalg.cholesky(p)
    tri = lambda m, lower: np.array([scipy.linalg.solve_triangular(x, y, lower=lower) for x, y in zip(m, b)])
    lib.expect("cholesky", o["ch"], l, 1e-12)
    lib.expect("inv", o["iv"] @ a, np.tile(np.eye(5), (60, 1, 1)), 1e-9)
    lib.expect("inv_positive", o["ip"], np.linalg.inv(p), 1e-11)
    lib.expect("eye", p - a @ a.transpose(0, 2, 1), np.tile(np.eye(5), (60, 1, 1)), 1e-12)
    lib.expect("solve_positive", o["sp"], np.linalg.solve(p, b), 1e-11)
    lib.expect("solve", a @ o["so"], b, 1e-11)
    lib.expect("solve_lower", o["sl"], tri(l, True), 1e-11)
    lib.expect("solve_upper", o["su"], tri(l.transpose(0, 2, 1), False), 1e-11)
    lib.expect("det", o["d"], np.linalg.det(a), 1e-12)
    lib.expect("logdet_positive", o["ld"], np.linalg.slogdet(p)[1], 1e-12)
    lib.expect("norm1", o["n1"], np.linalg.norm(a, 1, (1, 2)), 1e-14)
    lib.expect("cond", o["co"] / np.linalg.cond(a, 1), np.ones(60), 1e-10)
    lib.expect("trace", o["tr"], np.trace(a, axis1=1, axis2=2), 1e-14)
    lib.expect("norm", o["no"], np.linalg.norm(a[:, 0], axis=1), 1e-14)
    lib.expect("qr, product", o["q"] @ o["r"], t, 1e-13)
    lib.expect("qr, orthogonal", o["q"] @ o["q"].transpose(0, 2, 1), np.tile(np.eye(7), (60, 1, 1)), 1e-13)
    lib.expect("qr, triangular", np.tril(o["r"], -1), np.zeros_like(o["r"]), 0)
    lib.expect("solve_vector", o["sv"], o["so"][:, :, 0], 0)
    lib.expect("diagonal", o["dg"], np.diagonal(a, axis1=1, axis2=2), 0)
    lib.expect("lstsq", o["ls"], np.array([np.linalg.lstsq(x, y, rcond=None)[0] for x, y in zip(t, tb)]), 1e-11)
    lib.expect("outer", o["ou"], a[:, 0, :, None] * b[:, 0, None, :], 0)
    lib.expect("expm", o["ex"], np.array([scipy.linalg.expm(x) for x in a]), 1e-12)
    lib.expect("eliminate, triangular", np.tril(o["u"], -1), np.zeros_like(o["u"]), 0)
    lib.expect("eliminate, solution", o["u"] @ o["so"], o["uc"], 1e-11)
    norms = np.array([0, 1e-8, 0.4, 3, 20, 100])
    m = lib.rng.standard_normal((6, 4, 4))
    m *= (norms / np.linalg.norm(m, 1, (1, 2)))[:, None, None]
    o = lib.run(dict(a=m), "exponentials")
    for x, y, n in zip(m, o["y"], norms):
        e = scipy.linalg.expm(x)
        lib.expect(f"expm of norm {n:g}", y / np.abs(e).max(), e / np.abs(e).max(), 1e-12)
    hard(lib)


def hard(lib):
    """Hilbert's matrix (condition 1.5e7), one of condition 1e14, a singular one, an indefinite one, zeros."""
    hilbert = scipy.linalg.hilbert(6)
    u, _, v = np.linalg.svd(lib.rng.standard_normal((6, 6)))
    steep = u @ np.diag(np.logspace(0, -14, 6)) @ v
    singular = np.ones((6, 6))
    indefinite = np.diag([1.0, 1, -1, 1, 1, 1])
    a = np.array([hilbert, steep, singular, indefinite, np.zeros((6, 6))])
    b = lib.rng.standard_normal((5, 6, 1))
    o = lib.run(dict(a=a, b=b), "hard")

    def backward(x, i):  # |a x - b| / (|a| |x| + |b|): some units of rounding for a stable method, whatever the condition
        return np.abs(a[i] @ x - b[i]).max() / (np.linalg.norm(a[i], np.inf) * np.abs(x).max() + np.abs(b[i]).max())

    for i in (0, 1):
        lib.expect(f"solve, backward error {i}", backward(o["so"][i], i), 0, 1e-15)
        lib.expect(f"solve in f32, backward error {i}", backward(o["so32"][i].astype("f8"), i), 0, 5e-7)
        lib.expect(f"lstsq, backward error {i}", backward(o["ls"][i], i), 0, 1e-15)
    lib.expect("solve_positive, backward error", backward(o["sp"][0], 0), 0, 1e-15)
    lib.expect("cond of Hilbert's matrix", o["co"][0] / np.linalg.cond(hilbert, 1), 1, 1e-6)
    for i in range(5):
        lib.expect(f"qr, product {i}", o["q"][i] @ o["r"][i], a[i], 1e-14)
        lib.expect(f"qr, orthogonal {i}", o["q"][i] @ o["q"][i].T, np.eye(6), 1e-14)
    for i in (2, 4):
        lib.require("inv", not np.isfinite(o["iv"][i]).any(axis=None) or not np.isfinite(o["iv"][i]).all(), "finite for a singular matrix")
        lib.require("solve", not np.isfinite(o["so"][i]).all(), "finite for a singular matrix")
        lib.require("cond", not np.isfinite(o["co"][i]), "finite for a singular matrix")
        lib.require("det", o["d"][i] == 0, "not 0 for a singular matrix")
    lib.require("cholesky", np.isnan(o["ch"][3]).any(), "no NaN for an indefinite matrix")
    lib.require("solve_positive", np.isnan(o["sp"][3]).all(), "no NaN for an indefinite matrix")
