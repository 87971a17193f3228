// What the validator knows of memory: for each byte, the write that it last saw.
#pragma once

#include "mlr/Store/Plan.h"

#include <array>

namespace mlr::store {

/// A range of bytes of a space and the number of the write that filled it.
struct Piece {
  Space space;
  int64_t begin, end;
  int64_t write;
};

class Memory {
public:
  /// Overwrites a range; the number of this write.
  int64_t write(Space space, int64_t begin, int64_t end);
  /// Every byte still holds what this write put there.
  bool holds(const Piece &piece) const;

private:
  struct Span {
    int64_t end, write;
  };
  std::array<std::map<int64_t, Span>, 5> spaces;
  int64_t writes = 0;
};

} // namespace mlr::store
