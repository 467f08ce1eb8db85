/* Writes the file of SPEC.md 9 to the path given; the oracle's test compares it with the hexdump there. */
#include <stdio.h>

#include "spec_example.h"

int main(int argc, char **argv)
{
    struct memory_file file;
    if (argc != 2)
        return 2;
    write_spec_example(&file);
    FILE *const out = fopen(argv[1], "wb");
    if (!out)
        return 1;
    const size_t written = fwrite(file.bytes, 1, file.length, out);
    const int closed = fclose(out);
    const int status = written == file.length && closed == 0 ? 0 : 1;
    memory_file_free(&file);
    return status;
}
