// Constants from data files.
#include "Checked.h"
#include "runtime/DataFile.h"

#include <filesystem>
#include <unistd.h>

namespace mlr::test {
namespace {

class Load : public ::testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() / ("mlr_load_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    Array w(Type{Scalar::F32, {2, 3}});
    for (int i = 0; i < 6; ++i) w.mutateAs<float>()[i] = static_cast<float>(i);
    ASSERT_FALSE(data::saveNpz((folder / "w.npz").string(), {{"w", w}}));
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  Checked checked(const std::string &text) { return Checked(text, {}, (folder / "program.mlr").string()); }
  std::filesystem::path folder;
};

TEST_F(Load, PathIsRelativeToTheSourceFile) {
  Checked c = checked("const W: f32[2, 3] = load(\"w.npz\", \"w\");\n"
                      "node main(x: f32[3]) -> (y: f32[2]) { y = W @ x; }");
  ASSERT_TRUE(c.program) << c.rendered;
  expectContains(c.printed(), "const<<f32[2, 3]>>(0.0, 1.0, 2.0, 3.0, 4.0, 5.0)");
}

TEST_F(Load, LoadedArrayCanBeConverted) {
  Checked c = checked(
      "const W: f16[2, 3] = f16(load(\"w.npz\"));\nnode main(x: f16) -> (y: f16) { y = W[1, 2] * x; }");
  EXPECT_TRUE(c.program) << c.rendered;
}

TEST_F(Load, FieldsOfAnotherTypeAreNamedAsTheFileHasThem) {
  Checked c = checked("struct S { w: f64[2, 3] }\nconst D: S = load(\"w.npz\");\nstruct T { w: f32[3, 2] }\nconst E: T = load(\"w.npz\");");
  EXPECT_EQ(c.errors, (std::vector<std::string>{"type-mismatch: the array `w` of the file is f32[2, 3], but the field is f64[2, 3]",
                                                "shape-mismatch: the array `w` of the file is f32[2, 3], but the field is f32[3, 2]"}));
}

TEST_F(Load, DeclaredTypeMustBeThatOfTheFile) {
  Checked c = checked("const W: f32[3, 2] = load(\"w.npz\", \"w\");\nconst V: f64[2, 3] = load(\"w.npz\");\n"
                      "const U: f32 = load(\"w.npz\", \"v\");\nconst T: f32 = load(\"none.npy\");");
  ASSERT_EQ(c.errors.size(), 4u) << c.rendered;
  EXPECT_EQ(c.errors[0], "shape-mismatch: `W` is f32[3, 2], but this is f32[2, 3]");
  EXPECT_EQ(c.errors[1], "type-mismatch: `V` is f64[2, 3], but this is f32[2, 3]");
  EXPECT_EQ(c.errors[2].substr(0, 11), "load-failed");
  EXPECT_EQ(c.errors[3].substr(0, 11), "load-failed");
}

} // namespace
} // namespace mlr::test
