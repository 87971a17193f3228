// The recursive-descent parser, private to this folder. One member function a production of the grammar; the
// definitions are in Parse*.cpp.
//
// Errors: the first one of a statement is reported and sets `panic`. While it is set no token is seen (at()
// is false everywhere) and nothing is reported, so every production returns at once with what it has; the
// statement or declaration loop then skips to a place where it can go on and clears it.
#pragma once

#include "mlr/Ast/Lexer.h"
#include "mlr/Ast/Parser.h"

#include <algorithm>

namespace mlr::ast {

class Parser {
public:
  Parser(uint32_t file, Diagnostics &diagnostics);
  File run();

private:
  // ---- tokens (Parser.cpp)
  const Token &token(size_t ahead = 0) const { return tokens[std::min(pos + ahead, tokens.size() - 1)]; }
  bool at(Tok kind) const { return !panic && tokens[pos].kind == kind; }
  bool at(Tok kind, Tok next) const { return at(kind) && token(1).kind == next; }
  bool atWord(std::string_view word) const { return at(Tok::Identifier) && text(token()) == word; }
  bool atEnd() const { return panic || tokens[pos].kind == Tok::End; }
  void advance();
  bool accept(Tok kind);
  bool acceptWord(std::string_view word);
  /// Takes the token or reports "expected `;` WHERE, found ...".
  bool expect(Tok kind, std::string_view where);
  /// Takes the closing bracket of the one at token `open`.
  bool expectClose(Tok kind, size_t open, std::string_view where);
  Name expectName(std::string_view what);
  std::string_view text(const Token &t) const { return source.substr(t.begin, t.end - t.begin); }
  Span span(const Token &t) const { return {file, t.begin, t.end}; }
  Span spanFrom(uint32_t begin) const { return {file, begin, std::max(begin, previousEnd())}; }
  uint32_t previousEnd() const { return pos == 0 ? 0 : tokens[pos - 1].end; }

  // ---- errors (Parser.cpp)
  /// Reports and panics. Null when already panicking, or when the lexer has reported the token.
  Diagnostic *error(Span span, std::string title, std::string label = "");
  Diagnostic *unexpected(std::string_view expected);
  std::string describe(const Token &t) const;
  void tooDeep();

  // ---- recovery (Recovery.cpp)
  void skipStatement();
  void skipToDeclaration();
  /// After an error in the head of something with a body: true when its `{` was found.
  bool skipToBody();
  size_t skipBraces();

  // ---- declarations (ParseDecl.cpp)
  std::unique_ptr<Decl> parseDecl();
  void parseImport(Decl &d);
  void parseConst(Decl &d);
  void parseEnum(Decl &d);
  void parseStruct(Decl &d);
  void parseNode(Decl &d);
  void parseNodeTail(Decl &d);
  void expectBodyOrSemicolon(Decl &d, Span head);
  std::vector<Param> parseParams(std::string_view what);
  std::vector<StaticParam> parseStaticParams();
  void parseKind(StaticParam &p);
  std::vector<TypeExpr> parseFunctionRange();
  std::string takeDoc();
  /// names ":" and then `each` for every name, with the parser standing at the type each time.
  template <class F> void parseNameGroup(std::string_view what, F each);

  // ---- types (ParseType.cpp)
  TypeExpr parseType();
  void parseTypeBody(TypeExpr &t);
  std::unique_ptr<ClockExpr> parseClockOpt();
  std::unique_ptr<ClockExpr> parseWhenCondition(bool noStruct);
  std::vector<StaticArg> parseStaticArgs();
  StaticArg parseStaticArg();
  Name parseQualifiedName(std::string_view what);
  Name parseConstructor();

  // ---- statements (ParseStmt.cpp)
  Block parseBlock(std::string_view of);
  void parseStatements(Block &block, size_t open);
  std::unique_ptr<Stmt> parseStmt();
  void parseStmtKind(Stmt &s);
  void parseEquation(Stmt &s);
  void parseTupleEquation(Stmt &s);
  void parseValue(Stmt &s);
  void parseScan(Stmt &s);
  void parseIf(Stmt &s);
  void parseMatch(Stmt &s);
  void parseAutomaton(Stmt &s);
  Arm parseState();
  void parseTransitions(Arm &state);
  Annotation parseAnnotation();
  bool isTupleOfTargets() const;
  ExprPtr parseHeadExpr();
  bool atTransition() const;
  bool closeBlock(size_t open, std::string_view of);
  int indentation(size_t i) const;

  // ---- expressions (ParseExpr.cpp, ParsePrimary.cpp)
  enum Precedence : int { PArrow, PSeq, PWhen, POr, PAnd, PNot, PCompare, PAdd, PMul, PUnary };
  ExprPtr parseExpr() { return parseLevel(PArrow); }
  ExprPtr parseAdd() { return parseLevel(PAdd); }
  ExprPtr parseLevel(int minimum);
  ExprPtr parseOperand(int minimum);
  ExprPtr parseOperators(ExprPtr left, int minimum, uint32_t begin);
  ExprPtr parseBinary(ExprPtr left, uint32_t begin);
  ExprPtr parseWhenSuffix(ExprPtr left, uint32_t begin);
  bool checkOperands(const Expr &e, const Token &op);
  std::string written(const Expr &e) const;
  ExprPtr parseUnary();
  ExprPtr parsePrefix(Op op);
  ExprPtr parseIfExpr();
  ExprPtr parsePostfix();
  /// What follows an operand: `.field`, `[index]`, any number of them.
  ExprPtr parseSuffixes(ExprPtr e, uint32_t begin);
  ExprPtr parseSuffix(ExprPtr base, uint32_t begin);
  ExprPtr parseIndexing(ExprPtr base, uint32_t begin);
  Index parseIndex();
  ExprPtr parsePrimary();
  ExprPtr parseLiteral();
  ExprPtr parseNumber();
  ExprPtr parseNamed();
  size_t qualifiedLength() const;
  ExprPtr parseCall(ExprPtr e);
  void parseArguments(Expr &e);
  ExprPtr parseStructLiteral(ExprPtr e);
  ExprPtr parseParenthesised();
  ExprPtr parseList();
  ExprPtr parseUpdate();
  ExprPtr parseMerge();
  ExprPtr parseMergeArms(ExprPtr e, uint32_t begin);
  void parseFieldValues(Expr &e, std::string_view of);
  void parseFors(Expr &e);
  ExprPtr make(ExprKind kind, uint32_t begin) const;
  ExprPtr finish(ExprPtr &&e, uint32_t begin) const;

  /// One level of the tree and of the stack. `height` is the height of what was parsed so far inside the
  /// innermost Level; together with `depth` it bounds the depth of every tree, chains included.
  class Level {
  public:
    explicit Level(Parser &p) : p(p), outer(p.height) {
      p.height = 0;
      if (++p.depth > maxDepth) p.tooDeep();
    }
    ~Level() {
      --p.depth;
      p.height = std::max(outer, p.height + 1);
    }
    Level(const Level &) = delete;

  private:
    Parser &p;
    int outer;
  };

  /// Sets a variable for the time of a scope.
  template <class T> class Scoped {
  public:
    Scoped(T &variable, T value) : variable(variable), saved(variable) { variable = value; }
    ~Scoped() { variable = saved; }
    Scoped(const Scoped &) = delete;

  private:
    T &variable, saved;
  };

  uint32_t file;
  Diagnostics &diagnostics;
  std::string_view source;
  std::vector<Token> tokens;
  std::vector<Comment> comments;
  size_t pos = 0;
  size_t nextComment = 0; // the first one that takeDoc() has not passed
  bool panic = false;
  int depth = 0, height = 0;
  int openBraces = 0;    // braces of expressions around the current token
  bool noStruct = false; // x° of the grammar: a name followed by `{` is no struct literal
  size_t suspect = 0;    // the first `{` of this declaration whose `}` is not aligned with its line; 0: none
  bool inStaticArgs = false; // a name with << >> may stand alone there
};

} // namespace mlr::ast
