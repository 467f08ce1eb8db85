/* For variables that the hot path reads: the compiler takes a declaration alone for one of another module, whose address must be looked up.
 */
#ifndef REC_LINKAGE_H
#define REC_LINKAGE_H

#if defined(__GNUC__) && !defined(_WIN32)
#define REC_OF_THIS_MODULE __attribute__((visibility("hidden")))
#else
#define REC_OF_THIS_MODULE
#endif

#endif
