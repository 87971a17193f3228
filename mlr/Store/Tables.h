// The tables of In, Out, State and Rom: named fields in the order of declaration, at the offsets that C gives
// them.
#pragma once

#include "mlr/Store/Storage.h"

namespace mlr::store {

/// Offsets of a C struct's members, one after the other. An empty member takes no room and stands at 0.
class StructLayout {
public:
  int64_t add(int64_t bytes, int64_t alignment);
  /// sizeof, with the padding at the end.
  int64_t size() const { return (end + widest - 1) / widest * widest; }

private:
  int64_t end = 0, widest = 1;
};

/// Appends In, Out, State and Rom buffers to the plan and sets the sizes of the structs. Gives the buffer of
/// each root that is an argument, a slot in State or a constant; -1 for others. Equal constants share a
/// buffer.
std::vector<int64_t> addTables(dataflow::NodeOp node, const Storage &storage, Plan &plan);

} // namespace mlr::store
