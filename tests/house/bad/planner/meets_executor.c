#include "executor/engine.h"
#include <glpk.h>
