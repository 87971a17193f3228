// Whatever the planner makes of random nodes, the validator accepts.
#include "Fixture.h"
#include "RandomNode.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

TEST(RandomNodes, PlansAreValid) {
  const char *many = std::getenv("MLR_STORE_RANDOM");
  unsigned first = 0, count = many ? std::atoi(many) : 400;
  if (const char *seed = std::getenv("MLR_STORE_SEED")) first = std::atoi(seed), count = 1;
  for (unsigned seed = first; seed < first + count; ++seed) {
    std::string text = RandomNode(seed, 3 + seed % 9).text();
    Parsed p(text);
    ASSERT_TRUE(p.node) << "seed " << seed << "\n" << text;
    attach(p.node, mlr::store::plan(p.node));
    std::string message;
    ScopedDiagnosticHandler handler(p.context.get(), [&](Diagnostic &d) {
      llvm::raw_string_ostream stream(message);
      stream << d << "\n";
      for (auto &note : d.getNotes()) stream << note << " " << note.getLocation() << "\n";
      stream << d.getLocation() << "\n";
      return success();
    });
    bool valid = succeeded(validate(p.node));
    if (!valid) {
      std::string planned;
      llvm::raw_string_ostream stream(planned);
      p.module->print(stream);
      FAIL() << "seed " << seed << "\n" << message << text << planned;
    }
  }
}
