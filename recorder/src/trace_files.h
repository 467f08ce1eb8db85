/* The files of a run: `<name>.cptrace.part` and `<name>.cptrace.ring` while it lasts, `<name>.cptrace` when it is whole. */
#ifndef REC_TRACE_FILES_H
#define REC_TRACE_FILES_H

struct rec_trace_files {
    char *final_path, *part_path, *ring_path; /* owned */
    int part_file, ring_file;                 /* -1: closed */
};

/* Takes the first free name, `<folder>/<name>_<YYYYmmdd_HHMMSS>[_<n>].cptrace`, and creates part and ring; the folder is made when it is
 * missing. 0 or an errno value; the paths tried last are set even then. */
int rec_trace_files_create(struct rec_trace_files *files, const char *folder, const char *name);

/* Gives the whole file its final name, or the next free one when another process took that. 0 or an errno value. */
int rec_trace_files_publish(struct rec_trace_files *files);

void rec_trace_files_close(struct rec_trace_files *files);  /* closes what is open */
void rec_trace_files_remove(struct rec_trace_files *files); /* closes and removes part and ring */
void rec_trace_files_free(struct rec_trace_files *files);   /* the paths; closed before */

#endif
