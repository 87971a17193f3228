#include "mlr/Store/Report.h"
#include "mlr/Store/Timeline.h"

#include <nlohmann/json.hpp>

using namespace mlir;
using namespace mlr::dataflow;
using nlohmann::ordered_json;

namespace mlr::store {

static std::vector<std::string> equationsOf(Block &block) {
  std::vector<std::string> names;
  for (Operation &op : block) {
    std::string name = sourceName(&op).str();
    if (name.empty() || isa<ScanOp, StackOp, FinalOp, InitialOp, ConstOp>(op)) continue;
    if (!llvm::is_contained(names, name)) names.push_back(std::move(name));
  }
  return names;
}

/// `outer`: runs of the time that the block stands in; `runs`: instants of the block.
static void addSweeps(Block &block, const std::string &path, int64_t runs, int64_t outer, Report &report) {
  int64_t n = 0;
  for (Operation &op : block) {
    auto scan = dyn_cast<ScanOp>(op);
    if (!scan) continue;
    SweepReport s;
    s.path = path + std::to_string(++n);
    s.index = scan.getIndexName().value_or("").str();
    s.up = !scan.getSweep() || *scan.getSweep() == Direction::Up;
    s.resume = scan.getResume();
    s.bounded = scan.getUpto() || llvm::any_of(bodyOf(scan), [](Operation &o) { return isa<UntilOp>(o); });
    s.length = scan.getLength();
    s.equations = equationsOf(bodyOf(scan));
    // Advances from checkpoints are counted over all their runs at once.
    auto total = op.getAttrOfType<IntegerAttr>("mlr.total");
    s.operations = count(&op, report.plan) * (total ? outer : runs);
    report.sweeps.push_back(s);
    addSweeps(bodyOf(scan), s.path + ".", total ? outer * total.getInt() : runs * s.length, runs, report);
  }
}

static void addSegments(NodeOp node, Report &report) {
  auto notes = node->getAttrOfType<ArrayAttr>("mlr.segments");
  if (!notes) return;
  auto texts = [](DictionaryAttr note, StringRef key) {
    std::vector<std::string> out;
    if (auto list = note.getAs<ArrayAttr>(key))
      for (auto text : list.getAsRange<StringAttr>()) out.push_back(text.str());
    return out;
  };
  for (auto note : notes.getAsRange<DictionaryAttr>()) {
    SegmentReport s;
    if (auto index = note.getAs<StringAttr>("index")) s.index = index.str();
    if (auto length = note.getAs<IntegerAttr>("length")) s.length = length.getInt();
    s.early = texts(note, "early");
    s.late = texts(note, "late");
    report.segments.push_back(std::move(s));
  }
}

FailureOr<Report> report(NodeOp node) {
  Report r;
  r.node = node.getSymName().str();
  if (node->hasAttr("mlr.buffers")) {
    FailureOr<Plan> attached = read(node);
    if (failed(attached)) return failure();
    r.plan = std::move(*attached);
  } else {
    r.plan = plan(node);
  }
  for (const Buffer &b : r.plan.buffers)
    if (b.space == Space::Rom) r.romBytes += b.bytes();
  addSweeps(bodyOf(node), "", 1, 1, r);
  r.operations = count(node, r.plan);
  r.steps = countSteps(node, r.plan);
  addSegments(node, r);
  r.rates = dataflow::ratesOf(node);
  return r;
}

static std::string typeText(const Buffer &b) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << b.element;
  for (size_t i = 0; i < b.shape.size(); ++i) stream << (i ? ", " : "[") << b.shape[i];
  if (!b.shape.empty()) stream << "]";
  return text;
}

static std::string countsText(const OperationCounts &c) {
  return fmt::format("{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}", c.flops, c.fmas, c.integer,
                     c.comparisons, c.conversions, c.loads, c.stores);
}

/// Width of a column that holds these texts.
template <typename Range, typename Text> static size_t widthOf(const Range &range, size_t least, Text text) {
  for (const auto &item : range) least = std::max<size_t>(least, std::min<size_t>(40, text(item).size()));
  return least;
}

static std::string sweepText(const SweepReport &s) {
  return fmt::format("{} {} < {}{}{}", s.path, s.index.empty() ? "t" : s.index, s.length,
                     s.up ? " up" : " down",
                     s.resume    ? ", resumes"
                     : s.bounded ? ", may end early"
                                 : "");
}

static std::string averageText(const std::array<double, 7> &average) {
  std::string out;
  for (double n : average) out += fmt::format("{}{:>10}", out.empty() ? "" : " ", fmt::format("{:.6g}", n));
  return out;
}

/// One line where all steps cost the same, else their average over the common period of the clocks and the worst.
static std::string stepsText(const Report &r, size_t width) {
  const StepCounts &s = r.steps;
  if (s.period == 1) return fmt::format("  {:<{}} {}\n", "a step", width, countsText(s.worst));
  std::string period = fmt::format("  (of {}{} steps)", s.isWhole ? "" : "the first ", s.period);
  return fmt::format("  {:<{}} {}{}\n  {:<{}} {}\n", "average", width, averageText(s.average), period, "worst step", width,
                     countsText(s.worst));
}

static std::string ratesText(const dataflow::Rates &rates) {
  size_t names = widthOf(rates.clocks, 10, [](const dataflow::ClockRate &c) { return c.clock; });
  std::string out = fmt::format("\nrates\n  {:<{}} {}\n", "base clock", names,
                                fmt::format("{}, one step in {:.4g} ms", dataflow::rateText(rates.hertz), 1000 / rates.hertz));
  for (const dataflow::ClockRate &c : rates.clocks) {
    std::string rate = (c.isExact ? "" : "at most ") + dataflow::rateText(c.hertz);
    out += c.variables.empty() ? fmt::format("  {:<{}} {}\n", c.clock, names, rate)
                               : fmt::format("  {:<{}} {:<18} {}\n", c.clock, names, rate, fmt::join(c.variables, ", "));
  }
  return out;
}

std::string reportText(const Report &r) {
  const Plan &p = r.plan;
  std::string out = fmt::format("node {}\n\nmemory, bytes\n", r.node);
  out += fmt::format("  state {}, scratch {}, in {}, out {}, constants {}\n", p.stateBytes, p.scratchBytes,
                     p.inBytes, p.outBytes, r.romBytes);
  auto nameOf = [](const Buffer &b) { return b.name.empty() ? fmt::format("#{}", b.id) : b.name; };
  size_t names = widthOf(p.buffers, 4, nameOf), types = widthOf(p.buffers, 4, typeText);
  for (Space space : {Space::State, Space::Scratch, Space::In, Space::Out, Space::Rom}) {
    bool any = llvm::any_of(p.buffers, [&](const Buffer &b) { return b.space == space; });
    if (any)
      out += fmt::format("\n  {:<{}} {:<{}} {:>8} {:>8}  why\n", name(space), names, "type", types, "at",
                         "bytes");
    for (const Buffer &b : p.buffers)
      if (b.space == space)
        out += fmt::format("  {:<{}} {:<{}} {:>8} {:>8}  {}\n", nameOf(b), names, typeText(b), types,
                           b.offset, b.bytes(), b.reason);
  }
  size_t sweeps = widthOf(r.sweeps, 10, sweepText);
  out += fmt::format("\n{:<{}} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "operations", sweeps + 2,
                     "float", "fma", "integer", "compare", "convert", "load", "store");
  for (const SweepReport &s : r.sweeps)
    out += fmt::format("  {:<{}} {}\n", sweepText(s), sweeps, countsText(s.operations));
  out += stepsText(r, sweeps);
  for (const SegmentReport &s : r.segments) {
    out += fmt::format("\nsegments of {}, {} < {}\n", s.length, s.index.empty() ? "t" : s.index, s.length);
    out += fmt::format("  as elements arrive: {}\n", s.early.empty() ? "nothing" : fmt::format("{}", fmt::join(s.early, ", ")));
    for (const std::string &why : s.late) out += fmt::format("  at the last instant: {}\n", why);
  }
  bool named = llvm::any_of(r.sweeps, [](const SweepReport &s) { return !s.equations.empty(); });
  if (named) out += "\nequations\n";
  for (const SweepReport &s : r.sweeps)
    if (!s.equations.empty())
      out += fmt::format("  {:<{}} {}\n", sweepText(s), sweeps, fmt::join(s.equations, ", "));
  if (r.rates.hertz > 0) out += ratesText(r.rates);
  return out;
}

static ordered_json countsJson(const OperationCounts &c) {
  return {{"float", c.flops},         {"fma", c.fmas},   {"integer", c.integer}, {"compare", c.comparisons},
          {"convert", c.conversions}, {"load", c.loads}, {"store", c.stores}};
}

std::string reportJson(const Report &r) {
  const Plan &p = r.plan;
  ordered_json buffers = ordered_json::array(), sweeps = ordered_json::array();
  for (const Buffer &b : p.buffers) {
    std::string element;
    llvm::raw_string_ostream(element) << b.element;
    buffers.push_back({{"id", b.id},
                       {"space", name(b.space)},
                       {"name", b.name},
                       {"element", element},
                       {"shape", std::vector<int64_t>(b.shape.begin(), b.shape.end())},
                       {"offset", b.offset},
                       {"bytes", b.bytes()},
                       {"reason", b.reason}});
  }
  for (const SweepReport &s : r.sweeps)
    sweeps.push_back({{"path", s.path},
                      {"index", s.index},
                      {"direction", s.up ? "up" : "down"},
                      {"length", s.length},
                      {"resume", s.resume},
                      {"bounded", s.bounded},
                      {"equations", s.equations},
                      {"operations", countsJson(s.operations)}});
  ordered_json json{{"node", r.node},
                    {"bytes",
                     {{"state", p.stateBytes},
                      {"scratch", p.scratchBytes},
                      {"in", p.inBytes},
                      {"out", p.outBytes},
                      {"rom", r.romBytes}}},
                    {"buffers", buffers},
                    {"sweeps", sweeps},
                    {"operations", countsJson(r.steps.worst)}};
  ordered_json average, segments = ordered_json::array();
  for (auto [name, value] : llvm::zip(std::array{"float", "fma", "integer", "compare", "convert", "load", "store"}, r.steps.average))
    average[name] = value;
  json["average"] = average;
  json["period"] = r.steps.period;
  for (const SegmentReport &s : r.segments)
    segments.push_back({{"index", s.index}, {"length", s.length}, {"early", s.early}, {"late", s.late}});
  json["segments"] = segments;
  if (r.rates.hertz > 0) {
    ordered_json clocks = ordered_json::array();
    for (const dataflow::ClockRate &c : r.rates.clocks)
      clocks.push_back({{"clock", c.clock}, {"hertz", c.hertz}, {"exact", c.isExact}, {"variables", c.variables}});
    json["rates"] = {{"hertz", r.rates.hertz}, {"clocks", clocks}};
  }
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

std::string reportText(NodeOp node) {
  FailureOr<Report> made = report(node);
  return succeeded(made) ? reportText(*made)
                         : fmt::format("node {}: its buffer plan is malformed\n", node.getSymName().str());
}

} // namespace mlr::store
