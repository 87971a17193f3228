#include "driver/Engines.h"

#include "mlr/Eval/Interpreter.h"
#include "mlr/Target/Jit.h"

#include <fmt/format.h>

namespace mlr::driver {

namespace {

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
    for (VarId v : node.inputs) sig.inputs.push_back({node.vars[v].name, node.vars[v].type});
    for (VarId v : node.outputs) sig.outputs.push_back({node.vars[v].name, node.vars[v].type});
    interpreter.emplace(node, eval::Options{compilation.options.unfused});
    return true;
  }
  const Signature &signature() const override { return sig; }
  std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) override {
    auto result = interpreter->step(inputs);
    if (auto *e = std::get_if<eval::Error>(&result)) {
      std::string where;
      if (e->span.valid()) {
        LineColumn at = compilation.sources.lineColumn(e->span.file, e->span.begin);
        where = fmt::format("{}:{}:{}: ", compilation.sources.path(e->span.file), at.line, at.column);
      }
      return Failure{where + e->message};
    }
    return std::get<std::vector<Array>>(std::move(result));
  }

private:
  Compilation compilation;
  Signature sig;
  std::optional<eval::Interpreter> interpreter;
};

/// Memory of one of a node's structs, aligned for vectors.
class Memory {
public:
  explicit Memory(int64_t bytes) : words(static_cast<size_t>(bytes) / sizeof(Word) + 1) {}
  std::byte *data() { return words.front().bytes; }

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
    auto compiled = target::Jit::compile(*compilation.module, host);
    if (auto *e = std::get_if<target::Error>(&compiled)) return fail(e->message);
    jit = std::move(std::get<std::unique_ptr<target::Jit>>(compiled));
    node = jit->node(sig.node);
    if (!node) return fail("the node was lost in compilation");
    state.emplace(node->stateBytes);
    scratch.emplace(node->scratchBytes);
    in.emplace(node->inBytes);
    out.emplace(node->outBytes);
    node->reset(state->data());
    return true;
  }
  const Signature &signature() const override { return sig; }
  std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) override {
    size_t offset = 0;
    for (const Array &a : inputs) {
      offset = place(offset, a.type());
      std::copy_n(a.data(), a.bytes(), in->data() + offset);
      offset += a.bytes();
    }
    node->step(state->data(), scratch->data(), in->data(), out->data());
    std::vector<Array> outputs;
    offset = 0;
    for (const Port &port : sig.outputs) {
      offset = place(offset, port.type);
      const std::byte *from = out->data() + offset;
      outputs.emplace_back(port.type, std::vector<std::byte>(from, from + port.type.bytes()));
      offset += port.type.bytes();
    }
    return outputs;
  }

private:
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
  std::unique_ptr<target::Jit> jit;
  const target::Jit::Node *node = nullptr;
  std::optional<Memory> state, scratch, in, out;
};

} // namespace

std::unique_ptr<Engine> makeJit(const CommandLine &options) {
  auto engine = std::make_unique<JitEngine>(options);
  if (!engine->prepare()) return nullptr;
  return engine;
}

std::unique_ptr<Engine> makeInterpreter(const CommandLine &options) {
  auto engine = std::make_unique<InterpreterEngine>(options);
  if (!engine->prepare()) return nullptr;
  return engine;
}

} // namespace mlr::driver
