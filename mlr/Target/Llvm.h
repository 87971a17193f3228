// Loops -> LLVM: translation of the loops module (mlr/Loops/Loops.h), optimisation, and what can be written out.
#pragma once

#include "mlr/Loops/Loops.h"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace mlr::target {

/// A message for the user ("no back end for the triple `foo`").
struct Error {
  std::string message;
};
template <class T> using Result = std::variant<T, Error>;

/// What to generate code for. Empty: the host's triple; the host's CPU and features if the triple is the host's, else the
/// generic CPU of the triple.
struct MachineName {
  std::string triple, cpu, features;  ///< features as LLVM writes them: "+avx2,-fma"
};

/// A target that LLVM knows.
class Machine {
public:
  static Result<Machine> find(const MachineName &name);
  Machine(Machine &&) noexcept;
  Machine &operator=(Machine &&) noexcept;
  ~Machine();

  /// What the machine can do, for lowerToLoops: vector width, fma.
  loops::Options loopsOptions() const;
  const std::string &triple() const { return name.triple; }
  const std::string &cpu() const { return name.cpu; }
  const std::string &features() const { return name.features; }
  bool isHost() const { return host; }
  llvm::TargetMachine &machine() const { return *target; }

private:
  Machine();
  MachineName name;
  bool host = false;
  std::unique_ptr<llvm::TargetMachine> target;
};

/// A translated module. Functions: void NAME_step(ptr state, ptr scratch, ptr in, ptr out), void NAME_reset(ptr state);
/// pointers are noalias, need the alignment of the widest element, and may be null only where the size is 0.
struct Code {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  size_t operations = 0;  ///< of the loops module; decides how hard to optimise
  ~Code();
  Code();
  Code(Code &&) noexcept;
  Code &operator=(Code &&) noexcept;
};

/// One linear pass, no optimisation. Fails on an operation outside the subset of Loops.h: an internal error.
Result<Code> translate(mlir::ModuleOp loops, const Machine &machine);
/// Never changes bits: no fast-math flag is ever set. O2 (O3 unrolls more and gains nothing here), less for huge modules.
void optimize(Code &code, const Machine &machine);

std::string text(const Code &code);                                           ///< LLVM IR
Result<std::vector<char>> assembly(Code &code, const Machine &machine);       ///< as text
Result<std::vector<char>> object(Code &code, const Machine &machine);         ///< relocatable object file
/// Links an object, and other files, into a shared library at `path` with the system's C compiler or lld.
std::variant<std::monostate, Error> writeShared(const std::vector<char> &object, const std::string &path,
                                                const std::vector<std::string> &others = {});

} // namespace mlr::target
