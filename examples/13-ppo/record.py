#!/usr/bin/env python3
"""Records episodes of Gymnasium's CartPole-v1 and Pendulum-v1: cartpole_input.npz, cartpole_expected.npz, pendulum_input.npz,
pendulum_expected.npz. Needs the package gymnasium (the files here are from version 1.4.0); tests do not."""
import pathlib

import gymnasium
import numpy as np

HERE = pathlib.Path(__file__).parent


def balance(s, rng):
    """Keeps the pole up, so that episodes last."""
    return int(s @ [0.3, 0.6, 3.0, 1.0] + 0.1 * rng.standard_normal() > 0)


def swing(s, rng):
    """Pumps energy into the pendulum and holds it upright: pendulum_replay does the latter itself."""
    angle, speed = s[0] + np.pi - 2 * np.pi * np.floor((s[0] + np.pi) / (2 * np.pi)) - np.pi, s[1]
    energy = 0.5 * speed ** 2 / 3 + 5 * (np.cos(angle) - 1)
    return -12 * angle - 3 * speed if abs(angle) < 0.5 else np.sign(speed) * -energy + 0.3 * rng.standard_normal()


def record(name, policies):
    env, rng = gymnasium.make(name), np.random.default_rng(3)  # with its limit of time
    rows = {k: [] for k in ("action", "fresh", "next", "seen", "reward", "terminal", "done", "hold")}
    for episode, policy in enumerate(policies):
        env.reset(seed=episode)
        state, done = np.array(env.unwrapped.state, "f8"), False
        while not done:
            rows["fresh"].append(state)
            rows["hold"].append(policy is swing)
            action = policy(state, rng)
            seen, reward, terminal, cut, _ = env.step(np.array([action], "f8") if name == "Pendulum-v1" else action)
            state, done = np.array(env.unwrapped.state, "f8"), terminal or cut
            for key, value in zip(("action", "next", "seen", "reward", "terminal", "done"), (action, state, seen, reward, terminal, done)):
                rows[key].append(value)
    rows = {k: np.array(v) for k, v in rows.items()}
    # A node takes the state in which it begins again from the instant at which the episode before ended.
    ends = np.flatnonzero(rows["done"][:-1])
    begin = np.zeros_like(rows["fresh"])
    begin[0], begin[ends] = rows["fresh"][0], rows["fresh"][ends + 1]
    return rows | dict(fresh=begin)


random = lambda s, rng: int(rng.integers(2))
pole = record("CartPole-v1", [random] * 30 + [balance] * 4)
np.savez_compressed(HERE / "cartpole_input.npz", right=pole["action"] == 1, fresh=pole["fresh"])
np.savez_compressed(HERE / "cartpole_expected.npz", next=pole["next"], reward=pole["reward"], terminal=pole["terminal"], done=pole["done"])
rod = record("Pendulum-v1", [lambda s, rng: rng.uniform(-3, 3)] * 4 + [swing] * 4)
np.savez_compressed(HERE / "pendulum_input.npz", torque=rod["action"].astype("f8"), hold=rod["hold"], fresh=rod["fresh"])
np.savez_compressed(HERE / "pendulum_expected.npz", next=rod["next"], seen=rod["seen"], reward=rod["reward"], terminal=rod["terminal"], done=rod["done"])
print(len(pole["done"]), "instants,", pole["done"].sum(), "episodes;", len(rod["done"]), "instants,", rod["done"].sum(), "episodes")
