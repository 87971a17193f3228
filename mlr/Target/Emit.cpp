// Optimisation and output: LLVM IR, assembly, objects, shared libraries.
#include "mlr/Target/Llvm.h"
#include "mlr/Target/Split.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/LoopIdiomRecognize.h"

namespace mlr::target {

/// Beyond this many operations of the loops module LLVM's costlier passes take longer than their gain is worth.
static constexpr size_t kFull = 20'000;
/// From this many instructions in a basic block on, the scheduler behind register allocation, which is quadratic in them, is left out.
static constexpr size_t kScheduled = 1'000;

/// LLVM 22 makes one instruction of the negation of a fused multiply-add for Arm, which negates the operands instead: where the
/// sum is an exact 0 its sign is another. A fence keeps the two apart.
static void fenceNegatedFma(llvm::Module &module, const llvm::Triple &triple) {
  if (!triple.isARM() && !triple.isThumb() && !triple.isAArch64()) return;
  llvm::SmallVector<llvm::Instruction *> negations;
  for (llvm::Function &f : module)
    for (llvm::Instruction &i : llvm::instructions(f)) {
      auto *of = i.getOpcode() == llvm::Instruction::FNeg ? llvm::dyn_cast<llvm::IntrinsicInst>(i.getOperand(0)) : nullptr;
      if (of && of->getIntrinsicID() == llvm::Intrinsic::fma) negations.push_back(&i);
    }
  for (llvm::Instruction *negation : negations) {
    llvm::Value *sum = negation->getOperand(0);
    llvm::IRBuilder<> builder(negation);
    negation->setOperand(0, builder.CreateArithmeticFence(sum, sum->getType()));
  }
}

/// The C libraries of small processors have no roundeven; nearbyint is the same in the rounding mode that there is.
static void roundByNearbyint(llvm::Module &module, const llvm::Triple &triple) {
  if (!triple.isARM() && !triple.isThumb() && !triple.isRISCV()) return;
  for (llvm::Function &f : llvm::make_early_inc_range(module))
    if (f.getIntrinsicID() == llvm::Intrinsic::roundeven) {
      f.replaceAllUsesWith(llvm::Intrinsic::getOrInsertDeclaration(&module, llvm::Intrinsic::nearbyint, {f.getReturnType()}));
      f.eraseFromParent();
    }
}

void optimize(Code &code, const Machine &machine) {
  llvm::PipelineTuningOptions tuning;
  bool small = code.operations < kFull;
  // Kernels are vectors already; what SLP finds beside them is rarely worth its time.
  tuning.SLPVectorization = false;
  tuning.LoopVectorization = tuning.LoopInterleaving = small;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine.machine(), tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  splitLargeBlocks(*code.module);
  // The search for CRCs in loops of 8 k turns takes time exponential in what a turn computes, in LLVM 22
  // (llvm/llvm-project pull request 211711): a chain of eight bf16 products was enough.
  llvm::DisableLIRP::HashRecognize = true;
  auto level = small ? llvm::OptimizationLevel::O2 : llvm::OptimizationLevel::O1;
  llvm::ModulePassManager passes = builder.buildPerModuleDefaultPipeline(level);
  passes.run(*code.module, modules);
  fenceNegatedFma(*code.module, machine.machine().getTargetTriple());
  roundByNearbyint(*code.module, machine.machine().getTargetTriple());
}

std::string text(const Code &code) {
  std::string out;
  llvm::raw_string_ostream stream(out);
  code.module->print(stream, nullptr);
  return out;
}

/// Instructions of the largest basic block.
static size_t largestBlock(const llvm::Module &module) {
  size_t largest = 0;
  for (const llvm::Function &f : module)
    for (const llvm::BasicBlock &block : f) largest = std::max(largest, block.size());
  return largest;
}

static Result<std::vector<char>> emit(Code &code, const Machine &machine, llvm::CodeGenFileType kind) {
  llvm::TargetMachine &target = machine.machine();
  bool full = code.operations < kFull && largestBlock(*code.module) < kScheduled;
  target.setOptLevel(full ? llvm::CodeGenOptLevel::Default : llvm::CodeGenOptLevel::Less);
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  if (target.addPassesToEmitFile(passes, stream, nullptr, kind, /*DisableVerify=*/true))
    return Error{"LLVM cannot write this kind of file for `" + machine.triple() + "`"};
  passes.run(*code.module);
  return std::vector<char>(buffer.begin(), buffer.end());
}

Result<std::vector<char>> assembly(Code &code, const Machine &machine) {
  return emit(code, machine, llvm::CodeGenFileType::AssemblyFile);
}
Result<std::vector<char>> object(Code &code, const Machine &machine) {
  return emit(code, machine, llvm::CodeGenFileType::ObjectFile);
}

std::variant<std::monostate, Error> writeShared(const std::vector<char> &object, const std::string &path,
                                                const std::vector<std::string> &others) {
  llvm::SmallString<128> temporary;
  int descriptor = 0;
  if (auto code = llvm::sys::fs::createTemporaryFile("mlr", "o", descriptor, temporary))
    return Error{"cannot write a temporary file: " + code.message()};
  {
    llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file.write(object.data(), object.size());
  }
  std::string problem = "no C compiler or linker found (clang-22, clang, cc, ld.lld-22, ld.lld)";
  for (const char *name : {"clang-22", "clang", "cc", "ld.lld-22", "ld.lld"}) {
    auto program = llvm::sys::findProgramByName(name);
    if (!program) continue;
    std::vector<llvm::StringRef> arguments{*program, "-shared", "-o", path, temporary};
    arguments.insert(arguments.end(), others.begin(), others.end());
    if (!llvm::StringRef(name).starts_with("ld.")) arguments.push_back("-lm");
    std::string message;
    int status = llvm::sys::ExecuteAndWait(*program, arguments, std::nullopt, {}, 0, 0, &message);
    problem = status == 0 ? "" : std::string(name) + " failed to link `" + path + "`" + (message.empty() ? "" : ": ") + message;
    break;
  }
  llvm::sys::fs::remove(temporary);
  if (!problem.empty()) return Error{problem};
  return std::monostate();
}

} // namespace mlr::target
