#include "mlr/Ast/ParserImpl.h"

#include "support/DiagnosticKinds.h"

namespace mlr::ast {

Parser::Parser(uint32_t file, Diagnostics &diagnostics)
    : file(file), diagnostics(diagnostics), source(diagnostics.sourceMap().text(file)) {
  Tokens all = tokenize(file, diagnostics);
  tokens = std::move(all.tokens);
  comments = std::move(all.comments);
}

File Parser::run() {
  File out;
  out.file = file;
  while (tokens[pos].kind != Tok::End) {
    size_t start = pos;
    if (auto d = parseDecl()) out.decls.push_back(std::move(d));
    if (panic) skipToDeclaration();
    if (pos == start) advance(); // no input stops the parser
  }
  out.comments = std::move(comments);
  return out;
}

void Parser::advance() {
  if (pos + 1 < tokens.size()) ++pos;
}

bool Parser::accept(Tok kind) {
  if (!at(kind)) return false;
  advance();
  return true;
}

bool Parser::acceptWord(std::string_view word) {
  if (!atWord(word)) return false;
  advance();
  return true;
}

static std::string quoted(Tok kind) {
  return kind == Tok::Identifier ? std::string("a name") : "`" + std::string(spelling(kind)) + "`";
}

bool Parser::expect(Tok kind, std::string_view where) {
  if (accept(kind)) return true;
  if (panic) return false;
  std::string what = quoted(kind);
  if (!where.empty()) what += " " + std::string(where);
  // A missing mark of punctuation belongs behind what was written, not before what follows on another line.
  bool behind = kind == Tok::Semicolon || (token().firstOnLine && kind != Tok::Identifier);
  if (!behind || pos == 0) {
    unexpected(what);
    return false;
  }
  if (token().kind == Tok::Error) return panic = true, false;
  error({file, previousEnd(), previousEnd()}, "expected " + what + ", found " + describe(token()),
        "put " + quoted(kind) + " here");
  return false;
}

bool Parser::expectClose(Tok kind, size_t open, std::string_view where) {
  if (accept(kind)) return true;
  std::string what = quoted(kind) + (where.empty() ? "" : " " + std::string(where));
  Diagnostic *d = nullptr;
  // As for `;`: what is missing at the end of a line is missing there, not on the next one.
  if (!panic && token().firstOnLine && token().kind != Tok::Error && kind != Tok::RBrace)
    d = error({file, previousEnd(), previousEnd()}, "expected " + what + ", found " + describe(token()),
              quoted(kind) + " is missing here");
  else d = unexpected(what);
  if (d) d->labels.push_back({span(tokens[open]), "to close this", false});
  return false;
}

Name Parser::expectName(std::string_view what) {
  if (at(Tok::Identifier)) {
    Name name{std::string(text(token())), span(token())};
    advance();
    return name;
  }
  if (panic) return {};
  Diagnostic *d = unexpected(what);
  if (d && isKeyword(token().kind)) d->labels[0].text = "this word is a keyword and cannot be a name";
  return {};
}

Diagnostic *Parser::error(Span span, std::string title, std::string label) {
  if (panic) return nullptr;
  panic = true;
  return &diagnostics.report(kinds::syntax, span, std::move(title), std::move(label));
}

Diagnostic *Parser::unexpected(std::string_view expected) {
  if (panic) return nullptr;
  if (token().kind == Tok::Error) { // the lexer has said what is wrong
    panic = true;
    return nullptr;
  }
  return error(span(token()), "expected " + std::string(expected) + ", found " + describe(token()));
}

std::string Parser::describe(const Token &t) const {
  if (t.kind == Tok::End) return "the end of the file";
  if (t.kind == Tok::String) return "a string";
  std::string_view seen = text(t);
  return "`" + std::string(seen.substr(0, 40)) + (seen.size() > 40 ? "..." : "") + "`";
}

void Parser::tooDeep() {
  if (panic) return;
  panic = true;
  Diagnostic &d = diagnostics.report(kinds::tooDeep, span(token()), "this is nested too deeply",
                                     "level " + std::to_string(maxDepth + 1) + " begins here");
  d.notes = {"a program nests at most " + std::to_string(maxDepth) +
             " levels deep; every operand of a chain such as a + b + c is one level"};
  d.helps = {"give parts of it names: equations of their own"};
}

File parse(uint32_t file, Diagnostics &diagnostics) { return Parser(file, diagnostics).run(); }

} // namespace mlr::ast
