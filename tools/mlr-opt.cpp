// Reads .mlir text, runs the passes that the command line names, prints the result. A .mlr source is checked
// and imported first.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Schedule/Schedule.h"
#include "mlr/Store/Plan.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace {

llvm::cl::opt<std::string> rootNode("root", llvm::cl::desc(".mlr input: the node to instantiate"));
llvm::cl::opt<std::string> stdPath("std", llvm::cl::desc(".mlr input: folder of the standard library"),
                                   llvm::cl::init(MLR_SOURCE_DIR "/std"));

/// The module that a source means, as text; null after its errors have been printed.
std::unique_ptr<llvm::MemoryBuffer> import(StringRef path, StringRef text, bool withLocations) {
  mlr::SourceMap sources;
  uint32_t file = sources.add(path.str(), text.str());
  mlr::Diagnostics diagnostics(sources);
  mlr::ast::File tree = mlr::ast::parse(file, diagnostics);
  mlr::CheckOptions options;
  options.root = rootNode;
  options.stdPath = stdPath;
  std::optional<mlr::Program> program;
  if (!diagnostics.hasErrors()) program = mlr::check(tree, sources, options, diagnostics);
  for (const mlr::Diagnostic *d : diagnostics.sorted()) llvm::errs() << mlr::render(*d, sources, false);
  if (!program) return nullptr;
  MLIRContext context;
  auto module = mlr::dataflow::importProgram(*program, sources, context);
  if (!module) return nullptr;
  std::string out;
  llvm::raw_string_ostream stream(out);
  OpPrintingFlags flags;
  if (withLocations) flags.enableDebugInfo();
  module->print(stream, flags);
  return llvm::MemoryBuffer::getMemBufferCopy(out, path);
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  DialectRegistry registry;
  registry.insert<mlr::dataflow::MlrDialect, func::FuncDialect, scf::SCFDialect, arith::ArithDialect,
                  math::MathDialect, memref::MemRefDialect, vector::VectorDialect>();
  mlr::dataflow::registerPasses();
  mlr::schedule::registerPasses();
  mlr::store::registerPasses();
  auto [input, output] = registerAndParseCLIOptions(argc, argv, "MLR optimizer driver\n", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!buffer) {
    llvm::errs() << input << ": " << buffer.getError().message() << "\n";
    return 1;
  }
  std::unique_ptr<llvm::MemoryBuffer> text = std::move(*buffer);
  if (StringRef(input).ends_with(".mlr")) text = import(input, text->getBuffer(), /*withLocations=*/true);
  if (!text) return 1;
  std::error_code error;
  llvm::ToolOutputFile file(output, error, llvm::sys::fs::OF_None);
  if (error || failed(MlirOptMain(file.os(), std::move(text), registry, config))) return 1;
  file.keep();
  return 0;
}
