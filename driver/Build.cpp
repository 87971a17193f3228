// build: C99, objects, shared libraries and IR.
#include "driver/Commands.h"
#include "driver/Pipeline.h"
#include "mlr/Target/C.h"
#include "mlr/Target/Llvm.h"
#include "runtime/DataFile.h"
#include "support/CNames.h"

#include <filesystem>

namespace mlr::driver {

static int fail(const std::string &message) {
  std::fprintf(stderr, "mlrc: %s\n", message.c_str());
  return 1;
}

static int write(const CommandLine &options, const std::string &name, const std::string &contents) {
  std::error_code error;
  std::filesystem::create_directories(options.outputDirectory, error);
  std::string path = (std::filesystem::path(options.outputDirectory) / name).string();
  if (auto failed = data::saveText(path, contents)) return fail(path + ": " + failed->message);
  return 0;
}

/// The files of a node; says so where one of them hides a header of the C library.
static int writeAll(const CommandLine &options, const target::Files &files) {
  for (auto &[name, contents] : files) {
    if (int code = write(options, name, contents)) return code;
    if (name.ends_with(".h") && isSystemHeader(std::string_view(name).substr(0, name.size() - 2)))
      std::fprintf(stderr, "mlrc: note: `%s` has the name of a header of the C library, which it hides under -I: name its folder by -iquote\n",
                   name.c_str());
  }
  return 0;
}

static std::string moduleText(const Compilation &c) {
  std::string text;
  llvm::raw_string_ostream out(text);
  c.module.get()->print(out);
  return text + "\n";
}

/// The name of the files: that of the node.
static std::string baseName(Compilation &c) {
  auto nodes = (*c.module).getOps<dataflow::NodeOp>();
  if (c.signatures.empty() && llvm::hasSingleElement(nodes)) return (*nodes.begin()).getSymName().str();
  return c.signatures.size() == 1 ? c.signatures[0].node : std::filesystem::path(c.options.file).stem().string();
}

/// Bytes of the arrays in generated C: long enough that a loop over one costs little.
static constexpr unsigned kArrayBytes = 256;

/// With --state, what saves and loads the state.
static int buildState(Compilation &c) {
  if (!c.options.state) return 0;
  auto files = target::emitState(*c.module);
  if (mlir::failed(files)) return fail("internal error: " + c.bug);
  return writeAll(c.options, *files);
}

/// Without --target, C for machines with vectors: kernels over arrays, which compilers vectorise.
static int buildC(Compilation &c) {
  c.arrays = true;
  if (!c.options.target.empty()) {
    auto found = target::Machine::find({c.options.target, c.options.cpu, c.options.features});
    if (auto *e = std::get_if<target::Error>(&found)) return fail(e->message);
    loops::Options machine = std::get<target::Machine>(found).loopsOptions();
    c.arrays = machine.vectorBits > 0;
    c.hasAdd64 = machine.hasAdd64;
  }
  c.vectorBits = c.arrays ? 8 * kArrayBytes : 0;
  c.hasFma = c.hasFma64 = false;  // the generated C chooses between fmaf and the software one by the target's macros
  if (!compile(c, "loops")) return 1;
  auto files = target::emitC(*c.module);
  if (mlir::failed(files)) return fail("internal error in the C back end: " + c.bug);
  if (int code = writeAll(c.options, *files)) return code;
  return buildState(c);
}

/// The header and the description of the structs, which object code shares with C.
static int buildHeader(Compilation &c) {
  auto files = target::emitInterface(*c.module);
  if (mlir::failed(files)) return fail("internal error: " + c.bug);
  if (int code = writeAll(c.options, *files)) return code;
  return buildState(c);
}

static int buildLlvm(Compilation &c) {
  auto found = target::Machine::find({c.options.target, c.options.cpu, c.options.features});
  if (auto *e = std::get_if<target::Error>(&found)) return fail(e->message);
  target::Machine &machine = std::get<target::Machine>(found);
  c.vectorBits = machine.loopsOptions().vectorBits;
  c.hasFma = machine.loopsOptions().hasFma;
  c.hasFma64 = machine.loopsOptions().hasFma64;
  c.hasAdd64 = machine.loopsOptions().hasAdd64;
  if (!compile(c, "loops")) return 1;
  auto translated = target::translate(*c.module, machine);
  if (auto *e = std::get_if<target::Error>(&translated)) return fail("internal error: " + e->message);
  auto &code = std::get<target::Code>(translated);
  target::optimize(code, machine);
  std::string base = baseName(c);
  if (c.options.emit == "llvm") return write(c.options, base + ".ll", target::text(code));
  auto object = target::object(code, machine);
  if (auto *e = std::get_if<target::Error>(&object)) return fail(e->message);
  auto &bytes = std::get<std::vector<char>>(object);
  if (int failed = buildHeader(c)) return failed;
  if (c.options.emit == "obj") return write(c.options, base + ".o", std::string(bytes.begin(), bytes.end()));
  std::error_code error;
  std::filesystem::create_directories(c.options.outputDirectory, error);
  auto linked = target::writeShared(bytes, (std::filesystem::path(c.options.outputDirectory) / ("lib" + base + ".so")).string(), c.options.links);
  if (auto *e = std::get_if<target::Error>(&linked)) return fail(e->message);
  return 0;
}

int buildProgram(const CommandLine &options) {
  Compilation c(options);
  if (options.emit == "c") return buildC(c);
  if (options.emit == "mlr-ir") return compile(c, "simplify") ? write(options, baseName(c) + ".mlir", moduleText(c)) : 1;
  if (options.emit == "mlir") return compile(c, "loops") ? write(options, baseName(c) + ".mlir", moduleText(c)) : 1;
  return buildLlvm(c);
}

} // namespace mlr::driver
