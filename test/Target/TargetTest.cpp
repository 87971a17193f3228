// What is written out: LLVM IR, objects for other machines, shared libraries; large programs.
#include "../Loops/Runner.h"

#include "mlr/Target/C.h"

#include "llvm/Support/FileSystem.h"
#include <dlfcn.h>

namespace mlr::target::test {
namespace {

using namespace mlr::loops::test;

const char *const kNode = R"(mlr.node @acc(%x: tensor<20xf32>) -> (y: tensor<20xf32>) attributes {scheduled} {
  %zero = mlr.const dense<0.0> : tensor<20xf32>
  %p = mlr.fby %zero, %s : tensor<20xf32>
  %s = mlr.gen (%i) {
    %a = mlr.read %p[affine_map<(d0) -> (d0)>](%i) : tensor<20xf32> -> f32
    %b = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<20xf32> -> f32
    %c = mlr.fma %a, %b, %b : f32
    mlr.yield %c : f32
  } : tensor<20xf32>
  mlr.yield %s : tensor<20xf32>
})";

struct Lowered {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Lowered(const char *text, const loops::Options &options) {
    context.loadDialect<dataflow::MlrDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    auto node = *module->getOps<dataflow::NodeOp>().begin();
    store::attach(node, store::plan(node));
    EXPECT_TRUE(mlir::succeeded(loops::lowerToLoops(*module, options)));
  }
};

std::optional<Machine> machine(const MachineName &name) {
  auto found = Machine::find(name);
  if (auto *error = std::get_if<Error>(&found)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::move(std::get<Machine>(found));
}

TEST(C, HasNoConstantThatOnlyDeadCodeReads) {
  Lowered lowered(R"(mlr.node @n(%x: i32) -> (y: tensor<2xi32>) attributes {scheduled} {
  %c = mlr.const dense<[-3, 2]> : tensor<2xi32>
  %y = mlr.gen (%i) {
    %a = mlr.read %c[affine_map<(d0) -> (d0)>](%i) : tensor<2xi32> -> i32
    %zero = mlr.sub %x, %x : i32
    %q = mlr.div %a, %zero : i32
    mlr.yield %q : i32
  } : tensor<2xi32>
  mlr.yield %y : tensor<2xi32>
})", loops::Options{.vectorBits = 0});
  auto files = emitC(*lowered.module);
  ASSERT_TRUE(mlir::succeeded(files));
  EXPECT_EQ((*files)["n.c"].find("n_constant"), std::string::npos) << (*files)["n.c"];
}

/// gcc and clang warn of x > x and n <= n (-Wtautological-compare).
TEST(C, ComparesNothingWithItselfButForNumbers) {
  Lowered lowered(R"(mlr.node @n(%x: f32, %n: i32) -> (a: i1, b: i1, c: i1) attributes {scheduled} {
  %s = mlr.add %x, %x : f32
  %a = mlr.gt %s, %s : f32
  %b = mlr.le %n, %n : i32
  %c = mlr.ge %x, %x : f32
  mlr.yield %a, %b, %c : i1, i1, i1
})", loops::Options{.vectorBits = 0});
  auto files = emitC(*lowered.module);
  ASSERT_TRUE(mlir::succeeded(files));
  const std::string &text = (*files)["n.c"];
  EXPECT_EQ(text.find(" > "), std::string::npos) << text;
  EXPECT_EQ(text.find(" + "), std::string::npos) << "nobody needs the sum: " << text;
  EXPECT_EQ(text.find(" <= "), std::string::npos) << text;
  EXPECT_NE(text.find(" == "), std::string::npos) << text;
}

TEST(C, HasNothingThatOnlyADeadSoftwareFmaNeeds) {
  loops::Options options{.vectorBits = 0};
  options.hasFma = options.hasFma64 = false;
  Lowered lowered(R"(mlr.node @n(%x: f64) -> (y: f64) attributes {scheduled} {
  %one = mlr.const 1 : i32
  %zero = mlr.const 0 : i32
  %c = mlr.lt %zero, %one : i32
  %tenth = mlr.const 0.1 : f64
  %p = mlr.mul %x, %tenth : f64
  %q = mlr.fma %p, %x, %x : f64
  %y = mlr.select %c, %x, %q : f64
  mlr.yield %y : f64
})", options);
  auto files = emitC(*lowered.module);
  ASSERT_TRUE(mlir::succeeded(files));
  EXPECT_EQ((*files)["n.c"].find(" * 0.1"), std::string::npos) << (*files)["n.c"];
}

TEST(Emit, ObjectsForOtherMachines) {
  for (const MachineName &name : {MachineName{"aarch64-linux-gnu", "", ""}, {"thumbv7em-none-eabihf", "cortex-m4", ""},
                                  {"thumbv7em-none-eabihf", "cortex-m7", ""}, {"riscv64-unknown-elf", "", "+m,+a,+f,+d,+c"},
                                  {"riscv32-unknown-elf", "", "+m,+f"}, {"wasm32-unknown-unknown", "", ""},
                                  {"x86_64-linux-gnu", "x86-64", ""}, {"x86_64-linux-gnu", "skylake-avx512", ""}}) {
    SCOPED_TRACE(name.triple + " " + name.cpu);
    auto m = machine(name);
    ASSERT_TRUE(m);
    Lowered lowered(kNode, m->loopsOptions());
    auto code = translate(*lowered.module, *m);
    ASSERT_TRUE(std::holds_alternative<Code>(code)) << std::get<Error>(code).message;
    optimize(std::get<Code>(code), *m);
    auto bytes = object(std::get<Code>(code), *m);
    ASSERT_TRUE(std::holds_alternative<std::vector<char>>(bytes)) << std::get<Error>(bytes).message;
    EXPECT_GT(std::get<std::vector<char>>(bytes).size(), 200u);
  }
}

TEST(Emit, NoBackEndOrCpuIsAnError) {
  EXPECT_TRUE(std::holds_alternative<Error>(Machine::find({"pdp11-dec-ultrix", "", ""})));
  EXPECT_TRUE(std::holds_alternative<Error>(Machine::find({"aarch64-linux-gnu", "no-such-cpu", ""})));
}

TEST(Emit, TargetsWithoutFmaGetTheSoftwareOne) {
  auto m = machine({"x86_64-linux-gnu", "x86-64", ""});
  ASSERT_TRUE(m);
  EXPECT_FALSE(m->loopsOptions().hasFma);
  Lowered lowered(kNode, m->loopsOptions());
  auto code = translate(*lowered.module, *m);
  std::string ir = text(std::get<Code>(code));
  EXPECT_EQ(ir.find("llvm.fma"), std::string::npos);
  EXPECT_NE(ir.find("mlr_fma_f32"), std::string::npos);
}

TEST(Emit, NothingIsContractedOrFast) {
  auto m = machine({});
  ASSERT_TRUE(m);
  Lowered lowered(kNode, m->loopsOptions());
  auto code = translate(*lowered.module, *m);
  optimize(std::get<Code>(code), *m);
  std::string ir = text(std::get<Code>(code));
  for (const char *flag : {" fast ", " contract ", " reassoc ", " nnan ", " nsz ", "fmuladd"})
    EXPECT_EQ(ir.find(flag), std::string::npos) << flag;
}

TEST(Emit, SharedLibraryRuns) {
  auto m = machine({});
  ASSERT_TRUE(m);
  Lowered lowered(kNode, m->loopsOptions());
  auto code = translate(*lowered.module, *m);
  optimize(std::get<Code>(code), *m);
  auto bytes = object(std::get<Code>(code), *m);
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("mlr", "so", path));
  auto written = writeShared(std::get<std::vector<char>>(bytes), path.str().str());
  ASSERT_TRUE(std::holds_alternative<std::monostate>(written)) << std::get<Error>(written).message;
  void *library = dlopen(path.c_str(), RTLD_NOW);
  ASSERT_TRUE(library) << dlerror();
  auto step = reinterpret_cast<void (*)(void *, void *, const void *, void *)>(dlsym(library, "acc_step"));
  auto reset = reinterpret_cast<void (*)(void *)>(dlsym(library, "acc_reset"));
  ASSERT_TRUE(step && reset);
  std::vector<float> state(20, 9), x(20), y(20);
  for (size_t i = 0; i < 20; ++i) x[i] = static_cast<float>(i) * 0.1f;
  reset(state.data());
  step(state.data(), nullptr, x.data(), y.data());
  expectSame(y, x);
  dlclose(library);
  llvm::sys::fs::remove(path);
}

TEST(Jit, StraightLineProgramsOfManyOperations) {
  // Values reach far, so that they cross the functions that large blocks are cut into.
  constexpr int n = 12000;
  std::string text = "mlr.node @f(%x: f32) -> (y: f32, z: f32) attributes {scheduled} {\n  %c = mlr.const 0.75 : f32\n  %v0 = mlr.add %x, %c : f32\n";
  std::vector<float> v{1.25f};
  Random random(6);
  for (int i = 1; i < n; ++i) {
    auto reach = static_cast<unsigned>(random.bits() % 20 == 0 ? i : std::min(i, 100));
    size_t j = static_cast<size_t>(i) - 1 - random.bits() % reach;
    bool product = random.bits() % 2;
    text += fmt::format("  %v{} = mlr.{} %v{}, %v{} : f32\n", i, product ? "max" : "sub", i - 1, j);
    float a = v.back(), b = v[j];
    v.push_back(product ? (a > b || a != a ? a : b) : a - b);
  }
  text += fmt::format("  mlr.yield %v{}, %v{} : f32, f32\n}}", n - 1, n / 2);
  Runner r(text, host().loopsOptions());
  ASSERT_TRUE(r);
  r.in<float>("x", {0.5f});
  r.step();
  expectSame(r.out<float>("y"), {v.back()});
  expectSame(r.out<float>("z"), {v[n / 2]});
}

TEST(Jit, VectorsThatCrossTheFunctionsOfALargeBlock) {
  constexpr int n = 9000;
  std::string text = "mlr.node @f(%x: tensor<16xf32>) -> (y: tensor<16xf32>) attributes {scheduled} {\n  %y = mlr.gen (%i) {\n"
                     "    %v0 = mlr.read %x[affine_map<(d0) -> (d0)>](%i) : tensor<16xf32> -> f32\n";
  std::vector<std::vector<float>> v(1);
  for (int k = 0; k < 16; ++k) v[0].push_back(0.25f * static_cast<float>(k) - 1.5f);
  Random random(7);
  for (int i = 1; i < n; ++i) {
    auto reach = static_cast<unsigned>(random.bits() % 20 == 0 ? i : std::min(i, 8));
    size_t j = static_cast<size_t>(i) - 1 - random.bits() % reach;
    bool greater = random.bits() % 2;
    text += fmt::format("    %v{} = mlr.{} %v{}, %v{} : f32\n", i, greater ? "max" : "sub", i - 1, j);
    std::vector<float> next;
    for (size_t k = 0; k < 16; ++k) {
      float a = v.back()[k], b = v[j][k];
      next.push_back(greater ? (a > b || a != a ? a : b) : a - b);
    }
    v.push_back(std::move(next));
  }
  text += fmt::format("    mlr.yield %v{} : f32\n  }} : tensor<16xf32>\n  mlr.yield %y : tensor<16xf32>\n}}", n - 1);
  Runner r(text, host().loopsOptions());
  ASSERT_TRUE(r);
  r.in<float>("x", v[0]);
  r.step();
  expectSame(r.out<float>("y"), v.back());
}

} // namespace
} // namespace mlr::target::test
