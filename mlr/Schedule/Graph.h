// The dependence graph of a node: operations of all times flattened, edges with their distance in time, and
// for each scan its strongly connected components ("units"), which no sweep may separate. Internal to
// Schedule.
#pragma once

#include "mlr/Dataflow/Dialect.h"

namespace mlr::schedule {

/// How a user at instant t of time `Edge::time` sees its source; in every other time both are at the same
/// instant.
enum class Access : uint8_t {
  Same,     ///< at t
  Fby,      ///< at t - 1
  Eby,      ///< at t + 1
  Final,    ///< at the last executed instant
  Initial,  ///< at instant 0
  Whole,    ///< at all instants
  Window,   ///< at t - n + 1 .. t
  Upto,     ///< the number of instants, which the sweep with the mlr.until finds out as it goes
  FbyAgain, ///< as Fby, and a down sweep may compute the value at t - 1 itself (see LookAhead.cpp)
  EbyAgain, ///< as Eby, and an up sweep may compute the value at t + 1 itself
  Order,    ///< what such a computation starts from, at t: matters only within one sweep
};

/// Directions in which something may run, as a set.
enum : uint8_t { mayRunUp = 1, mayRunDown = 2 };
inline uint8_t bit(dataflow::Direction d) { return d == dataflow::Direction::Up ? mayRunUp : mayRunDown; }

/// Whether the user may stand in the same sweep as its source.
bool sameSweep(Access access, dataflow::Direction direction);

struct Edge {
  int from;
  Access access;
  int time; ///< scan of which `access` speaks
};

/// An operation directly in the body of a node or scan. The count of a scan is one vertex, whatever its
/// mlr.count ops.
struct Vertex {
  mlir::Operation *op = nullptr; ///< null for a count
  int scan = 0;                  ///< its result is a stream of this scan's time (0: the node's)
  int where = 0; ///< it is executed in the sweeps of this scan; differs from `scan` for what leaves a scan
  bool live = false;
  bool recomputable = false; ///< cheap and without state: may be executed again in a later sweep
  int upFrom = INT_MAX;      ///< scans of at least this depth around it run up, because it carries state
  int64_t bytes = 0;         ///< of one value
  llvm::SmallVector<Edge, 3> preds;
  bool exit() const { return where != scan; }
  bool acts() const; ///< calls a C function with effects
};

struct Scan {
  mutable dataflow::ScanOp op; ///< a handle (accessors are not const); null for the node itself
  int parent = -1;
  int depth = 0; ///< 0: the node
  int64_t length = 1;
  llvm::SmallVector<int> children;
  int until = -1, count = -1; ///< vertices
};

/// A strongly connected component at the level of one scan.
struct Unit {
  uint8_t directions = mayRunUp | mayRunDown;
  int size = 0; ///< vertices
};

class Graph {
public:
  /// Builds vertices, edges, liveness, and units. Cost: (operations + edges) * depth of nesting.
  explicit Graph(dataflow::NodeOp node);

  mutable dataflow::NodeOp node;
  std::vector<Scan> scans;      ///< 0 is the node; parents before children
  std::vector<Vertex> vertices; ///< in source order
  std::vector<Unit> units;
  int unitOf(int vertex, int depth) const { return unitAt[depth][vertex]; }

  /// What an SSA value stands for: a vertex, or (vertex -1) a region argument or a value from outside.
  struct Source {
    int vertex = -1;
    mlir::Value value; ///< results of scans replaced by what they yield
  };
  Source resolve(mlir::Value value) const;
  /// The scan, among those around (and including) `scan`, at `depth`; -1 if `scan` is not that deep.
  int ancestor(int scan, int depth) const;
  bool within(int scan, int outer) const { return ancestor(scan, scans[outer].depth) == outer; }
  int scanOf(mlir::Operation *op) const { return scanIds.lookup(op); }
  /// The operation directly in a node's or scan's body that `op` is or belongs to.
  static mlir::Operation *anchor(mlir::Operation *op);

private:
  void addScan(mlir::Operation *op, int parent);
  void findLive();
  void addEdges(int vertex);
  void orderEffects();
  void addUptoEdges();
  void findUnits();
  void findUnitsOf(int scan, const std::vector<std::vector<int>> &members);
  void setDirections(int scan, const std::vector<int> &members);
  void markUntilCone(int scan, const std::vector<int> &members, std::vector<bool> &cone) const;
  void findRecomputable();
  void lookAhead();
  bool lookAheadWithin(int scan, const std::vector<int> &members, bool up);
  struct Expansion {
    llvm::SmallVector<int> starts; ///< vertices of the sweep's own instant that it is computed from
    int64_t work = 0;
  };
  bool expand(int vertex, int time, int shift, int nodes, int64_t limit, Expansion &expansion) const;
  bool computeAgain(int user, size_t pred, int nodes, int64_t limit);
  std::vector<std::vector<int>> membersOfScans() const;

  llvm::DenseMap<mlir::Operation *, int> vertexOf, scanIds;
  std::vector<std::vector<int>> unitAt; ///< by depth, by vertex
};

/// Component of each vertex of a graph given by predecessors; components are numbered sources first.
/// Iterative Tarjan, linear.
std::vector<int> stronglyConnected(const std::vector<llvm::SmallVector<int, 4>> &preds);

/// Scalar operations that a call of a C function counts as.
constexpr int64_t foreignWork = 1024;

/// Scalar operations an element up to which a value is rather computed again than stored.
constexpr int64_t cheapWork = 32;

/// Scalar operations that one execution takes.
int64_t work(mlir::Operation *op);
/// Whether it makes an index of a number.
bool isIndex(mlir::Operation *op);
int64_t bytesOf(mlir::Type type);
int64_t elementsOf(mlir::Type type);

} // namespace mlr::schedule
