// The analyses of streams on the typed program, run on the instances in which elaboration found no error. All report to the user.
#pragma once

#include "mlr/Check/Program.h"
#include "support/Diagnostics.h"

#include <functional>

namespace mlr {

/// No undefined value (`pre` at the first instant) reaches an output, a state's first value or a condition.
/// False when it reported something. Linear.
bool checkInitialisation(const Program &program, Diagnostics &diagnostics);

/// Every strongly connected component of each time is a forward or a backward recurrence (language reference,
/// "Causality"). False when it reported something. O(V*E) on a component.
bool checkCausality(const Program &program, Diagnostics &diagnostics);

/// What certainly takes memory, the inputs and outputs of a root and the state of one operator in time, stays within
/// 2^31 - 1 bytes. False when it reported something. Linear.
bool checkSizes(const Program &program, Diagnostics &diagnostics);

/// Expanding all calls keeps the program within what the compiler takes. False when it reported something. Linear.
bool checkExpansion(const Program &program, Diagnostics &diagnostics);

/// No derivative runs through the bits of a float or a C function that states none. Warns of one whose value does not depend on its
/// variable, but not in files for which `isLibrary` holds: what a library is given may well be independent. False when it
/// reported an error. Linear for each derivative.
bool checkDerivatives(const Program &program, const std::function<bool(uint32_t)> &isLibrary, Diagnostics &diagnostics);

/// Not an analysis: calls without state in comprehensions whose instances would together keep more than 256 MiB of intermediate
/// values become scans over the indices, with the same results. Linear.
void loopLargeInstances(Program &program);

} // namespace mlr
