// libFuzzer target over the checker: any text ends in diagnostics that render or in a program whose
// invariants hold.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Check.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace mlr;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  SourceMap sources;
  uint32_t file = sources.add("fuzz.mlr", std::string(reinterpret_cast<const char *>(data), size));
  Diagnostics diagnostics(sources);
  ast::File tree = ast::parse(file, diagnostics);
  CheckOptions options;
  options.stdPath = MLR_SOURCE_DIR "/std";
  std::optional<Program> program = check(tree, sources, options, diagnostics);
  size_t shown = 0;
  for (const Diagnostic *d : diagnostics.sorted())
    if (++shown < 5) render(*d, sources, false);
  if (program.has_value() == diagnostics.hasErrors()) std::abort();
  if (!program) return 0;
  for (const std::string &broken : verify(*program)) {
    std::fprintf(stderr, "%s\n%s\n", broken.c_str(), print(*program).c_str());
    std::abort();
  }
  print(*program);
  return 0;
}
