// Derivatives by forward-mode dual numbers, on the typed program itself: they share nothing with the transformation that every
// engine runs, and check it.
//
// A derivative is taken pass by pass, each with a fresh *tag* for a direction of the variable. The cell of the variable is cut: its
// coefficient of the tag is the direction. The coefficient of any other cell follows from those of its operands. Under a derivative
// that is itself differentiated cells have coefficients of sets of tags, the outermost derivative's first (DualNumbers.h). In such
// a set the innermost tag alone says what is cut, as the inner derivative is what the outer one differentiates.
//
// A coefficient is asked for as a value is: a cell (frame, slot, instant, set of tags) on the work stack of the machine.
#pragma once

#include "mlr/Eval/DualNumbers.h"
#include "mlr/Eval/Machine.h"

#include <functional>
#include <unordered_map>

namespace mlr::eval {

/// Coefficients of one set, of all elements; null: all are zero.
using Tangent = std::shared_ptr<const std::vector<double>>;

/// One direction of one derivative at one instant.
struct Tag {
  struct Cut {
    const Frame *frame = nullptr;
    uint32_t slot = 0;
    int64_t t = 0;
    const Term *along = nullptr; ///< Jvp: its direction, which may itself be differentiated; pass by pass
    bool is(const Frame *f, uint32_t s, int64_t instant) const { return frame == f && slot == s && t == instant; }
  };
  std::vector<Cut> cuts; ///< Vjp: the first is the variable, in the direction; the others stay as they are
  Tangent direction;
  Place place; ///< of the derivative
  int64_t pass = 0;
  /// The times around the derivative, the innermost first, each with the instant: what belongs to other instants is constant.
  std::vector<std::pair<const Activation *, int64_t>> times;
  const NodeInstance *notLinear = nullptr; ///< a stated derivative that the pass met, and that no dual number can follow
  Scalar coarsest = Scalar::F64; ///< of the types that the value has on its way from the variable
};

struct TagSet {
  struct Key {
    const Frame *frame;
    uint32_t slot;
    int64_t t;
    bool operator==(const Key &) const = default;
  };
  struct Hash {
    size_t operator()(const Key &k) const {
      size_t h = std::hash<const void *>()(k.frame) * 31 + k.slot;
      return h * 1'000'003 + static_cast<size_t>(k.t);
    }
  };
  struct Cell {
    CellState state = CellState::Empty;
    Tangent value;
  };
  std::vector<Tag *> tags;       ///< outermost first
  std::vector<TagSet *> subsets; ///< by the bits of the tags in it; [0] is null
  std::vector<std::unordered_map<Key, Cell, Hash>> cells; ///< by depth of calls of funs
  unsigned full() const { return (1u << tags.size()) - 1; }
};

class Duals {
public:
  explicit Duals(Machine &machine) : m(machine) {}
  /// Forgets all of the instant before.
  void begin();
  /// Around the body of a fun, whose frames are soon those of another call.
  void enter() { ++depth; }
  void leave();
  /// One visit of the stack's entry at `place`, a coefficient. False: an error.
  bool run(const Machine::CellRef &cell, size_t place);
  /// The value of a derivative.
  void derivative(const Machine::CellRef &cell, Value &value);

  const std::vector<Array> *taken = nullptr; ///< outputs of the differentiated program at this instant
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, DerivativeReport> reports; ///< by file, begin, end

private:
  using CellRef = Machine::CellRef;
  using Status = Machine::Status;
  using Past = Machine::Past;
  /// How far a derivative, or its coefficient of a set of tags, has come.
  struct Progress {
    int64_t pass = 0, passes = 0;
    std::unique_ptr<Tag> tag; ///< of the pass
    TagSet *tags = nullptr;   ///< those around it, and that
    std::vector<double> sum;
    bool isRandom = false; ///< a pass has a random direction, and a row of `sum`
    std::vector<double> given; ///< what the differentiated program says, if it is asked
    const NodeInstance *notLinear = nullptr;
    Scalar coarsest = Scalar::F64;
  };
  using ProgressKey = std::tuple<const Frame *, uint32_t, int64_t, TagSet *>;

  // Duals.cpp: tags, passes.
  bool pass(const CellRef &cell, const Term &term, Progress &progress);
  bool open(const CellRef &cell, const Term &term, Progress &progress);
  bool close(const CellRef &cell, const Term &term, Progress &progress);
  void drop(Progress &progress);
  bool find(const CellRef &cell, Value &value);
  std::vector<double> direction(const CellRef &cell, int64_t pass, size_t count) const;
  void compare(const CellRef &cell, const Progress &progress);
  std::optional<Tag::Cut> cutOf(const Term &var, Frame &frame, int64_t t);
  TagSet *setOf(std::vector<Tag *> tags);
  static TagSet *without(TagSet &set, unsigned mask) { return set.subsets[set.full() & ~mask]; }
  std::optional<std::vector<double>> derivativeOf(const CellRef &cell, const Value *given = nullptr);
  bool isHere(const Tag &tag, Frame &frame, int64_t t);
  bool isHere(const TagSet &set, Frame &frame, int64_t t);
  static bool isAround(const TagSet &set, const Activation &time);
  std::optional<Place> baseOf(Frame &frame, int64_t t);

  // DualCells.cpp: coefficients of cells.
  bool ready(Frame &frame, uint32_t slot, int64_t t, TagSet &set, Tangent &out);
  TagSet::Cell &cellOf(Frame &frame, uint32_t slot, int64_t t, TagSet &set);
  Tangent compute(const CellRef &cell);
  Tangent seed(const Tag &tag, size_t cut, TagSet &set);
  Tangent input(const CellRef &cell);
  Tangent callResult(const CellRef &cell);
  Tangent scanResult(const CellRef &cell);
  Tangent hold(const CellRef &cell);
  Tangent stack(Activation &run, uint32_t slot, const Type &type, TagSet &set);

  // DualTerms.cpp: coefficients of expressions.
  Tangent evaluate(const Term &term, Frame &frame, int64_t t, TagSet &set);
  void demand(const Term &term, Frame &frame, int64_t t, TagSet &set);
  double scalar(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent tensor(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent variable(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent elsewhere(const Term &term, Frame &frame, int64_t t, TagSet &set);
  double operation(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent operations(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent select(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent broadcast(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent concat(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent window(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent build(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent slice(const Term &term, Frame &frame, int64_t t, TagSet &set);
  double element(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent reduce(const Term &term, Frame &frame, int64_t t, TagSet &set);
  void addTo(std::vector<DualChain> &chains, const Term &reduction, Frame &frame, int64_t t, TagSet &set);
  Value primal(const Term &term, Frame &frame, int64_t t);
  static void noteTypes(const Term &term, TagSet &set);

  // DualCalls.cpp: calls of funs.
  using Coefficients = std::function<Tangent(size_t, TagSet &)>;
  Tangent call(const Term &term, Frame &frame, int64_t t, TagSet &set);
  Tangent body(NodePlan &plan, const std::vector<Value> &args, const Coefficients &coefficients, uint32_t result, TagSet &set);
  bool run(NodePlan &plan, std::vector<Value> args, uint32_t result, Value &value);
  struct StatedCall;
  Tangent stated(StatedCall &call, uint32_t result, TagSet &set);
  bool addRow(StatedCall &call, uint32_t result, int64_t element, TagSet &set, double &sum);

  bool isOk() const { return m.status == Status::Ok; }

  Machine &m;
  size_t depth = 0, used = 0; ///< of calls of funs; those with cells
  std::map<std::vector<Tag *>, std::unique_ptr<TagSet>> sets;
  std::map<ProgressKey, Progress> open_;
  std::map<const Frame *, const Coefficients *> inputs; ///< of the bodies of funs
};

} // namespace mlr::eval
