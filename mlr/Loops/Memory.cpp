// Views of planned memory, constant globals, loads and stores.
#include "mlr/Loops/Memory.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include "support/CNames.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::loops {

// ---- addresses -------------------------------------------------------------------------------------------------

Linear Linear::of(Value index, int64_t coefficient) {
  Linear l;
  IntegerAttr c;
  if (matchPattern(index, m_Constant(&c))) {
    l.constant = c.getValue().getSExtValue() * coefficient;
  } else if (coefficient != 0) {
    l.terms.push_back({index, coefficient});
  }
  return l;
}

void Linear::add(const Linear &other, int64_t coefficient) {
  constant += other.constant * coefficient;
  for (auto [value, factor] : other.terms) {
    auto *known = llvm::find_if(terms, [&](auto &t) { return t.first == value; });
    if (known == terms.end()) {
      terms.push_back({value, factor * coefficient});
    } else {
      known->second += factor * coefficient;
    }
  }
  llvm::erase_if(terms, [](auto &t) { return t.second == 0; });
}

bool Linear::operator==(const Linear &other) const {
  Linear difference = *this;
  difference.add(other, -1);
  return difference.constant == 0 && difference.isConstant();
}

/// Offsets stay inside buffers, so that nothing wraps.
Value materialize(Arith &a, const Linear &linear) {
  auto flags = arith::IntegerOverflowFlags::nsw;
  Value sum;
  for (auto [value, factor] : linear.terms) {
    Value term = factor == 1 ? value : a.make<arith::MulIOp>(value, a.index(factor), flags);
    sum = sum ? a.make<arith::AddIOp>(sum, term, flags) : term;
  }
  if (!sum) return a.index(linear.constant);
  return linear.constant == 0 ? sum : a.make<arith::AddIOp>(sum, a.index(linear.constant), flags);
}

// ---- constants -------------------------------------------------------------------------------------------------

std::vector<char> constantBytes(ElementsAttr value) {
  Type element = value.getElementType();
  int64_t count = value.getNumElements();
  size_t size = static_cast<size_t>(memoryBytes(element));
  std::vector<char> bytes;
  bytes.reserve(static_cast<size_t>(count) * size);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      bytes.assign(blob->getData().begin(), blob->getData().end());
    bytes.resize(static_cast<size_t>(count) * size);
    return bytes;
  }
  if (element.isInteger(1)) {
    for (bool b : value.getValues<bool>()) bytes.push_back(b ? 1 : 0);
    return bytes;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense) return std::vector<char>(static_cast<size_t>(count) * size);
  ArrayRef<char> raw = dense.getRawData();
  if (!dense.isSplat()) return std::vector<char>(raw.begin(), raw.end());
  for (int64_t i = 0; i < count; ++i) bytes.insert(bytes.end(), raw.begin(), raw.begin() + size);
  return bytes;
}

/// A C identifier out of a source path.
static std::string identifier(StringRef path) {
  std::string out;
  for (char c : path) out += llvm::isAlnum(c) ? c : '_';
  return out;
}

Globals::Globals(ModuleOp module) : module(module) {
  module.walk([&](ExternOp op) { names.insert(op.getSymbol().str()); });
  for (NodeOp node : module.getOps<NodeOp>())
    for (std::string_view suffix : nodeSuffixes) names.insert(node.getSymName().str() + std::string(suffix));
}

memref::GlobalOp Globals::create(StringRef name, Type element, const std::vector<char> &bytes, Location loc) {
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  int64_t count = static_cast<int64_t>(bytes.size()) / memoryBytes(element);
  auto type = MemRefType::get({count}, element);
  auto tensor = RankedTensorType::get({count}, element);
  std::string unique = identifier(name);
  for (int k = 1; names.count(unique) || module.lookupSymbol(unique); ++k) unique = identifier(name) + "_" + std::to_string(k);
  names.insert(unique);
  Attribute value = DenseElementsAttr::getFromRawBuffer(tensor, bytes);
  return memref::GlobalOp::create(b, loc, unique, b.getStringAttr("private"), type, value, /*constant=*/true,
                                  /*alignment=*/b.getI64IntegerAttr(64));
}

memref::GlobalOp Globals::of(NodeOp node, ConstOp op, int64_t buffer) {
  memref::GlobalOp &global = known[{node.getSymName().str(), buffer}];
  if (global) return global;
  std::string name = node.getSymName().str() + "_" + op.getName().value_or("constant").str();
  auto value = cast<ElementsAttr>(op.getValue());
  return global = create(name, memoryType(value.getElementType()), constantBytes(value), op.getLoc());
}

// ---- memory ----------------------------------------------------------------------------------------------------

Memory::Memory(Arith &a, NodeOp node, const store::Plan &plan, Globals &globals,
               llvm::DenseMap<int64_t, ConstOp> constants, std::vector<Value> arguments)
    : plan(plan), a(a), node(node), globals(globals), constants(std::move(constants)), arguments(std::move(arguments)) {}

Value Memory::globalView(memref::GlobalOp global) {
  Value &known = globalViews[global.getSymName().str()];
  if (known) return known;
  OpBuilder::InsertionGuard guard(a.b);
  a.b.setInsertionPointToStart(arguments[0].getParentBlock());
  return known = memref::GetGlobalOp::create(a.b, a.loc, global.getType(), global.getSymName());
}

Value Memory::view(int64_t buffer) {
  Value &known = views[buffer];
  if (known) return known;
  const store::Buffer &from = plan.buffers[static_cast<size_t>(buffer)];
  if (from.space == store::Space::Rom) {
    ConstOp op = constants.lookup(buffer);
    return known = globalView(globals.of(node, op, buffer));
  }
  Value offset = a.index(from.offset);
  OpBuilder::InsertionGuard guard(a.b);
  if (Operation *constant = offset.getDefiningOp()) a.b.setInsertionPointAfter(constant);
  auto type = MemRefType::get({from.elements()}, memoryType(from.element));
  Value whole = arguments[static_cast<size_t>(from.space)];
  auto op = memref::ViewOp::create(a.b, a.loc, type, whole, offset, ValueRange());
  op->setAttr("mlr.buffer", a.b.getI64IntegerAttr(buffer));
  return known = op;
}

Value Memory::fromMemory(Value v, Type scalar) { return scalar.isInteger(1) ? a.differs(v, 0) : v; }

Value Memory::toMemory(Value v, Type scalar) {
  return scalar.isInteger(1) ? a.castTo<arith::ExtUIOp>(v, a.b.getI8Type()) : v;
}

Value Memory::load(Value memref, const Linear &at, Type scalar, int64_t lanes, int64_t active) {
  Value index = materialize(a, at);
  if (lanes == 1) return fromMemory(memref::LoadOp::create(a.b, a.loc, memref, index), scalar);
  auto type = VectorType::get({lanes}, memoryType(scalar));
  if (active == lanes) return fromMemory(vector::LoadOp::create(a.b, a.loc, type, memref, index), scalar);
  Value zero = a.constant(cast<TypedAttr>(a.b.getZeroAttr(type)));
  return fromMemory(
      vector::MaskedLoadOp::create(a.b, a.loc, type, memref, index, a.mask(active, lanes), zero), scalar);
}

void Memory::store(Value memref, const Linear &at, Type scalar, Value value, int64_t active) {
  Value index = materialize(a, at);
  value = toMemory(value, scalar);
  int64_t lanes = lanesOf(value.getType());
  if (lanes == 1) {
    memref::StoreOp::create(a.b, a.loc, value, memref, index);
  } else if (active == lanes) {
    vector::StoreOp::create(a.b, a.loc, value, memref, index);
  } else {
    vector::MaskedStoreOp::create(a.b, a.loc, memref, index, a.mask(active, lanes), value);
  }
}

void Memory::scatter(Value memref, const Linear &at, Value offsets, Type scalar, Value value) {
  int64_t lanes = lanesOf(offsets.getType());
  vector::ScatterOp::create(a.b, a.loc, Type(), memref, ValueRange{materialize(a, at)}, offsets, a.mask(lanes, lanes),
                            toMemory(value, scalar));
}

Value Memory::gather(Value memref, const Linear &at, Value offsets, Type scalar, int64_t active) {
  int64_t lanes = lanesOf(offsets.getType());
  auto type = VectorType::get({lanes}, memoryType(scalar));
  Value zero = a.constant(cast<TypedAttr>(a.b.getZeroAttr(type)));
  return fromMemory(vector::GatherOp::create(a.b, a.loc, type, memref, ValueRange{materialize(a, at)}, offsets,
                                             a.mask(active, lanes), zero),
                    scalar);
}

} // namespace mlr::loops
