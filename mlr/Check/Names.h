// The declarations of a file and of the prelude, which of them call which, and what follows from that alone:
// state, ends of time, recursion.
#pragma once

#include "mlr/Ast/Ast.h"
#include "mlr/Check/Reporter.h"

#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace mlr::checking {

/// What a declaration's text says about its own time, calls included; of static parameters only functions add to it.
struct DeclFacts {
  bool state = false;     ///< fby, pre, ->, window or a resume scan in its own time
  bool end = false;       ///< eby in its own time
  const ast::Expr *endUse = nullptr; ///< with `end`: that eby, or the call of what has one
  bool effects = false;   ///< an extern node, or calls one, in whatever time
  bool scan = false;      ///< a node, or contains a scan, or calls what does
  bool recursive = false; ///< needs itself; reported
  std::vector<std::string_view> calls; ///< static parameters that are functions and called in its own time
  bool callsParameter(std::string_view name) const;
};

/// The declarations that names of one file mean.
class Module {
public:
  /// `prelude` may be null (for the prelude itself).
  Module(const ast::File &file, const Module *prelude) : file(&file), prelude(prelude) {}
  /// Enters the declarations; reports names declared twice.
  void declare(Reporter &report);

  /// `import name;`: reports a second one of that name.
  void addImport(const ast::Name &name, const Module *module, Reporter &report);
  const Module *imported(std::string_view name) const;
  /// Reports why a name that find() does not know, maybe qualified, means nothing; false when that is for the caller to
  /// say.
  bool explain(std::string_view name, Span span, Reporter &report) const;
  std::vector<std::string_view> publicNames() const;

  /// The declaration called `name`: the file's own, else the prelude's; `nn.dense`: that of an imported module, unless it is
  /// private (its name begins with `_`).
  const ast::Decl *find(std::string_view name) const;
  const ast::Decl *findOwn(std::string_view name) const;
  /// The elementary function `name` on f32 or f64 (`exp_f32` for exp), in the prelude.
  const ast::Decl *elementary(std::string_view name, bool wide) const;

  const ast::File *file;
  const Module *prelude;

private:
  struct Import {
    std::string_view name;
    const Module *module;
    Span span;
  };
  std::vector<Import> imports;
  std::unordered_map<std::string_view, const ast::Decl *> decls;
};

/// True for functions of the language itself that no declaration defines: sum, where, window, f32, ... .
bool isBuiltin(std::string_view name);
/// The names of all of them, for "did you mean".
const std::vector<std::string_view> &builtinNames();
/// Built-ins of the language that this version refuses: grad, hold, pack, ... .
bool isLaterBuiltin(std::string_view name);

/// Facts of every declaration of the modules, imported ones first. `order` receives the declarations of the last,
/// callees first. Reports each recursive one with its chain. Linear.
class DeclTable {
public:
  void analyse(const std::vector<const Module *> &modules, Reporter &report);
  const DeclFacts &facts(const ast::Decl &decl) const;
  /// Called by another declaration of the file.
  bool isCalled(const ast::Decl &decl) const;
  std::vector<const ast::Decl *> order;

private:
  struct Use {
    const ast::Decl *decl;
    Span span;
    std::string_view name;
    const ast::Expr *expr = nullptr; ///< null in a type
    /// As the value of this static parameter of that node or fun.
    const ast::Decl *through = nullptr;
    std::string_view param = {};
  };
  struct Entry {
    DeclFacts facts;
    std::vector<Use> uses;
    /// Own static parameters handed on, in the own time: `name` is the one, as the value of `param` of `through`.
    std::vector<Use> handedOn;
    std::vector<bool> ownTime;                                         ///< the use is in the own time
    std::unordered_set<std::string_view> parameters;                   ///< static ones, only while collecting
    std::unordered_set<std::string_view> locals;                       ///< only while collecting
    int low = -1, number = -1;
    bool onStack = false, called = false;
  };
  void collect(const Module &module, const ast::Decl &decl);
  void collectBlock(const Module &module, const ast::Block &block, bool own, Entry &entry);
  /// `isFunction`: it stands for a node or fun, as the default of a static parameter does.
  void collectExpr(const Module &module, const ast::Expr *e, bool own, Entry &entry, bool isFunction = false);
  void collectType(const Module &module, const ast::TypeExpr &type, Entry &entry);
  void sort(const Module &module, Reporter &report);
  void closeComponent(const std::vector<const ast::Decl *> &component, Reporter &report);
  void reportCycle(const std::vector<const ast::Decl *> &component, Reporter &report);
  std::unordered_map<const ast::Decl *, Entry> entries;
};

/// Whether it stands for a type.
bool isTypeKind(const ast::StaticParam &param);
/// The static parameter that argument `i` of `args` is for, or null.
const ast::StaticParam *parameterOf(const ast::Decl &decl, const std::vector<ast::StaticArg> &args, size_t i);

/// The entry of `candidates` nearest to `name` within a third of its length, or "".
std::string nearest(std::string_view name, const std::vector<std::string_view> &candidates);

} // namespace mlr::checking
