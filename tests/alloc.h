/* Each allocation made to fail once.
 *
 * A test program built with blind_alloc_test() has malloc() and its kin wrapped by the linker where
 * our own code calls them.
 *
 *     static blind_code parse(void) { ... }
 *     TEST(parse_survives_want_of_memory) { fail_each_allocation(parse, "parse"); }
 *
 * The run must succeed when nothing fails, and say MEMORY each time one allocation fails; ASan sees
 * what then leaks. */
#ifndef BL_TEST_ALLOC_H
#define BL_TEST_ALLOC_H

#include "tests/test.h"

/* Runs once with all memory there, then with the first, the second, ... allocation failing, until a
 * run needs no more.  Returns how many allocations there were. */
int fail_each_allocation(blind_code (*run)(void), const char *name);
/* The same with jansson's allocations among them.  It calls some of its failures invalid input, so
 * any refusal will do. */
int fail_each_json_allocation(blind_code (*run)(void), const char *name);

#endif
