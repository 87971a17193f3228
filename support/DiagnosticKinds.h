// Every kind of diagnostic, declared once, one a line, sorted; allDiagnosticKinds() is generated from these lines.
#pragma once

#include "support/Diagnostics.h"

namespace mlr::kinds {

inline constexpr DiagnosticKind syntax{"syntax", Severity::Error, "The text does not follow the grammar."};
inline constexpr DiagnosticKind tooDeep{"too-deep", Severity::Error, "An expression or block is nested too deeply."};

} // namespace mlr::kinds
