// C functions in the evaluator of the dialect: each call once at each active instant, in the order of time and of ranks.
#include "mlr/Dataflow/Machine.h"

using namespace mlir;

namespace mlr::dataflow {

static size_t bytesOf(mlir::Type type) {
  size_t n = elementBytes(elementOf(type));
  for (int64_t size : shapeOf(type)) n *= static_cast<size_t>(size);
  return n;
}

static bool isBefore(ArrayRef<int64_t> x, ArrayRef<int64_t> y) {
  return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
}

void Machine::callForeign(ExternOp call, const Path &path) {
  auto own = cast<FunctionType>(call.getFunctionType());
  int64_t calls = 1;
  for (int64_t size : call.getEach()) calls *= size;
  std::vector<Bytes> results;
  for (Value r : call.getResults()) results.emplace_back(bytesOf(r.getType()), elementOf(r.getType()).isInteger(1) ? 1 : 0x5b);
  if (!call.getWhen() || value(call.getWhen(), path)[0])
    for (int64_t k = 0; k < calls; ++k) {
      std::vector<Bytes> arguments;
      for (auto [v, type] : llvm::zip(call.getInputs(), own.getInputs())) {
        const Bytes &all = value(v, path);
        size_t size = bytesOf(type);
        auto from = all.begin() + static_cast<ptrdiff_t>(v.getType() == type ? 0 : static_cast<size_t>(k) * size);
        arguments.emplace_back(from, from + static_cast<ptrdiff_t>(size));
      }
      std::vector<Bytes> given = foreign(call, arguments);
      for (auto [to, from] : llvm::zip(results, given))
        std::copy(from.begin(), from.end(), to.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(k) * from.size()));
    }
  for (auto [r, bytes] : llvm::zip(call.getResults(), results)) memo[{r.getAsOpaquePointer(), path}] = std::move(bytes);
}

void Machine::act(Block &block, const Path &path) {
  struct Action {
    Operation *op;
    ArrayRef<int64_t> rank;
  };
  std::vector<Action> actions;
  for (Operation &op : block) {
    if (auto call = dyn_cast<ExternOp>(op); call && !call.getPure()) actions.push_back({&op, call.getRank()});
    auto scan = dyn_cast<ScanOp>(op);
    if (!scan) continue;
    // A scan stands where the first of its calls does.
    Action first{nullptr, {}};
    scan.walk([&](ExternOp call) {
      if (!call.getPure() && (!first.op || isBefore(call.getRank(), first.rank))) first = {&op, call.getRank()};
    });
    if (first.op) actions.push_back(first);
  }
  llvm::stable_sort(actions, [](const Action &x, const Action &y) { return isBefore(x.rank, y.rank); });
  for (const Action &action : actions) {
    auto scan = dyn_cast<ScanOp>(action.op);
    if (!scan) {
      if (action.op->getNumResults()) value(action.op->getResult(0), path);
      else callForeign(cast<ExternOp>(action.op), path);
      continue;
    }
    if (isLeftOut(scan, path)) continue;
    UntilOp until;
    for (auto op : bodyOf(scan).getOps<UntilOp>()) until = op;
    int64_t length = scan.getLength();
    if (Value upto = scan.getUpto()) {
      int64_t limit = 0;
      const Bytes &bytes = value(upto, path);
      std::memcpy(&limit, bytes.data(), bytes.size());
      length = std::min(length, limit);
    }
    Path inner = path;
    for (inner.push_back(0); inner.back() < length; ++inner.back()) {
      act(bodyOf(scan), inner);
      if (until && value(until.getCondition(), inner)[0]) break;
    }
  }
}

} // namespace mlr::dataflow
