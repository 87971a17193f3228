// Builds typed programs by hand, for tests that start behind the checker.
#pragma once

#include "mlr/Check/Program.h"

#include <cstring>

namespace mlr::test {

inline Type scalarType(Scalar s) { return {s, {}}; }
inline const Type F32{Scalar::F32, {}}, I32{Scalar::I32, {}}, BOOL{Scalar::Bool, {}};
inline Type f32s(Shape shape) { return {Scalar::F32, std::move(shape)}; }

template <class T> Array arrayOf(Type type, const std::vector<T> &values) {
  Array array(type);
  if (!values.empty()) std::memcpy(array.mutate(), values.data(), values.size() * sizeof(T));
  return array;
}
inline Array f32(float value) { return arrayOf<float>(F32, {value}); }
inline Array boolean(bool value) { return arrayOf<uint8_t>(BOOL, {value}); }
inline Array i32(int32_t value) { return arrayOf<int32_t>(I32, {value}); }

/// One node; expressions are owned by it. Equations go to the innermost open scan or clock.
class NodeBuilder {
public:
  NodeBuilder(Program &program, std::string name, bool isFun = false)
      : node(*program.nodes.emplace_back(std::make_unique<NodeInstance>())) {
    node.name = node.display = std::move(name);
    node.isFun = isFun;
    program.roots = {&node};
    regions.push_back({nullptr, nullptr, &node.body});
  }

  VarId var(std::string name, Type type, Var::Kind kind = Var::Kind::Local) {
    node.vars.push_back(
        {kind, std::move(name), std::move(type), nextSpan(), regions.back().scan, regions.back().clock, {}});
    return static_cast<VarId>(node.vars.size() - 1);
  }
  VarId input(std::string name, Type type) {
    VarId v = var(std::move(name), std::move(type), Var::Kind::Input);
    node.inputs.push_back(v);
    return v;
  }
  VarId output(std::string name, Type type) {
    VarId v = var(std::move(name), std::move(type), Var::Kind::Output);
    node.outputs.push_back(v);
    return v;
  }
  IndexId index(std::string name, int64_t size) {
    node.indices.push_back({std::move(name), size, nextSpan()});
    return static_cast<IndexId>(node.indices.size() - 1);
  }

  void define(VarId v, const Expr *value) {
    Equation e;
    e.targets = {v};
    e.value = value;
    e.span = value->span;
    regions.back().region->equations.push_back(std::move(e));
  }
  void call(std::vector<VarId> targets, const NodeInstance &callee, std::vector<const Expr *> args,
            std::vector<IndexId> each = {}) {
    Equation e;
    e.each = std::move(each);
    e.kind = Equation::Kind::Call;
    e.targets = std::move(targets);
    e.callee = &callee;
    e.args = std::move(args);
    e.span = nextSpan();
    regions.back().region->equations.push_back(std::move(e));
  }
  /// Opens a scan and returns it; close() ends it.
  ScanTime &scan(int64_t length, bool resume = false) {
    Equation e;
    e.kind = Equation::Kind::Scan;
    e.span = nextSpan();
    e.scan = std::make_unique<ScanTime>();
    ScanTime &scan = *e.scan;
    scan.length = length;
    scan.resume = resume;
    scan.span = e.span;
    scan.parent = regions.back().scan;
    scan.clock = regions.back().clock;
    regions.back().region->equations.push_back(std::move(e));
    regions.push_back({&scan, nullptr, &scan.body});
    scan.index = var("t", I32, Var::Kind::ScanIndex);
    return scan;
  }
  /// Opens a clock in the region at hand; close() ends it.
  Clock &when(VarId selector, int64_t value = 1) { return clock(Clock::Kind::When, selector, value); }
  Clock &every(int64_t period, int64_t phase) { return clock(Clock::Kind::Every, 0, 1, period, phase); }
  Clock &resetEvery(VarId selector) { return clock(Clock::Kind::Reset, selector); }
  void close() { regions.pop_back(); }
  void result(ScanTime &scan, ScanResult::Kind kind, VarId v, const Expr *value) {
    scan.results.push_back({kind, v, value, nextSpan()});
  }

  Expr *expr(ExprKind kind, Type type, std::vector<const Expr *> args = {}) {
    Expr &e = node.arena.emplace_back();
    e.kind = kind;
    e.type = std::move(type);
    e.args = std::move(args);
    e.span = nextSpan();
    return &e;
  }
  Expr *constant(Array value) {
    Expr *e = expr(ExprKind::Const, value.type());
    e->constant = std::move(value);
    return e;
  }
  Expr *c(float value) { return constant(f32(value)); }
  Expr *n(int32_t value) { return constant(i32(value)); }
  Expr *get(VarId v) {
    Expr *e = expr(ExprKind::Var, node.vars[v].type);
    e->var = v;
    return e;
  }
  Expr *at(IndexId i) {
    Expr *e = expr(ExprKind::Index, I32);
    e->index = i;
    return e;
  }
  Expr *op(OpKind op, std::vector<const Expr *> args) {
    Type type = args[op == OpKind::Select ? 1 : 0]->type;
    if (op >= OpKind::Lt && op <= OpKind::Ne) type.scalar = Scalar::Bool;
    Expr *e = expr(ExprKind::Op, type, std::move(args));
    e->op = op;
    return e;
  }
  Expr *add(const Expr *a, const Expr *b) { return op(OpKind::Add, {a, b}); }
  Expr *mul(const Expr *a, const Expr *b) { return op(OpKind::Mul, {a, b}); }
  Expr *fby(const Expr *a, const Expr *b) { return expr(ExprKind::Fby, a->type, {a, b}); }
  Expr *eby(const Expr *b, const Expr *a) { return expr(ExprKind::Eby, a->type, {b, a}); }
  Expr *pre(const Expr *a) { return expr(ExprKind::Pre, a->type, {a}); }
  Expr *arrow(const Expr *a, const Expr *b) { return expr(ExprKind::Arrow, a->type, {a, b}); }
  Expr * final(const Expr *a) { return expr(ExprKind::Final, a->type, {a}); }
  Expr *initial(const Expr *a) { return expr(ExprKind::Initial, a->type, {a}); }
  /// operands[v]: where the selector is v.
  Expr *merge(VarId selector, std::vector<const Expr *> operands) {
    Type type = operands[0]->type;
    operands.insert(operands.begin(), get(selector));
    return expr(ExprKind::Merge, type, std::move(operands));
  }
  Expr *hold(VarId x, const Expr *init) { return expr(ExprKind::Hold, init->type, {get(x), init}); }
  Expr *window(int64_t count, const Expr *a, const Expr *init) {
    Type type = a->type;
    type.shape.insert(type.shape.begin(), count);
    Expr *e = expr(ExprKind::Window, type, {a, init});
    e->count = count;
    return e;
  }
  /// x[at..] with one index an axis; clamped unless said to be inside.
  Expr *read(const Expr *x, std::vector<const Expr *> at, bool inBounds = false) {
    Expr *e = expr(ExprKind::Read, {x->type.scalar, {}}, {x});
    for (const Expr *a : at) {
      ReadIndex r;
      r.at = a;
      r.inBounds = inBounds;
      e->reads.push_back(r);
    }
    return e;
  }
  Expr *build(std::vector<IndexId> indices, const Expr *body) {
    Type type{body->type.scalar, {}};
    for (IndexId i : indices) type.shape.push_back(node.indices[i].size);
    type.shape.insert(type.shape.end(), body->type.shape.begin(), body->type.shape.end());
    Expr *e = expr(ExprKind::Build, type, {body});
    e->indices = std::move(indices);
    return e;
  }
  Expr *reduce(ReduceKind kind, std::vector<IndexId> indices, const Expr *body, bool fused = false) {
    Type type = body->type;
    if (kind == ReduceKind::Argmax || kind == ReduceKind::Argmin) type.scalar = Scalar::I32;
    Expr *e = expr(ExprKind::Reduce, type, {body});
    e->reduce = kind;
    e->indices = std::move(indices);
    e->fused = fused;
    return e;
  }
  Expr *reduceAll(ReduceKind kind, const Expr *body, bool fused = false) {
    bool position = kind == ReduceKind::Argmax || kind == ReduceKind::Argmin;
    Expr *e = expr(ExprKind::ReduceAll, {position ? Scalar::I32 : body->type.scalar, {}}, {body});
    e->reduce = kind;
    e->fused = fused;
    return e;
  }
  Expr *callFun(const NodeInstance &callee, std::vector<const Expr *> args, uint32_t result = 0) {
    Expr *e = expr(ExprKind::Call, callee.vars[callee.outputs[result]].type, std::move(args));
    e->callee = &callee;
    e->result = result;
    return e;
  }

  NodeInstance &node;

private:
  Clock &clock(Clock::Kind kind, VarId selector, int64_t value = 1, int64_t period = 1, int64_t phase = 0) {
    Equation e;
    e.kind = Equation::Kind::Clock;
    e.span = nextSpan();
    e.clock = std::make_unique<Clock>();
    Clock &clock = *e.clock;
    clock.kind = kind;
    clock.selector = selector;
    clock.value = value;
    clock.period = period;
    clock.phase = phase;
    clock.span = e.span;
    clock.parent = regions.back().clock;
    clock.time = regions.back().scan;
    regions.back().region->equations.push_back(std::move(e));
    regions.push_back({regions.back().scan, &clock, &clock.body});
    return clock;
  }
  /// A place of its own for everything, in order of construction, so that reports can be told apart.
  Span nextSpan() {
    ++position;
    return {1, position, position + 1};
  }
  uint32_t position = 0;
  struct Open {
    ScanTime *scan;
    Clock *clock;
    Region *region;
  };
  std::vector<Open> regions;
};

} // namespace mlr::test
