/* Times a step of a node, or of hand-written C with the same signature. Loaded by bench/measure.py. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <time.h>

typedef void (*step_function)(void *state, void *scratch, const void *in, void *out);

/* Nanoseconds that `calls` steps took on the processor. Time on the processor, not on the wall: other jobs of the
   machine then cost cache misses, not whole time slices. */
int64_t time_steps(step_function step, void *state, void *scratch, const void *in, void *out, int64_t calls) {
  struct timespec begin, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  for (int64_t i = 0; i < calls; ++i)
    step(state, scratch, in, out);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  return (end.tv_sec - begin.tv_sec) * 1000000000 + (end.tv_nsec - begin.tv_nsec);
}
