// Which roots have one and the same memory, at the same offset: recurrences in their slots, outputs in Out,
// stacks in the rows that they consume, element-wise results in their operands.
#pragma once

#include "mlr/Store/Lifetimes.h"

namespace mlr::store {

class Coalesced {
public:
  Coalesced(dataflow::NodeOp node, const Storage &storage, Lifetimes &lifetimes);

  /// One piece of memory. Roots beyond the storage's are outputs that nothing is computed in.
  struct Class {
    std::vector<unsigned> roots;              ///< ascending
    std::multimap<int64_t, Segment> segments; ///< by beginning
    int output = -1;                          ///< number of the output that it is, or -1
    bool state = false;                       ///< holds a slot in State
    mlir::Type element;
    int64_t elements = 0;
  };
  /// The class of each root, and the classes; those merged into others are empty.
  unsigned classOf(unsigned root) const;
  std::vector<Class> classes;
  /// The class of each output of the node; null index: a scalar has none of its own roots but still a class.
  std::vector<unsigned> outputs;

private:
  void addRoots();
  void useOutputs();
  void fillSlots();
  bool fillSlot(unsigned slot, unsigned value);
  void startInPlace();
  int initRoot(unsigned slot) const;
  Segment *initSegment(unsigned slot, unsigned cls);
  void handOver();
  bool merge(unsigned a, unsigned b);
  bool sameKind(const Class &a, const Class &b) const;

  dataflow::NodeOp node;
  const Storage &storage;
  Lifetimes &lifetimes;
  mutable std::vector<unsigned> parent;
};

} // namespace mlr::store
