// One statement: its expression, the types of its targets, its equations.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

void Body::elaborateUnit(Unit &u) {
  unit = &u;
  scope = u.scope;
  here = u.clock;
  switch (u.kind) {
  case Unit::Kind::Condition:
    if (u.block && u.block->base->condition) elabSelector(*u.block->base->condition, u.block->outer);
    if (u.stmt->kind == ast::StmtKind::Match && u.coversArms) {
      std::vector<ast::Name> arms;
      for (const ast::Arm &arm : u.stmt->arms) arms.push_back(arm.name);
      here = u.block->outer;
      Value selector = elab(*u.expr);
      if (selector.nominal) coverArms(*selector.nominal, arms, u.stmt->condition->span, "match");
    }
    if (ClockTerm *t = u.declaredClock ? symbols[u.declaredFor].declaredTerm : nullptr; t && t->condition)
      elabSelector(*t->condition, t->parent);
    return;
  case Unit::Kind::Equation: return elaborateEquation(u);
  case Unit::Kind::Stacked:
  case Unit::Kind::EndValue: return elaborateResult(u);
  case Unit::Kind::Until: return elaborateUntil(u);
  case Unit::Kind::Scan: return;
  }
}

static bool isCount(const ast::Expr &e) { return e.kind == ast::ExprKind::Call; }

/// The value of the statement's expression: for end values and stacks that of each instant.
Value Body::valueOf(Unit &u) {
  Ty want;
  if (u.targets.size() == 1) {
    want = symbols[u.targets[0]].ty;
    if (u.kind == Unit::Kind::Stacked) want = element(u.scope->time->length, want);
  } else {
    want.kind = Ty::Kind::Tuple;
    for (SymbolId id : u.targets) want.parts.push_back(symbols[id].ty);
  }
  switch (u.kind) {
  case Unit::Kind::Until: return elab(*u.stmt->condition);
  case Unit::Kind::Scan:
  case Unit::Kind::Condition: return Value();
  case Unit::Kind::EndValue:
    if (isCount(*u.stmt->value)) return elabCount(*u.stmt->value);
    return elab(*u.stmt->value->args[0], &want);
  default: return elab(*u.expr, &want);
  }
}

std::vector<Ty> Body::targetTypes(const Unit &u, const Value &value) {
  Ty ty = value.ty();
  if (u.kind == Unit::Kind::Stacked) ty = prepend({u.scope->time->length}, ty);
  if (u.targets.size() == 1 && u.stmt->targets.size() == 1) return {ty};
  if (ty.parts.size() == u.targets.size() && !ty.isStruct()) return ty.parts;
  return std::vector<Ty>(u.targets.size());
}

/// `until` or `unless` for the condition of a transition (Automata.cpp), which the source gives no name.
static std::string_view transitionWord(std::string_view name) {
  if (!name.starts_with("automaton#")) return {};
  for (std::string_view word : {"until", "unless"})
    if (name.substr(std::min(name.find('.') + 1, name.size())).starts_with(word)) return word;
  return {};
}

/// Fixes the type of the symbol, or makes the value fit it.
bool Body::settle(Symbol &symbol, Value &value, const ast::Expr &e) {
  if (std::string_view word = transitionWord(symbol.name); !word.empty() && !value.unknown()) {
    Value tried = value;
    if (!fitScalarCondition(tried, e, fmt::format("the condition of `{}`", word))) {
      value = Value();
      return false;
    }
  }
  if (symbol.ty.isKnown()) return fit(value, symbol.ty, e, fmt::format("`{}`", symbol.name));
  if (symbol.declared || symbol.ty.kind != Ty::Kind::Unknown) return false;
  symbol.literal = value.flex;
  forceDefault(value);
  Ty ty = value.ty();
  if (!ty.isKnown()) return false;
  symbol.ty = std::move(ty);
  declareLeaves(symbol);
  return true;
}

void Body::emitLeaves(const Symbol &symbol, const Value &value, size_t &leaf, Span span) {
  for (const Value &part : value.parts) emitLeaves(symbol, part, leaf, span);
  if (!value.plain()) return;
  Equation &equation = unit->equations.emplace_back();
  equation.span = span;
  equation.targets = {symbol.leaves[leaf++]};
  equation.value = value.expr;
}

bool Body::define(Symbol &symbol, Value value, const ast::Expr &e) {
  size_t leaf = 0;
  if (!settle(symbol, value, e)) return false;
  emitLeaves(symbol, value, leaf, unit->stmt->span);
  return true;
}

void Body::elaborateMonitor(Unit &u) {
  Expr *condition = nullptr;
  std::string word = u.stmt->kind == ast::StmtKind::Assert   ? "assert"
                     : u.stmt->kind == ast::StmtKind::Assume ? "assume"
                                                             : "guarantee";
  if (!elabScalarCondition(*u.expr, fmt::format("what `{}` claims", word), condition)) return;
  Equation &equation = u.equations.emplace_back();
  equation.kind = Equation::Kind::Monitor;
  equation.span = u.stmt->span;
  equation.value = condition;
  equation.monitor = u.stmt->kind == ast::StmtKind::Assert   ? MonitorKind::Assert
                     : u.stmt->kind == ast::StmtKind::Assume ? MonitorKind::Assume
                                                             : MonitorKind::Guarantee;
}

void Body::elaborateEquation(Unit &u) {
  if (u.targets.empty() && u.stmt->targets.empty()) return elaborateMonitor(u);
  if (elaborateCallEquation(u)) return;
  const ast::Expr &e = *u.expr;
  Value value = valueOf(u);
  size_t written = u.stmt->targets.size();
  if (value.unknown() || u.targets.size() != written) return;
  if (written == 1) {
    u.complete = define(symbols[u.targets[0]], std::move(value), e);
    return;
  }
  if (value.parts.size() != written || value.isStruct()) {
    if (value.isStruct()) value.parts.resize(1);
    error(kinds::wrongArguments, u.stmt->targets[0].span.to(u.stmt->targets.back().span),
          fmt::format("{} variables are defined by {} value{}", written,
                      std::max<size_t>(1, value.parts.size()), value.parts.size() > 1 ? "s" : ""),
          "these");
    return;
  }
  u.complete = true;
  for (size_t i = 0; i < written; ++i) {
    bool listed = e.kind == ast::ExprKind::Tuple && e.args.size() == written;
    u.complete &= define(symbols[u.targets[i]], std::move(value.parts[i]), listed ? *e.args[i] : e);
  }
}

/// `(a, b) = f(x)` for a node or a fun of several results: the call's results are the targets, without
/// copies.
bool Body::elaborateCallEquation(Unit &u) {
  const ast::Expr &e = *u.expr;
  const ast::Decl *decl = calledDeclaration(e);
  if (!decl || marks.count(&e) || u.targets.size() != u.stmt->targets.size()) return false;
  if (decl->kind != ast::DeclKind::Node && decl->outputs.size() == 1) return false;
  if (!allowCall(*decl, e)) return true;
  std::vector<Ty> want;
  if (u.targets.size() == decl->outputs.size())
    for (SymbolId id : u.targets) want.push_back(symbols[id].ty);
  PreparedCall call;
  Value guess;
  if (!prepareCall(*decl, e, &want, call, guess)) return true;
  std::vector<Ty> results = call.signature.outputs;
  if (results.size() != u.targets.size()) {
    if (u.targets.size() == 1) results = {Ty{Ty::Kind::Tuple, Flex::None, {}, results, nullptr}};
    else if (results.size() == 1 && !results[0].isStruct() && results[0].parts.size() == u.targets.size())
      results = Ty(results[0]).parts;
  }
  if (results.size() != u.targets.size()) {
    Diagnostic &d =
        error(kinds::wrongArguments, u.stmt->targets[0].span.to(u.stmt->targets.back().span),
              fmt::format("`{}` has {} result{}, and {} variables stand on the left", decl->name.text,
                          results.size(), results.size() == 1 ? "" : "s", u.targets.size()));
    d.labels.push_back({decl->name.span, "declared here", false});
    return true;
  }
  Equation equation = callEquation(call, u.stmt->span);
  for (size_t i = 0; i < results.size(); ++i) {
    Symbol &symbol = symbols[u.targets[i]];
    if (symbol.ty.kind == Ty::Kind::Unknown && !symbol.declared) {
      symbol.ty = results[i];
      declareLeaves(symbol);
    } else if (symbol.ty != results[i]) {
      if (symbol.ty.kind != Ty::Kind::Unknown)
        error(symbol.ty.type.scalar != results[i].type.scalar ? kinds::typeMismatch : kinds::shapeMismatch,
              u.stmt->targets[i].span,
              fmt::format("`{}` is {}, but result `{}` of `{}` is {}", symbol.name, toString(symbol.ty),
                          decl->outputs.size() == results.size() ? decl->outputs[i].name.text
                                                                 : std::to_string(i),
                          call.signature.display(), toString(results[i])));
      return true;
    }
    equation.targets.insert(equation.targets.end(), symbol.leaves.begin(), symbol.leaves.end());
  }
  u.equations.push_back(std::move(equation));
  u.complete = true;
  return true;
}

// ---- what leaves a scan ----------------------------------------------------------------------------------

void Body::emitResults(const Symbol &symbol, const Value &value, size_t &leaf, ScanResult::Kind kind,
                       Span span) {
  for (const Value &part : value.parts) emitResults(symbol, part, leaf, kind, span);
  if (!value.plain()) return;
  const Expr *e = kind == ScanResult::Kind::Count ? nullptr : value.expr;
  scope->time->results.push_back({kind, symbol.leaves[leaf++], e, span});
}

void Body::elaborateResult(Unit &u) {
  const ast::Expr &e = *u.stmt->value;
  bool stacked = u.kind == Unit::Kind::Stacked, final = e.op == ast::Op::Final,
       count = !stacked && isCount(e);
  auto kind = stacked ? ScanResult::Kind::Stack
              : count ? ScanResult::Kind::Count
              : final ? ScanResult::Kind::Final
                      : ScanResult::Kind::Initial;
  int64_t length = u.scope->time->length;
  if (!stacked && !count && length == 0)
    error(kinds::emptyReduction, e.span,
          fmt::format("the scan has no instants, so `{}` has no value", text(e)), "its length is 0");
  Value value = valueOf(u);
  if (value.unknown() || u.targets.size() != u.stmt->targets.size()) return;
  std::vector<Value> values{std::move(value)};
  if (u.targets.size() > 1) {
    std::vector<Value> parts = std::move(values[0].parts);
    values = std::move(parts);
  }
  if (values.size() != u.targets.size()) {
    error(kinds::wrongArguments, u.stmt->targets[0].span.to(u.stmt->targets.back().span),
          fmt::format("{} variables are defined by {} values", u.targets.size(), values.size()));
    return;
  }
  u.complete = true;
  for (size_t i = 0; i < values.size(); ++i) {
    Symbol &symbol = symbols[u.targets[i]];
    size_t leaf = 0;
    if (symbol.ty.isKnown()) {
      Ty want = stacked ? element(length, symbol.ty) : symbol.ty;
      if (want.kind == Ty::Kind::Unknown) {
        Diagnostic &d = error(kinds::shapeMismatch, u.stmt->targets[i].span,
                              fmt::format("`{}` is {}, but the scan stacks {} values", symbol.name,
                                          toString(symbol.ty), length));
        d.labels.push_back({u.scope->time->span, fmt::format("{} instants", length), false});
        u.complete = false;
        continue;
      }
      std::string what =
          stacked ? fmt::format("an element of `{}`", symbol.name) : fmt::format("`{}`", symbol.name);
      u.complete &= fit(values[i], want, e, what);
      if (values[i].unknown()) continue;
    } else {
      u.complete &= !symbol.declared;
      if (symbol.declared) continue;
      symbol.literal = values[i].flex;
      forceDefault(values[i]);
      symbol.ty = stacked ? prepend({length}, values[i].ty()) : values[i].ty();
      declareLeaves(symbol);
    }
    emitResults(symbol, values[i], leaf, kind, u.stmt->span);
  }
}

void Body::elaborateUntil(Unit &u) {
  Expr *condition = nullptr;
  if (elabScalarCondition(*u.stmt->condition, "the condition of `until`", condition))
    u.scope->time->until = condition, u.complete = true;
}

} // namespace mlr::checking
