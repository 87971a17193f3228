#include "mlr/Ast/Annotations.h"

#include <algorithm>

namespace mlr::ast {

std::optional<int64_t> bytesIn(std::string_view text, std::string_view unit) {
  int64_t scale = unit.empty() ? 1 : unit == "K" ? 1024 : unit == "M" ? 1024 * 1024 : 0;
  if (scale == 0 || text.empty() || text.size() > 12) return std::nullopt;
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value * scale;
}

static std::optional<int64_t> bytesOf(const Annotation &a) {
  if (a.name.text != "ram" || !a.value || a.value->kind != ExprKind::Number) return std::nullopt;
  return bytesIn(a.value->text, a.unit.text);
}

bool isBudget(const Annotation &annotation) { return bytesOf(annotation).has_value(); }

static void addBudgets(const Block &block, std::optional<int64_t> &least) {
  for (const auto &stmt : block.stmts) {
    if (!stmt) continue;
    for (const Annotation &a : stmt->annotations)
      if (auto bytes = bytesOf(a)) least = least ? std::min(*least, *bytes) : *bytes;
    addBudgets(stmt->body, least);
    addBudgets(stmt->other, least);
    for (const Arm &arm : stmt->arms) addBudgets(arm.body, least);
  }
}

std::optional<int64_t> budgetOf(const Decl &decl) {
  std::optional<int64_t> least;
  addBudgets(decl.body, least);
  return least;
}

} // namespace mlr::ast
