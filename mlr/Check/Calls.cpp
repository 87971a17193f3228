// Calls of nodes and funs.
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <fmt/format.h>
#include <utility>

namespace mlr::checking {

const ast::Decl *Body::calledDeclaration(const ast::Expr &e) const {
  if (e.kind != ast::ExprKind::Call || env.find(e.text)) return nullptr;
  const ast::Decl *decl = module.find(e.text);
  bool callable = decl && (decl->kind == ast::DeclKind::Node || decl->kind == ast::DeclKind::Fun);
  return callable ? decl : nullptr;
}

Value Body::elabCall(const ast::Expr &e, const Ty *want) {
  if (const ast::Decl *decl = calledDeclaration(e)) return callDeclaration(*decl, e, want);
  const StaticValue *value = env.find(e.text);
  if (e.every && !(value && value->kind == StaticValue::Kind::Function)) {
    Diagnostic &d = error(kinds::wrongArguments, e.every->span, fmt::format("`{}` cannot be started afresh", e.text),
                          "only the call of a node");
    d.helps.push_back(fmt::format("reset {{ v = {}(..); }} every {};", e.text, text(*e.every)));
    return Value();
  }
  if (value) {
    if (value->kind == StaticValue::Kind::Type && value->type.kind == Ty::Kind::Plain && !value->type.nominal)
      return elabConversion(e, value->type.type.scalar);
    for (const ast::StaticParam &param : signature.decl->statics)
      if (param.name.text == e.text && value->kind == StaticValue::Kind::Function)
        return callParameter(e, param, *value->function);
    error(kinds::wrongArguments, e.nameSpan, fmt::format("the static parameter `{}` is no function", e.text),
          fmt::format("it is {}", value->display()));
    return Value();
  }
  if (const ast::Decl *decl = module.find(e.text)) {
    Diagnostic &d = error(kinds::wrongArguments, e.nameSpan,
                          fmt::format("`{}` is {}, not a function", e.text,
                                      decl->kind == ast::DeclKind::Const  ? "a constant"
                                      : decl->kind == ast::DeclKind::Enum ? "an enum"
                                                                          : "a struct"),
                          "called");
    if (decl->kind == ast::DeclKind::Struct && !decl->fields.empty())
      d.helps.push_back(fmt::format("make one: `{} {{ {} = .. }}`", e.text, decl->fields[0].name.text));
    return Value();
  }
  if (isBuiltin(e.text)) return elabBuiltin(e, want);
  if (module.elementary(e.text, false)) return elabElementary(e, want);
  if (isLaterBuiltin(e.text)) {
    report.unsupported(e.nameSpan, fmt::format("`{}` is", e.text));
    return Value();
  }
  if (module.explain(e.text, e.nameSpan, report)) return Value();
  Diagnostic &d = error(kinds::unknownName, e.nameSpan,
                        fmt::format("no node or fun called `{}` is declared", e.text), "unknown");
  if (report.isQuiet() || ++suggestions > 20) return Value();
  std::vector<std::string_view> known = builtinNames();
  for (const Module *m : {&module, module.prelude}) {
    if (!m) continue;
    for (const auto &decl : m->file->decls) {
      std::string_view name = decl->name.text;
      if (name.ends_with("_f32")) name.remove_suffix(4);
      if (decl->kind == ast::DeclKind::Node || decl->kind == ast::DeclKind::Fun) known.push_back(name);
    }
  }
  if (std::string near = nearest(e.text, known); !near.empty())
    d.helps.push_back(fmt::format("did you mean `{}`?", near));
  return Value();
}

// ---- what may be called where ----------------------------------------------------------------------------

/// Those of the declaration and of the functions that it is given and calls in its own time.
DeclFacts Body::factsOfCall(const ast::Decl &decl, const ast::Expr &e) const {
  DeclFacts facts = checker.facts(decl);
  for (size_t i = 0; i < e.statics.size(); ++i) {
    const ast::StaticParam *param = parameterOf(decl, e.statics, i);
    if (!param || !param->isFunction || !facts.callsParameter(param->name.text)) continue;
    walk(e.statics[i].value.get(), [&](const ast::Expr &part) {
      std::string name = dottedName(part);
      const StaticValue *own = name.empty() ? nullptr : env.find(name);
      const ast::Decl *function = own && own->function ? own->function->decl : name.empty() || own ? nullptr : module.find(name);
      if (!function) return;
      DeclFacts added = own ? checker.facts(Signature{function, own->function->bound, {}, {}}) : checker.facts(*function);
      facts.state |= added.state;
      facts.end |= added.end;
      facts.effects |= added.effects;
    });
  }
  return facts;
}

bool Body::allowCall(const ast::Decl &decl, const ast::Expr &e) {
  DeclFacts facts = factsOfCall(decl, e);
  if (facts.recursive)
    return false; // reported at the declaration
  if (!unit && decl.isExtern) {
    error(kinds::notConstant, e.span, fmt::format("the C function `{}` cannot be called in a constant", decl.name.text),
          "constants are computed by the compiler");
    return false;
  }
  if (!unit && decl.kind == ast::DeclKind::Node) {
    error(kinds::notConstant, e.span,
          fmt::format("the node `{}` cannot be called in a constant", decl.name.text),
          "constants have no time");
    return false;
  }
  if (unit && instance.isFun && facts.effects) {
    Diagnostic &d = error(kinds::stateInFun, e.nameSpan,
                          fmt::format("the fun `{}` calls `{}`, a C function with effects or a node that calls one",
                                      signature.decl->name.text, decl.name.text),
                          "has effects");
    d.labels.push_back({decl.name.span, "declared here", false});
    d.helps.push_back(fmt::format("declare the caller as a node: `node {}(..)`", signature.decl->name.text));
    return false;
  }
  if (unit && !scope->time) {
    bool told = decl.kind == ast::DeclKind::Fun && !checker.facts(decl).state && !checker.facts(decl).end;
    if (instance.isFun && (facts.state || facts.end) && told) return true; // by that fun, where it calls the node
    if (instance.isFun && (facts.state || facts.end)) {
      Diagnostic &d = error(
          kinds::stateInFun, e.nameSpan,
          fmt::format("the fun `{}` calls `{}`, which has state", signature.decl->name.text, decl.name.text),
          "has state");
      d.labels.push_back({decl.name.span, "declared here", false});
      d.helps.push_back(
          fmt::format("declare the caller as a node: `node {}(..)`", signature.decl->name.text));
      return false;
    }
    instance.hasState |= facts.state;
    instance.usesEnd |= facts.end;
  }
  return true;
}

bool Body::orderArguments(const ast::Decl &decl, const ast::Expr &e, std::vector<const ast::Expr *> &out) {
  out.assign(decl.inputs.size(), nullptr);
  auto refuse = [&](Span span, std::string title, std::string label) {
    Diagnostic &d = error(kinds::wrongArguments, span, std::move(title), std::move(label));
    d.labels.push_back({decl.name.span, "declared here", false});
    return false;
  };
  if (e.args.size() != decl.inputs.size())
    return refuse(e.span,
                  fmt::format("`{}` takes {} argument{}, not {}", decl.name.text, decl.inputs.size(),
                              decl.inputs.size() == 1 ? "" : "s", e.args.size()),
                  fmt::format("{} given", e.args.size()));
  for (size_t i = 0; i < e.args.size(); ++i) {
    size_t at = i;
    if (i < e.argNames.size() && !e.argNames[i].text.empty()) {
      for (at = 0; at < decl.inputs.size() && decl.inputs[at].name.text != e.argNames[i].text;) ++at;
      if (at == decl.inputs.size())
        return refuse(e.argNames[i].span,
                      fmt::format("`{}` has no input `{}`", decl.name.text, e.argNames[i].text), "unknown");
    }
    if (out[at])
      return refuse(
          e.args[i]->span,
          fmt::format("the input `{}` of `{}` is given twice", decl.inputs[at].name.text, decl.name.text),
          "again here");
    out[at] = e.args[i].get();
  }
  return true;
}

bool Body::evaluateSignature(Signature &s, Span usedAt) {
  Reporter atUse = report;
  if (!s.env.values.empty()) atUse.setInstance(s.display(), usedAt);
  StaticEvaluator evaluator(checker, s.env, atUse, report.isQuiet());
  bool ok = true;
  auto types = [&](const std::vector<ast::Param> &params, std::vector<Ty> &out) {
    for (const ast::Param &param : params) {
      auto ty = evaluator.type(param.type);
      ok &= ty.has_value();
      out.push_back(ty.value_or(Ty()));
    }
  };
  types(s.decl->inputs, s.inputs);
  types(s.decl->outputs, s.outputs);
  return ok;
}

/// `f<<3>>(x)` where f has no static parameters. True: there is nothing to refuse.
bool Body::refuseStatics(const ast::Decl &decl, const ast::Expr &e) {
  if (e.statics.empty()) return true;
  Diagnostic &d =
      error(kinds::wrongArguments, e.statics[0].span,
            fmt::format("`{}` has no static parameters", decl.name.text), "no parameter for this");
  d.labels.push_back({decl.name.span, "declared here", false});
  return false;
}

/// While guessing, outputs whose shapes are not known yet are of their number type and open.
void Body::guessOutputs(Signature &s) {
  for (size_t i = 0; i < s.outputs.size(); ++i) {
    const ast::TypeExpr &written = s.decl->outputs[i].type;
    if (s.outputs[i].kind != Ty::Kind::Unknown || !written.hasDims) continue;
    ast::TypeExpr scalar;
    scalar.name = written.name;
    scalar.span = written.span;
    auto ty = written.args.empty() ? StaticEvaluator(checker, s.env, report, true).type(scalar) : std::nullopt;
    if (!ty || ty->kind != Ty::Kind::Plain || ty->nominal || !ty->type.isScalar()) continue;
    s.outputs[i] = *ty;
    s.outputs[i].open = true;
  }
}

/// Arguments, static parameters, instance. While guessing, only the types of the results, as `guess`.
bool Body::prepareCall(const ast::Decl &decl, const ast::Expr &e, const std::vector<Ty> *want,
                       PreparedCall &out, Value &guess) {
  std::vector<const ast::Expr *> ordered;
  if (!orderArguments(decl, e, ordered)) return false;
  out.signature.decl = &decl;
  out.signature.env.module = checker.home(decl);
  bool plainTypes = decl.statics.empty();
  if (plainTypes && !(refuseStatics(decl, e) && evaluateSignature(out.signature, e.nameSpan))) return false;
  bool known = true;
  auto clocked = marks.find(&e);
  ClockTerm *before = here;
  for (size_t i = 0; i < ordered.size(); ++i) {
    if (clocked != marks.end()) here = clocked->second.each[i];
    // `zeros()` without a type to go by is a literal: it says nothing about the parameters and fills.
    Ty literal = Ty::of({Scalar::I32, {}});
    const Ty *asked = plainTypes ? &out.signature.inputs[i] : isOpenFill(*ordered[i]) ? &literal : nullptr;
    out.args.push_back(elab(*ordered[i], asked));
    known &= !out.args.back().unknown();
  }
  here = before;
  if (!known && !report.isQuiet()) return false;
  if (lifts(decl, out.args)) {
    guess = liftCall(decl, e, ordered, out.args);
    return false;
  }
  if (!plainTypes) {
    bool bound = inferStatics(decl, e, out.args, want, out.signature);
    if (!bound && !report.isQuiet()) return false;
    if (!evaluateSignature(out.signature, e.nameSpan) && !report.isQuiet()) return false;
  }
  if (report.isQuiet()) {
    if (!plainTypes && !assuming) guessOutputs(out.signature);
    guess = tupleOf(out.signature.outputs, {}, e.span);
    return false;
  }
  if (clocked != marks.end()) finishCallClocks(e, out.signature, clocked->second);
  bool fits = true;
  for (size_t i = 0; i < ordered.size(); ++i)
    fits &= fit(out.args[i], out.signature.inputs[i], *ordered[i],
                fmt::format("the input `{}` of `{}`", decl.inputs[i].name.text, out.signature.display()));
  if (!fits) return false;
  out.instance = checker.instantiate(out.signature, e.nameSpan, report);
  if (out.instance) checker.noteCall(instance, *out.instance);
  return out.instance != nullptr;
}

// ---- the typed call --------------------------------------------------------------------------------------

void flatten(const Value &v, std::vector<const Expr *> &out) {
  if (v.plain()) out.push_back(v.expr);
  for (const Value &part : v.parts) flatten(part, out);
}

Equation Body::callEquation(PreparedCall &call, Span span) {
  Equation equation;
  equation.kind = Equation::Kind::Call;
  equation.span = span;
  equation.callee = call.instance;
  for (const Value &arg : call.args) flatten(arg, equation.args);
  return equation;
}

void leafTypes(const Ty &ty, std::vector<Type> &out) {
  if (ty.kind == Ty::Kind::Plain) out.push_back(ty.type);
  for (const Ty &part : ty.parts) leafTypes(part, out);
}

/// The call as an equation of its own on hidden variables; with indices, one instance for each of their values, and
/// the value is that of the instance at the indices of the comprehension.
Value Body::hoistCall(PreparedCall &call, const ast::Expr &e, const std::vector<IndexId> &free) {
  Equation equation = callEquation(call, e.span);
  Shape axes;
  Renaming renaming;
  for (IndexId index : free) {
    IndexVar over = instance.indices[index];
    axes.push_back(over.size);
    equation.each.push_back(newIndex(over.name, over.size, over.span));
    renaming[index] = equation.each.back();
  }
  if (!free.empty())
    for (const Expr *&arg : equation.args) arg = clone(arg, renaming);
  std::vector<Type> types;
  for (const Ty &ty : call.signature.outputs) leafTypes(ty, types);
  for (Type &type : types) {
    type.shape.insert(type.shape.begin(), axes.begin(), axes.end());
    if (auto count = elementCount(type.shape); !count || *count > maxSize) {
      error(kinds::invalidSize, e.span,
            fmt::format("a tensor of shape {} is too large", toString(type.shape)));
      return Value();
    }
    equation.targets.push_back(newHidden(type, e.span, call.signature.decl->name.text));
  }
  std::vector<VarId> vars = equation.targets;
  if (!vars.empty()) callClocks[vars[0]] = here;
  unit->equations.push_back(std::move(equation));
  if (free.empty()) return tupleOf(call.signature.outputs, vars, e.span);
  size_t next = 0;
  return assemble(call.signature.outputs,
                  [&](const Ty &) { return plain(readLifted(makeVar(vars[next++], e.span), free, 0, e.span)); });
}

Value Body::emitCall(PreparedCall &call, const ast::Expr &e) {
  const ast::Decl &decl = *call.signature.decl;
  const std::vector<Ty> &outputs = call.signature.outputs;
  std::vector<const Expr *> args;
  for (const Value &arg : call.args) flatten(arg, args);
  bool single = outputs.size() == 1 && outputs[0].kind == Ty::Kind::Plain;
  bool isNode = decl.kind == ast::DeclKind::Node;
  DeclFacts facts = checker.facts(call.signature);
  if (auto clocked = marks.find(&e); clocked != marks.end() && isNode)
    return clockedCall(call, e, clocked->second);
  std::vector<IndexId> free = freeIndices(args);
  bool dependent = !free.empty();
  if (dependent && (facts.state || facts.end || facts.scan)) {
    if (unit) return hoistCall(call, e, free);
    isTable = true;
  }
  // Each result is a call of its own: their arguments should be small.
  for (const Expr *&arg : args)
    if (!single && dependent) arg = named(const_cast<Expr *>(arg));
  bool expression =
      !isNode && (single || dependent || !unit) && (comprehended.empty() || !facts.scan || !unit);
  if (!expression) return hoistCall(call, e, {});
  std::vector<Type> types;
  for (const Ty &ty : outputs) leafTypes(ty, types);
  uint32_t leaf = 0;
  return assemble(outputs, [&](const Ty &ty) {
    std::vector<const Expr *> own = args;
    if (leaf > 0)
      for (const Expr *&arg : own) arg = clone(arg);
    Expr *result = make(ExprKind::Call, ty.type, e.span, std::move(own));
    result->callee = call.instance;
    result->result = leaf++;
    return plain(result);
  });
}

/// f(x) where f is a static parameter: a call of its value with inputs and outputs of the declared types.
Value Body::callParameter(const ast::Expr &e, const ast::StaticParam &param, const FunctionValue &function) {
  bool named = false;
  for (const ast::Name &name : e.argNames) named |= !name.text.empty();
  if (named || !e.statics.empty() || e.args.size() != param.domain.size()) {
    Diagnostic &d = error(kinds::wrongArguments, e.span,
                          fmt::format("`{}` takes {} argument{} without names and no static ones", e.text,
                                      param.domain.size(), param.domain.size() == 1 ? "" : "s"));
    d.labels.push_back({param.name.span, "declared here", false});
    return Value();
  }
  ast::Expr &call = synthesised.emplace_back();
  call.kind = ast::ExprKind::Call;
  call.span = e.span;
  call.nameSpan = e.nameSpan;
  call.text = function.decl ? function.decl->name.text : function.name;
  if (auto mark = marks.find(&e); mark != marks.end() && function.decl) marks[&call] = mark->second;
  bool known = true;
  std::vector<Ty> results;
  for (size_t i = 0; i < e.args.size(); ++i) {
    auto ty = statics.type(param.domain[i]);
    Value v = elab(*e.args[i], ty ? &*ty : nullptr);
    if (ty && report.isQuiet()) v = tupleOf({*ty}, {}, e.args[i]->span);
    known &= ty && !v.unknown() && fit(v, *ty, *e.args[i], fmt::format("argument {} of `{}`", i + 1, e.text));
    auto arg = std::make_unique<ast::Expr>();
    arg->kind = ast::ExprKind::Name;
    arg->text = dottedName(*e.args[i]);
    arg->span = arg->nameSpan = e.args[i]->span;
    given[arg.get()] = this->named(std::move(v));
    call.args.push_back(std::move(arg));
    call.argNames.emplace_back();
  }
  for (const ast::TypeExpr &type : param.range) {
    auto ty = statics.type(type);
    known &= ty.has_value();
    results.push_back(ty.value_or(Ty()));
  }
  Ty all = results.size() == 1 ? results[0] : Ty{Ty::Kind::Tuple, Flex::None, {}, results, nullptr};
  Value v;
  if (known && report.isQuiet()) v = tupleOf(results, {}, e.span);
  else if (known && function.decl) {
    const FunctionValue *before = std::exchange(bound, &function);
    v = callDeclaration(*function.decl, call, &all);
    bound = before;
  } else if (known) {
    v = isBuiltin(call.text) ? elabBuiltin(call, &all) : elabElementary(call, &all);
  }
  for (const auto &arg : call.args) given.erase(arg.get());
  if (!v.unknown() && !fit(v, all, e, fmt::format("the result of `{}`", e.text))) return Value();
  return v;
}

Value Body::callDeclaration(const ast::Decl &decl, const ast::Expr &e, const Ty *want) {
  bool allowed = allowCall(decl, e);
  PreparedCall call;
  Value guess;
  std::vector<Ty> results;
  if (want && want->kind != Ty::Kind::Unknown && (decl.outputs.size() == 1 || !want->isStruct()))
    results = decl.outputs.size() == 1 ? std::vector<Ty>{*want} : want->parts;
  if (!prepareCall(decl, e, results.size() == decl.outputs.size() ? &results : nullptr, call, guess))
    return guess;
  return allowed ? shared(emitCall(call, e)) : Value();
}

} // namespace mlr::checking
