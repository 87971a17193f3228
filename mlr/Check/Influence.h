// Which variables a value depends on such that a derivative sees it, and what stands in the way of one.
#pragma once

#include "mlr/Check/Program.h"

#include <array>
#include <map>
#include <set>
#include <string>

namespace mlr::influence {

/// What is asked of a variable on the way back from a value.
enum class State : uint8_t {
  Float,  ///< its derivative
  Bits,   ///< an integer that becomes a float again: whether it holds the bits of one
  Broken, ///< a float behind something that has no derivative
  Any,    ///< whether it matters at all
};

/// Something at which a derivative ends. Broken ones have a derivative that nobody states: an error; at all others it is zero.
struct Obstacle {
  enum class Kind : uint8_t { None, Bits, Foreign, Step, Condition, Integer, Index, OtherInstant, End, Stop, Cut } kind = Kind::None;
  Span span;
  std::string name; ///< of the operator, or the function
  std::vector<std::pair<Span, std::string>> calls = {}; ///< through which it was met, innermost first
};

struct Place {
  VarId var = 0;
  State state = State::Float;
  auto operator<=>(const Place &) const = default;
};

/// How a place was met: mentioned in the definition of `by`.
struct Step {
  Place by;
  bool isRoot = false; ///< it is the value itself
  Span mention;
  Obstacle obstacle;   ///< between the two
};
using Found = std::map<Place, Step>;

/// Influences inside one instance, and through what it calls. The times in which values of other instants are constants are those
/// around the derivative.
class Graph {
public:
  explicit Graph(const Program &program);
  /// All that `value`, a variable, depends on, seen from a derivative that stands in `time`; it looks at no definition of `cut`.
  /// `state` Float: what it has a derivative by, and Broken places; Any: all that it depends on, with the first obstacle on
  /// the way. Linear in the size of the instance.
  Found search(const NodeInstance &node, VarId value, const ScanTime *time, const std::set<VarId> &cut, State state) const;
  /// The derivatives of an instance, with the time in which each stands.
  const std::vector<std::pair<const Expr *, const ScanTime *>> &derivativesOf(const NodeInstance &node) const;
  const std::vector<const NodeInstance *> &calleesOf(const NodeInstance &node) const;

private:
  struct Definition {
    const Expr *value = nullptr;
    const Equation *call = nullptr;
    uint32_t output = 0;
    const ScanTime *time = nullptr;      ///< in which the value is computed
    const ScanTime *resultOf = nullptr;  ///< a result of this scan
  };
  struct Reach {
    uint32_t input;
    State state;
    Obstacle obstacle;
  };
  /// By output, whether other instants of the callee's own time are constants: what its derivative, or its bits, depend on.
  using Summary = std::vector<std::array<std::vector<Reach>, 2>>;
  struct Node {
    std::vector<Definition> definitions; ///< by variable
    std::vector<std::pair<const Expr *, const ScanTime *>> derivatives;
    std::vector<const NodeInstance *> callees;
    Summary summary;
  };
  class Walk;

  void collect(const Region &region, const ScanTime *time, Node &of);
  void collect(const Expr &e, const ScanTime *time, Node &of);
  Found run(const NodeInstance &node, Place from, const std::set<const ScanTime *> &constant, const std::set<VarId> &cut) const;
  Summary summarise(const NodeInstance &node) const;

  std::map<const NodeInstance *, Node> nodes; ///< looked up only
};

} // namespace mlr::influence
