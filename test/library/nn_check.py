"""nn against formulas in NumPy, in f64."""
import numpy as np

AGAINST = {
    "dense": "NumPy", "conv1d": "NumPy, tap by tap", "conv1d_strided": "NumPy, tap by tap", "depthwise1d": "NumPy, tap by tap",
    "conv2d": "NumPy, tap by tap", "depthwise2d": "NumPy, tap by tap", "max_pool1d": "numpy.max of blocks", "mean_pool1d": "numpy.mean of blocks",
    "max_pool2d": "numpy.max of blocks", "mean_pool2d": "numpy.mean of blocks", "global_mean_pool": "numpy.mean", "batch_norm": "the formula",
    "batch_statistics": "numpy.mean, numpy.var", "batch_norm_of": "the formula", "layer_norm": "the formula", "rms_norm": "the formula",
    "embedding": "indexing", "embedding_of": "indexing", "leaky_relu": "the formula", "elu": "the formula", "silu": "the formula",
    "gelu": "the formula", "attention": "NumPy's einsum", "causal_attention": "attention with a mask",
    "streaming_attention": "attention to the last instants", "multi_head_attention": "attention of each head, with and without a mask",
    "lstm_cell": "the formula (trained layers: example 02)", "lstm": "a loop", "gru_cell": "the formula (trained layers: example 02)", "gru": "a loop",
    "bilstm": "two loops", "bigru": "two loops", "bidirectional": "two loops", "mse": "numpy.mean", "log_sum_exp": "scipy.special.logsumexp",
    "log_softmax": "scipy.special.log_softmax", "cross_entropy": "NumPy", "huber": "the formula", "bce": "scipy.special.log_expit",
    "mae": "numpy.mean", "kl_divergence": "scipy.special.rel_entr",
    "uniform": "its range and variance", "glorot": "its range and variance", "glorot_normal": "moments", "he": "its range and variance",
    "he_normal": "moments", "orthogonal": "w w' or w' w = gain^2; moments of the elements", "dropout": "frequencies, and the values kept",
}
TIGHT = 1e-5  # sums of some hundred f32 terms


def check(lib):
    layers(lib)
    attention(lib)
    other(lib)
    initial_values(lib)
    lib.refuse("multi_head_attention", "node main(p: nn.MultiHead<<5>>, x: f32[3, 5]) -> (y: f32[3, 5]) "
                                       "{ y = nn.multi_head_attention<<2>>(p, x); }")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layers(lib):
    n = 60
    weights = dict(pw=(8, 12), pb=(8,), cw=(4, 12, 3), cb=(4,), iw=(5, 3, 3, 3), ib=(5,), lw=(16, 12), lu=(16, 4), lb=(16,),
                   gw=(12, 12), gu=(12, 4), gb=(12,), gc=(12,), dw=(3, 3, 3), db=(3,))
    d = {k: lib.normal(*s, dtype="f4", same=True) for k, s in weights.items()}
    d.update(x=lib.normal(12, dtype="f4"), s=lib.normal(9, 12, dtype="f4"), im=lib.normal(9, 7, 3, dtype="f4"))
    o = lib.run(d, interp_steps=4)
    w = {k: d[k][0].astype("f8") for k in weights}
    x, s, im = (d[k].astype("f8") for k in ("x", "s", "im"))
    lib.expect("dense", o["y"], x @ w["pw"].T + w["pb"], TIGHT)

    def conv1d(v, stride, pad, apart):
        v = np.pad(v, ((0, 0), (pad, pad), (0, 0)))
        last = v.shape[1] - 2 * apart
        return sum(np.einsum("nti,oi->nto", v[:, k * apart:k * apart + last:stride], w["cw"][:, :, k]) for k in range(3)) + w["cb"]

    lib.expect("conv1d", o["c"], conv1d(s, 1, 0, 1), TIGHT)
    lib.expect("conv1d_strided", o["cs0"], o["c"], 0)
    lib.expect("conv1d_strided, all", o["cs"], conv1d(s, 2, 2, 2), TIGHT)
    row = np.pad(s, ((0, 0), (1, 1), (0, 0)))
    lib.expect("depthwise1d", o["d1"], sum(row[:, k:k + 9:2] * w["cw"][0, :, k] for k in range(3)) + w["gb"], TIGHT)
    padded = np.pad(im, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [(i, j) for i in range(3) for j in range(3)]
    lib.expect("conv2d", o["c2"], sum(np.einsum("nrci,oi->nrco", padded[:, i:i + 9:2, j:j + 7:2], w["iw"][:, :, i, j])
                                      for i, j in taps) + w["ib"], TIGHT)
    lib.expect("depthwise2d", o["dd"], sum(padded[:, i:i + 9, j:j + 7] * w["dw"][i, j] for i, j in taps) + w["db"], TIGHT)
    blocks = im[:, :8, :6].reshape(n, 4, 2, 3, 2, 3)
    lib.expect("max_pool2d", o["mp"], blocks.max((2, 4)), 0)
    lib.expect("mean_pool2d", o["ap"], blocks.mean((2, 4)), 1e-6)
    lib.expect("global_mean_pool", o["gp"], im.mean((1, 2)), 1e-6)
    blocks = s[:, :8].reshape(n, 4, 2, 12)
    lib.expect("max_pool1d", o["mp1"], blocks.max(2), 0)
    lib.expect("mean_pool1d", o["ap1"], blocks.mean(2), 1e-6)

    def lstm_cell(v, h, c):
        i, f, g, z = np.split(w["lw"] @ v + w["lu"] @ h + w["lb"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(z) * np.tanh(c), c

    def gru_cell(v, h):
        a, g = np.split(w["gw"] @ v + w["gb"], 3), np.split(w["gu"] @ h + w["gc"], 3)
        z = sigmoid(a[1] + g[1])
        return (1 - z) * np.tanh(a[2] + sigmoid(a[0] + g[0]) * g[2]) + z * h

    def along(xs, cell, state):
        out = []
        for v in xs:
            state = cell(v, *state)
            out.append(state[0])
        return np.array(out)

    lstm = lambda xs: along(xs, lstm_cell, (np.zeros(4), np.zeros(4)))
    gru = lambda xs: along(xs, lambda v, h: (gru_cell(v, h),), (np.zeros(4),))
    both = lambda f, g: np.stack([np.concatenate([f(v), g(v[::-1])[::-1]], 1) for v in s])
    lib.expect("lstm_cell", o["lc"], np.array([lstm_cell(v, v[:4], v[4:8])[0] for v in x]), TIGHT)
    lib.expect("gru_cell", o["gcell"], np.array([gru_cell(v, v[:4]) for v in x]), TIGHT)
    lib.expect("lstm", o["l"], lstm(x), TIGHT)
    lib.expect("gru", o["g"], gru(x), TIGHT)
    lib.expect("bilstm", o["bl"], both(lstm, lstm), TIGHT)
    lib.expect("bigru", o["bg"], both(gru, gru), TIGHT)
    leak = lambda xs: along(xs, lambda v, h: (0.5 * h + v[:4],), (np.zeros(4),))
    pull = lambda xs: along(xs, lambda v, h: (0.25 * h - v[4:8],), (np.zeros(4),))
    lib.expect("bidirectional", o["bb"], both(leak, pull), TIGHT)


def attention(lib):
    d = dict(s=lib.normal(9, 12, dtype="f4"), q=lib.normal(12, dtype="f4"), k=lib.normal(12, dtype="f4"), w=lib.normal(36, 12, dtype="f4", same=True),
             b=lib.normal(36, dtype="f4", same=True), ow=lib.normal(12, 12, dtype="f4", same=True), ob=lib.normal(12, dtype="f4", same=True))
    o = lib.run(d, "attention", interp_steps=4)
    s, q, k, w, b, ow, ob = (d[x].astype("f8") for x in ("s", "q", "k", "w", "b", "ow", "ob"))

    def attend(q, k, v, mask=False):
        z = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
        return softmax(np.where(np.tri(z.shape[-1], dtype=bool), z, -np.inf) if mask else z) @ v

    lib.expect("attention", o["at"], attend(s, s, s), TIGHT)
    lib.expect("causal_attention", o["ca"], attend(s, s, s, True), TIGHT)
    last = [attend(q[t:t + 1], k[max(0, t - 4):t + 1], k[max(0, t - 4):t + 1])[0] for t in range(60)]
    lib.expect("streaming_attention", o["sa"], np.array(last), TIGHT)
    z = np.einsum("nti,oi->nto", s, w[0]) + b[0]
    z = z.reshape(60, 9, 3, 3, 4).transpose(2, 0, 3, 1, 4)  # of queries, keys, values: instant, head, row, feature
    for name, mask in (("mh", False), ("mc", True)):
        y = attend(*z, mask).transpose(0, 2, 1, 3).reshape(60, 9, 12)
        lib.expect(f"multi_head_attention, {name}", o[name], y @ ow[0].T + ob[0], TIGHT)


def other(lib):
    from scipy import special
    d = dict(x=lib.normal(12, dtype="f4"), g=lib.normal(12, dtype="f4"), b=lib.normal(12, dtype="f4"), s=lib.normal(9, 12, dtype="f4"),
             p=lib.rng.random((60, 12)).astype("f4"), i=lib.rng.integers(0, 9, 60).astype("i4"), **{"is": lib.rng.integers(0, 9, (60, 4)).astype("i4")})
    d["p"][:, 5], d["p"][:, 7] = 0, 1
    o = lib.run(d, "other", interp_steps=10)
    x, g, b, s, p = (d[k].astype("f8") for k in "xgbsp")
    lib.expect("batch_norm", o["bn"], g * (b - x) / np.sqrt(p + 1e-5) + b, TIGHT)
    m, v = s.mean(1), s.var(1)
    lib.expect("batch_statistics, mean", o["bm"], m, 1e-6)
    lib.expect("batch_statistics, variance", o["bv"], v, 1e-6)
    each = lambda z: z[:, None]
    lib.expect("batch_norm_of", o["bno"], each(g) * (s - each(m)) / np.sqrt(each(v) + 1e-5) + each(b), TIGHT)
    c = x - x.mean(1, keepdims=True)
    lib.expect("layer_norm", o["ln"], g * c / np.sqrt((c * c).mean(1, keepdims=True) + 1e-5) + b, TIGHT)
    lib.expect("rms_norm", o["rn"], g * x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5), TIGHT)
    lib.expect("leaky_relu", o["lr"], np.where(x > 0, x, 0.1 * x), 1e-6)
    lib.expect("elu", o["el"], np.where(x > 0, x, 1.5 * np.expm1(x)), 1e-6)
    lib.expect("silu", o["si"], x * sigmoid(x), 1e-6)
    lib.expect("gelu", o["ge"], 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))), TIGHT)
    every = np.arange(60)
    lib.expect("embedding", o["em"], s[every, d["i"]], 0)
    lib.expect("embedding_of", o["es"], s[every[:, None], d["is"]], 0)
    lib.expect("log_softmax", o["ls"], special.log_softmax(100 * x, axis=1), 1e-6)
    lib.expect("log_sum_exp", o["se"], special.logsumexp(100 * x, axis=1), 1e-6)
    lib.expect("cross_entropy", o["ce"], -np.log(softmax(x)[:, 3]), TIGHT)
    lib.expect("mse", o["ms"], ((x - g) ** 2).mean(1), 1e-6)
    lib.expect("mae", o["ma"], np.abs(x - g).mean(1), 1e-6)
    lib.expect("huber", o["hu"], np.where(np.abs(x) <= 0.7, 0.5 * x * x, 0.7 * (np.abs(x) - 0.35)), 1e-6)
    lib.expect("bce", o["bc"], -p * special.log_expit(50 * x) - (1 - p) * special.log_expit(-50 * x), 1e-6)
    r = p / p.sum(1, keepdims=True)
    lib.expect("kl_divergence", o["kl"], special.rel_entr(r, softmax(x)).sum(1), TIGHT)


def initial_values(lib):
    n = 1000
    key = lib.rng.integers(0, 2 ** 32, (n, 2)).astype("u4")
    o = lib.run(dict(key=key, x=lib.normal(40, dtype="f4", instants=n) + 10), "initial_values", interp_steps=2)
    for name, node, limit in (("un", "uniform", 0.3), ("g", "glorot", 2 * np.sqrt(6 / 32)), ("gk", "glorot", np.sqrt(6 / 70)), ("h", "he", np.sqrt(6 / 20))):
        w = o[name].astype("f8") / limit
        lib.require(node, abs(w).max() <= 1, f"{name} leaves its limit")
        lib.expect(f"{node}, {name}, mean", w.mean(), 0, 6 * 0.578 / np.sqrt(w.size))
        lib.expect(f"{node}, {name}, variance", w.var(), 1 / 3, 6 * 0.3 / np.sqrt(w.size))
    for name, node, std in (("gn", "glorot_normal", 2 * np.sqrt(2 / 32)), ("hn", "he_normal", np.sqrt(2 / 20))):
        w = o[name].astype("f8") / std
        lib.expect(f"{node}, mean", w.mean(), 0, 6 / np.sqrt(w.size))
        lib.expect(f"{node}, variance", w.var(), 1, 6 * 1.42 / np.sqrt(w.size))
    tall, wide, square = (o[k].astype("f8") for k in ("tall", "wide", "square"))
    lib.expect("orthogonal, columns", np.einsum("noi,noj->nij", tall, tall), np.tile(4 * np.eye(3), (n, 1, 1)), 1e-5)
    lib.expect("orthogonal, rows", np.einsum("noi,npi->nop", wide, wide), np.tile(np.eye(3), (n, 1, 1)), 1e-5)
    lib.expect("orthogonal, square", square @ square.transpose(0, 2, 1), np.tile(np.eye(5), (n, 1, 1)), 1e-5)
    # All equally likely: each element has mean 0 and variance gain^2 / max(O, I).
    lib.expect("orthogonal, means", square.mean(0), np.zeros((5, 5)), 6 * 0.447 / np.sqrt(n))
    lib.expect("orthogonal, variances", tall.var(0), np.full((7, 3), 4 / 7), 6 * 0.6 / np.sqrt(n))
    x, d = o["all"], o["d"]
    lib.expect("dropout, of nothing", x > 0, np.ones((n, 40)), 0)
    lib.expect("dropout, kept", d, np.where(d == 0, 0, x / 0.75), 1e-6)
    lib.expect("dropout, frequency", (d == 0).mean(), 0.25, 6 * 0.433 / 200)
