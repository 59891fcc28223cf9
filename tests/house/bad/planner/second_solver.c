#include <glpk.h> /* meets_executor.c does already */
