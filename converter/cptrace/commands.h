/* The subcommands of cptrace: one file and one row of the table in main.c each. */
#ifndef CPTRACE_TOOL_COMMANDS_H
#define CPTRACE_TOOL_COMMANDS_H

#include "cli/exit_code.h"
#include "cli/option_table.h"

enum exit_code cmd_info(int argument_count, char **arguments);
enum exit_code cmd_calls(int argument_count, char **arguments);
enum exit_code cmd_dump(int argument_count, char **arguments);
enum exit_code cmd_check(int argument_count, char **arguments);
enum exit_code cmd_recover(int argument_count, char **arguments);
enum exit_code cmd_merge(int argument_count, char **arguments);
enum exit_code cmd_strip(int argument_count, char **arguments);

#endif
