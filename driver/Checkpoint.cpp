#include "driver/Checkpoint.h"

#include "driver/State.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

namespace mlr::driver {

std::optional<Failure> writeCheckpoint(const std::string &path, const Mark &mark, const data::Arrays &state) {
  auto error = data::saveCheckpoint(path, state,
                                    {{"node", mark.node},
                                     {"program", mark.program},
                                     {"instants", std::to_string(mark.instants)},
                                     {"epoch", std::to_string(mark.epochLength)},
                                     {"shuffle", mark.order},
                                     {clockCountsKey, toText(mark.clocks)}});
  if (error) return Failure{fmt::format("{}: {}", path, error->message)};
  return std::nullopt;
}

static std::optional<int64_t> numberIn(const std::map<std::string, std::string> &texts, const char *key) {
  auto found = texts.find(key);
  if (found == texts.end()) return std::nullopt;
  const std::string &text = found->second;
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::variant<std::optional<Mark>, Failure> readCheckpoint(const std::string &path, const Mark &wanted) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<Mark>();
  auto loaded = data::loadMetadata(path);
  if (auto *error = std::get_if<data::Error>(&loaded)) return Failure{fmt::format("{}: {}", path, error->message)};
  auto &texts = std::get<std::map<std::string, std::string>>(loaded);
  auto instants = numberIn(texts, "instants"), epoch = numberIn(texts, "epoch");
  if (!instants || !epoch) return Failure{fmt::format("{} is no checkpoint", path)};
  if (texts["program"] != wanted.program)
    return Failure{fmt::format("{} is the checkpoint of another program, or of other static parameters; --load-state takes its state alone", path)};
  if (*epoch != wanted.epochLength)
    return Failure{fmt::format("{} was made with an input of {} instants, not {}", path, *epoch, wanted.epochLength)};
  if (texts["shuffle"] != wanted.order)
    return Failure{fmt::format("{} was made {}", path, texts["shuffle"].empty() ? "without --shuffle" : "with --shuffle " + texts["shuffle"])};
  Mark mark = wanted;
  mark.instants = *instants;
  return std::optional(mark);
}

// ---- outputs -----------------------------------------------------------------------------------------------------

/// A record is a byte an output, 1 if it is present, and the bytes of its value, zeros if it is not.
size_t OutputLog::recordBytes() const {
  size_t size = 0;
  for (const Port &port : signature->outputs) size += 1 + port.type.bytes();
  return size;
}

std::string OutputLog::header() const {
  std::string text = "mlr outputs of " + signature->node;
  for (const Port &port : signature->outputs) text += fmt::format(" {}:{}", port.name, toString(port.type));
  return text + "\n";
}

Failure OutputLog::failure() const { return Failure{fmt::format("{}: cannot be written: {}", path, std::strerror(errno))}; }

std::variant<std::unique_ptr<OutputLog>, Failure> OutputLog::begin(const std::string &path, const Signature &signature, int64_t first) {
  std::unique_ptr<OutputLog> log(new OutputLog(path, signature));
  log->file.reset(std::fopen(path.c_str(), "wbe"));
  log->from = first;
  std::string text = log->header();
  if (!log->file || std::fwrite(text.data(), 1, text.size(), log->file.get()) != text.size() ||
      std::fwrite(&log->from, sizeof log->from, 1, log->file.get()) != 1)
    return log->failure();
  return log;
}

std::variant<std::unique_ptr<OutputLog>, Failure> OutputLog::resume(const std::string &path, const Signature &signature, int64_t instants,
                                                                    OutputStreams &outputs) {
  std::unique_ptr<OutputLog> log(new OutputLog(path, signature)), none;
  log->file.reset(std::fopen(path.c_str(), "r+be"));
  if (!log->file) return none;
  FILE *file = log->file.get();
  std::string text = log->header(), found(text.size(), '\0');
  if (std::fread(found.data(), 1, found.size(), file) != found.size() || found != text ||
      std::fread(&log->from, sizeof log->from, 1, file) != 1 || log->from < 0 || log->from > instants)
    return none;
  std::vector<std::byte> record(log->recordBytes());
  for (int64_t t = log->from; t < instants; ++t) {
    if (!record.empty() && std::fread(record.data(), record.size(), 1, file) != 1) return none;
    std::vector<Array> values;
    std::vector<bool> present;
    const std::byte *at = record.data();
    for (const Port &port : signature.outputs) {
      present.push_back(*at++ != std::byte(0));
      values.emplace_back(port.type, std::vector<std::byte>(at, at + port.type.bytes()));
      at += port.type.bytes();
    }
    outputs.add(values, present);
  }
  auto kept = static_cast<off_t>(text.size() + sizeof log->from + record.size() * static_cast<size_t>(instants - log->from));
  if (std::fseek(file, 0, SEEK_CUR) != 0 || ::ftruncate(::fileno(file), kept) != 0 || std::fseek(file, 0, SEEK_END) != 0) return log->failure();
  return log;
}

std::optional<Failure> OutputLog::add(const std::vector<Array> &values, const std::vector<bool> &present) {
  for (size_t i = 0; i < values.size(); ++i) {
    bool isPresent = present.empty() || present[i];
    size_t size = signature->outputs[i].type.bytes();
    bool ok = std::fputc(isPresent, file.get()) != EOF;
    const Array zeros = isPresent ? Array() : Array(signature->outputs[i].type);
    ok = ok && (size == 0 || std::fwrite(isPresent ? values[i].data() : zeros.data(), size, 1, file.get()) == 1);
    if (!ok) return failure();
  }
  return std::nullopt;
}

std::optional<Failure> OutputLog::sync() {
  if (std::fflush(file.get()) != 0 || ::fsync(::fileno(file.get())) != 0) return failure();
  return std::nullopt;
}

} // namespace mlr::driver
