#include "test/Schedule/Evaluate.h"

#include <functional>
#include <set>

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule::test {

Data zeros(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return Data(tensor ? tensor.getNumElements() : 1, 0);
}

// ---- what has no time
// ------------------------------------------------------------------------------------------

static int64_t binary(Operation *op, int64_t a, int64_t b) {
  // Numbers of instants and checkpoints count in i64, without overflow.
  bool wide = op->getOperand(0).getType().isInteger(64);
  if (wide && isa<AddOp>(op)) return a + b;
  if (wide && isa<SubOp>(op)) return a - b;
  if (wide && isa<MulOp>(op)) return a * b;
  if (isa<DivOp>(op)) return b ? a / b : 0;
  if (isa<RemOp>(op)) return b ? a % b : 0;
  if (isa<AndOp>(op)) return a & b;
  if (isa<OrOp>(op)) return a | b;
  if (isa<GeOp>(op)) return a >= b;
  if (isa<GtOp>(op)) return a > b;
  if (isa<AddOp>(op)) return int32_t(uint32_t(a) + uint32_t(b));
  if (isa<SubOp>(op)) return int32_t(uint32_t(a) - uint32_t(b));
  if (isa<MulOp>(op)) return int32_t(uint32_t(a) * uint32_t(b));
  if (isa<MaxOp>(op)) return std::max(a, b);
  if (isa<MinOp>(op)) return std::min(a, b);
  if (isa<XorOp>(op)) return a ^ b;
  if (isa<EqOp>(op)) return a == b;
  if (isa<LtOp>(op)) return a < b;
  ADD_FAILURE() << "no evaluation of " << op->getName().getStringRef().str();
  return 0;
}

static Data readElement(ReadOp read, const Operand &operand, const Locals &locals) {
  auto type = cast<RankedTensorType>(read.getSource().getType());
  Data source = operand(read.getSource(), locals);
  SmallVector<int64_t> dims;
  for (Value i : read.getIndices()) dims.push_back(operand(i, locals)[0]);
  int64_t flat = 0;
  for (auto [k, expr] : llvm::enumerate(read.getMap().getResults())) {
    int64_t i = 0, size = type.getDimSize(k);
    std::function<int64_t(AffineExpr)> at = [&](AffineExpr e) -> int64_t {
      if (auto d = dyn_cast<AffineDimExpr>(e)) return dims[d.getPosition()];
      if (auto c = dyn_cast<AffineConstantExpr>(e)) return c.getValue();
      auto b = cast<AffineBinaryOpExpr>(e);
      return e.getKind() == AffineExprKind::Add ? at(b.getLHS()) + at(b.getRHS())
                                                : at(b.getLHS()) * at(b.getRHS());
    };
    i = at(expr);
    if (auto clamp = read.getClamp(); clamp && (*clamp)[k]) i = std::clamp<int64_t>(i, 0, size - 1);
    if (i < 0 || i >= size) {
      ADD_FAILURE() << "index " << i << " of " << size;
      i = 0;
    }
    flat = flat * size + i;
  }
  return {source[flat]};
}

static void forEach(ArrayRef<int64_t> shape, Block &body, Locals locals,
                    const std::function<void(const Locals &)> &visit) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  for (int64_t i = 0; i < n; ++i) {
    int64_t rest = i;
    for (int k = shape.size() - 1; k >= 0; --k) {
      locals[body.getArgument(k).getAsOpaquePointer()] = {rest % shape[k]};
      rest /= shape[k];
    }
    visit(locals);
  }
}

// An operand of something inside gen or reduce: computed there if it is defined there.
static Data inner(Value v, Operation *owner, const Operand &operand, const Locals &locals) {
  if (auto it = locals.find(v.getAsOpaquePointer()); it != locals.end()) return it->second;
  Operation *def = v.getDefiningOp();
  if (!def || !owner->isProperAncestor(def)) return operand(v, locals);
  return compute(def, [&](Value u, const Locals &l) { return inner(u, owner, operand, l); }, locals);
}

Data compute(Operation *op, const Operand &operand, const Locals &locals) {
  if (auto c = dyn_cast<ConstOp>(op)) {
    if (auto i = dyn_cast<IntegerAttr>(c.getValue()))
      return {i.getType().isInteger(1) ? i.getValue().getZExtValue() != 0 : i.getInt()};
    Data data;
    for (const APInt &i : cast<DenseElementsAttr>(c.getValue()).getValues<APInt>())
      data.push_back(i.getSExtValue());
    return data;
  }
  if (auto read = dyn_cast<ReadOp>(op)) return readElement(read, operand, locals);
  if (auto gen = dyn_cast<GenOp>(op)) {
    Data result;
    auto element = [&](const Locals &l) {
      result.push_back(inner(bodyOf(op).getTerminator()->getOperand(0), op, operand, l)[0]);
    };
    forEach(cast<RankedTensorType>(gen.getType()).getShape(), bodyOf(op), locals, element);
    return result;
  }
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    uint32_t sum = 0;
    auto element = [&](const Locals &l) {
      sum += uint32_t(inner(bodyOf(op).getTerminator()->getOperand(0), op, operand, l)[0]);
    };
    forEach(reduce.getSizes(), bodyOf(op), locals, element);
    return {int32_t(sum)};
  }
  if (isa<ConvertOp>(op)) return operand(op->getOperand(0), locals);
  if (auto select = dyn_cast<SelectOp>(op))
    return operand(operand(select.getCondition(), locals)[0] ? select.getYes() : select.getNo(), locals);
  return {binary(op, operand(op->getOperand(0), locals)[0], operand(op->getOperand(1), locals)[0])};
}

// ---- lazily
// ----------------------------------------------------------------------------------------------------

namespace {

class Lazy {
public:
  Lazy(NodeOp node, const std::vector<Step> &inputs) : node(node), inputs(inputs) {}

  bool cyclic = false;

  /// Instants of the node and of the scans around a value, outermost first.
  using Path = std::vector<int64_t>;

  Data value(Value v, Path path) {
    while (auto scan = v.getDefiningOp<ScanOp>())
      v = bodyOf(scan).getTerminator()->getOperand(cast<OpResult>(v).getResultNumber());
    path.resize(depthOf(v) + 1);
    if (auto argument = dyn_cast<BlockArgument>(v)) {
      if (isa<NodeOp>(argument.getOwner()->getParentOp())) return inputs[path[0]][argument.getArgNumber()];
      return {path.back()};
    }
    std::pair key{v.getAsOpaquePointer(), path};
    if (auto it = memo.find(key); it != memo.end()) return it->second;
    if (!running.insert(key).second) {
      cyclic = true;
      return zeros(v.getType());
    }
    Data result = cyclic ? zeros(v.getType()) : evaluate(v.getDefiningOp(), path);
    running.erase(key);
    return memo[key] = result;
  }

private:
  NodeOp node;
  const std::vector<Step> &inputs;
  std::map<std::pair<void *, Path>, Data> memo;
  std::set<std::pair<void *, Path>> running;
  std::map<std::pair<Operation *, Path>, int64_t> counts;

  static bool isEnd(Operation *op) { return isa<FinalOp, InitialOp, StackOp, CountOp>(op); }

  // Scans around the instant that the value changes with.
  static int depthOf(Value v) {
    int depth = 0;
    for (Operation *op = v.getParentRegion()->getParentOp(); op; op = op->getParentOp())
      depth += isa<ScanOp>(op);
    Operation *def = v.getDefiningOp();
    return depth - (def && isEnd(def));
  }

  int64_t count(ScanOp scan, const Path &outer) {
    std::pair key{scan.getOperation(), outer};
    if (auto it = counts.find(key); it != counts.end()) return it->second;
    int64_t n = scan.getUpto() ? value(scan.getUpto(), outer)[0] : scan.getLength();
    for (Operation &op : bodyOf(scan))
      if (auto until = dyn_cast<UntilOp>(op))
        for (int64_t t = 0; t < n; ++t) {
          Path path = outer;
          path.push_back(t);
          if (value(until.getCondition(), path)[0]) n = t + 1;
        }
    return counts[key] = n;
  }

  // The instant before, of the time of `region`'s operation; false if there is none.
  bool previous(Operation *owner, Path &path) {
    auto scan = dyn_cast<ScanOp>(owner);
    if (path.back() > 0) {
      --path.back();
      return true;
    }
    if (!scan || !scan.getResume()) return false;
    path.pop_back();
    if (!previous(scan->getParentOp(), path)) return false;
    path.push_back(count(scan, path) - 1);
    return true;
  }

  Data evaluate(Operation *op, const Path &path) {
    auto at = [&](Value v, int64_t t) {
      Path inner = path;
      inner.push_back(t);
      return value(v, inner);
    };
    if (isEnd(op)) {
      auto scan = cast<ScanOp>(op->getParentOp());
      if (isa<InitialOp>(op)) return at(op->getOperand(0), 0);
      int64_t n = count(scan, path);
      if (isa<CountOp>(op)) return {n};
      if (isa<FinalOp>(op)) return at(op->getOperand(0), n - 1);
      Data rows;
      for (int64_t t = 0; t < int64_t(scan.getLength()); ++t) {
        Data row = t < n ? at(op->getOperand(0), t) : zeros(op->getOperand(0).getType());
        rows.insert(rows.end(), row.begin(), row.end());
      }
      return rows;
    }
    Path other = path;
    if (auto fby = dyn_cast<FbyOp>(op))
      return previous(op->getParentOp(), other) ? value(fby.getValue(), other) : value(fby.getInit(), path);
    if (auto eby = dyn_cast<EbyOp>(op)) {
      int64_t t = other.back();
      other.pop_back();
      if (t + 1 >= count(cast<ScanOp>(op->getParentOp()), other)) return value(eby.getEnd(), path);
      other.push_back(t + 1);
      return value(eby.getValue(), other);
    }
    if (auto window = dyn_cast<WindowOp>(op)) {
      std::vector<Data> rows;
      bool there = true;
      for (int64_t i = cast<RankedTensorType>(window.getType()).getDimSize(0); i > 0; --i) {
        rows.push_back(there ? value(window.getValue(), other) : value(window.getInit(), path));
        there = there && previous(op->getParentOp(), other);
      }
      Data flat;
      for (auto it = rows.rbegin(); it != rows.rend(); ++it) flat.insert(flat.end(), it->begin(), it->end());
      return flat;
    }
    return compute(op, [&](Value v, const Locals &) { return value(v, path); }, {});
  }
};

// ---- in order
// --------------------------------------------------------------------------------------------------

class Executor {
public:
  explicit Executor(NodeOp node) : node(node) {}

  int64_t again = 0; ///< instants of sweeps that advance from checkpoints

  Step step(const Step &inputs) {
    for (auto [argument, data] : llvm::zip(node.getBody().getArguments(), inputs))
      env[argument.getAsOpaquePointer()] = data;
    instant(bodyOf(node));
    Step outputs;
    for (Value v : bodyOf(node).getTerminator()->getOperands()) outputs.push_back(get(v));
    return outputs;
  }

private:
  NodeOp node;
  std::map<void *, Data> env;
  std::map<Operation *, Data> slots; ///< fby, eby: the value carried over; window: its rows

  Data get(Value v) {
    auto it = env.find(v.getAsOpaquePointer());
    if (it != env.end()) return it->second;
    ADD_FAILURE() << "reads a value that is not there";
    return zeros(v.getType());
  }

  void set(Operation *op, Data data) { env[op->getResult(0).getAsOpaquePointer()] = std::move(data); }

  // One instant of a body; gives the condition of an mlr.until.
  bool instant(Block &block) {
    for (Operation &op : block)
      for (Value v : op.getResults()) env.erase(v.getAsOpaquePointer());
    bool end = false;
    for (Operation &op : block) {
      if (isa<FbyOp, EbyOp>(op)) {
        Value border = op.getOperand(isa<FbyOp>(op) ? 0 : 1);
        auto it = slots.find(&op);
        set(&op, it != slots.end() ? it->second : get(border));
      } else if (auto window = dyn_cast<WindowOp>(op)) {
        slide(window);
      } else if (auto until = dyn_cast<UntilOp>(op)) {
        end = get(until.getCondition())[0];
      } else if (auto scan = dyn_cast<ScanOp>(op)) {
        run(scan);
      } else if (auto put = dyn_cast<PutOp>(op)) {
        if (get(put.getWhen())[0]) write(put);
      } else if (isa<CellOp>(op)) {
        set(&op, Data(zeros(op.getResult(0).getType()).size(), unspecified));
      } else if (!isa<FinalOp, InitialOp, StackOp, CountOp, YieldOp>(op)) {
        set(&op, compute(&op, [&](Value v, const Locals &) { return get(v); }, {}));
      }
    }
    for (Operation &op : block)
      if (isa<FbyOp, EbyOp>(op)) slots[&op] = get(op.getOperand(isa<FbyOp>(op) ? 1 : 0));
    return end;
  }

  static constexpr int64_t unspecified = -987654321;

  void write(PutOp put) {
    Data &cell = env[put.getCell().getAsOpaquePointer()];
    Data row = get(put.getValue());
    size_t begin = get(put.getRow())[0] * row.size();
    if (begin + row.size() > cell.size()) ADD_FAILURE() << "writes beyond a cell";
    else std::copy(row.begin(), row.end(), cell.begin() + begin);
  }

  void slide(WindowOp window) {
    Data &rows = slots[window];
    Data now = get(window.getValue()), init = get(window.getInit());
    int64_t n = cast<RankedTensorType>(window.getType()).getDimSize(0);
    if (rows.empty())
      for (int64_t i = 0; i < n; ++i) rows.insert(rows.end(), init.begin(), init.end());
    rows.erase(rows.begin(), rows.begin() + now.size());
    rows.insert(rows.end(), now.begin(), now.end());
    set(window, rows);
  }

  void forget(ScanOp scan) {
    for (Operation &op : bodyOf(scan)) slots.erase(&op);
    scan.getBody().walk([&](ScanOp inside) { forget(inside); });
  }

  void run(ScanOp scan) {
    if (scan.getWhen() && !get(scan.getWhen())[0]) {
      for (Value result : scan.getResults()) env[result.getAsOpaquePointer()] = zeros(result.getType());
      return;
    }
    if (!scan.getResume()) forget(scan);
    int64_t n = scan.getUpto() ? get(scan.getUpto())[0] : scan.getLength(), executed = 0;
    if (n < 0 || n > int64_t(scan.getLength())) {
      ADD_FAILURE() << "runs " << n << " instants of " << int64_t(scan.getLength());
      n = 0;
    }
    bool up = scan.getSweep() == Direction::Up;
    Block &block = bodyOf(scan);
    std::map<Operation *, Data> ends;
    for (Operation &op : block)
      if (isa<StackOp>(op)) ends[&op] = zeros(op.getResult(0).getType());
    for (int64_t i = 0; i < n; ++i) {
      int64_t t = up ? i : n - 1 - i;
      env[block.getArgument(0).getAsOpaquePointer()] = {t};
      bool last = instant(block);
      ++executed;
      if (scan->hasAttr("mlr.total")) ++again;
      for (Operation &op : block) {
        if (isa<InitialOp>(op) && t == 0) ends[&op] = get(op.getOperand(0));
        if (isa<FinalOp>(op) && (up || t == n - 1)) ends[&op] = get(op.getOperand(0));
        if (!isa<StackOp>(op)) continue;
        Data row = get(op.getOperand(0));
        std::copy(row.begin(), row.end(), ends[&op].begin() + t * row.size());
      }
      if (last) break;
    }
    for (Operation &op : block)
      if (isa<CountOp>(op)) ends[&op] = {executed};
    for (auto [result, value] : llvm::zip(scan.getResults(), block.getTerminator()->getOperands())) {
      auto it = ends.find(value.getDefiningOp());
      env[result.getAsOpaquePointer()] = it != ends.end() ? it->second : get(value);
    }
  }
};

} // namespace

std::optional<std::vector<Step>> evaluateLazily(NodeOp node, const std::vector<Step> &inputs) {
  Lazy lazy(node, inputs);
  std::vector<Step> result;
  for (size_t n = 0; n < inputs.size(); ++n) {
    Step &outputs = result.emplace_back();
    for (Value v : bodyOf(node).getTerminator()->getOperands())
      outputs.push_back(lazy.value(v, {int64_t(n)}));
  }
  if (lazy.cyclic) return std::nullopt;
  return result;
}

std::vector<Step> execute(NodeOp node, const std::vector<Step> &inputs, int64_t *again) {
  Executor executor(node);
  std::vector<Step> result;
  for (const Step &step : inputs) result.push_back(executor.step(step));
  if (again) *again = executor.again;
  return result;
}

} // namespace mlr::schedule::test
