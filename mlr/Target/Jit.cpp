// An object compiled in memory and linked into this process by ORC.
#include "mlr/Target/Jit.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace mlr::target {

struct Jit::Impl {
  std::unique_ptr<llvm::orc::LLJIT> engine;
};

Jit::Jit() : impl(std::make_unique<Impl>()) {}
Jit::~Jit() = default;

const Jit::Node *Jit::node(const std::string &name) const {
  auto found = nodes.find(name);
  return found == nodes.end() ? nullptr : &found->second;
}

static Error asError(llvm::Error error) { return {llvm::toString(std::move(error))}; }

Result<std::unique_ptr<Jit>> Jit::compile(ModuleOp loops, const Machine &machine, const std::map<std::string, void *> &foreign) {
  if (!machine.isHost()) return Error{"only code for this machine can run here"};
  auto translated = translate(loops, machine);
  if (auto *error = std::get_if<Error>(&translated)) return *error;
  Code &code = std::get<Code>(translated);
  optimize(code, machine);
  auto bytes = object(code, machine);
  if (auto *error = std::get_if<Error>(&bytes)) return *error;
  const auto &image = std::get<std::vector<char>>(bytes);

  std::unique_ptr<Jit> jit(new Jit);
  llvm::orc::JITTargetMachineBuilder builder(machine.machine().getTargetTriple());
  auto engine = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(builder)).create();
  if (!engine) return asError(engine.takeError());
  jit->impl->engine = std::move(*engine);
  llvm::orc::SymbolMap symbols;
  for (const auto &[symbol, address] : foreign)
    symbols[jit->impl->engine->mangleAndIntern(symbol)] = {llvm::orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported};
  if (!symbols.empty())
    if (llvm::Error e = jit->impl->engine->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols)))) return asError(std::move(e));
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(image.data(), image.size()), "mlr");
  if (llvm::Error e = jit->impl->engine->addObjectFile(std::move(buffer))) return asError(std::move(e));

  for (auto f : loops.getOps<func::FuncOp>()) {
    StringRef name = f.getSymName();
    bool isStep = name.ends_with("_step") && f.getNumArguments() == 4;
    if (f.isPrivate() || !isStep) continue;
    std::string base = name.drop_back(5).str();
    auto step = jit->impl->engine->lookup(name), reset = jit->impl->engine->lookup(base + "_reset");
    if (!step) return asError(step.takeError());
    if (!reset) return asError(reset.takeError());
    auto bytesOf = [&](unsigned k) { return cast<MemRefType>(f.getArgumentTypes()[k]).getNumElements(); };
    jit->nodes[base] = {step->toPtr<void (*)(void *, void *, const void *, void *)>(),
                        reset->toPtr<void (*)(void *)>(), bytesOf(0), bytesOf(1), bytesOf(2), bytesOf(3)};
  }
  return jit;
}

} // namespace mlr::target
