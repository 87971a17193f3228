// Import: nodes and their equations. See Importer.h.
#include "mlr/Dataflow/Importer.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"
#include "mlr/Dataflow/Rates.h"

#include <set>

using namespace mlir;

namespace mlr::dataflow {

Importer::Importer(const Program &program, const SourceMap &sources, MLIRContext &context)
    : program(program), sources(sources), context(context), b(&context), location(UnknownLoc::get(&context)) {
}

/// What the presence flag of an output is called: like no other output.
static std::string presenceName(const NodeInstance &node, VarId output) {
  std::string name = node.vars[output].name + "_present";
  while (llvm::any_of(node.outputs, [&](VarId v) { return node.vars[v].name == name; })) name += "_";
  return name;
}

/// Root nodes and the instances with state that they call, at any depth.
static std::set<const NodeInstance *> reachable(const Program &program) {
  std::set<const NodeInstance *> seen(program.roots.begin(), program.roots.end());
  std::vector<const NodeInstance *> work(program.roots.begin(), program.roots.end());
  std::vector<const mlr::Region *> regions;
  while (!work.empty()) {
    regions.push_back(&work.back()->body);
    work.pop_back();
    while (!regions.empty()) {
      const mlr::Region *region = regions.back();
      regions.pop_back();
      for (const Equation &eq : region->equations) {
        if (eq.scan) regions.push_back(&eq.scan->body);
        if (eq.clock) regions.push_back(&eq.clock->body);
        if (eq.callee && !eq.callee->isFun && !eq.callee->isExtern && eq.each.empty() && seen.insert(eq.callee).second) work.push_back(eq.callee);
      }
    }
  }
  return seen;
}

OwningOpRef<ModuleOp> Importer::run() {
  context.loadDialect<MlrDialect>();
  module = ModuleOp::create(UnknownLoc::get(&context));
  std::set<const NodeInstance *> wanted = reachable(program),
                                 roots(program.roots.begin(), program.roots.end());
  for (const auto &node : program.nodes) {
    if (!wanted.count(node.get())) continue;
    importNode(*node, roots.count(node.get()));
    if (operations > maxOperations) {
      failed = false;
      fail(node->span, "the program expands to more than " + Twine(maxOperations) + " operations",
           b.getI1Type());
    }
    if (failed) return nullptr;
  }
  importRules();
  if (failed) return nullptr;
  return std::move(module);
}

void Importer::importNode(const NodeInstance &node, bool isRoot) {
  frames.clear(), sites.clear(), binders.clear(), scans.clear(), queue.clear(), forwardReferences.clear();
  scanOfBlock.clear(), instanceResults.clear();
  foreignCalls.clear(), openScans.clear(), constants.clear(), literals.clear(), arrays.clear(), firsts.clear(), counts.clear();
  SmallVector<mlir::Type> inputs, outputs;
  SmallVector<Attribute> argNames, resultNames;
  for (VarId v : node.inputs) {
    inputs.push_back(typeOf(node.vars[v].type));
    argNames.push_back(b.getStringAttr(node.vars[v].name));
  }
  SmallVector<int64_t> presence;
  for (VarId v : node.outputs) {
    outputs.push_back(typeOf(node.vars[v].type));
    resultNames.push_back(b.getStringAttr(node.vars[v].name));
    presence.push_back(-1);
    if (!isSlower(node.vars[v].clock)) continue;
    presence.push_back(static_cast<int64_t>(outputs.size()) - 1);
    outputs.push_back(b.getI1Type());
    resultNames.push_back(b.getStringAttr(presenceName(node, v)));
  }
  bool isAlwaysPresent = presence.size() == node.outputs.size();
  b.setInsertionPointToEnd(module->getBody());
  auto op = NodeOp::create(b, locationOf(node.span), node.name, b.getFunctionType(inputs, outputs),
                           b.getArrayAttr(argNames), b.getArrayAttr(resultNames),
                           isRoot ? StringAttr() : b.getStringAttr("private"),
                           isAlwaysPresent ? nullptr : b.getDenseI64ArrayAttr(presence), /*scheduled=*/false);
  if (isRoot) noteRates(op, node);
  Block *body = b.createBlock(&op.getBody());
  for (size_t i = 0; i < inputs.size(); ++i)
    body->addArgument(inputs[i], locationOf(node.vars[node.inputs[i]].span));

  root = makeFrame(node, {}, {});
  root->isRoot = true;
  root->block = body;
  root->info = &infos.definitions(node);
  for (size_t i = 0; i < inputs.size(); ++i) {
    Site *input = settledSite(body->getArgument(i));
    VarId v = node.inputs[i];
    root->sites[v] = root->info->isVariable[v] ? cutSite(*root, v, input) : input;
  }
  importRegion(*root, node.body, {root, body});
  finishNode(op, *root);
}

void Importer::importRegion(Frame &frame, const mlr::Region &region, Position at) {
  for (const Equation &eq : region.equations) {
    switch (eq.kind) {
    case Equation::Kind::Define: resolve(siteOf(frame, eq.targets[0])); break;
    case Equation::Kind::Call:
      if (!eq.each.empty()) {
        for (VarId target : eq.targets) resolve(siteOf(frame, target));
        if (eq.callee->hasEffects && !eq.callee->isExtern) importEffects(calleeFrame(frame, eq), eq.callee->body);
      } else if (eq.callee->isExtern && !eq.callee->isFun) {
        resolve(siteOf(frame, eq.targets[0])); // read or not
      }
      else if (!eq.callee->isFun) importCall(frame, eq, at);
      break;
    case Equation::Kind::Scan:
      importRegion(frame, eq.scan->body, {&frame, scanOf(frame, *eq.scan).block});
      break;
    case Equation::Kind::Clock:
      importRegion(frame, eq.clock->body, {&frame, at.block, clockOf(frame, eq.clock.get(), eq.clock->time)});
      break;
    case Equation::Kind::Monitor: break; // what a program computes does not depend on them
    }
    if (failed) return;
  }
}

void Importer::importCall(Frame &frame, const Equation &eq, Position at) {
  beginBody(at.block);
  location = locationOf(eq.span);
  SmallVector<mlir::Value> inputs;
  SmallVector<mlir::Type> types;
  for (const Expr *arg : eq.args) inputs.push_back(regionValue(at, *arg));
  SmallVector<unsigned> places; // of the outputs among the results; presence flags stand between them
  for (VarId v : eq.callee->outputs) {
    places.push_back(types.size());
    types.push_back(typeOf(eq.callee->vars[v].type));
    if (isSlower(eq.callee->vars[v].clock)) types.push_back(b.getI1Type());
  }
  location = locationOf(eq.span);
  mlir::Value when = at.clock ? flagIn(at.clock->on, {}) : mlir::Value();
  mlir::Value reset = at.clock ? flagIn(at.clock->reset, {}) : mlir::Value();
  auto call = CallOp::create(builder(), location, types, eq.callee->name, inputs, when, reset);
  call->setAttr("name", b.getStringAttr(frame.path + instanceName(frame, *eq.callee)));
  if (eq.callee->hasEffects) call->setAttr("rank", b.getDenseI64ArrayAttr(rankOf(at, eq.order)));
  for (auto [target, place] : llvm::zip(eq.targets, places))
    settle(definingSite(frame, target), call.getResult(place));
}

void Importer::finishNode(NodeOp node, Frame &frame) {
  drain();
  if (failed) return;
  SmallVector<mlir::Value> outputs;
  for (VarId v : frame.node->outputs) {
    outputs.push_back(variableValue(frame, v));
    if (isSlower(frame.node->vars[v].clock)) outputs.push_back(presenceOf(frame, v));
  }
  drain();
  beginBody(frame.block);
  YieldOp::create(builder(), node.getLoc(), outputs);
  for (auto [owner, scan] : scans) {
    b.setInsertionPointToEnd(scan->block);
    YieldOp::create(b, scan->op.getLoc(), scan->yields);
  }
  resolveForwardReferences();
  if (failed) return;
  // A result that is read inside its own scan is the constant of the scan there.
  for (auto [owner, scan] : scans) {
    ScanOp op = scan->op;
    for (auto [result, inner] : llvm::zip(op.getResults(), scan->block->getTerminator()->getOperands()))
      result.replaceUsesWithIf(inner, [&](OpOperand &use) { return op->isProperAncestor(use.getOwner()); });
  }
  orderOperations(node);
}

void Importer::resolveForwardReferences() {
  DenseMap<Operation *, Site *> siteOf(forwardReferences.begin(), forwardReferences.end());
  for (auto [op, site] : forwardReferences) {
    mlir::Value value = site->value;
    for (size_t steps = 0; steps <= forwardReferences.size(); ++steps) {
      auto next = value.getDefiningOp() ? siteOf.find(value.getDefiningOp()) : siteOf.end();
      if (next == siteOf.end()) break;
      value = next->second->value;
    }
    if (value.getDefiningOp() && siteOf.count(value.getDefiningOp())) {
      fail(site->expr ? site->expr->span : Span(), "this value is defined by itself", site->type);
      return;
    }
    op->getResult(0).replaceAllUsesWith(value);
  }
  for (auto [op, site] : forwardReferences) op->erase();
}

// ---- small things
// ----------------------------------------------------------------------------------------------

OpBuilder &Importer::builder() {
  b.setInsertionPointToEnd(levels.back()->block);
  return b;
}

Location Importer::locationOf(Span span) {
  if (!span.valid()) return UnknownLoc::get(&context);
  LineColumn at = sources.lineColumn(span.file, span.begin);
  return FileLineColLoc::get(&context, sources.path(span.file), at.line, at.column);
}

mlir::Value Importer::refuse(Span span, const Twine &message, mlir::Type type) {
  if (!failed) emitError(locationOf(span)).append(message).attachNote() << "not part of this version";
  failed = true;
  return fail(span, message, type);
}

mlir::Value Importer::fail(Span span, const Twine &message, mlir::Type type) {
  if (!failed) emitError(locationOf(span)) << message;
  failed = true;
  b.setInsertionPointToStart(root && root->block ? root->block : module->getBody());
  return ConstOp::create(b, location, zeroAttr(type));
}

/// Scalar constants stand once, at the start of the node.
mlir::Value Importer::constant(TypedAttr value) {
  mlir::Value &known = literals[value];
  if (known) return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(root->block);
  ++operations;
  return known = ConstOp::create(b, location, value);
}

/// A constant expression as a whole.
mlir::Value Importer::constantValue(const Expr &e) {
  const Array &array = e.constant;
  ArrayRef<char> bytes(reinterpret_cast<const char *>(array.data()), array.bytes());
  if (e.type.isScalar()) return constant(arrayAttr(typeOf(e.type), bytes));
  mlir::Value &known = arrays[&e];
  if (!known) {
    auto attr = arrayAttr(typeOf(e.type), bytes);
    if (isa<DenseResourceElementsAttr>(attr)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(root->block);
      known = ConstOp::create(b, location, attr);
    } else {
      known = constant(attr);
    }
  }
  return known;
}

OwningOpRef<ModuleOp> importProgram(const Program &program, const SourceMap &sources, MLIRContext &context) {
  return Importer(program, sources, context).run();
}

} // namespace mlr::dataflow
