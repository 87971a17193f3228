#include "Measure.h"

#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <thread>

namespace mlr::test {

static constexpr double infinity = std::numeric_limits<double>::infinity();

void Worst::add(double error, double atX, double atZ) {
  ++inputs;
  if (error == infinity) {
    ++wrong;
    wrongX = atX;
    wrongZ = atZ;
  } else if (error > ulp) {
    ulp = error;
    x = atX;
    z = atZ;
  }
}

void Worst::merge(const Worst &other) {
  if (other.ulp > ulp) {
    ulp = other.ulp;
    x = other.x;
    z = other.z;
  }
  if (other.wrong) {
    wrong += other.wrong;
    wrongX = other.wrongX;
    wrongZ = other.wrongZ;
  }
  inputs += other.inputs;
}

double error32(double r, float y) {
  if (std::isnan(r) || std::isnan(y)) return std::isnan(r) && std::isnan(y) ? 0 : infinity;
  if (r == 0) return y == 0 && std::signbit(y) == std::signbit(r) ? 0 : infinity;
  if (y == 0 && std::signbit(y) != std::signbit(r)) return infinity;
  if (std::isinf(r)) return y == r ? 0 : infinity;
  // 2^23 over the power of two at or below |r|, by its exponent's bits: this is run 10^11 times.
  const int64_t exponent = static_cast<int64_t>(std::bit_cast<uint64_t>(r) >> 52 & 0x7ff) - 1023;
  const int64_t perUnit = 1023 + 23 - std::min<int64_t>(std::max<int64_t>(exponent, -126), 127);
  // Overflow counts as the value that follows the largest one: an error of a few ulp, no more.
  const double got = std::isinf(y) ? std::copysign(0x1p128, y) : y;
  const double wanted = std::fabs(r) > 0x1p128 ? std::copysign(0x1p128, r) : r;
  return std::fabs(got - wanted) * std::bit_cast<double>(perUnit << 52);
}

double error64(mpfr_srcptr r, double y) {
  if (mpfr_nan_p(r) || std::isnan(y)) return mpfr_nan_p(r) && std::isnan(y) ? 0 : infinity;
  if (mpfr_zero_p(r)) return y == 0 && std::signbit(y) == (mpfr_signbit(r) != 0) ? 0 : infinity;
  if (y == 0 && std::signbit(y) != (mpfr_signbit(r) != 0)) return infinity;
  const double rounded = mpfr_get_d(r, MPFR_RNDN);
  if (std::isinf(rounded) && std::isinf(y)) return rounded == y ? 0 : infinity;
  if (mpfr_inf_p(r)) return infinity;
  mpfr_t difference;
  mpfr_init2(difference, 200);
  if (std::isinf(y)) mpfr_set_si_2exp(difference, y > 0 ? 1 : -1, 1024, MPFR_RNDN);
  else mpfr_set_d(difference, y, MPFR_RNDN);
  mpfr_sub(difference, difference, r, MPFR_RNDN);
  long exponent;
  const double mantissa = mpfr_get_d_2exp(&exponent, difference, MPFR_RNDN);
  mpfr_clear(difference);
  const long top = std::min(std::max<long>(mpfr_get_exp(r), -1021), 1024L);
  return std::fabs(std::ldexp(mantissa, static_cast<int>(std::min<long>(exponent - (top - 53), 1000))));
}

namespace {

/// xorshift64: the sample is the same in every run.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(0x9e3779b97f4a7c15ull * (seed + 1)) {}
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }                      ///< 0 .. 1
  double symmetric() { return static_cast<double>(static_cast<int64_t>(next())) * 0x1p-63; } ///< -1 .. 1
  /// Random sign and fraction, exponent 2^from .. 2^(from + count - 1).
  double ranged(int from, unsigned count) {
    const double m = 1 + unit();
    return std::ldexp(next() & 1 ? m : -m, from + static_cast<int>(next() % count));
  }
};

const double specials[] = {0.0,
                           -0.0,
                           infinity,
                           -infinity,
                           std::numeric_limits<double>::quiet_NaN(),
                           1,
                           -1,
                           0.5,
                           -0.5,
                           2,
                           -2,
                           3,
                           -3,
                           4,
                           7,
                           9,
                           10,
                           100,
                           1000,
                           0.25,
                           0.75,
                           1.5,
                           0x1p-1074,
                           -0x1p-1074,
                           0x1.8p-1073,
                           0x1p-1022,
                           0x1p-149,
                           -0x1p-149,
                           0x1p-126,
                           0x1.fffffep127,
                           -0x1.fffffep127,
                           0x1.fffffffffffffp1023,
                           -0x1.fffffffffffffp1023,
                           1e300,
                           -1e300,
                           1e-300,
                           -1e-300,
                           1e22,
                           0x1.6ac5b262ca1ffp849,
                           0x1.921fb54442d18p-1,
                           0x1.921fb54442d18p0,
                           0x1.921fb54442d18p1,
                           1e5,
                           -1e5,
                           1e15,
                           16777215,
                           -16777215,
                           16777216,
                           8388607.5,
                           0x1p52,
                           0x1p53,
                           -0x1p53,
                           0x1p53 + 2,
                           0x1.fffffffffffffp-1,
                           0x1.0000000000001p0,
                           0x1.fffffep-1,
                           0x1.000002p0,
                           1023,
                           1024,
                           -1022,
                           -1074,
                           127,
                           128,
                           -149,
                           -150,
                           709.782712893384,
                           -745.1332191019411,
                           88.72283935546875,
                           -103.97207641601562};
constexpr size_t specialCount = sizeof specials / sizeof *specials;

double sample(const Unary &f, uint64_t i, Random &random) {
  if (i < specialCount) return specials[i];
  switch (i % 4) {
  case 0: return std::bit_cast<double>(random.next());
  case 1: return f.low + (f.high - f.low) * random.unit();
  case 2: return random.ranged(-10, 16);
  default: return random.ranged(-3, 6);
  }
}

/// maxPower: about half the type's largest exponent.
void sample(const Binary &f, uint64_t i, double maxPower, Random &random, double &x, double &z) {
  if (i < specialCount * specialCount) {
    x = specials[i % specialCount];
    z = specials[i / specialCount];
    return;
  }
  const bool pow = std::string(f.name) == "pow";
  switch (i % 3) {
  case 0:
    x = random.ranged(-3, 6);
    z = random.ranged(-3, 14);
    break;
  case 1:
    x = std::ldexp(1 + random.unit(), static_cast<int>(maxPower * random.symmetric()));
    z = pow ? maxPower * random.symmetric() / std::log2(x) : x * 4 * random.symmetric();
    break;
  default:
    x = 1 + std::ldexp(random.symmetric(), -static_cast<int>(random.next() % 20));
    z = pow ? random.ranged(-10, 40) : x * (1 + random.symmetric() / 8);
  }
}

/// Runs body(thread, threads, blocks, worst) once a core: the body takes every threads-th of the blocks that
/// hold count inputs.
template <class Body> Worst parallel(uint64_t count, Body body) {
  Worst total;
  std::mutex lock;
  const uint64_t blocks = (count + blockSize - 1) / blockSize;
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      Worst mine;
      body(t, threads, blocks, mine);
      std::lock_guard guard(lock);
      total.merge(mine);
    });
  }
  for (std::thread &thread : pool) thread.join();
  return total;
}

} // namespace

Worst measure32(const Function &function, const Unary &reference, uint64_t stride) {
  const uint64_t count = ((uint64_t(1) << 32) + stride - 1) / stride;
  return parallel(count, [&](unsigned t, unsigned threads, uint64_t blocks, Worst &worst) {
    const std::unique_ptr<Function::Instance> instance = function.instance();
    float *x = instance->input<float>(0);
    const float *y = instance->output<float>();
    for (uint64_t b = t; b < blocks; b += threads) {
      // Past the end the last input is measured again.
      for (size_t i = 0; i < blockSize; ++i) {
        const uint64_t input = std::min<uint64_t>((b * blockSize + i) * stride, 0xffffffff);
        x[i] = std::bit_cast<float>(static_cast<uint32_t>(input));
      }
      instance->step();
      for (size_t i = 0; i < blockSize; ++i) worst.add(error32(reference.reference(x[i]), y[i]), x[i]);
    }
  });
}

Worst measure32(const Function &function, const Binary &reference, uint64_t count) {
  return parallel(count, [&](unsigned t, unsigned threads, uint64_t blocks, Worst &worst) {
    const std::unique_ptr<Function::Instance> instance = function.instance();
    float *x = instance->input<float>(0), *z = instance->input<float>(1);
    const float *y = instance->output<float>();
    for (uint64_t b = t; b < blocks; b += threads) {
      Random random(b);
      for (size_t i = 0; i < blockSize; ++i) {
        double first, second;
        sample(reference, b * blockSize + i, 75, random, first, second);
        x[i] = static_cast<float>(first);
        z[i] = static_cast<float>(second);
      }
      instance->step();
      for (size_t i = 0; i < blockSize; ++i)
        worst.add(error32(reference.reference(x[i], z[i]), y[i]), x[i], z[i]);
    }
  });
}

Worst measure64(const Function &function, const Unary &reference, uint64_t count) {
  return parallel(count, [&](unsigned t, unsigned threads, uint64_t blocks, Worst &worst) {
    const std::unique_ptr<Function::Instance> instance = function.instance();
    double *x = instance->input<double>(0);
    const double *y = instance->output<double>();
    mpfr_t argument, exact;
    mpfr_init2(argument, 53);
    mpfr_init2(exact, 160);
    for (uint64_t b = t; b < blocks; b += threads) {
      Random random(b);
      for (size_t i = 0; i < blockSize; ++i) x[i] = sample(reference, b * blockSize + i, random);
      instance->step();
      for (size_t i = 0; i < blockSize; ++i) {
        mpfr_set_d(argument, x[i], MPFR_RNDN);
        reference.exact(exact, argument);
        worst.add(error64(exact, y[i]), x[i]);
      }
    }
    mpfr_clears(argument, exact, nullptr);
    mpfr_free_cache();
  });
}

Worst measure64(const Function &function, const Binary &reference, uint64_t count) {
  return parallel(count, [&](unsigned t, unsigned threads, uint64_t blocks, Worst &worst) {
    const std::unique_ptr<Function::Instance> instance = function.instance();
    double *x = instance->input<double>(0), *z = instance->input<double>(1);
    const double *y = instance->output<double>();
    mpfr_t first, second, exact;
    mpfr_inits2(53, first, second, nullptr);
    mpfr_init2(exact, 160);
    for (uint64_t b = t; b < blocks; b += threads) {
      Random random(b);
      for (size_t i = 0; i < blockSize; ++i) sample(reference, b * blockSize + i, 600, random, x[i], z[i]);
      instance->step();
      for (size_t i = 0; i < blockSize; ++i) {
        mpfr_set_d(first, x[i], MPFR_RNDN);
        mpfr_set_d(second, z[i], MPFR_RNDN);
        reference.exact(exact, first, second);
        worst.add(error64(exact, y[i]), x[i], z[i]);
      }
    }
    mpfr_clears(first, second, exact, nullptr);
    mpfr_free_cache();
  });
}

} // namespace mlr::test
