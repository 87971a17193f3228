// Basic blocks of thousands of instructions, which large straight-line programs give, make LLVM's scheduling and
// register allocation superlinear. They are cut into functions of bounded size. A value that crosses from one piece to
// another has a slot in a frame on the stack: stored once, loaded once by each piece that uses it.
#include "mlr/Target/Split.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/CodeExtractor.h"

namespace mlr::target {

namespace {
constexpr size_t kLargest = 1500, kPiece = 500;

/// Cuts a block into pieces; the first keeps its phis.
std::vector<llvm::BasicBlock *> cut(llvm::BasicBlock *block) {
  std::vector<llvm::BasicBlock *> pieces{block};
  while (block->size() > 2 * kPiece) {
    auto at = block->getFirstInsertionPt();
    std::advance(at, kPiece);
    block = block->splitBasicBlock(at, "piece");
    pieces.push_back(block);
  }
  return pieces;
}

/// Slots for the values of the pieces that are used outside of their own piece.
class Frame {
public:
  explicit Frame(std::vector<llvm::BasicBlock *> pieces) : pieces(std::move(pieces)) {
    for (size_t k = 0; k < this->pieces.size(); ++k) position[this->pieces[k]] = k;
  }
  void route() {
    std::vector<llvm::Instruction *> crossing;
    for (llvm::BasicBlock *piece : pieces)
      for (llvm::Instruction &i : *piece)
        if (piece != pieces.back() && llvm::any_of(i.users(), [&](llvm::User *u) { return isElsewhere(u, piece); }))
          crossing.push_back(&i);
    if (crossing.empty()) return;
    llvm::Function &f = *pieces[0]->getParent();
    llvm::IRBuilder<> entry(&*f.getEntryBlock().getFirstInsertionPt());
    const llvm::DataLayout &layout = f.getParent()->getDataLayout();
    llvm::AllocaInst *memory = entry.CreateAlloca(entry.getInt8Ty(), entry.getInt64(0));
    memory->setAlignment(llvm::Align(64));
    uint64_t size = 0;
    for (llvm::Instruction *i : crossing) {
      uint64_t bytes = layout.getTypeAllocSize(i->getType());
      size = llvm::alignTo(size, layout.getABITypeAlign(i->getType()));
      route(*i, memory, size);
      size += bytes;
    }
    memory->setOperand(0, entry.getInt64(size));
  }

private:
  static bool isElsewhere(llvm::User *user, llvm::BasicBlock *piece) {
    auto *i = llvm::cast<llvm::Instruction>(user);
    return i->getParent() != piece || llvm::isa<llvm::PHINode>(i);
  }
  /// Uses in a later piece load there; uses beyond the pieces take the load of the last piece, which dominates them.
  void route(llvm::Instruction &value, llvm::Value *memory, uint64_t offset) {
    llvm::BasicBlock *own = value.getParent();
    llvm::IRBuilder<> b(own->getContext());
    auto slot = [&] { return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), memory, offset); };
    std::vector<llvm::Use *> uses;
    for (llvm::Use &use : value.uses())
      if (isElsewhere(use.getUser(), own)) uses.push_back(&use);
    std::vector<llvm::Value *> loads(pieces.size());
    for (llvm::Use *use : uses) {
      auto *user = llvm::cast<llvm::Instruction>(use->getUser());
      auto known = llvm::isa<llvm::PHINode>(user) ? position.end() : position.find(user->getParent());
      size_t k = known == position.end() ? pieces.size() - 1 : known->second;
      if (!loads[k]) {
        b.SetInsertPoint(pieces[k], pieces[k]->getFirstInsertionPt());
        loads[k] = b.CreateLoad(value.getType(), slot());
      }
      use->set(loads[k]);
    }
    if (auto *phi = llvm::dyn_cast<llvm::PHINode>(&value)) b.SetInsertPoint(own, phi->getParent()->getFirstInsertionPt());
    else b.SetInsertPoint(value.getNextNode());
    b.CreateStore(&value, slot());
  }

  std::vector<llvm::BasicBlock *> pieces;
  llvm::DenseMap<llvm::BasicBlock *, size_t> position;
};
} // namespace

void splitLargeBlocks(llvm::Module &module) {
  std::vector<llvm::BasicBlock *> large;
  for (llvm::Function &f : module)
    for (llvm::BasicBlock &block : f)
      if (block.size() > kLargest) large.push_back(&block);
  for (llvm::BasicBlock *block : large) {
    std::vector<llvm::BasicBlock *> pieces = cut(block);
    Frame(pieces).route();
    llvm::CodeExtractorAnalysisCache cache(*block->getParent());
    for (size_t k = 1; k + 1 < pieces.size(); ++k) {
      llvm::CodeExtractor extractor(pieces[k], /*DT=*/nullptr);
      if (!extractor.isEligible()) continue;
      if (llvm::Function *part = extractor.extractCodeRegion(cache)) part->addFnAttr(llvm::Attribute::NoInline);
    }
  }
}

} // namespace mlr::target
