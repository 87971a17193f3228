// Constants in the order in which a kernel reads them: for each tile of the lane axis, for each step of the reductions, the
// tile's lanes side by side. Evaluated element by element, so that any affine access packs.
#include "mlr/Loops/Kernel.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

ReadArguments argumentsOf(ReadOp read, const Domain &domain, Value lane) {
  ReadArguments out;
  for (auto [k, v] : llvm::enumerate(read.getIndices())) {
    if (!read.getMap().isFunctionOfDim(static_cast<unsigned>(k)) || v == lane) continue;
    auto arg = dyn_cast<BlockArgument>(v);
    auto same = [&](const Axis &axis) { return axis.arg == arg; };
    if (llvm::any_of(out.outer, same) || llvm::any_of(out.inner, same) || llvm::is_contained(domain.zeros, arg)) continue;
    if (auto *axis = arg ? llvm::find_if(domain.axes, same) : nullptr; axis && axis != domain.axes.end()) {
      out.outer.push_back(*axis);
      continue;
    }
    auto reduce = arg ? dyn_cast<ReduceOp>(arg.getOwner()->getParentOp()) : ReduceOp();
    if (!reduce) {
      out.onlyArguments = false;
      continue;
    }
    Domain inner = domainOf(reduce.getBody(), reduce.getSizes(), true);
    if (llvm::is_contained(inner.zeros, arg)) continue;
    out.inner.push_back(*llvm::find_if(inner.axes, same));
  }
  // Outer loops first, as they run.
  llvm::stable_sort(out.inner, [](const Axis &x, const Axis &y) {
    auto depth = [](BlockArgument arg) {
      unsigned d = 0;
      for (Operation *op = arg.getOwner()->getParentOp(); op; op = op->getParentOp()) ++d;
      return std::make_pair(d, arg.getArgNumber());
    };
    return depth(x.arg) < depth(y.arg);
  });
  return out;
}

static int64_t product(ArrayRef<Axis> axes) {
  int64_t p = 1;
  for (const Axis &axis : axes) p *= axis.size;
  return p;
}

/// Elements that packing a read takes; 0 where it cannot be packed.
static int64_t packedElements(ReadOp read, const Domain &domain, const Axis &lane) {
  auto linear = linearRead(read);
  if (!linear || coefficientOf(read, *linear, lane.arg) == 0) return 0;
  ReadArguments args = argumentsOf(read, domain, lane.arg);
  return args.onlyArguments ? product(args.outer) * product(args.inner) * lane.size : 0;
}

/// Do all who read the constant read each element once, as gens that can pack it?
static bool isPackedOnce(ConstOp constant, int64_t elements) {
  int64_t sum = 0;
  for (Operation *user : constant->getUsers()) {
    auto read = dyn_cast<ReadOp>(user);
    GenOp gen;
    for (Operation *op = user; op; op = op->getParentOp())
      if (auto outer = dyn_cast<GenOp>(op)) gen = outer;
    if (!read || !gen) return false;
    Domain domain = domainOf(gen.getBody(), cast<RankedTensorType>(gen.getResult().getType()).getShape(), true);
    int64_t packed = 0;
    for (const Axis &axis : domain.axes) packed = std::max(packed, packedElements(read, domain, axis));
    if (packed == 0) return false;
    sum += packed;
  }
  return sum <= elements;
}

bool isPackable(Lowering &l, ReadOp read, const Domain &domain, const Axis &lane) {
  auto constant = read.getSource().getDefiningOp<ConstOp>();
  if (!constant) return false;
  auto linear = linearRead(read);
  int64_t step = linear ? coefficientOf(read, *linear, lane.arg) : 0;
  int64_t elements = cast<RankedTensorType>(read.getSource().getType()).getNumElements();
  // Small ones that are contiguous anyway stay as they are; so do large ones that somebody else reads too.
  bool contiguous = step == 1 && (elements < 4096 || !constant->hasOneUse());
  if (step == 0 || contiguous) return false;
  // Generated C is for small memories too: no second copy of a constant.
  if ((l.options.arrays || l.options.vectorBits == 0) && !isPackedOnce(constant, elements)) return false;
  int64_t packed = packedElements(read, domain, lane);
  return packed > 0 && packed <= 2 * elements;
}

namespace {
/// Walks the positions of some axes, last fastest.
template <class F> void forPositions(ArrayRef<Axis> axes, llvm::DenseMap<Value, int64_t> &at, F body, size_t k = 0) {
  if (k == axes.size()) return body();
  for (int64_t i = 0; i < axes[k].size; ++i) {
    at[axes[k].arg] = i;
    forPositions(axes, at, body, k + 1);
  }
}

/// Registers of one tile: full tiles first, then what remains of the lane axis.
struct Tile {
  int64_t base, width;
};
SmallVector<Tile> tilesOf(ArrayRef<Part> parts, const Tiling &tiling, const Options &options) {
  SmallVector<Tile> out;
  int64_t full = tiling.lanes * tiling.columns;
  for (const Part &part : parts) {
    int64_t base = part.range.lower;
    for (; base + full <= part.range.upper; base += full) out.push_back({base, full});
    if (base == part.range.upper) continue;
    Column last = columnsOf(part.range.upper - base, tiling.lanes, options).back();
    out.push_back({base, last.offset + last.width});
  }
  return out;
}
} // namespace

const Packed *Kernel::packedOf(ReadOp op) {
  auto [known, isNew] = packed.insert({op, std::nullopt});
  std::optional<Packed> &out = known->second;
  if (!isNew) return out ? &*out : nullptr;
  if (!gen || tiling.lane < 0) return nullptr;
  const Axis &lane = domain.axes[static_cast<size_t>(tiling.lane)];
  if (!isPackable(l, op, domain, lane)) return nullptr;
  ReadArguments args = argumentsOf(op, domain, lane.arg);
  auto constant = op.getSource().getDefiningOp<ConstOp>();
  std::vector<char> from = constantBytes(cast<ElementsAttr>(constant.getValue())), bytes;
  auto size = static_cast<size_t>(memoryBytes(op.getResult().getType()));
  llvm::DenseMap<Value, int64_t> at;
  SmallVector<Tile> tiles = tilesOf(partsOf(gen.getBody(), domain, lane, tiling.lanes), tiling, l.options);
  auto linear = *linearRead(op);
  int64_t laneStep = coefficientOf(op, linear, lane.arg);
  SmallVector<std::pair<Value, int64_t>> coefficients;
  for (const Axis &axis : llvm::concat<const Axis>(args.outer, args.inner))
    coefficients.push_back({axis.arg, coefficientOf(op, linear, axis.arg)});
  forPositions(args.outer, at, [&] {
    for (Tile tile : tiles)
      forPositions(args.inner, at, [&] {
        int64_t base = linear.constant;
        for (auto [arg, coefficient] : coefficients) base += coefficient * at.lookup(arg);
        size_t start = bytes.size();
        bytes.resize(start + static_cast<size_t>(tile.width) * size);
        // Padding lanes repeat what follows, if anything does; nobody uses them.
        for (int64_t k = 0; k < std::min(tile.width, lane.size - tile.base); ++k)
          std::memcpy(&bytes[start + static_cast<size_t>(k) * size],
                      &from[static_cast<size_t>(base + (tile.base + k) * laneStep) * size], size);
      });
  });
  Packed p;
  p.depth = product(args.inner);
  int64_t step = 1;
  for (size_t k = args.inner.size(); k-- > 0; step *= args.inner[k].size) p.inner.push_back({args.inner[k].arg, step});
  int64_t width = 0;
  for (Tile tile : tiles) width += tile.width;
  step = p.depth * width;
  for (size_t k = args.outer.size(); k-- > 0; step *= args.outer[k].size) p.outer.push_back({args.outer[k].arg, step});
  std::string name = l.node.getSymName().str() + "_" + constant.getName().value_or("constant").str() + "_packed";
  p.global = l.globals.create(name, memoryType(op.getResult().getType()), bytes, op.getLoc());
  out = std::move(p);
  return &*out;
}

std::optional<Linear> Kernel::packedAddress(ReadOp op, unsigned r, unsigned c) {
  if (!llvm::is_contained(op.getIndices(), laneArg)) return std::nullopt;
  const Packed *p = packedOf(op);
  if (!p) return std::nullopt;
  Linear at(columns[c].offset);
  at.add(indices[laneArg], p->depth);
  at.add(Linear(padding * p->depth));
  for (auto [arg, coefficient] : p->outer) at.add(indexOf(arg, r, c).at, coefficient);
  for (auto [arg, coefficient] : p->inner) at.add(indices[arg], coefficient * tileWidth);
  return at;
}

} // namespace mlr::loops
