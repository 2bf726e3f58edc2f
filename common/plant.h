/* Bugs on purpose, in tests that have to show that they would be found.  Only a build
 * with DUSK_PLANTED has them, and there one is chosen at run time; everywhere else this
 * is the constant false. */
#ifndef COMMON_PLANT_H
#define COMMON_PLANT_H

#include <stdbool.h>

#ifdef DUSK_PLANTED
#include <string.h>

extern const char *plant_name; /* "": none */
#define PLANTED(name) (strcmp(plant_name, #name) == 0)
#else
#define PLANTED(name) false
#endif

#endif
