#include "driver/Inputs.h"

#include "runtime/Convert.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mlr::driver {

/// Values of an enum are the numbers of its constructors.
static std::optional<Failure> fitEnum(const std::byte *row, const Port &port, const std::string &what) {
  if (port.constructors.empty() || port.type.scalar != Scalar::I32) return std::nullopt;
  for (int64_t i = 0; i < port.type.elements(); ++i) {
    int32_t v;
    std::memcpy(&v, row + i * sizeof v, sizeof v);
    if (v < 0 || v >= static_cast<int64_t>(port.constructors.size()))
      return Failure{fmt::format("{} holds {}; input `{}` has the values {}, numbered from 0", what, v, port.name,
                                 fmt::join(port.constructors, ", "))};
  }
  return std::nullopt;
}

/// As asBfloat; f32 is looked at as a whole.
static std::variant<std::shared_ptr<data::Rows>, Failure> bfloatRows(std::shared_ptr<data::Rows> rows, const std::string &what) {
  if (rows->type().scalar == Scalar::U16) return rows->reinterpret(Scalar::BF16), rows;
  if (rows->type().scalar != Scalar::F32) return rows;
  std::vector<std::byte> bytes(rows->type().bytes());
  for (int64_t i = 0; i < rows->count(); ++i)
    if (auto error = rows->read(i, bytes.data() + static_cast<size_t>(i) * rows->rowBytes()))
      return Failure{fmt::format("{} {}", what, error->message)};
  return data::rowsOf(data::asBfloat(Array(rows->type(), std::move(bytes))));
}

/// Of a tensor in a .csv: "`k[0,0]` to `k[1,2]`".
static std::string columnsOf(const Port &port) {
  std::string first, last;
  for (int64_t size : port.type.shape) {
    if (!first.empty()) first += ",", last += ",";
    first += "0", last += std::to_string(size - 1);
  }
  return fmt::format("`{0}[{1}]` to `{0}[{2}]`", port.name, first, last);
}

/// Samples, of all channels where the recording has several, that make a block of the port; 0: the recording is no such one.
static int64_t samplesOfBlock(const Shape &recording, const Shape &block) {
  if (recording.size() == 1 && !block.empty()) return Type{Scalar::I8, block}.elements();
  bool hasChannels = recording.size() > 1 && recording.size() == block.size() && std::equal(block.begin() + 1, block.end(), recording.begin() + 1);
  return hasChannels ? block[0] : 0;
}

/// Checks that `rows` are [instants, shape...] of the port, joining a recording to blocks where asked, of `samples` each; `leftOver`
/// are those behind the last whole block.
static std::variant<std::shared_ptr<data::Rows>, Failure> fit(std::shared_ptr<data::Rows> rows, const Port &port, const std::string &what,
                                                              bool blocks, bool isCsv, int64_t &samples, int64_t &leftOver) {
  if (port.type.scalar == Scalar::BF16) {
    auto converted = bfloatRows(rows, what);
    if (auto *f = std::get_if<Failure>(&converted)) return *f;
    rows = std::get<std::shared_ptr<data::Rows>>(converted);
  }
  int64_t size = blocks ? samplesOfBlock(rows->type().shape, port.type.shape) : 0;
  if (size > 0) {
    samples = size;
    leftOver = rows->count() % size;
    rows->joinBlocks(port.type.shape);
  }
  Shape wanted = port.type.shape;
  wanted.insert(wanted.begin(), rows->count());
  if (rows->type().scalar != port.type.scalar || rows->type().shape != wanted) {
    if (isCsv && !port.type.shape.empty())
      return Failure{fmt::format("{} has other columns than input `{}`, {}, needs: {}", what, port.name, toString(port.type), columnsOf(port))};
    return Failure{fmt::format("{} is {}; input `{}` needs {} with an axis of instants in front", what, toString(rows->type()),
                               port.name, toString(port.type))};
  }
  return rows;
}

namespace {
struct Found {
  data::RowStream stream;
  std::string file;
  bool csv, blocks;
};
using FoundStreams = std::map<std::string, Found>;
} // namespace

static bool endsWith(const std::string &s, const char *suffix) { return s.ends_with(suffix); }

/// The streams of all files by the names of the inputs.
static std::variant<FoundStreams, Failure> findStreams(const std::vector<std::string> &files, const Signature &signature,
                                                       double &samplesPerSecond) {
  FoundStreams found;
  std::map<std::string, data::CellRule> rules;
  for (const Port &port : signature.inputs) rules[port.name] = {port.constructors, !port.clock.empty(), port.type.scalar};
  for (const std::string &path : files) {
    auto result = data::openStreams(path, rules);
    if (auto *e = std::get_if<data::Error>(&result)) return Failure{fmt::format("{}: {}", path, e->message)};
    auto &opened = std::get<data::RowStreams>(result);
    bool csv = endsWith(path, ".csv"), anonymous = endsWith(path, ".wav") || endsWith(path, ".npy");
    for (auto &[name, stream] : opened.streams) {
      std::string key = name;
      if (anonymous) {
        if (signature.inputs.size() != 1)
          return Failure{fmt::format("{}: holds one stream without a name, but node `{}` has {} inputs", path,
                                     signature.node, signature.inputs.size())};
        key = signature.inputs[0].name;
      }
      if (auto it = found.find(key); it != found.end())
        return Failure{fmt::format("`{}` is in {} and in {}: one stream, one file", key, it->second.file, path)};
      samplesPerSecond = std::max(samplesPerSecond, opened.sampleRate);
      found[key] = Found{stream, path, csv, anonymous};
    }
  }
  return found;
}

std::variant<InputStreams, Failure> InputStreams::open(const std::vector<std::string> &files, const Signature &signature,
                                                       const Passes &passes) {
  double samplesPerSecond = 0;
  int64_t samplesPerInstant = 1;
  auto all = findStreams(files, signature, samplesPerSecond);
  if (auto *f = std::get_if<Failure>(&all)) return *f;
  auto &found = std::get<FoundStreams>(all);
  InputStreams streams;
  for (const Port &port : signature.inputs) {
    auto it = found.find(port.name);
    if (it == found.end()) {
      std::string have;
      for (auto &[name, f] : found) have += (have.empty() ? "" : ", ") + name;
      return Failure{fmt::format("no stream for input `{}: {}` of node `{}`; the input files hold: {}", port.name,
                                 toString(port.type), signature.node, have.empty() ? "nothing" : have)};
    }
    int64_t leftOver = 0, samples = it->second.stream.rows->count();
    samplesPerInstant = 1;
    std::string what = fmt::format("{}: `{}`", it->second.file, it->first);
    auto fitted = fit(it->second.stream.rows, port, what, it->second.blocks, it->second.csv, samplesPerInstant, leftOver);
    if (auto *f = std::get_if<Failure>(&fitted)) return *f;
    if (leftOver)
      streams.warning = fmt::format("{}: the last {} of {} samples do not fill a block of {} and are not used",
                                    it->second.file, leftOver, samples, samplesPerInstant);
    auto &rows = std::get<std::shared_ptr<data::Rows>>(fitted);
    bool isBase = port.clock.empty() || it->second.csv;
    if (isBase && streams.instants && *streams.instants != rows->count())
      return Failure{fmt::format("input `{}` has {} instants, the inputs before it have {}", port.name, rows->count(), *streams.instants)};
    if (isBase) streams.instants = rows->count();
    std::vector<int64_t> before(port.clock.size());
    if (auto known = passes.before.find(port.name); known != passes.before.end()) {
      if (known->second.size() != before.size()) return Failure{fmt::format("the state says where input `{}` is in its periods, but for another clock", port.name)};
      before = known->second;
    }
    streams.streams.push_back({port, what, rows, it->second.stream.present, {}, 0, before, before});
  }
  if (samplesPerSecond > 0) streams.blocksPerSecond = samplesPerSecond / static_cast<double>(samplesPerInstant);
  if (auto f = streams.place()) return *f;
  if (auto f = streams.repeat(passes)) return *f;
  return streams;
}

/// What several passes over the rows need.
std::optional<Failure> InputStreams::repeat(const Passes &passes) {
  if (passes.epochs == 1 && !passes.shuffle) return std::nullopt;
  if (!instants) return Failure{"--epochs and --shuffle are for nodes with inputs"};
  epochs = passes.epochs;
  if (passes.shuffle && *instants >= int64_t(1) << 62) return Failure{"--shuffle: too many rows"};
  if (passes.shuffle) order.emplace(*passes.shuffle, *instants);
  for (const Stream &stream : streams) {
    if (stream.port.clock.empty()) continue;
    if (passes.shuffle)
      return Failure{fmt::format("--shuffle: input `{}` is on a slower clock, so that rows have no instants of their own", stream.port.name)};
    for (size_t k = 0; k < stream.port.clock.size(); ++k) {
      const PortClock &c = stream.port.clock[k];
      if (c.isPeriodic && (stream.passed[k] - stream.before[k]) % c.period != 0)
        return Failure{fmt::format("--epochs: input `{}` is on `every {}`, which an epoch of {} instants does not fill: the second epoch "
                                   "would begin in the middle of a period", stream.port.name, c.period, *instants)};
    }
  }
  return std::nullopt;
}

static int64_t integerOf(const std::byte *value, Scalar scalar) {
  int32_t number = 0;
  std::memcpy(&number, value, byteSize(scalar));
  return number;
}

std::optional<Failure> InputStreams::read(Stream &stream, int64_t row, std::byte *out) {
  if (auto error = stream.rows->read(row, out)) return Failure{fmt::format("{} {}", stream.what, error->message)};
  return fitEnum(out, stream.port, stream.what);
}

/// Whether a stream on a slower clock has a value at an instant, as its clock has it; nothing: inputs do not say.
std::variant<std::optional<bool>, Failure> InputStreams::isPresent(Stream &stream, int64_t t) {
  for (size_t k = 0; k < stream.port.clock.size(); ++k) {
    const PortClock &c = stream.port.clock[k];
    if (c.isPeriodic) {
      if (stream.passed[k]++ % c.period != c.phase) return std::optional(false);
      continue;
    }
    if (!c.selector) return std::optional<bool>();
    Stream &selector = streams[*c.selector];
    int64_t row = selector.placed.empty() ? t : selector.placed[t];
    if (row < 0) return std::optional(false);
    std::vector<std::byte> value(selector.rows->rowBytes());
    if (auto f = read(selector, row, value.data())) return *f;
    if (integerOf(value.data(), selector.port.type.scalar) != c.value) return std::optional(false);
  }
  return std::optional(true);
}

/// `isOpen`: no stream says how many instants there are.
std::optional<Failure> InputStreams::placeOne(Stream &stream, int64_t t, bool isOpen) {
  const Port &port = stream.port;
  auto asked = isPresent(stream, t);
  if (auto *f = std::get_if<Failure>(&asked)) return *f;
  std::optional<bool> wanted = std::get<std::optional<bool>>(asked);
  bool isCsv = !stream.present.empty();
  if (!wanted && !isCsv)
    return Failure{fmt::format("input `{}` is on a clock that the inputs do not determine: give it in a .csv", port.name)};
  if (isCsv && wanted && *wanted != stream.present[t])
    return Failure{fmt::format("input `{}` {} at instant {}, where its clock is {}", port.name,
                               *wanted ? "has no value" : "has a value", t, *wanted ? "active" : "not active")};
  bool isThere = wanted ? *wanted : stream.present[t];
  int64_t row = !isThere ? -1 : isCsv ? t : stream.next++;
  stream.placed.push_back(row);
  if (row < stream.rows->count()) return std::nullopt;
  ended = true;
  if (isOpen) return std::nullopt;
  return Failure{fmt::format("input `{}` has {} values, but its clock is active more often: also at instant {}", port.name,
                             stream.rows->count(), t)};
}

/// Finds out at which instants the streams on slower clocks have which value.
std::optional<Failure> InputStreams::place() {
  std::vector<size_t> slow;
  for (size_t i = 0; i < streams.size(); ++i)
    if (!streams[i].port.clock.empty()) slow.push_back(i);
  // A selector has fewer conditions than what it selects.
  std::stable_sort(slow.begin(), slow.end(), [&](size_t a, size_t b) {
    return streams[a].port.clock.size() < streams[b].port.clock.size();
  });
  if (slow.empty()) return std::nullopt;
  bool isOpen = !instants;
  for (int64_t t = 0; isOpen ? !ended : t < *instants; ++t) {
    for (size_t i : slow)
      if (auto f = placeOne(streams[i], t, isOpen); f || ended) {
        if (f) return f;
        break;
      }
    if (isOpen && ended) instants = t;
  }
  for (size_t i : slow)
    if (int64_t rows = streams[i].rows->count(); streams[i].present.empty() && streams[i].next < rows)
      return Failure{fmt::format("input `{}` has {} values, but its clock is active at {} instants only",
                                 streams[i].port.name, rows, streams[i].next)};
  return std::nullopt;
}

std::variant<ClockCounts, Failure> InputStreams::clockCounts(int64_t instant) {
  ClockCounts counts;
  int64_t inEpoch = epochs > 1 && *instants > 0 ? instant % *instants : instant; // several epochs fill the periods, see repeat()
  for (Stream &stream : streams) {
    const auto &clock = stream.port.clock;
    if (std::none_of(clock.begin(), clock.end(), [](const PortClock &c) { return c.isPeriodic; })) continue;
    std::swap(stream.passed, counts[stream.port.name] = stream.before);
    for (int64_t t = 0; t < inEpoch; ++t)
      if (auto asked = isPresent(stream, t); auto *f = std::get_if<Failure>(&asked)) return *f;
    std::swap(stream.passed, counts[stream.port.name]);
  }
  return counts;
}

std::variant<std::vector<Array>, Failure> InputStreams::at(int64_t instant) {
  std::vector<Array> arrays;
  int64_t epoch = 0, place = instant;
  if (instants && *instants > 0) {
    epoch = instant / *instants;
    place = instant % *instants;
  }
  if (order) place = order->at(epoch, place);
  for (Stream &stream : streams) {
    int64_t row = stream.placed.empty() ? place : stream.placed[place];
    Array &value = arrays.emplace_back();
    if (row < 0) continue;
    value = Array(stream.port.type);
    if (auto f = read(stream, row, value.mutate())) return *f;
  }
  return arrays;
}

} // namespace mlr::driver
