"""Nodes around the standard library, and around derivatives and stated derivatives, which programs of gradients.py call: name, inputs,
outputs, body. `nn` is in f32; a copy of it in f64, `nn64`, stands beside the program."""
import pathlib
import re

STANDARD = pathlib.Path(__file__).resolve().parents[2] / "std"

# Positive definite matrices out of any; bounded ones.
_SPD = "[sum(tanh({0}[i, k]) * tanh({0}[j, k]) for k < 2) + (if i == j then 1.0 else 0.0) for i < 2, j < 2]"
_WELL = "[tanh({0}[i, j]) + (if i == j then 2.5 else 0.0) for i < {1}, j < {1}]"

CALLS = [
    ("nn.dense", "w: f64[2, 3], b: f64[2], x: f64[3]", "y: f64[2]", "y = nn64.dense(nn64.Dense { w = w, b = b }, x);"),
    ("nn.conv1d", "w: f64[2, 1, 2], b: f64[2], x: f64[4, 1]", "y: f64[3, 2]", "y = nn64.conv1d(nn64.Conv1d { w = w, b = b }, x);"),
    ("nn.conv1d_strided", "w: f64[1, 2, 3], b: f64[1], x: f64[5, 2]", "y: f64[3, 1]",
     "y = nn64.conv1d_strided<<S = 2, P = 1>>(nn64.Conv1d { w = w, b = b }, x);"),
    ("nn.depthwise1d", "w: f64[2, 2], b: f64[2], x: f64[3, 2]", "y: f64[2, 2]", "y = nn64.depthwise1d(w, b, x);"),
    ("nn.conv2d", "w: f64[1, 1, 2, 2], b: f64[1], x: f64[3, 3, 1]", "y: f64[4, 4, 1]", "y = nn64.conv2d<<P = 1>>(nn64.Conv2d { w = w, b = b }, x);"),
    ("nn.pooling", "x: f64[4, 2]", "y: f64[2, 2]", "y = nn64.max_pool1d<<2>>(x) * nn64.mean_pool1d<<2>>(x);"),
    ("nn.layer_norm", "g, b, x: f64[3]", "y: f64[3]", "y = nn64.layer_norm(nn64.LayerNorm { gamma = g, beta = b }, x * [1.0, 2.0, 3.0]);"),
    ("nn.rms_norm", "g, x: f64[3]", "y: f64[3]", "y = nn64.rms_norm(g, x + 0.5);"),
    ("nn.batch_norm_of", "g, b: f64[2], x: f64[3, 2]", "y: f64[3, 2]", "y = nn64.batch_norm_of(g, b, [x[i, j] + 0.7 * f64(i) for i < 3, j < 2]);"),
    ("nn.attention", "q: f64[2, 2], k, v: f64[3, 2]", "y: f64[2, 2]", "y = nn64.attention(tanh(q), tanh(k), v);"),
    ("nn.causal_attention", "q, v: f64[3, 2]", "y: f64[3, 2]", "y = nn64.causal_attention(tanh(q), tanh(q) * 0.5, v);"),
    ("nn.streaming_attention", "q, k: f64[2], v: f64[2]", "y: f64[2]", "y = nn64.streaming_attention<<3>>(tanh(q), tanh(k), v);"),
    ("nn.lstm", "w: f64[8, 3], u: f64[8, 2], b: f64[8], x: f64[3]", "h: f64[2]", "h = nn64.lstm(nn64.Lstm { w = w, u = u, b = b }, x);"),
    ("nn.gru", "w: f64[6, 3], u: f64[6, 2], b, x: f64[6]", "h: f64[2]", "h = nn64.gru(nn64.Gru { w = w, u = u, b = b, c = b }, x[0 .. 3]);"),
    ("nn.bilstm", "w: f64[4, 1], b: f64[4], x: f64[3, 1]", "y: f64[3, 2]",
     "p = nn64.Lstm { w = w, u = w, b = b };  y = nn64.bilstm(p, { p with b = b * 0.5 }, x);"),
    ("nn.losses", "x, t: f64[3], k: i32", "y: f64",
     "y = nn64.mse(x, t) + nn64.cross_entropy(x, k) + sum(nn64.huber(x - t, 0.7)) + nn64.mae(x, t) + nn64.kl_divergence([0.2, 0.3, 0.5], x);"),
    ("nn.activations", "x: f64[3]", "y: f64[3]", "y = nn64.log_softmax(x) * nn64.gelu(x) + nn64.silu(x) + nn64.elu(x, 0.7) + nn64.leaky_relu(x, 0.1);"),
    ("nn.bce", "x, p: f64[2]", "y: f64[2]", "y = nn64.bce(x, sigmoid(p));"),
    ("linalg.solve", "a: f64[2, 2], b: f64[2]", "x: f64[2]", f"x = linalg.solve_vector({_WELL.format('a', 2)}, b);"),
    ("linalg.inv", "a: f64[3, 3]", "y: f64[3, 3], d: f64", f"m = {_WELL.format('a', 3)};  y = linalg.inv(m);  d = linalg.det(m);"),
    ("linalg.cholesky", "a: f64[2, 2]", "y: f64[2, 2]", f"y = linalg.cholesky({_SPD.format('a')});"),
    ("linalg.qr", "a: f64[3, 2]", "q: f64[3, 3], r: f64[3, 2]", "(q, r) = linalg.qr([tanh(a[i, j]) + (if i == j then 2.5 else 0.0) for i < 3, j < 2]);"),
    ("linalg.expm", "a: f64[2, 2]", "y: f64[2, 2]", "y = linalg.expm<<squarings = 2>>(tanh(a));"),
    ("signal.fft", "x, y: f64[4]", "u, v: f64[4]", "(u, v) = signal.fft(x, y);"),
    ("signal.rfft", "x: f64[8]", "u: f64[5]", "(a, b) = signal.rfft(x);  u = a * b;"),
    ("signal.iir", "x: f64, b, a: f64[3]", "y: f64", "y = signal.iir(x, b, 0.2 * tanh(a) + [1.0, 0.0, 0.0]);"),
    ("signal.fir", "x: f64, h: f64[3]", "y: f64", "y = signal.fir(x, h);"),
    ("signal.sos", "x: f64, s: f64[2, 6]", "y: f64", "y = signal.sos(x, [0.3 * tanh(s[i, j]) + (if j == 3 then 1.0 else 0.0) for i < 2, j < 6]);"),
    ("signal.decimate", "x: f64, h: f64[3]", "y: f64", "y = hold(signal.decimate<<2>>(x, h), 0.1);"),
    ("signal.stft_of", "x: f64[6], w: f64[4]", "y: f64[2, 3]", "(re, im) = signal.stft_of<<4, 2>>(x, w);  y = re * im;"),
    ("signal.resample", "x: f64[4], h: f64[3]", "y: f64[6], z: f64[5]", "y = signal.resample_of<<3, 2>>(x, h);  z = signal.resample_linear<<4, 5>>(x);"),
    ("signal.interpolate", "x: f64[4], i: f64", "y: f64", "y = signal.interpolate(x, 1.5 + tanh(i));"),
    ("control.pid", "e, k: f64", "u: f64", "u = control.pid(e, k, 0.2, 0.1, 0.1, -1.0, 1.0);"),
    ("control.filters", "x: f64", "y: f64", "y = control.low_pass(control.rate_limiter(x, 0.4, 0.3), 0.3) + (if control.hysteresis(x, -0.5, 0.5) then x else 0.0);"),
    ("control.lqr", "a: f64[2, 2], b: f64[2, 1]", "p: f64[2, 2]", f"(gain, p) = control.lqr<<3>>(tanh(a), b, {_SPD.format('a')}, [[0.5]], {_SPD.format('a')});"),
    ("control.kalman", "z: f64[1], a: f64[2, 2], c: f64[1, 2]", "x: f64[2]",
     "q: f64[2, 2] = [[0.3, 0.0], [0.0, 0.2]];  (x, p) = control.kalman(z, [0.1, 0.2], q, tanh(a), q, c, [[0.5]]);"),
    ("control.rts_smoother", "z: f64[3, 1], a: f64[2, 2]", "x: f64[3, 2]",
     "q: f64[2, 2] = [[0.3, 0.0], [0.0, 0.2]];  (x, p) = control.rts_smoother(z, [0.1, 0.2], q, tanh(a), q, [[1.0, 0.5]], [[0.5]]);"),
    ("rl.gae", "r, v: f64[3], d: bool[3]", "a, t: f64[3]", "(a, t) = rl.gae(r, v, 0.5 * v, d, d, 0.9, 0.8);"),
    ("rl.returns", "r: f64[4], d: bool[4], l: f64", "y: f64[4]", "y = rl.returns(r, d, l, 0.9);"),
    ("rl.v_trace", "p, r, v: f64[3], d: bool[3]", "a, t: f64[3]", "(t, a) = rl.v_trace(tanh(p), r, v, v * 0.5, d, d, 0.9, 0.8);"),
    ("rl.ppo_surrogate", "p, a: f64", "l, k: f64", "(l, k, c) = rl.ppo_surrogate(tanh(p), 0.1, a, 0.2);"),
    ("rl.log_prob", "x, m, s: f64[2], i: i32", "y: f64",
     "y = rl.gaussian_log_prob(x, m, tanh(s)) + rl.gaussian_entropy(s) + rl.categorical_log_prob(i, m) + rl.categorical_entropy(m);"),
    ("stats.running", "x: f64", "m, v: f64", "(m, v, n) = stats.running(x);"),
    ("stats.exponential", "x: f64", "m, v: f64", "(m, v) = stats.exponential(x, 0.3);"),
    ("stats.moving", "x: f64", "m: f64", "(a, v) = stats.moving<<3>>(x);  m = a * a;"),
    ("stats.quantile", "x: f64[4]", "y: f64, z: f64[4]", "y = stats.quantile(x, 0.3) * stats.variance(x);  z = stats.sort(x);"),
    ("stats.covariance", "x: f64[3, 2]", "c: f64[2, 2]", "c = stats.covariance(x);"),
    ("optim.adam", "p, g: f64[3]", "q: f64[3]", "q = optim.adam(p, g + 2.0, 0.1);"),
    ("optim.momentum", "p, g: f64[2]", "q: f64[2]", "q = optim.momentum<<nesterov = true>>(p, g, 0.1);"),
    ("optim.clip_norm", "g: f64[3]", "c: f64[3], n: f64", "(c, n) = optim.clip_norm(g + 0.1, 1.0);"),
    ("math.softmax", "x: f64[3]", "y: f64[3]", "y = softmax(x) * clamp(x, -0.5, 0.8);"),
    # stated derivatives
    ("stated derivative", "x: f64", "y: f64", "y = cube(x);"),
    ("stated derivative", "x, w: f64[3]", "y: f64, z: f64[3]", "(y, z) = scaled(x, w);"),
    ("stop_gradient", "x: f64[2]", "y: f64[2]", "y = x * x * stop_gradient(floor(x) + sign(x));"),
    # derivatives inside of what is differentiated
    ("grad inside", "x, w: f64[3]", "y: f64[3]", "l = sum(tanh(w * x) * x) + x[0] * w[1];  y = grad(l, x);"),
    ("grad inside", "x: f64", "y: f64", "s = x * x * x + 0.5 * (1.0 fby s) * x;  y = grad(s, x);"),
    ("grad inside", "x: f64, w: f64[2]", "y: f64[2]", "scan t < 3 { h = tanh(w[0] * (x fby h) + w[1]);  l = final h; }  y = grad(l, w);"),
    ("grad inside", "x: f64, w: f64[2]", "y: f64[2]",
     "scan t < 3 { c = w[0] * x + 0.5 * (0.0 fby c);  h = tanh(c + w[1] * (h eby 0.3));  l = initial h; }  y = grad(l, w);"),
    ("Jacobian inside", "x, w: f64[3]", "y: f64[3]", "z = tanh(w * x) * sum(x);  j = [grad(z[i], x) for i < 3];  y = j @ w;"),
    ("Hessian inside", "x: f64[2]", "y: f64[2, 2]", "l = sin(x[0] * x[1]) + x[0] * x[0] * x[1];  g = grad(l, x);  y = [grad(g[i], x) for i < 2];"),
    ("jvp inside", "x, w: f64[3]", "y: f64[3]", "z = [sin(x[i] * w[2 - i]) for i < 3];  y = jvp(z, x, w * w);"),
    ("vjp inside", "x, w: f64[3]", "y: f64[3], d: f64[3]", "z = [sin(x[i] * w[2 - i]) for i < 3];  (y, d) = vjp(z, (x, w), w * x);"),
    ("descent inside", "x, w: f64[2]", "y: f64[2]",
     "scan k < 3 { p = w fby p - 0.1 * g;  e = sum(square(p * x - tanh(p)));  g = grad(e, p);  y = final p; }"),
    ("descent inside", "x: f64[2], k: f64", "y: f64[2]", "p = x fby p - 0.1 * grad(e, p);  e = sum(square(p * k - tanh(p)));  y = p;"),
    ("grad of a block inside", "x: f64, w: f64", "y: f64, l: f64",
     "if x > 0.1 { l = sin(w * x) + (0.0 fby l) * w; } else { l = w * w * x; }  y = grad(l, w);"),
]

HELPERS = """
fun cube(x: f64) -> (y: f64) derivative d_cube { y = x * x * x; }
fun d_cube(x, y, g: f64) -> (d: f64) { d = 3.0 * x * x * g; }
fun scaled(x, w: f64[3]) -> (y: f64, z: f64[3]) derivative d_scaled { y = sum(x * w);  z = w * x * x; }
fun d_scaled(x, w: f64[3], y: f64, z: f64[3], gy: f64, gz: f64[3]) -> (dx, dw: f64[3]) { dx = gy * w + 2.0 * gz * w * x;  dw = gy * x + gz * x * x; }
"""


def ports(text):
    """[(name, scalar, shape)] of a list like `x, y: f64[2], k: i32`."""
    found, names = [], []
    for part in re.findall(r"(\w+)(?:: (\w+)(?:\[([\d, ]+)\])?)?(?:, |$)", text):
        names.append(part[0])
        if not part[1]: continue
        shape = tuple(int(n) for n in part[2].split(",")) if part[2] else ()
        found += [(name, part[1], shape) for name in names]
        names = []
    return found


def imports(body):
    """Modules that a body names."""
    return {m for m in ("nn64", "linalg", "signal", "control", "rl", "stats", "optim") if f"{m}." in body}


def nn64():
    """The text of `nn` in f64."""
    return re.sub(r"\bf32\b", "f64", (STANDARD / "nn.mlr").read_text())
