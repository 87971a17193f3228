#include "mlr/Eval/DualNumbers.h"

#include <array>
#include <bit>
#include <cmath>

namespace mlr::eval {

double toDouble(Scalar scalar, Bits bits) {
  return std::bit_cast<double>(apply(OpKind::Convert, scalar, Scalar::F64, bits));
}

Bits fromDouble(Scalar scalar, double value) {
  return apply(OpKind::Convert, Scalar::F64, scalar, std::bit_cast<Bits>(value));
}

Scalar coarser(Scalar a, Scalar b) {
  auto bits = [](Scalar s) { return s == Scalar::F64 ? 53 : s == Scalar::F32 ? 24 : s == Scalar::F16 ? 11 : 8; };
  return bits(a) <= bits(b) ? a : b;
}

double product(unsigned set, const double *a, const double *b) {
  double sum = 0;
  for (unsigned part = set;; part = (part - 1) & set) {
    unsigned rest = set & ~part;
    bool isAbsent = (part && a[part] == 0) || (rest && b[rest] == 0);
    if (!isAbsent) sum += a[part] * b[rest];
    if (part == 0) return sum;
  }
}

namespace {

using Coefficients = std::array<double, 1u << maxTags>;

/// q b = a, coefficient by coefficient.
double quotient(unsigned full, const double *a, const double *b) {
  Coefficients q{a[0] / b[0]};
  for (unsigned set = 1; set <= full; ++set) {
    double rest = a[set];
    for (unsigned part = set; part; part = (part - 1) & set)
      if (b[part] != 0 && (part == set || q[set & ~part] != 0)) rest -= b[part] * q[set & ~part];
    q[set] = rest == 0 ? 0 : rest / b[0];
  }
  return q[full];
}

/// s s = a.
double root(unsigned full, const double *a) {
  Coefficients s{std::sqrt(a[0])};
  for (unsigned set = 1; set <= full; ++set) {
    double rest = a[set];
    for (unsigned part = (set - 1) & set; part; part = (part - 1) & set)
      if (s[part] != 0 && s[set & ~part] != 0) rest -= s[part] * s[set & ~part];
    s[set] = rest == 0 ? 0 : rest / (2 * s[0]);
  }
  return s[full];
}

} // namespace

double combine(OpKind op, unsigned full, const double *a, const double *b, const double *c) {
  switch (op) {
  case OpKind::Add: return a[full] + b[full];
  case OpKind::Sub: return a[full] - b[full];
  case OpKind::Neg: return -a[full];
  case OpKind::Mul: return product(full, a, b);
  case OpKind::Fma: return product(full, a, b) + c[full];
  case OpKind::Div: return quotient(full, a, b);
  case OpKind::Sqrt: return root(full, a);
  case OpKind::Abs: return a[0] > 0 ? a[full] : a[0] < 0 ? -a[full] : 0;
  case OpKind::Max: return a[0] > b[0] || std::isnan(a[0]) ? a[full] : b[full];
  case OpKind::Min: return a[0] < b[0] || std::isnan(a[0]) ? a[full] : b[full];
  case OpKind::Rem: return b[full] == 0 ? a[full] : a[full] - std::round((a[0] - std::fmod(a[0], b[0])) / b[0]) * b[full];
  case OpKind::Convert: return a[full];
  default: return 0; // floor and its like, and what reads bits, are constant
  }
}

DualChain::DualChain(ReduceKind kind, unsigned full) : kind(kind), full(full) {
  all.assign(kind == ReduceKind::Prod ? full + 1 : 2, 0);
  if (kind == ReduceKind::Prod) all[0] = 1;
}

void DualChain::add(const double *x) {
  switch (kind) {
  case ReduceKind::Sum:
  case ReduceKind::Mean: all[1] += x[full]; return;
  case ReduceKind::Prod:
    for (unsigned set = full + 1; set-- > 0;) all[set] = product(set, all.data(), x); // larger sets first: they read smaller ones
    return;
  case ReduceKind::Max:
  case ReduceKind::Min: {
    bool isBetter = kind == ReduceKind::Max ? x[0] > all[0] : x[0] < all[0];
    if (!isEmpty && !isBetter && !(std::isnan(x[0]) && !std::isnan(all[0]))) return;
    isEmpty = false;
    all = {x[0], x[full]};
    return;
  }
  default: return;
  }
}

double DualChain::finish(int64_t count) const {
  if (kind == ReduceKind::Prod) return all[full];
  return kind == ReduceKind::Mean ? all[1] / static_cast<double>(count) : all[1];
}

} // namespace mlr::eval
