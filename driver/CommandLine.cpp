#include "driver/CommandLine.h"

#include "mlr/Ast/Annotations.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <unistd.h>

namespace mlr::driver {

static std::optional<int64_t> bytesIn(const std::string &text) {
  size_t unit = std::min(text.find_first_not_of("0123456789"), text.size());
  return ast::bytesIn(std::string_view(text).substr(0, unit), std::string_view(text).substr(unit));
}

/// Of --check-gradients: 0 for all.
static std::optional<int64_t> directionsIn(std::string_view text) {
  if (text == "all") return 0;
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < 1) return std::nullopt;
  return n;
}

static void addFile(CLI::App *app, CommandLine &out, const char *what) {
  app->add_option("file", out.file, what);
}

static void addProgram(CLI::App *app, CommandLine &out, std::vector<std::string> &params) {
  addFile(app, out, "an MLR program (.mlr), or IR (.mlir) with --from");
  app->add_option("--node", out.node, "the node to take; default: main, or the only one");
  app->add_option("--param", params, "a static parameter of the node: NAME=VALUE")->allow_extra_args(false);
  app->add_option("--path", out.paths, "a folder in which `import` looks for files; may be given more than once")
      ->allow_extra_args(false);
  app->add_option("--after", out.after, "print what a stage hands on, and stop (--after=list names them)");
  app->add_option("--from", out.from, "the file is IR that --after=STAGE printed");
  app->add_flag("--unfused", out.unfused, "sums of products multiply, then add, in every engine");
  app->add_flag("--checks", out.checks, "watch for indices that leave their axis when the program runs");
  app->add_flag("--json", out.json, "diagnostics and reports as JSON");
  app->add_option("--max-errors", out.maxErrors, "diagnostics to print before the rest is only counted (default 50)")
      ->check(CLI::PositiveNumber);
}

/// Of the commands that compile: R14.17.
static void addBudget(CLI::App *app, CommandLine &out) {
  app->add_option_function<std::string>(
      "--ram",
      [&out](const std::string &text) {
        out.ram = bytesIn(text);
        if (!out.ram) throw CLI::ValidationError("--ram", "takes bytes, such as 65536, 64K or 1M");
      },
      "bytes of state and scratch at most: sweeps back compute again what does not fit");
}

static void addMachine(CLI::App *app, CommandLine &out) {
  app->add_option("--target", out.target, "target triple; default: this machine");
  app->add_option("--cpu", out.cpu, "target processor, as in clang -mcpu");
  app->add_option("--features", out.features, "target features, as in llc -mattr");
}

static void addLink(CLI::App *app, CommandLine &out) {
  app->add_option("--link", out.links, "a shared library or C file with the C functions of `extern`; may be given more than once")
      ->allow_extra_args(false);
}

static void addRun(CLI::App *app, CommandLine &out) {
  addLink(app, out);
  app->add_option("--input", out.inputs, "streams in: .csv .npz .npy .wav; may be given more than once")
      ->allow_extra_args(false);
  app->add_option("--output", out.output, "streams out: .csv .npz .vcd; default: CSV on standard output");
  app->add_option("--steps", out.steps, "instants to run; default: until the input ends");
  app->add_option("--epochs", out.epochs, "times to go over the input (default 1)")->check(CLI::Range(int64_t(1), int64_t(1) << 31));
  app->add_option("--shuffle", out.shuffle, "a seed: the instants of the input in another order each epoch");
  app->add_option("--select", out.select, "outputs for --output, --plot and standard output: loss,p; default: all")->delimiter(',');
  app->add_option("--show", out.show, "scalar outputs to show beside the progress and after each epoch: loss,accuracy")->delimiter(',');
  app->add_option("--export", out.exportTo, "the last values of the outputs, for `load` (.safetensors); at each checkpoint and at the end");
  app->add_option("--checkpoint", out.checkpoint, "keep what it takes to go on if the run is cut off (.safetensors)");
  app->add_option("--every", out.every, "instants from one checkpoint to the next; default: those of 30 seconds")
      ->check(CLI::PositiveNumber);
  app->add_flag("--resume", out.resume, "go on from the checkpoint, if there is one");
  app->add_option("--load-state", out.loadState, "begin in a state that --save-state, or C, has saved (.safetensors)");
  app->add_option("--save-state", out.saveState, "save the state after the last instant (.safetensors)");
  app->add_option("--plot", out.plot, "draw the outputs: .svg or .png, or - for the terminal");
  app->add_flag("--events", out.events, "print each instant at which a bool output is true or a slower one present");
  app->add_flag("--quiet", out.quiet, "no progress");
  app->add_flag("--timing", out.timing, "seconds of each stage and nanoseconds a step, on standard error");
}

std::optional<int> parseCommandLine(int argc, char **argv, CommandLine &out) {
  CLI::App app{"MLR: a reactive language and optimising compiler for machine learning in a loop with the world"};
  app.set_version_flag("--version", "mlrc 0.1");
  app.require_subcommand(1);
  app.fallthrough();
  std::string color = "auto";
  std::vector<std::string> params;
  app.add_option("--color", color, "auto, always or never")->check(CLI::IsMember({"auto", "always", "never"}));

  CLI::App *check = app.add_subcommand("check", "report every error of a program");
  addProgram(check, out, params);
  CLI::App *run = app.add_subcommand("run", "compile in memory and run");
  addProgram(run, out, params);
  addBudget(run, out);
  addRun(run, out);
  CLI::App *interp = app.add_subcommand("interp", "run in the reference interpreter");
  addProgram(interp, out, params);
  addRun(interp, out);
  // A flag takes a value after `=` only: what follows may be the file.
  std::string directions;
  CLI::Option *checkGradients =
      interp->add_flag("--check-gradients{all}", directions,
                       "compare each derivative at each instant with dual numbers: in all directions, or in N random ones (=N)");
  CLI::App *build = app.add_subcommand("build", "write C99, an object, a shared library or IR");
  addProgram(build, out, params);
  addBudget(build, out);
  build->add_option("--emit", out.emit, "c, obj, shared, llvm, mlir or mlr-ir")
      ->check(CLI::IsMember({"c", "obj", "shared", "llvm", "mlir", "mlr-ir"}));
  addMachine(build, out);
  addLink(build, out);
  build->add_flag("--state", out.state, "also NODE_state.h and NODE_state.c, which save and load the state");
  build->add_option("-o", out.outputDirectory, "folder for the files");
  CLI::App *report = app.add_subcommand("report", "sweeps, buffers, operations of a step; memory, code and stack on a machine");
  addProgram(report, out, params);
  addBudget(report, out);
  addMachine(report, out);
  CLI::App *fmt = app.add_subcommand("fmt", "print a program in the canonical layout");
  addFile(fmt, out, "an MLR program");
  fmt->add_flag("-i,--in-place", out.formatInPlace, "rewrite the file");
  fmt->add_flag("--check", out.formatCheck, "exit code 1 if the layout differs");
  CLI::App *explain = app.add_subcommand("explain", "what a kind of diagnostic means");
  explain->add_option("name", out.file, "the name in brackets after `error`");
  explain->add_flag("--list", out.list, "all names");

  std::string known;
  bool exists = false;
  for (const CLI::App *sub : app.get_subcommands({})) {
    exists |= argc > 1 && sub->get_name() == argv[1];
    known += (known.empty() ? "" : ", ") + sub->get_name();
  }
  if (argc > 1 && argv[1][0] != '-' && !exists) {
    std::cerr << "mlrc: there is no command `" << argv[1] << "`; the commands are " << known << "\n";
    return 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    int code = app.exit(e);
    return code == 0 ? 0 : 1;
  }
  for (const std::string &p : params) {
    size_t eq = p.find('=');
    if (eq == std::string::npos || eq == 0) {
      std::cerr << "mlrc: --param takes NAME=VALUE, not `" << p << "`\n";
      return 1;
    }
    if (!out.params.emplace(p.substr(0, eq), p.substr(eq + 1)).second) {
      std::cerr << "mlrc: --param " << p.substr(0, eq) << " is given twice\n";
      return 1;
    }
  }
  if (check->parsed() && !out.params.empty() && out.node.empty()) {
    std::cerr << "mlrc: --param is of one node: say which with --node\n";
    return 1;
  }
  if (checkGradients->count()) {
    out.checkGradients = directionsIn(directions);
    bool isEmpty = std::any_of(argv, argv + argc, [](std::string_view a) { return a == "--check-gradients="; });
    if (!out.checkGradients || isEmpty) {
      std::cerr << "mlrc: --check-gradients=N takes a number of directions, 1 or more, not `" << (isEmpty ? "" : directions) << "`\n";
      return 1;
    }
  }
  if (out.steps && *out.steps < 0) {
    std::cerr << "mlrc: --steps takes a number that is not negative\n";
    return 1;
  }
  if (out.checkpoint.empty() && (out.every || out.resume)) {
    std::cerr << "mlrc: --every and --resume are of a checkpoint: give --checkpoint FILE\n";
    return 1;
  }
  if (out.file.empty() && !explain->parsed() && out.after != "list") {
    std::cerr << "mlrc: which file? `mlrc " << app.get_subcommands().front()->get_name() << " FILE`; --help tells more\n";
    return 1;
  }
  const std::pair<CLI::App *, Command> commands[] = {
      {check, Command::Check}, {run, Command::Run},       {interp, Command::Interp},  {build, Command::Build},
      {report, Command::Report}, {fmt, Command::Fmt}, {explain, Command::Explain}};
  for (auto [sub, command] : commands)
    if (sub->parsed()) out.command = command;
  out.color = color == "always" || (color == "auto" && isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
  return std::nullopt;
}

} // namespace mlr::driver
