// Plans, lowers, compiles and runs one scheduled node given as text.
#pragma once

#include "mlr/Store/Plan.h"
#include "mlr/Target/Jit.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace mlr::loops::test {

/// Bytes aligned to 64, with a guard behind them that nobody may write.
class Guarded {
public:
  explicit Guarded(int64_t size, uint8_t fill) : size(static_cast<size_t>(size)), bytes(this->size + 192, fill) {
    std::memset(data() + size, 0xEE, 64);
  }
  uint8_t *data() {
    auto at = reinterpret_cast<uintptr_t>(bytes.data());
    return bytes.data() + ((at + 63) / 64 * 64 - at);
  }
  bool intact() {
    return std::all_of(data() + size, data() + size + 64, [](uint8_t b) { return b == 0xEE; });
  }

private:
  size_t size;
  std::vector<uint8_t> bytes;
};

inline const target::Machine &host() {
  static const target::Machine machine = [] {
    auto found = target::Machine::find({});
    if (auto *error = std::get_if<target::Error>(&found)) ADD_FAILURE() << error->message;
    return std::move(std::get<target::Machine>(found));
  }();
  return machine;
}

inline Options scalarOptions() {
  Options o = host().loopsOptions();
  o.vectorBits = 0;
  return o;
}

class Runner {
public:
  /// `change` may replace the plan.
  Runner(llvm::StringRef text, Options options, llvm::function_ref<void(dataflow::NodeOp, store::Plan &)> change = {}) {
    context.loadDialect<dataflow::MlrDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << "cannot parse";
    if (!module) return;
    auto node = *module->getOps<dataflow::NodeOp>().begin();
    plan = store::plan(node);
    if (change) change(node, plan);
    store::attach(node, plan);
    std::string name = node.getSymName().str();
    if (mlir::failed(lowerToLoops(*module, options)) || mlir::failed(mlir::verify(*module))) {
      ADD_FAILURE() << "cannot lower";
      return;
    }
    auto compiled = target::Jit::compile(*module, host());
    if (auto *error = std::get_if<target::Error>(&compiled)) {
      ADD_FAILURE() << error->message;
      return;
    }
    jit = std::move(std::get<std::unique_ptr<target::Jit>>(compiled));
    code = jit->node(name);
    EXPECT_NE(code, nullptr) << "no such node";
    if (!code) return;
    for (auto [size, fill] : {std::pair<int64_t, uint8_t>{code->stateBytes, 0xA5}, {code->scratchBytes, 0xA5},
                              {code->inBytes, 0}, {code->outBytes, 0xA5}})
      memory.push_back(std::make_unique<Guarded>(size, fill));
    reset();
  }
  explicit operator bool() const { return code != nullptr; }
  void reset() { code->reset(memory[0]->data()); }
  void step() {
    code->step(memory[0]->data(), memory[1]->data(), memory[2]->data(), memory[3]->data());
    for (auto &g : memory) EXPECT_TRUE(g->intact()) << "wrote past the end of a buffer";
  }
  template <class T> void in(llvm::StringRef name, const std::vector<T> &values) {
    const store::Buffer *b = find(store::Space::In, name);
    ASSERT_TRUE(b) << name.str();
    ASSERT_EQ(static_cast<size_t>(b->bytes()), values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(memory[2]->data() + b->offset, values.data(), values.size() * sizeof(T));
  }
  template <class T> std::vector<T> out(llvm::StringRef name) {
    const store::Buffer *b = find(store::Space::Out, name);
    EXPECT_TRUE(b) << name.str();
    std::vector<T> values(b ? static_cast<size_t>(b->bytes()) / sizeof(T) : 0);
    if (!values.empty()) std::memcpy(values.data(), memory[3]->data() + b->offset, values.size() * sizeof(T));
    return values;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  store::Plan plan;

private:
  const store::Buffer *find(store::Space space, llvm::StringRef name) const {
    for (const store::Buffer &b : plan.buffers)
      if (b.space == space && b.name == name) return &b;
    return nullptr;
  }
  std::unique_ptr<target::Jit> jit;
  const target::Jit::Node *code = nullptr;
  std::vector<std::unique_ptr<Guarded>> memory;  ///< state, scratch, in, out
};

/// Runs a check in scalar and in vector code.
template <class F> void inBoth(F check) {
  {
    SCOPED_TRACE("scalar code");
    check(scalarOptions());
  }
  for (unsigned bits : {128u, 256u, 512u}) {
    if (bits > host().loopsOptions().vectorBits) continue;
    SCOPED_TRACE("vectors of " + std::to_string(bits) + " bits");
    Options o = host().loopsOptions();
    o.vectorBits = bits;
    check(o);
  }
}

/// Deterministic values without structure.
class Random {
public:
  explicit Random(uint64_t seed = 1) : state(seed * 0x9E3779B97F4A7C15ull + 1) {}
  uint64_t bits() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  /// In -1 .. 1.
  double real() { return static_cast<double>(static_cast<int64_t>(bits())) * 0x1p-63; }
  template <class T> std::vector<T> reals(size_t n) {
    std::vector<T> out;
    for (size_t k = 0; k < n; ++k) out.push_back(static_cast<T>(real()));
    return out;
  }

private:
  uint64_t state;
};

/// Equal bits, all NaNs counting as one value.
template <class T> void expectSame(const std::vector<T> &got, const std::vector<T> &want, const char *what = "") {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t k = 0; k < got.size(); ++k) {
    if (got[k] != got[k] && want[k] != want[k]) continue;
    if (std::memcmp(&got[k], &want[k], sizeof(T)) != 0) {
      FAIL() << what << " element " << k << ": got " << +got[k] << ", want " << +want[k];
      return;
    }
  }
}

} // namespace mlr::loops::test
