#include "time_range.h"

#include <stddef.h>
#include <string.h>

#define BILLION UINT64_C(1000000000)

struct unit {
    const char *name;
    uint64_t ns;
};

static const struct unit units[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)}, {"h", UINT64_C(3600000000000)},
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The unit's name is what stands before the next digit or the end. */
static const struct unit *take_unit(const char **at, const char *end)
{
    const char *const name = *at;
    while (*at < end && !is_digit(**at))
        ++*at;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; ++i) {
        if (strlen(units[i].name) == (size_t)(*at - name) && memcmp(units[i].name, name, (size_t)(*at - name)) == 0)
            return &units[i];
    }
    return NULL;
}

static bool add(uint64_t *sum, uint64_t factor, uint64_t unit)
{
    if (factor > (UINT64_MAX - *sum) / unit)
        return false;
    *sum += factor * unit;
    return true;
}

static bool take_whole(const char **at, const char *end, uint64_t *whole)
{
    if (*at == end || !is_digit(**at))
        return false;
    for (*whole = 0; *at < end && is_digit(**at); ++*at) {
        if (*whole > UINT64_MAX / 10 - 1)
            return false;
        *whole = *whole * 10 + (uint64_t)(**at - '0');
    }
    return true;
}

/* In billionths; further digits are dropped. */
static bool take_fraction(const char **at, const char *end, uint64_t *billionths)
{
    *billionths = 0;
    if (*at == end || **at != '.')
        return true;
    ++*at;
    if (*at == end || !is_digit(**at))
        return false;
    for (uint64_t place = BILLION / 10; *at < end && is_digit(**at); ++*at, place /= 10)
        *billionths += place * (uint64_t)(**at - '0');
    return true;
}

/* Without overflow: from a second on, a unit is a whole number of them. */
static uint64_t fraction_of(uint64_t unit_ns, uint64_t billionths)
{
    return unit_ns >= BILLION ? billionths * (unit_ns / BILLION) : billionths * unit_ns / BILLION;
}

/* "1.25s" */
static bool take_part(const char **at, const char *end, uint64_t *sum_ns)
{
    uint64_t whole, billionths;
    if (!take_whole(at, end, &whole) || !take_fraction(at, end, &billionths))
        return false;
    const struct unit *const unit = take_unit(at, end);
    return unit && add(sum_ns, whole, unit->ns) && add(sum_ns, fraction_of(unit->ns, billionths), 1);
}

static bool parse_time(const char *at, const char *end, uint64_t *time_ns)
{
    *time_ns = 0;
    if (end - at == 1 && *at == '0')
        return true;
    do {
        if (!take_part(&at, end, time_ns))
            return false;
    } while (at < end);
    return true;
}

bool time_range_parse(const char *text, struct time_range *range)
{
    const char *const dots = strstr(text, "..");
    if (!dots)
        return false;
    const char *const begin_of_end = dots + 2, *const end = text + strlen(text);
    struct time_range parsed = {0, UINT64_MAX};
    if (dots != text && !parse_time(text, dots, &parsed.begin_ns))
        return false;
    if (begin_of_end != end && !parse_time(begin_of_end, end, &parsed.end_ns))
        return false;
    if (parsed.begin_ns > parsed.end_ns)
        return false;
    *range = parsed;
    return true;
}
