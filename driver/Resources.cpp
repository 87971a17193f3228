#include "driver/Resources.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace mlr::driver {

namespace fs = std::filesystem;

/// A folder `name` in one of the parents of the executable's folder, else in the source tree it was built from.
static fs::path installed(const char *name, const char *witness) {
  std::error_code ignored;
  fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (int up = 0; up < 4 && !folder.empty(); ++up, folder = folder.parent_path()) {
    if (fs::exists(folder / name / witness, ignored)) return folder / name;
    if (fs::exists(folder / "share/mlr" / name / witness, ignored)) return folder / "share/mlr" / name;
  }
  return fs::path(MLR_SOURCE_DIR) / name;
}

std::string standardLibraryPath() {
  if (const char *set = std::getenv("MLR_STD")) return set;
  return installed("std", "math.mlr").string();
}

std::string errorPage(const std::string &kind) {
  if (kind.find('/') != std::string::npos) return "";
  std::ifstream in(installed("docs/errors", "syntax.md") / (kind + ".md"));
  std::stringstream text;
  if (in) text << in.rdbuf();
  return text.str();
}

} // namespace mlr::driver
