#!/usr/bin/env python3
"""Writes input.npz and expected.npz. Input: eight cart-poles (Barto, Sutton and Anderson 1983) under a random linear policy, 1 an instant
until the pole or the cart is out of bounds, with a critic that is quadratic in the state, fitted to discounted returns. Expected: the
advantages by their definition, a double sum over each rollout in f64, without a recurrence."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
E, T, N, GAMMA, LAMBDA = 8, 64, 4 * 64, 0.99, 0.95
rng = np.random.default_rng(5)


def step(s, force):
    """One Euler step of 20 ms."""
    x, v, angle, rate = s
    push = (force + 0.05 * rate * rate * np.sin(angle)) / 1.1
    turn = (9.8 * np.sin(angle) - np.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
    return np.array([x + 0.02 * v, v + 0.02 * (push - 0.05 * turn * np.cos(angle) / 1.1), angle + 0.02 * rate, rate + 0.02 * turn])


states, rewards, ends = np.zeros((N, E, 4)), np.zeros((N, E)), np.zeros((N, E), bool)
for e in range(E):
    s = rng.uniform(-0.05, 0.05, 4)
    for t in range(N):
        states[t, e] = s
        if t + 1 < N:
            s = step(s, 10 * np.sign(s @ [0.2, 0.3, 1, 0.6] + 0.3 * rng.standard_normal()))
            rewards[t + 1, e] = 1
            if abs(s[0]) > 2.4 or abs(s[2]) > 0.2:
                ends[t + 1, e] = True
                s = rng.uniform(-0.05, 0.05, 4)
returns = np.zeros((N + 1, E))
for t in range(N - 2, -1, -1):
    returns[t] = rewards[t + 1] + GAMMA * np.where(ends[t + 1], 0, returns[t + 1])
features = np.concatenate([states ** 2, np.ones((N, E, 1))], 2)
weights = np.linalg.lstsq(features[:-60].reshape(-1, 5), returns[:N - 60].ravel(), rcond=None)[0]
value = (features @ weights).astype("f4")
np.savez(here / "input.npz", reward=rewards.astype("f4"), value=value, done=ends)

v = value.astype("f8")
out = {k: np.zeros((N // T, E, T)) for k in ("advantages", "targets", "scaled")}
for r in range(N // T):
    for e in range(E):
        for t in range(T):
            a, total = r * T + t, 0.0
            if a == 0:
                continue  # what leads to the first state
            for k in range(a, (r + 1) * T):  # transition k leads from state k - 1 to state k
                total += (GAMMA * LAMBDA) ** (k - a) * (rewards[k, e] + (0 if ends[k, e] else GAMMA * v[k, e]) - v[k - 1, e])
                if ends[k, e]:
                    break
            out["advantages"][r, e, t] = total
            out["targets"][r, e, t] = total + v[a - 1, e]
    a = out["advantages"][r]
    out["scaled"][r] = (a - a.mean()) / np.sqrt(a.var() + 1e-8)
np.savez(here / "expected.npz", **out)
print(ends.sum(), "episodes end;", np.abs(out["advantages"]).max(), "is the largest advantage")
