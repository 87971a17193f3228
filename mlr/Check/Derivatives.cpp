// What has no derivative is refused, with the way from the variable to the value; a value that does not depend on its variable draws
// a warning.
#include "mlr/Check/Analyses.h"
#include "mlr/Check/Influence.h"
#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace mlr {
namespace {

using namespace influence;

/// A variable as it stands in the text of a derivative: all leaves of a struct, in all instances of a generic node.
struct Written {
  Span derivative, variable;
  auto key() const { return std::tie(derivative.file, derivative.begin, derivative.end, variable.begin, variable.end); }
  bool operator<(const Written &o) const { return key() < o.key(); }
};

/// One leaf that the value does not depend on.
struct Unused {
  const NodeInstance *node;
  const Expr *derivative;
  const ScanTime *time;
  const Expr *variable;
};

class DerivativeCheck {
public:
  DerivativeCheck(const Program &program, const std::function<bool(uint32_t)> &isLibrary, Diagnostics &diagnostics)
      : program(program), isLibrary(isLibrary), diagnostics(diagnostics), graph(program) {}

  bool run() {
    size_t before = diagnostics.errorCount();
    for (const auto &node : program.nodes)
      if (node->derivative) refuseCircle(*node);
    for (const auto &node : program.nodes)
      for (const auto &[e, time] : graph.derivativesOf(*node)) check(*node, *e, time);
    if (diagnostics.errorCount() != before) return false;
    for (const auto &[written, leaf] : unused)
      if (leaf && !isLibrary(written.derivative.file)) warn(*leaf);
    return true;
  }

private:
  void check(const NodeInstance &node, const Expr &e, const ScanTime *time) {
    std::vector<const Expr *> variables;
    bool isForward = e.kind == ExprKind::Jvp;
    for (size_t k = 2; k < e.args.size(); k += isForward ? 2 : 1) variables.push_back(e.args[k]);
    std::set<VarId> cut;
    for (const Expr *v : variables) cut.insert(v->var);
    Found found = graph.search(node, e.args[0]->var, time, cut, State::Float);
    if (!isForward) variables.resize(1); // the others have derivatives of their own
    for (const Expr *v : variables) {
      if (found.count({v->var, State::Broken})) refuse(node, e, *v, found);
      auto [at, isNew] = unused.try_emplace(Written{e.span, v->span});
      if (found.count({v->var, State::Float}) || found.count({v->var, State::Broken})) at->second.reset();
      else if (isNew) at->second = Unused{&node, &e, time, v};
    }
  }

  /// What `node` calls, at any depth, itself first.
  std::vector<const NodeInstance *> closureOf(const NodeInstance &node) const {
    std::vector<const NodeInstance *> all{&node};
    std::set<const NodeInstance *> seen{&node}; // membership only
    for (size_t i = 0; i < all.size(); ++i)
      for (const NodeInstance *callee : graph.calleesOf(*all[i]))
        if (seen.insert(callee).second) all.push_back(callee);
    return all;
  }

  /// A derivative that a function states is a program, which may take derivatives, but not its own in the end.
  void refuseCircle(const NodeInstance &function) {
    std::vector<const NodeInstance *> stated{&function}; // whose statements are looked at
    std::set<const NodeInstance *> seen;                 // membership only
    for (size_t i = 0; i < stated.size(); ++i)
      for (const NodeInstance *taker : closureOf(*stated[i]->derivative)) {
        if (graph.derivativesOf(*taker).empty()) continue;
        for (const NodeInstance *callee : closureOf(*taker))
          if (callee->derivative && seen.insert(callee).second) stated.push_back(callee);
      }
    if (!seen.count(&function)) return;
    Diagnostic &d = diagnostics.report(kinds::recursiveInstantiation, function.derivative->span,
                                       fmt::format("the derivative of `{}` needs the derivative of `{}`", function.display, function.display),
                                       "takes it, directly or through others");
    if (d.kind) d.labels.push_back({function.span, "states this one", false});
  }

  // ---- in the user's words

  std::string textOf(Span span, size_t most = 32) const {
    std::string text(diagnostics.sourceMap().text(span));
    return text.size() > most || text.find('\n') != std::string::npos ? "" : text;
  }
  std::string quoted(Span span, const char *otherwise) const {
    std::string text = textOf(span);
    return text.empty() ? otherwise : "`" + text + "`";
  }
  /// What is differentiated: its text in the derivative is not known here, its name or definition is.
  std::string valueOf(const NodeInstance &node, const Expr &e) const {
    const Var &var = node.vars[e.args[0]->var];
    return var.kind == Var::Kind::Hidden ? quoted(e.args[0]->span, "the value") : "`" + var.name + "`";
  }

  /// The variables on the way from `at` to the value, each by the name that the user knows it by.
  std::string way(const NodeInstance &node, Place at, const Found &found) const {
    std::vector<std::string> names;
    for (;;) {
      const Step &step = found.at(at);
      const Var &var = node.vars[at.var];
      if (var.kind != Var::Kind::Hidden && (names.empty() || names.back() != var.name)) names.push_back(var.name);
      if (!step.obstacle.name.empty()) names.push_back(fmt::format("{}(..)", step.obstacle.name));
      for (const auto &[span, name] : step.obstacle.calls) names.push_back(fmt::format("{}(..)", name));
      if (step.isRoot) break;
      at = step.by;
    }
    std::string text;
    for (size_t i = 0; i < names.size(); ++i) {
      if (names.size() > 10 && i == 5) text += " -> ..";
      if (names.size() > 10 && i >= 5 && i + 5 < names.size()) continue;
      text += (i ? " -> " : "") + names[i];
    }
    return text;
  }

  void refuse(const NodeInstance &node, const Expr &e, const Expr &variable, const Found &found) {
    Place at{variable.var, State::Broken};
    std::vector<Label> labels;
    Obstacle obstacle;
    for (Place p = at;;) {
      const Step &step = found.at(p);
      if (obstacle.kind == Obstacle::Kind::None) obstacle = step.obstacle;
      if (step.isRoot) break;
      const Var &by = node.vars[step.by.var];
      if (by.kind != Var::Kind::Hidden && labels.size() < 6)
        labels.push_back({step.mention, fmt::format("`{}` depends on this", by.name), false});
      p = step.by;
    }
    bool isForeign = obstacle.kind == Obstacle::Kind::Foreign;
    Diagnostic &d = diagnostics.report(
        kinds::noDerivative, obstacle.span,
        fmt::format("{}`{}` has no derivative, and {} depends on `{}` through it", isForeign ? "the C function " : "", obstacle.name,
                    valueOf(node, e), node.vars[variable.var].name),
        isForeign ? "a derivative cannot look inside" : "an integer made of the bits of a float, which becomes a float again");
    if (d.kind == nullptr) return;
    for (Label &label : labels)
      if (label.span != obstacle.span) d.labels.push_back(std::move(label));
    for (const auto &[span, name] : obstacle.calls)
      if (d.labels.size() < 8) d.labels.push_back({span, fmt::format("`{}` is called here", name), false});
    d.labels.push_back({e.span, "the derivative is taken here", false});
    d.notes.push_back("from variable to value: " + way(node, at, found));
    std::string text = textOf(obstacle.span);
    if (!text.empty()) d.helps.push_back(fmt::format("if it is to count as a constant:  stop_gradient({})", text));
    if (isForeign) d.helps.push_back(fmt::format("or call it in a function that states one:  fun f(..) -> (..) derivative g {{ .. = {}(..); }}", obstacle.name));
  }

  static std::string reasonOf(const Obstacle &o) {
    using Kind = Obstacle::Kind;
    switch (o.kind) {
    case Kind::Step: return fmt::format("the derivative of `{}` is 0: it is constant between its steps", o.name);
    case Kind::Integer: return fmt::format("the derivative of `{}` is 0: whole numbers are constant between their steps", o.name);
    case Kind::Condition: return "a condition only chooses: it has no derivative";
    case Kind::Index: return "an index only chooses: it has no derivative";
    case Kind::OtherInstant: return fmt::format("a constant: `{}` gives the value of another instant", o.name);
    case Kind::End: return "a constant here: inside a scan its results are those of the whole run";
    case Kind::Stop: return "`stop_gradient` makes it a constant";
    default: return "";
    }
  }

  void warn(const Unused &of) {
    std::string value = valueOf(*of.node, *of.derivative);
    std::string name(textOf(of.variable->span));
    if (name.empty()) name = of.node->vars[of.variable->var].name;
    Diagnostic &d = diagnostics.report(kinds::zeroDerivative, of.variable->span,
                                       fmt::format("{} does not depend on `{}`: its derivative is 0", value, name),
                                       "has no influence at this instant");
    if (d.kind == nullptr) return;
    std::set<VarId> cut{of.variable->var};
    Found found = graph.search(*of.node, of.derivative->args[0]->var, of.time, cut, State::Any);
    Place at{of.variable->var, State::Any};
    if (!found.count(at)) return;
    for (;;) { // the obstacle that is nearest to the variable
      const Step &step = found.at(at);
      if (std::string reason = reasonOf(step.obstacle); !reason.empty() && step.obstacle.span.valid()) {
        d.labels.push_back({step.obstacle.span, reason, false});
        return;
      }
      if (step.isRoot) return;
      at = step.by;
    }
  }

  const Program &program;
  const std::function<bool(uint32_t)> &isLibrary;
  Diagnostics &diagnostics;
  Graph graph;
  std::map<Written, std::optional<Unused>> unused; ///< nothing: some leaf, or some instance, has an influence
};

} // namespace

bool checkDerivatives(const Program &program, const std::function<bool(uint32_t)> &isLibrary, Diagnostics &diagnostics) {
  return !program.takesDerivatives || DerivativeCheck(program, isLibrary, diagnostics).run();
}

} // namespace mlr
