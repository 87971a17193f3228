// Checks MLR text and looks at what came out.
#pragma once

#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"

#include <gtest/gtest.h>

namespace mlr::test {

/// The result of checking a text; errors as "kind: title" in order of position.
struct Checked {
  SourceMap sources;
  std::optional<Program> program;
  std::vector<std::string> errors;
  std::string rendered;

  explicit Checked(const std::string &text, CheckOptions options = {}, const std::string &path = "test.mlr") {
    options.stdPath = MLR_SOURCE_DIR "/std";
    uint32_t file = sources.add(path, text);
    Diagnostics diagnostics(sources);
    ast::File tree = ast::parse(file, diagnostics);
    program = check(tree, sources, options, diagnostics);
    for (const Diagnostic *d : diagnostics.sorted()) {
      errors.push_back(std::string(d->kind->name) + ": " + d->title);
      rendered += render(*d, sources, false);
    }
    if (!program) return;
    for (const std::string &broken : verify(*program)) ADD_FAILURE() << broken << "\n" << print(*program);
  }

  /// The typed program as text, or the errors.
  std::string printed() const { return program ? print(*program) : rendered; }
  const NodeInstance *node(std::string_view name) const {
    if (program)
      for (const auto &n : program->nodes)
        if (n->name == name) return n.get();
    return nullptr;
  }
  /// "f32[3]" for a variable of a node.
  std::string typeOf(std::string_view nodeName, std::string_view variable) const {
    if (const NodeInstance *n = node(nodeName))
      for (const Var &v : n->vars)
        if (v.name == variable) return toString(v.type);
    return "no such variable";
  }
};

inline void expectErrors(const std::string &text, const std::vector<std::string> &expected) {
  Checked c(text);
  EXPECT_EQ(c.errors, expected) << c.rendered;
}
inline void expectContains(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in\n" << text;
}
inline void expectTyped(const std::string &text, const std::string &part) {
  expectContains(Checked(text).printed(), part);
}

} // namespace mlr::test
