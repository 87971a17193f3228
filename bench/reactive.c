/* Instructions of steps, for a counter outside: COUNT steps of the node NODE with the switch on. */
#include <string.h>
#define PASTE(a, b) a##b
#define NAME(a, b) PASTE(a, b)
#include HEADER

int main(void) {
  static NAME(NODE, _state) state;
  static NAME(NODE, _scratch) scratch;
  static NAME(NODE, _in) in;
  static NAME(NODE, _out) out;
  NAME(NODE, _reset)(&state);
  memset(&in, 0, sizeof in);
  for (int i = 0; i < 40; ++i) in.x[i] = 0.01f * (float)i;
  SWITCH;
  for (int i = 0; i < COUNT; ++i) NAME(NODE, _step)(&state, &scratch, &in, &out);
  return out.p[0] != out.p[0];
}
