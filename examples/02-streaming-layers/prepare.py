#!/usr/bin/env python3
"""Converts RTNeural's test models and recordings (JSON, CSV) to .safetensors and .npz.

usage: prepare.py FOLDER   (the folder with dense.json, dense_x.csv, dense_y.csv, lstm.json, ...)

Keras layers become `I.kernel`, `I.recurrent`, `I.bias` with I the number of the layer; PyTorch tensors keep their names.
All values are f32, as RTNeural runs them.
"""
import json
import pathlib
import struct
import sys

import numpy as np


def save_safetensors(path, arrays):
    header, blob = {}, b""
    for name, a in arrays.items():
        data = np.ascontiguousarray(a, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(a)), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def main():
    source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    for name in ("dense", "lstm", "gru", "lstm_torch", "gru_torch"):
        model = json.loads((source / f"{name}.json").read_text())
        arrays = {}
        if "layers" in model:
            for i, layer in enumerate(model["layers"]):
                weights = layer["weights"]
                names = ["kernel", "bias"] if len(weights) <= 2 else ["kernel", "recurrent", "bias"]
                for n, w in zip(names, weights):
                    arrays[f"{i}.{n}"] = np.array(w)
        else:
            arrays = {k: np.array(v) for k, v in model.items()}
        save_safetensors(here / f"{name}.safetensors", arrays)
        x, y = (np.loadtxt(source / f"{name}_{c}.csv").astype(np.float32) for c in "xy")
        np.savez(here / f"{name}.npz", x=x, y=y)


main()
