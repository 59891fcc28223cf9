#  include "planner/search_fake.h"
#include <yaml.h> /* plan owns it */
