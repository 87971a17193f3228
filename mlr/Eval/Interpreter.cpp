#include "mlr/Eval/Interpreter.h"
#include "mlr/Eval/Machine.h"

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
    if (plans.tooDeep) return Error{"an expression is nested too deeply for the interpreter", node.span};
    if (isBroken) return Error{"an earlier instant failed", node.span};
    if (inputs.size() != node.inputs.size())
      return Error{"expected " + std::to_string(node.inputs.size()) + " inputs, got " +
                       std::to_string(inputs.size()),
                   node.span};
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Var &var = node.vars[node.inputs[i]];
      if (inputs[i].type() != var.type || inputs[i].bytes() != var.type.bytes())
        return Error{"input '" + var.name + "' should be " + toString(var.type) + ", not " +
                         toString(inputs[i].type()),
                     var.span};
    }
    return std::nullopt;
  }

  bool run(const std::vector<Array> &inputs, std::vector<Array> &outputs) {
    Frame &frame = base->body;
    if (!machine->beginInstant(frame, now)) return false;
    for (size_t i = 0; i < inputs.size(); ++i) machine->set(frame, plan.inputs[i], now, valueOf(inputs[i]));
    for (size_t i = 0; i < plan.outputs.size(); ++i) {
      uint32_t slot = plan.outputs[i];
      if (!machine->run(frame, slot, now)) return false;
      if (machine->state(frame, slot, now) != CellState::Ready) {
        machine->error = {"output '" + node.vars[node.outputs[i]].name + "' is undefined at instant " +
                              std::to_string(now),
                          machine->undefinedAt};
        return false;
      }
      outputs.push_back(arrayOf(node.vars[node.outputs[i]].type, machine->get(frame, slot, now)));
    }
    if (!machine->runAll(frame, now)) return false;
    machine->endInstant(frame, now);
    ++now;
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
  int64_t now = 0;
  bool isBroken = false;
};

Interpreter::Interpreter(const NodeInstance &node, Options options)
    : impl(std::make_unique<Impl>(node, options)) {}
Interpreter::~Interpreter() = default;

std::variant<std::vector<Array>, Error> Interpreter::step(const std::vector<Array> &inputs) {
  if (auto error = impl->badInputs(inputs)) return *error;
  std::vector<Array> outputs;
  if (impl->run(inputs, outputs)) return outputs;
  impl->isBroken = true;
  return impl->machine->error;
}

void Interpreter::reset() { impl->reset(); }

} // namespace mlr::eval
