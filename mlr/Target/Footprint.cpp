#include "mlr/Target/Footprint.h"

#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

#include <map>
#include <set>

namespace mlr::target {

/// Frames by function, from LLVM's file for -fstack-usage: "where:function <tab> bytes <tab> static|dynamic".
static Result<std::map<std::string, int64_t>> parseFrames(llvm::StringRef text) {
  std::map<std::string, int64_t> frames;
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef line : lines) {
    llvm::SmallVector<llvm::StringRef> fields;
    line.split(fields, '\t');
    int64_t bytes = 0;
    if (fields.size() != 3 || fields[1].getAsInteger(10, bytes)) return Error{"LLVM's report of stack usage has another form"};
    if (fields[2].trim() != "static") return Error{"a frame has a dynamic size: " + fields[0].str()};
    frames[fields[0].substr(fields[0].rfind(':') + 1).str()] = bytes;
  }
  return frames;
}

/// The object, and the frames that LLVM laid out for it.
static Result<std::map<std::string, int64_t>> generate(Code &code, const Machine &machine, std::vector<char> &bytes) {
  llvm::SmallString<128> path;
  if (auto error = llvm::sys::fs::createTemporaryFile("mlr", "su", path)) return Error{"no temporary file: " + error.message()};
  std::string &setting = machine.machine().Options.StackUsageOutput;
  setting = path.str().str();
  auto made = object(code, machine);
  setting.clear();
  auto text = llvm::MemoryBuffer::getFile(path);
  llvm::sys::fs::remove(path);
  if (auto *error = std::get_if<Error>(&made)) return *error;
  if (!text) return Error{"LLVM reports no stack usage for `" + machine.triple() + "`"};
  bytes = std::move(std::get<std::vector<char>>(made));
  return parseFrames((*text)->getBuffer());
}

namespace {
/// Chains of calls in the module that was compiled.
struct Calls {
  const std::map<std::string, int64_t> &frames;
  std::set<std::string> outside = {};
  std::map<const llvm::Function *, int64_t> known = {};
  std::set<const llvm::Function *> active = {};
  bool recursive = false;

  int64_t deepest(const llvm::Function &f) {
    if (auto it = known.find(&f); it != known.end()) return it->second;
    if (!active.insert(&f).second) return recursive = true, 0;
    int64_t below = 0;
    for (const llvm::BasicBlock &block : f)
      for (const llvm::Instruction &i : block) {
        auto *call = llvm::dyn_cast<llvm::CallBase>(&i);
        const llvm::Function *callee = call ? call->getCalledFunction() : nullptr;
        if (!callee || callee->isIntrinsic()) continue;
        if (callee->isDeclaration()) outside.insert(callee->getName().str());
        else below = std::max(below, deepest(*callee));
      }
    active.erase(&f);
    auto own = frames.find(f.getName().str());
    return known[&f] = below + (own == frames.end() ? 0 : own->second);
  }
};
} // namespace

static bool isReadOnlyData(const llvm::object::SectionRef &section, llvm::StringRef name) {
  if (section.isText() || section.isBSS()) return false;
  return name.starts_with(".rodata") || name.starts_with(".srodata") || name.starts_with("__const") ||
         name.starts_with("__literal") || name.starts_with(".rdata") || name == "DATA";
}

Result<Footprint> footprint(Code &code, const Machine &machine) {
  std::vector<char> bytes;
  auto frames = generate(code, machine, bytes);
  if (auto *error = std::get_if<Error>(&frames)) return *error;
  auto parsed = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef({bytes.data(), bytes.size()}, "object"));
  if (!parsed) return Error{llvm::toString(parsed.takeError())};
  Footprint out;
  std::set<std::string> outside;
  for (const llvm::object::SectionRef &section : (*parsed)->sections()) {
    llvm::StringRef name = llvm::cantFail(section.getName(), "section name");
    if (section.isText()) out.codeBytes += static_cast<int64_t>(section.getSize());
    if (isReadOnlyData(section, name)) out.constantBytes += static_cast<int64_t>(section.getSize());
  }
  // What instruction selection calls (memcpy, arithmetic of the runtime library) stands only in the object.
  for (const llvm::object::SymbolRef &symbol : (*parsed)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name) return Error{"the object's symbols cannot be read"};
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty()) outside.insert(name->str());
  }
  Calls calls{std::get<std::map<std::string, int64_t>>(frames)};
  for (const llvm::Function &f : *code.module)
    if (!f.isDeclaration()) out.stackBytes = std::max(out.stackBytes, calls.deepest(f));
  if (calls.recursive) return Error{"the generated code is recursive"};
  outside.merge(calls.outside);
  out.outside.assign(outside.begin(), outside.end());
  return out;
}

} // namespace mlr::target
