#include "page/call_notes.h"

#include <stdlib.h>

void call_notes_free(struct call_notes *notes)
{
    free(notes->notes);
    page_buffer_free(&notes->text);
    *notes = (struct call_notes){0};
}

void call_notes_clear(struct call_notes *notes)
{
    notes->count = 0;
    notes->text.length = 0;
}

static struct call_note *append(struct call_notes *notes)
{
    if (notes->count == notes->capacity) {
        const size_t capacity = notes->capacity ? notes->capacity * 2 : 256;
        struct call_note *const grown = capacity < UINT32_MAX ? realloc(notes->notes, capacity * sizeof *grown) : NULL;
        if (!grown)
            return NULL;
        notes->notes = grown;
        notes->capacity = capacity;
    }
    return &notes->notes[notes->count++];
}

/* Cut between characters, so that the page shows no broken one. */
static uint32_t kept_bytes(struct cptrace_string text)
{
    if (text.length <= NOTE_ARGUMENT_BYTES_MAX)
        return text.length;
    uint32_t kept = NOTE_ARGUMENT_BYTES_MAX;
    while (kept > NOTE_ARGUMENT_BYTES_MAX - 4 && ((uint8_t)text.bytes[kept] & 0xC0) == 0x80)
        --kept;
    return kept;
}

static bool put_text(struct call_notes *notes, struct call_note *note, struct cptrace_string text, size_t text_bytes_max)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    const uint32_t kept = kept_bytes(text);
    if (notes->text.length + kept + sizeof ellipsis > text_bytes_max)
        return true;
    note->text_at = notes->text.length;
    page_buffer_append(&notes->text, text.bytes, kept);
    if (kept < text.length)
        page_buffer_text(&notes->text, ellipsis);
    note->argument_bytes = (uint32_t)(notes->text.length - note->text_at) + 1;
    return !notes->text.failed;
}

uint32_t call_notes_add(struct call_notes *notes, const struct replay_call *call, uint64_t number, size_t text_bytes_max)
{
    struct call_note *const note = append(notes);
    if (!note)
        return 0;
    *note = (struct call_note){
        .number = number,
        .waiting_ns = call->waiting_ns,
        .omitted_calls = call->omitted_call_count,
        .omitted_ns = call->omitted_ns,
    };
    if (call->has_arguments && !put_text(notes, note, call->arguments, text_bytes_max))
        return 0;
    return (uint32_t)notes->count;
}

bool call_notes_take(struct call_notes *notes, const struct call_notes *from, uint32_t place, uint64_t number, size_t text_bytes_max)
{
    struct call_note *const note = append(notes);
    if (!note)
        return false;
    *note = from->notes[place - 1];
    note->number = number;
    const struct cptrace_string text = {(const char *)from->text.bytes + note->text_at, note->argument_bytes - 1};
    const bool has_arguments = note->argument_bytes > 0;
    note->argument_bytes = 0;
    return !has_arguments || put_text(notes, note, text, text_bytes_max);
}

static int compare_by_number(const void *left, const void *right)
{
    const struct call_note *const a = left, *const b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

bool call_notes_pack(struct call_notes *notes, struct packer *packer, uint64_t quantum_ns)
{
    if (notes->count == 0)
        return true;
    qsort(notes->notes, notes->count, sizeof *notes->notes, compare_by_number);
    struct page_buffer columns[NOTE_COLUMN_COUNT] = {0};
    uint64_t before = 0;
    for (size_t i = 0; i < notes->count; ++i) {
        const struct call_note *const note = &notes->notes[i];
        page_buffer_varint(&columns[NOTE_COLUMN_CALL], note->number - before);
        before = note->number;
        page_buffer_varint(&columns[NOTE_COLUMN_WAITING], note->waiting_ns / quantum_ns);
        page_buffer_varint(&columns[NOTE_COLUMN_OMITTED_CALLS], note->omitted_calls);
        page_buffer_varint(&columns[NOTE_COLUMN_OMITTED_TIME], note->omitted_ns / quantum_ns);
        page_buffer_varint(&columns[NOTE_COLUMN_ARGUMENT_BYTES], note->argument_bytes);
        if (note->argument_bytes)
            page_buffer_append(&columns[NOTE_COLUMN_TEXT], notes->text.bytes + note->text_at, note->argument_bytes - 1);
    }
    const bool packed = packer_add_columns(packer, PACKED_NOTES, notes->count, columns, NOTE_COLUMN_COUNT) != NULL;
    for (size_t i = 0; i < NOTE_COLUMN_COUNT; ++i)
        page_buffer_free(&columns[i]);
    return packed;
}
