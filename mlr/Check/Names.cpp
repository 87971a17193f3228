#include "mlr/Check/Names.h"

#include "mlr/Check/AstWalk.h"
#include "support/Array.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace mlr::checking {

// ---- modules ---------------------------------------------------------------------------------------------

void Module::declare(Reporter &report) {
  for (const auto &decl : file->decls) {
    if (decl->kind == ast::DeclKind::Import || decl->name.text.empty()) continue;
    auto [at, isNew] = decls.emplace(decl->name.text, decl.get());
    const Import *clash = nullptr;
    for (const Import &import : imports)
      if (import.name == decl->name.text) clash = &import;
    if (isNew && !clash) continue;
    Diagnostic &d = report.error(kinds::duplicateDefinition, decl->name.span,
                                 fmt::format("`{}` is declared twice", decl->name.text), "again here");
    if (clash) d.labels.push_back({clash->span, "a module of this name is imported here", false});
    else d.labels.push_back({at->second->name.span, "first declared here", false});
  }
}

const ast::Decl *Module::findOwn(std::string_view name) const {
  auto at = decls.find(name);
  return at == decls.end() ? nullptr : at->second;
}

const ast::Decl *Module::find(std::string_view name) const {
  if (size_t dot = name.find('.'); dot != name.npos) {
    const Module *module = imported(name.substr(0, dot));
    std::string_view member = name.substr(dot + 1);
    return module && !member.starts_with('_') ? module->findOwn(member) : nullptr;
  }
  if (const ast::Decl *own = findOwn(name)) return own;
  return prelude ? prelude->findOwn(name) : nullptr;
}

const ast::Decl *Module::elementary(std::string_view name, bool wide) const {
  const Module *math = prelude ? prelude : this;
  if (size_t dot = name.find('.'); dot != name.npos) { // `math.exp`, with `import math;`
    if (imported(name.substr(0, dot)) != math) return nullptr;
    name.remove_prefix(dot + 1);
  }
  const ast::Decl *decl = math->findOwn(fmt::format("{}_{}", name, wide ? "f64" : "f32"));
  return decl && decl->kind == ast::DeclKind::Fun ? decl : nullptr;
}

// ---- built-ins -------------------------------------------------------------------------------------------

const std::vector<std::string_view> &builtinNames() {
  static const std::vector<std::string_view> names = {
      "bool",   "i8",   "i16",    "i32",   "i64",    "u8",     "u16",   "u32",       "u64",    "f16",
      "bf16",   "f32",  "f64",    "sum",   "prod",   "max",    "min",   "all",       "any",    "argmax",
      "argmin", "mean", "sqrt",   "abs",   "floor",  "ceil",   "trunc", "round",     "fma",    "where",
      "shl",    "shr",  "bitand", "bitor", "bitxor", "bitnot", "bits",  "from_bits", "concat", "reshape",
      "zeros",  "ones", "at",     "isnan", "window", "count",  "load",   "map",       "reduce", "hold",
      "pack",   "unpack", "split", "join", "grad", "vjp", "jvp", "stop_gradient"};
  return names;
}

bool isBuiltin(std::string_view name) {
  const auto &names = builtinNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool isLaterBuiltin(std::string_view name) {
  static constexpr std::array<std::string_view, 1> later = {"random"};
  return std::find(later.begin(), later.end(), name) != later.end();
}

// ---- what calls what -------------------------------------------------------------------------------------

bool DeclFacts::callsParameter(std::string_view name) const {
  return std::find(calls.begin(), calls.end(), name) != calls.end();
}

const ast::StaticParam *parameterOf(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, size_t i) {
  size_t position = 0;
  for (size_t before = 0; before < i; ++before) position += args[before].name.text.empty();
  if (args[i].name.text.empty()) return position < decl.statics.size() ? &decl.statics[position] : nullptr;
  for (const ast::StaticParam &param : decl.statics)
    if (param.name.text == args[i].name.text) return &param;
  return nullptr;
}

void DeclTable::collectExpr(const Module &module, const ast::Expr *root, bool own, Entry &entry,
                            bool isFunction) {
  std::unordered_map<const ast::Expr *, std::pair<const ast::Decl *, std::string_view>> given;
  walk(root, [&](const ast::Expr &e) {
    using K = ast::ExprKind;
    bool time = e.op == ast::Op::Fby || e.op == ast::Op::Pre || e.op == ast::Op::Arrow;
    if (own && (e.kind == K::Binary || e.kind == K::Unary)) {
      entry.facts.state |= time;
      if (e.op == ast::Op::Eby && !entry.facts.end) entry.facts.end = true, entry.facts.endUse = &e;
    }
    if (own && e.kind == K::When && e.clock->period) entry.facts.state = true; // counts instants
    bool value = e.kind == K::Name || e.kind == K::Field;
    if (e.kind != K::Call && e.kind != K::Reduce && e.kind != K::StructLiteral && !value) return;
    std::string name = e.kind == K::Field ? dottedName(e) : e.text;
    auto as = given.find(&e);
    if (entry.parameters.count(name)) {
      if (own && as != given.end()) entry.handedOn.push_back({nullptr, e.span, *entry.parameters.find(name), &e, as->second.first, as->second.second});
      if (own && e.kind == K::Call) entry.facts.calls.push_back(*entry.parameters.find(name));
      return;
    }
    if (name.empty() || (value && entry.locals.count(std::string_view(name).substr(0, name.find('.'))))) return;
    if (const ast::Decl *decl = module.find(name)) {
      if (!value && decl->kind == ast::DeclKind::Const) return;
      bool callable = decl->kind == ast::DeclKind::Node || decl->kind == ast::DeclKind::Fun;
      bool handed = as != given.end() || (isFunction && &e == root);
      if (value && callable && !handed) return; // no call, and an error where it stands
      entry.uses.push_back({decl, e.span, decl->name.text, &e});
      if (as != given.end()) entry.uses.back().through = as->second.first, entry.uses.back().param = as->second.second;
      for (size_t i = 0; i < e.statics.size(); ++i)
        if (const ast::StaticParam *param = parameterOf(*decl, e.statics, i); param && param->isFunction)
          given[e.statics[i].value.get()] = {decl, param->name.text};
      entry.ownTime.push_back(own);
    } else if (own && e.kind == K::Call && (e.text == "window" || e.text == "hold" || e.text == "pack" || e.text == "unpack")) {
      entry.facts.state = true;
    }
  });
}

void DeclTable::collectBlock(const Module &module, const ast::Block &block, bool own, Entry &entry) {
  for (const auto &stmt : block.stmts) {
    bool scan = stmt->kind == ast::StmtKind::Scan;
    collectExpr(module, stmt->value.get(), own, entry);
    collectExpr(module, stmt->condition.get(), own && !scan, entry);
    collectExpr(module, stmt->bound.get(), own, entry);
    if (stmt->clock) {
      collectExpr(module, stmt->clock->condition.get(), own, entry);
      entry.facts.state |= own && stmt->clock->period;
    }
    entry.facts.scan |= scan;
    entry.facts.state |= scan && own && stmt->resume;
    collectBlock(module, stmt->body, own && !scan, entry);
    collectBlock(module, stmt->other, own, entry);
    entry.facts.state |= own && (stmt->kind == ast::StmtKind::Last || stmt->kind == ast::StmtKind::Automaton);
    for (const ast::Arm &arm : stmt->arms) {
      collectBlock(module, arm.body, own, entry);
      for (const auto *transitions : {&arm.unless, &arm.until})
        for (const ast::Transition &t : *transitions) collectExpr(module, t.condition.get(), own, entry);
    }
  }
}

/// The names that a body defines: they hide constants.
static void collectLocals(const ast::Block &block, std::unordered_set<std::string_view> &locals) {
  for (const auto &stmt : block.stmts) {
    for (const ast::Name &target : stmt->targets) locals.insert(target.text);
    if (stmt->kind == ast::StmtKind::Scan) locals.insert(stmt->index.text);
    walk(stmt->value.get(), [&](const ast::Expr &e) {
      for (const ast::For &f : e.fors) locals.insert(f.index.text);
    });
    collectLocals(stmt->body, locals);
    collectLocals(stmt->other, locals);
    for (const ast::Arm &arm : stmt->arms) collectLocals(arm.body, locals);
  }
}

void DeclTable::collectType(const Module &module, const ast::TypeExpr &type, Entry &entry) {
  for (const ast::TypeExpr &part : type.tuple) collectType(module, part, entry);
  const ast::Decl *decl = entry.locals.count(type.name.text) ? nullptr : module.find(type.name.text);
  if (decl && decl->kind == ast::DeclKind::Struct) {
    entry.uses.push_back({decl, type.name.span, type.name.text});
    entry.ownTime.push_back(true);
  }
  for (const ast::ExprPtr &dim : type.dims) collectExpr(module, dim.get(), true, entry);
  for (const ast::StaticArg &arg : type.args) {
    collectExpr(module, arg.value.get(), true, entry);
    for (const ast::ExprPtr &size : arg.shape) collectExpr(module, size.get(), true, entry);
  }
}

void DeclTable::collect(const Module &module, const ast::Decl &decl) {
  Entry &entry = entries[&decl];
  entry.facts.effects = decl.isExtern && decl.kind == ast::DeclKind::Node;
  entry.facts.scan = decl.kind == ast::DeclKind::Node; // in a comprehension, nodes are called in a scan
  for (const ast::StaticParam &p : decl.statics) entry.locals.insert(p.name.text), entry.parameters.insert(p.name.text);
  for (const ast::Param &p : decl.inputs) entry.locals.insert(p.name.text);
  for (const ast::Param &p : decl.outputs) entry.locals.insert(p.name.text);
  collectLocals(decl.body, entry.locals);
  if (decl.value) collectExpr(module, decl.value.get(), true, entry);
  for (const ast::StaticParam &p : decl.statics) collectExpr(module, p.defaultValue.get(), true, entry, p.isFunction);
  collectType(module, decl.type, entry);
  for (const ast::FieldDecl &f : decl.fields) collectType(module, f.type, entry);
  for (const ast::Param &p : decl.inputs) collectType(module, p.type, entry);
  for (const ast::Param &p : decl.outputs) collectType(module, p.type, entry);
  collectBlock(module, decl.body, true, entry);
  entry.locals.clear();
  entry.parameters.clear();
}

void DeclTable::analyse(const std::vector<const Module *> &modules, Reporter &report) {
  for (const Module *m : modules) {
    for (const auto &decl : m->file->decls) collect(*m, *decl);
    sort(*m, report);
  }
}

/// Tarjan's algorithm with an explicit stack; components come out callees first.
void DeclTable::sort(const Module &module, Reporter &report) {
  struct Frame {
    const ast::Decl *decl;
    Entry *entry;
    size_t next = 0;
  };
  int counter = 0;
  std::vector<const ast::Decl *> open;
  order.clear();
  for (const auto &root : module.file->decls) {
    if (entries[root.get()].number >= 0) continue;
    std::vector<Frame> frames;
    auto enter = [&](const ast::Decl *decl) {
      Entry &entry = entries[decl];
      entry.number = entry.low = counter++;
      entry.onStack = true;
      open.push_back(decl);
      frames.push_back({decl, &entry});
    };
    enter(root.get());
    while (!frames.empty()) {
      Frame &frame = frames.back();
      if (frame.next < frame.entry->uses.size()) {
        const ast::Decl *used = frame.entry->uses[frame.next++].decl;
        Entry &entry = entries[used];
        if (entry.number < 0) enter(used);
        else if (entry.onStack) frame.entry->low = std::min(frame.entry->low, entry.number);
        continue;
      }
      if (frame.entry->low == frame.entry->number) {
        std::vector<const ast::Decl *> component;
        do {
          component.push_back(open.back());
          open.pop_back();
        } while (component.back() != frame.decl);
        closeComponent(component, report);
      }
      int low = frame.entry->low;
      frames.pop_back();
      if (!frames.empty()) frames.back().entry->low = std::min(frames.back().entry->low, low);
    }
  }
}

void DeclTable::closeComponent(const std::vector<const ast::Decl *> &component, Reporter &report) {
  bool cyclic = component.size() > 1;
  for (const ast::Decl *decl : component) {
    Entry &entry = entries[decl];
    entry.onStack = false;
    for (size_t i = 0; i < entry.uses.size(); ++i) {
      const ast::Decl *used = entry.uses[i].decl;
      const Use &use = entry.uses[i];
      if (use.through && !entries[use.through].facts.callsParameter(use.param)) entry.ownTime[i] = false;
      Entry &callee = entries[used];
      cyclic |= used == decl;
      if (used != decl) callee.called = true;
      entry.facts.state |= callee.facts.state && entry.ownTime[i];
      if (callee.facts.end && entry.ownTime[i] && !entry.facts.end)
        entry.facts.end = true, entry.facts.endUse = entry.uses[i].expr;
      entry.facts.scan |= callee.facts.scan;
      entry.facts.effects |= callee.facts.effects;
    }
    for (const Use &use : entry.handedOn)
      if (entries[use.through].facts.callsParameter(use.param)) entry.facts.calls.push_back(use.name);
    order.push_back(decl);
  }
  if (!cyclic) return;
  for (const ast::Decl *decl : component) entries[decl].facts.recursive = true;
  reportCycle(component, report);
}

/// The chain of uses along a shortest cycle through the component's textually first declaration.
void DeclTable::reportCycle(const std::vector<const ast::Decl *> &component, Reporter &report) {
  const ast::Decl *start = component.front();
  for (const ast::Decl *decl : component)
    if (decl->span.begin < start->span.begin) start = decl;
  std::unordered_map<const ast::Decl *, std::pair<const ast::Decl *, Use>> from;
  std::vector<const ast::Decl *> queue{start};
  for (size_t i = 0; i < queue.size() && !from.count(start); ++i)
    for (const Use &use : entries[queue[i]].uses)
      if (entries[use.decl].facts.recursive && from.emplace(use.decl, std::pair(queue[i], use)).second)
        queue.push_back(use.decl);
  std::vector<Use> chain;
  std::string path = start->name.text;
  const ast::Decl *at = start;
  do {
    auto [by, where] = from[at];
    if (!by) break;
    chain.push_back(where);
    path = by->name.text + " -> " + path;
    at = by;
  } while (at != start);
  if (chain.empty()) return;
  std::reverse(chain.begin(), chain.end());
  bool isConst = start->kind == ast::DeclKind::Const, isStruct = start->kind == ast::DeclKind::Struct;
  Diagnostic &d = report.error(
      kinds::recursiveInstantiation, chain.front().span,
      fmt::format("`{}` {} itself", start->name.text, isConst ? "is defined by" : isStruct ? "contains" : "instantiates"),
      chain.size() == 1 ? "here"
                        : fmt::format("`{}` needs `{}` here", start->name.text, chain.front().name));
  for (size_t i = 1; i < chain.size() && i < 8; ++i)
    d.labels.push_back({chain[i].span, fmt::format("which needs `{}` here", chain[i].name), false});
  if (path.size() < 200) d.notes.push_back("the chain: " + path);
  d.notes.push_back(isConst ? "a constant must be computable before the program runs"
                    : isStruct ? "the size of every value is known at compile time, so a struct cannot contain itself"
                            : "every instance is laid out at compile time, so a node cannot contain itself; "
                              "use `scan` to repeat");
}

const DeclFacts &DeclTable::facts(const ast::Decl &decl) const {
  static const DeclFacts none;
  auto at = entries.find(&decl);
  return at == entries.end() ? none : at->second.facts;
}

bool DeclTable::isCalled(const ast::Decl &decl) const {
  auto at = entries.find(&decl);
  return at != entries.end() && at->second.called;
}

// ---- did you mean ----------------------------------------------------------------------------------------

/// Insertions, deletions, replacements and swaps of neighbours.
static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view name, const std::vector<std::string_view> &candidates) {
  std::string_view best;
  size_t bound = std::max<size_t>(1, name.size() / 3) + 1;
  if (name.size() > 60) return "";
  for (std::string_view candidate : candidates) {
    size_t gap =
        candidate.size() > name.size() ? candidate.size() - name.size() : name.size() - candidate.size();
    if (gap >= bound || candidate == name) continue;
    if (size_t distance = editDistance(name, candidate); distance < bound) {
      bound = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

} // namespace mlr::checking
