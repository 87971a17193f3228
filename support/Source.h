// Source texts and positions in them. Every later structure points back here with a Span.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mlr {

/// A half-open range of bytes of one file. File 0 is "no file": the span of synthesised code.
struct Span {
  uint32_t file = 0, begin = 0, end = 0;
  bool valid() const { return file != 0; }
  /// The smallest span that covers both.
  Span to(Span other) const {
    if (!valid()) return other;
    if (!other.valid() || other.file != file) return *this;
    return {file, begin < other.begin ? begin : other.begin, end > other.end ? end : other.end};
  }
  bool operator==(const Span &) const = default;
};

/// One-based line and column; the column counts bytes.
struct LineColumn {
  uint32_t line = 0, column = 0;
};

/// Owns the texts of all files of a run.
class SourceMap {
public:
  /// Registers a text and returns its file number (1, 2, ...).
  uint32_t add(std::string path, std::string text);
  std::string_view path(uint32_t file) const;
  std::string_view text(uint32_t file) const;
  std::string_view text(Span span) const;
  LineColumn lineColumn(uint32_t file, uint32_t offset) const;
  /// The line (one-based) without its end-of-line characters.
  std::string_view line(uint32_t file, uint32_t line) const;
  size_t size() const { return files.size(); }

private:
  struct File {
    std::string path, text;
    std::vector<uint32_t> lineStarts;
  };
  std::vector<File> files;
};

} // namespace mlr
