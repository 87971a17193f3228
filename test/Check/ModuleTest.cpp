// Files that import files.
#include "Checked.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace mlr::test {
namespace {

class Modules : public ::testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() / ("mlr_modules_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder / "lib");
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  void write(const std::string &name, const std::string &text) { std::ofstream(folder / name) << text; }
  Checked checked(const std::string &text) {
    CheckOptions options;
    options.paths = {(folder / "lib").string()};
    return Checked(text, options, (folder / "program.mlr").string());
  }
  std::filesystem::path folder;
};

TEST_F(Modules, GiveTypesConstantsAndNodesUnderTheirName) {
  write("lib/nn.mlr", "import util;\nimport math;\nconst Size: i32 = 2;\nenum Kind { A, B }\n"
                      "struct Dense<<I, O: size>> { w: f32[O, I], b: f32[O] }\n"
                      "fun dense<<I, O: size>>(p: Dense<<I, O>>, x: f32[I]) -> (y: f32[O]) { y = _act(p.w @ x + p.b); }\n"
                      "fun _act<<S: shape>>(x: f32[S]) -> (y: f32[S]) { y = util.twice(math.tanh(x)); }\n");
  write("lib/util.mlr", "fun twice<<S: shape>>(x: f32[S]) -> (y: f32[S]) { y = x + x; }\n");
  Checked c = checked("import nn;\nstruct Net { a: nn.Dense<<nn.Size, 4>> }\n"
                      "node main(p: nn.Dense<<2, 4>>, k: nn.Kind, x: f32[nn.Size]) -> (y: f32[4], n: Net, b: bool) {\n"
                      "  y = nn.dense(n.a, x); n = Net { a = nn.Dense { w = p.w, b = 1 } }; b = k == nn.Kind.B;\n}");
  EXPECT_TRUE(c.program.has_value()) << c.rendered;
  EXPECT_EQ(c.typeOf("main", "n.a.w"), "f32[4, 2]");
}

TEST_F(Modules, AreLookedForBesideTheFileFirst) {
  write("lib/a.mlr", "const K: i32 = 1;");
  write("a.mlr", "const K: i32 = 2;");
  expectContains(checked("import a;\nnode main() -> (y: i32) { y = a.K; }").printed(), "y: i32 = 2:i32");
}

TEST_F(Modules, PrivateAndUnknownNamesAreTold) {
  write("lib/nn.mlr", "fun _act(x: f32) -> (y: f32) { y = x; }\nfun dense(x: f32) -> (y: f32) { y = _act(x); }\n");
  Checked c = checked("import nn;\nimport nm;");
  EXPECT_EQ(c.errors, std::vector<std::string>{"unknown-name: there is no module `nm`"});
  expectContains(c.rendered, "did you mean `import nn;`?");
  Checked d = checked("import nn;\nnode main(x: f32) -> (y: f32) { y = nn._act(x) + nn.dens(x) + f.g(x) + nn; }");
  std::vector<std::string> expected{"unknown-name: `_act` is private to the module `nn`",
                                    "unknown-name: the module `nn` has no `dens`", "unknown-name: nothing called `f` is declared",
                                    "wrong-arguments: `nn` is a module, not a value"};
  EXPECT_EQ(d.errors, expected) << d.rendered;
}

TEST_F(Modules, ErrorsStandInTheFileThatHasThem) {
  write("lib/nn.mlr", "fun f(x: f32) -> (y: f32) { y = x + true; }\n");
  Checked c = checked("import nn;\nnode main(x: f32) -> (y: f32) { y = nn.f(x); }");
  EXPECT_EQ(c.errors.size(), 1u);
  expectContains(c.rendered, "nn.mlr:1:33");
}

TEST_F(Modules, CannotImportThemselves) {
  write("a.mlr", "import b;");
  write("b.mlr", "import a;");
  Checked c = checked("import a;\nnode main(x: f32) -> (y: f32) { y = x; }");
  EXPECT_EQ(c.errors, std::vector<std::string>{"recursive-instantiation: the module `a` imports itself"});
  expectContains(c.rendered, "a -> b -> a");
}

TEST_F(Modules, ShareTheirNamesWithNothing) {
  write("lib/nn.mlr", "const K: i32 = 1;");
  EXPECT_EQ(checked("import nn;\nimport nn;").errors, std::vector<std::string>{"duplicate-definition: `nn` is imported twice"});
  EXPECT_EQ(checked("import nn;\nfun nn(x: f32) -> (y: f32) { y = x; }").errors,
            std::vector<std::string>{"duplicate-definition: `nn` is declared twice"});
}

} // namespace
} // namespace mlr::test
