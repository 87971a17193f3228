// Random bodies full of clocks, resets, holds and calls: the same streams at the base clock, as one scan and
// as a resuming scan cut into blocks; and with eby on reversed input.
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace mlr::eval {
namespace {

using namespace mlr::test;
using Floats = std::vector<float>;
constexpr int64_t N = 24; // instants
constexpr size_t selectors = 3;

struct Input {
  Floats x;
  std::vector<uint8_t> c; ///< [N, selectors]
};

/// Equations over an f32 stream and some bool streams, chosen by a seed.
class Body {
public:
  Body(NodeBuilder &b, uint32_t seed, bool isBackward, bool isPlain)
      : b(b), rng(seed), isBackward(isBackward), isPlain(isPlain) {}

  const NodeInstance *callee = nullptr;

  VarId run(VarId x, const std::vector<VarId> &c) {
    std::vector<VarId> made = region(3, {x}, c);
    VarId y = b.var("y" + std::to_string(++names), F32);
    Expr *sum = b.get(x);
    for (VarId v : made) sum = b.add(sum, b.get(v));
    b.define(y, sum);
    return y;
  }

private:
  size_t below(size_t n) { return rng() % n; }
  float number() { return static_cast<float>(below(9)) - 4; }
  VarId fresh(Type type) { return b.var("v" + std::to_string(++names), std::move(type)); }
  VarId pick(const std::vector<VarId> &vars) { return vars[below(vars.size())]; }

  Expr *term(const std::vector<VarId> &reals) {
    Expr *a = b.get(pick(reals));
    switch (below(4)) {
    case 0: return b.op(OpKind::Max, {a, b.c(number())});
    case 1: return b.add(b.mul(a, b.c(0.5f)), b.get(pick(reals)));
    case 2: return b.op(OpKind::Sub, {b.c(number()), a});
    default: return a;
    }
  }
  Expr *delayed(float first, Expr *e) { return isBackward ? b.eby(e, b.c(first)) : b.fby(b.c(first), e); }

  /// Equations of the region at hand; returns its real variables.
  std::vector<VarId> region(int depth, std::vector<VarId> reals, std::vector<VarId> bools) {
    std::vector<VarId> made;
    for (size_t k = 2 + below(4); k > 0; --k) {
      VarId v = depth > 0 && below(2) ? clocked(depth, reals, bools) : plain(reals);
      made.push_back(v);
      reals.push_back(v);
      VarId c = fresh(BOOL);
      b.define(c, b.op(OpKind::Gt, {b.get(v), b.c(number())}));
      bools.push_back(c);
    }
    return made;
  }

  VarId plain(const std::vector<VarId> &reals) {
    VarId v = fresh(F32);
    switch (below(isPlain ? 3 : 7)) {
    case 0: b.define(v, term(reals)); break;
    case 1: b.define(v, delayed(number(), term(reals))); break;
    case 2: b.define(v, b.add(b.mul(delayed(number(), b.get(v)), b.c(0.5f)), term(reals))); break;
    case 3: b.define(v, b.arrow(term(reals), b.pre(term(reals)))); break;
    case 4: {
      int64_t count = 2 + static_cast<int64_t>(below(3));
      b.define(v, b.read(b.window(count, term(reals), b.c(number())), {b.n(0)}, true));
      break;
    }
    case 5: b.call({v}, *callee, {term(reals)}); break;
    default: {
      ScanTime &s = b.scan(2, below(2) == 0);
      VarId outer = pick(reals), c = fresh(BOOL), held = fresh(F32);
      b.define(c, b.op(OpKind::Gt, {b.get(outer), b.c(number())}));
      b.when(c);
      VarId k = fresh(F32);
      b.define(k, b.add(b.mul(b.fby(b.c(1), b.get(k)), b.c(0.5f)), b.fby(b.c(number()), b.get(outer))));
      b.close();
      b.define(held, b.hold(k, b.c(number())));
      b.close();
      b.result(s, ScanResult::Kind::Final, v, b.get(held));
    }
    }
    return v;
  }

  VarId clocked(int depth, const std::vector<VarId> &reals, const std::vector<VarId> &bools) {
    size_t kind = isPlain ? below(2) : below(4);
    VarId c = pick(bools);
    if (kind == 3) {
      b.resetEvery(c);
      VarId inner = pick(region(depth - 1, reals, bools));
      b.close();
      return inner;
    }
    int64_t value = static_cast<int64_t>(below(2)), period = 1 + static_cast<int64_t>(below(3));
    if (kind == 2) b.every(period, static_cast<int64_t>(below(static_cast<size_t>(period))));
    else b.when(c, value);
    VarId inner = pick(region(depth - 1, reals, bools));
    b.close();
    VarId v = fresh(F32);
    float other = number();
    if (kind == 2 || (kind == 1 && !isPlain)) b.define(v, b.hold(inner, b.c(other)));
    else b.define(v, value ? b.merge(c, {b.c(other), b.get(inner)}) : b.merge(c, {b.get(inner), b.c(other)}));
    return v;
  }

  NodeBuilder &b;
  std::mt19937 rng;
  bool isBackward, isPlain;
  int names = 0;
};

/// node callee(x) -> (y): a sum that a clock of its own advances.
NodeInstance &callee(Program &p) {
  NodeBuilder b(p, "callee");
  VarId x = b.input("x", F32), y = b.output("y", F32), c = b.var("c", BOOL);
  b.define(c, b.op(OpKind::Gt, {b.get(x), b.c(0)}));
  b.when(c);
  VarId s = b.var("s", F32);
  b.define(s, b.add(b.get(x), b.mul(b.fby(b.c(0), b.get(s)), b.c(0.5f))));
  b.close();
  b.define(y, b.hold(s, b.c(-1)));
  b.node.hasState = true;
  return b.node;
}

std::optional<std::vector<Array>> step(Interpreter &interpreter, const std::vector<Array> &inputs,
                                       const Program &p) {
  auto result = interpreter.step(inputs);
  if (auto *error = std::get_if<Error>(&result)) {
    ADD_FAILURE() << error->message << "\n" << print(p);
    return std::nullopt;
  }
  return std::get<std::vector<Array>>(std::move(result));
}

Floats atBase(const Input &input, uint32_t seed) {
  Program p;
  NodeInstance &called = callee(p);
  NodeBuilder b(p, "main");
  VarId x = b.input("x", F32), out = b.output("out", F32);
  std::vector<VarId> c;
  for (size_t k = 0; k < selectors; ++k) c.push_back(b.input("c" + std::to_string(k), BOOL));
  Body body(b, seed, false, false);
  body.callee = &called;
  VarId y = body.run(x, c);
  b.define(out, b.get(y));
  for (const std::string &broken : verify(p)) ADD_FAILURE() << broken << "\n" << print(p);
  Interpreter interpreter(b.node, {});
  Floats values;
  for (size_t t = 0; t < N; ++t) {
    std::vector<Array> inputs{f32(input.x[t])};
    for (size_t k = 0; k < selectors; ++k) inputs.push_back(boolean(input.c[t * selectors + k]));
    auto outputs = step(interpreter, inputs, p);
    if (!outputs) break;
    values.push_back((*outputs)[0].as<float>()[0]);
  }
  return values;
}

/// In scans of `length` instants, one after the other.
Floats inScan(const Input &input, uint32_t seed, int64_t length, bool isBackward, bool isPlain) {
  Program p;
  NodeInstance &called = callee(p);
  NodeBuilder b(p, "main");
  VarId xs = b.input("xs", f32s({length})), cs = b.input("cs", {Scalar::Bool, {length, selectors}}),
        out = b.output("out", f32s({length}));
  ScanTime &s = b.scan(length, length < N);
  VarId x = b.var("x", F32);
  b.define(x, b.read(b.get(xs), {b.get(s.index)}, true));
  std::vector<VarId> c;
  for (size_t k = 0; k < selectors; ++k) {
    c.push_back(b.var("c" + std::to_string(k), BOOL));
    b.define(c.back(), b.read(b.get(cs), {b.get(s.index), b.n(static_cast<int32_t>(k))}, true));
  }
  Body body(b, seed, isBackward, isPlain);
  body.callee = &called;
  VarId y = body.run(x, c);
  b.close();
  b.result(s, ScanResult::Kind::Stack, out, b.get(y));
  for (const std::string &broken : verify(p)) ADD_FAILURE() << broken << "\n" << print(p);
  Interpreter interpreter(b.node, {});
  Floats values;
  for (int64_t t = 0; t < N; t += length) {
    Floats x(input.x.begin() + t, input.x.begin() + t + length);
    std::vector<uint8_t> c(input.c.begin() + t * selectors, input.c.begin() + (t + length) * selectors);
    auto outputs = step(
        interpreter,
        {arrayOf<float>(f32s({length}), x), arrayOf<uint8_t>({Scalar::Bool, {length, selectors}}, c)}, p);
    if (!outputs) break;
    values.insert(values.end(), (*outputs)[0].as<float>(), (*outputs)[0].as<float>() + length);
  }
  return values;
}

Input randomInput(uint32_t seed) {
  std::mt19937 rng(seed);
  Input input;
  for (size_t t = 0; t < N; ++t) {
    input.x.push_back(static_cast<float>(rng() % 17) - 8);
    for (size_t k = 0; k < selectors; ++k) input.c.push_back(rng() % (k + 2) == 0);
  }
  return input;
}

TEST(RandomClocks, AScanIsTheBaseClock) {
  for (uint32_t seed = 0; seed < 300 && !testing::Test::HasFailure(); ++seed) {
    Input input = randomInput(seed);
    EXPECT_EQ(inScan(input, seed, N, false, false), atBase(input, seed)) << seed;
  }
}

TEST(RandomClocks, AResumingScanIsTheBaseClock) {
  for (uint32_t seed = 0; seed < 300 && !testing::Test::HasFailure(); ++seed) {
    Input input = randomInput(seed);
    EXPECT_EQ(inScan(input, seed, seed % 2 ? 4 : 1, false, false), atBase(input, seed)) << seed;
  }
}

TEST(RandomClocks, EbyIsFbyOnReversedInput) {
  for (uint32_t seed = 0; seed < 300 && !testing::Test::HasFailure(); ++seed) {
    Input input = randomInput(seed), reversed;
    for (size_t t = N; t-- > 0;) {
      reversed.x.push_back(input.x[t]);
      for (size_t k = 0; k < selectors; ++k) reversed.c.push_back(input.c[t * selectors + k]);
    }
    Floats back = inScan(input, seed, N, true, true), forth = inScan(reversed, seed, N, false, true);
    std::reverse(forth.begin(), forth.end());
    EXPECT_EQ(back, forth) << seed;
  }
}

} // namespace
} // namespace mlr::eval
