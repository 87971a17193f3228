// Line breaking for the formatter, after Oppen ("Prettyprinting", 1980): a line is a list of texts, possible
// breaks and groups. A group that fits on the rest of the line stays flat; in any other one a break is taken
// where the text up to the next break would not fit. Continuation lines are aligned with the start of their
// group.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mlr::ast {

inline constexpr int lineWidth = 100;

class Layout {
public:
  void text(std::string_view s) { items.push_back({Item::Text, std::string(s)}); }
  /// A space, or the end of a line.
  void line() { items.push_back({Item::Break, " "}); }
  void begin() { items.push_back({Item::Begin, ""}); }
  void end() { items.push_back({Item::End, ""}); }
  /// A /* comment */ between two tokens.
  void inlineComment(std::string_view s, bool spaceBehind);
  /// A comment that ends with its line forces a break behind it; ownLine one before it, too.
  void lineComment(std::string_view s, bool ownLine);

  bool empty() const { return items.empty(); }
  size_t size() const { return items.size(); }
  void truncate(size_t size) { items.resize(size); }
  /// From item `from` on nothing is broken any more.
  void flatten(size_t from);
  /// Columns of the whole when nothing is broken; more than any line when a break is forced.
  int flatWidth() const;
  /// Appends the laid-out lines to `out`, whose last line is `column` wide, and forgets them. Linear.
  void flush(std::string &out, int column);

private:
  struct Item {
    enum Kind : unsigned char { Text, Break, Hard, Begin, End } kind;
    std::string text;
    int width = 0; // Begin: of the flat group; Break: of what follows up to the next break of the group
  };
  void measure();
  std::vector<Item> items;
};

} // namespace mlr::ast
