#include "mlr/Store/Memory.h"

namespace mlr::store {

int64_t Memory::write(Space space, int64_t begin, int64_t end) {
  int64_t number = writes++;
  if (begin >= end) return number;
  auto &spans = spaces[static_cast<size_t>(space)];
  auto split = [&](int64_t at) {
    auto it = spans.upper_bound(at);
    if (it == spans.begin()) return;
    --it;
    if (it->first == at || it->second.end <= at) return;
    spans[at] = it->second;
    it->second.end = at;
  };
  split(begin);
  split(end);
  spans.erase(spans.lower_bound(begin), spans.lower_bound(end));
  spans[begin] = {end, number};
  return number;
}

bool Memory::holds(const Piece &piece) const {
  const auto &spans = spaces[static_cast<size_t>(piece.space)];
  int64_t at = piece.begin;
  while (at < piece.end) {
    auto it = spans.upper_bound(at);
    if (it == spans.begin()) return false;
    --it;
    if (it->second.end <= at || it->second.write != piece.write) return false;
    at = it->second.end;
  }
  return true;
}

} // namespace mlr::store
