# The checker behind layers.sh. Input: the law, CMakeLists.txt if there is one, the sources.

function complain(what)
{
    printf "%s:%d: %s\n", FILENAME, FNR, what
    n_violations++
}

function folder_of(path)
{
    return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : ""
}

# Does `path` match a pattern with *, which may match anything?
function is_match(path, pattern)
{
    gsub(/\./, "\\.", pattern)
    gsub(/\*/, ".*", pattern)
    return path ~ ("^" pattern "$")
}

# Is `header` kept to certain files, and FILENAME none of them?
function check_owner(header,    name, n, patterns, i)
{
    for (name in only) {
        if (!is_match(header, name))
            continue
        n = split(only[name], patterns, " ")
        for (i = 1; i <= n; i++)
            if (is_match(FILENAME, patterns[i]))
                break
        if (i > n)
            complain("may not include " header ": only " only[name])
        else if ((name in single) && (name in includer) && includer[name] != FILENAME)
            complain("may not include " header ": " includer[name] " does already")
        if (!(name in includer))
            includer[name] = FILENAME
    }
}

function check_own_header(header,    from, to)
{
    from = folder_of(FILENAME)
    to = folder_of(header)
    if (to == "" || !((to in law) || (to in outside)))
        complain("\"" header "\" is not of the form \"folder/file.h\"")
    else if (from != to && !(from in outside) && index(law[from], " " to " ") == 0)
        complain(from " may not include " to " (" header ")")
    else if (header ~ /_priv\.h$/ && from != to && from != "tests")
        complain(header " is private to " to)
    check_owner(header)
}

function check_system_header(header)
{
    for (name in only)
        if (is_match(header, name)) {
            check_owner(header)
            return
        }
    if (!(header in libc) && header !~ /^(sys|linux|netinet|arpa|net)\/[a-z_]+\.h$/)
        complain("<" header "> has no owner in layers.txt")
}

function finish_file()
{
    if (file == "")
        return
    limit = file ~ /\.h$/ ? 250 : 600
    if (n_lines > limit)
        printf "warning: %s: %d lines, budget %d\n", file, n_lines, limit
}

BEGIN {
    n = split("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp " \
              "signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn " \
              "string tgmath threads time uchar wchar wctype " \
              "dirent dlfcn fcntl fnmatch ftw getopt glob libgen malloc netdb poll pthread pwd " \
              "regex sched semaphore spawn strings syslog termios unistd ifaddrs endian " \
              "byteswap immintrin arm_neon arm_acle cpuid", names, " ")
    for (i = 1; i <= n; i++)
        libc[names[i] ".h"] = 1
}

FNR == 1 && NR > 1 { finish_file(); file = "" }

FILENAME ~ /layers\.txt$/ {
    if ($1 == "folder") {
        law[$2] = " "
        for (i = 3; i <= NF; i++)
            law[$2] = law[$2] $i " "
    } else if ($1 == "outside") {
        outside[$2] = 1
    } else if ($1 == "only") {
        header = $2
        $1 = $2 = ""
        sub(/^ +/, "")
        only[header] = $0
    } else if ($1 == "single") {
        single[$2] = 1
    }
    next
}

# tessera_library(FOLDER LINK folders... OTHER_KEYWORD ...)
FILENAME ~ /CMakeLists\.txt$/ {
    if ($0 !~ /^[ \t]*tessera_library\(/)
        next
    gsub(/[()]/, " ")
    library = $2
    is_link = 0
    for (i = 3; i <= NF; i++) {
        if ($i ~ /^[A-Z_]+$/)
            is_link = $i == "LINK"
        else if (is_link && index(law[library], " " $i " ") == 0)
            complain(library " may not link " $i)
    }
    next
}

FNR == 1 {
    file = FILENAME
    in_function = 0
    base_name = FILENAME
    sub(/.*\//, "", base_name)
    if (base_name in place)
        complain("has the same base name as " place[base_name])
    place[base_name] = FILENAME
}

{ n_lines = FNR }

/^#[ \t]*include/ {
    if (match($0, /"[^"]*"/))
        check_own_header(substr($0, RSTART + 1, RLENGTH - 2))
    else if (match($0, /<[^>]*>/))
        check_system_header(substr($0, RSTART + 1, RLENGTH - 2))
    else
        complain("an include this check cannot read")
}

# Functions begin and end with braces in column 1.
/^\{$/ { in_function = FNR }
/^\}/ && in_function {
    if (FNR - in_function - 1 > 60)
        printf "warning: %s:%d: function of %d lines, budget 60\n", FILENAME, in_function,
               FNR - in_function - 1
    in_function = 0
}

END {
    finish_file()
    printf "layers: %d files, %d violations\n", length_of(place), n_violations
    exit n_violations > 0
}

function length_of(array,    key, n)
{
    n = 0
    for (key in array)
        n++
    return n
}
