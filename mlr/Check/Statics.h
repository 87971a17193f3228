// Static parameters and what is computed from them before a program runs: sizes, shapes, types.
#pragma once

#include "mlr/Check/Names.h"
#include "mlr/Check/Types.h"

#include <functional>
#include <optional>

namespace mlr::checking {

class Checker;

/// The value of a static parameter.
struct StaticValue {
  enum class Kind : uint8_t { Unbound, Size, Shape, Type, Value } kind = Kind::Unbound;
  int64_t size = 0;
  Shape shape;
  Type type;                   ///< Type: usually a scalar; a `type` parameter may be a tensor type
  Array value;                 ///< Value
  std::string display() const; ///< "40", "[2, 3]", "f32", "0.5"
  std::string key() const;     ///< equal exactly for equal values
};

/// The static parameters in scope, in order of declaration, and the module that other names are looked up in.
struct Env {
  const Module *module = nullptr;
  std::vector<std::pair<std::string_view, StaticValue>> values;
  const StaticValue *find(std::string_view name) const;
  StaticValue *find(std::string_view name);
};

/// constant + factor * unknown; `unknown` empty: just the constant.
struct LinearSize {
  int64_t constant = 0, factor = 0;
  std::string_view unknown;
};

/// Evaluates sizes, shapes and types in an environment. With `partial`, parameters may still be unbound and
/// whatever depends on them is silently nothing; without, every failure is reported.
class StaticEvaluator {
public:
  StaticEvaluator(Checker &checker, const Env &env, Reporter &report, bool partial = false)
      : checker(checker), env(env), report(report), partial(partial) {}
  /// What a name that is neither parameter nor constant is in the caller's eyes ("a variable"), or "".
  std::function<std::string(std::string_view)> describeName;

  /// A size: an integer in 0..maxSize.
  std::optional<int64_t> size(const ast::Expr &e);
  /// Any integer, not yet limited to sizes.
  std::optional<int64_t> integer(const ast::Expr &e);
  /// An integer that may be linear in one unbound parameter (partial only).
  std::optional<LinearSize> linear(const ast::Expr &e);
  /// The axes of dims; a shape parameter among them stands for all of its axes.
  std::optional<Shape> shape(const std::vector<ast::ExprPtr> &dims);
  std::optional<Shape> shape(const std::vector<const ast::Expr *> &dims);
  std::optional<Ty> type(const ast::TypeExpr &type);
  /// A scalar type name, built-in or parameter; nothing (silently) if `name` is none.
  std::optional<Type> namedType(std::string_view name) const;

private:
  std::optional<LinearSize> name(const ast::Expr &e);
  std::optional<LinearSize> binary(const ast::Expr &e);
  std::optional<LinearSize> fail(const DiagnosticKind &kind, const ast::Expr &e, const std::string &title,
                                 const std::string &label = "");
  Checker &checker;
  const Env &env;
  Reporter &report;
  bool partial;
};

/// The text of an expression as written, on one line and not too long for a message.
std::string excerpt(const SourceMap &sources, Span span);
/// "2 * H = 32" pieces: where the sizes of a declared type come from, e.g. "declared `f32[T, D]`, T = 3, D =
/// 4".
std::string describeSizes(const SourceMap &sources, const ast::TypeExpr &type, const Env &env);

} // namespace mlr::checking
