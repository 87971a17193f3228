"""random: known answers, and moments and frequencies of large samples, at six standard deviations."""
import numpy as np

AGAINST = {
    "threefry": "known answers of Random123; Threefry in Python", "key": "the definition", "fold_in": "Threefry in Python",
    "split": "Threefry in Python", "keys": "Threefry in Python", "bits32": "Threefry in Python", "word": "bits32",
    "uniform": "the bits; two moments", "uniform_between": "uniform", "randint": "frequencies", "bernoulli": "the frequency",
    "normal": "four moments", "categorical": "frequencies", "permutation": "each value once; frequencies of places",
    "shuffle": "permutation", "exponential": "moments", "gumbel": "moments",
}
MASK = 0xFFFFFFFF


def threefry(k0, k1, c0, c1):
    """Threefry-2x32-20, from the paper."""
    ks = [k0, k1, k0 ^ k1 ^ 0x1BD11BDA]
    x, y = (c0 + k0) & MASK, (c1 + k1) & MASK
    for r in range(20):
        x = (x + y) & MASK
        n = [13, 15, 26, 6, 17, 29, 16, 24][r % 8]
        y = ((y << n | y >> (32 - n)) & MASK) ^ x
        if r % 4 == 3:
            s = r // 4 + 1
            x, y = (x + ks[s % 3]) & MASK, (y + ks[(s + 1) % 3] + s) & MASK
    return x, y


def check(lib):
    o = lib.run(dict(seed=np.full(300, 42, "u4")), interp_steps=2)
    # The known answer of Random123 1.14 for this key and counter.
    lib.expect("threefry", [o["t0"][0], o["t1"][0]], np.array([0xC4923A9C, 0x483DF7A0]), 0)
    lib.expect("threefry, here", threefry(0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3), [0xC4923A9C, 0x483DF7A0], 0)
    lib.expect("key", o["key"][0], [0, 42], 0)
    lib.expect("fold_in", o["fold"][0], threefry(0, 42, 0, 7), 0)
    lib.expect("keys", o["k"][:20], [threefry(0, 42, 0, t) for t in range(20)], 0)
    a, b = (int(v) for v in o["k"][5])
    lib.expect("split", o["ks"][5], [threefry(a, b, 0, i) for i in range(3)], 0)
    words = [x ^ y for x, y in (threefry(a, b, 0, i) for i in range(1000))]
    lib.expect("bits32", o["w"][5], words[:4], 0)
    lib.expect("word", o["w3"], o["w"][:, 3], 0)
    lib.expect("uniform, bits", o["u"][5].ravel()[:1000], (np.array(words) >> 8) / 2.0 ** 24, 0)
    u, n = o["u"].astype("f8"), o["n"].astype("f8")
    lib.require("uniform", 0 <= u.min() and u.max() < 1, "leaves 0 .. 1")
    root = np.sqrt(1.5e6)
    lib.expect("uniform, mean", u.mean(), 0.5, 6 * 0.2887 / root)
    lib.expect("uniform, variance", u.var(), 1 / 12, 6 * 0.0745 / root)
    lib.expect("normal, mean", n.mean(), 0, 6 / root)
    lib.expect("normal, variance", n.var(), 1, 6 * 1.4142 / root)
    lib.expect("normal, skewness", (n ** 3).mean(), 0, 6 * 3.873 / root)
    lib.expect("normal, kurtosis", (n ** 4).mean(), 3, 6 * 9.8 / root)
    lib.expect("categorical", np.bincount(o["c"], minlength=3) / 300, np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum(), 6 * 0.5 / 17)
    lib.expect("permutation", np.sort(o["p"]), np.tile(np.arange(20), (300, 1)), 0)
    places = np.array([np.bincount(o["p"][:, j], minlength=20) for j in range(20)]) / 300
    lib.expect("permutation, places", places, np.full((20, 20), 0.05), 6 * 0.218 / 17.3)
    lib.expect("shuffle", o["sh"], o["p"] ** 2, 0)
    lib.expect("randint", np.bincount(o["r"].ravel(), minlength=10) / 300000, np.full(10, 0.1), 6 * 0.3 / 548)
    lib.expect("bernoulli", o["b"].mean(), 0.25, 6 * 0.433 / 548)
    lib.expect("uniform_between", o["ub"], -2 + 5 * o["u"].reshape(300, -1)[:, :1000].astype("f8"), 1e-6)
    lib.expect("exponential, mean", o["ex"].mean(), 1, 6 / 548)
    lib.expect("exponential, variance", o["ex"].var(), 1, 6 * 2.83 / 548)
    lib.expect("gumbel, mean", o["gu"].mean(), 0.5772157, 6 * 1.2825 / 548)
    lib.expect("gumbel, variance", o["gu"].var(), np.pi ** 2 / 6, 6 * 3.4 / 548)
    lib.require("keys", len({k.tobytes() for k in o["ks"][0]} | {o["k"][0].tobytes(), o["k"][1].tobytes()}) == 5, "keys repeat")
