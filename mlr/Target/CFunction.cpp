// The body of a function of loops as C99 statements: each SSA value is a const local, loop-carried values are
// variables. Integers are unsigned, so that wrapping is defined; signed operators cast.
#include "mlr/Target/CBody.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/ConstantRange.h"
#include "llvm/IR/InstrTypes.h"

#include "mlir/IR/Iterators.h"

using namespace mlir;

namespace mlr::target {

std::string Writer::operator[](Value v) const {
  auto it = names.find(v);
  return it == names.end() ? "/* undefined */" : it->second;
}

void Writer::define(Value v, const std::string &expression) {
  if (v.use_empty()) return;  // compilers warn of unused variables
  std::string name = fresh();
  line(fmt::format("const {} {} = {};", registerType(v.getType()), name, expression));
  names[v] = name;
}

/// "wakeword.mlr:52" of the innermost source position of an operation, once for each run of equal ones.
void Writer::traceLocation(Operation *op) {
  std::string text;
  op->getLoc()->walk([&](Location l) {
    if (auto file = dyn_cast<FileLineColLoc>(l); file && text.empty()) {
      StringRef path = file.getFilename().getValue();
      text = fmt::format("{}:{}", path.substr(path.rfind('/') + 1).str(), file.getLine());
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (text.empty() || text == lastLocation || text.find("*/") != std::string::npos) return;
  lastLocation = text;
  line(fmt::format("/* {} */", text));
}

std::string Writer::constant(TypedAttr value) {
  if (auto f = dyn_cast<FloatAttr>(value)) return floatLiteral(f.getValue());
  auto i = cast<IntegerAttr>(value);
  if (i.getType().isIndex()) return std::to_string(i.getInt());
  return integerLiteral(i.getValue());
}

/// The element of a buffer or constant that a load or store touches.
std::string Writer::place(Value memref, ValueRange indices) {
  auto type = cast<MemRefType>(memref.getType());
  std::string at;
  for (auto [k, index] : llvm::enumerate(indices)) {
    std::string i = (*this)[index];
    if (k == 0) at = i;
    else if (at == "0") at = i;
    else at = fmt::format("({}) * {} + {}", at, type.getDimSize(k), i);
  }
  return element(memref, at);
}

std::string Writer::element(Value memref, const std::string &at) {
  if (auto global = memref.getDefiningOp<memref::GetGlobalOp>())
    return fmt::format("{}[{}]", cIdentifier(global.getName()), at.empty() ? "0" : at);
  if (memref.getDefiningOp<memref::AllocaOp>()) return names.lookup(memref);
  const store::Buffer *buffer = bufferOf(memref);
  if (!buffer) return "";
  if (buffer->shape.empty() && buffer->space != store::Space::Scratch && StringRef(at).contains_insensitive("v"))
    line(fmt::format("(void)({});", at));  // the only element needs no index
  return layout.element(buffer->id, at);
}

/// The buffer that a memref is a view of; of a constant or a cell: null.
const store::Buffer *Writer::bufferOf(Value memref) const {
  auto view = memref.getDefiningOp<memref::ViewOp>();
  auto id = view ? view->getAttrOfType<IntegerAttr>("mlr.buffer") : nullptr;
  return id ? &layout.buffers()[static_cast<size_t>(id.getInt())] : nullptr;
}

/// A register, which is unsigned, as a field or parameter of a type of the language: a conversion that changes the sign is written.
static std::string asField(mlir::Type field, const std::string &text) {
  return field.isInteger() && !field.isInteger(1) && !field.isUnsignedInteger() ? fmt::format("({}){}", fieldType(field), text) : text;
}

/// The text of a value, or of one lane of it, where it is stored.
std::string Writer::stored(Value memref, Value value) const {
  const store::Buffer *buffer = bufferOf(memref);
  std::string text = (*this)[value];
  return buffer && buffer->space != store::Space::Scratch ? asField(buffer->element, text) : text;
}

/// What a comparison of an integer with a constant at the limit of its type always gives; compilers warn of it.
static std::optional<bool> decided(arith::CmpIOp op) {
  using P = llvm::CmpInst::Predicate;
  static const P predicates[] = {P::ICMP_EQ,  P::ICMP_NE,  P::ICMP_SLT, P::ICMP_SLE, P::ICMP_SGT,
                                 P::ICMP_SGE, P::ICMP_ULT, P::ICMP_ULE, P::ICMP_UGT, P::ICMP_UGE};
  mlir::Type element = getElementTypeOrSelf(op.getLhs().getType());
  if (!isa<IntegerType>(element) || element.isInteger(1)) return std::nullopt;
  auto range = [](Value v) {
    llvm::APInt value;
    if (matchPattern(v, m_ConstantInt(&value))) return llvm::ConstantRange(value);
    return llvm::ConstantRange::getFull(getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth());
  };
  llvm::ConstantRange a = range(op.getLhs()), b = range(op.getRhs());
  if (op.getLhs() == op.getRhs()) return llvm::CmpInst::isTrueWhenEqual(predicates[static_cast<size_t>(op.getPredicate())]);
  P p = predicates[static_cast<size_t>(op.getPredicate())];
  if (a.icmp(p, b)) return true;
  if (a.icmp(llvm::CmpInst::getInversePredicate(p), b)) return false;
  return std::nullopt;
}

std::string Writer::compare(arith::CmpIOp op) {
  static const char *const spelling[] = {"==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">="};
  auto p = static_cast<size_t>(op.getPredicate());
  bool isSigned = p >= 2 && p <= 5;
  std::string a = (*this)[op.getLhs()], b = (*this)[op.getRhs()];
  mlir::Type t = getElementTypeOrSelf(op.getLhs().getType());
  if (isSigned && !t.isIndex()) {
    std::string cast = fmt::format("(int{}_t)", t.getIntOrFloatBitWidth());
    a = cast + a;
    b = cast + b;
  }
  if (p >= 6 && t.isIndex()) {
    a = "(size_t)" + a;
    b = "(size_t)" + b;
  }
  return fmt::format("{} {} {}", a, spelling[p], b);
}

/// The same of a float with itself; where it asks whether that is a number, it asks so from now on.
static std::optional<bool> decided(arith::CmpFOp op) {
  using P = arith::CmpFPredicate;
  if (op.getLhs() != op.getRhs()) return std::nullopt;
  switch (op.getPredicate()) {
  case P::OGT:
  case P::OLT:
  case P::ONE: return false;
  case P::UGE:
  case P::ULE:
  case P::UEQ: return true;
  case P::OGE:
  case P::OLE:
  case P::OEQ: return op.setPredicate(P::ORD), std::nullopt;
  case P::UGT:
  case P::ULT:
  case P::UNE: return op.setPredicate(P::UNO), std::nullopt;
  default: return std::nullopt;
  }
}

std::string Writer::compare(arith::CmpFOp op) {
  std::string a = (*this)[op.getLhs()], b = (*this)[op.getRhs()];
  auto ordered = [&](const char *c) { return fmt::format("{} {} {}", a, c, b); };
  using P = arith::CmpFPredicate;
  switch (op.getPredicate()) {
  case P::AlwaysFalse: return "false";
  case P::OEQ: return ordered("==");
  case P::OGT: return ordered(">");
  case P::OGE: return ordered(">=");
  case P::OLT: return ordered("<");
  case P::OLE: return ordered("<=");
  case P::ONE: return fmt::format("{} < {} || {} > {}", a, b, a, b);
  case P::ORD: return a == b ? fmt::format("{} == {}", a, a) : fmt::format("{} == {} && {} == {}", a, a, b, b);
  case P::UEQ: return fmt::format("!({} < {} || {} > {})", a, b, a, b);
  case P::UGT: return fmt::format("!({} <= {})", a, b);
  case P::UGE: return fmt::format("!({} < {})", a, b);
  case P::ULT: return fmt::format("!({} >= {})", a, b);
  case P::ULE: return fmt::format("!({} > {})", a, b);
  case P::UNE: return ordered("!=");
  case P::UNO: return a == b ? fmt::format("{} != {}", a, a) : fmt::format("{} != {} || {} != {}", a, a, b, b);
  case P::AlwaysTrue: return "true";
  }
  return "";
}

/// Conversions between register types; empty if `op` is none.
std::string Writer::convert(Operation *op) {
  if (op->getNumOperands() != 1 || op->getNumResults() != 1) return "";
  std::string x = (*this)[op->getOperand(0)];
  mlir::Type from = getElementTypeOrSelf(op->getOperand(0).getType()), to = getElementTypeOrSelf(op->getResult(0).getType());
  auto width = [](mlir::Type t) { return t.isIndex() ? 64u : t.getIntOrFloatBitWidth(); };
  auto asSigned = [&](mlir::Type t) { return t.isIndex() ? std::string("ptrdiff_t") : fmt::format("int{}_t", width(t)); };
  std::string target = registerType(to);
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op)) return fmt::format("({}){}", target, x);
  if (isa<arith::TruncIOp>(op)) return to.isInteger(1) ? fmt::format("({} & 1u) != 0", x) : fmt::format("({}){}", target, x);
  if (isa<arith::ExtSIOp, arith::IndexCastOp>(op)) {
    if (from.isInteger(1)) return fmt::format("({})(0u - (unsigned){})", target, x);
    if (from.isIndex() && to.isInteger(1)) return fmt::format("({} & 1) != 0", x);
    return fmt::format("({})({}){}", target, asSigned(from), x);
  }
  if (isa<arith::SIToFPOp>(op))
    return from.isInteger(1) ? fmt::format("-({}){}", target, x) : fmt::format("({})({}){}", target, asSigned(from), x);
  if (isa<arith::UIToFPOp, arith::ExtFOp, arith::TruncFOp>(op)) return fmt::format("({}){}", target, x);
  if (isa<arith::FPToUIOp>(op)) return fmt::format("({}){}", target, x);
  if (isa<arith::FPToSIOp>(op)) return fmt::format("({})({}){}", target, asSigned(to), x);
  if (isa<arith::BitcastOp>(op)) {
    if (from == to) return x;
    return fmt::format("mlr_{}_from_{}({})", to.isF32() ? "f32" : to.isF64() ? "f64" : fmt::format("u{}", width(to)),
                       from.isF32() ? "f32" : from.isF64() ? "f64" : fmt::format("u{}", width(from)), x);
  }
  return "";
}

static const char *infix(Operation *op) {
  return llvm::TypeSwitch<Operation *, const char *>(op)
      .Case<arith::AddFOp, arith::AddIOp>([](auto) { return "+"; })
      .Case<arith::SubFOp, arith::SubIOp>([](auto) { return "-"; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return "*"; })
      .Case<arith::DivFOp, arith::DivUIOp, arith::DivSIOp>([](auto) { return "/"; })
      .Case<arith::RemUIOp, arith::RemSIOp>([](auto) { return "%"; })
      .Case<arith::AndIOp>([](auto) { return "&"; })
      .Case<arith::OrIOp>([](auto) { return "|"; })
      .Case<arith::XOrIOp>([](auto) { return "^"; })
      .Case<arith::ShLIOp>([](auto) { return "<<"; })
      .Case<arith::ShRUIOp, arith::ShRSIOp>([](auto) { return ">>"; })
      .Default([](auto) { return nullptr; });
}

static const char *mathFunction(Operation *op) {
  return llvm::TypeSwitch<Operation *, const char *>(op)
      .Case<math::SqrtOp>([](auto) { return "sqrt"; })
      .Case<math::FloorOp>([](auto) { return "floor"; })
      .Case<math::CeilOp>([](auto) { return "ceil"; })
      .Case<math::TruncOp>([](auto) { return "trunc"; })
      .Case<math::RoundEvenOp>([](auto) { return "rint"; })  // in the default rounding mode
      .Case<math::AbsFOp>([](auto) { return "fabs"; })
      .Case<math::CopySignOp>([](auto) { return "copysign"; })
      .Case<math::FmaOp>([](auto) { return "fma"; })
      .Case<arith::RemFOp>([](auto) { return "fmod"; })
      .Default([](auto) { return nullptr; });
}

LogicalResult Writer::arithmetic(Operation *op) {
  Value result = op->getResult(0);
  mlir::Type t = getElementTypeOrSelf(result.getType());
  std::string type = registerType(t);
  auto x = [&](unsigned k) { return (*this)[op->getOperand(k)]; };
  if (const char *name = mathFunction(op)) {
    std::string arguments;
    for (unsigned k = 0; k < op->getNumOperands(); ++k) arguments += (k ? ", " : "") + x(k);
    std::string function = fmt::format("{}{}", name, t.isF32() ? "f" : "");
    if (isa<math::FmaOp>(op) && isa<VectorType>(result.getType())) function = t.isF32() ? "mlr_fma_f32" : "mlr_fma_f64";
    define(result, fmt::format("{}({})", function, arguments));
    return success();
  }
  if (const char *symbol = infix(op)) {
    std::string text = fmt::format("{} {} {}", x(0), symbol, x(1));
    bool isSigned = isa<arith::DivSIOp, arith::RemSIOp, arith::ShRSIOp>(op) && !t.isIndex();
    if (isSigned) {
      std::string cast = fmt::format("(int{}_t)", t.getIntOrFloatBitWidth());
      text = isa<arith::ShRSIOp>(op) ? fmt::format("({}){}{} >> {}", type, "", fmt::format("({}{}", cast, x(0)), x(1) + ")")
                                     : fmt::format("({})({}{} {} {}{})", type, cast, x(0), symbol, cast, x(1));
    } else if (t.isInteger(1)) {
      if (StringRef(symbol) == "+" || StringRef(symbol) == "-") text = fmt::format("{} != {}", x(0), x(1));
      else if (StringRef(symbol) == "*") text = fmt::format("{} && {}", x(0), x(1));
      else if (StringRef(symbol) == "&") text = fmt::format("{} && {}", x(0), x(1));
      else if (StringRef(symbol) == "|") text = fmt::format("{} || {}", x(0), x(1));
      else text = fmt::format("{} != {}", x(0), x(1));
    } else if (isa<IntegerType>(t) && t.getIntOrFloatBitWidth() < 32) {
      // narrow operands are promoted to int; 65535 * 65535 would overflow it
      text = fmt::format("({})((unsigned){} {} (unsigned){})", type, x(0), symbol, x(1));
    }
    define(result, text);
    return success();
  }
  if (std::string text = convert(op); !text.empty()) return define(result, text), success();
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::ConstantOp c) {
        names[result] = isa<VectorType>(c.getType()) ? constantLanes(c) : constant(c.getValue());
        return success();
      })
      .Case([&](arith::CmpIOp c) { return define(result, compare(c)), success(); })
      .Case([&](arith::CmpFOp c) { return define(result, compare(c)), success(); })
      .Case([&](arith::SelectOp) { return define(result, fmt::format("{} ? {} : {}", x(0), x(1), x(2))), success(); })
      .Case([&](arith::NegFOp) { return define(result, "-" + x(0)), success(); })
      .Case<arith::MaxSIOp, arith::MinSIOp>([&](auto) {
        std::string cast = t.isIndex() ? "" : fmt::format("(int{}_t)", t.getIntOrFloatBitWidth());
        const char *c = isa<arith::MaxSIOp>(op) ? ">" : "<";
        return define(result, fmt::format("{}{} {} {}{} ? {} : {}", cast, x(0), c, cast, x(1), x(0), x(1))), success();
      })
      .Case<arith::MaxUIOp, arith::MinUIOp>([&](auto) {
        const char *c = isa<arith::MaxUIOp>(op) ? ">" : "<";
        return define(result, fmt::format("{} {} {} ? {} : {}", x(0), c, x(1), x(0), x(1))), success();
      })
      .Default([&](Operation *) { return op->emitOpError("has no form in C"), failure(); });
}

/// Declares a variable or array; the text of its value, or of one lane.
std::string Writer::declareOne(mlir::Type type, const std::string &name) {
  auto vector = dyn_cast<VectorType>(type);
  line(fmt::format("{} {}{};", registerType(type), name, vector ? fmt::format("[{}]", vector.getNumElements()) : ""));
  return vector ? name + "[l]" : name;
}

std::vector<std::string> Writer::declare(ValueRange results) {
  std::vector<std::string> targets;
  for (Value v : results) {
    targets.push_back(fresh());
    names[v] = declareOne(v.getType(), targets.back());
  }
  return targets;
}

/// targets = values, all at once: a value that is itself a target is saved first.
void Writer::assign(ValueRange values, ArrayRef<std::string> targets) {
  SmallVector<Value> changed;
  SmallVector<std::string> to, texts;
  for (auto [v, name] : llvm::zip(values, targets)) {
    std::string lane = isa<VectorType>(v.getType()) ? name + "[l]" : name;
    if ((*this)[v] == lane) continue;
    changed.push_back(v);
    texts.push_back((*this)[v]);
    to.push_back(lane);
  }
  auto inLoops = [&](auto statement) {
    for (size_t k = 0; k < changed.size();) {
      auto vector = dyn_cast<VectorType>(changed[k].getType());
      if (vector) openLanes(vector.getNumElements());
      for (mlir::Type type = changed[k].getType(); k < changed.size(); ++k) {
        auto other = dyn_cast<VectorType>(changed[k].getType());
        if (vector ? !other || other.getShape() != vector.getShape() : changed[k].getType() != type) break;
        statement(k);
      }
      if (vector) closeLanes();
    }
  };
  // The saved copies are read before any target is written.
  for (size_t k = 0; k < texts.size(); ++k) {
    if (!llvm::is_contained(ArrayRef<std::string>(to).take_front(k), texts[k])) continue;
    std::string saved = declareOne(changed[k].getType(), fresh());
    if (auto vector = dyn_cast<VectorType>(changed[k].getType())) openLanes(vector.getNumElements());
    line(fmt::format("{} = {};", saved, texts[k]));
    if (isa<VectorType>(changed[k].getType())) closeLanes();
    texts[k] = saved;
  }
  inLoops([&](size_t k) { line(fmt::format("{} = {};", to[k], texts[k])); });
}

LogicalResult Writer::forLoop(scf::ForOp op) {
  std::vector<std::string> carried = declare(op.getResults());
  assign(op.getInitArgs(), carried);
  for (auto [argument, result] : llvm::zip(op.getRegionIterArgs(), op.getResults())) names[argument] = (*this)[result];
  std::string i = fmt::format("i{}", next++);
  names[op.getInductionVar()] = i;
  std::string step = (*this)[op.getStep()];
  line(fmt::format("for ({0} {1} = {2}; {1} < {3}; {4}) {{", registerType(op.getInductionVar().getType()), i,
                   (*this)[op.getLowerBound()], (*this)[op.getUpperBound()], step == "1" ? "++" + i : i + " += " + step));
  ++depth;
  if (failed(block(*op.getBody(), carried))) return failure();
  assign(cast<scf::YieldOp>(op.getBody()->getTerminator()).getOperands(), carried);
  --depth;
  line("}");
  markUnused(op.getResults(), carried);
  return success();
}

/// `(void)v;` for results that nobody reads, of which compilers warn otherwise.
void Writer::markUnused(ValueRange results, ArrayRef<std::string> variables) {
  for (auto [result, variable] : llvm::zip(results, variables))
    if (result.use_empty()) line(fmt::format("(void){};", variable));
}

LogicalResult Writer::ifElse(scf::IfOp op) {
  std::vector<std::string> targets = declare(op.getResults());
  line(fmt::format("if ({}) {{", (*this)[op.getCondition()]));
  ++depth;
  if (failed(block(*op.thenBlock()))) return failure();
  assign(op.thenYield().getOperands(), targets);
  --depth;
  if (op.elseBlock() && (op.elseBlock()->getOperations().size() > 1 || op.elseYield().getNumOperands())) {
    line("} else {");
    ++depth;
    if (failed(block(*op.elseBlock()))) return failure();
    assign(op.elseYield().getOperands(), targets);
    --depth;
  }
  line("}");
  markUnused(op.getResults(), targets);
  return success();
}

LogicalResult Writer::whileLoop(scf::WhileOp op) {
  std::vector<std::string> carried;
  for (Value v : op.getBeforeArguments()) {
    carried.push_back(fresh());
    names[v] = declareOne(v.getType(), carried.back());
  }
  assign(op.getInits(), carried);
  std::vector<std::string> results = declare(op.getResults());
  for (auto [argument, result] : llvm::zip(op.getAfterArguments(), op.getResults())) names[argument] = (*this)[result];
  line("for (;;) {");
  ++depth;
  if (failed(block(*op.getBeforeBody()))) return failure();
  auto condition = op.getConditionOp();
  assign(condition.getArgs(), results);
  line(fmt::format("if (!{}) break;", (*this)[condition.getCondition()]));
  if (failed(block(*op.getAfterBody()))) return failure();
  assign(op.getYieldOp().getOperands(), carried);
  --depth;
  line("}");
  markUnused(op.getResults(), results);
  markUnused(op.getBeforeArguments(), carried);
  return success();
}

/// The arguments of a call, with the casts that pointers of a C function need.
std::string Writer::arguments(func::CallOp call) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
  auto as = callee ? callee->getAttrOfType<TypeAttr>("mlr.extern") : TypeAttr();
  auto type = as ? cast<FunctionType>(as.getValue()) : FunctionType();
  std::string text;
  for (auto [k, v] : llvm::enumerate(call.getOperands())) {
    text += k ? ", " : "";
    if (!type || !isa<MemRefType>(v.getType())) {
      text += type ? asField(type.getInput(k), (*this)[v]) : (*this)[v];
      continue;
    }
    bool isInput = k < type.getNumInputs();
    mlir::Type element = getElementTypeOrSelf(isInput ? type.getInput(k) : type.getResult(k - type.getNumInputs()));
    bool isAsInMemory = isa<FloatType>(element) || v.getDefiningOp<memref::AllocaOp>();
    if (!isAsInMemory) text += fmt::format("({}{} *)", isInput ? "const " : "", fieldType(element));
    text += "&" + names.lookup(v);
  }
  return text;
}

LogicalResult Writer::operation(Operation *op) {
  if (isa<memref::ViewOp, memref::GetGlobalOp>(op)) return success();
  if (!isa<arith::ConstantOp>(op)) traceLocation(op);
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](scf::ForOp o) { return forLoop(o); })
      .Case([&](scf::IfOp o) { return ifElse(o); })
      .Case([&](scf::WhileOp o) { return whileLoop(o); })
      .Case([&](memref::LoadOp o) {
        std::string at = place(o.getMemRef(), o.getIndices());
        if (at.empty()) return LogicalResult(o.emitOpError("reads memory outside of the plan"));
        std::string type = registerType(o.getType());
        // An output that is absent holds anything, and what is computed from it is looked at by nobody; but reading a bool that is
        // neither 0 nor 1 would be undefined.
        if (o.getType().isInteger(8) && StringRef(at).starts_with("out->")) at = "*(const uint8_t *)&" + at;
        return define(o.getResult(), isa<IntegerType>(o.getType()) ? fmt::format("({}){}", type, at) : at), success();
      })
      .Case([&](memref::StoreOp o) {
        std::string at = place(o.getMemRef(), o.getIndices());
        if (at.empty()) return LogicalResult(o.emitOpError("writes memory outside of the plan"));
        line(fmt::format("{} = {};", at, stored(o.getMemRef(), o.getValueToStore())));
        return success();
      })
      .Case([&](func::CallOp o) {
        auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(o, o.getCalleeAttr());
        bool isForeign = callee && callee->hasAttr("mlr.extern"); // its symbol as it is
        std::string text = fmt::format("{}({})", isForeign ? o.getCallee().str() : cIdentifier(o.getCallee()), arguments(o));
        if (isForeign && o.getNumResults() && o.getResult(0).getType().isInteger() && !o.getResult(0).getType().isInteger(1))
          text = fmt::format("({}){}", registerType(o.getResult(0).getType()), text);
        if (o.getNumResults() && !o.use_empty()) define(o.getResult(0), text);
        else line(o.getNumResults() ? "(void)" + text + ";" : text + ";");
        return success();
      })
      .Case([&](memref::SubViewOp o) {
        names[o.getResult()] = element(o.getSource(), (*this)[o.getDynamicOffset(0)]);
        return success();
      })
      .Case([&](memref::AllocaOp o) {
        names[o.getResult()] = fresh();
        line(fmt::format("{} {};", fieldType(o->getAttrOfType<TypeAttr>("mlr.type").getValue()), names[o.getResult()]));
        return success();
      })
      .Case([&](vector::ExtractOp o) {
        return define(o.getResult(), lane(o.getSource(), o.getStaticPosition()[0])), success();
      })
      .Default([&](Operation *o) {
        if (o->getNumResults() == 1) return arithmetic(o);
        return LogicalResult(o->emitOpError("has no form in C"));
      });
}

/// `carried`: the variables of the loop whose body this is.
LogicalResult Writer::block(Block &b, ArrayRef<std::string> carried) {
  for (Operation &op : b.without_terminator()) {
    if (isLaneOperation(&op)) {
      if (conflicts(&op)) flush(b, &op, carried);
      pending.push_back(&op);
      continue;
    }
    // What only computes or loads a scalar comes before a loop that is still open.
    bool before = op.getNumRegions() == 0 && isPure(&op) && !isa<vector::ExtractOp>(op);
    if (isa<memref::LoadOp>(op)) before = !conflicts(&op);
    if (!before) flush(b, &op, carried);
    if (failed(operation(&op))) return failure();
  }
  flush(b, nullptr, carried);
  return failure(failedLanes);
}

LogicalResult Writer::run() {
  depth = 1;
  for (auto [k, argument] : llvm::enumerate(function.getArguments()))
    if (!isa<MemRefType>(argument.getType())) names[argument] = fmt::format("a{}", k);
  if (failed(block(function.getBody().front()))) return failure();
  auto result = cast<func::ReturnOp>(function.getBody().front().getTerminator());
  if (result.getNumOperands()) line(fmt::format("return {};", (*this)[result.getOperand(0)]));
  return success();
}

void prepareForC(func::FuncOp function) {
  auto decide = [](auto op) {
    auto known = decided(op);
    if (!known) return;
    OpBuilder b(op);
    TypedAttr value = b.getBoolAttr(*known);
    if (auto lanes = dyn_cast<VectorType>(op.getType())) value = DenseElementsAttr::get(lanes, *known);
    op.replaceAllUsesWith(arith::ConstantOp::create(b, op.getLoc(), value).getResult());
  };
  function.walk([&](arith::CmpIOp op) { decide(op); });
  function.walk([&](arith::CmpFOp op) { decide(op); });
  // Calls have no effect but for C functions that are kept.
  function.walk<WalkOrder::PostOrder, mlir::ReverseIterator>([](Operation *op) {
    if (isOpTriviallyDead(op) || (isa<func::CallOp>(op) && op->use_empty() && !op->hasAttr("mlr.keep"))) op->erase();
  });
}

LogicalResult writeFunction(func::FuncOp function, const Layout &layout, std::string &out) {
  if (function.getBody().getBlocks().size() != 1) return function.emitOpError("has more than one block");
  return Writer(function, layout, out).run();
}

} // namespace mlr::target
