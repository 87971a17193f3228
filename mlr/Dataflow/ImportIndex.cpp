// Import of index expressions: which are affine in loop indices, and how the others become indices.
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// The values of an integer type, as far as 64 signed bits show them.
static Range rangeOf(Scalar s) {
  unsigned width = bitWidth(s);
  if (isSigned(s)) return {llvm::minIntN(width), llvm::maxIntN(width)};
  return {0, width == 64 ? INT64_MAX : static_cast<int64_t>(llvm::maxUIntN(width))};
}

static std::optional<int64_t> integerConstant(const Expr &e) {
  if (e.kind != ExprKind::Const || !e.type.isScalar() || !isInt(e.type.scalar)) return {};
  int64_t value = 0;
  std::memcpy(&value, e.constant.data(), byteSize(e.type.scalar));
  if (isSigned(e.type.scalar)) value = llvm::SignExtend64(value, bitWidth(e.type.scalar));
  else if (value < 0) return {};
  return value;
}

std::optional<Importer::AffineIndex> Importer::affineOf(Position at, const Expr &e) {
  if (!e.type.isScalar() || !isInt(e.type.scalar)) return {};
  // Factors and sizes below 2^31 keep the arithmetic of ranges in 64 bits.
  auto checked = [&](AffineExpr expr, Range range) -> std::optional<AffineIndex> {
    Range limits = rangeOf(e.type.scalar);
    if (!range.within(std::max<int64_t>(limits.low, -(1ll << 40)), std::min<int64_t>(limits.high, 1ll << 40)))
      return {};
    return AffineIndex{expr, range};
  };
  if (auto c = integerConstant(e)) return checked(number(*c), {*c, *c});
  if (e.kind == ExprKind::Index) {
    Binder *binder = binderOf(*at.frame, e.index);
    if (!binder->current) return {};
    return checked(binder->current, {0, std::max<int64_t>(binder->size - 1, 0)});
  }
  if (e.kind == ExprKind::Var) return affineOf(*at.frame, e.var);
  if (e.kind != ExprKind::Op) return {};
  if (e.op == OpKind::Convert || e.op == OpKind::Neg) {
    auto a = affineOf(at, *e.args[0]);
    if (!a) return {};
    if (e.op == OpKind::Convert) return checked(a->expr, a->range);
    return checked(a->expr * -1, {-a->range.high, -a->range.low});
  }
  bool known = e.op == OpKind::Add || e.op == OpKind::Sub || e.op == OpKind::Mul || e.op == OpKind::Div ||
               e.op == OpKind::Rem;
  if (!known) return {};
  auto a = affineOf(at, *e.args[0]);
  auto c = a ? affineOf(at, *e.args[1]) : a;
  if (!c) return {};
  AffineExpr x = a->expr, y = c->expr;
  Range p = a->range, q = c->range;
  bool constant = q.low == q.high && isa<AffineConstantExpr>(y);
  switch (e.op) {
  case OpKind::Add: return checked(x + y, {p.low + q.low, p.high + q.high});
  case OpKind::Sub: return checked(x - y, {p.low - q.high, p.high - q.low});
  case OpKind::Mul: {
    if (!constant && !(p.low == p.high && isa<AffineConstantExpr>(x))) return {};
    int64_t limit = 1ll << 31;
    if (!p.within(-limit, limit) || !q.within(-limit, limit)) return {};
    int64_t products[] = {p.low * q.low, p.low * q.high, p.high * q.low, p.high * q.high};
    return checked(constant ? x * q.low : y * p.low,
                   {*std::min_element(products, products + 4), *std::max_element(products, products + 4)});
  }
  case OpKind::Div:
    if (!constant || q.low <= 0 || p.low < 0) return {};
    return checked(simplifyIndex(x.floorDiv(q.low), ranges), {p.low / q.low, p.high / q.low});
  default:
    if (!constant || q.low <= 0 || p.low < 0) return {};
    return checked(simplifyIndex(x % q.low, ranges), {0, std::min(p.high, q.low - 1)});
  }
}

std::optional<Importer::AffineIndex> Importer::affineOf(Frame &frame, VarId v) {
  const Definition &d = frame.info->definitions[v];
  switch (d.kind) {
  case Definition::Kind::ScanIndex: {
    ScanState &scan = scanOf(frame, *d.time);
    Range range{0, std::max<int64_t>(d.time->length - 1, 0)};
    auto [it, isNew] = dimOf.try_emplace(scan.block->getArgument(0), 0);
    if (isNew) it->second = addDim(scan.position, range, 0);
    return AffineIndex{dim(it->second), range};
  }
  case Definition::Kind::Input:
    if (frame.isRoot) return {};
    return affineOf(frame.caller, *frame.arguments[d.position]);
  case Definition::Kind::Define:
    if (frame.isRoot || frame.sites[v] || frame.info->isDeep[v]) return {};
    return affineOf(positionOf(frame, d), *d.value);
  default: return {};
  }
}

unsigned Importer::addDim(mlir::Value value, Range range, unsigned level) {
  dims.push_back({value, level});
  ranges.push_back(range);
  return dims.size() - 1;
}

/// A new index argument of a body. An axis of size 1 has index 0.
AffineExpr Importer::loopIndex(Level &level, int64_t size) {
  mlir::Value argument = level.block->addArgument(b.getIndexType(), location);
  if (size == 1) return number(0);
  unsigned position = addDim(argument, {0, std::max<int64_t>(size - 1, 0)}, levels.size() - 1);
  level.loops.push_back(position);
  level.elements = std::min(level.elements * std::min<int64_t>(size, INT32_MAX), int64_t(INT32_MAX));
  return dim(position);
}

/// An integer value as an index, converted at the level where it is defined.
AffineExpr Importer::indexOf(mlir::Value integer, Range range) {
  auto known = dimOf.find(integer);
  if (known != dimOf.end()) return dim(known->second);
  unsigned level = 0;
  for (unsigned l = 1; l < levels.size(); ++l)
    if (levels[l]->block == integer.getParentBlock()) level = l;
  mlir::Value index = atLevel(level, [&] { return emit<ConvertOp>(b.getIndexType(), integer); });
  unsigned position = addDim(index, range, level);
  dimOf[integer] = position;
  return dim(position);
}

/// An index expression as an i32 value.
mlir::Value Importer::indexAsInteger(AffineExpr e) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return constant(b.getI32IntegerAttr(static_cast<int32_t>(c.getValue())));
  MemoKey key{nullptr, 1, {e}};
  if (mlir::Value known = lookup(key)) return known;
  unsigned level = levelOf({e});
  mlir::Value value = atLevel(level, [&]() -> mlir::Value {
    if (auto d = dyn_cast<AffineDimExpr>(e)) {
      mlir::Value index = dims[d.getPosition()].value;
      auto convert = index.getDefiningOp<ConvertOp>();
      if (convert && convert.getValue().getType().isSignlessInteger(32)) return convert.getValue();
      return emit<ConvertOp>(b.getI32Type(), index);
    }
    auto binary = cast<AffineBinaryOpExpr>(e);
    mlir::Value x = indexAsInteger(binary.getLHS()), y = indexAsInteger(binary.getRHS());
    if (e.getKind() == AffineExprKind::Add) return emit<AddOp>(b.getI32Type(), x, y);
    if (e.getKind() == AffineExprKind::Mul) return emit<MulOp>(b.getI32Type(), x, y);
    int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
    int64_t shift = dividendShift(binary.getLHS(), divisor, ranges);
    auto add = [&](mlir::Value to, int64_t n) -> mlir::Value {
      return n ? emit<AddOp>(b.getI32Type(), to, constant(b.getI32IntegerAttr(static_cast<int32_t>(n)))) : to;
    };
    if (e.getKind() == AffineExprKind::Mod) return emit<RemOp>(b.getI32Type(), add(x, shift), y);
    return add(emit<DivOp>(b.getI32Type(), add(x, shift), y), -shift / divisor);
  });
  levels[level]->memo[key] = value;
  return value;
}

/// The integer limited to 0..high, in its own type.
mlir::Value Importer::clampInteger(mlir::Value integer, int64_t high) {
  mlir::Type type = integer.getType();
  Scalar scalar = *scalarOf(type);
  if (isSigned(scalar)) integer = emit<MaxOp>(type, integer, constant(scalarAttr(type, 0)));
  if (high < rangeOf(scalar).high) integer = emit<MinOp>(type, integer, constant(scalarAttr(type, high)));
  return integer;
}

/// The source index of one axis. `inner` is the result's index along a Range or Slide. With `direct` the
/// clamping is left to the read; otherwise it is computed here.
Importer::AxisIndex Importer::axisIndex(Position at, const ReadIndex &r, int64_t size, AffineExpr inner,
                                        bool direct) {
  if (r.kind == ReadIndex::Kind::Range) return {inner + r.start, false};
  bool slide = r.kind == ReadIndex::Kind::Slide;
  int64_t high = slide ? size - r.count : size - 1;
  AffineExpr offset = slide ? inner : number(0);
  auto affine = affineOf(at, *r.at);
  if (affine && (r.inBounds || affine->range.within(0, high))) return {affine->expr + offset, false};
  if (affine && direct && !slide) return {affine->expr, true};
  mlir::Value integer = element(at, *r.at, {});
  bool wide = integer.getType().isUnsignedInteger(64);
  if (r.inBounds) return {indexOf(integer, {0, high}) + offset, false};
  if (direct && !slide && !wide) return {indexOf(integer, {INT32_MIN, INT32_MAX}), true};
  AffineExpr index = indexOf(clampInteger(integer, high), {0, high});
  if (auto d = dyn_cast<AffineDimExpr>(index); d && affine && !slide) clampedDims.try_emplace(d.getPosition(), ClampedIndex{affine->expr, high});
  return {index + offset, false};
}

/// The site behind an expression whose elements are read from memory; null when they are computed in place.
Site *Importer::directSource(Position at, const Expr &e) {
  if (isTemporal(e.kind) || e.kind == ExprKind::Const) return siteOf(at, e);
  if (e.kind != ExprKind::Var) return nullptr;
  Frame &frame = *at.frame;
  if (frame.sites[e.var]) return frame.sites[e.var];
  const Definition &d = frame.info->definitions[e.var];
  switch (d.kind) {
  case Definition::Kind::Input: return directSource(frame.caller, *frame.arguments[d.position]);
  case Definition::Kind::Define:
    if (frame.isRoot) return siteOf(frame, e.var);
    return directSource(positionOf(frame, d), *d.value);
  case Definition::Kind::Call:
    if (!d.equation->each.empty() || (frame.isRoot && !d.equation->callee->isFun)) return siteOf(frame, e.var);
    return nullptr;
  default: return siteOf(frame, e.var);
  }
}

} // namespace mlr::dataflow
