"""Generated C and LLVM objects on an emulated Cortex-M4 or M7 (qemu, Arm MPS2 boards), bit for bit comparable with the host."""
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import engines  # noqa: E402

MACHINES = {
    "cortex-m4": dict(board="mps2-an386", flags=["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
    "cortex-m7": dict(board="mps2-an500", flags=["-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16"]),
}
RAM = 3 << 20  # bytes for state, scratch, in and out; the rest is the stack's and newlib's

# All memory is poisoned before use, scratch at every step.
MAIN = """#include "{node}.h"
#include <stdio.h>
#include <string.h>

extern const unsigned char recorded[];
static {node}_state state;
static {node}_scratch scratch;
static {node}_in in;
static {node}_out out;

int main(void) {{
  memset(&state, 0xA5, sizeof state);
  {node}_reset(&state);
  for (long t = 0; t < {steps}; ++t) {{
    memcpy(&in, recorded + t * {inbytes}, {inbytes});
    memset(&scratch, 0xA5, sizeof scratch);
    memset(&out, 0xA5, sizeof out);
    {node}_step(&state, &scratch, &in, &out);
    if (fwrite(&out, 1, {outbytes}, stdout) != {outbytes}) return 1;
  }}
  return 0;
}}
"""
RECORDED = """  .section .rodata
  .global recorded
  .balign 8
recorded:
  .incbin "{path}"
  .byte 0
"""


def fits(description):
    return sum(description[k]["bytes"] for k in ("state", "scratch", "in", "out")) <= RAM


def _call(command, what, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, **options)
    if done.returncode != 0:
        raise engines.EngineError(f"{what}: {' '.join(str(c) for c in command)}\n{done.stderr.decode(errors='replace')[:4000]}")
    return done.stdout


def run(mlrc, program, folder, machine, streams, steps, emit="c", node=None, params=None, extra=()):
    """`steps` instants of a node on an emulated board, from the generated C (emit 'c') or from LLVM's object ('obj'). Outputs as
    engines.mlrc_run; None where the node does not fit the board."""
    folder, m = pathlib.Path(folder), MACHINES[machine]
    target = ["--target=thumbv7em-none-eabihf", f"--cpu={machine}"]
    description, sources = engines.generate_c(mlrc, program, folder, node, params, [*target, *extra])
    if not fits(description):
        return None
    if emit == "obj":
        objects = folder / "object"
        command = [str(mlrc), "build", str(program), "--emit=obj", "-o", str(objects), *target, *extra]
        command += ["--node", node] if node else []
        for key, value in (params or {}).items():
            command += ["--param", f"{key}={value}"]
        _call(command, "mlrc", timeout=300)
        sources = sorted(str(p) for p in objects.glob("*.o"))
    harness = folder / machine
    harness.mkdir(exist_ok=True)
    size = {k: description[k]["bytes"] for k in ("in", "out")}
    blocks = np.zeros((steps, size["in"]), np.uint8)
    for f in description["in"]["fields"]:
        for t in range(steps):
            data = np.ascontiguousarray(streams[f["name"]][t], dtype=engines.DTYPES[f["type"]]).tobytes()
            blocks[t, f["offset"]:f["offset"] + len(data)] = np.frombuffer(data, np.uint8)
    (harness / "recorded.bin").write_bytes(blocks.tobytes())
    (harness / "recorded.S").write_text(RECORDED.format(path=harness / "recorded.bin"))
    (harness / "main.c").write_text(MAIN.format(node=description["node"], steps=steps, inbytes=f"{size['in']}u", outbytes=f"{size['out']}u"))
    elf = harness / "main.elf"
    generated = [s for s in sources if emit == "c"]
    for source in generated:
        if source.endswith(".c"):  # the generated code alone is held to every warning
            _call(["arm-none-eabi-gcc", *m["flags"], "-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{folder}", "-c", source,
                   "-o", source + ".o"], "arm-none-eabi-gcc", cwd=folder)
    sources = [s + ".o" if s in generated and s.endswith(".c") else s for s in sources]
    _call(["arm-none-eabi-gcc", *m["flags"], "-O1", "--specs=rdimon.specs", "-T", HERE / "mps2.ld", f"-I{folder}", harness / "main.c",
           harness / "recorded.S", HERE / "start.c", *sources, "-lm", "-o", elf], "arm-none-eabi-gcc", cwd=folder)
    out = _call(["qemu-system-arm", "-M", m["board"], "-cpu", machine, "-nographic", "-monitor", "none", "-serial", "none",
                 "-semihosting-config", "enable=on,target=native", "-kernel", elf], "qemu", timeout=300)
    if len(out) != steps * size["out"]:
        raise engines.EngineError(f"{machine}: {len(out)} bytes came back instead of {steps * size['out']}")
    rows = [engines.read_fields(description, np.frombuffer(out[t * size["out"]:(t + 1) * size["out"]], np.uint8)) for t in range(steps)]
    return engines.stacked(description, rows, steps)
