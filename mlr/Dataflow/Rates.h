// Rates of clocks, from `node main(..) at 50 Hz`: kept as attributes of the node, for reports, headers and time axes.
#pragma once

#include "mlr/Check/Program.h"
#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// One clock below the base clock of a node, outside of scans, which have no rate.
struct ClockRate {
  std::string clock; ///< "every 4 at 0", "every 2 of when c"
  double hertz = 0;
  bool isExact = true; ///< false: at most that, a condition decides
  std::vector<std::string> variables; ///< source paths of the first few on it
};

struct Rates {
  double hertz = 0; ///< of the base clock; 0: not stated
  std::vector<ClockRate> clocks;
};

/// Notes on the operation what follows from the rate of a root; nothing if it states none.
void noteRates(mlir::Operation *op, const NodeInstance &root);
/// Of a node, or of the function that it became.
Rates ratesOf(mlir::Operation *op);
/// "50 Hz", "16 kHz".
std::string rateText(double hertz);

} // namespace mlr::dataflow
