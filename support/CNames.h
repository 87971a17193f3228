// Names that generated C cannot use for what a program declares.
#pragma once

#include <string_view>

namespace mlr {

/// Whether a name means something else in C or C++, whatever standard headers stand before the generated one:
/// a keyword of any edition of either, a macro of the C standard library, or an integer type of fixed size.
bool isReservedInC(std::string_view name);

/// Whether `name`.h is a header of the C library, or one that its headers include: a file of this name hides it under -I.
bool isSystemHeader(std::string_view name);

/// What generated C appends to the name of a node: `f_in`, `f_step`. No two nodes share such a name, because
/// none of the suffixes ends with another.
inline constexpr std::string_view nodeSuffixes[] = {"_in",   "_out",   "_state",   "_scratch",
                                                    "_step", "_reset", "_field",   "_fields",
                                                    "_save", "_load",  "_RATE_HZ", "_STATE_FILE_BYTES"};

} // namespace mlr
