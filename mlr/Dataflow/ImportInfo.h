// What the import knows of a node instance before it looks at a single use of it: where each variable is
// defined, what computing one element of it costs, and whether its uses would compute it more than once.
#pragma once

#include "mlr/Check/Program.h"

#include "llvm/ADT/BitVector.h"
#include <map>

namespace mlr::dataflow {

/// The definition of a variable.
struct Definition {
  enum class Kind : uint8_t { None, Input, Define, Call, ScanIndex, ScanResult } kind = Kind::None;
  const Expr *value = nullptr;        ///< Define; ScanResult (null for its Count)
  const Equation *equation = nullptr; ///< Define, Call; ScanResult: the scan's
  const ScanTime *time = nullptr;     ///< the time of the variable; ScanIndex: its scan
  const Clock *clock = nullptr;       ///< in whose region it is defined; null: the base clock of the time
  uint32_t position = 0;              ///< number of the input, call result or scan result
};

/// Costs count scalar operations an element; a reduction counts as heavyCost whatever its length.
constexpr uint32_t heavyCost = 1000;
/// Recomputing up to this many operations is cheaper than a trip through memory.
constexpr uint32_t cheapCost = 4;

struct NodeInfo {
  const NodeInstance *node = nullptr;
  std::vector<Definition> definitions; ///< by VarId
  std::vector<char> isVariable;        ///< of a derivative
  std::vector<uint32_t> cost;          ///< an element, with the locals that it needs
  std::vector<char> shared;            ///< evaluated in more than one place, or at more than one index
  std::vector<char> pointwise;         ///< inputs: element i of a result needs only element i of it
  /// The inputs that a variable depends on, at any instant; two more bits: the clock of the call, effects.
  std::vector<llvm::BitVector> inputs;
  std::vector<char> isDeep;            ///< a long chain of locals ends here: breaks recursion when inlined
};

/// Computes and keeps the facts of each instance. `full` facts (all but definitions) are needed only of
/// callees that are expanded in place; they cost O(variables * inputs / 64 + expressions).
class InfoCache {
public:
  const NodeInfo &definitions(const NodeInstance &node);
  const NodeInfo &full(const NodeInstance &node);
  /// Cost of one element of the expression itself, without the variables that it reads.
  uint32_t cost(const Expr &e);

private:
  struct Entry {
    NodeInfo info;
    bool isFull = false;
  };
  Entry &entry(const NodeInstance &node);
  void findUses(Entry &entry);
  void sumCosts(Entry &entry);
  void closeInputs(Entry &entry);
  std::map<const NodeInstance *, Entry> entries;
};

/// fby, eby, pre, window, hold and ends of time: they stand for a stream of their own and are never inlined in a
/// body.
bool isTemporal(ExprKind kind);
/// Whether the value depends on the clock that the expression stands on, not only on the operands.
bool knowsClock(const Expr &e);
/// Whether a variable of the clock is absent at some instants of its time.
bool isSlower(const Clock *clock);

} // namespace mlr::dataflow
