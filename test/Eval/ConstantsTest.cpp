// Constants whose values the checker needs: sizes and static arguments.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Eval/Interpreter.h"

#include <gtest/gtest.h>

namespace mlr::eval {
namespace {

struct Checked {
  explicit Checked(const std::string &text) {
    uint32_t file = sources.add("test.mlr", text);
    Diagnostics diagnostics(sources);
    ast::File tree = ast::parse(file, diagnostics);
    CheckOptions options;
    options.evaluate = [](const NodeInstance &fun) { return evaluateConstant(fun, {}); };
    program = check(tree, sources, options, diagnostics);
    for (const Diagnostic *d : diagnostics.sorted()) errors.push_back(std::string(d->kind->name) + ": " + d->title);
    if (!program) return;
    for (const std::string &broken : verify(*program)) ADD_FAILURE() << broken << "\n" << print(*program);
  }
  std::string typeOf(const std::string &variable) const {
    if (program)
      for (const Var &v : program->roots.back()->vars)
        if (v.name == variable) return toString(v.type);
    return errors.empty() ? "" : errors[0];
  }
  SourceMap sources;
  std::optional<Program> program;
  std::vector<std::string> errors;
};

using Errors = std::vector<std::string>;

TEST(Constants, CallsAndReductionsAreSizes) { // R2.2, R4.5
  Checked c("const N: i32 = sum([1, 2, 3]) / f(1);\n"
            "const M: i32 = fib(7) + N;\n"
            "fun f(n: i32) -> (m: i32) { m = n * n + 1; }\n"
            "fun fib(n: i32) -> (m: i32) { scan t < 20 until t >= n { (a, b) = (0, 1) fby (b, a + b); m = final a; } }\n"
            "node main(x: f32) -> (y: f32[N, M]) { y = [x for i < N, j < M]; }");
  EXPECT_EQ(c.typeOf("y"), "f32[3, 16]");
}

TEST(Constants, CallsAndReductionsAreStaticArguments) { // R2.2, R3.1
  Checked c("const TAPS: f32[2] = [0.5, 0.25];\n"
            "fun half(x: f32) -> (y: f32) { y = x / 2; }\n"
            "node scale<<a: f32>>(x: f32) -> (y: f32) { y = a * x; }\n"
            "node main(x: f32) -> (y: f32) { y = scale<<sum(TAPS)>>(x) + scale<<half(3.0)>>(x); }");
  ASSERT_TRUE(c.program) << (c.errors.empty() ? "" : c.errors[0]);
  std::string text = print(*c.program);
  EXPECT_NE(text.find("a = 0.75"), std::string::npos) << text;
  EXPECT_NE(text.find("a = 1.5"), std::string::npos) << text;
}

TEST(Constants, TablesMayCallFunsWithScans) { // R2.2
  Checked c("fun crc(b: u32) -> (c: u32) { scan k < 2 { n = if bitand(p, 1) == 1 then bitxor(shr(p, 1), 9) else shr(p, 1); p = b fby n; c = final n; } }\n"
            "const T: u32[4] = [crc(u32(i)) for i < 4];\n"
            "node main(i: i32) -> (y: u32) { y = T[i]; }");
  ASSERT_TRUE(c.program) << (c.errors.empty() ? "" : c.errors[0]);
  EXPECT_NE(print(*c.program).find("(0, 13, 9, 4)"), std::string::npos) << print(*c.program);
}

TEST(Constants, TakeNoMoreThanTheirBound) { // R2.2
  EXPECT_EQ(Checked("const N: i32 = sum(i for i < 100000000); node main(x: f32) -> (y: f32[N]) { y = [x for i < N]; }").errors,
            Errors{"not-constant: `N` cannot be computed at compile time"});
}

TEST(Constants, ErrorsInWhatTheyCallAreToldOnce) {
  EXPECT_EQ(Checked("const N: i32 = f(3); fun f(n: i32) -> (m: i32) { m = n + q; } node main(x: f32) -> (y: f32[N]) { y = [x for i < N]; }").errors,
            Errors{"unknown-name: nothing called `q` is declared"});
}

} // namespace
} // namespace mlr::eval
