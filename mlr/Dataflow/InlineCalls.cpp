// Inlining of every mlr.call, callees first, so that each body is expanded once before it is copied. The last call of a private
// node takes its body: a chain of n nodes, each calling the next, costs n bodies and not n^2.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

int64_t countOperations(Operation *op) {
  int64_t n = 0;
  op->walk([&](Operation *) { ++n; });
  return n;
}

class Inliner {
public:
  explicit Inliner(ModuleOp module) : module(module), symbols(module) {}

  LogicalResult run() {
    SmallVector<NodeOp> nodes(module.getOps<NodeOp>());
    for (NodeOp node : nodes) total += size[node] = countOperations(node);
    module.walk([&](CallOp call) {
      if (auto callee = symbols.lookup<NodeOp>(call.getCallee())) ++callsLeft[callee];
    });
    for (NodeOp node : nodes)
      if (failed(visit(node))) return failure();
    for (NodeOp node : nodes)
      if (node.getSymVisibility() == "private" && !isKept(node)) node.erase();
    return success();
  }

private:
  /// Functions with a derivative of their own are called until Diff has taken all derivatives, which these attributes ask for.
  static bool isKept(NodeOp node) { return node->hasAttr("derivative") || node->hasAttr("mlr.rule"); }

  /// Depth-first over callees with an explicit stack; a node met again on the stack calls itself.
  LogicalResult visit(NodeOp root) {
    struct Entry {
      NodeOp node;
      SmallVector<CallOp> calls;
      size_t next = 0;
    };
    std::vector<Entry> stack;
    auto push = [&](NodeOp node) {
      Entry e{node, {}, 0};
      node.walk([&](CallOp call) {
        auto callee = symbols.lookup<NodeOp>(call.getCallee());
        if (!callee || !isKept(callee)) e.calls.push_back(call);
      });
      mark[node] = 1;
      stack.push_back(std::move(e));
    };
    if (mark.lookup(root)) return success();
    push(root);
    while (!stack.empty()) {
      Entry &e = stack.back();
      if (e.next < e.calls.size()) {
        CallOp call = e.calls[e.next++];
        auto callee = symbols.lookup<NodeOp>(call.getCallee());
        if (!callee) return call.emitError("calls an unknown node @") << call.getCallee();
        if (mark.lookup(callee) == 1) return call.emitError("node @") << call.getCallee() << " calls itself";
        if (mark.lookup(callee) == 0) push(callee);
        continue;
      }
      for (CallOp call : e.calls)
        if (failed(inlineCall(e.node, call))) return failure();
      mark[e.node] = 2;
      stack.pop_back();
    }
    return success();
  }

  LogicalResult inlineCall(NodeOp caller, CallOp call) {
    auto callee = symbols.lookup<NodeOp>(call.getCallee());
    if (call.getInputs().getTypes() != TypeRange(callee.getFunctionType().getInputs()) ||
        call.getResultTypes() != TypeRange(callee.getFunctionType().getResults()))
      return call.emitError("types differ from those of node @") << call.getCallee();
    bool isLast = --callsLeft[callee] == 0 && callee.getSymVisibility() == "private" && !isKept(callee);
    if (!isLast) total += size[callee];
    size[caller] += size[callee];
    if (total > maxOperations)
      return call.emitError("the program expands to more than ") << maxOperations << " operations";
    mlir::Region copy;
    IRMapping mapping;
    if (isLast) copy.takeBody(callee.getBody());
    else callee.getBody().cloneInto(&copy, mapping);
    Block &body = copy.front();
    if (auto name = call->getAttrOfType<StringAttr>("name")) prefixNames(copy, name.getValue());
    if (auto rank = call->getAttrOfType<DenseI64ArrayAttr>("rank")) prefixRanks(copy, rank.asArrayRef());
    for (auto [argument, operand] : llvm::zip(body.getArguments(), call.getInputs()))
      argument.replaceAllUsesWith(operand);
    auto yield = cast<YieldOp>(body.getTerminator());
    // A result may be an operand of the same call, so each yielded value is looked up after the replacement
    // before it.
    for (unsigned i = 0; i < call.getNumResults(); ++i)
      call.getResult(i).replaceAllUsesWith(yield.getOperand(i));
    yield.erase();
    OpBuilder b(call);
    FlagCombiner(b, call.getLoc(), flagsOf(call)).run(body);
    call->getBlock()->getOperations().splice(call->getIterator(), body.getOperations());
    call.erase();
    return success();
  }

  static void prefixRanks(mlir::Region &region, ArrayRef<int64_t> prefix) {
    region.walk([&](ExternOp op) {
      if (op.getPure()) return;
      SmallVector<int64_t> rank(prefix);
      llvm::append_range(rank, op.getRank());
      op.setRank(rank);
    });
  }

  static void prefixNames(mlir::Region &region, StringRef path) {
    region.walk([&](Operation *op) {
      if (!isa<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, ExternOp>(op)) return;
      auto name = op->getAttrOfType<StringAttr>("name");
      std::string full = name ? (path + "." + name.getValue()).str() : path.str();
      op->setAttr("name", StringAttr::get(op->getContext(), full));
    });
  }

  ModuleOp module;
  SymbolTable symbols;
  DenseMap<Operation *, int> mark; // 0 new, 1 on the stack, 2 expanded
  DenseMap<Operation *, int64_t> size;
  DenseMap<Operation *, int64_t> callsLeft; // of a node, in bodies that are not inlined yet
  int64_t total = 0;
};

} // namespace

LogicalResult inlineCalls(ModuleOp module) { return Inliner(module).run(); }

} // namespace mlr::dataflow
