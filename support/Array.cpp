#include "support/Array.h"

#include <array>

namespace mlr {

namespace {

struct ScalarFacts {
  const char *name;
  uint8_t bytes, bits;
};

// In the order of enum Scalar.
constexpr std::array<ScalarFacts, 13> facts{{{"bool", 1, 1},
                                             {"i8", 1, 8},
                                             {"i16", 2, 16},
                                             {"i32", 4, 32},
                                             {"i64", 8, 64},
                                             {"u8", 1, 8},
                                             {"u16", 2, 16},
                                             {"u32", 4, 32},
                                             {"u64", 8, 64},
                                             {"f16", 2, 16},
                                             {"bf16", 2, 16},
                                             {"f32", 4, 32},
                                             {"f64", 8, 64}}};

const ScalarFacts &of(Scalar s) { return facts[static_cast<size_t>(s)]; }

} // namespace

size_t byteSize(Scalar s) { return of(s).bytes; }
const char *name(Scalar s) { return of(s).name; }
unsigned bitWidth(Scalar s) { return of(s).bits; }

std::optional<Scalar> scalarNamed(std::string_view name) {
  for (size_t i = 0; i < facts.size(); ++i)
    if (name == facts[i].name) return static_cast<Scalar>(i);
  return std::nullopt;
}

std::optional<int64_t> elementCount(const Shape &shape) {
  constexpr int64_t limit = int64_t(1) << 62;
  int64_t count = 1;
  bool tooLarge = false;
  for (int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) return 0;
    if (count > limit / size) tooLarge = true; // a size of 0 may still follow
    else count *= size;
  }
  if (tooLarge) return std::nullopt;
  return count;
}

int64_t Type::elements() const { return elementCount(shape).value_or(0); }

std::string toString(const Shape &shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

std::string toString(const Type &type) {
  return type.shape.empty() ? name(type.scalar) : name(type.scalar) + toString(type.shape);
}

Array::Array(Type type)
    : ty(std::move(type)), storage(std::make_shared<std::vector<std::byte>>(ty.bytes())) {}

Array::Array(Type type, std::vector<std::byte> bytes) : ty(std::move(type)) {
  bytes.resize(ty.bytes()); // a reader never runs past the end, whatever the caller passed
  storage = std::make_shared<std::vector<std::byte>>(std::move(bytes));
}

std::byte *Array::mutate() {
  if (!storage) return nullptr;
  if (storage.use_count() > 1) storage = std::make_shared<std::vector<std::byte>>(*storage);
  return storage->data();
}

} // namespace mlr
