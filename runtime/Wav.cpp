// .wav: 16-bit PCM in a RIFF container. Source of the format: Multimedia Programming Interface and Data
// Specifications 1.0 (IBM, Microsoft 1991), and WAVEFORMATEXTENSIBLE.
#include "runtime/Formats.h"

namespace mlr::data {

Result<Array> parseWav(Bytes bytes) {
  if (bytes.size() < 12 || bytes.substr(0, 4) != "RIFF" || bytes.substr(8, 4) != "WAVE")
    return Error{"not a .wav file: RIFF/WAVE is missing"};
  int64_t channels = 0;
  for (size_t at = 12; at + 8 <= bytes.size();) {
    Bytes id = bytes.substr(at, 4);
    size_t size = readLittle<uint32_t>(bytes.data() + at + 4), rest = bytes.size() - at - 8;
    if (size > rest)
      return Error{"a chunk of the .wav says it has " + std::to_string(size) + " bytes, only " +
                   std::to_string(rest) + " follow"};
    const char *p = bytes.data() + at + 8;
    if (id == "fmt ") {
      if (size < 16) return Error{"the format chunk is too short"};
      unsigned format = readLittle<uint16_t>(p), bits = readLittle<uint16_t>(p + 14);
      if (format == 0xfffe && size >= 26) format = readLittle<uint16_t>(p + 24);
      channels = readLittle<uint16_t>(p + 2);
      if (format != 1 || bits != 16)
        return Error{"the samples have format " + std::to_string(format) + " with " + std::to_string(bits) +
                     " bits; only 16-bit PCM is read"};
      if (channels == 0) return Error{"the .wav has no channels"};
    } else if (id == "data") {
      if (channels == 0) return Error{"the .wav has its data before its format"};
      if (size % (2 * static_cast<size_t>(channels)) != 0)
        return Error{"the last frame of the .wav is incomplete"};
      int64_t frames = static_cast<int64_t>(size) / (2 * channels);
      Shape shape = channels == 1 ? Shape{frames} : Shape{frames, channels};
      return arrayFrom(Type{Scalar::I16, shape}, Bytes(p, size));
    }
    if (size + (size & 1) > rest) break;
    at += 8 + size + (size & 1);
  }
  return Error{"the .wav has no data chunk"};
}

double sampleRateOfWav(Bytes bytes) {
  for (size_t at = 12; at + 24 <= bytes.size();) {
    size_t size = readLittle<uint32_t>(bytes.data() + at + 4);
    if (bytes.substr(at, 4) == "fmt ") return size < 16 ? 0 : readLittle<uint32_t>(bytes.data() + at + 12);
    if (size > bytes.size() - at - 8) return 0;
    at += 8 + size + (size & 1);
  }
  return 0;
}

} // namespace mlr::data
