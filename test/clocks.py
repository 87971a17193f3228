#!/usr/bin/env python3
"""Programs with clocks and what they compute, worked out by hand from the language reference (rules R17); in the interpreter and compiled.

usage: clocks.py MLRC [ENGINE..]    (interp and run by default)
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

MLRC = pathlib.Path(sys.argv[1]).resolve()
ENGINES = sys.argv[2:] or ["interp", "run"]

# name, program, lines of the input, lines of the output
PROGRAMS = [
    ("a_stream_is_sampled_where_its_condition_holds", """
node main(c: bool, x: i32) -> (y: i32 when c, z: i32 when c) {
  y = x when c;
  z = 10 fby y;                      // the previous value of y, not of x
}""", "c,x 0,1 1,2 0,3 0,4 1,5 1,6", "y,z , 2,10 , , 5,2 6,5"),
    ("merge_and_hold_bring_streams_up", """
node main(c: bool) -> (m: i32, h: i32) {
  n = 1 -> pre n + 1;
  a = 100 + (n when c);
  b = -(n when not c);
  m = merge(c, a, b);
  h = hold(a, 0);
}""", "c 0 1 0 1 1 0", "m,h -1,0 102,102 -3,102 104,104 105,105 -6,105"),
    ("enums_select", """
enum Mode { Go, Wait, Stop }
node main(m: Mode) -> (y: i32, w: i32 when m == Wait, seen: Mode) {
  n = 0 fby n + 1;
  w = (0 fby w) + (n when m == Wait);
  y = merge m { Go: n when m == Go, Wait: w, Stop: -1 };
  seen = Mode.Stop fby m;
}""", "m Go Wait Stop Wait Go 1", "y,w,seen 0,,Stop 1,1,Go -1,,Wait 4,4,Stop 4,,Wait 9,9,Go"),
    ("periods_and_phases", """
node main() -> (a: i32 every 3, b: i32 every 2 at 0, c: i32) {
  n = 0 fby n + 1;
  a = n when every 3;
  b = n when every 2 at 0;
  s = (0 fby s) + a;
  c = hold(s, -1);
}""", None, "a,b,c ,0,-1 ,,-1 2,2,2 ,,2 ,4,2 5,,7 ,6,7 ,,7"),
    ("periods_compose", """
node main() -> (a: i32 every 6 at 5, b: i32 every 6 at 5) {
  n = 0 fby n + 1;
  a = n when every 2 when every 3;   // of 1, 3, 5 the third
  b = n when every 6;
}""", None, "a,b , , , , , 5,5 , ,"),
    ("equal_clocks_of_different_chains_are_one", """
node dec<<N: size>>(x: i32) -> (y: i32 every N) { y = x when every N; }
node main() -> (a: i32 every 6, b: i32 every 6, c, d: i32, e: i32 every 12) {
  n = 0 fby n + 1;
  s2 = n when every 2;
  s6 = s2 when every 3;
  d6 = n when every 6;
  a = s6 + (0 fby d6);
  b = dec<<3>>(s2) + d6;
  c = hold(hold(s6 + d6, 1), -1);    // s6 first: its chain says what is directly above
  d = hold(d6 + s6, 3);
  e = (s6 when every 2) + (n when every 12);
}""", None, "a,b,c,d,e ,,-1,3, ,,1,3, ,,1,3, ,,1,3, ,,1,3, 5,10,10,10, ,,10,10, ,,10,10, ,,10,10, ,,10,10, ,,10,10, 16,22,22,22,22"),
    ("a_block_is_reset_where_its_negated_condition_is_true", """
node main(c: bool) -> (a, b: i32) {
  reset { a = 1 -> pre a + 1; } every (not c);
  reset { b = 1 -> pre b + 1; } every c;
}""", "c 1 1 0 1 1 0 0", "a,b 1,1 2,1 1,2 2,1 3,1 1,2 1,3"),
    ("segments_are_unpacked_in_comprehensions_and_reductions", """
node main(x: i32[2]) -> (z: i32[2], s: i32) {
  z = [unpack<<2>>(pack<<2>>(x[i]), -1) for i < 2];
  s = sum(unpack<<2>>(pack<<2>>(x[i] * i), 7) for i < 2);
}""", "x[0],x[1] 0,1 2,3 4,5 6,7", "z[0],z[1],s -1,-1,14 0,1,1 2,3,3 4,5,5"),
    ("every_1_is_every_instant", """
node main(x: i32) -> (y: i32, z: i32) {
  y = x when every 1;
  z = hold(x when every 1, 0) + y;
}""", "x 1 2", "y,z 1,2 2,4"),
    ("a_block_runs_on_its_clock", """
node main(c: bool, x: i32) -> (y: i32 when c, k: i32 when c) {
  when c {
    k = 1 -> pre k + 1;
    y = x - (0 fby x);               // x at the previous instant of c
  }
}""", "c,x 1,3 0,9 1,4 0,9 0,9 1,10", "y,k 3,1 , 1,2 , , 6,3"),
    ("blocks_nest", """
node main(c: bool) -> (k: i32) {
  when c {
    n = 1 -> pre n + 1;
    odd = n % 2 == 1;
    when odd { m = 1 -> pre m + 1; }
    h = hold(m, 0);
  }
  k = hold(h, -1);
}""", "c 0 1 1 0 1 1 1", "k -1 1 1 1 2 2 3"),
    ("a_call_is_reset", """
node count(x: i32) -> (n: i32, late: i32) { n = x + (0 fby n); late = hold(n when every 2, 0); }
node main(r: bool) -> (n: i32, late: i32) { (n, late) = count(1) every r; }
""", "r 0 0 0 1 0 0 1 1", "n,late 1,0 2,2 3,2 1,0 2,2 3,2 1,0 1,0"),
    ("a_call_on_a_clock_lives_there", """
node count() -> (n: i32) { n = 1 -> pre n + 1; }
node main(c: bool) -> (a: i32 when c, b: i32) {
  when c { a = count(); }
  b = count();
}""", "c 1 0 0 1 1", "a,b 1,1 ,2 ,3 2,4 3,5"),
    ("a_callee_has_clocks_of_its_own", """
node sub(c: bool, x: i32 when c) -> (s: i32 when c, e: i32 every 2) {
  s = x + (0 fby s);
  n = 1 -> pre n + 1;
  e = n when every 2;
}
node main(d: bool, x: i32) -> (s: i32 when d, e: i32 every 2) { (s, e) = sub(d, x when d); }
""", "d,x 1,5 0,9 0,9 1,6 1,1", "s,e 5, ,2 , 11,4 12,"),
    ("a_clock_in_a_scan_both_ways", """
node main(c: bool[6]) -> (left: i32[6], seen: i32[6]) {
  scan t < 6 {
    k = c[t];
    one = 1 when k;
    n = (0 fby n) + one;             // instants of k so far
    b = (b eby 0) + one;             // and to come
    left[t] = merge(k, b, 0);
    seen[t] = hold(n, 0);
  }
}""", "c[0],c[1],c[2],c[3],c[4],c[5] 0,1,1,0,1,0 1,0,0,0,0,1",
     "left[0],left[1],left[2],left[3],left[4],left[5],seen[0],seen[1],seen[2],seen[3],seen[4],seen[5] "
     "0,3,2,0,1,0,0,1,2,2,3,3 2,0,0,0,0,1,1,1,1,1,1,2"),
    ("a_period_in_a_scan_starts_with_it_unless_it_resumes", """
node main() -> (y: i32[4], z: i32[4]) {
  scan t < 4 { y[t] = hold(t when every 3, -1); }
  scan t < 4 resume { z[t] = hold(t when every 3, -1); }
}""", None, "y[0],y[1],y[2],y[3],z[0],z[1],z[2],z[3] "
     "-1,-1,2,2,-1,-1,2,2 -1,-1,2,2,2,1,1,1 -1,-1,2,2,0,0,0,3 -1,-1,2,2,3,3,2,2", 4),
    ("until_ends_the_clock_too", """
node main(stop: i32) -> (y: i32[5], n: i32) {
  scan t < 5 until t == stop {
    b = (b eby 0) + (t when every 2 at 0);
    y[t] = hold(b, -1);
    n = count(t);
  }
}""", "stop 4 3 0 9", "y[0],y[1],y[2],y[3],y[4],n 6,6,6,6,4,5 2,2,2,2,0,4 0,0,0,0,0,1 6,6,6,6,4,5"),
    ("a_reset_call_in_a_scan_ends_its_eby", """
node left(x: i32) -> (b: i32) { b = (b eby 0) + x; }
node main(c: bool[5]) -> (y: i32[5]) {
  scan t < 5 { y[t] = left(1) every c[t]; }
}""", "c[0],c[1],c[2],c[3],c[4] 0,0,1,0,0 1,1,0,0,1", "y[0],y[1],y[2],y[3],y[4] 2,1,3,2,1 1,3,2,1,1"),
    ("a_scan_on_a_clock_resumes_on_it", """
node main(c: bool) -> (n: i32 when c) {
  when c {
    scan t < 3 resume { k = 1 -> pre k + 1; n = final k; }
  }
}""", "c 1 0 1 0 0 1", "n 3 _ 6 _ _ 9"),
    ("state_of_a_resuming_scan_is_a_value_of_outside", """
node main(a: i32[20], c: bool) -> (o: i32) {
  scan t < 3 resume { r[t] = v; v: i32 = -5 fby a[0] * 3; }
  if c { o = 1; } else { o = if 2 < r[1] then 11 else sum(a); }   // only that side sums
}""", "c," + ",".join(f"a[{i}]" for i in range(20)) + " 1" + ",1" * 20 + " 0" + ",-1" * 20 + " 0,0" + ",2" * 19,
     "o 1 -20 38"),
    ("windows_hold_values_of_the_clock", """
node main(c: bool) -> (w: i32[2] when c) {
  n = 0 fby n + 1;
  w = window<<2>>(n when c, -1);
}""", "c 0 1 0 0 1 1", "w[0],w[1] , -1,1 , , 1,4 4,5"),
    ("an_automaton_restarts_the_target_of_then", """
node main() -> (u: i32) {
  automaton {
    state A { n = 1 -> pre n + 1; u = n; until n >= 3 then B; }
    state B { n = 1 -> pre n + 1; u = -n; until n >= 2 then A; }
  }
}""", None, "u 1 2 3 -1 -2 1 2 3 -1"),
    ("an_automaton_resumes_the_target_of_continue", """
node main() -> (u: i32) {
  automaton {
    state A { n = 1 -> pre n + 1; u = n; until n % 2 == 0 continue B; }
    state B { u = 0; until true continue A; }
  }
}""", None, "u 1 2 0 3 4 0 5"),
    ("unless_takes_effect_at_once", """
node main(c: bool) -> (u: i32) {
  automaton {
    state A { u = 1 -> pre u + 1; unless c then B; }
    state B { u = 10 -> pre u + 10; unless not c then A; }
  }
}""", "c 0 0 1 1 0 1 1", "u 1 2 10 20 1 10 20"),
    ("a_state_without_an_equation_keeps_the_last_value", """
node main() -> (u: i32) {
  last u = 5;
  automaton {
    state A { u = last u + 1; until u >= 7 then B; }
    state B { until true then A; }
  }
}""", None, "u 6 7 7 8 8 9 9"),
    ("an_arm_has_its_own_time", """
node main(c: bool) -> (y: i32) {
  if c { n = 0 fby n + 1; y = n; } else { y = -1; }
}""", "c 1 0 1 1", "y 0 -1 1 2"),
    ("arms_of_match_count_for_themselves", """
enum Mode { Go, Stop }
node main(m: Mode) -> (y: i32) {
  match m {
    Go: { y = 1 -> pre y + 1; }
    Stop: { y = -1 -> pre y - 1; }
  }
}""", "m Go Stop Go Stop Stop", "y 1 -1 2 -2 -3"),
    ("a_reset_block_starts_afresh", """
node main(r: bool) -> (n: i32, e: i32) {
  reset { n = 1 -> pre n + 1; e = hold(n when every 2, 0); } every r;
}""", "r 0 0 0 1 0 1", "n,e 1,0 2,2 3,2 1,0 2,2 1,0"),
    ("eby_ends_with_the_segment_of_a_block", """
node main(c: bool[5]) -> (y: i32[5]) {
  scan t < 5 {
    reset { b = (b eby 0) + 1; } every c[t];
    y[t] = b;
  }
}""", "c[0],c[1],c[2],c[3],c[4] 0,0,1,0,0", "y[0],y[1],y[2],y[3],y[4] 2,1,3,2,1"),
    ("an_automaton_in_a_scan_starts_with_it", """
node main(n: i32) -> (y: i32[4]) {
  scan t < 4 {
    automaton {
      state A { u = 1 + n; until t >= 1 then B; }
      state B { u = -1 -> pre u - 1; }
    }
    y[t] = u;
  }
}""", "n 0 4", "y[0],y[1],y[2],y[3] 1,1,-1,-2 5,5,-1,-2"),
    ("pack_collects_a_segment", """
node main(x: i32) -> (y: i32[3] every 3, z: i32) {
  y = pack<<3>>(x);
  z = unpack<<2>>(pack<<2>>(x), -1);
}""", "x 1 2 3 4 5 6 7", "y[0],y[1],y[2],z ,,,-1 ,,,1 1,2,3,2 ,,,3 ,,,4 4,5,6,5 ,,,6"),
    ("pack_ends_a_segment_early", """
node main(x: i32, d: bool) -> (xs: i32[3] when end, n: i32 when end, end: bool) {
  (xs, n, end) = pack<<3>>(x, until = d);
}""", "x,d 1,0 2,1 3,0 4,0 5,0 6,0 7,1",
     "xs[0],xs[1],xs[2],n,end ,,,,false 1,2,0,2,true ,,,,false ,,,,false 3,4,5,3,true ,,,,false 6,7,0,2,true"),
]


def text(lines):
    return "".join(("" if line == "_" else line) + "\n" for line in lines.split(" "))


def check(folder, name, program, given, expected, steps=None):
    (folder / "p.mlr").write_text(program)
    command = ["--node", "main"]
    if given:
        (folder / "in.csv").write_text(text(given))
        command += ["--input", folder / "in.csv"]
    else:
        command += ["--steps", str(steps or len(expected.split(" ")) - 1)]
    for engine in ENGINES:
        done = subprocess.run([MLRC, engine, folder / "p.mlr", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == text(expected), f"{engine}:\n{done.stdout}instead of\n{text(expected)}"


def present_instants_only_in_npz(folder):
    program = """
node main(c: bool, x: f32 when c, p: f32 every 2 at 0) -> (s: f32 when c, q: f32 every 2 at 0, n: i32) {
  s = x + (0 fby s);
  q = 10 * p;
  n = 0 fby n + 1;
}"""
    (folder / "p.mlr").write_text(program)
    c, x, p = np.array([0, 1, 1, 0, 1], bool), np.float32([2, 3, 5]), np.float32([1, 2, 3])

    def run(engine, **inputs):
        np.savez(folder / "in.npz", **inputs)
        return subprocess.run([MLRC, engine, folder / "p.mlr", "--input", folder / "in.npz", "--output", folder / "o.npz"],
                              capture_output=True, text=True)

    for engine in ENGINES:
        done = run(engine, c=c, x=x, p=p)
        assert done.returncode == 0, done.stderr
        out = np.load(folder / "o.npz")
        assert out["s"].tolist() == [2, 5, 10] and out["q"].tolist() == [10, 20, 30] and len(out["n"]) == 5, dict(out)
        for wrong, message in [(dict(c=c, x=x[:2], p=p), "also at instant 4"), (dict(c=c, x=x, p=np.float32([1, 2, 3, 4])), "at 3 instants")]:
            done = run(engine, **wrong)
            assert done.returncode == 1 and message in done.stderr, done.stderr


def cells_have_to_agree_with_the_clock(folder):
    (folder / "p.mlr").write_text("node main(c: bool, x: f32 when c) -> (y: f32 when c) { y = x; }\n")
    for cells, message in [("c,x 1,", "has no value at instant 0"), ("c,x 1,2 0,3", "has a value at instant 1")]:
        (folder / "in.csv").write_text(text(cells))
        for engine in ENGINES:
            done = subprocess.run([MLRC, engine, folder / "p.mlr", "--input", folder / "in.csv"], capture_output=True, text=True)
            assert done.returncode == 1 and message in done.stderr, done.stderr


def main():
    tests = [(p[0], lambda folder, p=p: check(folder, *p)) for p in PROGRAMS]
    tests += [(f.__name__, f) for f in (present_instants_only_in_npz, cells_have_to_agree_with_the_clock)]
    failed = 0
    for name, test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(pathlib.Path(folder))
            except AssertionError as error:
                failed += 1
                print(f"FAILED {name}: {error}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
