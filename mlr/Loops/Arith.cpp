// Constants, folding and casts of the Arith builder.
#include "mlr/Loops/Arith.h"

using namespace mlir;

namespace mlr::loops {

Type registerType(Type scalar) {
  if (isHalf(scalar)) return IntegerType::get(scalar.getContext(), 16);
  if (auto i = dyn_cast<IntegerType>(scalar)) return IntegerType::get(scalar.getContext(), i.getWidth());
  return scalar;
}

Type memoryType(Type scalar) {
  return scalar.isInteger(1) ? IntegerType::get(scalar.getContext(), 8) : registerType(scalar);
}

int64_t memoryBytes(Type scalar) { return scalar.isInteger(1) ? 1 : scalar.getIntOrFloatBitWidth() / 8; }

Type elementOf(Type t) {
  auto v = dyn_cast<VectorType>(t);
  return v ? v.getElementType() : t;
}

int64_t lanesOf(Type t) {
  auto v = dyn_cast<VectorType>(t);
  return v ? v.getNumElements() : 1;
}

Type withElement(Type like, Type element) {
  auto v = dyn_cast<VectorType>(like);
  return v ? VectorType::get(v.getShape(), element) : element;
}

Value Arith::folded(Operation *op) {
  SmallVector<OpFoldResult, 1> results;
  if (failed(op->fold(results)) || results.size() != 1) return op->getResult(0);
  if (auto attr = dyn_cast<Attribute>(results[0])) {
    auto typed = dyn_cast<TypedAttr>(attr);
    if (!typed || typed.getType() != op->getResult(0).getType()) return op->getResult(0);
    op->erase();
    return constant(typed);
  }
  auto value = cast<Value>(results[0]);
  if (value == op->getResult(0)) return value;  // folded in place
  op->erase();
  return value;
}

Value Arith::constant(TypedAttr value) {
  Value &known = constants[{value.getAsOpaquePointer(), value.getType().getAsOpaquePointer()}];
  if (known) return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry);
  return known = arith::ConstantOp::create(b, entry->getParentOp()->getLoc(), value);
}

Value Arith::integer(int64_t value, Type like) {
  Type element = elementOf(like);
  unsigned width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  TypedAttr attr = IntegerAttr::get(element, APInt(64, static_cast<uint64_t>(value)).sextOrTrunc(width));
  if (auto v = dyn_cast<VectorType>(like)) attr = DenseElementsAttr::get(v, attr);
  return constant(attr);
}

Value Arith::real(const llvm::APFloat &value, Type like) {
  auto element = cast<FloatType>(elementOf(like));
  llvm::APFloat converted = value;
  bool lossy;
  converted.convert(element.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lossy);
  TypedAttr attr = FloatAttr::get(element, converted);
  if (auto v = dyn_cast<VectorType>(like)) attr = DenseElementsAttr::get(v, attr);
  return constant(attr);
}

Value Arith::truth(bool value, Type like) { return integer(value, withElement(like, b.getI1Type())); }

Value Arith::iota(int64_t lanes, Type element) {
  unsigned width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  SmallVector<APInt> values;
  for (int64_t i = 0; i < lanes; ++i) values.emplace_back(width, static_cast<uint64_t>(i), false, true);
  return constant(DenseElementsAttr::get(VectorType::get({lanes}, element), values));
}

Value Arith::mask(int64_t active, int64_t lanes) {
  SmallVector<bool> values;
  for (int64_t i = 0; i < lanes; ++i) values.push_back(i < active);
  return constant(DenseElementsAttr::get(VectorType::get({lanes}, b.getI1Type()), values));
}

Value Arith::splat(Value scalar, int64_t lanes) {
  if (lanes == 1) return scalar;
  auto type = VectorType::get({lanes}, scalar.getType());
  if (auto c = scalar.getDefiningOp<arith::ConstantOp>())
    return constant(DenseElementsAttr::get(type, c.getValue()));
  return vector::BroadcastOp::create(b, loc, type, scalar);
}

Value Arith::not_(Value x) { return xor_(x, integer(-1, x.getType())); }

Value Arith::resize(Value x, Type element, bool isSigned) {
  unsigned from = elementOf(x.getType()).getIntOrFloatBitWidth(), to = element.getIntOrFloatBitWidth();
  if (to < from) return castTo<arith::TruncIOp>(x, element);
  return isSigned ? castTo<arith::ExtSIOp>(x, element) : castTo<arith::ExtUIOp>(x, element);
}

} // namespace mlr::loops
