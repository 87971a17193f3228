#include "mlr/Dataflow/RuntimeChecks.h"

#include <cstring>
#include <map>
#include <set>

namespace mlr::dataflow {
namespace {

constexpr const char *indexMessage = "an index left its axis and was clamped";

/// Places of the source in order: which conditions are one check.
struct Place {
  uint32_t file = 0, begin = 0, end = 0;
  auto operator<=>(const Place &) const = default;
};

struct Origin {
  CheckKind kind = CheckKind::Index;
  std::string subject; ///< what the name is made of: the variable that is indexed
  std::string message;
  Span span;
};

/// What a node checks: the outputs behind those of the source.
struct NodeChecks {
  std::vector<Origin> origins;
};

const Type boolean{Scalar::Bool, {}};

/// Adds the checks of one node; its callees have theirs.
class CheckAdder {
public:
  CheckAdder(NodeInstance &node, std::map<const NodeInstance *, NodeChecks> &done) : node(node), done(done) {}

  void run() {
    Conditions all = region(node.body, nullptr, nullptr);
    NodeChecks &own = done[&node];
    for (auto &[place, list] : all) {
      VarId v = newVar("check", boolean, {nullptr, nullptr}, Var::Kind::Output);
      define(node.body, v, conjunction(list.terms), list.origin.span);
      node.outputs.push_back(v);
      own.origins.push_back(list.origin);
    }
  }

private:
  struct Condition {
    Origin origin;
    std::vector<const Expr *> terms;
  };
  using Conditions = std::map<Place, Condition>;

  // ---- building expressions
  Expr *newExpr(ExprKind kind, Type type, Span span) {
    Expr &e = node.arena.emplace_back();
    e.kind = kind;
    e.type = std::move(type);
    e.span = span;
    return &e;
  }
  const Expr *constant(Scalar scalar, uint64_t value, Span span) {
    Expr *e = newExpr(ExprKind::Const, {scalar, {}}, span);
    e->constant = Array(e->type);
    std::memcpy(e->constant.mutate(), &value, byteSize(scalar));
    return e;
  }
  const Expr *op(OpKind kind, std::vector<const Expr *> args, Span span) {
    Expr *e = newExpr(ExprKind::Op, boolean, span);
    e->op = kind;
    e->args = std::move(args);
    return e;
  }
  const Expr *temporal(ExprKind kind, bool a, bool b, Span span) {
    Expr *e = newExpr(kind, boolean, span);
    e->args = {constant(Scalar::Bool, a, span), constant(Scalar::Bool, b, span)};
    return e;
  }
  const Expr *variable(VarId v, Span span) {
    Expr *e = newExpr(ExprKind::Var, node.vars[v].type, span);
    e->var = v;
    return e;
  }
  const Expr *conjunction(const std::vector<const Expr *> &terms) {
    const Expr *all = terms.front();
    for (size_t i = 1; i < terms.size(); ++i) all = op(OpKind::And, {all, terms[i]}, terms[i]->span);
    return all;
  }
  /// Where a variable lives.
  struct Where {
    const ScanTime *time = nullptr;
    const Clock *clock = nullptr;
  };
  VarId newVar(const std::string &name, Type type, Where where, Var::Kind kind = Var::Kind::Hidden) {
    Var v;
    v.kind = kind;
    v.name = name + "." + std::to_string(node.vars.size());
    v.type = std::move(type);
    v.span = node.span;
    v.time = where.time;
    v.clock = where.clock;
    node.vars.push_back(v);
    return static_cast<VarId>(node.vars.size() - 1);
  }
  static Equation definition(VarId v, const Expr *value, Span span) {
    Equation eq;
    eq.kind = Equation::Kind::Define;
    eq.span = span;
    eq.targets = {v};
    eq.value = value;
    return eq;
  }
  static void define(Region &body, VarId v, const Expr *value, Span span) {
    body.equations.push_back(definition(v, value, span));
  }

  /// A copy with comprehension indices of its own: expressions are trees.
  const Expr *copy(const Expr &e, std::map<IndexId, IndexId> &renamed) {
    Expr *c = newExpr(e.kind, e.type, e.span);
    *c = e;
    for (IndexId &i : c->indices) {
      node.indices.push_back(node.indices[i]);
      i = renamed[i] = static_cast<IndexId>(node.indices.size() - 1);
    }
    if (e.kind == ExprKind::Index)
      if (auto it = renamed.find(e.index); it != renamed.end()) c->index = it->second;
    for (const Expr *&arg : c->args) arg = copy(*arg, renamed);
    for (ReadIndex &r : c->reads)
      if (r.at) r.at = copy(*r.at, renamed);
    return c;
  }
  const Expr *copy(const Expr &e) {
    std::map<IndexId, IndexId> none;
    return copy(e, none);
  }

  // ---- conditions of expressions
  void add(Conditions &to, const Origin &origin, const Expr *term) {
    Condition &c = to[{origin.span.file, origin.span.begin, origin.span.end}];
    if (c.terms.empty()) c.origin = origin;
    c.terms.push_back(term);
  }
  /// Under a guard the conditions need to hold only while it is true.
  void addGuarded(Conditions &to, Conditions from, const Expr &guard) {
    for (auto &[place, c] : from) {
      const Expr *idle = op(OpKind::Not, {copy(guard)}, guard.span);
      add(to, c.origin, op(OpKind::Or, {idle, conjunction(c.terms)}, c.origin.span));
    }
  }
  void collectGuarded(Conditions &to, const Expr &e, const Expr &guard) { addGuarded(to, guarded(to, e), guard); }
  /// The conditions of `e` that a guard is for. What a time operator in it remembers counts at every instant: see collectState.
  Conditions guarded(Conditions &to, const Expr &e) {
    Conditions inner;
    Conditions *before = always;
    if (!always) always = &to;
    collect(inner, e);
    always = before;
    return inner;
  }
  /// An operand that a later or earlier instant needs, whatever this one chooses.
  void collectState(Conditions &to, const Expr &e) {
    Conditions *before = always;
    always = nullptr;
    collect(before ? *before : to, e);
    always = before;
  }

  /// Whether one index is inside its axis; null where no value of its type leaves it.
  const Expr *inside(const ReadIndex &r, int64_t size) {
    Scalar scalar = r.at->type.scalar;
    int64_t high = size - (r.kind == ReadIndex::Kind::Slide ? r.count : 1);
    std::vector<const Expr *> terms;
    Span span = r.at->span;
    if (isSigned(scalar)) terms.push_back(op(OpKind::Ge, {copy(*r.at), constant(scalar, 0, span)}, span));
    unsigned bits = bitWidth(scalar) - isSigned(scalar);
    bool mayExceed = bits >= 63 || high < (int64_t(1) << bits) - 1;
    if (mayExceed) terms.push_back(op(OpKind::Le, {copy(*r.at), constant(scalar, static_cast<uint64_t>(high), span)}, span));
    return terms.empty() ? nullptr : conjunction(terms);
  }

  void collectReads(Conditions &to, const Expr &e) {
    const Expr &source = *e.args[0];
    for (size_t k = 0; k < e.reads.size(); ++k) {
      const ReadIndex &r = e.reads[k];
      if (!r.at || r.inBounds) continue;
      const Expr *held = inside(r, source.type.shape[k]);
      if (!held) continue;
      std::string subject = source.kind == ExprKind::Var ? node.vars[source.var].name : "index";
      add(to, {CheckKind::Index, subject, indexMessage, r.at->span}, held);
    }
  }

  /// Of `at`: the default is computed where an index is outside.
  void collectDefault(Conditions &to, const Expr &e) {
    std::vector<const Expr *> terms;
    for (size_t k = 0; k < e.reads.size(); ++k)
      if (const Expr *held = e.reads[k].inBounds ? nullptr : inside(e.reads[k], e.args[0]->type.shape[k])) terms.push_back(held);
    if (!terms.empty()) collectGuarded(to, *e.args[1], *op(OpKind::Not, {conjunction(terms)}, e.span));
  }

  void collectSelect(Conditions &to, const Expr &e) {
    collect(to, *e.args[0]);
    for (size_t arm = 1; arm <= 2; ++arm) {
      Conditions inner = guarded(to, *e.args[arm]);
      if (inner.empty()) continue;
      const Expr *c = e.args[0];
      if (c->kind == ExprKind::Broadcast && c->args[0]->type.isScalar()) c = c->args[0];
      const Expr *taken = copy(*c);
      if (arm == 2) {
        Expr *inverse = newExpr(ExprKind::Op, c->type, c->span);
        inverse->op = OpKind::Not;
        inverse->args = {taken};
        taken = inverse;
      }
      if (!c->type.isScalar()) {
        Expr *any = newExpr(ExprKind::ReduceAll, boolean, c->span);
        any->reduce = mlr::ReduceKind::Any;
        any->args = {taken};
        taken = any;
      }
      addGuarded(to, std::move(inner), *taken);
    }
  }

  /// Conditions inside a comprehension hold for all of its indices.
  void collectComprehension(Conditions &to, const Expr &e) {
    Conditions inner;
    collect(inner, *e.args[0]);
    for (auto &[place, c] : inner) add(to, c.origin, overIndices(e.indices, *conjunction(c.terms), c.origin.span));
  }
  const Expr *overIndices(const std::vector<IndexId> &indices, const Expr &condition, Span span) {
    Expr *all = newExpr(ExprKind::Reduce, boolean, span);
    all->reduce = mlr::ReduceKind::All;
    std::map<IndexId, IndexId> renamed;
    for (IndexId i : indices) {
      node.indices.push_back(node.indices[i]);
      all->indices.push_back(renamed[i] = static_cast<IndexId>(node.indices.size() - 1));
    }
    all->args = {copy(condition, renamed)};
    return all;
  }

  void collectCall(Conditions &to, const Expr &e) {
    const NodeChecks &checks = done[e.callee];
    size_t own = e.callee->outputs.size() - checks.origins.size();
    for (size_t k = 0; k < checks.origins.size(); ++k) {
      Expr *call = newExpr(ExprKind::Call, boolean, e.span);
      call->callee = e.callee;
      call->result = static_cast<uint32_t>(own + k);
      for (const Expr *arg : e.args) call->args.push_back(copy(*arg));
      add(to, checks.origins[k], call);
    }
  }

  void collect(Conditions &to, const Expr &e) {
    for (const ReadIndex &r : e.reads)
      if (r.at) collect(to, *r.at);
    switch (e.kind) {
    case ExprKind::Build:
    case ExprKind::Reduce: return collectComprehension(to, e);
    case ExprKind::Read: collectReads(to, e); break;
    case ExprKind::ReadOr:
      collect(to, *e.args[0]);
      return collectDefault(to, e);
    case ExprKind::Call: collectCall(to, e); break;
    case ExprKind::Op:
      if (e.op == OpKind::Select) return collectSelect(to, e);
      break;
    case ExprKind::Arrow:
      collectGuarded(to, *e.args[0], *temporal(ExprKind::Arrow, true, false, e.span));
      return collectGuarded(to, *e.args[1], *temporal(ExprKind::Arrow, false, true, e.span));
    case ExprKind::Fby:
      collectGuarded(to, *e.args[0], *temporal(ExprKind::Arrow, true, false, e.span));
      return collectState(to, *e.args[1]);
    case ExprKind::Pre: return collectState(to, *e.args[0]);
    case ExprKind::Eby:
      collectState(to, *e.args[0]);
      return collectGuarded(to, *e.args[1], *temporal(ExprKind::Eby, false, true, e.span));
    case ExprKind::Window:
      collectState(to, *e.args[0]);
      return collectGuarded(to, *e.args[1], *temporal(ExprKind::Arrow, true, false, e.span));
    default: break;
    }
    for (const Expr *arg : e.args) collect(to, *arg);
  }

  // ---- equations
  Conditions region(Region &body, const ScanTime *time, const Clock *clock) {
    Conditions all;
    std::vector<Equation> added;
    for (Equation &eq : body.equations) {
      if (eq.value) collect(all, *eq.value);
      if (eq.kind == Equation::Kind::Monitor) {
        std::string word = mlr::name(eq.monitor);
        add(all, {CheckKind::Monitor, word, "`" + word + "` did not hold", eq.span}, copy(*eq.value));
      }
      if (eq.kind == Equation::Kind::Call) call(all, eq, {time, clock});
      if (eq.scan) scan(all, *eq.scan, {time, clock});
      if (eq.clock) slower(all, *eq.clock, added);
    }
    for (Equation &eq : added) body.equations.push_back(std::move(eq));
    return all;
  }

  /// The arguments, and what the callee checks; of instances side by side, all.
  void call(Conditions &to, Equation &eq, Where where) {
    Conditions arguments;
    for (const Expr *arg : eq.args) collect(arguments, *arg);
    for (auto &[place, c] : arguments)
      add(to, c.origin, eq.each.empty() ? conjunction(c.terms) : overIndices(eq.each, *conjunction(c.terms), c.origin.span));
    Type type = boolean;
    for (IndexId i : eq.each) type.shape.push_back(node.indices[i].size);
    for (const Origin &origin : done[eq.callee].origins) {
      VarId v = newVar("held", type, where);
      eq.targets.push_back(v);
      const Expr *held = variable(v, origin.span);
      if (!type.shape.empty()) {
        Expr *all = newExpr(ExprKind::ReduceAll, boolean, origin.span);
        all->reduce = mlr::ReduceKind::All;
        all->args = {held};
        held = all;
      }
      add(to, origin, held);
    }
  }

  /// What a scan checks at each of its instants, accumulated; a resuming scan begins anew in each block.
  void scan(Conditions &outer, ScanTime &time, Where where) {
    Conditions inner = region(time.body, &time, nullptr);
    if (time.until) collect(inner, *time.until);
    for (const ScanResult &r : time.results)
      if (r.value) collect(inner, *r.value);
    if (time.length == 0) return;
    for (auto &[place, c] : inner) {
      Span span = c.origin.span;
      VarId held = newVar("held", boolean, {&time, nullptr}), result = newVar("held", boolean, where);
      Expr *past = newExpr(ExprKind::Fby, boolean, span);
      past->args = {constant(Scalar::Bool, 1, span), variable(held, span)};
      const Expr *before = past;
      if (time.resume)
        before = op(OpKind::Or, {op(OpKind::Eq, {variable(time.index, span), constant(Scalar::I32, 0, span)}, span), past}, span);
      define(time.body, held, op(OpKind::And, {conjunction(c.terms), before}, span), span);
      time.results.push_back({ScanResult::Kind::Final, result, variable(held, span), span});
      add(outer, c.origin, variable(result, span));
    }
  }

  /// What is checked on a slower clock holds where that is absent. `added`: equations for the region around it.
  void slower(Conditions &outer, Clock &clock, std::vector<Equation> &added) {
    Conditions inner = region(clock.body, clock.time, &clock);
    for (auto &[place, c] : inner) {
      Span span = c.origin.span;
      VarId held = newVar("held", boolean, {clock.time, &clock});
      define(clock.body, held, conjunction(c.terms), span);
      const Expr *value = variable(held, span);
      if (clock.kind == Clock::Kind::When) value = values(clock) ? merged(clock, value) : inState(clock, value);
      if (clock.kind == Clock::Kind::Every) value = atTicks(clock, value, added);
      VarId result = newVar("held", boolean, {clock.time, clock.parent});
      added.push_back(definition(result, value, span));
      add(outer, c.origin, variable(result, span));
    }
  }
  /// How many values the selector of a `when` has; 0: not known, that of a state machine.
  int64_t values(const Clock &clock) const {
    const Var &selector = node.vars[clock.selector];
    return selector.type == boolean ? 2 : static_cast<int64_t>(selector.constructors.size());
  }
  const Expr *inState(const Clock &clock, const Expr *held) {
    Span span = held->span;
    const Expr *state = constant(node.vars[clock.selector].type.scalar, static_cast<uint64_t>(clock.value), span);
    Expr *hold = newExpr(ExprKind::Hold, boolean, span);
    hold->args = {held, constant(Scalar::Bool, 1, span)};
    return op(OpKind::Or, {op(OpKind::Ne, {variable(clock.selector, span), state}, span), hold}, span);
  }
  const Expr *merged(const Clock &clock, const Expr *held) {
    Expr *merge = newExpr(ExprKind::Merge, boolean, held->span);
    merge->args = {variable(clock.selector, held->span)};
    for (int64_t v = 0; v < values(clock); ++v) merge->args.push_back(v == clock.value ? held : constant(Scalar::Bool, 1, held->span));
    return merge;
  }
  /// hold shows the last value between the ticks too: a counter tells them.
  const Expr *atTicks(const Clock &clock, const Expr *held, std::vector<Equation> &added) {
    Span span = held->span;
    Type number{Scalar::I64, {}};
    auto arithmetic = [&](OpKind kind, const Expr *x, int64_t y) {
      Expr *e = newExpr(ExprKind::Op, number, span);
      e->op = kind;
      e->args = {x, constant(Scalar::I64, static_cast<uint64_t>(y), span)};
      return e;
    };
    VarId count = newVar("tick", number, {clock.time, clock.parent});
    Expr *next = newExpr(ExprKind::Fby, number, span);
    next->args = {constant(Scalar::I64, 0, span),
                  arithmetic(OpKind::Rem, arithmetic(OpKind::Add, variable(count, span), 1), clock.period)};
    added.push_back(definition(count, next, span));
    Expr *hold = newExpr(ExprKind::Hold, boolean, span);
    hold->args = {held, constant(Scalar::Bool, 1, span)};
    const Expr *absent = op(OpKind::Ne, {variable(count, span), constant(Scalar::I64, static_cast<uint64_t>(clock.phase), span)}, span);
    return op(OpKind::Or, {absent, hold}, span);
  }

  NodeInstance &node;
  std::map<const NodeInstance *, NodeChecks> &done;
  Conditions *always = nullptr; ///< inside a guard: where conditions go that do not depend on it
};

/// Names that no other output has: check_SUBJECT_1, ..
std::vector<RuntimeCheck> nameChecks(NodeInstance &node, const std::vector<Origin> &origins) {
  std::set<std::string> used;
  size_t own = node.outputs.size() - origins.size();
  for (size_t i = 0; i < own; ++i) used.insert(node.vars[node.outputs[i]].name);
  std::vector<RuntimeCheck> checks;
  for (size_t k = 0; k < origins.size(); ++k) {
    std::string subject = origins[k].subject, name;
    for (char &c : subject)
      if (c == '.') c = '_';
    for (int n = 1; name.empty() || !used.insert(name).second; ++n) name = "check_" + subject + "_" + std::to_string(n);
    node.vars[node.outputs[own + k]].name = name;
    checks.push_back({origins[k].kind, name, origins[k].message, origins[k].span});
  }
  return checks;
}

} // namespace

std::vector<std::vector<RuntimeCheck>> addChecks(Program &program) {
  std::map<const NodeInstance *, NodeChecks> done;
  for (auto &node : program.nodes) CheckAdder(*node, done).run();
  std::vector<std::vector<RuntimeCheck>> checks;
  for (auto &node : program.nodes) {
    auto root = std::find(program.roots.begin(), program.roots.end(), node.get());
    if (root == program.roots.end()) continue;
    checks.resize(program.roots.size());
    checks[static_cast<size_t>(root - program.roots.begin())] = nameChecks(*node, done[node.get()].origins);
  }
  return checks;
}

void noteChecks(mlir::ModuleOp module, const Program &program, const std::vector<std::vector<RuntimeCheck>> &checks,
                const SourceMap &sources) {
  mlir::Builder b(module.getContext());
  llvm::SmallVector<mlir::NamedAttribute> nodes;
  for (size_t i = 0; i < checks.size(); ++i) {
    llvm::SmallVector<mlir::Attribute> list;
    for (const RuntimeCheck &c : checks[i]) {
      LineColumn at = sources.lineColumn(c.span.file, c.span.begin);
      list.push_back(b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(c.name)),
                                          b.getNamedAttr("message", b.getStringAttr(c.message)),
                                          b.getNamedAttr("monitor", b.getBoolAttr(c.kind == CheckKind::Monitor)),
                                          b.getNamedAttr("path", b.getStringAttr(sources.path(c.span.file))),
                                          b.getNamedAttr("line", b.getI64IntegerAttr(at.line)),
                                          b.getNamedAttr("column", b.getI64IntegerAttr(at.column))}));
    }
    if (!list.empty()) nodes.push_back(b.getNamedAttr(program.roots[i]->name, b.getArrayAttr(list)));
  }
  if (!nodes.empty()) module->setAttr("mlr.checks", b.getDictionaryAttr(nodes));
}

std::vector<CheckNote> checksOf(mlir::ModuleOp module, llvm::StringRef node) {
  std::vector<CheckNote> notes;
  auto nodes = module->getAttrOfType<mlir::DictionaryAttr>("mlr.checks");
  auto list = nodes ? llvm::dyn_cast_or_null<mlir::ArrayAttr>(nodes.get(node)) : mlir::ArrayAttr();
  if (!list) return notes;
  for (auto entry : list.getAsRange<mlir::DictionaryAttr>()) {
    auto text = [&](llvm::StringRef key) {
      auto s = entry ? entry.getAs<mlir::StringAttr>(key) : mlir::StringAttr();
      return s ? s.str() : std::string();
    };
    auto number = [&](llvm::StringRef key) {
      auto n = entry ? entry.getAs<mlir::IntegerAttr>(key) : mlir::IntegerAttr();
      return n ? n.getInt() : 0;
    };
    auto monitor = entry ? entry.getAs<mlir::BoolAttr>("monitor") : mlir::BoolAttr();
    notes.push_back({text("name"), text("message"), text("path"), number("line"), number("column"),
                     monitor && monitor.getValue()});
  }
  return notes;
}

} // namespace mlr::dataflow
