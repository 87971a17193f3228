// The typed tree prepared for evaluation: variables found, operands that other instants ask for given a memo
// cell of their own. Nothing is rewritten; a Term mirrors one Expr.
//
// A region (the body of a node, of a scan or of a clock) has slots: what is remembered for every instant of
// its time. Each variable is a slot; so is each operand of fby, eby, pre, window, final and initial that is
// more than a variable or constant, each merge and hold, each value that leaves a scan, and each variable of
// another clock that is read here: a clock's region knows what it read at its own instants, however long ago
// they were.
#pragma once

#include "mlr/Eval/Numbers.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mlr::eval {

struct NodePlan;
struct RegionPlan;

/// The way to a variable on another clock: regions outwards, then clocks inwards by their numbers. What lies
/// at its end may be absent.
struct Route {
  uint32_t up = 0;
  std::vector<uint32_t> down;
  uint32_t slot = 0;
  bool isTime = false; ///< a scan index: the instant where the way ends
};

struct Term {
  const Expr *expr = nullptr;
  ExprKind kind = ExprKind::Const;
  OpKind op = OpKind::Add;
  Scalar scalar = Scalar::F32;  ///< of the result
  Scalar operand = Scalar::F32; ///< of args[0]
  bool isScalar = true;         ///< result of empty shape
  int64_t elements = 1;
  std::vector<const Term *> args;
  std::vector<const Term *> at;        ///< Read, ReadOr: one an axis, null for a range
  std::vector<int64_t> sizes, strides; ///< Read, ReadOr: axes of args[0]
  /// Var: levels of scan nesting outwards, slot there. Final, Initial, Count: clocks outwards to their scan.
  uint32_t up = 0, slot = 0;
  const Route *route = nullptr; ///< Var: an operand of merge, hold or a call that is on another clock
  bool isTime = false;          ///< Var: a scan index
  int32_t kept = -1;            ///< as an operand that other instants ask for: its slot, or -1
  int32_t latch = -1;           ///< Window: slot that keeps the init of the first instant, or -1
  int32_t cache = -1;           ///< inside a comprehension, of fewer indices than are bound: its cache entry
  bool isHeavy = false;         ///< holds a comprehension, reduction or call
  std::vector<IndexId> free;    ///< comprehension indices that it depends on, sorted
  Bits constant = 0;            ///< Const of empty shape
  NodePlan *callee = nullptr;
  NodePlan *rule = nullptr;     ///< Call: the derivative that the callee states
};

struct Slot {
  enum class Kind : uint8_t {
    Input,
    Term,
    Latch,
    Hold,
    Sample,
    CallResult,
    ScanResult,
    Extern,
    Derivative
  } kind = Kind::Term;
  Type type;
  int32_t tensor = -1;          ///< number among the region's tensor slots; -1: a scalar
  const Term *term = nullptr;   ///< Term, Latch, Hold, Derivative
  const Route *route = nullptr; ///< Sample
  uint32_t up = 0;              ///< Input, CallResult: clocks outwards to the node's body, to the call
  uint32_t part = 0;            ///< Input: argument number; CallResult: call; ScanResult: scan
  uint32_t result = 0;          ///< number of the result
  int64_t reach = 0;            ///< how many instants back it may be asked for
  std::string name;             ///< for messages
  Span span;
};

struct CallPlan {
  const Equation *equation = nullptr;
  NodePlan *callee = nullptr;
  std::vector<const Term *> args;
  uint32_t first = 0;     ///< number of the first instance among those of the region
  uint32_t instances = 1; ///< one for each value of the equation's indices
};

struct ScanPlan {
  const ScanTime *scan = nullptr;
  std::unique_ptr<RegionPlan> body;
  int32_t until = -1;          ///< slot of the condition in the body
  std::vector<int32_t> values; ///< slot in the body of each result's value; -1: count
};

struct ClockPlan {
  const Clock *clock = nullptr;
  std::unique_ptr<RegionPlan> body;
  const Term *selector = nullptr; ///< When, Reset: read in the region around it
  /// Whether something in it depends on which of its instants it is at. Otherwise its instants bear the
  /// numbers of those around it, and no other instant of the selector is looked at.
  bool isNumbered = false;
};

/// A call of a node with effects, or a scan that holds some.
struct EffectPlan {
  uint32_t order = 0;
  Route route; ///< to its region, from the body of the node or scan
  bool isScan = false;
  uint32_t part = 0; ///< number of the call or scan there
};

struct RegionPlan {
  NodePlan *node = nullptr;
  RegionPlan *parent = nullptr; ///< of the enclosing scan, clock or node body; null: a node's body
  const Clock *clock = nullptr; ///< whose body it is
  uint32_t number = 0;          ///< of the clock in the region around it
  const ScanTime *time = nullptr;
  uint32_t tensors = 0;
  int64_t reach = 0; ///< maximum over the slots
  std::vector<Slot> slots;
  uint32_t instances = 0; ///< of called nodes
  bool remembers = false; ///< it matters which instant it is: something looks at others, or counts them
  std::vector<std::pair<const Equation *, uint32_t>> monitors; ///< and the slots of their conditions
  std::vector<CallPlan> calls;
  std::vector<ScanPlan> scans;
  std::vector<ClockPlan> clocks;
  std::vector<EffectPlan> effects; ///< of the body of a node or scan, those on its clocks too, in order
};

struct NodePlan {
  const NodeInstance *node = nullptr;
  uint32_t id = 0; ///< dense, in order of preparation
  RegionPlan body;
  std::deque<Term> terms;
  std::vector<int64_t> env; ///< value of each comprehension index, while it is bound
  std::vector<std::pair<RegionPlan *, uint32_t>> slotOf; ///< by variable
  std::deque<Route> routes;
  std::vector<Route> inputs, outputs; ///< from the body
  bool isConstant = false;            ///< a fun without inputs: computed once
  int64_t reach = 0;                  ///< maximum over its regions
};

/// Plans of a node and of everything that it calls.
class Plans {
public:
  NodePlan &of(const NodeInstance &node);
  uint32_t size() const { return static_cast<uint32_t>(plans.size()); }
  uint32_t caches() const { return cacheCount; }
  int64_t reach() const { return maxReach; } ///< maximum over all plans
  /// Why the program cannot be interpreted; empty if it can.
  std::string refusal;
  /// Some term is a derivative: what stands in scans is asked for again, in other directions.
  bool takesDerivatives = false;

private:
  friend class PlanBuilder;
  std::map<std::string, std::unique_ptr<NodePlan>> plans; ///< by unique name
  uint32_t cacheCount = 0;
  int64_t maxReach = 0;
};

} // namespace mlr::eval
