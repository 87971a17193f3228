#include "mlr/Check/Types.h"

#include "mlr/Check/Statics.h"

namespace mlr::checking {

bool Ty::isKnown() const {
  if (kind == Kind::Plain) return flex == Flex::None && !open;
  if (kind == Kind::Unknown) return false;
  for (const Ty &part : parts)
    if (!part.isKnown()) return false;
  return true;
}

std::string toString(const Ty &ty) {
  if (ty.kind == Ty::Kind::Unknown) return "unknown";
  if (ty.kind == Ty::Kind::Plain) {
    if (ty.nominal) return ty.nominal->display + (ty.type.isScalar() ? "" : mlr::toString(ty.type.shape));
    if (ty.flex == Flex::None) return mlr::toString(ty.type);
    std::string what = ty.flex == Flex::Int ? "an integer literal" : "a decimal literal";
    return ty.type.isScalar() ? what : "literals of shape " + mlr::toString(ty.type.shape);
  }
  if (ty.nominal) return ty.nominal->display + (ty.type.isScalar() ? "" : mlr::toString(ty.type.shape));
  std::string out = "(";
  for (size_t i = 0; i < ty.parts.size(); ++i) out += (i ? ", " : "") + toString(ty.parts[i]);
  return out + ")";
}

Ty prepend(const Shape &axes, Ty ty) {
  for (Ty &part : ty.parts) part = prepend(axes, std::move(part));
  if (ty.kind == Ty::Kind::Plain || ty.isStruct())
    ty.type.shape.insert(ty.type.shape.begin(), axes.begin(), axes.end());
  return ty;
}

Ty element(int64_t length, Ty ty) {
  for (Ty &part : ty.parts) {
    bool known = part.kind != Ty::Kind::Unknown;
    part = element(length, std::move(part));
    if (known && part.kind == Ty::Kind::Unknown) return Ty();
  }
  if (ty.kind != Ty::Kind::Plain && !ty.isStruct()) return ty;
  if (ty.type.shape.empty() || ty.type.shape[0] != length) return Ty();
  ty.type.shape.erase(ty.type.shape.begin());
  return ty;
}

std::optional<Shape> broadcastShapes(const Shape &a, const Shape &b) {
  const Shape &longer = a.size() >= b.size() ? a : b;
  const Shape &shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t x = longer[offset + i], y = shorter[i];
    if (x != y && x != 1 && y != 1) return std::nullopt;
    out[offset + i] = x == 1 ? y : x;
  }
  return out;
}

} // namespace mlr::checking
