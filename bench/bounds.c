/* What one core can do at most, measured beside the kernels that bench/kernels.py times: fused multiply-adds in registers,
   and loads that are only added. Same signature as a step. */
#include <stdint.h>

#define WIDTH 16 /* lanes: one register of 512 bits, or more registers of a narrower machine */
#define CHAINS 16

typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float))));

/* 8192 * 16 * 16 fused multiply-adds. */
void fused(void *state, void *scratch, const lanes *in, lanes *out) {
  (void)state;
  (void)scratch;
  lanes a[CHAINS];
  for (int c = 0; c < CHAINS; ++c)
    a[c] = in[c];
  const lanes x = in[CHAINS], y = in[CHAINS + 1];
  for (int i = 0; i < 8192; ++i)
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; ++c)
      a[c] = __builtin_elementwise_fma(a[c], x, y);
  for (int c = 0; c < CHAINS; ++c)
    out[c] = a[c];
}

/* Adds up the *bytes at `in`, a multiple of 1024. */
void loads(const int64_t *bytes, void *scratch, const lanes *in, lanes *out) {
  (void)scratch;
  lanes a[CHAINS] = {0};
  for (int64_t i = 0; i < *bytes / (int64_t)sizeof(lanes); i += CHAINS)
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; ++c)
      a[c] += in[i + c];
  for (int c = 0; c < CHAINS; ++c)
    out[c] = a[c];
}
