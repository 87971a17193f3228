// .npy: magic, version, a Python dictionary as header, raw elements.
// Source of the format: NumPy Enhancement Proposal 1 (versions 1.0 to 3.0).
#include "runtime/Formats.h"

#include <algorithm>
#include <charconv>

namespace mlr::data {
namespace {

/// Reads the header's Python literal: only the three keys, strings without escapes, booleans, tuples of
/// integers.
class HeaderReader {
public:
  explicit HeaderReader(Bytes text) : text(text) {}

  std::optional<Error> read(std::string &descr, bool &fortran, Shape &shape) {
    bool seen[3] = {};
    if (!accept('{')) return malformed("'{'");
    while (!accept('}')) {
      std::string key;
      if (!string(key)) return malformed("a key");
      if (!accept(':')) return malformed("':'");
      if (key == "descr") {
        if (!seen[0] && peek() == '[') return Error{"arrays of records are not supported"};
        if (!string(descr)) return malformed("the dtype as a string");
        seen[0] = true;
      } else if (key == "fortran_order") {
        if (!boolean(fortran)) return malformed("True or False");
        seen[1] = true;
      } else if (key == "shape") {
        shape.clear();
        if (!tuple(shape)) return malformed("the shape as a tuple of sizes");
        seen[2] = true;
      } else {
        return Error{"the .npy header has an unknown key '" + key.substr(0, 40) + "'"};
      }
      if (!accept(',') && peek() != '}') return malformed("',' or '}'");
    }
    if (!seen[0] || !seen[1] || !seen[2]) return Error{"the .npy header lacks descr, fortran_order or shape"};
    return std::nullopt;
  }

private:
  Error malformed(const char *expected) const {
    return Error{"the .npy header is malformed at byte " + std::to_string(at) + ": expected " + expected};
  }
  void skip() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r'))
      ++at;
  }
  char peek() {
    skip();
    return at < text.size() ? text[at] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at;
    return true;
  }
  bool string(std::string &out) {
    char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    size_t end = text.find(quote, at + 1);
    if (end == Bytes::npos) return false;
    out = std::string(text.substr(at + 1, end - at - 1));
    at = end + 1;
    return true;
  }
  bool boolean(bool &out) {
    skip();
    for (bool value : {true, false}) {
      Bytes word = value ? "True" : "False";
      if (text.substr(at, word.size()) != word) continue;
      at += word.size();
      out = value;
      return true;
    }
    return false;
  }
  bool tuple(Shape &shape) {
    if (!accept('(')) return false;
    while (!accept(')')) {
      skip();
      int64_t size = 0;
      auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), size);
      if (error != std::errc() || size < 0 || shape.size() > 64) return false;
      at = static_cast<size_t>(end - text.data());
      accept('L'); // Python 2 wrote long integers so
      shape.push_back(size);
      if (!accept(',') && peek() != ')') return false;
    }
    return true;
  }

  Bytes text;
  size_t at = 0;
};

Result<Scalar> scalarOf(const std::string &descr) {
  std::string_view d = descr;
  if (!d.empty() && (d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=')) d.remove_prefix(1);
  static constexpr std::pair<std::string_view, Scalar> known[] = {
      {"b1", Scalar::Bool}, {"?", Scalar::Bool}, {"i1", Scalar::I8},  {"i2", Scalar::I16},
      {"i4", Scalar::I32},  {"i8", Scalar::I64}, {"u1", Scalar::U8},  {"u2", Scalar::U16},
      {"u4", Scalar::U32},  {"u8", Scalar::U64}, {"f2", Scalar::F16}, {"f4", Scalar::F32},
      {"f8", Scalar::F64}};
  for (auto &[text, scalar] : known)
    if (d == text) return scalar;
  std::string what = "elements of dtype '" + descr.substr(0, 40) + "' ";
  switch (d.empty() ? ' ' : d[0]) {
  case 'c': return Error{what + "(complex numbers) are not supported; store real and imaginary parts"};
  case 'O': return Error{what + "(Python objects) are not supported; save numbers"};
  case 'S':
  case 'U':
  case 'a': return Error{what + "(strings) are not supported; save numbers"};
  case 'V': return Error{what + "(raw or structured data) are not supported; save bfloat16 in .safetensors"};
  case 'f': return Error{what + "(extended precision) are not supported; convert to float64"};
  default: return Error{what + "are not supported"};
  }
}

const char *descrOf(Scalar scalar) {
  switch (scalar) {
  case Scalar::Bool: return "|b1";
  case Scalar::I8: return "|i1";
  case Scalar::U8: return "|u1";
  case Scalar::I16: return "<i2";
  case Scalar::I32: return "<i4";
  case Scalar::I64: return "<i8";
  case Scalar::U16: return "<u2";
  case Scalar::U32: return "<u4";
  case Scalar::U64: return "<u8";
  case Scalar::F16: return "<f2";
  case Scalar::BF16:
  case Scalar::F32: return "<f4";
  case Scalar::F64: return "<f8";
  }
  return "";
}

/// Elements in column-major order become row-major.
void transposeFortran(const Shape &shape, size_t width, const char *from, std::byte *to, int64_t count) {
  std::vector<int64_t> position(shape.size(), 0), stride(shape.size(), 1);
  for (size_t k = 1; k < shape.size(); ++k) stride[k] = stride[k - 1] * shape[k - 1];
  int64_t source = 0;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + static_cast<size_t>(i) * width, from + static_cast<size_t>(source) * width, width);
    for (size_t k = shape.size(); k-- > 0;) {
      source += stride[k];
      if (++position[k] < shape[k]) break;
      source -= stride[k] * shape[k];
      position[k] = 0;
    }
  }
}

} // namespace

Result<size_t> checkedBytes(const Type &type) {
  if (type.shape.size() > 32) return Error{"the array has more than 32 axes"};
  bool empty = std::find(type.shape.begin(), type.shape.end(), 0) != type.shape.end();
  size_t count = 1;
  for (int64_t size : type.shape) {
    if (size < 0 || size > (int64_t(1) << 48)) return Error{"the size of an axis is out of range"};
    if (empty) continue;
    if (__builtin_mul_overflow(count, static_cast<size_t>(size), &count) || count > (size_t(1) << 58))
      return Error{"the shape in the header is too large"};
  }
  return empty ? size_t(0) : count * byteSize(type.scalar);
}

Array arrayFrom(const Type &type, Bytes bytes) {
  std::vector<std::byte> copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  if (type.scalar == Scalar::Bool)
    for (std::byte &b : copy) b = b != std::byte(0) ? std::byte(1) : std::byte(0);
  return Array(type, std::move(copy));
}

Result<NpyHeader> parseNpyHeader(Bytes bytes) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY")
    return Error{"not a .npy array: the magic bytes are missing"};
  unsigned major = static_cast<unsigned char>(bytes[6]);
  if (major < 1 || major > 3) return Error{"version " + std::to_string(major) + " of .npy is not supported"};
  size_t lengthBytes = major == 1 ? 2 : 4, start = 8 + lengthBytes;
  if (bytes.size() < start) return Error{"the .npy header is cut off"};
  size_t length =
      major == 1 ? readLittle<uint16_t>(bytes.data() + 8) : readLittle<uint32_t>(bytes.data() + 8);
  if (length > bytes.size() - start)
    return Error{"the .npy header says it has " + std::to_string(length) + " bytes, only " +
                 std::to_string(bytes.size() - start) + " follow"};
  std::string descr;
  NpyHeader header;
  if (auto error =
          HeaderReader(bytes.substr(start, length)).read(descr, header.fortranOrder, header.type.shape))
    return *error;
  auto scalar = scalarOf(descr);
  if (auto *error = std::get_if<Error>(&scalar)) return *error;
  header.type.scalar = std::get<Scalar>(scalar);
  header.swapBytes = !descr.empty() && descr[0] == '>';
  header.dataStart = start + length;
  auto size = checkedBytes(header.type);
  if (auto *error = std::get_if<Error>(&size)) return *error;
  return header;
}

Result<Array> parseNpy(Bytes bytes) {
  auto parsed = parseNpyHeader(bytes);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  const NpyHeader &header = std::get<NpyHeader>(parsed);
  size_t expected = std::get<size_t>(checkedBytes(header.type)), actual = bytes.size() - header.dataStart;
  if (expected != actual)
    return Error{"the header says " + toString(header.type) + ", " + std::to_string(expected) +
                 " bytes of data; the file has " + std::to_string(actual)};
  Bytes data = bytes.substr(header.dataStart);
  Array array = arrayFrom(header.type, data);
  size_t width = byteSize(header.type.scalar);
  if (expected == 0) return array;
  if (header.fortranOrder && header.type.shape.size() > 1) {
    Array source = array; // bools are already normalised there
    transposeFortran(header.type.shape, width, reinterpret_cast<const char *>(source.data()), array.mutate(),
                     static_cast<int64_t>(expected / width));
  }
  if (header.swapBytes && width > 1) {
    std::byte *p = array.mutate();
    for (size_t i = 0; i < expected; i += width) std::reverse(p + i, p + i + width);
  }
  return array;
}

std::string formatNpy(const Array &array) {
  std::string shape = "(";
  for (int64_t size : array.type().shape) shape += std::to_string(size) + ",";
  if (array.type().shape.size() > 1) shape.pop_back();
  shape += ")";
  std::string header = std::string("{'descr': '") + descrOf(array.type().scalar) +
                       "', 'fortran_order': False, 'shape': " + shape + ", }";
  bool wide = header.size() + 75 > 65535; // never with 32 axes; kept so that any Array can be written
  size_t prefix = wide ? 12 : 10;
  while ((prefix + header.size() + 1) % 64 != 0) header.push_back(' ');
  header.push_back('\n');
  std::string out = "\x93NUMPY";
  out += wide ? '\2' : '\1';
  out += '\0';
  if (wide) appendLittle(out, static_cast<uint32_t>(header.size()));
  else appendLittle(out, static_cast<uint16_t>(header.size()));
  out += header;
  if (array.type().scalar == Scalar::BF16) { // NumPy has no bfloat16: widened, which is exact
    for (int64_t i = 0; i < array.type().elements(); ++i)
      appendLittle(out, static_cast<uint32_t>(array.as<uint16_t>()[i]) << 16);
  } else if (array.bytes() != 0) {
    out.append(reinterpret_cast<const char *>(array.data()), array.bytes());
  }
  return out;
}

} // namespace mlr::data
