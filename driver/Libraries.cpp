#include "driver/Libraries.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mlr::driver {

struct Libraries::Loaded {
  void *handle = nullptr;
  std::string temporary; ///< a folder of our own
  ~Loaded() {
    if (handle) dlclose(handle);
    std::error_code ignored;
    if (!temporary.empty()) std::filesystem::remove_all(temporary, ignored);
  }
};

Libraries::Libraries() = default;
Libraries::Libraries(Libraries &&) noexcept = default;
Libraries &Libraries::operator=(Libraries &&) noexcept = default;
Libraries::~Libraries() = default;

/// Without a shell: the file's name may hold anything.
static bool compileC(const std::string &file, const std::string &library) {
  const char *given = std::getenv("CC");
  std::string compiler = given && *given ? given : "cc";
  pid_t child = fork();
  if (child == 0) {
    execlp(compiler.c_str(), compiler.c_str(), "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", library.c_str(), file.c_str(), "-lm",
           static_cast<char *>(nullptr));
    _exit(127);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::variant<Libraries, std::string> Libraries::open(const std::vector<std::string> &files, const std::vector<std::string> &symbols) {
  namespace fs = std::filesystem;
  Libraries all;
  for (const std::string &file : files) {
    auto &one = all.loaded.emplace_back(std::make_unique<Loaded>());
    std::error_code error;
    if (!fs::exists(file, error)) return fmt::format("--link {}: there is no such file", file);
    std::string path = fs::absolute(file).string();
    if (fs::path(file).extension() == ".c") {
      std::string folder = (fs::temp_directory_path() / "mlrc-XXXXXX").string();
      if (!mkdtemp(folder.data())) return fmt::format("--link {}: no temporary folder can be made", file);
      one->temporary = folder;
      std::string library = folder + "/foreign.so";
      if (!compileC(path, library)) return fmt::format("--link {}: the C compiler failed", file);
      path = library;
    }
    one->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!one->handle) return fmt::format("--link {}: {}", file, dlerror());
  }
  for (const std::string &symbol : symbols) {
    void *found = nullptr;
    for (auto &one : all.loaded)
      if (!found) found = dlsym(one->handle, symbol.c_str());
    if (!found && files.empty())
      return fmt::format("the program calls the C function `{0}`: give the library that defines it, `--link lib{0}.so`", symbol);
    if (!found) return fmt::format("no file given by --link defines the C function `{}`", symbol);
    all.symbols[symbol] = found;
  }
  return all;
}

} // namespace mlr::driver
