#include "runtime/Rows.h"

#include "runtime/CsvFile.h"
#include "runtime/Files.h"
#include "runtime/Formats.h"

#include <algorithm>
#include <cstring>

namespace mlr::data {

void Rows::joinBlocks(const Shape &shape) {
  Type block{ty.scalar, shape};
  int64_t n = ty.elements() / std::max<int64_t>(block.elements(), 1);
  ty = block;
  ty.shape.insert(ty.shape.begin(), n);
}

namespace {

class HeldRows : public Rows {
public:
  explicit HeldRows(Array array) : Rows(array.type()), array(std::move(array)) {}
  std::optional<Error> read(int64_t i, std::byte *out) override {
    std::memcpy(out, array.data() + static_cast<size_t>(i) * rowBytes(), rowBytes());
    return std::nullopt;
  }

private:
  Array array;
};

constexpr size_t readAhead = 1 << 20; ///< bytes that rows in order are read at once

/// Rows that follow one another in a file. Rows in order are read in blocks, others one by one.
class FileRows : public Rows {
public:
  FileRows(Type type, std::shared_ptr<ByteSource> source, uint64_t start)
      : Rows(std::move(type)), source(std::move(source)), start(start) {}

  std::optional<Error> read(int64_t i, std::byte *out) override {
    size_t size = rowBytes();
    uint64_t from = static_cast<uint64_t>(i) * size;
    if (from < heldFrom || from + size > heldFrom + held.size()) {
      bool isInOrder = from == next || i == 0;
      size_t wanted = isInOrder ? std::max(readAhead / std::max<size_t>(size, 1), size_t(1)) * size : size;
      held.resize(std::min<uint64_t>(wanted, ty.bytes() - from));
      heldFrom = from;
      if (auto error = source->read(start + from, held.data(), held.size())) return held.clear(), error;
    }
    next = from + size;
    std::memcpy(out, held.data() + (from - heldFrom), size);
    if (ty.scalar == Scalar::Bool)
      for (size_t k = 0; k < size; ++k) out[k] = out[k] != std::byte(0) ? std::byte(1) : std::byte(0);
    return std::nullopt;
  }

private:
  std::shared_ptr<ByteSource> source;
  uint64_t start;              ///< of the elements
  std::vector<std::byte> held; ///< from `heldFrom` on, counted from `start`
  uint64_t heldFrom = 0, next = 0;
};

/// A .npy of `size` bytes in `source`; nothing if its elements do not stand there as they are in memory.
Result<std::shared_ptr<Rows>> npyRows(const std::shared_ptr<ByteSource> &source) {
  constexpr size_t headerBytes = 1 << 16;
  std::string head(std::min<uint64_t>(source->size(), headerBytes), '\0');
  if (auto error = source->read(0, reinterpret_cast<std::byte *>(head.data()), head.size())) return *error;
  auto parsed = parseNpyHeader(head);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  const NpyHeader &header = std::get<NpyHeader>(parsed);
  bool isTransposed = header.fortranOrder && header.type.shape.size() > 1;
  bool isSwapped = header.swapBytes && byteSize(header.type.scalar) > 1;
  if (isTransposed || isSwapped || header.type.shape.empty()) return std::shared_ptr<Rows>();
  uint64_t expected = std::get<size_t>(checkedBytes(header.type)), actual = source->size() - header.dataStart;
  if (expected != actual)
    return Error{"the header says " + toString(header.type) + ", " + std::to_string(expected) +
                 " bytes of data; the file has " + std::to_string(actual)};
  return std::shared_ptr<Rows>(std::make_shared<FileRows>(header.type, source, header.dataStart));
}

Result<RowStreams> held(Result<Streams> loaded) {
  if (auto *error = std::get_if<Error>(&loaded)) return *error;
  RowStreams result;
  result.sampleRate = std::get<Streams>(loaded).sampleRate;
  for (auto &[name, array] : std::get<Streams>(loaded).arrays)
    result.streams[name] = {rowsOf(array), {}};
  return result;
}

Result<RowStreams> openNpy(const std::string &path) {
  auto file = openFile(path);
  if (auto *error = std::get_if<Error>(&file)) return *error;
  auto rows = npyRows(std::get<std::shared_ptr<ByteSource>>(file));
  if (auto *error = std::get_if<Error>(&rows)) return *error;
  auto &stream = std::get<std::shared_ptr<Rows>>(rows);
  if (!stream) return held(loadStreams(path, {}));
  RowStreams result;
  result.streams[""] = {stream, {}};
  return result;
}

Result<RowStreams> openNpz(const std::string &path) {
  auto members = openNpzMembers(path);
  if (auto *error = std::get_if<Error>(&members)) return *error;
  RowStreams result;
  for (auto &[name, member] : std::get<std::map<std::string, NpzMember>>(members)) {
    std::shared_ptr<Rows> rows;
    if (member.bytes) {
      auto found = npyRows(member.bytes);
      if (auto *error = std::get_if<Error>(&found)) return Error{"entry '" + name.substr(0, 60) + "': " + error->message};
      rows = std::get<std::shared_ptr<Rows>>(found);
    }
    if (!rows) {
      auto array = member.load();
      if (auto *error = std::get_if<Error>(&array)) return *error;
      rows = rowsOf(std::get<Array>(array));
    }
    result.streams[name] = {rows, {}};
  }
  return result;
}

} // namespace

std::shared_ptr<Rows> rowsOf(Array array) { return std::make_shared<HeldRows>(std::move(array)); }

Result<RowStreams> openStreams(const std::string &path, const std::map<std::string, CellRule> &rules) {
  std::string extension = lowerExtension(path);
  if (extension == ".npy") return openNpy(path);
  if (extension == ".npz") return openNpz(path);
  if (extension == ".csv") return openCsv(path, rules);
  return held(loadStreams(path, rules));
}

} // namespace mlr::data
