// The compiler as one list of stages.
#pragma once

#include "driver/CommandLine.h"
#include "driver/Streams.h"
#include "mlr/Ast/Ast.h"
#include "mlr/Check/Check.h"
#include "mlr/Check/ExposeDerivatives.h"
#include "mlr/Dataflow/RuntimeChecks.h"
#include "support/Diagnostics.h"

#include <functional>
#include <set>

namespace mlr::driver {

/// What travels through the stages. Each stage reads what the one before it left.
struct Compilation {
  explicit Compilation(const CommandLine &options);
  ~Compilation();

  const CommandLine &options;
  SourceMap sources;
  Diagnostics diagnostics;
  std::set<std::string> printed; ///< diagnostics, here or by an earlier compilation of the same file
  ast::File tree;
  Program program;
  bool unfused = false;        ///< --unfused, or so says the IR that was read
  std::optional<int64_t> ram;  ///< --ram, or @ram in the node: bytes of state and scratch at most
  std::vector<std::vector<dataflow::RuntimeCheck>> checks;  ///< with --checks, of each root of the program
  ExposedDerivatives exposed;  ///< with --check-gradients
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  unsigned vectorBits = 0;     ///< for kernels; 0 gives the scalar code that C takes
  bool arrays = false;         ///< kernels as loops over arrays, for C
  bool hasFma = true;          ///< of the target, for f32
  bool hasFma64 = true;        ///< for f64
  bool hasAdd64 = true;        ///< whether f64 is added rightly there
  std::string report;          ///< what `mlrc report` prints, collected where it is known
  std::string trade;           ///< of memory for work, for the report; JSON with --json
  std::string budget;          ///< what --ram chose, likewise
  std::vector<Signature> signatures;  ///< of the root nodes, once they are planned
  std::string fingerprint;     ///< of the program with its parameters and constants, for --checkpoint: SHA-256 of its IR, in hexadecimal
  bool refused = false;        ///< a stage told the user on standard error why it cannot go on
  std::string bug;             ///< why a stage failed although the user made no mistake
  std::string bugText;         ///< the same without its place
  std::optional<mlir::Location> bugPlace;
  bool isBugRefusal = false;   ///< it is something that this version does not compile
};

struct Stage {
  const char *name;
  const char *handsOn;                        ///< for --after=list
  bool (*run)(Compilation &);                 ///< false: diagnostics or `bug` say why
  std::string (*print)(const Compilation &);  ///< the text of --after
  bool isIr() const;                          ///< which --from reads
};

/// The pipeline, in order.
const std::vector<Stage> &stages();

/// Reads the file and runs the stages from the first, or after options.from, through `last`, reporting diagnostics and
/// compiler bugs to standard error. Returns whether all of them succeeded.
bool compile(Compilation &compilation, const std::string &last);

/// Prints the collected diagnostics to standard error, in order of position.
void printDiagnostics(Compilation &compilation);

} // namespace mlr::driver
