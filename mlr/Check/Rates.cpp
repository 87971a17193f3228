// The rate of a node's base clock: `at 50 Hz`.
#include "mlr/Check/Checker.h"

#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace mlr::checking {

/// Hz of a unit; 0: none.
static double hertzOf(const std::string &unit) {
  return unit == "Hz" ? 1 : unit == "kHz" ? 1e3 : unit == "MHz" ? 1e6 : 0;
}

double rateOf(const ast::Decl &decl) {
  return decl.rate ? std::strtod(decl.rate->text.c_str(), nullptr) * hertzOf(decl.rateUnit.text) : 0;
}

void checkRate(const ast::Decl &decl, Reporter &report) {
  if (!decl.rate || decl.rateUnit.text.empty()) return;
  const std::string &unit = decl.rateUnit.text;
  if (hertzOf(unit) == 0) {
    Diagnostic &d = report.error(kinds::unknownName, decl.rateUnit.span, fmt::format("`{}` is no unit of a rate", unit), "unknown");
    d.helps.push_back("rates are in Hz, kHz or MHz");
    return;
  }
  double rate = rateOf(decl);
  if (!(rate > 0) || !std::isfinite(rate))
    report.error(kinds::literalRange, decl.rate->span, "a rate is greater than 0 and finite", fmt::format("{} {}", decl.rate->text, unit));
}

} // namespace mlr::checking
