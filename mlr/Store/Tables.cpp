#include "mlr/Store/Tables.h"
#include "mlr/Store/Reasons.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

int64_t StructLayout::add(int64_t bytes, int64_t alignment) {
  if (bytes == 0) return 0;
  int64_t offset = (end + alignment - 1) / alignment * alignment;
  end = offset + bytes;
  widest = std::max(widest, alignment);
  return offset;
}

/// Two states may be of variables of one path; what C calls them is up to the C back end.
static std::string uniqueName(StringRef wanted, llvm::StringSet<> &taken) {
  std::string name = wanted.str();
  for (int n = 2; !taken.insert(name).second; ++n) name = fmt::format("{}_{}", wanted.str(), n);
  return name;
}

static int64_t addField(Plan &plan, Space space, StructLayout &layout, Type type, std::string name,
                        std::string reason) {
  Buffer b;
  b.id = plan.buffers.size();
  b.space = space;
  b.element = elementOf(type);
  b.shape.assign(shapeOf(type).begin(), shapeOf(type).end());
  b.offset = layout.add(b.bytes(), elementBytes(b.element));
  b.name = std::move(name);
  b.reason = std::move(reason);
  plan.buffers.push_back(std::move(b));
  return plan.buffers.back().id;
}

static void addInterface(NodeOp node, Plan &plan) {
  StructLayout in, out;
  for (auto [type, name] :
       llvm::zip(node.getFunctionType().getInputs(), node.getArgNames().getAsValueRange<StringAttr>()))
    addField(plan, Space::In, in, type, name.str(), "input");
  for (auto [type, name] :
       llvm::zip(node.getFunctionType().getResults(), node.getResultNames().getAsValueRange<StringAttr>()))
    addField(plan, Space::Out, out, type, name.str(), "output");
  plan.inBytes = in.size();
  plan.outBytes = out.size();
}

static std::string slotName(Operation *op) {
  StringRef name;
  if (auto attr = op->getAttrOfType<StringAttr>("name")) name = attr.getValue();
  if (name.empty()) name = sourceName(op);
  return name.empty() ? op->getName().stripDialect().str() : name.str();
}

std::vector<int64_t> addTables(NodeOp node, const Storage &storage, Plan &plan) {
  addInterface(node, plan);
  std::vector<int64_t> bufferOf(storage.roots.size(), -1);
  llvm::StringSet<> names;
  llvm::DenseMap<Attribute, int64_t> constants;
  StructLayout state, rom;
  for (size_t i = 0; i < storage.roots.size(); ++i) {
    const Root &root = storage.roots[i];
    Operation *def = root.value.getDefiningOp();
    if (root.kind == Root::Argument) bufferOf[i] = cast<BlockArgument>(root.value).getArgNumber();
    if (root.kind == Root::Slot && root.home.state)
      bufferOf[i] = addField(plan, Space::State, state, root.value.getType(),
                             uniqueName(slotName(def), names), describeSlot(def));
    if (root.kind == Root::Constant) {
      auto [it, fresh] = constants.try_emplace(cast<ConstOp>(def).getValue(), 0);
      if (fresh)
        it->second = addField(plan, Space::Rom, rom, root.value.getType(), sourceName(def).str(), "constant");
      bufferOf[i] = it->second;
    }
  }
  plan.stateBytes = state.size();
  return bufferOf;
}

} // namespace mlr::store
