// Calls of C functions. In the loops module a function is a private declaration with the attribute `mlr.extern`, its type in
// the mlr dialect. Scalars are passed in registers; a tensor argument or result, and a scalar result beside others, is a
// memref of its elements.
#include "mlr/Loops/Lowering.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

namespace {

int64_t elementsOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getNumElements() : 1;
}

bool isTensor(Type type) { return isa<RankedTensorType>(type); }

/// One scalar result is the value of the C function; others are written through pointers.
bool returnsValue(FunctionType type) { return type.getNumResults() == 1 && !isTensor(type.getResult(0)); }

class ExternLowering {
public:
  ExternLowering(Lowering &l, ExternOp op) : l(l), a(l.a), op(op), type(op.getFunctionType()) {}

  LogicalResult emit() {
    callee = declare();
    if (!callee) return op.emitError("the C function `") << op.getSymbol() << "` is declared with two different types";
    if (Value when = op.getWhen(); when && isTensor(when.getType())) flags = when;
    axis(0, Linear(0), Linear(0));
    return success();
  }

private:
  /// Elements of memory, anywhere in a buffer.
  Type pointer(Type own) {
    auto layout = StridedLayoutAttr::get(a.b.getContext(), ShapedType::kDynamic, {1});
    return MemRefType::get({elementsOf(own)}, memoryType(getElementTypeOrSelf(own)), layout);
  }
  Type cell(Type own) { return MemRefType::get({1}, memoryType(own)); }

  func::FuncOp declare() {
    auto module = l.node->getParentOfType<ModuleOp>();
    if (Operation *known = module.lookupSymbol(op.getSymbol())) {
      auto f = dyn_cast<func::FuncOp>(known);
      auto as = f ? f->getAttrOfType<TypeAttr>("mlr.extern") : TypeAttr();
      return as && as.getValue() == type ? f : func::FuncOp();
    }
    SmallVector<Type> inputs, results;
    for (Type t : type.getInputs()) inputs.push_back(isTensor(t) ? pointer(t) : registerType(t));
    if (returnsValue(type)) results.push_back(registerType(type.getResult(0)));
    else
      for (Type t : type.getResults()) inputs.push_back(isTensor(t) ? pointer(t) : cell(t));
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto f = func::FuncOp::create(b, op.getLoc(), op.getSymbol(), b.getFunctionType(inputs, results));
    f.setPrivate();
    f->setAttr("mlr.extern", TypeAttr::get(type));
    f->setAttr("mlr.arg_names", op.getArgNamesAttr());
    f->setAttr("mlr.result_names", op.getResultNamesAttr());
    if (op.getPure()) f->setAttr("mlr.pure", b.getUnitAttr());
    return f;
  }

  /// Loops over the indices from axis k on. `tuple`: number of the tuple so far; `flag`: that of its part that flags have.
  void axis(size_t k, Linear tuple, Linear flag) {
    ArrayRef<int64_t> each = op.getEach();
    if (k == each.size()) {
      if (!flags) return call(tuple);
      Place p = l.place(flags);
      p.at.add(flag);
      return l.onlyIf(l.memory.load(p, a.b.getI1Type()), [&] { call(tuple); });
    }
    bool inFlags = flags && k < static_cast<size_t>(cast<RankedTensorType>(flags.getType()).getRank());
    l.loop(0, each[k], 1, {}, [&](Value i, ValueRange) {
      auto next = [&](const Linear &outer) {
        Linear inner = Linear::of(i);
        inner.add(outer, each[k]);
        return inner;
      };
      axis(k + 1, next(tuple), inFlags ? next(flag) : flag);
      return Values();
    });
  }

  Value elements(Value v, Type own, bool isShared, const Linear &tuple) {
    Place p = l.place(v);
    if (!isShared) p.at.add(tuple, elementsOf(own));
    Value whole = l.memory.view(p.buffer);
    return memref::SubViewOp::create(a.b, a.loc, cast<MemRefType>(pointer(own)), whole, OpFoldResult(materialize(a, p.at)),
                                     OpFoldResult(a.b.getIndexAttr(elementsOf(own))), OpFoldResult(a.b.getIndexAttr(1)));
  }

  /// A scalar in memory of the function's own, made once at its start.
  Value newCell(Type own) {
    OpBuilder::InsertionGuard guard(a.b);
    auto function = a.b.getBlock()->getParentOp();
    while (!isa<func::FuncOp>(function)) function = function->getParentOp();
    a.b.setInsertionPointToStart(&function->getRegion(0).front());
    auto cellOp = memref::AllocaOp::create(a.b, a.loc, cast<MemRefType>(cell(own)));
    cellOp->setAttr("mlr.type", TypeAttr::get(own));
    return cellOp;
  }

  void call(const Linear &tuple) {
    bool once = op.getEach().empty();
    Values operands, cells;
    for (auto [v, own] : llvm::zip(op.getInputs(), type.getInputs())) {
      bool isShared = v.getType() == own;
      if (isTensor(own)) operands.push_back(elements(v, own, isShared, tuple));
      else if (isShared) operands.push_back(l.scalar(v));
      else operands.push_back(load(v, tuple, own));
    }
    bool returns = returnsValue(type);
    if (!returns)
      for (auto [v, own] : llvm::zip(op.getResults(), type.getResults())) {
        cells.push_back(isTensor(own) ? Value() : newCell(own));
        operands.push_back(isTensor(own) ? elements(v, own, false, tuple) : cells.back());
      }
    auto made = func::CallOp::create(a.b, a.loc, callee, operands);
    if (!op.getPure() || !returns) made->setAttr("mlr.keep", a.b.getUnitAttr());
    for (auto [k, v] : llvm::enumerate(op.getResults())) {
      Type own = type.getResult(k);
      if (isTensor(own)) continue;
      Value value = returns ? made.getResult(0) : l.memory.load(cells[k], Linear(0), own);
      if (once) {
        l.setScalar(v, value);
      } else {
        Place p = l.place(v);
        p.at.add(tuple);
        l.memory.store(p, own, value);
      }
    }
  }

  Value load(Value v, const Linear &tuple, Type own) {
    Place p = l.place(v);
    p.at.add(tuple);
    return l.memory.load(p, own);
  }

  Lowering &l;
  Arith &a;
  ExternOp op;
  FunctionType type;
  func::FuncOp callee;
  Value flags; ///< one a tuple of leading indices
};

} // namespace

LogicalResult emitExtern(Lowering &l, ExternOp op) { return ExternLowering(l, op).emit(); }

} // namespace mlr::loops
