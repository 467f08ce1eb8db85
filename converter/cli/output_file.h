/* The file that a program writes: it appears under its name only when it is whole. Standard output and devices are written directly. */
#ifndef CLI_OUTPUT_FILE_H
#define CLI_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path;
    char *temporary; /* NULL: written directly */
};

/* "-" is standard output. On failure the user has been told. */
bool output_file_open(struct output_file *output, const char *path);

/* Closes and, when wanted and all was written, puts the file in its place; else removes it. False when wanted but not possible: the user
 * has been told. */
bool output_file_close(struct output_file *output, bool wanted);

#endif
