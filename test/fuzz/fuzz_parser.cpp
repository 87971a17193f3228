// libFuzzer target over the parser and the formatter: any bytes end in a tree and diagnostics that render; what
// parses keeps its tree through the formatter, whose output is a fixed point.
#include "mlr/Ast/Parser.h"
#include "test/Ast/Dump.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace mlr;

static void require(bool condition, const std::string &a, const std::string &b) {
  if (condition) return;
  std::fprintf(stderr, "--- first\n%s\n--- second\n%s\n", a.c_str(), b.c_str());
  std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ast::Parsed original(std::string(reinterpret_cast<const char *>(data), size));
  size_t shown = 0;
  for (const Diagnostic *d : original.diagnostics.sorted()) {
    if (++shown > 4) break;
    render(*d, original.sources, shown % 2);
    renderJson(*d, original.sources);
  }
  if (original.diagnostics.hasErrors()) return 0;
  std::string once = ast::format(original.tree, original.sources);
  ast::Parsed again(once);
  require(!again.diagnostics.hasErrors(), once, again.errors());
  std::string before = ast::dump(original.tree), after = ast::dump(again.tree);
  require(before == after, before, after);
  std::string twice = ast::format(again.tree, again.sources);
  require(once == twice, once, twice);
  return 0;
}
