#include "mlr/Store/Lifetimes.h"
#include "mlr/Store/Access.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

/// a ends in the scan in which b begins, and at some level each row is read for the last time before it is
/// written.
static bool handsOver(const Segment &a, const Segment &b) {
  for (auto [last, first] : llvm::zip(a.endRows, b.beginRows)) {
    if (last.scan != first.scan || last.stride != first.stride) return false;
    if (last.moment < first.moment) return true;
  }
  return false;
}

bool compatible(const Segment &a, const Segment &b) {
  if (a.end < b.begin || b.end < a.begin) return true;
  return a.begin < b.begin ? handsOver(a, b) : handsOver(b, a);
}

Lifetimes::Lifetimes(NodeOp node, const Storage &storage, const Timeline &timeline)
    : node(node), storage(storage), timeline(timeline) {
  segments.resize(storage.roots.size());
  addParts();
  for (unsigned i = 0; i < storage.roots.size(); ++i)
    if (storage.roots[i].kind == Root::Slot) addSlot(i);
  for (auto &[owner, home] : storage.allOwners()) addWrites(owner);
  for (unsigned i = 0; i < storage.roots.size(); ++i) describeRows(i);
  walkInTime(bodyOf(node), [&](Operation *op) { addUses(op); });
  findHandovers();
}

bool Lifetimes::hasSegments(const Place *place) const {
  return place && storage.roots[place->root].kind >= Root::Slot;
}

int64_t Lifetimes::instantEnd(Operation *op) const {
  ScanOp scan = enclosingScan(op);
  return 2 * (scan ? timeline.end(scan) : timeline.last()) + 1;
}

int64_t Lifetimes::outputMoment() const { return 2 * timeline.begin(bodyOf(node).getTerminator()) + 1; }

void Lifetimes::addParts() {
  for (auto &[owner, home] : storage.allOwners())
    if (const Storage::Link *link = storage.link(owner)) parts[link->parent].push_back(owner);
}

// ---- where memory begins to be needed
// ----------------------------------------------------------------------------

void Lifetimes::addSlot(unsigned root) {
  const Root &slot = storage.roots[root];
  Operation *op = slot.value.getDefiningOp();
  int64_t begin = slot.home.state ? kBeforeStep : 2 * timeline.begin(slot.home.scan) + 1;
  int64_t end = slot.home.state ? kAfterStep : 2 * timeline.end(slot.home.scan) + 1;
  bool whole = isa<WindowOp, RowsOp, FirstOp>(op) || !isa<RankedTensorType>(slot.value.getType());
  if (whole) segments[root].push_back({begin, end, {}, {}});
  else segments[root] = {Segment{begin, begin, {}, {}}, Segment{instantEnd(op), end, {}, {}}};
}

/// The scan at a depth around an operation.
static ScanOp scanAt(Operation *op, unsigned depth) {
  ScanOp scan;
  for (unsigned up = scanDepth(op) - depth; up-- > 0;) scan = enclosingScan(scan ? scan.getOperation() : op);
  return scan;
}

void Lifetimes::addWrites(Value owner) {
  const Place *place = storage.place(owner);
  Operation *def = owner.getDefiningOp();
  if (!hasSegments(place) || storage.roots[place->root].kind == Root::Slot ||
      isa<FbyOp, EbyOp, WindowOp, RowsOp>(def))
    return;
  int64_t position = timeline.begin(def);
  int64_t begin = place->offset == 0 ? 2 * position + 1 : 2 * position, end = 2 * position + 1;
  ScanOp whole; // the scan during all of which the memory is needed
  if (isa<FinalOp, InitialOp>(def)) {
    auto scan = cast<ScanOp>(def->getParentOp());
    bool up = !scan.getSweep() || *scan.getSweep() == Direction::Up;
    if (isa<FinalOp>(def) != up) whole = scan;
    end = 2 * timeline.end(scan) + 1;
  }
  if (isa<StackOp>(def)) whole = cast<ScanOp>(def->getParentOp());
  if (!place->rows.empty()) whole = scanAt(def, place->rows.front().depth);
  if (whole) begin = 2 * timeline.begin(whole) + 1, end = 2 * timeline.end(whole) + 1;
  auto &own = segments[place->root];
  if (own.empty()) own.push_back({begin, end, {}, {}});
  own[0].begin = std::min(own[0].begin, begin);
  own[0].end = std::max(own[0].end, end);
}

/// First moment within an instant of `body` at which something of the owner is written. Even, before all that
/// the same operation reads, unless it is a gen that writes from the start of the row.
int64_t Lifetimes::firstWrite(Value owner, Block &body, bool atRowStart) const {
  Operation *def = owner.getDefiningOp(), *at = body.findAncestorOpInBlock(*def);
  if (!at) return kBeforeStep;
  int64_t first = 2 * timeline.begin(at) + (at == def && isa<GenOp, ScatterOp>(def) && atRowStart);
  auto inside = parts.find(owner);
  if (inside == parts.end()) return first;
  for (Value part : inside->second) {
    const Storage::Link *link = storage.link(part);
    first = std::min(first, firstWrite(part, body, atRowStart && link->offset == 0));
  }
  return first;
}

void Lifetimes::describeRows(unsigned root) {
  Value owner = storage.roots[root].value;
  while (owner) {
    auto stack = owner.getDefiningOp<StackOp>();
    if (!stack) return;
    auto scan = cast<ScanOp>(stack->getParentOp());
    auto inside = parts.find(owner);
    owner = inside == parts.end() ? Value() : inside->second.front();
    int64_t moment = owner ? firstWrite(owner, bodyOf(scan), true) : 2 * timeline.begin(stack) + 1;
    segments[root][0].beginRows.push_back({scan, elementCount(stack.getValue().getType()), moment});
    // One level further in if the row is itself stacked, in a scan directly in this one.
    if (owner && owner.getDefiningOp()->getParentOp()->getParentOp() != scan) return;
  }
}

// ---- how long it is needed
// -----------------------------------------------------------------------------------------

void Lifetimes::needUntil(unsigned root, int64_t end, ArrayRef<RowMoment> rows) {
  Segment &s = segments[root][0];
  if (end < s.end) return;
  if (end > s.end) {
    s.end = end;
    s.endRows.assign(rows.begin(), rows.end());
    return;
  }
  size_t common = 0;
  while (common < std::min(rows.size(), s.endRows.size()) && rows[common].scan == s.endRows[common].scan &&
         rows[common].stride == s.endRows[common].stride) {
    s.endRows[common].moment = std::max(s.endRows[common].moment, rows[common].moment);
    ++common;
  }
  s.endRows.truncate(common);
}

/// The outermost scan directly in `block` around an operation; null if the operation itself stands in it.
static ScanOp scanInBlock(Operation *at, Block *block) {
  Operation *ancestor = block->findAncestorOpInBlock(*at);
  return ancestor == at ? ScanOp() : dyn_cast_or_null<ScanOp>(ancestor);
}

void Lifetimes::need(Value value, Operation *at, int64_t moment) {
  const Place *place = storage.place(value);
  if (!hasSegments(place) || !isa<RankedTensorType>(value.getType())) return;
  ScanOp capture = scanInBlock(at, storage.level(value));
  needUntil(place->root, capture ? 2 * timeline.end(capture) + 1 : moment, {});
}

void Lifetimes::addReads(Operation *op) {
  auto gen = dyn_cast<GenOp>(op);
  op->walk([&](ReadOp read) {
    const Place *place = storage.place(read.getSource());
    if (!hasSegments(place)) return;
    Block *level = storage.level(read.getSource());
    Access a = access(read, op, level);
    int64_t position = timeline.begin(op);
    if (a.rows.empty()) {
      need(read.getSource(), op, a.ownElement ? 2 * position : 2 * position + 1);
      const Place *target = gen ? storage.place(gen.getResult()) : nullptr;
      if (target && a.ownElement && place->offset == 0 && place->rows.empty())
        candidates.push_back({{place->root, target->root}, 2 * position});
      return;
    }
    // Row by row: at each level the read, or the scan further in that does it.
    SmallVector<RowMoment> rows;
    int64_t stride = elementCount(read.getSource().getType());
    for (auto [k, scan] : llvm::enumerate(a.rows)) {
      stride /= std::max<int64_t>(1, shapeOf(read.getSource().getType())[k]);
      Operation *at = bodyOf(scan).findAncestorOpInBlock(*op);
      bool own = at == op && a.ownElement && k + 1 == a.rows.size();
      rows.push_back({scan, stride, own ? 2 * position : 2 * timeline.end(at) + 1});
    }
    if (place->offset != 0 || !place->rows.empty()) rows.clear();
    needUntil(place->root, 2 * timeline.end(scanInBlock(op, level)) + 1, rows);
  });
}

/// What the updates are added to is read element by element as it is written.
void Lifetimes::addScatter(ScatterOp op) {
  int64_t position = timeline.begin(op);
  for (Value operand : op->getOperands()) need(operand, op, operand == op.getInit() ? 2 * position : 2 * position + 1);
  for (Value operand : op->getOperands().drop_front())
    if (operand == op.getInit()) need(operand, op, 2 * position + 1);
  const Place *from = storage.place(op.getInit()), *to = storage.place(op.getResult());
  if (hasSegments(from) && to && from->offset == 0 && from->rows.empty()) candidates.push_back({{from->root, to->root}, 2 * position});
}

void Lifetimes::addInit(Operation *slot, Value init) {
  SlotHome home = slotHome(slot);
  if (home.scan) need(init, home.scan, 2 * timeline.begin(home.scan) + 1);
}

void Lifetimes::addUses(Operation *op) {
  int64_t read = 2 * timeline.begin(op) + 1;
  if (auto fby = dyn_cast<FbyOp>(op)) {
    need(fby.getValue(), op, instantEnd(op));
    addInit(op, fby.getInit());
  } else if (auto eby = dyn_cast<EbyOp>(op)) {
    need(eby.getValue(), op, instantEnd(op));
    addInit(op, eby.getEnd());
  } else if (auto window = dyn_cast<WindowOp>(op)) {
    need(window.getValue(), op, read);
    addInit(op, window.getInit());
  } else if (auto rows = dyn_cast<RowsOp>(op)) {
    need(rows.getValue(), op, read);
    need(rows.getInit(), op, read);
    addInit(op, rows.getInit());
  } else if (auto scatter = dyn_cast<ScatterOp>(op)) {
    addScatter(scatter);
  } else if (auto put = dyn_cast<PutOp>(op)) {
    need(put.getValue(), op, read);
    need(put.getCell(), op, read);
  } else if (isa<FinalOp, InitialOp>(op)) {
    // Of an alias nothing is read here.
    if (storage.owner(op->getResult(0)) == op->getResult(0)) need(op->getOperand(0), op, read);
  } else if (isa<StackOp, ConcatOp, ExternOp>(op) || (isa<YieldOp>(op) && isa<NodeOp>(op->getParentOp()))) {
    for (Value operand : op->getOperands()) need(operand, op, read);
  } else if (isa<YieldOp>(op)) {
    // What a scan yields is there at its end, whether or not it is read later.
    for (Value operand : op->getOperands()) need(operand, op, instantEnd(op));
  } else if (!isa<ScanOp, ReshapeOp>(op)) {
    addReads(op);
  }
}

void Lifetimes::findHandovers() {
  for (const Candidate &c : candidates)
    if (segments[c.roots.from][0].end == c.moment) ownElements.push_back(c.roots);
  for (unsigned i = 0; i < segments.size(); ++i)
    if (!segments[i].empty() && !segments[i][0].endRows.empty())
      endingIn[segments[i][0].endRows.front().scan].push_back(i);
}

} // namespace mlr::store
