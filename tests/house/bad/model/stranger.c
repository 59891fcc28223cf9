#include <curl/curl.h> /* nobody owns it */
#include "ground.h"    /* no folder */
#include "base/ground.h"
