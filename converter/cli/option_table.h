/* One table of options per command. It drives parsing and --help; tests compare --help with the documentation. */
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct option_row {
    int id;            /* what option_next returns; at least 1 */
    char letter;       /* 0: none */
    const char *name;  /* without dashes */
    const char *value; /* what its value is called in --help; NULL: it takes none */
    const char *help;
};

struct option_table {
    const char *usage;   /* "cp2html TRACE [-o OUT.html]" */
    const char *summary; /* one paragraph, wrapped by hand */
    const struct option_row *rows;
    size_t row_count;
    const char *notes; /* after the options; may be NULL */
};

/* A walk over the arguments. Options and operands may be mixed; after "--" all are operands; "-" is an operand. */
struct option_walk {
    const struct option_table *table;
    int argument_count;
    char **arguments;
    int next;
    const char *letters; /* the rest of a group such as -qv */
    int operands_only;
};

enum { OPTION_END = 0, OPTION_OPERAND = -1, OPTION_WRONG = -2 };

struct option_walk option_walk_begin(const struct option_table *table, int argument_count, char **arguments);

/* An id of the table with *value set when it takes one; OPTION_OPERAND with *value; OPTION_END; OPTION_WRONG: told to the user already. */
int option_next(struct option_walk *walk, const char **value);

void option_table_help(const struct option_table *table, FILE *stream);

#endif
