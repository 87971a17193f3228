// Import of derivatives, and of calls of functions that state theirs: these stay calls until Diff.
#include "mlr/Dataflow/EachCall.h"
#include "mlr/Dataflow/Importer.h"

#include <numeric>

using namespace mlir;

namespace mlr::dataflow {

/// A variable of derivatives is a value of its own, even where it is the same as another. The axes of its context stand in front,
/// so that derivatives mean this very value.
Site *Importer::cutSite(Frame &frame, VarId v, Site *defining) {
  Position at = frame.info->definitions[v].kind == Definition::Kind::Input && frame.isRoot
                    ? Position{&frame, frame.block}
                    : positionOf(frame, frame.info->definitions[v]);
  Site *site = newSite(at, nullptr, defining->context, typeOf(frame.node->vars[v].type));
  site->cutOf = defining;
  site->namedFrame = &frame;
  site->namedVar = v;
  frame.uncut[v] = defining;
  return site;
}

mlir::Value Importer::cutValue(Site *site) {
  mlir::Value value = valueOf(site->cutOf);
  if (site->cutOf->contextAxis) { // [axis, context.., rest..]
    SmallVector<unsigned> order(shapeOf(site->type).size());
    std::iota(order.begin(), order.end(), 0u);
    std::rotate(order.begin(), order.begin() + 1, order.begin() + 1 + site->context.size());
    value = permuted(value, order);
  }
  return emit<CutOp>(site->type, value);
}

/// Axis i of the result is axis order[i] of the value.
mlir::Value Importer::permuted(mlir::Value value, ArrayRef<unsigned> order) {
  if (llvm::is_sorted(order)) return value;
  ArrayRef<int64_t> from = shapeOf(value.getType());
  SmallVector<int64_t> shape;
  for (unsigned k : order) shape.push_back(from[k]);
  auto gen = GenOp::create(builder(), location, RankedTensorType::get(shape, elementOf(value.getType())));
  auto *body = new Block;
  gen.getBody().push_back(body);
  for (size_t i = 0; i < shape.size(); ++i) body->addArgument(b.getIndexType(), location);
  SmallVector<unsigned> inverse(order.size());
  for (auto [i, k] : llvm::enumerate(order)) inverse[k] = i;
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  auto map = AffineMap::getPermutationMap(inverse, &context);
  mlir::Value e = ReadOp::create(inner, location, elementOf(value.getType()), value, AffineMapAttr::get(map), body->getArguments(),
                                 DenseBoolArrayAttr());
  YieldOp::create(inner, location, e);
  operations += 2;
  return gen.getResult();
}

/// The site that an equation settles.
Site *Importer::definingSite(Frame &frame, VarId v) {
  Site *site = siteOf(frame, v);
  auto uncut = frame.uncut.find(v);
  return uncut == frame.uncut.end() ? site : uncut->second;
}

/// mlr.vjp or mlr.jvp. The comprehension indices (of calls around) under which the variable itself stands count instances side by side
/// that know nothing of one another, so that the derivative of all is that of each; the others, and the derivative's own ones, count
/// derivatives: the batch, whose axes stand in front while it is taken.
mlir::Value Importer::derivative(Site *site) {
  const Expr &e = *site->expr;
  Position at = site->position;
  const Context &ctx = site->context, own = contextOf(at, *e.args[2]);
  SmallVector<unsigned> front, back; // places among the context and the derivative's own indices
  for (auto [i, binder] : llvm::enumerate(ctx)) (llvm::is_contained(own, binder) ? back : front).push_back(i);
  for (unsigned i = 0; i < e.count; ++i) front.push_back(ctx.size() + i);
  auto batch = static_cast<int64_t>(front.size());
  front.append(back);
  auto orderFor = [&](mlir::Type type) {
    SmallVector<unsigned> order(front);
    for (unsigned i = order.size(); i < shapeOf(type).size(); ++i) order.push_back(i);
    return order;
  };
  auto moved = [&](mlir::Value v) { return permuted(v, orderFor(v.getType())); };
  mlir::Value value = moved(valueIn(at, *e.args[0], ctx));
  SmallVector<unsigned> order = orderFor(site->type), inverse(order.size());
  for (auto [i, k] : llvm::enumerate(order)) inverse[k] = i;
  ++operations;
  if (e.kind == ExprKind::Vjp) {
    mlir::Value cotangent = valueIn(at, *e.args[1], ctx);
    if (batch || !own.empty()) cotangent = moved(cotangent);
    SmallVector<mlir::Value> variables;
    SmallVector<mlir::Type> types;
    for (const Expr *variable : ArrayRef<const Expr *>(e.args).drop_front(2)) {
      variables.push_back(valueIn(at, *variable, contextOf(at, *variable)));
      SmallVector<int64_t> shape(shapeOf(value.getType()).take_front(batch));
      llvm::append_range(shape, shapeOf(variables.back().getType()));
      types.push_back(valueType(shape, elementOf(variables.back().getType())));
    }
    location = locationOf(e.span);
    return permuted(VjpOp::create(builder(), location, types, value, cotangent, variables, builder().getI64IntegerAttr(batch)).getResult(0), inverse);
  }
  bool isShared = own.empty() && e.count == 0; // one direction for all elements
  for (size_t k = 1; k < e.args.size(); k += 2) {
    isShared = isShared && contextOf(at, *e.args[k]).empty();
    if (contextOf(at, *e.args[k + 1]) != own)
      return refuse(e.span, "a `jvp` with respect to variables of an instance in a comprehension and others together", site->type);
  }
  if (isShared) batch = 0;
  SmallVector<mlir::Value> variables, tangents;
  for (size_t k = 1; k < e.args.size(); k += 2) {
    tangents.push_back(isShared ? regionValue(at, *e.args[k]) : moved(valueIn(at, *e.args[k], ctx)));
    variables.push_back(valueIn(at, *e.args[k + 1], own));
  }
  location = locationOf(e.span);
  return permuted(JvpOp::create(builder(), location, value.getType(), value, variables, tangents, builder().getI64IntegerAttr(batch)), inverse);
}

bool Importer::isRule(const Expr &call) const { return call.kind == ExprKind::Call && call.callee->derivative; }

/// At any depth, in its own derivative also; calls of C functions stand at the level of time.
static bool callsForeign(const NodeInstance *function, llvm::SmallPtrSetImpl<const NodeInstance *> &visited) {
  if (!function || !visited.insert(function).second) return false;
  if (function->isExtern || callsForeign(function->derivative, visited)) return true;
  return llvm::any_of(function->arena, [&](const Expr &e) {
    return e.kind == ExprKind::Call && callsForeign(e.callee, visited);
  });
}

/// Whether a body can call it for one of its elements: all others are calls at the level of time.
bool isScalarRule(const NodeInstance &function) {
  auto isScalar = [&](VarId v) { return function.vars[v].type.isScalar(); };
  llvm::SmallPtrSet<const NodeInstance *, 8> visited;
  return function.outputs.size() == 1 && isScalar(function.outputs[0]) && llvm::all_of(function.inputs, isScalar) &&
         !callsForeign(&function, visited);
}

/// The results of a call, for each tuple of its context.
mlir::Value Importer::ruleValue(Site *site) {
  ForeignCall &call = *site->foreign;
  const NodeInstance &callee = *call.callee;
  rules.push_back(&callee);
  SmallVector<mlir::Value> operands;
  SmallVector<mlir::Type> inputs, outputs;
  for (auto [arg, v] : llvm::zip(*call.args, callee.inputs)) {
    bool isShared = contextOf(call.position, *arg).empty();
    operands.push_back(isShared ? regionValue(call.position, *arg) : valueIn(call.position, *arg, call.context));
    inputs.push_back(typeOf(callee.vars[v].type));
  }
  for (VarId v : callee.outputs) outputs.push_back(typeOf(callee.vars[v].type));
  SmallVector<int64_t> sizes;
  for (Binder *binder : call.context) sizes.push_back(binder->size);
  location = locationOf(call.span);
  operations += 1 + sizes.size() * (outputs.size() + 2);
  call.values = callEach(builder(), location, callee.name, operands, inputs, outputs, sizes);
  return call.values[site->result];
}

/// An element of the result.
mlir::Value Importer::callRule(Position at, const Expr &call, Indices indices) {
  const NodeInstance &callee = *call.callee;
  if (!isScalarRule(callee)) return readSite(siteOf(at, call), indices);
  rules.push_back(&callee);
  SmallVector<mlir::Value> inputs;
  for (const Expr *arg : call.args) inputs.push_back(element(at, *arg, {}));
  location = locationOf(call.span);
  ++operations;
  return CallOp::create(builder(), location, typeOf(call.type), callee.name, inputs, nullptr, nullptr).getResult(0);
}

/// The functions that are still called, and what they call in turn; each knows its derivative.
void Importer::importRules() {
  std::unordered_map<const NodeInstance *, bool> seen;
  for (size_t i = 0; i < rules.size() && !failed; ++i) {
    const NodeInstance *function = rules[i];
    if (seen[function]) continue;
    seen[function] = true;
    importNode(*function, /*isRoot=*/false);
    auto op = cast<NodeOp>(&module->getBody()->back());
    if (function->derivative) {
      op->setAttr("derivative", FlatSymbolRefAttr::get(&context, function->derivative->name));
      rules.push_back(function->derivative);
    } else {
      op->setAttr("mlr.rule", b.getUnitAttr());
    }
  }
}

} // namespace mlr::dataflow
