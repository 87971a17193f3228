// Bounds the size of basic blocks.
#pragma once

namespace llvm {
class Module;
}

namespace mlr::target {

/// Moves pieces of blocks with more than 1,500 instructions into functions of their own. Values that cross go through
/// the stack.
void splitLargeBlocks(llvm::Module &module);

} // namespace mlr::target
