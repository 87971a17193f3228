// The translator's state: which LLVM value stands for which MLIR value.
#pragma once

#include "mlr/Target/Llvm.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"

namespace mlr::target {

class Translator {
public:
  Translator(llvm::Module &module, const Machine &machine);
  /// False if something outside the subset was met; `problem` says what.
  bool translate(mlir::ModuleOp loops);
  std::string problem;
  size_t operations = 0;

private:
  // Translate.cpp: module, functions, control flow.
  void declare(mlir::func::FuncOp f);
  void translateGlobal(mlir::memref::GlobalOp op);
  void translateFunction(mlir::func::FuncOp f);
  void addAttributes(llvm::Function &f, mlir::func::FuncOp op);
  void addForeignAttributes(llvm::Function &f, mlir::FunctionType foreign);
  void findScopes(mlir::func::FuncOp f);
  void translateBlock(mlir::Block &block);
  void translateFor(mlir::scf::ForOp op);
  void translateIf(mlir::scf::IfOp op);
  void translateWhile(mlir::scf::WhileOp op);
  bool translateOperation(mlir::Operation *op);

  // Operations.cpp
  llvm::Value *translateArith(mlir::Operation *op);
  llvm::Value *translateCast(mlir::Operation *op);
  llvm::Value *translateIntrinsic(mlir::Operation *op);
  llvm::Value *translateVector(mlir::Operation *op);
  llvm::Value *translateMemory(mlir::Operation *op);
  llvm::Constant *constant(mlir::TypedAttr value);
  llvm::Value *address(mlir::Value memref, mlir::ValueRange indices);
  /// Marks an access with the alias scopes of its buffer.
  llvm::Instruction *scoped(llvm::Instruction *access, mlir::Value memref);

  llvm::Type *type(mlir::Type t);
  llvm::Value *get(mlir::Value v) { return values.lookup(v); }
  void set(mlir::Value v, llvm::Value *x) { values[v] = x; }
  llvm::BasicBlock *newBlock(const char *name);

  llvm::Module &module;
  llvm::LLVMContext &context;
  const Machine &machine;
  llvm::IRBuilder<> b;
  llvm::Function *function = nullptr;
  llvm::Type *indexType;
  llvm::DenseMap<mlir::Value, llvm::Value *> values;
  struct Scopes {
    llvm::MDNode *own, *others;
  };
  llvm::DenseMap<mlir::Value, Scopes> scopes;
};

} // namespace mlr::target
