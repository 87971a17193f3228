// The formatter, private to this folder. It walks the tree and the tokens of the file in step: the tree says
// how things nest, each token is printed once, and comments are printed in front of the token that they
// precede. So nothing can be lost; if tree and tokens ever disagree the text is returned as it is.
#pragma once

#include "mlr/Ast/Ast.h"
#include "mlr/Ast/Layout.h"
#include "mlr/Ast/Lexer.h"

#include <algorithm>

namespace mlr::ast {

class Formatter {
public:
  Formatter(const File &tree, const SourceMap &sources);
  std::string run();

private:
  // ---- tokens
  const Token &next() const { return tokens[std::min(pos, tokens.size() - 1)]; }
  bool nextIs(Tok kind) const { return next().kind == kind; }
  std::string_view text(const Token &t) const { return source.substr(t.begin, t.end - t.begin); }
  std::string_view textOf(Span s) const { return source.substr(s.begin, s.end - s.begin); }
  /// Prints the next token, which must be of this kind.
  void token(Tok kind);
  void any();
  void space() { line.text(" "); }
  /// A trailing comma is not canonical.
  void dropComma();
  void skip(Tok kind);
  bool hasComment() const {
    return nextComment < comments.size() && comments[nextComment].span.begin < next().begin;
  }

  // ---- lines (Format.cpp)
  /// Starts the line of a declaration, statement or `}`: comments and a blank line before it come first.
  void startLine(bool blankAllowed = true);
  void flushLine();
  void closeLines();
  void putComment(const Comment &c, bool &blankAllowed);
  bool blankBefore(uint32_t offset) const;
  void newLine();

  // ---- declarations (Format.cpp)
  void decl(const Decl &d);
  void members(const Decl &d);
  void member(const Decl &d, size_t &i);
  void names(size_t &i);
  void node(const Decl &d);
  void params(const std::vector<Param> &params);
  void staticParams(const std::vector<StaticParam> &params);
  void kind(const StaticParam &p);
  void typeList(const std::vector<TypeExpr> &types);

  // ---- types (FormatExpr.cpp)
  void type(const TypeExpr &t);
  void qualifiedName();
  void staticArgs(const std::vector<StaticArg> &args);
  void clock(const ClockExpr &c);

  // ---- statements (FormatStmt.cpp)
  void block(const Block &b, const Arm *state = nullptr);
  bool blockOnOneLine(const Block &b, const Arm *state);
  void blockItems(const Block &b, const Arm *state, bool oneLine);
  void stmt(const Stmt &s);
  void equation(const Stmt &s);
  void annotation(const Annotation &a);
  void scan(const Stmt &s);
  void ifStmt(const Stmt &s);
  void match(const Stmt &s);
  void automaton(const Stmt &s);
  void transitions(const std::vector<Transition> &list, size_t &at);

  // ---- expressions (FormatExpr.cpp)
  void expr(const Expr &e);
  void bare(const Expr &e);
  void optional(const ExprPtr &e) {
    if (e) expr(*e);
  }
  void unary(const Expr &e);
  void chain(const Expr &e);
  void ifExpr(const Expr &e);
  void call(const Expr &e);
  void list(const Expr &e);
  void fors(const Expr &e);
  void indexing(const Expr &e);
  void braced(const Expr &e);
  void separated(const std::vector<ExprPtr> &list);

  const File &tree;
  std::string_view source;
  std::vector<Token> tokens;
  const std::vector<Comment> &comments;
  size_t pos = 0, nextComment = 0;
  Layout line;
  std::string out;
  int indent = 0;
  uint32_t lastEnd = 0; // of the last token or comment that was printed
  bool failed = false;
};

} // namespace mlr::ast
