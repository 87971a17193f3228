#include "mlr/Eval/Interpreter.h"
#include "mlr/Eval/Duals.h"

#include <cstring>

namespace mlr::eval {

struct Interpreter::Impl {
  Impl(const NodeInstance &node, Options options) : node(node), options(options), plan(plans.of(node)) {
    reset();
  }

  void reset() {
    base = std::make_unique<Activation>();
    machine = std::make_unique<Machine>(plans, options);
    machine->open(base->body, plan.body, *base, plan.body.reach + 1);
    now = 0;
    isBroken = false;
  }

  std::optional<Error> badInputs(const std::vector<Array> &inputs) const {
    if (!plans.refusal.empty()) return Error{plans.refusal, node.span};
    if (isBroken) return Error{"an earlier instant failed", node.span};
    if (inputs.size() != node.inputs.size())
      return Error{"expected " + std::to_string(node.inputs.size()) + " inputs, got " +
                       std::to_string(inputs.size()),
                   node.span};
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Var &var = node.vars[node.inputs[i]];
      if (var.clock && !inputs[i].data()) continue; // absent
      if (inputs[i].type() != var.type || inputs[i].bytes() != var.type.bytes())
        return Error{"input '" + var.name + "' should be " + toString(var.type) + ", not " +
                         toString(inputs[i].type()),
                     var.span};
    }
    return std::nullopt;
  }

  bool run(const std::vector<Array> &inputs, std::vector<Array> &outputs) {
    Frame &frame = base->body;
    machine->now = now;
    machine->forgetCalls();
    if (machine->duals) machine->duals->begin();
    if (!machine->beginInstant(frame, now)) return false;
    values.clear();
    for (size_t i = 0; i < inputs.size(); ++i) {
      bool isAbsent = node.vars[node.inputs[i]].clock && !inputs[i].data();
      values.push_back(isAbsent ? std::nullopt : std::optional(valueOf(inputs[i])));
    }
    machine->inputs = &values;
    if (!machine->runEffects({{&frame, now}}, plan.body)) return false;
    present.assign(plan.outputs.size(), false);
    for (size_t i = 0; i < plan.outputs.size(); ++i) {
      const Var &var = node.vars[node.outputs[i]];
      Presence presence;
      Place place;
      if (!machine->find(plan.outputs[i], frame, now, presence, place)) return false;
      present[i] = presence == Presence::There;
      if (!present[i]) outputs.push_back(Array(var.type));
      else if (!output(var, *place.frame, plan.outputs[i].slot, place.t, outputs)) return false;
    }
    if (!machine->runAll(frame, now)) return false;
    machine->endInstant(frame, now);
    ++now;
    return true;
  }

  bool output(const Var &var, Frame &frame, uint32_t slot, int64_t t, std::vector<Array> &outputs) {
    if (!machine->run(frame, slot, t)) return false;
    if (machine->state(frame, slot, t) != CellState::Ready) {
      machine->error = {"output '" + var.name + "' is undefined at instant " + std::to_string(now),
                        machine->undefinedAt};
      return false;
    }
    outputs.push_back(arrayOf(var.type, machine->get(frame, slot, t)));
    return true;
  }

  static Value valueOf(const Array &array) {
    Value value;
    if (array.type().isScalar()) {
      value.bits = load(array.type().scalar, array.data(), 0);
      return value;
    }
    auto owner = std::make_shared<Array>(array);
    value.tensor.data = owner->data();
    value.tensor.owner = std::shared_ptr<std::byte[]>(owner, const_cast<std::byte *>(owner->data()));
    return value;
  }

  static Array arrayOf(const Type &type, const Value &value) {
    Array array(type);
    if (type.isScalar()) store(type.scalar, array.mutate(), 0, value.bits);
    else if (array.bytes()) std::memcpy(array.mutate(), value.tensor.data, array.bytes());
    return array;
  }

  const NodeInstance &node;
  Options options;
  Plans plans;
  NodePlan &plan;
  std::unique_ptr<Machine> machine; ///< outlives the frames of `base`, which count themselves there
  std::unique_ptr<Activation> base;
  std::vector<std::optional<Value>> values; ///< of the inputs
  std::vector<bool> present;                ///< of the outputs
  int64_t now = 0;
  bool isBroken = false;
};

Interpreter::Interpreter(const NodeInstance &node, Options options)
    : impl(std::make_unique<Impl>(node, options)) {}
Interpreter::~Interpreter() = default;

std::variant<std::vector<Array>, Error> Interpreter::step(const std::vector<Array> &inputs, const std::vector<Array> *taken) {
  if (auto error = impl->badInputs(inputs)) return *error;
  if (impl->machine->duals) impl->machine->duals->taken = taken;
  std::vector<Array> outputs;
  if (impl->run(inputs, outputs)) return outputs;
  impl->isBroken = true;
  return impl->machine->error;
}

const std::vector<bool> &Interpreter::present() const { return impl->present; }

std::vector<CheckFailure> Interpreter::failures() const {
  std::vector<CheckFailure> list;
  for (const auto &[place, failure] : impl->machine->failures) list.push_back(failure);
  return list;
}

std::vector<DerivativeReport> Interpreter::derivatives() const {
  std::vector<DerivativeReport> list;
  if (!impl->machine->duals) return list;
  for (const auto &[place, report] : impl->machine->duals->reports) list.push_back(report);
  return list;
}

void Interpreter::reset() { impl->reset(); }

std::variant<std::vector<Array>, std::string> evaluateConstant(const NodeInstance &fun, Options options) {
  auto result = Interpreter(fun, options).step({});
  if (auto *error = std::get_if<Error>(&result)) return error->message;
  return std::get<std::vector<Array>>(std::move(result));
}

} // namespace mlr::eval
