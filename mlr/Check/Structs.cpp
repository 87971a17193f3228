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

/// `Mode.Brake`, `p.w`.
Value Body::elabField(const ast::Expr &e) {
  const ast::Expr &base = *e.args[0];
  std::string owner = dottedName(base);
  bool hidden = false;
  for (const ast::Expr *root = &base; !owner.empty(); root = root->args[0].get())
    if (root->kind == ast::ExprKind::Name) {
      hidden = !describe(root->text).empty() || env.find(root->text);
      break;
    }
  if (!owner.empty() && !hidden) {
    if (const Nominal *type = enumNamed(owner)) return elabConstructor(e, *type, {e.text, e.nameSpan});
  }
  report.unsupported(e.span, "structs are");
  return Value();
}

} // namespace mlr::checking
