#include "worker/glm_rows.h"
#include "worker/panels.h"
#include "worker/simd.h"

#define ELEMENT double
#define LOAD4 v4_load
#define NAMED(name) name##_f64
#include "worker/glm_rows.inc"
#undef ELEMENT
#undef LOAD4
#undef NAMED

#define ELEMENT float
#define LOAD4 v4_load_f32
#define NAMED(name) name##_f32
#include "worker/glm_rows.inc"

const struct row_loops row_loops_f64 = {dot_f64, add_f64, moments_f64, pack_f64,
                                        widen_f64};
const struct row_loops row_loops_f32 = {dot_f32, add_f32, moments_f32, pack_f32,
                                        widen_f32};
