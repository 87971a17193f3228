// Every kind of diagnostic, declared once, one a line, sorted; allDiagnosticKinds() is generated from these lines. Behind each
// the rules of docs/reference.md that it enforces.
#pragma once

#include "support/Diagnostics.h"

namespace mlr::kinds {

inline constexpr DiagnosticKind cannotInfer{"cannot-infer", Severity::Error, "A type or a static parameter is determined by nothing."};  // R3.5
inline constexpr DiagnosticKind causalityCycle{"causality-cycle", Severity::Error, "A value needs itself, or a recurrence runs both ways in time at once."};  // R12.2
inline constexpr DiagnosticKind clockMismatch{"clock-mismatch", Severity::Error, "Streams meet that are present at different instants."};  // R17.3
inline constexpr DiagnosticKind contractViolated{"contract-violated", Severity::Warning, "An `assert`, `assume` or `guarantee` was false in a run."};  // R17.9
inline constexpr DiagnosticKind duplicateDefinition{"duplicate-definition", Severity::Error, "A name is defined twice, or hides another one of the same node."};  // R2.5, R2.7
inline constexpr DiagnosticKind ebyUnbounded{"eby-unbounded", Severity::Error, "`eby` where time has no end."};  // R10.7
inline constexpr DiagnosticKind emptyReduction{"empty-reduction", Severity::Error, "The maximum, minimum or end of nothing."};  // R7.5, R10.11
inline constexpr DiagnosticKind externAhead{"extern-ahead", Severity::Error, "A C function with effects needs a value that is not known when it is called."};  // R21.6
inline constexpr DiagnosticKind incompleteMatch{"incomplete-match", Severity::Error, "A value of an enum has no arm."};  // R17.11
inline constexpr DiagnosticKind indexClamped{"index-clamped", Severity::Warning, "An index left its axis in a run and was clamped to it."};  // R14.9
inline constexpr DiagnosticKind indexOutOfBounds{"index-out-of-bounds", Severity::Error, "An index leaves its axis somewhere in its range."};  // R6.2, R6.5
inline constexpr DiagnosticKind invalidSize{"invalid-size", Severity::Error, "A size is negative, too large or divides by zero."};  // R4.5
inline constexpr DiagnosticKind literalRange{"literal-range", Severity::Error, "A literal does not fit its type."};  // R4.8
inline constexpr DiagnosticKind loadFailed{"load-failed", Severity::Error, "A data file cannot be read, or holds something else."};  // R13.1
inline constexpr DiagnosticKind missingDefinition{"missing-definition", Severity::Error, "An output has no equation."};  // R2.5
inline constexpr DiagnosticKind noDerivative{"no-derivative", Severity::Error, "A derivative runs through something that has none."};  // R20.7
inline constexpr DiagnosticKind notConstant{"not-constant", Severity::Error, "A value that must be known at compile time is not."};  // R2.2, R6.2
inline constexpr DiagnosticKind outsideScan{"outside-scan", Severity::Error, "Something of a scan's time stands outside that scan."};  // R10.12
inline constexpr DiagnosticKind programTooLarge{"program-too-large", Severity::Error, "Calls multiply the program beyond what can be compiled."};  // R3.6
inline constexpr DiagnosticKind recursiveInstantiation{"recursive-instantiation", Severity::Error, "A node, fun, constant, struct or module needs itself."};  // R2.9
inline constexpr DiagnosticKind shapeMismatch{"shape-mismatch", Severity::Error, "Shapes differ and do not broadcast."};  // R4.6
inline constexpr DiagnosticKind stateInFun{"state-in-fun", Severity::Error, "A `fun` has state, or calls something that has."};  // R2.4
inline constexpr DiagnosticKind syntax{"syntax", Severity::Error, "The text does not follow the grammar."};  // R1.10
inline constexpr DiagnosticKind tooDeep{"too-deep", Severity::Error, "An expression or block is nested too deeply."};  // R1.9
inline constexpr DiagnosticKind tooManyInstances{"too-many-instances", Severity::Error, "Generic nodes are instantiated too often."};  // R3.6
inline constexpr DiagnosticKind typeMismatch{"type-mismatch", Severity::Error, "Scalar types differ, or do not suit the operation."};  // R4.4
inline constexpr DiagnosticKind uninitialised{"uninitialised", Severity::Error, "The value of `pre` is read at the first instant, where there is none."};  // R11.2
inline constexpr DiagnosticKind unknownName{"unknown-name", Severity::Error, "A name that nothing in sight declares."};  // R5.11
inline constexpr DiagnosticKind unsupported{"unsupported", Severity::Error, "A part of the language that this version does not compile."};  // section 16
inline constexpr DiagnosticKind untilNeedsEnd{"until-needs-end", Severity::Error, "The condition of `until` needs a later instant or the end of its scan."};  // R12.6
inline constexpr DiagnosticKind wrongArguments{"wrong-arguments", Severity::Error, "Too many, too few or misnamed arguments."};  // R5.11
inline constexpr DiagnosticKind zeroDerivative{"zero-derivative", Severity::Warning, "A derivative is 0: the value does not depend on the variable."};  // R20.3

} // namespace mlr::kinds
