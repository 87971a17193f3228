// Structs, names and literals of the generated C; the header and the JSON description.
#include "mlr/Target/CWriter.h"

#include "support/CNames.h"

#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

using namespace mlir;

namespace mlr::target {

using store::Space;

std::string cIdentifier(StringRef path) {
  std::string out;
  for (char c : path) out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) || out[0] == '_') out = "v" + out;
  return isReservedInC(out) ? out + "_" : out;
}

std::string fieldType(mlir::Type t) {
  if (t.isF16() || t.isBF16()) return "uint16_t";
  if (t.isF32()) return "float";
  if (t.isF64()) return "double";
  if (t.isInteger(1)) return "bool";
  return fmt::format("{}int{}_t", t.isUnsignedInteger() ? "u" : "", t.getIntOrFloatBitWidth());
}

std::string registerType(mlir::Type t) {
  t = getElementTypeOrSelf(t);
  if (t.isIndex()) return "ptrdiff_t";
  if (t.isF32()) return "float";
  if (t.isF64()) return "double";
  if (t.isInteger(1)) return "bool";
  return fmt::format("uint{}_t", t.getIntOrFloatBitWidth());
}

/// The member of the scratch union that holds elements of a type: "f32".
static std::string arenaMember(mlir::Type t) {
  if (t.isF32()) return "f32";
  if (t.isF64()) return "f64";
  unsigned width = t.isInteger(1) ? 8 : t.getIntOrFloatBitWidth();
  return fmt::format("u{}", width);
}

static std::string arenaType(StringRef member) {
  return member == "f32" ? "float" : member == "f64" ? "double" : fmt::format("uint{}_t", member.drop_front().str());
}

/// `base`, or the first of base_2, base_3, .. that is not in `used` yet.
static std::string unusedName(const std::string &base, std::set<std::string> &used) {
  std::string name = base;
  for (int n = 2; !used.insert(name).second; ++n) name = fmt::format("{}_{}", base, n);
  return name;
}

/// What the C function of a declaration (mlr/Loops/Extern.cpp) has to be.
static std::string prototype(func::FuncOp f, FunctionType type) {
  std::string result = "void", parameters;
  std::set<std::string> used;  // of p.x and p_x each has to be one parameter
  auto add = [&](mlir::Type t, StringRef name, bool isInput) {
    bool isPointer = !isInput || isa<RankedTensorType>(t);
    std::string star = isPointer ? " *" : " ";
    parameters += fmt::format("{}{}{}{}{}", parameters.empty() ? "" : ", ", isInput && isPointer ? "const " : "",
                              fieldType(getElementTypeOrSelf(t)), star, unusedName(cIdentifier(name), used));
  };
  auto names = [&](StringRef key) { return f->getAttrOfType<ArrayAttr>(key).getAsValueRange<StringAttr>(); };
  for (auto [t, name] : llvm::zip(type.getInputs(), names("mlr.arg_names"))) add(t, name, true);
  if (type.getNumResults() == 1 && !isa<RankedTensorType>(type.getResult(0))) result = fieldType(type.getResult(0));
  else
    for (auto [t, name] : llvm::zip(type.getResults(), names("mlr.result_names"))) add(t, name, false);
  std::string effects = f->hasAttr("mlr.pure") ? "" : " /* has effects: called once at each instant at which it is active */";
  return fmt::format("{} {}({});{}", result, f.getSymName().str(), parameters.empty() ? "void" : parameters, effects);
}

Layout::Layout(func::FuncOp step) {
  StringRef name = step.getSymName();
  name.consume_back("_step");
  node = name.str();
  rates = dataflow::ratesOf(step);
  checks = dataflow::checksOf(step->getParentOfType<ModuleOp>(), node);
  for (auto f : step->getParentOfType<ModuleOp>().getOps<func::FuncOp>())
    if (auto type = f->getAttrOfType<TypeAttr>("mlr.extern")) foreign.push_back(prototype(f, cast<FunctionType>(type.getValue())));
  llvm::sort(foreign);
  if (auto read = store::buffersOf(step); succeeded(read)) table = *read;
  for (auto [k, type] : llvm::enumerate(step.getArgumentTypes()))
    if (auto memref = dyn_cast<MemRefType>(type); memref && k < 4) sizes[k] = memref.getNumElements();
  names.resize(table.size());
  std::set<std::string> used[5];
  // Names that C takes as they are come first, so that `a_b` is the field of that name also beside `a.b`.
  for (bool asItIs : {true, false})
    for (const store::Buffer &b : table)
      if (std::string base = cIdentifier(b.name); (base == b.name) == asItIs) names[b.id] = unusedName(base, used[static_cast<size_t>(b.space)]);
  for (const store::Buffer &b : table) bySpace[static_cast<size_t>(b.space)].push_back({&b, names[b.id]});
  for (auto &members : bySpace)
    llvm::stable_sort(members, [](const Member &a, const Member &b) { return a.buffer->offset < b.buffer->offset; });
}

std::string Layout::element(int64_t id, const std::string &index) const {
  const store::Buffer &b = table[id];
  if (b.space == Space::Scratch) {
    int64_t width = std::max<int64_t>(1, b.element.getIntOrFloatBitWidth() / 8), offset = b.offset / width;
    std::string at = index.empty() || index == "0" ? std::to_string(offset)
                     : offset                      ? fmt::format("{} + {}", offset, index)
                                                   : index;
    return fmt::format("scratch->{}[{}]", arenaMember(b.element), at);
  }
  const char *base = b.space == Space::State ? "state" : b.space == Space::In ? "in" : "out";
  if (b.shape.empty()) return fmt::format("{}->{}", base, names[id]);
  std::string at = index.empty() ? "0" : index;
  if (b.shape.size() == 1) return fmt::format("{}->{}[{}]", base, names[id], at);
  return fmt::format("(({}{} *){}->{})[{}]", b.space == Space::In ? "const " : "", fieldType(b.element), base, names[id], at);
}

static std::string dimensions(const store::Buffer &b) {
  std::string out;
  for (int64_t n : b.shape) out += fmt::format("[{}]", n);
  return out;
}

static const dataflow::CheckNote *checkOf(const Layout &layout, const store::Buffer &b) {
  for (const dataflow::CheckNote &check : layout.checks)
    if (check.name == b.name) return &check;
  return nullptr;
}

static std::string checkText(const dataflow::CheckNote &check) {
  return fmt::format("{}:{}:{}: {}", check.path, check.line, check.column, check.message);
}

/// Text that cannot end a comment.
static std::string commentText(const dataflow::CheckNote &check) {
  std::string text = checkText(check);
  for (size_t at; (at = text.find("*/")) != std::string::npos;) text.insert(at + 1, " ");
  return text;
}

/// Whether the name of a field is not that of the source with `_` for what is no letter or digit.
static bool isRenamed(const Layout::Member &m) {
  std::string plain = m.buffer->name;
  for (char &c : plain)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return plain != m.name;
}

static std::string writeStruct(const Layout &layout, Space space, StringRef suffix, StringRef doc) {
  std::string out = fmt::format("/* {} */\ntypedef struct {}_{} {{\n", doc.str(), layout.node, suffix.str());
  bool any = false;
  for (const Layout::Member &m : layout.members(space)) {
    if (m.buffer->elements() == 0) continue;
    any = true;
    out += fmt::format("  {} {}{};", fieldType(m.buffer->element), m.name, dimensions(*m.buffer));
    std::string note = isRenamed(m) ? m.buffer->name : "";
    if (space == Space::State && !m.buffer->reason.empty()) note += (note.empty() ? "" : ": ") + m.buffer->reason;
    if (!note.empty()) out += fmt::format(" /* {} */", note);
    if (const auto *check = space == Space::Out ? checkOf(layout, *m.buffer) : nullptr)
      out += fmt::format(" /* false: {} */", commentText(*check));
    out += "\n";
  }
  if (!any) out += "  char unused; /* C has no empty structs */\n";
  return out + fmt::format("}} {}_{};\n\n", layout.node, suffix.str());
}

/// Scratch is one arena; each element type has its view of it, so that reuse of memory by another type is defined.
static std::string writeScratch(const Layout &layout) {
  std::string out = fmt::format("/* Working memory of a step, {} bytes: no value survives in it from one step to the next, so nodes that do\n"
                                "   not run at once may share it. */\ntypedef union {}_scratch {{\n",
                                layout.bytes(Space::Scratch), layout.node);
  std::set<std::string> views;
  for (const Layout::Member &m : layout.members(Space::Scratch)) views.insert(arenaMember(m.buffer->element));
  int64_t bytes = layout.bytes(Space::Scratch);
  bool any = false;
  for (const std::string &view : views) {
    int64_t width = view == "u8" ? 1 : std::stoi(view.substr(1)) / 8;
    if (bytes / width == 0) continue;
    out += fmt::format("  {} {}[{}];\n", arenaType(view), view, (bytes + width - 1) / width);
    any = true;
  }
  if (!any) out += "  char unused; /* C has no empty unions */\n";
  return out + fmt::format("}} {}_scratch;\n\n", layout.node);
}

/// How often to call the step, and the rates of slower clocks that follow.
static std::string writeRates(const Layout &layout) {
  double rate = layout.rates.hertz;
  if (rate <= 0) return "";
  std::string out = fmt::format("/* Instants a second: one step in {:.4g} ms. */\n#define {}_RATE_HZ {}\n", 1000 / rate, layout.node,
                                floatLiteral(llvm::APFloat(rate)));
  for (const dataflow::ClockRate &c : layout.rates.clocks) {
    std::string line = fmt::format("{}{}, {}", c.isExact ? "" : "at most ", dataflow::rateText(c.hertz), c.clock);
    if (!c.variables.empty()) line += fmt::format(": {}", fmt::join(c.variables, ", "));
    for (size_t at; (at = line.find("*/")) != std::string::npos;) line.insert(at + 1, " ");
    out += "/* " + line + " */\n";
  }
  return out + "\n";
}

std::string writeHeader(const Layout &layout) {
  const std::string &n = layout.node;
  std::string guard = "MLR_" + n + "_H";  // in the node's own case, and of no other header
  std::string out = fmt::format("/* Node `{}`, generated by mlrc. The caller owns all memory: call {}_reset once, then {}_step for each\n"
                                "   instant. Any number of instances may run side by side. */\n"
                                "#ifndef {}\n#define {}\n\n#include <stdbool.h>\n#include <stdint.h>\n\n"
                                "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n",
                                n, n, n, guard, guard);
  out += writeRates(layout);
  out += writeStruct(layout, Space::In, "in", "Inputs of one instant.");
  out += writeStruct(layout, Space::Out, "out", "Outputs of one instant.");
  out += writeStruct(layout, Space::State, "state", fmt::format("What lives from one instant to the next, {} bytes.", layout.bytes(Space::State)));
  out += writeScratch(layout);
  if (!layout.foreign.empty()) {
    out += "/* To be defined elsewhere: the C functions that the node calls. */\n";
    for (const std::string &line : layout.foreign) out += line + "\n";
    out += "\n";
  }
  out += fmt::format("void {0}_reset({0}_state *state);\n"
                     "void {0}_step({0}_state *state, {0}_scratch *scratch, const {0}_in *in, {0}_out *out);\n\n"
                     "#ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
                     n);
  return out;
}

static std::string mlrTypeName(mlir::Type t) {
  if (t.isF16()) return "f16";
  if (t.isBF16()) return "bf16";
  if (t.isF32()) return "f32";
  if (t.isF64()) return "f64";
  if (t.isInteger(1)) return "bool";
  return fmt::format("{}{}", t.isUnsignedInteger() ? "u" : "i", t.getIntOrFloatBitWidth());
}

std::string writeDescription(const Layout &layout) {
  nlohmann::ordered_json d;
  d["node"] = layout.node;
  const std::pair<Space, const char *> spaces[] = {
      {Space::State, "state"}, {Space::Scratch, "scratch"}, {Space::In, "in"}, {Space::Out, "out"}};
  for (auto [space, key] : spaces) {
    d[key]["bytes"] = layout.bytes(space);
    if (space == Space::Scratch) continue;
    d[key]["fields"] = nlohmann::ordered_json::array();
    for (const Layout::Member &m : layout.members(space)) {
      nlohmann::ordered_json field;
      field["name"] = m.buffer->name;
      field["type"] = mlrTypeName(m.buffer->element);
      field["shape"] = std::vector<int64_t>(m.buffer->shape.begin(), m.buffer->shape.end());
      field["offset"] = m.buffer->offset;
      if (const auto *check = space == Space::Out ? checkOf(layout, *m.buffer) : nullptr) field["check"] = checkText(*check);
      d[key]["fields"].push_back(field);
    }
  }
  return d.dump(2) + "\n";
}

std::string floatLiteral(const llvm::APFloat &value) {
  bool isDouble = &value.getSemantics() == &llvm::APFloat::IEEEdouble();
  if (value.isNaN()) return isDouble ? "(double)NAN" : "NAN";
  if (value.isInfinity()) {
    const char *text = isDouble ? "(double)INFINITY" : "INFINITY";
    return value.isNegative() ? fmt::format("(-{})", text) : text;
  }
  std::string text = isDouble ? fmt::format("{}", value.convertToDouble()) : fmt::format("{}", value.convertToFloat());
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  if (!isDouble) text += "f";
  return value.isNegative() ? "(" + text + ")" : text;
}

std::string integerLiteral(const llvm::APInt &value) {
  unsigned width = value.getBitWidth();
  if (width == 1) return value.isZero() ? "false" : "true";
  std::string digits = llvm::toString(value, 10, /*Signed=*/false);
  if (width == 64) return fmt::format("UINT64_C({})", digits);
  if (width == 32) return digits + "u";
  return fmt::format("(uint{}_t){}u", width, digits);
}

} // namespace mlr::target
