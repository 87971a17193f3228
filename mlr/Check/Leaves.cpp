// What goes through structs leaf by leaf: operators, element-wise funs, map, reduce.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

// ---- leaf by leaf ----------------------------------------------------------------------------------------

Value Body::copy(const Value &v) {
  Value out = v;
  if (v.plain()) out.expr = clone(v.expr);
  for (Value &part : out.parts) part = copy(part);
  return out;
}

Value Body::named(Value v) {
  for (Value &part : v.parts) part = named(std::move(part));
  if (v.plain() && v.flex == Flex::None && !report.isQuiet()) v.expr = named(v.expr);
  return v;
}

/// The first leaf of a value that is not of a float type, as "`p.k` is i32"; "" if there is none.
static std::string notFloat(const Value &v, const std::string &path) {
  if (v.plain()) {
    bool isFloat = v.flex != Flex::None || (!v.nominal && mlr::isFloat(v.type().scalar));
    return isFloat ? "" : fmt::format("`{}` is {}", path, toString(v.ty()));
  }
  for (size_t i = 0; i < v.parts.size(); ++i) {
    std::string name = v.isStruct() ? v.nominal->decl->fields[i].name.text : std::to_string(i);
    if (std::string found = notFloat(v.parts[i], path + "." + name); !found.empty()) return found;
  }
  return "";
}

/// The structs among `args` are of one type, with `floats` of floats only, and the others are scalars.
bool Body::alikeStructs(const std::vector<Value> &args, const std::vector<const ast::Expr *> &where,
                        const std::string &spelling, bool floats) {
  size_t first = args.size();
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].unknown()) continue;
    if (args[i].isStruct() && first == args.size()) first = i;
    bool scalar = args[i].plain() && args[i].shape().empty() && !args[i].nominal;
    bool suits = args[i].isStruct() ? args[i].ty() == args[first].ty() : scalar || !floats;
    if (suits) continue;
    size_t of = i;
    for (size_t j = 0; j < args.size(); ++j)
      if (j != i && args[j].isStruct()) of = j;
    Diagnostic &d = error(kinds::typeMismatch, where[std::min(i, of)]->span.to(where[std::max(i, of)]->span),
                          fmt::format("`{}` takes structs of one type and scalars here, not {} and {}", spelling,
                                      toString(args[of].ty()), toString(args[i].ty())));
    describeOperand(d, *where[of], args[of], false);
    describeOperand(d, *where[i], args[i], false);
    return false;
  }
  std::string other = floats ? notFloat(args[first], text(*where[first])) : "";
  if (other.empty()) return true;
  Diagnostic &d = error(kinds::typeMismatch, where[first]->span,
                        fmt::format("`{}` goes through structs of floats only", spelling), toString(args[first].ty()));
  d.notes.push_back(other);
  return false;
}

Value Body::overLeaves(const std::vector<Value> &args, const std::function<Value(std::vector<Value>)> &leaf) {
  size_t shape = 0; // an argument that has the structure
  while (shape < args.size() && args[shape].kind != Ty::Kind::Tuple) ++shape;
  if (shape == args.size()) return leaf(args);
  Value out;
  out.kind = Ty::Kind::Tuple;
  out.nominal = args[shape].nominal;
  out.lead = args[shape].lead;
  for (size_t part = 0; part < args[shape].parts.size(); ++part) {
    std::vector<Value> own;
    for (const Value &arg : args)
      own.push_back(arg.kind == Ty::Kind::Tuple                ? arg.parts[part]
                    : part + 1 < args[shape].parts.size() ? copy(arg) // before a leaf settles its literals
                                                          : arg);
    out.parts.push_back(overLeaves(own, leaf));
    if (out.parts.back().unknown()) return Value();
  }
  return out;
}

/// The call f(a, b) of `map(f, a, b)`: its arguments are names that `given` has the values of.
const ast::Expr *Body::synthesiseCall(const ast::Expr &e, size_t first) {
  for (const ast::Name &name : e.argNames)
    if (!name.text.empty()) {
      error(kinds::wrongArguments, name.span, fmt::format("`{}` does not name its arguments", e.text), "a name");
      return nullptr;
    }
  std::string function = e.args.empty() ? "" : dottedName(*e.args[0]);
  if (function.empty() || e.args.size() <= first) {
    Diagnostic &d = error(kinds::wrongArguments, e.span, fmt::format("`{}` takes the name of a fun and its arguments", e.text));
    d.helps.push_back(e.text == "map" ? "`map(f, p)`: f of each leaf of p" : "`reduce(f, init, p)`: f(.. f(init, first leaf) .., last leaf)");
    return nullptr;
  }
  ast::Expr &call = synthesised.emplace_back();
  call.kind = ast::ExprKind::Call;
  call.span = e.span;
  call.nameSpan = e.args[0]->span;
  call.text = function;
  for (size_t i = 1; i < e.args.size(); ++i) {
    auto arg = std::make_unique<ast::Expr>();
    arg->kind = ast::ExprKind::Name;
    arg->text = dottedName(*e.args[i]);
    arg->span = arg->nameSpan = e.args[i]->span;
    call.args.push_back(std::move(arg));
    call.argNames.emplace_back();
  }
  return &call;
}

/// map(f, p, ..): f of the leaves of structs of one type, beside arguments that are the same for all.
Value Body::elabMap(const ast::Expr &e) {
  const ast::Expr *call = synthesiseCall(e, 1);
  if (!call) return Value();
  std::vector<Value> args;
  std::vector<const ast::Expr *> where;
  bool known = true;
  for (size_t i = 1; i < e.args.size(); ++i) {
    args.push_back(named(elab(*e.args[i])));
    where.push_back(e.args[i].get());
    known &= !args.back().unknown();
  }
  if (!known) { // while guessing: the result is like the structs
    for (const Value &arg : args)
      if (arg.isStruct() && report.isQuiet()) return arg;
    return Value();
  }
  bool any = false;
  for (const Value &arg : args) any |= arg.isStruct();
  if (any && !alikeStructs(args, where, "map", false)) return Value();
  return overLeaves(args, [&](std::vector<Value> leaves) {
    for (size_t i = 0; i < leaves.size(); ++i) given[call->args[i].get()] = leaves[i];
    Ty like;
    for (size_t i = leaves.size(); any && i-- > 0;)
      if (args[i].isStruct()) like = leaves[i].ty();
    Value v = elabCall(*call, any ? &like : nullptr);
    for (const auto &arg : call->args) given.erase(arg.get());
    if (any && !v.unknown() && !report.isQuiet()) fit(v, like, *call, fmt::format("a leaf of `{}`", text(e)));
    return v;
  });
}

/// reduce(f, init, p): the leaves of p, in order of declaration, from `init` on.
Value Body::elabReduceLeaves(const ast::Expr &e) {
  const ast::Expr *call = e.args.size() == 3 ? synthesiseCall(e, 2) : synthesiseCall(e, e.args.size());
  if (!call) return Value();
  Value total = elab(*e.args[1]), over = named(elab(*e.args[2]));
  if (total.unknown() || over.unknown()) return report.isQuiet() ? total : Value();
  auto add = [&](auto &self, const Value &v) -> void {
    for (const Value &part : v.parts) self(self, part);
    if (!v.plain() || total.unknown()) return;
    given[call->args[0].get()] = total;
    given[call->args[1].get()] = v;
    total = elabCall(*call, nullptr);
    for (const auto &arg : call->args) given.erase(arg.get());
    if (!total.unknown()) total = named(std::move(total));
  };
  add(add, over);
  return total;
}

// ---- calls of element-wise funs --------------------------------------------------------------------------

/// Whether an input of this type takes scalars or tensors only.
static bool takesNoStruct(const ast::Decl &decl, const ast::TypeExpr &type) {
  if (!type.tuple.empty()) return false;
  if (scalarNamed(type.name.text)) return true;
  for (const ast::StaticParam &param : decl.statics)
    if (param.name.text == type.name.text) return param.kind.name.text != "type";
  return false;
}

/// A fun whose output is declared like the input that gets a struct.
bool Body::lifts(const ast::Decl &decl, const std::vector<Value> &args) const {
  if (decl.kind != ast::DeclKind::Fun || decl.outputs.size() != 1) return false;
  bool any = false;
  for (size_t i = 0; i < args.size(); ++i) {
    if (!args[i].isStruct() || !takesNoStruct(decl, decl.inputs[i].type)) continue;
    if (text(decl.inputs[i].type.span) != text(decl.outputs[0].type.span)) return false;
    any = true;
  }
  return any;
}

Value Body::liftCall(const ast::Decl &decl, const ast::Expr &e, const std::vector<const ast::Expr *> &ordered,
                     const std::vector<Value> &args) {
  std::vector<Value> lifted, others;
  std::vector<size_t> at;
  std::vector<const ast::Expr *> where;
  for (size_t i = 0; i < args.size(); ++i) {
    bool lifts = args[i].isStruct() && takesNoStruct(decl, decl.inputs[i].type);
    if (!lifts) {
      given[ordered[i]] = named(args[i]);
      continue;
    }
    lifted.push_back(named(args[i]));
    at.push_back(i);
    where.push_back(ordered[i]);
  }
  Value out;
  if (alikeStructs(lifted, where, e.text, true))
    out = overLeaves(lifted, [&](std::vector<Value> leaves) {
      for (size_t i = 0; i < at.size(); ++i) given[ordered[at[i]]] = leaves[i];
      Ty like = leaves[0].ty();
      return callDeclaration(decl, e, &like);
    });
  for (const ast::Expr *arg : ordered) given.erase(arg);
  return out;
}

} // namespace mlr::checking
