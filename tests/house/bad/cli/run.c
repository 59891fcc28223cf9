#include "planner/search_fake.h" /* only the planner program may */
#include "bench/meter.h"
#define HEADER "base/ground.h"
#include HEADER
