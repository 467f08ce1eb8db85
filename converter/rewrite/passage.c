#include "rewrite/passage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct redaction nothing;

static const struct redaction *redaction_of(const struct passage *passage)
{
    return passage->rewrite->redaction ? passage->rewrite->redaction : &nothing;
}

static enum cptrace_status no_memory(const struct passage *passage)
{
    *passage->error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory to rewrite the events"};
    return CPTRACE_NO_MEMORY;
}

/* The writer's error, or want of memory. */
static enum cptrace_status failed(const struct passage *passage)
{
    struct cptrace_writer *const writer = passage->rewrite->writer;
    return cptrace_writer_status(writer) == CPTRACE_OK ? no_memory(passage) : cptrace_writer_flush(writer, passage->error);
}

static enum cptrace_status corrupt(const struct passage *passage, uint32_t lane, const char *what)
{
    *passage->error = (struct cptrace_error){.status = CPTRACE_CORRUPT};
    snprintf(passage->error->message, sizeof passage->error->message, "lane %" PRIu32 ": %s", lane, what);
    return CPTRACE_CORRUPT;
}

static struct cptrace_string text_of(const char *text) { return (struct cptrace_string){text, (uint32_t)strlen(text)}; }

/* --- definitions --- */

enum { NEUTRAL_NAME_BYTES = 40, OWNED_NAME_BYTES = 400 };

/* "span 3" for what the program named itself. The writer copies it. */
static struct cptrace_string neutral_name(char *text, const char *kind, uint64_t number)
{
    snprintf(text, NEUTRAL_NAME_BYTES, "%s %" PRIu64, kind, number);
    return text_of(text);
}

static uint32_t define_file(const struct passage *passage, const struct cptrace_function_definition *function)
{
    const struct cptrace_definitions *const definitions = trace_facts(passage->input->trace)->definitions;
    if (function->file == CPTRACE_NO_NUMBER || function->file >= definitions->file_count)
        return CPTRACE_NO_NUMBER;
    const struct cptrace_file_definition *const file = &definitions->files[function->file];
    const struct cptrace_string path = redaction_of(passage)->paths ? redaction_path(file->path, function->module) : file->path;
    return cptrace_writer_define_file(passage->rewrite->writer, path, file->size_bytes, file->mtime_ns);
}

static uint32_t define_function(const struct passage *passage, uint32_t number)
{
    const struct cptrace_function_definition *const read = &trace_facts(passage->input->trace)->definitions->functions[number];
    struct cptrace_function function = {
        .qualified_name = read->qualified_name,
        .module = read->module,
        .library = read->library,
        .file = define_file(passage, read),
        .line = read->line,
        .category = read->category,
        .flags = read->flags,
    };
    char text[NEUTRAL_NAME_BYTES];
    if (redaction_of(passage)->texts && (read->flags & CPTRACE_FUNCTION_SPAN)) /* the pool keeps names */
        function.qualified_name = text_of(rewrite_keep_text(passage->rewrite, neutral_name(text, "span", number).bytes));
    return function_pool_number(&passage->rewrite->functions, passage->rewrite->writer, &function);
}

/* In the order of their first calls, as the recorder numbers them. */
static uint32_t function_of(const struct passage *passage, uint32_t number)
{
    uint32_t *const mapped = &passage->functions[number];
    if (*mapped == CPTRACE_NO_NUMBER)
        *mapped = define_function(passage, number);
    return *mapped;
}

/* "pid 7 · MainThread" */
static struct cptrace_string owned_name(char *text, const char *owner, struct cptrace_string name)
{
    static const char between[] = " \xC2\xB7 ";
    const int kept_bytes = name.length < 300 ? (int)name.length : 300;
    snprintf(text, OWNED_NAME_BYTES, "%.60s%s%.*s", owner, between, kept_bytes, name.length ? name.bytes : "");
    return text_of(text);
}

/* CPTRACE_NO_NUMBER: an error that the writer keeps. */
static uint32_t define_lane(const struct passage *passage, size_t number)
{
    const struct cptrace_lane_definition *const lane = &trace_facts(passage->input->trace)->definitions->lanes[number];
    char neutral[NEUTRAL_NAME_BYTES], owned[OWNED_NAME_BYTES];
    struct cptrace_string name = redaction_of(passage)->texts ? neutral_name(neutral, "thread", number) : lane->name;
    if (passage->input->lane_owner)
        name = owned_name(owned, passage->input->lane_owner, name);
    return cptrace_writer_define_idle_lane(passage->rewrite->writer, lane->os_thread_id, name);
}

static bool define_lanes(struct passage *passage)
{
    for (size_t i = 0; i < passage->lane_count; ++i) {
        const uint32_t number = define_lane(passage, i);
        if (number == CPTRACE_NO_NUMBER)
            return false;
        if (i == 0)
            passage->first_lane = number;
    }
    return true;
}

/* --- activations --- */

static bool note_task_part(struct passage *passage, uint32_t activation)
{
    const struct activation_place unknown = {.index = CPTRACE_NO_NUMBER};
    return activation == CPTRACE_NO_NUMBER || activations_find(&passage->task_parts, activation) ||
           activations_put(&passage->task_parts, activation, unknown);
}

static bool note_tasks(struct passage *passage)
{
    const struct cptrace_definitions *const definitions = trace_facts(passage->input->trace)->definitions;
    for (size_t i = 0; i < definitions->task_count; ++i) {
        if (!note_task_part(passage, definitions->tasks[i].root_activation) ||
            !note_task_part(passage, definitions->tasks[i].creating_activation))
            return false;
    }
    return true;
}

static bool map_activation(struct passage *passage, uint32_t read, uint32_t written)
{
    struct activation_place *const part = activations_find(&passage->task_parts, read);
    if (part)
        part->index = written;
    return activations_put(&passage->alive, read, (struct activation_place){.index = written});
}

static uint32_t written_task_part(const struct passage *passage, uint32_t read)
{
    const struct activation_place *const part = activations_find(&passage->task_parts, read);
    return part ? part->index : CPTRACE_NO_NUMBER;
}

void passage_define_tasks(struct passage *passage)
{
    const struct cptrace_definitions *const definitions = trace_facts(passage->input->trace)->definitions;
    for (size_t i = 0; i < definitions->task_count; ++i) {
        const struct cptrace_task_definition *const task = &definitions->tasks[i];
        const uint32_t root = written_task_part(passage, task->root_activation);
        if (root == CPTRACE_NO_NUMBER) /* a cut trace has the task, but not its start */
            continue;
        char text[NEUTRAL_NAME_BYTES];
        const struct cptrace_string name = redaction_of(passage)->texts ? neutral_name(text, "task", i) : task->name;
        cptrace_writer_define_task(passage->rewrite->writer, name, root, written_task_part(passage, task->creating_activation));
    }
}

/* --- events --- */

static uint64_t written_tick(const struct passage *passage, uint64_t tick)
{
    const struct rewrite_input *const input = passage->input;
    if (input->owns_timeline)
        return tick;
    return timeline_tick(passage->rewrite->timeline, input->start_ns + trace_run_ns(input->trace, tick));
}

static enum cptrace_status reserve(struct passage *passage, struct passage_lane *lane)
{
    if (lane->depth < lane->capacity)
        return CPTRACE_OK;
    const size_t capacity = lane->capacity ? lane->capacity * 2 : 64;
    if (!call_stack_may_grow(&passage->rewrite->deep_call_count, lane->capacity, capacity))
        return too_many_open_calls(passage->error);
    uint32_t *const stack = realloc(lane->stack, capacity * sizeof *stack);
    if (!stack)
        return no_memory(passage);
    lane->stack = stack;
    lane->capacity = capacity;
    return CPTRACE_OK;
}

static enum cptrace_status push(struct passage *passage, struct passage_lane *lane, uint32_t activation)
{
    const enum cptrace_status status = reserve(passage, lane);
    if (status == CPTRACE_OK)
        lane->stack[lane->depth++] = activation;
    return status;
}

static void pop_ended(struct passage *passage, struct passage_lane *lane)
{
    const uint32_t activation = lane->stack[--lane->depth];
    if (activation != CPTRACE_NO_NUMBER)
        activations_remove(&passage->alive, activation);
}

static enum cptrace_status pass_call(struct passage *passage, struct passage_lane *lane, uint32_t read_function, uint64_t tick)
{
    const uint32_t function = function_of(passage, read_function);
    if (function == CPTRACE_NO_NUMBER)
        return failed(passage);
    cptrace_lane_call(lane->writer, tick, function);
    return push(passage, lane, CPTRACE_NO_NUMBER);
}

static enum cptrace_status pass_start(struct passage *passage, struct passage_lane *lane, const struct cptrace_activation_start *start,
                                      uint64_t tick)
{
    const uint32_t function = function_of(passage, start->function);
    if (function == CPTRACE_NO_NUMBER)
        return failed(passage);
    const uint32_t written = cptrace_lane_start(lane->writer, tick, function);
    return map_activation(passage, start->activation, written) ? push(passage, lane, start->activation) : no_memory(passage);
}

/* One that began before the run is adopted when it is first met. */
static enum cptrace_status pass_resume(struct passage *passage, uint32_t lane_number, uint32_t activation,
                                       const struct cptrace_activation_start *start, uint64_t tick)
{
    struct passage_lane *const lane = &passage->lanes[lane_number];
    const struct activation_place *place = activations_find(&passage->alive, activation);
    if (!place && !start)
        return corrupt(passage, lane_number, "a generator is resumed that did not begin");
    if (!place) {
        const uint32_t adopted = cptrace_writer_adopt(passage->rewrite->writer, function_of(passage, start->function));
        if (adopted == CPTRACE_NO_NUMBER || !map_activation(passage, activation, adopted))
            return failed(passage);
        place = activations_find(&passage->alive, activation);
    }
    if (!cptrace_lane_resume(lane->writer, tick, place->index) && cptrace_writer_status(passage->rewrite->writer) == CPTRACE_OK)
        return corrupt(passage, lane_number, "a generator is resumed that is not suspended");
    return push(passage, lane, activation);
}

static uint64_t written_ticks(const struct passage *passage, uint64_t ticks, uint64_t read_tick, uint64_t tick)
{
    return tick - written_tick(passage, read_tick > ticks ? read_tick - ticks : 0);
}

static void pass_annotation(const struct passage *passage, struct passage_lane *lane, uint8_t kind,
                            const struct cptrace_annotation *annotation, uint64_t read_tick, uint64_t tick)
{
    const struct redaction *const redaction = redaction_of(passage);
    switch (kind) {
    case CPTRACE_ANNOTATION_CPU:
        cptrace_lane_cpu(lane->writer, tick, annotation->cpu_ns, annotation->voluntary_switch_count);
        break;
    case CPTRACE_ANNOTATION_MARK:
        if (!redaction->texts)
            cptrace_lane_mark(lane->writer, tick, annotation->text);
        break;
    case CPTRACE_ANNOTATION_COUNTER:
        if (!redaction->texts)
            cptrace_lane_counter(lane->writer, tick, annotation->value, annotation->text);
        break;
    case CPTRACE_ANNOTATION_ARGUMENTS:
        if (!redaction->arguments)
            cptrace_lane_arguments(lane->writer, tick, annotation->text);
        break;
    case CPTRACE_ANNOTATION_OMITTED:
        cptrace_lane_omitted(lane->writer, tick, annotation->omitted_count,
                             written_ticks(passage, annotation->omitted_ticks, read_tick, tick));
        break;
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        cptrace_lane_omitted_outer(lane->writer, tick, annotation->levels, annotation->omitted_count,
                                   written_ticks(passage, annotation->omitted_ticks, read_tick, tick));
        break;
    default:
        break;
    }
}

static enum cptrace_status pass_event(struct passage *passage, const struct lane_run *run, const struct cptrace_event *event, uint64_t tick)
{
    struct passage_lane *const lane = &passage->lanes[run->lane];
    switch (event->op) {
    case CPTRACE_OP_CALL:
        return pass_call(passage, lane, event->value, tick);
    case CPTRACE_OP_RETURN:
        cptrace_lane_return(lane->writer, tick);
        pop_ended(passage, lane);
        return CPTRACE_OK;
    case CPTRACE_OP_UNWIND:
        cptrace_lane_unwind(lane->writer, tick);
        pop_ended(passage, lane);
        return CPTRACE_OK;
    case CPTRACE_OP_SUSPEND:
        cptrace_lane_suspend(lane->writer, tick);
        --lane->depth;
        return CPTRACE_OK;
    case CPTRACE_OP_RESUME:
        return pass_resume(passage, run->lane, event->value, NULL, tick);
    case CPTRACE_OP_REOPEN:
        return pass_resume(passage, run->lane, event->value, &run->block->starts[lane->next_start++], tick);
    case CPTRACE_OP_START:
        return pass_start(passage, lane, &run->block->starts[lane->next_start++], tick);
    case CPTRACE_OP_THROW:
        cptrace_lane_throw(lane->writer, tick);
        return CPTRACE_OK;
    default:
        pass_annotation(passage, lane, event->op, &run->block->annotations[event->value], event->tick, tick);
        return CPTRACE_OK;
    }
}

/* What the block says was open must be what is open, or else something between is missing. */
static enum cptrace_status begin_block(struct passage *passage, const struct lane_run *run)
{
    struct passage_lane *const lane = &passage->lanes[run->lane];
    if (!lane->writer)
        lane->writer = cptrace_writer_begin_lane(passage->rewrite->writer, passage->first_lane + run->lane);
    if (!lane->writer)
        return failed(passage);
    passage->rewrite->read_open_count += run->block->open_count;
    lane->next_start = 0;
    bool same = run->block->open_count == lane->depth;
    for (size_t i = 0; same && i < lane->depth; ++i)
        same = run->block->open[i].activation == lane->stack[i];
    return same ? CPTRACE_OK : corrupt(passage, run->lane, "a block of events contradicts the one before");
}

enum cptrace_status passage_run(struct passage *passage, const struct lane_run *run)
{
    enum cptrace_status status = run->block_begins ? begin_block(passage, run) : CPTRACE_OK;
    for (const struct cptrace_event *event = run->begin; status == CPTRACE_OK && event < run->end; ++event) {
        const uint64_t tick = written_tick(passage, event->tick);
        if (tick >= passage->rewrite->next_point_tick)
            status = rewrite_pass_point(passage->rewrite, passage->error);
        if (status == CPTRACE_OK)
            status = pass_event(passage, run, event, tick);
    }
    if (status == CPTRACE_OK && (passage->rewrite->no_memory || cptrace_writer_status(passage->rewrite->writer) != CPTRACE_OK))
        return failed(passage);
    return status;
}

/* --- begin and end --- */

enum cptrace_status passage_begin(struct passage *passage, struct rewrite *rewrite, const struct rewrite_input *input,
                                  struct cptrace_error *error)
{
    const struct cptrace_definitions *const definitions = trace_facts(input->trace)->definitions;
    *passage = (struct passage){.rewrite = rewrite, .input = input, .lane_count = definitions->lane_count, .error = error};
    passage->lanes = calloc(definitions->lane_count + 1, sizeof *passage->lanes);
    passage->functions = malloc((definitions->function_count + 1) * sizeof *passage->functions);
    if (!passage->lanes || !passage->functions || !note_tasks(passage))
        return no_memory(passage);
    memset(passage->functions, 0xFF, (definitions->function_count + 1) * sizeof *passage->functions);
    return define_lanes(passage) ? CPTRACE_OK : failed(passage);
}

void passage_end(struct passage *passage)
{
    for (size_t i = 0; passage->lanes && i < passage->lane_count; ++i)
        free(passage->lanes[i].stack);
    free(passage->lanes);
    free(passage->functions);
    activations_free(&passage->alive);
    activations_free(&passage->task_parts);
}
