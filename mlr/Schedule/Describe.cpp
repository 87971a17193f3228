#include "mlr/Schedule/Describe.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlr::dataflow;

namespace mlr::schedule {

namespace {

// "lstm.h" for variable h inlined from a call whose result is lstm; empty without a name.
std::string nameOf(Location location) {
  if (auto name = dyn_cast<NameLoc>(location)) return name.getName().str();
  if (auto call = dyn_cast<CallSiteLoc>(location)) {
    std::string callee = nameOf(call.getCallee()), caller = nameOf(call.getCaller());
    return callee.empty() || caller.empty() ? callee : caller + "." + callee;
  }
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (std::string name = nameOf(part); !name.empty()) return name;
  return "";
}

std::string placeOf(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return fmt::format("{}:{}:{}", file.getFilename().str(), file.getLine(), file.getColumn());
  if (auto name = dyn_cast<NameLoc>(location)) return placeOf(name.getChildLoc());
  if (auto call = dyn_cast<CallSiteLoc>(location)) return placeOf(call.getCallee());
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (std::string place = placeOf(part); !place.empty()) return place;
  return "";
}

std::string equationsOf(ScanOp part) {
  llvm::SetVector<std::string, std::vector<std::string>, std::set<std::string>> names;
  for (Operation &op : bodyOf(part))
    if (std::string name = isa<ScanOp, YieldOp, ConstOp>(op) ? "" : nameOf(op.getLoc()); !name.empty())
      names.insert(name);
  return llvm::join(names, ", ");
}

void describeBody(Operation *owner, const std::string &indent, std::string &text) {
  llvm::MapVector<int64_t, SmallVector<ScanOp>> scans;
  for (auto scan : owner->getRegion(0).getOps<ScanOp>()) {
    auto id = scan->getAttrOfType<IntegerAttr>("mlr.scan");
    scans[id ? id.getInt() : -1].push_back(scan);
  }
  for (auto &[id, parts] : scans) {
    ScanOp first = parts.front();
    std::string place = placeOf(first.getLoc());
    text += fmt::format("{}scan {} < {}{}{}: {} sweep{}\n", indent, first.getIndexName().value_or("t").str(),
                        first.getLength(), place.empty() ? "" : " at ", place, parts.size(),
                        parts.size() == 1 ? "" : "s");
    for (auto [number, part] : llvm::enumerate(parts)) {
      std::string equations = equationsOf(part);
      text += fmt::format("{}  {} {}{}{}\n", indent, number + 1,
                          part.getSweep() == Direction::Down ? "down" : "up", equations.empty() ? "" : ": ",
                          equations);
      describeBody(part, indent + "    ", text);
    }
  }
}

} // namespace

std::string describe(NodeOp node) {
  std::string text;
  describeBody(node, "", text);
  return text;
}

} // namespace mlr::schedule
