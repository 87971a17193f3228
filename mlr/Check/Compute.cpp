// Values of constants that calls and comprehensions compute, where they are needed while types are checked: as sizes
// and static arguments. The funs that they call are elaborated at once, and the interpreter runs them.
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace mlr::checking {

/// Operations that one value may take: seconds of interpretation, and bytes, at most.
static constexpr double maxOperations = 1 << 24;
/// Of constants that are needed by funs that constants need ..: each elaborates bodies inside the body that asks.
static constexpr int maxNesting = 64;

namespace {

/// How many elements are computed at most; branches that are not taken count, caches do not.
class Cost {
public:
  double of(const Expr &e) {
    double sum = static_cast<double>(std::max<int64_t>(e.type.elements(), 1));
    for (const Expr *arg : e.args) sum += of(*arg);
    for (const ReadIndex &read : e.reads)
      if (read.at) sum += of(*read.at);
    for (IndexId index : e.indices) sum *= static_cast<double>((*indices)[index].size);
    return e.callee ? sum + of(*e.callee) : sum;
  }

  double of(const NodeInstance &node) {
    if (auto at = known.find(&node); at != known.end()) return at->second;
    const std::vector<IndexVar> *outer = std::exchange(indices, &node.indices);
    double sum = of(node.body);
    indices = outer;
    return known[&node] = sum;
  }

private:
  double of(const Region &region) {
    double sum = 0;
    for (const Equation &equation : region.equations) {
      if (equation.value) sum += of(*equation.value);
      for (const Expr *arg : equation.args) sum += of(*arg);
      double instances = 1;
      for (IndexId index : equation.each) instances *= static_cast<double>((*indices)[index].size);
      if (equation.callee) sum += instances * of(*equation.callee);
      if (equation.clock) sum += of(equation.clock->body);
      if (equation.scan) sum += of(*equation.scan);
    }
    return sum;
  }

  double of(const ScanTime &scan) {
    double sum = of(scan.body) + (scan.until ? of(*scan.until) : 0);
    for (const ScanResult &result : scan.results)
      if (result.value) sum += of(*result.value);
    return sum * static_cast<double>(scan.length);
  }

  const std::vector<IndexVar> *indices = nullptr;
  std::unordered_map<const NodeInstance *, double> known; ///< looked up only
};

} // namespace

/// Elaborates what waits in the queue of the instances that `root` calls; false if one of them is in error.
bool Checker::completeCallees(const NodeInstance &root) {
  std::unordered_set<const NodeInstance *> seen{&root};
  std::vector<const NodeInstance *> stack{&root};
  while (!stack.empty()) {
    const NodeInstance *node = stack.back();
    stack.pop_back();
    if (node != &root && !complete.count(node)) {
      auto waiting = std::find_if(queue.begin(), queue.end(), [&](const Pending &p) { return p.instance == node; });
      if (waiting == queue.end()) return false;
      Pending pending = std::move(*waiting);
      queue.erase(waiting);
      if (!Body(*this, pending.signature, *pending.instance, diagnostics).elaborate()) return false;
      complete.insert(node);
    }
    for (const NodeInstance *callee : calls[node])
      if (seen.insert(callee).second) stack.push_back(callee);
  }
  return true;
}

/// The outputs of a fun without inputs; nothing where that was reported, at `at`, or failed elsewhere.
std::optional<std::vector<Array>> Checker::compute(const NodeInstance &fun, const std::string &what, Span at, Reporter &to) {
  auto refuse = [&](const std::string &why) -> std::optional<std::vector<Array>> {
    Diagnostic &d = to.error(kinds::notConstant, at, fmt::format("{} cannot be computed at compile time", what), why);
    d.labels.push_back({fun.span, "the value of this", false});
    return std::nullopt;
  };
  if (!options.evaluate) return refuse("it needs calls");
  if (nesting >= maxNesting) return refuse(fmt::format("more than {} constants need one another", maxNesting));
  size_t errors = diagnostics.errorCount();
  ++nesting;
  bool complete = completeCallees(fun);
  --nesting;
  if (!complete || diagnostics.errorCount() != errors) return std::nullopt;
  if (double cost = Cost().of(fun); cost > maxOperations)
    return refuse(fmt::format("it takes more than {} operations", static_cast<int64_t>(maxOperations)));
  auto result = options.evaluate(fun);
  if (auto *failed = std::get_if<std::string>(&result)) return refuse(*failed);
  return std::get<std::vector<Array>>(std::move(result));
}

/// For a constant that only the interpreter can compute: the program has its value alone.
void Checker::replaceByValue(const ast::Decl &decl) {
  Constant &constant = constants.at(&decl);
  auto values = compute(*constant.computed, fmt::format("`{}`", decl.name.text), decl.value->span, report);
  constant.isTable = true;
  constant.failed = !values;
  if (values) constant.leaves = std::move(*values);
}

const Array *Checker::valueOf(const ast::Decl &decl, Span at, Reporter &to) {
  constant(decl);
  Constant &known = constants.at(&decl);
  if (known.failed || known.type.kind != Ty::Kind::Plain) return nullptr;
  if (known.leaves.empty() && known.computed) {
    auto values = compute(*known.computed, fmt::format("`{}`", decl.name.text), at, to);
    if (values) known.leaves = std::move(*values);
    else if (!to.isQuiet()) known.failed = true;
  }
  return known.value();
}

std::optional<Array> Checker::valueOf(const Expr &e, const NodeInstance &of, const std::string &what, Reporter &to) {
  NodeInstance fun;
  fun.name = fun.display = what;
  fun.isFun = true;
  fun.span = e.span;
  fun.indices = of.indices;
  fun.vars.push_back({Var::Kind::Output, "value", e.type, e.span, nullptr});
  fun.outputs.push_back(0);
  Equation &equation = fun.body.equations.emplace_back();
  equation.span = e.span;
  equation.targets = {0};
  equation.value = &e;
  std::vector<const Expr *> stack{&e};
  while (!stack.empty()) {
    const Expr *part = stack.back();
    stack.pop_back();
    if (part->callee) calls[&fun].push_back(const_cast<NodeInstance *>(part->callee));
    stack.insert(stack.end(), part->args.begin(), part->args.end());
    for (const ReadIndex &read : part->reads)
      if (read.at) stack.push_back(read.at);
  }
  auto values = compute(fun, what, e.span, to);
  calls.erase(&fun);
  return values ? std::optional(std::move(values->front())) : std::nullopt;
}

} // namespace mlr::checking
