// What annotations say.
#pragma once

#include "mlr/Ast/Ast.h"

#include <optional>

namespace mlr::ast {

/// `text` in bytes with a unit, `K` or `M` for 1024 or 1024 * 1024 of them, or none: of `@ram(64K)` and `--ram=64K`.
/// Nothing if that is no whole number below 10^12 with such a unit.
std::optional<int64_t> bytesIn(std::string_view text, std::string_view unit);

/// Whether this is a memory budget that can be read: `@ram(64K)`.
bool isBudget(const Annotation &annotation);

/// The smallest budget in the body of a node, in bytes; nothing if it has none.
std::optional<int64_t> budgetOf(const Decl &decl);

} // namespace mlr::ast
