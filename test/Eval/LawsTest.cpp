// Laws of the language reference ("Time to space and back"), from source text, to the bit.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Eval/Interpreter.h"
#include "test/ProgramBuilder.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace mlr::eval {
namespace {

using namespace mlr::test;
using Floats = std::vector<float>;

constexpr int64_t T = 12;

struct Checked {
  explicit Checked(const std::string &text, const std::string &root) : diagnostics(sources) {
    ast::File file = ast::parse(sources.add("law.mlr", text), diagnostics);
    CheckOptions options;
    options.root = root;
    options.stdPath = MLR_SOURCE_DIR "/std";
    program = check(file, sources, options, diagnostics);
    for (const Diagnostic *d : diagnostics.sorted()) ADD_FAILURE() << render(*d, sources, false);
    if (program)
      for (const std::string &broken : verify(*program)) ADD_FAILURE() << broken;
  }
  SourceMap sources;
  Diagnostics diagnostics;
  std::optional<Program> program;
};

Floats step(Interpreter &interpreter, const Array &input) {
  auto result = interpreter.step({input});
  if (auto *error = std::get_if<Error>(&result)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  const Array &out = std::get<std::vector<Array>>(result)[0];
  return {out.as<float>(), out.as<float>() + out.type().elements()};
}

/// The blocks of T that `root` makes of blocks of T.
Floats blocks(const std::string &text, const std::string &root, const Floats &xs) {
  Checked checked(text, root);
  if (!checked.program) return {};
  Interpreter interpreter(*checked.program->roots[0], {});
  Floats all;
  for (size_t i = 0; i < xs.size(); i += T) {
    Floats out = step(interpreter, arrayOf<float>(f32s({T}), Floats(xs.begin() + static_cast<long>(i),
                                                                    xs.begin() + static_cast<long>(i) + T)));
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

/// Element by element; a fresh start every `segment` instants.
Floats streamed(const std::string &text, const std::string &root, const Floats &xs, size_t segment) {
  Checked checked(text, root);
  if (!checked.program) return {};
  Interpreter interpreter(*checked.program->roots[0], {});
  Floats all;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (i % segment == 0) interpreter.reset();
    all.push_back(step(interpreter, f32(xs[i])).at(0));
  }
  return all;
}

Floats noise() {
  std::mt19937 random(7);
  Floats xs;
  for (int i = 0; i < 3 * T; ++i) xs.push_back(static_cast<float>(random() % 2000) * 1e-3f - 1);
  return xs;
}

std::string program(const std::string &body) {
  return "node f(x: f32) -> (y: f32) { " + body +
         " }\n"
         "node scanned(xs: f32[12]) -> (ys: f32[12]) { scan t < 12 { ys[t] = f(xs[t]); } }\n"
         "node resumed(xs: f32[12]) -> (ys: f32[12]) { scan t < 12 resume { ys[t] = f(xs[t]); } }\n";
}

const std::string forwardBodies[] = {
    "y = 0.9 * (0 fby y) + x;",
    "y = x -> x - pre x + 0.5 * pre y;",
    "y = sum(window<<5>>(x, x)) + tanh(1.0 fby (2.0 fby y));",
    "n = 0 fby n + 1; y = if n % 3 == 0 then x else 0.25 * (0 fby y);",
    "w = [0.5 * x + f32(i) for i < 4]; s = 0 fby 0.5 * s + w; y = sum(s * w);",
    "scan k < 3 resume { a = 0.7 * (0 fby a) + x; y = final a; }",
    "scan k < 4 { b = 0.5 * (b eby x) + x; c = (0 fby c) + b / final b; y = final c; }",
};

TEST(Laws, AScanEqualsResettingAndFeeding) {
  for (const std::string &body : forwardBodies)
    EXPECT_EQ(blocks(program(body), "scanned", noise()), streamed(program(body), "f", noise(), T)) << body;
}

TEST(Laws, AResumingScanEqualsNotResetting) {
  for (const std::string &body : forwardBodies)
    EXPECT_EQ(blocks(program(body), "resumed", noise()), streamed(program(body), "f", noise(), 3 * T))
        << body;
}

TEST(Laws, ABackwardScanIsAForwardScanReversed) {
  std::string text = R"(
    node up(xs: f32[12]) -> (ys: f32[12]) { scan t < 12 { y = 0.9 * (0.5 fby y) + xs[t]; ys[t] = y; } }
    node down(xs: f32[12]) -> (ys: f32[12]) { scan t < 12 { y = 0.9 * (y eby 0.5) + xs[t]; ys[t] = y; } }
  )";
  Floats xs = noise();
  auto reversed = [](Floats all) {
    for (size_t i = 0; i < all.size(); i += T)
      std::reverse(all.begin() + static_cast<long>(i), all.begin() + static_cast<long>(i) + T);
    return all;
  };
  EXPECT_EQ(blocks(text, "down", xs), reversed(blocks(text, "up", reversed(xs))));
}

TEST(Laws, AComputationOnAWindowEqualsItsStreamedForm) {
  std::string text = R"(
    fun g(x: f32) -> (y: f32) { y = max(0.5 * x + 0.1, 0.0); }
    node late(x: f32) -> (y: f32) { w = window<<4>>(x, 0.0); y = sum(g(w[i]) * f32(i + 1) for i < 4); }
    node early(x: f32) -> (y: f32) { w = window<<4>>(g(x), g(0.0)); y = sum(w[i] * f32(i + 1) for i < 4); }
  )";
  EXPECT_EQ(streamed(text, "late", noise(), 3 * T), streamed(text, "early", noise(), 3 * T));
}

TEST(Laws, ABatchOfScansEqualsAScanOfABatch) {
  std::string text = R"(
    node batched(xs: f32[12]) -> (ys: f32[12]) {
      scan t < 4 { s = 0.5 * (0 fby s) + [xs[3 * t + b] for b < 3]; m[t] = s; }
      ys = [m[i / 3, i % 3] for i < 12];
    }
    node apart(xs: f32[12]) -> (ys: f32[12]) {
      scan b < 3 {
        scan t < 4 { s = 0.5 * (0 fby s) + xs[3 * t + b]; r[t] = s; }
        m[b] = r;
      }
      ys = [m[i % 3, i / 3] for i < 12];
    }
  )";
  EXPECT_EQ(blocks(text, "batched", noise()), blocks(text, "apart", noise()));
}

} // namespace
} // namespace mlr::eval
