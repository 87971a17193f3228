// The inputs of a run: files matched to the ports of a node by name, read as the run goes on.
#pragma once

#include "driver/Shuffle.h"
#include "driver/Streams.h"
#include "runtime/Rows.h"

namespace mlr::driver {

/// How often and in which order a run goes over the rows of its input, and where in its periods it begins.
struct Passes {
  int64_t epochs = 1;
  std::optional<uint32_t> shuffle;  ///< the seed of an order for each epoch; nothing: as they stand
  ClockCounts before;               ///< of the run whose state this one goes on from
};

/// Row k of the leading axis is what comes in at instant k of an epoch.
class InputStreams {
public:
  /// Opens the files and matches them to the ports. Errors name the file and the column or array: missing, of another
  /// type or shape, of different lengths. A stream on a slower clock has its present instants only, in a .csv empty cells
  /// at the others; that has to agree with its clock where inputs determine it. Enums may be names in a .csv. A .wav or .npy serves the
  /// only input: i16 samples, or blocks if it is a tensor.
  static std::variant<InputStreams, Failure> open(const std::vector<std::string> &files, const Signature &signature,
                                                  const Passes &passes = {});
  /// Instants of all epochs; nothing when the node has no inputs.
  std::optional<int64_t> length() const { return instants ? std::optional(*instants * epochs) : std::nullopt; }
  /// Of one epoch.
  std::optional<int64_t> epochLength() const { return instants; }
  /// What a run to the end of the files leaves unread, for the user; empty if nothing.
  std::string warning;
  /// Instants a second of a recording (.wav); 0: none is among the inputs.
  double blocksPerSecond = 0;
  /// The values of one instant, in order of the ports; Array() where absent. Cheapest in order.
  std::variant<std::vector<Array>, Failure> at(int64_t instant);
  /// After so many instants; of inputs on periodic clocks alone.
  std::variant<ClockCounts, Failure> clockCounts(int64_t instant);

private:
  struct Stream {
    Port port;
    std::string what;            ///< file and name, for messages
    std::shared_ptr<data::Rows> rows;
    std::vector<bool> present;   ///< of a .csv on a slower clock, by line
    std::vector<int64_t> placed; ///< on a slower clock, by instant of an epoch: the row; -1: absent
    int64_t next = 0;            ///< row of the next present instant, if there are only those
    std::vector<int64_t> passed; ///< by condition of its clock: instants at which it was asked, by `before` as well
    std::vector<int64_t> before; ///< of them, before this run
  };
  std::optional<Failure> place();
  std::optional<Failure> placeOne(Stream &stream, int64_t t, bool isOpen);
  std::optional<Failure> repeat(const Passes &passes);
  std::optional<Failure> read(Stream &stream, int64_t row, std::byte *out);
  std::variant<std::optional<bool>, Failure> isPresent(Stream &stream, int64_t t);
  std::vector<Stream> streams;
  bool ended = false;  ///< a stream on a slower clock has no more values
  std::optional<int64_t> instants;
  int64_t epochs = 1;
  std::optional<Shuffle> order;
};

} // namespace mlr::driver
