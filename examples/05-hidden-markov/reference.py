#!/usr/bin/env python3
"""Writes expected.npz with hmmlearn (needs: pip install hmmlearn)."""
import pathlib

import numpy as np
from hmmlearn.hmm import GaussianHMM

here = pathlib.Path(__file__).parent
flow = np.genfromtxt(here / "../03-kalman-smoother/nile.csv", delimiter=",", names=True)["flow"][:, None]
model = GaussianHMM(n_components=2, covariance_type="diag")
model.startprob_ = np.array([0.5, 0.5])
model.transmat_ = np.array([[0.97, 0.03], [0.02, 0.98]])
model.means_ = np.array([[1100.0], [850.0]])
model.covars_ = np.array([[130.0**2], [125.0**2]])
log_likelihood, posterior = model.score_samples(flow)
_, path = model.decode(flow)
np.savez(here / "expected.npz", posterior=posterior[None], path=path[None].astype(np.int32), log_likelihood=np.array([log_likelihood]))
print(log_likelihood, path)
