// The whole tree as text, without positions: two trees are structurally equal exactly when their dumps are.
#pragma once

#include "mlr/Ast/Parser.h"

#include <string>

namespace mlr::ast {

std::string dump(const File &file);
std::string dump(const Expr &e);

/// A text parsed on its own.
struct Parsed {
  explicit Parsed(std::string text) : diagnostics(sources) {
    file = sources.add("test.mlr", std::move(text));
    tree = parse(file, diagnostics);
  }
  std::string errors() const {
    std::string out;
    for (const Diagnostic *d : diagnostics.sorted()) out += render(*d, sources, false);
    return out;
  }
  SourceMap sources;
  Diagnostics diagnostics;
  uint32_t file = 0;
  File tree;
};

} // namespace mlr::ast
