#include "mlr/Dataflow/Machine.h"

#include "mlr/Dataflow/Flags.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// Scans around the block; the node's own time is depth 0.
size_t depthOf(Block *block) {
  size_t depth = 0;
  for (Operation *op = block->getParentOp(); !isa<NodeOp>(op); op = op->getParentOp())
    depth += isa<ScanOp>(op);
  return depth;
}

Bytes pack(Bits bits, mlir::Type type) {
  Bytes out(elementBytes(type));
  std::memcpy(out.data(), &bits, out.size());
  return out;
}

Bits unpack(const Bytes &bytes, int64_t place, size_t width) {
  Bits bits = 0;
  std::memcpy(&bits, bytes.data() + place * width, width);
  return bits;
}

size_t bytesOf(mlir::Type type) {
  size_t n = elementBytes(elementOf(type));
  for (int64_t size : shapeOf(type)) n *= size;
  return n;
}

template <class F>
void forEachIndex(Block &block, ArrayRef<int64_t> sizes, llvm::DenseMap<Value, Bits> &locals, F f) {
  for (int64_t size : sizes)
    if (size == 0) return;
  std::vector<int64_t> at(sizes.size(), 0);
  while (true) {
    for (size_t k = 0; k < sizes.size(); ++k) locals[block.getArgument(k)] = at[k];
    f();
    size_t axis = sizes.size();
    while (axis > 0 && ++at[axis - 1] == sizes[axis - 1]) at[--axis] = 0;
    if (axis == 0) return;
  }
}

} // namespace

std::vector<Bytes> Machine::step(std::vector<Bytes> now) {
  inputs.push_back(std::move(now));
  std::vector<Bytes> out;
  const Path path{static_cast<int64_t>(inputs.size()) - 1};
  act(bodyOf(node), path);
  for (Value v : bodyOf(node).getTerminator()->getOperands()) out.push_back(value(v, path));
  return out;
}

const Bytes &Machine::value(Value v, Path path) {
  size_t depth = depthOf(v.getParentBlock());
  // Constants of a scan are the same at each of its instants.
  if (v.getDefiningOp() && isa<StackOp, FinalOp, InitialOp, CountOp>(v.getDefiningOp())) path[depth] = 0;
  path.resize(depth + 1);
  auto key = std::make_pair(v.getAsOpaquePointer(), path);
  auto it = memo.find(key);
  if (auto call = v.getDefiningOp<ExternOp>(); call && it == memo.end()) {
    callForeign(call, path);
    return memo.at(key);
  }
  if (it == memo.end()) {
    Bytes bytes = compute(v, path);
    it = memo.emplace(std::move(key), std::move(bytes)).first;
  }
  return it->second;
}

Bytes Machine::compute(Value v, const Path &path) {
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    if (isa<NodeOp>(argument.getOwner()->getParentOp())) return inputs[path[0]][argument.getArgNumber()];
    return pack(path.back(), v.getType());
  }
  Operation *op = v.getDefiningOp();
  // What a guard leaves out could be anything.
  if (isLeftOut(op, path)) return Bytes(bytesOf(v.getType()), elementOf(v.getType()).isInteger(1) ? 1 : 0x5b);
  if (auto scan = dyn_cast<ScanOp>(op)) {
    Path inner = path;
    inner.push_back(0);
    return value(bodyOf(scan).getTerminator()->getOperand(cast<OpResult>(v).getResultNumber()), inner);
  }
  if (auto constant = dyn_cast<ConstOp>(op)) return *arrayBytes(constant.getValue());
  if (auto gen = dyn_cast<GenOp>(op)) return tensor(gen, path);
  if (auto reshape = dyn_cast<ReshapeOp>(op)) return value(reshape.getSource(), path);
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    Bytes out;
    int64_t runs = concat.runs();
    for (int64_t run = 0; run < runs; ++run)
      for (Value part : concat.getSources()) {
        const Bytes &bytes = value(part, path);
        auto length = static_cast<int64_t>(bytes.size()) / runs;
        out.insert(out.end(), bytes.begin() + run * length, bytes.begin() + (run + 1) * length);
      }
    return out;
  }
  if (auto o = dyn_cast<ScatterOp>(op)) return scatter(o, path);
  if (auto call = dyn_cast<CallOp>(op)) return callResult(call, cast<OpResult>(v).getResultNumber(), path);
  if (auto memory = dyn_cast<RowsOp>(op)) return rows(memory, path);
  if (isa<FbyOp, EbyOp, PreOp, FirstOp, WindowOp, StackOp, FinalOp, InitialOp, CountOp>(op))
    return computeTime(op, path);
  Locals locals;
  run(*op->getBlock(), path, locals);
  // A scalar operation of a time: its operands are values, not locals.
  return pack(scalar(v, path, locals), v.getType());
}

/// An instance lives from the start of the segment on, at the instants of its clock: it is run from there.
Bytes Machine::callResult(CallOp call, unsigned result, const Path &path) {
  if (!flag(call.getWhen(), path, {}, true)) return Bytes(bytesOf(call.getResult(result).getType()), 0);
  std::vector<Path> instants{path};
  while (auto before = previousActive(call, instants.back(), {})) instants.push_back(*before);
  auto callee = SymbolTable::lookupNearestSymbolFrom<NodeOp>(call, call.getCalleeAttr());
  Machine instance(callee, foreign);
  std::vector<Bytes> out;
  for (const Path &at : llvm::reverse(instants)) {
    std::vector<Bytes> operands;
    for (Value v : call.getInputs()) operands.push_back(value(v, at));
    out = instance.step(std::move(operands));
  }
  return out[result];
}

Bytes Machine::computeTime(Operation *op, const Path &path) {
  if (isa<FbyOp, PreOp, FirstOp, WindowOp, EbyOp>(op)) {
    // Each element of the flags for itself; a window has them behind its axis of time.
    Flags flags = flagsOf(op);
    int64_t lanes = 1;
    for (Value v : {flags.when, flags.reset})
      if (v) lanes = std::max(lanes, static_cast<int64_t>(bytesOf(v.getType())));
    if (lanes == 1) return onClock(op, path, {});
    Bytes out(bytesOf(op->getResult(0).getType()));
    size_t outer = isa<WindowOp>(op) ? shapeOf(op->getResult(0).getType())[0] : 1,
           chunk = out.size() / outer / lanes;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Bytes whole = onClock(op, path, {lane, lanes});
      for (size_t k = 0; k < outer; ++k) {
        size_t at = (k * lanes + lane) * chunk;
        std::copy_n(whole.begin() + at, chunk, out.begin() + at);
      }
    }
    return out;
  }
  auto scan = cast<ScanOp>(op->getBlock()->getParentOp());
  int64_t last = lastInstant(scan, path);
  Path at = path;
  if (isa<CountOp>(op)) return pack(last + 1, op->getResult(0).getType());
  if (auto stack = dyn_cast<StackOp>(op)) {
    Bytes out;
    for (at.back() = 0; at.back() <= last; ++at.back()) {
      const Bytes &row = value(stack.getValue(), at);
      out.insert(out.end(), row.begin(), row.end());
    }
    out.resize(bytesOf(stack.getType()), 0);
    return out;
  }
  at.back() = isa<FinalOp>(op) ? last : 0;
  return value(op->getOperand(0), at);
}

/// The whole result as the flags' element `lane` has it.
Bytes Machine::onClock(Operation *op, const Path &path, Lane lane) {
  Flags flags = flagsOf(op);
  size_t bytes = bytesOf(op->getResult(0).getType());
  if (!flag(flags.when, path, lane, true)) return Bytes(bytes, 0);
  if (auto eby = dyn_cast<EbyOp>(op)) {
    auto next = nextActive(op, path, lane);
    return next ? value(eby.getValue(), *next) : value(eby.getEnd(), path);
  }
  auto before = previousActive(op, path, lane);
  if (auto fby = dyn_cast<FbyOp>(op))
    return before ? value(fby.getValue(), *before) : starts.contains(op) ? starts[op] : value(fby.getInit(), path);
  if (auto pre = dyn_cast<PreOp>(op)) return before ? value(pre.getValue(), *before) : Bytes(bytes, 0);
  if (isa<FirstOp>(op)) return before ? Bytes(bytes, 0) : startOf(op);
  auto window = cast<WindowOp>(op);
  int64_t n = shapeOf(window.getType())[0];
  std::vector<Bytes> rows;
  std::optional<Path> at = path;
  Path first = path;
  size_t width = bytes / static_cast<size_t>(n), kept = bytes; // of rows from before the first step, the newest last
  for (int64_t k = 0; k < n; ++k) {
    if (at) first = *at;
    if (!at && starts.contains(op)) {
      kept -= width;
      rows.emplace_back(starts[op].begin() + static_cast<ptrdiff_t>(kept), starts[op].begin() + static_cast<ptrdiff_t>(kept + width));
      continue;
    }
    rows.push_back(at ? value(window.getValue(), *at) : value(window.getInit(), first));
    if (at) at = previousActive(op, *at, lane);
  }
  Bytes out;
  for (size_t k = rows.size(); k-- > 0;) out.insert(out.end(), rows[k].begin(), rows[k].end());
  return out;
}

bool Machine::flag(Value v, const Path &path, Lane lane, bool otherwise) {
  if (!v) return otherwise;
  const Bytes &bytes = value(v, path);
  // Of flags with fewer axes an element speaks for several.
  return bytes[lane.number * static_cast<int64_t>(bytes.size()) / lane.count];
}

std::optional<Machine::Path> Machine::previousActive(Operation *op, const Path &path, Lane lane) {
  Flags flags = flagsOf(op);
  Path at = path;
  while (true) {
    if (flag(flags.reset, at, lane, false)) return {};
    auto before = previous(op->getBlock(), at);
    if (!before) return {};
    at = *before;
    if (flag(flags.when, at, lane, true)) return at;
  }
}

std::optional<Machine::Path> Machine::nextActive(Operation *op, const Path &path, Lane lane) {
  Flags flags = flagsOf(op);
  int64_t last = lastInstant(cast<ScanOp>(op->getBlock()->getParentOp()), path);
  Path at = path;
  while (++at.back() <= last) {
    if (flag(flags.reset, at, lane, false)) return {};
    if (flag(flags.when, at, lane, true)) return at;
  }
  return {};
}

std::optional<Machine::Path> Machine::previous(Block *block, const Path &path) {
  Path before = path;
  if (before.back() > 0) {
    --before.back();
    return before;
  }
  auto scan = dyn_cast<ScanOp>(block->getParentOp());
  if (!scan || !scan.getResume()) return {};
  before.pop_back();
  auto outer = previousActive(scan, before, {});
  if (!outer) return {};
  outer->push_back(0);
  outer->back() = lastInstant(scan, *outer);
  return outer;
}

int64_t Machine::lastInstant(ScanOp scan, Path path) {
  UntilOp until;
  for (auto op : bodyOf(scan).getOps<UntilOp>()) until = op;
  int64_t last = scan.getLength() - 1;
  if (Value upto = scan.getUpto()) {
    Path outer = path;
    outer.pop_back();
    last = std::min(last, static_cast<int64_t>(unpack(value(upto, outer), 0, elementBytes(upto.getType()))) - 1);
  }
  if (!until) return last;
  path.back() = 0;
  auto key = std::make_pair(static_cast<void *>(scan.getOperation()), path);
  auto known = lasts.find(key);
  if (known != lasts.end()) return known->second;
  for (; path.back() < last; ++path.back())
    if (value(until.getCondition(), path)[0]) break;
  return lasts[key] = path.back();
}

// ---- memory of rows, and states

/// What an operator of time remembers before the first instant.
Bytes Machine::startOf(Operation *op) {
  auto given = starts.find(op);
  if (given != starts.end()) return given->second;
  size_t bytes = bytesOf(op->getResult(0).getType());
  if (isa<FirstOp>(op)) return Bytes(bytes, 1);
  if (auto fby = dyn_cast<FbyOp>(op)) return value(fby.getInit(), {0});
  Value init = isa<WindowOp>(op) ? cast<WindowOp>(op).getInit() : cast<RowsOp>(op).getInit();
  Bytes out;
  if (!init.getDefiningOp<ConstOp>()) return Bytes(bytes, 0);
  const Bytes &row = value(init, {0});
  while (out.size() < bytes) out.insert(out.end(), row.begin(), row.end());
  return out;
}

Bytes Machine::rows(RowsOp op, const Path &path) {
  auto before = previous(op->getBlock(), path);
  Bytes memory = before ? value(op.getResult(), *before) : startOf(op);
  if (!flag(op.getWhen(), path, {}, true)) return memory;
  const Bytes &row = value(op.getValue(), path);
  if (flag(op.getFill(), path, {}, false)) {
    const Bytes &init = value(op.getInit(), path);
    for (size_t at = 0; at < memory.size(); at += init.size()) std::copy(init.begin(), init.end(), memory.begin() + static_cast<ptrdiff_t>(at));
  }
  auto place = static_cast<size_t>(unpack(value(op.getRow(), path), 0, elementBytes(op.getRow().getType()))) * row.size();
  for (size_t at = place; at < memory.size(); at += memory.size() / 2) {
    std::copy(row.begin(), row.end(), memory.begin() + static_cast<ptrdiff_t>(at));
    if (!op.getMirror()) break;
  }
  return memory;
}

std::optional<Machine::Path> Machine::lastOf(Block *block) {
  auto scan = dyn_cast<ScanOp>(block->getParentOp());
  if (!scan) return inputs.empty() ? std::nullopt : std::optional<Path>({static_cast<int64_t>(inputs.size()) - 1});
  auto at = lastOf(scan->getBlock());
  if (at && !flag(scan.getWhen(), *at, {}, true)) at = previousActive(scan, *at, {});
  if (!at) return at;
  at->push_back(0);
  at->back() = lastInstant(scan, *at);
  return at;
}

Bytes Machine::remembered(Operation *op) {
  auto at = lastOf(op->getBlock());
  Value when = isa<RowsOp>(op) ? Value() : flagsOf(op).when; // rows stay as they are
  if (at && !flag(when, *at, {}, true)) at = previousActive(op, *at, {});
  if (!at) return startOf(op);
  if (isa<FirstOp>(op)) return Bytes(bytesOf(op->getResult(0).getType()), 0);
  if (auto fby = dyn_cast<FbyOp>(op)) return value(fby.getValue(), *at);
  return value(op->getResult(0), *at);
}

bool Machine::isLeftOut(Operation *op, const Path &path) {
  Value when;
  if (auto gen = dyn_cast<GenOp>(op)) when = gen.getWhen();
  if (auto reduce = dyn_cast<ReduceOp>(op)) when = reduce.getWhen();
  if (auto scan = dyn_cast<ScanOp>(op); scan) when = scan.getWhen();
  return when && when.getType().isInteger(1) && !value(when, path)[0];
}

Bytes Machine::tensor(GenOp gen, const Path &path) {
  Bytes out;
  mlir::Type element = elementOf(gen.getResult().getType());
  Locals locals;
  forEachIndex(bodyOf(gen), shapeOf(gen.getResult().getType()), locals, [&] {
    run(bodyOf(gen), path, locals);
    Bytes bytes = pack(scalar(bodyOf(gen).getTerminator()->getOperand(0), path, locals), element);
    out.insert(out.end(), bytes.begin(), bytes.end());
  });
  return out;
}

Bytes Machine::scatter(ScatterOp op, const Path &path) {
  Bytes out = value(op.getInit(), path);
  const Bytes &updates = value(op.getUpdates(), path);
  mlir::Type element = elementOf(op.getType());
  size_t width = elementBytes(element);
  ArrayRef<int64_t> shape = shapeOf(op.getType()), along = op.getAlong();
  int64_t tuples = 1, running = 1;
  for (int64_t size : shapeOf(op.getPlaces().front().getType())) tuples *= size;
  for (auto [axis, size] : llvm::enumerate(shape))
    if (!llvm::is_contained(along, axis)) running *= size;
  if (out.empty()) return out;
  for (int64_t update = 0; update < tuples * running; ++update) {
    // The update's number gives its tuple and, the last axis first, its index on the axes that are not chosen.
    int64_t tuple = update / running, left = update % running, place = 0, stride = 1;
    for (size_t axis = shape.size(); axis-- > 0;) {
      int64_t i;
      if (auto chosen = llvm::find(along, axis); chosen != along.end()) {
        auto at = static_cast<int32_t>(unpack(value(op.getPlaces()[chosen - along.begin()], path), tuple, sizeof(int32_t)));
        i = std::clamp<int64_t>(at, 0, shape[axis] - 1);
      } else {
        i = left % shape[axis];
        left /= shape[axis];
      }
      place += i * stride;
      stride *= shape[axis];
    }
    Bits sum = combineFunction(ReduceKind::Sum, element)(unpack(out, place, width), unpack(updates, update, width), 0);
    std::memcpy(out.data() + place * width, &sum, width);
  }
  return out;
}

/// Computes the operations of a body; at the level of a time there is nothing to do in advance.
void Machine::run(Block &block, const Path &path, Locals &locals) {
  if (isa<NodeOp, ScanOp>(block.getParentOp())) return;
  for (Operation &op : block.without_terminator()) {
    locals.erase(op.getResult(0));
    locals[op.getResult(0)] = scalar(op.getResult(0), path, locals);
  }
}

Bits Machine::scalar(Value v, const Path &path, Locals &locals) {
  auto local = locals.find(v);
  if (local != locals.end()) return local->second;
  Operation *op = v.getDefiningOp();
  bool inBody = op && isa<GenOp, ReduceOp>(op->getParentOp());
  bool isScalarOp = op && (isa<ReadOp, ReduceOp>(op) || scalarFunction(op));
  if (!op || (!inBody && !isScalarOp)) return unpack(value(v, path), 0, elementBytes(v.getType()));
  // Operands of the enclosing time come from there.
  auto operand = [&](Value x) -> Bits {
    if (locals.count(x)) return locals.lookup(x);
    return unpack(value(x, path), 0, elementBytes(x.getType()));
  };
  if (auto constant = dyn_cast<ConstOp>(op)) return *scalarBits(constant.getValue());
  if (auto reduction = dyn_cast<ReduceOp>(op)) {
    if (!inBody && isLeftOut(op, path)) return 0x5b;
    return reduce(reduction, path, locals);
  }
  if (auto read = dyn_cast<ReadOp>(op)) {
    llvm::SmallVector<int64_t> indices;
    for (Value x : read.getIndices()) indices.push_back(static_cast<int64_t>(operand(x)));
    int64_t place = 0;
    auto shape = shapeOf(read.getSource().getType());
    for (auto [k, i] : llvm::enumerate(read.getMap().compose(indices))) {
      bool clamps = read.getClamp() && (*read.getClamp())[k];
      int64_t at = clamps ? std::clamp<int64_t>(i, 0, shape[k] - 1) : i;
      if (at < 0 || at >= shape[k]) llvm::report_fatal_error("read outside of its tensor");
      place = place * shape[k] + at;
    }
    return unpack(value(read.getSource(), path), place, elementBytes(read.getType()));
  }
  Bits bits[3] = {0, 0, 0};
  for (auto [k, x] : llvm::enumerate(op->getOperands())) bits[k] = operand(x);
  return scalarFunction(op)(bits[0], bits[1], bits[2]);
}

Bits Machine::reduce(ReduceOp op, const Path &path, Locals &locals) {
  Block &body = bodyOf(op);
  auto yields = body.getTerminator()->getOperands();
  mlir::Type type = yields[0].getType();
  using dataflow::ReduceKind;
  ReduceKind kind = op.getKind();
  bool isPosition = kind == ReduceKind::Argmax || kind == ReduceKind::Argmin;
  std::vector<Bits> acc(16, neutralBits(kind, type));
  if (op.getInit()) acc[0] = scalar(op.getInit(), path, locals);
  Bits best = 0;
  int64_t n = 0, position = 0;
  forEachIndex(body, op.getSizes(), locals, [&] {
    run(body, path, locals);
    Bits x = scalar(yields[0], path, locals);
    Bits &a = acc[op.getTree() ? n % 16 : 0];
    if (isPosition) {
      if (n == 0 || betterFunction(kind, type)(x, best, 0)) best = x, position = n;
    } else if (yields.size() == 2) {
      Bits y = scalar(yields[1], path, locals);
      auto fma = fmaFunction(type);
      a = unfused || !fma ? combineFunction(kind, type)(a, mulFunction(type)(x, y, 0), 0) : fma(x, y, a);
    } else {
      bool first = n == 0 && (kind == ReduceKind::Max || kind == ReduceKind::Min);
      a = first ? x : combineFunction(kind, type)(a, x, 0);
    }
    ++n;
  });
  if (isPosition) return position;
  if (op.getTree())
    for (int half : {8, 4, 2, 1})
      for (int i = 0; i < half; ++i) acc[i] = combineFunction(kind, type)(acc[i], acc[i + half], 0);
  return acc[0];
}

} // namespace mlr::dataflow
