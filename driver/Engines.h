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
  /// `before`: the instants of the run that are not among these `instants`, because it goes on from a checkpoint.
  virtual std::string checkReport(int64_t instants, int64_t before) const = 0;
  /// With --check-gradients: what is to be said of the derivatives, and whether they are right.
  virtual std::pair<std::string, bool> derivativeReport() const { return {"", true}; }
  /// What the node remembers now, by source path; nothing: the engine does not say.
  virtual std::optional<data::Arrays> state() const { return std::nullopt; }
  /// Begins with a state from a file, before the first step.
  virtual std::optional<Failure> loadState(const std::string &path) {
    return Failure{path + ": interpreters begin at the first instant; use mlrc run"};
  }
  /// Of the program with its parameters, for --checkpoint: other programs have another one.
  virtual std::string fingerprint() const { return ""; }
  /// By output, whether it had a value at the last instant; empty: all had.
  const std::vector<bool> &present() const { return presence; }

protected:
  std::vector<bool> presence;
};

/// Null after an error that was told on standard error.
std::unique_ptr<Engine> makeInterpreter(const CommandLine &options);
std::unique_ptr<Engine> makeJit(const CommandLine &options);

} // namespace mlr::driver
