#include "driver/Pipeline.h"

#include "driver/Resources.h"
#include "mlr/Ast/Annotations.h"
#include "mlr/Ast/Parser.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Diff/Diff.h"
#include "mlr/Eval/Interpreter.h"
#include "mlr/Loops/Loops.h"
#include "mlr/Schedule/Schedule.h"
#include "mlr/Store/Budget.h"
#include "mlr/Store/Plan.h"
#include "mlr/Store/Report.h"
#include "support/DiagnosticKinds.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/SHA256.h"

#include <nlohmann/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace mlr::driver {

Compilation::Compilation(const CommandLine &options) : options(options), diagnostics(sources), unfused(options.unfused), ram(options.ram) {}
Compilation::~Compilation() = default;

// ---- the stages ------------------------------------------------------------------------------------------------

static bool parseTree(Compilation &c) {
  c.tree = ast::parse(1, c.diagnostics);
  return !c.diagnostics.hasErrors();
}

/// The node to compile: --node, else main, else the only one that needs no static arguments; empty for all (`check`).
/// Nothing, after a message, when the file leaves it open.
static std::optional<std::string> chooseRoot(Compilation &c) {
  if (!c.options.node.empty() || c.options.command == Command::Check) return c.options.node;
  std::string only;
  int candidates = 0;
  for (const auto &d : c.tree.decls) {
    if ((d->kind != ast::DeclKind::Node && d->kind != ast::DeclKind::Fun) || d->isExtern) continue;
    if (d->name.text == "main") return "main";
    bool free = llvm::all_of(d->statics, [](const ast::StaticParam &p) { return p.defaultValue != nullptr; });
    if (d->kind == ast::DeclKind::Node && free && ++candidates == 1) only = d->name.text;
  }
  if (candidates == 1) return only;
  std::string names;
  for (const auto &d : c.tree.decls)
    if (d->kind == ast::DeclKind::Node || d->kind == ast::DeclKind::Fun) names += (names.empty() ? "" : ", ") + d->name.text;
  std::fprintf(stderr, "mlrc: %s: no node is named main; choose one with --node: %s\n", c.options.file.c_str(),
               names.empty() ? "the file declares none" : names.c_str());
  return std::nullopt;
}

static bool checkProgram(Compilation &c) {
  CheckOptions options;
  auto root = chooseRoot(c);
  if (!root) return c.refused = true, false;
  options.root = *root;
  for (const auto &d : c.tree.decls)
    if (d->name.text == *root && !c.ram) c.ram = ast::budgetOf(*d);
  options.params = c.options.params;
  options.stdPath = standardLibraryPath();
  options.paths = c.options.paths;
  options.evaluate = [unfused = c.options.unfused](const NodeInstance &fun) {
    return eval::evaluateConstant(fun, {.unfused = unfused});
  };
  std::optional<Program> program = check(c.tree, c.sources, options, c.diagnostics);
  if (!program || c.diagnostics.hasErrors()) return false;
  c.program = std::move(*program);
  std::vector<std::string> broken = verify(c.program);
  if (!broken.empty()) c.bug = broken.front();
  return broken.empty();
}

/// The context remembers MLIR's own errors: past the checker they are bugs of the compiler.
static void makeContext(Compilation &c) {
  c.context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  c.context->loadDialect<dataflow::MlrDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect, mlir::math::MathDialect,
                         mlir::scf::SCFDialect, mlir::memref::MemRefDialect, mlir::vector::VectorDialect,
                         mlir::cf::ControlFlowDialect, mlir::LLVM::LLVMDialect>();
  c.context->getDiagEngine().registerHandler([&c](mlir::Diagnostic &d) {
    if (d.getSeverity() != mlir::DiagnosticSeverity::Error || !c.bug.empty()) return;
    llvm::raw_string_ostream(c.bug) << d.getLocation() << ": " << d;
    c.bugText = d.str();
    c.bugPlace = d.getLocation();
    for (mlir::Diagnostic &note : d.getNotes()) c.isBugRefusal = c.isBugRefusal || note.str() == "not part of this version";
  });
}

/// The word at a place of the program; nothing where it has none.
static std::optional<Span> spanOf(const Compilation &c, mlir::Location place) {
  mlir::FileLineColLoc at;
  place->walk([&](mlir::Location l) {
    at = llvm::dyn_cast<mlir::FileLineColLoc>(l);
    return at ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
  });
  for (uint32_t file = 1; at && file <= c.sources.size(); ++file) {
    if (c.sources.path(file) != std::string_view(at.getFilename().getValue())) continue;
    std::string_view text = c.sources.text(file), line = c.sources.line(file, at.getLine());
    auto begin = static_cast<uint32_t>(line.data() - text.data()) + at.getColumn() - 1, end = begin;
    while (end < text.size() && (llvm::isAlnum(text[end]) || text[end] == '_')) ++end;
    return Span{file, begin, std::max(end, begin + 1)};
  }
  return std::nullopt;
}

/// Tells the user what a stage past the checker does not take; false where the program's text is not known.
static bool refuse(Compilation &c, const DiagnosticKind &kind, const std::string &title) {
  std::optional<Span> span = c.bugPlace ? spanOf(c, *c.bugPlace) : std::nullopt;
  if (span) c.diagnostics.report(kind, *span, title);
  return span.has_value();
}

/// The IR remembers how its sums of products are meant.
static void noteUnfused(Compilation &c) {
  constexpr const char *attribute = "mlr.unfused";
  c.unfused = c.unfused || (*c.module)->hasAttr(attribute);
  if (c.unfused) (*c.module)->setAttr(attribute, mlir::UnitAttr::get(c.context.get()));
}

static std::string printModule(const Compilation &c);

/// The IR before anything that depends on the machine.
static void noteFingerprint(Compilation &c) {
  if (c.options.checkpoint.empty()) return;
  std::string text = printModule(c);
  c.fingerprint = llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text)), /*LowerCase=*/true);
}

static bool importDataflow(Compilation &c) {
  if (c.options.checks) {
    c.checks = dataflow::addChecks(c.program);
    std::vector<std::string> broken = verify(c.program);
    if (!broken.empty()) return c.bug = "run-time checks: " + broken.front(), false;
  }
  if (c.options.checkGradients) {
    c.exposed = exposeDerivatives(c.program);
    std::vector<std::string> broken = verify(c.program);
    if (!broken.empty()) return c.bug = "derivatives as outputs: " + broken.front(), false;
  }
  makeContext(c);
  c.module = dataflow::importProgram(c.program, c.sources, *c.context);
  if (!c.module && c.isBugRefusal) refuse(c, kinds::unsupported, c.bugText + ", is not part of this version of MLR");
  if (c.module) dataflow::noteChecks(*c.module, c.program, c.checks, c.sources);
  if (c.module) noteUnfused(c);
  if (c.module) noteFingerprint(c);
  return c.module && mlir::succeeded(mlir::verify(*c.module));
}

template <mlir::LogicalResult (*pass)(mlir::ModuleOp)> static bool onModule(Compilation &c) {
  return mlir::succeeded(pass(*c.module)) && mlir::succeeded(mlir::verify(*c.module));
}

static bool simplifyDataflow(Compilation &c) {
  return mlir::succeeded(dataflow::simplify(*c.module, {c.unfused})) && mlir::succeeded(mlir::verify(*c.module));
}

static bool normalizeTime(Compilation &c) {
  return onModule<dataflow::normalizeTime>(c) && mlir::succeeded(dataflow::verifyNormalized(*c.module));
}

/// What has no derivative is the program's, not the compiler's: R20.7.
static bool differentiate(Compilation &c) {
  if (mlir::failed(diff::differentiate(*c.module))) {
    if (refuse(c, kinds::noDerivative, "a derivative cannot be taken: " + c.bugText)) return false;
    std::fprintf(stderr, "mlrc: %s: a derivative cannot be taken: %s\n", c.options.file.c_str(), c.bug.c_str());
    return c.refused = true, false;
  }
  return mlir::succeeded(mlir::verify(*c.module)) && mlir::succeeded(dataflow::verifyNormalized(*c.module));
}

static bool simplifyNormalized(Compilation &c) {
  return simplifyDataflow(c) && mlir::succeeded(dataflow::verifyNormalized(*c.module));
}

/// A causal recurrence that looks ahead at values of an inner scan, or of a recurrence in the other direction, has no sweeps in
/// this version (R16).
static bool refuseMixedRecurrence(Compilation &c) {
  size_t at = c.bug.find(schedule::noSweeps);
  if (at == std::string::npos) return false;
  std::fprintf(stderr, "mlrc: %s: this recurrence looks both back and ahead, and what it needs ahead comes from a scan inside it "
                       "or from a recurrence in the other direction; this version finds no sequence of sweeps for it: %s\n",
               c.options.file.c_str(), c.bug.c_str());
  c.refused = true;
  return true;
}

/// From sweeps to guarded ones with windows as rings; `copies`: with copies of tensors and blocks of updates, which vectors are fast on.
static bool finishSweeps(mlir::ModuleOp module, bool copies) {
  if (copies && (mlir::failed(dataflow::splitReductions(module)) || mlir::failed(dataflow::padReads(module)) ||
                 mlir::failed(dataflow::transposeReused(module))))
    return false;
  if (mlir::failed(dataflow::guardWork(module))) return false;
  if (copies && mlir::failed(dataflow::transposeInvariants(module))) return false;
  for (auto node : module.getOps<dataflow::NodeOp>())
    if (mlir::failed(schedule::validate(node))) return false;
  if (mlir::failed(dataflow::makeRings(module))) return false;
  return !copies || mlir::succeeded(dataflow::deferUpdates(module));
}

static bool fitsAsItIs(mlir::ModuleOp module, int64_t bytes) {
  bytes -= 14; // the ends of both structs, padded to 8
  return llvm::all_of(module.getOps<dataflow::NodeOp>(), [&](dataflow::NodeOp node) {
    store::Plan plan = store::plan(node);
    return plan.stateBytes + plan.scratchBytes <= bytes;
  });
}

static bool splitSweeps(Compilation &c) {
  if (mlir::failed(dataflow::streamSegments(*c.module)) || !simplifyNormalized(c)) return false;
  for (auto node : c.module->getOps<dataflow::NodeOp>())
    if (mlir::failed(schedule::scheduleNode(node))) return refuseMixedRecurrence(c), false;
  if (!simplifyDataflow(c)) return false;
  bool copies = c.vectorBits > 0 && !c.arrays, report = c.options.command == Command::Report;
  // With a budget, memory goes to what crosses between sweeps before it goes to copies.
  mlir::OwningOpRef<mlir::ModuleOp> lean;
  if (copies && (c.ram || report)) lean = mlir::cast<mlir::ModuleOp>((*c.module)->clone());
  if (!finishSweeps(*c.module, copies)) return false;
  if (lean && !finishSweeps(*lean, false)) return false;
  if (report)
    for (auto node : (lean ? *lean : *c.module).getOps<dataflow::NodeOp>()) c.trade += c.options.json ? store::tradeJson(node) : store::tradeText(node);
  if (lean && c.ram && !fitsAsItIs(*c.module, *c.ram)) c.module = std::move(lean);
  return true;
}

static Scalar scalarOf(mlir::Type t) {
  if (auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(t)) t = tensor.getElementType();
  if (t.isF16()) return Scalar::F16;
  if (t.isBF16()) return Scalar::BF16;
  if (t.isF32()) return Scalar::F32;
  if (t.isF64()) return Scalar::F64;
  bool u = t.isUnsignedInteger();
  switch (t.getIntOrFloatBitWidth()) {
  case 8: return u ? Scalar::U8 : Scalar::I8;
  case 16: return u ? Scalar::U16 : Scalar::I16;
  case 32: return u ? Scalar::U32 : Scalar::I32;
  case 64: return u ? Scalar::U64 : Scalar::I64;
  default: return Scalar::Bool;
  }
}

static std::vector<Port> portsOf(mlir::ArrayAttr names, mlir::TypeRange types) {
  std::vector<Port> ports;
  for (auto [name, type] : llvm::zip(names, types)) {
    Type t{scalarOf(type), {}};
    if (auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type)) t.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    ports.push_back({llvm::cast<mlir::StringAttr>(name).str(), t, {}, {}});
  }
  return ports;
}

/// A presence flag among the results of a node is no output of its own: it stands behind the one that it speaks of.
static void joinFlags(std::vector<Port> &outputs, llvm::ArrayRef<int64_t> presence) {
  std::vector<Port> joined;
  for (auto [port, flagOf] : llvm::zip(outputs, presence)) {
    if (flagOf < 0) joined.push_back(port);
    else joined.back().hasFlag = true;
  }
  outputs = std::move(joined);
}

static void noteSignatures(Compilation &c) {
  c.signatures.clear();
  for (auto node : c.module->getOps<dataflow::NodeOp>()) {
    mlir::FunctionType type = node.getFunctionType();
    std::vector<Port> outputs = portsOf(node.getResultNames(), type.getResults());
    if (auto presence = node.getPresence()) joinFlags(outputs, *presence);
    c.signatures.push_back({node.getSymName().str(), portsOf(node.getArgNames(), type.getInputs()), outputs});
    c.signatures.back().rate = dataflow::ratesOf(node).hertz;
  }
}

/// What `mlrc report` prints of a planned node, its sweeps included.
static void addReport(Compilation &c, dataflow::NodeOp node) {
  auto report = store::report(node);
  if (mlir::failed(report)) return;
  if (!c.options.json) {
    c.report += store::reportText(*report) + c.budget + c.trade;
    return;
  }
  auto parsed = [](const std::string &json) { return nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false); };
  auto object = parsed(store::reportJson(*report));
  if (!c.budget.empty()) object["budget"] = parsed(c.budget);
  if (!c.trade.empty()) object["trade"] = parsed(c.trade);
  c.report += object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// The ports of a module that --from=loops read back, from the buffer tables of its functions.
static void noteSignaturesOfLoops(Compilation &c) {
  for (auto step : c.module->getOps<mlir::func::FuncOp>()) {
    mlir::StringRef name = step.getSymName();
    if (!step->hasAttr("mlr.buffers") || !name.consume_back("_step")) continue;
    auto buffers = store::buffersOf(step);
    if (mlir::failed(buffers)) continue;
    Signature signature{name.str(), {}, {}};
    for (const store::Buffer &b : *buffers) {
      Port port{b.name, {scalarOf(b.element), Shape(b.shape.begin(), b.shape.end())}, {}, {}};
      if (b.space == store::Space::In) signature.inputs.push_back(port);
      if (b.space == store::Space::Out) signature.outputs.push_back(port);
    }
    signature.rate = dataflow::ratesOf(step).hertz;
    if (auto presence = step->getAttrOfType<mlir::DenseI64ArrayAttr>("mlr.presence"))
      joinFlags(signature.outputs, presence.asArrayRef());
    c.signatures.push_back(signature);
  }
}

/// A budget that nothing fits is the user's to change: R14.17.
static bool refuseBudget(Compilation &c, const store::Budget &budget, int64_t bytes) {
  std::string text = fmt::format("mlrc: {}: state and scratch do not fit into {} bytes: the least possible is {}\n", c.options.file,
                                 bytes, budget.bytes);
  text += store::keptText(budget.kept);
  std::fputs(text.c_str(), stderr);
  return c.refused = true, false;
}

/// Checkpoints between sweeps, where --ram asks for them. The interpreter runs equations by their definition, and has no
/// memory to fit into: R14.17 is of run, build and report.
static bool fitBudget(Compilation &c, dataflow::NodeOp node) {
  if (!c.ram || c.options.command == Command::Interp) return true;
  store::Budget budget = store::fitBudget(node, *c.ram);
  if (!budget.fits) return refuseBudget(c, budget, *c.ram);
  c.budget = c.options.json ? store::budgetJson(budget, *c.ram) : store::budgetText(budget, *c.ram);
  return mlir::succeeded(mlir::verify(node)) && mlir::succeeded(schedule::validate(node));
}

static bool planBuffers(Compilation &c) {
  for (auto node : c.module->getOps<dataflow::NodeOp>()) {
    if (!fitBudget(c, node)) return false;
    store::attach(node, store::plan(node));
    if (mlir::failed(store::validate(node))) return false;
    if (c.options.command == Command::Report) addReport(c, node);
  }
  noteSignatures(c);
  return mlir::succeeded(mlir::verify(*c.module));
}

static bool makeLoops(Compilation &c) {
  noteSignatures(c);
  loops::Options options;
  options.vectorBits = c.vectorBits;
  options.arrays = c.arrays;
  options.hasFma = c.hasFma;
  options.hasFma64 = c.hasFma64;
  options.hasAdd64 = c.hasAdd64;
  options.unfused = c.unfused;
  return mlir::succeeded(loops::lowerToLoops(*c.module, options)) && mlir::succeeded(mlir::verify(*c.module));
}

// ---- their texts -------------------------------------------------------------------------------------------------

static std::string printTree(const Compilation &c) { return ast::format(c.tree, c.sources); }
static std::string printProgram(const Compilation &c) { return print(c.program); }
static std::string printModule(const Compilation &c) {
  std::string text;
  llvm::raw_string_ostream out(text);
  c.module.get()->print(out);
  out << '\n';
  return text;
}

bool Stage::isIr() const { return print == printModule; }

const std::vector<Stage> &stages() {
  static const std::vector<Stage> list = {
      {"tree", "the syntax tree, as canonical source text", parseTree, printTree},
      {"check", "the typed, monomorphic program", checkProgram, printProgram},
      {"dataflow", "order-free equations in the mlr dialect, one mlr.node an instance", importDataflow, printModule},
      {"inline", "calls expanded: one node, its state named by source path", onModule<dataflow::inlineCalls>, printModule},
      {"normalize", "initial values and ends of recurrences are constants of their time", normalizeTime,
       printModule},
      {"diff", "derivatives as equations of their own", differentiate, printModule},
      {"simplify", "constants folded, views and element-wise chains composed", simplifyNormalized, printModule},
      {"sweeps", "every scan split into sweeps of one direction, operations in order", splitSweeps, printModule},
      {"buffers", "every tensor and state with its place in memory", planBuffers, printModule},
      {"loops", "loops and vector kernels on planned memory", makeLoops, printModule},
  };
  return list;
}

// ---- running them --------------------------------------------------------------------------------------------------

void printDiagnostics(Compilation &c) {
  int64_t printed = 0, rest = 0;
  for (const Diagnostic *d : c.diagnostics.sorted()) {
    std::string text = c.options.json ? renderJson(*d, c.sources) + "\n" : render(*d, c.sources, c.options.color) + "\n";
    if (!c.printed.insert(text).second) continue;
    if (!c.options.json && ++printed > c.options.maxErrors) {
      ++rest;
      continue;
    }
    std::fputs(text.c_str(), stderr);
  }
  if (rest)
    std::fprintf(stderr, "and %lld more (--max-errors=%lld)\n", static_cast<long long>(rest),
                 static_cast<long long>(c.options.maxErrors));
}

static bool readSource(Compilation &c) {
  std::ifstream in(c.options.file, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    std::fprintf(stderr, "mlrc: %s: cannot be read\n", c.options.file.c_str());
    return false;
  }
  c.sources.add(c.options.file, text.str());
  if (c.sources.text(1).size() < (size_t(1) << 31)) return true;
  std::fprintf(stderr, "mlrc: %s: larger than 2 GiB\n", c.options.file.c_str());
  return false;
}

/// Reads IR that --after printed.
static bool readModule(Compilation &c) {
  makeContext(c);
  c.module = mlir::parseSourceString<mlir::ModuleOp>(c.sources.text(1), mlir::ParserConfig(c.context.get()), c.options.file);
  if (c.module) return noteUnfused(c), noteFingerprint(c), true;
  std::fprintf(stderr, "mlrc: %s\n", c.bug.empty() ? "not a module" : c.bug.c_str());
  return false;
}

/// A stage failed without a mistake of the user's: keep its input, so that the bug can be seen again.
static void reportBug(const Compilation &c, const Stage &stage, const Stage *before) {
  std::fprintf(stderr, "mlrc: internal error in stage `%s`: %s\n", stage.name, c.bug.empty() ? "no reason given" : c.bug.c_str());
  std::fprintf(stderr, "This is a bug in the compiler, not in the program. Please report it with the program.\n");
  if (!before || before->print != printModule) return;
  CommandLine options = c.options;
  Compilation again(options);
  again.vectorBits = c.vectorBits;
  again.arrays = c.arrays;
  again.hasFma = c.hasFma;
  again.hasFma64 = c.hasFma64;
  again.hasAdd64 = c.hasAdd64;
  if (!compile(again, before->name)) return;
  std::filesystem::path source(c.options.file);
  std::string path = (std::filesystem::temp_directory_path() / (source.stem().string() + "." + stage.name + "-bug.mlir")).string();
  std::ofstream(path) << printModule(again);
  std::fprintf(stderr, "reproduce with: mlrc build %s --from=%s --after=%s\n", path.c_str(), before->name, stage.name);
}

bool compile(Compilation &c, const std::string &last) {
  if (!readSource(c)) return false;
  const auto &list = stages();
  size_t begin = 0;
  if (!c.options.from.empty()) {
    while (begin < list.size() && list[begin].name != c.options.from) ++begin;
    if (begin >= list.size() || !list[begin].isIr()) {
      std::string readable;
      for (const Stage &s : list)
        if (s.isIr()) readable += (readable.empty() ? "" : ", ") + std::string(s.name);
      std::fprintf(stderr, "mlrc: --from=%s: reads what one of these stages hands on: %s\n", c.options.from.c_str(), readable.c_str());
      return false;
    }
    ++begin;
    if (!readModule(c)) return false;
    if (begin == list.size()) noteSignaturesOfLoops(c);
  }
  for (size_t i = begin; i < list.size(); ++i) {
    bool ok = list[i].run(c);
    if (!ok) {
      printDiagnostics(c);
      if (!c.diagnostics.hasErrors() && !c.refused) reportBug(c, list[i], i ? &list[i - 1] : nullptr);
      return false;
    }
    if (list[i].name == last) break;
  }
  printDiagnostics(c);
  return true;
}

} // namespace mlr::driver
