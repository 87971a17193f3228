// Private to the import. A typed program becomes dataflow in three movements:
//
//  - Frames. A node that is a root or an instance with state becomes one mlr.node; each call of a fun is
//  expanded in place,
//    as a Frame of its own, whose inputs are closures (expression + the place where it stands).
//  - Sites. A computation that gets an operation of its own at the level of its time: a variable of a node,
//  an operator of
//    time, a value that a body must not repeat. A site under comprehension indices (its context) is a tensor
//    with those indices as leading axes; that is how a fun called in a comprehension is batched, state and
//    scans included.
//  - Bodies. Everything else is a scalar function of indices, emitted where it is needed (ImportBody.cpp).
//  Within
//    one body a local at one index tuple is emitted once, at the outermost level that knows the indices.
#pragma once

#include "mlr/Dataflow/AffineIndex.h"
#include "mlr/Dataflow/Constants.h"
#include "mlr/Dataflow/ImportInfo.h"

#include <deque>
#include <unordered_map>

namespace mlr::dataflow {

struct Frame;
struct ClockState;
struct ForeignCall;

/// A comprehension index of one frame.
struct Binder {
  int64_t size = 0;
  unsigned order = 0;       ///< outer before inner, for the order of axes
  mlir::AffineExpr current; ///< its value where the import is now; null outside of the comprehension
};
using Context = llvm::SmallVector<Binder *, 2>;

/// Where an expression stands: whose variables it means, the block of its time, and its clock there (null:
/// all instants).
struct Position {
  Frame *frame = nullptr;
  mlir::Block *block = nullptr;
  ClockState *clock = nullptr;
};

/// A computation with a value of its own: a tensor with the context's sizes before those of the expression
/// (behind the first axis of it when contextAxis is 1, which is what stacking makes).
struct Site {
  mlir::Type type;
  mlir::Value value; ///< a forward reference, or nothing yet, until resolved
  Context context;
  unsigned contextAxis = 0;
  bool resolved = false;
  bool queued = false;
  Position position;
  const Expr *expr = nullptr;
  /// What a site without an expression is: a flag of the clock position.clock, or how many instants it has.
  enum class Flag : uint8_t { None, On, Reset, First, Count } flag = Flag::None;
  Site *cutOf = nullptr;       ///< the value of a variable of derivatives, which this is
  ForeignCall *foreign = nullptr; ///< with `result`: a result of a call that is not expanded
  uint32_t result = 0;
  Frame *namedFrame = nullptr; ///< with namedVar: the variable that the site computes
  VarId namedVar = 0;
};

/// A call of a C function, or of a function that states its derivative.
struct ForeignCall {
  const NodeInstance *callee = nullptr;
  const std::vector<const Expr *> *args = nullptr;
  Span span;
  const Equation *equation = nullptr; ///< null: an expression
  Position position;
  Context context;
  std::vector<Site *> results;
  llvm::SmallVector<mlir::Value> values; ///< of the results, once computed
};

struct ScanState;
bool isScalarRule(const NodeInstance &function);
void addContext(Context &to, const Context &from);
void sortContext(Context &c);

/// A clock of one frame. Operators of time in its region take `on` and `reset` as their flags. The base clock of a
/// scan is one where it differs among the instances of a comprehension: some end before others, or are not active.
struct ClockState {
  const Clock *clock = nullptr;
  ScanState *scan = nullptr; ///< of which it is the base clock
  Position around;       ///< where its selector stands; of a base clock: the block of the scan, the clock around
  Site *on = nullptr;    ///< active at this instant; null: always
  Site *reset = nullptr; ///< a segment begins at this instant; null: never
  Site *first = nullptr; ///< this is the first instant of a segment
  Site *count = nullptr; ///< of a base clock: instants executed
  Context context;       ///< of the flags
};

struct ScanState {
  const ScanTime *time = nullptr;
  ScanOp op;
  mlir::Block *block = nullptr;
  mlir::Value position; ///< t as index
  std::vector<Site *> results;
  llvm::SmallVector<mlir::Value> yields;
  std::optional<ClockState> base; ///< where it is one
  bool isOpen = false;            ///< `base` is decided
  bool endsApart() const { return base && time->until; }
};

/// One expansion of a node instance.
struct Frame {
  const NodeInstance *node = nullptr;
  const NodeInfo *info = nullptr;
  bool isRoot = false;          ///< an mlr.node of its own: every variable is a site
  mlir::Block *block = nullptr; ///< of the node's own time
  Position caller;              ///< where the arguments stand
  std::vector<const Expr *> arguments;
  std::string path;                             ///< prefix of state names: "cell."
  std::vector<Site *> sites;                    ///< by VarId; null: none (yet)
  std::unordered_map<VarId, Site *> uncut;      ///< variables of derivatives: what defines them
  std::vector<std::optional<Context>> contexts; ///< by VarId
  std::unordered_map<VarId, Site *> inlinedIn;  ///< the site whose body computes the variable
  std::unordered_map<IndexId, Binder *> binders;
  std::unordered_map<const Expr *, Site *> expressions;
  std::unordered_map<const void *, Frame *> calls; ///< by Expr or Equation
  std::unordered_map<const void *, ForeignCall *> foreign; ///< by Expr or Equation
  llvm::SmallVector<int64_t> rank;                         ///< of an expanded call with effects: its own
  Context lanes;                                           ///< indices of which each value is an instance of it
  std::unordered_map<const ScanTime *, ScanState> scans;
  std::unordered_map<const Clock *, ClockState> clocks;
  std::map<std::string, unsigned> instances; ///< calls so far, by name
};

/// The last part of the callee's name, numbered from the second instance in the frame on: "lstm_cell",
/// "lstm_cell_2".
std::string instanceName(Frame &frame, const NodeInstance &callee);

/// A dimension of the index expressions in a body: an index argument, or a computed index.
struct Dim {
  mlir::Value value;
  unsigned level = 0;
};

/// What has been emitted at a level of a body: a local, a read site, an index as i32, at an index tuple.
struct MemoKey {
  const void *what = nullptr;
  uint64_t number = 0;
  llvm::SmallVector<mlir::AffineExpr, 4> indices;
  bool operator==(const MemoKey &) const = default;
};
struct MemoHash {
  size_t operator()(const MemoKey &key) const {
    return llvm::hash_combine(key.what, key.number,
                              llvm::hash_combine_range(key.indices.begin(), key.indices.end()));
  }
};

/// A block that is being filled: level 0 is the block of a time, further ones are bodies of gen and reduce.
struct Level {
  mlir::Block *block = nullptr;
  llvm::SmallVector<unsigned, 4> loops; ///< its index arguments, as dimensions; those of size 1 are left out
  int64_t elements = 1;                 ///< positions of the loops
  bool sums = false;                    ///< the body of a sum in order: its terms come one after the other
  std::unordered_map<MemoKey, mlir::Value, MemoHash> memo;
};

class Importer {
public:
  Importer(const Program &program, const SourceMap &sources, mlir::MLIRContext &context);
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  using Indices = llvm::ArrayRef<mlir::AffineExpr>;
  using Tuple = llvm::SmallVector<mlir::AffineExpr, 4>;

  // Import.cpp: nodes and equations; ImportFrames.cpp: frames, contexts; ImportSites.cpp: sites.
  void importNode(const NodeInstance &node, bool isRoot);
  void importRegion(Frame &frame, const Region &region, Position at);
  void importCall(Frame &frame, const Equation &eq, Position at);
  void finishNode(NodeOp node, Frame &frame);
  void resolveForwardReferences();
  Frame *makeFrame(const NodeInstance &node, Position caller, std::vector<const Expr *> arguments);
  Frame &calleeFrame(Position at, const Expr &call);
  Frame &calleeFrame(Frame &frame, const Equation &call);
  mlir::Block *blockOf(Frame &frame, const ScanTime *time);
  Position positionOf(Frame &frame, const Definition &definition);
  Site *newSite(Position at, const Expr *e, Context context, mlir::Type type);
  Site *settledSite(mlir::Value value);
  mlir::Value valueOf(Site *site);
  Site *siteOf(Position at, const Expr &e);
  Site *siteOf(Frame &frame, VarId v);
  Site *definingSite(Frame &frame, VarId v);
  // ImportGradients.cpp: derivatives, and calls of functions that state theirs.
  Site *cutSite(Frame &frame, VarId v, Site *defining);
  mlir::Value cutValue(Site *site);
  mlir::Value permuted(mlir::Value value, llvm::ArrayRef<unsigned> order);
  mlir::Value derivative(Site *site);
  bool isRule(const Expr &call) const;
  mlir::Value ruleValue(Site *site);
  mlir::Value callRule(Position at, const Expr &call, Indices indices);
  void importRules();

  void settle(Site *site, mlir::Value value);
  void resolve(Site *site);
  void beginBody(mlir::Block *block);
  void drain();
  mlir::Value compute(Site *site);
  mlir::Value regionValue(Position at, const Expr &e);
  mlir::Value variableValue(Frame &frame, VarId v);
  mlir::Value valueIn(Position at, const Expr &e, const Context &context);
  mlir::Value makeGen(Position at, const Expr &e, const Context &context);
  Context contextOf(Position at, const Expr &e);
  const Context &contextOf(Frame &frame, VarId v);
  Binder *binderOf(Frame &frame, IndexId index);

  // ImportClocks.cpp: the flags of clocks.
  ClockState *clockOf(Frame &frame, const Clock *clock, const ScanTime *time);
  Site *newFlag(ClockState &clock, Site::Flag flag);

  // ImportInstances.cpp: instances side by side.
  const Expr &instanceResult(Frame &frame, const Definition &definition);
  ClockState *baseOf(Frame &frame, const ScanTime &time);
  mlir::Value baseFlag(Site *flag);
  mlir::Value runningFlag(ClockState &base);
  mlir::Value countInstants(ClockState &base);
  mlir::Value countElement(mlir::Block *block);
  void endTogether(ClockState &base, Site *next);
  mlir::Value heldAtEnd(mlir::Block *block, mlir::Value value, const Context &context);
  mlir::Value zeroAfterEnd(ClockState &base, mlir::Value value, const Context &context);
  ScanState *endingApart(mlir::Block *block);
  mlir::Value flagElement(Site *flag);
  mlir::Value everyElement(ClockState &clock);
  mlir::Value computeFlag(Site *flag);
  mlir::Value flagIn(Site *flag, const Context &context);
  mlir::Value mergeElement(Position at, const Expr &e, Indices indices);
  mlir::Value firstElement(Position at);
  mlir::Value presenceOf(Frame &frame, VarId v);
  mlir::Value makeFlags(const Context &ctx, mlir::Type element, llvm::function_ref<mlir::Value()> f);

  // ImportExtern.cpp: C functions.
  void importEffects(Frame &frame, const Region &region);
  llvm::SmallVector<int64_t> rankOf(Position at, uint32_t order);
  Site *foreignSite(Position at, const void *key, const NodeInstance &callee, const std::vector<const Expr *> &args, Span span,
                    const Equation *equation, uint32_t result);
  mlir::Value foreignFlag(const ForeignCall &call);
  mlir::Value foreignValue(Site *site);

  // ImportTime.cpp: operators of time and scans.
  mlir::Value temporal(Site *site);
  ScanState &scanOf(Frame &frame, const ScanTime &time);
  void computeResults(Frame &frame, ScanState &state);
  mlir::Value firstIn(mlir::Block *block);
  mlir::Value countIn(mlir::Block *block);
  mlir::StringAttr stateName(Site *site, const Expr *value);

  // ImportBody.cpp: scalars at indices.
  mlir::Value element(Position at, const Expr &e, Indices indices);
  mlir::Value variable(Frame &frame, VarId v, Indices indices);
  mlir::Value local(Frame &frame, VarId v, Position at, const Expr &e, Indices indices);
  mlir::Value readSite(Site *site, Indices indices, llvm::ArrayRef<bool> clamp = {});
  mlir::Value constantElement(const Expr &e, Indices indices);
  mlir::Value operation(Position at, const Expr &e, Indices indices);
  mlir::Value concatElement(Position at, const Expr &e, Indices indices);
  mlir::Value reduction(Position at, const Expr &e, Indices indices);
  mlir::Value readElement(Position at, const Expr &e, Indices indices);
  mlir::Value readOrElement(Position at, const Expr &e, Indices indices);
  bool isRepeated(Indices tuple);
  bool losesLanes(const Type &type);
  unsigned levelOf(Indices tuple);
  Tuple tupleOf(const Context &context, Indices indices);
  unsigned addDim(mlir::Value value, Range range, unsigned level);
  mlir::AffineExpr dim(unsigned position) { return mlir::getAffineDimExpr(position, &context); }
  template <class F> auto atLevel(unsigned level, F emit) {
    std::vector<std::unique_ptr<Level>> inner(std::make_move_iterator(levels.begin() + level + 1),
                                              std::make_move_iterator(levels.end()));
    levels.resize(level + 1);
    auto result = emit();
    for (auto &l : inner) levels.push_back(std::move(l));
    return result;
  }
  mlir::AffineExpr number(int64_t n) { return mlir::getAffineConstantExpr(n, &context); }
  mlir::Value lookup(const MemoKey &key);

  // ImportIndex.cpp: index expressions.
  /// An integer expression as a function of loop indices, with its range; nothing when it is not quasi-affine
  /// or may wrap.
  struct AffineIndex {
    mlir::AffineExpr expr;
    Range range;
  };
  std::optional<AffineIndex> affineOf(Position at, const Expr &e);
  std::optional<AffineIndex> affineOf(Frame &frame, VarId v);
  mlir::Value indexAsInteger(mlir::AffineExpr e);
  mlir::AffineExpr indexOf(mlir::Value integer, Range range);
  mlir::AffineExpr loopIndex(Level &level, int64_t size);
  mlir::Value clampInteger(mlir::Value integer, int64_t high);
  struct AxisIndex {
    mlir::AffineExpr expr;
    bool clamp = false;
  };
  AxisIndex axisIndex(Position at, const ReadIndex &r, int64_t size, mlir::AffineExpr inner, bool direct);
  Site *directSource(Position at, const Expr &e);

  mlir::Value constant(mlir::TypedAttr value);
  mlir::Value constantValue(const Expr &e);
  mlir::Value fail(Span span, const llvm::Twine &message, mlir::Type type);
  /// The program is right, but has something that this version does not compile; a note of the error says so.
  mlir::Value refuse(Span span, const llvm::Twine &message, mlir::Type type);
  mlir::Location locationOf(Span span);
  mlir::Type typeOf(const Type &type) { return valueType(type, &context); }
  mlir::OpBuilder &builder();
  template <class Op, class... Args> mlir::Value emit(Args &&...args) {
    ++operations;
    return Op::create(builder(), location, std::forward<Args>(args)...)->getResult(0);
  }

  const Program &program;
  const SourceMap &sources;
  mlir::MLIRContext &context;
  mlir::OpBuilder b;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  InfoCache infos;
  bool failed = false;
  int64_t operations = 0;

  // Of the node at hand.
  Frame *root = nullptr;
  mlir::Location location;
  std::deque<std::unique_ptr<Frame>> frames;
  std::deque<Site> sites;
  std::deque<ForeignCall> foreignCalls;
  std::deque<Binder> binders;
  std::vector<std::pair<Frame *, ScanState *>> scans;
  llvm::DenseMap<mlir::Block *, std::pair<Frame *, ScanState *>> scanOfBlock;
  std::deque<Expr> instanceResults;
  std::deque<Site *> queue;
  std::vector<std::pair<mlir::Operation *, Site *>> forwardReferences;
  std::vector<const NodeInstance *> rules; ///< called functions that state their derivative, and these derivatives
  std::unordered_map<const NodeInstance *, Frame *> constants; ///< frames of funs without inputs
  llvm::DenseMap<mlir::Attribute, mlir::Value> literals;
  std::unordered_map<const Expr *, mlir::Value> arrays;
  llvm::DenseMap<mlir::Block *, mlir::Value> firsts, counts;
  std::deque<std::pair<Frame *, ScanState *>> openScans; ///< results not computed yet

  // Of the body at hand.
  Site *computing = nullptr;
  std::vector<std::unique_ptr<Level>> levels;
  std::vector<Dim> dims;
  /// Of dimensions that are an index clamped to 0..high: the index before that.
  struct ClampedIndex {
    mlir::AffineExpr expr;
    int64_t high;
  };
  llvm::DenseMap<unsigned, ClampedIndex> clampedDims;
  std::vector<Range> ranges;
  llvm::DenseMap<mlir::Value, unsigned> dimOf; ///< of computed indices, by the integer value
};

} // namespace mlr::dataflow
