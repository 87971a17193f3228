// The comparison of derivatives with what the differentiated program says of them.
#include "mlr/Eval/Duals.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace mlr::eval {

/// What the differentiated program has for a derivative: an element of an output of the root, by the instances and the instants of
/// scans around it. False if it is not asked, or does not tell.
bool Duals::find(const CellRef &cell, Value &value) {
  if (!m.options.derivatives || !taken || depth > 0) return false;
  const ExposedDerivatives &exposed = m.options.derivatives->exposed;
  const Term &term = *cell.frame->plan->slots[cell.slot].term;
  auto own = exposed.outputOf.find(term.expr);
  if (own == exposed.outputOf.end()) return false;
  uint32_t number = own->second;
  int64_t first = 0, stride = term.elements;
  Place place{cell.frame, cell.t};
  for (;;) {
    Frame &frame = *place.frame;
    const Activation &time = *frame.time;
    if (&frame != &time.body) { // the body of a called node
      const CallPlan &call = frame.caller->plan->calls[frame.call];
      first += frame.instance * stride;
      stride *= call.instances;
      auto result = exposed.outputOfResult.find({frame.caller->plan->node->node, call.equation->targets[number]});
      if (result == exposed.outputOfResult.end()) return false;
      number = result->second;
      place.frame = frame.caller;
    } else if (time.clock) {
      place = m.outwards(frame, place.t);
      if (!isOk()) return false;
    } else if (time.scan) {
      first += place.t * stride;
      stride *= time.scan->scan->length;
      place = {time.in, time.at};
    } else {
      break;
    }
  }
  const Array &array = (*taken)[number];
  if (array.type().scalar != term.scalar || array.type().elements() != stride) {
    m.fail("the differentiated program has a derivative of another type", term.expr->span);
    return false;
  }
  if (term.isScalar) {
    value.bits = load(term.scalar, array.data(), first);
    return true;
  }
  size_t width = byteSize(term.scalar), bytes = static_cast<size_t>(term.elements) * width;
  value.tensor.owner = std::shared_ptr<std::byte[]>(new std::byte[bytes + 1]());
  value.tensor.data = value.tensor.owner.get();
  if (bytes) std::memcpy(value.tensor.owner.get(), array.data() + static_cast<size_t>(first) * width, bytes);
  return true;
}

/// Elements between -1 and 1, the same in every run.
std::vector<double> Duals::direction(const CellRef &cell, int64_t pass, size_t count) const {
  uint64_t state = m.options.derivatives->seed;
  auto next = [&](uint64_t mixed) { // SplitMix64 (Steele, Lea, Flood 2014)
    state = (state ^ mixed) + 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  for (uint64_t part : {static_cast<uint64_t>(m.now), static_cast<uint64_t>(cell.t), uint64_t(cell.slot), static_cast<uint64_t>(pass)})
    state = next(part);
  std::vector<double> out(count);
  for (double &x : out) x = static_cast<double>(next(0) >> 11) * 0x1p-52 - 1;
  return out;
}

static double difference(double a, double b, double scale) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  double d = std::abs(a - b) / std::max(scale, 1e-3);
  return std::isnan(d) ? INFINITY : d;
}

void Duals::compare(const CellRef &cell, const Progress &progress) {
  const Term &term = *cell.frame->plan->slots[cell.slot].term;
  Span span = term.expr->span;
  DerivativeReport &report = reports[{span.file, span.begin, span.end}];
  report.span = span;
  report.scalar = coarser(report.scalar, coarser(progress.coarsest, coarser(term.scalar, term.args[0]->scalar)));
  if (progress.notLinear) {
    report.notLinear = progress.notLinear->display;
    return;
  }
  ++report.compared;
  double worst = 0;
  if (!progress.isRandom) {
    double scale = 0;
    for (double x : progress.given) scale = std::isfinite(x) ? std::max(scale, std::abs(x)) : scale;
    for (size_t i = 0; i < progress.given.size(); ++i) worst = std::max(worst, difference(progress.given[i], progress.sum[i], scale));
  } else {
    size_t count = static_cast<size_t>(term.args[2]->elements), rows = count ? progress.given.size() / count : 0;
    for (int64_t pass = 0; pass < progress.passes; ++pass) {
      std::vector<double> along = direction(cell, pass, count);
      for (size_t row = 0; row < rows; ++row) {
        double sum = 0, scale = 0;
        for (size_t k = 0; k < count; ++k) {
          double x = progress.given[row * count + k] * along[k];
          sum += x;
          scale += std::abs(x);
        }
        // Laid out as close() adds: one pass behind the other in each row.
        double other = progress.sum[row * static_cast<size_t>(progress.passes) + static_cast<size_t>(pass)];
        worst = std::max(worst, difference(sum, other, scale));
      }
    }
  }
  if (worst <= report.worst) return;
  report.worst = worst;
  report.instant = m.now;
}

} // namespace mlr::eval
