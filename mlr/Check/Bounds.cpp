// What values an index expression takes: exactly when it is affine in comprehension and scan indices, else by
// intervals. Integers wrap, so a result counts only if it fits its type.
#include "mlr/Check/Body.h"

#include <algorithm>

namespace mlr::checking {

using Int = __int128;

/// Beyond this nothing is claimed; it keeps products of bounds far from overflow.
static constexpr Int claimLimit = Int(1) << 62;

static std::pair<Int, Int> typeRange(Scalar s) {
  unsigned bits = bitWidth(s);
  if (isUnsigned(s)) return {0, (Int(1) << bits) - 1};
  return {-(Int(1) << (bits - 1)), (Int(1) << (bits - 1)) - 1};
}

static bool small(Int value) { return value < claimLimit && value > -claimLimit; }

/// Indices of comprehensions and scans are told apart by the top bit of the key.
static constexpr uint64_t scanKey = uint64_t(1) << 63;

std::optional<Body::Affine> Body::affine(const Expr *e) const {
  if (!isInt(e->type.scalar) || !e->type.isScalar()) return std::nullopt;
  switch (e->kind) {
  case ExprKind::Const:
    if (e->constant.data()) {
      bool wide = e->type.scalar == Scalar::U64;
      return Affine{wide ? Int(bitsAt(e->constant, 0)) : Int(integerAt(e->constant, 0)), {}};
    }
    return std::nullopt;
  case ExprKind::Index: return Affine{0, {{e->index, 1}}};
  case ExprKind::Var:
    if (instance.vars.size() <= e->var || instance.vars[e->var].kind != Var::Kind::ScanIndex)
      return std::nullopt;
    return Affine{0, {{scanKey | e->var, 1}}};
  case ExprKind::Op: break;
  default: return std::nullopt;
  }
  std::vector<Affine> args;
  for (const Expr *arg : e->args) {
    auto a = affine(arg);
    if (!a) return std::nullopt;
    args.push_back(std::move(*a));
  }
  auto combine = [&](Int factor) { // args[0] + factor * args[1]
    Affine out = args[0];
    out.constant += factor * args[1].constant;
    for (auto &[key, coefficient] : args[1].terms) {
      auto at =
          std::find_if(out.terms.begin(), out.terms.end(), [&](auto &term) { return term.first == key; });
      if (at == out.terms.end()) out.terms.push_back({key, factor * coefficient});
      else at->second += factor * coefficient;
    }
    return out;
  };
  auto scale = [](Affine out, Int factor) {
    out.constant *= factor;
    for (auto &term : out.terms) term.second *= factor;
    return out;
  };
  Affine out;
  switch (e->op) {
  case OpKind::Add: out = combine(1); break;
  case OpKind::Sub: out = combine(-1); break;
  case OpKind::Neg: out = scale(args[0], -1); break;
  case OpKind::Mul:
    if (args[0].terms.empty()) out = scale(args[1], args[0].constant);
    else if (args[1].terms.empty()) out = scale(args[0], args[1].constant);
    else return std::nullopt;
    break;
  case OpKind::Convert: { // faithful only where the operand's values fit
    bool never = false;
    auto range = rangeOf(args[0], e->type.scalar, never);
    if (!never && !range) return std::nullopt;
    out = args[0];
    break;
  }
  default: return std::nullopt;
  }
  if (!small(out.constant)) return std::nullopt;
  for (auto &term : out.terms)
    if (!small(term.second)) return std::nullopt;
  return out;
}

/// The exact range over the box of the indices, if type `s` holds it. `never`: one of the indices has no
/// values.
std::optional<Body::Interval> Body::rangeOf(const Affine &a, Scalar s, bool &never) const {
  Interval range{a.constant, a.constant};
  for (auto &[key, coefficient] : a.terms) {
    int64_t size = key & scanKey ? instance.vars[key & ~scanKey].time->length : instance.indices[key].size;
    if (size == 0) never = true;
    Int end = coefficient * (Int(size) - 1);
    (coefficient < 0 ? range.low : range.high) += end;
  }
  auto [low, high] = typeRange(s);
  if (range.low < low || range.high > high) return std::nullopt;
  return range;
}

std::optional<Body::Interval> Body::affineRange(const Expr *e, bool &never) const {
  auto a = affine(e);
  if (!a) return std::nullopt;
  return rangeOf(*a, e->type.scalar, never);
}

std::optional<Body::Interval> Body::interval(const Expr *e) const {
  if (!isInt(e->type.scalar)) return std::nullopt;
  auto [low, high] = typeRange(e->type.scalar);
  Interval all{low, high};
  bool never = false;
  if (auto exact = affineRange(e, never)) return never ? Interval{0, 0} : *exact;
  if (e->kind != ExprKind::Op) return all;
  std::vector<Interval> args;
  for (const Expr *arg : e->args) {
    auto range = isInt(arg->type.scalar) ? interval(arg) : std::optional(Interval{0, 1});
    if (!range) return all;
    args.push_back(*range);
  }
  Interval out = all;
  switch (e->op) {
  case OpKind::Add: out = {args[0].low + args[1].low, args[0].high + args[1].high}; break;
  case OpKind::Sub: out = {args[0].low - args[1].high, args[0].high - args[1].low}; break;
  case OpKind::Neg: out = {-args[0].high, -args[0].low}; break;
  case OpKind::Mul: {
    if (!small(args[0].low) || !small(args[0].high) || !small(args[1].low) || !small(args[1].high))
      return all;
    Int p[] = {args[0].low * args[1].low, args[0].low * args[1].high, args[0].high * args[1].low,
               args[0].high * args[1].high};
    out = {*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
    break;
  }
  case OpKind::Min: out = {std::min(args[0].low, args[1].low), std::min(args[0].high, args[1].high)}; break;
  case OpKind::Max: out = {std::max(args[0].low, args[1].low), std::max(args[0].high, args[1].high)}; break;
  case OpKind::Select:
    out = {std::min(args[1].low, args[2].low), std::max(args[1].high, args[2].high)};
    break;
  case OpKind::Abs: out = {0, std::max(-args[0].low, args[0].high)}; break;
  case OpKind::Rem: { // the dividend's sign, less than the divisor; 0 for a divisor of 0
    Int bound = std::max(std::max(-args[1].low, args[1].high), Int(1)) - 1;
    out = {args[0].low >= 0 ? 0 : std::max(args[0].low, -bound),
           args[0].high <= 0 ? 0 : std::min(args[0].high, bound)};
    break;
  }
  case OpKind::Div:
    if (args[1].low < 1) return all;
    out = {args[0].low >= 0 ? args[0].low / args[1].high : args[0].low / args[1].low,
           args[0].high >= 0 ? args[0].high / args[1].low : args[0].high / args[1].high};
    break;
  case OpKind::BitAnd:
    if (args[1].low >= 0) out = {0, args[1].high};
    else if (args[0].low >= 0) out = {0, args[0].high};
    break;
  case OpKind::Convert:
    if (isFloat(e->args[0]->type.scalar)) return all;
    out = args[0];
    break;
  default: return all;
  }
  return out.low < low || out.high > high ? all : out;
}

/// The expression stands under an index or in a scan that has no values.
bool Body::deadCode() const {
  for (const Comprehended &c : comprehended)
    if (c.size == 0) return true;
  for (const Scope *s = scope; s; s = s->parent)
    if (s->time && s->time->length == 0) return true;
  return false;
}

} // namespace mlr::checking
