// Coefficients of cells: as Cells.cpp has their values.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <utility>

namespace mlr::eval {

TagSet::Cell &Duals::cellOf(Frame &frame, uint32_t slot, int64_t t, TagSet &set) {
  if (set.cells.size() <= depth) set.cells.resize(depth + 1);
  used = std::max(used, depth + 1);
  return set.cells[depth][{&frame, slot, t}];
}

/// Whether the coefficient is known; otherwise `status` says what to do, and a cell not yet begun is on the stack.
bool Duals::ready(Frame &frame, uint32_t slot, int64_t t, TagSet &set, Tangent &out) {
  out = nullptr;
  bool isVaried = isFloat(frame.plan->slots[slot].type.scalar) && isHere(set, frame, t);
  if (m.status == Status::Failed) return false;
  if (!isVaried) return true;
  TagSet::Cell &cell = cellOf(frame, slot, t, set);
  switch (cell.state) {
  case CellState::Ready: out = cell.value; return true;
  case CellState::Empty:
    m.stack.push_back({&frame, slot, t, &set});
    if (isOk()) m.status = Status::Wait;
    return false;
  case CellState::Active: m.failCycle({&frame, slot, t}); return false;
  case CellState::Undefined:
    if (isOk()) m.status = Status::Undefined;
    return false;
  }
  return false;
}

bool Duals::run(const CellRef &cell, size_t place) {
  TagSet::Cell &known = cellOf(*cell.frame, cell.slot, cell.t, *cell.tags);
  if (known.state == CellState::Ready || known.state == CellState::Undefined) {
    m.stack.pop_back();
    return true;
  }
  known.state = CellState::Active;
  uint64_t outerEpoch = std::exchange(m.epoch, m.epochs + 1);
  ++m.epochs;
  Tangent value = compute(cell);
  m.epoch = outerEpoch;
  if (m.status == Status::Failed) return false;
  if (std::exchange(m.status, Status::Ok) == Status::Wait) return true;
  m.stack.resize(place);
  TagSet::Cell &done = cellOf(*cell.frame, cell.slot, cell.t, *cell.tags);
  done.state = CellState::Ready;
  done.value = std::move(value);
  return true;
}

/// The direction of a variable. It is a constant, but for that of a jvp.
Tangent Duals::seed(const Tag &tag, size_t number, TagSet &set) {
  const Tag::Cut &cut = tag.cuts[number];
  if (!cut.along) return number == 0 && set.tags.size() == 1 ? tag.direction : nullptr;
  size_t elements = static_cast<size_t>(cut.frame->plan->slots[cut.slot].type.elements()),
         first = static_cast<size_t>(tag.pass) * elements;
  std::vector<double> own(elements, 0);
  Frame &frame = *tag.place.frame;
  if (set.tags.size() > 1) {
    Tangent varied = variable(*cut.along, frame, tag.place.t, *set.subsets[set.full() >> 1]);
    if (!isOk() || !varied) return nullptr;
    for (size_t i = 0; i < elements; ++i) own[i] = (*varied)[first + i];
  } else {
    Value value = primal(*cut.along, frame, tag.place.t);
    if (!isOk()) return nullptr;
    Scalar scalar = cut.along->scalar;
    for (size_t i = 0; i < elements; ++i)
      own[i] = toDouble(scalar, cut.along->isScalar ? value.bits : load(scalar, value.tensor.data, static_cast<int64_t>(first + i)));
  }
  return std::make_shared<const std::vector<double>>(std::move(own));
}

Tangent Duals::compute(const CellRef &cell) {
  Frame &frame = *cell.frame;
  TagSet &set = *cell.tags;
  const Tag &inner = *set.tags.back();
  for (size_t k = 0; k < inner.cuts.size(); ++k)
    if (inner.cuts[k].is(&frame, cell.slot, cell.t)) return seed(inner, k, set);
  const Slot &slot = frame.plan->slots[cell.slot];
  Place place;
  Tangent out;
  switch (slot.kind) {
  case Slot::Kind::Input: return input(cell);
  case Slot::Kind::Term: return evaluate(*slot.term, frame, cell.t, set);
  case Slot::Kind::Latch: {
    Past past = m.previous(frame, cell.t, place);
    if (past == Past::None) return evaluate(*slot.term, frame, cell.t, set);
    if (past == Past::There) ready(*place.frame, cell.slot, place.t, set, out);
    return out;
  }
  case Slot::Kind::Hold: return hold(cell);
  case Slot::Kind::Sample: {
    Presence presence = m.follow(*slot.route, frame, cell.t, place);
    if (presence == Presence::Absent) m.failAbsent(slot.name, slot.span);
    if (presence == Presence::There) ready(*place.frame, slot.route->slot, place.t, set, out);
    return out;
  }
  case Slot::Kind::CallResult: return callResult(cell);
  case Slot::Kind::ScanResult: return scanResult(cell);
  case Slot::Kind::Extern: return nullptr; // C functions have no derivative
  case Slot::Kind::Derivative: {
    auto sum = derivativeOf(cell);
    return sum ? std::make_shared<const std::vector<double>>(std::move(*sum)) : nullptr;
  }
  }
  return nullptr;
}

Tangent Duals::input(const CellRef &cell) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Place at{cell.frame, cell.t};
  for (uint32_t up = slot.up; up > 0; --up) at = m.outwards(*at.frame, at.t);
  Frame *caller = at.frame->caller;
  if (!caller) {
    auto given = inputs.find(at.frame);
    return given == inputs.end() ? nullptr : (*given->second)(slot.part, *cell.tags);
  }
  const CallPlan &call = caller->plan->calls[at.frame->call];
  std::vector<int64_t> &env = caller->plan->node->env;
  int64_t rest = at.frame->instance;
  const std::vector<IndexId> &each = call.equation->each;
  for (size_t k = each.size(); k-- > 0;) {
    int64_t size = caller->plan->node->node->indices[each[k]].size;
    env[each[k]] = rest % size;
    rest /= size;
  }
  return evaluate(*call.args[slot.part], *caller, at.t, *cell.tags);
}

Tangent Duals::callResult(const CellRef &cell) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Place at{cell.frame, cell.t};
  for (uint32_t up = slot.up; up > 0; --up) at = m.outwards(*at.frame, at.t);
  const CallPlan &call = at.frame->plan->calls[slot.part];
  const Route &output = call.callee->outputs[slot.result];
  bool isEach = !call.equation->each.empty();
  size_t elements = call.instances ? static_cast<size_t>(slot.type.elements()) / call.instances : 0;
  std::vector<double> all;
  for (uint32_t i = 0; i < call.instances; ++i) {
    Status before = std::exchange(m.status, Status::Ok);
    Frame *called = m.callee(*at.frame, slot.part, i);
    Place end;
    Presence presence = called ? m.follow(output, *called, at.t, end) : Presence::Unknown;
    Tangent part;
    if (presence == Presence::There) ready(*end.frame, output.slot, end.t, *cell.tags, part);
    if (isOk()) m.status = before;
    if (!isEach) return part;
    if (!part || !isOk()) continue;
    if (all.empty()) all.assign(static_cast<size_t>(slot.type.elements()), 0);
    std::copy(part->begin(), part->end(), all.begin() + static_cast<int64_t>(i * elements));
  }
  return all.empty() ? nullptr : std::make_shared<const std::vector<double>>(std::move(all));
}

Tangent Duals::scanResult(const CellRef &cell) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Activation *run = m.activation(*cell.frame, slot.part, cell.t);
  if (!run || isAround(*cell.tags, *run)) return nullptr;
  const ScanResult &result = run->scan->scan->results[slot.result];
  if (result.kind == ScanResult::Kind::Count) return nullptr;
  int64_t executed = result.kind == ScanResult::Kind::Initial ? run->length : m.count(*run);
  if (!isOk()) return nullptr;
  uint32_t inner = static_cast<uint32_t>(run->scan->values[slot.result]);
  if (result.kind == ScanResult::Kind::Stack) return stack(*run, inner, slot.type, *cell.tags);
  Tangent out;
  if (executed > 0) ready(run->body, inner, result.kind == ScanResult::Kind::Final ? executed - 1 : 0, *cell.tags, out);
  return out;
}

Tangent Duals::stack(Activation &run, uint32_t slot, const Type &type, TagSet &set) {
  std::vector<double> all;
  size_t element = run.length ? static_cast<size_t>(type.elements() / run.length) : 0;
  for (int64_t t = run.count - 1; t >= 0; --t) { // the first instant ends on top of the stack
    Tangent row;
    ready(run.body, slot, t, set, row);
    if (m.status == Status::Failed) return nullptr;
    if (!row) continue;
    if (all.empty()) all.assign(static_cast<size_t>(type.elements()), 0);
    std::copy(row->begin(), row->end(), all.begin() + static_cast<int64_t>(static_cast<size_t>(t) * element));
  }
  return all.empty() ? nullptr : std::make_shared<const std::vector<double>>(std::move(all));
}

Tangent Duals::hold(const CellRef &cell) {
  Frame &frame = *cell.frame;
  const Term &hold = *frame.plan->slots[cell.slot].term, &operand = *hold.args[0];
  Place place{&frame, cell.t};
  Tangent out;
  if (!operand.route) return evaluate(operand, frame, cell.t, *cell.tags);
  Presence presence = m.follow(*operand.route, frame, cell.t, place);
  if (presence == Presence::Unknown) return nullptr;
  if (presence == Presence::There) {
    ready(*place.frame, operand.route->slot, place.t, *cell.tags, out);
    return out;
  }
  Past past = m.previous(frame, cell.t, place);
  if (past == Past::There) ready(*place.frame, cell.slot, place.t, *cell.tags, out);
  if (past == Past::None) return evaluate(*hold.args[1], frame, cell.t, *cell.tags);
  return out;
}

} // namespace mlr::eval
