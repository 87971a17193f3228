// Module, functions and control flow of the loops module as LLVM IR.
#include "mlr/Target/Translator.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace mlr::target {

Code::Code() = default;
Code::~Code() { module.reset(); }  // before its context
Code::Code(Code &&) noexcept = default;
Code &Code::operator=(Code &&) noexcept = default;

Translator::Translator(llvm::Module &module, const Machine &machine)
    : module(module), context(module.getContext()), machine(machine), b(context),
      indexType(module.getDataLayout().getIntPtrType(context)) {}

llvm::Type *Translator::type(Type t) {
  if (auto v = dyn_cast<VectorType>(t))
    return llvm::FixedVectorType::get(type(v.getElementType()), static_cast<unsigned>(v.getNumElements()));
  if (t.isIndex()) return indexType;
  if (auto i = dyn_cast<IntegerType>(t)) return llvm::IntegerType::get(context, i.getWidth());
  if (t.isF32()) return llvm::Type::getFloatTy(context);
  if (t.isF64()) return llvm::Type::getDoubleTy(context);
  return llvm::PointerType::getUnqual(context);
}

llvm::BasicBlock *Translator::newBlock(const char *name) { return llvm::BasicBlock::Create(context, name, function); }

// ---- module ----------------------------------------------------------------------------------------------------

void Translator::translateGlobal(memref::GlobalOp op) {
  auto element = type(cast<MemRefType>(op.getType()).getElementType());
  auto count = static_cast<uint64_t>(cast<MemRefType>(op.getType()).getNumElements());
  auto *arrayType = llvm::ArrayType::get(element, count);
  llvm::Constant *init = llvm::ConstantAggregateZero::get(arrayType);
  Attribute value = op.getInitialValue().value_or(Attribute());
  ArrayRef<char> raw;
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(value)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob()) raw = blob->getData();
  } else if (auto dense = dyn_cast_or_null<DenseElementsAttr>(value); dense && count > 0) {
    raw = dense.getRawData();
    if (dense.isSplat() && count > 1) {
      std::string repeated;
      for (uint64_t k = 0; k < count; ++k) repeated.append(raw.data(), raw.size());
      init = llvm::ConstantDataArray::getRaw(repeated, count, element);
      raw = {};
    }
  }
  if (!raw.empty()) init = llvm::ConstantDataArray::getRaw(StringRef(raw.data(), raw.size()), count, element);
  auto *global = new llvm::GlobalVariable(module, arrayType, /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage, init,
                                          op.getSymName());
  global->setAlignment(llvm::Align(64));
  global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
}

void Translator::declare(func::FuncOp f) {
  SmallVector<llvm::Type *> inputs;
  for (Type t : f.getArgumentTypes()) inputs.push_back(type(t));
  llvm::Type *result = f.getNumResults() ? type(f.getResultTypes()[0]) : llvm::Type::getVoidTy(context);
  auto linkage = f.isPrivate() && !f.isExternal() ? llvm::GlobalValue::InternalLinkage : llvm::GlobalValue::ExternalLinkage;
  auto *out = llvm::Function::Create(llvm::FunctionType::get(result, inputs, false), linkage, f.getSymName(), module);
  if (auto foreign = f->getAttrOfType<TypeAttr>("mlr.extern"))
    addForeignAttributes(*out, cast<FunctionType>(foreign.getValue()));
  else addAttributes(*out, f);
}

/// Narrow integers are extended as C's calling conventions ask; tensors are looked at during the call only.
void Translator::addForeignAttributes(llvm::Function &f, FunctionType foreign) {
  auto extension = [](Type t) {
    auto integer = dyn_cast<IntegerType>(t);
    if (t.isF16() || t.isBF16()) return llvm::Attribute::ZExt;
    if (!integer || integer.getWidth() >= 32) return llvm::Attribute::None;
    return integer.isUnsigned() || integer.getWidth() == 1 ? llvm::Attribute::ZExt : llvm::Attribute::SExt;
  };
  f.addFnAttr(llvm::Attribute::NoUnwind);
  for (auto [k, t] : llvm::enumerate(foreign.getInputs())) {
    auto n = static_cast<unsigned>(k);
    if (isa<RankedTensorType>(t)) f.addParamAttr(n, llvm::Attribute::ReadOnly);
    else if (auto how = extension(t); how != llvm::Attribute::None) f.addParamAttr(n, how);
  }
  for (unsigned n = 0; n < f.arg_size(); ++n)
    if (f.getArg(n)->getType()->isPointerTy()) f.addParamAttr(n, llvm::Attribute::getWithCaptureInfo(context, llvm::CaptureInfo::none()));
  if (f.getReturnType()->isVoidTy()) return;
  if (auto how = extension(foreign.getResult(0)); how != llvm::Attribute::None) f.addRetAttr(how);
}

/// The caller's buffers are disjoint, of known size, and not kept; nothing else is touched.
void Translator::addAttributes(llvm::Function &f, func::FuncOp op) {
  f.addFnAttr(llvm::Attribute::NoUnwind);
  f.addFnAttr(llvm::Attribute::MustProgress);
  bool isClosed = llvm::none_of(op->getParentOfType<ModuleOp>().getOps<func::FuncOp>(), [](func::FuncOp g) { return g->hasAttr("mlr.extern"); });
  for (auto kind : {llvm::Attribute::WillReturn, llvm::Attribute::NoSync, llvm::Attribute::NoFree, llvm::Attribute::NoRecurse})
    if (isClosed) f.addFnAttr(kind); // nothing is known of C functions
  if (!machine.cpu().empty()) f.addFnAttr("target-cpu", machine.cpu());
  if (!machine.features().empty()) f.addFnAttr("target-features", machine.features());
  if (unsigned bits = machine.loopsOptions().vectorBits) f.addFnAttr("prefer-vector-width", std::to_string(bits));
  for (auto [k, t] : llvm::enumerate(op.getArgumentTypes())) {
    auto memref = dyn_cast<MemRefType>(t);
    if (!memref) continue;
    auto n = static_cast<unsigned>(k);
    f.addParamAttr(n, llvm::Attribute::NoAlias);
    f.addParamAttr(n, llvm::Attribute::NoUndef);
    f.addParamAttr(n, llvm::Attribute::getWithCaptureInfo(context, llvm::CaptureInfo::none()));
    if (k == 2) f.addParamAttr(n, llvm::Attribute::ReadOnly);
    if (memref.getNumElements() > 0)
      f.addParamAttr(n, llvm::Attribute::getWithDereferenceableBytes(context, static_cast<uint64_t>(memref.getNumElements())));
  }
}

/// Two buffers of one space that share no byte never alias. LLVM cannot see that through variable indices.
void Translator::findScopes(func::FuncOp f) {
  constexpr size_t most = 96;  // lists of scopes are quadratic in the number of buffers
  scopes.clear();
  struct Range {
    Value view, base;
    int64_t begin, end;
    llvm::MDNode *scope;
  };
  SmallVector<Range> ranges;
  for (auto view : f.getOps<memref::ViewOp>()) {
    IntegerAttr offset;
    if (!matchPattern(view.getByteShift(), m_Constant(&offset))) return;
    auto t = cast<MemRefType>(view.getType());
    int64_t bytes = t.getNumElements() * t.getElementTypeBitWidth() / 8;
    ranges.push_back({view, view.getSource(), offset.getInt(), offset.getInt() + bytes, nullptr});
  }
  if (ranges.size() < 2 || ranges.size() > most) return;
  llvm::MDBuilder md(context);
  llvm::MDNode *domain = md.createAnonymousAliasScopeDomain(f.getSymName());
  for (Range &r : ranges) r.scope = md.createAnonymousAliasScope(domain, "buffer");
  for (Range &r : ranges) {
    SmallVector<llvm::Metadata *> disjoint;
    for (Range &other : ranges)
      if (&other != &r && (other.base != r.base || other.end <= r.begin || r.end <= other.begin))
        disjoint.push_back(other.scope);
    scopes[r.view] = {llvm::MDNode::get(context, {r.scope}),
                      disjoint.empty() ? nullptr : llvm::MDNode::get(context, disjoint)};
  }
}

void Translator::translateFunction(func::FuncOp f) {
  function = module.getFunction(f.getSymName());
  b.SetInsertPoint(newBlock("entry"));
  for (auto [mlirArg, arg] : llvm::zip(f.getArguments(), function->args())) set(mlirArg, &arg);
  findScopes(f);
  translateBlock(f.getBody().front());
}

bool Translator::translate(ModuleOp loops) {
  for (auto op : loops.getOps<memref::GlobalOp>()) translateGlobal(op);
  for (auto f : loops.getOps<func::FuncOp>()) declare(f);
  for (auto f : loops.getOps<func::FuncOp>())
    if (problem.empty() && !f.isExternal()) translateFunction(f);
  return problem.empty();
}

// ---- control flow ----------------------------------------------------------------------------------------------

void Translator::translateBlock(Block &block) {
  for (Operation &op : block) {
    if (!problem.empty()) return;
    ++operations;
    if (!translateOperation(&op)) problem = "no translation to LLVM of `" + op.getName().getStringRef().str() + "`";
  }
}

static bool knownTrips(scf::ForOp op) {
  IntegerAttr lower, upper;
  return matchPattern(op.getLowerBound(), m_Constant(&lower)) && matchPattern(op.getUpperBound(), m_Constant(&upper)) &&
         lower.getInt() < upper.getInt();
}

/// do { } while, behind a test where the loop may be empty: the form that LLVM's loop passes want.
void Translator::translateFor(scf::ForOp op) {
  llvm::Value *lower = get(op.getLowerBound()), *upper = get(op.getUpperBound()), *step = get(op.getStep());
  bool tested = !knownTrips(op);
  llvm::BasicBlock *before = b.GetInsertBlock(), *body = newBlock("loop"), *after = newBlock("after");
  if (tested) b.CreateCondBr(b.CreateICmpSLT(lower, upper), body, after);
  else b.CreateBr(body);
  b.SetInsertPoint(body);
  llvm::PHINode *iv = b.CreatePHI(indexType, 2);
  iv->addIncoming(lower, before);
  set(op.getInductionVar(), iv);
  SmallVector<llvm::PHINode *> carried;
  for (auto [arg, init] : llvm::zip(op.getRegionIterArgs(), op.getInitArgs())) {
    carried.push_back(b.CreatePHI(type(arg.getType()), 2));
    carried.back()->addIncoming(get(init), before);
    set(arg, carried.back());
  }
  for (Operation &inner : op.getBody()->without_terminator()) {
    ++operations;
    if (!translateOperation(&inner) && problem.empty())
      problem = "no translation to LLVM of `" + inner.getName().getStringRef().str() + "`";
    if (!problem.empty()) return;
  }
  llvm::BasicBlock *end = b.GetInsertBlock();
  llvm::Value *next = b.CreateAdd(iv, step, "", /*HasNUW=*/true, /*HasNSW=*/true);
  iv->addIncoming(next, end);
  auto yielded = cast<scf::YieldOp>(op.getBody()->getTerminator()).getOperands();
  for (auto [phi, v] : llvm::zip(carried, yielded)) phi->addIncoming(get(v), end);
  b.CreateCondBr(b.CreateICmpSLT(next, upper), body, after);
  b.SetInsertPoint(after);
  for (auto [result, init, v] : llvm::zip(op.getResults(), op.getInitArgs(), yielded)) {
    llvm::PHINode *phi = b.CreatePHI(type(result.getType()), 2);
    if (tested) phi->addIncoming(get(init), before);
    phi->addIncoming(get(v), end);
    set(result, phi);
  }
}

void Translator::translateIf(scf::IfOp op) {
  llvm::BasicBlock *then = newBlock("then"), *after = newBlock("after");
  llvm::BasicBlock *otherwise = op.elseBlock() ? newBlock("else") : after;
  b.CreateCondBr(get(op.getCondition()), then, otherwise);
  SmallVector<llvm::Value *> yielded[2];
  llvm::BasicBlock *ends[2] = {};
  Block *arms[2] = {op.thenBlock(), op.elseBlock()};
  for (int k = 0; k < 2; ++k) {
    if (!arms[k]) continue;
    b.SetInsertPoint(k == 0 ? then : otherwise);
    translateBlock(*arms[k]);
    if (!problem.empty()) return;
    for (Value v : arms[k]->getTerminator()->getOperands()) yielded[k].push_back(get(v));
    ends[k] = b.GetInsertBlock();
    b.CreateBr(after);
  }
  b.SetInsertPoint(after);
  for (auto [k, result] : llvm::enumerate(op.getResults())) {
    llvm::PHINode *phi = b.CreatePHI(type(result.getType()), 2);
    for (int arm = 0; arm < 2; ++arm) phi->addIncoming(yielded[arm][k], ends[arm]);
    set(result, phi);
  }
}

void Translator::translateWhile(scf::WhileOp op) {
  llvm::BasicBlock *start = b.GetInsertBlock(), *before = newBlock("before"), *again = newBlock("again"),
                   *after = newBlock("after");
  b.CreateBr(before);
  b.SetInsertPoint(before);
  SmallVector<llvm::PHINode *> carried;
  for (auto [arg, init] : llvm::zip(op.getBeforeArguments(), op.getInits())) {
    carried.push_back(b.CreatePHI(type(arg.getType()), 2));
    carried.back()->addIncoming(get(init), start);
    set(arg, carried.back());
  }
  translateBlock(*op.getBeforeBody());
  if (!problem.empty()) return;
  auto condition = op.getConditionOp();
  b.CreateCondBr(get(condition.getCondition()), again, after);
  for (auto [arg, result, v] : llvm::zip(op.getAfterArguments(), op.getResults(), condition.getArgs())) {
    set(arg, get(v));
    set(result, get(v));
  }
  b.SetInsertPoint(again);
  translateBlock(*op.getAfterBody());
  if (!problem.empty()) return;
  for (auto [phi, v] : llvm::zip(carried, op.getYieldOp().getOperands())) phi->addIncoming(get(v), b.GetInsertBlock());
  b.CreateBr(before);
  b.SetInsertPoint(after);
}

bool Translator::translateOperation(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) return translateFor(loop), true;
  if (auto branch = dyn_cast<scf::IfOp>(op)) return translateIf(branch), true;
  if (auto loop = dyn_cast<scf::WhileOp>(op)) return translateWhile(loop), true;
  if (isa<scf::YieldOp, scf::ConditionOp>(op)) return true;
  if (auto ret = dyn_cast<func::ReturnOp>(op)) {
    if (ret.getNumOperands()) b.CreateRet(get(ret.getOperand(0)));
    else b.CreateRetVoid();
    return true;
  }
  if (auto call = dyn_cast<func::CallOp>(op)) {
    SmallVector<llvm::Value *> operands;
    for (Value v : call.getOperands()) operands.push_back(get(v));
    llvm::Function *callee = module.getFunction(call.getCallee());
    llvm::CallInst *result = b.CreateCall(callee, operands);
    if (callee->isDeclaration()) result->setAttributes(callee->getAttributes());
    if (call.getNumResults()) set(call.getResult(0), result);
    return true;
  }
  if (isa<memref::StoreOp, vector::StoreOp, vector::MaskedStoreOp>(op)) return translateMemory(op) != nullptr;
  if (op->getNumResults() != 1) return false;
  llvm::Value *result = nullptr;
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect == "arith") result = translateArith(op);
  if (dialect == "math") result = translateIntrinsic(op);
  if (dialect == "vector") result = translateVector(op);
  if (dialect == "memref") result = translateMemory(op);
  if (!result) return false;
  set(op->getResult(0), result);
  return true;
}

Result<Code> translate(ModuleOp loops, const Machine &machine) {
  Code code;
  code.context = std::make_unique<llvm::LLVMContext>();
  code.module = std::make_unique<llvm::Module>("mlr", *code.context);
  code.module->setTargetTriple(machine.machine().getTargetTriple());
  code.module->setDataLayout(machine.machine().createDataLayout());
  Translator translator(*code.module, machine);
  if (!translator.translate(loops)) return Error{"internal error: " + translator.problem};
  code.operations = translator.operations;
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::verifyModule(*code.module, &stream)) return Error{"internal error: " + message};
  return code;
}

} // namespace mlr::target
