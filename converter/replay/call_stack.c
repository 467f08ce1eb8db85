#include "replay/call_stack.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16

enum cptrace_status too_many_open_calls(struct cptrace_error *error)
{
    if (error) {
        *error = (struct cptrace_error){.status = CPTRACE_NO_MEMORY};
        snprintf(error->message, sizeof error->message, "no memory for more than %u calls that are open at once", OPEN_CALLS_MAX);
    }
    return CPTRACE_NO_MEMORY;
}

bool call_stack_may_grow(size_t *deep_call_count, size_t capacity, size_t grown)
{
    *deep_call_count += grown > DEEP_STACK_CALLS ? grown - capacity : 0;
    return *deep_call_count <= OPEN_CALLS_MAX;
}

bool call_stack_reserve(struct call_stack *stack, size_t *deep_call_count)
{
    if (stack->count < stack->capacity)
        return true;
    const size_t capacity = stack->capacity ? stack->capacity * 2 : FIRST_CAPACITY;
    if (!call_stack_may_grow(deep_call_count, stack->capacity, capacity))
        return false;
    struct frame *frames = realloc(stack->frames, capacity * sizeof *frames);
    if (!frames)
        return false;
    stack->frames = frames;
    stack->capacity = capacity;
    if (stack->count == 0) {
        frames[0] = (struct frame){
            .id = REPLAY_NO_CALL,
            .parent_id = REPLAY_NO_CALL,
            .function = CPTRACE_NO_NUMBER,
            .path = REPLAY_ROOT_PATH,
            .depth = UINT32_MAX, /* so that roots, one deeper, have 0 */
            .activation = CPTRACE_NO_NUMBER,
            .ghost = true,
        };
        stack->count = 1;
    }
    return true;
}

void call_stack_settle_notes(const struct call_stack *stack, struct frame *frame)
{
    const uint64_t slice_waiting_ns = frame->notes.slice_waiting_ns;
    frame->notes.slice_waiting_ns = 0;
    frame->notes.waiting_ns += slice_waiting_ns;
    if (slice_waiting_ns && frame != stack->frames)
        frame_note(frame - 1)->slice_waiting_ns += slice_waiting_ns;
}

void frame_forget_notes(struct frame *frame)
{
    if (frame->noted)
        free(frame->notes.arguments);
    frame->noted = false;
}

void call_stack_free(struct call_stack *stack)
{
    for (size_t i = 0; i < stack->count; ++i)
        frame_forget_notes(&stack->frames[i]);
    free(stack->frames);
    *stack = (struct call_stack){0};
}

static bool grow_suspended(struct suspended_calls *suspended)
{
    const size_t capacity = suspended->capacity ? suspended->capacity * 2 : 64;
    struct frame *frames = realloc(suspended->frames, capacity * sizeof *frames);
    if (!frames)
        return false;
    suspended->frames = frames;
    uint32_t *free_places = realloc(suspended->free_places, capacity * sizeof *free_places);
    if (!free_places)
        return false;
    suspended->free_places = free_places;
    suspended->capacity = capacity;
    return true;
}

uint32_t suspended_calls_add(struct suspended_calls *suspended, const struct frame *frame)
{
    uint32_t place;
    if (suspended->free_count > 0) {
        place = suspended->free_places[--suspended->free_count];
    } else {
        if (suspended->count == suspended->capacity && !grow_suspended(suspended))
            return CPTRACE_NO_NUMBER;
        place = (uint32_t)suspended->count++;
    }
    suspended->frames[place] = *frame;
    return place;
}

void suspended_calls_remove(struct suspended_calls *suspended, uint32_t place)
{
    suspended->frames[place].ghost = true;
    suspended->free_places[suspended->free_count++] = place;
}

void suspended_calls_free(struct suspended_calls *suspended)
{
    for (size_t i = 0; i < suspended->count; ++i) {
        if (suspended_calls_holds(suspended, i))
            frame_forget_notes(&suspended->frames[i]);
    }
    free(suspended->frames);
    free(suspended->free_places);
    *suspended = (struct suspended_calls){0};
}
