#include "spec_example.h"

#include <stdlib.h>

/* main() calls time.sleep(), which raises, and again, which returns; then it starts a generator that yields twice and is left suspended. */
void write_spec_example(struct memory_file *file)
{
    *file = (struct memory_file){.appends_left = -1};
    const struct cptrace_writer_options options = {
        .file_id = 0x0BADCAFE,
        .run_id = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        .ns_per_tick_q32 = UINT64_C(4) << 32,
        .start = {1000, 4000, UINT64_C(1700000000000000000)},
    };
    struct cptrace_writer *const writer = cptrace_writer_create(memory_sink(file), &options, NULL);
    if (!writer)
        abort();
    const struct cptrace_pair info[] = {{text("name"), text("demo")}, {text("pid"), text("42")}};
    cptrace_writer_info(writer, info, 2);

    const uint32_t path = cptrace_writer_define_file(writer, text("a.py"), 99, 0);
    const struct cptrace_function functions[] = {
        {text("main"), text("a"), text(""), path, 1, CPTRACE_CATEGORY_USER, 0},
        {text("sleep"), text("time"), text("time"), CPTRACE_NO_NUMBER, 0, CPTRACE_CATEGORY_BUILTIN, CPTRACE_FUNCTION_C},
        {text("gen"), text("a"), text(""), path, 5, CPTRACE_CATEGORY_USER, CPTRACE_FUNCTION_GENERATOR},
    };
    uint32_t numbers[3];
    for (int i = 0; i < 3; i++)
        numbers[i] = cptrace_writer_define_function(writer, &functions[i]);
    struct cptrace_lane_writer *const lane = cptrace_writer_define_lane(writer, 42, text("MainThread"));
    cptrace_lane_call(lane, 1010, numbers[0]);
    cptrace_lane_call(lane, 1015, numbers[1]);
    cptrace_lane_unwind(lane, 1315);
    cptrace_lane_call(lane, 1316, numbers[1]);
    cptrace_lane_return(lane, 1318);
    const uint32_t activation = cptrace_lane_start(lane, 1320, numbers[2]);
    cptrace_lane_suspend(lane, 1324);
    cptrace_lane_resume(lane, 1330, activation);
    cptrace_lane_suspend(lane, 1333);
    cptrace_lane_return(lane, 1340);
    const struct cptrace_pair end[] = {{text("outcome"), text("returned")}};
    const struct cptrace_calibration point = {1350, 5400, UINT64_C(1700000000000001400)};
    if (cptrace_writer_finish(writer, point, end, 1, NULL) != CPTRACE_OK)
        abort();
    cptrace_writer_free(writer);
}
