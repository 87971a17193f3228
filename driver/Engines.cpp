#include "driver/Engines.h"

#include "driver/CheckReport.h"
#include "driver/DerivativeReport.h"
#include "driver/Libraries.h"
#include "driver/State.h"
#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/Machine.h"
#include "mlr/Eval/Foreign.h"
#include "mlr/Eval/Interpreter.h"
#include "mlr/Eval/Numbers.h"
#include "mlr/Store/Plan.h"
#include "mlr/Target/Jit.h"

#include "llvm/Support/thread.h"

#include <fmt/format.h>
#include <functional>
#include <set>

namespace mlr::driver {

namespace {

/// The conditions of a variable's clock, outermost first; a reset has the instants of the time around it.
std::vector<PortClock> clockOf(const NodeInstance &node, const Var &var) {
  std::vector<PortClock> conditions;
  for (const Clock *c = var.clock; c; c = c->parent) {
    if (c->kind == Clock::Kind::Reset) continue;
    PortClock condition;
    condition.isPeriodic = c->kind == Clock::Kind::Every;
    condition.period = c->period;
    condition.phase = c->phase;
    condition.value = c->value;
    for (size_t i = 0; !condition.isPeriodic && i < node.inputs.size(); ++i)
      if (node.inputs[i] == c->selector) condition.selector = i;
    conditions.insert(conditions.begin(), condition);
  }
  return conditions;
}

std::vector<Port> portsOf(const NodeInstance &node, const std::vector<VarId> &vars) {
  std::vector<Port> ports;
  for (VarId v : vars) {
    const Var &var = node.vars[v];
    ports.push_back({var.name, var.type, var.constructors, clockOf(node, var)});
  }
  return ports;
}

/// The C functions of a node and of all that it calls, and whether one of them has effects.
void foreignOf(const NodeInstance &root, std::set<std::string> &symbols, bool *hasEffects = nullptr) {
  std::set<const NodeInstance *> seen{&root};
  std::vector<const NodeInstance *> work{&root};
  auto visit = [&](const NodeInstance *callee) {
    if (callee && seen.insert(callee).second) work.push_back(callee);
  };
  std::function<void(const Region &)> region = [&](const Region &body) {
    for (const Equation &equation : body.equations) {
      visit(equation.callee);
      if (equation.scan) region(equation.scan->body);
      if (equation.clock) region(equation.clock->body);
    }
  };
  for (size_t i = 0; i < work.size(); ++i) {
    const NodeInstance *node = work[i];
    if (node->isExtern) symbols.insert(node->symbol);
    if (node->isExtern && node->hasEffects && hasEffects) *hasEffects = true;
    for (const Expr &e : node->arena) visit(e.callee);
    region(node->body);
  }
}

std::string locate(const Compilation &c, const eval::Error &e) {
  if (!e.span.valid()) return e.message;
  LineColumn at = c.sources.lineColumn(e.span.file, e.span.begin);
  return fmt::format("{}:{}:{}: {}", c.sources.path(e.span.file), at.line, at.column, e.message);
}

/// To the bit; NaNs count as one.
bool sameValues(const Array &a, const Array &b) {
  if (a.type() != b.type()) return false;
  size_t width = byteSize(a.type().scalar);
  for (size_t i = 0; i * width < a.bytes(); ++i) {
    if (std::equal(a.data() + i * width, a.data() + (i + 1) * width, b.data() + i * width)) continue;
    auto at = static_cast<int64_t>(i);
    Scalar s = a.type().scalar;
    if (!eval::isNaN(s, eval::load(s, a.data(), at)) || !eval::isNaN(s, eval::load(s, b.data(), at))) return false;
  }
  return true;
}

class InterpreterEngine : public Engine {
public:
  explicit InterpreterEngine(const CommandLine &options) : compilation(options) {}
  bool prepare() {
    if (!compilation.options.from.empty()) {
      std::fprintf(stderr, "mlrc: the interpreter runs source text, not IR: leave --from out\n");
      return false;
    }
    if (!compile(compilation, "check")) return false;
    if (compilation.program.roots.size() != 1) {
      std::fprintf(stderr, "mlrc: say which node to run with --node\n");
      return false;
    }
    const NodeInstance &node = *compilation.program.roots[0];
    sig.node = node.name;
    sig.rate = node.rate;
    sig.inputs = portsOf(node, node.inputs);
    sig.outputs = portsOf(node, node.outputs);
    std::set<std::string> symbols;
    foreignOf(node, symbols);
    auto linked = Libraries::open(compilation.options.links, {symbols.begin(), symbols.end()});
    if (auto *message = std::get_if<std::string>(&linked)) {
      std::fprintf(stderr, "mlrc: %s\n", message->c_str());
      return false;
    }
    libraries = std::move(std::get<Libraries>(linked));
    if (!takesDerivatives())
      interpreter.emplace(node, eval::Options{compilation.options.unfused, compilation.options.checks, libraries.symbols});
    return true;
  }
  bool takesDerivatives() const { return compilation.program.takesDerivatives; }
  const std::set<std::string> &diagnosticsPrinted() const { return compilation.printed; }
  const Signature &signature() const override { return sig; }
  std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) override {
    auto result = interpreter->step(inputs);
    if (auto *e = std::get_if<eval::Error>(&result)) {
      return Failure{locate(compilation, *e)};
    }
    presence = interpreter->present();
    return std::get<std::vector<Array>>(std::move(result));
  }
  std::string checkReport(int64_t instants, int64_t before) const override {
    std::vector<CheckFailure> failures;
    for (const eval::CheckFailure &f : interpreter->failures()) {
      std::string message = "an index left its axis and was clamped";
      if (f.monitor) message = fmt::format("`{}` did not hold", mlr::name(*f.monitor));
      failures.push_back({f.span, {"", message, "", 0, 0, f.monitor.has_value()}, f.first, f.instants});
    }
    return renderFailures(compilation, failures, instants, before);
  }

private:
  Compilation compilation;
  Signature sig;
  Libraries libraries;
  std::optional<eval::Interpreter> interpreter;
};

/// A program with derivatives means the equations that they become: those are run, by their definition.
class DataflowEngine : public Engine {
public:
  /// `printed`: what an earlier compilation has said.
  DataflowEngine(const CommandLine &options, std::set<std::string> printed) : compilation(options) {
    compilation.printed = std::move(printed);
  }
  bool prepare() {
    if (compilation.options.checks && compilation.options.checkGradients) {
      std::fprintf(stderr, "mlrc: --check-gradients compares derivatives and monitors nothing: leave --checks to another run\n");
      return false;
    }
    // Memories have their names and places once they are planned.
    if (!compile(compilation, keepsState(compilation.options) ? "buffers" : "diff")) return false;
    const NodeInstance &node = *compilation.program.roots[0];
    bool hasEffects = false;
    std::set<std::string> symbols;
    foreignOf(node, symbols, &hasEffects);
    compilation.module->walk([&](dataflow::ExternOp call) { symbols.insert(call.getSymbol().str()); }); // those of derivatives too
    if (hasEffects && compilation.options.checkGradients) {
      std::fprintf(stderr, "mlrc: --check-gradients runs the program more than once, and it calls C functions with effects\n");
      return false;
    }
    auto linked = Libraries::open(compilation.options.links, {symbols.begin(), symbols.end()});
    if (auto *message = std::get_if<std::string>(&linked)) {
      std::fprintf(stderr, "mlrc: %s\n", message->c_str());
      return false;
    }
    libraries = std::move(std::get<Libraries>(linked));
    sig.node = node.name;
    sig.rate = node.rate;
    sig.inputs = portsOf(node, node.inputs);
    sig.outputs = portsOf(node, node.outputs);
    noteChecks(node);
    own = sig.outputs.size() - checks.size();
    if (compilation.options.checkGradients) own = compilation.exposed.own.at(&node);
    root = mlir::SymbolTable(*compilation.module).lookup<dataflow::NodeOp>(node.name);
    if (!root) return false;
    machine.emplace(root, [this](dataflow::ExternOp call, const std::vector<dataflow::Bytes> &args) { return foreign(call, args); });
    if (keepsState(compilation.options) && !findStates()) return false;
    all = sig.outputs;
    sig.outputs.resize(own);
    if (!compilation.options.checkGradients) return true;
    auto check = std::make_shared<eval::DerivativeCheck>();
    check->exposed = compilation.exposed;
    check->directions = *compilation.options.checkGradients;
    eval::Options options{.unfused = compilation.options.unfused, .foreign = libraries.symbols};
    options.derivatives = check;
    interpreter.emplace(node, options);
    // Derivatives that are outputs too may be rounded otherwise: the outputs are those of the program as it is.
    ownOptions = compilation.options;
    ownOptions->checkGradients.reset();
    unexposed = std::make_unique<DataflowEngine>(*ownOptions, compilation.printed);
    return unexposed->prepare();
  }
  const Signature &signature() const override { return sig; }
  std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) override {
    std::vector<dataflow::Bytes> in, out;
    for (auto [array, port] : llvm::zip(inputs, sig.inputs)) {
      Array present = array.bytes() == port.type.bytes() ? array : Array(port.type); // absent: nobody looks
      const char *bytes = reinterpret_cast<const char *>(present.data());
      in.emplace_back(bytes, bytes + present.bytes());
    }
    deeply([&] { out = machine->step(std::move(in)); });
    std::vector<Array> values;
    presence.assign(all.size(), true);
    size_t next = 0;
    for (const dataflow::Bytes &bytes : out) {
      bool isFlag = root.getPresence() && (*root.getPresence())[next++] >= 0;
      if (isFlag) {
        presence[values.size() - 1] = bytes[0];
        continue;
      }
      const Type &type = all[values.size()].type;
      auto from = reinterpret_cast<const std::byte *>(bytes.data());
      values.emplace_back(type, std::vector<std::byte>(from, from + bytes.size()));
    }
    if (interpreter)
      if (auto failure = compare(inputs, values)) return *failure;
    for (size_t i = 0; i < checks.size(); ++i)
      if (values[own + i].data()[0] == std::byte(0) && checks[i].instants++ == 0) checks[i].first = now;
    ++now;
    values.resize(own);
    presence.resize(own);
    return unexposed ? unexposed->step(inputs) : std::move(values);
  }
  std::string checkReport(int64_t instants, int64_t before) const override {
    std::vector<CheckFailure> failures;
    for (const CheckFailure &c : checks)
      if (c.instants) failures.push_back(c);
    return renderFailures(compilation, failures, instants, before);
  }
  std::pair<std::string, bool> derivativeReport() const override {
    if (!interpreter) return {"", true};
    bool isGood = true;
    std::string text = renderDerivatives(compilation, interpreter->derivatives(), isGood);
    return {text, isGood};
  }

  static bool keepsState(const CommandLine &options) { return !options.saveState.empty() || !options.loadState.empty(); }
  std::optional<data::Arrays> state() const override {
    data::Arrays arrays;
    if (!keepsState(compilation.options)) return std::nullopt;
    deeply([&] {
      for (const State &s : states) {
        dataflow::Bytes bytes = machine->remembered(s.op);
        auto from = reinterpret_cast<const std::byte *>(bytes.data());
        arrays.emplace(s.field.path, Array(s.field.type, std::vector<std::byte>(from, from + bytes.size())));
      }
    });
    return arrays;
  }
  std::optional<Failure> loadState(const std::string &path) override {
    std::vector<StateField> fields;
    for (const State &s : states) fields.push_back(s.field);
    auto loaded = driver::loadState(path, fields);
    if (auto *failure = std::get_if<Failure>(&loaded)) return *failure;
    for (const State &s : states) {
      const Array &array = std::get<data::Arrays>(loaded).at(s.field.path);
      auto from = reinterpret_cast<const char *>(array.data());
      machine->remember(s.op, dataflow::Bytes(from, from + array.bytes()));
    }
    return std::nullopt;
  }

private:
  /// A member of NODE_state, and the operator of time that it belongs to.
  struct State {
    StateField field;
    mlir::Operation *op;
  };

  /// The last outputs of a node with run-time checks are the checks.
  void noteChecks(const NodeInstance &node) {
    for (const dataflow::CheckNote &note : dataflow::checksOf(*compilation.module, node.name)) checks.push_back({Span(), note, 0, 0});
    if (checks.size() > node.outputs.size()) checks.clear();
    if (compilation.checks.empty()) return;
    for (size_t i = 0; i < checks.size(); ++i) checks[i].span = compilation.checks[0][i].span;
  }

  /// A call of a C function, for the machine.
  std::vector<dataflow::Bytes> foreign(dataflow::ExternOp call, const std::vector<dataflow::Bytes> &arguments) const {
    auto typesOf = [](mlir::TypeRange types) {
      std::vector<Type> out;
      for (mlir::Type t : types) {
        auto shape = dataflow::shapeOf(t);
        out.push_back({dataflow::scalarOf(dataflow::elementOf(t)).value_or(Scalar::F32), Shape(shape.begin(), shape.end())});
      }
      return out;
    };
    std::vector<Type> inputs = typesOf(call.getFunctionType().getInputs()), outputs = typesOf(call.getFunctionType().getResults());
    std::vector<const std::byte *> from;
    for (const dataflow::Bytes &bytes : arguments) from.push_back(reinterpret_cast<const std::byte *>(bytes.data()));
    std::vector<dataflow::Bytes> results;
    std::vector<std::byte *> to;
    for (const Type &type : outputs) results.emplace_back(type.bytes());
    for (dataflow::Bytes &bytes : results) to.push_back(reinterpret_cast<std::byte *>(bytes.data()));
    eval::callForeign(libraries.symbols.at(call.getSymbol().str()), inputs, from, outputs, to);
    return results;
  }

  /// Recursion goes back in time.
  template <class F> static void deeply(F f) {
    constexpr unsigned stackBytes = 2u << 30;
    llvm::thread run(std::optional<unsigned>(stackBytes), f);
    run.join();
  }

  bool findStates() {
    auto plan = store::read(root);
    if (mlir::failed(plan)) return false;
    root->walk([&](mlir::Operation *op) {
      if (!llvm::isa<dataflow::FbyOp, dataflow::FirstOp, dataflow::WindowOp, dataflow::RowsOp>(op)) return;
      auto at = plan->locations.find(op->getResult(0));
      if (at == plan->locations.end()) return;
      const store::Buffer &b = plan->buffers[static_cast<size_t>(at->second.buffer)];
      Type type{dataflow::scalarOf(b.element).value_or(Scalar::F32), Shape(b.shape.begin(), b.shape.end())};
      if (b.space == store::Space::State && b.elements() > 0) states.push_back({{b.name, type, b.limit}, op});
    });
    return true;
  }

  /// The typed program itself, with the derivatives of the differentiated one, has the same outputs.
  std::optional<Failure> compare(const std::vector<Array> &inputs, const std::vector<Array> &values) {
    auto result = interpreter->step(inputs, &values);
    if (auto *e = std::get_if<eval::Error>(&result)) return Failure{locate(compilation, *e)};
    const auto &others = std::get<std::vector<Array>>(result);
    for (size_t i = 0; i < own; ++i) {
      if (!presence[i] || sameValues(values[i], others[i])) continue;
      return Failure{fmt::format("output `{}` of the differentiated program is not that of the program", all[i].name)};
    }
    return std::nullopt;
  }

  Compilation compilation;
  Signature sig;
  Libraries libraries;
  size_t own = 0;        ///< outputs of the source, before those that --check-gradients adds
  std::vector<Port> all; ///< and these
  std::vector<CheckFailure> checks;
  int64_t now = 0;
  std::optional<eval::Interpreter> interpreter; ///< with --check-gradients
  dataflow::NodeOp root;
  mutable std::optional<dataflow::Machine> machine; ///< remembers what it has computed
  std::optional<CommandLine> ownOptions;     ///< with --check-gradients: those without
  std::unique_ptr<DataflowEngine> unexposed; ///< and the program without outputs that are added
  std::vector<State> states; ///< where they are saved or loaded
};

/// Memory of one of a node's structs, aligned for vectors.
class Memory {
public:
  explicit Memory(int64_t bytes) : words(static_cast<size_t>(bytes) / sizeof(Word) + 1) {}
  std::byte *data() { return words.front().bytes; }
  const std::byte *data() const { return words.front().bytes; }

private:
  struct alignas(64) Word {
    std::byte bytes[64];
  };
  std::vector<Word> words;
};

class JitEngine : public Engine {
public:
  explicit JitEngine(const CommandLine &options) : compilation(options) {}
  bool prepare() {
    auto machine = target::Machine::find({});
    if (auto *e = std::get_if<target::Error>(&machine)) return fail(e->message);
    target::Machine &host = std::get<target::Machine>(machine);
    compilation.vectorBits = host.loopsOptions().vectorBits;
    compilation.hasFma = host.loopsOptions().hasFma;
    compilation.hasFma64 = host.loopsOptions().hasFma64;
    if (!compile(compilation, "loops")) return false;
    const auto &found = compilation.signatures;
    const std::string &wanted = compilation.options.node;
    auto it = llvm::find_if(found, [&](const Signature &s) { return wanted.empty() ? found.size() == 1 : s.node == wanted; });
    if (it == found.end()) return fail("say which node to run with --node");
    sig = *it;
    outputs = sig.outputs;
    noteChecks();
    for (const NodeInstance *root : compilation.program.roots) // the dialect knows types only
      if (root->name == sig.node) {
        sig.rate = root->rate;
        for (size_t i = 0; i < sig.inputs.size(); ++i) complete(sig.inputs[i], *root, root->inputs);
        for (size_t i = 0; i < sig.outputs.size(); ++i) complete(sig.outputs[i], *root, root->outputs);
      }
    presence.assign(sig.outputs.size(), true);
    std::vector<std::string> symbols;
    for (auto f : (*compilation.module).getOps<mlir::func::FuncOp>())
      if (f->hasAttr("mlr.extern")) symbols.push_back(f.getSymName().str());
    auto linked = Libraries::open(compilation.options.links, symbols);
    if (auto *message = std::get_if<std::string>(&linked)) return fail(*message);
    libraries = std::move(std::get<Libraries>(linked));
    auto compiled = target::Jit::compile(*compilation.module, host, libraries.symbols);
    if (auto *e = std::get_if<target::Error>(&compiled)) return fail(e->message);
    jit = std::move(std::get<std::unique_ptr<target::Jit>>(compiled));
    node = jit->node(sig.node);
    if (!node) return fail("the node was lost in compilation");
    memory.emplace(node->stateBytes);
    scratch.emplace(node->scratchBytes);
    in.emplace(node->inBytes);
    out.emplace(node->outBytes);
    node->reset(memory->data());
    return true;
  }
  const Signature &signature() const override { return sig; }
  std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) override {
    size_t offset = 0;
    for (size_t i = 0; i < inputs.size(); ++i) {
      offset = place(offset, sig.inputs[i].type);
      std::copy_n(inputs[i].data(), inputs[i].bytes(), in->data() + offset);
      offset += sig.inputs[i].type.bytes();
    }
    node->step(memory->data(), scratch->data(), in->data(), out->data());
    std::vector<Array> values;
    offset = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Port &port = outputs[i];
      offset = place(offset, port.type);
      const std::byte *from = out->data() + offset;
      if (i < sig.outputs.size()) values.emplace_back(port.type, std::vector<std::byte>(from, from + port.type.bytes()));
      else if (!std::to_integer<bool>(*from)) noteFailure(checks[i - sig.outputs.size()]);
      offset += port.type.bytes();
      if (port.hasFlag) presence[i] = out->data()[offset++] != std::byte(0);
    }
    ++now;
    return values;
  }
  std::optional<data::Arrays> state() const override {
    data::Arrays arrays;
    for (const store::Buffer &b : stateBuffers()) {
      const std::byte *from = memory->data() + b.offset;
      arrays.emplace(b.name, Array(typeOf(b), std::vector<std::byte>(from, from + b.bytes())));
    }
    return arrays;
  }
  std::string fingerprint() const override { return compilation.fingerprint; }
  std::optional<Failure> loadState(const std::string &path) override {
    std::vector<StateField> fields;
    for (const store::Buffer &b : stateBuffers()) fields.push_back({b.name, typeOf(b), b.limit});
    auto loaded = driver::loadState(path, fields);
    if (auto *failure = std::get_if<Failure>(&loaded)) return *failure;
    const auto &arrays = std::get<data::Arrays>(loaded);
    for (const store::Buffer &b : stateBuffers())
      std::copy_n(arrays.at(b.name).data(), b.bytes(), memory->data() + b.offset);
    return std::nullopt;
  }
  std::string checkReport(int64_t instants, int64_t before) const override {
    std::vector<CheckFailure> failures;
    for (const CheckFailure &c : checks)
      if (c.instants) failures.push_back(c);
    return renderFailures(compilation, failures, instants, before);
  }

private:
  static void complete(Port &port, const NodeInstance &node, const std::vector<VarId> &vars) {
    for (Port &source : portsOf(node, vars))
      if (source.name == port.name && source.type == port.type) {
        source.hasFlag = port.hasFlag;
        port = std::move(source);
      }
  }
  /// The last outputs of a module with run-time checks are the checks.
  void noteChecks() {
    std::vector<dataflow::CheckNote> notes = dataflow::checksOf(*compilation.module, sig.node);
    if (notes.size() > outputs.size()) notes.clear();
    for (size_t i = 0; i < notes.size(); ++i) checks.push_back({Span(), notes[i], 0, 0});
    sig.outputs.resize(outputs.size() - notes.size());
    for (size_t r = 0; r < compilation.checks.size(); ++r)
      for (size_t i = 0; compilation.program.roots[r]->name == sig.node && i < checks.size(); ++i)
        checks[i].span = compilation.checks[r][i].span;
  }
  /// What NODE_state holds; arrays without elements have no place in it.
  std::vector<store::Buffer> stateBuffers() const {
    std::vector<store::Buffer> kept;
    auto step = mlir::ModuleOp(compilation.module.get()).lookupSymbol<mlir::func::FuncOp>(sig.node + "_step");
    auto buffers = store::buffersOf(step);
    if (mlir::failed(buffers)) return kept;
    for (const store::Buffer &b : *buffers)
      if (b.space == store::Space::State && b.elements() > 0) kept.push_back(b);
    return kept;
  }
  static Type typeOf(const store::Buffer &b) {
    return {dataflow::scalarOf(b.element).value_or(Scalar::F32), Shape(b.shape.begin(), b.shape.end())};
  }
  void noteFailure(CheckFailure &check) {
    if (check.instants++ == 0) check.first = now;
  }
  /// Where the next field of a C struct goes.
  static size_t place(size_t offset, const Type &type) {
    size_t alignment = byteSize(type.scalar);
    return (offset + alignment - 1) / alignment * alignment;
  }
  static bool fail(const std::string &message) {
    std::fprintf(stderr, "mlrc: %s\n", message.c_str());
    return false;
  }

  Compilation compilation;
  Signature sig;
  Libraries libraries; ///< as long as the code that calls them
  std::unique_ptr<target::Jit> jit;
  const target::Jit::Node *node = nullptr;
  std::vector<Port> outputs;  ///< those of the signature, then the run-time checks
  std::vector<CheckFailure> checks;
  int64_t now = 0;
  std::optional<Memory> memory, scratch, in, out;  ///< memory: of NODE_state
};

} // namespace

std::unique_ptr<Engine> makeJit(const CommandLine &options) {
  auto engine = std::make_unique<JitEngine>(options);
  if (!engine->prepare()) return nullptr;
  return engine;
}

std::unique_ptr<Engine> makeInterpreter(const CommandLine &options) {
  if (options.checkGradients && DataflowEngine::keepsState(options)) {
    std::fprintf(stderr, "mlrc: --check-gradients begins at the first instant and saves no state\n");
    return nullptr;
  }
  auto engine = std::make_unique<InterpreterEngine>(options);
  if (!engine->prepare()) return nullptr;
  if (!engine->takesDerivatives() && !DataflowEngine::keepsState(options)) {
    if (!options.checkGradients) return engine;
    std::fprintf(stderr, "mlrc: --check-gradients: %s takes no derivatives\n", options.file.c_str());
    return nullptr;
  }
  auto differentiated = std::make_unique<DataflowEngine>(options, engine->diagnosticsPrinted());
  if (!differentiated->prepare()) return nullptr;
  return differentiated;
}

} // namespace mlr::driver
