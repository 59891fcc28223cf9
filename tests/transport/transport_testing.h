/* Includes every test of transport/ needs, in the order cmocka wants them. */
#ifndef TESS_TESTS_TRANSPORT_TESTING_H
#define TESS_TESTS_TRANSPORT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#endif
