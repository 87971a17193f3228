// Checkpoints of a run: what it takes to go on as if it had not been cut off.
#pragma once

#include "driver/Streams.h"

#include <cstdio>
#include <memory>

namespace mlr::driver {

/// Where a run stands; beside the state it is all that a checkpoint holds.
struct Mark {
  std::string node;
  std::string program;      ///< the fingerprint of the program
  int64_t instants = 0;     ///< done
  int64_t epochLength = 0;  ///< instants; 0: no inputs
  std::string order;        ///< of the rows: the seed of --shuffle, or ""
  ClockCounts clocks = {};  ///< where the inputs are in their periods, for runs that take the state alone
};

/// Replaces the checkpoint at once: at every moment the file is whole, the old or the new one.
std::optional<Failure> writeCheckpoint(const std::string &path, const Mark &mark, const data::Arrays &state);
/// Nothing if there is no file yet. An error if the file is of another run than `wanted`, whose `instants` do not matter.
std::variant<std::optional<Mark>, Failure> readCheckpoint(const std::string &path, const Mark &wanted);

/// The outputs of a run instant by instant in a file beside the checkpoint, so that a run that goes on writes them all at its end.
class OutputLog {
public:
  /// A new file; the first instant that it will hold is `first`.
  static std::variant<std::unique_ptr<OutputLog>, Failure> begin(const std::string &path, const Signature &signature, int64_t first);
  /// The file of a run that stood at `instants`: what was written later is forgotten, the rest given to `outputs`. Null if there is none that
  /// fits.
  static std::variant<std::unique_ptr<OutputLog>, Failure> resume(const std::string &path, const Signature &signature, int64_t instants,
                                                                  OutputStreams &outputs);
  std::optional<Failure> add(const std::vector<Array> &values, const std::vector<bool> &present);
  /// What was added is on the disk when it returns.
  std::optional<Failure> sync();
  /// The first instant in the file.
  int64_t first() const { return from; }

private:
  OutputLog(const std::string &path, const Signature &signature) : path(path), signature(&signature), file(nullptr, std::fclose) {}
  std::string header() const;
  size_t recordBytes() const;
  Failure failure() const;
  std::string path;
  const Signature *signature;
  std::unique_ptr<FILE, int (*)(FILE *)> file;
  int64_t from = 0;
};

} // namespace mlr::driver
