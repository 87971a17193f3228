#include "mlr/Eval/Foreign.h"

#include <cstring>
#include <ffi.h>

namespace mlr::eval {

static ffi_type *typeOf(Scalar scalar) {
  switch (scalar) {
  case Scalar::Bool:
  case Scalar::U8: return &ffi_type_uint8;
  case Scalar::I8: return &ffi_type_sint8;
  case Scalar::I16: return &ffi_type_sint16;
  case Scalar::F16:
  case Scalar::BF16:
  case Scalar::U16: return &ffi_type_uint16;
  case Scalar::I32: return &ffi_type_sint32;
  case Scalar::U32: return &ffi_type_uint32;
  case Scalar::I64: return &ffi_type_sint64;
  case Scalar::U64: return &ffi_type_uint64;
  case Scalar::F32: return &ffi_type_float;
  case Scalar::F64: return &ffi_type_double;
  }
  return &ffi_type_void;
}

std::vector<Value> callForeign(const NodeInstance &callee, void *function, const std::vector<Value> &args) {
  auto typeOfVar = [&](VarId v) -> const Type & { return callee.vars[v].type; };
  bool returns = callee.outputs.size() == 1 && typeOfVar(callee.outputs[0]).isScalar();
  // libffi takes a pointer to each argument; that of a tensor is itself a pointer.
  size_t count = args.size() + (returns ? 0 : callee.outputs.size());
  std::vector<ffi_type *> types;
  std::vector<uint64_t> scalars(count, 0);
  std::vector<const void *> pointers(count, nullptr);
  std::vector<void *> places;
  std::vector<Value> results(callee.outputs.size());
  std::vector<std::shared_ptr<std::byte[]>> memory;
  for (size_t i = 0; i < args.size(); ++i) {
    const Type &type = typeOfVar(callee.inputs[i]);
    bool isScalar = type.isScalar();
    if (isScalar) store(type.scalar, reinterpret_cast<std::byte *>(&scalars[i]), 0, args[i].bits);
    else pointers[i] = args[i].tensor.data;
    types.push_back(isScalar ? typeOf(type.scalar) : &ffi_type_pointer);
    places.push_back(isScalar ? static_cast<void *>(&scalars[i]) : &pointers[i]);
  }
  for (size_t o = 0; !returns && o < callee.outputs.size(); ++o) {
    memory.push_back(std::shared_ptr<std::byte[]>(new std::byte[typeOfVar(callee.outputs[o]).bytes() + 8]()));
    pointers[args.size() + o] = memory.back().get();
    types.push_back(&ffi_type_pointer);
    places.push_back(&pointers[args.size() + o]);
  }
  ffi_type *resultType = returns ? typeOf(typeOfVar(callee.outputs[0]).scalar) : &ffi_type_void;
  ffi_cif cif;
  if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, static_cast<unsigned>(count), resultType, types.data()) != FFI_OK) return results;
  uint64_t value = 0; // libffi widens small integers to a whole register
  ffi_call(&cif, reinterpret_cast<void (*)()>(function), &value, places.data());
  if (returns) {
    results[0].bits = load(typeOfVar(callee.outputs[0]).scalar, reinterpret_cast<std::byte *>(&value), 0);
    return results;
  }
  for (size_t o = 0; o < results.size(); ++o) {
    const Type &type = typeOfVar(callee.outputs[o]);
    if (type.isScalar()) {
      results[o].bits = load(type.scalar, memory[o].get(), 0);
    } else {
      results[o].tensor.owner = memory[o];
      results[o].tensor.data = memory[o].get();
    }
  }
  return results;
}

} // namespace mlr::eval
