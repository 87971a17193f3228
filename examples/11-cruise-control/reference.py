#!/usr/bin/env python3
"""Writes the scenario, input.npz, a harder one that no brake can save, cutin.npz, and expected.npz: the same controller and car as a plain
loop with explicit state, every operation rounded to f32."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
f = np.float32
OFF, CRUISE, FOLLOW, BRAKE = range(4)
DT = f(0.02)


def scenario():
    """60 s at 50 Hz."""
    n = 3000
    t = np.arange(n) * 0.02
    rng = np.random.default_rng(3)
    s = dict(button=np.zeros(n, bool), pedal=t >= 57, wish=np.where(t < 8, 25, 28), driver=np.where(t < 2, 0.5, -1.0 * (t >= 57)),
             present=(t >= 15) & (t < 50), appears=np.full(n, 80.0), noise=0.15 * rng.standard_normal(n), dropout=np.zeros(n, bool))
    for k, down in enumerate([1, 0, 1, 0, 1, 1, 1, 1, 1, 1]):  # pressed once at 2 s; the contact bounces
        s["button"][100 + k] = down
    lead = np.interp(t, [15, 25, 28, 30, 33, 35, 37.4, 39, 46], [22, 22, 18, 18, 22, 22, 3, 3, 24])
    s["lead_v"] = np.where(s["present"], lead, 0)
    for start, length in ((18, 0.3), (28, 0.7), (36, 0.2), (43, 0.5)):
        s["dropout"] |= (t >= start) & (t < start + length)
    return {k: v if v.dtype == bool else v.astype("f4") for k, v in s.items()}


def cut_in():
    """At 15 s a lorry at 10 m/s moves in 9 m ahead of the car."""
    s = scenario()
    s["appears"][:] = 9
    s["lead_v"] = np.where(s["present"], f(10), f(0))
    return s


class Pid:
    def __init__(self, kp, ki, low, high):
        self.kp, self.ki, self.low, self.high, self.integral = f(kp), f(ki), f(low), f(high), f(0)

    def step(self, e):
        grown = self.integral + e * DT
        wanted = self.kp * e + self.ki * grown
        if not ((wanted > self.high and e * self.ki > 0) or (wanted < self.low and e * self.ki < 0)):
            self.integral = grown
        return min(max(self.kp * e + self.ki * self.integral, self.low), self.high)


def pid(mode):
    return Pid(0.6, 0.04, -2, 2) if mode == CRUISE else Pid(0.9, 0.02, -3, 2) if mode == FOLLOW else None


def plan(v, wish, gap, lead, ahead):
    target = max(min(wish, lead + f(0.3) * (gap - (f(5) + f(1.5) * v))), f(0)) if ahead else wish
    speed, distance, nearest = v, gap, gap
    for _ in range(19):
        distance = distance + f(0.25) * (lead - speed)
        speed = max(speed - f(0.75), f(0))
        nearest = min(nearest, distance)
    return target, bool(ahead and nearest < 4)


def drive(s):
    v, felt, a, gap = f(20), f(0), f(0), f(200)
    same, quiet, was_present = 0, False, False
    unseen, lead, track = 50, f(0), f(0)
    aim, urgent, near, mode, law = f(0), False, False, OFF, None
    out = {k: [] for k in ("v", "a", "gap", "mode")}
    for t in range(len(s["wish"])):
        button, pedal, wish, driver = bool(s["button"][t]), bool(s["pedal"][t]), s["wish"][t], s["driver"][t]
        present, lead_v = bool(s["present"][t]), s["lead_v"][t]
        if t:  # the car, by the command of the instant before
            v, felt = max(v + DT * (felt - f(0.0004) * v * v), f(0)), felt + DT / f(0.3) * (a - felt)
        gap = f(200) if not present else s["appears"][t] if not was_present else gap + DT * (lead_v - v)
        was_present = present
        seen = bool(present and not s["dropout"][t] and gap < 150)

        same = 0 if button == quiet else same + 1
        before = quiet
        if same >= 3:
            quiet, same = button, 0
        pressed = quiet and not before
        unseen = 0 if seen else min(unseen + 1, 50)
        ahead = unseen < 50
        lead = v + (lead_v - v) if seen else lead
        track = gap + s["noise"][t] if seen else track + DT * (lead - v)
        if t % 5 == 4:
            aim, urgent = plan(v, wish, track, lead, ahead)
        short = wish - aim
        near = bool(short >= 1 or (near and short > f(0.3)))
        held_up = ahead and near

        target = mode
        if mode == CRUISE:
            target = OFF if pedal else BRAKE if urgent else FOLLOW if held_up else mode
        elif mode == FOLLOW:
            target = OFF if pedal else BRAKE if urgent else CRUISE if not held_up else mode
        elif mode == BRAKE:
            target = OFF if pedal else FOLLOW if not urgent else mode
        if target != mode:
            mode, law = target, pid(target)
        wanted = driver if mode == OFF else f(-8) if mode == BRAKE else law.step(aim - v)
        up, down = (f(100), f(100)) if mode == OFF else (f(0.06), f(1) if mode == BRAKE else f(0.1))
        limited = wanted if t == 0 else limited + min(max(wanted - limited, -down), up)
        a = driver if mode == OFF else min(max(limited, f(-8)), f(2))
        for k, x in (("v", v), ("a", a), ("gap", gap), ("mode", mode)):
            out[k].append(x)
        if mode == OFF and pressed and v >= 5 and not pedal:
            mode, law = CRUISE, pid(CRUISE)
        elif mode in (CRUISE, FOLLOW) and pressed:
            mode = OFF
    return {k: np.array(x, "i4" if k == "mode" else "f4") for k, x in out.items()}


np.savez_compressed(here / "input.npz", **scenario())
np.savez_compressed(here / "cutin.npz", **cut_in())
result = drive(scenario())
np.savez_compressed(here / "expected.npz", **result)
changes = np.flatnonzero(np.diff(result["mode"])) + 1
print([(t * 0.02, ["Off", "Cruise", "Follow", "Brake"][result["mode"][t]]) for t in changes])
present = scenario()["present"]
print("nearest", result["gap"][present].min(), "m; hardest braking", result["a"].min(), "m/s^2; fastest", result["v"].max())
