// Vectors in C: loops over arrays. Consecutive operations share one loop; what is used after it, in the next
// turn of a loop or at another lane is kept in an array, everything else is a local of one lane. Any C
// compiler takes that, and gcc and clang turn loops of constant length into vector instructions of their
// target.
#include "mlr/Target/CBody.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mlr::target {

/// gcc unrolls loops up to this length before it looks for vectors.
static constexpr int64_t shortLoop = 16;

bool isLaneOperation(Operation *op) {
  if (op->getNumRegions() || op->hasTrait<OpTrait::IsTerminator>() ||
      isa<vector::ExtractOp, arith::ConstantOp>(op))
    return false;
  auto isVector = [](mlir::Type t) { return isa<VectorType>(t); };
  return llvm::any_of(op->getOperandTypes(), isVector) || llvm::any_of(op->getResultTypes(), isVector);
}

static int64_t lanesOf(Operation *op) {
  if (op->getNumResults()) return cast<VectorType>(op->getResult(0).getType()).getNumElements();
  for (mlir::Type t : op->getOperandTypes())
    if (auto vector = dyn_cast<VectorType>(t)) return vector.getNumElements();
  return 1;
}

void Writer::openLanes(int64_t lanes) {
  if (lanes <= shortLoop) line("MLR_LANES");
  line(fmt::format("for (ptrdiff_t l = 0; l < {}; ++l) {{", lanes));
  ++depth;
}

void Writer::closeLanes() {
  --depth;
  line("}");
}

// ---- constants
// -------------------------------------------------------------------------------------------------

/// start + step * lane, of integers.
static std::optional<std::pair<int64_t, int64_t>> progression(Value v) {
  DenseIntElementsAttr elements;
  if (!matchPattern(v, m_Constant(&elements)) || elements.getNumElements() < 2) return std::nullopt;
  llvm::SmallVector<llvm::APInt> values(elements.getValues<llvm::APInt>());
  llvm::APInt step = values[1] - values[0];
  for (size_t k = 1; k < values.size(); ++k)
    if (values[k] - values[k - 1] != step) return std::nullopt;
  return std::make_pair(values[0].getSExtValue(), step.getSExtValue());
}

static std::string progressionText(std::pair<int64_t, int64_t> p) {
  std::string text = p.second == 1 ? "l" : fmt::format("{} * l", p.second);
  return p.first ? fmt::format("{} + {}", text, p.first) : text;
}

/// The text of one lane of a constant; irregular ones become arrays here.
std::string Writer::constantLanes(arith::ConstantOp op) {
  auto elements = cast<DenseElementsAttr>(op.getValue());
  if (elements.isSplat()) return constant(elements.getSplatValue<TypedAttr>());
  mlir::Type element = elements.getElementType();
  if (element.isInteger(1)) {
    llvm::SmallVector<bool> bits(elements.getValues<bool>());
    auto active = static_cast<size_t>(llvm::find(bits, false) - bits.begin());
    if (llvm::none_of(llvm::drop_begin(bits, active), [](bool b) { return b; }))
      return fmt::format("(l < {})", active);
  } else if (auto p = progression(op)) {
    return fmt::format("({})({})", registerType(element), progressionText(*p));
  }
  std::string name = fresh(), list;
  for (TypedAttr a : elements.getValues<TypedAttr>()) list += (list.empty() ? "" : ", ") + constant(a);
  line(fmt::format("static const {} {}[{}] = {{{}}};", registerType(element), name, elements.getNumElements(),
                   list));
  return name + "[l]";
}

/// The text of lane k.
std::string Writer::lane(Value v, int64_t k) {
  if (DenseElementsAttr elements; matchPattern(v, m_Constant(&elements)))
    return constant(elements.getValues<TypedAttr>()[k]);
  StringRef text = names.find(v)->second;
  return text.consume_back("[l]") ? fmt::format("{}[{}]", text.str(), k) : text.str();
}

// ---- order of memory
// -------------------------------------------------------------------------------------------

/// The memory that an operation touches; writes?
static std::optional<std::pair<Value, bool>> touched(Operation *op) {
  using Touch = std::optional<std::pair<Value, bool>>;
  return llvm::TypeSwitch<Operation *, Touch>(op)
      .Case<vector::LoadOp, vector::MaskedLoadOp, vector::GatherOp>(
          [](auto o) { return Touch({o.getBase(), false}); })
      .Case<vector::StoreOp, vector::MaskedStoreOp, vector::ScatterOp>(
          [](auto o) { return Touch({o.getBase(), true}); })
      .Case([](memref::LoadOp o) { return Touch({o.getMemRef(), false}); })
      .Default([](Operation *) { return Touch(); });
}

bool Writer::mayOverlap(Value memref, Value other) const {
  if (memref == other) return true;
  const store::Buffer *p = bufferOf(memref), *q = bufferOf(other);
  return p && q && p->space == q->space && p->offset < q->offset + q->bytes() &&
         q->offset < p->offset + p->bytes();
}

/// Must the open loop end before this operation? It runs lane by lane: what it writes, later lanes must not
/// have to read.
bool Writer::conflicts(Operation *op) const {
  if (pending.empty()) return false;
  if (isLaneOperation(op) && lanesOf(op) != lanesOf(pending[0])) return true;
  auto touches = touched(op);
  for (Operation *earlier : pending) {
    if (isa<vector::ShuffleOp>(op) &&
        llvm::is_contained(op->getOperands(), earlier->getNumResults() ? earlier->getResult(0) : Value()))
      return true;
    auto before = touched(earlier);
    if (touches && before && (touches->second || before->second) && mayOverlap(touches->first, before->first))
      return true;
  }
  return false;
}

// ---- loops over lanes
// ------------------------------------------------------------------------------------------

/// The variable of the loop around, if this value is its next and nobody reads the old one any more; else
/// empty.
std::string Writer::target(Value v, Block &b, Operation *next, ArrayRef<std::string> carried) const {
  Operation *end = b.getTerminator();
  if (carried.empty() || !v.hasOneUse() || *v.getUsers().begin() != end) return "";
  unsigned at = v.getUses().begin()->getOperandNumber();
  BlockArgument old = b.getArgument(at + 1); // argument 0 is the index
  for (Operation *user : old.getUsers()) {
    Operation *here = b.findAncestorOpInBlock(*user);
    if (here == end || (next && !here->isBeforeInBlock(next))) return "";
  }
  return carried[at];
}

void Writer::flush(Block &b, Operation *next, ArrayRef<std::string> carried) {
  if (pending.empty()) return;
  llvm::SmallVector<Operation *> ops;
  std::swap(ops, pending);
  llvm::DenseMap<Value, std::string> kept, handedOn;
  bool loops = false;
  for (Operation *op : ops) {
    if (isa<vector::BroadcastOp>(op)) continue; // only another name
    loops = true;
    if (op->getNumResults() == 0) continue;
    Value v = op->getResult(0);
    if (llvm::all_of(v.getUsers(), [&](Operation *user) { return llvm::is_contained(ops, user); })) continue;
    if (std::string to = target(v, b, next, carried); !to.empty()) handedOn[v] = to + "[l]";
    else kept[v] = declareOne(v.getType(), fresh());
  }
  if (loops) openLanes(lanesOf(ops[0]));
  for (Operation *op : ops) {
    traceLocation(op);
    failedLanes |= failed(laneOperation(op));
    if (op->getNumResults() == 0) continue;
    if (auto to = kept.find(op->getResult(0)); to != kept.end())
      line(fmt::format("{} = {};", to->second, (*this)[to->first]));
  }
  for (Operation *op : ops)
    if (op->getNumResults())
      if (auto to = handedOn.find(op->getResult(0)); to != handedOn.end())
        line(fmt::format("{} = {};", to->second, (*this)[to->first]));
  if (loops) closeLanes();
  for (auto *map : {&kept, &handedOn})
    for (Operation *op : ops)
      if (op->getNumResults())
        if (auto to = map->find(op->getResult(0)); to != map->end()) names[to->first] = to->second;
}

LogicalResult Writer::laneOperation(Operation *op) {
  auto at = [&](Value memref, Value index, const std::string &offset) {
    std::string base = (*this)[index];
    return element(memref, base == "0" ? offset : fmt::format("{} + {}", base, offset));
  };
  auto offset = [&](Value v) {
    if (auto p = progression(v)) return progressionText(*p);
    return fmt::format("(ptrdiff_t)(int32_t){}", (*this)[v]);
  };
  auto loaded = [&](Value result, std::string text) {
    mlir::Type t = getElementTypeOrSelf(result.getType());
    bool isByte = t.isInteger(8) && StringRef(text).starts_with("out->"); // see memref.load
    return isa<IntegerType>(t) ? fmt::format("({}){}{}", registerType(t), isByte ? "*(const uint8_t *)&" : "", text) : text;
  };
  auto where = [&](Value mask, const std::string &text, Value otherwise) {
    return (*this)[mask] == "true" ? text
                                   : fmt::format("{} ? {} : {}", (*this)[mask], text, (*this)[otherwise]);
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](vector::BroadcastOp o) { return names[o.getResult()] = (*this)[o.getSource()], success(); })
      .Case([&](vector::LoadOp o) {
        return define(o.getResult(), loaded(o.getResult(), at(o.getBase(), o.getIndices()[0], "l"))),
               success();
      })
      .Case([&](vector::MaskedLoadOp o) {
        std::string text = loaded(o.getResult(), at(o.getBase(), o.getIndices()[0], "l"));
        return define(o.getResult(), where(o.getMask(), text, o.getPassThru())), success();
      })
      .Case([&](vector::GatherOp o) {
        std::string text = loaded(o.getResult(), at(o.getBase(), o.getOffsets()[0], offset(o.getIndices())));
        return define(o.getResult(), where(o.getMask(), text, o.getPassThru())), success();
      })
      .Case([&](vector::StoreOp o) {
        return line(fmt::format("{} = {};", at(o.getBase(), o.getIndices()[0], "l"),
                                stored(o.getBase(), o.getValueToStore()))),
               success();
      })
      .Case([&](vector::MaskedStoreOp o) {
        line(fmt::format("if ({}) {} = {};", (*this)[o.getMask()], at(o.getBase(), o.getIndices()[0], "l"),
                         stored(o.getBase(), o.getValueToStore())));
        return success();
      })
      .Case([&](vector::ScatterOp o) {
        line(fmt::format("{} = {};", at(o.getBase(), o.getOffsets()[0], offset(o.getIndices())),
                         stored(o.getBase(), o.getValueToStore())));
        return success();
      })
      .Case([&](vector::ShuffleOp o) {
        ArrayRef<int64_t> mask = o.getMask();
        int64_t lanes = cast<VectorType>(o.getV1().getType()).getNumElements();
        for (size_t k = 1; k < mask.size(); ++k)
          if (mask[k] != mask[0] + static_cast<int64_t>(k))
            return LogicalResult(o.emitOpError("has no form in C"));
        Value from = mask[0] < lanes ? o.getV1() : o.getV2();
        StringRef text = names.find(from)->second;
        bool array = text.consume_back("[l]");
        return define(o.getResult(),
                      array ? fmt::format("{}[l + {}]", text.str(), mask[0] % lanes) : text.str()),
               success();
      })
      .Default([&](Operation *o) { return arithmetic(o); });
}

} // namespace mlr::target
