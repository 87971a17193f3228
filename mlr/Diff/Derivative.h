// Private to Diff: the adjoint program of one value with respect to some variables.
#pragma once

#include "mlr/Diff/Scalars.h"
#include "mlr/Diff/Transpose.h"

namespace mlr::diff {

/// Takes one derivative. Shapes: a cotangent has the axes of the batch in front of those of its value; each element of the
/// batch is a derivative of its own (a Jacobian is a batch of gradients).
class Derivative {
public:
  /// `value` and `cotangent` begin with the axes of the batch; the derivative stands in `block`.
  Derivative(NodeOp node, Block *block, ArrayRef<Value> variables, unsigned batch);
  /// Adds the adjoint program; `gradients` by variable. Fails (reported) at what has no derivative.
  LogicalResult run(Value value, Value cotangent, SmallVectorImpl<Value> &gradients);
  /// The first derivative that has to be taken before this one.
  Operation *blocker(Value value);

private:
  LogicalResult prepare(Value &value);
  Value seed(Value value, Value cotangent);
  Type cotangentType(Value v) const;
  Value cotangentOf(Value v);

  // Guards (Guards.cpp): what all contributions to a value have in common needs no mask.
  void findGuards(Value value);
  /// `whole`: the list is all that stands between the use and the value.
  using UseFunction = llvm::function_ref<void(Value source, Guards, bool whole)>;
  void forEachUse(Value y, ArrayRef<Guard> own, UseFunction f);
  Guards guardsAt(const Leaf &leaf, Operation *op, ArrayRef<Guard> of, bool &whole);
  void findWanted(Value value);
  Value anyOf(Value y, ArrayRef<Guards> lists);
  /// Whether somebody looks at a result of the operation; null: always.
  Value isWanted(Operation *op);
  Value conditionOutside(const Body &body, Value condition);
  Value chosenOutside(const Body &body);
  /// The cotangent of `y` for a use of `source` by its operation.
  Value passed(Value y, Value source, OpBuilder &b);
  Value masked(Value v, ArrayRef<Guard> guards, OpBuilder &b);
  /// The block of the value's instants; that of the derivative for variables of a time around it.
  Block *levelFor(Value v) const;

  // Uses (Derivative.cpp, Computation.cpp, Time.cpp)
  LogicalResult contribute(Value y);
  LogicalResult throughBody(Value y);
  LogicalResult leafContribution(const Body &body, const BodyConditions &conditions, const Leaf &leaf);
  LogicalResult giveToYields(const Body &body, BodyAdjoint &adjoint, Value g);
  Value positionOfChosen(const Body &body);
  Value productsOfOthers(const Body &body);
  Value isChosen(const Body &body, BodyAdjoint &adjoint);
  void throughReshape(ReshapeOp op);
  void throughConcat(ConcatOp op);
  void throughFby(FbyOp op);
  void throughEby(EbyOp op);
  void throughWindow(WindowOp op);
  void throughEnd(Operation *op);
  LogicalResult throughCall(CallOp op);

  // Computed places (Scatter.cpp)
  void throughScatter(ScatterOp op);
  void giveScattered(Value source, const Transposition &t, Value updates, ArrayRef<Value> places, Block *from);
  /// Updates of a cotangent, made at each instant of `from`.
  struct Scattered {
    Block *from;
    Value updates;
    SmallVector<Value> places;
    SmallVector<int64_t> along;
  };
  Value addScattered(Value to, Type type, ArrayRef<Scattered> parts, Block *level, bool apart);
  Value addScatteredIn(ScanOp scan, Value to, ArrayRef<Scattered> parts);
  void give(Value source, Contribution part, Block *from);
  Contribution leaveScan(Contribution part, ScanOp scan);
  /// Whether sums over the instants of a scan run up, as cotangents do there.
  bool runsUp(ScanOp scan);
  Value yieldFrom(ScanOp scan, Value inner);
  Value addTo(OpBuilder &b, Location loc, Value x, Value y);
  Value addProductTo(OpBuilder &b, Location loc, Value x, Value y);
  Value zeros(Type type) { return constants.get(cast<TypedAttr>(zeroAttr(type))); }
  Value isLast(ScanOp scan);
  Value isStart(ScanOp scan);
  Value indexIn(ScanOp scan);
  void settle();
  Value padSlice(const Contribution &part, Type type, OpBuilder &b, Location loc);
  void joinSlices(Value source, OpBuilder &b);
  void extendScans();
  OpBuilder at(Block *block) const;

  NodeOp node;
  Block *block;
  SmallVector<Value> variables;
  unsigned batch;
  SmallVector<int64_t> batchShape;
  ConstantPool constants;
  Activity activity;
  llvm::MapVector<Value, UnrealizedConversionCastOp> references; ///< of cotangents
  DenseMap<Value, SmallVector<Value, 2>> contributions;
  DenseMap<Value, SmallVector<Contribution>> slices; ///< those of parts of an axis, until settled; looked up only
  DenseMap<Value, SmallVector<Scattered>> scattered;     ///< until settled; looked up only
  DenseMap<Value, std::optional<Guards>> guards;
  DenseMap<Value, Value> wanted; ///< of values whose uses all stand under conditions, of which none may hold: whether one does
  struct Computation {
    Body body;
    std::unique_ptr<BodyConditions> conditions;
    SmallVector<Leaf> leaves;
    DenseMap<Value, Value> outside; ///< conditions at the level of time
    Value chosen;                   ///< of max and min: the position of the element
    Value others;                   ///< of a product of many factors: for each the product of the others
    Value isChosen;                 ///< and at each element of the domain whether it is that
  };
  Computation &computation(Operation *op);
  std::map<Operation *, std::unique_ptr<Computation>> computations; ///< looked up only
  struct Extension {
    SmallVector<std::pair<Value, UnrealizedConversionCastOp>> yields;
    Value last, start;
    bool hasPast = false, hasFuture = false;
    bool isScanned = false;
  };
  llvm::MapVector<Operation *, Extension> extensions;
  DenseSet<Operation *> transposed; ///< calls whose results have been handled
};

} // namespace mlr::diff
