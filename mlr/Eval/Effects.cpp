// C functions. Those with effects are called by runEffects alone, before anything else of an instant is looked at: in the
// order that the checker gave them, each evaluation of their arguments lazy as ever.
#include "mlr/Eval/Foreign.h"

namespace mlr::eval {

/// All calls of an instant of one time, in the frames of all instances side by side: call by call, and for each call instance
/// by instance.
bool Machine::runEffects(const std::vector<Place> &lanes, const RegionPlan &time) {
  for (const EffectPlan &effect : time.effects) {
    std::vector<Place> active;
    for (const Place &lane : lanes) {
      Presence presence = Presence::Absent;
      Place place;
      if (!find(effect.route, *lane.frame, lane.t, presence, place)) return false;
      if (presence == Presence::There) active.push_back(place);
    }
    if (!(effect.isScan ? runScanEffects(effect.part, active) : runCallEffects(effect.part, active))) return false;
  }
  return true;
}

bool Machine::runCallEffects(uint32_t call, const std::vector<Place> &lanes) {
  std::vector<Place> inner;
  const NodePlan *called = nullptr;
  for (const Place &lane : lanes) {
    const CallPlan &plan = lane.frame->plan->calls[call];
    called = plan.callee;
    for (uint32_t i = 0; i < plan.instances; ++i) {
      Frame *frame = callee(*lane.frame, call, i);
      if (!frame) return false;
      inner.push_back({frame, lane.t});
    }
  }
  if (!called) return true;
  if (!called->node->isExtern) return runEffects(inner, called->body);
  for (const Place &place : inner) {
    calling = place.frame;
    bool good = run(*place.frame, called->outputs[0].slot, place.t);
    calling = nullptr;
    if (!good) return false;
    if (state(*place.frame, called->outputs[0].slot, place.t) == CellState::Ready) continue;
    fail("an argument of the C function '" + called->node->symbol + "' is undefined", called->node->span);
    return false;
  }
  return true;
}

/// Instant by instant, as long as `until` lets them.
bool Machine::runScanEffects(uint32_t scan, const std::vector<Place> &lanes) {
  std::vector<Activation *> runs;
  for (const Place &lane : lanes) {
    runs.push_back(activation(*lane.frame, scan, lane.t));
    if (!runs.back()) return false;
  }
  if (runs.empty()) return true;
  const ScanPlan &plan = *runs[0]->scan;
  for (int64_t t = 0; t < plan.scan->length && !runs.empty(); ++t) {
    std::vector<Place> inner;
    for (Activation *run : runs) inner.push_back({&run->body, t});
    if (!runEffects(inner, *plan.body)) return false;
    if (plan.until < 0) continue;
    uint32_t until = static_cast<uint32_t>(plan.until);
    for (Activation *active : runs)
      if (!run(active->body, until, t)) return false;
    std::erase_if(runs, [&](Activation *run) { return run->body.bits[run->body.cell(until, t)] != 0; });
  }
  return true;
}

/// All results of a call at once.
void Machine::computeForeign(const CellRef &cell, Value &value) {
  Frame &frame = *cell.frame;
  const NodePlan &plan = *frame.plan->node;
  const NodeInstance &node = *plan.node;
  if (node.hasEffects && calling != &frame) return fail("the C function '" + node.symbol + "' is called out of order", node.span);
  std::vector<Value> args;
  for (const Route &input : plan.inputs) {
    if (!ready(frame, input.slot, cell.t)) return;
    args.push_back(get(frame, input.slot, cell.t));
  }
  auto function = options.foreign.find(node.symbol);
  if (function == options.foreign.end() || !function->second) return fail("the C function '" + node.symbol + "' is not linked", node.span);
  std::vector<Value> results = callForeign(node, function->second, args);
  for (size_t o = 0; o < results.size(); ++o)
    if (plan.outputs[o].slot != cell.slot) set(frame, plan.outputs[o].slot, cell.t, results[o]);
  value = results[frame.plan->slots[cell.slot].result];
}

} // namespace mlr::eval
