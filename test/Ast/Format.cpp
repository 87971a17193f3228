#include "Dump.h"
#include "mlr/Ast/Lexer.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace mlr;
using namespace mlr::ast;

namespace {

std::string formatted(const std::string &text) {
  Parsed p(text);
  return p.diagnostics.hasErrors() ? p.errors() : format(p.tree, p.sources);
}

std::string inNode(const std::string &text) {
  std::string all = formatted("node f() -> () {\n" + text + "\n}");
  size_t begin = all.find('\n') + 1;
  return all.size() < begin + 2 ? all : all.substr(begin, all.size() - begin - 2);
}

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  std::vector<std::filesystem::path> paths;
  for (const auto &entry : std::filesystem::directory_iterator(MLR_SOURCE_DIR "/test/Ast/corpus"))
    if (entry.path().extension() == ".mlr") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto &path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    out.push_back(text.str());
  }
  return out;
}

/// The comments of a text, in order.
std::string commentsOf(const std::string &text) {
  Parsed p(text);
  std::string out;
  for (const Comment &c : p.tree.comments) out += std::string(p.sources.text(c.span)) + "\n";
  return out;
}

/// Where two texts part, with the line before; empty when they are equal.
std::string difference(const std::string &a, const std::string &b) {
  if (a == b) return "";
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  size_t from = at > 0 ? a.rfind('\n', at - 1) : 0;
  if (from == std::string::npos) from = 0;
  return "--- first\n" + a.substr(from, 400) + "\n--- second\n" + b.substr(from, 400);
}

/// What must hold of every text that parses.
void checkFormat(const std::string &text) {
  Parsed original(text);
  ASSERT_FALSE(original.diagnostics.hasErrors()) << original.errors() << text;
  std::string once = format(original.tree, original.sources);
  Parsed again(once);
  ASSERT_FALSE(again.diagnostics.hasErrors()) << again.errors() << text;
  ASSERT_EQ(difference(dump(original.tree), dump(again.tree)), "") << once;
  ASSERT_EQ(difference(commentsOf(text), commentsOf(once)), "");
  ASSERT_EQ(difference(once, format(again.tree, again.sources)), "");
}

TEST(FormatLaws, TheCorpusKeepsItsTreeAndComments) {
  std::vector<std::string> all = corpus();
  ASSERT_GE(all.size(), 3u);
  for (const std::string &text : all) checkFormat(text);
}

TEST(FormatLaws, ACommentMayStandBetweenAnyTwoTokens) {
  for (const std::string &text : corpus()) {
    Parsed p(text);
    std::vector<Token> tokens = tokenize(p.file, p.diagnostics).tokens;
    for (const char *comment : {" // c\n", "\n// c\n", "/* c */", "\n/* c\n d */\n", "  // c\n\n\n // d\n"})
      for (size_t i = 0; i < tokens.size(); i += 11) {
        std::string with = text.substr(0, tokens[i].begin) + comment + text.substr(tokens[i].begin);
        checkFormat(with);
        if (HasFatalFailure()) return;
      }
  }
}

/// The programs of the repository that parse, by path.
std::vector<std::pair<std::string, std::string>> programs() {
  std::vector<std::filesystem::path> paths;
  for (const char *folder : {"/std", "/examples", "/test"})
    for (const auto &entry : std::filesystem::recursive_directory_iterator(std::string(MLR_SOURCE_DIR) + folder))
      if (entry.path().extension() == ".mlr") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto &path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (Parsed p(text.str()); !p.diagnostics.hasErrors()) out.push_back({path.string(), text.str()});
  }
  return out;
}

TEST(FormatLaws, EveryProgramOfTheRepositoryKeepsItsTreeAndComments) {
  auto all = programs();
  ASSERT_GE(all.size(), 20u);
  for (const auto &[path, text] : all) {
    SCOPED_TRACE(path);
    checkFormat(text);
    if (HasFatalFailure()) return;
  }
}

/// `text` with spaces and comments at random between its tokens, next to its own.
std::string spacedAtRandom(const std::string &text, uint32_t &state) {
  auto random = [&](size_t n) { return (state = state * 1664525u + 1013904223u) / 65536 % n; };
  const char *gaps[] = {" ",
                        "\n",
                        "\n\n\n",
                        "\t ",
                        " /* c */ ",
                        " // c\n",
                        "\n// c\n",
                        "/* a\n   b */",
                        "\n/* c */\n",
                        "\n/// d\n",
                        " // c\n// d\n",
                        "\n/* c */ // d\n",
                        "/* c */ /* d\n */ /* e */",
                        "/* a\n   b */ // d\n"};
  Parsed p(text);
  std::string spaced;
  uint32_t last = 0;
  for (const Token &t : tokenize(p.file, p.diagnostics).tokens) {
    spaced += text.substr(last, t.begin - last);
    if (random(20) == 0) spaced += gaps[random(std::size(gaps))];
    spaced += text.substr(t.begin, t.end - t.begin);
    last = t.end;
  }
  return spaced;
}

TEST(FormatLaws, AnySpacesAndCommentsBetweenTokensAreKept) {
  std::vector<std::pair<std::string, std::string>> all = programs();
  for (int k = 0; k < 12; ++k) all.push_back({"corpus", corpus()[static_cast<size_t>(k) % corpus().size()]});
  for (uint32_t seed : {11u, 90u, 170u, 232u}) {
    uint32_t state = seed;
    for (const auto &[path, text] : all) {
      std::string spaced = spacedAtRandom(text, state);
      SCOPED_TRACE(path + "\n" + spaced.substr(0, 2000));
      checkFormat(spaced);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(FormatLaws, OneLineAndOneTokenALineGiveTheSameTree) {
  for (const std::string &text : corpus()) {
    Parsed p(text);
    for (const char *separator : {" ", "\n"}) {
      std::string joined;
      for (const Token &t : tokenize(p.file, p.diagnostics).tokens)
        joined += std::string(p.sources.text(Span{p.file, t.begin, t.end})) + separator;
      checkFormat(joined);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(FormatLaws, WhatParsesAfterAMutationKeepsTheLaws) {
  uint32_t state = 7;
  auto random = [&](size_t n) {
    return (state = state * 1664525u + 1013904223u) / 65536 % std::max<size_t>(n, 1);
  };
  int parsed = 0;
  for (const std::string &text : corpus()) {
    Parsed p(text);
    std::vector<Token> tokens = tokenize(p.file, p.diagnostics).tokens;
    for (int k = 0; k < 200; ++k) {
      const Token &a = tokens[random(tokens.size())], &b = tokens[random(tokens.size())];
      std::string replacement(p.sources.text(Span{p.file, b.begin, b.end}));
      std::string mutated =
          text.substr(0, a.begin) + " " + replacement + " " + text.substr(k % 2 ? a.end : a.begin);
      Parsed m(mutated);
      m.errors();
      if (m.diagnostics.hasErrors()) continue;
      ++parsed;
      checkFormat(mutated);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(parsed, 10);
}

TEST(Format, SpacesAreCanonical) {
  EXPECT_EQ(inNode("y=-a*( b+c )-pre   x[ i,1 .. 2 ,i..+n] ;(a,b)=f( x ,until=d)every r;"),
            "  y = -a * (b + c) - pre x[i, 1..2, i ..+ n];\n  (a, b) = f(x, until = d) every r;\n");
}

TEST(Format, BlankLinesAreKeptButOnlyOne) {
  EXPECT_EQ(inNode("\n\n a = 1;\n\n\n\n b = 2;\n c = 3;\n\n"), "  a = 1;\n\n  b = 2;\n  c = 3;\n");
}

TEST(Format, CommentsKeepTheirPlace) {
  EXPECT_EQ(inNode("// before\na = 1; // behind\n   // own\n\n // apart\nb = f(1, // first\n 2);\n// last"),
            "  // before\n  a = 1;  // behind\n  // own\n\n  // apart\n  b = f(1,  // first\n        2);\n  "
            "// last\n");
  EXPECT_EQ(formatted("/// doc\nimport a; /* b */ // c\n"), "/// doc\nimport a;  /* b */  // c\n");
}

TEST(Format, ACommentBehindABlockCommentStaysBehindIt) {
  std::string wanted = "  t: (f32,\n      i32 /* a\n  b */  // c\n      ) = y;\n";
  EXPECT_EQ(inNode("t: (f32, (i32 /* a\n  b */) // c\n) = y;"), wanted); // the inner parentheses go
  EXPECT_EQ(inNode(wanted), wanted);
  EXPECT_EQ(inNode("/* a\n b */ // c\ny = x;\n/* d */ // e\n"),
            "  /* a\n b */  // c\n  y = x;\n  /* d */  // e\n");
}

TEST(Format, LongExpressionsBreakBeforeOperatorsAndBehindCommas) {
  EXPECT_EQ(
      inNode("y = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb * "
             "ccccccccccccccccccccc - "
             "f(ddddddddddddddddddddddddddd, eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee, "
             "ggggggggggggggggggggggggggggg);"),
      R"(  y = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb * ccccccccccccccccccccc
      - f(ddddddddddddddddddddddddddd, eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee,
          ggggggggggggggggggggggggggggg);
)");
}

TEST(Format, LongSignaturesBreakBetweenParameters) {
  EXPECT_EQ(
      formatted(
          "node smooth<<N, M: size>>(xxxxxxxxxxxxxxxxxxxxxxx: f32[N], yyyyyyyyyyyyyyyyyyyyyyy: f32[M], p, q: "
          "f32[N, M]) -> (zzzzzzzzzzzzzzzzz: f32[N]) { }"),
      R"(node smooth<<N, M: size>>(xxxxxxxxxxxxxxxxxxxxxxx: f32[N], yyyyyyyyyyyyyyyyyyyyyyy: f32[M],
                          p, q: f32[N, M]) -> (zzzzzzzzzzzzzzzzz: f32[N]) {}
)");
}

TEST(Format, AShortBlockStaysOnTheLineWhereTheAuthorWroteIt) {
  EXPECT_EQ(inNode("if c { a = 1; } else {\n a = 2; }"), "  if c { a = 1; } else {\n    a = 2;\n  }\n");
}

TEST(Format, ALongStructHasOneFieldALine) {
  std::string text = "struct S { aaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: f32[2], "
                     "ccccccccccccccccccccccccccccccccccc: f32 }";
  EXPECT_EQ(formatted(text),
            "struct S {\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: f32[2],\n"
            "  ccccccccccccccccccccccccccccccccccc: f32,\n}\n");
}

TEST(Format, DeepTreesStayLinear) {
  std::string deep = "a";
  for (int i = 0; i < 1500; ++i) deep = "f(" + deep + ", b)";
  std::string out = formatted("fun g() -> () { y = " + deep + "; }");
  EXPECT_LT(out.size(), 500000u);
}

} // namespace
