/* The tables of options and commands: everything that is parsed, and all help, comes from
 * here. */
#include "cli/args_priv.h"

#define IN(verb) (1u << TESS_VERB_##verb)
#define CLUSTER (IN(CLUSTER_RUN) | IN(CLUSTER_STATUS) | IN(DOCTOR))
#define AT(field) offsetof(struct tess_args, field)

const struct tess_option tess_options[] = {
    {"--weights", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(INFO) | IN(CLUSTER_RUN), AT(weights),
     "darknet weights of the model; a compiled one has its own"},
    {"--image", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(image),
     "photograph to look at, JPEG or PNG"},
    {"--image", KIND_IMAGE, "FILE", NULL, 0, 0, IN(CLUSTER_RUN), AT(n_images),
     "photograph to look at, JPEG or PNG, or a folder of them; may be given several "
     "times"},
    {"--raw-input", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN) | IN(CLUSTER_RUN),
     AT(raw_input),
     "network input instead of a photograph: float32 little-endian, planar C,H,W"},
    {"--memory", KIND_BYTES, "SIZE", NULL, 1, 0x1p62,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(VERIFY) | IN(WORKER) | IN(CLUSTER_RUN) |
         IN(CLUSTER_PLAN),
     AT(memory_bytes),
     "bytes the whole process may hold, such as 64M (bench: several, 64M,48M,32M; "
     "cluster: "
     "the coordinator's, and each worker's of --local)"},
    {"--connect", KIND_TEXT, "ENDPOINT", NULL, 0, 0, IN(WORKER), AT(connect),
     "where the coordinator listens, such as tcp://192.168.1.10:5570; it also uses the "
     "port "
     "above"},
    {"--cache", KIND_TEXT, "FOLDER", "~/.cache/tessera", 0, 0, IN(WORKER), AT(cache),
     "where weights are kept, so that they are sent only once"},
    {"--cache-size", KIND_SIZE, "SIZE", "0", 0, 0x1p62, IN(WORKER), AT(cache_bytes),
     "bytes the cache may take; 0 for no limit"},
    {"--name", KIND_TEXT, "NAME", NULL, 0, 0, IN(WORKER), AT(name),
     "what this worker is called in cluster files and reports; by default the host's "
     "name"},
    {"--cluster", KIND_TEXT, "FILE", NULL, 0, 0, CLUSTER | IN(CLUSTER_PLAN), AT(cluster),
     "the nodes: names, speeds, memory, links (docs/cluster.md); the first is this one"},
    {"--local", KIND_INT, "N", "0", 0, 16, IN(CLUSTER_RUN), AT(n_local),
     "instead of a cluster: start N workers on this machine, to try"},
    {"--listen", KIND_TEXT, "ENDPOINT", NULL, 0, 0, CLUSTER, AT(listen),
     "where workers connect: tcp://0.0.0.0:5570 with keys, tcp://127.0.0.1:5570 without; "
     "the port above is used, too"},
    {"--key", KIND_TEXT, "FILE", NULL, 0, 0, CLUSTER | IN(WORKER), AT(key),
     "this node's key pair, made by tessera keygen"},
    {"--coordinator-key", KIND_TEXT, "FILE", NULL, 0, 0, IN(WORKER), AT(coordinator_key),
     "the coordinator's public key (its FILE.pub): with --key"},
    {"--allow", KIND_TEXT, "FILE", NULL, 0, 0, CLUSTER, AT(allow),
     "who may join, a line each: NAME and public key; with --key"},
    {"--insecure", KIND_FLAG, NULL, NULL, 0, 0, CLUSTER | IN(WORKER), AT(is_insecure),
     "without keys, serve or join more than this machine: anybody on the network may "
     "then "
     "take part and read"},
    {"--wait", KIND_REAL, "SECONDS", "30", 0, 1e6, CLUSTER, AT(wait_seconds),
     "how long to wait for the workers of the cluster; then go on with those there are"},
    {"--in-flight", KIND_INT, "N", "0", 0, 8, IN(CLUSTER_RUN), AT(n_in_flight),
     "images being computed at once: more frames a second, each a little later; 0 for 2 "
     "where there are several images, else 1; with --whole-frames one for each node"},
    {"--whole-frames", KIND_FLAG, NULL, NULL, 0, 0, IN(CLUSTER_RUN), AT(is_whole_frames),
     "each frame is computed by one node: more frames a second than tiles give, but no "
     "frame "
     "is done earlier, and every node needs the memory for a whole one"},
    {"--static", KIND_FLAG, NULL, NULL, 0, 0, IN(CLUSTER_RUN), AT(is_static),
     "every tile where the plan has it, however long that takes: to see what dispatching "
     "is "
     "worth"},
    {"--trace", KIND_TEXT, "FILE", NULL, 0, 0, IN(CLUSTER_RUN), AT(trace),
     "write who did what when, for chrome://tracing or ui.perfetto.dev"},
    {"--link", KIND_FLAG, NULL, NULL, 0, 0, IN(DOCTOR), AT(tests_links),
     "measure the links to the workers that connect, instead"},
    {"--plan", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN) | IN(VERIFY), AT(plan),
     "run or check this plan file instead of searching for one"},
    {"--plan", KIND_TEXT, "FILE", NULL, 0, 0, IN(CLUSTER_RUN) | IN(CLUSTER_PLAN),
     AT(plan), "use this cluster plan instead of searching for one"},
    {"--plan", KIND_TEXT, "FILE", NULL, 0, 0, IN(SCHEDULE), AT(plan),
     "schedule the tasks of this plan of the model: its tiled groups and other layers"},
    {"--model", KIND_TEXT, "NAME", "inplace", 0, 0, IN(SCHEDULE), AT(memory_model),
     "how memory is counted: base (nothing overwrites, concats copy), inplace (relu, add "
     "and the like may overwrite an input), view (and a concat is its parts)"},
    {"--method", KIND_TEXT, "NAME", "exact", 0, 0, IN(SCHEDULE), AT(method),
     "exact (proves what it can), serenity (published dynamic programming), ilp (integer "
     "programming, a check of exact), greedy, dfs, kahn, file"},
    {"--time-limit", KIND_REAL, "SECONDS", "60", 0, 1e6, IN(SCHEDULE), AT(limit_seconds),
     "the best order found by then is the result"},
    {"--budget", KIND_TEXT, "SIZE", NULL, 0, 0, IN(SCHEDULE), AT(budget),
     "run tasks more than once where their tensors do not fit otherwise, in the least "
     "extra time: bytes such as 64M, or a percentage of the peak of the order given, "
     "80%"},
    {"--keep-order", KIND_FLAG, NULL, NULL, 0, 0, IN(SCHEDULE), AT(keeps_order),
     "with --budget: tasks run for the first time in the order given"},
    {"--most-runs", KIND_INT, "N", "3", 1, 1000, IN(SCHEDULE), AT(most_runs),
     "with --budget: no task runs more often"},
    {"--remat", KIND_TEXT, "NAME", "best", 0, 0, IN(SCHEDULE), AT(remat),
     "with --budget: best (runs the others as time allows), exact (small graphs), "
     "greedy, gap (integer programming along one order), moccasin (constraint "
     "propagation along one order), reorder, checkmate (the published programme)"},
    {"--align", KIND_INT, "BYTES", "1", 1, 1 << 30, IN(SCHEDULE), AT(alignment),
     "sizes and places are multiples of this"},
    {"--rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(SCHEDULE), AT(rewrites),
     "first split what reads concats into tasks for their parts, where that lowers the "
     "peak: convolutions add up, depthwise ones and poolings treat each part by itself"},
    {"--no-rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(SCHEDULE), AT(forbids_rewriting),
     "schedule the tasks as they are, which is the default"},
    {"--accumulators", KIND_INT, "N", "1", 1, 64, IN(SCHEDULE), AT(accumulator_factor),
     "with --rewrite: sums take N times the bytes of the tensor that they become, as 32 "
     "bits "
     "do for one of 8"},
    {"--without", KIND_TEXT, "PARTS", NULL, 0, 0, IN(SCHEDULE), AT(without),
     "leave out parts of the methods exact and ilp, to see what they are worth: fusion, "
     "cuts, beam, climb, safe, valleys, windows; several with commas"},
    {"--untiled", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN), AT(is_untiled),
     "run every layer whole, whatever memory that takes"},
    {"--search", KIND_TEXT, "NAME", "dp", 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(search), "planning method: dp (best), mafat (published baseline), untiled, ilp"},
    {"--halo", KIND_TEXT, "WHICH", "any", 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH), AT(halo),
     "what tiles may do about halos: any, reuse, recompute"},
    {"--no-columns", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_columns), "planner: no grids with more than one column"},
    {"--no-copies", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_copies), "planner: concats are always views"},
    {"--no-reorder", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_reorder), "planner: layers run in the order of the cfg"},
    {"--no-placement", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_placement), "planner: buffers are placed by greedy orders alone"},
    {"--no-streaming", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_streaming), "planner: all weights are held, none read again and again"},
    {"--rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN), AT(rewrites),
     "planner: convolutions of a route may add up its layers one by one, if that saves "
     "memory; results then differ from the network's in their last bits"},
    {"--curve", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN), AT(is_curve),
     "print what each budget buys, from the smallest that works, instead of a plan"},
    {"--savings", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN), AT(is_savings),
     "print what each technique saves instead of a plan: each left out in turn"},
    {"--layers", KIND_LAYERS, "A..B", NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(INFO) | IN(SCHEDULE),
     AT(first_layer),
     "only these layers, numbered as darknet does, negative from the end"},
    {"--kernels", KIND_TEXT, "NAME", "auto", 0, 0,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(DOCTOR) | IN(CLUSTER_RUN) |
         IN(WORKER),
     AT(kernels), "kernel family: auto, nat (own), xnn (XNNPACK), ref (plain loops)"},
    {"--threads", KIND_INT, "N", "0", 0, 256,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(DOCTOR) | IN(CLUSTER_RUN) |
         IN(CLUSTER_PLAN) | IN(WORKER),
     AT(n_threads), "worker threads, 0 for one per processor this process may use"},
    {"--profile", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(CLUSTER_RUN) | IN(CLUSTER_PLAN) | IN(WORKER), AT(profile),
     "device profile measured by bench --profile; by default "
     "~/.config/tessera/profile.yaml, if there is one"},
    {"--profile", KIND_FLAG, NULL, NULL, 0, 0, IN(BENCH), AT(is_profiling),
     "measure this device and write its profile"},
    {"--names", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN) | IN(CLUSTER_RUN), AT(names),
     "class names, one a line"},
    {"--thresh", KIND_REAL, "T", "0.25", 0, 1, IN(RUN) | IN(CLUSTER_RUN), AT(threshold),
     "least score of a detection"},
    {"--nms", KIND_REAL, "T", "0.45", 0, 1, IN(RUN) | IN(CLUSTER_RUN), AT(overlap),
     "boxes of one class overlapping by more (IoU) are one"},
    {"--fit", KIND_TEXT, "HOW", "letterbox", 0, 0, IN(RUN) | IN(CLUSTER_RUN), AT(fit),
     "how the photograph meets the input: letterbox (darknet) or stretch (AlexeyAB, "
     "OpenCV)"},
    {"--annotate", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(annotate),
     "write the photograph with boxes drawn, .png or .jpg"},
    {"--json", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(RUN) | IN(INFO) | IN(BENCH) | IN(VERIFY) | IN(PLAN) | IN(SCHEDULE) |
         IN(CLUSTER_RUN) | IN(CLUSTER_STATUS),
     AT(json), "write the results as JSON, - for standard output (plan: of --curve)"},
    {"--dump", KIND_DUMP, "LAYER=FILE", NULL, 0, 0, IN(RUN) | IN(CLUSTER_RUN),
     AT(n_dumps),
     "write a layer's output, float32 planar C,H,W; may be given several times"},
    {"--repeat", KIND_INT, "N", "1", 1, 100000, IN(RUN) | IN(BENCH) | IN(CLUSTER_RUN),
     AT(n_repeats), "run so often and report median, least and most time"},
    {"--seed", KIND_INT, "N", "1", 0, 9e15, IN(SYNTH), AT(seed),
     "which random weights; the same seed gives the same bytes on every machine"},
    {"--output", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(PLAN) | IN(SYNTH) | IN(BENCH) | IN(COMPILE) | IN(CLUSTER_PLAN), AT(output),
     "file to write, - for standard output"},
    {"--quiet", KIND_FLAG, NULL, NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(SYNTH) | IN(VERIFY) | IN(COMPILE) |
         IN(SCHEDULE) | IN(CLUSTER_RUN) | IN(CLUSTER_PLAN) | IN(CLUSTER_STATUS) |
         IN(WORKER) | IN(KEYGEN),
     AT(is_quiet), "no progress, no tables"},
    {"--facts-from-stdin", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN) | IN(CLUSTER_PLAN),
     AT(reads_facts), NULL},
    {"--tiles-of", KIND_TEXT, "NAME", NULL, 0, 0, IN(CLUSTER_PLAN), AT(tiles_of), NULL},
    {"--sends", KIND_TEXT, "WHAT", "bytes", 0, 0, IN(CLUSTER_PLAN), AT(sends),
     "the network's input on the wire: bytes, as photographs are, or floats"},
    {"--input-bytes", KIND_INT, "N", "0", 0, 9e15, IN(PLAN), AT(input_bytes), NULL},
};
const int tess_n_options = sizeof tess_options / sizeof *tess_options;

static const char SCHEDULE_HELP[] =
    "A GRAPH is a JSON file of tasks and tensors (docs/schedule.md), or a darknet cfg or "
    "a\n"
    "compiled model, whose layers are the tasks then. Says how many bytes are alive at\n"
    "once, at most, when the tasks run in the order found (weights not counted); below\n"
    "how many bytes no order goes; how far apart the two are, and what ended the "
    "search;\n"
    "and how large an arena holds all tensors at fixed places. --json has the order and\n"
    "the places, too.\n\n";

static const char WORKER_HELP[] = "Connects to the coordinator, again and again while "
                                  "there is none, takes the plan and the\n"
                                  "weights that it lacks, and computes tiles until it is "
                                  "stopped. With SIGTERM it finishes\n"
                                  "the tiles it holds and leaves.\n\n";
static const char CLUSTER_HELP[] = "This process is the coordinator: it plans, sends "
                                   "tiles, computes some itself, and goes on\n"
                                   "when workers come, fail or return. The output is "
                                   "that of `tessera run`, bit for bit.\n\n";
static const char KEYGEN_HELP[] =
    "Writes FILE, which stays on its node and which only its owner may read, and "
    "FILE.pub,\n"
    "which may be shown to anybody. Workers get the coordinator's FILE.pub; the "
    "coordinator\n"
    "gets a list of the workers' names and public keys (docs/cluster.md).\n\n";

const struct tess_verb_text tess_verb_texts[TESS_N_VERBS] = {
    {"info", "MODEL", "layers of a network, their shapes, memory and work",
     "tessera info yolov2.cfg", NULL, "model"},
    {"plan", "MODEL", "find the fastest plan within a budget and write it",
     "tessera plan yolov2.cfg --memory 300M -o plan.yaml", NULL, "model"},
    {"verify", "MODEL", "check a plan file independently and print its memory",
     "tessera verify yolov2.cfg --plan plan.yaml", NULL, "model"},
    {"run", "MODEL", "run a network within a budget",
     "tessera run yolo.cfg --weights yolo.weights --image dog.jpg --memory 32M "
     "--annotate "
     "out.png",
     NULL, "model"},
    {"bench", "[MODEL]", "compare budgets and searches, or measure this device",
     "tessera bench yolov2.cfg --layers 0..15 --memory 96M,64M,38M", NULL, "model"},
    {"synth", "MODEL.cfg", "random weights for a network, to try it without trained ones",
     "tessera synth yolov2.cfg --seed 1 -o yolov2.weights", NULL, "model"},
    {"compile", "MODEL.cfg WEIGHTS",
     "cfg and weights into one checksummed file that is read in "
     "slices",
     "tessera compile yolov2.cfg yolov2.weights -o yolov2.tess", NULL, "model"},
    {"schedule", "GRAPH",
     "order the tasks of a graph so that few bytes are alive at once",
     "tessera schedule swiftnet.json --model view --json order.json", SCHEDULE_HELP,
     "graph"},
    {"doctor", "", "what this machine offers and what a plan would rest on",
     "tessera doctor", NULL, NULL},
    {"worker", "", "compute tiles for a coordinator, within a budget",
     "tessera worker --connect tcp://192.168.1.10:5570 --memory 400M --key w1.key "
     "--coordinator-key gate.key.pub",
     WORKER_HELP, NULL},
    {"cluster run", "MODEL", "run a network over several boards",
     "tessera cluster run yolov2.cfg --weights yolov2.weights --image dog.jpg --local 2",
     CLUSTER_HELP, "model"},
    {"cluster plan", "MODEL",
     "how a cluster would share a network, and how fast it would be",
     "tessera cluster plan yolov2.cfg --cluster configs/clusters/four-equal.yaml", NULL,
     "model"},
    {"cluster status", "", "who would join, what they have, how good their links are",
     "tessera cluster status --cluster configs/clusters/four-equal.yaml", NULL, NULL},
    {"keygen", "FILE", "make a key pair for a node of a cluster",
     "tessera keygen gate.key", KEYGEN_HELP, "file name"},
};
