// Rows of memory as lanes: loads of 128 bits from each row, transposed in registers.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

std::optional<Transposable> transposable(ReadOp read, Value lane, int64_t width, int64_t most) {
  auto reduce = dyn_cast<ReduceOp>(read->getParentOp());
  auto linear = linearRead(read);
  if (!reduce || !linear || reduce.getSizes().empty() || (reduce.getTree() && reduce.getKind() == ReduceKind::Sum)) return {};
  Transposable t;
  t.stride = coefficientOf(read, *linear, lane);
  t.step = 16 / memoryBytes(read.getResult().getType());
  Domain domain = domainOf(reduce.getBody(), reduce.getSizes(), true);
  const Axis &last = domain.axes.back();
  bool rows = t.stride != 0 && t.stride != 1 && t.stride != -1;
  most = std::min({most, width, last.size});
  if (!rows || t.step > 8 || most < t.step || coefficientOf(read, *linear, last.arg) != 1) return {};
  if (most == width && width <= 4 * t.step) t.step = width;
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

/// Elements of 128 bits of x and y, then as `blocks` says: those of x count from 0, those of y after them.
static Value pick(Arith &a, Value x, Value y, int64_t each, ArrayRef<int64_t> blocks) {
  SmallVector<int64_t> mask;
  for (int64_t block : blocks)
    for (int64_t k = 0; k < each; ++k) mask.push_back(block * each + k);
  return vector::ShuffleOp::create(a.b, a.loc, x, y, mask);
}

/// Two or four registers of as many blocks of 128 bits: result b has block b of each. In shuffles that take two blocks of
/// the one and two of the other, which processors have as one instruction without a register of positions.
static Values transposeBlocks(Arith &a, ArrayRef<Value> list, int64_t each) {
  if (list.size() == 2) return {pick(a, list[0], list[1], each, {0, 2}), pick(a, list[0], list[1], each, {1, 3})};
  Values halves, out;
  for (int64_t h : {0, 2})
    for (size_t k = 0; k < 4; k += 2) halves.push_back(pick(a, list[k], list[k + 1], each, {h, h + 1, h + 4, h + 5}));
  for (size_t k = 0; k < 4; k += 2) {
    out.push_back(pick(a, halves[k], halves[k + 1], each, {0, 2, 4, 6}));
    out.push_back(pick(a, halves[k], halves[k + 1], each, {1, 3, 5, 7}));
  }
  return out;
}

/// As many rows as lanes: each four (or what 128 bits hold) transposed within 128 bits, then the blocks of 128 bits.
static Values transposeSquare(Arith &a, ArrayRef<Value> rows, int64_t each) {
  size_t n = rows.size(), size = static_cast<size_t>(each);
  if (n == size) return transpose(a, rows, 1, each);
  std::vector<Values> groups;
  for (size_t k = 0; k < n; k += size) groups.push_back(transpose(a, rows.slice(k, size), 1, each));
  Values out(n);
  for (size_t m = 0; m < size; ++m) {
    Values across;
    for (const Values &group : groups) across.push_back(group[m]);
    for (auto [b, v] : llvm::enumerate(transposeBlocks(a, across, each))) out[b * size + m] = v;
  }
  return out;
}

/// The lanes for one position of the block; the block's first use loads and transposes all of it.
Value Kernel::readTransposed(ReadOp op, unsigned r, unsigned c, const Transposable &t, int64_t position) {
  Values &block = transposed[{op.getOperation(), r, c}];
  if (position == 0 && reduceBlock.group) block.clear();
  if (block.empty()) {
    Column column = columns[c];
    Place base = l.place(op.getSource());
    Value memref = l.memory.view(base.buffer);
    Linear at = addressOf(op, r, c, column.width).at;
    at.add(base.at);
    Values rows;
    int64_t each = 16 / memoryBytes(op.getResult().getType());
    if (t.step > each) {
      for (int64_t lane = 0; lane < column.width; ++lane) {
        Linear row = at;
        row.add(Linear(std::min(lane, column.active - 1) * t.stride));
        rows.push_back(l.memory.load(memref, row, op.getResult().getType(), t.step, t.step));
      }
      block = transposeSquare(a, rows, each);
      return block[static_cast<size_t>(position)];
    }
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
