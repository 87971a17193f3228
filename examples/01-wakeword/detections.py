#!/usr/bin/env python3
"""Prints when the wake word was heard, from the probabilities that `mlrc run --output FILE.csv` wrote.

A detection is a run of frames with P(wake word) > 0.5, gaps shorter than half a second closed; a frame is 512 samples
at 16 kHz, and the first 29 frames only fill the network's windows.
"""
import csv
import sys

FRAME = 512 / 16000


def main():
    with open(sys.argv[1], newline="") as f:
        p = [float(row["probabilities[0]"]) for row in csv.DictReader(f)]
    heard = []
    for i in (i for i in range(29, len(p)) if p[i] > 0.5):
        if heard and (i - heard[-1][1]) * FRAME < 0.5:
            heard[-1][1:] = [i, max(heard[-1][2], p[i])]
        else:
            heard.append([i, i, p[i]])
    for begin, end, best in heard:
        print(f"wake word at {begin * FRAME:.2f} .. {end * FRAME:.2f} s, P up to {best:.3f}")
    print(f"{len(heard)} detections")


main()
