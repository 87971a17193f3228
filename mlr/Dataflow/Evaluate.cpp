#include "mlr/Dataflow/Evaluate.h"
#include "mlr/Dataflow/Scalars.h"

using namespace mlir;

namespace mlr::dataflow {
namespace {

/// A body as a list of steps on a file of registers, one register a value.
class Evaluation {
public:
  Evaluation(Operation *op, const EvaluationLimits &limits) : op(op), limits(limits) {}

  TypedAttr run() {
    mlir::Type type = op->getResult(0).getType();
    auto tensor = dyn_cast<RankedTensorType>(type);
    int64_t elements = tensor ? tensor.getNumElements() : 1;
    mlir::Type scalar = elementOf(type);
    size_t width = elementBytes(scalar);
    if (elements * static_cast<int64_t>(width) > limits.bytes) return {};
    if (!tensor) {
      Code code;
      int64_t cost = compile(op, code);
      if (cost < 0 || cost > limits.operations) return {};
      execute(code);
      return scalarAttr(scalar, registers[code.back().result]);
    }
    Loop loop;
    int64_t cost = compileLoop(cast<GenOp>(op), tensor.getShape(), loop);
    if (cost < 0 || cost > limits.operations) return {};
    std::vector<char> bytes(elements * width);
    char *out = bytes.data();
    forEach(loop, [&] {
      std::memcpy(out, &registers[loop.yields[0]], width);
      out += width;
    });
    return arrayAttr(type, bytes);
  }

private:
  struct Step;
  using Code = std::vector<Step>;
  struct Loop {
    SmallVector<int64_t> sizes;
    SmallVector<unsigned> indices; ///< registers of the region's arguments
    SmallVector<unsigned, 2> yields;
    Code code;
  };
  struct Read {
    std::vector<char> bytes;
    size_t width;
    AffineMap map;
    SmallVector<unsigned> operands;
    SmallVector<int64_t> shape;
    bool linear = false; ///< place = base + sum(factor * register)
    int64_t base = 0;
    SmallVector<int64_t> factors;
  };
  struct Reduction {
    ReduceKind kind;
    bool tree;
    mlir::Type type;
    ScalarFunction combine, fma, mul;
    Bits neutral;
    Loop loop;
  };
  struct Step {
    ScalarFunction function = nullptr;
    unsigned operands[3] = {0, 0, 0};
    unsigned result = 0;
    std::unique_ptr<Read> read;
    std::unique_ptr<Reduction> reduction;
  };

  unsigned registerOf(Value v) {
    auto [it, isNew] = numbers.try_emplace(v, registers.size());
    if (isNew) registers.push_back(0);
    return it->second;
  }

  /// A value that is computed in a region around, or a scalar constant from outside; false for anything else.
  bool use(Value v, unsigned &out) {
    bool known = numbers.count(v);
    out = registerOf(v);
    if (known) return true;
    auto constant = v.getDefiningOp<ConstOp>();
    auto bits = constant ? scalarBits(constant.getValue()) : std::nullopt;
    if (!bits) return false;
    registers[out] = *bits;
    return true;
  }

  /// Cost of the body for all indices; negative: cannot be evaluated.
  int64_t compileLoop(Operation *owner, ArrayRef<int64_t> sizes, Loop &loop) {
    Block &body = owner->getRegion(0).front();
    loop.sizes.assign(sizes.begin(), sizes.end());
    for (BlockArgument a : body.getArguments()) loop.indices.push_back(registerOf(a));
    int64_t cost = 1;
    for (Operation &inner : body.without_terminator()) {
      int64_t c = compile(&inner, loop.code);
      if (c < 0) return -1;
      cost += c;
    }
    for (Value v : body.getTerminator()->getOperands()) {
      unsigned r;
      if (!use(v, r)) return -1;
      loop.yields.push_back(r);
    }
    for (int64_t size : sizes) {
      if (size == 0) return 0;
      if (cost > limits.operations / size) return -1;
      cost *= size;
    }
    return cost;
  }

  int64_t compile(Operation *op, Code &code) {
    Step step;
    int64_t cost = 1;
    if (auto constant = dyn_cast<ConstOp>(op)) {
      auto bits = scalarBits(constant.getValue());
      if (!bits) return -1;
      registers[registerOf(constant.getResult())] = *bits;
      return 0;
    }
    if (auto read = dyn_cast<ReadOp>(op)) {
      if (!compileRead(read, step)) return -1;
    } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
      step.reduction = std::make_unique<Reduction>();
      Reduction &r = *step.reduction;
      cost = compileLoop(op, reduce.getSizes(), r.loop);
      if (cost < 0) return -1;
      Value element = bodyOf(op).getTerminator()->getOperand(0);
      r.kind = reduce.getKind();
      r.tree = reduce.getTree();
      r.type = element.getType();
      bool position = r.kind == ReduceKind::Argmax || r.kind == ReduceKind::Argmin;
      r.combine = position ? betterFunction(r.kind, r.type) : combineFunction(r.kind, r.type);
      r.fma = fmaFunction(r.type);
      r.mul = mulFunction(r.type);
      r.neutral = neutralBits(r.kind, r.type);
      if (!r.combine) return -1;
    } else {
      step.function = scalarFunction(op);
      if (!step.function || op->getNumOperands() > 3) return -1;
      for (auto [i, v] : llvm::enumerate(op->getOperands()))
        if (!use(v, step.operands[i])) return -1;
    }
    step.result = registerOf(op->getResult(0));
    code.push_back(std::move(step));
    return cost;
  }

  bool compileRead(ReadOp op, Step &step) {
    auto constant = op.getSource().getDefiningOp<ConstOp>();
    auto bytes = constant ? arrayBytes(constant.getValue()) : std::nullopt;
    if (!bytes) return false;
    step.read = std::make_unique<Read>();
    Read &r = *step.read;
    r.bytes = std::move(*bytes);
    r.width = elementBytes(op.getType());
    r.map = op.getMap();
    llvm::append_range(r.shape, shapeOf(op.getSource().getType()));
    for (Value v : op.getIndices()) {
      unsigned n;
      if (!use(v, n)) return false;
      r.operands.push_back(n);
    }
    bool clamps = op.getClamp() && llvm::is_contained(*op.getClamp(), true);
    r.linear = !clamps && linearise(r);
    return true;
  }

  /// Writes the place as a linear function of the operands, by its values at the unit points; false when it
  /// is not linear.
  static bool linearise(Read &r) {
    bool linear = llvm::all_of(r.map.getResults(), [](AffineExpr e) { return e.isPureAffine(); });
    for (AffineExpr e : r.map.getResults())
      e.walk([&](AffineExpr x) {
        auto k = x.getKind();
        linear = linear && k != AffineExprKind::Mod && k != AffineExprKind::FloorDiv &&
                 k != AffineExprKind::CeilDiv;
      });
    if (!linear) return false;
    auto at = [&](int unit) {
      SmallVector<int64_t> point(r.operands.size(), 0);
      if (unit >= 0) point[unit] = 1;
      SmallVector<int64_t> indices = r.map.compose(point);
      int64_t place = 0;
      for (auto [i, size] : llvm::zip(indices, r.shape)) place = place * size + i;
      return place;
    };
    r.base = at(-1);
    for (int k = 0; k < static_cast<int>(r.operands.size()); ++k) r.factors.push_back(at(k) - r.base);
    return true;
  }

  Bits execute(const Read &r) {
    int64_t place = r.base;
    if (r.linear) {
      for (auto [factor, operand] : llvm::zip(r.factors, r.operands))
        place += factor * static_cast<int64_t>(registers[operand]);
    } else {
      SmallVector<int64_t> point;
      for (unsigned operand : r.operands) point.push_back(static_cast<int64_t>(registers[operand]));
      place = 0; // clamped on every axis: indices without the flag are inside anyway
      for (auto [i, size] : llvm::zip(r.map.compose(point), r.shape))
        place = place * size + std::clamp<int64_t>(i, 0, std::max<int64_t>(size - 1, 0));
    }
    Bits bits = 0;
    if (place >= 0 && (place + 1) * r.width <= r.bytes.size())
      std::memcpy(&bits, r.bytes.data() + place * r.width, r.width);
    return bits;
  }

  void execute(const Code &code) {
    for (const Step &s : code) {
      if (s.function)
        registers[s.result] =
            s.function(registers[s.operands[0]], registers[s.operands[1]], registers[s.operands[2]]);
      else registers[s.result] = s.read ? execute(*s.read) : execute(*s.reduction);
    }
  }

  /// Runs the body at every index in row-major order.
  template <class F> void forEach(const Loop &loop, F then) {
    for (int64_t size : loop.sizes)
      if (size == 0) return;
    for (unsigned r : loop.indices) registers[r] = 0;
    while (true) {
      execute(loop.code);
      then();
      size_t axis = loop.sizes.size();
      while (axis > 0 && ++registers[loop.indices[axis - 1]] == static_cast<Bits>(loop.sizes[axis - 1]))
        registers[loop.indices[--axis]] = 0;
      if (axis == 0) return;
    }
  }

  Bits execute(const Reduction &r) {
    int64_t n = 0;
    if (r.kind == ReduceKind::Argmax || r.kind == ReduceKind::Argmin) {
      Bits best = 0;
      int64_t position = 0;
      forEach(r.loop, [&] {
        Bits element = registers[r.loop.yields[0]];
        if (n == 0 || r.combine(element, best, 0)) best = element, position = n;
        ++n;
      });
      return static_cast<Bits>(position);
    }
    constexpr int64_t partials = 16;
    Bits acc[partials];
    std::fill(acc, acc + partials, r.neutral);
    bool takesFirst = r.kind == ReduceKind::Max || r.kind == ReduceKind::Min;
    forEach(r.loop, [&] {
      Bits &a = acc[r.tree ? n % partials : 0];
      Bits x = registers[r.loop.yields[0]];
      if (r.loop.yields.size() == 2) {
        Bits y = registers[r.loop.yields[1]];
        a = limits.unfused || !r.fma ? r.combine(a, r.mul(x, y, 0), 0) : r.fma(x, y, a);
      } else {
        a = takesFirst && n == 0 ? x : r.combine(a, x, 0);
      }
      ++n;
    });
    if (r.tree)
      for (int64_t half = partials / 2; half > 0; half /= 2)
        for (int64_t i = 0; i < half; ++i) acc[i] = r.combine(acc[i], acc[i + half], 0);
    return acc[0];
  }

  Operation *op;
  const EvaluationLimits &limits;
  DenseMap<Value, unsigned> numbers;
  std::vector<Bits> registers;
};

} // namespace

TypedAttr evaluateConstant(Operation *op, const EvaluationLimits &limits) {
  if (!isa<GenOp, ReduceOp>(op)) return {};
  return Evaluation(op, limits).run();
}

} // namespace mlr::dataflow
