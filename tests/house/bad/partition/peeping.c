#include "model/net_priv.h" /* the folder is allowed, the private header is not */
