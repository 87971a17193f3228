// A function of std/math.mlr as something to call: interpreted, or compiled by mlrc and loaded.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mlr::test {

/// Elements of one call.
inline constexpr size_t blockSize = 4096;

/// `node probe(x: T[4096], ..) -> (y: T[4096]) { y = NAME(x, ..); }`. The lifting over the tensor and the
/// choice of the overload are the checker's, as in any program.
class Function {
public:
  virtual ~Function() = default;

  /// Memory of one caller; each thread has its own.
  class Instance {
  public:
    virtual ~Instance() = default;
    template <class T> T *input(unsigned argument) {
      return reinterpret_cast<T *>(in) + argument * blockSize;
    }
    template <class T> const T *output() const { return reinterpret_cast<const T *>(out); }
    virtual void step() = 0;

  protected:
    Instance();
    std::byte *in, *out; ///< aligned to 64 bytes, room for f64

  private:
    std::vector<std::byte> memory;
  };
  virtual std::unique_ptr<Instance> instance() const = 0;
};

/// type: "f32" or "f64". On failure the result is null and `error` says why.
std::unique_ptr<Function> interpreted(const std::string &name, const std::string &type, unsigned arity,
                                      std::string &error);
std::unique_ptr<Function> compiled(const std::string &name, const std::string &type, unsigned arity,
                                   std::string &error);

} // namespace mlr::test
