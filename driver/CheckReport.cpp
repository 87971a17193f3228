#include "driver/CheckReport.h"

#include "support/DiagnosticKinds.h"

#include <fmt/format.h>

namespace mlr::driver {

std::string renderFailures(const Compilation &c, const std::vector<CheckFailure> &failures, int64_t instants) {
  Diagnostics found(c.sources);
  std::string text;
  for (const CheckFailure &f : failures) {
    std::string when = f.instants == 1 ? fmt::format("at instant {} of {}", f.first, instants)
                                       : fmt::format("at {} of {} instants, first at instant {}", f.instants, instants, f.first);
    if (f.span.valid()) found.report(kinds::indexClamped, f.span, f.note.message, "outside " + when);
    else text += fmt::format("{}:{}:{}: warning: {}: outside {}\n", f.note.path, f.note.line, f.note.column, f.note.message, when);
  }
  for (const Diagnostic *d : found.sorted())
    text += (c.options.json ? renderJson(*d, c.sources) : render(*d, c.sources, c.options.color)) + "\n";
  return text;
}

} // namespace mlr::driver
