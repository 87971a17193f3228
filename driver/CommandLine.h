// The command line of mlrc as data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mlr::driver {

enum class Command { Check, Run, Interp, Build, Report, Fmt, Explain };

struct CommandLine {
  Command command = Command::Check;
  std::string file;
  std::string node;                           ///< --node; empty: `main`, or the only root
  std::vector<std::string> paths;             ///< --path, for `import`
  std::map<std::string, std::string> params;  ///< --param T=40
  // run, interp
  std::vector<std::string> inputs;
  std::string output;
  std::string plot;
  std::optional<int64_t> steps;
  int64_t epochs = 1;
  std::optional<uint32_t> shuffle;   ///< --shuffle SEED
  std::vector<std::string> show;     ///< --show: scalar outputs in the progress bar
  std::vector<std::string> select;   ///< --select: the outputs for --output, --plot and standard output; empty: all
  std::string exportTo;              ///< --export: last values of the outputs
  std::string checkpoint;
  std::optional<int64_t> every;      ///< instants from one checkpoint to the next
  bool resume = false;
  bool quiet = false;
  bool events = false;
  std::optional<int64_t> checkGradients;  ///< interp: directions of each derivative; 0: all
  bool timing = false;
  std::string loadState, saveState;
  bool state = false;              ///< build: NODE_state.h and NODE_state.c too
  std::vector<std::string> links;  ///< --link, also of build --emit=shared
  // build
  std::string emit = "c";
  std::string target, cpu, features;
  std::string outputDirectory = ".";
  // stages
  std::string after;  ///< --after=STAGE: print what that stage hands on, and stop
  std::string from;   ///< --from=STAGE: FILE is IR that --after=STAGE printed
  // semantics
  bool unfused = false, checks = false;
  std::optional<int64_t> ram;  ///< --ram: bytes of state and scratch at most
  // diagnostics
  bool json = false;
  int64_t maxErrors = 50;  ///< diagnostics printed; the others are counted
  bool color = false;
  // fmt, explain
  bool formatInPlace = false, formatCheck = false, list = false;
};

/// Parses argv. Returns the exit code when there is nothing left to do (help, usage errors).
std::optional<int> parseCommandLine(int argc, char **argv, CommandLine &out);

} // namespace mlr::driver
