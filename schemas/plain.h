/*
 * How a plain envelope is read, in one pass, without an object made; for `_header.c`, and for
 * the gateway's `_flow.c`. What plain means is said there.
 */

#ifndef MCPX_PLAIN_H
#define MCPX_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_ID_CHARACTERS 128
#define MOST_NAMES 256 /* that one envelope may have in `to` */
#define MOST_LEVELS 512 /* of objects and lists in a payload; deeper ones are not plain */
#define WORD 8
#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS UINT64_C(0x8080808080808080)

typedef const unsigned char *Text;

/* All functions that move on return NULL for what is not plain. A zero byte ends what
   they read: it stands behind every bytes object, and nowhere within JSON. */

static inline Text
past_space(Text at)
{
    if (*at > ' ') /* nearly always */
        return at;
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

/* Whether a byte of the word is a quote, a backslash, or less than a space: where a run
   of a string's plain characters ends. */
static int
has_mark(uint64_t word)
{
    uint64_t quote = word ^ (EACH_BYTE * '"'), slash = word ^ (EACH_BYTE * '\\');

    return ((((word - EACH_BYTE * ' ') & ~word) | ((quote - EACH_BYTE) & ~quote)
             | ((slash - EACH_BYTE) & ~slash)) & HIGH_BITS) != 0;
}

static int
is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The unit of UTF-16 that is written `uXXXX`; -1 if it is none. */
static int
unit_of(Text at)
{
    int unit = 0;

    if (*at != 'u')
        return -1;
    for (int nth = 1; nth <= 4; nth++) {
        unsigned char byte = at[nth], low = byte | 0x20;

        if (!is_digit(byte) && !(low >= 'a' && low <= 'f')) /* the zero byte at the end is none */
            return -1;
        unit = unit * 16 + (is_digit(byte) ? byte - '0' : low - 'a' + 10);
    }
    return unit;
}

/* From an escape's backslash to behind it; a surrogate comes with its other half. */
static Text
past_escape(Text at)
{
    int unit;

    switch (*++at) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return at + 1;
    }
    unit = unit_of(at);
    if (unit < 0xD800 || unit >= 0xE000)
        return unit < 0 ? NULL : at + 5;
    if (unit >= 0xDC00 || at[5] != '\\')
        return NULL;
    unit = unit_of(at + 6);
    return unit >= 0xDC00 && unit < 0xE000 ? at + 11 : NULL;
}

static inline int
is_run(unsigned char byte)
{
    return byte >= ' ' && byte != '"' && byte != '\\';
}

/* From behind a string's first quote to behind its last; `*seen` gathers its bytes. */
static Text
past_string(Text at, Text end, uint64_t *seen)
{
    uint64_t bits = 0, word;

    for (;;) {
        int left = 2 * WORD; /* short ones are quicker byte by byte */

        for (; left > 0 && is_run(*at); left--)
            bits |= *at++;
        for (; left == 0 && end - at >= WORD; at += WORD, bits |= word) {
            memcpy(&word, at, WORD);
            if (has_mark(word))
                break;
        }
        while (is_run(*at))
            bits |= *at++;
        if (*at == '"') {
            *seen |= bits;
            return at + 1;
        }
        if (*at != '\\' || (at = past_escape(at)) == NULL)
            return NULL;
    }
}

static inline Text
past_digits(Text at)
{
    if (!is_digit(*at))
        return NULL;
    while (is_digit(*at))
        at++;
    return at;
}

static inline Text
past_number(Text at)
{
    if (*at == '-')
        at++;
    if (*at == '0')
        at++;
    else if ((at = past_digits(at)) == NULL)
        return NULL;
    if (*at == ',') /* nearly always */
        return at;
    if (*at == '.' && (at = past_digits(at + 1)) == NULL)
        return NULL;
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        at = past_digits(at);
    }
    return at;
}

static Text
past_word(Text at, Text end, const char *word, ptrdiff_t size)
{
    return end - at >= size && memcmp(at, word, (size_t)size) == 0 ? at + size : NULL;
}

/* From an object's brace to behind the last one. */
static Text
past_object(Text at, Text end, uint64_t *seen)
{
    unsigned char outer[MOST_LEVELS], closing = '}';
    ptrdiff_t level = 0;

    at = past_space(at + 1);
    if (*at == '}')
        return at + 1;
key:
    if (*at != '"' || (at = past_string(at + 1, end, seen)) == NULL)
        return NULL;
    at = past_space(at);
    if (*at != ':')
        return NULL;
    at = past_space(at + 1);
value:
    switch (*at) {
    case '"':
        at = past_string(at + 1, end, seen);
        break;
    case '{': case '[':
        if (++level == MOST_LEVELS)
            return NULL;
        outer[level] = closing;
        closing = *at + 2; /* as ASCII has it, of both */
        at = past_space(at + 1);
        if (*at == closing)
            break; /* which is an end, and seen to below */
        if (closing == '}')
            goto key;
        goto value;
    case 't':
        at = past_word(at, end, "true", 4);
        break;
    case 'f':
        at = past_word(at, end, "false", 5);
        break;
    case 'n':
        at = past_word(at, end, "null", 4);
        break;
    default:
        at = past_number(at);
    }
    if (at == NULL)
        return NULL;
    for (;;) {
        at = past_space(at);
        if (*at == ',') {
            at = past_space(at + 1);
            if (closing == '}')
                goto key;
            goto value;
        }
        if (*at++ != closing)
            return NULL;
        if (level == 0)
            return at;
        closing = outer[level--];
    }
}

/* A part of the header. */
typedef struct {
    Text start;
    ptrdiff_t size;
} Part;

/* A header's string, from its first quote to behind its last: printable ASCII, no backslash. */
static Text
past_part(Text at, Part *part)
{
    if (*at++ != '"')
        return NULL;
    part->start = at;
    while (*at >= ' ' && *at < 0x7F && *at != '"' && *at != '\\')
        at++;
    part->size = at - part->start;
    return *at == '"' ? at + 1 : NULL;
}

static int
two_digits(Text at)
{
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : 100;
}

/* Whether it is a timestamp (RFC 3339) on a day that exists; a leap second counts. */
static int
is_rfc3339(Part part)
{
    static const int days[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    Text at = part.start, end = at + part.size;
    int century, year, month, day, digits = 0;

    if (part.size < 20 || at[4] != '-' || at[7] != '-' || (at[10] | 0x20) != 't' || at[13] != ':'
        || at[16] != ':')
        return 0;
    century = two_digits(at), year = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    if (century > 99 || year > 99 || century + year == 0 || month < 1 || month > 12 || day < 1
        || day > days[month] || two_digits(at + 11) > 23 || two_digits(at + 14) > 59
        || two_digits(at + 17) > 60)
        return 0;
    if (month == 2 && day == 29 && (year ? year % 4 : century % 4))
        return 0;
    at += 19;
    if (*at == '.') {
        for (at++; is_digit(*at); at++)
            digits++;
        if (digits < 1 || digits > 9)
            return 0;
    }
    if (*at == 'Z' || *at == 'z')
        return at + 1 == end;
    return (*at == '+' || *at == '-') && end - at == 6 && two_digits(at + 1) <= 23 && at[3] == ':'
           && two_digits(at + 4) <= 59;
}

/* Whether it is 1-128 of `A-Za-z0-9._@-` and does not begin with `system` in any case. */
static int
is_participant(Part part)
{
    static const char system_[] = "system";
    int at = 0;

    if (part.size < 1 || part.size > 128)
        return 0;
    for (ptrdiff_t nth = 0; nth < part.size; nth++) {
        unsigned char byte = part.start[nth], low = byte | 0x20;

        if (!(low >= 'a' && low <= 'z') && !is_digit(byte) && byte != '.' && byte != '_' && byte != '@'
            && byte != '-')
            return 0;
    }
    while (at < 6 && at < part.size && (part.start[at] | 0x20) == system_[at])
        at++;
    return at < 6;
}

enum { PROTOCOL, ID, TS, FROM, TO, KIND, CORRELATION_ID, PAYLOAD, KEYS };

static const struct {
    const char *name;
    ptrdiff_t size;
} keys[KEYS] = {
    [PROTOCOL] = {"protocol", 8}, [ID] = {"id", 2},     [TS] = {"ts", 2},
    [FROM] = {"from", 4},         [TO] = {"to", 2},     [KIND] = {"kind", 4},
    [CORRELATION_ID] = {"correlation_id", 14},          [PAYLOAD] = {"payload", 7},
};

typedef struct {
    Part parts[KEYS];
    Part names[MOST_NAMES]; /* in `to` */
    int name_count;
    int present[KEYS];
} Header;

/* Names in a list, from its bracket to behind the last one. */
static Text
past_names(Text at, Header *header)
{
    do {
        Part *name = &header->names[header->name_count];

        if (header->name_count == MOST_NAMES || (at = past_part(past_space(at + 1), name)) == NULL
            || !is_participant(*name))
            return NULL;
        header->name_count++;
        at = past_space(at);
    } while (*at == ',');
    return *at == ']' ? at + 1 : NULL;
}

/* Read a whole envelope; return whether it is plain. */
static int
read_plain(Text at, Text end, Header *header, uint64_t *seen)
{
    at = past_space(at);
    if (*at != '{')
        return 0;
    do {
        Part key;
        int which = 0;

        if ((at = past_part(past_space(at + 1), &key)) == NULL)
            return 0;
        while (which < KEYS && (key.size != keys[which].size
                                || memcmp(key.start, keys[which].name, (size_t)key.size) != 0))
            which++;
        if (which == KEYS || header->present[which])
            return 0;
        header->present[which] = 1;
        at = past_space(at);
        if (*at++ != ':')
            return 0;
        at = past_space(at);
        if (which == PAYLOAD)
            at = *at == '{' ? past_object(at, end, seen) : NULL;
        else if (which == TO)
            at = *at == '[' ? past_names(at, header) : NULL;
        else
            at = past_part(at, &header->parts[which]);
        if (at == NULL)
            return 0;
        at = past_space(at);
    } while (*at == ',');
    return *at == '}' && past_space(at + 1) == end;
}

/* Whether a plain header says all that it must, and nothing that breaks a rule. */
static int
holds(const Header *header, Part protocol)
{
    const Part *parts = header->parts;

    return header->present[PROTOCOL] && header->present[KIND] && header->present[FROM]
           && header->present[PAYLOAD] && parts[ID].size >= 1 && parts[ID].size <= MOST_ID_CHARACTERS
           && parts[PROTOCOL].size == protocol.size
           && memcmp(parts[PROTOCOL].start, protocol.start, (size_t)protocol.size) == 0
           && (!header->present[TS] || is_rfc3339(parts[TS]))
           && (!header->present[CORRELATION_ID] || parts[CORRELATION_ID].size > 0);
}

/*
 * Whether the bytes up to `end`, where a zero byte stands, are a plain envelope of this protocol;
 * `header` is read then. The bytes of its strings are gathered in `*seen`, for who has to know
 * whether they are ASCII.
 */
static int
is_plain(Text start, Text end, Part protocol, Header *header, uint64_t *seen)
{
    memset(header->present, 0, sizeof header->present);
    header->name_count = 0;
    header->parts[ID].size = 0;
    return read_plain(start, end, header, seen) && holds(header, protocol);
}

#endif
