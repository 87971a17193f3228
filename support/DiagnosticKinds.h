// Every kind of diagnostic, declared once, one a line, sorted; allDiagnosticKinds() is generated from these lines.
#pragma once

#include "support/Diagnostics.h"

namespace mlr::kinds {

inline constexpr DiagnosticKind cannotInfer{"cannot-infer", Severity::Error, "A type or a static parameter is determined by nothing."};
inline constexpr DiagnosticKind causalityCycle{"causality-cycle", Severity::Error, "A value needs itself, or a recurrence runs both ways in time at once."};
inline constexpr DiagnosticKind duplicateDefinition{"duplicate-definition", Severity::Error, "A name is defined twice, or hides another one of the same node."};
inline constexpr DiagnosticKind ebyUnbounded{"eby-unbounded", Severity::Error, "`eby` where time has no end."};
inline constexpr DiagnosticKind emptyReduction{"empty-reduction", Severity::Error, "The maximum, minimum or end of nothing."};
inline constexpr DiagnosticKind indexOutOfBounds{"index-out-of-bounds", Severity::Error, "An index leaves its axis somewhere in its range."};
inline constexpr DiagnosticKind invalidSize{"invalid-size", Severity::Error, "A size is negative, too large or divides by zero."};
inline constexpr DiagnosticKind literalRange{"literal-range", Severity::Error, "A literal does not fit its type."};
inline constexpr DiagnosticKind loadFailed{"load-failed", Severity::Error, "A data file cannot be read, or holds something else."};
inline constexpr DiagnosticKind missingDefinition{"missing-definition", Severity::Error, "An output has no equation."};
inline constexpr DiagnosticKind notConstant{"not-constant", Severity::Error, "A value that must be known at compile time is not."};
inline constexpr DiagnosticKind outsideScan{"outside-scan", Severity::Error, "Something of a scan's time stands outside that scan."};
inline constexpr DiagnosticKind recursiveInstantiation{"recursive-instantiation", Severity::Error, "A node, fun or constant needs itself."};
inline constexpr DiagnosticKind shapeMismatch{"shape-mismatch", Severity::Error, "Shapes differ and do not broadcast."};
inline constexpr DiagnosticKind stateInFun{"state-in-fun", Severity::Error, "A `fun` has state, or calls something that has."};
inline constexpr DiagnosticKind syntax{"syntax", Severity::Error, "The text does not follow the grammar."};
inline constexpr DiagnosticKind tooDeep{"too-deep", Severity::Error, "An expression or block is nested too deeply."};
inline constexpr DiagnosticKind tooManyInstances{"too-many-instances", Severity::Error, "Generic nodes are instantiated too often."};
inline constexpr DiagnosticKind typeMismatch{"type-mismatch", Severity::Error, "Scalar types differ, or do not suit the operation."};
inline constexpr DiagnosticKind uninitialised{"uninitialised", Severity::Error, "The value of `pre` is read at the first instant, where there is none."};
inline constexpr DiagnosticKind unknownName{"unknown-name", Severity::Error, "A name that nothing in sight declares."};
inline constexpr DiagnosticKind unsupported{"unsupported", Severity::Error, "A part of the language that this version does not compile."};
inline constexpr DiagnosticKind untilNeedsEnd{"until-needs-end", Severity::Error, "The condition of `until` needs a later instant or the end of its scan."};
inline constexpr DiagnosticKind wrongArguments{"wrong-arguments", Severity::Error, "Too many, too few or misnamed arguments."};

} // namespace mlr::kinds
