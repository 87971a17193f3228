#include "support/Source.h"

#include <algorithm>

namespace mlr {

uint32_t SourceMap::add(std::string path, std::string text) {
  File file{std::move(path), std::move(text), {0}};
  // Offsets are 32 bits; what lies beyond cannot be named by a span.
  if (file.text.size() >= UINT32_MAX) file.text.resize(UINT32_MAX - 1);
  for (uint32_t i = 0; i < file.text.size(); ++i)
    if (file.text[i] == '\n') file.lineStarts.push_back(i + 1);
  files.push_back(std::move(file));
  return static_cast<uint32_t>(files.size());
}

std::string_view SourceMap::path(uint32_t file) const {
  return file == 0 || file > files.size() ? std::string_view() : std::string_view(files[file - 1].path);
}

std::string_view SourceMap::text(uint32_t file) const {
  return file == 0 || file > files.size() ? std::string_view() : std::string_view(files[file - 1].text);
}

std::string_view SourceMap::text(Span span) const {
  std::string_view all = text(span.file);
  size_t begin = std::min<size_t>(span.begin, all.size());
  size_t end = std::clamp<size_t>(span.end, begin, all.size());
  return all.substr(begin, end - begin);
}

LineColumn SourceMap::lineColumn(uint32_t file, uint32_t offset) const {
  if (file == 0 || file > files.size()) return {};
  const File &f = files[file - 1];
  offset = std::min(offset, static_cast<uint32_t>(f.text.size()));
  auto next = std::upper_bound(f.lineStarts.begin(), f.lineStarts.end(), offset);
  uint32_t line = static_cast<uint32_t>(next - f.lineStarts.begin());
  return {line, offset - f.lineStarts[line - 1] + 1};
}

std::string_view SourceMap::line(uint32_t file, uint32_t line) const {
  if (file == 0 || file > files.size()) return {};
  const File &f = files[file - 1];
  if (line == 0 || line > f.lineStarts.size()) return {};
  size_t begin = f.lineStarts[line - 1];
  size_t end = line < f.lineStarts.size() ? f.lineStarts[line] - 1 : f.text.size();
  if (end > begin && f.text[end - 1] == '\r') --end;
  return std::string_view(f.text).substr(begin, end - begin);
}

} // namespace mlr
