// Rows of memory as lanes: loads of 128 bits from each row, transposed in registers.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

std::optional<Transposable> transposable(ReadOp read, Value lane) {
  auto reduce = dyn_cast<ReduceOp>(read->getParentOp());
  auto linear = linearRead(read);
  if (!reduce || !linear || reduce.getSizes().empty() || (reduce.getTree() && reduce.getKind() == ReduceKind::Sum)) return {};
  Transposable t;
  t.stride = coefficientOf(read, *linear, lane);
  t.step = 16 / memoryBytes(read.getResult().getType());
  Domain domain = domainOf(reduce.getBody(), reduce.getSizes(), true);
  const Axis &last = domain.axes.back();
  bool rows = t.stride != 0 && t.stride != 1 && t.stride != -1;
  if (!rows || t.step > 8 || last.size < t.step || coefficientOf(read, *linear, last.arg) != 1) return {};
  return t;
}

std::optional<Transposable> transposableByRows(ReadOp read, Value lane, Value row) {
  auto linear = linearRead(read);
  if (!linear || !row || !isa<GenOp>(read->getParentOp())) return {};
  Transposable t;
  t.stride = coefficientOf(read, *linear, lane);
  t.step = 16 / memoryBytes(read.getResult().getType());
  bool rows = t.stride != 0 && t.stride != 1 && t.stride != -1;
  if (!rows || t.step > 8 || coefficientOf(read, *linear, row) != 1) return {};
  return t;
}

/// Half of the interleaved blocks of `size` elements of x and y, within each 128 bits (`each` elements).
static Value unpack(Arith &a, Value x, Value y, int64_t size, int64_t each, bool high) {
  int64_t lanes = lanesOf(x.getType()), skip = high ? each / size / 2 : 0;
  SmallVector<int64_t> mask;
  for (int64_t k = 0; k < lanes; ++k) {
    int64_t position = k % each, block = position / size;
    int64_t from = k / each * each + (block / 2 + skip) * size + position % size;
    mask.push_back(block % 2 == 0 ? from : from + lanes);
  }
  return vector::ShuffleOp::create(a.b, a.loc, x, y, mask);
}

/// list[j] has, in each 128 bits, elements 0 .. each-1 of row j; the result has, in each, element j of all rows.
static Values transpose(Arith &a, ArrayRef<Value> list, int64_t size, int64_t each) {
  if (list.size() == 1) return {list[0]};
  Values low, high;
  for (size_t k = 0; k < list.size(); k += 2) {
    low.push_back(unpack(a, list[k], list[k + 1], size, each, false));
    high.push_back(unpack(a, list[k], list[k + 1], size, each, true));
  }
  Values out = transpose(a, low, 2 * size, each);
  llvm::append_range(out, transpose(a, high, 2 * size, each));
  return out;
}

static Value concatenate(Arith &a, Values parts) {
  for (; parts.size() > 1;) {
    Values joined;
    int64_t lanes = lanesOf(parts[0].getType());
    SmallVector<int64_t> mask;
    for (int64_t k = 0; k < 2 * lanes; ++k) mask.push_back(k);
    for (size_t k = 0; k < parts.size(); k += 2)
      joined.push_back(vector::ShuffleOp::create(a.b, a.loc, parts[k], parts[k + 1], mask));
    parts = std::move(joined);
  }
  return parts[0];
}

/// The lanes for one position of the block; the block's first use loads and transposes all of it.
Value Kernel::readTransposed(ReadOp op, unsigned r, unsigned c, const Transposable &t, int64_t position) {
  Values &block = transposed[{op.getOperation(), r, c}];
  if (block.empty()) {
    Column column = columns[c];
    Place base = l.place(op.getSource());
    Value memref = l.memory.view(base.buffer);
    Linear at = addressOf(op, r, c, column.width).at;
    at.add(base.at);
    Values rows;
    for (int64_t j = 0; j < t.step; ++j) {
      Values parts;
      for (int64_t lane = j; lane < column.width; lane += t.step) {
        // Lanes that are not active repeat the last row rather than read beyond it.
        Linear row = at;
        row.add(Linear(std::min(lane, column.active - 1) * t.stride));
        parts.push_back(l.memory.load(memref, row, op.getResult().getType(), t.step, t.step));
      }
      rows.push_back(concatenate(a, parts));
    }
    block = transpose(a, rows, 1, t.step);
  }
  return block[static_cast<size_t>(position)];
}

} // namespace mlr::loops
