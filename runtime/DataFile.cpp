// Files and extensions; the formats themselves are in their own files, over bytes.
#include "runtime/Files.h"
#include "runtime/Formats.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace mlr::data {

std::string lowerExtension(const std::string &path) {
  size_t dot = path.find_last_of("./");
  if (dot == std::string::npos || path[dot] != '.') return "";
  std::string extension = path.substr(dot);
  for (char &c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return extension;
}

namespace {

struct Descriptor {
  Descriptor(int fd = -1) : fd(fd) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

Error cannotRead() { return Error{std::string("cannot be read: ") + std::strerror(errno)}; }

class FileSource : public ByteSource {
public:
  FileSource(const std::string &path) : file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  std::optional<Error> check() {
    struct stat status;
    if (file.fd < 0 || ::fstat(file.fd, &status) != 0) return cannotRead();
    if (S_ISDIR(status.st_mode)) return Error{"is a directory"};
    if (!S_ISREG(status.st_mode)) return Error{"is not a regular file"};
    bytes = static_cast<uint64_t>(status.st_size);
    return std::nullopt;
  }
  uint64_t size() const override { return bytes; }
  std::optional<Error> read(uint64_t at, std::byte *out, size_t count) override {
    while (count > 0) {
      ssize_t n = ::pread(file.fd, out, count, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return cannotRead();
      if (n == 0) return Error{"is shorter than it was"};
      at += static_cast<uint64_t>(n);
      out += n;
      count -= static_cast<size_t>(n);
    }
    return std::nullopt;
  }

private:
  Descriptor file;
  uint64_t bytes = 0;
};

} // namespace

Result<std::shared_ptr<ByteSource>> openFile(const std::string &path) {
  auto source = std::make_shared<FileSource>(path);
  if (auto error = source->check()) return *error;
  return std::shared_ptr<ByteSource>(source);
}

Result<std::string> readFile(const std::string &path) {
  auto file = openFile(path);
  if (auto *error = std::get_if<Error>(&file)) return *error;
  auto &source = *std::get<std::shared_ptr<ByteSource>>(file);
  std::string bytes(source.size(), '\0');
  if (auto error = source.read(0, reinterpret_cast<std::byte *>(bytes.data()), bytes.size())) return *error;
  return bytes;
}

namespace {

std::optional<Error> writeWhole(int fd, const std::string &bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{std::string("cannot be written: ") + std::strerror(errno)};
    done += static_cast<size_t>(n);
  }
  return std::nullopt;
}

/// Writes beside the file and renames; where `link` is a symbolic link, the file that it means. An existing
/// target that is no regular file is written directly. /dev/stdout is the open standard output, wherever that
/// goes: as a link to a redirected file it would be replaced, and what stands there already be lost.
std::optional<Error> writeFile(const std::string &link, const std::string &bytes) {
  auto failed = [] { return Error{std::string("cannot be written: ") + std::strerror(errno)}; };
  if (link == "/dev/stdout") return std::fflush(stdout), writeWhole(STDOUT_FILENO, bytes);
  std::unique_ptr<char, decltype(&std::free)> target(::realpath(link.c_str(), nullptr), &std::free);
  std::string path = target ? target.get() : link;
  struct stat status;
  bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return Error{"is a directory"};
  if (exists && !S_ISREG(status.st_mode)) {
    Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    return file.fd < 0 ? std::optional(failed()) : writeWhole(file.fd, bytes);
  }
  std::string temporary = path + ".XXXXXX";
  Descriptor file{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (file.fd < 0) return failed();
  auto error = writeWhole(file.fd, bytes);
  if (!error) {
    mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(file.fd, exists ? status.st_mode & 07777 : 0666 & ~mask);
    if (::rename(temporary.c_str(), path.c_str()) != 0) error = failed();
  }
  if (error) ::unlink(temporary.c_str());
  return error;
}

std::optional<Error> writeResult(const std::string &path, const Result<std::string> &bytes) {
  if (auto *error = std::get_if<Error>(&bytes)) return *error;
  return writeFile(path, std::get<std::string>(bytes));
}

/// Levenshtein distance, names cut at 64 bytes.
size_t distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 64);
  b = b.substr(0, 64);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

Error unknownExtension(const std::string &extension) {
  return Error{"the extension '" + extension.substr(0, 20) +
               "' is none of .npy, .npz, .csv, .safetensors, .wav"};
}

} // namespace

Error noSuchName(std::string_view what, std::string_view name, const std::vector<std::string> &present) {
  if (present.empty()) return Error{"the file holds no " + std::string(what)};
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string &candidate : present)
    ranked.push_back({name.empty() ? 0 : distance(name, candidate), candidate});
  std::stable_sort(ranked.begin(), ranked.end());
  std::string message = name.empty()
                            ? "the file holds several; name one " + std::string(what) + " of"
                            : "no " + std::string(what) + " '" + std::string(name) + "'; the file has";
  for (size_t i = 0; i < ranked.size() && i < 5; ++i)
    message += std::string(i ? ", '" : " '") + ranked[i].second.substr(0, 60) + "'";
  if (ranked.size() > 5) message += " and " + std::to_string(ranked.size() - 5) + " more";
  return Error{message};
}

Result<Array> load(const std::string &path, std::string_view name) {
  std::string extension = lowerExtension(path);
  bool several = extension == ".npz" || extension == ".safetensors" || extension == ".csv";
  if (!several && extension != ".npy" && extension != ".wav") return unknownExtension(extension);
  auto read = readFile(path);
  if (auto *error = std::get_if<Error>(&read)) return *error;
  Bytes bytes = std::get<std::string>(read);
  if (!several && !name.empty())
    return Error{"a " + extension + " file holds one array without a name, so none named '" +
                 std::string(name) + "'"};
  if (extension == ".npy") return parseNpy(bytes);
  if (extension == ".npz") return parseNpzEntry(bytes, name);
  if (extension == ".csv") return parseCsvColumn(bytes, name);
  if (extension == ".safetensors") return parseSafetensorsEntry(bytes, name);
  return parseWav(bytes);
}

Result<Arrays> loadAll(const std::string &path) {
  std::string extension = lowerExtension(path);
  bool single = extension == ".npy" || extension == ".wav";
  if (!single && extension != ".npz" && extension != ".csv" && extension != ".safetensors")
    return unknownExtension(extension);
  auto read = readFile(path);
  if (auto *error = std::get_if<Error>(&read)) return *error;
  Bytes bytes = std::get<std::string>(read);
  if (extension == ".npz") return parseNpz(bytes);
  if (extension == ".csv") return parseCsv(bytes);
  if (extension == ".safetensors") return parseSafetensors(bytes);
  auto array = extension == ".npy" ? parseNpy(bytes) : parseWav(bytes);
  if (auto *error = std::get_if<Error>(&array)) return *error;
  return Arrays{{"", std::get<Array>(array)}};
}

Result<Streams> loadStreams(const std::string &path, const std::map<std::string, CellRule> &rules) {
  if (lowerExtension(path) == ".csv") {
    auto read = readFile(path);
    if (auto *error = std::get_if<Error>(&read)) return *error;
    return parseCsvStreams(std::get<std::string>(read), rules);
  }
  auto all = loadAll(path);
  if (auto *error = std::get_if<Error>(&all)) return *error;
  Streams streams{std::get<Arrays>(std::move(all)), {}};
  if (lowerExtension(path) != ".wav") return streams;
  auto read = readFile(path);
  if (auto *text = std::get_if<std::string>(&read)) streams.sampleRate = sampleRateOfWav(*text);
  return streams;
}

Result<std::map<std::string, std::string>> loadMetadata(const std::string &path) {
  auto read = readFile(path);
  if (auto *error = std::get_if<Error>(&read)) return *error;
  return parseMetadata(std::get<std::string>(read));
}

std::optional<Error> saveNpz(const std::string &path, const Arrays &arrays) {
  return writeResult(path, formatNpz(arrays));
}
std::optional<Error> saveNpy(const std::string &path, const Array &array) {
  return writeFile(path, formatNpy(array));
}
std::optional<Error> saveSafetensors(const std::string &path, const Arrays &arrays,
                                     const std::map<std::string, std::string> &metadata) {
  return writeResult(path, formatSafetensors(arrays, metadata));
}
std::optional<Error> saveCsv(const std::string &path, const std::vector<Column> &columns) {
  return writeResult(path, formatCsv(columns));
}
std::optional<Error> saveText(const std::string &path, const std::string &text) {
  return writeFile(path, text);
}

/// The folder remembers a name in it only when it is written itself.
static void syncFolder(const std::string &path) {
  size_t slash = path.find_last_of('/');
  Descriptor folder{::open(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_CLOEXEC)};
  if (folder.fd >= 0) ::fsync(folder.fd);
}

std::optional<Error> saveCheckpoint(const std::string &link, const Arrays &arrays, const std::map<std::string, std::string> &metadata) {
  std::unique_ptr<char, decltype(&std::free)> target(::realpath(link.c_str(), nullptr), &std::free);
  std::string path = target ? target.get() : link;
  auto bytes = formatSafetensors(arrays, metadata);
  if (auto *error = std::get_if<Error>(&bytes)) return *error;
  auto failed = [] { return Error{std::string("cannot be written: ") + std::strerror(errno)}; };
  std::string temporary = path + ".part";
  {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (file.fd < 0) return failed();
    auto error = writeWhole(file.fd, std::get<std::string>(bytes));
    if (!error && ::fsync(file.fd) != 0) error = failed();
    if (error) return ::unlink(temporary.c_str()), error;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed();
  syncFolder(path);
  return std::nullopt;
}

} // namespace mlr::data
