// The resolved, monomorphic, typed program: what the checker produces and what the reference interpreter and
// the dataflow import read. Everything that the surface leaves open is decided here: names are ids, static
// parameters are gone, literals have types, broadcasting is explicit, tuples are split into their leaves,
// index bounds are proved or marked as clamped, nothing is overloaded.
//
// What holds of every Program that the checker hands out (verify() re-checks it):
//  - Each variable has exactly one definition: input, equation target, call result, scan result or scan index.
//  - Operands of an Op have the shape of its result (a Select condition too), scalar types as its table entry says.
//  - A variable is used only in its own time or in a time nested in it; scan results belong to the enclosing time.
//  - A variable is read only where it is present: in the region of its clock, in one nested in it, in one that has
//    the same instants (reset blocks have those of the region around them), or as an operand of Merge or Hold.
//  - Initialisation and causality (language reference, sections on streams and scan) hold.
#pragma once

#include "support/Array.h"
#include "support/Source.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace mlr {

struct NodeInstance;
struct ScanTime;
struct Clock;

using VarId = uint32_t;    ///< index into NodeInstance::vars
using IndexId = uint32_t;  ///< index into NodeInstance::indices

/// Element-wise operators on scalars. Semantics are fixed to the bit by the language reference, "One result":
/// integers wrap, x / 0 = x % 0 = 0, MIN / -1 = MIN, MIN % -1 = 0, shifts take the count modulo the width,
/// Max(a, b) is a if a > b or a is NaN, else b; Min alike; comparisons with NaN are false but Ne, which is true.
enum class OpKind : uint8_t {
  Add, Sub, Mul, Div, Rem, Neg, Min, Max, Abs,   // numbers; float Rem is exact fmod; Abs(MIN) = MIN
  Fma, Sqrt, Floor, Ceil, Trunc, RoundEven,      // floats; Fma rounds once
  Lt, Gt, Le, Ge, Eq, Ne,                        // any equal types (bool: Eq, Ne only) -> bool
  And, Or, Not,                                  // bool
  Select,                                        // bool, T, T -> T
  BitAnd, BitOr, BitXor, BitNot, Shl, Shr,       // integers; Shr is arithmetic on signed types
  Bitcast,                                       // reinterprets between types of one width
  Convert,                                       // numeric conversion: float -> int truncates and saturates, NaN is 0;
                                                 // int -> int wraps; bool -> number 0/1; number -> bool is x != 0
};
const char *name(OpKind op);

enum class ReduceKind : uint8_t { Sum, Prod, Max, Min, All, Any, Argmax, Argmin, Mean };
const char *name(ReduceKind kind);

enum class ExprKind : uint8_t {
  Const,      // constant: Array of exactly `type`
  Var,        // var
  Index,      // index: a comprehension index, i32
  Op,         // op(args)
  Broadcast,  // args[0] to type.shape by NumPy's rule
  Reshape,    // args[0], same elements in row-major order
  Concat,     // args along the leading axis
  Read,       // args[0][reads]; scalar or tensor result
  ReadOr,     // element of args[0] at reads (all At, one for every axis), or args[1] where any is outside
  Build,      // [args[0] for indices]: shape is sizes of indices ++ shape of args[0]
  Reduce,     // kind(args[0] for indices): shape of args[0]; ascending chain, last index fastest
  ReduceAll,  // kind(args[0]) over a whole tensor: sum and mean by 16 partials; result scalar
  Call,       // result number `result` of pure callee(args); only for callees that are `fun`
  Fby,        // args[0] fby args[1]
  Eby,        // args[0] eby args[1]: next value of args[0], args[1] at the end
  Pre,        // pre args[0]
  Arrow,      // args[0] -> args[1]
  Window,     // last `count` values of args[0], oldest first; args[1] is the element before time began
  Final,      // final args[0], over the time that the expression stands in
  Initial,    // initial args[0]
  Count,      // instants executed by the scan that the expression stands in, i32
  Merge,      // args[0]: a variable s (bool, or i32 for an enum); args[1 + v]: the value where s is v (false is 0),
              // each a constant or a variable of a clock with the instants of `s == v`
  Vjp,        // args[1] times the derivative of args[0] by args[2], all variables; the first `count` axes of args[0] and
              // args[1] count derivatives side by side, and stand in front of those of args[2] in the result. args[3..]: the
              // other variables of the tuple; how any of these is defined does not matter
  Jvp,        // the sum over k of the derivatives of args[0] by args[2 + 2k], times args[1 + 2k], which has the first `count` axes
              // of args[0] in front; how any of these variables is defined does not matter
  Stop,       // args[0], a constant for derivatives
  Hold,       // args[0]: a variable of a slower clock (isWithin); the last value that it had, args[1] before the first
};

struct Expr;

/// One axis of Read / ReadOr.
struct ReadIndex {
  enum class Kind : uint8_t { At, Range, Slide } kind = Kind::At;
  const Expr *at = nullptr;  ///< At, Slide: a scalar of any integer type
  int64_t start = 0;         ///< Range
  int64_t count = 0;         ///< Range, Slide
  bool inBounds = false;     ///< proved; otherwise At is clamped to 0..N-1 and Slide to 0..N-count
};

/// Immutable once the checker is done; owned by its NodeInstance. Expressions form trees: no node has two parents.
struct Expr {
  ExprKind kind = ExprKind::Const;
  Type type;
  Span span;
  OpKind op = OpKind::Add;
  ReduceKind reduce = ReduceKind::Sum;
  /// Reduce and ReduceAll with Sum or Mean over floats: args[0] is an Op Mul as written in the source and the
  /// chain is fused: acc = fma(a, b, acc). (Mean divides the fused sum.)
  bool fused = false;
  VarId var = 0;
  IndexId index = 0;
  std::vector<IndexId> indices;   ///< Build, Reduce: outermost first
  std::vector<const Expr *> args;
  std::vector<ReadIndex> reads;   ///< Read: one for each axis of args[0]
  const NodeInstance *callee = nullptr;
  uint32_t result = 0;            ///< Call
  int64_t count = 0;              ///< Window, Vjp, Jvp
  Array constant;                 ///< Const
};

struct IndexVar {
  std::string name;
  int64_t size = 0;
  Span span;
};

struct Var {
  enum class Kind : uint8_t { Input, Output, Local, ScanIndex, Hidden } kind = Kind::Local;
  std::string name;             ///< source name; a leaf of a tuple is "p.0"; hidden ones are made unique
  Type type;
  Span span;
  const ScanTime *time = nullptr;  ///< the scan whose stream it is; null: the node's own time
  const Clock *clock = nullptr;    ///< the clock in whose region it is defined; null: the base clock of `time`.
                                   ///< An input on a clock is present, and looked at, at its instants only.
  std::vector<std::string> constructors = {};  ///< of an enum, by number (the type is i32); else empty
};

struct Equation;
enum class MonitorKind : uint8_t { Assert, Assume, Guarantee };
const char *name(MonitorKind kind);

/// The equations of one time, unordered.
struct Region {
  std::vector<Equation> equations;
};

/// What leaves a scan: `v[t] = e`, `v = final e`, `v = initial e`, `v = count(t)`; v is of the enclosing time.
struct ScanResult {
  enum class Kind : uint8_t { Stack, Final, Initial, Count } kind = Kind::Stack;
  VarId var = 0;
  const Expr *value = nullptr;  ///< null for Count
  Span span;
};

struct ScanTime {
  VarId index = 0;              ///< `t`: an i32 stream of the inner time
  int64_t length = 0;           ///< T >= 0
  bool resume = false;
  const Expr *until = nullptr;  ///< bool, of the inner time
  Region body;
  std::vector<ScanResult> results;
  const ScanTime *parent = nullptr;  ///< the enclosing scan of the same node
  const Clock *clock = nullptr;      ///< in whose region it stands, of the time of `parent`; null: its base clock
  uint32_t order = 0;                ///< as of its equation
  Span span;
};

/// A time made of instants of the time around it. State in its region (fby, eby, pre, ->, window, hold, calls, scans
/// that resume) knows these instants only: what is previous, next, first and last is meant among them.
///  - When: the instants at which `selector` is `value`. What an arm of `if` and `match` or a state of an automaton
///    defines stands in such a region, and so does every equation on a clock `when c`.
///  - Every: instants phase, phase + period, .. of the time around it.
///  - Reset: all instants of the time around it; at each one at which `selector` is true a segment begins, in which
///    everything is as if time began there; for `eby` the segment before ends there. The selector is of the time
///    around it, so that one in a slower region starts afresh at its first instant at or after the reset.
/// Arms, automata and `f(x) every r` are made of these; clocks with equal conditions are one.
struct Clock {
  enum class Kind : uint8_t { When, Every, Reset } kind = Kind::When;
  VarId selector = 0;       ///< When, Reset: a variable of the time around it; When: bool, or i32 for an enum
  int64_t value = 1;        ///< When: 0, 1 or the number of a constructor
  int64_t period = 1, phase = 0;     ///< Every; 0 <= phase < period
  Region body;
  const Clock *parent = nullptr;     ///< null: the base clock of `time`
  const ScanTime *time = nullptr;    ///< the scan of which it is; null: the node's own time
  Span span;
};

struct Equation {
  enum class Kind : uint8_t { Define, Call, Scan, Clock, Monitor } kind = Kind::Define;
  Span span;
  // Define: targets[0] = value.  Call: targets = callee(args), one instance with its own state. A target whose output is
  // on a clock of the callee is on the clock that this is here, below the region of the call; an argument for an
  // input on a clock is present always, and the callee looks at it at the input's instants only.
  // Clock: the equations of `clock`.  Monitor: `value`, a bool, should always hold.
  std::vector<VarId> targets;
  const Expr *value = nullptr;
  const NodeInstance *callee = nullptr;
  std::vector<const Expr *> args;
  /// Call: one instance for each value of these indices, outermost first. The arguments may mention them; each target
  /// has their sizes in front of the shape of the callee's output.
  std::vector<IndexId> each;
  std::unique_ptr<ScanTime> scan;
  std::unique_ptr<Clock> clock;
  MonitorKind monitor = MonitorKind::Assert;
  /// Call of a node with effects, Scan with such calls: its place, from 1, among those of its time (all clocks of it
  /// together) in the order in which they happen at an instant. Else 0.
  uint32_t order = 0;
};

/// A node or fun with all static parameters fixed.
struct NodeInstance {
  std::string name;         ///< unique in the program, a C identifier: "lstm_cell" or "lstm_cell_1"
  std::string display;      ///< for people: "lstm_cell<<D = 40, H = 16>>"
  bool isFun = false;
  /// A C function: no body. A fun is pure; a node has hidden state, is called exactly once at each instant at which it is
  /// active, in textual order among those that data leave unordered.
  bool isExtern = false;
  std::string symbol;       ///< of an extern: the name of the C function
  bool hasEffects = false;  ///< is an extern node, or calls one at any depth
  double rate = 0;          ///< Hz of the base clock; 0: not stated
  bool usesEnd = false;     ///< has an `eby` in its own time, or calls such a node: only legal inside a scan
  bool hasState = false;    ///< fby, pre, ->, window, resume in its own time, or calls such a node
  /// Of a fun that states it, in a program that takes derivatives: its inputs, its outputs, cotangents of these -> cotangents of
  /// the inputs.
  const NodeInstance *derivative = nullptr;
  std::string doc;
  Span span;                ///< of the declaration's name
  Span usedAt;              ///< of the use that instantiated it; invalid for roots
  std::vector<VarId> inputs, outputs;
  std::vector<Var> vars;
  std::vector<IndexVar> indices;
  Region body;
  std::deque<Expr> arena;   ///< owns the expressions
};

/// Callees stand before callers.
struct Program {
  std::vector<std::unique_ptr<NodeInstance>> nodes;
  /// The instances that can be run or built: asked-for node, or each node of the root file that needs no
  /// static arguments.
  std::vector<const NodeInstance *> roots;
  bool takesDerivatives = false; ///< somewhere: Vjp or Jvp
};

/// Re-checks the structural invariants above; returns the broken ones (empty: none). Never reports to the user.
std::vector<std::string> verify(const Program &program);
/// A readable text of the typed tree, the output of `--after=check`.
std::string print(const Program &program);

} // namespace mlr
