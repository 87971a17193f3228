// Builds arith and math operations at scalar or vector type alike, folding constants as it goes.
#pragma once

#include "mlr/Dataflow/Precompiled.h"

namespace mlr::loops {

using mlir::Type;
using mlir::Value;

/// The type that holds an mlr scalar in a register: signless integers, f32, f64; f16 and bf16 are their 16 bits.
Type registerType(Type scalar);
/// The type that holds it in memory: as in a register, but bool is i8.
Type memoryType(Type scalar);
/// Bytes of an element in memory.
int64_t memoryBytes(Type scalar);
inline bool isHalf(Type t) { return t.isF16() || t.isBF16(); }

/// `like` with another element: the same lanes of it.
Type withElement(Type like, Type element);
/// The element of a vector, or the type itself.
Type elementOf(Type t);
/// Lanes of a vector type, 1 for a scalar.
int64_t lanesOf(Type t);

/// A builder at one insertion point and location. Every function takes operands of one shape (all scalar, or all
/// vectors of equal length) and gives that shape. Constants are made once a function, in its entry block.
class Arith {
public:
  /// Emits into `function`, whose entry block exists and keeps the constants.
  Arith(mlir::OpBuilder builder, mlir::Location loc, mlir::Block *entry) : b(builder), loc(loc), entry(entry) {}

  mlir::OpBuilder b;
  mlir::Location loc;

  /// Creates an operation with one result, or gives what it folds to.
  template <class Op, class... Args> Value make(Args &&...args) {
    Op op = Op::create(b, loc, std::forward<Args>(args)...);
    return folded(op);
  }

  Value constant(mlir::TypedAttr value);
  Value integer(int64_t value, Type like);             ///< of the integer or index element of `like`
  Value real(const llvm::APFloat &value, Type like);   ///< converted to the element of `like`
  Value real(double value, Type like) { return real(llvm::APFloat(value), like); }
  Value index(int64_t value) { return integer(value, b.getIndexType()); }
  Value truth(bool value, Type like);                  ///< i1 in the lanes of `like`
  Value iota(int64_t lanes, Type element);             ///< 0, 1, 2, .. as a vector of integers
  Value mask(int64_t active, int64_t lanes);           ///< i1 vector with the first `active` lanes true
  Value splat(Value scalar, int64_t lanes);            ///< broadcast; the scalar itself for one lane

  // Integers (and i1 for and_, or_, xor_).
  Value add(Value x, Value y) { return make<mlir::arith::AddIOp>(x, y); }
  Value sub(Value x, Value y) { return make<mlir::arith::SubIOp>(x, y); }
  Value mul(Value x, Value y) { return make<mlir::arith::MulIOp>(x, y); }
  Value and_(Value x, Value y) { return make<mlir::arith::AndIOp>(x, y); }
  Value or_(Value x, Value y) { return make<mlir::arith::OrIOp>(x, y); }
  Value xor_(Value x, Value y) { return make<mlir::arith::XOrIOp>(x, y); }
  Value shl(Value x, Value y) { return make<mlir::arith::ShLIOp>(x, y); }
  Value shr(Value x, Value y) { return make<mlir::arith::ShRUIOp>(x, y); }
  Value add(Value x, int64_t y) { return add(x, integer(y, x.getType())); }
  Value sub(Value x, int64_t y) { return sub(x, integer(y, x.getType())); }
  Value mul(Value x, int64_t y) { return mul(x, integer(y, x.getType())); }
  Value and_(Value x, int64_t y) { return and_(x, integer(y, x.getType())); }
  Value or_(Value x, int64_t y) { return or_(x, integer(y, x.getType())); }
  Value xor_(Value x, int64_t y) { return xor_(x, integer(y, x.getType())); }
  Value shl(Value x, int64_t y) { return shl(x, integer(y, x.getType())); }
  Value shr(Value x, int64_t y) { return shr(x, integer(y, x.getType())); }
  Value not_(Value x);
  Value compare(mlir::arith::CmpIPredicate p, Value x, Value y) { return make<mlir::arith::CmpIOp>(p, x, y); }
  Value compare(mlir::arith::CmpIPredicate p, Value x, int64_t y) { return compare(p, x, integer(y, x.getType())); }
  Value equal(Value x, int64_t y) { return compare(mlir::arith::CmpIPredicate::eq, x, y); }
  Value differs(Value x, int64_t y) { return compare(mlir::arith::CmpIPredicate::ne, x, y); }

  // Floats.
  Value addf(Value x, Value y) { return make<mlir::arith::AddFOp>(x, y); }
  Value subf(Value x, Value y) { return make<mlir::arith::SubFOp>(x, y); }
  Value mulf(Value x, Value y) { return make<mlir::arith::MulFOp>(x, y); }
  Value compare(mlir::arith::CmpFPredicate p, Value x, Value y) { return make<mlir::arith::CmpFOp>(p, x, y); }
  Value isNan(Value x) { return compare(mlir::arith::CmpFPredicate::UNO, x, x); }

  // Any. `c` is i1 in the same lanes.
  Value select(Value c, Value x, Value y) { return make<mlir::arith::SelectOp>(c, x, y); }
  /// Reinterprets, elements of equal width.
  Value bits(Value x, Type element) { return castTo<mlir::arith::BitcastOp>(x, element); }
  /// Any cast operation of arith whose result type is the second argument. Nothing if the type is already that.
  template <class Op> Value castTo(Value x, Type element) {
    Type to = withElement(x.getType(), element);
    return to == x.getType() ? x : make<Op>(to, x);
  }
  /// Integer to integer of any width.
  Value resize(Value x, Type element, bool isSigned);

private:
  Value folded(mlir::Operation *op);
  mlir::Block *entry;
  std::map<std::pair<const void *, const void *>, Value> constants;  // looked up only, never iterated
};

} // namespace mlr::loops
