#include "Dump.h"

#include <gtest/gtest.h>

using namespace mlr;
using namespace mlr::ast;

namespace {

/// The tree of one expression, or the errors.
std::string tree(const std::string &expression) {
  Parsed p("node f() -> () { y = " + expression + "; }");
  if (p.diagnostics.hasErrors()) return p.errors();
  return dump(*p.tree.decls.at(0)->body.stmts.at(0)->value);
}

/// The tree of the statements of one node, or the errors.
std::string statements(const std::string &text) {
  Parsed p("node f() -> () { " + text + " }");
  if (p.diagnostics.hasErrors()) return p.errors();
  std::string all = dump(p.tree);
  size_t begin = all.find(" {") + 2;
  return all.substr(begin, all.size() - begin - 3);
}

TEST(Precedence, ArithmeticIsLeftAssociative) {
  EXPECT_EQ(tree("a - b - c * d / e"), "(- (- a b) (/ (* c d) e))");
  EXPECT_EQ(tree("a @ b % c + d"), "(+ (% (@ a b) c) d)");
  EXPECT_EQ(tree("a - (b - c)"), "(- a <(- b c)>)");
}

TEST(Precedence, PrefixOperatorsBindTighterThanProducts) {
  EXPECT_EQ(tree("-a * pre b"), "(* (- a) (pre b))");
  EXPECT_EQ(tree("- final pre -x.w[0]"), "(- (final (pre (- (index (field 'w' x) [ 0 null])))))");
  EXPECT_EQ(tree("last u + initial v"), "(+ (unary 'u') (initial v))");
}

TEST(Precedence, LogicIsBelowComparison) {
  EXPECT_EQ(tree("not a < b and c or d == e + 1"), "(or (and (not (< a b)) c) (== d (+ e 1)))");
  EXPECT_EQ(tree("not not a"), "(not (not a))");
}

TEST(Precedence, TimeOperatorsAreLoosest) {
  EXPECT_EQ(tree("a -> b -> c + 1"), "(-> a (-> b (+ c 1)))");
  EXPECT_EQ(tree("a fby b fby c or d"), "(fby a (fby b (or c d)))");
  EXPECT_EQ(tree("a eby b eby c"), "(eby (eby a b) c)");
  EXPECT_EQ(tree("a -> b fby c -> d"), "(-> a (-> (fby b c) d))");
  EXPECT_EQ(tree("(a fby b) eby c"), "(eby <(fby a b)> c)");
}

TEST(Precedence, WhenBindsTighterThanFby) {
  EXPECT_EQ(tree("0 fby x when c"), "(fby 0 (when x (when c )))");
  EXPECT_EQ(tree("a + x when c when not d"), "(when (when (+ a x) (when c )) (when-not d ))");
  EXPECT_EQ(tree("x when m == Mode.Brake"), "(when x (when-is m Mode.Brake))");
  EXPECT_EQ(tree("x when every N at 0"), "(when x (every  N 0))");
  EXPECT_EQ(tree("x when (a and b)"), "(when x (when <(and a b)> ))");
}

TEST(Precedence, IfTakesAllThatFollowsElse) {
  EXPECT_EQ(tree("1 + if a then b else c + 2"), "(+ 1 (if a b (+ c 2)))");
  EXPECT_EQ(tree("if a then if b then c else d else e"), "(if a (if b c d) e)");
}

TEST(Expressions, NumbersKeepTheirTextWithoutSeparators) {
  EXPECT_EQ(tree("[1_000, 1e-3, 0xff, 1.5E+3, .5, 2., 1_0.2_5e1_0]"),
            "(list 1000 1e-3 0xff 1.5E+3 .5 2. 10.25e10)");
}

TEST(Expressions, ADotBehindADotEndsANumber) {
  EXPECT_EQ(tree("x[0..4]"), "(index x [..  0 4])");
  EXPECT_EQ(tree("x[.., 1.., ..2, i ..+ 3]"),
            "(index x [..  null null] [..  1 null] [..  null 2] [..+  i 3])");
}

TEST(Expressions, StringsResolveTheirEscapes) {
  EXPECT_EQ(tree(R"("a\n\t\\\"\x41\u{e9}")"), "(string 'a\n\t\\\"A\xC3\xA9')");
}

TEST(Expressions, CallsHaveStaticNamedAndClockedForms) {
  EXPECT_EQ(tree("nn.dense<<I, O = 3, [2, 3], S = [4]>>(p, until = d)"),
            "(call 'nn.dense' << I>> <<O 3>> << shape 2 3>> <<S shape 4>> p until=d)");
  EXPECT_EQ(tree("f(x) every r.t + 1"), "(+ (call 'f' x every (field 't' r)) 1)");
  EXPECT_EQ(tree("f()"), "(call 'f')");
}

TEST(Expressions, StaticArgumentsNestAndCloseByMaximalMunch) {
  EXPECT_EQ(tree("map<<f = g<<h<<3>>>>>>(x)"), "(call 'map' <<f (name 'g' << (name 'h' << 3>>)>>)>> x)");
}

TEST(Expressions, ReductionsAndComprehensionsHaveIndices) {
  EXPECT_EQ(tree("[sum(a[i, k] * b for k < K) for i < N, j < 2 * M]"),
            "(for (reduce 'sum' (* (index a [ i null] [ k null]) b) k<K) i<N j<(* 2 M))");
}

TEST(Expressions, StructsAndMerges) {
  EXPECT_EQ(tree("nn.D<<3>> { w = a, b = [1, 2,], }"), "(struct 'nn.D' << 3>> w=a b=(list 1 2))");
  EXPECT_EQ(tree("{ p with b = 0, w = 1 }"), "(update p b=0 w=1)");
  EXPECT_EQ(tree("merge(c, a, b)"), "(merge3 c a b)");
  EXPECT_EQ(tree("merge m { A: 1, M.B: 2, }"), "(merge m A=1 M.B=2)");
}

TEST(Statements, EquationForms) {
  EXPECT_EQ(statements("a: f32[2] when c = 1; (b, c) = f(x); (d) = 1; ys[t] = h; last u = 0;"),
            "\n (equation a (type f32 dims 2) (when c ) 1)\n (equation b c tuple (call 'f' x))"
            "\n (equation d tuple 1)\n (stacked ys index t h)\n (last u 0)");
}

TEST(Statements, AHeadDoesNotTakeItsBlockForAStruct) {
  EXPECT_EQ(statements("scan t < T { y[t] = x; } if c { a = 1; } when m == A { b = 1; }"),
            "\n (scan index t bound T {\n (stacked y index t x)})\n (if condition c {\n (equation a 1)})"
            "\n (when (when-is m A) {\n (equation b 1)})");
  EXPECT_EQ(statements("if f(D { w = 1 }) { a = 1; }"),
            "\n (if condition (call 'f' (struct 'D' w=1)) {\n (equation a 1)})");
}

TEST(Statements, ContextualWordsAreOrdinaryNames) {
  EXPECT_EQ(
      statements(
          "state = at; until = resume; with = derivative; automaton { state state { until = 1; until until "
          "then state; } }"),
      "\n (equation state at)\n (equation until resume)\n (equation with derivative)"
      "\n (automaton arm state {\n (equation until 1)} (until then state until))");
}

TEST(Statements, ScansHaveResumeAndUntil) {
  EXPECT_EQ(statements("@spread scan t < T + 1 resume until c or d { a = 1; }"),
            "\n (scan @spread index t bound (+ T 1) resume condition (or c d) {\n (equation a 1)})");
}

TEST(Statements, TransitionsKeepTheirOrder) {
  EXPECT_EQ(
      statements(
          "automaton { state A { until c then B | d continue A; unless e then B; x = 1; } state B { } }"),
      "\n (automaton arm A {\n (equation x 1)} (unless then B e) (until then B c) (until continue A d)"
      " arm B {})");
}

TEST(Statements, AnnotationsHaveUnits) {
  EXPECT_EQ(statements("@ram(64K) @place(N + 1) x = a;"), "\n (equation @ram 64K @place (+ N 1) x a)");
}

TEST(Declarations, NamesOfOneTypeAreSeparateParameters) {
  Parsed p("node f<<D, H: size, g: (f32) -> (f32, i32) = h>>(a, b: f32[D] when c, c: bool) -> (y: (f32, "
           "i32)) at 50 Hz;");
  EXPECT_EQ(dump(p.tree),
            "(node f\n (static D (type size))\n (static H (type size))"
            "\n (static g function (type f32) -> (type f32) (type i32) h)"
            "\n (inputs a (type f32 dims D) (when c ) b (type f32 dims D) (when c ) c (type bool))"
            "\n (outputs y (type  (type f32) (type i32))) rate 50 Hz)\n");
}

TEST(Declarations, DocumentationBelongsToTheNextDeclaration) {
  Parsed p(
      "/// one\n///\n///  two\nconst A: i32 = 1;\n// no\n//// no\nconst B: i32 = 2; /// three\nimport m;");
  ASSERT_EQ(p.tree.decls.size(), 3u);
  EXPECT_EQ(p.tree.decls[0]->doc, "one\n\n two");
  EXPECT_EQ(p.tree.decls[1]->doc, "");
  EXPECT_EQ(p.tree.decls[2]->doc, "three");
}

TEST(Spans, OperatorsAndParenthesesAreInside) {
  Parsed p("fun f() -> () { y = (a + (b)) * c; }");
  const Expr &e = *p.tree.decls[0]->body.stmts[0]->value;
  EXPECT_EQ(p.sources.text(e.span), "(a + (b)) * c");
  EXPECT_EQ(p.sources.text(e.nameSpan), "*");
  EXPECT_EQ(p.sources.text(e.args[0]->span), "a + (b)");
  EXPECT_EQ(p.sources.text(p.tree.decls[0]->body.span), "{ y = (a + (b)) * c; }");
}

} // namespace
