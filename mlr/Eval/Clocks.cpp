// Clocks: which instants of the time around it a clock has, how they correspond, where a segment ends and
// what a clock inside a resuming scan goes on from.
#include "mlr/Eval/Machine.h"

#include <algorithm>

namespace mlr::eval {

// ---- activations
// ---------------------------------------------------------------------------------------------

static uint32_t numberOf(const Activation &run) { return run.clock->body->number; }

Activation &Machine::segmentRun(Frame &frame, uint32_t clock, int64_t start) {
  const ClockPlan &plan = frame.plan->clocks[clock];
  auto run = std::make_shared<Activation>();
  run->clock = &plan;
  run->in = &frame;
  run->at = start;
  run->length = frame.time->length - start;
  open(run->body, *plan.body, *run, frame.ring ? plan.body->reach + 1 : 0);
  frame.clocks[clock].runs.push_back(std::move(run));
  return *frame.clocks[clock].runs.back();
}

/// The only activation of a clock that is cut into no segments.
Activation &Machine::clockRun(Frame &frame, uint32_t clock) {
  auto &runs = frame.clocks[clock].runs;
  return runs.empty() ? segmentRun(frame, clock, 0) : *runs.front();
}

bool Machine::isSelected(Frame &frame, const ClockPlan &clock, int64_t t) {
  Bits selector = scalar(*clock.selector, frame, t);
  if (status == Status::Undefined) fail("the condition of a clock is undefined", clock.clock->span);
  if (status != Status::Ok) return false;
  return clock.clock->kind == Clock::Kind::Reset ? selector != 0
                                                 : static_cast<int64_t>(selector) == clock.clock->value;
}

/// The segment of a reset that holds instant t of the frame; null: see `status`.
Activation *Machine::segment(Frame &frame, uint32_t clock, int64_t t) {
  Frame::Clocked &all = frame.clocks[clock];
  const ClockPlan &plan = frame.plan->clocks[clock];
  if (frame.ring && all.decided < t) all.decided = t; // a fun, which nobody asked before
  while (all.decided <= t) {
    bool begins = all.runs.empty() || isSelected(frame, plan, all.decided);
    if (status != Status::Ok) return nullptr;
    if (begins && frame.ring) all.runs.clear();
    if (begins && (all.decided > 0 || all.runs.empty())) segmentRun(frame, clock, all.decided);
    ++all.decided;
  }
  auto after = std::upper_bound(all.runs.begin(), all.runs.end(), t,
                                [](int64_t instant, const auto &run) { return instant < run->at; });
  if (after == all.runs.begin()) {
    fail("a segment is asked for that is no longer remembered", plan.clock->span);
    return nullptr;
  }
  return std::prev(after)->get();
}

// ---- inwards and outwards
// ------------------------------------------------------------------------------------

/// The instant of a clock's region that corresponds to instant t of the frame around it.
Presence Machine::enter(Frame &frame, uint32_t clock, int64_t t, Place &place) {
  const ClockPlan &plan = frame.plan->clocks[clock];
  if (plan.clock->kind == Clock::Kind::Reset && plan.isNumbered) {
    Activation *run = segment(frame, clock, t);
    return run ? begin(*run, t, t - run->at, place) : Presence::Unknown;
  }
  if (plan.clock->kind == Clock::Kind::When) {
    bool isActive = isSelected(frame, plan, t);
    if (status != Status::Ok) return Presence::Unknown;
    if (!isActive) return Presence::Absent;
  }
  Activation &run = clockRun(frame, clock);
  if (!plan.isNumbered) return begin(run, t, t, place);
  return plan.clock->kind == Clock::Kind::When ? enterWhen(run, t, place) : enterEvery(run, t, place);
}

Presence Machine::enterWhen(Activation &run, int64_t t, Place &place) {
  if (run.body.ring) return begin(run, t, run.latest == t ? run.latestInner : run.entered, place);
  while (run.checked <= t) {
    decideNext(run);
    if (status != Status::Ok) return Presence::Unknown;
  }
  auto found = std::lower_bound(run.active.begin(), run.active.end(), t);
  return begin(run, t, found - run.active.begin(), place);
}

/// Whether the first undecided instant of the time around it is one of the clock's; see `status`.
bool Machine::decideNext(Activation &run) {
  bool isActive = isSelected(*run.in, *run.clock, run.checked);
  if (status != Status::Ok) return false;
  if (isActive) run.active.push_back(run.checked);
  ++run.checked;
  return isActive;
}

Presence Machine::enterEvery(Activation &run, int64_t t, Place &place) {
  int64_t first = firstOf(run), period = run.clock->clock->period;
  if (status != Status::Ok) return Presence::Unknown;
  if (t < first || (t - first) % period != 0) return Presence::Absent;
  return begin(run, t, (t - first) / period, place);
}

/// The first instant of a periodic clock, as one of the time around it, whose earlier runs count.
int64_t Machine::firstOf(Activation &every) {
  int64_t before = passed(*every.in->time), period = every.clock->clock->period;
  return ((every.clock->clock->phase - before) % period + period) % period;
}

Presence Machine::begin(Activation &run, int64_t t, int64_t inner, Place &place) {
  if (run.body.ring && run.latest != t) {
    if (t < run.latest)
      fail("an instant of a clock is asked for that is no longer remembered", run.clock->clock->span);
    run.latest = t;
    run.latestInner = inner;
    run.entered = inner + 1;
    if (status != Status::Ok || !beginInstant(run.body, inner)) return Presence::Unknown;
  }
  place = {&run.body, inner};
  return Presence::There;
}

/// The instant of the time around a region that corresponds to its instant t.
Place Machine::outwards(Frame &frame, int64_t t) {
  Activation &run = *frame.time;
  if (!run.clock) return {run.in, run.at};
  if (!run.clock->isNumbered) return {run.in, t};
  switch (run.clock->clock->kind) {
  case Clock::Kind::Reset: return {run.in, run.at + t};
  case Clock::Kind::Every: return {run.in, firstOf(run) + t * run.clock->clock->period};
  case Clock::Kind::When: break;
  }
  if (!frame.ring) return {run.in, run.active[static_cast<size_t>(t)]};
  if (t != run.latestInner)
    fail("an instant of a clock is asked for that is no longer remembered", run.clock->clock->span);
  return {run.in, run.latest};
}

Presence Machine::follow(const Route &route, Frame &frame, int64_t t, Place &place) {
  place = {&frame, t};
  for (uint32_t up = route.up; up > 0; --up) {
    place = outwards(*place.frame, place.t);
    if (status != Status::Ok) return Presence::Unknown;
  }
  for (uint32_t clock : route.down) {
    Place inner;
    Presence presence = enter(*place.frame, clock, place.t, inner);
    if (presence != Presence::There) return presence;
    place = inner;
  }
  return Presence::There;
}

bool Machine::find(const Route &route, Frame &frame, int64_t t, Presence &presence, Place &place) {
  return complete([&] { presence = follow(route, frame, t, place); });
}

// ---- the end
// -------------------------------------------------------------------------------------------------

int64_t Machine::countClock(Activation &run) {
  if (run.count >= 0) return run.count;
  int64_t end = count(*run.in->time), first = 0;
  if (status != Status::Ok) return 0;
  switch (run.clock->clock->kind) {
  case Clock::Kind::When:
    while (run.checked < end && status == Status::Ok) decideNext(run);
    if (status == Status::Ok) run.count = static_cast<int64_t>(run.active.size());
    break;
  case Clock::Kind::Every:
    first = firstOf(run);
    if (status == Status::Ok) run.count = end <= first ? 0 : (end - 1 - first) / run.clock->clock->period + 1;
    break;
  case Clock::Kind::Reset: {
    int64_t next = nextSegment(run, end);
    if (status == Status::Ok) run.count = next - run.at;
  }
  }
  return std::max<int64_t>(run.count, 0);
}

/// Where the segment after this one begins, as instant of the time around, which ends at `end`.
int64_t Machine::nextSegment(Activation &run, int64_t end) {
  Frame::Clocked &all = run.in->clocks[numberOf(run)];
  while (all.runs.back().get() == &run && all.decided < end) {
    segment(*run.in, numberOf(run), all.decided);
    if (status != Status::Ok) return 0;
  }
  auto after = std::upper_bound(all.runs.begin(), all.runs.end(), run.at,
                                [](int64_t instant, const auto &other) { return instant < other->at; });
  return after == all.runs.end() ? end : (*after)->at;
}

/// Whether instant t of a clock inside a scan is its last one; no later instant is looked at than is needed.
bool Machine::isLastOfClock(Activation &run, int64_t t) {
  Frame &around = *run.in;
  switch (run.clock->clock->kind) {
  case Clock::Kind::Every: return isLastOfEvery(run, t);
  case Clock::Kind::Reset: {
    bool ends = isLast(around, run.at + t);
    if (ends || status != Status::Ok) return ends;
    return isSelected(around, *run.clock, run.at + t + 1);
  }
  case Clock::Kind::When: break;
  }
  while (t + 1 >= static_cast<int64_t>(run.active.size())) {
    if (run.count >= 0) return true;
    bool ends = isLast(around, run.checked - 1);
    if (status != Status::Ok) return false;
    if (ends) run.count = static_cast<int64_t>(run.active.size());
    else decideNext(run);
    if (status != Status::Ok) return false;
  }
  return false;
}

bool Machine::isLastOfEvery(Activation &run, int64_t t) {
  int64_t period = run.clock->clock->period, at = firstOf(run) + t * period;
  if (status != Status::Ok) return false;
  if (run.in->time->count >= 0) return at + period >= run.in->time->count;
  for (int64_t instant = at; instant < at + period; ++instant) {
    bool ends = isLast(*run.in, instant);
    if (ends || status != Status::Ok) return ends;
  }
  return false;
}

// ---- what goes on
// --------------------------------------------------------------------------------------------

/// The run just before this one of the same time, be it empty; null if time begins here, or see `status`.
Activation *Machine::directlyBefore(Activation &run) {
  if (run.scan) {
    if (!run.scan->scan->resume) return nullptr;
    Place outer;
    if (previous(*run.in, run.at, outer) != Past::There) return nullptr;
    return activation(*outer.frame, static_cast<uint32_t>(run.scan - run.in->plan->scans.data()), outer.t);
  }
  if (!run.clock) return nullptr;
  bool isReset = run.clock->clock->kind == Clock::Kind::Reset;
  if (isReset && run.at > 0) return nullptr;
  Activation &time = *run.in->time;
  Activation *around = predecessor(time);
  if (status != Status::Ok || !around) return nullptr;
  bool isEmpty = run.count == 0; // no instant that could reset it
  if (isReset && !isEmpty && isSelected(*run.in, *run.clock, 0)) return nullptr;
  int64_t executed = status == Status::Ok ? count(*around) : 0;
  if (status != Status::Ok || executed == 0) return nullptr;
  Frame *there = inRun(*run.in, time, *around);
  if (!there) return nullptr;
  return isReset ? segment(*there, numberOf(run), executed - 1) : &clockRun(*there, numberOf(run));
}

/// The run that this one goes on from; of a clock's the last one with an instant.
Activation *Machine::predecessor(Activation &run) {
  if (!run.clock) return directlyBefore(run);
  if (run.isLinked) return run.before.get();
  Activation *last = directlyBefore(run);
  while (status == Status::Ok && last && count(*last) == 0 && status == Status::Ok)
    last = last->isLinked ? last->before.get() : directlyBefore(*last);
  if (status != Status::Ok) return nullptr;
  if (last) run.before = last->shared_from_this();
  run.isLinked = true;
  return last;
}

/// Instants of the time of a run in the runs before it.
int64_t Machine::passed(Activation &run) {
  std::vector<Activation *> open;
  Activation *at = &run;
  while (at->passed < 0) {
    Activation *before = predecessor(*at);
    if (status != Status::Ok) return 0;
    if (!before) {
      at->passed = 0;
      break;
    }
    open.push_back(at);
    at = before;
  }
  for (; !open.empty(); open.pop_back()) {
    int64_t executed = count(*at);
    if (status != Status::Ok) return 0;
    open.back()->passed = at->passed + executed;
    at = open.back();
  }
  return run.passed;
}

// ---- instant by instant
// --------------------------------------------------------------------------------------

bool Machine::runClocks(Frame &frame, int64_t t) {
  for (uint32_t clock = 0; clock < frame.clocks.size(); ++clock) {
    Presence presence = Presence::Absent;
    Place place;
    if (!find({0, {clock}, 0, false}, frame, t, presence, place)) return false;
    if (presence == Presence::There && !runAll(*place.frame, place.t)) return false;
  }
  return true;
}

void Machine::endClocks(Frame &frame, int64_t t) {
  for (Frame::Clocked &clock : frame.clocks)
    for (auto &run : clock.runs)
      if (run->latest == t) endInstant(run->body, run->latestInner);
}

/// After all instants of a run: makes its clocks independent of the frames around them, and forgets of
/// earlier runs what no later instant can ask for.
bool Machine::settle(Activation &run) {
  if (!complete([&] {
        count(run);
        if (status == Status::Ok) passed(run);
      }))
    return false;
  if (!settle(run.body)) return false;
  if (!run.clock) return true;
  Activation *oldest = &run;
  for (int64_t kept = run.count; oldest->before && kept < std::max<int64_t>(plans.reach(), 1);) {
    oldest = oldest->before.get();
    kept += oldest->count;
  }
  oldest->before.reset();
  return true;
}

bool Machine::settle(Frame &frame) {
  for (uint32_t clock = 0; clock < frame.clocks.size(); ++clock) {
    if (!frame.plan->clocks[clock].isNumbered) continue;
    if (frame.clocks[clock].runs.empty())
      segmentRun(frame, clock, 0); // never active: what was before lives on
    for (auto &run : frame.clocks[clock].runs)
      if (!settle(*run)) return false;
  }
  for (auto &called : frame.callees)
    if (called && !settle(*called)) return false;
  return true;
}

} // namespace mlr::eval
