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
case("windows_of_instances_that_resume", """
node f(x: f64[4], p: f64) -> (y: f64) {
  scan t < 4 resume { w = window<<3>>(x[t] * p, 0.2); s = w[0] * w[1] + w[2] + 0.5 * (p fby s); y = final s; }
}
node main(x: f64[3, 4], p: f64) -> (l: f64, d_x: f64[3, 4], d_p: f64) {
  scan t < 3 { z[t] = f(x[t], p); }
  l = sum(z * z);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(3, 4), p=0.8)
case("windows_on_clocks_and_in_segments_of_scans_that_resume", """
node main(x: f64[3, 4], p: f64) -> (l: f64, d_x: f64[3, 4], d_p: f64) {
  scan k < 3 {
  scan t < 4 resume {
    c = x[k, t] > 0.0;
    when c { w = window<<3>>(x[k, t] * p, 0.4); s = w[0] * w[1] + w[2] * w[2]; }
    h = hold(s, 0.3);
    reset { v = window<<2>>(x[k, t] * p, 0.3); r = v[0] * v[1] + v[1]; } every x[k, t] > 0.5;
    y[t] = h * r;
  }
  z[k] = sum(y * y);
  }
  l = sum(z);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(3, 4), p=0.8)
case("windows_with_flags_at_the_start_of_time", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  reset {
  scan t < 4 resume {
    c = x[t] > 0.0;
    when c { w = window<<3>>(x[t] * p, 0.4); s = w[0] * w[1] + w[2] * w[2]; }
    h = hold(s, 0.3);
    reset { v = window<<2>>(x[t] * p, 0.3); r = v[0] * v[1] + v[1]; } every x[t] > 0.5;
    y[t] = h * r;
  }
  } every true;
  l = sum(y * y);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(4), p=0.8)
case("scans_that_resume_inside_a_scan", """
node main(x: f64[4, 3], p: f64) -> (l: f64, d_x: f64[4, 3], d_p: f64) {
  scan k < 4 {
    scan t < 3 resume { s = sin(x[k, t] * p) + 0.5 * (p fby s); b = s * p + 0.3 * (b eby s); y[t] = b; }
    z[k] = sum(y * y);
  }
  l = sum(z);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(4,3), p=0.7)
case("scans_that_resume_side_by_side", """
node block(x: f64[3], p: f64) -> (y: f64) { scan t < 3 resume { s = sin(x[t] * p) + 0.5 * (p fby s); y = final s; } }
node run(x: f64[4, 3], p: f64) -> (e: f64) { scan k < 4 { y[k] = block(x[k], p); } e = sum(y * y); }
node main(x: f64[2, 4, 3], p: f64) -> (l: f64, d_x: f64[2, 4, 3], d_p: f64) {
  r = [run(x[b], p) for b < 2];
  l = sum(r * r);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(2, 4, 3), p=0.7)
case("several_variables_outside_of_the_scan", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  v = p * p;
  scan t < 4 { s = sin(x[t] * v) + (0 fby s); y[t] = s; }
  w = v * y[0];
  scan k < 3 { z = y[k] * p; e = z * z * sum(y); f = e + w; g = grad(e, p); h = grad(f, v); m = grad(f, y); r[k] = g + h + sum(m * x); }
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("derivatives_in_nested_scans_through_a_scan_outside", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  v = p * p;
  scan t < 4 { s = sin(x[t] * v) + (0 fby s); y[t] = s; }
  scan k < 3 {
    a = y[k] * v;
    scan j < 2 { b = a * y[j] + (v fby b); q = grad(b, v); u[j] = q + b; }
    e = sum(u);
    r[k] = grad(e, v) + grad(e, p);
  }
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("through_a_scan_outside_that_resumes", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  reset {
  scan t < 4 resume { s = sin(x[t] * p) + (0.1 fby s); w = window<<2>>(s, 0.2); y[t] = s * w[0]; }
  scan k < 3 { z = y[k] * p; e = z * z * sum(y); g = grad(e, p); r[k] = g; }
  } every true;
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("scans_that_resume_in_scans_that_resume", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  scan m < 2 {
  scan k < 3 resume {
    scan j < 2 resume {
      scan t < 2 resume { s = sin(x[t + j] * p) + 0.5 * (p fby s); e = final s; }
      a = e + (0 fby a); q = final a;
    }
    b = q * p + (p -> pre b);
    h = final b;
  }
  r[m] = h;
  }
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("scans_that_resume_on_clocks_with_ends_of_their_own", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  scan m < 4 {
    c = x[m] > -0.5;
    when c {
      scan k < 3 resume until s > 1.5 { s = abs(x[k] * p) + 0.7 * (p fby s); h = final s; n = count(k); }
      z = h * f64(n);
    }
    if x[m] > 0.0 { scan j < 2 resume { o = p + 0.3 * (0 fby o); i = final o; } u = i * x[m]; } else { u = p; }
    r[m] = hold(z, p) + u;
  }
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("learning_in_a_scan_that_resumes", """
node main(x: f64[4], p: f64) -> (l: f64, d_x: f64[4], d_p: f64) {
  scan m < 3 {
    scan k < 4 resume { q = p fby (q - 0.1 * g); s = square(sin(q * x[k]) - 0.2); g = grad(s, q); h = final q; }
    r[m] = h;
  }
  l = sum(r * r);
  d_p = grad(l, p); d_x = grad(l, x);
}""", x=numbers(4), p=0.7)
case("stated_derivatives_of_tensors_in_comprehensions", """
fun soft(x: f64[3]) -> (y: f64[3]) derivative dsoft { y = x / (1.0 + sum(x * x)); }
fun dsoft(x, y, g: f64[3]) -> (r: f64[3]) { s = 1.0 + sum(x * x); d = sum(x * g); r = [g[i] / s - 2.0 * x[i] * d / (s * s) for i < 3]; }
fun two(x: f64[3], w: f64) -> (y: f64) { y = sum(soft(soft(x * w) * x)); }
node main(x: f64[2, 3], w: f64) -> (l: f64, d_x: f64[2, 3], d_w: f64) {
  e = sum(two([x[a, j] * x[b, j] for j < 3], w) for a < 2, b < 2);
  g = grad(e, x);
  h = [grad(g[0, i], x) for i < 3];
  l = sum(g * g) + sum(h * h) + e;
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2, 3), w=0.7)
case("stated_derivatives_of_several_results", """
fun two(x: f64[2], k: f64) -> (a: f64[2], b: f64) derivative dtwo { a = x * k * k; b = sum(x) * k; }
fun dtwo(x: f64[2], k: f64, a: f64[2], b: f64, ga: f64[2], gb: f64) -> (r: f64[2], s: f64) {
  r = ga * k * k + gb * k; s = sum(ga * x) * 2.0 * k + gb * sum(x); }
node main(x: f64[3, 2], k: f64) -> (l: f64, d_x: f64[3, 2], d_k: f64) {
  (a, b) = two(x[0], k);
  (c, d) = two(a * b, k);
  y = [one(x[i], k) for i < 3];
  (u, v) = two(x[1], k * 0.5);
  j = [grad(u[i], x) for i < 2];
  l = sum(a * a) * b + sum(c) * d + sum(y * y) + sum(j * j) + v;
  d_x = grad(l, x); d_k = grad(l, k);
}
fun one(x: f64[2], k: f64) -> (y: f64) { (a, b) = two(x * x, k); y = sum(a) * b; }""", x=numbers(3, 2), k=0.7)
case("stated_derivatives_of_several_scalars", """
fun two(x: f64, k: f64) -> (a, b: f64) derivative dtwo { a = x * k * k; b = sin(x) * k; }
fun dtwo(x, k, a, b, ga, gb: f64) -> (r: f64, s: f64) { r = ga * k * k + gb * k * cos(x); s = ga * x * 2.0 * k + gb * sin(x); }
node main(x: f64[3], k: f64) -> (l: f64, d_x: f64[3], d_k: f64) {
  (a, b) = two(x[0], k);
  y = [one(x[i], k) for i < 3];
  j = [grad(y[i], x) for i < 3];
  l = a * a * b + sum(y * y) + sum(j * j);
  d_x = grad(l, x); d_k = grad(l, k);
}
fun one(x: f64, k: f64) -> (y: f64) { (a, b) = two(x * x, k); y = a * b; }""", x=numbers(3), k=0.7)
case("implicit_functions", """
fun root(a: f64) -> (x: f64) derivative droot { scan k < 12 { y = 1.0 fby y - (y * y * y + y - a) / (3.0 * y * y + 1.0); x = final y; } }
fun droot(a, x, g: f64) -> (r: f64) { r = g / (3.0 * x * x + 1.0); }
node main(a: f64[3], w: f64) -> (l: f64, d_a: f64[3], d_w: f64) {
  x = [root(a[i] * w) * a[i] for i < 3];
  z = root(w);
  e = sum(root(a[m] * a[n]) for m < 3, n < 2);
  scan t < 3 { s = root(a[t] * w + (0 fby s)); q[t] = s; }
  j = [grad(x[i], a) for i < 3];
  l = sum(x * x) + z + e + sum(q * q) + sum(j * j);
  d_a = grad(l, a); d_w = grad(l, w);
}""", a=numbers(3), w=0.7)
case("stated_derivatives_of_tensors_of_a_scalar", """
fun powers(a: f64) -> (x: f64[3]) derivative dpowers { x = [a, a * a, a * a * a]; }
fun dpowers(a: f64, x, g: f64[3]) -> (r: f64) { r = g[0] + 2.0 * a * g[1] + 3.0 * a * a * g[2]; }
node main(a: f64[3], w: f64) -> (l: f64, d_a: f64[3], d_w: f64) {
  x = [powers(a[i] * w) for i < 3];
  z = powers(w);
  j = [grad(z[i], w) for i < 3];
  l = sum(x * x) + sum(z * j);
  d_a = grad(l, a); d_w = grad(l, w);
}""", a=numbers(3), w=0.7)
case("stated_derivatives_in_scans_side_by_side", """
fun soft(x: f64[3]) -> (y: f64[3]) derivative dsoft { y = x / (1.0 + sum(x * x)); }
fun dsoft(x, y, g: f64[3]) -> (r: f64[3]) { s = 1.0 + sum(x * x); d = sum(x * g); r = [g[i] / s - 2.0 * x[i] * d / (s * s) for i < 3]; }
node f(x: f64[3], w: f64) -> (y: f64) {
  scan t < 4 until y0 > 100.0 { c = t % 2 == 0; when c { s = soft(x * w + (0.5 fby s)); } h = hold(s, 0.1); y0 = sum(h); q = final h; }
  g = grad(sum(q), x);
  j = [grad(q[i], x) for i < 3];
  y = sum(q) + sum(g * x) + sum(j * j); }
node main(x: f64[2, 3], w: f64) -> (l: f64, d_x: f64[2, 3], d_w: f64) {
  y = [f(x[b], w) for b < 2];
  l = sum(y * y);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2, 3), w=0.7)
case("directions_through_stated_derivatives", """
fun soft(x: f64[3]) -> (y: f64[3]) derivative dsoft { y = x / (1.0 + sum(x * x)); }
fun dsoft(x, y, g: f64[3]) -> (r: f64[3]) { s = 1.0 + sum(x * x); d = sum(x * g); r = [g[i] / s - 2.0 * x[i] * d / (s * s) for i < 3]; }
node main(x: f64[2, 3], w: f64) -> (l: f64, d_x: f64[2, 3], d_w: f64) {
  y = [soft(x[b] * w) for b < 2];
  t = jvp(y, x, x * 0.3);
  z = soft(x[0] * w);
  u = [jvp(z, w, f64(k)) for k < 2];
  l = sum(y * t) + sum(u * u);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2, 3), w=0.7)
case("matrices_of_recurrences_both_ways", """
fun cell(w: f64[32, 40], u: f64[40, 32], s: f64[40], x: f64) -> (h: f64[32], n: f64[40]) { h = tanh(w @ s + x); n = tanh(u @ h); }
node main(x: f64[21], p, q: f64) -> (l: f64, d_x: f64[21], d_p, d_q: f64) {
  w = [0.2 * p * sin(f64(i) + 0.3 * f64(j)) for i < 32, j < 40];
  u = [0.2 * q * cos(f64(i) * 0.7 - f64(j)) for i < 40, j < 32];
  scan t < 21 {
    (h, n) = cell(w, u, 0 fby n, x[t]);
    (k, m) = cell(w, u, m eby 0, -x[t] * h[3]);
    y[t] = sum(h * k) + sum(n * m);
  }
  l = sum(y * y);
  d_x = grad(l, x); d_p = grad(l, p); d_q = grad(l, q);
}""", x=numbers(21), p=0.9, q=1.1)
# The first element, or instant, has an infinite derivative that nobody selects.
case("infinite_derivatives_under_two_conditions", """
node main(x: f64[2], w: f64) -> (l: f64, d_x: f64[2], d_w: f64) {
  a = sqrt(x * x * 0.0);
  b = sqrt(x * x + w);
  c = w > 10.0;
  l = sum(if c then a else b) + sum(where(x > 100.0, a, b * b * x));
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2), w=0.7)
case("infinite_derivatives_of_scalars_under_two_conditions", """
node main(x: f64, w: f64) -> (l: f64, d_x: f64, d_w: f64) {
  a = sqrt(x * x * 0.0);
  b = sqrt(x * x + w);
  l = (if w > 10.0 then a else b) + (if x > 100.0 then a else b * b * x);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=0.6, w=0.7)
case("infinite_derivatives_on_two_clocks", """
node main(x: f64[3], w: f64) -> (l: f64, d_x: f64[3], d_w: f64) {
  scan t < 3 {
    a = sqrt(x[t] * x[t] * 0.0 + f64(t));
    c = t > 0; e = t > 1;
    when c { u = a * w; p = u * u; }
    when e { v = 1.0 / a + w; }
    y[t] = hold(p, 0.0) + hold(v, x[0]);
  }
  l = sum(y);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(3), w=0.7)
case("infinite_derivatives_of_elements_that_two_bodies_leave_out", """
node main(x: f64[4], w: f64) -> (l: f64, d_x: f64[4], d_w: f64) {
  a = [sqrt(x[i] * x[i] * 0.0 + f64(i)) for i < 4];
  b = [if i > 0 then a[i] * w else w for i < 4];
  e = sum(if i > 0 then log(a[i]) * w else x[i] for i < 4);
  l = sum(b) + e;
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(4), w=0.7)
case("infinite_stated_derivatives_under_two_conditions", """
fun half(x: f64[2]) -> (y: f64[2]) derivative dhalf { y = sqrt(x); }
fun dhalf(x, y, g: f64[2]) -> (r: f64[2]) { r = g * 0.5 / y; }
node main(x: f64[2], w: f64) -> (l: f64, d_x: f64[2], d_w: f64) {
  a = half(x * x * 0.0);
  b = half(x * x + w);
  c = w > 10.0;
  l = sum(if c then a else b) + sum(where(x > 100.0, a, b * b * x));
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2), w=0.7)
case("descent_on_a_static_function", """
fun newton<<N: size, f: (f64[N]) -> f64>>(x0: f64[N]) -> (x: f64[N]) {
  scan k < 2 { y = x0 fby (y - 0.1 * g); e = f(y); g = grad(e, y); x = final y; }
}
fun cost(x: f64[3]) -> (y: f64) { y = sum(sin(x) * x * x) + x[0] * x[1]; }
node main(x: f64[3]) -> (l: f64, d_x: f64[3]) {
  y = newton<<f = cost>>(x);
  l = sum(y * y);
  d_x = grad(l, x);
}""", x=numbers(3))
case("directions_through_recurrences_both_ways", """
node main(x: f64[4], v: f64[4]) -> (l: f64, d_x, d_v: f64[4]) {
  scan t < 4 { s = sin(x[t] + 0.5 * (0 fby s)); r = s * x[t] + 0.3 * (r eby s); y[t] = r; }
  u = jvp(y, x, v);
  j = [jvp(y, x, [if i == k then 1.0 else 0.0 for i < 4]) for k < 4];
  l = sum(u * u) + sum(j * j);
  d_x = grad(l, x); d_v = grad(l, v);
}""", x=numbers(4), v=numbers(4, seed=1))
case("a_gauss_newton_step", """
import linalg;
node main(x: f64[3], t: f64[4]) -> (l: f64, d_x: f64[3], d_t: f64[4]) {
  r = [exp(x[0] * t[i]) * x[1] + x[2] - sin(t[i]) for i < 4];
  j = [grad(r[i], x) for i < 4];
  a = [sum(j[k, i] * j[k, m] for k < 4) + (if i == m then 0.3 else 0.0) for i < 3, m < 3];
  b = [sum(j[k, i] * r[k] for k < 4) for i < 3];
  y = x - linalg.solve_vector(a, b);
  l = sum(y * y);
  d_x = grad(l, x); d_t = grad(l, t);
}""", x=numbers(3), t=numbers(4, seed=1))
case("lagrangian_mechanics", """
import linalg;
fun accel(q, v: f64[2]) -> (a: f64[2]) {
  lag = 0.5 * (v[0] * v[0] + v[1] * v[1] + v[0] * v[1] * cos(q[0] - q[1])) + cos(q[0]) + cos(q[1]);
  p = grad(lag, v);
  m = [grad(p[i], v) for i < 2];
  c = [grad(p[i], q) for i < 2];
  a = linalg.solve_vector(m, grad(lag, q) - c @ v);
}
node main(q0, v0: f64[2]) -> (l: f64, d_q0, d_v0: f64[2]) {
  scan t < 3 { q = q0 fby (q + 0.1 * v); v = v0 fby (v + 0.1 * accel(q, v)); e = final q; }
  l = sum(e * e);
  d_q0 = grad(l, q0); d_v0 = grad(l, v0);
}""", q0=numbers(2), v0=numbers(2, seed=1))
case("stacked_results_inside_their_scan", """
node main(x: f64[5], p: f64) -> (l: f64, d_x: f64[5], d_p: f64) {
  scan t < 5 {
    a = 0.5 * (1 fby a) + x[t] * p;
    s[t] = a;
    m = max(s);
    z[t] = exp(a - m) * s[(t + 1) % 5];
    n = sum(z);
    u[t] = exp(a - m) / n;
  }
  l = sum(u * u * x);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(5), p=0.7)
case("instances_in_a_scan_of_instances", """
node cell(x: f64, w: f64[2]) -> (y: f64) { y = tanh(w[0] * x + w[1] * (0 fby y)); }
node layer(xs: f64[3], w: f64[2, 2]) -> (ys: f64[2]) { scan t < 3 { h = [cell(xs[t], w[k]) for k < 2]; ys = final h; } }
node main(x: f64[2, 3], w: f64[2, 2]) -> (l: f64, d_x: f64[2, 3], d_w: f64[2, 2]) {
  y = [layer(x[b], w) for b < 2];
  z = [[grad(y[b, k], w) for k < 2] for b < 2];
  l = sum(y * y) + sum(z * z);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(2, 3), w=numbers(2,2, seed=1))
case("instances_that_end_apart_with_clocks_and_states", """
node f(x: f64[5], w: f64) -> (y: f64) {
  scan t < 5 until s > 1.0 {
    s = abs(x[t]) * w + (0 fby s);
    c = x[t] > 0.0;
    when c { q = w * x[t] + 0.5 * (0 fby q); }
    automaton { state A { u = s * w; until c then B; } state B { u = s * s + (w fby u); until t == 3 continue A; } }
    h = hold(q, w) * u;
    v = h + 0.3 * (v eby w);
    y = initial v;
  }
}
node main(x: f64[3, 5], w: f64) -> (l: f64, d_x: f64[3, 5], d_w: f64) {
  y = [f(x[b], w) for b < 3];
  j = [grad(y[b], x) for b < 3];
  l = sum(y * y) + sum(j * j);
  d_x = grad(l, x); d_w = grad(l, w);
}""", x=numbers(3, 5)*0.7, w=0.8)
case("blocks_segments_and_scans_in_one_another", """
node main(x: f64[8], p: f64) -> (l: f64, d_x: f64[8], d_p: f64) {
  scan t < 8 {
    when every 2 {
      a = p * x[t] + (1 fby a) * 0.3;
      reset { b = a + 0.5 * (p fby b); w = window<<2>>(b, a); } every a > 0.2;
      scan k < 3 { v = v0 * b + (p fby v); v0 = x[k] * a; r = r1 eby v; r1 = v * 0.5; m = initial r; }
      when every 2 { f = m + w[0]; n = n1 * f; n1 = (p fby n); }
      q = hold(n, p);
    }
    y[t] = hold(q, 0.1);
  }
  l = sum(y * y);
  d_x = grad(l, x); d_p = grad(l, p);
}""", x=numbers(8), p=0.7)
case("a_side_that_is_never_chosen_reads_what_the_other_reduces", """
node f(x: f64, a: f64[3]) -> (o: f64) {
  (v, w) = ((if (true != true) then (-w) else max(r * a[k] for k < 2)), r) fby (w, v);
  scan t < 3 { r = initial u;  u: f64 = x; }
  o = w;
}
node side(x: f64[2], a: f64[3]) -> (y: f64[2]) { scan t < 2 { z = f(x[t], a);  y[t] = z; } }
node main(x: f64[2, 2], a: f64[3]) -> (l: f64, d_x: f64[2, 2]) {
  y = [side(x[k], a) for k < 2];
  l = sum(y);
  d_x = grad(l, x);
}""", x=numbers(2, 2), a=numbers(3, seed=1))
case("a_second_derivative_of_a_function_called_for_its_vector", """
fun loss(w: f64[3], x: f64) -> (l: f64) { l = square(sin(w[0] * x + w[1]) * w[2] - x); }
fun inner(w: f64[3], lr: f64, x: f64[4]) -> (o: f64[3]) {
  scan i < 4 { a = w fby b; g = grad(loss(a, x[i]), a); b = a - lr * g; o = final b; }
}
fun mid(w: f64[3], lr, m: f64, x: f64[4]) -> (o: f64) {
  scan j < 3 {
    r = lr fby rn;
    z = inner(w, r, x);
    q = mean(loss(z, x[k]) for k < 4);
    rn = r - m * grad(q, r);
    o = final q;
  }
}
node main(w: f64[3], lr, m: f64, x: f64[4]) -> (l: f64, d_m: f64) { o = mid(w, lr, m, x); l = grad(o, m); d_m = grad(l, m); }""",
     1e-4, 1e-8, w=[0.58, 0.09, 0.67], lr=0.05, m=0.01, x=[0.6, 1.7, -2.1, 0.9])
case("what_is_joined_in_an_arm_of_an_inner_scan", """
node each(x: f64[2, 1], u: f64) -> (y: f64[2, 2, 2]) {
  scan t < 2 {
    xt = x[t];
    scan s < 2 {
      c = s > 0;
      z[s] = merge(c, concat(xt, [3]) when c, [f64(q) for q < 2] * xt when not c);
    }
    y[t] = z;
  }
}
node main(x: f64[2, 1], u: f64[3]) -> (l: f64, d_x: f64[2, 1]) {
  y = [each(x, u[k]) for k < 3];
  l = sum(y * y);
  d_x = grad(l, x);
}""", x=numbers(2, 1), u=numbers(3, seed=1))
case("strided_windows_side_by_side_and_overlapping", """
node main(x: f64[24], y: f64[9, 7], k: f64[3, 2]) -> (l: f64, d_x: f64[24], d_y: f64[9, 7], d_k: f64[3, 2]) {
  side = sum(square(sum(x[i * 4 + j] * x[i * 4 + 3 - j] for j < 3)) for i < 6);
  apart = sum(x[i * 5 + j] * x[i * 5 + j] * f64(i + j) for i < 4, j < 3);
  over = sum(square(sum(x[i * 3 + j * 2 + 1] for j < 4)) for i < 5);
  deep = sum(prod(sum(x[i * 8 + j * 2 + m] for m < 2) for j < 4) for i < 3);
  image = sum(square(sum(y[i * 2 + u, j * 3 + v] * k[u, v] for u < 3, v < 2)) for i < 4, j < 2);
  l = side + apart + over + deep + image;
  d_x = grad(l, x);  d_y = grad(l, y);  d_k = grad(l, k);
}""", x=numbers(24), y=numbers(9, 7, seed=1), k=numbers(3, 2, seed=2))
case("products_of_many_factors", """
node main(x: f64[37], y: f64[5, 6, 7], u: f64[9]) -> (l: f64, d_x: f64[37], d_y: f64[5, 6, 7], d_u: f64[9]) {
  flat = prod(1 + 0.3 * x);
  rows = sum(square(prod(1 + 0.3 * y[i, j, k] for i < 5, k < 7)) for j < 6);
  scan t < 9 { p = 1 fby (p * 0.5 + prod(1 + 0.02 * (u[t] + f64(k)) for k < 20)); q = final p; }
  l = flat + 0.01 * rows + q;
  d_x = grad(l, x);  d_y = grad(l, y);  d_u = grad(l, u);
}""", x=numbers(37), y=numbers(5, 6, 7, seed=1), u=numbers(9, seed=2))
case("what_an_inner_recurrence_takes_from_outside_of_a_condition", """
node each(x: f64[3], u, v: f64, c: bool) -> (y: f64[4, 3]) {
  scan t < 4 {
    scan s < 3 {
      r[s] = a * v;
      a = v fby u;
    }
    d = t % 2 == 0;
    y[t] = if c then merge(d, [v, v, (r when d)[1]], x when not d) else x;
  }
}
node main(x: f64[3], u, v: f64) -> (l: f64, d_x: f64[3], d_u, d_v: f64) {
  y = each(x, u, v, v > -100.0);
  l = sum(y * y);
  d_x = grad(l, x);  d_u = grad(l, u);  d_v = grad(l, v);
}""", x=numbers(3), u=0.7, v=-0.4)
case("what_a_state_that_is_not_active_would_have_computed", """
enum Mode { Learn, Idle }
node main(x: f64[3, 4], learn: bool[3]) -> (l: f64, d_x: f64[3, 4]) {
  scan t < 3 {
    v = x[t];
    mode = if learn[t] then Mode.Learn else Mode.Idle;
    match mode {
      Learn: {
        scan s < 4 { a = v[s] + (a eby 0); y[s] = a; }
        e = square(prod(y * v));
        g = grad(e, v);
      }
      Idle: { g = 0.0; }
    }
    gs[t] = g;
  }
  l = sum(gs);
  d_x = grad(l, x);
}""", x=numbers(3, 4), learn=np.array([False, True, False]))
case("what_a_state_that_is_not_active_keeps_of_its_start", """
enum Mode { Learn, Idle }
node once(v: f64[4], u: f64) -> (y: f64) {
  scan s < 4 { a = v[s] + (a eby 0); r[s] = a; }
  z = if u > 0.0 then r else r - window<<4>>(u, 0.0);
  (before, y) = (0.0, prod(z * v)) fby (y, before);
}
node main(x: f64[3, 4], u: f64[3], learn: bool[3]) -> (l: f64, d_x: f64[3, 4]) {
  scan t < 3 {
    v = x[t];
    mode = if learn[t] then Mode.Learn else Mode.Idle;
    match mode {
      Learn: { e = square(once(v, u[t]));  g = grad(e, v); }
      Idle: { g = 0.0; }
    }
    gs[t] = g;
  }
  l = sum(gs);
  d_x = grad(l, x);
}""", x=numbers(3, 4), u=numbers(3, seed=1), learn=np.array([False, True, False]))
case("a_slice_of_a_concatenation_read_from_its_end", """
node each(x: f64, w: f64[3]) -> (y: f64[3]) {
  c = x > 0.5;
  v = [x * w[i] for i < 3];
  k = merge(c, concat(window<<3>>(v[0] when c, 0.25), [3.0, 3.0, 3.0])[1 .. 4], 1.0);
  y = [v[i] * k[2 - i] for i < 3];
}
node main(x: f64[4, 3], w: f64[3]) -> (l: f64, d_x: f64[4, 3], d_w: f64[3]) {
  scan t < 4 { y[t] = [each(x[t, k], w) for k < 3]; }
  l = sum(y * y);
  d_x = grad(l, x);  d_w = grad(l, w);
}""", x=numbers(4, 3), w=numbers(3, seed=1))
