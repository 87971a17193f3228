// Import and passes against the reference interpreter, to the bit: on the sources below, the examples, and
// each *.mlr of the folder that the environment variable MLR_PROGRAMS names.
#include "Machine.h"

#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Eval/Interpreter.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/thread.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

namespace mlr::test {
namespace {

/// Numbers of all kinds, mostly tame: indices near the axes, floats around 1, some zeros and, now and then,
/// extremes.
Array randomArray(const Type &type, std::mt19937 &random) {
  Array a(type);
  std::byte *bytes = a.mutate();
  for (int64_t i = 0; i < type.elements(); ++i) {
    double tame = std::ldexp(static_cast<double>(random() % 4001) - 2000, -9);
    const double extremes[] = {0.0, -0.0, INFINITY, NAN, 1e30, -1e-40};
    if (random() % 16 == 0) tame = extremes[random() % 6];
    int64_t small = static_cast<int64_t>(random() % 11) - 3;
    auto put = [&](auto v) { std::memcpy(bytes + i * sizeof v, &v, sizeof v); };
    switch (type.scalar) {
    case Scalar::Bool: put(static_cast<uint8_t>(random() % 2)); break;
    case Scalar::I8:
    case Scalar::U8: put(static_cast<int8_t>(small)); break;
    case Scalar::I16:
    case Scalar::U16: put(static_cast<int16_t>(small)); break;
    case Scalar::I32:
    case Scalar::U32: put(static_cast<int32_t>(small)); break;
    case Scalar::I64:
    case Scalar::U64: put(static_cast<int64_t>(small)); break;
    case Scalar::F16: put(static_cast<uint16_t>(0x3000 + random() % 0x1800)); break;
    case Scalar::BF16: put(static_cast<uint16_t>(0x3e00 + random() % 0x0300)); break;
    case Scalar::F32: put(static_cast<float>(tame)); break;
    case Scalar::F64: put(tame); break;
    }
  }
  return a;
}

Bytes bytesOf(const Array &a) {
  const char *data = reinterpret_cast<const char *>(a.data());
  return Bytes(data, data + a.bytes());
}

/// Equal to the bit, all NaNs being one value.
bool sameBits(const Array &expected, const Bytes &actual) {
  if (expected.bytes() != actual.size()) return false;
  size_t width = byteSize(expected.type().scalar);
  auto isNaN = [&](uint64_t bits) {
    switch (expected.type().scalar) {
    case Scalar::F16: return (bits & 0x7fff) > 0x7c00;
    case Scalar::BF16: return (bits & 0x7fff) > 0x7f80;
    case Scalar::F32: return (bits & 0x7fffffff) > 0x7f800000;
    case Scalar::F64: return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
    default: return false;
    }
  };
  for (size_t i = 0; i < actual.size(); i += width) {
    uint64_t x = 0, y = 0;
    std::memcpy(&x, expected.data() + i, width);
    std::memcpy(&y, actual.data() + i, width);
    if (x != y && !(isNaN(x) && isNaN(y))) return false;
  }
  return true;
}

using Pass = mlir::LogicalResult (*)(mlir::ModuleOp);

struct Stage {
  const char *name;
  Pass pass;
};
const Stage stages[] = {
    {"inlineCalls", dataflow::inlineCalls},
    {"normalizeTime", dataflow::normalizeTime},
    {"simplify", [](mlir::ModuleOp m) { return dataflow::simplify(m); }},
    {"streamSegments", dataflow::streamSegments},
    {"simplify again", [](mlir::ModuleOp m) { return dataflow::simplify(m); }},
    {"guardWork", dataflow::guardWork},
    {"verifyNormalized", dataflow::verifyNormalized},
};

void compareRoot(const NodeInstance &node, mlir::ModuleOp module, const char *stage, int steps) {
  auto op = mlir::SymbolTable(module).lookup<dataflow::NodeOp>(node.name);
  ASSERT_TRUE(op);
  eval::Interpreter reference(node, {});
  Machine machine(op);
  std::mt19937 random(1);
  for (int n = 0; n < steps; ++n) {
    std::vector<Array> inputs;
    std::vector<Bytes> bytes;
    for (VarId v : node.inputs) {
      inputs.push_back(randomArray(node.vars[v].type, random));
      bytes.push_back(bytesOf(inputs.back()));
    }
    auto expected = reference.step(inputs);
    ASSERT_TRUE(std::holds_alternative<std::vector<Array>>(expected))
        << std::get<eval::Error>(expected).message;
    auto actual = machine.step(bytes);
    size_t result = 0; // presence flags stand behind the outputs of slower clocks
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      size_t place = result++;
      bool isPresent = reference.present()[k];
      if (op.getPresence() && result < actual.size() && (*op.getPresence())[result] == static_cast<int64_t>(place))
        EXPECT_EQ(actual[result++][0], isPresent) << node.name << " after " << stage << ", instant " << n;
      if (isPresent)
        EXPECT_TRUE(sameBits(std::get<0>(expected)[k], actual[place]))
            << node.name << " after " << stage << ", instant " << n << ", output " << node.vars[node.outputs[k]].name;
    }
    if (testing::Test::HasFailure()) return;
  }
}

void compareText(const std::string &path, const std::string &text, int steps, const char *rootName) {
  SourceMap sources;
  uint32_t file = sources.add(path, text);
  Diagnostics diagnostics(sources);
  ast::File tree = ast::parse(file, diagnostics);
  CheckOptions options;
  options.stdPath = MLR_SOURCE_DIR "/std";
  if (rootName) options.root = rootName;
  std::optional<Program> program;
  if (!diagnostics.hasErrors()) program = check(tree, sources, options, diagnostics);
  std::string errors;
  for (const Diagnostic *d : diagnostics.sorted()) errors += render(*d, sources, false);
  if (!program && rootName) { // a random program
    std::cout << "refused: " << path << "\n";
    return;
  }
  ASSERT_TRUE(program) << path << "\n" << errors;
  for (const auto &node : program->nodes)
    if (node->isExtern) return; // there is no C here: test/extern.py
  if (program->takesDerivatives) return; // they mean what Diff makes of them: test/gradients.py
  mlir::MLIRContext context;
  auto module = dataflow::importProgram(*program, sources, context);
  ASSERT_TRUE(module) << path;
  bool hasCalls = false;
  module->walk([&](dataflow::CallOp) { hasCalls = true; });
  if (!hasCalls && steps > 1)
    for (const NodeInstance *root : program->roots) compareRoot(*root, *module, "import", steps);
  for (const Stage &s : stages) {
    if (testing::Test::HasFailure()) break;
    ASSERT_TRUE(mlir::succeeded(s.pass(*module))) << path << ": " << s.name;
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module))) << path << ": " << s.name;
    // Large programs (steps == 1) are compared once, after all that changes them.
    if (steps == 1 && llvm::StringRef(s.name) != "guardWork") continue;
    for (const NodeInstance *root : program->roots) compareRoot(*root, *module, s.name, steps);
  }
  EXPECT_FALSE(testing::Test::HasFailure()) << path;
}

/// The machine recurses through instants, so it gets a large stack.
void compare(const std::string &path, const std::string &text, int steps = 3,
             const char *rootName = nullptr) {
  llvm::thread worker(std::optional<unsigned>(1u << 30), [&] { compareText(path, text, steps, rootName); });
  worker.join();
}

std::string contentsOf(const std::filesystem::path &path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Agreement, Examples) {
  std::vector<std::filesystem::path> files;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(MLR_SOURCE_DIR "/examples"))
    if (entry.path().extension() == ".mlr") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  EXPECT_FALSE(files.empty());
  for (const auto &f : files) compare(f.string(), contentsOf(f), 1);
}

TEST(Agreement, ProgramsOfTheEnvironment) {
  const char *folder = std::getenv("MLR_PROGRAMS");
  if (!folder) GTEST_SKIP() << "MLR_PROGRAMS is not set";
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".mlr")
      compare(entry.path().string(), contentsOf(entry.path()), 3, "main");
}

TEST(Agreement, RecurrencesBothWays) {
  compare("both.mlr", R"(
node main(x: f32[7], r: f32) -> (y: f32[7], f: f32, s: f32) {
  scan t < 7 {
    a = 0.5 * (r fby a) + x[t];
    w = 0.9 * (w eby 2.0) + a;
    q = 0.25 * (w fby q) + w;
    acc = x[t] * x[t] + (0.0 fby acc);
    y[t] = q / final acc;
    f = initial w;
  }
  s = x[0] -> pre s + f;
}
)");
}

TEST(Agreement, FunsInComprehensions) {
  compare("funs.mlr", R"(
fun soft<<N: size>>(x: f32[N]) -> (y: f32[N]) {
  m = max(x);
  e = exp(x - m);
  y = e / sum(e);
}
fun pair(a: f32, b: f32) -> (p: f32, q: f32) { c = a * b; p = c + a; q = c - b; }
fun two<<N: size>>(x: f32[N], w: f32[N]) -> (y: f32[N], z: f32) {
  n = w / sum(w);
  (p, q) = pair(x[0], x[1]);
  y = [x[i] * n[i] + p for i < N];
  z = sum(x * n) + q;
}
fun both<<N: size>>(x: f32[N], w: f32[N]) -> (r: f32[N]) { (y, z) = two(x, w); r = y * z; }
node main(x: f32[4, 8], w: f32[8, 3], v: f32[8]) -> (y: f32[4, 8], z: f32[4, 3], r: f32[4, 8], k: f32[4], q: i32[4]) {
  y = [soft(x[i]) for i < 4];
  z = x @ w;
  r = [both(x[i], v) for i < 4];
  k = [sum(soft(x[i])[j] * v[7 - j] for j < 8) - sum(v) for i < 4];
  q = [argmax(x[i, j] for j < 8) + i for i < 4];
}
)");
}

TEST(Agreement, IndicesClampedAndPadded) {
  compare("indices.mlr", R"(
node main(x: f32[8], n: i32, u: u8, m: f32[4, 6]) -> (a: f32[8], b: f32[3], c: f32, d: f32[6], e: f32[3, 8], f: f32[4], g: f32[8]) {
  a = [at(x, i - 1, 0.5) + at(x, i + n, 0.25) for i < 8];
  b = x[n ..+ 3];
  c = x[n] + m[n, n + 1] + x[u];
  d = m[n] + m[3];
  e = [(x + x[0])[j - n] * m[i, 2] for i < 3, j < 8];
  f = [sum(m[i, ..] * m[0, ..]) for i < 4];
  g = concat(x[2..4], x[0..6]);
}
)");
}

TEST(Agreement, IntegersAndNarrowFloats) {
  compare("numbers.mlr", R"(
node main(a: i8[4], b: u16[4], h: f16[5], k: bf16[5], x: f32[4]) -> (p: i8[4], q: u16[4], s: f16, m: bf16, i: i32[4], w: f16[5], z: i64) {
  p = a * a - a / (a - a) + a % i8(3);
  q = shl(b, u16(3)) / (b + u16(1));
  s = mean(h) + sum(h * h);
  m = max(k) * k[1];
  i = [i32(x[j] * 1e10) + i32(a[j]) for j < 4];
  w = fma(h, h, h) / f16(3.0);
  z = sum([i64(a[j]) * i64(j) for j < 4]);
}
)");
}

TEST(Agreement, ScansThatEndEarlyOrResume) {
  compare("scans.mlr", R"(
node main(x: f32[6], l: f32) -> (y: f32[6], n: i32, f: f32, r: f32[6], g: f32[6, 6]) {
  scan t < 6 until s > l {
    s = x[t] * x[t] + (0.0 fby s);
    b = x[t] + (b eby s);
    y[t] = s + b;
    f = final b;
    n = count(t);
  }
  scan t < 6 resume {
    o = x[t] + (0.0 fby o);
    r[t] = o;
  }
  scan t < 6 {
    c = [x[i] * x[t] for i < 6];
    d = c + ([0.0 for i < 6] fby d);
    e = d + (e eby c);
    g[t] = e / sum(final d);
  }
}
)",
          4);
}

TEST(Agreement, ConstantsAndState) {
  compare("constants.mlr", R"(
const W: f32[6] = [sin(f32(i)) for i < 6];
const S: f32 = sum(W);
node cell(x: f32[6], h: f32[6]) -> (y: f32[6]) { y = [sum(W[(i + k) % 6] * h[k] for k < 6) for i < 6] + x * S; }
node main(x: f32[6]) -> (y: f32[6], w: f32[3, 6]) {
  y = cell(x, [0.0 for i < 6] fby y);
  w = window<<3>>(y, W);
}
)",
          5);
}

TEST(Agreement, ElementsAtIndicesOfEveryIntegerType) {
  compare("indices.mlr", R"(
const W: i64[3] = [i64(i * 2 + 1) for i < 3];
node main(a: u32, b: i64, c: u8) -> (y: i64, z: i32[2]) {
  y = W[a] + W[b] + W[c];
  z = [[i * 3 - j for i < 3][a] for j < 2];
}
)",
          4);
}

TEST(Agreement, MemoriesThatOnlyOneSideOfASelectionReadsAdvanceAlways) {
  compare("memory.mlr", R"(
node main(c: bool, x: f32[64]) -> (y: f32, z: f32[64]) {
  s = (0 fby s) + x;
  y = if c then sum(s) else 0;
  scan t < 64 {
    a = (0 fby a) + x;
    b = x + (b eby 1);
    z[t] = if t > 40 then sum(a) else if t < 9 then sum(b) else 0;
  }
}
)",
          5);
}

} // namespace
} // namespace mlr::test
