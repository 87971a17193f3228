#include "support/DiagnosticKinds.h"

#include <gtest/gtest.h>

using namespace mlr;

namespace {

Span find(const SourceMap &sources, uint32_t file, std::string_view text, std::string_view within = "") {
  size_t base = within.empty() ? 0 : sources.text(file).find(within);
  size_t at = sources.text(file).find(text, base);
  return {file, static_cast<uint32_t>(at), static_cast<uint32_t>(at + text.size())};
}

constexpr DiagnosticKind clash{"clash", Severity::Error, "For this test."};

TEST(Render, AnErrorShowsItsLinesMarksNotesAndHelps) {
  SourceMap sources;
  uint32_t f = sources.add("mixer.mlr", "\n\n\n  x = mic when voiced;\n\n  z = x + line;\n");
  Diagnostics diagnostics(sources);
  Diagnostic &d =
      diagnostics.report(clash, find(sources, f, "+"), "the operands of `+` differ", "needs both");
  d.labels.push_back({find(sources, f, "mic when voiced"), "`x` is present only when `voiced`", false});
  d.notes = {"instant  0  1\nvoiced   t  f"};
  d.helps = {"sample `line` too:\n  z = x + (line when voiced);"};
  EXPECT_EQ(render(d, sources, false), R"(error[clash]: the operands of `+` differ
  --> mixer.mlr:6:9
  4 |   x = mic when voiced;
    |       --------------- `x` is present only when `voiced`
  6 |   z = x + line;
    |         ^ needs both
    |   instant  0  1
    |   voiced   t  f
  help: sample `line` too:
          z = x + (line when voiced);
)");
}

TEST(Render, SeveralLabelsOnOneLineHangBelow) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "y = a + bcd;\n");
  Diagnostic d{&clash, "t", {{find(sources, f, "+"), "here", true}}, {}, {}};
  d.labels.push_back({find(sources, f, "a"), "f32", false});
  d.labels.push_back({find(sources, f, "bcd"), "i32", false});
  EXPECT_EQ(render(d, sources, false), R"(error[clash]: t
  --> a.mlr:1:7
  1 | y = a + bcd;
    |     - ^ --- i32
    |     | |
    |     | here
    |     f32
)");
}

TEST(Render, NestedLabelsKeepThePrimaryMark) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "y = f(a, b);\n");
  Diagnostic d{&clash, "t", {{find(sources, f, "a"), "this", true}}, {}, {}};
  d.labels.push_back({find(sources, f, "f(a, b)"), "the call", false});
  EXPECT_EQ(render(d, sources, false), R"(error[clash]: t
  --> a.mlr:1:7
  1 | y = f(a, b);
    |     --^----
    |     | |
    |     | this
    |     the call
)");
}

TEST(Render, ASpanOverLinesShowsItsFirstAndLast) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "x {\n  a = 1;\n  b = 2;\n}\n");
  Diagnostic d{&clash, "t", {{find(sources, f, "{\n  a = 1;\n  b = 2;\n}"), "this block", true}}, {}, {}};
  EXPECT_EQ(render(d, sources, false), R"(error[clash]: t
  --> a.mlr:1:3
  1 | x {
    |   ^
  4 | }
    | ^ this block
)");
}

TEST(Render, LabelsInTwoFilesShowBoth) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "use\n"), g = sources.add("b.mlr", "\n\n\n\n\n\n\n\n\ndef\n");
  Diagnostic d{&clash,
               "t",
               {{find(sources, g, "def"), "defined here", false}, {find(sources, f, "use"), "used", true}},
               {},
               {}};
  EXPECT_EQ(render(d, sources, false), R"(error[clash]: t
  --> a.mlr:1:1
   1 | use
     | ^^^ used
  ::: b.mlr:10:1
  10 | def
     | --- defined here
)");
}

TEST(Render, TabsAndWideCharactersKeepMarksInPlace) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "\tx = \"\xE6\x97\xA5\xE6\x9C\xAC\" + \x01y;\r\n");
  Diagnostic d{&clash, "t", {{find(sources, f, "y"), "here", true}}, {}, {}};
  EXPECT_EQ(render(d, sources, false), "error[clash]: t\n  --> a.mlr:1:18\n"
                                       "  1 |     x = \"\xE6\x97\xA5\xE6\x9C\xAC\" + \xEF\xBF\xBDy;\n"
                                       "    |                   ^ here\n");
}

TEST(Render, ALongLineIsTrimmedAroundTheLabel) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", std::string(5000, 'a') + " ! " + std::string(5000, 'b'));
  Diagnostic d{&clash, "t", {{find(sources, f, "!"), "here", true}}, {}, {}};
  std::string text = render(d, sources, false);
  EXPECT_LT(text.size(), 400u);
  size_t source = text.find("| ..."), mark = text.find('^');
  ASSERT_NE(source, std::string::npos);
  size_t sourceColumn = text.find('!') - text.rfind('\n', text.find('!'));
  EXPECT_EQ(sourceColumn, mark - text.rfind('\n', mark));
}

TEST(Render, TheCostOfAnErrorDoesNotDependOnTheLengthOfItsLine) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", std::string(8 << 20, 'a'));
  for (uint32_t i = 0; i < 2000; ++i) { // seconds, were the whole line looked at
    Diagnostic d{&clash, "t", {{{f, i * 4000, i * 4000 + 1}, "here", true}}, {}, {}};
    d.labels.push_back({{f, 0, 8 << 20}, "all", false});
    ASSERT_LT(render(d, sources, false).size(), 1000u);
  }
}

TEST(Render, NoPlaceMeansNoSource) {
  SourceMap sources;
  Diagnostic d{&clash, "no such node", {{Span(), "", true}}, {"why"}, {"how"}};
  EXPECT_EQ(render(d, sources, false), "error[clash]: no such node\n    |   why\n  help: how\n");
}

TEST(Render, ColorOnlyAddsEscapes) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "y = a + bcd;\n");
  Diagnostic d{&clash, "t", {{find(sources, f, "+"), "here", true}}, {"n"}, {"h"}};
  std::string colored = render(d, sources, true), plain;
  for (size_t i = 0; i < colored.size(); ++i)
    if (colored[i] == '\033') i = colored.find('m', i);
    else plain += colored[i];
  EXPECT_NE(colored, plain);
  EXPECT_EQ(plain, render(d, sources, false));
}

TEST(Diagnostics, OneCauseGivesOneErrorInOrderOfPosition) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "abc");
  Diagnostics diagnostics(sources);
  diagnostics.report(clash, {f, 2, 3}, "second");
  diagnostics.report(clash, {f, 0, 1}, "first");
  diagnostics.report(clash, {f, 0, 1}, "again").notes = {"dropped"};
  ASSERT_EQ(diagnostics.errorCount(), 2u);
  EXPECT_EQ(diagnostics.sorted()[0]->title, "first");
  EXPECT_TRUE(diagnostics.sorted()[0]->notes.empty());
  EXPECT_EQ(diagnostics.sorted()[1]->title, "second");
}

TEST(Diagnostics, KindsAreSortedByName) {
  const auto &kinds = allDiagnosticKinds();
  ASSERT_GE(kinds.size(), 2u);
  for (size_t i = 1; i < kinds.size(); ++i) EXPECT_LT(std::string(kinds[i - 1]->name), kinds[i]->name);
}

TEST(Diagnostics, JsonHoldsTheSameFactsAndSurvivesInvalidBytes) {
  SourceMap sources;
  uint32_t f = sources.add("a.mlr", "x\n  y\n");
  Diagnostic d{&clash, "bad \xFF", {{{f, 4, 5}, "here", true}}, {"n"}, {"h"}};
  EXPECT_EQ(renderJson(d, sources),
            "{\"kind\":\"clash\",\"severity\":\"error\",\"title\":\"bad "
            "\xEF\xBF\xBD\",\"labels\":[{\"file\":\"a.mlr\","
            "\"line\":2,\"column\":3,\"endLine\":2,\"endColumn\":4,\"begin\":4,\"end\":5,\"primary\":true,"
            "\"text\":\"here\"}],\"notes\":[\"n\"],\"helps\":[\"h\"]}");
}

} // namespace
