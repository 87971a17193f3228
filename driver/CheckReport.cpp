#include "driver/CheckReport.h"

#include "support/DiagnosticKinds.h"

#include <fmt/format.h>

namespace mlr::driver {

std::string renderFailures(const Compilation &c, const std::vector<CheckFailure> &failures, int64_t instants, int64_t before) {
  Diagnostics found(c.sources);
  std::string text;
  for (const CheckFailure &f : failures) {
    std::string when = f.instants == 1 ? fmt::format("at instant {} of {}", f.first, instants)
                                       : fmt::format("at {} of {} instants, first at instant {}", f.instants, instants, f.first);
    if (before > 0) // of a run that goes on: earlier failures have been told
      when = fmt::format("at {} of the {} instants since instant {}, first at instant {}", f.instants, instants, before, before + f.first);
    std::string label = (f.note.isMonitor ? "false " : "outside ") + when;
    if (f.span.valid()) found.report(f.note.isMonitor ? kinds::contractViolated : kinds::indexClamped, f.span, f.note.message, label);
    else text += fmt::format("{}:{}:{}: warning: {}: {}\n", f.note.path, f.note.line, f.note.column, f.note.message, label);
  }
  for (const Diagnostic *d : found.sorted())
    text += (c.options.json ? renderJson(*d, c.sources) : render(*d, c.sources, c.options.color)) + "\n";
  return text;
}

} // namespace mlr::driver
