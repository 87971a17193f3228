// The order in which statements are elaborated: dependencies first. Where they form a cycle, types are
// guessed until they agree.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>
#include <unordered_set>

namespace mlr::checking {

/// A guess may still grow a few times (literal to tensor, axis by axis) before it counts as contradictory.
static constexpr int maxGuesses = 12;

// ---- dependencies ----------------------------------------------------------------------------------------

void Body::collectReads() {
  for (Unit &u : units) {
    if (u.kind == Unit::Kind::Scan) continue;
    scope = u.scope;
    walk(u.expr, [&](const ast::Expr &e) {
      const SymbolId *id = variableRead(e);
      if (id && symbols[*id].ty.kind == Ty::Kind::Unknown && symbols[*id].definition) u.reads.push_back(*id);
    });
    for (SymbolId id : u.targets) // what an arm defines is inferred with the merged variable
      if (symbols[id].isMerged && symbols[symbols[id].merged].definition) u.reads.push_back(symbols[id].merged);
    std::sort(u.reads.begin(), u.reads.end());
    u.reads.erase(std::unique(u.reads.begin(), u.reads.end()), u.reads.end());
  }
}

/// Tarjan's algorithm with an explicit stack over "reads a variable of unknown type that .. defines".
void Body::elaborateInOrder() {
  struct Frame {
    Unit *unit;
    size_t next = 0;
  };
  int counter = 0;
  std::vector<Unit *> open;
  for (Unit &root : units) {
    if (root.kind == Unit::Kind::Scan || root.number >= 0) continue;
    std::vector<Frame> frames;
    auto enter = [&](Unit *u) {
      u->number = u->low = counter++;
      u->onStack = true;
      open.push_back(u);
      frames.push_back({u});
    };
    enter(&root);
    while (!frames.empty()) {
      Frame &frame = frames.back();
      Unit *u = frame.unit;
      if (frame.next < u->reads.size()) {
        Unit *source = symbols[u->reads[frame.next++]].definition;
        u->cyclic |= source == u;
        if (source->number < 0) enter(source);
        else if (source->onStack) u->low = std::min(u->low, source->number);
        continue;
      }
      if (u->low == u->number) {
        std::vector<Unit *> component;
        do {
          component.push_back(open.back());
          open.pop_back();
          component.back()->onStack = false;
        } while (component.back() != u);
        elaborateComponent(component);
      }
      frames.pop_back();
      if (!frames.empty()) frames.back().unit->low = std::min(frames.back().unit->low, u->low);
    }
  }
}

void Body::elaborateComponent(std::vector<Unit *> &component) {
  std::sort(component.begin(), component.end(),
            [](const Unit *a, const Unit *b) { return a->stmt->span.begin < b->stmt->span.begin; });
  bool cyclic = component.size() > 1 || component[0]->cyclic;
  bool failed = cyclic && readsFailure(component); // nothing is known of its types
  if (cyclic && !failed) guess(component);
  const Symbol *unknown = nullptr;
  auto undeclared = [&](auto &&visit) {
    for (Unit *u : component)
      for (SymbolId id : u->targets)
        if (cyclic && !symbols[id].declared && symbols[id].kind != Var::Kind::Output) visit(symbols[id]);
  };
  undeclared([&](Symbol &symbol) {
    if (!unknown && !symbol.ty.isKnown()) unknown = &symbol;
  });
  // What was concluded beside an unknown type or an error may be wrong: it must not cause further errors.
  auto forget = [](Symbol &symbol) { symbol.ty = Ty(), symbol.leaves.clear(); };
  if (cyclic && !failed && (unknown || contradictions(component)) && blameLiteral(component)) return undeclared(forget);
  if (unknown && !failed && explainContradiction(component)) return undeclared(forget);
  std::string plausible = unknown ? plausibleType(component) : "";
  if (unknown) undeclared(forget);
  size_t errors = report.errorCount();
  bool complete = true;
  for (Unit *u : component) elaborateUnit(*u), complete &= u->complete;
  if (!complete) undeclared(forget);
  if (!unknown || failed || report.errorCount() != errors) return;
  Diagnostic &d =
      error(kinds::cannotInfer, unknown->span,
            fmt::format("the type of `{}` cannot be inferred", unknown->name), "depends on itself alone");
  bool listed = unknown->definition && unknown->definition->stmt->targets.size() > 1;
  std::string place = listed ? " in an equation of its own" : " where it is defined";
  d.helps.push_back(plausible.empty() ? fmt::format("state its type{}", place)
                                      : fmt::format("state its type{}, for example `{}: {} = ..;`", place,
                                                    unknown->name, plausible));
}

/// A variable from outside the component has no type, because of an error that was reported.
bool Body::readsFailure(const std::vector<Unit *> &component) const {
  std::unordered_set<const Unit *> own(component.begin(), component.end());
  for (const Unit *u : component)
    for (SymbolId id : u->reads)
      if (!symbols[id].ty.isKnown() && !own.count(symbols[id].definition)) return true;
  return false;
}

/// Whether all types of the component agree once a variable has this one. Guesses stay as they are.
bool Body::agreesWith(SymbolId chosen, const Ty &ty, std::vector<Unit *> &component) {
  std::vector<std::tuple<Ty, Flex, std::vector<VarId>>> kept;
  auto each = [&](auto &&visit) {
    for (Unit *u : component)
      for (SymbolId id : u->targets) visit(symbols[id]);
  };
  each([&](Symbol &symbol) {
    kept.emplace_back(symbol.ty, symbol.literal, symbol.leaves);
    if (symbol.declared) return;
    symbol.ty = &symbol == &symbols[chosen] ? ty : Ty();
    symbol.guesses = 0;
    symbol.leaves.clear(); // they have the type that was guessed
  });
  std::deque<Unit *> queue(component.begin(), component.end());
  for (Unit *u : component) u->queued = true;
  report.setQuiet(true);
  drain(queue);
  settleGuesses(component, queue);
  assumeUnknown(component, queue);
  report.setQuiet(false);
  bool agrees = symbols[chosen].ty == ty;
  each([&](Symbol &symbol) { agrees &= symbol.ty.isKnown(); });
  agrees = agrees && contradictions(component, true) == 0;
  size_t next = 0;
  each([&](Symbol &symbol) { std::tie(symbol.ty, symbol.literal, symbol.leaves) = kept[next++]; });
  return agrees;
}

/// Where types contradict each other because one variable begins with a literal, which is taken for an `i32`, and all is
/// well once its type is stated, that is the cure. True: reported.
bool Body::blameLiteral(std::vector<Unit *> &component) {
  std::vector<Type> around; // of float variables, those beside first
  auto note = [&](const Symbol &symbol) {
    if (symbol.ty.kind != Ty::Kind::Plain || !isFloat(symbol.ty.type.scalar)) return;
    if (std::find(around.begin(), around.end(), symbol.ty.type) == around.end()) around.push_back(symbol.ty.type);
  };
  for (Unit *u : component) {
    scope = u->scope;
    walk(u->stmt->value.get(), [&](const ast::Expr &e) {
      const SymbolId *id = e.kind == ast::ExprKind::Name ? lookup(e.text) : nullptr;
      if (id) note(symbols[*id]);
    });
  }
  for (const Symbol &symbol : symbols)
    if (symbol.declared) note(symbol);
  for (Unit *u : component)
    for (SymbolId id : u->targets) {
      Symbol &symbol = symbols[id];
      if (symbol.declared || symbol.literal == Flex::None || symbol.kind == Var::Kind::Output || u->targets.size() != 1) continue;
      std::vector<Type> candidates;
      for (const Type &type : around) candidates.push_back({type.scalar, symbol.ty.type.shape});
      if (symbol.ty.type.isScalar()) candidates.insert(candidates.end(), around.begin(), around.end());
      if (candidates.size() > maxGuesses) candidates.resize(maxGuesses);
      for (const Type &type : candidates) {
        if (!agreesWith(id, Ty::of(type), component)) continue;
        Diagnostic &d = error(kinds::cannotInfer, symbol.span, fmt::format("the type of `{}` cannot be inferred", symbol.name),
                              fmt::format("begins with literals alone, so it would be {}", toString(symbol.ty.type)));
        d.helps.push_back(fmt::format("state its type, such as `{}: {} = {};`", symbol.name, toString(type), text(*u->stmt->value)));
        return true;
      }
    }
  return false;
}

/// Where guessing got stuck because operands contradict each other, that is the error, not the missing type.
/// True: reported.
bool Body::explainContradiction(const std::vector<Unit *> &component) {
  size_t errors = report.errorCount();
  report.setLoud(true);
  contradictions(component, true);
  report.setLoud(false);
  return report.errorCount() != errors;
}

/// How many statements contradict what is known of the types, or whether one does.
size_t Body::contradictions(const std::vector<Unit *> &component, bool isOneEnough) {
  size_t found = 0;
  report.setQuiet(true);
  for (Unit *u : component) {
    size_t errors = report.errorCount() + report.dropCount();
    unit = u;
    scope = u->scope;
    here = u->clock;
    Mark before = mark();
    valueOf(*u);
    rollBack(before);
    found += report.errorCount() + report.dropCount() != errors;
    if (found && isOneEnough) break;
  }
  report.setQuiet(false);
  return found;
}

/// The one number type of all variables of known type that the component mentions; "" if there are several.
std::string Body::plausibleType(const std::vector<Unit *> &component) {
  std::string found;
  bool several = false;
  Scope *before = scope;
  for (Unit *u : component) {
    scope = u->scope;
    walk(u->stmt->value.get(), [&](const ast::Expr &e) {
      const SymbolId *id = e.kind == ast::ExprKind::Name ? lookup(e.text) : nullptr;
      if (!id || symbols[*id].kind == Var::Kind::ScanIndex || !symbols[*id].ty.isKnown()) return;
      const Ty &ty = symbols[*id].ty;
      if (ty.kind != Ty::Kind::Plain || ty.type.scalar == Scalar::Bool) return;
      std::string name = mlr::name(ty.type.scalar);
      several |= !found.empty() && found != name;
      found = name;
    });
  }
  scope = before;
  return several ? "" : found;
}

// ---- guessing --------------------------------------------------------------------------------------------

/// b is a with something unknown or open filled in, a literal decided, or a shape broadcast to a larger one.
static bool refines(const Ty &a, const Ty &b) {
  if (a.kind == Ty::Kind::Unknown) return true;
  if (a.kind == Ty::Kind::Plain && a.open && b.kind == Ty::Kind::Tuple && b.nominal) return true; // operators go through structs
  if (a.kind != b.kind || a.nominal != b.nominal || a.parts.size() != b.parts.size()) return false;
  for (size_t i = 0; i < a.parts.size(); ++i)
    if (!refines(a.parts[i], b.parts[i])) return false;
  if (a.kind != Ty::Kind::Plain) return true;
  if (a.flex == Flex::None && (b.flex != Flex::None || a.type.scalar != b.type.scalar)) return false;
  if (a.flex == Flex::Float && b.flex == Flex::Int) return false;
  if (a.open) return true;
  auto joined = broadcastShapes(a.type.shape, b.type.shape);
  return joined && *joined == b.type.shape;
}

/// What was taken for final stays so.
static void keepFinal(const Ty &before, Ty &ty) {
  if (before.kind == Ty::Kind::Plain && before.flex == Flex::None && !before.open) ty.open = false;
  for (size_t i = 0; i < before.parts.size() && i < ty.parts.size(); ++i) keepFinal(before.parts[i], ty.parts[i]);
}

void Body::updateGuess(Symbol &symbol, Ty ty, std::deque<Unit *> &queue) {
  keepFinal(symbol.ty, ty);
  if (symbol.declared || ty.kind == Ty::Kind::Unknown || ty == symbol.ty) return;
  if (!refines(symbol.ty, ty) || ++symbol.guesses > maxGuesses) return;
  symbol.ty = ty;
  for (SymbolId arm : symbol.arms) updateGuess(symbols[arm], ty, queue);
  for (Unit *reader : symbol.readers) {
    if (reader->queued) continue;
    reader->queued = true;
    queue.push_back(reader);
  }
}

void Body::guessUnit(Unit &u, std::deque<Unit *> &queue) {
  unit = &u;
  scope = u.scope;
  here = u.clock;
  Mark before = mark();
  Value value = valueOf(u);
  std::vector<Ty> types = targetTypes(u, value);
  for (size_t i = 0; i < u.targets.size(); ++i) updateGuess(symbols[u.targets[i]], types[i], queue);
  rollBack(before);
}

void Body::drain(std::deque<Unit *> &queue) {
  while (!queue.empty()) {
    Unit *next = queue.front();
    queue.pop_front();
    next->queued = false;
    guessUnit(*next, queue);
  }
}

/// An integer literal beside a call whose type follows from literals alone, such as `1 fby clamp(g * 0.9, 0.1, 9)`: if that
/// is a float, so is the literal.
void Body::preferFloat(Unit &u, std::deque<Unit *> &queue) {
  auto isInteger = [&](SymbolId id) { return symbols[id].ty.kind == Ty::Kind::Plain && symbols[id].ty.flex == Flex::Int; };
  if (std::none_of(u.targets.begin(), u.targets.end(), isInteger)) return;
  unit = &u;
  scope = u.scope;
  here = u.clock;
  Mark before = mark();
  assuming = true;
  Value value = valueOf(u);
  assuming = false;
  std::vector<Ty> types = targetTypes(u, value);
  for (size_t i = 0; i < u.targets.size(); ++i)
    if (isInteger(u.targets[i]) && types[i].kind == Ty::Kind::Plain && isFloat(types[i].type.scalar))
      updateGuess(symbols[u.targets[i]], types[i], queue);
  rollBack(before);
  drain(queue);
}

/// What nothing in the component decides is final as it is, and literals get their default, one variable after
/// another.
void Body::settleGuesses(std::vector<Unit *> &component, std::deque<Unit *> &queue) {
  auto settle = [](auto &self, Ty &ty) -> bool {
    bool changed = ty.kind == Ty::Kind::Plain && (ty.flex != Flex::None || ty.open);
    ty.flex = Flex::None, ty.open = false;
    for (Ty &part : ty.parts) changed |= self(self, part);
    return changed;
  };
  for (Unit *u : component) preferFloat(*u, queue);
  for (Unit *u : component)
    for (SymbolId id : u->targets)
      if (symbols[id].ty.flex != Flex::None) symbols[id].literal = symbols[id].ty.flex;
  for (Unit *u : component) {
    for (SymbolId id : u->targets) {
      Ty ty = symbols[id].ty;
      if (!settle(settle, ty)) continue;
      symbols[id].guesses = 0;
      updateGuess(symbols[id], ty, queue);
      drain(queue);
    }
  }
}

/// What is still unknown is unknown because of itself: its operands decide without it.
void Body::assumeUnknown(std::vector<Unit *> &component, std::deque<Unit *> &queue) {
  auto unknown = [&](const Unit &u) {
    for (SymbolId id : u.targets)
      if (!symbols[id].ty.isKnown()) return true;
    return false;
  };
  bool changed = true;
  for (int round = 0; changed && round < maxGuesses; ++round) {
    changed = false;
    for (Unit *u : component) {
      if (!unknown(*u)) continue;
      assuming = true;
      guessUnit(*u, queue);
      assuming = false;
      changed |= !queue.empty() || !unknown(*u);
      drain(queue);
    }
    settleGuesses(component, queue);
  }
}

void Body::guess(std::vector<Unit *> &component) {
  for (Unit *u : component) u->queued = true;
  std::deque<Unit *> queue(component.begin(), component.end());
  for (Unit *u : component)
    for (SymbolId id : u->reads)
      if (Unit *source = symbols[id].definition; source && source->queued) symbols[id].readers.push_back(u);
  report.setQuiet(true);
  drain(queue);
  settleGuesses(component, queue);
  assumeUnknown(component, queue);
  report.setQuiet(false);
  for (Unit *u : component)
    for (SymbolId id : u->targets)
      if (symbols[id].ty.isKnown()) declareLeaves(symbols[id]);
}

} // namespace mlr::checking
