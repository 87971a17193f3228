// What the compiler tells its user. A diagnostic kind is a declared object with a stable name; a diagnostic
// is a kind plus what was seen. Rendering (terminal, JSON) is a function of the same data.
#pragma once

#include "support/Source.h"

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mlr {

enum class Severity { Error, Warning };

/// Declared in support/DiagnosticKinds.h. `summary` is one sentence for `mlrc explain`; the page of the kind is
/// docs/errors/NAME.md, whose first MLR block provokes it (that page is also its test).
struct DiagnosticKind {
  const char *name;
  Severity severity;
  const char *summary;
};

/// A fact with its place. The first primary label gives the position of the diagnostic.
struct Label {
  Span span;
  std::string text;
  bool primary = true;
};

struct Diagnostic {
  const DiagnosticKind *kind = nullptr;
  std::string title;               ///< what was seen, in the user's words
  std::vector<Label> labels;       ///< one a fact
  std::vector<std::string> notes;  ///< why; at most three lines; also evidence such as a table of instants
  std::vector<std::string> helps;  ///< compiles when pasted
};

/// Collects the diagnostics of a run. One cause, one error: reporting the same kind at the same primary span
/// twice keeps the first.
class Diagnostics {
public:
  explicit Diagnostics(const SourceMap &sources) : sources(&sources) {}
  Diagnostic &report(const DiagnosticKind &kind, Span span, std::string title, std::string label = "");
  bool hasErrors() const { return errors > 0; }
  size_t errorCount() const { return errors; }
  /// In order of position: file, then offset.
  std::vector<const Diagnostic *> sorted() const;
  const SourceMap &sourceMap() const { return *sources; }

private:
  const SourceMap *sources;
  std::vector<std::unique_ptr<Diagnostic>> all;
  std::set<std::tuple<std::string_view, uint32_t, uint32_t, uint32_t>> seen;  // kind, file, begin, end
  Diagnostic discarded;
  size_t errors = 0;
};

/// Terminal form, as in:
///   error[shape-mismatch]: ...
///     --> file.mlr:6:9
std::string render(const Diagnostic &d, const SourceMap &sources, bool color);
/// One JSON object: kind, severity, title, labels with file/line/column/end, notes, helps.
std::string renderJson(const Diagnostic &d, const SourceMap &sources);

/// All declared kinds, sorted by name.
const std::vector<const DiagnosticKind *> &allDiagnosticKinds();

} // namespace mlr
