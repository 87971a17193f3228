#include "mlr/Ast/FormatImpl.h"

#include "mlr/Ast/Parser.h"

#include <algorithm>

namespace mlr::ast {

Formatter::Formatter(const File &tree, const SourceMap &sources)
    : tree(tree), source(sources.text(tree.file)), comments(tree.comments) {
  Diagnostics ignored(sources); // the parser has reported them
  tokens = tokenize(tree.file, ignored).tokens;
}

std::string Formatter::run() {
  for (const auto &d : tree.decls) {
    startLine();
    decl(*d);
    flushLine();
    if (failed) break;
  }
  if (!failed) startLine();
  if (failed || next().kind != Tok::End) return std::string(source);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (!out.empty() && out.back() != '\n') out += '\n';
  return std::move(out);
}

void Formatter::token(Tok kind) {
  if (nextIs(kind) && kind != Tok::End) any();
  else failed = true;
}

void Formatter::any() {
  for (; hasComment(); ++nextComment) {
    const Comment &c = comments[nextComment];
    std::string_view written = textOf(c.span);
    bool closes =
        nextIs(Tok::RParen) || nextIs(Tok::RBracket) || nextIs(Tok::Comma) || nextIs(Tok::Semicolon);
    if (written.substr(0, 2) == "//") line.lineComment(written, c.ownLine);
    else line.inlineComment(written, !closes);
  }
  line.text(text(next()));
  lastEnd = next().end;
  ++pos;
  if (pos >= tokens.size()) pos = tokens.size() - 1, failed = true;
}

void Formatter::skip(Tok kind) {
  if (!nextIs(kind)) failed = true;
  else ++pos;
}

void Formatter::dropComma() {
  if (nextIs(Tok::Comma)) ++pos;
}

// ---- lines -----------------------------------------------------------------------------------------------

void Formatter::newLine() {
  if (!out.empty()) out += '\n';
  out.append(static_cast<size_t>(std::min(indent, 60)), ' ');
}

/// Whether the author left a blank line between the last thing printed and `offset`.
bool Formatter::blankBefore(uint32_t offset) const {
  if (offset <= lastEnd) return false;
  std::string_view between = source.substr(lastEnd, offset - lastEnd);
  return std::count(between.begin(), between.end(), '\n') > 1;
}

void Formatter::putComment(const Comment &c, bool &blankAllowed) {
  if (!c.ownLine && !out.empty()) {
    out += "  ";
  } else {
    if (blankAllowed && !out.empty() && blankBefore(c.span.begin)) out += '\n';
    newLine();
  }
  out += textOf(c.span);
  lastEnd = c.span.end;
  blankAllowed = true;
}

void Formatter::startLine(bool blankAllowed) {
  for (; hasComment(); ++nextComment) putComment(comments[nextComment], blankAllowed);
  if (nextIs(Tok::End)) return;
  if (blankAllowed && !nextIs(Tok::RBrace) && !out.empty() && blankBefore(next().begin)) out += '\n';
  newLine();
}

/// The `}` of indented lines; comments before it belong to them.
void Formatter::closeLines() {
  bool blankAllowed = true;
  for (; hasComment(); ++nextComment) putComment(comments[nextComment], blankAllowed);
  indent -= 2;
  newLine();
  token(Tok::RBrace);
}

void Formatter::flushLine() {
  size_t lineStart = out.rfind('\n');
  size_t column = out.size() - (lineStart == std::string::npos ? 0 : lineStart + 1);
  line.flush(out, static_cast<int>(std::min<size_t>(column, 1000)));
}

// ---- declarations ----------------------------------------------------------------------------------------

void Formatter::decl(const Decl &d) {
  if (d.isExtern) token(Tok::KwExtern), space();
  any(); // the keyword
  space();
  token(Tok::Identifier);
  switch (d.kind) {
  case DeclKind::Import: token(Tok::Semicolon); break;
  case DeclKind::Const:
    token(Tok::Colon), space();
    type(d.type);
    space(), token(Tok::Assign), space();
    line.begin();
    optional(d.value);
    line.end();
    token(Tok::Semicolon);
    break;
  case DeclKind::Enum: members(d); break;
  case DeclKind::Struct:
    if (!d.statics.empty()) staticParams(d.statics);
    members(d);
    break;
  case DeclKind::Node:
  case DeclKind::Fun: node(d); break;
  }
}

/// The braces of an enum or struct: on the line when all fits and there is no comment, else one member a
/// line.
void Formatter::members(const Decl &d) {
  size_t count = d.kind == DeclKind::Enum ? d.constructors.size() : d.fields.size();
  size_t close = pos;
  while (tokens[close].kind != Tok::RBrace && tokens[close].kind != Tok::End) ++close;
  bool comment = nextComment < comments.size() && comments[nextComment].span.begin < tokens[close].begin;
  size_t startItems = line.size(), startPos = pos;
  uint32_t startEnd = lastEnd;
  if (!comment) {
    space(), token(Tok::LBrace);
    for (size_t i = 0; i < count && !failed;) {
      space(), member(d, i);
      if (i < count) token(Tok::Comma);
      else dropComma();
    }
    if (count > 0) space();
    token(Tok::RBrace);
    if (line.flatWidth() <= lineWidth) return;
    line.truncate(startItems);
    pos = startPos;
    lastEnd = startEnd;
  }
  space(), token(Tok::LBrace);
  flushLine();
  indent += 2;
  for (size_t i = 0; i < count && !failed;) {
    startLine(i > 0);
    member(d, i);
    if (nextIs(Tok::Comma)) any();
    else line.text(",");
    flushLine();
  }
  closeLines();
}

/// `Brake`, or `w, b: f32[3]`; moves `i` over its names.
void Formatter::member(const Decl &d, size_t &i) {
  if (d.kind == DeclKind::Enum) {
    token(Tok::Identifier);
    ++i;
    return;
  }
  names(i);
  type(d.fields[std::min(i, d.fields.size()) - 1].type);
}

/// `a, b: `
void Formatter::names(size_t &i) {
  token(Tok::Identifier), ++i;
  while (nextIs(Tok::Comma) && !failed) any(), line.line(), token(Tok::Identifier), ++i;
  token(Tok::Colon), space();
}

void Formatter::node(const Decl &d) {
  if (!d.statics.empty()) staticParams(d.statics);
  params(d.inputs);
  line.line();
  token(Tok::Arrow), space();
  params(d.outputs);
  if (d.rate) {
    line.line(), any(), space(); // at
    expr(*d.rate);
    space(), token(Tok::Identifier);
  }
  if (!d.derivative.text.empty()) line.line(), any(), space(), token(Tok::Identifier);
  if (d.hasBody) block(d.body);
  else token(Tok::Semicolon);
}

void Formatter::params(const std::vector<Param> &params) {
  token(Tok::LParen);
  line.begin();
  for (size_t i = 0; i < params.size() && !failed;) {
    if (i > 0) token(Tok::Comma), line.line();
    line.begin();
    names(i);
    const Param &p = params[std::min(i, params.size()) - 1];
    type(p.type);
    if (p.clock) line.line(), clock(*p.clock);
    line.end();
  }
  line.end();
  token(Tok::RParen);
}

void Formatter::staticParams(const std::vector<StaticParam> &params) {
  token(Tok::LStatic);
  line.begin();
  for (size_t i = 0; i < params.size() && !failed;) {
    if (i > 0) token(Tok::Comma), line.line();
    names(i);
    const StaticParam &p = params[std::min(i, params.size()) - 1];
    kind(p);
    if (p.defaultValue) space(), token(Tok::Assign), space(), expr(*p.defaultValue);
  }
  line.end();
  token(Tok::RStatic);
}

void Formatter::kind(const StaticParam &p) {
  if (!p.isFunction) return type(p.kind);
  typeList(p.domain);
  space(), token(Tok::Arrow), space();
  if (nextIs(Tok::LParen)) typeList(p.range);
  else if (!p.range.empty()) type(p.range[0]);
}

/// ( type, .. )
void Formatter::typeList(const std::vector<TypeExpr> &types) {
  token(Tok::LParen);
  line.begin();
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) token(Tok::Comma), line.line();
    type(types[i]);
  }
  line.end();
  token(Tok::RParen);
}

std::string format(const File &file, const SourceMap &sources) { return Formatter(file, sources).run(); }

} // namespace mlr::ast
