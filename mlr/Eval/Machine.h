// Demand-driven evaluation with memory: cell (frame, slot, instant) is the value of a slot at an instant of
// one activation of its time. A cell that needs another one which is not ready pushes it on an explicit stack
// and is tried again afterwards, so that neither the length of a scan nor the distance of a chain of fby
// costs native stack.
#pragma once

#include "mlr/Eval/Interpreter.h"
#include "mlr/Eval/Plan.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

namespace mlr::eval {

/// Elements in row-major order; shared and never changed once they are in a cell.
struct Tensor {
  std::shared_ptr<std::byte[]> owner;
  const std::byte *data = nullptr;
};

struct Value {
  Bits bits = 0; ///< scalars
  Tensor tensor;
};

enum class CellState : uint8_t { Empty, Active, Ready, Undefined };

struct Activation;
struct TagSet;
class Duals;

/// The cells of one region in one activation of its time: a scan's body within one instant of the enclosing
/// time, a clock's body, or the body of one instance of a node.
struct Frame {
  const RegionPlan *plan = nullptr;
  Activation *time = nullptr;
  Frame *caller = nullptr; ///< of a node's body: where the call stands (same time); null for roots
  uint32_t call = 0;       ///< number of the call there
  uint32_t instance = 0;   ///< of an equation with indices: which of its instances
  int64_t ring = 0;        ///< instants that are kept; 0: all
  int64_t instants = 0;    ///< rows allocated
  std::vector<CellState> states;
  std::vector<Bits> bits;
  std::vector<Tensor> tensors;
  std::vector<std::unique_ptr<Frame>> callees; ///< by call and instance, made on demand
  struct Runs {
    std::deque<std::unique_ptr<Activation>> runs;
    int64_t first = 0; ///< instant of runs[0]
  };
  std::vector<Runs> scans; ///< by scan
  /// A clock's region. When, Every: one activation. Reset: one for each segment; in a ring the last only.
  struct Clocked {
    std::deque<std::shared_ptr<Activation>> runs;
    int64_t decided = 0; ///< Reset: the segments that begin before this instant are known
  };
  std::vector<Clocked> clocks; ///< by clock
  int64_t *live = nullptr;     ///< counts the frames of a machine

  Frame() = default;
  Frame(const Frame &) = delete;
  ~Frame() {
    if (live) --*live;
  }

  size_t row(int64_t t) const { return static_cast<size_t>(ring ? t % ring : t); }
  size_t cell(uint32_t slot, int64_t t) const { return row(t) * plan->slots.size() + slot; }
  size_t tensorCell(uint32_t slot, int64_t t) const {
    return row(t) * plan->tensors + static_cast<size_t>(plan->slots[slot].tensor);
  }
};

/// One run of a time: the base clock (scan and clock are null), a scan within one instant of the frame that
/// it stands in, or a clock in that frame, for a reset one of its segments.
struct Activation : std::enable_shared_from_this<Activation> {
  const ScanPlan *scan = nullptr;
  const ClockPlan *clock = nullptr;
  Frame *in = nullptr;
  int64_t at = 0;             ///< instant of `in`; of a segment: where it begins
  int64_t length = INT64_MAX; ///< at most that many instants
  int64_t count = -1;         ///< executed instants, once known
  /// Scan: `until` is known to be false before this instant. When: of the instants of `in` before this one it
  /// is known which are its own.
  int64_t checked = 0;
  size_t missing = 0;          ///< results not yet computed
  std::vector<int64_t> active; ///< When, unless in a ring: its instants, as instants of `in`
  int64_t entered = 0;         ///< in a ring: number of instants begun
  int64_t latest = -1;         ///< in a ring: the last of them, as instant of `in`
  int64_t latestInner = -1;    ///< and as one of its own
  /// Clocks: the run that this one goes on from, not an empty one; null if time begins here. Runs in earlier
  /// instants of a resuming scan stay alive through it, and only through it.
  std::shared_ptr<Activation> before;
  bool isLinked = false; ///< `before` is known
  int64_t passed = -1;   ///< instants of this time before the first of this run, once known
  Frame body;
};

/// Whether a time has an instant that corresponds to one of another time. Unknown: `status` tells why.
enum class Presence : uint8_t { Absent, There, Unknown };

struct Place {
  Frame *frame = nullptr;
  int64_t t = 0;
};

class Machine {
public:
  Machine(Plans &plans, Options options);
  ~Machine();

  /// Prepares a frame for a region in a time.
  void open(Frame &frame, const RegionPlan &plan, Activation &time, int64_t ring);
  /// Makes the cell ready or undefined. False: an error, in `error`.
  bool run(Frame &frame, uint32_t slot, int64_t t);
  /// All slots of the instant, and what resuming scans and called nodes will remember of it.
  bool runAll(Frame &frame, int64_t t);
  /// Calls the C functions with effects of an instant, before anything else of it (Effects.cpp).
  bool runEffects(const std::vector<Place> &lanes, const RegionPlan &time);
  /// Makes room for instant t and empties its cells; for frames with a ring, called nodes included.
  bool beginInstant(Frame &frame, int64_t t);
  /// Forgets scans of instants up to t that no later instant can ask for, called nodes included.
  void endInstant(Frame &frame, int64_t t);
  /// At the beginning of an instant.
  void forgetCalls() { called.clear(); }
  void set(Frame &frame, uint32_t slot, int64_t t, Value value);
  /// The end of a route that starts in `frame` at t. Unless There, the place means nothing; Unknown: an
  /// error, or something on the stack.
  Presence follow(const Route &route, Frame &frame, int64_t t, Place &place);
  /// follow() with all that it needs computed. False: an error.
  bool find(const Route &route, Frame &frame, int64_t t, Presence &presence, Place &place);
  CellState state(const Frame &frame, uint32_t slot, int64_t t) const {
    return frame.states[frame.cell(slot, t)];
  }
  Value get(const Frame &frame, uint32_t slot, int64_t t) const;

  Error error;
  std::unique_ptr<Duals> duals; ///< of a program with derivatives
  const std::vector<std::optional<Value>> *inputs = nullptr; ///< of the root at this instant; none: absent
  int64_t now = 0; ///< instant of the base clock
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, CheckFailure> failures; ///< by file, begin, end
  Span undefinedAt; ///< the `pre` behind the last undefined value that was met

private:
  friend class Duals;
  enum class Status : uint8_t { Ok, Wait, Undefined, Failed };
  struct CellRef {
    Frame *frame;
    uint32_t slot;
    int64_t t;
    TagSet *tags = nullptr; ///< not the value, but its coefficient of these tags (Duals.h)
  };
  enum class Past : uint8_t { None, There, Unknown }; ///< Unknown: status tells why
  struct Target {
    const Term *term = nullptr;
    Place place;
  };
  struct Cached {
    uint64_t epoch = 0;
    Place place;
    std::vector<int64_t> indices;
    Value value;
  };
  struct Pool {
    std::vector<std::unique_ptr<Activation>> idle;
    std::vector<uint32_t> order; ///< slots in an order in which they once became ready
    bool isKnown = false;        ///< of a constant fun: `results` hold
    std::vector<Value> results;
  };

  // Frames.cpp
  bool room(Frame &frame, int64_t t);
  Frame *callee(Frame &frame, uint32_t call, uint32_t instance);
  Activation *activation(Frame &frame, uint32_t scan, int64_t t);
  Past previous(Frame &frame, int64_t t, Place &place);
  Frame *inRun(Frame &frame, Activation &from, Activation &to);
  int64_t count(Activation &run);
  bool isLast(Frame &frame, int64_t t);
  bool runActivation(Activation &run);
  /// Repeats a step until what it needs is there. False: an error.
  template <class Step> bool complete(Step step) {
    while (true) {
      size_t base = stack.size();
      step();
      if (status == Status::Failed) return false;
      if (status == Status::Ok) return true;
      status = Status::Ok;
      if (!drain(base)) return false;
    }
  }

  // Clocks.cpp
  Activation &clockRun(Frame &frame, uint32_t clock);
  Activation &segmentRun(Frame &frame, uint32_t clock, int64_t start);
  Activation *segment(Frame &frame, uint32_t clock, int64_t t);
  bool isSelected(Frame &frame, const ClockPlan &clock, int64_t t);
  Presence enter(Frame &frame, uint32_t clock, int64_t t, Place &place);
  Presence enterWhen(Activation &run, int64_t t, Place &place);
  Presence enterEvery(Activation &run, int64_t t, Place &place);
  Presence begin(Activation &run, int64_t t, int64_t inner, Place &place);
  bool decideNext(Activation &run);
  Place outwards(Frame &frame, int64_t t);
  Activation *directlyBefore(Activation &run);
  Activation *predecessor(Activation &run);
  int64_t passed(Activation &run);
  int64_t firstOf(Activation &every);
  int64_t countClock(Activation &run);
  int64_t nextSegment(Activation &run, int64_t end);
  bool isLastOfClock(Activation &run, int64_t t);
  bool isLastOfEvery(Activation &run, int64_t t);
  bool runClocks(Frame &frame, int64_t t);
  void endClocks(Frame &frame, int64_t t);
  bool settle(Frame &frame);
  bool settle(Activation &run);

  // Effects.cpp
  bool runCallEffects(uint32_t call, const std::vector<Place> &lanes);
  bool runScanEffects(uint32_t scan, const std::vector<Place> &lanes);
  void computeForeign(const CellRef &cell, Value &value);

  // Cells.cpp
  bool drain(size_t base);
  bool ready(Frame &frame, uint32_t slot, int64_t t);
  bool isReady(Frame &frame, uint32_t slot, int64_t t);
  void compute(const CellRef &cell, Value &value);
  void computeScanResult(const CellRef &cell, Value &value);
  void computeStack(Activation &run, uint32_t slot, const Type &type, Value &value);
  void computeInput(const CellRef &cell, Value &value);
  void computeCallResult(const CellRef &cell, Value &value);
  void computeHold(const CellRef &cell, Value &value);
  void computeSample(const CellRef &cell, Value &value);
  void computeMerge(const Term &term, Frame &frame, int64_t t, Value &value);
  void failAbsent(const std::string &name, Span span);
  void copyCell(Frame &frame, uint32_t slot, int64_t t, Value &value);
  void release(const CellRef &cell);
  void fail(std::string message, Span span);
  void noteFailure(Span span, std::optional<MonitorKind> monitor);
  void failCycle(const CellRef &cell);
  std::string describe(const CellRef &cell) const;

  // Terms.cpp
  void evaluate(const Term &term, Frame &frame, int64_t t, Value &value);
  void demand(const Term &term, Frame &frame, int64_t t);
  Bits scalar(const Term &term, Frame &frame, int64_t t);
  Bits scalarUncached(const Term &term, Frame &frame, int64_t t);
  Tensor tensor(const Term &term, Frame &frame, int64_t t);
  Tensor tensorUncached(const Term &term, Frame &frame, int64_t t);
  Place home(const Term &var, Frame &frame, int64_t t);
  Target target(const Term &term, Frame &frame, int64_t t);
  Bits scalarAt(const Term &term, const Target &target);
  Tensor tensorAt(const Term &term, const Target &target);
  bool needsDefined(const Term &term, const Target &target);
  Bits scalarOp(const Term &term, Frame &frame, int64_t t);
  Cached *cached(const Term &term, Frame &frame, int64_t t, bool &hit);
  void call(const Term &term, Frame &frame, int64_t t, Value &value);
  bool runFun(NodePlan &plan, std::vector<Value> &args, uint32_t result, Value &value);
  bool runBody(NodePlan &plan, std::vector<Value> &args, uint32_t result, Value &value);
  /// The call, by its bits; nothing if its results are not kept.
  std::vector<Bits> callKey(const NodePlan &plan, const std::vector<Value> &args, uint32_t result) const;

  // Tensors.cpp
  Tensor allocate(const Term &term, std::byte *&data);
  Tensor tensorOp(const Term &term, Frame &frame, int64_t t);
  Tensor selectElements(const Term &term, Frame &frame, int64_t t);
  Tensor broadcast(const Term &term, Frame &frame, int64_t t);
  Tensor concat(const Term &term, Frame &frame, int64_t t);
  Tensor window(const Term &term, Frame &frame, int64_t t);
  Tensor build(const Term &term, Frame &frame, int64_t t);
  Tensor slice(const Term &term, Frame &frame, int64_t t);
  Tensor reduceElements(const Term &term, Frame &frame, int64_t t);
  Bits reduce(const Term &term, Frame &frame, int64_t t);
  Bits reduceAll(const Term &term, Frame &frame, int64_t t);
  Bits element(const Term &term, Frame &frame, int64_t t);
  bool placeOn(const Term &term, size_t axis, Frame &frame, int64_t t, int64_t &place, bool &outside);
  int64_t forIndices(const Term &term, Frame &frame, const std::function<void(int64_t)> &body);

  Plans &plans;
  Options options;
  int64_t frames = 0; ///< live; stands before everything that holds frames
  std::vector<CellRef> stack;
  Status status = Status::Ok;
  uint64_t epoch = 0, epochs = 0; ///< of the cell under evaluation; given out so far
  std::vector<Cached> caches;
  std::vector<Pool> pools; ///< by plan
  struct KeyHash {
    size_t operator()(const std::vector<Bits> &key) const;
  };
  /// Of a program with derivatives: results of funs at this instant. Each pass of a derivative asks for the same ones.
  std::unordered_map<std::vector<Bits>, Value, KeyHash> called;
  std::vector<uint32_t> *record = nullptr;
  Frame *recordFrame = nullptr;
  const Frame *calling = nullptr; ///< of the C function with effects whose turn it is
};

} // namespace mlr::eval
