/* Stands for the board: on a real one accelerometer() waits for the converter, lamp() sets a pin and dot16() is one
   instruction. Here the samples are computed: noise, and from block 4 to 8 a vibration of five periods a block. */
#include <stdbool.h>
#include <stdint.h>

float dot16(const float *a, const float *b) {
  float sum = 0;
  for (int i = 0; i < 16; ++i) sum += a[i] * b[i];
  return sum;
}

/* One period of a cosine in 64 steps, in 1/1000. */
static const int16_t wave[64] = {
    1000, 995,  981,  957,  924,  882,  831,  773,  707,  634,  556,  471,  383,  290,  195,  98,
    0,    -98,  -195, -290, -383, -471, -556, -634, -707, -773, -831, -882, -924, -957, -981, -995,
    -1000, -995, -981, -957, -924, -882, -831, -773, -707, -634, -556, -471, -383, -290, -195, -98,
    0,    98,   195,  290,  383,  471,  556,  634,  707,  773,  831,  882,  924,  957,  981,  995};

void accelerometer(float *block, int32_t *number) {
  static int32_t count;
  static uint32_t noise = 1;
  for (int i = 0; i < 64; ++i) {
    noise = noise * 1664525u + 1013904223u;
    block[i] = (float)(int32_t)(noise >> 24) / 1024.0f - 0.125f;
    if (count >= 4 && count < 9) block[i] += (float)wave[i * 5 % 64] / 1000.0f;
  }
  *number = count++;
}

bool lamp(bool on) { return on; }
