#include "driver/Events.h"

#include <cmath>
#include <fmt/format.h>

namespace mlr::driver {

Pace paceOf(const InputStreams &inputs, const Signature &signature) {
  if (inputs.blocksPerSecond > 0) return {1 / inputs.blocksPerSecond, 1 / inputs.blocksPerSecond};
  return {signature.rate > 0 ? 1 / signature.rate : 0, 0};
}

Events::Events(const Signature &signature, Pace pace) : signature(&signature), pace(pace) {
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const Port &port = signature.outputs[i];
    if (!port.clock.empty() || port.hasFlag || (port.type.scalar == Scalar::Bool && port.type.shape.empty())) watched.push_back(i);
  }
}

static std::string elementText(const Array &a, int64_t i, const Port &port) {
  double value = elementAsDouble(a, i);
  auto number = static_cast<size_t>(value);
  if (!port.constructors.empty() && value >= 0 && number < port.constructors.size()) return port.constructors[number];
  if (a.type().scalar == Scalar::Bool) return value != 0 ? "true" : "false";
  return a.type().scalar == Scalar::F64 || !isFloat(a.type().scalar) ? fmt::format("{}", value)
                                                                     : fmt::format("{}", static_cast<float>(value));
}

static std::string valueText(const Array &a, const Port &port) {
  if (a.type().shape.empty()) return elementText(a, 0, port);
  std::string text;
  for (int64_t i = 0; i < a.type().elements(); ++i) text += (i ? ", " : "") + elementText(a, i, port);
  return "[" + text + "]";
}

/// Of a time in seconds: as many as tell two instants apart, and at least three.
static int decimalsFor(double period) { return std::max(3, static_cast<int>(std::ceil(-std::log10(period) - 1e-9))); }

std::string Events::at(int64_t instant, const std::vector<Array> &values, const std::vector<bool> &present) const {
  std::string text;
  for (size_t i : watched) {
    const Port &port = signature->outputs[i];
    if (!present.empty() && !present[i]) continue;
    bool isFlag = port.type.scalar == Scalar::Bool && port.type.shape.empty();
    if (isFlag && elementAsDouble(values[i], 0) == 0) continue;
    text += (text.empty() ? "" : ", ") + port.name + (isFlag ? "" : " = " + valueText(values[i], port));
  }
  if (text.empty()) return "";
  return (pace.period > 0 ? fmt::format("{:.{}f} s", pace.at(instant), decimalsFor(pace.period)) : fmt::format("instant {}", instant)) + "  " + text;
}

} // namespace mlr::driver
