// Memory that no later stage can save: the inputs and outputs of a root and what operators in time keep.
#include "mlr/Check/Analyses.h"

#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

namespace mlr {

/// Positions in the memory of an instance are i32.
static constexpr uint64_t maxBytes = 2147483647;

static uint64_t bytesOf(const Type &type) {
  return static_cast<uint64_t>(type.elements()) * byteSize(type.scalar); // at most 2^31 elements of 8 bytes
}

/// All inputs, or all outputs, of a root.
static bool checkInterface(const NodeInstance &root, const std::vector<VarId> &vars, const char *what,
                           Diagnostics &diagnostics) {
  uint64_t total = 0;
  for (VarId id : vars) {
    const Var &var = root.vars[id];
    total += bytesOf(var.type);
    if (total <= maxBytes) continue;
    Diagnostic &d = diagnostics.report(
        kinds::invalidSize, var.span, fmt::format("the {}s of `{}` have more than {} bytes", what, root.display, maxBytes),
        fmt::format("`{}` is {}", var.name, toString(var.type)));
    d.notes.push_back(fmt::format("all {}s of one instant are in memory at once", what));
    return false;
  }
  return true;
}

/// The most instances of a node that stand side by side in a comprehension, comprehensions around included.
using Counts = std::unordered_map<const NodeInstance *, uint64_t>; ///< looked up only

static void countCalls(const NodeInstance &node, const Region &body, uint64_t own, Counts &counts) {
  for (const Equation &e : body.equations) {
    if (e.clock) countCalls(node, e.clock->body, own, counts);
    if (e.scan) countCalls(node, e.scan->body, own, counts);
    if (e.kind != Equation::Kind::Call) continue;
    uint64_t instances = own;
    for (IndexId i : e.each) instances = std::min(maxBytes, instances * static_cast<uint64_t>(node.indices[i].size));
    uint64_t &most = counts[e.callee];
    most = std::max(most, instances);
  }
}

static bool checkState(const NodeInstance &node, uint64_t instances, Diagnostics &diagnostics) {
  for (const Expr &e : node.arena) {
    const char *spelling = e.kind == ExprKind::Fby      ? "fby"
                           : e.kind == ExprKind::Eby    ? "eby"
                           : e.kind == ExprKind::Pre    ? "pre"
                           : e.kind == ExprKind::Window ? "window"
                           : e.kind == ExprKind::Hold   ? "hold"
                                                        : nullptr;
    if (!spelling || instances == 0 || bytesOf(e.type) <= maxBytes / instances) continue;
    Diagnostic &d = diagnostics.report(kinds::invalidSize, e.span,
                                       fmt::format("`{}` keeps more than {} bytes", spelling, maxBytes),
                                       fmt::format("this is {}", toString(e.type)));
    d.notes.push_back("what reaches another instant is kept in memory");
    if (instances > 1) d.notes.push_back(fmt::format("{} instances of `{}` stand side by side", instances, node.display));
    return false;
  }
  return true;
}

bool checkSizes(const Program &program, Diagnostics &diagnostics) {
  bool good = true;
  for (const NodeInstance *root : program.roots) {
    good = checkInterface(*root, root->inputs, "input", diagnostics) && good;
    good = checkInterface(*root, root->outputs, "output", diagnostics) && good;
  }
  Counts counts;
  for (const NodeInstance *root : program.roots) counts[root] = 1;
  for (auto node = program.nodes.rbegin(); node != program.nodes.rend(); ++node) { // callers first
    auto known = counts.find(node->get());
    uint64_t instances = known == counts.end() ? 1 : known->second;
    countCalls(**node, (*node)->body, instances, counts);
    good = checkState(**node, instances, diagnostics) && good;
  }
  return good;
}

} // namespace mlr
