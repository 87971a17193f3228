// Errors of the standard library's elementary functions against their stated bounds, interpreted and
// compiled.
//
//   test_math                                   a sample: seconds
//   test_math --exhaustive                      f32 of one argument over all 2^32 inputs: minutes
//   test_math --exhaustive --table=docs/math.md also writes the table of the documentation
//
// The compiled half is skipped where mlrc cannot build a shared library for this machine at all.
#include "Measure.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

namespace mlr::test {

static bool exhaustive = false;
/// Measured ulp of compiled code by name and type, for the table.
static std::map<std::pair<std::string, std::string>, Worst> measured;

static void expectWithin(const Worst &worst, const std::string &name, const std::string &type, double bound) {
  EXPECT_LE(worst.ulp, bound) << name << "_" << type << " at " << std::hexfloat << worst.x << ", " << worst.z;
  EXPECT_EQ(worst.wrong, 0u) << name << "_" << type << " at " << std::hexfloat << worst.wrongX << ", "
                             << worst.wrongZ;
}

static void PrintTo(const Unary &f, std::ostream *out) { *out << f.name; }
static void PrintTo(const Binary &f, std::ostream *out) { *out << f.name; }

static void expectCompiledWithin(const Worst &worst, const std::string &name, const std::string &type,
                                 double bound) {
  measured[{name, type}] = worst;
  expectWithin(worst, name, type, bound);
}

class UnaryError : public testing::TestWithParam<Unary> {};
class BinaryError : public testing::TestWithParam<Binary> {};

static bool compilerWorks() {
  static const bool works = [] {
    std::string error;
    return compiled("abs", "f32", 1, error) != nullptr;
  }();
  return works;
}

TEST_P(UnaryError, InterpretedF32IsWithinItsBound) {
  std::string error;
  auto function = interpreted(GetParam().name, "f32", 1, error);
  ASSERT_TRUE(function) << error;
  expectWithin(measure32(*function, GetParam(), 524'309), GetParam().name, "f32", GetParam().bound32);
}

TEST_P(UnaryError, InterpretedF64IsWithinItsBound) {
  std::string error;
  auto function = interpreted(GetParam().name, "f64", 1, error);
  ASSERT_TRUE(function) << error;
  expectWithin(measure64(*function, GetParam(), 8'192), GetParam().name, "f64", GetParam().bound64);
}

TEST_P(BinaryError, InterpretedF32IsWithinItsBound) {
  std::string error;
  auto function = interpreted(GetParam().name, "f32", 2, error);
  ASSERT_TRUE(function) << error;
  expectWithin(measure32(*function, GetParam(), 16'384), GetParam().name, "f32", GetParam().bound32);
}

TEST_P(BinaryError, InterpretedF64IsWithinItsBound) {
  std::string error;
  auto function = interpreted(GetParam().name, "f64", 2, error);
  ASSERT_TRUE(function) << error;
  expectWithin(measure64(*function, GetParam(), 16'384), GetParam().name, "f64", GetParam().bound64);
}

TEST_P(UnaryError, CompiledF32IsWithinItsBound) {
  if (!compilerWorks()) GTEST_SKIP() << "mlrc builds no shared library here";
  std::string error;
  auto function = compiled(GetParam().name, "f32", 1, error);
  ASSERT_TRUE(function) << error;
  expectCompiledWithin(measure32(*function, GetParam(), exhaustive ? 1 : 4099), GetParam().name, "f32",
                       GetParam().bound32);
}

TEST_P(UnaryError, CompiledF64IsWithinItsBound) {
  if (!compilerWorks()) GTEST_SKIP() << "mlrc builds no shared library here";
  std::string error;
  auto function = compiled(GetParam().name, "f64", 1, error);
  ASSERT_TRUE(function) << error;
  expectCompiledWithin(measure64(*function, GetParam(), exhaustive ? 2'000'000 : 16'384), GetParam().name,
                       "f64", GetParam().bound64);
}

TEST_P(BinaryError, CompiledF32IsWithinItsBound) {
  if (!compilerWorks()) GTEST_SKIP() << "mlrc builds no shared library here";
  std::string error;
  auto function = compiled(GetParam().name, "f32", 2, error);
  ASSERT_TRUE(function) << error;
  expectCompiledWithin(measure32(*function, GetParam(), exhaustive ? 100'000'000 : 500'000), GetParam().name,
                       "f32", GetParam().bound32);
}

TEST_P(BinaryError, CompiledF64IsWithinItsBound) {
  if (!compilerWorks()) GTEST_SKIP() << "mlrc builds no shared library here";
  std::string error;
  auto function = compiled(GetParam().name, "f64", 2, error);
  ASSERT_TRUE(function) << error;
  expectCompiledWithin(measure64(*function, GetParam(), exhaustive ? 2'000'000 : 32'768), GetParam().name,
                       "f64", GetParam().bound64);
}

static const auto nameOf = [](const auto &info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Math, UnaryError, testing::ValuesIn(unaryFunctions()), nameOf);
INSTANTIATE_TEST_SUITE_P(Math, BinaryError, testing::ValuesIn(binaryFunctions()), nameOf);

static std::string inputs(const Worst &worst) {
  if (worst.inputs >= uint64_t(1) << 32) return "all";
  char text[32];
  std::snprintf(text, sizeof text, "%.0e", static_cast<double>(worst.inputs));
  return text;
}

/// A row for each function that ran, compiled, with both types.
static void writeTable(const std::string &path) {
  std::ofstream out(path);
  out << "# Errors of the elementary functions\n"
         "\n"
         "`std/math.mlr` builds them from exact operations, so every engine and target gives the same bits; "
         "what is left\n"
         "is the distance from the true value, in ulp (the spacing of the type's numbers at the true value; "
         "0.5 is correct\n"
         "rounding). `test_math --exhaustive --table=docs/math.md` writes this page anew; the test fails "
         "where a bound is exceeded.\n"
         "\n"
         "f32 is measured against f64, of which MPFR with 160 bits is the reference. `all` means each of the "
         "2^32 inputs; otherwise\n"
         "the column gives how many, spread evenly over the bit patterns (f32 of one argument) or over "
         "special values, random\n"
         "bits, the range in which the result is ordinary, and the neighbourhood of 1. Infinities, NaN and "
         "signed zeros must be\n"
         "right at each of them.\n"
         "\n| function | f32 bound | f32 measured | inputs | f64 bound | f64 measured | inputs |\n"
         "|---|---|---|---|---|---|---|\n";
  auto row = [&](const char *name, double bound32, double bound64) {
    auto f32 = measured.find({name, "f32"}), f64 = measured.find({name, "f64"});
    if (f32 == measured.end() || f64 == measured.end()) return;
    char line[160];
    std::snprintf(line, sizeof line, "| %s | %g | %.4f | %s | %g | %.4f | %s |\n", name, bound32,
                  f32->second.ulp, inputs(f32->second).c_str(), bound64, f64->second.ulp,
                  inputs(f64->second).c_str());
    out << line;
  };
  for (const Unary &f : unaryFunctions()) row(f.name, f.bound32, f.bound64);
  for (const Binary &f : binaryFunctions()) row(f.name, f.bound32, f.bound64);
}

} // namespace mlr::test

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string table;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--exhaustive") mlr::test::exhaustive = true;
    else if (argument.starts_with("--table=")) table = argument.substr(8);
    else return std::fprintf(stderr, "unknown option %s\n", argv[i]), 2;
  }
  if (!table.empty() && !mlr::test::exhaustive)
    return std::fprintf(stderr, "--table needs --exhaustive\n"), 2;
  const int status = RUN_ALL_TESTS();
  if (!table.empty()) mlr::test::writeTable(table);
  return status;
}
