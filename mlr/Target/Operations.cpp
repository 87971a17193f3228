// Arithmetic, memory and vector operations as LLVM IR. No fast-math flag, no contraction.
#include "mlr/Target/Translator.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/Intrinsics.h"

using namespace mlir;

namespace mlr::target {

llvm::Constant *Translator::constant(TypedAttr value) {
  llvm::Type *t = type(value.getType());
  if (auto f = dyn_cast<FloatAttr>(value)) return llvm::ConstantFP::get(context, f.getValue());
  if (auto i = dyn_cast<IntegerAttr>(value))
    return llvm::ConstantInt::get(context, i.getValue().sextOrTrunc(t->getScalarSizeInBits()));
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !isa<VectorType>(value.getType())) return nullptr;
  auto *vectorType = cast<llvm::FixedVectorType>(t);
  if (dense.isSplat())
    return llvm::ConstantVector::getSplat(vectorType->getElementCount(), constant(dense.getSplatValue<TypedAttr>()));
  SmallVector<llvm::Constant *> elements;
  for (Attribute element : dense.getValues<Attribute>()) elements.push_back(constant(cast<TypedAttr>(element)));
  return llvm::ConstantVector::get(elements);
}

static llvm::CmpInst::Predicate predicate(arith::CmpIPredicate p) {
  using P = llvm::CmpInst;
  switch (p) {
  case arith::CmpIPredicate::eq: return P::ICMP_EQ;
  case arith::CmpIPredicate::ne: return P::ICMP_NE;
  case arith::CmpIPredicate::slt: return P::ICMP_SLT;
  case arith::CmpIPredicate::sle: return P::ICMP_SLE;
  case arith::CmpIPredicate::sgt: return P::ICMP_SGT;
  case arith::CmpIPredicate::sge: return P::ICMP_SGE;
  case arith::CmpIPredicate::ult: return P::ICMP_ULT;
  case arith::CmpIPredicate::ule: return P::ICMP_ULE;
  case arith::CmpIPredicate::ugt: return P::ICMP_UGT;
  case arith::CmpIPredicate::uge: return P::ICMP_UGE;
  }
  return P::ICMP_EQ;
}

static llvm::CmpInst::Predicate predicate(arith::CmpFPredicate p) {
  using P = llvm::CmpInst;
  switch (p) {
  case arith::CmpFPredicate::AlwaysFalse: return P::FCMP_FALSE;
  case arith::CmpFPredicate::OEQ: return P::FCMP_OEQ;
  case arith::CmpFPredicate::OGT: return P::FCMP_OGT;
  case arith::CmpFPredicate::OGE: return P::FCMP_OGE;
  case arith::CmpFPredicate::OLT: return P::FCMP_OLT;
  case arith::CmpFPredicate::OLE: return P::FCMP_OLE;
  case arith::CmpFPredicate::ONE: return P::FCMP_ONE;
  case arith::CmpFPredicate::ORD: return P::FCMP_ORD;
  case arith::CmpFPredicate::UEQ: return P::FCMP_UEQ;
  case arith::CmpFPredicate::UGT: return P::FCMP_UGT;
  case arith::CmpFPredicate::UGE: return P::FCMP_UGE;
  case arith::CmpFPredicate::ULT: return P::FCMP_ULT;
  case arith::CmpFPredicate::ULE: return P::FCMP_ULE;
  case arith::CmpFPredicate::UNE: return P::FCMP_UNE;
  case arith::CmpFPredicate::UNO: return P::FCMP_UNO;
  case arith::CmpFPredicate::AlwaysTrue: return P::FCMP_TRUE;
  }
  return P::FCMP_FALSE;
}

/// Quotient towards minus (or plus) infinity.
static llvm::Value *roundedDivision(llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y, bool up) {
  llvm::Value *q = b.CreateSDiv(x, y), *r = b.CreateSRem(x, y);
  llvm::Value *zero = llvm::Constant::getNullValue(x->getType());
  llvm::Value *inexact = b.CreateICmpNE(r, zero);
  llvm::Value *differ = b.CreateICmpSLT(b.CreateXor(r, y), zero);
  llvm::Value *change = b.CreateAnd(inexact, up ? b.CreateNot(differ) : differ);
  llvm::Value *one = b.CreateZExt(change, x->getType());
  return up ? b.CreateAdd(q, one) : b.CreateSub(q, one);
}

llvm::Value *Translator::translateArith(Operation *op) {
  if (auto c = dyn_cast<arith::ConstantOp>(op)) return constant(c.getValue());
  llvm::Value *x = get(op->getOperand(0));
  if (op->getNumOperands() == 1) {
    if (isa<arith::NegFOp>(op)) return b.CreateFNeg(x);
    return translateCast(op);
  }
  llvm::Value *y = get(op->getOperand(1));
  auto flags = [](auto o) {
    bool nsw = arith::bitEnumContainsAll(o.getOverflowFlags(), arith::IntegerOverflowFlags::nsw);
    bool nuw = arith::bitEnumContainsAll(o.getOverflowFlags(), arith::IntegerOverflowFlags::nuw);
    return std::make_pair(nuw, nsw);
  };
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](arith::AddIOp o) { return b.CreateAdd(x, y, "", flags(o).first, flags(o).second); })
      .Case([&](arith::SubIOp o) { return b.CreateSub(x, y, "", flags(o).first, flags(o).second); })
      .Case([&](arith::MulIOp o) { return b.CreateMul(x, y, "", flags(o).first, flags(o).second); })
      .Case([&](arith::DivSIOp) { return b.CreateSDiv(x, y); })
      .Case([&](arith::DivUIOp) { return b.CreateUDiv(x, y); })
      .Case([&](arith::RemSIOp) { return b.CreateSRem(x, y); })
      .Case([&](arith::RemUIOp) { return b.CreateURem(x, y); })
      .Case([&](arith::FloorDivSIOp) { return roundedDivision(b, x, y, false); })
      .Case([&](arith::CeilDivSIOp) { return roundedDivision(b, x, y, true); })
      .Case([&](arith::AndIOp) { return b.CreateAnd(x, y); })
      .Case([&](arith::OrIOp) { return b.CreateOr(x, y); })
      .Case([&](arith::XOrIOp) { return b.CreateXor(x, y); })
      .Case([&](arith::ShLIOp) { return b.CreateShl(x, y); })
      .Case([&](arith::ShRSIOp) { return b.CreateAShr(x, y); })
      .Case([&](arith::ShRUIOp) { return b.CreateLShr(x, y); })
      .Case([&](arith::MaxSIOp) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, y); })
      .Case([&](arith::MinSIOp) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y); })
      .Case([&](arith::MaxUIOp) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, x, y); })
      .Case([&](arith::MinUIOp) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, x, y); })
      .Case([&](arith::AddFOp) { return b.CreateFAdd(x, y); })
      .Case([&](arith::SubFOp) { return b.CreateFSub(x, y); })
      .Case([&](arith::MulFOp) { return b.CreateFMul(x, y); })
      .Case([&](arith::DivFOp) { return b.CreateFDiv(x, y); })
      .Case([&](arith::RemFOp) { return b.CreateFRem(x, y); })
      .Case([&](arith::CmpIOp c) { return b.CreateICmp(predicate(c.getPredicate()), x, y); })
      .Case([&](arith::CmpFOp c) { return b.CreateFCmp(predicate(c.getPredicate()), x, y); })
      .Case([&](arith::SelectOp) { return b.CreateSelect(x, y, get(op->getOperand(2))); })
      .Default([](Operation *) -> llvm::Value * { return nullptr; });
}

llvm::Value *Translator::translateCast(Operation *op) {
  llvm::Value *x = get(op->getOperand(0));
  llvm::Type *to = type(op->getResult(0).getType());
  using I = llvm::Instruction;
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](arith::TruncIOp) { return b.CreateTrunc(x, to); })
      .Case([&](arith::ExtSIOp) { return b.CreateSExt(x, to); })
      .Case([&](arith::ExtUIOp) { return b.CreateZExt(x, to); })
      .Case([&](arith::TruncFOp) { return b.CreateFPTrunc(x, to); })
      .Case([&](arith::ExtFOp) { return b.CreateFPExt(x, to); })
      .Case([&](arith::FPToSIOp) { return b.CreateFPToSI(x, to); })
      .Case([&](arith::FPToUIOp) { return b.CreateFPToUI(x, to); })
      .Case([&](arith::SIToFPOp) { return b.CreateSIToFP(x, to); })
      .Case([&](arith::UIToFPOp) { return b.CreateCast(I::UIToFP, x, to); })
      .Case([&](arith::BitcastOp) { return b.CreateBitCast(x, to); })
      .Case([&](arith::IndexCastOp) { return b.CreateSExtOrTrunc(x, to); })
      .Case([&](arith::IndexCastUIOp) { return b.CreateZExtOrTrunc(x, to); })
      .Default([](Operation *) -> llvm::Value * { return nullptr; });
}

llvm::Value *Translator::translateIntrinsic(Operation *op) {
  llvm::Value *x = get(op->getOperand(0));
  auto unary = [&](llvm::Intrinsic::ID id) -> llvm::Value * { return b.CreateUnaryIntrinsic(id, x); };
  if (isa<math::FmaOp>(op))
    return b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, get(op->getOperand(1)), get(op->getOperand(2))});
  if (isa<math::SqrtOp>(op)) return unary(llvm::Intrinsic::sqrt);
  if (isa<math::FloorOp>(op)) return unary(llvm::Intrinsic::floor);
  if (isa<math::CeilOp>(op)) return unary(llvm::Intrinsic::ceil);
  if (isa<math::TruncOp>(op)) return unary(llvm::Intrinsic::trunc);
  // nearbyint in the default rounding mode is the same, and in every C library; roundeven came with C23.
  if (isa<math::RoundEvenOp>(op)) return unary(llvm::Intrinsic::nearbyint);
  if (isa<math::AbsFOp>(op)) return unary(llvm::Intrinsic::fabs);
  return nullptr;
}

// ---- memory ----------------------------------------------------------------------------------------------------

llvm::Value *Translator::address(Value memref, ValueRange indices) {
  llvm::Type *element = type(cast<MemRefType>(memref.getType()).getElementType());
  return b.CreateInBoundsGEP(element, get(memref), get(indices[0]));
}

llvm::Instruction *Translator::scoped(llvm::Instruction *access, Value memref) {
  auto known = scopes.find(memref);
  if (known == scopes.end()) return access;
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, known->second.own);
  if (known->second.others) access->setMetadata(llvm::LLVMContext::MD_noalias, known->second.others);
  return access;
}

static llvm::Align alignmentOf(Value memref) {
  return llvm::Align(cast<MemRefType>(memref.getType()).getElementTypeBitWidth() / 8);
}

llvm::Value *Translator::translateMemory(Operation *op) {
  if (auto view = dyn_cast<memref::ViewOp>(op))
    return b.CreateInBoundsGEP(b.getInt8Ty(), get(view.getSource()), get(view.getByteShift()));
  if (auto global = dyn_cast<memref::GetGlobalOp>(op)) return module.getNamedValue(global.getName());
  if (auto part = dyn_cast<memref::SubViewOp>(op))
    return b.CreateInBoundsGEP(type(part.getType().getElementType()), get(part.getSource()), get(part.getDynamicOffset(0)));
  if (auto cell = dyn_cast<memref::AllocaOp>(op)) return b.CreateAlloca(type(cell.getType().getElementType()));
  if (auto load = dyn_cast<memref::LoadOp>(op)) {
    llvm::Value *at = address(load.getMemRef(), load.getIndices());
    return scoped(b.CreateAlignedLoad(type(load.getType()), at, alignmentOf(load.getMemRef())), load.getMemRef());
  }
  if (auto store = dyn_cast<memref::StoreOp>(op)) {
    llvm::Value *at = address(store.getMemRef(), store.getIndices());
    return scoped(b.CreateAlignedStore(get(store.getValue()), at, alignmentOf(store.getMemRef())), store.getMemRef());
  }
  if (auto store = dyn_cast<vector::StoreOp>(op)) {
    llvm::Value *at = address(store.getBase(), store.getIndices());
    return scoped(b.CreateAlignedStore(get(store.getValueToStore()), at, alignmentOf(store.getBase())), store.getBase());
  }
  if (auto store = dyn_cast<vector::MaskedStoreOp>(op)) {
    llvm::Value *at = address(store.getBase(), store.getIndices());
    return scoped(b.CreateMaskedStore(get(store.getValueToStore()), at, alignmentOf(store.getBase()), get(store.getMask())),
                  store.getBase());
  }
  return nullptr;
}

llvm::Value *Translator::translateVector(Operation *op) {
  llvm::Type *to = type(op->getResult(0).getType());
  if (auto load = dyn_cast<vector::LoadOp>(op)) {
    llvm::Value *at = address(load.getBase(), load.getIndices());
    return scoped(b.CreateAlignedLoad(to, at, alignmentOf(load.getBase())), load.getBase());
  }
  if (auto load = dyn_cast<vector::MaskedLoadOp>(op)) {
    llvm::Value *at = address(load.getBase(), load.getIndices());
    return scoped(b.CreateMaskedLoad(to, at, alignmentOf(load.getBase()), get(load.getMask()), get(load.getPassThru())),
                  load.getBase());
  }
  if (auto gather = dyn_cast<vector::GatherOp>(op)) {
    llvm::Value *base = address(gather.getBase(), gather.getOffsets());
    llvm::Type *element = cast<llvm::VectorType>(to)->getElementType();
    llvm::Value *pointers = b.CreateGEP(element, base, get(gather.getIndices()));
    return scoped(b.CreateMaskedGather(to, pointers, alignmentOf(gather.getBase()), get(gather.getMask()),
                                       get(gather.getPassThru())),
                  gather.getBase());
  }
  if (auto splat = dyn_cast<vector::BroadcastOp>(op)) {
    if (isa<VectorType>(splat.getSource().getType())) return nullptr;
    return b.CreateVectorSplat(cast<llvm::FixedVectorType>(to)->getElementCount(), get(splat.getSource()));
  }
  if (auto shuffle = dyn_cast<vector::ShuffleOp>(op)) {
    SmallVector<int> mask(shuffle.getMask().begin(), shuffle.getMask().end());
    return b.CreateShuffleVector(get(shuffle.getV1()), get(shuffle.getV2()), mask);
  }
  if (auto extract = dyn_cast<vector::ExtractOp>(op)) {
    if (extract.getStaticPosition().size() != 1 || extract.hasDynamicPosition()) return nullptr;
    return b.CreateExtractElement(get(extract.getSource()), static_cast<uint64_t>(extract.getStaticPosition()[0]));
  }
  return nullptr;
}

} // namespace mlr::target
