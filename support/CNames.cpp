#include "support/CNames.h"

#include <unordered_set>

namespace mlr {

using Names = std::unordered_set<std::string_view>;

/// Keywords of C (C89 to C23) and C++ (to C++23); `_Bool` and its like never arise, as no name begins with an underscore there.
static bool isKeyword(std::string_view name) {
  static const Names keywords = {
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
      "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const",
      "const_cast", "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
      "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "fortran", "friend", "goto",
      "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or",
      "or_eq", "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict", "return", "short",
      "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template", "this", "thread_local",
      "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union", "unsigned", "using",
      "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
      "i386", "linux", "unix"};  // macros of compilers in their GNU modes
  return keywords.count(name) > 0;
}

/// The types that generated headers use: a member of such a name changes what the type means to C++, a parameter to C as well.
static bool isType(std::string_view name) {
  static const Names types = {"int8_t",   "int16_t",  "int32_t",  "int64_t", "uint8_t",  "uint16_t",
                              "uint32_t", "uint64_t", "size_t",   "ptrdiff_t", "intptr_t", "uintptr_t"};
  return types.count(name) > 0;
}

/// Macros of the standard headers by their own names, with the error numbers and signals of POSIX.
static bool isListedMacro(std::string_view name) {
  static const Names names = {
      "BITINT_MAXWIDTH", "BUFSIZ", "CLOCKS_PER_SEC", "DECIMAL_DIG", "DOMAIN", "EOF", "EXIT_FAILURE", "EXIT_SUCCESS", "FILENAME_MAX",
      "FOPEN_MAX", "HUGE", "HUGE_VAL", "HUGE_VALF", "HUGE_VALL", "I", "INFINITY", "L_tmpnam", "MATH_ERREXCEPT", "MATH_ERRNO",
      "MAXFLOAT", "MB_CUR_MAX", "MB_LEN_MAX", "NAN", "NSIG", "NULL", "OVERFLOW", "PATH_MAX", "PLOSS", "RAND_MAX", "SEEK_CUR",
      "SEEK_END", "SEEK_SET", "SING", "TIME_UTC", "TLOSS", "TMP_MAX", "UNDERFLOW", "WEOF", "X_TLOSS", "assert", "complex",
      "errno", "fpclassify", "imaginary", "isfinite", "isgreater", "isgreaterequal", "isinf", "isless", "islessequal",
      "islessgreater", "isnan", "isnormal", "isunordered", "kill_dependency", "math_errhandling", "noreturn", "offsetof",
      "setjmp", "signbit", "signgam", "stderr", "stdin", "stdout", "unreachable", "va_arg", "va_copy", "va_end", "va_start",
      "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO", "SIGKILL",
      "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGQUIT", "SIGSEGV", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN",
      "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGXCPU", "SIGXFSZ", "SIG_DFL", "SIG_ERR", "SIG_IGN",
      "E2BIG", "EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EAGAIN", "EALREADY", "EBADF", "EBADMSG", "EBUSY",
      "ECANCELED", "ECHILD", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EDEADLK", "EDESTADDRREQ", "EDOM", "EDQUOT", "EEXIST",
      "EFAULT", "EFBIG", "EHOSTUNREACH", "EIDRM", "EILSEQ", "EINPROGRESS", "EINTR", "EINVAL", "EIO", "EISCONN", "EISDIR",
      "ELOOP", "EMFILE", "EMLINK", "EMSGSIZE", "EMULTIHOP", "ENAMETOOLONG", "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENFILE",
      "ENOBUFS", "ENODATA", "ENODEV", "ENOENT", "ENOEXEC", "ENOLCK", "ENOLINK", "ENOMEM", "ENOMSG", "ENOPROTOOPT", "ENOSPC",
      "ENOSR", "ENOSTR", "ENOSYS", "ENOTCONN", "ENOTDIR", "ENOTEMPTY", "ENOTRECOVERABLE", "ENOTSOCK", "ENOTSUP", "ENOTTY",
      "ENXIO", "EOPNOTSUPP", "EOVERFLOW", "EOWNERDEAD", "EPERM", "EPIPE", "EPROTO", "EPROTONOSUPPORT", "EPROTOTYPE", "ERANGE",
      "EROFS", "ESPIPE", "ESRCH", "ESTALE", "ETIME", "ETIMEDOUT", "ETXTBSY", "EWOULDBLOCK", "EXDEV"};
  return names.count(name) > 0;
}

static bool endsWithOneOf(std::string_view name, std::initializer_list<std::string_view> ends) {
  for (std::string_view end : ends)
    if (name.ends_with(end)) return true;
  return false;
}

/// Macros that come in families: FLT_MAX, UINT_LEAST8_WIDTH, PRIu32, FE_TONEAREST, and `MLR_` of the generated code itself.
static bool isMacroOfFamily(std::string_view name) {
  for (std::string_view prefix : {"FLT_", "DBL_", "LDBL_", "DEC32_", "DEC64_", "DEC128_", "FP_", "FE_", "LC_", "M_", "MLR_", "ATOMIC_"})
    if (name.starts_with(prefix)) return true;
  if ((name.starts_with("PRI") || name.starts_with("SCN")) && name.size() > 4 && std::string_view("bBdiouxX").find(name[3]) != name.npos) {
    std::string_view rest = name.substr(4);
    return rest == "8" || rest == "16" || rest == "32" || rest == "64" || rest == "MAX" || rest == "PTR" || rest.starts_with("FAST") ||
           rest.starts_with("LEAST");
  }
  for (std::string_view prefix : {"INT", "UINT", "SIZE_", "PTRDIFF_", "SIG_ATOMIC_", "WCHAR_", "WINT_", "CHAR_", "SCHAR_", "UCHAR_",
                                  "SHRT_", "USHRT_", "LONG_", "ULONG_", "LLONG_", "ULLONG_", "BOOL_"})
    if (name.starts_with(prefix) && endsWithOneOf(name, {"_MAX", "_MIN", "_C", "_WIDTH", "_BIT"})) return true;
  return false;
}

bool isReservedInC(std::string_view name) {
  return isKeyword(name) || isType(name) || isListedMacro(name) || isMacroOfFamily(name);
}

bool isSystemHeader(std::string_view name) {
  static const Names headers = {
      "aio", "alloca", "argz", "assert", "byteswap", "complex", "ctype", "dirent", "dlfcn", "elf", "endian", "envz", "err", "errno",
      "error", "fcntl", "features", "fenv", "float", "getopt", "glob", "grp", "iconv", "inttypes", "langinfo", "libgen", "libio",
      "limits", "link", "locale", "malloc", "math", "memory", "monetary", "newlib", "nss", "paths", "poll", "printf", "process",
      "pthread", "pwd", "reent", "regex", "resolv", "sched", "search", "semaphore", "setjmp", "shadow", "signal", "spawn", "stdalign",
      "stdarg", "stdatomic", "stdbit", "stdbool", "stdckdint", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string",
      "strings", "syslog", "termios", "tgmath", "threads", "time", "uchar", "unistd", "unwind", "utime", "values", "wait", "wchar",
      "wctype", "wordexp"};
  return headers.count(name) > 0;
}

} // namespace mlr
