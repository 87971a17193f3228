"""The tensor functions of math against NumPy. Its elementary functions are compared with MPFR by test/math."""
import numpy as np

AGAINST = {"square": "numpy.square", "relu": "numpy.maximum, with NaN", "clamp": "numpy.clip, with NaN", "sign": "numpy.sign, with signed zeros",
           "softmax": "scipy.special.softmax", "transpose": "numpy.transpose"}


def check(lib):
    import scipy.special
    x, v, n = lib.normal(4, 3, dtype="f4"), lib.normal(9), lib.rng.integers(-2 ** 31, 2 ** 31, (60, 5)).astype("i4")
    x[0, 0], x[0, 1] = [np.nan, np.inf, -np.inf], [0.0, -0.0, 1e-45]
    o = lib.run(dict(x=x, v=v, n=n))
    lib.expect("square", o["sq"][1:], x[1:] * x[1:], 0)
    lib.expect("square of integers", o["si5"], n * n, 0)
    lib.expect("relu", o["re"], np.maximum(x, 0), 0)
    lib.expect("relu of integers", o["re5"], np.maximum(n, 0), 0)
    lib.expect("clamp", o["cl"], np.clip(x, -0.5, 0.75), 0)
    lib.expect("sign", o["si"], np.sign(x), 0)
    lib.require("sign", (np.signbit(o["si"]) == np.signbit(x))[~np.isnan(x)].all(), "a zero loses its sign")
    lib.expect("softmax", o["so"], scipy.special.softmax(300 * v, axis=1), 1e-14)
    lib.expect("transpose", o["tr"], x.transpose(0, 2, 1), 0)
