"""Generated C and LLVM objects on an emulated Cortex-M4 or M7 (qemu, Arm MPS2 boards): outputs that are comparable bit for bit with
the host's, and what a step takes there (measure.py)."""
import dataclasses
import pathlib
import re
import shutil
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
RAM = 3 << 20      # bytes for state, scratch, in and out; the rest is the stack's and newlib's
PAINTED = 1 << 14  # bytes of stack that are painted before each call

# All memory is poisoned before use, scratch at every step. After the outputs come the sizes of the structs, and the stack.
MAIN = """#include "{node}.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char recorded[];
uint32_t measured_step({node}_state *state, {node}_scratch *scratch, const {node}_in *in, {node}_out *out);
uint32_t measured_reset({node}_state *state);
static {node}_state state;
static {node}_scratch scratch;
static {node}_in in;
static {node}_out out;

int main(void) {{
  memset(&state, 0xA5, sizeof state);
  uint32_t measured[5] = {{sizeof state, sizeof scratch, sizeof in, sizeof out, measured_reset(&state)}};
  for (long t = 0; t < {steps}; ++t) {{
    memcpy(&in, recorded + t * {inbytes}, {inbytes});
    memset(&scratch, 0xA5, sizeof scratch);
    memset(&out, 0xA5, sizeof out);
    uint32_t stack = measured_step(&state, &scratch, &in, &out);
    if (stack > measured[4]) measured[4] = stack;
    if (fwrite(&out, 1, {outbytes}, stdout) != {outbytes}) return 1;
  }}
  return fwrite(measured, sizeof measured, 1, stdout) != 1;
}}
"""
RECORDED = """  .section .rodata
  .global recorded
  .balign 8
recorded:
  .incbin "{path}"
  .byte 0
"""


@dataclasses.dataclass
class Image:
    """A program for a board. `generated`: the objects that hold the node, without the harness."""
    machine: str
    description: dict
    elf: pathlib.Path
    generated: list
    steps: int


@dataclasses.dataclass
class Measured:
    """Bytes of the structs and of the stack; instructions of each step where they were counted."""
    state: int
    scratch: int
    input: int
    output: int
    stack: int
    instructions: list


def fits(description):
    return sum(description[k]["bytes"] for k in ("state", "scratch", "in", "out")) <= RAM


def _call(command, what, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, **options)
    if done.returncode != 0:
        raise engines.EngineError(f"{what}: {' '.join(str(c) for c in command)}\n{done.stderr.decode(errors='replace')[:4000]}")
    return done.stdout


def generate(mlrc, program, folder, machine, emit="c", node=None, params=None, extra=()):
    """(description, objects) of a node for a machine; ([], description) where it does not fit the board."""
    target = ["--target=thumbv7em-none-eabihf", f"--cpu={machine}"]
    description, sources = engines.generate_c(mlrc, program, folder, node, params, [*target, *extra])
    if not fits(description):
        return description, []
    if emit == "obj":
        objects = folder / "object"
        command = [str(mlrc), "build", str(program), "--emit=obj", "-o", str(objects), *target, *extra]
        command += ["--node", node] if node else []
        for key, value in (params or {}).items():
            command += ["--param", f"{key}={value}"]
        _call(command, "mlrc", timeout=300)
        return description, sorted(str(p) for p in objects.glob("*.o"))
    for source in sources:  # the generated code alone is held to every warning
        warnings = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"] if source.endswith(".c") else []
        _call(["arm-none-eabi-gcc", *MACHINES[machine]["flags"], *warnings, "-O2", f"-I{folder}", "-c", source, "-o", source + ".o"],
              "arm-none-eabi-gcc", cwd=folder)
    return description, [s + ".o" for s in sources]


def build(mlrc, program, folder, machine, streams, steps, emit="c", node=None, params=None, extra=(), beside=()):
    """An image that runs `steps` instants of a node, from the generated C (emit 'c') or from LLVM's object ('obj'), with the C files
    `beside`. None where the node does not fit the board."""
    folder, m = pathlib.Path(folder).resolve(), MACHINES[machine]
    description, generated = generate(mlrc, program, folder, machine, emit, node, params, extra)
    if not generated:
        return None
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
    name = description["node"]
    (harness / "main.c").write_text(MAIN.format(node=name, steps=steps, inbytes=f"{size['in']}u", outbytes=f"{size['out']}u"))
    elf = harness / "main.elf"
    symbols = [f"-DPAINTED={PAINTED}", f"-DNODE_STEP={name}_step", f"-DNODE_RESET={name}_reset"]
    _call(["arm-none-eabi-gcc", *m["flags"], "-O1", "--specs=rdimon.specs", "-T", HERE / "mps2.ld", f"-I{folder}", *symbols,
           harness / "main.c", harness / "recorded.S", HERE / "call.S", HERE / "start.c", *generated, *engines.foreign(description, beside), "-lm",
           f"-Wl,-Map={elf.with_suffix('.map')}", "-o", elf], "arm-none-eabi-gcc", cwd=folder)
    return Image(machine, description, elf, generated, steps)


def _symbol(elf, name):
    found = re.search(rf"^(\w+) \w {name}$", _call(["arm-none-eabi-nm", elf], "nm").decode(), re.M)
    return int(found[1], 16) & ~1  # bit 0 says Thumb


def _counter(image, counts):
    """Arguments of qemu that count the instructions of each step."""
    library = image.elf.with_name("count.so")
    _call([shutil.which("cc") or "gcc", "-O2", "-fPIC", "-shared", "-o", library, HERE / "count.c"], "cc")
    begin, end = _symbol(image.elf, f"{image.description['node']}_step"), _symbol(image.elf, "step_returned")
    return ["-plugin", f"{library},begin={begin:#x},end={end:#x},out={counts}"]


def emulate(image, count=False):
    """(outputs as engines.mlrc_run, Measured)"""
    counts = image.elf.with_name("counts.txt")
    out = _call(["qemu-system-arm", "-M", MACHINES[image.machine]["board"], "-cpu", image.machine, "-nographic", "-monitor", "none",
                 "-serial", "none", "-semihosting-config", "enable=on,target=native", *(_counter(image, counts) if count else []),
                 "-kernel", image.elf], "qemu", timeout=300)
    size, steps = image.description["out"]["bytes"], image.steps
    if len(out) != steps * size + 20:
        raise engines.EngineError(f"{image.machine}: {len(out)} bytes came back instead of {steps * size + 20}")
    rows = [engines.read_fields(image.description, np.frombuffer(out[t * size:(t + 1) * size], np.uint8)) for t in range(steps)]
    measured = Measured(*(int(v) for v in np.frombuffer(out[steps * size:], "<u4")),
                        [int(line) for line in counts.read_text().split()] if count else [])
    if measured.stack >= PAINTED:
        raise engines.EngineError(f"{image.machine}: a step uses more than {PAINTED} bytes of stack")
    return engines.stacked(image.description, rows, steps), measured


def run(mlrc, program, folder, machine, streams, steps, emit="c", node=None, params=None, extra=(), beside=()):
    """Outputs of `steps` instants on an emulated board; None where the node does not fit it."""
    image = build(mlrc, program, folder, machine, streams, steps, emit, node, params, extra, beside)
    return emulate(image)[0] if image else None
