#include "executor/engine.h"
