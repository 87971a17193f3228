// Files that files import: where they are found, in which order they are looked at, what is visible.
#include "mlr/Ast/Parser.h"
#include "mlr/Check/Checker.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace mlr::checking {

namespace fs = std::filesystem;

/// The same for all spellings of one path.
static std::string identity(const fs::path &path) {
  std::error_code failed;
  fs::path whole = fs::weakly_canonical(path, failed);
  return failed ? path.lexically_normal().string() : whole.string();
}

std::string Checker::identityOfRoot() const { return identity(sources.path(module.file->file)); }

static bool readFile(const fs::path &path, std::string &out) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) return false;
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  out = text.str();
  return static_cast<bool>(in);
}

/// The file of a module: beside the importing one, then in the folders of --path, then in the standard library.
bool Checker::findModule(const Module &from, const ast::Name &name, std::string &path, std::string &text) {
  std::vector<std::string> folders{fs::path(sources.path(from.file->file)).parent_path().string()};
  folders.insert(folders.end(), options.paths.begin(), options.paths.end());
  if (!options.stdPath.empty()) folders.push_back(options.stdPath);
  for (const std::string &folder : folders) {
    path = (fs::path(folder) / (name.text + ".mlr")).string();
    if (readFile(path, text)) return true;
  }
  std::vector<std::string> found;
  for (const std::string &folder : folders) {
    std::error_code failed;
    for (const auto &entry : fs::directory_iterator(folder.empty() ? "." : folder, failed))
      if (entry.path().extension() == ".mlr") found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  Diagnostic &d = report.error(kinds::unknownName, name.span, fmt::format("there is no module `{}`", name.text),
                               fmt::format("no file {}.mlr", name.text));
  d.notes.push_back("looked for beside this file, in the folders of --path and in the standard library");
  if (std::string near = nearest(name.text, {found.begin(), found.end()}); !near.empty())
    d.helps.push_back(fmt::format("did you mean `import {};`?", near));
  return false;
}

/// Reports the chain of imports from the one of `path` to the one that closes it.
void Checker::reportImportCycle(const std::string &path, const ast::Name &last) {
  size_t first = 0;
  while (first < importing.size() && importing[first].path != path) ++first;
  auto nameOf = [](const std::string &p) { return fs::path(p).stem().string(); };
  Diagnostic &d = report.error(kinds::recursiveInstantiation, last.span, fmt::format("the module `{}` imports itself", nameOf(path)),
                               first + 1 == importing.size() ? "here" : "which closes the cycle");
  std::string chain = nameOf(path);
  for (size_t i = first + 1; i < importing.size(); ++i) {
    if (i < first + 8) d.labels.push_back({importing[i].at, fmt::format("`{}` is imported here", nameOf(importing[i].path)), false});
    chain += " -> " + nameOf(importing[i].path);
  }
  if (chain.size() < 200) d.notes.push_back("the chain: " + chain + " -> " + nameOf(path));
  d.helps.push_back("put what both need into a module of its own");
}

/// Loads what `from` imports, each file once, imported ones first in `modules`.
void Checker::loadImports(Module &from) {
  if (prelude) modulesByPath[identity(sources.path(prelude->file->file))] = prelude.get();
  for (const auto &decl : from.file->decls) {
    if (decl->kind != ast::DeclKind::Import || decl->name.text.empty()) continue;
    std::string path, text;
    if (!findModule(from, decl->name, path, text)) continue;
    std::string id = identity(path);
    bool open = std::any_of(importing.begin(), importing.end(), [&](const Importing &i) { return i.path == id; });
    if (open) {
      reportImportCycle(id, decl->name);
      continue;
    }
    Module *&module = modulesByPath[id];
    if (!module) {
      uint32_t number = sources.add(path, std::move(text));
      ownedFiles.push_back(std::make_unique<ast::File>(ast::parse(number, diagnostics)));
      modules.push_back(std::make_unique<Module>(*ownedFiles.back(), prelude.get()));
      Module *made = modules.back().get();
      size_t place = modules.size() - 1;
      modulesByPath[id] = made;
      importing.push_back({id, decl->name.span});
      loadImports(*made);
      importing.pop_back();
      // Behind what it imports.
      std::rotate(modules.begin() + static_cast<ptrdiff_t>(place), modules.begin() + static_cast<ptrdiff_t>(place) + 1,
                  modules.end());
      made->declare(report);
    }
    from.addImport(decl->name, modulesByPath[id], report);
  }
}

// ---- names of a module -----------------------------------------------------------------------------------

void Module::addImport(const ast::Name &name, const Module *module, Reporter &report) {
  for (const Import &other : imports) {
    if (other.name != name.text) continue;
    Diagnostic &d = report.error(kinds::duplicateDefinition, name.span, fmt::format("`{}` is imported twice", name.text), "again here");
    d.labels.push_back({other.span, "first imported here", false});
    return;
  }
  imports.push_back({name.text, module, name.span});
}

const Module *Module::imported(std::string_view name) const {
  for (const Import &import : imports)
    if (import.name == name) return import.module;
  return nullptr;
}

std::vector<std::string_view> Module::publicNames() const {
  std::vector<std::string_view> out;
  for (const auto &decl : file->decls) {
    std::string_view name = decl->name.text;
    if (name.ends_with("_f32") && !prelude) name.remove_suffix(4); // of the prelude
    if (decl->kind != ast::DeclKind::Import && !name.starts_with('_')) out.push_back(name);
  }
  return out;
}

bool Module::explain(std::string_view name, Span span, Reporter &report) const {
  size_t dot = name.find('.');
  if (dot == name.npos) {
    if (!imported(name)) return false;
    Diagnostic &d = report.error(kinds::wrongArguments, span, fmt::format("`{}` is a module, not a value", name), "imported");
    d.helps.push_back(fmt::format("name something in it: `{}.x`", name));
    return true;
  }
  std::string_view owner = name.substr(0, dot), member = name.substr(dot + 1);
  const Module *module = imported(owner);
  if (!module) {
    Diagnostic &d = report.error(kinds::unknownName, span, fmt::format("nothing called `{}` is declared", owner), "not a module of this file");
    d.helps.push_back(fmt::format("if it is a module: `import {};`", owner));
    return true;
  }
  member = member.substr(0, member.find('.'));
  if (const ast::Decl *hidden = module->findOwn(member)) {
    Diagnostic &d = report.error(kinds::unknownName, span, fmt::format("`{}` is private to the module `{}`", member, owner),
                                 "not visible here");
    d.labels.push_back({hidden->name.span, "declared here", false});
    d.notes.push_back("names that begin with `_` are seen in their own file only");
    return true;
  }
  Diagnostic &d = report.error(kinds::unknownName, span, fmt::format("the module `{}` has no `{}`", owner, member), "unknown");
  if (std::string near = nearest(member, module->publicNames()); !near.empty())
    d.helps.push_back(fmt::format("did you mean `{}.{}`?", owner, near));
  return true;
}

} // namespace mlr::checking
