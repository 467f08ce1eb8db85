#include "ring_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lock.h"
#include "platform.h"

/* ---- the files that are kept: guarded by the recorder's lock ---- */

#define IDLE_MAX 16 /* runs at once on a busy server; the rest come and go */

/* What they may keep of large rings, all together: the first time that a run goes through one costs some milliseconds of page faults. */
#define IDLE_BYTES_MAX (6u << 20)

static struct rec_ring_file *idle;
static unsigned idle_count;
static uint64_t idle_bytes;
static _Atomic uint32_t last_number; /* in the names of this process's files */

static uint64_t region_bytes(uint64_t slot_count) { return CPTRACE_RING_HEADER_BYTES + slot_count * sizeof(struct cptrace_ring_slot); }

/* ---- regions ---- */

static void clear_ring(struct rec_region *region, uint64_t slot_count)
{
    /* Its capacity stays all the time: it says where the next region begins. */
    region->ring->magic = 0;
    region->ring->capacity_slots = slot_count;
    region->ring->file_id = region->ring->lane = 0;
    atomic_store(&region->ring->head, 0);
    atomic_store(&region->ring->tail, 0);
}

static int map_region(struct rec_ring_file *file, uint64_t slot_count, struct rec_region **mapped)
{
    struct rec_region *region = calloc(1, sizeof *region);
    if (!region)
        return ENOMEM;
    region->bytes = region_bytes(slot_count);
    void *address;
    int status = rec_map_shared(file->file, file->bytes, region->bytes, &address);
    if (status) {
        free(region);
        return status;
    }
    region->offset = file->bytes;
    file->bytes += region->bytes;
    region->ring = address;
    clear_ring(region, slot_count);
    *mapped = region;
    return 0;
}

int rec_ring_file_region(struct rec_ring_file *file, uint64_t slot_count, struct rec_region **region)
{
    for (struct rec_region **link = &file->spare; *link; link = &(*link)->next) {
        if ((*link)->bytes != region_bytes(slot_count))
            continue;
        *region = *link;
        *link = (*link)->next;
        clear_ring(*region, slot_count);
        return 0;
    }
    return map_region(file, slot_count, region);
}

/* Twice what is needed, so that it does for a while. */
static int make_checkpoint_room(struct rec_ring_file *file, uint64_t length, struct rec_region **room)
{
    uint64_t slot_count = REC_FIRST_RING_SLOTS;
    while (slot_count * sizeof(struct cptrace_ring_slot) < length * 2)
        slot_count *= 2;
    return rec_ring_file_region(file, slot_count, room);
}

void rec_ring_file_put_checkpoint(struct rec_ring_file *file, const uint8_t *bytes, uint64_t length)
{
    struct rec_region *room = file->checkpoint_before;
    if (room && room->bytes < CPTRACE_RING_HEADER_BYTES + length) {
        rec_ring_file_release_region(file, room);
        room = file->checkpoint_before = NULL;
    }
    if (!bytes || (!room && make_checkpoint_room(file, length, &room) != 0)) {
        atomic_store(&file->head->checkpoint_offset, CPTRACE_NO_CHECKPOINT);
        return;
    }
    memcpy(cptrace_ring_slots(room->ring), bytes, length);
    atomic_store(&room->ring->head, length);
    room->ring->file_id = file->head->file_id;
    room->ring->magic = CPTRACE_CHECKPOINT_MAGIC;
    atomic_store_explicit(&file->head->checkpoint_offset, room->offset, memory_order_release);
    file->checkpoint_before = file->checkpoint;
    file->checkpoint = room;
}

bool rec_ring_file_is_recoverable(const struct rec_ring_file *file)
{
    return rec_file_has_name(file->file) && atomic_load(&file->head->checkpoint_offset) != CPTRACE_NO_CHECKPOINT;
}

/* Of a run that is over. */
static void release_checkpoints(struct rec_ring_file *file)
{
    if (file->checkpoint)
        rec_ring_file_release_region(file, file->checkpoint);
    if (file->checkpoint_before)
        rec_ring_file_release_region(file, file->checkpoint_before);
    file->checkpoint = file->checkpoint_before = NULL;
}

void rec_ring_file_release_region(struct rec_ring_file *file, struct rec_region *region)
{
    region->next = file->spare;
    file->spare = region;
}

static bool is_last(const struct rec_ring_file *file, const struct rec_region *region)
{
    return region->offset + region->bytes == file->bytes;
}

/* Unmaps the regions that end beyond kept_bytes of the file, but for the first. All are spare by now. */
static void unmap_regions(struct rec_ring_file *file, uint64_t kept_bytes)
{
    release_checkpoints(file);
    for (struct rec_region **link = &file->spare; *link && file->bytes > kept_bytes;) {
        struct rec_region *region = *link;
        if (region == file->first || !is_last(file, region)) {
            link = &region->next;
            continue;
        }
        *link = region->next;
        file->bytes = region->offset;
        rec_unmap(region->ring, region->bytes);
        free(region);
        link = &file->spare;
    }
}

static void trim(struct rec_ring_file *file, uint64_t kept_bytes)
{
    const uint64_t bytes = file->bytes;
    unmap_regions(file, kept_bytes);
    if (file->bytes < bytes)
        rec_file_resize(file->file, file->bytes); /* if not, what is beyond is overwritten when it is wanted again */
}

/* ---- files ---- */

static const char name_prefix[] = CPTRACE_RING_FILE_PREFIX, name_suffix[] = CPTRACE_RING_FILE_SUFFIX;

static void free_file(struct rec_ring_file *file)
{
    unmap_regions(file, 0);
    if (file->first) {
        rec_unmap(file->first->ring, file->first->bytes);
        free(file->first);
    }
    if (file->head)
        rec_unmap(file->head, CPTRACE_RING_FILE_HEAD_BYTES);
    if (file->file >= 0)
        rec_file_close(file->file);
    free(file->folder);
    free(file->path);
    free(file);
}

static void remove_file(struct rec_ring_file *file)
{
    if (rec_file_has_name(file->file))
        rec_file_remove(file->path);
    free_file(file);
}

/* Files of processes with the same number, dead or in another container, keep their names. */
static int create_named(struct rec_ring_file *file)
{
    const size_t capacity = strlen(file->folder) + 60;
    file->path = malloc(capacity);
    if (!file->path)
        return ENOMEM;
    int status;
    do {
        snprintf(file->path, capacity, "%s/%s%u-%u%s", file->folder, name_prefix, rec_platform_pid(), ++last_number, name_suffix);
        status = rec_file_create_new(file->path, &file->file);
        if (status == ENOENT && (status = rec_directory_create(file->folder)) == 0)
            status = rec_file_create_new(file->path, &file->file);
    } while (status == EEXIST);
    return status;
}

static int map_head_and_first_region(struct rec_ring_file *file)
{
    void *address;
    int status = rec_map_shared(file->file, 0, CPTRACE_RING_FILE_HEAD_BYTES, &address);
    if (status)
        return status;
    file->head = address;
    file->bytes = CPTRACE_RING_FILE_HEAD_BYTES;
    status = map_region(file, REC_FIRST_RING_SLOTS, &file->first);
    if (status)
        return status;
    file->spare = file->first;
    file->head->process_id = rec_platform_pid();
    file->head->magic = CPTRACE_RING_FILE_MAGIC;
    return 0;
}

static bool is_idle_and_unowned(int file)
{
    struct {
        uint64_t magic;
        uint32_t file_id, state;
    } head;
    return rec_file_lock(file) == 0 && rec_file_read(file, &head, sizeof head, 0) == 0 && head.magic == CPTRACE_RING_FILE_MAGIC &&
           head.state == CPTRACE_RING_FILE_IDLE;
}

/* What a process kept for its next run when it was killed holds nothing. Those of a run that was killed stay: they can be read. */
static void remove_if_dead(void *folder, const char *name)
{
    const size_t length = strlen(name), suffix_length = strlen(name_suffix);
    if (strncmp(name, name_prefix, strlen(name_prefix)) != 0 || length < suffix_length ||
        strcmp(name + length - suffix_length, name_suffix) != 0)
        return;
    const size_t capacity = strlen(folder) + length + 2;
    char *path = malloc(capacity);
    int file;
    if (!path)
        return;
    snprintf(path, capacity, "%s/%s", (const char *)folder, name);
    if (rec_file_open(path, &file) == 0) {
        if (is_idle_and_unowned(file))
            rec_file_remove(path);
        rec_file_close(file);
    }
    free(path);
}

/* Once per process for each folder, as far as it does not go to and fro between them. */
static void remove_dead_once(char *folder)
{
    static _Atomic uint64_t last_folder;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *at = folder; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    if (atomic_exchange(&last_folder, hash) != hash)
        rec_directory_visit(folder, remove_if_dead, folder);
}

static int create(const char *folder, struct rec_ring_file **created, char **path_tried)
{
    struct rec_ring_file *file = calloc(1, sizeof *file);
    if (!file)
        return ENOMEM;
    file->file = -1;
    file->folder = strdup(folder);
    int status = file->folder ? create_named(file) : ENOMEM;
    if (status == 0)
        remove_dead_once(file->folder);
    if (status == 0) {
        rec_file_lock(file->file); /* a file system without locks: recovery goes by the process number alone */
        status = map_head_and_first_region(file);
        if (status)
            rec_file_remove(file->path);
    }
    if (status) {
        *path_tried = file->path;
        file->path = NULL;
        free_file(file);
        return status;
    }
    *created = file;
    return 0;
}

static struct rec_ring_file *take_idle(const char *folder)
{
    rec_lock();
    struct rec_ring_file **link = &idle;
    while (*link && strcmp((*link)->folder, folder) != 0)
        link = &(*link)->next;
    struct rec_ring_file *file = *link;
    if (file) {
        *link = file->next;
        idle_count--;
        idle_bytes -= file->bytes;
    }
    rec_unlock();
    return file;
}

int rec_ring_file_take(const char *folder, struct rec_ring_file **file, char **path_tried)
{
    *path_tried = NULL;
    while ((*file = take_idle(folder))) {
        if (rec_file_has_name((*file)->file))
            return 0;
        free_file(*file); /* somebody emptied the folder */
    }
    return create(folder, file, path_tried);
}

void rec_ring_file_rename(struct rec_ring_file *file, const char *trace_path)
{
    const char *slash = strrchr(trace_path, '/');
    snprintf(file->head->trace_name, sizeof file->head->trace_name, "%s", slash ? slash + 1 : trace_path);
}

void rec_ring_file_prepare(struct rec_ring_file *file, uint32_t file_id, const char *trace_path)
{
    rec_ring_file_rename(file, trace_path);
    file->head->file_id = file_id;
    atomic_store(&file->head->spool_bytes, 0);
    atomic_store(&file->head->checkpoint_offset, 0);
}

void rec_ring_file_begin(struct rec_ring_file *file, uint64_t begun_bytes, const struct cptrace_transcoder_options *options)
{
    struct cptrace_ring_file *head = file->head;
    head->begun_bytes = begun_bytes;
    head->max_depth = options->max_depth;
    head->min_call_ticks = options->min_call_ticks;
    atomic_store(&head->state, CPTRACE_RING_FILE_RECORDING);
}

void rec_ring_file_give_back(struct rec_ring_file *file)
{
    atomic_store(&file->head->state, CPTRACE_RING_FILE_IDLE);
    rec_lock();
    const uint64_t room_bytes = idle_bytes < IDLE_BYTES_MAX ? IDLE_BYTES_MAX - idle_bytes : 0;
    rec_unlock();
    trim(file, room_bytes);
    rec_lock();
    const bool is_kept = idle_count < IDLE_MAX;
    if (is_kept) {
        file->next = idle;
        idle = file;
        idle_count++;
        idle_bytes += file->bytes;
    }
    rec_unlock();
    if (!is_kept)
        remove_file(file);
}

void rec_ring_file_retire(struct rec_ring_file *file)
{
    if (rec_file_has_name(file->file))
        rec_file_remove(file->path);
}

void rec_ring_file_abandon(struct rec_ring_file *file) { free_file(file); }

void rec_ring_files_remove_idle(void)
{
    rec_lock();
    struct rec_ring_file *all = idle;
    idle = NULL;
    idle_count = 0;
    idle_bytes = 0;
    rec_unlock();
    while (all) {
        struct rec_ring_file *file = all;
        all = file->next;
        remove_file(file);
    }
}

/* The mappings stay until this process ends; the descriptors go, since an open one would keep the parent's lock. */
void rec_ring_file_forget_after_fork(struct rec_ring_file *file)
{
    rec_file_close(file->file);
    file->file = -1;
}

void rec_ring_files_forget_after_fork(void)
{
    for (struct rec_ring_file *file = idle; file; file = file->next)
        rec_ring_file_forget_after_fork(file);
    idle = NULL;
    idle_count = 0;
    idle_bytes = 0;
}

bool rec_ring_file_spool(struct rec_ring_file *file, const void *bytes, uint64_t length)
{
    struct cptrace_ring_file *head = file->head;
    const uint64_t used = atomic_load_explicit(&head->spool_bytes, memory_order_relaxed);
    if (length > CPTRACE_RING_FILE_SPOOL_BYTES - used)
        return false;
    memcpy(head->spool + used, bytes, length);
    atomic_store_explicit(&head->spool_bytes, used + length, memory_order_release);
    return true;
}
