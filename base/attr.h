/* attr.h - compiler attributes under plain names. */
#pragma once

#if defined(__clang__)
#define MUST_USE_ENUM __attribute__((warn_unused_result))
#else
#define MUST_USE_ENUM
#endif
/* Built with a sanitizer whose reports of faults are worth more than ours. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
