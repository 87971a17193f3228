// Streams in files, read row by row when they are asked for: memory does not bound what the inputs of a run may hold.
#pragma once

#include "runtime/DataFile.h"

#include <memory>

namespace mlr::data {

/// A stream: the elements along the leading axis of an array, each read when it is asked for.
class Rows {
public:
  explicit Rows(Type type) : ty(std::move(type)) {}
  virtual ~Rows() = default;
  /// [rows, axes of a row..]; a scalar is no row.
  const Type &type() const { return ty; }
  int64_t count() const { return ty.shape.empty() ? 0 : ty.shape[0]; }
  size_t rowBytes() const { return count() ? ty.bytes() / static_cast<size_t>(count()) : 0; }
  /// Copies row `i`, 0 <= i < count(), to `out`, of rowBytes(). Errors: the file cannot be read any more, or is shorter
  /// than it was.
  virtual std::optional<Error> read(int64_t i, std::byte *out) = 0;
  /// Joins rows of scalars to blocks of `shape`, as many as there are whole ones.
  void joinBlocks(const Shape &shape);
  /// Other elements of the same size.
  void reinterpret(Scalar scalar) { ty.scalar = scalar; }

protected:
  Type ty;
};

struct RowStream {
  std::shared_ptr<Rows> rows;
  std::vector<bool> present; ///< as in Streams: by line, if its cells may be empty
};
struct RowStreams {
  std::map<std::string, RowStream> streams; ///< by name
  double sampleRate = 0;                    ///< of a .wav, Hz; 0: not stated
};

/// The streams of a file, as loadStreams has them, but only a bounded part of the file in memory, whatever its size: of a .npy, of what
/// a .npz holds uncompressed, and of a .csv. Read whole are compressed entries, arrays in Fortran order or of the other
/// byte order, .safetensors and .wav. A .csv is read twice: to check all of it, then row by row.
Result<RowStreams> openStreams(const std::string &path, const std::map<std::string, CellRule> &rules);

/// An array in memory as a stream.
std::shared_ptr<Rows> rowsOf(Array array);

} // namespace mlr::data
