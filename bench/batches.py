"""A batch of recurrent cells: a comprehension over the cell, beside as many steps of one cell, and beside as many calls written out in
one node."""
import numpy as np

from kernels import FUSED, Bounds
from measure import build_node, duration, interleaved, ratio, table

PROGRAM = """import nn;
const W: f32[4 * {h}, {h}] = load("w.npz", "w");
const U: f32[4 * {h}, {h}] = load("w.npz", "u");
const B: f32[4 * {h}] = load("w.npz", "b");
node cell(x: f32[{h}]) -> (h: f32[{h}]) {{ (h, c) = nn.lstm_cell(nn.Lstm {{ w = W, u = U, b = B }}, x, 0 fby h, 0 fby c); }}
node batch(x: f32[{b}, {h}]) -> (y: f32[{b}, {h}]) {{ y = [cell(x[k]) for k < {b}]; }}
node calls(x: f32[{b}, {h}]) -> (y: f32[{b}, {h}]) {{
{calls}
  y = [{names}];
}}
"""


def steps_of(cells, harness):
    """One step of each instance in turn."""
    timed = [harness.instance(c) for c in cells]
    return lambda calls: sum(t(1) for _ in range(calls) for t in timed)


def one(mlrc, work, harness, h, b, quick):
    random, folder = np.random.default_rng(h), work / f"instances_{h}_{b}"
    folder.mkdir(exist_ok=True)
    np.savez(folder / "w.npz", **{k: (random.standard_normal(s) / 8).astype(np.float32)
                                  for k, s in {"w": (4 * h, h), "u": (4 * h, h), "b": (4 * h,)}.items()})
    path = folder / "batch.mlr"
    path.write_text(PROGRAM.format(h=h, b=b, calls="\n".join(f"  y{k} = cell(x[{k}]);" for k in range(b)),
                                   names=", ".join(f"y{k}" for k in range(b))))
    x = random.standard_normal((3, b, h)).astype(np.float32)
    batch, calls = (build_node(mlrc, folder, path, n) for n in ("batch", "calls"))
    cells = [build_node(mlrc, folder, path, "cell") for _ in range(b)]
    for t in range(3):
        want = np.stack([c.step({"x": x[t, k]})["h"] for k, c in enumerate(cells)])
        for node in (batch, calls):
            if not np.array_equal(node.step({"x": x[t]})["y"].view(np.uint32), want.view(np.uint32)):
                raise SystemExit(f"bench: LSTM cells, H {h}, B {b}: the bits differ")
    timed = {"batch": harness.instance(batch), "calls": harness.instance(calls), "steps": steps_of(cells, harness)}
    return timed, (3 if quick else 15, 2 if quick else 8)


def batches(mlrc, work, harness, quick):
    bounds, rows = Bounds(work, harness), []
    for h, b in [(16, 32), (64, 8), (64, 32), (128, 32)] if not quick else [(16, 8)]:
        timed, effort = one(mlrc, work, harness, h, b, quick)
        samples = interleaved({**timed, "bound": bounds.fused()}, *effort)
        operations = 2 * b * 4 * h * 2 * h
        rows.append([h, b, duration(min(samples["batch"])), duration(min(samples["steps"])), duration(min(samples["calls"])),
                     f"{ratio(samples, 'steps', 'batch'):.1f}", f"{ratio(samples, 'calls', 'batch'):.1f}",
                     f"{100 * operations / FUSED / ratio(samples, 'batch', 'bound'):.0f} %"])
    table("B LSTM cells of H units at one instant, f32, constant weights, one core: `[cell(x[b]) for b < B]` beside B steps of a cell and beside B "
          "calls in one node; best times, median ratios, and the products' share of the peak",
          ["H", "B", "comprehension", "B steps", "B calls", "B steps : comprehension", "B calls : comprehension", "of the peak"], rows)
