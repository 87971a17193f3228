#!/usr/bin/env python3
"""Writes train.npz and test.npz from the digits that scikit-learn ships (pip install scikit-learn): the split of
train_test_split(images, labels, test_size=0.25, random_state=0), in its order."""
import pathlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

here = pathlib.Path(__file__).parent
digits = load_digits()
images, labels = digits.images.astype(np.uint8), digits.target.astype(np.int32)
a, b, c, d = train_test_split(images, labels, test_size=0.25, random_state=0)
np.savez(here / "train.npz", image=a, label=c)
np.savez(here / "test.npz", image=b, label=d)
