// Addition of f64 for Arm processors without f64 instructions. Compilers call the library there, and the one of libgcc
// (__aeabi_dadd, gcc 12) rounds wrongly where a difference has operands whose exponents are 33 apart: it keeps one bit and a jam of
// what it shifts out, and needs two bits when the result loses its leading one. Only these differences are computed here.
#include "mlr/Loops/Scalars.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace mlr::loops {

/// big - small in magnitude, with the sign of big, whose exponent field is e >= 34 and 33 above that of small. The mantissas stand 10 bits up,
/// so that those bits of the smaller that fall out are far below the rounding position even when the result is shifted up by one.
static Value difference33(Arith &a, Value big, Value small, Value e) {
  Type i64 = a.b.getI64Type();
  auto widen = [&](Value bit) { return a.castTo<arith::ExtUIOp>(bit, i64); };
  int64_t fraction = (int64_t(1) << 52) - 1, one = int64_t(1) << 52;
  Value normal = a.differs(a.and_(a.shr(small, 52), 0x7ff), 0);
  Value m = a.or_(a.and_(small, fraction), a.select(normal, a.integer(one, i64), a.integer(0, i64)));
  Value lost = widen(a.differs(a.and_(m, (1 << 23) - 1), 0));
  Value d = a.sub(a.shl(a.or_(a.and_(big, fraction), one), 10), a.or_(a.shr(m, 23), lost));
  Value below = widen(a.compare(CmpIPredicate::ult, d, int64_t(1) << 62));
  d = a.shl(d, below);
  Value q = a.shr(d, 10), rest = a.and_(d, 0x3ff);
  Value up = widen(a.compare(CmpIPredicate::ugt, a.add(rest, a.and_(q, 1)), 0x200));  // ties go to the even q
  // q carries its own leading bit, which adds 1 to the exponent field; a carry out of it is right as well.
  Value magnitude = a.add(a.add(a.shl(a.sub(a.sub(e, below), 1), 52), q), up);
  return a.bits(a.or_(magnitude, a.and_(big, int64_t(1) << 63)), a.b.getF64Type());
}

/// x + y; every operand, infinities and NaN included.
static Value add64(Arith &a, Value x, Value y) {
  Type i64 = a.b.getI64Type();
  Value u = a.bits(x, i64), v = a.bits(y, i64);
  auto exponent = [&](Value w) {  // of subnormals as of the smallest normal numbers
    Value field = a.and_(a.shr(w, 52), 0x7ff);
    return a.or_(field, a.castTo<arith::ExtUIOp>(a.equal(field, 0), i64));
  };
  Value ex = exponent(u), ey = exponent(v), d = a.sub(ex, ey);
  Value xBig = a.equal(d, 33), e = a.select(xBig, ex, ey);
  Value isDifference = a.compare(CmpIPredicate::slt, a.xor_(u, v), 0);
  Value apart = a.or_(xBig, a.equal(d, -33));
  Value rare = a.and_(a.and_(apart, isDifference), a.compare(CmpIPredicate::ult, e, 0x7ff));
  auto choice = scf::IfOp::create(a.b, a.loc, TypeRange{x.getType()}, rare, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(a.b);
  a.b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(a.b, a.loc, difference33(a, a.select(xBig, u, v), a.select(xBig, v, u), e));
  a.b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(a.b, a.loc, a.addf(x, y));
  return choice.getResult(0);
}

Value softwareAdd(Arith &a, Value x, Value y) {
  const char *name = "mlr_add_f64";
  Type type = x.getType();
  auto module = a.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto f = func::FuncOp::create(b, a.loc, name, b.getFunctionType({type, type}, {type}));
    f.setPrivate();
    Block *entry = f.addEntryBlock();
    b.setInsertionPointToEnd(entry);
    Arith inner(b, a.loc, entry);
    Value result = add64(inner, entry->getArgument(0), entry->getArgument(1));
    func::ReturnOp::create(inner.b, a.loc, result);
  }
  return func::CallOp::create(a.b, a.loc, name, TypeRange{type}, ValueRange{x, y}).getResult(0);
}

} // namespace mlr::loops
