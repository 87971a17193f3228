#include "driver/Progress.h"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace mlr::driver {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Progress::Progress(const Signature &signature, std::vector<size_t> shown, bool asked, Extent extent, bool quiet)
    : signature(&signature), shown(std::move(shown)), extent(extent), isBar(!quiet && isatty(STDERR_FILENO)),
      isLines(!quiet && !isBar && asked), start(seconds()) {}

void Progress::clear() {
  if (drawn) std::fputs("\r\033[K", stderr);
  drawn = false;
}

/// "loss 0.0123  accuracy 0.97".
std::string Progress::values(const std::vector<Array> &last) const {
  std::string text;
  for (size_t i : shown)
    if (last[i].data()) text += fmt::format("  {} {:.4g}", signature->outputs[i].name, elementAsDouble(last[i], 0));
  return text;
}

void Progress::line(int64_t done, const std::vector<Array> &last) {
  bool isEpoch = extent.epochLength > 0 && done % extent.epochLength == 0;
  if (!isEpoch && done != extent.end) return;
  std::string what = isEpoch ? fmt::format("epoch {}", done / extent.epochLength) : fmt::format("instant {}", done);
  std::fprintf(stderr, "%s%s\n", what.c_str(), values(last).c_str());
}

void Progress::at(int64_t done, const std::vector<Array> &last) {
  if (isLines) line(done, last);
  if (!isBar) return;
  double now = seconds();
  if (now - start < 0.2 || now - drawnAt < 0.1) return;
  drawnAt = now;
  drawn = true;
  constexpr int width = 24;
  int filled = extent.end > 0 ? static_cast<int>(width * done / extent.end) : 0;
  std::string text = fmt::format("[{:#<{}}{:{}}] {} of {} instants, {:.0f}/s", "", filled, "", width - filled, done, extent.end,
                                 static_cast<double>(done - extent.begin) / (now - start));
  if (extent.epochLength > 0)
    text += fmt::format(", epoch {} of {}", (done - 1) / extent.epochLength + 1, (extent.end - 1) / extent.epochLength + 1);
  text += values(last);
  winsize window{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 && text.size() >= window.ws_col)
    text.resize(window.ws_col - 1);  // a line that wraps cannot be redrawn
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
}

} // namespace mlr::driver
