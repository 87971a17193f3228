"""signal against NumPy's transforms and SciPy's filters."""
import numpy as np
import scipy.signal
import scipy.special

AGAINST = {
    "fft": "numpy.fft.fft, lengths 1 to 2048", "ifft": "numpy.fft.ifft", "rfft": "numpy.fft.rfft", "irfft": "numpy.fft.irfft",
    "power_spectrum": "numpy.fft.rfft", "stft": "numpy.fft.rfft of the last samples", "stft_of": "scipy.signal.stft",
    "istft_of": "stft_of, back to the signal", "hann": "scipy.signal.windows", "hann_symmetric": "scipy.signal.windows",
    "hamming": "scipy.signal.windows", "hamming_symmetric": "scipy.signal.windows", "blackman": "scipy.signal.windows",
    "kaiser": "scipy.signal.windows.kaiser", "mel": "the formula", "mel_filters": "the formula", "fir": "scipy.signal.lfilter",
    "lowpass_taps": "scipy.signal.firwin", "convolve": "numpy.convolve", "biquad": "scipy.signal.lfilter", "iir": "scipy.signal.lfilter",
    "sos": "scipy.signal.sosfilt", "preemphasis": "the formula", "interpolate": "numpy.interp", "resample_linear": "numpy.interp",
    "decimate": "scipy.signal.lfilter", "resample": "scipy.signal.upfirdn, across blocks", "resample_of": "scipy.signal.resample_poly",
}


def check(lib):
    filters(lib)
    windows(lib)
    lengths(lib)
    arrays(lib)
    streams(lib)
    lib.refuse("fft", "node main(x: f32[6]) -> (a, b: f32[6]) { (a, b) = signal.fft(x, x); }")
    lib.refuse("rfft", "node main(x: f32[5]) -> (a, b: f32[3]) { (a, b) = signal.rfft(x); }")
    lib.refuse("irfft", "node main(x: f32[4]) -> (y: f32[6]) { y = signal.irfft<<6>>(x, x); }")
    lib.refuse("istft_of", "node main(z: f32[10, 33], w: f32[64]) -> (y: f32[200]) { y = signal.istft_of<<200, H = 8>>(z, z, w); }")
    for w in ("hann_symmetric()", "hamming_symmetric()", "kaiser(3)"):
        lib.refuse(w.split("(")[0], f"node main() -> (w: f32[1]) {{ w = signal.{w}; }}")
    lib.refuse("resample_linear", "node main(x: f32[5]) -> (y: f32[1]) { y = signal.resample_linear(x); }")


def filters(lib):
    n = 60
    b, a = scipy.signal.butter(3, 0.2)
    sos = scipy.signal.butter(6, 0.3, output="sos")
    tile = lambda z: np.tile(np.asarray(z, "f4"), (n,) + (1,) * np.ndim(z))
    x, v, h = lib.normal(dtype="f4"), lib.normal(256), lib.normal(5, dtype="f4", same=True)
    o = lib.run(dict(x=x, v=v, h=h, b=tile(b), a=tile(a), s=tile(sos)), interp_steps=3)
    lib.expect("fir", o["fi"], scipy.signal.lfilter(h[0], [1], x), 1e-5)
    lib.expect("iir", o["ii"], scipy.signal.lfilter(b, a, x), 1e-5)
    lib.expect("sos", o["so"], scipy.signal.sosfilt(sos, x), 1e-5)
    lib.expect("biquad", o["bq"], scipy.signal.lfilter(sos[1, :3], sos[1, 3:], x), 1e-5)
    lib.expect("preemphasis", o["pe"], x - 0.97 * np.concatenate([[0], x[:-1]]), 1e-6)
    z = v + 1j * v * v
    lib.expect("fft, real", o["re"], np.fft.fft(z).real, 1e-13)
    lib.expect("fft, imaginary", o["im"], np.fft.fft(z).imag, 1e-13)
    lib.expect("ifft", o["ir"] + o["ii2"], z.real + z.imag, 1e-13)
    lib.expect("rfft, real", o["rr"], np.fft.rfft(v).real, 1e-13)
    lib.expect("rfft, imaginary", o["ri"], np.fft.rfft(v).imag, 1e-13)
    lib.expect("irfft", o["ix"], v, 1e-13)
    lib.expect("power_spectrum", o["ps"], np.abs(np.fft.rfft(v)) ** 2, 1e-13)


def windows(lib):
    o = lib.run({}, "windows")
    window = scipy.signal.get_window
    lib.expect("hann", o["hann"][0], window("hann", 64), 1e-15)
    lib.expect("hann, f32", o["hann32"][0], window("hann", 64), 6e-8)
    lib.expect("hann_symmetric", o["hann_s"][0], window("hann", 64, False), 1e-15)
    lib.expect("hamming", o["hamming"][0], window("hamming", 64), 1e-15)
    lib.expect("hamming_symmetric", o["hamming_s"][0], window("hamming", 64, False), 1e-15)
    lib.expect("blackman", o["blackman"][0], window("blackman", 64), 1e-15)
    lib.expect("kaiser", o["kaiser"][0], window(("kaiser", 8.6), 64, False), 1e-13)
    lib.expect("mel", o["mels"][0], 1127 * np.log(1 + 440 / 700), 1e-12)
    lib.expect("lowpass_taps", o["taps"][0], scipy.signal.firwin(31, 0.3), 1e-14)
    lib.expect("lowpass_taps, even", o["taps_even"][0], scipy.signal.firwin(32, 0.7), 1e-14)
    mel = lambda f: 1127 * np.log(1 + f / 700)
    edges, bins = np.linspace(0, mel(8000), 42), mel(np.arange(513) * 16000 / 1024)
    up = (bins - edges[:-2, None]) / np.diff(edges)[0]
    down = (edges[2:, None] - bins) / np.diff(edges)[0]
    filters = np.maximum(0, np.minimum(up, down))
    filters[:, 0] = 0
    lib.expect("mel_filters", o["mf"][0], filters, 1e-12)


def lengths(lib):
    sizes = dict(a=1, b=2, c=4, d=8, e=512, f=2048)
    inputs = {k: lib.normal(n)[:3] for k, n in sizes.items()}
    o = lib.run(inputs, "lengths", interp_steps=1)
    for k in sizes:
        reference = np.fft.fft(inputs[k] * (1 + 2j))
        lib.expect(f"fft of {sizes[k]}", np.stack([o[k + "r"], o[k + "i"]]), np.stack([reference.real, reference.imag]), 1e-13)
    inputs = {k: inputs[k] for k in "bcd"}
    o = lib.run(inputs, "real_lengths")
    for k in "bcd":
        reference = np.fft.rfft(inputs[k])
        lib.expect(f"rfft of {sizes[k]}", np.stack([o[k + "r"], o[k + "i"]]), np.stack([reference.real, reference.imag]), 1e-14)
        lib.expect(f"irfft of {sizes[k]}", o[k + "2"], inputs[k], 1e-14)


def arrays(lib):
    v, h, g = lib.normal(256, instants=5), lib.normal(9, instants=5), lib.normal(13, instants=5)
    o = lib.run(dict(v=v, h=h, g=g), "arrays", interp_steps=1)
    w = scipy.signal.get_window("hann", 64)
    _, _, z = scipy.signal.stft(v, window=w, nperseg=64, noverlap=56, boundary=None, padded=False, scaling="spectrum", axis=1)
    z = np.moveaxis(z, 1, 2) * w.sum()
    lib.expect("stft_of, real", o["re"], z.real, 1e-12)
    lib.expect("stft_of, imaginary", o["im"], z.imag, 1e-12)
    lib.expect("istft_of", o["back"][:, 1:], v[:, 1:], 1e-10)  # the window is 0 at the first sample
    lib.expect("istft_of, not reached", o["back"][:, 0], np.zeros(5), 0)
    each = lambda f, *a: np.array([f(*x) for x in zip(*a)])
    lib.expect("convolve", o["cv"], each(np.convolve, v, h), 1e-13)
    lib.expect("resample_linear", o["rs"], each(lambda x: np.interp(np.linspace(0, 255, 100), np.arange(256), x), v), 1e-12)
    lib.expect("interpolate", o["at_3"], 0.75 * v[:, 3] + 0.25 * v[:, 4], 1e-14)
    poly = lambda u, d: lambda x, y: scipy.signal.resample_poly(x, u, d, window=y) / u
    lib.expect("resample_of, 3 / 2", o["up"], each(poly(3, 2), v, g), 1e-13)
    lib.expect("resample_of, 2 / 3", o["down"], each(poly(2, 3), v, h), 1e-13)
    lib.expect("resample_of, 4 / 3", o["odd"], each(poly(4, 3), v, h), 1e-13)


def streams(lib):
    x, g = lib.normal(), lib.normal(9, same=True)
    o = lib.run(dict(x=x, g=g), "streams")
    padded = np.concatenate([np.zeros(32), x])
    frames = np.array([padded[k + 1:k + 33] for k in range(5, 60, 6)]) * scipy.signal.get_window("hann", 32)
    z = np.fft.rfft(frames)
    lib.expect("stft, real", o["re"], z.real, 1e-13)
    lib.expect("stft, imaginary", o["im"], z.imag, 1e-13)
    lib.expect("decimate", o["y"], scipy.signal.lfilter(g[0], [1], x)[3::4], 1e-13)
    x, g = lib.normal(12), lib.normal(23, same=True)
    o = lib.run(dict(x=x, g=g), "blocks")
    for name, u, d in (("up", 3, 2), ("down", 2, 3), ("same", 1, 1)):
        lib.expect(f"resample, {u} / {d}", o[name].ravel(), scipy.signal.upfirdn(g[0], x.ravel(), u, d)[:o[name].size], 1e-13)
