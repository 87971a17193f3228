// Coefficients of expressions: as Terms.cpp and Tensors.cpp have their values.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <utility>

namespace mlr::eval {

using Numbers = std::vector<double>;

static Tangent made(Numbers numbers) { return std::make_shared<const Numbers>(std::move(numbers)); }

Value Duals::primal(const Term &term, Frame &frame, int64_t t) {
  Value value;
  if (term.isScalar) value.bits = m.scalar(term, frame, t);
  else value.tensor = m.tensor(term, frame, t);
  return value;
}

static double at(const Term &term, const Value &value, int64_t i) {
  return toDouble(term.scalar, term.isScalar ? value.bits : load(term.scalar, value.tensor.data, i));
}

static uint32_t slotOf(const Term &var) { return var.route ? var.route->slot : var.slot; }

Tangent Duals::evaluate(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (!isFloat(term.scalar)) return nullptr;
  if (term.kind == ExprKind::Merge) {
    Bits selector = m.scalar(*term.args[0], frame, t);
    return isOk() ? evaluate(*term.args[selector + 1], frame, t, set) : nullptr;
  }
  if (term.isHeavy) {
    demand(term, frame, t, set);
    if (!isOk()) return nullptr;
  }
  if (!term.isScalar) return tensor(term, frame, t, set);
  double x = scalar(term, frame, t, set);
  return x == 0 ? nullptr : made({x});
}

/// Puts every coefficient on the stack that a term surely needs.
void Duals::demand(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  switch (term.kind) {
  case ExprKind::Var:
    if (!isFloat(term.scalar)) return;
    for (unsigned part = 1; part <= set.full(); ++part)
      if (m.status != Status::Failed) variable(term, frame, t, *set.subsets[part]);
    return;
  case ExprKind::Op:
    if (term.op == OpKind::Select) return;
    break;
  case ExprKind::Read:
  case ExprKind::Broadcast:
  case ExprKind::Reshape:
  case ExprKind::Concat:
  case ExprKind::Build:
  case ExprKind::Reduce:
  case ExprKind::ReduceAll:
  case ExprKind::Call: break;
  default: return;
  }
  for (const Term *arg : term.args) demand(*arg, frame, t, set);
}

Tangent Duals::variable(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (term.isTime || !isFloat(term.scalar)) return nullptr;
  Place place = m.home(term, frame, t);
  Tangent out;
  if (place.frame) ready(*place.frame, slotOf(term), place.t, set, out);
  return out;
}

/// Operators of time: an operand, somewhere.
Tangent Duals::elsewhere(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (term.kind == ExprKind::Final || term.kind == ExprKind::Initial) {
    Frame *body = &frame;
    for (uint32_t up = term.up; up > 0; --up) body = body->time->in;
    if (isAround(set, *body->time)) return nullptr;
  }
  Machine::Target target = m.target(term, frame, t);
  if (!isOk() || !target.term) return nullptr;
  Frame &there = *target.place.frame;
  bool isElsewhere = &there != &frame || target.place.t != t;
  if (isElsewhere && !isHere(set, there, target.place.t)) return nullptr;
  Tangent out;
  if (target.term->kept < 0) return evaluate(*target.term, there, target.place.t, set);
  ready(there, static_cast<uint32_t>(target.term->kept), target.place.t, set, out);
  return out;
}

double Duals::scalar(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (!isFloat(term.scalar) || !isOk()) return 0;
  Tangent part;
  switch (term.kind) {
  case ExprKind::Var: part = variable(term, frame, t, set); break;
  case ExprKind::Op: return operation(term, frame, t, set);
  case ExprKind::Read:
  case ExprKind::ReadOr: return element(term, frame, t, set);
  case ExprKind::Reduce:
  case ExprKind::ReduceAll: part = reduce(term, frame, t, set); break;
  case ExprKind::Call: part = call(term, frame, t, set); break;
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Final:
  case ExprKind::Initial: part = elsewhere(term, frame, t, set); break;
  case ExprKind::Broadcast:
  case ExprKind::Reshape:
  case ExprKind::Build:
    if (term.args[0]->isScalar) return scalar(*term.args[0], frame, t, set);
    part = tensor(*term.args[0], frame, t, set);
    break;
  case ExprKind::Const:
  case ExprKind::Stop: break;
  default: m.fail("a derivative through a scalar of a kind that has none", term.expr->span);
  }
  return part ? (*part)[0] : 0;
}

Tangent Duals::tensor(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (!isFloat(term.scalar) || !isOk()) return nullptr;
  switch (term.kind) {
  case ExprKind::Const:
  case ExprKind::Stop: return nullptr;
  case ExprKind::Var: return variable(term, frame, t, set);
  case ExprKind::Op: return term.op == OpKind::Select ? select(term, frame, t, set) : operations(term, frame, t, set);
  case ExprKind::Broadcast: return broadcast(term, frame, t, set);
  case ExprKind::Reshape: return evaluate(*term.args[0], frame, t, set);
  case ExprKind::Concat: return concat(term, frame, t, set);
  case ExprKind::Read: return slice(term, frame, t, set);
  case ExprKind::Build: return build(term, frame, t, set);
  case ExprKind::Reduce: return reduce(term, frame, t, set);
  case ExprKind::Window: return window(term, frame, t, set);
  case ExprKind::Call: return call(term, frame, t, set);
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Final:
  case ExprKind::Initial: return elsewhere(term, frame, t, set);
  default: m.fail("a derivative through a tensor of a kind that has none", term.expr->span); return nullptr;
  }
}

/// The operands of a conversion vary: the derivative is rounded as its coarser side is.
void Duals::noteTypes(const Term &term, TagSet &set) {
  if (term.op != OpKind::Convert) return;
  for (Tag *tag : set.tags) tag->coarsest = coarser(tag->coarsest, coarser(term.scalar, term.operand));
}

double Duals::operation(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (term.op == OpKind::Select) {
    Bits condition = m.scalar(*term.args[0], frame, t);
    return isOk() ? scalar(*term.args[condition ? 1 : 2], frame, t, set) : 0;
  }
  if (!isFloat(term.operand)) return 0;
  double x[3][1u << maxTags];
  bool isVaried = false;
  for (size_t k = 0; k < term.args.size(); ++k)
    for (unsigned part = 1; part <= set.full(); ++part) {
      x[k][part] = scalar(*term.args[k], frame, t, *set.subsets[part]);
      isVaried |= x[k][part] != 0;
    }
  if (!isVaried) return 0;
  noteTypes(term, set);
  for (size_t k = 0; k < term.args.size() && isOk(); ++k)
    x[k][0] = toDouble(term.args[k]->scalar, m.scalar(*term.args[k], frame, t));
  return isOk() ? combine(term.op, set.full(), x[0], x[1], x[2]) : 0;
}

Tangent Duals::operations(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  if (!isFloat(term.operand)) return nullptr;
  std::vector<Tangent> varied[3];
  Value values[3];
  bool isVaried = false;
  for (size_t k = 0; k < term.args.size(); ++k) {
    varied[k].resize(set.full() + 1);
    for (unsigned part = 1; part <= set.full(); ++part) {
      varied[k][part] = tensor(*term.args[k], frame, t, *set.subsets[part]);
      isVaried |= varied[k][part] != nullptr;
    }
  }
  if (!isVaried || !isOk()) return nullptr;
  noteTypes(term, set);
  for (size_t k = 0; k < term.args.size() && isOk(); ++k) values[k] = primal(*term.args[k], frame, t);
  if (!isOk()) return nullptr;
  Numbers out(static_cast<size_t>(term.elements));
  double x[3][1u << maxTags];
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t k = 0; k < term.args.size(); ++k) {
      x[k][0] = at(*term.args[k], values[k], static_cast<int64_t>(i));
      for (unsigned part = 1; part <= set.full(); ++part) x[k][part] = varied[k][part] ? (*varied[k][part])[i] : 0;
    }
    out[i] = combine(term.op, set.full(), x[0], x[1], x[2]);
  }
  return made(std::move(out));
}

Tangent Duals::select(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  Tensor condition = m.tensor(*term.args[0], frame, t);
  if (!isOk()) return nullptr;
  Tangent arms[2];
  for (int arm = 0; arm < 2; ++arm) {
    auto selects = [&](std::byte b) { return (b != std::byte(0)) == (arm == 0); };
    if (!std::any_of(condition.data, condition.data + term.elements, selects)) continue;
    arms[arm] = tensor(*term.args[static_cast<size_t>(arm) + 1], frame, t, set);
    if (!isOk()) return nullptr;
  }
  if (!arms[0] && !arms[1]) return nullptr;
  Numbers out(static_cast<size_t>(term.elements), 0);
  for (size_t i = 0; i < out.size(); ++i)
    if (const Tangent &arm = arms[condition.data[i] == std::byte(0)]) out[i] = (*arm)[i];
  return made(std::move(out));
}

// ---- elements moved about

/// Calls f(number, position) for each position of a shape, in row-major order.
template <class F> static void forPositions(const Shape &shape, F f) {
  std::vector<int64_t> position(shape.size(), 0);
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  for (int64_t i = 0; i < count; ++i) {
    f(static_cast<size_t>(i), position);
    for (size_t k = shape.size(); k-- > 0;) {
      if (++position[k] < shape[k]) break;
      position[k] = 0;
    }
  }
}

Tangent Duals::broadcast(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  Tangent source = evaluate(*term.args[0], frame, t, set);
  if (!source) return nullptr;
  const Shape &to = term.expr->type.shape, &from = term.args[0]->expr->type.shape;
  size_t skipped = to.size() - from.size();
  Numbers out(static_cast<size_t>(term.elements));
  forPositions(to, [&](size_t i, const std::vector<int64_t> &position) {
    int64_t place = 0;
    for (size_t k = 0; k < from.size(); ++k) place = place * from[k] + (from[k] == 1 ? 0 : position[skipped + k]);
    out[i] = (*source)[static_cast<size_t>(place)];
  });
  return made(std::move(out));
}

Tangent Duals::concat(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  Numbers out;
  bool isVaried = false;
  for (const Term *arg : term.args) {
    Tangent part = evaluate(*arg, frame, t, set);
    if (!isOk()) return nullptr;
    isVaried |= part != nullptr;
    if (part) out.insert(out.end(), part->begin(), part->end());
    else out.resize(out.size() + static_cast<size_t>(arg->elements), 0);
  }
  return isVaried ? made(std::move(out)) : nullptr;
}

Tangent Duals::window(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  const Term &value = *term.args[0], &init = *term.args[1];
  Numbers out(static_cast<size_t>(term.elements), 0);
  bool isVaried = false;
  auto row = [&](const Term &what, int32_t slot, Frame &where, int64_t when) {
    Tangent part;
    if (slot < 0) return evaluate(what, where, when, set);
    ready(where, static_cast<uint32_t>(slot), when, set, part);
    return part;
  };
  Place place{&frame, t};
  Past past = Past::There;
  for (int64_t k = term.expr->count - 1; k >= 0; --k) {
    Tangent part;
    bool isPast = past == Past::There;
    // What is in the window from other instants of the time around the derivative is constant, the init of these too.
    bool isLooked = isPast ? isHere(set, *place.frame, place.t) : term.latch >= 0 || isHere(set, *place.frame, place.t);
    if (isLooked && isPast) part = row(value, value.kept, *place.frame, place.t);
    else if (isLooked) part = term.latch >= 0 ? row(init, term.latch, frame, t) : row(init, -1, *place.frame, place.t);
    if (!isOk()) return nullptr;
    if (part) std::copy(part->begin(), part->end(), out.begin() + k * value.elements);
    isVaried |= part != nullptr;
    if (isPast && k > 0) past = m.previous(*place.frame, place.t, place);
    if (!isOk()) return nullptr;
  }
  return isVaried ? made(std::move(out)) : nullptr;
}

Tangent Duals::build(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  const Term &arg = *term.args[0];
  Numbers out(static_cast<size_t>(term.elements), 0);
  bool isVaried = false;
  m.forIndices(term, frame, [&](int64_t n) {
    Tangent part;
    double x = 0;
    if (arg.isScalar) x = scalar(arg, frame, t, set);
    else part = tensor(arg, frame, t, set);
    isVaried |= x != 0 || part;
    if (part) std::copy(part->begin(), part->end(), out.begin() + n * arg.elements);
    else if (arg.isScalar) out[static_cast<size_t>(n)] = x;
  });
  return isVaried && isOk() ? made(std::move(out)) : nullptr;
}

Tangent Duals::slice(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  std::vector<int64_t> start(term.sizes.size(), 0);
  Shape count(term.sizes.size(), 1);
  bool outside = false;
  for (size_t k = 0; k < start.size(); ++k) {
    if (!m.placeOn(term, k, frame, t, start[k], outside)) return nullptr;
    const ReadIndex &read = term.expr->reads[k];
    if (read.kind != ReadIndex::Kind::At) count[k] = read.count;
  }
  Tangent source = tensor(*term.args[0], frame, t, set);
  if (!source) return nullptr;
  Numbers out(static_cast<size_t>(term.elements));
  forPositions(count, [&](size_t i, const std::vector<int64_t> &position) {
    int64_t place = 0;
    for (size_t k = 0; k < start.size(); ++k) place += (start[k] + position[k]) * term.strides[k];
    out[i] = (*source)[static_cast<size_t>(place)];
  });
  return made(std::move(out));
}

double Duals::element(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  int64_t offset = 0;
  bool outside = false;
  for (size_t k = 0; k < term.at.size(); ++k) {
    int64_t place = 0;
    if (!m.placeOn(term, k, frame, t, place, outside)) return 0;
    offset += place * term.strides[k];
  }
  if (term.kind == ExprKind::ReadOr && outside) return scalar(*term.args[1], frame, t, set);
  if (term.args[0]->isScalar) return scalar(*term.args[0], frame, t, set);
  Tangent source = tensor(*term.args[0], frame, t, set);
  return source ? (*source)[static_cast<size_t>(offset)] : 0;
}

// ---- reductions

/// One element of the reduction: a tensor, of whose elements each has a chain, or all one.
void Duals::addTo(std::vector<DualChain> &chains, const Term &reduction, Frame &frame, int64_t t, TagSet &set) {
  const Term &arg = *reduction.args[0];
  unsigned full = set.full(), first = DualChain::needsAll(reduction.expr->reduce) ? 0 : full;
  std::vector<Tangent> varied(full + 1);
  for (unsigned part = std::max(first, 1u); part <= full; ++part) varied[part] = evaluate(arg, frame, t, *set.subsets[part]);
  Value value;
  if (isOk() && first == 0) value = primal(arg, frame, t);
  if (!isOk()) return;
  if (first && !varied[full]) return;
  double x[1u << maxTags];
  for (int64_t i = 0; i < arg.elements; ++i) {
    if (first == 0) x[0] = at(arg, value, i);
    for (unsigned part = std::max(first, 1u); part <= full; ++part) x[part] = varied[part] ? (*varied[part])[static_cast<size_t>(i)] : 0;
    chains[chains.size() == 1 ? 0 : static_cast<size_t>(i)].add(x);
  }
}

Tangent Duals::reduce(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  const Term &arg = *term.args[0];
  std::vector<DualChain> chains(static_cast<size_t>(term.elements), DualChain(term.expr->reduce, set.full()));
  int64_t count = arg.elements;
  if (term.kind == ExprKind::ReduceAll) addTo(chains, term, frame, t, set);
  else count = m.forIndices(term, frame, [&](int64_t) { addTo(chains, term, frame, t, set); });
  if (!isOk()) return nullptr;
  Numbers out;
  for (const DualChain &chain : chains) out.push_back(chain.finish(count));
  return made(std::move(out));
}

} // namespace mlr::eval
