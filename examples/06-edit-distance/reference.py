#!/usr/bin/env python3
"""Writes input.npz and expected.npz: the full tables of both dynamic programs in plain Python."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)
pairs = [(b"intention and execution.", b"execution, intension"), (b"kitten sitting on a mat!", b"sitting kitten, mat."),
         (bytes(rng.integers(97, 100, 24, dtype=np.uint8)), bytes(rng.integers(97, 100, 20, dtype=np.uint8)))]
a, b = (np.array([list(p[k]) for p in pairs], dtype=np.uint8) for k in (0, 1))
x = np.sin(np.arange(24) / 3.0)[None] + rng.normal(0, 0.1, (3, 24))
y = np.sin(np.arange(20) / 2.5)[None] + rng.normal(0, 0.1, (3, 20))


def edits(s, t):
    d = np.zeros((len(s) + 1, len(t) + 1), dtype=int)
    d[:, 0], d[0, :] = range(len(s) + 1), range(len(t) + 1)
    for i in range(1, len(s) + 1):
        for j in range(1, len(t) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (s[i - 1] != t[j - 1]))
    return d[-1, -1]


def dtw(p, q):
    d = np.full((len(p) + 1, len(q) + 1), np.inf)
    d[0, 0] = 0
    for i in range(1, len(p) + 1):
        for j in range(1, len(q) + 1):
            d[i, j] = abs(p[i - 1] - q[j - 1]) + min(d[i - 1, j], d[i, j - 1], d[i - 1, j - 1])
    return d[-1, -1]


np.savez(here / "input.npz", a=a, b=b, x=x, y=y)
np.savez(here / "expected.npz", edits=np.array([edits(s, t) for s, t in zip(a, b)], dtype=np.int32),
         warped=np.array([dtw(p, q) for p, q in zip(x, y)]))
