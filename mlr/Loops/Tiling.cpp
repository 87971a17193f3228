// Which axis becomes lanes, which rows, and how many registers: by counting what a tile would load and compute.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

namespace {

/// What the body of a gen does, weighted by how often.
struct Body {
  struct Read {
    ReadOp op;
    double weight;
  };
  SmallVector<Read> reads;
  double operations = 0;      ///< scalar operations for one element
  int64_t accumulators = 0;   ///< most chains that run at once
  unsigned widest = 8;        ///< bits of the widest type that would lie in lanes
  bool reduces = false;
  bool vectorizable = true;
};

void measure(Block &block, double weight, Body &out) {
  int64_t chains = 0;
  for (Operation &op : block) {
    for (Value v : llvm::concat<Value>(op.getOperands(), op.getResults())) {
      Type t = v.getType();
      if (t.isIntOrFloat() && !t.isInteger(1)) out.widest = std::max(out.widest, registerType(t).getIntOrFloatBitWidth());
    }
    if (auto read = dyn_cast<ReadOp>(op)) {
      out.reads.push_back({read, weight});
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      double trips = weight;
      for (int64_t n : reduce.getSizes()) trips *= static_cast<double>(n);
      bool tree = reduce.getTree() && reduce.getKind() == ReduceKind::Sum;
      bool position = reduce.getKind() == ReduceKind::Argmax || reduce.getKind() == ReduceKind::Argmin;
      chains += tree ? 16 : position ? 2 : 1;
      out.reduces = true;
      out.operations += trips;
      measure(bodyOf(reduce), trips, out);
    } else if (!isa<ConstOp, YieldOp>(op)) {
      out.operations += weight;
      if (isa<RemOp, DivOp>(op) && !isa<FloatType>(op.getOperand(0).getType())) out.operations += 20 * weight;
    }
  }
  out.accumulators = std::max(out.accumulators, chains);
}

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

/// Registers for a lane axis: no wider than its size needs.
int64_t lanesOfAxis(int64_t size, int64_t most) {
  return std::min<int64_t>(most, static_cast<int64_t>(llvm::bit_ceil(static_cast<uint64_t>(size))));
}

/// Is a value of the body different from lane to lane?
bool isLaned(Value v, Value lane, llvm::DenseMap<Value, bool> &known) {
  if (v == lane) return true;
  Operation *op = v.getDefiningOp();
  if (!op || !isa<GenOp, ReduceOp>(op->getParentOp())) return false;
  auto [entry, isNew] = known.insert({v, false});
  if (!isNew) return entry->second;
  bool laned = false;
  op->walk([&](Operation *inner) {
    for (auto [k, operand] : llvm::enumerate(inner->getOperands())) {
      auto read = dyn_cast<ReadOp>(inner);
      bool counts = !read || (k > 0 && read.getMap().isFunctionOfDim(static_cast<unsigned>(k - 1)));
      laned = laned || (counts && isLaned(operand, lane, known));
    }
  });
  return known[v] = laned;
}

/// The axis along which rows of memory run that the lanes of some read cross; -1: none.
int rowOfTransposed(const Body &body, const Domain &domain, size_t lane) {
  for (Body::Read read : body.reads)
    for (auto [k, axis] : llvm::enumerate(domain.axes)) {
      auto t = k == lane ? std::nullopt : transposableByRows(read.op, domain.axes[lane].arg, axis.arg);
      if (t && axis.size >= t->step) return static_cast<int>(k);
    }
  return -1;
}

/// Relative cost of one full register of elements along a lane axis.
double costOfRegister(Lowering &l, const Body &body, const Domain &domain, const Axis &lane, int64_t lanes,
                      bool isGen = true) {
  double cost = body.operations;
  llvm::DenseMap<Value, bool> known;
  for (auto [read, weight] : body.reads) {
    auto linear = linearRead(read);
    int64_t step = linear ? coefficientOf(read, *linear, lane.arg) : 0;
    double one = static_cast<double>(lanes) * (l.options.arrays ? 2 : 1.2) + 2;  // gathered
    if (!isLaned(read.getResult(), lane.arg, known)) one = 0.5;
    if (step == 1) one = 1;
    if (step == -1) one = 2;
    if (auto t = transposable(read, lane.arg, lanes, lanes); t && isGen && !l.options.arrays)
      one = static_cast<double>(lanes) / static_cast<double>(t->step) + std::log2(static_cast<double>(t->step));
    for (const Axis &row : domain.axes)
      if (auto t = transposableByRows(read, lane.arg, row.arg); t && isGen && lanes >= t->step && row.size >= t->step)
        one = static_cast<double>(lanes) / static_cast<double>(t->step) + std::log2(static_cast<double>(t->step));
    if (isGen && isPackable(l, read, domain, lane)) one = 1;
    cost += weight * one;
  }
  return cost;
}

/// The axis whose lanes cost least over the whole domain, or -1 for scalar code.
int chooseLane(Lowering &l, const Body &body, const Domain &domain, int64_t most) {
  double total = 1;
  for (const Axis &axis : domain.axes) total *= static_cast<double>(axis.size);
  double scalar = body.operations;
  for (auto &read : body.reads) scalar += read.weight;
  double best = (scalar + 1) * total * 0.9;
  int chosen = -1;
  for (auto [k, axis] : llvm::enumerate(domain.axes)) {
    if (axis.size < 2) continue;
    int64_t lanes = lanesOfAxis(axis.size, most);
    double registers = static_cast<double>(ceilDiv(axis.size, lanes)) * total / static_cast<double>(axis.size);
    double cost = registers * costOfRegister(l, body, domain, axis, lanes);
    if (axis.stride != 1) cost += registers * static_cast<double>(lanes) * 1.2;  // lanes are stored one by one
    if (cost < best) {
      best = cost;
      chosen = static_cast<int>(k);
    }
  }
  return chosen;
}

/// A handful of short elements: as scalars they stay in registers from one kernel to the next, while lanes would have to be put
/// together and taken apart through memory, between stores and loads of different widths. Eight in a row are no handful: they fill the
/// widest vector of doubles, one division instead of eight.
bool isTiny(const Body &body, const Domain &domain) {
  constexpr int64_t mostElements = 8;
  constexpr double longElement = 32; // lanes share the work of an exponential, even if they are two
  int64_t elements = 1;
  for (const Axis &axis : domain.axes) {
    if (axis.size >= mostElements) return false;
    elements *= axis.size;
  }
  return elements <= mostElements && body.operations < longElement;
}

/// An axis along which some read of a reduction stays the same, so that rows share it; the largest one.
int chooseRow(const Body &body, const Domain &domain, int lane, bool mustShare = false) {
  int chosen = -1;
  for (auto [k, axis] : llvm::enumerate(domain.axes)) {
    if (static_cast<int>(k) == lane || axis.size < 2) continue;
    bool shares = lane < 0 && !mustShare;
    for (Body::Read read : body.reads)
      shares |= isa<ReduceOp>(read.op->getParentOp()) && !llvm::is_contained(read.op.getIndices(), axis.arg);
    if (shares && (chosen < 0 || axis.size > domain.axes[static_cast<size_t>(chosen)].size)) chosen = static_cast<int>(k);
  }
  return chosen;
}

/// The number in least .. most that leaves the smallest remainder of `count`; the largest of equals.
int64_t bestDivisor(int64_t count, int64_t least, int64_t most) {
  int64_t best = std::min(count, most);
  if (count <= most) return count;
  int64_t waste = count;
  for (int64_t n = most; n >= least; --n)
    if (ceilDiv(count, n) * n - count < waste) {
      waste = ceilDiv(count, n) * n - count;
      best = n;
    }
  return best;
}

} // namespace

/// Chains side by side in code without vectors: few, since code is what embedded targets lack.
static constexpr int64_t kScalarColumns = 8;

/// Long columns, one a row, each an array in memory that compilers keep in registers or nearly so: the longer, the less
/// their loops cost. Few rows, since code is what embedded targets lack.
static Tiling tilingOfArrays(Lowering &l, GenOp gen, const Domain &domain) {
  Tiling t;
  Body body;
  measure(bodyOf(gen), 1, body);
  int64_t most = l.options.vectorBits / std::max(32u, body.widest);
  if (!body.reduces || body.accumulators > 16) return t;
  // Several chains share a loop, whose length then matters less than the memory that they take.
  most = std::max(std::min<int64_t>(most, 16), std::min(most, 2 * most / std::max<int64_t>(1, body.accumulators)));
  t.lane = chooseLane(l, body, domain, most);
  if (t.lane < 0 || domain.axes[static_cast<size_t>(t.lane)].size < 4) return Tiling();
  t.lanes = bestDivisor(domain.axes[static_cast<size_t>(t.lane)].size, most / 2, most);
  t.row = chooseRow(body, domain, t.lane);
  if (t.row < 0) return t;
  t.rows = bestDivisor(domain.axes[static_cast<size_t>(t.row)].size, 2, std::max<int64_t>(1, 4 / body.accumulators));
  if (t.rows == 1) t.row = -1;
  return t;
}

/// Without vectors: some elements side by side that share what they read, each with its own chain, so that an element of `W @ x`
/// loads its own weight and a part of x, and does not wait for its own last addition. They are columns of width 1, since
/// constants are packed for columns.
static Tiling tilingOfScalars(GenOp gen, const Domain &domain) {
  Tiling t;
  Body body;
  measure(bodyOf(gen), 1, body);
  if (!body.reduces || body.accumulators > 2) return t;
  t.lane = chooseRow(body, domain, -1, /*mustShare=*/true);
  if (t.lane < 0) return t;
  int64_t most = kScalarColumns / std::max<int64_t>(1, body.accumulators);
  t.columns = bestDivisor(domain.axes[static_cast<size_t>(t.lane)].size, 2, most);
  return t.columns == 1 ? Tiling() : t;
}

Tiling chooseTiling(Lowering &l, GenOp gen, const Domain &domain) {
  Tiling t;
  if (domain.axes.empty()) return t;
  if (l.options.vectorBits == 0) return tilingOfScalars(gen, domain);
  if (l.options.arrays) return tilingOfArrays(l, gen, domain);
  Body body;
  measure(bodyOf(gen), 1, body);
  if (isTiny(body, domain)) return t;
  t.lane = chooseLane(l, body, domain, std::max<int64_t>(1, l.options.vectorBits / body.widest));
  int64_t registers = 1;
  if (t.lane >= 0) {
    const Axis &axis = domain.axes[static_cast<size_t>(t.lane)];
    t.lanes = lanesOfAxis(axis.size, std::max<int64_t>(1, l.options.vectorBits / body.widest));
    registers = std::max<int64_t>(1, axis.size / t.lanes);
  }
  if (!body.reduces) {
    // Independent chains of operations side by side hide their latency.
    t.columns = std::min<int64_t>(registers, body.operations < 8 ? 4 : 2);
    t.row = t.lane < 0 || t.lanes == 1 ? -1 : rowOfTransposed(body, domain, static_cast<size_t>(t.lane));
    if (t.row < 0) return t;
    t.columns = 1;
    for (Body::Read read : body.reads)
      if (auto transposed = transposableByRows(read.op, domain.axes[static_cast<size_t>(t.lane)].arg,
                                               domain.axes[static_cast<size_t>(t.row)].arg))
        t.rows = transposed->step;
    return t;
  }
  int64_t budget = (l.options.vectorBits >= 512 ? 24 : 12) / std::max<int64_t>(1, body.accumulators);
  budget = std::max<int64_t>(1, budget);
  // Transposed blocks occupy registers too: a square one half of them.
  int64_t transposed = 1;
  if (t.lane >= 0) {
    const Axis &lane = domain.axes[static_cast<size_t>(t.lane)];
    for (Body::Read read : body.reads)
      if (auto block = transposable(read.op, lane.arg, t.lanes, t.lanes); block && !isPackable(l, read.op, domain, lane))
        transposed = std::max(transposed, block->step);
  }
  if (transposed > 1) registers = std::min<int64_t>(registers, transposed > 4 ? 1 : 2);
  if (transposed > 4) budget = std::min<int64_t>(budget, transposed / 2);
  t.row = chooseRow(body, domain, t.lane);
  if (t.row >= 0) {
    int64_t size = domain.axes[static_cast<size_t>(t.row)].size;
    t.columns = std::min<int64_t>({registers, 2, budget});
    int64_t most = std::max<int64_t>(1, std::min<int64_t>(budget / t.columns, 8));
    t.rows = bestDivisor(size, std::max<int64_t>(1, most / 2), most);
    if (t.rows == 1) t.row = -1;
  } else {
    t.columns = bestDivisor(registers, std::max<int64_t>(1, budget / 3), budget);
  }
  return t;
}

int64_t lanesOfReduce(Lowering &l, ReduceOp op, const Domain &domain) {
  if (l.options.vectorBits == 0 || l.options.arrays || domain.axes.empty()) return 1;
  Type element = bodyOf(op).getTerminator()->getOperand(0).getType();
  Body body;
  measure(bodyOf(op), 1, body);
  int64_t lanes = l.options.vectorBits / std::max(32u, body.widest);
  if (isHalf(element) || domain.axes.back().size < 2 * lanes) return 1;
  bool chain = op.getKind() == ReduceKind::Sum || op.getKind() == ReduceKind::Prod;
  double scalar = body.operations + 2, vector = costOfRegister(l, body, domain, domain.axes.back(), lanes, false) + 2;
  for (auto &read : body.reads) scalar += read.weight;
  // The links of a float chain stay one after the other: only what comes before them gains.
  if (chain && isa<FloatType>(element) && body.operations < 8) return 1;
  return vector < 0.7 * scalar * static_cast<double>(lanes) ? lanes : 1;
}

} // namespace mlr::loops
