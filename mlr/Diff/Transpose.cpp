#include "mlr/Diff/Transpose.h"

namespace mlr::diff {
namespace {

/// Coefficients of an expression that is linear in its dimensions.
bool addLinear(AffineExpr e, int64_t factor, SmallVectorImpl<int64_t> &coefficients, int64_t &constant) {
  if (auto c = dyn_cast<AffineConstantExpr>(e)) return constant += factor * c.getValue(), true;
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    if (coefficients.size() <= d.getPosition()) coefficients.resize(d.getPosition() + 1);
    coefficients[d.getPosition()] += factor;
    return true;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary) return false;
  if (e.getKind() == AffineExprKind::Add)
    return addLinear(binary.getLHS(), factor, coefficients, constant) &&
           addLinear(binary.getRHS(), factor, coefficients, constant);
  if (e.getKind() != AffineExprKind::Mul) return false;
  auto by = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return by && addLinear(binary.getLHS(), factor * by.getValue(), coefficients, constant);
}

/// The scan of whose index the value is the index; null: of none.
ScanOp indexedScan(Value index) {
  auto convert = index.getDefiningOp<ConvertOp>();
  auto argument = convert ? dyn_cast<BlockArgument>(convert.getValue()) : BlockArgument();
  return argument ? dyn_cast<ScanOp>(argument.getOwner()->getParentOp()) : ScanOp();
}

/// Solves index(arguments) = element for the arguments, an axis at a time.
class Solver {
public:
  Solver(const Body &body, ReadOp read, Block *level)
      : body(body), read(read), level(level), context(read.getContext()),
        shape(cast<RankedTensorType>(read.getSource().getType()).getShape()), solved(body.arguments.size()) {}

  Transposition run(unsigned batch) {
    for (unsigned a = 0; a < shape.size(); ++a) visit(a);
    return number(batch);
  }

private:
  // While solving, dimension i is argument i of the body and dimension n + a the element's index on axis a.
  AffineExpr argument(unsigned i) { return getAffineDimExpr(i, context); }
  AffineExpr element(unsigned a) { return getAffineDimExpr(body.arguments.size() + a, context); }

  void visit(unsigned a) {
    AffineExpr e = read.getMap().getResult(a);
    bool clamp = read.getClamp() && (*read.getClamp())[a];
    llvm::SmallSetVector<unsigned, 4> used;
    collectDims(e, used);
    SmallVector<AffineExpr> dims;
    bool isComputed = false;
    for (auto [k, index] : llvm::enumerate(read.getIndices())) {
      auto at = llvm::find(body.arguments, index);
      bool isArgument = at != body.arguments.end();
      if (used.contains(k)) isComputed = isComputed || !isArgument;
      dims.push_back(isArgument ? argument(at - body.arguments.begin()) : getAffineConstantExpr(0, context));
    }
    if (isComputed) {
      if (used.size() == 1 && isRow(a, e, read.getIndices()[used[0]], clamp)) return;
      t.equal.push_back({a, element(a), clamp, shape[a]});
      return;
    }
    if (clamp || !solve(a, substitute(e.replaceDims(dims)))) t.equal.push_back({a, element(a), clamp, shape[a]});
  }

  bool isRow(unsigned a, AffineExpr e, Value index, bool clamp) {
    ScanOp scan = indexedScan(index);
    if (!scan || clamp || !level->getParentOp()->isProperAncestor(scan)) return false;
    for (const ScanAxis &row : t.rows)
      if (row.scan == scan) return false;
    SmallVector<int64_t> coefficients;
    int64_t offset = 0;
    if (!addLinear(e, 1, coefficients, offset) || llvm::count(coefficients, 0) + 1 != int64_t(coefficients.size()) ||
        coefficients.back() != 1)
      return false;
    t.rows.push_back({a, scan, offset});
    return true;
  }

  AffineExpr substitute(AffineExpr e) {
    SmallVector<AffineExpr> dims;
    for (unsigned i = 0; i < solved.size(); ++i) dims.push_back(solved[i] ? solved[i] : argument(i));
    for (unsigned a = 0; a < shape.size(); ++a) dims.push_back(element(a));
    return e.replaceDims(dims);
  }

  bool solve(unsigned a, AffineExpr e) {
    SmallVector<int64_t> c;
    int64_t constant = 0;
    if (!addLinear(e, 1, c, constant)) return false;
    // The argument with the smallest factor, then the largest one: the sum runs over the others.
    int best = -1;
    for (unsigned i = 0; i < solved.size() && i < c.size(); ++i) {
      if (!c[i] || solved[i]) continue;
      if (best < 0 || std::abs(c[i]) < std::abs(c[best]) ||
          (std::abs(c[i]) == std::abs(c[best]) && body.sizes[i] > body.sizes[best]))
        best = i;
    }
    if (best < 0) return false;
    int64_t factor = c[best];
    AffineExpr rest = getAffineConstantExpr(constant, context);
    for (unsigned i = 0; i < c.size(); ++i)
      if (int(i) != best && c[i]) rest = rest + getAffineDimExpr(i, context) * c[i];
    AffineExpr difference = factor > 0 ? element(a) - rest : rest - element(a);
    if (std::abs(factor) != 1) {
      t.multiples.push_back({difference, std::abs(factor)});
      difference = difference.floorDiv(std::abs(factor));
    }
    solved[best] = difference;
    for (AffineExpr &s : solved)
      if (s) s = substitute(s);
    return true;
  }

  /// From the dimensions of the solver to those of the result.
  Transposition number(unsigned batch) {
    unsigned n = body.arguments.size();
    SmallVector<AffineExpr> dims(n + shape.size(), getAffineConstantExpr(0, context));
    SmallVector<Range> ranges(batch);
    unsigned next = batch;
    for (unsigned a = 0; a < shape.size(); ++a) {
      if (llvm::any_of(t.rows, [&](const ScanAxis &row) { return row.axis == a; })) continue;
      t.axes.push_back(a);
      dims[n + a] = getAffineDimExpr(next++, context);
      ranges.push_back({0, std::max<int64_t>(shape[a] - 1, 0)});
    }
    for (unsigned i = 0; i < n; ++i)
      if (!solved[i]) {
        t.free.push_back(i);
        dims[i] = getAffineDimExpr(next++, context);
        ranges.push_back({0, std::max<int64_t>(body.sizes[i] - 1, 0)});
      }
    for (unsigned i = 0; i < n; ++i) {
      AffineExpr e = solved[i] ? substitute(solved[i]).replaceDims(dims) : dims[i];
      t.positions.push_back(e);
      if (solved[i] && !rangeOf(e, ranges).within(0, body.sizes[i] - 1)) t.inside.push_back({e, body.sizes[i]});
    }
    for (auto &m : t.multiples) m.e = substitute(m.e).replaceDims(dims);
    for (auto &e : t.equal) e.element = e.element.replaceDims(dims);
    return std::move(t);
  }

  const Body &body;
  ReadOp read;
  Block *level;
  MLIRContext *context;
  ArrayRef<int64_t> shape;
  SmallVector<AffineExpr> solved; ///< by argument; null: not fixed (yet)
  Transposition t;
};

} // namespace

Transposition transpose(const Body &body, ReadOp read, unsigned batch, Block *level) {
  return Solver(body, read, level).run(batch);
}

void restrictToRead(Transposition &t, ReadOp read) {
  int64_t size = t.axes.empty() ? 0 : cast<RankedTensorType>(read.getSource().getType()).getDimSize(0);
  if (!t.rows.empty() || size == 0) return;
  MLIRContext *context = read.getContext();
  AffineExpr row = getAffineDimExpr(0, context);
  int64_t begin = 0, end = size;
  auto offsetOf = [&](AffineExpr e) { return dyn_cast<AffineConstantExpr>(e - row); };
  for (auto &[e, length] : t.inside)
    if (auto offset = offsetOf(e)) {
      begin = std::max(begin, -offset.getValue());
      end = std::min(end, length - offset.getValue());
    }
  auto constant = dyn_cast<AffineConstantExpr>(read.getMap().getResult(0));
  auto isThatRow = [&](const Transposition::Equal &equal) { return constant && equal.axis == 0 && !equal.clamp; };
  if (llvm::any_of(t.equal, isThatRow)) {
    begin = std::max(begin, constant.getValue());
    end = std::min(end, constant.getValue() + 1);
  }
  if (begin >= end || end - begin == size) return;
  llvm::erase_if(t.inside, [&](const Transposition::Between &between) { return bool(offsetOf(between.e)); });
  llvm::erase_if(t.equal, isThatRow);
  auto shift = [&](AffineExpr &e) { e = e.replace(row, row + begin); };
  for (AffineExpr &e : t.positions) shift(e);
  for (auto &between : t.inside) shift(between.e);
  for (auto &multiple : t.multiples) shift(multiple.e);
  for (auto &equal : t.equal) shift(equal.element);
  t.begin = begin;
  t.count = end - begin;
}

Transposition sumOver(const Body &body, unsigned batch) {
  Transposition t;
  for (unsigned i = 0; i < body.arguments.size(); ++i) {
    t.free.push_back(i);
    t.positions.push_back(getAffineDimExpr(batch + i, body.op->getContext()));
  }
  return t;
}

} // namespace mlr::diff
