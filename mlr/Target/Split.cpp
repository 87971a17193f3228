// Basic blocks of tens of thousands of instructions, which large straight-line programs give, make LLVM's scheduling and
// register allocation superlinear. They are cut into functions of bounded size.
#include "mlr/Target/Split.h"

#include "llvm/IR/Dominators.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/CodeExtractor.h"

namespace mlr::target {

namespace {
constexpr size_t kLargest = 4000, kPiece = 1000;
} // namespace

/// Cuts a block into pieces; gives those that lie between its first and its last piece.
static std::vector<llvm::BasicBlock *> cut(llvm::BasicBlock *block) {
  std::vector<llvm::BasicBlock *> middle;
  while (block->size() > 2 * kPiece) {
    auto at = block->getFirstInsertionPt();
    for (size_t k = 0; k < kPiece && &*at != block->getTerminator(); ++k) ++at;
    llvm::BasicBlock *rest = block->splitBasicBlock(at, "piece");
    if (!middle.empty() || block->getName().starts_with("piece")) middle.push_back(block);
    else middle.push_back(nullptr);  // the first piece keeps the phis and stays
    block = rest;
  }
  std::erase(middle, nullptr);
  return middle;
}

void splitLargeBlocks(llvm::Module &module) {
  std::vector<llvm::BasicBlock *> large;
  for (llvm::Function &f : module)
    for (llvm::BasicBlock &block : f)
      if (block.size() > kLargest) large.push_back(&block);
  for (llvm::BasicBlock *block : large)
    for (llvm::BasicBlock *piece : cut(block)) {
      llvm::Function &f = *piece->getParent();
      llvm::CodeExtractorAnalysisCache cache(f);
      llvm::CodeExtractor extractor(piece, /*DT=*/nullptr, /*AggregateArgs=*/true);
      if (!extractor.isEligible()) continue;
      if (llvm::Function *part = extractor.extractCodeRegion(cache)) part->addFnAttr(llvm::Attribute::NoInline);
    }
}

} // namespace mlr::target
