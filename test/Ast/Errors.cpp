#include "Dump.h"

#include <gtest/gtest.h>

using namespace mlr;
using namespace mlr::ast;

namespace {

/// "line:column title" of every error, one a line.
std::string errors(const std::string &text) {
  Parsed p(text);
  std::string out;
  for (const Diagnostic *d : p.diagnostics.sorted()) {
    LineColumn at = p.sources.lineColumn(p.file, d->labels[0].span.begin);
    out += std::to_string(at.line) + ":" + std::to_string(at.column) + " " + d->title + "\n";
  }
  return out;
}

std::string inNode(const std::string &text) {
  return errors("node f(x: f32) -> (y: f32) {\n" + text + "\n}\n");
}

std::string helps(const std::string &text) {
  Parsed p("node f(x: f32) -> (y: f32) {\n" + text + "\n}\n");
  std::string out;
  for (const Diagnostic *d : p.diagnostics.sorted())
    for (const std::string &h : d->helps) out += h + "\n";
  return out;
}

TEST(Recovery, AMissingSemicolonLosesNothing) {
  EXPECT_EQ(inNode("  a = x\n  b = 1;\n  c = ;\n"), "2:8 expected `;` after this equation, found `b`\n"
                                                    "4:7 expected an expression, found `;`\n");
  EXPECT_EQ(inNode("  a = x"), "2:8 expected `;` after this equation, found `}`\n");
  EXPECT_EQ(errors("node f() -> () { a = x }"), "1:23 expected `;` after this equation, found `}`\n");
}

TEST(Recovery, EveryBrokenStatementIsReportedOnce) {
  EXPECT_EQ(inNode("a = (1 + ;\nb = f(1, 2;\nc = x[1;\nd = 1;\ne = D { w = 1;\n"),
            "2:10 expected an expression, found `;`\n"
            "3:11 expected `)` or `,` in the arguments of `f`, found `;`\n"
            "4:8 expected `]` or `,` in this index, found `;`\n"
            "6:14 expected `}` or `,` in this `D`, found `;`\n");
}

TEST(Recovery, ABrokenHeadStillHasItsBodyChecked) {
  EXPECT_EQ(inNode("scan t T {\n a = ;\n}\nb = ;"),
            "2:8 expected `<` and the number of instants after the index of the scan, found `T`\n"
            "3:6 expected an expression, found `;`\n"
            "5:5 expected an expression, found `;`\n");
  EXPECT_EQ(errors("node f(x f32) -> (y: f32) {\n y = ;\n}"),
            "1:10 expected `:` and a type after this name, found `f32`\n"
            "2:6 expected an expression, found `;`\n");
}

TEST(Recovery, ADeclarationEndsWhateverIsOpen) {
  EXPECT_EQ(errors("node f() -> () { if c { a = 1;\nnode g() -> () { b = ; }"),
            "2:1 expected `}` after the equations of this `if`, found `node`\n"
            "2:22 expected an expression, found `;`\n");
}

TEST(Recovery, AMissingBraceIsLookedForByIndentation) {
  Parsed p("node f() -> () {\n  if c {\n    a = 1;\n  b = 2;\n}\nnode g() -> () { }\n");
  EXPECT_EQ(p.errors(), R"(error[syntax]: expected `}` after the body of `f`, found `node`
  --> test.mlr:6:1
  1 | node f() -> () {
    |                - this `{` is not closed
  2 |   if c {
    |        - perhaps because this one took its `}`: they are not aligned
  6 | node g() -> () { }
    | ^^^^
)");
}

TEST(Recovery, TextOutsideDeclarationsIsOneError) {
  EXPECT_EQ(errors("x = 1;\ny = 2;\nnode f() -> () { }\n}\n}"),
            "1:1 expected a declaration, found `x`\n4:1 this `}` closes nothing\n");
}

TEST(Recovery, LexicalErrorsAreNotReportedTwice) {
  EXPECT_EQ(
      inNode("a = b # c;\nd = \"abc;\ne = 1__0;\ng = $;\n"),
      "2:7 `#` is not part of the language\n3:5 this string is never closed\n4:5 this number is malformed\n"
      "5:5 `$` is not part of the language\n");
  EXPECT_EQ(errors("/* abc"), "1:1 this comment is never closed\n");
}

TEST(Messages, ComparisonsDoNotChain) {
  EXPECT_EQ(inNode("a = 0 < x < 1;"), "2:11 comparisons do not chain\n");
  EXPECT_EQ(inNode("a = (0 < x) == (x < 1);"), "");
}

TEST(Messages, FbyAndEbyNeedParentheses) {
  EXPECT_EQ(inNode("a = b fby c eby d;"), "2:7 `fby` and `eby` beside each other need parentheses\n");
  EXPECT_EQ(inNode("a = b eby c fby d;"), "2:13 `fby` and `eby` beside each other need parentheses\n");
  EXPECT_EQ(helps("a = b eby c fby d;"), "either  (b eby c) fby d\nor      b eby (c fby d)\n");
}

TEST(Messages, AMisspeltDeclarationIsAnswered) {
  Parsed p("nod main() -> () { }\n");
  EXPECT_EQ(p.diagnostics.sorted().at(0)->helps, std::vector<std::string>{"did you mean `node`?"});
}

TEST(Messages, AMissingBracketIsMissedAtTheEndOfItsLine) {
  EXPECT_EQ(inNode("a = (b + c\nd = 1;"), "2:11 expected `)` or an operator, found `d`\n");
}

TEST(Messages, TheConditionOfWhenIsOneTerm) {
  EXPECT_EQ(inNode("a = x when b and c;"), "2:14 the condition of `when` ends before `and`\n");
  EXPECT_EQ(inNode("a = x when b == 3;"),
            "2:17 expected the name of a constructor after `==` in a clock, found `3`\n");
}

TEST(Messages, NotBindsWeakerThanComparison) {
  EXPECT_EQ(inNode("a = b == not c;"), "2:10 `not` binds weaker than the operator before it\n");
  EXPECT_EQ(inNode("a = pre not c;"), "2:9 `not` binds weaker than the operator before it\n");
}

TEST(Messages, KeywordsAreNoNames) {
  EXPECT_EQ(inNode("final = 1;"), "2:1 expected an equation, found `final`\n");
  EXPECT_EQ(inNode("a = scan;"), "2:5 expected an expression, found `scan`\n");
}

TEST(Messages, OtherLanguagesAreAnswered) {
  EXPECT_EQ(helps("a = b && c;"), "write `and`; for the bits of integers, `bitand(a, b)`\n");
  EXPECT_EQ(helps("a = !c;"), "write `not`\n");
  EXPECT_EQ(helps("a = b ** c;"), "write a power as `pow(a, b)`\n");
  EXPECT_EQ(helps("a = if b = c then d else e;"), "equality is written `==`\n");
  EXPECT_EQ(helps("a = 2x;"), "write `2 * x`\n");
  EXPECT_EQ(helps("a, b = f(x);"), "(a, b) = ..;\n");
}

TEST(Messages, ABodyIsNeededExactlyWithoutExtern) {
  EXPECT_EQ(errors("fun f() -> ();"), "1:14 `f` has no body\n");
  EXPECT_EQ(errors("extern fun f() -> () { y = 1; }"), "1:22 `extern` declares `f` without a body\n");
}

TEST(Messages, AManyNamedGroupIsRefused) {
  std::string names = "a0";
  for (int i = 1; i < 300; ++i) names += ", a" + std::to_string(i);
  EXPECT_NE(errors("node f(" + names + ": f32) -> () { }").find("more than 256 names share one type"),
            std::string::npos);
}

TEST(Depth, NestedTextIsRefusedOnceInsteadOfOverflowing) {
  auto repeated = [](const char *s, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += s;
    return out;
  };
  for (const std::string &text :
       {"y = " + repeated("(", 10000) + "a" + repeated(")", 10000) + ";",
        "y = " + repeated("a + ", 100000) + "a;",
        "y = " + repeated("{", 100000) + "a" + repeated("}", 100000) + ";",
        "y = " + repeated("- ", 100000) + "a;", "y = " + repeated("a -> ", 100000) + "a;",
        "y = a" + repeated(".b", 100000) + ";", "y = a" + repeated(" when c", 100000) + ";",
        "y = " + repeated("if c then ", 100000) + ";", repeated("if c { ", 100000) + repeated("}", 100000),
        repeated("when c { ", 100000) + repeated("}", 100000),
        "if c { }" + repeated(" else if c { }", 100000), "y: " + repeated("(", 100000) + "f32 = 1;",
        "y = f" + repeated("<<f", 100000) + ";", "y = " + repeated("[", 100000) + ";"}) {
    Parsed p("node f() -> () {\n" + text + "\nz = ;\n}");
    std::vector<const Diagnostic *> all = p.diagnostics.sorted();
    ASSERT_EQ(all.size(), 2u) << text.substr(0, 40) << p.errors().substr(0, 3000);
    EXPECT_STREQ(all[0]->kind->name, "too-deep");
    EXPECT_STREQ(all[1]->kind->name, "syntax");
  }
}

TEST(Depth, WhatIsWithinTheLimitParses) {
  std::string chain = "a", parens = "a";
  for (int i = 0; i < 1900; ++i) chain += " + a";
  for (int i = 0; i < 1900; ++i) parens = "(" + parens + ")";
  EXPECT_EQ(inNode("y = " + chain + ";\nz = " + parens + ";"), "");
  std::string wide = "f(a + b";
  for (int i = 0; i < 5000; ++i) wide += ", a + b * (c - x.y[0])";
  EXPECT_EQ(inNode("y = " + wide + ");"), "");
}

TEST(Robustness, AnyBytesEndInATree) {
  std::string nul("node f\0() -> ()", 15);
  for (const std::string &text : {nul, std::string("\xFF\xFE\x80"), std::string(""), std::string("\r\n\r\n"),
                                  std::string("\""), std::string("\"\\"), std::string("/"), std::string("/*"),
                                  std::string("0x"), std::string("\xEF\xBB\xBFimport a;")}) {
    Parsed p(text);
    p.errors();
  }
  EXPECT_EQ(errors("\xEF\xBB\xBFimport a;\r\nimport b;"), "");
}

TEST(Robustness, ABinaryFileIsNotAThousandErrors) {
  std::string bytes;
  uint32_t state = 1;
  for (int i = 0; i < 100000; ++i) bytes += static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  EXPECT_LT(Parsed(bytes).diagnostics.errorCount(), 100u);
}

} // namespace
