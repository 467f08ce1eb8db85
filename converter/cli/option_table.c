#include "cli/option_table.h"

#include <string.h>

#include "cli/message.h"

struct option_walk option_walk_begin(const struct option_table *table, int argument_count, char **arguments)
{
    return (struct option_walk){.table = table, .argument_count = argument_count, .arguments = arguments};
}

static const char *take_value(struct option_walk *walk) { return walk->next < walk->argument_count ? walk->arguments[walk->next++] : NULL; }

static int missing_value(const struct option_row *row)
{
    message_usage("option --%s needs a value (%s)", row->name, row->value);
    return OPTION_WRONG;
}

static const struct option_row *find_letter(const struct option_table *table, char letter)
{
    for (size_t i = 0; i < table->row_count; ++i) {
        if (table->rows[i].letter == letter)
            return &table->rows[i];
    }
    return NULL;
}

static const struct option_row *find_name(const struct option_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->row_count; ++i) {
        if (strlen(table->rows[i].name) == length && memcmp(table->rows[i].name, name, length) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static int next_letter(struct option_walk *walk, const char **value)
{
    const char letter = *walk->letters++;
    const struct option_row *row = find_letter(walk->table, letter);
    if (!row) {
        message_usage("no option -%c", letter);
        return OPTION_WRONG;
    }
    const char *rest = *walk->letters ? walk->letters : NULL;
    if (!rest || row->value)
        walk->letters = NULL;
    if (!row->value)
        return row->id;
    *value = rest ? rest : take_value(walk);
    return *value ? row->id : missing_value(row);
}

static int long_option(struct option_walk *walk, const char *text, const char **value)
{
    const char *equals = strchr(text, '=');
    const size_t length = equals ? (size_t)(equals - text) : strlen(text);
    const struct option_row *row = find_name(walk->table, text, length);
    if (!row) {
        message_usage("no option --%.*s", (int)length, text);
        return OPTION_WRONG;
    }
    if (!row->value && equals) {
        message_usage("option --%s takes no value", row->name);
        return OPTION_WRONG;
    }
    if (!row->value)
        return row->id;
    *value = equals ? equals + 1 : take_value(walk);
    return *value ? row->id : missing_value(row);
}

int option_next(struct option_walk *walk, const char **value)
{
    *value = NULL;
    if (walk->letters)
        return next_letter(walk, value);
    const char *argument = take_value(walk);
    if (!argument)
        return OPTION_END;
    if (!walk->operands_only && strcmp(argument, "--") == 0) {
        walk->operands_only = 1;
        return option_next(walk, value); /* once: operands_only is set */
    }
    if (walk->operands_only || argument[0] != '-' || argument[1] == '\0') {
        *value = argument;
        return OPTION_OPERAND;
    }
    if (argument[1] == '-')
        return long_option(walk, argument + 2, value);
    walk->letters = argument + 1;
    return next_letter(walk, value);
}

static void print_row(const struct option_row *row, FILE *stream)
{
    char left[64];
    const char letter[] = {'-', row->letter, ',', ' ', '\0'};
    snprintf(left, sizeof left, "  %s--%s%s%s", row->letter ? letter : "    ", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    fprintf(stream, "%-26s  %s\n", left, row->help);
}

void option_table_help(const struct option_table *table, FILE *stream)
{
    fprintf(stream, "Usage: %s\n\n%s\n\nOptions:\n", table->usage, table->summary);
    for (size_t i = 0; i < table->row_count; ++i)
        print_row(&table->rows[i], stream);
    if (table->notes)
        fprintf(stream, "\n%s\n", table->notes);
}
