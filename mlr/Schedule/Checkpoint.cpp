// The two sweeps of a crossing with checkpoints in between.
//
// Instants count in the producer's order of execution: e = 0 .. N-1, where e = t in an up sweep and N-1-t in a down sweep;
// block q holds the instants e with e / block = q. Checkpoint number k is the state before block at[k], row k of the cells;
// at[0] = 0 < at[1] < .. at[held-1]. A sweep that advances from a checkpoint through block `last` leaves the next one where the
// least advances follow: of l blocks to come back over with k checkpoints, at the split of `emitSplit`.
#include "mlr/Schedule/Checkpoint.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

class Checkpointer {
public:
  Checkpointer(Crossing &crossing, Slots chosen)
      : c(crossing), slots(chosen.slots), length(chosen.block), producer(crossing.producer), consumer(crossing.consumer),
        up(producer.getSweep() != Direction::Down), loc(producer.getLoc()), b(producer) {}

  void run() {
    addStates();
    makeCells();
    saveInProducer();
    rebuildProducer();
    readBack();
    dropDead(bodyOf(producer));
  }

private:
  Crossing &c;
  const int64_t slots, length; ///< length: of a block
  ScanOp producer, consumer;
  ScanOp old;    ///< the producer as it was, without its body: what still reads its arrays
  const bool up; ///< the producer's direction
  Location loc;
  OpBuilder b;
  SmallVector<Value> cells; ///< of the states
  Value positions;          ///< cell of `at`
  Value held;               ///< checkpoints that the producer has left; a result of it
  llvm::DenseMap<unsigned, Value> stacked; ///< what each array collects
  llvm::DenseMap<int64_t, Value> constants;

  struct Control {
    Value held, next; ///< checkpoints; the block before which the next one is left, -1 if none is
  };

  // ---- building blocks

  template <typename Op> Value binary(Value x, Value y) { return Op::create(b, loc, x, y); }
  template <typename Op> Value compare(Value x, Value y) { return Op::create(b, loc, b.getI1Type(), x, y); }
  Value select(Value condition, Value yes, Value no) { return SelectOp::create(b, loc, condition, yes, no); }
  Value convert(Value x, Type type) { return ConvertOp::create(b, loc, type, x); }

  // In front of both sweeps: an i32 or i64.
  Value constant(int64_t value, unsigned bits = 32) {
    Value &known = constants[value * 2 + (bits == 64)];
    if (known) return known;
    OpBuilder before(producer);
    return known = ConstOp::create(before, loc, before.getIntegerAttr(before.getIntegerType(bits), value));
  }

  // A value of the instant executed before, `first` at the first one. The new value is set by carryOn.
  Operation *carry(bool upwards, Value first) {
    if (upwards) return FbyOp::create(b, loc, first.getType(), first, first, StringAttr());
    return EbyOp::create(b, loc, first.getType(), first, first, StringAttr());
  }
  static void carryOn(Operation *carried, Value value) { carried->setOperand(isa<FbyOp>(carried) ? 1 : 0, value); }

  Value blockOf(Value instant) { return length == 1 ? instant : binary<DivOp>(instant, constant(length)); }
  Value placeInBlock(Value instant) { return binary<RemOp>(instant, constant(length)); }
  Value both(Value x, Value y) { return !x ? y : !y ? x : binary<AndOp>(x, y); }
  /// The first instant of a block; null if all are.
  Value startsBlock(Value instant) {
    return length == 1 ? Value() : compare<EqOp>(placeInBlock(instant), constant(0));
  }
  /// A row that may not be there where nobody looks at it.
  Value row(Value number) { return length == 1 ? number : binary<MaxOp>(number, constant(0)); }

  /// `when`, if given: nobody looks at it otherwise.
  Value read(Value cell, Value row, Value when = {}) {
    Value at = convert(row, b.getIndexType());
    auto type = cast<RankedTensorType>(cell.getType());
    auto element = [&](ValueRange indices) -> Value {
      return ReadOp::create(b, loc, type.getElementType(), cell, b.getMultiDimIdentityMap(indices.size()), indices,
                            DenseBoolArrayAttr());
    };
    if (type.getRank() == 1) return element(at);
    auto rowType = RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
    auto gen = GenOp::create(b, loc, rowType, when);
    OpBuilder::InsertionGuard guard(b);
    SmallVector<Type> indexTypes(rowType.getRank(), b.getIndexType());
    Block *block = b.createBlock(&gen.getBody(), {}, indexTypes, SmallVector<Location>(rowType.getRank(), loc));
    SmallVector<Value> indices{at};
    llvm::append_range(indices, block->getArguments());
    Value value = element(indices);
    YieldOp::create(b, loc, value);
    return gen.getResult();
  }

  // t of the producer's instant e, or the other way round.
  Value mirrored(Value instant) {
    if (up) return instant;
    Value count = producer.getUpto() ? producer.getUpto() : constant(c.length);
    return binary<SubOp>(binary<SubOp>(count, constant(1)), instant);
  }

  Value endOf(Value value, bool executedLast) {
    if (executedLast) return FinalOp::create(b, loc, value);
    return InitialOp::create(b, loc, value);
  }

  // ---- the split

  /// Blocks after which the next checkpoint is left: a segment of `l` blocks, its state at hand, `k` checkpoints with that
  /// one. 0: none is left. C(k+r-1, k) < l <= C(k+r, k) gives r; the least advances follow from any split m for which the rest
  /// l - m takes at most r and at least r - 1 repetitions with k - 1 checkpoints, and m one less with k (Griewank 1992).
  Value emitSplit(Value l, Value k, Value wanted) {
    Value on = binary<AndOp>(compare<GeOp>(l, constant(2)), compare<GeOp>(k, constant(2)));
    if (wanted) on = binary<AndOp>(on, wanted);
    Type i64 = b.getI64Type();
    Value l64 = convert(l, i64), k64 = convert(k, i64), one = constant(1, 64);
    auto search = ScanOp::create(b, loc, TypeRange{i64, i64}, Value(), on, Value(), repetitions(), false,
                                 DirectionAttr::get(b.getContext(), Direction::Up), b.getStringAttr("r"));
    {
      OpBuilder::InsertionGuard guard(b);
      Block *body = b.createBlock(&search.getBody(), {}, b.getI32Type(), loc);
      Value r = binary<AddOp>(convert(body->getArgument(0), i64), one);
      Operation *before = carry(true, one); // C(k + r - 1, k)
      Value reached = binary<DivOp>(binary<MulOp>(before->getResult(0), binary<AddOp>(k64, r)), r);
      carryOn(before, reached);
      UntilOp::create(b, loc, compare<GeOp>(reached, l64));
      SmallVector<Value> ends{endOf(reached, true), endOf(r, true)};
      YieldOp::create(b, loc, ends);
    }
    Value full = search.getResult(0), r = search.getResult(1), sum = binary<AddOp>(k64, r);
    Value less = binary<DivOp>(binary<MulOp>(full, r), sum); // C(k + r - 1, k)
    Value two = binary<DivOp>(binary<MulOp>(less, binary<SubOp>(r, one)),
                              binary<MaxOp>(binary<SubOp>(sum, one), one)); // C(k + r - 2, k)
    Value rest = binary<DivOp>(binary<MulOp>(full, k64), sum);              // C(k - 1 + r, k - 1)
    Value m = binary<MaxOp>(binary<MaxOp>(two, binary<SubOp>(l64, rest)), one);
    return select(on, convert(m, b.getI32Type()), constant(0));
  }

  /// A bound on r where there are at least two checkpoints.
  int64_t repetitions() const {
    int64_t r = 1;
    while ((r + 1) * (r + 2) / 2 < (c.length + length - 1) / length) ++r;
    return r;
  }

  /// The block before which the next checkpoint is left by a sweep that has the state before block `from` and goes on through
  /// block `last`, with `held` checkpoints, that one included.
  Value nextAfter(Value from, Value last, Value held, Value wanted) {
    if (slots == 1) return constant(-1);
    Value l = binary<AddOp>(binary<SubOp>(last, from), constant(1));
    Value k = binary<SubOp>(constant(slots + 1), held);
    Value m = emitSplit(l, k, wanted);
    return select(compare<GtOp>(m, constant(0)), binary<AddOp>(from, m), constant(-1));
  }

  /// At the start of instant e: leaves a checkpoint if it is due. `due`, if given, becomes whether it is.
  Control save(Control now, Value e, Value last, ArrayRef<Value> states, Value *wasDue = nullptr) {
    Value q = blockOf(e), due = both(startsBlock(e), compare<EqOp>(q, now.next));
    put(now.held, q, states, due);
    Value held = binary<AddOp>(now.held, select(due, constant(1), constant(0)));
    if (wasDue) *wasDue = due;
    return {held, select(due, nextAfter(q, last, held, due), now.next)};
  }

  void put(Value row, Value q, ArrayRef<Value> states, Value when) {
    for (auto [cell, state] : llvm::zip(cells, states)) PutOp::create(b, loc, state, cell, row, when);
    PutOp::create(b, loc, q, positions, row, when);
  }

  // ---- the producer

  /// Values that the consumer reads one instant before become states.
  void addStates() {
    b.setInsertionPointToStart(&bodyOf(producer));
    for (Value v : c.before) {
      OpBuilder outside(producer);
      Value zero = ConstOp::create(outside, loc, cast<TypedAttr>(outside.getZeroAttr(v.getType())));
      Operation *state = carry(up, zero);
      carryOn(state, v);
      c.states.push_back(state);
      c.slice.insert(c.slice.begin(), state);
    }
  }

  Value cell(int64_t rows, Type value, StringAttr name) {
    SmallVector<int64_t> shape{rows};
    if (auto tensor = dyn_cast<RankedTensorType>(value)) llvm::append_range(shape, tensor.getShape());
    OpBuilder before(producer);
    return CellOp::create(before, loc, RankedTensorType::get(shape, getElementTypeOrSelf(value)), name);
  }

  void makeCells() {
    for (Operation *state : c.states)
      cells.push_back(cell(slots + 1, state->getResult(0).getType(), state->getAttrOfType<StringAttr>("name")));
    positions = cell(slots + 1, b.getI32Type(), b.getStringAttr("instants"));
  }

  void saveInProducer() {
    Block &body = bodyOf(producer);
    // The states stand first: what is saved is their old value.
    for (Operation *state : llvm::reverse(c.states)) {
      state->moveBefore(&body, body.begin());
      Operation *border = state->getOperand(isa<FbyOp>(state) ? 0 : 1).getDefiningOp();
      if (border && border->getBlock() == &body) border->moveBefore(producer); // a constant
    }
    b.setInsertionPointAfter(c.states.back());
    Operation *held = carry(up, constant(0)), *next = carry(up, constant(0));
    SmallVector<Value> states;
    for (Operation *state : c.states) states.push_back(state->getResult(0));
    Value e = mirrored(body.getArgument(0)), last = blockOf(binary<SubOp>(longest(), constant(1))), due;
    // Checkpoints are of one run, whatever else a scan that resumes keeps.
    Control now{held->getResult(0), next->getResult(0)};
    if (producer.getResume()) {
      Value first = compare<EqOp>(e, constant(0));
      now = {select(first, constant(0), now.held), select(first, constant(0), now.next)};
    }
    Control after = save(now, e, last, states, &due);
    carryOn(held, after.held);
    carryOn(next, after.next);
    // The state before the last block, which may be any one if the sweep finds its number of instants out.
    Value starts = startsBlock(e), spare = both(starts, compare<EqOp>(after.held, now.held));
    if (llvm::none_of(body, [](Operation &op) { return isa<UntilOp>(op); }))
      spare = both(spare, compare<EqOp>(blockOf(e), last));
    put(after.held, blockOf(e), states, spare);
    Value one = select(spare, constant(1), constant(0));
    if (starts) {
      Operation *inBlock = carry(up, constant(0));
      one = select(starts, one, inBlock->getResult(0));
      carryOn(inBlock, one);
    }
    Value all = binary<AddOp>(after.held, one);
    b.setInsertionPoint(body.getTerminator());
    this->held = endOf(all, up);
  }

  // The number of instants, or the most if the producer finds it out.
  Value longest() { return producer.getUpto() ? producer.getUpto() : constant(c.length); }

  /// Without the arrays, with the number of checkpoints.
  void rebuildProducer() {
    Operation *end = bodyOf(producer).getTerminator();
    SmallVector<Value> yielded;
    SmallVector<int> to(producer.getNumResults(), -1);
    for (auto [r, value] : llvm::enumerate(end->getOperands())) {
      if (llvm::is_contained(c.results, r)) {
        stacked[r] = value.getDefiningOp<StackOp>().getValue();
        continue;
      }
      to[r] = yielded.size();
      yielded.push_back(value);
    }
    yielded.push_back(held);
    SmallVector<Type> types = llvm::to_vector(ValueRange(yielded).getTypes());
    b.setInsertionPoint(producer);
    ScanOp fresh =
        ScanOp::create(b, producer.getLoc(), types, producer.getUpto(), producer.getWhen(), Value(), producer.getLength(),
                       producer.getResume(), producer.getSweepAttr(), producer.getIndexNameAttr());
    for (NamedAttribute attribute : producer->getDiscardableAttrs())
      fresh->setDiscardableAttr(attribute.getName(), attribute.getValue());
    end->setOperands(yielded);
    fresh.getBody().takeBody(producer.getBody());
    for (auto [r, result] : llvm::enumerate(producer.getResults()))
      if (to[r] >= 0) result.replaceAllUsesWith(fresh.getResult(to[r]));
    held = fresh.getResults().back();
    old = producer;
    producer = fresh;
  }

  // ---- the consumer

  void readBack() {
    Block &body = bodyOf(consumer);
    b.setInsertionPointToStart(&body);
    Value e = mirrored(body.getArgument(0)), q = blockOf(e), fresh = entersBlock(e);
    // Checkpoints are of one run here too: a sweep that resumes would go on from the count of the run before.
    bool resumes = consumer.getResume();
    Operation *carried = carry(!up, resumes ? constant(0) : held);
    Value now = carried->getResult(0);
    if (resumes) now = select(entersFirst(e), held, now);
    Value top = row(binary<SubOp>(now, constant(1)));
    Value from = read(positions, top);
    IRMapping restored;
    for (auto [cell, state] : llvm::zip(cells, c.states)) restored.map(state->getResult(0), read(cell, top, fresh));
    Value next = nextAfter(from, q, now, fresh);
    ScanOp again = advance({now, next}, from, e, q, fresh, restored);
    // The state before this block is not needed for those before it.
    Value left = fresh ? select(fresh, again.getResult(0), now) : again.getResult(0);
    Value reached = both(fresh, compare<EqOp>(read(positions, row(binary<SubOp>(left, constant(1)))), q));
    carryOn(carried, select(reached, binary<SubOp>(left, constant(1)), left));
    Value place = length == 1 ? Value() : convert(placeInBlock(e), b.getIndexType());
    for (auto [r, value] : sorted(stacked)) replaceReads(old.getResult(r), value, again, place);
    old->erase();
  }

  /// The consumer's first instant, which is the producer's last.
  Value entersFirst(Value e) {
    Value count = consumer.getUpto() ? consumer.getUpto() : constant(c.length);
    return compare<EqOp>(binary<AddOp>(e, constant(1)), count);
  }

  /// The instant at which the consumer comes to a block: its last one, or the last of all. Null: every one.
  Value entersBlock(Value e) {
    if (length == 1) return {};
    Value after = binary<AddOp>(e, constant(1));
    return binary<OrOp>(entersFirst(e), compare<EqOp>(placeInBlock(after), constant(0)));
  }

  llvm::MapVector<Value, unsigned> handed; ///< a value of the producer: result of the advance, or its tape
  SmallVector<Value> tapes;                ///< cells of one block, by the same numbers less one

  void collectHanded() {
    for (auto [r, value] : sorted(stacked)) {
      hand(value);
      for (OpOperand &use : old.getResult(r).getUses())
        if (readsBefore(cast<ReadOp>(use.getOwner()))) hand(stateOf(value));
    }
    if (length > 1)
      for (auto &[value, number] : handed) tapes.push_back(cell(length, value.getType(), StringAttr()));
  }

  /// Executes the instants from block `from` through e again. Results: checkpoints held; without tapes also the values handed
  /// to the consumer.
  ScanOp advance(Control start, Value from, Value e, Value q, Value fresh, const IRMapping &restored) {
    collectHanded();
    SmallVector<Type> types{b.getI32Type()};
    if (tapes.empty())
      for (auto &[value, number] : handed) types.push_back(value.getType());
    Value first = length == 1 ? from : binary<MulOp>(from, constant(length));
    Value count = binary<AddOp>(binary<SubOp>(e, first), constant(1));
    auto again = ScanOp::create(b, loc, types, count, fresh, Value(), c.length, false,
                                DirectionAttr::get(b.getContext(), Direction::Up), producer.getIndexNameAttr());
    again->setDiscardableAttr("mlr.total", b.getI64IntegerAttr(recomputedInstants(c.length, {slots, length})));
    OpBuilder::InsertionGuard guard(b);
    Block *body = b.createBlock(&again.getBody(), {}, b.getI32Type(), loc);
    IRMapping map;
    SmallVector<Operation *> states;
    SmallVector<Value> saved;
    for (Operation *state : c.states) {
      Value first = restored.lookup(state->getResult(0));
      states.push_back(FbyOp::create(b, state->getLoc(), first.getType(), first, first,
                                     state->getAttrOfType<StringAttr>("name")));
      map.map(state->getResult(0), states.back()->getResult(0));
      saved.push_back(states.back()->getResult(0));
    }
    Operation *held = carry(true, start.held), *next = carry(true, start.next);
    Value now = binary<AddOp>(first, body->getArgument(0));
    map.map(bodyOf(producer).getArgument(0), mirrored(now));
    Control after = save({held->getResult(0), next->getResult(0)}, now, q, saved);
    carryOn(held, after.held);
    carryOn(next, after.next);
    for (Operation *op : c.slice)
      if (!llvm::is_contained(c.states, op)) b.clone(*op, map);
    for (auto [state, copy] : llvm::zip(c.states, states))
      carryOn(copy, map.lookupOrDefault(state->getOperand(isa<FbyOp>(state) ? 1 : 0)));
    if (!tapes.empty()) record(now, q, map);
    SmallVector<Value> ends{endOf(after.held, true)};
    if (tapes.empty())
      for (auto &[value, number] : handed) ends.push_back(endOf(map.lookupOrDefault(value), true));
    YieldOp::create(b, loc, ends);
    return again;
  }

  /// What the consumer will read of block q.
  void record(Value now, Value q, const IRMapping &map) {
    Value wanted = compare<EqOp>(blockOf(now), q), place = placeInBlock(now);
    for (auto [entry, tape] : llvm::zip(handed, tapes))
      PutOp::create(b, loc, map.lookupOrDefault(entry.first), tape, place, wanted);
  }

  static std::vector<std::pair<unsigned, Value>> sorted(const llvm::DenseMap<unsigned, Value> &map) {
    std::vector<std::pair<unsigned, Value>> list(map.begin(), map.end());
    llvm::sort(list, [](auto &x, auto &y) { return x.first < y.first; });
    return list;
  }

  void hand(Value value) { handed.insert({value, handed.size() + 1}); }

  Value rowOf(ReadOp read) {
    auto dim = cast<AffineDimExpr>(read.getMap().getResult(0));
    return read.getIndices()[dim.getPosition()].getDefiningOp<ConvertOp>().getValue();
  }
  bool readsBefore(ReadOp read) { return rowOf(read) != bodyOf(consumer).getArgument(0); }

  /// The recurrence that has the value of the instant before.
  Value stateOf(Value value) {
    for (Operation *state : c.states)
      if (state->getOperand(isa<FbyOp>(state) ? 1 : 0) == value) return state->getResult(0);
    return {};
  }

  /// Row t of the array is what the advance has computed: just now, or at `place` of the tape.
  void replaceReads(Value array, Value value, ScanOp again, Value place) {
    for (OpOperand &use : llvm::make_early_inc_range(array.getUses())) {
      auto read = cast<ReadOp>(use.getOwner());
      unsigned number = handed.lookup(readsBefore(read) ? stateOf(value) : value);
      if (place) {
        onTape(read, tapes[number - 1], place);
        continue;
      }
      Value row = again.getResult(number);
      if (isa<RankedTensorType>(row.getType())) {
        OpBuilder at(read);
        row = withoutAxis(at, read, row);
      }
      read.getResult().replaceAllUsesWith(row);
      read.erase();
    }
  }

  static void onTape(ReadOp read, Value tape, Value place) {
    unsigned dim = cast<AffineDimExpr>(read.getMap().getResult(0)).getPosition(), fresh = read.getIndices().size();
    OpBuilder at(read);
    SmallVector<Value> indices(read.getIndices());
    indices.push_back(place);
    SmallVector<AffineExpr> results(read.getMap().getResults());
    results[0] = at.getAffineDimExpr(fresh);
    AffineMap map = AffineMap::get(fresh + 1, 0, results, at.getContext());
    // The instant stands on no other axis, as a rule; then its operand is not needed.
    if (!map.isFunctionOfDim(dim)) {
      indices.erase(indices.begin() + dim);
      SmallVector<AffineExpr> dims;
      for (unsigned k = 0; k <= fresh; ++k)
        dims.push_back(k == dim ? at.getAffineConstantExpr(0) : at.getAffineDimExpr(k - (k > dim)));
      map = map.replaceDimsAndSymbols(dims, {}, fresh, 0);
    }
    Value element = ReadOp::create(at, read.getLoc(), read.getResult().getType(), tape, map, indices, read.getClampAttr());
    read.getResult().replaceAllUsesWith(element);
    read.erase();
  }

  static Value withoutAxis(OpBuilder &at, ReadOp read, Value row) {
    AffineMap map = read.getMap().dropResult(0);
    SmallVector<Value> indices;
    SmallVector<AffineExpr> dims;
    for (auto [k, index] : llvm::enumerate(read.getIndices())) {
      bool used = map.isFunctionOfDim(k);
      dims.push_back(used ? at.getAffineDimExpr(indices.size()) : at.getAffineConstantExpr(0));
      if (used) indices.push_back(index);
    }
    map = map.replaceDimsAndSymbols(dims, {}, indices.size(), 0);
    DenseBoolArrayAttr clamp;
    if (auto flags = read.getClamp()) clamp = at.getDenseBoolArrayAttr(flags->drop_front());
    return ReadOp::create(at, read.getLoc(), read.getResult().getType(), row, map, indices, clamp);
  }

  /// What only the arrays needed.
  static void dropDead(Block &body) {
    bool again = true;
    while (again) {
      again = false;
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
        if (op.use_empty() && isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>()) {
          op.erase();
          again = true;
        }
    }
  }
};

} // namespace

void checkpoint(std::vector<Crossing> crossings, ArrayRef<Slots> slots) {
  for (auto [crossing, chosen] : llvm::zip(crossings, slots))
    if (chosen.slots > 0) Checkpointer(crossing, chosen).run();
}

int64_t binomialAdvances(int64_t length, int64_t slots) {
  if (length <= 1) return 0;
  if (slots == 1) return length % 2 ? (length - 1) / 2 * length : length / 2 * (length - 1);
  // C(slots + r, slots), and the same for r - 1 with slots + 1 in place of slots, which is the sum of those before.
  __int128 reached = 1, sum = 0;
  int64_t r = 0;
  while (reached < length) {
    sum += reached;
    ++r;
    reached = reached * (slots + r) / r;
  }
  __int128 advances = static_cast<__int128>(r) * length - sum;
  return advances > INT64_MAX ? INT64_MAX : static_cast<int64_t>(advances);
}

int64_t recomputedInstants(int64_t length, Slots chosen) {
  int64_t blocks = (length + chosen.block - 1) / chosen.block;
  // All advances but those of the producer; the last block is never advanced through, so that all of these are whole.
  int64_t again = binomialAdvances(blocks, chosen.slots) - (blocks - 1), sum = 0;
  if (llvm::MulOverflow(again, chosen.block, sum) || llvm::AddOverflow(sum, length, sum)) return INT64_MAX;
  return sum;
}

} // namespace mlr::schedule
