// Initialisation analysis: no value of `pre` at a first instant is ever read. One bit a variable, as in
// Colaço and Pouzet, "Type-based initialization analysis of a synchronous dataflow language" (STTT 2004): a
// stream is defined always, or perhaps undefined at the first instant.
//
// Operators hand on undefinedness from their operands; `a -> b` only that of a. What must be defined:
// operands of fby, pre, window, final, initial; what enters or leaves a scan; conditions of until; outputs of
// nodes. Inputs of nodes are polymorphic: a summary says which outputs an undefined input reaches, and which
// inputs must be defined.
#include "mlr/Check/Analyses.h"
#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <map>
#include <set>

namespace mlr {
namespace {

/// In the words of the source: what one arm makes of `y` is "y#1", the memory of `last y` is "y#last".
std::string nameOf(const Var &var) {
  size_t mark = var.name.find('#');
  if (mark == std::string::npos) return var.name;
  return (var.name.ends_with("#last") ? "last " : "") + var.name.substr(0, mark);
}

struct Summary {
  std::vector<bool> needed;                   ///< by input: must be defined
  std::vector<std::vector<uint32_t>> reaches; ///< by output: inputs whose undefinedness it has
};

/// Where undefinedness may come from: variables, or a `pre` in the expression itself.
struct Sources {
  std::vector<VarId> vars;
  const Expr *pre = nullptr; ///< the first one met
};

/// A place that must be defined.
struct Need {
  Sources sources;
  Span span;
  std::string what; ///< "`y` is an output"
};

class NodeInitialisation {
public:
  NodeInitialisation(const NodeInstance &node, const std::map<std::string, Summary> &callees,
                     Diagnostics &diagnostics)
      : node(node), callees(callees), diagnostics(diagnostics), sources(node.vars.size()) {}

  Summary run(bool &good) {
    region(node.body, nullptr);
    for (VarId v : node.outputs) {
      Sources of;
      of.vars.push_back(v);
      needs.push_back({of, node.vars[v].span, "`" + node.vars[v].name + "` is an output"});
    }
    propagate();
    good = report();
    return summary();
  }

private:
  // ---- what each variable takes over, and what must be defined
  // ---------------------------------------------------

  void region(const Region &body, const ScanTime *time) {
    for (const Equation &equation : body.equations) {
      switch (equation.kind) {
      case Equation::Kind::Define: collect(*equation.value, time, sources[equation.targets[0]]); break;
      case Equation::Kind::Call: call(equation, time); break;
      case Equation::Kind::Scan: scan(*equation.scan); break;
      case Equation::Kind::Clock: clock(*equation.clock, time); break;
      case Equation::Kind::Monitor: need(*equation.value, time, "a contract looks at this"); break;
      }
    }
  }

  void call(const Equation &equation, const ScanTime *time) {
    const Summary &callee = callees.at(equation.callee->name);
    std::vector<Sources> args(equation.args.size());
    for (size_t i = 0; i < args.size(); ++i) {
      collect(*equation.args[i], time, args[i]);
      const Var &input = equation.callee->vars[equation.callee->inputs[i]];
      if (callee.needed[i])
        needs.push_back(
            {args[i], equation.args[i]->span,
             "`" + equation.callee->name + "` needs `" + input.name + "` defined from the first instant on"});
    }
    for (size_t o = 0; o < equation.targets.size(); ++o)
      for (uint32_t i : callee.reaches[o]) merge(sources[equation.targets[o]], args[i]);
  }

  void clock(const Clock &clock, const ScanTime *time) {
    if (clock.kind != Clock::Kind::Every) {
      Sources of;
      of.vars.push_back(clock.selector);
      bool reset = clock.kind == Clock::Kind::Reset;
      needs.push_back({of, clock.span, reset ? "this decides where segments begin" : "this decides which instants a clock has"});
    }
    const Clock *outer = here;
    here = &clock;
    region(clock.body, time);
    here = outer;
  }

  void scan(const ScanTime &scan) {
    const Clock *outer = here;
    here = nullptr;
    scanInside(scan);
    here = outer;
  }

  void scanInside(const ScanTime &scan) {
    region(scan.body, &scan);
    if (scan.until) need(*scan.until, &scan, "the condition of `until` decides when the scan stops");
    for (const ScanResult &result : scan.results)
      if (result.value)
        need(*result.value, &scan, "`" + node.vars[result.var].name + "` is a result of the scan");
  }

  static void merge(Sources &into, const Sources &from) {
    into.vars.insert(into.vars.end(), from.vars.begin(), from.vars.end());
    if (!into.pre) into.pre = from.pre;
  }

  void need(const Expr &e, const ScanTime *time, std::string what) {
    Sources of;
    collect(e, time, of);
    if (!of.vars.empty() || of.pre) needs.push_back({std::move(of), e.span, std::move(what)});
  }

  void collect(const Expr &e, const ScanTime *time, Sources &into) {
    switch (e.kind) {
    case ExprKind::Var: return variable(e, time, into);
    case ExprKind::Fby:
      need(*e.args[0], time, "`fby` starts with this");
      return need(*e.args[1], time, "`fby` keeps this for the next instant");
    case ExprKind::Pre:
      need(*e.args[0], time, "`pre` keeps this for the next instant");
      if (!into.pre) into.pre = &e;
      return;
    case ExprKind::Arrow: {
      collect(*e.args[0], time, into);
      Sources later; // counts after the first instant only, when everything is defined
      return collect(*e.args[1], time, later);
    }
    case ExprKind::Window:
      need(*e.args[0], time, "`window` keeps this");
      return need(*e.args[1], time, "`window` starts with this");
    // The first instant of a slower clock may come late: nothing guards it then.
    case ExprKind::Hold:
      need(*e.args[0], time, "`hold` keeps this");
      return need(*e.args[1], time, "`hold` starts with this");
    case ExprKind::Merge:
      need(*e.args[0], time, "this decides what `merge` takes");
      for (size_t i = 1; i < e.args.size(); ++i) need(*e.args[i], time, "`merge` may take this at a later instant");
      return;
    case ExprKind::Final: return need(*e.args[0], time, "`final` may be read at the first instant");
    case ExprKind::Initial: return need(*e.args[0], time, "`initial` is the value of the first instant");
    default: break;
    }
    for (const Expr *arg : e.args) collect(*arg, time, into);
    for (const ReadIndex &read : e.reads)
      if (read.at) collect(*read.at, time, into);
  }

  void variable(const Expr &e, const ScanTime *time, Sources &into) {
    const Var &var = node.vars[e.var];
    if (var.kind == Var::Kind::ScanIndex) return;
    if (var.time == time) {
      if (leavesReset(var.clock)) {
        Sources of;
        of.vars.push_back(e.var);
        bool isOfArm = var.name.find('#') != std::string::npos;
        needs.push_back({of, e.span, "`" + nameOf(var) + "` leaves " + (isOfArm ? "a state that may start at a later instant" : "the block that is reset")});
      } else {
        into.vars.push_back(e.var);
      }
      return;
    }
    // A value of an enclosing time is a constant of the scan: undefined for a whole run, not for its first
    // instant.
    Sources of;
    of.vars.push_back(e.var);
    needs.push_back({of, e.span, "`" + nameOf(var) + "` is read inside the scan"});
  }

  /// Whether a variable of this clock, read in the region at hand, starts afresh more often than that region.
  bool leavesReset(const Clock *clock) const {
    for (; clock; clock = clock->parent) {
      if (clock->kind != Clock::Kind::Reset) continue;
      const Clock *c = here;
      while (c && c != clock) c = c->parent;
      if (!c) return true;
    }
    return false;
  }

  // ---- the least solution
  // ----------------------------------------------------------------------------------------

  /// From each `pre` along what takes it over; remembers the `pre` behind each undefined variable.
  void propagate() {
    std::vector<std::vector<VarId>> readers(node.vars.size());
    std::vector<VarId> work;
    cause.assign(node.vars.size(), nullptr);
    for (VarId v = 0; v < sources.size(); ++v) {
      for (VarId from : sources[v].vars) readers[from].push_back(v);
      if (!sources[v].pre) continue;
      cause[v] = sources[v].pre;
      work.push_back(v);
    }
    for (size_t i = 0; i < work.size(); ++i)
      for (VarId reader : readers[work[i]]) {
        if (cause[reader]) continue;
        cause[reader] = cause[work[i]];
        work.push_back(reader);
      }
  }

  Summary summary() const {
    std::vector<bool> isNeeded(node.vars.size(), false);
    std::vector<VarId> work;
    auto visit = [&](VarId v) {
      if (isNeeded[v]) return;
      isNeeded[v] = true;
      work.push_back(v);
    };
    // Outputs are needed here too, but a caller may ask for less: only the other needs bind the inputs.
    for (size_t i = 0; i + node.outputs.size() < needs.size(); ++i)
      for (VarId v : needs[i].sources.vars) visit(v);
    for (size_t i = 0; i < work.size(); ++i)
      for (VarId v : sources[work[i]].vars) visit(v);
    Summary result;
    for (VarId v : node.inputs) result.needed.push_back(isNeeded[v]);
    for (VarId output : node.outputs) result.reaches.push_back(inputsBehind(output));
    return result;
  }

  std::vector<uint32_t> inputsBehind(VarId output) const {
    std::set<VarId> seen{output};
    std::vector<VarId> work{output};
    for (size_t i = 0; i < work.size(); ++i)
      for (VarId v : sources[work[i]].vars)
        if (seen.insert(v).second) work.push_back(v);
    std::vector<uint32_t> inputs;
    for (uint32_t i = 0; i < node.inputs.size(); ++i)
      if (seen.count(node.inputs[i])) inputs.push_back(i);
    return inputs;
  }

  // ---- reports
  // ---------------------------------------------------------------------------------------------------

  bool report() {
    std::set<const Expr *> reported; // one cause, one error; membership only
    for (const Need &need : needs) {
      const Expr *pre = need.sources.pre;
      VarId through = UINT32_MAX;
      for (size_t i = 0; !pre && i < need.sources.vars.size(); ++i) {
        pre = cause[need.sources.vars[i]];
        if (pre) through = need.sources.vars[i];
      }
      if (pre && reported.insert(pre).second) describe(*pre, through, need);
    }
    return reported.empty();
  }

  std::string sourceText(const Expr &e) const {
    std::string text(diagnostics.sourceMap().text(e.span));
    return text.empty() || text.size() > 40 || text.find('\n') != std::string::npos ? "" : text;
  }

  void describe(const Expr &pre, VarId through, const Need &need) {
    std::string text = sourceText(pre), operand = sourceText(*pre.args[0]);
    std::string shown = text.empty() ? "a `pre`" : "`" + text + "`";
    Diagnostic &d = diagnostics.report(kinds::uninitialised, pre.span,
                                       shown + " is read at the first instant, where it is undefined",
                                       "undefined at the first instant");
    if (need.span.valid() && need.span != pre.span) d.labels.push_back({need.span, need.what, false});
    table(d, text.empty() ? "pre .." : text, operand, through);
    if (operand.empty() || text.empty()) return;
    bool isName = pre.args[0]->kind == ExprKind::Var;
    std::string zero = pre.type.scalar == Scalar::Bool ? "false" : "0";
    d.helps.push_back("give the first value:  (" + zero + " -> " + text + ")");
    d.helps.push_back("or, shorter:           (" + zero + " fby " + (isName ? operand : "(" + operand + ")") +
                      ")");
  }

  /// The instants, as evidence: `?` where a stream is undefined.
  void table(Diagnostic &d, const std::string &text, const std::string &operand, VarId through) {
    std::vector<std::pair<std::string, bool>> rows;
    if (!operand.empty()) rows.push_back({operand, false});
    rows.push_back({text, true});
    if (through != UINT32_MAX && node.vars[through].kind != Var::Kind::Hidden && nameOf(node.vars[through]) != operand)
      rows.push_back({nameOf(node.vars[through]), true});
    size_t width = 7;
    for (auto &row : rows) width = std::max(width, row.first.size());
    auto pad = [&](const std::string &s) { return s + std::string(width - s.size(), ' '); };
    std::string note = pad("instant") + "  0  1  2  3";
    for (auto &row : rows) note += "\n" + pad(row.first) + (row.second ? "  ?  *  *  *" : "  *  *  *  *");
    d.notes.push_back(note);
  }

  const NodeInstance &node;
  const std::map<std::string, Summary> &callees;
  Diagnostics &diagnostics;
  const Clock *here = nullptr;     ///< in whose region the expression at hand stands
  std::vector<Sources> sources;    ///< by variable
  std::vector<Need> needs;         ///< those of the outputs last
  std::vector<const Expr *> cause; ///< by variable: the `pre` that makes it undefined
};

} // namespace

bool checkInitialisation(const Program &program, Diagnostics &diagnostics) {
  std::map<std::string, Summary> summaries;
  bool good = true;
  for (const auto &node : program.nodes) {
    bool nodeGood = true;
    Summary summary;
    if (node->isExtern) { // C functions with effects look at their arguments at every instant; pure ones hand on
      std::vector<uint32_t> all;
      for (uint32_t i = 0; node->isFun && i < node->inputs.size(); ++i) all.push_back(i);
      summary.needed.assign(node->inputs.size(), !node->isFun);
      summary.reaches.assign(node->outputs.size(), all);
    } else {
      summary = NodeInitialisation(*node, summaries, diagnostics).run(nodeGood);
    }
    summaries.emplace(node->name, std::move(summary));
    good = good && nodeGood;
  }
  return good;
}

} // namespace mlr
