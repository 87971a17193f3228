// Private to Diff. One derivative, in four movements:
//
//  - Activity. The values that the variable influences and that the differentiated value needs. What stands
//  outside of the time of the derivative is copied into it first.
//  - Fission. In gens and reductions, inner reductions and calls become tensors of their own, so that
//  every body is a plain scalar function and its adjoint repeats no costly work.
//  - Adjoints. Each active value has a forward reference to its cotangent; each of its uses makes one contribution; the
//  sum takes its place. In graph regions no order is needed.
//  - Scans. A contribution from inside a scan to a constant of it is summed over the instants; results of the scan hand
//  their cotangents inwards.
#pragma once

#include "mlr/Dataflow/Rewrite.h"

#include "llvm/ADT/MapVector.h"

namespace mlr::diff {

using namespace mlir;
using namespace mlr::dataflow;
using dataflow::ReduceKind; // not those of the typed tree
using mlir::Type;
using mlir::Value;

/// Whether its elements are floats, so that it can have a derivative.
bool isFloat(Value v);
/// The scan that `op` is an operation of; null in a node's own time.
ScanOp scanOf(Operation *op);
/// Whether the result is a constant of the scan in which its operation stands.
bool isEnd(Value v);
/// The block whose instants the value has.
Block *levelOf(Value v);

// ---- Activity ------------------------------------------------------------------------------------------------

/// Which values the derivative of `value` with respect to `variables`, taken in `block`, runs through.
class Activity {
public:
  Activity(Block *block, ArrayRef<Value> variables) : block(block), variables(variables.begin(), variables.end()) {}
  /// False: another derivative (`blocker`) has to be taken first.
  bool run(Value value);
  /// Whether the definition of `v` needs a variable at the same instant, or another derivative, which may.
  bool isBehind(Value v);
  bool isActive(Value v) const { return active.contains(v); }
  const llvm::SetVector<Value> &values() const { return active; } ///< users before what they need, where they can
  Operation *blocker = nullptr;

private:
  template <class F> void forEachSource(Value v, F f);
  /// Whether the operator of time belongs to a scan around the derivative, or to the node: other instants are constants.
  bool isOfTimeAround(Operation *op) const;
  Block *block;
  llvm::SmallSetVector<Value, 4> variables;
  llvm::SetVector<Value> active;
};

/// Closes one scan that resumes: its state becomes one of the time around, from run to run. Those need it whose earlier runs a derivative in
/// `block` follows, and those that it takes along into a scan; windows with flags become memories. Whether there was one; values
/// other than `variables` may have been replaced.
bool closeOneTime(Block *block, const Activity &activity, ArrayRef<Value> variables);

/// Copies what is active outside of `block` into it; the place of `value` there.
FailureOr<Value> bringInside(Block *block, const Activity &activity, Value value, ArrayRef<Value> variables);

// ---- Fission -------------------------------------------------------------------------------------------------

/// Inner reductions and calls of a gen or reduction become tensors over the indices that they need.
void splitBody(Operation *op);

/// A gen, a reduction, or a scalar operation as a scalar function on a domain of indices.
struct Body {
  Operation *op = nullptr;
  mutable ReduceOp reduce;       ///< null: none
  SmallVector<Value> arguments;  ///< indices: of the gen, then of the reduction
  SmallVector<int64_t> sizes;    ///< of them
  unsigned outer = 0;            ///< how many are axes of the result
  SmallVector<Operation *> inside; ///< scalar operations in order
  SmallVector<Value> yields;     ///< one value, or two factors
  Value result;

  bool isInside(Value v) const;
  /// Whether the result is one of the elements.
  bool isChoice() const { return reduce && (reduce.getKind() == ReduceKind::Max || reduce.getKind() == ReduceKind::Min); }
};
Body bodyOfComputation(Operation *op);
/// A call of a function that is no scalar one of scalars: its derivative is taken for all results at once.
bool isWholeCall(Operation *op);
/// Takes a call out of the body that it stands in: it is made for each tuple of the indices that it depends on.
void takeOut(CallOp call);

/// Expands the calls that are left, of functions with a derivative of their own and of those derivatives.
LogicalResult inlineRules(ModuleOp module);
/// Expands the calls of derivatives that have none of their own, so that the next derivative runs through them.
LogicalResult expandRules(NodeOp node);

// ---- Adjoints ------------------------------------------------------------------------------------------------

/// Where a cotangent may differ from zero: `value`, an i1 or a tensor of them with the axes of what it speaks for, is
/// `polarity`. What is not selected contributes exactly zero even where its derivative is infinite, so cotangents are masked
/// where they leave the part of the program that stands under a condition.
struct Guard {
  Value value;
  bool polarity = true;
  bool operator==(const Guard &o) const { return value == o.value && polarity == o.polarity; }
};
using Guards = SmallVector<Guard, 2>;
/// Keeps the common beginning.
void meet(std::optional<Guards> &to, ArrayRef<Guard> with);
/// Whether at least one of the lists always holds, as far as complementary conditions tell.
bool coversAll(ArrayRef<ArrayRef<Guard>> lists);

/// Something active that a body takes from outside: an element that it reads, or a scalar.
struct Leaf {
  Operation *read = nullptr; ///< a ReadOp; null: the scalar itself
  Value source;
  Value inside() const { return read ? Value(read->getResult(0)) : source; }
};

/// An axis of a tensor that is read at the index of a scan, plus `offset`.
struct ScanAxis {
  unsigned axis = 0;
  ScanOp scan;
  int64_t offset = 0;
};

/// A part of a cotangent: all axes of the batch, then those of the source but for `rows`, which stacking will add.
struct Contribution {
  Value value;
  SmallVector<ScanAxis, 2> rows;
  /// The value speaks of `count` elements of one axis of the source only, from `begin`; 0: of all.
  int64_t begin = 0, count = 0;
  unsigned axis = 0;
};

} // namespace mlr::diff
