"""Memory of backward recurrences against what theory asks for."""
from measure import ROOT, build_node, table

LENGTHS = (1, 10, 100, 1000, 10_000, 100_000)

# program, node, parameters, bytes an instant of what the schedule hands from one direction to the other and no output can
# hold meanwhile, by hand, and what it is
CASES = [
    ("bench/recurrences.mlr", "up", {}, 0, "nothing crosses"),
    ("bench/recurrences.mlr", "both", {}, 0, "`a` waits in the place of `y`"),
    ("bench/recurrences.mlr", "energy", {}, 8, "`a`, an f64"),
    ("examples/03-kalman-smoother/smoother.mlr", "rts_smoother", {}, 8 * (2 + 4),
     "`m_pred`, `p_pred`; `m` and `p` wait in outputs or are computed again"),
    ("examples/05-hidden-markov/hmm.mlr", "forward_backward", {"K": 2}, 8 * 2,
     "`e`, so that its exp is not computed twice; `alpha` waits in the place of `posterior`"),
    ("examples/04-bidirectional-lstm/bilstm.mlr", "main", {}, 4 * 16, "`h`, 16 f32, before it is a half of `ys`"),
]


def memory(mlrc, work, quick):
    rows = []
    for program, node, params, instant, reason in CASES:
        cells = []
        for T in LENGTHS[:4] if quick else LENGTHS:
            d = build_node(mlrc, work, ROOT / program, node, {"T": T, **params}).d
            planned = d["scratch"]["bytes"] + d["state"]["bytes"]
            cells.append(f"{planned - instant * T:+d}")
        rows.append([f"`{node}`", f"{instant} T" if instant else "0", *cells, reason])
    table("Memory beyond inputs and outputs: theory in bytes, and what MLR's plan (state and scratch) adds to it; below 0 where one "
          "instant needs no crossing",
          ["node", "theory", *(f"T = {T}" for T in (LENGTHS[:4] if quick else LENGTHS)), "what crosses"], rows)
