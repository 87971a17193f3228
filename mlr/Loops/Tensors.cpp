// Moving whole tensors: copies, fills, and copies that happen at once.
#include "mlr/Loops/Kernel.h"

using namespace mlir;

namespace mlr::loops {

SmallVector<Column> columnsOf(int64_t count, int64_t lanes, const Options &options) {
  SmallVector<Column> out;
  for (int64_t at = 0; at < count;) {
    int64_t left = count - at, width = options.arrays ? std::min(left, lanes) : lanes;
    if (left < width) {
      width = static_cast<int64_t>(llvm::bit_floor(static_cast<uint64_t>(left)));
      // One masked vector for what would take several; without masks in hardware, powers of two.
      if (width != left && options.vectorBits >= 512) width *= 2;
    }
    out.push_back({at, width, std::min(left, width)});
    at += width;
  }
  return out;
}

int64_t lanesFor(Type scalar, const Options &options) {
  if (options.arrays) return 1;
  int64_t bits = memoryBytes(scalar) * 8;
  return std::max<int64_t>(1, static_cast<int64_t>(options.vectorBits) / bits);
}

namespace {
/// Emits `element(place offset, width, active)` over 0..count-1 in ascending blocks.
template <class F> void overElements(Lowering &l, int64_t count, int64_t lanes, F element) {
  int64_t whole = count / lanes * lanes;
  l.loop(0, whole, lanes, {}, [&](Value i, ValueRange) {
    element(Linear::of(i), lanes, lanes);
    return Values();
  });
  for (Column c : columnsOf(count - whole, lanes, l.options)) element(Linear(whole + c.offset), c.width, c.active);
}

Linear plus(const Linear &x, const Linear &y) {
  Linear sum = x;
  sum.add(y);
  return sum;
}

/// Whether `m` elements from x on and `n` from y on may have one in common.
bool mayOverlap(const Lowering &l, const Place &x, int64_t m, const Place &y, int64_t n) {
  if (x.buffer != y.buffer) {
    // Scratch buffers share memory where lifetimes allow, but never at one instant's end.
    const auto &p = l.plan.buffers[static_cast<size_t>(x.buffer)], &q = l.plan.buffers[static_cast<size_t>(y.buffer)];
    return p.space == q.space && p.offset < q.offset + q.bytes() && q.offset < p.offset + p.bytes();
  }
  if (x.at.terms != y.at.terms) return true;
  return x.at.constant < y.at.constant + n && y.at.constant < x.at.constant + m;
}

/// Whether one copy writes what another reads.
bool disturbs(const Lowering &l, const Copy &writer, const Copy &reader) {
  return mayOverlap(l, writer.to, writer.count, reader.from, reader.count);
}
} // namespace

/// Elements that code without vectors loads before it stores them: compilers for small processors make multiple loads and
/// stores of it, where a loop over single ones becomes a call of a slow memmove.
static constexpr int64_t kBlock = 8;

/// As many whole blocks as there are; returns how many elements that are.
static int64_t emitCopyOfBlocks(Lowering &l, const Place &to, const Place &from, int64_t count, Type scalar) {
  Value out = l.memory.view(to.buffer), in = l.memory.view(from.buffer);
  int64_t whole = count / kBlock * kBlock;
  l.loop(0, whole, kBlock, {}, [&](Value i, ValueRange) {
    Values loaded;
    for (int64_t k = 0; k < kBlock; ++k) {
      Linear at = plus(from.at, Linear::of(i));
      loaded.push_back(l.memory.load(in, plus(at, Linear(k)), memoryType(scalar)));
    }
    for (int64_t k = 0; k < kBlock; ++k) {
      Linear at = plus(to.at, Linear::of(i));
      l.memory.store(out, plus(at, Linear(k)), memoryType(scalar), loaded[static_cast<size_t>(k)]);
    }
    return Values();
  });
  return whole;
}

static Place behind(const Place &place, int64_t count) { return {place.buffer, plus(place.at, Linear(count))}; }

void emitCopy(Lowering &l, const Place &to, const Place &from, int64_t count, Type scalar) {
  if (count == 0) return;
  if (l.options.vectorBits == 0 && count >= 4 * kBlock) {
    int64_t whole = emitCopyOfBlocks(l, to, from, count, scalar);
    return emitCopy(l, behind(to, whole), behind(from, whole), count - whole, scalar);
  }
  Value out = l.memory.view(to.buffer), in = l.memory.view(from.buffer);
  overElements(l, count, lanesFor(scalar, l.options), [&](const Linear &i, int64_t width, int64_t active) {
    Value v = l.memory.load(in, plus(from.at, i), memoryType(scalar), width, active);
    l.memory.store(out, plus(to.at, i), memoryType(scalar), v, active);
  });
}

void emitFill(Lowering &l, const Place &to, Value value, int64_t count, Type scalar) {
  if (count == 0) return;
  Value out = l.memory.view(to.buffer);
  overElements(l, count, lanesFor(scalar, l.options), [&](const Linear &i, int64_t width, int64_t active) {
    l.memory.store(out, plus(to.at, i), scalar, l.a.splat(value, width), active);
  });
}

void emitZeroRows(Lowering &l, const Place &to, Value first, int64_t rows, int64_t size, Type scalar) {
  Value zero = l.a.constant(cast<TypedAttr>(l.a.b.getZeroAttr(registerType(scalar))));
  l.loop(first, l.a.index(rows), 1, {}, [&](Value row, ValueRange) {
    Place p = to;
    p.at.add(Linear::of(row, size));
    emitFill(l, p, zero, size, scalar);
    return Values();
  });
}

/// The members of a cycle have one type; all are read element by element before any is written.
static void emitExchange(Lowering &l, ArrayRef<Copy> cycle) {
  const Copy &any = cycle.front();
  overElements(l, any.count, lanesFor(any.scalar, l.options), [&](const Linear &i, int64_t width, int64_t active) {
    Values loaded;
    for (const Copy &c : cycle)
      loaded.push_back(l.memory.load(l.memory.view(c.from.buffer), plus(c.from.at, i), memoryType(c.scalar), width, active));
    for (auto [c, v] : llvm::zip(cycle, loaded))
      l.memory.store(l.memory.view(c.to.buffer), plus(c.to.at, i), memoryType(c.scalar), v, active);
  });
}

/// Repeatedly emits a copy whose target nobody else still has to read; what remains are cycles.
LogicalResult emitCopiesAtOnce(Lowering &l, std::vector<Copy> copies) {
  while (!copies.empty()) {
    auto isFree = [&](const Copy &c) {
      return llvm::none_of(copies, [&](const Copy &other) { return &other != &c && disturbs(l, c, other); });
    };
    auto free = llvm::find_if(copies, isFree);
    if (free != copies.end()) {
      emitCopy(l, free->to, free->from, free->count, free->scalar);
      copies.erase(free);
      continue;
    }
    // Follow who reads the target of whom until a copy comes again.
    std::vector<size_t> path{0};
    while (true) {
      size_t k = path.back(), next = copies.size();
      for (size_t j = 0; j < copies.size() && next == copies.size(); ++j)
        if (j != k && disturbs(l, copies[k], copies[j])) next = j;
      auto again = llvm::find(path, next);
      if (again != path.end()) {
        path.erase(path.begin(), again);
        break;
      }
      path.push_back(next);
    }
    SmallVector<Copy> cycle;
    for (size_t k : path) {
      if (copies[k].count != copies[path[0]].count || copies[k].scalar != copies[path[0]].scalar)
        return l.fail(l.node, "slots of different types exchange their values");
      cycle.push_back(copies[k]);
    }
    emitExchange(l, cycle);
    llvm::sort(path, std::greater<size_t>());
    for (size_t k : path) copies.erase(copies.begin() + static_cast<ptrdiff_t>(k));
  }
  return success();
}

} // namespace mlr::loops
