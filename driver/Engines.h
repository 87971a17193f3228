// Ways to run a node instant by instant behind one interface.
#pragma once

#include "driver/Pipeline.h"

#include <memory>

namespace mlr::driver {

class Engine {
public:
  virtual ~Engine() = default;
  virtual const Signature &signature() const = 0;
  /// Array() for an input that is absent.
  virtual std::variant<std::vector<Array>, Failure> step(const std::vector<Array> &inputs) = 0;
  /// What run-time checks (--checks) found so far, as diagnostics in order of position; empty if they all hold.
  virtual std::string checkReport(int64_t instants) const = 0;
  /// --save-state and --load-state. Loading comes before the first step.
  virtual std::optional<Failure> saveState(const std::string &path) {
    return Failure{"--save-state " + path + ": interpreters have no state to save; use mlrc run"};
  }
  virtual std::optional<Failure> loadState(const std::string &path) {
    return Failure{"--load-state " + path + ": interpreters begin at the first instant; use mlrc run"};
  }
  /// By output, whether it had a value at the last instant; empty: all had.
  const std::vector<bool> &present() const { return presence; }

protected:
  std::vector<bool> presence;
};

/// Null after an error that was told on standard error.
std::unique_ptr<Engine> makeInterpreter(const CommandLine &options);
std::unique_ptr<Engine> makeJit(const CommandLine &options);

} // namespace mlr::driver
