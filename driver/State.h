// Saving and restoring the state of a run, by source path.
#pragma once

#include "driver/Streams.h"
#include "runtime/DataFile.h"

namespace mlr::driver {

/// One array of a node's state.
struct StateField {
  std::string path;
  Type type;
  int64_t limit = 0;  ///< of a whole number: it is below; 0: not known
};

/// Writes arrays, one a field, as a .safetensors file, and where the inputs are in their periods beside them.
std::optional<Failure> saveState(const std::string &path, const std::string &node, const data::Arrays &arrays, const ClockCounts &clocks);
/// What saveState or a checkpoint has written of the inputs; nothing: the file does not say, as those of C.
std::variant<std::optional<ClockCounts>, Failure> loadClockCounts(const std::string &path);
/// As they stand in the metadata of a file, under the key of `clockCountsKey`.
std::string toText(const ClockCounts &clocks);
inline constexpr const char *clockCountsKey = "clocks";
/// Reads such a file. Errors name the paths in which it differs from what the program has.
std::variant<data::Arrays, Failure> loadState(const std::string &path, const std::vector<StateField> &fields);

} // namespace mlr::driver
