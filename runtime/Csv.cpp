// .csv: comma-separated numbers, one line an instant, optionally under a line of names. Quotes as in RFC
// 4180.
#include "runtime/Convert.h"
#include "runtime/Formats.h"
#include "support/Half.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace mlr::data {
namespace {

/// An integer that no f64 is, within -2^63 .. 2^64 - 1, as it is written.
struct WideCell {
  size_t cell;        ///< index into Table::cells
  uint64_t magnitude; ///< of a negative one its absolute value
  bool negative;
};

struct Table {
  std::vector<std::string> names; ///< empty: the file has no header
  size_t columns = 0, rows = 0;
  std::vector<double> cells; ///< row-major
  std::vector<WideCell> wide; ///< in order of their cells
  std::vector<bool> hasWide;  ///< by column
  std::vector<const CellRule *> rules; ///< by column, null: anything, read as 0 if it is no number; empty: numbers only, in all columns
  std::vector<bool> empty;             ///< by cell, if there are rules
};

/// Splits the text into cells; never looks back.
class CellReader {
public:
  explicit CellReader(Bytes text) : text(text) {
    if (text.substr(0, 3) == "\xef\xbb\xbf") at = 3;
  }
  bool done() const { return at >= text.size(); }

  /// The cells of the next line, blanks around them removed; an error for quotes that do not close.
  std::optional<Error> line(std::vector<std::string> &cells) {
    cells.clear();
    ++number;
    while (true) {
      std::string &cell = cells.emplace_back();
      skipBlanks();
      if (at < text.size() && text[at] == '"') {
        if (!quoted(cell)) return Error{"line " + std::to_string(number) + ": a quoted cell does not end"};
        skipBlanks();
        if (at < text.size() && !atSeparator())
          return Error{"line " + std::to_string(number) + ": text follows a quoted cell"};
      } else {
        size_t start = at;
        while (at < text.size() && !atSeparator()) ++at;
        size_t end = at;
        while (end > start && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
        cell = std::string(text.substr(start, end - start));
      }
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      if (at < text.size() && text[at] == '\r') ++at;
      if (at < text.size() && text[at] == '\n') ++at;
      return std::nullopt;
    }
  }
  size_t number = 0; ///< of the line last read, one-based
  size_t place() const { return at; }

private:
  bool atSeparator() const { return text[at] == ',' || text[at] == '\n' || text[at] == '\r'; }
  void skipBlanks() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  }
  bool quoted(std::string &cell) {
    for (++at; at < text.size(); ++at) {
      if (text[at] != '"') {
        cell.push_back(text[at]);
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        cell.push_back('"');
        ++at;
      } else {
        ++at;
        return true;
      }
    }
    return false;
  }

  Bytes text;
  size_t at = 0;
};

/// A decimal number, inf, nan, true or false; the whole cell. False with an infinite `value`: beyond f64. What is too
/// small becomes zero or subnormal.
bool number(std::string_view cell, double &value) {
  if (cell == "true" || cell == "false") {
    value = cell == "true" ? 1 : 0;
    return true;
  }
  if (!cell.empty() && cell[0] == '+') cell.remove_prefix(1);
  if (cell.empty() || cell[0] == '+') return false;
  auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (end != cell.data() + cell.size()) return false;
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(cell).c_str(), nullptr);
  else return error == std::errc();
  return std::isfinite(value);
}

/// Keeps the exact value of a cell of digits that f64 rounded to `rounded`, if i64 or u64 can hold it.
void keepWide(Table &table, std::string_view cell, double rounded) {
  constexpr double exact = 0x1p53; // all integers up to here are f64
  if (!(std::abs(rounded) >= exact)) return;
  bool negative = cell[0] == '-';
  if (negative || cell[0] == '+') cell.remove_prefix(1);
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), magnitude);
  if (error != std::errc() || end != cell.data() + cell.size()) return;
  if (negative && magnitude > uint64_t(1) << 63) return;
  // 2^64 itself has no u64 to compare with, and nothing that rounds to it is exact.
  if (std::abs(rounded) < 0x1p64 && static_cast<uint64_t>(std::abs(rounded)) == magnitude) return;
  table.wide.push_back({table.cells.size(), magnitude, negative});
  table.hasWide.resize(table.columns);
  table.hasWide[table.cells.size() % table.columns] = true;
}

/// The position of a name among those of the column.
bool named(const CellRule *rule, const std::string &cell, double &value) {
  if (!rule) return false;
  auto found = std::find(rule->names.begin(), rule->names.end(), cell);
  if (found == rule->names.end()) return false;
  value = static_cast<double>(found - rule->names.begin());
  return true;
}

/// `value`: of the cell, where number() said why it is none.
Error badCell(const Table &table, const CellRule *rule, size_t c, const std::string &cell, double value, size_t line) {
  std::string column = table.names.empty() ? std::to_string(c + 1) : "'" + table.names[c].substr(0, 60) + "'";
  std::string what = "holds '" + cell.substr(0, 40) + "', not ";
  if (cell.empty()) what = "is empty";
  else if (std::isinf(value)) what = "holds " + cell.substr(0, 40) + ", which is beyond f64";
  else if (!rule || rule->names.empty()) what += "a number";
  else
    for (size_t i = 0; i < rule->names.size() && i < 8; ++i) what += (i ? ", " : "") + rule->names[i];
  return Error{"line " + std::to_string(line) + ", column " + column + " " + what};
}

std::optional<Error> addRow(Table &table, const std::vector<std::string> &cells, size_t line) {
  if (cells.size() != table.columns)
    return Error{"line " + std::to_string(line) + " has " + std::to_string(cells.size()) +
                 " cells, the first line has " + std::to_string(table.columns)};
  for (size_t c = 0; c < cells.size(); ++c) {
    const CellRule *rule = table.rules.empty() ? nullptr : table.rules[c];
    bool isEmpty = cells[c].empty() && rule && rule->mayBeEmpty;
    bool isAskedFor = table.rules.empty() || rule;
    double value = 0;
    if (!isAskedFor && !number(cells[c], value)) value = 0; // a time stamp, a label
    else if (!isEmpty && !number(cells[c], value) && !named(rule, cells[c], value))
      return badCell(table, rule, c, cells[c], value, line);
    if (!table.rules.empty()) table.empty.push_back(isEmpty);
    keepWide(table, cells[c], value);
    table.cells.push_back(value);
  }
  ++table.rows;
  return std::nullopt;
}

/// Splits "x[1,2]" into x and {1, 2}; false if it is a plain name.
bool splitName(const std::string &text, std::string &name, std::vector<int64_t> &position) {
  size_t open = text.find('[');
  if (open == std::string::npos || open == 0 || text.back() != ']') return false;
  name = text.substr(0, open);
  const char *p = text.data() + open + 1, *end = text.data() + text.size() - 1;
  while (true) {
    while (p < end && *p == ' ') ++p;
    int64_t value = 0;
    auto [next, error] = std::from_chars(p, end, value);
    if (error != std::errc() || value < 0) return false;
    position.push_back(value);
    if (next == end) return position.size() <= 32;
    if (*next != ',') return false;
    p = next + 1;
  }
}

/// The part of a column's name that names the stream: "x" of "x[1,2]".
std::string streamOf(const std::string &column) {
  std::string name;
  std::vector<int64_t> position;
  return splitName(column, name, position) ? name : column;
}

void applyRules(Table &table, const std::map<std::string, CellRule> &rules) {
  if (rules.empty()) return;
  for (const std::string &column : table.names) {
    auto rule = rules.find(streamOf(column));
    table.rules.push_back(rule == rules.end() ? nullptr : &rule->second);
  }
}

/// Reads lines into a table: with `first`, the first one that is not blank may hold names.
std::optional<Error> readLines(CellReader &reader, Table &table, bool first, const std::map<std::string, CellRule> &rules) {
  std::vector<std::string> cells;
  while (!reader.done()) {
    if (auto error = reader.line(cells)) return *error;
    bool mayBeEmpty = table.columns == 1 && !table.rules.empty() && table.rules[0] && table.rules[0]->mayBeEmpty;
    if (cells.size() == 1 && cells[0].empty() && !mayBeEmpty) continue; // blank line
    if (first) {
      first = false;
      table.columns = cells.size();
      double ignored;
      bool data =
          std::all_of(cells.begin(), cells.end(), [&](auto &c) { return c.empty() || number(c, ignored); });
      if (!data) {
        table.names = cells;
        applyRules(table, rules);
        continue;
      }
    }
    if (auto error = addRow(table, cells, reader.number)) return *error;
  }
  return std::nullopt;
}

Result<Table> parseTable(Bytes bytes, const std::map<std::string, CellRule> &rules = {}) {
  Table table;
  CellReader reader(bytes);
  if (auto error = readLines(reader, table, true, rules)) return *error;
  if (table.columns == 0) return Error{"the file is empty"};
  return table;
}

/// Columns x[0], x[1], .. (or x[i,j]) that belong to one tensor.
struct Group {
  std::string name;
  Shape shape;
  std::vector<size_t> columns; ///< row-major
};

struct Placed {
  std::vector<int64_t> position;
  size_t column;
};

std::optional<Error> complete(Group &group, std::vector<Placed> &places) {
  std::string shown = "'" + group.name.substr(0, 60) + "'";
  std::sort(places.begin(), places.end(), [](auto &a, auto &b) { return a.position < b.position; });
  size_t rank = places[0].position.size();
  group.shape.assign(rank, 0);
  for (const Placed &p : places) {
    if (p.position.size() != rank)
      return Error{"the columns of " + shown + " have different numbers of indices"};
    for (size_t k = 0; k < rank; ++k) group.shape[k] = std::max(group.shape[k], p.position[k] + 1);
  }
  size_t count = 1;
  for (int64_t size : group.shape)
    if (__builtin_mul_overflow(count, static_cast<size_t>(size), &count) || count > places.size())
      return Error{"some columns of " + shown + " are missing"};
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].position == places[i - 1].position)
      return Error{"two columns have the same place in " + shown};
  if (count != places.size()) return Error{"some columns of " + shown + " are missing"};
  for (const Placed &p : places) group.columns.push_back(p.column);
  return std::nullopt;
}

Result<std::vector<Group>> groupsOf(const Table &table) {
  std::map<std::string, std::vector<Placed>> tensors;
  std::vector<Group> groups;
  for (size_t c = 0; c < table.columns; ++c) {
    std::string name;
    std::vector<int64_t> position;
    if (splitName(table.names[c], name, position)) tensors[name].push_back({position, c});
    else groups.push_back({table.names[c], {}, {c}});
  }
  for (auto &[name, places] : tensors) {
    Group &group = groups.emplace_back();
    group.name = name;
    if (auto error = complete(group, places)) return *error;
  }
  std::stable_sort(groups.begin(), groups.end(), [](auto &a, auto &b) { return a.name < b.name; });
  for (size_t i = 1; i < groups.size(); ++i)
    if (groups[i].name == groups[i - 1].name)
      return Error{"two columns are named '" + groups[i].name.substr(0, 60) + "'"};
  return groups;
}

Array arrayOf(const Table &table, const Group &group) {
  Shape shape{static_cast<int64_t>(table.rows)};
  shape.insert(shape.end(), group.shape.begin(), group.shape.end());
  Array array(Type{Scalar::F64, shape});
  if (table.rows == 0) return array;
  double *out = array.mutateAs<double>();
  for (size_t r = 0; r < table.rows; ++r)
    for (size_t column : group.columns) *out++ = table.cells[r * table.columns + column];
  return array;
}

template <class Integer> bool holds(double value) {
  return value == std::floor(value) && value < std::ldexp(1.0, std::numeric_limits<Integer>::digits) &&
         value >= static_cast<double>(std::numeric_limits<Integer>::min()); // a power of two or zero: exact
}

/// The columns of a group as integers if each of their cells is a value of Integer; nothing otherwise.
template <class Integer>
std::optional<Array> integersOf(const Table &table, const Group &group, const Shape &shape, Scalar scalar) {
  Array array(Type{scalar, shape});
  Integer *out = array.mutateAs<Integer>();
  for (size_t r = 0; r < table.rows; ++r)
    for (size_t column : group.columns) {
      size_t cell = r * table.columns + column;
      auto found = std::lower_bound(table.wide.begin(), table.wide.end(), cell,
                                    [](const WideCell &w, size_t wanted) { return w.cell < wanted; });
      if (found != table.wide.end() && found->cell == cell) {
        bool low = found->negative && std::is_unsigned_v<Integer>;
        if (low || (!found->negative && found->magnitude > uint64_t(std::numeric_limits<Integer>::max())))
          return std::nullopt;
        *out++ = static_cast<Integer>(found->negative ? 0 - found->magnitude : found->magnitude);
      } else if (holds<Integer>(table.cells[cell])) {
        *out++ = static_cast<Integer>(table.cells[cell]);
      } else {
        return std::nullopt;
      }
    }
  return array;
}

/// As arrayOf, but i64 or u64 where that holds all cells and f64 rounds one.
Array exactArrayOf(const Table &table, const Group &group) {
  Array rounded = arrayOf(table, group);
  auto wide = [&](size_t column) { return table.hasWide[column]; };
  if (table.wide.empty() || std::none_of(group.columns.begin(), group.columns.end(), wide)) return rounded;
  if (auto exact = integersOf<int64_t>(table, group, rounded.type().shape, Scalar::I64)) return *exact;
  if (auto exact = integersOf<uint64_t>(table, group, rounded.type().shape, Scalar::U64)) return *exact;
  return rounded;
}

template <class Number> void appendNumber(std::string &out, Number value) {
  if (std::isnan(static_cast<double>(value))) {
    out += "nan";
    return;
  }
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end);
}

void appendElement(std::string &out, const Array &array, size_t i) {
  auto integer = [&](auto value) { out += std::to_string(value); };
  switch (array.type().scalar) {
  case Scalar::Bool: out += array.as<uint8_t>()[i] ? "true" : "false"; return;
  case Scalar::I8: return integer(array.as<int8_t>()[i]);
  case Scalar::I16: return integer(array.as<int16_t>()[i]);
  case Scalar::I32: return integer(array.as<int32_t>()[i]);
  case Scalar::I64: return integer(array.as<int64_t>()[i]);
  case Scalar::U8: return integer(array.as<uint8_t>()[i]);
  case Scalar::U16: return integer(array.as<uint16_t>()[i]);
  case Scalar::U32: return integer(array.as<uint32_t>()[i]);
  case Scalar::U64: return integer(array.as<uint64_t>()[i]);
  case Scalar::F16: return appendNumber(out, halfToFloat(array.as<uint16_t>()[i]));
  case Scalar::BF16: return appendNumber(out, bfloatToFloat(array.as<uint16_t>()[i]));
  case Scalar::F32: return appendNumber(out, array.as<float>()[i]);
  case Scalar::F64: return appendNumber(out, array.as<double>()[i]);
  }
}

void appendName(std::string &out, const std::string &name) {
  if (name.find_first_of(",\"\r\n") == std::string::npos) {
    out += name;
    return;
  }
  out += '"';
  for (char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  out += '"';
}

} // namespace

Result<Arrays> parseCsv(Bytes bytes) {
  auto streams = parseCsvStreams(bytes, {});
  if (auto *error = std::get_if<Error>(&streams)) return *error;
  return std::get<Streams>(std::move(streams)).arrays;
}

/// By line, whether a group's cells are filled; an error where only some are.
static Result<std::vector<bool>> presenceOf(const Table &table, const Group &group, int64_t rowsBefore) {
  std::vector<bool> present(table.rows);
  for (size_t r = 0; r < table.rows; ++r) {
    size_t filled = 0;
    for (size_t column : group.columns) filled += !table.empty[r * table.columns + column];
    if (filled != 0 && filled != group.columns.size())
      return Error{"some cells of '" + group.name.substr(0, 60) + "' are empty in line " +
                   std::to_string(static_cast<size_t>(rowsBefore) + r + 2)};
    present[r] = filled != 0;
  }
  return present;
}

/// The columns of a table as streams, converted where the rules say to what. `rowsBefore`: of the file, before the table.
static Result<Streams> streamsOf(const Table &table, const std::map<std::string, CellRule> &rules, int64_t rowsBefore) {
  if (table.names.empty()) return Error{"the first line has no column names"};
  auto groups = groupsOf(table);
  if (auto *error = std::get_if<Error>(&groups)) return *error;
  Streams streams;
  for (const Group &group : std::get<std::vector<Group>>(groups)) {
    Array array = exactArrayOf(table, group);
    auto rule = rules.find(group.name);
    if (rule != rules.end() && rule->second.type) {
      auto converted = convertColumn(array, *rule->second.type, "`" + group.name.substr(0, 60) + "`", rowsBefore);
      if (auto *error = std::get_if<Error>(&converted)) return *error;
      array = std::get<Array>(converted);
    }
    streams.arrays.emplace(group.name, array);
    if (rule == rules.end() || !rule->second.mayBeEmpty) continue;
    auto present = presenceOf(table, group, rowsBefore);
    if (auto *error = std::get_if<Error>(&present)) return *error;
    streams.present.emplace(group.name, std::get<std::vector<bool>>(std::move(present)));
  }
  return streams;
}

Result<Streams> parseCsvStreams(Bytes bytes, const std::map<std::string, CellRule> &rules) {
  auto parsed = parseTable(bytes, rules);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  return streamsOf(std::get<Table>(parsed), rules, 0);
}

size_t csvHeaderEnd(Bytes bytes, size_t &linesRead) {
  CellReader reader(bytes);
  std::vector<std::string> cells;
  while (!reader.done()) {
    if (reader.line(cells)) break;
    if (cells.size() > 1 || !cells[0].empty()) break;
  }
  linesRead = reader.number;
  return reader.place();
}

Result<Streams> parseCsvPart(const CsvPart &part, const std::map<std::string, CellRule> &rules, size_t &linesRead) {
  Table table;
  CellReader header(part.header), reader(part.lines);
  reader.number = part.linesBefore;
  auto error = readLines(header, table, true, rules);
  if (!error && table.names.empty()) return streamsOf(table, rules, 0); // says so
  if (!error) error = readLines(reader, table, false, rules);
  if (error) return *error;
  linesRead = reader.number - part.linesBefore;
  return streamsOf(table, rules, part.rowsBefore);
}

Result<Array> parseCsvColumn(Bytes bytes, std::string_view name) {
  auto parsed = parseTable(bytes);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  const Table &table = std::get<Table>(parsed);
  if (name.empty()) {
    Group all;
    if (table.names.empty() || table.columns > 1) all.shape = {static_cast<int64_t>(table.columns)};
    for (size_t c = 0; c < table.columns; ++c) all.columns.push_back(c);
    return arrayOf(table, all);
  }
  if (table.names.empty())
    return Error{"the first line has no column names, so no column '" + std::string(name) + "'"};
  auto groups = groupsOf(table);
  if (auto *error = std::get_if<Error>(&groups)) return *error;
  std::vector<std::string> names;
  for (const Group &group : std::get<std::vector<Group>>(groups)) {
    if (group.name == name) return arrayOf(table, group);
    names.push_back(group.name);
  }
  return noSuchName("column", name, names);
}

/// The line of names; the number of columns of each stream.
static std::vector<size_t> formatNames(const std::vector<Column> &columns, std::string &out) {
  std::vector<size_t> widths;
  for (const Column &column : columns) {
    const Shape &shape = column.values.type().shape;
    Shape inner(shape.begin() + 1, shape.end());
    size_t width = static_cast<size_t>(elementCount(inner).value_or(0));
    widths.push_back(width);
    for (size_t i = 0; i < width; ++i) {
      std::string place;
      size_t rest = i;
      for (size_t k = inner.size(); k-- > 0; rest /= static_cast<size_t>(inner[k]))
        place = std::to_string(rest % static_cast<size_t>(inner[k])) + (place.empty() ? "" : ",") + place;
      if (!out.empty()) out += ',';
      appendName(out, inner.empty() ? column.name : column.name + "[" + place + "]");
    }
  }
  out += '\n';
  return widths;
}

static int64_t linesOf(const Column &column) {
  return column.present.empty() ? column.values.type().shape[0] : static_cast<int64_t>(column.present.size());
}

static void appendCell(std::string &out, const Column &column, size_t i) {
  const std::vector<std::string> &names = column.names;
  bool isNamed = column.values.type().scalar == Scalar::I32 && !names.empty();
  int32_t number = isNamed ? column.values.as<int32_t>()[i] : -1;
  if (number >= 0 && static_cast<size_t>(number) < names.size()) appendName(out, names[static_cast<size_t>(number)]);
  else appendElement(out, column.values, i);
}

Result<std::string> formatCsv(const std::vector<Column> &columns) {
  std::string out;
  for (const Column &column : columns) {
    if (column.values.type().shape.empty()) return Error{"'" + column.name + "' has no leading axis to write as lines"};
    if (linesOf(column) != linesOf(columns[0]))
      return Error{"'" + column.name + "' has " + std::to_string(linesOf(column)) + " lines, '" + columns[0].name +
                   "' has " + std::to_string(linesOf(columns[0]))};
  }
  std::vector<size_t> widths = formatNames(columns, out), next(columns.size(), 0);
  int64_t lines = columns.empty() ? 0 : linesOf(columns[0]);
  for (int64_t line = 0; line < lines; ++line) {
    bool first = true;
    for (size_t c = 0; c < columns.size(); ++c) {
      const std::vector<bool> &present = columns[c].present;
      bool isPresent = present.empty() || present[static_cast<size_t>(line)];
      for (size_t i = 0; i < widths[c]; ++i) {
        if (!first) out += ',';
        first = false;
        if (isPresent) appendCell(out, columns[c], next[c]++);
      }
    }
    out += '\n';
  }
  return out;
}

} // namespace mlr::data
