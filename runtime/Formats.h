// The data formats over bytes in memory: what DataFile.cpp dispatches to, and what the fuzzer drives. Every
// parser takes any bytes and allocates no more than a small multiple of what those bytes hold.
#pragma once

#include "runtime/DataFile.h"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlr::data {

using Bytes = std::string_view;

/// A little-endian unsigned integer of sizeof(T) bytes at `p`.
template <class T> T readLittle(const char *p) {
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;)
    value = static_cast<T>((value << 7 << 1) | static_cast<unsigned char>(p[i]));
  return value;
}
template <class T> void appendLittle(std::string &out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

/// Bounds for shapes that come from a file: at most 32 axes (as NumPy), each at most 2^48, product at most
/// 2^62. Returns the bytes of the elements or an error.
Result<size_t> checkedBytes(const Type &type);

/// An Array of `type` from exactly type.bytes() bytes; bools become 0 or 1.
Array arrayFrom(const Type &type, Bytes bytes);

Result<Array> parseNpy(Bytes bytes);
/// A .npy header alone: the type, the place of the data and its layout. `bytes` may be a prefix of the file.
struct NpyHeader {
  Type type;
  size_t dataStart = 0;
  bool fortranOrder = false, swapBytes = false;
};
Result<NpyHeader> parseNpyHeader(Bytes bytes);
std::string formatNpy(const Array &array);

Result<Arrays> parseNpz(Bytes bytes);
Result<Array> parseNpzEntry(Bytes bytes, std::string_view name);
Result<std::string> formatNpz(const Arrays &arrays);

Result<Arrays> parseSafetensors(Bytes bytes);
/// The strings under __metadata__; none if there are none.
Result<std::map<std::string, std::string>> parseMetadata(Bytes bytes);
Result<Array> parseSafetensorsEntry(Bytes bytes, std::string_view name);
Result<std::string> formatSafetensors(const Arrays &arrays, const std::map<std::string, std::string> &metadata = {});

Result<Arrays> parseCsv(Bytes bytes);
Result<Array> parseCsvColumn(Bytes bytes, std::string_view name);
Result<Streams> parseCsvStreams(Bytes bytes, const std::map<std::string, CellRule> &rules);
/// Lines of a .csv that begin in its middle.
struct CsvPart {
  Bytes header;           ///< the line of names
  Bytes lines;            ///< whole ones
  size_t linesBefore = 0; ///< of the file, for messages: before `lines`
  int64_t rowsBefore = 0; ///< of values
};
/// As parseCsvStreams; also counts the lines.
Result<Streams> parseCsvPart(const CsvPart &part, const std::map<std::string, CellRule> &rules, size_t &linesRead);
/// The bytes up to the end of the first line that is not blank.
size_t csvHeaderEnd(Bytes bytes, size_t &linesRead);
Result<std::string> formatCsv(const std::vector<Column> &columns);

Result<Array> parseWav(Bytes bytes);
/// Samples a second that a .wav states; 0: none.
double sampleRateOfWav(Bytes bytes);

/// "no array named 'x'; the file has 'y', 'z'": the nearest names first, at most five.
Error noSuchName(std::string_view what, std::string_view name, const std::vector<std::string> &present);

} // namespace mlr::data
