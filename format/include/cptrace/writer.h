/* Writes one .cptrace file by appending blocks to a sink. Not thread-safe: one thread at a time per writer.
 *
 * Protocol: create → info → { define, lane events, flush } → finish → free.
 * Errors are sticky: the event functions return nothing and do nothing after the first error; flush and finish report it.
 * What was written before the error stays a valid (cut) file. */
#ifndef CPTRACE_WRITER_H
#define CPTRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "cptrace/cptrace.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cptrace_writer;
struct cptrace_lane_writer; /* owned by its writer */

/* Where bytes go. append writes all of bytes or returns an errno value (it retries short writes and EINTR itself). */
struct cptrace_sink {
    int (*append)(void *context, const void *bytes, size_t length);
    void *context;
};

struct cptrace_writer_options {
    uint32_t file_id; /* random, not zero */
    uint8_t run_id[16];
    uint64_t ns_per_tick_q32; /* nominal nanoseconds per tick, fixed point 32.32 */
    struct cptrace_calibration start;
    int compression_level;      /* zstd level; 0 = default (1) */
    uint32_t block_event_count; /* events per block; 0 = default (131072) */
};

struct cptrace_function {
    struct cptrace_string qualified_name, module, library;
    uint32_t file; /* from cptrace_writer_define_file, or CPTRACE_NO_NUMBER */
    uint32_t line;
    uint8_t category; /* enum cptrace_category */
    uint8_t flags;    /* enum cptrace_function_flags */
};

struct cptrace_pair {
    struct cptrace_string key, value;
};

/* Writes the header. The sink must outlive the writer. NULL on failure, with the reason in error. */
struct cptrace_writer *cptrace_writer_create(struct cptrace_sink sink, const struct cptrace_writer_options *options,
                                             struct cptrace_error *error);

/* Writes the info block; call it once, first. */
void cptrace_writer_info(struct cptrace_writer *writer, const struct cptrace_pair *pairs, size_t count);

/* Definitions: return the dense file-wide number. Strings are copied and interned. They are buffered, and written before the
 * next events block of any lane. On error they return CPTRACE_NO_NUMBER. */
uint32_t cptrace_writer_define_file(struct cptrace_writer *writer, struct cptrace_string path, uint64_t size_bytes, uint64_t mtime_ns);
uint32_t cptrace_writer_define_function(struct cptrace_writer *writer, const struct cptrace_function *function);
uint32_t cptrace_writer_define_task(struct cptrace_writer *writer, struct cptrace_string name, uint32_t root_activation,
                                    uint32_t creating_activation);
struct cptrace_lane_writer *cptrace_writer_define_lane(struct cptrace_writer *writer, uint64_t os_thread_id, struct cptrace_string name);
/* For lanes of which many may have no events: they cost no more than their definition until begin_lane, once for each, makes the lane of
 * that number. A writer with such lanes has no checkpoints. */
uint32_t cptrace_writer_define_idle_lane(struct cptrace_writer *writer, uint64_t os_thread_id, struct cptrace_string name);
struct cptrace_lane_writer *cptrace_writer_begin_lane(struct cptrace_writer *writer, uint32_t number);

/* Events of one lane, in time order (a tick that goes backwards is taken as equal to the last). return, unwind and suspend with
 * no open call are ignored: such a call began before the run. suspend of a plain call is ignored too, as is resume of an activation that
 * is not suspended.
 * start returns the new activation's number; resume takes it. adopt makes an activation for a generator that began before the run
 * (follow it with resume). */
void cptrace_lane_call(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function);
void cptrace_lane_return(struct cptrace_lane_writer *lane, uint64_t tick);
void cptrace_lane_unwind(struct cptrace_lane_writer *lane, uint64_t tick);
uint32_t cptrace_lane_start(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t function);
uint32_t cptrace_writer_adopt(struct cptrace_writer *writer, uint32_t function);
void cptrace_lane_suspend(struct cptrace_lane_writer *lane, uint64_t tick);
bool cptrace_lane_resume(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t activation); /* false: ignored, or an error */
void cptrace_lane_throw(struct cptrace_lane_writer *lane, uint64_t tick);

/* Annotations, SPEC.md 4.3; they are events like the others. cpu: what the lane's OS thread has used, and how often it gave up the CPU by
 * itself, since any fixed moment. arguments: of the top call, right after it began; ignored when nothing is open. omitted: calls below the
 * top call that a filter left out since the last such annotation, and the time in them that is not in recorded calls;
 * omitted_outer: the same of the call so many levels below the top (the root: as many as are open); ignored when it is no such number. Text
 * is cut like strings. */
void cptrace_lane_cpu(struct cptrace_lane_writer *lane, uint64_t tick, uint64_t cpu_ns, uint64_t voluntary_switch_count);
void cptrace_lane_mark(struct cptrace_lane_writer *lane, uint64_t tick, struct cptrace_string text);
void cptrace_lane_counter(struct cptrace_lane_writer *lane, uint64_t tick, double value, struct cptrace_string name);
void cptrace_lane_arguments(struct cptrace_lane_writer *lane, uint64_t tick, struct cptrace_string text);
void cptrace_lane_omitted(struct cptrace_lane_writer *lane, uint64_t tick, uint64_t count, uint64_t ticks);
void cptrace_lane_omitted_outer(struct cptrace_lane_writer *lane, uint64_t tick, uint32_t levels, uint64_t count, uint64_t ticks);

/* The activation of the top open call, or CPTRACE_NO_NUMBER when it is a plain call or nothing is open. */
uint32_t cptrace_lane_top_activation(const struct cptrace_lane_writer *lane);
uint32_t cptrace_lane_depth(const struct cptrace_lane_writer *lane);

/* The calibration point that following events blocks carry. Ticks must not decrease. */
void cptrace_writer_calibrate(struct cptrace_writer *writer, struct cptrace_calibration point);

/* Writes all buffered events, of all lanes, as blocks. */
enum cptrace_status cptrace_writer_flush(struct cptrace_writer *writer, struct cptrace_error *error);
/* The same but for lanes that began their block in a deep stack, which outweighs the events since. *only_heavy: events wait, all of them on
 * such lanes. For who only wants the calibration point in the file. */
enum cptrace_status cptrace_writer_flush_light(struct cptrace_writer *writer, bool *only_heavy, struct cptrace_error *error);

/* Flushes, writes the end block and the index. end.ticks is the end tick. The writer can only be freed after it. */
enum cptrace_status cptrace_writer_finish(struct cptrace_writer *writer, struct cptrace_calibration end, const struct cptrace_pair *pairs,
                                          size_t pair_count, struct cptrace_error *error);

/* The sticky status; counts so far. */
enum cptrace_status cptrace_writer_status(const struct cptrace_writer *writer);
uint64_t cptrace_writer_event_count(const struct cptrace_writer *writer);
uint64_t cptrace_writer_call_count(const struct cptrace_writer *writer);
uint64_t cptrace_writer_saved_call_count(const struct cptrace_writer *writer); /* of them, in blocks that the sink took */

/* Frees all; NULL is fine. Writes nothing. */
void cptrace_writer_free(struct cptrace_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
