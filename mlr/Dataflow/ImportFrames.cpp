// Import: frames of expanded calls, and which comprehension indices a value depends on. See Importer.h.
#include "mlr/Dataflow/Importer.h"

#include <set>

using namespace mlir;

namespace mlr::dataflow {

// ---- frames
// --------------------------------------------------------------------------------------------------

/// The last part of a display name, without static arguments: "nn.lstm_cell<<D = 3>>" gives "lstm_cell".
std::string instanceName(Frame &frame, const NodeInstance &callee) {
  StringRef name = callee.display.empty() ? StringRef(callee.name) : StringRef(callee.display);
  name = name.take_until([](char c) { return c == '<' || c == ' '; });
  name = name.substr(name.rfind('.') + 1);
  unsigned n = ++frame.instances[name.str()];
  return n == 1 ? name.str() : (name + "_" + Twine(n)).str();
}

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
    f = makeFrame(*call.callee, positionOf(frame, d), call.args);
    // A node that only resets what it calls has the name of that.
    bool isSame = frame.node->span == call.callee->span;
    f->path = isSame ? frame.path : frame.path + instanceName(frame, *call.callee) + ".";
    f->lanes = frame.lanes;
    for (IndexId i : call.each) f->lanes.push_back(binderOf(frame, i));
    if (call.callee->hasEffects) f->rank = rankOf(f->caller, call.order);
  }
  return *f;
}

Block *Importer::blockOf(Frame &frame, const ScanTime *time) {
  return time ? scanOf(frame, *time).block : frame.block;
}

/// Where the definition of a variable stands.
Position Importer::positionOf(Frame &frame, const Definition &d) {
  if (d.kind == Definition::Kind::Input) return frame.caller;
  return {&frame, blockOf(frame, d.time), clockOf(frame, d.clock, d.time)};
}

// ---- contexts
// ------------------------------------------------------------------------------------------------

Binder *Importer::binderOf(Frame &frame, IndexId index) {
  Binder *&binder = frame.binders[index];
  if (!binder) {
    binders.push_back({frame.node->indices[index].size, static_cast<unsigned>(binders.size()), {}});
    binder = &binders.back();
  }
  return binder;
}

void addContext(Context &to, const Context &from) {
  for (Binder *binder : from)
    if (!llvm::is_contained(to, binder)) to.push_back(binder);
}

void sortContext(Context &c) {
  llvm::sort(c, [](Binder *a, Binder *b) { return a->order < b->order; });
}

namespace {
/// The free indices and the variables of an expression.
struct FreeNames {
  std::set<IndexId> used, bound;
  std::set<VarId> vars;
  std::set<VarId> held;
  bool knows = false; ///< its clock
  void visit(const Expr &e) {
    knows = knows || isTemporal(e.kind) || e.kind == ExprKind::Arrow || e.kind == ExprKind::Count ||
            (e.kind == ExprKind::Call && e.callee->isExtern);
    if (e.kind == ExprKind::Hold) held.insert(e.args[0]->var);
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
  if (names.knows && at.clock) addContext(out, at.clock->context);
  for (VarId v : names.held) {
    const Var &var = at.frame->node->vars[v];
    if (ClockState *clock = clockOf(*at.frame, var.clock, var.time)) addContext(out, clock->context);
  }
  sortContext(out);
  return out;
}

const Context &Importer::contextOf(Frame &frame, VarId v) {
  std::optional<Context> &known = frame.contexts[v];
  if (known) return *known;
  if (frame.isRoot) return known.emplace();
  Context out;
  for (unsigned input : frame.info->inputs[v].set_bits()) {
    if (input < frame.arguments.size()) addContext(out, contextOf(frame.caller, *frame.arguments[input]));
    else if (input > frame.arguments.size()) addContext(out, frame.lanes); // each instance calls C for itself
    else if (frame.caller.clock) addContext(out, frame.caller.clock->context);
  }
  sortContext(out);
  known = std::move(out);
  return *known;
}

} // namespace mlr::dataflow
