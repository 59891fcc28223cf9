#include "model/net_priv.h" /* base may include nothing above it */
#include <stdio.h>
