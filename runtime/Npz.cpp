// .npz: a zip archive of .npy entries, stored or deflated. libzip does the container; what a header of the
// archive declares is believed only as far as the file's real size can back it (deflate expands at most 1032
// times).
#include "runtime/Files.h"
#include "runtime/Formats.h"

#include <algorithm>
#include <memory>
#include <zip.h>

namespace mlr::data {
namespace {

constexpr uint64_t deflateLimit = 1032; ///< zlib technical notes: the best possible ratio of deflate
constexpr uint64_t largeUnpacked = uint64_t(1)
                                   << 28; ///< from here on (256 MiB) a ratio above `largeRatio` is refused
constexpr uint64_t largeRatio = 64;
constexpr uint64_t largestVerified = uint64_t(1) << 28; ///< of entries that are not compressed

struct Archive {
  zip_t *zip = nullptr;
  ~Archive() {
    if (zip) zip_discard(zip);
  }
};

std::optional<Error> open(Bytes bytes, Archive &archive) {
  if (bytes.size() < 22)
    return Error{"not a .npz archive: shorter than the smallest"}; // libzip takes 0 bytes as empty
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source) archive.zip = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (!archive.zip) {
    std::string message = std::string("not a .npz archive: ") + zip_error_strerror(&error);
    if (source) zip_source_free(source);
    zip_error_fini(&error);
    return Error{message};
  }
  zip_error_fini(&error);
  return std::nullopt;
}

struct Entry {
  std::string name; ///< without ".npy"
  zip_uint64_t index = 0;
  uint64_t size = 0, packed = 0;
  bool isStored = false; ///< not compressed
};

/// The entries with plausible sizes: packed sizes add up to no more than the archive, none unpacks to more
/// than its method allows.
std::optional<Error> list(zip_t *zip, uint64_t archiveBytes, std::vector<Entry> &entries) {
  zip_int64_t count = zip_get_num_entries(zip, 0);
  uint64_t packed = 0, unpacked = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(zip, static_cast<zip_uint64_t>(i), 0, &stat) != 0 || (stat.valid & needed) != needed)
      return Error{"entry " + std::to_string(i) + " of the archive is damaged"};
    std::string name = stat.name;
    std::string shown = "'" + name.substr(0, 60) + "'";
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) && stat.encryption_method != ZIP_EM_NONE)
      return Error{"entry " + shown + " is encrypted"};
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
      return Error{"entry " + shown + " uses a compression other than deflate"};
    uint64_t limit = stat.comp_method == ZIP_CM_STORE ? 1 : deflateLimit;
    if (stat.comp_size > archiveBytes || stat.size > stat.comp_size * limit + 64 ||
        (packed += stat.comp_size) > archiveBytes)
      return Error{"entry " + shown + " claims more data than the file can hold"};
    unpacked += stat.size;
    if (unpacked > largeUnpacked && unpacked / largeRatio > packed)
      return Error{"the archive would unpack to more than " + std::to_string(largeRatio) +
                   " times its size; save it uncompressed"};
    if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0) name.resize(name.size() - 4);
    entries.push_back({name, static_cast<zip_uint64_t>(i), stat.size, stat.comp_size, stat.comp_method == ZIP_CM_STORE});
  }
  return std::nullopt;
}

/// Unpacks an entry. The buffer grows with what really comes out, never beyond the declared size.
Result<std::string> unpack(zip_t *zip, const Entry &entry) {
  std::string shown = "entry '" + entry.name.substr(0, 60) + "'";
  zip_file_t *file = zip_fopen_index(zip, entry.index, 0);
  if (!file) return Error{shown + " cannot be opened: " + zip_strerror(zip)};
  std::string out;
  zip_int64_t got = 0;
  while (true) {
    size_t room = std::min<uint64_t>(entry.size - out.size(), std::max<size_t>(out.size(), 1 << 16));
    size_t old = out.size();
    out.resize(old +
               std::max<size_t>(room, 1)); // one byte more finds entries longer than declared, and the CRC
    got = zip_fread(file, out.data() + old, out.size() - old);
    out.resize(old + static_cast<size_t>(std::max<zip_int64_t>(got, 0)));
    if (got <= 0 || out.size() > entry.size) break;
  }
  std::string reason = zip_file_strerror(file);
  zip_fclose(file);
  if (got < 0) return Error{shown + " is damaged: " + reason};
  if (out.size() != entry.size)
    return Error{shown + " should have " + std::to_string(entry.size) + " bytes and has " +
                 (out.size() > entry.size ? "more" : std::to_string(out.size()))};
  return out;
}

Result<Array> readEntry(zip_t *zip, const Entry &entry) {
  auto bytes = unpack(zip, entry);
  if (auto *error = std::get_if<Error>(&bytes)) return *error;
  auto array = parseNpy(std::get<std::string>(bytes));
  if (auto *error = std::get_if<Error>(&array))
    return Error{"entry '" + entry.name.substr(0, 60) + "': " + error->message};
  return array;
}

/// Reads the entry from its beginning to its end, where libzip compares its check sum.
std::optional<Error> verify(zip_t *zip, const Entry &entry) {
  zip_file_t *file = zip_fopen_index(zip, entry.index, 0);
  std::vector<char> block(1 << 16);
  zip_int64_t got = file ? 1 : -1;
  while (got > 0) got = zip_fread(file, block.data(), block.size());
  std::string reason = file ? zip_file_strerror(file) : zip_strerror(zip);
  if (file) zip_fclose(file);
  if (got < 0) return Error{"entry '" + entry.name.substr(0, 60) + "' is damaged: " + reason};
  return std::nullopt;
}

/// An entry that is not compressed, at any place. Its check sum is that of the whole: up to `largestVerified` bytes it is compared
/// first; what is larger would be read twice.
class StoredEntry : public ByteSource {
public:
  StoredEntry(std::shared_ptr<Archive> archive, Entry entry)
      : archive(std::move(archive)), entry(std::move(entry)),
        file(zip_fopen_index(this->archive->zip, this->entry.index, ZIP_FL_COMPRESSED)) {}
  StoredEntry(const StoredEntry &) = delete;
  StoredEntry &operator=(const StoredEntry &) = delete;
  ~StoredEntry() override {
    if (file) zip_fclose(file);
  }
  uint64_t size() const override { return entry.size; }
  std::optional<Error> read(uint64_t at, std::byte *out, size_t count) override {
    std::string shown = "entry '" + entry.name.substr(0, 60) + "'";
    if (!file) return Error{shown + " cannot be opened: " + zip_strerror(archive->zip)};
    if (!isVerified && entry.size <= largestVerified)
      if (auto error = verify(archive->zip, entry)) return error;
    isVerified = true;
    if (at != place && zip_fseek(file, static_cast<zip_int64_t>(at), SEEK_SET) != 0)
      return Error{shown + " cannot be read: " + zip_file_strerror(file)};
    place = at;
    while (count > 0) {
      zip_int64_t n = zip_fread(file, out, count);
      if (n < 0) return Error{shown + " cannot be read: " + zip_file_strerror(file)};
      if (n == 0) return Error{shown + " is shorter than it was"};
      place += static_cast<uint64_t>(n);
      out += n;
      count -= static_cast<size_t>(n);
    }
    return std::nullopt;
  }

private:
  std::shared_ptr<Archive> archive;
  Entry entry;
  zip_file_t *file;
  uint64_t place = 0;
  bool isVerified = false;
};

} // namespace

Result<std::map<std::string, NpzMember>> openNpzMembers(const std::string &path) {
  auto opened = openFile(path); // which says why a file cannot be read
  if (auto *error = std::get_if<Error>(&opened)) return *error;
  uint64_t bytes = std::get<std::shared_ptr<ByteSource>>(opened)->size();
  if (bytes < 22) return Error{"not a .npz archive: shorter than the smallest"}; // libzip takes 0 bytes as empty
  auto archive = std::make_shared<Archive>();
  int code = 0;
  archive->zip = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (!archive->zip) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string message = std::string("not a .npz archive: ") + zip_error_strerror(&error);
    zip_error_fini(&error);
    return Error{message};
  }
  std::vector<Entry> entries;
  if (auto error = list(archive->zip, bytes, entries)) return *error;
  std::map<std::string, NpzMember> members;
  for (const Entry &entry : entries) {
    NpzMember member;
    if (entry.isStored) member.bytes = std::make_shared<StoredEntry>(archive, entry);
    member.load = [archive, entry] { return readEntry(archive->zip, entry); };
    if (!members.emplace(entry.name, std::move(member)).second)
      return Error{"the archive has two arrays named '" + entry.name.substr(0, 60) + "'"};
  }
  return members;
}

Result<Arrays> parseNpz(Bytes bytes) {
  Archive archive;
  std::vector<Entry> entries;
  if (auto error = open(bytes, archive)) return *error;
  if (auto error = list(archive.zip, bytes.size(), entries)) return *error;
  Arrays arrays;
  for (const Entry &entry : entries) {
    auto array = readEntry(archive.zip, entry);
    if (auto *error = std::get_if<Error>(&array)) return *error;
    if (!arrays.emplace(entry.name, std::move(std::get<Array>(array))).second)
      return Error{"the archive has two arrays named '" + entry.name.substr(0, 60) + "'"};
  }
  return arrays;
}

Result<Array> parseNpzEntry(Bytes bytes, std::string_view name) {
  Archive archive;
  std::vector<Entry> entries;
  if (auto error = open(bytes, archive)) return *error;
  if (auto error = list(archive.zip, bytes.size(), entries)) return *error;
  if (name.empty() && entries.size() == 1) return readEntry(archive.zip, entries[0]);
  for (const Entry &entry : entries)
    if (entry.name == name) return readEntry(archive.zip, entry);
  std::vector<std::string> names;
  for (const Entry &entry : entries) names.push_back(entry.name);
  return noSuchName("array", name, names);
}

Result<std::string> formatNpz(const Arrays &arrays) {
  zip_error_t error;
  zip_error_init(&error);
  auto failed = [&](const char *what) {
    std::string message = std::string("cannot ") + what + ": " + zip_error_strerror(&error);
    zip_error_fini(&error);
    return Error{message};
  };
  zip_source_t *target = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (!target) return failed("make an archive");
  zip_source_keep(target); // outlives zip_close, to be read back
  auto owner = std::unique_ptr<zip_source_t, void (*)(zip_source_t *)>(target, zip_source_free);
  Archive archive;
  archive.zip = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  if (!archive.zip) return zip_source_free(target), failed("make an archive");
  std::vector<std::string> contents; // alive until zip_close
  contents.reserve(arrays.size());
  for (auto &[name, array] : arrays) {
    const std::string &data = contents.emplace_back(formatNpy(array));
    zip_source_t *source = zip_source_buffer_create(data.data(), data.size(), 0, &error);
    if (!source) return failed("add an array");
    zip_int64_t index = zip_file_add(archive.zip, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0)
      return zip_source_free(source), Error{"cannot add '" + name + "': " + zip_strerror(archive.zip)};
    zip_set_file_compression(archive.zip, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
    // The same arrays give the same bytes: a fixed date (1 January 1980, 12:00 UTC, the first that zip can
    // tell).
    zip_file_set_mtime(archive.zip, static_cast<zip_uint64_t>(index), 315576000, 0);
  }
  if (zip_close(archive.zip) != 0)
    return Error{std::string("cannot write the archive: ") + zip_strerror(archive.zip)};
  archive.zip = nullptr;
  std::string out;
  if (arrays.empty()) return std::string("PK\5\6", 4) + std::string(18, '\0'); // libzip drops empty archives
  zip_stat_t stat;
  if (zip_source_stat(target, &stat) != 0 || zip_source_open(target) != 0)
    return Error{"cannot read the archive back"};
  out.resize(stat.size);
  zip_int64_t got = zip_source_read(target, out.data(), out.size());
  zip_source_close(target);
  if (got < 0 || static_cast<uint64_t>(got) != stat.size) return Error{"cannot read the archive back"};
  return out;
}

} // namespace mlr::data
