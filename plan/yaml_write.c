#include "plan/yaml_write.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Words that other YAML readers take for a truth value or for nothing. */
static bool is_reserved(const char *name)
{
    static const char *const words[] = {"y",  "n",   "yes",  "no",  "true", "false",
                                        "on", "off", "null", "nan", "inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(name, words[i]) == 0)
            return true;
    return false;
}

static bool is_plain(const char *name)
{
    if (!is_letter(name[0]) || is_reserved(name))
        return false;
    for (; *name; name++)
        if (!is_letter(*name) && !(*name >= '0' && *name <= '9') && !strchr("_-.", *name))
            return false;
    return true;
}

/* Bytes of the UTF-8 sequence at `at` if a YAML file may hold its character as it is,
 * else 0. */
static size_t utf8_len(const unsigned char *at)
{
    size_t len = at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    uint32_t code = at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0; /* also at the end of the string */
        code = code << 6 | (at[i] & 0x3f);
    }
    const uint32_t least[] = {0xa0, 0x800, 0x10000}; /* below 0xa0: control characters */
    bool is_allowed = code >= least[len - 2] && code <= 0x10ffff &&
                      !(code >= 0xd800 && code < 0xe000) && /* half of a surrogate pair */
                      code != 0x2028 && code != 0x2029 &&   /* line breaks to YAML */
                      code != 0xfeff && code != 0xfffe && code != 0xffff;
    return is_allowed ? len : 0;
}

void tess_yaml_write_name(struct tess_text *text, const char *name)
{
    if (is_plain(name)) {
        tess_text_append(text, name, strlen(name));
        return;
    }
    tess_text_append(text, "\"", 1);
    while (*name) {
        unsigned char byte = (unsigned char)*name;
        size_t len = byte < 0x80 ? 1 : utf8_len((const unsigned char *)name);
        if (byte == '"' || byte == '\\')
            tess_text_append(text, "\\", 1);
        if (len == 0 || byte < ' ' || byte == 0x7f)
            tess_text_append(text, "?", 1);
        else
            tess_text_append(text, name, len);
        name += len ? len : 1;
    }
    tess_text_append(text, "\"", 1);
}

void tess_yaml_write_decimal(struct tess_text *text, double value, int n_places)
{
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    assert(n_places >= 0 && n_places <= 6);
    assert(value >= 0 && value * (double)powers[n_places] <= 1e14);
    int64_t scaled = llround(value * (double)powers[n_places]);
    int64_t fraction = scaled % powers[n_places];
    while (n_places > 0 && fraction % 10 == 0) {
        fraction /= 10;
        scaled /= 10;
        n_places--;
    }
    if (n_places == 0)
        tess_text_printf(text, "%lld", (long long)scaled);
    else
        tess_text_printf(text, "%lld.%0*lld", (long long)(scaled / powers[n_places]),
                         n_places, (long long)fraction);
}
