// Blocks of which one arm runs: each arm is a scope on a clock of its own, and what every arm defines is merged
// (Colaço, Hamon, Pouzet, "Mixing signals and modes in synchronous data-flow systems", EMSOFT 2006).
#include "mlr/Check/AstBuild.h"
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>

namespace mlr::checking {

// ---- what a block defines --------------------------------------------------------------------------------

using Defined = std::vector<std::string_view>;

static bool contains(const Defined &names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

static void add(Defined &names, std::string_view name) {
  if (!contains(names, name)) names.push_back(name);
}

static void definedBy(const ast::Block &block, Defined memories, Defined &out);

/// What arms give to their surroundings: what all of them define, or one of them and `last` the others.
static Defined sharedBy(const std::vector<Defined> &arms, const Defined &memories) {
  Defined out;
  for (const Defined &arm : arms)
    for (std::string_view name : arm) {
      size_t count = 0;
      for (const Defined &other : arms) count += contains(other, name);
      if (count == arms.size() || contains(memories, name)) add(out, name);
    }
  return out;
}

static void definedBy(const ast::Stmt &stmt, const Defined &memories, Defined &out) {
  using K = ast::StmtKind;
  std::vector<Defined> arms;
  switch (stmt.kind) {
  case K::Equation:
  case K::Stacked:
    for (const ast::Name &target : stmt.targets) add(out, target.text);
    return;
  case K::When:
  case K::Reset: return definedBy(stmt.body, memories, out);
  case K::Scan:
    for (const auto &inner : stmt.body.stmts) {
      const ast::Expr *e = inner->value.get();
      bool end = inner->kind == K::Equation && e &&
                 ((e->kind == ast::ExprKind::Unary && (e->op == ast::Op::Final || e->op == ast::Op::Initial)) ||
                  (e->kind == ast::ExprKind::Call && e->text == "count"));
      if (inner->kind == K::Stacked || end) definedBy(*inner, memories, out);
    }
    return;
  case K::If:
    definedBy(stmt.body, memories, arms.emplace_back());
    definedBy(stmt.other, memories, arms.emplace_back());
    break;
  case K::Match:
  case K::Automaton:
    for (const ast::Arm &arm : stmt.arms) definedBy(arm.body, memories, arms.emplace_back());
    break;
  default: return;
  }
  for (std::string_view name : sharedBy(arms, memories)) add(out, name);
}

static void definedBy(const ast::Block &block, Defined memories, Defined &out) {
  for (const auto &stmt : block.stmts)
    if (stmt->kind == ast::StmtKind::Last && !stmt->targets.empty()) memories.push_back(stmt->targets[0].text);
  for (const auto &stmt : block.stmts) definedBy(*stmt, memories, out);
}

// ---- statements ------------------------------------------------------------------------------------------

std::string_view Body::keep(std::string text) { return texts.emplace_back(std::move(text)); }

const ast::Stmt &Body::keep(std::unique_ptr<ast::Stmt> stmt) { return *made.emplace_back(std::move(stmt)); }

const ast::ClockExpr &Body::armClock(std::string selector, Span selectorSpan, ast::ClockExpr::Kind kind,
                                     std::string constructor, Span span) {
  ast::ClockExpr &clock = madeClocks.emplace_back();
  clock.kind = kind;
  clock.condition = nameExpr(std::move(selector), selectorSpan);
  clock.constructor = {std::move(constructor), span};
  clock.span = span;
  return clock;
}

/// The name of a condition: its own, or that of a hidden variable for it.
std::string Body::namedCondition(const ast::Expr &e, const char *base, Scope &at) {
  Scope *before = scope;
  scope = &at;
  bool isVariable = e.kind == ast::ExprKind::Name && lookup(e.text);
  scope = before;
  if (isVariable) return e.text;
  std::string name = fmt::format("{}#{}", base, made.size());
  collectStmt(keep(equation(name, copyOf(e), e.span)), at);
  return name;
}

void Body::collectIf(const ast::Stmt &stmt, Scope &at) {
  if (!stmt.condition) return;
  std::string c = namedCondition(*stmt.condition, "if", at);
  Span span = stmt.condition->span;
  std::vector<ArmText> arms(2);
  arms[0].block = &stmt.body;
  arms[0].clock = &armClock(c, span, ast::ClockExpr::Kind::When, "", span);
  arms[1].block = &stmt.other;
  arms[1].clock = &armClock(c, span, ast::ClockExpr::Kind::WhenNot, "", span);
  if (!stmt.hasOther) arms[1].display = "the missing `else`";
  collectArms(stmt, std::move(arms), c, at);
}

void Body::collectMatch(const ast::Stmt &stmt, Scope &at) {
  if (!stmt.condition || stmt.arms.empty()) return;
  std::string m = namedCondition(*stmt.condition, "match", at);
  std::vector<ArmText> arms;
  for (const ast::Arm &arm : stmt.arms) {
    ArmText &a = arms.emplace_back();
    a.block = &arm.body;
    a.clock = &armClock(m, stmt.condition->span, ast::ClockExpr::Kind::WhenIs, arm.name.text, arm.name.span);
    a.constructor = arm.name.text;
    a.display = fmt::format("the arm `{}`", arm.name.text);
  }
  collectArms(stmt, std::move(arms), m, at);
}

/// The merge of what the arms make of `name`; null where one of them lacks it.
ast::ExprPtr Body::mergeOf(std::string_view name, const std::vector<ArmText> &arms, const std::string &selector,
                           bool isMemory, Span span) {
  bool enumerated = !arms[0].constructor.empty();
  ast::ExprPtr merge = nameExpr("", span);
  merge->kind = enumerated ? ast::ExprKind::MergeEnum : ast::ExprKind::MergeBool;
  merge->text = "#arms"; // coverage is the block's matter
  merge->args.push_back(nameExpr(selector, arms[0].clock->condition->span));
  for (const ArmText &arm : arms) {
    if (contains(arm.defines, name)) {
      merge->args.push_back(nameExpr(fmt::format("{}#{}", name, arm.number), span));
    } else if (isMemory) {
      ast::ExprPtr kept = nameExpr("", span);
      kept->kind = ast::ExprKind::When;
      kept->args.push_back(lastExpr(std::string(name), span));
      kept->clock = std::make_unique<ast::ClockExpr>();
      kept->clock->kind = arm.clock->kind;
      kept->clock->condition = nameExpr(selector, span);
      kept->clock->constructor = arm.clock->constructor;
      kept->clock->span = span;
      merge->args.push_back(std::move(kept));
    } else {
      return nullptr;
    }
    if (enumerated) merge->argNames.push_back({arm.constructor, arm.clock->constructor.span});
  }
  return merge;
}

/// The variables with a `last` in sight.
Defined Body::memoriesAround(Scope &at) const {
  Defined out;
  for (const Symbol &symbol : symbols) {
    if (!symbol.name.starts_with("last ")) continue;
    for (const Scope *s = &at; s; s = s->parent)
      if (s->names.count(symbol.name)) add(out, symbol.name.substr(5));
  }
  return out;
}

/// The variable of one arm behind a merged one; the merge reads it by its number.
void Body::armVariable(std::string_view name, const ArmText &arm, Scope &block, SymbolId merged, Scope &at) {
  std::string_view alias = keep(fmt::format("{}#{}", name, arm.number));
  const ast::Name &own = madeNames.emplace_back(ast::Name{std::string(name), symbols[merged].span});
  SymbolId id = newSymbol(own, Var::Kind::Local, block);
  Symbol &symbol = symbols[id];
  symbol.leafName = alias;
  symbol.isOfArm = true;
  at.table().names.emplace(alias, id);
  const Symbol &outer = symbols[merged];
  if (outer.declared && outer.ty.isKnown()) {
    symbol.declared = outer.declared;
    symbol.ty = outer.ty;
    declareLeaves(symbol);
  } else {
    symbol.merged = merged;
    symbol.isMerged = true;
    symbols[merged].arms.push_back(id);
  }
}

using Mentions = std::unordered_map<std::string_view, std::vector<uint32_t>>;

/// Where the names of variables stand in a block, by name.
static void collectMentions(const ast::Block &block, Mentions &out) {
  auto read = [&](const ast::Expr *root) {
    walk(root, [&](const ast::Expr &e) {
      if (e.kind == ast::ExprKind::Name || e.op == ast::Op::Last) out[e.text].push_back(e.span.begin);
    });
  };
  for (const auto &stmt : block.stmts) {
    for (const ast::Name &target : stmt->targets) out[target.text].push_back(target.span.begin);
    for (const auto *e : {&stmt->value, &stmt->bound, &stmt->condition}) read(e->get());
    if (stmt->clock) read(stmt->clock->condition.get());
    collectMentions(stmt->body, out);
    collectMentions(stmt->other, out);
    for (const ast::Arm &arm : stmt->arms) {
      collectMentions(arm.body, out);
      for (const auto *transitions : {&arm.unless, &arm.until})
        for (const ast::Transition &t : *transitions) read(t.condition.get());
    }
  }
}

/// Whether anything but the arms of this statement uses or defines a variable of this name: only then is it merged. Conditions of `if`,
/// `match` and `unless` stand in front of the arms.
bool Body::isMentionedOutside(std::string_view name, const ast::Stmt &stmt) {
  if (name.find('#') != name.npos) return true; // the checker's own
  for (const ast::Param &output : signature.decl->outputs)
    if (output.name.text == name) return true;
  if (mentions.empty()) collectMentions(signature.decl->body, mentions);
  const std::vector<uint32_t> &places = mentions[name];
  std::vector<Span> inFront;
  if (stmt.condition) inFront.push_back(stmt.condition->span);
  for (const ast::Arm &arm : stmt.arms)
    for (const ast::Transition &t : arm.unless) inFront.push_back(t.condition->span);
  auto covers = [](Span span, uint32_t at) { return at >= span.begin && at < span.end; };
  return std::any_of(places.begin(), places.end(), [&](uint32_t at) {
    return !covers(stmt.span, at) || std::any_of(inFront.begin(), inFront.end(), [&](Span s) { return covers(s, at); });
  });
}

void Body::collectArms(const ast::Stmt &stmt, std::vector<ArmText> arms, const std::string &selector, Scope &at) {
  Defined memories = memoriesAround(at);
  std::vector<Defined> defined;
  for (ArmText &arm : arms) {
    arm.number = static_cast<int>(armCount++);
    definedBy(*arm.block, memories, arm.defines);
    for (const auto &more : arm.more)
      for (const ast::Name &target : more->targets) add(arm.defines, keep(target.text));
    defined.push_back(arm.defines);
  }
  std::vector<std::pair<std::string_view, SymbolId>> shared;
  for (std::string_view name : sharedBy(defined, memories)) {
    if (!isMentionedOutside(name, stmt)) continue;
    ast::ExprPtr merge = mergeOf(name, arms, selector, contains(memories, name), stmt.span);
    auto made = equation(std::string(name), std::move(merge), placeOf(arms, name, stmt.span));
    const ast::Stmt &statement = keep(std::move(made));
    collectEquation(statement, at);
    if (!units.empty() && units.back().stmt == &statement && !units.back().targets.empty())
      shared.push_back({name, units.back().targets[0]});
  }
  Defined lacking; // reported: the arms may define them all the same
  for (const Defined &arm : defined)
    for (std::string_view name : arm)
      if (!contains(lacking, name) && !requireInAll(name, arms, memories, at)) lacking.push_back(name);
  for (ArmText &arm : arms) {
    Scope &block = openBlock(Scope::Kind::Arm, stmt, *arm.clock, at);
    for (auto &[name, merged] : shared)
      if (contains(arm.defines, name)) armVariable(name, arm, block, merged, at);
    for (std::string_view name : lacking)
      if (contains(arm.defines, name))
        symbols[newSymbol(madeNames.emplace_back(ast::Name{std::string(name), stmt.span}), Var::Kind::Local, block)].isOfArm = true;
    Scope *inside = &block;
    if (arm.reset) inside = &openBlock(Scope::Kind::Reset, stmt, *arm.reset, block);
    for (const auto &more : arm.more)
      if (more) collectStmt(*more, *inside);
    collectBlock(*arm.block, *inside);
    for (auto &more : arm.more) keep(std::move(more));
  }
}

/// Where the first arm defines it.
Span Body::placeOf(const std::vector<ArmText> &arms, std::string_view name, Span fallback) const {
  for (const ArmText &arm : arms)
    for (const auto &stmt : arm.block->stmts)
      for (const ast::Name &target : stmt->targets)
        if (target.text == name) return target.span;
  return fallback;
}

/// What is visible outside must have a value whichever arm runs.
bool Body::requireInAll(std::string_view name, const std::vector<ArmText> &arms, const Defined &memories, Scope &at) {
  size_t count = 0;
  const ArmText *without = nullptr;
  for (const ArmText &arm : arms)
    if (contains(arm.defines, name)) ++count;
    else if (!without) without = &arm;
  if (count == arms.size() || contains(memories, name)) return true;
  Scope *before = scope;
  scope = &at;
  const SymbolId *outer = lookup(name);
  scope = before;
  if (!outer || symbols[*outer].kind != Var::Kind::Output || symbols[*outer].definition) return true;
  Diagnostic &d = error(kinds::missingDefinition, placeOf(arms, name, symbols[*outer].span),
                        fmt::format("`{}` is an output, and {} does not define it", name,
                                    without->display.empty() ? "another arm" : without->display),
                        "defined in some arms only");
  d.labels.push_back({symbols[*outer].span, "an output needs a value at every instant", false});
  d.helps.push_back(fmt::format("keep its last value there:  last {} = 0;", name));
  incomplete = true;
  return false;
}

/// `last u = e;`: a hidden variable `e fby u`.
void Body::collectLast(const ast::Stmt &stmt, Scope &at) {
  if (stmt.targets.empty() || !stmt.value) return;
  const ast::Name &name = stmt.targets[0];
  collectEquation(keep(equation("last " + name.text,
                                opExpr(ast::Op::Fby, copyOf(*stmt.value), nameExpr(name.text, name.span), stmt.span),
                                stmt.span)),
                  at);
  if (!units.empty() && !units.back().targets.empty()) symbols[units.back().targets[0]].leafName = keep(name.text + "#last");
}

void Body::collectReset(const ast::Stmt &stmt, Scope &at) {
  if (!stmt.condition) return;
  ast::ClockExpr &clock = madeClocks.emplace_back();
  clock.condition = copyOf(*stmt.condition);
  clock.span = stmt.condition->span;
  collectBlock(stmt.body, openBlock(Scope::Kind::Reset, stmt, clock, at));
}

} // namespace mlr::checking
