// C functions of shared libraries.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace mlr::driver {

/// What --link names, loaded while this lives: shared libraries, and C files, which the system's C compiler (CC, else cc) makes
/// libraries of.
class Libraries {
public:
  /// The symbols in these files; a message about a file that cannot be loaded, or a symbol that none has.
  static std::variant<Libraries, std::string> open(const std::vector<std::string> &files, const std::vector<std::string> &symbols);
  Libraries();
  Libraries(Libraries &&) noexcept;
  Libraries &operator=(Libraries &&) noexcept;
  ~Libraries();

  std::map<std::string, void *> symbols;

private:
  struct Loaded;
  std::vector<std::unique_ptr<Loaded>> loaded;
};

} // namespace mlr::driver
