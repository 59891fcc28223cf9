#include "planner/search_fake.h"
