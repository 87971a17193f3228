// pack + scan: the forward part of a scan over a segment runs as the elements of the segment arrive.
//
// A scan on a clock `every T` that reads the last T values of a stream, element t at instant t, may as well be
// run while they arrive: at instant c of the segment with element c. Early is what needs only that element, what
// is early, and values that stay the same from the start of the segment to its end; a recurrence is early with
// all that it needs. Everything else, late, stays in the scan at the last instant of the segment; early values
// that it needs are collected in windows of T. Same operations in the same order: same bits.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rewrite.h"
#include "mlr/Dataflow/Segments.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Less work than this an instant is not worth a state.
constexpr int64_t smallWork = 16;

bool isConstantOf(Value v, int64_t number) {
  auto constant = v.getDefiningOp<ConstOp>();
  auto integer = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return integer && integer.getType().isInteger(32) && integer.getValue().getSExtValue() == number;
}

/// Of the variable that the operation defines, or whose past it holds; empty if there is none.
std::string nameOf(Operation *op) {
  if (auto state = op->getAttrOfType<StringAttr>("name")) return state.str();
  Location loc = op->getLoc();
  while (auto call = dyn_cast<CallSiteLoc>(loc)) loc = call.getCallee();
  auto name = dyn_cast<NameLoc>(loc);
  return name ? name.getName().str() : "";
}

std::string quoted(Operation *op, StringRef otherwise) {
  std::string name = nameOf(op);
  return name.empty() ? otherwise.str() : "`" + name + "`";
}

int64_t bytesOf(mlir::Type type) {
  int64_t bits = elementOf(type).isIndex() ? 64 : elementOf(type).getIntOrFloatBitWidth(), n = (bits + 7) / 8;
  for (int64_t size : shapeOf(type)) n *= size;
  return n;
}

int64_t workOf(Operation *op) {
  int64_t times = 1;
  if (auto gen = dyn_cast<GenOp>(op)) times = tensorOf(gen).getNumElements();
  if (auto reduce = dyn_cast<ReduceOp>(op))
    for (int64_t size : reduce.getSizes()) times *= size;
  if (isa<ScanOp>(op)) return heavyBody;
  return op->getNumRegions() ? times * std::max<int64_t>(1, bodyCost(bodyOf(op))) : !isa<ConstOp, ConvertOp, ReadOp>(op);
}

/// A read at exactly the first index of `at` along the leading axis.
bool readsRow(ReadOp read, Value at) {
  auto dim = dyn_cast<AffineDimExpr>(read.getMap().getResult(0));
  return dim && read.getIndices()[dim.getPosition()] == at;
}

class Segment {
public:
  Segment(ScanOp scan, Counter counter, std::vector<Attribute> &notes)
      : scan(scan), counter(counter), block(scan->getBlock()), b(scan), loc(scan.getLoc()), notes(notes) {}

  bool run() {
    if (!readsSegment()) return false;
    if (std::string why = whole(); !why.empty()) return note({}, {{scan, why}}), false;
    findLate();
    bool worth = chooseStored();
    if (worth) build();
    describe(worth);
    return worth;
  }

private:
  using Reasons = std::vector<std::pair<Operation *, std::string>>;

  // ---- what the scan reads

  /// The value of the last element that has arrived, for a tensor of the last T of them: a window, or elements
  /// computed row by row from such. Built on demand; null if it is none.
  bool isSegment(Value v) {
    if (auto [it, isNew] = segments.try_emplace(v, false); !isNew) return it->second;
    bool is = false;
    if (auto window = v.getDefiningOp<WindowOp>()) {
      is = window->getBlock() == block && window.getWhen() == counter.active &&
           (!window.getReset() || window.getReset() == counter.reset) &&
           tensorSize(v) == counter.length;
    } else if (auto gen = v.getDefiningOp<GenOp>(); gen && gen->getBlock() == block && tensorSize(v) == counter.length) {
      is = isRowByRow(gen);
    }
    return segments[v] = is;
  }

  static int64_t tensorSize(Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.getRank() ? type.getDimSize(0) : -1;
  }

  bool isRowByRow(GenOp gen) {
    Value row = bodyOf(gen).getArgument(0);
    bool any = false, all = true;
    gen->walk([&](Operation *op) {
      for (Value v : op->getOperands()) {
        if (gen.getBody().isAncestor(v.getParentRegion())) continue;
        auto read = dyn_cast<ReadOp>(op);
        if (read && v == read.getSource() && isSegment(v) && readsRow(read, row)) any = true;
        else if (!isHeld(v)) all = false;
      }
    });
    return any && all;
  }

  /// Whether the value is the same at all instants of the segment: a constant, a memory that changes at the last one
  /// only, or computed from such.
  bool isHeld(Value v) {
    Operation *op = v.getDefiningOp();
    if (!op) return false;
    if (isa<ConstOp>(op)) return true;
    if (auto [it, isNew] = held.try_emplace(v, false); !isNew) return it->second;
    bool is = isHeldMemory(v);
    auto inner = dyn_cast<ScanOp>(op);
    if (!is && op->getBlock() == block && (isInstantaneous(op) || (inner && !inner.getResume() && !inner.getWhen()))) {
      is = true;
      op->walk([&](Operation *user) {
        if (auto other = dyn_cast<ScanOp>(user); other && other.getResume()) is = false;
        for (Value operand : user->getOperands()) {
          Operation *around = operand.getParentRegion()->getParentOp();
          bool isOwn = user != op && (around == op || op->isProperAncestor(around));
          is = is && (isOwn || isHeld(operand));
        }
      });
    }
    return held[v] = is;
  }

  /// `before` gives the value that the memory has where the condition is false.
  static bool selects(Value v, Value condition, bool side, function_ref<bool(Value)> isOther) {
    auto gen = v.getDefiningOp<GenOp>();
    Value element = gen ? bodyOf(gen).getTerminator()->getOperand(0) : v;
    auto select = element.getDefiningOp<SelectOp>();
    if (!condition || !select || select.getCondition() != condition) return false;
    Value other = side ? select.getYes() : select.getNo();
    if (!gen || other.getDefiningOp<ConstOp>()) return isOther(other);
    auto read = other.getDefiningOp<ReadOp>();
    return read && read.getMap().isIdentity() && ValueRange(read.getIndices()) == ValueRange(bodyOf(gen).getArguments()) &&
           isOther(read.getSource());
  }

  /// m = i fby (if last then .. else v), and v is m, or `i` where a segment of the clock begins.
  bool isHeldMemory(Value v) {
    auto memory = v.getDefiningOp<FbyOp>();
    if (!memory)
      selects(v, counter.reset, false, [&](Value m) { return (memory = m.getDefiningOp<FbyOp>()) != nullptr; });
    if (!memory || memory->getBlock() != block) return false;
    if (memory.getValue() == v) return true;
    return selects(memory.getValue(), counter.last, false, [&](Value kept) { return kept == v; });
  }

  bool readsSegment() {
    bool reads = false;
    scan->walk([&](ReadOp read) {
      reads = reads || (!scan.getBody().isAncestor(read.getSource().getParentRegion()) && isSegment(read.getSource()));
    });
    return reads;
  }

  // ---- what is early

  /// Why nothing of the scan can be early; empty if there is no such reason.
  std::string whole() {
    if (scan.getResume()) return "it resumes";
    for (Operation &op : bodyOf(scan))
      if (isa<UntilOp>(op)) return "it may end early";
    return "";
  }

  bool isInside(Value v) { return scan.getBody().isAncestor(v.getParentRegion()); }
  Operation *ownerOf(Operation *op) { return bodyOf(scan).findAncestorOpInBlock(*op); }
  /// The index of the scan as it stands in reads.
  bool isIndex(Value v) {
    auto convert = v.getDefiningOp<ConvertOp>();
    return convert && convert.getValue() == bodyOf(scan).getArgument(0);
  }

  static std::string describeCaptured(Value v) {
    if (auto argument = dyn_cast<BlockArgument>(v)) {
      auto node = dyn_cast<NodeOp>(argument.getOwner()->getParentOp());
      if (!node) return "needs a value that changes within the segment";
      return "needs the input `" + cast<StringAttr>(node.getArgNames()[argument.getArgNumber()]).str() +
             "` of the last instant";
    }
    return "needs " + quoted(v.getDefiningOp(), "a value") + " of the last instant";
  }

  /// Why the operation has to wait for the last instant, whatever its operands inside do; empty: it need not.
  std::string reasonOf(Operation *top) {
    if (isa<EbyOp>(top)) return "looks ahead";
    if (isa<StackOp>(top)) return "all values of " + quoted(top->getOperand(0).getDefiningOp() ? top->getOperand(0).getDefiningOp() : top, "a stream") + " are known at the end";
    if (isa<FinalOp>(top)) return "the end value of " + quoted(top->getOperand(0).getDefiningOp() ? top->getOperand(0).getDefiningOp() : top, "a stream") + " is known at the end";
    if (isa<FirstOp, CountOp, UntilOp>(top)) return "has state of its own";
    std::string why;
    top->walk([&](Operation *op) {
      if (auto inner = dyn_cast<ScanOp>(op); inner && inner.getResume()) why = "a scan inside it resumes";
      for (Value v : op->getOperands()) {
        if (!why.empty() || isInside(v)) continue;
        auto read = dyn_cast<ReadOp>(op);
        if (read && v == read.getSource() && isSegment(v)) {
          auto dim = dyn_cast<AffineDimExpr>(read.getMap().getResult(0));
          if (!dim || !isIndex(read.getIndices()[dim.getPosition()]))
            why = "reads other elements of the segment than the one that arrives";
        } else if (!isHeld(v)) {
          why = describeCaptured(v);
        }
      }
    });
    return why;
  }

  void findLate() {
    SmallVector<Operation *> work;
    for (Operation &op : bodyOf(scan).without_terminator())
      if (std::string why = reasonOf(&op); !why.empty()) {
        late[&op] = why;
        roots.push_back({&op, why});
        work.push_back(&op);
      }
    while (!work.empty()) {
      Operation *op = work.pop_back_val();
      for (Value result : op->getResults())
        for (Operation *user : result.getUsers()) {
          Operation *top = ownerOf(user);
          if (!top || isa<YieldOp>(top) || late.contains(top)) continue;
          late[top] = "";
          work.push_back(top);
        }
    }
  }

  bool isEarly(Value v) {
    Operation *op = v.getDefiningOp();
    return op && op->getBlock() == &bodyOf(scan) && !late.contains(op);
  }

  // ---- what the late part needs

  void forEachEarlyOperand(Operation *top, function_ref<void(Value)> f) {
    top->walk([&](Operation *op) {
      for (Value v : op->getOperands())
        if (isEarly(v)) f(v);
    });
  }

  static bool isCheap(Operation *op) {
    if (isa<ConvertOp, ReadOp>(op)) return true;
    if (auto gen = dyn_cast<GenOp>(op)) return bodyCost(bodyOf(gen)) <= cheapBody;
    return isInstantaneous(op) && !isa<ReduceOp, ConcatOp, ScatterOp>(op);
  }

  /// What recomputing `v` at the end needs, beyond cheap operations.
  void leaves(Value v, llvm::SetVector<Value> &out, int depth = 0) {
    Operation *op = v.getDefiningOp();
    if (!isCheap(op) || depth == 8 || (depth && isRecurrent(v))) return void(out.insert(isa<FbyOp>(op) ? cast<FbyOp>(op).getValue() : v));
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        if (isEarly(operand)) leaves(operand, out, depth + 1);
        else if (!isInside(operand) && isSegment(operand)) out.insert(operand);
      }
    });
  }

  /// Carried from one instant of the scan to the next.
  static bool isRecurrent(Value v) {
    return llvm::any_of(v.getUses(), [](OpOperand &use) { return isa<FbyOp>(use.getOwner()) && use.getOperandNumber() == 1; });
  }

  int64_t bytesOfLeaf(Value v) {
    return isInside(v) ? counter.length * bytesOf(v.getType()) : bytesOf(v.getType());
  }

  /// The late part computes cheap values again where that stores no more; a previous value is read from the row before.
  void require(Value v) {
    Operation *op = v.getDefiningOp();
    if (stored.contains(v) || again.contains(op)) return;
    if (isa<FbyOp>(op)) {
      again.insert(op);
      Value value = cast<FbyOp>(op).getValue();
      if (isEarly(value)) require(value);
      return;
    }
    if (isa<InitialOp>(op)) {
      if (!llvm::is_contained(ends, op)) ends.push_back(op);
      return;
    }
    if (isCheap(op) && !isRecurrent(v)) {
      llvm::SetVector<Value> needed;
      leaves(v, needed);
      int64_t bytes = 0;
      for (Value leaf : needed)
        if (!stored.contains(leaf) && !kept.contains(leaf)) bytes += bytesOfLeaf(leaf);
      if (bytes <= counter.length * bytesOf(v.getType())) {
        again.insert(op);
        op->walk([&](Operation *inner) {
          for (Value operand : inner->getOperands())
            if (!isInside(operand) && isSegment(operand)) kept.insert(operand);
        });
        forEachEarlyOperand(op, [&](Value operand) { require(operand); });
        return;
      }
    }
    stored.insert(v);
  }

  /// Fills `stored`, `again`, `ends`; false if the early part is not worth it.
  bool chooseStored() {
    SmallVector<Operation *> users;
    for (Operation &op : bodyOf(scan).without_terminator()) {
      if (!late.contains(&op)) continue;
      if (isa<FinalOp, StackOp>(op) && isEarly(op.getOperand(0))) {
        ends.push_back(&op);
        continue;
      }
      users.push_back(&op);
      op.walk([&](ReadOp read) {
        if (!isInside(read.getSource()) && isSegment(read.getSource())) kept.insert(read.getSource());
      });
    }
    for (Value v : bodyOf(scan).getTerminator()->getOperands())
      if (isEarly(v) && isa<InitialOp>(v.getDefiningOp())) ends.push_back(v.getDefiningOp());
    // What has to be stored first: it decides what is cheap to compute again.
    for (bool cheap : {false, true})
      for (Operation *op : users)
        forEachEarlyOperand(op, [&](Value v) {
          if (cheap == (isCheap(v.getDefiningOp()) && !isa<FbyOp>(v.getDefiningOp()))) require(v);
        });
    return workOfEarly() >= smallWork || hasRecurrence;
  }

  /// Of what is stored or an end, and all that it needs.
  int64_t workOfEarly() {
    SmallVector<Value> work(stored.begin(), stored.end());
    for (Operation *end : ends) work.push_back(isa<InitialOp>(end) ? end->getResult(0) : end->getOperand(0));
    int64_t total = 0;
    while (!work.empty()) {
      Operation *op = work.pop_back_val().getDefiningOp();
      if (!early.insert(op)) continue;
      hasRecurrence |= isa<FbyOp, WindowOp>(op);
      total += workOf(op);
      forEachEarlyOperand(op, [&](Value v) { work.push_back(v); });
    }
    return total;
  }

  // ---- the program

  Value constant(TypedAttr value) { return ConstOp::create(b, loc, value); }
  Value keepUnless(Value active, Value value, Value memory) {
    return active ? selectValue(b, loc, active, value, memory) : value;
  }
  Value zeroOf(mlir::Type type) { return constant(zeroAttr(type)); }

  Value start() {
    if (!startFlag) startFlag = EqOp::create(b, loc, b.getI1Type(), counter.now, constant(b.getI32IntegerAttr(0)));
    return startFlag;
  }

  /// A value that is the same during the segment, computed at its start if it takes work.
  Value latched(Value v) {
    Operation *op = v.getDefiningOp();
    if (!op || isa<ConstOp, FbyOp>(op) || isHeldMemory(v) || workOf(op) < smallWork) return v;
    Value &known = latches[v];
    return known ? known : known = latch(v);
  }

  /// The value at the first instant of the segment.
  Value latch(Value v) {
    Value zero = zeroOf(v.getType());
    auto memory = FbyOp::create(b, loc, v.getType(), zero, zero, b.getStringAttr(nameOf(v.getDefiningOp())));
    Value now = selectValue(b, loc, start(), v, memory);
    memory.getValueMutable().assign(keepUnless(counter.active, now, memory));
    return now;
  }

  /// The element of a segment that arrives now.
  Value elementOf(Value segment) {
    if (auto window = segment.getDefiningOp<WindowOp>()) return window.getValue();
    Value &known = elements[segment];
    if (known) return known;
    auto gen = segment.getDefiningOp<GenOp>();
    auto type = tensorOf(gen);
    IRMapping mapping;
    mlir::Type rowType = type.getRank() == 1 ? type.getElementType()
                                       : RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
    Value position = index();
    SmallVector<Operation *> copies;
    Value made = makeEach(b, gen.getLoc(), rowType, [&](ValueRange at) -> Value {
      mapping.map(bodyOf(gen).getArgument(0), position);
      for (auto [argument, i] : llvm::zip(bodyOf(gen).getArguments().drop_front(), at)) mapping.map(argument, i);
      for (Operation &op : bodyOf(gen).without_terminator()) copies.push_back(b.clone(op, mapping));
      return mapping.lookupOrDefault(bodyOf(gen).getTerminator()->getOperand(0));
    });
    elements[segment] = made;
    SmallVector<ReadOp> reads;
    for (Operation *copy : copies) connect(copy, mapping, reads);
    SmallVector<Value> values{made};
    for (ReadOp read : reads) replaceRead(read, values);
    return elements[segment] = values.front();
  }

  Value index() {
    if (!indexValue) indexValue = ConvertOp::create(b, loc, b.getIndexType(), counter.now);
    return indexValue;
  }

  /// Operands inside the scan become early ones, what is held its latch; collects the reads of segments.
  void connect(Operation *copy, IRMapping &mapping, SmallVectorImpl<ReadOp> &reads) {
    copy->walk([&](Operation *op) {
      auto read = dyn_cast<ReadOp>(op);
      for (OpOperand &operand : op->getOpOperands()) {
        Value v = operand.get();
        if (Value mapped = mapping.lookupOrNull(v)) operand.set(mapped);
        else if (read && operand.getOperandNumber() == 0 && v.getParentBlock() == block && isSegment(v)) reads.push_back(read);
        else if (v.getParentBlock() == block && isHeld(v)) operand.set(latched(v));
      }
    });
  }

  /// `values` follow the replacement.
  void replaceRead(ReadOp read, SmallVectorImpl<Value> &values) {
    OpBuilder::InsertionGuard guard(b);
    Value element = elementOf(read.getSource());
    b.setInsertionPoint(read);
    Value now = element;
    if (isa<RankedTensorType>(element.getType())) {
      SmallVector<AffineExpr> rest(read.getMap().getResults().drop_front());
      SmallVector<bool> clamp;
      if (read.getClamp()) clamp.assign(read.getClamp()->begin() + 1, read.getClamp()->end());
      now = createRead(b, read.getLoc(), element, rest, read.getIndices(), clamp);
    }
    for (Value &v : values)
      if (v == read.getResult()) v = now;
    read.getResult().replaceAllUsesWith(now);
    read.erase();
  }

  void build() {
    b.setInsertionPointToStart(block);
    IRMapping mapping;
    mapping.map(bodyOf(scan).getArgument(0), counter.now);
    SmallVector<Operation *> copies;
    SmallVector<FbyOp> memories;
    for (Operation *op : early)
      if (auto fby = dyn_cast<FbyOp>(op)) {
        mapping.map(fby.getResult(), remember(fby, memories));
      } else if (!isa<InitialOp>(op)) {
        copies.push_back(b.clone(*op, mapping));
        if (auto window = dyn_cast<WindowOp>(copies.back())) setFlags(window, {counter.active, start()});
      }
    for (Operation *op : early)
      if (isa<InitialOp>(op)) mapping.map(op->getResult(0), latch(mapping.lookupOrDefault(op->getOperand(0))));
    SmallVector<ReadOp> reads;
    for (Operation *copy : copies) connect(copy, mapping, reads);
    SmallVector<FbyOp> sources;
    for (Operation *op : early)
      if (auto fby = dyn_cast<FbyOp>(op)) sources.push_back(fby);
    b.setInsertionPoint(block->getTerminator());
    for (auto [fby, memory] : llvm::zip(sources, memories)) advance(fby, memory, mapping);
    collect(mapping);
    SmallVector<Value> none;
    for (ReadOp read : reads) replaceRead(read, none);
  }

  bool startsInMemory(FbyOp fby) { return fby.getInit().getDefiningOp<ConstOp>() && !counter.reset; }

  /// The value that a recurrence of the segment had before: its memory is set back at the last instant where that is
  /// possible, so that reading it takes no selection.
  Value remember(FbyOp fby, SmallVectorImpl<FbyOp> &memories) {
    Value first = startsInMemory(fby) ? fby.getInit() : zeroOf(fby.getType());
    auto memory = FbyOp::create(b, fby.getLoc(), fby.getType(), first, first, fby.getNameAttr());
    memories.push_back(memory);
    if (startsInMemory(fby)) return memory;
    Value init = fby.getInit();
    return selectValue(b, loc, start(), init.getDefiningOp<ConstOp>() ? init : latched(init), memory);
  }

  void advance(FbyOp fby, FbyOp memory, IRMapping &mapping) {
    Value value = fby.getValue();
    value = mapping.contains(value) ? mapping.lookup(value) : latched(value);
    if (startsInMemory(fby)) value = selectValue(b, loc, counter.last, fby.getInit(), value);
    memory.getValueMutable().assign(keepUnless(counter.active, value, memory));
  }

  Value windowOf(Value inside, IRMapping &mapping) {
    Value &known = windows[inside];
    if (known) return known;
    Value now = mapping.lookup(inside);
    SmallVector<int64_t> shape{counter.length};
    llvm::append_range(shape, shapeOf(now.getType()));
    auto type = RankedTensorType::get(shape, dataflow::elementOf(now.getType()));
    Value zero = zeroOf(now.getType());
    return known = WindowOp::create(b, inside.getLoc(), type, now, zero, counter.active, /*reset=*/nullptr,
                                    b.getStringAttr(nameOf(inside.getDefiningOp())));
  }

  /// Hands early values to the late part and to what reads the scan's results.
  void collect(IRMapping &mapping) {
    for (Operation *end : ends) {
      Value source = isa<InitialOp>(end) ? end->getResult(0) : end->getOperand(0);
      Value now = isa<StackOp>(end) ? windowOf(source, mapping) : mapping.lookup(source);
      for (auto [result, yielded] : llvm::zip(scan.getResults(), bodyOf(scan).getTerminator()->getOperands()))
        if (yielded == end->getResult(0)) result.replaceAllUsesWith(now);
      end->getResult(0).replaceUsesWithIf(now, [&](OpOperand &use) { return !isa<YieldOp>(use.getOwner()); });
    }
    for (Value v : stored) {
      Value window = windowOf(v, mapping);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&bodyOf(scan));
      Value t = ConvertOp::create(b, v.getLoc(), b.getIndexType(), bodyOf(scan).getArgument(0));
      Value row = makeEach(b, v.getLoc(), v.getType(), [&](ValueRange at) -> Value {
        SmallVector<Value> indices{t};
        llvm::append_range(indices, at);
        return readLeading(b, v.getLoc(), window, indices);
      });
      v.replaceUsesWithIf(row, [&](OpOperand &use) {
        Operation *top = ownerOf(use.getOwner());
        return top && !isa<YieldOp>(top) && (late.contains(top) || again.contains(top));
      });
    }
  }

  // ---- for the report

  void describe(bool worth) {
    SmallVector<std::string> names;
    if (worth)
      for (Operation &op : bodyOf(scan).without_terminator())
        if (std::string name = nameOf(&op); early.contains(&op) && !name.empty() && !llvm::is_contained(names, name))
          names.push_back(name);
    Reasons reasons;
    for (auto &[op, why] : roots)
      if (!isa<StackOp, FinalOp>(op) || usedInside(op)) reasons.push_back({op, why});
    if (!worth) reasons.push_back({scan, "nothing else takes work"});
    note(names, reasons);
  }

  bool usedInside(Operation *end) {
    return llvm::any_of(end->getUsers(), [](Operation *user) { return !isa<YieldOp>(user); });
  }

  void note(ArrayRef<std::string> names, const Reasons &reasons) {
    MLIRContext *context = b.getContext();
    SmallVector<Attribute> early, why;
    for (const std::string &name : names) early.push_back(StringAttr::get(context, name));
    for (auto &[op, text] : reasons) {
      std::string name = isa<ScanOp, StackOp, FinalOp>(op) ? "" : nameOf(op);
      Attribute line = StringAttr::get(context, (name.empty() ? "" : "`" + name + "` ") + text);
      if (!llvm::is_contained(why, line)) why.push_back(line);
    }
    notes.push_back(b.getDictionaryAttr({
        b.getNamedAttr("index", b.getStringAttr(scan.getIndexName().value_or(""))),
        b.getNamedAttr("length", b.getI64IntegerAttr(counter.length)),
        b.getNamedAttr("early", b.getArrayAttr(early)),
        b.getNamedAttr("late", b.getArrayAttr(why)),
    }));
  }

  ScanOp scan;
  Counter counter;
  Block *block;
  OpBuilder b;
  Location loc;
  std::vector<Attribute> &notes;
  DenseMap<Value, bool> segments, held;
  DenseMap<Operation *, std::string> late; ///< with the reason, empty if it is an operand's
  Reasons roots;
  llvm::SetVector<Value> stored;      ///< early values that the late part reads
  DenseSet<Operation *> again;        ///< early operations that the late part executes again
  DenseSet<Value> kept;               ///< segments that the late part reads
  SmallVector<Operation *> ends;      ///< of early values: stack, final; initial
  llvm::SetVector<Operation *> early; ///< to be executed as elements arrive
  bool hasRecurrence = false;
  DenseMap<Value, Value> latches, elements, windows;
  Value startFlag, indexValue;
};

} // namespace

std::optional<Counter> periodicClock(Value flag) {
  auto match = [&](Value equal, Value active) -> std::optional<Counter> {
    auto eq = equal.getDefiningOp<EqOp>();
    if (!eq) return std::nullopt;
    Counter c;
    c.now = eq.getLhs(), c.active = active, c.last = flag;
    auto memory = c.now.getDefiningOp<FbyOp>();
    if (auto select = c.now.getDefiningOp<SelectOp>(); select && isConstantOf(select.getYes(), 0)) {
      c.reset = select.getCondition();
      memory = select.getNo().getDefiningOp<FbyOp>();
    }
    if (!memory || !isConstantOf(memory.getInit(), 0)) return std::nullopt;
    Value next = memory.getValue();
    if (active) {
      auto select = next.getDefiningOp<SelectOp>();
      if (!select || select.getCondition() != active || select.getNo() != c.now) return std::nullopt;
      next = select.getYes();
    }
    auto wrap = next.getDefiningOp<SelectOp>();
    auto add = wrap ? wrap.getNo().getDefiningOp<AddOp>() : AddOp();
    auto isEnd = wrap ? wrap.getCondition().getDefiningOp<EqOp>() : EqOp();
    if (!add || !isEnd || !isConstantOf(wrap.getYes(), 0) || isEnd.getLhs() != add.getResult()) return std::nullopt;
    if (add.getLhs() != c.now || !isConstantOf(add.getRhs(), 1)) return std::nullopt;
    auto length = isEnd.getRhs().getDefiningOp<ConstOp>();
    auto number = length ? dyn_cast<IntegerAttr>(length.getValue()) : IntegerAttr();
    auto phase = eq.getRhs().getDefiningOp<ConstOp>();
    if (!number || !phase) return std::nullopt;
    c.length = number.getValue().getSExtValue();
    c.phase = cast<IntegerAttr>(phase.getValue()).getValue().getSExtValue();
    return c;
  };
  if (auto both = flag.getDefiningOp<AndOp>()) {
    if (auto c = match(both.getRhs(), both.getLhs())) return c;
    return match(both.getLhs(), both.getRhs());
  }
  return match(flag, Value());
}

LogicalResult streamSegments(ModuleOp module) {
  for (NodeOp node : module.getOps<NodeOp>()) {
    std::vector<Attribute> notes;
    SmallVector<ScanOp> scans(bodyOf(node).getOps<ScanOp>());
    for (ScanOp scan : scans) {
      auto counter = scan.getWhen() ? periodicClock(scan.getWhen()) : std::nullopt;
      if (!counter || counter->phase != counter->length - 1 || counter->length < 2) continue;
      if (counter->length != static_cast<int64_t>(scan.getLength())) continue;
      Segment(scan, *counter, notes).run();
    }
    if (!notes.empty()) node->setAttr("mlr.segments", ArrayAttr::get(node.getContext(), notes));
  }
  return success();
}

} // namespace mlr::dataflow
