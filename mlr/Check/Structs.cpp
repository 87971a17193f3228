// Enums and structs: constructors, literals, fields, updates.
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

// ---- enums -----------------------------------------------------------------------------------------------

const Nominal *Body::enumNamed(std::string_view name) {
  const ast::Decl *decl = module.find(name);
  if (!decl || decl->kind != ast::DeclKind::Enum) return nullptr;
  auto ty = statics.namedType(name);
  return ty ? ty->nominal : nullptr;
}

std::optional<size_t> Body::constructorOf(const Nominal &type, const ast::Name &name) {
  std::string_view constructor = name.text;
  if (size_t dot = constructor.rfind('.'); dot != constructor.npos) {
    if (enumNamed(constructor.substr(0, dot)) != &type) {
      error(kinds::typeMismatch, name.span,
            fmt::format("`{}` is no value of the enum `{}`", name.text, type.display), "of another type");
      return std::nullopt;
    }
    constructor.remove_prefix(dot + 1);
  }
  if (auto number = type.constructor(constructor)) return number;
  std::vector<std::string_view> known;
  for (const ast::Name &other : type.decl->constructors) known.push_back(other.text);
  Diagnostic &d = error(kinds::unknownName, name.span,
                        fmt::format("the enum `{}` has no constructor `{}`", type.display, constructor), "unknown");
  d.labels.push_back({type.decl->name.span, "declared here", false});
  if (std::string near = nearest(constructor, known); !near.empty())
    d.helps.push_back(fmt::format("did you mean `{}`?", near));
  return std::nullopt;
}

Value Body::elabConstructor(const ast::Expr &e, const Nominal &type, const ast::Name &name) {
  auto number = constructorOf(type, name);
  if (!number) return Value();
  Value v = plain(makeConst(scalarArray(Scalar::I32, *number), e.span));
  v.nominal = &type;
  return v;
}

// ---- fields ----------------------------------------------------------------------------------------------

/// The field that `e` names of the struct `v`.
Value Body::fieldOf(const Value &v, const ast::Expr &e) {
  const ast::Expr &base = *e.args[0];
  if (v.unknown()) return Value();
  if (!v.isStruct()) {
    Diagnostic &d = error(kinds::typeMismatch, e.nameSpan, fmt::format("`{}` has no fields", text(base)),
                          fmt::format("of {}", toString(v.ty())));
    describeOperand(d, base, v, false);
    if (v.kind == Ty::Kind::Tuple) d.helps.push_back(fmt::format("take it apart: `(a, b) = {};`", text(base)));
    return Value();
  }
  if (auto field = v.nominal->field(e.text)) return v.parts[*field];
  noField(*v.nominal->decl, e.text, e.nameSpan);
  return Value();
}

void Body::noField(const ast::Decl &decl, const std::string &name, Span span) {
  std::vector<std::string_view> known;
  for (const ast::FieldDecl &field : decl.fields) known.push_back(field.name.text);
  Diagnostic &d = error(kinds::unknownName, span, fmt::format("`{}` has no field `{}`", decl.name.text, name), "unknown");
  d.labels.push_back({decl.name.span, "declared here", false});
  if (std::string near = nearest(name, known); !near.empty()) d.helps.push_back(fmt::format("did you mean `{}`?", near));
}

/// `p.w`, `Mode.Brake`, and what another module declares: `nn.size`.
Value Body::elabField(const ast::Expr &e) {
  const ast::Expr &base = *e.args[0];
  if (std::string owner = dottedName(base); !owner.empty()) {
    std::string root = owner.substr(0, owner.find('.'));
    if (describe(root).empty() && !env.find(root)) {
      if (const Nominal *type = enumNamed(owner)) return elabConstructor(e, *type, {e.text, e.nameSpan});
      if (const ast::Decl *decl = module.find(owner + "." + e.text)) return elabDeclared(e, *decl);
      if (module.imported(root)) {
        module.explain(owner + "." + e.text, e.span, report);
        return Value();
      }
    }
  }
  // Of ps[t].w only the one leaf is read.
  if (base.kind != ast::ExprKind::Index) return fieldOf(elab(base), e);
  Value v = elab(*base.args[0]);
  if (!v.isStruct() || v.lead.size() < base.indices.size()) return fieldOf(indexValue(std::move(v), base), e);
  Value field = fieldOf(v, e);
  return field.unknown() ? field : indexValue(std::move(field), base);
}

// ---- making structs --------------------------------------------------------------------------------------

/// The values of the fields in the order of the declaration.
bool Body::orderFields(const ast::Decl &decl, const ast::Expr &e, std::vector<const ast::Expr *> &out) {
  out.assign(decl.fields.size(), nullptr);
  bool ok = true;
  for (size_t i = 0; i < e.args.size(); ++i) {
    size_t at = 0;
    while (at < decl.fields.size() && decl.fields[at].name.text != e.argNames[i].text) ++at;
    if (at == decl.fields.size() || out[at]) {
      ok = false;
      if (at == decl.fields.size()) noField(decl, e.argNames[i].text, e.argNames[i].span);
      else
        error(kinds::wrongArguments, e.argNames[i].span,
              fmt::format("the field `{}` is given twice", e.argNames[i].text), "again here");
      continue;
    }
    out[at] = e.args[i].get();
  }
  std::string missing;
  for (size_t i = 0; ok && i < out.size(); ++i)
    if (!out[i]) missing += (missing.empty() ? "`" : ", `") + decl.fields[i].name.text + "`";
  if (missing.empty()) return ok;
  Diagnostic &d = error(kinds::wrongArguments, e.nameSpan, fmt::format("this `{}` has no value for {}", decl.name.text, missing),
                        "not complete");
  d.labels.push_back({decl.name.span, "declared here", false});
  d.helps.push_back("to change some fields of another one: `{ p with b = .. }`");
  return false;
}

/// `Dense { w = .., b = .. }`: static parameters that are not given follow from the context or from the fields.
Value Body::elabStruct(const ast::Expr &e, const Ty *want) {
  const ast::Decl *decl = module.find(e.text);
  if (!decl && e.text.find('.') != e.text.npos && module.explain(e.text, e.nameSpan, report)) return Value();
  if (!decl || decl->kind != ast::DeclKind::Struct) {
    Diagnostic &d = error(kinds::unknownName, e.nameSpan, fmt::format("there is no struct `{}`", e.text), "unknown");
    std::vector<std::string_view> known;
    for (const auto &other : module.file->decls)
      if (other->kind == ast::DeclKind::Struct) known.push_back(other->name.text);
    if (std::string near = nearest(e.text, known); !near.empty()) d.helps.push_back(fmt::format("did you mean `{}`?", near));
    return Value();
  }
  std::vector<const ast::Expr *> ordered;
  if (!orderFields(*decl, e, ordered) || checker.facts(*decl).recursive) return Value();
  Signature made{decl, {checker.home(*decl), {}}, {}, {}};
  const Nominal *type = nullptr;
  if (want && want->isStruct() && want->nominal->decl == decl && e.statics.empty()) type = want->nominal;
  else if (decl->statics.empty() && refuseStatics(*decl, e)) type = checker.nominal(*decl, made.env, e.nameSpan, report);
  if (decl->statics.empty() && !type) return Value();
  std::vector<Value> values;
  bool known = true;
  for (size_t i = 0; i < ordered.size(); ++i) {
    values.push_back(elab(*ordered[i], type ? &type->fields[i] : nullptr));
    known &= !values.back().unknown();
  }
  if (!known && !report.isQuiet()) return Value();
  if (!type) {
    if (!inferStatics(*decl, e, values, nullptr, made)) return Value();
    type = checker.nominal(*decl, made.env, e.nameSpan, report);
  }
  if (!type) return Value();
  Ty ty{Ty::Kind::Tuple, Flex::None, {}, type->fields, type};
  if (report.isQuiet()) return tupleOf({ty}, {}, e.span);
  Value out;
  out.kind = Ty::Kind::Tuple;
  out.nominal = type;
  for (size_t i = 0; i < values.size(); ++i) {
    known &= fit(values[i], type->fields[i], *ordered[i],
                 fmt::format("the field `{}` of `{}`", decl->fields[i].name.text, type->display));
    out.parts.push_back(std::move(values[i]));
  }
  return known ? out : Value();
}

/// `{ p with b = .. }`.
Value Body::elabUpdate(const ast::Expr &e, const Ty *want) {
  Value v = elab(*e.args[0], want);
  if (v.unknown()) return Value();
  if (!v.isStruct()) {
    error(kinds::typeMismatch, e.args[0]->span, "`with` changes fields of a struct", toString(v.ty()));
    return Value();
  }
  std::vector<bool> changed(v.parts.size());
  bool ok = true;
  for (size_t i = 1; i < e.args.size(); ++i) {
    const ast::Name &name = e.argNames[i - 1];
    auto field = v.nominal->field(name.text);
    if (!field || changed[*field]) {
      ok = false;
      if (!field) noField(*v.nominal->decl, name.text, name.span);
      else error(kinds::wrongArguments, name.span, fmt::format("the field `{}` is given twice", name.text), "again here");
      continue;
    }
    changed[*field] = true;
    Ty ty = v.parts[*field].ty();
    Value value = elab(*e.args[i], &ty);
    if (report.isQuiet()) continue;
    ok &= fit(value, ty, *e.args[i], fmt::format("the field `{}` of `{}`", name.text, v.nominal->display));
    v.parts[*field] = std::move(value);
  }
  return ok ? v : Value();
}

/// A literal in every leaf of a struct.
Value Body::spread(Value literal, const Ty &ty) {
  bool first = true;
  return assemble(ty, [&](const Ty &) {
    Value leaf = literal;
    if (!first) leaf.expr = clone(literal.expr);
    first = false;
    return leaf;
  });
}

} // namespace mlr::checking
