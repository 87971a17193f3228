// Where the parser goes on after an error.
#include "mlr/Ast/ParserImpl.h"

namespace mlr::ast {

/// Over a `{ ... }` at the current token, whatever is in it; stops at a declaration. Returns how many `;` it
/// held.
size_t Parser::skipBraces() {
  size_t nest = 0, semicolons = 0;
  for (; tokens[pos].kind != Tok::End && !startsDeclaration(tokens[pos].kind); ++pos) {
    Tok kind = tokens[pos].kind;
    if (kind == Tok::LBrace) ++nest;
    else if (kind == Tok::Semicolon) ++semicolons;
    else if (kind == Tok::RBrace && --nest == 0) {
      ++pos;
      break;
    }
  }
  return semicolons;
}

static bool startsStatement(Tok kind) {
  switch (kind) {
  case Tok::KwAssert:
  case Tok::KwAssume:
  case Tok::KwGuarantee:
  case Tok::KwScan:
  case Tok::KwMatch:
  case Tok::KwReset:
  case Tok::KwAutomaton: return true;
  default: return false;
  }
}

/// To the next statement of the block in which the error happened, or to the `}` that closes it.
void Parser::skipStatement() {
  panic = false;
  int nest = openBraces; // braces of the broken expression that are still to be closed
  openBraces = 0;
  // `x = a` without its `;` and the next equation on a line of its own: nothing is lost.
  if (nest == 0 && tokens[pos].firstOnLine &&
      (startsStatement(token().kind) ||
       (token().kind == Tok::Identifier && (token(1).kind == Tok::Assign || token(1).kind == Tok::Colon))))
    return;
  while (tokens[pos].kind != Tok::End && !startsDeclaration(tokens[pos].kind)) {
    Tok kind = tokens[pos].kind;
    if (kind == Tok::LBrace) {
      bool block = skipBraces() > 0 || tokens[pos].firstOnLine;
      if (nest == 0 && block && token().kind != Tok::KwElse && token().kind != Tok::KwEvery) return;
      continue;
    }
    if (kind == Tok::RBrace && nest-- == 0) return;
    if (startsStatement(kind) && tokens[pos].firstOnLine && nest == 0) return;
    advance();
    if (kind == Tok::Semicolon) return;
  }
}

void Parser::skipToDeclaration() {
  panic = false;
  openBraces = 0;
  while (tokens[pos].kind != Tok::End && !startsDeclaration(tokens[pos].kind)) advance();
}

bool Parser::skipToBody() {
  if (!panic) return at(Tok::LBrace);
  if (depth >= maxDepth - 1) return false; // the body would be too deep again
  size_t p = pos;
  // Braces of the broken expression itself are passed; a statement that ends before any other `{` has no
  // body.
  for (int nest = openBraces; p < tokens.size(); ++p) {
    Tok kind = tokens[p].kind;
    if (kind == Tok::End || kind == Tok::Semicolon || startsDeclaration(kind)) return false;
    if (kind == Tok::RBrace && nest-- == 0) return false;
    if (kind == Tok::LBrace && nest == 0) break;
    if (kind == Tok::LBrace) ++nest;
  }
  if (p >= tokens.size()) return false;
  pos = p;
  panic = false;
  openBraces = 0;
  return true;
}

} // namespace mlr::ast
