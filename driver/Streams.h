// Streams of a run: files in and out, matched to the ports of a node by name.
#pragma once

#include "support/Array.h"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mlr::driver {

/// An input or output of a node: one value of `type` an instant.
struct Port {
  std::string name;
  Type type;
};
struct Signature {
  std::string node;
  std::vector<Port> inputs, outputs;
};

/// A message for the user.
struct Failure {
  std::string message;
};

/// The inputs of a run, all in memory; instant k is row k of the leading axis.
class InputStreams {
public:
  /// Reads the files and matches them to the ports. Errors name the file and the column or array: missing, of another
  /// type or shape, of different lengths. A .wav or .npy serves the only input: i16 samples, or blocks if it is a tensor.
  static std::variant<InputStreams, Failure> open(const std::vector<std::string> &files, const Signature &signature);
  /// Instants that the files hold; nothing when the node has no inputs.
  std::optional<int64_t> length() const { return instants; }
  /// What a run to the end of the files leaves unread, for the user; empty if nothing.
  std::string warning;
  /// The values of one instant, in order of the ports.
  std::vector<Array> at(int64_t instant) const;

private:
  std::vector<Array> streams;
  std::vector<Type> types;
  std::optional<int64_t> instants;
};

/// Collects the outputs of a run and writes them at its end, whole or not at all.
class OutputStreams {
public:
  OutputStreams(const Signature &signature, std::optional<int64_t> expectedSteps);
  void add(const std::vector<Array> &values);
  /// By extension: .npz .csv .vcd; "" prints CSV to standard output.
  std::optional<Failure> save(const std::string &path) const;
  /// Draws every scalar or short vector output over the instants with gnuplot: .svg, .png, or "-" for the terminal.
  std::optional<Failure> plot(const std::string &path, const std::string &title) const;

private:
  std::vector<std::pair<std::string, Array>> stacked() const;
  const Signature *signature;
  std::vector<std::vector<std::byte>> bytes;
  int64_t count = 0;
};

} // namespace mlr::driver
