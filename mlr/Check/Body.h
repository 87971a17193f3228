// Elaborates the body of one instance: from equations of the tree to equations of the typed program.
//
// Types flow through expressions bottom-up. An expression made of literals stays flexible (Flex) until an
// operand, a target or a parameter decides its scalar type; then setScalar() goes down the literals and
// rounds them once. Equations are elaborated in the order of their dependencies. Where they depend on one
// another, the types of the variables are first guessed: the equations are elaborated silently, again and
// again, with unknown operands taking the type of the others, until nothing changes; each guess is rolled
// back. What is made from an unknown operand is open: it takes the shape of whatever else decides, and is taken
// for final only when nothing else does. Then they are elaborated for good.
#pragma once

#include "mlr/Check/Checker.h"
#include "mlr/Check/ClockTerms.h"
#include "mlr/Check/Literals.h"

#include <deque>

namespace mlr::checking {

/// An elaborated expression: a tree of the program, or a tuple of them. Unknown: not known yet (while
/// guessing), or an error was reported.
struct Value {
  Ty::Kind kind = Ty::Kind::Unknown;
  Flex flex = Flex::None;
  Expr *expr = nullptr;     ///< Plain; its type.scalar is provisional while flex is set
  std::vector<Value> parts; ///< Tuple
  const Nominal *nominal = nullptr; ///< the enum (Plain) or struct (Tuple) that it is of
  Shape lead;               ///< of a struct: axes in front of those of every leaf
  bool open = false;        ///< while guessing: see Ty
  bool truth = false;       ///< made of `true` and `false` alone

  /// A scalar made of literals: it fills the shape that its context asks for.
  bool fills() const { return plain() && shape().empty() && (flex != Flex::None || truth); }
  bool unknown() const { return kind == Ty::Kind::Unknown; }
  bool isStruct() const { return kind == Ty::Kind::Tuple && nominal; }
  bool plain() const { return kind == Ty::Kind::Plain; }
  const Type &type() const { return expr->type; }
  const Shape &shape() const { return expr->type.shape; }
  Ty ty() const;
};

/// The leaves of a value, in order.
void flatten(const Value &v, std::vector<const Expr *> &out);
/// The types of the leaves, in order.
void leafTypes(const Ty &ty, std::vector<Type> &out);

using SymbolId = uint32_t;
struct Unit;

/// One time of the node, its own or that of a scan; or a block within one that runs on a clock of its own.
struct Scope {
  /// Time: the node's or a scan's. When and Reset blocks leave their names to the scope around them, arms do not.
  enum class Kind : uint8_t { Time, When, Arm, Reset } kind = Kind::Time;
  Scope *parent = nullptr;
  ScanTime *time = nullptr;
  Region *region = nullptr;
  std::string_view index; ///< of the scan
  Span span;
  std::unordered_map<std::string_view, SymbolId> names;
  ClockTerm *base = nullptr;  ///< on which equations in it run where nothing else decides
  ClockTerm *outer = nullptr; ///< where it stands, in the scope around it; null for the node's own time

  /// Whose `names` its definitions enter.
  Scope &table() { return kind == Kind::When || kind == Kind::Reset ? parent->table() : *this; }
  /// The scope of the time that it belongs to.
  Scope &ofTime() { return kind == Kind::Time ? *this : parent->ofTime(); }
};

/// A variable as the source has it; a tuple has several leaves.
struct Symbol {
  std::string_view name;
  Span span;
  Var::Kind kind = Var::Kind::Local;
  Scope *scope = nullptr;
  const ast::TypeExpr *declared = nullptr;
  Ty ty;                     ///< Unknown until inferred
  std::vector<VarId> leaves; ///< empty until the type is final
  const ast::ClockExpr *declaredClock = nullptr;
  ClockTerm *declaredTerm = nullptr; ///< what it became
  bool isParameter = false;  ///< its clock is declared: none is the base clock
  ClockTerm *clock = nullptr;
  std::string_view leafName; ///< of its variables, where `name` is not unique
  bool isOfArm = false;      ///< what one arm makes of a merged variable
  bool isMerged = false;     ///< .. whose type is that of `merged`, and is inferred with it
  SymbolId merged = 0;
  std::vector<SymbolId> arms; ///< of a merged variable: those that are inferred with it
  Unit *definition = nullptr;
  std::vector<Unit *> readers; ///< in the same component, while guessing
  int guesses = 0;
  Flex literal = Flex::None; ///< the type is the default of the literals that alone define it
};

/// One statement to elaborate.
struct Unit {
  enum class Kind : uint8_t { Equation, Stacked, EndValue, Until, Scan, Condition } kind = Kind::Equation;
  const ast::Stmt *stmt = nullptr;
  const ast::Expr *expr = nullptr; ///< its expression; null for a scan
  Scope *scope = nullptr; ///< that its expression stands in
  Scope *block = nullptr; ///< Condition: whose; Scan: the inner scope
  const ast::ClockExpr *declaredClock = nullptr; ///< Condition: of a declared clock, not of a block
  SymbolId declaredFor = 0;                      ///< whose
  bool coversArms = false; ///< Condition of the first arm of `match`
  std::vector<SymbolId> targets;
  std::vector<SymbolId> reads; ///< variables without a declared type
  ClockTerm *clock = nullptr;  ///< on which its expression is computed
  bool hasClock = false;
  std::vector<Equation> equations;
  int number = -1, low = -1;
  bool onStack = false, queued = false, cyclic = false;
  bool complete = false; ///< elaborated without an error: every target has its definition
};

/// An arm of a block before it is collected.
struct ArmText {
  const ast::Block *block = nullptr;
  const ast::ClockExpr *clock = nullptr;
  const ast::ClockExpr *reset = nullptr; ///< a state's: starts it afresh
  std::string constructor;               ///< empty: of `if`
  std::string display;                   ///< "the arm `Brake`"
  std::vector<std::unique_ptr<ast::Stmt>> more; ///< equations beside those of the block
  std::vector<std::string_view> defines;
  int number = 0;
};

/// What clock inference found at an expression that changes clocks.
struct ClockMark {
  ClockTerm *operand = nullptr;    ///< of `e when c`, `hold(e, i)`; of a call: on which the instance runs
  std::vector<ClockTerm *> each;   ///< by operand: arms of merge, components of a tuple, arguments of a call
  std::vector<ClockTerm *> results; ///< of a call, by output
  ClockCondition *condition = nullptr; ///< when, reset call
  std::vector<ClockCondition *> conditions; ///< of the arms of a merge; of a call's inputs and outputs
  std::vector<ClockTerm *> above;           ///< of a call: the clocks that its conditions are on
};

/// An index of a comprehension around the expression.
struct Comprehended {
  std::string_view name;
  IndexId id;
  int64_t size;
};

class Body {
public:
  Body(Checker &checker, const Signature &signature, NodeInstance &instance, Diagnostics &diagnostics);
  /// For static arguments that stand elsewhere: reports as `report` does.
  Body(Checker &checker, const Signature &signature, NodeInstance &instance, const Reporter &report,
       std::function<std::string(std::string_view)> describeName);
  /// The whole body of a node or fun. False: something is missing in it, and an error was reported.
  bool elaborate();
  /// The expression of a constant or of a static argument: no variables, no time.
  Value constant(const ast::Expr &e, const Ty &ty, const std::string &what);
  /// The same for [elements].
  Value constant(const std::vector<ast::ExprPtr> &elements, Span span, const Ty &ty, const std::string &what);
  /// Gives `param` the value of an expression of this body's environment. False: reported.
  bool bindParam(const ast::StaticParam &param, const ast::Expr *value,
                 const std::vector<ast::ExprPtr> *shape, Span span, Env &target);
  /// Gives the static parameters of `decl` the values of arguments in << >>. False: reported.
  bool bindArguments(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, Env &target);
  Reporter &reporter() { return report; }
  /// The constant is made of calls with scans, one for each index of a comprehension: no expression of a program.
  bool mustBeComputed() const { return isTable; }

private:
  // Symbols.cpp: scopes, symbols, units
  void declareParameters();
  void collectBlock(const ast::Block &block, Scope &scope);
  void collectStmt(const ast::Stmt &stmt, Scope &scope);
  void collectScan(const ast::Stmt &stmt, Scope &scope);
  void collectIf(const ast::Stmt &stmt, Scope &scope);
  void collectMatch(const ast::Stmt &stmt, Scope &scope);
  void collectArms(const ast::Stmt &stmt, std::vector<ArmText> arms, const std::string &selector, Scope &scope);
  void collectLast(const ast::Stmt &stmt, Scope &scope);
  void collectReset(const ast::Stmt &stmt, Scope &scope);
  void collectAutomaton(const ast::Stmt &stmt, Scope &scope);
  std::optional<size_t> stateNamed(const ast::Stmt &stmt, const ast::Name &name);
  std::string_view keep(std::string text);
  const ast::Stmt &keep(std::unique_ptr<ast::Stmt> stmt);
  const ast::ClockExpr &armClock(std::string selector, Span selectorSpan, ast::ClockExpr::Kind kind, std::string constructor,
                                Span span);
  std::string namedCondition(const ast::Expr &e, const char *base, Scope &scope);
  ast::ExprPtr mergeOf(std::string_view name, const std::vector<ArmText> &arms, const std::string &selector,
                       bool isMemory, Span span);
  std::vector<std::string_view> memoriesAround(Scope &scope) const;
  void armVariable(std::string_view name, const ArmText &arm, Scope &block, SymbolId merged, Scope &scope);
  bool isMentionedOutside(std::string_view name, const ast::Stmt &stmt);
  Span placeOf(const std::vector<ArmText> &arms, std::string_view name, Span fallback) const;
  bool requireInAll(std::string_view name, const std::vector<ArmText> &arms,
                    const std::vector<std::string_view> &memories, Scope &scope);
  void collectWhen(const ast::Stmt &stmt, Scope &scope);
  void collectMonitor(const ast::Stmt &stmt, Scope &scope);
  Scope &openBlock(Scope::Kind kind, const ast::Stmt &stmt, const ast::ClockExpr &clock, Scope &at);
  void collectEquation(const ast::Stmt &stmt, Scope &scope);
  void addTarget(Unit &unit, const ast::Name &name, Scope &scope, bool leavesScan);
  SymbolId newSymbol(const ast::Name &name, Var::Kind kind, Scope &scope);
  bool hidesSomething(const ast::Name &name, Scope &scope);
  bool refuse(const ast::Stmt &stmt);
  void requireOutputs();
  void declareLeaves(Symbol &symbol);
  void declareLeaves(Symbol &symbol, const Ty &ty, const std::string &name);
  const SymbolId *lookup(std::string_view name) const;
  const SymbolId *variableRead(const ast::Expr &e) const;
  std::string describe(std::string_view name) const;
  std::vector<std::string_view> visibleNames() const;

  // Clocks.cpp: inference; ClockReport.cpp: what does not fit
  void inferClocks();
  std::vector<Unit *> clockOrder();
  void inferBlock(Scope &block, const ast::ClockExpr &clock);
  ClockTerm *baseOf(Scope &block);
  void checkInputClock(const Symbol &symbol);
  void inferUnit(Unit &unit);
  void inferTargets(Unit &unit);
  ClockTerm *clockOf(const ast::Expr &e);
  ClockTerm *clockOf(SymbolId id);
  ClockTerm *clockAbove(const Symbol &symbol);
  bool selectsByType(const Symbol &selector, const ast::ClockExpr &clock);
  ClockTerm *clockOfName(const ast::Expr &e, std::string_view name);
  ClockTerm *clockOfWhen(const ast::Expr &e);
  ClockTerm *clockOfMerge(const ast::Expr &e);
  ClockTerm *clockOfHold(const ast::Expr &e);
  ClockTerm *clockOfCall(const ast::Expr &e, const ast::Decl &decl);
  ClockTerm *combine(const ast::Expr &e, const std::vector<const ast::Expr *> &operands);
  ClockTerm *seenFrom(ClockTerm *clock, Scope *from, Scope *to, const ast::Expr *at);
  ClockTerm *enter(ClockTerm *clock, Scope &block, const ast::Expr *at);
  ClockTerm *onCondition(const ast::ClockExpr &clock, ClockTerm *parent);
  ClockCondition *condition(const ast::ClockExpr &clock);
  std::string canonical(const ast::Expr &e) const;
  static std::string variableKey(SymbolId id);
  bool remembers(const ast::Expr &e) const;
  static const ast::Expr &selectorOf(const ast::Expr &condition, int64_t &value);
  static ClockTerm *rebased(ClockSolver &clocks, ClockTerm *t, ClockTerm *above, ClockTerm *base);
  struct Later {
    enum class Kind : uint8_t { Enter, Hold } kind;
    ClockTerm *clock, *result;
    Scope *block;
    const ast::Expr *at;
    bool done = false;
  };
  void solveLater();
  void checkBlockClocks();
  ClockTerm *writtenClock(const Later &hold);
  bool tryLater(Later &later);
  void settleClock(ClockTerm *t);
  ClockCondition *conditionOfCall(const ast::Expr &e, const ast::Decl &decl, const ast::ClockExpr &clock);
  void finishCallClocks(const ast::Expr &e, const Signature &callee, ClockMark &mark);
  Value presentAlways(Value v, ClockTerm *clock);
  ClockTerm *clockOfResetParameter(const ast::Expr &e);
  void markReset(const ast::Expr &e, ClockMark &mark, const ast::Expr *first);
  ClockTerm *clockOfClockedCall(const ast::Expr &e, const ast::Decl &decl);
  void reportHold(const ast::Expr &e, ClockTerm *found);
  void reportLater(const ast::Expr &e, ClockTerm *found, ClockTerm *wanted);
  void reportClocks(const ast::Expr &e, const ast::Expr *first, ClockTerm *a, const ast::Expr *second, ClockTerm *b);
  void reportDefinedClock(const Unit &unit, SymbolId target, ClockTerm *found, const ast::Expr &e);
  void reportPosition(const ast::Expr &e, ClockTerm *found, ClockTerm *wanted, std::string title, std::string label);
  std::string describeClock(ClockTerm *t) const;
  std::string instants(const std::vector<std::pair<std::string, ClockTerm *>> &rows) const;
  bool mismatch(const ast::Expr &e, ClockTerm *a, ClockTerm *b);
  std::string sampledText(const std::string &operand, ClockTerm *from, ClockTerm *to) const;
  std::string heldText(const ast::Expr &e, ClockTerm *from, ClockTerm *to) const;
  std::string heldText(std::string name, Scalar scalar, ClockTerm *from, ClockTerm *to) const;
  std::string replaced(const ast::Expr &operand, const std::string &by) const;

  // Sampling.cpp: expressions that change clocks
  Value elabWhen(const ast::Expr &e, const Ty *want);
  Value elabMerge(const ast::Expr &e, const Ty *want);
  Value elabHold(const ast::Expr &e, const Ty *want);
  Value holdValue(const Value &x, const Value &init, ClockTerm *clock, Span span);
  Expr *variableOn(Expr *e, ClockTerm *clock, const char *base);
  Value onVariable(Value v, ClockTerm *clock);
  Expr *mergeLeaf(VarId selector, std::vector<Expr *> operands, const std::vector<ClockTerm *> &clocks, Span span);
  Value mergeValues(VarId selector, std::vector<Value> operands, const std::vector<ClockTerm *> &clocks, Span span);
  Expr *readLifted(Expr *stream, const std::vector<IndexId> &free, size_t leading, Span span);
  bool elabSelector(ClockCondition &condition, ClockTerm *parent);
  ClockTerm *outsideResets(const ClockCondition &condition, ClockTerm *parent, Scope *&home);
  void unifySelectors();

  bool coverArms(const Nominal &type, const std::vector<ast::Name> &arms, Span span, const char *what);

  // Segments.cpp: time to space and back
  std::optional<int64_t> segmentLength(const ast::Expr &e);
  bool isPackUntil(const ast::Expr &e) const;
  ClockCondition &everyCondition(int64_t period, Span span);
  ClockTerm *clockOfPack(const ast::Expr &e);
  ClockTerm *clockOfUnpack(const ast::Expr &e);
  Value zeroOf(const Value &v);
  Value windowOf(Value x, int64_t count, const Ty *want, Span span);
  Value elabPack(const ast::Expr &e, const Ty *want);
  Value elabPackUntil(const ast::Expr &e);
  Value segmentOf(const Value &window, VarId position, int64_t count, Span span);
  Value elabUnpack(const ast::Expr &e, const Ty *want);
  Value elementOf(const Value &xs, const Value &init, ClockTerm *clock, VarId position, int64_t count, Span span);
  Value reshaped(Value v, bool split, int64_t block);
  static Shape reshapedLead(Shape shape, bool split, int64_t block);
  Value elabSplit(const ast::Expr &e);

  // Regions.cpp: the regions of clocks
  Region &regionOf(ClockTerm *clock);
  Clock *clockObject(ClockTerm *clock);
  void setClock(VarId var, ClockTerm *clock);
  ClockTerm *clockOfEquation(const Unit &unit, const Equation &equation);

  // Order.cpp: dependencies and the guessing of types
  void collectReads();
  void elaborateInOrder();
  void elaborateComponent(std::vector<Unit *> &component);
  void guess(std::vector<Unit *> &component);
  bool readsFailure(const std::vector<Unit *> &component) const;
  bool explainContradiction(const std::vector<Unit *> &component);
  size_t contradictions(const std::vector<Unit *> &component, bool isOneEnough = false);
  bool blameLiteral(std::vector<Unit *> &component);
  bool agreesWith(SymbolId chosen, const Ty &ty, std::vector<Unit *> &component);
  void preferFloat(Unit &unit, std::deque<Unit *> &queue);
  std::string plausibleType(const std::vector<Unit *> &component);
  void settleGuesses(std::vector<Unit *> &component, std::deque<Unit *> &queue);
  void assumeUnknown(std::vector<Unit *> &component, std::deque<Unit *> &queue);
  void drain(std::deque<Unit *> &queue);
  Value opened(Value v) const;
  void guessUnit(Unit &unit, std::deque<Unit *> &queue);
  void updateGuess(Symbol &symbol, Ty ty, std::deque<Unit *> &queue);
  void assemble();

  // Units.cpp: one statement
  void elaborateUnit(Unit &unit);
  void elaborateEquation(Unit &unit);
  void elaborateMonitor(Unit &unit);
  bool elaborateCallEquation(Unit &unit);
  void elaborateResult(Unit &unit);
  void elaborateUntil(Unit &unit);
  std::vector<Ty> targetTypes(const Unit &unit, const Value &value);
  Value valueOf(Unit &unit);
  bool define(Symbol &symbol, Value value, const ast::Expr &e);
  bool settle(Symbol &symbol, Value &value, const ast::Expr &e);
  void emitLeaves(const Symbol &symbol, const Value &value, size_t &leaf, Span span);
  void emitResults(const Symbol &symbol, const Value &value, size_t &leaf, ScanResult::Kind kind, Span span);

  // Expressions.cpp
  Value elab(const ast::Expr &e, const Ty *want = nullptr);
  Value elabNumber(const ast::Expr &e);
  Value elabName(const ast::Expr &e);
  // Structs.cpp
  Value elabField(const ast::Expr &e);
  void noField(const ast::Decl &decl, const std::string &name, Span span);
  Value fieldOf(const Value &v, const ast::Expr &e);
  Value elabStruct(const ast::Expr &e, const Ty *want);
  Value elabUpdate(const ast::Expr &e, const Ty *want);
  bool orderFields(const ast::Decl &decl, const ast::Expr &e, std::vector<const ast::Expr *> &out);
  Value spread(Value literal, const Ty &ty);
  /// One value a leaf of the structs among `args`, made by `leaf` from their leaves and the other arguments.
  Value overLeaves(const std::vector<Value> &args, const std::function<Value(std::vector<Value>)> &leaf);
  bool alikeStructs(const std::vector<Value> &args, const std::vector<const ast::Expr *> &where,
                    const std::string &spelling, bool floats);
  Value elabMap(const ast::Expr &e);
  Value elabReduceLeaves(const ast::Expr &e);
  const ast::Expr *synthesiseCall(const ast::Expr &e, size_t first);
  Value copy(const Value &v);
  Value named(Value v);
  Value elabDeclared(const ast::Expr &e, const ast::Decl &decl);
  Value elabConstructor(const ast::Expr &e, const Nominal &type, const ast::Name &name);
  /// The number of a constructor written `Brake` or `Mode.Brake`; nothing when that was reported.
  std::optional<size_t> constructorOf(const Nominal &type, const ast::Name &name);
  const Nominal *enumNamed(std::string_view name);
  Value unknownName(const ast::Expr &e);
  bool explainHidden(const ast::Expr &e, Diagnostic &d);
  Value elabStatic(const ast::Expr &e, const StaticValue &value);
  Value elabConstant(const ast::Expr &e, const ast::Decl &decl);
  Value elabTuple(const ast::Expr &e, const Ty *want);
  Value elabList(const std::vector<ast::ExprPtr> &elements, Span span, const Ty *want);
  Value stackList(std::vector<Value> values, Span span);
  Value elabUnary(const ast::Expr &e, const Ty *want);
  Value elabBinary(const ast::Expr &e, const Ty *want);
  Value elabIf(const ast::Expr &e, const Ty *want);
  bool isOpenFill(const ast::Expr &e) const;
  bool needsType(const ast::Expr &e) const;
  std::vector<Value> elabAlike(const std::vector<const ast::Expr *> &operands, const Ty *want, const Ty *scalar = nullptr);
  Value truth(Value v, const std::vector<Value> &from) const;
  Value select(Expr *condition, Value a, Value b, Span span);
  Diagnostic &refuseCompound(const ast::Expr &e, const Value &v, const std::string &spelling);
  Value elementwise(OpKind op, std::vector<Value> operands, const ast::Expr &e, const std::string &spelling);
  Value negate(Value a, const ast::Expr &e);
  std::string_view comparisonAfter(const ast::Expr &e) const;
  bool elabScalarCondition(const ast::Expr &e, const std::string &what, Expr *&out);
  /// Whether the known value of `e` is one bool; an error calls it `what`.
  bool fitScalarCondition(Value &c, const ast::Expr &e, const std::string &what);

  // Coerce.cpp: literals, broadcasting, mismatches
  void setScalar(Expr *e, Scalar s);
  void resolveLiteral(Expr *e, Scalar s);
  void force(Value &v, Scalar s);
  void forceDefault(Value &v, const Ty *want = nullptr);
  Value broadcast(Value v, const Shape &shape);
  Expr *broadcastTo(Expr *e, const Shape &shape);
  bool fit(Value &v, const Ty &ty, const ast::Expr &e, const std::string &what);
  bool fitPlain(Value &v, const Ty &ty, const ast::Expr &e, const std::string &what);
  bool unifyScalars(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
                    const std::string &spelling);
  bool unifyShapes(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
                   const std::string &spelling);
  bool join(std::vector<Value> &values, const std::vector<const ast::Expr *> &where,
            const std::string &spelling);
  Value guessJoin(const Value &a, const Value &b, const std::vector<const ast::Expr *> &where,
                  const std::string &spelling);
  void describeOperand(Diagnostic &d, const ast::Expr &e, const Value &v, bool primary);
  bool suggestAnnotation(Diagnostic &d, const ast::Expr &e, Scalar is, Scalar wanted);
  bool foldReshape(Expr *e);
  bool foldConcat(Expr *e);

  // Time.cpp
  Value elabDelay(const ast::Expr &e, const Ty *want);
  Value elabEndValue(const ast::Expr &e, const Ty *want);
  Value elabWindow(const ast::Expr &e, const Ty *want);
  Value elabCount(const ast::Expr &e);
  bool allowState(const ast::Expr &e, const std::string &spelling);
  bool allowEnd(const ast::Expr &e, const std::string &spelling);
  Value inTime(ExprKind kind, std::vector<Value> operands, Span span, int64_t count = 0);
  Expr *inTimeLeaf(ExprKind kind, std::vector<Expr *> operands, Span span, int64_t count);
  Expr *overIndices(Expr *e, const std::vector<IndexId> &free);

  // Indexing.cpp
  struct Interval {
    __int128 low, high;
  };
  struct Affine {
    __int128 constant = 0;
    std::vector<std::pair<uint64_t, __int128>> terms; ///< by index or scan variable
  };
  Value elabIndex(const ast::Expr &e);
  Value indexValue(Value v, const ast::Expr &e);
  Value indexStruct(Value v, const ast::Expr &e);
  bool elabReads(const ast::Expr &e, const Shape &shape, std::vector<ReadIndex> &reads);
  bool elabAt(const ast::Index &index, int64_t size, size_t axis, const ast::Expr &array, ReadIndex &out);
  bool elabRange(const ast::Index &index, int64_t size, const ast::Expr &array, ReadIndex &out);
  bool elabSlide(const ast::Index &index, int64_t size, const ast::Expr &array, ReadIndex &out);
  bool elabPosition(const ast::Expr &e, Expr *&out);
  void reportOutside(const ast::Expr &e, const Affine &a, Interval range, int64_t size, size_t axis,
                     const ast::Expr &array);
  bool mentionsVariable(const ast::Expr *e) const;
  Value elabAtOr(const ast::Expr &e);
  Expr *read(Expr *array, std::vector<ReadIndex> reads, Span span);
  bool mergeReads(Expr &inner, const std::vector<ReadIndex> &outer);

  // Comprehension.cpp
  Value elabComprehension(const ast::Expr &e, const Ty *want);
  Value stacked(Value v, const Shape &axes) const;
  Value elabReduce(const ast::Expr &e, const Ty *want);
  Value elabReduceAll(const ast::Expr &e);
  bool enterIndices(const ast::Expr &e, std::vector<IndexId> &indices);
  bool prepareReduction(ReduceKind kind, Value &body, const ast::Expr &body_e, const ast::Expr &e,
                        const Ty *want, int64_t count);
  Value matrixProduct(Value a, Value b, const ast::Expr &e);
  Value dotProduct(Value a, Value b, const ast::Expr &e);
  Expr *contraction(Expr *a, const std::vector<int64_t> &aAxes, Expr *b, const std::vector<int64_t> &bAxes,
                    IndexId k, Span span, bool flexible);

  // Calls.cpp
  Value elabCall(const ast::Expr &e, const Ty *want);
  Value callParameter(const ast::Expr &e, const ast::StaticParam &param, const FunctionValue &function);
  DeclFacts factsOfCall(const ast::Decl &decl, const ast::Expr &e) const;
  Value callDeclaration(const ast::Decl &decl, const ast::Expr &e, const Ty *want);
  struct PreparedCall {
    Signature signature;
    std::vector<Value> args;
    NodeInstance *instance = nullptr;
  };
  bool prepareCall(const ast::Decl &decl, const ast::Expr &e, const std::vector<Ty> *want, PreparedCall &out,
                   Value &guess);
  Value clockedCall(PreparedCall &call, const ast::Expr &e, ClockMark &mark);
  bool mentionsIndex(const ast::Expr &e) const;
  bool sharesClocks(const ast::Expr &e, const ast::Decl &decl, const ClockMark &mark);
  Value resetInstances(PreparedCall &call, const ast::Expr &e, ClockMark &mark);
  bool orderArguments(const ast::Decl &decl, const ast::Expr &e, std::vector<const ast::Expr *> &out);
  bool lifts(const ast::Decl &decl, const std::vector<Value> &args) const;
  Value liftCall(const ast::Decl &decl, const ast::Expr &e, const std::vector<const ast::Expr *> &ordered,
                 const std::vector<Value> &args);
  bool allowCall(const ast::Decl &decl, const ast::Expr &e);
  Value emitCall(PreparedCall &call, const ast::Expr &e);
  Value hoistCall(PreparedCall &call, const ast::Expr &e, const std::vector<IndexId> &free);
  Equation callEquation(PreparedCall &call, Span span);
  /// The tree of values of type `ty` whose leaves are made by `leaf`, in order.
  Value assemble(const Ty &ty, const std::function<Value(const Ty &)> &leaf) const;
  Value assemble(const std::vector<Ty> &types, const std::function<Value(const Ty &)> &leaf) const;
  Value tupleOf(const std::vector<Ty> &types, const std::vector<VarId> &vars, Span span);
  const ast::Decl *calledDeclaration(const ast::Expr &e) const;

  // Signature.cpp: static parameters of a call
  std::string withStatic(const ast::Decl &decl, const ast::StaticParam &param, const ast::Expr &e);
  bool inferStatics(const ast::Decl &decl, const ast::Expr &e, const std::vector<Value> &args,
                    const std::vector<Ty> *want, Signature &out);
  struct Given {
    const ast::StaticParam *param;
    const ast::StaticArg *arg;
  };
  bool bindFunction(const ast::StaticParam &param, const ast::Expr *value, Span span, StaticValue &out);
  bool bindGiven(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, Env &env, std::vector<Given> &later);
  void unify(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &env, bool literals);
  void unifyDims(const ast::Decl &decl, const std::vector<ast::ExprPtr> &dims, const Shape &shape, Env &env);
  void unifySize(const ast::Decl &decl, const ast::Expr &written, int64_t actual, Env &env);
  void unifyWritten(const ast::Decl &decl, const ast::Expr &written, const Ty &ty, Env &target);
  void unifyStruct(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &env);
  bool unifyElement(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &ty, Env &env);
  void unifyName(const ast::Decl &decl, const ast::TypeExpr &type, const Ty &actual, Env &env);
  bool unifyAll(const ast::Decl &decl, const std::vector<Value> &args, const std::vector<Ty> *want,
                const std::vector<Given> &later, Env &env);
  bool evaluateSignature(Signature &signature, Span usedAt);
  void guessOutputs(Signature &signature);
  bool noSizeFits(const ast::Decl &decl, const ast::StaticParam &param, const std::vector<Value> &args,
                  const Env &target);
  bool refuseStatics(const ast::Decl &decl, const ast::Expr &e);

  // Builtins.cpp, Elementary.cpp
  Value elabBuiltin(const ast::Expr &e, const Ty *want);
  Value elabConversion(const ast::Expr &e, Scalar s);
  Value elabBits(const ast::Expr &e);
  Value elabFromBits(const ast::Expr &e);
  Value elabOperator(const ast::Expr &e, OpKind op, size_t arity, const Ty *want);
  Value elabWhere(const ast::Expr &e, const Ty *want);
  Value elabConcat(const ast::Expr &e);
  Value elabReshape(const ast::Expr &e, const Ty *want);
  Value elabFill(const ast::Expr &e, const Ty *want);
  Value elabIsNan(const ast::Expr &e);
  // Gradients.cpp
  Value elabGradient(const ast::Expr &e);
  Value elabStop(const ast::Expr &e, const Ty *want);
  bool variablesOf(const Value &v, const ast::Expr &e, std::vector<const Expr *> &out);
  Value elabLoad(const ast::Expr &e, const Ty *want);
  Value loadLeaves(const ast::Expr &e, const Ty &ty, const std::string &name);
  Value elabElementary(const ast::Expr &e, const Ty *want);
  Value elementary(const ast::Expr &e, std::vector<Value> given, const Ty *want);
  /// The first `apart` have types of their own; those of the others are alike.
  bool elabArguments(const ast::Expr &e, size_t arity, std::vector<Value> &out, const Ty *want = nullptr, size_t apart = 0);
  std::optional<Shape> shapeArgument(const ast::Expr &e);
  std::optional<Type> typeArgument(const ast::Expr &e);

  // Trees.cpp
  Expr *make(ExprKind kind, Type type, Span span, std::vector<const Expr *> args = {});
  Expr *makeOp(OpKind op, Type type, Span span, std::vector<const Expr *> args);
  Expr *makeConst(Array value, Span span);
  Expr *makeVar(VarId var, Span span);
  Expr *makeIndex(IndexId index, Span span);
  Value literal(Literal literal, Flex flex, Span span);
  Value plain(Expr *e, Flex flex = Flex::None) const;
  IndexId newIndex(std::string name, int64_t size, Span span);
  std::string indexName(std::string name) const;
  VarId newHidden(Type type, Span span, std::string_view base);
  /// A copy that shares nothing.
  Expr *clone(const Expr *e);
  /// A copy in which comprehension indices are renamed (an entry -1: the constant 0).
  using Renaming = std::unordered_map<IndexId, int64_t>;
  Expr *clone(const Expr *e, Renaming &renaming);
  /// The same in place.
  Expr *rename(Expr *e, const Renaming &renaming);
  /// Comprehension indices around the expression that it mentions, outermost first.
  std::vector<IndexId> freeIndices(const std::vector<const Expr *> &trees) const;
  /// The element of `e` at one index (or 0: -1) for each axis; takes `e` apart.
  Expr *elementAt(Expr *e, const std::vector<int64_t> &axes, Span span);
  /// An index (or 0: -1) for each axis.
  std::vector<ReadIndex> positions(const std::vector<int64_t> &axes, Span span);
  Expr *elementOfSlice(Expr *e, const std::vector<int64_t> &axes, Span span);
  /// `e` itself if it is a variable or constant, else a hidden variable for it where that is possible.
  Expr *named(Expr *e);
  /// Inside a comprehension: what does not depend on all of its indices is computed once for those it depends
  /// on.
  Expr *shared(Expr *e);
  Value shared(Value v);
  /// A hidden variable for `e` over the indices that it mentions, read at them; `e` itself if that is too
  /// large.
  Expr *lifted(Expr *e, std::string_view base);
  Expr *define(Expr *e, std::string_view base);

  // Bounds.cpp: what values an index takes
  std::optional<Affine> affine(const Expr *e) const;
  std::optional<Interval> rangeOf(const Affine &a, Scalar s, bool &never) const;
  std::optional<Interval> affineRange(const Expr *e, bool &never) const;
  std::optional<Interval> interval(const Expr *e) const;
  bool deadCode() const;

  /// Sizes of everything that a guess appends, to take it back.
  struct Mark {
    size_t arena, vars, indices, literals, equations;
  };
  Mark mark() const;
  void rollBack(const Mark &mark);

  Diagnostic &error(const DiagnosticKind &kind, Span span, std::string title, std::string label = "") {
    return report.error(kind, span, std::move(title), std::move(label));
  }
  std::string text(Span span) const { return excerpt(checker.sources, span); }
  std::string text(const ast::Expr &e) const { return excerpt(checker.sources, e.span); }

  Checker &checker;
  const Signature &signature;
  const Env &env;
  const Module &module;
  NodeInstance &instance;
  Reporter report;
  StaticEvaluator statics;
  std::deque<Scope> scopes;
  std::deque<Symbol> symbols;
  std::deque<Unit> units;
  /// Values that stand for expressions while a call is repeated for each leaf of a struct.
  std::unordered_map<const ast::Expr *, Value> given;
  std::deque<ast::Expr> synthesised;
  const FunctionValue *bound = nullptr; ///< static parameters of the next call of its declaration are given by it
  std::vector<Literal> literals;
  std::vector<Comprehended> comprehended;
  Scope *scope = nullptr; ///< of the expression at hand
  Unit *unit = nullptr;   ///< the statement at hand; null in a constant
  std::deque<std::string> texts;                        ///< names of the checker's own
  std::deque<std::unique_ptr<ast::Stmt>> made;          ///< statements that blocks were translated into
  std::deque<ast::ClockExpr> madeClocks;
  std::deque<ast::Name> madeNames;
  size_t armCount = 0;
  std::unordered_map<std::string_view, std::vector<uint32_t>> mentions; ///< in the body, by name: offsets
  std::unordered_map<std::string, VarId> selectors; ///< by scope and expression; looked up only
  std::vector<std::pair<ClockCondition *, ClockTerm *>> selected; ///< conditions with hidden selectors; the clocks above
  std::vector<Expr *> selectorReads;                              ///< of merges
  ClockSolver clocks;
  std::unordered_map<const ast::Expr *, ClockMark> marks; ///< looked up only
  std::deque<Later> later;
  std::vector<std::pair<Scope *, const ast::ClockExpr *>> blocks; ///< outer ones first
  std::vector<std::string_view> indexNames;  ///< of comprehensions around, while clocks are inferred
  std::vector<ClockTerm *> varClocks;        ///< by variable; null: the base clock of its time
  std::unordered_map<VarId, ClockTerm *> callClocks; ///< by first target: where the instance runs
  std::unordered_map<const ast::ClockExpr *, ClockCondition *> conditionOf;
  std::unordered_map<std::string, Clock *> clockObjects; ///< by key; looked up only
  ClockTerm *here = nullptr; ///< the clock of the expression at hand; null: the base clock of the scope
  Unit *inferring = nullptr; ///< the statement whose clocks are being inferred
  int suggestions = 0;
  bool isTable = false;
  bool namesFailed = false; ///< an error of names was reported: what clocks say may follow from it
  bool assuming = false;   ///< guessing got stuck: unknown operands are taken to be like the others
  bool incomplete = false; ///< statements were refused, so definitions may be missing
};

/// Without its own parentheses nothing changes: the tree drops them. Kept for clarity at the uses.
inline bool isProduct(const ast::Expr &e) { return e.kind == ast::ExprKind::Binary && e.op == ast::Op::Mul; }

} // namespace mlr::checking
