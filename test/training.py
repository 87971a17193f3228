#!/usr/bin/env python3
"""Long runs over data (R13.8, R14.12 to R14.16): files larger than memory, epochs and shuffled rows, checkpoints that survive SIGKILL at any
moment, what is shown while a run goes on, and what it exports.

usage: training.py MLRC [NAME..]
"""
import os
import pathlib
import pty
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

import engines

MLRC = pathlib.Path(sys.argv[1]).resolve()

# A network of one layer, trained on batches of four instants, with noise from the program's own keys.
TRAIN = """
import random;
struct Layer { w: f32[2, 3], b: f32[2] }
node main(x: f32[3], y: f32[2]) -> (loss: f32 every 4, p: Layer every 4, n: i32) {
  n = 1 fby n + 1;
  xs = pack<<4>>(x);
  ys = pack<<4>>(y);
  when every 4 {
    noise = 0.1 * random.normal<<[4, 3]>>(random.keys(3));
    p = Layer { w = zeros<<[2, 3]>>(), b = zeros<<[2]>>() } fby p - 0.05 * g;
    loss = mean(sum(square(p.w @ (xs[i] + noise[i]) + p.b - ys[i])) for i < 4);
    g = grad(loss, p);
  }
}
"""


def run(folder, *arguments, code=0, engine="run", **more):
    done = subprocess.run([str(a) for a in (MLRC, engine, *arguments)], cwd=folder, capture_output=True, text=True, **more)
    assert done.returncode == code, (arguments, done.returncode, done.stderr, done.stdout[-500:])
    return done


def data(folder, rows, name="data.npz"):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    np.savez(folder / name, x=x, y=(x @ rng.normal(size=(3, 2)) + 1).astype(np.float32))


def arrays(path):
    with np.load(path) as found:
        return dict(found)


def same(a, b):
    return a.keys() == b.keys() and all(engines.same_bits(a[k], b[k]) for k in a)


def threefry(k0, k1, c0, c1):
    """Threefry-2x32 with 20 rounds, from the paper."""
    mask, turns = 0xffffffff, [13, 15, 26, 6, 17, 29, 16, 24]
    keys = [k0, k1, k0 ^ k1 ^ 0x1bd11bda]
    x, y = (c0 + k0) & mask, (c1 + k1) & mask
    for r in range(20):
        x = (x + y) & mask
        y = ((y << turns[r % 8] | y >> (32 - turns[r % 8])) & mask) ^ x
        if r % 4 == 3:
            s = r // 4 + 1
            x, y = (x + keys[s % 3]) & mask, (y + keys[(s + 1) % 3] + s) & mask
    return x, y


def shuffled(seed, epoch, n, count=None):
    """Rule R14.13: the rows of the first `count` instants of an epoch."""
    h = 1
    while 4 ** h < n:
        h += 1
    k0, k1 = threefry(0, seed, 0, epoch)
    order = []
    for place in range(count or n):
        while True:
            high, low = place >> h, place & (2 ** h - 1)
            for r in range(8):
                high, low = low, (high ^ threefry(k0, k1, r, low)[0]) & (2 ** h - 1)
            place = high << h | low
            if place < n:
                break
        order.append(place)
    return order


def epochs_and_shuffled_rows(folder):
    (folder / "p.mlr").write_text("node main(x: i32) -> (y: i32) { y = x + 1000 * (0 fby y / 1000 + 1); }\n"
                                  "node plain(x: i32) -> (y: i32) { y = x; }\n"
                                  "node slow(x: i32, z: i32 every 4) -> (y: i32) { y = x + hold(z, 0); }")
    for n in (1, 2, 3, 16, 17, 300):
        rows = np.arange(n, dtype=np.int32) * 2
        np.savez(folder / "in.npz", x=rows)
        (folder / "in.csv").write_text("\n".join(["x", *map(str, rows)]) + "\n")
        for file in ("in.npz", "in.csv"):
            run(folder, "p.mlr", "--node", "plain", "--input", file, "--epochs", 3, "--output", "o.npz")
            assert arrays(folder / "o.npz")["y"].tolist() == rows.tolist() * 3
            for engine in ("run", "interp"):
                run(folder, "p.mlr", "--node", "plain", "--input", file, "--epochs", 3, "--shuffle", 9, "--output", "o.npz", engine=engine)
                got = arrays(folder / "o.npz")["y"].reshape(3, n)
                for epoch in range(3):
                    assert sorted(got[epoch]) == rows.tolist()
                    assert got[epoch].tolist() == rows[shuffled(9, epoch, n)].tolist(), (n, epoch)
    first = run(folder, "p.mlr", "--input", "in.npz", "--epochs", 2, "--steps", 450)
    assert len(first.stdout.splitlines()) == 451
    done = run(folder, "p.mlr", "--input", "in.npz", "--epochs", 2, "--steps", 601, code=1)
    assert "the input ends after 600 instants" in done.stderr
    # A stream on a slower clock begins each epoch at its first value, if epochs are whole periods.
    np.savez(folder / "slow.npz", x=np.zeros(8, np.int32), z=np.array([1, 2], np.int32))
    done = run(folder, "p.mlr", "--node", "slow", "--input", "slow.npz", "--epochs", 2)
    assert done.stdout.split() == ["y", *"0001111222211112"], done.stdout
    np.savez(folder / "slow.npz", x=np.zeros(9, np.int32), z=np.array([1, 2], np.int32))
    done = run(folder, "p.mlr", "--node", "slow", "--input", "slow.npz", "--epochs", 2, code=1)
    assert "an epoch of 9 instants does not fill" in done.stderr, done.stderr
    done = run(folder, "p.mlr", "--node", "slow", "--input", "slow.npz", "--shuffle", 1, code=1)
    assert "input `z` is on a slower clock" in done.stderr, done.stderr


def largest(folder, *arguments):
    """MiB of a run."""
    script = "import resource, subprocess, sys; c = subprocess.run(sys.argv[1:]).returncode; " \
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr); sys.exit(c)"
    done = subprocess.run([sys.executable, "-c", script, *map(str, (MLRC, "run", *arguments))], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


def files_larger_than_memory(folder):
    (folder / "p.mlr").write_text("node main(x: f32[4096]) -> (s: f32) { s = x[0] + (0 fby s); }\n")
    rows = 1 << 16
    with open(folder / "big.npy", "wb") as f:  # 1 GiB, most of it a hole
        np.lib.format.write_array_header_1_0(f, {"descr": "<f4", "fortran_order": False, "shape": (rows, 4096)})
        start = f.tell()
        for i in range(0, rows, 4096):
            f.seek(start + i * 4096 * 4)
            f.write(np.float32(i + 1).tobytes())
        f.truncate(start + rows * 4096 * 4)
    small = largest(folder, "p.mlr", "--input", "big.npy", "--steps", 1, "--quiet")
    used = largest(folder, "p.mlr", "--input", "big.npy", "--output", "o.npz", "--quiet")
    assert arrays(folder / "o.npz")["s"][-1] == sum(range(1, rows, 4096)), arrays(folder / "o.npz")["s"][-1]
    assert used < small + 32, (small, used)
    (folder / "big.npy").unlink()
    # .npz and .csv: what is held does not grow with the file.
    x = np.zeros((4096, 4096), np.float32)  # 64 MiB
    x[:, 0] = np.arange(4096)
    np.savez(folder / "big.npz", x=x)
    used = largest(folder, "p.mlr", "--input", "big.npz", "--epochs", 2, "--output", "o.npz", "--quiet")
    assert arrays(folder / "o.npz")["s"][4095] == np.arange(4096).sum() and len(arrays(folder / "o.npz")["s"]) == 8192
    assert used < small + 32, (small, used)
    (folder / "big.npz").unlink()
    (folder / "p.mlr").write_text("node main(x: f64[8]) -> (s: f64 every 8192) { s = x[0] + (0 fby n) when every 8192; n = x[7] + (0 fby n); }\n")
    lines, blocks = 8192, 700  # 128 MiB of text
    part = "".join(f"{i},2.000000,3,4,5,6,7,0.25\n" for i in range(lines))
    with open(folder / "big.csv", "w") as f:
        f.write(",".join(f"x[{i}]" for i in range(8)) + "\n")
        for _ in range(blocks):
            f.write(part)
    used = largest(folder, "p.mlr", "--input", "big.csv", "--output", "o.npz", "--quiet")
    sums = arrays(folder / "o.npz")["s"]
    assert len(sums) == blocks and sums[-1] == lines - 1 + (lines * blocks - 1) * 0.25, sums
    assert used < small + 100 and (folder / "big.csv").stat().st_size > 1.2e8, (small, used)


def csv_files_in_blocks(folder):
    (folder / "p.mlr").write_text("enum M { Red, Green }\nnode main(k: i64, v: f64, m: M, z: f32 every 3) -> (a: i64, b: f64, c: M, d: f32) "
                                  "{ a = k; b = v; c = m; d = hold(z, 0); }\nnode rest(k: i64) -> (a: i64) { a = k; }")
    rng = np.random.default_rng(4)
    n = 90_000  # more than three blocks of text
    k = rng.integers(-2**63, 2**63 - 1, n)
    v = rng.normal(size=n)
    m = rng.integers(0, 2, n)
    z = rng.normal(size=n).astype(np.float32)
    names = ["Red", '"Green"']
    with open(folder / "in.csv", "w") as f:
        f.write('k,v,m,z,"an, unused\n one"\n')
        for i in range(n):
            f.write(f'{k[i]},{float(v[i])!r},{names[m[i]]},{repr(float(z[i])) if i % 3 == 2 else ""},7\n')
            if i % 1000 == 0:
                f.write("\n")
    held = np.repeat(np.concatenate([[0], z[2::3]]), 3)[1:n + 1].astype(np.float32)
    for extra in ([], ["--epochs", 2]):
        run(folder, "p.mlr", "--input", "in.csv", "--output", "o.npz", *extra)
        got = arrays(folder / "o.npz")
        for e in range(2 if extra else 1):
            part = slice(e * n, (e + 1) * n)
            assert (got["a"][part] == k).all() and engines.same_bits(got["b"][part], v) and (got["c"][part] == m).all()
            wanted = held if e == 0 else np.where(np.arange(n) < 2, held[-1], held)
            assert engines.same_bits(got["d"][part], wanted.astype(np.float32))
    (folder / "k.csv").write_text("k\n" + "\n".join(map(str, k)) + "\n")
    run(folder, "p.mlr", "--node", "rest", "--input", "k.csv", "--output", "o.npz", "--shuffle", 2)
    got = arrays(folder / "o.npz")["a"]
    assert (got[:300] == k[shuffled(2, 0, n, 300)]).all() and (np.sort(got) == np.sort(k)).all()
    # An error far in the file is found before the run begins, with its line.
    with open(folder / "in.csv", "a") as f:
        f.write("9,1,Blue,,7\n")
    done = run(folder, "p.mlr", "--input", "in.csv", code=1)
    blank = (n + 999) // 1000
    assert f"line {n + blank + 2}, column 'm' holds 'Blue'" in done.stderr and done.stdout == "", done.stderr


LONG = ["--epochs", 40, "--shuffle", 5, "--every", 137]


def everything(folder, *extra):
    """Outputs, exported parameters and checkpoint of a run to the end."""
    run(folder, "p.mlr", "--input", "data.npz", *LONG, "--output", "o.npz", "--export", "net.safetensors", "--checkpoint", "ck.safetensors",
        "--quiet", *extra)
    found = [(folder / n).read_bytes() for n in ("o.npz", "net.safetensors", "ck.safetensors")]
    for n in ("o.npz", "net.safetensors", "ck.safetensors", "ck.safetensors.outputs"):
        (folder / n).unlink()
    return found


def killed_at_any_moment_it_goes_on(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 1000)
    wanted = everything(folder)
    run(folder, "p.mlr", "--input", "data.npz", *LONG[:-2], "--output", "plain.npz")
    assert (folder / "plain.npz").read_bytes() == wanted[0], "checkpoints change the outputs"
    command = [str(c) for c in (MLRC, "run", "p.mlr", "--input", "data.npz", *LONG, "--output", "o.npz", "--export", "net.safetensors",
                                "--checkpoint", "ck.safetensors", "--quiet", "--resume")]
    rng = random.Random(7)
    kills, positions = 0, []
    while kills < 10:
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE)
        since = positions[-1] if positions else 0
        while process.poll() is None and (not (folder / "ck.safetensors").exists() or position(folder / "ck.safetensors") == since):
            time.sleep(0.01)  # it compiles
        try:
            process.wait(timeout=0.2 * rng.random())
            assert process.returncode == 0, process.stderr.read()
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        process.stderr.close()
        positions.append(position(folder / "ck.safetensors"))
    assert kills > 3 and positions == sorted(positions), positions
    assert everything(folder, "--resume") == wanted, f"after {kills} kills, checkpoints at {positions}"
    print(f"  {kills} kills, checkpoints at {positions}")


def metadata(path):
    blob = path.read_bytes()
    header = engines.json.loads(blob[8:8 + int.from_bytes(blob[:8], "little")])
    return header["__metadata__"]


def position(path):
    return int(metadata(path)["instants"])


def a_run_goes_on_for_longer_and_elsewhere(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 100)
    common = ["p.mlr", "--input", "data.npz", "--checkpoint", "ck.safetensors", "--resume"]
    run(folder, *common, "--epochs", 2, "--output", "o.csv")
    run(folder, *common, "--epochs", 5, "--output", "o.csv")
    run(folder, "p.mlr", "--input", "data.npz", "--epochs", 5, "--output", "whole.csv")
    assert (folder / "o.csv").read_text() == (folder / "whole.csv").read_text()
    # Outputs that were not asked for before begin with the instants of this run.
    (folder / "ck.safetensors").unlink()
    run(folder, *common, "--epochs", 2, "--export", "net.safetensors")
    done = run(folder, *common, "--epochs", 3, "--output", "o.csv")
    assert "the outputs of the first 200 instants were not kept: o.csv begins after them" in done.stderr, done.stderr
    whole = (folder / "whole.csv").read_text().splitlines()
    assert (folder / "o.csv").read_text().splitlines() == [whole[0], *whole[201:301]]
    # On standard output a run goes on where the other ended.
    (folder / "ck.safetensors").unlink()
    head = run(folder, *common, "--epochs", 1).stdout.splitlines()
    assert head + run(folder, *common, "--epochs", 2).stdout.splitlines()[1:] == whole[:201]
    # The state alone, in another program of the same node: one whose steps are so small that the parameters stay what they were.
    run(folder, "p.mlr", "--input", "data.npz", "--epochs", 3, "--output", "whole.npz")
    (folder / "p.mlr").write_text(TRAIN.replace("0.05 * g", "1e-30 * g"))
    run(folder, "p.mlr", "--input", "data.npz", "--load-state", "ck.safetensors", "--output", "o.npz")
    got, before = arrays(folder / "o.npz"), arrays(folder / "whole.npz")
    assert got["n"].tolist() == list(range(201, 301)), got["n"]
    assert all(engines.same_bits(got[k], np.repeat(before[k][50:51], 25, axis=0)) for k in ("p.w", "p.b")), (got, before["p.w"][50])


def interrupted_it_keeps_what_is_done(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 1000)
    command = [str(c) for c in (MLRC, "run", "p.mlr", "--input", "data.npz", "--epochs", 100000, "--checkpoint", "ck.safetensors",
                                "--every", 1000, "--export", "net.safetensors")]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (folder / "ck.safetensors").exists():
        time.sleep(0.01)  # it compiles
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130 and "--resume goes on" in error, (process.returncode, error)
    assert f"stopped after {position(folder / 'ck.safetensors')} of" in error, error


def what_cannot_go_on_is_refused(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 100)
    data(folder, 60, "less.npz")
    common = ["p.mlr", "--checkpoint", "ck.safetensors"]
    run(folder, *common, "--input", "data.npz", "--export", "net.safetensors")
    for arguments, text in [((*common, "--input", "data.npz"), "ck.safetensors exists, after 100 instants: --resume goes on from it"),
                            ((*common, "--input", "less.npz", "--resume"), "was made with an input of 100 instants, not 60"),
                            ((*common, "--input", "data.npz", "--resume", "--shuffle", 4), "was made without --shuffle"),
                            ((*common, "--input", "data.npz", "--resume", "--unfused"), "is the checkpoint of another program"),
                            ((*common, "--input", "data.npz", "--resume", "--steps", 50), "is after 100 instants, this run has 50"),
                            (("p.mlr", "--input", "data.npz", "--resume"), "give --checkpoint FILE"),
                            (("p.mlr", "--input", "data.npz", "--show", "p.w"), "only scalars"),
                            (("p.mlr", "--input", "data.npz", "--show", "q"), "node `main` has no such output; it has loss, p.w, p.b, n"),
                            (("p.mlr", "--checkpoint", "ck.bin", "--input", "data.npz"), "--checkpoint ck.bin: it is written as .safetensors"),
                            (("p.mlr", "--export", "no/net.safetensors", "--input", "data.npz"), "no/net.safetensors: there is no folder no"),
                            (("p.mlr", "--input", "data.npz", "--epochs", 0), "")]:
        done = run(folder, *arguments, code=1)
        assert text in done.stderr, (text, done.stderr)
    (folder / "i.mlr").write_text("node main(x: f32[3]) -> (s: f32) { s = x[0] + (0 fby s); }")
    for extra in ([], ["--save-state", "s.safetensors"]):
        for program in ("p.mlr", "i.mlr"):
            done = run(folder, program, "--checkpoint", "i.safetensors", *extra, "--input", "data.npz", "--steps", 2, code=1, engine="interp")
            assert "interpreters keep no checkpoints" in done.stderr and not (folder / "i.safetensors").exists(), done.stderr
    (folder / "p.mlr").write_text(TRAIN.replace("0.05", "0.06"))
    done = run(folder, *common, "--input", "data.npz", "--resume", code=1)
    assert "is the checkpoint of another program" in done.stderr, done.stderr
    (folder / "p.mlr").write_text("// a comment\n" + TRAIN.replace("  ", "   "))
    run(folder, *common, "--input", "data.npz", "--resume", "--export", "net.safetensors")
    for broken in (b"", b"123", b"\0" * 40, (folder / "net.safetensors").read_bytes()):
        (folder / "ck.safetensors").write_bytes(broken)
        run(folder, *common, "--input", "data.npz", "--resume", code=1)


def a_file_is_written_by_one_option(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 8)
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(".")
    for one, other in [(("--checkpoint", "a.safetensors"), ("--export", "a.safetensors")),
                       (("--checkpoint", "a.safetensors"), ("--save-state", "./sub/../a.safetensors")),
                       (("--export", "link/a.safetensors"), ("--save-state", folder / "a.safetensors")),
                       (("--checkpoint", "a.safetensors"), ("--output", "a.safetensors.outputs"))]:
        done = run(folder, "p.mlr", "--input", "data.npz", *one, *other, code=1)
        assert f"{other[1]}: both {one[0]}" in done.stderr and f"{other[0]} would write it" in done.stderr, done.stderr
        assert not (folder / "a.safetensors").exists()
    # A state may be replaced by the next one.
    run(folder, "p.mlr", "--input", "data.npz", "--save-state", "a.safetensors", "--checkpoint", "b.safetensors", "--export", "c.safetensors")
    run(folder, "p.mlr", "--input", "data.npz", "--load-state", "a.safetensors", "--save-state", "a.safetensors")


def exported_parameters_are_constants_of_another_program(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 200)
    run(folder, "p.mlr", "--input", "data.npz", "--epochs", 50, "--export", "net.safetensors", "--select", "loss", "--output", "o.npz")
    assert list(arrays(folder / "o.npz")) == ["loss"]
    run(folder, "p.mlr", "--input", "data.npz", "--epochs", 50, "--select", "p,n", "--output", "p.npz")
    history = arrays(folder / "p.npz")
    assert sorted(history) == ["n", "p.b", "p.w"]
    (folder / "q.mlr").write_text("struct Layer { w: f32[2, 3], b: f32[2] }\nconst P: Layer = load(\"net.safetensors\", \"p\");\n"
                                  "const N: i32 = load(\"net.safetensors\", \"n\");\n"
                                  "node main(x: f32[3]) -> (w: f32[2, 3], b: f32[2], n: i32, y: f32[2]) { w = P.w; b = P.b; n = N; y = P.w @ x + P.b; }")
    run(folder, "q.mlr", "--input", "data.npz", "--output", "q.npz")
    got = arrays(folder / "q.npz")
    assert engines.same_bits(got["w"][0], history["p.w"][-1]) and engines.same_bits(got["b"][0], history["p.b"][-1]) and got["n"][0] == 10000
    y = arrays(folder / "data.npz")["y"]
    assert np.mean(np.sum((got["y"] - y) ** 2, axis=1)) < 0.2


def what_an_example_begins_with_is_trained_again_to_the_bit(folder):
    example = pathlib.Path(__file__).resolve().parent.parent / "examples/15-online-learning"
    run(folder, example / "prepare.mlr", "--steps", 6000, "--export", folder / "start.safetensors", "--select", "loss", "--output", folder / "loss.csv")
    assert (folder / "start.safetensors").read_bytes() == (example / "start.safetensors").read_bytes()


def what_was_exported_before_is_missed(folder):
    """The last values of slower outputs may be those of the run that was cut off; where its file is gone, that is said."""
    (folder / "p.mlr").write_text("node main(x: f32) -> (slow: f32 every 8, fast: f32) { slow = x when every 8; fast = x; }\n"
                                  "node slow(x: f32) -> (slow: f32 every 8) { slow = x when every 8; }\n")
    np.savez(folder / "in.npz", x=np.arange(12, dtype=np.float32))
    net, kept = folder / "net.safetensors", folder / "kept.safetensors"
    common = ["p.mlr", "--input", "in.npz", "--checkpoint", "ck.safetensors", "--resume", "--export", "net.safetensors"]
    for node, code, said in (("main", 0, "warning: --export net.safetensors lacks outputs that had no value from instant 10 on"),
                             ("slow", 1, "--export net.safetensors: no output had a value from instant 10 on")):
        kept.write_bytes(b"")
        net.unlink(missing_ok=True)
        net.symlink_to(kept)
        done = run(folder, *common, "--node", node, "--steps", 10)
        assert done.stderr == "" and net.is_symlink(), done.stderr
        assert b"slow" in kept.read_bytes()
        kept.unlink()
        done = run(folder, *common, "--node", node, "--steps", 12, code=code)
        assert said in done.stderr and "have left no such file" in done.stderr, done.stderr
        (folder / "ck.safetensors").unlink()


def losses_are_shown(folder):
    (folder / "p.mlr").write_text(TRAIN)
    data(folder, 1000)
    done = run(folder, "p.mlr", "--input", "data.npz", "--epochs", 3, "--show", "loss,n", "--output", "o.npz")
    loss = arrays(folder / "o.npz")["loss"]
    wanted = [f"epoch {e}  loss {loss[250 * e - 1]:.4g}  n {1000 * e}" for e in (1, 2, 3)]
    assert done.stderr.splitlines() == wanted, (done.stderr, wanted)
    assert run(folder, "p.mlr", "--input", "data.npz", "--epochs", 3, "--output", "o.npz").stderr == ""
    # On a terminal, a bar that redraws itself and is gone at the end; a run of less than a fifth of a second shows none.
    for epochs in (300, 3000, 30000):
        seen = on_terminal(folder, "p.mlr", "--input", "data.npz", "--epochs", epochs, "--select", "loss", "--output", "o.npz")
        if seen:
            break
    assert f"of {epochs}000 instants".encode() in seen and b"epoch " in seen and b"loss " in seen and seen.endswith(b"\r\x1b[K"), seen[-300:]


def on_terminal(folder, *arguments):
    """What a run writes to a standard error that is a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen([str(c) for c in (MLRC, "run", *arguments)], cwd=folder, stderr=other, close_fds=True)
    os.close(other)
    seen = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    assert process.wait() == 0
    os.close(main)
    return seen


def main():
    tests = [epochs_and_shuffled_rows, files_larger_than_memory, csv_files_in_blocks, killed_at_any_moment_it_goes_on,
             a_run_goes_on_for_longer_and_elsewhere, interrupted_it_keeps_what_is_done, what_cannot_go_on_is_refused,
             a_file_is_written_by_one_option, what_was_exported_before_is_missed,
             exported_parameters_are_constants_of_another_program,
             what_an_example_begins_with_is_trained_again_to_the_bit, losses_are_shown]
    wanted, failed, count = sys.argv[2:], 0, 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(pathlib.Path(folder))
            except AssertionError as error:
                failed += 1
                line = error.__traceback__.tb_next.tb_lineno
                print(f"FAILED {test.__name__}, line {line}: {error}")
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
