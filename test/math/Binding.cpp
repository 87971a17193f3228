#include "Binding.h"

#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Eval/Interpreter.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace mlr::test {

namespace fs = std::filesystem;

static std::byte *aligned(std::byte *p) { return p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64; }

Function::Instance::Instance() : memory(3 * blockSize * sizeof(double) + 64) {
  in = aligned(memory.data());
  out = in + 2 * blockSize * sizeof(double);
}

static std::string probe(const std::string &name, const std::string &type, unsigned arity) {
  const std::string tensor = type + "[" + std::to_string(blockSize) + "]", more = arity == 2 ? ", z" : "";
  return "node probe(x" + more + ": " + tensor + ") -> (y: " + tensor + ") { y = " + name + "(x" + more +
         "); }\n";
}

namespace {

class Interpreted : public Function {
public:
  Interpreted(Program p) : program(std::move(p)) {}
  std::unique_ptr<Instance> instance() const override {
    return std::make_unique<Run>(*program.roots.front());
  }

private:
  class Run : public Instance {
  public:
    explicit Run(const NodeInstance &node) : node(node), interpreter(node, {}) {}
    void step() override {
      std::vector<Array> inputs;
      const std::byte *next = in;
      for (VarId id : node.inputs) {
        Array value(node.vars[id].type);
        std::memcpy(value.mutate(), next, value.bytes());
        next += value.bytes();
        inputs.push_back(std::move(value));
      }
      auto result = interpreter.step(inputs);
      // An error leaves the output as it was: NaN everywhere, which no bound accepts.
      std::memset(out, 0xff, blockSize * sizeof(double));
      if (auto *outputs = std::get_if<std::vector<Array>>(&result))
        std::memcpy(out, outputs->front().data(), outputs->front().bytes());
    }

  private:
    const NodeInstance &node;
    eval::Interpreter interpreter;
  };
  Program program;
};

class Compiled : public Function {
public:
  void *library = nullptr;
  void (*reset)(void *) = nullptr;
  void (*stepFunction)(void *, void *, const void *, void *) = nullptr;
  ~Compiled() override {
    if (library) dlclose(library);
  }
  std::unique_ptr<Instance> instance() const override { return std::make_unique<Run>(*this); }

private:
  class Run : public Instance {
  public:
    explicit Run(const Compiled &function) : function(function), memory(2 * room + 64) {
      state = aligned(memory.data());
      if (function.reset) function.reset(state);
    }
    void step() override { function.stepFunction(state, state + room, in, out); }

  private:
    static constexpr size_t room = size_t(1) << 20; ///< for the state, and for the scratch memory
    const Compiled &function;
    std::vector<std::byte> memory;
    std::byte *state;
  };
};

} // namespace

std::unique_ptr<Function> interpreted(const std::string &name, const std::string &type, unsigned arity,
                                      std::string &error) {
  SourceMap sources;
  Diagnostics diagnostics(sources);
  const ast::File file = ast::parse(sources.add("probe.mlr", probe(name, type, arity)), diagnostics);
  CheckOptions options;
  options.root = "probe";
  options.stdPath = MLR_SOURCE_DIR "/std";
  std::optional<Program> program = check(file, sources, options, diagnostics);
  for (const Diagnostic *d : diagnostics.sorted()) error += render(*d, sources, false);
  if (!program) return nullptr;
  return std::make_unique<Interpreted>(std::move(*program));
}

static std::string quoted(const fs::path &path) { return "'" + path.string() + "'"; }

/// MLRC in the environment names another compiler than the one of this build.
static fs::path compiler() {
  const char *chosen = std::getenv("MLRC");
  return chosen ? chosen : MLR_COMPILER;
}

static std::string contents(const fs::path &path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::unique_ptr<Function> compiled(const std::string &name, const std::string &type, unsigned arity,
                                   std::string &error) {
  const fs::path directory =
      fs::temp_directory_path() / ("mlr-math-" + std::to_string(getpid()) + "-" + name + "-" + type);
  fs::create_directories(directory);
  const fs::path source = directory / "probe.mlr", log = directory / "log";
  std::ofstream(source) << probe(name, type, arity);
  const std::string command = quoted(compiler()) + " build " + quoted(source) +
                              " --node probe --emit=shared -o " + quoted(directory) + " > " + quoted(log) +
                              " 2>&1";
  auto function = std::make_unique<Compiled>();
  if (std::system(command.c_str()) != 0) error = command + "\n" + contents(log);
  for (const auto &entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".so")
      function->library = dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
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

} // namespace mlr::test
