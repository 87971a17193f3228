// Import, the part above bodies: nodes, frames, equations and sites. See Importer.h.
#include "mlr/Dataflow/Importer.h"
#include "mlr/Dataflow/Order.h"
#include "mlr/Dataflow/Passes.h"

#include <set>

using namespace mlir;

namespace mlr::dataflow {

/// The bound of InlineCalls, for what the import itself expands.
constexpr int64_t maxOperations = 5'000'000;

Importer::Importer(const Program &program, const SourceMap &sources, MLIRContext &context)
    : program(program), sources(sources), context(context), b(&context), location(UnknownLoc::get(&context)) {}

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
        if (eq.callee && !eq.callee->isFun && seen.insert(eq.callee).second) work.push_back(eq.callee);
      }
    }
  }
  return seen;
}

OwningOpRef<ModuleOp> Importer::run() {
  context.loadDialect<MlrDialect>();
  module = ModuleOp::create(UnknownLoc::get(&context));
  std::set<const NodeInstance *> wanted = reachable(program), roots(program.roots.begin(), program.roots.end());
  for (const auto &node : program.nodes) {
    if (!wanted.count(node.get())) continue;
    importNode(*node, roots.count(node.get()));
    if (operations > maxOperations) {
      failed = false;
      fail(node->span, "the program expands to more than " + Twine(maxOperations) + " operations", b.getI1Type());
    }
    if (failed) return nullptr;
  }
  return std::move(module);
}

void Importer::importNode(const NodeInstance &node, bool isRoot) {
  frames.clear(), sites.clear(), binders.clear(), scans.clear(), queue.clear(), placeholders.clear();
  openScans.clear(), constants.clear(), literals.clear(), arrays.clear(), firsts.clear(), counts.clear();
  SmallVector<mlir::Type> inputs, outputs;
  SmallVector<Attribute> argNames, resultNames;
  for (VarId v : node.inputs) {
    inputs.push_back(typeOf(node.vars[v].type));
    argNames.push_back(b.getStringAttr(node.vars[v].name));
  }
  for (VarId v : node.outputs) {
    outputs.push_back(typeOf(node.vars[v].type));
    resultNames.push_back(b.getStringAttr(node.vars[v].name));
  }
  b.setInsertionPointToEnd(module->getBody());
  auto op = NodeOp::create(b, locationOf(node.span), node.name, b.getFunctionType(inputs, outputs),
                           b.getArrayAttr(argNames), b.getArrayAttr(resultNames),
                           isRoot ? StringAttr() : b.getStringAttr("private"), /*scheduled=*/false);
  Block *body = b.createBlock(&op.getBody());
  for (size_t i = 0; i < inputs.size(); ++i) body->addArgument(inputs[i], locationOf(node.vars[node.inputs[i]].span));

  root = makeFrame(node, {}, {});
  root->isRoot = true;
  root->block = body;
  root->info = &infos.definitions(node);
  for (size_t i = 0; i < inputs.size(); ++i) root->sites[node.inputs[i]] = settledSite(body->getArgument(i));
  importRegion(*root, node.body, body);
  finishNode(op, *root);
}

void Importer::importRegion(Frame &frame, const mlr::Region &region, Block *block) {
  for (const Equation &eq : region.equations) {
    switch (eq.kind) {
    case Equation::Kind::Define: resolve(siteOf(frame, eq.targets[0])); break;
    case Equation::Kind::Call:
      if (!eq.callee->isFun) importCall(frame, eq, block);
      break;
    case Equation::Kind::Scan: importRegion(frame, eq.scan->body, scanOf(frame, *eq.scan).block); break;
    }
    if (failed) return;
  }
}

/// The last part of a display name, without static arguments: "nn.lstm_cell<<D = 3>>" gives "lstm_cell".
static std::string instanceName(Frame &frame, const NodeInstance &callee) {
  StringRef name = callee.display.empty() ? StringRef(callee.name) : StringRef(callee.display);
  name = name.take_until([](char c) { return c == '<' || c == ' '; });
  name = name.substr(name.rfind('.') + 1);
  unsigned n = ++frame.instances[name.str()];
  return n == 1 ? name.str() : (name + "_" + Twine(n)).str();
}

void Importer::importCall(Frame &frame, const Equation &eq, Block *block) {
  beginBody(block);
  location = locationOf(eq.span);
  SmallVector<mlir::Value> inputs;
  SmallVector<mlir::Type> types;
  for (const Expr *arg : eq.args) inputs.push_back(regionValue({&frame, block}, *arg));
  for (VarId v : eq.callee->outputs) types.push_back(typeOf(eq.callee->vars[v].type));
  location = locationOf(eq.span);
  auto call = CallOp::create(builder(), location, types, eq.callee->name, inputs);
  call->setAttr("name", b.getStringAttr(frame.path + instanceName(frame, *eq.callee)));
  for (auto [target, result] : llvm::zip(eq.targets, call.getResults())) settle(siteOf(frame, target), result);
}

void Importer::finishNode(NodeOp node, Frame &frame) {
  drain();
  if (failed) return;
  SmallVector<mlir::Value> outputs;
  for (VarId v : frame.node->outputs) outputs.push_back(variableValue(frame, v));
  drain();
  beginBody(frame.block);
  YieldOp::create(builder(), node.getLoc(), outputs);
  for (auto [owner, scan] : scans) {
    b.setInsertionPointToEnd(scan->block);
    YieldOp::create(b, scan->op.getLoc(), scan->yields);
  }
  replacePlaceholders();
  if (failed) return;
  // A result that is read inside its own scan is the constant of the scan there.
  for (auto [owner, scan] : scans) {
    ScanOp op = scan->op;
    for (auto [result, inner] : llvm::zip(op.getResults(), scan->block->getTerminator()->getOperands()))
      result.replaceUsesWithIf(inner, [&](OpOperand &use) { return op->isProperAncestor(use.getOwner()); });
  }
  orderOperations(node);
}

void Importer::replacePlaceholders() {
  DenseMap<Operation *, Site *> siteOf(placeholders.begin(), placeholders.end());
  for (auto [op, site] : placeholders) {
    mlir::Value value = site->value;
    for (size_t steps = 0; steps <= placeholders.size(); ++steps) {
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
  for (auto [op, site] : placeholders) op->erase();
}

// ---- frames --------------------------------------------------------------------------------------------------

Frame *Importer::makeFrame(const NodeInstance &node, Position caller, std::vector<const Expr *> arguments) {
  frames.push_back(std::make_unique<Frame>());
  Frame *f = frames.back().get();
  f->node = &node;
  f->caller = caller;
  f->block = caller.block;
  f->arguments = std::move(arguments);
  f->sites.resize(node.vars.size());
  f->contexts.resize(node.vars.size());
  if (caller.frame) f->info = &infos.full(node);
  return f;
}

Frame &Importer::calleeFrame(Position at, const Expr &call) {
  const NodeInstance &callee = *call.callee;
  if (callee.inputs.empty()) {
    Frame *&f = constants[&callee];
    if (!f) f = makeFrame(callee, {root, root->block}, {});
    return *f;
  }
  Frame *&f = at.frame->calls[&call];
  if (!f) {
    f = makeFrame(callee, at, call.args);
    f->path = at.frame->path + instanceName(*at.frame, callee) + ".";
  }
  return *f;
}

Frame &Importer::calleeFrame(Frame &frame, const Equation &call) {
  Frame *&f = frame.calls[&call];
  if (!f) {
    const Definition &d = frame.info->definitions[call.targets[0]];
    f = makeFrame(*call.callee, {&frame, blockOf(frame, d.time)}, call.args);
    f->path = frame.path + instanceName(frame, *call.callee) + ".";
  }
  return *f;
}

Block *Importer::blockOf(Frame &frame, const ScanTime *time) {
  return time ? scanOf(frame, *time).block : frame.block;
}

/// Where the definition of a variable stands.
Position Importer::positionOf(Frame &frame, const Definition &d) {
  if (d.kind == Definition::Kind::Input) return frame.caller;
  return {&frame, blockOf(frame, d.time)};
}

// ---- contexts ------------------------------------------------------------------------------------------------

Binder *Importer::binderOf(Frame &frame, IndexId index) {
  Binder *&binder = frame.binders[index];
  if (!binder) {
    binders.push_back({frame.node->indices[index].size, static_cast<unsigned>(binders.size()), {}});
    binder = &binders.back();
  }
  return binder;
}

static void addContext(Context &to, const Context &from) {
  for (Binder *binder : from)
    if (!llvm::is_contained(to, binder)) to.push_back(binder);
}

static void sortContext(Context &c) {
  llvm::sort(c, [](Binder *a, Binder *b) { return a->order < b->order; });
}

namespace {
/// The free indices and the variables of an expression.
struct FreeNames {
  std::set<IndexId> used, bound;
  std::set<VarId> vars;
  void visit(const Expr &e) {
    if (e.kind == ExprKind::Index) used.insert(e.index);
    if (e.kind == ExprKind::Var) vars.insert(e.var);
    bound.insert(e.indices.begin(), e.indices.end());
    for (const Expr *arg : e.args) visit(*arg);
    for (const ReadIndex &r : e.reads)
      if (r.at) visit(*r.at);
  }
};
} // namespace

/// The comprehension indices that the value of `e` depends on, in the frame and its callers.
Context Importer::contextOf(Position at, const Expr &e) {
  Context out;
  if (binders.empty()) return out;
  FreeNames names;
  names.visit(e);
  for (IndexId i : names.used)
    if (!names.bound.count(i)) out.push_back(binderOf(*at.frame, i));
  if (!at.frame->isRoot)
    for (VarId v : names.vars) addContext(out, contextOf(*at.frame, v));
  sortContext(out);
  return out;
}

const Context &Importer::contextOf(Frame &frame, VarId v) {
  std::optional<Context> &known = frame.contexts[v];
  if (known) return *known;
  if (frame.isRoot) return known.emplace();
  Context out;
  for (unsigned input : frame.info->inputs[v].set_bits())
    addContext(out, contextOf(frame.caller, *frame.arguments[input]));
  sortContext(out);
  known = std::move(out);
  return *known;
}

// ---- sites ---------------------------------------------------------------------------------------------------

Site *Importer::newSite(Position at, const Expr *e, Context ctx, mlir::Type type) {
  Site site;
  // A window stacks what is under the context, so the context stands behind its leading axis.
  site.contextAxis = e && e->kind == ExprKind::Window && !ctx.empty();
  SmallVector<int64_t> shape(shapeOf(type));
  for (auto [i, binder] : llvm::enumerate(ctx)) shape.insert(shape.begin() + site.contextAxis + i, binder->size);
  site.type = valueType(shape, elementOf(type));
  site.context = std::move(ctx);
  site.position = at;
  site.expr = e;
  sites.push_back(std::move(site));
  return &sites.back();
}

Site *Importer::settledSite(mlir::Value value) {
  Site *site = newSite({}, nullptr, {}, value.getType());
  settle(site, value);
  return site;
}

void Importer::settle(Site *site, mlir::Value value) {
  site->value = value;
  site->resolved = true;
}

/// The site's value; a placeholder in its block, and a place in the queue, when it is not computed yet.
mlir::Value Importer::valueOf(Site *site) {
  if (site->value) return site->value;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(site->position.block);
  auto op = UnrealizedConversionCastOp::create(b, location, TypeRange{site->type}, ValueRange{});
  placeholders.push_back({op, site});
  site->value = op.getResult(0);
  queue.push_back(site);
  return site->value;
}

Site *Importer::siteOf(Position at, const Expr &e) {
  if (e.kind == ExprKind::Var && !at.frame->isRoot) return siteOf(*at.frame, e.var);
  Site *&site = at.frame->expressions[&e];
  if (!site) site = newSite(at, &e, contextOf(at, e), typeOf(e.type));
  return site;
}

/// The site that computes a variable, in any frame.
Site *Importer::siteOf(Frame &frame, VarId v) {
  if (Site *known = frame.sites[v]) return known;
  const Definition &d = frame.info->definitions[v];
  Site *site = nullptr;
  switch (d.kind) {
  case Definition::Kind::Input: site = siteOf(frame.caller, *frame.arguments[d.position]); break;
  case Definition::Kind::Define:
    site = siteOf(positionOf(frame, d), *d.value);
    if (!site->namedFrame && d.value->kind != ExprKind::Var) site->namedFrame = &frame, site->namedVar = v;
    break;
  case Definition::Kind::Call:
    if (d.equation->callee->isFun || !frame.isRoot) {
      Frame &callee = calleeFrame(frame, *d.equation);
      site = siteOf(callee, callee.node->outputs[d.position]);
    } else {
      site = newSite(positionOf(frame, d), nullptr, {}, typeOf(frame.node->vars[v].type));
    }
    break;
  case Definition::Kind::ScanIndex: site = settledSite(scanOf(frame, *d.time).block->getArgument(0)); break;
  case Definition::Kind::ScanResult: {
    ScanState &scan = scanOf(frame, *d.equation->scan);
    site = scan.results[d.position];
    break;
  }
  case Definition::Kind::None:
    site = settledSite(fail(frame.node->vars[v].span, "variable without a definition: " + frame.node->vars[v].name,
                            typeOf(frame.node->vars[v].type)));
  }
  frame.sites[v] = site;
  return site;
}

void Importer::beginBody(Block *block) {
  levels.clear();
  dims.clear();
  ranges.clear();
  dimOf.clear();
  levels.push_back(std::make_unique<Level>());
  levels.back()->block = block;
}

void Importer::resolve(Site *site) {
  if (site->resolved || !site->expr || failed) return;
  site->resolved = true;
  location = locationOf(site->expr->span);
  beginBody(site->position.block);
  computing = site;
  mlir::Value value = compute(site);
  site->value = value;
  Operation *op = value.getDefiningOp();
  if (!site->namedFrame || !op || isa<ConstOp, UnrealizedConversionCastOp>(op) || isa<NameLoc>(op->getLoc())) return;
  const Var &var = site->namedFrame->node->vars[site->namedVar];
  op->setLoc(NameLoc::get(b.getStringAttr(site->namedFrame->path + var.name), locationOf(var.span)));
}

void Importer::drain() {
  while (!failed && operations <= maxOperations) {
    if (!queue.empty()) {
      Site *site = queue.front();
      queue.pop_front();
      resolve(site);
    } else if (!openScans.empty()) {
      auto [frame, scan] = openScans.front();
      openScans.pop_front();
      computeResults(*frame, *scan);
    } else {
      return;
    }
  }
  failed = failed || operations > maxOperations;
}

mlir::Value Importer::compute(Site *site) {
  const Expr &e = *site->expr;
  if (isTemporal(e.kind)) return temporal(site);
  if (site->context.empty()) return regionValue(site->position, e);
  return makeGen(site->position, e, site->context);
}

/// The value of an expression without context, at level 0.
mlir::Value Importer::regionValue(Position at, const Expr &e) {
  switch (e.kind) {
  case ExprKind::Var: return variableValue(*at.frame, e.var);
  case ExprKind::Call: {
    Frame &callee = calleeFrame(at, e);
    return variableValue(callee, e.callee->outputs[e.result]);
  }
  case ExprKind::Const: return constantValue(e);
  case ExprKind::Broadcast:
    if (e.args[0]->type == e.type) return regionValue(at, *e.args[0]);
    break;
  case ExprKind::Reshape: {
    if (e.type.isScalar() || e.args[0]->type.isScalar()) break;
    mlir::Value source = regionValue(at, *e.args[0]);
    return source.getType() == typeOf(e.type) ? source : emit<ReshapeOp>(typeOf(e.type), source);
  }
  case ExprKind::Concat: {
    SmallVector<mlir::Value> parts;
    for (const Expr *arg : e.args) parts.push_back(regionValue(at, *arg));
    location = locationOf(e.span);
    return emit<ConcatOp>(typeOf(e.type), parts);
  }
  default:
    if (isTemporal(e.kind)) return valueOf(siteOf(at, e));
    break;
  }
  return e.type.isScalar() ? element(at, e, {}) : makeGen(at, e, {});
}

mlir::Value Importer::variableValue(Frame &frame, VarId v) { return valueOf(siteOf(frame, v)); }

/// The value of an expression with the axes of `ctx` in front, whether it depends on all of them or not.
mlir::Value Importer::valueIn(Position at, const Expr &e, const Context &ctx) {
  if (ctx.empty()) return regionValue(at, e);
  bool isStream = e.kind == ExprKind::Var || isTemporal(e.kind);
  if (isStream && contextOf(at, e) == ctx) {
    Site *site = siteOf(at, e);
    if (site->contextAxis == 0) return valueOf(site);
  }
  return makeGen(at, e, ctx);
}

/// A gen over the context's indices and the expression's own axes.
mlir::Value Importer::makeGen(Position at, const Expr &e, const Context &ctx) {
  Location outer = location;
  location = locationOf(e.span);
  SmallVector<int64_t> shape;
  auto *body = new Block;
  auto level = std::make_unique<Level>();
  level->block = body;
  levels.push_back(std::move(level));
  SmallVector<AffineExpr> saved;
  for (Binder *binder : ctx) {
    saved.push_back(binder->current);
    binder->current = loopIndex(*levels.back(), binder->size);
    shape.push_back(binder->size);
  }
  Tuple indices;
  for (int64_t size : e.type.shape) {
    indices.push_back(loopIndex(*levels.back(), size));
    shape.push_back(size);
  }
  mlir::Value value = element(at, e, indices);
  YieldOp::create(builder(), location, value);
  for (auto [binder, current] : llvm::zip(ctx, saved)) binder->current = current;
  levels.pop_back();
  location = locationOf(e.span);
  auto gen = GenOp::create(builder(), location, RankedTensorType::get(shape, value.getType()));
  gen.getBody().push_back(body);
  ++operations;
  location = outer;
  return gen.getResult();
}

// ---- small things ----------------------------------------------------------------------------------------------

OpBuilder &Importer::builder() {
  b.setInsertionPointToEnd(levels.back()->block);
  return b;
}

Location Importer::locationOf(Span span) {
  if (!span.valid()) return UnknownLoc::get(&context);
  LineColumn at = sources.lineColumn(span.file, span.begin);
  return FileLineColLoc::get(&context, sources.path(span.file), at.line, at.column);
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
