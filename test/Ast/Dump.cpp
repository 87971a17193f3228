#include "Dump.h"

namespace mlr::ast {

namespace {

/// S-expressions: (kind part part ..). Names are quoted where they could be mistaken.
class Dumper {
public:
  std::string out;

  void file(const File &f) {
    for (const auto &d : f.decls) decl(*d);
  }

  void expr(const Expr &e) {
    static const char *const kinds[] = {"number", "string", "bool",  "name",   "tuple",  "list",   "for",
                                        "call",   "reduce", "field", "index",  "struct", "update", "unary",
                                        "binary", "if",     "when",  "merge3", "merge"};
    if (e.parenthesised) out += "<";
    if (e.kind == ExprKind::Name && e.statics.empty()) {
      out += e.text;
    } else if (e.kind == ExprKind::Number || e.kind == ExprKind::Bool) {
      out += e.text;
    } else if (e.kind == ExprKind::Binary || (e.kind == ExprKind::Unary && e.op != Op::Last)) {
      out += std::string("(") + spelling(e.op);
      for (const auto &a : e.args) out += ' ', expr(*a);
      out += ")";
    } else {
      out += std::string("(") + kinds[static_cast<int>(e.kind)];
      parts(e);
      out += ")";
    }
    if (e.parenthesised) out += ">";
  }

private:
  void optional(const ExprPtr &e) {
    out += ' ';
    if (e) expr(*e);
    else out += "null";
  }

  void parts(const Expr &e) {
    if (!e.text.empty()) out += " '" + e.text + "'";
    statics(e.statics);
    bool lead = e.argNames.size() + 1 == e.args.size(); // the struct of an update, the condition of a merge
    for (size_t i = 0; i < e.args.size(); ++i) {
      size_t n = lead ? i - 1 : i;
      out += ' ';
      if (n < e.argNames.size() && !e.argNames[n].text.empty()) out += e.argNames[n].text + "=";
      expr(*e.args[i]);
    }
    for (const Index &i : e.indices) {
      out += i.kind == Index::Kind::At ? " [" : i.kind == Index::Kind::Range ? " [.. " : " [..+ ";
      optional(i.a), optional(i.b);
      out += "]";
    }
    for (const For &f : e.fors) out += " " + f.index.text + "<", expr(*f.bound);
    if (e.every) out += " every", optional(e.every);
    clock(e.clock.get());
  }

  void statics(const std::vector<StaticArg> &args) {
    for (const StaticArg &a : args) {
      out += " <<" + a.name.text + (a.isShape ? " shape" : "");
      if (a.value) optional(a.value);
      for (const auto &d : a.shape) optional(d);
      out += ">>";
    }
  }

  void type(const TypeExpr &t) {
    out += " (type " + t.name.text;
    for (const TypeExpr &x : t.tuple) type(x);
    statics(t.args);
    if (t.hasDims) out += " dims";
    for (const auto &d : t.dims) optional(d);
    out += ")";
  }

  void clock(const ClockExpr *c) {
    if (!c) return;
    static const char *const kinds[] = {"when", "when-not", "when-is", "every"};
    out += std::string(" (") + kinds[static_cast<int>(c->kind)];
    if (c->condition) optional(c->condition);
    out += " " + c->constructor.text;
    if (c->period) optional(c->period);
    if (c->phase) optional(c->phase);
    out += ")";
  }

  void block(const Block &b) {
    out += " {";
    for (const auto &s : b.stmts) stmt(*s);
    out += "}";
  }

  void transitions(const char *kind, const std::vector<Transition> &list) {
    for (const Transition &t : list) {
      out += std::string(" (") + kind + (t.resume ? " continue " : " then ") + t.target.text;
      optional(t.condition);
      out += ")";
    }
  }

  void stmt(const Stmt &s) {
    static const char *const kinds[] = {"equation", "stacked", "last",      "scan",   "when",   "if",
                                        "match",    "reset",   "automaton", "assert", "assume", "guarantee"};
    out += std::string("\n (") + kinds[static_cast<int>(s.kind)];
    for (const Annotation &a : s.annotations) {
      out += " @" + a.name.text;
      if (a.value) optional(a.value);
      out += a.unit.text;
    }
    for (const Name &n : s.targets) out += " " + n.text;
    if (s.tupleTargets) out += " tuple";
    if (s.type) type(*s.type);
    clock(s.clock.get());
    if (!s.index.text.empty()) out += " index " + s.index.text;
    if (s.bound) out += " bound", optional(s.bound);
    if (s.resume) out += " resume";
    if (s.condition) out += " condition", optional(s.condition);
    if (s.value) optional(s.value);
    if (!s.body.stmts.empty()) block(s.body);
    if (s.hasOther) out += " else", block(s.other);
    for (const Arm &a : s.arms) {
      out += " arm " + a.name.text;
      block(a.body);
      transitions("unless", a.unless);
      transitions("until", a.until);
    }
    out += ")";
  }

  void params(const char *kind, const std::vector<Param> &list) {
    out += std::string("\n (") + kind;
    for (const Param &p : list) {
      out += " " + p.name.text;
      type(p.type);
      clock(p.clock.get());
    }
    out += ")";
  }

  void staticParams(const std::vector<StaticParam> &list) {
    for (const StaticParam &p : list) {
      out += "\n (static " + p.name.text;
      if (p.isFunction) {
        out += " function";
        for (const TypeExpr &t : p.domain) type(t);
        out += " ->";
        for (const TypeExpr &t : p.range) type(t);
      } else {
        type(p.kind);
      }
      if (p.defaultValue) optional(p.defaultValue);
      out += ")";
    }
  }

  void decl(const Decl &d) {
    static const char *const kinds[] = {"import", "const", "enum", "struct", "node", "fun"};
    out += std::string("(") + (d.isExtern ? "extern " : "") + kinds[static_cast<int>(d.kind)] + " " +
           d.name.text;
    if (!d.doc.empty()) out += " doc '" + d.doc + "'";
    staticParams(d.statics);
    if (d.kind == DeclKind::Const) type(d.type), optional(d.value);
    for (const Name &c : d.constructors) out += " " + c.text;
    for (const FieldDecl &f : d.fields) out += " " + f.name.text, type(f.type);
    if (d.kind >= DeclKind::Node) params("inputs", d.inputs), params("outputs", d.outputs);
    if (d.rate) out += " rate", optional(d.rate), out += " " + d.rateUnit.text;
    if (!d.derivative.text.empty()) out += " derivative " + d.derivative.text;
    if (d.hasBody) block(d.body);
    out += ")\n";
  }
};

} // namespace

std::string dump(const File &file) {
  Dumper d;
  d.file(file);
  return d.out;
}

std::string dump(const Expr &e) {
  Dumper d;
  d.expr(e);
  return d.out;
}

} // namespace mlr::ast
