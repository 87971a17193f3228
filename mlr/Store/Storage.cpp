#include "mlr/Store/Storage.h"
#include "mlr/Store/Access.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

Storage::Storage(NodeOp node, const Timeline &timeline) : timeline(timeline) {
  addOwners(node);
  walkInTime(bodyOf(node), [&](Operation *op) { embed(op); });
  addPlaces();
}

Value Storage::owner(Value value) const {
  auto it = aliasOf.find(value);
  return it == aliasOf.end() ? value : it->second;
}

Block *Storage::level(Value value) const {
  auto it = levels.find(value);
  return it == levels.end() ? value.getParentBlock() : it->second;
}

const Place *Storage::place(Value value) const {
  auto it = places.find(owner(value));
  return it == places.end() ? nullptr : &it->second;
}

const Storage::Link *Storage::link(Value owner) const {
  auto it = links.find(owner);
  return it == links.end() ? nullptr : &it->second;
}

void Storage::addOwner(Value value, Root::Kind kind, SlotHome home) {
  if (kinds.try_emplace(value, kind).second) owners.push_back({value, home});
}

void Storage::addOwners(NodeOp node) {
  for (BlockArgument arg : bodyOf(node).getArguments()) addOwner(arg, Root::Argument);
  // Results of a scan are aliases of what its body yields, known when the body has been seen.
  walkInTime(
      bodyOf(node),
      [&](Operation *op) {
        if (!isa<ScanOp>(op)) addAliases(op);
      },
      [&](ScanOp scan) {
        for (auto [result, yielded] :
             llvm::zip(scan.getResults(), bodyOf(scan).getTerminator()->getOperands()))
          if (isa<RankedTensorType>(result.getType())) {
            aliasOf[result] = owner(yielded);
            levels[result] = level(yielded) == &bodyOf(scan) ? scan->getBlock() : level(yielded);
          }
      });
}

void Storage::addAliases(Operation *op) {
  // Constants may stand inside gens.
  op->walk([&](ConstOp constant) {
    if (isa<RankedTensorType>(constant.getType())) addOwner(constant.getResult(), Root::Constant);
  });
  if (isa<ConstOp>(op)) return;
  if (isa<FbyOp, EbyOp, WindowOp, RowsOp, FirstOp>(op)) {
    SlotHome home = slotHome(op);
    if (home.needed) addOwner(op->getResult(0), Root::Slot, home);
    return;
  }
  if (isa<ReshapeOp>(op) || (isa<FinalOp, InitialOp>(op) && staysPut(op))) {
    Value source = owner(op->getOperand(0));
    aliasOf[op->getResult(0)] = source;
    levels[op->getResult(0)] = level(op->getOperand(0));
    if (!isa<ReshapeOp>(op)) {
      unsigned depth = scanDepth(op) - 1;
      auto [it, fresh] = escapes.try_emplace(source, depth);
      if (!fresh) it->second = std::min(it->second, depth);
    }
    return;
  }
  for (Value result : op->getResults())
    if (isa<RankedTensorType>(result.getType())) addOwner(result, Root::Temporary);
}

/// A tensor is still there after its scan if no later instant or end of instant writes it again: the instant
/// that the operation names is the last one executed, and the memory is no slot. (Captured values stay in any
/// case.)
bool Storage::staysPut(Operation *end) const {
  Value value = end->getOperand(0);
  if (!isa<RankedTensorType>(value.getType())) return false;
  auto scan = cast<ScanOp>(end->getParentOp());
  Value source = owner(value);
  if (!scan.getBody().isAncestor(source.getParentRegion())) return true;
  bool up = !scan.getSweep() || *scan.getSweep() == Direction::Up;
  return isa<FinalOp>(end) == up && kinds.lookup(source) == Root::Temporary;
}

bool Storage::canEmbed(Value part, Operation *into) const {
  Value source = owner(part);
  auto kind = kinds.find(source);
  if (kind == kinds.end() || kind->second != Root::Temporary || links.contains(source)) return false;
  // The part is computed afresh at every instant at which `into` is, and does not outlive the row.
  if (part.getParentBlock() != into->getBlock() || level(part) != into->getBlock()) return false;
  if (Operation *scan = into->getParentOp();
      isa<ScanOp>(scan) && !scan->getRegion(0).isAncestor(source.getParentRegion()))
    return false;
  auto escape = escapes.find(source);
  return escape == escapes.end() || escape->second >= scanDepth(into);
}

/// A recurrence that may be computed in its slot, or what leaves a scan of one, is better there than in a row
/// or part: the slot is needed in any case, and a copy an instant costs more than one at the end. True if every
/// read of the old value is over when the new one is first written.
bool Storage::fitsSlot(Value part) const {
  if (Value source = owner(part); source != part && source.getDefiningOp() && fitsSlot(source)) return true;
  Operation *def = part.getDefiningOp();
  auto written = firstWrite.find(owner(part));
  int64_t first = written == firstWrite.end() ? timeline.begin(def) : written->second;
  auto over = [&](OpOperand &use, Block *block) {
    if (isa<ReshapeOp, YieldOp, FbyOp, EbyOp>(use.getOwner())) return false;
    Operation *at = block->findAncestorOpInBlock(*use.getOwner());
    if (!at || timeline.end(at) < first) return at != nullptr;
    if (isa<ScatterOp>(use.getOwner())) return at == def && use.getOperandNumber() == 0;
    auto read = dyn_cast<ReadOp>(use.getOwner());
    return read && at == def && access(read, at, block).ownElement;
  };
  return llvm::any_of(part.getUses(), [&](OpOperand &use) {
    Operation *slot = use.getOwner();
    unsigned valueOperand = isa<FbyOp>(slot) ? 1 : 0;
    return isa<FbyOp, EbyOp>(slot) && use.getOperandNumber() == valueOperand &&
           slot->getBlock() == part.getParentBlock() &&
           llvm::all_of(slot->getResult(0).getUses(),
                        [&](OpOperand &old) { return over(old, slot->getBlock()); });
  });
}

void Storage::link(Value part, Link link) { links[owner(part)] = std::move(link); }

void Storage::embed(Operation *op) {
  auto fits = [&](Value part) {
    return isa<RankedTensorType>(part.getType()) && canEmbed(part, op) && !fitsSlot(part);
  };
  if (auto stack = dyn_cast<StackOp>(op)) {
    Value value = stack.getValue();
    Location::Row row{scanDepth(op) - 1, elementCount(value.getType())};
    if (fits(value)) link(value, {stack.getResult(), 0, row, op});
  } else if (auto concat = dyn_cast<ConcatOp>(op); concat && concat.runs() == 1) {
    int64_t offset = 0, first = timeline.begin(op);
    for (Value source : concat.getSources()) {
      if (fits(source)) {
        link(source, {concat.getResult(), offset, std::nullopt, op});
        auto written = firstWrite.find(owner(source));
        first = std::min(first, written != firstWrite.end() ? written->second
                                                            : timeline.begin(source.getDefiningOp()));
      }
      offset += elementCount(source.getType());
    }
    firstWrite[concat.getResult()] = first;
  } else if (auto window = dyn_cast<WindowOp>(op)) {
    Value value = window.getValue();
    int64_t newest = elementCount(window.getType()) - elementCount(value.getType());
    if (fits(value)) link(value, {window.getResult(), newest, std::nullopt, op});
  }
}

void Storage::addPlaces() {
  for (auto [value, home] : owners)
    if (!links.contains(value)) {
      places[value].root = roots.size();
      roots.push_back({value, kinds.lookup(value), home});
    }
  // A parent is defined after its parts, so going backwards its place is known.
  for (auto [value, home] : llvm::reverse(owners)) {
    auto link = links.find(value);
    if (link == links.end()) continue;
    SmallVector<Value> chain{value};
    while (!places.contains(links.find(chain.back())->second.parent))
      chain.push_back(links.find(chain.back())->second.parent);
    for (Value v : llvm::reverse(chain)) {
      const Link &l = links.find(v)->second;
      Place p = places.lookup(l.parent);
      p.offset += l.offset;
      if (l.row) p.rows.push_back(*l.row);
      places[v] = p;
    }
  }
}

} // namespace mlr::store
