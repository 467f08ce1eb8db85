/* The file of SPEC.md 9. */
#ifndef CPTRACE_TESTS_SPEC_EXAMPLE_H
#define CPTRACE_TESTS_SPEC_EXAMPLE_H

#include "memory_file.h"

void write_spec_example(struct memory_file *file);

#endif
