// Planned memory as memrefs: views of a function's arguments, constants, addresses, loads and stores.
#pragma once

#include "mlr/Loops/Arith.h"
#include "mlr/Store/Plan.h"

#include <set>

namespace mlr::loops {

/// constant + sum of coefficient * index value.
struct Linear {
  int64_t constant = 0;
  llvm::SmallVector<std::pair<Value, int64_t>, 4> terms;

  Linear() = default;
  Linear(int64_t constant) : constant(constant) {}
  static Linear of(Value index, int64_t coefficient = 1);
  void add(const Linear &other, int64_t coefficient = 1);
  bool isConstant() const { return terms.empty(); }
  bool operator==(const Linear &other) const;
};
Value materialize(Arith &a, const Linear &linear);

/// Element `at` of a buffer (linear, in elements).
struct Place {
  int64_t buffer = 0;
  Linear at;
  bool operator==(const Place &) const = default;
};

/// The bytes of a constant as they lie in memory: row-major, bool as 0 or 1.
std::vector<char> constantBytes(mlir::ElementsAttr value);

/// The memref.globals of a module: one for each Rom buffer that is used, and packed copies.
class Globals {
public:
  explicit Globals(mlir::ModuleOp module);
  /// A new constant global memref<N x element>; its name is made unique, also among what generated C declares.
  mlir::memref::GlobalOp create(llvm::StringRef name, Type element, const std::vector<char> &bytes, mlir::Location loc);
  /// The global of a constant of a node.
  mlir::memref::GlobalOp of(dataflow::NodeOp node, dataflow::ConstOp op, int64_t buffer);

private:
  mlir::ModuleOp module;
  std::map<std::pair<std::string, int64_t>, mlir::memref::GlobalOp> known;  ///< by node name and Rom buffer
  std::set<std::string> names;
};

/// The buffers of a plan as seen by one function.
class Memory {
public:
  /// `arguments[space]` is the memref of that space (null where the function has none).
  Memory(Arith &a, dataflow::NodeOp node, const store::Plan &plan, Globals &globals,
         llvm::DenseMap<int64_t, dataflow::ConstOp> constants, std::vector<Value> arguments);

  /// memref<N x element> of a buffer, made once in the entry block.
  Value view(int64_t buffer);
  Value globalView(mlir::memref::GlobalOp global);

  /// Elements at..at+lanes of memory, as a register value. Beyond `active` lanes nothing is read and the value is 0.
  Value load(Value memref, const Linear &at, Type scalar, int64_t lanes = 1, int64_t active = 1);
  void store(Value memref, const Linear &at, Type scalar, Value value, int64_t active = 1);
  /// memref[at + offsets[lane]], offsets an i32 vector, for the first `active` lanes.
  Value gather(Value memref, const Linear &at, Value offsets, Type scalar, int64_t active);
  Value load(const Place &p, Type scalar) { return load(view(p.buffer), p.at, scalar); }
  void scatter(Value memref, const Linear &at, Value offsets, Type scalar, Value value);
  void store(const Place &p, Type scalar, Value value) { store(view(p.buffer), p.at, scalar, value); }

  /// The ConstOp that a Rom buffer holds, or null.
  dataflow::ConstOp constantOf(int64_t buffer) const { return constants.lookup(buffer); }
  const store::Plan &plan;

private:
  Value fromMemory(Value v, Type scalar);
  Value toMemory(Value v, Type scalar);
  Arith &a;
  dataflow::NodeOp node;
  Globals &globals;
  llvm::DenseMap<int64_t, dataflow::ConstOp> constants;
  std::vector<Value> arguments;
  llvm::DenseMap<int64_t, Value> views;
  std::map<std::string, Value> globalViews;
};

} // namespace mlr::loops
