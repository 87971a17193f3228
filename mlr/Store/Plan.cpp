#include "mlr/Store/Plan.h"
#include "mlr/Store/Storage.h"
#include "mlr/Store/Tables.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

const char *name(Space space) {
  switch (space) {
  case Space::State: return "state";
  case Space::Scratch: return "scratch";
  case Space::In: return "in";
  case Space::Out: return "out";
  case Space::Rom: return "rom";
  }
  return "?";
}

int64_t Buffer::elements() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

int64_t Buffer::bytes() const { return elements() * elementBytes(element); }

namespace {

/// Tensors of a cache line or more start at one, for vector loads; the others as C would align them.
int64_t scratchAlignment(const Buffer &b) { return b.bytes() >= 64 ? 64 : elementBytes(b.element); }

class Planner {
public:
  explicit Planner(NodeOp node) : node(node), storage(node) {}
  Plan run();

private:
  void useOutputs();
  void addScratch();
  void addLocations();

  NodeOp node;
  Storage storage;
  Plan plan;
  std::vector<int64_t> bufferOf;  ///< of each root
};

Plan Planner::run() {
  bufferOf = addTables(node, storage, plan);
  useOutputs();
  addScratch();
  addLocations();
  return std::move(plan);
}

/// An output's operand that has memory of its own has it in Out.
void Planner::useOutputs() {
  int64_t firstOut = node.getFunctionType().getNumInputs();
  for (auto [i, value] : llvm::enumerate(bodyOf(node).getTerminator()->getOperands())) {
    plan.outputs.push_back({firstOut + static_cast<int64_t>(i), 0, {}});
    const Place *place = storage.place(value);
    if (!place || !isa<RankedTensorType>(value.getType())) continue;
    Value owner = storage.owner(value);
    bool whole = storage.roots[place->root].value == owner && storage.roots[place->root].kind == Root::Temporary;
    if (whole && bufferOf[place->root] < 0) bufferOf[place->root] = plan.outputs.back().buffer;
  }
}

void Planner::addScratch() {
  StructLayout scratch;
  for (size_t i = 0; i < storage.roots.size(); ++i) {
    if (bufferOf[i] >= 0) continue;
    const Root &root = storage.roots[i];
    Buffer b;
    b.id = bufferOf[i] = plan.buffers.size();
    b.space = Space::Scratch;
    b.element = elementOf(root.value.getType());
    b.shape.assign(shapeOf(root.value.getType()).begin(), shapeOf(root.value.getType()).end());
    b.offset = scratch.add(b.bytes(), scratchAlignment(b));
    b.name = sourceName(root.value.getDefiningOp()).str();
    b.reason = root.kind == Root::Slot ? describeSlot(root.value.getDefiningOp()) : "value";
    plan.buffers.push_back(std::move(b));
  }
  plan.scratchBytes = scratch.size();
}

void Planner::addLocations() {
  auto add = [&](Value value) {
    if (!isa<RankedTensorType>(value.getType()) && storage.owner(value) != value) return;
    if (const Place *p = storage.place(value)) plan.locations[value] = {bufferOf[p->root], p->offset, p->rows};
  };
  for (BlockArgument arg : bodyOf(node).getArguments()) add(arg);
  node->walk([&](Operation *op) {
    for (Value result : op->getResults()) add(result);
  });
}

} // namespace

Plan plan(NodeOp node) { return Planner(node).run(); }

} // namespace mlr::store
