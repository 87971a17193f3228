#include "mlr/Store/Plan.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Store/Coalesce.h"
#include "mlr/Store/Limits.h"
#include "mlr/Store/Offsets.h"
#include "mlr/Store/Reasons.h"
#include "mlr/Store/Tables.h"

#include "llvm/ADT/SetVector.h"

#include <set>

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

class Planner {
public:
  explicit Planner(NodeOp node)
      : node(node), timeline(node), storage(node, timeline), lifetimes(node, storage, timeline),
        coalesced(node, storage, lifetimes), reasons(node) {}
  Plan run();

private:
  using Class = Coalesced::Class;
  void placeFixed();
  void useOutputsBefore();
  void addScratch();
  void addLocations();
  void addReasons();
  TimedBlock blockOf(const Class &c) const;
  bool isReadByLines(const Class &c) const;

  /// Where a class is: buffer and first element. The buffer is -1 while it has none.
  struct Home {
    int64_t buffer = -1, offset = 0;
  };

  NodeOp node;
  Timeline timeline;
  Storage storage;
  Lifetimes lifetimes;
  Coalesced coalesced;
  Reasons reasons;
  Plan plan;
  std::vector<int64_t> tableOf; ///< buffer of each root that has one by its nature
  std::vector<Home> homes;      ///< of each class
};

Plan Planner::run() {
  tableOf = addTables(node, storage, plan);
  placeFixed();
  useOutputsBefore();
  addScratch();
  addLocations();
  return std::move(plan);
}

/// Tensors of a cache line or more start at one, for vector loads; the others as C would align them. A moment
/// at which an operation reads is one at which it writes, but to classes that are its own.
TimedBlock Planner::blockOf(const Class &c) const {
  int64_t size = elementBytes(c.element);
  TimedBlock block{c.elements * size, c.elements * size >= 64 ? 64 : size, {}};
  for (auto &[begin, s] : c.segments) {
    int64_t end = s.end | 1;
    if (!block.times.empty() && begin <= block.times.back().second)
      block.times.back().second = std::max(block.times.back().second, end);
    else block.times.push_back({begin, end});
  }
  return block;
}

void Planner::placeFixed() {
  homes.resize(coalesced.classes.size());
  int64_t firstOut = node.getFunctionType().getNumInputs();
  for (unsigned i = 0; i < storage.roots.size(); ++i)
    if (tableOf[i] >= 0) homes[coalesced.classOf(i)].buffer = tableOf[i];
  for (auto [i, c] : llvm::enumerate(coalesced.outputs)) {
    plan.outputs.push_back({firstOut + static_cast<int64_t>(i), 0, {}});
    homes[c].buffer = plan.outputs.back().buffer;
  }
}

bool Planner::isReadByLines(const Class &c) const {
  return llvm::any_of(c.roots, [&](unsigned root) {
    Operation *def = storage.roots[root].value.getDefiningOp();
    return def && def->hasAttr(readByLines);
  });
}

/// Memory of outputs that are not yet written is free storage: the largest classes go there, where they fit.
void Planner::useOutputsBefore() {
  constexpr size_t mostOutputs = 8;
  struct Guests {
    unsigned output;
    std::vector<std::pair<TimedBlock, int64_t>> placed; ///< with byte offsets
  };
  std::vector<Guests> hosts;
  for (unsigned c : coalesced.outputs) hosts.push_back({c, {{blockOf(coalesced.classes[c]), 0}}});
  llvm::stable_sort(hosts,
                    [](auto &a, auto &b) { return a.placed[0].first.bytes > b.placed[0].first.bytes; });
  if (hosts.size() > mostOutputs) hosts.resize(mostOutputs);
  std::vector<unsigned> order;
  for (unsigned c = 0; c < coalesced.classes.size(); ++c)
    if (homes[c].buffer < 0 && !coalesced.classes[c].roots.empty() && coalesced.classes[c].elements)
      order.push_back(c);
  llvm::stable_sort(order, [&](unsigned a, unsigned b) {
    return blockOf(coalesced.classes[a]).bytes > blockOf(coalesced.classes[b]).bytes;
  });
  for (unsigned c : order) {
    TimedBlock block = blockOf(coalesced.classes[c]);
    bool byLines = isReadByLines(coalesced.classes[c]);
    for (Guests &host : hosts) {
      if (coalesced.classes[host.output].element != coalesced.classes[c].element || host.placed.size() > 64)
        continue;
      if (byLines && plan.buffers[homes[host.output].buffer].offset % block.alignment != 0) continue;
      int64_t offset = lowestOffset(host.placed, block, byLines ? block.alignment : elementBytes(coalesced.classes[c].element));
      if (offset + block.bytes > host.placed[0].first.bytes) continue;
      host.placed.push_back({block, offset});
      homes[c] = {homes[host.output].buffer, offset / elementBytes(coalesced.classes[c].element)};
      break;
    }
  }
}

void Planner::addScratch() {
  std::vector<TimedBlock> blocks;
  std::vector<unsigned> ofClass;
  for (unsigned c = 0; c < coalesced.classes.size(); ++c) {
    if (homes[c].buffer >= 0 || coalesced.classes[c].roots.empty()) continue;
    blocks.push_back(blockOf(coalesced.classes[c]));
    ofClass.push_back(c);
  }
  Layout layout = assignOffsets(blocks);
  plan.scratchBytes = layout.bytes;
  for (auto [i, c] : llvm::enumerate(ofClass)) {
    const Root &root = storage.roots[coalesced.classes[c].roots.front()];
    Buffer b;
    b.id = homes[c].buffer = plan.buffers.size();
    b.element = coalesced.classes[c].element;
    b.shape.assign(shapeOf(root.value.getType()).begin(), shapeOf(root.value.getType()).end());
    b.offset = layout.offsets[i];
    b.name = reasons.name(root.value);
    plan.buffers.push_back(std::move(b));
  }
}

void Planner::addLocations() {
  auto add = [&](Value value) {
    if (!isa<RankedTensorType>(value.getType()) && storage.owner(value) != value) return;
    const Place *p = storage.place(value);
    if (!p) return;
    const Home &home = homes[coalesced.classOf(p->root)];
    plan.locations[value] = {home.buffer, home.offset + p->offset, p->rows};
  };
  for (BlockArgument arg : bodyOf(node).getArguments()) add(arg);
  node->walk([&](Operation *op) {
    for (Value result : op->getResults()) add(result);
  });
  addReasons();
}

/// Why each buffer is there: its roots, and for a member of a struct what else it holds for a time; the first
/// few.
void Planner::addReasons() {
  constexpr size_t most = 6;
  std::vector<llvm::SetVector<std::string, std::vector<std::string>, std::set<std::string>>> why(
      plan.buffers.size());
  for (unsigned i = 0; i < storage.roots.size(); ++i) {
    if (storage.roots[i].kind < Root::Slot) continue;
    int64_t buffer = homes[coalesced.classOf(i)].buffer;
    auto memory = storage.roots[i].value.getDefiningOp<FbyOp>();
    Buffer &b = plan.buffers[buffer];
    if (memory && b.space == Space::State && b.elements() == 1) b.limit = limitOf(memory);
    if (buffer == tableOf[i]) continue; // says so already
    why[buffer].insert(reasons.describe(storage.roots[i].value));
  }
  for (Buffer &b : plan.buffers) {
    auto &all = why[b.id];
    for (size_t i = 0; i < std::min(most, all.size()); ++i)
      b.reason += (b.reason.empty() ? "" : "; ") + all[i];
    if (all.size() > most) b.reason += fmt::format("; and {} more", all.size() - most);
  }
}

} // namespace

Plan plan(NodeOp node) { return Planner(node).run(); }

} // namespace mlr::store
