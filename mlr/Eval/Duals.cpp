// Tags: what a derivative varies, in which direction, and what it looks at.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <cstring>

namespace mlr::eval {

void Duals::begin() {
  sets.clear();
  open_.clear();
  depth = used = 0;
}

void Duals::leave() {
  if (used > depth)
    for (auto &[tags, set] : sets)
      if (set->cells.size() > depth) set->cells.resize(depth);
  used = std::min(used, depth);
  --depth;
}

// ---- where

/// The instant of the scan (or of the base clock) around a clock's; nothing if that is past and forgotten.
std::optional<Place> Duals::baseOf(Frame &frame, int64_t t) {
  Place place{&frame, t};
  while (const ClockPlan *clock = place.frame->time->clock) {
    bool isWhen = clock->clock->kind == Clock::Kind::When && clock->isNumbered;
    if (isWhen && place.frame->ring && place.t != place.frame->time->latestInner) return std::nullopt;
    place = m.outwards(*place.frame, place.t);
    if (!isOk()) return std::nullopt;
  }
  return place;
}

/// Whether the derivative looks at what happens there: at its own instant, in all times around it, or inside a scan of that.
bool Duals::isHere(const Tag &tag, Frame &frame, int64_t t) {
  Place place{&frame, t};
  while (true) {
    std::optional<Place> base = baseOf(*place.frame, place.t);
    if (!base) return false;
    const Activation *time = base->frame->time;
    for (auto [around, instant] : tag.times)
      if (around == time) return instant == base->t;
    if (!time->in) return true; // the body of a fun, which is instantaneous
    place = {time->in, time->at};
  }
}

bool Duals::isHere(const TagSet &set, Frame &frame, int64_t t) {
  return std::all_of(set.tags.begin(), set.tags.end(), [&](const Tag *tag) { return isHere(*tag, frame, t); });
}

/// Whether some derivative stands inside the run of a scan: results and end values of that are constants to it.
bool Duals::isAround(const TagSet &set, const Activation &time) {
  for (const Tag *tag : set.tags)
    for (auto [around, instant] : tag->times)
      if (around == &time) return true;
  return false;
}

/// The cell that has the variable's value, not a copy of it for another clock.
std::optional<Tag::Cut> Duals::cutOf(const Term &var, Frame &frame, int64_t t) {
  Place place = m.home(var, frame, t);
  uint32_t slot = var.route ? var.route->slot : var.slot;
  while (isOk() && place.frame->plan->slots[slot].kind == Slot::Kind::Sample) {
    const Route &route = *place.frame->plan->slots[slot].route;
    Place next;
    if (m.follow(route, *place.frame, place.t, next) == Presence::Absent)
      m.failAbsent(place.frame->plan->slots[slot].name, place.frame->plan->slots[slot].span);
    place = next;
    slot = route.slot;
  }
  if (!isOk()) return std::nullopt;
  return Tag::Cut{place.frame, slot, place.t, nullptr};
}

TagSet *Duals::setOf(std::vector<Tag *> tags) {
  if (tags.empty()) return nullptr;
  std::unique_ptr<TagSet> &set = sets[tags];
  if (set) return set.get();
  set = std::make_unique<TagSet>();
  TagSet *made = set.get();
  made->tags = tags;
  made->subsets.assign(made->full() + 1, made);
  for (unsigned mask = 0; mask < made->full(); ++mask) {
    std::vector<Tag *> some;
    for (size_t k = 0; k < tags.size(); ++k)
      if (mask >> k & 1) some.push_back(tags[k]);
    TagSet *subset = setOf(some);
    made->subsets[mask] = subset;
  }
  return made;
}

// ---- passes

/// The value, if the differentiated program is asked, is that: it is only compared.
void Duals::derivative(const CellRef &cell, Value &value) {
  bool isGiven = find(cell, value);
  if (!isOk()) return;
  auto sum = derivativeOf(cell, isGiven ? &value : nullptr);
  if (!sum || isGiven) return;
  const Type &type = cell.frame->plan->slots[cell.slot].type;
  if (type.isScalar()) {
    value.bits = fromDouble(type.scalar, (*sum)[0]);
    return;
  }
  value.tensor.owner = std::shared_ptr<std::byte[]>(new std::byte[type.bytes() + 1]());
  value.tensor.data = value.tensor.owner.get();
  for (size_t i = 0; i < sum->size(); ++i)
    store(type.scalar, value.tensor.owner.get(), static_cast<int64_t>(i), fromDouble(type.scalar, (*sum)[i]));
}

static int64_t leading(const Term &term, const Type &type) {
  int64_t count = 1;
  for (int64_t k = 0; k < term.expr->count; ++k) count *= type.shape[static_cast<size_t>(k)];
  return count;
}

/// All elements of a derivative, or of its coefficient of the cell's tags; nothing while something is missing.
std::optional<std::vector<double>> Duals::derivativeOf(const CellRef &cell, const Value *given) {
  const Term &term = *cell.frame->plan->slots[cell.slot].term;
  for (const Term *arg : term.args) // a chain of derivatives is on the stack before the first pass begins
    if (isOk()) primal(*arg, *cell.frame, cell.t);
  if (!isOk()) return std::nullopt;
  ProgressKey key{cell.frame, cell.slot, cell.t, cell.tags};
  Progress &progress = open_[key];
  if (progress.sum.empty()) {
    const Type &value = term.args[0]->expr->type;
    progress.passes = term.kind == ExprKind::Vjp ? term.args[2]->elements : leading(term, value);
    int64_t directions = given ? m.options.derivatives->directions : 0;
    progress.isRandom = directions > 0 && term.kind == ExprKind::Vjp && directions < progress.passes;
    if (progress.isRandom) progress.passes = directions;
    int64_t count = progress.isRandom ? directions * leading(term, value) : term.elements;
    progress.sum.assign(static_cast<size_t>(count), 0);
    for (int64_t i = 0; given && i < term.elements; ++i)
      progress.given.push_back(toDouble(term.scalar, term.isScalar ? given->bits : load(term.scalar, given->tensor.data, i)));
  }
  for (; progress.pass < progress.passes; ++progress.pass) {
    if (!progress.tag && !open(cell, term, progress)) return std::nullopt;
    if (!close(cell, term, progress)) return std::nullopt;
    drop(progress);
  }
  if (given) compare(cell, progress);
  std::vector<double> sum = std::move(progress.sum);
  open_.erase(key);
  return sum;
}

/// A fresh tag. False while it is not known what it varies.
bool Duals::open(const CellRef &cell, const Term &term, Progress &progress) {
  auto tag = std::make_unique<Tag>();
  bool isReverse = term.kind == ExprKind::Vjp;
  for (size_t k = 2; k < term.args.size(); k += isReverse ? 1 : 2) {
    auto cut = cutOf(*term.args[k], *cell.frame, cell.t);
    if (!cut) return false;
    if (!isReverse) cut->along = term.args[k - 1];
    tag->cuts.push_back(*cut);
  }
  tag->place = {cell.frame, cell.t};
  tag->pass = progress.pass;
  if (isReverse) {
    std::vector<double> unit(static_cast<size_t>(term.args[2]->elements), 0);
    if (progress.isRandom) unit = direction(cell, progress.pass, unit.size());
    else unit[static_cast<size_t>(progress.pass)] = 1;
    tag->direction = std::make_shared<const std::vector<double>>(std::move(unit));
  }
  for (Place place{cell.frame, cell.t};;) {
    auto base = baseOf(*place.frame, place.t);
    if (!isOk()) return false;
    const Activation *time = base->frame->time;
    tag->times.push_back({time, base->t});
    if (!time->in) break;
    place = {time->in, time->at};
  }
  std::vector<Tag *> tags = cell.tags ? cell.tags->tags : std::vector<Tag *>();
  tags.push_back(tag.get());
  if (tags.size() > maxTags) {
    m.fail("derivatives are nested too deeply for dual numbers", term.expr->span);
    return false;
  }
  progress.tag = std::move(tag);
  progress.tags = setOf(std::move(tags));
  return true;
}

void Duals::drop(Progress &progress) {
  std::erase_if(sets, [&](const auto &entry) {
    return std::find(entry.first.begin(), entry.first.end(), progress.tag.get()) != entry.first.end();
  });
  progress.coarsest = coarser(progress.coarsest, progress.tag->coarsest);
  if (progress.tag->notLinear) progress.notLinear = progress.tag->notLinear;
  progress.tag.reset();
  progress.tags = nullptr;
}

/// Adds what the pass says, once all coefficients of the value are there.
bool Duals::close(const CellRef &cell, const Term &term, Progress &progress) {
  Frame &frame = *cell.frame;
  TagSet &set = *progress.tags;
  bool isReverse = term.kind == ExprKind::Vjp;
  unsigned around = set.full() >> 1, tag = around + 1;
  std::vector<Tangent> value(around + 1), factor(around + 1);
  for (unsigned part = 0; part <= around; ++part) {
    value[part] = variable(*term.args[0], frame, cell.t, *set.subsets[part | tag]);
    if (isReverse && part) factor[part] = variable(*term.args[1], frame, cell.t, *set.subsets[part]);
  }
  if (!isOk()) return false;
  const Type &type = term.args[0]->expr->type;
  size_t rows = static_cast<size_t>(leading(term, type)), all = static_cast<size_t>(type.elements()),
         each = rows ? all / rows : 0, pass = static_cast<size_t>(progress.pass);
  if (!isReverse) {
    for (size_t i = 0; i < each && value[around]; ++i) progress.sum[pass * each + i] = (*value[around])[pass * each + i];
    return true;
  }
  Value cotangent = primal(*term.args[1], frame, cell.t);
  size_t variables = static_cast<size_t>(progress.passes);
  for (size_t i = 0; i < all; ++i)
    for (unsigned part = 0; part <= around; ++part) {
      double x = value[part] ? (*value[part])[i] : 0;
      unsigned rest = around & ~part;
      double y = rest ? (factor[rest] ? (*factor[rest])[i] : 0)
                      : toDouble(type.scalar, type.isScalar() ? cotangent.bits : load(type.scalar, cotangent.tensor.data, static_cast<int64_t>(i)));
      if (x != 0 && y != 0) progress.sum[i / each * variables + pass] += x * y;
    }
  return true;
}

} // namespace mlr::eval
