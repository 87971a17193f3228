// A function of std/math.mlr, compiled by mlrc and loaded: what the error measurements call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mlr::test {

/// Elements of one call.
inline constexpr size_t blockSize = 4096;

/// `node probe(x: T[4096], ..) -> (y: T[4096]) { y = NAME(x, ..); }` as a shared library of this machine. The lifting over
/// the tensor and the choice of the overload are the checker's, as in any program.
class Compiled {
public:
  /// type: "f32" or "f64". On failure the result is null and `error` says what mlrc said.
  static std::unique_ptr<Compiled> build(const std::string &name, const std::string &type, unsigned arity,
                                         std::string &error);
  ~Compiled();
  Compiled(const Compiled &) = delete;

  /// Memory of one caller; each thread has its own.
  class Instance {
  public:
    explicit Instance(const Compiled &function);
    template <class T> T *input(unsigned argument) { return reinterpret_cast<T *>(in) + argument * blockSize; }
    template <class T> const T *output() const { return reinterpret_cast<const T *>(out); }
    void step();

  private:
    const Compiled &function;
    std::vector<std::byte> memory;
    std::byte *state, *scratch, *in, *out;
  };

private:
  Compiled() = default;
  void *library = nullptr;
  void (*reset)(void *) = nullptr;
  void (*stepFunction)(void *, void *, const void *, void *) = nullptr;
};

} // namespace mlr::test
