#include <zmq.h>
#include <msgpack.h>
#include "cli/screen.h"
