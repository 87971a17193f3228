#!/usr/bin/env python3
"""Writes expected.npz: the same in NumPy, in f64, with the mean and the variance of each segment by their definition."""
import pathlib
import wave

import numpy as np

here = pathlib.Path(__file__).parent
T, GAMMA, BETA = 64, np.array([1.0] * 4 + [0.5] * 4), np.array([0.0] * 4 + [0.25] * 4)
with wave.open(str(here / "../01-wakeword/marvin10s.wav")) as recording:
    samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
blocks = samples[:len(samples) // 256 * 256].reshape(-1, 256) / 32768

mel = lambda f: 1127 * np.log(1 + f / 700)
edges, bins = np.linspace(mel(100), mel(8000), 10), mel(np.arange(129) * 16000 / 256)
width = edges[1] - edges[0]
filters = np.maximum(0, np.minimum((bins - edges[:-2, None]) / width, (edges[2:, None] - bins) / width))
filters[:, 0] = 0
window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
x = np.log(np.abs(np.fft.rfft(blocks * window)) ** 2 @ filters.T + 1e-6)

segments = x[:len(x) // T * T].reshape(-1, T, 8)
m, v = segments.mean(1), segments.var(1)
normalised = GAMMA * (segments - m[:, None]) / np.sqrt(v[:, None] + 1e-5) + BETA
y = np.zeros_like(x)
flat = normalised.reshape(-1, 8)
y[T - 1:] = flat[:len(x) - T + 1]
np.savez(here / "expected.npz", **{k: a.astype("f4") for k, a in dict(x=x, y=y, m=m, v=v).items()})
