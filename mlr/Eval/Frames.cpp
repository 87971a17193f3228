// Frames and activations: where an instant lies, which one comes before it and which is the last.
#include "mlr/Eval/Duals.h"

#include <algorithm>

namespace mlr::eval {

namespace {
constexpr int64_t maxFrames = 4'000'000;            ///< live instances of nodes and scans
constexpr int64_t maxFrameBytes = int64_t(8) << 30; ///< memo cells of one frame
} // namespace

Machine::Machine(Plans &plans, Options options) : plans(plans), options(options) {
  caches.resize(plans.caches());
  pools.resize(plans.size());
  if (plans.takesDerivatives) duals = std::make_unique<Duals>(*this);
}

Machine::~Machine() = default;

void Machine::open(Frame &frame, const RegionPlan &plan, Activation &time, int64_t ring) {
  frame.plan = &plan;
  frame.time = &time;
  frame.ring = ring;
  frame.callees.resize(plan.instances);
  frame.clocks.resize(plan.clocks.size());
  frame.scans = std::vector<Frame::Runs>(plan.scans.size());
  frame.live = &frames;
  ++frames;
}

/// Grows by doubling up to the length of the time: the far end of a long scan is only paid for when it is
/// reached.
bool Machine::room(Frame &frame, int64_t t) {
  int64_t needed = frame.ring ? frame.ring : t + 1;
  if (needed <= frame.instants) return true;
  int64_t rows =
      frame.ring ? frame.ring : std::min(frame.time->length, std::max<int64_t>(needed, 2 * frame.instants));
  int64_t slots = static_cast<int64_t>(frame.plan->slots.size()), tensors = frame.plan->tensors;
  int64_t rowBytes = slots * 9 + tensors * static_cast<int64_t>(sizeof(Tensor)) + 1;
  if (rows > maxFrameBytes / rowBytes) {
    fail("the scan is too long for the interpreter: " + std::to_string(rows) + " instants to remember",
         frame.plan->time ? frame.plan->time->span : frame.plan->node->node->span);
    return false;
  }
  frame.instants = rows;
  frame.states.resize(static_cast<size_t>(rows * slots), CellState::Empty);
  frame.bits.resize(static_cast<size_t>(rows * slots));
  frame.tensors.resize(static_cast<size_t>(rows * tensors));
  return true;
}

Frame *Machine::callee(Frame &frame, uint32_t call, uint32_t instance) {
  std::unique_ptr<Frame> &place = frame.callees[frame.plan->calls[call].first + instance];
  if (place) return place.get();
  if (frames >= maxFrames) {
    fail("the program has too many node instances for the interpreter",
         frame.plan->calls[call].equation->span);
    return nullptr;
  }
  place = std::make_unique<Frame>();
  const RegionPlan &plan = frame.plan->calls[call].callee->body;
  open(*place, plan, *frame.time, frame.ring ? plan.reach + 1 : 0);
  place->caller = &frame;
  place->call = call;
  place->instance = instance;
  return place.get();
}

Activation *Machine::activation(Frame &frame, uint32_t scan, int64_t t) {
  Frame::Runs &all = frame.scans[scan];
  const ScanPlan &plan = frame.plan->scans[scan];
  if (t < all.first) {
    fail("an instant of a scan is asked for that is no longer remembered", plan.scan->span);
    return nullptr;
  }
  size_t place = static_cast<size_t>(t - all.first);
  if (place >= all.runs.size()) all.runs.resize(place + 1);
  std::unique_ptr<Activation> &run = all.runs[place];
  if (run) return run.get();
  run = std::make_unique<Activation>();
  run->scan = &plan;
  run->in = &frame;
  run->at = t;
  run->length = plan.scan->length;
  if (plan.until < 0) run->count = run->length;
  run->missing = plan.scan->results.size();
  open(run->body, *plan.body, *run, 0);
  return run.get();
}

/// The frame of the activation `to` that corresponds to `frame` of the activation `from` of the same time.
Frame *Machine::inRun(Frame &frame, Activation &from, Activation &to) {
  if (&frame == &from.body) return &to.body;
  Frame *caller = inRun(*frame.caller, from, to);
  return caller ? callee(*caller, frame.call, frame.instance) : nullptr;
}

Machine::Past Machine::previous(Frame &frame, int64_t t, Place &place) {
  if (t > 0) {
    place = {&frame, t - 1};
    return Past::There;
  }
  // Time goes on where an earlier run of a resuming scan around it ended.
  Activation *before = predecessor(*frame.time);
  if (status != Status::Ok) return Past::Unknown;
  int64_t executed = before ? count(*before) : 0;
  if (status != Status::Ok) return Past::Unknown;
  if (executed == 0) return Past::None;
  place = {inRun(frame, *frame.time, *before), executed - 1};
  return place.frame ? Past::There : Past::Unknown;
}

/// Executed instants of a scan or clock; evaluates `until` and selectors as far as needed.
int64_t Machine::count(Activation &run) {
  if (run.clock) return countClock(run);
  while (run.count < 0) {
    if (run.checked >= run.length) {
      run.count = run.length;
      break;
    }
    uint32_t until = static_cast<uint32_t>(run.scan->until);
    if (!ready(run.body, until, run.checked)) {
      if (status == Status::Undefined)
        fail("the condition of `until` is undefined", run.scan->scan->until->span);
      return 0;
    }
    bool stops = run.body.bits[run.body.cell(until, run.checked)] != 0;
    ++run.checked;
    if (stops) run.count = run.checked;
  }
  return run.count;
}

/// Whether an executed instant is the last of its time.
bool Machine::isLast(Frame &frame, int64_t t) {
  Activation &run = *frame.time;
  if (run.clock && !frame.ring) return isLastOfClock(run, t);
  if (!run.scan) {
    fail("`eby` where time has no end", frame.plan->node->node->span);
    return false;
  }
  if (run.count >= 0) return t == run.count - 1;
  if (t == run.length - 1) return true;
  if (t < run.checked) return false;
  uint32_t until = static_cast<uint32_t>(run.scan->until);
  if (ready(run.body, until, t)) return run.body.bits[run.body.cell(until, t)] != 0;
  if (status == Status::Undefined) fail("the condition of `until` is undefined", run.scan->scan->until->span);
  return false;
}

bool Machine::beginInstant(Frame &frame, int64_t t) {
  if (!room(frame, t)) return false;
  const std::vector<Slot> &slots = frame.plan->slots;
  for (uint32_t slot = 0; slot < slots.size(); ++slot) {
    frame.states[frame.cell(slot, t)] = CellState::Empty;
    if (slots[slot].tensor < 0) continue;
    frame.tensors[frame.tensorCell(slot, t)] = {};
    int64_t old = t - 1 - slots[slot].reach; // no later instant asks for it: a tensor is worth freeing early
    if (old >= 0 && old > t - frame.ring) frame.tensors[frame.tensorCell(slot, old)] = {};
  }
  for (Frame::Runs &all : frame.scans)
    if (all.runs.empty()) all.first = t;
  for (uint32_t call = 0; call < frame.plan->calls.size(); ++call)
    for (uint32_t i = 0; i < frame.plan->calls[call].instances; ++i) {
      Frame *called = callee(frame, call, i);
      if (!called || !beginInstant(*called, t)) return false;
    }
  return true;
}

bool Machine::runActivation(Activation &run) {
  int64_t executed = 0;
  if (!complete([&] { executed = count(run); })) return false;
  for (int64_t t = 0; t < executed; ++t)
    if (!runAll(run.body, t)) return false;
  return settle(run);
}

bool Machine::runAll(Frame &frame, int64_t t) {
  for (uint32_t slot = 0; slot < frame.plan->slots.size(); ++slot)
    if (!run(frame, slot, t)) return false;
  for (auto [monitor, slot] : frame.plan->monitors)
    if (options.checks && state(frame, slot, t) == CellState::Ready && !frame.bits[frame.cell(slot, t)])
      noteFailure(monitor->span, monitor->monitor);
  for (uint32_t call = 0; call < frame.plan->calls.size(); ++call) {
    if (frame.plan->calls[call].callee->node->isFun && !options.checks) continue; // remembers nothing
    for (uint32_t i = 0; i < frame.plan->calls[call].instances; ++i) {
      Frame *called = callee(frame, call, i);
      if (!called || !runAll(*called, t)) return false;
    }
  }
  for (uint32_t i = 0; i < frame.scans.size(); ++i) {
    if (!frame.plan->scans[i].scan->resume && !options.checks) continue;
    Activation *run = activation(frame, i, t);
    if (!run || !runActivation(*run)) return false;
  }
  return runClocks(frame, t);
}

void Machine::endInstant(Frame &frame, int64_t t) {
  for (uint32_t i = 0; i < frame.scans.size(); ++i) {
    Frame::Runs &all = frame.scans[i];
    bool resumes = frame.plan->scans[i].scan->resume;
    // Of a resuming scan the last runs stay, as many as together hold the instants that can be asked for.
    int64_t kept = 0;
    size_t keep = 0;
    while (resumes && keep < all.runs.size() && kept < std::max<int64_t>(plans.reach(), 1)) {
      const auto &run = all.runs[all.runs.size() - ++keep];
      if (run) kept += std::max<int64_t>(run->count, 0);
    }
    while (all.runs.size() > keep) {
      all.runs.pop_front();
      ++all.first;
    }
    if (all.runs.empty()) all.first = t + 1;
  }
  for (auto &called : frame.callees)
    if (called) endInstant(*called, t);
  endClocks(frame, t);
}

void Machine::set(Frame &frame, uint32_t slot, int64_t t, Value value) {
  if (!room(frame, t)) return;
  size_t cell = frame.cell(slot, t);
  frame.states[cell] = CellState::Ready;
  frame.bits[cell] = value.bits;
  if (frame.plan->slots[slot].tensor >= 0) frame.tensors[frame.tensorCell(slot, t)] = std::move(value.tensor);
}

Value Machine::get(const Frame &frame, uint32_t slot, int64_t t) const {
  Value value;
  value.bits = frame.bits[frame.cell(slot, t)];
  if (frame.plan->slots[slot].tensor >= 0) value.tensor = frame.tensors[frame.tensorCell(slot, t)];
  return value;
}

} // namespace mlr::eval
