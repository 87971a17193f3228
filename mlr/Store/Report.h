// What a planned node costs: every buffer with its size and reason, its sweeps with their equations, and the
// operations of a step. The worst step where a scan has `until`: it runs to its length.
#pragma once

#include "mlr/Dataflow/Rates.h"
#include "mlr/Store/Counts.h"
#include "mlr/Store/Instants.h"

namespace mlr::store {

struct SweepReport {
  std::string path;                                ///< "2", and "2.1" for the first scan inside it
  std::string index;                               ///< source name of the index
  bool up = true, resume = false, bounded = false; ///< bounded: may end before its length
  int64_t length = 0;
  std::vector<std::string> equations; ///< source names of what it computes, in order of execution
  OperationCounts operations;         ///< of all its runs in a step
};

/// A scan over a segment of a stream, on the clock of the segments' ends: what of it runs as the elements arrive.
struct SegmentReport {
  std::string index;              ///< source name of the scan's index
  int64_t length = 0;
  std::vector<std::string> early; ///< what runs as elements arrive
  std::vector<std::string> late;  ///< why the rest runs at the last instant
};

struct Report {
  std::string node;
  Plan plan;
  int64_t romBytes = 0;
  std::vector<SweepReport> sweeps;
  std::vector<SegmentReport> segments;
  OperationCounts operations; ///< of a step that does everything
  StepCounts steps;           ///< of the steps as they are, on all clocks
  dataflow::Rates rates;
};

/// Of a scheduled node, with its attached plan, or one made for the purpose if it has none. Fails on a
/// malformed plan.
mlir::FailureOr<Report> report(dataflow::NodeOp node);
std::string reportText(const Report &report);
/// The same as a JSON object.
std::string reportJson(const Report &report);

/// Text of `report(node)`; the reason why there is none where it fails.
std::string reportText(dataflow::NodeOp node);

} // namespace mlr::store
