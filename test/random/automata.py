#!/usr/bin/env python3
"""Random state machines against a simulation that reads the rules (language reference, sections 9 and 17) literally and shares nothing with
the translation that the interpreter runs too: states, arms, resets and memories are objects that are run, left, resumed and thrown away.

usage: automata.py MLRC [--count 200] [--seed 0] [--engines interp,run] [--keep FOLDER]
"""
import argparse
import collections
import pathlib
import random
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import engines  # noqa: E402


def wrap(n):
    return (n + 2**31) % 2**32 - 2**31


def remainder(a, b):
    return 0 if b == 0 else int(np.fmod(a, b))


OPERATORS = {"+": lambda a, b: wrap(a + b), "-": lambda a, b: wrap(a - b), "*": lambda a, b: wrap(a * b), "%": remainder,
             "min": min, "max": max, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b,
             "and": lambda a, b: a and b, "or": lambda a, b: a or b}


class Memory:
    """What a body remembers; a new one is a fresh start."""

    def __init__(self):
        self.slots, self.parts = {}, {}

    def part(self, owner):
        return self.parts.setdefault(id(owner), Memory())


class Instant:
    """One instant of a whole program: memories change when it is over."""

    def __init__(self):
        self.pending = []

    def finish(self):
        values = []
        for slots, key, value in self.pending: values.append((slots, key, value()))  # which may add to what is pending
        for slots, key, value in values: slots[key] = value


# ---- expressions: value(variables, memory of the body, instant) -----------------------------------------------------------


class Leaf:
    def __init__(self, text, name=None, constant=None):
        self.text, self.name, self.constant = text, name, constant

    def value(self, env, memory, instant):
        return env[self.name] if self.name is not None else self.constant


class Operation:
    def __init__(self, op, *operands):
        self.op, self.operands = op, operands
        a = [x.text for x in operands]
        if op == "not": self.text = f"(not {a[0]})"
        elif op == "if": self.text = f"(if {a[0]} then {a[1]} else {a[2]})"
        else: self.text = f"{op}({a[0]}, {a[1]})" if op in ("min", "max") else f"({a[0]} {op} {a[1]})"

    def value(self, env, memory, instant):
        v = [x.value(env, memory, instant) for x in self.operands]  # all of them: nothing is skipped
        if self.op == "not": return not v[0]
        return (v[1] if v[0] else v[2]) if self.op == "if" else OPERATORS[self.op](*v)


class Delay:
    """`a fby b`; `arrow`: the same written as `a -> pre b`."""

    def __init__(self, first, then, arrow=False):
        self.first, self.then = first, then
        self.text = f"({first.text} -> pre {then.text})" if arrow else f"({first.text} fby {then.text})"

    def value(self, env, memory, instant):
        key = id(self)
        first = self.first.value(env, memory, instant)
        now = memory.slots[key] if key in memory.slots else first
        instant.pending.append((memory.slots, key, lambda: self.then.value(env, memory, instant)))
        return now


class Last:
    """`last u`; its memory is that of the body with the statement."""

    def __init__(self, name):
        self.name, self.text = name, f"(last {name})"

    def value(self, env, memory, instant):
        return env["last " + self.name]


# ---- statements: run(variables, memory of the body, instant) ---------------------------------------------------------------


class Equation:
    def __init__(self, name, type, e):
        self.name, self.e = name, e
        self.lines = [f"{name}: {type} = {e.text};"]

    def run(self, env, memory, instant):
        env[self.name] = self.e.value(env, memory, instant)


class LastStatement:
    def __init__(self, name, initial):
        self.name, self.initial = name, initial
        self.lines = [f"last {name} = {str(initial).lower()};"]

    def run(self, env, memory, instant):
        key = id(self)
        env["last " + self.name] = memory.slots.get(key, self.initial)
        instant.pending.append((memory.slots, key, lambda: env[self.name]))


class Body:
    def __init__(self, statements):
        self.statements = statements

    def lines(self, r):
        blocks = [s.lines if isinstance(s.lines, list) else s.lines(r) for s in self.statements]
        r.shuffle(blocks)
        return ["  " + line for block in blocks for line in block]

    def run(self, env, memory, instant):
        """Runs in an environment of its own; what it defined."""
        inner = collections.ChainMap({}, env)
        for s in self.statements: s.run(inner, memory, instant)
        return inner


class IfBlock:
    def __init__(self, condition, arms, outputs):
        self.condition, self.arms, self.outputs = condition, arms, outputs

    def lines(self, r):
        return [f"if {self.condition.text} {{", *self.arms[0].lines(r), "} else {", *self.arms[1].lines(r), "}"]

    def run(self, env, memory, instant):
        arm = self.arms[0 if self.condition.value(env, memory, instant) else 1]
        inner = arm.run(env, memory.part(arm), instant)
        for u in self.outputs: env[u] = inner[u] if u in inner.maps[0] else env["last " + u]


class ResetBlock:
    def __init__(self, body, condition, outputs):
        self.body, self.condition, self.outputs = body, condition, outputs

    def lines(self, r):
        return ["reset {", *self.body.lines(r), f"}} every {self.condition.text};"]

    def run(self, env, memory, instant):
        if self.condition.value(env, memory, instant): memory.parts.pop(id(self.body), None)
        inner = self.body.run(env, memory.part(self.body), instant)
        for u in self.outputs: env[u] = inner[u]


class Automaton:
    """states: [(name, body, until, unless)], a transition being (condition, whether it restarts, target)."""

    def __init__(self, states, outputs):
        self.states, self.outputs = states, outputs

    def lines(self, r):
        text = ["automaton {"]
        names = [s[0] for s in self.states]
        for name, body, until, unless in self.states:
            text += [f"  state {name} {{", *("  " + line for line in body.lines(r))]
            for word, transitions in (("until", until), ("unless", unless)):
                ways = [f"{c.text} {'then' if restarts else 'continue'} {names[target]}" for c, restarts, target in transitions]
                if ways: text.append(f"    {word} {' | '.join(ways)};")
            text.append("  }")
        return text + ["}"]

    def run(self, env, memory, instant):
        mine = memory.part(self)
        state, restart = mine.slots.get("next", (0, False))
        strong = [[(c.value(env, memory, instant), restarts, target) for c, restarts, target in s[3]] for s in self.states]
        for holds, restarts, target in strong[state][::-1]:
            if holds: state, restart = target, restarts  # the state that is left does not start afresh
        if restart: mine.parts.pop(id(self.states[state][1]), None)
        name, body, until, _ = self.states[state]
        own = mine.part(body)
        inner = body.run(env, own, instant)
        following = (state, False)
        for holds, restarts, target in [(c.value(inner, own, instant), restarts, target) for c, restarts, target in until][::-1]:
            if holds: following = (target, restarts)
        instant.pending.append((mine.slots, "next", lambda: following))
        for u in self.outputs: env[u] = inner[u] if u in inner.maps[0] else env["last " + u]


# ---- random machines -----------------------------------------------------------------------------------------------------------


class Generator:
    """A program of one body, run at the base clock or in a scan."""

    def __init__(self, seed):
        self.r, self.names = random.Random(seed), 0
        self.types = {"x": "i32", "c": "bool", "d": "bool"}  # of all variables: no name is used twice
        self.mode = self.r.choice(["base", "base", "scan", "resume"])
        self.length = self.r.choice([1, 3, 5])
        self.body, _, outputs = self.make(list(self.types), [], [], self.r.choice([1, 1, 2, 2, 3]), self.r.choice([1, 2, 4]))
        self.outputs = [(u, self.types[u]) for u in outputs]

    def fresh(self, stem, type=None):
        self.names += 1
        self.types[f"{stem}{self.names}"] = type
        return f"{stem}{self.names}"

    def make(self, ready, around, lasts, depth, count, outputs=()):
        """(body, what is usable in it, what it defines). ready: names usable at this instant; around: names that only a delay reads;
        lasts: names with a memory."""
        r, statements, defined, ready = self.r, [], [], list(ready)
        waiting = [self.fresh("v", r.choice(["i32", "i32", "bool"])) for _ in range(r.randrange(1, count + 1))] + list(outputs)
        while waiting:
            if depth > 0 and r.random() < 0.5:
                outs = waiting[:r.choice([1, 1, 2])] if r.random() < 0.6 else [self.fresh("v", r.choice(["i32", "bool"]))]
                if any(u in lasts for u in outs): outs = [self.fresh("v", "i32")]
                kind = r.choice(["automaton", "automaton", "if", "reset"])
                kept = [u for u in outs if r.random() < 0.4] if kind != "reset" else []
                statements = [LastStatement(u, r.choice([True, False]) if self.types[u] == "bool" else r.randrange(9)) for u in kept] + statements
                statements.append(self.block(kind, ready, around + waiting, lasts + kept, depth, outs, kept))
            else:
                outs = waiting[:1]
                statements.append(Equation(outs[0], self.types[outs[0]], self.expression(ready, around + waiting, lasts, self.types[outs[0]])))
            ready += outs
            defined += outs
            waiting = [u for u in waiting if u not in outs]
        return Body(statements), ready, defined

    def block(self, kind, ready, around, lasts, depth, outs, kept):
        r = self.r
        count = {"reset": 1, "if": 2}.get(kind) or r.choice([2, 2, 3])
        definer = {u: r.randrange(count) for u in kept}
        bodies, inside = [], []
        for k in range(count):
            mine = [u for u in outs if u not in kept or definer[u] == k or r.random() < 0.5]
            body, usable, _ = self.make(ready, [u for u in around if u not in outs], lasts, depth - 1, 2, mine)
            bodies.append(body)
            inside.append(usable)
        test = lambda: self.expression(ready, around, lasts, "bool", 2)
        if kind == "reset": return ResetBlock(bodies[0], test(), outs)
        if kind == "if": return IfBlock(test(), bodies, outs)
        way = lambda e: (e, r.random() < 0.65, r.randrange(count))
        states = []
        for body, usable in zip(bodies, inside):
            until = [way(self.until(usable, around, lasts, body)) for _ in range(r.choice([0, 1, 1, 2]))]
            unless = [way(test()) for _ in range(r.choice([0, 0, 1, 2]))]
            if not until and not unless: until.append(way(self.until(usable, around, lasts, body)))
            states.append((self.fresh("S"), body, until, unless))
        return Automaton(states, outs)

    def until(self, ready, around, lasts, body):
        """A condition of the state's own time; a state is often left after some instants."""
        if self.r.random() > 0.4: return self.expression(ready, around, lasts, "bool", 2)
        n, k = self.fresh("n", "i32"), self.r.randrange(1, 5)
        body.statements.append(Equation(n, "i32", Operation("+", Delay(Leaf("0", constant=0), Leaf(n, n)), Leaf("1", constant=1))))
        return Operation(">=", Leaf(n, n), Leaf(str(k), constant=k))

    def expression(self, ready, around, lasts, type, depth=3):
        r = self.r
        sub = lambda t=type: self.expression(ready, around, lasts, t, depth - 1)
        if depth <= 0 or r.random() < 0.2: return self.leaf(ready, lasts, type)
        later = [u for u in ready + around if self.types[u] == type]
        if later and r.random() < 0.25: return Delay(self.constant(type), Leaf(*[r.choice(later)] * 2), r.random() < 0.3)
        if r.random() < 0.1: return Delay(sub(), sub())
        if r.random() < 0.1: return Operation("if", sub("bool"), sub(), sub())
        if type == "i32": return Operation(r.choice(["+", "+", "-", "-", "*", "%", "min", "max"]), sub(), sub())
        op = r.choice(["and", "or", "not", "<", ">=", "==", "<", ">="])
        if op == "not": return Operation("not", sub())
        t = "bool" if op in ("and", "or") else "i32"
        return Operation(op, sub(t), sub(t))

    def constant(self, type):
        v = self.r.choice([True, False]) if type == "bool" else self.r.randrange(7)
        return Leaf(str(v).lower(), constant=v)

    def leaf(self, ready, lasts, type):
        found = [Leaf(u, u) for u in ready if self.types[u] == type] * 2 + [Last(u) for u in lasts if self.types[u] == type]
        return self.r.choice(found) if found and self.r.random() < 0.85 else self.constant(type)

    def program(self):
        n = self.length
        outs = ", ".join(f"o{i}: {t}" + ("" if self.mode == "base" else f"[{n}]") for i, (_, t) in enumerate(self.outputs))
        lines = self.body.lines(random.Random(1))
        if self.mode == "base":
            return "\n".join([f"node main(x: i32, c, d: bool) -> ({outs}) {{", *lines, *(f"  o{i} = {u};" for i, (u, _) in enumerate(self.outputs)), "}", ""])
        head = [f"node main(xs: i32[{n}], cs, ds: bool[{n}]) -> ({outs}) {{", f"  scan t < {n}{' resume' if self.mode == 'resume' else ''} {{",
                *(f"    {u} = {u}s[t];" for u in "xcd")]
        return "\n".join(head + ["  " + line for line in lines] + [f"    o{i}[t] = {u};" for i, (u, _) in enumerate(self.outputs)] + ["  }", "}", ""])

    def simulate(self, x, c, d):
        """Outputs of streams of instants of the body."""
        rows, memory = [], Memory()
        for t in range(len(x)):
            if self.mode == "scan" and t % self.length == 0: memory = Memory()
            instant = Instant()
            env = self.body.run({"x": int(x[t]), "c": bool(c[t]), "d": bool(d[t])}, memory, instant)
            rows.append([env[u] for u, _ in self.outputs])
            instant.finish()
        return {f"o{i}": np.array([row[i] for row in rows], np.bool_ if t == "bool" else np.int32) for i, (_, t) in enumerate(self.outputs)}


def one(mlrc, seed, chosen, folder):
    """(outcome, message)"""
    machine = Generator(seed)
    n = 1 if machine.mode == "base" else machine.length
    rng, steps = np.random.default_rng(seed), 40 // n
    x = rng.integers(-5, 12, steps * n).astype(np.int32)
    c, d = (rng.random(steps * n) < p for p in (0.5, 0.3))
    (folder / "p.mlr").write_text(machine.program())
    block = lambda a: a if machine.mode == "base" else a.reshape(steps, n)
    plural = "" if machine.mode == "base" else "s"
    np.savez(folder / "in.npz", **{u + plural: block(a) for u, a in (("x", x), ("c", c), ("d", d))})
    expected = machine.simulate(x, c, d)
    for engine in chosen:
        try:
            outputs = engines.mlrc_run(mlrc, engine, folder / "p.mlr", "main", inputs=[folder / "in.npz"])
        except engines.EngineError as error:
            if "error[causality-cycle]" in str(error): return "refused", ""
            return "FAILED", str(error)[:2000]
        for name, values in expected.items():
            if not engines.same_bits(block(values), outputs[name]):
                return "FAILED", f"{engine} differs from the simulation in {name} {engines.first_difference(block(values), outputs[name])}"
    return "ok", ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mlrc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engines", default="interp,run")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the programs that fail")
    options = parser.parse_args()
    tally = collections.Counter()
    for seed in range(options.seed, options.seed + options.count):
        with tempfile.TemporaryDirectory() as folder:
            outcome, message = one(options.mlrc.resolve(), seed, options.engines.split(","), pathlib.Path(folder))
        tally[outcome] += 1
        if outcome == "FAILED":
            print(f"seed {seed}: {message}\n", flush=True)
            if options.keep:
                (options.keep / str(seed)).mkdir(parents=True, exist_ok=True)
                one(options.mlrc.resolve(), seed, options.engines.split(","), options.keep / str(seed))
    print(f"{tally['refused']} refused by the causality rule")
    print(f"{tally['ok']} passed, {tally['FAILED']} failed")
    return 1 if tally["FAILED"] or tally["ok"] < options.count // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
