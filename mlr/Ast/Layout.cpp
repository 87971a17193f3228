#include "mlr/Ast/Layout.h"

#include <algorithm>

namespace mlr::ast {

namespace {

constexpr int tooWide = 1 << 20;
constexpr int maxIndent = 60; // deeper groups continue here

/// Columns of a text, counting code points.
int columns(std::string_view s) {
  return static_cast<int>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

int add(int a, int b) { return std::min(a + b, tooWide); }

} // namespace

void Layout::inlineComment(std::string_view s, bool spaceBehind) {
  auto last = std::find_if(items.rbegin(), items.rend(), [](const Item &i) { return i.kind != Item::End; });
  bool onText = last != items.rend() && last->kind == Item::Text && !last->text.empty();
  if (onText && std::string_view(" ([{<").find(last->text.back()) == std::string_view::npos) text(" ");
  text(s);
  if (spaceBehind) text(" ");
}

void Layout::lineComment(std::string_view s, bool ownLine) {
  while (!items.empty() && items.back().kind == Item::Text && items.back().text == " ") items.pop_back();
  // A break that was to come anyway, before groups that begin here, moves behind the comment.
  size_t at = items.size();
  while (at > 0 && items[at - 1].kind == Item::Begin) --at;
  bool onBreak = at > 0 && items[at - 1].kind == Item::Break;
  bool onHard = at > 0 && items[at - 1].kind == Item::Hard;
  if (onHard) { // behind another comment
    items.insert(items.begin() + at, {{Item::Text, std::string(s)}, {Item::Hard, ""}});
    return;
  }
  if (onBreak) --at, items[at].kind = Item::Hard, items[at].text.clear();
  std::vector<Item> added;
  if (ownLine) added = {{Item::Hard, ""}, {Item::Text, std::string(s)}};
  else added = {{Item::Text, "  " + std::string(s)}};
  if (!onBreak) added.push_back({Item::Hard, ""});
  items.insert(items.begin() + at, added.begin(), added.end());
}

/// Fills in the widths from the back: of each group, and of the text behind each break.
void Layout::measure() {
  struct Open {
    int flat = 0;   // of the group so far
    int toNext = 0; // from here to the next break of this group, groups in it flat
    int toAny = 0;  // from here to the next break of whatever group
  };
  std::vector<Open> open(1);
  for (size_t i = items.size(); i-- > 0;) {
    Item &item = items[i];
    Open &group = open.back();
    switch (item.kind) {
    case Item::Text: {
      int own = item.text.find('\n') == std::string::npos ? columns(item.text) : tooWide;
      group = {add(group.flat, own), add(group.toNext, own), add(group.toAny, own)};
      break;
    }
    case Item::Break:
      item.width = group.toNext;
      group = {add(group.flat, 1), 0, 0};
      break;
    case Item::Hard: group = {tooWide, 0, 0}; break;
    case Item::End: open.push_back({0, open.back().toAny, open.back().toAny}); break;
    case Item::Begin: {
      Open inner = group;
      if (open.size() > 1) open.pop_back();
      Open &outer = open.back();
      item.width = add(inner.flat, outer.toAny);
      outer = {add(outer.flat, inner.flat), add(outer.toNext, inner.flat), inner.toAny};
      break;
    }
    }
  }
}

void Layout::flatten(size_t from) {
  auto grouping = [](const Item &i) { return i.kind == Item::Begin || i.kind == Item::End; };
  items.erase(std::remove_if(items.begin() + from, items.end(), grouping), items.end());
  for (size_t i = from; i < items.size(); ++i)
    if (items[i].kind == Item::Break) items[i].kind = Item::Text;
}

int Layout::flatWidth() const {
  int width = 0;
  for (const Item &item : items) {
    bool forced = item.kind == Item::Hard || item.text.find('\n') != std::string::npos;
    width = add(width, forced ? tooWide : columns(item.text));
  }
  return width;
}

void Layout::flush(std::string &out, int column) {
  measure();
  struct Open {
    bool flat;
    int indent;
  };
  std::vector<Open> open{{false, std::min(column + 4, maxIndent)}};
  auto newLine = [&](int indent) {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
    out.append(static_cast<size_t>(indent), ' ');
    column = indent;
  };
  for (const Item &item : items) {
    switch (item.kind) {
    case Item::Text: {
      out += item.text;
      size_t lastLine = item.text.rfind('\n');
      column = lastLine == std::string::npos ? column + columns(item.text)
                                             : columns(std::string_view(item.text).substr(lastLine + 1));
      break;
    }
    case Item::Break:
      if (open.back().flat || column + 1 + item.width <= lineWidth) out += item.text, column += 1;
      else newLine(open.back().indent);
      break;
    case Item::Hard: newLine(open.back().indent); break;
    case Item::Begin:
      open.push_back({open.back().flat || column + item.width <= lineWidth, std::min(column, maxIndent)});
      break;
    case Item::End:
      if (open.size() > 1) open.pop_back();
      break;
    }
  }
  items.clear();
}

} // namespace mlr::ast
