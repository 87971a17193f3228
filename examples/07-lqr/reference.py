#!/usr/bin/env python3
"""Writes expected.npz without a Riccati recurrence: the optimal forces are the solution of one least-squares problem
in all forces of the horizon, the gains of the first instant are SciPy's solution of the algebraic Riccati equation,
which a horizon of 150 steps from the end has reached."""
import pathlib

import numpy as np
from scipy.linalg import solve_discrete_are

here = pathlib.Path(__file__).parent
T = 150
A = np.array([[1, 0.02, 0, 0], [0, 1, -0.0143, 0], [0, 0, 1, 0.02], [0, 0, 0.3157, 1]])
B = np.array([0, 0.0195, 0, -0.0293])
Q, R = np.diag([1, 0.1, 10, 0.1]), 0.01
x0 = np.array([0.5, 0, 0.2, 0])

# x_t = A^t x0 + sum_s A^(t-1-s) B u_s for t = 0..T, cost sum_{t<=T} x'Qx + sum u'Ru (x_T is weighed by Q too)
free, forced = [x0], [np.zeros((4, T))]
for t in range(T):
    free.append(A @ free[-1])
    nxt = A @ forced[-1]
    nxt[:, t] += B
    forced.append(nxt)
root = np.sqrt(Q)
lhs = np.vstack([root @ f for f in forced] + [np.sqrt(R) * np.eye(T)])
rhs = -np.concatenate([root @ f for f in free] + [np.zeros(T)])
u = np.linalg.lstsq(lhs, rhs, rcond=None)[0]
xs = np.array([f + g @ u for f, g in zip(free, forced)])
cost = sum(x @ Q @ x for x in xs[:T]) + R * u @ u
P = solve_discrete_are(A, B[:, None], Q, np.array([[R]]))
k_infinite = (B @ P @ A) / (R + B @ P @ B)
np.savez(here / "expected.npz", us=u[None], xs=xs[None, :T], cost=np.array([cost]))
print("stationary gain", k_infinite)
