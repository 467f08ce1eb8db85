#include "event_dump.h"

#include "dump_line.h"

static const char *op_name(uint8_t op)
{
    static const char *const names[] = {
        [CPTRACE_OP_RETURN] = "return",
        [CPTRACE_OP_UNWIND] = "unwind",
        [CPTRACE_OP_SUSPEND] = "suspend",
        [CPTRACE_OP_RESUME] = "resume",
        [CPTRACE_OP_REOPEN] = "reopen",
        [CPTRACE_OP_START] = "start",
        [CPTRACE_OP_THROW] = "throw",
        [CPTRACE_OP_CALL] = "call",
        [CPTRACE_ANNOTATION_CPU] = "cpu",
        [CPTRACE_ANNOTATION_MARK] = "mark",
        [CPTRACE_ANNOTATION_COUNTER] = "counter",
        [CPTRACE_ANNOTATION_ARGUMENTS] = "arguments",
        [CPTRACE_ANNOTATION_OMITTED] = "omitted",
        [CPTRACE_ANNOTATION_OMITTED_OUTER] = "omitted_outer",
    };
    return op < sizeof names / sizeof names[0] && names[op] ? names[op] : "unknown";
}

static bool is_annotation(const struct cptrace_event *event)
{
    return event->op >= CPTRACE_OP_ANNOTATION_FIRST && event->op <= CPTRACE_OP_ANNOTATION_LAST;
}

static void dump_annotation(const struct event_dump *dump, uint8_t kind, const struct cptrace_annotation *annotation)
{
    switch (kind) {
    case CPTRACE_ANNOTATION_CPU:
        dump_put_field(dump->out, "cpu_ns", annotation->cpu_ns);
        dump_put_field(dump->out, "voluntary_switches", annotation->voluntary_switch_count);
        break;
    case CPTRACE_ANNOTATION_COUNTER:
        dump_put_string(dump->out, "name", annotation->text);
        dump_put_word(dump->out, "value=");
        json_double(dump->out, annotation->value);
        break;
    case CPTRACE_ANNOTATION_OMITTED_OUTER:
        dump_put_field(dump->out, "levels", annotation->levels);
        /* fall through */
    case CPTRACE_ANNOTATION_OMITTED:
        dump_put_field(dump->out, "count", annotation->omitted_count);
        dump_put_field(dump->out, "ticks", annotation->omitted_ticks);
        break;
    default:
        dump_put_string(dump->out, "text", annotation->text);
    }
}

static void put_function_name(const struct event_dump *dump, uint32_t function)
{
    dump_put_field(dump->out, "function", function);
    if (function < dump->definitions->function_count)
        dump_put_string(dump->out, "name", dump->definitions->functions[function].qualified_name);
}

static bool begins_activation(const struct cptrace_event *event) { return event->op == CPTRACE_OP_START || event->op == CPTRACE_OP_REOPEN; }

static void dump_event(const struct event_dump *dump, const struct cptrace_event *event, const struct cptrace_activation_start *start)
{
    dump_put_field(dump->out, "tick", event->tick);
    if (is_annotation(event))
        dump_annotation(dump, event->op, &dump->decoded.annotations[event->value]);
    if (event->op == CPTRACE_OP_CALL)
        put_function_name(dump, event->value);
    if (event->op == CPTRACE_OP_RESUME || begins_activation(event))
        dump_put_field(dump->out, "activation", event->value);
    if (begins_activation(event))
        put_function_name(dump, start->function);
    if (event->op == CPTRACE_OP_REOPEN)
        dump_put_field(dump->out, "start_tick", start->start_tick);
    dump_end_line(dump->out);
}

static void dump_open(const struct event_dump *dump, uint64_t offset, size_t index)
{
    const struct cptrace_open_call *const call = &dump->decoded.open[index];
    dump_begin_record(dump->out, offset, index, "open");
    put_function_name(dump, call->function);
    dump_put_field(dump->out, "start_tick", call->start_tick);
    dump_put_optional(dump->out, "activation", call->activation);
    dump_end_line(dump->out);
}

static void dump_records(const struct event_dump *dump, uint64_t offset, const struct event_choice *choice)
{
    const struct cptrace_events *const events = &dump->decoded;
    for (size_t i = 0; i < events->open_count; ++i)
        if (!choice || event_choice_has_open(choice, &events->open[i]))
            dump_open(dump, offset, i);
    const struct cptrace_activation_start *start = events->starts;
    for (size_t i = 0; i < events->event_count; ++i) {
        const struct cptrace_event *const event = &events->events[i];
        if (!choice || event_choice_has(choice, i)) {
            dump_begin_record(dump->out, offset, i, op_name(event->op));
            dump_event(dump, event, start);
        }
        start += begins_activation(event);
    }
}

static void dump_head(const struct event_dump *dump)
{
    dump_put_field(dump->out, "lane", dump->decoded.lane);
    dump_put_field(dump->out, "events", dump->decoded.event_count);
    dump_put_field(dump->out, "open", dump->decoded.open_count);
    dump_put_field(dump->out, "first_tick", dump->decoded.first_tick);
    dump_put_field(dump->out, "last_tick", dump->decoded.last_tick);
    dump_put_calibration(dump->out, &dump->decoded.calibration);
    dump_end_line(dump->out);
}

enum cptrace_status event_dump_block(struct event_dump *dump, const struct cptrace_block *block, bool with_events,
                                     struct event_choice *choice, struct cptrace_error *error)
{
    enum cptrace_status status = cptrace_events_decode(block, &dump->decoded, error);
    if (status == CPTRACE_OK && choice && with_events && !event_choice_begin(choice, &dump->decoded)) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY, .message = "no memory to choose among events"};
        status = CPTRACE_NO_MEMORY;
    }
    if (status == CPTRACE_NO_MEMORY)
        return status;
    dump_begin_block(dump->out, block, "events");
    if (status != CPTRACE_OK) {
        dump_put_word(dump->out, "corrupt:");
        dump_put_word(dump->out, error->message);
        dump_end_line(dump->out);
        return status;
    }
    dump_head(dump);
    if (with_events)
        dump_records(dump, block->offset, choice);
    return status;
}

void event_dump_free(struct event_dump *dump) { cptrace_events_free(&dump->decoded); }
