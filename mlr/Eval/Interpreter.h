// The reference interpreter: runs the typed tree lazily, value by value and instant by instant, both ways in
// time. It is the oracle of everything after Check and shares no code with it.
#pragma once

#include "mlr/Check/ExposeDerivatives.h"

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

/// Derivatives are taken from the differentiated program, and compared with dual numbers.
struct DerivativeCheck {
  ExposedDerivatives exposed;
  int64_t directions = 0; ///< random ones of each derivative at each instant; 0: all
  uint64_t seed = 0;
};

struct Options {
  bool unfused = false; ///< --unfused: chains multiply, then add
  /// --checks: computes every equation at every instant and remembers which indices were clamped and what did not hold.
  bool checks = false;
  std::map<std::string, void *> foreign = {}; ///< C functions, by symbol
  /// Null: derivatives are what dual numbers say they are.
  std::shared_ptr<const DerivativeCheck> derivatives = nullptr;
};

/// An index that was outside its axis and was clamped, or a monitor that was false.
struct CheckFailure {
  Span span;
  std::optional<MonitorKind> monitor; ///< none: an index
  int64_t first = 0, last = 0; ///< instants of the base clock
  int64_t instants = 0;        ///< at which it was so, at least once
};

/// What became of a derivative, by place in the source.
struct DerivativeReport {
  Span span;
  Scalar scalar = Scalar::F64; ///< the coarsest type that the value has on its way from the variable
  int64_t compared = 0; ///< instants, each instance and each inner one counted
  /// Largest difference, relative to the largest element (of a direction: to the sum of magnitudes), or to 1e-3 if that is larger.
  double worst = 0;
  int64_t instant = 0;   ///< of the base clock, at which that was
  std::string notLinear; ///< a function met that states a derivative no dual number can follow: it was not compared there
};

/// One running instance of a root node. step() computes all outputs of the next instant of the base clock.
class Interpreter {
public:
  Interpreter(const NodeInstance &node, Options options);
  ~Interpreter();
  /// inputs[i] has the type of node.inputs[i]; of an input on a clock it is looked at at the clock's instants
  /// only, and may be Array() at others. Zeros for an output that is absent.
  /// With Options::derivatives: `taken`, all outputs of the differentiated program at this instant.
  std::variant<std::vector<Array>, Error> step(const std::vector<Array> &inputs, const std::vector<Array> *taken = nullptr);
  /// By output: whether it had a value at the last instant.
  const std::vector<bool> &present() const;
  /// With Options::checks: what failed so far, by place in the source.
  std::vector<CheckFailure> failures() const;
  /// With Options::derivatives, by place in the source.
  std::vector<DerivativeReport> derivatives() const;
  /// As if no instant had run.
  void reset();

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// For CheckOptions::evaluate.
std::variant<std::vector<Array>, std::string> evaluateConstant(const NodeInstance &fun, Options options);

} // namespace mlr::eval
