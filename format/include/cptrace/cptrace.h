/* libcptrace: statuses, errors and the vocabulary shared by writer, reader and ring. Format: format/SPEC.md. */
#ifndef CPTRACE_CPTRACE_H
#define CPTRACE_CPTRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CPTRACE_FORMAT_VERSION 3

/* What every fallible function returns. The numbers are pinned. */
enum cptrace_status {
    CPTRACE_OK = 0,
    CPTRACE_END = 1,           /* reader: no more blocks, the file is whole */
    CPTRACE_TRUNCATED = 2,     /* reader: no more blocks, the file stops before its end block or inside a frame */
    CPTRACE_NOT_A_TRACE = 3,   /* no cptrace signature (empty file, other type) */
    CPTRACE_NEWER_VERSION = 4, /* a version that this library does not know */
    CPTRACE_CORRUPT = 5,       /* a block or the header contradicts SPEC.md or its checksum */
    CPTRACE_IO_ERROR = 6,      /* the system refused; message holds strerror */
    CPTRACE_NO_MEMORY = 7,
    CPTRACE_INVALID_ARGUMENT = 8,
};

/* The status as a word for messages ("corrupt"); never NULL. */
const char *cptrace_status_name(enum cptrace_status status);

/* What went wrong and where. Owned by the caller; NULL may be passed wherever one is asked for. */
struct cptrace_error {
    enum cptrace_status status;
    uint64_t offset;   /* byte offset in the file at which reading or writing failed */
    char message[240]; /* "expected X, found Y", names the field; NUL-terminated */
};

enum cptrace_category {
    CPTRACE_CATEGORY_USER = 1,
    CPTRACE_CATEGORY_STDLIB = 2,
    CPTRACE_CATEGORY_THIRD_PARTY = 3,
    CPTRACE_CATEGORY_BUILTIN = 4,
};

enum cptrace_function_flags {
    CPTRACE_FUNCTION_C = 1,
    CPTRACE_FUNCTION_GENERATOR = 2,
    CPTRACE_FUNCTION_COROUTINE = 4,
    CPTRACE_FUNCTION_ASYNC_GENERATOR = 8,
    CPTRACE_FUNCTION_SPAN = 16, /* no function, but a stretch of code that the program named; with none of the others */
};

/* Ops of the events block, SPEC.md 4.3. In a decoded event a call is CPTRACE_OP_CALL with the function beside it. */
enum cptrace_op {
    CPTRACE_OP_RETURN = 0,
    CPTRACE_OP_UNWIND = 1,
    CPTRACE_OP_SUSPEND = 2,
    CPTRACE_OP_RESUME = 3,
    CPTRACE_OP_REOPEN = 4,
    CPTRACE_OP_START = 5,
    CPTRACE_OP_THROW = 6,
    CPTRACE_OP_ANNOTATION_FIRST = 8,
    CPTRACE_OP_ANNOTATION_LAST = 15,
    CPTRACE_OP_CALL = 16, /* on disk: 16 + function number */
};

/* The annotations among the ops; SPEC.md 4.3. */
enum cptrace_annotation_kind {
    CPTRACE_ANNOTATION_CPU = 8,
    CPTRACE_ANNOTATION_MARK = 9,
    CPTRACE_ANNOTATION_COUNTER = 10,
    CPTRACE_ANNOTATION_ARGUMENTS = 11,
    CPTRACE_ANNOTATION_OMITTED = 12,
    CPTRACE_ANNOTATION_OMITTED_OUTER = 13,
};

/* One tick tied to the wall clocks; SPEC.md 8. */
struct cptrace_calibration {
    uint64_t ticks;
    uint64_t monotonic_ns;
    uint64_t utc_ns;
};

/* A byte string that is not NUL-terminated and not owned. */
struct cptrace_string {
    const char *bytes;
    uint32_t length;
};

#define CPTRACE_NO_NUMBER UINT32_MAX /* no file, no activation … */

#ifdef __cplusplus
}
#endif
#endif
