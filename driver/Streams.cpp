#include "driver/Streams.h"

#include "runtime/Formats.h"
#include "support/Half.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace mlr::driver {

static bool endsWith(const std::string &s, const char *suffix) { return s.ends_with(suffix); }

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
