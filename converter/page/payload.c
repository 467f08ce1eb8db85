#include "page/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page/call_block.h"
#include "page/call_notes.h"
#include "page/overview.h"

enum { DEFAULT_MAX_BYTES = 20 * 1000 * 1000, FIXED_BYTES = 250 * 1000, DURATION_BUCKETS = 64 * 8, ARGUMENTS_SHARE = 4 };

static const double FIRST_BYTES_PER_CALL = 1.6; /* base64; an upper estimate, for the first block alone */

struct payload {
    struct payload_totals totals;
    struct packer packer;
    struct call_block block;
    struct path_parents paths;
    struct others others;
    struct late_calls late;
    struct pending_call *pending; /* PAYLOAD_BLOCK_CALLS */
    size_t pending_count;
    uint64_t pending_base; /* id of pending[0] */
    struct call_notes pending_notes, notes;
    uint64_t expected_calls, calls_bytes_max;
    size_t arguments_bytes_max;
};

/* A finer clock costs bytes: 1 M real calls (a JSON parser) take 1.3 MB at 10 ns and 0.6 MB at 100 ns. */
static uint64_t quantum_for(uint64_t calls) { return calls > 2000 * 1000 ? 100 : calls > 200 * 1000 ? 10 : 1; }

struct payload *payload_create(const struct trace_facts *facts, uint64_t max_bytes)
{
    struct payload *const payload = calloc(1, sizeof *payload);
    if (!payload)
        return NULL;
    const uint64_t budget = (max_bytes ? max_bytes : DEFAULT_MAX_BYTES) / 4 * 3; /* the rest is for paths, functions and the viewer */
    payload->calls_bytes_max = budget > FIXED_BYTES ? budget - FIXED_BYTES : 0;
    payload->arguments_bytes_max = (size_t)payload->calls_bytes_max / ARGUMENTS_SHARE;
    payload->expected_calls = facts->call_count ? facts->call_count : facts->event_count / 2 + 1;
    payload->totals.quantum_ns = quantum_for(payload->expected_calls);
    payload->pending = malloc(PAYLOAD_BLOCK_CALLS * sizeof *payload->pending);
    if (!payload->pending || !packer_init(&payload->packer) || !call_block_init(&payload->block)) {
        payload_free(payload);
        return NULL;
    }
    return payload;
}

void payload_free(struct payload *payload)
{
    if (!payload)
        return;
    if (payload->packer.compressor)
        packer_free(&payload->packer);
    call_block_free(&payload->block);
    late_calls_free(&payload->late);
    call_notes_free(&payload->pending_notes);
    call_notes_free(&payload->notes);
    others_free(&payload->others);
    free(payload->paths.parent);
    free(payload->pending);
    free(payload);
}

const struct payload_totals *payload_totals(const struct payload *payload) { return &payload->totals; }

const struct packed_block *payload_blocks(const struct payload *payload, size_t *count)
{
    *count = payload->packer.count;
    return payload->packer.blocks;
}

/* --- who is kept --- */

/* How many calls of the pending ones may be embedded, so that all blocks together stay in the budget. */
static size_t allowance(const struct payload *payload)
{
    const uint64_t seen = payload->totals.embedded_calls + payload->totals.folded_calls;
    const uint64_t spent = payload->packer.base64_bytes;
    uint64_t calls_left = payload->expected_calls > seen ? payload->expected_calls - seen : 0;
    if (calls_left < payload->pending_count)
        calls_left = payload->pending_count;
    const double bytes_left = spent < payload->calls_bytes_max ? (double)(payload->calls_bytes_max - spent) : 0;
    /* The first block is measured, not guessed: it may take what it needs, if that alone fits. */
    const bool is_first = payload->totals.embedded_calls == 0;
    const double bytes_per_call = is_first ? FIRST_BYTES_PER_CALL : (double)spent / (double)payload->totals.embedded_calls;
    const double share = bytes_left / (double)(is_first ? payload->pending_count : calls_left) / bytes_per_call;
    return share >= 1 ? payload->pending_count : (size_t)(share * (double)payload->pending_count);
}

/* Eight buckets for each power of two. */
static size_t duration_bucket(const struct pending_call *call)
{
    const uint64_t ns = call->end_ns - call->start_ns;
    if (ns < 8)
        return (size_t)ns;
    unsigned power = 3;
    while (ns >> (power + 1))
        ++power;
    return (power - 2) * 8 + (size_t)(ns >> (power - 3) & 7);
}

/* The longest calls are kept, with all calls above them and all that are open. */
static void choose_kept(struct payload *payload, size_t allowed)
{
    size_t counts[DURATION_BUCKETS] = {0};
    for (size_t i = 0; i < payload->pending_count; ++i)
        ++counts[duration_bucket(&payload->pending[i])];
    size_t lowest = DURATION_BUCKETS;
    for (size_t sum = 0; lowest > 0 && sum + counts[lowest - 1] <= allowed; --lowest)
        sum += counts[lowest - 1];
    for (size_t i = payload->pending_count; i-- > 0;) {
        struct pending_call *const call = &payload->pending[i];
        call->kept |= !call->ended || duration_bucket(call) >= lowest;
        const bool parent_is_pending = call->parent_id != REPLAY_NO_CALL && call->parent_id >= payload->pending_base;
        if (call->kept && parent_is_pending)
            payload->pending[call->parent_id - payload->pending_base].kept = true;
    }
}

static void fold_into(struct payload *payload, uint64_t owner_id, uint64_t running_ns)
{
    struct late_call *late;
    if (owner_id == REPLAY_NO_CALL) {
        ++payload->totals.folded_roots;
        payload->totals.folded_roots_ns += running_ns;
    } else if (owner_id >= payload->pending_base) {
        struct pending_call *const owner = &payload->pending[owner_id - payload->pending_base];
        ++owner->folded_calls;
        owner->folded_ns += running_ns;
    } else if ((late = late_calls_find(&payload->late, owner_id)) != NULL) {
        ++late->folded_calls;
        late->folded_ns += running_ns;
    }
}

/* Counts a call that is left out for the nearest embedded call above it; its time only when that is its own parent, so that it counts once.
 */
static void fold(struct payload *payload, struct pending_call *call)
{
    const bool parent_is_pending = call->parent_id != REPLAY_NO_CALL && call->parent_id >= payload->pending_base;
    struct pending_call *const parent = parent_is_pending ? &payload->pending[call->parent_id - payload->pending_base] : NULL;
    const bool parent_is_left_out = parent && !parent->kept;
    if (parent_is_left_out)
        call->parent_id = parent->parent_id; /* the owner; parents come before their children */
    fold_into(payload, call->parent_id, parent_is_left_out ? 0 : call->end_ns - call->start_ns - call->suspended_ns);
    ++payload->totals.folded_calls;
}

/* --- from pending to block --- */

static int64_t page_number(const struct payload *payload, uint64_t id)
{
    if (id == REPLAY_NO_CALL)
        return -1;
    if (id >= payload->pending_base)
        return (int64_t)(payload->block.first + payload->pending[id - payload->pending_base].ordinal);
    const struct late_call *const late = late_calls_find(&payload->late, id);
    return late ? (int64_t)late->number : -1;
}

static struct block_call to_block_call(const struct payload *payload, const struct pending_call *call)
{
    const uint64_t quantum = payload->totals.quantum_ns;
    const uint64_t start = call->start_ns / quantum;
    return (struct block_call){
        .parent = page_number(payload, call->parent_id),
        .start = start,
        .end = call->ended ? call->end_ns / quantum : start,
        .self = (call->self_ns + quantum / 2) / quantum,
        .suspended = call->suspended_ns / quantum,
        .folded_calls = call->folded_calls,
        .folded = call->folded_ns / quantum,
        .path = call->path,
        .lane = call->lane,
        .outcome = call->outcome,
        .late = !call->ended,
    };
}

static bool remember_late(struct payload *payload, const struct pending_call *call, size_t index)
{
    return late_calls_add(&payload->late, (struct late_call){
                                              .id = payload->pending_base + index,
                                              .number = payload->block.first + call->ordinal,
                                              .end_ns = call->start_ns,
                                              .folded_calls = call->folded_calls,
                                              .folded_ns = call->folded_ns,
                                              .path = call->path,
                                              .outcome = REPLAY_UNFINISHED,
                                          });
}

/* The notes of calls that are embedded go on, with their numbers in the page. */
static bool flush_notes(struct payload *payload)
{
    for (size_t i = 0; payload->pending_notes.count && i < payload->pending_count; ++i) {
        const struct pending_call *const call = &payload->pending[i];
        if (call->kept && call->note &&
            !call_notes_take(&payload->notes, &payload->pending_notes, call->note, payload->block.first + call->ordinal,
                             payload->arguments_bytes_max))
            return false;
    }
    call_notes_clear(&payload->pending_notes);
    return true;
}

static bool flush_pending(struct payload *payload)
{
    const size_t allowed = allowance(payload);
    if (allowed < payload->pending_count)
        choose_kept(payload, allowed);
    uint32_t ordinal = 0;
    for (size_t i = 0; i < payload->pending_count; ++i) {
        struct pending_call *const call = &payload->pending[i];
        if (allowed >= payload->pending_count)
            call->kept = true;
        if (call->kept)
            call->ordinal = ordinal++;
        else
            fold(payload, call);
    }
    for (size_t i = 0; i < payload->pending_count; ++i)
        if (payload->pending[i].kept)
            payload->block.calls[payload->block.count++] = to_block_call(payload, &payload->pending[i]);
    /* Only now: a late call that is added hides nothing from page_number above. */
    for (size_t i = 0; i < payload->pending_count; ++i)
        if (payload->pending[i].kept && !payload->pending[i].ended && !remember_late(payload, &payload->pending[i], i))
            return false;
    if (!flush_notes(payload))
        return false;
    payload->totals.embedded_calls += payload->block.count;
    payload->pending_base += payload->pending_count;
    payload->pending_count = 0;
    return call_block_pack(&payload->block, &payload->packer, &payload->paths);
}

/* --- the visitor --- */

static uint32_t parent_path(const struct payload *payload, uint64_t parent_id)
{
    if (parent_id == REPLAY_NO_CALL)
        return REPLAY_ROOT_PATH;
    if (parent_id >= payload->pending_base)
        return payload->pending[parent_id - payload->pending_base].path;
    const struct late_call *const late = late_calls_find(&payload->late, parent_id);
    return late ? late->path : REPLAY_ROOT_PATH;
}

static bool set_parent(struct path_parents *paths, uint32_t path, uint32_t parent)
{
    if (path >= paths->capacity) {
        const size_t capacity = (size_t)path * 2 + 1024;
        uint32_t *const grown = realloc(paths->parent, capacity * sizeof *grown);
        if (!grown)
            return false;
        paths->parent = grown;
        paths->capacity = capacity;
    }
    for (; paths->count <= path; ++paths->count)
        paths->parent[paths->count] = UINT32_MAX;
    paths->parent[path] = parent;
    return true;
}

/* The path under which the page knows a call's path; a new one is learnt. UINT32_MAX: no memory. */
static uint32_t page_path(struct payload *payload, const struct replay_call *call)
{
    const struct path_parents *const paths = &payload->paths;
    if (call->path < PAYLOAD_PATHS_MAX && call->path < paths->count && paths->parent[call->path] != UINT32_MAX)
        return call->path;
    const uint32_t above = parent_path(payload, call->parent_id);
    if (call->path < PAYLOAD_PATHS_MAX)
        return set_parent(&payload->paths, call->path, above) ? call->path : UINT32_MAX;
    if (above >= PAYLOAD_PATHS_MAX)
        return above;
    const uint32_t node = others_below(&payload->others, above);
    return node != UINT32_MAX && set_parent(&payload->paths, node, above) ? node : UINT32_MAX;
}

static int payload_enter(void *context, const struct replay_call *call)
{
    struct payload *const payload = context;
    if (payload->pending_count == PAYLOAD_BLOCK_CALLS && !flush_pending(payload))
        return CPTRACE_NO_MEMORY;
    const uint32_t path = page_path(payload, call);
    if (path == UINT32_MAX)
        return CPTRACE_NO_MEMORY;
    payload->pending[payload->pending_count++] = (struct pending_call){
        .parent_id = call->parent_id,
        .start_ns = call->start_ns,
        .end_ns = call->start_ns,
        .path = path,
        .lane = call->lane,
    };
    return 0;
}

static int payload_leave(void *context, const struct replay_call *call)
{
    struct payload *const payload = context;
    payload->totals.raised += call->outcome == REPLAY_RAISED;
    payload->totals.unfinished += call->outcome == REPLAY_UNFINISHED;
    if (call->id >= payload->pending_base) {
        struct pending_call *const pending = &payload->pending[call->id - payload->pending_base];
        pending->end_ns = call->end_ns;
        pending->self_ns = call->self_ns;
        pending->suspended_ns = call->suspended_ns;
        pending->outcome = (uint8_t)call->outcome;
        pending->ended = true;
        if (call_notes_wants(call)) {
            pending->note = call_notes_add(&payload->pending_notes, call, 0, payload->arguments_bytes_max);
            return pending->note ? 0 : CPTRACE_NO_MEMORY;
        }
        return 0;
    }
    struct late_call *const late = late_calls_find(&payload->late, call->id);
    if (!late)
        return 0;
    late->end_ns = call->end_ns;
    late->self_ns = call->self_ns;
    late->suspended_ns = call->suspended_ns;
    late->outcome = (uint8_t)call->outcome;
    if (call_notes_wants(call) && !call_notes_add(&payload->notes, call, late->number, payload->arguments_bytes_max))
        return CPTRACE_NO_MEMORY;
    return 0;
}

struct replay_visitor payload_visitor(struct payload *payload)
{
    return (struct replay_visitor){.context = payload, .enter = payload_enter, .leave = payload_leave};
}

/* --- the end --- */

static bool pack_late(struct payload *payload)
{
    struct page_buffer columns[LATE_COLUMN_COUNT] = {0};
    const uint64_t quantum = payload->totals.quantum_ns;
    uint64_t before = 0;
    for (size_t i = 0; i < payload->late.count; ++i) {
        const struct late_call *const call = &payload->late.calls[i];
        page_buffer_varint(&columns[LATE_COLUMN_CALL], call->number - before);
        before = call->number;
        page_buffer_varint(&columns[LATE_COLUMN_END], call->end_ns / quantum);
        page_buffer_varint(&columns[LATE_COLUMN_SUSPENDED], call->suspended_ns / quantum);
        page_buffer_varint(&columns[LATE_COLUMN_SELF], (call->self_ns + quantum / 2) / quantum);
        page_buffer_varint(&columns[LATE_COLUMN_OUTCOME], call->outcome);
        page_buffer_varint(&columns[LATE_COLUMN_FOLDED_CALLS], call->folded_calls);
        page_buffer_varint(&columns[LATE_COLUMN_FOLDED_TIME], call->folded_ns / quantum);
    }
    const bool packed =
        payload->late.count == 0 || packer_add_columns(&payload->packer, PACKED_LATE, payload->late.count, columns, LATE_COLUMN_COUNT);
    for (size_t i = 0; i < LATE_COLUMN_COUNT; ++i)
        page_buffer_free(&columns[i]);
    return packed;
}

enum cptrace_status payload_finish(struct payload *payload, const struct trace_facts *facts, const struct replay_result *result,
                                   struct cptrace_error *error)
{
    const bool packed = flush_pending(payload) && pack_late(payload) &&
                        call_notes_pack(&payload->notes, &payload->packer, payload->totals.quantum_ns) &&
                        overview_pack_paths(&payload->packer, result, &payload->others, &payload->totals.folded_paths) &&
                        overview_pack_functions(&payload->packer, facts->definitions, result);
    if (packed)
        return CPTRACE_OK;
    if (error) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY};
        snprintf(error->message, sizeof error->message, "not enough memory to pack the calls for the page");
    }
    return CPTRACE_NO_MEMORY;
}
