// The typed tree as text: close to the source language, with every type, broadcast and clamp spelled out.
#include "mlr/Check/Program.h"
#include "support/Half.h"

#include <charconv>
#include <cmath>

namespace mlr {

const char *name(OpKind op) {
  static constexpr const char *names[] = {"add",        "sub", "mul", "div",     "rem",    "neg",   "min",
                                          "max",        "abs", "fma", "sqrt",    "floor",  "ceil",  "trunc",
                                          "round_even", "lt",  "gt",  "le",      "ge",     "eq",    "ne",
                                          "and",        "or",  "not", "select",  "bitand", "bitor", "bitxor",
                                          "bitnot",     "shl", "shr", "bitcast", "convert"};
  static_assert(std::size(names) == static_cast<size_t>(OpKind::Convert) + 1);
  return names[static_cast<size_t>(op)];
}

const char *name(MonitorKind kind) {
  static constexpr const char *names[] = {"assert", "assume", "guarantee"};
  static_assert(std::size(names) == static_cast<size_t>(MonitorKind::Guarantee) + 1);
  return names[static_cast<size_t>(kind)];
}

const char *name(ReduceKind kind) {
  static constexpr const char *names[] = {"sum", "prod",   "max",    "min", "all",
                                          "any", "argmax", "argmin", "mean"};
  static_assert(std::size(names) == static_cast<size_t>(ReduceKind::Mean) + 1);
  return names[static_cast<size_t>(kind)];
}

namespace {

constexpr int64_t shownElements = 16; ///< of a constant; the rest is counted

template <class Number> std::string shortest(Number value) {
  if (std::isnan(value)) return "nan";
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end);
  bool plain = text.find_first_not_of("-0123456789") == std::string::npos;
  return plain ? text + ".0" : text;
}

std::string element(const Array &array, size_t i) {
  switch (array.type().scalar) {
  case Scalar::Bool: return array.as<uint8_t>()[i] ? "true" : "false";
  case Scalar::I8: return std::to_string(array.as<int8_t>()[i]);
  case Scalar::I16: return std::to_string(array.as<int16_t>()[i]);
  case Scalar::I32: return std::to_string(array.as<int32_t>()[i]);
  case Scalar::I64: return std::to_string(array.as<int64_t>()[i]);
  case Scalar::U8: return std::to_string(array.as<uint8_t>()[i]);
  case Scalar::U16: return std::to_string(array.as<uint16_t>()[i]);
  case Scalar::U32: return std::to_string(array.as<uint32_t>()[i]);
  case Scalar::U64: return std::to_string(array.as<uint64_t>()[i]);
  case Scalar::F16: return shortest(halfToFloat(array.as<uint16_t>()[i]));
  case Scalar::BF16: return shortest(bfloatToFloat(array.as<uint16_t>()[i]));
  case Scalar::F32: return shortest(array.as<float>()[i]);
  case Scalar::F64: return shortest(array.as<double>()[i]);
  }
  return "";
}

class NodePrinter {
public:
  NodePrinter(const NodeInstance &node, std::string &out) : node(node), out(out) {}

  void print() {
    out += std::string(node.isExtern ? "extern " : "") + (node.isFun ? "fun " : "node ") + node.name + "(";
    signature(node.inputs);
    out += ") -> (";
    signature(node.outputs);
    if (node.isExtern) {
      out += ");\n";
      return;
    }
    out += ") {  // " + node.display + (node.hasState ? ", state" : "") +
           (node.usesEnd ? ", uses the end of time" : "");
    region(node.body, "  ");
    out += "\n}\n";
  }

private:
  void signature(const std::vector<VarId> &vars) {
    for (size_t i = 0; i < vars.size(); ++i) out += (i ? ", " : "") + typed(vars[i]);
  }
  std::string typed(VarId v) { return node.vars[v].name + ": " + toString(node.vars[v].type); }

  void region(const Region &body, const std::string &indent) {
    for (const Equation &equation : body.equations) {
      out += "\n" + indent;
      switch (equation.kind) {
      case Equation::Kind::Define:
        out += typed(equation.targets[0]) + " = ";
        expression(*equation.value);
        out += ";";
        break;
      case Equation::Kind::Call:
        out += "(";
        signature(equation.targets);
        out += ") = " + equation.callee->name + "(";
        list(equation.args);
        for (size_t i = 0; i < equation.each.size(); ++i) {
          const IndexVar &index = node.indices[equation.each[i]];
          out += (i ? ", " : " for ") + index.name + " < " + std::to_string(index.size);
        }
        out += ");";
        break;
      case Equation::Kind::Scan: scan(*equation.scan, indent); break;
      case Equation::Kind::Clock: clock(*equation.clock, indent); break;
      case Equation::Kind::Monitor:
        out += name(equation.monitor);
        out += " ";
        expression(*equation.value);
        out += ";";
        break;
      }
    }
  }

  void scan(const ScanTime &scan, const std::string &indent) {
    const std::string &index = node.vars[scan.index].name;
    out += "scan " + index + " < " + std::to_string(scan.length) + (scan.resume ? " resume" : "");
    if (scan.until) {
      out += " until ";
      expression(*scan.until);
    }
    out += " {";
    region(scan.body, indent + "  ");
    for (const ScanResult &result : scan.results) {
      out += "\n" + indent + "  " + node.vars[result.var].name;
      if (result.kind == ScanResult::Kind::Stack) out += "[" + index + "]";
      out += ": " + toString(node.vars[result.var].type) + " = ";
      if (result.kind == ScanResult::Kind::Final) out += "final ";
      if (result.kind == ScanResult::Kind::Initial) out += "initial ";
      if (result.value) expression(*result.value);
      else out += "count(" + index + ")";
      out += ";";
    }
    out += "\n" + indent + "}";
  }

  void clock(const Clock &clock, const std::string &indent) {
    if (clock.kind == Clock::Kind::Every) {
      out += "every " + std::to_string(clock.period) + " at " + std::to_string(clock.phase);
    } else {
      out += (clock.kind == Clock::Kind::When ? "when " : "reset every ") + node.vars[clock.selector].name;
      if (clock.kind == Clock::Kind::When) out += " == " + std::to_string(clock.value);
    }
    out += " {";
    region(clock.body, indent + "  ");
    out += "\n" + indent + "}";
  }

  void list(const std::vector<const Expr *> &exprs) {
    for (size_t i = 0; i < exprs.size(); ++i) {
      if (i) out += ", ";
      expression(*exprs[i]);
    }
  }

  void expression(const Expr &e) {
    switch (e.kind) {
    case ExprKind::Const: return constant(e.constant);
    case ExprKind::Var: out += node.vars[e.var].name; return;
    case ExprKind::Index: out += node.indices[e.index].name; return;
    case ExprKind::Op:
      out += e.op == OpKind::Convert || e.op == OpKind::Bitcast
                 ? std::string(name(e.op)) + "<<" + mlr::name(e.type.scalar) + ">>"
                 : std::string(name(e.op));
      return arguments(e);
    case ExprKind::Broadcast: out += "broadcast<<" + toString(e.type.shape) + ">>"; return arguments(e);
    case ExprKind::Reshape: out += "reshape<<" + toString(e.type.shape) + ">>"; return arguments(e);
    case ExprKind::Concat: out += "concat"; return arguments(e);
    case ExprKind::Merge: out += "merge"; return arguments(e);
    case ExprKind::Hold: out += "hold"; return arguments(e);
    case ExprKind::Vjp: out += e.count ? "vjp<<" + std::to_string(e.count) + ">>" : "vjp"; return arguments(e);
    case ExprKind::Jvp: out += e.count ? "jvp<<" + std::to_string(e.count) + ">>" : "jvp"; return arguments(e);
    case ExprKind::Stop: out += "stop_gradient"; return arguments(e);
    case ExprKind::Read: expression(*e.args[0]); return reads(e, "[", "]");
    case ExprKind::ReadOr:
      out += "at(";
      expression(*e.args[0]);
      reads(e, ", ", ", ");
      expression(*e.args[1]);
      out += ")";
      return;
    case ExprKind::Build: return comprehension(e, "[", "]");
    case ExprKind::Reduce:
      return comprehension(e, name(e.reduce) + std::string(e.fused ? "<<fused>>(" : "("), ")");
    case ExprKind::ReduceAll:
      out += name(e.reduce) + std::string(e.fused ? "<<fused>>" : "");
      return arguments(e);
    case ExprKind::Call:
      out += e.callee->name;
      arguments(e);
      if (e.callee->outputs.size() > 1) out += "." + std::to_string(e.result);
      return;
    case ExprKind::Fby: return infix(e, " fby ");
    case ExprKind::Eby: return infix(e, " eby ");
    case ExprKind::Arrow: return infix(e, " -> ");
    case ExprKind::Pre: return prefix(e, "(pre ");
    case ExprKind::Final: return prefix(e, "(final ");
    case ExprKind::Initial: return prefix(e, "(initial ");
    case ExprKind::Window: out += "window<<" + std::to_string(e.count) + ">>"; return arguments(e);
    case ExprKind::Count: out += "count()"; return;
    }
  }

  void constant(const Array &array) {
    int64_t count = array.type().elements();
    if (array.type().isScalar()) {
      out += element(array, 0) + ":" + mlr::name(array.type().scalar);
      return;
    }
    out += "const<<" + toString(array.type()) + ">>(";
    for (int64_t i = 0; i < count && i < shownElements; ++i)
      out += (i ? ", " : "") + element(array, static_cast<size_t>(i));
    if (count > shownElements) out += ", .. " + std::to_string(count - shownElements) + " more";
    out += ")";
  }

  void arguments(const Expr &e) {
    out += "(";
    list(e.args);
    out += ")";
  }
  void infix(const Expr &e, const char *word) {
    out += "(";
    expression(*e.args[0]);
    out += word;
    expression(*e.args[1]);
    out += ")";
  }
  void prefix(const Expr &e, const char *word) {
    out += word;
    expression(*e.args[0]);
    out += ")";
  }

  void reads(const Expr &e, const char *open, const char *close) {
    out += open;
    for (size_t k = 0; k < e.reads.size(); ++k) {
      const ReadIndex &read = e.reads[k];
      if (k) out += ", ";
      if (read.kind == ReadIndex::Kind::Range) {
        out += std::to_string(read.start) + ".." + std::to_string(read.start + read.count);
        continue;
      }
      bool clamped = !read.inBounds && e.kind == ExprKind::Read;
      if (clamped) out += "clamp(";
      expression(*read.at);
      if (clamped) out += ")";
      if (read.kind == ReadIndex::Kind::Slide) out += " ..+ " + std::to_string(read.count);
    }
    out += close;
  }

  void comprehension(const Expr &e, const std::string &open, const char *close) {
    out += open;
    expression(*e.args[0]);
    for (size_t i = 0; i < e.indices.size(); ++i)
      out += (i ? ", " : " for ") + node.indices[e.indices[i]].name + " < " +
             std::to_string(node.indices[e.indices[i]].size);
    out += close;
  }

  const NodeInstance &node;
  std::string &out;
};

} // namespace

std::string print(const Program &program) {
  std::string out;
  for (const auto &node : program.nodes) {
    if (!out.empty()) out += "\n";
    NodePrinter(*node, out).print();
  }
  return out;
}

} // namespace mlr
