// Memory that no later stage can save: the inputs and outputs of a root and what operators in time keep.
#include "mlr/Check/Analyses.h"

#include "support/DiagnosticKinds.h"

#include <fmt/format.h>

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

static bool checkState(const NodeInstance &node, Diagnostics &diagnostics) {
  for (const Expr &e : node.arena) {
    const char *spelling = e.kind == ExprKind::Fby      ? "fby"
                           : e.kind == ExprKind::Eby    ? "eby"
                           : e.kind == ExprKind::Pre    ? "pre"
                           : e.kind == ExprKind::Window ? "window"
                           : e.kind == ExprKind::Hold   ? "hold"
                                                        : nullptr;
    if (!spelling || bytesOf(e.type) <= maxBytes) continue;
    Diagnostic &d = diagnostics.report(kinds::invalidSize, e.span,
                                       fmt::format("`{}` keeps more than {} bytes", spelling, maxBytes),
                                       fmt::format("this is {}", toString(e.type)));
    d.notes.push_back("what reaches another instant is kept in memory");
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
  for (const auto &node : program.nodes) good = checkState(*node, diagnostics) && good;
  return good;
}

} // namespace mlr
