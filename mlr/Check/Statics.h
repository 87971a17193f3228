// Static parameters and what is computed from them before a program runs: sizes, shapes, types.
#pragma once

#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Names.h"
#include "mlr/Check/Types.h"

#include <functional>
#include <optional>

namespace mlr::checking {

class Checker;

struct FunctionValue;

/// The value of a static parameter.
struct StaticValue {
  enum class Kind : uint8_t { Unbound, Size, Shape, Type, Value, Function } kind = Kind::Unbound;
  int64_t size = 0;
  Shape shape;
  Ty type;                     ///< Type: usually a scalar; a `type` parameter may be a tensor or struct. Value: its type
  Array value;                 ///< Value
  std::shared_ptr<const FunctionValue> function = nullptr; ///< Function
  static StaticValue ofSize(int64_t size) { return {Kind::Size, size, {}, {}, {}, {}}; }
  static StaticValue ofShape(Shape shape) { return {Kind::Shape, 0, std::move(shape), {}, {}, {}}; }
  static StaticValue ofType(Ty type) { return {Kind::Type, 0, {}, std::move(type), {}, {}}; }
  static StaticValue ofValue(Array value, Ty type) { return {Kind::Value, 0, {}, std::move(type), std::move(value), {}}; }
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

/// A node or fun as the value of a static parameter, some of its own static parameters given: `relu<<8>>`.
struct FunctionValue {
  const ast::Decl *decl = nullptr; ///< null: a function of the language or an elementary one, called `name`
  std::string name;
  Env bound; ///< Unbound ones follow from the arguments of each call
};

/// A declared type with its static parameters fixed. Equal types are one object, owned by the Checker.
struct Nominal {
  const ast::Decl *decl = nullptr;  ///< an enum or a struct
  Env env;                          ///< of a struct: its static parameters
  std::string display;              ///< "Mode", "Dense<<3, 4>>"
  std::string key;                  ///< equal exactly for equal types
  std::vector<Ty> fields;           ///< of a struct, in order
  bool failed = false;              ///< a field's type is in error (reported)
  bool isEnum() const { return decl->kind == ast::DeclKind::Enum; }
  std::vector<std::string> constructors() const;
  /// The number of a constructor or field, or nothing.
  std::optional<size_t> constructor(std::string_view name) const;
  std::optional<size_t> field(std::string_view name) const;
};
/// Equal exactly for equal types.
std::string keyOf(const Ty &ty);

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
  /// A type name, built-in, parameter, enum, or struct without static parameters; nothing (silently) if `name` is none.
  std::optional<Ty> namedType(std::string_view name);
  /// `f32`, `T`, `f32[2, N]`, `Dense<<3, 4>>` written as an argument, where the grammar has an expression. Nothing if it
  /// is no type; `known` is false when its axes or arguments were in error (reported).
  std::optional<Ty> written(const ast::Expr &e, bool &known);

private:
  std::optional<Ty> declared(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, Span span);
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
