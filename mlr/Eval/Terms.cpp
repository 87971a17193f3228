// One term at one instant: variables, operators, and the operators that reach into other instants.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mlr::eval {

static uint32_t slotOf(const Term &var) { return var.route ? var.route->slot : var.slot; }

/// The frame of the scan's body around a clock's, the node's body if there is no scan.
static Frame &bodyAround(const Term &end, Frame &frame) {
  Frame *body = &frame;
  for (uint32_t up = end.up; up > 0; --up) body = body->time->in;
  return *body;
}

void Machine::evaluate(const Term &term, Frame &frame, int64_t t, Value &value) {
  if (term.kind == ExprKind::Merge) return computeMerge(term, frame, t, value);
  if (term.isHeavy) { // ask for everything first: what is computed before a missing value is met is lost
    demand(term, frame, t);
    if (status != Status::Ok) return;
  }
  if (term.isScalar) value.bits = scalar(term, frame, t);
  else value.tensor = tensor(term, frame, t);
}

/// Where a variable has its value; no frame if it has none: see `status`.
Place Machine::home(const Term &var, Frame &frame, int64_t t) {
  Place place{&frame, t};
  if (var.route) {
    Presence presence = follow(*var.route, frame, t, place);
    if (presence == Presence::Absent)
      failAbsent(frame.plan->node->node->vars[var.expr->var].name, var.expr->span);
    return presence == Presence::There ? place : Place{};
  }
  for (uint32_t up = var.up; up > 0; --up) place = {place.frame->time->in, place.frame->time->at};
  return place;
}

/// What an operator of time stands for at this instant: one of its operands, somewhere. `status` may change.
Machine::Target Machine::target(const Term &term, Frame &frame, int64_t t) {
  Place here{&frame, t}, before;
  Past past;
  switch (term.kind) {
  case ExprKind::Fby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
    past = previous(frame, t, before);
    if (past == Past::Unknown) return {};
    if (term.kind == ExprKind::Arrow) return {term.args[past == Past::None ? 0 : 1], here};
    if (past == Past::There) return {term.args[term.kind == ExprKind::Fby ? 1 : 0], before};
    if (term.kind == ExprKind::Fby) return {term.args[0], here};
    undefinedAt = term.expr->span;
    if (status == Status::Ok) status = Status::Undefined;
    return {};
  case ExprKind::Eby: {
    bool last = isLast(frame, t);
    if (status != Status::Ok) return {};
    return last ? Target{term.args[1], here} : Target{term.args[0], {&frame, t + 1}};
  }
  case ExprKind::Final:
  case ExprKind::Initial: {
    Frame &body = bodyAround(term, frame);
    if (body.ring) {
      fail("an end value where time has no end", term.expr->span);
      return {};
    }
    int64_t executed = term.kind == ExprKind::Final ? count(*body.time) : 1;
    if (status != Status::Ok) return {};
    if (body.time->length == 0) {
      fail("an end value of a scan without instants", term.expr->span);
      return {};
    }
    return {term.args[0], {&body, executed - 1}};
  }
  default: return {};
  }
}

/// State must be defined: reports the undefined operand of a fby that has a past.
bool Machine::needsDefined(const Term &term, const Target &target) {
  if (status == Status::Undefined && term.kind == ExprKind::Fby && target.term == term.args[1])
    fail("a state holds an undefined value", term.expr->span);
  return status == Status::Ok;
}

Bits Machine::scalarAt(const Term &term, const Target &target) {
  if (!target.term) return 0;
  Frame &frame = *target.place.frame;
  Bits bits = 0;
  if (target.term->kept < 0) {
    bits = scalar(*target.term, frame, target.place.t);
  } else {
    uint32_t slot = static_cast<uint32_t>(target.term->kept);
    if (ready(frame, slot, target.place.t)) bits = frame.bits[frame.cell(slot, target.place.t)];
  }
  return needsDefined(term, target) ? bits : 0;
}

Tensor Machine::tensorAt(const Term &term, const Target &target) {
  if (!target.term) return {};
  Frame &frame = *target.place.frame;
  Tensor result;
  if (target.term->kept < 0) {
    result = tensor(*target.term, frame, target.place.t);
  } else {
    uint32_t slot = static_cast<uint32_t>(target.term->kept);
    if (ready(frame, slot, target.place.t)) result = frame.tensors[frame.tensorCell(slot, target.place.t)];
  }
  return needsDefined(term, target) ? result : Tensor{};
}

/// Puts every cell on the stack that a term surely needs: all but what a condition selects.
void Machine::demand(const Term &term, Frame &frame, int64_t t) {
  if (status == Status::Failed) return;
  switch (term.kind) {
  case ExprKind::Var: {
    if (term.isTime) return;
    Place place = home(term, frame, t);
    if (place.frame) ready(*place.frame, slotOf(term), place.t);
    return;
  }
  case ExprKind::Fby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Eby:
  case ExprKind::Final:
  case ExprKind::Initial: {
    Status before = std::exchange(status, Status::Ok);
    Target where = target(term, frame, t);
    if (where.term && where.term->kept >= 0)
      ready(*where.place.frame, static_cast<uint32_t>(where.term->kept), where.place.t);
    else if (where.term) demand(*where.term, *where.place.frame, where.place.t);
    if (status == Status::Ok) status = before;
    return;
  }
  case ExprKind::Window:
  case ExprKind::Merge:
  case ExprKind::Hold: return; // ask for what they need themselves
  case ExprKind::Op:
    if (term.op != OpKind::Select) break;
    return demand(*term.args[0], frame, t);
  case ExprKind::ReadOr:
    demand(*term.args[0], frame, t);
    for (const Term *at : term.at) demand(*at, frame, t);
    return;
  default: break;
  }
  for (const Term *arg : term.args) demand(*arg, frame, t);
  for (const Term *at : term.at)
    if (at) demand(*at, frame, t);
}

Machine::Cached *Machine::cached(const Term &term, Frame &frame, int64_t t, bool &hit) {
  hit = false;
  if (term.cache < 0) return nullptr;
  Cached &entry = caches[static_cast<size_t>(term.cache)];
  const std::vector<int64_t> &env = frame.plan->node->env;
  hit = entry.epoch == epoch && entry.place.frame == &frame && entry.place.t == t;
  for (size_t i = 0; hit && i < term.free.size(); ++i) hit = entry.indices[i] == env[term.free[i]];
  if (hit) return &entry;
  entry.epoch = 0; // not valid until the value is there
  entry.place = {&frame, t};
  entry.indices.resize(term.free.size());
  for (size_t i = 0; i < term.free.size(); ++i) entry.indices[i] = env[term.free[i]];
  return &entry;
}

Bits Machine::scalar(const Term &term, Frame &frame, int64_t t) {
  switch (term.kind) {
  case ExprKind::Const: return term.constant;
  case ExprKind::Index: return static_cast<Bits>(frame.plan->node->env[term.expr->index]);
  case ExprKind::Var: {
    Place place = home(term, frame, t);
    if (term.isTime) return static_cast<Bits>(place.t);
    uint32_t slot = slotOf(term);
    if (!place.frame || !ready(*place.frame, slot, place.t)) return 0;
    return place.frame->bits[place.frame->cell(slot, place.t)];
  }
  default: break;
  }
  bool hit;
  Cached *entry = cached(term, frame, t, hit);
  if (hit) return entry->value.bits;
  Bits bits = scalarUncached(term, frame, t);
  if (entry && status == Status::Ok) {
    entry->value.bits = bits;
    entry->epoch = epoch;
  }
  return bits;
}

Bits Machine::scalarUncached(const Term &term, Frame &frame, int64_t t) {
  switch (term.kind) {
  case ExprKind::Op: return scalarOp(term, frame, t);
  case ExprKind::Read:
  case ExprKind::ReadOr: return element(term, frame, t);
  case ExprKind::Reduce: return reduce(term, frame, t);
  case ExprKind::ReduceAll: return reduceAll(term, frame, t);
  case ExprKind::Call: {
    Value value;
    call(term, frame, t, value);
    return value.bits;
  }
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Final:
  case ExprKind::Initial: return scalarAt(term, target(term, frame, t));
  case ExprKind::Count:
    if (bodyAround(term, frame).ring) fail("a count where time has no end", term.expr->span);
    return status == Status::Ok ? static_cast<Bits>(count(*bodyAround(term, frame).time)) : 0;
  case ExprKind::Stop: return scalar(*term.args[0], frame, t);
  case ExprKind::Broadcast:
  case ExprKind::Reshape:
  case ExprKind::Build: {
    if (term.args[0]->isScalar) return scalar(*term.args[0], frame, t);
    Tensor source = tensor(*term.args[0], frame, t);
    return status == Status::Ok ? load(term.scalar, source.data, 0) : 0;
  }
  default: fail("a scalar of a kind that has none", term.expr->span); return 0;
  }
}

Bits Machine::scalarOp(const Term &term, Frame &frame, int64_t t) {
  Bits a = scalar(*term.args[0], frame, t);
  if (term.op == OpKind::Select) return status == Status::Ok ? scalar(*term.args[a ? 1 : 2], frame, t) : 0;
  Bits b = 0, c = 0;
  if (status == Status::Ok && term.args.size() > 1) b = scalar(*term.args[1], frame, t);
  if (status == Status::Ok && term.args.size() > 2) c = scalar(*term.args[2], frame, t);
  return status == Status::Ok ? apply(term.op, term.operand, term.scalar, a, b, c) : 0;
}

Tensor Machine::tensor(const Term &term, Frame &frame, int64_t t) {
  if (term.kind == ExprKind::Const) return {nullptr, term.expr->constant.data()};
  if (term.kind == ExprKind::Var) {
    Place place = home(term, frame, t);
    uint32_t slot = slotOf(term);
    if (!place.frame || !ready(*place.frame, slot, place.t)) return {};
    return place.frame->tensors[place.frame->tensorCell(slot, place.t)];
  }
  bool hit;
  Cached *entry = cached(term, frame, t, hit);
  if (hit) return entry->value.tensor;
  Tensor result = tensorUncached(term, frame, t);
  if (entry && status == Status::Ok) {
    entry->value.tensor = result;
    entry->epoch = epoch;
  }
  return result;
}

Tensor Machine::tensorUncached(const Term &term, Frame &frame, int64_t t) {
  switch (term.kind) {
  case ExprKind::Op:
    return term.op == OpKind::Select ? selectElements(term, frame, t) : tensorOp(term, frame, t);
  case ExprKind::Broadcast: return broadcast(term, frame, t);
  case ExprKind::Reshape: {
    if (!term.args[0]->isScalar) return tensor(*term.args[0], frame, t);
    std::byte *data;
    Tensor result = allocate(term, data);
    store(term.scalar, data, 0, scalar(*term.args[0], frame, t));
    return result;
  }
  case ExprKind::Concat: return concat(term, frame, t);
  case ExprKind::Stop: return tensor(*term.args[0], frame, t);
  case ExprKind::Read: return slice(term, frame, t);
  case ExprKind::Build: return build(term, frame, t);
  case ExprKind::Reduce: return reduceElements(term, frame, t);
  case ExprKind::Window: return window(term, frame, t);
  case ExprKind::Call: {
    Value value;
    call(term, frame, t, value);
    return value.tensor;
  }
  case ExprKind::Fby:
  case ExprKind::Eby:
  case ExprKind::Pre:
  case ExprKind::Arrow:
  case ExprKind::Final:
  case ExprKind::Initial: return tensorAt(term, target(term, frame, t));
  default: fail("a tensor of a kind that has none", term.expr->span); return {};
  }
}

void Machine::call(const Term &term, Frame &frame, int64_t t, Value &value) {
  NodePlan &plan = *term.callee;
  Pool &pool = pools[plan.id];
  if (plan.isConstant && pool.isKnown && !options.checks) {
    value = pool.results[term.expr->result];
    return;
  }
  std::vector<Value> args(term.args.size());
  for (size_t i = 0; i < args.size(); ++i) {
    const Term &arg = *term.args[i];
    if (arg.isScalar) args[i].bits = scalar(arg, frame, t);
    else args[i].tensor = tensor(arg, frame, t);
    if (status != Status::Ok) return;
  }
  runFun(plan, args, term.expr->result, value);
}

size_t Machine::KeyHash::operator()(const std::vector<Bits> &key) const {
  size_t h = key.size();
  for (Bits bits : key) h = (h ^ bits ^ (bits >> 29)) * 0x9e3779b97f4a7c15 + (h >> 7);
  return h;
}

std::vector<Bits> Machine::callKey(const NodePlan &plan, const std::vector<Value> &args, uint32_t result) const {
  constexpr size_t bytesAtMost = 512; // what is looked up should cost less than what is saved
  std::vector<Bits> key;
  if (!duals || options.checks || args.empty()) return key;
  key = {plan.id, result};
  const NodeInstance &node = *plan.node;
  for (size_t i = 0; i < args.size(); ++i) {
    const Type &type = node.vars[node.inputs[i]].type;
    if (type.isScalar()) {
      key.push_back(args[i].bits);
      continue;
    }
    size_t bytes = type.bytes(), words = (bytes + sizeof(Bits) - 1) / sizeof(Bits), first = key.size();
    if (bytes > bytesAtMost) return {};
    key.resize(first + words, 0);
    if (bytes) std::memcpy(key.data() + first, args[i].tensor.data, bytes);
  }
  return key;
}

bool Machine::runFun(NodePlan &plan, std::vector<Value> &args, uint32_t result, Value &value) {
  constexpr size_t callsAtMost = 1u << 20;
  std::vector<Bits> key = callKey(plan, args, result);
  if (auto known = key.empty() ? called.end() : called.find(key); known != called.end()) {
    value = known->second;
    return true;
  }
  if (!runBody(plan, args, result, value)) return false;
  if (key.empty()) return true;
  if (called.size() == callsAtMost) called.clear();
  called.emplace(std::move(key), value);
  return true;
}

/// Runs a fun in a frame of its own. The work stack is used above what is on it; nothing below is touched.
bool Machine::runBody(NodePlan &plan, std::vector<Value> &args, uint32_t result, Value &value) {
  Pool &pool = pools[plan.id];
  std::unique_ptr<Activation> run;
  if (pool.idle.empty()) {
    run = std::make_unique<Activation>();
    open(run->body, plan.body, *run, 1);
  } else {
    run = std::move(pool.idle.back());
    pool.idle.pop_back();
    std::fill(run->body.states.begin(), run->body.states.end(), CellState::Empty);
    for (auto &called : run->body.callees) called.reset();
    for (auto &clock : run->body.clocks) clock = {};
    endInstant(run->body, -1);
  }
  Frame &body = run->body;
  for (size_t i = 0; i < args.size(); ++i) set(body, plan.inputs[i].slot, 0, std::move(args[i]));
  // The second run meets the slots in an order in which they were ready in the first, so that none is tried
  // twice.
  bool isFirst = pool.order.empty();
  std::vector<uint32_t> order;
  auto *outerRecord = std::exchange(record, isFirst ? &order : nullptr);
  Frame *outerFrame = std::exchange(recordFrame, &body);
  bool good = true;
  if (duals) duals->enter();
  for (size_t i = 0; good && i < pool.order.size(); ++i) good = this->run(body, pool.order[i], 0);
  if (plan.isConstant)
    for (const Route &output : plan.outputs) good = good && this->run(body, output.slot, 0);
  good = good && this->run(body, plan.outputs[result].slot, 0);
  if (options.checks) good = good && runAll(body, 0);
  record = outerRecord;
  recordFrame = outerFrame;
  if (duals) duals->leave();
  if (!good) return false;
  if (isFirst) pool.order = std::move(order);
  bool defined = state(body, plan.outputs[result].slot, 0) == CellState::Ready;
  if (defined) value = get(body, plan.outputs[result].slot, 0);
  else status = Status::Undefined;
  if (plan.isConstant && defined && !options.checks) {
    for (const Route &output : plan.outputs) pool.results.push_back(get(body, output.slot, 0));
    pool.isKnown = true;
  }
  pool.idle.push_back(std::move(run));
  return defined;
}

} // namespace mlr::eval
