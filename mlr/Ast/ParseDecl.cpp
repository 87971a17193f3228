#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

/// Names before one type; the tree repeats the type for each of them.
static constexpr size_t maxNamesInGroup = 256;

/// Insertions, deletions and replacements that make one word of the other; for short words.
static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// The keyword of a declaration that a word may have been meant to be, or null.
static const char *nearKeyword(std::string_view word) {
  if (word == "function" || word == "def" || word == "fn") return "fun";
  if (word.size() < 3 || word.size() > 10) return nullptr;
  for (Tok kind :
       {Tok::KwNode, Tok::KwFun, Tok::KwConst, Tok::KwEnum, Tok::KwStruct, Tok::KwImport, Tok::KwExtern})
    if (editDistance(word, spelling(kind)) <= (word.size() > 4 ? 2u : 1u)) return spelling(kind);
  return nullptr;
}

std::string Parser::takeDoc() {
  std::string doc;
  for (; nextComment < comments.size() && comments[nextComment].span.begin < token().begin; ++nextComment) {
    const Comment &c = comments[nextComment];
    std::string_view line = source.substr(c.span.begin, c.span.end - c.span.begin);
    if (line.substr(0, 3) != "///" || line.substr(0, 4) == "////" || c.span.begin < previousEnd()) continue;
    line.remove_prefix(line.substr(0, 4) == "/// " ? 4 : 3);
    doc += (doc.empty() ? "" : "\n") + std::string(line);
  }
  return doc;
}

std::unique_ptr<Decl> Parser::parseDecl() {
  auto d = std::make_unique<Decl>();
  d->doc = takeDoc();
  suspect = 0;
  uint32_t begin = token().begin;
  d->isExtern = accept(Tok::KwExtern);
  Tok kind = token().kind;
  if (d->isExtern && kind != Tok::KwNode && kind != Tok::KwFun) {
    unexpected("`node` or `fun` after `extern`");
    return nullptr;
  }
  switch (kind) {
  case Tok::KwImport: parseImport(*d); break;
  case Tok::KwConst: parseConst(*d); break;
  case Tok::KwEnum: parseEnum(*d); break;
  case Tok::KwStruct: parseStruct(*d); break;
  case Tok::KwNode:
  case Tok::KwFun: parseNode(*d); break;
  case Tok::RBrace: error(span(token()), "this `}` closes nothing"); return nullptr;
  default:
    if (Diagnostic *e = unexpected("a declaration")) {
      if (const char *meant = nearKeyword(text(token())))
        e->helps = {"did you mean `" + std::string(meant) + "`?"};
      e->notes = {
          "a file is made of `import`, `const`, `enum`, `struct`, `node` and `fun` declarations; equations "
          "stand in the body of a `node` or `fun`"};
    }
    return nullptr;
  }
  d->span = spanFrom(begin);
  if (d->name.text.empty()) return nullptr;
  return d;
}

void Parser::parseImport(Decl &d) {
  d.kind = DeclKind::Import;
  advance();
  d.name = expectName("the name of a module after `import`");
  expect(Tok::Semicolon, "after this import");
}

void Parser::parseConst(Decl &d) {
  d.kind = DeclKind::Const;
  advance();
  d.name = expectName("a name after `const`");
  if (at(Tok::Assign)) {
    if (Diagnostic *e = unexpected("`:` and a type after the name of the constant"))
      e->helps = {"const " + d.name.text + ": f32 = ..;"};
  }
  expect(Tok::Colon, "and a type after the name of the constant");
  d.type = parseType();
  expect(Tok::Assign, "after the type of the constant");
  d.value = parseExpr();
  expect(Tok::Semicolon, "after this constant");
}

void Parser::parseEnum(Decl &d) {
  d.kind = DeclKind::Enum;
  advance();
  d.name = expectName("a name after `enum`");
  size_t open = pos;
  expect(Tok::LBrace, "after the name of the enum");
  do {
    if (at(Tok::RBrace) && !d.constructors.empty()) break;
    d.constructors.push_back(expectName("the name of a constructor"));
  } while (accept(Tok::Comma));
  expectClose(Tok::RBrace, open, "or `,` in this enum");
}

template <class F> void Parser::parseNameGroup(std::string_view what, F each) {
  std::vector<Name> names;
  do names.push_back(expectName(what));
  while (accept(Tok::Comma));
  if (names.size() > maxNamesInGroup)
    error(names[maxNamesInGroup].span,
          "more than " + std::to_string(maxNamesInGroup) + " names share one type");
  expect(Tok::Colon, "and a type after this name");
  if (panic) return;
  size_t type = pos;
  for (Name &name : names) {
    pos = type;
    each(std::move(name));
    if (panic) return;
  }
}

void Parser::parseStruct(Decl &d) {
  d.kind = DeclKind::Struct;
  advance();
  d.name = expectName("a name after `struct`");
  if (at(Tok::LStatic)) d.statics = parseStaticParams();
  size_t open = pos;
  expect(Tok::LBrace, "after the name of the struct");
  if (!at(Tok::RBrace)) do {
      if (at(Tok::RBrace)) break;
      parseNameGroup("the name of a field",
                     [&](Name name) { d.fields.push_back({std::move(name), parseType()}); });
    } while (accept(Tok::Comma));
  expectClose(Tok::RBrace, open, "or `,` in this struct");
}

void Parser::parseNode(Decl &d) {
  d.kind = at(Tok::KwNode) ? DeclKind::Node : DeclKind::Fun;
  std::string keyword(text(token()));
  uint32_t begin = token().begin;
  advance();
  d.name = expectName("a name after `" + keyword + "`");
  if (at(Tok::LStatic)) d.statics = parseStaticParams();
  d.inputs = parseParams("of inputs");
  if (at(Tok::LBrace) || at(Tok::Colon)) {
    if (Diagnostic *e = unexpected("`->` and the outputs"))
      e->helps = {keyword + " " + d.name.text + "(..) -> (y: f32) { y = ..; }"};
  }
  expect(Tok::Arrow, "and the outputs");
  d.outputs = parseParams("of outputs");
  parseNodeTail(d);
  Span head = spanFrom(begin);
  if (panic && !skipToBody()) return;
  expectBodyOrSemicolon(d, head);
}

void Parser::parseNodeTail(Decl &d) {
  if (acceptWord("at")) {
    if (at(Tok::Number)) d.rate = parseLiteral();
    else unexpected("a rate such as `50 Hz` after `at`");
    d.rateUnit = expectName("a unit such as `Hz` after the rate");
  }
  if (acceptWord("derivative")) d.derivative = expectName("the name of a function after `derivative`");
}

void Parser::expectBodyOrSemicolon(Decl &d, Span head) {
  if (at(Tok::LBrace)) {
    Span brace = span(token());
    d.hasBody = true;
    d.body = parseBlock("the body of `" + d.name.text + "`");
    if (!d.isExtern) return;
    if (Diagnostic *e =
            error(brace, "`extern` declares `" + d.name.text + "` without a body", "but here is one"))
      e->helps = {"remove `extern`, or end the declaration with `;`"};
    panic = false; // the text was understood
    return;
  }
  if (d.isExtern) {
    expect(Tok::Semicolon, "after this declaration");
    return;
  }
  if (!at(Tok::Semicolon)) {
    unexpected("`{` and the body of `" + d.name.text + "`");
    return;
  }
  Diagnostic *e = error(span(token()), "`" + d.name.text + "` has no body", "expected `{` and its equations");
  if (e)
    e->labels.push_back({head, "declared here", false}),
        e->helps = {"for a C function, write `extern` before it"};
  panic = false;
  advance();
}

std::vector<Param> Parser::parseParams(std::string_view what) {
  std::vector<Param> params;
  size_t open = pos;
  if (!expect(Tok::LParen, "and a list " + std::string(what))) return params;
  if (!at(Tok::RParen)) do
      parseNameGroup("a name in this list " + std::string(what), [&](Name name) {
        Param p{std::move(name), parseType(), nullptr};
        p.clock = parseClockOpt();
        params.push_back(std::move(p));
      });
    while (accept(Tok::Comma));
  if (at(Tok::Assign)) {
    if (Diagnostic *e = unexpected("`)` or `,` in this list " + std::string(what)))
      e->notes = {"only static parameters, in << >>, have defaults"};
  }
  expectClose(Tok::RParen, open, "or `,` in this list " + std::string(what));
  return params;
}

std::vector<StaticParam> Parser::parseStaticParams() {
  Level level(*this);
  std::vector<StaticParam> params;
  size_t open = pos;
  advance();
  do
    parseNameGroup("the name of a static parameter", [&](Name name) {
      StaticParam p;
      p.name = std::move(name);
      parseKind(p);
      if (accept(Tok::Assign)) {
        Scoped<bool> inside(inStaticArgs, true); // a function with static arguments: `relu<<8>>`
        p.defaultValue = parseAdd();
      }
      params.push_back(std::move(p));
    });
  while (accept(Tok::Comma));
  expectClose(Tok::RStatic, open, "or `,` in these static parameters");
  return params;
}

/// `size`, `f32`, `(f32, f32)`, or `(f32) -> f32`.
void Parser::parseKind(StaticParam &p) {
  if (!at(Tok::LParen)) {
    p.kind = parseType();
    return;
  }
  uint32_t begin = token().begin;
  size_t open = pos;
  advance();
  std::vector<TypeExpr> types;
  if (!at(Tok::RParen)) do
      types.push_back(parseType());
    while (accept(Tok::Comma));
  expectClose(Tok::RParen, open, "or `,` in this list of types");
  if (accept(Tok::Arrow)) {
    p.isFunction = true;
    p.domain = std::move(types);
    p.range = parseFunctionRange();
  } else if (types.empty()) {
    unexpected("`->` and the type of the result");
  } else if (types.size() == 1) {
    p.kind = std::move(types[0]);
  } else {
    p.kind.tuple = std::move(types);
    p.kind.span = spanFrom(begin);
  }
}

std::vector<TypeExpr> Parser::parseFunctionRange() {
  std::vector<TypeExpr> range;
  size_t open = pos;
  if (!accept(Tok::LParen)) {
    range.push_back(parseType());
    return range;
  }
  do range.push_back(parseType());
  while (accept(Tok::Comma));
  expectClose(Tok::RParen, open, "or `,` in this list of types");
  return range;
}

} // namespace mlr::ast
