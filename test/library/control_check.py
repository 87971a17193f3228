"""control against loops in Python, the algebraic and dense formulas of SciPy and NumPy, and general optimisers."""
import numpy as np
import scipy.linalg
import scipy.optimize

AGAINST = {
    "rate_limiter": "a loop", "hysteresis": "a loop", "debounce": "a loop", "low_pass": "a loop",
    "pid": "a loop with conditional integration", "kalman_step": "the textbook's covariance update",
    "kalman": "the same loop", "rts_smoother": "one least-squares problem in all states",
    "riccati_step": "the recurrence with inverses", "lqr": "one least-squares problem in all commands",
    "dare": "scipy.linalg.solve_discrete_are; a system that cannot be stabilised", "observer": "a loop",
    "differences": "Jacobians by hand", "rollout": "a loop",
    "ilqr": "scipy.optimize.minimize on the commands; lqr where the problem is linear; starts that are not finite",
}


def check(lib):
    lib.refuse("debounce", "node main(x: bool) -> (y: bool) { y = control.debounce<<0>>(x, false); }")
    filters(lib)
    regulators(lib)
    smoother(lib)
    trajectories(lib)


def filters(lib):
    normal = lib.normal
    n = 60
    d = dict(x=normal(), e=normal(), on=lib.rng.random(n) < 0.6, z=normal(2), a=normal(3, 3, same=True) / 2, c=normal(2, 3, same=True))
    d["q"], d["r"] = np.tile(np.eye(3) * 0.1, (n, 1, 1)), np.tile(np.eye(2) * 0.2, (n, 1, 1))
    o = lib.run(d)
    rate, low, hyst, integral, u = [], [], [], 0.0, []
    x, e = d["x"], d["e"]
    for t in range(n):
        rate.append(x[0] if t == 0 else rate[-1] + np.clip(x[t] - rate[-1], -0.25, 0.5))
        low.append(x[0] if t == 0 else 0.75 * low[-1] + 0.25 * x[t])
        hyst.append(x[t] >= 0.5 or (t > 0 and hyst[-1] and x[t] > -0.5))
        slope = 0 if t == 0 else (e[t] - e[t - 1]) / 0.1
        wanted = 2 * e[t] + 0.5 * (integral + e[t] * 0.1) + 0.1 * slope
        if not ((wanted > 1.5 and e[t] > 0) or (wanted < -1.5 and e[t] < 0)):
            integral += e[t] * 0.1
        u.append(np.clip(2 * e[t] + 0.5 * integral + 0.1 * slope, -1.5, 1.5))
    lib.expect("rate_limiter", o["rate"], np.array(rate), 1e-14)
    lib.expect("low_pass", o["low"], np.array(low), 1e-14)
    lib.expect("hysteresis", o["hyst"], np.array(hyst, "f8"), 0)
    lib.expect("pid", o["u"], np.array(u), 1e-13)
    quiet, out, other = False, [], 0
    for on in d["on"]:
        other = 0 if on == quiet else other + 1
        if other >= 3:
            quiet, other = on, 0
        out.append(quiet)
    lib.expect("debounce", o["quiet"], np.array(out, "f8"), 0)
    a, c, q, r = d["a"][0], d["c"][0], d["q"][0], d["r"][0]
    m, p, ms = np.zeros(3), np.eye(3), []
    for z in d["z"]:
        m, p = a @ m, a @ p @ a.T + q
        k = p @ c.T @ np.linalg.inv(c @ p @ c.T + r)
        m, p = m + k @ (z - c @ m), (np.eye(3) - k @ c) @ p
        ms.append(m)
    for node, x, v in (("kalman_step", o["m"], o["p"]), ("kalman", o["mk"], o["pk"])):
        lib.expect(node, x, np.array(ms), 1e-11)
        lib.expect(node + " covariance", v[-1], p, 1e-11)
    b, l, u = normal(3, 2, same=True), normal(3, 2, same=True) / 4, normal(2)
    o = lib.run(dict(a=d["a"], b=b, c=d["c"], l=l, u=u), "observed")
    x, s, xs, ss = np.array([1.0, -1, 2]), np.zeros(3), [], []
    for t in range(n):
        xs.append(x)
        ss.append(s)
        x, s = a @ x + b[0] @ u[t], a @ s + b[0] @ u[t] + l[0] @ (c @ (x - s))
    lib.expect("observer", o["estimate"], np.array(ss), 1e-11)


def horizon(a, b, q, r, e, h):
    """The cost matrix from the start, and the first gain, from one least-squares problem in all commands."""
    n, m = b.shape
    free, forced = [np.eye(n)], [np.zeros((n, h * m))]
    for t in range(h):
        nxt = a @ forced[-1]
        nxt[:, t * m:(t + 1) * m] += b
        free.append(a @ free[-1])
        forced.append(nxt)
    weights = [q] * h + [e]
    hess = sum(f.T @ w @ f for f, w in zip(forced, weights)) + np.kron(np.eye(h), r)
    cross = sum(f.T @ w @ g for f, w, g in zip(forced, weights, free))
    u = -np.linalg.solve(hess, cross)
    return sum(g.T @ w @ g for w, g in zip(weights, free)) + cross.T @ u, -u[:m]


def regulators(lib):
    n = 12
    psd = lambda k: np.array([m @ m.T + 0.1 * np.eye(k) for m in lib.rng.standard_normal((n, k, k))])
    a, b = lib.rng.standard_normal((n, 4, 4)), lib.rng.standard_normal((n, 4, 2))
    a *= 1.1 / np.abs(np.linalg.eigvals(a)).max(1)[:, None, None]
    q, r, e = psd(4), psd(2), psd(4)
    o = lib.run(dict(a=a, b=b, q=q, r=r, e=e), "regulators")
    for i in range(n):
        p, k = horizon(a[i], b[i], q[i], r[i], e[i], 20)
        lib.expect("lqr, cost", o["p"][i] / np.abs(p).max(), p / np.abs(p).max(), 1e-9)
        lib.expect("lqr, first gain", o["k"][i, 0], k, 1e-8)
        gain = np.linalg.inv(r[i] + b[i].T @ e[i] @ b[i]) @ b[i].T @ e[i] @ a[i]
        lib.expect("lqr, last gain", o["k"][i, -1], gain, 1e-10)
        lib.expect("riccati_step", o["step"][i], q[i] + a[i].T @ e[i] @ (a[i] - b[i] @ gain), 1e-10)
        p = scipy.linalg.solve_discrete_are(a[i], b[i], q[i], r[i])
        lib.expect("dare", o["pd"][i] / np.abs(p).max(), p / np.abs(p).max(), 1e-9)
        k = np.linalg.solve(r[i] + b[i].T @ p @ b[i], b[i].T @ p @ a[i])
        lib.expect("dare, gain", o["kd"][i], k, 1e-9)
        lib.expect("dare of f32, gain", o["kf"][i], k, 1e-3)
        lib.require("dare", o["settled"][i] and o["sf"][i], "not settled")
    lib.require("dare", not lib.run({}, "hopeless")["settled"][0], "settled for a system that cannot be stabilised")


def smoother(lib):
    """The smoothed states minimise the sum of squares of all residuals: start, motions, measurements."""
    h, z, c = 30, lib.rng.standard_normal((1, 30, 2)), lib.rng.standard_normal((1, 2, 3))
    a = lib.rng.standard_normal((1, 3, 3)) / 2
    q, r = np.diag([0.1, 0.2, 0.3])[None], np.diag([0.5, 0.2])[None]
    o = lib.run(dict(z=z, a=a, q=q, r=r, c=c), "smoother")
    start = np.array([1.0, 2, 3])
    p1 = a[0] @ q[0] @ a[0].T + q[0]
    rows, right = [], []

    def add(blocks, value, covariance):
        w = np.linalg.inv(np.linalg.cholesky(covariance))
        row = np.zeros((len(value), 3 * h))
        for t, m in blocks:
            row[:, 3 * t:3 * t + 3] += m
        rows.append(w @ row)
        right.append(w @ value)

    add([(0, np.eye(3))], a[0] @ start, p1)
    for t in range(h):
        add([(t, c[0])], z[0, t], r[0])
        if t:
            add([(t, np.eye(3)), (t - 1, -a[0])], np.zeros(3), q[0])
    j = np.vstack(rows)
    xs = np.linalg.lstsq(j, np.concatenate(right), rcond=None)[0].reshape(h, 3)
    v = np.linalg.inv(j.T @ j)
    lib.expect("rts_smoother", o["xs"][0], xs, 1e-10)
    lib.expect("rts_smoother, covariance", o["ps"][0], np.array([v[3 * t:3 * t + 3, 3 * t:3 * t + 3] for t in range(h)]), 1e-10)


def swing(x0, us, p):
    """Total cost of the test's pendulum, and its states."""
    x, total, xs = np.array(x0), 0.0, [np.array(x0)]
    for u in us.ravel():
        total += 0.05 * x[0] ** 2 + 0.005 * x[1] ** 2 + 0.0005 * u * u
        x = np.array([x[0] + 0.05 * x[1], x[1] + 0.05 * (np.sin(x[0]) + p * np.tanh(u))])
        xs.append(x)
    return total + 10 * x @ x, np.array(xs)


def gradient(x0, us, p):
    """Of that cost in the commands, by the adjoint recurrence."""
    _, xs = swing(x0, us, p)
    g, out = 20 * xs[-1], []
    for x, u in zip(xs[-2::-1], us.ravel()[::-1]):
        out.append(0.001 * u + g[1] * 0.05 * p * (1 - np.tanh(u) ** 2))
        g = np.array([0.1 * x[0] + g[0] + 0.05 * np.cos(x[0]) * g[1], 0.01 * x[1] + 0.05 * g[0] + g[1]])
    return np.array(out[::-1])


def trajectories(lib):
    starts = np.array([[3.14, 0], [0.5, -1], [2, 0.3], [-1.5, 2], [3.14, 0], [0.5, 0]])
    us0 = lib.rng.standard_normal((6, 60, 1)) * 0.1
    us0[-1, 5] = np.inf
    p = np.array([2.0, 2, 1.5, 3, 4, 2])
    o = lib.run(dict(x0=starts, us0=us0, p=p), "swing_up", interp_steps=2)
    for i in range(5):
        total, xs = swing(starts[i], o["us"][i], p[i])
        lib.expect("ilqr, cost of its commands", o["total"][i], total, 1e-12)
        lib.expect("ilqr, states", o["xs"][i], xs, 1e-11)
        lib.expect("rollout", o["total0"][i], swing(starts[i], us0[i], p[i])[0], 1e-12)
        lib.expect("ilqr, gradient at the end", gradient(starts[i], o["us"][i], p[i]), np.zeros(60), 5e-4)
        lib.expect("ilqr by differences", o["total2"][i], o["total"][i], 1e-6)
        lib.require("ilqr", o["settled"][i], "not settled")
        # A general optimiser from the solution finds nothing better nearby, and from the same start nothing much better.
        for begin, slack in ((o["us"][i], 1e-7), (us0[i], 1e-3)):
            best = scipy.optimize.minimize(lambda u: swing(starts[i], u, p[i])[0], begin.ravel(), method="L-BFGS-B",
                                           jac=lambda u: gradient(starts[i], u, p[i]), options=dict(maxiter=5000, maxfun=20000))
            lib.require("ilqr", o["total"][i] <= best.fun * (1 + slack) or slack > 1e-4 and o["total"][i] < best.fun * 1.05,
                        f"start {i}: cost {o['total'][i]}, an optimiser finds {best.fun}")
    lib.require("ilqr", not np.isfinite(o["total"][5]) or np.isfinite(o["us"][5]).all(), "a start that is not finite")
    x, u = lib.normal(2), lib.normal(1)
    s = lib.run(dict(x=x, u=u, p=np.full(60, 2.0)), "slopes")
    lib.expect("differences, of x", s["da"], s["a"], 1e-9)
    lib.expect("differences, of u", s["db"], s["b"], 1e-9)
    o = lib.run(dict(x0=lib.normal(2)), "linear")
    lib.expect("ilqr, linear: cost", o["total"], o["best"], 1e-12)
    lib.expect("ilqr, linear: gains", -o["ks"], o["k"], 1e-10)
    lib.require("ilqr", (o["n"] <= 3).all() and o["settled"].all(), "a linear problem takes more than a step, and two to see that it is done")
