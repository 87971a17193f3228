// Scalar types of MLR and dense arrays of them: constants, inputs, outputs, interpreter values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlr {

enum class Scalar : uint8_t { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64 };

/// Bytes of one element in memory (bool: 1).
size_t byteSize(Scalar s);
/// The name in MLR source: "f32".
const char *name(Scalar s);
std::optional<Scalar> scalarNamed(std::string_view name);
inline bool isFloat(Scalar s) { return s >= Scalar::F16; }
inline bool isInt(Scalar s) { return s >= Scalar::I8 && s <= Scalar::U64; }
inline bool isSigned(Scalar s) { return s >= Scalar::I8 && s <= Scalar::I64; }
inline bool isUnsigned(Scalar s) { return s >= Scalar::U8 && s <= Scalar::U64; }
/// Bits of an integer or float type; 1 for bool.
unsigned bitWidth(Scalar s);

using Shape = std::vector<int64_t>;
/// Product of the sizes; 1 for a scalar; nullopt when it exceeds 2^62.
std::optional<int64_t> elementCount(const Shape &shape);

/// A scalar (empty shape) or dense row-major tensor type.
struct Type {
  Scalar scalar = Scalar::F32;
  Shape shape;
  bool isScalar() const { return shape.empty(); }
  int64_t elements() const;
  size_t bytes() const { return static_cast<size_t>(elements()) * byteSize(scalar); }
  bool operator==(const Type &) const = default;
};
/// "f32[16, 8]".
std::string toString(const Type &type);
std::string toString(const Shape &shape);

/// Row-major elements of a type, little-endian in memory; f16/bf16 as their 16 bits, bool as 0 or 1.
/// Copies share the bytes; mutate() makes them unique.
class Array {
public:
  Array() = default;
  explicit Array(Type type);                       ///< zeros
  Array(Type type, std::vector<std::byte> bytes);  ///< bytes.size() == type.bytes()
  const Type &type() const { return ty; }
  const std::byte *data() const { return storage ? storage->data() : nullptr; }
  std::byte *mutate();
  size_t bytes() const { return storage ? storage->size() : 0; }
  template <class T> const T *as() const { return reinterpret_cast<const T *>(data()); }
  template <class T> T *mutateAs() { return reinterpret_cast<T *>(mutate()); }

private:
  Type ty;
  std::shared_ptr<std::vector<std::byte>> storage;
};

} // namespace mlr
