// Run-time checks (--checks): conditions that should hold at every instant, as hidden outputs of the root nodes.
//
// AddChecks rewrites the typed program before its import, so that no later stage knows of checks: they are dataflow like any
// other. Each index that is clamped (ReadIndex without inBounds) gives a bool, true while it is inside its axis; so does each monitor, as it is
// stated:
//  - over comprehension indices it is reduced by `all`;
//  - in a scan it is accumulated by `and`, and its final value leaves the scan;
//  - what a called node or fun checks is a further result of the call;
//  - on a slower clock it holds at the instants at which that is absent.
// Where an expression computes an operand only at times, its indices count only then: the sides of `if` (of an element-wise
// selection: the sides that some element takes), the first operand of `->`, `fby` and `window` at the first instant, the second of
// `eby` at the last, of `at` where an index is outside.
// Conditions of one place in the source are one check, whichever instance they come from.
#pragma once

#include "mlr/Check/Program.h"
#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

enum class CheckKind : uint8_t { Index, Monitor };

/// A condition that a program states or needs: `kind` and `message` tell what it means that it is false.
struct RuntimeCheck {
  CheckKind kind = CheckKind::Index;
  std::string name; ///< of the hidden output: "check_x_1"
  std::string message;
  Span span;
};

/// Adds the checks to every node that the roots reach. The result has an element for each root: its checks, in order of the
/// outputs that they add behind its own. verify(program) holds afterwards.
std::vector<std::vector<RuntimeCheck>> addChecks(Program &program);

/// A check as the module remembers it, through all stages, in its attribute `mlr.checks`.
struct CheckNote {
  std::string name, message, path;
  int64_t line = 0, column = 0;
  bool isMonitor = false; ///< else an index
};
void noteChecks(mlir::ModuleOp module, const Program &program, const std::vector<std::vector<RuntimeCheck>> &checks,
                const SourceMap &sources);
/// In order of the outputs; empty without checks.
std::vector<CheckNote> checksOf(mlir::ModuleOp module, llvm::StringRef node);

} // namespace mlr::dataflow
