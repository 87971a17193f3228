// The terminal form of a diagnostic: source lines behind a gutter of line numbers, marks below them.
#include "support/Diagnostics.h"

#include <algorithm>
#include <map>

namespace mlr {

namespace {

constexpr size_t tabStop = 4;
constexpr size_t maxWidth = 100; // columns of source shown of a long line

enum class Style : uint8_t { Plain, Gutter, Title, Error, Warning, Primary, Secondary, Help };

const char *escape(Style style, Severity severity) {
  const char *loud = severity == Severity::Error ? "\033[1;31m" : "\033[1;33m";
  switch (style) {
  case Style::Plain: return "";
  case Style::Gutter:
  case Style::Secondary: return "\033[1;34m";
  case Style::Title: return "\033[1m";
  case Style::Error: return "\033[1;31m";
  case Style::Warning: return "\033[1;33m";
  case Style::Primary: return loud;
  case Style::Help: return "\033[1;32m";
  }
  return "";
}

/// One character as it is shown: UTF-8 bytes, columns, and the byte offset that it came from.
struct Glyph {
  std::string bytes;
  uint8_t width = 1;
  uint32_t offset = 0;
};

bool isZeroWidth(char32_t c) {
  return (c >= 0x300 && c <= 0x36F) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0x200D;
}

bool isWide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

/// Controls, and the characters that reorder text and so could show a line other than it is.
bool isHidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || c >= 0xE0000;
}

/// Decodes the code point at `i`; length 0 when the bytes there are not UTF-8.
char32_t decode(std::string_view s, size_t i, size_t &length) {
  auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  unsigned char lead = byte(i);
  length = lead < 0x80 ? 1 : (lead >> 5) == 6 ? 2 : (lead >> 4) == 14 ? 3 : (lead >> 3) == 30 ? 4 : 0;
  if (length == 0 || i + length > s.size()) return length = 0, U'\0';
  char32_t c = length == 1 ? lead : lead & (0xFF >> (length + 1));
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return length = 0, U'\0';
    c = c << 6 | (byte(i + k) & 0x3F);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < smallest[length] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return length = 0, U'\0';
  return c;
}

std::vector<Glyph> glyphs(std::string_view text) {
  std::vector<Glyph> out;
  size_t column = 0;
  for (size_t i = 0; i < text.size();) {
    Glyph g;
    g.offset = static_cast<uint32_t>(i);
    size_t length = 0;
    char32_t c = decode(text, i, length);
    if (text[i] == '\t') {
      g.width = static_cast<uint8_t>(tabStop - column % tabStop);
      g.bytes.assign(g.width, ' ');
    } else if (length == 0 || isHidden(c)) {
      g.bytes = "\xEF\xBF\xBD"; // U+FFFD
    } else {
      g.bytes = text.substr(i, length);
      g.width = isZeroWidth(c) ? 0 : isWide(c) ? 2 : 1;
    }
    i += std::max<size_t>(length, 1);
    column += g.width;
    out.push_back(std::move(g));
  }
  return out;
}

/// Text from a message, fit for a terminal; line breaks are kept.
std::string printable(std::string_view text) {
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    for (const Glyph &g : glyphs(text.substr(begin, end - begin))) out += g.bytes;
    if (end < text.size()) out += '\n';
    begin = end + 1;
  }
  return out;
}

/// The part of a label that falls on one line, in bytes of that line.
struct Mark {
  uint32_t begin = 0, end = 0;
  bool primary = true;
  std::string text;             // empty on all but the last line of the label
  size_t column = 0, width = 1; // as shown
};

/// Lines of one file that are shown, with their marks.
using Lines = std::map<uint32_t, std::vector<Mark>>;

class Renderer {
public:
  Renderer(const Diagnostic &d, const SourceMap &sources, bool color)
      : d(d), sources(sources), color(color) {}

  std::string run() {
    bool error = d.kind->severity == Severity::Error;
    put(std::string(error ? "error[" : "warning[") + d.kind->name + "]",
        error ? Style::Error : Style::Warning);
    put(": " + printable(d.title), Style::Title);
    out += '\n';
    collect();
    for (uint32_t file : order) showFile(file);
    if (order.empty()) numberWidth = 1;
    for (const std::string &note : d.notes) showNote(note);
    for (const std::string &help : d.helps) showHelp(help);
    return std::move(out);
  }

private:
  void put(std::string_view text, Style style) {
    if (text.empty()) return;
    const char *code = color ? escape(style, d.kind->severity) : "";
    out += code;
    out += text;
    if (*code) out += "\033[0m";
  }

  void gutter(const std::string &number) {
    put(std::string(2 + numberWidth - number.size(), ' ') + number + " |", Style::Gutter);
  }

  /// Sorts the labels into files (the file of the first primary label first) and lines.
  void collect() {
    for (bool primary : {true, false})
      for (const Label &label : d.labels)
        if (label.primary == primary && label.span.valid()) collect(label);
    uint32_t largest = 0;
    for (auto &[file, lines] : files) largest = std::max(largest, lines.rbegin()->first);
    numberWidth = std::to_string(largest).size();
  }

  void collect(const Label &label) {
    uint32_t file = label.span.file;
    if (!files.count(file)) {
      order.push_back(file);
      starts[file] = sources.lineColumn(file, label.span.begin);
    }
    LineColumn begin = sources.lineColumn(file, label.span.begin);
    LineColumn end = sources.lineColumn(file, std::max(label.span.begin, label.span.end));
    if (end.line > begin.line && end.column == 1) { // ends with the line break
      --end.line;
      end.column = static_cast<uint32_t>(sources.line(file, end.line).size()) + 1;
    }
    Lines &lines = files[file];
    if (begin.line == end.line) {
      lines[begin.line].push_back({begin.column - 1, end.column - 1, label.primary, printable(label.text)});
      return;
    }
    std::string_view first = sources.line(file, begin.line), last = sources.line(file, end.line);
    uint32_t indent = static_cast<uint32_t>(std::min(last.find_first_not_of(" \t"), last.size()));
    lines[begin.line].push_back({begin.column - 1, static_cast<uint32_t>(first.size()), label.primary, ""});
    lines[end.line].push_back(
        {std::min(indent, end.column - 1), end.column - 1, label.primary, printable(label.text)});
  }

  void showFile(uint32_t file) {
    const char *arrow = file == order.front() ? "--> " : "::: ";
    put("  " + std::string(arrow), Style::Gutter);
    LineColumn at = starts[file];
    out += printable(sources.path(file)) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
           "\n";
    for (auto &[line, marks] : files[file]) showLine(file, line, marks);
  }

  void showLine(uint32_t file, uint32_t line, std::vector<Mark> &marks) {
    std::vector<Glyph> shown = glyphs(cut(sources.line(file, line), marks));
    place(shown, marks);
    std::string text;
    for (const Glyph &g : window(shown, marks)) text += g.bytes;
    text.erase(text.find_last_not_of(' ') + 1);
    gutter(std::to_string(line));
    out += text.empty() ? "\n" : " " + text + "\n";
    std::stable_sort(marks.begin(), marks.end(), [](auto &a, auto &b) { return a.column < b.column; });
    showMarks(marks);
  }

  /// The bytes of a very long line around its first mark, so that the cost of an error does not depend on the
  /// length of its line; window() then cuts at columns.
  static std::string_view cut(std::string_view line, std::vector<Mark> &marks) {
    constexpr uint32_t before = 400, after = 1200;
    if (line.size() <= before + after) return line;
    uint32_t lead =
        std::min(marks.front().begin, static_cast<uint32_t>(line.size())); // primary labels come first
    uint32_t from = lead > before ? lead - before : 0;
    while (from < lead && (line[from] & 0xC0) == 0x80) ++from; // not inside a character
    line = line.substr(from, before + after);
    uint32_t size = static_cast<uint32_t>(line.size());
    for (Mark &m : marks) {
      m.begin = std::min(m.begin > from ? m.begin - from : 0, size);
      m.end = std::clamp(m.end > from ? m.end - from : 0, m.begin, size);
    }
    return line;
  }

  /// Gives each mark its columns. An empty mark, or one at the end of the line, is one column wide.
  static void place(const std::vector<Glyph> &line, std::vector<Mark> &marks) {
    for (Mark &m : marks) {
      size_t column = 0, begin = 0, end = 0;
      for (const Glyph &g : line) {
        if (g.offset < m.begin) begin = column + g.width;
        if (g.offset < m.end) end = column + g.width;
        column += g.width;
      }
      m.column = begin;
      m.width = end > begin ? end - begin : 1;
    }
  }

  /// Cuts a long line to a window that begins a little before its first mark; moves the marks along.
  static std::vector<Glyph> window(const std::vector<Glyph> &line, std::vector<Mark> &marks) {
    size_t width = 0;
    for (const Glyph &g : line) width += g.width;
    if (width <= maxWidth) return line;
    const Mark *lead = &marks.front(); // primary labels were collected first
    size_t from = lead->column > maxWidth / 2 ? lead->column - maxWidth / 4 : 0;
    size_t first = lead->column, last = lead->column + 1;
    for (const Mark &m : marks) first = std::min(first, m.column), last = std::max(last, m.column + 1);
    if (last - first < maxWidth) from = std::min(from, first); // all of them, where they fit
    if (last - first < maxWidth && last > from + maxWidth) from = first;
    size_t to = from + maxWidth;
    // What lies in the cut would point at the dots.
    std::erase_if(marks, [&](const Mark &m) { return !m.primary && (m.column < from || m.column >= to); });
    std::vector<Glyph> out;
    if (from > 0) out.push_back({"...", 3, 0});
    size_t column = 0, shift = from, used = 0;
    for (const Glyph &g : line) {
      if (column >= from && column + g.width <= to) {
        if (used == 0 && from > 0) shift = column - 3;
        out.push_back(g);
        used += g.width;
      }
      column += g.width;
    }
    if (width > to) out.push_back({"...", 3, 0});
    size_t end = used + (from > 0 ? 3 : 0);
    for (Mark &m : marks) {
      size_t last = m.column + m.width;
      m.column = std::min(m.column > shift ? m.column - shift : 0, end);
      m.width = std::clamp<size_t>(
          last > shift ? std::min(last - shift, end + 3) - std::min(m.column, last - shift) : 1, 1,
          maxWidth + 6);
    }
    return out;
  }

  struct Cell {
    std::string bytes = " ";
    Style style = Style::Plain;
  };
  using Row = std::vector<Cell>;

  static void write(Row &row, size_t column, std::string_view text, Style style) {
    for (const Glyph &g : glyphs(text)) {
      if (row.size() < column + 1) row.resize(column + 1);
      row[column] = {g.bytes, style};
      for (size_t k = 1; k < g.width; ++k) { // the second column of a wide character
        if (row.size() < column + k + 1) row.resize(column + k + 1);
        row[column + k] = {"", style};
      }
      column += g.width;
    }
  }

  void flush(const Row &row) {
    gutter("");
    out += ' ';
    for (size_t i = 0; i < row.size();) {
      size_t j = i;
      std::string text;
      while (j < row.size() && row[j].style == row[i].style) text += row[j++].bytes;
      put(text, row[i].style);
      i = j;
    }
    out += '\n';
  }

  /// All marks of a line in one row, with the text of the last; the other texts hang below, right to left.
  void showMarks(const std::vector<Mark> &marks) {
    Row row;
    for (bool primary : {false, true}) // a primary mark is drawn over a secondary one
      for (const Mark &m : marks)
        if (m.primary == primary) write(row, m.column, std::string(m.width, primary ? '^' : '-'), style(m));
    size_t next = marks.size(); // marks before this one still owe their text
    if (!marks.empty() && fitsBehind(marks)) {
      const Mark &m = marks.back();
      if (!m.text.empty()) write(row, row.size() + 1, firstLine(m.text), style(m));
      --next;
    }
    flush(row);
    if (next < marks.size()) showRest(marks.back(), marks.back().column + marks.back().width + 1);
    bool first = true;
    while (next-- > 0) {
      const Mark &m = marks[next];
      if (m.text.empty()) continue;
      if (first) hang(marks, next, "|");
      first = false;
      hang(marks, next, firstLine(m.text));
      showRest(m, m.column);
    }
  }

  static Style style(const Mark &m) { return m.primary ? Style::Primary : Style::Secondary; }
  static std::string firstLine(const std::string &text) { return text.substr(0, text.find('\n')); }

  /// Whether the text of the rightmost mark can follow the row of marks: no other mark reaches further.
  static bool fitsBehind(const std::vector<Mark> &marks) {
    const Mark &last = marks.back();
    return std::all_of(marks.begin(), marks.end(),
                       [&](const Mark &m) { return m.column + m.width <= last.column + last.width; });
  }

  void showRest(const Mark &m, size_t column) {
    for (size_t at = m.text.find('\n'); at != std::string::npos;) {
      size_t end = m.text.find('\n', at + 1);
      Row row;
      write(row, column, m.text.substr(at + 1, end == std::string::npos ? end : end - at - 1), style(m));
      flush(row);
      at = end;
    }
  }

  /// A row with `text` below mark `which` and connectors below the marks to its left that still owe a text.
  void hang(const std::vector<Mark> &marks, size_t which, const std::string &text) {
    Row row;
    for (size_t i = 0; i < which; ++i)
      if (!marks[i].text.empty() && marks[i].column < marks[which].column)
        write(row, marks[i].column, "|", style(marks[i]));
    write(row, marks[which].column, text, style(marks[which]));
    flush(row);
  }

  template <class F> static void eachLine(const std::string &text, F f) {
    for (size_t begin = 0; begin <= text.size();) {
      size_t end = std::min(text.find('\n', begin), text.size());
      f(text.substr(begin, end - begin), begin == 0);
      begin = end + 1;
    }
  }

  void showNote(const std::string &note) {
    eachLine(printable(note), [&](const std::string &line, bool) {
      gutter("");
      out += line.empty() ? "\n" : "   " + line + "\n";
    });
  }

  void showHelp(const std::string &help) {
    eachLine(printable(help), [&](const std::string &line, bool first) {
      if (first) put("  help: ", Style::Help);
      else out += "        ";
      out += line + "\n";
    });
  }

  const Diagnostic &d;
  const SourceMap &sources;
  bool color;
  std::string out;
  size_t numberWidth = 1;
  std::vector<uint32_t> order; // files, in the order in which they are shown
  std::map<uint32_t, Lines> files;
  std::map<uint32_t, LineColumn> starts; // position after the arrow
};

} // namespace

std::string render(const Diagnostic &d, const SourceMap &sources, bool color) {
  return Renderer(d, sources, color).run();
}

} // namespace mlr
