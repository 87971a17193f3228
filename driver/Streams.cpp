#include "driver/Streams.h"

#include "runtime/DataFile.h"
#include "runtime/Formats.h"
#include "support/Half.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace mlr::driver {

// ---- conversion of a column (f64, i64 or u64) to the type of a port --------------------------------------------

/// Stores `v` as T if T holds it exactly.
template <class T, class From> static bool storeInteger(From v, std::byte *out) {
  if constexpr (std::is_same_v<From, double>) {
    // Both bounds are powers of two or zero, so exact; max() itself would round up to the upper one.
    double above = std::ldexp(1.0, std::numeric_limits<T>::digits), least = std::is_signed_v<T> ? -above : 0;
    if (!(v >= least && v < above) || v != std::floor(v)) return false;
  } else if (!std::in_range<T>(v)) {
    return false;
  }
  T t = static_cast<T>(v);
  std::memcpy(out, &t, sizeof t);
  return true;
}

/// f32 by rounding to odd, from which rounding to a format of fewer digits is as from `v` itself.
static float roundToOdd(double v) {
  float f = static_cast<float>(v);
  if (std::isnan(v) || static_cast<double>(f) == v) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if (std::abs(static_cast<double>(f)) > std::abs(v)) --bits;  // towards zero; from infinity to the largest
  return std::bit_cast<float>(bits | 1);
}

template <class From> static bool storeNumber(From v, Scalar type, std::byte *out) {
  auto bits16 = [&](uint16_t bits) { std::memcpy(out, &bits, 2); };
  double real = static_cast<double>(v);
  switch (type) {
  case Scalar::Bool: *out = static_cast<std::byte>(v != 0); return v == 0 || v == 1;
  case Scalar::I8: return storeInteger<int8_t>(v, out);
  case Scalar::I16: return storeInteger<int16_t>(v, out);
  case Scalar::I32: return storeInteger<int32_t>(v, out);
  case Scalar::I64: return storeInteger<int64_t>(v, out);
  case Scalar::U8: return storeInteger<uint8_t>(v, out);
  case Scalar::U16: return storeInteger<uint16_t>(v, out);
  case Scalar::U32: return storeInteger<uint32_t>(v, out);
  case Scalar::U64: return storeInteger<uint64_t>(v, out);
  // A finite number beyond the largest would become infinite.
  case Scalar::F16: {
    uint16_t half = floatToHalf(roundToOdd(real));
    bits16(half);
    return (half & 0x7FFF) != 0x7C00 || std::isinf(real);
  }
  case Scalar::BF16: {
    uint16_t half = floatToBfloat(roundToOdd(real));
    bits16(half);
    return (half & 0x7FFF) != 0x7F80 || std::isinf(real);
  }
  case Scalar::F32: {
    float f = static_cast<float>(real);
    std::memcpy(out, &f, 4);
    return std::isfinite(f) || !std::isfinite(real);
  }
  case Scalar::F64: std::memcpy(out, &real, 8); return true;
  }
  return false;
}

template <class From>
static std::variant<Array, Failure> convertFrom(const Array &column, Scalar to, const std::string &what) {
  Array out(Type{to, column.type().shape});
  const From *from = column.as<From>();
  std::byte *bytes = out.mutate();
  int64_t n = column.type().elements(), width = n ? n / column.type().shape[0] : 1;
  for (int64_t i = 0; i < n; ++i)
    if (!storeNumber(from[i], to, bytes + i * byteSize(to)))
      return Failure{fmt::format("{}: line {} holds {}, which is not a value of {}", what, i / width + 2, from[i], name(to))};
  return out;
}

/// A CSV column holds decimal text read as f64 (i64 or u64 where f64 is too coarse); it becomes the type of the port if
/// that loses no integer. Floats round to nearest.
static std::variant<Array, Failure> convertColumn(const Array &column, Scalar to, const std::string &what) {
  if (column.type().scalar == to) return column;
  if (column.type().scalar == Scalar::I64) return convertFrom<int64_t>(column, to, what);
  if (column.type().scalar == Scalar::U64) return convertFrom<uint64_t>(column, to, what);
  return convertFrom<double>(column, to, what);
}

/// bf16 from its bits in u16 or from f32, as .npy and .npz have no bf16; `a` itself if that would lose anything.
static Array asBfloat(const Array &a) {
  Type type{Scalar::BF16, a.type().shape};
  if (a.type().scalar == Scalar::U16) return Array(type, std::vector<std::byte>(a.data(), a.data() + a.bytes()));
  if (a.type().scalar != Scalar::F32) return a;
  Array out(type);
  const float *from = a.as<float>();
  uint16_t *to = out.mutateAs<uint16_t>();
  for (int64_t i = 0, n = type.elements(); i < n; ++i) {
    to[i] = floatToBfloat(from[i]);
    if (bfloatToFloat(to[i]) != from[i] && !std::isnan(from[i])) return a;
  }
  return out;
}

// ---- matching --------------------------------------------------------------------------------------------------

static bool endsWith(const std::string &s, const char *suffix) {
  return s.size() >= std::strlen(suffix) && s.compare(s.size() - std::strlen(suffix), std::string::npos, suffix) == 0;
}

/// Values of an enum are the numbers of its constructors.
static std::optional<Failure> fitEnum(const Array &a, const Port &port, const std::string &what) {
  if (port.constructors.empty() || a.type().scalar != Scalar::I32) return std::nullopt;
  for (int64_t i = 0; i < a.type().elements(); ++i)
    if (int32_t v = a.as<int32_t>()[i]; v < 0 || v >= static_cast<int64_t>(port.constructors.size()))
      return Failure{fmt::format("{} holds {}; input `{}` has the values {}, numbered from 0", what, v, port.name,
                                 fmt::join(port.constructors, ", "))};
  return std::nullopt;
}

/// Checks that `a` is [instants, shape...] of the port, cutting a flat recording into blocks where asked; `leftOver` are
/// the samples behind the last whole block.
static std::variant<Array, Failure> fit(Array a, const Port &port, const std::string &what, bool csv, bool blocks,
                                        int64_t &leftOver) {
  if (csv) {
    auto converted = convertColumn(a, port.type.scalar, what);
    if (auto *f = std::get_if<Failure>(&converted)) return *f;
    a = std::get<Array>(converted);
  }
  Shape shape = a.type().shape;
  int64_t size = port.type.elements();
  if (port.type.scalar == Scalar::BF16) a = asBfloat(a);
  if (blocks && shape.size() == 1 && !port.type.shape.empty() && size > 0) {
    int64_t n = shape[0] / size;
    leftOver = shape[0] % size;
    std::vector<std::byte> cut(a.data(), a.data() + n * port.type.bytes());
    shape = port.type.shape;
    shape.insert(shape.begin(), n);
    a = Array(Type{a.type().scalar, shape}, std::move(cut));
  }
  if (auto f = fitEnum(a, port, what)) return *f;
  Shape wanted = port.type.shape;
  wanted.insert(wanted.begin(), shape.empty() ? 0 : shape[0]);
  if (a.type().scalar != port.type.scalar || shape != wanted)
    return Failure{fmt::format("{} is {}; input `{}` needs {} with an axis of instants in front", what, toString(a.type()),
                               port.name, toString(port.type))};
  return a;
}

std::variant<InputStreams, Failure> InputStreams::open(const std::vector<std::string> &files, const Signature &signature) {
  double samplesPerSecond = 0;
  struct Found {
    Array array;
    std::string file;
    bool csv, blocks;
    std::vector<bool> present;
  };
  std::map<std::string, Found> found;
  std::map<std::string, data::CellRule> rules;
  for (const Port &port : signature.inputs) rules[port.name] = {port.constructors, !port.clock.empty()};
  for (const std::string &path : files) {
    auto result = data::loadStreams(path, rules);
    if (auto *e = std::get_if<data::Error>(&result)) return Failure{fmt::format("{}: {}", path, e->message)};
    double sampleRate = std::get<data::Streams>(result).sampleRate;
    bool csv = endsWith(path, ".csv"), anonymous = endsWith(path, ".wav") || endsWith(path, ".npy");
    for (auto &[name, array] : std::get<data::Streams>(result).arrays) {
      std::string key = name;
      if (anonymous) {
        if (signature.inputs.size() != 1)
          return Failure{fmt::format("{}: holds one stream without a name, but node `{}` has {} inputs", path,
                                     signature.node, signature.inputs.size())};
        key = signature.inputs[0].name;
      }
      if (auto it = found.find(key); it != found.end())
        return Failure{fmt::format("`{}` is in {} and in {}: one stream, one file", key, it->second.file, path)};
      samplesPerSecond = std::max(samplesPerSecond, sampleRate);
      found[key] = Found{array, path, csv, anonymous, std::get<data::Streams>(result).present[name]};
    }
  }
  InputStreams streams;
  for (const Port &port : signature.inputs) {
    auto it = found.find(port.name);
    if (it == found.end()) {
      std::string have;
      for (auto &[name, f] : found) have += (have.empty() ? "" : ", ") + name;
      return Failure{fmt::format("no stream for input `{}: {}` of node `{}`; the input files hold: {}", port.name,
                                 toString(port.type), signature.node, have.empty() ? "nothing" : have)};
    }
    int64_t leftOver = 0;
    auto fitted = fit(it->second.array, port, fmt::format("{}: `{}`", it->second.file, it->first), it->second.csv,
                      it->second.blocks, leftOver);
    if (auto *f = std::get_if<Failure>(&fitted)) return *f;
    if (leftOver)
      streams.warning = fmt::format("{}: the last {} of {} samples do not fill a block of {} and are not used",
                                    it->second.file, leftOver, it->second.array.type().elements(), port.type.elements());
    Array &a = std::get<Array>(fitted);
    int64_t n = a.type().shape[0];
    bool isBase = port.clock.empty() || it->second.csv;
    if (isBase && streams.instants && *streams.instants != n)
      return Failure{fmt::format("input `{}` has {} instants, the inputs before it have {}", port.name, n, *streams.instants)};
    if (isBase) streams.instants = n;
    streams.streams.push_back({a, port.type, it->second.present, {}, 0, {}});
  }
  if (samplesPerSecond > 0)
    streams.blocksPerSecond = samplesPerSecond / static_cast<double>(std::max<int64_t>(signature.inputs[0].type.elements(), 1));
  if (auto f = streams.place(signature)) return *f;
  return streams;
}

static int64_t integerAt(const Array &a, int64_t row) {
  return a.type().scalar == Scalar::I32 ? a.as<int32_t>()[row] : a.as<uint8_t>()[row];
}

/// Whether a stream on a slower clock has a value at an instant, as its clock has it; nothing: inputs do not say.
std::optional<bool> InputStreams::isPresent(const Port &port, Stream &stream, int64_t t) const {
  stream.passed.resize(port.clock.size());
  for (size_t k = 0; k < port.clock.size(); ++k) {
    const PortClock &c = port.clock[k];
    if (c.isPeriodic) {
      if (stream.passed[k]++ % c.period != c.phase) return false;
      continue;
    }
    if (!c.selector) return std::nullopt;
    const Stream &selector = streams[*c.selector];
    int64_t row = selector.rows.empty() ? t : selector.rows[t];
    if (row < 0 || integerAt(selector.values, row) != c.value) return false;
  }
  return true;
}

/// `isOpen`: no stream says how many instants there are.
std::optional<Failure> InputStreams::placeOne(const Port &port, Stream &stream, int64_t t, bool isOpen) {
  std::optional<bool> wanted = isPresent(port, stream, t);
  bool isCsv = !stream.present.empty();
  if (!wanted && !isCsv)
    return Failure{fmt::format("input `{}` is on a clock that the inputs do not determine: give it in a .csv", port.name)};
  if (isCsv && wanted && *wanted != stream.present[t])
    return Failure{fmt::format("input `{}` {} at instant {}, where its clock is {}", port.name,
                               *wanted ? "has no value" : "has a value", t, *wanted ? "active" : "not active")};
  bool isThere = wanted ? *wanted : stream.present[t];
  int64_t row = !isThere ? -1 : isCsv ? t : stream.next++;
  stream.rows.push_back(row);
  if (row < stream.values.type().shape[0]) return std::nullopt;
  ended = true;
  if (isOpen) return std::nullopt;
  return Failure{fmt::format("input `{}` has {} values, but its clock is active more often: also at instant {}", port.name,
                             stream.values.type().shape[0], t)};
}

/// Finds out at which instants the streams on slower clocks have which value.
std::optional<Failure> InputStreams::place(const Signature &signature) {
  std::vector<size_t> slow;
  for (size_t i = 0; i < streams.size(); ++i)
    if (!signature.inputs[i].clock.empty()) slow.push_back(i);
  // A selector has fewer conditions than what it selects.
  std::stable_sort(slow.begin(), slow.end(), [&](size_t a, size_t b) {
    return signature.inputs[a].clock.size() < signature.inputs[b].clock.size();
  });
  if (slow.empty()) return std::nullopt;
  bool isOpen = !instants;
  for (int64_t t = 0; isOpen ? !ended : t < *instants; ++t) {
    for (size_t i : slow)
      if (auto f = placeOne(signature.inputs[i], streams[i], t, isOpen); f || ended) {
        if (f) return f;
        break;
      }
    if (isOpen && ended) instants = t;
  }
  for (size_t i : slow)
    if (int64_t rows = streams[i].values.type().shape[0]; streams[i].present.empty() && streams[i].next < rows)
      return Failure{fmt::format("input `{}` has {} values, but its clock is active at {} instants only",
                                 signature.inputs[i].name, rows, streams[i].next)};
  return std::nullopt;
}

std::vector<Array> InputStreams::at(int64_t instant) const {
  std::vector<Array> arrays;
  for (const Stream &stream : streams) {
    int64_t row = stream.rows.empty() ? instant : stream.rows[instant];
    size_t size = stream.type.bytes();
    const std::byte *from = stream.values.data() + std::max<int64_t>(row, 0) * size;
    if (row < 0) arrays.emplace_back();
    else arrays.emplace_back(stream.type, std::vector<std::byte>(from, from + size));
  }
  return arrays;
}

// ---- outputs ---------------------------------------------------------------------------------------------------

OutputStreams::OutputStreams(const Signature &signature, std::optional<int64_t> expectedSteps)
    : signature(&signature), bytes(signature.outputs.size()), present(signature.outputs.size()) {
  if (expectedSteps)
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i].reserve(std::min<size_t>(*expectedSteps * signature.outputs[i].type.bytes(), size_t(1) << 30));
}

void OutputStreams::add(const std::vector<Array> &values, const std::vector<bool> &now) {
  for (size_t i = 0; i < values.size(); ++i) {
    bool isPresent = now.empty() || now[i];
    if (isPresent) bytes[i].insert(bytes[i].end(), values[i].data(), values[i].data() + values[i].bytes());
    if (!isPresent && present[i].empty()) present[i].assign(count, true);
    if (!isPresent || !present[i].empty()) present[i].push_back(isPresent);
  }
  ++count;
}

std::vector<data::Column> OutputStreams::stacked() const {
  std::vector<data::Column> columns;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const Port &port = signature->outputs[i];
    Type type = port.type;
    int64_t rows = present[i].empty() ? count : std::count(present[i].begin(), present[i].end(), true);
    type.shape.insert(type.shape.begin(), rows);
    columns.push_back({port.name, Array(type, bytes[i]), present[i], port.constructors});
  }
  return columns;
}

/// The rows of a column by instant; -1 where it is absent.
static std::vector<int64_t> rowsOf(const data::Column &column, int64_t count) {
  std::vector<int64_t> rows;
  int64_t next = 0;
  for (int64_t t = 0; t < count; ++t) rows.push_back(column.present.empty() || column.present[t] ? next++ : -1);
  return rows;
}

double elementAsDouble(const Array &a, int64_t i) {
  switch (a.type().scalar) {
  case Scalar::Bool:
  case Scalar::U8: return a.as<uint8_t>()[i];
  case Scalar::I8: return a.as<int8_t>()[i];
  case Scalar::I16: return a.as<int16_t>()[i];
  case Scalar::I32: return a.as<int32_t>()[i];
  case Scalar::I64: return static_cast<double>(a.as<int64_t>()[i]);
  case Scalar::U16: return a.as<uint16_t>()[i];
  case Scalar::U32: return a.as<uint32_t>()[i];
  case Scalar::U64: return static_cast<double>(a.as<uint64_t>()[i]);
  case Scalar::F32: return a.as<float>()[i];
  case Scalar::F64: return a.as<double>()[i];
  case Scalar::BF16: return bfloatToFloat(a.as<uint16_t>()[i]);
  case Scalar::F16: return halfToFloat(a.as<uint16_t>()[i]);
  }
  return 0;
}

namespace {
/// The time axis of a value change dump: a unit, and when an instant is in it. Without a rate an instant is a second.
struct TimeScale {
  const char *unit = "1 s";
  double perInstant = 1;
  int64_t at(int64_t t) const { return std::llround(static_cast<double>(t) * perInstant); }
};

/// The coarsest unit in which the period is a whole number; else picoseconds, each instant rounded.
TimeScale timeScale(double rate) {
  if (rate <= 0) return {};
  static const std::pair<const char *, double> units[] = {{"1 s", 1}, {"1 ms", 1e3}, {"1 us", 1e6}, {"1 ns", 1e9}};
  for (auto [unit, perSecond] : units) {
    double period = perSecond / rate;
    if (period >= 1 && std::abs(period - std::round(period)) < 1e-12 * period) return {unit, std::round(period)};
  }
  return {"1 ps", 1e12 / rate};
}
} // namespace

/// IEEE 1364 value change dump: floats as `real`, integers and bools as vectors; in real time where the rate (Hz) is known.
/// An absent vector is x, an absent real keeps its value, as the format has nothing for it.
static std::string vcd(const std::vector<data::Column> &columns, int64_t count, double rate) {
  TimeScale scale = timeScale(rate);
  std::string text = fmt::format("$timescale {} $end\n$scope module main $end\n", scale.unit);
  auto id = [](size_t k) {
    std::string s;
    do s += static_cast<char>('!' + k % 94);
    while (k /= 94);
    return s;
  };
  struct Wire {
    const Array *array;
    int64_t offset, stride;
    std::string id;
    std::vector<int64_t> rows;
  };
  std::vector<Wire> wires;
  for (const data::Column &column : columns) {
    const std::string &name = column.name;
    const Array &array = column.values;
    int64_t lines = array.type().shape[0], size = lines ? array.type().elements() / lines : 0;
    for (int64_t e = 0; e < size; ++e) {
      Scalar s = array.type().scalar;
      wires.push_back({&array, e, size, id(wires.size()), rowsOf(column, count)});
      text += fmt::format("$var {} {} {} {}{} $end\n", isFloat(s) ? "real" : "wire", isFloat(s) ? 64 : bitWidth(s),
                          wires.back().id, name, array.type().shape.size() > 1 ? fmt::format("({})", e) : "");
    }
  }
  text += "$upscope $end\n$enddefinitions $end\n";
  for (int64_t t = 0; t < count; ++t) {
    text += fmt::format("#{}\n", scale.at(t));
    for (const Wire &w : wires) {
      int64_t row = w.rows[t], at = row * w.stride + w.offset;
      size_t size = byteSize(w.array->type().scalar);
      if (row < 0) {
        if (!isFloat(w.array->type().scalar) && (t == 0 || w.rows[t - 1] >= 0)) text += fmt::format("bx {}\n", w.id);
        continue;
      }
      bool hadValue = t > 0 && w.rows[t - 1] >= 0;
      if (hadValue && !std::memcmp(w.array->data() + at * size, w.array->data() + (at - w.stride) * size, size)) continue;
      if (isFloat(w.array->type().scalar)) {
        text += fmt::format("r{:.17g} {}\n", elementAsDouble(*w.array, at), w.id);
      } else {
        uint64_t bits = 0;
        std::memcpy(&bits, w.array->data() + at * size, size);
        text += fmt::format("b{:b} {}\n", bits, w.id);
      }
    }
  }
  return text + fmt::format("#{}\n", scale.at(count));
}

std::optional<Failure> OutputStreams::save(const std::string &path) const {
  auto columns = stacked();
  std::optional<data::Error> error;
  if (endsWith(path, ".npz")) {
    data::Arrays arrays;
    for (const data::Column &column : columns) arrays.emplace(column.name, column.values);
    error = data::saveNpz(path, arrays);
  } else if (endsWith(path, ".csv") || path.empty()) {
    error = data::saveCsv(path.empty() ? "/dev/stdout" : path, columns);
  } else if (endsWith(path, ".vcd")) {
    error = data::saveText(path, vcd(columns, count, signature->rate));
  } else {
    return Failure{fmt::format("{}: outputs are written as .csv, .npz or .vcd", path)};
  }
  if (error) return Failure{fmt::format("{}: {}", path, error->message)};
  return std::nullopt;
}

std::optional<Failure> OutputStreams::print() {
  auto formatted = data::formatCsv(stacked());
  if (auto *error = std::get_if<data::Error>(&formatted)) return Failure{error->message};
  std::string_view text = std::get<std::string>(formatted);
  if (hasHeader) text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  hasHeader = true;
  for (auto &b : bytes) b.clear();
  for (auto &p : present) p.clear();
  count = 0;
  bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? std::nullopt : std::optional(Failure{"standard output cannot be written"});
}

std::optional<Failure> OutputStreams::plot(const std::string &path, const std::string &title, double period,
                                           double first) const {
  std::string terminal = path == "-"                ? "dumb size 100,30"
                         : endsWith(path, ".svg")   ? "svg size 1000,400 background 'white'"
                         : endsWith(path, ".png")   ? "pngcairo size 1000,400"
                                                    : "";
  if (terminal.empty()) return Failure{fmt::format("{}: plots are written as .svg or .png, or - for the terminal", path)};
  constexpr int64_t maxLines = 12;  // more curves than that cannot be told apart
  std::string script = fmt::format("set terminal {}\n", terminal), plots, data;
  if (path != "-") script += fmt::format("set output '{}'\n", path);
  script += fmt::format("set title \"{}\" noenhanced\nset xlabel '{}'\nset key outside right noenhanced\nset grid\n", title,
                        period > 0 ? "s" : "instant");
  int64_t lines = 0;
  auto columns = stacked();
  for (const data::Column &column : columns) {
    int64_t values = column.values.type().shape[0], size = values ? column.values.type().elements() / values : 0;
    std::vector<int64_t> rows = rowsOf(column, count);
    for (int64_t e = 0; e < size && lines < maxLines; ++e, ++lines) {
      plots += fmt::format("{}'-' with {} title \"{}{}\"", plots.empty() ? "plot " : ", ",
                           column.values.type().scalar == Scalar::Bool ? "impulses" : "lines", column.name,
                           size > 1 ? fmt::format("[{}]", e) : "");
      for (int64_t t = 0; t < count; ++t)
        if (rows[t] >= 0) data += fmt::format("{:.9g} {:.9g}\n", period > 0 ? first + t * period : t, elementAsDouble(column.values, rows[t] * size + e));
      data += "e\n";
    }
  }
  if (plots.empty()) return Failure{"nothing to plot: the run has no outputs"};
  FILE *gnuplot = popen("gnuplot", "w");
  if (!gnuplot) return Failure{"gnuplot cannot be started"};
  std::string all = script + plots + "\n" + data;
  std::fwrite(all.data(), 1, all.size(), gnuplot);
  if (pclose(gnuplot) != 0) return Failure{"gnuplot failed; is it installed?"};
  return std::nullopt;
}

} // namespace mlr::driver
