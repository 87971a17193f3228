// The structural invariants of Program.h, re-checked without trust in the checker: definitions, times, types,
// scopes of comprehension indices. Initialisation and causality have analyses of their own.
#include "mlr/Check/Instants.h"

#include <algorithm>
#include <unordered_set>

namespace mlr {
namespace {

class NodeVerifier {
public:
  NodeVerifier(const NodeInstance &node, const std::unordered_set<const NodeInstance *> &callees,
               std::vector<std::string> &broken)
      : node(node), callees(callees), broken(broken) {}

  void run() {
    definitions.assign(node.vars.size(), 0);
    bound.assign(node.indices.size(), false);
    for (VarId v : node.inputs) {
      if (!known(v, "an input")) continue;
      ++definitions[v];
      if (node.vars[v].kind != Var::Kind::Input)
        complain("input '" + node.vars[v].name + "' is not of kind Input");
    }
    region(node.body, nullptr);
    if (node.isExtern) // by the C function
      for (VarId v : node.outputs)
        if (known(v, "an output")) ++definitions[v];
    for (VarId v : node.outputs)
      if (known(v, "an output") && node.vars[v].time)
        complain("output '" + node.vars[v].name + "' lives inside a scan");
    for (size_t v = 0; v < node.vars.size(); ++v)
      if (definitions[v] != 1)
        complain("'" + node.vars[v].name + "' has " + std::to_string(definitions[v]) + " definitions");
  }

private:
  void complain(const std::string &what) { broken.push_back(node.name + ": " + what); }
  void require(bool condition, const Expr &e, const char *what) {
    if (!condition)
      complain(std::string(what) + " in an expression of type " + toString(e.type) + " at byte " +
               std::to_string(e.span.begin));
  }
  bool known(VarId v, const char *role) {
    if (v < node.vars.size()) return true;
    complain(std::string(role) + " is no variable");
    return false;
  }
  void define(VarId v, const ScanTime *time) {
    if (!known(v, "a target")) return;
    ++definitions[v];
    if (node.vars[v].time != time || (node.vars[v].clock != here && node.vars[v].kind != Var::Kind::ScanIndex))
      complain("'" + node.vars[v].name + "' is defined in another time than its own");
  }

  /// Of a call: an output on a clock of the callee is on one below that of the instance.
  void defineResult(VarId v, const ScanTime *time) {
    if (!known(v, "a target")) return;
    const Clock *clock = node.vars[v].clock;
    while (clock && clock != here) clock = clock->parent;
    ++definitions[v];
    if (clock != here || node.vars[v].time != time)
      complain("'" + node.vars[v].name + "' is defined in another time than its own");
  }

  void region(const Region &body, const ScanTime *time) {
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: defineEquation(equation, time); break;
      case Equation::Kind::Call: callEquation(equation, time); break;
      case Equation::Kind::Scan: scanEquation(equation, time); break;
      case Equation::Kind::Clock: clockEquation(*equation.clock, time); break;
      case Equation::Kind::Monitor: monitorEquation(equation, time); break;
      }
    }
  }

  void clockEquation(const Clock &clock, const ScanTime *time) {
    if (clock.time != time || clock.parent != here) complain("a clock is entered in another time than its own");
    if (clock.kind == Clock::Kind::Every) {
      if (clock.period < 1 || clock.phase < 0 || clock.phase >= clock.period) complain("a clock without a period");
    } else if (known(clock.selector, "a selector")) {
      const Type &type = node.vars[clock.selector].type;
      bool isEnum = type == Type{Scalar::I32, {}} && clock.kind == Clock::Kind::When;
      if (type != Type{Scalar::Bool, {}} && !isEnum) complain("a selector that is neither a bool nor an enum");
      checkPresence(clock.selector);
    }
    const Clock *outer = here;
    here = &clock;
    region(clock.body, time);
    here = outer;
  }

  void monitorEquation(const Equation &equation, const ScanTime *time) {
    if (!equation.value) return complain("a monitor without a condition");
    expression(*equation.value, time);
    require(equation.value->type == Type{Scalar::Bool, {}}, *equation.value, "a monitor of another type than bool");
  }

  /// Whether a variable is present wherever the region at hand is.
  void checkPresence(VarId v) {
    const Var &var = node.vars[v];
    const Clock *c = here;
    for (const ScanTime *time = hereTime; time && time != var.time; time = time->parent) c = time->clock;
    if (!isWithin(c, var.clock)) complain("'" + var.name + "' is used where it may be absent");
  }

  void defineEquation(const Equation &equation, const ScanTime *time) {
    if (equation.targets.size() != 1 || !equation.value)
      return complain("an equation without one target and value");
    define(equation.targets[0], time);
    expression(*equation.value, time);
    if (equation.targets[0] < node.vars.size() && node.vars[equation.targets[0]].type != equation.value->type)
      complain("'" + node.vars[equation.targets[0]].name + "' and its value have different types");
  }

  void callEquation(const Equation &equation, const ScanTime *time) {
    const NodeInstance *callee = equation.callee;
    if (!callee || !callees.count(callee)) return complain("a call of a node that does not stand before it");
    if (equation.args.size() != callee->inputs.size() || equation.targets.size() != callee->outputs.size())
      return complain("a call of " + callee->name + " with a wrong number of arguments or results");
    if (callee->usesEnd && !time && !node.usesEnd) complain("a call of " + callee->name + " outside a scan");
    bind(equation.each, true);
    for (size_t i = 0; i < equation.args.size(); ++i) {
      expression(*equation.args[i], time);
      if (equation.args[i]->type != callee->vars[callee->inputs[i]].type)
        complain("argument " + std::to_string(i) + " of " + callee->name + " has a wrong type");
    }
    bind(equation.each, false);
    Shape instances;
    for (IndexId i : equation.each) instances.push_back(i < node.indices.size() ? node.indices[i].size : -1);
    for (size_t i = 0; i < equation.targets.size(); ++i) {
      defineResult(equation.targets[i], time);
      Type type = callee->vars[callee->outputs[i]].type;
      type.shape.insert(type.shape.begin(), instances.begin(), instances.end());
      if (equation.targets[i] < node.vars.size() && node.vars[equation.targets[i]].type != type)
        complain("result " + std::to_string(i) + " of " + callee->name + " has a wrong type");
    }
  }

  void scanEquation(const Equation &equation, const ScanTime *time) {
    const ScanTime *scan = equation.scan.get();
    if (!scan) return complain("a scan without a body");
    if (scan->parent != time) complain("a scan whose parent is not the time that it stands in");
    if (scan->length < 0) complain("a scan of negative length");
    if (known(scan->index, "a scan index")) {
      define(scan->index, scan);
      const Var &index = node.vars[scan->index];
      if (index.kind != Var::Kind::ScanIndex || index.type != Type{Scalar::I32, {}})
        complain("scan index '" + index.name + "' is not an i32 of kind ScanIndex");
    }
    if (scan->clock != here) complain("a scan whose clock is not the one that it stands in");
    const Clock *outer = here;
    here = nullptr;
    hereTime = scan;
    region(scan->body, scan);
    if (scan->until) {
      expression(*scan->until, scan);
      if (scan->until->type != Type{Scalar::Bool, {}}) complain("an until that is not a bool");
    }
    for (const ScanResult &result : scan->results)
      if (result.value && result.kind != ScanResult::Kind::Count) expression(*result.value, scan);
    here = outer;
    hereTime = time;
    for (const ScanResult &result : scan->results) scanResult(*scan, result, time);
  }

  void scanResult(const ScanTime &scan, const ScanResult &result, const ScanTime *time) {
    define(result.var, time);
    if (result.var >= node.vars.size()) return;
    const Type &type = node.vars[result.var].type;
    if (result.kind == ScanResult::Kind::Count) {
      if (result.value || type != Type{Scalar::I32, {}}) complain("a count that is not an i32 alone");
      return;
    }
    if (!result.value) return complain("a scan result without a value");
    Type expected = result.value->type;
    if (result.kind == ScanResult::Kind::Stack) expected.shape.insert(expected.shape.begin(), scan.length);
    if (type != expected) complain("scan result '" + node.vars[result.var].name + "' has a wrong type");
  }

  void expression(const Expr &e, const ScanTime *time) {
    if (!visited.insert(&e).second) return complain("an expression with two parents");
    bool binds = e.kind == ExprKind::Build || e.kind == ExprKind::Reduce;
    if (binds) bind(e.indices, true);
    for (size_t i = 0; i < e.args.size(); ++i) {
      const Expr *arg = e.args[i];
      if (!arg) return complain("an expression lacks an operand");
      sampled = (e.kind == ExprKind::Merge && i > 0) || (e.kind == ExprKind::Hold && i == 0);
      expression(*arg, time);
      sampled = false;
    }
    if (binds) bind(e.indices, false);
    for (const ReadIndex &read : e.reads) {
      if (!read.at) continue;
      expression(*read.at, time);
      require(isInt(read.at->type.scalar) && read.at->type.isScalar(), e, "an index that is no integer");
    }
    check(e, time);
  }

  void bind(const std::vector<IndexId> &indices, bool enter) {
    for (IndexId i : indices) {
      if (i >= bound.size()) return complain("a comprehension over no index");
      if (enter && bound[i]) complain("index '" + node.indices[i].name + "' is bound twice");
      bound[i] = enter;
    }
  }

  bool arity(const Expr &e, size_t count) {
    require(e.args.size() == count, e, "a wrong number of operands");
    return e.args.size() == count;
  }

  void check(const Expr &e, const ScanTime *time) {
    switch (e.kind) {
    case ExprKind::Const: return require(e.constant.type() == e.type, e, "a constant of another type");
    case ExprKind::Var: return checkVar(e, time);
    case ExprKind::Index:
      require(e.index < bound.size() && bound[e.index], e, "an index outside its comprehension");
      return require(e.type == Type{Scalar::I32, {}}, e, "an index that is not i32");
    case ExprKind::Op: return checkOp(e);
    case ExprKind::Broadcast:
      if (arity(e, 1)) checkBroadcast(e);
      return;
    case ExprKind::Reshape:
      if (arity(e, 1))
        require(e.args[0]->type.scalar == e.type.scalar && e.args[0]->type.elements() == e.type.elements(), e,
                "a reshape to another size");
      return;
    case ExprKind::Concat: return checkConcat(e);
    case ExprKind::Read: return checkRead(e);
    case ExprKind::ReadOr: return checkReadOr(e);
    case ExprKind::Build: return checkBuild(e);
    case ExprKind::Reduce:
    case ExprKind::ReduceAll: return checkReduce(e);
    case ExprKind::Call: return checkCall(e);
    case ExprKind::Fby:
    case ExprKind::Eby:
    case ExprKind::Arrow:
      if (arity(e, 2))
        require(e.args[0]->type == e.type && e.args[1]->type == e.type, e, "operands of another type");
      return require(e.kind != ExprKind::Eby || time || node.usesEnd, e, "an eby without an end of time");
    case ExprKind::Vjp:
    case ExprKind::Jvp: return checkDerivative(e);
    case ExprKind::Pre:
    case ExprKind::Stop:
    case ExprKind::Final:
    case ExprKind::Initial:
      if (arity(e, 1)) require(e.args[0]->type == e.type, e, "an operand of another type");
      return;
    case ExprKind::Window: return checkWindow(e);
    case ExprKind::Count:
      return require(e.type == Type{Scalar::I32, {}} && e.args.empty(), e, "a count that is not i32");
    case ExprKind::Merge: return checkMerge(e);
    case ExprKind::Hold: return checkHold(e);
    }
  }

  void checkDerivative(const Expr &e) {
    bool isForward = e.kind == ExprKind::Jvp;
    if (e.args.size() < 3 || (isForward && e.args.size() % 2 == 0)) return complain("a derivative with a wrong number of operands");
    for (const Expr *arg : e.args) require(arg->kind == ExprKind::Var && isFloat(arg->type.scalar), e, "an operand that is no float variable");
    const Type &value = e.args[0]->type;
    if (e.count < 0 || static_cast<size_t>(e.count) > value.shape.size()) return complain("a derivative with too many axes");
    auto batched = [&](Type type) {
      type.shape.insert(type.shape.begin(), value.shape.begin(), value.shape.begin() + e.count);
      return type;
    };
    require(isForward ? e.type == value : e.args[1]->type == value && e.type == batched(e.args[2]->type), e, "operands of another type");
    for (size_t k = 1; isForward && k < e.args.size(); k += 2)
      require(e.args[k]->type == batched(e.args[k + 1]->type), e, "a tangent of another type");
  }

  void checkMerge(const Expr &e) {
    if (e.args.size() < 2 || e.args[0]->kind != ExprKind::Var) return complain("a merge without a selector");
    for (size_t v = 1; v < e.args.size(); ++v) {
      const Expr &arg = *e.args[v];
      require(arg.type == e.type, e, "an operand of another type");
      if (arg.kind == ExprKind::Const || arg.kind != ExprKind::Var) {
        require(arg.kind == ExprKind::Const, e, "an operand of a merge that is neither variable nor constant");
        continue;
      }
      Clock at;
      at.selector = e.args[0]->var;
      at.value = static_cast<int64_t>(v) - 1;
      at.parent = here;
      at.time = hereTime;
      if (known(arg.var, "an operand"))
        require(sameInstants(node.vars[arg.var].clock, &at), e, "an operand that is not present when it is merged");
    }
  }

  void checkHold(const Expr &e) {
    if (!arity(e, 2)) return;
    require(e.args[0]->type == e.type && e.args[1]->type == e.type, e, "operands of another type");
    if (e.args[0]->kind != ExprKind::Var || !known(e.args[0]->var, "an operand"))
      return require(false, e, "an operand of hold that is no variable");
    const Clock *clock = node.vars[e.args[0]->var].clock;
    require(isWithin(clock, here), e, "an operand of hold that is not on a slower clock");
  }

  void checkVar(const Expr &e, const ScanTime *time) {
    if (!known(e.var, "an operand")) return;
    if (!sampled) checkPresence(e.var);
    require(node.vars[e.var].type == e.type, e, "a variable of another type");
    const ScanTime *t = time;
    while (t && t != node.vars[e.var].time) t = t->parent;
    if (t != node.vars[e.var].time) complain("'" + node.vars[e.var].name + "' is used outside its time");
  }

  void checkOp(const Expr &e) {
    for (const Expr *arg : e.args) require(arg->type.shape == e.type.shape, e, "an operand of another shape");
    Scalar r = e.type.scalar;
    auto operands = [&](size_t count, bool legal) {
      if (!arity(e, count)) return;
      for (const Expr *arg : e.args) legal = legal && arg->type.scalar == r;
      require(legal, e, name(e.op));
    };
    switch (e.op) {
    case OpKind::Add:
    case OpKind::Sub:
    case OpKind::Mul:
    case OpKind::Div:
    case OpKind::Rem:
    case OpKind::Min:
    case OpKind::Max: return operands(2, r != Scalar::Bool);
    case OpKind::Neg:
    case OpKind::Abs: return operands(1, r != Scalar::Bool);
    case OpKind::Fma: return operands(3, isFloat(r));
    case OpKind::Sqrt:
    case OpKind::Floor:
    case OpKind::Ceil:
    case OpKind::Trunc:
    case OpKind::RoundEven: return operands(1, isFloat(r));
    case OpKind::Lt:
    case OpKind::Gt:
    case OpKind::Le:
    case OpKind::Ge:
    case OpKind::Eq:
    case OpKind::Ne: {
      if (!arity(e, 2)) return;
      Scalar a = e.args[0]->type.scalar;
      bool equality = e.op == OpKind::Eq || e.op == OpKind::Ne;
      return require(r == Scalar::Bool && e.args[1]->type.scalar == a && (equality || a != Scalar::Bool), e,
                     name(e.op));
    }
    case OpKind::And:
    case OpKind::Or: return operands(2, r == Scalar::Bool);
    case OpKind::Not: return operands(1, r == Scalar::Bool);
    case OpKind::Select:
      if (arity(e, 3))
        require(e.args[0]->type.scalar == Scalar::Bool && e.args[1]->type.scalar == r &&
                    e.args[2]->type.scalar == r,
                e, "Select");
      return;
    case OpKind::BitAnd:
    case OpKind::BitOr:
    case OpKind::BitXor:
    case OpKind::Shl:
    case OpKind::Shr: return operands(2, isInt(r));
    case OpKind::BitNot: return operands(1, isInt(r));
    case OpKind::Bitcast:
      if (arity(e, 1)) require(bitWidth(e.args[0]->type.scalar) == bitWidth(r), e, "Bitcast");
      return;
    case OpKind::Convert: arity(e, 1); return;
    }
  }

  void checkBroadcast(const Expr &e) {
    const Shape &from = e.args[0]->type.shape, &to = e.type.shape;
    bool legal = from.size() <= to.size() && e.args[0]->type.scalar == e.type.scalar;
    for (size_t k = 0; legal && k < from.size(); ++k) {
      int64_t size = from[from.size() - 1 - k];
      legal = size == 1 || size == to[to.size() - 1 - k];
    }
    require(legal, e, "a broadcast that NumPy would refuse");
  }

  void checkConcat(const Expr &e) {
    int64_t leading = 0;
    for (const Expr *arg : e.args) {
      if (arg->type.shape.empty() || e.type.shape.empty())
        return require(false, e, "a concatenation of scalars");
      leading += arg->type.shape[0];
      require(arg->type.scalar == e.type.scalar &&
                  std::equal(arg->type.shape.begin() + 1, arg->type.shape.end(), e.type.shape.begin() + 1,
                             e.type.shape.end()),
              e, "a part of another type");
    }
    require(!e.type.shape.empty() && leading == e.type.shape[0], e, "parts that do not add up");
  }

  void checkRead(const Expr &e) {
    if (!arity(e, 1)) return;
    const Type &from = e.args[0]->type;
    if (e.reads.size() != from.shape.size()) return require(false, e, "a read that misses an axis");
    Type result{from.scalar, {}};
    for (size_t k = 0; k < e.reads.size(); ++k) {
      const ReadIndex &read = e.reads[k];
      bool range = read.kind == ReadIndex::Kind::Range;
      require((read.at != nullptr) == !range, e, "a read with a wrong place");
      if (read.kind == ReadIndex::Kind::At) continue;
      result.shape.push_back(read.count);
      require(read.count >= 0 && read.count <= from.shape[k], e, "a slice longer than its axis");
      require(!range || (read.start >= 0 && read.start <= from.shape[k] - read.count), e,
              "a slice outside its axis");
    }
    require(result == e.type, e, "a read of another type");
  }

  void checkReadOr(const Expr &e) {
    if (!arity(e, 2)) return;
    const Type &from = e.args[0]->type;
    bool at = std::all_of(e.reads.begin(), e.reads.end(),
                          [](auto &r) { return r.kind == ReadIndex::Kind::At && r.at; });
    require(at && e.reads.size() == from.shape.size(), e, "an at() that misses an axis");
    require(e.type == Type{from.scalar, {}} && e.args[1]->type == e.type, e, "an at() of another type");
  }

  void checkBuild(const Expr &e) {
    if (!arity(e, 1)) return;
    Type result{e.args[0]->type.scalar, {}};
    for (IndexId i : e.indices) result.shape.push_back(i < node.indices.size() ? node.indices[i].size : -1);
    result.shape.insert(result.shape.end(), e.args[0]->type.shape.begin(), e.args[0]->type.shape.end());
    require(result == e.type, e, "a comprehension of another type");
  }

  void checkReduce(const Expr &e) {
    if (!arity(e, 1)) return;
    const Type &from = e.args[0]->type;
    bool position = e.reduce == ReduceKind::Argmax || e.reduce == ReduceKind::Argmin;
    bool logic = e.reduce == ReduceKind::All || e.reduce == ReduceKind::Any;
    require(e.type.scalar == (position ? Scalar::I32 : from.scalar), e, "a reduction of another type");
    require(logic == (from.scalar == Scalar::Bool), e, "a reduction over a wrong type");
    require(e.reduce != ReduceKind::Mean || isFloat(from.scalar), e, "a mean of integers");
    require(e.type.shape == (e.kind == ExprKind::Reduce ? from.shape : Shape{}), e,
            "a reduction of another shape");
    bool product = e.args[0]->kind == ExprKind::Op && e.args[0]->op == OpKind::Mul;
    bool sum = e.reduce == ReduceKind::Sum || e.reduce == ReduceKind::Mean;
    require(!e.fused || (product && sum && isFloat(from.scalar)), e,
            "a fused chain that is no sum of products");
    if (e.reduce == ReduceKind::Max || e.reduce == ReduceKind::Min || position) {
      int64_t count = e.kind == ExprKind::ReduceAll ? from.elements() : 1;
      if (e.kind == ExprKind::Reduce)
        for (IndexId i : e.indices)
          count *= i < node.indices.size() ? std::min<int64_t>(node.indices[i].size, 1) : 0;
      require(count > 0, e, "a maximum or minimum of nothing");
    }
  }

  void checkCall(const Expr &e) {
    if (!e.callee || !callees.count(e.callee))
      return complain("a call of a fun that does not stand before it");
    require(e.callee->isFun && !e.callee->hasState && !e.callee->usesEnd, e,
            "a call of a node as an expression");
    if (e.args.size() != e.callee->inputs.size() || e.result >= e.callee->outputs.size())
      return require(false, e, "a call with a wrong number of arguments or results");
    for (size_t i = 0; i < e.args.size(); ++i)
      require(e.args[i]->type == e.callee->vars[e.callee->inputs[i]].type, e, "an argument of another type");
    require(e.type == e.callee->vars[e.callee->outputs[e.result]].type, e, "a result of another type");
  }

  void checkWindow(const Expr &e) {
    if (!arity(e, 2)) return;
    Type result = e.args[0]->type;
    result.shape.insert(result.shape.begin(), e.count);
    require(e.count >= 1 && result == e.type && e.args[1]->type == e.args[0]->type, e,
            "a window of another type");
  }

  const NodeInstance &node;
  const std::unordered_set<const NodeInstance *> &callees;
  std::vector<std::string> &broken;
  const Clock *here = nullptr;              ///< of the region at hand
  const ScanTime *hereTime = nullptr;
  bool sampled = false;                     ///< the expression is an operand of merge or hold
  std::vector<int> definitions;             ///< by variable
  std::vector<bool> bound;                  ///< by index: inside its comprehension
  std::unordered_set<const Expr *> visited; ///< membership only
};

} // namespace

std::vector<std::string> verify(const Program &program) {
  std::vector<std::string> broken;
  std::unordered_set<const NodeInstance *> before;
  std::unordered_set<std::string> names;
  for (const auto &node : program.nodes) {
    if (!names.insert(node->name).second) broken.push_back(node->name + ": the name is not unique");
    NodeVerifier(*node, before, broken).run();
    before.insert(node.get());
  }
  for (const NodeInstance *root : program.roots)
    if (!before.count(root)) broken.push_back("a root is not a node of the program");
  return broken;
}

} // namespace mlr
