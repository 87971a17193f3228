// The state of one run of the checker: modules, constants, instances. Bodies are elaborated one after another
// from a queue, so that no chain of calls nests.
#pragma once

#include "mlr/Check/Check.h"
#include "mlr/Check/Statics.h"

#include <deque>
#include <map>
#include <unordered_set>

namespace mlr::checking {

/// A constant declaration after evaluation. Failed ones have been reported.
struct Constant {
  bool failed = false, inProgress = false;
  Ty type;
  std::vector<Array> leaves;        ///< known at compile time: one a leaf
  NodeInstance *computed = nullptr; ///< else a fun without inputs that computes them
  bool isTable = false;             ///< computed, but read as its leaves
  /// The value of a constant that is no struct and known; else null.
  const Array *value() const { return type.kind == Ty::Kind::Plain && !leaves.empty() ? &leaves[0] : nullptr; }
};

/// A node or fun with its static parameters fixed, before its body is looked at.
struct Signature {
  const ast::Decl *decl = nullptr;
  Env env;
  std::vector<Ty> inputs, outputs;
  std::string display() const; ///< "lstm_cell<<D = 40, H = 16>>"
};

/// Hz of the base clock that a declaration states; 0: none, or one that checkRate refuses.
double rateOf(const ast::Decl &decl);
void checkRate(const ast::Decl &decl, Reporter &report);

class Checker {
public:
  Checker(const ast::File &file, SourceMap &sources, const CheckOptions &options, Diagnostics &diagnostics);
  std::optional<Program> run();

  const DeclFacts &facts(const ast::Decl &decl) const { return declarations.facts(decl); }
  /// The value of a constant; evaluates it at its first use.
  const Constant &constant(const ast::Decl &decl);
  /// The value of a constant of a plain type, computed if need be, which is reported where that fails; null otherwise.
  const Array *valueOf(const ast::Decl &decl, Span at, Reporter &report);
  /// The value of an expression of `of` without variables; nothing where that fails (reported).
  std::optional<Array> valueOf(const Expr &e, const NodeInstance &of, const std::string &what, Reporter &report);
  /// The module that declares it.
  const Module *home(const ast::Decl &decl) const;
  /// Those of the declaration and of the functions that its static parameters have.
  DeclFacts facts(const Signature &signature) const;
  /// Defaults for the parameters of `decl` that are still unbound; false (reported) when one fails. Those
  /// without a default stay unbound, and those whose default is made of an unbound one.
  bool bindDefaults(const ast::Decl &decl, Env &env, Reporter &report);
  /// The type that `decl` means with these static parameters; null when a field is in error (reported).
  const Nominal *nominal(const ast::Decl &decl, const Env &env, Span usedAt, Reporter &report);
  /// Records that `callee` must stand before `caller`.
  void noteCall(const NodeInstance &caller, NodeInstance &callee) { calls[&caller].push_back(&callee); }
  /// The instance of a signature, new or the earlier one; its body follows from the queue. Null (reported)
  /// when there are too many.
  NodeInstance *instantiate(const Signature &signature, Span usedAt, Reporter &report);
  /// A node that calls `callee` in a reset block: the callee's inputs, then the condition that resets it.
  NodeInstance *resettable(NodeInstance &callee, const std::vector<Type> &inputs, const std::vector<Type> &outputs);
  /// The array of a data file; nothing when that was reported.
  std::optional<Array> load(std::string_view path, std::string_view name, uint32_t file, Span span,
                            Reporter &report);
  /// A derivative is taken: functions need theirs.
  void noteDerivative() { takesDerivatives = true; }
  SourceMap &sources;

private:
  struct Pending {
    Signature signature;
    NodeInstance *instance;
  };
  void elaborateQueue();
  void addDerivative(const Pending &function);
  void loadPrelude();
  struct Importing {
    std::string path;
    Span at; ///< the import
  };
  bool findModule(const Module &from, const ast::Name &name, std::string &path, std::string &text);
  void reportImportCycle(const std::string &path, const ast::Name &last);
  void loadImports(Module &from);
  std::string identityOfRoot() const;
  void refuseDeclaration(const ast::Decl &decl);
  void checkExtern(const ast::Decl &decl, Span at);
  void addRoots();
  void addRoot(const ast::Decl &decl, bool asked);
  bool refuseUnboundedEnd(const ast::Decl &decl);
  bool bindRoot(const ast::Decl &decl, bool asked, Env &env);
  bool bindOption(const ast::StaticParam &param, const std::string &text, Env &env);
  NodeInstance *newInstance(const ast::Decl &decl, std::string display, Span usedAt);
  void evaluate(const ast::Decl &decl, const Module &module, Constant &constant);
  void computeConstant(const ast::Decl &decl, Constant &constant, std::unique_ptr<NodeInstance> instance,
                       const std::vector<const Expr *> &leaves);
  void replaceByValue(const ast::Decl &decl);
  bool completeCallees(const NodeInstance &root);
  std::optional<std::vector<Array>> compute(const NodeInstance &fun, const std::string &what, Span at, Reporter &to);
  bool orderNodes();
  bool analyse();

  const CheckOptions &options;
  Diagnostics &diagnostics;
  Reporter report;
  std::vector<std::unique_ptr<ast::File>> ownedFiles; ///< the prelude, texts of --param
  std::unique_ptr<Module> prelude;
  std::vector<std::unique_ptr<Module>> modules; ///< imported, callees first
  std::map<std::string, Module *> modulesByPath;
  std::vector<Importing> importing;             ///< from the root file on, while loading
  Module module;
  DeclTable declarations;
  std::map<std::string, NodeInstance *> instances; ///< by declaration and static values
  std::map<std::string, std::unique_ptr<Nominal>> nominals;
  std::unordered_set<const NodeInstance *> complete; ///< whose bodies are without an error
  size_t genericInstances = 0;
  int nesting = 0; ///< of constants that are computed for one another
  std::map<std::string, int> nameUses;
  std::unordered_map<const NodeInstance *, NodeInstance *> resettables; ///< by callee; looked up only
  std::unordered_map<const ast::Decl *, Constant> constants;
  std::unordered_map<const NodeInstance *, std::vector<NodeInstance *>> calls;
  std::deque<Pending> queue;
  std::vector<Pending> stated;   ///< instances of functions with a derivative of their own
  bool takesDerivatives = false; ///< somewhere in the program
  Program program;
};

} // namespace mlr::checking
