#include "mlr/Check/Checker.h"

#include "mlr/Check/AstWalk.h"

#include "mlr/Ast/Parser.h"
#include "mlr/Check/Analyses.h"
#include "mlr/Check/Body.h"
#include "mlr/Check/Fold.h"
#include "runtime/DataFile.h"
#include "support/CNames.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <unordered_set>

namespace mlr::checking {

/// Of nodes with static parameters; others are bounded by the text.
static constexpr size_t maxInstances = 16384;

Checker::Checker(const ast::File &file, SourceMap &sources, const CheckOptions &options,
                 Diagnostics &diagnostics)
    : sources(sources), options(options), diagnostics(diagnostics), report(diagnostics),
      module(file, nullptr) {}

/// std/math.mlr, parsed once a run; without it the elementary functions are unknown names.
void Checker::loadPrelude() {
  if (options.stdPath.empty()) return;
  std::string path = options.stdPath + "/math.mlr";
  std::ifstream in(path, std::ios::binary);
  if (!in) return;
  std::stringstream text;
  text << in.rdbuf();
  uint32_t number = sources.add(path, text.str());
  ownedFiles.push_back(std::make_unique<ast::File>(ast::parse(number, diagnostics)));
  prelude = std::make_unique<Module>(*ownedFiles.back(), nullptr);
  prelude->declare(report);
  module.prelude = prelude.get();
}

std::optional<Program> Checker::run() {
  loadPrelude();
  importing.push_back({identityOfRoot(), Span()});
  loadImports(module);
  if (diagnostics.hasErrors()) return std::nullopt; // a module is missing, or has holes where it did not parse
  module.declare(report);
  std::vector<const Module *> all;
  if (prelude) all.push_back(prelude.get());
  for (const auto &imported : modules) all.push_back(imported.get());
  all.push_back(&module);
  for (const Module *m : all)
    for (const auto &decl : m->file->decls) refuseDeclaration(*decl);
  declarations.analyse(all, report);
  for (const ast::Decl *decl : declarations.order)
    if (decl->kind == ast::DeclKind::Const) constant(*decl);
  addRoots();
  elaborateQueue();
  for (size_t i = 0; takesDerivatives && i < stated.size(); ++i) {
    Pending function = stated[i]; // elaboration may state more
    addDerivative(function);
    elaborateQueue();
  }
  bool failed = diagnostics.hasErrors();
  program.takesDerivatives = takesDerivatives;
  if (!orderNodes()) return std::nullopt;
  if (!failed) loopLargeInstances(program);
  if (!analyse() || failed) return std::nullopt;
  return std::move(program);
}

void Checker::elaborateQueue() {
  while (!queue.empty()) {
    Pending next = std::move(queue.front());
    queue.pop_front();
    if (Body(*this, next.signature, *next.instance, diagnostics).elaborate()) complete.insert(next.instance);
  }
}

/// `fun f(x) -> (y) derivative g`: g(x.., y.., ybar..) -> (xbar..), with the static parameters of f of the same names.
void Checker::addDerivative(const Pending &function) {
  const ast::Decl &decl = *function.signature.decl;
  const Module *in = home(decl);
  const ast::Decl *rule = in->find(decl.derivative.text);
  Reporter to = report;
  if (!rule || rule->kind != ast::DeclKind::Fun) {
    to.error(kinds::unknownName, decl.derivative.span,
             fmt::format("the derivative of `{}` is a function, and there is none called `{}`", decl.name.text, decl.derivative.text),
             "not known");
    return;
  }
  Signature signature;
  signature.decl = rule;
  signature.env.module = home(*rule);
  for (const ast::StaticParam &param : rule->statics) {
    const StaticValue *value = function.signature.env.find(param.name.text);
    if (!value) {
      Diagnostic &d = to.error(kinds::wrongArguments, param.name.span,
               fmt::format("the derivative of `{}` has a static parameter `{}` that `{}` has not", decl.name.text, param.name.text, decl.name.text),
               "no value for it");
      d.labels.push_back({decl.derivative.span, "named here", false});
      return;
    }
    signature.env.values.push_back({param.name.text, *value});
  }
  std::vector<Ty> inputs = function.signature.inputs, outputs = function.signature.inputs;
  for (int twice = 0; twice < 2; ++twice)
    inputs.insert(inputs.end(), function.signature.outputs.begin(), function.signature.outputs.end());
  StaticEvaluator evaluator(*this, signature.env, to, false);
  auto types = [&](const std::vector<ast::Param> &params, std::vector<Ty> &out) {
    for (const ast::Param &param : params) out.push_back(evaluator.type(param.type).value_or(Ty()));
  };
  types(rule->inputs, signature.inputs);
  types(rule->outputs, signature.outputs);
  auto same = [](const std::vector<Ty> &a, const std::vector<Ty> &b) {
    bool equal = a.size() == b.size();
    for (size_t i = 0; equal && i < a.size(); ++i) equal = toString(a[i]) == toString(b[i]);
    return equal;
  };
  auto list = [](const std::vector<Ty> &types) {
    std::string out;
    for (const Ty &ty : types) out += (out.empty() ? "" : ", ") + toString(ty);
    return "(" + out + ")";
  };
  if (!same(inputs, signature.inputs) || !same(outputs, signature.outputs)) {
    Diagnostic &d = to.error(kinds::wrongArguments, rule->name.span,
                             fmt::format("`{}` cannot be the derivative of `{}`", rule->name.text, decl.name.text),
                             fmt::format("{} -> {}", list(signature.inputs), list(signature.outputs)));
    d.labels.push_back({decl.derivative.span, fmt::format("must be {} -> {}", list(inputs), list(outputs)), false});
    d.helps.push_back("inputs: those of the function, its outputs, one cotangent for each output; outputs: one cotangent for each input");
    return;
  }
  function.instance->derivative = instantiate(signature, decl.derivative.span, to);
}

/// The analyses of what is complete: an error in one declaration does not hide those of others.
bool Checker::analyse() {
  std::erase_if(program.nodes, [&](const std::unique_ptr<NodeInstance> &node) { // callees first
    for (const NodeInstance *callee : calls[node.get()])
      if (!complete.count(callee)) complete.erase(node.get());
    return !complete.count(node.get());
  });
  std::erase_if(program.roots, [&](const NodeInstance *root) { return !complete.count(root); });
  if (!checkExpansion(program, diagnostics)) return false;
  bool sized = checkSizes(program, diagnostics);
  bool initialised = checkInitialisation(program, diagnostics);
  if (!checkCausality(program, diagnostics) || !initialised || !sized) return false;
  std::string library = options.stdPath + "/";
  return checkDerivatives(program, [&](uint32_t file) { return sources.path(file).starts_with(library); }, diagnostics);
}

/// Words of C and C++, and names that generated code has for its own values: `v1`, `i2`, `state`, and all that begin with `mlr_`.
static bool isTakenInC(std::string_view name) {
  if (isReservedInC(name) || name.starts_with("mlr_") || name == "main") return true;
  for (std::string_view own : {"in", "out", "state", "scratch", "l"})
    if (name == own) return true;
  bool numbered = name.size() > 1 && (name[0] == 'v' || name[0] == 'i' || name[0] == 'a');
  return numbered && name.find_first_not_of("0123456789", 1) == name.npos;
}

/// A node whose generated C declares `name`, such as `f` with `f_step`; none: null.
static const ast::Decl *nodeThatDeclares(std::string_view name, const ast::File &file) {
  for (const auto &decl : file.decls) {
    if ((decl->kind != ast::DeclKind::Node && decl->kind != ast::DeclKind::Fun) || decl->isExtern || !name.starts_with(decl->name.text)) continue;
    for (std::string_view suffix : nodeSuffixes)
      if (name.substr(decl->name.text.size()) == suffix) return decl.get();
  }
  return nullptr;
}

/// What C has no form for.
void Checker::checkExtern(const ast::Decl &decl, Span at) {
  if (isTakenInC(decl.name.text))
    report.error(kinds::duplicateDefinition, at, fmt::format("a C function cannot be called `{}`", decl.name.text),
                 "generated C has another use for this name");
  else if (const ast::Decl *node = nodeThatDeclares(decl.name.text, *module.file))
    report.error(kinds::duplicateDefinition, at, fmt::format("a C function cannot be called `{}`", decl.name.text), "declared here")
        .labels.push_back({node->name.span, "generated C has this name for a part of the node", false});
  if (!decl.statics.empty())
    report.error(kinds::wrongArguments, decl.statics[0].name.span,
                 fmt::format("the C function `{}` cannot have static parameters", decl.name.text), "one symbol has one type");
  if (decl.outputs.empty())
    report.error(kinds::missingDefinition, at, fmt::format("the C function `{}` has no output", decl.name.text),
                 "nothing could use it").helps.push_back("let it give a value, for example whether it succeeded: `-> (ok: bool)`");
  for (const auto *params : {&decl.inputs, &decl.outputs})
    for (const ast::Param &param : *params)
      if (param.clock)
        report.error(kinds::clockMismatch, param.name.span,
                     fmt::format("`{}` of the C function `{}` cannot be on a slower clock", param.name.text, decl.name.text),
                     "a call has all its values").helps.push_back("call it on that clock: `when c { .. }`");
}

/// Constructors or fields: each name once.
template <class Members, class NameOf>
static void requireDistinct(Reporter &report, const Members &members, NameOf nameOf, const char *what) {
  std::unordered_map<std::string_view, Span> first;
  for (const auto &member : members) {
    const ast::Name &name = nameOf(member);
    auto [at, isNew] = first.emplace(name.text, name.span);
    if (isNew) continue;
    Diagnostic &d = report.error(kinds::duplicateDefinition, name.span, fmt::format("the {} `{}` is declared twice", what, name.text),
                                 "again here");
    d.labels.push_back({at->second, "first declared here", false});
  }
}

/// What makes no sense by itself, and declarations of later versions, by name.
void Checker::refuseDeclaration(const ast::Decl &decl) {
  using K = ast::DeclKind;
  Span at = decl.name.span.valid() ? decl.name.span : decl.span;
  if (decl.kind == K::Struct && decl.fields.empty())
    report.error(kinds::missingDefinition, at, fmt::format("the struct `{}` has no fields", decl.name.text), "nothing in it");
  if ((decl.kind == K::Struct || decl.kind == K::Enum) && scalarNamed(decl.name.text))
    report.error(kinds::duplicateDefinition, at, fmt::format("`{}` is a type of the language", decl.name.text), "declared again");
  requireDistinct(report, decl.constructors, [](const ast::Name &n) -> const ast::Name & { return n; }, "constructor");
  requireDistinct(report, decl.fields, [](const ast::FieldDecl &f) -> const ast::Name & { return f.name; }, "field");
  for (const std::vector<ast::Param> *params : {&decl.inputs, &decl.outputs})
    for (const ast::Param &param : *params)
      if (decl.kind == K::Fun && param.clock) {
        Diagnostic &d = report.unsupported(param.name.span, "inputs and outputs of a `fun` on a clock of their own are");
        d.helps.push_back(fmt::format("declare it as a node: `node {}(..)`", decl.name.text));
      }
  checkRate(decl, report);
  if (decl.isExtern) checkExtern(decl, at);
  if (!decl.derivative.text.empty() && decl.kind != K::Fun)
    report.error(kinds::wrongArguments, decl.derivative.span, "only a `fun` states its derivative", "on a node");
  else if (!decl.derivative.text.empty() && decl.isExtern)
    report.unsupported(decl.derivative.span, "derivatives of C functions are")
        .helps.push_back(fmt::format("state it of a function around the call: `fun f(..) -> (..) derivative {} {{ .. = {}(..); }}`",
                                     decl.derivative.text, decl.name.text));
}

// ---- constants -------------------------------------------------------------------------------------------

const Constant &Checker::constant(const ast::Decl &decl) {
  auto [at, isNew] = constants.try_emplace(&decl);
  Constant &constant = at->second;
  if (!isNew) {
    if (constant.inProgress) constant.failed = true; // reported as recursive
    return constant;
  }
  constant.failed = facts(decl).recursive || !decl.value;
  if (constant.failed) return constant;
  constant.inProgress = true;
  evaluate(decl, *home(decl), constant);
  constant.inProgress = false;
  return constant;
}

void Checker::evaluate(const ast::Decl &decl, const Module &home, Constant &constant) {
  Signature signature{&decl, {&home, {}}, {}, {}};
  auto instance = std::make_unique<NodeInstance>();
  instance->name = decl.name.text;
  instance->span = decl.name.span;
  Body body(*this, signature, *instance, diagnostics);
  auto ty = StaticEvaluator(*this, signature.env, report).type(decl.type);
  constant.failed = true;
  if (!ty) return;
  if (ty->kind != Ty::Kind::Plain && !ty->isStruct()) {
    report.unsupported(decl.type.span, "constants of tuple types are");
    return;
  }
  constant.type = *ty;
  size_t errors = report.errorCount();
  Value value = body.constant(*decl.value, *ty, fmt::format("`{}`", decl.name.text));
  if (value.unknown() || report.errorCount() != errors) return;
  constant.failed = false;
  std::vector<const Expr *> leaves;
  flatten(value, leaves);
  for (const Expr *leaf : leaves) {
    auto folded = fold(*leaf);
    if (!folded) {
      constant.leaves.clear();
      computeConstant(decl, constant, std::move(instance), leaves);
      if (body.mustBeComputed()) replaceByValue(decl);
      return;
    }
    constant.leaves.push_back(std::move(*folded));
  }
}

/// A constant that needs calls or comprehensions: a fun without inputs.
void Checker::computeConstant(const ast::Decl &decl, Constant &constant,
                              std::unique_ptr<NodeInstance> instance,
                              const std::vector<const Expr *> &leaves) {
  int use = nameUses[decl.name.text]++;
  instance->name = use ? fmt::format("{}_{}", decl.name.text, use) : decl.name.text;
  instance->display = decl.name.text;
  instance->isFun = true;
  instance->doc = decl.doc;
  for (const Expr *leaf : leaves) {
    auto id = static_cast<VarId>(instance->vars.size());
    std::string name = leaves.size() == 1 ? decl.name.text : fmt::format("{}.{}", decl.name.text, id);
    instance->vars.push_back({Var::Kind::Output, name, leaf->type, decl.name.span, nullptr});
    instance->outputs.push_back(id);
    Equation &equation = instance->body.equations.emplace_back();
    equation.span = decl.value->span;
    equation.targets = {id};
    equation.value = leaf;
  }
  constant.computed = instance.get();
  complete.insert(constant.computed);
  program.nodes.push_back(std::move(instance));
}

std::optional<Array> Checker::load(std::string_view path, std::string_view name, uint32_t file, Span span,
                                   Reporter &to) {
  std::filesystem::path full(path);
  if (full.is_relative()) full = std::filesystem::path(sources.path(file)).parent_path() / full;
  auto result = data::load(full.string(), name);
  if (auto *problem = std::get_if<data::Error>(&result)) {
    to.error(kinds::loadFailed, span, fmt::format("`{}` cannot be loaded: {}", path, problem->message),
             "needed here");
    return std::nullopt;
  }
  Array array = std::move(std::get<Array>(result));
  auto count = elementCount(array.type().shape);
  if (count && *count <= maxSize) return array;
  to.error(kinds::loadFailed, span, fmt::format("`{}` is too large", path), toString(array.type()));
  return std::nullopt;
}

const Module *Checker::home(const ast::Decl &decl) const {
  uint32_t file = decl.name.span.file;
  if (prelude && prelude->file->file == file) return prelude.get();
  for (const auto &imported : modules)
    if (imported->file->file == file) return imported.get();
  return &module;
}

static void addFacts(const DeclTable &table, const FunctionValue &function, DeclFacts &facts) {
  if (!function.decl) return;
  const DeclFacts &own = table.facts(*function.decl);
  facts.state |= own.state;
  facts.end |= own.end;
  facts.scan |= own.scan;
  facts.effects |= own.effects;
  for (const auto &[name, value] : function.bound.values)
    if (value.function) addFacts(table, *value.function, facts);
}

DeclFacts Checker::facts(const Signature &signature) const {
  DeclFacts facts = declarations.facts(*signature.decl);
  for (const auto &[name, value] : signature.env.values) {
    if (!value.function) continue;
    DeclFacts added;
    addFacts(declarations, *value.function, added);
    bool own = facts.callsParameter(name);
    facts.state |= own && added.state;
    facts.end |= own && added.end;
    facts.scan |= added.scan;
  }
  return facts;
}

// ---- instances -------------------------------------------------------------------------------------------

NodeInstance *Checker::newInstance(const ast::Decl &decl, std::string display, Span usedAt) {
  auto instance = std::make_unique<NodeInstance>();
  int use = nameUses[decl.name.text]++;
  instance->name = decl.name.text;
  // "f_1" may be a declaration of its own.
  while (use && nameUses.count(fmt::format("{}_{}", decl.name.text, use))) ++use;
  if (use) {
    instance->name = fmt::format("{}_{}", decl.name.text, use);
    nameUses[instance->name] = 1;
    nameUses[decl.name.text] = use + 1;
  }
  instance->display = std::move(display);
  instance->isFun = decl.kind == ast::DeclKind::Fun;
  instance->rate = rateOf(decl);
  instance->isExtern = decl.isExtern;
  if (decl.isExtern) instance->symbol = decl.name.text;
  instance->hasEffects = decl.isExtern && !instance->isFun;
  instance->doc = decl.doc;
  instance->span = decl.name.span;
  instance->usedAt = usedAt;
  program.nodes.push_back(std::move(instance));
  return program.nodes.back().get();
}

/// "file:place/value/value".
static std::string keyOf(const ast::Decl &decl, const Env &env) {
  std::string key = fmt::format("{}:{}", decl.name.span.file, decl.name.span.begin);
  for (const auto &[name, value] : env.values) {
    std::string part = value.key();
    key += fmt::format("/{}:{}", part.size(), part);
  }
  return key;
}

NodeInstance *Checker::instantiate(const Signature &signature, Span usedAt, Reporter &to) {
  std::string key = keyOf(*signature.decl, signature.env);
  auto [at, isNew] = instances.emplace(key, nullptr);
  if (!isNew) return at->second;
  if (!signature.env.values.empty() && ++genericInstances > maxInstances) {
    Diagnostic &d = to.error(kinds::tooManyInstances, usedAt,
                             fmt::format("more than {} instances of generic nodes are needed", maxInstances),
                             fmt::format("the next one is {}", signature.display()));
    d.notes.push_back("every combination of static parameters is laid out on its own");
    queue.clear();
    return nullptr;
  }
  at->second = newInstance(*signature.decl, signature.display(), usedAt);
  DeclFacts facts = this->facts(signature);
  at->second->hasState = facts.state;
  at->second->usesEnd = facts.end;
  queue.push_back({signature, at->second});
  if (!signature.decl->derivative.text.empty()) stated.push_back(queue.back());
  return at->second;
}

NodeInstance *Checker::resettable(NodeInstance &callee, const std::vector<Type> &inputs, const std::vector<Type> &outputs) {
  auto [at, isNew] = resettables.try_emplace(&callee, nullptr);
  if (!isNew) return at->second;
  auto owned = std::make_unique<NodeInstance>();
  NodeInstance &node = *owned;
  do node.name = fmt::format("{}_{}", callee.name, ++nameUses[callee.name]);
  while (nameUses.count(node.name));
  nameUses[node.name] = 1;
  node.display = callee.display;
  node.span = callee.span;
  node.usedAt = callee.usedAt;
  node.hasState = true;
  node.usesEnd = callee.usesEnd;
  auto variable = [&](Var::Kind kind, std::string name, const Type &type, const Clock *clock) {
    Var var{kind, std::move(name), type, callee.span};
    var.clock = clock;
    node.vars.push_back(std::move(var));
    return static_cast<VarId>(node.vars.size() - 1);
  };
  auto read = [&](VarId v) {
    Expr &e = node.arena.emplace_back();
    e.kind = ExprKind::Var;
    e.type = node.vars[v].type;
    e.span = callee.span;
    e.var = v;
    return &e;
  };
  Equation block, call;
  block.kind = Equation::Kind::Clock;
  call.kind = Equation::Kind::Call;
  block.span = call.span = callee.span;
  block.clock = std::make_unique<Clock>();
  block.clock->kind = Clock::Kind::Reset;
  block.clock->span = callee.span;
  call.callee = &callee;
  for (const Type &type : inputs) {
    node.inputs.push_back(variable(Var::Kind::Input, fmt::format("x{}", node.inputs.size()), type, nullptr));
    call.args.push_back(read(node.inputs.back()));
  }
  node.inputs.push_back(variable(Var::Kind::Input, "reset", {Scalar::Bool, {}}, nullptr));
  block.clock->selector = node.inputs.back();
  std::vector<Equation> results;
  for (const Type &type : outputs) {
    call.targets.push_back(variable(Var::Kind::Hidden, fmt::format("r{}", call.targets.size()), type, block.clock.get()));
    node.outputs.push_back(variable(Var::Kind::Output, fmt::format("y{}", node.outputs.size()), type, nullptr));
    Equation &result = results.emplace_back();
    result.span = callee.span;
    result.targets = {node.outputs.back()};
    result.value = read(call.targets.back());
  }
  block.clock->body.equations.push_back(std::move(call));
  node.body.equations.push_back(std::move(block));
  for (Equation &result : results) node.body.equations.push_back(std::move(result));
  noteCall(node, callee);
  complete.insert(&node);
  program.nodes.push_back(std::move(owned));
  return at->second = &node;
}

const Nominal *Checker::nominal(const ast::Decl &decl, const Env &env, Span usedAt, Reporter &to) {
  std::string key = keyOf(decl, env);
  auto found = nominals.find(key);
  if (found != nominals.end()) return found->second->failed ? nullptr : found->second.get();
  auto made = std::make_unique<Nominal>();
  made->decl = &decl;
  made->env = env;
  made->key = key;
  made->display = decl.name.text;
  for (size_t i = 0; i < env.values.size(); ++i)
    made->display += (i ? ", " : "<<") + env.values[i].second.display();
  if (!env.values.empty()) made->display += ">>";
  Reporter within = to;
  if (!env.values.empty()) within.setInstance(made->display, usedAt);
  StaticEvaluator evaluator(*this, made->env, within);
  for (const ast::FieldDecl &field : decl.fields) {
    auto ty = evaluator.type(field.type);
    made->failed |= !ty;
    made->fields.push_back(ty.value_or(Ty()));
  }
  if (made->failed && to.isQuiet()) return nullptr; // to be reported yet
  return (nominals[key] = std::move(made))->failed ? nullptr : nominals[key].get();
}

/// A default that speaks of a parameter without a value waits: what has no value is reported by its own name.
static bool needsUnbound(const ast::Expr &value, Env &env) {
  bool unbound = false;
  walk(&value, [&](const ast::Expr &e) {
    const StaticValue *named = e.kind == ast::ExprKind::Name ? env.find(e.text) : nullptr;
    unbound |= named && named->kind == StaticValue::Kind::Unbound;
  });
  return unbound;
}

bool Checker::bindDefaults(const ast::Decl &decl, Env &env, Reporter &to) {
  bool ok = true;
  for (const ast::StaticParam &param : decl.statics) {
    if (!param.defaultValue || env.find(param.name.text)->kind != StaticValue::Kind::Unbound) continue;
    if (needsUnbound(*param.defaultValue, env)) continue;
    Signature context{&decl, env, {}, {}};
    NodeInstance scratch;
    Body body(*this, context, scratch, diagnostics);
    body.reporter().setQuiet(to.isQuiet());
    ok &= body.bindParam(param, param.defaultValue.get(), nullptr, param.defaultValue->span, env);
  }
  return ok;
}

// ---- roots -----------------------------------------------------------------------------------------------

/// A value from the command line, parsed as the value of a constant.
bool Checker::bindOption(const ast::StaticParam &param, const std::string &text, Env &env) {
  uint32_t number = sources.add("--param " + param.name.text, "const value: i32 = " + text + ";");
  Diagnostics own(sources); // what is wrong is told of the option: the text around it is not the user's
  ownedFiles.push_back(std::make_unique<ast::File>(ast::parse(number, own)));
  const ast::File &file = *ownedFiles.back();
  bool single = file.decls.size() == 1 && file.decls[0]->value && !own.hasErrors(), ok = false;
  if (single) {
    Signature context{file.decls[0].get(), {&module, {}}, {}, {}};
    NodeInstance scratch;
    const ast::Expr &value = *file.decls[0]->value;
    ok = Body(*this, context, scratch, own).bindParam(param, &value, nullptr, value.span, env) && !own.hasErrors();
  }
  if (ok || diagnostics.hasErrors()) return ok;
  std::string what = single && own.hasErrors() ? own.sorted().front()->title : "it is not one expression";
  const DiagnosticKind &kind = single && own.hasErrors() ? *own.sorted().front()->kind : kinds::wrongArguments;
  report.error(kind, param.name.span, fmt::format("`--param {}={}`: {}", param.name.text, text, what),
               "the value comes from the command line");
  return false;
}

bool Checker::bindRoot(const ast::Decl &decl, bool asked, Env &env) {
  std::vector<std::string_view> known;
  for (const ast::StaticParam &param : decl.statics) known.push_back(param.name.text);
  for (const auto &[name, text] : options.params) {
    if (!asked || std::find(known.begin(), known.end(), name) != known.end()) continue;
    Diagnostic &d = report.error(kinds::wrongArguments, decl.name.span,
                                 fmt::format("`{}` has no static parameter `{}`", decl.name.text, name),
                                 "given by --param");
    if (std::string near = nearest(name, known); !near.empty())
      d.helps.push_back(fmt::format("did you mean `{}`?", near));
    return false;
  }
  for (const ast::StaticParam &param : decl.statics) env.values.emplace_back(param.name.text, StaticValue());
  bool ok = true;
  for (const ast::StaticParam &param : decl.statics)
    if (auto given = options.params.find(param.name.text); asked && given != options.params.end())
      ok &= bindOption(param, given->second, env);
  if (!ok || !bindDefaults(decl, env, report)) return false;
  for (const ast::StaticParam &param : decl.statics) {
    if (env.find(param.name.text)->kind != StaticValue::Kind::Unbound) continue;
    if (!asked) return false;
    Diagnostic &d = report.error(kinds::cannotInfer, param.name.span,
                                 fmt::format("`{}` of `{}` has no value", param.name.text, decl.name.text),
                                 "needs one to run");
    d.helps.push_back(fmt::format("on the command line: `--param {}=8`", param.name.text));
    return false;
  }
  return true;
}

/// A root's time never ends, so `eby` in it has nothing to start from.
bool Checker::refuseUnboundedEnd(const ast::Decl &decl) {
  Diagnostic &d =
      report.error(kinds::ebyUnbounded, decl.name.span,
                   fmt::format("`{}` looks ahead with `eby`, but its time never ends", decl.name.text),
                   "runs at the unbounded base clock");
  const ast::Decl *at = &decl; // along the calls to the `eby`; they do not recur
  for (int calls = 0; at && calls < 6; ++calls) {
    const ast::Expr *use = declarations.facts(*at).endUse;
    bool call = use && use->kind == ast::ExprKind::Call;
    if (use) d.labels.push_back({use->nameSpan.valid() ? use->nameSpan : use->span,
                                 call ? "which calls this" : "which looks ahead here", false});
    at = call ? module.find(use->text) : nullptr;
  }
  d.notes.push_back("`eby` takes the next value, so the last instant must exist");
  std::string x = decl.inputs.empty() ? "x" : decl.inputs[0].name.text;
  d.helps.push_back(fmt::format(
      "run it over blocks: an input `{0}s` with a leading axis N, and `scan t < N {{ .. {1}({0}s[t]) .. }}`",
      x, decl.name.text));
  return true;
}

void Checker::addRoot(const ast::Decl &decl, bool asked) {
  const DeclFacts &facts = declarations.facts(decl);
  if (facts.recursive || decl.isExtern || !decl.hasBody) return;
  if (asked || !decl.statics.empty()) {
    bool allDefault = true;
    for (const ast::StaticParam &param : decl.statics) allDefault &= param.defaultValue != nullptr;
    if (!asked && !allDefault) return;
  }
  Signature signature{&decl, {&module, {}}, {}, {}};
  if (!bindRoot(decl, asked, signature.env)) return;
  StaticEvaluator evaluator(*this, signature.env, report);
  bool ok = true;
  auto types = [&](const std::vector<ast::Param> &params, std::vector<Ty> &out) {
    for (const ast::Param &param : params) {
      auto ty = evaluator.type(param.type);
      ok &= ty.has_value();
      out.push_back(ty.value_or(Ty()));
    }
  };
  types(decl.inputs, signature.inputs);
  types(decl.outputs, signature.outputs);
  if (!ok) return;
  bool helper = facts.end && !asked && declarations.isCalled(decl);
  if (facts.end && !helper) refuseUnboundedEnd(decl);
  NodeInstance *instance = instantiate(signature, Span(), report);
  if (instance && !facts.end) program.roots.push_back(instance);
}

void Checker::addRoots() {
  if (options.root.empty()) {
    for (const auto &decl : module.file->decls)
      if (module.findOwn(decl->name.text) == decl.get() &&
          (decl->kind == ast::DeclKind::Node || decl->kind == ast::DeclKind::Fun))
        addRoot(*decl, false);
    return;
  }
  const ast::Decl *decl = module.findOwn(options.root);
  if (decl && (decl->kind == ast::DeclKind::Node || decl->kind == ast::DeclKind::Fun))
    return addRoot(*decl, true);
  Diagnostic &d = report.error(kinds::unknownName, {module.file->file, 0, 0},
                               fmt::format("there is no node `{}` in this file", options.root));
  std::vector<std::string_view> known;
  for (const auto &other : module.file->decls)
    if (other->kind == ast::DeclKind::Node || other->kind == ast::DeclKind::Fun)
      known.push_back(other->name.text);
  if (std::string near = nearest(options.root, known); !near.empty())
    d.helps.push_back(fmt::format("did you mean `{}`?", near));
}

// ---- the program -----------------------------------------------------------------------------------------

/// Callees before callers: depth first with an explicit stack, in the order in which the instances were made.
/// The declarations have no cycle, but elementary functions of the prelude that call one another may.
bool Checker::orderNodes() {
  enum class State : uint8_t { New, Open, Done };
  std::unordered_map<const NodeInstance *, State> state;
  std::unordered_map<const NodeInstance *, size_t> place;
  for (size_t i = 0; i < program.nodes.size(); ++i) place[program.nodes[i].get()] = i;
  std::vector<std::unique_ptr<NodeInstance>> ordered;
  std::unordered_set<const NodeInstance *> unusedConstants; // enter the program only if something calls them
  for (auto &[decl, constant] : constants) unusedConstants.insert(constant.computed);
  struct Frame {
    NodeInstance *node;
    size_t next = 0;
  };
  for (size_t i = 0; i < place.size(); ++i) {
    NodeInstance *root = program.nodes[i].get();
    if (!root || unusedConstants.count(root)) continue;
    std::vector<Frame> frames{{root}};
    state[root] = State::Open;
    while (!frames.empty()) {
      Frame &frame = frames.back();
      const std::vector<NodeInstance *> &callees = calls[frame.node];
      if (frame.next == callees.size()) {
        state[frame.node] = State::Done;
        ordered.push_back(std::move(program.nodes[place[frame.node]]));
        frames.pop_back();
        continue;
      }
      NodeInstance *callee = callees[frame.next++];
      if (state[callee] == State::Open) {
        report.error(kinds::recursiveInstantiation, callee->span,
                     fmt::format("`{}` instantiates itself", callee->display));
        return false;
      }
      if (state[callee] == State::New) {
        state[callee] = State::Open;
        frames.push_back({callee});
      }
    }
  }
  program.nodes = std::move(ordered);
  return true;
}

} // namespace mlr::checking

namespace mlr {

std::optional<Program> check(const ast::File &file, SourceMap &sources, const CheckOptions &options,
                             Diagnostics &diagnostics) {
  if (diagnostics.hasErrors()) return std::nullopt; // the tree has holes where the text did not parse
  return checking::Checker(file, sources, options, diagnostics).run();
}

} // namespace mlr
