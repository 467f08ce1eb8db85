/* What annotations say of single calls: few calls have any, so they stand in a block of their own. For the files of this folder only. */
#ifndef PAGE_CALL_NOTES_H
#define PAGE_CALL_NOTES_H

#include "page/packed_block.h"
#include "replay/replay.h"

enum { NOTE_ARGUMENT_BYTES_MAX = 1000 }; /* longer text is cut */

enum payload_note_column {
    NOTE_COLUMN_CALL,
    NOTE_COLUMN_WAITING,
    NOTE_COLUMN_OMITTED_CALLS,
    NOTE_COLUMN_OMITTED_TIME,
    NOTE_COLUMN_ARGUMENT_BYTES,
    NOTE_COLUMN_TEXT,
    NOTE_COLUMN_COUNT
};

struct call_note {
    uint64_t number; /* of the call, in the page */
    uint64_t waiting_ns, omitted_calls, omitted_ns;
    size_t text_at;
    uint32_t argument_bytes; /* + 1; 0: not recorded, or no room in the page */
};

struct call_notes {
    struct call_note *notes;
    size_t count, capacity;
    struct page_buffer text;
};

void call_notes_free(struct call_notes *notes);
void call_notes_clear(struct call_notes *notes);

static inline bool call_notes_wants(const struct replay_call *call)
{
    return call->waiting_ns || call->omitted_call_count || call->omitted_ns || call->has_arguments;
}

/* Arguments come in while all text together stays below text_bytes_max. Returns the place + 1 of the note, or 0: no memory. */
uint32_t call_notes_add(struct call_notes *notes, const struct replay_call *call, uint64_t number, size_t text_bytes_max);
/* Moves a note of another collection here. false: no memory. */
bool call_notes_take(struct call_notes *notes, const struct call_notes *from, uint32_t place, uint64_t number, size_t text_bytes_max);

/* Sorts them, and adds a block if there are any. false: no memory. */
bool call_notes_pack(struct call_notes *notes, struct packer *packer, uint64_t quantum_ns);

#endif
