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

void callForeign(void *function, const std::vector<Type> &inputs, const std::vector<const std::byte *> &args,
                 const std::vector<Type> &outputs, const std::vector<std::byte *> &results) {
  bool returns = outputs.size() == 1 && outputs[0].isScalar();
  // libffi takes a pointer to each argument; that of a tensor is itself a pointer.
  std::vector<ffi_type *> types;
  std::vector<const void *> pointers;
  for (const std::byte *arg : args) pointers.push_back(arg);
  if (!returns) pointers.insert(pointers.end(), results.begin(), results.end());
  std::vector<void *> places;
  for (size_t i = 0; i < pointers.size(); ++i) {
    bool byValue = i < inputs.size() && inputs[i].isScalar();
    types.push_back(byValue ? typeOf(inputs[i].scalar) : &ffi_type_pointer);
    places.push_back(byValue ? const_cast<void *>(pointers[i]) : &pointers[i]);
  }
  ffi_type *resultType = returns ? typeOf(outputs[0].scalar) : &ffi_type_void;
  ffi_cif cif;
  if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, static_cast<unsigned>(types.size()), resultType, types.data()) != FFI_OK) return;
  uint64_t value = 0; // libffi widens small integers to a whole register
  ffi_call(&cif, reinterpret_cast<void (*)()>(function), &value, places.data());
  if (returns) std::memcpy(results[0], &value, outputs[0].bytes());
}

std::vector<Value> callForeign(const NodeInstance &callee, void *function, const std::vector<Value> &args) {
  std::vector<Type> inputs, outputs;
  std::vector<uint64_t> scalars(args.size(), 0);
  std::vector<const std::byte *> from;
  for (size_t i = 0; i < args.size(); ++i) {
    inputs.push_back(callee.vars[callee.inputs[i]].type);
    auto bytes = reinterpret_cast<std::byte *>(&scalars[i]);
    if (inputs[i].isScalar()) store(inputs[i].scalar, bytes, 0, args[i].bits);
    from.push_back(inputs[i].isScalar() ? bytes : args[i].tensor.data);
  }
  std::vector<std::shared_ptr<std::byte[]>> memory;
  std::vector<std::byte *> to;
  for (VarId v : callee.outputs) {
    outputs.push_back(callee.vars[v].type);
    memory.push_back(std::shared_ptr<std::byte[]>(new std::byte[outputs.back().bytes() + 8]()));
    to.push_back(memory.back().get());
  }
  callForeign(function, inputs, from, outputs, to);
  std::vector<Value> results(outputs.size());
  for (size_t o = 0; o < results.size(); ++o) {
    if (outputs[o].isScalar()) {
      results[o].bits = load(outputs[o].scalar, to[o], 0);
    } else {
      results[o].tensor.owner = memory[o];
      results[o].tensor.data = to[o];
    }
  }
  return results;
}

} // namespace mlr::eval
