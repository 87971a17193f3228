"""Cases that tools/mutation-programs keeps: a program with inputs and options, and what the interpreter makes of them: outputs,
the state after the last instant, reports of `--checks`, calls of C functions."""
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

import engines


def tensors(path):
    """{name: [type, shape, digest of its bytes]} of a .safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    return {name: [v["dtype"], v["shape"], hashlib.sha256(data[8 + length:][slice(*v["data_offsets"])]).hexdigest()]
            for name, v in header.items() if name != "__metadata__"}


class Case:
    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        for key, value in json.loads((folder / "case.json").read_text()).items(): setattr(self, key, value)

    def options_of(self, engine):
        """Those of the compiler; a memory budget is none of the interpreter's."""
        own = list(self.options)
        while "--ram" in own and engine == "interp": del own[own.index("--ram"):own.index("--ram") + 2]
        return own

    def building(self, engine):
        """Options of `mlrc build`, which runs no instants."""
        own = self.options_of(engine)
        while "--steps" in own: del own[own.index("--steps"):own.index("--steps") + 2]
        return own

    def inputs(self):
        return [self.folder / file for name, file in self.files if name == "--input"]

    def run(self, mlrc, engine, seconds, environment=None):
        """{"outputs": {name: array}, "texts": {name: text}, "state": {name: ..}} of interpreter or JIT; raises EngineError."""
        with tempfile.TemporaryDirectory() as scratch:
            at = pathlib.Path(scratch)
            checked = "--checks" in self.options
            stateless = checked or any(name == "--link" for name, _ in self.files)  # the interpreter saves no state of these
            command = [mlrc, engine, self.folder / self.program, *self.options_of(engine), "--quiet", "--output", at / "out.npz"]
            for name, file in self.files: command += [name, self.folder / file]
            if not stateless: command += ["--save-state", at / "state.safetensors"]
            calls = at / "calls.txt"
            try:
                done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=seconds, cwd=at,
                                      env={**os.environ, "CALLS": str(calls), **(environment or {})})
            except subprocess.TimeoutExpired:
                raise engines.EngineError(f"not done after {seconds} s") from None
            if done.returncode: raise engines.EngineError(f"exit code {done.returncode}\n{done.stderr}")
            with np.load(at / "out.npz") as z: outputs = {k: z[k] for k in z.files}
            texts = {"reports": done.stderr} if checked else {}
            if calls.exists(): texts["calls"] = calls.read_text()
            return {"outputs": outputs, "texts": texts, "state": {} if stateless else tensors(at / "state.safetensors")}

    @staticmethod
    def difference(reference, found):
        """What of the reference is otherwise, or nothing."""
        for name, values in reference["outputs"].items():
            if name not in found["outputs"]: return f"no {name}"
            if not engines.same_bits(values, found["outputs"][name]):
                return f"{name} {engines.first_difference(values, found['outputs'][name])}"
        for name, text in reference["texts"].items():
            if found["texts"].get(name, text if name == "reports" else "") != text: return f"{name} differ"
        return None

    @staticmethod
    def state_difference(reference, found):
        if set(reference["names"]) != set(found): return f"names of the state: {sorted(set(reference['names']) ^ set(found))[:3]}"
        wrong = [name for name, value in reference["same"].items() if found[name] != value]
        return f"state {wrong[0]}" if wrong else None

    def save(self, reference, found):
        """The interpreter's; of the state what the JIT agrees with (NaNs differ, and what nothing reads may)."""
        np.savez(self.folder / "outputs.npz", **{f"={k}": v for k, v in reference["outputs"].items()})
        a, b = reference["state"], found["state"]
        state = {"names": sorted(b), "same": {k: v for k, v in a.items() if b.get(k) == v}} if a and set(a) == set(b) else None
        (self.folder / "expected.json").write_text(json.dumps({"texts": reference["texts"], "state": state}))

    def expected(self):
        with np.load(self.folder / "outputs.npz") as z: outputs = {k[1:]: z[k] for k in z.files}
        return {"outputs": outputs, **json.loads((self.folder / "expected.json").read_text())}

    def streams(self):
        """Inputs with a value at every instant, as generated code takes them; nothing where there is an instant without."""
        path = self.folder / "every-instant.npz"
        if not path.exists():
            if len(self.files) != 1 or not self.files[0][1].endswith(".npz"): return None
            path = self.inputs()[0]
        with np.load(path) as z: streams = {k: z[k] for k in z.files}
        return streams if len({len(a) if a.ndim else 0 for a in streams.values()}) == 1 and all(a.ndim for a in streams.values()) else None

    def compiled(self, mlrc, engine, folder, flags):
        """Outputs of generated C or of object code for a lesser processor; nothing where it cannot be given its inputs."""
        streams, options = self.streams(), self.building(engine)
        if not streams: return None
        steps = len(next(iter(streams.values())))
        if "--steps" in self.options: steps = min(steps, int(self.options[self.options.index("--steps") + 1]))
        path = self.folder / self.program
        links = [self.folder / file for name, file in self.files if name == "--link"]
        if engine == "C": built = engines.build_c(mlrc, path, folder, "gcc", flags=flags, extra=options, beside=links)
        else: built = engines.build_shared(mlrc, path, folder, engine, extra=options + [o for file in links for o in ("--link", str(file))])
        return {"outputs": engines.present_only(engines.c_run(*built, streams, steps)), "texts": {}}
