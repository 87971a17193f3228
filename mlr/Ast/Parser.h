// Text -> tree. Contract of the stage: any bytes in, a tree and diagnostics out; never stops at the first error.
#pragma once

#include "mlr/Ast/Ast.h"
#include "support/Diagnostics.h"

namespace mlr::ast {

/// Parses one file of the source map. After an error the parser skips to the next statement or declaration and
/// goes on; the tree holds what was understood. Linear in the text.
File parse(uint32_t file, Diagnostics &diagnostics);

/// The canonical layout of a tree that parsed without errors, comments kept. format(parse(format(t))) is
/// format(t).
std::string format(const File &file, const SourceMap &sources);

} // namespace mlr::ast
