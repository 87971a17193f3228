#include "mlr/Dataflow/Constants.h"

#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace mlr::dataflow {

/// Above this many elements a constant is a resource: printed once at the end of the module, as bytes.
constexpr int64_t resourceElements = 256;

mlir::Type scalarType(Scalar scalar, MLIRContext *c) {
  Builder b(c);
  switch (scalar) {
  case Scalar::Bool: return b.getI1Type();
  case Scalar::I8:
  case Scalar::I16:
  case Scalar::I32:
  case Scalar::I64: return b.getIntegerType(bitWidth(scalar));
  case Scalar::U8:
  case Scalar::U16:
  case Scalar::U32:
  case Scalar::U64: return b.getIntegerType(bitWidth(scalar), /*isSigned=*/false);
  case Scalar::F16: return b.getF16Type();
  case Scalar::BF16: return b.getBF16Type();
  case Scalar::F32: return b.getF32Type();
  case Scalar::F64: return b.getF64Type();
  }
  return {};
}

mlir::Type valueType(ArrayRef<int64_t> shape, mlir::Type element) {
  return shape.empty() ? element : RankedTensorType::get(shape, element);
}

mlir::Type valueType(const Type &type, MLIRContext *c) {
  return valueType(type.shape, scalarType(type.scalar, c));
}

std::optional<Scalar> scalarOf(mlir::Type type) {
  if (type.isF16()) return Scalar::F16;
  if (type.isBF16()) return Scalar::BF16;
  if (type.isF32()) return Scalar::F32;
  if (type.isF64()) return Scalar::F64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer) return {};
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1: return Scalar::Bool;
  case 8: return isUnsigned ? Scalar::U8 : Scalar::I8;
  case 16: return isUnsigned ? Scalar::U16 : Scalar::I16;
  case 32: return isUnsigned ? Scalar::U32 : Scalar::I32;
  case 64: return isUnsigned ? Scalar::U64 : Scalar::I64;
  default: return {};
  }
}

mlir::Type elementOf(mlir::Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getElementType() : type;
}

ArrayRef<int64_t> shapeOf(mlir::Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

size_t elementBytes(mlir::Type scalar) {
  if (scalar.isIndex()) return 8;
  return (scalar.getIntOrFloatBitWidth() + 7) / 8;
}

TypedAttr scalarAttr(mlir::Type type, Bits bits) {
  if (auto f = dyn_cast<FloatType>(type))
    return FloatAttr::get(type, APFloat(f.getFloatSemantics(), APInt(f.getWidth(), bits, false, true)));
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  return IntegerAttr::get(type, APInt(width, bits, false, true));
}

std::optional<Bits> scalarBits(Attribute attribute) {
  if (auto f = dyn_cast<FloatAttr>(attribute)) return f.getValue().bitcastToAPInt().getZExtValue();
  if (auto i = dyn_cast<IntegerAttr>(attribute)) return i.getValue().getZExtValue();
  return {};
}

TypedAttr arrayAttr(mlir::Type type, ArrayRef<char> bytes) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  size_t width = elementBytes(elementOf(type));
  auto at = [&](int64_t i) {
    Bits bits = 0;
    std::memcpy(&bits, bytes.data() + i * width, width);
    return bits;
  };
  if (!tensor) return scalarAttr(type, at(0));
  int64_t n = tensor.getNumElements();
  if (n == 0) return DenseElementsAttr::get(tensor, ArrayRef<Attribute>());
  bool splat = std::memcmp(bytes.data(), bytes.data() + width, (n - 1) * width) == 0;
  if (splat) return DenseElementsAttr::get(tensor, Attribute(scalarAttr(tensor.getElementType(), at(0))));
  if (tensor.getElementType().isInteger(1)) {
    SmallVector<bool> flags(bytes.begin(), bytes.end());
    return DenseElementsAttr::get(tensor, flags);
  }
  if (n < resourceElements) return DenseElementsAttr::getFromRawBuffer(tensor, bytes);
  return DenseResourceElementsAttr::get(tensor, "array",
                                        HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64));
}

std::optional<std::vector<char>> arrayBytes(Attribute attribute) {
  auto typed = dyn_cast<TypedAttr>(attribute);
  if (!typed) return {};
  mlir::Type type = typed.getType();
  size_t width = elementBytes(elementOf(type));
  std::vector<char> bytes;
  auto fill = [&](size_t i, Bits bits) { std::memcpy(bytes.data() + i * width, &bits, width); };
  if (auto bits = scalarBits(attribute)) {
    bytes.resize(width);
    fill(0, *bits);
    return bytes;
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return {};
  bytes.resize(tensor.getNumElements() * width);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != bytes.size()) return {};
    std::memcpy(bytes.data(), blob->getData().data(), bytes.size());
    return bytes;
  }
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense) return {};
  if (dense.isSplat()) {
    auto bits = elementBits(dense, 0);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i) fill(i, *bits);
    return bytes;
  }
  if (tensor.getElementType().isInteger(1)) {
    size_t i = 0;
    for (bool flag : dense.getValues<bool>()) bytes[i++] = flag;
    return bytes;
  }
  std::memcpy(bytes.data(), dense.getRawData().data(), bytes.size());
  return bytes;
}

std::optional<Bits> elementBits(Attribute attribute, int64_t position) {
  if (auto bits = scalarBits(attribute)) return bits;
  auto typed = dyn_cast<TypedAttr>(attribute);
  auto tensor = typed ? dyn_cast<RankedTensorType>(typed.getType()) : RankedTensorType();
  if (!tensor || position < 0 || position >= tensor.getNumElements()) return {};
  size_t width = elementBytes(tensor.getElementType());
  const char *data = nullptr;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != tensor.getNumElements() * width) return {};
    data = blob->getData().data();
  } else if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    if (dense.isSplat()) return scalarBits(dense.getSplatValue<Attribute>());
    if (tensor.getElementType().isInteger(1)) return Bits(dense.getValues<bool>()[position]);
    data = dense.getRawData().data();
  } else {
    return {};
  }
  Bits bits = 0;
  std::memcpy(&bits, data + position * width, width);
  return bits;
}

TypedAttr zeroAttr(mlir::Type type) {
  auto zero = scalarAttr(elementOf(type), 0);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) return zero;
  if (tensor.getNumElements() == 0) return DenseElementsAttr::get(tensor, ArrayRef<Attribute>());
  return DenseElementsAttr::get(tensor, Attribute(zero));
}

} // namespace mlr::dataflow
