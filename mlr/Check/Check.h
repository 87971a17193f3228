// Tree -> typed program: names, instantiation, types, shapes, index bounds, initialisation, causality.
#pragma once

#include "mlr/Ast/Ast.h"
#include "mlr/Check/Program.h"
#include "support/Diagnostics.h"

#include <functional>
#include <map>
#include <optional>
#include <variant>

namespace mlr {

struct CheckOptions {
  /// Node to instantiate as the only root; empty: every node and fun of the file whose static parameters all
  /// have defaults.
  std::string root;
  /// --param NAME=VALUE for the root's static parameters; VALUE is MLR expression text.
  std::map<std::string, std::string> params;
  /// Directory of std/*.mlr; `math.mlr` there is the prelude that gives exp, sin, tanh, ... .
  std::string stdPath;
  /// Folders in which `import` looks for files after that of the importing file and before stdPath.
  std::vector<std::string> paths;
  /// Computes the outputs of a fun without inputs, whose value is needed while types are checked: a constant that is a
  /// size. A text where that fails. Empty: only literals and arithmetic are known then.
  std::function<std::variant<std::vector<Array>, std::string>(const NodeInstance &)> evaluate;
};

/// Checks `file` (already parsed) and returns the program, or nothing when an error was reported. All errors of
/// the file are reported in one run; one cause, one error. Reads data files that `load` names, relative to the
/// source file. Time linear in the sizes of the instances, but for causality: O(V*E) on a strongly connected component.
std::optional<Program> check(const ast::File &file, SourceMap &sources, const CheckOptions &options,
                             Diagnostics &diagnostics);

} // namespace mlr
