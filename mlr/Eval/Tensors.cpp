// Terms whose work is a loop over elements: comprehensions, reductions, slices, element-wise operators,
// windows.
#include "mlr/Eval/Machine.h"

#include <algorithm>
#include <cstring>

namespace mlr::eval {

namespace {

/// Visits all positions of a shape in row-major order; `step(linear, position)`.
class Odometer {
public:
  explicit Odometer(const Shape &shape) : shape(shape), position(shape.size(), 0) {}
  const std::vector<int64_t> &at() const { return position; }
  void next() {
    for (size_t k = shape.size(); k-- > 0;) {
      if (++position[k] < shape[k]) return;
      position[k] = 0;
    }
  }

private:
  const Shape &shape;
  std::vector<int64_t> position;
};

} // namespace

Tensor Machine::allocate(const Term &term, std::byte *&data) {
  Tensor result;
  result.owner = std::shared_ptr<std::byte[]>(new std::byte[term.expr->type.bytes() + 1]());
  result.data = data = result.owner.get();
  return result;
}

Tensor Machine::tensorOp(const Term &term, Frame &frame, int64_t t) {
  Tensor source[3];
  for (size_t i = 0; i < term.args.size() && i < 3; ++i) {
    source[i] = tensor(*term.args[i], frame, t);
    if (status != Status::Ok) return {};
  }
  std::byte *data;
  Tensor result = allocate(term, data);
  for (int64_t i = 0; i < term.elements; ++i) {
    Bits operand[3] = {};
    for (size_t k = 0; k < term.args.size() && k < 3; ++k)
      operand[k] = load(term.args[k]->scalar, source[k].data, i);
    store(term.scalar, data, i,
          apply(term.op, term.operand, term.scalar, operand[0], operand[1], operand[2]));
  }
  return result;
}

/// Only the arms that some element selects are asked for.
Tensor Machine::selectElements(const Term &term, Frame &frame, int64_t t) {
  Tensor condition = tensor(*term.args[0], frame, t);
  if (status != Status::Ok) return {};
  Tensor arms[2];
  for (int arm = 0; arm < 2; ++arm) {
    auto selects = [&](std::byte b) { return (b != std::byte(0)) == (arm == 0); };
    if (!std::any_of(condition.data, condition.data + term.elements, selects)) continue;
    arms[arm] = tensor(*term.args[static_cast<size_t>(arm) + 1], frame, t);
    if (status != Status::Ok) return {};
  }
  std::byte *data;
  Tensor result = allocate(term, data);
  for (int64_t i = 0; i < term.elements; ++i)
    store(term.scalar, data, i, load(term.scalar, arms[condition.data[i] == std::byte(0)].data, i));
  return result;
}

Tensor Machine::broadcast(const Term &term, Frame &frame, int64_t t) {
  const Term &arg = *term.args[0];
  const Shape &to = term.expr->type.shape, &from = arg.expr->type.shape;
  Tensor source;
  Bits single = 0;
  if (arg.isScalar) single = scalar(arg, frame, t);
  else source = tensor(arg, frame, t);
  if (status != Status::Ok) return {};
  std::byte *data;
  Tensor result = allocate(term, data);
  std::vector<int64_t> stride(to.size(), 0);
  int64_t running = 1;
  for (size_t k = 0; k < from.size(); ++k) {
    int64_t size = from[from.size() - 1 - k];
    if (size != 1) stride[to.size() - 1 - k] = running;
    running *= size;
  }
  Odometer odometer(to);
  for (int64_t i = 0; i < term.elements; ++i, odometer.next()) {
    int64_t place = 0;
    for (size_t k = 0; k < to.size(); ++k) place += odometer.at()[k] * stride[k];
    store(term.scalar, data, i, arg.isScalar ? single : load(term.scalar, source.data, place));
  }
  return result;
}

Tensor Machine::concat(const Term &term, Frame &frame, int64_t t) {
  std::byte *data;
  Tensor result = allocate(term, data);
  for (const Term *arg : term.args) {
    Tensor part = tensor(*arg, frame, t);
    if (status != Status::Ok) return {};
    size_t bytes = arg->expr->type.bytes();
    if (bytes) std::memcpy(data, part.data, bytes);
    data += bytes;
  }
  return result;
}

Tensor Machine::window(const Term &term, Frame &frame, int64_t t) {
  const Term &value = *term.args[0], &init = *term.args[1];
  size_t bytes = value.expr->type.bytes();
  std::byte *data;
  Tensor result = allocate(term, data);
  auto put = [&](const Term &what, int32_t slot, Frame &where, int64_t when, int64_t k) {
    if (slot >= 0 && !ready(where, static_cast<uint32_t>(slot), when)) return;
    if (what.isScalar) {
      Bits bits =
          slot >= 0 ? where.bits[where.cell(static_cast<uint32_t>(slot), when)] : scalar(what, where, when);
      if (status == Status::Ok) store(term.scalar, data, k, bits);
      return;
    }
    Tensor part = slot >= 0 ? where.tensors[where.tensorCell(static_cast<uint32_t>(slot), when)]
                            : tensor(what, where, when);
    if (status == Status::Ok && bytes) std::memcpy(data + static_cast<size_t>(k) * bytes, part.data, bytes);
  };
  Place place{&frame, t};
  Past past = Past::There;
  for (int64_t k = term.expr->count - 1; k >= 0; --k) {
    if (past == Past::There) put(value, value.kept, *place.frame, place.t, k);
    // Before time began: the init of the first instant, which its latch remembers.
    else if (term.latch >= 0) put(init, term.latch, frame, t, k);
    else put(init, -1, *place.frame, place.t, k);
    if (status == Status::Undefined) fail("a window holds an undefined value", term.expr->span);
    if (status != Status::Ok) return {};
    if (past == Past::There && k > 0) past = previous(*place.frame, place.t, place);
    if (past == Past::Unknown) return {};
  }
  return result;
}

// ---- comprehensions
// ----------------------------------------------------------------------------------------

/// Calls body(n) for each tuple of the term's indices, the last fastest, with the environment set, until
/// `status` changes. Returns the number of tuples.
int64_t Machine::forIndices(const Term &term, Frame &frame, const std::function<void(int64_t)> &body) {
  NodePlan &plan = *frame.plan->node;
  const std::vector<IndexId> &indices = term.expr->indices;
  int64_t count = 1;
  for (IndexId i : indices) {
    count *= plan.node->indices[i].size;
    plan.env[i] = 0;
  }
  for (int64_t n = 0; n < count && status == Status::Ok; ++n) {
    body(n);
    for (size_t k = indices.size(); k-- > 0;) {
      if (++plan.env[indices[k]] < plan.node->indices[indices[k]].size) break;
      plan.env[indices[k]] = 0;
    }
  }
  return count;
}

Tensor Machine::build(const Term &term, Frame &frame, int64_t t) {
  const Term &arg = *term.args[0];
  size_t bytes = arg.expr->type.bytes();
  std::byte *data;
  Tensor result = allocate(term, data);
  forIndices(term, frame, [&](int64_t n) {
    if (arg.isScalar) {
      Bits bits = scalar(arg, frame, t);
      if (status == Status::Ok) store(term.scalar, data, n, bits);
      return;
    }
    Tensor part = tensor(arg, frame, t);
    if (status == Status::Ok && bytes) std::memcpy(data + static_cast<size_t>(n) * bytes, part.data, bytes);
  });
  return result;
}

Bits Machine::reduce(const Term &term, Frame &frame, int64_t t) {
  const Term &arg = *term.args[0];
  Chain chain(term.expr->reduce, arg.scalar, options.unfused);
  int64_t count = forIndices(term, frame, [&](int64_t) {
    if (!term.expr->fused) {
      Bits bits = scalar(arg, frame, t);
      if (status == Status::Ok) chain.add(bits);
      return;
    }
    Bits a = scalar(*arg.args[0], frame, t);
    if (status != Status::Ok) return;
    Bits b = scalar(*arg.args[1], frame, t);
    if (status == Status::Ok) chain.addProduct(a, b);
  });
  return status == Status::Ok ? chain.finish(count) : 0;
}

/// A reduction of tensors: one chain for each element.
Tensor Machine::reduceElements(const Term &term, Frame &frame, int64_t t) {
  const Term &arg = *term.args[0];
  std::vector<Chain> chains(static_cast<size_t>(term.elements),
                            Chain(term.expr->reduce, arg.scalar, options.unfused));
  bool fused = term.expr->fused;
  int64_t count = forIndices(term, frame, [&](int64_t) {
    Tensor a = tensor(fused ? *arg.args[0] : arg, frame, t), b;
    if (status == Status::Ok && fused) b = tensor(*arg.args[1], frame, t);
    if (status != Status::Ok) return;
    for (int64_t i = 0; i < term.elements; ++i) {
      Chain &chain = chains[static_cast<size_t>(i)];
      if (fused) chain.addProduct(load(arg.scalar, a.data, i), load(arg.scalar, b.data, i));
      else chain.add(load(arg.scalar, a.data, i));
    }
  });
  if (status != Status::Ok) return {};
  std::byte *data;
  Tensor result = allocate(term, data);
  for (int64_t i = 0; i < term.elements; ++i)
    store(term.scalar, data, i, chains[static_cast<size_t>(i)].finish(count));
  return result;
}

/// Over a whole tensor: sums and means by 16 partials, all else an ascending chain.
Bits Machine::reduceAll(const Term &term, Frame &frame, int64_t t) {
  const Term &arg = *term.args[0];
  bool fused = term.expr->fused;
  const Term &first = fused ? *arg.args[0] : arg;
  if (arg.isScalar) {
    Chain chain(term.expr->reduce, arg.scalar, options.unfused);
    Bits a = scalar(first, frame, t), b = 0;
    if (status == Status::Ok && fused) b = scalar(*arg.args[1], frame, t);
    if (status != Status::Ok) return 0;
    if (fused) chain.addProduct(a, b);
    else chain.add(a);
    return chain.finish(1);
  }
  Tensor a = tensor(first, frame, t), b;
  if (status == Status::Ok && fused) b = tensor(*arg.args[1], frame, t);
  if (status != Status::Ok) return 0;
  bool sum = term.expr->reduce == ReduceKind::Sum || term.expr->reduce == ReduceKind::Mean;
  size_t width = sum && isFloat(arg.scalar) ? 16 : 1;
  std::vector<Chain> partials(width, Chain(term.expr->reduce, arg.scalar, options.unfused));
  for (int64_t i = 0; i < arg.elements; ++i) {
    Chain &chain = partials[static_cast<size_t>(i) % width];
    if (fused) chain.addProduct(load(arg.scalar, a.data, i), load(arg.scalar, b.data, i));
    else chain.add(load(arg.scalar, a.data, i));
  }
  for (size_t half = width / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) partials[i].merge(partials[i + half]);
  return partials[0].finish(arg.elements);
}

// ---- reads
// -------------------------------------------------------------------------------------------------

void Machine::noteFailure(Span span, std::optional<MonitorKind> monitor) {
  auto [it, isNew] = failures.try_emplace({span.file, span.begin, span.end}, CheckFailure{span, monitor, now, now, 1});
  if (isNew || it->second.last == now) return;
  it->second.last = now;
  ++it->second.instants;
}

/// The place on one axis, clamped unless proved to be inside; `outside` tells whether it left the axis. False
/// when `status` changed.
bool Machine::placeOn(const Term &term, size_t axis, Frame &frame, int64_t t, int64_t &place, bool &outside) {
  const ReadIndex &read = term.expr->reads[axis];
  if (read.kind == ReadIndex::Kind::Range) {
    place = read.start;
    return true;
  }
  Bits bits = scalar(*term.at[axis], frame, t);
  if (status != Status::Ok) return false;
  place = asPlace(term.at[axis]->scalar, bits);
  int64_t last = term.sizes[axis] - (read.kind == ReadIndex::Kind::Slide ? read.count : 1);
  bool inside = place >= 0 && place <= last;
  if (!inside && read.inBounds) {
    fail("index " + std::to_string(place) + " leaves an axis of " + std::to_string(term.sizes[axis]) +
             ", though it was proved to stay",
         read.at->span);
    return false;
  }
  outside |= !inside;
  if (!inside && options.checks && term.kind == ExprKind::Read) noteFailure(read.at->span, std::nullopt);
  place = std::clamp<int64_t>(place, 0, std::max<int64_t>(last, 0));
  return true;
}

Bits Machine::element(const Term &term, Frame &frame, int64_t t) {
  int64_t offset = 0;
  bool outside = false;
  for (size_t k = 0; k < term.at.size(); ++k) {
    int64_t place = 0;
    if (!placeOn(term, k, frame, t, place, outside)) return 0;
    offset += place * term.strides[k];
  }
  if (term.kind == ExprKind::ReadOr && outside) return scalar(*term.args[1], frame, t);
  if (term.args[0]->isScalar) return scalar(*term.args[0], frame, t);
  if (term.args[0]->kind == ExprKind::Var) { // without touching the count of the owner
    Place place = home(*term.args[0], frame, t);
    uint32_t slot = term.args[0]->route ? term.args[0]->route->slot : term.args[0]->slot;
    if (!place.frame || !ready(*place.frame, slot, place.t)) return 0;
    return load(term.scalar, place.frame->tensors[place.frame->tensorCell(slot, place.t)].data, offset);
  }
  Tensor source = tensor(*term.args[0], frame, t);
  return status == Status::Ok ? load(term.scalar, source.data, offset) : 0;
}

Tensor Machine::slice(const Term &term, Frame &frame, int64_t t) {
  size_t rank = term.sizes.size();
  std::vector<int64_t> start(rank, 0);
  Shape count(rank, 1);
  bool outside = false;
  for (size_t k = 0; k < rank; ++k) {
    if (!placeOn(term, k, frame, t, start[k], outside)) return {};
    const ReadIndex &read = term.expr->reads[k];
    if (read.kind != ReadIndex::Kind::At) count[k] = read.count;
  }
  Tensor source = tensor(*term.args[0], frame, t);
  if (status != Status::Ok) return {};
  std::byte *data;
  Tensor result = allocate(term, data);
  size_t width = byteSize(term.scalar);
  Odometer odometer(count);
  for (int64_t i = 0; i < term.elements; ++i, odometer.next()) {
    int64_t place = 0;
    for (size_t k = 0; k < rank; ++k) place += (start[k] + odometer.at()[k]) * term.strides[k];
    std::memcpy(data + static_cast<size_t>(i) * width, source.data + static_cast<size_t>(place) * width,
                width);
  }
  return result;
}

} // namespace mlr::eval
