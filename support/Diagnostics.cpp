#include "support/Diagnostics.h"

#include "support/DiagnosticKinds.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace mlr {

Diagnostic &Diagnostics::report(const DiagnosticKind &kind, Span span, std::string title, std::string label) {
  if (!seen.emplace(kind.name, span.file, span.begin, span.end).second) {
    discarded = Diagnostic();
    return discarded;
  }
  auto d = std::make_unique<Diagnostic>();
  d->kind = &kind;
  d->title = std::move(title);
  d->labels.push_back({span, std::move(label), true});
  if (kind.severity == Severity::Error) ++errors;
  all.push_back(std::move(d));
  return *all.back();
}

static Span position(const Diagnostic &d) {
  for (const Label &label : d.labels)
    if (label.primary) return label.span;
  return d.labels.empty() ? Span() : d.labels.front().span;
}

std::vector<const Diagnostic *> Diagnostics::sorted() const {
  std::vector<const Diagnostic *> out;
  for (const auto &d : all) out.push_back(d.get());
  std::stable_sort(out.begin(), out.end(), [](const Diagnostic *a, const Diagnostic *b) {
    Span x = position(*a), y = position(*b);
    return std::tie(x.file, x.begin) < std::tie(y.file, y.begin);
  });
  return out;
}

std::string renderJson(const Diagnostic &d, const SourceMap &sources) {
  using nlohmann::ordered_json;
  ordered_json labels = ordered_json::array();
  for (const Label &label : d.labels) {
    LineColumn begin = sources.lineColumn(label.span.file, label.span.begin);
    LineColumn end = sources.lineColumn(label.span.file, label.span.end);
    labels.push_back({{"file", sources.path(label.span.file)},
                      {"line", begin.line},
                      {"column", begin.column},
                      {"endLine", end.line},
                      {"endColumn", end.column},
                      {"begin", label.span.begin},
                      {"end", label.span.end},
                      {"primary", label.primary},
                      {"text", label.text}});
  }
  ordered_json json = {
      {"kind", d.kind->name}, {"severity", d.kind->severity == Severity::Error ? "error" : "warning"},
      {"title", d.title},     {"labels", std::move(labels)},
      {"notes", d.notes},     {"helps", d.helps}};
  // A title may quote bytes of the source that are not UTF-8.
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

const std::vector<const DiagnosticKind *> &allDiagnosticKinds() {
  static const std::vector<const DiagnosticKind *> sorted = [] {
    std::vector<const DiagnosticKind *> kinds = {
#include "support/AllDiagnosticKinds.inc" // generated from DiagnosticKinds.h: one address a declaration
    };
    std::sort(kinds.begin(), kinds.end(), [](const DiagnosticKind *a, const DiagnosticKind *b) {
      return std::strcmp(a->name, b->name) < 0;
    });
    return kinds;
  }();
  return sorted;
}

} // namespace mlr
