#include <glpk.h> /* milp_fake.c does already */
