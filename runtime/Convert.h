// Conversion of what files hold to what programs take. Internal to the runtime and the driver.
#pragma once

#include "runtime/DataFile.h"

namespace mlr::data {

/// A CSV column holds decimal text read as f64 (i64 or u64 where f64 is too coarse); it becomes the type of a port if
/// that loses no integer. Floats round to nearest; what is beyond the largest finite one is an error. `what` and the line, counted from
/// `rowsBefore` rows under the header, are for the message.
Result<Array> convertColumn(const Array &column, Scalar to, const std::string &what, int64_t rowsBefore);

/// bf16 from its bits in u16 or from f32, as .npy and .npz have no bf16; `a` itself if that would lose anything.
Array asBfloat(const Array &a);

} // namespace mlr::data
