// Moves components to later sweeps where that stores less. Internal to Schedule.
#pragma once

#include "mlr/Schedule/Sweeps.h"

namespace mlr::schedule {

/// A plan that runs everything as soon as possible keeps, for instance, a product of inputs that only the
/// last sweep reads in an array over all sweeps. Moves each component, last ones first, together with what
/// only it needs, to the latest sweep that its readers allow, if that saves bytes (`bytes`: of each item,
/// stored over the scan). The number of sweeps stays.
void placeLate(const SweepProblem &problem, const std::vector<int64_t> &bytes, SweepPlan &plan);

} // namespace mlr::schedule
