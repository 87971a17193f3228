// Plan <-> attributes. `mlr.buffers`: a dictionary a buffer; `mlr.bytes`: sizes of state, scratch, in, out;
// `mlr.outputs` and `mlr.at`: locations as arrays `buffer, offset, depth, stride, ...`, empty where a value
// has none. `mlr.at` stands on operations, an entry a result, and on the node, an entry an argument.
#include "mlr/Store/Plan.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::store {

static constexpr StringLiteral kBuffers = "mlr.buffers", kBytes = "mlr.bytes", kOutputs = "mlr.outputs",
                               kAt = "mlr.at";

static Attribute encode(Builder &b, const Location *location) {
  SmallVector<int64_t> numbers;
  if (location) {
    numbers = {location->buffer, location->offset};
    for (const Location::Row &row : location->rows) {
      numbers.push_back(row.depth);
      numbers.push_back(row.stride);
    }
  }
  return b.getDenseI64ArrayAttr(numbers);
}

static Attribute encode(Builder &b, const Buffer &buffer) {
  SmallVector<NamedAttribute> fields{
      b.getNamedAttr("space", b.getStringAttr(name(buffer.space))),
      b.getNamedAttr("offset", b.getI64IntegerAttr(buffer.offset)),
      b.getNamedAttr("element", TypeAttr::get(buffer.element)),
      b.getNamedAttr("shape", b.getDenseI64ArrayAttr(buffer.shape)),
      b.getNamedAttr("name", b.getStringAttr(buffer.name)),
      b.getNamedAttr("reason", b.getStringAttr(buffer.reason)),
  };
  if (buffer.limit) fields.push_back(b.getNamedAttr("limit", b.getI64IntegerAttr(buffer.limit)));
  return b.getDictionaryAttr(fields);
}

static ArrayAttr encode(Builder &b, const Plan &plan, ValueRange values) {
  SmallVector<Attribute> entries;
  for (Value value : values) {
    auto it = plan.locations.find(value);
    entries.push_back(encode(b, it == plan.locations.end() ? nullptr : &it->second));
  }
  return b.getArrayAttr(entries);
}

void attach(NodeOp node, const Plan &plan) {
  Builder b(node.getContext());
  SmallVector<Attribute> buffers, outputs;
  for (const Buffer &buffer : plan.buffers) buffers.push_back(encode(b, buffer));
  for (const Location &output : plan.outputs) outputs.push_back(encode(b, &output));
  node->setAttr(kBuffers, b.getArrayAttr(buffers));
  node->setAttr(kBytes,
                b.getDenseI64ArrayAttr({plan.stateBytes, plan.scratchBytes, plan.inBytes, plan.outBytes}));
  node->setAttr(kOutputs, b.getArrayAttr(outputs));
  node.getBody().walk([&](Operation *op) {
    op->removeAttr(kAt);
    if (llvm::any_of(op->getResults(), [&](Value v) { return plan.locations.contains(v); }))
      op->setAttr(kAt, encode(b, plan, op->getResults()));
  });
  node->setAttr(kAt, encode(b, plan, bodyOf(node).getArguments()));
}

static FailureOr<Location> decodeLocation(Attribute attr, size_t buffers) {
  auto numbers = dyn_cast_or_null<DenseI64ArrayAttr>(attr);
  if (!numbers || numbers.size() < 2 || numbers.size() % 2) return failure();
  Location location{numbers[0], numbers[1], {}};
  if (location.buffer < 0 || location.buffer >= static_cast<int64_t>(buffers)) return failure();
  for (int64_t i = 2; i < numbers.size(); i += 2) {
    if (numbers[i] < 0) return failure();
    location.rows.push_back({static_cast<unsigned>(numbers[i]), numbers[i + 1]});
  }
  return location;
}

static FailureOr<Buffer> decodeBuffer(Attribute attr, int64_t id) {
  auto fields = dyn_cast<DictionaryAttr>(attr);
  if (!fields) return failure();
  auto space = fields.getAs<StringAttr>("space"), title = fields.getAs<StringAttr>("name"),
       reason = fields.getAs<StringAttr>("reason");
  auto offset = fields.getAs<IntegerAttr>("offset");
  auto element = fields.getAs<TypeAttr>("element");
  auto shape = fields.getAs<DenseI64ArrayAttr>("shape");
  if (!space || !title || !reason || !offset || !element || !shape) return failure();
  if (llvm::any_of(shape.asArrayRef(), [](int64_t d) { return d < 0; })) return failure();
  Buffer buffer{id, Space::Scratch, offset.getInt(), element.getValue(), {}, title.str(), reason.str()};
  if (auto limit = fields.getAs<IntegerAttr>("limit")) buffer.limit = limit.getInt();
  buffer.shape.assign(shape.asArrayRef().begin(), shape.asArrayRef().end());
  for (Space s : {Space::State, Space::Scratch, Space::In, Space::Out, Space::Rom})
    if (space.getValue() == name(s)) {
      buffer.space = s;
      return buffer;
    }
  return failure();
}

static LogicalResult decodeLocations(Operation *op, ValueRange values, Plan &plan) {
  auto entries = op->getAttrOfType<ArrayAttr>(kAt);
  if (!entries) return success();
  if (entries.size() != values.size()) return op->emitError("`mlr.at` has one entry a value");
  for (auto [value, entry] : llvm::zip(values, entries)) {
    if (auto numbers = dyn_cast<DenseI64ArrayAttr>(entry); numbers && numbers.empty()) continue;
    FailureOr<Location> location = decodeLocation(entry, plan.buffers.size());
    if (failed(location)) return op->emitError("`mlr.at` is no location");
    plan.locations[value] = *location;
  }
  return success();
}

FailureOr<std::vector<Buffer>> buffersOf(Operation *op) {
  auto entries = op->getAttrOfType<ArrayAttr>(kBuffers);
  if (!entries) return op->emitError("has no buffer table");
  std::vector<Buffer> buffers;
  for (Attribute attr : entries) {
    FailureOr<Buffer> buffer = decodeBuffer(attr, buffers.size());
    if (failed(buffer)) return op->emitError("`mlr.buffers` has a malformed entry");
    buffers.push_back(std::move(*buffer));
  }
  return buffers;
}

FailureOr<Plan> read(NodeOp node) {
  auto outputs = node->getAttrOfType<ArrayAttr>(kOutputs);
  auto bytes = node->getAttrOfType<DenseI64ArrayAttr>(kBytes);
  if (!outputs || !bytes || bytes.size() != 4) return node.emitError("has no buffer plan");
  Plan plan;
  plan.stateBytes = bytes[0], plan.scratchBytes = bytes[1], plan.inBytes = bytes[2], plan.outBytes = bytes[3];
  FailureOr<std::vector<Buffer>> buffers = buffersOf(node);
  if (failed(buffers)) return failure();
  plan.buffers = std::move(*buffers);
  for (Attribute attr : outputs) {
    FailureOr<Location> location = decodeLocation(attr, plan.buffers.size());
    if (failed(location)) return node.emitError("`mlr.outputs` has a malformed entry");
    plan.outputs.push_back(std::move(*location));
  }
  WalkResult result = node->walk([&](Operation *op) {
    ValueRange values = op == node ? ValueRange(bodyOf(node).getArguments()) : ValueRange(op->getResults());
    return failed(decodeLocations(op, values, plan)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (result.wasInterrupted()) return failure();
  return plan;
}

} // namespace mlr::store
