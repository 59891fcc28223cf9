#include "cli/verbs.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/session.h"
#include "cli/spawn.h"
#include "executor/process_memory.h"

static void print_machine(void)
{
    char total[24], free_now[24];
    cpu_set_t set;
    int n_usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    long page = sysconf(_SC_PAGESIZE);
    printf("processors usable    %d of %ld\n", n_usable, sysconf(_SC_NPROCESSORS_CONF));
    printf(
        "memory               %s, free now %s\n",
        tess_format_bytes((int64_t)sysconf(_SC_PHYS_PAGES) * page, total, sizeof total),
        tess_format_bytes((int64_t)sysconf(_SC_AVPHYS_PAGES) * page, free_now,
                          sizeof free_now));
}

static void print_facts(const struct tess_session *session)
{
    char base[24];
    struct tess_kernel_facts facts = session->facts;
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    tess_facts_fields(&facts, fields);
    printf("kernels              %s: %s\n", session->family->name,
           session->family->description);
    printf("process itself       %s\n",
           tess_format_bytes(facts.base_bytes, base, sizeof base));
    printf("kernel facts\n");
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        printf("  %-22s %lld\n", fields[i].name, (long long)*fields[i].value);
}

enum tess_status tess_verb_doctor(const struct tess_args *args, struct tess_error *error)
{
    struct tess_session session = {.args = args};
    char planner[4096];
    printf("tessera              %s\n", TESSERA_VERSION);
    print_machine();
    enum tess_status status = tess_session_start(&session, error);
    if (status == TESS_OK)
        print_facts(&session);
    if (status == TESS_OK) {
        status = tess_spawn_find("tessera-planner", planner, sizeof planner, error);
        printf("planner              %s\n", status == TESS_OK ? planner : "missing");
    }
    tess_session_release(&session);
    return status;
}
