"""Programs for gradients.py: derivatives through the standard library. nn is in f32, so its differences have longer steps and wider tolerances.

name, program, inputs by name, tolerance, step, as in gradient_cases.py."""
import numpy as np

CASES = []
SINGLE = {"step": 1e-2, "tolerance": 5e-3}


def case(name, program, tolerance=1e-6, step=1e-6, **inputs):
    CASES.append((name, program, {k: np.asarray(v) for k, v in inputs.items()}, tolerance, step))


def numbers(*shape, seed=0):
    return np.random.default_rng([200 + len(CASES), seed]).normal(size=shape)


def singles(*shape, seed=0):
    return (0.5 * numbers(*shape, seed=seed)).astype("f4")


case("nn_bilstm","""
import nn;
node main(x: f32[5, 3], w: f32[8, 3], u: f32[8, 2], b: f32[8]) -> (l: f32, d_x: f32[5, 3], d_w: f32[8, 3], d_u: f32[8, 2], d_b: f32[8]) {
  p = nn.Lstm { w = w, u = u, b = b };
  y = nn.bilstm(p, { p with b = b * 0.5 }, x);
  l = sum(y * y);
  (d_w, d_u) = grad(l, (w, u));
  d_x = grad(l, x); d_b = grad(l, b);
}""", x=singles(5,3), w=singles(8,3, seed=1), u=singles(8,2, seed=2), b=singles(8, seed=3), **SINGLE)
case("nn_lstm_node_batch","""
import nn;
node run(p: nn.Lstm<<3, 2>>, x: f32[4, 3]) -> (y: f32[2]) { scan t < 4 { h = nn.lstm(p, x[t]); y = final h; } }
node main(x: f32[3, 4, 3], w: f32[8, 3], u: f32[8, 2], b: f32[8]) -> (l: f32, d_x: f32[3, 4, 3], d_w: f32[8, 3], d_u: f32[8, 2], d_b: f32[8]) {
  p = nn.Lstm { w = w, u = u, b = b };
  y = [run(p, x[i]) for i < 3];
  l = mean(sum(square(y[i])) for i < 3);
  g = grad(l, p);
  d_w = g.w; d_u = g.u; d_b = g.b;
  d_x = grad(l, x);
}""", x=singles(3,4,3), w=singles(8,3, seed=1), u=singles(8,2, seed=2), b=singles(8, seed=3), **SINGLE)
case("nn_gru","""
import nn;
node main(x: f32[5, 3], w: f32[6, 3], u: f32[6, 2], b, c: f32[6]) -> (l: f32, d_x: f32[5, 3], d_w: f32[6, 3], d_u: f32[6, 2], d_b, d_c: f32[6]) {
  p = nn.Gru { w = w, u = u, b = b, c = c };
  y = nn.bigru(p, p, x);
  l = sum(y * y);
  g = grad(l, p);
  d_w = g.w; d_u = g.u; d_b = g.b; d_c = g.c;
  d_x = grad(l, x);
}""", x=singles(5,3), w=singles(6,3, seed=1), u=singles(6,2, seed=2), b=singles(6, seed=3), c=singles(6, seed=4), **SINGLE)
case("nn_conv","""
import nn;
node main(x: f32[6, 6, 2], k: f32[3, 2, 3, 3], b: f32[3], w: f32[2, 12]) -> (l: f32, d_x: f32[6, 6, 2], d_k: f32[3, 2, 3, 3], d_b: f32[3], d_w: f32[2, 12]) {
  c = nn.conv2d<<S = 1, P = 1>>(nn.Conv2d { w = k, b = b }, x);
  y = nn.max_pool2d<<3>>(tanh(c));
  z = nn.dense(nn.Dense { w = w, b = zeros<<[2]>>() }, reshape<<[12]>>(y));
  l = nn.cross_entropy(z, 1);
  d_x = grad(l, x); d_k = grad(l, k); d_b = grad(l, b); d_w = grad(l, w);
}""", x=singles(6,6,2), k=singles(3,2,3,3, seed=1), b=singles(3, seed=2), w=singles(2,12, seed=3), **SINGLE)
case("nn_conv_strided","""
import nn;
node main(x: f32[7, 2], k: f32[3, 2, 3], b: f32[3], dw: f32[3, 2]) -> (l: f32, d_x: f32[7, 2], d_k: f32[3, 2, 3], d_b: f32[3], d_dw: f32[3, 2]) {
  c = nn.conv1d_strided<<S = 2, P = 1, D = 2>>(nn.Conv1d { w = k, b = b }, nn.depthwise1d<<S = 1, P = 1>>(dw, zeros<<[2]>>(), x));
  y = nn.mean_pool1d<<1>>(tanh(c));
  l = sum(y * y) + sum(nn.max_pool1d<<2>>(c)) ;
  d_x = grad(l, x); d_k = grad(l, k); d_b = grad(l, b); d_dw = grad(l, dw);
}""", x=singles(7,2), k=singles(3,2,3, seed=1), b=singles(3, seed=2), dw=singles(3,2, seed=3), **SINGLE)
case("nn_norms","""
import nn;
node main(x: f32[4, 3], g, b: f32[3]) -> (l: f32, d_x: f32[4, 3], d_g, d_b: f32[3]) {
  y = nn.batch_norm_of(g, b, x);
  z = [nn.layer_norm(nn.LayerNorm { gamma = g, beta = b }, y[i]) for i < 4];
  r = [nn.rms_norm(g, z[i] * x[i]) for i < 4];
  l = sum([nn.log_softmax(r[i]) * x[i] for i < 4]) + sum(nn.gelu(r)) + sum(nn.silu(r) * nn.elu(r, 0.7)) + nn.log_sum_exp(r[0]) + sum(nn.huber(r, 0.5));
  d_x = grad(l, x); d_g = grad(l, g); d_b = grad(l, b);
}""", x=singles(4,3), g=singles(3, seed=1), b=singles(3, seed=2),step=1e-3, tolerance=5e-3)
case("nn_attention","""
import nn;
node main(x: f32[4, 6], w: f32[18, 6], b: f32[18], o: f32[6, 6]) -> (l: f32, d_x: f32[4, 6], d_w: f32[18, 6], d_b: f32[18], d_o: f32[6, 6]) {
  p = nn.MultiHead { w = w, b = b, out = nn.Dense { w = o, b = zeros<<[6]>>() } };
  y = nn.multi_head_attention<<heads = 2, causal = true>>(p, x);
  z = nn.attention(y, x, y);
  v = nn.causal_attention(z, x, y);
  l = sum(v * v * z);
  g = grad(l, p);
  d_w = g.w; d_b = g.b; d_o = g.out.w; d_x = grad(l, x);
}""", x=singles(4,6), w=singles(18,6, seed=1), b=singles(18, seed=2), o=singles(6,6, seed=3), **SINGLE)
case("nn_streaming_attention","""
import nn;
node main(x: f32[5, 3]) -> (l: f32, d_x: f32[5, 3]) {
  scan t < 5 { y[t] = nn.streaming_attention<<3>>(x[t], x[t] * 0.5, x[t]); }
  l = sum(y * y);
  d_x = grad(l, x);
}""", x=singles(5,3), **SINGLE)
case("nn_embedding","""
import nn;
node main(e: f32[5, 3], i: i32[4]) -> (l: f32, d_e: f32[5, 3]) {
  y = nn.embedding_of(e, i);
  l = sum(y * y * y) + sum(nn.embedding(e, i[1]) * e[2]);
  d_e = grad(l, e);
}""", e=singles(5,3), i=np.array([0,3,3,9],'i4'), **SINGLE)
case("linalg_cholesky","""
import linalg;
node main(a: f64[3, 3], b: f64[3, 2]) -> (l: f64, d_a: f64[3, 3], d_b: f64[3, 2]) {
  s = [sum(a[i, k] * a[j, k] for k < 3) + (if i == j then 2.0 else 0.0) for i < 3, j < 3];
  c = linalg.cholesky(s);
  x = linalg.solve_positive(s, b);
  l = sum(c * c * c) + sum(x * x) + linalg.logdet_positive(s) + sum(linalg.inv_positive(s) * a);
  d_a = grad(l, a); d_b = grad(l, b);
}""", a=numbers(3,3), b=numbers(3,2, seed=1))
case("linalg_solve","""
import linalg;
node main(a: f64[3, 3], b: f64[3, 2]) -> (l: f64, d_a: f64[3, 3], d_b: f64[3, 2]) {
  x = linalg.solve(a, b);
  l = sum(x * x) + linalg.det(a) + sum(linalg.inv(a) * a * a) + sum(linalg.solve_vector(a, b[.., 0]));
  d_a = grad(l, a); d_b = grad(l, b);
}""", a=numbers(3,3), b=numbers(3,2, seed=1))
case("linalg_qr","""
import linalg;
node main(a: f64[4, 2], b: f64[4, 1]) -> (l: f64, d_a: f64[4, 2], d_b: f64[4, 1]) {
  (q, r) = linalg.qr(a);
  x = linalg.lstsq(a, b);
  l = sum(x * x) + sum(r * r * r) + sum(q * q * q);
  d_a = grad(l, a); d_b = grad(l, b);
}""", a=numbers(4,2), b=numbers(4,1, seed=1))
case("linalg_expm_cond","""
import linalg;
node main(a: f64[3, 3]) -> (l: f64, d_a: f64[3, 3]) {
  e = linalg.expm(a * 0.3);
  l = sum(e * e) + 0.01 * linalg.cond(a) + linalg.norm(a[0]);
  d_a = grad(l, a);
}""", a=numbers(3,3))
case("linalg_batch_jacobian","""
import linalg;
node main(a: f64[2, 3, 3], b: f64[2, 3]) -> (l: f64, d_a: f64[2, 3, 3], d_b: f64[2, 3]) {
  x = [linalg.solve_vector(a[k], b[k]) for k < 2];
  j = [grad(x[0, i], b) for i < 3];
  l = sum(x * x) + sum(j * j);
  d_a = grad(l, a); d_b = grad(l, b);
}""", a=numbers(2,3,3), b=numbers(2,3, seed=1))
case("signal_fft","""
import signal;
node main(x: f64[16], y: f64[16]) -> (l: f64, d_x, d_y: f64[16]) {
  (r, i) = signal.fft(x, y);
  (a, b) = signal.rfft(x * y);
  z = signal.irfft<<16>>(a * a, b);
  p = signal.power_spectrum(x);
  l = sum(r * r * i) + sum(z * z) + sum(p * p) * 0.01;
  d_x = grad(l, x); d_y = grad(l, y);
}""", x=numbers(16), y=numbers(16, seed=1))
case("signal_fft8","""
import signal;
node main(x: f64[8], y: f64[8]) -> (l: f64, d_x, d_y: f64[8]) {
  (r, i) = signal.fft(x, y);
  (u, v) = signal.ifft(r * r, i);
  l = sum(r * r * i) + sum(u * v);
  d_x = grad(l, x); d_y = grad(l, y);
}""", x=numbers(8), y=numbers(8, seed=1))
case("signal_stft","""
import signal;
node main(x: f64[20], w: f64[8]) -> (l: f64, d_x: f64[20], d_w: f64[8]) {
  (r, i) = signal.stft_of<<8, 4>>(x, w);
  y = signal.istft_of<<L = 20, H = 4>>(r * r, i, w);
  l = sum(r * r * i) + sum(y * y);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(20), w=np.abs(numbers(8, seed=1))+0.3)
case("signal_filters","""
import signal;
node main(x: f64[10], hh: f64[3], a: f64[3], s: f64[2, 6]) -> (l: f64, d_x: f64[10], d_hh: f64[3], d_a: f64[3], d_s: f64[2, 6]) {
  scan t < 10 {
    u = signal.fir(x[t], hh);
    v = signal.iir(x[t], hh, a);
    w = signal.sos(x[t], s);
    z = signal.preemphasis(v, a[0]);
    y[t] = u * v + w + z;
  }
  c = signal.convolve(y, hh);
  r = signal.resample_linear<<10, 7>>(y);
  l = sum(c * c) + sum(r * r) + signal.interpolate(y, 2.3) ;
  d_x = grad(l, x); d_hh = grad(l, hh); d_a = grad(l, a); d_s = grad(l, s);
}""", x=numbers(10), hh=numbers(3, seed=1), a=np.array([1.2,0.2,0.1]),s=0.3*numbers(2,6, seed=2)+np.array([0,0,0,1,0,0]))
case("signal_decimate","""
import signal;
node main(x: f64[12], hh: f64[5]) -> (l: f64, d_x: f64[12], d_hh: f64[5]) {
  scan t < 12 {
    d = signal.decimate<<3>>(x[t], hh);
    y[t] = hold(d, 0.1);
  }
  r = signal.resample_of<<3, 2>>(y, hh);
  l = sum(y * y) + sum(r * r);
  d_x = grad(l, x); d_hh = grad(l, hh);
}""", x=numbers(12), hh=numbers(5, seed=1))
case("control_lqr","""
import control;
node main(a: f64[2, 2], b: f64[2, 1], q: f64[2, 2]) -> (l: f64, d_a: f64[2, 2], d_b: f64[2, 1], d_q: f64[2, 2]) {
  qq = [sum(q[i, k] * q[j, k] for k < 2) for i < 2, j < 2];
  (kk, p) = control.lqr<<4>>(a, b, qq, [[0.5]], qq);
  (pd, kd, ok) = control.dare(a * 0.5, b, qq, [[0.5]]);
  l = sum(kk * kk) + sum(p * p) + sum(kd) + sum(pd * pd);
  d_a = grad(l, a); d_b = grad(l, b); d_q = grad(l, q);
}""", a=0.5*numbers(2,2), b=numbers(2,1, seed=1), q=numbers(2,2, seed=2), tolerance=1e-5)
case("control_kalman","""
import control;
node main(z: f64[5, 1], a: f64[2, 2], c: f64[1, 2], r: f64) -> (l: f64, d_z: f64[5, 1], d_a: f64[2, 2], d_c: f64[1, 2], d_r: f64) {
  q: f64[2, 2] = [[0.3, 0.0], [0.0, 0.2]];
  (xs, ps) = control.rts_smoother(z, [0.1, 0.2], q, a, q, c, [[r * r + 0.1]]);
  scan t < 5 { (x, p) = control.kalman(z[t], [0.1, 0.2], q, a, q, c, [[r * r]]); y[t] = x; }
  l = sum(xs * xs) + sum(ps * ps) + sum(y * y);
  d_z = grad(l, z); d_a = grad(l, a); d_c = grad(l, c); d_r = grad(l, r);
}""", z=numbers(5,1),a=0.5*numbers(2,2, seed=1), c=numbers(1,2, seed=2), r=0.6)
case("control_pid","""
import control;
node main(x: f64[6], k: f64) -> (l: f64, d_x: f64[6], d_k: f64) {
  scan t < 6 {
    r = control.rate_limiter(x[t], 0.4, 0.3);
    f = control.low_pass(r, 0.3);
    u = control.pid(f - 0.5, k, 0.2, 0.1, 0.1, -1.0, 1.0);
    y[t] = u;
  }
  l = sum(y * y);
  d_x = grad(l, x); d_k = grad(l, k);
}""", x=numbers(6), k=0.6)
case("control_ilqr_jacobians","""
import control;
fun step(x: f64[2], u: f64[1], p: f64) -> (xn: f64[2]) { xn = [x[0] + 0.1 * x[1], x[1] + 0.1 * (u[0] - p * sin(x[0]))]; }
fun cost(x: f64[2], u: f64[1], p: f64) -> (l: f64, lx: f64[2], lu: f64[1], lxx: f64[2, 2], luu: f64[1, 1], lux: f64[1, 2]) {
  l = sum(x * x) + 0.1 * sum(u * u) + x[0] * x[0] * x[0] * x[0];
  lx = grad(l, x); lu = grad(l, u);
  lxx = [grad(lx[i], x) for i < 2]; luu = [grad(lu[i], u) for i < 1]; lux = [grad(lu[i], x) for i < 1];
}
fun end(x: f64[2], p: f64) -> (l: f64, lx: f64[2], lxx: f64[2, 2]) {
  l = 2.0 * sum(x * x); lx = grad(l, x); lxx = [grad(lx[i], x) for i < 2];
}
fun slopes(x: f64[2], u: f64[1], p: f64) -> (a: f64[2, 2], b: f64[2, 1]) {
  xn = step(x, u, p);
  a = [grad(xn[i], x) for i < 2]; b = [grad(xn[i], u) for i < 2];
}
node main(x: f64[2], p: f64) -> (l: f64, d_p: f64) {
  us0 = [[0.01 * f64(h)] for h < 5];
  (us, xs, ks, total, n, ok) = control.ilqr<<step = step, slopes = slopes, cost = cost, end = end, iterations = 5>>(x, us0, p);
  l = total + sum(us);
  d_p = grad(l, p);
}""", x=numbers(2), p=1.3)
