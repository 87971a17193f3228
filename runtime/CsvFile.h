// A .csv as rows, block of lines by block of lines. Internal to the runtime.
#pragma once

#include "runtime/Rows.h"

namespace mlr::data {

/// Reads all of the file once, which finds every error, and then again as rows are asked for; what is decoded and kept is bounded.
Result<RowStreams> openCsv(const std::string &path, const std::map<std::string, CellRule> &rules);

} // namespace mlr::data
