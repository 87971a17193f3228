"""The smoother, forward-backward and the bidirectional LSTM once more: in JAX with lax.scan, and in NumPy.

Each JAX model does before or after its scans, for all instants at once, whatever needs no recurrence, as one would
write it for speed. `unroll` is lax.scan's."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)

F = np.array([[1.0, 1.0], [0.0, 1.0]])


def inverse2(a):
    """The inverse by hand, as in the program: far faster here than linalg.inv."""
    d = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    return jnp.array([[a[1, 1], -a[0, 1]], [-a[1, 0], a[0, 0]]]) / d


def smoother_jax(unroll):
    def up(carry, y):
        m_pred, p_pred, q, r = carry
        s = p_pred[0, 0] + r
        k = p_pred[:, 0] / s
        v = y - m_pred[0]
        m = m_pred + k * v
        p = p_pred - jnp.outer(k, k) * s
        return (F @ m, F @ p @ F.T + q, q, r), (m, p, m_pred, p_pred, s, v)

    def down(carry, x):
        dm, dp = carry
        m, p, m_pred, p_pred, g = x
        ms, ps = m + g @ dm, p + g @ dp @ g.T
        return (ms - m_pred, ps - p_pred), (ms, ps)

    def smoother(y, m0, p0, q, r):
        _, (m, p, m_pred, p_pred, s, v) = lax.scan(up, (m0, p0, q, r), y, unroll=unroll)
        g = jax.vmap(lambda p: p @ F.T @ inverse2(F @ p @ F.T + q))(p)
        zero = (jnp.zeros(2), jnp.zeros((2, 2)))
        _, (ms, ps) = lax.scan(down, zero, (m, p, m_pred, p_pred, g), reverse=True, unroll=unroll)
        ll = -0.5 * jnp.sum(jnp.log(2 * jnp.pi * s) + v * v / s)
        return {"filtered": m, "smoothed": ms, "covariance": ps, "log_likelihood": ll}

    return jax.jit(smoother)


def smoother_numpy(y, m0, p0, q, r):
    T = len(y)
    m, p, m_pred, p_pred = np.empty((T, 2)), np.empty((T, 2, 2)), np.empty((T, 2)), np.empty((T, 2, 2))
    ll, mean, cov = 0.0, m0, p0
    for t in range(T):
        m_pred[t], p_pred[t] = mean, cov
        s = cov[0, 0] + r
        k = cov[:, 0] / s
        v = y[t] - mean[0]
        m[t] = mean + k * v
        p[t] = cov - np.outer(k, k) * s
        ll -= 0.5 * (np.log(2 * np.pi * s) + v * v / s)
        mean, cov = F @ m[t], F @ p[t] @ F.T + q
    g = p @ F.T @ np.linalg.inv(F @ p @ F.T + q)
    ms, ps = m.copy(), p.copy()
    for t in range(T - 2, -1, -1):
        ms[t] += g[t] @ (ms[t + 1] - m_pred[t + 1])
        ps[t] += g[t] @ (ps[t + 1] - p_pred[t + 1]) @ g[t].T
    return {"filtered": m, "smoothed": ms, "covariance": ps, "log_likelihood": ll}


def emissions(np, x, mean, deviation):
    z = (x[:, None] - mean) / deviation
    return np.exp(-0.5 * z * z - np.log(deviation) - 0.9189385332046727)


def hmm_jax(unroll):
    def hmm(x, start, a, mean, deviation):
        e = emissions(jnp, x, mean, deviation)

        def up(prior, e):
            f = prior * e
            scale = jnp.sum(f)
            alpha = f / scale
            return alpha @ a, (alpha, scale)

        def down(beta, x):
            e, scale = x
            return a @ (e * beta) / scale, beta

        _, (alpha, scale) = lax.scan(up, start, e, unroll=unroll)
        _, beta = lax.scan(down, jnp.ones_like(start), (e, scale), reverse=True, unroll=unroll)
        gamma = alpha * beta
        return {"posterior": gamma / jnp.sum(gamma, axis=1, keepdims=True), "log_likelihood": jnp.sum(jnp.log(scale))}

    return jax.jit(hmm)


def hmm_numpy(x, start, a, mean, deviation):
    e = emissions(np, x, mean, deviation)
    alpha, scale, beta = np.empty_like(e), np.empty(len(x)), np.empty_like(e)
    prior = start
    for t in range(len(x)):
        f = prior * e[t]
        scale[t] = f.sum()
        alpha[t] = f / scale[t]
        prior = alpha[t] @ a
    after = np.ones_like(start)
    for t in range(len(x) - 1, -1, -1):
        beta[t] = after
        after = a @ (e[t] * after) / scale[t]
    gamma = alpha * beta
    return {"posterior": gamma / gamma.sum(axis=1, keepdims=True), "log_likelihood": np.log(scale).sum()}


def lstm_cell(np, sigmoid, g, c):
    H = c.shape[0]
    c = sigmoid(g[H:2 * H]) * c + sigmoid(g[:H]) * np.tanh(g[2 * H:3 * H])
    return sigmoid(g[3 * H:]) * np.tanh(c), c


def bilstm_jax(unroll, wx, wh, b):
    def direction(xs, d):
        def step(carry, gx):
            h, c = lstm_cell(jnp, jax.nn.sigmoid, gx + wh[d] @ carry[0], carry[1])
            return (h, c), h

        zero = jnp.zeros(wh.shape[2], jnp.float32)
        return lax.scan(step, (zero, zero), xs @ wx[d].T + b[d], reverse=d == 1, unroll=unroll)[1]

    return jax.jit(lambda xs: {"ys": jnp.concatenate([direction(xs, 0), direction(xs, 1)], axis=1)})


def bilstm_numpy(xs, wx, wh, b):
    T, H = len(xs), wh.shape[2]
    ys = np.empty((T, 2 * H), np.float32)
    for d in range(2):
        gx = xs @ wx[d].T + b[d]
        h = c = np.zeros(H, np.float32)
        for t in range(T) if d == 0 else range(T - 1, -1, -1):
            h, c = lstm_cell(np, lambda v: 1 / (1 + np.exp(-v)), gx[t] + wh[d] @ h, c)
            ys[t, d * H:(d + 1) * H] = h
    return {"ys": ys}
