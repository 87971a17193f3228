// What a run says of itself while it goes on, on standard error.
#pragma once

#include "driver/Streams.h"

namespace mlr::driver {

/// How far a run is to go.
struct Extent {
  int64_t begin = 0;        ///< instants that were done before
  int64_t end = 0;
  int64_t epochLength = 0;  ///< instants; 0: there is one epoch
};

/// A line that redraws itself at most ten times a second on a terminal, with the last values of some scalar outputs; elsewhere, if outputs
/// are asked for, a line after each epoch.
class Progress {
public:
  /// `shown`: outputs by number. `asked`: by the user.
  Progress(const Signature &signature, std::vector<size_t> shown, bool asked, Extent extent, bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  /// Makes room for a line of output; the bar comes back.
  void clear();
  /// After an instant; `last`: by output, its last value, Array() where there was none.
  void at(int64_t done, const std::vector<Array> &last);

private:
  std::string values(const std::vector<Array> &last) const;
  void line(int64_t done, const std::vector<Array> &last);
  const Signature *signature;
  std::vector<size_t> shown;
  Extent extent;
  bool isBar, isLines, drawn = false;
  double start, drawnAt = 0;
};

/// Seconds of a clock that never goes back.
double seconds();

} // namespace mlr::driver
