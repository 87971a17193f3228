// Reductions: ascending chains with accumulators in registers, and the 16-partial order of whole-tensor sums.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

static bool isPosition(ReduceOp op) { return op.getKind() == ReduceKind::Argmax || op.getKind() == ReduceKind::Argmin; }
static bool isTree(ReduceOp op) { return op.getTree() && op.getKind() == ReduceKind::Sum; }
static Type elementType(ReduceOp op) { return bodyOf(op).getTerminator()->getOperand(0).getType(); }

/// The least (or greatest) value: max(that, x) is x for every x, so it starts a chain like the first element itself.
static Value extreme(Arith &a, Type scalar, Type like, bool least) {
  if (isHalf(scalar)) {
    int64_t infinity = scalar.isBF16() ? 0x7f80 : 0x7c00;
    return a.integer(least ? infinity | 0x8000 : infinity, like);
  }
  if (auto f = dyn_cast<FloatType>(scalar)) return a.real(llvm::APFloat::getInf(f.getFloatSemantics(), least), like);
  unsigned width = scalar.getIntOrFloatBitWidth();
  bool isUnsigned = scalar.isUnsignedInteger() || width == 1;
  APInt value = isUnsigned ? (least ? APInt::getZero(width) : APInt::getMaxValue(width))
                           : (least ? APInt::getSignedMinValue(width) : APInt::getSignedMaxValue(width));
  return a.integer(value.getSExtValue(), like);
}

static Value one(Arith &a, Type scalar, Type like) {
  if (isHalf(scalar)) return a.integer(scalar.isBF16() ? 0x3f80 : 0x3c00, like);
  return isa<FloatType>(scalar) ? a.real(1.0, like) : a.integer(1, like);
}

/// The accumulators before the first element: two (value, position) for argmax and argmin, else one.
Values Kernel::neutral(ReduceOp op, int64_t width) {
  Type scalar = elementType(op), t = registerType(scalar);
  if (width > 1) t = VectorType::get({width}, t);
  switch (op.getKind()) {
  case ReduceKind::Sum: return {a.constant(cast<TypedAttr>(a.b.getZeroAttr(t)))};
  case ReduceKind::Prod: return {one(a, scalar, t)};
  case ReduceKind::Max: return {extreme(a, scalar, t, true)};
  case ReduceKind::Min: return {extreme(a, scalar, t, false)};
  case ReduceKind::All: return {a.truth(true, t)};
  case ReduceKind::Any: return {a.truth(false, t)};
  default: break;
  }
  return {extreme(a, scalar, t, op.getKind() == ReduceKind::Argmax), a.integer(0, withElement(t, a.b.getI32Type()))};
}

/// The chain's next value: acc combined with what the body yields (y: the second factor, or null).
Value Kernel::accumulate(ReduceOp op, Value acc, Value x, Value y) {
  Type scalar = elementType(op);
  switch (op.getKind()) {
  case ReduceKind::Sum: break;
  case ReduceKind::Prod: return emitMul(a, scalar, acc, x);
  case ReduceKind::Max: return emitMaxMin(a, scalar, acc, x, true);
  case ReduceKind::Min: return emitMaxMin(a, scalar, acc, x, false);
  case ReduceKind::All: return a.and_(acc, x);
  default: return a.or_(acc, x);
  }
  if (!y) return emitAdd(a, scalar, acc, x, l.options);
  if (l.options.unfused) return emitAdd(a, scalar, acc, emitMul(a, scalar, x, y), l.options);
  return emitFma(a, scalar, x, y, acc, l.options);
}

Value Kernel::accumulate(ReduceOp op, Value acc, unsigned r, unsigned c, int64_t width) {
  Operation *yield = bodyOf(op).getTerminator();
  Value x = get(yield->getOperand(0), r, c, width);
  return accumulate(op, acc, x, yield->getNumOperands() > 1 ? get(yield->getOperand(1), r, c, width) : Value());
}

/// argmax: a greater element, or the first NaN, takes over. Positions are i32, the same in all lanes.
static Values takeBetter(Arith &a, Type scalar, Value best, Value position, Value x, Value here, bool isMax) {
  Value better = isMax ? emitGreater(a, scalar, x, best) : emitGreater(a, scalar, best, x);
  if (isa<FloatType>(scalar)) {
    Value firstNan = a.and_(emitIsNan(a, scalar, x), a.not_(emitIsNan(a, scalar, best)));
    better = a.or_(better, firstNan);
  }
  return {a.select(better, x, best), a.select(better, here, position)};
}

Values Kernel::combine(ReduceOp op, unsigned r, unsigned c, int64_t width, ValueRange accumulators, Value position) {
  if (!isPosition(op)) return {accumulate(op, accumulators[0], r, c, width)};
  Value x = get(bodyOf(op).getTerminator()->getOperand(0), r, c, width);
  return takeBetter(a, elementType(op), accumulators[0], accumulators[1], x, a.splat(position, width),
                    op.getKind() == ReduceKind::Argmax);
}

// ---- chains ----------------------------------------------------------------------------------------------------

static SmallVector<int64_t> sizesOf(const Domain &domain) {
  SmallVector<int64_t> out;
  for (const Axis &axis : domain.axes) out.push_back(axis.size);
  return out;
}

/// The reductions that can share the loops of `first`: later ones of the same block, of equal sizes, that need nothing
/// which is not emitted yet.
Kernel::Group Kernel::groupOf(ReduceOp first) {
  Group group;
  group.ops.push_back(first);
  group.domains.push_back(domainOf(first.getBody(), first.getSizes(), true));
  // At the level of a time each reduction is a kernel of its own, which knows nothing of its neighbours.
  if (first.getInit() || !isa<GenOp, ReduceOp>(first->getParentOp())) return group;
  for (Operation *next = first->getNextNode(); next; next = next->getNextNode()) {
    auto op = dyn_cast<ReduceOp>(next);
    if (!op || isTree(op) || op.getInit() || values.count(op.getResult()) || dependence(op.getResult()) & ~opened) continue;
    Domain domain = domainOf(op.getBody(), op.getSizes(), true);
    if (sizesOf(domain) != sizesOf(group.domains[0])) continue;
    bool ready = true;
    op.getBody().walk([&](Operation *inner) {
      for (Value v : inner->getOperands()) {
        Operation *def = v.getDefiningOp();
        if (def && def->getBlock() == first->getBlock() && !isa<ConstOp>(def)) ready = ready && values.count(v);
      }
    });
    if (!ready) continue;
    group.ops.push_back(op);
    group.domains.push_back(std::move(domain));
  }
  return group;
}

Values Kernel::emitReduceStep(const Group &group, ValueRange accumulators) {
  size_t scope = openScope();
  uint64_t before = opened;
  Linear flat;
  for (const Axis &axis : group.domains[0].axes) flat.add(indices[axis.arg], axis.stride);
  Value position;
  Values next;
  for (ReduceOp op : group.ops) {
    opened |= reduceBits[&bodyOf(op)];
    emitReady(bodyOf(op));
    a.loc = op.getLoc();
    if (isPosition(op) && !position) position = a.make<arith::IndexCastOp>(a.b.getI32Type(), materialize(a, flat));
    size_t each = isPosition(op) ? 2 : 1;
    forCopies(dependence(op.getResult()), [&](unsigned r, unsigned c, int64_t width) -> Value {
      llvm::append_range(next, combine(op, r, c, width, accumulators.slice(next.size(), each), position));
      return {};
    });
  }
  opened = before;
  closeScope(scope);
  return next;
}

Values Kernel::emitReduceLoops(const Group &group, size_t axis, ValueRange accumulators) {
  if (axis == group.domains[0].axes.size()) return emitReduceStep(group, accumulators);
  if (axis + 1 == group.domains[0].axes.size())
    return emitReduceBlocks(group, axis, {0, group.domains[0].axes[axis].size}, INT64_MAX, accumulators);
  return l.loop(0, group.domains[0].axes[axis].size, 1, accumulators, [&](Value i, ValueRange carried) {
    for (const Domain &d : group.domains) indices[d.axes[axis].arg] = Linear::of(i);
    return emitReduceLoops(group, axis + 1, carried);
  });
}

/// Indices of a block, at most `most`, if some read of the group is transposed in the current tile, else 1.
int64_t Kernel::transposedStep(const Group &group, int64_t most) {
  int64_t step = 1;
  if (laneBit == 0 || parent || l.options.arrays) return step;
  for (ReduceOp op : group.ops)
    for (auto read : bodyOf(op).getOps<ReadOp>())
      if (isLaned(dependence(read.getResult())) && !packedOf(read))
        for (const Column &column : columns)
          if (auto t = transposable(read, laneArg, column.width, most)) step = std::max(step, t->step);
  return step;
}

/// The innermost loop: blocks whose steps are emitted one after the other, in order, as long as they fit into the range,
/// then smaller blocks, then one by one.
Values Kernel::emitReduceBlocks(const Group &group, size_t axis, Range range, int64_t most, ValueRange accumulators) {
  if (range.empty()) return Values(accumulators);
  int64_t step = transposedStep(group, std::min(most, range.upper - range.lower));
  int64_t whole = range.lower + (range.upper - range.lower) / step * step;
  auto bind = [&](const Linear &at) {
    for (const Domain &d : group.domains) indices[d.axes[axis].arg] = at;
  };
  Values results = l.loop(range.lower, whole, step, accumulators, [&](Value i, ValueRange carried) {
    if (step == 1) {
      bind(Linear::of(i));
      return emitReduceStep(group, carried);
    }
    Values acc(carried);
    ReduceBlock outer = std::exchange(reduceBlock, {&group, step, 0});
    auto ofOuter = std::exchange(transposed, {});
    for (; reduceBlock.position < step; ++reduceBlock.position) {
      Linear at = Linear::of(i);
      at.add(Linear(reduceBlock.position));
      bind(at);
      acc = emitReduceStep(group, acc);
    }
    reduceBlock = outer;
    transposed = std::move(ofOuter);
    return acc;
  });
  return emitReduceBlocks(group, axis, {whole, range.upper}, step, results);
}

void Kernel::emitReduces(ReduceOp first) {
  if (isTree(first)) return emitTree(first);
  if (emitByLanes(first)) return;
  Group group = groupOf(first);
  Values accumulators;
  for (auto [op, d] : llvm::zip(group.ops, group.domains)) {
    for (BlockArgument arg : d.zeros) indices[arg] = Linear(0);
    // What does not depend on the indices is computed before the loops.
    if (reduceBits[&bodyOf(op)] != uint64_t(1) << 63) emitReady(bodyOf(op));
    forCopies(dependence(op.getResult()), [&, op = op](unsigned r, unsigned c, int64_t width) mutable -> Value {
      if (op.getInit()) accumulators.push_back(get(op.getInit(), r, c, width));
      else llvm::append_range(accumulators, neutral(op, width));
      return {};
    });
  }
  a.loc = first.getLoc();
  Values results = emitReduceLoops(group, 0, accumulators);
  size_t at = 0;
  for (ReduceOp op : group.ops) {
    size_t each = isPosition(op) ? 2 : 1;
    set(op.getResult(), forCopies(dependence(op.getResult()), [&](unsigned, unsigned, int64_t) {
          at += each;
          return results[at - 1];
        }));
  }
}

// ---- trees -----------------------------------------------------------------------------------------------------

/// p[i] + p[i + 8], then + 4, + 2, + 1.
Value Kernel::treeTotal(Type scalar, Values partials) {
  if (partials.size() == 16) {
    for (size_t half = 8; half > 0; half /= 2)
      for (size_t i = 0; i < half; ++i) partials[i] = emitAdd(a, scalar, partials[i], partials[i + half], l.options);
    return partials[0];
  }
  Value v = partials[0];
  for (int64_t half = 8; half > 0; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(i + half);
    }
    Value x = vector::ShuffleOp::create(a.b, a.loc, v, v, low), y = vector::ShuffleOp::create(a.b, a.loc, v, v, high);
    v = emitAdd(a, scalar, x, y, l.options);
  }
  return vector::ExtractOp::create(a.b, a.loc, v, int64_t(0));
}

/// Blocks of 16 elements in row-major order. Where the innermost axis is a multiple of 16 its index walks the blocks and
/// `flat` counts along it (the outer indices are bound); otherwise `flat` counts all elements.
Values Kernel::emitTreeBlocks(const Domain &domain, ValueRange init, TreeStep step) {
  int64_t total = 1;
  for (const Axis &axis : domain.axes) total *= axis.size;
  if (total == 0) return Values(init);
  if (domain.axes.size() > 1 && domain.axes.back().size % 16 == 0) {
    std::function<Values(size_t, ValueRange)> nest = [&](size_t k, ValueRange carried) -> Values {
      if (k + 1 == domain.axes.size())
        return l.loop(0, domain.axes[k].size, 16, carried,
                      [&](Value i, ValueRange inner) { return step(Linear::of(i), 16, inner); });
      return l.loop(0, domain.axes[k].size, 1, carried, [&](Value i, ValueRange inner) {
        indices[domain.axes[k].arg] = Linear::of(i);
        return nest(k + 1, inner);
      });
    };
    return nest(0, init);
  }
  int64_t whole = total / 16 * 16;
  Values carried = l.loop(0, whole, 16, init, [&](Value i, ValueRange inner) { return step(Linear::of(i), 16, inner); });
  return whole < total ? step(Linear(whole), total - whole, carried) : carried;
}

/// Binds the axes to element `flat` (and the following lanes).
void Kernel::bindFlat(const Domain &domain, const Linear &flat, int64_t lanes) {
  if (domain.axes.empty()) return;
  const Axis &last = domain.axes.back();
  if (domain.axes.size() == 1 || last.size % 16 == 0) {
    indices[last.arg] = flat;
    return;
  }
  IndexValue x{flat, lanes > 1 ? 1 : 0, {}};
  for (size_t k = domain.axes.size(); k-- > 0;) {
    const Axis &axis = domain.axes[k];
    IndexValue here = k == 0 ? x : divide(x, axis.size, AffineExprKind::Mod, lanes);
    if (lanes > 1) laneVectors[axis.arg] = laneVector(here, lanes);
    else indices[axis.arg] = here.at;
    if (k > 0) x = divide(x, axis.size, AffineExprKind::FloorDiv, lanes);
  }
}

/// The 16 partials as one vector; this kernel has the flat element as its lane axis.
Value Kernel::emitTreeLanes(ReduceOp op) {
  Domain d = domainOf(op.getBody(), op.getSizes(), true);
  laneBit = 1;
  nextBit = 2;  // bit 1: the outer axes
  for (BlockArgument arg : d.zeros) indices[arg] = Linear(0);
  bool flat = d.axes.size() > 1 && d.axes.back().size % 16 != 0;
  uint64_t outer = flat ? laneBit : 2;
  for (const Axis &axis : d.axes) dependences[axis.arg] = outer;
  if (!d.axes.empty()) dependences[d.axes.back().arg] = laneBit;
  if (!flat && !d.axes.empty()) laneArg = d.axes.back().arg;
  computeDependence(bodyOf(op));
  emitReady(bodyOf(op));  // what depends on no index
  opened = laneBit | 2;
  tileWidth = 16;
  Values partials = emitTreeBlocks(d, neutral(op, 16), [&](const Linear &at, int64_t active, ValueRange carried) -> Values {
    size_t scope = openScope();
    columns.assign(1, Column{0, 16, active});
    bindFlat(d, at, 16);
    emitReady(bodyOf(op));
    a.loc = op.getLoc();
    Value next = accumulate(op, carried[0], 0, 0, 16);
    closeScope(scope);
    return {active == 16 ? next : a.select(a.mask(active, 16), next, carried[0])};
  });
  return treeTotal(elementType(op), partials);
}

/// The 16 partials one by one; each may itself be a vector, of as many sums.
Values Kernel::emitTreeSerial(ReduceOp op) {
  Domain d = domainOf(op.getBody(), op.getSizes(), true);
  for (BlockArgument arg : d.zeros) indices[arg] = Linear(0);
  uint64_t dep = dependence(op.getResult());
  unsigned perPartial = copies(dep);
  Values init;
  for (int p = 0; p < 16; ++p)
    llvm::append_range(init, forCopies(dep, [&](unsigned, unsigned, int64_t width) { return neutral(op, width)[0]; }));
  uint64_t before = opened;
  opened |= reduceBits[&bodyOf(op)];
  Values partials = emitTreeBlocks(d, init, [&](const Linear &at, int64_t active, ValueRange carried) {
    Values next(carried);
    for (int64_t p = 0; p < active; ++p) {
      size_t scope = openScope();
      Linear flat = at;
      flat.add(Linear(p));
      bindFlat(d, flat, 1);
      emitReady(bodyOf(op));
      a.loc = op.getLoc();
      forCopies(dep, [&](unsigned r, unsigned c, int64_t width) -> Value {
        Value &acc = next[static_cast<size_t>(p) * perPartial + copy(dep, r, c)];
        return acc = accumulate(op, acc, r, c, width);
      });
      closeScope(scope);
    }
    return next;
  });
  opened = before;
  return forCopies(dep, [&](unsigned r, unsigned c, int64_t) {
    Values own;
    for (size_t p = 0; p < 16; ++p) own.push_back(partials[p * perPartial + copy(dep, r, c)]);
    return treeTotal(elementType(op), own);
  });
}

void Kernel::emitTree(ReduceOp op) {
  if (op.getSizes().empty()) {  // one element: partial 0
    Values sums = emitTreeSerial(op);
    return set(op.getResult(), sums);
  }
  uint64_t dep = dependence(op.getResult());
  int64_t total = 1;
  for (int64_t n : op.getSizes()) total *= n;
  // A few elements that were just stored one by one are loaded faster one by one than as a masked vector.
  bool few = total < 8;
  if (l.options.vectorBits == 0 || few || isLaned(dep)) return set(op.getResult(), emitTreeSerial(op));
  set(op.getResult(), forCopies(dep, [&](unsigned r, unsigned c, int64_t) {
        return Kernel(l, this, r, c).emitTreeLanes(op);
      }));
}

} // namespace mlr::loops
