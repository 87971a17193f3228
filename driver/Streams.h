// Ports of a node, and the outputs of a run.
#pragma once

#include "runtime/DataFile.h"
#include "support/Array.h"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mlr::driver {

/// One condition of a slower clock.
struct PortClock {
  bool isPeriodic = false;
  int64_t period = 1, phase = 0;     ///< of the instants that the conditions before it let through
  std::optional<size_t> selector;    ///< the input whose value decides; nothing: something else
  int64_t value = 1;
};

/// By input, by condition of its clock: how many instants a periodic condition has seen.
using ClockCounts = std::map<std::string, std::vector<int64_t>>;

/// An input or output of a node: one value of `type` an instant of its clock.
struct Port {
  std::string name;
  Type type;
  std::vector<std::string> constructors = {};  ///< of an enum, by number; else empty
  std::vector<PortClock> clock = {};           ///< outermost first; empty: the base clock
  bool hasFlag = false;                        ///< a compiled node says in a flag behind it when it is present
};
struct Signature {
  std::string node;
  std::vector<Port> inputs, outputs;
  double rate = 0;  ///< Hz of the base clock; 0: not stated
};

/// A message for the user.
struct Failure {
  std::string message;
};

/// An element as a number; bools are 0 and 1.
double elementAsDouble(const Array &a, int64_t i);

/// Collects the outputs of a run: a file is written at its end, whole or not at all; standard output takes them as they come.
class OutputStreams {
public:
  OutputStreams(const Signature &signature, std::optional<int64_t> expectedSteps);
  /// `present` by output; empty: all.
  void add(const std::vector<Array> &values, const std::vector<bool> &present);
  /// By extension: .npz .csv .vcd; "" prints CSV to standard output.
  std::optional<Failure> save(const std::string &path) const;
  /// Prints what has been collected to standard output, as CSV with a header at the first time, and forgets it.
  std::optional<Failure> print();
  int64_t collected() const { return count; }
  /// Draws every scalar or short vector output with gnuplot: .svg, .png, or "-" for the terminal; over seconds if the
  /// period of an instant, `period`, is not 0, the first one at `first`, else over instants.
  std::optional<Failure> plot(const std::string &path, const std::string &title, double period, double first) const;

private:
  std::vector<data::Column> stacked() const;
  const Signature *signature;
  std::vector<std::vector<std::byte>> bytes;
  std::vector<std::vector<bool>> present;
  int64_t count = 0;
  bool hasHeader = false;  ///< printed
};

} // namespace mlr::driver
