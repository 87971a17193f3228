#include "driver/Commands.h"

#include "driver/Pipeline.h"
#include "driver/Resources.h"
#include "mlr/Ast/Parser.h"
#include "mlr/Target/Footprint.h"
#include "runtime/DataFile.h"

#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace mlr::driver {

static int checkCommand(const CommandLine &options) {
  Compilation c(options);
  return compile(c, "check") ? 0 : 1;
}

static int fail(const std::string &message) {
  std::fprintf(stderr, "mlrc: %s\n", message.c_str());
  return 1;
}

/// The report of the plan with what was measured in the code for a machine.
static std::string withFootprint(const std::string &report, const target::Footprint &f, const target::Machine &machine, bool json) {
  if (json) {
    auto object = nlohmann::ordered_json::parse(report.empty() ? "{}" : report, nullptr, /*allow_exceptions=*/false);
    object["machine"] = {{"target", machine.triple()}, {"cpu", machine.cpu()},          {"code", f.codeBytes},
                         {"constants", f.constantBytes}, {"stack", f.stackBytes}, {"outside", f.outside}};
    return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  std::string text = report + fmt::format("\ncode for {}{}, bytes\n  code {}, constants {}, stack {}\n", machine.triple(),
                                          machine.cpu().empty() ? "" : ", CPU " + machine.cpu(), f.codeBytes, f.constantBytes,
                                          f.stackBytes);
  if (!f.outside.empty()) text += fmt::format("  calls of the C library, whose stack is not counted: {}\n", fmt::join(f.outside, ", "));
  return text;
}

static void forMachine(Compilation &c, const target::Machine &machine) {
  loops::Options loops = machine.loopsOptions();
  c.vectorBits = loops.vectorBits;
  c.hasFma = loops.hasFma;
  c.hasFma64 = loops.hasFma64;
  c.hasAdd64 = loops.hasAdd64;
}

static int reportCommand(const CommandLine &options) {
  Compilation c(options);
  auto found = target::Machine::find({options.target, options.cpu, options.features});
  if (auto *e = std::get_if<target::Error>(&found)) return fail(e->message);
  auto &machine = std::get<target::Machine>(found);
  forMachine(c, machine);
  if (!compile(c, "loops")) return 1;
  auto code = target::translate(*c.module, machine);
  if (auto *e = std::get_if<target::Error>(&code)) return fail("internal error: " + e->message);
  target::optimize(std::get<target::Code>(code), machine);
  auto measured = target::footprint(std::get<target::Code>(code), machine);
  if (auto *e = std::get_if<target::Error>(&measured)) return fail(e->message);
  std::string text = withFootprint(c.report, std::get<target::Footprint>(measured), machine, options.json);
  std::fputs(text.c_str(), stdout);
  return 0;
}

static int fmtCommand(const CommandLine &options) {
  Compilation c(options);
  if (!compile(c, "tree")) return 1;
  std::string text = ast::format(c.tree, c.sources);
  if (options.formatCheck) {
    if (text == c.sources.text(1)) return 0;
    std::fprintf(stderr, "%s: is not in the canonical layout; mlrc fmt -i %s\n", options.file.c_str(), options.file.c_str());
    return 1;
  }
  if (!options.formatInPlace) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (text == c.sources.text(1)) return 0;
  if (auto error = data::saveText(options.file, text)) {
    std::fprintf(stderr, "mlrc: %s: %s\n", options.file.c_str(), error->message.c_str());
    return 1;
  }
  return 0;
}

static int explainCommand(const CommandLine &options) {
  if (options.list || options.file.empty()) {
    for (const DiagnosticKind *kind : allDiagnosticKinds())
      options.list ? std::printf("%s\n", kind->name) : std::printf("%-24s %s\n", kind->name, kind->summary);
    return 0;
  }
  for (const DiagnosticKind *kind : allDiagnosticKinds()) {
    if (options.file != kind->name) continue;
    std::string page = errorPage(kind->name);
    std::printf("%s\n", page.empty() ? kind->summary : page.c_str());
    return 0;
  }
  std::fprintf(stderr, "mlrc: there is no diagnostic `%s`; `mlrc explain` lists them\n", options.file.c_str());
  return 1;
}

static int listStages() {
  for (const Stage &stage : stages())
    std::printf("%-10s %s%s\n", stage.name, stage.handsOn, stage.isIr() ? "" : " (--from does not read it)");
  return 0;
}

/// The stages as scalar code has them; with --target, as that machine has them.
static int printAfter(const CommandLine &options) {
  for (const Stage &stage : stages()) {
    if (options.after != stage.name) continue;
    Compilation c(options);
    if (!options.target.empty()) {
      auto found = target::Machine::find({options.target, options.cpu, options.features});
      if (auto *e = std::get_if<target::Error>(&found)) return fail(e->message);
      forMachine(c, std::get<target::Machine>(found));
    }
    if (!compile(c, stage.name)) return 1;
    std::fputs(stage.print(c).c_str(), stdout);
    return 0;
  }
  std::fprintf(stderr, "mlrc: --after=%s: no such stage; --after=list names them\n", options.after.c_str());
  return 1;
}

int execute(const CommandLine &options) {
  if (options.after == "list") return listStages();
  if (!options.after.empty()) return printAfter(options);
  switch (options.command) {
  case Command::Check: return checkCommand(options);
  case Command::Run:
  case Command::Interp: return runProgram(options);
  case Command::Build: return buildProgram(options);
  case Command::Report: return reportCommand(options);
  case Command::Fmt: return fmtCommand(options);
  case Command::Explain: return explainCommand(options);
  }
  return 1;
}

} // namespace mlr::driver
