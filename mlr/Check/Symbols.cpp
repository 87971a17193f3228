// The variables of a body and the statements that define them.
#include "mlr/Ast/Annotations.h"
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

Body::Body(Checker &checker, const Signature &signature, NodeInstance &instance, Diagnostics &diagnostics)
    : checker(checker), signature(signature), env(signature.env), module(*signature.env.module),
      instance(instance), report(diagnostics), statics(checker, signature.env, report) {
  if (!signature.env.values.empty() && instance.usedAt.valid())
    report.setInstance(instance.display, instance.usedAt);
  statics.describeName = [this](std::string_view name) { return describe(name); };
}

Body::Body(Checker &checker, const Signature &signature, NodeInstance &instance, const Reporter &report,
           std::function<std::string(std::string_view)> describeName)
    : checker(checker), signature(signature), env(signature.env), module(*signature.env.module),
      instance(instance), report(report), statics(checker, signature.env, this->report) {
  statics.describeName = std::move(describeName);
}

bool Body::elaborate() {
  size_t errors = report.errorCount();
  Scope &root = scopes.emplace_back();
  root.region = &instance.body;
  root.base = clocks.base(&root);
  root.span = signature.decl->span;
  scope = &root;
  declareParameters();
  if (signature.decl->isExtern) return report.errorCount() == errors;
  collectBlock(signature.decl->body, root);
  requireOutputs();
  namesFailed = report.errorCount() != errors;
  inferClocks();
  collectReads();
  elaborateInOrder();
  solveLater();
  if (report.errorCount() == errors) checkBlockClocks();
  bool complete = !incomplete && report.errorCount() == errors;
  for (const Unit &u : units) complete &= u.complete || u.targets.empty() || u.kind == Unit::Kind::Scan;
  if (complete) assemble();
  return complete;
}

// ---- names -----------------------------------------------------------------------------------------------

const SymbolId *Body::lookup(std::string_view name) const {
  for (const Scope *s = scope; s; s = s->parent)
    if (auto at = s->names.find(name); at != s->names.end()) return &at->second;
  return nullptr;
}

/// The variable that `x` or `last x` reads; null for anything else.
const SymbolId *Body::variableRead(const ast::Expr &e) const {
  if (e.kind == ast::ExprKind::Name) return lookup(e.text);
  return e.op == ast::Op::Last ? lookup("last " + e.text) : nullptr;
}

std::string Body::describe(std::string_view name) const {
  for (const Comprehended &c : comprehended)
    if (c.name == name) return "a comprehension index";
  const SymbolId *id = lookup(name);
  if (!id) return "";
  return symbols[*id].kind == Var::Kind::Input ? "an input" : "a variable";
}

std::vector<std::string_view> Body::visibleNames() const {
  std::vector<std::string_view> out;
  for (const Comprehended &c : comprehended) out.push_back(c.name);
  for (const Symbol &symbol : symbols)
    if (const SymbolId *id = lookup(symbol.name); id && &symbols[*id] == &symbol) out.push_back(symbol.name);
  for (const auto &[name, value] : env.values) out.push_back(name);
  for (const auto &decl : module.file->decls)
    if (decl->kind == ast::DeclKind::Const) out.push_back(decl->name.text);
  return out;
}

bool Body::hidesSomething(const ast::Name &name, Scope &at) {
  Scope *before = scope;
  scope = &at;
  const SymbolId *id = lookup(name.text);
  scope = before;
  const StaticValue *parameter = env.find(name.text);
  if (!id && !parameter) return false;
  if (id && symbols[*id].kind == Var::Kind::Input) {
    Diagnostic &d = error(kinds::duplicateDefinition, name.span,
                          fmt::format("`{}` is an input and cannot be defined", name.text), "defined here");
    d.labels.push_back({symbols[*id].span, "the caller gives its value", false});
    return true;
  }
  Diagnostic &d = error(kinds::duplicateDefinition, name.span,
                        parameter ? fmt::format("`{}` is already a static parameter", name.text)
                                  : fmt::format("`{}` is defined twice", name.text),
                        parameter ? "hides it" : "again here");
  if (id) d.labels.push_back({symbols[*id].span, "the other one", false});
  return true;
}

SymbolId Body::newSymbol(const ast::Name &name, Var::Kind kind, Scope &at) {
  auto id = static_cast<SymbolId>(symbols.size());
  Symbol &symbol = symbols.emplace_back();
  symbol.name = name.text;
  symbol.span = name.span;
  symbol.kind = kind;
  symbol.scope = &at;
  at.table().names.emplace(name.text, id);
  return id;
}

void Body::declareLeaves(Symbol &symbol, const Ty &ty, const std::string &name) {
  for (size_t i = 0; i < ty.parts.size(); ++i)
    declareLeaves(symbol, ty.parts[i],
                  ty.isStruct() ? fmt::format("{}.{}", name, ty.nominal->decl->fields[i].name.text)
                                : fmt::format("{}.{}", name, i));
  if (ty.kind != Ty::Kind::Plain) return;
  if (auto count = elementCount(ty.type.shape); !count || *count > maxSize)
    error(kinds::invalidSize, symbol.span,
          fmt::format("a tensor of shape {} is too large", toString(ty.type.shape)),
          fmt::format("more than {} elements", maxSize));
  symbol.leaves.push_back(static_cast<VarId>(instance.vars.size()));
  instance.vars.push_back({symbol.kind, name, ty.type, symbol.span, symbol.scope->time});
  if (ty.nominal) instance.vars.back().constructors = ty.nominal->constructors();
  setClock(symbol.leaves.back(), symbol.clock);
}

void Body::declareLeaves(Symbol &symbol) {
  if (symbol.leaves.empty())
    declareLeaves(symbol, symbol.ty, std::string(symbol.leafName.empty() ? symbol.name : symbol.leafName));
}

void Body::declareParameters() {
  auto declare = [&](const std::vector<ast::Param> &params, const std::vector<Ty> &types, Var::Kind kind,
                     std::vector<VarId> &vars) {
    for (size_t i = 0; i < params.size(); ++i) {
      if (scope->names.count(params[i].name.text) || env.find(params[i].name.text)) {
        hidesSomething(params[i].name, *scope);
        continue;
      }
      Symbol &symbol = symbols[newSymbol(params[i].name, kind, *scope)];
      symbol.declared = &params[i].type;
      symbol.declaredClock = params[i].clock.get();
      symbol.isParameter = true;
      symbol.ty = types[i];
      declareLeaves(symbol);
      vars.insert(vars.end(), symbol.leaves.begin(), symbol.leaves.end());
    }
  };
  instance.vars.clear();
  instance.inputs.clear();
  instance.outputs.clear();
  declare(signature.decl->inputs, signature.inputs, Var::Kind::Input, instance.inputs);
  declare(signature.decl->outputs, signature.outputs, Var::Kind::Output, instance.outputs);
}

void Body::requireOutputs() {
  if (incomplete) return;
  for (Symbol &symbol : symbols) {
    if (symbol.kind != Var::Kind::Output || symbol.definition) continue;
    Diagnostic &d = error(kinds::missingDefinition, symbol.span,
                          fmt::format("the output `{}` has no equation", symbol.name), "never defined");
    d.helps.push_back(fmt::format("add an equation: `{} = ..;`", symbol.name));
  }
}

// ---- statements ------------------------------------------------------------------------------------------

/// Statements of later versions, by name. True: refused.
bool Body::refuse(const ast::Stmt &stmt) {
  for (const ast::Annotation &annotation : stmt.annotations)
    if (!ast::isBudget(annotation)) // those are for whoever compiles the node
      report.unsupported(annotation.span, fmt::format("annotations (`@{}`) are", annotation.name.text));
  return false;
}

void Body::collectBlock(const ast::Block &block, Scope &at) {
  for (const auto &stmt : block.stmts)
    if (stmt && stmt->kind == ast::StmtKind::Last) collectLast(*stmt, at); // arms keep what has one
  for (const auto &stmt : block.stmts)
    if (stmt && !refuse(*stmt)) collectStmt(*stmt, at);
}

void Body::collectStmt(const ast::Stmt &stmt, Scope &at) {
  using K = ast::StmtKind;
  if (stmt.kind == K::Scan) return collectScan(stmt, at);
  if (stmt.kind == K::When) return collectWhen(stmt, at);
  if (stmt.kind == K::If) return collectIf(stmt, at);
  if (stmt.kind == K::Match) return collectMatch(stmt, at);
  if (stmt.kind == K::Reset) return collectReset(stmt, at);
  if (stmt.kind == K::Automaton) return collectAutomaton(stmt, at);
  if (stmt.kind == K::Assert || stmt.kind == K::Assume || stmt.kind == K::Guarantee) return collectMonitor(stmt, at);
  if (stmt.kind == ast::StmtKind::Equation || stmt.kind == ast::StmtKind::Stacked) collectEquation(stmt, at);
}

/// The `final` or `initial` that an expression begins with, as in `final s / n`.
static const ast::Expr *leadingEnd(const ast::Expr &e) {
  const ast::Expr *at = &e;
  while (at->kind == ast::ExprKind::Binary) at = at->args[0].get();
  bool end = at->kind == ast::ExprKind::Unary && (at->op == ast::Op::Final || at->op == ast::Op::Initial);
  return end ? at : nullptr;
}

void Body::addTarget(Unit &unit, const ast::Name &name, Scope &at, bool leavesScan) {
  // An output of the node may get its definition; everything else visible must not be hidden.
  auto &names = at.table().names;
  auto own = names.find(name.text);
  if (own != names.end() && (symbols[own->second].kind == Var::Kind::Output || symbols[own->second].isOfArm) &&
      !symbols[own->second].definition) {
    symbols[own->second].definition = &unit;
    symbols[own->second].scope = &at;
    unit.targets.push_back(own->second);
    return;
  }
  Scope *before = scope;
  scope = &at;
  const SymbolId *outer = lookup(name.text);
  scope = before;
  if (outer && !leavesScan && symbols[*outer].kind == Var::Kind::Output && symbols[*outer].scope->time != at.time &&
      !symbols[*outer].definition) {
    Symbol &symbol = symbols[*outer];
    Diagnostic &d =
        error(kinds::outsideScan, name.span,
              fmt::format("`{}` is an output of the node, but this defines a stream of the scan", name.text),
              "one value at each instant of the scan");
    d.labels.push_back({symbol.span, "an output", false});
    if (const ast::Expr *end = leadingEnd(*unit.stmt->value)) {
      std::string word = ast::spelling(end->op), all = text(*unit.stmt->value);
      if (all.starts_with(word + " "))
        d.helps.push_back(fmt::format("`{0}` binds tighter: `{1} = {0} ({2});`", word, name.text,
                                      all.substr(word.size() + 1)));
    } else {
      d.helps.push_back(fmt::format("stack all values: `{}[{}] = ..;`", name.text, at.index));
      d.helps.push_back(fmt::format("keep the last one: `{} = final ..;`", name.text));
    }
    symbol.definition = &unit; // one cause, one error
    return;
  }
  if (hidesSomething(name, at)) return;
  SymbolId id = newSymbol(name, Var::Kind::Local, at);
  symbols[id].definition = &unit;
  unit.targets.push_back(id);
}

/// `final e`, `initial e` or `count(t)` alone: the equation defines a variable of the enclosing time.
static bool isEndValue(const ast::Expr &e, const Scope &at) {
  if (e.kind == ast::ExprKind::Unary) return e.op == ast::Op::Final || e.op == ast::Op::Initial;
  return e.kind == ast::ExprKind::Call && e.text == "count" && e.args.size() == 1 &&
         e.args[0]->kind == ast::ExprKind::Name && e.args[0]->text == at.index;
}

void Body::collectEquation(const ast::Stmt &stmt, Scope &at) {
  if (!stmt.value) return;
  Unit &unit = units.emplace_back();
  unit.stmt = &stmt;
  unit.expr = stmt.value.get();
  unit.scope = &at;
  Scope *home = &at;
  if (stmt.kind == ast::StmtKind::Stacked) {
    unit.kind = Unit::Kind::Stacked;
    if (!at.time || at.index != stmt.index.text) {
      Diagnostic &d =
          error(kinds::outsideScan, stmt.index.span,
                fmt::format("`{}` is not the index of the innermost scan", stmt.index.text),
                at.time ? fmt::format("the index here is `{}`", at.index) : "there is no scan around it");
      if (!at.time)
        d.helps.push_back(fmt::format("build a tensor with a comprehension: `{} = [.. for {} < N];`",
                                      stmt.targets[0].text, stmt.index.text));
      units.pop_back();
      return;
    }
    home = at.ofTime().parent;
  } else if (at.time && isEndValue(*stmt.value, at)) {
    unit.kind = Unit::Kind::EndValue;
    home = at.ofTime().parent;
  }
  for (const ast::Name &target : stmt.targets) addTarget(unit, target, *home, home != &at);
  if (!stmt.type || unit.targets.empty()) return;
  Symbol &symbol = symbols[unit.targets[0]];
  if (symbol.declared) {
    Diagnostic &d =
        error(kinds::duplicateDefinition, stmt.type->span,
              fmt::format("the type of the output `{}` is given twice", symbol.name), "again here");
    d.labels.push_back({symbol.span, "first here", false});
    return;
  }
  auto ty = statics.type(*stmt.type);
  symbol.declared = &*stmt.type;
  symbol.declaredClock = stmt.clock.get();
  if (stmt.clock && stmt.clock->condition) {
    SymbolId declared = unit.targets[0];
    Unit &condition = units.emplace_back();
    condition.kind = Unit::Kind::Condition;
    condition.stmt = &stmt;
    condition.expr = stmt.clock->condition.get();
    condition.scope = &at;
    condition.declaredClock = stmt.clock.get();
    condition.declaredFor = declared;
  }
  if (!ty) return;
  symbol.ty = *ty;
  declareLeaves(symbol);
}

void Body::collectScan(const ast::Stmt &stmt, Scope &at) {
  Unit &unit = units.emplace_back();
  unit.kind = Unit::Kind::Scan;
  unit.stmt = &stmt;
  unit.scope = &at;
  Equation &equation = unit.equations.emplace_back();
  equation.kind = Equation::Kind::Scan;
  equation.span = stmt.span;
  equation.scan = std::make_unique<ScanTime>();
  ScanTime &time = *equation.scan;
  time.parent = at.time;
  time.span = stmt.index.span;
  time.resume = stmt.resume;
  if (stmt.bound) time.length = statics.size(*stmt.bound).value_or(1);
  if (stmt.resume && instance.isFun && !at.time)
    error(kinds::stateInFun, time.span,
          fmt::format("the fun `{}` cannot keep state", signature.decl->name.text),
          "`resume` keeps state from one instant to the next");
  Scope &inner = scopes.emplace_back();
  inner.parent = &at;
  inner.time = &time;
  inner.region = &time.body;
  inner.index = stmt.index.text;
  inner.span = stmt.span;
  inner.base = clocks.base(&inner);
  inner.outer = clocks.unknown(&at);
  unit.block = &inner;
  if (!hidesSomething(stmt.index, at)) {
    Symbol &index = symbols[newSymbol(stmt.index, Var::Kind::ScanIndex, inner)];
    index.ty = Ty::of({Scalar::I32, {}});
    declareLeaves(index);
    time.index = index.leaves[0];
  }
  if (stmt.condition) {
    Unit &until = units.emplace_back();
    until.kind = Unit::Kind::Until;
    until.stmt = &stmt;
    until.scope = &inner;
    until.expr = stmt.condition.get();
  }
  collectBlock(stmt.body, inner);
}

} // namespace mlr::checking
