#include "mlr/Store/Coalesce.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

Coalesced::Coalesced(NodeOp node, const Storage &storage, Lifetimes &lifetimes)
    : node(node), storage(storage), lifetimes(lifetimes) {
  addRoots();
  useOutputs();
  fillSlots();
  startInPlace();
  handOver();
  for (Class &c : classes) llvm::sort(c.roots);
}

unsigned Coalesced::classOf(unsigned root) const {
  while (parent[root] != root) root = parent[root] = parent[parent[root]];
  return root;
}

void Coalesced::addRoots() {
  for (unsigned i = 0; i < storage.roots.size(); ++i) {
    const Root &root = storage.roots[i];
    Class c;
    c.roots = {i};
    for (const Segment &s : lifetimes.segments[i]) c.segments.insert({s.begin, s});
    c.state = root.kind == Root::Slot && root.home.state;
    c.element = elementOf(root.value.getType());
    c.elements = elementCount(root.value.getType());
    classes.push_back(std::move(c));
    parent.push_back(i);
  }
}

/// The root that a value is, whole; -1 where it is none or has memory that is not the planner's to choose.
static int wholeRoot(const Storage &storage, Value value) {
  const Place *place = storage.place(value);
  if (!place || !isa<RankedTensorType>(value.getType()) || place->offset != 0 || !place->rows.empty())
    return -1;
  const Root &root = storage.roots[place->root];
  return root.kind == Root::Temporary && root.value == storage.owner(value) ? static_cast<int>(place->root)
                                                                            : -1;
}

void Coalesced::useOutputs() {
  Operation *yield = bodyOf(node).getTerminator();
  int64_t position = lifetimes.outputMoment();
  for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
    int root = wholeRoot(storage, value);
    if (root >= 0 && classes[root].output < 0) {
      Class &c = classes[root];
      Segment s = c.segments.begin()->second;
      s.end = kAfterStep;
      s.endRows.clear();
      c.segments.clear();
      c.segments.insert({s.begin, s});
      c.output = i;
      outputs.push_back(root);
      continue;
    }
    Class c;
    c.segments.insert({position, Segment{position, kAfterStep, {}, {}}});
    c.output = i;
    c.element = elementOf(value.getType());
    c.elements = elementCount(value.getType());
    outputs.push_back(classes.size());
    parent.push_back(classes.size());
    classes.push_back(std::move(c));
  }
}

/// Recurrences in place: the new value is first written when the old one has been read for the last time.
void Coalesced::fillSlots() {
  for (unsigned i = 0; i < storage.roots.size(); ++i) {
    if (storage.roots[i].kind != Root::Slot || lifetimes.segments[i].size() != 2) continue;
    Operation *op = storage.roots[i].value.getDefiningOp();
    Value value = isa<FbyOp>(op) ? op->getOperand(1) : op->getOperand(0);
    int root = wholeRoot(storage, value);
    if (root >= 0 && storage.level(value) == op->getBlock()) fillSlot(i, root);
  }
}

/// The root, whole, from which a slot starts; -1 if there is none or something else reads it later.
int Coalesced::initRoot(unsigned slot) const {
  const Root &root = storage.roots[slot];
  if (root.home.state) return -1;
  Operation *op = root.value.getDefiningOp();
  Value init = isa<FbyOp>(op) ? op->getOperand(0) : op->getOperand(1);
  const Place *place = storage.place(init);
  if (!place || place->offset != 0 || !place->rows.empty() || lifetimes.segments[place->root].empty())
    return -1;
  return storage.roots[place->root].value == storage.owner(init) ? static_cast<int>(place->root) : -1;
}

/// The segment of a class in which what a slot starts from is needed for the last time as the slot starts.
Segment *Coalesced::initSegment(unsigned slot, unsigned cls) {
  int init = initRoot(slot);
  if (init < 0 || classOf(init) != cls) return nullptr;
  auto it = classes[cls].segments.find(lifetimes.segments[init][0].begin);
  bool starts = it != classes[cls].segments.end() && it->second.end == lifetimes.segments[slot][0].begin;
  return starts ? &it->second : nullptr;
}

/// A slot that starts from a value which nobody needs afterwards starts where that value is.
void Coalesced::startInPlace() {
  for (unsigned i = 0; i < storage.roots.size(); ++i) {
    if (storage.roots[i].kind != Root::Slot || lifetimes.segments[i].size() != 2) continue;
    int init = initRoot(i);
    if (init < 0) continue;
    Segment *segment = initSegment(i, classOf(init));
    if (!segment) continue;
    --segment->end; // before the slot is written
    if (!merge(i, init)) ++segment->end;
  }
}

bool Coalesced::fillSlot(unsigned slot, unsigned value) {
  Class &to = classes[classOf(slot)], &from = classes[classOf(value)];
  if (&to == &from || to.roots.size() != 1 || !sameKind(to, from)) return false;
  if (to.state && (from.state || from.output >= 0)) return false;
  const Segment &old = lifetimes.segments[slot][0], &kept = lifetimes.segments[slot][1];
  const Segment &own = lifetimes.segments[value][0];
  auto it = from.segments.find(own.begin);
  if (it == from.segments.end()) return false;
  Segment extended = it->second;
  if (extended.end < kept.end) extended.end = kept.end, extended.endRows.clear();
  Segment *start = initSegment(slot, classOf(value));
  if (start) --start->end; // before the slot is written
  bool fits = compatible(old, extended);
  for (auto other = from.segments.begin(); fits && other != from.segments.end(); ++other)
    fits = other == it || (compatible(other->second, extended) && compatible(other->second, old));
  if (!fits) {
    if (start) ++start->end;
    return false;
  }
  it->second = extended;
  from.segments.insert({old.begin, old});
  from.roots.push_back(slot);
  from.state |= to.state;
  to = Class();
  parent[slot] = classOf(value);
  return true;
}

bool Coalesced::sameKind(const Class &a, const Class &b) const {
  return a.element == b.element && a.elements == b.elements && a.elements > 0;
}

bool Coalesced::merge(unsigned a, unsigned b) {
  a = classOf(a), b = classOf(b);
  if (a == b || !sameKind(classes[a], classes[b])) return false;
  if ((classes[a].output >= 0 || classes[a].state) && (classes[b].output >= 0 || classes[b].state))
    return false;
  if (classes[a].segments.size() < classes[b].segments.size()) std::swap(a, b);
  auto &into = classes[a].segments;
  // Apart from handovers to the next one, segments of a class are apart: neighbours are all that can be in
  // the way.
  for (auto &[begin, s] : classes[b].segments) {
    auto next = into.lower_bound(begin);
    if (next != into.end() && !compatible(s, next->second)) return false;
    if (next != into.begin() && !compatible(std::prev(next)->second, s)) return false;
  }
  for (auto &entry : classes[b].segments) into.insert(entry);
  auto &roots = classes[a].roots;
  roots.insert(roots.end(), classes[b].roots.begin(), classes[b].roots.end());
  classes[a].output = std::max(classes[a].output, classes[b].output);
  classes[a].state |= classes[b].state;
  if (classes[b].output >= 0) outputs[classes[b].output] = a;
  classes[b] = Class();
  parent[b] = a;
  return true;
}

void Coalesced::handOver() {
  constexpr int mostAttempts = 16;
  for (unsigned i = 0; i < storage.roots.size(); ++i) {
    if (lifetimes.segments[i].empty() || lifetimes.segments[i][0].beginRows.empty()) continue;
    auto ending = lifetimes.endingIn.find(lifetimes.segments[i][0].beginRows.front().scan);
    if (ending == lifetimes.endingIn.end()) continue;
    int attempts = 0;
    for (unsigned candidate : ending->second)
      if (sameKind(classes[classOf(candidate)], classes[classOf(i)]) &&
          (merge(candidate, i) || ++attempts >= mostAttempts))
        break;
  }
  for (auto [from, to] : lifetimes.ownElements) merge(from, to);
}

} // namespace mlr::store
