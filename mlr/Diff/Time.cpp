// Contributions of the operators of time, and what crosses the boundary of a scan.
#include "mlr/Diff/Derivative.h"

#include "mlr/Dataflow/Flags.h"

namespace mlr::diff {

/// A stream of the scan that is true at its last executed instant.
Value Derivative::isLast(ScanOp scan) {
  Value &last = extensions[scan].last;
  if (!last) {
    OpBuilder b = at(&dataflow::bodyOf(scan));
    Value no = constants.get(b.getBoolAttr(false)), yes = constants.get(b.getBoolAttr(true));
    last = EbyOp::create(b, scan.getLoc(), b.getI1Type(), no, yes, b.getStringAttr("last"));
  }
  return last;
}

Value Derivative::isStart(ScanOp scan) {
  Value &start = extensions[scan].start;
  if (!start) {
    OpBuilder b = at(&dataflow::bodyOf(scan));
    start = EqOp::create(b, scan.getLoc(), b.getI1Type(), dataflow::bodyOf(scan).getArgument(0),
                         constants.get(b.getI32IntegerAttr(0)));
  }
  return start;
}

Value Derivative::indexIn(ScanOp scan) {
  Block &body = dataflow::bodyOf(scan);
  for (Operation *user : body.getArgument(0).getUsers())
    if (isa<ConvertOp>(user) && user->getResult(0).getType().isIndex() && user->getBlock() == &body) return user->getResult(0);
  OpBuilder b(&body, body.begin());
  return ConvertOp::create(b, scan.getLoc(), b.getIndexType(), body.getArgument(0));
}

/// The value of the scan's inside as a result of the scan; it must be a constant of it.
Value Derivative::yieldFrom(ScanOp scan, Value inner) {
  OpBuilder b(scan);
  auto outer = UnrealizedConversionCastOp::create(b, scan.getLoc(), TypeRange{inner.getType()}, ValueRange{});
  extensions[scan].yields.push_back({inner, outer});
  Value result = outer.getResult(0);
  if (!scan.getWhen()) return result;
  // A scan that does not run has no results.
  OpBuilder after = at(scan->getBlock());
  return masked(result, Guards{{scan.getWhen(), true}}, after);
}

bool Derivative::runsUp(ScanOp scan) {
  Extension &extension = extensions[scan];
  if (!extension.isScanned) {
    extension.isScanned = true;
    for (Value v : activity.values())
      if (Operation *op = v.getDefiningOp(); op && op->getBlock() == &dataflow::bodyOf(scan)) {
        extension.hasPast = extension.hasPast || isa<FbyOp, WindowOp, FinalOp>(op);
        extension.hasFuture = extension.hasFuture || isa<EbyOp>(op);
      }
  }
  return extension.hasFuture && !extension.hasPast;
}

/// A contribution at each instant of the scan as one of the time around it: rows are stacked, everything else is summed, in the
/// direction in which cotangents run.
Contribution Derivative::leaveScan(Contribution part, ScanOp scan) {
  Block *body = &dataflow::bodyOf(scan);
  OpBuilder b = at(body);
  Location loc = scan.getLoc();
  Type type = part.value.getType();
  for (const ScanAxis &row : part.rows) {
    if (row.scan != scan) continue;
    SmallVector<int64_t> shape{static_cast<int64_t>(scan.getLength())};
    llvm::append_range(shape, shapeOf(type));
    auto stack = StackOp::create(b, loc, RankedTensorType::get(shape, elementOf(type)), part.value);
    part.value = yieldFrom(scan, stack.getResult());
    return part;
  }
  bool up = runsUp(scan);
  Value zero = zeros(type);
  Value before = up ? FbyOp::create(b, loc, type, zero, zero, b.getStringAttr("gradient")).getResult()
                    : EbyOp::create(b, loc, type, zero, zero, b.getStringAttr("gradient")).getResult();
  Value kept = before;
  if (up && scan.getResume()) kept = masked(before, Guards{{isStart(scan), false}}, b);
  Value sum = addProductTo(b, loc, part.value, kept);
  if (up) before.getDefiningOp<FbyOp>().getValueMutable().assign(sum);
  else before.getDefiningOp<EbyOp>().getValueMutable().assign(sum);
  Value end = up ? FinalOp::create(b, loc, type, sum).getResult() : InitialOp::create(b, loc, type, sum).getResult();
  part.value = yieldFrom(scan, end);
  return part;
}

/// Records a contribution, made in `from`, at the level of its source.
void Derivative::give(Value source, Contribution part, Block *from) {
  if (!activity.isActive(source)) return;
  cotangentOf(source);
  Block *level = levelFor(source);
  SmallVector<ScanOp> crossed;
  for (Block *at = from; at != level;) {
    auto scan = cast<ScanOp>(at->getParentOp());
    crossed.push_back(scan);
    part = leaveScan(part, scan);
    at = scan->getBlock();
  }
  if (!part.rows.empty()) {
    // Stacked axes stand in front, that of the outermost scan first.
    OpBuilder b = at(level);
    Location loc = source.getLoc();
    SmallVector<ScanAxis> order;
    for (ScanOp scan : llvm::reverse(crossed))
      for (const ScanAxis &row : part.rows)
        if (row.scan == scan) order.push_back(row);
    Value rows = part.value;
    Value zero = constants.get(cast<TypedAttr>(zeroAttr(elementOf(source.getType()))));
    part.value = makeEach(b, loc, cotangentType(source), [&](ValueRange indices) -> Value {
      SmallVector<AffineExpr> exprs;
      SmallVector<bool> clamp;
      Value inside;
      ArrayRef<int64_t> shape = shapeOf(source.getType());
      for (ScanAxis &row : order) {
        AffineExpr e = b.getAffineDimExpr(batch + row.axis) - row.offset;
        exprs.push_back(e);
        int64_t length = row.scan.getLength(), low = -row.offset, high = shape[row.axis] - 1 - row.offset;
        clamp.push_back(low < 0 || high >= length);
        auto require = [&](Value condition) {
          inside = inside ? AndOp::create(b, loc, b.getI1Type(), inside, condition).getResult() : condition;
        };
        Value i = clamp.back() ? materializeIndex(b, loc, e, indices, constants) : Value();
        if (low < 0) require(GeOp::create(b, loc, b.getI1Type(), i, constants.get(b.getI32IntegerAttr(0))));
        if (high >= length)
          require(LtOp::create(b, loc, b.getI1Type(), i, constants.get(b.getI32IntegerAttr(static_cast<int32_t>(length)))));
      }
      for (unsigned k = 0; k < batch; ++k) exprs.push_back(b.getAffineDimExpr(k)), clamp.push_back(false);
      for (unsigned a = 0; a < shape.size(); ++a)
        if (llvm::none_of(order, [&](const ScanAxis &row) { return row.axis == a; }))
          exprs.push_back(b.getAffineDimExpr(batch + a)), clamp.push_back(false);
      Value e = createRead(b, loc, rows, exprs, indices, clamp);
      return inside ? SelectOp::create(b, loc, e.getType(), inside, e, zero).getResult() : e;
    });
  }
  if (part.count) slices[source].push_back(part);
  else contributions[source].push_back(part.value);
}

void Derivative::throughFby(FbyOp op) {
  ScanOp scan = scanOf(op);
  OpBuilder b = at(op->getBlock());
  Value y = op.getResult();
  if (activity.isActive(op.getValue())) {
    Value g = passed(y, op.getValue(), b);
    Value next = EbyOp::create(b, op.getLoc(), g.getType(), g, zeros(g.getType()), b.getStringAttr("adjoint"));
    give(op.getValue(), {next, {}}, op->getBlock());
  }
  if (activity.isActive(op.getInit()) && !scan.getResume()) {
    Value g = passed(y, op.getInit(), b);
    Value first = yieldFrom(scan, InitialOp::create(b, op.getLoc(), g.getType(), g));
    give(op.getInit(), {first, {}}, scan->getBlock());
  }
}

void Derivative::throughEby(EbyOp op) {
  ScanOp scan = scanOf(op);
  OpBuilder b = at(op->getBlock());
  Value y = op.getResult();
  if (activity.isActive(op.getValue())) {
    Value g = passed(y, op.getValue(), b);
    Value before = FbyOp::create(b, op.getLoc(), g.getType(), zeros(g.getType()), g, b.getStringAttr("adjoint"));
    if (scan.getResume()) before = masked(before, Guards{{isStart(scan), false}}, b);
    give(op.getValue(), {before, {}}, op->getBlock());
  }
  if (activity.isActive(op.getEnd())) {
    Value g = passed(y, op.getEnd(), b);
    Value last = yieldFrom(scan, FinalOp::create(b, op.getLoc(), g.getType(), g));
    give(op.getEnd(), {last, {}}, scan->getBlock());
  }
}

/// Position k of the window is the value of n - 1 - k instants ago: what all windows say of one instant wanders from place to
/// place towards the past.
void Derivative::throughWindow(WindowOp op) {
  ScanOp scan = scanOf(op);
  OpBuilder b = at(op->getBlock());
  Location loc = op.getLoc();
  Value y = op.getResult();
  Value g = masked(cotangentOf(y), *guards[y], b);
  int64_t n = cast<RankedTensorType>(y.getType()).getDimSize(0);
  auto place = [&](Value from, int64_t k) {
    return makeEach(b, loc, cotangentType(op.getValue()), [&](ValueRange indices) -> Value {
      SmallVector<AffineExpr> exprs;
      for (unsigned i = 0; i < indices.size(); ++i) exprs.push_back(b.getAffineDimExpr(i));
      exprs.insert(exprs.begin() + batch, b.getAffineConstantExpr(k));
      return createRead(b, loc, from, exprs, indices);
    });
  };
  if (!scan || scan->isAncestor(block->getParentOp())) { // older elements are of other instants
    give(op.getValue(), {place(g, n - 1), {}}, op->getBlock());
    return;
  }
  Type type = g.getType(), element = elementOf(type);
  Value zero = constants.get(cast<TypedAttr>(zeroAttr(element)));
  auto next = EbyOp::create(b, loc, type, zeros(type), zeros(type), b.getStringAttr("adjoint"));
  Value sum = makeEach(b, loc, type, [&](ValueRange indices) -> Value {
    SmallVector<AffineExpr> exprs;
    SmallVector<bool> clamp(indices.size(), false);
    for (unsigned k = 0; k < indices.size(); ++k) exprs.push_back(b.getAffineDimExpr(k) - (k == batch ? 1 : 0));
    clamp[batch] = true;
    Value here = readLeading(b, loc, g, indices);
    Value later = createRead(b, loc, next.getResult(), exprs, indices, clamp);
    Value k = ConvertOp::create(b, loc, b.getI32Type(), indices[batch]);
    Value isOld = GtOp::create(b, loc, b.getI1Type(), k, constants.get(b.getI32IntegerAttr(0)));
    later = SelectOp::create(b, loc, element, isOld, later, zero);
    return AddOp::create(b, loc, element, here, later);
  });
  next.getValueMutable().assign(sum);
  if (activity.isActive(op.getValue())) give(op.getValue(), {place(sum, n - 1), {}}, op->getBlock());
  if (!activity.isActive(op.getInit()) || scan.getResume()) return;
  for (int64_t k = 0; k + 1 < n; ++k) {
    Value part = place(sum, k);
    Value first = yieldFrom(scan, InitialOp::create(b, loc, part.getType(), part));
    give(op.getInit(), {first, {}}, scan->getBlock());
  }
}

/// Ends and stacked results hand the cotangent of the scan's result to the instants.
void Derivative::throughEnd(Operation *op) {
  ScanOp scan = scanOf(op);
  Value y = op->getResult(0), x = op->getOperand(0);
  OpBuilder b = at(op->getBlock());
  Location loc = op->getLoc();
  Value g = passed(y, x, b);
  if (isa<StackOp>(op)) {
    Value t = indexIn(scan);
    g = makeEach(b, loc, cotangentType(x), [&](ValueRange indices) -> Value {
      SmallVector<AffineExpr> exprs;
      SmallVector<Value> operands(indices);
      for (unsigned i = 0; i < indices.size(); ++i) exprs.push_back(b.getAffineDimExpr(i));
      exprs.insert(exprs.begin() + batch, b.getAffineDimExpr(operands.size()));
      operands.push_back(t);
      return createRead(b, loc, g, exprs, operands);
    });
  } else {
    g = masked(g, Guards{{isa<FinalOp>(op) ? isLast(scan) : isStart(scan), true}}, b);
  }
  give(x, {g, {}}, op->getBlock());
}

/// Scans get the results that were asked of them.
void Derivative::extendScans() {
  SmallVector<Operation *> inner;
  for (auto &[op, extension] : extensions)
    if (!extension.yields.empty()) inner.push_back(op);
  // Inner scans first: an outer one moves with what it contains.
  llvm::stable_sort(inner, [](Operation *x, Operation *y) { return y->isProperAncestor(x); });
  for (Operation *op : inner) {
    auto scan = cast<ScanOp>(op);
    Extension &extension = extensions[op];
    auto yield = cast<YieldOp>(dataflow::bodyOf(scan).getTerminator());
    SmallVector<Value> yields(yield.getOperands());
    SmallVector<Type> types(scan.getResultTypes());
    for (auto &[value, outer] : extension.yields) {
      yields.push_back(value);
      types.push_back(value.getType());
    }
    yield.getValuesMutable().assign(yields);
    OpBuilder b(scan);
    auto made = ScanOp::create(b, scan.getLoc(), types, scan.getUpto(), scan.getWhen(), scan.getReset(), scan.getLength(),
                               scan.getResume(), scan.getSweepAttr(), scan.getIndexNameAttr());
    made.getBody().takeBody(scan.getBody());
    unsigned n = scan.getNumResults();
    scan->replaceAllUsesWith(made->getResults().take_front(n));
    for (auto [k, pair] : llvm::enumerate(extension.yields)) {
      pair.second.getResult(0).replaceAllUsesWith(made.getResult(n + k));
      pair.second.erase();
    }
    scan.erase();
    // Inside, a result is the constant of the scan that it is there.
    for (auto [result, value] : llvm::zip(made.getResults(), yields))
      result.replaceUsesWithIf(value, [&](OpOperand &use) { return made->isProperAncestor(use.getOwner()); });
  }
}

} // namespace mlr::diff
