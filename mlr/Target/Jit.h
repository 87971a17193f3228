// Compiles a loops module in memory for this machine.
#pragma once

#include "mlr/Target/Llvm.h"

#include <map>

namespace mlr::target {

class Jit {
public:
  /// A node's two functions and the sizes of the buffers that the caller owns. Buffers are aligned to 64 bytes, or at least
  /// to the widest element; scratch may hold anything, state is set by reset.
  struct Node {
    void (*step)(void *state, void *scratch, const void *in, void *out) = nullptr;
    void (*reset)(void *state) = nullptr;
    int64_t stateBytes = 0, scratchBytes = 0, inBytes = 0, outBytes = 0;
  };

  /// `loops` must have been lowered with the options of this machine (Machine::loopsOptions), or weaker ones.
  /// `foreign`: the C functions that it calls, all of them, by symbol.
  static Result<std::unique_ptr<Jit>> compile(mlir::ModuleOp loops, const Machine &machine,
                                              const std::map<std::string, void *> &foreign = {});
  ~Jit();
  /// Null if the module has no such node.
  const Node *node(const std::string &name) const;

private:
  Jit();
  struct Impl;
  std::unique_ptr<Impl> impl;
  std::map<std::string, Node> nodes;
};

} // namespace mlr::target
