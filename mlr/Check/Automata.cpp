// State machines, as arms over a hidden state (Colaço, Pagano, Pouzet, "A conservative extension of synchronous
// data-flow with state machines", EMSOFT 2005). `in` is where the last instant left the machine and `again` whether
// that state starts afresh; `unless` makes the state of this instant of it, `until` the `in` of the next one.
#include "mlr/Check/AstBuild.h"
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

namespace {

/// The conditions of one state's transitions, named, with their targets.
struct Choice {
  std::string condition;
  size_t target = 0;
  bool restarts = false;
};

/// The first true alternative, else `otherwise`.
ast::ExprPtr choose(const std::vector<Choice> &choices, bool reset, ast::ExprPtr otherwise, Span span) {
  for (size_t i = choices.size(); i-- > 0;) {
    ast::ExprPtr to = reset ? boolExpr(choices[i].restarts, span) : numberExpr(choices[i].target, span);
    otherwise = ifExpr(nameExpr(choices[i].condition, span), std::move(to), std::move(otherwise));
  }
  return otherwise;
}

} // namespace

/// The number of the state that a transition names.
std::optional<size_t> Body::stateNamed(const ast::Stmt &stmt, const ast::Name &name) {
  for (size_t i = 0; i < stmt.arms.size(); ++i)
    if (stmt.arms[i].name.text == name.text) return i;
  std::vector<std::string_view> known;
  for (const ast::Arm &arm : stmt.arms) known.push_back(arm.name.text);
  Diagnostic &d = error(kinds::unknownName, name.span, fmt::format("the automaton has no state `{}`", name.text), "unknown");
  if (std::string near = nearest(name.text, known); !near.empty()) d.helps.push_back(fmt::format("did you mean `{}`?", near));
  return std::nullopt;
}

void Body::collectAutomaton(const ast::Stmt &stmt, Scope &at) {
  if (stmt.arms.empty()) {
    error(kinds::missingDefinition, stmt.span, "the automaton has no state", "nothing can run");
    incomplete = true;
    return;
  }
  for (size_t i = 0; i < stmt.arms.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (stmt.arms[i].name.text != stmt.arms[j].name.text) continue;
      Diagnostic &d = error(kinds::duplicateDefinition, stmt.arms[i].name.span,
                            fmt::format("the state `{}` is defined twice", stmt.arms[i].name.text), "again here");
      d.labels.push_back({stmt.arms[j].name.span, "the other one", false});
      incomplete = true;
      return;
    }
  size_t errors = report.errorCount();
  for (const ast::Arm &arm : stmt.arms)
    for (const auto *transitions : {&arm.unless, &arm.until})
      for (const ast::Transition &t : *transitions) stateNamed(stmt, t.target);
  if (report.errorCount() != errors) {
    incomplete = true;
    return;
  }
  std::string base = fmt::format("automaton#{}", made.size());
  Span span = stmt.arms[0].name.span;
  auto define = [&](const std::string &name, ast::ExprPtr value, const char *type) {
    collectStmt(keep(equation(base + name, std::move(value), span, type)), at);
  };
  auto named = [&](const std::string &name) { return nameExpr(base + name, span); };
  define(".in", opExpr(ast::Op::Fby, numberExpr(0, span), named(".next"), span), "i32");
  define(".again", opExpr(ast::Op::Fby, boolExpr(false, span), named(".restart"), span), "bool");
  ast::ExprPtr state = named(".in"), reset = named(".again");
  std::vector<ArmText> arms;
  for (size_t i = 0; i < stmt.arms.size(); ++i) {
    const ast::Arm &arm = stmt.arms[i];
    std::vector<Choice> strong, weak;
    ArmText &text = arms.emplace_back();
    for (const ast::Transition &t : arm.unless) {
      auto target = stateNamed(stmt, t.target);
      strong.push_back({fmt::format("{}.unless{}.{}", base, i, strong.size()), target.value_or(0), !t.resume});
      collectStmt(keep(equation(strong.back().condition, copyOf(*t.condition), t.condition->span, "bool")), at);
    }
    for (const ast::Transition &t : arm.until) {
      auto target = stateNamed(stmt, t.target);
      weak.push_back({fmt::format("{}.until{}.{}", base, i, weak.size()), target.value_or(0), !t.resume});
      text.more.push_back(equation(weak.back().condition, copyOf(*t.condition), t.condition->span, "bool"));
    }
    if (!strong.empty()) {
      auto here = [&] { return opExpr(ast::Op::Eq, named(".in"), numberExpr(i, span), span); };
      state = ifExpr(here(), choose(strong, false, numberExpr(i, span), span), std::move(state));
      reset = ifExpr(here(), choose(strong, true, named(".again"), span), std::move(reset));
    }
    text.more.push_back(equation(base + ".next", choose(weak, false, numberExpr(i, span), span), span));
    text.more.push_back(equation(base + ".restart", choose(weak, true, boolExpr(false, span), span), span));
    text.block = &arm.body;
    text.constructor = fmt::format("#{}", i);
    text.display = fmt::format("the state `{}`", arm.name.text);
  }
  define(".state", std::move(state), "i32");
  define(".reset", std::move(reset), "bool");
  for (size_t i = 0; i < arms.size(); ++i) {
    ArmText &arm = arms[i];
    arm.clock = &armClock(base + ".state", span, ast::ClockExpr::Kind::WhenIs, arm.constructor, stmt.arms[i].name.span);
    arm.reset = &armClock(base + ".reset", span, ast::ClockExpr::Kind::When, "", span);
  }
  collectArms(stmt, std::move(arms), base + ".state", at);
}

} // namespace mlr::checking
