#include "mlr/Check/CausalityReport.h"
#include "support/DiagnosticKinds.h"

#include <algorithm>

namespace mlr::causality {

namespace {

constexpr size_t shownSteps = 12; ///< of a cycle; the rest is counted

std::string quoted(const std::string &name) { return "`" + name + "`"; }

std::string instants(int64_t n) {
  if (n == unbounded) return "any number of instants";
  return n == 1 ? "one instant" : std::to_string(n) + " instants";
}

/// One line of a cycle: a named value and what it needs.
struct Need {
  std::string name, needed;
  Span span, declared;
  Interval distance;
  bool usesEnd = false;
  const NodeInstance *through = nullptr;
};

/// Where the needed value lies, seen from the instant that needs it.
std::string distanceText(Interval distance, bool usesEnd) {
  auto [lo, hi] = distance;
  if (lo == 0 && hi == 0) return "of the same instant";
  if (lo == hi) return "of " + instants(lo > 0 ? lo : -lo) + (lo > 0 ? " earlier" : " later");
  if (lo == 0) return "of the same instant or up to " + instants(hi) + " earlier";
  if (lo > 0) return "of up to " + instants(hi) + " earlier";
  if (hi <= 0) return usesEnd && lo != -1 ? "at the end of the scan" : "of up to " + instants(-lo) + " later";
  return "of all instants of the scan";
}

/// The cycle against the dependencies, each needs the next, without what the source does not name. Begins
/// with the value that is declared first.
std::vector<Need> needsOf(const Graph &graph, const std::vector<CycleStep> &cycle) {
  std::vector<CycleStep> steps(cycle.rbegin(), cycle.rend());
  auto named = std::find_if(steps.begin(), steps.end(),
                            [&](const CycleStep &s) { return !graph.vertices[s.dependency->to].isHidden; });
  std::rotate(steps.begin(), named, steps.end());
  std::vector<Need> needs;
  for (const CycleStep &step : steps) {
    const Dependency &d = *step.dependency;
    const auto &to = graph.vertices[d.to], &from = graph.vertices[d.from];
    if (needs.empty() || !to.isHidden) needs.push_back({to.name, "", d.span, to.span, {}, false, nullptr});
    Need &need = needs.back();
    need.needed = from.name;
    need.span = d.span;
    if (step.inTime) need.distance = need.distance + d.interval;
    need.usesEnd |= d.usesEnd;
    if (d.through) need.through = d.through;
  }
  auto first = std::min_element(needs.begin(), needs.end(), [](const Need &a, const Need &b) {
    return std::pair(a.declared.file, a.declared.begin) < std::pair(b.declared.file, b.declared.begin);
  });
  std::rotate(needs.begin(), first, needs.end());
  return needs;
}

void label(const std::vector<Need> &needs, Diagnostic &d, bool hasPrimary) {
  for (size_t i = 0; i < needs.size() && i < shownSteps; ++i) {
    const Need &need = needs[i];
    std::string text =
        quoted(need.name) + " needs " + quoted(need.needed) + " " + distanceText(need.distance, need.usesEnd);
    if (need.through) text += ", through " + quoted(need.through->name);
    d.labels.push_back({need.span, text, i == 0 && !hasPrimary});
  }
}

std::string chain(const std::vector<Need> &needs) {
  std::string text = needs[0].name;
  for (size_t i = 0; i < needs.size(); ++i) {
    if (i == shownSteps) return text + " -> .. " + std::to_string(needs.size() - i) + " more ..";
    text += " -> " + needs[i].needed;
  }
  return text;
}

} // namespace

void reportCycles(const Graph &graph, const std::vector<std::vector<CycleStep>> &cycles,
                  Diagnostics &diagnostics) {
  if (cycles.empty() || cycles[0].empty()) return;
  std::vector<Need> first = needsOf(graph, cycles[0]);
  Interval sum;
  for (const Need &need : first) sum = sum + need.distance;
  bool instant = sum.lo == 0 && sum.hi == 0;
  std::string name = quoted(first[0].name);
  std::string title = cycles.size() > 1
                          ? "the recurrence of " + name + " runs forwards and backwards in time at once"
                      : instant ? name + " needs its own value of the same instant"
                                : name + " may need its own value of the same instant";
  Diagnostic &d = diagnostics.report(kinds::causalityCycle, first[0].span, title);
  d.labels.clear();
  label(first, d, false);
  d.notes.push_back("each needs the next: " + chain(first));
  if (cycles.size() > 1) {
    std::vector<Need> second = needsOf(graph, cycles[1]);
    label(second, d, true);
    d.notes.push_back("and: " + chain(second));
    d.helps.push_back("split the recurrence in two: one sweep with `fby`, one with `eby`");
  } else if (instant && first[0].distance.lo == 0 && first[0].needed.find('.') == std::string::npos) {
    d.helps.push_back("use the value of the previous instant:  (0 fby " + first[0].needed + ")");
  }
}

void reportCondition(const Graph &graph, const ScanTime &scan, const Dependency &ahead,
                     Diagnostics &diagnostics) {
  Diagnostic &d = diagnostics.report(kinds::untilNeedsEnd, scan.until->span,
                                     "the condition of `until` needs a value that lies ahead",
                                     "decides whether there is a next instant");
  const auto &from = graph.vertices[ahead.from], &to = graph.vertices[ahead.to];
  bool isEnd = ahead.from == graph.conditions.at(&scan) || from.isHidden;
  bool isNamed = !to.isHidden && ahead.to != graph.conditions.at(&scan);
  std::string text =
      (isNamed ? quoted(to.name) : "this") + " needs " +
      (isEnd ? "the end of the scan" : quoted(from.name) + " " + distanceText(ahead.interval, true));
  d.labels.push_back({ahead.span, text, false});
  d.notes.push_back(
      "the scan stops after the first instant at which the condition is true: it must be known there");
}

} // namespace mlr::causality
