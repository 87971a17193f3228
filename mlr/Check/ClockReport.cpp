// Errors of clock inference: what is present when, as a table of instants, and what would make it fit.
#include "mlr/Check/Body.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace mlr::checking {

using Kind = ClockTerm::Kind;

/// "when voiced", "when every 4 when go"; the base clock is "".
static std::string conditions(ClockTerm *t) {
  std::string out;
  for (t = ClockSolver::find(t); t->kind == Kind::On; t = ClockSolver::find(t->parent))
    if (t->condition->kind != Clock::Kind::Reset) out = fmt::format("when {}{}{}", t->condition->shown, out.empty() ? "" : " ", out);
  return out;
}

std::string Body::describeClock(ClockTerm *t) const {
  t = ClockSolver::find(t);
  std::string out;
  for (; t->kind == Kind::On; t = ClockSolver::find(t->parent))
    if (t->condition->kind != Clock::Kind::Reset) {
      bool every = t->condition->kind == Clock::Kind::Every;
      out += fmt::format("{}{}`{}`", out.empty() ? "" : " of ", every || out.empty() ? "" : "when ", t->condition->shown);
    }
  return out.empty() ? "present at every instant" : "present only when " + out;
}

namespace {

/// Presence at small instants, with each boolean selector running through a pattern of its own.
class Instants {
public:
  static constexpr int patterns = 3;
  bool present(ClockTerm *t, int instant) {
    t = ClockSolver::find(t);
    if (t->kind != Kind::On) return true;
    if (!present(t->parent, instant)) return false;
    const ClockCondition &c = *t->condition;
    if (c.kind == Clock::Kind::Reset) return true;
    int among = 0; // which of the instants of the clock above this is
    for (int i = 0; i < instant; ++i) among += present(t->parent, i);
    if (c.kind == Clock::Kind::Every) return among % c.period == c.phase;
    return value(c, among) == (c.constructor.empty() ? c.value != 0 : true);
  }
  /// t f t f, t t f f, ..; an enum's arms are told apart by their constructors.
  bool value(const ClockCondition &c, int among) {
    size_t number = selectors.emplace(c.key + c.constructor, selectors.size()).first->second;
    return ((among >> (number % patterns)) & 1) == 0;
  }

private:
  std::map<std::string, size_t> selectors;
};

} // namespace

std::string Body::instants(const std::vector<std::pair<std::string, ClockTerm *>> &rows) const {
  Instants table;
  std::vector<std::pair<const ClockCondition *, ClockTerm *>> selectors;
  int64_t longest = 4;
  for (auto &[name, clock] : rows)
    for (ClockTerm *t = ClockSolver::find(clock); t->kind == Kind::On; t = ClockSolver::find(t->parent)) {
      const ClockCondition &c = *t->condition;
      if (c.kind == Clock::Kind::Every) longest = std::max<int64_t>(longest, std::min<int64_t>(c.period * 2, 8));
      bool known = c.kind != Clock::Kind::When || !c.constructor.empty();
      for (auto &s : selectors) known |= s.first->key == c.key;
      if (!known) selectors.insert(selectors.begin(), {&c, ClockSolver::find(t->parent)});
    }
  int columns = static_cast<int>(longest);
  std::vector<std::pair<std::string, std::string>> lines;
  for (auto &[c, above] : selectors) {
    std::string cells;
    int among = 0;
    for (int i = 0; i < columns; ++i) {
      bool there = table.present(above, i);
      cells += !there ? "  ." : table.value(*c, among) ? "  t" : "  f";
      among += there;
    }
    lines.push_back({c->selectorShown, cells});
  }
  for (auto &[name, clock] : rows) {
    bool listed = false;
    for (auto &line : lines) listed |= line.first == name;
    if (listed) continue;
    std::string cells;
    for (int i = 0; i < columns; ++i) cells += table.present(clock, i) ? "  *" : "  .";
    lines.push_back({name, cells});
  }
  size_t width = 7;
  for (auto &line : lines) width = std::max(width, std::min<size_t>(line.first.size(), 32));
  auto pad = [&](std::string s) {
    if (s.size() > 32) s = s.substr(0, 30) + "..";
    return s + std::string(width - s.size(), ' ');
  };
  std::string out = pad("instant");
  for (int i = 0; i < columns; ++i) out += fmt::format("  {}", i);
  for (auto &[name, cells] : lines) out += "\n" + pad(name) + cells;
  return out;
}

/// The statement at hand with one operand replaced, where it stands on one line.
std::string Body::replaced(const ast::Expr &operand, const std::string &by) const {
  if (!inferring || !inferring->stmt) return by;
  Span all = inferring->stmt->span, at = operand.span;
  std::string whole(checker.sources.text(all));
  if (at.file != all.file || at.begin < all.begin || at.end > all.end || whole.find('\n') != std::string::npos ||
      whole.size() > 100)
    return by;
  std::string out = whole.substr(0, at.begin - all.begin) + by + whole.substr(at.end - all.begin);
  return out.ends_with(";") ? out : out + ";";
}

std::string Body::sampledText(const std::string &operand, ClockTerm *from, ClockTerm *to) const {
  std::string out;
  for (to = ClockSolver::find(to); !ClockSolver::equal(from, to); to = ClockSolver::find(to->parent))
    if (to->condition->kind != Clock::Kind::Reset) out = fmt::format(" when {}{}", to->condition->shown, out);
  bool simple = operand.find_first_of(" +-*/<>=") == std::string::npos || operand.front() == '(';
  return fmt::format("({}{})", simple ? operand : "(" + operand + ")", out);
}

/// A first value of the type that is known, else 0.
static std::string zeroText(Scalar s) { return s == Scalar::Bool ? "false" : isFloat(s) ? "0.0" : "0"; }

std::string Body::heldText(const ast::Expr &e, ClockTerm *from, ClockTerm *to) const {
  const SymbolId *id = e.kind == ast::ExprKind::Name ? lookup(e.text) : nullptr;
  Scalar s = id && symbols[*id].ty.kind == Ty::Kind::Plain ? symbols[*id].ty.type.scalar : Scalar::I32;
  bool logical = e.op == ast::Op::Not || e.op == ast::Op::And || e.op == ast::Op::Or || (e.op >= ast::Op::Lt && e.op <= ast::Op::Ne);
  return heldText(text(e), logical ? Scalar::Bool : s, from, to);
}

std::string Body::heldText(std::string out, Scalar scalar, ClockTerm *from, ClockTerm *to) const {
  for (from = ClockSolver::find(from); !ClockSolver::equal(from, to); from = ClockSolver::find(from->parent))
    if (from->condition->kind != Clock::Kind::Reset) out = fmt::format("hold({}, {})", out, zeroText(scalar));
  return out;
}

/// False: nothing to say, what is unknown has fallen to an error elsewhere.
bool Body::mismatch(const ast::Expr &e, ClockTerm *a, ClockTerm *b) {
  if (report.isQuiet() || namesFailed) return false;
  for (ClockTerm *t : {a, b}) settleClock(t);
  return !ClockSolver::equal(a, b) || e.kind == ast::ExprKind::When;
}

void Body::reportClocks(const ast::Expr &e, const ast::Expr *first, ClockTerm *a, const ast::Expr *second,
                        ClockTerm *b) {
  if (!mismatch(e, a, b)) return;
  using K = ast::ExprKind;
  std::string what = e.kind == K::Binary   ? fmt::format("the operands of `{}`", ast::spelling(e.op))
                     : e.kind == K::Call   ? fmt::format("the arguments of `{}`", e.text)
                     : e.kind == K::If     ? "the operands of `if`"
                     : e.kind == K::When   ? "a stream and the condition that samples it"
                     : e.kind == K::Index  ? "an array and its index"
                                           : "the parts of this expression";
  if (e.kind == K::Call && e.text == "hold") what = "what `hold` shows and its first value";
  Span at = e.nameSpan.valid() && e.kind == K::Binary ? e.nameSpan : e.span;
  Diagnostic &d = error(kinds::clockMismatch, at, what + " are present at different instants", "needs both");
  auto label = [&](const ast::Expr &operand, ClockTerm *t) {
    const SymbolId *id = operand.kind == K::Name ? lookup(operand.text) : nullptr;
    Span where = operand.span;
    if (id && symbols[*id].definition && symbols[*id].definition->stmt) where = symbols[*id].definition->stmt->targets.empty() ? symbols[*id].span : symbols[*id].span.to(symbols[*id].definition->expr ? symbols[*id].definition->expr->span : symbols[*id].span);
    else if (id) where = symbols[*id].span;
    d.labels.push_back({where, fmt::format("`{}` is {}", text(operand), describeClock(t)), false});
  };
  ClockTerm *ta = ClockSolver::find(a), *tb = ClockSolver::find(b);
  if (ta->kind == Kind::On) label(*first, a);
  if (tb->kind == Kind::On) label(*second, b);
  d.notes.push_back(instants({{text(*first), a}, {text(*second), b}}));
  if (e.kind == K::Call && (e.text == "grad" || e.text == "vjp" || e.text == "jvp")) {
    ClockTerm *low = ClockSolver::isAbove(a, b) ? b : a;
    d.notes.push_back("the value, its variable and the factor of a derivative are on one clock");
    if (e.args.size() > 1 && second == e.args[1].get() && ClockSolver::isAbove(b, low) && !conditions(low).empty())
      d.helps.push_back(fmt::format("name what is sampled, and use that:  v = {} {};", text(*second), conditions(low)));
    return;
  }
  bool aAbove = ClockSolver::isAbove(a, b), bAbove = ClockSolver::isAbove(b, a);
  const ast::Expr &upper = aAbove ? *first : *second, &lower = aAbove ? *second : *first;
  ClockTerm *up = aAbove ? a : b, *low = aAbove ? b : a;
  if (aAbove || bAbove) {
    if (e.kind == K::When) {
      if (&lower == second) d.helps.push_back(fmt::format("sample `{}` too:  {}", text(upper), replaced(upper, sampledText(text(upper), up, low))));
    } else {
      d.helps.push_back(fmt::format("sample `{}` too:  {}", text(upper), replaced(upper, sampledText(text(upper), up, low))));
    }
    d.helps.push_back(fmt::format("or hold `{}`:  {}", text(lower), replaced(lower, heldText(lower, low, up))));
    return;
  }
  d.helps.push_back(fmt::format("bring both to one clock with `hold`, as in `{}`", heldText(*second, b, ClockSolver::find(tb->parent))));
}

void Body::reportDefinedClock(const Unit &u, SymbolId target, ClockTerm *found, const ast::Expr &e) {
  ClockTerm *wanted = clockOf(target);
  if (!mismatch(e, wanted, found)) return;
  const Symbol &symbol = symbols[target];
  Diagnostic &d = error(kinds::clockMismatch, e.span,
                        fmt::format("`{}` is {}, its definition is {}", symbol.name, describeClock(wanted), describeClock(found)),
                        describeClock(found));
  if (symbol.span != u.stmt->targets[0].span || symbol.isParameter)
    d.labels.push_back({symbol.span, describeClock(wanted), false});
  bool inBlock = u.scope->kind == Scope::Kind::When; // where `e` has no other clock that it could be held from
  d.notes.push_back(instants({{std::string(symbol.name), wanted}, {inBlock ? "its definition" : text(e), found}}));
  if (inBlock && ClockSolver::isAbove(wanted, found)) {
    std::string own = fmt::format("{}1", symbol.name);
    d.helps.push_back(fmt::format("define another variable in the block, and hold that outside:  {} = {};  ..  {} = {};", own, text(e), symbol.name,
                                  heldText(own, symbol.ty.kind == Ty::Kind::Plain ? symbol.ty.type.scalar : Scalar::I32, found, wanted)));
  } else if (ClockSolver::isAbove(wanted, found)) {
    d.helps.push_back(fmt::format("hold it:  {}", replaced(e, heldText(e, found, wanted))));
  } else if (ClockSolver::isAbove(found, wanted)) {
    d.helps.push_back(fmt::format("sample it:  {}", replaced(e, sampledText(text(e), found, wanted))));
  }
  if (symbol.isParameter && !symbol.declaredClock && ClockSolver::isAbove(wanted, found))
    if (ClockTerm *t = ClockSolver::find(found); ClockSolver::equal(t->parent, wanted))
      d.helps.push_back(fmt::format("or state the clock of the output:  `{}: {} {}`", symbol.name,
                                    toString(symbol.ty), t->condition->kind == Clock::Kind::Every ? t->condition->shown : conditions(t)));
}

void Body::reportPosition(const ast::Expr &e, ClockTerm *found, ClockTerm *wanted, std::string title, std::string label) {
  if (!mismatch(e, found, wanted)) return;
  Diagnostic &d = error(kinds::clockMismatch, e.span, std::move(title),
                        fmt::format("{}, but {}", label, describeClock(found)));
  d.notes.push_back(instants({{text(e), found}, {"needed", wanted}}));
  if (ClockSolver::isAbove(found, wanted))
    d.helps.push_back(fmt::format("sample it:  {}", replaced(e, sampledText(text(e), found, wanted))));
  else if (ClockSolver::isAbove(wanted, found))
    d.helps.push_back(fmt::format("hold it:  {}", replaced(e, heldText(e, found, wanted))));
}

void Body::reportHold(const ast::Expr &e, ClockTerm *found) {
  if (report.isQuiet() || namesFailed) return;
  if (e.args[0]->kind == ast::ExprKind::Name && !lookup(e.args[0]->text)) return; // reported as unknown
  Diagnostic &d = error(kinds::clockMismatch, e.span, "`hold` needs a stream that is absent at some instants",
                        fmt::format("`{}` is {}", text(*e.args[0]), describeClock(found)));
  d.notes.push_back("`hold` brings a stream from its clock to the clock directly above");
  d.helps.push_back(fmt::format("nothing to hold:  {}", replaced(e, text(*e.args[0]))));
}

/// Of what was put off: `wanted` is what the expression's surroundings made of it.
void Body::reportLater(const ast::Expr &e, ClockTerm *found, ClockTerm *wanted) {
  reportPosition(e, found, wanted, fmt::format("`{}` is present at other instants than what it is used with", text(e)),
                 "used here");
}

} // namespace mlr::checking
