// Registration, printing, parsing and verification of the mlr dialect.
#include "mlr/Dataflow/Dialect.h"

#include "llvm/ADT/StringSet.h"

#include "mlr/Dataflow/IR/MlrDialect.cpp.inc"
#include "mlr/Dataflow/IR/MlrEnums.cpp.inc"

#define GET_OP_CLASSES
#include "mlr/Dataflow/IR/MlrOps.cpp.inc"

using namespace mlir;

namespace mlr::dataflow {

void MlrDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "mlr/Dataflow/IR/MlrOps.cpp.inc"
      >();
}

// ---- node
// ----------------------------------------------------------------------------------------------------

ParseResult NodeOp::parse(OpAsmParser &parser, OperationState &state) {
  Builder &b = parser.getBuilder();
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  SmallVector<Type> inputs, outputs;
  SmallVector<Attribute> argNames, resultNames;
  if (parser.parseSymbolName(name, "sym_name", state.attributes) ||
      parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true) ||
      parser.parseArrow())
    return failure();
  auto parseResult = [&]() -> ParseResult {
    std::string keyword;
    Type type;
    if (parser.parseKeywordOrString(&keyword) || parser.parseColonType(type)) return failure();
    resultNames.push_back(b.getStringAttr(keyword));
    outputs.push_back(type);
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseResult)) return failure();
  for (auto &a : args) {
    inputs.push_back(a.type);
    argNames.push_back(b.getStringAttr(a.ssaName.name.drop_front()));
  }
  state.addAttribute("function_type", TypeAttr::get(b.getFunctionType(inputs, outputs)));
  state.addAttribute("result_names", b.getArrayAttr(resultNames));
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes)) return failure();
  if (!state.attributes.get("arg_names")) state.addAttribute("arg_names", b.getArrayAttr(argNames));
  Region *body = state.addRegion();
  return parser.parseRegion(*body, args);
}

/// Whether the arguments print under their names, so that `arg_names` need not be printed.
static bool namesAreIdentifiers(ArrayAttr names) {
  llvm::StringSet<> seen;
  return llvm::all_of(names.getAsRange<StringAttr>(), [&](StringAttr name) {
    StringRef s = name.getValue();
    if (s.empty() || llvm::isDigit(s.front()) || !seen.insert(s).second) return false;
    return llvm::all_of(s, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == '$'; });
  });
}

void NodeOp::getAsmBlockArgumentNames(mlir::Region &region, OpAsmSetValueNameFn setName) {
  for (auto [name, argument] : llvm::zip(getArgNames(), region.getArguments()))
    setName(argument, cast<StringAttr>(name).getValue());
}

void NodeOp::print(OpAsmPrinter &p) {
  p << ' ';
  p.printSymbolName(getSymName());
  p << '(';
  llvm::interleaveComma(getBody().getArguments(), p, [&](BlockArgument a) { p.printRegionArgument(a); });
  p << ") -> (";
  llvm::interleaveComma(llvm::zip(getResultNames(), getFunctionType().getResults()), p, [&](auto pair) {
    p.printKeywordOrString(cast<StringAttr>(std::get<0>(pair)).getValue());
    p << ": " << std::get<1>(pair);
  });
  p << ')';
  SmallVector<StringRef> elided{"sym_name", "function_type", "result_names"};
  if (namesAreIdentifiers(getArgNames())) elided.push_back("arg_names");
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs(), elided);
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult NodeOp::verify() {
  FunctionType type = getFunctionType();
  if (getArgNames().size() != type.getNumInputs()) return emitOpError("has one name an argument");
  if (getResultNames().size() != type.getNumResults()) return emitOpError("has one name a result");
  if (TypeRange(getBody().getArgumentTypes()) != TypeRange(type.getInputs()))
    return emitOpError("region arguments differ from the inputs of its type");
  auto yield = dyn_cast<YieldOp>(getBody().front().getTerminator());
  if (!yield || TypeRange(yield.getOperandTypes()) != TypeRange(type.getResults()))
    return emitOpError("ends in an mlr.yield of its results");
  if (auto presence = getPresence()) {
    if (presence->size() != type.getNumResults()) return emitOpError("has one presence a result");
    for (auto [flag, of] : llvm::enumerate(*presence))
      if (of != -1 && (of < 0 || of + 1 != static_cast<int64_t>(flag) || !type.getResult(flag).isInteger(1)))
        return emitOpError("has an i1 result behind another to say when that is present");
  }
  return success();
}

// ---- scan
// ----------------------------------------------------------------------------------------------------

ParseResult ScanOp::parse(OpAsmParser &parser, OperationState &state) {
  Builder &b = parser.getBuilder();
  OpAsmParser::Argument index;
  int64_t length;
  index.type = b.getI32Type();
  if (parser.parseArgument(index) || parser.parseLess() || parser.parseInteger(length)) return failure();
  state.addAttribute("length", b.getI64IntegerAttr(length));
  state.addAttribute("index_name", b.getStringAttr(index.ssaName.name.drop_front()));
  std::array<int32_t, 3> segments{0, 0, 0};
  if (succeeded(parser.parseOptionalKeyword("upto"))) {
    OpAsmParser::UnresolvedOperand upto;
    if (parser.parseOperand(upto) || parser.resolveOperand(upto, b.getI32Type(), state.operands))
      return failure();
    segments[0] = 1;
  }
  if (succeeded(parser.parseOptionalKeyword("resume"))) state.addAttribute("resume", b.getUnitAttr());
  for (int k : {1, 2}) {
    if (failed(parser.parseOptionalKeyword(k == 1 ? "when" : "reset"))) continue;
    OpAsmParser::UnresolvedOperand flag;
    Type type;
    if (parser.parseOperand(flag) || parser.parseColonType(type) ||
        parser.resolveOperand(flag, type, state.operands))
      return failure();
    segments[k] = 1;
  }
  state.addAttribute(getOperandSegmentSizesAttrName(state.name), b.getDenseI32ArrayAttr(segments));
  if (succeeded(parser.parseOptionalKeyword("sweep"))) {
    StringRef direction;
    if (parser.parseKeyword(&direction)) return failure();
    auto d = symbolizeDirection(direction);
    if (!d) return parser.emitError(parser.getCurrentLocation(), "expected `up` or `down`");
    state.addAttribute("sweep", DirectionAttr::get(b.getContext(), *d));
  }
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes)) return failure();
  Region *body = state.addRegion();
  if (parser.parseRegion(*body, {index})) return failure();
  SmallVector<Type> types;
  if (succeeded(parser.parseOptionalColon()) && parser.parseTypeList(types)) return failure();
  state.addTypes(types);
  return success();
}

void ScanOp::getAsmBlockArgumentNames(mlir::Region &region, OpAsmSetValueNameFn setName) {
  setName(region.getArgument(0), getIndexName().value_or("t"));
}

void ScanOp::print(OpAsmPrinter &p) {
  p << ' ';
  p.printRegionArgument(getBody().getArgument(0), {}, /*omitType=*/true);
  p << " < " << getLength();
  if (getUpto()) p << " upto " << getUpto();
  if (getResume()) p << " resume";
  if (getWhen()) p << " when " << getWhen() << " : " << getWhen().getType();
  if (getReset()) p << " reset " << getReset() << " : " << getReset().getType();
  if (getSweep()) p << " sweep " << stringifyDirection(*getSweep());
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                     {"length", "resume", "sweep", "index_name", "operandSegmentSizes"});
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  if (getNumResults()) p << " : " << getResultTypes();
}

LogicalResult ScanOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != 1 || !body.getArgument(0).getType().isInteger(32))
    return emitOpError("region has one i32 argument, the index");
  if (static_cast<int64_t>(getLength()) < 0) return emitOpError("length is not negative");
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield || TypeRange(yield.getOperandTypes()) != TypeRange(getResultTypes()))
    return emitOpError("ends in an mlr.yield of its results");
  for (Value v : yield.getOperands()) {
    Operation *def = v.getDefiningOp();
    bool inside = v.getParentRegion() == &getBody();
    if (inside && !(def && isa<StackOp, FinalOp, InitialOp, CountOp>(def)))
      return emitOpError(
          "yields a value that is not a constant of the scan: it needs stack, final, initial or count");
  }
  if (getReset() && !getResume())
    return emitOpError("has state between outer instants, which can be reset, only with `resume`");
  if (llvm::count_if(body, [](Operation &op) { return isa<UntilOp>(op); }) > 1)
    return emitOpError("has more than one mlr.until");
  return success();
}

LogicalResult ExternOp::verify() {
  FunctionType type = getFunctionType();
  ArrayRef<int64_t> each = getEach();
  auto batched = [&](mlir::Type own) {
    SmallVector<int64_t> shape(each);
    if (auto tensor = dyn_cast<RankedTensorType>(own)) llvm::append_range(shape, tensor.getShape());
    return shape.empty() ? own : mlir::Type(RankedTensorType::get(shape, getElementTypeOrSelf(own)));
  };
  if (getInputs().size() != type.getNumInputs() || getArgNames().size() != type.getNumInputs())
    return emitOpError("has a wrong number of operands");
  if (getResults().size() != type.getNumResults() || getResultNames().size() != type.getNumResults())
    return emitOpError("has a wrong number of results");
  for (auto [operand, own] : llvm::zip(getInputs(), type.getInputs()))
    if (operand.getType() != own && operand.getType() != batched(own)) return emitOpError("has an operand of a wrong type");
  for (auto [result, own] : llvm::zip(getResults(), type.getResults()))
    if (result.getType() != batched(own)) return emitOpError("has a result of a wrong type");
  if (getWhen())
    if (auto flag = dyn_cast<RankedTensorType>(getWhen().getType()))
      if (flag.getRank() > static_cast<int64_t>(each.size()) || flag.getShape() != each.take_front(flag.getRank()))
        return emitOpError("has a flag of a wrong shape");
  if (!isa<NodeOp, ScanOp>((*this)->getParentOp())) return emitOpError("stands in the body of a gen or reduce");
  if (getPure() != getRank().empty()) return emitOpError("needs a rank exactly if it has effects");
  return success();
}

LogicalResult StackOp::verify() {
  auto scan = cast<ScanOp>((*this)->getParentOp());
  SmallVector<int64_t> shape{static_cast<int64_t>(scan.getLength())};
  Type element = getValue().getType();
  if (auto t = dyn_cast<RankedTensorType>(element)) {
    llvm::append_range(shape, t.getShape());
    element = t.getElementType();
  }
  if (getResult().getType() != RankedTensorType::get(shape, element))
    return emitOpError("result is the value with the scan's length as leading axis");
  return success();
}

// ---- time
// ----------------------------------------------------------------------------------------------------

/// Flags of an operator are scalars or have the leading axes of its operand.
static LogicalResult verifyFlags(Operation *op, ArrayRef<Value> flags, Type operand) {
  for (Value flag : flags) {
    auto tensor = flag ? dyn_cast<RankedTensorType>(flag.getType()) : RankedTensorType();
    if (!tensor) continue;
    auto shape =
        isa<RankedTensorType>(operand) ? cast<RankedTensorType>(operand).getShape() : ArrayRef<int64_t>();
    if (shape.take_front(tensor.getRank()) != tensor.getShape())
      return op->emitOpError("has a flag without the leading axes of its operand");
  }
  return success();
}

LogicalResult FbyOp::verify() { return verifyFlags(*this, {getWhen(), getReset()}, getType()); }
LogicalResult EbyOp::verify() { return verifyFlags(*this, {getWhen(), getReset()}, getType()); }
LogicalResult PreOp::verify() { return verifyFlags(*this, {getWhen(), getReset()}, getType()); }
LogicalResult FirstOp::verify() { return verifyFlags(*this, {getWhen(), getReset()}, getType()); }

LogicalResult WindowOp::verify() {
  if (failed(verifyFlags(*this, {getWhen(), getReset()}, getValue().getType()))) return failure();
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() < 1 || result.getDimSize(0) < 1) return emitOpError("has at least one element");
  SmallVector<int64_t> shape{result.getDimSize(0)};
  Type element = getValue().getType();
  if (auto t = dyn_cast<RankedTensorType>(element)) {
    llvm::append_range(shape, t.getShape());
    element = t.getElementType();
  }
  if (result != RankedTensorType::get(shape, element))
    return emitOpError("result stacks values of the operand's type");
  return success();
}

LogicalResult PutOp::verify() {
  if (!getCell().getDefiningOp<CellOp>()) return emitOpError("writes to an mlr.cell");
  auto cell = cast<RankedTensorType>(getCell().getType());
  auto value = dyn_cast<RankedTensorType>(getValue().getType());
  ArrayRef<int64_t> row = value ? value.getShape() : ArrayRef<int64_t>();
  if (cell.getRank() == 0 || cell.getShape().drop_front() != row ||
      cell.getElementType() != getElementTypeOrSelf(getValue().getType()))
    return emitOpError("writes a row of the cell");
  return success();
}

LogicalResult RowsOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  int64_t rows = result.getRank() ? result.getDimSize(0) : 0;
  if (rows < 1 || (getMirror() && rows % 2)) return emitOpError("has at least one row, an even number if mirrored");
  SmallVector<int64_t> shape{rows};
  Type element = getValue().getType();
  if (auto t = dyn_cast<RankedTensorType>(element)) {
    llvm::append_range(shape, t.getShape());
    element = t.getElementType();
  }
  if (result != RankedTensorType::get(shape, element)) return emitOpError("result stacks values of the operand's type");
  return success();
}

// ---- tensors
// -------------------------------------------------------------------------------------------------

OpFoldResult ConstOp::fold(FoldAdaptor) { return getValue(); }

static void nameIndices(mlir::Region &region, OpAsmSetValueNameFn setName) {
  static constexpr StringLiteral names[] = {"i", "j", "k", "l", "m", "n"};
  bool inner = isa<GenOp, ReduceOp>(region.getParentOp()->getParentOp());
  unsigned first = inner ? 2 : 0;
  for (auto [n, argument] : llvm::enumerate(region.getArguments()))
    setName(argument, names[std::min<size_t>(first + n, 5)]);
}

void GenOp::getAsmBlockArgumentNames(mlir::Region &region, OpAsmSetValueNameFn setName) {
  nameIndices(region, setName);
}

void ReduceOp::getAsmBlockArgumentNames(mlir::Region &region, OpAsmSetValueNameFn setName) {
  nameIndices(region, setName);
}

static ParseResult parseIndexArguments(OpAsmParser &parser, SmallVectorImpl<OpAsmParser::Argument> &args) {
  auto parseOne = [&]() -> ParseResult {
    args.emplace_back();
    args.back().type = parser.getBuilder().getIndexType();
    return parser.parseArgument(args.back());
  };
  return parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOne);
}

static void printIndexArguments(OpAsmPrinter &p, Region &region) {
  p << '(';
  llvm::interleaveComma(region.getArguments(), p,
                        [&](BlockArgument a) { p.printRegionArgument(a, {}, /*omitType=*/true); });
  p << ')';
}

/// `when %on`, if it is there.
static ParseResult parseWhen(OpAsmParser &parser, OperationState &state) {
  if (failed(parser.parseOptionalKeyword("when"))) return success();
  OpAsmParser::UnresolvedOperand flag;
  return failure(parser.parseOperand(flag) ||
                 parser.resolveOperand(flag, parser.getBuilder().getI1Type(), state.operands));
}

ParseResult GenOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> indices;
  Type type;
  if (parseIndexArguments(parser, indices) || parseWhen(parser, state) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes))
    return failure();
  if (parser.parseRegion(*state.addRegion(), indices) || parser.parseColonType(type)) return failure();
  state.addTypes(type);
  return success();
}

void GenOp::print(OpAsmPrinter &p) {
  p << ' ';
  printIndexArguments(p, getBody());
  if (getWhen()) p << " when " << getWhen();
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  p << " : " << getResult().getType();
}

LogicalResult GenOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  Block &body = getBody().front();
  if (static_cast<int64_t>(body.getNumArguments()) != type.getRank())
    return emitOpError("has one index argument an axis of its result");
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield || yield.getNumOperands() != 1 || yield.getOperand(0).getType() != type.getElementType())
    return emitOpError("yields one element of its result");
  return success();
}

ParseResult ReduceOp::parse(OpAsmParser &parser, OperationState &state) {
  Builder &b = parser.getBuilder();
  StringRef keyword;
  if (parser.parseKeyword(&keyword)) return failure();
  auto kind = symbolizeReduceKind(keyword);
  if (!kind) return parser.emitError(parser.getCurrentLocation(), "unknown reduction");
  state.addAttribute("kind", ReduceKindAttr::get(b.getContext(), *kind));
  if (succeeded(parser.parseOptionalKeyword("tree"))) state.addAttribute("tree", b.getUnitAttr());
  SmallVector<OpAsmParser::Argument> indices;
  SmallVector<int64_t> sizes;
  auto parseOne = [&]() -> ParseResult {
    indices.emplace_back();
    indices.back().type = b.getIndexType();
    int64_t size;
    if (parser.parseArgument(indices.back()) || parser.parseLess() || parser.parseInteger(size))
      return failure();
    sizes.push_back(size);
    return success();
  };
  Type type;
  OpAsmParser::UnresolvedOperand init;
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseOne)) return failure();
  bool hasInit = succeeded(parser.parseOptionalKeyword("from"));
  if ((hasInit && parser.parseOperand(init)) || parseWhen(parser, state)) return failure();
  auto whens = static_cast<int32_t>(state.operands.size());
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseRegion(*state.addRegion(), indices) || parser.parseColonType(type) ||
      (hasInit && parser.resolveOperand(init, type, state.operands)))
    return failure();
  state.addAttribute(getOperandSegmentSizeAttr(), b.getDenseI32ArrayAttr({whens, hasInit}));
  state.addAttribute("sizes", b.getDenseI64ArrayAttr(sizes));
  state.addTypes(type);
  return success();
}

void ReduceOp::print(OpAsmPrinter &p) {
  p << ' ' << stringifyReduceKind(getKind());
  if (getTree()) p << " tree";
  p << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getSizes()), p, [&](auto pair) {
    p.printRegionArgument(std::get<0>(pair), {}, /*omitType=*/true);
    p << " < " << std::get<1>(pair);
  });
  p << ')';
  if (getInit()) p << " from " << getInit();
  if (getWhen()) p << " when " << getWhen();
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"kind", "tree", "sizes", getOperandSegmentSizeAttr()});
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  p << " : " << getResult().getType();
}

LogicalResult ReduceOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != getSizes().size()) return emitOpError("has one index argument a size");
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield || yield.getNumOperands() < 1 || yield.getNumOperands() > 2)
    return emitOpError("yields one or two values");
  bool fused = yield.getNumOperands() == 2;
  if (fused && getKind() != ReduceKind::Sum) return emitOpError("only a sum has two factors");
  bool position = getKind() == ReduceKind::Argmax || getKind() == ReduceKind::Argmin;
  for (Value v : yield.getOperands())
    if (!position && v.getType() != getResult().getType())
      return emitOpError("yields values of its result type");
  if (position && !getResult().getType().isInteger(32)) return emitOpError("gives an i32 position");
  if (getInit() && (getKind() != ReduceKind::Sum || getTree() || getInit().getType() != getResult().getType()))
    return emitOpError("only a sum that is no tree starts from a value, of its type");
  return success();
}

LogicalResult ReadOp::verify() {
  auto source = cast<RankedTensorType>(getSource().getType());
  AffineMap map = getMap();
  if (static_cast<int64_t>(map.getNumResults()) != source.getRank())
    return emitOpError("has one index an axis");
  if (map.getNumDims() != getIndices().size() || map.getNumSymbols())
    return emitOpError("has one operand a dimension of its map");
  if (getResult().getType() != source.getElementType()) return emitOpError("gives an element of its source");
  if (auto clamp = getClamp(); clamp && clamp->size() != static_cast<size_t>(source.getRank()))
    return emitOpError("has one clamp flag an axis");
  return success();
}

LogicalResult ReshapeOp::verify() {
  auto from = cast<RankedTensorType>(getSource().getType()),
       to = cast<RankedTensorType>(getResult().getType());
  if (from.getElementType() != to.getElementType() || from.getNumElements() != to.getNumElements())
    return emitOpError("keeps element type and number of elements");
  return success();
}

static ArrayRef<int64_t> axesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

LogicalResult ScatterOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  ArrayRef<int64_t> along = getAlong();
  if (along.empty() || along.size() != getPlaces().size()) return emitOpError("has one place an axis that it scatters along");
  for (auto [k, axis] : llvm::enumerate(along))
    if (axis < 0 || axis >= type.getRank() || (k && axis <= along[k - 1]))
      return emitOpError("scatters along ascending axes of its result");
  Type places = getPlaces().front().getType();
  for (Value place : getPlaces())
    if (place.getType() != places || !getElementTypeOrSelf(places).isSignlessInteger(32))
      return emitOpError("has i32 places of one shape");
  SmallVector<int64_t> shape(axesOf(places));
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (!llvm::is_contained(along, axis)) shape.push_back(type.getDimSize(axis));
  Type updates = getUpdates().getType();
  if (axesOf(updates) != ArrayRef(shape) || getElementTypeOrSelf(updates) != type.getElementType())
    return emitOpError("has updates with the axes of its places, then those that it does not scatter along");
  return success();
}

LogicalResult ConcatOp::verify() {
  auto to = cast<RankedTensorType>(getResult().getType());
  int64_t axis = getAxis(), size = 0;
  if (axis < 0 || axis >= to.getRank()) return emitOpError("has no axis ") << axis;
  for (Value v : getSources()) {
    auto from = cast<RankedTensorType>(v.getType());
    bool agrees = from.getRank() == to.getRank() && from.getElementType() == to.getElementType();
    for (int64_t k = 0; agrees && k < to.getRank(); ++k) agrees = k == axis || from.getDimSize(k) == to.getDimSize(k);
    if (!agrees) return emitOpError("operands agree with the result but for the axis");
    size += from.getDimSize(axis);
  }
  if (size != to.getDimSize(axis)) return emitOpError("size of the axis is the sum of the operands'");
  return success();
}

int64_t ConcatOp::runs() {
  int64_t count = 1;
  for (int64_t size : cast<RankedTensorType>(getResult().getType()).getShape().take_front(getAxis())) count *= size;
  return count;
}

} // namespace mlr::dataflow
