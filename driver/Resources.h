// Files that come with the compiler.
#pragma once

#include <string>

namespace mlr::driver {

/// Folder of the standard library: $MLR_STD, std/ above the folder of the executable, or the source tree's.
std::string standardLibraryPath();
/// The page of a diagnostic kind (docs/errors/NAME.md), or empty.
std::string errorPage(const std::string &kind);

} // namespace mlr::driver
