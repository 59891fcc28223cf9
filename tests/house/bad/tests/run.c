#include "executor/engine.h" /* fine; but the base name is taken by cli/run.c */
#include "model/net_priv.h"
#include <cmocka.h>
