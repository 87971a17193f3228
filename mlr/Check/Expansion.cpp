// The size of a program once all calls are expanded, which is what gets compiled.
#include "mlr/Check/Analyses.h"

#include "support/DiagnosticKinds.h"

#include <fmt/format.h>
#include <unordered_map>

namespace mlr {

/// Expressions in all; the later stages take some microseconds each.
static constexpr uint64_t maxExpressions = 4'000'000;

static void addCalls(const Region &region, const std::unordered_map<const NodeInstance *, uint64_t> &sizes, uint64_t &size) {
  for (const Equation &e : region.equations) {
    if (e.kind == Equation::Kind::Call) size += sizes.at(e.callee);
    if (e.kind == Equation::Kind::Scan) addCalls(e.scan->body, sizes, size);
    if (e.kind == Equation::Kind::Clock) addCalls(e.clock->body, sizes, size);
    if (size > maxExpressions) return;
  }
}

bool checkExpansion(const Program &program, Diagnostics &diagnostics) {
  std::unordered_map<const NodeInstance *, uint64_t> sizes;  // looked up only
  for (const auto &node : program.nodes) {                   // callees first
    uint64_t size = node->arena.size() + 1;
    addCalls(node->body, sizes, size);
    for (const Expr &e : node->arena) {
      if (e.kind == ExprKind::Call) size += sizes.at(e.callee);
      if (size > maxExpressions) break;
    }
    sizes[node.get()] = size;
    if (size <= maxExpressions) continue;
    Diagnostic &d = diagnostics.report(kinds::programTooLarge, node->span,
                                       fmt::format("`{}` expands to more than {} expressions", node->display, maxExpressions),
                                       "every call in it is an instance of its own");
    d.notes.push_back("instances multiply from caller to caller: two calls on each of n levels make 2^n");
    return false;
  }
  return true;
}

} // namespace mlr
