#include "Compiled.h"

#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace mlr::test {

namespace fs = std::filesystem;

static std::string quoted(const fs::path &path) { return "'" + path.string() + "'"; }

/// MLRC in the environment names another compiler than the one of this build.
static fs::path compiler() {
  const char *chosen = std::getenv("MLRC");
  return chosen ? chosen : MLR_COMPILER;
}

static std::string probe(const std::string &name, const std::string &type, unsigned arity) {
  const std::string tensor = type + "[" + std::to_string(blockSize) + "]";
  std::ostringstream text;
  text << "node probe(x" << (arity == 2 ? ", z" : "") << ": " << tensor << ") -> (y: " << tensor << ") { y = " << name
       << "(x" << (arity == 2 ? ", z" : "") << "); }\n";
  return text.str();
}

static std::string contents(const fs::path &path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::unique_ptr<Compiled> Compiled::build(const std::string &name, const std::string &type, unsigned arity,
                                          std::string &error) {
  const fs::path directory =
      fs::temp_directory_path() / ("mlr-math-" + std::to_string(getpid()) + "-" + name + "-" + type);
  fs::create_directories(directory);
  const fs::path source = directory / "probe.mlr", log = directory / "log";
  std::ofstream(source) << probe(name, type, arity);
  const std::string command = quoted(compiler()) + " build " + quoted(source) + " --node probe --emit=shared -o " +
                              quoted(directory) + " > " + quoted(log) + " 2>&1";
  auto function = std::unique_ptr<Compiled>(new Compiled);
  if (std::system(command.c_str()) != 0) error = command + "\n" + contents(log);
  for (const auto &entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".so") function->library = dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (function->library) {
    function->reset = reinterpret_cast<void (*)(void *)>(dlsym(function->library, "probe_reset"));
    function->stepFunction = reinterpret_cast<void (*)(void *, void *, const void *, void *)>(
        dlsym(function->library, "probe_step"));
  }
  fs::remove_all(directory);
  if (function->stepFunction) return function;
  if (error.empty()) error = "no shared library with probe_step";
  return nullptr;
}

Compiled::~Compiled() {
  if (library) dlclose(library);
}

Compiled::Instance::Instance(const Compiled &function) : function(function) {
  constexpr size_t room = size_t(1) << 20, block = blockSize * sizeof(double);
  memory.resize(2 * room + 3 * block + 64);
  auto base = reinterpret_cast<uintptr_t>(memory.data());
  state = memory.data() + ((64 - base % 64) % 64);
  scratch = state + room;
  in = scratch + room;
  out = in + 2 * block;
  if (function.reset) function.reset(state);
}

void Compiled::Instance::step() { function.stepFunction(state, scratch, in, out); }

} // namespace mlr::test
