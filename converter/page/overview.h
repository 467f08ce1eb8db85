/* What the page shows before any call is decoded: the path tree and the function table, exact; and which path is the slowest. */
#ifndef PAGE_OVERVIEW_H
#define PAGE_OVERVIEW_H

#include "page/payload.h"

/* A huge path tree is cut by number: paths from PAYLOAD_PATHS_MAX on are summed up in one "others" node below each kept path that has some.
 */
struct others {
    uint32_t *node_below; /* by kept path: its "others" node or UINT32_MAX; NULL while there is none */
    uint32_t *parents;    /* of node PAYLOAD_PATHS_MAX + i */
    size_t count, capacity;
};

void others_free(struct others *others);

/* The number of the node below a kept path; made when new. UINT32_MAX: no memory. */
uint32_t others_below(struct others *others, uint32_t path);

bool overview_pack_paths(struct packer *packer, const struct replay_result *result, struct others *others, uint64_t *folded_paths);
bool overview_pack_functions(struct packer *packer, const struct cptrace_definitions *definitions, const struct replay_result *result);

/* From the root, always the child that weighs most (its total; of a generator, its running time), until a function's own code is the
 * largest part. Returns the number of paths and allocates *paths; 0: no calls, or no memory. Only paths that the page shows. */
size_t overview_slowest_path(const struct replay_result *result, const struct cptrace_definitions *definitions, uint32_t **paths);

/* The function with the largest self; with the largest total among those that are no root. UINT32_MAX: none. */
uint32_t overview_slowest_self(const struct replay_result *result);
uint32_t overview_slowest_total(const struct replay_result *result);

#endif
