// Triples, CPUs and what they can do.
#include "mlr/Target/Llvm.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

namespace mlr::target {

Machine::Machine() = default;
Machine::Machine(Machine &&) noexcept = default;
Machine &Machine::operator=(Machine &&) noexcept = default;
Machine::~Machine() = default;

static std::string hostFeatures() {
  std::string out;
  std::map<std::string, bool> sorted;
  for (auto &feature : llvm::sys::getHostCPUFeatures()) sorted[feature.first().str()] = feature.second;
  for (auto &[name, on] : sorted) out += (out.empty() ? "" : ",") + std::string(on ? "+" : "-") + name;
  return out;
}

/// LLVM's registry of back ends: filled once a process, and only with what is asked for.
static void registerTargets(bool hostOnly) {
  if (hostOnly) {
    static const bool done = !llvm::InitializeNativeTarget() && !llvm::InitializeNativeTargetAsmPrinter();
    (void)done;
    return;
  }
  static const bool done = [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    return true;
  }();
  (void)done;
}

/// The first of a list of features that the target does not have.
static std::optional<std::string> unknownFeature(const llvm::MCSubtargetInfo &info, llvm::StringRef features) {
  llvm::SmallVector<llvm::StringRef> list;
  features.split(list, ',', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef feature : list) {
    bool known = llvm::any_of(info.getAllProcessorFeatures(), [&](const auto &f) { return feature.drop_front() == f.Key; });
    if (!known || (feature[0] != '+' && feature[0] != '-')) return feature.str();
  }
  return {};
}

Result<Machine> Machine::find(const MachineName &wanted) {
  Machine m;
  std::string hostTriple = llvm::sys::getDefaultTargetTriple();
  m.name = wanted;
  if (m.name.triple.empty()) m.name.triple = hostTriple;
  llvm::Triple triple(llvm::Triple::normalize(m.name.triple)), hostParsed(hostTriple);
  m.host = triple.getArch() == hostParsed.getArch() && triple.getOS() == hostParsed.getOS();
  if (m.host && wanted.cpu.empty() && wanted.features.empty()) {
    m.name.cpu = llvm::sys::getHostCPUName().str();
    m.name.features = hostFeatures();
  }
  // 512-bit vectors are used where the machine has them, whatever LLVM's tuning prefers.
  if (triple.isX86()) m.name.features += (m.name.features.empty() ? "" : ",") + std::string("-prefer-256-bit");
  registerTargets(m.host);
  std::string message;
  const llvm::Target *back = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!back) return Error{"no back end for the triple `" + wanted.triple + "`"};
  // Asked first: LLVM itself would print its complaints.
  std::unique_ptr<llvm::MCSubtargetInfo> known(back->createMCSubtargetInfo(triple, "", ""));
  if (!known) return Error{"LLVM cannot generate code for `" + m.name.triple + "`"};
  if (!m.name.cpu.empty() && !known->isCPUStringValid(m.name.cpu))
    return Error{"`" + m.name.cpu + "` is no CPU of `" + m.name.triple + "`"};
  if (auto feature = unknownFeature(*known, wanted.features))
    return Error{"`" + *feature + "` is no feature of `" + m.name.triple + "`; features are written +NAME or -NAME"};
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  options.FunctionSections = true;
  bool bare = triple.getOS() == llvm::Triple::UnknownOS;
  auto model = bare ? llvm::Reloc::Static : llvm::Reloc::PIC_;
  std::optional<llvm::CodeModel::Model> code;
  if (triple.isRISCV()) code = llvm::CodeModel::Medium;
  if (triple.isARM() || triple.isThumb())
    options.FloatABIType = triple.getEnvironmentName().ends_with("hf") ? llvm::FloatABI::Hard : llvm::FloatABI::Soft;
  m.target.reset(back->createTargetMachine(triple, m.name.cpu, m.name.features, options, model, code,
                                           llvm::CodeGenOptLevel::Default));
  if (!m.target) return Error{"LLVM cannot generate code for `" + m.name.triple + "`, CPU `" + m.name.cpu + "`"};
  return m;
}

loops::Options Machine::loopsOptions() const {
  const llvm::MCSubtargetInfo &info = *target->getMCSubtargetInfo();
  const llvm::Triple &t = target->getTargetTriple();
  auto has = [&](const char *feature) { return info.checkFeatures(feature); };
  loops::Options o;
  if (t.isX86()) {
    o.hasFma = o.hasFma64 = has("+fma") || has("+avx512f");
    o.vectorBits = has("+avx512f") && has("+avx512vl") && has("+avx512bw") && has("+avx512dq") ? 512
                   : has("+avx2")                                                             ? 256
                                                                                               : 128;
  } else if (t.isAArch64()) {
    o.vectorBits = 128;
  } else if (t.isARM() || t.isThumb()) {
    o.hasFma = has("+vfp4d16sp") || has("+vfp4sp");
    o.hasFma64 = has("+vfp4d16") || has("+vfp4");
    o.hasAdd64 = has("+fp64");
  } else if (t.isRISCV()) {
    o.hasFma = has("+f");
    o.hasFma64 = has("+d");
  } else if (t.isWasm()) {
    o.hasFma = o.hasFma64 = false;
    o.vectorBits = has("+simd128") ? 128 : 0;
  } else {
    o.hasFma = o.hasFma64 = false;
  }
  return o;
}

} // namespace mlr::target
