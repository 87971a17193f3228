// libFuzzer target over the readers of data files. The first byte picks the format, the rest is the file.
// What is read must survive a round trip through the writer of its format.
#include "runtime/Formats.h"

#include <cstdint>
#include <cstdlib>

using namespace mlr::data;

namespace {

bool same(const mlr::Array &a, const mlr::Array &b) {
  return a.type() == b.type() && a.bytes() == b.bytes() &&
         (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Format, class Parse> void roundTrip(const Result<Arrays> &read, Format format, Parse parse) {
  auto *arrays = std::get_if<Arrays>(&read);
  if (!arrays) return;
  auto bytes = format(*arrays);
  if (!std::holds_alternative<std::string>(bytes)) return;
  auto again = parse(std::get<std::string>(bytes));
  require(std::holds_alternative<Arrays>(again));
  for (auto &[name, array] : *arrays) require(same(array, std::get<Arrays>(again)[name]));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  Bytes bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
  switch (data[0]) {
  case 'n':
    if (auto read = parseNpy(bytes); auto *array = std::get_if<mlr::Array>(&read))
      require(same(std::get<mlr::Array>(parseNpy(formatNpy(*array))), *array));
    break;
  case 'z':
    parseNpz(bytes);
    parseNpzEntry(bytes, "x");
    break;
  case 's':
    roundTrip(parseSafetensors(bytes), [](const Arrays &a) { return formatSafetensors(a); }, parseSafetensors);
    parseSafetensorsEntry(bytes, "x");
    break;
  case 'c':
    parseCsv(bytes);
    parseCsvColumn(bytes, "");
    parseCsvColumn(bytes, "x");
    break;
  case 'w': parseWav(bytes); break;
  default: break;
  }
  return 0;
}
