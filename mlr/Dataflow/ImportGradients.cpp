// Import of derivatives, and of calls of functions that state theirs: these stay calls until Diff.
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// A variable of derivatives is a value of its own, even where it is the same as another.
Site *Importer::cutSite(Frame &frame, VarId v, Site *defining) {
  Position at = frame.info->definitions[v].kind == Definition::Kind::Input && frame.isRoot
                    ? Position{&frame, frame.block}
                    : positionOf(frame, frame.info->definitions[v]);
  Site *site = newSite(at, nullptr, defining->context, defining->type);
  site->contextAxis = defining->contextAxis;
  site->cutOf = defining;
  site->namedFrame = &frame;
  site->namedVar = v;
  frame.uncut[v] = defining;
  return site;
}

/// The site that an equation settles.
Site *Importer::definingSite(Frame &frame, VarId v) {
  Site *site = siteOf(frame, v);
  auto uncut = frame.uncut.find(v);
  return uncut == frame.uncut.end() ? site : uncut->second;
}

/// mlr.vjp or mlr.jvp. The comprehension indices (of calls around) under which the variable itself stands count instances side by side
/// that know nothing of one another; the others count derivatives.
mlir::Value Importer::derivative(Site *site) {
  const Expr &e = *site->expr;
  Position at = site->position;
  const Context &ctx = site->context, own = contextOf(at, *e.args[2]);
  auto batch = static_cast<int64_t>(e.count);
  if (!own.empty() && (own != ctx || batch))
    return fail(e.span, "a derivative with respect to a variable of an instance side by side, for several elements of its own, is not "
                        "supported yet", site->type);
  if (own.empty()) batch += static_cast<int64_t>(ctx.size());
  mlir::Value value = valueIn(at, *e.args[0], ctx);
  mlir::Value other;
  if (e.kind == ExprKind::Jvp && contextOf(at, *e.args[1]).empty() && own.empty() && e.count == 0) {
    other = regionValue(at, *e.args[1]);
    batch = 0;
  } else {
    other = valueIn(at, *e.args[1], ctx);
  }
  mlir::Value variable = valueIn(at, *e.args[2], own);
  location = locationOf(e.span);
  ++operations;
  if (e.kind == ExprKind::Vjp)
    return VjpOp::create(builder(), location, TypeRange{site->type}, value, other, ValueRange{variable}, builder().getI64IntegerAttr(batch)).getResult(0);
  return JvpOp::create(builder(), location, site->type, value, ValueRange{variable}, ValueRange{other}, builder().getI64IntegerAttr(batch));
}

bool Importer::isRule(const Expr &call) const { return call.kind == ExprKind::Call && call.callee->derivative; }

/// With tensors: at the level of time.
mlir::Value Importer::callRule(Position at, const Expr &call) {
  const NodeInstance &callee = *call.callee;
  rules.push_back(&callee);
  SmallVector<mlir::Value> inputs;
  SmallVector<mlir::Type> types;
  for (const Expr *arg : call.args) inputs.push_back(regionValue(at, *arg));
  for (VarId v : callee.outputs) types.push_back(typeOf(callee.vars[v].type));
  location = locationOf(call.span);
  ++operations;
  return CallOp::create(builder(), location, types, callee.name, inputs, nullptr, nullptr).getResult(call.result);
}

/// An element of the result.
mlir::Value Importer::callRule(Position at, const Expr &call, Indices indices) {
  const NodeInstance &callee = *call.callee;
  bool scalars = true;
  for (VarId v : callee.inputs) scalars = scalars && callee.vars[v].type.isScalar();
  for (VarId v : callee.outputs) scalars = scalars && callee.vars[v].type.isScalar();
  if (!scalars) return readSite(siteOf(at, call), indices);
  rules.push_back(&callee);
  SmallVector<mlir::Value> inputs;
  SmallVector<mlir::Type> types;
  for (const Expr *arg : call.args) inputs.push_back(element(at, *arg, {}));
  for (VarId v : callee.outputs) types.push_back(typeOf(callee.vars[v].type));
  location = locationOf(call.span);
  ++operations;
  return CallOp::create(builder(), location, types, callee.name, inputs, nullptr, nullptr).getResult(call.result);
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
