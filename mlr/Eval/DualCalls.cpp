// Coefficients of calls of funs: through the body, or by the derivative that the fun states.
#include "mlr/Eval/Duals.h"

#include <cmath>
#include <utility>

namespace mlr::eval {

/// Runs the body of a fun once more, in frames of its own. The work stack is used above what is on it.
Tangent Duals::body(NodePlan &plan, const std::vector<Value> &args, const Coefficients &coefficients, uint32_t result, TagSet &set) {
  auto run = std::make_unique<Activation>();
  m.open(run->body, plan.body, *run, 1);
  for (size_t i = 0; i < args.size(); ++i) m.set(run->body, plan.inputs[i].slot, 0, args[i]);
  inputs[&run->body] = &coefficients;
  enter();
  size_t base = m.stack.size();
  Tangent out;
  if (!ready(run->body, plan.outputs[result].slot, 0, set, out) && m.status == Status::Wait) {
    m.status = Status::Ok;
    if (m.drain(base)) ready(run->body, plan.outputs[result].slot, 0, set, out);
  }
  leave();
  inputs.erase(&run->body);
  return out;
}

bool Duals::run(NodePlan &plan, std::vector<Value> args, uint32_t result, Value &value) {
  return m.runFun(plan, args, result, value);
}

/// A call of a fun that states its derivative: g(x.., y.., ybar..) gives, for each ybar, a row of the Jacobian.
struct Duals::StatedCall {
  const Term &term;
  Frame &frame;
  int64_t t;
  std::vector<Value> args, results;
  const Coefficients &coefficients; ///< of the arguments
};

Tangent Duals::call(const Term &term, Frame &frame, int64_t t, TagSet &set) {
  std::vector<std::vector<Tangent>> known(term.args.size());
  bool isVaried = false;
  std::vector<Value> args(term.args.size());
  for (size_t i = 0; i < args.size(); ++i) {
    known[i].resize(set.full() + 1);
    for (unsigned part = 1; part <= set.full(); ++part) {
      known[i][part] = evaluate(*term.args[i], frame, t, *set.subsets[part]);
      isVaried |= known[i][part] != nullptr;
    }
    if (!isOk()) return nullptr;
  }
  if (!isVaried) return nullptr;
  for (size_t i = 0; i < args.size(); ++i) {
    args[i] = primal(*term.args[i], frame, t);
    if (!isOk()) return nullptr;
  }
  Coefficients coefficients = [&](size_t i, TagSet &asked) -> Tangent {
    for (unsigned part = 1; part <= set.full(); ++part)
      if (set.subsets[part] == &asked) return known[i][part];
    return nullptr; // of a derivative inside the fun
  };
  if (!term.rule) return body(*term.callee, args, coefficients, term.expr->result, set);
  StatedCall made{term, frame, t, std::move(args), {}, coefficients};
  for (uint32_t r = 0; r < term.callee->outputs.size(); ++r)
    if (!run(*term.callee, made.args, r, made.results.emplace_back())) return nullptr;
  return stated(made, term.expr->result, set);
}

/// Rows times the direction of the innermost tag; under the other tags, the rows vary too.
Tangent Duals::stated(StatedCall &call, uint32_t result, TagSet &set) {
  const NodeInstance &callee = *call.term.expr->callee;
  const Type &type = callee.vars[callee.outputs[result]].type;
  if (!isFloat(type.scalar)) return nullptr;
  std::vector<double> all(static_cast<size_t>(type.elements()), 0);
  for (size_t i = 0; i < all.size(); ++i)
    if (!addRow(call, result, static_cast<int64_t>(i), set, all[i])) return nullptr;
  return std::make_shared<const std::vector<double>>(std::move(all));
}

static Value constantOf(const Type &type, int64_t place, double value) {
  Value out;
  if (type.isScalar()) {
    out.bits = place < 0 ? 0 : fromDouble(type.scalar, value);
    return out;
  }
  out.tensor.owner = std::shared_ptr<std::byte[]>(new std::byte[type.bytes() + 1]());
  out.tensor.data = out.tensor.owner.get();
  if (place >= 0) store(type.scalar, out.tensor.owner.get(), place, fromDouble(type.scalar, value));
  return out;
}

static double at(const Type &type, const Value &value, size_t i) {
  return toDouble(type.scalar, type.isScalar() ? value.bits : load(type.scalar, value.tensor.data, static_cast<int64_t>(i)));
}

bool Duals::addRow(StatedCall &call, uint32_t result, int64_t element, TagSet &set, double &sum) {
  const NodeInstance &callee = *call.term.expr->callee;
  NodePlan &rule = *call.term.rule;
  unsigned around = set.full() >> 1, tag = around + 1;
  std::vector<Value> args = call.args;
  args.insert(args.end(), call.results.begin(), call.results.end());
  size_t fixed = args.size();
  auto cotangents = [&](double value) {
    args.resize(fixed);
    for (uint32_t r = 0; r < callee.outputs.size(); ++r)
      args.push_back(constantOf(callee.vars[callee.outputs[r]].type, r == result ? element : -1, value));
  };
  size_t count = call.args.size();
  Coefficients coefficients = [&](size_t i, TagSet &asked) -> Tangent {
    if (i < count) return call.coefficients(i, asked);
    return i < fixed ? stated(call, static_cast<uint32_t>(i - count), asked) : nullptr;
  };
  for (uint32_t i = 0; i < count; ++i) {
    const Type &type = callee.vars[callee.inputs[i]].type;
    bool isVaried = false;
    for (unsigned part = 0; part <= around; ++part) isVaried |= call.coefficients(i, *set.subsets[part | tag]) != nullptr;
    if (!isVaried) continue;
    Value row, twice;
    cotangents(-2);
    if (!run(rule, args, i, twice)) return false;
    cotangents(1);
    if (!run(rule, args, i, row)) return false;
    for (unsigned part = 0; part <= around; ++part) { // part: the tags under which the row varies
      Tangent direction = call.coefficients(i, *set.subsets[(around & ~part) | tag]), varied;
      if (!direction) continue;
      if (part) varied = body(rule, args, coefficients, i, *set.subsets[part]);
      if (!isOk()) return false;
      for (size_t k = 0; k < direction->size(); ++k) {
        double factor = part ? (varied ? (*varied)[k] : 0) : at(type, row, k);
        if (factor != 0 && (*direction)[k] != 0) sum += factor * (*direction)[k];
        double once = at(type, row, k), other = at(type, twice, k);
        bool isLinear = std::abs(other + 2 * once) <= 1e-3 * std::abs(other) || !std::isfinite(once);
        if (!isLinear) set.tags.back()->notLinear = callee.derivative;
      }
    }
  }
  return true;
}

} // namespace mlr::eval
