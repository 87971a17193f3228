#!/usr/bin/env python3
"""Writes the weights (seeded), an input and the outputs of an independent implementation in NumPy, f64."""
import json
import pathlib
import struct

import numpy as np

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
T, D, H = 20, 12, 16
weights = {"wx": rng.normal(0, 0.4, (2, 4 * H, D)), "wh": rng.normal(0, 0.3, (2, 4 * H, H)), "b": rng.normal(0, 0.2, (2, 4 * H))}
weights = {k: v.astype("<f4") for k, v in weights.items()}
header, blob = {}, b""
for name, a in weights.items():
    header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [len(blob), len(blob) + a.nbytes]}
    blob += a.tobytes()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
(here / "bilstm.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)

xs = rng.normal(0, 1, (3, T, D)).astype(np.float32)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def run(direction, x):
    wx, wh, b = (weights[k][direction].astype(np.float64) for k in ("wx", "wh", "b"))
    h = c = np.zeros(H)
    out = []
    for v in x if direction == 0 else x[::-1]:
        i, f, g, o = np.split(wx @ v + wh @ h + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out if direction == 0 else out[::-1])


ys = np.array([np.concatenate([run(0, x), run(1, x)], axis=1) for x in xs.astype(np.float64)])
np.savez(here / "input.npz", xs=xs)
np.savez(here / "expected.npz", ys=ys, h_end=ys[:, -1, :H])
