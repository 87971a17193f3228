#!/usr/bin/env python3
"""Writes expected.npz with statsmodels' Kalman filter and smoother (needs: pip install statsmodels).

The model is the same local linear trend with known variances and a known initial state.
"""
import pathlib

import numpy as np
from statsmodels.datasets import nile
from statsmodels.tsa.statespace.structural import UnobservedComponents

here = pathlib.Path(__file__).parent
data = np.genfromtxt(here / "nile.csv", delimiter=",", names=True)
assert np.array_equal(data["flow"], nile.load_pandas().data["volume"])  # the series is the one that statsmodels ships

model = UnobservedComponents(data["flow"], "local linear trend")
model.ssm.initialize_known(np.array([1000.0, 0.0]), np.diag([1e6, 1e2]))
model.loglikelihood_burn = 0  # the initial state is known, so every observation counts
result = model.smooth([15099.0, 1469.1, 0.5])  # irregular, level, trend
np.savez(here / "expected.npz", level=result.smoothed_state[0][None],
         deviation=np.sqrt(result.smoothed_state_cov[0, 0])[None], log_likelihood=np.array([result.llf]))
print("log-likelihood", result.llf)
