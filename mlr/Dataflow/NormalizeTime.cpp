// Rewrites the operators of time to the few forms that the later stages know (see Passes.h).
#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"

#include "llvm/ADT/SetVector.h"

#include <map>

using namespace mlir;

namespace mlr::dataflow {
namespace {

bool isConstant(Value v) { return v.getDefiningOp<ConstOp>() != nullptr; }

/// Node body, or a scan whose state survives: the time starts once.
bool startsOnce(Block *block) {
  auto scan = dyn_cast<ScanOp>(block->getParentOp());
  return !scan || scan.getResume();
}

bool isCaptured(Value v, Block *block) { return v.getParentBlock() != block; }

/// Whether a derivative that is taken in the block, or in a scan inside, is with respect to something that the value needs. At the
/// first instant it looks at starting values, at others at none: they have to be told apart.
bool isVaried(Value v, Block *block) {
  llvm::SmallPtrSet<Value, 4> variables;
  for (Operation &op : *block)
    op.walk([&](Operation *inner) {
      if (auto vjp = dyn_cast<VjpOp>(inner)) variables.insert(vjp.getVariables().begin(), vjp.getVariables().end());
      if (auto jvp = dyn_cast<JvpOp>(inner)) variables.insert(jvp.getVariables().begin(), jvp.getVariables().end());
    });
  if (variables.empty()) return false;
  llvm::SetVector<Value> needed;
  needed.insert(v);
  for (size_t next = 0; next < needed.size(); ++next) {
    if (variables.contains(needed[next])) return true;
    if (Operation *op = needed[next].getDefiningOp())
      op->walk([&](Operation *inner) { needed.insert(inner->operand_begin(), inner->operand_end()); });
  }
  return false;
}

/// Known before the first instant of the block's time.
bool isKnownStart(Value v, Block *block) {
  return isConstant(v) || (!startsOnce(block) && isCaptured(v, block) && !isVaried(v, block));
}

Value constant(OpBuilder &b, Location loc, TypedAttr value) { return ConstOp::create(b, loc, value); }
Value zeroOf(OpBuilder &b, Location loc, mlir::Type type) { return constant(b, loc, zeroAttr(type)); }

/// t == 0 or `first` where the time starts once.
Value firstInstant(OpBuilder &b, Location loc, Block *block) {
  if (startsOnce(block)) return FirstOp::create(b, loc, b.getI1Type());
  Value t = block->getArgument(0);
  return EqOp::create(b, loc, b.getI1Type(), t, constant(b, loc, b.getI32IntegerAttr(0)));
}

Value lastInstant(OpBuilder &b, Location loc, Block *block) {
  auto scan = cast<ScanOp>(block->getParentOp());
  Value t = block->getArgument(0), last;
  bool hasUntil = llvm::any_of(*block, [](Operation &op) { return isa<UntilOp>(op); });
  if (hasUntil) {
    Value count = CountOp::create(b, loc, b.getI32Type());
    last = SubOp::create(b, loc, b.getI32Type(), count, constant(b, loc, b.getI32IntegerAttr(1)));
  } else {
    last = constant(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(scan.getLength() - 1)));
  }
  return EqOp::create(b, loc, b.getI1Type(), t, last);
}

/// Starting values that are tensors of constants, such as [0.0 for i < N], become constants.
void evaluateStarts(NodeOp node) {
  bool any = false;
  auto startOf = [](Operation *op) -> Value {
    if (auto fby = dyn_cast<FbyOp>(op)) return fby.getInit();
    if (auto eby = dyn_cast<EbyOp>(op)) return eby.getEnd();
    if (auto window = dyn_cast<WindowOp>(op)) return window.getInit();
    return {};
  };
  node.walk([&](Operation *op) {
    Value start = startOf(op);
    any = any ||
          (start && start.getDefiningOp() && isInstantaneous(start.getDefiningOp()) && !isConstant(start));
  });
  if (!any) return;
  foldOperations(node, /*unfused=*/true); // leaves every chain as it is
  SmallVector<Operation *> starts;
  node.walk([&](Operation *op) {
    if (Value start = startOf(op))
      if (Operation *def = start.getDefiningOp(); def && isa<GenOp, ReduceOp>(def)) starts.push_back(def);
  });
  EvaluationLimits limits;
  limits.unfused = node->getParentOfType<ModuleOp>()->hasAttr("mlr.unfused");
  for (Operation *def : starts) foldConstantTensor(def, limits, /*all=*/true);
}

class Normalizer {
public:
  /// A memory of the rows that moves up at active instants.
  void shiftWindow(WindowOp op);

  LogicalResult run(NodeOp node) {
    // Outer scans first: they hand their flags down.
    node.walk<WalkOrder::PreOrder>([&](ScanOp scan) { normalize(scan); });
    SmallVector<Operation *> work;
    node.walk([&](Operation *op) {
      if (isa<PreOp, FbyOp, EbyOp, WindowOp, FirstOp>(op) || isForeign(op)) work.push_back(op);
    });
    for (Operation *op : work)
      if (failed(normalize(op))) return failure();
    return success();
  }

private:
  /// A call that should be inlined by now; functions that state their derivative are called until Diff.
  static bool isForeign(Operation *op) {
    auto call = dyn_cast<CallOp>(op);
    if (!call) return false;
    auto callee = SymbolTable::lookupNearestSymbolFrom<NodeOp>(op, call.getCalleeAttr());
    return !callee || !(callee->hasAttr("derivative") || callee->hasAttr("mlr.rule"));
  }

  LogicalResult normalize(Operation *op) {
    if (auto pre = dyn_cast<PreOp>(op)) normalize(pre);
    else if (auto fby = dyn_cast<FbyOp>(op)) normalize(fby);
    else if (auto window = dyn_cast<WindowOp>(op)) normalize(window);
    else if (auto first = dyn_cast<FirstOp>(op)) normalize(first);
    else if (auto eby = dyn_cast<EbyOp>(op)) return normalize(eby);
    else return op->emitOpError("is still there: inline calls first");
    return success();
  }

  // ---- flags

  /// Whether a segment begins at this instant, or began while the clock was not active. With the start of
  /// time counted as a reset this is whether an active instant is the first one: p = reset or (true fby (p
  /// and not active)).
  Value fresh(OpBuilder &b, Location loc, Block *block, Flags flags) {
    Value &known = freshOf[{block, flags.when.getAsOpaquePointer(), flags.reset.getAsOpaquePointer()}];
    if (known) return known;
    if (!flags.when) {
      Value first = firstInstant(b, loc, block);
      return known = flags.reset ? orFlags(b, loc, flags.reset, first) : first;
    }
    mlir::Type type = flags.when.getType();
    if (flags.reset && shapeOf(flags.reset.getType()).size() > shapeOf(type).size())
      type = flags.reset.getType();
    Value always = constant(b, loc, allTrue(type));
    auto pending = FbyOp::create(b, loc, type, always, always, b.getStringAttr("fresh"));
    known = flags.reset ? orFlags(b, loc, flags.reset, pending) : pending.getResult();
    Value idle = notFlag(b, loc, flags.when);
    pending.getValueMutable().assign(andFlags(b, loc, known, idle));
    return known;
  }

  /// Whether the next active instant of the scan comes before its end and before the next segment:
  /// c eby false, c = not reset and (active or (c eby false)).
  Value continues(OpBuilder &b, Location loc, Block *block, Flags flags) {
    Value &known = continuesOf[{block, flags.when.getAsOpaquePointer(), flags.reset.getAsOpaquePointer()}];
    if (known) return known;
    Value goesOn = flags.reset ? notFlag(b, loc, flags.reset) : Value();
    mlir::Type type = goesOn ? goesOn.getType() : flags.when.getType();
    if (goesOn && flags.when && shapeOf(flags.when.getType()).size() > shapeOf(type).size())
      type = flags.when.getType();
    Value never = constant(b, loc, zeroAttr(type));
    auto next = EbyOp::create(b, loc, type, never, never, b.getStringAttr("continues"));
    if (flags.when) {
      Value found = orFlags(b, loc, flags.when, next);
      goesOn = goesOn ? andFlags(b, loc, goesOn, found) : found;
    }
    next.getValueMutable().assign(goesOn);
    return known = next;
  }

  static TypedAttr allTrue(mlir::Type type) {
    int64_t n = 1;
    for (int64_t size : shapeOf(type)) n *= size;
    return arrayAttr(type, std::vector<char>(static_cast<size_t>(n), 1));
  }

  static Value selectIf(OpBuilder &b, Location loc, Value flag, Value yes, Value no) {
    return flag ? selectValue(b, loc, flag, yes, no) : yes;
  }

  /// The operator's result may be a flag itself: of operators that come later, and in the tables.
  void replace(Operation *op, Value value) {
    Value old = op->getResult(0);
    old.replaceAllUsesWith(value);
    if (elementOf(old.getType()).isInteger(1))
      for (Table *table : {&freshOf, &continuesOf}) {
        Table changed;
        for (auto [key, v] : *table) {
          auto [block, when, reset] = key;
          auto now = [&](const void *flag) {
            return flag == old.getAsOpaquePointer() ? value.getAsOpaquePointer() : flag;
          };
          changed[{block, now(when), now(reset)}] = v == old ? value : v;
        }
        *table = std::move(changed);
      }
    op->erase();
  }

  // ---- operators

  /// A scan that resumes: its operators advance with it only, and the first instant of a run starts a segment
  /// where one begins, or began since the last run.
  void normalize(ScanOp scan) {
    Flags outer = flagsOf(scan);
    bool isOneFlag = outer.when && outer.when.getType().isInteger(1);
    if (!scan.getResume()) setFlags(scan, {isOneFlag ? outer.when : Value(), Value()});
    if (!scan.getResume() || (!outer.when && !outer.reset)) return;
    OpBuilder b(scan);
    Location loc = scan.getLoc();
    Value pending = outer.reset ? fresh(b, loc, scan->getBlock(), outer) : Value();
    Block &body = bodyOf(scan);
    b.setInsertionPointToStart(&body);
    Value restart;
    if (pending) {
      Value zero = constant(b, loc, b.getI32IntegerAttr(0));
      Value start = EqOp::create(b, loc, b.getI1Type(), body.getArgument(0), zero);
      restart = andFlags(b, loc, pending, start);
    }
    FlagCombiner(b, loc, {outer.when, restart}).run(body);
    scan.getResetMutable().clear();
    if (outer.when && !isOneFlag) scan.getWhenMutable().clear(); // runs if one lane does
  }

  void normalize(PreOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    Value zero = zeroOf(b, loc, op.getType());
    auto fby = FbyOp::create(b, loc, op.getType(), zero, op.getValue(), op.getNameAttr());
    if (op.getWhen()) fby.getValueMutable().assign(selectValue(b, loc, op.getWhen(), op.getValue(), fby));
    replace(op, fby);
  }

  /// A known start is put into the memory, also at a reset; another is selected while the state is fresh.
  void normalize(FbyOp op) {
    Block *block = op->getBlock();
    Value init = op.getInit(), when = op.getWhen(), reset = op.getReset();
    bool isTensor = isa<RankedTensorType>(op.getType()), isKnown = isKnownStart(init, block);
    if (isKnown && !when && !reset) return;
    OpBuilder b(op);
    Location loc = op.getLoc();
    bool inMemory = isKnown && (!reset || !isTensor);
    Value start = inMemory ? init : zeroOf(b, loc, op.getType());
    auto memory = FbyOp::create(b, loc, op.getType(), start, op.getValue(), op.getNameAttr());
    Value value = memory, kept = memory;
    if (!inMemory) value = selectValue(b, loc, fresh(b, loc, block, {when, reset}), init, memory);
    else if (reset) value = kept = selectValue(b, loc, reset, init, memory);
    memory.getValueMutable().assign(selectIf(b, loc, when, op.getValue(), kept));
    replace(op, value);
  }

  LogicalResult normalize(EbyOp op) {
    Block *block = op->getBlock();
    if (!isa<ScanOp>(block->getParentOp()))
      return op.emitOpError("stands outside of any scan: its time has no end");
    Value end = op.getEnd(), when = op.getWhen(), reset = op.getReset();
    bool isTensor = isa<RankedTensorType>(op.getType()), isKnown = isConstant(end) || (isCaptured(end, block) && !isVaried(end, block));
    if (isKnown && !when && !reset) return success();
    OpBuilder b(op);
    Location loc = op.getLoc();
    bool inMemory = isKnown && (!reset || !isTensor);
    Value start = inMemory ? end : zeroOf(b, loc, op.getType());
    auto memory = EbyOp::create(b, loc, op.getType(), op.getValue(), start, op.getNameAttr());
    Value next = selectIf(b, loc, when, op.getValue(), memory), value = memory;
    if (inMemory) {
      if (reset) next = selectValue(b, loc, reset, end, next);
    } else if (when || reset) {
      value = selectValue(b, loc, continues(b, loc, block, {when, reset}), memory, end);
    } else {
      value = selectValue(b, loc, lastInstant(b, loc, block), end, memory);
    }
    memory.getValueMutable().assign(next);
    replace(op, value);
    return success();
  }

  void normalize(FirstOp op) {
    Block *block = op->getBlock();
    if (startsOnce(block) && !op.getWhen() && !op.getReset()) return;
    OpBuilder b(op);
    replace(op, fresh(b, op.getLoc(), block, flagsOf(op)));
  }

  // ---- windows

  /// Instants since the start or the last reset, counted up to `most`.
  Value instantsBefore(OpBuilder &b, Location loc, Block *block, Value reset, int32_t most) {
    if (!startsOnce(block) && !reset) return block->getArgument(0);
    mlir::Type i32 = b.getI32Type(), type = i32;
    if (reset && isa<RankedTensorType>(reset.getType())) type = valueType(shapeOf(reset.getType()), i32);
    Value zero = constant(b, loc, zeroAttr(type)), one = constant(b, loc, b.getI32IntegerAttr(1));
    Value limit = constant(b, loc, b.getI32IntegerAttr(most));
    auto memory = FbyOp::create(b, loc, type, zero, zero, StringAttr());
    Value count = reset ? selectValue(b, loc, reset, zero, memory) : memory.getResult();
    memory.getValueMutable().assign(makeEach(b, loc, type, [&](ValueRange at) -> Value {
      Value next = AddOp::create(b, loc, i32, readLeading(b, loc, count, at), one);
      return MinOp::create(b, loc, i32, next, limit);
    }));
    return count;
  }

  /// The value that `v` has at the first instant of a segment, at every instant of it.
  Value latched(OpBuilder &b, Location loc, Block *block, Value reset, Value v) {
    Value zero = zeroOf(b, loc, v.getType());
    auto before = FbyOp::create(b, loc, v.getType(), zero, zero, StringAttr());
    Value held = selectValue(b, loc, fresh(b, loc, block, {Value(), reset}), v, before);
    before.getValueMutable().assign(held);
    return held;
  }

  void normalize(WindowOp op) {
    // Where time starts once a window is a ring (makeRings, after Schedule), which knows flags that are the same for all of a row.
    auto isOne = [](Value flag) { return !flag || flag.getType().isInteger(1); };
    if (startsOnce(op->getBlock()) && isOne(op.getWhen()) && isOne(op.getReset())) return;
    if (op.getWhen()) shiftWindow(op);
    else if (op.getReset() || !isKnownStart(op.getInit(), op->getBlock())) selectStart(op);
  }

  /// Elements from before the segment are its start: a select on the number of instants so far.
  void selectStart(WindowOp op) {
    Block *block = op->getBlock();
    Value init = op.getInit(), reset = op.getReset();
    OpBuilder b(op);
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op.getResult().getType());
    auto size = static_cast<int32_t>(type.getDimSize(0));
    Value held = isKnownStart(init, block) ? init : latched(b, loc, block, reset, init);
    Value before = instantsBefore(b, loc, block, reset, size);
    Value window =
        WindowOp::create(b, loc, type, op.getValue(), zeroOf(b, loc, init.getType()), op.getNameAttr());
    mlir::Type i32 = b.getI32Type(), element = type.getElementType();
    replace(op, makeEach(b, loc, type, [&](ValueRange at) -> Value {
              Value place = ConvertOp::create(b, loc, i32, at[0]);
              Value row = AddOp::create(b, loc, i32, readLeading(b, loc, before, at.drop_front()), place);
              Value early =
                  LtOp::create(b, loc, b.getI1Type(), row, constant(b, loc, b.getI32IntegerAttr(size - 1)));
              Value start = readLeading(b, loc, held, at.drop_front()),
                    value = readLeading(b, loc, window, at);
              return SelectOp::create(b, loc, element, early, start, value);
            }));
  }

  using Key = std::tuple<Block *, const void *, const void *>;
  using Table = std::map<Key, Value>;
  Table freshOf, continuesOf;
};

void Normalizer::shiftWindow(WindowOp op) {
  Block *block = op->getBlock();
  Value when = op.getWhen();
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t size = type.getDimSize(0);
  Value zero = zeroOf(b, loc, type), isFresh = fresh(b, loc, block, {when, op.getReset()});
  auto memory = FbyOp::create(b, loc, type, zero, zero, op.getNameAttr());
  mlir::Type i32 = b.getI32Type(), element = type.getElementType();
  Value rows = makeEach(b, loc, type, [&](ValueRange at) -> Value {
    Value newest = readLeading(b, loc, op.getValue(), at.drop_front());
    if (size == 1) return newest;
    SmallVector<AffineExpr> next;
    for (unsigned k = 0; k < at.size(); ++k) next.push_back(b.getAffineDimExpr(k) + (k == 0));
    SmallVector<bool> clamp(at.size(), false);
    clamp[0] = true;
    auto map = AffineMapAttr::get(AffineMap::get(at.size(), 0, next, b.getContext()));
    Value older = ReadOp::create(b, loc, element, memory, map, at, b.getDenseBoolArrayAttr(clamp));
    Value start = readLeading(b, loc, op.getInit(), at.drop_front());
    older = SelectOp::create(b, loc, element, readLeading(b, loc, isFresh, at.drop_front()), start, older);
    Value place = ConvertOp::create(b, loc, i32, at[0]);
    Value last = constant(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(size - 1)));
    Value isOlder = LtOp::create(b, loc, b.getI1Type(), place, last);
    return SelectOp::create(b, loc, element, isOlder, older, newest);
  });
  memory.getValueMutable().assign(!when ? rows : makeEach(b, loc, type, [&](ValueRange at) -> Value {
    Value on = readLeading(b, loc, when, at.drop_front());
    Value yes = readLeading(b, loc, rows, at), no = readLeading(b, loc, memory, at);
    return SelectOp::create(b, loc, element, on, yes, no);
  }));
  replace(op, rows);
}

} // namespace

void makeMemory(WindowOp window) { Normalizer().shiftWindow(window); }

LogicalResult normalizeTime(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    evaluateStarts(node);
    if (failed(Normalizer().run(node))) return failure();
  }
  return success();
}

} // namespace mlr::dataflow
