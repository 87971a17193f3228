// run and interp: feed a node from files, instant by instant.
#include "driver/Checkpoint.h"
#include "driver/Commands.h"
#include "driver/Engines.h"
#include "driver/Events.h"
#include "driver/Progress.h"
#include "driver/State.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <map>

namespace mlr::driver {

static int fail(const std::string &message) {
  std::fprintf(stderr, "mlrc: %s\n", message.c_str());
  return 1;
}

/// Set by SIGINT and SIGTERM in runs with checkpoints: they end after the instant, with a checkpoint.
static volatile std::sig_atomic_t stopAsked = 0;
static void askToStop(int) { stopAsked = 1; }

namespace {

/// The outputs that names mean, by number; a struct is all of its leaves. The name that means none.
std::variant<std::vector<size_t>, std::string> outputsNamed(const std::vector<std::string> &names, const Signature &signature) {
  std::vector<size_t> found;
  for (const std::string &name : names) {
    size_t before = found.size();
    for (size_t i = 0; i < signature.outputs.size(); ++i)
      if (signature.outputs[i].name == name || signature.outputs[i].name.starts_with(name + ".")) found.push_back(i);
    if (found.size() == before) return name;
  }
  return found;
}

bool isNumber(const Port &port) { return port.type.shape.empty() && port.constructors.empty(); }

class Run {
public:
  Run(const CommandLine &options, Engine &engine) : options(options), engine(engine), signature(engine.signature()) {}

  /// The exit code.
  int run() {
    for (auto step : {&Run::chooseOutputs, &Run::openInputs, &Run::begin, &Run::loop, &Run::finish})
      if (auto f = (this->*step)()) return progress.reset(), fail(f->message);
    return stopped ? 130 : 0;
  }
  int64_t instants() const { return now - first; }
  int64_t before() const { return first; }

private:
  std::optional<Failure> unknownOutput(const char *option, const std::string &name) const {
    std::string have;
    for (const Port &port : signature.outputs) have += (have.empty() ? "" : ", ") + port.name;
    return Failure{fmt::format("{} {}: node `{}` has no such output; it has {}", option, name, signature.node, have.empty() ? "none" : have)};
  }

  std::optional<Failure> chooseOutputs() {
    auto selection = outputsNamed(options.select, signature), show = outputsNamed(options.show, signature);
    if (auto *name = std::get_if<std::string>(&selection)) return unknownOutput("--select", *name);
    if (auto *name = std::get_if<std::string>(&show)) return unknownOutput("--show", *name);
    selected = std::get<std::vector<size_t>>(selection);
    if (options.select.empty())
      for (size_t i = 0; i < signature.outputs.size(); ++i) selected.push_back(i);
    written = signature;
    written.outputs.clear();
    for (size_t i : selected) written.outputs.push_back(signature.outputs[i]);
    shown = std::get<std::vector<size_t>>(show);
    for (size_t i : shown)
      if (!isNumber(signature.outputs[i]))
        return Failure{fmt::format("--show {}: only scalars fit beside the progress", signature.outputs[i].name)};
    constexpr size_t shownUnasked = 3;
    if (shown.empty())
      for (size_t i = 0; i < signature.outputs.size() && shown.size() < shownUnasked; ++i)
        if (isNumber(signature.outputs[i]) && isFloat(signature.outputs[i].type.scalar)) shown.push_back(i);
    isFile = !options.output.empty() || !options.plot.empty();
    isPrinted = !isFile && !options.events && options.exportTo.empty();
    last.resize(signature.outputs.size());
    return std::nullopt;
  }

  std::optional<Failure> openInputs() {
    Passes passes{options.epochs, options.shuffle, {}};
    if (!options.loadState.empty()) {
      auto before = loadClockCounts(options.loadState);
      if (auto *f = std::get_if<Failure>(&before)) return *f;
      auto &known = std::get<std::optional<ClockCounts>>(before);
      if (known) passes.before = *known;
      else warnOfPeriods();
    }
    auto opened = InputStreams::open(options.inputs, signature, passes);
    if (auto *f = std::get_if<Failure>(&opened)) return *f;
    inputs.emplace(std::move(std::get<InputStreams>(opened)));
    end = options.steps.value_or(inputs->length().value_or(1));
    if (inputs->length() && end > *inputs->length())
      return Failure{fmt::format("--steps {}: the input ends after {} instants", end, *inputs->length())};
    if (!options.steps && !inputs->warning.empty()) std::fprintf(stderr, "mlrc: warning: %s\n", inputs->warning.c_str());
    pace = paceOf(*inputs, signature);
    if (signature.rate > 0 && inputs->blocksPerSecond > 0 && std::abs(signature.rate / inputs->blocksPerSecond - 1) > 1e-6)
      std::fprintf(stderr, "mlrc: warning: node `%s` runs at %g Hz, the recording gives it %g blocks a second\n", signature.node.c_str(),
                   signature.rate, inputs->blocksPerSecond);
    events.emplace(signature, pace);
    if (options.events && !events->any())
      return Failure{fmt::format("--events: node `{}` has no bool output and none on a slower clock", signature.node)};
    return std::nullopt;
  }

  void warnOfPeriods() const {
    for (const Port &port : signature.inputs)
      for (const PortClock &c : port.clock)
        if (c.isPeriodic)
          return std::fprintf(stderr, "mlrc: warning: %s does not say where input `%s` is in its `every %lld`: taken to be at the beginning\n",
                              options.loadState.c_str(), port.name.c_str(), static_cast<long long>(c.period)), void();
  }

  Mark mark() const {
    return {signature.node, engine.fingerprint(), now, inputs->epochLength().value_or(0),
            options.shuffle ? std::to_string(*options.shuffle) : ""};
  }

  /// What is written at the end of a long run had better have a place.
  std::optional<Failure> checkPlaces() const {
    for (const auto &[option, path] : {std::pair{"--checkpoint", &options.checkpoint}, {"--export", &options.exportTo}})
      if (!path->empty() && !path->ends_with(".safetensors"))
        return Failure{fmt::format("{} {}: it is written as .safetensors", option, *path)};
    for (const std::string *path : {&options.checkpoint, &options.exportTo, &options.saveState, &options.output, &options.plot}) {
      std::error_code ignored;
      std::filesystem::path folder = std::filesystem::path(*path).parent_path();
      if (!path->empty() && *path != "-" && !std::filesystem::exists(*path, ignored) && !std::filesystem::is_directory(folder.empty() ? "." : folder, ignored))
        return Failure{fmt::format("{}: there is no folder {}", *path, folder.string())};
    }
    return checkDistinct();
  }

  /// Of two options that write one file, the later one would destroy what the other has written.
  std::optional<Failure> checkDistinct() const {
    std::string log = options.checkpoint.empty() ? "" : options.checkpoint + ".outputs";
    std::map<std::filesystem::path, const char *> writers;
    for (const auto &[option, path] : {std::pair{"--checkpoint", &options.checkpoint}, {"--checkpoint, for outputs,", &log},
                                       {"--export", &options.exportTo}, {"--save-state", &options.saveState},
                                       {"--output", &options.output}, {"--plot", &options.plot}}) {
      if (path->empty() || *path == "-") continue;
      std::error_code error;
      std::filesystem::path place = std::filesystem::weakly_canonical(std::filesystem::absolute(*path, error), error);
      auto [other, isNew] = writers.emplace(error ? std::filesystem::path(*path) : place, option);
      if (!isNew) return Failure{fmt::format("{}: both {} and {} would write it", *path, other->second, option)};
    }
    return std::nullopt;
  }

  /// The state, the instant and the outputs with which the run begins.
  std::optional<Failure> begin() {
    if (auto f = checkPlaces()) return f;
    // What goes to standard output is printed now and then, so that the length of a run needs no memory.
    outputs.emplace(written, isFile ? end : std::min(end, printedAtOnce));
    std::string stateFile = options.loadState;
    if (!options.checkpoint.empty()) {
      if (options.command == Command::Interp) return Failure{"--checkpoint: interpreters keep no checkpoints; use mlrc run"};
      auto found = readCheckpoint(options.checkpoint, mark());
      if (auto *f = std::get_if<Failure>(&found)) return options.resume ? *f : Failure{options.checkpoint + " exists, and is not of this run: remove it"};
      if (auto &at = std::get<std::optional<Mark>>(found)) {
        if (!options.resume)
          return Failure{fmt::format("{} exists, after {} instants: --resume goes on from it; remove it to begin again", options.checkpoint, at->instants)};
        first = now = at->instants;
        stateFile = options.checkpoint;
        if (now > end) return Failure{fmt::format("{} is after {} instants, this run has {}", options.checkpoint, now, end)};
      }
    }
    if (!stateFile.empty())
      if (auto f = engine.loadState(stateFile)) return f;
    if (auto f = openLog()) return f;
    if (now > 0) recallExport();
    progress.emplace(signature, shown, !options.show.empty(), Extent{now, end, options.epochs > 1 ? *inputs->epochLength() : 0}, options.quiet);
    checkpointAt = seconds();
    return std::nullopt;
  }

  /// With checkpoints, the outputs for files are kept on the disk as well.
  std::optional<Failure> openLog() {
    std::string path = options.checkpoint + ".outputs";
    std::error_code ignored;
    if (!options.checkpoint.empty() && now == 0) std::filesystem::remove(path, ignored);  // of another run
    if (options.checkpoint.empty() || !isFile) return std::nullopt;
    if (now > 0) {
      auto resumed = OutputLog::resume(path, written, now, *outputs);
      if (auto *f = std::get_if<Failure>(&resumed)) return *f;
      log = std::move(std::get<std::unique_ptr<OutputLog>>(resumed));
      if (!log) outputs.emplace(written, end - now);
    }
    if (!log) {
      auto begun = OutputLog::begin(path, written, now);
      if (auto *f = std::get_if<Failure>(&begun)) return *f;
      log = std::move(std::get<std::unique_ptr<OutputLog>>(begun));
    }
    if (log->first() > 0)
      std::fprintf(stderr, "mlrc: warning: the outputs of the first %lld instants were not kept: %s begins after them\n",
                   static_cast<long long>(log->first()), (options.output.empty() ? options.plot : options.output).c_str());
    return std::nullopt;
  }

  std::optional<Failure> loop() {
    if (!options.checkpoint.empty()) {
      std::signal(SIGINT, askToStop);
      std::signal(SIGTERM, askToStop);
    }
    while (now < end && !stopAsked) {
      auto row = inputs->at(now);
      if (auto *f = std::get_if<Failure>(&row)) return Failure{fmt::format("instant {}: {}", now, f->message)};
      auto result = engine.step(std::get<std::vector<Array>>(row));
      if (auto *f = std::get_if<Failure>(&result)) return Failure{fmt::format("instant {}: {}", now, f->message)};
      if (auto f = take(std::get<std::vector<Array>>(result))) return f;
      ++now;
      progress->at(now, last);
      if (isCheckpointDue())
        if (auto f = keep()) return f;
    }
    stopped = now < end;
    return std::nullopt;
  }

  /// The outputs of the instant `now`.
  std::optional<Failure> take(const std::vector<Array> &values) {
    const std::vector<bool> &present = engine.present();
    for (size_t i = 0; i < values.size(); ++i)
      if (present.empty() || present[i]) last[i] = values[i];
    if (isFile || isPrinted) {
      std::vector<Array> kept;
      std::vector<bool> presence;
      for (size_t i : selected) {
        kept.push_back(values[i]);
        if (!present.empty()) presence.push_back(present[i]);
      }
      outputs->add(kept, presence);
      if (log)
        if (auto f = log->add(kept, presence)) return f;
    }
    if (isPrinted && outputs->collected() == printedAtOnce) {
      progress->clear();
      if (auto f = outputs->print()) return f;
    }
    if (std::string line = options.events ? events->at(now, values, present) : ""; !line.empty()) {
      progress->clear();
      std::printf("%s\n", line.c_str());
      std::fflush(stdout);
    }
    return std::nullopt;
  }

  bool isCheckpointDue() const {
    constexpr double secondsApart = 30;
    if (options.checkpoint.empty() || now == end) return false; // the last one comes anyway
    return options.every ? now % *options.every == 0 : seconds() - checkpointAt > secondsApart;
  }

  /// A checkpoint. What it says to have been done is on the disk before it.
  std::optional<Failure> keep() {
    if (log)
      if (auto f = log->sync()) return f;
    if (auto f = writeExport()) return f;
    auto state = engine.state();
    auto clocks = inputs->clockCounts(now);
    if (auto *f = std::get_if<Failure>(&clocks)) return *f;
    Mark at = mark();
    at.clocks = std::get<ClockCounts>(clocks);
    checkpointAt = seconds();
    return writeCheckpoint(options.checkpoint, at, *state);
  }

  std::optional<Failure> writeExport() const {
    if (options.exportTo.empty()) return std::nullopt;
    data::Arrays arrays;
    for (size_t i = 0; i < last.size(); ++i)
      if (last[i].data()) arrays.emplace(signature.outputs[i].name, last[i]);
    if (arrays.empty()) return now < end ? std::nullopt : std::optional(Failure{fmt::format("--export {}: no output had a value{}", options.exportTo, forgotten)});
    // No checkpoint may stand on the disk before what was exported by then.
    bool isDurable = !options.checkpoint.empty();
    if (now == end && !forgotten.empty() && arrays.size() < last.size())
      std::fprintf(stderr, "mlrc: warning: --export %s lacks outputs that had no value%s\n", options.exportTo.c_str(), forgotten.c_str());
    if (auto error = isDurable ? data::saveCheckpoint(options.exportTo, arrays, {}) : data::saveSafetensors(options.exportTo, arrays)) return Failure{fmt::format("{}: {}", options.exportTo, error->message)};
    return std::nullopt;
  }

  /// An output on a slower clock may have had its last value before the checkpoint.
  void recallExport() {
    std::error_code ignored;
    if (options.exportTo.empty()) return;
    if (!std::filesystem::exists(options.exportTo, ignored))
      forgotten = fmt::format(" from instant {} on, and those before have left no such file", first);
    auto loaded = data::loadAll(options.exportTo);
    auto *arrays = std::get_if<data::Arrays>(&loaded);
    for (size_t i = 0; arrays && i < last.size(); ++i)
      if (auto it = arrays->find(signature.outputs[i].name); it != arrays->end() && it->second.type() == signature.outputs[i].type) last[i] = it->second;
  }

  std::optional<Failure> finish() {
    progress->clear();
    if (isPrinted)
      if (auto f = outputs->print()) return f;
    if (!options.checkpoint.empty()) {
      if (auto f = keep()) return f;
      if (stopped)
        return std::fprintf(stderr, "mlrc: stopped after %lld of %lld instants; --resume goes on\n", static_cast<long long>(now), static_cast<long long>(end)),
               std::nullopt;
    } else if (auto f = writeExport()) {
      return f;
    }
    if (!options.output.empty())
      if (auto f = outputs->save(options.output)) return f;
    if (!options.saveState.empty()) {
      auto state = engine.state();
      if (!state) return Failure{"--save-state " + options.saveState + ": interpreters have no state to save; use mlrc run"};
      auto clocks = inputs->clockCounts(now);
      if (auto *f = std::get_if<Failure>(&clocks)) return *f;
      if (auto f = saveState(options.saveState, signature.node, *state, std::get<ClockCounts>(clocks))) return f;
    }
    if (!options.plot.empty())
      if (auto f = outputs->plot(options.plot, options.file, pace.period, pace.first)) return f;
    return std::nullopt;
  }

  static constexpr int64_t printedAtOnce = 4096;
  const CommandLine &options;
  Engine &engine;
  const Signature &signature;
  Signature written;               ///< with the selected outputs alone
  std::vector<size_t> selected, shown;
  std::optional<InputStreams> inputs;
  std::optional<Events> events;
  std::optional<OutputStreams> outputs;
  std::unique_ptr<OutputLog> log;
  std::optional<Progress> progress;
  Pace pace;
  std::vector<Array> last;         ///< of each output; Array() where it had no value yet
  int64_t first = 0, now = 0, end = 0;  ///< instants
  double checkpointAt = 0;
  std::string forgotten;  ///< why a resumed run does not know what was exported before it
  bool isFile = false, isPrinted = false, stopped = false;
};

} // namespace

int runProgram(const CommandLine &options) {
  double begin = seconds();
  auto engine = options.command == Command::Interp ? makeInterpreter(options) : makeJit(options);
  if (!engine) return 1;
  double compiled = seconds();
  Run run(options, *engine);
  int code = run.run();
  if (code == 1) return code;
  double ran = seconds();
  std::fputs(engine->checkReport(run.instants(), run.before()).c_str(), stderr);
  auto [derivatives, areRight] = engine->derivativeReport();
  std::fputs(derivatives.c_str(), stderr);
  if (options.timing)
    std::fprintf(stderr, "compile %.3f s, run %.3f s, %.1f ns an instant\n", compiled - begin, ran - compiled,
                 run.instants() ? (ran - compiled) / static_cast<double>(run.instants()) * 1e9 : 0.0);
  return areRight ? code : 1;
}

} // namespace mlr::driver
