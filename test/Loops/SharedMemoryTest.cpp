// Random nodes give the same with the memory that the planner shares and with memory of its own for each
// value.
#include "Runner.h"
#include "test/Store/RandomNode.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::loops::test;

namespace {

/// Every value that is no constant, argument or kept state goes to scratch of its own.
void separate(NodeOp node, mlr::store::Plan &plan) {
  auto move = [&](Value v) {
    auto it = plan.locations.find(v);
    if (it == plan.locations.end()) return;
    auto tensor = dyn_cast<RankedTensorType>(v.getType());
    mlr::store::Buffer b;
    b.id = plan.buffers.size();
    b.element = tensor ? tensor.getElementType() : v.getType();
    if (tensor) b.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    b.offset = (plan.scratchBytes + 63) / 64 * 64;
    plan.scratchBytes = b.offset + b.bytes();
    plan.buffers.push_back(b);
    it->second = {b.id, 0, {}};
  };
  node->walk([&](Operation *op) {
    if (op == node || isa<ConstOp>(op)) return;
    for (auto [i, result] : llvm::enumerate(op->getResults())) {
      auto it = plan.locations.find(result);
      if (it == plan.locations.end()) continue;
      bool slot = isa<FbyOp, WindowOp, FirstOp>(op) &&
                  plan.buffers[it->second.buffer].space == mlr::store::Space::State;
      // What a scan yields stays where the body leaves it.
      if (isa<ScanOp>(op)) it->second = plan.locations.lookup(bodyOf(op).getTerminator()->getOperand(i));
      else if (!slot) move(result);
    }
  });
}

/// Outputs of three steps on the same inputs.
std::vector<int32_t> run(const std::string &text, mlr::loops::Options options, bool shared) {
  Runner r(text, options, [&](NodeOp node, mlr::store::Plan &plan) {
    if (!shared) separate(node, plan);
    mlr::store::attach(node, plan);
    EXPECT_TRUE(succeeded(mlr::store::validate(node)));
  });
  std::vector<int32_t> all;
  if (!r) return all;
  for (int step = 0; step < 3; ++step) {
    Random random(step + 1);
    for (const mlr::store::Buffer &b : std::vector(r.plan.buffers)) {
      if (b.space != mlr::store::Space::In) continue;
      std::vector<int32_t> values(b.elements());
      for (auto &v : values) v = static_cast<int32_t>(random.bits() % 1000);
      r.in(b.name, values);
    }
    r.step();
    for (const mlr::store::Buffer &b : r.plan.buffers)
      if (b.space == mlr::store::Space::Out) {
        auto values = r.out<int32_t>(b.name);
        all.insert(all.end(), values.begin(), values.end());
      }
  }
  return all;
}

} // namespace

TEST(SharedMemory, ChangesNoResult) {
  const char *many = std::getenv("MLR_STORE_RANDOM"), *only = std::getenv("MLR_STORE_SEED");
  unsigned first = only ? std::atoi(only) : 0, count = only ? 1 : many ? std::atoi(many) : 30;
  for (unsigned seed = first; seed < first + count; ++seed) {
    std::string text = mlr::store::test::RandomNode(seed, 3 + seed % 7).text();
    mlr::loops::Options options = seed % 2 ? scalarOptions() : host().loopsOptions();
    auto separate = run(text, options, false), shared = run(text, options, true);
    EXPECT_EQ(separate, shared) << "seed " << seed << "\n" << (only ? text : "");
    if (HasFailure()) return;
  }
}
