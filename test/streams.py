#!/usr/bin/env python3
"""Streams of a run: what files give to the inputs of a node, and what is refused (rules R13.5 and R13.7).

usage: streams.py MLRC
"""
import pathlib
import subprocess
import sys
import tempfile
import wave

import numpy as np

MLRC = pathlib.Path(sys.argv[1]).resolve()


def run(folder, type, file, content, extra=()):
    """Copies one input to an output; (exit code, lines of the output, standard error)."""
    (folder / "p.mlr").write_text(f"node main(x: {type}) -> (y: {type}) {{ y = x; }}\n")
    path = folder / file
    if isinstance(content, str): path.write_text(content)
    elif file.endswith(".npz"): np.savez(path, x=content)
    else: np.save(path, content)
    results = []
    for engine in ("run", "interp"):
        done = subprocess.run([MLRC, engine, folder / "p.mlr", "--input", path, *extra], capture_output=True, text=True)
        results.append((done.returncode, done.stdout.splitlines()[1:], done.stderr))
    assert results[0] == results[1], results
    return results[0]


def csv(folder, type, *cells):
    return run(folder, type, "in.csv", "\n".join(["x", *cells]) + "\n")


def numbers_beyond_a_float_type_are_no_infinities(folder):
    for type, beyond, largest in [("f32", "1e39", "3.4028235e+38"), ("f16", "65520", "65504"),
                                  ("bf16", "3.4e38", "3.3895314e+38"), ("f64", "1e309", "1.7976931348623157e+308")]:
        code, _, err = csv(folder, type, "1", beyond)
        assert code == 1 and "line 3 " in err.replace(",", " "), (type, code, err)
        code, lines, _ = csv(folder, type, largest, "-inf")
        assert code == 0 and lines[1] == "-inf", (type, lines)


def integers_of_64_bits_are_exact(folder):
    signed = ["9007199254740993", "-9223372036854775808", "9223372036854775807", "5"]
    assert csv(folder, "i64", *signed) == (0, signed, "")
    unsigned = ["18446744073709551615", "0", "9007199254740993"]
    assert csv(folder, "u64", *unsigned) == (0, unsigned, "")


def integers_out_of_range_are_refused(folder):
    for type, cell in [("i64", "9223372036854775808"), ("i64", "18446744073709551615"),
                       ("u64", "18446744073709551616"), ("u64", "-1"), ("u64", "1e300"), ("i64", "nan"), ("i64", "0.5"),
                       ("i32", "2147483648"), ("i32", "9007199254740993"), ("u8", "256"), ("i8", "-129"), ("bool", "2")]:
        code, _, error = csv(folder, type, "0", cell)
        assert code == 1 and "line 3 holds" in error and f"not a value of {type}" in error, (type, cell, error)
    for type, cell in [("i32", "2147483647"), ("i32", "-2147483648"), ("u32", "4294967295"), ("u8", "255"), ("i8", "-128")]:
        assert csv(folder, type, cell) == (0, [cell], ""), (type, cell)


def columns_round_to_the_16_bit_floats(folder):
    # 2049 is a tie of f16, to even; the second is above it by less than f32 can tell.
    assert csv(folder, "f16", "0.1", "2049", "2049.00000000001", "inf", "-0.0", "nan") == \
        (0, ["0.099975586", "2048", "2050", "inf", "-0", "nan"], "")
    assert csv(folder, "bf16", "1", "257", "257.00000000001", "-inf") == \
        (0, ["1", "256", "258", "-inf"], "")


def an_f32_array_of_bf16_values_is_bf16(folder):
    values = np.array([1, -0.5, np.inf, 256, np.nan], np.float32)
    assert run(folder, "bf16", "in.npz", values) == (0, ["1", "-0.5", "inf", "256", "nan"], "")
    code, _, error = run(folder, "bf16", "in.npz", np.array([0.1], np.float32))
    assert code == 1 and "needs bf16" in error, error


def samples_left_over_are_told(folder):
    code, lines, error = run(folder, "i16[3]", "in.npy", np.arange(8, dtype=np.int16))
    assert code == 0 and lines == ["0,1,2", "3,4,5"] and "the last 2 of 8 samples" in error, (lines, error)
    assert run(folder, "i16[3]", "in.npy", np.arange(6, dtype=np.int16)) == (0, ["0,1,2", "3,4,5"], "")
    assert run(folder, "i16[3]", "in.npy", np.arange(8, dtype=np.int16), ["--steps", "1"]) == (0, ["0,1,2"], "")


def recording(path, samples, rate, channels=1):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels), out.setsampwidth(2), out.setframerate(rate)
        out.writeframes(np.array(samples, "<i2").tobytes())


def columns_of_a_log_that_nobody_asks_for_may_be_text(folder):
    (folder / "p.mlr").write_text("node main(k: i32[2]) -> (y: i32) { y = k[0] + k[1]; }")
    (folder / "in.csv").write_text("time,k[0],k[1],what\n09:30,1,2,start\n09:31,3,4,\n")
    (folder / "few.csv").write_text("k\n1\n2\n")

    def run(file):
        done = subprocess.run([MLRC, "run", "p.mlr", "--input", file], cwd=folder, capture_output=True, text=True)
        return done.stdout.split(), done.stderr

    assert run("in.csv") == (["y", "3", "7"], ""), run("in.csv")
    assert "has other columns than input `k`, i32[2], needs: `k[0]` to `k[1]`" in run("few.csv")[1], run("few.csv")


def events_are_told_in_seconds(folder):
    (folder / "p.mlr").write_text("""node main(x: i16[2]) -> (loud: bool, level: i16 every 2, all: bool[2]) at 4 Hz {
      loud = x[0] > 5; level = x[1] when every 2; all = [true, true];
    }
    node rated(x: i16[2]) -> (loud: bool) at 3 Hz { loud = x[0] > 5; }
    node silent(x: i16[2]) -> (y: i16[2]) { y = x; }
    node fast(x: i16[2]) -> (loud: bool) at 2.5 kHz { loud = x[0] > 5; }
    """)
    recording(folder / "in.wav", [1, 2, 9, 4, 7, 6, 0, 8], 8)
    np.save(folder / "in.npy", np.array([[1, 2], [9, 4], [7, 6], [0, 8]], np.int16))

    def events(engine, node, file):
        done = subprocess.run([MLRC, engine, "p.mlr", "--node", node, "--input", file, "--events"], cwd=folder, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    for engine in ("run", "interp"):
        assert events(engine, "main", "in.npy") == (0, ["0.250 s  loud, level = 4", "0.500 s  loud", "0.750 s  level = 8"], "")
        assert events(engine, "main", "in.wav") == (0, ["0.500 s  loud, level = 4", "0.750 s  loud", "1.000 s  level = 8"], "")
    code, lines, error = events("run", "rated", "in.wav")
    assert code == 0 and lines == ["0.500 s  loud", "0.750 s  loud"] and "runs at 3 Hz, the recording gives it 4 blocks" in error, error
    assert events("run", "fast", "in.npy")[1] == ["0.0004 s  loud", "0.0008 s  loud"]
    code, lines, error = events("run", "silent", "in.npy")
    assert code == 1 and "has no bool output and none on a slower clock" in error, error


def channels_stay_beside_each_other(folder):
    """Two channels: R13.5; an instant lasts as long as its samples of one channel."""
    (folder / "p.mlr").write_text("""node frames(x: i16[2]) -> (loud: bool) { loud = x[1] > 5; }
    node blocks(x: i16[2, 2]) -> (loud: bool, y: i16[2, 2]) { loud = x[1, 1] > 5; y = x; }
    node three(x: i16[2, 3]) -> (y: i16) { y = x[0, 0]; }
    """)
    recording(folder / "in.wav", [1, 2, 3, 9, 5, 6, 7, 4, 8, 8], 8, channels=2)
    run = lambda node, *more: subprocess.run([MLRC, "run", "p.mlr", "--node", node, "--input", "in.wav", *more], cwd=folder, capture_output=True, text=True)
    assert run("frames", "--events").stdout.splitlines() == ["0.250 s  loud", "0.375 s  loud", "0.625 s  loud"], run("frames", "--events")
    done = run("blocks", "--events")
    assert done.stdout.splitlines() == ["0.250 s  loud"] and "the last 1 of 5 samples do not fill a block of 2" in done.stderr, done
    assert run("blocks").stdout.splitlines()[1:] == ["true,1,2,3,9", "false,5,6,7,4"], run("blocks")
    assert run("three").returncode == 1 and "is i16[5, 2]; input `x` needs i16[2, 3]" in run("three").stderr, run("three")


def a_changed_byte_of_an_archive_is_found(folder):
    """numpy does not compress: the check sum of what is streamed is compared all the same."""
    np.savez(folder / "in.npz", x=np.arange(3, dtype=np.float32))
    whole = bytearray((folder / "in.npz").read_bytes())
    at = bytes(whole).index(np.float32(2).tobytes())
    whole[at + 2] ^= 1
    (folder / "in.npz").write_bytes(whole)
    (folder / "p.mlr").write_text("node main(x: f32) -> (y: f32) { y = x; }")
    done = subprocess.run([MLRC, "run", "p.mlr", "--input", "in.npz"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1 and "entry 'x' is damaged: CRC error" in done.stderr, done


def main():
    tests = [channels_stay_beside_each_other, a_changed_byte_of_an_archive_is_found, numbers_beyond_a_float_type_are_no_infinities, integers_of_64_bits_are_exact, integers_out_of_range_are_refused,
             columns_round_to_the_16_bit_floats, an_f32_array_of_bf16_values_is_bf16, samples_left_over_are_told,
             events_are_told_in_seconds, columns_of_a_log_that_nobody_asks_for_may_be_text]
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(pathlib.Path(folder))
            except AssertionError as error:
                failed += 1
                print(f"FAILED {test.__name__}: {error}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
