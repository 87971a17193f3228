#!/usr/bin/env python3
"""Side by side with compilers that others wrote: the programs of Heptagon's and Vélus's test suites, translated to MLR, run by Heptagon's
compiler and by MLR's interpreter, JIT and C over random instants, and compared to the bit; the suites' wrong programs, rejected.

  run.py --heptc HEPTC --stdlib LIB --heptagon CHECKOUT --velus CHECKOUT MLRC [--work FOLDER] [--only NAME] [--json FILE]

HEPTC is Heptagon's compiler and LIB its library of interfaces, built by whoever runs this; the checkouts are those of the suites.
Nothing of them is written anywhere but in FOLDER."""
import argparse
import json
import pathlib
import re
import shutil
import sys

import numpy as np

import modules
import write_heptagon
from streams import Failure, Peer, Shapes, build_mlr, difference, execute, mlr_engine, presence, run, speed
from syntax import SyntaxFailure, Unsupported
from names import node_name
from write_mlr import Writer

# Wrong elsewhere, right in MLR; by file.
LEGAL = {
    **{f"linear_{x}": "linear types; in MLR a value may be used twice" for x in "acc autom causality fun init map mapfold".split()},
    "side_effect": "prints; printing is left out of the translation",
    "ko_auto_mixed": "MLR and Heptagon mix `until` and `unless` in one automaton",
    "ko_clockedconstarg": "constants have every clock in MLR",
    "ko_whenexp": "a condition may be an expression in MLR",
    "ko_noargs": "MLR has nodes without inputs",
    "ko_noargsnoreturn": "MLR has nodes without inputs and outputs",
    "ko_noreturn": "MLR has nodes without outputs",
}


# Where heptc's C is wrong; by file, then node.
UNINITIALISED = "heptc's C reads a local variable before it gives it a value"
ARROW = "heptc takes the state's reset for the first instant of `a -> b` in a state: gives b when the program begins in the state, or `continue` enters it"
PEER_WRONG = {
    "sampling_stateful_output2": {"ff": UNINITIALISED, "main": UNINITIALISED},
    "office": {"shutter": ARROW, "window": ARROW},
    "stepper_motor": {"feed_pause": ARROW, "stepper_motor": ARROW},
}


class Session:
    def __init__(self, options):
        self.o = options
        self.work = pathlib.Path(options.work)
        self.mlrc = options.mlrc

    def folder(self, path):
        parts = path.resolve().parts[-3:]
        f = self.work / "-".join(parts).replace(".", "_")
        shutil.rmtree(f, ignore_errors=True)
        f.mkdir(parents=True)
        return f

    # The peer

    def heptc(self, folder, files):
        """Compiles files, in order, the last one to C; its signatures."""
        for f in files:
            last = f == files[-1]
            if not last and f.suffix == ".ept":   # its generic nodes
                run([self.o.heptc, "-stdlib", self.o.stdlib, "-c", f.name], cwd=folder)
            done = run([self.o.heptc, "-stdlib", self.o.stdlib, *(["-i"] if last else []), "-target", "c", f.name], cwd=folder)
            if done.returncode:
                raise Failure("heptc: " + " ".join((done.stderr + done.stdout).split())[-160:])
        return done.stdout

    @staticmethod
    def clocks(signatures):
        """{(node, variable): clock} from what `heptc -i` prints."""
        found = {}
        for m in re.finditer(r"^val (?:node |fun )?(\S+?)(?:<<.*?>>)?\s*((?:\(.*?\)\s*)?)returns\s*(.*?)(?=^\S|\Z)", signatures, re.S | re.M):
            for v in re.finditer(r"([\w']+) : [^;]*?:: \.((?: on \w+\([\w']+\))*)", m.group(2) + ";" + m.group(3)):
                clock = re.findall(r"on (\w+)\(([\w']+)\)", v.group(2))
                if clock:
                    found[m.group(1).split("(")[0], v.group(1)] = clock
        return found

    def prepare(self, path, folder):
        """(program, own nodes, peer module or None, why not, clocks)."""
        program, dependencies, own = modules.load(path)
        if path.suffix == ".lus":
            stem = re.sub(r"_+", "_", re.sub(r"\W", "_", path.stem))
            try:
                text = write_heptagon.Writer(modules.read(path)).text()
                file = folder / f"{stem}.ept"
                file.write_text(text)
                self.heptc(folder, [file])
            except (Unsupported, Failure) as why:
                return program, own, None, str(why), {}
            return program, own, stem[0].upper() + stem[1:], None, {}
        files = []
        for f in [*dependencies, path]:
            shutil.copy(f, folder)
            files.append(folder / f.name)
        try:
            clocks = self.clocks(self.heptc(folder, files))
        except Failure as why:
            return program, own, None, str(why), {}
        return program, own, path.stem[0].upper() + path.stem[1:], None, clocks

    # Good programs

    def good(self, path):
        """The record of a program: what became of each node."""
        record = {"file": str(path), "nodes": {}, "notes": []}
        folder = self.folder(path)
        self.stem = path.stem
        try:
            program, own, module, why, clocks = self.prepare(path, folder)
        except SyntaxFailure as e:
            return {**record, "status": "not this language", "reason": str(e)}
        record["peer"] = why or "ok"
        real = "f64" if path.suffix == ".lus" or "velus" in str(path).lower() or self.is_velus(path) else "f32"
        writer = Writer(program, real=real, clocks=clocks, constants_win=path.suffix == ".ept")
        mlr = folder / "program.mlr"
        try:
            mlr.write_text(writer.text())
        except Unsupported as e:
            return {**record, "status": "not expressible", "reason": str(e)}
        record["notes"] = sorted(set(writer.notes))
        done = run([self.mlrc, "check", mlr])
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("error") or "internal" in line]
            if why and why.startswith("heptc") and path.suffix == ".ept" and done.returncode == 1:
                return {**record, "status": "refused by both", "reason": (errors or ["?"])[0]}
            return {**record, "status": "MLR refuses" if done.returncode == 1 and errors and "internal" not in errors[0] else "MLR FAILS",
                    "reason": (errors or [f"exit {done.returncode}"])[0]}
        shapes = Shapes(writer)
        peer = Peer(folder, module, shapes, pathlib.Path(self.o.stdlib) / "c", path.parent) if module else None
        for name, node in program.nodes.items():
            if name not in own or not node.outputs:
                continue
            if name in writer.left_out:
                record["nodes"][name] = {"status": "not expressible", "reason": writer.left_out[name]}
            elif node.params:
                continue   # runs where a node without static parameters calls it
            else:
                record["nodes"][name] = self.node(node, folder, mlr, shapes, peer, real)
        statuses = {n["status"] for n in record["nodes"].values()}
        order = ["DIFFERS", "FAILS", "peer wrong", "equal", "no peer", "not expressible"]
        record["status"] = next((s for s in order if s in statuses), "no node to run")
        if record["status"] == "not expressible":
            record["reason"] = next(n["reason"] for n in record["nodes"].values())
        return record

    def is_velus(self, path):
        return pathlib.Path(self.o.velus).resolve() in path.resolve().parents

    def node(self, node, folder, mlr, shapes, peer, real):
        steps = self.o.steps
        c_name = node_name(node.name)
        rng = np.random.default_rng([self.o.seed, *c_name.encode()])
        result = {"steps": steps}
        try:
            streams = shapes.random(node.inputs, steps, rng)
            outs = shapes.of(node.outputs)
            base = folder / c_name
            binary = base.with_suffix(".mlr")
            result["state"] = build_mlr(self.mlrc, mlr, node, shapes, binary, c_name)
            got, code = execute(binary, streams, steps, outs, shapes)
            if code or any(len(x) < steps for x in got):
                raise Failure(f"MLR's C ended with {code}")
            known = {v.name: s for (v, p, _), s in zip(shapes.of(node.inputs) + outs, streams + got) if not p}
            known.update({"#" + c: d[1].index(c) for d in shapes.w.p.types.values() if d[0] == "enum" for c in d[1]})
            masks = presence(node.inputs + node.outputs, known, steps)
            for engine in ("run", "interp"):
                try:
                    other = mlr_engine(self.mlrc, engine, mlr, c_name, node, streams, masks, steps, shapes, folder, self.o.patience)
                except Failure as e:
                    if "not done after" not in str(e):
                        raise
                    few = 10
                    result["interp steps"] = few
                    masks_few = {k: m[:few] for k, m in masks.items()}
                    other = mlr_engine(self.mlrc, engine, mlr, c_name, node, [s[:few] for s in streams], masks_few, few, shapes, folder, 200)
                    d = difference([x[:few] for x in got], other, outs, masks_few, few)
                    other = None
                d = difference(got, other, outs, masks, steps) if other is not None else d
                if d:
                    return {**result, "status": "DIFFERS", "reason": f"C and {engine}: {d}"}
            if not peer:
                return {**result, "status": "no peer"}
            flags = ["-Dfloat=double"] if real == "f64" else ["-fsingle-precision-constant"]
            binary = base.with_suffix(".peer")
            peer.build(node, flags, binary)
            want, code = execute(binary, streams, steps, outs, shapes)
            seen = min((len(x) for x in want), default=0)
            if code == -8:
                result["trap"] = seen   # an integer division by zero, which C leaves undefined
            elif code:
                raise Failure(f"the peer's program ended with {code}")
            elif seen < steps:
                raise Failure(f"the peer's program ended after {seen} instants")
            d = difference(want, got, outs, masks, seen)
            if d and node.name in PEER_WRONG.get(self.stem, {}):
                return {**result, "status": "peer wrong", "reason": PEER_WRONG[self.stem][node.name]}
            if d:
                return {**result, "status": "DIFFERS", "reason": f"peer and C: {d}"}
            if self.o.speed:
                self.measure(node, folder, mlr, shapes, peer, flags, streams, base, c_name, result)
            return {**result, "status": "equal", "steps": seen}
        except Failure as e:
            return {**result, "status": "FAILS", "reason": str(e)}

    def measure(self, node, folder, mlr, shapes, peer, flags, streams, base, c_name, result):
        build_mlr(self.mlrc, mlr, node, shapes, base.with_suffix(".mlr"), c_name, "-O2")
        peer.build(node, [*flags, "-O2"], base.with_suffix(".peer"))
        times = 200000
        for side, suffix in (("mlr", ".mlr"), ("peer", ".peer")):
            if found := speed(base.with_suffix(suffix), streams, self.o.steps, times):
                result[f"{side} ns"], result[f"{side} bytes"] = found

    # Wrong programs

    def bad(self, path):
        record = {"file": str(path)}
        folder = self.folder(path)
        legal = LEGAL.get(path.stem)
        try:
            program, _, _ = modules.load(path)
        except SyntaxFailure as e:
            return {**record, "status": "not this language", "reason": str(e)}
        try:
            writer = Writer(program, real="f64" if self.is_velus(path) else "f32", bare_last=True)
            text = writer.text() + instances(program, writer)
        except Unsupported as e:
            return {**record, "status": "not expressible", "reason": str(e)}
        mlr = folder / "program.mlr"
        mlr.write_text(text)
        done = run([self.mlrc, "check", mlr])
        errors = re.findall(r"^error\[([\w-]+)\]: (.*)\n  --> \S+?:(\d+):(\d+)", done.stderr, re.M)
        if done.returncode == 1 and errors:
            kind, title, line, column = errors[0]
            return {**record, "status": "rejected", "kind": kind, "at": f"{line}:{column}", "reason": title}
        if done.returncode == 0:
            return {**record, "status": "legal in MLR" if legal else "ACCEPTED", "reason": legal or ""}
        return {**record, "status": "MLR FAILS", "reason": done.stderr[:300]}


def instances(program, writer):
    """A caller for each generic node, whose body nobody checks otherwise."""
    text = ""
    for node in program.nodes.values():
        if node.params and node.name not in writer.left_out:
            static = ", ".join("4" for _ in node.params)
            scope_in = ", ".join(f"a{i}: {writer.type(v.type)}" for i, v in enumerate(node.inputs))
            args = ", ".join(f"a{i}" for i, _ in enumerate(node.inputs))
            left = ", ".join(f"y{i}" for i, _ in enumerate(node.outputs))
            text += f"node use_{node_name(node.name)}({scope_in}) -> () {{ ({left}) = {node_name(node.name)}<<{static}>>({args}); }}\n" \
                if len(node.outputs) > 1 else \
                f"node use_{node_name(node.name)}({scope_in}) -> () {{ {left} = {node_name(node.name)}<<{static}>>({args}); }}\n"
    return text


def suites(options):
    h, v = pathlib.Path(options.heptagon), pathlib.Path(options.velus)
    yield "Heptagon test/good", "good", sorted((h / "test/good").glob("*.ept"))
    yield "Heptagon test/image_filters", "good", sorted((h / "test/image_filters").glob("*.ept"))
    yield "Heptagon test/async", "good", sorted((h / "test/async").glob("*.ept"))
    yield "Heptagon test/sdc", "good", sorted((h / "test/sdc").glob("*.ept"))
    yield "Heptagon examples", "good", sorted((h / "examples").glob("*/*.ept"))
    yield "Vélus tests/ok", "good", sorted((v / "tests").glob("ok_*.lus"))
    yield "Vélus examples", "good", sorted((v / "examples").rglob("*.lus"))
    yield "Vélus benchs, .lus", "good", sorted((v / "benchs").glob("*.lus"))
    yield "Vélus benchs, .ept", "good", sorted((v / "benchs").glob("*.ept"))
    yield "Heptagon test/bad", "bad", sorted((h / "test/bad").glob("*.ept"))
    yield "Vélus tests/ko", "bad", sorted((v / "tests").glob("ko_*.lus"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mlrc")
    for name in ("heptc", "stdlib", "heptagon", "velus"):
        p.add_argument(f"--{name}", required=True)
    p.add_argument("--work", default="build/peers")
    p.add_argument("--only", help="a part of the names of the programs to run")
    p.add_argument("--suite", help="a part of the names of the suites to run")
    p.add_argument("--steps", type=int, default=1000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--patience", type=int, default=30, help="seconds for a run of an engine, before it does fewer instants")
    p.add_argument("--speed", action="store_true", help="measure the generated C too")
    p.add_argument("--json", help="where all records go")
    options = p.parse_args()
    for name in ("mlrc", "heptc", "stdlib", "work"):
        setattr(options, name, str(pathlib.Path(getattr(options, name)).resolve()))
    session, records, worst = Session(options), [], 0
    for suite, kind, files in suites(options):
        if options.suite and options.suite not in suite:
            continue
        for f in files:
            if options.only and options.only not in str(f):
                continue
            try:
                r = getattr(session, kind)(f)
            except Failure as e:
                r = {"file": str(f), "status": "FAILS", "reason": str(e)}
            r["suite"] = suite
            records.append(r)
            bad = r["status"].isupper() or "FAIL" in r["status"] or "DIFFER" in r["status"]
            worst |= bad
            nodes = r.get("nodes", {})
            count = sum(n["status"] == "equal" for n in nodes.values())
            print(f"{suite}: {f.name}: {r['status']}" + (f" ({count} of {len(nodes)} nodes)" if nodes else "")
                  + (f" [{r['kind']} at {r['at']}]" if "kind" in r else "") + (f": {r['reason']}" if r.get("reason") else "")
                  + (f" (peer: {r['peer']})" if r.get("peer", "ok") != "ok" else ""), flush=True)
            for name, n in nodes.items():
                if n["status"] in ("DIFFERS", "FAILS"):
                    print(f"    {name}: {n['status']}: {n['reason'].splitlines()[0]}", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(records, indent=1))
    return worst


if __name__ == "__main__":
    sys.exit(main())
