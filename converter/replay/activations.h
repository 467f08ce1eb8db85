/* The living activations (generators and coroutines) by number: where the call of each is. Memory follows how many live at once, not how
 * many there ever were. */
#ifndef REPLAY_ACTIVATIONS_H
#define REPLAY_ACTIVATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACTIVATION_SUSPENDED UINT32_MAX /* as lane: on no stack, `index` is its place among the suspended */

struct activation_place {
    uint32_t lane, index;
};

struct activations {
    struct activation_slot *slots; /* open addressing */
    size_t slot_count;             /* a power of two, or 0 */
    size_t count;
};

/* NULL when it does not live. Valid until the next put or remove. */
struct activation_place *activations_find(const struct activations *activations, uint32_t activation);
/* Adds it or moves it. false: no memory. */
bool activations_put(struct activations *activations, uint32_t activation, struct activation_place place);
void activations_remove(struct activations *activations, uint32_t activation);
void activations_free(struct activations *activations);

#endif
