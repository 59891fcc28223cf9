# Sourced by the scripts that compare what tessera detects with what another program does. A
# detection is a line: CLASS SCORE X Y W H.
# shellcheck shell=sh

# detections REPORT: those in a report of tessera.
detections() {
    sed -n 's/.*"class_id": *\([^,]*\), "score": *\([^,]*\), "box": {\(.*\)}}.*/\1 \2 \3/p' "$1" |
        sed 's/"[a-z]*": *//g; s/,/ /g'
}

# have_partners ONES OTHERS LIMIT: has each line of ONES a partner in OTHERS: same class, score
# within LIMIT, edges within 2 pixels? Scores so close to the threshold that rounding decides need
# none. Not if one of the files is empty.
have_partners() {
    awk -v limit="$3" '
        function near(a, b, most) { return a - b <= most && b - a <= most }
        NR == FNR { for (i = 1; i <= 6; i++) other[NR, i] = $i; n_other = NR; next }
        {
            found = $2 < 0.25 + limit
            for (j = 1; j <= n_other; j++)
                if ($1 == other[j, 1] && near($2, other[j, 2], limit) &&
                    near($3, other[j, 3], 2) && near($4, other[j, 4], 2) &&
                    near($3 + $5, other[j, 3] + other[j, 5], 2) &&
                    near($4 + $6, other[j, 4] + other[j, 6], 2))
                    found = 1
            if (!found) { print "no partner for", $0; bad = 1 }
            n++
        }
        END { exit bad || n == 0 || n_other == 0 }' "$2" "$1"
}

# are_same ONES OTHERS LIMIT: have both all their partners in the other one?
are_same() {
    have_partners "$1" "$2" "$3" && have_partners "$2" "$1" "$3"
}
