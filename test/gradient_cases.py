"""Programs for gradients.py: derivatives as users combine them (control, learning to learn, Jacobians, instances side by side).

name, program, inputs by name; a case may state the tolerance and the step of the differences, for programs in f32."""
import numpy as np

CASES = []


def case(name, program, tolerance=1e-6, step=1e-6, **inputs):
    CASES.append((name, program, {k: np.asarray(v) for k, v in inputs.items()}, tolerance, step))


def numbers(*shape, seed=0):
    return np.random.default_rng([100 + len(CASES), seed]).normal(size=shape)


case("predictive_control", """
node main(x0: f64[2], u0: f64[4], k: f64) -> (l: f64, d_x0: f64[2], d_u0: f64[4], d_k: f64) {
  scan i < 3 {
    u = u0 fby (u - 0.1 * grad(cost, u));
    scan h < 4 {
      x = x0 fby next;
      next = [x[0] + 0.2 * x[1], x[1] + 0.2 * (u[h] - k * sin(x[0]))];
      c = sum(next * next) + 0.1 * u[h] * u[h] + (0 fby c);
      e = final c;
    }
    cost = e;
    last_u = final u;
    last_c = final cost;
  }
  l = sum(last_u * last_u) + last_c;
  d_x0 = grad(l, x0);  d_u0 = grad(l, u0);  d_k = grad(l, k);
}""", x0=numbers(2), u0=numbers(4, seed=1), k=0.7)
case("learning_to_learn", """
struct Net { w: f64[3, 2], b: f64[3] }
fun net(p: Net, x: f64[2]) -> (y: f64[3]) { y = tanh(p.w @ x + p.b); }
node main(w: f64[3, 2], b: f64[3], xs: f64[4, 2], r: f64) -> (l: f64, d_w: f64[3, 2], d_b: f64[3], d_xs: f64[4, 2], d_r: f64) {
  p0 = Net { w = w, b = b };
  scan k < 3 {
    p: Net = p0 fby (p - r * g);
    e = mean(mean(square(net(p, xs[t]) - 0.3)) for t < 2);
    g = grad(e, p);
    q = final p;
  }
  l = mean(sum(square(net(q, xs[t + 2]))) for t < 2);
  m = grad(l, p0);
  d_w = m.w;  d_b = m.b;  d_xs = grad(l, xs);  d_r = grad(l, r);
}""", w=numbers(3, 2), b=numbers(3, seed=1), xs=numbers(4, 2, seed=2), r=0.3)
case("learning_to_learn_side_by_side", """
node inner(w0: f64[3], xs: f64[4, 3], r: f64) -> (e: f64) {
  scan k < 3 {
    w = w0 fby (w - r * g);
    loss = mean(square(sin(w @ xs[t]) - 0.3) for t < 2);
    g = grad(loss, w);
    q = final w;
  }
  e = mean(square(sin(q @ xs[t + 2])) for t < 2);
}
node main(w: f64[3], xs: f64[2, 4, 3], r: f64) -> (l: f64, d_w: f64[3], d_xs: f64[2, 4, 3], d_r: f64) {
  losses = [inner(w, xs[b], r) for b < 2];
  l = sum(losses * losses);
  d_w = grad(l, w);  d_xs = grad(l, xs);  d_r = grad(l, r);
}""", w=numbers(3), xs=numbers(2, 4, 3, seed=2), r=0.3)
case("jacobians_of_recurrences_both_ways", """
node net(x: f64[5], w: f64) -> (y: f64[5]) {
  scan t < 5 { s = tanh(x[t] * w + 0.5 * (0 fby s)); r = tanh(s * w + x[t] + 0.5 * (r eby s)); y[t] = r; }
}
node main(x: f64[5], w: f64) -> (l: f64, d_x: f64[5], d_w: f64) {
  y = net(x, w);
  j = [grad(y[i], x) for i < 5];
  k = [grad(y[i], w) for i < 5];
  l = sum(j * j) + sum(k * y);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(5), w=0.9)
case("second_derivatives_of_a_recurrence", """
node main(x: f64[4], w: f64) -> (l: f64, d_x: f64[4], d_w: f64) {
  scan t < 4 { s = sin(x[t] * w + (0.3 fby s)); e = final s; }
  g = grad(e, x);
  h = [grad(g[i], x) for i < 4];
  l = sum(h * h) + h[0, 1];
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(4), w=0.8)
case("training_side_by_side", """
node train(x: f64[4], p0: f64) -> (q: f64) {
  scan t < 4 { p = p0 fby (p - 0.1 * g); e = square(sin(p * x[t]) - 0.2); g = grad(e, p); q = final p; }
}
node main(x: f64[3, 4], p: f64[3]) -> (l: f64, d_x: f64[3, 4], d_p: f64[3]) {
  q = [train(x[b], p[b]) for b < 3];
  l = sum(q * q);
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(3, 4), p=numbers(3, seed=1))
case("jacobians_side_by_side", """
node f(x: f64[3], w: f64) -> (s: f64) {
  z = x * 2.0;
  scan t < 3 { a = sin(z[t] * w) + 0.5 * (0 fby a); y[t] = a; }
  j = [grad(y[i], z) for i < 3];
  k = [grad(y[i], w) for i < 3];
  h = [grad(y[i], y) for i < 3];
  s = sum(j * j) + sum(z) + sum(k) + sum(h * y);
}
node main(x: f64[2, 3], w: f64) -> (l: f64, d_x: f64[2, 3], d_w: f64) {
  q = [f(x[b], w) for b < 2];
  l = sum(q * q);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(2, 3), w=0.8)
case("directions_side_by_side", """
node f(x: f64[3], w: f64) -> (s: f64) {
  z = x * 2.0;
  y = [sin(z[i] * z[(i + 1) % 3] * w) for i < 3];
  j = [jvp(y, z, [if k == i then x[i] else 0.0 for k < 3]) for i < 3];
  s = sum(j * j) + sum(jvp(y, w, w * 2.0)) + sum(jvp(y, z, x));
}
node main(x: f64[2, 3], w: f64) -> (l: f64, d_x: f64[2, 3], d_w: f64) {
  q = [f(x[b], w) for b < 2];
  l = sum(q * q);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(2, 3), w=0.8)
case("stacked_results_and_windows_as_variables_side_by_side", """
node f(x: f64[4]) -> (s: f64) {
  scan t < 4 { w = window<<2>>(x[t], 0.3); e = w[0] * w[1] * w[1]; g = grad(e, w); y[t] = g[0] + 2.0 * g[1]; }
  z = sum(sin(y) * y);
  d = grad(z, y);
  s = sum(d * y);
}
node main(x: f64[2, 4]) -> (l: f64, d_x: f64[2, 4]) {
  q = [f(x[b]) for b < 2];
  l = sum(q * q);
  d_x = grad(l, x);
}""", x=numbers(2, 4))
case("derivatives_in_states_blocks_and_segments", """
node main(x: f64[6], p: f64) -> (l: f64, d_x: f64[6], d_p: f64) {
  scan t < 6 {
    z = x[t] * p;
    automaton {
      state A { e = z * z * x[t]; g = grad(e, z); until t == 2 then B; }
      state B { f = sin(z); g = grad(f, z) + (0 fby g); until t == 4 continue A; }
    }
    c = t % 2 == 1;
    when c { v = x[t] * p + (0 fby v); u = v * v * v * p; a = grad(u, v) + grad(u, p); }
    if x[t] > 0.0 { m = x[t] * p * p; b = grad(m, p); } else { m = sin(p) * (p fby m); b = grad(m, p); }
    reset { q = p fby (q - 0.1 * grad(r, q)); r = sin(q * x[t]) * q; } every t % 3 == 2;
    y[t] = g + hold(a, 0.5) + b * r;
  }
  l = sum(y * y);
  d_x = grad(l, x);  d_p = grad(l, p);
}""", x=numbers(6), p=0.8)
case("axes_of_size_zero_and_one", """
node main(x: f64[3], e: f64[0], m: f64[0, 3], a: f64[1], b: f64[1, 1]) -> (l: f64, d_x: f64[3], d_e: f64[0], d_m: f64[0, 3], d_a: f64[1],
                                                                          d_b: f64[1, 1]) {
  y = m @ x;
  z = concat(x, e);
  scan t < 0 { s = x[t] + (0 fby s); q[t] = s; }
  scan t < 1 { u = a[t] * b[0, t] + (2 fby u); f = final u; v[t] = u; r = c eby u; c = u * u; i = initial r; }
  w = reshape<<[0, 2]>>(x[0..0]);
  j = [grad(z[k], x) for k < 0];
  l = sum(y) + sum(z * z) + sum(e * e) + sum(q) + sum([sum(y * y) * x[k] for k < 3]) + sum(concat(reshape<<[0]>>(w), x)) + sum(j)
    + sum(b @ a) + f + max(a) * v[0] + i;
  d_x = grad(l, x);  d_e = grad(l, e);  d_m = grad(l, m);  d_a = grad(l, a);  d_b = grad(l, b);
}""", x=numbers(3), e=numbers(0), m=numbers(0, 3), a=numbers(1), b=numbers(1, 1, seed=1))
case("extremes_of_scalars_in_a_scan", """
node main(x: f64[6], k: f64) -> (l: f64, d_x: f64[6], d_k: f64) {
  scan t < 6 { e = x[t] * k; s = 0 -> (e - pre e) / 0.3; m = max(s, -1.0); y[t] = min(m, 1.0) * max(e, 0 fby e); }
  l = sum(y * y);
  d_x = grad(l, x);  d_k = grad(l, k);
}""", x=numbers(6), k=0.7)
