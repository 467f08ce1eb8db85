/* The file of a run: `<name>.cptrace.part` from the first time that something is drained, `<name>.cptrace` when it is whole. */
#ifndef REC_TRACE_FILES_H
#define REC_TRACE_FILES_H

struct rec_trace_files {
    char *folder, *stem;          /* owned; stem: <folder>/<name>_<YYYYmmdd_HHMMSS> */
    char *final_path, *part_path; /* owned */
    unsigned attempt;             /* which name of this stem */
    int part_file;                /* -1: not created, or closed */
};

/* Chooses the name, `<folder>/<name>_<YYYYmmdd_HHMMSS>[_<n>].cptrace`, without touching the disk. 0 or an errno value. */
int rec_trace_files_plan(struct rec_trace_files *files, const char *folder, const char *name);

/* Creates the part, under the next free name when that is taken. What a dead run left is never touched. 0 or an errno value. */
int rec_trace_files_create_part(struct rec_trace_files *files);

/* Gives the whole file its final name, or the next free one when another process took that. 0 or an errno value. */
int rec_trace_files_publish(struct rec_trace_files *files);

/* Closes the part, if it is open. 0 or an errno value: some file systems only tell here that the disk was full. */
int rec_trace_files_close(struct rec_trace_files *files);
void rec_trace_files_remove(struct rec_trace_files *files); /* closes and removes it */
void rec_trace_files_free(struct rec_trace_files *files);   /* the paths; closed before */

#endif
