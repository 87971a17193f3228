#include "runtime/CsvFile.h"

#include "runtime/Files.h"
#include "runtime/Formats.h"

#include <algorithm>
#include <cstring>
#include <deque>

namespace mlr::data {
namespace {

constexpr size_t readBytes = 1 << 20;       ///< of text at once, when all of it is read
constexpr size_t heldText = 16 << 20;       ///< bytes of the text of the blocks decoded last, which are held
constexpr size_t leastBlock = 4 << 10;      ///< bytes of text
constexpr uint64_t blocksAimedAt = 1 << 16; ///< of a larger file blocks are larger, so that the index stays small

/// Finds the ends of lines outside quotes, as the text goes by.
class LineScanner {
public:
  /// Whether a line ends with `c`. A carriage return alone ends one too, but not here: blocks may hold several lines.
  bool endsLine(char c) {
    if (place == Place::Quoted) return place = c == '"' ? Place::QuoteInQuotes : Place::Quoted, false;
    if (c == '"' && (place == Place::Start || place == Place::QuoteInQuotes)) return place = Place::Quoted, false;
    bool isStart = c == ',' || c == '\n' || c == '\r' || (place == Place::Start && (c == ' ' || c == '\t'));
    place = isStart ? Place::Start : Place::Cell;
    return c == '\n';
  }

private:
  enum class Place { Start, Cell, Quoted, QuoteInQuotes } place = Place::Start;
};

struct Block {
  uint64_t begin, end;
  size_t linesBefore;
  int64_t rowsBefore, rows;
};

class CsvFile {
public:
  CsvFile(std::shared_ptr<ByteSource> source, const std::map<std::string, CellRule> &rules) : source(std::move(source)), rules(rules) {}

  /// Goes through the file: every error is found, and where the blocks are. A row in any place costs the decoding of one block, so they
  /// are small.
  std::optional<Error> index(std::map<std::string, Type> &types, std::map<std::string, std::vector<bool>> &present) {
    LineScanner scanner;
    std::string text;
    std::vector<size_t> ends; // of lines in text
    uint64_t begin = 0, size = source->size();
    size_t lines = 0, scanned = 0;
    while (begin < size || blocks.empty()) {
      size_t more = std::min<uint64_t>(size - begin - text.size(), readBytes);
      text.resize(text.size() + more);
      if (auto error = source->read(begin + text.size() - more, reinterpret_cast<std::byte *>(text.data() + text.size() - more), more))
        return error;
      for (; scanned < text.size(); ++scanned)
        if (scanner.endsLine(text[scanned])) ends.push_back(scanned + 1);
      bool isEnd = begin + text.size() == size;
      if (isEnd && (ends.empty() || ends.back() < text.size())) ends.push_back(text.size());
      if (ends.empty()) continue; // a long line
      if (blocks.empty()) readHeader(Bytes(text).substr(0, ends.back()), lines);
      size_t done = 0;
      for (size_t end : ends) {
        bool isBlock = end - done >= blockBytes && begin + end > header.size();
        if (!isBlock && end != ends.back()) continue;
        if (auto error = addBlock(Bytes(text).substr(done, end - done), begin + done, lines, types, present)) return error;
        done = end;
      }
      begin += done;
      scanned -= done;
      text.erase(0, done);
      ends.clear();
    }
    return std::nullopt;
  }

  int64_t rows() const { return blocks.empty() ? 0 : blocks.back().rowsBefore + blocks.back().rows; }

  std::optional<Error> read(const std::string &name, size_t rowBytes, int64_t row, std::byte *out) {
    size_t k = static_cast<size_t>(std::upper_bound(blocks.begin(), blocks.end(), row, [](int64_t r, const Block &b) { return r < b.rowsBefore + b.rows; }) -
                                   blocks.begin());
    auto found = held.find(k);
    if (found == held.end()) {
      if (auto error = decode(k)) return error;
      found = held.find(k);
    }
    auto stream = found->second.find(name);
    if (stream == found->second.end()) return Error{"'" + name.substr(0, 60) + "' is not kept: no rule names it"};
    const Array &array = stream->second;
    std::memcpy(out, array.data() + static_cast<size_t>(row - blocks[k].rowsBefore) * rowBytes, rowBytes);
    return std::nullopt;
  }

private:
  void readHeader(Bytes text, size_t &lines) {
    header = std::string(text.substr(0, csvHeaderEnd(text, lines)));
    // A block is decoded with the header in front of it.
    blockBytes = std::max(std::clamp<size_t>(source->size() / blocksAimedAt, leastBlock, readBytes), 4 * header.size());
  }

  std::optional<Error> addBlock(Bytes text, uint64_t begin, size_t &lines, std::map<std::string, Type> &types,
                                std::map<std::string, std::vector<bool>> &present) {
    if (source->size() == 0) return Error{"the file is empty"};
    size_t headerBytes = blocks.empty() ? header.size() : 0;
    Block block{begin + headerBytes, begin + text.size(), lines, rows(), 0};
    size_t linesRead = 0;
    auto parsed = parseCsvPart({header, text.substr(headerBytes), lines, block.rowsBefore}, rules, linesRead);
    if (auto *error = std::get_if<Error>(&parsed)) return *error;
    Streams &streams = std::get<Streams>(parsed);
    lines += linesRead;
    for (auto &[name, array] : streams.arrays) {
      block.rows = array.type().shape[0];
      types[name] = array.type();
    }
    for (auto &[name, bits] : streams.present) present[name].insert(present[name].end(), bits.begin(), bits.end());
    blocks.push_back(block);
    hold(blocks.size() - 1, std::move(streams.arrays));
    return std::nullopt;
  }

  std::optional<Error> decode(size_t k) {
    const Block &block = blocks[k];
    std::string text(block.end - block.begin, '\0');
    if (auto error = source->read(block.begin, reinterpret_cast<std::byte *>(text.data()), text.size())) return error;
    size_t linesRead = 0;
    auto parsed = parseCsvPart({header, text, block.linesBefore, block.rowsBefore}, rules, linesRead);
    if (auto *error = std::get_if<Error>(&parsed)) return *error;
    Streams &streams = std::get<Streams>(parsed);
    for (auto &[name, array] : streams.arrays)
      if (array.type().shape[0] != block.rows) return Error{"changed while it was read"};
    hold(k, std::move(streams.arrays));
    return std::nullopt;
  }

  void hold(size_t k, Arrays arrays) {
    for (auto it = arrays.begin(); it != arrays.end();) it = rules.count(it->first) ? std::next(it) : arrays.erase(it);
    if (order.size() == std::max<size_t>(heldText / blockBytes, 1)) {
      held.erase(order.front());
      order.pop_front();
    }
    held.emplace(k, std::move(arrays));
    order.push_back(k);
  }

  std::shared_ptr<ByteSource> source;
  std::map<std::string, CellRule> rules;
  std::string header;
  std::vector<Block> blocks;
  size_t blockBytes = leastBlock;
  std::map<size_t, Arrays> held; ///< by the number of the block
  std::deque<size_t> order;      ///< in which they were decoded
};

class CsvRows : public Rows {
public:
  CsvRows(Type type, std::shared_ptr<CsvFile> file, std::string name) : Rows(std::move(type)), file(std::move(file)), name(std::move(name)) {}
  std::optional<Error> read(int64_t i, std::byte *out) override { return file->read(name, rowBytes(), i, out); }

private:
  std::shared_ptr<CsvFile> file;
  std::string name;
};

} // namespace

Result<RowStreams> openCsv(const std::string &path, const std::map<std::string, CellRule> &rules) {
  auto opened = openFile(path);
  if (auto *error = std::get_if<Error>(&opened)) return *error;
  auto file = std::make_shared<CsvFile>(std::get<std::shared_ptr<ByteSource>>(opened), rules);
  std::map<std::string, Type> types;
  std::map<std::string, std::vector<bool>> present;
  if (auto error = file->index(types, present)) return *error;
  RowStreams result;
  for (auto &[name, type] : types) {
    type.shape[0] = file->rows();
    result.streams[name] = {std::make_shared<CsvRows>(type, file, name), std::move(present[name])};
  }
  return result;
}

} // namespace mlr::data
