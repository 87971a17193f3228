#include "mlr/Dataflow/EachCall.h"

#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Rewrite.h"

using namespace mlir;

namespace mlr::dataflow {

/// v[t], computed at the builder's place.
static Value rowOf(OpBuilder &b, Location loc, Value v, Value t) {
  mlir::Type type = valueType(shapeOf(v.getType()).drop_front(), elementOf(v.getType()));
  return makeEach(b, loc, type, [&](ValueRange indices) -> Value {
    SmallVector<Value> operands{t};
    llvm::append_range(operands, indices);
    SmallVector<AffineExpr> exprs;
    for (unsigned k = 0; k < operands.size(); ++k) exprs.push_back(b.getAffineDimExpr(k));
    return createRead(b, loc, v, exprs, operands);
  });
}

SmallVector<Value> callEach(OpBuilder &b, Location loc, StringRef callee, ArrayRef<Value> operands, ArrayRef<mlir::Type> inputs,
                            ArrayRef<mlir::Type> results, ArrayRef<int64_t> sizes) {
  if (sizes.empty()) return SmallVector<Value>(CallOp::create(b, loc, results, callee, operands, nullptr, nullptr).getResults());
  SmallVector<mlir::Type> types;
  for (mlir::Type type : results) {
    SmallVector<int64_t> shape(sizes);
    llvm::append_range(shape, shapeOf(type));
    types.push_back(valueType(shape, elementOf(type)));
  }
  auto scan = ScanOp::create(b, loc, types, /*upto=*/nullptr, sizes[0], /*resume=*/false, DirectionAttr(), StringAttr());
  auto *block = new Block;
  scan.getBody().push_back(block);
  OpBuilder in = OpBuilder::atBlockEnd(block);
  Value t = ConvertOp::create(in, loc, in.getIndexType(), block->addArgument(in.getI32Type(), loc));
  SmallVector<Value> rows;
  for (auto [operand, type] : llvm::zip(operands, inputs))
    rows.push_back(operand.getType() == type ? operand : rowOf(in, loc, operand, t));
  SmallVector<Value> yields;
  for (auto [value, type] : llvm::zip(callEach(in, loc, callee, rows, inputs, results, sizes.drop_front()), types))
    yields.push_back(StackOp::create(in, loc, type, value));
  YieldOp::create(in, loc, yields);
  return SmallVector<Value>(scan.getResults());
}

} // namespace mlr::dataflow
