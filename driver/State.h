// Saving and restoring the state of a run, by source path.
#pragma once

#include "driver/Streams.h"
#include "runtime/DataFile.h"

namespace mlr::driver {

/// One array of a node's state.
struct StateField {
  std::string path;
  Type type;
};

/// Writes arrays, one a field, as a .safetensors file.
std::optional<Failure> saveState(const std::string &path, const std::string &node, const data::Arrays &arrays);
/// Reads such a file. Errors name the paths in which it differs from what the program has.
std::variant<data::Arrays, Failure> loadState(const std::string &path, const std::vector<StateField> &fields);

} // namespace mlr::driver
