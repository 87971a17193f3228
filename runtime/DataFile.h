// Readers and writers of .npy, .npz, .csv, .safetensors and .wav. Host side only. Any bytes in: an array or a
// message, never a crash, and never an allocation that the file's real size does not justify.
#pragma once

#include "support/Array.h"

#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace mlr::data {

/// A message for the user ("header says 12 bytes of data, the file has 8"), without the path.
struct Error {
  std::string message;
};
template <class T> using Result = std::variant<T, Error>;

using Arrays = std::map<std::string, Array>; ///< by name

/// One array of a data file by extension. `name` picks the entry of .npz/.safetensors or the column of .csv;
/// empty: the only one
/// (.npy always; a .csv without header or with several columns as a matrix f64[rows, columns]).
/// Errors: unreadable file, unknown extension, no such name (the message lists the near ones), malformed
/// contents, complex/object/string dtypes. Fortran order and big-endian .npy are converted.
Result<Array> load(const std::string &path, std::string_view name);

/// All arrays of a .npz or .safetensors; of a .npy under the name ""; the columns of a .csv under their
/// header names (a header is required), a tensor input x[3] being the columns x[0], x[1], x[2]; of a .wav
/// the samples i16 under "". A column of a .csv is f64, but i64 (else u64) where that holds all its cells
/// exactly and f64 does not.
Result<Arrays> loadAll(const std::string &path);

/// What the cells of a .csv column may hold besides numbers.
struct CellRule {
  std::vector<std::string> names; ///< read as their positions, 0, 1, ..
  bool mayBeEmpty = false;
  std::optional<Scalar> type = {}; ///< to which the cells are converted, with an error where that does not hold one; nothing: as loadAll
};
struct Streams {
  Arrays arrays;
  /// Of the arrays whose cells may be empty: by line, whether there is a value; an absent one is zeros in the array.
  std::map<std::string, std::vector<bool>> present;
  double sampleRate = 0; ///< of a .wav, Hz; 0: not stated
};
/// As loadAll; in a .csv the columns named in `rules` follow them, and where there are rules the others may hold text. Errors: also an unknown name in a cell, with the
/// names that there are, and a tensor's line of which some cells are empty.
Result<Streams> loadStreams(const std::string &path, const std::map<std::string, CellRule> &rules);

/// Write to a temporary file beside `path` and rename: a file is whole or absent.
std::optional<Error> saveNpz(const std::string &path, const Arrays &arrays);
std::optional<Error> saveNpy(const std::string &path, const Array &array);
std::optional<Error> saveSafetensors(const std::string &path, const Arrays &arrays,
                                     const std::map<std::string, std::string> &metadata = {});
/// As saveSafetensors, and on the disk when it returns: killed at any moment, or without current, what stands under `path` is whole, the
/// old or the new. FILE.part may be left behind.
std::optional<Error> saveCheckpoint(const std::string &path, const Arrays &arrays,
                                    const std::map<std::string, std::string> &metadata);
/// The texts beside the arrays of a .safetensors.
Result<std::map<std::string, std::string>> loadMetadata(const std::string &path);
/// A stream as columns of a .csv.
struct Column {
  std::string name;
  Array values;                  ///< its present instants along the leading axis
  std::vector<bool> present = {};      ///< by line; empty: at all of them
  std::vector<std::string> names = {}; ///< instead of the integers 0, 1, ..; empty: numbers
};
/// Columns in the given order; leading axis is the line, further axes become columns name[i,j]; a cell is empty where
/// the stream is absent. Floats in shortest form that reads back to the same bits.
std::optional<Error> saveCsv(const std::string &path, const std::vector<Column> &columns);
std::optional<Error> saveText(const std::string &path, const std::string &text);

} // namespace mlr::data
