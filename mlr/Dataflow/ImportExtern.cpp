// Import of calls of C functions. A call is a computation of its own, a site a result, on the clock that it stands on; under
// comprehension indices it is made once for each of their values.
#include "mlr/Dataflow/Flags.h"
#include "mlr/Dataflow/Importer.h"

using namespace mlir;

namespace mlr::dataflow {

/// The order of an equation with effects among all of the node: that of the expanded call, of each scan around it, its own.
SmallVector<int64_t> Importer::rankOf(Position at, uint32_t order) {
  SmallVector<int64_t> rank{order};
  for (Block *block = at.block; block != at.frame->block;) {
    const ScanTime *time = scanOfBlock.lookup(block).second->time;
    rank.insert(rank.begin(), time->order);
    block = blockOf(*at.frame, time->parent);
  }
  rank.insert(rank.begin(), at.frame->rank.begin(), at.frame->rank.end());
  return rank;
}

/// The calls with effects of an expanded instance, whether their results are read or not.
void Importer::importEffects(Frame &frame, const Region &region) {
  for (const Equation &eq : region.equations) {
    if (eq.kind == Equation::Kind::Clock) importEffects(frame, eq.clock->body);
    if (!eq.order || failed) continue;
    if (eq.scan) importEffects(frame, eq.scan->body);
    else if (eq.callee->isExtern) resolve(siteOf(frame, eq.targets[0]));
    else importEffects(calleeFrame(frame, eq), eq.callee->body);
  }
}

/// The sites of the results of a call, made at its first mention. `key`: the equation or expression that it is.
Site *Importer::foreignSite(Position at, const void *key, const NodeInstance &callee, const std::vector<const Expr *> &args,
                            Span span, const Equation *equation, uint32_t result) {
  ForeignCall *&call = at.frame->foreign[key];
  if (!call) {
    foreignCalls.push_back({&callee, &args, span, equation, at, {}, {}, {}});
    call = &foreignCalls.back();
    auto add = [&](const Context &from) {
      for (Binder *binder : from)
        if (!llvm::is_contained(call->context, binder)) call->context.push_back(binder);
    };
    for (const Expr *arg : args) add(contextOf(at, *arg));
    if (callee.hasEffects) add(at.frame->lanes); // each instance makes its own call, whatever it depends on
    if (equation)
      for (IndexId i : equation->each) add({binderOf(*at.frame, i)});
    if (at.clock && callee.isExtern) add(at.clock->context);
    llvm::sort(call->context, [](Binder *a, Binder *b) { return a->order < b->order; });
    call->results.resize(callee.outputs.size());
  }
  Site *&site = call->results[result];
  if (!site) {
    site = newSite(at, nullptr, call->context, typeOf(callee.vars[callee.outputs[result]].type));
    site->foreign = call;
    site->result = result;
  }
  return site;
}

/// Whether the call is active: its clock, and those of the scans around it.
mlir::Value Importer::foreignFlag(const ForeignCall &call) {
  mlir::Value all;
  auto add = [&](ClockState *clock) {
    if (!clock || !clock->on) return;
    bool leads = clock->on->context.size() <= call.context.size() &&
                 std::equal(clock->on->context.begin(), clock->on->context.end(), call.context.begin());
    if (!leads && clock != call.position.clock) return; // one lane of the scan is active: the call's own flag is of all
    all = bothActive(builder(), location, all, flagIn(clock->on, call.context));
  };
  add(call.position.clock);
  for (Block *block = call.position.block;;) {
    auto [frame, scan] = scanOfBlock.lookup(block);
    if (!scan) return all;
    add(clockOf(*frame, scan->time->clock, scan->time->parent));
    block = blockOf(*frame, scan->time->parent);
  }
}

mlir::Value Importer::foreignValue(Site *site) {
  ForeignCall &call = *site->foreign;
  if (!call.values.empty()) return call.values[site->result];
  if (!call.callee->isExtern) return ruleValue(site);
  const NodeInstance &callee = *call.callee;
  SmallVector<mlir::Value> inputs;
  SmallVector<mlir::Type> own, ownResults, results;
  SmallVector<Attribute> argNames, resultNames;
  for (auto [arg, v] : llvm::zip(*call.args, callee.inputs)) {
    own.push_back(typeOf(callee.vars[v].type));
    argNames.push_back(b.getStringAttr(callee.vars[v].name));
    bool isShared = contextOf(call.position, *arg).empty();
    inputs.push_back(isShared ? regionValue(call.position, *arg) : valueIn(call.position, *arg, call.context));
  }
  SmallVector<int64_t> each;
  for (Binder *binder : call.context) each.push_back(binder->size);
  for (VarId v : callee.outputs) {
    mlir::Type type = typeOf(callee.vars[v].type);
    ownResults.push_back(type);
    SmallVector<int64_t> shape(each);
    llvm::append_range(shape, shapeOf(type));
    results.push_back(valueType(shape, elementOf(type)));
    resultNames.push_back(b.getStringAttr(callee.vars[v].name));
  }
  location = locationOf(call.span);
  mlir::Value when = foreignFlag(call);
  SmallVector<int64_t> rank;
  if (callee.hasEffects) rank = rankOf(call.position, call.equation->order);
  auto op = ExternOp::create(builder(), location, results, callee.symbol, inputs, when, b.getFunctionType(own, ownResults),
                             b.getArrayAttr(argNames), b.getArrayAttr(resultNames), each, rank, callee.isFun,
                             b.getStringAttr(call.position.frame->path + callee.symbol));
  ++operations;
  call.values.assign(op.getResults().begin(), op.getResults().end());
  return call.values[site->result];
}

} // namespace mlr::dataflow
