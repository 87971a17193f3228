#include "driver/State.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace mlr::driver {

static bool isSafetensors(const std::string &path) { return path.ends_with(".safetensors"); }

/// "`a`, `b` and 3 more".
static std::string listed(const std::vector<std::string> &paths) {
  constexpr size_t shown = 5;
  std::string text;
  for (size_t i = 0; i < std::min(shown, paths.size()); ++i) text += (i ? ", " : "") + ("`" + paths[i] + "`");
  return paths.size() > shown ? fmt::format("{} and {} more", text, paths.size() - shown) : text;
}

std::string toText(const ClockCounts &clocks) { return nlohmann::json(clocks).dump(); }

std::optional<Failure> saveState(const std::string &path, const std::string &node, const data::Arrays &arrays, const ClockCounts &clocks) {
  if (!isSafetensors(path)) return Failure{fmt::format("--save-state {}: states are written as .safetensors", path)};
  auto error = data::saveSafetensors(path, arrays, {{"node", node}, {clockCountsKey, toText(clocks)}});
  if (error) return Failure{fmt::format("{}: {}", path, error->message)};
  return std::nullopt;
}

std::variant<std::optional<ClockCounts>, Failure> loadClockCounts(const std::string &path) {
  if (!isSafetensors(path)) return Failure{fmt::format("{}: states are .safetensors files", path)};
  auto loaded = data::loadMetadata(path);
  if (auto *error = std::get_if<data::Error>(&loaded)) return Failure{fmt::format("{}: {}", path, error->message)};
  auto &texts = std::get<std::map<std::string, std::string>>(loaded);
  auto found = texts.find(clockCountsKey);
  if (found == texts.end()) return std::optional<ClockCounts>();
  Failure damaged{fmt::format("{}: \"{}\" of its metadata is damaged", path, clockCountsKey)};
  auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_object()) return damaged;
  ClockCounts counts;
  for (const auto &[name, list] : json.items()) {
    if (!list.is_array()) return damaged;
    for (const auto &count : list) {
      if (!count.is_number_unsigned() || count.get<uint64_t>() >> 62) return damaged;
      counts[name].push_back(count.get<int64_t>());
    }
  }
  return std::optional(counts);
}

/// Whether the number is such as a run leaves: positions are made of it. (Any byte of a bool but 0 has been read as true.)
static bool fits(const Array &array, const StateField &field) {
  if (field.limit == 0) return true;
  double value = elementAsDouble(array, 0);
  return value >= 0 && value < static_cast<double>(field.limit);
}

std::variant<data::Arrays, Failure> loadState(const std::string &path, const std::vector<StateField> &fields) {
  if (!isSafetensors(path)) return Failure{fmt::format("{}: states are .safetensors files", path)};
  auto loaded = data::loadAll(path);
  if (auto *error = std::get_if<data::Error>(&loaded)) return Failure{fmt::format("{}: {}", path, error->message)};
  auto &arrays = std::get<data::Arrays>(loaded);
  std::vector<std::string> missing, different, unknown;
  std::string outside;
  data::Arrays rest = arrays;
  for (const StateField &field : fields) {
    auto found = arrays.find(field.path);
    rest.erase(field.path);
    if (found == arrays.end()) missing.push_back(field.path);
    else if (found->second.type() != field.type)
      different.push_back(fmt::format("{}: {}, not {}", field.path, toString(found->second.type()), toString(field.type)));
    else if (!fits(found->second, field)) outside += (outside.empty() ? "" : ", ") + fmt::format("`{}`", field.path);
  }
  for (const auto &[name, array] : rest) unknown.push_back(name);
  bool isOfProgram = missing.empty() && different.empty() && unknown.empty();
  if (isOfProgram && !outside.empty()) return Failure{fmt::format("{} is damaged: no run leaves such a value in {}", path, outside)};
  if (isOfProgram) return arrays;
  std::string why;
  auto add = [&](const char *what, const std::vector<std::string> &paths) {
    if (!paths.empty()) why += fmt::format("{}{} {}", why.empty() ? "" : "; ", what, listed(paths));
  };
  add("it lacks", missing);
  add("it has", unknown);
  add("it has other types for", different);
  return Failure{fmt::format("{} is the state of another program: {}", path, why)};
}

} // namespace mlr::driver
