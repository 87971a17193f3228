// The syntax tree: what the parser builds, the formatter prints and the checker reads. It has every form of
// the grammar; what this version does not compile yet is refused by the checker, by name.
//
// One plain struct a syntactic category. Children are owned. The parser bounds the depth of the tree
// (maxDepth), so that recursion over it is safe.
#pragma once

#include "support/Source.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mlr::ast {

/// The parser reports `too-deep` beyond this; long operator chains count one level an operand.
inline constexpr int maxDepth = 2000;

struct Expr;
struct Block;
using ExprPtr = std::unique_ptr<Expr>;

struct Name {
  std::string text;
  Span span;
};

// ---- types -----------------------------------------------------------------------------------------------

/// An argument in << >>: `N`, `H = 2 * K`, `[3, 4]` (a shape), a type name parses as an expression Name.
struct StaticArg {
  Name name;                   ///< empty text: positional
  ExprPtr value;               ///< null for a shape
  std::vector<ExprPtr> shape;  ///< with isShape
  bool isShape = false;
  Span span;
};

/// `f32`, `Lstm<<D, H>>`, `f32[T, 2*H]`, `T[S]`, `(f32, i32)`.
struct TypeExpr {
  Span span;
  std::vector<TypeExpr> tuple;      ///< not empty: a tuple type, nothing else is set
  Name name;                        ///< qualified names are joined with '.'
  std::vector<StaticArg> args;
  std::vector<ExprPtr> dims;
  bool hasDims = false;
};

/// The condition of `when`, and clocks in signatures.
struct ClockExpr {
  enum class Kind { When, WhenNot, WhenIs, Every } kind = Kind::When;
  ExprPtr condition;                ///< When, WhenNot, WhenIs: the variable or expression
  Name constructor;                 ///< WhenIs: `Brake` or `Mode.Brake`
  ExprPtr period, phase;            ///< Every; phase may be null
  Span span;
};

// ---- expressions -----------------------------------------------------------------------------------------

enum class ExprKind : uint8_t {
  Number,         // text, without its `_`
  String,         // text: the contents without quotes, escapes resolved
  Bool,           // text: "true" or "false"
  Name,           // text: a variable, constant, index, static parameter; in << >> with statics: f = relu<<8>>
  Tuple,          // args (two or more)
  List,           // [a, b, c]: args stacked along a new leading axis
  Comprehension,  // [args[0] for fors]
  Call,           // text(args) with statics; args[i] named argNames[i] if not empty; `every` may be set
  Reduce,         // text(args[0] for fors)
  Field,          // args[0].text
  Index,          // args[0][indices]
  StructLiteral,  // text<<statics>> { argNames[i] = args[i] }
  StructUpdate,   // { args[0] with argNames[0] = args[1] }
  Unary,          // op args[0]: Neg Not Pre Last(text) Final Initial
  Binary,         // args[0] op args[1]
  If,             // if args[0] then args[1] else args[2]
  When,           // args[0] when clock
  MergeBool,      // merge(args[0], args[1], args[2])
  MergeEnum,      // merge args[0] { argNames[i]: args[i + 1] }
};

enum class Op : uint8_t {
  None,
  Neg, Not, Pre, Last, Final, Initial,                                     // unary
  Add, Sub, Mul, Div, Rem, MatMul, Lt, Gt, Le, Ge, Eq, Ne, And, Or,        // binary
  Fby, Eby, Arrow,                                                         // binary, in time
};
/// As written in source: "+", "fby".
const char *spelling(Op op);

/// One index of x[...].
struct Index {
  enum class Kind { At, Range, Slide } kind = Kind::At;  // x[i], x[a..b], x[i ..+ n]
  ExprPtr a, b;                                          ///< Range: either may be null; Slide: start, count
  Span span;
};

/// `for i < N, j < M`.
struct For {
  Name index;
  ExprPtr bound;
};

struct Expr {
  ExprKind kind = ExprKind::Number;
  Op op = Op::None;
  bool parenthesised = false;  ///< written inside its own ( ); kept for the formatter
  Span span;                   ///< without those parentheses
  Span nameSpan;               ///< of `text` in Call, Reduce, Field, StructLiteral; of the operator in Binary
  std::string text;
  std::vector<ExprPtr> args;
  std::vector<Name> argNames;
  std::vector<StaticArg> statics;
  std::vector<Index> indices;
  std::vector<For> fors;
  ExprPtr every;               ///< f(x) every r
  std::unique_ptr<ClockExpr> clock;
};

// ---- statements ------------------------------------------------------------------------------------------

/// `@spread`, `@place(1)`, `@ram(64K)`.
struct Annotation {
  Name name;
  ExprPtr value;  ///< may be null
  Name unit;      ///< after a number: K, M, Hz
  Span span;
};

struct Transition {
  ExprPtr condition;
  bool resume = false;  ///< `continue` instead of `then`
  Name target;
};

enum class StmtKind : uint8_t {
  Equation,   // targets = value; (one target: optional type and clock)
  Stacked,    // targets[0][index] = value
  Last,       // last targets[0] = value
  Scan,       // scan index < bound [resume] [until condition] body
  When,       // when clock body
  If,         // if condition body [else other]; `else if` is an other with one If statement
  Match,      // match condition { arms }
  Reset,      // reset body every condition
  Automaton,  // automaton { states }
  Assert, Assume, Guarantee,  // condition
};

struct Stmt;
struct Block {
  std::vector<std::unique_ptr<Stmt>> stmts;
  Span span;  ///< braces included
};

/// One arm of match, or one state of an automaton.
struct Arm {
  Name name;
  Block body;
  std::vector<Transition> unless, until;  ///< states only, in order of priority
  Span span;
};

struct Stmt {
  StmtKind kind = StmtKind::Equation;
  Span span;
  std::vector<Annotation> annotations;
  std::vector<Name> targets;
  bool tupleTargets = false;  ///< written (a, b) = ..; true for "(a) = .." too
  std::optional<TypeExpr> type;
  std::unique_ptr<ClockExpr> clock;  ///< of a typed equation, or of `when`
  Name index;                        ///< Stacked, Scan
  ExprPtr value, bound, condition;
  bool resume = false;
  Block body, other;
  bool hasOther = false;
  std::vector<Arm> arms;
};

// ---- declarations ----------------------------------------------------------------------------------------

/// A static parameter: `D, H: size`, `T: type`, `a: f32 = 0.5`, `f: (f32) -> f32`.
struct StaticParam {
  Name name;
  TypeExpr kind;                        ///< size, shape, float, int, num, type, or a value type
  bool isFunction = false;              ///< then `domain` and `range`
  std::vector<TypeExpr> domain, range;
  ExprPtr defaultValue;                 ///< may be null
};

struct Param {
  Name name;
  TypeExpr type;
  std::unique_ptr<ClockExpr> clock;
};

/// `w, b: f32[3]` is two fields.
struct FieldDecl {
  Name name;
  TypeExpr type;
};

enum class DeclKind : uint8_t { Import, Const, Enum, Struct, Node, Fun };

struct Decl {
  DeclKind kind = DeclKind::Node;
  Span span;
  std::string doc;  ///< the text of the /// lines before it
  Name name;
  bool isExtern = false;
  std::vector<StaticParam> statics;
  // Const
  TypeExpr type;
  ExprPtr value;
  // Enum
  std::vector<Name> constructors;
  // Struct
  std::vector<FieldDecl> fields;
  // Node, Fun
  std::vector<Param> inputs, outputs;
  ExprPtr rate;       ///< at 50 Hz
  Name rateUnit;
  Name derivative;
  Block body;
  bool hasBody = false;
};

/// A comment, for the formatter; `///` documentation included.
struct Comment {
  Span span;
  bool ownLine = false;  ///< nothing but white space before it on its line
};

struct File {
  uint32_t file = 0;
  std::vector<std::unique_ptr<Decl>> decls;
  std::vector<Comment> comments;
};

} // namespace mlr::ast
