// Which values share memory by construction, before any lifetime is looked at: aliases (reshape, results of
// scans, ends that stay put) and values computed inside others (rows of a stack, parts of a concat, the
// newest row of a window).
#pragma once

#include "mlr/Store/Plan.h"
#include "mlr/Store/Timeline.h"

namespace mlr::store {

/// One piece of memory before it has an address.
struct Root {
  enum Kind : uint8_t { Constant, Argument, Slot, Temporary };
  mlir::Value value; ///< gives element type and size
  Kind kind = Temporary;
  SlotHome home; ///< of a Slot
  int64_t bytes() const { return elementCount(value.getType()) * elementBytes(elementOf(value.getType())); }
};

/// A value's place inside a root; offset and strides in elements.
struct Place {
  unsigned root = 0;
  int64_t offset = 0;
  llvm::SmallVector<Location::Row, 2> rows;
};

/// Values that are equal in memory are represented by one of them, its owner.
class Storage {
public:
  Storage(dataflow::NodeOp node, const Timeline &timeline);

  std::vector<Root> roots; ///< arguments, then in order of execution
  /// The value that owns this value's memory; itself if none does.
  mlir::Value owner(mlir::Value value) const;
  /// The block at whose level the value is one thing, written once an instant: for an alias of a captured
  /// value the outer one.
  mlir::Block *level(mlir::Value value) const;
  /// The place of a value, or null for a scalar in a register.
  const Place *place(mlir::Value value) const;
  /// An owner computed inside another owner.
  struct Link {
    mlir::Value parent;
    int64_t offset = 0;
    std::optional<Location::Row> row;
    mlir::Operation *by = nullptr; ///< the stack, concat or window
  };
  const Link *link(mlir::Value owner) const;
  /// All owners, arguments first, then in order of execution.
  llvm::ArrayRef<std::pair<mlir::Value, SlotHome>> allOwners() const { return owners; }

private:
  void addOwners(dataflow::NodeOp node);
  void addAliases(mlir::Operation *op);
  void addOwner(mlir::Value value, Root::Kind kind, SlotHome home = {});
  bool staysPut(mlir::Operation *end) const;
  void embed(mlir::Operation *op);
  void link(mlir::Value part, Link link);
  bool fitsSlot(mlir::Value part) const;
  bool canEmbed(mlir::Value part, mlir::Operation *into) const;
  void addPlaces();

  const Timeline &timeline;
  llvm::DenseMap<mlir::Value, mlir::Value> aliasOf;
  llvm::DenseMap<mlir::Value, mlir::Block *> levels; ///< of aliases
  llvm::DenseMap<mlir::Value, int64_t> firstWrite;   ///< position, of concats with parts in place
  llvm::DenseMap<mlir::Value, unsigned>
      escapes; ///< owner -> least depth of a scan that it leaves by final or initial
  llvm::DenseMap<mlir::Value, Link> links;
  llvm::DenseMap<mlir::Value, Root::Kind> kinds;
  std::vector<std::pair<mlir::Value, SlotHome>> owners;
  llvm::DenseMap<mlir::Value, Place> places;
};

} // namespace mlr::store
