// Shared by the parts of the C back end: names, types and places.
#pragma once

#include "mlr/Dataflow/Rates.h"
#include "mlr/Dataflow/RuntimeChecks.h"
#include "mlr/Target/C.h"

namespace mlr::target {

/// A C identifier made of a source path: "cell.h" -> "cell_h"; C's keywords get a trailing underscore.
std::string cIdentifier(llvm::StringRef path);

/// The element type of a struct field: "float", "int32_t", "uint8_t", "bool"; f16 and bf16 are their bits, uint16_t.
std::string fieldType(mlir::Type mlrScalar);
/// The type of a register: unsigned integers, so that wrapping is defined; index is ptrdiff_t.
std::string registerType(mlir::Type type);

/// The buffers of a function as struct members.
class Layout {
public:
  explicit Layout(mlir::func::FuncOp step);
  struct Member {
    const store::Buffer *buffer;
    std::string name;
  };
  const std::vector<store::Buffer> &buffers() const { return table; }
  const std::vector<Member> &members(store::Space space) const { return bySpace[static_cast<size_t>(space)]; }
  /// `s->h`, `((const float *)in->xs)[i]`, `scratch->f32[16 + i]`: one element; `index` is C text, empty for a scalar buffer.
  std::string element(int64_t buffer, const std::string &index) const;
  int64_t bytes(store::Space space) const { return sizes[static_cast<size_t>(space)]; }
  std::string node;  ///< NAME
  dataflow::Rates rates;
  std::vector<dataflow::CheckNote> checks;  ///< outputs that are run-time checks
  std::vector<std::string> foreign;         ///< prototypes of the C functions that it calls

private:
  std::vector<store::Buffer> table;
  std::vector<Member> bySpace[5];
  std::vector<std::string> names;
  int64_t sizes[5] = {};
};

/// NAME.h and NAME.json.
std::string writeHeader(const Layout &layout);
std::string writeDescription(const Layout &layout);
/// NODE_state.h and NODE_state.c.
Files writeState(const Layout &layout);

/// Text of a literal that reads back to the same bits.
std::string floatLiteral(const llvm::APFloat &value);
std::string integerLiteral(const llvm::APInt &value);

/// Removes what compilers would warn of: unused values, comparisons that the type decides.
void prepareForC(mlir::func::FuncOp function);

/// Prints the body of a function. Fails on an operation it does not know, naming it.
mlir::LogicalResult writeFunction(mlir::func::FuncOp function, const Layout &layout, std::string &out);

} // namespace mlr::target
