#!/usr/bin/env python3
"""The standard library against NumPy and SciPy: every program here, NAME_test.mlr, runs in the interpreter and the JIT, which
must agree to the bit, and its outputs are compared with independent formulas. usage: check.py MLRC"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import scipy.signal

HERE = os.path.dirname(os.path.abspath(__file__))
MLRC = sys.argv[1]
T = 60  # instants
rng = np.random.default_rng(7)
failures = []


def normal(*shape, dtype="f8", same=False):
    """Random streams; `same`: one value at all instants."""
    x = rng.standard_normal((1 if same else T,) + shape).astype(dtype)
    return np.repeat(x, T, 0) if same else x


def run(program, inputs, node="main", interp_steps=T):
    with tempfile.TemporaryDirectory() as d:
        np.savez(f"{d}/in.npz", **inputs)
        out = {}
        for engine, steps in (("run", len(next(iter(inputs.values())))), ("interp", interp_steps)):
            subprocess.run([MLRC, engine, f"{HERE}/{program}_test.mlr", "--node", node, "--input", f"{d}/in.npz", "--output",
                            f"{d}/{engine}.npz", "--steps", str(steps)], check=True, stdout=subprocess.DEVNULL, timeout=300)
            out[engine] = dict(np.load(f"{d}/{engine}.npz"))
    for name, value in out["interp"].items():
        if out["run"][name][:interp_steps].tobytes() != value.tobytes():
            failures.append(f"{program}: {name} differs between run and interp")
    return out["run"]


def expect(what, value, reference, tolerance):
    """The tolerance is that of the type (1e-5 for f32 sums of some hundred terms, 1e-11 for f64), of the largest element."""
    error = np.abs(np.asarray(value, "f8") - reference).max() / max(1.0, np.abs(reference).max())
    if not error <= tolerance:
        failures.append(f"{what}: off by {error:.3g}, allowed {tolerance:.3g}")


def signal():
    b, a = scipy.signal.butter(3, 0.2)
    sos = scipy.signal.butter(6, 0.3, output="sos")
    tile = lambda z: np.tile(np.asarray(z, "f4"), (T,) + (1,) * np.ndim(z))
    x, v, h = normal(dtype="f4"), normal(256), normal(5, dtype="f4", same=True)
    o = run("signal", dict(x=x, v=v, h=h, b=tile(b), a=tile(a), s=tile(sos)), interp_steps=3)
    expect("fir", o["fi"], scipy.signal.lfilter(h[0], [1], x), 1e-5)
    expect("iir", o["ii"], scipy.signal.lfilter(b, a, x), 1e-5)
    expect("sos", o["so"], scipy.signal.sosfilt(sos, x), 1e-5)
    z = v + 1j * v * v
    expect("fft, real", o["re"], np.fft.fft(z).real, 1e-13)
    expect("fft, imaginary", o["im"], np.fft.fft(z).imag, 1e-13)
    expect("ifft", o["ir"] + o["ii2"], z.real + z.imag, 1e-13)
    expect("power_spectrum", o["ps"], np.abs(np.fft.rfft(v)) ** 2, 1e-13)
    expect("hann", o["w1"][0], scipy.signal.get_window("hann", 64), 1e-15)
    expect("blackman", o["w2"][0], scipy.signal.get_window("blackman", 64), 1e-15)
    mel = lambda f: 1127 * np.log(1 + f / 700)
    edges, bins = np.linspace(0, mel(8000), 42), mel(np.arange(513) * 16000 / 1024)
    up = (bins - edges[:-2, None]) / np.diff(edges)[0]
    down = (edges[2:, None] - bins) / np.diff(edges)[0]
    filters = np.maximum(0, np.minimum(up, down))
    filters[:, 0] = 0
    expect("mel_filters", o["mf"][0], filters, 1e-12)
    expect("resample_linear", o["rs"][0], np.interp(np.linspace(0, 255, 100), np.arange(256), v[0]), 1e-12)
    sizes = dict(a=1, b=2, c=4, d=8, e=512, f=2048)
    inputs = {k: normal(n)[:3] for k, n in sizes.items()}
    o = run("signal", inputs, "lengths", interp_steps=1)
    for k in sizes:
        expect(f"fft of {sizes[k]}", np.stack([o[k + "r"], o[k + "i"]]),
               np.stack([np.fft.fft(inputs[k] * (1 + 2j)).real, np.fft.fft(inputs[k] * (1 + 2j)).imag]), 1e-13)


def linalg():
    a, b, t = normal(5, 5), normal(5, 3), normal(7, 4)
    o = run("linalg", dict(a=a, b=b, t=t))
    p = a @ a.transpose(0, 2, 1) + np.eye(5)
    expect("cholesky", o["ch"], np.linalg.cholesky(p), 1e-12)
    expect("inv", o["iv"] @ a, np.tile(np.eye(5), (T, 1, 1)), 1e-9)
    expect("solve_positive", p @ o["sp"], b, 1e-11)
    expect("solve", a @ o["so"], b, 1e-11)
    expect("det", o["d"], np.linalg.det(a), 1e-12)
    expect("q r", o["q"] @ o["r"], t, 1e-13)
    expect("q orthogonal", o["q"] @ o["q"].transpose(0, 2, 1), np.tile(np.eye(7), (T, 1, 1)), 1e-13)
    expect("r triangular", np.tril(o["r"], -1), np.zeros_like(o["r"]), 0)
    expect("solve_vector", o["sv"], o["so"][:, :, 0], 0)


def nn():
    weights = dict(pw=(8, 12), pb=(8,), cw=(4, 12, 3), cb=(4,), iw=(5, 3, 3, 3), ib=(5,), lw=(16, 12), lu=(16, 4), lb=(16,),
                   gw=(12, 12), gu=(12, 4), gb=(12,), gc=(12,), dw=(3, 3, 3), db=(3,))
    d = {k: normal(*s, dtype="f4", same=True) for k, s in weights.items()}
    d.update(x=normal(12, dtype="f4"), s=normal(9, 12, dtype="f4"), im=normal(9, 7, 3, dtype="f4"))
    o = run("nn", d, interp_steps=5)
    w = {k: d[k][0].astype("f8") for k in weights}
    x, s, im = (d[k].astype("f8") for k in ("x", "s", "im"))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    expect("dense", o["y"], x @ w["pw"].T + w["pb"], 1e-5)
    expect("conv1d", o["c"], sum(np.einsum("nti,oi->nto", s[:, k:k + 7], w["cw"][:, :, k]) for k in range(3)) + w["cb"], 1e-5)
    padded = np.pad(im, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [(i, j) for i in range(3) for j in range(3)]
    expect("conv2d", o["c2"], sum(np.einsum("nrci,oi->nrco", padded[:, i:i + 9:2, j:j + 7:2], w["iw"][:, :, i, j])
                                  for i, j in taps) + w["ib"], 1e-5)
    expect("depthwise2d", o["dd"], sum(padded[:, i:i + 9, j:j + 7] * w["dw"][i, j] for i, j in taps) + w["db"], 1e-5)
    expect("max_pool2d", o["mp"], im[:, :8, :6].reshape(T, 4, 2, 3, 2, 3).max((2, 4)), 0)

    def lstm(xs):
        h, c, out = np.zeros(4), np.zeros(4), []
        for v in xs:
            i, f, g, z = np.split(w["lw"] @ v + w["lu"] @ h + w["lb"], 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(z) * np.tanh(c)
            out.append(h)
        return np.array(out)

    expect("lstm", o["l"], lstm(x), 1e-5)
    expect("bilstm", o["bl"], np.stack([np.concatenate([lstm(v), lstm(v[::-1])[::-1]], 1) for v in s]), 1e-5)
    h, out = np.zeros(4), []
    for v in x:
        a, g = np.split(w["gw"] @ v + w["gb"], 3), np.split(w["gu"] @ h + w["gc"], 3)
        z = sigmoid(a[1] + g[1])
        h = (1 - z) * np.tanh(a[2] + sigmoid(a[0] + g[0]) * g[2]) + z * h
        out.append(h)
    expect("gru", o["g"], np.array(out), 1e-5)
    e = np.exp(np.einsum("nid,njd->nij", s, s) / np.sqrt(12))
    expect("attention", o["at"], np.einsum("nij,njc->nic", e / e.sum(-1, keepdims=True), s), 1e-5)
    expect("cross_entropy", o["ce"], np.log(np.exp(x).sum(1)) - x[:, 3], 1e-5)
    c = x - x.mean(1, keepdims=True)
    expect("layer_norm", o["ln"], x * c / np.sqrt((c * c).mean(1, keepdims=True) + 1e-5) + x, 1e-5)
    expect("gelu", o["ge"], 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))), 1e-5)


def random():
    o = run("random", dict(seed=np.full(300, 42, "u4")), interp_steps=2)
    # The known answer of Random123 1.14 for this key and counter.
    expect("threefry", [o["t0"][0], o["t1"][0]], np.array([0xC4923A9C, 0x483DF7A0]), 0)
    u, n = o["u"].astype("f8"), o["n"].astype("f8")
    if not (0 <= u.min() and u.max() < 1):
        failures.append("uniform leaves 0 .. 1")
    # 1.5 million samples: 6 standard deviations of each moment.
    expect("mean of uniform", u.mean(), 0.5, 6 * 0.2887 / 1225)
    expect("variance of uniform", u.var(), 1 / 12, 6 * 0.0745 / 1225)
    expect("mean of normal", n.mean(), 0, 6 / 1225)
    expect("variance of normal", n.var(), 1, 6 * 1.4142 / 1225)
    expect("kurtosis of normal", (n ** 4).mean(), 3, 6 * 9.8 / 1225)
    expect("categorical", np.bincount(o["c"], minlength=3) / 300, np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum(), 6 * 0.5 / 17)
    expect("permutation", np.sort(o["p"]), np.tile(np.arange(20), (300, 1)), 0)
    expect("randint", np.bincount(o["r"].ravel(), minlength=10) / 300000, np.full(10, 0.1), 6 * 0.3 / 548)
    expect("bernoulli", o["b"].mean(), 0.25, 6 * 0.433 / 548)
    if len({k.tobytes() for k in o["ks"][0]} | {o["k"][0].tobytes(), o["k"][1].tobytes()}) != 5:
        failures.append("keys repeat")


def control():
    d = dict(x=normal(), e=normal(), on=rng.random(T) < 0.6, z=normal(2), a=normal(3, 3, same=True) / 2, c=normal(2, 3, same=True))
    d["q"], d["r"] = np.tile(np.eye(3) * 0.1, (T, 1, 1)), np.tile(np.eye(2) * 0.2, (T, 1, 1))
    o = run("control", d)
    rate, low, hyst, integral, u = [], [], [], 0.0, []
    x, e = d["x"], d["e"]
    for t in range(T):
        rate.append(x[0] if t == 0 else rate[-1] + np.clip(x[t] - rate[-1], -0.25, 0.5))
        low.append(x[0] if t == 0 else 0.75 * low[-1] + 0.25 * x[t])
        hyst.append(x[t] >= 0.5 or (t > 0 and hyst[-1] and x[t] > -0.5))
        slope = 0 if t == 0 else (e[t] - e[t - 1]) / 0.1
        wanted = 2 * e[t] + 0.5 * (integral + e[t] * 0.1) + 0.1 * slope
        if not ((wanted > 1.5 and e[t] > 0) or (wanted < -1.5 and e[t] < 0)):
            integral += e[t] * 0.1
        u.append(np.clip(2 * e[t] + 0.5 * integral + 0.1 * slope, -1.5, 1.5))
    expect("rate_limiter", o["rate"], np.array(rate), 1e-14)
    expect("low_pass", o["low"], np.array(low), 1e-14)
    expect("hysteresis", o["hyst"], np.array(hyst, "f8"), 0)
    expect("pid", o["u"], np.array(u), 1e-13)
    quiet, out, other = False, [], 0
    for on in d["on"]:
        other = 0 if on == quiet else other + 1
        if other >= 3:
            quiet, other = on, 0
        out.append(quiet)
    expect("debounce", o["quiet"], np.array(out, "f8"), 0)
    a, c, q, r = d["a"][0], d["c"][0], d["q"][0], d["r"][0]
    m, p, ms = np.zeros(3), np.eye(3), []
    for z in d["z"]:
        m, p = a @ m, a @ p @ a.T + q
        k = p @ c.T @ np.linalg.inv(c @ p @ c.T + r)
        m, p = m + k @ (z - c @ m), (np.eye(3) - k @ c) @ p
        ms.append(m)
    expect("kalman_step", o["m"], np.array(ms), 1e-11)
    expect("kalman_step covariance", o["p"][-1], p, 1e-11)


for test in (signal, linalg, nn, random, control):
    test()
for failure in failures:
    print(failure)
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
