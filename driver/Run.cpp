// run and interp: feed a node from files, instant by instant.
#include "driver/Commands.h"
#include "driver/Engines.h"
#include "driver/Events.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace mlr::driver {

static double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A line on standard error that redraws itself at most ten times a second; nothing when that is not a terminal.
class Progress {
public:
  Progress(int64_t total, bool quiet) : total(total), visible(!quiet && isatty(STDERR_FILENO)), start(seconds()) {}
  ~Progress() { clear(); }
  /// Makes room for a line of output; the bar comes back.
  void clear() {
    if (drawn) std::fputs("\r\033[K", stderr);
    drawn = false;
  }
  void at(int64_t done) {
    if (!visible) return;
    double now = seconds();
    if (now - start < 0.2 || now - last < 0.1) return;
    last = now;
    drawn = true;
    int width = 40, filled = total > 0 ? static_cast<int>(width * done / total) : 0;
    std::fprintf(stderr, "\r[%.*s%*s] %lld of %lld instants, %.0f/s ", filled, "########################################",
                 width - filled, "", static_cast<long long>(done), static_cast<long long>(total), done / (now - start));
  }

private:
  int64_t total;
  bool visible, drawn = false;
  double start, last = 0;
};

static int fail(const std::string &message) {
  std::fprintf(stderr, "mlrc: %s\n", message.c_str());
  return 1;
}

int runProgram(const CommandLine &options) {
  double begin = seconds();
  auto made = options.command == Command::Interp ? makeInterpreter(options) : makeJit(options);
  if (!made) return 1;
  double compiled = seconds();
  Engine &engine = *made;
  const Signature &signature = engine.signature();
  if (!options.loadState.empty())
    if (auto f = engine.loadState(options.loadState)) return fail(f->message);
  auto opened = InputStreams::open(options.inputs, signature);
  if (auto *f = std::get_if<Failure>(&opened)) return fail(f->message);
  auto &inputs = std::get<InputStreams>(opened);
  int64_t steps = options.steps.value_or(inputs.length().value_or(1));
  if (inputs.length() && steps > *inputs.length())
    return fail(fmt::format("--steps {}: the input ends after {} instants", steps, *inputs.length()));
  if (!options.steps && !inputs.warning.empty()) std::fprintf(stderr, "mlrc: warning: %s\n", inputs.warning.c_str());

  Pace pace = paceOf(inputs, signature);
  if (signature.rate > 0 && inputs.blocksPerSecond > 0 && std::abs(signature.rate / inputs.blocksPerSecond - 1) > 1e-6)
    std::fprintf(stderr, "mlrc: warning: node `%s` runs at %g Hz, the recording gives it %g blocks a second\n", signature.node.c_str(),
                 signature.rate, inputs.blocksPerSecond);
  Events events(signature, pace);
  if (options.events && !events.any())
    return fail(fmt::format("--events: node `{}` has no bool output and none on a slower clock", signature.node));

  // What goes to standard output is printed now and then, so that the length of a run needs no memory.
  constexpr int64_t printedAtOnce = 4096;
  bool isFile = !options.output.empty() || !options.plot.empty(), isPrinted = !isFile && !options.events;
  OutputStreams outputs(signature, isFile ? steps : std::min(steps, printedAtOnce));
  {
    Progress progress(steps, options.quiet);
    for (int64_t t = 0; t < steps; ++t) {
      auto result = engine.step(inputs.at(t));
      if (auto *f = std::get_if<Failure>(&result)) return fail(fmt::format("instant {}: {}", t, f->message));
      const auto &values = std::get<std::vector<Array>>(result);
      if (isFile || isPrinted) outputs.add(values, engine.present());
      if (isPrinted && outputs.collected() == printedAtOnce) {
        progress.clear();
        if (auto f = outputs.print()) return fail(f->message);
      }
      if (std::string line = options.events ? events.at(t, values, engine.present()) : ""; !line.empty()) {
        progress.clear();
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
      }
      progress.at(t + 1);
    }
  }
  double ran = seconds();
  if (isPrinted)
    if (auto f = outputs.print()) return fail(f->message);
  if (!options.output.empty())
    if (auto f = outputs.save(options.output)) return fail(f->message);
  if (!options.saveState.empty())
    if (auto f = engine.saveState(options.saveState)) return fail(f->message);
  if (!options.plot.empty())
    if (auto f = outputs.plot(options.plot, options.file, pace.period, pace.first)) return fail(f->message);
  std::fputs(engine.checkReport(steps).c_str(), stderr);
  if (options.timing)
    std::fprintf(stderr, "compile %.3f s, run %.3f s, %.1f ns an instant\n", compiled - begin, ran - compiled,
                 steps ? (ran - compiled) / steps * 1e9 : 0.0);
  return 0;
}

} // namespace mlr::driver
