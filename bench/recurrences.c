/* The recurrences of bench/recurrences.mlr, written by hand as one would for a good compiler: restrict, state in
   registers, no allocation. Compiled twice: rounding each operation as MLR does, and free to fuse a * b + c. */
#include <stddef.h>

#define T 10000

void stream(double *restrict state, void *scratch, const double *restrict x, double *restrict y) {
  (void)scratch;
  double a = state[0];
  a += 0.1 * (*x - a);
  state[0] = *y = a;
}

void biquad(double *restrict state, void *scratch, const double *restrict x, double *restrict y) {
  (void)scratch;
  const double x1 = state[0], x2 = state[1], y1 = state[2], y2 = state[3];
  const double v = 0.0675 * *x + 0.135 * x1 + 0.0675 * x2 + 1.143 * y1 - 0.413 * y2;
  state[0] = *x;
  state[1] = x1;
  state[2] = v;
  state[3] = y1;
  *y = v;
}

void up(void *state, void *scratch, const double *restrict x, double *restrict y) {
  (void)state;
  (void)scratch;
  double a = 0;
  for (ptrdiff_t t = 0; t < T; ++t)
    y[t] = a += 0.1 * (x[t] - a);
}

void both(void *state, void *scratch, const double *restrict x, double *restrict y) {
  (void)state;
  (void)scratch;
  double a = 0, b = 0;
  for (ptrdiff_t t = 0; t < T; ++t)
    y[t] = a += 0.1 * (x[t] - a);
  for (ptrdiff_t t = T - 1; t >= 0; --t)
    y[t] = b += 0.1 * (y[t] - b);
}

void both_fma(void *state, void *scratch, const double *restrict x, double *restrict y) {
  (void)state;
  (void)scratch;
  double a = 0, b = 0;
  for (ptrdiff_t t = 0; t < T; ++t)
    y[t] = a = __builtin_fma(0.1, x[t] - a, a);
  for (ptrdiff_t t = T - 1; t >= 0; --t)
    y[t] = b = __builtin_fma(0.1, y[t] - b, b);
}

void energy(void *state, double *restrict scratch, const double *restrict x, double *restrict y) {
  (void)state;
  double a = 0, b = 0;
  for (ptrdiff_t t = 0; t < T; ++t)
    scratch[t] = a += 0.1 * (x[t] - a);
  for (ptrdiff_t t = T - 1; t >= 0; --t)
    b += scratch[t] * (scratch[t] - b);
  *y = b;
}
