// The work stack, and what makes a cell ready.
#include "mlr/Eval/Machine.h"

#include <algorithm>
#include <cstring>

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

/// Once all results of a scan that does not resume are known, nobody can ask for its inside again.
void Machine::release(const CellRef &cell) {
  const Slot &slot = cell.frame->plan->slots[cell.slot];
  if (slot.kind != Slot::Kind::ScanResult) return;
  Frame::Runs &all = cell.frame->scans[slot.part];
  if (cell.t < all.first) return;
  std::unique_ptr<Activation> &run = all.runs[static_cast<size_t>(cell.t - all.first)];
  if (!run || --run->missing > 0 || run->scan->scan->resume) return;
  run.reset();
}

void Machine::copyCell(Frame &frame, uint32_t slot, int64_t t, Value &value) {
  if (ready(frame, slot, t)) value = get(frame, slot, t);
}

void Machine::compute(const CellRef &cell, Value &value) {
  Frame &frame = *cell.frame;
  const Slot &slot = frame.plan->slots[cell.slot];
  switch (slot.kind) {
  case Slot::Kind::Input:
    if (!frame.caller) return fail("an input has no value", slot.span);
    return evaluate(*frame.caller->plan->calls[frame.call].args[slot.part], *frame.caller, cell.t, value);
  case Slot::Kind::Term: return evaluate(*slot.term, frame, cell.t, value);
  case Slot::Kind::Latch: {
    Place before;
    Past past = previous(frame, cell.t, before);
    if (past == Past::None) return evaluate(*slot.term, frame, cell.t, value);
    if (past == Past::There) copyCell(*before.frame, cell.slot, before.t, value);
    return;
  }
  case Slot::Kind::CallResult: {
    Frame *called = callee(frame, slot.part);
    if (called) copyCell(*called, frame.plan->calls[slot.part].resultSlots[slot.result], cell.t, value);
    return;
  }
  case Slot::Kind::ScanResult: return computeScanResult(cell, value);
  }
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
