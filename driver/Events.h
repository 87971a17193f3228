// --events: what happens in a run, told while it runs.
#pragma once

#include "driver/Inputs.h"

namespace mlr::driver {

/// When instants are, in seconds; a period of 0: not known.
struct Pace {
  double period = 0;
  double first = 0;  ///< of instant 0
  double at(int64_t instant) const { return first + static_cast<double>(instant) * period; }
};

/// Of a run: from the rate of the recording that it hears, else from the rate that the node states. An instant of a recording
/// is where its block ends, since nothing is known of it before.
Pace paceOf(const InputStreams &inputs, const Signature &signature);

/// The outputs that tell of something happening: bools, at the instants at which they are true, and streams on slower clocks.
class Events {
public:
  Events(const Signature &signature, Pace pace);
  bool any() const { return !watched.empty(); }
  /// The line of an instant, "1.216 s  wake, level = 0.5"; empty if nothing happens. `present` by output; empty: all.
  std::string at(int64_t instant, const std::vector<Array> &values, const std::vector<bool> &present) const;

private:
  std::vector<size_t> watched;
  const Signature *signature;
  Pace pace;
};

} // namespace mlr::driver
