// The reference interpreter: runs the typed tree lazily, value by value and instant by instant, both ways in
// time. It is the oracle of everything after Check and shares no code with it.
#pragma once

#include "mlr/Check/Program.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace mlr::eval {

struct Error {
  std::string
      message; ///< an internal inconsistency: a read of a poison value or a cycle in a checked program
  Span span;
};

struct Options {
  bool unfused = false; ///< --unfused: chains multiply, then add
  /// --checks: computes every equation at every instant and remembers which indices were clamped and what did not hold.
  bool checks = false;
  std::map<std::string, void *> foreign = {}; ///< C functions, by symbol
};

/// An index that was outside its axis and was clamped, or a monitor that was false.
struct CheckFailure {
  Span span;
  std::optional<MonitorKind> monitor; ///< none: an index
  int64_t first = 0, last = 0; ///< instants of the base clock
  int64_t instants = 0;        ///< at which it was so, at least once
};

/// One running instance of a root node. step() computes all outputs of the next instant of the base clock.
class Interpreter {
public:
  Interpreter(const NodeInstance &node, Options options);
  ~Interpreter();
  /// inputs[i] has the type of node.inputs[i]; of an input on a clock it is looked at at the clock's instants
  /// only, and may be Array() at others. Zeros for an output that is absent.
  std::variant<std::vector<Array>, Error> step(const std::vector<Array> &inputs);
  /// By output: whether it had a value at the last instant.
  const std::vector<bool> &present() const;
  /// With Options::checks: what failed so far, by place in the source.
  std::vector<CheckFailure> failures() const;
  /// As if no instant had run.
  void reset();

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// For CheckOptions::evaluate.
std::variant<std::vector<Array>, std::string> evaluateConstant(const NodeInstance &fun, Options options);

} // namespace mlr::eval
