// What the checker knows of an expression's type while it elaborates: types with flexible literals and
// tuples.
#pragma once

#include "support/Array.h"

#include <string>
#include <vector>

namespace mlr::checking {

using mlr::toString;  // beside the one for Ty

/// Made of literals only: the scalar type is still the context's choice. Int may become any number type,
/// Float any float type.
enum class Flex : uint8_t { None, Int, Float };

struct Nominal;

/// The type of a variable or expression. Unknown also stands for "an error was reported": it never causes
/// another one.
struct Ty {
  enum class Kind : uint8_t { Unknown, Plain, Tuple };
  Kind kind = Kind::Unknown;
  Flex flex = Flex::None;
  Type type;             ///< Plain; with flex, type.scalar is the default (i32 or f32)
  std::vector<Ty> parts; ///< Tuple
  /// An enum (Plain, of i32) or a struct (Tuple: its fields; `type.shape` are axes in front of those of every leaf).
  const Nominal *nominal = nullptr;
  /// While guessing: made from something unknown. `type.shape` is not final, nor is the scalar while flexible.
  bool open = false;

  static Ty of(Type type) { return {Kind::Plain, Flex::None, std::move(type), {}, nullptr}; }
  bool isStruct() const { return kind == Kind::Tuple && nominal; }
  bool isKnown() const; ///< no Unknown, flexible or open part
  bool operator==(const Ty &) const = default;
};

/// "f32[3]", "(f32, i32)", "an integer literal".
std::string toString(const Ty &ty);

/// The type of a tensor of `ty` with these axes in front: leaf by leaf for structs and tuples.
Ty prepend(const Shape &axes, Ty ty);
/// What the elements of such a tensor are; Unknown if some leaf has no leading axis of that length.
Ty element(int64_t length, Ty ty);

/// The shape that NumPy's rule gives to operands of shapes a and b; nothing if they do not combine.
std::optional<Shape> broadcastShapes(const Shape &a, const Shape &b);

/// Sizes beyond these are refused: positions of elements are i32.
inline constexpr int64_t maxSize = 2147483647;

} // namespace mlr::checking
