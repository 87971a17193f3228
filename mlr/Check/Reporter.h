// Where elaboration sends its errors: silent while types are still being inferred, and with the use named
// inside an instance of a generic node.
#pragma once

#include "support/DiagnosticKinds.h"
#include "support/Diagnostics.h"

#include <string>

namespace mlr::checking {

class Reporter {
public:
  explicit Reporter(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  /// Inside an instance: errors also point at the use that asked for it.
  void setInstance(std::string display, Span usedAt) {
    instance = std::move(display);
    use = usedAt;
  }
  /// While quiet, types are only being guessed, and errors are dropped.
  void setQuiet(bool value) { quiet = value; }
  bool isQuiet() const { return quiet; }
  /// Errors are reported even while guessing: why the guesses contradict each other.
  void setLoud(bool value) { loud = value; }

  Diagnostic &error(const DiagnosticKind &kind, Span span, std::string title, std::string label = "") {
    if (quiet && !loud) {
      dropped = Diagnostic();
      ++drops;
      return dropped;
    }
    Diagnostic &d = diagnostics.report(kind, span, std::move(title), std::move(label));
    if (use.valid()) d.labels.push_back({use, "in this instance: " + instance, false});
    return d;
  }
  /// "`struct` is not part of this version of MLR".
  Diagnostic &unsupported(Span span, const std::string &feature) {
    return error(kinds::unsupported, span, feature + " not part of this version of MLR");
  }
  /// Those that were dropped.
  size_t dropCount() const { return drops; }
  size_t errorCount() const { return diagnostics.errorCount(); }
  const SourceMap &sources() const { return diagnostics.sourceMap(); }

private:
  Diagnostics &diagnostics;
  std::string instance;
  Span use;
  bool quiet = false, loud = false;
  Diagnostic dropped;
  size_t drops = 0;
};

} // namespace mlr::checking
