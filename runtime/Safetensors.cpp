// .safetensors: u64 length, JSON header {name: {dtype, shape, data_offsets}}, raw little-endian data.
// Source of the format: the safetensors README ("Format"), which also forbids overlaps and holes.
#include "runtime/Formats.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mlr::data {
namespace {

using Json = nlohmann::json;

constexpr std::pair<const char *, Scalar> dtypes[] = {
    {"BOOL", Scalar::Bool}, {"I8", Scalar::I8},   {"I16", Scalar::I16},   {"I32", Scalar::I32},
    {"I64", Scalar::I64},   {"U8", Scalar::U8},   {"U16", Scalar::U16},   {"U32", Scalar::U32},
    {"U64", Scalar::U64},   {"F16", Scalar::F16}, {"BF16", Scalar::BF16}, {"F32", Scalar::F32},
    {"F64", Scalar::F64}};

struct Tensor {
  std::string name;
  Type type;
  uint64_t begin = 0, end = 0; ///< in the data
};

struct Layout {
  std::vector<Tensor> tensors;
  Bytes data;
};

std::optional<Error> parseTensor(const std::string &name, const Json &entry, size_t dataBytes,
                                 Tensor &tensor) {
  auto wrong = [&](const std::string &what) { return Error{"tensor '" + name.substr(0, 60) + "': " + what}; };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets"))
    return wrong("needs dtype, shape and data_offsets");
  const Json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
  if (!dtype.is_string()) return wrong("dtype is not a string");
  const std::string &dtypeName = dtype.get_ref<const std::string &>();
  auto known =
      std::find_if(std::begin(dtypes), std::end(dtypes), [&](auto &d) { return d.first == dtypeName; });
  if (known == std::end(dtypes)) return wrong("dtype '" + dtypeName.substr(0, 20) + "' is not supported");
  tensor.name = name;
  tensor.type.scalar = known->second;
  if (!shape.is_array() || shape.size() > 32) return wrong("shape is not a list of at most 32 sizes");
  for (const Json &size : shape) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > (uint64_t(1) << 48))
      return wrong("a size is out of range");
    tensor.type.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
  }
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    return wrong("data_offsets is not a pair of positions");
  tensor.begin = offsets[0].get<uint64_t>();
  tensor.end = offsets[1].get<uint64_t>();
  if (tensor.begin > tensor.end || tensor.end > dataBytes)
    return wrong("data_offsets end at byte " + std::to_string(tensor.end) + ", the file has " +
                 std::to_string(dataBytes) + " bytes of data");
  auto bytes = checkedBytes(tensor.type);
  if (auto *error = std::get_if<Error>(&bytes)) return wrong(error->message);
  if (std::get<size_t>(bytes) != tensor.end - tensor.begin)
    return wrong(toString(tensor.type) + " takes " + std::to_string(std::get<size_t>(bytes)) +
                 " bytes, data_offsets give " + std::to_string(tensor.end - tensor.begin));
  return std::nullopt;
}

Result<Layout> parseLayout(Bytes bytes) {
  if (bytes.size() < 8) return Error{"not a .safetensors file: shorter than its 8-byte length"};
  uint64_t length = readLittle<uint64_t>(bytes.data());
  if (length > bytes.size() - 8)
    return Error{"the header says it has " + std::to_string(length) + " bytes, the file has " +
                 std::to_string(bytes.size() - 8) + " after it"};
  Bytes text = bytes.substr(8, length);
  Json header = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object()) return Error{"the header is not a JSON object"};
  Layout layout;
  layout.data = bytes.substr(8 + length);
  for (auto &[name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    if (auto error = parseTensor(name, entry, layout.data.size(), layout.tensors.emplace_back()))
      return *error;
  }
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Tensor &t : layout.tensors)
    if (t.begin != t.end) ranges.push_back({t.begin, t.end});
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) return Error{"two tensors share bytes of the file"};
  return layout;
}

Array arrayOf(const Layout &layout, const Tensor &tensor) {
  return arrayFrom(tensor.type, layout.data.substr(tensor.begin, tensor.end - tensor.begin));
}

} // namespace

Result<Arrays> parseSafetensors(Bytes bytes) {
  auto parsed = parseLayout(bytes);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  const Layout &layout = std::get<Layout>(parsed);
  Arrays arrays;
  for (const Tensor &tensor : layout.tensors) arrays.emplace(tensor.name, arrayOf(layout, tensor));
  return arrays;
}

Result<Array> parseSafetensorsEntry(Bytes bytes, std::string_view name) {
  auto parsed = parseLayout(bytes);
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  const Layout &layout = std::get<Layout>(parsed);
  if (name.empty() && layout.tensors.size() == 1) return arrayOf(layout, layout.tensors[0]);
  for (const Tensor &tensor : layout.tensors)
    if (tensor.name == name) return arrayOf(layout, tensor);
  std::vector<std::string> names;
  for (const Tensor &tensor : layout.tensors) names.push_back(tensor.name);
  return noSuchName("tensor", name, names);
}

Result<std::map<std::string, std::string>> parseMetadata(Bytes bytes) {
  auto parsed = parseLayout(bytes); // refuses what is no such file
  if (auto *error = std::get_if<Error>(&parsed)) return *error;
  Bytes text = bytes.substr(8, readLittle<uint64_t>(bytes.data()));
  Json header = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  std::map<std::string, std::string> metadata;
  if (!header.contains("__metadata__") || !header["__metadata__"].is_object()) return metadata;
  for (auto &[name, value] : header["__metadata__"].items())
    if (value.is_string()) metadata.emplace(name, value.get<std::string>());
  return metadata;
}

Result<std::string> formatSafetensors(const Arrays &arrays, const std::map<std::string, std::string> &metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (auto &[name, array] : arrays) {
    if (name == "__metadata__") return Error{"a tensor cannot be named __metadata__"};
    const char *dtype = "";
    for (auto &[text, scalar] : dtypes)
      if (scalar == array.type().scalar) dtype = text;
    header[name] = {{"dtype", dtype},
                    {"shape", array.type().shape},
                    {"data_offsets", {offset, offset + array.type().bytes()}}};
    offset += array.type().bytes();
  }
  std::string text = header.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  while (text.size() % 8 != 0) text.push_back(' ');
  std::string out;
  appendLittle(out, static_cast<uint64_t>(text.size()));
  out += text;
  for (auto &[name, array] : arrays)
    if (array.bytes() != 0) out.append(reinterpret_cast<const char *>(array.data()), array.bytes());
  return out;
}

} // namespace mlr::data
