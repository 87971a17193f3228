#include "mlr/Dataflow/Rates.h"

#include <fmt/format.h>
#include <map>

using namespace mlir;

namespace mlr::dataflow {

static constexpr size_t mostVariables = 6;
static constexpr int mostDepth = 64; ///< of calls that are looked through

namespace {

class RateFinder {
public:
  void node(const NodeInstance &node, const std::string &path, const ClockRate &around, int depth) {
    region(node, node.body, path, around, depth);
  }
  std::vector<ClockRate> found;

private:
  /// The clock inside another one.
  ClockRate below(const NodeInstance &node, const Clock &clock, const ClockRate &around) const {
    ClockRate rate = around;
    rate.variables.clear();
    std::string own;
    if (clock.kind == Clock::Kind::Every) {
      rate.hertz /= static_cast<double>(clock.period);
      own = clock.phase == clock.period - 1 ? fmt::format("every {}", clock.period) : fmt::format("every {} at {}", clock.period, clock.phase);
    } else if (clock.kind == Clock::Kind::When) {
      const Var &selector = node.vars[clock.selector];
      rate.isExact = false;
      std::string name = selector.name.substr(0, selector.name.find('#'));
      if (!selector.constructors.empty()) own = fmt::format("when {} == {}", name, selector.constructors[static_cast<size_t>(clock.value)]);
      else own = fmt::format("when {}{}", clock.value ? "" : "not ", name);
    }
    if (!own.empty()) rate.clock = rate.clock.empty() ? own : own + " of " + rate.clock;
    return rate;
  }

  ClockRate &entry(const ClockRate &rate) {
    auto key = std::pair(rate.clock, rate.hertz);
    auto [at, isNew] = places.try_emplace(key, found.size());
    if (isNew) found.push_back(rate);
    return found[at->second];
  }

  void define(const NodeInstance &node, VarId v, const std::string &path, const ClockRate &rate) {
    const Var &var = node.vars[v];
    if (rate.clock.empty() || var.kind == Var::Kind::Hidden || var.name.find('#') != std::string::npos) return;
    ClockRate &own = entry(rate);
    if (own.variables.size() < mostVariables) own.variables.push_back(path + var.name);
  }

  void region(const NodeInstance &node, const Region &body, const std::string &path, const ClockRate &rate, int depth) {
    std::map<std::string, int> instances;
    for (const Equation &equation : body.equations) {
      for (VarId target : equation.targets) define(node, target, path, rate);
      if (equation.kind == Equation::Kind::Scan)
        for (const ScanResult &result : equation.scan->results) define(node, result.var, path, rate);
      if (equation.kind == Equation::Kind::Clock) {
        ClockRate inner = below(node, *equation.clock, rate);
        if (inner.clock != rate.clock) entry(inner);
        region(node, equation.clock->body, path, inner, depth);
      }
      if (equation.kind == Equation::Kind::Call && !equation.callee->isFun && depth < mostDepth) {
        std::string name = equation.callee->display.substr(0, equation.callee->display.find('<'));
        this->node(*equation.callee, path + name + ".", rate, depth + 1);
      }
    }
  }

  std::map<std::pair<std::string, double>, size_t> places;
};

} // namespace

void noteRates(Operation *op, const NodeInstance &root) {
  if (root.rate <= 0) return;
  Builder b(op->getContext());
  op->setAttr("mlr.rate", b.getF64FloatAttr(root.rate));
  RateFinder finder;
  finder.node(root, "", {"", root.rate, true, {}}, 0);
  SmallVector<Attribute> clocks;
  for (const ClockRate &rate : finder.found) {
    SmallVector<Attribute> variables;
    for (const std::string &v : rate.variables) variables.push_back(b.getStringAttr(v));
    clocks.push_back(b.getDictionaryAttr({b.getNamedAttr("clock", b.getStringAttr(rate.clock)),
                                          b.getNamedAttr("hertz", b.getF64FloatAttr(rate.hertz)),
                                          b.getNamedAttr("exact", b.getBoolAttr(rate.isExact)),
                                          b.getNamedAttr("variables", b.getArrayAttr(variables))}));
  }
  op->setAttr("mlr.clocks", b.getArrayAttr(clocks));
}

Rates ratesOf(Operation *op) {
  Rates rates;
  if (auto rate = op->getAttrOfType<FloatAttr>("mlr.rate")) rates.hertz = rate.getValueAsDouble();
  auto clocks = op->getAttrOfType<ArrayAttr>("mlr.clocks");
  if (!clocks) return rates;
  for (auto entry : clocks.getAsRange<DictionaryAttr>()) {
    auto clock = entry.getAs<StringAttr>("clock");
    auto hertz = entry.getAs<FloatAttr>("hertz");
    auto exact = entry.getAs<BoolAttr>("exact");
    auto variables = entry.getAs<ArrayAttr>("variables");
    if (!clock || !hertz || !exact || !variables) continue;
    ClockRate rate{clock.str(), hertz.getValueAsDouble(), exact.getValue(), {}};
    for (auto v : variables.getAsValueRange<StringAttr>()) rate.variables.push_back(v.str());
    rates.clocks.push_back(std::move(rate));
  }
  return rates;
}

std::string rateText(double hertz) {
  if (hertz >= 1e6) return fmt::format("{:.6g} MHz", hertz / 1e6);
  if (hertz >= 1e3) return fmt::format("{:.6g} kHz", hertz / 1e3);
  return fmt::format("{:.6g} Hz", hertz);
}

} // namespace mlr::dataflow
