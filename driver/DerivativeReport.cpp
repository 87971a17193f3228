#include "driver/DerivativeReport.h"

#include <fmt/format.h>

namespace mlr::driver {

double derivativeTolerance(Scalar scalar) {
  switch (scalar) {
  case Scalar::F64: return 1e-9;
  case Scalar::F32: return 1e-3;
  default: return 0.1; // f16, bf16: some 8 bits, of which sums lose more
  }
}

std::string renderDerivatives(const Compilation &c, const std::vector<eval::DerivativeReport> &reports, bool &isGood) {
  std::string text;
  isGood = true;
  for (const eval::DerivativeReport &r : reports) {
    LineColumn at = c.sources.lineColumn(r.span.file, r.span.begin);
    std::string place = fmt::format("{}:{}:{}", c.sources.path(r.span.file), at.line, at.column);
    double tolerance = derivativeTolerance(r.scalar);
    bool isWrong = !(r.worst <= tolerance);
    isGood = isGood && !isWrong;
    if (isWrong)
      text += fmt::format("{}: error: this derivative is not what dual numbers say: the largest relative difference is {:.1e}, at "
                          "instant {}; {:.0e} is tolerated in {}\n", place, r.worst, r.instant, tolerance, name(r.scalar));
    else if (r.compared)
      text += fmt::format("{}: the derivative agrees with dual numbers to {:.1e}, {} compared\n", place, r.worst, r.compared);
    if (!r.notLinear.empty())
      text += fmt::format("{}: note: {}, as `{}` states a derivative that is not linear in its cotangent\n", place,
                          r.compared ? "in part not compared" : "not compared", r.notLinear);
  }
  if (reports.empty()) text = fmt::format("mlrc: {}: the run took no derivative\n", c.options.file);
  return text;
}

} // namespace mlr::driver
