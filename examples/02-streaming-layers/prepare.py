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
        if name == "lstm_torch":
            save_channels(here / "lstm_torch_channels.npz", x, y)


def save_channels(path, x, y, channels=8, instants=400, apart=30):
    """Channel b plays the first apart * b samples of the recording, then all of it from its start, where it is reset."""
    start = np.zeros((instants, channels), bool)
    places = [apart * b for b in range(channels)]
    start[places, range(channels)] = True

    def stagger(recorded):
        return np.stack([np.concatenate([recorded[:n], recorded[:instants - n]]) for n in places], axis=1)

    np.savez_compressed(path, x=stagger(x), start=start, y=stagger(y))


main()
