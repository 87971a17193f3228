// Random gens and reductions: vector code of every width gives the bits of scalar code. What is read how (contiguous,
// strided, reversed, divided, clamped, constant, dynamic) is drawn, and tensors are as large as their reads need.
#include "Runner.h"

namespace mlr::loops::test {
namespace {

class RandomGen {
public:
  explicit RandomGen(uint64_t seed) : random(seed) {}

  std::string text();
  struct Input {
    std::string name, type;
    std::vector<int64_t> shape;
    size_t count() const {
      size_t n = 1;
      for (int64_t s : shape) n *= static_cast<size_t>(s);
      return n;
    }
  };
  std::vector<Input> inputs;
  std::string element;

private:
  struct Index {
    std::string name;
    int64_t size;
  };
  int64_t pick(std::initializer_list<int64_t> from) { return from.begin()[random.bits() % from.size()]; }
  bool chance(unsigned percent) { return random.bits() % 100 < percent; }
  std::string fresh() { return "%t" + std::to_string(next++); }
  std::string shapeText(const std::vector<int64_t> &shape) {
    std::string out;
    for (int64_t s : shape) out += std::to_string(s) + "x";
    return out;
  }
  std::string read(const std::vector<Index> &scope);
  std::string expression(const std::vector<Index> &scope, int depth);
  std::string reduce(std::vector<Index> scope, int depth);
  std::string operation(const char *op, std::initializer_list<std::string> operands);

  Random random;
  std::string body, constants;
  int next = 0, reads = 0;
};

/// One axis of a read: an affine expression and the size of an axis that holds it.
std::string RandomGen::read(const std::vector<Index> &scope) {
  auto rank = static_cast<size_t>(pick({1, 2, 2, 3}));
  std::string dims, expressions, clamp, operands;
  for (size_t k = 0; k < scope.size(); ++k) {
    dims += fmt::format("{}d{}", k ? ", " : "", k);
    operands += (k ? ", " : "") + scope[k].name;
  }
  bool clamped = false;
  std::vector<int64_t> shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    std::string e;
    int64_t least = 0, most = 0;
    for (size_t k = 0; k < scope.size(); ++k) {
      int64_t c = pick({0, 0, 1, 1, 1, 2, -1});
      if (c == 0 || std::abs(c) * scope[k].size > 200 || most - least > 100) continue;
      e += fmt::format("{}{} * d{}", e.empty() ? "" : " + ", c, k);
      (c > 0 ? most : least) += c * (scope[k].size - 1);
    }
    if (e.empty()) e = "0";
    e = fmt::format("{} + {}", e, -least);
    most -= least;
    if (most > 3 && chance(15)) {
      int64_t by = pick({2, 3});
      e = chance(50) ? fmt::format("({}) floordiv {}", e, by) : fmt::format("({}) mod {}", e, by);
      most = most / by + by;
    }
    bool clampThis = chance(25);
    clamped |= clampThis;
    shape.push_back(clampThis ? std::max<int64_t>(1, most - pick({0, 2, 5})) : most + 1);
    if (clampThis && chance(50)) e += " - 2";
    expressions += (axis ? ", " : "") + e;
    clamp += std::string(axis ? ", " : "") + (clampThis ? "true" : "false");
  }
  std::string name = "%x" + std::to_string(reads++), type = shapeText(shape) + element;
  if (chance(30)) {
    std::string numbers;
    size_t n = 1;
    for (int64_t s : shape) n *= static_cast<size_t>(s);
    for (size_t k = 0; k < n; ++k) numbers += fmt::format("{}{}", k ? ", " : "", element[0] == 'f' ? fmt::format("{:.6e}", random.real()) : std::to_string(static_cast<int8_t>(random.bits())));
    constants += fmt::format("  {0}f = mlr.const dense<[{1}]> : tensor<{2}x{3}>\n  {0} = mlr.reshape {0}f : tensor<{2}x{3}> -> tensor<{4}>\n", name, numbers, n, element, type);
    if (shape.size() == 1) {
      constants.resize(constants.rfind("  " + name + " ="));
      name += "f";
    }
  } else {
    inputs.push_back({name.substr(1), element, shape});
  }
  std::string value = fresh();
  body += fmt::format("    {} = mlr.read {}[affine_map<({}) -> ({})>]({}) {} : tensor<{}> -> {}\n", value, name, dims, expressions, operands,
                      clamped ? "clamp [" + clamp + "]" : "", type, element);
  return value;
}

std::string RandomGen::operation(const char *op, std::initializer_list<std::string> operands) {
  std::string value = fresh(), list;
  for (const std::string &o : operands) list += (list.empty() ? "" : ", ") + o;
  body += fmt::format("    {} = mlr.{} {} : {}\n", value, op, list, element);
  return value;
}

std::string RandomGen::expression(const std::vector<Index> &scope, int depth) {
  if (depth == 0 || chance(25)) {
    if (!chance(10)) return read(scope);
    std::string i = fresh(), value = fresh();
    body += fmt::format("    {} = mlr.convert {} : index to i32\n", i, scope[random.bits() % scope.size()].name);
    body += fmt::format("    {} = mlr.convert {} : i32 to {}\n", value, i, element);
    return value;
  }
  switch (random.bits() % 7) {
  case 0: case 1: return reduce(scope, depth - 1);
  case 2:
    if (element[0] == 'i') return operation("xor", {read(scope), expression(scope, depth - 1)});
    return operation("fma", {read(scope), expression(scope, depth - 1), read(scope)});
  case 3: return operation("max", {expression(scope, depth - 1), expression(scope, depth - 1)});
  case 4: return operation("mul", {expression(scope, depth - 1), read(scope)});
  case 5: {
    std::string x = expression(scope, depth - 1), y = read(scope), c = fresh(), value = fresh();
    body += fmt::format("    {} = mlr.lt {}, {} : {}\n    {} = mlr.select {}, {}, {} : {}\n", c, x, y, element, value, c, y, x, element);
    return value;
  }
  default: return operation("sub", {expression(scope, depth - 1), read(scope)});
  }
}

std::string RandomGen::reduce(std::vector<Index> scope, int depth) {
  std::string value = fresh(), kinds[] = {"sum", "sum", "sum", "max", "min", "prod", "sum tree", "argmax"};
  std::string kind = kinds[random.bits() % std::size(kinds)], sizes;
  for (int64_t n = pick({1, 1, 2}); n > 0; --n) {
    Index i{"%k" + std::to_string(next++), pick({1, 2, 4, 5, 7, 16, 35})};
    sizes += fmt::format("{}{} < {}", sizes.empty() ? "" : ", ", i.name, i.size);
    scope.push_back(i);
  }
  bool fused = kind.starts_with("sum") && chance(60), position = kind == "argmax";
  std::string whole = position ? fresh() : value;
  std::string outer;
  std::swap(outer, body);
  std::string x = expression(scope, depth), y = fused ? read(scope) : "";
  outer += fmt::format("    {} = mlr.reduce {} ({}) {{\n{}    mlr.yield {}{} : {}{}\n    }} : {}\n", whole, kind, sizes, body, x, fused ? ", " + y : "", element,
                       fused ? ", " + element : "", position ? "i32" : element);
  body = outer;
  if (position) body += fmt::format("    {} = mlr.convert {} : i32 to {}\n", value, whole, element);
  return value;
}

std::string RandomGen::text() {
  element = chance(70) ? "f32" : chance(50) ? "f64" : chance(50) ? "i16" : "i32";
  std::vector<Index> scope;
  std::vector<int64_t> shape;
  std::string indices;
  for (int64_t n = pick({1, 2, 2, 3}); n > 0; --n) {
    scope.push_back({"%i" + std::to_string(n), pick({1, 2, 3, 5, 8, 16, 17, 33})});
    shape.push_back(scope.back().size);
    indices += (indices.empty() ? "" : ", ") + scope.back().name;
  }
  std::string result = expression(scope, 3);
  std::string args;
  for (const Input &i : inputs) args += fmt::format("{}%{}: tensor<{}{}>", args.empty() ? "" : ", ", i.name, shapeText(i.shape), i.type);
  return fmt::format("mlr.node @f({}) -> (y: tensor<{}{}>) attributes {{scheduled}} {{\n{}  %y = mlr.gen ({}) {{\n{}    mlr.yield {} : {}\n  }} : tensor<{}{}>\n"
                     "  mlr.yield %y : tensor<{}{}>\n}}",
                     args, shapeText(shape), element, constants, indices, body, result, element, shapeText(shape), element, shapeText(shape), element);
}

template <class T> void compare(RandomGen &gen, const std::string &text, uint64_t seed) {
  std::vector<T> want;
  auto run = [&](Options o, const char *what) {
    Runner r(text, o);
    ASSERT_TRUE(r) << text;
    Random values(seed);
    for (const RandomGen::Input &i : gen.inputs) {
      std::vector<T> x;
      for (size_t k = 0; k < i.count(); ++k) {
        double v = values.bits() % 8 == 0 ? (values.bits() % 2 ? -0.0 : 0.0) : values.real();
        x.push_back(std::is_floating_point_v<T> ? static_cast<T>(v) : static_cast<T>(static_cast<int64_t>(values.bits() % 19) - 9));
      }
      r.in(i.name, x);
    }
    r.step();
    std::vector<T> got = r.template out<T>("y");
    if (want.empty()) want = got;
    expectSame(got, want, what);
    if (::testing::Test::HasFailure()) FAIL() << text;
  };
  run(scalarOptions(), "scalar");
  for (unsigned bits : {128u, 256u, 512u}) {
    if (bits > host().loopsOptions().vectorBits) continue;
    Options o = host().loopsOptions();
    o.vectorBits = bits;
    run(o, bits == 128 ? "128 bits" : bits == 256 ? "256 bits" : "512 bits");
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RandomKernels, VectorCodeGivesTheBitsOfScalarCode) {
  const char *from = std::getenv("MLR_RANDOM_KERNELS_FROM"), *count = std::getenv("MLR_RANDOM_KERNELS");
  uint64_t first = from ? std::strtoull(from, nullptr, 10) : 1, n = count ? std::strtoull(count, nullptr, 10) : 40;
  for (uint64_t seed = first; seed < first + n; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomGen gen(seed);
    std::string text = gen.text();
    RecordProperty("seed", static_cast<int>(seed));
    if (std::getenv("MLR_RANDOM_KERNELS_PRINT")) std::fprintf(stderr, "// seed %zu\n%s\n", static_cast<size_t>(seed), text.c_str());
    if (gen.element == "f32") compare<float>(gen, text, seed);
    else if (gen.element == "f64") compare<double>(gen, text, seed);
    else if (gen.element == "i16") compare<int16_t>(gen, text, seed);
    else compare<int32_t>(gen, text, seed);
    if (HasFailure()) return;
  }
}

} // namespace
} // namespace mlr::loops::test
