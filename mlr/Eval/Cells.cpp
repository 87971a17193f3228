// The work stack, and what makes a cell ready.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mlr::eval {

void Machine::fail(std::string message, Span span) {
  if (status == Status::Failed) return;
  status = Status::Failed;
  error = {std::move(message), span};
}

std::string Machine::describe(const CellRef &cell) const {
  return cell.frame->plan->node->node->name + "." + cell.frame->plan->slots[cell.slot].name + " at instant " +
         std::to_string(cell.t);
}

/// The cells that are being computed, from the first visit of `cell` on.
void Machine::failCycle(const CellRef &cell) {
  std::vector<const CellRef *> loop;
  for (const CellRef &c : stack) {
    bool isStart = c.frame == cell.frame && c.slot == cell.slot && c.t == cell.t;
    if (loop.empty() && !isStart) continue;
    if (state(*c.frame, c.slot, c.t) == CellState::Active) loop.push_back(&c);
  }
  std::string message = "a cycle: ";
  constexpr size_t shown = 8;
  for (size_t i = 0; i < loop.size() && i < shown; ++i) message += describe(*loop[i]) + " needs ";
  if (loop.size() > shown) message += ".. " + std::to_string(loop.size() - shown) + " more .. ";
  fail(message + describe(cell), cell.frame->plan->slots[cell.slot].span);
}

/// Without effect on the stack: whether the cell has a value.
bool Machine::isReady(Frame &frame, uint32_t slot, int64_t t) {
  return room(frame, t) && state(frame, slot, t) == CellState::Ready;
}

/// Whether the cell has a value; otherwise `status` says what to do, and a cell not yet begun is on the
/// stack.
bool Machine::ready(Frame &frame, uint32_t slot, int64_t t) {
  if (!room(frame, t)) return false;
  switch (state(frame, slot, t)) {
  case CellState::Ready: return true;
  case CellState::Empty:
    stack.push_back({&frame, slot, t});
    if (status == Status::Ok) status = Status::Wait;
    return false;
  case CellState::Active: failCycle({&frame, slot, t}); return false;
  case CellState::Undefined:
    if (status == Status::Ok) status = Status::Undefined;
    return false;
  }
  return false;
}

bool Machine::run(Frame &frame, uint32_t slot, int64_t t) {
  if (isReady(frame, slot, t)) return true;
  if (status == Status::Failed) return false;
  size_t base = stack.size();
  stack.push_back({&frame, slot, t});
  return drain(base);
}

bool Machine::drain(size_t base) {
  while (stack.size() > base) {
    size_t place = stack.size() - 1;
    CellRef cell = stack.back();
    if (cell.tags) {
      if (!duals->run(cell, place)) return false;
      continue;
    }
    if (!room(*cell.frame, cell.t)) return false;
    CellState now = state(*cell.frame, cell.slot, cell.t);
    if (now == CellState::Ready || now == CellState::Undefined) {
      stack.pop_back();
      continue;
    }
    cell.frame->states[cell.frame->cell(cell.slot, cell.t)] = CellState::Active;
    Value value;
    uint64_t outerEpoch = epoch;
    epoch = ++epochs;
    compute(cell, value);
    epoch = outerEpoch;
    if (status == Status::Failed) return false;
    if (status == Status::Wait) {
      status = Status::Ok;
      continue;
    }
    stack.resize(place); // what was pushed before an undefined value was met is not needed
    if (status == Status::Undefined) {
      status = Status::Ok;
      cell.frame->states[cell.frame->cell(cell.slot, cell.t)] = CellState::Undefined;
    } else {
      set(*cell.frame, cell.slot, cell.t, std::move(value));
      if (record && cell.frame == recordFrame) record->push_back(cell.slot);
    }
    release(cell);
  }
  return true;
}

/// Once all results of a scan that does not resume are known, nobody can ask for its inside again. (What called C functions
/// with effects must not be evaluated again.)
void Machine::release(const CellRef &cell) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  if (slot.kind != Slot::Kind::ScanResult || plans.takesDerivatives) return;
  Frame::Runs &all = cell.frame->scans[slot.part];
  if (cell.t < all.first) return;
  std::unique_ptr<Activation> &run = all.runs[static_cast<size_t>(cell.t - all.first)];
  if (!run || --run->missing > 0 || run->scan->scan->resume || !run->scan->body->effects.empty()) return;
  run.reset();
}

void Machine::copyCell(Frame &frame, uint32_t slot, int64_t t, Value &value) {
  if (ready(frame, slot, t)) value = get(frame, slot, t);
}

void Machine::compute(const CellRef &cell, Value &value) {
  Frame &frame = *cell.frame;
  const Slot &slot = frame.plan->slots[cell.slot];
  switch (slot.kind) {
  case Slot::Kind::Input: return computeInput(cell, value);
  case Slot::Kind::Term: return evaluate(*slot.term, frame, cell.t, value);
  case Slot::Kind::Latch: {
    Place before;
    Past past = previous(frame, cell.t, before);
    if (past == Past::None) return evaluate(*slot.term, frame, cell.t, value);
    if (past == Past::There) copyCell(*before.frame, cell.slot, before.t, value);
    return;
  }
  case Slot::Kind::Hold: return computeHold(cell, value);
  case Slot::Kind::Sample: return computeSample(cell, value);
  case Slot::Kind::CallResult: return computeCallResult(cell, value);
  case Slot::Kind::ScanResult: return computeScanResult(cell, value);
  case Slot::Kind::Extern: return computeForeign(cell, value);
  case Slot::Kind::Derivative: return duals->derivative(cell, value);
  }
}

void Machine::failAbsent(const std::string &name, Span span) {
  fail("'" + name + "' is read where it is absent", span);
}

/// An input on a clock is looked at at its instants only.
void Machine::computeInput(const CellRef &cell, Value &value) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Place body{cell.frame, cell.t};
  for (uint32_t up = slot.up; up > 0; --up) body = outwards(*body.frame, body.t);
  Frame *caller = body.frame->caller;
  if (!caller) {
    if (!inputs) return fail("an input has no value", slot.span);
    const std::optional<Value> &given = (*inputs)[slot.part];
    if (!given) return fail("input '" + slot.name + "' has no value where it is present", slot.span);
    value = *given;
    return;
  }
  const CallPlan &call = caller->plan->calls[body.frame->call];
  std::vector<int64_t> &env = caller->plan->node->env;
  int64_t rest = body.frame->instance;
  const std::vector<IndexId> &each = call.equation->each;
  for (size_t k = each.size(); k-- > 0;) {
    int64_t size = caller->plan->node->node->indices[each[k]].size;
    env[each[k]] = rest % size;
    rest /= size;
  }
  evaluate(*call.args[slot.part], *caller, body.t, value);
}

void Machine::computeCallResult(const CellRef &cell, Value &value) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Place at{cell.frame, cell.t};
  for (uint32_t up = slot.up; up > 0; --up) at = outwards(*at.frame, at.t);
  const CallPlan &call = at.frame->plan->calls[slot.part];
  const Route &output = call.callee->outputs[slot.result];
  bool isEach = !call.equation->each.empty();
  size_t bytes = isEach && call.instances ? slot.type.bytes() / call.instances : 0;
  if (isEach) {
    value.tensor.owner = std::shared_ptr<std::byte[]>(new std::byte[slot.type.bytes() + 1]());
    value.tensor.data = value.tensor.owner.get();
  }
  for (uint32_t i = 0; i < call.instances; ++i) {
    Status before = std::exchange(status, Status::Ok); // all instances are asked before any is waited for
    Frame *called = callee(*at.frame, slot.part, i);
    Place end;
    Presence presence = called ? follow(output, *called, at.t, end) : Presence::Unknown;
    if (presence == Presence::Absent) { // a result on a clock of the callee's, which readers have to know
      undefinedAt = slot.span;
      status = Status::Undefined;
      return;
    }
    bool isThere = presence == Presence::There && ready(*end.frame, output.slot, end.t);
    if (status == Status::Ok) status = before;
    if (status == Status::Wait) continue;
    if (!isThere) return;
    if (!isEach) return copyCell(*end.frame, output.slot, end.t, value);
    std::byte *to = value.tensor.owner.get() + i * bytes;
    if (end.frame->plan->slots[output.slot].tensor < 0)
      store(slot.type.scalar, to, 0, end.frame->bits[end.frame->cell(output.slot, end.t)]);
    else if (bytes)
      std::memcpy(to, end.frame->tensors[end.frame->tensorCell(output.slot, end.t)].data, bytes);
  }
}

/// A variable of another clock, as it was at the instant that corresponds to this one.
void Machine::computeSample(const CellRef &cell, Value &value) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Place place;
  Presence presence = follow(*slot.route, *cell.frame, cell.t, place);
  if (presence == Presence::Absent) return failAbsent(slot.name, slot.span);
  if (presence == Presence::Unknown) return;
  if (slot.route->isTime) value.bits = static_cast<Bits>(place.t);
  else copyCell(*place.frame, slot.route->slot, place.t, value);
}

/// The operand where it is present, else what was held before, at first the init.
void Machine::computeHold(const CellRef &cell, Value &value) {
  Frame &frame = *cell.frame;
  const Term &hold = *frame.plan->slots[cell.slot].term, &operand = *hold.args[0];
  Place place{&frame, cell.t};
  if (!operand.route) return evaluate(operand, frame, cell.t, value);
  Presence presence = follow(*operand.route, frame, cell.t, place);
  if (presence == Presence::Unknown) return;
  if (presence == Presence::There) return copyCell(*place.frame, operand.route->slot, place.t, value);
  Past past = previous(frame, cell.t, place);
  if (past == Past::There) return copyCell(*place.frame, cell.slot, place.t, value);
  if (past == Past::None) evaluate(*hold.args[1], frame, cell.t, value);
}

void Machine::computeMerge(const Term &term, Frame &frame, int64_t t, Value &value) {
  Bits selector = scalar(*term.args[0], frame, t);
  if (status != Status::Ok) return;
  if (selector >= term.args.size() - 1)
    return fail("a merge has no operand for " + std::to_string(selector), term.expr->span);
  evaluate(*term.args[selector + 1], frame, t, value);
}

void Machine::computeScanResult(const CellRef &cell, Value &value) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  Activation *run = activation(*cell.frame, slot.part, cell.t);
  if (!run) return;
  const ScanResult &result = run->scan->scan->results[slot.result];
  // The first instant always runs: its value does not wait for the condition of `until`.
  int64_t executed = result.kind == ScanResult::Kind::Initial ? run->length : count(*run);
  if (status != Status::Ok) return;
  if (result.kind == ScanResult::Kind::Count) {
    value.bits = static_cast<Bits>(executed);
    return;
  }
  uint32_t inner = static_cast<uint32_t>(run->scan->values[slot.result]);
  if (result.kind == ScanResult::Kind::Stack) return computeStack(*run, inner, slot.type, value);
  if (executed == 0) return fail("the end of a scan without instants", result.span);
  copyCell(run->body, inner, result.kind == ScanResult::Kind::Final ? executed - 1 : 0, value);
}

void Machine::computeStack(Activation &run, uint32_t slot, const Type &type, Value &value) {
  for (int64_t t = run.count - 1; t >= 0; --t) { // the first instant ends on top of the stack
    ready(run.body, slot, t);
    if (status == Status::Failed) return;
  }
  if (status != Status::Ok) return;
  size_t bytes = type.bytes();
  value.tensor.owner = std::shared_ptr<std::byte[]>(new std::byte[bytes]());
  value.tensor.data = value.tensor.owner.get();
  std::byte *out = value.tensor.owner.get();
  bool isScalar = run.body.plan->slots[slot].tensor < 0;
  size_t element = run.length ? bytes / static_cast<size_t>(run.length) : 0;
  for (int64_t t = 0; t < run.count; ++t) {
    if (isScalar) store(type.scalar, out, t, run.body.bits[run.body.cell(slot, t)]);
    else if (element)
      std::memcpy(out + static_cast<size_t>(t) * element, run.body.tensors[run.body.tensorCell(slot, t)].data,
                  element);
  }
}

} // namespace mlr::eval
