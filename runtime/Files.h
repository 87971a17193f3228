// Files as bytes. Internal to the runtime.
#pragma once

#include "runtime/DataFile.h"

#include <functional>
#include <memory>

namespace mlr::data {

/// ".npz" of "a/b.NPZ"; empty if there is none.
std::string lowerExtension(const std::string &path);

/// The whole of a regular file. Devices and pipes are refused: they have no size to bound by.
Result<std::string> readFile(const std::string &path);

/// Bytes that are read where they are asked for.
class ByteSource {
public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  /// Exactly `count` bytes from `at` on; at + count <= size(). Errors: as readFile, and a file that became shorter.
  virtual std::optional<Error> read(uint64_t at, std::byte *out, size_t count) = 0;
};
/// A regular file.
Result<std::shared_ptr<ByteSource>> openFile(const std::string &path);

/// An entry of a .npz that stays open.
struct NpzMember {
  std::shared_ptr<ByteSource> bytes; ///< of the .npy, if it is not compressed
  std::function<Result<Array>()> load;
};
/// By name, without ".npy".
Result<std::map<std::string, NpzMember>> openNpzMembers(const std::string &path);

} // namespace mlr::data
