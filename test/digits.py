#!/usr/bin/env python3
"""examples/14-digits trained to the end, killed on the way: the exported parameters are those in the folder to the bit, and classify.mlr
gets at least 97 % of the test images right with them.

usage: digits.py MLRC
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

MLRC = pathlib.Path(sys.argv[1]).resolve()
EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples" / "14-digits"
LEAST = 0.97


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file in ("digits.mlr", "classify.mlr", "train.npz", "test.npz"):
            shutil.copy(EXAMPLE / file, folder)
        command = [MLRC, "run", "digits.mlr", "--input", "train.npz", "--epochs", "40", "--shuffle", "1", "--export", "net.safetensors",
                   "--checkpoint", "ck.safetensors", "--every", "4000", "--resume", "--quiet"]
        first = subprocess.Popen(command, cwd=folder)
        while first.poll() is None and not (folder / "ck.safetensors").exists():
            time.sleep(0.02)
        first.kill()
        first.wait()
        subprocess.run(command, cwd=folder, check=True)
        same = (folder / "net.safetensors").read_bytes() == (EXAMPLE / "net.safetensors").read_bytes()
        done = subprocess.run([MLRC, "run", "classify.mlr", "--input", "test.npz", "--select", "accuracy"], cwd=folder, check=True, capture_output=True, text=True)
        accuracy = float(done.stdout.split()[-1])
    print(f"test accuracy {accuracy:.4f}, at least {LEAST}; parameters {'as in the folder' if same else 'DIFFER from those in the folder'}")
    return 0 if same and accuracy >= LEAST else 1


sys.exit(main())
